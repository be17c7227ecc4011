/* SPDX-License-Identifier: MIT
 *
 * `traces` of a fleet.  By time, the index finds the traces, and their events are loaded.  With a filter of whole traces, or
 * for the slowest, every trace that may match is loaded, in parts. */
#include "fleet_parts.h"
#include "json_get.h"

#include <inttypes.h>
#include <string.h>

#define TRACES_DEFAULT 20
#define TRACES_SPARE 64 /* with the same time as the last */

/* " AND trace_id GLOBAL IN (SELECT ...)": conditions that one event of a trace can decide.  times: see fleet_parts.h. */
static void put_which(struct trace_text *out, const struct fleet_question *question, uint64_t from_ns, uint64_t to_ns,
                      const char *times) {
    const char *database = clickhouse_database(question->answers->context.server);
    const char *kind = json_get_text(question->params, "kind"), *app = json_get_text(question->params, "app");
    bool connection = kind && !strcmp(kind, "connection");
    if (kind || app)
        fleet_put_format(out, " AND trace_id GLOBAL %sIN (SELECT DISTINCT trace_id FROM `%s`.events WHERE " APP_KINDS " AND %s)",
                         connection ? "NOT " : "", database, times);
    if (app) {
        uint8_t padded[4] = {0};
        memcpy(padded, app, strnlen(app, sizeof padded));
        fleet_put_format(out,
                         " AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE " APP_KINDS
                         " AND app_id = toFixedString(unhex('%02x%02x%02x%02x'),4) AND %s)",
                         database, padded[0], padded[1], padded[2], padded[3], times);
    }
    if (from_ns || to_ns) {
        fleet_put_format(out, " AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE %s AND ", database,
                         times);
        fleet_scope_put_times(out, &question->answers->context, from_ns, to_ns);
        trace_text_puts(out, ")");
    }
}

/* ---- those of the index --------------------------------------------------------------------------------------------------- */

static int count_traces(struct fleet_question *question, const struct trace_text *which, uint64_t *ret_total) {
    struct clickhouse *server = question->answers->context.server;
    struct trace_text sql = {0};
    fleet_put_format(&sql, "SELECT uniqExact(trace_id) FROM `%s`.trace_index WHERE ", clickhouse_database(server));
    trace_text_add(&sql, which->data, which->bytes);
    trace_text_puts(&sql, " FORMAT RowBinary");
    int result = fleet_ask_numbers(server, &sql, ret_total, 1, question->failure);
    trace_text_fini(&sql);
    return result;
}

/* The first traces in this order, by own times. */
struct first_traces {
    struct trace_text ids; /* SQL literals */
    uint64_t count;
    uint64_t first_ns, last_ns; /* of all of them */
    uint64_t turn_ns;           /* that by which the last of them is in its place */
};

static int find_first(struct fleet_question *question, const struct trace_text *which, bool oldest, uint64_t limit,
                      struct first_traces *ret_first) {
    struct clickhouse *server = question->answers->context.server;
    struct trace_text sql = {0};
    struct row_reader rows;
    *ret_first = (struct first_traces){.first_ns = UINT64_MAX};
    fleet_put_format(&sql, "SELECT trace_id, min(first_ns) AS f, max(last_ns) AS l FROM `%s`.trace_index WHERE ",
                     clickhouse_database(server));
    trace_text_add(&sql, which->data, which->bytes);
    fleet_put_format(&sql, " GROUP BY trace_id ORDER BY %s LIMIT %" PRIu64 " FORMAT RowBinary", oldest ? "f" : "l DESC", limit);
    int result = fleet_ask(server, &sql, &rows, question->failure);
    trace_text_fini(&sql);
    if (result) return -1;
    while (row_reader_more(&rows)) {
        const uint8_t *at = row_read(&rows, TRACE_ID_BYTES);
        uint64_t first = row_read_u64(&rows), last = row_read_u64(&rows);
        char digits[2 * TRACE_ID_BYTES + 1];
        if (!at) break;
        *trace_hex_encode(digits, at, TRACE_ID_BYTES) = 0;
        fleet_put_format(&ret_first->ids, "%stoFixedString(unhex('%s'),%d)", ret_first->count++ ? "," : "", digits,
                         TRACE_ID_BYTES);
        if (first < ret_first->first_ns) ret_first->first_ns = first;
        if (last > ret_first->last_ns) ret_first->last_ns = last;
        ret_first->turn_ns = oldest ? first : last;
    }
    return 0;
}

