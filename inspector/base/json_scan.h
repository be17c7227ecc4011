/* SPDX-License-Identifier: MIT
 *
 * JSON read where it lies: values are stretches of the text, nothing is copied or allocated, and what nobody asks for is only
 * passed over. For answers with very many rows, of which a few members are wanted: an order of magnitude faster than making
 * json_t of them.
 *
 * What is passed over is not checked beyond its brackets and quotes; nothing outside the text is ever read.  Any thread. */
#ifndef INSPECTOR_JSON_SCAN_H
#define INSPECTOR_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value, without the space around it; a string with its quotes.  {NULL, 0} is none. */
struct json_span {
    const char *text;
    size_t bytes;
};

struct json_member {
    struct json_span key; /* with its quotes */
    struct json_span value;
};

/* The value that the text begins with; false when there is none that is whole. */
bool json_scan_value(const char *text, size_t bytes, struct json_span *ret_value);

/* The next element of an array: *at is 0 at first, and counted on.  False at the end, and when it is no array. */
bool json_scan_element(struct json_span array, size_t *at, struct json_span *ret_element);

/* The next member of an object, in the same way. */
bool json_scan_member(struct json_span object, size_t *at, struct json_member *ret_member);

/* Is the member called so? */
bool json_scan_is(const struct json_member *member, const char *key);

/* The member of that name, the last one if there are several.  False when there is none. */
bool json_scan_find(struct json_span object, const char *key, struct json_span *ret_value);

/* What lies at a path of names, from object into object: {"result", "events"} with count 2 is text["result"]["events"].  Looks
 * at nothing behind it. */
bool json_scan_path(const char *text, size_t bytes, const char *const *names, size_t count, struct json_span *ret_value);

/* The text of a string that has no escapes, without its quotes.  False for others: json_loadb with JSON_DECODE_ANY reads them. */
bool json_scan_plain(struct json_span string, struct json_span *ret_text);

/* A whole number that fits.  False for anything else. */
bool json_scan_integer(struct json_span number, int64_t *ret_integer);

#endif
