/* SPDX-License-Identifier: MIT
 *
 * The problems of a trace: sentences for people, or the same sentences as data. */
#include "render_problems.h"

#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "render_path.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>

/* Where they go: lines of text; or (rows) objects, whose sentences are written into `says`. */
struct problems {
    struct strbuf *out; /* the text, or `says` */
    struct strbuf says;
    json_t *rows;
    const struct view *view;
    const struct timeline *timeline;
    uint64_t max; /* of one kind */
    enum style style;
};

/* Begins a problem of a node (NO_NUMBER: none) at a time (0: none), on the axis of the facts; then its sentence follows. */
static void problem_begin(struct problems *problems, enum style style, const char *name, unsigned node, uint64_t time_ns) {
    const struct facts *facts = &problems->timeline->facts;
    const char *id = facts_node(facts, node);
    problems->style = style;
    if (!problems->rows) {
        text_style_on(problems->out, problems->view->color, style);
        strbuf_puts(problems->out, "! ");
        return;
    }
    uint64_t unix_ns = time_ns ? facts_unix(facts, node, time_ns) : 0;
    strbuf_clear(&problems->says);
    json_t *at = time_ns ? json_pack("{s:I,s:I}", "timestamp", (json_int_t)(unix_ns / 1000), "ns", (json_int_t)(unix_ns % 1000))
                         : json_null();
    json_t *row = json_pack("{s:s,s:o,s:o}", "problem", name, "node_id", id && *id ? json_string(id) : json_null(), "at", at);
    if (json_array_append_new(problems->rows, row)) problems->says.failed = true;
}

static void problem_end(struct problems *problems) {
    if (!problems->rows) {
        text_style_off(problems->out, problems->view->color, problems->style);
        strbuf_puts(problems->out, "\n");
        return;
    }
    json_t *row = json_array_get(problems->rows, json_array_size(problems->rows) - 1);
    if (json_object_set_new(row, "says", json_string(strbuf_text(&problems->says)))) problems->says.failed = true;
}

/* "! and 12 more" when a list was cut. */
static void problem_more(struct problems *problems, uint64_t count) {
    if (problems->rows || count <= problems->max) return;
    problem_begin(problems, STYLE_WARN, "", NO_NUMBER, 0);
    strbuf_printf(problems->out, "and %" PRIu64 " more like that", count - problems->max);
    problem_end(problems);
}

/* The failed spans that no failed child explains, and that were not abandoned before. */
static void failures(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
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
        if (!span->end || span->ok || (explained[i] && !in_circle) || span->given_up || count++ >= problems->max) continue;
        problem_begin(problems, STYLE_BAD, span->expired ? "expired" : "failed", span->node, span->end_ns);
        event_command(out, span->end);
        strbuf_puts(out, span->expired ? " expired at " : " failed at ");
        names_node(out, view->names, timeline->nodes[span->node].node_id);
        strbuf_puts(out, ", at ");
        timeline_since(out, timeline, span->node, span->end_ns);
        problem_end(problems);
    }
    problem_more(problems, count);
    free(explained);
}

/* The innermost open spans. */
static void unended(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
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
        if (span->end || (waits[i] && !in_circle) || count++ >= problems->max) continue;
        problem_begin(problems, STYLE_WARN, "open", span->node, span->start_ns);
        event_command(out, span->start);
        strbuf_puts(out, " at ");
        names_node(out, view->names, node->node_id);
        strbuf_puts(out, " began at ");
        timeline_since(out, timeline, span->node, span->start_ns);
        strbuf_puts(out, " and has not ended");
        if (node->events_missing) strbuf_puts(out, "; its end may be among the missing events");
        problem_end(problems);
    }
    problem_more(problems, count);
    free(waits);
}

/* A packet that its sender declared lost, as a timeline item; NULL for any other message. arrived: it did arrive. */
static const struct timeline_item *given_up(const struct timeline *timeline, const struct message *message, bool arrived) {
    bool lost = message->kind == MESSAGE_PACKET && message->lost != NO_EVENT && (message->receive != NO_EVENT) == arrived;
    return lost ? &timeline->items[message->lost] : NULL;
}

static void packets_given_up(struct problems *problems, bool arrived) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
    const struct messages *messages = &timeline->path.messages;
    enum style style = arrived ? STYLE_WARN : STYLE_BAD;
    uint64_t count = 0, shown = 0;
    for (size_t i = 0; i < messages->count; i++) count += given_up(timeline, &messages->items[i], arrived) != NULL;
    if (!count) return;
    problem_begin(problems, style, arrived ? "wrongly_lost" : "lost", NO_NUMBER, 0);
    text_count(out, count, "packet");
    strbuf_puts(out, arrived ? " declared lost, but arrived: " : " lost: ");
    for (size_t i = 0; i < messages->count && shown < problems->max; i++) {
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
    problem_end(problems);
}

