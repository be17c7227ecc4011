/* SPDX-License-Identifier: MIT */
#include "source_process.h"

#include "json_get.h"
#include "process_logs.h"
#include "process_state.h"
#include "replay.h"
#include "source_rings.h"
#include "source_socket.h"

#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often to check whether the process is alive and, after its end, whether traced has more of it. */
#define CHECK_MS 100U
/* An answer comes after the events that traced sent before it.  So a process that ended is complete when this many answers, with
 * no event between them, say that traced has read its logs to their end. */
#define QUIET_ANSWERS 2U

struct source_process {
    struct source source;
    struct process_logs logs;
    struct source *rings;  /* NULL: the process is gone */
    struct source *traced; /* NULL: no traced reads the process, or it went away */
    bool silent;           /* traced is there, and does not answer */
    json_t *nodes;         /* the answer to `nodes`: traced's, or that of the rings */
    json_t *ours;          /* {"nodes"}: only those of the process */
    size_t past;           /* of a process that is gone: how many of its logs were begun */
    json_t *params;        /* of the stream */
    bool replaying;
    struct replay replay;
    unsigned quiet; /* such answers since the last event */
    bool ended;     /* the last note is queued or delivered */
    json_t *notes;  /* to be delivered */
    json_t *note;   /* the one delivered last */
    char title[32];
};

static struct source_process *process_of(struct source *source) { return (struct source_process *)source; }

/* ---- notes ---- */

/* Adds "alice, bob (process 12) has ended". */
static void add_note(struct source_process *process, const json_t *nodes, const char *what) {
    struct strbuf text = {0};
    size_t i;
    const json_t *node;
    json_array_foreach(nodes, i, node) {
        const char *name = json_get_text(node, "name");
        strbuf_printf(&text, "%s%s", i ? ", " : "", name && *name ? name : "a node without a name");
    }
    strbuf_printf(&text, " (process %d) %s", (int)process->logs.pid, what);
    json_array_append_new(process->notes, json_string(strbuf_text(&text)));
    strbuf_fini(&text);
}

static void note_ours(struct source_process *process, const char *what) {
    add_note(process, json_get_array(process->ours, "nodes"), what);
}

static void note_stopped(struct source_process *process) {
    struct strbuf what = {0};
    strbuf_printf(&what, "is stopped, and does nothing until `kill -CONT %d`", (int)process->logs.pid);
    note_ours(process, strbuf_text(&what));
    strbuf_fini(&what);
}

static void note_end(struct source_process *process) {
    struct strbuf what = {0};
    source_rings_describe_end(process->rings, &what);
    note_ours(process, strbuf_text(&what));
    strbuf_fini(&what);
    process->ended = true;
}

/* Delivers the first note.  False when there is none. */
static bool take_note(struct source_process *process, struct source_news *news) {
    if (!json_array_size(process->notes)) return false;
    json_decref(process->note);
    process->note = json_incref(json_array_get(process->notes, 0));
    json_array_remove(process->notes, 0);
    news->text = json_string_value(process->note);
    return true;
}

/* ---- through traced ---- */

static bool same_text(const json_t *a, const json_t *b, const char *key) {
    const char *x = json_get_text(a, key), *y = json_get_text(b, key);
    return x && y && !strcmp(x, y);
}

/* The entry for the same log; NULL if there is none. */
static const json_t *find_log(const json_t *nodes, const json_t *of) {
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        if (same_text(node, of, "log") && same_text(node, of, "node_id")) return node;
    }
    return NULL;
}

static bool is_live(const json_t *node) {
    const char *state = json_get_text(node, "state");
    return state && !strcmp(state, "live");
}

/* True when traced reads all of these logs. */
static bool reads_all(const json_t *nodes, const json_t *ours) {
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(ours, "nodes"), i, node) {
        if (!is_live(find_log(nodes, node))) return false;
    }
    return true;
}

