/* SPDX-License-Identifier: MIT
 *
 * Kept traces (history_keep.c), seen from the ingest thread.  Only the files of store/history include this. */
#ifndef STORE_HISTORY_KEEP_PARTS_H
#define STORE_HISTORY_KEEP_PARTS_H

#include "history_internal.h"
#include <store/history_keep.h>

/* Segments were added or retired: requests that the next ones to go are judged.  Does nothing if no traces are kept. */
void history__keep_post(struct history *history);

/* The events of kept traces in a segment that is about to be retired, as a bit set that is valid until the next call; NULL:
 * there are none. */
const uint64_t *history__keep_collect(struct history *history, const struct segment *segment);

/* An event of a kept trace is in the newest segment now. */
void history__keep_copied(const struct history *history, const struct trace_id *id);

/* `count` events of kept traces are evicted after all. */
void history__keep_lost(struct history *history, uint32_t count);

void history__keep_end(struct history *history);

#endif
