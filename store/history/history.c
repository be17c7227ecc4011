/* SPDX-License-Identifier: MIT
 *
 * The history's segments: their memory, appending, positions, retiring.
 *
 * Invariants
 *   - The newest segment always exists; at least one other block of memory is spare or on its way through a grace period
 *     whenever the newest is full, so that appending waits only for readers that hold the RCU read lock for that long.
 *   - Segments are reachable in the order of their numbers without a gap: begin ... newest.
 *   - bytes_max is never exceeded: one arena, allocated and touched at create; only answers are allocated later.
 *
 * history_reserve and history_append belong to one thread, the ingest thread. */
#include "history_keep.h"
#include "history_kept.h"
#include "history_share.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define HUGE_PAGE_BYTES ((size_t)2 << 20)

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

/* The memory of a history of that many segments. */
struct budget {
    uint32_t segments_max;
    uint32_t traces_max, peers_max;
    uint32_t chunks_max;
    size_t bytes;
};

static size_t line_up(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

#define SEGMENT_BYTES_(events)                                                                                              \
    ((events) * (sizeof(struct trace_event) + sizeof(history_source) + sizeof(struct trace_tally) + 3 * sizeof(uint16_t)) + \
     2 * TABLE_SLOTS * sizeof(uint32_t) + BLOCKS * sizeof(struct block))

/* The worst case (each event with a trace and a peer of its own) would double the memory.  So the pools have room for one trace
 * per 4 events, one peer per 64, and one peer per 16 that is new in its segment; but always for two segments whose events all
 * have their own trace, and for one whose events all have their own peer.  With more peers, rare ones get no tally; with more
 * traces, the oldest segment is retired early. */
static void budget_for(uint32_t segments_max, bool shares, struct budget *ret_budget) {
    size_t events_max = (size_t)(segments_max - 1) * HISTORY_SEGMENT_EVENTS, bytes = HUGE_PAGE_BYTES;
    uint32_t traces_max = 2 * HISTORY_SEGMENT_EVENTS, peers_max = HISTORY_SEGMENT_EVENTS, chunks_max = SEGMENT_CHUNKS;
    unsigned bits;

    if (events_max / 4 > traces_max) traces_max = (uint32_t)(events_max / 4);
    if (events_max / 64 > peers_max) peers_max = (uint32_t)(events_max / 64);
    if (events_max / 16 / CHUNK_PEERS > chunks_max) chunks_max = (uint32_t)(events_max / 16 / CHUNK_PEERS);

    bytes += line_up(segments_max * sizeof(struct segment)) + line_up(segments_max * sizeof(struct segment *));
    bytes += segments_max * SEGMENT_BYTES_((size_t)HISTORY_SEGMENT_EVENTS);
    bits = history__directory_bits(traces_max);
    bytes += line_up((traces_max + 1) * sizeof(struct trace_entry));
    bytes += history__directory_slot_bytes(bits, 0) + history__directory_slot_bytes(bits, 1);
    bits = history__directory_bits(peers_max);
    bytes += line_up((peers_max + 1) * sizeof(struct peer_entry));
    bytes += history__directory_slot_bytes(bits, 0) + history__directory_slot_bytes(bits, 1);
    bytes += (size_t)chunks_max * CHUNK_PEERS * sizeof(struct peer_tally) + line_up(chunks_max * sizeof(struct peer_tally *));
    if (shares) bytes += line_up(history__share_bytes(segments_max)) + segments_max * line_up(HISTORY_SEGMENT_EVENTS / 8);
    bytes += sizeof(struct history);

    *ret_budget = (struct budget){segments_max, traces_max, peers_max, chunks_max, bytes};
}

/* The largest that fits. */
static int budget_find(size_t bytes_max, bool shares, struct budget *ret_budget) {
    struct budget budget;
    uint32_t low = SEGMENTS_MIN, high = SEGMENTS_MAX;

    budget_for(low, shares, &budget);
    if (budget.bytes > bytes_max) return -EINVAL;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        budget_for(middle, shares, &budget);
        if (budget.bytes <= bytes_max)
            low = middle;
        else
            high = middle - 1;
    }
    budget_for(low, shares, ret_budget);
    return 0;
}

