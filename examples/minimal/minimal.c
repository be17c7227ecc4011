/* SPDX-License-Identifier: MIT
 *
 * The least that a traced program needs.  Compile it with -DTRACE_FULL and it is a node that traced finds; without, all the
 * tracing is gone. */
#include <p2ptrace/trace.h>
#include <stdio.h>

int main(void) {
    TRACE_ONLY(struct trace_log *log = NULL;)
    TRACE_ONLY(trace_log_open(&log, &(struct trace_log_options){.node_id = trace_node_id_random(), .node_name = "me"});)
    TRACE_ONLY(struct trace_context request = trace_context_new(TRACE_FLAG_SAMPLED);)

    TRACE_APP_START(log, &request, NULL, 0, "DEMO", 1);
    puts("the request's work is done here");
    TRACE_APP_END(log, &request, NULL, "DEMO", 1, 1);

    TRACE_ONLY(trace_log_close(log);)
    return 0;
}
