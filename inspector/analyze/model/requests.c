/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include "allocation.h"
#include "analyze_thresholds.h"
#include "first_failure.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

/* ---- arrays that grow ---- */

static int add_open(struct requests *requests, const struct open_part *part) {
    struct open_part *open = memory_room(requests->open, requests->open_count, &requests->open_capacity, sizeof *open);
    if (!open) return -ENOMEM;
    requests->open = open;
    open[requests->open_count++] = *part;
    return 0;
}

static int add_done(struct requests *requests, const struct done_part *part) {
    struct done_part *done = memory_room(requests->done, requests->done_count, &requests->done_capacity, sizeof *done);
    if (!done) return -ENOMEM;
    requests->done = done;
    done[requests->done_count++] = *part;
    return 0;
}

static int add_question(struct requests *requests, const struct question *question) {
    struct question *questions =
        memory_room(requests->questions, requests->question_count, &requests->question_capacity, sizeof *questions);
    if (!questions) return -ENOMEM;
    requests->questions = questions;
    questions[requests->question_count++] = *question;
    return 0;
}

static int add_request(struct requests *requests, const struct request *request) {
    struct request *items = memory_room(requests->items, requests->count, &requests->capacity, sizeof *items);
    if (!items) return -ENOMEM;
    requests->items = items;
    items[requests->count++] = *request;
    return 0;
}

/* ---- one trace ---- */

static int find_failure(struct request *request, const struct critical_path *path, const struct trace_events *events,
                        const struct node_states *states) {
    struct first_failure failure;
    request->failed_node = request->failed_waiting = request->failed_whom = request->failed_asker = NO_NUMBER;
    request->failed_from = request->failed_to = request->failed_before = NO_NUMBER;
    request->failed = NO_FACT;
    if (path->spans.items[path->root].end == NO_POSITION) return 0;
    if (first_failure_find(&failure, path, events, states)) return -ENOMEM;
    const struct span *first = failure.first;
    if (!first) return 0;
    if (failure.before && failure.before->node != first->node) request->failed_before = failure.before->node;
    request->failed_node = first->node;
    request->failed_asker = first->asker == NO_NUMBER ? first->node : first->asker;
    request->failed_after = request->ok;
    request->expired = request->ok ? first->expired : path->spans.items[path->root].expired;
    request->failed = fact_at(events, first->end);
    request->failed_waiting = failure.waiting;
    request->failed_from = failure.from;
    request->failed_to = failure.to;
    request->failed_held = failure.held;
    return 0;
}

/* A one-way message: the request waited for nobody, and took almost no time compared with what it caused. */
static bool is_one_way(const struct critical_path *path) {
    for (size_t i = 0; i < path->within; i++)
        if (path->waits[i].kind != WAIT_NODE || path->waits[i].node != path->spans.items[path->root].node) return false;
    return path->end_ns - path->start_ns < (path->reach_ns - path->end_ns) / ONE_WAY_PART;
}

static bool has_node(const unsigned *nodes, size_t count, unsigned node) {
    return bsearch(&node, nodes, count, sizeof node, compare_unsigned);
}

/* The nodes that the spans of a request name, sorted.  NULL when out of memory. */
static unsigned *named_nodes_new(const struct spans *spans, size_t *ret_count) {
    unsigned *nodes = calloc(2 * spans->count + 1, sizeof *nodes);
    size_t count = 0;
    for (size_t i = 0; nodes && i < spans->count; i++) {
        nodes[count++] = spans->items[i].node;
        if (spans->items[i].asks && spans->items[i].peer != NO_NUMBER) nodes[count++] = spans->items[i].peer;
    }
    if (count) qsort(nodes, count, sizeof *nodes, compare_unsigned);
    *ret_count = count;
    return nodes;
}

/* Adds the nodes that no span names, and that sent something before the end of the request: they report no spans, or no
 * events.  Returns the new count; 0 when out of memory. */
static size_t add_unnamed(unsigned *nodes, size_t count, const struct critical_path *path, const struct trace_events *events) {
    size_t named_count;
    unsigned *named = named_nodes_new(&path->spans, &named_count);
    if (!named) return 0;
    for (size_t i = 0; i < events->count && i <= path->spans.items[path->root].end; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (!fact_says_something(fact) || fact_sends(fact) || fact->peer == NO_NUMBER) continue;
        if (!has_node(named, named_count, fact->peer)) nodes[count++] = fact->peer;
    }
    free(named);
    return count;
}

/* The nodes that a request needed: the one that began it, and those that answered it before its end.  A node that failed, and was
 * replaced by another, does not make it another way. */
