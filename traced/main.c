/* SPDX-License-Identifier: MIT
 *
 * traced: assembles the parts, runs the loop, and dismantles them. */
#include "footprint.h"
#include "log.h"
#include "options.h"
#include "pidfile.h"
#include "preflight.h"
#include "recorder.h"
#include "server.h"
#include "service.h"
#include "socket_claim.h"
#include "systemd.h"
#include "threads.h"
#include "traced_limits.h"
#include "wide_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <libtrace/drain_lock.h>
#include <proto/clock.h>
#include <proto/descriptors.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <urcu.h>

struct daemon {
    gid_t group; /* CREDENTIALS_NO_GROUP: none */
    struct socket_claim claim;
    struct drain_lock drain_lock;
    struct service service;
    struct server server;
    uv_loop_t loop;
};

TRACE_STATIC_ASSERT_(HISTORY_BYTES_MIN == (size_t)60 << 20, "options.c states the minimum");

/* Beside those of nodes and clients: the log, recordings, what threads wait on. */
#define OTHER_DESCRIPTORS 128

static void wake(void *arg) {
    struct daemon *daemon = arg;
    if (daemon->service.recorder) recorder_wake(daemon->service.recorder);
    server_wake(&daemon->server);
}

static void say(void *arg, enum log_level level, const char *line) {
    (void)arg;
    log_say(level, "%s", line);
}

/* Each node's ring and each client uses a descriptor. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) log_say(LOG_LEVEL_WARNING, "cannot raise the number of open files");
}

static int fail(const char *what, int error) {
    log_say(LOG_LEVEL_ERROR, "%s: %s", what, strerror(-error));
    return OPTIONS_EXIT_FAILURE;
}

static void stop_ingest(void *arg) {
    struct daemon *daemon = arg;
    systemd_notify("STOPPING=1");
    ingest_stats(daemon->service.ingest, &daemon->service.last_ingest);
    ingest_stop(daemon->service.ingest);
    daemon->service.ingest = NULL;
    if (daemon->service.recorder) recorder_stats(daemon->service.recorder, &daemon->service.last_record);
    recorder_stop(daemon->service.recorder);
    daemon->service.recorder = NULL;
    keeper_stop(daemon->service.keeper);
    daemon->service.keeper = NULL;
}

/* --record.  Before the ingest, which wakes it. */
static int start_recorder(struct daemon *daemon, const struct options *options) {
    struct recorder_config config = {
        .dir = options->record,
        .bytes_max = options->record_bytes_max,
        .age_max_ns = options->record_age_ns,
        .seal_ns = options->record_seal_ns,
        .compress = options->record_compress,
        .store = &daemon->service.store,
        .say = say,
        .arg = daemon,
    };
    int error = options->record ? recorder_start(&daemon->service.recorder, &config) : 0;
    daemon->service.records = daemon->service.recorder;
    if (error) log_say(LOG_LEVEL_ERROR, "cannot record to %s: %s", options->record, strerror(-error));
    return error;
}

/* --keep.  Before the first event. */
static int start_keeper(struct service *service, const struct options *options) {
    struct trace_rpc_error error = {0};
    if (!options->keep) return 0;
    int result = keeper_start(&service->keeper, &service->store, options->keep, &error);
    if (result) log_say(LOG_LEVEL_ERROR, "cannot keep traces (--keep): %s", error.message);
    trace_rpc_error_fini(&error);
    return result;
}

/* The memory of optional parts: in total, and the part not allocated at the start. */
static uint64_t optional_bytes(const struct daemon *daemon, const struct options *options, bool later) {
    const struct store *store = &daemon->service.store;
    uint64_t bytes = 0;
    if (options->record) bytes += recorder_bytes() - (later ? recorder_bytes_at_start() : 0);
    if (options->keep) bytes += keeper_bytes(store) - (later ? keeper_bytes_at_start(store) : 0);
    return bytes;
}

static void nothing(uv_work_t *request) { (void)request; }

/* The pool's threads start with its first request.  Start them now, so that their stacks count (footprint_keep). */
static void start_pool(struct daemon *daemon) {
    static uv_work_t request;
    if (uv_queue_work(&daemon->loop, &request, nothing, NULL)) log_say(LOG_LEVEL_WARNING, "cannot start the workers yet");
}

