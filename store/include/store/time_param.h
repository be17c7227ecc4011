/* SPDX-License-Identifier: MIT
 *
 * Times in params (docs/protocol.md, "Values"), as Unix nanoseconds.  Pure. */
#ifndef STORE_TIME_PARAM_H
#define STORE_TIME_PARAM_H

#include <jansson.h>
#include <proto/rpc.h>
#include <stdint.h>

/* A number means Unix microseconds; a string, what trace_time_parse takes (proto/quantity.h), relative to now_ns.  Returns 0, or
 * -EINVAL with *ret_reason a constant part of a sentence. */
int time_param_parse(const json_t *value, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason);

/* Reads a param; absent (NULL) leaves *ret_ns as it is.  Returns 0, or -EINVAL with the error. */
int time_param_read(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns, struct trace_rpc_error *ret_error);

/* Reads the end of a time range, where 0 means none: an end of 1970 becomes 1, because nothing is before it. */
int time_param_read_end(const char *param, const json_t *value, uint64_t now_ns, uint64_t *ret_ns,
                        struct trace_rpc_error *ret_error);

#endif
