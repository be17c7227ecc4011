/* SPDX-License-Identifier: MIT
 *
 * Random questions to a history, whose answers must agree with the model: see history_checks.h. */
#include "history_checks.h"

#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

const struct workload loads[LOADS] = {
    {"ordinary", 3000, 40, 5, 2, 1000, 5000, 0, true, 500},
    {"clocks apart", 500, 30, 70, 3, 1000, 100000, 3600000000000, false, 40},
    {"one moment", 1000, 1000, 3, 8, 0, 0, 0, true, 3},
    {"backwards by hours", 200, 5, 4, 1, 10, 7200000000000, 0, false, 3000},
    {"many traces", 60000, 1000, 20, 4, 50, 1000, 10, false, 9000},
    {"few of all", 2, 1, 1, 1, 7, 30, 0, false, 65536},
    {"short lives", 20, 3, 200, 5, 1000, 20, 100, true, 10},
};

struct history *history;
struct model model;
struct generator generator;

void checks_begin(const struct workload *load, uint64_t seed, uint64_t capacity) {
    checks_begin_with(load, seed, capacity, HISTORY_BYTES_MIN);
}

void checks_begin_with(const struct workload *load, uint64_t seed, uint64_t capacity, size_t history_bytes) {
    ck_assert_int_eq(history_create(&history, history_bytes), 0);
    model_init(&model, capacity);
    generator_init(&generator, load, seed);
}

void checks_end(void) {
    history_destroy(history);
    model_fini(&model);
}

static void assert_hits_equal(const struct history_hit *a, const struct history_hit *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        quick_assert(a[i].position == b[i].position);
        quick_assert(a[i].source == b[i].source);
        quick_assert(memcmp((const char *)&a[i].event, (const char *)&b[i].event, sizeof a[i].event) == 0); /* all 128 bytes */
    }
}

void check_select(const struct history_query *query, uint64_t from, uint64_t to, size_t limit, bool newest_first,
                  const struct history_hit *after) {
    struct history_answer answer;
    size_t count;
    bool more;
    struct history_hit *hits = model_select(&model, query, from, to, limit, newest_first, after, &count, &more);

    ck_assert_int_eq(history_select(history, query, from, to, limit, newest_first, after, &answer), 0);
    ck_assert_uint_eq(answer.count, count);
    ck_assert_int_eq(answer.more, more);
    ck_assert_uint_ge(answer.examined, count);
    ck_assert_uint_le(answer.examined, model.end - model.begin);
    assert_hits_equal(answer.hits, hits, count);
    history_answer_fini(&answer);
    free(hits);
}

static void check_count(const struct history_query *query, uint64_t from, uint64_t to, bool newest_first,
                        const struct history_hit *after) {
    ck_assert_uint_eq(history_count(history, query, from, to, newest_first, after),
                      model_visit(&model, query, from, to, newest_first, after, NULL, NULL));
}

/* What a visitor has seen, in any order. */
struct sight {
    uint64_t count, times, sources;
    uint64_t count_max; /* then it has enough */
};

static int see(void *context, const struct trace_event *event, history_source source) {
    struct sight *sight = context;
    sight->count++;
    sight->times += event->timestamp * (event->sequence + 1);
    sight->sources += source;
    return sight->count == sight->count_max ? 7 : 0;
}

static void check_visit(const struct history_query *query, uint64_t from, uint64_t to) {
    struct sight sight = {0}, expected = {0};
    struct history_visited visited;
    uint64_t count = model_visit(&model, query, from, to, false, NULL, see, &expected);

    ck_assert_int_eq(history_visit(history, query, from, to, see, &sight, &visited), 0);
    ck_assert_uint_eq(sight.count, expected.count);
    ck_assert_uint_eq(sight.times, expected.times);
    ck_assert_uint_eq(sight.sources, expected.sources);
    ck_assert_uint_ge(visited.examined, count);
    ck_assert_uint_le(visited.examined, model.end - model.begin);
    if (count > 0) {
        sight = (struct sight){.count_max = (count + 1) / 2};
        ck_assert_int_eq(history_visit(history, query, from, to, see, &sight, &visited), 7);
        ck_assert_uint_eq(sight.count, sight.count_max);
    }
}

/* A position that is probably still there. */
static uint64_t any_position(void) { return model.begin + generator_below(&generator, model.end - model.begin); }

/* Each bit is set with one chance in four. */
static uint64_t sparse_bits(void) {
    uint64_t bits = generator_random(&generator);
    return bits & generator_random(&generator);
}

