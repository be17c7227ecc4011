/* SPDX-License-Identifier: MIT
 *
 * The inside of the history.  Only traced/history*.c and their tests include this.
 *
 * A segment
 * ---------
 *      trace_slots  [131072]  fingerprint << 16 | tally     by trace id: open addressing, linear probing, 0 is empty
 *      traces        [65536]  tally of one trace here: its newest event and its directory entry
 *      trace_links   [65536]  for each event the one before it of the same trace; one that links to itself ends the chain
 *      pair_slots   [131072]  as trace_slots, by (peer, node): what one node says about one peer
 *      pair_links    [65536]  as trace_links
 *      peer_slots   [131072]  by peer alone: the first of its pairs; the others follow by `sibling`
 *      blocks          [256]  of 256 events each: least and greatest time, kinds, nodes
 *      sources       [65536]  node and lane of each event
 *      events        [65536]
 *
 * The tallies of pairs are big and usually few, so that they come in chunks from a pool that all segments share.
 *
 * Directories
 * -----------
 * One entry for each different trace (and peer) in the history.  Entries are counted, not events: an entry lives while a segment
 * has a tally of it, and a retired segment's tallies take exactly what they gave.  The hash table of a directory is private to
 * the ingest thread; readers reach entries through tallies, or walk over all of them.  An entry's id never changes before a grace
 * period after its death.
 *
 * When a pool (directory entries, chunks) runs low, the oldest segment is retired early: memory is fixed and answers stay exact,
 * the history only reaches less far back.
 *
 * Threads
 * -------
 * Everything is written by the ingest thread.  Readers hold the RCU read lock while they touch a segment or an entry.  The
 * reclaimer thread waits for grace periods, so that the ingest usually does not.
 *
 * Ordering                                            (all words not named here are relaxed: written by one thread, statistics,
 *                                                      or bounds for which an older or newer value only costs time)
 *
 *      label      where                               pairs with   without it
 *      end:R      history_append                      end:A        a reader takes an event that is still being written
 *      end:A      history_end                         end:R
 *      slot:R     history_index.c, new tally          slot:A       a reader follows a slot to a tally that is not filled
 *      slot:A     history__find_*                     slot:R
 *      head:R     history_index.c, link_event         head:A       a reader follows the link of an event that has none yet
 *      head:A     history__chain_*                    head:R
 *      ring:R     history.c rotate                    ring:A       a reader sees a segment's former events under its new number
 *      ring:A     history__segment                    ring:R
 *      entry:R    history_index.c, new entry          entry:A      a reader lists an entry whose id is not there yet
 *      entry:A    history__entry_alive                entry:R
 *      pair:R     history_index.c index_peer          pair:A       a reader adds up a pair that is not filled
 *      pair:A     history_summary.c add_segment       pair:R
 *
 * What was removed (ring slot, entry count) is reused only after grace_wait(); the reclaimer hands it back under a mutex. */
#ifndef TRACED_HISTORY_INTERNAL_H
#define TRACED_HISTORY_INTERNAL_H

#include "grace.h"
#include "history.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BLOCK_EVENTS 256
#define BLOCKS (HISTORY_SEGMENT_EVENTS / BLOCK_EVENTS)
#define TABLE_BITS 17
#define TABLE_SLOTS (1U << TABLE_BITS)
#define TABLE_MASK (TABLE_SLOTS - 1)
#define CHUNK_PAIRS 256
#define SEGMENT_CHUNKS (HISTORY_SEGMENT_EVENTS / CHUNK_PAIRS)
#define RESERVE_MAX 8192 /* events in one reserved place, so that the pools' slack is small */
#define SEGMENTS_MIN 3
#define SEGMENTS_MAX 8192
#define DIRECTORY_BITS_MIN 12

TRACE_STATIC_ASSERT_(HISTORY_SEGMENT_EVENTS == 65536, "links, heads and tally numbers are 16 bits wide");

/* Bounds over 256 events.  Written before the events are published and only ever widened, so that a reader that sees more than
 * its events passes over nothing. */
struct block {
    _Atomic uint64_t min_ns, max_ns;
    _Atomic uint64_t kinds; /* bit 63: all from 63 up */
    _Atomic uint64_t nodes; /* bit node % 64 */
};

