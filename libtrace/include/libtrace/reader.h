/* SPDX-License-Identifier: MIT
 *
 * The reading side of a ring: attach to a node's shared-memory object and take its events.
 *
 * Another process writes everything in the object, and it may change while we read.  So the header is copied and checked when we
 * attach, each event is copied and then checked, and counters are read once.  A reader never makes a node wait.
 *
 * All functions guard their accesses (guard.h): if the mapping is taken away, the reader becomes broken, and nothing worse
 * happens.  None of them makes the object allocate memory, however many holes it has.  One thread at a time may use a reader.
 * The functions do not log; they return reasons as values. */
#ifndef LIBTRACE_READER_H
#define LIBTRACE_READER_H

#include <p2ptrace/app.h>
#include <p2ptrace/shm.h>
#include <stdbool.h>

struct trace_reader;

/* Why an object was not attached, or was detached.  With -EAGAIN: the node is still making the object, retry later. */
enum trace_attach_fault {
    TRACE_ATTACH_OK = 0,
    TRACE_ATTACH_NOT_READY,  /* magic is not set yet */
    TRACE_ATTACH_BAD_OBJECT, /* not a regular file, or a symbolic link */
    TRACE_ATTACH_BAD_OWNER,  /* belongs to another user */
    TRACE_ATTACH_BAD_MAGIC,
    TRACE_ATTACH_BAD_VERSION, /* another ABI */
    TRACE_ATTACH_BAD_SIZE,    /* sizes that do not fit each other or the object */
    TRACE_ATTACH_BAD_CLOCK,   /* ticks of a clock that this machine cannot read */
    TRACE_ATTACH_SYSTEM,      /* open or mmap failed: the negative errno says why */
    TRACE_ATTACH_BAD_MARKS,   /* found while reading: its words about its writers' positions contradict each other */
    TRACE_ATTACH_DUPLICATE,   /* found by the caller: another name (hard link) of an object that is or was attached */
    TRACE_ATTACH_LOST_PAGES,  /* found while reading: it has its size, and pages that it had are gone */
};

/* The fault as text for a log or an answer, without a full stop. */
const char *trace_attach_fault_text(enum trace_attach_fault fault);

/* The contents of the header, checked; constant while attached. */
struct trace_reader_info {
    uint32_t abi; /* TRACE_SHM_ABI, or an older one */
    struct trace_node_id node_id;
    char node_name[TRACE_NODE_NAME_BYTES + 1]; /* valid UTF-8, control characters replaced */
    int32_t pid;
    uint32_t lane_count;
    uint32_t lane_events;
    enum trace_policy policy;
    enum trace_clock_source clock_source;
    uint64_t open_ticks, open_monotonic_ns, open_unix_ns;
    uint64_t object_bytes;
    uint64_t open_control; /* the control word that the log was opened with */
};

enum trace_reader_flags {
    TRACE_READER_CONTROL = 1, /* map the header writable: publish tails, set the control word.  Without it nothing is written. */
};

/* Attaches to the object `name` (no slash) in the directory `shm_dir_fd` (usually /dev/shm), which stays open as long as the
 * reader.
 * uid: the owner that the object must have.
 * Returns 0, or a negative errno with *ret_fault saying why; then *ret_reader is untouched. */
int trace_reader_attach(struct trace_reader **ret_reader, int shm_dir_fd, const char *name, uint32_t uid, unsigned flags,
                        enum trace_attach_fault *ret_fault);

/* Unmaps the object and frees the reader.  The object's name stays.  NULL is fine. */
void trace_reader_detach(struct trace_reader *reader);

const struct trace_reader_info *trace_reader_info(const struct trace_reader *reader);

enum trace_node_state {
    TRACE_NODE_LIVE = 0, /* its lock on the object is held */
    TRACE_NODE_EXITED,   /* it closed its log */
    TRACE_NODE_CRASHED,  /* its lock is gone, and it did not close its log */
};

/* Tests the lock on the object: one system call.  If that fails, the node counts as live. */
enum trace_node_state trace_reader_state(const struct trace_reader *reader);

/* When the node closed its log, as it says, in ticks; 0: unknown.  For a node that has exited. */
uint64_t trace_reader_closed(const struct trace_reader *reader);

/* True if the object shrank under us, its pages could not be read, or it contradicts itself.  Then nothing more is read from
 * it, and the caller should detach. */
bool trace_reader_broken(const struct trace_reader *reader);

/* Why the reader is broken: TRACE_ATTACH_BAD_SIZE, _LOST_PAGES or _BAD_MARKS; TRACE_ATTACH_OK when it is not. */
enum trace_attach_fault trace_reader_fault(const struct trace_reader *reader);

/* The result of one trace_reader_read.  The events taken are first ... first + count - 1, in order and without a gap; right
 * before them, `lost` events are missing.  If a call reports a loss and takes nothing, first is where the next read begins. */
