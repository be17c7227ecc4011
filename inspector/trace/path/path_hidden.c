/* SPDX-License-Identifier: MIT */
#include "path_hidden.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

struct part {
    uint64_t from_ns, to_ns;
};

const struct fact_gap *hidden_end(const struct facts *facts, const struct span *span) {
    return span->end == NO_POSITION ? facts_gap(facts, span->node, span->start_ns, UINT64_MAX) : NULL;
}

/* Is nothing known of when that span was asked, or when it answered? */
static bool is_stray(const struct facts *facts, const struct spans *spans, const struct transports *transports,
                     const struct span *span) {
    size_t sent = 0;
    if (hidden_end(facts, span)) return true;
    if (span->parent == NO_POSITION) return span->parent_missing || span->start == NO_POSITION;
    if (span->start != NO_POSITION) return false;
    const struct span *parent = &spans->items[span->parent];
    transports_of_link(transports, parent->node, span->node, false, parent->start_ns, span->end_ns, &sent);
    return !sent;
}

/* Of nodes without gaps there is nothing to ask. */
static int list_nodes(struct hidden *hidden, const struct trace_events *events, const struct transports *transports) {
    unsigned nodes = intern_count(&events->facts->nodes);
    bool *seen = calloc(nodes + 1, sizeof *seen);
    hidden->nodes = calloc(nodes + 1, sizeof *hidden->nodes);
    hidden->reports = calloc(nodes + 1, sizeof *hidden->reports);
    if (!seen || !hidden->nodes || !hidden->reports) {
        free(seen);
        return -ENOMEM;
    }
    for (size_t i = 0; i < events->count && events->facts->gap_count; i++) {
        unsigned node = trace_event_at(events, i)->node;
        if (!seen[node] && facts_gap(events->facts, node, 0, UINT64_MAX)) hidden->nodes[hidden->node_count++] = node;
        seen[node] = true;
    }
    for (size_t i = 0; i < transports->count; i++) hidden->reports[transports->by_link[i].node] = true;
    for (size_t i = 0; i < hidden->spans->count; i++)
        if (hidden->spans->items[i].asks) hidden->reports[hidden->spans->items[i].node] = true;
    free(seen);
    return 0;
}

static int compare_by_parent(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    int order = compare_numbers(((struct span *)items)[i].parent, ((struct span *)items)[j].parent);
    return order ? order : compare_numbers(i, j);
}

static int compare_by_asker(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct span *a = (struct span *)items + i, *b = (struct span *)items + j;
    int order = compare_numbers(a->peer, b->peer);
    if (!order) order = compare_numbers(a->end_ns, b->end_ns);
    return order ? order : compare_numbers(j, i);
}

static void add_stray(struct hidden *hidden, size_t index) {
    const struct span *span = &hidden->spans->items[index];
    if (span->parent != NO_POSITION) {
        hidden->with_parent[hidden->with_parent_count++] = index;
    } else {
        struct strays *strays = span->end == NO_POSITION     ? &hidden->unended
                                : span->start == NO_POSITION ? &hidden->begun_before
                                                             : &hidden->ended;
        uint64_t before_ns = strays->count ? strays->latest_ns[strays->count - 1] : 0;
        strays->latest_ns[strays->count] = greatest(before_ns, span->end_ns);
        strays->items[strays->count++] = index;
    }
    if (span->start != NO_POSITION && span->end != NO_POSITION && span->node != span->peer)
        hidden->by_asker[hidden->by_asker_count++] = index;
}

static int strays_init(struct strays *strays, size_t room) {
    *strays = (struct strays){.items = calloc(room, sizeof *strays->items), .latest_ns = calloc(room, sizeof *strays->latest_ns)};
    return strays->items && strays->latest_ns ? 0 : -ENOMEM;
}

static void strays_fini(struct strays *strays) {
    free(strays->items);
    free(strays->latest_ns);
}