/* The index has own times.  As far as clocks differ, other traces may come before the last one; their leads change by at most a
 * thousandth meanwhile. */
static void put_near(struct trace_text *out, const struct fleet_context *context, const struct trace_text *which, bool oldest,
                     uint64_t turn_ns) {
    uint64_t least = turn_ns, greatest = turn_ns;
    fleet_clocks_widen(&context->clocks, &least, &greatest);
    uint64_t apart = greatest - least, room = apart + apart / 100 + 1000000;
    fleet_put_format(out, "trace_id GLOBAL IN (SELECT trace_id FROM `%s`.trace_index WHERE ",
                     clickhouse_database(context->server));
    trace_text_add(out, which->data, which->bytes);
    trace_text_puts(out, " GROUP BY trace_id HAVING ");
    if (oldest)
        fleet_put_format(out, "min(first_ns) <= %" PRIu64 ")", turn_ns + room);
    else
        fleet_put_format(out, "max(last_ns) >= %" PRIu64 ")", turn_ns > room ? turn_ns - room : 0);
}

/* Appends the condition for the events of the first traces in this order; nothing if there are no traces. */
static int put_first(struct fleet_question *question, const struct trace_text *which, bool oldest, struct trace_text *out) {
    const struct fleet_context *context = &question->answers->context;
    json_int_t wanted = json_integer_value(json_object_get(question->params, "limit"));
    uint64_t limit = (uint64_t)(wanted ? wanted : TRACES_DEFAULT) + TRACES_SPARE;
    struct first_traces first;
    if (find_first(question, which, oldest, limit, &first)) return -1;
    if (first.count == limit && context->clocks.shown) {
        put_near(out, context, which, oldest, first.turn_ns);
    } else if (first.count) {
        trace_text_puts(out, "trace_id IN (");
        trace_text_add(out, first.ids.data, first.ids.bytes);
        fleet_put_format(out, ") AND time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64, first.first_ns, first.last_ns);
    }
    out->failed |= first.ids.failed;
    trace_text_fini(&first.ids);
    return 0;
}

/* ---- the method ----------------------------------------------------------------------------------------------------------- */

static int answer_first(struct fleet_question *question, uint64_t from_ns, uint64_t to_ns, bool oldest) {
    struct trace_text which = {0}, condition = {0};
    uint64_t total = 0;
    fleet_put_format(&which, "trace_id != toFixedString('',%d)", TRACE_ID_BYTES);
    put_which(&which, question, from_ns, to_ns, "1");
    int result = put_first(question, &which, oldest, &condition);
    if (!result) result = count_traces(question, &which, &total);
    if (!result && !condition.bytes) result = fleet_ask_store(question, question->answers->logs);
    if (!result && condition.bytes) result = fleet_answer_loaded(question, &condition, 0, NULL);
    if (!result) json_object_set_new(*question->ret_result, "total", json_integer((json_int_t)total));
    trace_text_fini(&which);
    trace_text_fini(&condition);
    return result;
}

int fleet_answer_traces(struct fleet_question *question) {
    const char *order = json_get_text(question->params, "order"), *one = json_get_text(question->params, "trace_id");
    static const struct fleet_scope always;
    struct fleet_traces_wanted wanted = {put_which, .losses = false};
    if (one) return fleet_answer_trace(question, one, &always);
    if (fleet_scope_times(&question->answers->context, question->params, &wanted.from_ns, &wanted.to_ns, question->failure))
        return -1;
    if (json_object_get(question->params, "filter") || (order && !strcmp(order, "slowest")))
        return fleet_answer_traces_in_parts(question, &wanted);
    return answer_first(question, wanted.from_ns, wanted.to_ns, order && !strcmp(order, "oldest"));
}
