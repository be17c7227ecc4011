/* SPDX-License-Identifier: MIT
 *
 * Parsing JSON while memory is short.
 *
 * jansson (2.14, and so far all later ones) does not look whether its buffer for the token at hand could grow.  If it could not,
 * it loses a character, and may then read and write beyond that buffer.  So its memory comes from here, and while a text is
 * parsed there is a reserve, for that buffer alone. */
#ifndef PROTO_JSON_MEMORY_H
#define PROTO_JSON_MEMORY_H

#include <jansson.h>

/* Gives jansson its memory from now on.  Before it is used, and before there are threads.
 * note_short: called when there is none, on the thread that needs it. */
void trace_json_memory_begin(void (*note_short)(void));

/* As json_loadb, and safe without memory, if trace_json_memory_begin was called: then NULL with json_error_out_of_memory. */
json_t *trace_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *ret_error);

#endif
