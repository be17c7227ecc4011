/* SPDX-License-Identifier: MIT
 *
 * Collects the events found: the newest `limit` of them, sorted by time, lane and position.
 *
 * A heap of small keys, the oldest on top, says which event to replace, and at the end gives the order.  So the order in which
 * lanes and slots are read does not matter.  We sort here ourselves because qsort may call malloc. */
#include "query_collect.h"

#include "query_memory.h"

#include <errno.h>
#include <string.h>

#define CAPACITY_MIN 256

/* ---- the heap ------------------------------------------------------------------------------------------------------------ */

static bool is_older(const struct query_collector *collector, const struct query_key *a, const struct query_key *b) {
    if (a->timestamp != b->timestamp) return a->timestamp < b->timestamp;
    if (a->lane != b->lane) return a->lane < b->lane;
    return collector->events[a->index].position < collector->events[b->index].position;
}

static void sift_down(const struct query_collector *collector, size_t at, size_t count) {
    struct query_key *keys = collector->keys;
    struct query_key moving = keys[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_older(collector, &keys[child + 1], &keys[child])) child++;
        if (!is_older(collector, &keys[child], &moving)) break;
        keys[at] = keys[child];
    }
    keys[at] = moving;
}

static void make_heap(const struct query_collector *collector) {
    for (size_t i = collector->count / 2; i-- > 0;) sift_down(collector, i, collector->count);
}

/* ---- collecting ---------------------------------------------------------------------------------------------------------- */

static bool grow_collector(struct query_collector *collector) {
    size_t old = collector->capacity, new = old != 0 ? 2 * old : CAPACITY_MIN;
    void *keys = query__memory_resize(collector->keys, old * sizeof *collector->keys, new * sizeof *collector->keys);
    if (!keys) return false;
    collector->keys = keys;
    void *events = query__memory_resize(collector->events, old * sizeof *collector->events, new * sizeof *collector->events);
    if (!events) { /* both must have the same capacity */
        collector->keys = query__memory_resize(keys, new * sizeof *collector->keys, old * sizeof *collector->keys);
        return false;
    }
    collector->events = events;
    collector->capacity = new;
    return true;
}

static struct query_key make_key(const struct trace_query_event *found, size_t index) {
    return (struct query_key){found->event.timestamp, found->lane, (uint32_t)index};
}

/* The heap is full: replaces the oldest event, unless the new one is even older. */
static void replace_oldest(struct query_collector *collector, const struct trace_query_event *found) {
    struct query_key *oldest = &collector->keys[0];
    const struct trace_query_event *event = &collector->events[oldest->index];
    if (found->event.timestamp < oldest->timestamp) return;
    if (found->event.timestamp == oldest->timestamp &&
        (found->lane < oldest->lane || (found->lane == oldest->lane && found->position < event->position)))
        return;
    collector->events[oldest->index] = *found;
    *oldest = make_key(found, oldest->index);
    sift_down(collector, 0, collector->count);
}

static void collect_event(struct query_sink *sink, const struct trace_query_event *found) {
    struct query_collector *collector = (struct query_collector *)sink;
    collector->matched++;
    if (collector->limit != 0 && collector->count == collector->limit) {
        replace_oldest(collector, found);
        return;
    }
    if (collector->count == collector->capacity && !grow_collector(collector)) {
        collector->failed = true;
        return;
    }
    collector->keys[collector->count] = make_key(found, collector->count);
    collector->events[collector->count++] = *found;
    if (collector->count == collector->limit) make_heap(collector);
}

void query__collector_begin(struct query_collector *collector, size_t limit) {
    collector->sink.take = collect_event;
    collector->limit = limit;
    collector->matched = 0;
    collector->failed = false;
    collector->count = 0;
}

/* Sorts the events into the order of their keys, along the cycles of the permutation. */
static void arrange(const struct query_collector *collector) {
    struct query_key *keys = collector->keys;
    struct trace_query_event *events = collector->events;
    for (size_t i = 0; i < collector->count; i++) {
        struct trace_query_event first;
        size_t at = i;
        if (keys[i].index == i) continue;
        first = events[i];
        while (keys[at].index != i) {
            size_t from = keys[at].index;
            events[at] = events[from];
            keys[at].index = (uint32_t)at;
            at = from;
        }
        events[at] = first;
        keys[at].index = (uint32_t)at;
    }
}

int query__collector_finish(struct query_collector *collector) {
    struct query_key *keys = collector->keys;
    if (collector->failed) return -ENOMEM;
    make_heap(collector);
    for (size_t left = collector->count; left-- > 1;) { /* move the oldest to the end: newest first */
        struct query_key oldest = keys[0];
        keys[0] = keys[left];
        keys[left] = oldest;
        sift_down(collector, 0, left);
    }
    for (size_t i = 0, j = collector->count; i + 1 < j; i++) { /* then reverse */
        struct query_key key = keys[i];
        keys[i] = keys[--j];
        keys[j] = key;
    }
    arrange(collector);
    return 0;
}

void query__collector_fini(struct query_collector *collector) {
    query__memory_free(collector->keys, collector->capacity * sizeof *collector->keys);
    query__memory_free(collector->events, collector->capacity * sizeof *collector->events);
    collector->keys = NULL;
    collector->events = NULL;
    collector->capacity = 0;
}
