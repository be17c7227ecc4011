/* SPDX-License-Identifier: MIT
 *
 * A stream of events on its way to the screen, whatever it comes from: what was shown is left out, what is missing is told, --count
 * is kept, and each batch is written at once, whole lines only. */
#ifndef INSPECTOR_STREAM_H
#define INSPECTOR_STREAM_H

#include "resume.h"
#include "session.h"

struct stream {
    struct session *session;
    struct shown shown;
    uint64_t left;          /* events until --count */
    uint64_t deadline_ms;   /* of --for, on stream_now_ms; WAIT_FOREVER */
    uint64_t missed;        /* told as missing so far */
    uint64_t begin_ns;      /* Unix time: nothing before it is meant; 0: the first event will say */
    uint64_t subscribed_ns; /* events from then on do not belong to --recent */
    uint64_t last_ns;       /* of the newest event shown, */
    int64_t clock_ns;       /* and CLOCK_REALTIME - CLOCK_MONOTONIC then */
    uint64_t names_ms;      /* when traced was asked for names */
    bool json;
};

/* By the session's options.  Returns 0, or -1 with session->failure; to be finished only after 0. */
int stream_init(struct stream *stream, struct session *session);
void stream_fini(struct stream *stream);

/* Begins: titles, and the logs that there are, of an answer to `nodes`.  Returns 0 or -1. */
int stream_begin(struct stream *stream, const json_t *nodes_answer);

/* Shows {"events", "lost"}, the params of a notification, and changes it.  Returns 0 or -1. */
int stream_show(struct stream *stream, json_t *params);

/* Tells, in its place, that so many events are missing.  why: a word for --json; sentence: a phrase for people.  Nothing for 0. */
int stream_missed(struct stream *stream, uint64_t count, const char *why, const char *sentence);

/* What `why` is for events that a filter may have hidden anyway. */
#define STREAM_HIDDEN "hidden", "some of them may not have matched"

/* From when on to ask another source, that begins with older events, for the rest: Unix ns.  It has events of the same moment at another
 * time when the clock was set meanwhile. */
uint64_t stream_resume_ns(const struct stream *stream);

/* CLOCK_MONOTONIC. */
uint64_t stream_now_ms(void);

#endif
