/* SPDX-License-Identifier: MIT
 *
 * Functions for a tracer's questions: percentiles, times before now, and numbers with units for people. */
#include "sql.h"

#include <math.h>
#include <proto/quantity.h>
#include <stdlib.h>
#include <string.h>

/* ---- percentiles ---- */

/* The values of a group, in order of arrival.  A percentile is one of them (the nearest rank), so an integer stays an integer. */
struct sample {
    double *values;
    size_t count, capacity;
    double percent; /* of percentile(x, percent) */
    bool real;      /* at least one was not an integer */
};

static void add_number(sqlite3_context *context, sqlite3_value *value, double percent) {
    struct sample *sample = sqlite3_aggregate_context(context, sizeof *sample);
    int type = sqlite3_value_numeric_type(value);
    if (!sample) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sample->percent = percent;
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT) return;
    if (sample->count == sample->capacity) {
        size_t capacity = sample->capacity ? sample->capacity * 2 : 256;
        double *values = sqlite3_realloc64(sample->values, capacity * sizeof *values);
        if (!values) {
            sqlite3_result_error_nomem(context);
            return;
        }
        sample->values = values;
        sample->capacity = capacity;
    }
    sample->real |= type == SQLITE_FLOAT;
    sample->values[sample->count++] = sqlite3_value_double(value);
}

static int compare_numbers(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void finish(sqlite3_context *context) {
    struct sample *sample = sqlite3_aggregate_context(context, 0);
    if (!sample) return;
    if (sample->count) {
        qsort(sample->values, sample->count, sizeof *sample->values, compare_numbers);
        size_t rank = (size_t)ceil(sample->percent / 100 * (double)sample->count);
        double value = sample->values[rank ? rank - 1 : 0];
        if (sample->real)
            sqlite3_result_double(context, value);
        else
            sqlite3_result_int64(context, (sqlite3_int64)value);
    }
    sqlite3_free(sample->values);
    sample->values = NULL;
    sample->count = 0;
}

static void step_fixed(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    add_number(context, values[0], *(const double *)sqlite3_user_data(context));
}

static void step_percentile(sqlite3_context *context, int count, sqlite3_value **values) {
    double percent = sqlite3_value_double(values[1]);
    (void)count;
    if (sqlite3_value_numeric_type(values[1]) == SQLITE_NULL || !(percent >= 0 && percent <= 100))
        sqlite3_result_error(context, "percentile(x, p): p is 0 to 100", -1);
    else
        add_number(context, values[0], percent);
}

/* ---- times ---- */

/* ago('5s'): that long before the statement began, in Unix microseconds, as timestamps are. */
static void ago(sqlite3_context *context, int count, sqlite3_value **values) {
    const struct sql *sql = sqlite3_user_data(context);
    const char *text = (const char *)sqlite3_value_text(values[0]);
    struct trace_quantity duration;
    (void)count;
    if (!text || trace_quantity_parse(text, &duration) || duration.unit != TRACE_UNIT_TIME)
        sqlite3_result_error(context, "ago(text): a duration like '5s' or '500ms' is expected", -1);
    else
        sqlite3_result_int64(context, (sqlite3_int64)sql->now_us - (sqlite3_int64)(duration.value / 1000));
}

/* ---- units ---- */

static void with_unit(sqlite3_context *context, sqlite3_value *value, void (*write)(struct strbuf *out, uint64_t number)) {
    struct strbuf text = {0};
    int type = sqlite3_value_numeric_type(value);
    double number = sqlite3_value_double(value);
    if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(fabs(number) < 1e18)) return;
    if (number < 0) strbuf_puts(&text, "-");
    write(&text, (uint64_t)llround(fabs(number)));
    if (text.failed)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, text.text, text.bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
    strbuf_fini(&text);
}

static void duration(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    with_unit(context, values[0], text_duration);
}

static void bytes(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    with_unit(context, values[0], text_bytes);
}

/* ---- registering ---- */

int sql_functions_register(struct sql *sql) {
    static const struct {
        const char *name;
        double percent;
    } fixed[] = {{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"median", 50}};
    /* Deterministic within a statement, and SQLite keeps a value no longer than that. */
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC, rc = SQLITE_OK;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && rc == SQLITE_OK; i++)
        rc = sqlite3_create_function_v2(sql->db, fixed[i].name, 1, flags, (void *)&fixed[i].percent, NULL, step_fixed, finish,
                                        NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(sql->db, "percentile", 2, flags, NULL, NULL, step_percentile, finish, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_create_function_v2(sql->db, "ago", 1, flags, sql, ago, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_create_function_v2(sql->db, "duration", 1, flags, NULL, duration, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_create_function_v2(sql->db, "bytes", 1, flags, NULL, bytes, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : session_out_of_memory(sql->session);
}
