/* SPDX-License-Identifier: MIT
 *
 * Recordings on disk.
 *
 * overhead: how fast events are appended to a history while a thread takes each sealed segment and writes it to a file (as
 * traced --record does), compared with the same without it; processor time of the appending thread, alternating.  `dropped` is
 * the share of segments that were evicted before they could be written: the appending thread does not wait.
 * open-4g: a recording of 4 GiB is opened, one trace is found by a prefix of its id and read; files are in the page cache.
 * `resident` is the memory of the process after that.  BENCH_RECORD_MIB sets another size.
 * scan: reads all events of a recording and does almost nothing with them, compared with the same events in memory.  count,
 * measured with it: the method `count` by kind and peer with a value, likewise.  Processor time.
 * bytes: of an event in a recording; `compressed` likewise with zstd.
 *
 * The events are those of bench_history: 60,000 traces and 1,000 peers in random order; for `bytes` with data like a QUIC
 * node's. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <recording/recording.h>
#include <recording/writer.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/ask.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <urcu.h>

#define EVENTS (1U << 19)
#define RUN_EVENTS 1024U
#define TRACES 60000U
#define PEERS 1000U
#define NODES 8U
#define HISTORY_BYTES ((size_t)256 << 20)
#define REPETITIONS 11
#define PASSES 4

static struct trace_event *events;
static char dir[128];

static uint64_t random_next(uint64_t *state) {
    *state ^= *state >> 12; /* xorshift64* */
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static void fill_id(uint8_t *bytes, size_t count, uint64_t seed) {
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word = random_next(&state);
        memcpy(bytes + i, &word, 8);
    }
}

static void make_events(void) {
    static const uint16_t kinds[8] = {TRACE_KIND_PACKET_SENT,     TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_PACKET_SENT,
                                      TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_STREAM_DATA,     TRACE_KIND_PACKET_SENT,
                                      TRACE_KIND_METRICS,         TRACE_KIND_APP_COMMAND};
    uint64_t state = 42;
    if (events) return;
    events = calloc(EVENTS, sizeof *events);
    if (!events) bench_die("no memory");
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct trace_event *event = &events[i];
        fill_id(event->trace_id.bytes, sizeof event->trace_id.bytes, 1 + random_next(&state) % TRACES);
        fill_id(event->peer_id.bytes, sizeof event->peer_id.bytes, 1000000 + random_next(&state) % PEERS);
        event->sequence = i;
        event->kind = kinds[random_next(&state) % 8];
        event->flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER;
        event->timestamp = UINT64_C(1700000000000000000) + i * 50 - random_next(&state) % 1000;
        event->data.packet_sent.packet_num = i;
        event->data.packet_sent.size = (uint32_t)(random_next(&state) % 1400);
    }
}

static void make_dir(void) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.80s/bench_record.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir)) bench_die("no directory %s: %s", dir, strerror(errno));
}

static void remove_dir(void) {
    DIR *list = opendir(dir);
    for (struct dirent *entry; list && (entry = readdir(list)) != NULL;)
        if (entry->d_name[0] != '.') unlinkat(dirfd(list), entry->d_name, 0);
    if (list) closedir(list);
    rmdir(dir);
}

static struct store *new_store(struct store *store, size_t history_bytes) {
    int error = store_init(store, history_bytes);
    if (error < 0) bench_die("no history: %s", strerror(-error));
    for (uint32_t i = 0; i < NODES; i++) {
        struct node_info info = {.node_name = "node", .log = i + 1};
        uint32_t index;
        nodes_add(store->nodes, &info, NODE_LIVE, NULL, 0, &index);
    }
    return store;
}

static void append_all(struct history *history) {
    for (uint32_t done = 0; done < EVENTS;) {
        uint32_t room, run = RUN_EVENTS - done % RUN_EVENTS;
        struct trace_event *place = history_reserve(history, &room);
        if (run > room) run = room;
        memcpy(place, &events[done], run * sizeof *place);
        history_append(history, run, history_source_make(done / RUN_EVENTS % NODES, 0));
        done += run;
    }
}

/* ---- overhead ------------------------------------------------------------------------------------------------------------ */

struct recording_thread {
    struct store *store;
    _Atomic bool on, stop;
    uint64_t taken, dropped;
};

/* Does what traced/record/recorder.c does, into one file that is written again and again. */
static void *record(void *arg) {
    struct recording_thread *thread = arg;
    struct recording_maker *maker;
    uint64_t next = 0, bytes;
    char path[160];
    int fd;

    store_enter_thread();
    bench_pin(1);
    snprintf(path, sizeof path, "%s/overhead", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || recording_maker_create(&maker, false) < 0) bench_die("nothing to record to");
    while (!atomic_load(&thread->stop)) {
        uint64_t sealed = history_end_position(thread->store->history) / HISTORY_SEGMENT_EVENTS;
        uint64_t oldest = history_begin_position(thread->store->history) / HISTORY_SEGMENT_EVENTS;
        if (!atomic_load(&thread->on)) next = sealed;
        if (next < oldest) {
            thread->dropped += oldest - next;
            next = oldest;
        }
        if (next >= sealed) {
            usleep(200);
            continue;
        }
        if (recording_maker_take(maker, thread->store, next++) < 0 || recording_maker_write(maker, fd, 0, &bytes) < 0)
            thread->dropped++;
        else
            thread->taken++;
    }
    recording_maker_destroy(maker);
    close(fd);
    return NULL;
}

