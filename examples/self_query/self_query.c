/* SPDX-License-Identifier: MIT
 *
 * A program that queries itself: it serves requests, and when one fails it prints to stderr what happened to it.  At its
 * end it prints its last events as JSON.  It needs no traced; compiled without TRACE, all of this vanishes. */
#include <p2ptrace/query.h>
#include <stdio.h>

TRACE_ONLY(static struct trace_log *node_log;)

/* Serves a request of a peer; the third packet of every third one is lost. */
static int serve(unsigned request TRACE_ONLY(, const struct trace_context *context, const struct trace_node_id *peer)) {
    int ok = 1;
    TRACE_APP_START(node_log, context, peer, 0, "DEMO", 1);
    for (unsigned packet = 0; packet < 4; packet++) {
        TRACE_PACKET_SENT(node_log, context, peer, 4 * request + packet, 1200, TRACE_SPACE_1RTT);
        if (packet == 2 && request % 3 == 2) {
            TRACE_PACKET_LOST(node_log, context, peer, 4 * request + packet, TRACE_SPACE_1RTT);
            ok = 0;
        }
    }
    TRACE_APP_END(node_log, context, peer, "DEMO", 1, ok);
    return ok;
}

/* What a program may want to know about itself: how much was lost, and its last events for another tool. */
TRACE_ONLY(static int report(void) {
    struct trace_query_filter lost = {.kinds = TRACE_QUERY_KIND(TRACE_KIND_PACKET_LOST)}, last = {.limit = 3};
    struct trace_query *query = NULL;
    struct trace_query_counts counts;
    int result = trace_query_open(&query, node_log);
    if (result == 0) result = trace_query_count(query, &lost, &counts);
    if (result == 0) fprintf(stderr, "%llu packets lost\n", (unsigned long long)counts.total);
    if (result == 0) result = trace_query_json_file(query, &last, stdout);
    trace_query_close(query);
    return result;
})

int main(void) {
    int failed = 0;
    TRACE_ONLY({
        struct trace_log_options options = {.node_id = trace_node_id_random(), .node_name = "me"};
        if (trace_log_open(&node_log, &options) != 0) fputs("no room for a trace log: running untraced\n", stderr);
    })
    for (unsigned request = 0; request < 6; request++) {
        TRACE_ONLY(struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);)
        TRACE_ONLY(struct trace_node_id peer = {"32 bytes of the one who asks"};)
        if (serve(request TRACE_ONLY(, &context, &peer))) continue;
        failed++;
        TRACE_DUMP(node_log, &context);
    }
    printf("%d requests failed\n", failed);
    TRACE_ONLY(if (report() != 0) failed = -1;)
    TRACE_ONLY(trace_log_close(node_log);)
    return failed == 2 ? 0 : 1;
}
