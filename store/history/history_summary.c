/* SPDX-License-Identifier: MIT
 *
 * Summaries of traces, and ids by prefix: answers from the directories and the tallies.
 *
 * The directory knows the traces and which was active last; the rest of a summary is collected along the chains of the few
 * traces that are shown (history_trace.c).
 *
 * The RCU read lock is released between segments and at intervals while walking entries.  Called from any registered thread. */
#include "history_internal.h"
#include "history_trace.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>

#define ENTRIES_A_LOCK 16384
#define MARK_A_LOCK 8192U /* events: whole blocks */

/* ---- ids by prefix ------------------------------------------------------------------------------------------------------ */

/* Visits the ids of a directory that begin with a prefix. */
static size_t find_ids(const struct history *history, const struct directory *directory, size_t id_offset, size_t id_bytes,
                       const uint8_t *prefix, unsigned digits, uint8_t *out, size_t max) {
    struct trace_id_prefix wanted = {.digits = digits};
    uint32_t high = history__load32(&directory->high);
    uint64_t begin = history_begin_position(history);
    size_t found = 0;

    memcpy(wanted.bytes, prefix, (digits + 1) / 2);
    for (uint32_t from = 1; from < high; from += ENTRIES_A_LOCK) {
        grace_read_lock();
        for (uint32_t index = from; index < high && index < from + ENTRIES_A_LOCK; index++) {
            const struct entry *entry = history__entry(directory, index);
            const uint8_t *id = (const uint8_t *)entry + id_offset;
            bool again = false;
            if (!history__entry_alive(entry, begin) || !trace_id_prefix_matches(&wanted, id)) continue;
            /* an entry that died and was revived meanwhile still counts once */
            for (size_t i = 0; i < found && i < max && !again; i++) again = memcmp(out + i * id_bytes, id, id_bytes) == 0;
            if (again) continue;
            if (found < max) memcpy(out + found * id_bytes, id, id_bytes);
            found++;
        }
        grace_read_unlock();
    }
    return found;
}

static bool trace_exists(struct history *history, const struct trace_id *id) {
    struct history_query query = {.by_trace = true, .trace_id = *id};
    uint64_t end = history_end_position(history), hash = history__hash_trace(history, id);
    bool found = false, whole = true;

    for (uint64_t n = history_begin_position(history) / HISTORY_SEGMENT_EVENTS; !found && n * HISTORY_SEGMENT_EVENTS < end; n++) {
        struct segment *segment;
        grace_read_lock();
        segment = history__segment(history, n);
        found = segment != NULL && history__find_trace(segment, id, hash, &whole) != NULL;
        grace_read_unlock();
    }
    return found || (!whole && history_count(history, &query, 0, end, false, NULL) > 0);
}

size_t history_find_traces(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_id *out, size_t max) {
    if (digits == 2 * TRACE_ID_BYTES) { /* a full id: the segments' tables find it without a walk over the directory */
        struct trace_id id;
        memcpy(id.bytes, prefix, sizeof id.bytes);
        if (history__id_none(&id) || !trace_exists(history, &id)) return 0;
        if (max > 0) *out = id;
        return 1;
    }
    if (history->backed) return history__backed_find_traces(history, prefix, digits, out, max);
    return find_ids(history, &history->traces, offsetof(struct trace_entry, id), TRACE_ID_BYTES, prefix, digits, (uint8_t *)out,
                    max);
}

/* Peers without a directory entry, in one segment. */
static int find_rare(const struct history *history, const struct segment *segment, const struct trace_id_prefix *wanted,
                     struct history__seen *seen) {
    const _Atomic uint16_t *head = history__rare_chain(segment);
    struct chain chain;
    uint32_t index, number;
    int error = 0;

    if (!head) return 0;
    for (history__chain_begin(&chain, head, segment->peer_links); error == 0 && history__chain_next(&chain, &index);) {
        const struct trace_node_id *id = &segment->events[index].peer_id;
        uint64_t position = segment->number * HISTORY_SEGMENT_EVENTS + index;
        if (position < history_end_position(history) && trace_id_prefix_matches(wanted, id->bytes))
            error = history__seen_add(history, seen, id, &number);
    }
    return error;
}

