/* SPDX-License-Identifier: MIT
 *
 * The inside of the history.  Only the files of store/history and their tests include this.
 *
 * A segment
 * ---------
 *      by_trace     [131072]  fingerprint << 16 | tally     by trace id: open addressing, linear probing, 0 is empty
 *      traces        [65536]  tally of one trace here: its newest event and its directory entry
 *      trace_links   [65536]  for each event the one before it of the same trace; one that links to itself ends the chain
 *      by_peer      [131072]  as by_trace, by peer
 *      peer_links    [65536]  as trace_links
 *      peer_numbers  [65536]  for each event the number of its peer's tally, PEER_NONE without a peer, PEER_RARE without a tally
 *      blocks          [256]  of 256 events each: least and greatest time, kinds, nodes
 *      bounds                 the same of all blocks together
 *      sources       [65536]  node and lane of each event
 *      events        [65536]
 *
 * A table uses as many of its slots as the segment before suggests, so that few ids share few cache lines.  When it fills up,
 * it is rebuilt in the same memory while its version is odd; a reader that sees an odd version retries.
 *
 * Tallies of peers are large and usually few, so they come in chunks from a pool that all segments share.  Peer ids come from
 * the network, where anyone can make any number of them.  So when tallies or directory entries run short, rare peers get none:
 * their events in a segment are linked into one chain, and a query for such a peer walks that chain.  Answers stay exact, and
 * no event is evicted because of peers.
 *
 * Directories
 * -----------
 * One entry for each different trace (and peer) in the history.  An entry says in which segment its id was first and last seen,
 * and retiring a segment updates nothing else: an entry whose last segment is gone is dead, one whose first is gone has lost
 * events.  Dead entries are swept a few at a time, or all at once when entries run short.  The hash table of a directory is
 * private to the ingest thread; readers reach entries through tallies, or walk over all of them.  An entry's id never changes
 * before a grace period after it was swept.
 *
 * When entries of the directory of traces run low, the oldest segment is retired early: memory is fixed and answers stay
 * exact, the history only reaches less far back, but never less than a quarter.
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
 *      end:A      history_end_position                         end:R
 *      slot:R     history_table.c, new tally          slot:A       a reader follows a slot to a tally that is not filled
 *      slot:A     history__find_*                     slot:R
 *      table:R    history_table.c grow                table:A      a reader searches a table that is being rebuilt, and misses
 *      table:A    history__find_*                     table:R
 *      traces:R   history_index.c index_traces        traces:A     a reader lists a tally that is not filled
 *      traces:A   history_summary.c last_times        traces:R
 *      head:R     history_index.c, link_event         head:A       a reader follows the link of an event that has none yet
 *      head:A     history__chain_*                    head:R
 *      ring:R     history.c open_segment              ring:A       a reader sees a segment's old events under its new number
 *      ring:A     history__segment                    ring:R
 *      gone:R     history.c retire_oldest             ring:A       a reader misses a segment, and not that its events moved
 *      entry:R    history_index.c, new entry          entry:A      a reader lists an entry whose id is not written yet
 *      entry:A    history__entry_alive                entry:R
 *      peers:R    history_index.c peer_make           peers:A      a reader adds up a tally that is not filled
 *      peers:A    history_peers.c add_segment         peers:R
 *      moves:R    history.c retire_oldest             moves:A      a reader sees a kept event twice, or not at all
 *      moves:A    history__span                       moves:R
 *      rare:R     history_index.c, rare_link          rare:A       a reader walks a chain of rare peers that has no head yet
 *      rare:A     history__rare_chain                 rare:R
 *
 * What was removed (ring slot, entry count) is reused only after grace_wait(); the reclaimer hands it back under a mutex. */
#ifndef TRACED_HISTORY_INTERNAL_H
#define TRACED_HISTORY_INTERNAL_H

#include <store/grace.h>
#include <store/history.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BLOCK_EVENTS 256
#define BLOCKS (HISTORY_SEGMENT_EVENTS / BLOCK_EVENTS)
#define TABLE_SLOTS_MIN 1024
#define TABLE_SLOTS (1U << 17)
#define CHUNK_PEERS 256
#define SEGMENT_CHUNKS (HISTORY_SEGMENT_EVENTS / CHUNK_PEERS)
#define RESERVE_MAX 8192 /* events in one reserved place, so that the pools' slack is small */
#define SEGMENTS_MIN 3
#define SEGMENTS_MAX 8192
#define DIRECTORY_BITS_MIN 12

