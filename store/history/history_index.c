/* SPDX-License-Identifier: MIT
 *
 * The indices of a segment, and their updates of the directories: the hot path of the ingest.
 *
 * Events are indexed in groups.  The memory that an event needs is scattered (a slot, a tally, a directory entry, each in its
 * own cache line).  So a group is processed in stages: each prefetches the lines that the next one reads, and the last does the
 * work, in the order of the events, with everything in the cache.
 *
 * The ordering labels are those of history_internal.h. */
#include "history_internal.h"

#include <assert.h>

#define GROUP 32

/* ---- publishing --------------------------------------------------------------------------------------------------------- */

/* head:R  Makes the event the newest of its chain, its link first.  Pairs with head:A.
 * Without it a reader follows the link of an event that has none yet. */
static inline void link_event(_Atomic uint16_t *head, uint16_t *links, uint32_t index) {
    links[index] = atomic_load_explicit(head, memory_order_relaxed); /* relaxed: our own store */
    atomic_store_explicit(head, (uint16_t)index, memory_order_release);
}

/* The first event of a chain links to itself. */
static inline void link_first(_Atomic uint16_t *head, uint16_t *links, uint32_t index) {
    links[index] = (uint16_t)index;
    atomic_store_explicit(head, (uint16_t)index, memory_order_release); /* head:R */
}

/* The entry's id is in the newest segment.  entry:R  Publishes a new entry's id.  Pairs with entry:A.  Without it a reader sees
 * a live entry with its previous id. */
static inline void entry_seen(const struct history *history, struct entry *entry) {
    uint64_t now = history->newest->number + 1;
    if (!history__entry_alive(entry, history_begin_position(history)))
        history__store(&entry->first_in, now); /* new, or revived */
    atomic_store_explicit(&entry->last_in, now, memory_order_release);
}

/* ---- traces ------------------------------------------------------------------------------------------------------------- */

/* Finds or makes the directory entry of a trace.  guess: its most likely index, or 0. */
static uint32_t trace_entry_take(struct history *history, const struct trace_id *id, uint64_t hash, uint32_t guess) {
    struct directory *directory = &history->traces;
    struct trace_entry *entry = history__trace_entry(history, guess);
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, tag = (uint32_t)(hash >> 32), index = guess;

    if (index == 0 || !history__id_equal(&entry->id, id)) {
        for (uint32_t at = history__directory_home(directory, tag); (index = directory->slots[at].entry) != 0;
             at = (at + 1) & mask) {
            entry = history__trace_entry(history, index);
            if (directory->slots[at].tag == tag && history__id_equal(&entry->id, id)) break;
        }
    }
    if (index == 0) {
        index = history__directory_add(directory, hash);
        entry = history__trace_entry(history, index);
        entry->id = *id;
    }
    entry_seen(history, &entry->entry);
    return index;
}

static uint64_t hash_of_trace(const struct history *history, const struct segment *segment, uint32_t number) {
    return history__hash_trace(history, &segment->traces[number].id);
}

/* A trace's first event in the segment.  at: the empty slot for it. */
static void trace_make(struct history *history, struct segment *segment, uint32_t index, uint64_t hash, uint32_t at,
                       uint32_t guess) {
    const struct trace_event *event = &segment->events[index];
    struct table *table = &segment->by_trace;
    uint32_t number = segment->trace_count++;
    struct trace_tally *tally = &segment->traces[number];

    tally->id = event->trace_id;
    history__store(&tally->last_ns, event->timestamp);
    history__kept_store(tally, TRACE_KEPT_NOT);
    tally->entry = trace_entry_take(history, &event->trace_id, hash, guess);
    link_first(&tally->head, segment->trace_links, index);
    if (__builtin_expect(history__table_crowded(table), 0)) {
        uint32_t mask;
        history__table_grow(table, history, segment, number, hash_of_trace);
        mask = history__load32(&table->mask);
        for (at = history__home(hash, mask); history__load32(&table->slots[at]) != 0;) at = (at + 1) & mask;
    }
    history__slot_publish(&table->slots[at], hash, number);
    table->used++;
}