/* A trace in a segment.  Only entry and head are read by readers. */
struct trace_tally {
    uint64_t last_ns; /* greatest */
    uint32_t entry;   /* in the directory of traces */
    _Atomic uint16_t head;
    uint16_t unused;
};
TRACE_STATIC_ASSERT_(sizeof(struct trace_tally) == 16, "four tallies a cache line");

/* What an event counts as for its peer. */
enum packet_class { PACKET_SENT, PACKET_RECEIVED, PACKET_NONE, PACKET_LOST, PACKET_CLASSES };

/* What one node says about one peer in a segment. */
struct pair_tally {
    struct trace_node_id peer_id;
    uint32_t node;
    uint32_t entry; /* in the directory of peers */
    _Atomic uint16_t head;
    uint16_t sibling; /* the next pair of the same peer; itself ends the list */
    uint32_t unused;
    _Atomic uint32_t packets[PACKET_CLASSES]; /* their sum is the number of events */
    /* second cache line */
    _Atomic uint64_t bytes[2]; /* PACKET_SENT, PACKET_RECEIVED */
    uint64_t unused2;
    _Atomic uint64_t first_ns, last_ns;
    _Atomic uint64_t rtt_ns, rtt_time_ns; /* the newest sample, and when; 0: none */
    _Atomic uint64_t min_rtt_ns;
};
TRACE_STATIC_ASSERT_(sizeof(struct pair_tally) == 128, "two cache lines");

struct segment {
    uint64_t number;      /* position / HISTORY_SEGMENT_EVENTS; constant while readers can reach it */
    struct segment *next; /* in the list of spare, retired or idle segments */
    uint32_t trace_count; /* tallies in use; the ingest thread's */
    uint32_t pair_count;  /* likewise */
    uint32_t dead_traces; /* directory entries that died with this segment, a list */
    uint32_t dead_peers;  /* likewise */
    uint32_t chunk_count; /* of chunks[] */
    struct block *blocks;
    struct trace_event *events;
    history_source *sources;
    struct trace_tally *traces;
    uint16_t *trace_links, *pair_links;
    _Atomic uint32_t *trace_slots, *pair_slots, *peer_slots;
    _Atomic uint32_t pairs_published; /* pairs that history_peers may look at */
    uint32_t chunks[SEGMENT_CHUNKS];
};

/* Head of a directory entry. */
struct entry {
    _Atomic uint32_t tallies; /* segments (traces) or pairs (peers) that have it; 0: dead.  Upper bits: ENTRY_* */
    uint32_t next;            /* in the list of the free or of a segment's dead */
};
#define ENTRY_TRUNCATED UINT32_C(0x80000000) /* a retired segment held older events of it */
#define ENTRY_STALE UINT32_C(0x40000000)     /* last_ns is only an upper bound: its event was retired */
#define ENTRY_TALLIES UINT32_C(0x3fffffff)

struct trace_entry {
    struct entry entry;
    _Atomic uint64_t last_ns; /* greatest time of its events */
    struct trace_id id;
};
TRACE_STATIC_ASSERT_(sizeof(struct trace_entry) == 32, "two entries a cache line");

struct peer_entry {
    struct entry entry;
    struct trace_node_id id;
};

struct directory_slot {
    uint32_t tag; /* upper half of the id's hash; its top bits are the home slot */
    uint32_t entry;
};

/* Entries are numbered from 1; 0 is none. */
struct directory {
    struct directory_slot *slots;    /* 1 << bits */
    struct directory_slot *areas[2]; /* by parity of bits: a table grows from one into the other */
    unsigned bits, bits_max;
    void *entries;
    size_t entry_bytes;
    uint32_t capacity;      /* entries that there may be at a time */
    uint32_t used;          /* alive, or dead and still to be reclaimed */
    uint32_t hashed;        /* in the slots */
    uint32_t free_list;     /* were used before */
    _Atomic uint32_t high;  /* entries 1 ... high - 1 have been used */
    _Atomic uint32_t alive; /* as hashed, for others */
};

struct history {
    /* What readers ask for. */
    _Atomic uint64_t end;   /* position behind the newest event */
    _Atomic uint64_t begin; /* position of the oldest */
    char end_pad[64 - 16];

