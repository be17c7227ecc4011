/* SPDX-License-Identifier: MIT
 *
 * Events and nodes as answers show them; numbers, times and ids are in value.h.  Any registered RCU thread. */
#ifndef STORE_ANSWER_H
#define STORE_ANSWER_H

#include <jansson.h>
#include <proto/text.h>
#include <store/store.h>

/* The ids of the nodes with these indices, each once.  A new reference, NULL when memory runs out. */
json_t *answer_node_ids(const struct store *store, const uint32_t *node_indices, size_t count);

/* The number of nodes that these logs belong to.  Takes the RCU read lock itself. */
uint32_t answer_count_nodes(const struct store *store, const uint32_t *node_indices, size_t count);

/* Identifies a log, together with its node's id, as long as its ring exists: a later traced gives the same value.  16 hex
 * digits. */
#define ANSWER_LOG_DIGITS 16
json_t *answer_log(uint64_t log);

/* Writes `explain` as a further member: the index used, and how many events were examined. */
void answer_put_explanation(struct trace_text *out, const char *index, uint64_t examined);

/* The other ids of a node or peer, as `aliases` of `nodes` and `peers` has them: those that the logs in `node_indices` give the
 * peer (NULL: no logs), and those that it gives itself.  At most ANSWER_ALIASES_MAX.  Inside rcu_read_lock().  A new
 * reference. */
#define ANSWER_ALIASES_MAX 32
json_t *answer_aliases(const struct store *store, const struct alias_picture *picture, const struct trace_node_id *id,
                       const uint32_t *node_indices, size_t node_count);

/* The one at an index of the picture; NULL also if its node has just been forgotten.  Likewise. */
json_t *answer_alias(const struct store *store, const struct alias_picture *picture, size_t index);

/* `history` of `stats`: the contents of the history, its use of memory, and the number of known aliases.  A new reference, NULL
 * when memory runs out. */
json_t *answer_history(const struct store *store);

/* The steps of the clocks of the table's machines, as `nodes` and `stats` list them.  A new reference, NULL when memory runs
 * out. */
json_t *answer_clock_steps(struct nodes *nodes);

/* Writes one event as JSON, with its peer as `aliases` (or NULL) has it; with_log: with its log as a further member;
 * with_comma: after a comma.  Inside rcu_read_lock(), with an event that is still in the history, so that its node is still in
 * the table.  Returns false, and writes nothing, if it is not. */
bool answer_event(struct store *store, const struct alias_picture *aliases, struct trace_text *out,
                  const struct trace_event *event, history_source source, bool with_log, bool with_comma);

/* Writes events, separated by commas.  Skips those evicted meanwhile, because their node's index may have been reused.  Takes
 * the RCU read lock piecewise.  Returns how many it wrote. */
size_t answer_hits(struct store *store, struct trace_text *out, const struct history_hit *hits, size_t count, bool with_log);

#endif
