/* SPDX-License-Identifier: MIT
 *
 * Two traces side by side, in words. */
#ifndef INSPECTOR_RENDER_DIFF_H
#define INSPECTOR_RENDER_DIFF_H

#include "render.h"
#include "trace_diff.h"

/* The steps that only one took, where their times diverge, and where their time went.  The ids are those of the traces. */
void render_diff(struct strbuf *out, const struct view *view, const struct trace_diff *diff, const char *a_id, const char *b_id);

#endif
