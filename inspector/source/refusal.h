/* SPDX-License-Identifier: MIT
 *
 * What sources do with answers, whoever gave them: an error becomes a failure, an array is taken out as text. */
#ifndef INSPECTOR_REFUSAL_H
#define INSPECTOR_REFUSAL_H

#include "failure.h"
#include "strbuf.h"

#include <jansson.h>

/* Fills in the failure from a JSON-RPC error (docs/protocol.md, "Errors").  data may be NULL.  Returns -1 always. */
int refusal_read(struct failure *failure, int64_t code, const char *message, const json_t *data);

/* Takes the array at a path of names out of a JSON text: appends it to *out and leaves an empty array in its place.  Returns
 * how many bytes are left; all of them when there is no array. */
size_t apart_take(char *text, size_t bytes, const char *const *path, size_t names, struct strbuf *out);

#endif