/* The tally and the event belong to one trace. */
static inline void trace_hit(struct segment *segment, struct trace_tally *tally, const struct trace_event *event,
                             uint32_t index) {
    history__greatest(&tally->last_ns, event->timestamp);
    link_event(&tally->head, segment->trace_links, index);
}

static inline void index_trace(struct history *history, struct segment *segment, uint32_t index, uint64_t hash, uint32_t guess) {
    const struct trace_event *event = &segment->events[index];
    const _Atomic uint32_t *slots = segment->by_trace.slots;
    uint32_t mask = history__load32(&segment->by_trace.mask), at = history__home(hash, mask);
    uint32_t fingerprint = history__fingerprint(hash), slot;

    if (__builtin_expect(history__id_none(&event->trace_id), 0)) {
        segment->trace_links[index] = (uint16_t)index;
        return;
    }
    for (; (slot = history__load32(&slots[at])) != 0; at = (at + 1) & mask) {
        struct trace_tally *tally = &segment->traces[slot & 0xffff];
        if (!history__slot_like(slot, fingerprint) || !history__id_equal(&tally->id, &event->trace_id)) continue;
        trace_hit(segment, tally, event, index);
        return;
    }
    trace_make(history, segment, index, hash, at, guess);
}

/* ---- peers -------------------------------------------------------------------------------------------------------------- */

/* Finds or makes the directory entry of a peer; 0: there is no room. */
static uint32_t peer_entry_take(struct history *history, const struct trace_node_id *id, uint64_t hash) {
    struct directory *directory = &history->peers;
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, tag = (uint32_t)(hash >> 32), index;
    struct peer_entry *entry = NULL;

    for (uint32_t at = history__directory_home(directory, tag); (index = directory->slots[at].entry) != 0; at = (at + 1) & mask) {
        entry = history__peer_entry(history, index);
        if (directory->slots[at].tag == tag && history__peer_equal(&entry->id, id)) break;
    }
    if (index == 0) {
        if (directory->used == directory->capacity) return 0;
        index = history__directory_add(directory, hash);
        entry = history__peer_entry(history, index);
        entry->id = *id;
    }
    entry_seen(history, &entry->entry);
    return index;
}

/* May the newest segment take another chunk?  Each segment has its part of the pool, and may take more while half of the pool
 * is free. */
static bool chunk_is_there(const struct history *history, const struct segment *segment) {
    uint32_t part = history->chunks_max / history->segments_max;
    if (history->chunks_free_count == 0) return false;
    return history->every_peer || segment->chunk_count < part || history->chunks_free_count > history->chunks_max / 2;
}

/* Should a peer without a tally in the segment get none?  While there are enough, all get one.  Once half of the segment's part
 * is used, only peers seen a second time do: thousands that are seen once take nothing from those that stay. */
static bool peer_is_rare(struct history *history, const struct segment *segment, uint64_t hash) {
    uint32_t part = history->chunks_max / history->segments_max * CHUNK_PEERS, number = segment->peer_count;
    uint64_t *word = &history->seen_once[(uint16_t)hash / 64], bit = UINT64_C(1) << hash % 64;

    if (history->every_peer) return false;
    if (number >= PEER_TALLIES_MAX || (number % CHUNK_PEERS == 0 && !chunk_is_there(history, segment))) return true;
    if (number < part / 2 || (*word & bit) != 0) return false;
    *word |= bit;
    return true;
}

/* Adds its event to the chain of all rare peers. */
static void rare_link(struct segment *segment, uint32_t index) {
    uint32_t rare = history__load32(&segment->rare);

    segment->peer_numbers[index] = PEER_RARE;
    if (rare == 0)
        link_first(&segment->rare_head, segment->peer_links, index);
    else
        link_event(&segment->rare_head, segment->peer_links, index);
    /* rare:R  Publishes the chain.  Pairs with rare:A.  Without it a reader starts from a head that is not written yet. */
    atomic_store_explicit(&segment->rare, rare + 1, memory_order_release);
}

static uint64_t hash_of_peer(const struct history *history, const struct segment *segment, uint32_t number) {
    return history__hash_peer(history, &history__peer_tally(segment, number)->id);
}