static int serve(struct daemon *daemon, const struct options *options) {
    struct service *service = &daemon->service;
    struct ingest_config config = {
        .shm_dir = options->shm_dir,
        .uid = (uint32_t)geteuid(),
        .read_only = options->read_only,
        .history = service->store.history,
        .nodes = service->store.nodes,
        .control = service->control,
        .wake = wake,
        .say = say,
        .arg = daemon,
    };
    int error = trace_need_descriptors(TRACE_DESCRIPTORS_OF_A_LOOP);
    if (!error) error = uv_loop_init(&daemon->loop);
    if (error) return fail("cannot create the loop", error);
    error = loop_widen(&daemon->loop, NODES_MAX + LIMIT_CLIENTS + OTHER_DESCRIPTORS);
    if (error)
        log_say(LOG_LEVEL_WARNING, "cannot allocate the table for the descriptors of all clients yet: %s", strerror(-error));
    error = server_init(&daemon->server, &daemon->loop, service, daemon->claim.listen_fd, daemon->group);
    if (error) return fail("cannot create the server", error);
    if (start_keeper(service, options) || start_recorder(daemon, options)) return OPTIONS_EXIT_FAILURE;
    error = ingest_start(&service->ingest, &config);
    if (error) {
        log_say(LOG_LEVEL_ERROR, "cannot watch %s for nodes: %s", options->shm_dir, strerror(-error));
        return OPTIONS_EXIT_FAILURE;
    }
    server_set_on_stop(&daemon->server, stop_ingest, daemon);
    start_pool(daemon);
    error = footprint_keep(LIMIT_BESIDE_BYTES + aliases_bytes() + optional_bytes(daemon, options, true));
    if (error) log_say(LOG_LEVEL_WARNING, "cannot bound the memory of answers: %s", strerror(-error));
    struct history_stats stats;
    history_stats(service->store.history, &stats);
    log_say(LOG_LEVEL_INFO,
            "listening on %s; the history has %zu MiB and holds %llu events; with clients and answers at most %llu MiB",
            daemon->claim.path, stats.bytes_max >> 20, (unsigned long long)stats.events_max,
            (unsigned long long)service->memory_limit >> 20);
    error = options->pidfile ? pidfile_write(options->pidfile) : 0;
    if (error) return fail("cannot write the pidfile (--pidfile)", error);
    systemd_notify("READY=1");
    uv_run(&daemon->loop, UV_RUN_DEFAULT);
    if (options->pidfile) pidfile_remove(options->pidfile);
    server_fini(&daemon->server);
    error = uv_loop_close(&daemon->loop);
    return error ? fail("the loop was not empty at the end", error) : OPTIONS_EXIT_OK;
}

/* Those of the pool, of the history, of the ingest, and of optional parts. */
static int check_threads(const struct options *options) {
    unsigned count = LIMIT_SHORT_THREADS + LIMIT_LONG_THREADS + 2 + (options->record != NULL) + (options->keep != NULL);
    int error = threads_check(count);
    if (error)
        log_say(LOG_LEVEL_ERROR, "cannot start %u threads: %s (a limit: ulimit -u, TasksMax= of the unit, or the container's)",
                count, strerror(-error));
    return error;
}

/* When serve() fails, the process ends and the kernel frees what was created here. */
static int run(struct daemon *daemon, const struct options *options) {
    struct service *service = &daemon->service;
    service->read_only = options->read_only;
    service->started_monotonic_ns = trace_now_monotonic_ns();
    char reason[FOOTPRINT_REASON_BYTES];
    if (check_threads(options)) return OPTIONS_EXIT_FAILURE;
    /* Touching memory that does not exist would make the kernel kill us or another process. */
    if (!footprint_history_fits(options->history_bytes, reason)) {
        log_say(LOG_LEVEL_ERROR, "cannot allocate the history: %s", reason);
        return OPTIONS_EXIT_FAILURE;
    }
    int error = store_init(&service->store, options->history_bytes);
    if (error) return fail("no memory for the history (--history)", error);
    service->memory_limit = footprint_promise(options->history_bytes) + optional_bytes(daemon, options, false);
    error = control_create(&service->control);
    if (error) return fail("cannot create the queue to the ingest", error);
    int code = serve(daemon, options);
    if (code == OPTIONS_EXIT_OK) {
        control_destroy(service->control);
        store_fini(&service->store);
        log_say(LOG_LEVEL_INFO, "stopped");
    }
    return code;
}

