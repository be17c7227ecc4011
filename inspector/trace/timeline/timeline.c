/* SPDX-License-Identifier: MIT */
#include "timeline.h"

#include "event_list.h"
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "numbers.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A gap is big if it is at least this part of the whole, and at least this long. */
#define BIG_GAP_PART 10
#define BIG_GAP_NS_MIN 50000

/* ---- the order of events ---- */

struct placed {
    uint64_t time_ns;
    size_t place;
};

static int compare_placed(const void *left, const void *right) {
    const struct placed *a = left, *b = right;
    int order = compare_numbers(a->time_ns, b->time_ns);
    return order ? order : compare_numbers(a->place, b->place);
}

static bool may_be_stepped(const json_t *events) {
    size_t i;
    const json_t *event;
    uint64_t first = json_get_count(json_array_get(events, 0), "clock_steps");
    json_array_foreach(events, i, event) if (json_get_count(event, "clock_steps") != first) return true;
    return false;
}

/* The events in the order in which they happened: where the clock was stepped, that is not the order of Unix time.  NULL when
 * out of memory. */
static json_t *events_in_order(const json_t *events) {
    size_t count = json_array_size(events);
    if (!may_be_stepped(events)) return json_incref((json_t *)events);
    struct facts facts = {0};
    struct placed *placed = calloc(count + 1, sizeof *placed);
    json_t *ordered = json_array();
    bool failed = !placed || !ordered || facts_reserve(&facts, count + 1);
    for (size_t i = 0; i < count && !failed; i++)
        failed = fact_read(&facts, &facts.items[facts.count++], json_array_get(events, i));
    failed = failed || facts_index(&facts);
    for (size_t i = 0; i < count && !failed; i++) placed[i] = (struct placed){facts.items[i].time_ns, i};
    if (!failed) qsort(placed, count, sizeof *placed, compare_placed);
    for (size_t i = 0; i < count && !failed; i++) failed = json_array_append(ordered, json_array_get(events, placed[i].place));
    facts_fini(&facts);
    free(placed);
    if (!failed) return ordered;
    json_decref(ordered);
    return NULL;
}

/* ---- nodes, items and spans ---- */

/* A node's number; a new node gets the next.  Events without an id count as one node. */
static int add_node(struct timeline *timeline, const char *node_id, unsigned *ret_node) {
    if (intern_number(&timeline->facts.nodes, node_id ? node_id : "", ret_node)) return -ENOMEM;
    if (*ret_node < timeline->node_count) return 0;
    timeline->nodes[timeline->node_count++] =
        (struct timeline_node){.node_id = node_id, .open_head = NO_SPAN, .first_span = NO_SPAN, .last_span = NO_SPAN};
    return 0;
}

static int take_items(struct timeline *timeline, const json_t *events) {
    size_t i;
    const json_t *event;
    uint64_t time_ns = 0;
    json_array_foreach(events, i, event) {
        struct timeline_item *item = &timeline->items[i];
        json_get_time(event, &time_ns);
        *item = (struct timeline_item){.event = event, .time_ns = time_ns, .span = NO_SPAN, .kind = json_get_kind(event)};
        if (add_node(timeline, json_get_hex(event, "node_id", NODE_DIGITS), &item->node)) return -ENOMEM;
        if (item->kind == TRACE_KIND_EVENTS_LOST) {
            uint64_t missing = json_get_count(json_object_get(event, "data"), "count");
            timeline->nodes[item->node].events_missing += missing;
            timeline->events_missing += missing;
        }
    }
    timeline->item_count = json_array_size(events);
    return 0;
}

static void take_times(struct timeline *timeline) {
    const struct facts *facts = &timeline->facts;
    for (size_t i = 0; i < timeline->item_count; i++) {
        struct timeline_item *item = &timeline->items[i];
        item->time_ns = facts->items[i].time_ns;
        item->gap_exact = i == 0 || (facts_steady(facts, item[-1].time_ns, item->time_ns) &&
                                     node_clocks_comparable(&facts->clocks, item[-1].node, item->node, NULL));
        if (i) item->gap_ns = item->time_ns > item[-1].time_ns ? item->time_ns - item[-1].time_ns : 0;
    }
    if (!timeline->item_count) return;
    timeline->start_ns = timeline->items[0].time_ns;
    timeline->end_ns = timeline->items[timeline->item_count - 1].time_ns;
}

