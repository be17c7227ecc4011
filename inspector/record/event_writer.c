/* SPDX-License-Identifier: MIT */
#include "event_writer.h"

#include "allocation.h"
#include "app_names.h"
#include "json_get.h"
#include "node_rows.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_parse.h>
#include <proto/hex.h>
#include <recording/writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>
#include <unistd.h>

/* A log with an entry in the table. */
struct log {
    struct trace_node_id id;
    uint64_t log, started_ns;
    uint32_t node; /* its index there */
    json_t *row;   /* NULL: known only by its events */
    struct app_names names;
};

struct event_writer {
    struct recording_writer *writer;
    char *path;
    struct log *logs;
    size_t count, capacity;
    size_t last; /* the log of the last event; often that of the next, too */
    json_t *apps;
    json_t *who;             /* NULL: not known */
    struct aliases *implied; /* what events say: whom an id stands for that their node wrote */
    int error;
};

/* ---- logs ---- */

static int no_room(int error, struct failure *failure) {
    if (error == -ENOMEM) return failure_out_of_memory(failure);
    return failure_set(failure, EXIT_FAILED, "a recording has room for %d nodes; there are more", NODES_MAX);
}

static int add_log(struct event_writer *writer, const struct node_info *info, enum node_state state, struct failure *failure) {
    struct log *logs = memory_room(writer->logs, writer->count, &writer->capacity, sizeof *logs);
    if (!logs) return failure_out_of_memory(failure);
    writer->logs = logs;
    struct log *log = &writer->logs[writer->count];
    *log = (struct log){.id = info->node_id, .log = info->log, .started_ns = info->started_unix_ns};
    int error = store_add_node(recording_writer_store(writer->writer), info, state, &log->node);
    if (error) return no_room(error, failure);
    writer->count++;
    return 0;
}

static bool is_of(const struct log *log, const struct trace_node_id *id) { return !memcmp(&log->id, id, sizeof *id); }

static struct log *find_log(const struct event_writer *writer, const struct trace_node_id *id, uint64_t number) {
    for (size_t i = 0; i < writer->count; i++)
        if (writer->logs[i].log == number && is_of(&writer->logs[i], id)) return &writer->logs[i];
    return NULL;
}

/* Of a restarted node, the log that was open when the event was emitted.  NULL: unknown node. */
static struct log *find_log_by_time(const struct event_writer *writer, const struct trace_node_id *id, uint64_t ns) {
    struct log *best = NULL;
    for (size_t i = 0; i < writer->count; i++) {
        struct log *log = &writer->logs[i];
        if (!is_of(log, id)) continue;
        bool begun = log->started_ns <= ns, best_begun = best && best->started_ns <= ns;
        bool later = best && log->started_ns > best->started_ns;
        if (!best || (begun && !best_begun) || (begun == best_begun && later == begun)) best = log;
    }
    return best;
}

static struct log *find_log_of_event(const struct event_writer *writer, const struct trace_parsed_event *parsed) {
    return parsed->has_log ? find_log(writer, &parsed->node_id, parsed->log)
                           : find_log_by_time(writer, &parsed->node_id, parsed->event.timestamp);
}

/* Copies a row into the table. */
static void apply_row(struct event_writer *writer, const struct log *log) {
    struct store *store = recording_writer_store(writer->writer);
    if (!log->row) return;
    node_row_set_counters(log->row, nodes_at(store->nodes, log->node));
    node_row_add_apps(log->row, writer->apps, store, log->node);
}

/* Updates a log that was known only by its events. */
static void complete_log(struct event_writer *writer, struct log *log, const struct node_info *info, enum node_state state) {
    struct node *node = nodes_at(recording_writer_store(writer->writer)->nodes, log->node);
    node->info = *info;                                               /* constant for readers; nobody else uses this table */
    atomic_store_explicit(&node->state, state, memory_order_relaxed); /* relaxed: likewise */
    log->log = info->log;
    log->started_ns = info->started_unix_ns;
}

static int learn_row(struct event_writer *writer, json_t *row, struct failure *failure) {
    struct node_info info;
    if (!node_row_read(row, &info)) return 0; /* a rejected log has no events */
    enum node_state state = node_row_state(row) == NODE_UNKNOWN ? NODE_UNKNOWN : NODE_LIVE;
    struct log *log = find_log(writer, &info.node_id, info.log);
    if (!log) {
        if (add_log(writer, &info, state, failure)) return -1;
        log = &writer->logs[writer->count - 1];
    } else if (!log->row) {
        complete_log(writer, log, &info, state);
    }
    json_decref(log->row);
    log->row = json_incref(row);
    apply_row(writer, log);
    return 0;
}

static bool has_app(const struct event_writer *writer, const json_t *app) {
    size_t i;
    const json_t *known;
    json_array_foreach(writer->apps, i, known) if (json_equal(known, app)) return true;
    return false;
}

