/* SPDX-License-Identifier: MIT
 *
 * The head of a timeline: which request it was, how it ended, and every problem: the answer comes before the evidence. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "numbers.h"
#include "render.h"
#include "render_clocks.h"
#include "render_path.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>
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

/* ---- problems ---- */

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

/* The failed spans that no failed child explains, and that were not abandoned before. */
static void failures(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    uint64_t count = 0;
    bool *explained = calloc(timeline->span_count + 1, sizeof *explained);
    if (!explained) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        if (span->end && !span->ok && span->parent != NO_SPAN && !span->given_up) explained[span->parent] = true;
    }
    for (size_t i = 0; i < timeline->span_count; i++) {
        const struct timeline_span *span = &timeline->spans[i];
        bool in_circle = span->depth == SPAN_DEPTH_MAX;
        if (!span->end || span->ok || (explained[i] && !in_circle) || span->given_up || count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_BAD);
        event_command(out, span->end);
        strbuf_puts(out, span->expired ? " expired at " : " failed at ");
        names_node(out, view->names, timeline->nodes[span->node].node_id);
        strbuf_puts(out, ", at ");
        timeline_since(out, timeline, span->node, span->end_ns);
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, count);
    free(explained);
}

/* The innermost open spans. */
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
        timeline_since(out, timeline, span->node, span->start_ns);
        strbuf_puts(out, " and has not ended");
        if (node->events_missing) strbuf_puts(out, "; its end may be among the missing events");
        worry_end(out, view, STYLE_WARN);
    }
    worry_more(out, view, count);
    free(waits);
}

/* A packet that its sender declared lost, as a timeline item; NULL for any other message. arrived: it did arrive. */
static const struct timeline_item *given_up(const struct timeline *timeline, const struct message *message, bool arrived) {
    bool lost = message->kind == MESSAGE_PACKET && message->lost != NO_EVENT && (message->receive != NO_EVENT) == arrived;
    return lost ? &timeline->items[message->lost] : NULL;
}

static void packets_given_up(struct strbuf *out, const struct view *view, const struct timeline *timeline, bool arrived) {
    const struct messages *messages = &timeline->path.messages;
    enum style style = arrived ? STYLE_WARN : STYLE_BAD;
    uint64_t count = 0, shown = 0;
    for (size_t i = 0; i < messages->count; i++) count += given_up(timeline, &messages->items[i], arrived) != NULL;
    if (!count) return;
    worry_begin(out, view, style);
    text_count(out, count, "packet");
    strbuf_puts(out, arrived ? " declared lost, but arrived: " : " lost: ");
    for (size_t i = 0; i < messages->count && shown < VERDICTS_MAX; i++) {
        const struct timeline_item *item = given_up(timeline, &messages->items[i], arrived);
        if (!item) continue;
        if (shown++) strbuf_puts(out, ", ");
        strbuf_printf(out, "%" PRIu64 " ", messages->items[i].number);
        names_node(out, view->names, timeline->nodes[item->node].node_id);
        strbuf_puts(out, " -> ");
        names_node(out, view->names, json_get_hex(item->event, "peer_id", NODE_DIGITS));
        strbuf_puts(out, " at ");
        timeline_since(out, timeline, item->node, item->time_ns);
    }
    if (shown < count) strbuf_puts(out, ", ...");
    worry_end(out, view, style);
}

/* ---- nodes that crashed ---- */

/* A log of a node that ended without being closed, while a request ran or before. */
struct crash {
    uint64_t last_ns; /* its last event, in Unix time; 0: it did not crash, or ran again when the request began */
    bool returned;    /* it is running again */
};

/* from_ns, until_ns: when the request ran; UINT64_MAX: it has not ended, and the first crash since it began counts. */
static struct crash crash_of(const struct names *names, const char *node_id, uint64_t from_ns, uint64_t until_ns) {
    struct crash crash = {0};
    const json_t *log;
    size_t i;
    json_array_foreach(names->logs, i, log) {
        const char *id = json_get_hex(log, "node_id", NODE_DIGITS), *state = json_get_text(log, "state");
        uint64_t last_ns = 0;
        if (!id || !state || strcmp(id, node_id) != 0 || strcmp(state, "crashed") != 0) continue;
        if (!json_get_time(json_object_get(log, "last"), &last_ns) || last_ns >= until_ns) continue;
        if (until_ns != UINT64_MAX)
            crash.last_ns = greatest(crash.last_ns, last_ns);
        else if (last_ns >= from_ns)
            crash.last_ns = crash.last_ns ? least(crash.last_ns, last_ns) : last_ns;
    }
    json_array_foreach(names->logs, i, log) {
        const char *id = json_get_hex(log, "node_id", NODE_DIGITS), *state = json_get_text(log, "state");
        uint64_t started_ns = 0, last_ns = 0;
        if (!crash.last_ns || !id || !state || strcmp(id, node_id) != 0) continue;
        json_get_time(json_object_get(log, "started"), &started_ns);
        json_get_time(json_object_get(log, "last"), &last_ns);
        bool live = !strcmp(state, "live");
        if ((live || last_ns > crash.last_ns) && started_ns <= greatest(from_ns, crash.last_ns)) return (struct crash){0};
        crash.returned |= live;
    }
    return crash;
}

/* Did the request wait for a node after that time? */
static bool waited_after(const struct timeline *timeline, unsigned node, uint64_t unix_ns) {
    const struct critical_path *path = &timeline->path;
    for (size_t i = 0; i < path->within; i++) {
        const struct wait *wait = &path->waits[i];
        bool for_node = wait->kind == WAIT_NODE ? wait->node == node : wait->kind != WAIT_SENDING && wait->peer == node;
        if (for_node && !wait->untimed && facts_unix(&timeline->facts, node, wait->to_ns) > unix_ns) return true;
    }
    return false;
}

