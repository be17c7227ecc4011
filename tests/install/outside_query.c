/* SPDX-License-Identifier: MIT */
#include <p2ptrace/query.h>
#include <stdio.h>

int main(void) {
    struct trace_log *log = NULL;
    struct trace_query *query = NULL;
    struct trace_query_counts counts = {.total = 0};
    trace_log_open(&log, &(struct trace_log_options){.node_id = {{1}}, .node_name = "query"});
    TRACE_PACKET_SENT(log, NULL, NULL, 1, 1200, TRACE_SPACE_1RTT);
    trace_query_open(&query, log);
    trace_query_count(query, NULL, &counts);
    trace_query_close(query);
    trace_log_close(log);
    return puts(counts.total == 1 ? "done" : "missing") < 0; /* without a trace: sampling leaves it */
}
