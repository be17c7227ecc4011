/* SPDX-License-Identifier: MIT
 *
 * What the answers of a fleet share (fleet_answers.h). */
#include "fleet_answers.h"
#include "fleet_losses.h"
#include "fleet_repeats.h"
#include "fleet_said.h"
#include "fleet_schema.h"
#include "source_store.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <stdlib.h>
#include <string.h>

/* ---- the logs ------------------------------------------------------------------------------------------------------------- */

/* A store that was loaded, and the clocks of its times. */
struct loaded {
    struct store *store;
    const struct machine_clocks *clocks; /* NULL: none */
};

static void close_loaded(void *owner) {
    struct loaded *loaded = owner;
    store_destroy(loaded->store);
    free(loaded);
}

static void annotate_loaded(void *owner, const char *method, json_t *result) {
    const struct loaded *loaded = owner;
    if (loaded->clocks) machine_clocks_annotate(loaded->clocks, method, result);
}

/* Takes over the store. */
static int open_loaded(struct source **ret_source, struct store *store, const struct fleet_context *context, const char *title,
                       struct failure *failure) {
    struct loaded *loaded = malloc(sizeof *loaded);
    if (!loaded) {
        store_destroy(store);
        return failure_out_of_memory(failure);
    }
    *loaded = (struct loaded){store, context->clocks.machines};
    return source_store_open(ret_source, store, (struct source_store_owner){close_loaded, loaded, annotate_loaded}, title,
                             failure);
}

/* Where the fleet's events end, as a recording does: what has not been shipped yet says nothing, so that a request is not
 * open for longer than is known. */
static uint64_t find_now(const struct fleet_context *context) {
    const struct fleet_logs *logs = &context->logs;
    uint64_t newest_ns = 0;
    for (size_t i = 0; i < logs->count; i++)
        if (logs->all[i].last_ns > newest_ns) newest_ns = logs->all[i].last_ns;
    for (size_t i = 0; i < context->order.run_count; i++) { /* a log's last event may be from after a step back */
        const struct fleet_run *run = &context->order.runs[i];
        if (run->last_ns > newest_ns && !fleet_clocks_correct_machine(&context->clocks, run->machine)) newest_ns = run->last_ns;
    }
    return newest_ns ? newest_ns + 1 : trace_now_unix_ns();
}

void fleet_answers_fini(struct fleet_answers *answers) {
    for (size_t i = 0; i < FLEET_PARTS_KEPT; i++) fleet_kept_drop(&answers->kept[i]);
    fleet_who_fini(&answers->context.who);
    source_close(answers->logs); /* and context.store */
    fleet_logs_fini(&answers->context.logs);
    fleet_order_fini(&answers->context.order);
    fleet_clocks_fini(&answers->context.clocks);
    free(answers->total_of);
    *answers = (struct fleet_answers){.context.server = answers->context.server,
                                      .title = answers->title,
                                      .context.replicated = answers->context.replicated,
                                      .is_open = answers->is_open,
                                      .correct = answers->correct,
                                      .note = answers->note};
}

/* Makes context->store, with the aliases. */
static int load_logs(struct fleet_context *context, const struct fleet_said *said, struct failure *failure) {
    struct fleet_load load;
    if (fleet_load_begin(&load, context, failure)) return -1;
    if (fleet_said_tell(said, context, load.store, failure)) {
        fleet_load_drop(&load);
        return -1;
    }
    context->store = fleet_load_end(&load);
    return 0;
}

/* Aliases decide which packets are the same, and have the times of clocks that are not estimated yet. */
static int estimate_clocks(struct fleet_context *context, const struct fleet_said *said, struct failure *failure) {
    struct fleet_context own = {.server = context->server, .logs = context->logs, .now_ns = find_now(context)};
    int result = load_logs(&own, said, failure);
    if (!result && fleet_who_open(&own.who, own.store, &own.logs, "time_ns")) result = failure_out_of_memory(failure);
    clickhouse_lend(context->server, &own.who.table);
    if (!result)
        result = fleet_clocks_estimate(&context->clocks, &context->logs, &context->order, &own.who, context->server, failure);
    clickhouse_lend(context->server, NULL);
    fleet_who_fini(&own.who);
    store_destroy(own.store);
    return result;
}

static int open_clocks(struct fleet_context *context, const struct fleet_said *said, const struct fleet_clocks *known,
                       struct failure *failure) {
    bool estimate;
    int result = fleet_clocks_open(&context->clocks, &context->logs, known, &estimate, failure);
    if (!result && estimate) result = estimate_clocks(context, said, failure);
    return result ? result : fleet_clocks_show(&context->clocks, &context->logs, &context->order, context->server, failure);
}

