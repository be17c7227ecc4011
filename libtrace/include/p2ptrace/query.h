/* SPDX-License-Identifier: MIT
 *
 * What happened in this process?  Questions to a log's own ring, answered in the process that writes it, without traced.
 *
 *     #define TRACE_FULL
 *     #include <p2ptrace/query.h>                        // and link with -lp2ptrace-query -lp2ptrace
 *
 *     TRACE_DUMP(log, &request);                         // what happened to this request here: a timeline on stderr
 *
 *     TRACE_ONLY({
 *         struct trace_query *query = NULL;
 *         struct trace_query_answer answer;
 *         if (trace_query_open(&query, log) == 0 && trace_query_trace(query, &request.trace_id, &answer) == 0)
 *             for (size_t i = 0; i < answer.count; i++) look_at(&answer.events[i].event);
 *         trace_query_close(query);
 *     })
 *
 * All of it is in examples/self_query.  In a debugger, or in a handler of a crash:
 *
 *     (gdb) call trace_query_dump_recent(log, 20)
 *     (gdb) call trace_query_dump_trace(log, "5a356ada")
 *
 * Rules of the house
 *   1. Nobody who emits is slowed: a query writes nothing into the ring and shares no lock with the emit path.  It reads from the
 *      newest event towards the oldest, away from the writer, and copies each event once.
 *   2. An event that was emitted before the question (by this thread, or by one that this thread has heard of since) and is in the
 *      ring until the answer is there, is found.  One that is half written or gone is never told; how many were overwritten while
 *      the answer was made, it says.
 *   3. One object is for one thread at a time.  Any number of objects may look at one log, each in its own thread.
 *   4. A query has its own view of the ring: it may be asked after its log was closed, until it is closed itself.
 *   5. After fork() the child's queries answer -ECHILD: the ring is its parent's.
 *   6. A NULL log has no events, and a NULL query answers everything with nothing: a node without a log needs no special case.
 *   7. Nothing here calls malloc, or takes a lock of the C library; memory comes from mmap.  Only trace_query_json_file uses a FILE.
 *      So the dump functions work in a process that a debugger or a signal stopped anywhere, inside an emit or inside malloc too.
 *
 * With TRACE_INDEX a query keeps an index of traces and peers.  It catches up when it is asked, reading each event once, and takes 12
 * bytes of memory for each slot of a lane in use: 768 KiB for 65536 events.  Without it each question reads the whole ring.  The
 * answers are the same. */
#ifndef P2PTRACE_QUERY_H
#define P2PTRACE_QUERY_H

#include <p2ptrace/trace.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------------
 * Open, close
 * --------------------------------------------------------------------------------------------------------------------- */

struct trace_query;

enum trace_query_mode {
    TRACE_QUERY_SCAN = 0,    /* read the ring for each question */
    TRACE_QUERY_INDEXED = 1, /* keep an index by trace and by peer */
};

/* As trace_query_open, with the mode to use. */
int trace__query_open(struct trace_query **ret_query, struct trace_log *log, enum trace_query_mode mode);

/* Opens a view of a log's ring.  The query is the caller's, until trace_query_close; it may outlive the log.
 * Returns 0, with *ret_query NULL for a NULL log; -ECHILD for a log of a forked child's parent; -ENOMEM or another errno of mmap.
 * On failure *ret_query is untouched.  Sleeps 5 ms for a log that is younger than that: clocks are compared over a distance. */
static inline int trace_query_open(struct trace_query **ret_query, struct trace_log *log) {
#ifdef TRACE_INDEX
    return trace__query_open(ret_query, log, TRACE_QUERY_INDEXED);
#else
    return trace__query_open(ret_query, log, TRACE_QUERY_SCAN);
#endif
}

/* Ends it; its answers end with it.  NULL is fine. */
void trace_query_close(struct trace_query *query);

/* ------------------------------------------------------------------------------------------------------------------------
 * Questions and answers
 * --------------------------------------------------------------------------------------------------------------------- */

/* A bit for each kind below 31; all others share one. */
#define TRACE_QUERY_KINDS 32
#define TRACE_QUERY_KIND(kind) ((uint32_t)TRACE_CONTROL_KIND_BIT(kind))

/* Which events: those for which all of it is true.  A zeroed filter means all events. */
struct trace_query_filter {
    const struct trace_id *trace_id;     /* NULL: any; a zero id: events that belong to no trace */
    const struct trace_node_id *peer_id; /* NULL: any */
    uint32_t kinds;                      /* TRACE_QUERY_KIND(TRACE_KIND_...) | ...; 0: any */
    uint64_t from_ns, to_ns;             /* Unix time: from is included, to is not; to_ns 0: no end */
    size_t limit;                        /* only the newest so many; 0: all */
};