static void *carve(char **cursor, size_t bytes) {
    char *place = *cursor;
    *cursor += line_up(bytes);
    return place;
}

static void carve_segment(struct segment *segment, char **cursor) {
    segment->events = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->events);
    segment->sources = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->sources);
    segment->traces = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->traces);
    segment->trace_links = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->trace_links);
    segment->peer_links = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->peer_links);
    segment->peer_numbers = carve(cursor, HISTORY_SEGMENT_EVENTS * sizeof *segment->peer_numbers);
    segment->by_trace.slots = carve(cursor, TABLE_SLOTS * sizeof *segment->by_trace.slots);
    segment->by_peer.slots = carve(cursor, TABLE_SLOTS * sizeof *segment->by_peer.slots);
    segment->blocks = carve(cursor, BLOCKS * sizeof *segment->blocks);
}

static uint64_t hash_of_trace(const struct history *history, const void *id) { return history__hash_trace(history, id); }
static uint64_t hash_of_peer(const struct history *history, const void *id) { return history__hash_peer(history, id); }

static void carve_directory(struct directory *directory, uint32_t capacity, size_t entry_bytes, char **cursor,
                            uint64_t (*hash_of)(const struct history *history, const void *id)) {
    unsigned bits = history__directory_bits(capacity);
    void *entries = carve(cursor, (capacity + 1) * entry_bytes);
    void *even = carve(cursor, history__directory_slot_bytes(bits, 0));
    void *odd = carve(cursor, history__directory_slot_bytes(bits, 1));
    history__directory_init(directory, capacity, entries, entry_bytes, even, odd, hash_of);
}

/* shares: there is memory for them. */
static int arena_take(struct history *history, const struct budget *budget, bool shares) {
    char *cursor;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | (history->lazy ? MAP_NORESERVE : 0);
    void *arena = mmap(NULL, budget->bytes - sizeof *history, PROT_READ | PROT_WRITE, flags, -1, 0);

    if (arena == MAP_FAILED) return -ENOMEM;
    history->arena = arena;
    history->arena_bytes = budget->bytes - sizeof *history;
    if (history->lazy) {
        (void)madvise(arena, history->arena_bytes, MADV_NOHUGEPAGE); /* page by page, as events come */
    } else {
        (void)madvise(arena, history->arena_bytes, MADV_HUGEPAGE); /* only a hint */
        memset(arena, 0, history->arena_bytes);                    /* touched, so that it is resident, as promised */
    }

    cursor = arena;
    history->segments_max = budget->segments_max;
    history->segments = carve(&cursor, budget->segments_max * sizeof *history->segments);
    history->ring = carve(&cursor, budget->segments_max * sizeof *history->ring);
    carve_directory(&history->traces, budget->traces_max, sizeof(struct trace_entry), &cursor, hash_of_trace);
    carve_directory(&history->peers, budget->peers_max, sizeof(struct peer_entry), &cursor, hash_of_peer);
    history->chunks_max = history->chunks_free_count = budget->chunks_max;
    history->peer_tallies = carve(&cursor, (size_t)budget->chunks_max * CHUNK_PEERS * sizeof *history->peer_tallies);
    history->chunks_free = carve(&cursor, budget->chunks_max * sizeof *history->chunks_free);
    for (uint32_t i = 0; i < budget->chunks_max; i++)
        history->chunks_free[i] = &history->peer_tallies[(size_t)(budget->chunks_max - 1 - i) * CHUNK_PEERS];
    for (uint32_t i = budget->segments_max; i-- > 0;) {
        struct segment *segment = &history->segments[i];
        carve_segment(segment, &cursor);
        if (shares) segment->kept = carve(&cursor, HISTORY_SEGMENT_EVENTS / 8);
        segment->capacity = HISTORY_SEGMENT_EVENTS;
        segment->chunks[0] = history->peer_tallies; /* an empty slot has its tally read, too, but not used */
        segment->next = history->spare;
        history->spare = segment;
    }
    if (shares) {
        history->share = carve(&cursor, history__share_bytes(budget->segments_max));
        history__share_init(history->share, budget->segments_max);
    }
    assert((size_t)(cursor - (char *)arena) <= history->arena_bytes);
    return 0;
}