/* Runs after all nodes have their numbers, so that peers without events come after them. */
static int take_facts(struct timeline *timeline, const json_t *beside) {
    struct facts *facts = &timeline->facts;
    if (facts_reserve(facts, timeline->item_count + 1)) return -ENOMEM;
    for (size_t i = 0; i < timeline->item_count; i++) {
        struct fact *fact = &facts->items[facts->count++];
        if (fact_read(facts, fact, timeline->items[i].event)) return -ENOMEM;
        fact->node = timeline->items[i].node;
        fact->time_ns = timeline->items[i].time_ns;
    }
    timeline->events = (struct trace_events){.facts = facts, .count = facts->count};
    if (facts_index(facts) || (beside && facts_add_beside(facts, beside))) return -ENOMEM;
    take_times(timeline);
    return 0;
}

/* ---- the tree of spans ---- */

static const json_t *event_at(const struct timeline *timeline, size_t position) {
    return position == NO_POSITION ? NULL : timeline->items[position].event;
}

static void take_spans(struct timeline *timeline) {
    const struct spans *tree = &timeline->path.spans;
    timeline->span_count = tree->count;
    for (size_t i = 0; i < tree->count; i++) {
        const struct span *span = &tree->items[i];
        timeline->spans[i] = (struct timeline_span){.start = event_at(timeline, span->start),
                                                    .end = event_at(timeline, span->end),
                                                    .start_ns = span->start_ns,
                                                    .end_ns = span->end_ns,
                                                    .parent = span->parent == NO_POSITION ? NO_SPAN : (int)span->parent,
                                                    .parent_missing = span->parent_missing,
                                                    .node = span->node,
                                                    .ok = span->ok,
                                                    .expired = span->expired,
                                                    .asks = span->asks,
                                                    .given_up = span->given_up};
    }
}

/* A span whose parent is not here is at least one hop deep.  The depth of parents in a circle stops at SPAN_DEPTH_MAX. */
static void find_depths(struct timeline *timeline) {
    for (size_t i = 0; i < timeline->span_count; i++) {
        int at = (int)i;
        unsigned depth = 0;
        while (depth < SPAN_DEPTH_MAX && timeline->spans[at].parent != NO_SPAN) at = timeline->spans[at].parent, depth++;
        if (timeline->spans[at].parent == NO_SPAN && timeline->spans[at].parent_missing && depth < SPAN_DEPTH_MAX) depth++;
        timeline->spans[i].depth = depth;
    }
}

/* ---- the walk through time ---- */

static void open_span(struct timeline *timeline, int index) {
    struct timeline_span *span = &timeline->spans[index];
    int *head = &timeline->nodes[span->node].open_head;
    span->open = true;
    span->node_next = *head, span->node_previous = NO_SPAN;
    if (*head != NO_SPAN) timeline->spans[*head].node_previous = index;
    *head = index;
}

static void close_span(struct timeline *timeline, int index) {
    struct timeline_span *spans = timeline->spans, *span = &spans[index];
    if (!span->open) return;
    span->open = false;
    if (span->node_next != NO_SPAN) spans[span->node_next].node_previous = span->node_previous;
    if (span->node_previous != NO_SPAN)
        spans[span->node_previous].node_next = span->node_next;
    else
        timeline->nodes[span->node].open_head = span->node_next;
}

/* The position of the last arrival: a one-way message arrives while no span is open. */
static size_t last_arrival(const struct spans *tree) {
    size_t last = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct span *span = &tree->items[i];
        size_t arrival = span->start == NO_POSITION ? span->end : span->start;
        bool caused = span->parent != NO_POSITION || span->parent_missing || span->start == NO_POSITION;
        if (caused && arrival > last) last = arrival;
    }
    return last;
}

/* The span that starts or ends with this event, or NO_SPAN. */
static int own_span(const struct timeline *timeline, size_t item) {
    const struct fact *fact = &timeline->facts.items[item];
    if (fact->kind != FACT_APP_START && fact->kind != FACT_APP_END) return NO_SPAN;
    size_t span = spans_find(&timeline->path.spans, fact->node, fact->span_id);
    return span == NO_POSITION ? NO_SPAN : (int)span;
}

