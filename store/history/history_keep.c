/* SPDX-License-Identifier: MIT
 *
 * See store/history_keep.h.
 *
 * Two threads share the work.  The judging thread reads the history like any other reader and keeps a list of the traces that
 * stay.  It writes its decision into the tallies of the trace, in each segment where the trace has events.  When the ingest
 * thread retires a segment, it looks only at these decisions.  The copy of an event carries the decision into the tally of its
 * new segment, so that a trace stays even if the judging thread is late.
 *
 * Whenever a segment is opened or retired, and the next one may be retired before the newest is full, the judging thread is
 * asked to judge the two oldest. */
#include "history_keep.h"
#include "history_kept.h"
#include "history_trace.h"

#include <errno.h>
#include <stdlib.h>

/* Segments that are judged ahead of the oldest. */
#define AHEAD 2
/* The list may hold more than finally stays. */
#define LIST_MAX (2 * HISTORY_KEEP_TRACES_MAX)
#define TRACES_A_LOCK 512U
/* The most attempts to gather a trace whose events are being moved. */
#define GATHER_TRIES 3
/* In units of struct history_work: what a test may take for each event, on average. */
#define TEST_WORK 128
/* What gathering a trace takes for each event, when each is of another peer and begins or ends a span. */
#define GATHER_BYTES 256

struct kept_trace {
    struct trace_id id;
    uint32_t entry; /* in the directory of traces */
    uint32_t node;  /* that began it */
    uint64_t last_ns, events;
};

struct history_keep {
    void (*due)(void *arg);
    void *arg;
    uint64_t events_max;
    size_t bytes;
    _Atomic uint64_t asked;  /* segments before this number must be judged; written by the ingest thread */
    _Atomic uint64_t judged; /* segments before this number have been; written by the judging thread */
    _Atomic uint64_t traces, events, given_up, unjudged, events_lost;
    uint64_t bits[HISTORY_SEGMENT_EVENTS / 64]; /* the ingest thread's: events of kept traces */

