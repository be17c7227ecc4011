/* SPDX-License-Identifier: MIT
 *
 * One process, followed: through traced when it reads the process's logs, else out of the rings themselves (rings.h), and when traced goes
 * away in the midst, out of the rings from there on.  Ends when the process has ended and all that it left was shown. */
#include "commands.h"
#include "json_get.h"
#include "limits.h"
#include "live_stream.h"
#include "local_filter.h"
#include "pages.h"
#include "rings.h"
#include "times.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <proto/hex.h>
#include <proto/quantity.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long to wait for events of a ring: the first while they come, then longer and longer. */
#define PAUSE_MIN_MS 1
#define PAUSE_MAX_MS 20
/* The stream of a process that has ended is over when traced has had nothing to tell for so long. */
#define QUIET_MS 500U
#define LOOK_MS 100U

struct attach {
    struct session *session;
    struct stream stream;
    struct process_logs logs;
    struct rings rings;
    json_t *nodes; /* of the rings: {"nodes":[{"node_id", "log", "name", "pid"}]} */
};

/* ---- words ---- */

/* A note to the user, which may quote what the process says. */
static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...) {
    struct strbuf line = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&line, format, args);
    va_end(args);
    session_note(strbuf_text(&line));
    strbuf_fini(&line);
}

/* "alice, bob" */
static void put_names(struct strbuf *out, const json_t *nodes) {
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        const char *name = json_get_text(node, "name");
        strbuf_printf(out, "%s%s", i ? ", " : "", name && *name ? name : "a node without a name");
    }
}

static void note_what(const struct attach *attach, const char *what) {
    struct strbuf names = {0};
    put_names(&names, attach->nodes);
    if (attach->session->view.header) note("%s (process %d) %s", strbuf_text(&names), (int)attach->logs.pid, what);
    strbuf_fini(&names);
}

/* No log was found: why, and what to do. */
static int no_log(const struct process_logs *logs, struct failure *failure) {
    const struct passwd *user = logs->state == PROCESS_GONE ? NULL : getpwuid(logs->uid);
    int pid = (int)logs->pid;
    if (logs->state == PROCESS_GONE)
        return failure_set(failure, EXIT_FAILED,
                           "there is no process %d, and no log of one in %s; inspector nodes lists those that are traced", pid,
                           process_logs_dir());
    if (logs->state == PROCESS_FOREIGN && user && logs->uid != geteuid())
        return failure_set(failure, EXIT_FAILED, "process %d (%s) is %s's, and so are its logs: sudo -u %s inspector attach %d",
                           pid, logs->comm, user->pw_name, user->pw_name, pid);
    if (logs->removed)
        return failure_set(failure, EXIT_FAILED,
                           "somebody removed the name of the log of process %d (%s): start the process again", pid, logs->comm);
    return failure_set(failure, EXIT_FAILED, "process %d (%s) has no log; inspector doctor %d tells why", pid, logs->comm, pid);
}

/* ---- who is called what ---- */

/* Appends a node for each log in the directory, so that peers have names. */
static void add_neighbours(json_t *nodes) {
    DIR *dir = opendir(process_logs_dir());
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        struct trace_reader *reader;
        enum trace_attach_fault fault;
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) != 0 || json_array_size(nodes) == NAMES_MAX ||
            trace_reader_attach(&reader, dirfd(dir), entry->d_name, geteuid(), 0, &fault))
            continue;
        const struct trace_reader_info *info = trace_reader_info(reader);
        char id[NODE_DIGITS + 1];
        *trace_hex_encode(id, info->node_id.bytes, sizeof info->node_id.bytes) = 0;
        json_array_append_new(nodes, json_pack("{s:s, s:s}", "node_id", id, "name", info->node_name));
        trace_reader_detach(reader);
    }
    closedir(dir);
}

/* ---- out of the rings ---- */

static uint64_t unix_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Where to begin: --from, the beginning of a dead process's rings or of --recent, or now. */
static int begin_time(struct attach *attach, bool dead, uint64_t *ret_from_ns) {
    struct session *session = attach->session;
    const char *from = session->options->texts[OPTION_FROM], *reason = "a time is expected";
    uint64_t now_ns = unix_now_ns();
    bool recent = option_number(session->options, OPTION_RECENT, 0) != 0;
    *ret_from_ns = dead || recent ? 0 : now_ns;
    if (!from) return 0;
    if (recent) return failure_set(&session->failure, EXIT_USAGE, "--from %s: either this or --recent", from);
    json_t *param = time_param_new(from, session->view.utc, now_ns / 1000);
    int result = 0;
    if (json_is_integer(param))
        *ret_from_ns = (uint64_t)json_integer_value(param) * 1000;
    else if (!param || trace_time_parse(json_string_value(param), now_ns, ret_from_ns, &reason))
        result = failure_set(&session->failure, EXIT_USAGE, "--from %s: %s", from, reason);
    json_decref(param);
    return result;
}

