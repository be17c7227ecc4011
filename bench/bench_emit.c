/* SPDX-License-Identifier: MIT
 *
 * What one event costs the program that emits it.
 *
 * Every event is a packet_sent with a context and a peer: all 128 bytes, with a trace id, a peer id and data that change from
 * event to event.
 *
 * The floor is the least that anybody must do who puts the same event into a ring of the same size: read the same clock, store the
 * same 128 bytes into the next of 65536 slots of shared memory, and store the mark last, with release.  No log, no mask, no
 * sampling, no reservation, no busy mark, no reader.  Times are processor times of the emitting thread, but for the bursts.  It is measured with and without the prefetch that the library uses, and
 * the faster of the two is the floor. */
#include "bench.h"
#include "daemon.h"

#include <p2ptrace/trace.h>

#include <errno.h>
#include <libtrace/clock.h>
#include <libtrace/writer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EVENTS (4U * TRACE_LANE_EVENTS) /* in one repetition: 4 laps of the ring, some milliseconds */
#define REPETITIONS 101

/* 64 requests and 64 peers, whose values lie in memory as those of a program's connections do.  They are made once: a context that
 * is written right before it is read would measure the processor's store forwarding. */
#define VARIETY 64U

struct payload {
    struct trace_context contexts[VARIETY];
    struct trace_node_id peers[VARIETY];
    uint64_t number;
};

static void payload_init(struct payload *payload) {
    memset(payload, 0, sizeof *payload);
    for (unsigned i = 0; i < VARIETY; i++) {
        payload->contexts[i] = trace_context_new(TRACE_FLAG_SAMPLED);
        struct trace_context other = trace_context_new(0);
        memcpy(&payload->peers[i], &other.trace_id, TRACE_ID_BYTES);
        memcpy(&payload->peers[i].bytes[TRACE_ID_BYTES], &payload->contexts[i].trace_id, TRACE_ID_BYTES);
    }
}

static inline const struct trace_context *payload_context(const struct payload *payload) {
    return &payload->contexts[payload->number % VARIETY];
}
static inline const struct trace_node_id *payload_peer(const struct payload *payload) {
    return &payload->peers[payload->number % VARIETY];
}
static inline uint32_t payload_size(const struct payload *payload) { return 1200 + (uint32_t)(payload->number & 63); }

/* ---- what is measured ---------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void emit_events(struct trace_log *log, struct payload *payload, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        TRACE_PACKET_SENT(log, payload_context(payload), payload_peer(payload), payload->number, payload_size(payload),
                          TRACE_SPACE_1RTT);
    }
}

struct floor_ring {
    struct trace_event *slots;
    uint64_t head;
    int tsc;
};

static inline void floor_store(struct floor_ring *ring, const struct payload *payload) {
    struct trace_event *slot = &ring->slots[ring->head & (TRACE_LANE_EVENTS - 1)];
    slot->timestamp = ring->tsc ? trace__tsc() : trace__monotonic_ns();
    slot->trace_id = payload_context(payload)->trace_id;
    slot->kind = TRACE_KIND_PACKET_SENT;
    slot->flags = payload_context(payload)->flags | TRACE_FLAG_HAS_PEER;
    slot->reserved = 0;
    slot->peer_id = *payload_peer(payload);
    memset(&slot->data, 0, sizeof slot->data);
    slot->data.packet_sent.packet_num = payload->number;
    slot->data.packet_sent.size = payload_size(payload);
    slot->data.packet_sent.space = TRACE_SPACE_1RTT;
    __atomic_store_n(&slot->sequence, trace_shm_mark(ring->head++), __ATOMIC_RELEASE);
}

static __attribute__((noinline)) void floor_events(struct floor_ring *ring, struct payload *payload, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        floor_store(ring, payload);
    }
}

static __attribute__((noinline)) void floor_events_prefetch(struct floor_ring *ring, struct payload *payload, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        trace__prefetch(&ring->slots[(ring->head + TRACE__PREFETCH_AHEAD) & (TRACE_LANE_EVENTS - 1)]);
        floor_store(ring, payload);
    }
}

static __attribute__((noinline)) void no_events(unsigned count) {
    for (uint64_t number = 0; number < count; number++) BENCH_OPAQUE(number);
}

static __attribute__((noinline)) void masked_events(struct trace_log *log, struct payload *payload, unsigned count) {
    for (uint64_t number = 0; number < count; number++) {
        BENCH_OPAQUE(number);
        TRACE_PACKET_SENT(log, payload_context(payload), payload_peer(payload), number, payload_size(payload), TRACE_SPACE_1RTT);
    }
}

static struct floor_ring floor_open(void) {
    size_t bytes = (size_t)TRACE_LANE_EVENTS * TRACE_EVENT_BYTES;
    int fd = memfd_create("floor", MFD_CLOEXEC);
    struct floor_ring ring = {.tsc = trace_clock_tsc_usable()};

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0) bench_die("memory for the floor: %s", strerror(errno));
    ring.slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (ring.slots == MAP_FAILED) bench_die("memory for the floor: %s", strerror(errno));
    close(fd);
    return ring;
}

static void floor_close(struct floor_ring *ring) { munmap(ring->slots, (size_t)TRACE_LANE_EVENTS * TRACE_EVENT_BYTES); }

static struct trace_node_id node_id_new(void) {
    struct trace_context random = trace_context_new(0);
    struct trace_node_id id;
    memset(&id, 0xbe, sizeof id);
    memcpy(&id, &random.trace_id, sizeof random.trace_id);
    return id;
}

/* hidden: no traced on this machine shall read along. */
static struct trace_log *log_open(const struct trace_node_id *node_id, uint64_t control, bool hidden) {
    struct trace_log_options options = {.node_id = *node_id, .node_name = "bench", .control = control};
    struct trace_log *log;
    int result = trace_log_open(&log, &options);
    if (result != 0) bench_die("a log could not be opened: %s", strerror(-result));
    if (hidden) shm_unlink(trace_log_name(log));
    return log;
}

