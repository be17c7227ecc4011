/* SPDX-License-Identifier: MIT
 *
 * The indices of a segment, and what they give to the directories: the hot path of the ingest.
 *
 * Events are indexed in groups.  The memory that an event needs is scattered (a slot, a tally, a directory entry, each in its
 * own cache line), so a group is gone through in stages, each of which asks for the lines that the next one reads; the last
 * stage does the work, in the order of the events, with everything in the cache.
 *
 * The ordering labels are those of history_internal.h. */
#include "history_internal.h"

#include <assert.h>

#define GROUP 32

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

/* One writer: an add needs no locked instruction. */
static inline void add32(_Atomic uint32_t *word, uint32_t by) { history__store32(word, history__load32(word) + by); }
static inline void add64(_Atomic uint64_t *word, uint64_t by) { history__store(word, history__load(word) + by); }
static inline void least64(_Atomic uint64_t *word, uint64_t value) {
    uint64_t old = history__load(word);
    history__store(word, value < old ? value : old);
}
static inline void greatest64(_Atomic uint64_t *word, uint64_t value) {
    uint64_t old = history__load(word);
    history__store(word, value > old ? value : old);
}

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

/* slot:R  Publishes a tally.  Pairs with slot:A.  Without it a reader follows a slot to a tally that is not filled. */
static inline void slot_publish(_Atomic uint32_t *slot, uint64_t hash, uint32_t index) {
    atomic_store_explicit(slot, history__fingerprint(hash) << 16 | index, memory_order_release);
}

/* entry:R  Makes an entry alive that was filled, or counts one tally more.  Pairs with entry:A.
 * Without it a reader lists an entry whose id is not there yet. */
static inline void entry_count(struct entry *entry, uint32_t state) {
    atomic_store_explicit(&entry->tallies, state, memory_order_release);
}

/* ---- traces ------------------------------------------------------------------------------------------------------------- */

/* Finds or makes the directory entry of a trace. */
static uint32_t trace_entry_take(struct history *history, const struct trace_id *id, uint64_t hash, uint64_t now_ns) {
    struct directory *directory = &history->traces;
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, tag = (uint32_t)(hash >> 32), index;
    struct trace_entry *entry;

    for (uint32_t at = history__directory_home(directory, tag); directory->slots[at].entry != 0; at = (at + 1) & mask) {
        if (directory->slots[at].tag != tag) continue;
        index = directory->slots[at].entry;
        entry = history__trace_entry(history, index);
        if (!history__id_equal(&entry->id, id)) continue;
        entry_count(&entry->entry, history__load32(&entry->entry.tallies) + 1);
        return index;
    }
    index = history__directory_add(directory, hash);
    entry = history__trace_entry(history, index);
    entry->id = *id;
    history__store(&entry->last_ns, now_ns);
    entry_count(&entry->entry, 1);
    return index;
}

static inline void trace_entry_touch(struct trace_entry *entry, uint64_t now_ns) {
    uint64_t last_ns = history__load(&entry->last_ns);
    uint32_t state = history__load32(&entry->entry.tallies);

    history__store(&entry->last_ns, now_ns > last_ns ? now_ns : last_ns);
    if (__builtin_expect((state & ENTRY_STALE) != 0, 0) && now_ns >= last_ns) /* the bound is an event's time again */
        history__store32(&entry->entry.tallies, state & ~ENTRY_STALE);
}

static inline void index_trace(struct history *history, struct segment *segment, uint32_t index, uint64_t hash) {
    const struct trace_event *event = &segment->events[index];
    uint32_t at = history__home(hash), fingerprint = history__fingerprint(hash), slot, entry;
    struct trace_tally *tally;

    if (__builtin_expect(history__id_none(&event->trace_id), 0)) {
        segment->trace_links[index] = (uint16_t)index;
        return;
    }
    for (; (slot = history__load32(&segment->trace_slots[at])) != 0; at = (at + 1) & TABLE_MASK) {
        struct trace_entry *found;
        if (slot >> 16 != fingerprint) continue;
        tally = &segment->traces[slot & 0xffff];
        found = history__trace_entry(history, tally->entry);
        if (__builtin_expect(!history__id_equal(&found->id, &event->trace_id), 0)) continue;
        tally->last_ns = event->timestamp > tally->last_ns ? event->timestamp : tally->last_ns;
        trace_entry_touch(found, event->timestamp);
        link_event(&tally->head, segment->trace_links, index);
        return;
    }
    entry = trace_entry_take(history, &event->trace_id, hash, event->timestamp);
    trace_entry_touch(history__trace_entry(history, entry), event->timestamp);
    tally = &segment->traces[segment->trace_count];
    tally->last_ns = event->timestamp;
    tally->entry = entry;
    link_first(&tally->head, segment->trace_links, index);
    slot_publish(&segment->trace_slots[at], hash, segment->trace_count++);
}

