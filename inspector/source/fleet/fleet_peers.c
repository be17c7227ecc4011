/* SPDX-License-Identifier: MIT
 *
 * `peers` of a fleet: ClickHouse sums up what store/history/history_peers.c would. */
#include "fleet_answers.h"
#include "fleet_repeats.h"
#include "json_get.h"

#include <stdlib.h>
#include <store/answer.h>
#include <store/grace.h>
#include <store/id_lookup.h>
#include <store/id_param.h>
#include <store/value.h>
#include <string.h>

/* Of the rows, and of their sums. */
#define PEER_COLUMNS                                                                                                          \
    "count() AS events, countIf(kind = 'packet_sent') AS sent, countIf(kind = 'packet_received') AS received, "               \
    "countIf(kind = 'packet_lost' AND bitAnd(flags, 128) = 0) AS lost, countIf(kind = 'message_sent') AS messages_sent, "     \
    "countIf(kind = 'message_received') AS messages_received, sumIf(size, kind = 'packet_sent') AS bytes_sent, "              \
    "sumIf(size, kind = 'packet_received') AS bytes_received, countIf(kind = 'metrics') AS metrics, "                         \
    "countIf(kind IN ('metrics','conn_established')) AS rtts, "                                                               \
    "argMaxIf(rtt, shown_ns, kind IN ('metrics','conn_established')) AS last_rtt, "                                           \
    "maxIf(shown_ns, kind IN ('metrics','conn_established')) AS last_rtt_ns, minIf(min_rtt, kind = 'metrics') AS least_rtt, " \
    "min(shown_ns) AS first_ns, max(shown_ns) AS last_ns, groupUniqArray(node_id) AS nodes"
#define PEER_SUMS                                                                                                     \
    "SELECT peer, sum(events) AS all_events, sum(sent), sum(received), sum(lost), sum(messages_sent), "               \
    "sum(messages_received), sum(bytes_sent), sum(bytes_received), sum(metrics), sum(rtts), "                         \
    "toUInt64(argMaxIf(last_rtt, last_rtt_ns, rtts != 0)), toUInt64(minIf(least_rtt, metrics != 0)), min(first_ns), " \
    "max(last_ns), arraySort(groupUniqArrayArray(nodes)) FROM ("

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

/* What the nodes of its events said of it. */
static json_t *aliases_new(const struct fleet_context *context, const struct trace_node_id *id, const json_t *nodes) {
    uint32_t *indices = calloc(context->logs.count + 1, sizeof *indices);
    size_t count = 0;
    for (size_t i = 0; indices && i < context->logs.count; i++) {
        json_t *node = value_node_id(&context->logs.all[i].info.node_id);
        bool listed = false;
        for (size_t k = 0; k < json_array_size(nodes) && !listed; k++) listed = json_equal(json_array_get(nodes, k), node);
        if (listed) indices[count++] = (uint32_t)i;
        json_decref(node);
    }
    grace_read_lock();
    json_t *aliases = answer_aliases(context->store, context->who.picture, id, indices, count);
    grace_read_unlock();
    free(indices);
    return aliases;
}

static json_t *peer_new(struct row_reader *rows, const struct fleet_context *context, const struct id_lookup_names *names) {
    struct trace_node_id id = {0};
    uint64_t numbers[14];
    const uint8_t *at = row_read(rows, sizeof id.bytes);
    json_t *json = json_object();
    if (at) memcpy(id.bytes, at, sizeof id.bytes);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) numbers[i] = row_read_u64(rows);
    const char *name = id_lookup_names_find(names, &id);
    json_object_set_new(json, "peer_id", value_node_id(&id));
    json_object_set_new(json, "name", name ? value_text(name, TRACE_NODE_NAME_BYTES) : json_null());
    json_object_set_new(json, "aliases", json_array()); /* see below */
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
    json_t *nodes = nodes_new(rows);
    if (context->who.picture) json_object_set_new(json, "aliases", aliases_new(context, &id, nodes));
    json_object_set_new(json, "nodes", nodes);
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
    while (row_reader_more(&rows)) json_array_append_new(peers, peer_new(&rows, &question->answers->context, &names));
    id_lookup_names_fini(&names);
    *ret_peers = peers;
    return rows.failed ? failure_set(question->failure, EXIT_FAILED, "the fleet's answer was cut short") : 0;
}

struct peers_question {
    const struct fleet_context *context;
    struct trace_text node; /* a condition; empty: all */
};

static void put_peers(struct trace_text *out, const void *arg, const char *rows, const char *times) {
    const struct peers_question *peers = arg;
    const char *who = fleet_who_column(&peers->context->who);
    fleet_who_put(out, &peers->context->who);
    trace_text_puts(out, peers->context->who.shown ? ", " : "WITH ");
    trace_text_puts(out, fleet_clocks_column(&peers->context->clocks));
    fleet_put_format(out, " AS shown_ns SELECT %s AS peer, ", who);
    trace_text_puts(out, PEER_COLUMNS);
    fleet_put_format(out, " FROM %s WHERE bitAnd(flags,%u) != 0 AND ", rows, TRACE_FLAG_HAS_PEER);
    trace_text_puts(out, times);
    if (peers->node.bytes) trace_text_puts(out, " AND ");
    if (peers->node.bytes) trace_text_add(out, peers->node.data, peers->node.bytes);
    fleet_put_format(out, " GROUP BY %s", who);
}

int fleet_answer_peers(struct fleet_question *question) {
    const struct fleet_context *context = &question->answers->context;
    const char *node = json_get_text(question->params, "node_id");
    struct peers_question of = {.context = context};
    const struct fleet_sum sum = {context, put_peers, &of, {PEER_SUMS, ") GROUP BY peer ORDER BY all_events DESC, peer"}};
    struct trace_text room = {0};
    struct trace_node_id id;
    struct row_reader rows;
    struct trace_rpc_error error = {0};
    json_t *peers = NULL;
    if (context->who.beyond_sql) return fleet_who_refuse(question->failure);
    if (node && !id_param_read_node(context->store, "node_id", node, false, &id, &error)) {
        struct trace_id_prefix prefix = {.digits = 2 * TRACE_NODE_ID_BYTES};
        memcpy(prefix.bytes, id.bytes, sizeof id.bytes);
        trace_filter_sql_prefix(&of.node, "node_id", &prefix, TRACE_NODE_ID_BYTES);
    }
    trace_rpc_error_fini(&error);
    int result = fleet_sum_ask(&sum, &room, &rows, question->failure);
    trace_text_fini(&of.node);
    if (!result) result = read_peers(question, rows, &peers);
    trace_text_fini(&room);
    if (!result && !(*question->ret_result = json_pack("{s:O}", "peers", peers)))
        result = failure_out_of_memory(question->failure);
    json_decref(peers);
    return result;
}
