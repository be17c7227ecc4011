/* SPDX-License-Identifier: MIT
 *
 * `nodes` and `apps`: the contents of the node table. */
#include "ask_methods.h"

#include <proto/event_table.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/control_word.h>
#include <store/grace.h>
#include <store/nodes_past.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>

/* Relaxed: single counters that the ingest thread writes; an answer is an approximate snapshot. */
static uint64_t load(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static const char *state_name(uint32_t state) {
    switch (state) {
    case NODE_LIVE: return "live";
    case NODE_EXITED: return "exited";
    case NODE_CRASHED: return "crashed";
    case NODE_REJECTED: return "rejected";
    default: return "unknown";
    }
}

static json_t *losses(const struct node_then *node, uint64_t *ret_sum) {
    json_t *by_cause = json_object();
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) {
        uint64_t count = node->lost[cause];
        *ret_sum += count;
        json_object_set_new(by_cause, trace_loss_name(cause), value_unsigned(count));
    }
    return by_cause;
}

static json_t *app_ids(const struct node *node) {
    json_t *ids = json_array();
    /* app:A of the table: the descriptions below the count are complete. */
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < TRACE_APPS_MAX; i++)
        json_array_append_new(ids, value_text(node->apps[i]->app_id, sizeof node->apps[i]->app_id));
    return ids;
}

/* What only a ring knows.  We do not trust a rejected object's. */
static void set_ring(json_t *json, const struct node *node, bool rejected) {
    const struct node_info *info = &node->info;
    const char *clock = info->clock_source == TRACE_CLOCK_TSC ? "tsc" : "monotonic";
    const char *policy = info->policy == TRACE_OVERWRITE_OLDEST ? "overwrite_oldest" : "discard_newest";
    json_object_set_new(json, "lane_events", info->has_ring ? json_integer(info->lane_events) : json_null());
    json_object_set_new(json, "bytes", info->has_ring ? value_unsigned(info->ring_bytes) : json_null());
    json_object_set_new(json, "clock", info->has_ring && !rejected ? json_string(clock) : json_null());
    json_object_set_new(json, "policy", info->has_ring && !rejected ? json_string(policy) : json_null());
}

/* When a log ended; or when it was recorded that it had not. */
static json_t *ended(const struct node_then *node) {
    if (!node->ended_by_ns && !node->ended_after_ns) return json_null();
    if (node->state == NODE_LIVE && node->ended_by_ns) return json_null(); /* its state is about to change */
    return json_pack("{soso}", "after", value_time(node->ended_after_ns), "by", value_time_or_null(node->ended_by_ns));
}

/* Nodes on one machine share its clock. */
static void set_machine(json_t *json, const struct machine *machine) {
    char id[2 * MACHINE_ID_BYTES + 1] = "";
    trace_hex_encode(id, machine->id, sizeof machine->id);
    json_object_set_new(json, "host", machine->name[0] ? value_text(machine->name, sizeof machine->name) : json_null());
    json_object_set_new(json, "machine", machine_known(machine) ? json_string(id) : json_null());
}

/* past: the settings that it had then are not known. */
static json_t *node_json(const struct store *store, const struct alias_picture *aliases, const struct node *node,
                         const struct node_then *then, bool past) {
    uint32_t state = then->state;
    bool rejected = state == NODE_REJECTED;
    /* An object that was rejected at once has a name and nothing else; one that was rejected later keeps what it was. */
    bool known = nodes_id_is_known(&node->info.node_id);
    uint64_t lost = 0;
    json_t *lost_by = losses(then, &lost);
    json_t *json = json_object();
    json_object_set_new(json, "node_id", !known ? json_null() : value_node_id(&node->info.node_id));
    json_object_set_new(json, "log", !known ? json_null() : answer_log(node->info.log));
    json_object_set_new(json, "name", value_text(node->info.node_name, sizeof node->info.node_name));
    json_object_set_new(json, "aliases", known ? answer_aliases(store, aliases, &node->info.node_id, NULL, 0) : json_array());
    set_machine(json, &node->info.machine);
    json_object_set_new(json, "pid", !known || !node->info.pid ? json_null() : json_integer(node->info.pid));
    json_object_set_new(json, "state", json_string(state_name(state)));
    json_object_set_new(json, "emitted", value_unsigned(then->emitted));
    json_object_set_new(json, "indexed", value_unsigned(then->indexed));
    json_object_set_new(json, "lost", value_unsigned(lost));
    json_object_set_new(json, "lost_by", lost_by);
    json_object_set_new(json, "unfinished", value_unsigned(then->unfinished));
    json_object_set_new(json, "lanes", json_integer(atomic_load_explicit(&node->lanes_used, memory_order_relaxed)));
    set_ring(json, node, rejected);
    if (state == NODE_LIVE && node->info.has_ring && !past) {
        control_word_set(json, load(&node->control));
    } else {
        json_object_set_new(json, "kinds", json_null());
        json_object_set_new(json, "sample", json_null());
    }
    json_object_set_new(json, "started", value_time_or_null(node->info.started_unix_ns));
    json_object_set_new(json, "last", value_time_or_null(then->last_unix_ns));
    json_object_set_new(json, "ended", ended(then));
    json_object_set_new(json, "apps", app_ids(node));
    json_object_set_new(json, "reason", rejected ? json_string(node->reason) : json_null());
    return json;
}

/* One node of a list that is being sorted: what it is sorted by, and its JSON. */
struct row {
    char name[TRACE_NODE_NAME_BYTES + 1];
    struct trace_node_id id;
    uint64_t log;
    uint32_t index;
    json_t *json;
};

