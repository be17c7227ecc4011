/* SPDX-License-Identifier: MIT
 *
 * How fast traced takes events out of rings and into its history: real rings, filled before each repetition, drained by the
 * ingest's own passes (traced/ingest/ingest_internal.h) in this thread, with all indices and evictions, because the history
 * is smaller than the events that pass through it.
 *
 * rings-1000: 1,000 rings of 4,096 events are attached; 256 of them, spread among the others, have the events.  attach_ms
 * is the time from their names to the first event of each, and ring_kib the heap that one takes, besides its shared memory,
 * which belongs to the node.
 *
 * keep: the same as `indexed` with --keep 'any (app_end and not ok)', which no trace here matches; keep-all: with 'any not ok',
 * which all of them match, so that as many events stay as can.  judge_ns is the processor time of the thread that judges the
 * traces, for each event of the ingest.
 *
 * silent-4000: 4,000 rings are attached and silent; the passes of 10 s run back to back, as the clock asks for them.  The cost
 * of a wake-up comes on top (bench_idle.c, bench_scale.py).
 *
 * The events are of 60,000 traces and 1,000 peers in random order.  `copy` is memcpy of the same events from the same memory
 * into as much memory as the history has: no ingest that keeps events can be faster. */
#include "bench.h"

#include "ingest_internal.h"
#include "keeper.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <p2ptrace/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/history.h>
#include <store/nodes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <urcu.h>

#define TRACES 60000
#define PEERS 1000
#define HISTORY_BYTES (256U << 20)
#define RINGS_BYTES (128U << 20) /* of events in all rings together: more than the processor's caches hold */
#define RINGS_MANY 1000          /* of rings-1000 */
#define RINGS_MAX 4000
#define SILENT_S 10
#define RINGS_BUSY 256
#define REPETITIONS 15

struct rig {
    char dir[64];
    unsigned ring_count, ring_events;
    bool watch;          /* watch the directory, as traced does; otherwise scan it */
    unsigned busy_count; /* rings that are filled, at equal distances */
    uint64_t attach_ns;
    double ring_kib;
    struct trace_log *logs[RINGS_MAX];
    const struct trace_event *slots[RINGS_MAX]; /* of the first lane */
    struct store store;                         /* its history and nodes */
    struct ingest *ingest;
    const char *keep; /* NULL: no trace stays longer than others */
    struct keeper *keeper;
};

static struct trace_context traces[TRACES];
static struct trace_node_id peers[PEERS];

static uint64_t random_next(void) {
    static uint64_t state = 88172645463325252U; /* xorshift64 (Marsaglia 2003): the same events in every run */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void random_bytes(void *out, size_t count) {
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = random_next();
        memcpy((char *)out + i, &word, 8);
    }
}

/* Roughly what a node's log holds: packets, some losses, streams, samples. */
static void emit_one(struct trace_log *log, uint64_t number) {
    uint64_t random = random_next();
    const struct trace_context *context = &traces[(random >> 32) % TRACES];
    const struct trace_node_id *peer = &peers[(random >> 8) % PEERS];
    switch (random % 16) {
    case 0: TRACE_STREAM_DATA(log, context, peer, random & 0xfff, number, 1000, 0, 1); break;
    case 1: TRACE_METRICS(log, context, peer, random & 0xfffff, 1000, 12000, 2400); break;
    case 2: TRACE_PACKET_LOST(log, context, peer, number, TRACE_SPACE_1RTT); break;
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8: TRACE_PACKET_RECEIVED(log, context, peer, number, 1200, TRACE_SPACE_1RTT); break;
    default: TRACE_PACKET_SENT(log, context, peer, number, 1200, TRACE_SPACE_1RTT); break;
    }
}

static void fill(struct rig *rig) {
    for (unsigned i = 0; i < rig->busy_count; i++)
        for (uint64_t number = 0; number < rig->ring_events; number++)
            emit_one(rig->logs[i * rig->ring_count / rig->busy_count], number);
}