    /* The judging thread's. */
    struct kept_trace list[LIST_MAX];
    uint32_t count;
    uint64_t needed;                       /* what all traces in the list count for */
    uint64_t needed_by[HISTORY_NODES_MAX]; /* scratch of make_fit */
    uint32_t *place_of;                    /* by directory entry: place in the list + 1, or 0 */
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static size_t places_bytes(const struct history *history) { return (history->traces.capacity + 1) * sizeof(uint32_t); }

size_t history_keep_bytes(const struct history *history) { return sizeof(struct history_keep) + places_bytes(history); }

size_t history_keep_judge_bytes(const struct history *history) {
    return history__eighth(history->segments_max) / 4 * GATHER_BYTES;
}

int history_keep_begin(struct history *history, void (*due)(void *arg), void *arg) {
    struct history_keep *keep;

    if (!history->share) return -EINVAL;
    keep = calloc(1, history_keep_bytes(history));
    if (!keep) return -ENOMEM;
    keep->due = due;
    keep->arg = arg;
    keep->events_max = history__eighth(history->segments_max);
    keep->place_of = (uint32_t *)(keep + 1);
    history->keep = keep;
    return 0;
}

void history__keep_end(struct history *history) { free(history->keep); }

bool history_keep_stats(const struct history *history, struct history_keep_stats *ret_stats) {
    const struct history_keep *keep = history->keep;

    if (!keep) return false;
    *ret_stats = (struct history_keep_stats){
        .traces = history__load(&keep->traces),
        .events = history__load(&keep->events),
        .events_max = keep->events_max,
        .given_up = history__load(&keep->given_up),
        .unjudged = history__load(&keep->unjudged),
        .events_lost = history__load(&keep->events_lost),
    };
    return true;
}

/* ---- the ingest thread -------------------------------------------------------------------------------------------------- */

/* May the oldest segment be retired before another one is opened? */
static bool goes_soon(const struct history *history, uint64_t oldest) {
    if (oldest > 0 || history__load32(&history->live) + 2 >= history->segments_max) return true;
    return history->traces.capacity - history->traces.used < HISTORY_SEGMENT_EVENTS + HISTORY_SEGMENT_EVENTS / 2;
}

void history__keep_post(struct history *history) {
    struct history_keep *keep = history->keep;
    uint64_t oldest = history_begin_position(history) / HISTORY_SEGMENT_EVENTS, behind = oldest + AHEAD;

    if (!keep || !goes_soon(history, oldest)) return;
    if (behind > history->newest->number) behind = history->newest->number;
    if (behind <= history__load(&keep->asked)) return;
    history__store(&keep->asked, behind); /* relaxed: what is judged is read as by any reader */
    keep->due(keep->arg);
}

const uint64_t *history__keep_collect(struct history *history, const struct segment *segment) {
    struct history_keep *keep = history->keep;
    bool any = false;

    if (!keep) return NULL;
    if (segment->number >= history__load(&keep->judged)) history__add(&keep->unjudged, segment->trace_count);
    memset(keep->bits, 0, sizeof keep->bits);
    for (uint32_t i = 0; i < segment->trace_count; i++) {
        const struct trace_tally *tally = &segment->traces[i];
        struct chain chain;
        uint32_t index;
        if (history__kept_load(tally) != TRACE_KEPT) continue;
        any = true;
        for (history__chain_begin(&chain, &tally->head, segment->trace_links); history__chain_next(&chain, &index);)
            history__bit_set(keep->bits, index);
    }
    return any ? keep->bits : NULL;
}

void history__keep_copied(const struct history *history, const struct trace_id *id) {
    bool whole = true;
    struct trace_tally *tally = history__find_trace(history->newest, id, history__hash_trace(history, id), &whole);

    if (tally) history__kept_store(tally, TRACE_KEPT);
}

void history__keep_lost(struct history *history, uint32_t count) { history__add(&history->keep->events_lost, count); }

/* ---- the list ----------------------------------------------------------------------------------------------------------- */

static uint64_t need_of(const struct history_keep *keep, const struct kept_trace *trace) {
    uint64_t least = keep->events_max / HISTORY_KEEP_TRACES_MAX;
    return trace->events > least ? trace->events : least;
}

static bool list_has(const struct history_keep *keep, const struct trace_id *id, uint32_t entry) {
    uint32_t place = keep->place_of[entry];
    return place != 0 && history__id_equal(&keep->list[place - 1].id, id);
}

static void list_add(struct history_keep *keep, const struct kept_trace *trace) {
    keep->needed += need_of(keep, trace);
    keep->list[keep->count] = *trace;
    keep->place_of[trace->entry] = ++keep->count;
}

/* For the current trace of the entry, even if the entry was reused for another one.  Does nothing if it has none. */
static void list_remove(struct history_keep *keep, uint32_t entry) {
    uint32_t place = keep->place_of[entry];
    struct kept_trace *trace, *last;

    if (place == 0) return;
    trace = &keep->list[place - 1];
    keep->needed -= need_of(keep, trace);
    last = &keep->list[--keep->count];
    *trace = *last;
    keep->place_of[last->entry] = place;
    keep->place_of[entry] = 0;
}

/* Is the trace of this directory entry in the history?  Then *ret_span is where its events are.  Inside rcu_read_lock(). */
static bool find_entry(const struct history *history, const struct trace_id *id, uint32_t index, struct history_span *ret_span,
                       bool *ret_truncated) {
    const struct trace_entry *entry = history__trace_entry(history, index);
    struct history_span span = history__span(history);

    if (!history__entry_alive(&entry->entry, span.begin) || !history__id_equal(&entry->id, id)) return false;
    *ret_truncated = history__entry_truncated(&entry->entry, span.begin);
    *ret_span = history__entry_span(&entry->entry, &span);
    return true;
}

/* Writes a decision into the trace's tallies. */
static void decide(const struct history *history, const struct kept_trace *trace, enum trace_kept kept) {
    struct history_span span;
    bool truncated, found;

    grace_read_lock();
    found = find_entry(history, &trace->id, trace->entry, &span, &truncated);
    grace_read_unlock();
    if (!found) return;
    uint64_t hash = history__hash_trace(history, &trace->id);
    for (uint64_t n = span.begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < span.end; n++) {
        const struct segment *segment;
        struct trace_tally *tally;
        bool whole = true;
        grace_read_lock();
        segment = history__segment_bounds(history, n);
        tally = segment != NULL ? history__find_trace(segment, &trace->id, hash, &whole) : NULL;
        if (tally) history__kept_store(tally, kept);
        grace_read_unlock();
    }
}

/* Drops traces from the list that have left the history because this thread was late. */
static void forget_gone(const struct history *history, struct history_keep *keep) {
    for (uint32_t i = keep->count; i-- > 0;) {
        const struct kept_trace *trace = &keep->list[i];
        struct history_span span;
        bool truncated, found;
        grace_read_lock();
        found = find_entry(history, &trace->id, trace->entry, &span, &truncated);
        grace_read_unlock();
        if (!found) list_remove(keep, trace->entry);
    }
}

static void give_up(const struct history *history, struct history_keep *keep, const struct kept_trace *trace) {
    decide(history, trace, TRACE_KEPT_NO_MORE);
    history__add(&keep->given_up, 1);
}

/* The limit per node that keeps the total within events_max.  needed_by is filled. */
static uint64_t level(const struct history_keep *keep) {
    uint64_t low = 0, high = keep->events_max;

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2, sum = 0;
        for (uint32_t i = 0; i < HISTORY_NODES_MAX; i++) sum += keep->needed_by[i] < middle ? keep->needed_by[i] : middle;
        if (sum <= keep->events_max)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Orders by end, earliest first. */
static int compare_ends(const void *a, const void *b) {
    const struct kept_trace *x = a, *y = b;
    if (x->last_ns != y->last_ns) return x->last_ns < y->last_ns ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, sizeof x->id.bytes);
}

/* Gives up the traces that have no room. */
static void make_fit(const struct history *history, struct history_keep *keep) {
    uint32_t count = keep->count;
    uint64_t most;

    if (keep->needed <= keep->events_max) return;
    memset(keep->needed_by, 0, sizeof keep->needed_by);
    for (uint32_t i = 0; i < count; i++) {
        keep->needed_by[keep->list[i].node] += need_of(keep, &keep->list[i]);
        keep->place_of[keep->list[i].entry] = 0;
    }
    most = level(keep);
    qsort(keep->list, count, sizeof *keep->list, compare_ends);
    keep->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct kept_trace trace = keep->list[i];
        uint64_t need = need_of(keep, &trace);
        if (keep->needed_by[trace.node] > most) {
            keep->needed_by[trace.node] -= need;
            keep->needed -= need;
            give_up(history, keep, &trace);
            continue;
        }
        keep->list[keep->count] = trace;
        keep->place_of[trace.entry] = ++keep->count;
    }
}