/* Whether traced still reads any of these logs. */
static bool reads_any(const json_t *nodes, const json_t *ours) {
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(ours, "nodes"), i, node) {
        if (is_live(find_log(nodes, node))) return true;
    }
    return false;
}

/* Connects to a traced and asks for its nodes.  *ret_nodes is NULL if no traced is running.  Returns 0 or -1. */
static int find_traced(struct source_process *process, const struct source_traced *where, json_t **ret_nodes,
                       struct failure *failure) {
    *ret_nodes = NULL;
    if (source_socket_open(&process->traced, where->path, &where->wait, failure)) {
        process->traced = NULL;
        *failure = (struct failure){.code = EXIT_OK};
        return 0;
    }
    if (process->rings && source_stopped(process->traced)) /* the rings have it all: nobody need wait */
        return failure_set(failure, EXIT_NOT_THERE, "%s is stopped", process->traced->title);
    source_end_calls(process->traced, where->end_ms);
    return source_ask(process->traced, "nodes", NULL, NULL, ret_nodes, failure);
}

/* Subscribes to each node.  Other logs may have the same node id; keep_ours drops their events. */
static int follow_traced(struct source_process *process, struct failure *failure) {
    json_t *asked = json_object();
    size_t i;
    const json_t *node;
    int failed = asked ? 0 : failure_out_of_memory(failure);
    json_array_foreach(json_get_array(process->ours, "nodes"), i, node) {
        const char *id = json_get_hex(node, "node_id", NODE_DIGITS);
        if (failed || !id || json_object_get(asked, id)) continue;
        json_t *params = json_copy(process->params);
        failed = json_object_set_new(asked, id, json_true()) | json_object_set_new(params, "node_id", json_string(id));
        if (failed) {
            json_decref(params);
            failed = failure_out_of_memory(failure);
        } else {
            failed = source_follow(process->traced, params, NULL, failure);
        }
    }
    json_decref(asked);
    note_ours(process, "is read through traced");
    return failed;
}

/* Drops events of other logs. */
static int keep_ours(const struct source_process *process, json_t **events) {
    json_t *ours = json_array(), *event;
    size_t i;
    int failed = ours ? 0 : -1;
    json_array_foreach(*events, i, event) {
        if (!failed && find_log(process->ours, event)) failed = json_array_append(ours, event);
    }
    json_decref(*events);
    *events = ours;
    return failed;
}

/* Whether traced has delivered everything of a process that ended.  Returns 1, 0, or -1 with the failure. */
static int is_whole(struct source_process *process, struct failure *failure) {
    json_t *nodes;
    if (process->quiet == QUIET_ANSWERS) return 1;
    if (source_ask(process->traced, "nodes", NULL, NULL, &nodes, failure)) return -1;
    process->quiet = reads_any(nodes, process->ours) ? 0 : process->quiet + 1;
    json_decref(nodes);
    return 0;
}

static enum source_event next_of_traced(struct source_process *process, uint64_t deadline_ms, struct source_news *news,
                                        struct failure *failure) {
    for (;;) {
        uint64_t check_ms = trace_now_monotonic_ms() + CHECK_MS;
        enum source_event event = source_next(process->traced, check_ms < deadline_ms ? check_ms : deadline_ms, news, failure);
        news->number = 0;
        if (event != SOURCE_TIME) process->quiet = 0;
        if (event == SOURCE_EVENTS && keep_ours(process, &news->value)) {
            json_decref(news->value);
            failure_out_of_memory(failure);
            return SOURCE_FAILED;
        }
        if (event != SOURCE_TIME) return event;
        int whole = source_rings_state(process->rings) == TRACE_NODE_LIVE ? 0 : is_whole(process, failure);
        if (whole < 0) return SOURCE_FAILED;
        if (whole) break;
        if (trace_now_monotonic_ms() >= deadline_ms) return event;
    }
    note_end(process);
    return take_note(process, news) ? SOURCE_NOTE : SOURCE_ENDED;
}