int hidden_init(struct hidden *hidden, const struct trace_events *events, const struct spans *spans,
                const struct transports *transports, size_t root) {
    size_t room = spans->count + 1;
    *hidden = (struct hidden){.facts = events->facts,
                              .events = events,
                              .transports = transports,
                              .spans = spans,
                              .with_parent = calloc(room, sizeof *hidden->with_parent),
                              .by_asker = calloc(room, sizeof *hidden->by_asker)};
    if (strays_init(&hidden->ended, room) || strays_init(&hidden->unended, room) || strays_init(&hidden->begun_before, room) ||
        !hidden->with_parent || !hidden->by_asker)
        return -ENOMEM;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        bool comparable = node_clocks_comparable(&events->facts->clocks, spans->items[root].node, span->node, NULL);
        if (i != root && comparable && is_stray(events->facts, spans, transports, span)) add_stray(hidden, i);
    }
    qsort_r(hidden->with_parent, hidden->with_parent_count, sizeof *hidden->with_parent, compare_by_parent, spans->items);
    qsort_r(hidden->by_asker, hidden->by_asker_count, sizeof *hidden->by_asker, compare_by_asker, spans->items);
    return list_nodes(hidden, events, transports);
}

void hidden_fini(struct hidden *hidden) {
    strays_fini(&hidden->ended);
    strays_fini(&hidden->unended);
    strays_fini(&hidden->begun_before);
    free(hidden->with_parent);
    free(hidden->by_asker);
    free(hidden->nodes);
    free(hidden->reports);
    *hidden = (struct hidden){0};
}

/* The time in which a span may have waited for a stray one.  False if there is none.  A span that failed may have waited for
 * one that ended later. */
static bool may_have_waited(const struct hidden *hidden, const struct span *span, const struct span *stray,
                            struct part *ret_part) {
    bool failed = span->end == NO_POSITION || !span->ok, late = stray->end != NO_POSITION && stray->end_ns > span->end_ns;
    if (late && !failed) return false;
    if (stray->start != NO_POSITION && stray->start_ns < span->start_ns) return false;
    if (span == stray || spans_caused(hidden->spans, stray, span)) return false;
    if (stray->parent != NO_POSITION && &hidden->spans->items[stray->parent] != span) return false;
    ret_part->from_ns = stray->start == NO_POSITION ? span->start_ns : stray->start_ns;
    ret_part->to_ns = stray->end == NO_POSITION ? span->end_ns : least(stray->end_ns, span->end_ns);
    return true;
}

/* Replaces a part by another one that begins earlier, of which only what is within the whole counts. */
static void take_first(struct part *first, struct part part, struct part whole) {
    part.from_ns = greatest(part.from_ns, whole.from_ns);
    part.to_ns = least(part.to_ns, whole.to_ns);
    if (part.from_ns < part.to_ns && part.from_ns < first->from_ns) *first = part;
}

