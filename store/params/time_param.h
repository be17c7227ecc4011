/* SPDX-License-Identifier: MIT
 *
 * Times as clients write them (docs/protocol.md, "Values"), turned into Unix nanoseconds.  Pure. */
#ifndef TRACED_TIMESPEC_H
#define TRACED_TIMESPEC_H

#include <jansson.h>
#include <stdint.h>

/* A number: Unix microseconds.  A string: what trace_time_parse takes (proto/quantity.h).  Returns 0, or -EINVAL with *ret_reason a constant sentence part. */
int timespec_parse(const json_t *value, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason);

#endif