/* ---- peers -------------------------------------------------------------------------------------------------------------- */

static uint32_t peer_entry_take(struct history *history, const struct trace_node_id *id, uint64_t hash) {
    struct directory *directory = &history->peers;
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, tag = (uint32_t)(hash >> 32), index;
    struct peer_entry *entry;

    for (uint32_t at = history__directory_home(directory, tag); directory->slots[at].entry != 0; at = (at + 1) & mask) {
        if (directory->slots[at].tag != tag) continue;
        index = directory->slots[at].entry;
        entry = history__peer_entry(history, index);
        if (!history__peer_equal(&entry->id, id)) continue;
        entry_count(&entry->entry, history__load32(&entry->entry.tallies) + 1);
        return index;
    }
    index = history__directory_add(directory, hash);
    entry = history__peer_entry(history, index);
    entry->id = *id;
    entry_count(&entry->entry, 1);
    return index;
}

/* Puts a new pair in front of the others of its peer.  The list's head is the peer's slot. */
static void pair_join_peer(struct history *history, struct segment *segment, struct pair_tally *pair, uint32_t index,
                           uint64_t hash) {
    uint32_t at = history__home(hash), fingerprint = history__fingerprint(hash), slot;

    pair->sibling = (uint16_t)index;
    for (; (slot = history__load32(&segment->peer_slots[at])) != 0; at = (at + 1) & TABLE_MASK) {
        if (slot >> 16 != fingerprint) continue;
        if (!history__peer_equal(&history__pair(history, segment, slot & 0xffff)->peer_id, &pair->peer_id)) continue;
        pair->sibling = slot & 0xffff;
        break;
    }
    slot_publish(&segment->peer_slots[at], hash, index);
}

static struct pair_tally *pair_make(struct history *history, struct segment *segment, const struct trace_event *event,
                                    uint32_t node, uint64_t peer_hash, uint32_t *ret_index) {
    uint32_t index = segment->pair_count;
    struct pair_tally *pair;

    if (index % CHUNK_PAIRS == 0) {
        assert(history->chunks_free_count > 0);
        segment->chunks[segment->chunk_count++] = history->chunks_free[--history->chunks_free_count];
    }
    pair = history__pair(history, segment, index);
    memset((void *)pair, 0, sizeof *pair);
    pair->peer_id = event->peer_id;
    pair->node = node;
    pair->entry = peer_entry_take(history, &event->peer_id, peer_hash);
    history__store(&pair->first_ns, UINT64_MAX);
    history__store(&pair->min_rtt_ns, UINT64_MAX);
    segment->pair_count++;
    *ret_index = index;
    return pair;
}

static const uint8_t packet_classes[16] = {
    PACKET_NONE,     PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_SENT,
    PACKET_RECEIVED, PACKET_LOST, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE, PACKET_NONE,
};
TRACE_STATIC_ASSERT_(TRACE_KIND_PACKET_SENT == 7 && TRACE_KIND_PACKET_RECEIVED == 8 && TRACE_KIND_PACKET_LOST == 9,
                     "packet_classes");
TRACE_STATIC_ASSERT_(offsetof(struct trace_packet_sent, size) == offsetof(struct trace_packet_received, size),
                     "one load gives the size of a packet, sent or received");

/* A round-trip sample of one node: the newest counts, and of two of one moment the later one in the lane. */
static void pair_sample(struct pair_tally *pair, const struct trace_event *event) {
    bool metrics = event->kind == TRACE_KIND_METRICS;
    uint64_t rtt_ns = metrics ? event->data.metrics.rtt : event->data.conn_established.rtt;

    if (event->timestamp >= history__load(&pair->rtt_time_ns)) {
        history__store(&pair->rtt_time_ns, event->timestamp);
        history__store(&pair->rtt_ns, rtt_ns);
    }
    if (metrics) least64(&pair->min_rtt_ns, event->data.metrics.min_rtt);
}

