/* SPDX-License-Identifier: MIT */
#include "fleet_clocks.h"

#include "fleet_sql.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <proto/hex.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

#define FLEET_CLOCK_ENDS 262144 /* rows of one answer: about 25 MB */
#define FLEET_CLOCK_IDS 1000    /* of more nodes, the server looks up the ids itself: a statement has 256 KiB */
#define SETTLE_MS 60000 /* unsettled clocks are estimated at each arrival for this long after a step, then once a SETTLE_MS */

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

/* ---- as SQL: which logs ---- */

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

/* ---- packets ---- */

/* Whose packets they are. */
struct packets {
    struct machine_clocks *machines;
    const struct fleet_logs *logs;
    const struct fleet_order *order;
    const struct fleet_who *who;
};

/* Only packets whose peer is a node of the fleet can be there twice.  Packets within a machine are left out later. */
static void put_nodes(struct trace_text *out, const struct fleet_logs *logs, const char *database) {
    bool any = false;
    if (logs->count > FLEET_CLOCK_IDS) {
        fleet_put_format(out, "peer_id GLOBAL IN (SELECT node_id FROM `%s`.nodes)", database);
        return;
    }
    for (size_t i = 0; i < logs->count; i++) {
        const struct trace_node_id *id = &logs->all[i].info.node_id;
        char digits[2 * TRACE_NODE_ID_BYTES + 1];
        if (i && !memcmp(id, &logs->all[i - 1].info.node_id, sizeof *id)) continue; /* sorted */
        *trace_hex_encode(digits, id->bytes, sizeof id->bytes) = 0;
        fleet_put_format(out, "%stoFixedString(unhex('%s'),%d)", any ? "," : "peer_id IN (", digits, TRACE_NODE_ID_BYTES);
        any = true;
    }
    trace_text_puts(out, any ? ")" : "0");
}

static int ask_ends(const struct packets *packets, struct clickhouse *server, uint64_t sample_max, struct row_reader *ret_rows,
                    struct failure *failure) {
    const char *database = clickhouse_database(server);
    struct trace_text sql = {0};
    fleet_put_format(&sql,
                     "SELECT sample, time_ns, node_id, log_id, peer_id, sent, lane, sequence, instance, clock_steps FROM "
                     "`%s`.clock_ends WHERE ",
                     database);
    trace_text_puts(&sql, "(");
    put_nodes(&sql, packets->logs, database);
    if (packets->who->picture)
        trace_text_puts(&sql, " OR peer_id IN (SELECT said_id FROM " FLEET_WHO_TABLE " WHERE said_is_node)");
    fleet_put_format(&sql, ") AND sample <= %" PRIu64, sample_max);
    fleet_put_format(&sql, " ORDER BY sample, node_id, log_id, lane, sequence, time_ns LIMIT %d FORMAT RowBinary",
                     FLEET_CLOCK_ENDS);
    int result = fleet_ask(server, &sql, ret_rows, failure);
    trace_text_fini(&sql);
    return result;
}

struct end_row {
    uint64_t sample, time_ns, log_id, instance;
    struct trace_node_id node_id, peer_id;
    uint32_t sequence;
    uint8_t lane, sent, clock_steps;
};

static void read_id(struct row_reader *rows, struct trace_node_id *ret_id) {
    const uint8_t *at = row_read(rows, sizeof ret_id->bytes);
    if (at) memcpy(ret_id->bytes, at, sizeof ret_id->bytes);
}

static void read_row(struct row_reader *rows, struct end_row *ret_row) {
    memset(ret_row, 0, sizeof *ret_row);
    ret_row->sample = row_read_u64(rows);
    ret_row->time_ns = row_read_u64(rows);
    read_id(rows, &ret_row->node_id);
    ret_row->log_id = row_read_u64(rows);
    read_id(rows, &ret_row->peer_id);
    ret_row->sent = row_read_u8(rows);
    ret_row->lane = row_read_u8(rows);
    ret_row->sequence = row_read_u32(rows);
    ret_row->instance = row_read_u64(rows);
    ret_row->clock_steps = row_read_u8(rows);
}

static bool same_row(const struct end_row *a, const struct end_row *b) {
    return a->sample == b->sample && a->time_ns == b->time_ns && a->log_id == b->log_id && a->lane == b->lane &&
           a->sequence == b->sequence && a->sent == b->sent && !memcmp(&a->node_id, &b->node_id, sizeof a->node_id) &&
           !memcmp(&a->peer_id, &b->peer_id, sizeof a->peer_id);
}