/* ---- cases ----------------------------------------------------------------------------------------------------------------- */

/* The log and the two floors, in turns; the faster floor is copied to `floor`. */
static void measure(struct bench *bench, struct trace_log *log, struct bench_series *values, struct bench_series *floor) {
    static struct bench_series plain, ahead;
    struct floor_ring ring = floor_open();
    struct payload payload;
    unsigned repetitions = bench_repetitions(bench, REPETITIONS);

    payload_init(&payload);
    bench_series_init(values);
    bench_series_init(&plain);
    bench_series_init(&ahead);
    emit_events(log, &payload, EVENTS);
    floor_events(&ring, &payload, EVENTS);
    for (unsigned i = 0; i < repetitions; i++) {
        uint64_t start = bench_cpu_ns(), between, next, end;
        emit_events(log, &payload, EVENTS);
        between = bench_cpu_ns();
        floor_events(&ring, &payload, EVENTS);
        next = bench_cpu_ns();
        floor_events_prefetch(&ring, &payload, EVENTS);
        end = bench_cpu_ns();
        bench_series_add(values, (double)(between - start) / EVENTS);
        bench_series_add(&plain, (double)(next - between) / EVENTS);
        bench_series_add(&ahead, (double)(end - next) / EVENTS);
    }
    *floor = bench_series_quantile(&plain, 0.5) <= bench_series_quantile(&ahead, 0.5) ? plain : ahead;
    floor_close(&ring);
}

static void run_no_reader(struct bench *bench) {
    static struct bench_series values, floor;
    struct trace_node_id node_id = node_id_new();
    struct trace_log *log;

    bench_pin(1);
    log = log_open(&node_id, 0, true);
    measure(bench, log, &values, &floor);
    trace_log_close(log);
    bench_report(bench, &(struct bench_result){.name = "no-reader", .unit = "ns/event", .values = &values, .floor = &floor});
}

static void run_drained(struct bench *bench) {
    static struct bench_series values, floor;
    struct trace_node_id node_id = node_id_new();
    struct daemon *daemon = daemon_start();
    struct daemon_node node;
    struct trace_log *log;

    if (daemon == NULL) {
        bench_skip(bench, "drained", "there is no traced in this build");
        return;
    }
    if (!bench_pin(1)) bench_skip(bench, "drained", "one processor only: traced and the node take turns on it");
    log = log_open(&node_id, 0, false);
    daemon_attach(daemon, trace_log_name(log), &node_id);
    measure(bench, log, &values, &floor);
    node = daemon_wait_drained(daemon, &node_id);
    trace_log_close(log);
    daemon_stop(daemon);
    bench_report(bench, &(struct bench_result){.name = "drained",
                                               .unit = "ns/event",
                                               .values = &values,
                                               .floor = &floor,
                                               .extras = {{"emitted", (double)node.emitted}, {"lost", (double)node.lost}}});
}

