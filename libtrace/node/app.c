/* SPDX-License-Identifier: MIT
 *
 * The application registry of a log: descriptions in the ring, which are added and never changed.
 *
 * They are normalised: counts are set, and unused bytes are zero.  So two equal descriptions have equal bytes. */
#include "object.h"
#include "open_logs.h"

#include <errno.h>
#include <p2ptrace/trace.h>
#include <string.h>
#include <unistd.h>

/* ---- normalising ------------------------------------------------------------------------------------------------------- */

static uint16_t app_command_count(const struct trace_app *app) {
    uint16_t count = 0;
    if (app->command_count != 0) return app->command_count;
    while (count <= TRACE_APP_COMMANDS_MAX && app->commands[count].name[0] != 0) count++;
    return count;
}

static uint16_t app_field_count(const struct trace_app *app) {
    uint16_t count = 0;
    if (app->field_count != 0) return app->field_count;
    while (count <= TRACE_APP_FIELDS_MAX && app->fields[count].name[0] != 0) count++;
    return count;
}

static void copy_app_name(char *out, const char *name, size_t size) { memcpy(out, name, strnlen(name, size)); }

/* Returns false when there are too many commands or fields. */
static bool normalise(struct trace_app *ret_app, const struct trace_app *app) {
    struct trace_app one = {.command_count = app_command_count(app), .field_count = app_field_count(app)};
    if (one.command_count > TRACE_APP_COMMANDS_MAX || one.field_count > TRACE_APP_FIELDS_MAX) return false;
    memcpy(one.app_id, app->app_id, sizeof one.app_id);
    copy_app_name(one.name, app->name, sizeof one.name);
    for (unsigned i = 0; i < one.command_count; i++) {
        one.commands[i].cmd = app->commands[i].cmd;
        copy_app_name(one.commands[i].name, app->commands[i].name, sizeof one.commands[i].name);
    }
    for (unsigned i = 0; i < one.field_count; i++) {
        one.fields[i].type = app->fields[i].type;
        one.fields[i].offset = app->fields[i].offset;
        one.fields[i].bytes = app->fields[i].bytes;
        copy_app_name(one.fields[i].name, app->fields[i].name, sizeof one.fields[i].name);
    }
    *ret_app = one;
    return true;
}

/* ---- the rules of p2ptrace/app.h ---------------------------------------------------------------------------------------- */

static bool is_valid_command(const struct trace_app *app, unsigned index) {
    const struct trace_app_command_name *command = &app->commands[index];
    if (command->name[0] == 0) return false;
    for (unsigned i = 0; i < index; i++)
        if (app->commands[i].cmd == command->cmd || memcmp(app->commands[i].name, command->name, sizeof command->name) == 0)
            return false;
    return true;
}

static bool is_valid_field(const struct trace_app *app, unsigned index) {
    const struct trace_app_field *field = &app->fields[index];
    if (field->name[0] == 0 || field->bytes == 0 || field->offset + field->bytes > TRACE_APP_DATA_BYTES) return false;
    for (unsigned i = 0; i < index; i++)
        if (memcmp(app->fields[i].name, field->name, sizeof field->name) == 0) return false;
    switch (field->type) {
    case TRACE_APP_UNSIGNED: return TRACE_APP_IS_WIDTH_(field->bytes);
    case TRACE_APP_BYTES:
    case TRACE_APP_HASH:
    case TRACE_APP_TEXT: return true;
    default: return false;
    }
}

static bool is_valid(const struct trace_app *app) {
    for (unsigned i = 0; i < sizeof app->app_id; i++)
        if (app->app_id[i] < 0x21 || app->app_id[i] > 0x7e) return false;
    if (app->name[0] == 0) return false;
    for (unsigned i = 0; i < app->command_count; i++)
        if (!is_valid_command(app, i)) return false;
    for (unsigned i = 0; i < app->field_count; i++)
        if (!is_valid_field(app, i)) return false;
    return true;
}

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

/* Reserves memory for the pages of a description. */
static int reserve_app(const struct log *log, const struct trace_app *app) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t begin = (size_t)((const char *)app - (const char *)log->header) / page * page;
    size_t end = (size_t)((const char *)(app + 1) - (const char *)log->header + page - 1) / page * page;
    if (end > log->object_bytes) end = log->object_bytes;
    return object__reserve(log, begin, end - begin) == 0 ? 0 : -ENOMEM;
}

static int add_app(struct log *log, const struct trace_app *app) {
    struct trace_app *table = (struct trace_app *)((char *)log->header + TRACE_SHM_HEADER_BYTES);
    uint32_t count = log->header->app_count; /* only this process writes it, one thread at a time */
    int result;
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(table[i].app_id, app->app_id, sizeof app->app_id) == 0)
            return memcmp(&table[i], app, sizeof *app) == 0 ? 0 : -EEXIST;
    if (count == TRACE_APPS_MAX) return -ENOSPC;
    result = reserve_app(log, &table[count]);
    if (result != 0) return result;
    table[count] = *app;
    /* app:R  Publishes the description.  Pairs with app:A.  Without it a reader takes a half-written description. */
    __atomic_store_n(&log->header->app_count, count + 1, __ATOMIC_RELEASE);
    return 0;
}

int trace_log_register_app(struct trace_log *base, const struct trace_app *app) {
    struct log *log = (struct log *)base;
    struct trace_app one;
    if (!normalise(&one, app)) return -E2BIG;
    if (!is_valid(&one)) return -EINVAL;
    if (!log || !log->header) return 0; /* an untraced node, or a forked child */
    log__change_begin();
    int result = add_app(log, &one);
    log__change_end();
    return result;
}
