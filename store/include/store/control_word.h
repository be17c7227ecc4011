/* SPDX-License-Identifier: MIT
 *
 * How params and answers represent a control word (p2ptrace/shm.h): which kinds a node emits, and which share of traces.
 * Pure. */
#ifndef STORE_CONTROL_WORD_H
#define STORE_CONTROL_WORD_H

#include <jansson.h>
#include <proto/rpc.h>
#include <stdint.h>

/* A share of all traces, above 0 and at most 1, as a sampling threshold; and back: the shortest decimal number with this
 * threshold, so that 0.01 remains 0.01. */
uint32_t control_word_threshold(double share);
double control_word_share(uint32_t threshold);

/* Reads the param `kinds`: "all", "none", a kind or several.  Returns 0, or -EINVAL with the error. */
int control_word_read_kinds(const json_t *value, uint32_t *ret_kinds, struct trace_rpc_error *ret_error);

/* Sets `kinds` and `sample` of an answer. */
void control_word_set(json_t *object, uint64_t word);

#endif
