/* SPDX-License-Identifier: MIT
 *
 * The open logs of this process: what the library keeps for each log, the list of them, and the places of their writers in the
 * threads' tables.  For the files of the library and for tests only.
 *
 * Two locks, neither of which the emit path takes.  The change lock comes first: it is held while a log is opened or closed, or
 * gets the description of an application.  The list lock protects the list and the places.  A fork waits for both, so its child
 * never has half a log, nor a descriptor of a log that it cannot find. */
#ifndef LIBTRACE_OPEN_LOGS_H
#define LIBTRACE_OPEN_LOGS_H

#include <libtrace/writer.h>
#include <sys/types.h>

/* What we know of a log's shortage of memory for lanes: see lane.c.  Times are those of CLOCK_MONOTONIC. */
struct lane_shortage {
    uint64_t retry_ns;     /* no thread tries before this time; 0: there is no shortage */
    uint64_t hard_ns;      /* nothing costly is tried before this time */
    uint64_t hard_wait_ns; /* how long the next failure postpones costly attempts */
    uint64_t refused;      /* the kernel refused memory although the filesystem reported room */
};

/* A log, as the library sees it.  base comes first: it is all that the emit path sees. */
struct log {
    struct trace_log base;
    struct trace_shm_header *header; /* NULL in a forked child */
    struct trace_event *slots;       /* lane 0, slot 0 */
    size_t object_bytes;
    uint32_t lane_count, lane_events;
    uint32_t writer_index; /* this log's place among the open logs; base.writer is the part of it that the emit path needs */
    dev_t device;          /* identify the object, whatever its name refers to by now */
    ino_t inode;
    pid_t pid; /* whose log it is.  Not a child's of _Fork or clone, which run no fork handlers */
    char *dir; /* the directory of its name, absolute */
    char name[80];
    struct lane_shortage shortage;
    struct log *next; /* in the list */
};

/* Places for writers that a thread can have: those of its fixed table and of TRACE__WRITER_LEVELS more, each as large as all
 * before it.  A log beyond them works, but its lane is looked up with every event, which costs system calls. */
#define WRITER_INDICES (TRACE__WRITERS << TRACE__WRITER_LEVELS) /* 4096: as many as traced attaches */

/* The change lock: one thread at a time opens a log, closes one, or registers an application. */
void log__change_begin(void);
void log__change_end(void);

/* Takes and releases both locks, around a fork. */
void log__fork_begin(void);
void log__fork_end(void);

/* Gives the log the lowest free place: the first logs get the fast path.  WRITER_INDICES when all are taken. */
void log__writer_index_take(struct log *log);
void log__writer_index_return(const struct log *log);

/* Adds the log to the list. */
void log__list_add(struct log *log);

/* Removes the log from the list, and returns its place. */
void log__list_remove(struct log *log);

/* Calls `each` for every log of the list, under the list lock. */
void log__each(void (*each)(struct log *log));

#endif
