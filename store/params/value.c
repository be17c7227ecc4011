/* SPDX-License-Identifier: MIT
 *
 * See value.h. */
#include <store/value.h>

#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/hex.h>
#include <proto/json_memory.h>
#include <stdio.h>
#include <string.h>

json_t *value_unsigned(uint64_t value) {
    return value > INT64_MAX ? json_sprintf("%llu", (unsigned long long)value) : json_integer((json_int_t)value);
}

void value_put_unsigned(struct trace_text *out, uint64_t value) {
    char digits[24];
    int bytes = snprintf(digits, sizeof digits, value > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, value);
    trace_text_add(out, digits, (size_t)bytes);
}

json_t *value_time(uint64_t unix_ns) {
    return json_pack("{sIsI}", "timestamp", (json_int_t)(unix_ns / 1000), "ns", (json_int_t)(unix_ns % 1000));
}

json_t *value_time_or_null(uint64_t unix_ns) { return unix_ns ? value_time(unix_ns) : json_null(); }

json_t *value_text(const char *text, size_t bytes_max) {
    /* Bad UTF-8 has to come out as in events: we write with the function that events use, and read that back. */
    char quoted[6 * 64 + 2];
    size_t bytes = strnlen(text, bytes_max < 64 ? bytes_max : 64);
    char *end = trace_json_string(quoted, text, bytes);
    return trace_json_loadb(quoted, (size_t)(end - quoted), JSON_DECODE_ANY, NULL);
}

static json_t *hex_string(const uint8_t *bytes, size_t count) {
    char digits[2 * TRACE_NODE_ID_BYTES];
    return json_stringn(digits, (size_t)(trace_hex_encode(digits, bytes, count) - digits));
}

json_t *value_node_id(const struct trace_node_id *id) { return hex_string(id->bytes, sizeof id->bytes); }
json_t *value_trace_id(const struct trace_id *id) { return hex_string(id->bytes, sizeof id->bytes); }
