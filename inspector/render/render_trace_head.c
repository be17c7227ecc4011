/* SPDX-License-Identifier: MIT
 *
 * The head of a timeline: what request it was, how it ended, and every reason to worry, the answer before the evidence. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The request's own span: the first without a parent, else the first.  NULL without spans. */
static const struct timeline_span *root_of(const struct timeline *timeline) {
    for (size_t i = 0; i < timeline->span_count; i++)
        if (timeline->spans[i].start && timeline->spans[i].parent == NO_SPAN && !timeline->spans[i].parent_missing)
            return &timeline->spans[i];
    return timeline->span_count ? timeline->spans : NULL;
}

static const json_t *span_event(const struct timeline_span *span) { return span->start ? span->start : span->end; }

static const char *outcome_of(const struct timeline *timeline, const struct timeline_span *root, const json_t *summary) {
    static const char *const known[] = {"ok", "failed", "open", "none"};
    const char *told = json_get_text(summary, "outcome");
    for (size_t i = 0; told && i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], told)) return known[i];
    if (!root) return "none";
    for (size_t i = 0; i < timeline->span_count; i++)
        if (!timeline->spans[i].end) return "open";
    return root->ok ? "ok" : "failed";
}

static void title(struct strbuf *out, const struct view *view, const struct timeline_span *root, const json_t *summary) {
    const json_t *first = root ? span_event(root) : NULL;
    text_style_on(out, view->color, STYLE_HEAD);
    if (!event_request(out, summary, summary) && !event_request(out, first, json_object_get(first, "data")))
        strbuf_puts(out, "no application request");
    text_style_off(out, view->color, STYLE_HEAD);
}

static void outcome(struct strbuf *out, const struct view *view, const struct timeline *timeline, const json_t *summary) {
    const struct timeline_span *root = root_of(timeline);
    const char *word = outcome_of(timeline, root, summary);
    title(out, view, root, summary);
    strbuf_puts(out, ": ");
    if (!strcmp(word, "ok"))
        text_styled(out, view->color, STYLE_GOOD, "ok");
    else if (!strcmp(word, "failed"))
        text_styled(out, view->color, STYLE_BAD, "FAILED");
    else if (!strcmp(word, "open"))
        text_styled(out, view->color, STYLE_WARN, "NOT ENDED");
    else
        strbuf_puts(out, "no outcome");
    if (root && root->start && root->end && strcmp(word, "open") != 0) {
        strbuf_puts(out, " after ");
        text_duration(out, root->end_ns - root->start_ns);
    }
    strbuf_puts(out, "\n");
}

static void when_and_where(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    unsigned shown = 0;
    uint64_t events = 0;
    for (size_t i = 0; i < timeline->item_count; i++) events += timeline->items[i].kind != TRACE_KIND_EVENTS_LOST;
    strbuf_puts(out, "began ");
    text_time(out, timeline->start_ns, view->utc, true);
    if (view->utc) strbuf_puts(out, " UTC");
    strbuf_puts(out, "; ");
    text_count(out, events, "event");
    strbuf_puts(out, " in ");
    text_duration(out, timeline->end_ns - timeline->start_ns);
    strbuf_puts(out, "; ");
    text_count(out, timeline->node_count, "node");
    for (size_t i = 0; i < timeline->node_count && shown < 2 * VERDICTS_MAX; i++, shown++) {
        strbuf_puts(out, shown ? ", " : ": ");
        render_node(out, view, timeline->nodes[i].node_id);
    }
    if (shown < timeline->node_count) strbuf_puts(out, ", ...");
    strbuf_puts(out, "\n");
}

/* ---- reasons to worry ---- */

static void worry_begin(struct strbuf *out, const struct view *view, enum style style) {
    text_style_on(out, view->color, style);
    strbuf_puts(out, "! ");
}

static void worry_end(struct strbuf *out, const struct view *view, enum style style) {
    text_style_off(out, view->color, style);
    strbuf_puts(out, "\n");
}

/* "! and 12 more" when a list was cut. */
static void worry_more(struct strbuf *out, const struct view *view, uint64_t count) {
    if (count <= VERDICTS_MAX) return;
    worry_begin(out, view, STYLE_WARN);
    strbuf_printf(out, "and %" PRIu64 " more like that", count - VERDICTS_MAX);
    worry_end(out, view, STYLE_WARN);
}

