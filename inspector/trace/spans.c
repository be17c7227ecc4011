/* SPDX-License-Identifier: MIT */
#include "spans.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

size_t trace_events_from(const struct trace_events *events, uint64_t time_ns) {
    size_t low = 0, high = events->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (trace_event_at(events, middle)->time_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#define LOOKED_MAX 4096U /* spans, in search of one whose cause is not here */

/* ---- the list of spans ---- */

static bool is_edge(const struct fact *fact) {
    return (fact->kind == FACT_APP_START || fact->kind == FACT_APP_END) && fact->span_id; /* 0: no span */
}

static int compare_edges(const void *left, const void *right, void *events) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct fact *a = trace_event_at(events, i), *b = trace_event_at(events, j);
    int order = compare_numbers(a->span_id, b->span_id);
    if (!order) order = compare_numbers(a->node, b->node);
    return order ? order : compare_numbers(i, j);
}

/* A second start or end of a span changes nothing, nor does a start after the end. */
static void take_edge(struct span *span, const struct fact *fact, size_t position) {
    if (span->peer == NO_NUMBER) span->peer = fact->peer;
    if (fact->kind == FACT_APP_START && span->start == NO_POSITION && span->end == NO_POSITION) {
        span->start = position;
        span->start_ns = fact->time_ns;
        span->peer = fact->peer;
    } else if (fact->kind == FACT_APP_END && span->end == NO_POSITION) {
        span->end = position;
        span->end_ns = fact->time_ns;
        span->ok = fact->ok;
        span->expired = fact->expired;
    }
}

static size_t first_position(const struct span *span) { return span->start < span->end ? span->start : span->end; }

static int compare_spans(const void *left, const void *right) {
    return compare_numbers(first_position(left), first_position(right));
}

static int compare_keys(const void *left, const void *right, void *items) {
    const struct span *a = (struct span *)items + *(const size_t *)left, *b = (struct span *)items + *(const size_t *)right;
    int order = compare_numbers(a->span_id, b->span_id);
    return order ? order : compare_numbers(a->node, b->node);
}

/* The latest time of the trace's events that can be compared with that node's clock.  known: by node, 0 if not known yet. */
static uint64_t last_time(uint64_t *known, const struct trace_events *events, unsigned node) {
    const struct node_clocks *clocks = &events->facts->clocks;
    size_t i = events->count;
    if (known[node]) return known[node];
    while (i && !node_clocks_comparable(clocks, node, trace_event_at(events, i - 1)->node, NULL)) i--;
    return known[node] = i ? trace_event_at(events, i - 1)->time_ns : 0;
}

/* edges: positions of all starts and ends.  last_ns: room for one of each node, 0. */
static void list_spans(struct spans *spans, const struct trace_events *events, size_t *edges, size_t edge_count,
                       uint64_t *last_ns) {
    struct span *span = NULL;
    qsort_r(edges, edge_count, sizeof *edges, compare_edges, (void *)events);
    for (size_t i = 0; i < edge_count; i++) {
        const struct fact *fact = trace_event_at(events, edges[i]);
        if (!span || span->span_id != fact->span_id || span->node != fact->node) {
            span = &spans->items[spans->count++];
            *span = (struct span){.span_id = fact->span_id,
                                  .node = fact->node,
                                  .peer = NO_NUMBER,
                                  .start = NO_POSITION,
                                  .end = NO_POSITION,
                                  .parent = NO_POSITION,
                                  .first_child = NO_POSITION,
                                  .next_sibling = NO_POSITION};
        }
        take_edge(span, fact, edges[i]);
    }
    for (size_t i = 0; i < spans->count; i++) {
        if (spans->items[i].end == NO_POSITION) spans->items[i].end_ns = last_time(last_ns, events, spans->items[i].node);
        if (spans->items[i].start == NO_POSITION) spans->items[i].start_ns = spans->items[i].end_ns;
    }
    qsort(spans->items, spans->count, sizeof *spans->items, compare_spans);
    for (size_t i = 0; i < spans->count; i++) spans->by_key[i] = i;
    qsort_r(spans->by_key, spans->count, sizeof *spans->by_key, compare_keys, spans->items);
}

/* ---- which span caused which ---- */

/* The place in by_key of the first span with that id on that node or a later one. */
static size_t lower_bound(const struct spans *spans, unsigned node, uint64_t span_id) {
    size_t low = 0, high = spans->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct span *span = &spans->items[spans->by_key[middle]];
        if (span->span_id < span_id || (span->span_id == span_id && span->node < node))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t spans_find(const struct spans *spans, unsigned node, uint64_t span_id) {
    size_t place = lower_bound(spans, node, span_id);
    if (place == spans->count) return NO_POSITION;
    const struct span *span = &spans->items[spans->by_key[place]];
    return span->span_id == span_id && span->node == node ? spans->by_key[place] : NO_POSITION;
}

/* The first two spans with an id, at the place in by_key where the spans with that id begin. */
struct earliest {
    size_t first, second; /* NO_POSITION: none */
};

static void find_earliest(struct earliest *earliest, const struct spans *spans) {
    for (size_t i = 0; i < spans->count; i++) earliest[i] = (struct earliest){NO_POSITION, NO_POSITION};
    for (size_t i = 0; i < spans->count; i++) {
        struct earliest *of_id = &earliest[lower_bound(spans, 0, spans->items[i].span_id)];
        if (of_id->first == NO_POSITION)
            of_id->first = i;
        else if (of_id->second == NO_POSITION)
            of_id->second = i;
    }
}

/* Of the spans with that id, except `self` and those that began after it: the one on its peer, or else the one on its own node,
 * or else the first.  NO_POSITION when there is none. */
static size_t choose_span(const struct spans *spans, const struct earliest *earliest, uint64_t span_id, size_t self,
                          bool before) {
    const struct span *own = &spans->items[self];
    const unsigned nodes[] = {own->peer, own->node};
    size_t place = lower_bound(spans, 0, span_id), end = before ? self : spans->count, found;
    if (place == spans->count || spans->items[spans->by_key[place]].span_id != span_id) return NO_POSITION;
    for (unsigned i = 0; i < 2; i++)
        if ((found = spans_find(spans, nodes[i], span_id)) < end && found != self) return found;
    found = earliest[place].first == self ? earliest[place].second : earliest[place].first;
    return found < end ? found : NO_POSITION;
}

static void link_span(struct spans *spans, const struct earliest *earliest, const struct trace_events *events, size_t i) {
    struct span *span = &spans->items[i];
    uint64_t parent_id = span->start == NO_POSITION ? 0 : trace_event_at(events, span->start)->parent_id;
    size_t twin = span->start == NO_POSITION ? NO_POSITION : choose_span(spans, earliest, span->span_id, i, true);
    if (twin != NO_POSITION && spans->items[twin].node != span->node) {
        if (spans->shared == NO_POSITION) spans->shared = i;
        span->parent = twin;
        return;
    }
    if (!parent_id) return;
    span->parent = choose_span(spans, earliest, parent_id, i, false);
    span->parent_missing = span->parent == NO_POSITION;
}

static bool is_receive(const struct fact *fact) {
    return fact->kind == FACT_PACKET_RECEIVED || fact->kind == FACT_MESSAGE_RECEIVED ||
           (fact->kind == FACT_STREAM_DATA && !fact->sent);
}

static int compare_by_peer(const void *left, const void *right, void *events) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct fact *a = trace_event_at(events, i), *b = trace_event_at(events, j);
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_numbers(i, j);
}

/* A root was asked by its peer if the first thing between the two came from the peer, before the root began.  by_peer: all
 * positions, by node and peer. */
static bool was_asked(const struct trace_events *events, const size_t *by_peer, const struct span *root) {
    size_t low = 0, high = events->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct fact *fact = trace_event_at(events, by_peer[middle]);
        if (fact->node < root->node || (fact->node == root->node && fact->peer < root->peer))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == events->count || by_peer[low] >= root->start) return false;
    const struct fact *first = trace_event_at(events, by_peer[low]);
    return first->node == root->node && first->peer == root->peer && is_receive(first);
}