static inline void pair_count(struct pair_tally *pair, const struct trace_event *event) {
    unsigned class = event->kind < 16 ? packet_classes[event->kind] : PACKET_NONE;
    uint64_t bytes = class <= PACKET_RECEIVED ? event->data.packet_sent.size : 0;

    add32(&pair->packets[class], 1);
    add64(&pair->bytes[class & 1], bytes); /* PACKET_NONE and PACKET_LOST add nothing to either */
    least64(&pair->first_ns, event->timestamp);
    greatest64(&pair->last_ns, event->timestamp);
    if (event->kind == TRACE_KIND_METRICS || event->kind == TRACE_KIND_CONN_ESTABLISHED) pair_sample(pair, event);
}

static inline void index_peer(struct history *history, struct segment *segment, uint32_t index, uint32_t node, uint64_t peer_hash,
                              uint64_t hash) {
    const struct trace_event *event = &segment->events[index];
    uint32_t at = history__home(hash), fingerprint = history__fingerprint(hash), slot, pair_index;
    struct pair_tally *pair;

    if (!(event->flags & TRACE_FLAG_HAS_PEER)) {
        segment->pair_links[index] = (uint16_t)index;
        return;
    }
    for (; (slot = history__load32(&segment->pair_slots[at])) != 0; at = (at + 1) & TABLE_MASK) {
        if (slot >> 16 != fingerprint) continue;
        pair = history__pair(history, segment, slot & 0xffff);
        if (__builtin_expect(pair->node != node || !history__peer_equal(&pair->peer_id, &event->peer_id), 0)) continue;
        pair_count(pair, event);
        link_event(&pair->head, segment->pair_links, index);
        return;
    }
    pair = pair_make(history, segment, event, node, peer_hash, &pair_index);
    pair_count(pair, event);
    link_first(&pair->head, segment->pair_links, index);
    slot_publish(&segment->pair_slots[at], hash, pair_index);
    pair_join_peer(history, segment, pair, pair_index, peer_hash);
    /* pair:R  Publishes the pair to history_peers.  Pairs with pair:A.  Without it a pair is added up that is not filled. */
    atomic_store_explicit(&segment->pairs_published, segment->pair_count, memory_order_release);
}

/* ---- groups ------------------------------------------------------------------------------------------------------------- */

struct group {
    uint64_t trace_hash[GROUP], peer_hash[GROUP], pair_hash[GROUP];
    const uint32_t *entry_at[GROUP]; /* where the number of the directory entry most likely stands */
};

/* Stage 1: hashes; asks for the slots. */
static inline void group_hash(const struct history *history, const struct segment *segment, const struct trace_event *events,
                              uint32_t count, uint32_t node, struct group *group) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t trace_hash = history__hash_trace(history, &events[i].trace_id);
        uint64_t peer_hash = history__hash_peer(history, &events[i].peer_id);
        uint64_t pair_hash = history__hash_pair(history, peer_hash, node);
        group->trace_hash[i] = trace_hash;
        group->peer_hash[i] = peer_hash;
        group->pair_hash[i] = pair_hash;
        __builtin_prefetch((const void *)&segment->trace_slots[history__home(trace_hash)], 1);
        __builtin_prefetch((const void *)&segment->pair_slots[history__home(pair_hash)], 1);
    }
}

/* Stage 2: looks at the slots; asks for the tallies, or for the directory's slot where there is no tally yet. */
static inline void group_look(const struct history *history, const struct segment *segment, uint32_t count, struct group *group) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = group->trace_hash[i];
        uint32_t slot = history__load32(&segment->trace_slots[history__home(hash)]);
        const uint32_t *known = &segment->traces[slot & 0xffff].entry;
        const uint32_t *unknown = &history->traces.slots[history__directory_home(&history->traces, (uint32_t)(hash >> 32))].entry;
        const char *pair;

        group->entry_at[i] = slot >> 16 == history__fingerprint(hash) ? known : unknown;
        __builtin_prefetch(group->entry_at[i], 1);
        slot = history__load32(&segment->pair_slots[history__home(group->pair_hash[i])]);
        pair = (const char *)history__pair(history, segment, slot & 0xffff);
        __builtin_prefetch(pair, 1);
        __builtin_prefetch(pair + 64, 1);
    }
}