/* Opens a log and moves its name into the rig's directory, out of sight of any traced.  Maps its first lane. */
static void open_ring(struct rig *rig, unsigned index) {
    struct trace_log_options options = {.node_name = "bench"};
    size_t bytes = TRACE_SHM_LANES_OFFSET + (size_t)rig->ring_events * TRACE_EVENT_BYTES;
    char from[128], to[192];
    char *base;
    int fd, result;

    random_bytes(&options.node_id, sizeof options.node_id);
    result = trace__log_open(&rig->logs[index], &options, rig->ring_events);
    if (result != 0) bench_die("a log could not be opened: %s", strerror(-result));
    snprintf(from, sizeof from, "/dev/shm%s", trace_log_name(rig->logs[index]));
    snprintf(to, sizeof to, "%s%s", rig->dir, trace_log_name(rig->logs[index]));
    if (rename(from, to) != 0) bench_die("%s: %s", to, strerror(errno));
    emit_one(rig->logs[index], 0); /* so that the lane has its memory */
    fd = open(to, O_RDONLY | O_CLOEXEC);
    base = fd < 0 ? MAP_FAILED : mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) bench_die("%s: %s", to, strerror(errno));
    close(fd);
    rig->slots[index] = (const struct trace_event *)(base + TRACE_SHM_LANES_OFFSET);
}

static void ignore(void *arg) { (void)arg; }
static void ignore_line(void *arg, enum log_level level, const char *line) {
    (void)level;
    (void)arg;
    (void)line;
}

static uint64_t ingested(const struct rig *rig) {
    return atomic_load_explicit(&rig->ingest->counters.events, memory_order_relaxed); /* relaxed: written by this thread */
}

/* Makes passes until `events` more are in the history. */
static void drain(struct rig *rig, uint64_t events) {
    uint64_t end = ingested(rig) + events, deadline = bench_now_ns() + UINT64_C(20000000000);
    while (ingested(rig) < end) {
        uint64_t now_ns = bench_now_ns();
        if (now_ns > deadline) bench_die("the ingest took %llu events too few", (unsigned long long)(end - ingested(rig)));
        ingest_pass(rig->ingest, false, now_ns);
    }
}

static void start_ingest(struct rig *rig) {
    struct ingest_config config = {.shm_dir = rig->dir, .uid = geteuid(), .wake = ignore, .say = ignore_line};
    size_t heap_bytes;
    struct trace_rpc_error error = {0};
    int result = history_create_shared(&rig->store.history, HISTORY_BYTES);
    if (result == 0) result = nodes_create(&rig->store.nodes, rig->store.history);
    if (result != 0) bench_die("no memory for the history: %s", strerror(-result));
    rig->ingest = calloc(1, sizeof *rig->ingest);
    if (!rig->ingest) bench_die("out of memory");
    if (rig->keep && keeper_start(&rig->keeper, &rig->store, rig->keep, &error)) bench_die("--keep: %s", error.message);
    config.history = rig->store.history;
    config.nodes = rig->store.nodes;
    result = ingest_init(rig->ingest, &config, rig->watch);
    if (result != 0) bench_die("the ingest did not start: %s", strerror(-result));
    heap_bytes = mallinfo2().uordblks;
    rig->attach_ns = bench_now_ns();
    drain(rig, rig->ring_count); /* the events of open_ring: all rings are attached then */
    rig->attach_ns = bench_now_ns() - rig->attach_ns;
    rig->ring_kib = (double)(mallinfo2().uordblks - heap_bytes) / 1024 / rig->ring_count;
}

