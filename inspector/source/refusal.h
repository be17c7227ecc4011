/* SPDX-License-Identifier: MIT
 *
 * What every source does with an answer: turn an error into a failure, and take a long array out as text. */
#ifndef INSPECTOR_REFUSAL_H
#define INSPECTOR_REFUSAL_H

#include "failure.h"
#include "strbuf.h"

#include <jansson.h>

/* Fills in the failure from a JSON-RPC error (docs/protocol.md, "Errors").  data may be NULL.  Always returns -1. */
int refusal_read(struct failure *failure, int64_t code, const char *message, const json_t *data);

/* Moves the array at a path of names from a JSON text to *out, and leaves an empty array in its place.  Returns the new length
 * of the text; unchanged when there is no array there. */
size_t apart_take(char *text, size_t bytes, const char *const *path, size_t names, struct strbuf *out);

#endif
