/* SPDX-License-Identifier: MIT */
#include "json_get.h"

#include <errno.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>

bool json_get_unsigned(const json_t *object, const char *key, uint64_t *ret_value) {
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value)) {
        if (json_integer_value(value) < 0) return false;
        *ret_value = (uint64_t)json_integer_value(value);
        return true;
    }
    const char *digits = json_string_value(value);
    if (!digits || !*digits || strlen(digits) > 20 || digits[strspn(digits, "0123456789")]) return false;
    errno = 0;
    unsigned long long number = strtoull(digits, NULL, 10);
    if (errno) return false;
    *ret_value = number;
    return true;
}

uint64_t json_get_count(const json_t *object, const char *key) {
    uint64_t value = 0;
    json_get_unsigned(object, key, &value);
    return value;
}

double json_get_real(const json_t *object, const char *key, double otherwise) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool json_get_bool(const json_t *object, const char *key) { return json_is_true(json_object_get(object, key)); }

const char *json_get_text(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }

bool json_is_hex(const char *text, unsigned digits) { return strspn(text, "0123456789abcdef") == digits && !text[digits]; }

const char *json_get_hex(const json_t *object, const char *key, unsigned digits) {
    const char *text = json_get_text(object, key);
    return text && json_is_hex(text, digits) ? text : NULL;
}

uint16_t json_get_kind(const json_t *event) {
    const char *name = json_get_text(event, "kind");
    return name ? trace_kind_by_name(name) : 0;
}

bool json_get_time(const json_t *object, uint64_t *ret_unix_ns) {
    uint64_t us, ns = 0;
    if (!json_get_unsigned(object, "timestamp", &us) || us > UINT64_MAX / 1000 - 1) return false;
    json_get_unsigned(object, "ns", &ns);
    *ret_unix_ns = us * 1000 + (ns < 1000 ? ns : 0);
    return true;
}

const json_t *json_get_array(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}