/* Waits, but not for a reader of ours that has gone.  Returns true when it has. */
static bool pause_for(const struct session *session, int ms) {
    struct pollfd output = {.fd = session->fd};
    return poll(&output, 1, ms) > 0 && output.revents & (POLLERR | POLLNVAL);
}

static int tell_end(struct attach *attach) {
    char text[80];
    if (rings_broken(&attach->rings)) {
        note_what(attach, "was let go: its log shrank while it was read");
        return 0;
    }
    bool crashed = rings_state(&attach->rings) == TRACE_NODE_CRASHED;
    uint64_t emitted = rings_emitted(&attach->rings);
    snprintf(text, sizeof text, "%s; it emitted %" PRIu64 " event%s",
             crashed ? "is gone, and did not close its log" : "has ended", emitted, emitted == 1 ? "" : "s");
    note_what(attach, text);
    return 0;
}

/* Shows what there is; the first time the newest alone, when that is asked for.  Returns 0 with how much that was, or -1. */
static int pump(struct attach *attach, uint64_t newest, size_t *ret_count, bool *ret_more) {
    struct session *session = attach->session;
    json_t *params = json_pack("{s:[], s:i}", "events", "lost", 0), *events = json_object_get(params, "events");
    attach->rings.hidden = 0;
    int result = !params  ? -ENOMEM
                 : newest ? rings_newest(&attach->rings, newest, events)
                          : rings_read(&attach->rings, events, ret_more);
    if (newest) attach->rings.hidden = 0; /* before what was asked for */
    if (result) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    *ret_count = json_array_size(events);
    result = stream_missed(&attach->stream, attach->rings.hidden, STREAM_HIDDEN);
    if (!result) result = stream_show(&attach->stream, params);
    json_decref(params);
    return result;
}

static int watch_rings(struct attach *attach, uint64_t newest) {
    int pause_ms = PAUSE_MIN_MS;
    while (attach->stream.left) {
        size_t count = 0;
        bool more = false;
        if (pump(attach, newest, &count, &more)) return -1;
        newest = 0;
        if (rings_ended(&attach->rings)) return tell_end(attach);
        if (stream_now_ms() >= attach->stream.deadline_ms) return 0;
        if (more) continue;
        pause_ms = count ? PAUSE_MIN_MS : pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
        if (pause_for(attach->session, pause_ms)) return 0;
    }
    return 0;
}

/* ---- through traced ---- */

static bool same_text(const json_t *a, const json_t *b, const char *key) {
    const char *x = json_get_text(a, key), *y = json_get_text(b, key);
    return x && y && !strcmp(x, y);
}

/* The entry of the same log. */
static const json_t *find_log(const json_t *nodes, const json_t *of) {
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        if (same_text(node, of, "log") && same_text(node, of, "node_id")) return node;
    }
    return NULL;
}

/* Connects to a traced that reads all of these logs.  Returns 1; 0 when there is none, or it does not; -1 on failure. */
static int find_traced(struct attach *attach, json_t **ret_nodes) {
    struct session *session = attach->session;
    size_t i;
    const json_t *ours;
    if (session_connect(session)) {
        session->failure = (struct failure){.code = EXIT_OK};
        return 0;
    }
    if (session_call(session, "nodes", NULL, ret_nodes)) return -1;
    json_array_foreach(json_get_array(attach->nodes, "nodes"), i, ours) {
        const char *state = json_get_text(find_log(*ret_nodes, ours), "state");
        if (state && !strcmp(state, "live")) continue;
        json_decref(*ret_nodes);
        client_close(session->client);
        session->client = NULL;
        return 0;
    }
    return 1;
}

