/* SPDX-License-Identifier: MIT
 *
 * From the options of the command line to the params of a method (docs/protocol.md). */
#ifndef INSPECTOR_QUESTION_H
#define INSPECTOR_QUESTION_H

#include "options.h"
#include "strbuf.h"

#include <jansson.h>

/* "a,b" as an array.  NULL without memory. */
json_t *question_list_new(const char *text);

/* Params of `query` and `subscribe` from --kind, --node, --peer, --trace, --since, --until and --where.  now_ns: what times like
 * 12:00 are the last before, Unix ns.  NULL without memory. */
json_t *question_filter_new(const struct options *options, uint64_t now_ns);

/* The same, and one param more. */
json_t *question_filter_of_new(const struct options *options, uint64_t now_ns, const char *param, const char *value);

/* Appends the options that filter, as they were typed: " --kind packet_lost --since -5s".  Returns whether there are any. */
bool question_describe(struct strbuf *out, const struct options *options);

#endif