/* What every command needs to know first. */
#define SAID_AT FLEET_LOGS_QUESTIONS
#define SCHEMA_AT (SAID_AT + FLEET_SAID_QUESTIONS)
#define LOSSES_AT (SCHEMA_AT + 1)
#define OPENING_QUESTIONS (LOSSES_AT + 1)

/* A schema or a profile that does not fit explains why the other statements fail. */
static int take_schema(struct fleet_answers *answers, const struct clickhouse_question *question, struct failure *failure) {
    struct clickhouse *server = answers->context.server;
    struct fleet_schema schema;
    if (fleet_schema_take(server, question, &schema, failure)) return -1;
    if (*schema.partial)
        return failure_set(failure, EXIT_FAILED,
                           "%s gives this user answers that may be incomplete without saying so: take %s out of its profile",
                           clickhouse_address(server), schema.partial);
    answers->context.replicated = schema.replicated;
    answers->is_open = true;
    return 0;
}

/* Asks all at the same time.  The answers are good until the next statement, so all of them are read at once. */
static int read_opening(struct fleet_answers *answers, struct fleet_logs *ret_logs, struct fleet_said *ret_said,
                        struct failure *failure) {
    struct clickhouse *server = answers->context.server;
    struct clickhouse_question questions[OPENING_QUESTIONS] = {{{0}}};
    size_t count = answers->is_open ? SCHEMA_AT : OPENING_QUESTIONS;
    fleet_logs_put(questions, server);
    fleet_said_put(questions + SAID_AT, server);
    if (!answers->is_open) fleet_schema_put(&questions[SCHEMA_AT].sql, server);
    if (!answers->is_open) fleet_losses_put(&questions[LOSSES_AT].sql, server);
    if (clickhouse_ask_all(server, questions, count, failure)) return -1;
    if (!answers->is_open && take_schema(answers, &questions[SCHEMA_AT], failure)) return -1;
    if (clickhouse_first_failure(questions, count, failure)) return -1;
    if (count > LOSSES_AT && fleet_losses_tell(&questions[LOSSES_AT], answers->note, failure)) return -1;
    if (fleet_logs_take(ret_logs, server, questions, failure)) return -1;
    return fleet_said_take(ret_said, ret_logs, server, questions + SAID_AT, failure);
}

int fleet_answers_renew(struct fleet_answers *answers, struct failure *failure) {
    struct fleet_logs logs = {0};
    struct fleet_said said = {0};
    int result = read_opening(answers, &logs, &said, failure);
    struct fleet_answers next = {.context.server = answers->context.server,
                                 .context.logs = logs,
                                 .context.replicated = answers->context.replicated,
                                 .title = answers->title,
                                 .is_open = answers->is_open,
                                 .correct = answers->correct};
    struct fleet_context *context = &next.context;
    if (!result) result = fleet_order_read(&context->order, &context->logs, context->server, failure);
    if (!result && next.correct) result = open_clocks(context, &said, &answers->context.clocks, failure);
    context->now_ns = find_now(context);
    if (!result) result = load_logs(context, &said, failure);
    if (!result) result = open_loaded(&next.logs, context->store, context, next.title, failure);
    if (!result && fleet_who_open(&context->who, context->store, &context->logs, fleet_clocks_column(&context->clocks)))
        result = failure_out_of_memory(failure);
    fleet_said_fini(&said);
    fleet_answers_fini(result ? &next : answers);
    if (!result) *answers = next;
    clickhouse_lend(answers->context.server, &answers->context.who.table);
    return result;
}

/* ---- what was loaded ------------------------------------------------------------------------------------------------------ */

static bool same(const struct fleet_kept *kept, const struct trace_text *condition) {
    return kept->condition && strlen(kept->condition) == condition->bytes &&
           !memcmp(kept->condition, condition->data, condition->bytes);
}

struct fleet_kept *fleet_kept_find(struct fleet_answers *answers, const struct trace_text *condition) {
    for (size_t i = 0; i < FLEET_PARTS_KEPT; i++) {
        if (!same(&answers->kept[i], condition)) continue;
        answers->kept[i].used = answers->questions;
        return &answers->kept[i];
    }
    return NULL;
}

void fleet_kept_drop(struct fleet_kept *kept) {
    source_close(kept->source);
    free(kept->condition);
    *kept = (struct fleet_kept){0};
}

