/* SPDX-License-Identifier: MIT
 *
 * What the files of the emitting library share.  Not for anyone else but tests. */
#ifndef LIBTRACE_LOG_INTERNAL_H
#define LIBTRACE_LOG_INTERNAL_H

#include <libtrace/writer.h>

/* A log, as the library sees it.  base comes first: the emit path sees only that. */
struct log {
    struct trace_log base;
    struct trace_shm_header *header; /* NULL in a forked child */
    struct trace_event *slots;       /* lane 0, slot 0 */
    size_t object_bytes;
    uint32_t lane_count, lane_events;
    uint32_t writer_index; /* among the open logs; base.writer is what the emit path needs of it */
    int fd;                /* holds the lock that says we live */
    char name[80];
    struct log *next; /* in the process's list */
};

/* lane.c */

/* Places for writers that a thread can have: of its fixed table and of WRITER_LEVELS more, each as large as all before it.  A log
 * beyond them is looked up with every event, which costs system calls. */
#define WRITER_LEVELS 7
#define WRITER_INDICES (TRACE__WRITERS << WRITER_LEVELS) /* 4096: as many as traced attaches */

/* Takes a lane for the calling thread.  Returns its index, or a negative errno: -ENOSPC, -ENOMEM when a fresh lane's memory can't
 * be had, -EBUSY when the shared lane is just being made.  Signals must be blocked. */
int log__lane_take(struct log *log);

/* Gives back every lane of the calling thread. */
void log__lanes_return(struct log *log);

/* The calling thread forgets all its lanes. */
void log__writers_forget(void);

/* Makes the thread-exit hook; once, when the library is loaded. */
void log__thread_exit_init(void);

/* log.c: one thread at a time opens a log, closes one, or registers an application; and no fork comes in between. */
void log__change_begin(void);
void log__change_end(void);

/* log.c: calls `each` for every open log of the process, under the list's lock. */
void log__each(void (*each)(struct log *log));

/* collect.c: removes rings of this user whose nodes are dead, oldest first, until at most `keep` are left.  Returns how many were
 * removed. */
unsigned log__collect_dead(int shm_dir_fd, unsigned keep);

/* The directory of shared-memory objects: $P2PTRACE_SHM_DIR or /dev/shm. */
const char *log__shm_dir(void);

#endif
