/* SPDX-License-Identifier: MIT
 *
 * Ids as hex digits. */
#ifndef PROTO_HEX_H
#define PROTO_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * count lower-case digits, no NUL.  Returns the end. */
char *trace_hex_encode(char *out, const uint8_t *bytes, size_t count);

/* Reads exactly 2 * count digits.  Returns 0 or -EINVAL. */
int trace_hex_decode(uint8_t *out, const char *digits, size_t count);

/* A prefix of an id: any number of hex digits from 1 to 2 * bytes. */
struct trace_id_prefix {
    uint8_t bytes[32];
    unsigned digits;
};

/* Returns 0; -EINVAL for anything but 1 to max_digits hex digits. */
int trace_id_prefix_parse(struct trace_id_prefix *ret_prefix, const char *text, unsigned max_digits);

/* 1 when id begins with the prefix. */
int trace_id_prefix_matches(const struct trace_id_prefix *prefix, const uint8_t *id);

#endif