/* ---- nodes that had ended ---- */

/* One or two times, compared with the request: "2.50 s before the request", "between 1.00 s and 2.00 s after the request
 * began". */
static void put_when(struct problems *problems, uint64_t from_ns, uint64_t to_ns) {
    const struct critical_path *path = &problems->timeline->path;
    const uint64_t times[] = {from_ns, to_ns};
    if (from_ns != to_ns) strbuf_puts(problems->out, "between ");
    for (unsigned i = from_ns == to_ns; i < 2; i++) {
        bool before = times[i] < path->start_ns, same = !i && before == (to_ns < path->start_ns);
        text_duration(problems->out, before ? path->start_ns - times[i] : times[i] - path->start_ns);
        if (!same) strbuf_puts(problems->out, before ? " before the request" : " after the request began");
        if (!i) strbuf_puts(problems->out, " and ");
    }
}

/* Nodes that had crashed, or closed their logs, while the request waited for them. */
static void ended_nodes(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    struct strbuf *out = problems->out;
    for (size_t i = 0; i < timeline->ended_count && i < problems->max; i++) {
        const struct node_state *log = timeline->ended[i].log;
        problem_begin(problems, STYLE_BAD, log->crashed ? "crashed" : "ended", log->node, log->ended_ns);
        names_node(out, problems->view->names, facts_node(&timeline->facts, log->node));
        path_ended(out, log->crashed, 1);
        strbuf_puts(out, "; its last event was ");
        put_when(problems, log->ended_ns, log->ended_ns);
        if (log->by_ns) { /* known better than by its last event */
            strbuf_puts(out, ", and it ended ");
            put_when(problems, log->ended_ns + (log->after_ns - log->last_ns), log->ended_ns + (log->by_ns - log->last_ns));
        }
        if (log->returned) strbuf_puts(out, "; it is running again");
        problem_end(problems);
    }
    problem_more(problems, timeline->ended_count);
}

/* Avoidable waits: for losses, and for nodes that stood still. */
static void delays(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
    const struct critical_path *path = &timeline->path;
    uint64_t count = 0;
    for (size_t i = 0; i < path->within; i++) {
        if (!path->waits[i].stopped || count++ >= problems->max) continue;
        problem_begin(problems, STYLE_BAD, "stopped", wait_is_held(&path->waits[i]) ? path->waits[i].peer : path->waits[i].node,
                      path->waits[i].from_ns);
        path_stop(out, view, timeline, &path->waits[i]);
        problem_end(problems);
    }
    for (size_t i = 0; i < path->loss_count; i++) {
        if (count++ >= problems->max) continue;
        problem_begin(problems, STYLE_BAD, "loss_delay", path->losses[i].from, 0);
        if (path->losses[i].after) strbuf_puts(out, "work after the request ");
        path_loss(out, view, &timeline->facts, &path->losses[i]);
        problem_end(problems);
    }
    problem_more(problems, count);
}

/* Nodes that did their part, and sent nothing to the node that asked and then failed. */
static void unsent(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
    const struct critical_path *path = &timeline->path;
    for (size_t i = 0; i < path->unsent_count && i < problems->max; i++) {
        const struct timeline_span *span = &timeline->spans[path->unsent[i]];
        problem_begin(problems, STYLE_BAD, "unsent", span->node, span->end_ns);
        names_node(out, view->names, timeline->nodes[span->node].node_id);
        strbuf_puts(out, " ended ");
        event_command(out, span->end);
        strbuf_puts(out, " ok at ");
        timeline_since(out, timeline, span->node, span->end_ns);
        strbuf_puts(out, ", and had sent nothing to ");
        names_node(out, view->names, timeline->nodes[timeline->spans[span->parent].node].node_id);
        strbuf_puts(out, " when the time for its answer was over");
        problem_end(problems);
    }
    problem_more(problems, path->unsent_count);
}

/* Nodes that received a question, began no part for it, and did not answer. */
static void ignored(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct critical_path *path = &timeline->path;
    struct strbuf *out = problems->out;
    for (size_t i = 0; i < path->ignored_count && i < problems->max; i++) {
        const struct ignored *question = &path->ignored[i];
        const struct span *asker = &path->spans.items[question->asker];
        const struct timeline_item *received = &timeline->items[question->received];
        problem_begin(problems, STYLE_BAD, "ignored", received->node, received->time_ns);
        names_node(out, problems->view->names, timeline->nodes[received->node].node_id);
        strbuf_puts(out, " received the question of ");
        names_node(out, problems->view->names, timeline->nodes[asker->node].node_id);
        strbuf_puts(out, " at ");
        timeline_since(out, timeline, received->node, received->time_ns);
        strbuf_puts(out, " and reports no work for it");
        if (question->reaction == REACTION_NONE) strbuf_puts(out, "; it sent no answer until ");
        if (question->reaction == REACTION_SMALL) {
            strbuf_puts(out, "; it sent nothing larger than ");
            text_bytes(out, question->most_bytes);
            strbuf_puts(out, " back until ");
        }
        if (question->reaction != REACTION_UNKNOWN) timeline_since(out, timeline, asker->node, asker->end_ns);
        problem_end(problems);
    }
    problem_more(problems, path->ignored_count);
}

