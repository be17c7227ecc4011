/* SPDX-License-Identifier: MIT
 *
 * The shared-memory ring: what a node writes and traced reads.
 *
 * The object
 * ----------
 * One POSIX shared-memory object per node log, mode 0600, called /p2ptrace.<uid>.<pid>.<16 random hex digits>.  A scan must
 * recognise the name, and it must never repeat; nothing is read out of it.
 *
 *      0         4096             header_bytes                                                            object_bytes
 *      +---------+----------------+--------------------+--------------------+--     --+--------------------+
 *      | header  | app table      | lane 0             | lane 1             |   ...   | last lane (shared) |
 *      | + lanes | 64 x 6608      | lane_events x 128  |                    |         |                    |
 *      +---------+----------------+--------------------+--------------------+--     --+--------------------+
 *        ^ written by the node,     ^ slots: one thread writes each lane; all threads without a lane share the last one
 *          control and tail by traced
 *
 * The whole size is set when the log is opened, but memory is reserved only where it is used: the header's page; a lane's
 * before its first write; a description's before it is registered.  A lane whose state is TRACE_LANE_FREE has never been
 * reserved, nor has the app table from app_count on.  A reader must not touch them, because reading a hole allocates it.  It
 * does not trust the state either: it asks the file system where the object has memory.
 *
 * ABI 1 had 16 descriptions of 32 commands each, and each had its own ready word: see the end of this file.  Everything else
 * is unchanged, and readers read both.
 *
 * magic is stored last, with release.  Before that, the object is still being made, and readers retry later.
 *
 * A slot
 * ------
 * Positions in a lane count from 0 and never wrap (64 bits); position p lives in slot p % lane_events.  The slot's sequence
 * word is its commit mark:
 *
 *      free         0                       never written
 *      making p     mark(p) | BUSY          the bytes cannot be trusted
 *      committed p  mark(p)                 mark(p) = (p + 1) mod 2^31
 *
 *              xadd head                store mark|BUSY       plain stores           store-release mark
 *      writer  ---- reserve p ------------- commit:B --------- 128 bytes ---------------- commit:R ------->
 *      reader                      read:A load-acquire mark;  copy 128 bytes;  read:B load mark again: the same?
 *
 * A writer never waits.  It never looks at a reader either, except with the discard-newest policy.  A reader that does not find
 * the mark it expects has read everything (older mark, or BUSY) or has been lapped (newer mark).  When lapped, it reads head to
 * find out how far the writer is, and counts what it missed.  It never polls head: that line belongs to the writer.
 *
 * Ordering                                                                             (L: libtrace/, p2ptrace/emit.h)
 *
 *      label       where                      pairs with   without it
 *      commit:B    writer.h trace__mark_busy  read:B       a reader sees its mark before and after, and takes a mixture
 *      commit:R    emit.h trace__commit       read:A       a reader takes a slot whose bytes have not all arrived
 *      read:A      slot.h slot_read           commit:R
 *      read:B      slot.h slot_read           commit:B     the second load of the mark happens before the copy
 *      lane:R      lane.c publish_lane        lane:A       a reader touches slots that are not reserved
 *      lane:A      reader.c is_taken          lane:R
 *      tail:R      reader.c publish_tail      tail:A       a discard-newest writer writes where a reader is still copying
 *      tail:A      thread.c has_room          tail:R
 *      app:R       app.c add_app              app:A        a reader takes a half-written description
 *      app:A       reader.c, query_json.c     app:R
 *      magic:R     log.c open_log             magic:A      a reader accepts a half-written header
 *      magic:A     attach.c read_header       magic:R
 *
 * What the tests can detect: without the busy mark, the second load or a slot's claim, tests/libtrace/test_ring.c or
 * test_crash.c fails.  Weakening an ordering alone changes nothing on x86-64: it reorders neither stores with stores nor loads
 * with loads, so only the compiler is constrained.  The thread sanitizer does see it, if reader and writer share one mapping:
 * each acquire and release above but magic's has a test in tests/libtrace/test_ordering.c.  It knows no fences: commit:B and
 * read:B have none.  magic is read by system calls.
 *
 * Trust
 * -----
 * The node may be broken or hostile, and the bytes may change while they are read.  A reader copies first and then checks the
 * copy; until then, names end in _untrusted.  The object may even shrink under the reader: see libtrace/guard.h. */
