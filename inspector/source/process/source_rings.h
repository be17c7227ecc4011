/* SPDX-License-Identifier: MIT
 *
 * The rings of one process as a source; needs no traced (rings.h).  Writes nothing to them. */
#ifndef INSPECTOR_SOURCE_RINGS_H
#define INSPECTOR_SOURCE_RINGS_H

#include "process_logs.h"
#include "source.h"

#include <libtrace/reader.h>

/* Opens the logs of a process; logs must outlive the source.  `nodes` answers with the nodes of the process, which have a `log`,
 * and with all others in the directory, for their names.  Returns 0, or -1 with the failure. */
int source_rings_open(struct source **ret_source, const struct process_logs *logs, struct failure *failure);

/* {"nodes"}: only those of the process, with their `log`.  NULL when out of memory. */
json_t *source_rings_own_new(const struct source *source);

/* The stream continues one that another source began: count losses from the nodes' start. */
void source_rings_resume(struct source *source);

/* LIVE if any node is alive, otherwise the state of the first. */
enum trace_node_state source_rings_state(struct source *source);

/* Whether a node discards new events while its ring is full. */
bool source_rings_discards(const struct source *source);

/* How the process ended, for people: "has ended; it emitted 12 events". */
void source_rings_describe_end(struct source *source, struct strbuf *out);

#endif