static int find_all_rare(const struct history *history, const struct trace_id_prefix *wanted, struct history__seen *seen) {
    struct history_span span = history__span(history);
    int error = 0;

    for (uint64_t n = span.begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < span.end && error == 0; n++) {
        const struct segment *segment;
        grace_read_lock();
        segment = history__segment_bounds(history, n);
        if (segment && !segment->backed) error = find_rare(history, segment, wanted, seen);
        grace_read_unlock();
    }
    return error;
}

/* Those of the directory that match, into the set. */
static int find_entries(const struct history *history, const struct trace_id_prefix *wanted, struct history__seen *seen) {
    uint32_t high = history__load32(&history->peers.high), number;
    uint64_t begin = history_begin_position(history);
    int error = 0;

    for (uint32_t from = 1; from < high && error == 0; from += ENTRIES_A_LOCK) {
        grace_read_lock();
        for (uint32_t index = from; index < high && index < from + ENTRIES_A_LOCK && error == 0; index++) {
            const struct peer_entry *entry = history__peer_entry(history, index);
            if (history__entry_alive(&entry->entry, begin) && trace_id_prefix_matches(wanted, entry->id.bytes))
                error = history__seen_add(history, seen, &entry->id, &number);
        }
        grace_read_unlock();
    }
    return error;
}

size_t history_find_peers(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_node_id *out,
                          size_t max) {
    struct trace_id_prefix wanted = {.digits = digits};
    struct history__seen rare = {0};
    size_t found;

    if (history->backed && history__backed_directories(history) < 0) return 0;
    memcpy(wanted.bytes, prefix, (digits + 1) / 2);
    if (find_all_rare(history, &wanted, &rare) == 0 && rare.count == 0) {
        history__seen_fini(&rare);
        return find_ids(history, &history->peers, offsetof(struct peer_entry, id), TRACE_NODE_ID_BYTES, prefix, digits,
                        (uint8_t *)out, max);
    }
    (void)find_entries(history, &wanted, &rare); /* out of memory: those found so far */
    found = rare.count;
    for (size_t i = 0; i < found && i < max; i++) out[i] = rare.ids[i];
    history__seen_fini(&rare);
    return found;
}

/* ---- traces: which ------------------------------------------------------------------------------------------------------ */

/* A set of directory entries. */
static uint64_t *bits_new(uint32_t count) { return calloc(((size_t)count + 63) / 64, sizeof(uint64_t)); }

/* The directory entry of a trace that has events in the segment; 0, which no trace has, if its tally is not published yet. */
static uint32_t entry_of(const struct history *history, const struct segment *segment, const struct trace_id *id) {
    const struct trace_tally *tally;
    bool whole = true;

    if (history->backed) return history__backed_entry(history, id);
    tally = history__find_trace(segment, id, history__hash_trace(history, id), &whole);
    return tally != NULL ? tally->entry : 0;
}

/* Marks the entries of all traces with an event in [from, to), of the application when app_id is set.  first: of a block. */
static void mark_events(const struct history *history, const struct segment *segment, uint32_t first, uint32_t behind,
                        const struct history_query *query, const char *app_id, uint64_t *bits) {
    for (uint32_t at = first; at < behind; at++) {
        const struct trace_event *event = &segment->events[at];
        const struct block *block = &segment->blocks[at / BLOCK_EVENTS];
        if (at % BLOCK_EVENTS == 0 && history__ready(segment, block, sizeof *block)) {
            if ((query->kinds != 0 && (query->kinds & history__load(&block->kinds)) == 0) ||
                history__load(&block->max_ns) < query->from_ns ||
                (query->to_ns != 0 && history__load(&block->min_ns) >= query->to_ns)) {
                at += BLOCK_EVENTS - 1;
                continue;
            }
        }
        if (!history__event_ready(segment, at)) continue;
        if (history__id_none(&event->trace_id) || !history_match(query, event, segment->sources[at])) continue;
        if (app_id && !history__app_is(event, app_id)) continue;
        history__bit_set(bits, entry_of(history, segment, &event->trace_id));
    }
}