    uint64_t keys[8]; /* of the hashes; random, so that nobody outside can make ids collide */
    uint32_t segments_max;
    _Atomic(struct segment *) *ring; /* segment n is in ring[n % segments_max], or nothing is */
    struct segment *segments;
    struct directory traces, peers;
    struct pair_tally *pairs; /* the pool of chunks */
    uint32_t *chunks_free;
    uint32_t chunks_max;
    void *arena;
    size_t arena_bytes;
    size_t bytes_max;

    /* The ingest thread's. */
    struct segment *newest;
    uint32_t filled;   /* events in the newest */
    uint32_t reserved; /* how many the caller may append */
    uint32_t chunks_free_count;
    uint32_t in_grace; /* segments that the reclaimer has */
    struct segment *spare;
    _Atomic uint32_t live; /* segments that readers can reach */

    /* Shared with the reclaimer. */
    pthread_t reclaimer;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct segment *retired; /* waiting for their grace period */
    struct segment *idle;    /* had it */
    bool stop;
};

/* ---- hashes ------------------------------------------------------------------------------------------------------------ */

__extension__ typedef unsigned __int128 history_u128;

/* Both halves of a 64 x 64 multiplication, xored: every bit of the operands reaches every bit of the result. */
static inline uint64_t history__fold(uint64_t a, uint64_t b) {
    history_u128 product = (history_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t history__hash_trace(const struct history *history, const struct trace_id *id) {
    const uint64_t *keys = history->keys;
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    return history__fold(history__fold(words[0] ^ keys[0], words[1] ^ keys[1]) ^ keys[2], keys[3]);
}

static inline uint64_t history__hash_peer(const struct history *history, const struct trace_node_id *id) {
    const uint64_t *keys = history->keys;
    uint64_t words[4];
    memcpy(words, id->bytes, sizeof words);
    return history__fold(history__fold(words[0] ^ keys[0], words[1] ^ keys[1]) ^ keys[4],
                         history__fold(words[2] ^ keys[2], words[3] ^ keys[3]) ^ keys[5]);
}

static inline uint64_t history__hash_pair(const struct history *history, uint64_t peer_hash, uint32_t node) {
    return history__fold(peer_hash ^ history->keys[6], history->keys[7] + ((uint64_t)node << 1));
}

/* A slot of a segment's table: the home is the hash's top bits, the fingerprint its lowest, and never 0. */
static inline uint32_t history__home(uint64_t hash) { return (uint32_t)(hash >> (64 - TABLE_BITS)); }
static inline uint32_t history__fingerprint(uint64_t hash) {
    uint32_t fingerprint = hash & 0xffff;
    return fingerprint != 0 ? fingerprint : 1;
}

/* ---- parts of a segment ------------------------------------------------------------------------------------------------ */

static inline bool history__id_equal(const struct trace_id *a, const struct trace_id *b) {
    uint64_t x[2], y[2];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static inline bool history__peer_equal(const struct trace_node_id *a, const struct trace_node_id *b) {
    uint64_t x[4], y[4];
    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

static inline bool history__id_none(const struct trace_id *id) {
    uint64_t words[2];
    memcpy(words, id->bytes, sizeof words);
    return (words[0] | words[1]) == 0;
}

static inline struct pair_tally *history__pair(const struct history *history, const struct segment *segment, uint32_t index) {
    return &history->pairs[(size_t)segment->chunks[index / CHUNK_PAIRS] * CHUNK_PAIRS + index % CHUNK_PAIRS];
}

static inline struct trace_entry *history__trace_entry(const struct history *history, uint32_t index) {
    return (struct trace_entry *)history->traces.entries + index;
}

static inline struct peer_entry *history__peer_entry(const struct history *history, uint32_t index) {
    return (struct peer_entry *)history->peers.entries + index;
}

static inline uint64_t history__kind_bit(uint16_t kind) { return UINT64_C(1) << (kind < 63 ? kind : 63); }

static inline uint64_t history__load(const _Atomic uint64_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed); /* relaxed: one writer; see the table above */
}
static inline void history__store(_Atomic uint64_t *word, uint64_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed); /* relaxed: likewise */
}
static inline uint32_t history__load32(const _Atomic uint32_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed); /* relaxed: likewise */
}
static inline void history__store32(_Atomic uint32_t *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed); /* relaxed: likewise */
}

/* ---- history.c: segments; readers' side, under the RCU read lock --------------------------------------------------------- */

