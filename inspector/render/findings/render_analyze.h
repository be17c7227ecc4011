/* SPDX-License-Identifier: MIT
 *
 * Findings in words, and as data. */
#ifndef INSPECTOR_RENDER_ANALYZE_H
#define INSPECTOR_RENDER_ANALYZE_H

#include "analyze.h"
#include "cut_off.h"
#include "render.h"

/* What was examined. */
struct analyze_scope {
    const char *about; /* only findings about this node, an id; NULL: all */
    bool cut;          /* the period has older events that were not read */
    bool period;       /* it was chosen, and may have nothing although events come */
    struct cut_off cut_off;
};

/* Which numbers a finding has. */
enum { HAS_COUNT = 1, HAS_OF = 2, HAS_RATE = 4, HAS_TIME = 8, HAS_USUAL_TIME = 16, HAS_MOMENT = 32, HAS_CODE = 64 };
unsigned finding_has(const struct finding *finding);

/* Did the period have a part of so many requests that what was found says little about them? */
bool analysis_is_cut_off(const struct analysis *analysis, const struct analyze_scope *scope);

/* "12 requests were under way and are cut off: `inspector analyze --since 1767225600000000 --until 1767225601000000` has them
 * whole", if analysis_is_cut_off; "1 request that began before this period has not ended: `inspector trace 7171717171717171`".
 * Returns whether there is anything to say. */
bool analysis_describe_cut_off(struct strbuf *out, const struct view *view, const struct analysis *analysis,
                               const struct analyze_scope *scope);

/* Writes the findings, most severe first, each with its events and a command that shows more; then what was examined. */
void render_analysis(struct strbuf *out, const struct view *view, const struct analysis *analysis,
                     const struct analyze_scope *scope);

/* Writes one finding as a sentence; nodes are named as in tables. */
void finding_describe(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding);

/* Writes the next command to type; its arguments need no quoting in a shell. */
void finding_next(struct strbuf *out, const struct view *view, const struct facts *facts, const struct finding *finding);

/* {"finding","severity","node_id","peer_id","trace_id","command","count","of","rate","usual_rate","duration",
 * "usual_duration","at","says","next","evidence":[{"timestamp","ns","node_id","peer_id","trace_id","lane","sequence","kind"}]}.
 * Members that a finding of this kind does not have are null.  Returns NULL without memory. */
json_t *finding_new(const struct view *view, const struct facts *facts, const struct finding *finding);

/* {"analyzed":"events","about","findings","events","first","last","cut","clock_steps","requests","requests_whole","requests_cut",
 * "links","links_judged","paths","paths_judged","nodes","events_missing"}: what was examined.  about: the node, peer or trace
 * that the command names; null for all.  Returns NULL without memory. */
json_t *analysis_object_new(const struct analysis *analysis, const struct analyze_scope *scope);

#endif
