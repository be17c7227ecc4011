/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include "allocation.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "path_edges.h"

#include <errno.h>
#include <stdlib.h>

/* ---- arrays that grow ---- */

static int add_visit(struct requests *requests, const struct visit *visit) {
    struct visit *visits = memory_room(requests->visits, requests->visit_count, &requests->visit_capacity, sizeof *visits);
    if (!visits) return -ENOMEM;
    requests->visits = visits;
    visits[requests->visit_count++] = *visit;
    return 0;
}

static int add_delay(struct requests *requests, const struct delay *delay) {
    struct delay *delays = memory_room(requests->delays, requests->delay_count, &requests->delay_capacity, sizeof *delays);
    if (!delays) return -ENOMEM;
    requests->delays = delays;
    delays[requests->delay_count++] = *delay;
    return 0;
}

static int add_open(struct requests *requests, const struct open_part *part) {
    struct open_part *open = memory_room(requests->open, requests->open_count, &requests->open_capacity, sizeof *open);
    if (!open) return -ENOMEM;
    requests->open = open;
    open[requests->open_count++] = *part;
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

static size_t fact_at(const struct trace_events *events, size_t position) {
    return position == NO_POSITION ? NO_FACT : events->places[position];
}

/* The event of a node at that time; NO_FACT if it has none. */
static size_t fact_of(const struct trace_events *events, unsigned node, uint64_t time_ns) {
    size_t low = 0, high = events->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (trace_event_at(events, middle)->time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < events->count && trace_event_at(events, low)->time_ns == time_ns; low++)
        if (trace_event_at(events, low)->node == node) return events->places[low];
    return NO_FACT;
}

/* Did a span fail because of a span that it caused, which answered before it reported its own end? */
static bool failed_by_answer(const struct spans *spans, const struct span *cause, const struct span *span) {
    for (size_t i = 0; i < spans->count && span != cause; i++) { /* parents may form a circle */
        if (span->end == NO_POSITION || span->ok || span->given_up || span->parent == NO_POSITION) return false;
        span = &spans->items[span->parent];
    }
    return span == cause;
}

/* Did `span` fail before `other`?  If their clocks cannot be compared, a span failed before the one that caused it, unless that
 * one timed out. */
static bool failed_before(const struct critical_path *path, const struct node_clocks *clocks, const struct span *span,
                          const struct span *other) {
    const struct spans *spans = &path->spans;
    if (node_clocks_comparable(clocks, span->node, other->node, NULL))
        return span->end <= other->end ? span == other || !failed_by_answer(spans, span, other)
                                       : failed_by_answer(spans, other, span);
    return (spans_caused(spans, other, span) && !other->expired) || (spans_caused(spans, span, other) && span->expired);
}

/* Does a span that failed after the end of the request only report what one that it caused had failed to do before? */
static bool passes_on(const struct critical_path *path, const struct node_clocks *clocks, const struct span *span) {
    const struct span *items = path->spans.items, *root = &items[path->root];
    for (size_t i = span->first_child; i != NO_POSITION; i = items[i].next_sibling) {
        const struct span *child = &items[i];
        bool failed = child->end != NO_POSITION && !child->ok && node_clocks_comparable(clocks, child->node, root->node, NULL);
        if (failed && child->end_ns <= root->end_ns) return true;
    }
    return false;
}

/* The failed span (expired: that ran out of time) that ended first: later failures are its consequences, or independent.  If the
 * request succeeded, considers only spans that it caused and did not wait for. */
static const struct span *first_failed(const struct critical_path *path, const struct node_clocks *clocks, bool expired) {
    const struct span *items = path->spans.items, *root = &items[path->root], *first = NULL;
    for (size_t i = 0; i < path->spans.count; i++) {
        const struct span *span = &items[i], *asker = span->parent == NO_POSITION ? NULL : &items[span->parent];
        if (span->end == NO_POSITION || span->ok || (first && !failed_before(path, clocks, span, first))) continue;
        if (expired && !span->expired) continue;
        if (!root->ok && (span == root || failed_before(path, clocks, span, root))) first = span;
        if (!root->ok || !asker) continue;
        bool known = node_clocks_comparable(clocks, span->node, root->node, NULL) &&
                     node_clocks_comparable(clocks, span->node, asker->node, NULL);
        if (known && span->end_ns > root->end_ns && !span->given_up && !passes_on(path, clocks, span)) first = span;
    }
    return first;
}

/* The node that asked for a span: the node of the innermost span around it that is on another node. */
static unsigned asker_of(const struct spans *spans, const struct span *span) {
    const struct span *at = span;
    if (span->asks) return span->node;
    for (size_t depth = 0; depth < spans->count && at->node == span->node && at->parent != NO_POSITION; depth++)
        at = &spans->items[at->parent];
    return at->node;
}

/* The wait during which a span failed: the last one until its end; or until it sent its answer, if that was right before. */
static const struct wait *wait_at_failure(const struct critical_path *path, const struct span *failed) {
    const struct wait *last = NULL;
    for (size_t i = 0; i < path->count; i++) {
        const struct wait *wait = &path->waits[i];
        bool own = wait->span == (size_t)(failed - path->spans.items) && wait->to_ns < failed->end_ns &&
                   failed->end_ns - wait->to_ns <= RIGHT_AFTER_NS_MAX;
        if ((own || wait->to_ns == failed->end_ns) && (!last || wait->to_ns >= last->to_ns)) last = wait;
    }
    return last;
}

/* Did a span that failed ask a node that had ended, is not traced, or was still working for it?  Then it waited for that node, even
 * if the request waited for another one meanwhile. */
static bool waited_for_asked(const struct spans *spans, const struct span *failed, const struct facts *facts,
                             const struct node_states *states) {
    if (!failed->asks || failed->peer == NO_NUMBER) return false;
    if (failed->first_child == NO_POSITION)
        return !facts_has(facts, failed->peer) ||
               node_states_ended(states, facts, failed->peer, failed->start_ns, failed->end_ns);
    const struct span *work = &spans->items[failed->first_child];
    return work->node == failed->peer && work->start != NO_POSITION && work->next_sibling == NO_POSITION &&
           (work->end == NO_POSITION || work->end_ns > failed->end_ns) &&
           node_clocks_comparable(&facts->clocks, work->node, failed->node, NULL);
}

static void find_failure(struct request *request, const struct critical_path *path, const struct trace_events *events,
                         const struct node_states *states) {
    request->failed_node = request->failed_waiting = request->failed_whom = request->failed_asker = NO_NUMBER;
    request->failed_from = request->failed_to = request->failed_before = NO_NUMBER;
    request->failed = NO_FACT;
    if (path->spans.items[path->root].end == NO_POSITION) return;
    bool ran_out = !request->ok && path->spans.items[path->root].expired;
    const struct span *before = first_failed(path, &events->facts->clocks, false),
                      *first = ran_out ? first_failed(path, &events->facts->clocks, true) : before;
    if (!first) return;
    if (ran_out && before->node != first->node) request->failed_before = before->node;
    request->failed_node = first->node;
    request->failed_asker = asker_of(&path->spans, first);
    request->failed_after = request->ok;
    request->expired = request->ok ? first->expired : path->spans.items[path->root].expired;
    request->failed = fact_at(events, first->end);
    const struct wait *wait = wait_at_failure(path, first);
    if (!wait && waited_for_asked(&path->spans, first, events->facts, states)) request->failed_waiting = first->peer;
    if (!wait || wait->untimed) return;
    unsigned whom = wait->kind == WAIT_NODE ? wait->node : wait->peer;
    if (wait_kind_is_way(wait->kind)) {
        request->failed_from = wait->node;
        request->failed_to = wait->peer;
    } else if (whom != first->node) {
        request->failed_waiting = whom;
    }
}

/* A one-way message: the request waited for nobody, and took almost no time compared with what it caused. */
static bool is_one_way(const struct critical_path *path) {
    for (size_t i = 0; i < path->within; i++)
        if (path->waits[i].kind != WAIT_NODE || path->waits[i].node != path->spans.items[path->root].node) return false;
    return path->end_ns - path->start_ns < (path->reach_ns - path->end_ns) / ONE_WAY_PART;
}

static int compare_node_numbers(const void *left, const void *right) {
    return compare_numbers(*(const unsigned *)left, *(const unsigned *)right);
}

/* Traffic, and more than an acknowledgement? */
static bool says_something(const struct fact *fact) { return fact_is_traffic(fact) && !fact_is_small(fact); }

static bool has_node(const unsigned *nodes, size_t count, unsigned node) {
    return bsearch(&node, nodes, count, sizeof node, compare_node_numbers);
}

/* The nodes that the spans of a request name, sorted.  NULL when out of memory. */
static unsigned *named_nodes_new(const struct spans *spans, size_t *ret_count) {
    unsigned *nodes = calloc(2 * spans->count + 1, sizeof *nodes);
    size_t count = 0;
    for (size_t i = 0; nodes && i < spans->count; i++) {
        nodes[count++] = spans->items[i].node;
        if (spans->items[i].asks && spans->items[i].peer != NO_NUMBER) nodes[count++] = spans->items[i].peer;
    }
    if (count) qsort(nodes, count, sizeof *nodes, compare_node_numbers);
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
        if (!says_something(fact) || fact_sends(fact) || fact->peer == NO_NUMBER) continue;
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
    qsort(nodes, count, sizeof *nodes, compare_node_numbers);
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
                              .took_ns = path->end_ns - path->start_ns,
                              .caused = caused,
                              .whole = root->end != NO_POSITION && !caused,
                              .rootless = root->end != NO_POSITION && caused,
                              .one_way = is_one_way(path),
                              .ok = root->ok,
                              .start = fact_at(events, root->start),
                              .events = events->count};
    request.timed = request.whole && facts_steady(events->facts, path->start_ns, path->reach_ns);
    find_failure(&request, path, events, states);
    if (request.timed && find_way(&request, path, events)) return -ENOMEM;
    return add_request(requests, &request);
}