/* ---- the reclaimer ------------------------------------------------------------------------------------------------------ */

static void *reclaimer_main(void *arg) {
    struct history *history = arg;

    pthread_mutex_lock(&history->lock);
    for (;;) {
        struct segment *segments, *last;
        while (!history->retired && !history->stop) pthread_cond_wait(&history->work, &history->lock);
        if (!history->retired) break;
        segments = history->retired;
        history->retired = NULL;
        pthread_mutex_unlock(&history->lock);

        grace_wait();

        pthread_mutex_lock(&history->lock);
        for (last = segments; last->next != NULL;) last = last->next;
        last->next = history->idle;
        history->idle = segments;
        pthread_cond_signal(&history->done);
    }
    pthread_mutex_unlock(&history->lock);
    return NULL;
}

/* Signals go to the threads that expect them. */
static int reclaimer_start(struct history *history) {
    sigset_t all, before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&history->reclaimer, NULL, reclaimer_main, history);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

/* Frees a segment and everything attached to it. */
static void reclaim_segment(struct history *history, struct segment *segment) {
    history__directory_free(&history->traces, segment->swept_traces);
    history__directory_free(&history->peers, segment->swept_peers);
    segment->swept_traces = segment->swept_peers = 0;
    while (segment->chunk_count > 0) history->chunks_free[history->chunks_free_count++] = segment->chunks[--segment->chunk_count];
    segment->next = history->spare;
    history->spare = segment;
    history->in_grace--;
}

/* Takes back what has passed its grace period; if asked to wait, at least one segment. */
static void reclaim(struct history *history, bool wait) {
    struct segment *segment;

    if (history->in_grace == 0) return;
    pthread_mutex_lock(&history->lock);
    while (wait && !history->idle) pthread_cond_wait(&history->done, &history->lock);
    segment = history->idle;
    history->idle = NULL;
    pthread_mutex_unlock(&history->lock);
    while (segment) {
        struct segment *next = segment->next;
        reclaim_segment(history, segment);
        segment = next;
    }
}

/* ---- segments ----------------------------------------------------------------------------------------------------------- */

/* Hands a segment that readers can no longer find to the reclaimer, together with the swept entries. */
static void send_through_grace(struct history *history, struct segment *segment) {
    segment->swept_traces = history->traces.swept;
    segment->swept_peers = history->peers.swept;
    history->traces.swept = history->peers.swept = 0;
    history->in_grace++;
    if (history->lazy) { /* there is no reclaimer */
        grace_wait();
        segment->next = history->idle;
        history->idle = segment;
        return;
    }
    pthread_mutex_lock(&history->lock);
    segment->next = history->retired;
    history->retired = segment;
    pthread_cond_signal(&history->work);
    pthread_mutex_unlock(&history->lock);
}

/* The number of directory entries per segment that examines all of them in one turnover of the history. */
static void sweep_some(struct history *history, struct directory *directory) {
    uint32_t count = history__load32(&directory->high) / (history->segments_max - 1) + 256;
    history__directory_sweep(history, directory, count, UINT32_MAX);
}

/* end:R  Publishes the events, their links, heads and bounds.  Pairs with end:A.
 * Without it a reader takes an event that is still being written. */
static void publish_end(struct history *history) {
    atomic_store_explicit(&history->end, history->newest->number * HISTORY_SEGMENT_EVENTS + history->filled,
                          memory_order_release);
}

/* Hides the oldest segment from new readers and sends it through a grace period.  First the events that its nodes' shares keep
 * are copied after the newest event.  squeeze: as history__share_choose. */
