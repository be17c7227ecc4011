/* SPDX-License-Identifier: MIT
 *
 * history_select: matching events, in exact order; history_visit: all matches, unordered; history_count: their number.
 *
 * Each segment is searched on its own under the RCU read lock: by the trace's or the peer's chain, or block by block, skipping
 * segments and blocks whose bounds rule out a match.  Matches go into a heap of the best limit + 1; once that is full, blocks
 * that cannot improve on its worst are skipped, too.  Events need not arrive in order of their times.
 *
 * Called from any registered thread. */
#include "history_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Events examined under one read lock: whole blocks. */
#define EVENTS_A_LOCK 4096U

/* ---- matching ----------------------------------------------------------------------------------------------------------- */

static inline bool match_node(const struct history_query *query, uint32_t node) {
    return node < query->node_set_bits && history__bit_get(query->node_set, node);
}

static bool match_peer(const struct history_query *query, const struct trace_event *event) {
    if (!(event->flags & TRACE_FLAG_HAS_PEER)) return false;
    if (!query->peer_ids) return history__peer_equal(&query->peer_id, &event->peer_id);
    for (size_t i = 0; i < query->peer_id_count; i++)
        if (history__peer_equal(&query->peer_ids[i], &event->peer_id)) return true;
    return false;
}

bool history_match(const struct history_query *query, const struct trace_event *event, history_source source) {
    if (event->timestamp < query->from_ns) return false;
    if (query->to_ns != 0 && event->timestamp >= query->to_ns) return false;
    if (query->kinds != 0 && (query->kinds & history__kind_bit(event->kind)) == 0) return false;
    if (query->by_node && !match_node(query, history_source_node(source))) return false;
    if (query->by_trace && !history__id_equal(&query->trace_id, &event->trace_id)) return false;
    if (query->by_peer && !match_peer(query, event)) return false;
    if (query->peer_test && !query->peer_test(query->peer_test_arg, event, source)) return false;
    return !query->test || query->test(query->test_arg, event, source);
}

/* ---- work --------------------------------------------------------------------------------------------------------------- */

int history_work_check(const struct history_work *work) {
    if (!work) return 0;
    /* relaxed: a flag alone */
    if (work->abandoned && atomic_load_explicit(work->abandoned, memory_order_relaxed)) return -ECANCELED;
    return work->max != 0 && work->done > work->max ? -E2BIG : 0;
}

int history__breathe(const struct history *history, const struct segment *segment, const struct history_work *work,
                     uint64_t *held) {
    uint64_t number = segment->number;
    int error;

    if (!work || work->done - *held < HISTORY_WORK_A_LOCK) return 0;
    *held = work->done;
    error = history_work_check(work);
    if (error < 0 || segment->backed) return error;
    grace_read_unlock();
    if (work->pause) work->pause(work->pause_arg);
    grace_read_lock();
    return history__segment(history, number) == segment ? 0 : -ENOENT;
}

static void count_work(struct history_work *work, uint32_t events) {
    if (work) work->done += (uint64_t)events * HISTORY_WORK_EVENT;
}

/* ---- in order ----------------------------------------------------------------------------------------------------------- */

static struct history_key hit_key(const struct history_hit *hit) { return history__key(&hit->event, hit->source, hit->position); }

int history_compare(const struct history_hit *a, const struct history_hit *b) {
    struct history_key x = hit_key(a), y = hit_key(b);
    return history__key_compare(&x, &y);
}

/* ---- the best limit + 1 ------------------------------------------------------------------------------------------------- */

struct selection {
    const struct history *history;
    const struct history_query *query;
    uint64_t begin, end;
    uint64_t hash; /* of the trace or the peer that is asked for */
    bool newest_first;
    const struct history_key *after; /* or NULL */
    struct history_key after_key;

    struct history_hit *hits;
    uint32_t *heap; /* indices of hits; the root is the last in the answer's order */
    size_t count, capacity, capacity_max;
    uint64_t examined, examine_max;
    uint64_t held; /* history__breathe's */
    int error;     /* -ENOENT: the segment is gone; the others continue */

    /* Instead of a heap: history_visit. */
    int (*visit)(void *context, const struct trace_event *event, history_source source);
    void *context;

    /* Instead of a heap: history_count. */
    bool counting;
    uint64_t counted;
};

/* Negative when a comes before b in the answer. */
static int answer_compare(const struct selection *selection, const struct history_key *a, const struct history_key *b) {
    int order = history__key_compare(a, b);
    return selection->newest_first ? -order : order;
}

