/* SPDX-License-Identifier: MIT
 *
 * 20 threads emit into one log, which has 16 lanes, as fast as they can, while one thread reads: five of them share
 * the last lane.  Threads end, and others get their lanes.
 *
 *     stress_emit EVENTS     in all; half of them for each policy
 *
 * Each event contains its thread, a number and a checksum.  A torn event has a wrong checksum; one that comes twice
 * or out of order has a number not above the thread's last.  At the end: emitted = read + lost + without a lane, by our own
 * count and by the ring's.  Lanes are short, so that writers lap the reader. */
#include "../helpers/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <libtrace/reader.h>
#include <p2ptrace/trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS (TRACE_LANES_MAX + 4) /* so that five of each round share the last one */
#define EVENTS_A_LIFE 20000
#define LANE_EVENTS 1024

struct life {
    struct trace_log *log;
    uint32_t number; /* number of this thread, counting all that ever ran */
    uint64_t events;
};

struct totals {
    uint64_t read, torn, twice, lost, no_lane, shared;
};

static atomic_bool over;
static pthread_barrier_t together; /* all threads of a round are running at the same time */
static atomic_ulong emitted;

static uint64_t sum_of(uint32_t life, uint64_t number) { return (number + life) * UINT64_C(0x9e3779b97f4a7c15) ^ number; }

static void *live(void *arg) {
    struct life *life = arg;
    pthread_barrier_wait(&together);
    for (uint64_t i = 0; i < life->events; i++) {
        uint64_t data[3] = {i + 1, sum_of(life->number, i + 1), i + 1};
        TRACE_CUSTOM(life->log, NULL, NULL, 1, life->number, data, sizeof data);
    }
    atomic_fetch_add(&emitted, life->events);
    pthread_barrier_wait(&together); /* each keeps its lane until here */
    return NULL;
}

/* ---- the reader ---- */

struct reading {
    struct trace_reader *reader;
    uint64_t *last; /* by thread number: the newest event read */
    uint32_t lives;
    struct totals totals;
};

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void judge(struct reading *reading, const struct trace_event *event) {
    uint64_t data[3];
    uint32_t life = event->data.custom.code;
    memcpy(data, event->data.custom.data, sizeof data);
    reading->totals.read++;
    if (event->kind != TRACE_KIND_CUSTOM || life >= reading->lives || data[1] != sum_of(life, data[0]) || data[0] != data[2]) {
        reading->totals.torn++;
        return;
    }
    if (data[0] <= reading->last[life]) reading->totals.twice++;
    reading->last[life] = data[0];
}

/* Reads each lane until it is empty.  Returns whether there was anything. */
static bool read_all(struct reading *reading) {
    static struct trace_event events[256];
    struct trace_read read;
    bool any = false;
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        do {
            trace_reader_read(reading->reader, lane, events, 256, false, now_ns(), &read);
            for (uint32_t i = 0; i < read.count; i++) judge(reading, &events[i]);
            if (lane == TRACE_LANES_MAX - 1) reading->totals.shared += read.count;
            any |= read.count != 0 || read.lost != 0;
        } while (read.count);
    }
    return any;
}

static void *keep_reading(void *arg) {
    struct reading *reading = arg;
    while (!atomic_load(&over)) (void)read_all(reading);
    while (read_all(reading)) {}
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        struct trace_lane_count count;
        trace_reader_count(reading->reader, lane, &count);
        uint64_t lost = 0;
        for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) lost += count.lost[cause];
        if (count.emitted != count.taken + lost || count.behind) {
            printf("lane %u: emitted %llu, taken %llu, lost %llu, behind %llu\n", lane, (unsigned long long)count.emitted,
                   (unsigned long long)count.taken, (unsigned long long)lost, (unsigned long long)count.behind);
            reading->totals.torn++;
        }
        reading->totals.lost += lost;
    }
    reading->totals.no_lane = trace_reader_no_lane(reading->reader);
    return NULL;
}

/* ---- one policy ---- */

static struct trace_reader *attach(const char *dir) {
    enum trace_attach_fault fault;
    struct trace_reader *reader = NULL;
    DIR *names = opendir(dir);
    for (struct dirent *entry; names && !reader && (entry = readdir(names));)
        if (!strncmp(entry->d_name, "p2ptrace.", 9))
            (void)trace_reader_attach(&reader, dirfd(names), entry->d_name, geteuid(), TRACE_READER_CONTROL, &fault);
    if (names) closedir(names);
    return reader;
}

static void run_lives(struct trace_log *log, uint32_t lives) {
    static struct life life[THREADS];
    pthread_t threads[THREADS];
    for (uint32_t first = 0; first < lives; first += THREADS) {
        for (unsigned i = 0; i < THREADS; i++) {
            life[i] = (struct life){log, first + i, EVENTS_A_LIFE};
            if (pthread_create(&threads[i], NULL, live, &life[i])) abort();
        }
        for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    }
}

static int run(const char *dir, enum trace_policy policy, uint64_t events) {
    uint32_t lives = (uint32_t)(events / EVENTS_A_LIFE / THREADS + 1) * THREADS;
    struct trace_log_options options = {.node_id = {{1}}, .node_name = "stress", .policy = policy};
    struct reading reading = {.lives = lives, .last = calloc(lives, sizeof *reading.last)};
    struct trace_log *log;
    pthread_t reader;
    if (!reading.last || trace__log_open(&log, &options, LANE_EVENTS) || !(reading.reader = attach(dir))) return 2;
    atomic_store(&over, false);
    atomic_store(&emitted, 0);
    if (pthread_create(&reader, NULL, keep_reading, &reading)) return 2;
    run_lives(log, lives);
    atomic_store(&over, true);
    pthread_join(reader, NULL);
    const struct totals *totals = &reading.totals;
    printf("%s: emitted %lu = read %llu + lost %llu + without a lane %llu; torn %llu, twice %llu; %llu of those read are of the "
           "shared lane\n",
           policy == TRACE_OVERWRITE_OLDEST ? "overwrite_oldest" : "discard_newest", atomic_load(&emitted),
           (unsigned long long)totals->read, (unsigned long long)totals->lost, (unsigned long long)totals->no_lane,
           (unsigned long long)totals->torn, (unsigned long long)totals->twice, (unsigned long long)totals->shared);
    bool whole = atomic_load(&emitted) == totals->read + totals->lost + totals->no_lane;
    bool good = whole && !totals->torn && !totals->twice && totals->lost && totals->shared && totals->shared < totals->read;
    trace_reader_detach(reading.reader);
    trace_log_close(log);
    free(reading.last);
    return good ? 0 : 1;
}

int main(int argc, char **argv) {
    char dir[SCRATCH_BYTES];
    uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    const char *wanted = getenv("STRESS_EVENTS");
    if (wanted) events = strtoull(wanted, NULL, 10);
    if (!events || !make_shm_scratch(dir) || pthread_barrier_init(&together, NULL, THREADS)) return 2;
    setenv("P2PTRACE_SHM_DIR", dir, 1);
    int result = run(dir, TRACE_OVERWRITE_OLDEST, events / 2);
    if (!result) result = run(dir, TRACE_DISCARD_NEWEST, events / 2);
    DIR *names = opendir(dir); /* a closed log keeps its object for traced */
    for (struct dirent *entry; names && (entry = readdir(names));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(names), entry->d_name, 0);
    if (names) closedir(names);
    rmdir(dir);
    return result;
}
