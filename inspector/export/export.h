/* SPDX-License-Identifier: MIT
 *
 * Runs an export: events in, a file or a directory out.  Where the events come from, and where the file gets its name, is the
 * command's matter.
 *
 *     export_begin(&export, format, &settings, fd, NULL, &failure)
 *     export_name_nodes(&export, rows)           what `nodes` says
 *     export_page(&export, events, gaps)         ... in the order of time
 *     export_end(&export)
 *     export_fini(&export) */
#ifndef INSPECTOR_EXPORT_H
#define INSPECTOR_EXPORT_H

#include "export_format.h"

#include <p2ptrace/app.h>

/* Begins.  fd: of the file.  directory: instead of it, where files go (a format that can: format->target); exists and is empty.
 * settings, directory and failure must outlive the export.  Returns 0 or -1; export_fini in both cases. */
int export_begin(struct export *export, const struct export_format *format, const struct export_settings *settings, int fd,
                 const char *directory, struct failure *failure);

/* Sets the names of nodes, before their first event: the rows of `nodes`. */
int export_name_nodes(struct export *export, const json_t *rows);

/* The next event, as JSON. */
int export_text(struct export *export, struct json_span text);

/* The next event, and the description of its application (NULL: not known). */
int export_binary(struct export *export, const struct trace_node_id *node_id, uint32_t lane, const struct trace_event *event,
                  const struct trace_app *app);

/* A page of the answer to `query`: the array of its events as text, and its `gaps`; each gap is exported once, in its place. */
int export_page(struct export *export, struct json_span events, const json_t *gaps);

/* Events that never arrived, and why: "gone", "slow", "hidden". */
int export_missed(struct export *export, uint64_t count, const char *why);

/* Have events_max events been exported? */
bool export_is_full(const struct export *export);

/* Flushes what was given so far, as far as the format can (--follow). */
int export_flush(struct export *export);

/* Completes and flushes the output. */
int export_end(struct export *export);

void export_fini(struct export *export);

#endif
