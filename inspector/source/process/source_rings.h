/* SPDX-License-Identifier: MIT
 *
 * The rings of one process as a source, where no traced is needed (rings.h).  Nothing is written to them. */
#ifndef INSPECTOR_SOURCE_RINGS_H
#define INSPECTOR_SOURCE_RINGS_H

#include "process_logs.h"
#include "source.h"

#include <libtrace/reader.h>

/* Opens the logs of a process; logs must outlive the source.  `nodes` answers with those of the process, which have a `log`,
 * and for their names with all others whose logs are in the directory.  Returns 0, or -1 with the failure. */
int source_rings_open(struct source **ret_source, const struct process_logs *logs, struct failure *failure);

/* {"nodes"}: those of the process alone, with their `log`.  NULL without memory. */
json_t *source_rings_own_new(const struct source *source);

/* A stream that follows is the rest of one that another source began: losses are counted from the nodes' beginning. */
void source_rings_resume(struct source *source);

/* Whether the nodes live: the state of the first that does, or else of the first. */
enum trace_node_state source_rings_state(struct source *source);

/* Whether a node discards new events while its ring is full. */
bool source_rings_discards(const struct source *source);

/* How the process ended, for people: "has ended; it emitted 12 events". */
void source_rings_describe_end(struct source *source, struct strbuf *out);

#endif