/* The question that the node had received in a wait for it, and not answered; NULL: there is none. */
static const struct ignored *ignored_in(const struct critical_path *path, const struct wait *wait) {
    for (size_t i = 0; i < path->ignored_count; i++) {
        const struct ignored *ignored = &path->ignored[i];
        if (wait->kind == WAIT_NODE && wait->span == ignored->asker && wait->node == path->spans.items[ignored->asker].peer)
            return ignored;
    }
    return NULL;
}

static void show_wait(struct visit *visit, const struct wait *wait, const struct critical_path *path,
                      const struct trace_events *events) {
    const struct span *span = &path->spans.items[wait->span];
    unsigned count = 0;
    visit->once_ns = wait->to_ns - wait->from_ns;
    visit->stopped = wait->stopped;
    visit->full = wait->full;
    visit->missing = wait->kind == WAIT_PEER && facts_gap(events->facts, wait->peer, wait->from_ns, wait->to_ns);
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) visit->evidence[i] = NO_FACT;
    if (wait->kind == WAIT_NODE && span->node == wait->node) {
        visit->evidence[count++] = fact_at(events, span->start);
        visit->evidence[count++] = fact_at(events, span->end);
        return;
    }
    const struct ignored *ignored = ignored_in(path, wait);
    if (ignored) {
        visit->evidence[count++] = fact_at(events, ignored->received);
        visit->evidence[count++] = fact_at(events, span->end);
        return;
    }
    visit->evidence[count++] = fact_of(events, wait->kind == WAIT_NODE ? span->node : wait->node, wait->from_ns);
    visit->evidence[count++] = fact_of(events, wait->kind == WAIT_LINK ? wait->peer : wait->node, wait->to_ns);
}