/* A ring or a socket must not get the number of a closed standard stream, or the log would be written into it. */
static void fill_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) return; /* it gets the lowest free number */
}

/* --group: a name, or a number. */
static int find_group(const char *name, gid_t *ret_group, char *reason) {
    char *end;
    *ret_group = CREDENTIALS_NO_GROUP;
    if (!name) return 0;
    const struct group *group = getgrnam(name);
    unsigned long number = strtoul(name, &end, 10);
    if (group)
        *ret_group = group->gr_gid;
    else if (*name >= '0' && *name <= '9' && !*end && number < CREDENTIALS_NO_GROUP)
        *ret_group = (gid_t)number;
    else
        snprintf(reason, TRACE_SOCKET_REASON_BYTES, "there is no group %.100s (--group)", name);
    return *ret_group == CREDENTIALS_NO_GROUP ? -ENOENT : 0;
}

/* The socket passed by the service manager, else our own. */
static int claim_a_socket(struct socket_claim *claim, const struct options *options, gid_t group, char *reason) {
    struct trace_socket_path path;
    int listen_fd, passed = systemd_take_socket(&listen_fd, reason);
    if (passed < 0) return passed;
    int error = passed ? socket_claim_adopt(claim, listen_fd, reason) : trace_socket_path(&path, options->socket, reason);
    if (error) return error;
    if (!passed) return socket_claim_take(claim, path.path, group, reason);
    if (!options->socket || !strcmp(options->socket, claim->path)) return 0;
    snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the service manager passes the socket %s, not --socket %.200s", claim->path,
             options->socket);
    socket_claim_release(claim);
    return -EINVAL;
}

/* If we cannot lock (a read-only file system), we cannot notice another traced by it. */
static int lock_rings(struct daemon *daemon, const struct options *options, char *reason) {
    if (options->read_only) return 0;
    int error = drain_lock_take(&daemon->drain_lock, options->shm_dir, daemon->claim.path, reason);
    if (!error || error == -EADDRINUSE || error == -ENOENT) return error;
    log_say(LOG_LEVEL_WARNING, "%s; another traced would not be noticed", reason);
    return 0;
}

int main(int argc, char **argv) {
    fill_standard_streams();
    static struct daemon daemon;
    struct options options;
    char reason[TRACE_SOCKET_REASON_BYTES];
    switch (options_parse(&options, argc, argv, stdout, stderr)) {
    case OPTIONS_RUN: break;
    case OPTIONS_DONE: return OPTIONS_EXIT_OK;
    case OPTIONS_WRONG: return OPTIONS_EXIT_USAGE;
    }
    log_set_level(options.log_level);
    int error = options.log && !options.check ? log_open(options.log) : 0;
    if (error) return fail("cannot open the log (--log)", error);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    footprint_begin();
    lanes_size_pool();
    json_object_seed(0); /* before there are threads */
    error = find_group(options.group, &daemon.group, reason);
    if (!error && options.check) return preflight_run(&options, daemon.group, stdout) ? OPTIONS_EXIT_FAILURE : OPTIONS_EXIT_OK;
    if (error || claim_a_socket(&daemon.claim, &options, daemon.group, reason)) {
        log_say(LOG_LEVEL_ERROR, "%s", reason);
        return OPTIONS_EXIT_FAILURE;
    }
    if (lock_rings(&daemon, &options, reason)) {
        log_say(LOG_LEVEL_ERROR, "%s", reason);
        socket_claim_release(&daemon.claim);
        return OPTIONS_EXIT_FAILURE;
    }
    store_enter_thread();
    int code = run(&daemon, &options);
    drain_lock_release(&daemon.drain_lock);
    socket_claim_release(&daemon.claim);
    return code;
}
