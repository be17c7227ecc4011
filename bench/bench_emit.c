/* SPDX-License-Identifier: MIT
 *
 * What one event costs the program that emits it; emit_load.h has the payload and the floor.
 *
 * Times are processor times of the emitting thread, except for the bursts.  For drained cases `line_ns` says how long
 * a cache line took from one processor to the other just before (line.h): the reader takes every line that the writer wrote
 * and will need again, so their figures depend on it. */
#include "bench.h"
#include "daemon.h"
#include "emit_load.h"
#include "line.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* ---- what is measured ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void no_events(unsigned count) {
    for (uint64_t number = 0; number < count; number++) BENCH_OPAQUE(number);
}

static __attribute__((noinline)) void masked_events(struct trace_log *log, struct emit_payload *payload, unsigned count) {
    for (uint64_t number = 0; number < count; number++) {
        BENCH_OPAQUE(number);
        TRACE_PACKET_SENT(log, emit_payload_context(payload), emit_payload_peer(payload), number, emit_payload_size(payload),
                          TRACE_SPACE_1RTT);
    }
}

/* ---- cases ----------------------------------------------------------------------------------------------------------------- */

static void measure(struct bench *bench, struct trace_log *log, struct bench_series *values, struct bench_series *floor) {
    emit_measure(bench, &(struct emit_turn){emit_log_events, log, values}, 1, NULL, floor);
}

static void run_no_reader(struct bench *bench) {
    static struct bench_series values, floor;
    struct trace_node_id node_id = emit_node_id_new();
    struct trace_log *log;

    bench_pin(1);
    log = emit_log_open(&node_id, 0, true);
    measure(bench, log, &values, &floor);
    trace_log_close(log);
    bench_report(bench, &(struct bench_result){.name = "no-reader", .unit = "ns/event", .values = &values, .floor = &floor});
}

static void run_drained(struct bench *bench) {
    static struct bench_series values, floor;
    struct trace_node_id node_id = emit_node_id_new();
    double line_ns = bench_line_ns();
    struct daemon *daemon = daemon_start();
    struct daemon_node node;
    struct trace_log *log;

    if (!daemon) {
        bench_skip(bench, "drained", "there is no traced in this build");
        return;
    }
    if (!bench_pin(1)) bench_skip(bench, "drained", "one processor only: traced and the node take turns on it");
    log = emit_log_open(&node_id, 0, false);
    daemon_attach(daemon, trace_log_name(log), &node_id);
    measure(bench, log, &values, &floor);
    node = daemon_wait_drained(daemon, &node_id);
    trace_log_close(log);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){
                            .name = "drained",
                            .unit = "ns/event",
                            .values = &values,
                            .floor = &floor,
                            .extras = {{"emitted", (double)node.emitted}, {"lost", (double)node.lost}, {"line_ns", line_ns}}});
}

static void run_masked(struct bench *bench) {
    static struct bench_series values;
    struct trace_node_id node_id = emit_node_id_new();
    struct emit_payload payload;
    struct trace_log *log;

    bench_pin(1);
    log = emit_log_open(&node_id, TRACE_CONTROL_ALL & ~TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_SENT), true);
    emit_payload_init(&payload);
    bench_series_init(&values);
    masked_events(log, &payload, EMIT_EVENTS);
    for (unsigned i = 0; i < bench_repetitions(bench, 201); i++) {
        uint64_t start = bench_cpu_ns(), between, end;
        no_events(EMIT_EVENTS);
        between = bench_cpu_ns();
        masked_events(log, &payload, EMIT_EVENTS);
        end = bench_cpu_ns();
        bench_series_add(&values, ((double)(end - between) - (double)(between - start)) / EMIT_EVENTS);
    }
    trace_log_close(log);
    bench_report(bench, &(struct bench_result){
                            .name = "masked", .unit = "ns/event", .values = &values, .note = "beyond the same loop without it"});
}

struct emitter {
    pthread_t thread;
    pthread_barrier_t *start;
    struct trace_log *log;
    unsigned processor;
    unsigned repetitions;
    double ns[BENCH_REPETITIONS_MAX];
};

static void *emitter_run(void *arg) {
    struct emitter *emitter = arg;
    struct emit_payload payload;
    emit_payload_init(&payload);
    bench_pin(emitter->processor);
    emit_log_events(emitter->log, &payload, EMIT_EVENTS);
    for (unsigned i = 0; i < emitter->repetitions; i++) {
        uint64_t start;
        /* The first thread alone, then both. */
        if (emitter->processor == 1) {
            start = bench_cpu_ns();
            emit_log_events(emitter->log, &payload, EMIT_EVENTS);
            emitter->ns[2 * i] = (double)(bench_cpu_ns() - start) / EMIT_EVENTS;
        }
        pthread_barrier_wait(emitter->start);
        start = bench_cpu_ns();
        emit_log_events(emitter->log, &payload, EMIT_EVENTS);
        emitter->ns[2 * i + 1] = (double)(bench_cpu_ns() - start) / EMIT_EVENTS;
        pthread_barrier_wait(emitter->start);
    }
    return NULL;
}