/* Rings of ring_events each, or as many as half of the shared memory holds; up to busy_max of them are filled. */
static void rig_init(struct rig *rig, unsigned rings_wanted, unsigned ring_events, unsigned busy_max) {
    struct statvfs room;
    struct rlimit files;
    uint64_t bytes_max;

    if (statvfs("/dev/shm", &room) != 0) bench_die("/dev/shm: %s", strerror(errno));
    bytes_max = (uint64_t)room.f_bavail * room.f_bsize / 2;
    rig->ring_events = ring_events;
    rig->ring_count = rings_wanted;
    while (rig->ring_count > 1 && (uint64_t)rig->ring_count * (ring_events * TRACE_EVENT_BYTES + 65536U) > bytes_max)
        rig->ring_count--;
    rig->busy_count = rig->ring_count < busy_max ? rig->ring_count : busy_max;
    /* A descriptor here and one in the ingest for each. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    random_bytes(traces, sizeof traces);
    for (unsigned i = 0; i < TRACES; i++) traces[i].flags = TRACE_FLAG_SAMPLED;
    random_bytes(peers, sizeof peers);

    strcpy(rig->dir, "/dev/shm/bench-rings.XXXXXX");
    if (!mkdtemp(rig->dir)) bench_die("%s: %s", rig->dir, strerror(errno));
    for (unsigned i = 0; i < rig->ring_count; i++) open_ring(rig, i);
    rcu_register_thread();
    start_ingest(rig);
}

static void rig_fini(struct rig *rig) {
    DIR *dir;
    struct dirent *entry;

    ingest_fini(rig->ingest);
    free(rig->ingest);
    keeper_stop(rig->keeper);
    nodes_destroy(rig->store.nodes);
    history_destroy(rig->store.history);
    rcu_unregister_thread();
    for (unsigned i = 0; i < rig->ring_count; i++) {
        munmap((char *)rig->slots[i] - TRACE_SHM_LANES_OFFSET,
               TRACE_SHM_LANES_OFFSET + (size_t)rig->ring_events * TRACE_EVENT_BYTES);
        trace_log_close(rig->logs[i]);
    }
    dir = opendir(rig->dir);
    while (dir && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    rmdir(rig->dir);
}

/* M events/s of one repetition of the ingest. */
static double ingest_once(struct rig *rig) {
    uint64_t events = (uint64_t)rig->busy_count * rig->ring_events, start, end;
    fill(rig);
    start = bench_cpu_ns();
    drain(rig, events);
    end = bench_cpu_ns();
    return (double)events * 1e3 / (double)(end - start);
}

/* The same events, copied out of the rings into memory that is reused, as the history's is. */
static double copy_once(struct rig *rig, struct trace_event *memory, size_t *at) {
    const uint64_t events = (uint64_t)rig->ring_count * rig->ring_events;
    const size_t memory_events = HISTORY_BYTES / TRACE_EVENT_BYTES;
    uint64_t start, end;

    start = bench_cpu_ns();
    for (unsigned i = 0; i < rig->ring_count; i++) {
        for (unsigned done = 0; done < rig->ring_events; done += INGEST_BATCH_EVENTS) {
            if (*at + INGEST_BATCH_EVENTS > memory_events) *at = 0;
            memcpy(memory + *at, rig->slots[i] + done, INGEST_BATCH_EVENTS * sizeof *memory);
            *at += INGEST_BATCH_EVENTS;
        }
    }
    end = bench_cpu_ns();
    return (double)events * 1e3 / (double)(end - start);
}

struct rates {
    struct bench_series indexed, copy;
    uint64_t lost;
};

/* One ring (RINGS_BYTES), or a thousand; measured once, for all cases that need it. */
static const struct rates *measure_one_ring(struct bench *bench) {
    static struct rates rates;
    static struct rig rig;
    struct trace_event *memory;
    size_t at = 0;

    if (rates.indexed.count > 0) return &rates;
    bench_pin(1);
    rig_init(&rig, 1, RINGS_BYTES / TRACE_EVENT_BYTES, 1);
    memory = mmap(NULL, HISTORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) bench_die("out of memory");
    ingest_once(&rig);
    ingest_once(&rig); /* from here on the history is full */
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        bench_series_add(&rates.indexed, ingest_once(&rig));
        bench_series_add(&rates.copy, copy_once(&rig, memory, &at));
    }
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) rates.lost += atomic_load(&rig.ingest->counters.lost[cause]);
    munmap(memory, HISTORY_BYTES);
    rig_fini(&rig);
    return &rates;
}

static void run_indexed(struct bench *bench) {
    const struct rates *rates = measure_one_ring(bench);
    bench_report(bench, &(struct bench_result){.name = "indexed",
                                               .unit = "M events/s",
                                               .values = &rates->indexed,
                                               .floor = &rates->copy,
                                               .peer = "copy",
                                               .extras = {{"lost", (double)rates->lost}}});
}

