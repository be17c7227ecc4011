/* SPDX-License-Identifier: MIT
 *
 * Shows the streams of follow and attach.  Each batch is written at once, in whole lines; missing events are reported in their
 * place. */
#ifndef INSPECTOR_SHOW_STREAM_H
#define INSPECTOR_SHOW_STREAM_H

#include "session.h"
#include "stream.h"

struct show_stream {
    struct source *source;
    json_t *params_new;   /* of `subscribe`; stolen */
    uint64_t wait_ms;     /* how long to wait when the source goes away; 0: fail */
    const char *away;     /* the note to print then */
    double speed;         /* of a source that holds only the past: play this many times as fast as it happened; 0: all at once */
    bool reports_restart; /* say how long it was away, and what was missed */
};

/* Shows the stream, with --recent, --limit and --for, until it ends.  Returns 0, or -1 with session->failure. */
int show_stream(struct session *session, const struct show_stream *wish);

/* The wish of --recent, --limit and --for for a stream that begins at begin_ms (monotonic).  For the other params see struct
 * stream_wish. */
struct stream_wish stream_wish_of(const struct options *options, uint64_t begin_ms, json_t *params_new, uint64_t wait_ms);

/* Calls stream_init, and learns the names of the nodes.  If the source goes away meanwhile, waits as the wish says; away: the
 * note to print then.  From now on all output ends with the wish's deadline (timely_write.h).  Returns 0, or -1 with
 * session->failure; call stream_fini in both cases. */
int begin_stream(struct session *session, struct stream *stream, struct source *source, struct stream_wish wish,
                 const char *away);

/* Appends "connected again after 1.2 s; missed at most 7 events", for SOURCE_SETTLED. */
void show_stream_settled(struct strbuf *out, const struct source_news *settled);

#endif
