/* SPDX-License-Identifier: MIT */
#include "fleet_tally.h"

#include "allocation.h"
#include "fleet_repeats.h"
#include "json_get.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TALLY_FIELDS_MAX 9 /* group_by and value */
#define TALLY_COLUMNS_MAX (TALLY_FIELDS_MAX * TRACE_FIELD_COLUMNS_MAX)
#define TALLY_LOGS_MAX 2000    /* a statement has 256 KiB */
#define TALLY_ROWS_MAX 200000U /* about 30 MB; for more, the events themselves are loaded */

/* What decides the answer, besides the kind. */
struct tally {
    struct fleet_question *question;
    const struct fleet_scope *scope;
    const struct fleet_limits *limits;
    const char *columns[TALLY_COLUMNS_MAX];
    size_t column_count;
    uint64_t every_ns[TALLY_FIELDS_MAX];
    size_t time_count;
    const char *value; /* a column, or NULL */
};

/* ---- the params ----------------------------------------------------------------------------------------------------------- */

static bool has_column(const struct tally *tally, const char *name) {
    for (size_t i = 0; i < tally->column_count; i++)
        if (!strcmp(tally->columns[i], name)) return true;
    return false;
}

/* Returns false if the field cannot be grouped by. */
static bool add_field(struct tally *tally, const struct trace_field *field) {
    const char *columns[TRACE_FIELD_COLUMNS_MAX];
    uint64_t every_ns;
    if (!trace_field_columns(field, columns, &every_ns)) return false;
    for (size_t i = 0; i < TRACE_FIELD_COLUMNS_MAX && columns[i]; i++)
        if (!has_column(tally, columns[i])) tally->columns[tally->column_count++] = columns[i];
    if (every_ns) tally->every_ns[tally->time_count++] = every_ns;
    return true;
}

static bool add_named(struct tally *tally, const char *name) {
    struct trace_field *field;
    if (!name || fleet_scope_find_field(&tally->question->answers->context, name, &field)) return false;
    bool can = add_field(tally, field);
    trace_field_destroy(field);
    return can;
}

/* The number must be a column of its own. */
static bool set_value(struct tally *tally, const char *name) {
    const char *columns[TRACE_FIELD_COLUMNS_MAX];
    struct trace_field *field;
    uint64_t every_ns;
    if (!strcmp(name, "took") || fleet_scope_find_field(&tally->question->answers->context, name, &field)) return false;
    bool can = trace_field_is_number(field) && trace_field_columns(field, columns, &every_ns) && columns[0] && !columns[1] &&
               strcmp(columns[0], "lane") != 0;
    trace_field_destroy(field);
    if (!can || has_column(tally, columns[0])) return false;
    tally->value = columns[0];
    return true;
}

static bool read_params(struct tally *tally) {
    const json_t *params = tally->question->params, *group_by = json_object_get(params, "group_by");
    const char *value = json_get_text(params, "value");
    if (json_object_get(params, "trace_id") || json_is_true(json_object_get(params, "explain"))) return false;
    if (json_array_size(group_by) >= TALLY_FIELDS_MAX) return false;
    if (json_is_string(group_by) && !add_named(tally, json_string_value(group_by))) return false;
    for (size_t i = 0; i < json_array_size(group_by); i++)
        if (!add_named(tally, json_string_value(json_array_get(group_by, i)))) return false;
    return !value || set_value(tally, value);
}

/* ---- the question --------------------------------------------------------------------------------------------------------- */

/* Numbers with equal leading digits, at least eight of them: a part of a bucket (store/ask/count_spread.h).  Where log2 is
 * rounded, the part is smaller. */
static void put_part(struct trace_text *out, const char *value) {
    fleet_put_format(out, "bitShiftRight(toUInt64(`%s`), if(`%s` < 256, 0, toUInt8(floor(log2(toFloat64(`%s`) + 1))) - 7))",
                     value, value, value);
    fleet_put_format(out, ", if(`%s` < 256, 0, toUInt8(floor(log2(toFloat64(`%s`) + 1))))", value, value);
}

/* All columns of a row: those that groups share, the least time and number, and zero for the others. */
static void put_columns(struct trace_text *out, const struct tally *tally, const char *time) {
    const struct fleet_table *table = fleet_table_find("events");
    for (size_t i = 0; i < table->column_count; i++) {
        const struct fleet_column *column = &table->columns[i];
        if (column->alias) continue;
        if (i) trace_text_puts(out, ", ");
        if (!strcmp(column->name, "time_ns")) {
            trace_text_puts(out, "min(");
            trace_text_puts(out, time);
            trace_text_puts(out, ")");
        } else if (tally->value && !strcmp(column->name, tally->value)) {
            fleet_put_format(out, "min(`%s`)", column->name);
        } else if (!strcmp(column->name, "peer_id") && has_column(tally, "peer_id")) {
            fleet_put_format(out, "%s", fleet_who_column(&tally->question->answers->context.who));
        } else if (!strcmp(column->name, "kind") || !strcmp(column->name, "kind_id") || has_column(tally, column->name)) {
            fleet_put_format(out, "`%s`", column->name);
        } else {
            fleet_put_zero(out, column->type);
        }
    }
}

