/* SPDX-License-Identifier: MIT
 *
 * What the files of the emitting library share.  Not for anyone else but tests. */
#ifndef LIBTRACE_LOG_INTERNAL_H
#define LIBTRACE_LOG_INTERNAL_H

#include <libtrace/writer.h>
#include <stdbool.h>
#include <sys/types.h>

/* What is known of a log's want of memory for lanes: see lane.c.  Times are of CLOCK_MONOTONIC. */
struct lane_shortage {
    uint64_t retry_ns;     /* until then no thread tries; 0: there is no shortage */
    uint64_t hard_ns;      /* until then nothing costly is tried */
    uint64_t hard_wait_ns; /* how long the next failure puts that off */
    uint64_t refused;      /* the kernel refused memory that the filesystem said it had */
};

/* A log, as the library sees it.  base comes first: the emit path sees only that. */
struct log {
    struct trace_log base;
    struct trace_shm_header *header; /* NULL in a forked child */
    struct trace_event *slots;       /* lane 0, slot 0 */
    size_t object_bytes;
    uint32_t lane_count, lane_events;
    uint32_t writer_index; /* among the open logs; base.writer is what the emit path needs of it */
    dev_t device;          /* which object it is, whatever its name means by now */
    ino_t inode;
    pid_t pid; /* whose log it is: a child's of _Fork or clone, which nobody hears, it is not */
    char *dir; /* where its name is, absolute */
    char name[80];
    struct lane_shortage shortage;
    struct log *next; /* in the process's list */
};

/* object.c: the shared-memory object.  Results are 0 or a negative errno. */

/* Makes, locks and maps the object; fills name, serial, device, inode, header and slots.  On failure nothing is left. */
int object__make(struct log *log, int dir_fd);

/* Unmaps it, and with that gives up the lock; it stays in its directory. */
void object__unmap(struct log *log);

/* Maps it once more, read-only, by its name: -ENOENT or -ESTALE when the name is gone, or out of reach behind a chroot. */
int object__map_again(const struct log *log, const void **ret_base);

/* Makes sure that a range of the object has memory, so that writing to it can never raise SIGBUS nor fault.  -ENOSPC: its filesystem is
 * full; -ENOMEM: the memory cgroup or the machine is.  A part of the range may have got memory all the same.  Safe in signal handlers. */
int object__reserve(const struct log *log, size_t offset, size_t bytes);

/* Gives memory back of a range, of whole pages, that nobody uses. */
void object__release(const struct log *log, size_t offset, size_t bytes);

/* False when the filesystem says that it has less left than this; a call of about a microsecond. */
bool object__has_room(const struct log *log, size_t bytes);

/* lane.c */

static inline size_t log__lane_bytes(const struct log *log) { return (size_t)log->lane_events * TRACE_EVENT_BYTES; }

/* Takes a lane for the calling thread.  Returns its index, or a negative errno: -ENOSPC, -ENOMEM when a fresh lane's memory can't
 * be had, -EAGAIN when that was so a moment ago, -ECHILD in a child of the log's process, -EBUSY when the shared lane is just being made.  Signals must be blocked. */
int log__lane_take(struct log *log);

/* Gives back every lane of the calling thread. */
void log__lanes_return(struct log *log);

/* A thread without a lane need not ask for one yet. */
bool log__lanes_are_short(const struct log *log);

/* thread.c */

/* Places for writers that a thread can have: of its fixed table and of TRACE__WRITER_LEVELS more, each as large as all before it.  A log
 * beyond them is looked up with every event, which costs system calls. */
#define WRITER_INDICES (TRACE__WRITERS << TRACE__WRITER_LEVELS) /* 4096: as many as traced attaches */

/* The calling thread's block, made if need be.  NULL without memory.  Safe in signal handlers. */
struct trace__thread *log__thread_make(void);

/* In a forked child: its only thread forgets the lanes and ids of the parent's. */
void log__thread_after_fork(void);

uint32_t log__thread_id(void);

/* The lane is this thread's, which is the calling one. */
bool log__lane_is_of(const struct trace_shm_lane *lane, uint32_t thread_id);

/* Makes the hook that gives back what a thread has when it ends, unless it is there; under the change lock.  Returns 0 or a negative errno. */
int log__thread_exit_init(void);

/* Takes the hook away, and waits for threads that are in it: the code may be unloaded next. */
void log__thread_exit_fini(void);

/* log.c: one thread at a time opens a log, closes one, or registers an application; and no fork comes in between. */
void log__change_begin(void);
void log__change_end(void);

/* log.c: calls `each` for every open log of the process, under the list's lock. */
void log__each(void (*each)(struct log *log));

/* collect.c: removes rings of this user whose nodes are dead, oldest first, until at most `keep` are left.  Returns how many were
 * removed. */
unsigned log__collect_dead(int shm_dir_fd, unsigned keep);

/* Removes all of them.  Allocates nothing, and may be called by a signal handler. */
unsigned log__clear_dead(const char *shm_dir);

/* The directory of shared-memory objects: $P2PTRACE_SHM_DIR or /dev/shm. */
const char *log__shm_dir(void);

#endif
