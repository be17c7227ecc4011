/* SPDX-License-Identifier: MIT */
#include "node_rows.h"

#include "json_get.h"

#include <p2ptrace/app.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <store/control_word.h>
#include <string.h>

/* ---- nodes ---- */

static bool read_log(const char *text, uint64_t *ret_log) {
    if (text) *ret_log = strtoull(text, NULL, 16);
    return text;
}

static void read_machine(const json_t *row, struct machine *machine) {
    const char *id = json_get_hex(row, "machine", 2 * MACHINE_ID_BYTES), *name = json_get_text(row, "host");
    if (id) (void)trace_hex_decode(machine->id, id, sizeof machine->id);
    if (name) trace_utf8_fit(machine->name, sizeof machine->name, name, strlen(name));
}

bool node_row_read(const json_t *row, struct node_info *ret_info) {
    const char *id = json_get_hex(row, "node_id", NODE_DIGITS), *name = json_get_text(row, "name"),
               *clock = json_get_text(row, "clock"), *policy = json_get_text(row, "policy");
    struct node_info info = {0};
    if (!id || !name || trace_hex_decode(info.node_id.bytes, id, sizeof info.node_id.bytes)) return false;
    memcpy(info.node_name, name, trace_utf8_cut(name, strlen(name), sizeof info.node_name - 1));
    read_machine(row, &info.machine);
    (void)read_log(json_get_hex(row, "log", LOG_DIGITS), &info.log);
    uint64_t pid = json_get_count(row, "pid");
    info.pid = pid <= INT32_MAX ? (int32_t)pid : 0;
    (void)json_get_time(json_object_get(row, "started"), &info.started_unix_ns);
    info.has_ring = json_is_integer(json_object_get(row, "lane_events"));
    if (info.has_ring) {
        info.lane_events = (uint32_t)json_get_count(row, "lane_events");
        info.ring_bytes = json_get_count(row, "bytes");
        info.policy = policy && !strcmp(policy, "overwrite_oldest") ? TRACE_OVERWRITE_OLDEST : TRACE_DISCARD_NEWEST;
        info.clock_source = clock && !strcmp(clock, "tsc") ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
    }
    *ret_info = info;
    return true;
}

/* Relaxed, like all counters of a node table; nobody else uses this one. */
static void set_counter(_Atomic uint64_t *counter, const json_t *row, const char *key) {
    uint64_t value;
    if (json_get_unsigned(row, key, &value)) atomic_store_explicit(counter, value, memory_order_relaxed);
}

static void set_control(const json_t *row, struct node *node) {
    struct trace_rpc_error error = {0};
    uint32_t kinds;
    double share = json_get_real(row, "sample", 1);
    const json_t *names = json_object_get(row, "kinds");
    if (!json_is_string(names) && !json_is_array(names)) return;
    if (control_word_read_kinds(names, &kinds, &error)) {
        trace_rpc_error_fini(&error);
        return;
    }
    uint32_t threshold = share > 0 && share <= 1 ? control_word_threshold(share) : UINT32_MAX;
    atomic_store_explicit(&node->control, (uint64_t)threshold << 32 | kinds, memory_order_relaxed); /* relaxed: as set_counter */
}

void node_row_set_counters(const json_t *row, struct node *node) {
    const json_t *lost = json_object_get(row, "lost_by");
    uint64_t last_ns;
    set_counter(&node->emitted, row, "emitted");
    set_counter(&node->indexed, row, "indexed");
    set_counter(&node->unfinished, row, "unfinished");
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) set_counter(&node->lost[cause], lost, trace_loss_name(cause));
    if (json_get_time(json_object_get(row, "last"), &last_ns))
        atomic_store_explicit(&node->last_unix_ns, last_ns, memory_order_relaxed); /* relaxed: as set_counter */
    uint64_t after_ns, by_ns;
    const json_t *ended = json_object_get(row, "ended");
    bool has_after = json_get_time(json_object_get(ended, "after"), &after_ns);
    if (has_after && json_get_time(json_object_get(ended, "by"), &by_ns))
        nodes_set_ended(node, after_ns, by_ns);
    else if (node_row_state(row) == NODE_LIVE) /* it was when the row was written, and nobody knows when that was */
        nodes_set_alive(node, has_after ? after_ns : 0);
    else if (has_after)
        nodes_set_alive(node, after_ns);
    uint64_t lanes;
    if (json_get_unsigned(row, "lanes", &lanes))
        atomic_store_explicit(&node->lanes_used, (uint32_t)lanes, memory_order_relaxed); /* relaxed: as set_counter */
    set_control(row, node);
}

enum node_state node_row_state(const json_t *row) {
    static const struct {
        const char *name;
        enum node_state state;
    } states[] = {{"live", NODE_LIVE}, {"exited", NODE_EXITED}, {"crashed", NODE_CRASHED}};
    const char *name = json_get_text(row, "state");
    for (size_t i = 0; name && i < sizeof states / sizeof *states; i++)
        if (!strcmp(states[i].name, name)) return states[i].state;
    return NODE_UNKNOWN;
}

