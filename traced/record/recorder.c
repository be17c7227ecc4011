/* SPDX-License-Identifier: MIT
 *
 * See recorder.h. */
#include "recorder.h"
#include "recorder_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <recording/writer.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/history_image.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How often ages are checked when nothing else happens, and how often a lasting failure is logged again. */
#define IDLE_MS 60000
#define REPEAT_NS UINT64_C(60000000000)

struct recorder {
    struct recorder_config config;
    struct recording_maker *maker;
    int dir_fd, wake_fd;
    pthread_t thread;
    uint64_t woken; /* the appending thread's: segments for which the thread was woken */
    _Atomic bool stop;
    /* the thread's */
    uint64_t next;    /* segment to write */
    uint32_t written; /* its events that are already in files, written while it was open */
    uint64_t number;  /* of the next file.  A segment that is dropped takes one, too, so that it leaves a gap; one without
                             * an event of its own takes none */
    struct {          /* the newest file; `end` 0: none */
        uint64_t segment, number;
        uint32_t first, end;
        uint64_t deaths; /* of the nodes that it lists: the number of those that had ended */
    } newest;
    uint64_t part_ns;       /* when the open segment was last checked, on CLOCK_MONOTONIC */
    uint64_t next_compress; /* file */
    uint64_t told_ns;       /* when a failure was last logged; 0: all is well */
    uint64_t told_dropped;
    /* counters: written by the thread, read by any */
    _Atomic uint64_t segments, events, bytes, dropped_segments, dropped_events, removed_files;
};

size_t recorder_bytes(void) { return recording_maker_bytes() + HISTORY_IMAGE_ANEW_BYTES + ((size_t)1 << 20); }
size_t recorder_bytes_at_start(void) { return history_image_bytes_max(); }

