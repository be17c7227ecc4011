/* SPDX-License-Identifier: MIT
 *
 * Turns options of the command line into the params of a method (docs/protocol.md). */
#ifndef INSPECTOR_QUESTION_H
#define INSPECTOR_QUESTION_H

#include "options.h"
#include "strbuf.h"

#include <jansson.h>

/* "a,b" as an array.  NULL when out of memory. */
json_t *question_list_new(const char *text);

/* Params of `query` and `subscribe` from --kind, --node, --peer, --trace, --since, --until and --where.  now_ns: Unix time that
 * times like 12:00 are relative to.  NULL when out of memory. */
json_t *question_filter_new(const struct options *options, uint64_t now_ns);

/* The same, with one more param. */
json_t *question_filter_of_new(const struct options *options, uint64_t now_ns, const char *param, const char *value);

/* The given option that becomes this param of a method; OPTION_COUNT_ if there is none: an argument may, or we added it. */
enum option question_option(const struct options *options, const char *param);

/* Appends the filtering options as they were typed: " --kind packet_lost --since -5s".  Returns whether there are any. */
bool question_describe(struct strbuf *out, const struct options *options);

#endif