static int mark_traces(struct history *history, const struct history_span *span, const struct history_query *query,
                       const char *app_id, uint64_t **ret_bits) {
    uint64_t *bits = bits_new(history->traces.capacity + 1);
    int error = 0;

    if (!bits) return -ENOMEM;
    for (uint64_t n = span->begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < span->end && error == 0; n++) {
        uint32_t behind = HISTORY_SEGMENT_EVENTS;
        for (uint32_t first = 0; first < behind && error == 0; first += MARK_A_LOCK) {
            const struct segment *segment;
            grace_read_lock();
            segment = history__span_segment(history, span, n, &behind);
            if (!segment) behind = 0;
            if (first < behind)
                mark_events(history, segment, first, behind - first < MARK_A_LOCK ? behind : first + MARK_A_LOCK, query, app_id,
                            bits);
            grace_read_unlock();
            if (query->work) query->work->done += MARK_A_LOCK * HISTORY_WORK_EVENT;
            error = history_work_check(query->work);
        }
    }
    if (error < 0) {
        free(bits);
        return error;
    }
    *ret_bits = bits;
    return 0;
}

struct candidate {
    uint64_t rank; /* the greatest comes first */
    struct trace_id id;
    struct history_span span; /* where its events are */
    bool truncated;
};

/* The best `limit` candidates: at twice as many, they are sorted and the worse half is dropped. */
struct candidates {
    struct candidate *list;
    size_t count, limit, capacity;
    size_t sifted; /* of `count`, where candidates are sifted: the others have no rank yet */
    size_t total;
};

static int rank_compare(uint64_t a_rank, const struct trace_id *a, uint64_t b_rank, const struct trace_id *b) {
    if (a_rank != b_rank) return a_rank > b_rank ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int candidate_compare(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    return rank_compare(x->rank, &x->id, y->rank, &y->id);
}

static void candidates_cut(struct candidates *candidates) {
    if (candidates->count == 0) return;
    qsort(candidates->list, candidates->count, sizeof *candidates->list, candidate_compare);
    if (candidates->count > candidates->limit) candidates->count = candidates->limit;
}

static void candidates_add(struct candidates *candidates, const struct candidate *candidate) {
    candidates->total++;
    if (candidates->capacity == 0) return;
    if (candidates->count == candidates->capacity) candidates_cut(candidates);
    candidates->list[candidates->count++] = *candidate;
}

/* The request to history_traces. */
struct listing {
    struct history *history;
    struct history_span span;
    const struct history_traces_query *query;
    uint64_t *last_ns;   /* by entry: greatest time of its events; NULL: not needed */
    uint64_t *in_window; /* marked when to_ns is set: the last time alone does not show earlier events */
    uint64_t *of_app;    /* marked when the query names an application */
    uint64_t *requests;  /* marked when the query names a kind */
    bool sift;           /* every candidate is examined */
    struct candidates candidates;
};

/* The last time of each trace comes from its tallies, so entries need no update per event. */
static int last_times(struct listing *listing) {
    const struct history *history = listing->history;
    const struct history_span *span = &listing->span;

    listing->last_ns = calloc((size_t)history->traces.capacity + 1, sizeof *listing->last_ns);
    if (!listing->last_ns) return -ENOMEM;
    if (history->backed) {
        history__backed_last_times(history, listing->last_ns);
        return 0;
    }
    for (uint64_t n = span->begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < span->end; n++) {
        const struct segment *segment;
        uint32_t count;
        grace_read_lock();
        segment = history__segment(history, n);
        /* traces:A  Pairs with traces:R. */
        count = segment != NULL ? atomic_load_explicit(&segment->traces_published, memory_order_acquire) : 0;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t *last_ns = &listing->last_ns[segment->traces[i].entry],
                     tally_ns = history__load(&segment->traces[i].last_ns);
            if (tally_ns > *last_ns) *last_ns = tally_ns;
        }
        grace_read_unlock();
    }
    return 0;
}

