/* SPDX-License-Identifier: MIT */
#include "fleet_clocks.h"

#include "fleet_sql.h"

#include <inttypes.h>
#include <proto/hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CROSSING_MACHINES_MAX 64 /* with more, packets within a machine are read as well */

/* ---- who there is ---- */

/* SQL finds the machine of an event by the number of its log: where two machines have the same one, neither is corrected. */
static void drop_ambiguous(const struct fleet_logs *logs, const struct node_info **infos) {
    for (size_t i = 0; i < logs->count; i++) {
        const struct node_info *one = &logs->all[i].info;
        for (size_t k = 0; k < i; k++) {
            const struct node_info *other = &logs->all[k].info;
            if (one->log == other->log && memcmp(one->machine.id, other->machine.id, MACHINE_ID_BYTES) != 0)
                infos[i] = infos[k] = NULL;
        }
    }
}

static int find_machines(struct fleet_clocks *clocks, const struct fleet_logs *logs) {
    const struct node_info **infos = calloc(logs->count + 1, sizeof *infos);
    if (!infos) return -1;
    for (size_t i = 0; i < logs->count; i++) infos[i] = &logs->all[i].info;
    drop_ambiguous(logs, infos);
    int result = machine_clocks_create(&clocks->machines, infos, (uint32_t)logs->count);
    free(infos);
    return result;
}

static bool same_machines(const struct machine_clocks *one, const struct machine_clocks *other) {
    if (machine_clocks_count(one) != machine_clocks_count(other)) return false;
    for (uint32_t i = 0; i < machine_clocks_count(one); i++)
        if (memcmp(machine_clocks_at(one, i)->id, machine_clocks_at(other, i)->id, MACHINE_ID_BYTES) != 0) return false;
    return true;
}

static uint32_t machine_of(const struct fleet_clocks *clocks, int64_t log) {
    if (log < 0 || !clocks->machines) return CLOCKS_NOBODY;
    return machine_clocks_machine(clocks->machines, (uint32_t)log);
}

/* ---- packets ---- */

#define END_SENT "kind IN ('packet_sent','message_sent')"
#define END_MESSAGE "kind IN ('message_sent','message_received')"

/* The same at both ends of a packet, as in clock_ends.c; only the hash is another. */
#define END_KEY                                                                                            \
    "cityHash64(if(" END_SENT ",node_id,peer_id),if(" END_SENT ",peer_id,node_id),if(" END_MESSAGE         \
    ",message_id,packet_num),if(" END_MESSAGE ",toUInt64(transport),toUInt64(space)),if(" END_MESSAGE ", " \
    "toFixedString('',16),trace_id),toUInt64(" END_MESSAGE "))"

_Static_assert(TRACE_ID_BYTES == 16, "END_KEY: what a message has instead of a trace");

/* Appends "log_id IN (...)" with the logs of a machine.  Returns false, and appends nothing, if it has none. */
static bool put_logs(struct trace_text *out, const struct fleet_clocks *clocks, const struct fleet_logs *logs, uint32_t machine) {
    bool any = false;
    for (size_t i = 0; i < logs->count; i++) {
        if (machine_of(clocks, (int64_t)i) != machine) continue;
        fleet_put_format(out, "%s%" PRIu64, any ? "," : "log_id IN (", logs->all[i].info.log);
        any = true;
    }
    if (any) trace_text_puts(out, ")");
    return any;
}

/* Only packets whose peer is a node of another machine can be there twice. */
static void put_crossing(struct trace_text *out, const struct fleet_clocks *clocks, const struct fleet_logs *logs,
                         const char *database) {
    uint32_t count = machine_clocks_count(clocks->machines);
    fleet_put_format(out, " AND peer_id GLOBAL IN (SELECT node_id FROM `%s`.nodes)", database);
    for (uint32_t i = 0; i < count && count <= CROSSING_MACHINES_MAX; i++) {
        struct trace_text ours = {0};
        char digits[2 * MACHINE_ID_BYTES + 1] = "";
        trace_hex_encode(digits, machine_clocks_at(clocks->machines, i)->id, MACHINE_ID_BYTES);
        if (put_logs(&ours, clocks, logs, i)) {
            trace_text_puts(out, " AND NOT (");
            trace_text_add(out, ours.data, ours.bytes);
            fleet_put_format(out,
                             " AND peer_id GLOBAL NOT IN (SELECT node_id FROM `%s`.nodes WHERE machine != "
                             "toFixedString(unhex('%s'),%d)))",
                             database, digits, MACHINE_ID_BYTES);
        }
        out->failed |= ours.failed;
        trace_text_fini(&ours);
    }
}

