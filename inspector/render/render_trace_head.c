/* SPDX-License-Identifier: MIT
 *
 * The head of a timeline: which request it was, how it ended, and every problem: the answer comes before the evidence. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "numbers.h"
#include "render.h"
#include "render_clocks.h"
#include "render_problems.h"
#include "timeline.h"

#include <inttypes.h>
#include <string.h>

/* The request's own span: NULL without spans. */
static const struct timeline_span *root_of(const struct timeline *timeline) {
    if (timeline->path.root != NO_POSITION) return &timeline->spans[timeline->path.root];
    return timeline->span_count ? timeline->spans : NULL;
}

static const json_t *span_event(const struct timeline_span *span) { return span->start ? span->start : span->end; }

/* From the spans that we have; from traced's summary if we lack the request's own span or more. */
static const char *outcome_of(const struct timeline *timeline, const struct timeline_span *root, const json_t *answer) {
    static const char *const known[] = {"ok", "failed", "open", "none", "expired"};
    const char *outcome = json_get_text(json_object_get(answer, "summary"), "outcome");
    bool whole = root && root->start && root->parent == NO_SPAN && !root->parent_missing && !json_get_bool(answer, "more");
    for (size_t i = 0; outcome && !whole && i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], outcome)) return known[i];
    if (!root) return "none";
    if (root->end && !root->ok) return root->expired ? "expired" : "failed";
    for (size_t i = 0; i < timeline->span_count; i++)
        if (!timeline->spans[i].end) return "open";
    return "ok";
}

const char *trace_outcome(const struct timeline *timeline, const json_t *answer) {
    return outcome_of(timeline, root_of(timeline), answer);
}

static void title(struct strbuf *out, const struct view *view, const struct timeline_span *root, const json_t *summary) {
    const json_t *first = root ? span_event(root) : NULL;
    text_style_on(out, view->color, STYLE_HEAD);
    if (!event_request(out, summary, summary) && !event_request(out, first, json_object_get(first, "data")))
        strbuf_puts(out, "no application request");
    text_style_off(out, view->color, STYLE_HEAD);
}

static void outcome(struct strbuf *out, const struct view *view, const struct timeline *timeline, const json_t *answer) {
    const struct timeline_span *root = root_of(timeline);
    const char *word = outcome_of(timeline, root, answer);
    title(out, view, root, json_object_get(answer, "summary"));
    strbuf_puts(out, ": ");
    if (!strcmp(word, "ok"))
        text_styled(out, view->color, STYLE_GOOD, "ok");
    else if (!strcmp(word, "failed"))
        text_styled(out, view->color, STYLE_BAD, "FAILED");
    else if (!strcmp(word, "expired"))
        text_styled(out, view->color, STYLE_BAD, "EXPIRED");
    else if (!strcmp(word, "open"))
        text_styled(out, view->color, STYLE_WARN, "NOT ENDED");
    else
        strbuf_puts(out, "no outcome");
    if (root && root->start && root->end && strcmp(word, "open") != 0) {
        strbuf_puts(out, " after ");
        timeline_duration(out, timeline, root->start_ns, root->end_ns);
    }
    if (timeline->path.reach_ns > timeline->path.end_ns) {
        strbuf_puts(out, "; work that it caused continued until ");
        timeline_since(out, timeline, timeline->spans[timeline->path.reach].node, timeline->path.reach_ns);
        strbuf_puts(out, ", at ");
        render_node(out, view, timeline->nodes[timeline->spans[timeline->path.reach].node].node_id);
    }
    strbuf_puts(out, "\n");
}

static void when_and_where(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    unsigned shown = 0;
    uint64_t events = 0;
    for (size_t i = 0; i < timeline->item_count; i++) events += timeline->items[i].kind != TRACE_KIND_EVENTS_LOST;
    strbuf_puts(out, "began ");
    text_time(out, fact_unix(&timeline->facts, &timeline->facts.items[0]), view->utc, true);
    if (view->utc) strbuf_puts(out, " UTC");
    strbuf_puts(out, "; ");
    text_count(out, events, "event");
    strbuf_puts(out, " in ");
    timeline_whole(out, timeline);
    strbuf_puts(out, "; ");
    text_count(out, timeline->node_count, "node");
    for (size_t i = 0; i < timeline->node_count && shown < 2 * VERDICTS_MAX; i++, shown++) {
        strbuf_puts(out, shown ? ", " : ": ");
        render_node(out, view, timeline->nodes[i].node_id);
    }
    if (shown < timeline->node_count) strbuf_puts(out, ", ...");
    strbuf_puts(out, "\n");
}

void render_trace_head(struct strbuf *out, const struct view *view, const json_t *answer, const struct timeline *timeline) {
    text_styled(out, view->color, STYLE_DIM, "trace ");
    text_member(out, answer, "trace_id");
    strbuf_puts(out, "  ");
    if (!timeline->item_count) {
        strbuf_puts(out, "no events\n");
        return;
    }
    outcome(out, view, timeline, answer);
    when_and_where(out, view, timeline);
    render_clocks(out, view, &timeline->facts);
    render_clock_steps(out, view, &timeline->facts, timeline->start_ns, timeline->end_ns - timeline->start_ns,
                       "times across it are not exact");
    render_problems(out, view, answer, timeline);
}
