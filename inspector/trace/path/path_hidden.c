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

static int list_nodes(struct hidden *hidden, const struct trace_events *events, const struct transports *transports) {
    unsigned nodes = intern_count(&events->facts->nodes);
    bool *seen = calloc(nodes + 1, sizeof *seen);
    hidden->nodes = calloc(nodes + 1, sizeof *hidden->nodes);
    hidden->reports = calloc(nodes + 1, sizeof *hidden->reports);
    if (!seen || !hidden->nodes || !hidden->reports) {
        free(seen);
        return -ENOMEM;
    }
    for (size_t i = 0; i < events->count; i++) {
        unsigned node = trace_event_at(events, i)->node;
        if (!seen[node]) hidden->nodes[hidden->node_count++] = node;
        seen[node] = true;
    }
    for (size_t i = 0; i < transports->count; i++) hidden->reports[transports->by_link[i].node] = true;
    for (size_t i = 0; i < hidden->spans->count; i++)
        if (hidden->spans->items[i].asks) hidden->reports[hidden->spans->items[i].node] = true;
    free(seen);
    return 0;
}

int hidden_init(struct hidden *hidden, const struct trace_events *events, const struct spans *spans,
                const struct transports *transports, size_t root) {
    *hidden = (struct hidden){.facts = events->facts, .spans = spans, .strays = calloc(spans->count + 1, sizeof *hidden->strays)};
    if (!hidden->strays) return -ENOMEM;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        bool comparable = node_clocks_comparable(&events->facts->clocks, spans->items[root].node, span->node, NULL);
        if (i != root && comparable && is_stray(events->facts, spans, transports, span))
            hidden->strays[hidden->stray_count++] = i;
    }
    return list_nodes(hidden, events, transports);
}

void hidden_fini(struct hidden *hidden) {
    free(hidden->strays);
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

bool hidden_may_wait(const struct hidden *hidden, size_t span, size_t stray, uint64_t *ret_from_ns, uint64_t *ret_to_ns) {
    struct part part;
    if (!may_have_waited(hidden, &hidden->spans->items[span], &hidden->spans->items[stray], &part)) return false;
    *ret_from_ns = part.from_ns;
    *ret_to_ns = part.to_ns;
    return part.from_ns < part.to_ns;
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

bool hidden_next(const struct hidden *hidden, size_t index, unsigned node, uint64_t from_ns, uint64_t to_ns,
                 uint64_t *ret_from_ns, uint64_t *ret_to_ns) {
    const struct span *items = hidden->spans->items;
    struct part first = {to_ns, to_ns}, whole = {from_ns, to_ns}, part;
    for (unsigned i = 0; i < hidden->node_count; i++) {
        const struct fact_gap *gap = facts_gap(hidden->facts, hidden->nodes[i], from_ns, to_ns);
        if (gap && is_gap_of(hidden, hidden->nodes[i], node, &items[index]))
            take_first(&first, (struct part){gap->from_ns, gap->to_ns}, whole);
    }
    const struct fact_gap *end = hidden_end(hidden->facts, &items[index]);
    if (end) take_first(&first, (struct part){end->from_ns, to_ns}, whole);
    for (size_t i = 0; i < hidden->stray_count; i++) {
        const struct span *stray = &items[hidden->strays[i]];
        if (stray->node != node && may_have_waited(hidden, &items[index], stray, &part)) take_first(&first, part, whole);
    }
    *ret_from_ns = first.from_ns;
    *ret_to_ns = first.to_ns;
    return first.from_ns < first.to_ns;
}

size_t hidden_last_of(const struct hidden *hidden, unsigned asker, uint64_t from_ns, uint64_t to_ns) {
    size_t last = NO_POSITION;
    for (size_t i = 0; i < hidden->stray_count; i++) {
        const struct span *stray = &hidden->spans->items[hidden->strays[i]];
        bool within =
            stray->start != NO_POSITION && stray->end != NO_POSITION && stray->start_ns >= from_ns && stray->end_ns <= to_ns;
        if (stray->peer != asker || stray->node == asker || !within) continue;
        if (last == NO_POSITION || stray->end_ns > hidden->spans->items[last].end_ns) last = hidden->strays[i];
    }
    return last;
}