static int ask_ends(const struct fleet_clocks *clocks, const struct fleet_logs *logs, struct clickhouse *server,
                    struct row_reader *ret_rows, struct failure *failure) {
    struct trace_text sql = {0};
    fleet_put_format(&sql, "SELECT " END_KEY " AS end_key, time_ns, node_id, log_id, lane, sequence, toUInt8(" END_SENT ")");
    fleet_put_format(&sql,
                     " FROM `%s`.events WHERE kind IN ('packet_sent','packet_received','message_sent','message_received') AND "
                     "bitAnd(flags,%u) != 0",
                     clickhouse_database(server), TRACE_FLAG_HAS_PEER);
    put_crossing(&sql, clocks, logs, clickhouse_database(server));
    fleet_put_format(&sql, " ORDER BY end_key, node_id, log_id, lane, sequence, time_ns LIMIT %d FORMAT RowBinary",
                     FLEET_CLOCK_ENDS);
    int result = fleet_ask(server, &sql, ret_rows, failure);
    trace_text_fini(&sql);
    return result;
}

struct end_row {
    uint64_t key, time_ns, log_id;
    struct trace_node_id node_id;
    uint32_t sequence;
    uint8_t lane, sent;
};

static struct end_row read_row(struct row_reader *rows) {
    struct end_row row = {0};
    row.key = row_read_u64(rows);
    row.time_ns = row_read_u64(rows);
    const uint8_t *at = row_read(rows, sizeof row.node_id.bytes);
    if (at) memcpy(row.node_id.bytes, at, sizeof row.node_id.bytes);
    row.log_id = row_read_u64(rows);
    row.lane = row_read_u8(rows);
    row.sequence = row_read_u32(rows);
    row.sent = row_read_u8(rows);
    return row;
}

static bool same_row(const struct end_row *a, const struct end_row *b) {
    return a->key == b->key && a->time_ns == b->time_ns && a->log_id == b->log_id && a->lane == b->lane &&
           a->sequence == b->sequence && a->sent == b->sent && !memcmp(&a->node_id, &b->node_id, sizeof a->node_id);
}

/* Rows that are there twice are neighbours.  The limit may have cut the last key's rows: then they are left out. */
static int read_ends(const struct fleet_clocks *clocks, const struct fleet_logs *logs, struct row_reader rows,
                     struct clock_ends *ends) {
    struct end_row last, row;
    size_t count = 0;
    for (; row_reader_more(&rows); last = row, count++) {
        row = read_row(&rows);
        if (rows.failed) return -1;
        if (count && same_row(&row, &last)) continue;
        int64_t log = fleet_logs_find(logs, &row.node_id, row.log_id);
        uint32_t machine = machine_of(clocks, log);
        if (machine == CLOCKS_NOBODY) continue;
        const struct clock_end end = {row.key, row.time_ns, row.time_ns, machine, row.sent != 0};
        if (clock_ends_add(ends, &end)) return -1;
    }
    while (count == FLEET_CLOCK_ENDS && ends->count && ends->items[ends->count - 1].key == last.key) ends->count--;
    return 0;
}

static int estimate(struct fleet_clocks *clocks, const struct fleet_logs *logs, struct clickhouse *server,
                    struct failure *failure) {
    struct clock_ends ends = {0};
    struct row_reader rows;
    if (ask_ends(clocks, logs, server, &rows, failure)) return -1;
    int result = read_ends(clocks, logs, rows, &ends);
    if (!result) result = machine_clocks_estimate(clocks->machines, &ends);
    clock_ends_fini(&ends);
    return result ? failure_out_of_memory(failure) : 0;
}

/* ---- as SQL ---- */

/* llround rounds halves away from zero; ClickHouse's round does not. */
static void put_formula(struct trace_text *out, const struct clocks_formula *formula) {
    char behind[160];
    if (formula->same) {
        trace_text_puts(out, "time_ns");
        return;
    }
    snprintf(behind, sizeof behind, "((toFloat64(toInt64(time_ns - toUInt64(%" PRIu64 "))) - (%.17g)) / (%.17g))",
             formula->minus_ns, formula->at, formula->pace);
    fleet_put_format(out, "toUInt64(toInt64(%" PRIu64 ") + if(%s < 0, -1, 1) * toInt64(floor(abs(%s) + 0.5)))", formula->plus_ns,
                     behind, behind);
}