#ifndef P2PTRACE_SHM_H
#define P2PTRACE_SHM_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRACE_SHM_PREFIX "p2ptrace."
#define TRACE_SHM_MAGIC UINT64_C(0x3145434152543250) /* "P2TRACE1" in memory */
#define TRACE_SHM_ABI 2

#define TRACE_NODE_NAME_BYTES 32
#define TRACE_LANES_MAX 16
#define TRACE_APPS_MAX 64

/* Events in one lane.  A power of two. */
#define TRACE_LANE_EVENTS_FULL 65536
#define TRACE_LANE_EVENTS_MINIMAL 4096
#define TRACE_LANE_EVENTS_MAX (1U << 24)

#define TRACE_SEQUENCE_BUSY UINT32_C(0x80000000)
#define TRACE_SEQUENCE_MASK UINT32_C(0x7fffffff)

enum trace_clock_source {
    TRACE_CLOCK_TSC = 1,       /* invariant time-stamp counter */
    TRACE_CLOCK_MONOTONIC = 2, /* CLOCK_MONOTONIC, nanoseconds */
};

enum trace_policy {
    TRACE_OVERWRITE_OLDEST = 0,
    TRACE_DISCARD_NEWEST = 1,
};

enum trace_shm_state {
    TRACE_SHM_OPEN = 1,
    TRACE_SHM_CLOSED = 2, /* closed by the node itself.  OPEN without a lock: the node crashed */
};

enum trace_lane_state {
    TRACE_LANE_FREE = 0,     /* never used: its memory is not reserved */
    TRACE_LANE_OWNED = 1,    /* one thread writes it */
    TRACE_LANE_SHARED = 2,   /* all threads without a lane write it, reserving positions atomically */
    TRACE_LANE_RETURNED = 3, /* its thread has ended; its events stay, and the next thread continues after them */
    TRACE_LANE_MAKING = 4,   /* being reserved */
};

/* One lane.  Words with different writers are on different cache lines. */
struct trace_shm_lane {
    /* The writer's line.  A reader reads it when it attaches, when it was lapped, and when the node is dead. */
    uint64_t head;      /* positions reserved so far */
    uint64_t discarded; /* events not written: discard-newest and no room */
    uint64_t contended; /* events dropped after reserving, because their slot was still being written */
    uint8_t writer_pad[64 - 24];
    /* Changes when a thread takes or leaves the lane. */
    uint32_t state; /* enum trace_lane_state */
    uint32_t thread_id;
    uint8_t state_pad[64 - 8];
    /* The reader's line: the first position that has not been drained.  Only discard-newest writers read it. */
    uint64_t tail;
    uint8_t reader_pad[64 - 8];
};

/* The control word: what may be emitted now.  One word, so that the emit path loads it once.  The low 32 bits enable kinds, one
 * bit each (kinds from 31 up share bit 31); the high 32 bits are the sampling threshold.  A trace is kept when the hash of its
 * id is at most the threshold. */
#define TRACE_CONTROL_ALL UINT64_MAX
#define TRACE_CONTROL_KIND_BIT(kind) (UINT64_C(1) << ((kind) < 31 ? (kind) : 31))
#define TRACE_CONTROL_SAMPLE(control) ((uint32_t)((control) >> 32))
/* Only these kinds, of all traces: TRACE_CONTROL_KINDS(TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_LOST) | ...). */
#define TRACE_CONTROL_KINDS(bits) ((UINT64_C(0xffffffff) << 32) | (bits))
/* All kinds, of one trace in n.  n: 1 to 2^32 - 1. */
#define TRACE_CONTROL_ONE_IN(n) (((UINT64_C(0x100000000) / (n)-1) << 32) | UINT32_MAX)