static void say(struct recorder *recorder, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(struct recorder *recorder, enum log_level level, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    recorder->config.say(recorder->config.arg, level, line);
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* relaxed: single counters, their order does not matter */
static void add(_Atomic uint64_t *counter, uint64_t count) { atomic_fetch_add_explicit(counter, count, memory_order_relaxed); }
static uint64_t get(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

/* ---- what is lost ------------------------------------------------------------------------------------------------------- */

/* Logs the first drop at once, and later ones once a minute. */
static void tell_dropped(struct recorder *recorder, const char *why) {
    uint64_t now_ns = clock_ns(CLOCK_MONOTONIC), dropped = get(&recorder->dropped_segments);
    if (recorder->told_ns != 0 && now_ns - recorder->told_ns < REPEAT_NS) return;
    recorder->told_ns = now_ns;
    say(recorder, LOG_LEVEL_WARNING, "recording to %.100s: %s; %" PRIu64 " segments dropped so far", recorder->config.dir, why,
        dropped);
    recorder->told_dropped = dropped;
}

static void tell_recovered(struct recorder *recorder) {
    uint64_t dropped = get(&recorder->dropped_segments);
    if (recorder->told_ns == 0) return;
    say(recorder, LOG_LEVEL_INFO, "recording to %.100s resumed; %" PRIu64 " segments were dropped so far", recorder->config.dir,
        dropped);
    recorder->told_ns = 0;
}

static void drop(struct recorder *recorder, uint64_t segments, uint64_t events, const char *why) {
    recorder->number += segments;
    add(&recorder->dropped_segments, segments);
    add(&recorder->dropped_events, events);
    tell_dropped(recorder, why);
}

/* ---- files -------------------------------------------------------------------------------------------------------------- */

static int open_part(struct recorder *recorder, const char *name, char part[RECORDER_NAME_BYTES + 8]) {
    int fd;
    snprintf(part, RECORDER_NAME_BYTES + 8, "%s.part", name);
    fd = openat(recorder->dir_fd, part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -errno;
    (void)flock(fd, LOCK_EX | LOCK_NB); /* marks it as being written */
    return fd;
}

/* Renames a finished part, or removes it after an error.  Returns 0 or that error. */
static int close_part(struct recorder *recorder, int fd, const char *part, const char *name, int error) {
    if (error == 0 && renameat(recorder->dir_fd, part, recorder->dir_fd, name) != 0) error = -errno;
    if (error != 0) (void)unlinkat(recorder->dir_fd, part, 0);
    close(fd);
    return error;
}

static int write_file(struct recorder *recorder, uint64_t number, uint64_t *ret_bytes) {
    char name[RECORDER_NAME_BYTES], part[RECORDER_NAME_BYTES + 8];
    int fd, error;

    recorder_name(name, recording_maker_instance(recorder->maker), number);
    fd = open_part(recorder, name, part);
    if (fd < 0) return fd;
    error = recording_maker_write(recorder->maker, fd, 0, ret_bytes);
    return close_part(recorder, fd, part, name, error);
}

/* A compressed copy replaces the file and keeps its age. */
static int compress_file(struct recorder *recorder, uint64_t number) {
    char name[RECORDER_NAME_BYTES], part[RECORDER_NAME_BYTES + 8];
    struct stat status;
    uint64_t bytes;
    int from_fd, fd, error;

    recorder_name(name, recording_maker_instance(recorder->maker), number);
    from_fd = openat(recorder->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from_fd < 0) return -errno;
    fd = open_part(recorder, name, part);
    error = fd < 0 ? fd : recording_maker_recompress(recorder->maker, from_fd, fd, &bytes);
    if (error == 0 && fstat(from_fd, &status) == 0) {
        const struct timespec times[2] = {status.st_atim, status.st_mtim};
        (void)futimens(fd, times);
    }
    if (fd >= 0) error = close_part(recorder, fd, part, name, error);
    close(from_fd);
    return error;
}

static void remove_old(struct recorder *recorder) {
    uint64_t now_ns = clock_ns(CLOCK_REALTIME), age_ns = recorder->config.age_max_ns;
    int removed =
        recorder_remove_old(recorder->dir_fd, recorder->config.bytes_max, age_ns != 0 && age_ns < now_ns ? now_ns - age_ns : 0);
    if (removed > 0) add(&recorder->removed_files, (uint64_t)removed);
}

/* ---- segments ----------------------------------------------------------------------------------------------------------- */

static int take_events(const struct recorder *recorder, uint64_t segment, uint32_t first, uint32_t end) {
    const struct store *store = recorder->config.store;
    return first == 0 && end == HISTORY_SEGMENT_EVENTS ? recording_maker_take(recorder->maker, store, segment)
                                                       : recording_maker_take_part(recorder->maker, store, segment, first, end);
}

/* Writes those of the next segment's first `end` events that are not written yet. */
static void write_events(struct recorder *recorder, uint32_t end) {
    struct recording_maker *maker = recorder->maker;
    uint32_t first = recorder->written;
    uint64_t bytes, deaths = nodes_deaths(recorder->config.store->nodes);
    int error = take_events(recorder, recorder->next, first, end);

    recorder->written = end;
    if (error == -ENODATA) return;
    if (error == -ENOENT) { /* evicted while it was copied */
        drop(recorder, 1, end - first, "the disk is too slow");
        return;
    }
    recording_maker_set_number(maker, recorder->number);
    if (error == 0) error = write_file(recorder, recorder->number, &bytes);
    if (error < 0) {
        drop(recorder, 1, end - first, strerror(-error));
        return;
    }
    recorder->newest.segment = recorder->next;
    recorder->newest.number = recorder->number++;
    recorder->newest.first = first;
    recorder->newest.end = end;
    recorder->newest.deaths = deaths;
    add(&recorder->segments, 1);
    add(&recorder->events, recording_maker_events(recorder->maker));
    add(&recorder->bytes, bytes);
    tell_recovered(recorder);
}

static void write_segment(struct recorder *recorder) {
    if (recorder->written < HISTORY_SEGMENT_EVENTS) write_events(recorder, HISTORY_SEGMENT_EVENTS);
    recorder->next++;
    recorder->written = 0;
}

/* Segments that have already left the history. */
static void skip_evicted(struct recorder *recorder) {
    uint64_t oldest = history_begin_position(recorder->config.store->history) / HISTORY_SEGMENT_EVENTS;
    uint64_t segments = oldest > recorder->next ? oldest - recorder->next : 0;
    if (segments == 0) return;
    drop(recorder, segments, segments * HISTORY_SEGMENT_EVENTS - recorder->written, "the disk is too slow");
    recorder->next = oldest;
    recorder->written = 0;
}

static uint64_t sealed(const struct recorder *recorder) {
    return history_end_position(recorder->config.store->history) / HISTORY_SEGMENT_EVENTS;
}

/* Writes what has been appended to the open segment.  Returns true if there was anything. */
static bool write_open(struct recorder *recorder) {
    uint64_t end = history_end_position(recorder->config.store->history), begin = recorder->next * HISTORY_SEGMENT_EVENTS;

    recorder->part_ns = clock_ns(CLOCK_MONOTONIC);
    if (end <= begin + recorder->written || end >= begin + HISTORY_SEGMENT_EVENTS) return false;
    write_events(recorder, (uint32_t)(end - begin));
    return true;
}

/* Nodes have ended, and no event follows with which that would be written: the newest file is written again, if its events are
 * still there.  Otherwise it would say that they are live. */
static void write_ends(struct recorder *recorder) {
    uint64_t bytes, deaths = nodes_deaths(recorder->config.store->nodes);
    if (recorder->newest.end == 0 || recorder->newest.deaths == deaths) return;
    recorder->newest.deaths = deaths;
    if (take_events(recorder, recorder->newest.segment, recorder->newest.first, recorder->newest.end) < 0) return;
    recording_maker_set_number(recorder->maker, recorder->newest.number);
    (void)write_file(recorder, recorder->newest.number, &bytes); /* the old one stays if that fails */
}

static bool part_is_due(const struct recorder *recorder) {
    return recorder->config.seal_ns != 0 && clock_ns(CLOCK_MONOTONIC) - recorder->part_ns >= recorder->config.seal_ns;
}

/* Writes sealed segments, and the due part of the open one; compresses one old file when there is nothing to write. */
static void write_sealed(struct recorder *recorder) {
    bool wrote = false;
    for (skip_evicted(recorder); recorder->next < sealed(recorder); skip_evicted(recorder)) {
        write_segment(recorder);
        wrote = true;
        remove_old(recorder);
    }
    bool due = part_is_due(recorder), part = due && write_open(recorder);
    if (due && !part) write_ends(recorder);
    if (part || !wrote) remove_old(recorder); /* for their age, too */
}

/* Returns true when there is more to compress. */
static bool compress_one(struct recorder *recorder) {
    if (!recorder->config.compress || recorder->next_compress + RECORDER_PLAIN_FILES >= recorder->number) return false;
    int error = compress_file(recorder, recorder->next_compress++);
    if (error < 0 && error != -ENOENT && error != -EALREADY) /* it is unchanged; no message if it was removed or dropped */
        say(recorder, LOG_LEVEL_WARNING, "recording to %.100s: a segment was not compressed: %s", recorder->config.dir,
            strerror(-error));
    return recorder->next_compress + RECORDER_PLAIN_FILES < recorder->number;
}

static void write_rest(struct recorder *recorder) {
    write_sealed(recorder);
    if (!write_open(recorder)) write_ends(recorder);
    remove_old(recorder);
    say(recorder, LOG_LEVEL_INFO, "recorded %" PRIu64 " events in %" PRIu64 " segments to %.100s; %" PRIu64 " segments dropped",
        get(&recorder->events), get(&recorder->segments), recorder->config.dir, get(&recorder->dropped_segments));
}

static int idle_ms(const struct recorder *recorder) {
    uint64_t seal_ms = recorder->config.seal_ns / 1000000 + 1;
    return recorder->config.seal_ns != 0 && seal_ms < IDLE_MS ? (int)seal_ms : IDLE_MS;
}

static void *run(void *arg) {
    struct recorder *recorder = arg;
    bool more = false;

    store_enter_thread();
    (void)prctl(PR_SET_NAME, "recorder");
    while (!atomic_load_explicit(&recorder->stop, memory_order_acquire)) { /* stop:A  Pairs with stop:R. */
        struct pollfd poll_fd = {.fd = recorder->wake_fd, .events = POLLIN};
        eventfd_t woken;
        if (poll(&poll_fd, 1, more ? 0 : idle_ms(recorder)) > 0) (void)eventfd_read(recorder->wake_fd, &woken);
        write_sealed(recorder);
        more = compress_one(recorder);
    }
    write_rest(recorder);
    return NULL;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static int open_dir(const char *dir) {
    char probe[] = ".p2ptrace-probe";
    int fd, probe_fd;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) return -errno;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -errno;
    probe_fd = openat(fd, probe, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (probe_fd < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    (void)unlinkat(fd, probe, 0);
    close(probe_fd);
    return fd;
}

static int start_thread(struct recorder *recorder) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = -pthread_create(&recorder->thread, NULL, run, recorder);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int recorder_start(struct recorder **ret_recorder, const struct recorder_config *config) {
    struct recorder *recorder = calloc(1, sizeof *recorder);
    int error;

    if (!recorder) return -ENOMEM;
    recorder->config = *config;
    error = recorder->dir_fd = open_dir(config->dir);
    if (error < 0) goto fail_dir;
    recorder->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    error = recorder->wake_fd < 0 ? -errno : 0;
    if (error < 0) goto fail_eventfd;
    error = recording_maker_create(&recorder->maker, false);
    if (error < 0) goto fail_maker;
    error = start_thread(recorder);
    if (error < 0) goto fail_thread;
    *ret_recorder = recorder;
    return 0;

fail_thread:
    recording_maker_destroy(recorder->maker);
fail_maker:
    close(recorder->wake_fd);
fail_eventfd:
    close(recorder->dir_fd);
fail_dir:
    free(recorder);
    return error;
}

void recorder_wake(struct recorder *recorder) {
    uint64_t now = sealed(recorder);
    if (now == recorder->woken) return;
    recorder->woken = now;
    (void)eventfd_write(recorder->wake_fd, 1);
}

void recorder_stop(struct recorder *recorder) {
    if (!recorder) return;
    /* stop:R  The last write sees everything appended before.  Pairs with stop:A. */
    atomic_store_explicit(&recorder->stop, true, memory_order_release);
    (void)eventfd_write(recorder->wake_fd, 1);
    pthread_join(recorder->thread, NULL);
    recording_maker_destroy(recorder->maker);
    close(recorder->wake_fd);
    close(recorder->dir_fd);
    free(recorder);
}

void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret_stats) {
    *ret_stats = (struct recorder_stats){.segments = get(&recorder->segments),
                                         .events = get(&recorder->events),
                                         .bytes = get(&recorder->bytes),
                                         .dropped_segments = get(&recorder->dropped_segments),
                                         .dropped_events = get(&recorder->dropped_events),
                                         .removed_files = get(&recorder->removed_files)};
}