/* traced went away: the rest comes from the rings. */
static int process_reopen(struct source *source, uint64_t wait_ms, struct failure *failure) {
    struct source_process *process = process_of(source);
    (void)wait_ms;
    if (!process->rings) return failure_set(failure, EXIT_FAILED, "traced went away, and only it remembers the process");
    source_close(process->traced);
    process->traced = NULL;
    source_rings_resume(process->rings);
    return 0;
}

/* ---- from the rings ---- */

static int follow_rings(struct source_process *process, bool resumed, struct failure *failure) {
    bool dead = source_rings_state(process->rings) != TRACE_NODE_LIVE;
    if (!resumed)
        note_ours(process, dead              ? "is dead; this is what its ring still has"
                           : process->silent ? "is read out of its ring: traced does not answer"
                                             : "is read out of its ring: no traced reads it here");
    if (!dead && source_rings_discards(process->rings))
        note_ours(process, "keeps its oldest events: while no traced reads them, new ones are discarded when the ring is full");
    return source_follow(process->rings, json_incref(process->params), NULL, failure);
}

/* ---- a process that only traced remembers ---- */

/* Replays the next log of it.  Its times are those of the log, so that no other log of its node answers.  Returns 0 or -1. */
static int replay_log(struct source_process *process, struct failure *failure) {
    json_t *node = json_array_get(json_get_array(process->ours, "nodes"), process->past++), *params = json_copy(process->params);
    json_t *alone = json_pack("[O]", node);
    uint64_t started_ns = 0, last_ns = 0;
    json_get_time(json_object_get(node, "started"), &started_ns);
    json_get_time(json_object_get(node, "last"), &last_ns);
    int failed = json_object_set(params, "node_id", json_object_get(node, "node_id"));
    if (!json_object_get(params, "from"))
        failed |= json_object_set_new(params, "from", json_integer((json_int_t)(started_ns / 1000)));
    failed |= json_object_set_new(params, "to", json_integer((json_int_t)(last_ns / 1000) + 1));
    add_note(process, alone, "has ended; this is what traced has of it");
    json_decref(alone);
    if (failed) {
        json_decref(params);
        return failure_out_of_memory(failure);
    }
    process->replaying = true;
    return replay_init(&process->replay, process->traced, params, failure);
}

static enum source_event next_of_past(struct source_process *process, struct source_news *news, struct failure *failure) {
    for (;;) {
        enum source_event event = SOURCE_ENDED;
        if (process->replaying) event = replay_next(&process->replay, news, failure);
        if (event != SOURCE_ENDED) return event;
        if (process->replaying) replay_fini(&process->replay);
        process->replaying = false;
        if (process->past == json_array_size(json_get_array(process->ours, "nodes"))) return SOURCE_ENDED;
        if (replay_log(process, failure)) return SOURCE_FAILED;
        if (take_note(process, news)) return SOURCE_NOTE;
    }
}

/* Finds the logs of the dead process that traced remembers. */
static int find_past(struct source_process *process, const json_t *nodes) {
    json_t *past = json_array(), *node;
    size_t i;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        if (json_get_count(node, "pid") == (uint64_t)process->logs.pid && json_get_text(node, "state") && !is_live(node))
            json_array_append(past, node);
    }
    process->ours = json_pack("{s:o}", "nodes", past);
    return process->ours ? 0 : -1;
}

/* ---- the source ---- */

static int process_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
                       json_t **ret_result, struct failure *failure) {
    (void)method, (void)apart, (void)failure;
    json_decref(params_new);
    *ret_result = json_incref(process_of(source)->nodes);
    return 0;
}

static int process_follow(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    struct source_process *process = process_of(source);
    bool resumed = process->params;
    *ret_number = 0;
    json_decref(process->params);
    process->params = params_new;
    if (!process->rings) return 0; /* next_of_past replays one log at a time */
    if (!resumed && process_is_stopped(process->logs.pid)) note_stopped(process);
    return process->traced ? follow_traced(process, failure) : follow_rings(process, resumed, failure);
}