static void list_entry(struct listing *listing, uint32_t index) {
    struct trace_entry *entry = history__trace_entry(listing->history, index);
    uint64_t last_ns = listing->last_ns != NULL ? listing->last_ns[index] : UINT64_MAX;

    if (!history__entry_alive(&entry->entry, listing->span.begin)) return;
    if (listing->query->trace_id && !history__id_equal(&entry->id, listing->query->trace_id)) return;
    if (last_ns < listing->query->from_ns) return;
    if (listing->in_window && !history__bit_get(listing->in_window, index)) return;
    if (listing->of_app && !history__bit_get(listing->of_app, index)) return;
    if (listing->requests && history__bit_get(listing->requests, index) != (listing->query->kind == HISTORY_TRACES_REQUESTS))
        return;
    candidates_add(&listing->candidates,
                   &(struct candidate){.rank = last_ns,
                                       .id = entry->id,
                                       .span = history__entry_span(&entry->entry, &listing->span),
                                       .truncated = history__entry_truncated(&entry->entry, listing->span.begin)});
}

/* ---- traces: in which order --------------------------------------------------------------------------------------------- */

static uint64_t rank(enum history_trace_order order, const struct history_trace *trace) {
    switch (order) {
    case HISTORY_TRACES_OLDEST: return UINT64_MAX - trace->first_ns;
    case HISTORY_TRACES_SLOWEST:
        if (trace->has_took) return trace->took_ns;
        return trace->stepped ? 0 : trace->last_ns - trace->first_ns;
    default: return trace->last_ns;
    }
}

/* Examines the events of the new candidates, removes those that fail the test, and ranks the rest.  Works through the directory
 * in portions, so that there are never many candidates. */
static int sift_traces(struct listing *listing) {
    struct candidates *candidates = &listing->candidates;
    const struct history_trace_test *test = listing->query->test;
    size_t kept = candidates->sifted;

    for (size_t i = kept; i < candidates->count; i++) {
        const struct candidate *candidate = &candidates->list[i];
        struct history_trace trace;
        int error = history__trace_gather(listing->history, &candidate->span, &candidate->id, test, listing->query->who,
                                          listing->query->work, &trace);
        if (error == 0) error = history_work_check(listing->query->work);
        if (error < 0) return error;
        trace.truncated = candidate->truncated;
        candidates->total--;
        if (test && !test->keep(test->context, &trace)) continue;
        if (trace.events == 0) continue; /* evicted meanwhile */
        candidates->total++;
        candidates->list[kept] = *candidate;
        candidates->list[kept++].rank = rank(listing->query->order, &trace);
    }
    candidates->count = kept;
    if (candidates->capacity - kept < ENTRIES_A_LOCK) candidates_cut(candidates);
    candidates->sifted = candidates->count;
    return 0;
}

