/* SPDX-License-Identifier: MIT
 *
 * The payload, the loops and the floor of the benchmarks of emitting: see emit_load.h. */
#include "emit_load.h"

#include <errno.h>
#include <libtrace/clock.h>
#include <libtrace/writer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_BYTES ((size_t)TRACE_LANE_EVENTS * TRACE_EVENT_BYTES)

void emit_payload_init(struct emit_payload *payload) {
    memset(payload, 0, sizeof *payload);
    for (unsigned i = 0; i < EMIT_VARIETY; i++) {
        payload->contexts[i] = trace_context_new(TRACE_FLAG_SAMPLED);
        struct trace_context other = trace_context_new(0);
        memcpy(&payload->peers[i], &other.trace_id, TRACE_ID_BYTES);
        memcpy(&payload->peers[i].bytes[TRACE_ID_BYTES], &payload->contexts[i].trace_id, TRACE_ID_BYTES);
    }
}

struct trace_node_id emit_node_id_new(void) {
    struct trace_context random = trace_context_new(0);
    struct trace_node_id id;
    memset(&id, 0xbe, sizeof id);
    memcpy(&id, &random.trace_id, sizeof random.trace_id);
    return id;
}

struct trace_log *emit_log_open(const struct trace_node_id *node_id, uint64_t control, bool hidden) {
    struct trace_log_options options = {.node_id = *node_id, .node_name = "bench", .control = control};
    struct trace_log *log;
    int result = trace_log_open(&log, &options);
    if (result != 0) bench_die("a log could not be opened: %s", strerror(-result));
    if (hidden) shm_unlink(trace_log_name(log));
    return log;
}

/* ---- loops --------------------------------------------------------------------------------------------------------------- */

void emit_log_events(void *target, struct emit_payload *payload, unsigned count) {
    struct trace_log *log = target;
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        TRACE_PACKET_SENT(log, emit_payload_context(payload), emit_payload_peer(payload), payload->number,
                          emit_payload_size(payload), TRACE_SPACE_1RTT);
    }
}

struct emit_floor {
    struct trace_event *slots;
    uint64_t head;
    int tsc;
};

struct emit_floor *emit_floor_open(void) {
    struct emit_floor *floor = malloc(sizeof *floor);
    int fd = memfd_create("floor", MFD_CLOEXEC);

    if (!floor || fd < 0 || ftruncate(fd, (off_t)RING_BYTES) != 0) bench_die("memory for the floor: %s", strerror(errno));
    *floor = (struct emit_floor){.tsc = trace_clock_tsc_usable()};
    floor->slots = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (floor->slots == MAP_FAILED) bench_die("memory for the floor: %s", strerror(errno));
    close(fd);
    return floor;
}

void emit_floor_close(struct emit_floor *floor) {
    munmap(floor->slots, RING_BYTES);
    free(floor);
}

static inline void floor_store(struct emit_floor *floor, const struct emit_payload *payload) {
    struct trace_event *slot = &floor->slots[floor->head & (TRACE_LANE_EVENTS - 1)];
    slot->timestamp = floor->tsc ? trace__tsc() : trace__monotonic_ns();
    slot->trace_id = emit_payload_context(payload)->trace_id;
    slot->kind = TRACE_KIND_PACKET_SENT;
    slot->flags = emit_payload_context(payload)->flags | TRACE_FLAG_HAS_PEER;
    slot->reserved = 0;
    slot->peer_id = *emit_payload_peer(payload);
    memset(&slot->data, 0, sizeof slot->data);
    slot->data.packet_sent.packet_num = payload->number;
    slot->data.packet_sent.size = emit_payload_size(payload);
    slot->data.packet_sent.space = TRACE_SPACE_1RTT;
    __atomic_store_n(&slot->sequence, trace_shm_mark(floor->head++), __ATOMIC_RELEASE);
}

void emit_floor_events(void *target, struct emit_payload *payload, unsigned count) {
    struct emit_floor *floor = target;
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        floor_store(floor, payload);
    }
}

uint64_t emit_floor_read(const struct emit_floor *floor, uint64_t position) {
    static struct trace_event copies[64];
    for (;; position++) {
        const struct trace_event *slot = &floor->slots[position & (TRACE_LANE_EVENTS - 1)];
        if (__atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE) != trace_shm_mark(position)) return position;
        memcpy(&copies[position % 64], slot, sizeof *slot);
        BENCH_OPAQUE(position);
    }
}

static void floor_events_prefetch(void *target, struct emit_payload *payload, unsigned count) {
    struct emit_floor *floor = target;
    for (unsigned i = 0; i < count; i++) {
        payload->number++;
        trace__prefetch(&floor->slots[(floor->head + TRACE__PREFETCH_AHEAD) & (TRACE_LANE_EVENTS - 1)]);
        floor_store(floor, payload);
    }
}

/* ---- in turns ------------------------------------------------------------------------------------------------------------ */

static void take_turn(const struct emit_turn *turn, struct emit_payload *payload, void (*settle)(void)) {
    uint64_t start;
    if (settle) {
        settle();
        turn->loop(turn->target, payload, EMIT_EVENTS);
    }
    start = bench_cpu_ns();
    turn->loop(turn->target, payload, EMIT_EVENTS);
    bench_series_add(turn->series, (double)(bench_cpu_ns() - start) / EMIT_EVENTS);
}

void emit_measure(struct bench *bench, const struct emit_turn turns[], unsigned turn_count, void (*settle)(void),
                  struct bench_series *floor) {
    static struct bench_series plain, ahead;
    struct emit_floor *ring = emit_floor_open();
    const struct emit_turn floors[] = {{emit_floor_events, ring, &plain}, {floor_events_prefetch, ring, &ahead}};
    unsigned repetitions = bench_repetitions(bench, EMIT_REPETITIONS);
    struct emit_payload payload;

    emit_payload_init(&payload);
    bench_series_init(&plain);
    bench_series_init(&ahead);
    for (unsigned i = 0; i < turn_count; i++) {
        bench_series_init(turns[i].series);
        turns[i].loop(turns[i].target, &payload, EMIT_EVENTS);
    }
    emit_floor_events(ring, &payload, EMIT_EVENTS);
    for (unsigned repetition = 0; repetition < repetitions; repetition++) {
        for (unsigned i = 0; i < turn_count; i++) take_turn(&turns[i], &payload, settle);
        for (unsigned i = 0; i < 2; i++) take_turn(&floors[i], &payload, settle);
    }
    *floor = bench_series_quantile(&plain, 0.5) <= bench_series_quantile(&ahead, 0.5) ? plain : ahead;
    emit_floor_close(ring);
}
