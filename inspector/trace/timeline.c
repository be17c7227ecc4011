/* SPDX-License-Identifier: MIT */
#include "timeline.h"

#include "json_get.h"
#include "limits.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A gap is big from this part of the whole on, and from this time on. */
#define BIG_GAP_PART 10
#define BIG_GAP_NS_MIN 50000

static const char *span_id_of(const json_t *event) {
    return json_get_hex(json_object_get(event, "data"), "span_id", SPAN_DIGITS);
}

/* ---- who and what there is ---- */

/* The index of an id that was noted in `index`, or NO_SPAN. */
static int lookup(const json_t *index, const char *id) {
    const json_t *value = id ? json_object_get(index, id) : NULL;
    return value ? (int)json_integer_value(value) : NO_SPAN;
}

static int note(json_t *index, const char *id, size_t value) {
    return json_object_set_new(index, id, json_integer((json_int_t)value)) ? -ENOMEM : 0;
}

static int add_node(struct timeline *timeline, json_t *index, const char *node_id, unsigned *ret_node) {
    int known = lookup(index, node_id ? node_id : "");
    if (known != NO_SPAN) {
        *ret_node = (unsigned)known;
        return 0;
    }
    struct timeline_node *node = &timeline->nodes[timeline->node_count];
    *node = (struct timeline_node){.node_id = node_id, .open_head = NO_SPAN, .first_span = NO_SPAN, .last_span = NO_SPAN};
    *ret_node = (unsigned)timeline->node_count;
    return note(index, node_id ? node_id : "", timeline->node_count++);
}

/* Notes the span that a start or end belongs to.  A second start or end of one span changes nothing. */
static int add_span(struct timeline *timeline, json_t *index, const struct timeline_item *item) {
    bool starts = item->kind == TRACE_KIND_APP_START, ends = item->kind == TRACE_KIND_APP_END;
    const char *id = span_id_of(item->event);
    if ((!starts && !ends) || !id) return 0;
    int known = lookup(index, id);
    if (known == NO_SPAN) {
        known = (int)timeline->span_count++;
        timeline->spans[known] = (struct timeline_span){
            .start_ns = timeline->start_ns, .end_ns = timeline->end_ns, .parent = NO_SPAN, .node = item->node};
        if (note(index, id, (size_t)known)) return -ENOMEM;
    }
    struct timeline_span *span = &timeline->spans[known];
    if (starts && !span->start && !span->end) {
        span->start = item->event;
        span->start_ns = item->time_ns;
    } else if (ends && !span->end) {
        span->end = item->event;
        span->end_ns = item->time_ns;
        span->ok = json_get_bool(json_object_get(item->event, "data"), "ok");
    }
    return 0;
}

static int take_items(struct timeline *timeline, const json_t *events, json_t *node_index) {
    size_t i;
    const json_t *event;
    uint64_t time_ns = 0;
    json_array_foreach(events, i, event) {
        struct timeline_item *item = &timeline->items[i];
        json_get_time(event, &time_ns);
        *item = (struct timeline_item){.event = event, .time_ns = time_ns, .span = NO_SPAN, .kind = json_get_kind(event)};
        if (add_node(timeline, node_index, json_get_hex(event, "node_id", NODE_DIGITS), &item->node)) return -ENOMEM;
        if (i) item->gap_ns = time_ns > item[-1].time_ns ? time_ns - item[-1].time_ns : 0;
        if (item->kind == TRACE_KIND_PACKET_LOST) timeline->packets_lost++;
        if (item->kind == TRACE_KIND_EVENTS_LOST) {
            uint64_t missing = json_get_count(json_object_get(event, "data"), "count");
            timeline->nodes[item->node].events_missing += missing;
            timeline->events_missing += missing;
        }
    }
    timeline->item_count = json_array_size(events);
    if (timeline->item_count) {
        timeline->start_ns = timeline->items[0].time_ns;
        timeline->end_ns = timeline->items[timeline->item_count - 1].time_ns;
    }
    return 0;
}

/* ---- the tree of spans ---- */

static void link_parents(struct timeline *timeline, const json_t *index) {
    for (size_t i = 0; i < timeline->span_count; i++) {
        struct timeline_span *span = &timeline->spans[i];
        const char *parent = json_get_hex(json_object_get(span->start, "data"), "parent_id", SPAN_DIGITS);
        if (!parent || strspn(parent, "0") == SPAN_DIGITS) continue;
        span->parent = lookup(index, parent);
        if (span->parent == (int)i) span->parent = NO_SPAN;
        span->parent_missing = span->parent == NO_SPAN;
    }
}

/* A span whose parent is not here is at least one hop deep.  Parents in a circle end at SPAN_DEPTH_MAX. */
static void find_depths(struct timeline *timeline) {
    for (size_t i = 0; i < timeline->span_count; i++) {
        int at = (int)i;
        unsigned depth = 0;
        while (depth < SPAN_DEPTH_MAX && timeline->spans[at].parent != NO_SPAN) at = timeline->spans[at].parent, depth++;
        if (timeline->spans[at].parent_missing && depth < SPAN_DEPTH_MAX) depth++;
        timeline->spans[i].depth = depth;
    }
}

/* ---- the walk through time ---- */