static int compare_rows(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (!order) order = memcmp(&x->id, &y->id, sizeof x->id);
    if (!order) order = (x->log > y->log) - (x->log < y->log);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

json_t *answer_clock_steps(struct nodes *nodes) {
    struct clock_step steps[CLOCK_STEPS_MAX];
    size_t count = clock_steps_copy(nodes_clock_steps(nodes), steps);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct clock_step *step = &steps[i];
        char id[2 * MACHINE_ID_BYTES + 1] = "";
        trace_hex_encode(id, step->machine.id, sizeof step->machine.id);
        json_t *json = json_pack("{soso}", "before", value_time(step->before_ns), "after", value_time(step->after_ns));
        json_object_set_new(json, "step", json_integer((json_int_t)(step->after_ns - step->before_ns)));
        json_object_set_new(json, "kind", json_string(step->slept ? "sleep" : "step"));
        json_object_set_new(json, "number", json_integer(step->number));
        json_object_set_new(json, "machine", machine_known(&step->machine) ? json_string(id) : json_null());
        json_array_append_new(list, json);
    }
    return list;
}

/* Then it looks through the history. */
bool ask_nodes_is_long(const struct ask *ask) { return json_object_get(ask->params, "at") != NULL; }

int ask_nodes(struct ask *ask) {
    json_t *at = NULL;
    uint64_t at_ns = 0;
    struct nodes_past *past = NULL;
    const struct trace_rpc_param params[] = {{"at", TRACE_RPC_TIME, .json = &at}};
    if (trace_rpc_params_read(ask->params, params, 1, &ask->error) ||
        time_param_read_end("at", at, store_now_ns(ask->store), &at_ns, &ask->error))
        return -1;
    int error = at_ns ? nodes_past_create(&past, ask->store->nodes, ask->store->history, at_ns, &ask->work) : 0;
    if (error) return ask_fail(ask, error);
    uint32_t count = nodes_count(ask->store->nodes), used = 0;
    struct row *rows = calloc(count ? count : 1, sizeof *rows);
    if (!rows) {
        nodes_past_destroy(past);
        return ask_fail_memory(ask);
    }
    struct alias_picture *aliases = alias_picture_take(ask->store->aliases);
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(ask->store->nodes, i);
        struct node_then then;
        if (!node || (past && !nodes_past_at(past, i, node, &then))) continue;
        if (!past) node_now(node, &then);
        struct row *row = &rows[used++];
        memcpy(row->name, node->info.node_name, sizeof row->name);
        row->id = node->info.node_id;
        row->log = node->info.log;
        row->index = i;
        row->json = node_json(ask->store, aliases, node, &then, past != NULL);
    }
    grace_read_unlock();
    nodes_past_destroy(past);
    alias_picture_release(aliases);
    qsort(rows, used, sizeof *rows, compare_rows);
    json_t *list = json_array();
    for (uint32_t i = 0; i < used; i++) json_array_append_new(list, rows[i].json);
    free(rows);
    return ask_answer(ask, json_pack("{soso}", "nodes", list, "clock_steps", answer_clock_steps(ask->store->nodes)));
}

static const char *app_type_name(uint8_t type) {
    switch (type) {
    case TRACE_APP_UNSIGNED: return "unsigned";
    case TRACE_APP_BYTES: return "bytes";
    case TRACE_APP_HASH: return "hash";
    case TRACE_APP_TEXT: return "text";
    default: return "unknown";
    }
}

static json_t *app_json(const struct trace_app *app) {
    json_t *commands = json_array(), *fields = json_array();
    for (unsigned i = 0; i < app->command_count && i < TRACE_APP_COMMANDS_MAX; i++) {
        const struct trace_app_command_name *command = &app->commands[i];
        json_array_append_new(
            commands, json_pack("{siso}", "cmd", (int)command->cmd, "name", value_text(command->name, sizeof command->name)));
    }
    for (unsigned i = 0; i < app->field_count && i < TRACE_APP_FIELDS_MAX; i++) {
        const struct trace_app_field *field = &app->fields[i];
        json_array_append_new(fields,
                              json_pack("{sosssisi}", "name", value_text(field->name, sizeof field->name), "type",
                                        app_type_name(field->type), "offset", (int)field->offset, "bytes", (int)field->bytes));
    }
    return json_pack("{sosososo}", "app_id", value_text(app->app_id, sizeof app->app_id), "name",
                     value_text(app->name, sizeof app->name), "commands", commands, "fields", fields);
}

/* Nodes of one program register the same description; it is listed once.  Another description of the same id is another entry. */
static bool listed(const struct trace_app *apps, size_t count, const struct trace_app *app) {
    for (size_t i = 0; i < count; i++)
        if (!memcmp(&apps[i], app, sizeof *app)) return true;
    return false;
}

#define APPS_LISTED_MAX 256

static int compare_apps(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_app)); }

int ask_apps(struct ask *ask) {
    if (trace_rpc_params_read(ask->params, NULL, 0, &ask->error)) return -1;
    struct trace_app *apps = malloc(APPS_LISTED_MAX * sizeof *apps);
    if (!apps) return ask_fail_memory(ask);
    size_t used = 0;
    uint32_t count = nodes_count(ask->store->nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(ask->store->nodes, i);
        uint32_t app_count = node ? atomic_load_explicit(&node->app_count, memory_order_acquire) : 0;
        for (uint32_t k = 0; k < app_count && k < TRACE_APPS_MAX && used < APPS_LISTED_MAX; k++)
            if (!listed(apps, used, node->apps[k])) apps[used++] = *node->apps[k];
    }
    grace_read_unlock();
    qsort(apps, used, sizeof *apps, compare_apps);
    json_t *list = json_array();
    for (size_t i = 0; i < used; i++) json_array_append_new(list, app_json(&apps[i]));
    free(apps);
    return ask_answer(ask, json_pack("{so}", "apps", list));
}
