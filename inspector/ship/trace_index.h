/* SPDX-License-Identifier: MIT
 *
 * The times of the first and last event of each trace and peer of a batch: rows of the fleet's table `trace_index`. */
#ifndef INSPECTOR_TRACE_INDEX_H
#define INSPECTOR_TRACE_INDEX_H

#include "row_binary.h"

#include <p2ptrace/event.h>
#include <stdbool.h>

struct trace_span {
    struct trace_id trace_id;
    struct trace_node_id peer_id;
    uint64_t first_ns, last_ns;
};

/* {0} is empty. */
struct trace_index {
    struct trace_span *spans;
    uint32_t count, room;
    uint32_t *slots; /* span + 1; 0: free */
    uint32_t slot_count;
    uint32_t last; /* the span of the last event: the next event often has the same */
};

void trace_index_fini(struct trace_index *index);
void trace_index_clear(struct trace_index *index);

/* Adds an event; skips those without a trace.  Returns 0, or -1 when out of memory. */
int trace_index_add(struct trace_index *index, const struct trace_event *event);

void trace_index_write(const struct trace_index *index, struct row_writer *out);

#endif
