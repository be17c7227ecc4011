/* SPDX-License-Identifier: MIT
 *
 * Where answers and events come from: traced's socket, the rings of a process, a recording.  A command asks a source and shows
 * what it says, and need not know which one it is.
 *
 *     socket/source_socket.h     traced: asks, follows, controls
 *     process/source_rings.h     the rings of one process: follows
 *     process/source_process.h   one process, through traced or from its rings, whichever has it: follows
 *     stream.h                   what keeps a stream whole when a source goes away and comes back
 *
 * Methods, params and results are those of docs/protocol.md, whatever the source.  A source that lacks a capability fails with
 * a sentence that says so; callers need not check.  One thread. */
#ifndef INSPECTOR_SOURCE_H
#define INSPECTOR_SOURCE_H

#include "failure.h"
#include "limits.h"
#include "strbuf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What a source can do, as a set of bits.  Every source answers `nodes`. */
enum {
    SOURCE_ASK = 1,     /* answers the other methods, too */
    SOURCE_FOLLOW = 2,  /* has a stream of events */
    SOURCE_CONTROL = 4, /* can change what nodes emit */
    SOURCE_STREAMS = 8, /* can be followed several times at once */
    SOURCE_PAST = 16,   /* everything in it has happened: its stream is its events, and ends */
};

enum source_event {
    SOURCE_FAILED = -1, /* the failure says why; if it is `disconnected`, source_reopen may help */
    SOURCE_TIME,        /* the deadline has come */
    SOURCE_EVENTS,      /* a batch of events */
    SOURCE_GAP,         /* events are missing here */
    SOURCE_NOTE,        /* something to tell the user */
    SOURCE_ENDED,       /* nothing more will come */
    SOURCE_OUTPUT_GONE, /* whoever read our output went away (source_watch_output) */
    SOURCE_INPUT,       /* a watched descriptor can be read (source_watch_input) */
    SOURCE_ANSWER,      /* the answer to a source_send */
    SOURCE_AWAY,        /* of a stream: the source went away, and the next call waits for it to come back */
    SOURCE_RESTARTED,   /* of a stream: it came back */
    SOURCE_SETTLED,     /* of a stream: what was missed meanwhile is known now */
};

/* Why events are missing. */
enum source_gap {
    GAP_SLOW,   /* we did not read fast enough */
    GAP_GONE,   /* they left the history, or were never seen */
    GAP_HIDDEN, /* rings were overwritten; which of these events a filter would have let through is not known */
};

struct source_news {
    int64_t number; /* EVENTS, GAP: of the stream; ANSWER: of the question */
    json_t
        *value; /* EVENTS: an array; ANSWER: the result, NULL when it was refused (then the failure says why).  The caller's. */
    uint64_t count;      /* GAP: events missing.  SETTLED: events missed */
    enum source_gap why; /* GAP */
    bool at_most;        /* SETTLED: the filter may hide some of these */
    uint64_t away_ms;    /* RESTARTED, SETTLED: how long the source was away */
    const char *text;    /* NOTE: one line; good until the next call */
    bool in_order;       /* EVENTS: each lane's events are in their order, also the recent ones that a stream begins with */
};

/* An array of a result with very many elements, which a caller wants as text: it is appended to *text as it came, and the
 * result has an empty array in its place. */
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
    void (*watch_output)(struct source *source);
    int (*watch_input)(struct source *source, struct failure *failure); /* the last of source->inputs */
};

/* What all sources have; a source begins with it. */
struct source {
    const struct source_ops *ops;
    const char *title; /* how sentences call it: "traced at /run/user/1000/p2ptrace.sock" */
    uint64_t now_ns;   /* what relative times count back from, Unix ns; 0: the clock */
    int output;        /* descriptors to watch; -1: none */
    int inputs[INPUTS_MAX];
    unsigned input_count;
};

void source_close(struct source *source); /* NULL is allowed */

/* Asks, and waits for the answer.  params_new is stolen and may be NULL; *ret_result is the caller's.  apart may be NULL.
 * Returns 0, or -1 with the failure. */
int source_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
               json_t **ret_result, struct failure *failure);

/* Begins a stream: params are those of `subscribe`.  Its number, for several streams of a source that can have them, goes to
 * *ret_number (may be NULL).  Returns 0 or -1. */
int source_follow(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure);

/* Waits for what comes next, until a deadline of trace_now_monotonic_ms() or WAIT_FOREVER.  Fills in *ret_news but for TIME,
 * ENDED and OUTPUT_GONE; the failure for FAILED. */
enum source_event source_next(struct source *source, uint64_t deadline_ms, struct source_news *ret_news, struct failure *failure);

/* What relative times count back from, in Unix ns.  A source of NULL is live. */
uint64_t source_now_ns(const struct source *source);

/* Opens a source again that went away.  Whatever was asked or followed before is forgotten.  Tries for wait_ms; 0: once.
 * Returns 0 or
 * -1; the source may be reopened again after a failure. */
int source_reopen(struct source *source, uint64_t wait_ms, struct failure *failure);

/* Makes the question that waits for an answer fail at once.  Signal-safe. */
void source_interrupt(const struct source *source);

/* Watches for the reader of a pipe to go away, so that source_next does not wait for events that nobody will read. */
void source_watch_output(struct source *source, int fd);

/* ---- for a program that also has a keyboard: top ---- */

/* From now on source_next returns SOURCE_INPUT when a descriptor can be read.  At most INPUTS_MAX.  Returns 0 or -1. */
int source_watch_input(struct source *source, int fd, struct failure *failure);

/* Asks without waiting: source_next returns the answer.  Returns 0 or -1. */
int source_send(struct source *source, const char *method, json_t *params_new, int64_t *ret_number, struct failure *failure);

/* ---- for sources ---- */

/* Fills in the part that all sources have. */
void source_init(struct source *source, const struct source_ops *ops, const char *title);

/* Waits for ms or until the watched output is gone.  Returns true when it is. */
bool source_pause(const struct source *source, int ms);

#endif
