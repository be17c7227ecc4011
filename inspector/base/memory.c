/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <proto/json_memory.h>
#include <stdatomic.h>

static atomic_bool was_short;

void memory_note_short(void) { atomic_store_explicit(&was_short, true, memory_order_relaxed); /* a flag alone */ }

bool memory_was_short(void) { return atomic_load_explicit(&was_short, memory_order_relaxed); }

void memory_watch(void) { trace_json_memory_begin(memory_note_short); }