static void random_query(struct history_query *ret_query, uint64_t node_set[4]) {
    struct history_query query = {0};
    const struct model_event *like = &model.events[any_position()], *other = &model.events[any_position()];

    query.by_trace = generator_below(&generator, 3) == 0;
    query.trace_id = like->event.trace_id;
    query.by_peer = generator_below(&generator, 4) == 0;
    query.peer_id = like->event.peer_id;
    query.by_node = generator_below(&generator, 3) == 0;
    for (unsigned i = 0; i < 4; i++) node_set[i] = sparse_bits();
    if (generator_below(&generator, 2) == 0) {
        memset(node_set, 0, 4 * sizeof node_set[0]);
        node_set[like->source >> 14 & 3] = UINT64_C(1) << (like->source >> 8 & 63);
    }
    query.node_set = node_set;
    query.node_set_bits = 1 + (uint32_t)generator_below(&generator, 256);
    if (generator_below(&generator, 3) == 0) query.kinds = sparse_bits();
    if (generator_below(&generator, 3) == 0) query.from_ns = like->event.timestamp;
    if (generator_below(&generator, 3) == 0) query.to_ns = other->event.timestamp + generator_below(&generator, 2);
    *ret_query = query;
}

static bool has_odd_sequence(const void *arg, const struct trace_event *event, history_source source) {
    (void)arg;
    (void)source;
    return event->sequence % 2 != 0;
}

/* The greatest time of that position's block: with it as the end of a query, the block no longer matches as a whole. */
static uint64_t greatest_of_256(uint64_t position) {
    uint64_t greatest = 0;
    for (uint64_t i = position - position % 256; i < model.end && i <= (position | 255); i++)
        if (model.events[i].event.timestamp > greatest) greatest = model.events[i].event.timestamp;
    return greatest;
}

static void check_random_select(void) {
    static const size_t limits[] = {0, 1, 7, 100, 5000, LIMIT_ALL};
    struct history_query query;
    struct history_hit after;
    uint64_t node_set[4], from = 0, to = UINT64_MAX, position = any_position();
    bool newest_first = generator_below(&generator, 2) == 0;

    random_query(&query, node_set);
    if (generator_below(&generator, 4) == 0) from = any_position();
    if (generator_below(&generator, 4) == 0) to = any_position();
    after = (struct history_hit){model.events[position].event, model.events[position].source, position};
    check_select(&query, from, to, limits[generator_below(&generator, 6)], newest_first,
                 generator_below(&generator, 3) == 0 ? &after : NULL);
    check_count(&query, from, to, newest_first, generator_below(&generator, 3) == 0 ? &after : NULL);
    query = (struct history_query){.from_ns = query.from_ns, .to_ns = query.to_ns, .test = has_odd_sequence};
    check_count(&query, from, to, newest_first, generator_below(&generator, 3) == 0 ? &after : NULL);
    query.test = NULL; /* most blocks match as a whole */
    if (generator_below(&generator, 2) == 0) query.to_ns = greatest_of_256(position);
    check_count(&query, from, to, newest_first, generator_below(&generator, 3) == 0 ? &after : NULL);
    check_visit(&query, from, to);
}

/* A test of traces that needs their events: is the sum of their positions in their lanes odd? */
struct oddness {
    uint64_t events, sum;
};

static void oddness_see(void *context, const struct trace_event *event, history_source source) {
    struct oddness *oddness = context;
    quick_assert(history_source_node(source) < HISTORY_NODES_MAX);
    oddness->events++;
    oddness->sum += event->sequence;
}

static bool oddness_keep(void *context, const struct history_trace *trace) {
    struct oddness *oddness = context;
    bool odd = oddness->sum % 2 != 0;
    quick_assert(oddness->events == trace->events); /* each of its events once, and no other */
    *oddness = (struct oddness){0};
    return odd;
}

/* The traces of the model, each with the sum of its sequences. */
struct model_sum {
    struct trace_id id;
    uint64_t sum;
};

static int compare_sums(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_id)); }

static struct model_sum *model_sums(size_t *ret_count) {
    size_t count = (size_t)(model.end - model.begin), kept = 0;
    struct model_sum *sums = malloc((count + 1) * sizeof *sums);
    for (size_t i = 0; i < count; i++)
        sums[i] = (struct model_sum){model.events[model.begin + i].event.trace_id, model.events[model.begin + i].event.sequence};
    qsort(sums, count, sizeof *sums, compare_sums);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_sums(&sums[kept - 1], &sums[i]) == 0)
            sums[kept - 1].sum += sums[i].sum;
        else
            sums[kept++] = sums[i];
    }
    *ret_count = kept;
    return sums;
}

static enum history_trace_order model_order;

static uint64_t slowness(const struct history_trace *trace) {
    return trace->has_took ? trace->took_ns : trace->last_ns - trace->first_ns;
}

