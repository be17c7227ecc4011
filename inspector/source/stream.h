/* SPDX-License-Identifier: MIT
 *
 * A stream of events that survives its source: when the source goes away and comes back, nothing is delivered twice and what
 * is missing is counted (resume.h).  Works over any source that can be followed.
 *
 * A traced that comes back reads the rings from their oldest event, so we subscribe from a little before the newest event
 * delivered.  A filter would hide losses; a second subscription reports them until the time away is settled. */
#ifndef INSPECTOR_STREAM_H
#define INSPECTOR_STREAM_H

#include "resume.h"
#include "source.h"

struct stream {
    struct source *source;   /* borrowed */
    struct failure *failure; /* the caller's */
    json_t *params;          /* of `subscribe`: the filter */
    struct resume resume;
    uint64_t left;          /* events still to deliver */
    uint64_t deadline_ms;   /* when the stream ends, */
    bool looked;            /* ... but not before it has polled the source once */
    uint64_t wait_ms;       /* how long to wait for a source that went away */
    uint64_t missed;        /* reported as missing so far */
    uint64_t note_ms;       /* when to note that nothing has come; WAIT_FOREVER: never, or no longer */
    uint64_t begin_ns;      /* Unix time: deliver nothing older; 0: not known before the first event */
    uint64_t subscribed_ns; /* events from then on are not among `recent` */
    uint64_t last_ns;       /* of the newest event delivered, */
    int64_t clock_ns;       /* and CLOCK_REALTIME - CLOCK_MONOTONIC then */
    struct stream_away {
        bool is;         /* the source is away */
        bool any;        /* it was away, and the losses are not settled yet */
        uint64_t due_ms; /* when to settle it */
        uint64_t since_ms, back_ms;
        uint64_t last_ms; /* when it went away last: it can do so again before the losses are settled */
        uint64_t missed;  /* the stream's, when it went away */
        uint64_t hidden;  /* losses since then that our filter hides */
        int64_t number;   /* of the subscription that reports those; 0: none */
    } away;
    struct {
        enum source_event event;
        struct source_news news;
    } queue[3];
    unsigned queued;
    void (*note)(const char *text); /* NULL: it waits in silence */
};

/* The parameters of a stream. */
struct stream_wish {
    json_t *params_new;             /* of `subscribe`, without `recent`; stolen */
    uint64_t recent;                /* begin with this many past events */
    uint64_t events_max;            /* end after this many events */
    uint64_t deadline_ms;           /* end at this time; WAIT_FOREVER */
    uint64_t wait_ms;               /* how long to wait for a source that goes away; 0: fail at once */
    void (*note)(const char *text); /* gets a line for the user if nothing comes for CALL_NOTE_MS, once; or NULL */
};

/* Subscribes.  *ret_nodes is the answer to `nodes` from just before; the caller owns it.  failure must outlive the stream.
 * Returns 0, or -1 with the failure; call stream_fini in both cases. */
int stream_init(struct stream *stream, struct source *source, const struct stream_wish *wish, json_t **ret_nodes,
                struct failure *failure);
void stream_fini(struct stream *stream);

/* The time of the stream is over.  Returns 0; or -1 with a failure: its source is away or stopped, so what it missed since is
 * not known. */
int stream_end(struct stream *stream);

/* How long to wait for a source that went away; never beyond the stream's deadline. */
uint64_t stream_wait_ms(const struct stream *stream);

/* For streams that wait in pieces (wish.wait_ms), so that the user can end them meanwhile: after SOURCE_FAILED, is the source
 * only away, and not yet for patience_ms?  Then call stream_next again. */
bool stream_waits_on(const struct stream *stream, uint64_t patience_ms);

/* Like source_next.  Also returns AWAY (the next call waits for the source), RESTARTED and, some time later or at the stream's
 * deadline, SETTLED; and ENDED at the deadline or after the last event.  FAILED if the source is away or stopped
 * then. */
enum source_event stream_next(struct stream *stream, uint64_t deadline_ms, struct source_news *ret_news);

/* Call this when another question to the source failed.  If the source went away and the stream can wait for it, returns 0,
 * and stream_next returns AWAY.  Otherwise -1. */
int stream_lost(struct stream *stream);

#endif
