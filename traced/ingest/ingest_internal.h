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

/* A busy lane yields to the next after this many steps (events, losses, skipped slots), and a pass ends (and wakes the other
 * threads) after that many. */
#define INGEST_LANE_EVENTS 8192
#define INGEST_PASS_EVENTS 32768

/* A lane fills up when a drain finds this many of its events unread: more than a burst that the lane has room for.  From then on
 * the ingest is behind until no lane was found so for CALM. */
#define INGEST_FILLING(lane_events) ((lane_events) / 4 * 3)
#define INGEST_CALM_NS UINT64_C(100000000)

/* How long to wait between passes: the first while events come, then longer in steps as silence lasts.  A reader that follows
 * more closely takes cache lines from the writers; one that waits longer makes events late.  The last bounds the delay of the
 * first event after a silence, and sets the cost of silence: each wake-up takes some 30 us of processor time. */
#define INGEST_WAIT_BUSY_NS UINT64_C(250000)
#define INGEST_WAIT_MIN_NS UINT64_C(50000)
#define INGEST_WAIT_MAX_NS UINT64_C(25000000)

/* While others are busy, a ring without events for QUIET is polled not in every pass, but every SILENT plus a little for each
 * ring, at most WAIT_MAX.  The first event anywhere after a quiet time makes all rings due. */
#define INGEST_QUIET_NS UINT64_C(10000000)
#define INGEST_SILENT_NS UINT64_C(1500000)
#define INGEST_SILENT_RING_NS UINT64_C(10000)

/* How often to check at least whether the node is alive and has new lanes or descriptions.  Less often for a ring that has been
 * silent for a second, because discovery reports closed objects; more often if it cannot. */
#define INGEST_CHECK_NS UINT64_C(100000000)
#define INGEST_CHECK_SILENT_NS UINT64_C(2000000000)
#define INGEST_CHECK_UNWATCHED_NS UINT64_C(500000000)
#define INGEST_CLOSED_NS UINT64_C(1000000)
#define INGEST_ASLEEP_NS INT64_C(10000000) /* the machine has slept: the clock is looked at at once */

/* An object without a header is retried after the first of these, then less and less often.  After END it is reported as
 * rejected, and retried every LATE, because its node may have been stopped half-way and may continue. */
#define INGEST_RETRY_MIN_NS UINT64_C(1000000)
#define INGEST_RETRY_MAX_NS UINT64_C(100000000)
#define INGEST_RETRY_END_NS UINT64_C(5000000000)
#define INGEST_RETRY_LATE_NS UINT64_C(2000000000)

/* A rejected object whose node is dead is removed after this delay, which leaves time to examine it.  Such objects are searched
 * for every SWEEP. */
#define INGEST_REJECTED_KEPT_NS UINT64_C(15000000000)
#define INGEST_SWEEP_NS UINT64_C(5000000000)

/* Lines of the log in each of these times: about what is rejected, and about nodes that come and go.  The rest are counted, and
 * reported in one line at its end. */
#define INGEST_REJECTED_LINES 8
#define INGEST_NODE_LINES 128
#define INGEST_LINES_NS UINT64_C(60000000000)

/* An event may be this much later than the time at which it is read, because the clocks of two processors differ.  A later one
 * gets the time of reading, and is flagged. */
#define INGEST_FUTURE_NS UINT64_C(1000000)

/* How long a stopping ingest drains at most. */
#define INGEST_STOP_NS UINT64_C(500000000)

/* Objects that were read to their end, remembered because they may have more names. */
#define INGEST_DONE_MAX 64

/* Losses of a lane that wait for the event after them. */
#define INGEST_GAPS_MAX 4

/* What a line of the log is about. */
enum ingest_topic {
    INGEST_ABOUT_US, /* nobody else can cause it */
    INGEST_ABOUT_REJECTED,
    INGEST_ABOUT_REMOVED,
    INGEST_ABOUT_APPS,
    INGEST_ABOUT_ATTACHED,
    INGEST_ABOUT_ENDED,
    INGEST_TOPICS
};

