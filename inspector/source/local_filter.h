/* SPDX-License-Identifier: MIT
 *
 * --kind, --peer, --trace and --where for events that no traced has filtered: the same conditions, in the filter language. */
#ifndef INSPECTOR_LOCAL_FILTER_H
#define INSPECTOR_LOCAL_FILTER_H

#include "session.h"

#include <proto/filter.h>

/* Makes a filter of the options; NULL when there is none among them.  nodes: who is called what, {"nodes":[{"node_id", "name"}]}.
 * Returns 0, or -1 with session->failure. */
int local_filter_new(struct trace_filter **ret_filter, struct session *session, const json_t *nodes);

#endif