static int put_machine(struct trace_text *out, const struct fleet_clocks *clocks, uint32_t machine) {
    struct clocks_formula *formulas;
    size_t count;
    if (clocks_formulas(clocks->clocks, machine, &formulas, &count)) return -1;
    if (count > 1) trace_text_puts(out, "multiIf(");
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count) fleet_put_format(out, "time_ns < %" PRIu64 ", ", formulas[i].before_ns);
        put_formula(out, &formulas[i]);
        trace_text_puts(out, i + 1 < count ? ", " : "");
    }
    if (count > 1) trace_text_puts(out, ")");
    free(formulas);
    return 0;
}

static int write_shown(struct fleet_clocks *clocks, const struct fleet_logs *logs) {
    struct trace_text out = {0};
    int result = 0;
    trace_text_puts(&out, "multiIf(");
    for (uint32_t i = 0; !result && i < machine_clocks_count(clocks->machines); i++) {
        if (!put_logs(&out, clocks, logs, i)) continue;
        trace_text_puts(&out, ", ");
        result = put_machine(&out, clocks, i);
        trace_text_puts(&out, ", ");
    }
    trace_text_puts(&out, "time_ns)");
    trace_text_add(&out, "", 1);
    clocks->shown = result || out.failed ? NULL : strdup(out.data);
    trace_text_fini(&out);
    return clocks->shown ? 0 : -1;
}

/* ---- life ---- */

/* When nodes began, and when they said the last. */
static void show_logs(const struct fleet_clocks *clocks, struct fleet_logs *logs) {
    for (size_t i = 0; i < logs->count; i++) {
        struct fleet_log *log = &logs->all[i];
        uint32_t machine = machine_of(clocks, (int64_t)i);
        if (machine == CLOCKS_NOBODY) continue;
        if (log->info.started_unix_ns)
            log->info.started_unix_ns = clocks_time(clocks->clocks, machine, 0, log->info.started_unix_ns);
        if (log->last_ns) log->last_ns = clocks_time(clocks->clocks, machine, UINT64_MAX, log->last_ns);
    }
}

int fleet_clocks_open(struct fleet_clocks *ret_clocks, struct fleet_logs *logs, struct clickhouse *server,
                      const struct fleet_clocks *known, struct failure *failure) {
    struct fleet_clocks clocks = {0};
    *ret_clocks = clocks;
    if (find_machines(&clocks, logs)) return failure_out_of_memory(failure);
    if (!clocks.machines) return 0;
    int result = 0;
    if (known->machines && same_machines(clocks.machines, known->machines))
        machine_clocks_share(clocks.machines, known->machines);
    else
        result = estimate(&clocks, logs, server, failure);
    clocks.clocks = machine_clocks_estimated(clocks.machines);
    if (!result && write_shown(&clocks, logs)) result = failure_out_of_memory(failure);
    if (result) {
        fleet_clocks_fini(&clocks);
        return -1;
    }
    show_logs(&clocks, logs);
    *ret_clocks = clocks;
    return 0;
}

void fleet_clocks_fini(struct fleet_clocks *clocks) {
    machine_clocks_destroy(clocks->machines);
    free(clocks->shown);
    *clocks = (struct fleet_clocks){0};
}

/* ---- times ---- */

const char *fleet_clocks_column(const struct fleet_clocks *clocks) { return clocks->shown ? clocks->shown : "time_ns"; }

uint64_t fleet_clocks_time(const struct fleet_clocks *clocks, int64_t log, uint64_t own_ns) {
    uint32_t machine = machine_of(clocks, log);
    return machine == CLOCKS_NOBODY ? own_ns : clocks_time(clocks->clocks, machine, own_ns, own_ns);
}

void fleet_clocks_widen(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns) {
    uint64_t least = *min_ns, greatest = *max_ns;
    if (!clocks->clocks) return;
    clocks_widen(clocks->clocks, CLOCKS_NOBODY, min_ns, max_ns);
    if (least < *min_ns) *min_ns = least; /* some may be of a machine that is not known */
    if (greatest > *max_ns) *max_ns = greatest;
}

void fleet_clocks_unwiden(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns) {
    if (clocks->clocks) clocks_unwiden(clocks->clocks, min_ns, max_ns);
}
