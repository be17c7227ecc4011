/* SPDX-License-Identifier: MIT
 *
 * The first question of `inspector top`: counts by time fill the lines of the last minute at once.  Pure. */
#ifndef INSPECTOR_TOP_HISTORY_H
#define INSPECTOR_TOP_HISTORY_H

#include <jansson.h>
#include <stdint.h>

/* A question about `count` intervals, in Unix microseconds. */
struct top_look {
    uint64_t from_us, every_us; /* every_us 0: not by time, up to page->counted_us */
    unsigned count;
    char field[32]; /* as in `group_by`: "time/1000ms" */
};

/* Divides an answer of `count` or `requests` that is grouped by look->field: an array with an answer for each interval, the
 * oldest first, that has {"rows", "events", "seconds"}.  Omits intervals before the first row, because the history
 * may not reach back that far; and intervals whose rows a limit may have cut.  NULL when the rows are not by time, or when
 * out of memory. */
json_t *top_history_split(const json_t *answer, const struct top_look *look);

#endif