/* What one question has found. */
struct found {
    struct clock_ends ends;
    size_t rows;
    uint64_t last_sample;
};

/* Rows that are there twice are neighbours. */
static int read_ends(const struct packets *packets, struct row_reader rows, struct found *found) {
    struct end_row all[2];
    for (; row_reader_more(&rows); found->rows++) {
        struct end_row *row = &all[found->rows % 2];
        read_row(&rows, row);
        if (rows.failed) return -1;
        found->last_sample = row->sample;
        if (found->rows && same_row(row, &all[(found->rows + 1) % 2])) continue;
        int64_t log = fleet_logs_find(packets->logs, &row->node_id, row->log_id);
        struct clock_end end = {.sample = row->sample,
                                .order = row->time_ns + fleet_order_back(packets->order, row->instance, row->clock_steps),
                                .time_ns = row->time_ns,
                                .sent = row->sent != 0};
        if (log < 0) continue;
        grace_read_lock();
        bool fits =
            machine_clocks_end(packets->machines, (uint32_t)log,
                               alias_picture_resolve(packets->who->picture, (uint32_t)log, row->time_ns, &row->peer_id), &end);
        grace_read_unlock();
        if (!fits) continue;
        if (clock_ends_add(&found->ends, &end)) return -1;
    }
    return 0;
}

/* A sample below which we expect about twice as many ends as are needed, if all events were ends. */
static uint64_t first_guess(const struct fleet_logs *logs, size_t needed) {
    uint64_t events = 0;
    for (size_t i = 0; i < logs->count; i++) events += logs->all[i].indexed;
    return events > 2 * needed ? UINT64_MAX / (events / (2 * needed)) : UINT64_MAX;
}

/* The ends with the smallest samples, which are a small part of the table if it is large. */
static int find_ends(const struct packets *packets, struct clickhouse *server, struct found *found, struct failure *failure) {
    uint64_t sample_max = first_guess(packets->logs, found->ends.max);
    for (;;) {
        struct row_reader rows;
        clock_ends_clear(&found->ends);
        found->rows = 0;
        if (ask_ends(packets, server, sample_max, &rows, failure)) return -1;
        if (read_ends(packets, rows, found)) return failure_out_of_memory(failure);
        bool enough = found->ends.is_cut || found->ends.count > found->ends.max;
        if (enough || sample_max == UINT64_MAX || found->rows == FLEET_CLOCK_ENDS) break;
        uint64_t times = 2 * found->ends.max / (found->ends.count + 1) + 2;
        sample_max = sample_max > UINT64_MAX / times ? UINT64_MAX : sample_max * times;
    }
    if (found->rows == FLEET_CLOCK_ENDS) clock_ends_cut(&found->ends, found->last_sample); /* some of that are missing */
    return 0;
}

int fleet_clocks_estimate(struct fleet_clocks *clocks, const struct fleet_logs *logs, const struct fleet_order *order,
                          const struct fleet_who *who, struct clickhouse *server, struct failure *failure) {
    const struct packets packets = {clocks->machines, logs, order, who};
    struct found found = {.ends.max = clock_ends_max(machine_clocks_count(clocks->machines))};
    int result = find_ends(&packets, server, &found, failure);
    if (!result && machine_clocks_estimate(clocks->machines, &found.ends)) result = failure_out_of_memory(failure);
    clock_ends_fini(&found.ends);
    return result;
}

/* ---- as SQL: times ---- */

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

