/* SPDX-License-Identifier: MIT
 *
 * What the history alone costs, without the rings (bench_ingest.c).
 *
 * append: events are prepared in memory, as many as eight rings hold: 60,000 traces and 1,000 peers in random order, from 8
 * nodes, kinds as a QUIC node emits them.  They are copied to the reserved place and appended, in runs of one source, with
 * every index and directory enabled, and segments evicted all the time.
 *
 * Its floor only copies the same events, in the same runs, into an equally large ring of memory.  Times are
 * processor times of the thread. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <store/history.h>
#include <string.h>
#include <sys/mman.h>
#include <urcu.h>

#define EVENTS (1U << 19)
#define RUN_EVENTS 1024U
#define TRACES 60000U
#define PEERS 1000U
#define NODES 8U
#define HISTORY_BYTES ((size_t)512 << 20)
#define REPETITIONS 31
#define PASSES 4 /* over the events, in one repetition */

/* xorshift64* */
static uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static void *take_memory(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) bench_die("no memory for %zu bytes", bytes);
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 1, bytes);
    return memory;
}

static void fill_id(uint8_t *bytes, size_t count, uint64_t seed) {
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = random_next(&state);
        memcpy(bytes + i, &word, 8);
    }
}

static struct trace_event *make_events(void) {
    static const uint16_t kinds[16] = {
        TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED,
        TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED,
        TRACE_KIND_STREAM_DATA, TRACE_KIND_STREAM_DATA,     TRACE_KIND_STREAM_DATA, TRACE_KIND_PACKET_LOST,
        TRACE_KIND_METRICS,     TRACE_KIND_APP_START,       TRACE_KIND_APP_END,     TRACE_KIND_APP_COMMAND,
    };
    struct trace_event *events = take_memory(EVENTS * sizeof *events);
    uint64_t state = 42;

    for (uint32_t i = 0; i < EVENTS; i++) {
        struct trace_event *event = &events[i];
        memset(event, 0, sizeof *event);
        fill_id(event->trace_id.bytes, sizeof event->trace_id.bytes, 1 + random_next(&state) % TRACES);
        fill_id(event->peer_id.bytes, sizeof event->peer_id.bytes, 1000000 + random_next(&state) % PEERS);
        event->sequence = i;
        event->kind = kinds[random_next(&state) % 16];
        event->flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER;
        event->timestamp = UINT64_C(1700000000000000000) + i * 50 - random_next(&state) % 1000;
        if (event->kind <= TRACE_KIND_PACKET_RECEIVED && event->kind >= TRACE_KIND_PACKET_SENT)
            event->data.packet_sent.size = (uint32_t)(random_next(&state) % 1400);
        else
            fill_id(event->data.bytes, 24, random_next(&state));
    }
    return events;
}

static double rate(uint64_t events, uint64_t ns) { return (double)events * 1e3 / (double)ns; }

/* One pass over all events into the history, timestamps going on. */
static void append_all(struct history *history, const struct trace_event *events) {
    for (uint32_t done = 0; done < EVENTS;) {
        uint32_t room, run = RUN_EVENTS - done % RUN_EVENTS;
        struct trace_event *place = history_reserve(history, &room);
        if (run > room) run = room;
        memcpy(place, &events[done], run * sizeof *place);
        history_append(history, run, history_source_make(done / RUN_EVENTS % NODES, 0));
        done += run;
    }
}

static void copy_all(struct trace_event *ring, uint64_t ring_events, uint64_t *position, const struct trace_event *events) {
    for (uint32_t done = 0; done < EVENTS; done += RUN_EVENTS) {
        struct trace_event *place = &ring[*position % ring_events];
        memcpy(place, &events[done], RUN_EVENTS * sizeof *place);
        *position += RUN_EVENTS;
        __asm__ volatile("" : : "r"(place) : "memory");
    }
}

static void run_append(struct bench *bench) {
    struct trace_event *events = make_events(), *ring;
    static struct bench_series append, copy;
    struct history_stats stats;
    struct history *history;
    uint64_t position = 0;
    int error = history_create(&history, HISTORY_BYTES);

    if (error < 0) bench_die("no history: %s", strerror(-error));
    rcu_register_thread();
    bench_pin(0);
    history_stats(history, &stats);
    ring = take_memory(stats.events_max * sizeof *ring);
    bench_series_init(&append);
    bench_series_init(&copy);
    while (stats.evicted == 0) { /* warm: the history is full */
        append_all(history, events);
        history_stats(history, &stats);
    }
    copy_all(ring, stats.events_max, &position, events);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        uint64_t begin = bench_cpu_ns(), middle, end;
        for (unsigned pass = 0; pass < PASSES; pass++) copy_all(ring, stats.events_max, &position, events);
        middle = bench_cpu_ns();
        for (unsigned pass = 0; pass < PASSES; pass++) append_all(history, events);
        end = bench_cpu_ns();
        bench_series_add(&copy, rate((uint64_t)PASSES * EVENTS, middle - begin));
        bench_series_add(&append, rate((uint64_t)PASSES * EVENTS, end - middle));
    }
    bench_report(
        bench, &(struct bench_result){.name = "append", .unit = "M events/s", .values = &append, .floor = &copy, .peer = "copy"});
    history_destroy(history);
    munmap(ring, stats.events_max * sizeof *ring);
    munmap(events, EVENTS * sizeof *events);
    rcu_unregister_thread();
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"append", run_append}};
    return bench_main(argc, argv, "history", cases, sizeof cases / sizeof cases[0]);
}
