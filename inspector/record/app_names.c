/* SPDX-License-Identifier: MIT */
#include "app_names.h"

#include <proto/event_table.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <string.h>

static void copy_name(char *out, size_t room, const char *name) { memcpy(out, name, trace_utf8_cut(name, strlen(name), room)); }

static struct trace_app *find_or_add(struct app_names *names, const char *id, const char *name) {
    for (unsigned i = 0; i < names->count; i++)
        if (!memcmp(names->apps[i]->app_id, id, sizeof names->apps[i]->app_id)) return names->apps[i];
    struct trace_app *app = names->count < TRACE_APPS_MAX ? calloc(1, sizeof *app) : NULL;
    if (!app) return NULL;
    memcpy(app->app_id, id, sizeof app->app_id);
    copy_name(app->name, sizeof app->name, name);
    names->apps[names->count++] = app;
    return app;
}

void app_names_note(struct app_names *names, const struct trace_parsed_event *parsed) {
    uint16_t cmd = 0;
    const char *id = trace_event_app(&parsed->event, &cmd);
    struct trace_app *app = id && parsed->app && *parsed->app ? find_or_add(names, id, parsed->app) : NULL;
    if (!app || !parsed->command || !*parsed->command) return;
    for (unsigned i = 0; i < app->command_count; i++)
        if (app->commands[i].cmd == cmd) return;
    if (app->command_count == TRACE_APP_COMMANDS_MAX) return;
    struct trace_app_command_name *command = &app->commands[app->command_count++];
    command->cmd = cmd;
    copy_name(command->name, sizeof command->name, parsed->command);
}

void app_names_add(const struct app_names *names, struct store *store, uint32_t node) {
    for (unsigned i = 0; i < names->count; i++)
        if (!nodes_app(nodes_at(store->nodes, node), names->apps[i]->app_id)) store_add_app(store, node, names->apps[i]);
}

void app_names_fini(struct app_names *names) {
    for (unsigned i = 0; i < names->count; i++) free(names->apps[i]);
}
