/* SPDX-License-Identifier: MIT
 *
 * As every_macro.c, for p2ptrace/query.h. */
#include <stdint.h>

#include <p2ptrace/query.h>

struct request {
    uint64_t id;
    TRACE_ONLY(struct trace_log *log; struct trace_context context;)
};

int request_done(struct request *request, int result);
int request_done(struct request *request, int result) {
    if (result < 0) TRACE_DUMP(request->log, &request->context);
    TRACE_ONLY(struct trace_query *query = NULL;)
    TRACE_IF { result += (int)request->id; }
    TRACE_ONLY(if (trace_query_open(&query, request->log) != 0) return -1;)
    TRACE_ONLY({
        struct trace_query_filter lost = {NULL, NULL, TRACE_QUERY_KIND(TRACE_KIND_PACKET_LOST), 0, 0, 0};
        struct trace_query_counts counts;
        if (trace_query_count(query, &lost, &counts) == 0) result += (int)counts.by_kind[TRACE_KIND_PACKET_LOST];
        trace_query_close(query);
    })
    return result;
}
