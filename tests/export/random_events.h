/* SPDX-License-Identifier: MIT
 *
 * Events with random bytes wherever a node may write arbitrary ones, from a seed. */
#ifndef TESTS_EXPORT_RANDOM_EVENTS_H
#define TESTS_EXPORT_RANDOM_EVENTS_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>

struct random_events {
    uint64_t state;
    uint64_t now_ns;
    uint32_t sequence;
};

#define RANDOM_NODES 5

/* An application with a name and fields that need escapes. */
extern const struct trace_app random_app;

/* The next event: of any kind, one in 16 unknown; times increase.  wild: text and payloads of any bytes, else printable ones. */
void random_event(struct random_events *random, int wild, struct trace_event *ret_event, uint32_t *ret_node, uint32_t *ret_lane);

/* One of RANDOM_NODES. */
struct trace_node_id random_node_id(uint32_t node);

#endif