static void put_groups(struct trace_text *out, const struct tally *tally, const char *time) {
    trace_text_puts(out, " GROUP BY kind, kind_id");
    for (size_t i = 0; i < tally->column_count; i++)
        fleet_put_format(out, ", `%s`",
                         strcmp(tally->columns[i], "peer_id") != 0 ? tally->columns[i]
                                                                   : fleet_who_column(&tally->question->answers->context.who));
    for (size_t i = 0; i < tally->time_count; i++) {
        trace_text_puts(out, ", intDiv(");
        trace_text_puts(out, time);
        fleet_put_format(out, ", %" PRIu64 ")", tally->every_ns[i]);
    }
    if (tally->value) trace_text_puts(out, ", ");
    if (tally->value) put_part(out, tally->value);
}

/* As fleet_sum.put. */
static void put_question(struct trace_text *out, const void *arg, const char *rows, const char *times) {
    const struct tally *tally = arg;
    const struct fleet_context *context = &tally->question->answers->context;
    const struct fleet_scope *scope = tally->scope;
    const char *time = fleet_clocks_column(&context->clocks), *value = tally->value ? tally->value : "flags";
    bool by_who = has_column(tally, "peer_id") || fleet_who_is_in(scope->matching.data, scope->matching.bytes);
    trace_text_puts(out, "SELECT ");
    put_columns(out, tally, time);
    trace_text_puts(out, ", count(), max(");
    trace_text_puts(out, time);
    fleet_put_format(out, "), toUInt64(max(`%s`)), sum(bitShiftRight(toUInt64(`%s`), 32)), ", value, value);
    fleet_put_format(out, "sum(bitAnd(toUInt64(`%s`), 4294967295)) FROM %s", value, rows);
    trace_text_puts(out, fleet_who_join(&context->who, by_who));
    trace_text_puts(out, " WHERE ");
    trace_text_puts(out, fleet_who_definition(&context->who, by_who));
    trace_text_puts(out, times);
    trace_text_puts(out, " AND ");
    fleet_scope_put_times(out, context, scope->from_ns, scope->to_ns);
    if (scope->matching.bytes) trace_text_puts(out, " AND ");
    if (scope->matching.bytes) trace_text_add(out, scope->matching.data, scope->matching.bytes);
    put_groups(out, tally, time);
    fleet_put_format(out, " LIMIT %u", TALLY_ROWS_MAX + 1);
}

/* ---- the answer ----------------------------------------------------------------------------------------------------------- */

/* " AND (node_id, log_id) IN (...)": the logs whose losses count. */
static void put_nodes(struct trace_text *out, const struct tally *tally) {
    const struct fleet_logs *logs = &tally->question->answers->context.logs;
    bool any = false;
    if (!tally->limits->by_node) return;
    for (size_t i = 0; i < logs->count; i++) {
        char digits[2 * TRACE_NODE_ID_BYTES + 1];
        if (!(tally->limits->nodes[i / 64] >> (i % 64) & 1)) continue;
        *trace_hex_encode(digits, logs->all[i].info.node_id.bytes, TRACE_NODE_ID_BYTES) = 0;
        fleet_put_format(out, "%s(toFixedString(unhex('%s'),%d),%" PRIu64 ")", any ? "," : " AND (node_id, log_id) IN (", digits,
                         TRACE_NODE_ID_BYTES, logs->all[i].info.log);
        any = true;
    }
    trace_text_puts(out, any ? ")" : " AND 0");
}

static int ask_lost(const struct tally *tally, uint64_t *ret_lost) {
    const struct fleet_context *context = &tally->question->answers->context;
    struct trace_text sql = {0};
    fleet_put_format(&sql, "SELECT sum(toUInt64(`count`)) FROM `%s`.rare_events FINAL WHERE kind = 'events_lost' AND ",
                     clickhouse_database(context->server));
    fleet_scope_put_times(&sql, context, tally->limits->from_ns, tally->limits->to_ns);
    put_nodes(&sql, tally);
    trace_text_puts(&sql, " FORMAT RowBinary");
    int result = fleet_ask_numbers(context->server, &sql, ret_lost, 1, tally->question->failure);
    trace_text_fini(&sql);
    return result;
}

