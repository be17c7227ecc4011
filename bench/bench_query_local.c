/* SPDX-License-Identifier: MIT
 *
 * What a process pays to ask its own ring (p2ptrace/query.h).  The ring is full: 65536 events of traces that have 20 events each,
 * spread over the ring.
 *
 * trace: all events of one trace, by an index that is up to date; compared with the same question by a scan.
 * catch-up: what the index costs for each new event, read and linked; compared with only reading them, in a count by a scan. */
#include "bench.h"

#include <p2ptrace/query.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENTS TRACE_LANE_EVENTS_FULL
#define TRACE_EVENTS 20
#define TRACES (EVENTS / TRACE_EVENTS)
#define REPETITIONS 101
#define QUESTIONS 50 /* for the index, in one repetition */

struct setting {
    struct trace_log *log;
    struct trace_query *scan, *indexed;
    uint32_t emitted;
};

static struct trace_id trace_of(uint32_t n) {
    struct trace_id id;
    uint64_t words[2] = {(n + 1) * UINT64_C(0x9e3779b97f4a7c15), n + 1};
    memcpy(id.bytes, words, sizeof id.bytes);
    return id;
}

static void emit(struct setting *setting, uint32_t count) {
    static const struct trace_node_id peer = {{1}};
    for (; count > 0; count--, setting->emitted++) {
        struct trace_context context = {.trace_id = trace_of(setting->emitted % TRACES)};
        TRACE_PACKET_SENT(setting->log, &context, &peer, setting->emitted, 1200, TRACE_SPACE_1RTT);
    }
}

static void open_setting(struct setting *setting) {
    struct trace_log_options options = {.node_id = {{1}}, .node_name = "bench"};
    char dir[] = "/dev/shm/p2ptrace-bench.XXXXXX";
    char path[200];
    if (!mkdtemp(dir) || setenv("P2PTRACE_SHM_DIR", dir, 1) != 0) bench_die("no directory in /dev/shm");
    if (trace__log_open(&setting->log, &options, EVENTS) != 0) bench_die("no log");
    snprintf(path, sizeof path, "%s%s", dir, trace_log_name(setting->log));
    unlink(path); /* the log and the queries have it open */
    rmdir(dir);
    if (trace__query_open(&setting->scan, setting->log, TRACE_QUERY_SCAN) != 0 ||
        trace__query_open(&setting->indexed, setting->log, TRACE_QUERY_INDEXED) != 0)
        bench_die("no query");
    setting->emitted = 0;
    emit(setting, EVENTS + EVENTS / 2);
}

static void close_setting(struct setting *setting) {
    trace_query_close(setting->scan);
    trace_query_close(setting->indexed);
    trace_log_close(setting->log);
}

/* Microseconds per question, over this many questions. */
static double ask(struct trace_query *query, uint32_t first, unsigned questions) {
    uint64_t begin = bench_now_ns();
    for (unsigned i = 0; i < questions; i++) {
        struct trace_id id = trace_of((first + i * 7) % TRACES);
        struct trace_query_answer answer;
        if (trace_query_trace(query, &id, &answer) != 0 || answer.count < TRACE_EVENTS) bench_die("a wrong answer");
    }
    return (double)(bench_now_ns() - begin) / 1e3 / questions;
}

static void run_trace(struct bench *bench) {
    static struct bench_series indexed, scan;
    unsigned repetitions = bench_repetitions(bench, REPETITIONS);
    struct setting setting;
    bench_pin(0);
    open_setting(&setting);
    bench_series_init(&indexed);
    bench_series_init(&scan);
    ask(setting.indexed, 0, QUESTIONS);
    ask(setting.scan, 0, 1);
    for (unsigned i = 0; i < repetitions; i++) {
        bench_series_add(&indexed, ask(setting.indexed, i * 31, QUESTIONS));
        bench_series_add(&scan, ask(setting.scan, i * 31, 1));
    }
    bench_report(bench,
                 &(struct bench_result){.name = "trace", .unit = "us", .values = &indexed, .floor = &scan, .peer = "scan"});
    close_setting(&setting);
}

static void run_catch_up(struct bench *bench) {
    static struct bench_series indexed, scan;
    unsigned repetitions = bench_repetitions(bench, REPETITIONS);
    struct setting setting;
    struct trace_query_counts counts;
    bench_pin(0);
    open_setting(&setting);
    bench_series_init(&indexed);
    bench_series_init(&scan);
    for (unsigned i = 0; i <= repetitions; i++) {
        struct trace_id nobody = trace_of(TRACES + 1);
        struct trace_query_filter filter = {.trace_id = &nobody};
        uint64_t begin, between, end;
        emit(&setting, EVENTS);
        begin = bench_now_ns();
        if (trace_query_count(setting.scan, &filter, &counts) != 0 || counts.total != 0) bench_die("a wrong count");
        between = bench_now_ns();
        if (trace_query_count(setting.indexed, &filter, &counts) != 0 || counts.total != 0) bench_die("a wrong count");
        end = bench_now_ns();
        if (i == 0) continue; /* the first touches the memory */
        bench_series_add(&scan, (double)(between - begin) / EVENTS);
        bench_series_add(&indexed, (double)(end - between) / EVENTS);
    }
    bench_report(bench, &(struct bench_result){
                            .name = "catch-up", .unit = "ns/event", .values = &indexed, .floor = &scan, .peer = "scan"});
    close_setting(&setting);
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"trace", run_trace}, {"catch-up", run_catch_up}};
    return bench_main(argc, argv, "query-local", cases, sizeof cases / sizeof cases[0]);
}