static void publish(struct history_keep *keep) {
    uint64_t events = 0;

    for (uint32_t i = 0; i < keep->count; i++) events += keep->list[i].events;
    history__store(&keep->traces, keep->count);
    history__store(&keep->events, events);
}

/* ---- judging ------------------------------------------------------------------------------------------------------------ */

struct judging {
    struct history *history;
    const struct history_trace_test *test;
    struct history_work *work;
};

/* Is the trace wanted?  Returns 1, 0, or a negative errno as history__trace_gather.  If events moved meanwhile, some may have
 * been missed: then it tries again. */
static int is_wanted(const struct judging *judging, const struct trace_id *id, uint32_t index, struct history_trace *ret_trace) {
    struct history *history = judging->history;
    int wanted = 0;

    for (unsigned tries = 0; tries < GATHER_TRIES; tries++) {
        uint64_t moves = history__load(&history->moves);
        struct history_span span;
        bool found, truncated;
        int error;
        grace_read_lock();
        found = find_entry(history, id, index, &span, &truncated);
        grace_read_unlock();
        if (!found) return 0;
        judging->work->done = 0;
        error = history__trace_gather(history, &span, id, judging->test, NULL, judging->work, ret_trace);
        if (error == 0) error = history_work_check(judging->work);
        ret_trace->truncated = truncated;
        /* The test has seen events: this call makes it forget them, whatever it returns. */
        wanted = judging->test->keep(judging->test->context, ret_trace) && ret_trace->events > 0;
        if (error < 0) return error;
        if (history__load(&history->moves) == moves)
            break; /* relaxed: a segment that is gone was missed with ring:A, after gone:R */
    }
    return wanted;
}

