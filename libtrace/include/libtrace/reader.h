/* SPDX-License-Identifier: MIT
 *
 * The other side of a ring: attach to a node's shared-memory object and take its events.
 *
 * Everything in the object is another process's word and may change while it is read: the header is copied and checked at
 * attach, each event is copied and then checked, counters are read once.  A reader never makes a node wait.
 *
 * All functions guard their accesses (guard.h): a mapping that is taken away makes the reader broken, nothing worse.  None allocates memory of
 * the object, however many holes it has.
 * One thread at a time may use a reader.  The functions do not log; reasons come back as values. */
#ifndef LIBTRACE_READER_H
#define LIBTRACE_READER_H

#include <p2ptrace/app.h>
#include <p2ptrace/shm.h>
#include <stdbool.h>

struct trace_reader;

/* Why an object was not attached.  -EAGAIN and this together: the node is still making it, look again. */
enum trace_attach_fault {
    TRACE_ATTACH_OK = 0,
    TRACE_ATTACH_NOT_READY,  /* magic is not there yet */
    TRACE_ATTACH_BAD_OBJECT, /* not a regular file, or a symbolic link */
    TRACE_ATTACH_BAD_OWNER,  /* another user's */
    TRACE_ATTACH_BAD_MAGIC,
    TRACE_ATTACH_BAD_VERSION, /* another ABI */
    TRACE_ATTACH_BAD_SIZE,    /* sizes that do not fit each other, or the object */
    TRACE_ATTACH_BAD_CLOCK,   /* ticks that this machine cannot read */
    TRACE_ATTACH_SYSTEM,      /* open or mmap failed: the negative errno says why */
    TRACE_ATTACH_BAD_MARKS,   /* found later: what it says of its writers' positions contradicts itself */
    TRACE_ATTACH_DUPLICATE,   /* the caller's to find: a second name (hard link) of an object that is read, or has been */
};

/* A sentence for a log or an answer, without a full stop. */
const char *trace_attach_fault_text(enum trace_attach_fault fault);

/* What the header said, checked; constant while attached. */
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
    uint64_t open_control; /* the control word that it opened with */
};

enum trace_reader_flags {
    TRACE_READER_CONTROL = 1, /* map the header writable: publish tails, set the control word.  Else nothing is written. */
};

/* Attaches to the object `name` (no slash) in the directory `shm_dir_fd` (usually /dev/shm).  uid: the owner it must have.
 * Returns 0, or a negative errno with *ret_fault saying why; then *ret_reader is untouched. */
int trace_reader_attach(struct trace_reader **ret_reader, int shm_dir_fd, const char *name, uint32_t uid, unsigned flags,
                        enum trace_attach_fault *ret_fault);
void trace_reader_detach(struct trace_reader *reader);

const struct trace_reader_info *trace_reader_info(const struct trace_reader *reader);

enum trace_node_state {
    TRACE_NODE_LIVE = 0, /* its lock on the object is held */
    TRACE_NODE_EXITED,   /* it closed its log */
    TRACE_NODE_CRASHED,  /* its lock is gone and it did not close */
};

/* Asks for the lock on the object: one system call. */
enum trace_node_state trace_reader_state(const struct trace_reader *reader);

/* The object has shrunk under us, its pages could not be had, or it lies: detach.  Nothing more is read from it. */
bool trace_reader_broken(const struct trace_reader *reader);

/* Why it is broken: TRACE_ATTACH_BAD_SIZE or TRACE_ATTACH_BAD_MARKS; TRACE_ATTACH_OK when it is not. */
enum trace_attach_fault trace_reader_fault(const struct trace_reader *reader);

/* What one call of trace_reader_read found.  The events taken are first ... first + count - 1, in order and without a gap; right
 * before them, `lost` are missing.  A call may tell a loss and take nothing: then first is where the next read begins. */
struct trace_read {
    uint64_t first;
    uint32_t count;
    uint64_t lost;
    enum trace_loss cause; /* of the lost ones */
    uint32_t work;         /* steps that the call took: events, and slots and gaps passed over; at most max + 1 */
    bool more;             /* there may be more now: call again */
};

