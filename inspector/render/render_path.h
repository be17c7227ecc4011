/* SPDX-License-Identifier: MIT
 *
 * A critical path in words: who took the request's time. */
#ifndef INSPECTOR_RENDER_PATH_H
#define INSPECTOR_RENDER_PATH_H

#include "critical_path.h"
#include "render.h"

/* Why a peer has no events: " (not traced)", or for a node that traced knows " (no events here)". */
void path_not_traced(struct strbuf *out, const struct view *view, const char *peer_id);

/* "bob", "alice -> bob", "dave (not traced)". */
void path_place(struct strbuf *out, const struct view *view, const struct facts *facts, enum wait_kind kind, unsigned node,
                unsigned peer);

/* How a node ended: " ended without closing its log: ...", or " closed its log and ended"; of several times, how often. */
void path_ended(struct strbuf *out, bool crashed, uint64_t times);

/* "waited 26.1 ms: packet 123 bob -> alice was lost, sent again as 124" */
void path_loss(struct strbuf *out, const struct view *view, const struct facts *facts, const struct loss_wait *loss);

/* "dave did not read its socket for 3.00 s, from +1.200 ms on" */
void path_stop(struct strbuf *out, const struct view *view, const struct timeline *timeline, const struct wait *wait);

/* Up to two lines: where the time went, and what continued after the request had ended. */
void render_path(struct strbuf *out, const struct view *view, const struct timeline *timeline);

/* "bob 96 %": the place that took most of the time, as the first of render_path, without colour.  Nothing if it is not known: the
 * request has no path, or as much of its time may have gone elsewhere. */
void path_mostly(struct strbuf *out, const struct view *view, const struct timeline *timeline);

#endif