static int put_formulas(struct trace_text *out, const struct fleet_clocks *clocks, uint32_t machine, uint64_t back_ns) {
    struct clocks_formula *formulas;
    size_t count;
    if (clocks_formulas(clocks->clocks, machine, back_ns, &formulas, &count)) return -1;
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

/* Events that the clock had been set back equally far before are shown by the same formulas. */
static int put_machine(struct trace_text *out, const struct fleet_clocks *clocks, const struct fleet_order *order,
                       uint32_t machine) {
    const struct machine *its = machine_clocks_at(clocks->machines, machine);
    bool any = false;
    int result = 0;
    for (size_t i = 0; i < order->line_count && !result; i++) {
        const struct fleet_line *line = &order->lines[i], *last = i ? line - 1 : NULL;
        if (memcmp(line->machine, its->id, sizeof line->machine) != 0) continue;
        bool same = any && last->back_ns == line->back_ns;
        if (any && !same) result = put_formulas(out, clocks, machine, last->back_ns);
        trace_text_puts(out, same ? " OR " : any ? ", " : "multiIf(");
        fleet_put_format(out, "(instance = %" PRIu64 " AND clock_steps = %u)", line->instance, line->number);
        any = true;
        const struct fleet_line *next = i + 1 < order->line_count ? line + 1 : NULL;
        bool goes_on = next && !memcmp(next->machine, line->machine, sizeof line->machine);
        if (!goes_on || next->back_ns != line->back_ns) trace_text_puts(out, ", ");
        if (!goes_on && !result) result = put_formulas(out, clocks, machine, line->back_ns);
    }
    if (any) trace_text_puts(out, ", ");
    if (!result) result = put_formulas(out, clocks, machine, 0);
    if (any) trace_text_puts(out, ")");
    return result;
}

static int write_shown(struct fleet_clocks *clocks, const struct fleet_logs *logs, const struct fleet_order *order) {
    struct trace_text out = {0};
    int result = 0;
    trace_text_puts(&out, "multiIf(");
    for (uint32_t i = 0; !result && i < machine_clocks_count(clocks->machines); i++) {
        if (!put_logs(&out, clocks, logs, i)) continue;
        trace_text_puts(&out, ", ");
        result = put_machine(&out, clocks, order, i);
        trace_text_puts(&out, ", ");
    }
    trace_text_puts(&out, "time_ns)");
    trace_text_add(&out, "", 1);
    clocks->shown = result || out.failed ? NULL : strdup(out.data);
    trace_text_fini(&out);
    return clocks->shown ? 0 : -1;
}

/* ---- life ---- */

/* ---- when nodes began, and when they said the last ---- */

#define APART_NS UINT64_C(1000000000) /* a step may be a little before or after the time that is listed */

/* Where in its machine's order a log began, and where it ended; 0: not known. */
struct log_ends {
    uint64_t first, last;
    bool asks; /* own times do not say it */
};

/* The order of a moment by own time, where the clock had not been set back yet, or for the last time.  Between, it showed times
 * twice: returns false. */
static bool find_order(const struct fleet_order *order, const struct fleet_logs *logs, const struct machine *machine,
                       uint64_t own_ns, uint64_t *ret_order) {
    uint64_t begin_ns = UINT64_MAX, end_ns = 0, back_ns = 0;
    for (size_t i = 0; i < logs->step_count; i++) {
        const struct clock_step *step = &logs->steps[i].step;
        if (memcmp(step->machine.id, machine->id, sizeof machine->id) != 0 || step->before_ns <= step->after_ns) continue;
        if (step->after_ns < begin_ns) begin_ns = step->after_ns;
        if (step->before_ns > end_ns) end_ns = step->before_ns;
    }
    for (size_t i = 0; i < order->line_count; i++)
        if (!memcmp(order->lines[i].machine, machine->id, sizeof machine->id)) back_ns = order->lines[i].back_ns;
    *ret_order = own_ns;
    if (!back_ns || own_ns + APART_NS < begin_ns) return true;
    *ret_order += back_ns;
    return own_ns > end_ns + APART_NS;
}

static void put_asked(struct trace_text *sql, const struct fleet_logs *logs, const struct log_ends *ends, const char *database) {
    bool any = false;
    fleet_put_format(sql,
                     "SELECT node_id, log_id, instance, clock_steps, min(time_ns), max(time_ns) FROM `%s`.events WHERE log_id IN "
                     "(",
                     database);
    for (size_t i = 0; i < logs->count; i++) {
        if (!ends[i].asks) continue;
        fleet_put_format(sql, "%s%" PRIu64, any ? "," : "", logs->all[i].info.log);
        any = true;
    }
    trace_text_puts(sql, ") GROUP BY node_id, log_id, instance, clock_steps FORMAT RowBinary");
}

/* Its events say it. */
static int ask_log_ends(const struct fleet_logs *logs, const struct fleet_order *order, struct log_ends *ends,
                        struct clickhouse *server, struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    put_asked(&sql, logs, ends, clickhouse_database(server));
    int result = fleet_ask(server, &sql, &rows, failure);
    trace_text_fini(&sql);
    while (!result && row_reader_more(&rows)) {
        struct trace_node_id node_id = {0};
        read_id(&rows, &node_id);
        int64_t log = fleet_logs_find(logs, &node_id, row_read_u64(&rows));
        uint64_t instance = row_read_u64(&rows), back_ns = fleet_order_back(order, instance, row_read_u8(&rows));
        uint64_t first = row_read_u64(&rows) + back_ns, last = row_read_u64(&rows) + back_ns;
        if (rows.failed) return fleet_cut_short(failure);
        if (log < 0 || !ends[log].asks) continue;
        if (!ends[log].first || first < ends[log].first) ends[log].first = first;
        if (last > ends[log].last) ends[log].last = last;
    }
    return result;
}

static int find_log_ends(const struct fleet_clocks *clocks, const struct fleet_logs *logs, const struct fleet_order *order,
                         struct log_ends *ends, struct clickhouse *server, struct failure *failure) {
    bool any = false;
    for (size_t i = 0; i < logs->count; i++) {
        uint32_t number = machine_of(clocks, (int64_t)i);
        if (number == CLOCKS_NOBODY) continue;
        const struct machine *machine = machine_clocks_at(clocks->machines, number);
        bool knows_first = find_order(order, logs, machine, logs->all[i].info.started_unix_ns, &ends[i].first),
             knows_last = find_order(order, logs, machine, logs->all[i].last_ns, &ends[i].last);
        if (knows_first && knows_last) continue;
        ends[i] = (struct log_ends){.asks = true};
        any = true;
    }
    return any ? ask_log_ends(logs, order, ends, server, failure) : 0;
}

/* When nodes began, said the last, and ended. */
static void show_logs(const struct fleet_clocks *clocks, struct fleet_logs *logs, const struct log_ends *ends) {
    for (size_t i = 0; i < logs->count; i++) {
        struct fleet_log *log = &logs->all[i];
        uint32_t machine = machine_of(clocks, (int64_t)i);
        if (machine == CLOCKS_NOBODY) continue;
        if (log->info.started_unix_ns)
            log->info.started_unix_ns = clocks_time(clocks->clocks, machine, ends[i].first, log->info.started_unix_ns);
        if (log->last_ns)
            log->last_ns = clocks_time(clocks->clocks, machine, ends[i].last ? ends[i].last : UINT64_MAX, log->last_ns);
        if (!log->ended_after_ns) continue;
        log->ended_after_ns = clocks_time(clocks->clocks, machine, UINT64_MAX, log->ended_after_ns);
        if (log->ended_by_ns) log->ended_by_ns = clocks_time(clocks->clocks, machine, UINT64_MAX, log->ended_by_ns);
    }
}

static bool lists_step(const struct fleet_logs *logs, const struct machine *machine, size_t found) {
    size_t listed = 0;
    for (size_t i = 0; i < logs->step_count; i++)
        listed += !memcmp(logs->steps[i].step.machine.id, machine->id, sizeof machine->id);
    return listed > found;
}

/* Did packets not show how each machine's clock relates to the others, before and after each of its steps? */
static bool is_unsettled(const struct fleet_clocks *clocks, const struct fleet_logs *logs) {
    for (uint32_t i = 0; i < machine_clocks_count(clocks->machines); i++) {
        struct clocks_step step;
        uint32_t found = 0;
        while (clocks_step(clocks->clocks, i, found, &step)) found++;
        if (!clocks_is_known(clocks->clocks, i) || lists_step(logs, machine_clocks_at(clocks->machines, i), found)) return true;
    }
    return false;
}

/* Such packets usually come soon.  If they do not, there may be none. */
static bool is_due(const struct fleet_clocks *known, uint64_t now_ms) {
    return now_ms < known->stepped_ms + SETTLE_MS || now_ms >= known->estimated_ms + SETTLE_MS;
}

int fleet_clocks_open(struct fleet_clocks *ret_clocks, const struct fleet_logs *logs, const struct fleet_clocks *known,
                      bool *ret_estimate, struct failure *failure) {
    struct fleet_clocks clocks = {0};
    *ret_clocks = clocks;
    *ret_estimate = false;
    if (find_machines(&clocks, logs)) return failure_out_of_memory(failure);
    clocks.step_count = logs->step_count;
    bool same = clocks.machines && known->machines && same_machines(clocks.machines, known->machines) &&
                clocks.step_count == known->step_count;
    uint64_t now_ms = trace_now_monotonic_ms();
    bool keeps = same && !(is_due(known, now_ms) && is_unsettled(known, logs));
    if (keeps) machine_clocks_share(clocks.machines, known->machines);
    clocks.stepped_ms = same ? known->stepped_ms : now_ms;
    clocks.estimated_ms = keeps ? known->estimated_ms : now_ms;
    *ret_estimate = clocks.machines && !keeps;
    *ret_clocks = clocks;
    return 0;
}

int fleet_clocks_show(struct fleet_clocks *clocks, struct fleet_logs *logs, const struct fleet_order *order,
                      struct clickhouse *server, struct failure *failure) {
    if (!clocks->machines) return 0;
    clocks->clocks = machine_clocks_estimated(clocks->machines);
    if (write_shown(clocks, logs, order)) return failure_out_of_memory(failure);
    struct log_ends *ends = calloc(logs->count + 1, sizeof *ends);
    if (!ends) return failure_out_of_memory(failure);
    int result = find_log_ends(clocks, logs, order, ends, server, failure);
    if (!result) show_logs(clocks, logs, ends);
    free(ends);
    return result;
}

void fleet_clocks_fini(struct fleet_clocks *clocks) {
    machine_clocks_destroy(clocks->machines);
    free(clocks->shown);
    *clocks = (struct fleet_clocks){0};
}

/* ---- times ---- */

const char *fleet_clocks_column(const struct fleet_clocks *clocks) { return clocks->shown ? clocks->shown : "time_ns"; }

uint64_t fleet_clocks_time(const struct fleet_clocks *clocks, int64_t log, uint64_t back_ns, uint64_t own_ns) {
    uint32_t machine = machine_of(clocks, log);
    return machine == CLOCKS_NOBODY ? own_ns : clocks_time(clocks->clocks, machine, own_ns + back_ns, own_ns);
}

uint64_t fleet_clocks_begin(const struct fleet_clocks *clocks, int64_t log, uint64_t own_ns) {
    uint32_t machine = machine_of(clocks, log);
    return machine == CLOCKS_NOBODY || !clocks->clocks ? own_ns : clocks_time(clocks->clocks, machine, 0, own_ns);
}

bool fleet_clocks_correct(const struct fleet_clocks *clocks, int64_t log) {
    uint32_t machine = machine_of(clocks, log);
    return machine != CLOCKS_NOBODY && clocks_is_known(clocks->clocks, machine);
}

bool fleet_clocks_correct_machine(const struct fleet_clocks *clocks, const uint8_t machine[MACHINE_ID_BYTES]) {
    uint32_t count = clocks->clocks ? machine_clocks_count(clocks->machines) : 0;
    for (uint32_t i = 0; i < count; i++)
        if (!memcmp(machine_clocks_at(clocks->machines, i)->id, machine, MACHINE_ID_BYTES))
            return clocks_is_known(clocks->clocks, i);
    return false;
}

void fleet_clocks_widen(const struct fleet_clocks *clocks, uint64_t *min_ns, uint64_t *max_ns) {
    uint64_t least = *min_ns, greatest = *max_ns;
    if (!clocks->clocks) return;
    clocks_widen(clocks->clocks, CLOCKS_NOBODY, min_ns, max_ns);
    if (least < *min_ns) *min_ns = least; /* some may be of a machine that is not known */
    if (greatest > *max_ns) *max_ns = greatest;
}

/* Each clock has a range of its own, so that what lies between two clocks that are hours apart is not read. */
void fleet_clocks_put_own_times(struct trace_text *out, const struct fleet_clocks *clocks, uint64_t from_ns, uint64_t to_ns) {
    uint32_t count = clocks->clocks ? clocks_count(clocks->clocks) : 0;
    trace_text_puts(out, "(");
    for (uint32_t i = 0; i <= count; i++) {
        uint64_t least = from_ns ? from_ns : to_ns, beyond = to_ns ? to_ns : from_ns;
        if (i < count) clocks_unwiden(clocks->clocks, i, &least, &beyond); /* the last: machines that are not known */
        trace_text_puts(out, i ? " OR (" : "(");
        if (from_ns) fleet_put_format(out, "time_ns >= %" PRIu64 "%s", least, to_ns ? " AND " : "");
        if (to_ns) fleet_put_format(out, "time_ns < %" PRIu64, beyond);
        trace_text_puts(out, ")");
    }
    trace_text_puts(out, ")");
}