static void open_span(struct timeline *timeline, int *depth_heads, int index) {
    struct timeline_span *span = &timeline->spans[index];
    int *node_head = &timeline->nodes[span->node].open_head, *depth_head = &depth_heads[span->depth];
    span->open = true;
    span->node_next = *node_head, span->node_previous = NO_SPAN;
    span->depth_next = *depth_head, span->depth_previous = NO_SPAN;
    if (*node_head != NO_SPAN) timeline->spans[*node_head].node_previous = index;
    if (*depth_head != NO_SPAN) timeline->spans[*depth_head].depth_previous = index;
    *node_head = *depth_head = index;
}

static void close_span(struct timeline *timeline, int *depth_heads, int index) {
    struct timeline_span *spans = timeline->spans, *span = &spans[index];
    if (!span->open) return;
    span->open = false;
    if (span->node_next != NO_SPAN) spans[span->node_next].node_previous = span->node_previous;
    if (span->node_previous != NO_SPAN)
        spans[span->node_previous].node_next = span->node_next;
    else
        timeline->nodes[span->node].open_head = span->node_next;
    if (span->depth_next != NO_SPAN) spans[span->depth_next].depth_previous = span->depth_previous;
    if (span->depth_previous != NO_SPAN)
        spans[span->depth_previous].depth_next = span->depth_next;
    else
        depth_heads[span->depth] = span->depth_next;
}

/* Gives a stretch of time to the node whose span is the deepest open.  False when there is none. */
static bool spend(struct timeline *timeline, const int *depth_heads, uint64_t ns) {
    for (unsigned depth = SPAN_DEPTH_MAX + 1; depth-- > 0;) {
        if (depth_heads[depth] == NO_SPAN) continue;
        timeline->nodes[timeline->spans[depth_heads[depth]].node].time_ns += ns;
        return true;
    }
    timeline->outside_ns += ns;
    return false;
}

static void walk(struct timeline *timeline, const json_t *span_index) {
    int depth_heads[SPAN_DEPTH_MAX + 1];
    for (unsigned i = 0; i <= SPAN_DEPTH_MAX; i++) depth_heads[i] = NO_SPAN;
    for (size_t i = 0; i < timeline->span_count; i++) {
        struct timeline_node *node = &timeline->nodes[timeline->spans[i].node];
        if (node->first_span == NO_SPAN) node->first_span = (int)i;
        if (!timeline->spans[i].start) open_span(timeline, depth_heads, (int)i); /* its start is before what we have */
    }
    for (size_t i = 0; i < timeline->item_count; i++) {
        struct timeline_item *item = &timeline->items[i];
        struct timeline_node *node = &timeline->nodes[item->node];
        int own = lookup(span_index, span_id_of(item->event));
        item->gap_counts = spend(timeline, depth_heads, item->gap_ns) || !timeline->span_count;
        if (own != NO_SPAN && timeline->spans[own].start == item->event) {
            open_span(timeline, depth_heads, own);
            timeline->nodes[timeline->spans[own].node].last_span = own;
        }
        item->span = own != NO_SPAN               ? own
                     : node->open_head != NO_SPAN ? node->open_head
                     : node->last_span != NO_SPAN ? node->last_span
                                                  : node->first_span;
        if (item->span != NO_SPAN) item->depth = timeline->spans[item->span].depth;
        if (own != NO_SPAN && timeline->spans[own].end == item->event) {
            close_span(timeline, depth_heads, own);
            node->last_span = own;
        }
    }
}

static void mark_big_gaps(struct timeline *timeline) {
    uint64_t whole = timeline->end_ns - timeline->start_ns;
    if (timeline->span_count) whole -= timeline->outside_ns < whole ? timeline->outside_ns : whole;
    for (size_t i = 1; i < timeline->item_count; i++) {
        const struct timeline_item *item = &timeline->items[i];
        if (!item->gap_counts || item->gap_ns <= timeline->longest_gap_ns) continue;
        timeline->longest_gap_ns = item->gap_ns;
        timeline->longest_gap = i;
    }
    for (size_t i = 1; i < timeline->item_count; i++) {
        struct timeline_item *item = &timeline->items[i];
        bool part = item->gap_ns >= whole / BIG_GAP_PART || i == timeline->longest_gap;
        item->gap_is_big = item->gap_counts && timeline->item_count > 2 && item->gap_ns >= BIG_GAP_NS_MIN && part;
    }
}

int timeline_init(struct timeline *timeline, const json_t *events) {
    int result = -ENOMEM;
    size_t room = json_array_size(events) + 1;
    json_t *node_index = json_object(), *span_index = json_object();
    *timeline = (struct timeline){0};
    timeline->items = calloc(room, sizeof *timeline->items);
    timeline->spans = calloc(room, sizeof *timeline->spans);
    timeline->nodes = calloc(room, sizeof *timeline->nodes);
    if (!node_index || !span_index || !timeline->items || !timeline->spans || !timeline->nodes) goto out;
    if (take_items(timeline, events, node_index)) goto out;
    for (size_t i = 0; i < timeline->item_count; i++)
        if (add_span(timeline, span_index, &timeline->items[i])) goto out;
    link_parents(timeline, span_index);
    find_depths(timeline);
    walk(timeline, span_index);
    mark_big_gaps(timeline);
    result = 0;
out:
    json_decref(node_index);
    json_decref(span_index);
    if (result) timeline_fini(timeline);
    return result;
}

void timeline_fini(struct timeline *timeline) {
    free(timeline->items);
    free(timeline->spans);
    free(timeline->nodes);
    *timeline = (struct timeline){0};
}

void timeline_since(struct strbuf *out, const struct timeline *timeline, uint64_t time_ns) {
    text_since(out, time_ns - timeline->start_ns, timeline->end_ns - timeline->start_ns);
}
