/* SPDX-License-Identifier: MIT */
#include <p2ptrace/trace.h>
#include <stdio.h>

int main(void) {
    TRACE_ONLY(struct trace_log *log = NULL;)
    TRACE_ONLY(trace_log_open(&log, &(struct trace_log_options){.node_id = {{1}}, .node_name = "outside"});)
    TRACE_PACKET_SENT(log, NULL, NULL, 1, 1200, TRACE_SPACE_1RTT);
    TRACE_ONLY(trace_log_close(log);)
    return puts("done") < 0;
}
