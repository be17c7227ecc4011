/* SPDX-License-Identifier: MIT
 *
 * Writes events, as the methods of docs/protocol.md give them, into a recording (docs/recording.md): what `record` and
 * `trigger` save, and what --read makes of JSON.
 *
 * Nodes are known from rows of `nodes`, or else by their events alone.  One thread; every function returns 0, or -1 with the
 * failure. */
#ifndef INSPECTOR_EVENT_WRITER_H
#define INSPECTOR_EVENT_WRITER_H

#include "failure.h"

#include <jansson.h>
#include <proto/event_parse.h>

struct event_writer;

/* What a recording has come to. */
struct event_writer_stats {
    uint64_t events; /* that were written; losses among them count as one each */
    uint64_t failed; /* that could not be written */
    uint64_t bytes;  /* of the file */
};

/* Makes the file, which must not be there yet. */
int event_writer_open(struct event_writer **ret_writer, const char *path, struct failure *failure);

/* The same into a file that is open already, and empty. */
int event_writer_open_fd(struct event_writer **ret_writer, int fd, struct failure *failure);

/* Learns nodes and their applications: arrays of rows, which are kept.  Rows of a log that is known already replace what was
 * known.  Both may be NULL. */
int event_writer_learn(struct event_writer *writer, const json_t *nodes, const json_t *apps, struct failure *failure);

/* Is there a row for this node? */
bool event_writer_knows(const struct event_writer *writer, const json_t *event);

/* Adds an event.  One that is not an event fails with EXIT_FAILED and a text that begins with its field.  A file that cannot be
 * written is no failure here, but in the end: other events may still be written (event_writer_error). */
int event_writer_add(struct event_writer *writer, const json_t *event, struct failure *failure);

/* The same for one that was parsed. */
int event_writer_add_parsed(struct event_writer *writer, const struct trace_parsed_event *parsed, struct failure *failure);

/* The negative errno of the first write that failed, or 0. */
int event_writer_error(const struct event_writer *writer);

/* Writes what waits, and closes the file; the writer is gone.  Fails when events could not be written. */
int event_writer_close(struct event_writer *writer, struct event_writer_stats *ret_stats, struct failure *failure);

#endif