struct trace_read {
    uint64_t first;
    uint32_t count;
    uint64_t lost;
    enum trace_loss cause; /* of the loss */
    uint32_t work;         /* steps that the call took: events, and slots and gaps skipped; at most max + 1 */
    bool more;             /* there may be more now: call again */
};

/* Takes up to `max` committed events of a lane into `out`.  timestamp stays in ticks; sequence becomes the low 32 bits of the
 * position.  A run ends early at a gap, so that the next call can report it.
 * final: the node is dead, so a slot that is still being written will never be committed: it is skipped, and counts as
 * unfinished, not as lost.
 * now_ns: CLOCK_MONOTONIC at the call.  It decides how long a live node may leave a slot unfinished before its event counts as
 * abandoned, and whether a writer that is about to lap us is faster than we are.  Does not block.  Makes system calls only to
 * find out whether slots that it meets for the first time have memory (lseek). */
void trace_reader_read(struct trace_reader *reader, unsigned lane, struct trace_event *out, uint32_t max, bool final,
                       uint64_t now_ns, struct trace_read *ret_read);

/* The words that show whether a silent ring is still silent.  They are few and close together, so that polling many rings costs
 * one or two cache misses each. */
struct trace_watch {
    struct trace_reader *reader;
    const uint32_t *state; /* of the first lane that was never used; NULL when all have been */
    const uint32_t *mark;  /* of the next slot of the first lane in use; NULL when there is none */
    uint32_t want;         /* the mark that this slot will get */
    uint32_t others;       /* bit set: the other lanes in use */
    void *base;            /* the mapping */
    size_t bytes;
};

/* Makes a watch, valid until the next read.  lanes: bit set of the lanes in use, all of which have been read. */
void trace_reader_watch(struct trace_reader *reader, uint32_t lanes, struct trace_watch *ret_watch);

/* Has a writer reached the next slot of one of the lanes, or taken the first free lane?  Does not notice a slot that was
 * reserved and abandoned before a byte of it was written, nor lanes that were taken out of order. */
bool trace_watch_stirs(const struct trace_watch *watch);

/* Where the next read of a lane begins.  A new reader begins at the oldest event that is still in the ring, even if another
 * reader has read it.  Events that were overwritten by then are lost, with the cause TRACE_LOSS_BEFORE_ATTACH. */
uint64_t trace_reader_position(const struct trace_reader *reader, unsigned lane);

/* The accounting of one lane: emitted = taken + the sum of lost + behind, whenever no reader call is in progress. */
struct trace_lane_count {
    uint64_t emitted; /* events that the node emitted, written or discarded */
    uint64_t taken;   /* returned by trace_reader_read */
    uint64_t lost[TRACE_LOSS_COUNT];
    uint64_t behind;     /* emitted and not yet read */
    uint64_t unfinished; /* reserved by a node that died before committing them: never events, not in emitted */
    bool used;           /* the lane has ever had a writer */
    uint32_t thread_id;
};
void trace_reader_count(struct trace_reader *reader, unsigned lane, struct trace_lane_count *ret_count);

/* Has the lane ever had a writer? */
bool trace_reader_lane_used(struct trace_reader *reader, unsigned lane);

/* The number of events lost because their thread got no lane. */
uint64_t trace_reader_no_lane(struct trace_reader *reader);

/* Copies app description `index` out of the ring and checks that its counts and fields stay within their arrays.  Nothing else
 * is checked, so that a newer node's description is shown as far as we understand it.  Returns 0, -ENOENT when there is none,
 * -EBADMSG for a bad one. */
int trace_reader_app(const struct trace_reader *reader, unsigned index, struct trace_app *ret_app);

/* The control word: see TRACE_CONTROL_ALL.  Setting it needs TRACE_READER_CONTROL. */
uint64_t trace_reader_control(const struct trace_reader *reader);
void trace_reader_set_control(struct trace_reader *reader, uint64_t control);

/* Removes the object's name.  Returns 0; -ESTALE when the name is another object's by now; or another negative errno. */
int trace_reader_unlink(struct trace_reader *reader);

/* Identifies the object, whatever its name.  Unique as long as the object is mapped or has a name. */
struct trace_object_id {
    uint64_t device, inode;
};
struct trace_object_id trace_reader_object(const struct trace_reader *reader);

/* How many names the object has now; 0 if that cannot be found out. */
unsigned trace_reader_name_count(const struct trace_reader *reader);

/* Removes an object that is not a readable ring, once nobody holds a lock on it: one whose node died while making it, or one
 * that never was a ring.  Returns 0; -EBUSY while its node lives; -EPERM when it is not a plain file of `uid`; or another
 * negative errno. */
int trace_object_remove_dead(int shm_dir_fd, const char *name, uint32_t uid);

#endif
