/* SPDX-License-Identifier: MIT
 *
 * Where answers and events come from: traced's socket, the rings of a process, a recording.  A command asks a source and shows
 * the answer, whichever kind of source it is.
 *
 *     socket/source_socket.h     traced: asks, follows, controls
 *     process/source_rings.h     the rings of one process: follows
 *     process/source_process.h   one process, through traced or from its rings, whichever has it: follows
 *     stream.h                   a stream that resumes when its source goes away and comes back
 *
 * Methods, params and results are those of docs/protocol.md for every source.  A source that lacks a capability fails with a
 * sentence that says so; callers need not check.  Use a source from one thread only. */
#ifndef INSPECTOR_SOURCE_H
#define INSPECTOR_SOURCE_H

#include "failure.h"
#include "limits.h"
#include "strbuf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a source can do: a set of bits.  Every source answers `nodes`. */
enum {
    SOURCE_ASK = 1,      /* answers the other methods as well */
    SOURCE_FOLLOW = 2,   /* has a stream of events */
    SOURCE_CONTROL = 4,  /* can change what nodes emit */
    SOURCE_STREAMS = 8,  /* can be followed several times at once */
    SOURCE_SHIPPED = 32, /* its stream has what has been shipped: late, one machine's after another's, and perhaps again; when
                          * it comes back, it continues where it was */
    SOURCE_PAST = 16,    /* holds the past only: its stream is its events, and ends */
};

enum source_event {
    SOURCE_FAILED = -1, /* the failure says why; if it is `disconnected`, source_reopen may help */
    SOURCE_TIME,        /* the deadline passed */
    SOURCE_EVENTS,      /* a batch of events */
    SOURCE_GAP,         /* events are missing here */
    SOURCE_NOTE,        /* a line for the user */
    SOURCE_ENDED,       /* nothing more will come */
    SOURCE_OUTPUT_GONE, /* the reader of our output went away (source_watch_output) */
    SOURCE_INPUT,       /* a watched descriptor can be read (source_watch_input) */
    SOURCE_ANSWER,      /* the answer to a source_send */
    SOURCE_AWAY,        /* of a stream: the source went away, and the next call waits for it to come back */
    SOURCE_RESTARTED,   /* of a stream: it came back */
    SOURCE_SETTLED,     /* of a stream: the number of events missed meanwhile is known */
};

/* Why events are missing. */
enum source_gap {
    GAP_SLOW,   /* we did not read fast enough */
    GAP_GONE,   /* they had left the history, or never reached it */
    GAP_HIDDEN, /* rings were overwritten; we do not know how many of these events the filter would have passed */
};

struct source_news {
    int64_t number;      /* EVENTS, GAP: of the stream; ANSWER: of the question */
    json_t *value;       /* EVENTS: an array.  ANSWER: the result, or NULL with the failure.  The caller owns it. */
    uint64_t count;      /* GAP: events missing.  SETTLED: events missed */
    enum source_gap why; /* GAP */
    bool at_most;        /* GAP, SETTLED: an upper bound: the filter would have hidden some of these */
    uint64_t away_ms;    /* RESTARTED, SETTLED: how long the source was away */
    const char *text;    /* NOTE: one line; good until the next call */
    bool in_order;       /* EVENTS: each lane's events are in order, even the recent ones at the beginning of a stream */
};

/* A long array of a result that the caller wants as text.  The source appends it to *text unparsed, and leaves an empty array
 * in the result. */
struct source_apart {
    const char *array; /* its name in the result */
    struct strbuf *text;
};

struct source;

struct source_ops {
    unsigned can;
    int (*ask)(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
               json_t **ret_result, struct failure *failure);
    int (*follow)(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure);
    enum source_event (*next)(struct source *source, uint64_t deadline_ms, struct source_news *ret_news, struct failure *failure);
    void (*interrupt)(const struct source *source); /* signal-safe */
    void (*close)(struct source *source);           /* and frees it */

    /* The rest may be NULL. */
    int (*send)(struct source *source, const char *method, json_t *params_new, int64_t *ret_number, struct failure *failure);
    int (*reopen)(struct source *source, uint64_t wait_ms, struct failure *failure);
    pid_t (*stopped)(const struct source *source);
    void (*end_calls)(struct source *source, uint64_t end_ms);
    void (*watch_output)(struct source *source);
    int (*watch_input)(struct source *source, struct failure *failure); /* the last of source->inputs */
};

/* The first member of every source. */
struct source {
    const struct source_ops *ops;
    const char *title; /* its name in messages: "traced at /run/user/1000/p2ptrace.sock" */
    uint64_t now_ns;   /* relative times count back from here, Unix ns; 0: from now */
    int output;        /* descriptors to watch; -1: none */
    int inputs[INPUTS_MAX];
    unsigned input_count;
};

void source_close(struct source *source); /* NULL is allowed */

/* Asks and waits for the answer.  Steals params_new, which may be NULL; the caller owns *ret_result.  apart may be NULL.
 * Returns 0, or -1 with the failure. */
int source_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
               json_t **ret_result, struct failure *failure);

/* Begins a stream with the params of `subscribe`.  *ret_number tells it from other streams of the source; may be NULL.
 * Returns 0, or -1 with the failure. */
int source_follow(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure);

/* For a command that watches nodes as they run: returns 0, or -1 with the failure when the source has what they shipped. */
int source_need_nodes(const struct source *source, const char *command, struct failure *failure);

/* Waits for what comes next, until deadline_ms on the clock of trace_now_monotonic_ms(), or WAIT_FOREVER.  Fills in *ret_news,
 * except for TIME, ENDED and OUTPUT_GONE; for FAILED, the failure. */
enum source_event source_next(struct source *source, uint64_t deadline_ms, struct source_news *ret_news, struct failure *failure);

/* The moment that relative times count back from, in Unix ns.  NULL means a live source. */
uint64_t source_now_ns(const struct source *source);

/* Reopens a source that went away; earlier questions and streams are forgotten.  Tries for wait_ms; 0: once.  Returns 0, or -1
 * with the failure, after which it may be called again. */
int source_reopen(struct source *source, uint64_t wait_ms, struct failure *failure);

/* The process that answers, if it is stopped and so delivers nothing; else 0. */
pid_t source_stopped(const struct source *source);

/* From now on questions fail if they have no answer at end_ms (the clock of source_next; WAIT_FOREVER), or CALL_GRACE_MS after
 * they began if that is later. */
void source_end_calls(struct source *source, uint64_t end_ms);

/* Makes a source_ask that is waiting fail at once.  Async-signal-safe. */
void source_interrupt(const struct source *source);

/* Watches for the reader of our output to go away, so that source_next does not wait for events that nobody will read. */
void source_watch_output(struct source *source, int fd);

/* ---- for a command that also reads the keyboard: top ---- */

/* Makes source_next return SOURCE_INPUT when fd is readable.  At most INPUTS_MAX descriptors.  Returns 0 or -1. */
int source_watch_input(struct source *source, int fd, struct failure *failure);

/* Asks without waiting; source_next returns the answer.  Returns 0 or -1. */
int source_send(struct source *source, const char *method, json_t *params_new, int64_t *ret_number, struct failure *failure);

/* ---- for sources ---- */

/* Initializes the common part. */
void source_init(struct source *source, const struct source_ops *ops, const char *title);

/* Sleeps for ms, or until the watched output is gone.  Returns true if it is. */
bool source_pause(const struct source *source, int ms);

#endif
