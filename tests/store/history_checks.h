/* SPDX-License-Identifier: MIT
 *
 * Random questions to a history, whose answers must be those of the model.  For one test program: it has the one history that
 * is asked. */
#ifndef TESTS_HISTORY_CHECKS_H
#define TESTS_HISTORY_CHECKS_H

#include "history_model.h"

#define LIMIT_ALL ((size_t)1 << 40)

/* Workloads that differ in what is many and in how times run. */
#define LOADS 7
extern const struct workload loads[LOADS];

/* The history that is asked, what must be in it, and where it comes from. */
extern struct history *history;
extern struct model model;
extern struct generator generator;

/* Makes an empty history in memory (of the least size), its model and its generator; capacity: events that there will be. */
void checks_begin(const struct workload *load, uint64_t seed, uint64_t capacity);
void checks_begin_with(const struct workload *load, uint64_t seed, uint64_t capacity, size_t history_bytes);
void checks_end(void);

void check_select(const struct history_query *query, uint64_t from, uint64_t to, size_t limit, bool newest_first,
                  const struct history_hit *after);
void check_peers(const uint64_t *node_set, uint32_t node_set_bits);
void check_stats(void);

/* So many random queries, and some of each other kind. */
void check_everything(unsigned rounds);

#endif
