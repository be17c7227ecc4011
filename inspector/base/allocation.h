/* SPDX-License-Identifier: MIT
 *
 * Has anything been refused memory?  Few callers check that a member was added to a JSON object, or text to a strbuf: the
 * answer then lacks it, and would be shown as if it were complete.  So a failed allocation of either is remembered for the
 * whole program, and a command that ran short of memory fails. */
#ifndef INSPECTOR_ALLOCATION_H
#define INSPECTOR_ALLOCATION_H

#include <stdbool.h>
#include <stddef.h>

/* First of all, before jansson is used: watches its allocations. */
void memory_watch(void);

/* Notes that an allocation failed.  Any thread. */
void memory_note_short(void);

/* Since the start, in any thread. */
bool memory_was_short(void);

/* Makes room for one more item of an array that has `count` of them, of `bytes` each: doubles *capacity, in items, when it is
 * full.  Returns the array, which may have moved; NULL, with all as it was, when memory runs out. */
void *memory_room(void *items, size_t count, size_t *capacity, size_t bytes);

#endif