int event_writer_learn(struct event_writer *writer, const json_t *nodes, const json_t *apps, struct failure *failure) {
    size_t i;
    json_t *row;
    json_array_foreach(apps, i, row) /* they are asked for again and again */
        if (!has_app(writer, row) && json_array_append(writer->apps, row)) return failure_out_of_memory(failure);
    json_array_foreach(nodes, i, row) if (learn_row(writer, row, failure)) return -1;
    return 0;
}

/* ---- who is who ---- */

/* Rows of logs that are not known yet are skipped; at the end all are. */
static int add_who(struct event_writer *writer) {
    size_t i, count = 0;
    const json_t *row;
    struct alias *list = calloc(json_array_size(writer->who) + 1, sizeof *list);
    if (!list) return -ENOMEM;
    json_array_foreach(writer->who, i, row) {
        struct trace_node_id by;
        if (!alias_row_read(row, &list[count], &by)) continue;
        const struct log *log = find_log(writer, &by, list[count].log);
        if (!log) log = find_log(writer, &by, 0); /* known only by events, which do not say it */
        if (log) list[count++].node = log->node;
    }
    store_add_aliases(recording_writer_store(writer->writer), list, count);
    free(list);
    return 0;
}

int event_writer_learn_who(struct event_writer *writer, const json_t *who, struct failure *failure) {
    if (!who) return 0;
    json_decref(writer->who);
    writer->who = json_incref((json_t *)who);
    return add_who(writer) ? failure_out_of_memory(failure) : 0;
}

/* What an event says of its peer was right when it was asked for.  So it counts where rows say nothing of the id; and without any
 * row wherever something else is known, because then we lack what was said before. */
static void imply(struct event_writer *writer, uint32_t node, const struct trace_parsed_event *parsed) {
    aliases_add(writer->implied, &(struct alias){.alias_id = parsed->peer_as,
                                                 .peer_id = parsed->event.peer_id,
                                                 .time_ns = parsed->event.timestamp,
                                                 .node = node});
}

static bool is_news(const struct event_writer *writer, const struct alias_picture *known, const struct alias *alias) {
    if (writer->who) return !alias_picture_has(known, &alias->alias_id);
    const struct trace_node_id *peer_id = alias_picture_resolve(known, alias->node, alias->time_ns, &alias->alias_id);
    return memcmp(peer_id, &alias->peer_id, sizeof *peer_id) != 0;
}

static int add_implied(struct event_writer *writer) {
    struct store *store = recording_writer_store(writer->writer);
    struct alias_picture *implied = alias_picture_take(writer->implied), *known = alias_picture_take(store->aliases);
    size_t places = alias_picture_count(implied), count = 0;
    struct alias *list = calloc(places + 1, sizeof *list);
    grace_read_lock();
    for (size_t i = 0; list && i < places; i++) {
        const struct alias *alias = alias_picture_at(implied, i);
        if (alias && is_news(writer, known, alias)) list[count++] = *alias;
    }
    grace_read_unlock();
    bool whole = list && !alias_picture_is_missing(writer->implied, implied) && !alias_picture_is_missing(store->aliases, known);
    if (whole) store_add_aliases(store, list, count);
    alias_picture_release(implied);
    alias_picture_release(known);
    free(list);
    return whole ? 0 : -ENOMEM;
}

void event_writer_learn_steps(struct event_writer *writer, const json_t *clock_steps) {
    struct nodes *nodes = recording_writer_store(writer->writer)->nodes;
    size_t i;
    json_t *row;
    json_array_foreach(clock_steps, i, row) {
        const char *machine = json_get_hex(row, "machine", 2 * MACHINE_ID_BYTES), *kind = json_get_text(row, "kind");
        struct clock_step step = {.number = (uint8_t)json_get_count(row, "number"), .slept = kind && !strcmp(kind, "sleep")};
        if (!json_get_time(json_object_get(row, "before"), &step.before_ns) ||
            !json_get_time(json_object_get(row, "after"), &step.after_ns) ||
            (machine && trace_hex_decode(step.machine.id, machine, sizeof step.machine.id)))
            continue;
        clock_steps_add(nodes_clock_steps(nodes), &step);
    }
}

/* ---- events ---- */

bool event_writer_knows(const struct event_writer *writer, const json_t *event) {
    struct trace_parsed_event parsed;
    struct trace_parse_error error;
    if (trace_event_parse(event, &parsed, &error)) return true; /* a row would not help */
    const struct log *log = find_log_of_event(writer, &parsed);
    return log && log->row;
}

static int find_or_add(struct event_writer *writer, const struct trace_parsed_event *parsed, struct failure *failure) {
    struct node_info info = {.node_id = parsed->node_id, .log = parsed->log};
    if (writer->last < writer->count && parsed->has_log && writer->logs[writer->last].log == parsed->log &&
        is_of(&writer->logs[writer->last], &parsed->node_id))
        return 0;
    const struct log *log = find_log_of_event(writer, parsed);
    if (!log && add_log(writer, &info, NODE_UNKNOWN, failure)) return -1;
    writer->last = log ? (size_t)(log - writer->logs) : writer->count - 1;
    return 0;
}

