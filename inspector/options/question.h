/* SPDX-License-Identifier: MIT
 *
 * From the options of the command line to the params of a method (docs/protocol.md). */
#ifndef INSPECTOR_QUESTION_H
#define INSPECTOR_QUESTION_H

#include "options.h"

#include <jansson.h>

/* "a,b" as an array.  NULL without memory. */
json_t *question_list_new(const char *text);

/* Params of `query` and `subscribe` from --kind, --node, --peer, --trace, --from, --to and --where.  NULL without memory. */
json_t *question_filter_new(const struct options *options);

/* The same, and one param more. */
json_t *question_filter_of_new(const struct options *options, const char *param, const char *value);

#endif
