/* SPDX-License-Identifier: MIT
 *
 * JSON read in place: values are spans of the text, nothing is copied or allocated, and members that nobody asks for are skipped.
 * For answers with very many rows, of which a few members are wanted: an order of magnitude faster than building json_t.
 *
 * What is skipped is checked only for its brackets and quotes; nothing outside the text is ever read.  Any thread. */
#ifndef INSPECTOR_JSON_SCAN_H
#define INSPECTOR_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value, without the space around it; a string includes its quotes.  {NULL, 0}: none. */
struct json_span {
    const char *text;
    size_t bytes;
};

struct json_member {
    struct json_span key; /* including its quotes */
    struct json_span value;
};

/* The value at the beginning of the text.  Returns false if there is no complete one. */
bool json_scan_value(const char *text, size_t bytes, struct json_span *ret_value);

/* The next element of an array: *at is 0 at first, and is advanced.  Returns false at the end, and if it is not an array. */
bool json_scan_element(struct json_span array, size_t *at, struct json_span *ret_element);

/* The next member of an object, in the same way. */
bool json_scan_member(struct json_span object, size_t *at, struct json_member *ret_member);

/* Does the member have this name? */
bool json_scan_is(const struct json_member *member, const char *key);

/* The member with this name, the last one if there are several.  Returns false when there is none. */
bool json_scan_find(struct json_span object, const char *key, struct json_span *ret_value);

/* The value at a path of names, from object into object: {"result", "events"} with count 2 is text["result"]["events"].  Does not
 * look at anything after it. */
bool json_scan_path(const char *text, size_t bytes, const char *const *names, size_t count, struct json_span *ret_value);

/* The text of a string without escapes, without its quotes.  Returns false for others: use json_loadb with JSON_DECODE_ANY. */
bool json_scan_plain(struct json_span string, struct json_span *ret_text);

/* A whole number that fits.  Returns false for anything else. */
bool json_scan_integer(struct json_span number, int64_t *ret_integer);

#endif
