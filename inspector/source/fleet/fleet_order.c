/* SPDX-License-Identifier: MIT */
#include "fleet_order.h"

#include "allocation.h"
#include "fleet_sql.h"
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

/* The new line may begin a little before the time that the step is said to lead to. */
#define LINES_APART_NS UINT64_C(1000000000)

static int by_run(const void *one, const void *other) {
    const struct fleet_step *a = one, *b = other;
    int order = compare_numbers(a->instance, b->instance);
    return order ? order : a->step.number - b->step.number;
}

static uint64_t back_by(const struct fleet_step *step) {
    return step->step.before_ns > step->step.after_ns ? step->step.before_ns - step->step.after_ns + LINES_APART_NS : 0;
}

/* Runs on machines that are not known are in no order. */
static int read_runs(struct fleet_order *order, struct clickhouse *server, struct failure *failure) {
    struct strbuf sql = {0};
    struct row_reader rows;
    size_t room = 0;
    strbuf_printf(&sql,
                  "SELECT machine, instance, min(first_ns) AS f, max(last_ns) FROM `%s`.deliveries GROUP BY machine, instance "
                  "ORDER BY machine, f, instance FORMAT RowBinary",
                  clickhouse_database(server));
    if (clickhouse_ask_rows(server, &sql, &rows, failure)) return -1;
    while (row_reader_more(&rows)) {
        struct fleet_run *all = memory_room(order->runs, order->run_count, &room, sizeof *all);
        if (!all) return failure_out_of_memory(failure);
        order->runs = all;
        struct fleet_run *run = &all[order->run_count];
        const uint8_t *machine = row_read(&rows, sizeof run->machine);
        if (!machine) break;
        memcpy(run->machine, machine, sizeof run->machine);
        run->instance = row_read_u64(&rows);
        run->first_ns = row_read_u64(&rows);
        run->last_ns = row_read_u64(&rows);
        order->run_count++;
    }
    return rows.failed ? fleet_cut_short(failure) : 0;
}

/* ---- lines ---- */

struct lines {
    struct fleet_order *order;
    const struct fleet_step *steps, *end; /* by_run */
    size_t room;
};

static int add_line(struct lines *lines, const struct fleet_run *run, uint8_t number, uint64_t back_ns) {
    struct fleet_order *order = lines->order;
    struct fleet_line *all = back_ns ? memory_room(order->lines, order->line_count, &lines->room, sizeof *all) : NULL;
    if (!back_ns) return 0;
    if (!all) return -1;
    order->lines = all;
    struct fleet_line *line = &all[order->line_count++];
    *line = (struct fleet_line){.instance = run->instance, .number = number, .back_ns = back_ns};
    memcpy(line->machine, run->machine, sizeof line->machine);
    return 0;
}

static int by_instance(const void *instance, const void *step) {
    return compare_numbers(*(const uint64_t *)instance, ((const struct fleet_step *)step)->instance);
}

/* The steps of a run are neighbours.  Returns the first, or the end if it has none. */
static const struct fleet_step *first_step(const struct lines *lines, uint64_t instance) {
    const struct fleet_step *step =
        bsearch(&instance, lines->steps, (size_t)(lines->end - lines->steps), sizeof *step, by_instance);
    while (step && step > lines->steps && step[-1].instance == instance) step--;
    return step ? step : lines->end;
}

static bool is_of(const struct lines *lines, const struct fleet_step *step, const struct fleet_run *run) {
    return step < lines->end && step->instance == run->instance;
}

static size_t count_back(const struct lines *lines, const struct fleet_run *runs, size_t count) {
    size_t back = 0;
    for (size_t i = 0; i < count; i++)
        for (const struct fleet_step *step = first_step(lines, runs[i].instance); is_of(lines, step, &runs[i]); step++)
            back += back_by(step) != 0;
    return back;
}

/* The runs of one machine. */
static int add_lines(struct lines *lines, const struct fleet_run *runs, size_t count) {
    size_t back = count_back(lines, runs, count), skipped = back > FLEET_STEPS_BACK_MAX ? back - FLEET_STEPS_BACK_MAX : 0;
    uint64_t back_ns = 0;
    int result = 0;
    for (size_t i = 0; i < count && !result; i++) {
        result = add_line(lines, &runs[i], 0, back_ns);
        for (const struct fleet_step *step = first_step(lines, runs[i].instance); is_of(lines, step, &runs[i]) && !result;
             step++) {
            uint64_t by_ns = back_by(step);
            if (by_ns && skipped)
                skipped--;
            else
                back_ns += by_ns;
            result = add_line(lines, &runs[i], step->step.number, back_ns);
        }
    }
    return result;
}

static int by_line(const void *one, const void *other) {
    const struct fleet_line *a = *(const struct fleet_line *const *)one, *b = *(const struct fleet_line *const *)other;
    int order = compare_numbers(a->instance, b->instance);
    return order ? order : a->number - b->number;
}

static int sort_lines(struct fleet_order *order) {
    order->by_run = calloc(order->line_count + 1, sizeof *order->by_run);
    if (!order->by_run) return -1;
    for (size_t i = 0; i < order->line_count; i++) order->by_run[i] = &order->lines[i];
    qsort(order->by_run, order->line_count, sizeof *order->by_run, by_line);
    return 0;
}

int fleet_order_make(struct fleet_order *order, const struct fleet_logs *logs) {
    static const uint8_t unknown[MACHINE_ID_BYTES];
    struct fleet_step *steps = malloc(logs->step_count * sizeof *steps);
    if (!steps) return -1;
    memcpy(steps, logs->steps, logs->step_count * sizeof *steps);
    qsort(steps, logs->step_count, sizeof *steps, by_run);
    struct lines lines = {order, steps, steps + logs->step_count, 0};
    int result = 0;
    for (size_t i = 0, end; i < order->run_count && !result; i = end) {
        const struct fleet_run *run = &order->runs[i];
        for (end = i + 1; end < order->run_count && !memcmp(order->runs[end].machine, run->machine, sizeof run->machine);) end++;
        if (memcmp(run->machine, unknown, sizeof unknown) != 0) result = add_lines(&lines, run, end - i);
    }
    free(steps);
    return result ? result : sort_lines(order);
}

int fleet_order_read(struct fleet_order *ret_order, const struct fleet_logs *logs, struct clickhouse *server,
                     struct failure *failure) {
    struct fleet_order order = {0};
    bool back = false;
    *ret_order = order;
    for (size_t i = 0; i < logs->step_count; i++) back |= back_by(&logs->steps[i]) != 0;
    if (!back) return 0;
    int result = read_runs(&order, server, failure);
    if (!result && fleet_order_make(&order, logs)) result = failure_out_of_memory(failure);
    if (result)
        fleet_order_fini(&order);
    else
        *ret_order = order;
    return result;
}

void fleet_order_fini(struct fleet_order *order) {
    free(order->lines);
    free((void *)order->by_run);
    free(order->runs);
    *order = (struct fleet_order){0};
}

uint64_t fleet_order_back(const struct fleet_order *order, uint64_t instance, uint8_t number) {
    const struct fleet_line wanted = {.instance = instance, .number = number}, *key = &wanted;
    if (!order->line_count) return 0;
    const struct fleet_line *const *line = bsearch(&key, order->by_run, order->line_count, sizeof *order->by_run, by_line);
    return line ? (*line)->back_ns : 0;
}