static bool has_asker(const struct span *span) {
    return span->peer != NO_NUMBER && span->peer != span->node && !span->parent_missing;
}

static int find_who_asks(struct spans *spans, const struct trace_events *events) {
    size_t *by_peer = NULL; /* few traces need it */
    for (size_t i = 0; i < spans->count; i++) {
        struct span *span = &spans->items[i];
        if (!has_asker(span)) continue;
        if (span->parent == NO_POSITION && !by_peer) {
            if (!(by_peer = calloc(events->count + 1, sizeof *by_peer))) return -ENOMEM;
            for (size_t k = 0; k < events->count; k++) by_peer[k] = k;
            qsort_r(by_peer, events->count, sizeof *by_peer, compare_by_peer, (void *)events);
        }
        span->asks =
            span->parent != NO_POSITION ? spans->items[span->parent].node == span->node : !was_asked(events, by_peer, span);
    }
    free(by_peer);
    return 0;
}

/* ---- spans whose cause is not here ---- */

bool spans_caused(const struct spans *spans, const struct span *cause, const struct span *span) {
    if (cause->order || span->order) return cause->order && cause->order < span->order && span->order <= cause->last_order;
    for (size_t i = 0; i < spans->count && span->parent != NO_POSITION; i++) { /* parents may form a circle */
        span = &spans->items[span->parent];
        if (span == cause) return true;
    }
    return false;
}

