/* SPDX-License-Identifier: MIT
 *
 * What is known of the machines' clocks, in words: above a trace, its graph, and an analysis. */
#ifndef INSPECTOR_RENDER_CLOCKS_H
#define INSPECTOR_RENDER_CLOCKS_H

#include "facts.h"
#include "render.h"

/* A line for each machine whose times were corrected, or cannot be; nothing with one machine. */
void render_clocks(struct strbuf *out, const struct view *view, const struct facts *facts);

/* The steps of the clock between these facts, or nothing: "! the clock was set 3.20 s back at +1.30 ms: times across it are not
 * exact".  origin_ns: when a trace began, from where times count; 0: they are times of day.  rest: how the sentence goes on behind
 * the time. */
void render_clock_steps(struct strbuf *out, const struct view *view, const struct facts *facts, uint64_t origin_ns,
                        uint64_t whole_ns, const char *rest);

#endif