static void walk_items(struct timeline *timeline) {
    size_t open = 0, arrival = last_arrival(&timeline->path.spans);
    bool begun = false;
    for (size_t i = 0; i < timeline->span_count; i++) {
        struct timeline_node *node = &timeline->nodes[timeline->spans[i].node];
        if (node->first_span == NO_SPAN) node->first_span = (int)i;
        begun |= !timeline->spans[i].start; /* it began before our first event */
    }
    for (size_t i = 0; i < timeline->item_count; i++) {
        struct timeline_item *item = &timeline->items[i];
        struct timeline_node *node = &timeline->nodes[item->node];
        int own = own_span(timeline, i);
        item->gap_counts = open || (begun && i <= arrival) || !timeline->span_count;
        if (!item->gap_counts && item->gap_exact) timeline->outside_ns += item->gap_ns;
        if (own != NO_SPAN && timeline->spans[own].start == item->event) {
            open_span(timeline, own);
            node->last_span = own;
            begun = true;
            open++;
        }
        item->span = own != NO_SPAN               ? own
                     : node->open_head != NO_SPAN ? node->open_head
                     : node->last_span != NO_SPAN ? node->last_span
                                                  : node->first_span;
        if (item->span != NO_SPAN) item->depth = timeline->spans[item->span].depth;
        if (own != NO_SPAN && timeline->spans[own].end == item->event) {
            open -= timeline->spans[own].open;
            close_span(timeline, own);
            node->last_span = own;
        }
    }
}

static void mark_big_gaps(struct timeline *timeline) {
    uint64_t whole = timeline->end_ns - timeline->start_ns;
    if (timeline->span_count) whole -= timeline->outside_ns < whole ? timeline->outside_ns : whole;
    for (size_t i = 1; i < timeline->item_count; i++) {
        const struct timeline_item *item = &timeline->items[i];
        if (!item->gap_counts || !item->gap_exact || item->gap_ns <= timeline->longest_gap_ns) continue;
        timeline->longest_gap_ns = item->gap_ns;
        timeline->longest_gap = i;
    }
    for (size_t i = 1; i < timeline->item_count; i++) {
        struct timeline_item *item = &timeline->items[i];
        bool part = item->gap_ns >= whole / BIG_GAP_PART || i == timeline->longest_gap;
        item->gap_is_big =
            item->gap_counts && item->gap_exact && timeline->item_count > 2 && item->gap_ns >= BIG_GAP_NS_MIN && part;
    }
}

static int take_states(struct timeline *timeline, const json_t *answer, const json_t *nodes) {
    bool chosen = json_get_bool(answer, "more") || json_get_bool(answer, "chosen");
    if (node_states_read(&timeline->states, &timeline->facts, nodes)) return -ENOMEM;
    node_states_settle(&timeline->states, &timeline->facts, chosen ? FACTS_CHOSEN : FACTS_OF_TRACE);
    timeline->events.states = &timeline->states;
    return 0;
}

static int find_ended(struct timeline *timeline) {
    return path_ended_find(&timeline->ended, &timeline->ended_count, &timeline->states, &timeline->facts, &timeline->path);
}

int timeline_init(struct timeline *timeline, const json_t *unordered, const json_t *answer, const json_t *nodes) {
    size_t room = json_array_size(unordered) + 1;
    json_t *events = events_in_order(unordered);
    *timeline = (struct timeline){0};
    if (!events) return -ENOMEM;
    timeline->items = calloc(room, sizeof *timeline->items);
    timeline->spans = calloc(room, sizeof *timeline->spans);
    timeline->nodes = calloc(room, sizeof *timeline->nodes);
    bool failed = !timeline->items || !timeline->spans || !timeline->nodes || take_items(timeline, events) ||
                  take_facts(timeline, json_object_get(answer, "beside")) || take_states(timeline, answer, nodes) ||
                  critical_path_init(&timeline->path, &timeline->events) || find_ended(timeline);
    json_decref(events); /* the caller's array keeps them */
    if (failed) {
        timeline_fini(timeline);
        return -ENOMEM;
    }
    take_spans(timeline);
    find_depths(timeline);
    walk_items(timeline);
    mark_big_gaps(timeline);
    return 0;
}

