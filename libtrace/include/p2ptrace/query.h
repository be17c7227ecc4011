/* SPDX-License-Identifier: MIT
 *
 * What happened in this process?  Queries of a log's own ring, inside the process that writes it, without traced.
 *
 *     #define TRACE_FULL
 *     #include <p2ptrace/query.h>                        // and link with -lp2ptrace-query -lp2ptrace
 *
 *     TRACE_DUMP(log, &request);                         // a timeline on stderr: what happened to this request here
 *
 *     TRACE_ONLY({
 *         struct trace_query *query = NULL;
 *         struct trace_query_answer answer;
 *         if (trace_query_open(&query, log) == 0 && trace_query_trace(query, &request.trace_id, &answer) == 0)
 *             for (size_t i = 0; i < answer.count; i++) look_at(&answer.events[i].event);
 *         trace_query_close(query);
 *     })
 *
 * examples/self_query has all of it.  In a debugger, or in a crash handler:
 *
 *     (gdb) call trace_query_dump_recent(log, 20)
 *     (gdb) call trace_query_dump_trace(log, "5a356ada")
 *
 * Rules
 *   1. A query never slows a thread that emits: it writes nothing into the ring and shares no lock with the emit path.  It
 *      reads from the newest event towards the oldest, away from the writer, and copies each event once.
 *   2. A query finds every event that was emitted before it (by this thread, or by one that has synchronised with it since) and
 *      that stays in the ring until the answer is complete.  It never returns an event that is half written or overwritten, and
 *      it says how many were overwritten while it ran.
 *   3. One query object is for one thread at a time.  Any number of them may read one log, each in its own thread.
 *   4. A query has its own view of the ring: it works after its log was closed, until it is closed itself.
 *   5. After fork() the child's queries return -ECHILD, because the ring is its parent's.
 *   6. A NULL log has no events, and a NULL query finds nothing: a node without a log needs no special case.
 *   7. Nothing here calls malloc or takes a lock of the C library; memory comes from mmap.  Only trace_query_json_file uses a
 *      FILE.  So the dump functions work in a process that a debugger or a signal stopped anywhere, even inside an emit or
 *      inside malloc.
 *
 * With TRACE_INDEX a query keeps an index of traces and peers.  Each question first brings it up to date, reading each new
 * event once.  It takes 12 bytes for each slot of a lane in use: 768 KiB for 65536 events.  Without it each question reads the
 * whole ring.  The answers are the same. */
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

/* Like trace_query_open, with an explicit mode. */
int trace__query_open(struct trace_query **ret_query, struct trace_log *log, enum trace_query_mode mode);

/* Opens a view of a log's ring.  The caller owns the query, until trace_query_close; it may outlive the log.
 * Returns 0, with *ret_query NULL for a NULL log; -ECHILD in a forked child, for a log of its parent; -ENOMEM or another
 * negative errno of mmap; -ENOENT or -ESTALE when the name of the log's object is gone.  On failure *ret_query is untouched.
 * Sleeps up to 5 ms if the log is younger than that, to measure the clock's rate. */
static inline int trace_query_open(struct trace_query **ret_query, struct trace_log *log) {
#ifdef TRACE_INDEX
    return trace__query_open(ret_query, log, TRACE_QUERY_INDEXED);
#else
    return trace__query_open(ret_query, log, TRACE_QUERY_SCAN);
#endif
}

/* Closes a query; its answers become invalid.  NULL is fine. */
void trace_query_close(struct trace_query *query);

/* ------------------------------------------------------------------------------------------------------------------------
 * Questions and answers
 * --------------------------------------------------------------------------------------------------------------------- */

/* One bit for each kind below 31; all others share one. */
#define TRACE_QUERY_KINDS 32
#define TRACE_QUERY_KIND(kind) ((uint32_t)TRACE_CONTROL_KIND_BIT(kind))

/* Which events: those that match every member.  A zeroed filter matches all events. */
struct trace_query_filter {
    const struct trace_id *trace_id;     /* NULL: any; a zero id: events without a trace */
    const struct trace_node_id *peer_id; /* as events have it, whatever aliases say; NULL: any */
    uint32_t kinds;                      /* TRACE_QUERY_KIND(TRACE_KIND_...) | ...; 0: any */
    uint64_t from_ns, to_ns;             /* Unix time in nanoseconds, [from, to); to_ns 0: no end */
    size_t limit;                        /* at most this many, the newest; 0: all */
};