int event_writer_add_parsed(struct event_writer *writer, const struct trace_parsed_event *parsed, struct failure *failure) {
    if (find_or_add(writer, parsed, failure)) return -1;
    app_names_note(&writer->logs[writer->last].names, parsed);
    struct trace_event event = parsed->event;
    uint32_t node = writer->logs[writer->last].node;
    if (parsed->has_peer_as) event.peer_id = parsed->peer_as; /* as the node wrote it */
    if (parsed->has_peer_as) imply(writer, node, parsed);
    int error = recording_writer_append(writer->writer, node, parsed->lane, &event, 1);
    if (error == -ENOMEM) return failure_out_of_memory(failure);
    if (error == -EINVAL) return failure_set(failure, EXIT_FAILED, "lane must be an integer from 0 to 255");
    if (error && !writer->error) writer->error = error;
    return 0;
}

void event_writer_name_last(struct event_writer *writer, const char *name) {
    const struct log *log = &writer->logs[writer->last];
    struct node *node = nodes_at(recording_writer_store(writer->writer)->nodes, log->node);
    size_t bytes = strlen(name);
    if (log->row || *node->info.node_name || bytes >= sizeof node->info.node_name) return;
    memcpy(node->info.node_name, name, bytes + 1); /* as in complete_log */
}

int event_writer_add(struct event_writer *writer, const json_t *event, struct failure *failure) {
    struct trace_parsed_event parsed;
    struct trace_parse_error wrong;
    if (trace_event_parse(event, &parsed, &wrong))
        return failure_set(failure, EXIT_FAILED, "%s%s%s", wrong.field, *wrong.field ? " " : "the event ", wrong.reason);
    return event_writer_add_parsed(writer, &parsed, failure);
}

int event_writer_error(const struct event_writer *writer) { return writer->error; }

/* ---- life ---- */

static int open_writer(struct event_writer **ret_writer, const char *path, bool append, struct failure *failure) {
    struct event_writer *writer = calloc(1, sizeof *writer);
    const struct recording_writer_options options = {.append = append};
    if (writer) writer->path = strdup(path);
    if (writer) writer->apps = json_array();
    int error = !writer || !writer->path || !writer->apps ? -ENOMEM : recording_writer_open(&writer->writer, path, &options);
    if (!error && (error = aliases_create(&writer->implied, recording_writer_store(writer->writer)->nodes))) {
        (void)recording_writer_close(writer->writer, NULL);
        if (!append) (void)unlink(path); /* it was made anew */
    }
    if (!error) {
        *ret_writer = writer;
        return 0;
    }
    if (writer) json_decref(writer->apps);
    if (writer) free(writer->path);
    free(writer);
    if (error == -EEXIST) return failure_set(failure, EXIT_FAILED, "%s exists: a recording never overwrites a file", path);
    return failure_set(failure, EXIT_FAILED, "cannot write %s: %s", path, strerror(-error));
}

int event_writer_open(struct event_writer **ret_writer, const char *path, struct failure *failure) {
    return open_writer(ret_writer, path, false, failure);
}

int event_writer_open_fd(struct event_writer **ret_writer, int fd, struct failure *failure) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open_writer(ret_writer, path, true, failure);
}

static void end_nodes(struct event_writer *writer) {
    for (size_t i = 0; i < writer->count; i++) {
        struct log *log = &writer->logs[i];
        enum node_state state = log->row ? node_row_state(log->row) : NODE_UNKNOWN;
        apply_row(writer, log);
        app_names_add(&log->names, recording_writer_store(writer->writer), log->node);
        app_names_fini(&log->names);
        if (state == NODE_EXITED || state == NODE_CRASHED)
            store_end_node(recording_writer_store(writer->writer), log->node, state);
        json_decref(log->row);
    }
}

int event_writer_close(struct event_writer *writer, struct event_writer_stats *ret_stats, struct failure *failure) {
    struct recording_writer_stats stats;
    int result = 0;
    end_nodes(writer);
    int unknown = add_who(writer) || add_implied(writer) ? -ENOMEM : 0;
    aliases_destroy(writer->implied);
    int error = recording_writer_close(writer->writer, &stats);
    if (!error) error = unknown;
    if (writer->error) error = writer->error;
    if (ret_stats) *ret_stats = (struct event_writer_stats){stats.written, stats.lost, stats.bytes};
    if (error)
        result = failure_set(failure, EXIT_FAILED, "cannot write %s: %s; %" PRIu64 " event%s lost", writer->path,
                             strerror(-error), stats.lost, stats.lost == 1 ? " is" : "s are");
    json_decref(writer->apps);
    json_decref(writer->who);
    free(writer->logs);
    free(writer->path);
    free(writer);
    return result;
}