TRACE_STATIC_ASSERT_(HISTORY_SEGMENT_EVENTS == 65536, "links, heads and tally numbers are 16 bits wide");

/* Bounds over 256 events, or over a whole segment.  They are written before the events are published and only ever widened, so
 * a reader may see bounds that are too wide, but skips no event. */
struct block {
    _Atomic uint64_t min_ns, max_ns;
    _Atomic uint64_t kinds; /* bit 63: all from 63 up */
    _Atomic uint64_t nodes; /* bit node % 64 */
};

/* What history_keep.c has decided about a trace. */
enum trace_kept { TRACE_KEPT_NOT, TRACE_KEPT, TRACE_KEPT_NO_MORE };

/* A trace in a segment. */
struct trace_tally {
    struct trace_id id;
    _Atomic uint64_t last_ns; /* greatest */
    uint32_t entry;           /* in the directory of traces */
    _Atomic uint16_t head;
    _Atomic uint16_t kept; /* enum trace_kept; in an image always 0 */
};
TRACE_STATIC_ASSERT_(sizeof(struct trace_tally) == 32, "two tallies a cache line");

/* How an event counts for its peer. */
enum packet_class { PACKET_SENT, PACKET_RECEIVED, PACKET_NONE, PACKET_LOST, PACKET_CLASSES };

/* Set in rtt_node of a tally that has heard_ns: those of older recordings lack it. */
#define PEER_HEARD 0x8000

/* A peer in a segment: what all nodes say about it. */
struct peer_tally {
    struct trace_node_id id;
    uint32_t entry; /* in the directory of peers */
    _Atomic uint16_t head;
    _Atomic uint16_t rtt_node;                /* and PEER_HEARD */
    _Atomic uint64_t heard_ns;                /* when something was last received from it; 0: never */
    _Atomic uint32_t packets[PACKET_CLASSES]; /* their sum is the number of events */
    /* second cache line */
    _Atomic uint64_t bytes[2];    /* PACKET_SENT, PACKET_RECEIVED */
    _Atomic uint32_t messages[2]; /* message_sent, message_received: among the events that are no packets */
    _Atomic uint64_t first_ns, last_ns;
    _Atomic uint64_t rtt_ns, rtt_time_ns; /* the newest sample, and when; never at 0: none yet */
    _Atomic uint64_t min_rtt_ns;
};
TRACE_STATIC_ASSERT_(sizeof(struct peer_tally) == 128, "two cache lines");

/* From the hash of an id to a number of 16 bits. */
struct table {
    _Atomic uint32_t *slots;  /* TABLE_SLOTS of memory */
    _Atomic uint32_t mask;    /* slots in use - 1 */
    _Atomic uint32_t version; /* odd: being rebuilt */
    uint32_t used;            /* slots taken; the ingest thread's */
};

#define NODE_MANY UINT32_MAX

#define PEER_NONE 0xffff
#define PEER_RARE 0xfffe        /* of a segment in memory: in one that is backed, every peer has a tally */
#define PEER_TALLIES_MAX 0xfffe /* of a segment in memory */

/* A search visits every segment, and most have no match.  Two cache lines show that: the bounds are in the first, the table of
 * traces in the second. */
struct segment {
    uint64_t number; /* position / HISTORY_SEGMENT_EVENTS; constant while readers can reach it */
    struct block bounds;
    struct backed *backed;       /* NULL: in memory; otherwise see history_backed.c */
    uint32_t capacity;           /* events that it can hold: all, but those of a backed segment were sealed earlier */
    _Atomic uint32_t kept_count; /* bits in kept */
    _Atomic uint64_t *kept; /* bit set of events that were copied here when their segment was retired; NULL: without shares */
    struct table by_trace, by_peer;
    struct trace_tally *traces;
    uint16_t *trace_links, *peer_links, *peer_numbers;
    struct trace_event *events;
    history_source *sources;
    struct block *blocks;
    _Atomic uint32_t traces_published; /* tallies that may be looked at in a row */
    _Atomic uint32_t peers_published;
    _Atomic uint32_t rare;      /* events whose peers have no tally here */
    _Atomic uint16_t rare_head; /* of their chain, in peer_links; only if there are some */
    uint64_t kept_before;       /* copies in all segments before this one; constant while readers can reach it */

