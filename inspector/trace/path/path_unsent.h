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

/* What a node sent to its asker after it had received the question, as far as it is known. */
enum reaction { REACTION_UNKNOWN, REACTION_SMALL, REACTION_NONE };

/* A question that a node received, of which it began no part, and for which it sent no answer. */
struct ignored {
    size_t asker;        /* the span that asked */
    size_t received;     /* the position of the last packet, or message, of the question */
    uint64_t most_bytes; /* the largest packet that it sent to the asker afterwards */
    enum reaction reaction;
};

/* Did the node that `parent` asks, and that began no part of the request, get the question, while `parent` waited until it ran
 * out of time?  The same conditions hold as above.  Nothing shows when the node would have begun: small packets that it sent to
 * the asker afterwards are acknowledgements as far as anybody knows, and are told.  If it reports nothing that it sent to the
 * asker in that time, what it sent is unknown. */
bool question_is_ignored(struct ignored *ret_ignored, const struct transports *transports, const struct trace_events *events,
                         const struct span *grandparent, const struct span *parent);

#endif
