/* SPDX-License-Identifier: MIT */
#include "fleet_load.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_clock.h>
#include <stdlib.h>
#include <string.h>

#define STORE_BYTES_EVENT 256 /* in a store, with its indices */

/* Equal rows become neighbours; otherwise this is the order of answers (store/history.h), because logs are sorted, too. */
static const char key[] = "%s, node_id%s, log_id%s, lane%s, sequence%s, kind_id%s";

int fleet_load_begin(struct fleet_load *load, const struct fleet_context *context, struct failure *failure) {
    *load = (struct fleet_load){.context = context};
    int error = store_create(&load->store, HISTORY_BYTES_MIN + (size_t)FLEET_LOAD_EVENTS_MAX * STORE_BYTES_EVENT);
    if (!error) error = fleet_logs_add(&context->logs, load->store);
    if (!error && context->store) store_borrow_aliases(load->store, context->store);
    if (!error) return 0;
    fleet_load_drop(load);
    return failure_set(failure, EXIT_FAILED, "cannot hold the fleet's nodes: %s", strerror(-error));
}

void fleet_load_drop(struct fleet_load *load) {
    store_destroy(load->store);
    free(load->strangers);
    *load = (struct fleet_load){0};
}

struct store *fleet_load_end(struct fleet_load *load) {
    struct store *store = load->store;
    fleet_logs_settle(&load->context->logs, store);
    store_close(store, load->context->now_ns);
    free(load->strangers);
    *load = (struct fleet_load){0};
    return store;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------- */

/* A log whose events arrived between our questions for nodes and for events. */
static int find_stranger(struct fleet_load *load, const struct fleet_event *event, uint32_t *ret_index) {
    for (size_t i = 0; i < load->stranger_count; i++) {
        const struct fleet_stranger *stranger = &load->strangers[i];
        if (stranger->log_id != event->log_id || memcmp(&stranger->node_id, &event->node_id, sizeof event->node_id) != 0)
            continue;
        *ret_index = stranger->index;
        return 0;
    }
    struct fleet_stranger *all = realloc(load->strangers, (load->stranger_count + 1) * sizeof *all);
    if (!all) return -ENOMEM;
    load->strangers = all;
    struct fleet_stranger *stranger = &all[load->stranger_count];
    *stranger = (struct fleet_stranger){event->node_id, event->log_id, .index = 0};
    memcpy(stranger->host, event->host, sizeof stranger->host);
    int error = fleet_load_add_stranger(load, load->store, load->stranger_count);
    if (error) return error;
    *ret_index = stranger->index;
    load->stranger_count++;
    return 0;
}

int fleet_load_add_stranger(const struct fleet_load *load, struct store *store, size_t at) {
    struct fleet_stranger *stranger = &load->strangers[at];
    struct node_info info = {.node_id = stranger->node_id, .log = stranger->log_id};
    memcpy(info.machine.name, stranger->host, strnlen(stranger->host, sizeof info.machine.name - 1));
    return store_add_node(store, &info, NODE_UNKNOWN, &stranger->index);
}

void fleet_load_correct(const struct fleet_context *context, struct fleet_event *event) {
    if (!context->clocks.shown) return;
    int64_t log = fleet_logs_find(&context->logs, &event->node_id, event->log_id);
    uint64_t back_ns = fleet_order_back(&context->order, event->instance, trace_event_clock_steps(&event->event));
    event->event.timestamp = fleet_clocks_time(&context->clocks, log, back_ns, event->event.timestamp);
    if (fleet_clocks_correct(&context->clocks, log)) trace_event_set_clock_steps(&event->event, 0);
}

int fleet_load_read(const struct fleet_context *context, struct row_reader *reader, uint64_t kinds,
                    struct fleet_event *ret_event) {
    if (fleet_event_read_of(reader, kinds, ret_event)) return -EBADMSG;
    fleet_load_correct(context, ret_event);
    return 0;
}

int fleet_load_append(struct fleet_load *load, const struct fleet_event *event) {
    int64_t known = fleet_logs_find(&load->context->logs, &event->node_id, event->log_id);
    uint32_t index = known < 0 ? 0 : (uint32_t)known;
    int error = known < 0 ? find_stranger(load, event, &index) : 0;
    if (!error) error = store_append(load->store, index, event->lane, &event->event, 1);
    if (error) return error;
    uint64_t time_ns = event->event.timestamp;
    if (!load->events || time_ns < load->first_ns) load->first_ns = time_ns;
    if (!load->events || time_ns > load->last_ns) load->last_ns = time_ns;
    load->events++;
    return 0;
}

/* A traced that was restarted after a step reads the rings again, and counts steps from 0. */
bool fleet_load_same(const struct fleet_event *one, const struct fleet_event *other) {
    struct trace_event a = one->event, b = other->event;
    trace_event_set_clock_steps(&a, 0);
    trace_event_set_clock_steps(&b, 0);
    return one->log_id == other->log_id && one->lane == other->lane &&
           !memcmp(&one->node_id, &other->node_id, sizeof one->node_id) &&
           !memcmp((const uint8_t *)&a, (const uint8_t *)&b, sizeof a);
}

/* The rows of an answer: their number, and the times of the first and the last. */
static int count_rows(const struct fleet_context *context, struct row_reader reader, uint64_t kinds, uint64_t *ret_count,
                      uint64_t *ret_first_ns, uint64_t *ret_last_ns) {
    struct fleet_event event;
    for (*ret_count = 0; row_reader_more(&reader); ++*ret_count) {
        if (fleet_load_read(context, &reader, kinds, &event)) return -EBADMSG;
        if (!*ret_count) *ret_first_ns = event.event.timestamp;
        *ret_last_ns = event.event.timestamp;
    }
    return reader.failed ? -EBADMSG : 0;
}

/* Appends the rows, except those at the time of the cut. */
static int append_rows(struct fleet_load *load, struct row_reader reader, uint64_t kinds, struct fleet_part *part) {
    struct fleet_event events[2];
    bool cut = part->more && part->by_time;
    for (size_t i = 0; row_reader_more(&reader); i++) {
        struct fleet_event *event = &events[i % 2];
        if (fleet_load_read(load->context, &reader, kinds, event)) return -EBADMSG;
        bool again = i && fleet_load_same(event, &events[(i + 1) % 2]);
        uint64_t time_ns = event->event.timestamp;
        if (again || (cut && (part->newest ? time_ns < part->cut_ns : time_ns >= part->cut_ns))) continue;
        if (part->to_ns && (time_ns < part->from_ns || time_ns >= part->to_ns)) continue;
        int error = fleet_load_append(load, event);
        if (error) return error;
        if (!part->loaded++) part->first_ns = time_ns;
    }
    return 0;
}

static int read_rows(struct fleet_load *load, struct row_reader reader, uint64_t kinds, struct fleet_part *part) {
    uint64_t rows, first_ns = 0, last_ns = 0;
    int error = count_rows(load->context, reader, kinds, &rows, &first_ns, &last_ns);
    part->more = !error && rows >= part->limit;
    part->loaded = part->first_ns = 0;
    part->cut_ns = part->newest ? first_ns + 1 : last_ns;
    if (!error && part->more && part->by_time && first_ns == last_ns) return -EOVERFLOW;
    if (!error && part->more && part->all_or_none) return 0;
    return error ? error : append_rows(load, reader, kinds, part);
}

/* ---- the question --------------------------------------------------------------------------------------------------------- */

static uint64_t kinds_of(const struct fleet_choice *choice) { return choice->kinds ? choice->kinds : FLEET_KINDS_ALL; }

static void put_key(struct trace_text *sql, const struct fleet_load *load, uint64_t kinds, const char *direction) {
    trace_text_puts(sql, fleet_clocks_column(&load->context->clocks));
    fleet_put_format(sql, key, direction, direction, direction, direction, direction, direction);
    if (fleet_event_has_column(kinds, "cause")) fleet_put_format(sql, ", cause%s", direction);
}

/* For few rows, what a question costs is the columns that it reads. */
static void put_columns(struct trace_text *sql, uint64_t kinds) {
    size_t count;
    const struct fleet_column *columns = fleet_event_columns(&count);
    for (size_t i = 0, put = 0; i < count && !columns[i].alias; i++)
        if (fleet_event_has_column(kinds, columns[i].name)) fleet_put_format(sql, "%s`%s`", put++ ? ", " : "", columns[i].name);
}

/* Rows that are wanted lie apart, because the tables are sorted by peer: so what the condition needs is read before all other
 * columns, unless it needs another table. */
static void put_conditions(struct trace_text *sql, const struct fleet_who *who, const struct fleet_choice *choice, bool by_who) {
    bool alone = !by_who && !strstr(choice->condition, "(SELECT ");
    const char *first = choice->first ? choice->first : alone ? choice->condition : NULL;
    if (first) trace_text_puts(sql, " PREWHERE ");
    if (first) trace_text_puts(sql, first);
    if (first == choice->condition) return;
    trace_text_puts(sql, " WHERE ");
    trace_text_puts(sql, fleet_who_definition(who, by_who));
    trace_text_puts(sql, choice->condition);
}

static void make_sql(struct trace_text *sql, const struct fleet_load *load, const struct fleet_choice *choice,
                     const struct fleet_part *part) {
    const struct fleet_who *who = &load->context->who;
    bool by_who = fleet_who_is_in(choice->condition, strlen(choice->condition));
    if (part->newest) trace_text_puts(sql, "SELECT * FROM (");
    trace_text_puts(sql, "SELECT ");
    put_columns(sql, kinds_of(choice));
    fleet_put_format(sql, " FROM `%s`.%s", clickhouse_database(load->context->server), choice->rare ? "rare_events" : "events");
    trace_text_puts(sql, fleet_who_join(who, by_who));
    put_conditions(sql, who, choice, by_who);
    trace_text_puts(sql, " ORDER BY ");
    put_key(sql, load, kinds_of(choice), part->newest ? " DESC" : "");
    if (part->limit_by) fleet_put_format(sql, " LIMIT 1 BY %s", part->limit_by);
    fleet_put_format(sql, " LIMIT %" PRIu64, part->limit);
    if (part->newest) {
        trace_text_puts(sql, ") ORDER BY ");
        put_key(sql, load, kinds_of(choice), "");
    }
    trace_text_puts(sql, " FORMAT RowBinary");
}

static int explain(const struct fleet_context *context, int error, uint64_t limit, struct failure *failure) {
    switch (error) {
    case -ENOMEM: return failure_out_of_memory(failure);
    case -EOVERFLOW:
        return failure_set(failure, EXIT_FAILED, "more than %" PRIu64 " events have the same time: narrow the question", limit);
    case -EBADMSG:
        return failure_set(failure, EXIT_FAILED,
                           "%s/%s has events that this inspector cannot read: ask again, and if they stay, update this one",
                           clickhouse_address(context->server), clickhouse_database(context->server));
    default: return failure_set(failure, EXIT_FAILED, "cannot hold the fleet's events: %s", strerror(-error));
    }
}

int fleet_load_events(struct fleet_load *load, const struct fleet_choice *choice, struct fleet_part *part,
                      struct failure *failure) {
    struct row_reader reader;
    struct trace_text sql = {0};
    make_sql(&sql, load, choice, part);
    int result = fleet_ask(load->context->server, &sql, &reader, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    return fleet_load_take(load, choice, reader, part, failure);
}

void fleet_load_put(const struct fleet_load *load, const struct fleet_choice *choice, const struct fleet_part *part,
                    struct strbuf *sql) {
    struct trace_text text = {0};
    make_sql(&text, load, choice, part);
    strbuf_add(sql, text.data, text.bytes);
    sql->failed |= text.failed;
    trace_text_fini(&text);
}

int fleet_load_take(struct fleet_load *load, const struct fleet_choice *choice, struct row_reader rows, struct fleet_part *part,
                    struct failure *failure) {
    int error = read_rows(load, rows, kinds_of(choice), part);
    return error ? explain(load->context, error, part->limit, failure) : 0;
}

/* ---- near one end --------------------------------------------------------------------------------------------------------- */

#define NEAR_EVENTS 100000U /* as many are searched at once */
#define NEAR_SEGMENTS 4096U
#define NEAR_FACTOR 64U /* where few match, the next search is for so many times as many; then everywhere */

static uint64_t events_of(const struct fleet_logs *logs) {
    uint64_t events = 0;
    for (size_t i = 0; i < logs->count; i++) events += logs->all[i].indexed;
    return events;
}

/* Times that divide the newest segments from the others, or the oldest: each with enough events.  0: there are not so many. */
static int find_steps(const struct fleet_context *context, const struct fleet_near *near, uint64_t ret_steps[2],
                      struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    uint64_t events = 0, wanted[2] = {near->limit, near->limit * NEAR_FACTOR};
    unsigned step = 0;
    fleet_put_format(&sql, "SELECT %s, events FROM `%s`.segments WHERE events > 0", near->newest ? "first_ns" : "last_ns",
                     clickhouse_database(context->server));
    if (near->from_ns) fleet_put_format(&sql, " AND first_ns >= %" PRIu64, near->from_ns);
    if (near->to_ns) fleet_put_format(&sql, " AND last_ns < %" PRIu64, near->to_ns);
    fleet_put_format(&sql, " ORDER BY %s LIMIT 1 BY instance, segment LIMIT %u FORMAT RowBinary",
                     near->newest ? "first_ns DESC" : "last_ns", NEAR_SEGMENTS);
    int result = fleet_ask(context->server, &sql, &rows, failure);
    trace_text_fini(&sql);
    ret_steps[0] = ret_steps[1] = 0;
    while (!result && step < 2 && row_reader_more(&rows)) {
        uint64_t at_ns = row_read_u64(&rows);
        events += row_read_u64(&rows);
        while (step < 2 && events >= wanted[step]) ret_steps[step++] = near->newest ? at_ns : at_ns + 1;
    }
    return result;
}

/* *ret_last_ns: the time of the last of the wanted events in [from, to), from their end of time; *ret_count: how many are there,
 * up to the limit. */
static int find_last(const struct fleet_context *context, const struct fleet_near *near, uint64_t from_ns, uint64_t to_ns,
                     uint64_t *ret_last_ns, uint64_t *ret_count, struct failure *failure) {
    struct trace_text sql = {0};
    uint64_t numbers[2];
    bool by_who = fleet_who_is_in(near->matching, strlen(near->matching));
    fleet_put_format(&sql, "SELECT %s(t), count() FROM (SELECT ", near->newest ? "min" : "max");
    trace_text_puts(&sql, fleet_clocks_column(&context->clocks));
    fleet_put_format(&sql, " AS t FROM `%s`.events", clickhouse_database(context->server));
    trace_text_puts(&sql, fleet_who_join(&context->who, by_who));
    if (from_ns || to_ns) trace_text_puts(&sql, " PREWHERE ");
    if (from_ns || to_ns) fleet_scope_put_times(&sql, context, from_ns, to_ns);
    trace_text_puts(&sql, " WHERE ");
    trace_text_puts(&sql, fleet_who_definition(&context->who, by_who));
    trace_text_puts(&sql, *near->matching ? near->matching : "1");
    fleet_put_format(&sql, " ORDER BY t%s LIMIT %" PRIu64 ") FORMAT RowBinary", near->newest ? " DESC" : "", near->limit);
    int result = fleet_ask_numbers(context->server, &sql, numbers, 2, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    *ret_last_ns = numbers[0];
    *ret_count = numbers[1];
    return 0;
}

int fleet_load_find_near(const struct fleet_context *context, struct fleet_near *near, struct failure *failure) {
    uint64_t steps[2], last_ns = 0, count = 0;
    near->cut = near->none = false;
    if (events_of(&context->logs) <= NEAR_EVENTS) return 0;
    if (find_steps(context, near, steps, failure)) return -1;
    for (unsigned step = 0; step <= 2 && count < near->limit; step++) {
        uint64_t from_ns = near->from_ns, to_ns = near->to_ns, at_ns = step < 2 ? steps[step] : 0;
        if (step < 2 && !at_ns) continue;
        if (step < 2 && near->newest) from_ns = at_ns;
        if (step < 2 && !near->newest) to_ns = at_ns;
        if (find_last(context, near, from_ns, to_ns, &last_ns, &count, failure)) return -1;
    }
    near->cut = count >= near->limit;
    near->none = !count;
    if (count && near->newest) near->from_ns = last_ns;
    if (count && !near->newest) near->to_ns = last_ns + 1;
    return 0;
}