static int find_way(struct request *request, const struct critical_path *path, const struct trace_events *events) {
    const struct spans *spans = &path->spans;
    unsigned *nodes = calloc(2 * spans->count + events->count + 1, sizeof *nodes);
    size_t count = 0;
    if (!nodes) return -ENOMEM;
    nodes[count++] = request->node;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        if (span->end == NO_POSITION || !span->ok || span->end > spans->items[path->root].end) continue;
        nodes[count++] = span->node;
        if (span->asks && span->peer != NO_NUMBER) nodes[count++] = span->peer;
    }
    count = add_unnamed(nodes, count, path, events);
    if (!count) {
        free(nodes);
        return -ENOMEM;
    }
    qsort(nodes, count, sizeof *nodes, compare_unsigned);
    request->way = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < count; i++) {
        if (i && nodes[i] == nodes[i - 1]) continue;
        request->nodes++;
        request->way = (request->way ^ nodes[i]) * UINT64_C(1099511628211);
    }
    free(nodes);
    return 0;
}

static int add_request_of(struct requests *requests, const struct critical_path *path, const struct trace_events *events,
                          const struct node_states *states) {
    const struct span *root = &path->spans.items[path->root];
    bool caused = root->parent != NO_POSITION || root->parent_missing;
    struct request request = {.trace = trace_event_at(events, 0)->trace,
                              .command = trace_event_at(events, root->start)->command,
                              .node = root->node,
                              .asker = root->peer == NO_NUMBER || root->asks ? root->node : root->peer,
                              .took_ns = path->end_ns - path->start_ns,
                              .caused = caused,
                              .ended = root->end != NO_POSITION,
                              .one_way = is_one_way(path),
                              .ok = root->ok,
                              .start = fact_at(events, root->start),
                              .events = events->count};
    request.timed = request_is_whole(&request) && facts_steady(events->facts, path->start_ns, path->reach_ns);
    if (find_failure(&request, path, events, states)) return -ENOMEM;
    if (request.timed && find_way(&request, path, events)) return -ENOMEM;
    return add_request(requests, &request);
}

/* ---- questions ---- */

/* Is the span a question to another node?  It is if it only asks, or if its cause is on another node and does not only ask. */
static bool is_question(const struct spans *spans, const struct span *span) {
    const struct span *asker = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
    if (!asker || span->start == NO_POSITION || span->end == NO_POSITION || asker->end == NO_POSITION) return false;
    return span->asks || (asker->node != span->node && !asker->asks);
}

/* After that question had failed, did its asker ask again and get an answer?  last_ok: by asker, the question that it asked last
 * of those that were answered. */
static bool was_retried(const struct spans *spans, const struct node_clocks *clocks, const size_t *last_ok,
                        const struct span *failed) {
    const struct span *asker = &spans->items[failed->parent];
    size_t last = last_ok[failed->parent];
    if (last == NO_POSITION || spans->items[last].start_ns < failed->end_ns) return false;
    if (node_clocks_comparable(clocks, spans->items[last].node, failed->node, NULL)) return true;
    for (size_t i = asker->first_child; i != NO_POSITION; i = spans->items[i].next_sibling) {
        const struct span *again = &spans->items[i];
        bool later = node_clocks_comparable(clocks, again->node, failed->node, NULL) && again->start_ns >= failed->end_ns;
        if (is_question(spans, again) && again->ok && later) return true;
    }
    return false;
}

/* The innermost span that failed: at each level, the one that ended first. */
static const struct span *innermost_failed(const struct spans *spans, const struct span *failed) {
    for (size_t depth = 0; depth < spans->count; depth++) {
        const struct span *first = NULL;
        for (size_t i = failed->first_child; i != NO_POSITION; i = spans->items[i].next_sibling) {
            const struct span *child = &spans->items[i];
            if (child->end == NO_POSITION || child->ok || child->end_ns > failed->end_ns) continue;
            if (!first || child->end_ns < first->end_ns) first = child;
        }
        if (!first) break;
        failed = first;
    }
    return failed;
}

/* By span: of the questions that it asked and that were answered, the one that began last; NO_POSITION if there is none.  NULL
 * when out of memory. */
static size_t *last_answered_new(const struct spans *spans) {
    size_t *last = calloc(spans->count + 1, sizeof *last);
    for (size_t i = 0; last && i < spans->count; i++) last[i] = NO_POSITION;
    for (size_t i = 0; last && i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        if (is_question(spans, span) && span->ok) last[span->parent] = i; /* spans are in the order of their first events */
    }
    return last;
}

