/* SPDX-License-Identifier: MIT
 *
 * Random questions to a history, whose answers must agree with the model.  For one test program, with one history
 * to ask. */
#ifndef TESTS_HISTORY_CHECKS_H
#define TESTS_HISTORY_CHECKS_H

#include "history_model.h"

#define LIMIT_ALL ((size_t)1 << 40)

/* Workloads that differ in what is most frequent, and in the order of times. */
#define LOADS 7
extern const struct workload loads[LOADS];

/* The history to ask, its expected contents, and their generator. */
extern struct history *history;
extern struct model model;
extern struct generator generator;

/* Makes an empty history in memory (of the minimum size), its model and its generator; capacity: the number of events to come. */
void checks_begin(const struct workload *load, uint64_t seed, uint64_t capacity);
void checks_begin_with(const struct workload *load, uint64_t seed, uint64_t capacity, size_t history_bytes);
void checks_end(void);

void check_select(const struct history_query *query, uint64_t from, uint64_t to, size_t limit, bool newest_first,
                  const struct history_hit *after);
void check_peers(const uint64_t *node_set, uint32_t node_set_bits);
void check_stats(void);

/* Asks this many random queries, and some questions of each other kind. */
void check_everything(unsigned rounds);

#endif
