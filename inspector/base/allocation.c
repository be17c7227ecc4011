/* SPDX-License-Identifier: MIT */
#include "allocation.h"

#include <proto/json_memory.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_bool was_short;

void memory_note_short(void) { atomic_store_explicit(&was_short, true, memory_order_relaxed); /* a flag alone */ }

bool memory_was_short(void) { return atomic_load_explicit(&was_short, memory_order_relaxed); }

void memory_watch(void) { trace_json_memory_begin(memory_note_short); }

void *memory_room(void *items, size_t count, size_t *capacity, size_t bytes) {
    if (count < *capacity) return items;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(items, wanted * bytes);
    if (grown) *capacity = wanted;
    return grown;
}
