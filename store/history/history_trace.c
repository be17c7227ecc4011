/* SPDX-License-Identifier: MIT
 *
 * One trace's summary, collected along its chains.
 *
 * Chains go from the newest arrival to the oldest, and arrival order is not time order.  So "first" means the least in the
 * order of answers, and spans are matched after all events have been seen. */
#include "history_trace.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <proto/event_table.h>
#include <stdlib.h>

/* ---- a set of ids ------------------------------------------------------------------------------------------------------- */

static int seen_grow(const struct history *history, struct history__seen *seen) {
    uint32_t slot_count = seen->slot_count == 0 ? 64 : 2 * seen->slot_count;
    struct trace_node_id *ids = realloc(seen->ids, slot_count / 2 * sizeof *ids);
    uint32_t *slots;

    if (!ids) return -ENOMEM;
    seen->ids = ids;
    slots = calloc(slot_count, sizeof *slots);
    if (!slots) return -ENOMEM;
    for (uint32_t i = 0; i < seen->count; i++) {
        uint32_t at = (uint32_t)history__hash_peer(history, &seen->ids[i]) & (slot_count - 1);
        while (slots[at] != 0) at = (at + 1) & (slot_count - 1);
        slots[at] = i + 1;
    }
    free(seen->slots);
    seen->slots = slots;
    seen->slot_count = slot_count;
    return 0;
}

int history__seen_add(const struct history *history, struct history__seen *seen, const struct trace_node_id *id,
                      uint32_t *ret_index) {
    uint32_t at;

    if (2 * seen->count >= seen->slot_count) {
        int error = seen_grow(history, seen);
        if (error < 0) return error;
    }
    at = (uint32_t)history__hash_peer(history, id) & (seen->slot_count - 1);
    for (; seen->slots[at] != 0; at = (at + 1) & (seen->slot_count - 1)) {
        *ret_index = seen->slots[at] - 1;
        if (history__peer_equal(&seen->ids[*ret_index], id)) return 0;
    }
    *ret_index = seen->count;
    seen->ids[seen->count] = *id;
    seen->slots[at] = ++seen->count;
    return 0;
}

void history__seen_fini(struct history__seen *seen) {
    free(seen->ids);
    free(seen->slots);
    *seen = (struct history__seen){0};
}

/* ---- ids in the order of their first event ------------------------------------------------------------------------------ */

struct first {
    uint32_t index; /* in `seen` */
    struct history_key key;
};

struct firsts {
    struct history__seen seen;
    struct first *list; /* by number */
    uint32_t capacity;
};

static int firsts_note(const struct history *history, struct firsts *firsts, const struct trace_node_id *id,
                       const struct history_key *key) {
    uint32_t index, count = firsts->seen.count;
    int error = history__seen_add(history, &firsts->seen, id, &index);

    if (error < 0) return error;
    if (index < count) {
        if (history__key_compare(key, &firsts->list[index].key) < 0) firsts->list[index].key = *key;
        return 0;
    }
    if (index == firsts->capacity) {
        uint32_t capacity = firsts->capacity == 0 ? 32 : 2 * firsts->capacity;
        struct first *list = realloc(firsts->list, capacity * sizeof *list);
        if (!list) return -ENOMEM;
        firsts->list = list;
        firsts->capacity = capacity;
    }
    firsts->list[index] = (struct first){index, *key};
    return 0;
}

static int first_compare(const void *a, const void *b) {
    const struct first *x = a, *y = b;
    return history__key_compare(&x->key, &y->key);
}

/* Sorts; the list's numbers still refer to `seen`.  Returns how many a summary shows. */
static uint32_t firsts_sort(struct firsts *firsts) {
    if (firsts->seen.count > 0) qsort(firsts->list, firsts->seen.count, sizeof *firsts->list, first_compare);
    return firsts->seen.count < HISTORY_SUMMARY_NODES_MAX ? firsts->seen.count : HISTORY_SUMMARY_NODES_MAX;
}

