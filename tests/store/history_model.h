/* SPDX-License-Identifier: MIT
 *
 * A slow, obviously correct history, and random workloads, for testing the real one. */
#ifndef TESTS_HISTORY_MODEL_H
#define TESTS_HISTORY_MODEL_H

#include <store/history.h>

#include <check.h>

/* An assertion for loops: ck_assert makes a system call even when all is well. */
#define quick_assert(condition)                                   \
    do {                                                          \
        if (!(condition)) ck_abort_msg("failed: %s", #condition); \
    } while (0)

struct model_event {
    struct trace_event event;
    history_source source;
    bool evicted_part; /* a retired segment held an older event of this trace, and the trace lived on */
};

/* Every event ever appended, by position; those before `begin` are gone. */
struct model {
    struct model_event *events;
    uint64_t begin, end, capacity;
};

void model_init(struct model *model, uint64_t capacity);
void model_fini(struct model *model);
void model_append(struct model *model, const struct trace_event *event, history_source source);

/* Tells the model that the history has evicted, segment by segment, up to `begin`. */
void model_evict(struct model *model, uint64_t begin);

/* As history_select; the caller frees the array of hits. */
struct history_hit *model_select(const struct model *model, const struct history_query *query, uint64_t begin, uint64_t end,
                                 size_t limit, bool newest_first, const struct history_hit *after, size_t *ret_count,
                                 bool *ret_more);

/* Calls `visit`, unless it is NULL, for each event that history_count counts, in any order.  Returns how many. */
uint64_t model_visit(const struct model *model, const struct history_query *query, uint64_t begin, uint64_t end,
                     bool newest_first, const struct history_hit *after,
                     int (*visit)(void *context, const struct trace_event *event, history_source source), void *context);

/* As history_traces and history_peers. */
struct history_trace *model_traces(const struct model *model, uint64_t from_ns, uint64_t to_ns, const char *app_id, size_t limit,
                                   size_t *ret_count, size_t *ret_total);
struct history_peer *model_peers(const struct model *model, const uint64_t *node_set, uint32_t node_set_bits, size_t *ret_count);
size_t model_find(const struct model *model, bool peers, const uint8_t *prefix, unsigned digits);

/* ---- random workloads --------------------------------------------------------------------------------------------------- */

struct workload {
    const char *name;
    uint32_t traces, peers, nodes, lanes; /* how many different ones; 0 traces or peers: a new one for each event */
    uint64_t step_ns;                     /* between events; 0: all at one moment */
    uint64_t jitter_ns;                   /* times of a lane go back by up to this */
    uint64_t skew_ns;                     /* node n's clock is n * skew_ns ahead */
    bool drifting;                        /* new traces and peers replace old ones over time */
    uint32_t run_max;                     /* events of one append */
};

struct generator {
    const struct workload *load;
    uint64_t random;
    uint64_t made;
    uint32_t sequences[256][8];
};

void generator_init(struct generator *generator, const struct workload *load, uint64_t seed);
uint64_t generator_random(struct generator *generator);
uint64_t generator_below(struct generator *generator, uint64_t bound);
struct trace_id generator_trace_id(const struct generator *generator, uint64_t number);
struct trace_node_id generator_peer_id(uint64_t number);
history_source generator_source(struct generator *generator);
void generator_event(struct generator *generator, history_source source, struct trace_event *ret_event);

/* Appends `count` random events to both, in runs. */
void workload_append(struct generator *generator, struct history *history, struct model *model, uint64_t count);

#endif
