/* SPDX-License-Identifier: MIT
 *
 * What is known of the machines' clocks, in words: above a trace, its graph, and an analysis. */
#ifndef INSPECTOR_RENDER_CLOCKS_H
#define INSPECTOR_RENDER_CLOCKS_H

#include "facts.h"
#include "render.h"

/* A line for each machine whose times were corrected, or cannot be; nothing with one machine. */
void render_clocks(struct strbuf *out, const struct view *view, const struct facts *facts);

#endif
