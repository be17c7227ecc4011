/* SPDX-License-Identifier: MIT */
#include "fleet_status.h"

static int count_missing(void *arg, const char *table, const struct fleet_column *column) {
    size_t *count = arg;
    (void)table, (void)column;
    ++*count;
    return 0;
}

enum clickhouse_outcome fleet_server_status(struct clickhouse *server, struct fleet_server_status *ret_status,
                                            struct failure *failure) {
    struct fleet_server_status *status = ret_status;
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    size_t tables;
    *status = (struct fleet_server_status){.rows = 0};
    enum clickhouse_outcome outcome = fleet_schema_read(server, &status->schema, failure);
    if (outcome || !status->schema.exists) return outcome;
    outcome = fleet_schema_missing(server, count_missing, &status->columns_missing, &tables, failure);
    if (outcome) return outcome;
    strbuf_printf(&sql,
                  "SELECT toUInt64(sumIf(rows, table = 'events_local')), toUInt64(sum(bytes_on_disk)) FROM system.parts "
                  "WHERE active AND database = '%s' FORMAT RowBinary",
                  clickhouse_database(server));
    outcome = clickhouse_ask(server, strbuf_text(&sql), &answer, failure);
    strbuf_fini(&sql);
    if (outcome) return outcome;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    status->rows = row_read_u64(&reader);
    status->bytes = row_read_u64(&reader);
    return CLICKHOUSE_OK;
}

/* Chooses the newest row of each: replicas of a shard that has moved may still have older ones. */
enum clickhouse_outcome fleet_hosts(struct clickhouse *server, bool those_that_answer,
                                    int (*each)(void *arg, const struct fleet_host_status *host), void *arg,
                                    struct failure *failure) {
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    strbuf_printf(
        &sql,
        "SELECT host, shipper, argMax(program, seen_ns), max(seen_ns), argMax(segments, seen_ns), argMax(events, seen_ns), "
        "argMax(lost_segments, seen_ns), argMax(lost_events, seen_ns), argMax(newest_ns, seen_ns), argMax(waiting_segments, "
        "seen_ns), argMax(waiting_bytes, seen_ns) FROM `%s`.`hosts` GROUP BY host, shipper ORDER BY host, shipper%s "
        "FORMAT RowBinary",
        clickhouse_database(server), those_that_answer ? " SETTINGS skip_unavailable_shards = 1" : "");
    enum clickhouse_outcome outcome = clickhouse_ask(server, strbuf_text(&sql), &answer, failure);
    strbuf_fini(&sql);
    if (outcome) return outcome;
    struct row_reader reader = row_reader_of(answer.bytes, answer.count);
    while (row_reader_more(&reader)) {
        struct fleet_host_status host;
        row_read_text(&reader, host.host, sizeof host.host);
        row_read_text(&reader, host.shipper, sizeof host.shipper);
        row_read_text(&reader, host.program, sizeof host.program);
        uint64_t *const numbers[] = {&host.seen_ns,     &host.segments,  &host.events,           &host.lost_segments,
                                     &host.lost_events, &host.newest_ns, &host.waiting_segments, &host.waiting_bytes};
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) *numbers[i] = row_read_u64(&reader);
        if (!reader.failed && each(arg, &host)) return failure_out_of_memory(failure), CLICKHOUSE_REFUSED;
    }
    return CLICKHOUSE_OK;
}
