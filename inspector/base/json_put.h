/* SPDX-License-Identifier: MIT
 *
 * JSON for people's eyes and programs' ears alike: printable ASCII alone, so that what a node wrote reaches a terminal as text
 * here, too. */
#ifndef INSPECTOR_JSON_PUT_H
#define INSPECTOR_JSON_PUT_H

#include "strbuf.h"

#include <jansson.h>

/* Appends a value; flags: more of jansson's, as JSON_COMPACT.  Returns 0, or -1 when memory is out. */
int json_put(struct strbuf *out, const json_t *value, size_t flags);

#endif
