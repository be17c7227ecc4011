/* SPDX-License-Identifier: MIT */
#include "fleet_said.h"

#include "allocation.h"
#include "fleet_load.h"
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

#define ALIAS_KINDS FLEET_KIND(TRACE_KIND_ALIAS)
#define SAID_MAX (8 * ALIASES_MAX) /* events, and as many of the lists */

/* ---- the statements ------------------------------------------------------------------------------------------------------- */

/* time: by which the newest are chosen. */
static void put_events(struct strbuf *sql, const struct clickhouse *server, const char *time) {
    const struct fleet_table *table = fleet_table_find("events");
    const char *between = "SELECT ";
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->columns[i].alias || !fleet_event_has_column(ALIAS_KINDS, table->columns[i].name)) continue;
        strbuf_printf(sql, "%s`%s`", between, table->columns[i].name);
        between = ", ";
    }
    strbuf_printf(sql, " FROM `%s`.rare_events WHERE kind = 'alias' ORDER BY ", clickhouse_database(server));
    strbuf_puts(sql, time);
    strbuf_printf(sql, " DESC, node_id DESC, log_id DESC, lane DESC, sequence DESC LIMIT %u FORMAT RowBinary", SAID_MAX);
}

void fleet_said_put(struct clickhouse_question questions[FLEET_SAID_QUESTIONS], const struct clickhouse *server) {
    put_events(&questions[0].sql, server, "time_ns");
    strbuf_printf(&questions[1].sql,
                  "SELECT node_id, log_id, instance, alias_ids, peer_ids, said_ns, own, transports, labels, segment FROM "
                  "`%s`.aliases FINAL ORDER BY node_id, log_id, instance, segment DESC LIMIT 1 BY node_id, log_id, instance "
                  "FORMAT RowBinary",
                  clickhouse_database(server));
}

/* ---- the answers ---------------------------------------------------------------------------------------------------------- */

static int refuse_rows(struct clickhouse *server, struct failure *failure) {
    return failure_set(failure, EXIT_FAILED,
                       "%s/%s has aliases that this inspector cannot read: ask again, and if they stay, update this one",
                       clickhouse_address(server), clickhouse_database(server));
}

static int read_events(struct fleet_said *said, struct clickhouse *server, struct row_reader rows, struct failure *failure) {
    size_t room = 0, count = 0;
    for (; row_reader_more(&rows); count++) {
        struct fleet_event *all = memory_room(said->events, count, &room, sizeof *all);
        if (!all) return failure_out_of_memory(failure);
        said->events = all;
        if (fleet_event_read_of(&rows, ALIAS_KINDS, &all[count])) return refuse_rows(server, failure);
        said->event_count = count + 1;
    }
    said->cut = count == SAID_MAX;
    return 0;
}

static void read_bytes(struct row_reader *rows, void *out, size_t count) {
    const uint8_t *at = row_read(rows, count);
    if (at && out) memcpy(out, at, count);
}

/* One row: the list of a log in a recording, as columns.  log: its index; below 0: nobody knows it. */
static int read_list(struct fleet_said *said, size_t *room, struct row_reader *rows, int64_t log) {
    uint64_t count = row_read_count(rows);
    size_t first = said->told_count;
    for (uint64_t i = 0; i < count && !rows->failed; i++) {
        struct trace_node_id id = {0};
        read_bytes(rows, id.bytes, sizeof id.bytes);
        if (log < 0 || said->told_count == SAID_MAX) continue;
        struct alias *all = memory_room(said->told, said->told_count, room, sizeof *all);
        if (!all) return -1;
        said->told = all;
        all[said->told_count++] = (struct alias){.alias_id = id, .node = (uint32_t)log};
    }
    for (unsigned column = 0; column < 5; column++) {
        if (row_read_count(rows) != count) rows->failed = true;
        for (uint64_t i = 0; i < count && !rows->failed; i++) {
            struct alias unused, *at = first + i < said->told_count ? &said->told[first + i] : &unused;
            size_t bytes;
            switch (column) {
            case 0: read_bytes(rows, at->peer_id.bytes, sizeof at->peer_id.bytes); break;
            case 1: at->time_ns = row_read_u64(rows); break;
            case 2: at->own = row_read_u8(rows) != 0; break;
            case 3: at->transport = row_read_u8(rows); break;
            default: {
                const char *label = row_read_string(rows, &bytes);
                memcpy(at->label, label, bytes < sizeof at->label ? bytes : sizeof at->label);
            }
            }
        }
    }
    return 0;
}

