/* SPDX-License-Identifier: MIT
 *
 * `nodes` and `apps`: what the node table says. */
#include "answer.h"
#include "id_lookup.h"
#include "methods.h"

#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

/* Relaxed: single counters that the ingest thread writes; an answer is a picture of about now. */
static uint64_t load(const _Atomic uint64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static const char *state_name(uint32_t state) {
    switch (state) {
    case NODE_LIVE: return "live";
    case NODE_EXITED: return "exited";
    case NODE_CRASHED: return "crashed";
    default: return "rejected";
    }
}

static json_t *losses(const struct node *node, uint64_t *ret_sum) {
    json_t *by_cause = json_object();
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) {
        uint64_t count = load(&node->lost[cause]);
        *ret_sum += count;
        json_object_set_new(by_cause, trace_loss_name(cause), answer_unsigned(count));
    }
    return by_cause;
}

static json_t *app_ids(const struct node *node) {
    json_t *ids = json_array();
    /* app:A of the table: the descriptions below the count are complete. */
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < TRACE_APPS_MAX; i++)
        json_array_append_new(ids, answer_text(node->apps[i].app_id, sizeof node->apps[i].app_id));
    return ids;
}

static json_t *node_json(const struct node *node) {
    /* state:A  Pairs with state:R of nodes.c.  Without it the reason could be an older one. */
    uint32_t state = atomic_load_explicit(&node->state, memory_order_acquire);
    bool rejected = state == NODE_REJECTED;
    /* An object that was rejected at once has a name and nothing else; one that was rejected later keeps what it was. */
    bool known = ids_is_known(&node->info.node_id);
    /* Relaxed: the load of the state has ordered it. */
    enum trace_attach_fault fault = atomic_load_explicit(&node->fault, memory_order_relaxed);
    uint64_t lost = 0;
    json_t *lost_by = losses(node, &lost);
    json_t *json = json_object();
    json_object_set_new(json, "node_id", !known ? json_null() : answer_node_id(&node->info.node_id));
    json_object_set_new(json, "log", !known ? json_null() : answer_log(node));
    json_object_set_new(json, "name", answer_text(node->info.node_name, sizeof node->info.node_name));
    json_object_set_new(json, "pid", !known ? json_null() : json_integer(node->info.pid));
    json_object_set_new(json, "state", json_string(state_name(state)));
    json_object_set_new(json, "emitted", answer_unsigned(load(&node->emitted)));
    json_object_set_new(json, "indexed", answer_unsigned(load(&node->indexed)));
    json_object_set_new(json, "lost", answer_unsigned(lost));
    json_object_set_new(json, "lost_by", lost_by);
    json_object_set_new(json, "unfinished", answer_unsigned(load(&node->unfinished)));
    json_object_set_new(json, "lanes", json_integer(atomic_load_explicit(&node->lanes_used, memory_order_relaxed)));
    json_object_set_new(json, "lane_events", json_integer(node->info.lane_events));
    json_object_set_new(json, "bytes", answer_unsigned(node->info.object_bytes));
    json_object_set_new(json, "clock",
                        rejected ? json_null() : json_string(node->info.clock_source == TRACE_CLOCK_TSC ? "tsc" : "monotonic"));
    json_object_set_new(json, "policy",
                        rejected
                            ? json_null()
                            : json_string(node->info.policy == TRACE_OVERWRITE_OLDEST ? "overwrite_oldest" : "discard_newest"));
    if (state == NODE_LIVE) {
        methods_set_control(json, load(&node->control));
    } else {
        json_object_set_new(json, "kinds", json_null());
        json_object_set_new(json, "sample", json_null());
    }
    json_object_set_new(json, "started", answer_time_or_null(node->started_unix_ns));
    json_object_set_new(json, "last", answer_time_or_null(load(&node->last_unix_ns)));
    json_object_set_new(json, "apps", app_ids(node));
    json_object_set_new(json, "reason", rejected ? json_string(trace_attach_fault_text(fault)) : json_null());
    return json;
}

/* A node in the making of a sorted list: what it is sorted by, and its JSON. */
struct row {
    char name[TRACE_NODE_NAME_BYTES + 1];
    struct trace_node_id id;
    uint32_t index;
    json_t *json;
};

static int compare_rows(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    if (!order) order = memcmp(&x->id, &y->id, sizeof x->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

int methods_nodes(struct call *call) {
    if (trace_rpc_params_read(call->request.params, NULL, 0, &call->error)) return -1;
    uint32_t count = nodes_count(call->service->nodes), used = 0;
    struct row *rows = calloc(count ? count : 1, sizeof *rows);
    if (!rows) return methods_answer(call, NULL);
    rcu_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(call->service->nodes, i);
        if (!node) continue;
        struct row *row = &rows[used++];
        memcpy(row->name, node->info.node_name, sizeof row->name);
        row->id = node->info.node_id;
        row->index = i;
        row->json = node_json(node);
    }
    rcu_read_unlock();
    qsort(rows, used, sizeof *rows, compare_rows);
    json_t *list = json_array();
    for (uint32_t i = 0; i < used; i++) json_array_append_new(list, rows[i].json);
    free(rows);
    return methods_answer(call, json_pack("{so}", "nodes", list));
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
            commands, json_pack("{siso}", "cmd", (int)command->cmd, "name", answer_text(command->name, sizeof command->name)));
    }
    for (unsigned i = 0; i < app->field_count && i < TRACE_APP_FIELDS_MAX; i++) {
        const struct trace_app_field *field = &app->fields[i];
        json_array_append_new(fields,
                              json_pack("{sosssisi}", "name", answer_text(field->name, sizeof field->name), "type",
                                        app_type_name(field->type), "offset", (int)field->offset, "bytes", (int)field->bytes));
    }
    return json_pack("{sosososo}", "app_id", answer_text(app->app_id, sizeof app->app_id), "name",
                     answer_text(app->name, sizeof app->name), "commands", commands, "fields", fields);
}

/* Nodes of one program register the same description; it is listed once.  Another description of the same id is another entry. */
static bool listed(const struct trace_app *apps, size_t count, const struct trace_app *app) {
    for (size_t i = 0; i < count; i++)
        if (!memcmp(&apps[i], app, sizeof *app)) return true;
    return false;
}

#define APPS_LISTED_MAX 256

static int compare_apps(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_app)); }

int methods_apps(struct call *call) {
    if (trace_rpc_params_read(call->request.params, NULL, 0, &call->error)) return -1;
    struct trace_app *apps = malloc(APPS_LISTED_MAX * sizeof *apps);
    if (!apps) return methods_answer(call, NULL);
    size_t used = 0;
    uint32_t count = nodes_count(call->service->nodes);
    rcu_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(call->service->nodes, i);
        uint32_t app_count = node ? atomic_load_explicit(&node->app_count, memory_order_acquire) : 0;
        for (uint32_t k = 0; k < app_count && k < TRACE_APPS_MAX && used < APPS_LISTED_MAX; k++)
            if (!listed(apps, used, &node->apps[k])) apps[used++] = node->apps[k];
    }
    rcu_read_unlock();
    qsort(apps, used, sizeof *apps, compare_apps);
    json_t *list = json_array();
    for (size_t i = 0; i < used; i++) json_array_append_new(list, app_json(&apps[i]));
    free(apps);
    return methods_answer(call, json_pack("{so}", "apps", list));
}
