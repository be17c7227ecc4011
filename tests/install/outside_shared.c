/* SPDX-License-Identifier: MIT */
#include <p2ptrace/shared.h>
#include <stdio.h>

int main(void) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = {{1}}, .node_name = "shared"};
    struct trace_packet_sent packet = {.packet_num = 1, .size = 1200, .space = TRACE_SPACE_1RTT};
    trace_shared_log_open(&log, &options, sizeof options, 0);
    trace_emit_packet_sent(log, NULL, NULL, &packet, TRACE_DATA_BYTES(packet_sent));
    trace_log_close(log);
    return puts("done") < 0;
}