    /* The ingest thread's. */
    struct segment *next;  /* in the list of spare, retired or idle segments */
    uint32_t trace_count;  /* tallies in use */
    uint32_t peer_count;   /* likewise */
    uint32_t swept_traces; /* list of directory entries that share this segment's grace period */
    uint32_t swept_peers;  /* likewise */
    uint32_t chunk_count;  /* of chunks[] */
    uint32_t only_node;    /* of all its events; NODE_MANY: of several nodes */
    struct peer_tally *chunks[SEGMENT_CHUNKS];
    char end_pad[32];
};
TRACE_STATIC_ASSERT_(offsetof(struct segment, by_trace) == 64 && sizeof(struct segment) % 64 == 0, "the two lines");

/* Head of a directory entry.  The two numbers are segment numbers + 1; last_in is 0 for a free entry. */
struct entry {
    _Atomic uint64_t last_in;
    _Atomic uint64_t first_in; /* since its last revival; of a free entry, the next in its list */
};

struct trace_entry {
    struct entry entry;
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

/* Entries are numbered from 1; 0 means none. */
struct directory {
    struct directory_slot *slots;    /* 1 << bits */
    struct directory_slot *areas[2]; /* by parity of bits: a table grows from one into the other */
    unsigned bits, bits_max;
    void *entries;
    size_t entry_bytes;
    uint32_t capacity;     /* entries that there may be at a time */
    uint32_t used;         /* all but the free: alive, dead, or swept and in their grace period */
    uint32_t hashed;       /* in the slots */
    uint32_t swept;        /* entries on their way to be free: a list */
    uint32_t free_list;    /* were used before */
    uint32_t sweep_at;     /* where the next sweep continues */
    _Atomic uint32_t high; /* entries 1 ... high - 1 have been used */
    uint64_t (*hash_of)(const struct history *history, const void *id);
};

struct history {
    /* What readers ask for. */
    _Atomic uint64_t end;   /* position after the newest event */
    _Atomic uint64_t begin; /* position of the oldest */
    _Atomic uint64_t moves; /* odd while events move from the oldest segment to the end */
    char end_pad[64 - 24];

    uint64_t keys[6]; /* of the hashes; random, so that no outsider can make ids collide */
    uint32_t segments_max;
    _Atomic(struct segment *) *ring; /* segment n is in ring[n % segments_max], or nothing is */
    struct segment *segments;
    struct directory traces, peers;
    struct peer_tally *peer_tallies; /* the pool of chunks */
    struct peer_tally **chunks_free;
    uint32_t chunks_max;
    void *arena;
    size_t arena_bytes;
    size_t bytes_max;

    /* The ingest thread's. */
    struct segment *newest;
    uint32_t filled;   /* events in the newest */
    uint32_t reserved; /* how many the caller may append */
    uint32_t chunks_free_count;
    bool every_peer;          /* none is rare: it is used for one segment, and then has room for all */
    uint64_t seen_once[1024]; /* a bit for the hash of each rare peer of the newest segment */
    uint32_t in_grace;        /* segments that wait for the reclaimer */
    struct segment *spare;
    _Atomic uint32_t live; /* segments that readers can reach */

    /* Shared with the reclaimer. */
    pthread_t reclaimer;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct segment *retired; /* waiting for their grace period */
    struct segment *idle;    /* had it */
    bool stop;

    struct {
        uint64_t kind_bit; /* 0: no watcher */
        void (*seen)(void *arg, const struct trace_event *event, history_source source);
        void *arg;
    } watch;

    struct history_share *share; /* NULL: the oldest events are evicted */
    struct history_keep *keep;   /* NULL: no trace is kept longer than others */
    _Atomic uint64_t gone_ns;    /* every evicted event is at or before it */
    _Atomic uint64_t early;      /* events evicted while there was memory for more, because of traces */

