/* SPDX-License-Identifier: MIT */
#include "fleet_logs.h"

#include "allocation.h"

#include <errno.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

#define STORE(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed) /* relaxed: nobody asks the store yet */

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void read_text(struct row_reader *reader, char *out, size_t room) {
    size_t bytes;
    const char *text = row_read_string(reader, &bytes);
    memcpy(out, text, bytes < room ? bytes : room);
}

static void read_bytes(struct row_reader *reader, void *out, size_t count) {
    const uint8_t *at = row_read(reader, count);
    if (at) memcpy(out, at, count);
}

static enum node_state read_state(struct row_reader *reader) {
    static const char *const names[] = {
        [NODE_LIVE] = "live", [NODE_EXITED] = "exited", [NODE_CRASHED] = "crashed", [NODE_REJECTED] = "rejected"};
    char name[16] = "";
    read_text(reader, name, sizeof name - 1);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return (enum node_state)i;
    return NODE_UNKNOWN;
}

static const char node_columns[] = "node_id, log_id, host, machine, name, pid, started_ns, last_ns, state, emitted, indexed, "
                                   "unfinished, has_ring, lane_count, lane_events, lanes_used, ring_bytes, policy, clock_source, "
                                   "control, ended_after_ns, ended_by_ns";

static void read_log(struct row_reader *reader, struct fleet_log *log) {
    struct node_info *info = &log->info;
    read_bytes(reader, info->node_id.bytes, sizeof info->node_id.bytes);
    info->log = row_read_u64(reader);
    read_text(reader, info->machine.name, sizeof info->machine.name - 1);
    read_bytes(reader, info->machine.id, sizeof info->machine.id);
    read_text(reader, info->node_name, sizeof info->node_name - 1);
    info->pid = (int32_t)row_read_u32(reader);
    info->started_unix_ns = row_read_u64(reader);
    log->last_ns = row_read_u64(reader);
    log->state = read_state(reader);
    log->emitted = row_read_u64(reader);
    log->indexed = row_read_u64(reader);
    log->unfinished = row_read_u64(reader);
    info->has_ring = row_read_u8(reader) != 0;
    info->lane_count = row_read_u32(reader);
    info->lane_events = row_read_u32(reader);
    log->lanes_used = row_read_u32(reader);
    info->ring_bytes = row_read_u64(reader);
    info->policy = row_read_u8(reader) ? TRACE_DISCARD_NEWEST : TRACE_OVERWRITE_OLDEST;
    info->clock_source = row_read_u8(reader) == TRACE_CLOCK_TSC ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
    log->control = row_read_u64(reader);
    log->ended_after_ns = row_read_u64(reader);
    log->ended_by_ns = row_read_u64(reader);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) log->lost[cause] = row_read_u64(reader);
    (void)row_read_u64(reader); /* seen_ns, by which the newest row is chosen */
}

static int refuse_rows(struct clickhouse *server, struct failure *failure) {
    return failure_set(failure, EXIT_FAILED,
                       "%s/%s has rows that this inspector cannot read: ask again, and if they stay, update this one",
                       clickhouse_address(server), clickhouse_database(server));
}

static void put_logs(struct strbuf *sql, const struct clickhouse *server) {
    strbuf_printf(sql, "SELECT %s", node_columns);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) strbuf_printf(sql, ", lost_%s", trace_loss_name(cause));
    strbuf_printf(
        sql, ", seen_ns FROM `%s`.nodes FINAL ORDER BY node_id, log_id, seen_ns DESC LIMIT 1 BY node_id, log_id FORMAT RowBinary",
        clickhouse_database(server));
}

static int read_logs(struct fleet_logs *logs, struct clickhouse *server, struct row_reader reader, struct failure *failure) {
    size_t room = 0;
    while (row_reader_more(&reader)) {
        if (logs->count == NODES_MAX)
            return failure_set(failure, EXIT_FAILED,
                               "the fleet has more than %d logs of nodes: use SQL on its tables, or drop old rows of nodes",
                               NODES_MAX);
        struct fleet_log *all = memory_room(logs->all, logs->count, &room, sizeof *all);
        if (!all) return failure_out_of_memory(failure);
        logs->all = all;
        memset(&all[logs->count], 0, sizeof *all);
        read_log(&reader, &all[logs->count++]);
    }
    return reader.failed ? refuse_rows(server, failure) : 0;
}

/* ---- applications --------------------------------------------------------------------------------------------------------- */

static const char app_columns[] = "node_id, log_id, app_id, name, command_count, field_count, command_numbers, command_names, "
                                  "field_names, field_types, field_offsets, field_bytes, seen_ns";

