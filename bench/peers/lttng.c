/* SPDX-License-Identifier: MIT
 *
 * LTTng's daemon and sessions, with the library liblttng-ctl: see lttng.h.  The same with LTTng's own commands:
 *
 *     lttng-sessiond --no-kernel &
 *     lttng create bench --output=...                                   (with --snapshot: LTTNG_OVERWRITE)
 *     lttng enable-channel --userspace --subbuf-size=512K --num-subbuf=16 --tracefile-size=64M --tracefile-count=4 bench
 *     lttng enable-event --userspace --channel=bench p2ptrace_bench:event
 *     lttng start; ...; lttng stop; lttng list bench; lttng destroy bench */
#include "lttng.h"

#include "lttng_events.h"

#include <dlfcn.h>
#include <errno.h>
#include <lttng/lttng.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOME "/dev/shm/lttng"
#define NAME "bench"
#define WAIT_NS_MAX UINT64_C(10000000000)

/* Per processor; all events are emitted on one.  As large as one of our lanes, in sub-buffers of LTTng's default size. */
#define BUFFER_BYTES ((uint64_t)TRACE_LANE_EVENTS * TRACE_EVENT_BYTES)
#define SUBBUFFER_BYTES (UINT64_C(512) << 10)

/* The newest of what is written is kept, as traced keeps the newest events. */
#define FILE_BYTES (UINT64_C(64) << 20)
#define FILE_COUNT 4

struct lttng_recording {
    struct lttng_handle *handle;
};

static const struct lttng_events *loaded;

/* liblttng-ctl: an error is negative, or in newer functions an enum lttng_error_code. */
static void check(int result, const char *what) {
    if (result < 0) bench_die("LTTng: %s: %s", what, lttng_strerror(result));
}
static void check_code(enum lttng_error_code code, const char *what) {
    if (code != LTTNG_OK) check(-(int)code, what);
}

/* ---- the daemon ---------------------------------------------------------------------------------------------------------- */

static void start_daemon(void) {
    const struct timespec pause = {.tv_nsec = 5000000};
    uint64_t deadline = bench_now_ns() + WAIT_NS_MAX;
    pid_t pid;

    if (mkdir(HOME, 0700) != 0 && errno != EEXIST) bench_die("%s: %s", HOME, strerror(errno));
    setenv("LTTNG_HOME", HOME, 1);
    setenv("LTTNG_UST_REGISTER_TIMEOUT", "-1", 1); /* its library waits, when it is loaded, until the daemon knows of us */
    pid = fork();
    if (pid < 0) bench_die("fork: %s", strerror(errno));
    if (pid == 0) {
        bench_pin(0);
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(126);
        execlp("lttng-sessiond", "lttng-sessiond", "--no-kernel", (char *)NULL);
        _exit(127);
    }
    while (lttng_session_daemon_alive() != 1) {
        if (waitpid(pid, NULL, WNOHANG) == pid || bench_now_ns() > deadline) bench_die("lttng-sessiond did not start");
        nanosleep(&pause, NULL);
    }
}

/* Runs besides this program.  Its threads inherit our pinning, away from where the events are emitted. */
static void load_events(void) {
    char path[1024];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    char *slash;
    void *module;

    path[length > 0 ? length : 0] = 0;
    slash = strrchr(path, '/');
    if (!slash) bench_die("/proc/self/exe: %s", strerror(errno));
    strcpy(slash, "/lttng_events.so");
    bench_pin(0);
    module = dlopen(path, RTLD_NOW);
    if (!module) bench_die("%s", dlerror());
    loaded = dlsym(module, "lttng_events");
    if (!loaded) bench_die("%s", dlerror());
}

/* ---- a session ----------------------------------------------------------------------------------------------------------- */

static void create_session(enum lttng_mode mode) {
    struct lttng_session_descriptor *session = mode == LTTNG_OVERWRITE
                                                   ? lttng_session_descriptor_snapshot_local_create(NAME, HOME "/out")
                                                   : lttng_session_descriptor_local_create(NAME, HOME "/out");
    if (!session) bench_die("LTTng: out of memory");
    check_code(lttng_create_session_ext(session), "create a session");
    lttng_session_descriptor_destroy(session);
}

static void enable_channel(struct lttng_handle *handle, struct lttng_domain *domain, enum lttng_mode mode) {
    struct lttng_channel *channel = lttng_channel_create(domain);
    if (!channel) bench_die("LTTng: out of memory");
    strcpy(channel->name, NAME);
    channel->attr.overwrite = mode == LTTNG_OVERWRITE;
    channel->attr.subbuf_size = SUBBUFFER_BYTES;
    channel->attr.num_subbuf = BUFFER_BYTES / SUBBUFFER_BYTES;
    if (mode == LTTNG_DRAINED) {
        channel->attr.tracefile_size = FILE_BYTES;
        channel->attr.tracefile_count = FILE_COUNT;
    }
    check(lttng_enable_channel(handle, channel), "enable a channel");
    lttng_channel_destroy(channel);
}

static void enable_event(struct lttng_handle *handle) {
    struct lttng_event *event = lttng_event_create();
    if (!event) bench_die("LTTng: out of memory");
    strcpy(event->name, "p2ptrace_bench:event");
    event->type = LTTNG_EVENT_TRACEPOINT;
    event->loglevel_type = LTTNG_EVENT_LOGLEVEL_ALL;
    check(lttng_enable_event(handle, event, NAME), "enable the tracepoint");
    lttng_event_destroy(event);
}

struct lttng_recording *lttng_record(enum lttng_mode mode) {
    struct lttng_domain domain = {.type = LTTNG_DOMAIN_UST, .buf_type = LTTNG_BUFFER_PER_UID};
    struct lttng_recording *recording = calloc(1, sizeof *recording);

    if (!recording) bench_die("out of memory");
    if (!loaded) {
        start_daemon();
        load_events();
    }
    create_session(mode);
    recording->handle = lttng_create_handle(NAME, &domain);
    if (!recording->handle) bench_die("LTTng: out of memory");
    enable_channel(recording->handle, &domain, mode);
    enable_event(recording->handle);
    check(lttng_start_tracing(NAME), "start");
    if (!loaded->enabled()) bench_die("LTTng records, but not our tracepoint");
    return recording;
}

uint64_t lttng_finish(struct lttng_recording *recording) {
    struct lttng_channel *channels = NULL;
    uint64_t discarded = 0;
    int count;

    check(lttng_stop_tracing(NAME), "stop");
    count = lttng_list_channels(recording->handle, &channels);
    check(count, "list the channels");
    for (int i = 0; i < count; i++) {
        uint64_t events;
        check(lttng_channel_get_discarded_event_count(&channels[i], &events), "count what was discarded");
        discarded += events;
    }
    free(channels);
    lttng_destroy_handle(recording->handle);
    free(recording);
    check(lttng_destroy_session(NAME), "destroy the session");
    return discarded;
}

emit_loop *lttng_loop(void) { return loaded->loop; }
