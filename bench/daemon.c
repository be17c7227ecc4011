/* SPDX-License-Identifier: MIT
 *
 * The benchmark's traced: see daemon.h. */
#include "daemon.h"

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS_MAX UINT64_C(10000000000)

struct daemon {
    pid_t pid;
    char dir[64]; /* on the file system of the shared memory, so that a log can be moved into it */
    char socket[96];
};

static void pause_ms(long ms) {
    struct timespec time = {.tv_sec = 0, .tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

/* BUILD/bench/bench_x -> BUILD/traced/traced */
static bool find_traced(char *path, size_t bytes) {
    char self[1024];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;
    if (length <= 0) return false;
    self[length] = 0;
    for (int up = 0; up < 2; up++) {
        slash = strrchr(self, '/');
        if (!slash) return false;
        *slash = 0;
    }
    return (size_t)snprintf(path, bytes, "%s/traced/traced", self) < bytes && access(path, X_OK) == 0;
}

/* Returns a descriptor, or -1 when nobody listens. */
static int try_connect(const struct daemon *daemon) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) bench_die("socket: %s", strerror(errno));
    strncpy(address.sun_path, daemon->socket, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

int daemon_connect(const struct daemon *daemon) {
    int fd = try_connect(daemon);
    if (fd < 0) bench_die("traced does not listen");
    return fd;
}

uint64_t daemon_cpu_ns(const struct daemon *daemon) {
    struct timespec time;
    clockid_t clock;
    if (clock_getcpuclockid(daemon->pid, &clock) != 0 || clock_gettime(clock, &time) != 0) bench_die("traced has no clock");
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* The number after `what` in a text file; 0 if it is missing. */
static uint64_t number_in_file(const char *path, const char *what) {
    FILE *file = fopen(path, "r");
    uint64_t value = 0;
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        const char *at = strstr(line, what);
        if (at) value = strtoull(at + strlen(what), NULL, 10);
    }
    if (file) fclose(file);
    return value;
}

uint64_t daemon_resident_bytes(const struct daemon *daemon) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)daemon->pid);
    return (number_in_file(path, "RssAnon:") + number_in_file(path, "RssFile:")) << 10;
}

uint64_t daemon_promised_mib(const struct daemon *daemon) {
    char path[96];
    snprintf(path, sizeof path, "%s/log", daemon->dir);
    return number_in_file(path, "at most ");
}

/* One request on a new connection.  NULL when nobody answers. */
static json_t *ask(const struct daemon *daemon, const char *method) {
    json_t *answer = NULL;
    int fd = try_connect(daemon);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "r");
    if (stream && dprintf(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n", method) > 0)
        answer = json_loadf(stream, JSON_DISABLE_EOF_CHECK, NULL);
    if (stream) fclose(stream);
    return answer;
}

struct daemon *daemon_start(void) {
    return daemon_start_with(&(struct daemon_options){.history = NULL});
}

struct daemon *daemon_start_with(const struct daemon_options *options) {
    char path[1100];
    uint64_t deadline = bench_now_ns() + WAIT_NS_MAX;
    struct daemon *daemon;
    json_t *hello;

    if (!find_traced(path, sizeof path)) return NULL;
    daemon = calloc(1, sizeof *daemon);
    if (!daemon) bench_die("out of memory");
    strcpy(daemon->dir, "/dev/shm/bench-traced.XXXXXX");
    if (!mkdtemp(daemon->dir)) bench_die("%s: %s", daemon->dir, strerror(errno));
    snprintf(daemon->socket, sizeof daemon->socket, "%s/traced.sock", daemon->dir);

    daemon->pid = fork();
    if (daemon->pid < 0) bench_die("fork: %s", strerror(errno));
    if (daemon->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (!options->unpinned) bench_pin(0);
        setenv("P2PTRACE_SOCKET", daemon->socket, 1);
        if (chdir(daemon->dir) != 0 || !freopen("log", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(126);
        execl(path, path, "--shm-dir", daemon->dir, !options->history ? NULL : "--history", options->history, (char *)NULL);
        _exit(127);
    }
    while ((hello = ask(daemon, "hello")) == NULL) {
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid || bench_now_ns() > deadline) bench_die("%s did not start", path);
        pause_ms(5);
    }
    json_decref(hello);
    return daemon;
}

/* With what is left in it: the socket's lock, logs that were not drained. */
static void remove_dir(const char *path) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    rmdir(path);
}

void daemon_stop(struct daemon *daemon) {
    if (!daemon) return;
    kill(daemon->pid, SIGTERM);
    waitpid(daemon->pid, NULL, 0);
    remove_dir(daemon->dir);
    free(daemon);
}

static uint64_t number(const json_t *object, const char *name) {
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static bool read_node(struct daemon *daemon, const struct trace_node_id *node_id, struct daemon_node *ret_node) {
    json_t *answer = ask(daemon, "nodes"), *node;
    char wanted[2 * TRACE_NODE_ID_BYTES + 1];
    bool found = false;
    size_t i;

    for (i = 0; i < TRACE_NODE_ID_BYTES; i++) snprintf(wanted + 2 * i, 3, "%02x", node_id->bytes[i]);
    json_array_foreach(json_object_get(json_object_get(answer, "result"), "nodes"), i, node) {
        const char *id = json_string_value(json_object_get(node, "node_id"));
        const char *state = json_string_value(json_object_get(node, "state"));
        if (!id || strcmp(id, wanted) != 0) continue;
        *ret_node = (struct daemon_node){.emitted = number(node, "emitted"),
                                         .indexed = number(node, "indexed"),
                                         .lost = number(node, "lost"),
                                         .live = state && strcmp(state, "live") == 0};
        found = true;
    }
    json_decref(answer);
    return found;
}

void daemon_attach(struct daemon *daemon, const char *log_name, const struct trace_node_id *node_id) {
    uint64_t deadline = bench_now_ns() + WAIT_NS_MAX;
    char from[128], to[192];
    struct daemon_node node;

    snprintf(from, sizeof from, "/dev/shm%s", log_name);
    snprintf(to, sizeof to, "%s%s", daemon->dir, log_name);
    if (link(from, to) != 0) bench_die("%s: %s", to, strerror(errno));
    unlink(from);
    while (!read_node(daemon, node_id, &node) || !node.live) {
        if (bench_now_ns() > deadline) bench_die("traced does not see the node");
        pause_ms(2);
    }
}

struct daemon_node daemon_wait_drained(struct daemon *daemon, const struct trace_node_id *node_id) {
    uint64_t deadline = bench_now_ns() + WAIT_NS_MAX;
    struct daemon_node node = {.emitted = 1};
    /* Each drain updates the counters of a live node: ask twice, with a drain in between. */
    for (int same = 0; same < 2;) {
        uint64_t before = node.indexed + node.lost;
        if (bench_now_ns() > deadline) bench_die("traced does not drain the node");
        pause_ms(5);
        if (!read_node(daemon, node_id, &node)) bench_die("traced lost the node");
        same = node.emitted == node.indexed + node.lost && node.indexed + node.lost == before ? same + 1 : 0;
    }
    return node;
}
