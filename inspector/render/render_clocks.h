/* SPDX-License-Identifier: MIT
 *
 * What we know about the machines' clocks, in words: shown above a trace, its graph, and an analysis. */
#ifndef INSPECTOR_RENDER_CLOCKS_H
#define INSPECTOR_RENDER_CLOCKS_H

#include "facts.h"
#include "render.h"

/* The name of a machine, a number of node_clocks. */
void render_host(struct strbuf *out, const struct facts *facts, unsigned host);

/* A line for each machine whose times were corrected, or cannot be; nothing if there is one machine. */
void render_clocks(struct strbuf *out, const struct view *view, const struct facts *facts);

/* The steps of the clock between these facts, or nothing:
 *
 *     ! the clock was set 3.20 s back after +1.30 ms: times across it are not exact
 *
 * origin_ns: when the trace began, to which times are relative; 0: show times of day. rest: how the
 * sentence continues after the time. */
void render_clock_steps(struct strbuf *out, const struct view *view, const struct facts *facts, uint64_t origin_ns,
                        uint64_t whole_ns, const char *rest);

#endif
