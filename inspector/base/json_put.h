/* SPDX-License-Identifier: MIT
 *
 * JSON for people and programs: printable ASCII only, so that what a node wrote cannot reach a terminal as a control
 * character. */
#ifndef INSPECTOR_JSON_PUT_H
#define INSPECTOR_JSON_PUT_H

#include "strbuf.h"

#include <jansson.h>

/* Appends a value.  flags: more flags of jansson, as JSON_COMPACT.  Returns 0, or -1 when out of memory. */
int json_put(struct strbuf *out, const json_t *value, size_t flags);

/* The same as a text of the caller's, in place of jansson's, which leaves the delete character.  NULL when out of memory. */
char *json_text_new(const json_t *value, size_t flags);

#endif
