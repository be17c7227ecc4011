/* SPDX-License-Identifier: MIT
 *
 * Writes events in the form of docs/protocol.md into a recording (docs/recording.md): for `record` and `trigger`, and for --read
 * of JSON.
 *
 * Nodes come from rows of `nodes`; a node without a row is known only by its events.  Who is who comes from rows of `who`; an id
 * without one stands for whom the events say.  Use from one thread.  Functions return 0, or -1 with the failure. */
#ifndef INSPECTOR_EVENT_WRITER_H
#define INSPECTOR_EVENT_WRITER_H

#include "failure.h"

#include <jansson.h>
#include <proto/event_parse.h>

struct event_writer;

/* What was written. */
struct event_writer_stats {
    uint64_t events; /* written; each loss counts as one */
    uint64_t failed; /* not written */
    uint64_t bytes;  /* of the file */
};

/* Creates the file, which must not exist. */
int event_writer_open(struct event_writer **ret_writer, const char *path, struct failure *failure);

/* The same for an open, empty file. */
int event_writer_open_fd(struct event_writer **ret_writer, int fd, struct failure *failure);

/* Adds nodes and their applications: arrays of rows, which the writer keeps.  A row replaces what is known of its log.  Both may
 * be NULL. */
int event_writer_learn(struct event_writer *writer, const json_t *nodes, const json_t *apps, struct failure *failure);

/* Adds who is who: an array of rows, which the writer keeps.  It replaces an earlier one.  May be NULL. */
int event_writer_learn_who(struct event_writer *writer, const json_t *who, struct failure *failure);

/* Adds the steps of machines' clocks, as an answer to `nodes` lists them; skips what it does not understand. */
void event_writer_learn_steps(struct event_writer *writer, const json_t *clock_steps);

/* True when there is a row for this node. */
bool event_writer_knows(const struct event_writer *writer, const json_t *event);

/* Adds an event.  An object that is not an event fails with EXIT_FAILED and a text that begins with the wrong field.  A failed
 * write does not fail here but at the end, since later events may still be written (event_writer_error). */
int event_writer_add(struct event_writer *writer, const json_t *event, struct failure *failure);

/* The same for a parsed event. */
int event_writer_add_parsed(struct event_writer *writer, const struct trace_parsed_event *parsed, struct failure *failure);

/* Names the node of the event that was added last, unless a row or an earlier event has done so. */
void event_writer_name_last(struct event_writer *writer, const char *name);

/* The negative errno of the first write that failed, or 0. */
int event_writer_error(const struct event_writer *writer);

/* Writes what is waiting, closes the file and destroys the writer.  Fails when some events could not be written. */
int event_writer_close(struct event_writer *writer, struct event_writer_stats *ret_stats, struct failure *failure);

#endif
