/* SPDX-License-Identifier: MIT
 *
 * Answers that a node never sent.  Pure. */
#ifndef INSPECTOR_PATH_UNSENT_H
#define INSPECTOR_PATH_UNSENT_H

#include "path_edges.h"

/* Did `child` end well and send nothing to the node that asked it, while `parent` waited, until it failed?  A span that names the
 * node that it asks does nothing else; any other must have run out of time, and exchanged nothing with any node after that end.
 * We must be able to see an answer: the node reports what it sends to the asker, none of its events are missing, and it sent
 * nothing to a node that may be the asker under another id, or outside of any trace.  Where stream bytes are not reported, an
 * acknowledgement may be a small answer, and a packet of another trace may carry the answer, too. */
bool answer_is_unsent(const struct transports *transports, const struct trace_events *events, const struct span *parent,
                      const struct span *child);

/* Of such a pair: did the asker expect an answer?  If its span does not name the node, the question may have been a message
 * without one; but not if the node has answered this command otherwise, in this request or in another. */
bool unsent_was_awaited(const struct trace_events *events, const struct span *parent, const struct span *child);

#endif
