/* SPDX-License-Identifier: MIT
 *
 * Exchanges of a span with peers that have no span for them, as packets show them: questions, and the answers to them.  Pure. */
#ifndef INSPECTOR_PATH_EXCHANGES_H
#define INSPECTOR_PATH_EXCHANGES_H

#include "path_walk.h"

#define EXCHANGES_MAX 16U                 /* peers without a span that one span waits for at once */
#define GIVEN_UP_NS_MIN UINT64_C(1000000) /* a span that waits less than this and then asks another did not wait */

/* Questions to peers without a span, and their answers, in a part of a span's time: at most EXCHANGES_MAX.  Returns how many. */
size_t exchanges_list(const struct walk *walk, size_t index, const struct branches *branches, uint64_t from_ns, uint64_t to_ns,
                      struct branch *first);

/* A question that a span had sent before a time, to a node without a span, and that was not answered until the span ran out of
 * time: it waited for that, if all others that it asked have answered.  Returns false if there is none, or several. */
bool exchange_unanswered(const struct walk *walk, const struct span *span, uint64_t until_ns, struct branch *ret_exchange);

/* An exchange.  If the peer reports its transport, the times there and back belong to the links. */
void exchange_spend(struct walk *walk, size_t index, const struct branch *branch, uint64_t from_ns, uint64_t to_ns);

/* A time at a peer without a span here: it may have waited for others, which say that it asked them.  reached: the peer got the
 * question, if that is known. */
void exchange_spend_at_peer(struct walk *walk, size_t index, unsigned peer, uint64_t from_ns, uint64_t to_ns, bool unanswered,
                            bool reached);

/* How much of what the span has sent to that peer since has arrived, until a time. */
size_t exchange_arrived(const struct walk *walk, const struct span *span, const struct branch *exchange, uint64_t to_ns);

#endif