/* The segment of that number, or NULL when it has been retired. */
struct segment *history__segment(const struct history *history, uint64_t number);

/* ---- history_index.c ---------------------------------------------------------------------------------------------------- */

/* Ingest thread: indexes `count` events from `first` on; the pools have room for them. */
void history__index(struct history *history, struct segment *segment, uint32_t first, uint32_t count, history_source source);

/* Ingest thread: takes a retired segment's tallies out of the directories. */
void history__unindex(struct history *history, struct segment *segment);

/* Readers: the tally of a trace or of the first pair of a peer in a segment, or NULL.  Under the RCU read lock. */
struct trace_tally *history__find_trace(const struct history *history, const struct segment *segment, const struct trace_id *id,
                                        uint64_t hash);
struct pair_tally *history__find_peer(const struct history *history, const struct segment *segment,
                                      const struct trace_node_id *id, uint64_t hash);

/* A walk over a chain, newest event first:
 *     struct chain chain;
 *     for (history__chain_begin(&chain, &tally->head, links); history__chain_next(&chain, &index);) ... */
struct chain {
    const uint16_t *links;
    uint32_t next; /* above 65535: at the end */
};
static inline void history__chain_begin(struct chain *chain, const _Atomic uint16_t *head, const uint16_t *links) {
    chain->links = links;
    /* head:A  Pairs with head:R.  Without it we could read the link of an event before it was written. */
    chain->next = atomic_load_explicit(head, memory_order_acquire);
}
static inline bool history__chain_next(struct chain *chain, uint32_t *ret_index) {
    uint32_t index = chain->next, before;
    if (index >= HISTORY_SEGMENT_EVENTS) return false;
    before = chain->links[index];
    chain->next = before == index ? HISTORY_SEGMENT_EVENTS : before;
    *ret_index = index;
    return true;
}

/* ---- history_directory.c: the ingest thread's side ---------------------------------------------------------------------- */

/* How much memory a directory of that many entries needs for its slots. */
unsigned history__directory_bits(uint32_t capacity);
size_t history__directory_slot_bytes(unsigned bits_max, unsigned parity);

/* The memory is zeroed and the caller's. */
void history__directory_init(struct directory *directory, uint32_t capacity, void *entries, size_t entry_bytes, void *slots_even,
                             void *slots_odd);

/* A new entry, in the slots and not yet alive: the caller fills it and then makes it so (entry:R).  There must be room. */
uint32_t history__directory_add(struct directory *directory, uint64_t hash);

/* Takes an entry out of the slots; it may be reused after history__directory_free. */
void history__directory_remove(struct directory *directory, uint64_t hash, uint32_t entry);

/* Gives back a list of removed entries, linked by `next`, after their grace period. */
void history__directory_free(struct directory *directory, uint32_t list);

static inline struct entry *history__entry(const struct directory *directory, uint32_t index) {
    return (struct entry *)((char *)directory->entries + (size_t)index * directory->entry_bytes);
}

/* Slot where the search for a hash begins. */
static inline uint32_t history__directory_home(const struct directory *directory, uint32_t tag) {
    return tag >> (32 - directory->bits);
}

/* Readers: is the entry alive?  Then its id may be read until rcu_read_unlock(). */
static inline bool history__entry_alive(const struct entry *entry, uint32_t *ret_state) {
    /* entry:A  Pairs with entry:R.  Without it we could see the count of an entry and not its id. */
    *ret_state = atomic_load_explicit(&entry->tallies, memory_order_acquire);
    return (*ret_state & ENTRY_TALLIES) != 0;
}

/* ---- history_query.c ---------------------------------------------------------------------------------------------------- */

/* A place in the order of answers. */
struct history_key {
    uint64_t time_ns;
    history_source source;
    uint32_t sequence;
    uint64_t position;
};

static inline struct history_key history__key(const struct trace_event *event, history_source source, uint64_t position) {
    return (struct history_key){event->timestamp, source, event->sequence, position};
}

/* Time, then node, lane (both in source), sequence; the position makes it a total order whatever a node writes. */
static inline int history__key_compare(const struct history_key *a, const struct history_key *b) {
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    if (a->sequence != b->sequence) return a->sequence < b->sequence ? -1 : 1;
    if (a->position != b->position) return a->position < b->position ? -1 : 1;
    return 0;
}

#endif