static int list_traces(struct listing *listing) {
    struct history *history = listing->history;
    const char *app_id = listing->query->app_id;
    struct history_query query = {
        .from_ns = listing->query->from_ns, .to_ns = listing->query->to_ns, .work = listing->query->work};
    uint32_t high;
    int error = listing->sift && query.from_ns == 0 ? 0 : last_times(listing); /* sifted candidates are ranked by their events */

    if (error == 0 && query.to_ns != 0) error = mark_traces(history, &listing->span, &query, NULL, &listing->in_window);
    query = (struct history_query){.kinds = HISTORY_APP_KINDS, .to_ns = listing->query->until_ns, .work = listing->query->work};
    if (error == 0 && app_id) error = mark_traces(history, &listing->span, &query, app_id, &listing->of_app);
    if (error == 0 && listing->query->kind != HISTORY_TRACES_ALL)
        error = mark_traces(history, &listing->span, &query, NULL, &listing->requests);
    if (error < 0) return error;
    high = history__load32(&history->traces.high);
    for (uint32_t from = 1; from < high && error == 0; from += ENTRIES_A_LOCK) {
        grace_read_lock();
        for (uint32_t index = from; index < high && index < from + ENTRIES_A_LOCK; index++) list_entry(listing, index);
        grace_read_unlock();
        if (listing->sift) error = sift_traces(listing);
    }
    candidates_cut(&listing->candidates);
    return error;
}

/* ---- traces: what is shown ----------------------------------------------------------------------------------------------- */

int history_traces_compare(const void *a, const void *b, void *order) {
    const struct history_trace *x = a, *y = b;
    enum history_trace_order by = *(const enum history_trace_order *)order;
    return rank_compare(rank(by, x), &x->trace_id, rank(by, y), &y->trace_id);
}

/* Fills the summaries of the chosen; drops those that were evicted meanwhile. */
static int fill_traces(struct listing *listing, struct history_trace **ret_traces, size_t *ret_count) {
    const struct candidates *candidates = &listing->candidates;
    struct history_trace *traces = calloc(candidates->count > 0 ? candidates->count : 1, sizeof *traces);
    enum history_trace_order order = listing->query->order;
    size_t count = 0, kept = 0;

    if (!traces) return -ENOMEM;
    for (size_t i = 0; i < candidates->count; i++) {
        const struct candidate *candidate = &candidates->list[i];
        int error = history__trace_gather(listing->history, &candidate->span, &candidate->id, NULL, listing->query->who,
                                          listing->query->work, &traces[count]);
        if (error == 0) error = history_work_check(listing->query->work);
        if (error < 0) {
            free(traces);
            return error;
        }
        traces[count].truncated = candidate->truncated;
        if (traces[count].events > 0) count++;
    }
    if (count > 0) qsort_r(traces, count, sizeof *traces, history_traces_compare, &order);
    for (size_t i = 0; i < count; i++) { /* an entry that died and was revived was listed twice */
        if (kept > 0 && history__id_equal(&traces[kept - 1].trace_id, &traces[i].trace_id)) continue;
        if (kept != i) traces[kept] = traces[i];
        kept++;
    }
    *ret_traces = traces;
    *ret_count = kept;
    return 0;
}

int history_traces(struct history *history, const struct history_traces_query *query, struct history_trace **ret_traces,
                   size_t *ret_count, size_t *ret_total) {
    struct listing listing = {.history = history,
                              .query = query,
                              .span = history__span(history),
                              .sift = query->test != NULL || query->order != HISTORY_TRACES_NEWEST || query->until_ns != 0};
    struct candidates *candidates = &listing.candidates;
    int error = history->backed != NULL ? history__backed_directories(history) : 0;

    if (error < 0) return error;
    error = -ENOMEM;
    listing.span.until_ns = query->until_ns;
    candidates->limit = query->limit < history->traces.capacity ? query->limit : history->traces.capacity;
    candidates->capacity = 2 * candidates->limit + (listing.sift ? ENTRIES_A_LOCK : 0);
    candidates->list = calloc(candidates->capacity + 1, sizeof *candidates->list);
    if (!candidates->list) goto out;
    error = list_traces(&listing);
    if (error < 0) goto out;
    error = fill_traces(&listing, ret_traces, ret_count);
    if (error == 0 && ret_total) *ret_total = candidates->total;
out:
    free(listing.last_ns);
    free(candidates->list);
    free(listing.of_app);
    free(listing.requests);
    free(listing.in_window);
    return error;
}