/* Subscribes to each of the nodes.  Logs of others that have the same id are left out when they come. */
static int subscribe(struct attach *attach) {
    struct session *session = attach->session;
    uint64_t recent = option_number(session->options, OPTION_RECENT, 0);
    json_t *asked = json_object(), *result = NULL;
    size_t i;
    const json_t *node;
    int failed = asked ? 0 : session_out_of_memory(session);
    json_array_foreach(json_get_array(attach->nodes, "nodes"), i, node) {
        const char *id = json_get_hex(node, "node_id", NODE_DIGITS);
        if (failed || json_object_get(asked, id)) continue;
        json_t *params = session_filter_new(session);
        json_object_set_new(asked, id, json_true());
        json_object_set_new(params, "node_id", json_string(id));
        if (recent) json_object_set_new(params, "recent", json_integer((json_int_t)recent));
        failed = json_object_set_new(params, "log", json_true()) ? session_out_of_memory(session)
                                                                 : session_call(session, "subscribe", params, &result);
        if (!failed) json_decref(result);
    }
    json_decref(asked);
    attach->stream.subscribed_ns = unix_now_ns();
    if (!failed) client_watch_output(session->client, session->fd);
    return failed;
}

/* Leaves out the events of other logs. */
static int keep_ours(const struct attach *attach, json_t *params) {
    json_t *ours = json_array(), *event;
    size_t i;
    json_array_foreach(json_get_array(params, "events"), i, event) {
        if (find_log(attach->nodes, event)) json_array_append(ours, event);
    }
    return json_object_set_new(params, "events", ours);
}

/* Until the end: 0; until traced is gone: 1; -1 on failure. */
static int watch_traced(struct attach *attach) {
    struct session *session = attach->session;
    const struct stream *stream = &attach->stream;
    uint64_t event_ms = stream_now_ms();
    while (stream->left) {
        json_t *params;
        uint64_t now_ms = stream_now_ms(), until_ms = now_ms + LOOK_MS;
        if (until_ms > stream->deadline_ms) until_ms = stream->deadline_ms;
        int result = client_next(session->client, "events", until_ms, &params, &session->failure);
        if (result < 0) return session->failure.disconnected ? 1 : -1;
        if (result > 0) {
            event_ms = now_ms;
            result = keep_ours(attach, params) ? session_out_of_memory(session) : stream_show(&attach->stream, params);
            json_decref(params);
            if (result) return -1;
        } else if (stream_now_ms() >= stream->deadline_ms || client_output_gone(session->client)) {
            return 0;
        } else if (rings_state(&attach->rings) == TRACE_NODE_LIVE) {
            event_ms = now_ms;
        } else if (now_ms - event_ms >= QUIET_MS) {
            return tell_end(attach);
        }
    }
    return 0;
}

/* ---- a process that only traced remembers ---- */

/* The times of a log, as the params of a question that no other log of its node answers. */
static json_t *past_params_new(const struct session *session, const json_t *node) {
    uint64_t started_ns = 0, last_ns = 0;
    json_t *params = session_filter_new(session);
    json_get_time(json_object_get(node, "started"), &started_ns);
    json_get_time(json_object_get(node, "last"), &last_ns);
    json_object_set(params, "node_id", json_object_get(node, "node_id"));
    if (!option_given(session->options, OPTION_FROM))
        json_object_set_new(params, "from", json_integer((json_int_t)(started_ns / 1000)));
    json_object_set_new(params, "to", json_integer((json_int_t)(last_ns / 1000) + 1));
    return params;
}

static int show_past(struct attach *attach, const json_t *node) {
    struct session *session = attach->session;
    uint64_t recent = option_number(session->options, OPTION_RECENT, PAGES_ALL);
    struct pages pages;
    json_t *params = past_params_new(session, node), *answer = NULL;
    if (recent != PAGES_ALL) { /* the newest: in one piece, to be turned round */
        json_object_set_new(params, "order", json_string("desc"));
        if (pages_collect(session, params, recent, &answer)) return -1;
        json_t *turned = json_array();
        const json_t *events = json_get_array(answer, "events");
        for (size_t i = json_array_size(events); i-- > 0;) json_array_append(turned, json_array_get(events, i));
        json_object_set_new(answer, "events", turned);
        int result = stream_show(&attach->stream, answer);
        json_decref(answer);
        return result;
    }
    int result = pages_init(&pages, session, params, PAGES_ALL);
    while (!result && attach->stream.left && !(result = pages_next(&pages, &answer)) && answer) {
        result = stream_show(&attach->stream, answer);
        json_decref(answer);
    }
    pages_fini(&pages);
    return result;
}

