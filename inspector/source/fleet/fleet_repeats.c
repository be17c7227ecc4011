/* SPDX-License-Identifier: MIT */
#include "fleet_repeats.h"

#include "allocation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PERIODS_MAX 64 /* of more, the closest become one: a statement has 256 KiB */

/* Times, in ns as machines had them, both included. */
struct period {
    uint64_t from_ns, to_ns;
};

/* When rows may be there twice: sorted, and apart from each other. */
struct repeats {
    struct period *all;
    size_t count;
};

/* The recording of a traced. */
struct run {
    uint8_t machine[MACHINE_ID_BYTES]; /* zero: not known */
    uint64_t instance;
    struct period period;
};

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static int ask_deliveries(const struct fleet_context *context, struct row_reader *ret_rows, struct failure *failure) {
    const char *database = clickhouse_database(context->server);
    struct trace_text sql = {0};
    fleet_put_format(&sql,
                     "SELECT toUInt8(0), machine, instance, min(first_ns), max(last_ns) FROM `%s`.deliveries GROUP BY machine, "
                     "instance UNION ALL SELECT toUInt8(1), any(machine), instance, min(first_ns), max(last_ns) FROM "
                     "`%s`.deliveries GROUP BY instance, segment HAVING uniqExact(delivery) > 1 FORMAT RowBinary",
                     database, database);
    int result = fleet_ask(context->server, &sql, ret_rows, failure);
    trace_text_fini(&sql);
    return result;
}

static int add(struct repeats *repeats, size_t *room, struct period period) {
    struct period *all = memory_room(repeats->all, repeats->count, room, sizeof *all);
    if (!all) return -1;
    repeats->all = all;
    all[repeats->count++] = period;
    return 0;
}

static bool may_share(const struct run *a, const struct run *b) {
    static const uint8_t unknown[MACHINE_ID_BYTES];
    if (a->instance == b->instance) return false;
    return !memcmp(a->machine, b->machine, sizeof a->machine) || !memcmp(a->machine, unknown, sizeof unknown) ||
           !memcmp(b->machine, unknown, sizeof unknown);
}

static int add_shared(struct repeats *repeats, size_t *room, const struct run *runs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct period *a = &runs[i].period, *b = &runs[k].period;
            struct period both = {a->from_ns > b->from_ns ? a->from_ns : b->from_ns, a->to_ns < b->to_ns ? a->to_ns : b->to_ns};
            if (both.from_ns <= both.to_ns && may_share(&runs[i], &runs[k]) && add(repeats, room, both)) return -1;
        }
    }
    return 0;
}

/* Returns 0, or -1 when out of memory. */
static int read_rows(struct row_reader rows, struct repeats *repeats) {
    struct run *runs = NULL;
    size_t run_count = 0, run_room = 0, room = 0;
    int result = 0;
    while (row_reader_more(&rows) && !result) {
        bool twice = row_read_u8(&rows);
        struct run run = {.instance = 0};
        const uint8_t *machine = row_read(&rows, sizeof run.machine);
        if (machine) memcpy(run.machine, machine, sizeof run.machine);
        run.instance = row_read_u64(&rows);
        run.period.from_ns = row_read_u64(&rows);
        run.period.to_ns = row_read_u64(&rows);
        if (twice) {
            result = add(repeats, &room, run.period);
            continue;
        }
        struct run *more = memory_room(runs, run_count, &run_room, sizeof *more);
        if (!more) result = -1;
        if (more) runs = more, runs[run_count++] = run;
    }
    if (!result) result = add_shared(repeats, &room, runs, run_count);
    free(runs);
    return result;
}

static int by_begin(const void *one, const void *other) {
    const struct period *a = one, *b = other;
    return a->from_ns < b->from_ns ? -1 : a->from_ns > b->from_ns;
}

/* Makes one of those that are less than apart_ns from each other. */
static void join(struct repeats *repeats, uint64_t apart_ns) {
    size_t kept = 0;
    for (size_t i = 0; i < repeats->count; i++) {
        struct period *last = kept ? &repeats->all[kept - 1] : NULL, period = repeats->all[i];
        bool near = last && (period.from_ns <= last->to_ns || period.from_ns - last->to_ns <= apart_ns);
        if (!near)
            repeats->all[kept++] = period;
        else if (period.to_ns > last->to_ns)
            last->to_ns = period.to_ns;
    }
    repeats->count = kept;
}