/* A wait, or a part of one: what one waited for after a node had ended is apart. */
struct part {
    struct wait wait;
    bool after;                     /* the end of the request */
    const struct node_state *ended; /* or NULL */
    size_t first;                   /* the first part at the same place */
    size_t visit;                   /* of the first part: the visit of the place */
};

/* The parts of a request's timed waits, by place, and the nodes that have events of it. */
struct places {
    struct part *parts;
    size_t count;
    size_t *order; /* by place, then in their order */
    unsigned *nodes;
    size_t node_count;
};

static int compare_part_places(const struct part *a, const struct part *b) {
    int order = compare_numbers(a->after, b->after);
    if (!order) order = compare_numbers(a->wait.kind, b->wait.kind);
    if (!order) order = compare_numbers(a->wait.node, b->wait.node);
    if (!order) order = compare_numbers(a->wait.peer, b->wait.peer);
    return order ? order : compare_numbers((uintptr_t)a->ended, (uintptr_t)b->ended);
}

static int compare_parts(const void *left, const void *right, void *parts) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    int order = compare_part_places((struct part *)parts + i, (struct part *)parts + j);
    return order ? order : compare_numbers(i, j);
}

static void places_fini(struct places *places) {
    free(places->parts);
    free(places->order);
    free(places->nodes);
}