static void retire_oldest(struct history *history, unsigned squeeze) {
    uint64_t number = history_begin_position(history) / HISTORY_SEGMENT_EVENTS, moves = history__load(&history->moves);
    struct segment *segment = history__segment(history, number);

    assert(segment != NULL && segment != history->newest);
    if (history->share && history__share_choose(history, segment, squeeze) > 0) history__share_copy(history, segment);
    /* moves:R  The odd number comes before both positions, and the even one after them.  Pairs with moves:A.  Without it a reader
     * sees an event in both places, or in none. */
    history__store(&history->moves, moves + 1);
    atomic_store_explicit(&history->begin, (number + 1) * HISTORY_SEGMENT_EVENTS, memory_order_release);
    publish_end(history);
    history__greatest(&history->gone_ns, history__load(&segment->bounds.max_ns));
    atomic_store_explicit(&history->moves, moves + 2, memory_order_release);
    /* gone:R  Comes after the moves.  Pairs with ring:A.  Without it a reader finds no segment, and does not notice that its
     * events have moved.  The grace period orders it before the segment's next life. */
    atomic_store_explicit(&history->ring[number % history->segments_max], NULL, memory_order_release);
    history__store32(&history->live, history__load32(&history->live) - 1);
    sweep_some(history, &history->traces);
    sweep_some(history, &history->peers);
    send_through_grace(history, segment);
    history__keep_post(history);
}

/* Makes the spare segment the newest. */
static void open_segment(struct history *history) {
    struct segment *segment = history->spare, *before = history->newest;
    uint64_t number = before ? before->number + 1 : 0;

    history->spare = segment->next;
    segment->number = number;
    segment->next = NULL;
    segment->trace_count = segment->peer_count = 0;
    history__table_clear(&segment->by_trace, before ? before->by_trace.used : 0);
    history__table_clear(&segment->by_peer, before ? before->by_peer.used : 0);
    memset((void *)segment->blocks, 0, BLOCKS * sizeof *segment->blocks);
    for (unsigned i = 0; i < BLOCKS; i++) history__store(&segment->blocks[i].min_ns, UINT64_MAX);
    segment->bounds = (struct block){.min_ns = UINT64_MAX};
    history__store32(&segment->traces_published, 0);
    history__store32(&segment->peers_published, 0);
    history__store32(&segment->rare, 0);
    memset(history->seen_once, 0, sizeof history->seen_once);
    if (segment->kept) {
        segment->kept_before = before ? before->kept_before + history__load32(&before->kept_count) : 0;
        history__store32(&segment->kept_count, 0);
        memset((void *)segment->kept, 0, HISTORY_SEGMENT_EVENTS / 8);
    }

    /* ring:R  Publishes the segment, empty.  Pairs with ring:A. */
    atomic_store_explicit(&history->ring[number % history->segments_max], segment, memory_order_release);
    history__store32(&history->live, history__load32(&history->live) + 1);
    history->newest = segment;
    history->filled = 0;
    history__keep_post(history);
}

bool history__open_next(struct history *history) {
    while (!history->spare && history->in_grace > 0) reclaim(history, true);
    if (!history->spare) return false;
    open_segment(history);
    return true;
}

/* The newest segment is full (or there is none): begins the next.  Retires the oldest if no other memory is left, so that its
 * grace period passes while the new one fills. */
static void rotate(struct history *history) {
    reclaim(history, false);
    while (!history->spare) {
        if (history->in_grace == 0) retire_oldest(history, 0);
        reclaim(history, true);
    }
    open_segment(history);
    if (!history->spare && history->in_grace == 0) retire_oldest(history, 0);
}

/* Does the directory of traces have room for that many events in the worst case?  There may be more peers than there is room
 * for. */
static bool entries_suffice(const struct history *history, uint32_t events) {
    return history->traces.capacity - history->traces.used >= events;
}

/* Retires the oldest segment although there is memory for more. */
static void retire_early(struct history *history, unsigned squeeze) {
    uint64_t before = history__share_kept(history);
    retire_oldest(history, squeeze);
    history__add(&history->early, HISTORY_SEGMENT_EVENTS - (history__share_kept(history) - before));
}

/* Makes room in the directory: first sweeps all dead entries, then, if that is not enough, retires the oldest segment.  The
 * newest alone never needs more than there is, so this ends. */
static void make_room(struct history *history, uint32_t events) {
    bool swept = false;
    unsigned squeeze = 0; /* if each kept event has its own trace, shares must not hold all entries */

    for (reclaim(history, false); !entries_suffice(history, events); reclaim(history, true)) {
        if (history->in_grace > 0) continue; /* what comes back may be enough */
        if (swept) {
            retire_early(history, squeeze < 63 ? squeeze++ : squeeze);
        } else {
            struct segment *segment = history->spare; /* for its grace period; live segments leave at least one */
            assert(segment != NULL);
            history->spare = segment->next;
            history__directory_sweep(history, &history->traces, UINT32_MAX, HISTORY_SEGMENT_EVENTS);
            history__directory_sweep(history, &history->peers, UINT32_MAX, HISTORY_SEGMENT_EVENTS);
            send_through_grace(history, segment);
        }
        swept = !swept;
    }
}