/* The first event of a peer in the segment.  Rare, so it stays out of the loop over a group. */
static __attribute__((noinline)) void peer_make(struct history *history, struct segment *segment, uint32_t index, uint32_t node,
                                                uint64_t hash) {
    const struct trace_event *event = &segment->events[index];
    struct table *table = &segment->by_peer;
    uint32_t number = segment->peer_count, mask, at, entry;
    struct peer_tally *tally;

    entry = peer_is_rare(history, segment, hash) ? 0 : peer_entry_take(history, &event->peer_id, hash);
    if (entry == 0) {
        rare_link(segment, index);
        return;
    }
    if (number % CHUNK_PEERS == 0) segment->chunks[segment->chunk_count++] = history->chunks_free[--history->chunks_free_count];
    segment->peer_count++;
    tally = history__peer_tally(segment, number);
    history__peer_init(tally, &event->peer_id);
    tally->entry = entry;
    history__peer_count(tally, event, node);
    segment->peer_numbers[index] = (uint16_t)number;
    link_first(&tally->head, segment->peer_links, index);
    if (history__table_crowded(table)) history__table_grow(table, history, segment, number, hash_of_peer);
    mask = history__load32(&table->mask);
    for (at = history__home(hash, mask); history__load32(&table->slots[at]) != 0;) at = (at + 1) & mask;
    history__slot_publish(&table->slots[at], hash, number);
    table->used++;
    /* The next one's, which has not been touched since the segment before the oldest. */
    if ((number + 1) % CHUNK_PEERS != 0) {
        __builtin_prefetch(tally + 1, 1);
        __builtin_prefetch((const char *)(tally + 1) + 64, 1);
    }
    /* peers:R  Publishes the tally to history_peers.  Pairs with peers:A.  Without it a reader adds up a tally that is not
     * filled. */
    atomic_store_explicit(&segment->peers_published, segment->peer_count, memory_order_release);
}

static inline void peer_hit(struct segment *segment, struct peer_tally *tally, uint32_t number, const struct trace_event *event,
                            uint32_t node, uint32_t index) {
    history__peer_count(tally, event, node);
    segment->peer_numbers[index] = (uint16_t)number;
    link_event(&tally->head, segment->peer_links, index);
}

static void index_peer(struct history *history, struct segment *segment, uint32_t index, uint32_t node, uint64_t hash) {
    const struct trace_event *event = &segment->events[index];
    uint32_t mask = history__load32(&segment->by_peer.mask), fingerprint = history__fingerprint(hash), slot;

    for (uint32_t at = history__home(hash, mask); (slot = history__load32(&segment->by_peer.slots[at])) != 0;
         at = (at + 1) & mask) {
        struct peer_tally *tally = history__peer_tally(segment, slot & 0xffff);
        if (!history__slot_like(slot, fingerprint) || !history__peer_equal(&tally->id, &event->peer_id)) continue;
        peer_hit(segment, tally, slot & 0xffff, event, node, index);
        return;
    }
    peer_make(history, segment, index, node, hash);
}

/* ---- groups ------------------------------------------------------------------------------------------------------------- */

struct group {
    uint64_t trace_hash[GROUP], peer_hash[GROUP];
    uint32_t trace_at[GROUP];   /* where the search for a trace ended */
    uint32_t trace_slot[GROUP]; /* its content: a slot with its fingerprint, or 0 */
    uint32_t peer_slot[GROUP];  /* likewise for a peer */
    struct peer_tally *peer[GROUP];
    uint8_t known[GROUP], unknown[GROUP]; /* events with trace_slot not 0, or 0; all events of a trace are in one list */
    uint32_t entry[GROUP];                /* most likely entries of the unknown, in their order */
    uint32_t known_count, unknown_count;
    uint32_t trace_mask; /* of the table, at that time */
};

/* Stage 1: hashes; prefetches the slots. */
static inline void group_hash(const struct history *history, const struct segment *segment, const struct trace_event *events,
                              uint32_t count, struct group *group) {
    const _Atomic uint32_t *trace_slots = segment->by_trace.slots, *peer_slots = segment->by_peer.slots;
    uint32_t trace_mask = history__load32(&segment->by_trace.mask), peer_mask = history__load32(&segment->by_peer.mask);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t trace_hash = history__hash_trace(history, &events[i].trace_id);
        uint64_t peer_hash = history__hash_peer(history, &events[i].peer_id);
        group->trace_hash[i] = trace_hash;
        group->peer_hash[i] = peer_hash;
        __builtin_prefetch((const void *)&trace_slots[history__home(trace_hash, trace_mask)], 1);
        __builtin_prefetch((const void *)&peer_slots[history__home(peer_hash, peer_mask)], 1);
    }
}