static int compare_traces(const void *a, const void *b) {
    const struct history_trace *x = a, *y = b;
    uint64_t left = x->last_ns, right = y->last_ns;
    if (model_order == HISTORY_TRACES_OLDEST) left = y->first_ns, right = x->first_ns;
    if (model_order == HISTORY_TRACES_SLOWEST) left = slowness(x), right = slowness(y);
    if (left != right) return left > right ? -1 : 1;
    return memcmp(x->trace_id.bytes, y->trace_id.bytes, sizeof x->trace_id.bytes);
}

/* The result of model_traces without a limit, tested and in order. */
static void model_choose(const struct history_traces_query *query, struct history_trace *traces, size_t *count, size_t *total) {
    size_t kept = 0, sum_count = 0;
    struct model_sum *sums = query->test != NULL ? model_sums(&sum_count) : NULL;
    for (size_t i = 0; i < *total; i++) {
        const struct model_sum *sum =
            sums != NULL ? bsearch(&traces[i].trace_id, sums, sum_count, sizeof *sums, compare_sums) : NULL;
        if (query->kind != HISTORY_TRACES_ALL && traces[i].has_app != (query->kind == HISTORY_TRACES_REQUESTS)) continue;
        if (!sum || sum->sum % 2 != 0) traces[kept++] = traces[i];
    }
    free(sums);
    model_order = query->order;
    if (kept > 0) qsort(traces, kept, sizeof *traces, compare_traces);
    *total = kept;
    *count = kept < query->limit ? kept : query->limit;
}

static void assert_traces_equal(const struct history_trace *a, const struct history_trace *b) {
    quick_assert(memcmp(&a->trace_id, &b->trace_id, sizeof a->trace_id) == 0);
    quick_assert(a->events == b->events);
    quick_assert(a->first_ns == b->first_ns);
    quick_assert(a->last_ns == b->last_ns);
    quick_assert(a->packets_lost == b->packets_lost);
    quick_assert(a->node_count == b->node_count);
    quick_assert(memcmp(a->nodes, b->nodes, a->node_count * sizeof a->nodes[0]) == 0);
    quick_assert(a->peer_count == b->peer_count);
    quick_assert(memcmp(a->peers, b->peers, a->peer_count * sizeof a->peers[0]) == 0);
    quick_assert(a->outcome == b->outcome);
    quick_assert(a->unfinished == b->unfinished);
    quick_assert(a->has_root == b->has_root);
    quick_assert(!a->has_root || (a->root_ns == b->root_ns && a->root_node == b->root_node));
    quick_assert(a->has_end == b->has_end);
    quick_assert(a->end.time_ns == b->end.time_ns && a->end.source == b->end.source && a->end.sequence == b->end.sequence);
    quick_assert(a->has_took == b->has_took);
    quick_assert(a->took_ns == b->took_ns);
    quick_assert(a->has_app == b->has_app);
    quick_assert(memcmp(a->app_id, b->app_id, 4) == 0);
    quick_assert(a->cmd == b->cmd);
    quick_assert(a->app_node == b->app_node);
    quick_assert(a->truncated == b->truncated);
}

static void check_traces(const struct history_traces_query *query) {
    struct history_trace *traces = NULL, *expected;
    size_t count, total, expected_count, expected_total;

    expected = model_traces(&model, query->from_ns, query->to_ns, query->app_id, SIZE_MAX, &expected_count, &expected_total);
    model_choose(query, expected, &expected_count, &expected_total);
    ck_assert_int_eq(history_traces(history, query, &traces, &count, &total), 0);
    ck_assert_uint_eq(total, expected_total);
    ck_assert_uint_eq(count, expected_count);
    for (size_t i = 0; i < count; i++) assert_traces_equal(&traces[i], &expected[i]);
    free(traces);
    free(expected);
}

static void check_random_traces(void) {
    static const char *const apps[] = {NULL, NULL, "DMAP", "none"};
    static const size_t limits[] = {0, 1, 20, 300};
    struct oddness oddness = {0};
    const struct history_trace_test test = {&oddness, oddness_see, oddness_keep};
    struct history_traces_query query = {.app_id = apps[generator_below(&generator, 4)],
                                         .limit = limits[generator_below(&generator, 4)]};

    if (generator_below(&generator, 2) == 0) query.from_ns = model.events[any_position()].event.timestamp;
    if (generator_below(&generator, 2) == 0) query.to_ns = model.events[any_position()].event.timestamp;
    if (generator_below(&generator, 8) == 0) query.test = &test;
    if (generator_below(&generator, 4) == 0) query.kind = (enum history_trace_kind)generator_below(&generator, 3);
    if (generator_below(&generator, 8) == 0) query.order = (enum history_trace_order)generator_below(&generator, 3);
    check_traces(&query);
}