static int list_nodes(struct places *places, const struct trace_events *events) {
    places->nodes = calloc(events->count + 1, sizeof *places->nodes);
    if (!places->nodes) return -ENOMEM;
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->kind != FACT_EVENTS_LOST) places->nodes[places->node_count++] = fact->node;
    }
    qsort(places->nodes, places->node_count, sizeof *places->nodes, compare_node_numbers);
    return 0;
}

/* From when a node had ended on, a wait is one for the node that ended, whatever it was for before. */
static void add_parts(struct places *places, const struct critical_path *path, size_t index, const struct facts *facts,
                      const struct node_states *states) {
    struct part before = {.wait = path->waits[index], .after = index >= path->within};
    const struct ended_part ended = ended_part_of_wait(states, facts, &path->spans, &before.wait);
    if (before.wait.untimed) return;
    if (ended.log) {
        struct part behind = {.after = before.after, .ended = ended.log}, again = before;
        again.wait.from_ns = ended.to_ns;
        if (again.wait.to_ns > again.wait.from_ns) places->parts[places->count++] = again;
        behind.wait = (struct wait){.from_ns = ended.from_ns,
                                    .to_ns = ended.to_ns,
                                    .kind = WAIT_PEER,
                                    .node = ended.asker,
                                    .peer = ended.log->node,
                                    .span = before.wait.span,
                                    .unanswered = true};
        before.wait.to_ns = ended.from_ns;
        if (behind.wait.to_ns > behind.wait.from_ns) places->parts[places->count++] = behind;
        if (before.wait.to_ns <= before.wait.from_ns) return;
    }
    places->parts[places->count++] = before;
}

static int places_init(struct places *places, const struct critical_path *path, const struct trace_events *events,
                       const struct node_states *states) {
    bool peers = false;
    *places = (struct places){.parts = calloc(3 * path->count + 1, sizeof *places->parts),
                              .order = calloc(3 * path->count + 1, sizeof *places->order)};
    if (!places->parts || !places->order) return -ENOMEM;
    for (size_t i = 0; i < path->count; i++) add_parts(places, path, i, events->facts, states);
    for (size_t i = 0; i < places->count; i++) {
        places->order[i] = i;
        peers |= places->parts[i].wait.kind == WAIT_PEER;
    }
    qsort_r(places->order, places->count, sizeof *places->order, compare_parts, places->parts);
    for (size_t i = 0, first = 0; i < places->count; i++) {
        if (compare_part_places(&places->parts[places->order[i]], &places->parts[places->order[first]])) first = i;
        places->parts[places->order[i]].first = places->order[first];
    }
    return peers ? list_nodes(places, events) : 0;
}

static bool has_events(const struct places *places, unsigned node) {
    return places->node_count && bsearch(&node, places->nodes, places->node_count, sizeof node, compare_node_numbers);
}