struct trace_shm_header {
    /* What the node is.  Constant once magic is set. */
    uint64_t magic;
    uint32_t abi;
    uint32_t header_bytes; /* where lane 0 begins */
    uint64_t object_bytes;
    uint32_t event_bytes;
    uint32_t lane_count;
    uint32_t lane_events;
    uint32_t policy; /* enum trace_policy */
    int32_t pid;     /* in the node's PID namespace */
    uint32_t clock_source;
    uint64_t open_ticks;        /* the same moment on the ring's clock, */
    uint64_t open_monotonic_ns; /* on CLOCK_MONOTONIC, */
    uint64_t open_unix_ns;      /* and on CLOCK_REALTIME */
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES]; /* UTF-8, NUL-padded */
    uint64_t open_control;                 /* the control word at open; what `control` is reset to */
    uint8_t constant_pad[192 - 144];

    /* Written by traced: what to emit from now on. */
    uint64_t control;
    uint8_t control_pad[64 - 8];

    /* Written by the node, rarely. */
    uint32_t state;     /* enum trace_shm_state */
    uint32_t app_count; /* descriptions in the table; ABI 1: zero */
    uint64_t no_lane;   /* events lost because their thread got no lane */
    uint64_t closed;    /* ticks: when state became TRACE_SHM_CLOSED; stored before it.  0: not known, as in older rings */
    uint8_t state_pad[64 - 24];

    uint8_t reserved[1024 - 320];
    struct trace_shm_lane lanes[TRACE_LANES_MAX];
};

/* The app table, an array of struct trace_app, follows the header.  app_count is stored with release, after the description. */
#define TRACE_SHM_HEADER_BYTES 4096
#define TRACE_SHM_LANES_OFFSET 430080 /* header page + app table, rounded up to pages */

TRACE_STATIC_ASSERT_(sizeof(struct trace_shm_lane) == 192, "a lane header is three cache lines");
TRACE_STATIC_ASSERT_(offsetof(struct trace_shm_header, control) == 192, "control has its own line");
TRACE_STATIC_ASSERT_(offsetof(struct trace_shm_header, state) == 256, "state has its own line");
TRACE_STATIC_ASSERT_(offsetof(struct trace_shm_header, lanes) == 1024, "lanes");
TRACE_STATIC_ASSERT_(sizeof(struct trace_shm_header) == TRACE_SHM_HEADER_BYTES, "the header is one page");
TRACE_STATIC_ASSERT_(TRACE_SHM_HEADER_BYTES + TRACE_APPS_MAX * sizeof(struct trace_app) <= TRACE_SHM_LANES_OFFSET,
                     "the app table fits");

/* ---- ABI 1, for readers ---------------------------------------------------------------------------------------------------- */

#define TRACE_SHM_ABI_1 1
#define TRACE_SHM_LANES_OFFSET_1 24576
#define TRACE_APPS_MAX_1 16
#define TRACE_APP_COMMANDS_MAX_1 32

struct trace_app_1 {
    char app_id[4];
    char name[TRACE_APP_NAME_BYTES];
    uint16_t command_count, field_count;
    struct trace_app_command_name commands[TRACE_APP_COMMANDS_MAX_1];
    struct trace_app_field fields[TRACE_APP_FIELDS_MAX];
};

/* ready is stored last, with release. */
struct trace_shm_app_1 {
    uint32_t ready;
    uint32_t reserved;
    struct trace_app_1 app;
};

TRACE_STATIC_ASSERT_(sizeof(struct trace_shm_app_1) == 1192, "a description of ABI 1");

/* The commit mark of position p. */
static inline uint32_t trace_shm_mark(uint64_t position) { return (uint32_t)(position + 1) & TRACE_SEQUENCE_MASK; }

#ifdef __cplusplus
}
#endif

#endif
