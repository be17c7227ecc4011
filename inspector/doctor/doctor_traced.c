/* SPDX-License-Identifier: MIT
 *
 * The daemon: is it running, is it ours, and what do its counters say? */
#include "doctor_checks.h"
#include "json_get.h"
#include "limits.h"
#include "process_state.h"
#include "socket_place.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libtrace/drain_lock.h>
#include <proto/socket_path.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- is it running? ---- */

/* Connects once.  Returns 0, and who listens (0: not visible from here), or a negative errno. */
static int try_connect(const char *path, pid_t *ret_listener) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    int result = connect(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
    struct ucred listener = {0};
    socklen_t bytes = sizeof listener;
    if (!result && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &bytes)) *ret_listener = listener.pid;
    close(fd);
    return result;
}

/* The owner of the path, or of the nearest visible directory above it. */
static const char *owner_of(const char *path) {
    char above[TRACE_SOCKET_PATH_BYTES];
    struct stat status;
    snprintf(above, sizeof above, "%s", path);
    while (stat(above, &status)) {
        char *slash = strrchr(above, '/');
        if (!slash || slash == above) return "another user";
        *slash = 0;
    }
    const struct passwd *user = getpwuid(status.st_uid);
    return user ? user->pw_name : "another user";
}

static void report_no_traced(struct doctor *doctor, const struct trace_socket_path *path, int error) {
    char socket[TRACE_SOCKET_PATH_BYTES] = "", taken[512];
    bool is_default = !strcmp(path->source, "the default") || !strcmp(path->source, "$XDG_RUNTIME_DIR");
    pid_t holder = drain_lock_holder(doctor->dir, socket);
    if (holder > 0 && strcmp(socket, path->path) != 0)
        doctor_wrong(doctor, "socket", doctor_remedy("export P2PTRACE_SOCKET=%s", socket),
                     "nobody listens on %s (from %s), but traced (process %d) does elsewhere", path->path, path->source,
                     (int)holder);
    else if (is_default && socket_place_is_taken(path->path, taken, sizeof taken))
        doctor_wrong(doctor, "socket", "export P2PTRACE_SOCKET=$HOME/traced.sock; traced &", "%s", taken);
    else if (error == -ENOENT)
        doctor_wrong(doctor, "socket", "traced &", "traced is not running: there is no %s (from %s)", path->path, path->source);
    else if (error == -ECONNREFUSED)
        doctor_wrong(doctor, "socket", "traced &", "traced is not running: the one that created %s (from %s) is dead", path->path,
                     path->source);
    else if (error == -EACCES || error == -EPERM)
        doctor_wrong(doctor, "socket", doctor_remedy("sudo -u %s inspector doctor", owner_of(path->path)),
                     "%s (from %s) is another user's", path->path, path->source);
    else
        doctor_wrong(doctor, "socket", "traced --check", "%s (from %s): %s", path->path, path->source, strerror(-error));
}

/* ---- which directory it reads ---- */

/* The directory whose rings a process drains: it holds the lock file open.  Returns false when we cannot see that. */
static bool drained_by(pid_t pid, char *ret_dir, size_t bytes) {
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    bool found = false;
    if (!dir) return false;
    for (const struct dirent *entry; !found && (entry = readdir(dir));) {
        ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        char *slash = strrchr(target, '/');
        found = slash && slash > target && (size_t)(slash - target) < bytes && drain_lock_is_name(slash + 1);
        if (found) snprintf(ret_dir, bytes, "%.*s", (int)(slash - target), target);
    }
    closedir(dir);
    return found;
}