/* May a span of the node have caused the other one?  It began before, ended after it, and asked nobody else. */
static bool surrounds(const struct span *outer, unsigned node, const struct span *inner) {
    uint64_t from_ns = inner->start == NO_POSITION ? inner->end_ns : inner->start_ns;
    return outer->node == node && outer->start != NO_POSITION && outer->start_ns <= from_ns && outer->end_ns >= inner->end_ns &&
           !(outer->asks && outer->peer != inner->node);
}

/* The innermost span of a node that surrounds another one.  NO_POSITION if there is none, or if several independent ones do.
 * around: by span, the last `self` that a span found to surround it is below. */
static size_t find_around(const struct spans *spans, size_t self, unsigned node, size_t *around) {
    size_t found = NO_POSITION;
    for (size_t i = self; i-- > 0;) {
        const struct span *span = &spans->items[i];
        if (!surrounds(span, node, &spans->items[self])) continue;
        if (found != NO_POSITION && around[i] == self) continue; /* the one found is below it */
        if (spans_caused(spans, &spans->items[self], span)) continue;
        if (found != NO_POSITION) return NO_POSITION;
        found = i;
        for (size_t at = span->parent; at != NO_POSITION && around[at] != self; at = spans->items[at].parent) around[at] = self;
    }
    return found;
}

static bool has_part_at(const struct spans *spans, size_t parent, unsigned node) {
    for (size_t i = parent + 1; i < spans->count && i - parent < LOOKED_MAX; i++)
        if (spans->items[i].parent == parent && spans->items[i].node == node) return true;
    return false;
}

static void find_lost_cause(struct spans *spans, const struct trace_events *events, size_t self, size_t *around) {
    struct span *span = &spans->items[self];
    unsigned peer = span->peer;
    size_t found = NO_POSITION;
    if (peer == NO_NUMBER || peer == span->node) return;
    bool asks = has_part_at(spans, self, peer);
    if (node_clocks_comparable(&events->facts->clocks, span->node, peer, NULL))
        found = find_around(spans, self, asks ? span->node : peer, around);
    if (found == NO_POSITION) return;
    span->parent = found;
    span->parent_missing = true;
    span->asks = asks;
}

/* Only of the first spans: of later ones there are too many to look at. */
static int find_lost_causes(struct spans *spans, const struct trace_events *events) {
    size_t *around = calloc(spans->count + 1, sizeof *around);
    if (!around) return -ENOMEM;
    for (size_t i = 0; i < spans->count && i <= LOOKED_MAX; i++) {
        const struct span *span = &spans->items[i];
        if (span->parent == NO_POSITION && (span->parent_missing || span->start == NO_POSITION))
            find_lost_cause(spans, events, i, around);
    }
    free(around);
    return 0;
}

/* Siblings are in the order of their first events. */
static void list_children(struct spans *spans) {
    for (size_t i = spans->count; i-- > 0;) {
        struct span *span = &spans->items[i];
        if (span->parent == NO_POSITION) continue;
        span->next_sibling = spans->items[span->parent].first_child;
        spans->items[span->parent].first_child = i;
    }
}

