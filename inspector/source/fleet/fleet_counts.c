/* SPDX-License-Identifier: MIT
 *
 * `count`, `requests` and `stats` of a fleet.  ClickHouse counts (fleet_tally.h); where it cannot, the events are loaded, and
 * the store counts them. */
#include "fleet_parts.h"
#include "fleet_tally.h"
#include "json_get.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- count ---------------------------------------------------------------------------------------------------------------- */

/* `took` is the time from the start of a span to its end: matching ends need their starts, too. */
static void put_spans(struct trace_text *out, const struct fleet_question *question, const struct fleet_scope *scope) {
    const char *value = json_get_text(question->params, "value");
    if (!value || strcmp(value, "took") != 0) return;
    fleet_put_format(
        out,
        " OR (kind IN ('app_start','app_end') AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE "
        "kind = 'app_end' AND ",
        clickhouse_database(question->answers->context.server));
    fleet_scope_put_times(out, &question->answers->context, scope->from_ns, scope->to_ns);
    trace_text_puts(out, "))");
}

/* Narrows to the one trace whose id begins with that. */
static int put_trace(struct trace_text *out, const struct fleet_question *question, bool *nothing) {
    const char *text = json_get_text(question->params, "trace_id");
    struct trace_id_prefix prefix;
    struct trace_id id;
    size_t count = 0;
    if (!text) return 0;
    bool hex = !trace_id_prefix_parse(&prefix, text, 2 * TRACE_ID_BYTES);
    *nothing = !hex;
    if (!hex) return 0;
    if (fleet_scope_find_traces(&question->answers->context, &prefix, &id, &count, question->failure)) return -1;
    if (count == 1) {
        trace_text_puts(out, " OR ");
        return fleet_scope_put_trace(out, &question->answers->context, &id, question->failure);
    }
    if (!count) return 0;
    trace_text_puts(out, " OR "); /* too many: the store says so */
    trace_filter_sql_prefix(out, "trace_id", &prefix, TRACE_ID_BYTES);
    return 0;
}

int fleet_answer_count(struct fleet_question *question) {
    struct fleet_limits limits;
    struct fleet_scope scope;
    struct trace_text condition = {0};
    if (fleet_scope_events(&scope, &question->answers->context, question->params, question->failure)) return -1;
    bool done = false;
    int failed = fleet_scope_limits(&limits, &question->answers->context, &scope, question->params, question->failure);
    if (!failed) failed = fleet_tally(question, &scope, &limits, &done);
    if (failed || done) {
        fleet_scope_fini(&scope);
        return failed;
    }
    bool one_trace = json_get_text(question->params, "trace_id") != NULL;
    trace_text_puts(&condition, "(");
    if (one_trace) {
        trace_text_puts(&condition, "(kind = 'events_lost' AND ");
        fleet_scope_put_times(&condition, &question->answers->context, scope.from_ns, scope.to_ns);
        trace_text_puts(&condition, ")");
    } else {
        fleet_scope_put(&condition, &question->answers->context, &scope, scope.from_ns, scope.to_ns);
    }
    int result = put_trace(&condition, question, &scope.nothing);
    if (one_trace && scope.peer.digits) { /* another peer has another witness: do not find its store */
        trace_text_puts(&condition, " OR (0 AND ");
        trace_filter_sql_prefix(&condition, "peer_id", &scope.peer, TRACE_NODE_ID_BYTES);
        trace_text_puts(&condition, ")");
    }
    put_spans(&condition, question, &scope);
    trace_text_puts(&condition, ")");
    if (!result) result = fleet_answer_loaded(question, &condition, limits.from_ns, &scope);
    trace_text_fini(&condition);
    fleet_scope_fini(&scope);
    return result;
}

/* ---- requests ------------------------------------------------------------------------------------------------------------- */

/* Traces with a span that has an event in that time. */
static void put_requests(struct trace_text *out, const struct fleet_question *question, uint64_t from_ns, uint64_t to_ns,
                         const char *times) {
    bool whole = json_object_get(question->params, "filter") != NULL;
    if (!whole && !from_ns && !to_ns) return; /* other events are not loaded */
    fleet_put_format(out, " AND trace_id GLOBAL IN (SELECT DISTINCT trace_id FROM `%s`.events WHERE " APP_KINDS " AND %s AND ",
                     clickhouse_database(question->answers->context.server), times);
    fleet_scope_put_times(out, &question->answers->context, from_ns, to_ns);
    trace_text_puts(out, ")");
}

int fleet_answer_requests(struct fleet_question *question) {
    /* A filter may test anything about a trace; without a filter, its spans are enough. */
    bool whole = json_object_get(question->params, "filter") != NULL;
    struct fleet_traces_wanted wanted = {put_requests, .spans = !whole, .losses = true};
    if (fleet_scope_times(&question->answers->context, question->params, &wanted.from_ns, &wanted.to_ns, question->failure))
        return -1;
    return fleet_answer_traces_in_parts(question, &wanted);
}

/* ---- stats ---------------------------------------------------------------------------------------------------------------- */

static json_t *time_new(uint64_t ns) {
    return json_pack("{s:I, s:I}", "timestamp", (json_int_t)(ns / 1000), "ns", (json_int_t)(ns % 1000));
}

/* Approximate while the fleet has duplicate rows; no conclusion depends on it. */
int fleet_answer_stats(struct fleet_question *question) {
    struct clickhouse *server = question->answers->context.server;
    const char *column = fleet_clocks_column(&question->answers->context.clocks);
    struct trace_text sql = {0};
    uint64_t is[3], ids[2];
    trace_text_puts(&sql, "SELECT count(), min(");
    trace_text_puts(&sql, column);
    trace_text_puts(&sql, "), max(");
    trace_text_puts(&sql, column);
    fleet_put_format(&sql, ") FROM `%s`.events FORMAT RowBinary", clickhouse_database(server));
    int result = fleet_ask_numbers(server, &sql, is, 3, question->failure);
    trace_text_fini(&sql);
    if (result) return -1;
    fleet_put_format(&sql, "SELECT uniq(trace_id), uniq(peer_id) FROM `%s`.trace_index FORMAT RowBinary",
                     clickhouse_database(server));
    result = fleet_ask_numbers(server, &sql, ids, 2, question->failure);
    trace_text_fini(&sql);
    if (result) return -1;
    json_int_t events = (json_int_t)is[0];
    *question->ret_result =
        json_pack("{s:{s:I, s:I, s:I, s:o, s:o, s:I, s:I}}", "history", "events", events, "events_max", events, "evicted",
                  (json_int_t)0, "first", events ? time_new(is[1]) : json_null(), "last", events ? time_new(is[2]) : json_null(),
                  "traces", (json_int_t)ids[0], "peers", (json_int_t)ids[1]);
    return *question->ret_result ? 0 : failure_out_of_memory(question->failure);
}