/* The failed spans that no failed span below explains. */
static void failures(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    uint64_t count = 0;
    bool *explained = calloc(timeline->span_count + 1, sizeof *explained);
    if (!explained) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        if (span->end && !span->ok && span->parent != NO_SPAN) explained[span->parent] = true;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        bool in_circle = span->depth == SPAN_DEPTH_MAX;
        if (!span->end || span->ok || (explained[i] && !in_circle) || count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_BAD);
        event_command(out, span->end);
        strbuf_puts(out, " failed at ");
        names_node(out, view->names, timeline->nodes[span->node].node_id);
        strbuf_puts(out, ", at ");
        timeline_since(out, timeline, span->end_ns);
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, count);
    free(explained);
}

/* The spans that are still open and wait for no other that is. */
static void unended(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    uint64_t count = 0;
    bool *waits = calloc(timeline->span_count + 1, sizeof *waits);
    if (!waits) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        if (!span->end && span->parent != NO_SPAN) waits[span->parent] = true;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        const struct timeline_node *node = &timeline->nodes[span->node];
        bool in_circle = span->depth == SPAN_DEPTH_MAX;
        if (span->end || (waits[i] && !in_circle) || count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_WARN);
        event_command(out, span->start);
        strbuf_puts(out, " at ");
        names_node(out, view->names, node->node_id);
        strbuf_puts(out, " began at ");
        timeline_since(out, timeline, span->start_ns);
        strbuf_puts(out, " and has not ended");
        if (node->events_missing) strbuf_puts(out, "; its end may be among the missing events");
        worry_end(out, view, STYLE_WARN);
    }
    worry_more(out, view, count);
    free(waits);
}

static void packets_lost(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    uint64_t shown = 0;
    if (!timeline->packets_lost) return;
    worry_begin(out, view, STYLE_BAD);
    text_count(out, timeline->packets_lost, "packet");
    strbuf_puts(out, " lost: ");
    for (size_t i = 0; i < timeline->item_count; i++) {
        const struct timeline_item *item = &timeline->items[i];
        if (item->kind != TRACE_KIND_PACKET_LOST || shown == VERDICTS_MAX) continue;
        if (shown++) strbuf_puts(out, ", ");
        names_node(out, view->names, timeline->nodes[item->node].node_id);
        strbuf_puts(out, " -> ");
        names_node(out, view->names, json_get_hex(item->event, "peer_id", NODE_DIGITS));
        strbuf_puts(out, " at ");
        timeline_since(out, timeline, item->time_ns);
    }
    if (shown < timeline->packets_lost) strbuf_puts(out, ", ...");
    worry_end(out, view, STYLE_BAD);
}

static void holes(struct strbuf *out, const struct view *view, const struct timeline *timeline, const json_t *answer) {
    uint64_t count = 0;
    for (size_t i = 0; i < timeline->node_count; i++) {
        const struct timeline_node *node = &timeline->nodes[i];
        if (!node->events_missing || count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_BAD);
        text_count(out, node->events_missing, "event");
        strbuf_puts(out, " of ");
        names_node(out, view->names, node->node_id);
        strbuf_puts(out, node->events_missing == 1 ? " is missing" : " are missing");
        strbuf_puts(out, " in this time: some may belong here");
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, count);
    if (json_get_bool(json_object_get(answer, "summary"), "truncated")) {
        worry_begin(out, view, STYLE_WARN);
        strbuf_puts(out, "its oldest events have left the history");
        worry_end(out, view, STYLE_WARN);
    }
    if (json_get_bool(answer, "more")) {
        worry_begin(out, view, STYLE_WARN);
        strbuf_puts(out, "there are more events than these: `inspector export` has all, --limit N sets how many are shown");
        worry_end(out, view, STYLE_WARN);
    }
}

void render_trace_head(struct strbuf *out, const struct view *view, const json_t *answer, const struct timeline *timeline) {
    text_styled(out, view->color, STYLE_DIM, "trace ");
    text_member(out, answer, "trace_id");
    strbuf_puts(out, "  ");
    if (!timeline->item_count) {
        strbuf_puts(out, "no events\n");
        return;
    }
    outcome(out, view, timeline, json_object_get(answer, "summary"));
    when_and_where(out, view, timeline);
    failures(out, view, timeline);
    if (!json_get_bool(answer, "more")) unended(out, view, timeline);
    packets_lost(out, view, timeline);
    holes(out, view, timeline, answer);
}