/* ---- one object ---------------------------------------------------------------------------------------------------------- */

enum ring_state {
    RING_PENDING,  /* not ready yet: in ingest.pending; with an entry in the node table once it is reported as rejected */
    RING_ATTACHED, /* in ingest.attached */
    RING_OVER,     /* rejected, or drained to its end: waits for its name to vanish */
};

struct ingest_lane {
    uint64_t indexed;                /* events that went into the history */
    uint64_t told[TRACE_LOSS_COUNT]; /* losses that an events_lost event has reported */
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
    uint32_t filling;            /* a lane with this many unread events fills up */
    enum node_state end;         /* NODE_LIVE; or how it died, while it is drained to its end */
    enum ring_state state;
    bool settle_due; /* read the counters when it is drained */
    bool name_gone;
    bool has_node;     /* node_index is valid */
    bool close_seen;   /* discovery has reported that the object was closed: its silence no longer says that the node lives */
    uint64_t live_ns;  /* CLOCK_MONOTONIC: the node was last known to live; 0: it never was */
    uint64_t ended_ns; /* CLOCK_MONOTONIC: the node was known to have ended */
    uint32_t node_index;
    struct node *node;
    struct trace_ring_clock clock;
    uint32_t apps_read; /* descriptions read */
    uint64_t no_lane_told;
    /* pending */
    uint64_t seen_ns, retry_due_ns, retry_wait_ns;
    uint64_t rejected_ns; /* when it was reported as rejected; 0: it was not */
    char name[80];        /* a longer one is not a ring, and is cut */
    struct ingest_lane lanes[TRACE_LANES_MAX];
};

/* A ring's entry in the list that passes go over. */
struct attached {
    struct ingest_ring *ring;
    uint64_t look_due_ns;  /* when to poll it again */
    uint64_t check_due_ns; /* from when on to check then whether the node lives */
    bool watched;          /* it is silent: only its watch is read until that reports something */
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
    _Atomic bool behind; /* ingest_is_behind */
};

struct ingest {
    struct ingest_config config;
    struct ingest_counters counters;
    struct discover *discover;
    struct trace_clock clock;
    struct machine machine; /* the machine we run on */
    int64_t asleep_max_ns;  /* how long the machine had slept at most, in all, when we last saw that it slept */
    uint64_t clock_due_ns;
    uint64_t now_ns;   /* of the pass under way: when it began */
    uint64_t heard_ns; /* CLOCK_MONOTONIC: discovery has told of all that happened by then; 0: it may have missed something */
    uint64_t heard_before_ns;   /* the same in the pass before */
    uint64_t read_unix_ns;      /* a recent value of the current time: events up to it need no further check */
    uint64_t (*clock_ns)(void); /* CLOCK_MONOTONIC within a pass; NULL: time stands still at now_ns */
    uint64_t activity_ns;       /* the last pass in which events came, or a node */
    uint64_t calm_ns;           /* until then we are behind */
    uint64_t random;            /* to spread the checks */
    bool changed;               /* a reason to wake the other threads */
    uint32_t attached_count, pending_count;
    uint32_t cursor; /* where in attached[] the next pass begins */
    struct attached attached[NODES_MAX];
    struct ingest_ring *pending[DISCOVER_NAMES_MAX];
    struct discover_refused refused; /* as of the last pass */
    uint64_t sweep_due_ns;
    uint64_t minute_ns;           /* when the current minute of the log began */
    uint64_t said[INGEST_TOPICS]; /* lines in it, also those that were left out */
    uint32_t strangers_said;      /* the numbers in the last line about each */
    uint32_t left_out_said;
    struct trace_object_id done[INGEST_DONE_MAX]; /* the newest at done_count % INGEST_DONE_MAX - 1 */
    uint32_t done_count;
    struct trace_event spill[INGEST_BATCH_EVENTS]; /* events that wait while the losses before them are reported */
    /* the thread; not used by ingest_pass */
    pthread_t thread;
    int stop_fd;
};

/* ingest.c */

