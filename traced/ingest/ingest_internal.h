/* SPDX-License-Identifier: MIT
 *
 * What the files of the ingest share, and what its tests and benchmarks drive without a thread: ingest_init, ingest_pass,
 * ingest_fini.  Everything here belongs to one thread, which must be registered with liburcu. */
#ifndef TRACED_INGEST_INTERNAL_H
#define TRACED_INGEST_INTERNAL_H

#include <libtrace/clock.h>
#include <libtrace/reader.h>
#include <pthread.h>

#include "discover.h"
#include "ingest.h"

/* ---- pace ---------------------------------------------------------------------------------------------------------------- */

/* Events that are read, indexed and published together: 64 KiB, so that they are still in the cache when they are indexed. */
#define INGEST_BATCH_EVENTS 512

/* A busy lane hands over to the next after this many steps (events, losses, slots passed over), a pass ends (and wakes the
 * others) after that many. */
#define INGEST_LANE_EVENTS 8192
#define INGEST_PASS_EVENTS 32768

/* How long to wait between passes: the first while events come, then in steps as it has been quiet for longer.  A reader that
 * follows more closely takes cache lines away from the writers; one that waits longer makes events late.  The last is how late
 * the first event after a silence may be, and what silence costs: a wake-up takes some 30 us of processor time by itself. */
#define INGEST_WAIT_BUSY_NS UINT64_C(250000)
#define INGEST_WAIT_MIN_NS UINT64_C(50000)
#define INGEST_WAIT_MAX_NS UINT64_C(25000000)

/* While others are busy, a ring without events for QUIET is not looked at in every pass, but every SILENT and a little more
 * for each ring that there is, at most WAIT_MAX.  The first event anywhere after a quiet time makes all rings due. */
#define INGEST_QUIET_NS UINT64_C(10000000)
#define INGEST_SILENT_NS UINT64_C(1500000)
#define INGEST_SILENT_RING_NS UINT64_C(10000)

/* Is the node alive, has it new lanes, new descriptions: asked at least this often; of a ring that has been silent for a second
 * less often, for discovery says when an object is closed; where it can't, that is asked more often. */
#define INGEST_CHECK_NS UINT64_C(100000000)
#define INGEST_CHECK_SILENT_NS UINT64_C(2000000000)
#define INGEST_CHECK_UNWATCHED_NS UINT64_C(500000000)
#define INGEST_CLOSED_NS UINT64_C(1000000)
#define INGEST_ASLEEP_NS UINT64_C(10000000) /* the machine has slept: the clock is looked at at once */

/* An object without a header is looked at again after the first of these, then less and less often.  After END it is told as
 * rejected, and looked at every LATE: its node may have been stopped half-way, and go on. */
#define INGEST_RETRY_MIN_NS UINT64_C(1000000)
#define INGEST_RETRY_MAX_NS UINT64_C(100000000)
#define INGEST_RETRY_END_NS UINT64_C(5000000000)
#define INGEST_RETRY_LATE_NS UINT64_C(2000000000)

/* A rejected object whose node is dead is removed after this, so that it can be looked at; such objects are looked for every
 * SWEEP. */
#define INGEST_REJECTED_KEPT_NS UINT64_C(15000000000)
#define INGEST_SWEEP_NS UINT64_C(5000000000)

/* Rejections are told so many a minute, a line each; the rest is counted, and told in one line when the minute is over. */
#define INGEST_REJECTED_LINES 8
#define INGEST_REJECTED_LINES_NS UINT64_C(60000000000)

/* An event may be later than the time at which it is read by so much, for clocks of two processors; more gets that time, and
 * is flagged. */
#define INGEST_FUTURE_NS UINT64_C(1000000)

/* How long a stopping ingest goes on draining at most. */
#define INGEST_STOP_NS UINT64_C(500000000)

/* Objects that were read to their end and have more names. */
#define INGEST_DONE_MAX 64

/* Losses of a lane that wait for the event behind them. */
#define INGEST_GAPS_MAX 4

/* ---- one object ---------------------------------------------------------------------------------------------------------- */

enum ring_state {
    RING_PENDING,  /* not ready yet: in ingest.pending; with an entry in the node table once it is told as rejected */
    RING_ATTACHED, /* in ingest.attached */
    RING_OVER,     /* rejected, or drained to its end: waits for its name to go */
};

struct ingest_lane {
    uint64_t indexed;                /* events that went into the history */
    uint64_t told[TRACE_LOSS_COUNT]; /* losses that an events_lost event has told */
    uint64_t last_unix_ns;           /* time of the newest event */
    struct trace_lane_count count;   /* as of the end of the last drain that took something */
};

/* From the moment its name appears until its name and its reader are gone. */
struct ingest_ring {
    /* looked at in every pass */
    struct trace_reader *reader; /* NULL unless attached */
    uint64_t event_ns;           /* CLOCK_MONOTONIC of the pass that took the last event */
    uint32_t slot;               /* in ingest.attached */
    uint32_t lanes_used;         /* bit set */
    enum node_state end;         /* NODE_LIVE; or what it died of, while it is drained to its end */
    enum ring_state state;
    bool settle_due; /* the counters are to be looked at when it is drained */
    bool name_gone;
    bool has_node; /* node_index is meant */
    uint32_t node_index;
    struct node *node;
    struct trace_ring_clock clock;
    uint32_t apps_read; /* descriptions looked at */
    uint64_t no_lane_told;
    /* pending */
    uint64_t seen_ns, retry_due_ns, retry_wait_ns;
    uint64_t rejected_ns; /* when it was told as rejected; 0: it was not */
    char name[80];        /* a longer one is no ring, and is cut */
    struct ingest_lane lanes[TRACE_LANES_MAX];
};