/* An event outside the ring: timestamp is Unix time in nanoseconds, sequence the low 32 bits of position. */
struct trace_query_event {
    struct trace_event event;
    uint64_t position; /* in its lane, from 0 */
    uint32_t lane;
    uint32_t reserved; /* zero */
};

/* What the ring was when it was read.  emitted = what can be found + gone + overwritten + unfinished. */
struct trace_query_ring {
    uint64_t emitted;     /* positions of all lanes that had been taken when the question came */
    uint64_t gone;        /* overwritten before that */
    uint64_t overwritten; /* overwritten while the answer was made: some of them might have matched */
    uint64_t unfinished;  /* not written yet, or dropped in the making */
};

struct trace_query_answer {
    const struct trace_query_event *events; /* the query's, until its next question; by time, then lane, then position */
    size_t count;
    uint64_t matched; /* as count, but for the filter's limit */
    struct trace_query_ring ring;
};

/* Finds events.  filter NULL: all of them.  Within one object an event has the same time in every answer, for ten minutes at least.
 * Returns 0; -ENOMEM when the answer or the index can't be had (an answer takes 160 bytes an event); -ECHILD in a forked child.
 * On failure *ret_answer is untouched, and the events of the last answer are gone all the same. */
int trace_query_find(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_answer *ret_answer);

/* The common questions. */
int trace_query_trace(struct trace_query *query, const struct trace_id *trace_id, struct trace_query_answer *ret_answer);
int trace_query_peer(struct trace_query *query, const struct trace_node_id *peer_id, struct trace_query_answer *ret_answer);
int trace_query_recent(struct trace_query *query, size_t limit, struct trace_query_answer *ret_answer);
int trace_query_between(struct trace_query *query, uint64_t from_ns, uint64_t to_ns, struct trace_query_answer *ret_answer);

struct trace_query_counts {
    uint64_t total;
    uint64_t by_kind[TRACE_QUERY_KINDS]; /* the last for all kinds from 31 up */
    struct trace_query_ring ring;
};

/* Counts what a filter matches, its limit aside.  Errors as trace_query_find. */
int trace_query_count(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_counts *ret_counts);

/* ------------------------------------------------------------------------------------------------------------------------
 * Export
 * --------------------------------------------------------------------------------------------------------------------- */

/* Takes one line: the JSON form of an event (docs/protocol.md), as traced would tell it, and a newline; no NUL.  Anything but 0 ends
 * the export. */
typedef int trace_query_write(void *arg, const char *line, size_t bytes);

/* Gives the events of a filter to `write`, a line each, in the order of an answer.  `write` must not ask the same query.
 * Returns 0, what `write` returned, or an error as trace_query_find. */
int trace_query_json(struct trace_query *query, const struct trace_query_filter *filter, trace_query_write *write, void *arg);

/* The same into a stream.  Returns 0, -EIO when the stream took no more, or an error as trace_query_find. */
int trace_query_json_file(struct trace_query *query, const struct trace_query_filter *filter, FILE *file);

/* ------------------------------------------------------------------------------------------------------------------------
 * Timelines, for people: in a debugger, in a failed assertion, in a crash handler
 *
 * These need no open query.  They write text with write(2): a head line, then a line an event.  They return 0 or a negative
 * errno, and block only where the file does.
 * --------------------------------------------------------------------------------------------------------------------- */

/* Everything of a trace; NULL: everything there is. */
int trace_query_dump(struct trace_log *log, const struct trace_id *trace_id, int fd);

/* To stderr: the newest events; and the events of all traces whose id begins with these hex digits (-EINVAL for others). */
int trace_query_dump_recent(struct trace_log *log, unsigned limit);
int trace_query_dump_trace(struct trace_log *log, const char *trace_id_digits);

#ifdef __cplusplus
}
#endif

#ifdef TRACE
/* context: const struct trace_context *.  What happened to this request in this process, on stderr. */
#define TRACE_DUMP(log, context) ((void)trace_query_dump((log), &(context)->trace_id, 2))

/* Whoever includes this header has these in the program, so that a debugger can call them though the program does not. */
static int (*const trace__query_kept[])(struct trace_log *, unsigned) __attribute__((used)) = {trace_query_dump_recent};
#else
#define TRACE_DUMP(log, context) ((void)0)
#endif

#endif