static int add_questions(struct requests *requests, const struct critical_path *path, const struct trace_events *events) {
    const struct spans *spans = &path->spans;
    const struct request *request = &requests->items[requests->count - 1];
    if (!request_is_whole(request) || !request->ok) return 0;
    size_t *last_ok = last_answered_new(spans);
    int result = last_ok ? 0 : -ENOMEM;
    for (size_t i = 0; i < spans->count && !result; i++) {
        const struct span *span = &spans->items[i];
        if (!is_question(spans, span)) continue;
        if (!span->ok && !spans->items[span->parent].ok)
            continue; /* its asker failed, too: counted at the question to the asker */
        const struct span *failed = span;
        bool retried = !span->ok && was_retried(spans, &events->facts->clocks, last_ok, span);
        if (retried) failed = innermost_failed(spans, span);
        const struct question question = {.request = requests->count - 1,
                                          .command = request->command,
                                          .node = failed->asks ? failed->peer : failed->node,
                                          .asker = failed->asks ? failed->node : failed->asker,
                                          .ok = span->ok,
                                          .retried = retried,
                                          .failed = fact_at(events, failed->end)};
        result = add_question(requests, &question);
    }
    free(last_ok);
    return result;
}

/* Does a span that only asks wait for a node that has ended?  Not if that node has answered, or runs again. */
static bool is_asked_in_vain(const struct span *span, const struct facts *facts, const struct node_states *states) {
    if (!node_clocks_comparable(&facts->clocks, span->node, span->peer, NULL)) return false;
    const struct node_state *ended =
        node_states_ended(states, facts, span->peer, span->start_ns, facts->items[facts->count - 1].time_ns);
    if (!ended || ended->again_ns != UINT64_MAX) return false;
    return !facts_first_said(facts, span->node, span->peer, false, span->start_ns, UINT64_MAX);
}

/* Did the node of a span ask others after it had caused that child?  Then it may not have waited for the child. */
static bool asked_others(const struct trace_events *events, const struct span *span, const struct span *child) {
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->time_ns > child->start_ns && fact->node == span->node && fact->peer != child->node && fact_sends(fact) &&
            fact_says_something(fact))
            return true;
    }
    return false;
}

static bool is_root(const struct span *span) { return span->parent == NO_POSITION && !span->parent_missing; }

static int add_done_parts(struct requests *requests, const struct spans *spans, const struct trace_events *events) {
    int result = 0;
    for (size_t i = 0; i < spans->count && !result; i++) {
        const struct span *span = &spans->items[i];
        if (span->start == NO_POSITION || span->end == NO_POSITION || span->end_ns < span->start_ns) continue;
        if (!facts_steady(events->facts, span->start_ns, span->end_ns)) continue;
        const struct done_part part = {.node = span->node,
                                       .command = trace_event_at(events, span->start)->command,
                                       .asks = span->asks,
                                       .root = is_root(span),
                                       .ns = span->end_ns - span->start_ns};
        result = add_done(requests, &part);
    }
    return result;
}

static bool is_alone(const struct spans *spans, const struct span *span) {
    for (size_t i = 0; i < spans->count; i++)
        if (&spans->items[i] != span && spans->items[i].node == span->node) return false;
    return span->first_child == NO_POSITION;
}

/* Has the part that asked this question ended well?  Then it needs no answer: another node answered first. */
static bool is_settled(const struct spans *spans, const struct span *span) {
    if (!span->asks || span->parent == NO_POSITION) return false;
    const struct span *asker = &spans->items[span->parent];
    return asker->node == span->node && asker->end != NO_POSITION && asker->ok;
}

/* Does a question wait for open work of which only the node that it asked is known as the asker, because the part between them is
 * missing?  Not if another open question asks that node, too: nobody knows which of them caused that work. */
static bool waits_behind(const struct spans *spans, const struct span *question, const struct facts *facts,
                         const struct node_states *states) {
    bool behind = false;
    if (!question->asks || question->peer == NO_NUMBER || question->first_child != NO_POSITION) return false;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *other = &spans->items[i];
        if (other == question || other->start == NO_POSITION || other->end != NO_POSITION || other->peer != question->peer)
            continue;
        if (other->asks) return false;
        behind |= other->parent_missing && other->node != question->node && !ended_log_of_span(states, facts, other) &&
                  node_clocks_comparable(&facts->clocks, other->node, question->node, NULL) &&
                  other->start_ns > question->start_ns;
    }
    return behind;
}

