/* SPDX-License-Identifier: MIT
 *
 * A first look of `inspector top`: what is counted by time fills the lines of the last minute at once.  Pure. */
#ifndef INSPECTOR_TOP_HISTORY_H
#define INSPECTOR_TOP_HISTORY_H

#include <jansson.h>
#include <stdint.h>

/* What was asked for: `count` intervals from a moment on, Unix microseconds. */
struct top_look {
    uint64_t from_us, every_us; /* every 0: not by time, up to where page->counted_us is */
    unsigned count;
    char field[32]; /* as `group_by` has it: "time/1000ms" */
};

/* Takes an answer of `count` or `requests` that is grouped by look->field apart: an array with an answer for each interval,
 * the oldest first, that has {"rows", "events", "seconds"}.  Intervals before the first that has a row are left out, for the
 * history need not reach so far; and so are those of which a limit may have cut rows.  NULL when the rows are not by time, or
 * without memory. */
json_t *top_history_split(const json_t *answer, const struct top_look *look);

#endif
