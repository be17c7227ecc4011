/* SPDX-License-Identifier: MIT
 *
 * The index of a query: for each lane, chains of positions by trace and by peer.
 *
 *      newest[bucket of the id] -> position -> back[] -> position -> back[] -> ... until one is below the lane's floor
 *
 * A bucket holds the newest position whose id hashes to it; each slot holds the distance back to the previous position in the
 * same bucket.  Distances and slots need no clearing: a chain ends where it would leave the ring, and nothing beyond that is
 * ever read.  Ids are not kept.  An event is read from the ring when it is asked for, and then compared: an answer cannot
 * contain what the ring no longer has, and other ids in the same bucket cost only time.
 *
 * Everything below `end` is in the chains.  end stops at the first slot that holds no event (yet); each question scans what
 * follows, until that slot is written or overwritten. */
#include "query_index.h"

#include "query_memory.h"
#include "slot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Slots per bucket.  A trace has about ten events in a node, which makes less than one id per bucket. */
#define SLOTS_PER_BUCKET 4

enum { BY_TRACE, BY_PEER, CHAIN_COUNT };

struct chain {
    uint64_t *newest; /* per bucket: position + 1; 0: none */
    uint32_t *back;   /* per slot: distance to the previous position; 0: there is none */
};

struct lane_index {
    uint64_t end;
    struct chain chains[CHAIN_COUNT]; /* pointers are NULL until the lane has events */
};

struct query_index {
    uint32_t lane_events;
    unsigned bucket_bits;
    struct lane_index lanes[TRACE_LANES_MAX];
};

static size_t newest_bytes(const struct query_index *index) { return sizeof(uint64_t) << index->bucket_bits; }
static size_t back_bytes(const struct query_index *index) { return sizeof(uint32_t) * index->lane_events; }
static size_t lane_index_bytes(const struct query_index *index) {
    return CHAIN_COUNT * (newest_bytes(index) + back_bytes(index));
}

struct query_index *query__index_create(uint32_t lane_events) {
    struct query_index *index = query__memory(sizeof *index);
    if (!index) return NULL;
    index->lane_events = lane_events;
    index->bucket_bits = (unsigned)__builtin_ctz(lane_events / SLOTS_PER_BUCKET);
    return index;
}

void query__index_destroy(struct query_index *index) {
    if (!index) return;
    for (unsigned i = 0; i < TRACE_LANES_MAX; i++)
        query__memory_free(index->lanes[i].chains[0].newest, lane_index_bytes(index)); /* it begins its lane's memory */
    query__memory_free(index, sizeof *index);
}

static int make_lane_index(const struct query_index *index, struct lane_index *lane) {
    if (lane->chains[0].newest) return 0;
    char *memory = query__memory(lane_index_bytes(index));
    if (!memory) return -ENOMEM;
    for (unsigned i = 0; i < CHAIN_COUNT; i++) lane->chains[i].newest = (uint64_t *)(void *)(memory + i * newest_bytes(index));
    for (unsigned i = 0; i < CHAIN_COUNT; i++)
        lane->chains[i].back = (uint32_t *)(void *)(memory + CHAIN_COUNT * newest_bytes(index) + i * back_bytes(index));
    return 0;
}

/* bytes: a multiple of 8. */
static uint32_t bucket_of(const struct query_index *index, const void *id, size_t bytes) {
    uint64_t hash = 0, word;
    for (size_t i = 0; i < bytes; i += sizeof word) {
        memcpy(&word, (const char *)id + i, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - index->bucket_bits));
}

static uint32_t trace_bucket(const struct query_index *index, const struct trace_id *id) {
    return bucket_of(index, id->bytes, sizeof id->bytes);
}

static uint32_t peer_bucket(const struct query_index *index, const struct trace_node_id *id) {
    return bucket_of(index, id->bytes, sizeof id->bytes);
}

/* In the first pass of a catch-up, back[] holds buckets instead of distances, or this for an event without a peer. */
#define NO_BUCKET UINT32_MAX

/* Reads the new events, newest first as always, and stores each event's buckets where its distances will be.  Returns the end
 * of the run of events that begins at *from. */
static uint64_t note_buckets(const struct query_index *index, struct lane_index *at, struct query_lane *lane, uint64_t *from) {
    uint64_t end = lane->head, position = lane->head;
    struct trace_event event;
    while (position > *from) {
        uint32_t slot = (uint32_t)--position & lane->slot_mask;
        enum slot_state state = slot_read(&lane->slots[slot], position, &event);
        if (state == SLOT_TAKEN) {
            at->chains[BY_TRACE].back[slot] = trace_bucket(index, &event.trace_id);
            at->chains[BY_PEER].back[slot] = event.flags & TRACE_FLAG_HAS_PEER ? peer_bucket(index, &event.peer_id) : NO_BUCKET;
        } else if (state == SLOT_LAPPED) {
            *from = lane->floor = position + 1;
        } else {
            end = position;
        }
    }
    return end;
}

static void link_position(struct chain *chain, uint64_t position, uint32_t slot, uint32_t slot_mask) {
    uint32_t bucket = chain->back[slot];
    chain->back[slot] = 0;
    if (bucket == NO_BUCKET) return;
    uint64_t *newest = &chain->newest[bucket];
    if (*newest != 0 && position - (*newest - 1) <= slot_mask) chain->back[slot] = (uint32_t)(position - (*newest - 1));
    *newest = position + 1;
}

int query__index_catch_up(struct query_index *index, struct query_lane *lane, uint64_t *ret_end) {
    struct lane_index *at = &index->lanes[lane->number];
    uint64_t from = at->end > lane->floor ? at->end : lane->floor, end;
    int result = make_lane_index(index, at);
    if (result != 0) return result;
    end = note_buckets(index, at, lane, &from);
    for (uint64_t position = from; position < end; position++)
        for (unsigned i = 0; i < CHAIN_COUNT; i++)
            link_position(&at->chains[i], position, (uint32_t)position & lane->slot_mask, lane->slot_mask);
    *ret_end = at->end = end;
    return 0;
}

void query__index_search(struct query_index *index, struct query_lane *lane, const struct query_search *search) {
    const struct trace_query_filter *filter = &search->filter;
    const struct chain *chains = index->lanes[lane->number].chains;
    const struct chain *chain = &chains[filter->trace_id ? BY_TRACE : BY_PEER];
    uint32_t bucket = filter->trace_id ? trace_bucket(index, filter->trace_id) : peer_bucket(index, filter->peer_id);
    uint64_t next = chain->newest[bucket]; /* position + 1 */
    struct trace_event event;
    while (next > lane->floor) {
        uint64_t position = next - 1;
        uint32_t slot = (uint32_t)position & lane->slot_mask;
        if (slot_read(&lane->slots[slot], position, &event) != SLOT_TAKEN) { /* it was an event when it was indexed */
            lane->floor = position + 1;
            return;
        }
        query__offer(search, &event, lane, position);
        next = chain->back[slot] != 0 ? next - chain->back[slot] : 0;
    }
}