/* Has a part of the request at a node not ended, because the node did not go on after that time? */
static bool cut_off(const struct timeline *timeline, unsigned node, uint64_t unix_ns) {
    const struct facts *facts = &timeline->facts;
    bool cut = false;
    for (size_t i = 0; i < timeline->path.spans.count; i++) {
        const struct span *span = &timeline->path.spans.items[i];
        cut |= span->node == node && span->start != NO_POSITION && span->end == NO_POSITION;
    }
    for (size_t i = 0; i < facts->count && cut; i++)
        cut = facts->items[i].node != node || fact_unix(facts, &facts->items[i]) <= unix_ns;
    return cut;
}

/* Nodes that a request which did not succeed waited for after they had crashed. */
static void crashes(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    const struct facts *facts = &timeline->facts;
    const struct span *root = path->root == NO_POSITION ? NULL : &path->spans.items[path->root];
    uint64_t count = 0;
    if (!root || (root->end != NO_POSITION && root->ok)) return;
    uint64_t from_ns = facts_unix(facts, root->node, path->start_ns), until_ns = facts_unix(facts, root->node, path->end_ns);
    if (root->end == NO_POSITION) until_ns = UINT64_MAX;
    for (unsigned node = 0; node < intern_count(&facts->nodes); node++) {
        if (!node_clocks_comparable(&facts->clocks, root->node, node, NULL)) continue;
        const struct crash crash = crash_of(view->names, facts_node(facts, node), from_ns, until_ns);
        if (!crash.last_ns || !(waited_after(timeline, node, crash.last_ns) || cut_off(timeline, node, crash.last_ns)) ||
            count++ >= VERDICTS_MAX)
            continue;
        worry_begin(out, view, STYLE_BAD);
        names_node(out, view->names, facts_node(facts, node));
        strbuf_puts(out, " ended without closing its log: it crashed, was killed, or called _exit or exec; its last event was ");
        if (crash.last_ns < from_ns) {
            text_duration(out, from_ns - crash.last_ns);
            strbuf_puts(out, " before the request");
        } else {
            text_duration(out, crash.last_ns - from_ns);
            strbuf_puts(out, " after the request began");
        }
        if (crash.returned) strbuf_puts(out, "; it is running again");
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, count);
}

/* Avoidable waits: for losses, and for nodes that stood still. */
static void delays(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    uint64_t count = 0;
    for (size_t i = 0; i < path->within; i++) {
        if (!path->waits[i].stopped || count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_BAD);
        path_stop(out, view, timeline, &path->waits[i]);
        worry_end(out, view, STYLE_BAD);
    }
    for (size_t i = 0; i < path->loss_count; i++) {
        if (count++ >= VERDICTS_MAX) continue;
        worry_begin(out, view, STYLE_BAD);
        path_loss(out, view, &timeline->facts, &path->losses[i]);
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, count);
}

/* Nodes that did their part, and sent nothing to the node that asked and then failed. */
static void unsent(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct critical_path *path = &timeline->path;
    for (size_t i = 0; i < path->unsent_count && i < VERDICTS_MAX; i++) {
        const struct timeline_span *span = &timeline->spans[path->unsent[i]];
        worry_begin(out, view, STYLE_BAD);
        names_node(out, view->names, timeline->nodes[span->node].node_id);
        strbuf_puts(out, " ended ");
        event_command(out, span->end);
        strbuf_puts(out, " ok at ");
        timeline_since(out, timeline, span->node, span->end_ns);
        strbuf_puts(out, ", and had sent nothing to ");
        names_node(out, view->names, timeline->nodes[timeline->spans[span->parent].node].node_id);
        strbuf_puts(out, " when the time for its answer was over");
        worry_end(out, view, STYLE_BAD);
    }
    worry_more(out, view, path->unsent_count);
}

static void shared_span(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    size_t i = timeline->path.spans.shared;
    if (i == NO_POSITION) return;
    const struct span *span = &timeline->path.spans.items[i], *twin = &timeline->path.spans.items[span->parent];
    worry_begin(out, view, STYLE_WARN);
    names_node(out, view->names, timeline->nodes[twin->node].node_id);
    strbuf_puts(out, " and ");
    names_node(out, view->names, timeline->nodes[span->node].node_id);
    strbuf_printf(out, " use one span id, %016" PRIx64 ": each node needs its own span; trace_context_child makes one",
                  span->span_id);
    worry_end(out, view, STYLE_WARN);
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

/* An effect before its cause is always pointed out. */
static void disorder(struct strbuf *out, const struct view *view, const struct timeline *timeline) {
    const struct messages *messages = &timeline->path.messages;
    uint64_t count = 0, most_ns = 0;
    for (size_t i = 0; i < messages->count; i++) {
        int64_t gap_ns = messages->items[i].gap_ns;
        count += gap_ns < 0;
        if (gap_ns < 0 && (uint64_t)-gap_ns > most_ns) most_ns = (uint64_t)-gap_ns;
    }
    if (!count) return;
    worry_begin(out, view, STYLE_WARN);
    text_count(out, count, "message");
    strbuf_puts(out, " received before sent, by up to ");
    text_duration(out, most_ns);
    strbuf_puts(out, ": clocks disagree, or an event was emitted late");
    worry_end(out, view, STYLE_WARN);
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
    disorder(out, view, timeline);
    failures(out, view, timeline);
    if (!json_get_bool(answer, "more")) unended(out, view, timeline);
    crashes(out, view, timeline);
    unsent(out, view, timeline);
    delays(out, view, timeline);
    packets_given_up(out, view, timeline, false);
    packets_given_up(out, view, timeline, true);
    shared_span(out, view, timeline);
    holes(out, view, timeline, answer);
}