static enum source_event process_next(struct source *source, uint64_t deadline_ms, struct source_news *news,
                                      struct failure *failure) {
    struct source_process *process = process_of(source);
    if (take_note(process, news)) return SOURCE_NOTE;
    if (process->ended) return SOURCE_ENDED;
    if (!process->rings) return next_of_past(process, news, failure);
    if (process->traced) return next_of_traced(process, deadline_ms, news, failure);
    enum source_event event = source_next(process->rings, deadline_ms, news, failure);
    if (event != SOURCE_ENDED) return event;
    note_end(process);
    return take_note(process, news) ? SOURCE_NOTE : SOURCE_ENDED;
}

static void process_end_calls(struct source *source, uint64_t end_ms) {
    if (process_of(source)->traced) source_end_calls(process_of(source)->traced, end_ms);
}

static void process_watch_output(struct source *source) {
    struct source_process *process = process_of(source);
    if (process->traced) source_watch_output(process->traced, source->output);
    if (process->rings) source_watch_output(process->rings, source->output);
}

static void process_close(struct source *source) {
    struct source_process *process = process_of(source);
    if (process->replaying) replay_fini(&process->replay);
    source_close(process->traced);
    source_close(process->rings);
    json_decref(process->nodes);
    json_decref(process->ours);
    json_decref(process->params);
    json_decref(process->notes);
    json_decref(process->note);
    free(process);
}

/* Opens the rings, and traced if it reads all of them.  A traced that does not answer, because it is stopped or far too busy, is
 * left out. */
static int open_live(struct source_process *process, const struct source_traced *where, struct failure *failure) {
    json_t *nodes = NULL, *own = NULL;
    if (source_rings_open(&process->rings, &process->logs, failure)) return -1;
    if (source_ask(process->rings, "nodes", NULL, NULL, &own, failure)) return -1;
    process->ours = source_rings_own_new(process->rings);
    process->nodes = own;
    if (!process->ours) return failure_out_of_memory(failure);
    if (source_rings_state(process->rings) != TRACE_NODE_LIVE) return 0;
    if (find_traced(process, where, &nodes, failure)) {
        *failure = (struct failure){.code = EXIT_OK};
        process->silent = true;
    }
    if (nodes && reads_all(nodes, process->ours)) {
        json_decref(process->nodes);
        process->nodes = nodes;
        return 0;
    }
    json_decref(nodes);
    source_close(process->traced);
    process->traced = NULL;
    return 0;
}

static int open_past(struct source_process *process, const struct source_traced *where, struct failure *failure) {
    if (find_traced(process, where, &process->nodes, failure)) return -1;
    if (process->nodes && find_past(process, process->nodes)) return failure_out_of_memory(failure);
    return json_array_size(json_get_array(process->ours, "nodes")) ? 0 : process_logs_missing(&process->logs, failure);
}

int source_process_open(struct source **ret_source, pid_t pid, const struct source_traced *where, struct failure *failure) {
    static const struct source_ops ops = {.can = SOURCE_FOLLOW,
                                          .ask = process_ask,
                                          .follow = process_follow,
                                          .next = process_next,
                                          .close = process_close,
                                          .reopen = process_reopen,
                                          .end_calls = process_end_calls,
                                          .watch_output = process_watch_output};
    struct source_process *process = calloc(1, sizeof *process);
    if (!process) return failure_out_of_memory(failure);
    snprintf(process->title, sizeof process->title, "process %d", (int)pid);
    source_init(&process->source, &ops, process->title);
    process->notes = json_array();
    process_logs_find(&process->logs, pid);
    if (process->logs.count ? open_live(process, where, failure) : open_past(process, where, failure)) {
        process_close(&process->source);
        return -1;
    }
    *ret_source = &process->source;
    return 0;
}