/* All bits or none.  Whether an id is known here is as good as random, so the searches below do without a branch on it: the only
 * one left is to the next slot, which is rare. */
static inline uint32_t all_bits(bool if_so) { return 0 - (uint32_t)if_so; }

/* The first slot from the home on that has the hash's fingerprint, or is empty. */
static inline uint32_t slot_look(const _Atomic uint32_t *slots, uint32_t mask, uint64_t hash, uint32_t *ret_at) {
    uint32_t fingerprint = history__fingerprint(hash), at = history__home(hash, mask), slot = history__load32(&slots[at]);
    while (all_bits(slot != 0) & (slot ^ fingerprint) >> 16) {
        at = (at + 1) & mask;
        slot = history__load32(&slots[at]);
    }
    *ret_at = at;
    return slot;
}

/* Stage 2: reads the slots; prefetches the tallies, or the directory's slot if there is no tally yet. */
static inline void group_look_traces(const struct history *history, const struct segment *segment, uint32_t count,
                                     struct group *group) {
    const _Atomic uint32_t *slots = segment->by_trace.slots;
    uint32_t mask = history__load32(&segment->by_trace.mask), known = 0, unknown = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = group->trace_hash[i];
        uint32_t slot = slot_look(slots, mask, hash, &group->trace_at[i]);
        uint32_t home = history__directory_home(&history->traces, (uint32_t)(hash >> 32)) & all_bits(slot == 0);
        __builtin_prefetch(&segment->traces[slot & 0xffff], 1);
        __builtin_prefetch(&history->traces.slots[home], 1);
        group->trace_slot[i] = slot;
        group->known[known] = group->unknown[unknown] = (uint8_t)i;
        known += slot != 0;
        unknown += slot == 0;
    }
    group->trace_mask = mask;
    group->known_count = known;
    group->unknown_count = unknown;
}

static inline void group_look_peers(const struct history *history, const struct segment *segment, uint32_t count,
                                    struct group *group) {
    const _Atomic uint32_t *slots = segment->by_peer.slots;
    uint32_t mask = history__load32(&segment->by_peer.mask);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = group->peer_hash[i];
        uint32_t at, slot = slot_look(slots, mask, hash, &at);
        struct peer_tally *tally = history__peer_tally(segment, slot & 0xffff);
        uint32_t home = history__directory_home(&history->peers, (uint32_t)(hash >> 32)) & all_bits(slot == 0);
        __builtin_prefetch(&history->peers.slots[home], 1);
        __builtin_prefetch(tally, 1);
        __builtin_prefetch((const char *)tally + 64, 1);
        group->peer_slot[i] = slot;
        group->peer[i] = tally;
    }
}

/* Stage 3: finds and prefetches the directory entries of traces that have no tally here. */
static inline void group_ask(const struct history *history, struct group *group) {
    const struct directory *directory = &history->traces;
    const struct directory_slot *slots = directory->slots;
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1;

    for (uint32_t i = 0; i < group->unknown_count; i++) {
        uint32_t tag = (uint32_t)(group->trace_hash[group->unknown[i]] >> 32), at = history__directory_home(directory, tag);
        while (all_bits(slots[at].entry != 0) & (slots[at].tag ^ tag)) at = (at + 1) & mask;
        group->entry[i] = slots[at].entry;
        __builtin_prefetch(history__trace_entry(history, slots[at].entry), 1);
    }
}

