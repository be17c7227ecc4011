/* SPDX-License-Identifier: MIT
 *
 * Members of an answer, read defensively: traced may be of another version, or the peer may not be traced at all.  Nothing here
 * fails; what is missing or of another type is the default.  Everything returned is borrowed from the object. */
#ifndef INSPECTOR_JSON_GET_H
#define INSPECTOR_JSON_GET_H

#include <jansson.h>
#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stdint.h>

/* Reads a number, or one above 2^63 - 1 as a decimal string.  Returns false, with *ret_value untouched, for anything else. */
bool json_get_unsigned(const json_t *object, const char *key, uint64_t *ret_value);

/* The same, with 0 for what is missing. */
uint64_t json_get_count(const json_t *object, const char *key);

double json_get_real(const json_t *object, const char *key, double otherwise);
bool json_get_bool(const json_t *object, const char *key);

/* A string, or NULL.  It may hold any character but NUL. */
const char *json_get_text(const json_t *object, const char *key);

/* A string of exactly this many lower-case hex digits, or NULL. */
const char *json_get_hex(const json_t *object, const char *key, unsigned digits);

#define NODE_DIGITS 64
#define TRACE_DIGITS 32
#define SPAN_DIGITS 16
#define LOG_DIGITS 16

/* Is text exactly this many lower-case hex digits? */
bool json_is_hex(const char *text, unsigned digits);

/* The `kind` of an event, or of a group of a count by kind, as TRACE_KIND_...; 0 when it is missing or not known to this
 * version. */
uint16_t json_get_kind(const json_t *event);

/* `timestamp` and `ns` of an object as Unix nanoseconds.  Returns false when there is no timestamp. */
bool json_get_time(const json_t *object, uint64_t *ret_unix_ns);

/* An array member, or NULL.  json_array_size(NULL) is 0. */
const json_t *json_get_array(const json_t *object, const char *key);

#endif