/* The visit to a link, or to a peer that has not ended, before the end of the request; NULL if there is none. */
static struct visit *visit_of_loss(struct requests *requests, const struct places *places, enum wait_kind kind,
                                   const struct loss_wait *loss) {
    const struct part wanted = {.wait = {.kind = kind, .node = loss->from, .peer = loss->to}};
    size_t low = 0, high = places->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct part *part = &places->parts[places->order[middle]];
        int order = compare_part_places(part, &wanted);
        if (!order) return &requests->visits[places->parts[part->first].visit];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int add_losses(struct requests *requests, const struct places *places, const struct critical_path *path,
                      const struct trace_events *events) {
    static const enum wait_kind kinds[] = {WAIT_LINK, WAIT_PEER};
    for (size_t i = 0; i < path->loss_count; i++) {
        const struct loss_wait *loss = &path->losses[i];
        struct delay delay = {.request = requests->count - 1, .loss = *loss, .lost = fact_at(events, loss->first_lost)};
        if (add_delay(requests, &delay)) return -ENOMEM;
        for (unsigned k = 0; k < 2; k++) {
            struct visit *visit = visit_of_loss(requests, places, kinds[k], loss);
            if (!visit) continue;
            uint64_t lost_ns = least(loss->ns, visit->ns);
            visit->ns -= lost_ns;
            visit->lost_ns += lost_ns;
        }
    }
    return 0;
}

static int begin_visit(struct requests *requests, struct places *places, struct part *part, const struct critical_path *path,
                       const struct trace_events *events) {
    const struct wait *wait = &part->wait;
    struct visit visit = {.request = requests->count - 1,
                          .command = requests->items[requests->count - 1].command,
                          .kind = wait->kind,
                          .node = wait->node,
                          .peer = wait->peer,
                          .trace = trace_event_at(events, 0)->trace,
                          .asked = wait->kind == WAIT_NODE && wait->node != path->spans.items[path->root].node,
                          .after = part->after,
                          .unanswered = true,
                          .ignored = true,
                          .reaction = REACTION_NONE,
                          .seen = wait->kind == WAIT_PEER && has_events(places, wait->peer),
                          .ended = part->ended,
                          .whole_ns = part->after ? path->reach_ns - path->end_ns : path->end_ns - path->start_ns};
    part->visit = requests->visit_count;
    return add_visit(requests, &visit);
}

/* Work after the end counts, too, so that one-way messages are judged. */
static int add_places(struct requests *requests, struct places *places, const struct critical_path *path,
                      const struct trace_events *events) {
    for (size_t i = 0; i < places->count; i++) {
        struct part *part = &places->parts[i];
        const struct wait *wait = &part->wait;
        if (part->first == i && begin_visit(requests, places, part, path, events)) return -ENOMEM;
        struct visit *visit = &requests->visits[places->parts[part->first].visit];
        const struct ignored *ignored = ignored_in(path, wait);
        visit->ns += wait->to_ns - wait->from_ns;
        visit->unanswered &= wait->unanswered;
        visit->ignored &= ignored != NULL;
        if (ignored && ignored->reaction < visit->reaction) visit->reaction = ignored->reaction;
        if (wait->to_ns - wait->from_ns > visit->once_ns) show_wait(visit, wait, path, events);
    }
    return add_losses(requests, places, path, events);
}

static int add_visits(struct requests *requests, const struct critical_path *path, const struct trace_events *events,
                      const struct node_states *states) {
    struct places places;
    int result = places_init(&places, path, events, states);
    if (!result) result = add_places(requests, &places, path, events);
    places_fini(&places);
    return result;
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
        if (again != failed && is_question(spans, again) && again->ok && later) return true;
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
        if (!is_question(spans, span) || !span->ok) continue;
        size_t *of_asker = &last[span->parent];
        if (*of_asker == NO_POSITION || spans->items[*of_asker].start_ns <= span->start_ns) *of_asker = i;
    }
    return last;
}

static int add_questions(struct requests *requests, const struct critical_path *path, const struct trace_events *events) {
    const struct spans *spans = &path->spans;
    const struct request *request = &requests->items[requests->count - 1];
    if (!request->whole || !request->ok) return 0;
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
                                          .asker = asker_of(spans, failed),
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
    for (size_t i = facts_first(facts, span->start_ns); i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        if (fact->node == span->node && fact->peer == span->peer && says_something(fact) && !fact_sends(fact)) return false;
    }
    return true;
}

/* Did the node of a span ask others after it had caused that child?  Then it may not have waited for the child. */
static bool asked_others(const struct trace_events *events, const struct span *span, const struct span *child) {
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->time_ns > child->start_ns && fact->node == span->node && fact->peer != child->node && fact_sends(fact) &&
            says_something(fact))
            return true;
    }
    return false;
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
    if (!result && path.root != NO_POSITION)
        result = add_request_of(requests, &path, events, states) || add_visits(requests, &path, events, states) ||
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
    *requests = (struct requests){0};
}