/* Stage 4: the work. */
static inline void group_index_traces(struct history *history, struct segment *segment, uint32_t first,
                                      const struct group *group) {
    for (uint32_t k = 0; k < group->known_count; k++) {
        uint32_t i = group->known[k];
        struct trace_tally *tally = &segment->traces[group->trace_slot[i] & 0xffff];
        const struct trace_event *event = &segment->events[first + i];
        if (__builtin_expect(history__id_equal(&tally->id, &event->trace_id), 1))
            trace_hit(segment, tally, event, first + i);
        else
            index_trace(history, segment, first + i, group->trace_hash[i], 0);
    }
    for (uint32_t k = 0; k < group->unknown_count; k++) {
        uint32_t i = group->unknown[k], at = group->trace_at[i];
        /* unless an earlier event had the same trace, or the table was rebuilt, or the event has no trace */
        if (__builtin_expect(history__load32(&segment->by_trace.slots[at]) == 0 &&
                                 history__load32(&segment->by_trace.mask) == group->trace_mask &&
                                 !history__id_none(&segment->events[first + i].trace_id),
                             1))
            trace_make(history, segment, first + i, group->trace_hash[i], at, group->entry[k]);
        else
            index_trace(history, segment, first + i, group->trace_hash[i], group->entry[k]);
    }
    /* traces:R  Publishes new tallies to readers that list them.  Pairs with traces:A.  Without it a reader sees one half
     * filled. */
    atomic_store_explicit(&segment->traces_published, segment->trace_count, memory_order_release);
}

static inline void group_index_peers(struct history *history, struct segment *segment, uint32_t first, uint32_t count,
                                     uint32_t node, const struct group *group) {
    for (uint32_t i = 0; i < count; i++) {
        const struct trace_event *event = &segment->events[first + i];
        uint32_t slot = group->peer_slot[i];
        if (!(event->flags & TRACE_FLAG_HAS_PEER)) {
            segment->peer_links[first + i] = (uint16_t)(first + i);
            segment->peer_numbers[first + i] = PEER_NONE;
        } else if (__builtin_expect(slot != 0 && history__peer_equal(&group->peer[i]->id, &event->peer_id), 1)) {
            peer_hit(segment, group->peer[i], slot & 0xffff, event, node, first + i);
        } else {
            index_peer(history, segment, first + i, node, group->peer_hash[i]);
        }
    }
}

/* The bounds of the block that the group lies in. */
static inline void group_bound(struct segment *segment, uint32_t first, uint32_t count, uint32_t node) {
    struct block *block = &segment->blocks[first / BLOCK_EVENTS];
    uint64_t min_ns = history__load(&block->min_ns), max_ns = history__load(&block->max_ns), kinds = history__load(&block->kinds);

    for (uint32_t i = first; i < first + count; i++) {
        uint64_t time_ns = segment->events[i].timestamp;
        min_ns = time_ns < min_ns ? time_ns : min_ns;
        max_ns = time_ns > max_ns ? time_ns : max_ns;
        kinds |= history__kind_bit(segment->events[i].kind);
    }
    history__store(&block->min_ns, min_ns);
    history__store(&block->max_ns, max_ns);
    history__store(&block->kinds, kinds);
    history__store(&block->nodes, history__load(&block->nodes) | UINT64_C(1) << node % 64);
}

/* The segment's bounds, widened to those of the blocks that the events lie in. */
static void segment_bound(struct segment *segment, uint32_t first, uint32_t count) {
    struct block *bounds = &segment->bounds;

    for (uint32_t at = first / BLOCK_EVENTS; at <= (first + count - 1) / BLOCK_EVENTS; at++) {
        const struct block *block = &segment->blocks[at];
        history__least(&bounds->min_ns, history__load(&block->min_ns));
        history__greatest(&bounds->max_ns, history__load(&block->max_ns));
        history__store(&bounds->kinds, history__load(&bounds->kinds) | history__load(&block->kinds));
        history__store(&bounds->nodes, history__load(&bounds->nodes) | history__load(&block->nodes));
    }
}

void history__index(struct history *history, struct segment *segment, uint32_t first, uint32_t count, history_source source) {
    uint32_t node = history_source_node(source), begin = first;
    struct group group;

    while (count > 0) {
        uint32_t left_in_block = BLOCK_EVENTS - first % BLOCK_EVENTS;
        uint32_t n = count < GROUP ? count : GROUP;
        if (n > left_in_block) n = left_in_block;

        group_hash(history, segment, &segment->events[first], n, &group);
        group_bound(segment, first, n, node);
        group_look_traces(history, segment, n, &group);
        group_look_peers(history, segment, n, &group);
        group_ask(history, &group);
        for (uint32_t i = 0; i < n; i++) segment->sources[first + i] = source;
        group_index_peers(history, segment, first, n, node, &group);
        group_index_traces(history, segment, first, &group);
        first += n;
        count -= n;
    }
    segment_bound(segment, begin, first - begin);
}