/* Reads the elements of an array; drops those beyond the limits of a description. */
#define EACH_ELEMENT(reader, index, limit, into, otherwise)                                               \
    for (uint64_t index = 0, end_ = row_read_count(reader); index < end_ && !(reader)->failed; index++) { \
        if (index < (limit)) {                                                                            \
            into;                                                                                         \
        } else {                                                                                          \
            otherwise;                                                                                    \
        }                                                                                                 \
    }

static void read_app(struct row_reader *reader, struct trace_app *app) {
    size_t bytes;
    read_bytes(reader, app->app_id, sizeof app->app_id);
    read_text(reader, app->name, sizeof app->name);
    app->command_count = row_read_u16(reader);
    app->field_count = row_read_u16(reader);
    EACH_ELEMENT(reader, i, TRACE_APP_COMMANDS_MAX, app->commands[i].cmd = row_read_u16(reader), row_read_u16(reader))
    EACH_ELEMENT(reader, i, TRACE_APP_COMMANDS_MAX, read_text(reader, app->commands[i].name, sizeof app->commands[i].name),
                 (void)row_read_string(reader, &bytes))
    EACH_ELEMENT(reader, i, TRACE_APP_FIELDS_MAX, read_text(reader, app->fields[i].name, sizeof app->fields[i].name),
                 (void)row_read_string(reader, &bytes))
    EACH_ELEMENT(reader, i, TRACE_APP_FIELDS_MAX, app->fields[i].type = row_read_u8(reader), row_read_u8(reader))
    EACH_ELEMENT(reader, i, TRACE_APP_FIELDS_MAX, app->fields[i].offset = row_read_u8(reader), row_read_u8(reader))
    EACH_ELEMENT(reader, i, TRACE_APP_FIELDS_MAX, app->fields[i].bytes = row_read_u8(reader), row_read_u8(reader))
    (void)row_read_u64(reader);
}

static int add_app(struct fleet_logs *logs, const struct trace_node_id *node_id, uint64_t log_id, const struct trace_app *app) {
    int64_t index = fleet_logs_find(logs, node_id, log_id);
    struct fleet_log *log = index < 0 ? NULL : &logs->all[index];
    if (!log || log->app_count == TRACE_APPS_MAX) return 0;
    struct trace_app *copy = malloc(sizeof *copy);
    if (!copy) return -ENOMEM;
    *copy = *app;
    log->apps[log->app_count++] = copy;
    return 0;
}

static void put_apps(struct strbuf *sql, const struct clickhouse *server) {
    strbuf_printf(sql,
                  "SELECT %s FROM `%s`.apps FINAL ORDER BY node_id, log_id, app_id, seen_ns DESC LIMIT 1 BY node_id, log_id, "
                  "app_id FORMAT RowBinary",
                  app_columns, clickhouse_database(server));
}

static int read_apps(struct fleet_logs *logs, struct clickhouse *server, struct row_reader reader, struct failure *failure) {
    while (row_reader_more(&reader)) {
        struct trace_node_id node_id = {0};
        struct trace_app app = {0};
        read_bytes(&reader, node_id.bytes, sizeof node_id.bytes);
        uint64_t log_id = row_read_u64(&reader);
        read_app(&reader, &app);
        if (!reader.failed && add_app(logs, &node_id, log_id, &app)) return failure_out_of_memory(failure);
    }
    return reader.failed ? refuse_rows(server, failure) : 0;
}

/* ---- steps of clocks ------------------------------------------------------------------------------------------------------ */

static void put_steps(struct strbuf *sql, const struct clickhouse *server) {
    strbuf_printf(sql,
                  "SELECT * FROM (SELECT DISTINCT machine, instance, number, before_ns, after_ns, slept FROM `%s`.clock_steps "
                  "ORDER BY after_ns DESC, machine, instance, number LIMIT %d) ORDER BY after_ns, machine, instance, number "
                  "FORMAT RowBinary",
                  clickhouse_database(server), FLEET_STEPS_MAX);
}

static int read_steps(struct fleet_logs *logs, struct clickhouse *server, struct row_reader reader, struct failure *failure) {
    size_t room = 0;
    while (row_reader_more(&reader)) {
        struct fleet_step *all = memory_room(logs->steps, logs->step_count, &room, sizeof *all);
        if (!all) return failure_out_of_memory(failure);
        logs->steps = all;
        struct fleet_step *step = &all[logs->step_count++];
        *step = (struct fleet_step){.instance = 0};
        read_bytes(&reader, step->step.machine.id, sizeof step->step.machine.id);
        step->instance = row_read_u64(&reader);
        step->step.number = row_read_u8(&reader);
        step->step.before_ns = row_read_u64(&reader);
        step->step.after_ns = row_read_u64(&reader);
        step->step.slept = row_read_u8(&reader) != 0;
    }
    return reader.failed ? refuse_rows(server, failure) : 0;
}