static bool heap_after(const struct selection *selection, uint32_t a, uint32_t b) {
    struct history_key x = hit_key(&selection->hits[a]), y = hit_key(&selection->hits[b]);
    return answer_compare(selection, &x, &y) > 0;
}

static void heap_up(struct selection *selection, size_t at) {
    uint32_t *heap = selection->heap, moving = heap[at];
    while (at > 0 && heap_after(selection, moving, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moving;
}

static void heap_down(struct selection *selection) {
    uint32_t *heap = selection->heap, moving = heap[0];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < selection->count) {
        if (child + 1 < selection->count && heap_after(selection, heap[child + 1], heap[child])) child++;
        if (!heap_after(selection, heap[child], moving)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static int make_room(struct selection *selection) {
    size_t capacity = selection->capacity == 0 ? 64 : selection->capacity * 2;
    struct history_hit *hits;
    uint32_t *heap;

    if (capacity > selection->capacity_max) capacity = selection->capacity_max;
    hits = realloc(selection->hits, capacity * sizeof *hits);
    if (!hits) return -ENOMEM;
    selection->hits = hits;
    heap = realloc(selection->heap, capacity * sizeof *heap);
    if (!heap) return -ENOMEM;
    selection->heap = heap;
    selection->capacity = capacity;
    return 0;
}

static bool full(const struct selection *selection) { return selection->count == selection->capacity_max; }

static void offer(struct selection *selection, const struct trace_event *event, history_source source, uint64_t position) {
    struct history_key key = history__key(event, source, position);
    uint32_t place;

    if (selection->after && answer_compare(selection, &key, selection->after) <= 0) return;
    if (selection->counting) {
        selection->counted++;
        return;
    }
    if (full(selection)) {
        struct history_key worst = hit_key(&selection->hits[selection->heap[0]]);
        if (answer_compare(selection, &key, &worst) >= 0) return;
        place = selection->heap[0];
        selection->hits[place] = (struct history_hit){*event, source, position};
        heap_down(selection);
        return;
    }
    if (selection->count == selection->capacity) {
        selection->error = make_room(selection);
        if (selection->error < 0) return;
    }
    place = (uint32_t)selection->count++;
    selection->hits[place] = (struct history_hit){*event, source, position};
    selection->heap[place] = place;
    heap_up(selection, place);
}

/* ---- searching a segment ------------------------------------------------------------------------------------------------ */

static inline void examine(struct selection *selection, const struct segment *segment, uint32_t index) {
    const struct trace_event *event = &segment->events[index];
    selection->examined++;
    if (selection->examined > selection->examine_max) {
        selection->error = -E2BIG;
        return;
    }
    if (!history_match(selection->query, event, segment->sources[index])) return;
    if (selection->visit)
        selection->error = selection->visit(selection->context, event, segment->sources[index]);
    else
        offer(selection, event, segment->sources[index], segment->number * HISTORY_SEGMENT_EVENTS + index);
}

/* Runs after each event that a filter has seen, so it must be cheap when nothing is due. */
static inline void breathe(struct selection *selection, const struct segment *segment) {
    const struct history_work *work = selection->query->work;
    if (__builtin_expect(work && work->done - selection->held >= HISTORY_WORK_A_LOCK, 0))
        selection->error = history__breathe(selection->history, segment, work, &selection->held);
}

/* Returns false, with nothing found, when the chain is broken. */
static bool search_chain(struct selection *selection, const struct segment *segment, const _Atomic uint16_t *head,
                         const uint16_t *links, uint32_t first, uint32_t behind) {
    struct chain chain;
    uint32_t index;

    if (!history__chain_whole(segment, head, links)) return false;
    for (history__chain_begin(&chain, head, links); history__chain_next(&chain, &index);) {
        if (index >= behind) continue; /* not published yet, or newer than the query */
        if (index < first) break;
        if (!history__event_ready(segment, index)) continue;
        count_work(selection->query->work, 1);
        examine(selection, segment, index);
        if (selection->error == 0) breathe(selection, segment);
        if (selection->error != 0) break;
    }
    return true;
}

static uint64_t peer_hash(const struct selection *selection, const struct trace_node_id *id) {
    return selection->query->peer_ids ? history__hash_peer(selection->history, id) : selection->hash;
}

/* The chains of all peers that are asked for, or nothing when one of them is broken. */
static bool search_peers(struct selection *selection, const struct segment *segment, uint32_t first, uint32_t behind) {
    const struct history_query *query = selection->query;
    const struct trace_node_id *ids = query->peer_ids ? query->peer_ids : &query->peer_id;
    size_t count = query->peer_ids ? query->peer_id_count : 1;
    bool whole = true;

    for (size_t i = 0; i < count && whole && count > 1; i++) {
        const struct peer_tally *peer = history__find_peer(segment, &ids[i], peer_hash(selection, &ids[i]), &whole);
        if (peer && whole) whole = history__chain_whole(segment, &peer->head, segment->peer_links);
    }
    for (size_t i = 0; i < count && whole && selection->error == 0; i++) {
        const struct peer_tally *peer = history__find_peer(segment, &ids[i], peer_hash(selection, &ids[i]), &whole);
        if (peer) whole = search_chain(selection, segment, &peer->head, segment->peer_links, first, behind);
    }
    /* those that came before it had a tally */
    if (whole && selection->error == 0 && history__rare_chain(segment))
        (void)search_chain(selection, segment, history__rare_chain(segment), segment->peer_links, first, behind);
    return whole;
}

/* What a query can find is at least in these bounds. */
static bool bounds_match(const struct selection *selection, uint64_t min_ns, uint64_t max_ns) {
    const struct history_query *query = selection->query;

    if (max_ns < query->from_ns || (query->to_ns != 0 && min_ns >= query->to_ns)) return false;
    if (selection->after) {
        if (selection->newest_first ? min_ns > selection->after->time_ns : max_ns < selection->after->time_ns) return false;
    }
    if (full(selection)) {
        uint64_t worst_ns = selection->hits[selection->heap[0]].event.timestamp;
        if (selection->newest_first ? max_ns < worst_ns : min_ns > worst_ns) return false;
    }
    return true;
}

/* Do these bounds imply that all events within them match? */
static bool bounds_match_all(const struct selection *selection, const struct block *bounds) {
    const struct history_query *query = selection->query;
    uint64_t min_ns = history__load(&bounds->min_ns), max_ns = history__load(&bounds->max_ns);

    if (!history_counts_by_index(query) || min_ns < query->from_ns || (query->to_ns != 0 && max_ns >= query->to_ns)) return false;
    if (!selection->after) return true;
    return selection->newest_first ? max_ns < selection->after->time_ns : min_ns > selection->after->time_ns;
}

/* A count need not examine what matches as a whole. */
static bool count_all(struct selection *selection, const struct segment *segment, const struct block *bounds, uint32_t events) {
    const struct history_query *query = selection->query;

    if (!selection->counting || !bounds_match_all(selection, bounds) || history__backed_damaged(segment)) return false;
    if (query->by_trace || query->by_peer) return false; /* we are here because the chain could not be walked */
    selection->counted += events;
    return true;
}

static bool block_matches(const struct selection *selection, const struct block *block, uint64_t node_bits) {
    const struct history_query *query = selection->query;

    if (query->kinds != 0 && (query->kinds & history__load(&block->kinds)) == 0) return false;
    if (query->by_node && (node_bits & history__load(&block->nodes)) == 0) return false;
    return bounds_match(selection, history__load(&block->min_ns), history__load(&block->max_ns));
}

static void search_block(struct selection *selection, const struct segment *segment, uint32_t first, uint32_t behind) {
    const struct history_query *query = selection->query;
    bool whole = history__ready(segment, &segment->sources[first], (behind - first) * sizeof *segment->sources) &&
                 history__ready(segment, &segment->events[first], (behind - first) * sizeof *segment->events);

    count_work(query->work, behind - first);
    for (uint32_t index = first; index < behind; index++) {
        if (__builtin_expect(!whole, 0) && !history__event_ready(segment, index)) continue;
        if (query->by_node && !match_node(query, history_source_node(segment->sources[index]))) continue;
        examine(selection, segment, index);
        if (query->test && selection->error == 0) breathe(selection, segment);
        if (selection->error != 0) return;
    }
    breathe(selection, segment);
}

static void search_blocks(struct selection *selection, const struct segment *segment, uint64_t node_bits, uint32_t first,
                          uint32_t behind) {
    uint32_t first_block = first / BLOCK_EVENTS, blocks = (behind - 1) / BLOCK_EVENTS - first_block + 1;

    if (count_all(selection, segment, &segment->bounds, behind - first)) return;
    for (uint32_t i = 0; i < blocks && selection->error == 0; i++) {
        uint32_t block = first_block + (selection->newest_first ? blocks - 1 - i : i);
        uint32_t from = block * BLOCK_EVENTS, to = from + BLOCK_EVENTS;
        const struct block *bounds = &segment->blocks[block];
        bool bounded = history__ready(segment, bounds, sizeof *bounds);
        if (bounded && !block_matches(selection, bounds, node_bits)) continue;
        if (from < first) from = first;
        if (to > behind) to = behind;
        if (bounded && count_all(selection, segment, bounds, to - from)) continue;
        search_block(selection, segment, from, to);
    }
}

/* The nodes of the query, folded to the 64 bits of a block. */
static uint64_t fold_nodes(const struct history_query *query) {
    uint64_t bits = 0;
    for (uint32_t word = 0; query->by_node && word < (query->node_set_bits + 63) / 64; word++) bits |= query->node_set[word];
    return bits;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

/* The last four go block by block and skip those that their bounds exclude; only the name that `explain` shows differs. */
enum search { SEARCH_TRACE, SEARCH_PEER, SEARCH_TIME, SEARCH_KIND, SEARCH_NODE, SEARCH_SCAN };
static const char *const search_names[] = {"trace", "peer", "time", "kind", "node", "scan"};

static enum search choose_search(const struct history_query *query) {
    if (query->by_trace && !history__id_none(&query->trace_id)) return SEARCH_TRACE; /* events without a trace have no chain */
    if (query->by_peer) return SEARCH_PEER;
    if (query->from_ns != 0 || query->to_ns != 0) return SEARCH_TIME;
    if (query->kinds != 0) return SEARCH_KIND;
    return query->by_node ? SEARCH_NODE : SEARCH_SCAN;
}

bool history_counts_by_index(const struct history_query *query) {
    enum search how = choose_search(query);
    return how == SEARCH_TRACE || how == SEARCH_PEER ||
           (query->kinds == 0 && !query->by_node && !query->by_trace && !query->test && !query->peer_test);
}

/* Along a chain, or block by block, what lies in [first, behind) of a segment. */
static void search_part(struct selection *selection, uint64_t number, enum search how, uint64_t node_bits, uint32_t first,
                        uint32_t behind) {
    struct segment *segment;
    const struct trace_tally *trace;
    bool whole = true;

    grace_read_lock();
    segment = history__segment(selection->history, number);
    if (segment && behind > segment->capacity) behind = segment->capacity;
    if (!segment || first >= behind) {
        /* evicted meanwhile, or sealed before it was full */
    } else if (how == SEARCH_TRACE) {
        trace = history__find_trace(segment, &selection->query->trace_id, selection->hash, &whole);
        if (trace) whole = search_chain(selection, segment, &trace->head, segment->trace_links, first, behind);
    } else if (how == SEARCH_PEER) {
        whole = search_peers(selection, segment, first, behind);
    } else {
        search_blocks(selection, segment, node_bits, first, behind);
    }
    if (!whole) search_blocks(selection, segment, node_bits, first, behind);
    grace_read_unlock();
    if (selection->error == -ENOENT) selection->error = 0; /* evicted while we had released the lock */
}

/* Checks the bounds only, because most queries exclude most of the history. */
static bool segment_matches(const struct selection *selection, uint64_t number, uint64_t node_bits) {
    const struct segment *segment;
    bool matches;

    grace_read_lock();
    segment = history__segment_bounds(selection->history, number);
    matches = segment != NULL && block_matches(selection, &segment->bounds, node_bits);
    grace_read_unlock();
    return matches;
}

/* Blocks are searched in portions: before the ingest reuses a segment, it waits for its readers, and the test of each event may
 * take long. */
static void search_segment(struct selection *selection, uint64_t number, enum search how, uint64_t node_bits) {
    uint64_t base = number * HISTORY_SEGMENT_EVENTS;
    uint32_t first = selection->begin > base ? (uint32_t)(selection->begin - base) : 0;
    uint32_t behind = selection->end - base < HISTORY_SEGMENT_EVENTS ? (uint32_t)(selection->end - base) : HISTORY_SEGMENT_EVENTS;
    bool by_chain = how == SEARCH_TRACE || how == SEARCH_PEER;
    uint32_t portion = by_chain ? HISTORY_SEGMENT_EVENTS : EVENTS_A_LOCK;
    uint32_t first_portion = first / portion, portions = (behind - 1) / portion - first_portion + 1;

    if (!by_chain && !segment_matches(selection, number, node_bits)) return;
    for (uint32_t i = 0; i < portions && selection->error == 0; i++) {
        uint32_t from = (first_portion + (selection->newest_first ? portions - 1 - i : i)) * portion, to = from + portion;
        search_part(selection, number, how, node_bits, from > first ? from : first, to < behind ? to : behind);
    }
}

/* The part of [begin, end) that is still in the history. */
static void clip(struct selection *selection) {
    struct history_span span = history__span(selection->history);

    if (selection->begin < span.begin) selection->begin = span.begin;
    if (selection->end > span.end) selection->end = span.end;
}

static void set_after(struct selection *selection, const struct history_hit *after) {
    if (!after) return;
    selection->after_key = hit_key(after);
    selection->after = &selection->after_key;
}

/* Searches all segments in [begin, end). */
static enum search search(struct selection *selection) {
    const struct history_query *query = selection->query;
    enum search how = choose_search(query);
    uint64_t node_bits = fold_nodes(query), segments, first;

    if (how == SEARCH_TRACE) selection->hash = history__hash_trace(selection->history, &query->trace_id);
    if (how == SEARCH_PEER) selection->hash = history__hash_peer(selection->history, &query->peer_id);
    first = selection->begin / HISTORY_SEGMENT_EVENTS;
    segments = selection->end > selection->begin ? (selection->end - 1) / HISTORY_SEGMENT_EVENTS - first + 1 : 0;
    for (uint64_t i = 0; i < segments && selection->error == 0; i++)
        search_segment(selection, first + (selection->newest_first ? segments - 1 - i : i), how, node_bits);
    return how;
}

static int ascending(const void *a, const void *b) { return history_compare(a, b); }
static int descending(const void *a, const void *b) { return history_compare(b, a); }

int history_select(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end, size_t limit,
                   bool newest_first, const struct history_hit *after, struct history_answer *ret_answer) {
    struct selection selection = {.history = history, .query = query, .begin = begin, .end = end, .newest_first = newest_first};
    enum search how;

    selection.examine_max = query->examine_max ? query->examine_max : UINT64_MAX;
    clip(&selection);
    selection.capacity_max = selection.end > selection.begin ? (size_t)(selection.end - selection.begin) : 1;
    if (limit < selection.capacity_max) selection.capacity_max = limit + 1; /* one more, to know whether there are more */
    set_after(&selection, after);
    how = search(&selection);
    if (selection.error == 0) selection.error = history_work_check(query->work);

    free(selection.heap);
    if (selection.error < 0) {
        free(selection.hits);
        return selection.error;
    }
    if (selection.count > 0)
        qsort(selection.hits, selection.count, sizeof *selection.hits, newest_first ? descending : ascending);
    *ret_answer = (struct history_answer){.hits = selection.hits,
                                          .count = selection.count < limit ? selection.count : limit,
                                          .more = selection.count > limit,
                                          .examined = selection.examined,
                                          .index = search_names[how]};
    return 0;
}

int history_visit(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end,
                  int (*visit)(void *context, const struct trace_event *event, history_source source), void *context,
                  struct history_visited *ret_visited) {
    struct selection selection = {
        .history = history, .query = query, .begin = begin, .end = end, .visit = visit, .context = context};
    enum search how;

    selection.examine_max = UINT64_MAX;
    clip(&selection);
    selection.capacity_max = 1; /* a heap that is never full */
    how = search(&selection);
    if (selection.error == 0) selection.error = history_work_check(query->work);
    if (selection.error == 0) *ret_visited = (struct history_visited){selection.examined, search_names[how]};
    return selection.error;
}

uint64_t history_count(struct history *history, const struct history_query *query, uint64_t begin, uint64_t end,
                       bool newest_first, const struct history_hit *after) {
    struct selection selection = {
        .history = history, .query = query, .begin = begin, .end = end, .newest_first = newest_first, .counting = true};

    selection.examine_max = UINT64_MAX;
    clip(&selection);
    selection.capacity_max = 1; /* a heap that is never full */
    set_after(&selection, after);
    search(&selection);
    return selection.counted;
}

void history_answer_fini(struct history_answer *answer) {
    free(answer->hits);
    *answer = (struct history_answer){0};
}
