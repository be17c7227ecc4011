/* SPDX-License-Identifier: MIT
 *
 * Has anything been refused memory?  Text that grows (strbuf.h) and JSON remember it where it happens, but mostly nobody looks: an
 * object then lacks a member, or a table a cell, and would be shown as if there were none.  So it is remembered for the whole program,
 * and a command that ran short of memory fails whatever it did with what it had. */
#ifndef INSPECTOR_MEMORY_H
#define INSPECTOR_MEMORY_H

#include <stdbool.h>

/* First of all, before jansson is used: watches its allocations. */
void memory_watch(void);

/* Notes that an allocation failed.  Any thread. */
void memory_note_short(void);

/* Since the start, in any thread. */
bool memory_was_short(void);

#endif