static void shared_span(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
    size_t i = timeline->path.spans.shared;
    if (i == NO_POSITION) return;
    const struct span *span = &timeline->path.spans.items[i], *twin = &timeline->path.spans.items[span->parent];
    problem_begin(problems, STYLE_WARN, "shared_span", span->node, 0);
    names_node(out, view->names, timeline->nodes[twin->node].node_id);
    strbuf_puts(out, " and ");
    names_node(out, view->names, timeline->nodes[span->node].node_id);
    strbuf_printf(out, " use one span id, %016" PRIx64 ": each node needs its own span; trace_context_child makes one",
                  span->span_id);
    problem_end(problems);
}

static void holes(struct problems *problems, const json_t *answer) {
    const struct timeline *timeline = problems->timeline;
    const struct view *view = problems->view;
    struct strbuf *out = problems->out;
    uint64_t count = 0;
    for (size_t i = 0; i < timeline->node_count; i++) {
        const struct timeline_node *node = &timeline->nodes[i];
        if (!node->events_missing || count++ >= problems->max) continue;
        problem_begin(problems, STYLE_BAD, "events_missing", (unsigned)i, 0);
        text_count(out, node->events_missing, "event");
        strbuf_puts(out, " of ");
        names_node(out, view->names, node->node_id);
        strbuf_puts(out, node->events_missing == 1 ? " is missing" : " are missing");
        strbuf_puts(out, " in this time: some may belong here");
        problem_end(problems);
    }
    problem_more(problems, count);
    if (json_get_bool(json_object_get(answer, "summary"), "truncated")) {
        problem_begin(problems, STYLE_WARN, "evicted", NO_NUMBER, 0);
        strbuf_puts(out, "its oldest events have left the history");
        problem_end(problems);
    }
    if (json_get_bool(answer, "more")) {
        problem_begin(problems, STYLE_WARN, "more", NO_NUMBER, 0);
        strbuf_puts(out, "there are more events than these: `inspector export` has all, --limit N sets how many are shown");
        problem_end(problems);
    }
}

/* An effect before its cause is always pointed out. */
static void disorder(struct problems *problems) {
    const struct timeline *timeline = problems->timeline;
    struct strbuf *out = problems->out;
    const struct messages *messages = &timeline->path.messages;
    uint64_t count = 0, most_ns = 0;
    for (size_t i = 0; i < messages->count; i++) {
        int64_t gap_ns = messages->items[i].gap_ns;
        count += gap_ns < 0;
        if (gap_ns < 0 && (uint64_t)-gap_ns > most_ns) most_ns = (uint64_t)-gap_ns;
    }
    if (!count) return;
    problem_begin(problems, STYLE_WARN, "disorder", NO_NUMBER, 0);
    text_count(out, count, "message");
    strbuf_puts(out, " received before sent, by up to ");
    text_duration(out, most_ns);
    strbuf_puts(out, ": clocks disagree, or an event was emitted late");
    problem_end(problems);
}

static void put_problems(struct problems *problems, const json_t *answer) {
    disorder(problems);
    failures(problems);
    if (!json_get_bool(answer, "more")) unended(problems);
    ended_nodes(problems);
    unsent(problems);
    ignored(problems);
    delays(problems);
    packets_given_up(problems, false);
    packets_given_up(problems, true);
    shared_span(problems);
    holes(problems, answer);
}

void render_problems(struct strbuf *out, const struct view *view, const json_t *answer, const struct timeline *timeline) {
    struct problems problems = {.out = out, .view = view, .timeline = timeline, .max = VERDICTS_MAX};
    put_problems(&problems, answer);
}

json_t *problems_new(const struct view *view, const json_t *answer, const struct timeline *timeline) {
    struct problems problems = {.rows = json_array(), .view = view, .timeline = timeline, .max = UINT64_MAX};
    problems.out = &problems.says;
    if (!problems.rows) return NULL;
    put_problems(&problems, answer);
    bool failed = problems.says.failed;
    strbuf_fini(&problems.says);
    if (!failed) return problems.rows;
    json_decref(problems.rows);
    return NULL;
}
