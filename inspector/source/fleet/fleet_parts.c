/* SPDX-License-Identifier: MIT */
#include "fleet_parts.h"

#include "allocation.h"
#include "source_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PART_ROWS_MAX (3 * FLEET_PART_EVENTS) /* of more, the part is halved */
#define PARTS_MAX 2000U                       /* a statement has 256 KiB; of more events, parts are larger */

/* Traces of which the first event has an own time in [from, to). */
struct range {
    uint64_t from_ns, to_ns;
    uint64_t last_ns; /* no event of theirs is later */
};

struct parts {
    struct store_parts base;
    struct fleet_question *question;
    const struct fleet_traces_wanted *wanted;
    uint64_t longest_ns;  /* of all traces */
    struct range *ranges; /* a stack, the next one on top */
    size_t range_count, range_room;
    struct fleet_load load;   /* of the current part; its strangers are those of all parts so far */
    struct store *main_store; /* which is asked */
    struct store *part;
};

/* ---- which traces --------------------------------------------------------------------------------------------------------- */

/* The traces of a range.  Those that began before it and have gone on are not among them: no trace is longer than longest_ns.
 * While machines ship, a trace of which earlier events arrive only now may be in no range that is still to come. */
static void put_traces(struct trace_text *out, const struct parts *parts, const struct range *range) {
    uint64_t from_ns = range->from_ns > parts->longest_ns ? range->from_ns - parts->longest_ns : 0;
    fleet_put_format(out,
                     "trace_id GLOBAL IN (SELECT trace_id FROM `%s`.trace_index WHERE first_ns >= %" PRIu64
                     " AND first_ns < %" PRIu64 " GROUP BY trace_id HAVING min(first_ns) >= %" PRIu64 ")",
                     clickhouse_database(parts->question->answers->context.server), from_ns, range->to_ns, range->from_ns);
}