    bool lazy;                   /* memory is touched as it fills, and the appending thread waits for grace periods itself */
    struct backed_store *backed; /* NULL: it is in memory, and appended to */
};

/* ---- hashes ------------------------------------------------------------------------------------------------------------ */

__extension__ typedef unsigned __int128 history_u128;

/* Both halves of a 64 x 64 multiplication, xored: every bit of the operands reaches every bit of the result. */
static inline uint64_t history__fold(uint64_t a, uint64_t b) {
    history_u128 product = (history_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Word by word: a copy of the whole would go through vector registers and the stack. */
static inline uint64_t history__word(const uint8_t *bytes, unsigned index) {
    uint64_t word;
    memcpy(&word, bytes + 8 * index, sizeof word);
    return word;
}

static inline uint64_t history__hash_trace_by(const uint64_t *keys, const struct trace_id *id) {
    uint64_t half = history__fold(history__word(id->bytes, 0) ^ keys[0], history__word(id->bytes, 1) ^ keys[1]);
    return history__fold(half ^ keys[2], keys[3]);
}
static inline uint64_t history__hash_trace(const struct history *history, const struct trace_id *id) {
    return history__hash_trace_by(history->keys, id);
}

static inline uint64_t history__hash_peer_by(const uint64_t *keys, const struct trace_node_id *id) {
    uint64_t low = history__fold(history__word(id->bytes, 0) ^ keys[0], history__word(id->bytes, 1) ^ keys[1]);
    uint64_t high = history__fold(history__word(id->bytes, 2) ^ keys[2], history__word(id->bytes, 3) ^ keys[3]);
    return history__fold(low ^ keys[4], high ^ keys[5]);
}
static inline uint64_t history__hash_peer(const struct history *history, const struct trace_node_id *id) {
    return history__hash_peer_by(history->keys, id);
}

/* A slot of a segment's table is fingerprint << 16 | number: the upper half of the hash says where, and the lower half gives the
 * fingerprint, one bit of which is always set, so that 0 is empty. */
static inline uint32_t history__home(uint64_t hash, uint32_t mask) { return (uint32_t)(hash >> 32) & mask; }
static inline uint32_t history__fingerprint(uint64_t hash) { return ((uint32_t)hash | 0x10000) & 0xffff0000; }
static inline bool history__slot_like(uint32_t slot, uint32_t fingerprint) { return (slot ^ fingerprint) < 0x10000; }

/* ---- parts of a segment ------------------------------------------------------------------------------------------------ */

static inline bool history__id_equal(const struct trace_id *a, const struct trace_id *b) {
    return ((history__word(a->bytes, 0) ^ history__word(b->bytes, 0)) |
            (history__word(a->bytes, 1) ^ history__word(b->bytes, 1))) == 0;
}

static inline bool history__peer_equal(const struct trace_node_id *a, const struct trace_node_id *b) {
    uint64_t differ = 0;
    for (unsigned i = 0; i < 4; i++) differ |= history__word(a->bytes, i) ^ history__word(b->bytes, i);
    return differ == 0;
}

static inline bool history__id_none(const struct trace_id *id) {
    return (history__word(id->bytes, 0) | history__word(id->bytes, 1)) == 0;
}

static inline struct peer_tally *history__peer_tally(const struct segment *segment, uint32_t number) {
    return &segment->chunks[number / CHUNK_PEERS][number % CHUNK_PEERS];
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

static inline enum trace_kept history__kept_load(const struct trace_tally *tally) {
    return (enum trace_kept)atomic_load_explicit(&tally->kept, memory_order_relaxed); /* relaxed: a hint by itself */
}
static inline void history__kept_store(struct trace_tally *tally, enum trace_kept kept) {
    atomic_store_explicit(&tally->kept, (uint16_t)kept, memory_order_relaxed); /* relaxed: likewise */
}

/* ---- sets of numbers: 64 a word ----------------------------------------------------------------------------------------- */

static inline bool history__bit_get(const uint64_t *bits, uint32_t index) { return (bits[index / 64] >> index % 64 & 1) != 0; }
static inline void history__bit_set(uint64_t *bits, uint32_t index) { bits[index / 64] |= UINT64_C(1) << index % 64; }

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

/* One writer: an add needs no locked instruction. */
static inline void history__add32(_Atomic uint32_t *word, uint32_t by) { history__store32(word, history__load32(word) + by); }
static inline void history__add(_Atomic uint64_t *word, uint64_t by) { history__store(word, history__load(word) + by); }
static inline void history__least(_Atomic uint64_t *word, uint64_t value) {
    uint64_t old = history__load(word);
    history__store(word, value < old ? value : old);
}
static inline void history__greatest(_Atomic uint64_t *word, uint64_t value) {
    uint64_t old = history__load(word);
    history__store(word, value > old ? value : old);
}

static inline bool history__peer_has_heard(const struct peer_tally *tally) {
    return atomic_load_explicit(&tally->rtt_node, memory_order_relaxed) & PEER_HEARD; /* relaxed: it never changes */
}
static inline uint32_t history__rtt_node(const struct peer_tally *tally) {
    return atomic_load_explicit(&tally->rtt_node, memory_order_relaxed) & ~(uint32_t)PEER_HEARD; /* relaxed: as rtt_ns */
}
static inline void history__set_rtt_node(struct peer_tally *tally, uint32_t node) {
    /* relaxed: likewise */
    atomic_store_explicit(&tally->rtt_node, (uint16_t)(node | PEER_HEARD), memory_order_relaxed);
}

/* A round-trip sample.  The newest counts; at equal times that of the node with the greater index, and within one node the
 * later one.  Samples come in order of position. */
static inline void history__peer_rtt(struct peer_tally *tally, uint64_t time_ns, uint32_t node, uint64_t rtt_ns) {
    uint64_t old_ns = history__load(&tally->rtt_time_ns);

    if (time_ns < old_ns || (time_ns == old_ns && node < history__rtt_node(tally))) return;
    history__store(&tally->rtt_time_ns, time_ns);
    history__store(&tally->rtt_ns, rtt_ns);
    history__set_rtt_node(tally, node);
}

static inline void history__peer_init(struct peer_tally *tally, const struct trace_node_id *id) {
    memset((void *)tally, 0, sizeof *tally);
    tally->id = *id;
    history__set_rtt_node(tally, 0);
    history__store(&tally->first_ns, UINT64_MAX);
    history__store(&tally->min_rtt_ns, UINT64_MAX);
}

/* Counts one event of the peer (history_peers.c). */
extern const uint8_t history__packet_classes[32];
#define RTT_SAMPLE 4
#define MESSAGE 8
#define HEARD 16    /* the node received it from the peer */
#define HEARD_IF 32 /* if its data say so */
void history__peer_special(struct peer_tally *tally, const struct trace_event *event, uint32_t node);
static inline void history__peer_count(struct peer_tally *tally, const struct trace_event *event, uint32_t node) {
    uint32_t what = history__packet_classes[event->kind < 32 ? event->kind : 0] ^ PACKET_NONE, class = what & 3;
    class -= (class == PACKET_LOST) & (event->flags / TRACE_FLAG_PROBE); /* a lost probe does not count as a loss: PACKET_NONE */
    uint64_t counted = (uint64_t)(class >> 1) - 1;                       /* all bits for a packet sent or received, else none */

    history__add32(&tally->packets[class], 1);
    history__add(&tally->bytes[class & 1], event->data.packet_sent.size & counted);
    history__least(&tally->first_ns, event->timestamp);
    history__greatest(&tally->last_ns, event->timestamp);
    history__greatest(&tally->heard_ns, event->timestamp & (0 - (uint64_t)(what / HEARD & 1)));
    if (what & (RTT_SAMPLE | MESSAGE | HEARD_IF)) history__peer_special(tally, event, node);
}

/* Draws the keys of the hashes.  Returns 0 or -EIO. */
int history__keys_make(struct history *history);

/* ---- history.c: segments; readers' side, under the RCU read lock --------------------------------------------------------- */

/* The range of positions of one answer, fixed at its start so that its parts agree. */
struct history_span {
    uint64_t begin, end;
    uint64_t until_ns; /* of these, events from this time on do not count; 0: all do */
};

static inline bool history__span_has(const struct history_span *span, const struct trace_event *event) {
    return !span->until_ns || event->timestamp < span->until_ns;
}

/* All that there is now, each event once. */
struct history_span history__span(const struct history *history);

/* Ingest thread: begins the next segment when the newest is full, without retiring one.  Returns false if there is no memory
 * for it. */
bool history__open_next(struct history *history);

/* The segment of that number, or NULL when it has been retired.  Only for its bounds: see history__segment. */
static inline struct segment *history__segment_bounds(const struct history *history, uint64_t number) {
    /* ring:A  Pairs with ring:R.  Without it we could see the old contents of a reused segment. */
    struct segment *segment = atomic_load_explicit(&history->ring[number % history->segments_max], memory_order_acquire);
    return segment != NULL && segment->number == number ? segment : NULL;
}

/* The part of a segment that lies before a position: how many of its events. */
static inline uint32_t history__behind(const struct segment *segment, uint64_t end) {
    uint64_t events = end - segment->number * HISTORY_SEGMENT_EVENTS;
    return events < segment->capacity ? (uint32_t)events : segment->capacity;
}

/* ---- history_backed.c: segments that lie in a recording -------------------------------------------------------------------- */

#define BACKED_PLACES 3

/* Gives the arrays of a backed segment their place. */
void history__backed_enter(const struct history *history, struct segment *segment);

/* The segment of that number, or NULL when it has been retired.  The arrays of a backed one stay valid until BACKED_PLACES - 1
 * others have been requested; their contents must be requested with history__ready. */
static inline struct segment *history__segment(const struct history *history, uint64_t number) {
    struct segment *segment = history__segment_bounds(history, number);
    if (segment && segment->backed) history__backed_enter(history, segment);
    return segment;
}

bool history__backed_ready(const struct segment *segment, const void *from, size_t bytes);

/* Can these bytes of a segment's arrays be read?  In memory, always.  A backed segment loads and checks them first; false: they
 * are damaged, which has been reported.  The caller can do without the derived arrays (all but events and sources) by examining
 * the events. */
static inline bool history__ready(const struct segment *segment, const void *from, size_t bytes) {
    return __builtin_expect(!segment->backed, 1) || history__backed_ready(segment, from, bytes);
}

/* One event, with its source. */
static inline bool history__event_ready(const struct segment *segment, uint32_t index) {
    return history__ready(segment, &segment->sources[index], sizeof *segment->sources) &&
           history__ready(segment, &segment->events[index], sizeof *segment->events);
}

/* Do its tallies know the least and greatest times of their events?  Not if several clocks were merged. */
bool history__backed_times_whole(const struct segment *segment);
static inline bool history__times_whole(const struct segment *segment) {
    return __builtin_expect(!segment->backed, 1) || history__backed_times_whole(segment);
}

/* Are there events of it that could not be read? */
bool history__backed_damaged(const struct segment *segment);

/* The keys of its tables. */
const uint64_t *history__backed_keys(const struct segment *segment);
static inline const uint64_t *history__keys(const struct history *history, const struct segment *segment) {
    return __builtin_expect(!segment->backed, 1) ? history->keys : history__backed_keys(segment);
}

/* Fills the directories of a backed history, once.  Summaries need them.  Returns 0 or -ENOMEM. */
int history__backed_directories(struct history *history);

/* The directory entry of a trace, or 0. */
uint32_t history__backed_entry(const struct history *history, const struct trace_id *id);

/* The greatest time of each trace, by entry: traces.high of them. */
void history__backed_last_times(const struct history *history, uint64_t *out);

/* The traces whose ids begin so, by the segments' own order: no directory is needed. */
size_t history__backed_find_traces(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_id *out,
                                   size_t max);

void history__backed_destroy(struct history *history);

/* ---- history_table.c: the ingest thread's side ----------------------------------------------------------------------------- */

/* Empties a table, for about `expected` ids.  Nobody may be reading it. */
void history__table_clear(struct table *table, uint32_t expected);

/* Must the table grow before the next insertion? */
static inline bool history__table_crowded(const struct table *table) {
    uint32_t mask = history__load32(&table->mask);
    return table->used >= mask / 8 * 5 && mask + 1 < TABLE_SLOTS;
}

/* Rebuilds it with twice the slots for numbers 0 ... count - 1, whose hashes hash_of returns. */
void history__table_grow(struct table *table, const struct history *history, const struct segment *segment, uint32_t count,
                         uint64_t (*hash_of)(const struct history *history, const struct segment *segment, uint32_t number));

/* slot:R  Publishes a number that stands for a filled tally.  Pairs with slot:A. */
static inline void history__slot_publish(_Atomic uint32_t *slot, uint64_t hash, uint32_t number) {
    atomic_store_explicit(slot, history__fingerprint(hash) | number, memory_order_release);
}

/* ---- history_index.c ---------------------------------------------------------------------------------------------------- */

/* Ingest thread: indexes `count` events from `first` on; the pools have room for them. */
void history__index(struct history *history, struct segment *segment, uint32_t first, uint32_t count, history_source source);

/* Readers: the tally of a trace or of a peer in a segment, or NULL.  Under the RCU read lock.  hash: of the id, by
 * history__hash_trace or history__hash_peer; callers that go through many segments compute it once.  If the index is damaged,
 * *ret_whole becomes false, and the caller has to look at the events themselves; otherwise it does not change. */
struct trace_tally *history__find_trace(const struct segment *segment, const struct trace_id *id, uint64_t hash, bool *ret_whole);
struct peer_tally *history__find_peer(const struct segment *segment, const struct trace_node_id *id, uint64_t hash,
                                      bool *ret_whole);

/* Can the chain from `head` be walked to its end?  Asked before anything is taken from it. */
bool history__chain_whole(const struct segment *segment, const _Atomic uint16_t *head, const uint16_t *links);

/* The head of the chain of events whose peers have no tally in the segment; NULL: there are none. */
static inline const _Atomic uint16_t *history__rare_chain(const struct segment *segment) {
    /* rare:A  Pairs with rare:R.  Without it we could start from a head that is not written yet. */
    return atomic_load_explicit(&segment->rare, memory_order_acquire) != 0 ? &segment->rare_head : NULL;
}

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
    chain->next = before >= index ? HISTORY_SEGMENT_EVENTS : before; /* older always; the oldest links to itself */
    *ret_index = index;
    return true;
}

/* ---- history_directory.c: the ingest thread's side ---------------------------------------------------------------------- */

/* How much memory a directory of that many entries needs for its slots. */
unsigned history__directory_bits(uint32_t capacity);
size_t history__directory_slot_bytes(unsigned bits_max, unsigned parity);

/* The memory is zeroed and the caller's. */
void history__directory_init(struct directory *directory, uint32_t capacity, void *entries, size_t entry_bytes, void *slots_even,
                             void *slots_odd, uint64_t (*hash_of)(const struct history *history, const void *id));

/* A new entry, in the slots and not yet alive: the caller fills it and then makes it so (entry:R).  There must be room. */
uint32_t history__directory_add(struct directory *directory, uint64_t hash);

/* Examines up to `count` entries in turn and removes the dead ones, until `enough` are in the list `swept`. */
void history__directory_sweep(struct history *history, struct directory *directory, uint32_t count, uint32_t enough);

/* Frees a list of swept entries after their grace period. */
void history__directory_free(struct directory *directory, uint32_t list);

static inline struct entry *history__entry(const struct directory *directory, uint32_t index) {
    return (struct entry *)((char *)directory->entries + (size_t)index * directory->entry_bytes);
}

/* Slot where the search for a hash begins. */
static inline uint32_t history__directory_home(const struct directory *directory, uint32_t tag) {
    return tag >> (32 - directory->bits);
}

/* Does the history have events of the entry's id from position `begin` on?  Then the id may be read until rcu_read_unlock(). */
static inline bool history__entry_alive(const struct entry *entry, uint64_t begin) {
    /* entry:A  Pairs with entry:R.  Without it we could see that an entry is alive, and an id that it had before. */
    return atomic_load_explicit(&entry->last_in, memory_order_acquire) > begin / HISTORY_SEGMENT_EVENTS;
}

/* Have any of its events been evicted? */
static inline bool history__entry_truncated(const struct entry *entry, uint64_t begin) {
    return history__load(&entry->first_in) <= begin / HISTORY_SEGMENT_EVENTS;
}

/* ---- history_query.c: work ---------------------------------------------------------------------------------------------- */

/* Work under one hold of the RCU read lock: about a millisecond. */
#define HISTORY_WORK_A_LOCK 500000

/* Releases the RCU read lock for a moment when that much work was done since *held, the work when it was taken.  Returns 0;
 * -ENOENT: the segment was evicted meanwhile; -E2BIG or -ECANCELED as history_work_check. */
int history__breathe(const struct history *history, const struct segment *segment, const struct history_work *work,
                     uint64_t *held);

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

/* Time, then node, lane (both in source), sequence; the position makes it a total order, whatever a node writes. */
static inline int history__key_compare(const struct history_key *a, const struct history_key *b) {
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    if (a->sequence != b->sequence) return a->sequence < b->sequence ? -1 : 1;
    if (a->position != b->position) return a->position < b->position ? -1 : 1;
    return 0;
}

#endif