struct trace_event *history_reserve(struct history *history, uint32_t *ret_room) {
    uint32_t room;

    for (;; make_room(history, room)) {
        /* kept events may fill it at once */
        while (!history->newest || history->filled == HISTORY_SEGMENT_EVENTS) rotate(history);
        room = HISTORY_SEGMENT_EVENTS - history->filled;
        if (room > RESERVE_MAX) room = RESERVE_MAX;
        if (entries_suffice(history, room)) break;
    }
    history->reserved = room;
    *ret_room = room;
    return &history->newest->events[history->filled];
}

void history_watch(struct history *history, uint16_t kind,
                   void (*seen)(void *arg, const struct trace_event *event, history_source source), void *arg) {
    assert(kind < 63);
    history->watch.kind_bit = history__kind_bit(kind);
    history->watch.seen = seen;
    history->watch.arg = arg;
}

/* The blocks say which kinds are in them, so that events of other kinds cost nothing. */
static void show_watched(const struct history *history, uint32_t first, uint32_t behind, history_source source) {
    const struct segment *segment = history->newest;

    for (uint32_t block = first / BLOCK_EVENTS; block * BLOCK_EVENTS < behind; block++) {
        uint32_t from = block * BLOCK_EVENTS, to = from + BLOCK_EVENTS;
        if ((history__load(&segment->blocks[block].kinds) & history->watch.kind_bit) == 0) continue;
        if (from < first) from = first;
        if (to > behind) to = behind;
        for (uint32_t i = from; i < to; i++)
            if (history__kind_bit(segment->events[i].kind) == history->watch.kind_bit)
                history->watch.seen(history->watch.arg, &segment->events[i], source);
    }
}

void history_append(struct history *history, uint32_t count, history_source source) {
    assert(count <= history->reserved);
    assert(history_source_node(source) < HISTORY_NODES_MAX);
    history->reserved = 0;
    if (count == 0) return;
    history__index(history, history->newest, history->filled, count, source);
    if (history->watch.kind_bit) show_watched(history, history->filled, history->filled + count, source);
    if (history->share) history__share_note(history, history_source_node(source), count);
    history->filled += count;
    publish_end(history);
}

/* ---- positions ---------------------------------------------------------------------------------------------------------- */

uint64_t history_end_position(const struct history *history) {
    /* end:A  Pairs with end:R. */
    return atomic_load_explicit(&history->end, memory_order_acquire);
}

uint64_t history_begin_position(const struct history *history) { return history__load(&history->begin); }

struct history_span history__span(const struct history *history) {
    struct history_span span = {0};
    uint64_t moves;

    do {
        /* moves:A  Pairs with moves:R. */
        while ((moves = atomic_load_explicit(&history->moves, memory_order_acquire)) & 1) caa_cpu_relax();
        span.begin = atomic_load_explicit(&history->begin, memory_order_acquire);
        span.end = history_end_position(history);
    } while (history__load(&history->moves) != moves); /* relaxed: both loads before it are acquires */
    return span;
}

bool history_at(const struct history *history, uint64_t position, struct history_item *ret_item) {
    struct segment *segment;
    uint32_t index = position % HISTORY_SEGMENT_EVENTS;

    if (position >= history_end_position(history)) return false;
    segment = history__segment(history, position / HISTORY_SEGMENT_EVENTS);
    if (!segment || index >= segment->capacity || !history__event_ready(segment, index)) return false;
    *ret_item = (struct history_item){.event = &segment->events[index],
                                      .source = segment->sources[index],
                                      .kept = segment->kept != NULL && history__is_kept(segment, index)};
    return true;
}

static uint64_t count_alive(const struct directory *directory, uint64_t begin) {
    uint64_t count = 0;
    for (uint32_t index = history__load32(&directory->high); index-- > 1;)
        count += history__entry_alive(history__entry(directory, index), begin);
    return count;
}

