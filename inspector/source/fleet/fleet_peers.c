/* SPDX-License-Identifier: MIT
 *
 * `peers` of a fleet: ClickHouse sums up what store/history/history_peers.c would. */
#include "fleet_answers.h"
#include "json_get.h"

#include <store/id_lookup.h>
#include <store/id_param.h>
#include <store/value.h>
#include <string.h>

#define PEER_COLUMNS                                                                                                          \
    "peer_id, count() AS events, countIf(kind = 'packet_sent'), countIf(kind = 'packet_received'), "                          \
    "countIf(kind = 'packet_lost' AND bitAnd(flags, 128) = 0), "                                                              \
    "countIf(kind = 'message_sent'), countIf(kind = 'message_received'), sumIf(size, kind = 'packet_sent'), "                 \
    "sumIf(size, kind = 'packet_received'), countIf(kind = 'metrics'), countIf(kind IN ('metrics','conn_established')), "     \
    "toUInt64(argMaxIf(rtt, shown_ns, kind IN ('metrics','conn_established'))), toUInt64(minIf(min_rtt, kind = 'metrics')), " \
    "min(shown_ns), max(shown_ns), arraySort(groupUniqArray(node_id))"

_Static_assert(TRACE_FLAG_PROBE == 128, "PEER_COLUMNS: a lost probe is no loss");

static json_t *nodes_new(struct row_reader *rows) {
    json_t *nodes = json_array();
    for (uint64_t count = row_read_count(rows); count && !rows->failed; count--) {
        struct trace_node_id id;
        const uint8_t *at = row_read(rows, sizeof id.bytes);
        if (!at) break;
        memcpy(id.bytes, at, sizeof id.bytes);
        json_array_append_new(nodes, value_node_id(&id));
    }
    return nodes;
}

static json_t *peer_new(struct row_reader *rows, const struct id_lookup_names *names) {
    struct trace_node_id id = {0};
    uint64_t numbers[14];
    const uint8_t *at = row_read(rows, sizeof id.bytes);
    json_t *json = json_object();
    if (at) memcpy(id.bytes, at, sizeof id.bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) numbers[i] = row_read_u64(rows);
    const char *name = id_lookup_names_find(names, &id);
    json_object_set_new(json, "peer_id", value_node_id(&id));
    json_object_set_new(json, "name", name ? value_text(name, TRACE_NODE_NAME_BYTES) : json_null());
    json_object_set_new(json, "aliases", json_array()); /* ids are as they were written */
    json_object_set_new(json, "events", value_unsigned(numbers[0]));
    json_object_set_new(json, "packets_sent", value_unsigned(numbers[1]));
    json_object_set_new(json, "packets_received", value_unsigned(numbers[2]));
    json_object_set_new(json, "packets_lost", value_unsigned(numbers[3]));
    json_object_set_new(json, "loss", json_real(numbers[1] ? (double)numbers[3] / (double)numbers[1] : 0.0));
    json_object_set_new(json, "messages_sent", value_unsigned(numbers[4]));
    json_object_set_new(json, "messages_received", value_unsigned(numbers[5]));
    json_object_set_new(json, "bytes_sent", value_unsigned(numbers[6]));
    json_object_set_new(json, "bytes_received", value_unsigned(numbers[7]));
    json_object_set_new(json, "rtt", numbers[9] ? value_unsigned(numbers[10]) : json_null());
    json_object_set_new(json, "min_rtt", numbers[8] ? value_unsigned(numbers[11]) : json_null());
    json_object_set_new(json, "nodes", nodes_new(rows));
    json_object_set_new(json, "first", value_time(numbers[12]));
    json_object_set_new(json, "last", value_time(numbers[13]));
    return json;
}

static int read_peers(const struct fleet_question *question, struct row_reader rows, json_t **ret_peers) {
    struct id_lookup_names names;
    json_t *peers = json_array();
    if (id_lookup_names_init(&names, question->answers->context.store)) {
        json_decref(peers);
        return failure_out_of_memory(question->failure);
    }
    while (row_reader_more(&rows)) json_array_append_new(peers, peer_new(&rows, &names));
    id_lookup_names_fini(&names);
    *ret_peers = peers;
    return rows.failed ? failure_set(question->failure, EXIT_FAILED, "the fleet's answer was cut short") : 0;
}

int fleet_answer_peers(struct fleet_question *question) {
    const struct fleet_context *context = &question->answers->context;
    const char *node = json_get_text(question->params, "node_id");
    struct trace_text sql = {0};
    struct trace_node_id id;
    struct row_reader rows;
    struct trace_rpc_error error = {0};
    json_t *peers = NULL;
    trace_text_puts(&sql, "WITH ");
    trace_text_puts(&sql, fleet_clocks_column(&context->clocks));
    trace_text_puts(&sql, " AS shown_ns SELECT " PEER_COLUMNS);
    fleet_put_format(&sql, " FROM `%s`.events FINAL WHERE bitAnd(flags,%u) != 0", clickhouse_database(context->server),
                     TRACE_FLAG_HAS_PEER);
    if (node && !id_param_read_node(context->store, "node_id", node, false, &id, &error)) {
        struct trace_id_prefix prefix = {.digits = 2 * TRACE_NODE_ID_BYTES};
        memcpy(prefix.bytes, id.bytes, sizeof id.bytes);
        trace_text_puts(&sql, " AND ");
        trace_filter_sql_prefix(&sql, "node_id", &prefix, TRACE_NODE_ID_BYTES);
    }
    trace_rpc_error_fini(&error);
    trace_text_puts(&sql, " GROUP BY peer_id ORDER BY events DESC, peer_id FORMAT RowBinary");
    int result = fleet_ask(context->server, &sql, &rows, question->failure);
    trace_text_fini(&sql);
    if (!result) result = read_peers(question, rows, &peers);
    if (!result && !(*question->ret_result = json_pack("{s:O}", "peers", peers)))
        result = failure_out_of_memory(question->failure);
    json_decref(peers);
    return result;
}