static void run_copy(struct bench *bench) {
    bench_report(bench, &(struct bench_result){.name = "copy", .unit = "M events/s", .values = &measure_one_ring(bench)->copy});
}

static uint64_t process_cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void measure_keep(struct bench *bench, struct rig *rig, struct bench_series *values, const char *name) {
    const struct rates *without = measure_one_ring(bench);
    const unsigned count = bench_repetitions(bench, REPETITIONS);

    bench_pin(0); /* where the judge stays */
    rig_init(rig, 1, RINGS_BYTES / TRACE_EVENT_BYTES, 1);
    bench_pin(1);
    ingest_once(rig);
    ingest_once(rig);
    uint64_t others_ns = process_cpu_ns() - bench_cpu_ns();
    for (unsigned i = 0; i < count; i++) bench_series_add(values, ingest_once(rig));
    others_ns = process_cpu_ns() - bench_cpu_ns() - others_ns;
    bench_report(bench, &(struct bench_result){.name = name,
                                               .unit = "M events/s",
                                               .values = values,
                                               .floor = &without->indexed,
                                               .peer = "indexed",
                                               .extras = {{"judge_ns", (double)others_ns / count / rig->ring_events}}});
    rig_fini(rig);
}

static void run_keep(struct bench *bench) {
    static struct bench_series values;
    static struct rig rig = {.keep = "any (app_end and not ok)"};
    measure_keep(bench, &rig, &values, "keep");
}

static void run_keep_all(struct bench *bench) {
    static struct bench_series values;
    static struct rig rig = {.keep = "any not ok"};
    measure_keep(bench, &rig, &values, "keep-all");
}

static void run_rings(struct bench *bench) {
    static struct bench_series values;
    static struct rig rig;
    const struct rates *one = measure_one_ring(bench);

    rig_init(&rig, RINGS_MANY, RINGS_BYTES / TRACE_EVENT_BYTES / RINGS_BUSY, RINGS_BUSY);
    ingest_once(&rig);
    ingest_once(&rig);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) bench_series_add(&values, ingest_once(&rig));
    bench_report(bench, &(struct bench_result){.name = "rings-1000",
                                               .unit = "M events/s",
                                               .values = &values,
                                               .floor = &one->indexed,
                                               .peer = "indexed",
                                               .extras = {{"rings", rig.ring_count},
                                                          {"busy", rig.busy_count},
                                                          {"attach_ms", (double)rig.attach_ns / 1e6},
                                                          {"ring_kib", rig.ring_kib}}});
    rig_fini(&rig);
}

/* Per cent of a core: the time of the passes over silent rings, relative to the period that they cover. */
static double silent_once(struct rig *rig, uint64_t *now_ns) {
    const uint64_t span_ns = SILENT_S * UINT64_C(1000000000), until_ns = *now_ns + span_ns, start = bench_cpu_ns();
    while (*now_ns < until_ns) {
        uint64_t wait_ns = ingest_pass(rig->ingest, false, *now_ns);
        *now_ns += wait_ns > 0 ? wait_ns : 1;
    }
    return (double)(bench_cpu_ns() - start) * 100 / (double)span_ns;
}

static void run_silent(struct bench *bench) {
    static struct bench_series values;
    static struct rig rig;
    uint64_t now_ns = bench_now_ns();

    bench_pin(1);
    rig.watch = true;
    rig_init(&rig, RINGS_MAX, TRACE_LANE_EVENTS_MINIMAL, 1);
    silent_once(&rig, &now_ns);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) bench_series_add(&values, silent_once(&rig, &now_ns));
    bench_report(bench,
                 &(struct bench_result){
                     .name = "silent-4000", .unit = "% of a core", .values = &values, .extras = {{"rings", rig.ring_count}}});
    rig_fini(&rig);
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {{"indexed", run_indexed},   {"copy", run_copy},        {"keep", run_keep},
                                              {"keep-all", run_keep_all}, {"rings-1000", run_rings}, {"silent-4000", run_silent}};
    return bench_main(argc, argv, "ingest", cases, sizeof cases / sizeof cases[0]);
}