/* Where the stray spans with that parent begin. */
static size_t first_with_parent(const struct hidden *hidden, size_t parent) {
    size_t low = 0, high = hidden->with_parent_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (hidden->spans->items[hidden->with_parent[middle]].parent < parent)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first stray span that has its first event at or after a time. */
static size_t strays_from(const struct hidden *hidden, const struct strays *strays, uint64_t time_ns) {
    size_t low = 0, high = strays->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (hidden->spans->items[strays->items[middle]].start_ns < time_ns) /* without a start, it is the end */
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t add_wait(const struct hidden *hidden, size_t index, size_t stray, struct hidden_wait *waits, size_t count) {
    struct part part;
    if (!may_have_waited(hidden, &hidden->spans->items[index], &hidden->spans->items[stray], &part)) return count;
    if (part.from_ns >= part.to_ns) return count;
    waits[count] = (struct hidden_wait){stray, part.from_ns, part.to_ns};
    return count + 1;
}

size_t hidden_list(const struct hidden *hidden, size_t index, struct hidden_wait *ret_waits) {
    const struct span *items = hidden->spans->items, *span = &items[index];
    const struct strays *const loose[] = {&hidden->ended, &hidden->unended, &hidden->begun_before};
    bool failed = span->end == NO_POSITION || !span->ok; /* then it may have waited for one that ended later */
    size_t count = 0;
    for (size_t i = first_with_parent(hidden, index); i < hidden->with_parent_count; i++) {
        if (items[hidden->with_parent[i]].parent != index) break;
        count = add_wait(hidden, index, hidden->with_parent[i], ret_waits, count);
    }
    for (unsigned k = 0; k < 3; k++)
        for (size_t i = strays_from(hidden, loose[k], span->start_ns); i < loose[k]->count; i++) {
            if (!failed && items[loose[k]->items[i]].start_ns > span->end_ns) break;
            count = add_wait(hidden, index, loose[k]->items[i], ret_waits, count);
        }
    return count;
}

/* Does a gap of that node's events hide whom the other one asked for a span?  Nobody asks the node that asked it. */
static bool is_gap_of(const struct hidden *hidden, unsigned gap_node, unsigned node, const struct span *span) {
    bool asker = node == span->node && !span->asks && gap_node == span->peer;
    return gap_node == node || (!hidden->reports[node] && !asker);
}

bool hidden_later(const struct hidden *hidden, size_t index, uint64_t answered_ns, uint64_t *ret_from_ns) {
    const struct span *span = &hidden->spans->items[index];
    uint64_t from_ns = answered_ns;
    for (unsigned i = 0; i < hidden->node_count; i++) {
        const struct fact_gap *gap = facts_gap(hidden->facts, hidden->nodes[i], answered_ns, answered_ns + 1);
        if (gap && is_gap_of(hidden, hidden->nodes[i], span->node, span)) from_ns = least(from_ns, gap->from_ns);
    }
    *ret_from_ns = from_ns;
    return from_ns < answered_ns;
}

/* The first part that a stray span may hide.  Of several at once, that of the earliest span counts. */
struct first_stray {
    struct part part;
    size_t stray;
};

/* Would a node that gave up before a stray span ended have reported what it sent to the node that asked for it? */
static bool shows_late(const struct hidden *hidden, const struct span *span, const struct span *stray, unsigned node) {
    bool late = stray->start != NO_POSITION && stray->end != NO_POSITION && stray->end_ns > span->end_ns;
    return late && hidden->reports[node] && stray->parent == NO_POSITION && stray->peer != NO_NUMBER && stray->peer != node;
}

/* Returns whether the span may have waited for that stray one within that time. */
static bool try_stray(const struct hidden *hidden, const struct span *span, size_t stray, unsigned node, struct part whole,
                      struct first_stray *first) {
    const struct span *other = &hidden->spans->items[stray];
    struct part part, found = {whole.to_ns, whole.to_ns};
    if (other->node == node || shows_late(hidden, span, other, node)) return false;
    if (!may_have_waited(hidden, span, other, &part)) return false;
    take_first(&found, part, whole);
    if (found.from_ns >= found.to_ns) return false;
    bool before = found.from_ns != first->part.from_ns ? found.from_ns < first->part.from_ns : stray < first->stray;
    if (before) *first = (struct first_stray){found, stray};
    return true;
}

/* Those that have neither a parent here nor a known wait. */
static void try_loose(const struct hidden *hidden, const struct span *span, unsigned node, struct part whole,
                      struct first_stray *first) {
    const struct strays *ended = &hidden->ended, *unended = &hidden->unended, *begun_before = &hidden->begun_before;
    for (size_t i = strays_from(hidden, ended, whole.to_ns); i-- > 0 && ended->latest_ns[i] > whole.from_ns;) {
        if (hidden->spans->items[ended->items[i]].start_ns < span->start_ns) break;
        (void)try_stray(hidden, span, ended->items[i], node, whole, first);
    }
    /* Of the others, the earliest counts. */
    size_t unended_end = strays_from(hidden, unended, whole.to_ns);
    for (size_t i = strays_from(hidden, unended, span->start_ns); i < unended_end; i++)
        if (try_stray(hidden, span, unended->items[i], node, whole, first)) break;
    for (size_t i = strays_from(hidden, begun_before, whole.from_ns + 1); i < begun_before->count; i++)
        if (try_stray(hidden, span, begun_before->items[i], node, whole, first)) break;
}

bool hidden_next(const struct hidden *hidden, size_t index, unsigned node, uint64_t from_ns, uint64_t to_ns,
                 uint64_t *ret_from_ns, uint64_t *ret_to_ns) {
    const struct span *items = hidden->spans->items;
    struct part first = {to_ns, to_ns}, whole = {from_ns, to_ns};
    struct first_stray stray = {{to_ns, to_ns}, NO_POSITION};
    for (unsigned i = 0; i < hidden->node_count; i++) {
        const struct fact_gap *gap = facts_gap(hidden->facts, hidden->nodes[i], from_ns, to_ns);
        if (gap && is_gap_of(hidden, hidden->nodes[i], node, &items[index]))
            take_first(&first, (struct part){gap->from_ns, gap->to_ns}, whole);
    }
    const struct fact_gap *end = hidden_end(hidden->facts, &items[index]);
    if (end) take_first(&first, (struct part){end->from_ns, to_ns}, whole);
    for (size_t i = first_with_parent(hidden, index); i < hidden->with_parent_count; i++) {
        if (items[hidden->with_parent[i]].parent != index) break;
        (void)try_stray(hidden, &items[index], hidden->with_parent[i], node, whole, &stray);
    }
    try_loose(hidden, &items[index], node, whole, &stray);
    take_first(&first, stray.part, whole);
    *ret_from_ns = first.from_ns;
    *ret_to_ns = first.to_ns;
    return first.from_ns < first.to_ns;
}

/* The first in by_asker that this node asked for and that ended after that time. */
static size_t asked_until(const struct hidden *hidden, unsigned asker, uint64_t time_ns) {
    size_t low = 0, high = hidden->by_asker_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct span *span = &hidden->spans->items[hidden->by_asker[middle]];
        if (span->peer < asker || (span->peer == asker && span->end_ns <= time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t hidden_last_of(const struct hidden *hidden, unsigned asker, uint64_t from_ns, uint64_t to_ns) {
    const struct span *items = hidden->spans->items;
    size_t low = asked_until(hidden, asker, to_ns);
    while (low-- > 0) {
        const struct span *span = &items[hidden->by_asker[low]];
        if (span->peer != asker || span->end_ns < from_ns) break;
        if (span->start_ns >= from_ns) return hidden->by_asker[low];
    }
    return NO_POSITION;
}

/* Had the node of a span sent an answer to its asker by that time, though it had not reported its end? */
static bool had_answered(const struct hidden *hidden, const struct span *span, uint64_t time_ns) {
    const struct transport_wanted wanted = {.what = TRANSPORT_NEW, .beside_bytes = UINT64_MAX};
    struct transport_range range;
    range.items = transports_of_link(hidden->transports, span->node, span->peer, false, span->start_ns, time_ns, &range.count);
    return transports_find(hidden->transports, range, &wanted, false);
}

/* Is one span about the same command as another? */
static bool same_command(const struct hidden *hidden, const struct span *a, const struct span *b) {
    if (a->start == NO_POSITION || b->start == NO_POSITION) return true; /* not known */
    return trace_event_at(hidden->events, a->start)->command == trace_event_at(hidden->events, b->start)->command;
}

size_t hidden_open_of(const struct hidden *hidden, const struct span *span, unsigned asker, uint64_t from_ns, uint64_t to_ns) {
    for (size_t i = asked_until(hidden, asker, to_ns); i < hidden->by_asker_count; i++) {
        const struct span *open = &hidden->spans->items[hidden->by_asker[i]];
        if (open->peer != asker) break;
        bool within = open->start_ns >= from_ns && open->start_ns < to_ns;
        if (within && same_command(hidden, open, span) && !had_answered(hidden, open, to_ns)) return hidden->by_asker[i];
    }
    return NO_POSITION;
}
