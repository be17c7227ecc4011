/* SPDX-License-Identifier: MIT
 *
 * How fast a history of four million events is searched without an index, in process.  Processor time of one thread.
 *
 * scan: history_select over the whole history, for a kind that every block of 256 events contains once, so that each event is
 * examined and 0.4 % are found and sorted.
 *
 * filter: the same with the filter `rtt > 100ms`, which every other one of these events matches; filter-each: with a filter
 * that no index helps, so that the size of each event is compared.
 *
 * count: the method `count`, which groups all these events by kind and peer, with percentiles of their size. */
#include "bench.h"

#include <jansson.h>
#include <store/ask.h>
#include <store/event_params.h>
#include <string.h>
#include <urcu.h>

#define HISTORY_BYTES ((size_t)1 << 30)
#define EVENTS 4000000U
#define REPETITIONS 15

/* ---- scan ---------------------------------------------------------------------------------------------------------------- */

#define RARE 256

static void fill(struct history *history) {
    for (uint64_t done = 0; done < EVENTS;) {
        uint32_t room;
        struct trace_event *place = history_reserve(history, &room);
        for (uint32_t i = 0; i < room; i++, done++) {
            place[i] = (struct trace_event){.timestamp = UINT64_C(1700000000000000000) + done * 100,
                                            .sequence = (uint32_t)done,
                                            .kind = TRACE_KIND_PACKET_SENT,
                                            .flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER,
                                            .data.packet_sent = {.packet_num = done, .size = 1200}};
            if (done % RARE == 0) {
                place[i].kind = TRACE_KIND_METRICS;
                place[i].data.metrics = (struct trace_metrics){.rtt = done % (2 * RARE) == 0 ? 150000000 : 50000000};
            }
            uint64_t trace = done % 60000 + 1, peer = done % 1000 + 1;
            memcpy(&place[i].trace_id, &trace, sizeof trace);
            memcpy(&place[i].peer_id, &peer, sizeof peer);
        }
        history_append(history, room, history_source_make(1, 0));
    }
}

/* A separate store for this thread. */
static void begin_store(struct store *store) {
    if (store_init(store, HISTORY_BYTES) != 0) bench_die("no memory for the history");
    store_enter_thread();
    bench_pin(1);
    fill(store->history);
}

/* text: NULL for the kind alone.  One event in `every` is found. */
static void run_search(struct bench *bench, const char *name, const char *text, unsigned every) {
    static struct bench_series rates;
    static uint64_t set[NODES_SET_WORDS];
    struct event_filter filter = {.query.kinds = text ? 0 : UINT64_C(1) << TRACE_KIND_METRICS};
    struct store store;
    struct trace_rpc_error error = {0};

    begin_store(&store);
    bench_series_init(&rates);
    if (event_params_read_expression(&store, text, false, 0, &filter, &error) != 0) bench_die("%s", error.message);
    event_filter_prepare(&filter, &store, set);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        struct history_answer answer;
        uint64_t start_ns = bench_cpu_ns();
        if (history_select(store.history, &filter.query, 0, UINT64_MAX, EVENTS, false, NULL, &answer) != 0)
            bench_die("out of memory");
        bench_series_add(&rates, (double)answer.examined * 1e3 / (double)(bench_cpu_ns() - start_ns));
        if (answer.examined < EVENTS || answer.count != (answer.examined + every - 1) / every)
            bench_die("%s found %zu", name, answer.count);
        history_answer_fini(&answer);
    }
    event_filter_fini(&filter);
    store_fini(&store);
    bench_report(bench, &(struct bench_result){.name = name, .unit = "M events/s", .values = &rates});
}

static void run_scan(struct bench *bench) { run_search(bench, "scan", NULL, RARE); }
static void run_filter(struct bench *bench) { run_search(bench, "filter", "rtt > 100ms", 2 * RARE); }
static void run_filter_each(struct bench *bench) { run_search(bench, "filter-each", "not size == 1200", RARE); }

static void run_count(struct bench *bench) {
    static struct bench_series rates;
    struct store store;
    struct history_stats stats;

    begin_store(&store);
    history_stats(store.history, &stats);
    bench_series_init(&rates);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        struct trace_text out = {0};
        json_t *params = json_pack("{s:[ss],s:s}", "group_by", "kind", "peer", "value", "size");
        struct trace_rpc_error error;
        uint64_t start_ns = bench_cpu_ns();
        if (store_ask(&store, "count", params, &out, &error) != 0) bench_die("%s", error.message);
        bench_series_add(&rates, (double)stats.events * 1e3 / (double)(bench_cpu_ns() - start_ns));
        if (out.bytes < 1000) bench_die("count answered %zu bytes", out.bytes);
        trace_text_fini(&out);
        json_decref(params);
    }
    store_fini(&store);
    bench_report(bench, &(struct bench_result){.name = "count", .unit = "M events/s", .values = &rates});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
        {"scan", run_scan}, {"filter", run_filter}, {"filter-each", run_filter_each}, {"count", run_count}};
    return bench_main(argc, argv, "query", cases, sizeof cases / sizeof cases[0]);
}
