/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_bool was_short;

void memory_note_short(void) { atomic_store_explicit(&was_short, true, memory_order_relaxed); /* a flag alone */ }

bool memory_was_short(void) { return atomic_load_explicit(&was_short, memory_order_relaxed); }

static void *take(size_t bytes) {
    void *memory = malloc(bytes);
    if (!memory) memory_note_short();
    return memory;
}

void memory_watch(void) { json_set_alloc_funcs(take, free); }
