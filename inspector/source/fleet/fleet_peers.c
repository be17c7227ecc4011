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
#include <store/limits.h>
#include <store/value.h>
#include <string.h>

/* Of the rows, by kind: a condition in each sum would cost more. */
#define PEER_COLUMNS                                                                                                   \
    "kind_id, bitAnd(flags, 128) AS probe, count() AS events, sum(size) AS bytes, argMax(rtt, shown_ns) AS last_rtt, " \
    "min(min_rtt) AS least_rtt, min(shown_ns) AS first_ns, max(shown_ns) AS last_ns, groupUniqArray(node_id) AS nodes"
#define PEER_GROUPS ", kind_id, probe"

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

/* The aliases that the logs of its events reported.  rows: at those logs. */
static json_t *aliases_new(const struct fleet_context *context, const struct trace_node_id *id, struct row_reader *rows) {
    uint32_t *indices = calloc(context->logs.count + 1, sizeof *indices);
    size_t count = 0;
    for (uint64_t left = row_read_count(rows); left && !rows->failed; left--) {
        struct trace_node_id node_id = {0};
        const uint8_t *at = row_read(rows, sizeof node_id.bytes);
        if (at) memcpy(node_id.bytes, at, sizeof node_id.bytes);
        int64_t log = fleet_logs_find(&context->logs, &node_id, row_read_u64(rows));
        if (log >= 0 && indices && count < context->logs.count) indices[count++] = (uint32_t)log;
    }
    grace_read_lock();
    json_t *aliases = answer_aliases(context->store, context->who.picture, id, indices, count);
    grace_read_unlock();
    free(indices);
    return aliases;
}

static json_t *peer_new(struct row_reader *rows, const struct fleet_context *context, const struct id_lookup_names *names) {
    struct trace_node_id id = {0};
    uint64_t numbers[15];
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
    json_object_set_new(json, "nodes", nodes);
    json_object_set_new(json, "first", value_time(numbers[12]));
    json_object_set_new(json, "last", value_time(numbers[13]));
    uint64_t own_ns = id_lookup_names_last(names, &id);
    json_object_set_new(json, "heard", value_time_or_null(own_ns > numbers[14] ? own_ns : numbers[14]));
    if (context->who.picture) json_object_set_new(json, "aliases", aliases_new(context, &id, rows));
    return json;
}

static int read_peers(const struct fleet_question *question, struct row_reader rows, json_t **ret_peers, size_t *ret_total) {
    struct id_lookup_names names;
    json_t *peers = json_array(), *peer;
    *ret_total = 0;
    if (id_lookup_names_init(&names, question->answers->context.store, NULL)) {
        json_decref(peers);
        return failure_out_of_memory(question->failure);
    }
    for (; row_reader_more(&rows); ++*ret_total) {
        peer = peer_new(&rows, &question->answers->context, &names);
        if (*ret_total < STORE_PEERS_MAX)
            json_array_append_new(peers, peer);
        else
            json_decref(peer);
    }
    id_lookup_names_fini(&names);
    *ret_peers = peers;
    return rows.failed ? fleet_cut_short(question->failure) : 0;
}

struct peers_question {
    const struct fleet_context *context;
    struct trace_text node; /* a condition; empty: all */
};