/* ---- finding: readers --------------------------------------------------------------------------------------------------- */

/* table:A  A table that was rebuilt meanwhile is searched again.  Pairs with table:R. */
static uint32_t table_enter(const struct table *table) {
    uint32_t version;
    while ((version = atomic_load_explicit(&table->version, memory_order_acquire)) & 1) caa_cpu_relax();
    return version;
}
static bool table_left(const struct table *table, uint32_t version) {
    return history__load32(&table->version) == version; /* relaxed: the slots before it were read with acquire */
}

/* The index does not know. */
static void *damaged(bool *ret_whole) {
    *ret_whole = false;
    return NULL;
}

struct trace_tally *history__find_trace(const struct segment *segment, const struct trace_id *id, uint64_t hash,
                                        bool *ret_whole) {
    const struct table *table = &segment->by_trace;
    if (segment->backed) hash = history__hash_trace_by(history__backed_keys(segment), id);
    uint32_t fingerprint = history__fingerprint(hash), version, slot;
    struct trace_tally *found = NULL;

    do {
        version = table_enter(table);
        uint32_t mask = atomic_load_explicit(&table->mask, memory_order_acquire);
        for (uint32_t at = history__home(hash, mask), steps = 0; !found && steps <= mask; at = (at + 1) & mask, steps++) {
            if (!history__ready(segment, (const void *)&table->slots[at], sizeof *table->slots)) return damaged(ret_whole);
            /* slot:A  Pairs with slot:R.  Without it we could read a tally that is not filled. */
            slot = atomic_load_explicit(&table->slots[at], memory_order_acquire);
            if (slot == 0) break;
            if (!history__slot_like(slot, fingerprint)) continue;
            struct trace_tally *tally = &segment->traces[slot & 0xffff];
            if (!history__ready(segment, tally, sizeof *tally)) return damaged(ret_whole);
            if (history__id_equal(&tally->id, id)) found = tally;
        }
    } while (!found && !table_left(table, version));
    return found;
}

struct peer_tally *history__find_peer(const struct segment *segment, const struct trace_node_id *id, uint64_t hash,
                                      bool *ret_whole) {
    const struct table *table = &segment->by_peer;
    if (segment->backed) hash = history__hash_peer_by(history__backed_keys(segment), id);
    uint32_t fingerprint = history__fingerprint(hash), version, slot;
    struct peer_tally *found = NULL;

    do {
        version = table_enter(table);
        uint32_t mask = atomic_load_explicit(&table->mask, memory_order_acquire);
        for (uint32_t at = history__home(hash, mask), steps = 0; !found && steps <= mask; at = (at + 1) & mask, steps++) {
            if (!history__ready(segment, (const void *)&table->slots[at], sizeof *table->slots)) return damaged(ret_whole);
            slot = atomic_load_explicit(&table->slots[at], memory_order_acquire); /* slot:A */
            if (slot == 0) break;
            if (!history__slot_like(slot, fingerprint)) continue;
            struct peer_tally *tally = history__peer_tally(segment, slot & 0xffff);
            if (!history__ready(segment, tally, sizeof *tally)) return damaged(ret_whole);
            if (history__peer_equal(&tally->id, id)) found = tally;
        }
    } while (!found && !table_left(table, version));
    return found;
}

bool history__chain_whole(const struct segment *segment, const _Atomic uint16_t *head, const uint16_t *links) {
    struct chain chain;
    uint32_t index;

    if (!segment->backed) return true;
    for (history__chain_begin(&chain, head, links); chain.next < segment->capacity; (void)history__chain_next(&chain, &index))
        if (!history__ready(segment, &links[chain.next], sizeof *links)) return false;
    return chain.next == HISTORY_SEGMENT_EVENTS;
}