static uint32_t node_of(const struct history_trace *trace) {
    return trace->has_root ? trace->root_node : trace->node_count > 0 ? trace->nodes[0] : 0;
}

/* A trace of a segment that will be retired soon. */
struct judged {
    struct trace_id id;
    uint32_t entry;
    bool kept; /* according to its tally there */
};

/* Its tally may say "kept" although it is no longer in the list, because the ingest thread copied it during that decision.  So
 * it is judged again; otherwise it would stay forever. */
static int judge_trace(const struct judging *judging, const struct judged *judged) {
    struct history *history = judging->history;
    struct history_keep *keep = history->keep;
    bool known = list_has(keep, &judged->id, judged->entry), truncated, found;
    struct kept_trace trace = {.id = judged->id, .entry = judged->entry};
    struct history_span span;
    struct history_trace summary;
    int wanted;

    grace_read_lock();
    found = find_entry(history, &trace.id, trace.entry, &span, &truncated);
    grace_read_unlock();
    if (!found) return 0;
    wanted = truncated && !known ? 0 : is_wanted(judging, &trace.id, trace.entry, &summary);
    if (wanted == -ECANCELED || wanted == -ENOMEM) return wanted;
    list_remove(keep, trace.entry);
    if (wanted == -E2BIG || (wanted == 1 && summary.events > keep->events_max / 4)) {
        give_up(history, keep, &trace);
    } else if (wanted == 1) {
        trace.node = node_of(&summary);
        trace.last_ns = summary.last_ns;
        trace.events = summary.events;
        decide(history, &trace, TRACE_KEPT);
        list_add(keep, &trace);
        if (keep->count == LIST_MAX) make_fit(history, keep);
    } else if (known || judged->kept) {
        decide(history, &trace, TRACE_KEPT_NOT);
    }
    return 0;
}

struct some_traces {
    struct judged list[TRACES_A_LOCK];
    uint32_t count;
};

/* The traces of a segment from number `first` on.  Returns how many numbers it has examined: 0 at the end, or if the segment is
 * gone. */
static uint32_t take_some(const struct history *history, uint64_t number, uint32_t first, struct some_traces *out) {
    const struct segment *segment;
    uint32_t count = 0, seen = 0;

    out->count = 0;
    grace_read_lock();
    segment = history__segment_bounds(history, number);
    if (segment) count = atomic_load_explicit(&segment->traces_published, memory_order_acquire); /* traces:A */
    for (uint32_t i = first; i < count && seen < TRACES_A_LOCK; i++, seen++) {
        const struct trace_tally *tally = &segment->traces[i];
        enum trace_kept kept = history__kept_load(tally);
        if (kept != TRACE_KEPT_NO_MORE) out->list[out->count++] = (struct judged){tally->id, tally->entry, kept == TRACE_KEPT};
    }
    grace_read_unlock();
    return seen;
}

static int judge_segment(const struct judging *judging, uint64_t number) {
    struct some_traces some;
    int error = 0;

    for (uint32_t first = 0, seen; error == 0 && (seen = take_some(judging->history, number, first, &some)) > 0; first += seen)
        for (uint32_t i = 0; i < some.count && error == 0; i++) error = judge_trace(judging, &some.list[i]);
    return error;
}

int history_keep_judge(struct history *history, const struct history_trace_test *test, struct history_work *work) {
    struct history_keep *keep = history->keep;
    const struct judging judging = {history, test, work};
    int error = 0;

    work->max = keep->events_max / 4 * (HISTORY_WORK_EVENT + TEST_WORK);
    while (error != -ECANCELED && history__load(&keep->judged) < history__load(&keep->asked)) {
        uint64_t number = history__load(&keep->judged), oldest = history_begin_position(history) / HISTORY_SEGMENT_EVENTS;
        forget_gone(history, keep);
        /* Out of memory: the rest of its traces count as unjudged. */
        error = number < oldest ? 0 : judge_segment(&judging, number);
        make_fit(history, keep);
        publish(keep);
        if (error == -ENOMEM) break;
        history__store(&keep->judged, number + 1); /* relaxed: the decisions are hints by themselves */
    }
    return error == -ECANCELED ? error : 0;
}
