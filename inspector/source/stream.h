/* SPDX-License-Identifier: MIT
 *
 * A stream of events that stays whole: when its source goes away and comes back, what was delivered is not delivered again,
 * and what is missing is counted (resume.h).  Works over any source that can be followed.
 *
 * A source that comes back reads the rings from their oldest event.  It is asked for what is not much older than the newest
 * event delivered.  A filter hides losses: until they are settled, they have a stream of their own. */
#ifndef INSPECTOR_STREAM_H
#define INSPECTOR_STREAM_H

#include "resume.h"
#include "source.h"

struct stream {
    struct source *source;   /* borrowed */
    struct failure *failure; /* the caller's */
    json_t *params;          /* of `subscribe`: the filter */
    struct shown shown;
    uint64_t left;          /* events still wanted */
    uint64_t deadline_ms;   /* when the stream ends, */
    bool looked;            /* but not before the source was looked at once */
    uint64_t wait_ms;       /* how long to wait for a source that went away */
    uint64_t missed;        /* reported as missing so far */
    uint64_t begin_ns;      /* Unix time: nothing before it is wanted; 0: the first event will say */
    uint64_t subscribed_ns; /* events from then on do not belong to `recent` */
    uint64_t last_ns;       /* of the newest event delivered, */
    int64_t clock_ns;       /* and CLOCK_REALTIME - CLOCK_MONOTONIC then */
    struct stream_away {
        bool is;         /* the source is away */
        bool any;        /* it was, and what that cost is not settled */
        uint64_t due_ms; /* when to settle it */
        uint64_t since_ms, back_ms;
        uint64_t missed; /* the stream's, when it went away */
        uint64_t hidden; /* losses since then, as far as our filter hides them */
        int64_t number;  /* of the stream of those; 0: none */
    } away;
    struct {
        enum source_event event;
        struct source_news news;
    } queue[3];
    unsigned queued;
};

/* What a stream begins with. */
struct stream_wish {
    json_t *params_new;   /* of `subscribe`, without `recent`; stolen */
    uint64_t recent;      /* begin with so many events of the past */
    uint64_t events_max;  /* end after so many events */
    uint64_t deadline_ms; /* end then; WAIT_FOREVER */
    uint64_t wait_ms;     /* when the source goes away, wait so long for it; 0: fail */
};

/* Begins.  *ret_nodes is what `nodes` answered just before, the caller's.  failure must outlive the stream.  Returns 0, or -1
 * with the failure; stream_fini in both cases. */
int stream_init(struct stream *stream, struct source *source, const struct stream_wish *wish, json_t **ret_nodes,
                struct failure *failure);
void stream_fini(struct stream *stream);

/* How long to wait for a source that went away, within the stream's deadline. */
uint64_t stream_wait_ms(const struct stream *stream);

/* source_next for the stream.  Also returns AWAY (the next call waits for the source), RESTARTED and, some time after it,
 * SETTLED; ENDED at the stream's deadline and after its last event, too. */
enum source_event stream_next(struct stream *stream, uint64_t deadline_ms, struct source_news *ret_news);

/* Another question to the source failed.  Returns 0 when that was because the source went away, and the stream waits for it:
 * stream_next returns AWAY.  Else -1. */
int stream_lost(struct stream *stream);

#endif