/* ---- applications ---- */

/* NUL-padded; may fill the array. */
static bool read_name(const json_t *object, const char *key, char *out, size_t room) {
    const char *text = json_get_text(object, key);
    if (!text || !*text) return false;
    memcpy(out, text, trace_utf8_cut(text, strlen(text), room));
    return true;
}

static bool read_command(const json_t *row, struct trace_app_command_name *out) {
    uint64_t number = 0;
    if (!json_get_unsigned(row, "cmd", &number) || number > UINT16_MAX) return false;
    out->cmd = (uint16_t)number;
    return read_name(row, "name", out->name, sizeof out->name);
}

static uint8_t read_type(const char *name) {
    static const char *const names[] = {
        [TRACE_APP_UNSIGNED] = "unsigned", [TRACE_APP_BYTES] = "bytes", [TRACE_APP_HASH] = "hash", [TRACE_APP_TEXT] = "text"};
    for (unsigned i = TRACE_APP_UNSIGNED; name && i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return (uint8_t)i;
    return UINT8_MAX; /* from a newer version: shown in hex */
}

static bool read_field(const json_t *row, struct trace_app_field *out) {
    uint64_t offset = json_get_count(row, "offset"), bytes = json_get_count(row, "bytes");
    if (!bytes || bytes > TRACE_APP_DATA_BYTES || offset > TRACE_APP_DATA_BYTES - bytes) return false;
    out->type = read_type(json_get_text(row, "type"));
    out->offset = (uint8_t)offset;
    out->bytes = (uint8_t)bytes;
    if (out->type == TRACE_APP_UNSIGNED && bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) return false;
    return read_name(row, "name", out->name, sizeof out->name);
}

static bool read_app(const json_t *row, struct trace_app *out) {
    const char *id = json_get_text(row, "app_id");
    const json_t *commands = json_get_array(row, "commands"), *fields = json_get_array(row, "fields"), *element;
    size_t i;
    *out = (struct trace_app){.command_count = 0};
    if (!id || strlen(id) != sizeof out->app_id || !read_name(row, "name", out->name, sizeof out->name)) return false;
    if (json_array_size(commands) > TRACE_APP_COMMANDS_MAX || json_array_size(fields) > TRACE_APP_FIELDS_MAX) return false;
    memcpy(out->app_id, id, sizeof out->app_id);
    json_array_foreach(commands, i, element) if (!read_command(element, &out->commands[i])) return false;
    json_array_foreach(fields, i, element) if (!read_field(element, &out->fields[i])) return false;
    out->command_count = (uint16_t)json_array_size(commands);
    out->field_count = (uint16_t)json_array_size(fields);
    return true;
}

void node_row_add_apps(const json_t *row, const json_t *apps, struct store *store, uint32_t node) {
    size_t i, k;
    const json_t *id, *description;
    struct trace_app app;
    json_array_foreach(json_get_array(row, "apps"), i, id) {
        const char *text = json_string_value(id);
        if (!text || strlen(text) != sizeof app.app_id || nodes_app(nodes_at(store->nodes, node), text)) continue;
        json_array_foreach(apps, k, description) {
            const char *its = json_get_text(description, "app_id");
            if (!its || strcmp(its, text) != 0 || !read_app(description, &app)) continue;
            store_add_app(store, node, &app);
            break;
        }
    }
}

/* ---- who is who ---- */

static bool read_id(const json_t *row, const char *key, struct trace_node_id *ret_id) {
    const char *digits = json_get_hex(row, key, NODE_DIGITS);
    return digits && !trace_hex_decode(ret_id->bytes, digits, sizeof ret_id->bytes);
}

/* Without a name it is no address. */
static uint8_t read_transport(const char *name) {
    for (unsigned i = 0; name && i <= UINT8_MAX; i++) {
        const char *its = trace_transport_name(i);
        if (its && !strcmp(its, name)) return (uint8_t)i;
    }
    return TRACE_TRANSPORT_OTHER;
}

bool alias_row_read(const json_t *row, struct alias *ret_alias, struct trace_node_id *ret_by) {
    struct alias alias = {.own = json_get_bool(row, "own"), .transport = read_transport(json_get_text(row, "transport"))};
    if (!read_id(row, "id", &alias.alias_id) || !read_id(row, "peer_id", &alias.peer_id) || !read_id(row, "by", ret_by) ||
        !read_log(json_get_hex(row, "log", LOG_DIGITS), &alias.log) ||
        !json_get_time(json_object_get(row, "since"), &alias.time_ns))
        return false;
    (void)read_name(row, "label", alias.label, sizeof alias.label);
    *ret_alias = alias;
    return true;
}
