/* SPDX-License-Identifier: MIT
 *
 * Where requests spent their time. */
#include "requests.h"

#include "allocation.h"
#include "numbers.h"
#include "path_edges.h"

#include <errno.h>
#include <stdlib.h>

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

/* The event of a node at that time; NO_FACT if it has none. */
static size_t fact_of(const struct trace_events *events, unsigned node, uint64_t time_ns) {
    for (size_t i = trace_events_from(events, time_ns); i < events->count && trace_event_at(events, i)->time_ns == time_ns; i++)
        if (trace_event_at(events, i)->node == node) return events->places[i];
    return NO_FACT;
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
    visit->unseen = wait->unseen;
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
    if (!order) order = compare_numbers(wait_is_held(&a->wait), wait_is_held(&b->wait));
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
    qsort(places->nodes, places->node_count, sizeof *places->nodes, compare_unsigned);
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
    return places->node_count && bsearch(&node, places->nodes, places->node_count, sizeof node, compare_unsigned);
}

/* The visit to a link, or to a peer that has not ended; NULL if there is none. */
static struct visit *visit_of_loss(struct requests *requests, const struct places *places, enum wait_kind kind,
                                   const struct loss_wait *loss) {
    const struct part wanted = {.wait = {.kind = kind, .node = loss->from, .peer = loss->to}, .after = loss->after};
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

int requests_add_visits(struct requests *requests, const struct critical_path *path, const struct trace_events *events,
                        const struct node_states *states) {
    struct places places;
    int result = places_init(&places, path, events, states);
    if (!result) result = add_places(requests, &places, path, events);
    places_fini(&places);
    return result;
}

const struct visit **requests_longest_new(const struct requests *requests) {
    const struct visit **longest = calloc(requests->count + 1, sizeof *longest);
    for (size_t i = 0; longest && i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i], **of = &longest[visit->request];
        if (!visit->after && (!*of || visit->ns + visit->lost_ns > (*of)->ns + (*of)->lost_ns)) *of = visit;
    }
    return longest;
}