/* An open part waits for the open parts that it caused; not for one that will never end, because its node has ended. */
static int add_open_parts(struct requests *requests, const struct spans *spans, const struct trace_events *events,
                          const struct node_states *states) {
    int result = 0;
    for (size_t i = 0; i < spans->count && !result; i++) {
        const struct span *span = &spans->items[i];
        bool waits = false;
        requests->parts += span->start != NO_POSITION;
        if (span->start == NO_POSITION || span->end != NO_POSITION) continue;
        const struct fact *start = trace_event_at(events, span->start);
        struct open_part part = {.trace = start->trace,
                                 .node = start->node,
                                 .command = start->command,
                                 .start = fact_at(events, span->start),
                                 .asks = span->asks,
                                 .root = is_root(span),
                                 .alone = is_alone(spans, span),
                                 .settled = is_settled(spans, span),
                                 .asked = span->asks && span->first_child == NO_POSITION ? span->peer : NO_NUMBER,
                                 .ended = ended_log_of_span(states, events->facts, span),
                                 .waits_for = NO_NUMBER};
        for (size_t k = span->first_child; k != NO_POSITION && !waits; k = spans->items[k].next_sibling) {
            const struct span *child = &spans->items[k];
            if (child->start == NO_POSITION || child->end != NO_POSITION) continue;
            const struct node_state *ended = ended_log_of_span(states, events->facts, child);
            if (ended && child->node != span->node)
                part.waits_for = asked_others(events, span, child) ? NO_NUMBER : child->node;
            else
                waits = !part.ended;
        }
        if (part.asked != NO_NUMBER && is_asked_in_vain(span, events->facts, states)) part.waits_for = span->peer;
        waits |= !part.ended && waits_behind(spans, span, events->facts, states);
        if (!waits) result = add_open(requests, &part);
    }
    return result;
}

static int read_trace(struct requests *requests, const struct trace_events *events, const struct node_states *states) {
    struct critical_path path;
    bool edges = false;
    for (size_t i = 0; i < events->count && !edges; i++) {
        const struct fact *fact = trace_event_at(events, i);
        edges = fact->kind == FACT_APP_START || fact->kind == FACT_APP_END;
    }
    if (!edges) return 0; /* the trace of a connection has no request */
    int result = critical_path_init(&path, events);
    if (result) return result;
    result = add_open_parts(requests, &path.spans, events, states);
    if (!result) result = add_done_parts(requests, &path.spans, events);
    if (!result && path.root != NO_POSITION)
        result = add_request_of(requests, &path, events, states) || requests_add_visits(requests, &path, events, states) ||
                 add_questions(requests, &path, events);
    critical_path_fini(&path);
    return result ? -ENOMEM : 0;
}

/* ---- all traces ---- */

/* Orders traces by their first events, whatever their numbers are. */
struct order {
    const struct fact *facts;
    const size_t *first; /* by trace */
};

static int compare_places(const void *left, const void *right, void *context) {
    const struct order *order = context;
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    size_t a = order->first[order->facts[i].trace], b = order->first[order->facts[j].trace];
    if (a != b) return a < b ? -1 : 1;
    return i < j ? -1 : i > j;
}

int requests_read(struct requests *requests, const struct facts *facts, const struct node_states *states) {
    size_t *places = calloc(facts->count + 1, sizeof *places), count = 0;
    unsigned traces = 0;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].trace != NO_NUMBER && facts->items[i].trace >= traces) traces = facts->items[i].trace + 1;
    size_t *first = calloc(traces + 1, sizeof *first);
    struct order order = {facts->items, first};
    int result = places && first ? 0 : -ENOMEM;
    *requests = (struct requests){0};
    for (size_t i = facts->count; i-- > 0 && !result;)
        if (facts->items[i].trace != NO_NUMBER) first[facts->items[i].trace] = i;
    for (size_t i = 0; i < facts->count && !result; i++)
        if (facts->items[i].trace != NO_NUMBER) places[count++] = i;
    if (count) qsort_r(places, count, sizeof *places, compare_places, &order);
    for (size_t begin = 0, end; begin < count && !result; begin = end) {
        unsigned trace = facts->items[places[begin]].trace;
        for (end = begin; end < count && facts->items[places[end]].trace == trace;) end++;
        const struct trace_events events = {.facts = facts, .places = places + begin, .count = end - begin, .states = states};
        result = read_trace(requests, &events, states);
    }
    free(places);
    free(first);
    if (result) requests_fini(requests);
    return result;
}

void requests_fini(struct requests *requests) {
    free(requests->items);
    free(requests->visits);
    free(requests->delays);
    free(requests->questions);
    free(requests->open);
    free(requests->done);
    *requests = (struct requests){0};
}