/* Stage 3: asks for the directory entries. */
static inline void group_ask(const struct history *history, uint32_t count, const struct group *group) {
    for (uint32_t i = 0; i < count; i++) __builtin_prefetch(history__trace_entry(history, *group->entry_at[i]), 1);
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

void history__index(struct history *history, struct segment *segment, uint32_t first, uint32_t count, history_source source) {
    uint32_t node = history_source_node(source);
    struct group group;

    while (count > 0) {
        uint32_t left_in_block = BLOCK_EVENTS - first % BLOCK_EVENTS;
        uint32_t n = count < GROUP ? count : GROUP;
        if (n > left_in_block) n = left_in_block;

        group_hash(history, segment, &segment->events[first], n, node, &group);
        group_bound(segment, first, n, node);
        group_look(history, segment, n, &group);
        group_ask(history, n, &group);
        for (uint32_t i = 0; i < n; i++) segment->sources[first + i] = source;
        for (uint32_t i = 0; i < n; i++) {
            index_trace(history, segment, first + i, group.trace_hash[i]);
            index_peer(history, segment, first + i, node, group.peer_hash[i], group.pair_hash[i]);
        }
        first += n;
        count -= n;
    }
}

/* ---- retiring ----------------------------------------------------------------------------------------------------------- */

static void unindex_trace(struct history *history, struct segment *segment, const struct trace_tally *tally) {
    struct trace_entry *entry = history__trace_entry(history, tally->entry);
    uint32_t state = history__load32(&entry->entry.tallies) - 1;

    if ((state & ENTRY_TALLIES) == 0) {
        history__store32(&entry->entry.tallies, 0); /* dead; its id stays until the grace period is over */
        history__directory_remove(&history->traces, history__hash_trace(history, &entry->id), tally->entry);
        entry->entry.next = segment->dead_traces;
        segment->dead_traces = tally->entry;
        return;
    }
    state |= ENTRY_TRUNCATED;
    if (tally->last_ns >= history__load(&entry->last_ns)) state |= ENTRY_STALE;
    entry_count(&entry->entry, state);
}

static void unindex_pair(struct history *history, struct segment *segment, const struct pair_tally *pair) {
    struct peer_entry *entry = history__peer_entry(history, pair->entry);
    uint32_t tallies = history__load32(&entry->entry.tallies) - 1;

    entry_count(&entry->entry, tallies);
    if (tallies > 0) return;
    history__directory_remove(&history->peers, history__hash_peer(history, &entry->id), pair->entry);
    entry->entry.next = segment->dead_peers;
    segment->dead_peers = pair->entry;
}

void history__unindex(struct history *history, struct segment *segment) {
    for (uint32_t i = 0; i < segment->trace_count; i++) {
        if (i + GROUP < segment->trace_count)
            __builtin_prefetch(history__trace_entry(history, segment->traces[i + GROUP].entry), 1);
        unindex_trace(history, segment, &segment->traces[i]);
    }
    for (uint32_t i = 0; i < segment->pair_count; i++) unindex_pair(history, segment, history__pair(history, segment, i));
}

/* ---- finding: readers --------------------------------------------------------------------------------------------------- */

struct trace_tally *history__find_trace(const struct history *history, const struct segment *segment, const struct trace_id *id,
                                        uint64_t hash) {
    uint32_t fingerprint = history__fingerprint(hash), slot;

    for (uint32_t at = history__home(hash);; at = (at + 1) & TABLE_MASK) {
        /* slot:A  Pairs with slot:R.  Without it we could read a tally that is not filled. */
        slot = atomic_load_explicit(&segment->trace_slots[at], memory_order_acquire);
        if (slot == 0) return NULL;
        if (slot >> 16 != fingerprint) continue;
        struct trace_tally *tally = &segment->traces[slot & 0xffff];
        if (history__id_equal(&history__trace_entry(history, tally->entry)->id, id)) return tally;
    }
}

struct pair_tally *history__find_peer(const struct history *history, const struct segment *segment,
                                      const struct trace_node_id *id, uint64_t hash) {
    uint32_t fingerprint = history__fingerprint(hash), slot;

    for (uint32_t at = history__home(hash);; at = (at + 1) & TABLE_MASK) {
        slot = atomic_load_explicit(&segment->peer_slots[at], memory_order_acquire); /* slot:A */
        if (slot == 0) return NULL;
        if (slot >> 16 != fingerprint) continue;
        struct pair_tally *pair = history__pair(history, segment, slot & 0xffff);
        if (history__peer_equal(&pair->peer_id, id)) return pair;
    }
}