/* A ring's place among those that passes go over. */
struct attached {
    struct ingest_ring *ring;
    uint64_t look_due_ns;  /* when to look at it again, */
    uint64_t check_due_ns; /* and from when on to ask then whether the node lives */
    bool watched;          /* it is silent: the watch says whether it still is, and until then nothing else of it is touched */
    struct trace_watch watch;
};

/* ---- the ingest ---------------------------------------------------------------------------------------------------------- */

/* As struct ingest_stats; written by the ingest thread, read by any. */
struct ingest_counters {
    _Atomic uint64_t events, batches, unknown_kinds;
    _Atomic uint64_t nodes_attached, nodes_rejected, nodes_left_out;
    _Atomic uint64_t rejected[16];
    _Atomic uint64_t lost[TRACE_LOSS_COUNT];
    _Atomic uint64_t clock_steps;
    _Atomic double clock_hz;
};

struct ingest {
    struct ingest_config config;
    struct ingest_counters counters;
    struct discover *discover;
    struct trace_clock clock;
    struct machine machine; /* that we run on */
    uint64_t asleep_ns;     /* how long the machine had slept when we last looked */
    uint64_t clock_due_ns;
    uint64_t now_ns;            /* of the pass under way: when it began */
    uint64_t read_unix_ns;      /* a time that was now not long ago: what is no later needs no closer look */
    uint64_t (*clock_ns)(void); /* CLOCK_MONOTONIC within a pass; NULL: it stands still, and now_ns is the time */
    uint64_t activity_ns;       /* the last pass in which events came, or a node */
    uint64_t random;            /* to spread the checks */
    bool changed;               /* something to wake the others for */
    uint32_t attached_count, pending_count;
    uint32_t cursor; /* where in attached[] the next pass begins */
    struct attached attached[NODES_MAX];
    struct ingest_ring *pending[DISCOVER_NAMES_MAX];
    struct discover_refused refused; /* as of the last pass */
    uint64_t sweep_due_ns;
    uint64_t lines_since_ns; /* the minute for whose rejections there are lines */
    uint32_t lines, unsaid;  /* rejections in it that were told, and that were not */
    uint32_t strangers_said; /* what the last line about each of them said */
    uint32_t left_out_said;
    struct trace_object_id done[INGEST_DONE_MAX]; /* the newest at done_count % INGEST_DONE_MAX - 1 */
    uint32_t done_count;
    struct trace_event spill[INGEST_BATCH_EVENTS]; /* events that wait while the losses before them are told */
    /* the thread; not used by ingest_pass */
    pthread_t thread;
    int stop_fd;
};

/* ingest.c */

/* Opens the directory and starts the clock (sleeps 5 ms).  Returns 0 or a negative errno; ingest must be zero. */
int ingest_init(struct ingest *ingest, const struct ingest_config *config, bool watch);
void ingest_fini(struct ingest *ingest);

/* One round: news of rings, what they have, who died.  readable: discover_fd has something.  now_ns: CLOCK_MONOTONIC, given so
 * that tests need not wait.  Returns how long to wait until the next, 0 when there is more to do right now. */
uint64_t ingest_pass(struct ingest *ingest, bool readable, uint64_t now_ns);

/* How long to wait when nothing has happened for so long. */
uint64_t ingest_wait_ns(uint64_t quiet_ns);

/* Adds to a counter that only the calling thread writes. */
static inline void ingest_add(_Atomic uint64_t *counter, uint64_t count) {
    /* relaxed: single counters, nothing hangs on their order */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count, memory_order_relaxed);
}

/* A line for the log, about a ring. */
void ingest_say(struct ingest *ingest, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ingest_control.c: carries out a change; for control_serve.  arg: the ingest. */
void ingest_control(void *arg, const struct control_change *change, struct control_result *result);

/* rejected.c */

/* The object is no ring that can be read: counts it, says so, and gives it an entry in the node table while that has room. */
void ring_reject(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault fault, int result);

/* Counts what discovery refused, says what the log has not been told of, and removes rejected objects of dead nodes, when that
 * is due. */
void rejected_sweep(struct ingest *ingest);

/* An object that has been read to its end: under its other names it is not read again. */
void rejected_remember(struct ingest *ingest, const struct trace_reader *reader);

/* Is it an object that is read under another name, or has been? */
bool rejected_is_duplicate(const struct ingest *ingest, const struct trace_reader *reader);

/* ingest_ring.c */

/* Tries to attach.  Returns 0: the ring is RING_ATTACHED; -EAGAIN: try again later; -ENOENT: it is gone; another negative
 * errno, and *ret_fault: it is bad. */
int ring_attach(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault *ret_fault);

/* Takes what the ring has.  Events, losses, and slots passed over count alike towards the INGEST_LANE_EVENTS that each lane
 * may have taken, and their sum is returned; *ret_more: it has more. */
uint64_t ring_drain(struct ingest *ingest, struct ingest_ring *ring, bool *ret_more);

/* Asks whether the node lives.  The next drain will look at everything that is looked at less often than in each pass: all lanes,
 * descriptions, losses that only counters tell.  Returns when to check again. */
uint64_t ring_check(struct ingest *ingest, struct ingest_ring *ring);

/* How long ago the last event came. */
static inline uint64_t ring_silence_ns(const struct ingest *ingest, const struct ingest_ring *ring) {
    return ingest->now_ns - ring->event_ns;
}

/* The ring is drained to its end, or broken: tells the rest, settles the node's entry and detaches. */
void ring_end(struct ingest *ingest, struct ingest_ring *ring);

#endif