/* An event outside the ring: timestamp is Unix time in nanoseconds, sequence the low 32 bits of position. */
struct trace_query_event {
    struct trace_event event;
    uint64_t position; /* in its lane, from 0 */
    uint32_t lane;
    uint32_t reserved; /* zero */
};

/* The state of the ring when it was read.  emitted = events that can be found + gone + overwritten + unfinished. */
struct trace_query_ring {
    uint64_t emitted;     /* positions reserved in all lanes when the query began */
    uint64_t gone;        /* overwritten before that */
    uint64_t overwritten; /* overwritten while the query ran: some of them might have matched */
    uint64_t unfinished;  /* not written yet, or dropped while being written */
};

struct trace_query_answer {
    const struct trace_query_event *events; /* sorted by time, lane, position; owned by the query, until its next question */
    size_t count;
    uint64_t matched; /* what count would be without the filter's limit */
    struct trace_query_ring ring;
};

/* Finds events.  filter NULL: all of them.  Within one query object an event has the same time in every answer, for at least
 * ten minutes.
 * Returns 0; -ENOMEM without memory for the index or the answer (160 bytes per event); -ECHILD in a forked child.
 * On failure *ret_answer is untouched, but the events of the previous answer are no longer valid. */
int trace_query_find(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_answer *ret_answer);

/* The common questions. */
int trace_query_trace(struct trace_query *query, const struct trace_id *trace_id, struct trace_query_answer *ret_answer);
int trace_query_peer(struct trace_query *query, const struct trace_node_id *peer_id, struct trace_query_answer *ret_answer);
int trace_query_recent(struct trace_query *query, size_t limit, struct trace_query_answer *ret_answer);
int trace_query_between(struct trace_query *query, uint64_t from_ns, uint64_t to_ns, struct trace_query_answer *ret_answer);

struct trace_query_counts {
    uint64_t total;
    uint64_t by_kind[TRACE_QUERY_KINDS]; /* the last one counts all kinds from 31 up */
    struct trace_query_ring ring;
};

/* Counts what a filter matches; its limit is ignored.  Errors as for trace_query_find. */
int trace_query_count(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_counts *ret_counts);

/* ------------------------------------------------------------------------------------------------------------------------
 * Export
 * --------------------------------------------------------------------------------------------------------------------- */

/* Takes one line: an event in JSON (docs/protocol.md), exactly as traced would write it, and a newline; no NUL.  A result other
 * than 0 ends the export. */
typedef int trace_query_write(void *arg, const char *line, size_t bytes);

/* Passes the events that match a filter to `write`, one line each, in the order of an answer.  `write` must not use the same
 * query.
 * Returns 0, what `write` returned, or an error as for trace_query_find. */
int trace_query_json(struct trace_query *query, const struct trace_query_filter *filter, trace_query_write *write, void *arg);

/* The same into a stream.  Returns 0, -EIO when a write to the stream failed, or an error as for trace_query_find. */
int trace_query_json_file(struct trace_query *query, const struct trace_query_filter *filter, FILE *file);

/* ------------------------------------------------------------------------------------------------------------------------
 * Timelines, for people: in a debugger, in a failed assertion, in a crash handler
 *
 * These need no open query.  They write text with write(2): a head line, then one line per event.  They return 0 or a negative
 * errno, and block only if writing to the file blocks.
 * --------------------------------------------------------------------------------------------------------------------- */

/* All events of a trace; NULL: all events. */
int trace_query_dump(struct trace_log *log, const struct trace_id *trace_id, int fd);

/* To stderr: the newest events; and the events of all traces whose id begins with the given hex digits (-EINVAL if they are
 * none). */
int trace_query_dump_recent(struct trace_log *log, unsigned limit);
int trace_query_dump_trace(struct trace_log *log, const char *trace_id_digits);

#ifdef __cplusplus
}
#endif

#ifdef TRACE
/* context: const struct trace_context *.  Dumps what happened to this request in this process, to stderr. */
#define TRACE_DUMP(log, context) ((void)trace_query_dump((log), &(context)->trace_id, 2))

/* Keeps these functions in every program that includes this header, so that a debugger can call them even if the program does
 * not. */
static int (*const trace__query_kept[])(struct trace_log *, unsigned) __attribute__((used)) = {trace_query_dump_recent};
#else
#define TRACE_DUMP(log, context) ((void)0)
#endif

#endif