static void run_masked(struct bench *bench) {
    static struct bench_series values;
    struct trace_node_id node_id = node_id_new();
    struct payload payload;
    struct trace_log *log;

    bench_pin(1);
    log = log_open(&node_id, TRACE_CONTROL_ALL & ~TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_SENT), true);
    payload_init(&payload);
    bench_series_init(&values);
    masked_events(log, &payload, EVENTS);
    for (unsigned i = 0; i < bench_repetitions(bench, 201); i++) {
        uint64_t start = bench_cpu_ns(), between, end;
        no_events(EVENTS);
        between = bench_cpu_ns();
        masked_events(log, &payload, EVENTS);
        end = bench_cpu_ns();
        bench_series_add(&values, ((double)(end - between) - (double)(between - start)) / EVENTS);
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
    struct payload payload;
    payload_init(&payload);
    bench_pin(emitter->processor);
    emit_events(emitter->log, &payload, EVENTS);
    for (unsigned i = 0; i < emitter->repetitions; i++) {
        uint64_t start;
        /* The first thread alone, then both. */
        if (emitter->processor == 1) {
            start = bench_cpu_ns();
            emit_events(emitter->log, &payload, EVENTS);
            emitter->ns[2 * i] = (double)(bench_cpu_ns() - start) / EVENTS;
        }
        pthread_barrier_wait(emitter->start);
        start = bench_cpu_ns();
        emit_events(emitter->log, &payload, EVENTS);
        emitter->ns[2 * i + 1] = (double)(bench_cpu_ns() - start) / EVENTS;
        pthread_barrier_wait(emitter->start);
    }
    return NULL;
}

static void run_threads(struct bench *bench) {
    static struct bench_series both, alone;
    static struct emitter emitters[2];
    struct trace_node_id node_id = node_id_new();
    pthread_barrier_t start;
    struct trace_log *log;
    unsigned repetitions = bench_repetitions(bench, REPETITIONS);

    if (!bench_pin(0)) {
        bench_skip(bench, "threads-2", "one processor only");
        return;
    }
    log = log_open(&node_id, 0, true);
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

/* A burst of the log and one of the floor, in turns, each after a sleep. */
static void run_burst(struct bench *bench) {
    static struct bench_series values, floor;
    struct trace_node_id node_id = node_id_new();
    struct floor_ring ring = floor_open();
    struct daemon *daemon = daemon_start();
    struct payload payload;
    struct trace_log *log;
    uint64_t deadline, start;

    if (daemon == NULL) {
        bench_skip(bench, "burst", "there is no traced in this build");
        return;
    }
    bench_pin(1);
    log = log_open(&node_id, 0, false);
    daemon_attach(daemon, trace_log_name(log), &node_id);
    payload_init(&payload);
    bench_series_init(&values);
    bench_series_init(&floor);
    emit_events(log, &payload, TRACE_LANE_EVENTS);
    deadline = bench_now_ns();
    for (unsigned i = 0; i < (bench_quick(bench) ? 100 : 2000); i++) {
        sleep_until(deadline += BURST_PERIOD_NS);
        start = bench_now_ns();
        emit_events(log, &payload, BURST_EVENTS);
        bench_series_add(&values, (double)(bench_now_ns() - start) / BURST_EVENTS);
        sleep_until(deadline += BURST_PERIOD_NS);
        start = bench_now_ns();
        floor_events(&ring, &payload, BURST_EVENTS);
        bench_series_add(&floor, (double)(bench_now_ns() - start) / BURST_EVENTS);
    }
    trace_log_close(log);
    daemon_stop(daemon);
    floor_close(&ring);
    bench_report(bench, &(struct bench_result){.name = "burst", .unit = "ns/event", .values = &values, .floor = &floor});
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
        {"no-reader", run_no_reader}, {"drained", run_drained}, {"masked", run_masked},
        {"threads-2", run_threads},   {"burst", run_burst},
    };
    return bench_main(argc, argv, "emit", cases, sizeof cases / sizeof cases[0]);
}