void check_peers(const uint64_t *node_set, uint32_t node_set_bits) {
    struct history_peer *peers = NULL, *expected;
    size_t count, expected_count;

    expected = model_peers(&model, node_set, node_set_bits, &expected_count);
    ck_assert_int_eq(history_peers(history, node_set, node_set_bits, &peers, &count), 0);
    ck_assert_uint_eq(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        const struct history_peer *a = &peers[i], *b = &expected[i];
        quick_assert(memcmp(&a->peer_id, &b->peer_id, sizeof a->peer_id) == 0);
        quick_assert(a->events == b->events);
        quick_assert(a->first_ns == b->first_ns);
        quick_assert(a->last_ns == b->last_ns);
        quick_assert(a->heard_ns == b->heard_ns);
        quick_assert(a->packets_sent == b->packets_sent);
        quick_assert(a->packets_received == b->packets_received);
        quick_assert(a->packets_lost == b->packets_lost);
        quick_assert(a->messages_sent == b->messages_sent);
        quick_assert(a->messages_received == b->messages_received);
        quick_assert(a->bytes_sent == b->bytes_sent);
        quick_assert(a->bytes_received == b->bytes_received);
        quick_assert(a->has_rtt == b->has_rtt && a->has_min_rtt == b->has_min_rtt);
        quick_assert(a->rtt_ns == b->rtt_ns);
        quick_assert(a->min_rtt_ns == b->min_rtt_ns);
        quick_assert(a->node_count == b->node_count);
        quick_assert(memcmp(a->nodes, b->nodes, a->node_count * sizeof a->nodes[0]) == 0);
    }
    free(peers);
    free(expected);
}

static void check_random_peers(void) {
    uint64_t node_set[4];
    for (unsigned i = 0; i < 4; i++) node_set[i] = sparse_bits();
    check_peers(generator_below(&generator, 2) == 0 ? node_set : NULL, 1 + (uint32_t)generator_below(&generator, 256));
}

static void check_find(void) {
    const struct trace_event *like = &model.events[any_position()].event;
    unsigned digits = 1 + (unsigned)generator_below(&generator, generator_below(&generator, 2) == 0 ? 32 : 4);
    struct trace_id traces[8];
    struct trace_node_id peers[8];
    size_t found = model_find(&model, false, like->trace_id.bytes, digits);

    ck_assert_uint_eq(history_find_traces(history, like->trace_id.bytes, digits, traces, 8), found);
    for (size_t i = 0; i < found && i < 8; i++) {
        ck_assert_uint_ge(model_find(&model, false, traces[i].bytes, 32), 1);
        ck_assert_mem_eq(traces[i].bytes, like->trace_id.bytes, digits / 2);
        for (size_t j = 0; j < i; j++) ck_assert_mem_ne(&traces[i], &traces[j], sizeof traces[i]);
    }
    found = model_find(&model, true, like->peer_id.bytes, 2 * digits);
    ck_assert_uint_eq(history_find_peers(history, like->peer_id.bytes, 2 * digits, peers, 8), found);
}

void check_stats(void) {
    struct history_stats stats;
    uint64_t first_ns = UINT64_MAX, last_ns = 0, peers = model_find(&model, true, (const uint8_t *)"", 0);

    for (uint64_t i = model.begin; i < model.end; i++) {
        if (model.events[i].event.timestamp < first_ns) first_ns = model.events[i].event.timestamp;
        if (model.events[i].event.timestamp > last_ns) last_ns = model.events[i].event.timestamp;
    }
    history_stats(history, &stats);
    ck_assert_uint_eq(stats.events, model.end - model.begin);
    ck_assert_uint_eq(stats.evicted, model.begin);
    ck_assert_uint_le(stats.events, stats.events_max);
    ck_assert_uint_le(stats.bytes, stats.bytes_max);
    ck_assert_uint_eq(stats.first_ns, first_ns);
    ck_assert_uint_eq(stats.last_ns, last_ns);
    ck_assert_uint_eq(stats.traces, model_find(&model, false, (const uint8_t *)"", 0));
    ck_assert_uint_le(stats.peers, peers); /* all but rare ones */
    ck_assert_uint_ge(stats.peers + stats.rare_peer_events, peers);
}

static void check_positions(void) {
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t position = generator_below(&generator, model.end + 1000);
        struct history_item item;
        grace_read_lock();
        bool found = history_at(history, position, &item);
        ck_assert_int_eq(found, position >= model.begin && position < model.end);
        if (found) {
            ck_assert_mem_eq(item.event, &model.events[position].event, sizeof *item.event);
            ck_assert_uint_eq(item.source, model.events[position].source);
        }
        grace_read_unlock();
    }
}

void check_everything(unsigned rounds) {
    for (unsigned i = 0; i < rounds; i++) check_random_select();
    for (unsigned i = 0; i < rounds / 16 + 1; i++) {
        check_random_traces();
        check_random_peers();
        check_find();
    }
    check_stats();
    check_positions();
}