static void put_condition(struct trace_text *out, const struct parts *parts, const struct range *range) {
    char times[96];
    snprintf(times, sizeof times, "time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64, range->from_ns, range->last_ns);
    if (parts->wanted->spans) trace_text_puts(out, APP_KINDS " AND ");
    trace_text_puts(out, times);
    trace_text_puts(out, " AND ");
    put_traces(out, parts, range);
    parts->wanted->put_which(out, parts->question, parts->wanted->from_ns, parts->wanted->to_ns, times);
}

/* ---- the ranges ----------------------------------------------------------------------------------------------------------- */

static int push(struct parts *parts, const struct range *range) {
    struct range *ranges = memory_room(parts->ranges, parts->range_count, &parts->range_room, sizeof *ranges);
    if (!ranges) return failure_out_of_memory(parts->question->failure);
    parts->ranges = ranges;
    ranges[parts->range_count++] = *range;
    return 0;
}

static int ask_one(const struct parts *parts, const char *sql, struct row_reader *ret_rows) {
    struct trace_text text = {0};
    trace_text_puts(&text, sql);
    int result = fleet_ask(parts->question->answers->context.server, &text, ret_rows, parts->question->failure);
    trace_text_fini(&text);
    return result;
}

static uint64_t count_slices(uint64_t events) {
    uint64_t slices = events / (events > FLEET_PART_EVENTS ? FLEET_PART_EVENTS : FLEET_PART_EVENTS_FEW) + 1;
    return slices < PARTS_MAX ? slices : PARTS_MAX;
}

/* How many events there may be, and the times that divide them into parts: approximately. */
static int find_cuts(const struct parts *parts, uint64_t **ret_cuts, size_t *ret_count) {
    const char *database = clickhouse_database(parts->question->answers->context.server);
    struct trace_text sql = {0};
    struct row_reader rows;
    uint64_t events = 0;
    fleet_put_format(&sql, "SELECT count() FROM `%s`.events WHERE trace_id != toFixedString('',%d)%s FORMAT RowBinary", database,
                     TRACE_ID_BYTES, parts->wanted->spans ? " AND " APP_KINDS : "");
    int result = fleet_ask_numbers(parts->question->answers->context.server, &sql, &events, 1, parts->question->failure);
    trace_text_clear(&sql);
    uint64_t slices = count_slices(events);
    *ret_count = (size_t)slices - 1;
    *ret_cuts = calloc(slices, sizeof **ret_cuts);
    if (!result && !*ret_cuts) result = failure_out_of_memory(parts->question->failure);
    if (!result && slices > 1) {
        trace_text_puts(&sql, "SELECT arrayMap(q -> toUInt64(q), quantiles(");
        for (size_t i = 1; i < slices; i++) fleet_put_format(&sql, "%s%.6f", i > 1 ? "," : "", (double)i / (double)slices);
        fleet_put_format(&sql, ")(first_ns)) FROM `%s`.trace_index FORMAT RowBinary", database);
        result = fleet_ask(parts->question->answers->context.server, &sql, &rows, parts->question->failure);
        uint64_t count = result ? 0 : row_read_count(&rows);
        for (size_t i = 0; i < *ret_count && i < count; i++) (*ret_cuts)[i] = row_read_u64(&rows);
    }
    trace_text_fini(&sql);
    if (!result) return 0;
    free(*ret_cuts);
    return -1;
}

/* Numbers the traces by the range in which they begin. */
static void put_ranges(struct trace_text *sql, const char *database, const uint64_t *cuts, size_t count) {
    fleet_put_format(sql, "SELECT toUInt32(");
    if (count) trace_text_puts(sql, "arrayCount(cut -> cut <= f, [");
    for (size_t i = 0; i < count; i++) fleet_put_format(sql, "%stoUInt64(%" PRIu64 ")", i ? "," : "", cuts[i]);
    trace_text_puts(sql, count ? "])" : "0");
    fleet_put_format(
        sql,
        ") AS n, max(l), max(l - f), max(f) FROM (SELECT min(first_ns) AS f, max(last_ns) AS l FROM `%s`.trace_index GROUP BY "
        "trace_id) GROUP BY n ORDER BY n DESC FORMAT RowBinary",
        database);
}

static int find_ranges(struct parts *parts) {
    struct trace_text sql = {0};
    struct row_reader rows;
    uint64_t *cuts;
    size_t count;
    if (find_cuts(parts, &cuts, &count)) return -1;
    put_ranges(&sql, clickhouse_database(parts->question->answers->context.server), cuts, count);
    trace_text_add(&sql, "", 1);
    int result = sql.failed ? failure_out_of_memory(parts->question->failure) : ask_one(parts, sql.data, &rows);
    trace_text_fini(&sql);
    while (!result && row_reader_more(&rows)) {
        uint32_t n = row_read_u32(&rows);
        uint64_t last_ns = row_read_u64(&rows), long_ns = row_read_u64(&rows), begin_ns = row_read_u64(&rows);
        struct range range = {n ? cuts[n - 1] : 0, n < count ? cuts[n] : begin_ns + 1, last_ns};
        if (n > count) break;
        if (long_ns > parts->longest_ns) parts->longest_ns = long_ns;
        result = push(parts, &range);
    }
    free(cuts);
    return result;
}

/* ---- the parts ------------------------------------------------------------------------------------------------------------ */

static void drop_part(struct parts *parts) {
    store_destroy(parts->part);
    parts->part = NULL;
}

/* Nodes have the same indices in all stores, also those that are not in the fleet's list yet. */
static int begin_load(struct parts *parts) {
    struct fleet_stranger *strangers = parts->load.strangers;
    size_t count = parts->load.stranger_count;
    parts->load.strangers = NULL;
    if (fleet_load_begin(&parts->load, &parts->question->answers->context, parts->question->failure)) {
        free(strangers);
        return -1;
    }
    parts->load.strangers = strangers;
    parts->load.stranger_count = count;
    for (size_t i = 0; i < count; i++)
        if (fleet_load_add_stranger(&parts->load, parts->load.store, i)) return failure_out_of_memory(parts->question->failure);
    return 0;
}

/* *ret_more: there are too many, and none was loaded. */
static int load_range(struct parts *parts, const struct range *range, bool *ret_more) {
    struct failure *failure = parts->question->failure;
    struct trace_text text = {0};
    struct fleet_part part = {.limit = PART_ROWS_MAX, .all_or_none = true};
    put_condition(&text, parts, range);
    trace_text_add(&text, "", 1);
    const struct fleet_choice choice = {text.data, .kinds = parts->wanted->spans ? APP_KINDS_SET : 0};
    int result = text.failed ? failure_out_of_memory(failure) : begin_load(parts);
    if (!result) result = fleet_load_events(&parts->load, &choice, &part, failure);
    bool all = !result && !part.more;
    *ret_more = !result && !all && range->to_ns - range->from_ns > 1;
    if (!result && !all && !*ret_more) result = fleet_load_all(&parts->load, &choice, failure);
    trace_text_fini(&text);
    return result;
}

/* Halves a range until it is not too large. */
static int load_next(struct parts *parts) {
    for (;;) {
        struct range range = parts->ranges[--parts->range_count];
        uint64_t middle_ns = range.from_ns + (range.to_ns - range.from_ns) / 2;
        bool more;
        if (load_range(parts, &range, &more)) return -1;
        if (!more) return 0;
        store_destroy(parts->load.store);
        parts->load.store = NULL;
        if (push(parts, &(struct range){middle_ns, range.to_ns, range.last_ns}) ||
            push(parts, &(struct range){range.from_ns, middle_ns, range.last_ns}))
            return -1;
    }
}

/* The store that is asked learns of nodes that came with this part. */
static int share_strangers(struct parts *parts, size_t known) {
    for (size_t i = known; i < parts->load.stranger_count; i++)
        if (fleet_load_add_stranger(&parts->load, parts->main_store, i)) return failure_out_of_memory(parts->question->failure);
    return 0;
}

static int next_part(void *owner, struct history **ret_part) {
    struct parts *parts = owner;
    drop_part(parts);
    *ret_part = NULL;
    if (!parts->range_count) return 0;
    size_t known = parts->load.stranger_count;
    if (load_next(parts) || share_strangers(parts, known)) return -EIO;
    fleet_logs_settle(&parts->question->answers->context.logs, parts->load.store);
    store_close(parts->load.store, parts->question->answers->context.now_ns);
    parts->part = parts->load.store;
    parts->load.store = NULL;
    *ret_part = parts->part->history;
    return 0;
}

/* ---- the store that is asked ---------------------------------------------------------------------------------------------- */

/* Rates begin where the fleet begins: an event of no trace says when. */
static int load_beginning(struct fleet_answers *answers, struct fleet_load *load, struct failure *failure) {
    struct trace_event event = {.kind = TRACE_KIND_CUSTOM};
    if (!answers->context.logs.count) return 0;
    if (fleet_first_ns(answers, &event.timestamp, failure)) return -1;
    if (!event.timestamp) return 0;
    return store_append(load->store, 0, 0, &event, 1) ? failure_out_of_memory(failure) : 0;
}

/* All that were lost then.  Those of a trace come again with it, but only these are summed up. */
static int load_losses(struct parts *parts, struct fleet_load *load) {
    struct trace_text text = {0};
    trace_text_puts(&text, "kind = 'events_lost' AND ");
    fleet_scope_put_times(&text, load->context, parts->wanted->from_ns, parts->wanted->to_ns);
    trace_text_add(&text, "", 1);
    int result = text.failed ? failure_out_of_memory(parts->question->failure)
                             : fleet_load_all(load, &(struct fleet_choice){text.data, .rare = true}, parts->question->failure);
    trace_text_fini(&text);
    return result;
}

static int ask_parts(struct parts *parts) {
    struct fleet_question *question = parts->question;
    struct trace_text name = {0};
    struct fleet_load load;
    if (fleet_load_begin(&load, &question->answers->context, question->failure)) return -1;
    int result = load_beginning(question->answers, &load, question->failure);
    if (!result && parts->wanted->losses) result = load_losses(parts, &load);
    if (result) {
        fleet_load_drop(&load);
        return -1;
    }
    parts->main_store = fleet_load_end(&load);
    parts->main_store->parts = &parts->base;
    trace_text_puts(&name, "parts");
    struct fleet_kept *kept = fleet_kept_add(question->answers, &name, parts->main_store, question->failure);
    trace_text_fini(&name);
    if (!kept) return -1;
    *question->failure = (struct failure){0};
    struct failure said = {0};
    struct fleet_question same = *question;
    same.failure = &said;
    result = fleet_ask_store(&same, kept->source);
    fleet_kept_drop(kept);
    if (result && !*question->failure->text) *question->failure = said; /* otherwise the reason why a part was not loaded */
    return result;
}

int fleet_answer_traces_in_parts(struct fleet_question *question, const struct fleet_traces_wanted *wanted) {
    struct parts parts = {.question = question, .wanted = wanted};
    parts.base = (struct store_parts){&parts, next_part};
    int result = find_ranges(&parts);
    if (!result) result = ask_parts(&parts);
    drop_part(&parts);
    fleet_load_drop(&parts.load);
    free(parts.ranges);
    return result;
}