static int read_lists(struct fleet_said *said, const struct fleet_logs *logs, struct clickhouse *server, struct row_reader rows,
                      struct failure *failure) {
    size_t room = 0;
    while (row_reader_more(&rows)) {
        struct trace_node_id node_id = {0};
        read_bytes(&rows, node_id.bytes, sizeof node_id.bytes);
        uint64_t log_id = row_read_u64(&rows);
        (void)row_read_u64(&rows); /* instance */
        if (read_list(said, &room, &rows, fleet_logs_find(logs, &node_id, log_id))) return failure_out_of_memory(failure);
        (void)row_read_u64(&rows); /* segment, by which the newest row is chosen */
    }
    return rows.failed ? refuse_rows(server, failure) : 0;
}

int fleet_said_take(struct fleet_said *ret_said, const struct fleet_logs *logs, struct clickhouse *server,
                    const struct clickhouse_question questions[FLEET_SAID_QUESTIONS], struct failure *failure) {
    *ret_said = (struct fleet_said){0};
    int result = read_events(ret_said, server, clickhouse_rows(&questions[0]), failure);
    if (!result) result = read_lists(ret_said, logs, server, clickhouse_rows(&questions[1]), failure);
    if (result) fleet_said_fini(ret_said);
    return result;
}

void fleet_said_fini(struct fleet_said *said) {
    free(said->events);
    free(said->told);
    *said = (struct fleet_said){0};
}

/* ---- into a store --------------------------------------------------------------------------------------------------------- */

/* As a store sorts events. */
static int by_time(const void *one, const void *other) {
    const struct fleet_event *a = one, *b = other;
    int order = compare_numbers(a->event.timestamp, b->event.timestamp);
    if (!order) order = memcmp(&a->node_id, &b->node_id, sizeof a->node_id);
    if (!order) order = compare_numbers(a->log_id, b->log_id);
    if (!order) order = a->lane - b->lane;
    return order ? order : compare_numbers(a->event.sequence, b->event.sequence);
}

/* The newest by own times may not be the newest by those that are shown. */
static int choose_again(struct fleet_said *said, const struct fleet_context *context, struct failure *failure) {
    struct clickhouse_answer answer;
    struct strbuf sql = {0};
    put_events(&sql, context->server, fleet_clocks_column(&context->clocks));
    int result = sql.failed ? failure_out_of_memory(failure) : 0;
    if (!result && clickhouse_ask(context->server, strbuf_text(&sql), &answer, failure)) result = -1;
    strbuf_fini(&sql);
    return result ? -1 : read_events(said, context->server, row_reader_of(answer.bytes, answer.count), failure);
}

/* In the order of their times, as a node says one thing after the other. */
static int tell_events(const struct fleet_said *said, const struct fleet_context *context, struct store *store,
                       struct failure *failure) {
    struct fleet_said chosen = {0};
    size_t bytes = said->event_count * sizeof *said->events;
    if (said->cut && context->clocks.shown) {
        if (choose_again(&chosen, context, failure)) {
            fleet_said_fini(&chosen);
            return -1;
        }
    } else if (said->event_count) {
        chosen.events = malloc(bytes);
        if (!chosen.events) return failure_out_of_memory(failure);
        memcpy(chosen.events, said->events, bytes);
        chosen.event_count = said->event_count;
    }
    for (size_t i = 0; i < chosen.event_count; i++) fleet_load_correct(context, &chosen.events[i]);
    if (chosen.event_count) qsort(chosen.events, chosen.event_count, sizeof *chosen.events, by_time);
    for (size_t i = 0; i < chosen.event_count; i++) {
        const struct fleet_event *event = &chosen.events[i];
        int64_t log = fleet_logs_find(&context->logs, &event->node_id, event->log_id);
        if (log >= 0) store_note_alias(store, (uint32_t)log, &event->event);
    }
    fleet_said_fini(&chosen);
    return 0;
}

/* Those of the lists come last, as in a recording (store_read_aliases). */
int fleet_said_tell(const struct fleet_said *said, const struct fleet_context *context, struct store *store,
                    struct failure *failure) {
    if (tell_events(said, context, store, failure)) return -1;
    struct alias *list = said->told_count ? malloc(said->told_count * sizeof *list) : NULL;
    if (said->told_count && !list) return failure_out_of_memory(failure);
    for (size_t i = 0; i < said->told_count; i++) {
        list[i] = said->told[i];
        list[i].time_ns = fleet_clocks_begin(&context->clocks, list[i].node, list[i].time_ns);
    }
    if (said->told_count) store_add_aliases(store, list, said->told_count);
    free(list);
    return 0;
}