/* Returns 1 when traced has a log of a process with this id, and it was shown; 0 when not; -1 on failure. */
static int attach_past(struct attach *attach) {
    struct session *session = attach->session;
    json_t *nodes;
    const json_t *node;
    size_t i;
    int result = 0, found = 0;
    if (session_connect(session)) return 0;
    if (session_call(session, "nodes", NULL, &nodes)) return -1;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        const char *state = json_get_text(node, "state");
        if (json_get_count(node, "pid") != (uint64_t)attach->logs.pid || !state || !strcmp(state, "live") || result) continue;
        if (!found++) result = stream_begin(&attach->stream, nodes);
        attach->nodes = json_pack("{s:[O]}", "nodes", node);
        note_what(attach, "has ended; this is what traced has of it");
        json_decref(attach->nodes);
        attach->nodes = NULL;
        if (!result) result = show_past(attach, node);
    }
    json_decref(nodes);
    return result ? -1 : found > 0;
}

/* ---- the whole ---- */

static int watch_rings_from(struct attach *attach, uint64_t from_ns, uint64_t newest, bool all_counts) {
    bool discards = false;
    for (unsigned i = 0; i < attach->rings.count; i++)
        discards |= trace_reader_info(attach->rings.rings[i].reader)->policy == TRACE_DISCARD_NEWEST;
    if (discards && rings_state(&attach->rings) == TRACE_NODE_LIVE)
        note_what(attach, "keeps its oldest events: while no traced reads them, new ones are discarded when the ring is full");
    rings_begin(&attach->rings, from_ns, all_counts);
    return watch_rings(attach, newest);
}

static int run_live(struct attach *attach) {
    struct session *session = attach->session;
    json_t *nodes = NULL;
    uint64_t from_ns = 0;
    bool dead = rings_state(&attach->rings) != TRACE_NODE_LIVE;
    int traced = dead ? 0 : find_traced(attach, &nodes);
    if (traced < 0) return -1;
    if (!traced) {
        if (begin_time(attach, dead, &from_ns) || stream_begin(&attach->stream, attach->nodes)) return -1;
        attach->stream.begin_ns = from_ns;
        attach->stream.shown.recent = 0; /* a ring's events come in its order */
        note_what(attach, dead ? "is dead; this is what its ring still has" : "is read out of its ring: no traced reads it here");
        return watch_rings_from(attach, from_ns, option_number(session->options, OPTION_RECENT, 0), from_ns == 0);
    }
    int result = stream_begin(&attach->stream, nodes);
    json_decref(nodes);
    note_what(attach, "is read through traced");
    if (!result) result = subscribe(attach);
    if (!result) result = watch_traced(attach);
    if (result <= 0) return result;
    session_note("traced went away; going on with the ring itself");
    client_close(session->client);
    session->client = NULL;
    shown_next_stream(&attach->stream.shown);
    return watch_rings_from(attach, stream_resume_ns(&attach->stream), 0, true);
}

static int attach_rings(struct attach *attach) {
    struct session *session = attach->session;
    if (rings_open(&attach->rings, &attach->logs, &session->failure)) return -1;
    json_t *neighbours = rings_nodes_new(&attach->rings);
    attach->nodes = json_deep_copy(neighbours);
    if (neighbours) add_neighbours(json_object_get(neighbours, "nodes"));
    int result = attach->nodes ? local_filter_new(&attach->rings.filter, session, neighbours) : session_out_of_memory(session);
    if (!result) names_learn(&session->names, neighbours);
    if (!result) result = run_live(attach);
    json_decref(neighbours);
    json_decref(attach->nodes);
    trace_filter_destroy(attach->rings.filter);
    rings_fini(&attach->rings);
    return result;
}

int run_attach(struct session *session) {
    struct attach attach = {.session = session};
    const char *text = session->options->args[1];
    uint64_t pid;
    if (parse_count(text, &pid) || pid < 1 || pid > INT32_MAX)
        return failure_set(&session->failure, EXIT_USAGE, "attach %s: the number of a process is expected", text);
    if (stream_init(&attach.stream, session)) return -1;
    process_logs_find(&attach.logs, (pid_t)pid);
    int result;
    if (attach.logs.count) {
        result = attach_rings(&attach);
    } else {
        result = attach_past(&attach);
        if (result == 0) result = no_log(&attach.logs, &session->failure);
        if (result > 0) result = 0;
    }
    stream_fini(&attach.stream);
    return result;
}