void fleet_logs_put(struct clickhouse_question questions[FLEET_LOGS_QUESTIONS], const struct clickhouse *server) {
    put_logs(&questions[0].sql, server);
    put_apps(&questions[1].sql, server);
    put_steps(&questions[2].sql, server);
}

int fleet_logs_take(struct fleet_logs *ret_logs, struct clickhouse *server,
                    const struct clickhouse_question questions[FLEET_LOGS_QUESTIONS], struct failure *failure) {
    struct fleet_logs logs = {0};
    int result = read_logs(&logs, server, clickhouse_rows(&questions[0]), failure);
    if (!result) result = read_apps(&logs, server, clickhouse_rows(&questions[1]), failure);
    if (!result) result = read_steps(&logs, server, clickhouse_rows(&questions[2]), failure);
    if (!result) {
        logs.for_filters = calloc(logs.count + 1, sizeof *logs.for_filters);
        if (!logs.for_filters) result = failure_out_of_memory(failure);
    }
    if (result) {
        fleet_logs_fini(&logs);
        return -1;
    }
    for (size_t i = 0; i < logs.count; i++) {
        const struct fleet_log *log = &logs.all[i];
        logs.for_filters[i] = (struct trace_filter_sql_log){log->info.node_id,   log->info.log,
                                                            log->info.node_name, (const struct trace_app *const *)log->apps,
                                                            log->app_count,      log->info.machine.name};
    }
    *ret_logs = logs;
    return 0;
}

void fleet_logs_fini(struct fleet_logs *logs) {
    for (size_t i = 0; i < logs->count; i++)
        for (uint32_t k = 0; k < logs->all[i].app_count; k++) free(logs->all[i].apps[k]);
    free(logs->all);
    free(logs->steps);
    free(logs->for_filters);
    *logs = (struct fleet_logs){0};
}

/* The first log that is not before this one. */
static size_t find_place(const struct fleet_logs *logs, const struct trace_node_id *node_id, uint64_t log_id) {
    size_t low = 0, high = logs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct node_info *info = &logs->all[middle].info;
        int order = memcmp(&info->node_id, node_id, sizeof *node_id);
        if (order < 0 || (!order && info->log < log_id))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t fleet_logs_find(const struct fleet_logs *logs, const struct trace_node_id *node_id, uint64_t log_id) {
    size_t at = find_place(logs, node_id, log_id);
    const struct node_info *info = at < logs->count ? &logs->all[at].info : NULL;
    return info && info->log == log_id && !memcmp(&info->node_id, node_id, sizeof *node_id) ? (int64_t)at : -1;
}

bool fleet_logs_have_node(const struct fleet_logs *logs, const struct trace_node_id *node_id) {
    size_t at = find_place(logs, node_id, 0);
    return at < logs->count && !memcmp(&logs->all[at].info.node_id, node_id, sizeof *node_id);
}

/* ---- into a store --------------------------------------------------------------------------------------------------------- */

int fleet_logs_add(const struct fleet_logs *logs, struct store *store) {
    for (size_t i = 0; i < logs->count; i++) {
        const struct fleet_log *log = &logs->all[i];
        uint32_t index;
        int error = store_add_node(store, &log->info, NODE_UNKNOWN, &index);
        if (error) return error;
        for (uint32_t k = 0; k < log->app_count; k++) store_add_app(store, index, log->apps[k]);
    }
    for (size_t i = 0; i < logs->step_count; i++) clock_steps_add(nodes_clock_steps(store->nodes), &logs->steps[i].step);
    return 0;
}

void fleet_logs_settle(const struct fleet_logs *logs, struct store *store) {
    grace_read_lock();
    for (size_t i = 0; i < logs->count; i++) {
        const struct fleet_log *log = &logs->all[i];
        struct node *node = nodes_at(store->nodes, (uint32_t)i);
        if (!node) continue;
        STORE(node->emitted, log->emitted);
        STORE(node->indexed, log->indexed);
        STORE(node->unfinished, log->unfinished);
        for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) STORE(node->lost[cause], log->lost[cause]);
        STORE(node->last_unix_ns, log->last_ns);
        if (log->ended_by_ns)
            nodes_set_ended(node, log->ended_after_ns, log->ended_by_ns);
        else if (log->ended_after_ns)
            nodes_set_alive(node, log->ended_after_ns);
        STORE(node->lanes_used, log->lanes_used);
        STORE(node->control, log->control);
        STORE(node->state, log->state);
    }
    grace_read_unlock();
}
