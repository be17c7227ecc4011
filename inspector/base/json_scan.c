/* SPDX-License-Identifier: MIT */
#include "json_scan.h"

#include <proto/json_memory.h>
#include <string.h>

/* The class of a byte between strings. */
enum { OTHER, SPACE, OPEN, CLOSE, QUOTE, COMMA };
static const unsigned char classes[256] = {
    [' '] = SPACE, ['\t'] = SPACE, ['\n'] = SPACE, ['\r'] = SPACE, ['{'] = OPEN,  ['['] = OPEN,
    ['}'] = CLOSE, [']'] = CLOSE,  ['"'] = QUOTE,  [','] = COMMA,  [':'] = COMMA,
};

static const char *skip_space(const char *at, const char *end) {
    while (at < end && classes[(unsigned char)*at] == SPACE) at++;
    return at;
}

/* From an opening quote to after the closing one; NULL when there is none. */
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at)), *back = quote;
        if (!quote) return NULL;
        while (back > at && back[-1] == '\\') back--;
        if ((quote - back) % 2 == 0) return quote + 1;
        at = quote + 1;
    }
    return NULL;
}

/* From an opening bracket to after the one that closes it. */
static const char *skip_brackets(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end) {
        switch (classes[(unsigned char)*at]) {
        case OPEN: depth++; break;
        case CLOSE:
            if (--depth == 0) return at + 1;
            break;
        case QUOTE:
            at = skip_string(at, end);
            if (!at) return NULL;
            continue;
        default: break;
        }
        at++;
    }
    return NULL;
}

/* From the first byte of a value to after its last; NULL if it is not a value. */
static const char *skip_value(const char *at, const char *end) {
    const char *begin = at;
    if (at >= end) return NULL;
    switch (classes[(unsigned char)*at]) {
    case QUOTE: return skip_string(at, end);
    case OPEN: return skip_brackets(at, end);
    default:
        while (at < end && classes[(unsigned char)*at] == OTHER) at++;
        return at > begin ? at : NULL;
    }
}

bool json_scan_value(const char *text, size_t bytes, struct json_span *ret_value) {
    const char *end = text + bytes, *begin = skip_space(text, end), *behind = skip_value(begin, end);
    if (!behind) return false;
    *ret_value = (struct json_span){begin, (size_t)(behind - begin)};
    return true;
}

/* Steps over the opening bracket or a comma to what comes next.  NULL at the closing bracket, or if it is neither. */
static const char *step_into(struct json_span span, size_t at, char open) {
    const char *end = span.text + span.bytes, *next;
    if (at == 0) {
        if (span.bytes < 2 || *span.text != open) return NULL;
        next = span.text + 1;
    } else {
        next = skip_space(span.text + at, end);
        if (next >= end || *next != ',') return NULL;
        next++;
    }
    next = skip_space(next, end);
    return next < end && classes[(unsigned char)*next] != CLOSE ? next : NULL;
}

bool json_scan_element(struct json_span array, size_t *at, struct json_span *ret_element) {
    const char *next = step_into(array, *at, '['), *end = array.text + array.bytes;
    const char *behind = next ? skip_value(next, end) : NULL;
    if (!behind) return false;
    *ret_element = (struct json_span){next, (size_t)(behind - next)};
    *at = (size_t)(behind - array.text);
    return true;
}

/* Reads the next member's key.  Returns where its value begins, or NULL. */
static const char *next_key(struct json_span object, size_t at, struct json_span *ret_key) {
    const char *key = step_into(object, at, '{'), *end = object.text + object.bytes;
    const char *behind = key && *key == '"' ? skip_string(key, end) : NULL;
    const char *colon = behind ? skip_space(behind, end) : end;
    if (colon >= end || *colon != ':') return NULL;
    *ret_key = (struct json_span){key, (size_t)(behind - key)};
    return skip_space(colon + 1, end);
}

bool json_scan_member(struct json_span object, size_t *at, struct json_member *ret_member) {
    struct json_member member;
    const char *value = next_key(object, *at, &member.key), *end = object.text + object.bytes;
    const char *behind = value ? skip_value(value, end) : NULL;
    if (!behind) return false;
    member.value = (struct json_span){value, (size_t)(behind - value)};
    *ret_member = member;
    *at = (size_t)(behind - object.text);
    return true;
}

/* Names with escapes: only those that a node chose have any. */
static bool is_escaped(const struct json_member *member, const char *key) {
    json_t *name = trace_json_loadb(member->key.text, member->key.bytes, JSON_DECODE_ANY, NULL);
    bool same = name && !strcmp(json_string_value(name), key);
    json_decref(name);
    return same;
}

bool json_scan_is(const struct json_member *member, const char *key) {
    struct json_span name;
    if (!json_scan_plain(member->key, &name)) return is_escaped(member, key);
    return strlen(key) == name.bytes && !memcmp(name.text, key, name.bytes);
}

bool json_scan_find(struct json_span object, const char *key, struct json_span *ret_value) {
    struct json_member member;
    size_t at = 0;
    bool found = false;
    while (json_scan_member(object, &at, &member)) {
        if (!json_scan_is(&member, key)) continue;
        *ret_value = member.value;
        found = true;
    }
    return found;
}

bool json_scan_path(const char *text, size_t bytes, const char *const *names, size_t count, struct json_span *ret_value) {
    const char *end = text + bytes, *value = skip_space(text, end);
    for (size_t i = 0; i < count; i++) {
        /* To the end of the text: we do not know yet where the object ends. */
        struct json_span object = {value, (size_t)(end - value)};
        struct json_member member;
        size_t at = 0;
        while ((value = next_key(object, at, &member.key)) && !json_scan_is(&member, names[i])) {
            const char *behind = skip_value(value, end);
            if (!behind) return false;
            at = (size_t)(behind - object.text);
        }
        if (!value) return false;
    }
    return json_scan_value(value, (size_t)(end - value), ret_value);
}

bool json_scan_plain(struct json_span string, struct json_span *ret_text) {
    if (string.bytes < 2 || *string.text != '"' || memchr(string.text, '\\', string.bytes)) return false;
    *ret_text = (struct json_span){string.text + 1, string.bytes - 2};
    return true;
}

bool json_scan_integer(struct json_span number, int64_t *ret_integer) {
    bool negative = number.bytes && *number.text == '-';
    size_t i = negative;
    uint64_t value = 0;
    if (number.bytes - i < 1 || number.bytes - i > 19) return false;
    for (; i < number.bytes; i++) {
        unsigned digit = (unsigned char)number.text[i] - (unsigned)'0';
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative) return false;
    *ret_integer = negative ? (int64_t)-value : (int64_t)value;
    return true;
}
