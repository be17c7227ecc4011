/* SPDX-License-Identifier: MIT
 *
 * `traces` of a fleet.  By time, the index finds the traces, and their events are loaded.  With a filter of whole traces, or
 * for the slowest, every trace that may match is loaded. */
#include "fleet_answers.h"
#include "json_get.h"

#include <inttypes.h>
#include <string.h>

#define TRACES_DEFAULT 20
#define TRACES_SPARE 64 /* with the same time as the last */

/* " AND trace_id GLOBAL IN (SELECT ...)": conditions that one event of a trace can decide. */
static void put_which(struct trace_text *out, const struct fleet_question *question, uint64_t from_ns, uint64_t to_ns) {
    const char *database = clickhouse_database(question->answers->context.server);
    const char *kind = json_get_text(question->params, "kind"), *app = json_get_text(question->params, "app");
    bool connection = kind && !strcmp(kind, "connection");
    fleet_put_format(out, "trace_id != toFixedString('',%d)", TRACE_ID_BYTES);
    if (kind || app)
        fleet_put_format(out, " AND trace_id GLOBAL %sIN (SELECT DISTINCT trace_id FROM `%s`.events WHERE " APP_KINDS ")",
                         connection ? "NOT " : "", database);
    if (app) {
        uint8_t padded[4] = {0};
        memcpy(padded, app, strnlen(app, sizeof padded));
        fleet_put_format(out,
                         " AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE " APP_KINDS
                         " AND app_id = toFixedString(unhex('%02x%02x%02x%02x'),4))",
                         database, padded[0], padded[1], padded[2], padded[3]);
    }
    if (from_ns || to_ns) {
        fleet_put_format(out, " AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE ", database);
        fleet_scope_put_times(out, from_ns, to_ns);
        trace_text_puts(out, ")");
    }
}

/* ---- those of the index --------------------------------------------------------------------------------------------------- */

static int count_traces(struct fleet_question *question, const struct trace_text *which, uint64_t *ret_total) {
    struct clickhouse *server = question->answers->context.server;
    struct trace_text sql = {0};
    struct row_reader rows;
    fleet_put_format(&sql, "SELECT uniqExact(trace_id) FROM `%s`.trace_index WHERE ", clickhouse_database(server));
    trace_text_add(&sql, which->data, which->bytes);
    trace_text_puts(&sql, " FORMAT RowBinary");
    int result = fleet_ask(server, &sql, &rows, question->failure);
    trace_text_fini(&sql);
    if (!result) *ret_total = row_read_u64(&rows);
    return result;
}

/* Appends the condition for the events of the first traces in this order. */
static int put_first(struct fleet_question *question, const struct trace_text *which, bool oldest, struct trace_text *out) {
    struct clickhouse *server = question->answers->context.server;
    json_int_t limit = json_integer_value(json_object_get(question->params, "limit"));
    struct trace_text sql = {0};
    struct row_reader rows;
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    fleet_put_format(&sql, "SELECT trace_id, min(first_ns) AS f, max(last_ns) AS l FROM `%s`.trace_index WHERE ",
                     clickhouse_database(server));
    trace_text_add(&sql, which->data, which->bytes);
    fleet_put_format(&sql, " GROUP BY trace_id ORDER BY %s LIMIT %" PRIu64 " FORMAT RowBinary", oldest ? "f" : "l DESC",
                     (uint64_t)(limit ? limit : TRACES_DEFAULT) + TRACES_SPARE);
    int result = fleet_ask(server, &sql, &rows, question->failure);
    trace_text_fini(&sql);
    if (result) return -1;
    trace_text_puts(out, "trace_id IN (");
    for (bool any = false; row_reader_more(&rows); any = true) {
        const uint8_t *at = row_read(&rows, TRACE_ID_BYTES);
        uint64_t first = row_read_u64(&rows), last = row_read_u64(&rows);
        char digits[2 * TRACE_ID_BYTES + 1];
        if (!at) break;
        *trace_hex_encode(digits, at, TRACE_ID_BYTES) = 0;
        fleet_put_format(out, "%stoFixedString(unhex('%s'),%d)", any ? "," : "", digits, TRACE_ID_BYTES);
        if (first < first_ns) first_ns = first;
        if (last > last_ns) last_ns = last;
    }
    if (!last_ns) {
        trace_text_clear(out);
        return 0;
    }
    fleet_put_format(out, ") AND time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64, first_ns, last_ns);
    return 0;
}

/* ---- the method ----------------------------------------------------------------------------------------------------------- */

int fleet_answer_traces(struct fleet_question *question) {
    const char *order = json_get_text(question->params, "order");
    bool all = json_object_get(question->params, "filter") || (order && !strcmp(order, "slowest"));
    struct trace_text which = {0}, condition = {0};
    uint64_t from_ns, to_ns, total = 0;
    if (fleet_scope_times(&question->answers->context, question->params, &from_ns, &to_ns, question->failure)) return -1;
    put_which(&which, question, from_ns, to_ns);
    int result = 0;
    if (all)
        trace_text_add(&condition, which.data, which.bytes);
    else
        result = put_first(question, &which, order && !strcmp(order, "oldest"), &condition);
    if (!result && !all) result = count_traces(question, &which, &total);
    if (!result && !condition.bytes) result = fleet_ask_store(question, question->answers->logs);
    if (!result && condition.bytes) result = fleet_answer_loaded(question, &condition, 0, false);
    if (!result && !all) json_object_set_new(*question->ret_result, "total", json_integer((json_int_t)total));
    trace_text_fini(&which);
    trace_text_fini(&condition);
    return result;
}