/* Each pass has other traces, so that a trace is in some segments and not in all. */
static void renew_traces(uint64_t pass) {
    static uint64_t before; /* mixed into the ids already */
    uint64_t now = pass * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < EVENTS; i++) {
        uint64_t word;
        memcpy(&word, events[i].trace_id.bytes, sizeof word);
        word ^= before ^ now;
        memcpy(events[i].trace_id.bytes, &word, sizeof word);
    }
    before = now;
}

static double append_rate(struct store *store) {
    uint64_t begin = bench_cpu_ns();
    for (unsigned pass = 0; pass < PASSES; pass++) append_all(store->history);
    return (double)PASSES * EVENTS * 1e3 / (double)(bench_cpu_ns() - begin);
}

static void run_overhead(struct bench *bench) {
    static struct bench_series with, without;
    static struct store store;
    struct recording_thread thread = {.store = new_store(&store, HISTORY_BYTES)};
    pthread_t id;

    make_events();
    make_dir();
    store_enter_thread();
    bench_pin(0);
    bench_series_init(&with);
    bench_series_init(&without);
    pthread_create(&id, NULL, record, &thread);
    append_rate(&store);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        atomic_store(&thread.on, false);
        usleep(1000);
        bench_series_add(&without, append_rate(&store));
        atomic_store(&thread.on, true);
        usleep(1000);
        bench_series_add(&with, append_rate(&store));
    }
    atomic_store(&thread.stop, true);
    pthread_join(id, NULL);
    double all = (double)(thread.taken + thread.dropped);
    bench_report(bench, &(struct bench_result){.name = "overhead",
                                               .unit = "M events/s",
                                               .values = &with,
                                               .floor = &without,
                                               .peer = "without",
                                               .extras = {{"dropped", all > 0 ? (double)thread.dropped / all : 0}}});
    store_fini(&store);
    remove_dir();
}

/* ---- a recording to read ------------------------------------------------------------------------------------------------- */

/* Writes `mib` MiB of segments, a file each, and returns the number of events. */
static uint64_t write_recording(struct store *store, uint64_t mib, bool compress, uint64_t *ret_bytes) {
    struct recording_maker *maker;
    uint64_t number = 0, bytes_all = 0, bytes, pass = 0;

    if (recording_maker_create(&maker, compress) < 0) bench_die("no maker");
    while (bytes_all < mib << 20) {
        renew_traces(++pass);
        append_all(store->history);
        for (; (number + 1) * HISTORY_SEGMENT_EVENTS <= history_end_position(store->history) && bytes_all < mib << 20; number++) {
            char path[160];
            int fd, error;
            snprintf(path, sizeof path, "%s/%06llu.p2rec", dir, (unsigned long long)number);
            fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
            error = fd < 0 ? -errno : recording_maker_take(maker, store, number);
            if (error == 0) error = recording_maker_write(maker, fd, 0, &bytes);
            if (error < 0) bench_die("a segment cannot be written: %s", strerror(-error));
            close(fd);
            bytes_all += bytes;
        }
    }
    recording_maker_destroy(maker);
    *ret_bytes = bytes_all;
    return number * HISTORY_SEGMENT_EVENTS;
}

static struct recording *open_dir(void) {
    const char *path = dir;
    char reason[RECORDING_REASON_BYTES];
    struct recording *recording;
    if (recording_open(&recording, &path, 1, reason) < 0) bench_die("%s", reason);
    return recording;
}

static double resident_mib(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long total = 0, resident = 0;
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) bench_die("no statm");
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static size_t find_trace(struct recording *recording, const struct trace_id *wanted) {
    struct history *history = recording_store(recording)->history;
    struct history_query query = {.by_trace = true};
    struct history_answer answer;
    size_t count;
    if (history_find_traces(history, wanted->bytes, 12, &query.trace_id, 1) != 1) bench_die("the trace is missing");
    if (history_select(history, &query, 0, UINT64_MAX, 1000, false, NULL, &answer) < 0) bench_die("no answer");
    count = answer.count;
    history_answer_fini(&answer);
    return count;
}