static void run_threads(struct bench *bench) {
    static struct bench_series both, alone;
    static struct emitter emitters[2];
    struct trace_node_id node_id = emit_node_id_new();
    pthread_barrier_t start;
    struct trace_log *log;
    unsigned repetitions = bench_repetitions(bench, EMIT_REPETITIONS);

    if (!bench_pin(0)) {
        bench_skip(bench, "threads-2", "one processor only");
        return;
    }
    log = emit_log_open(&node_id, 0, true);
    pthread_barrier_init(&start, NULL, 2);
    for (unsigned i = 0; i < 2; i++) {
        emitters[i] = (struct emitter){.start = &start, .log = log, .processor = i, .repetitions = repetitions};
        if (pthread_create(&emitters[i].thread, NULL, emitter_run, &emitters[i]) != 0) bench_die("no thread");
    }
    for (unsigned i = 0; i < 2; i++) pthread_join(emitters[i].thread, NULL);
    pthread_barrier_destroy(&start);
    trace_log_close(log);

    bench_series_init(&both);
    bench_series_init(&alone);
    for (unsigned i = 0; i < repetitions; i++) {
        bench_series_add(&alone, emitters[1].ns[2 * i]);
        bench_series_add(&both, (emitters[0].ns[2 * i + 1] + emitters[1].ns[2 * i + 1]) / 2);
    }
    bench_report(bench, &(struct bench_result){
                            .name = "threads-2", .unit = "ns/event", .values = &both, .floor = &alone, .peer = "one thread"});
}

#define BURST_EVENTS 64
#define BURST_PERIOD_NS 500000

static void sleep_until(uint64_t deadline_ns) {
    struct timespec time = {.tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) continue;
}

/* Moves the cache lines of the floor's ring to the other processor, as traced does with those of the log. */
struct floor_reader {
    pthread_t thread;
    struct emit_floor *ring;
    _Atomic bool stop;
};

#define FLOOR_READ_NS 100000

static void *read_floor(void *arg) {
    struct floor_reader *reader = arg;
    const struct timespec pause = {.tv_nsec = FLOOR_READ_NS};
    uint64_t position = 0;
    bench_pin(0);
    while (!atomic_load_explicit(&reader->stop, memory_order_relaxed)) { /* relaxed: a flag alone */
        position = emit_floor_read(reader->ring, position);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void measure_burst(struct bench_series *series, emit_loop *loop, void *target, struct emit_payload *payload,
                          uint64_t *deadline) {
    sleep_until(*deadline += BURST_PERIOD_NS);
    uint64_t start = bench_now_ns();
    loop(target, payload, BURST_EVENTS);
    bench_series_add(series, (double)(bench_now_ns() - start) / BURST_EVENTS);
}

/* Alternates bursts of the log, of the floor, and of a floor that is read, each after a sleep. */
static void run_burst(struct bench *bench) {
    static struct bench_series values, floor, read;
    struct trace_node_id node_id = emit_node_id_new();
    struct emit_floor *ring = emit_floor_open();
    struct floor_reader reader = {.ring = emit_floor_open()};
    double line_ns = bench_line_ns();
    struct daemon *daemon = daemon_start();
    struct emit_payload payload;
    struct trace_log *log;
    uint64_t deadline;

    if (!daemon) {
        bench_skip(bench, "burst", "there is no traced in this build");
        return;
    }
    bench_pin(1);
    log = emit_log_open(&node_id, 0, false);
    daemon_attach(daemon, trace_log_name(log), &node_id);
    emit_payload_init(&payload);
    bench_series_init(&values);
    bench_series_init(&floor);
    bench_series_init(&read);
    emit_log_events(log, &payload, TRACE_LANE_EVENTS);
    if (pthread_create(&reader.thread, NULL, read_floor, &reader) != 0) bench_die("no thread");
    deadline = bench_now_ns();
    for (unsigned i = 0; i < (bench_quick(bench) ? 100 : 2000); i++) {
        measure_burst(&values, emit_log_events, log, &payload, &deadline);
        measure_burst(&floor, emit_floor_events, ring, &payload, &deadline);
        measure_burst(&read, emit_floor_events, reader.ring, &payload, &deadline);
    }
    atomic_store_explicit(&reader.stop, true, memory_order_relaxed); /* relaxed: a flag alone */
    pthread_join(reader.thread, NULL);
    trace_log_close(log);
    daemon_stop(daemon);
    emit_floor_close(ring);
    emit_floor_close(reader.ring);
    bench_report(bench,
                 &(struct bench_result){.name = "burst",
                                        .unit = "ns/event",
                                        .values = &values,
                                        .floor = &floor,
                                        .extras = {{"floor_read", bench_series_quantile(&read, 0.5)}, {"line_ns", line_ns}}});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
        {"no-reader", run_no_reader}, {"drained", run_drained}, {"masked", run_masked},
        {"threads-2", run_threads},   {"burst", run_burst},
    };
    return bench_main(argc, argv, "emit", cases, sizeof cases / sizeof cases[0]);
}
