/* SPDX-License-Identifier: MIT
 *
 * Numbers with units, and times, as people write them: on command lines, in params and in filters.  Pure. */
#ifndef PROTO_QUANTITY_H
#define PROTO_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_unit {
    TRACE_UNIT_NONE,
    TRACE_UNIT_TIME,  /* value in ns: ns us ms s m h */
    TRACE_UNIT_SIZE,  /* value in bytes: B KiB MiB GiB (1024), kB MB GB (1000) */
    TRACE_UNIT_SHARE, /* value in percent: % */
};

struct trace_quantity {
    uint64_t value;
    enum trace_unit unit;
    bool fraction; /* it had a decimal point; fractions below one are dropped */
};

/* "1.5KiB": digits, perhaps a fraction, perhaps a unit, with nothing between or after them; or "0x1f".  Returns 0; -EINVAL for
 * anything that is not a number, -ENOENT for an unknown unit, -ERANGE if it does not fit 64 bits. */
int trace_quantity_parse(const char *text, struct trace_quantity *ret_quantity);

/* Where the unit begins in a text like that. */
size_t trace_quantity_unit_at(const char *text);

/* The unit at an index, from 0 (which is "", no unit); NULL after the last. */
const char *trace_unit_name(unsigned index);

/* "-5s" (before now_ns; decimals allowed), or UTC like "2026-01-31T12:00:00.5Z".  Returns 0, or -EINVAL with *ret_reason a
 * constant sentence part. */
int trace_time_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason);

#endif