/* Opens the directory and starts the clock (sleeps 5 ms).  Returns 0 or a negative errno; ingest must be zero. */
int ingest_init(struct ingest *ingest, const struct ingest_config *config, bool watch);
void ingest_fini(struct ingest *ingest);

/* One round: new rings, their events, dead nodes.  readable: discover_fd has something.  now_ns: CLOCK_MONOTONIC, passed so
 * that tests need not wait.  Returns how long to wait until the next, 0 when there is more to do right now. */
uint64_t ingest_pass(struct ingest *ingest, bool readable, uint64_t now_ns);

/* The clocks that show whether the machine sleeps, read in this order: CLOCK_BOOTTIME counts its sleep, CLOCK_MONOTONIC (before
 * and after) does not.  When another process has the processor between two of them, the difference says less about sleep. */
struct ingest_sleep_clocks {
    uint64_t before_ns, boottime_ns, after_ns;
};

/* Has the machine slept for more than INGEST_ASLEEP_NS since this last returned true?  Only true if no delay between the clocks
 * explains it.  *asleep_max_ns: how long it had slept at most, in all, at that time; at the start, as of the first clocks. */
bool ingest_slept(int64_t *asleep_max_ns, const struct ingest_sleep_clocks *clocks);

/* How long to wait after this long a silence. */
uint64_t ingest_wait_ns(uint64_t quiet_ns);

/* Adds to a counter that only the calling thread writes. */
static inline void ingest_add(_Atomic uint64_t *counter, uint64_t count) {
    /* relaxed: single counters, their order does not matter */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count, memory_order_relaxed);
}

/* ingest_say.c */

/* A line for the log, unless there were enough of its topic in this minute. */
void ingest_say(struct ingest *ingest, enum ingest_topic topic, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Ends the minute: reports how many lines were left out. */
void ingest_say_rest(struct ingest *ingest);

/* ingest_control.c: carries out a change; for control_serve.  arg: the ingest. */
void ingest_control(void *arg, const struct control_change *change, struct control_result *result);

/* rejected.c */

/* The object is not a readable ring: counts it, logs it, and gives it an entry in the node table if there is room. */
void ring_reject(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault fault, int result);

/* Counts what discovery refused, logs what was not logged yet, and removes rejected objects of dead nodes when due. */
void rejected_sweep(struct ingest *ingest);

/* Remembers an object that was read to its end, so that it is not read again under another name. */
void rejected_remember(struct ingest *ingest, const struct trace_reader *reader);

/* Is or was this object read under another name? */
bool rejected_is_duplicate(const struct ingest *ingest, const struct trace_reader *reader);

/* ingest_ring.c */

/* Tries to attach.  Returns 0: the ring is RING_ATTACHED; -EAGAIN: try again later; -ENOENT: it is gone; another negative
 * errno, and *ret_fault: it is bad. */
int ring_attach(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault *ret_fault);

/* Drains the ring.  Events, losses and skipped slots count towards the INGEST_LANE_EVENTS of each lane; returns their sum.
 * *ret_more: it has more. */
uint64_t ring_drain(struct ingest *ingest, struct ingest_ring *ring, bool *ret_more);

/* Checks whether the node lives.  The next drain will also read what is not read in every pass: all lanes, descriptions, losses
 * that only counters show.  Returns when to check again. */
uint64_t ring_check(struct ingest *ingest, struct ingest_ring *ring);

/* Discovery has not reported up to that time, on CLOCK_MONOTONIC, that the object was closed.  So a node that was seen live had
 * not ended by then, if no earlier report leaves that open. */
void ring_not_closed_by(struct ingest_ring *ring, uint64_t heard_ns);

/* Time since the last event. */
static inline uint64_t ring_silence_ns(const struct ingest *ingest, const struct ingest_ring *ring) {
    return ingest->now_ns - ring->event_ns;
}

/* The ring is drained to its end, or broken: reports the rest, settles the node's entry and detaches. */
void ring_end(struct ingest *ingest, struct ingest_ring *ring);

#endif
