/* SPDX-License-Identifier: MIT
 *
 * Run-time control, the ingest's half: the control words of the rings that are attached. */
#include "ingest_internal.h"

#include <string.h>

/* Changes one node's word.  Returns false if it is no longer alive. */
static bool control_ring(struct ingest_ring *ring, const struct control_change *change, struct control_told *ret_told) {
    const struct trace_reader_info *info = trace_reader_info(ring->reader);
    uint64_t before, word;
    if (ring->end != NODE_LIVE || trace_reader_state(ring->reader) != TRACE_NODE_LIVE) return false;
    before = trace_reader_control(ring->reader);
    word = control_apply(change, before, info->open_control);
    if (word != before) trace_reader_set_control(ring->reader, word);
    if (trace_reader_broken(ring->reader)) return false;
    atomic_store_explicit(&ring->node->control, word, memory_order_relaxed); /* relaxed: one value */
    ret_told->node_id = info->node_id;
    memcpy(ret_told->name, info->node_name, sizeof ret_told->name);
    ret_told->word = word;
    return true;
}

void ingest_control(void *arg, const struct control_change *change, struct control_result *result) {
    struct ingest *ingest = arg;
    for (uint32_t i = 0; i < ingest->attached_count; i++) {
        struct ingest_ring *ring = ingest->attached[i].ring;
        const struct trace_node_id *id = &trace_reader_info(ring->reader)->node_id;
        if (change->one_node && memcmp(id, &change->node_id, sizeof *id) != 0) continue;
        if (control_ring(ring, change, &result->nodes[result->count])) result->count++;
    }
}
