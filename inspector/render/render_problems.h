/* SPDX-License-Identifier: MIT
 *
 * What went wrong in one trace: each problem is a sentence, for people or as data. */
#ifndef INSPECTOR_RENDER_PROBLEMS_H
#define INSPECTOR_RENDER_PROBLEMS_H

#include "render.h"

/* Appends a line for each problem.  answer: as for render_trace. */
void render_problems(struct strbuf *out, const struct view *view, const json_t *answer, const struct timeline *timeline);

/* The same as an array of {"problem", "node_id", "at", "says"}; the first two name its kind and the node that it is about, or
 * null.  NULL when out of memory. */
json_t *problems_new(const struct view *view, const json_t *answer, const struct timeline *timeline);

#endif
