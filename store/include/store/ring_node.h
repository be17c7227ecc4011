/* SPDX-License-Identifier: MIT
 *
 * The node of a ring, as the store knows it: traced, salvage and a process's own rings describe it alike. */
#ifndef STORE_RING_NODE_H
#define STORE_RING_NODE_H

#include <libtrace/reader.h>
#include <store/nodes.h>
#include <string.h>

/* machine: whose clock its times have.  started_unix_ns: when the log was opened. */
static inline struct node_info node_info_of_ring(const struct trace_reader *reader, const struct machine *machine,
                                                 uint64_t started_unix_ns) {
    const struct trace_reader_info *info = trace_reader_info(reader);
    struct node_info node = {
        .node_id = info->node_id,
        .machine = *machine,
        .pid = info->pid,
        .log = info->open_ticks, /* set by the node and constant in the ring, so every reader gives the log the same name */
        .started_unix_ns = started_unix_ns,
        .has_ring = true,
        .lane_count = info->lane_count,
        .lane_events = info->lane_events,
        .ring_bytes = info->object_bytes,
        .policy = info->policy,
        .clock_source = info->clock_source,
        .control = trace_reader_control(reader),
    };
    memcpy(node.node_name, info->node_name, sizeof node.node_name);
    return node;
}

#endif
