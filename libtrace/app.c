/* SPDX-License-Identifier: MIT
 *
 * The application registry of a log: descriptions in the ring's header area, added and never changed. */
#include <errno.h>
#include <pthread.h>

#include <libtrace/reader.h>
#include <p2ptrace/trace.h>

#include "log_internal.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_valid_field(const struct trace_app_field *field) {
    if (field->bytes == 0 || field->offset + field->bytes > TRACE_APP_DATA_BYTES) return false;
    switch (field->type) {
    case TRACE_APP_UNSIGNED: return field->bytes == 1 || field->bytes == 2 || field->bytes == 4 || field->bytes == 8;
    case TRACE_APP_BYTES:
    case TRACE_APP_HASH:
    case TRACE_APP_TEXT: return true;
    default: return false;
    }
}

bool trace_app_is_valid(const struct trace_app *app) {
    if (app->command_count > TRACE_APP_COMMANDS_MAX || app->field_count > TRACE_APP_FIELDS_MAX) return false;
    for (unsigned i = 0; i < 4; i++)
        if (app->app_id[i] < 0x21 || app->app_id[i] > 0x7e) return false;
    for (unsigned i = 0; i < app->field_count; i++)
        if (!is_valid_field(&app->fields[i])) return false;
    return true;
}

static int add(struct log *log, const struct trace_app *app) {
    struct trace_shm_app *table = (struct trace_shm_app *)((char *)log->header + TRACE_SHM_HEADER_BYTES);
    uint32_t count = log->header->app_count;
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(table[i].app.app_id, app->app_id, sizeof app->app_id) == 0)
            return memcmp(&table[i].app, app, sizeof *app) == 0 ? 0 : -EEXIST;
    if (count == TRACE_APPS_MAX) return -ENOSPC;
    table[count].app = *app;
    /* app:R  Publishes the description.  Pairs with app:A.  Without it a reader takes a half-written description. */
    __atomic_store_n(&table[count].ready, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&log->header->app_count, count + 1, __ATOMIC_RELEASE); /* readers look at ready; this is a hint */
    return 0;
}

int trace_log_register_app(struct trace_log *base, const struct trace_app *app) {
    struct log *log = (struct log *)base;
    int result;
    if (log == NULL || log->header == NULL) return 0; /* an untraced node */
    if (!trace_app_is_valid(app)) return -EINVAL;
    pthread_mutex_lock(&registry_lock);
    result = add(log, app);
    pthread_mutex_unlock(&registry_lock);
    return result;
}