static void find_given_up(struct spans *spans) {
    for (size_t i = 0; i < spans->count; i++) {
        struct span *span = &spans->items[i];
        const struct span *asker = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
        bool failed = span->end != NO_POSITION && !span->ok;
        span->given_up = failed && asker && asker->end != NO_POSITION && !asker->ok && asker->end_ns < span->end_ns;
    }
}

/* In a circle of parents on one node, and below it there, the node itself counts. */
static unsigned asker_of(const struct spans *spans, const struct span *span) {
    const struct span *parent = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
    if (!parent) return span->asks ? NO_NUMBER : span->peer;
    if (parent->node != span->node) return parent->node;
    return parent->order ? parent->asker : span->node;
}

/* Numbers a root and all spans below it.  Returns the last number. */
static size_t number_spans(struct spans *spans, size_t root, size_t order) {
    for (size_t i = root;;) {
        struct span *span = &spans->items[i];
        span->order = ++order;
        span->asker = asker_of(spans, span);
        if (span->first_child != NO_POSITION) {
            i = span->first_child;
            continue;
        }
        for (; i != root && spans->items[i].next_sibling == NO_POSITION; i = spans->items[i].parent)
            spans->items[i].last_order = order;
        spans->items[i].last_order = order;
        if (i == root) return order;
        i = spans->items[i].next_sibling;
    }
}

static void number_all(struct spans *spans) {
    size_t order = 0;
    for (size_t i = 0; i < spans->count; i++)
        if (spans->items[i].parent == NO_POSITION) order = number_spans(spans, i, order);
    for (size_t i = 0; i < spans->count; i++)
        if (!spans->items[i].order) spans->items[i].asker = asker_of(spans, &spans->items[i]);
}

static int take_spans(struct spans *spans, const struct trace_events *events, size_t *edges, uint64_t *last_ns) {
    size_t edge_count = 0;
    for (size_t i = 0; i < events->count; i++)
        if (is_edge(trace_event_at(events, i))) edges[edge_count++] = i;
    list_spans(spans, events, edges, edge_count, last_ns);
    struct earliest *earliest = calloc(spans->count + 1, sizeof *earliest);
    if (!earliest) return -ENOMEM;
    find_earliest(earliest, spans);
    for (size_t i = 0; i < spans->count; i++) link_span(spans, earliest, events, i);
    free(earliest);
    if (find_who_asks(spans, events) || find_lost_causes(spans, events)) return -ENOMEM;
    find_given_up(spans);
    list_children(spans);
    number_all(spans);
    return 0;
}

int spans_init(struct spans *spans, const struct trace_events *events) {
    size_t edge_count = 0;
    unsigned last_node = 0;
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (!is_edge(fact)) continue;
        edge_count++;
        if (fact->node > last_node) last_node = fact->node;
    }
    size_t *edges = calloc(edge_count + 1, sizeof *edges);
    uint64_t *last_ns = calloc((size_t)last_node + 1, sizeof *last_ns);
    *spans = (struct spans){.items = calloc(edge_count + 1, sizeof *spans->items),
                            .by_key = calloc(edge_count + 1, sizeof *spans->by_key),
                            .shared = NO_POSITION};
    int result = edges && last_ns && spans->items && spans->by_key ? take_spans(spans, events, edges, last_ns) : -ENOMEM;
    free(edges);
    free(last_ns);
    if (result) spans_fini(spans);
    return result;
}

void spans_fini(struct spans *spans) {
    free(spans->items);
    free(spans->by_key);
    *spans = (struct spans){0};
}

size_t spans_root(const struct spans *spans) {
    size_t longest = NO_POSITION;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        if (span->start == NO_POSITION) continue;
        if (span->parent == NO_POSITION && !span->parent_missing) return i;
        const struct span *best = longest == NO_POSITION ? NULL : &spans->items[longest];
        bool orphan = span->parent == NO_POSITION || spans->items[span->parent].start == NO_POSITION;
        if (orphan && (!best || span->end_ns - span->start_ns > best->end_ns - best->start_ns)) longest = i;
    }
    return longest;
}