static bool is_same_place(const char *one, const char *other) {
    struct stat a, b;
    return !stat(one, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void look_at_draining(struct doctor *doctor) {
    char socket[TRACE_SOCKET_PATH_BYTES] = "", dir[280];
    pid_t holder = drain_lock_holder(doctor->dir, socket);
    bool drains = drained_by(doctor->traced, dir, sizeof dir);
    if (holder == doctor->traced || (holder && drains && is_same_place(dir, doctor->dir))) {
        doctor_fine(doctor, "draining", "traced (process %d) reads the rings in %s", (int)doctor->traced, doctor->dir);
    } else if (drains) {
        doctor_wrong(doctor, "draining", doctor_remedy("export P2PTRACE_SHM_DIR=%s", dir),
                     "traced (process %d) reads the rings in %s, and we look in %s", (int)doctor->traced, dir, doctor->dir);
    } else if (holder > 0) {
        doctor_wrong(
            doctor, "draining", doctor_remedy("export P2PTRACE_SOCKET=%s", socket),
            "the traced that answers (process %d) only watches; process %d drains the rings, and can change what nodes emit",
            (int)doctor->traced, (int)holder);
    } else if (access(doctor->dir, W_OK)) {
        doctor_wrong(doctor, "draining", doctor_remedy("ls -ld %s", doctor->dir),
                     "nobody can lock the rings in %s, which is not writable: if two traceds read them, neither would notice",
                     doctor->dir);
    } else {
        doctor_wrong(doctor, "draining", doctor_restart(doctor, ""),
                     "the traced that answers (process %d) does not drain the rings in %s: it only watches, or looks elsewhere",
                     (int)doctor->traced, doctor->dir);
    }
}

static void look_at_version(struct doctor *doctor, const json_t *hello) {
    const char *version = json_get_text(hello, "version");
    const char *remedy = doctor_restart(doctor, "");
    uint64_t protocol = json_get_count(hello, "protocol");
    if (!version || strcmp(version, P2PTRACE_VERSION) != 0 || protocol != 1)
        doctor_wrong(doctor, "version", remedy, "traced is %s and speaks protocol %" PRIu64 ", inspector is %s and speaks 1",
                     version ? version : "of no version", protocol, P2PTRACE_VERSION);
    else
        doctor_fine(doctor, "version", "traced and inspector are %s", version);
}

void doctor_look_for_traced(struct doctor *doctor) {
    struct session *session = doctor->session;
    struct trace_socket_path path;
    char reason[TRACE_SOCKET_REASON_BYTES];
    json_t *hello;
    if (trace_socket_path(&path, session->options->texts[OPTION_SOCKET], reason))
        return; /* the session reported it and did not begin */
    pid_t listener = 0;
    int error = try_connect(path.path, &listener);
    if (error) {
        report_no_traced(doctor, &path, error);
        return;
    }
    if (process_is_stopped(listener)) {
        doctor_wrong(doctor, "socket", doctor_remedy("kill -CONT %d", (int)listener),
                     "traced (process %d) on %s (from %s) is stopped: it answers nobody", (int)listener, path.path, path.source);
        return;
    }
    if (session_open(session, CALL_TIMEOUT_MS) || session_ask(session, "hello", NULL, &hello)) {
        bool refused = session->failure.rpc_code == -32004;
        doctor_wrong(doctor, "socket",
                     refused ? doctor_remedy("sudo -u %s inspector doctor", owner_of(path.path)) : "traced --check",
                     "%s (from %s): %s", path.path, path.source, session->failure.text);
        session->failure = (struct failure){.code = EXIT_OK};
        return;
    }
    doctor->traced = (pid_t)json_get_count(hello, "pid");
    doctor_fine(doctor, "socket", "traced (process %d) answers on %s (from %s)", (int)doctor->traced, path.path, path.source);
    look_at_version(doctor, hello);
    look_at_draining(doctor);
    json_decref(hello);
}

/* ---- its counters ---- */

/* What to do about each cause of loss. */
static const char *loss_remedy(const char *cause, const char *node) {
    if (!strcmp(cause, "before_attach")) return "start traced before the nodes";
    if (!strcmp(cause, "overwritten")) return doctor_remedy("inspector control --node %s --sample 1/10", node);
    if (!strcmp(cause, "discarded")) return doctor_remedy("inspector control --node %s --sample 1/10", node);
    if (!strcmp(cause, "no_lane")) return "df -h /dev/shm; enlarge it, or build the node with TRACE_MINIMAL";
    if (!strcmp(cause, "invalid")) return "build the node with the library of this version";
    return "look for a signal handler that jumps out of an emit";
}

static void look_at_node(struct doctor *doctor, const json_t *node) {
    const char *name = json_get_text(node, "name"), *state = json_get_text(node, "state"),
               *reason = json_get_text(node, "reason");
    const char *cause;
    const json_t *count;
    if (!name || !state) return;
    if (!strcmp(state, "rejected")) { /* doctor_look_at_logs reports one that was never read */
        if (json_get_hex(node, "node_id", NODE_DIGITS))
            doctor_wrong(doctor, "rejected", "start the node again", "traced detached %s: %s", name,
                         reason ? reason : "for no reason");
        return;
    }
    json_object_foreach((json_t *)json_object_get(node, "lost_by"), cause, count) {
        if (!json_get_count(json_object_get(node, "lost_by"), cause)) continue;
        doctor_wrong(doctor, "lost", loss_remedy(cause, name), "%" PRIu64 " of %" PRIu64 " events of %s (%s) are lost, %s",
                     json_get_count(json_object_get(node, "lost_by"), cause), json_get_count(node, "emitted"), name, state,
                     cause);
    }
}

/* A history that reaches back less than a minute forgets before anybody has looked. */
#define HISTORY_SHORT_NS (UINT64_C(60) * 1000000000)

static void look_at_history(struct doctor *doctor, const json_t *stats) {
    const json_t *history = json_object_get(stats, "history");
    uint64_t first_ns = 0, last_ns = 0, bytes = json_get_count(history, "bytes_max");
    bool any =
        json_get_time(json_object_get(history, "first"), &first_ns) && json_get_time(json_object_get(history, "last"), &last_ns);
    (void)json_get_time(json_object_get(history, "whole_from"), &first_ns); /* before that it has only some nodes' events */
    uint64_t span_ns = any && last_ns > first_ns ? last_ns - first_ns : 0, evicted = json_get_count(history, "evicted");
    char more[48];
    snprintf(more, sizeof more, " --history %" PRIu64 "M", (bytes >> 20) * 4);
    if (evicted && span_ns < HISTORY_SHORT_NS)
        doctor_wrong(doctor, "history", doctor_restart(doctor, more), "it reaches back %.1f s: %" PRIu64 " older events are gone",
                     (double)span_ns * 1e-9, evicted);
    else if (json_get_count(history, "early"))
        doctor_wrong(doctor, "history", doctor_restart(doctor, more),
                     "%" PRIu64 " events went early: more than a quarter of the events are traces of their own",
                     json_get_count(history, "early"));
    else if (!any)
        doctor_wrong(doctor, "history", "inspector doctor PID, of a process that should emit", "traced has no event at all");
    else
        doctor_fine(doctor, "history", "%" PRIu64 " events of %.1f s", json_get_count(history, "events"), (double)span_ns * 1e-9);
}

/* traced --keep: did all that matched stay? */
static void look_at_kept(struct doctor *doctor, const json_t *stats) {
    const json_t *history = json_object_get(stats, "history"), *keep = json_object_get(history, "keep");
    uint64_t given_up = json_get_count(keep, "given_up"), unjudged = json_get_count(keep, "unjudged");
    char more[48];
    if (!json_is_object(keep)) return;
    snprintf(more, sizeof more, " --history %" PRIu64 "M", (json_get_count(history, "bytes_max") >> 20) * 4);
    if (given_up)
        doctor_wrong(doctor, "keep", doctor_restart(doctor, more),
                     "%" PRIu64 " traces matched --keep but found no room; or the filter matches too many", given_up);
    else if (unjudged)
        doctor_wrong(doctor, "keep", doctor_restart(doctor, more),
                     "%" PRIu64 " traces were evicted before it was known whether they match --keep: too many come", unjudged);
    else
        doctor_fine(doctor, "keep", "%" PRIu64 " traces are kept longer, all that matched", json_get_count(keep, "traces"));
}

/* Who is who: which ids nodes claim, and whether there was room for them. */
static void look_at_aliases(struct doctor *doctor, const json_t *stats) {
    const json_t *aliases = json_object_get(json_object_get(stats, "history"), "aliases"), *node, *alias;
    uint64_t evicted = json_get_count(aliases, "evicted");
    size_t i, k;
    if (evicted)
        doctor_wrong(doctor, "aliases", "see which node has so many: inspector count --kind alias --by node",
                     "%" PRIu64 " aliases of nodes and peers were forgotten, because there are more than %" PRIu64, evicted,
                     json_get_count(aliases, "max"));
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) {
        struct strbuf name = {0}, what = {0};
        text_member(&name, node, "name");
        json_array_foreach(json_get_array(node, "aliases"), k, alias) {
            if (!json_get_bool(alias, "disputed")) continue;
            strbuf_clear(&what);
            text_member(&what, alias, json_get_text(alias, "address") ? "address" : "id");
            doctor_wrong(doctor, "aliases", "give each node its own ids; see inspector nodes",
                         "%s says that it is also %s, which another node has or claims: it is ignored", strbuf_text(&name),
                         strbuf_text(&what));
        }
        strbuf_fini(&name);
        strbuf_fini(&what);
    }
}

/* traced --record: was all written? */
static void look_at_record(struct doctor *doctor, const json_t *stats) {
    const json_t *record = json_object_get(stats, "record");
    uint64_t dropped = json_get_count(record, "dropped_events");
    if (!json_is_object(record)) return;
    if (dropped)
        doctor_wrong(doctor, "record", "df; and what traced's log says about it",
                     "%" PRIu64 " events were not recorded: the disk is full, or too slow", dropped);
    else
        doctor_fine(doctor, "record", "%" PRIu64 " events recorded, none dropped", json_get_count(record, "events"));
}

/* Events are arriving if one arrived this recently.  Without one, we cannot tell idle nodes from unheard ones. */
#define EVENTS_FRESH_NS (UINT64_C(30) * 1000000000)

static void look_at_events(struct doctor *doctor, const json_t *stats) {
    uint64_t last_ns = 0, now_ns = source_now_ns(doctor->session->inquiry.source);
    if (!json_get_time(json_object_get(json_object_get(stats, "history"), "last"), &last_ns))
        return; /* look_at_history reported it */
    uint64_t age_ns = now_ns > last_ns ? now_ns - last_ns : 0;
    if (age_ns <= EVENTS_FRESH_NS)
        doctor_fine(doctor, "events", "events arrive: the newest is %.1f s old", (double)age_ns * 1e-9);
    else
        doctor_unsure(doctor, "events", "let a node work, and ask again; or inspector doctor PID of one that should emit",
                      "no event has arrived for %.0f s: nodes are idle, or have ended, or their events are not seen",
                      (double)age_ns * 1e-9);
}

static const struct {
    const char *limit, *what, *remedy;
} limit_table[] = {
    {"nodes", "logs for which there was no room", "stop nodes, or start traced again: the dead ones are forgotten"},
    {"clients", "connections refused", "end some inspectors: at most 1024 may ask at a time"},
    {"subscriptions", "subscriptions refused", "open more connections: each has at most 16"},
    {"line_bytes", "requests that were too long", "ask in shorter lines: at most 65536 bytes"},
    {"answer_bytes", "answers that would have been too long", "ask for less at a time: --limit 1000"},
    {"held_bytes", "connections closed because they did not read", "read faster, or ask for less: a filter, --limit 1000"},
    {"memory", "requests refused because memory ran out", "ask for less at a time: a filter, --limit 1000"},
    {"descriptors", "pauses because descriptors were used up", "raise the limit: ulimit -n 65536; traced &"},
};

static void look_at_limits(struct doctor *doctor, const json_t *stats) {
    const json_t *limits = json_object_get(stats, "limits"), *clients = json_object_get(stats, "clients");
    unsigned met = 0;
    for (unsigned i = 0; i < sizeof limit_table / sizeof *limit_table; i++) {
        uint64_t count = json_get_count(limits, limit_table[i].limit);
        if (!count) continue;
        met++;
        doctor_wrong(doctor, "limits", limit_table[i].remedy, "traced reached a limit: %" PRIu64 " %s", count,
                     limit_table[i].what);
    }
    uint64_t dropped = json_get_count(clients, "events_dropped");
    if (dropped) {
        met++;
        doctor_wrong(doctor, "limits", "inspector follow --kind packet_lost, or another filter: nobody can read that many",
                     "streams missed %" PRIu64 " events: their readers were too slow", dropped);
    }
    if (!met) doctor_fine(doctor, "limits", "no limit reached");
}

static void look_at_clock(struct doctor *doctor, const json_t *stats) {
    uint64_t steps = json_get_count(json_object_get(stats, "clock"), "steps");
    if (steps)
        doctor_wrong(doctor, "clock", doctor_restart(doctor, ""),
                     "the system time was set %" PRIu64 " time%s since traced was started: times across it cannot be compared",
                     steps, steps == 1 ? "" : "s");
    else
        doctor_fine(doctor, "clock", "the system time was not set");
}

int doctor_ask_traced(struct doctor *doctor) {
    struct session *session = doctor->session;
    json_t *stats;
    size_t i;
    const json_t *node;
    if (session_ask(session, "nodes", NULL, &doctor->nodes) || session_ask(session, "stats", NULL, &stats)) return -1;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) look_at_node(doctor, node);
    look_at_history(doctor, stats);
    look_at_kept(doctor, stats);
    look_at_record(doctor, stats);
    look_at_aliases(doctor, stats);
    look_at_events(doctor, stats);
    look_at_limits(doctor, stats);
    look_at_clock(doctor, stats);
    json_decref(stats);
    return 0;
}