static void firsts_fini(struct firsts *firsts) {
    history__seen_fini(&firsts->seen);
    free(firsts->list);
}

/* ---- application events ------------------------------------------------------------------------------------------------- */

/* A start or an end.  A span belongs to one node: if a program forgets to make a child, two nodes use one id. */
struct span_mark {
    uint64_t span_id;
    uint32_t node;
    uint64_t time_ns;
    uint32_t sequence;
    struct history_key key;
    uint8_t clock_steps;
    bool ok; /* of an end */
    bool expired;
    bool root; /* of a start: it has no parent */
};

struct span_marks {
    struct span_mark *list;
    size_t count, capacity;
};

static int marks_add(struct span_marks *marks, const struct span_mark *mark) {
    if (marks->count == marks->capacity) {
        size_t capacity = marks->capacity == 0 ? 16 : 2 * marks->capacity;
        struct span_mark *list = realloc(marks->list, capacity * sizeof *list);
        if (!list) return -ENOMEM;
        marks->list = list;
        marks->capacity = capacity;
    }
    marks->list[marks->count++] = *mark;
    return 0;
}

static int span_compare(const struct span_mark *x, const struct span_mark *y) {
    if (x->span_id != y->span_id) return x->span_id < y->span_id ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* By span, then in the order of answers. */
static int mark_compare(const void *a, const void *b) {
    const struct span_mark *x = a, *y = b;
    int order = span_compare(x, y);
    return order != 0 ? order : history__key_compare(&x->key, &y->key);
}

/* The first end of a start's span, or NULL. */
static const struct span_mark *marks_find(const struct span_marks *sorted, const struct span_mark *start) {
    size_t low = 0, high = sorted->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (span_compare(&sorted->list[middle], start) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sorted->count && span_compare(&sorted->list[low], start) == 0 ? &sorted->list[low] : NULL;
}

/* The application, command and node of the trace: those of the first start, else of the first app event. */
struct app_first {
    bool set, start;
    struct history_key key;
    char app_id[4];
    uint16_t cmd;
};

static void app_note(struct app_first *first, const struct trace_event *event, const struct history_key *key) {
    bool start = event->kind == TRACE_KIND_APP_START;

    if (first->set && (first->start > start || (first->start == start && history__key_compare(key, &first->key) >= 0))) return;
    first->set = true;
    first->start = start;
    first->key = *key;
    memcpy(first->app_id, trace_event_app(event, &first->cmd), sizeof first->app_id);
}

bool history__app_is(const struct trace_event *event, const char app_id[4]) {
    uint16_t cmd;
    const char *id = trace_event_app(event, &cmd);
    return id && !memcmp(id, app_id, 4);
}

/* ---- gathering ---------------------------------------------------------------------------------------------------------- */

struct gather {
    const struct history *history;
    const struct history_trace_test *test; /* or NULL */
    const struct history_who *who;         /* or NULL */
    struct history_work *work;             /* or NULL */
    struct history_span span;
    uint64_t held; /* history__breathe's */
    struct history_trace *trace;
    struct firsts nodes, peers;
    struct span_marks starts, ends;
    struct app_first app;
    uint8_t clock_steps; /* of the first event that we met */
};

static int gather_app(struct gather *gather, const struct trace_event *event, uint32_t node, const struct history_key *key) {
    struct span_mark mark = {.node = node,
                             .time_ns = event->timestamp,
                             .sequence = event->sequence,
                             .key = *key,
                             .clock_steps = trace_event_clock_steps(event)};

    app_note(&gather->app, event, key);
    if (event->kind == TRACE_KIND_APP_START) {
        mark.span_id = event->data.app_start.span_id;
        mark.root = event->data.app_start.parent_id == 0;
        return marks_add(&gather->starts, &mark);
    }
    if (event->kind == TRACE_KIND_APP_END) {
        mark.span_id = event->data.app_end.span_id;
        mark.ok = event->data.app_end.ok != 0;
        mark.expired = !mark.ok && (event->flags & TRACE_FLAG_EXPIRED);
        return marks_add(&gather->ends, &mark);
    }
    return 0;
}

static const struct trace_node_id *peer_of(const struct gather *gather, const struct trace_event *event, history_source source) {
    return gather->who ? gather->who->resolve(gather->who->context, event, source) : &event->peer_id;
}

static int gather_event(struct gather *gather, const struct trace_event *event, history_source source, uint64_t position) {
    struct history_key key = history__key(event, source, position);
    struct history_trace *trace = gather->trace;
    uint32_t node = history_source_node(source);
    struct trace_node_id node_as_id = {{0}};
    int error;

    if (gather->test) gather->test->see(gather->test->context, event, source);
    if (trace->events++ == 0) gather->clock_steps = trace_event_clock_steps(event);
    trace->stepped |= trace_event_clock_steps(event) != gather->clock_steps;
    if (event->timestamp < trace->first_ns) trace->first_ns = event->timestamp;
    if (event->timestamp > trace->last_ns) trace->last_ns = event->timestamp;
    if (event->kind == TRACE_KIND_PACKET_LOST && !(event->flags & TRACE_FLAG_PROBE)) trace->packets_lost++;
    memcpy(node_as_id.bytes, &node, sizeof node);
    error = firsts_note(gather->history, &gather->nodes, &node_as_id, &key);
    if (error == 0 && (event->flags & TRACE_FLAG_HAS_PEER) != 0)
        error = firsts_note(gather->history, &gather->peers, peer_of(gather, event, source), &key);
    if (error == 0 && (history__kind_bit(event->kind) & HISTORY_APP_KINDS) != 0) error = gather_app(gather, event, node, &key);
    return error;
}

struct history_span history__entry_span(const struct entry *entry, const struct history_span *span) {
    struct history_span part = {(history__load(&entry->first_in) - 1) * HISTORY_SEGMENT_EVENTS,
                                history__load(&entry->last_in) * HISTORY_SEGMENT_EVENTS, span->until_ns};

    if (part.begin < span->begin) part.begin = span->begin;
    if (part.end > span->end) part.end = span->end;
    return part;
}

const struct segment *history__span_segment(const struct history *history, const struct history_span *span, uint64_t number,
                                            uint32_t *ret_behind) {
    const struct segment *segment = history__segment(history, number);

    if (segment) *ret_behind = history__behind(segment, span->end);
    return segment;
}

static int gather_at(struct gather *gather, const struct segment *segment, uint32_t index) {
    int error;

    if (!history__event_ready(segment, index)) return 0;
    if (gather->work) gather->work->done += HISTORY_WORK_EVENT;
    if (history__id_equal(&segment->events[index].trace_id, &gather->trace->trace_id) &&
        history__span_has(&gather->span, &segment->events[index])) {
        error = gather_event(gather, &segment->events[index], segment->sources[index],
                             segment->number * HISTORY_SEGMENT_EVENTS + index);
        if (error < 0) return error;
    }
    return history__breathe(gather->history, segment, gather->work, &gather->held);
}

/* Its index is damaged: examines all events. */
static int gather_scan(struct gather *gather, const struct segment *segment, uint32_t behind) {
    int error = 0;
    for (uint32_t index = 0; index < behind && error == 0; index++) error = gather_at(gather, segment, index);
    return error;
}

/* Follows the trace's chain in one segment. */
static int gather_segment(struct gather *gather, const struct history_span *span, uint64_t number) {
    const struct trace_id *id = &gather->trace->trace_id;
    const struct segment *segment;
    const struct trace_tally *tally;
    struct chain chain;
    uint32_t index, behind;
    bool whole = true;
    int error = 0;

    grace_read_lock();
    segment = history__span_segment(gather->history, span, number, &behind);
    tally = segment != NULL ? history__find_trace(segment, id, history__hash_trace(gather->history, id), &whole) : NULL;
    if (tally) whole = history__chain_whole(segment, &tally->head, segment->trace_links);
    if (!whole) {
        error = gather_scan(gather, segment, behind);
    } else if (tally) {
        for (history__chain_begin(&chain, &tally->head, segment->trace_links); history__chain_next(&chain, &index) && error == 0;)
            if (index < behind) error = gather_at(gather, segment, index);
    }
    grace_read_unlock();
    return error == -ENOENT ? 0 : error; /* evicted while we had released the lock */
}

/* The span whose end decides: the first root, else the first start. */
static bool comes_before(const struct span_mark *start, const struct span_mark *first) {
    if (!first || start->root != first->root) return !first || start->root;
    return history__key_compare(&start->key, &first->key) < 0;
}

static void finish_spans(struct gather *gather) {
    struct history_trace *trace = gather->trace;
    const struct span_mark *first = NULL, *end;

    trace->outcome = HISTORY_OUTCOME_NONE;
    if (gather->starts.count == 0) return;
    if (gather->ends.count > 0) qsort(gather->ends.list, gather->ends.count, sizeof *gather->ends.list, mark_compare);
    for (size_t i = 0; i < gather->starts.count; i++) {
        const struct span_mark *start = &gather->starts.list[i];
        if (!marks_find(&gather->ends, start)) trace->unfinished = true;
        if (comes_before(start, first)) first = start;
    }
    end = marks_find(&gather->ends, first);
    trace->has_root = first->root;
    trace->root_ns = first->root ? first->time_ns : 0;
    trace->root_node = first->root ? first->node : 0;
    trace->has_end = first->root && end != NULL;
    if (trace->has_end) trace->end = (struct history_span_end){end->time_ns, end->key.source, end->sequence};
    trace->took_stepped = trace->has_end && end->clock_steps != first->clock_steps;
    trace->has_took = trace->has_end && !trace->took_stepped && end->time_ns >= first->time_ns;
    if (trace->has_took) trace->took_ns = end->time_ns - first->time_ns;
    if (end && !end->ok)
        trace->outcome = end->expired ? HISTORY_OUTCOME_EXPIRED : HISTORY_OUTCOME_FAILED;
    else
        trace->outcome = trace->unfinished ? HISTORY_OUTCOME_OPEN : HISTORY_OUTCOME_OK;
}

static void gather_finish(struct gather *gather) {
    struct history_trace *trace = gather->trace;

    trace->node_count = firsts_sort(&gather->nodes);
    for (uint32_t i = 0; i < trace->node_count; i++)
        memcpy(&trace->nodes[i], gather->nodes.seen.ids[gather->nodes.list[i].index].bytes, sizeof trace->nodes[i]);
    trace->peer_count = firsts_sort(&gather->peers);
    for (uint32_t i = 0; i < trace->peer_count; i++) trace->peers[i] = gather->peers.seen.ids[gather->peers.list[i].index];
    finish_spans(gather);
    trace->has_app = gather->app.set;
    if (gather->app.set) {
        memcpy(trace->app_id, gather->app.app_id, sizeof trace->app_id);
        trace->cmd = gather->app.cmd;
        trace->app_node = history_source_node(gather->app.key.source);
    }
}

int history__trace_gather(const struct history *history, const struct history_span *span, const struct trace_id *id,
                          const struct history_trace_test *test, const struct history_who *who, struct history_work *work,
                          struct history_trace *ret_trace) {
    struct gather gather = {.history = history,
                            .test = test,
                            .who = who,
                            .work = work,
                            .span = *span,
                            .held = work != NULL ? work->done : 0,
                            .trace = ret_trace};
    int error = 0;

    memset(ret_trace, 0, sizeof *ret_trace);
    ret_trace->trace_id = *id;
    ret_trace->first_ns = UINT64_MAX;
    for (uint64_t n = span->begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < span->end && error == 0; n++)
        error = gather_segment(&gather, span, n);
    if (error == 0) gather_finish(&gather);
    firsts_fini(&gather.nodes);
    firsts_fini(&gather.peers);
    free(gather.starts.list);
    free(gather.ends.list);
    return error;
}