static void put_peers(struct trace_text *out, const void *arg, const char *rows, const char *times) {
    const struct peers_question *peers = arg;
    const char *who = fleet_who_column(&peers->context->who);
    trace_text_puts(out, "WITH ");
    trace_text_puts(out, fleet_clocks_column(&peers->context->clocks));
    fleet_put_format(out, " AS shown_ns SELECT %s AS peer, ", who);
    trace_text_puts(out, PEER_COLUMNS);
    fleet_put_format(out,
                     ", maxIf(shown_ns, kind_id IN (%d,%d,%d,%d) OR kind_id IN (%d,%d) AND by_remote != 0"
                     " OR kind_id = %d AND sent = 0) AS heard_ns", /* as in history_peers.c */
                     TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_MESSAGE_RECEIVED, TRACE_KIND_CONN_ESTABLISHED, TRACE_KIND_CONN_RESET,
                     TRACE_KIND_CONN_INIT, TRACE_KIND_CONN_CLOSED, TRACE_KIND_STREAM_DATA);
    if (peers->context->who.picture) trace_text_puts(out, ", groupUniqArray((node_id, log_id)) AS logs");
    fleet_put_format(out, " FROM %s", rows);
    trace_text_puts(out, fleet_who_join(&peers->context->who, true));
    trace_text_puts(out, " WHERE ");
    trace_text_puts(out, fleet_who_definition(&peers->context->who, true));
    fleet_put_format(out, "bitAnd(flags,%u) != 0 AND ", TRACE_FLAG_HAS_PEER);
    trace_text_puts(out, times);
    if (peers->node.bytes) trace_text_puts(out, " AND ");
    if (peers->node.bytes) trace_text_add(out, peers->node.data, peers->node.bytes);
    fleet_put_format(out, " GROUP BY %s" PEER_GROUPS, who);
}

/* Of those, the sums. */
static void put_sums(struct trace_text *out, bool aliases) {
    static const int counted[] = {TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_RECEIVED, TRACE_KIND_PACKET_LOST,
                                  TRACE_KIND_MESSAGE_SENT, TRACE_KIND_MESSAGE_RECEIVED};
    trace_text_puts(out, "SELECT peer, sum(events) AS all_events");
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        fleet_put_format(out, ", sumIf(events, kind_id = %d%s)", counted[i],
                         counted[i] == TRACE_KIND_PACKET_LOST ? " AND probe = 0" : "");
    for (size_t i = 0; i < 2; i++) fleet_put_format(out, ", sumIf(bytes, kind_id = %d)", counted[i]);
    fleet_put_format(out, ", sumIf(events, kind_id = %d) AS metrics, sumIf(events, kind_id IN (%d,%d)) AS rtts",
                     TRACE_KIND_METRICS, TRACE_KIND_METRICS, TRACE_KIND_CONN_ESTABLISHED);
    fleet_put_format(out, ", toUInt64(argMaxIf(last_rtt, last_ns, kind_id IN (%d,%d))), toUInt64(minIf(least_rtt, kind_id = %d))",
                     TRACE_KIND_METRICS, TRACE_KIND_CONN_ESTABLISHED, TRACE_KIND_METRICS);
    trace_text_puts(out, ", min(first_ns), max(last_ns), max(heard_ns), arraySort(groupUniqArrayArray(nodes))");
    if (aliases) trace_text_puts(out, ", arraySort(groupUniqArrayArray(logs))");
    trace_text_puts(out, " FROM (");
    trace_text_add(out, "", 1);
}

int fleet_answer_peers(struct fleet_question *question) {
    const struct fleet_context *context = &question->answers->context;
    const char *node = json_get_text(question->params, "node_id");
    struct peers_question of = {.context = context};
    struct trace_text room = {0}, sums = {0};
    struct row_reader rows;
    json_t *peers = NULL;
    size_t total = 0;
    (void)fleet_scope_put_node(&of.node, context, node);
    put_sums(&sums, context->who.picture != NULL);
    const struct fleet_sum sum = {context, put_peers, &of, {sums.data, ") GROUP BY peer ORDER BY all_events DESC, peer"}};
    int result = sums.failed ? failure_out_of_memory(question->failure) : fleet_sum_ask(&sum, &room, &rows, question->failure);
    trace_text_fini(&sums);
    trace_text_fini(&of.node);
    if (!result) result = read_peers(question, rows, &peers, &total);
    trace_text_fini(&room);
    if (!result && !(*question->ret_result = json_pack("{s:O, s:I}", "peers", peers, "total", (json_int_t)total)))
        result = failure_out_of_memory(question->failure);
    json_decref(peers);
    return result;
}
