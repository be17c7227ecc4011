/* SPDX-License-Identifier: MIT
 *
 * Answers that a node never sent.  Pure. */
#ifndef INSPECTOR_PATH_UNSENT_H
#define INSPECTOR_PATH_UNSENT_H

#include "path_edges.h"

/* Did `child` end well and send nothing to the node that asked it, while `parent` waited until it ran out of time?
 *
 * Only if an answer was due: the asker's span names the node, it expired, and what it asked for was missed (grandparent, the
 * span that caused the asker's, NULL: none, did not succeed without).  And only if we would have seen an answer: the node
 * reported that it got the question, and something that it sent to the asker before it began; none of its events are missing;
 * and neither it nor the asker reports anything that may have been one. */
bool answer_is_unsent(const struct transports *transports, const struct trace_events *events, const struct span *grandparent,
                      const struct span *parent, const struct span *child);

#endif