struct fleet_kept *fleet_kept_add(struct fleet_answers *answers, const struct trace_text *condition, struct store *store,
                                  struct failure *failure) {
    struct fleet_kept *kept = &answers->kept[0];
    for (size_t i = 1; i < FLEET_PARTS_KEPT; i++)
        if (answers->kept[i].used < kept->used) kept = &answers->kept[i];
    fleet_kept_drop(kept);
    if (open_loaded(&kept->source, store, &answers->context, "the fleet", failure)) return NULL;
    kept->condition = strndup(condition->data, condition->bytes);
    if (!kept->condition) {
        fleet_kept_drop(kept);
        (void)failure_out_of_memory(failure);
        return NULL;
    }
    kept->used = answers->questions;
    return kept;
}

#define SLICE_ROWS 400000U /* in one answer of the server: about 120 MB */
#define SLICES_MAX 16

static int refuse_size(struct failure *failure) {
    return failure_set(failure, EXIT_FAILED,
                       "this question needs more than %u events of the fleet, which is the limit: narrow it "
                       "with --since, --node, --kind or --where, or ask ClickHouse itself with inspector sql",
                       FLEET_LOAD_EVENTS_MAX);
}

static void put_rows(struct trace_text *sql, const struct fleet_context *context, const struct fleet_choice *choice) {
    bool by_who = fleet_who_is_in(choice->condition, strlen(choice->condition));
    fleet_put_format(sql, " FROM `%s`.%s", clickhouse_database(context->server), choice->rare ? "rare_events" : "events");
    trace_text_puts(sql, fleet_who_join(&context->who, by_who));
    trace_text_puts(sql, " WHERE ");
    trace_text_puts(sql, fleet_who_definition(&context->who, by_who));
    trace_text_puts(sql, choice->condition);
}

/* Some may be there twice. */
static int count_rows(const struct fleet_context *context, const struct fleet_choice *choice, uint64_t *ret_rows,
                      struct failure *failure) {
    struct trace_text sql = {0};
    trace_text_puts(&sql, "SELECT count()");
    put_rows(&sql, context, choice);
    trace_text_puts(&sql, " FORMAT RowBinary");
    int result = fleet_ask_numbers(context->server, &sql, ret_rows, 1, failure);
    trace_text_fini(&sql);
    return result;
}

/* Times that divide the rows into `slices` parts of about equal size. */
static int find_cuts(const struct fleet_context *context, const struct fleet_choice *choice, unsigned slices, uint64_t *ret_cuts,
                     struct failure *failure) {
    struct trace_text sql = {0};
    struct row_reader rows;
    trace_text_puts(&sql, "SELECT quantilesExact(");
    for (unsigned i = 1; i < slices; i++) fleet_put_format(&sql, "%s%.4f", i > 1 ? "," : "", (double)i / slices);
    trace_text_puts(&sql, ")(");
    trace_text_puts(&sql, fleet_clocks_column(&context->clocks));
    trace_text_puts(&sql, ")");
    put_rows(&sql, context, choice);
    trace_text_puts(&sql, " FORMAT RowBinary");
    int result = fleet_ask(context->server, &sql, &rows, failure);
    trace_text_fini(&sql);
    if (result) return -1;
    uint64_t count = row_read_count(&rows);
    for (unsigned i = 0; i + 1 < slices && i < count; i++) ret_cuts[i] = row_read_u64(&rows);
    return rows.failed || count + 1 != slices ? fleet_cut_short(failure) : 0;
}

static int load_slice(struct fleet_load *load, const struct fleet_choice *choice, uint64_t from_ns, uint64_t to_ns,
                      struct failure *failure) {
    struct fleet_part part = {.limit = 2 * FLEET_LOAD_EVENTS_MAX + 1};
    struct trace_text text = {0};
    trace_text_puts(&text, "(");
    trace_text_puts(&text, choice->condition);
    trace_text_puts(&text, ") AND ");
    fleet_scope_put_times(&text, load->context, from_ns, to_ns);
    trace_text_add(&text, "", 1);
    const struct fleet_choice slice = {text.data, choice->first, choice->rare, choice->kinds};
    int result = text.failed ? failure_out_of_memory(failure) : fleet_load_events(load, &slice, &part, failure);
    if (!result && (part.more || load->events > FLEET_LOAD_EVENTS_MAX)) result = refuse_size(failure);
    trace_text_fini(&text);
    return result;
}

int fleet_load_few(struct fleet_load *load, const struct fleet_choice *choice, struct failure *failure) {
    struct fleet_part part = {.limit = FLEET_FEW_ROWS, .all_or_none = true};
    if (fleet_load_events(load, choice, &part, failure)) return -1;
    return part.more ? fleet_load_all(load, choice, failure) : 0;
}