/* Takes up to `max` committed events of a lane into `out`.  timestamp is left in ticks; sequence becomes the low 32 bits of the
 * position.  A run ends early at a gap, so that the next call can tell it.  final: the node is dead, so that a slot in the
 * making will never be committed and is passed over (it counts as unfinished, not as lost).  now_ns: CLOCK_MONOTONIC at the call, which
 * decides how long a live node may leave a slot in the making before its event counts as abandoned, and whether a writer that is about to
 * lap us is faster than we are.
 * Does not block.  Makes system calls only to ask whether slots that it meets for the first time have memory (lseek). */
void trace_reader_read(struct trace_reader *reader, unsigned lane, struct trace_event *out, uint32_t max, bool final,
                       uint64_t now_ns, struct trace_read *ret_read);

/* What to look at to know whether a silent ring is still silent: so little, and all in one place, that looking at many rings costs one miss of
 * the cache or two for each. */
struct trace_watch {
    struct trace_reader *reader;
    const uint32_t *state; /* of the first lane that nobody has; NULL when all have been taken */
    const uint32_t *mark;  /* of the next slot of the first lane in use; NULL when there is none */
    uint32_t want;         /* the mark that it will have */
    uint32_t others;       /* bit set: the other lanes in use */
    void *base;            /* the mapping */
    size_t bytes;
};

/* Makes a watch.  lanes: bit set of those in use, all of which have been read.  It is good until the next read. */
void trace_reader_watch(struct trace_reader *reader, uint32_t lanes, struct trace_watch *ret_watch);

/* Has a writer been at the next slot of one of the lanes, or taken the first free lane?  False says nothing about a slot that was reserved
 * and left before a byte of it was written, nor about lanes that were taken out of their order. */
bool trace_watch_stirs(const struct trace_watch *watch);

/* Where the next read of a lane begins.  A fresh reader begins at the oldest event that is still in the ring, whoever read it
 * before; what had been overwritten by then is lost to it, with the cause TRACE_LOSS_BEFORE_ATTACH. */
uint64_t trace_reader_position(const struct trace_reader *reader, unsigned lane);

/* The accounting of one lane: emitted = taken + the sum of lost + behind, at every moment that no reader call is under way. */
struct trace_lane_count {
    uint64_t emitted; /* events that the node made, written or discarded */
    uint64_t taken;   /* given out by trace_reader_read */
    uint64_t lost[TRACE_LOSS_COUNT];
    uint64_t behind;     /* emitted and not yet read */
    uint64_t unfinished; /* reserved by a node that died before it committed them: never events, not in emitted */
    bool used;           /* the lane has ever had a writer */
    uint32_t thread_id;
};
void trace_reader_count(struct trace_reader *reader, unsigned lane, struct trace_lane_count *ret_count);

/* Has the lane ever had a writer? */
bool trace_reader_lane_used(struct trace_reader *reader, unsigned lane);

/* Events of threads that got no lane. */
uint64_t trace_reader_no_lane(struct trace_reader *reader);

/* Copies app description `index` out of the ring, checked: its counts and fields stay within their arrays.  More is not asked of it, so that
 * what a newer node describes is shown as far as it is understood.  Returns 0, -ENOENT when there is none, -EBADMSG for a bad one. */
int trace_reader_app(const struct trace_reader *reader, unsigned index, struct trace_app *ret_app);

/* The control word: see TRACE_CONTROL_ALL.  Setting it needs TRACE_READER_CONTROL. */
uint64_t trace_reader_control(const struct trace_reader *reader);
void trace_reader_set_control(struct trace_reader *reader, uint64_t control);

/* Removes the object's name, if it still names this object. */
int trace_reader_unlink(struct trace_reader *reader);

/* Which object it is, whatever its name.  No other has the same as long as it is mapped or has a name. */
struct trace_object_id {
    uint64_t device, inode;
};
struct trace_object_id trace_reader_object(const struct trace_reader *reader);

/* How many names the object has now. */
unsigned trace_reader_name_count(const struct trace_reader *reader);

/* Removes an object that is no ring that can be read, once nobody holds a lock on it: what a node died of making, or what was never one.
 * Returns 0; -EBUSY while its node lives; -EPERM when it is not a plain file of `uid`; or what the system says. */
int trace_object_remove_dead(int shm_dir_fd, const char *name, uint32_t uid);

#endif
