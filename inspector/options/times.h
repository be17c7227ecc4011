/* SPDX-License-Identifier: MIT
 *
 * Turns times as people write them into times that traced reads.  Pure, except for the time zone. */
#ifndef INSPECTOR_TIMES_H
#define INSPECTOR_TIMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A time for a request:
 *
 *     1767225600123456               Unix microseconds: the number.  One before 1973 that is not 0 lacks a unit, and is an error
 *     now
 *     5s 1.5m                        that long before now, like -5s: nobody asks for the future
 *     12:00 12:00:03.5               the last moment when a clock showed that: the number
 *     2026-01-31                     its first moment
 *     2026-01-31 12:00[:03.5]        or with a T between; both become the UTC text that traced reads, to the last digit
 *
 * After a time or a date, Z or an offset like +01:00 may follow; without one it is local, or UTC if `utc` is set.  Anything
 * else, including a day that does not exist, is passed on unchanged, so that traced reports all errors.  NULL when out of
 * memory. */
json_t *time_param_new(const char *text, bool utc, uint64_t now_unix_us);

#endif