void timeline_fini(struct timeline *timeline) {
    facts_fini(&timeline->facts);
    critical_path_fini(&timeline->path);
    node_states_fini(&timeline->states);
    free(timeline->ended);
    free(timeline->items);
    free(timeline->spans);
    free(timeline->nodes);
    *timeline = (struct timeline){0};
}

static void mark(struct strbuf *out, bool steady, bool comparable) {
    if (!comparable)
        strbuf_puts(out, "?");
    else if (!steady)
        strbuf_puts(out, "~");
}

static bool all_comparable(const struct timeline *timeline) {
    bool comparable = true;
    for (unsigned i = 1; i < timeline->node_count && comparable; i++)
        comparable = node_clocks_comparable(&timeline->facts.clocks, 0, i, NULL);
    return comparable;
}

static void mark_whole(struct strbuf *out, const struct timeline *timeline) {
    mark(out, facts_steady(&timeline->facts, timeline->start_ns, timeline->end_ns), all_comparable(timeline));
}

void timeline_gap(struct strbuf *out, const struct timeline *timeline, const struct timeline_item *item) {
    const struct facts *facts = &timeline->facts;
    bool first = item == timeline->items;
    mark(out, first || facts_steady(facts, item[-1].time_ns, item->time_ns),
         first || node_clocks_comparable(&facts->clocks, item[-1].node, item->node, NULL));
    text_duration(out, item->gap_ns);
}

void timeline_duration(struct strbuf *out, const struct timeline *timeline, uint64_t from_ns, uint64_t to_ns) {
    mark(out, facts_steady(&timeline->facts, from_ns, to_ns), true);
    text_duration(out, to_ns > from_ns ? to_ns - from_ns : 0);
}

void timeline_since(struct strbuf *out, const struct timeline *timeline, unsigned node, uint64_t time_ns) {
    const struct facts *facts = &timeline->facts;
    mark(out, facts_steady(facts, timeline->start_ns, time_ns),
         node_clocks_comparable(&facts->clocks, timeline->items->node, node, NULL));
    text_since(out, time_ns - timeline->start_ns, timeline->end_ns - timeline->start_ns);
}

bool timeline_is_exact(const struct timeline *timeline) {
    return facts_steady(&timeline->facts, timeline->start_ns, timeline->end_ns) && all_comparable(timeline);
}

unsigned timeline_since_columns(const struct timeline *timeline) {
    struct strbuf text = {0};
    mark_whole(&text, timeline);
    text_since(&text, timeline->end_ns - timeline->start_ns, timeline->end_ns - timeline->start_ns);
    unsigned columns = text_columns(strbuf_text(&text), text.bytes);
    strbuf_fini(&text);
    return columns;
}

void timeline_whole(struct strbuf *out, const struct timeline *timeline) {
    mark_whole(out, timeline);
    text_duration(out, timeline->end_ns - timeline->start_ns);
}

const char *timeline_arrow(const struct timeline *timeline, const struct timeline_item *item) {
    const struct timeline_span *span = item->span == NO_SPAN ? NULL : &timeline->spans[item->span];
    const char *arrow = event_arrow(item->event);
    if (!*arrow || !span || !span->asks) return arrow;
    return item->event == span->start ? "->" : item->event == span->end ? "<-" : arrow;
}

int timeline_question(const json_t *answer, const json_t *nodes, json_t **ret_params, json_t **ret_looked) {
    struct timeline timeline;
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    *ret_params = *ret_looked = NULL;
    int result = !events || timeline_init(&timeline, events, answer, nodes) ? -ENOMEM : 0;
    if (!result) {
        const struct doubts *doubts = &timeline.path.doubts;
        result = json_object_get(answer, "beside") ? doubts_stop_question(doubts, &timeline.facts, ret_params, ret_looked)
                                                   : doubts_question(doubts, &timeline.facts, ret_params);
        timeline_fini(&timeline);
    }
    json_decref(events);
    return result;
}