static int read_repeats(const struct fleet_context *context, struct repeats *ret_repeats, struct failure *failure) {
    struct repeats repeats = {0};
    struct row_reader rows;
    if (context->replicated) { /* their tables do not agree at each moment */
        size_t room = 0;
        if (add(&repeats, &room, (struct period){0, UINT64_MAX})) return failure_out_of_memory(failure);
        *ret_repeats = repeats;
        return 0;
    }
    if (ask_deliveries(context, &rows, failure)) return -1;
    if (read_rows(rows, &repeats)) {
        free(repeats.all);
        return failure_out_of_memory(failure);
    }
    if (repeats.count) qsort(repeats.all, repeats.count, sizeof *repeats.all, by_begin);
    join(&repeats, 1);
    for (uint64_t apart_ns = 1000000; repeats.count > PERIODS_MAX; apart_ns *= 2) join(&repeats, apart_ns);
    *ret_repeats = repeats;
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------------------------------------- */

static void put_periods(struct trace_text *out, const struct repeats *repeats) {
    trace_text_puts(out, "(");
    for (size_t i = 0; i < repeats->count; i++)
        fleet_put_format(out, "%s(time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64 ")", i ? " OR " : "", repeats->all[i].from_ns,
                         repeats->all[i].to_ns);
    trace_text_puts(out, ")");
}

static void put_statement(struct trace_text *out, const struct fleet_sum *sum, const struct repeats *repeats) {
    const char *database = clickhouse_database(sum->context->server);
    bool always = repeats->count == 1 && !repeats->all[0].from_ns && repeats->all[0].to_ns == UINT64_MAX;
    struct trace_text periods = {0};
    char rows[FLEET_NAME_MAX + 16], final[FLEET_NAME_MAX + 24];
    snprintf(rows, sizeof rows, "`%s`.events", database);
    snprintf(final, sizeof final, "`%s`.events FINAL", database);
    put_periods(&periods, repeats);
    trace_text_add(&periods, "", 1);
    trace_text_puts(out, sum->around[0]);
    if (!repeats->count) {
        sum->put(out, sum->arg, rows, "1");
    } else if (always) {
        sum->put(out, sum->arg, final, "1");
    } else if (!periods.failed) {
        struct trace_text others = {0};
        trace_text_puts(&others, "NOT ");
        trace_text_puts(&others, periods.data);
        trace_text_add(&others, "", 1);
        if (!others.failed) sum->put(out, sum->arg, rows, others.data);
        trace_text_puts(out, " UNION ALL ");
        sum->put(out, sum->arg, final, periods.data);
        out->failed |= others.failed;
        trace_text_fini(&others);
    }
    out->failed |= periods.failed;
    trace_text_puts(out, sum->around[1]);
    trace_text_puts(out, " FORMAT RowBinary");
    trace_text_fini(&periods);
}

static int ask(const struct fleet_sum *sum, const struct repeats *repeats, struct trace_text *room, struct row_reader *ret_rows,
               struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    put_statement(&sql, sum, repeats);
    int result = fleet_ask(sum->context->server, &sql, &rows, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    trace_text_clear(room);
    trace_text_add(room, (const char *)rows.at, (size_t)(rows.end - rows.at));
    if (room->failed) return failure_out_of_memory(failure);
    *ret_rows = row_reader_of(room->data, room->bytes);
    return 0;
}

static bool same(const struct repeats *a, const struct repeats *b) {
    return a->count == b->count && (!a->count || !memcmp(a->all, b->all, a->count * sizeof *a->all));
}

/* An attempt is announced before it inserts anything, so a row that came twice while we asked is known afterwards. */
int fleet_sum_ask(const struct fleet_sum *sum, struct trace_text *room, struct row_reader *ret_rows, struct failure *failure) {
    struct period ever = {0, UINT64_MAX};
    struct repeats before = {0}, after = {0};
    int result = read_repeats(sum->context, &before, failure);
    if (!result) result = ask(sum, &before, room, ret_rows, failure);
    if (!result) result = read_repeats(sum->context, &after, failure);
    if (!result && !same(&before, &after)) result = ask(sum, &(struct repeats){&ever, 1}, room, ret_rows, failure);
    free(before.all);
    free(after.all);
    return result;
}

struct counted {
    const struct fleet_context *context;
    const char *condition;
};

static void put_count(struct trace_text *out, const void *arg, const char *rows, const char *times) {
    const struct counted *counted = arg;
    bool by_who = fleet_who_is_in(counted->condition, strlen(counted->condition));
    fleet_put_format(out, "SELECT count() FROM %s", rows);
    trace_text_puts(out, fleet_who_join(&counted->context->who, by_who));
    trace_text_puts(out, " WHERE ");
    trace_text_puts(out, fleet_who_definition(&counted->context->who, by_who));
    trace_text_puts(out, times);
    trace_text_puts(out, " AND (");
    trace_text_puts(out, counted->condition);
    trace_text_puts(out, ")");
}

int fleet_sum_count(const struct fleet_context *context, const char *condition, uint64_t *ret_count, struct failure *failure) {
    const struct fleet_sum sum = {context, put_count, &(struct counted){context, condition}, {"", ""}};
    struct trace_text room = {0};
    struct row_reader rows;
    int result = fleet_sum_ask(&sum, &room, &rows, failure);
    for (*ret_count = 0; !result && row_reader_more(&rows);) *ret_count += row_read_u64(&rows);
    trace_text_fini(&room);
    return result;
}
