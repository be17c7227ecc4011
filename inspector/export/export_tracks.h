/* SPDX-License-Identifier: MIT
 *
 * What timeline viewers draw for an event: chrome and perfetto write the same marks in two formats.
 *
 *     process   a node
 *     track     a connection of the node; a link, which is a peer and a transport of messages; a trace on the node, several where
 *               its spans there overlap; and one for the rest
 *     slice     a connection, from its first event here to conn_closed; an application's span
 *     instant   any other event
 *     counter   round-trip time, congestion window and bytes in flight, of each connection
 *     arrow     from a span to the one on another node that it caused; from a message sent to the one received
 *
 * Memory grows with open spans, connections, links, and traces that have spans. */
#ifndef INSPECTOR_EXPORT_TRACKS_H
#define INSPECTOR_EXPORT_TRACKS_H

#include "export_sent.h"

#define TRACK_OTHER 1 /* one for each node; other tracks are numbered above it, over all nodes */

enum mark_type {
    MARK_BEGIN,   /* a slice begins */
    MARK_END,     /* the newest slice of the track ends */
    MARK_INSTANT, /* a moment */
    MARK_SOURCE,  /* an arrow leaves the newest slice of the track; the event is the one at the arrow's other end */
};

struct mark {
    enum mark_type type;
    uint32_t process, track;
    const char *title;            /* NULL: the event's title (put_title) */
    const char *arrows;           /* the kind of the arrows: "request", "message" */
    uint64_t arrow_out, arrow_in; /* ids of arrows that begin or end here; 0: none */
};

enum counter { COUNTER_RTT, COUNTER_CWND, COUNTER_IN_FLIGHT, COUNTERS };

struct tracks_ops {
    /* A track is new or renamed.  name: valid UTF-8.  TRACK_OTHER is not announced. */
    void (*name)(struct export *export, uint32_t process, uint32_t track, const char *name);
    void (*mark)(struct export *export, const struct export_event *event, const struct mark *mark);
    /* The values of a metrics event, in ns and bytes.  first: the connection had none before. */
    void (*count)(struct export *export, const struct export_event *event, const struct connection *connection,
                  const uint64_t values[COUNTERS], bool first);
};

struct tracks {
    const struct tracks_ops *ops;
    struct connections connections;
    struct map traces, spans;
    struct sent sent;  /* messages, with the id of their arrow */
    uint64_t messages; /* arrows so far */
    uint32_t count;    /* the last track's number - TRACK_OTHER */
};

/* {0} is valid for tracks_fini.  Returns 0, or -1 with the failure; so does tracks_event. */
int tracks_init(struct export *export, struct tracks *tracks, const struct tracks_ops *ops);
void tracks_fini(struct tracks *tracks);

/* Turns the event into marks. */
int tracks_event(struct export *export, struct tracks *tracks, const struct export_event *event);

/* "transport", "message", "app" or "other". */
const char *event_category(const struct export_event *event);

#endif
