/* SPDX-License-Identifier: MIT
 *
 * Times as people write them, made into what traced reads.  Pure but for the time zone. */
#ifndef INSPECTOR_TIMES_H
#define INSPECTOR_TIMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A time for a request:
 *
 *     1767225600123456               Unix microseconds: the number
 *     now
 *     5s 1.5m                        so long before now, as -5s: nobody asks for the future
 *     12:00 12:00:03.5               the last moment when a clock showed that: the number
 *     2026-01-31                     its first moment
 *     2026-01-31 12:00[:03.5]        or with a T between; both as the UTC text that traced reads, to the last digit
 *
 * Behind a time or a date there may be Z or an offset like +01:00; without one it is local, or UTC when `utc` is set.
 * Everything else, and a day that there never was, goes on for traced to judge, so that all say the same of it.  NULL without
 * memory. */
json_t *time_param_new(const char *text, bool utc, uint64_t now_unix_us);

#endif