static void run_open(struct bench *bench) {
    static struct bench_series series;
    static struct store store;
    const char *size = getenv("BENCH_RECORD_MIB");
    uint64_t mib = size ? strtoull(size, NULL, 10) : bench_quick(bench) ? 512 : 4096, bytes, count;
    double resident = 0;
    size_t found = 0;

    make_events();
    make_dir();
    store_enter_thread();
    count = write_recording(new_store(&store, HISTORY_BYTES), mib, false, &bytes);
    store_fini(&store);
    bench_series_init(&series);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        struct trace_id wanted = events[12345 + i].trace_id; /* of the last pass */
        double before = resident_mib();
        uint64_t begin = bench_now_ns();
        struct recording *recording = open_dir();
        found = find_trace(recording, &wanted);
        bench_series_add(&series, (double)(bench_now_ns() - begin) / 1e6);
        if (resident_mib() - before > resident) resident = resident_mib() - before;
        recording_close(recording);
    }
    bench_report(bench, &(struct bench_result){.name = "open-4g",
                                               .unit = "ms",
                                               .values = &series,
                                               .extras = {{"mib", (double)bytes / (1 << 20)},
                                                          {"events", (double)count},
                                                          {"found", (double)found},
                                                          {"resident_mib", resident}}});
    remove_dir();
}

/* ---- scan ---------------------------------------------------------------------------------------------------------------- */

struct tally {
    uint64_t kinds[64], bytes;
};

/* The method itself, as a command calls it. */
static double count_rate(struct store *store, uint64_t event_count) {
    struct trace_text out = {0};
    struct trace_rpc_error error = {0};
    json_t *params = json_pack("{s:[s,s],s:s}", "group_by", "kind", "peer", "value", "rtt");
    uint64_t begin = bench_cpu_ns(), ns;
    if (store_ask(store, "count", params, &out, &error) < 0) bench_die("count: %s", error.message);
    ns = bench_cpu_ns() - begin;
    trace_text_fini(&out);
    json_decref(params);
    return (double)event_count * 1e3 / (double)ns;
}

/* Almost nothing per event: this measures how they are delivered. */
static int tally(void *context, const struct trace_event *event, history_source source) {
    struct tally *sums = context;
    (void)source;
    sums->kinds[event->kind % 64]++;
    sums->bytes += event->data.packet_sent.size;
    return 0;
}

static double scan_rate(struct history *history, uint64_t *ret_events) {
    struct tally sums = {0};
    struct history_visited visited;
    uint64_t begin = bench_cpu_ns();
    if (history_visit(history, &(struct history_query){0}, 0, UINT64_MAX, tally, &sums, &visited) != 0) bench_die("no visit");
    *ret_events = visited.examined;
    return (double)visited.examined * 1e3 / (double)(bench_cpu_ns() - begin);
}

static void run_scan(struct bench *bench) {
    static struct bench_series read, memory, count_read, count_memory;
    static struct store store;
    struct recording *recording;
    uint64_t bytes, count = 0;

    make_events();
    make_dir();
    store_enter_thread();
    bench_pin(0);
    write_recording(new_store(&store, (size_t)512 << 20), 256, false, &bytes);
    recording = open_dir();
    bench_series_init(&read);
    bench_series_init(&memory);
    bench_series_init(&count_read);
    bench_series_init(&count_memory);
    for (unsigned i = 0; i < bench_repetitions(bench, REPETITIONS); i++) {
        bench_series_add(&memory, scan_rate(store.history, &count));
        bench_series_add(&read, scan_rate(recording_store(recording)->history, &count));
        bench_series_add(&count_memory, count_rate(&store, count));
        bench_series_add(&count_read, count_rate(recording_store(recording), count));
    }
    bench_report(bench,
                 &(struct bench_result){
                     .name = "count", .unit = "M events/s", .values = &count_read, .floor = &count_memory, .peer = "memory"});
    bench_report(bench, &(struct bench_result){.name = "scan",
                                               .unit = "M events/s",
                                               .values = &read,
                                               .floor = &memory,
                                               .peer = "memory",
                                               .extras = {{"events", (double)count}}});
    recording_close(recording);
    store_fini(&store);
    remove_dir();
}

static void run_bytes(struct bench *bench) {
    static struct bench_series plain, packed;
    static struct store store;
    uint64_t bytes, count;

    make_events();
    make_dir();
    store_enter_thread();
    new_store(&store, HISTORY_BYTES);
    count = write_recording(&store, 64, false, &bytes);
    bench_series_init(&plain);
    bench_series_add(&plain, (double)bytes / (double)count);
    store_fini(&store);
    remove_dir();
    make_dir();
    count = write_recording(new_store(&store, HISTORY_BYTES), 16, true, &bytes);
    bench_series_init(&packed);
    bench_series_add(&packed, (double)bytes / (double)count);
    bench_report(bench, &(struct bench_result){.name = "bytes",
                                               .unit = "bytes/event",
                                               .values = &plain,
                                               .extras = {{"compressed", bench_series_quantile(&packed, 0.5)}}});
    store_fini(&store);
    remove_dir();
}

int main(int argc, char **argv) {
    static const struct bench_case cases[] = {
        {"overhead", run_overhead}, {"open-4g", run_open}, {"scan", run_scan}, {"bytes", run_bytes}};
    return bench_main(argc, argv, "record", cases, sizeof cases / sizeof cases[0]);
}