/* Returns 0 or a negative errno: -E2BIG if there are too many. */
static int read_rows(const struct tally *tally, struct row_reader *rows, struct fleet_load *load, struct store_counted *counted) {
    const struct fleet_logs *logs = &load->context->logs;
    size_t room = 0;
    for (; row_reader_more(rows); counted->count++) {
        struct fleet_event event;
        if (counted->count == TALLY_ROWS_MAX) return -E2BIG;
        struct store_counted_event *all = memory_room(counted->all, counted->count, &room, sizeof *all);
        if (!all) return -ENOMEM;
        counted->all = all;
        struct store_counted_event *many = &counted->all[counted->count];
        if (fleet_event_read(rows, &event)) return -EBADMSG;
        many->events = row_read_u64(rows);
        many->first_ns = event.event.timestamp;
        many->last_ns = row_read_u64(rows);
        many->max = row_read_u64(rows);
        many->sum_high = row_read_u64(rows);
        many->sum_low = row_read_u64(rows);
        if (!has_column(tally, "node_id") && logs->count) { /* whosever they are */
            event.node_id = logs->all[0].info.node_id;
            event.log_id = logs->all[0].info.log;
        }
        event.event.sequence = (uint32_t)counted->count;
        int error = fleet_load_append(load, &event);
        if (error) return error;
    }
    return rows->failed ? -EBADMSG : 0;
}

/* The question without what has chosen the events. */
static json_t *params_new(const json_t *params) {
    static const char *const choice[] = {"filter", "kind", "node_id", "peer_id"};
    json_t *rest = json_deep_copy(params);
    for (size_t i = 0; rest && i < sizeof choice / sizeof *choice; i++) json_object_del(rest, choice[i]);
    return rest;
}

/* Which events are left out of more groups than a store can have depends on their order, which is not known here. */
static int ask_counted(struct fleet_question *question, struct store *store, bool *ret_done) {
    struct trace_text name = {0};
    trace_text_puts(&name, "counted");
    struct fleet_kept *kept = fleet_kept_add(question->answers, &name, store, question->failure);
    trace_text_fini(&name);
    if (!kept) return -1;
    json_t *params = params_new(question->params);
    int result =
        !params ? failure_out_of_memory(question->failure)
                : source_ask(kept->source, question->method, params, question->apart, question->ret_result, question->failure);
    fleet_kept_drop(kept);
    *ret_done = result || !json_get_count(*question->ret_result, "ungrouped");
    if (!*ret_done) json_decref(*question->ret_result);
    return result;
}

static int explain(const struct tally *tally, int error) {
    const struct clickhouse *server = tally->question->answers->context.server;
    if (error == -ENOMEM) return failure_out_of_memory(tally->question->failure);
    return failure_set(tally->question->failure, EXIT_FAILED,
                       "%s/%s has events that this inspector cannot read: ask again, and if they stay, update this one",
                       clickhouse_address(server), clickhouse_database(server));
}

/* Fills `load` and *counted. */
static int count_groups(const struct tally *tally, struct fleet_load *load, struct store_counted *counted, bool *ret_done) {
    struct fleet_question *question = tally->question;
    const struct fleet_sum sum = {&question->answers->context, put_question, tally, {"", ""}};
    struct trace_text room = {0};
    struct row_reader rows;
    if (ask_lost(tally, &counted->lost)) return -1;
    /* Only where the time that was asked for may begin before it. */
    if (tally->limits->from_ns && fleet_first_ns(question->answers, &counted->begin_ns, question->failure)) return -1;
    int result = fleet_sum_ask(&sum, &room, &rows, question->failure);
    int error = result ? 0 : read_rows(tally, &rows, load, counted);
    trace_text_fini(&room);
    if (result) return -1;
    *ret_done = !error && (counted->count || !(tally->limits->by_id || tally->scope->peer.digits)); /* it may not exist */
    return !error || error == -E2BIG ? 0 : explain(tally, error);
}

int fleet_tally(struct fleet_question *question, const struct fleet_scope *scope, const struct fleet_limits *limits,
                bool *ret_done) {
    struct tally tally = {.question = question, .scope = scope, .limits = limits};
    struct fleet_load load;
    *ret_done = false;
    if (scope->nothing || limits->nothing || question->answers->context.logs.count > TALLY_LOGS_MAX || !read_params(&tally))
        return 0;
    struct store_counted *counted = calloc(1, sizeof *counted);
    if (!counted) return failure_out_of_memory(question->failure);
    if (fleet_load_begin(&load, &question->answers->context, question->failure)) {
        free(counted);
        return -1;
    }
    counted->from_ns = limits->from_ns;
    counted->to_ns = limits->to_ns;
    load.store->counted = counted; /* freed with it */
    load.store->aliases = NULL;    /* peers are already who they stand for */
    int result = count_groups(&tally, &load, counted, ret_done);
    if (!result && *ret_done) return ask_counted(question, fleet_load_end(&load), ret_done);
    fleet_load_drop(&load);
    return result;
}