int history_stats(struct history *history, struct history_stats *ret_stats) {
    struct history_stats stats = {0};
    uint64_t kept = history__share_kept(history), min_ns = UINT64_MAX, max_ns = 0;
    struct history_span span = history__span(history);
    uint64_t end = span.end, begin = span.begin;

    stats.evicted = begin - (kept < begin ? kept : begin); /* a copy takes a position, too */
    stats.whole_from_ns = history__load(&history->gone_ns);
    stats.share = history__share_level(history);
    stats.early = history__load(&history->early);
    stats.events_max = (uint64_t)(history->segments_max - !history->backed) * HISTORY_SEGMENT_EVENTS;
    stats.bytes = history->arena_bytes + sizeof *history;
    stats.bytes_max = history->bytes_max;
    stats.segments = history__load32(&history->live);
    stats.segments_max = history->segments_max - 1;
    int error = history->backed ? history__backed_directories(history) : 0;
    stats.traces = count_alive(&history->traces, begin);
    stats.peers = count_alive(&history->peers, begin);
    for (uint64_t number = begin / HISTORY_SEGMENT_EVENTS; number * HISTORY_SEGMENT_EVENTS < end; number++) {
        struct segment *segment;
        grace_read_lock();
        segment = history__segment_bounds(history, number);
        if (segment) {
            stats.events += history__behind(segment, end);
            stats.kept += history__load32(&segment->kept_count);
            stats.rare_peer_events += history__load32(&segment->rare);
            uint64_t least = history__load(&segment->bounds.min_ns), greatest = history__load(&segment->bounds.max_ns);
            if (least < min_ns) min_ns = least;
            if (greatest > max_ns) max_ns = greatest;
        }
        grace_read_unlock();
    }
    stats.first_ns = stats.events == 0 ? 0 : min_ns;
    stats.last_ns = stats.events == 0 ? 0 : max_ns;
    *ret_stats = stats;
    return error;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

int history__keys_make(struct history *history) {
    if (getrandom(history->keys, sizeof history->keys, 0) != (ssize_t)sizeof history->keys) return -EIO;
    history->keys[3] |= 1;
    return 0;
}

static int create(struct history **ret_history, size_t bytes_max, bool lazy, bool shares) {
    struct history *history;
    struct budget budget;
    int error = budget_find(bytes_max, shares, &budget);

    if (error < 0) return error;
    history = aligned_alloc(64, line_up(sizeof *history));
    if (!history) return -ENOMEM;
    memset((void *)history, 0, sizeof *history);
    history->bytes_max = bytes_max;
    history->lazy = lazy;
    error = history__keys_make(history);
    if (error < 0) goto fail_history;
    error = arena_take(history, &budget, shares);
    if (error < 0) goto fail_history;
    pthread_mutex_init(&history->lock, NULL);
    pthread_cond_init(&history->work, NULL);
    pthread_cond_init(&history->done, NULL);
    error = lazy ? 0 : reclaimer_start(history);
    if (error < 0) goto fail_arena;
    *ret_history = history;
    return 0;

fail_arena:
    munmap(history->arena, history->arena_bytes);
fail_history:
    free(history);
    return error;
}

int history_create(struct history **ret_history, size_t bytes_max) { return create(ret_history, bytes_max, false, false); }

int history_create_shared(struct history **ret_history, size_t bytes_max) { return create(ret_history, bytes_max, false, true); }

int history_create_lazy(struct history **ret_history, size_t bytes_max) { return create(ret_history, bytes_max, true, false); }

static void reclaimer_stop(struct history *history) {
    pthread_mutex_lock(&history->lock);
    history->stop = true;
    pthread_cond_signal(&history->work);
    pthread_mutex_unlock(&history->lock);
    pthread_join(history->reclaimer, NULL);
}

void history_destroy(struct history *history) {
    if (!history) return;
    if (history->backed) {
        history__backed_destroy(history);
        return;
    }
    if (!history->lazy) reclaimer_stop(history);
    history__keep_end(history);
    pthread_cond_destroy(&history->done);
    pthread_cond_destroy(&history->work);
    pthread_mutex_destroy(&history->lock);
    munmap(history->arena, history->arena_bytes);
    free(history);
}