static int load_rows(struct fleet_load *load, const struct fleet_choice *choice, uint64_t rows, struct failure *failure) {
    uint64_t once = rows, cuts[SLICES_MAX + 1] = {0};
    int result = 0;
    if (rows > FLEET_LOAD_EVENTS_MAX && !choice->rare) result = fleet_sum_count(load->context, choice->condition, &once, failure);
    if (!result && once > FLEET_LOAD_EVENTS_MAX) result = refuse_size(failure);
    if (result) return -1;
    unsigned slices = rows / SLICE_ROWS < SLICES_MAX ? (unsigned)(rows / SLICE_ROWS) + 1 : SLICES_MAX;
    if (slices > 1) result = find_cuts(load->context, choice, slices, cuts + 1, failure);
    for (unsigned i = 0; i < slices && !result; i++)
        if (i + 1 == slices || cuts[i] != cuts[i + 1])
            result = load_slice(load, choice, cuts[i], i + 1 < slices ? cuts[i + 1] : 0, failure);
    return result;
}

int fleet_load_all(struct fleet_load *load, const struct fleet_choice *choice, struct failure *failure) {
    uint64_t rows;
    return count_rows(load->context, choice, &rows, failure) ? -1 : load_rows(load, choice, rows, failure);
}

int fleet_first_ns(struct fleet_answers *answers, uint64_t *ret_first_ns, struct failure *failure) {
    struct trace_text sql = {0};
    *ret_first_ns = answers->first_ns;
    if (answers->first_ns) return 0;
    trace_text_puts(&sql, "SELECT min(");
    trace_text_puts(&sql, fleet_clocks_column(&answers->context.clocks));
    fleet_put_format(&sql, ") FROM `%s`.events FORMAT RowBinary", clickhouse_database(answers->context.server));
    int result = fleet_ask_numbers(answers->context.server, &sql, ret_first_ns, 1, failure);
    trace_text_fini(&sql);
    if (!result) answers->first_ns = *ret_first_ns;
    return result;
}

int fleet_ask_store(struct fleet_question *question, struct source *store) {
    return source_ask(store, question->method, json_incref(question->params), question->apart, question->ret_result,
                      question->failure);
}

/* Rates begin where the history begins, if that is later than `from`: an event that matches nothing tells the store when that
 * was. */
static int load_beginning(struct fleet_answers *answers, struct fleet_load *load, uint64_t from_ns, struct failure *failure) {
    struct trace_event event = {.kind = TRACE_KIND_CUSTOM};
    if (!from_ns || !answers->context.logs.count) return 0;
    if (fleet_first_ns(answers, &event.timestamp, failure)) return -1;
    if (!event.timestamp || event.timestamp >= from_ns) return 0;
    return store_append(load->store, 0, 0, &event, 1) ? failure_out_of_memory(failure) : 0;
}

int fleet_load_witness(struct fleet_load *load, const struct fleet_scope *scope, const struct trace_text *condition,
                       struct failure *failure) {
    struct trace_text text = {0};
    struct fleet_part part = {.limit = FLEET_IDS_MAX, .limit_by = "peer_id"};
    if (!scope->peer.digits) return 0;
    fleet_put_format(&text, "bitAnd(flags,%u) != 0 AND ", TRACE_FLAG_HAS_PEER);
    trace_filter_sql_prefix(&text, "peer_id", &scope->peer, TRACE_NODE_ID_BYTES);
    trace_text_puts(&text, " AND NOT ");
    trace_text_add(&text, condition->data, condition->bytes);
    trace_text_add(&text, "", 1);
    int result =
        text.failed ? failure_out_of_memory(failure) : fleet_load_events(load, &(struct fleet_choice){text.data}, &part, failure);
    trace_text_fini(&text);
    return result;
}

int fleet_answer_loaded(struct fleet_question *question, struct trace_text *condition, uint64_t from_ns,
                        const struct fleet_scope *scope) {
    struct fleet_answers *answers = question->answers;
    const struct fleet_context *context = &answers->context;
    struct fleet_load load;
    struct fleet_kept *kept = fleet_kept_find(answers, condition);
    if (kept) return fleet_ask_store(question, kept->source);
    trace_text_add(condition, "", 1);
    if (condition->failed) return failure_out_of_memory(question->failure);
    if (fleet_load_begin(&load, context, question->failure)) return -1;
    bool nothing = scope && scope->nothing;
    int result = nothing ? 0 : fleet_load_all(&load, &(struct fleet_choice){condition->data}, question->failure);
    condition->bytes--;
    if (!result) result = load_beginning(answers, &load, from_ns, question->failure);
    if (!result && scope) result = fleet_load_witness(&load, scope, condition, question->failure);
    if (result) {
        fleet_load_drop(&load);
        return -1;
    }
    kept = fleet_kept_add(answers, condition, fleet_load_end(&load), question->failure);
    return kept ? fleet_ask_store(question, kept->source) : -1;
}
