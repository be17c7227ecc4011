/* SPDX-License-Identifier: MIT
 *
 * Views: turn a JSON answer into text for people.  Pure: no I/O, no clock, and no state between calls except the names that
 * the view points to.  Whatever the answer holds, the text is safe for a terminal and every line ends in a newline; missing
 * values are shown as "-".  Tables and diagrams fit view->columns.  Sentences are not wrapped: text_wrap_lines does that when
 * writing to a terminal. */
#ifndef INSPECTOR_RENDER_H
#define INSPECTOR_RENDER_H

#include "names.h"
#include "records.h"
#include "text.h"

#include <jansson.h>

struct view {
    const struct names *names;
    bool color;
    bool utc;
    bool header;                      /* column titles and closing notes */
    bool all;                         /* do not fold the timeline */
    bool utf8;                        /* diagrams may use more than ASCII */
    unsigned columns;                 /* of the terminal; 0: as many as it needs */
    uint64_t now_ns;                  /* "ago" counts from here, Unix time; 0: no such column */
    const struct field_names *fields; /* --fields; NULL: the usual columns */
    const char *source;               /* options that choose the source, for commands to paste: " --read FILE"; or NULL */
    const json_t *answer;             /* of a list's rows, for cells that need more than their row; or NULL */
};

struct timeline;

/* ---- pieces of an event (render_event.c; event_role.h has more) ---- */

/* What happened, in words: "packet 7 sent, 1.2 KiB, 1rtt". */
void event_describe(struct strbuf *out, const struct view *view, const json_t *event);

/* How much it should stand out. */
enum style event_style(const json_t *event);

/* "stream 4 opened, 4.9 KiB sent, the end; 4 packets, 5.0 KiB; over 37 us". */
struct fold;
void fold_describe(struct strbuf *out, const struct view *view, const struct fold *fold);

/* Appends a {timestamp, ns} as a time of day; "-" when it is missing. */
void render_time(struct strbuf *out, const struct view *view, const json_t *time, bool date);

/* Appends a node's name in that node's colour. */
void render_node(struct strbuf *out, const struct view *view, const char *node_id);

/* The same for an event's own node; the name of its log if the event says which. */
void render_event_node(struct strbuf *out, const struct view *view, const json_t *event);

/* Whatever is unusual about a node, one line each: why it was rejected, that it does not emit everything, its clock, its
 * policy. */
void render_node_notes(struct strbuf *out, const struct view *view, const json_t *row);

/* Appends the name of the node that a row is about; "alice/3fa2b1c0" when several are called alice. */
void render_row_node(struct strbuf *out, const struct view *view, const json_t *row);

/* Two lines: a text that the user wrote, and a caret below a part of it (in bytes), as wide as that part. */
void render_caret(struct strbuf *out, const char *text, size_t position, size_t length);

/* ---- views, each of the answer to its method ---- */

void render_nodes(struct strbuf *out, const struct view *view, const json_t *answer);
void render_peers(struct strbuf *out, const struct view *view, const json_t *answer);
void render_traces(struct strbuf *out, const struct view *view, const json_t *answer);
void render_apps(struct strbuf *out, const struct view *view, const json_t *answer);
void render_control(struct strbuf *out, const struct view *view, const json_t *answer);
void render_count(struct strbuf *out, const struct view *view, const json_t *answer);
/* An answer to `requests`. */
void render_requests(struct strbuf *out, const struct view *view, const json_t *answer);
void render_stats(struct strbuf *out, const struct view *view, const json_t *answer);
/* The same as rows of stats_list: {"counter": "ingest.lost.overwritten", "value"}.  NULL when out of memory. */
json_t *stats_rows_new(const json_t *answer);

/* An answer to `query`, or the params of an `events` notification: a line for each event.  Reports `lost` of a notification. */
void render_events_titles(struct strbuf *out, const struct view *view);
/* The columns for which there is no room, if any: below the events, or above the titles of those that come one by one. */
void render_events_hidden(struct strbuf *out, const struct view *view);
void render_events(struct strbuf *out, const struct view *view, const json_t *answer);

/* A line that says how many events of a stream are missing; at_most: the filter may have hidden some of them; why: a phrase. */
void render_missed(struct strbuf *out, const struct view *view, uint64_t count, bool at_most, const char *why);

/* {"trace_id", "events", "gaps", "summary"}: one request across its nodes.  summary is the trace's row of `traces`, or null;
 * "more" is true if later events were not fetched. */
void render_trace(struct strbuf *out, const struct view *view, const json_t *answer);

/* How the trace ended, by the events that are here, or else by what traced says of it: "ok", "failed", "expired", "open",
 * "none". */
const char *trace_outcome(const struct timeline *timeline, const json_t *answer);

/* All that is known of the trace as a whole (docs/protocol.md): a new reference, or NULL when out of memory.  answer: as for
 * render_trace. */
json_t *trace_object_new(const struct view *view, const struct timeline *timeline, const json_t *answer);

/* Its member "time": [{"place", "node_id", "peer_id", "duration"}], the longest first. */
json_t *trace_places_new(const struct timeline *timeline);

/* The head of the view, above the lines (render_trace_head.c). */
void render_trace_head(struct strbuf *out, const struct view *view, const json_t *answer, const struct timeline *timeline);

/* The same as a space-time diagram: a column for each node, time downwards, arrows from send to receive. */
void render_graph(struct strbuf *out, const struct view *view, const json_t *answer);

/* {"peer": a row of `peers`, "events"}. */
void render_peer(struct strbuf *out, const struct view *view, const json_t *answer);

#endif
