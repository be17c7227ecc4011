/* SPDX-License-Identifier: MIT */
#include "fleet_stream.h"

#include "allocation.h"
#include "json_get.h"
#include "refusal.h"

#include <inttypes.h>
#include <proto/clock.h>
#include <proto/json_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/event_params.h>
#include <store/grace.h>
#include <string.h>

#define NOTIFY_EVENTS 1000 /* in one batch */

/* ---- events in their order ------------------------------------------------------------------------------------------------ */

struct due {
    struct fleet_event event;
    uint64_t due_ns; /* its time, or that of an event before it in its lane if that is later */
    size_t index;
};

static int by_lane(const struct due *a, const struct due *b) {
    int order = memcmp(&a->event.node_id, &b->event.node_id, sizeof a->event.node_id);
    if (order) return order;
    if (a->event.log_id != b->event.log_id) return a->event.log_id < b->event.log_id ? -1 : 1;
    return a->event.lane - b->event.lane;
}

/* Sequences are the low 32 bits of positions.  A loss comes before the event at its place. */
static int by_position(const void *one, const void *other) {
    const struct due *a = one, *b = other;
    const struct trace_event *x = &a->event.event, *y = &b->event.event;
    int order = by_lane(a, b);
    if (order) return order;
    if (x->sequence != y->sequence) return (int32_t)(x->sequence - y->sequence) < 0 ? -1 : 1;
    int losses = (y->kind == TRACE_KIND_EVENTS_LOST) - (x->kind == TRACE_KIND_EVENTS_LOST);
    return losses ? losses : a->index < b->index ? -1 : 1;
}

static int by_time(const void *one, const void *other) {
    const struct due *a = one, *b = other;
    if (a->due_ns != b->due_ns) return a->due_ns < b->due_ns ? -1 : 1;
    return a->index < b->index ? -1 : 1;
}

static void order(struct due *all, size_t count) {
    if (!count) return; /* `all` may be NULL, which qsort must not get */
    for (size_t i = 0; i < count; i++) all[i].index = i;
    qsort(all, count, sizeof *all, by_position);
    for (size_t i = 0; i < count; i++) {
        all[i].due_ns = all[i].event.event.timestamp;
        all[i].index = i;
        if (i && !by_lane(&all[i - 1], &all[i]) && all[i - 1].due_ns > all[i].due_ns) all[i].due_ns = all[i - 1].due_ns;
    }
    qsort(all, count, sizeof *all, by_time);
}

/* ---- loading -------------------------------------------------------------------------------------------------------------- */

static int refuse_rows(struct clickhouse *server, struct failure *failure) {
    return failure_set(failure, EXIT_FAILED, "%s/%s has events that this inspector cannot read", clickhouse_address(server),
                       clickhouse_database(server));
}

/* What a question chose. */
struct chosen {
    struct due *all;
    size_t count;  /* of the events that are wanted */
    size_t looked; /* of all that it looked at */
};

/* Rows that are there twice are neighbours.  flagged: each row is followed by whether it is wanted. */
static int read_rows(struct row_reader rows, bool flagged, struct chosen *ret_chosen, const struct fleet_context *context,
                     struct failure *failure) {
    struct due *all = NULL;
    struct fleet_event last;
    size_t room = 0, count = 0, looked = 0;
    while (row_reader_more(&rows)) {
        struct due *more = memory_room(all, count, &room, sizeof *all);
        if (!more) {
            free(all);
            return failure_out_of_memory(failure);
        }
        all = more;
        struct fleet_event *next = &all[count].event;
        if (fleet_load_read(context, &rows, FLEET_KINDS_ALL, next)) {
            free(all);
            return refuse_rows(context->server, failure);
        }
        bool wanted = !flagged || row_read_u8(&rows);
        if (looked && fleet_load_same(&last, next)) continue;
        last = *next;
        looked++;
        count += wanted;
    }
    *ret_chosen = (struct chosen){all, count, looked};
    return 0;
}

#define ROW_ORDER " ORDER BY node_id, log_id, lane, sequence, time_ns, kind_id, cause FORMAT RowBinary"
#define NEWEST_FIRST " DESC, node_id DESC, log_id DESC, lane DESC, sequence DESC, kind_id DESC, cause DESC"

/* A question: which events, and which of them are wanted. */
struct wish {
    const struct trace_text *condition;
    const struct trace_text *matching; /* empty: all */
    bool flagged;                      /* ask for the others, too, to count them */
    uint64_t newest;                   /* only the newest, at most this many; 0: all */
};

static void put_wish(struct trace_text *sql, const struct wish *wish, const struct fleet_context *context) {
    bool has_filter = wish->matching->bytes != 0, by_who = fleet_who_is_in(wish->matching->data, wish->matching->bytes);
    if (wish->flagged) trace_text_puts(sql, ", toUInt8(");
    if (wish->flagged && has_filter) trace_text_add(sql, wish->matching->data, wish->matching->bytes);
    if (wish->flagged) trace_text_puts(sql, has_filter ? ")" : "1)");
    fleet_put_format(sql, " FROM `%s`.events", clickhouse_database(context->server));
    trace_text_puts(sql, fleet_who_join(&context->who, by_who));
    trace_text_puts(sql, " PREWHERE ");
    trace_text_add(sql, wish->condition->data, wish->condition->bytes);
    if (!has_filter) return;
    trace_text_puts(sql, " WHERE ");
    trace_text_puts(sql, fleet_who_definition(&context->who, by_who));
    if (wish->flagged)
        trace_text_puts(sql, "1");
    else
        trace_text_add(sql, wish->matching->data, wish->matching->bytes);
}

static int ask_rows(struct fleet_stream *stream, const struct wish *wish, struct row_reader *ret_rows, struct failure *failure) {
    struct clickhouse *server = stream->answers->context.server;
    struct strbuf columns = {0};
    struct trace_text sql = {0};
    fleet_column_list(&columns, fleet_table_find("events"));
    if (wish->newest) trace_text_puts(&sql, "SELECT * FROM (");
    trace_text_puts(&sql, "SELECT ");
    trace_text_puts(&sql, strbuf_text(&columns));
    put_wish(&sql, wish, &stream->answers->context);
    /* Rows may be there twice. */
    if (wish->newest) {
        trace_text_puts(&sql, " ORDER BY ");
        trace_text_puts(&sql, fleet_clocks_column(&stream->answers->context.clocks));
        fleet_put_format(&sql, NEWEST_FIRST " LIMIT %" PRIu64 ")", 2 * wish->newest);
    }
    trace_text_puts(&sql, ROW_ORDER);
    int result =
        columns.failed || wish->condition->failed ? failure_out_of_memory(failure) : fleet_ask(server, &sql, ret_rows, failure);
    strbuf_fini(&columns);
    trace_text_fini(&sql);
    return result;
}

/* As a store that yield_events empties; of more than `newest` events, the last ones. */
static int load_chosen(struct fleet_stream *stream, const struct chosen *chosen, uint64_t newest, struct failure *failure) {
    const struct fleet_context *context = &stream->answers->context;
    struct fleet_load load;
    size_t count = chosen->count, first = newest && count > newest ? count - newest : 0;
    int error = 0;
    order(chosen->all, count);
    int result = count ? fleet_load_begin(&load, context, failure) : 0;
    for (size_t i = first; !result && !error && i < count; i++) error = fleet_load_append(&load, &chosen->all[i].event);
    if (result || !count) return result;
    if (error) {
        fleet_load_drop(&load);
        return failure_set(failure, EXIT_FAILED, "cannot hold the fleet's events: %s", strerror(-error));
    }
    stream->batch = fleet_load_end(&load);
    stream->position = 0;
    return 0;
}

/* Adds to the condition from when on the newest are that the stream wants. */
static int put_newest(struct fleet_stream *stream, struct trace_text *condition, const struct fleet_scope *scope, uint64_t newest,
                      struct failure *failure) {
    const struct fleet_context *context = &stream->answers->context;
    struct fleet_near near = {.limit = 2 * newest, .newest = true}; /* rows may be there twice */
    struct trace_text all = {0};
    trace_text_add(&all, condition->data, condition->bytes);
    if (scope->matching.bytes) trace_text_puts(&all, " AND ");
    if (scope->matching.bytes) trace_text_add(&all, scope->matching.data, scope->matching.bytes);
    trace_text_add(&all, "", 1);
    near.matching = all.data;
    int result = all.failed ? failure_out_of_memory(failure) : fleet_load_find_near(context, &near, failure);
    trace_text_fini(&all);
    if (result || !near.from_ns) return result;
    trace_text_puts(condition, " AND ");
    fleet_scope_put_times(condition, context, near.from_ns, 0);
    return 0;
}

/* Those of a condition that the stream wants.  least: how many events there are, whether it wants them or not; *ret_missing is
 * how many fewer the server has shown, and then nothing is loaded.  0: nobody counts. */
static int load(struct fleet_stream *stream, struct trace_text *condition, uint64_t newest, uint64_t least, uint64_t *ret_missing,
                struct failure *failure) {
    struct fleet_scope scope;
    struct row_reader rows;
    struct chosen chosen = {NULL};
    if (fleet_scope_stream(&scope, &stream->answers->context, stream->params, failure)) return -1;
    const struct wish wish = {condition, &scope.matching, least != 0, newest};
    int result = newest && !scope.nothing ? put_newest(stream, condition, &scope, newest, failure) : 0;
    if (!result && !scope.nothing) result = ask_rows(stream, &wish, &rows, failure);
    if (!result && !scope.nothing) result = read_rows(rows, wish.flagged, &chosen, &stream->answers->context, failure);
    *ret_missing = !result && !scope.nothing && least > chosen.looked ? least - chosen.looked : 0;
    if (!result && !*ret_missing) result = load_chosen(stream, &chosen, newest, failure);
    free(chosen.all);
    fleet_scope_fini(&scope);
    return result;
}

/* Replicas get the rows of one table before those of another.  So where there are any, count: a segment that one of them has
 * announced may not be there yet.  Returns 1 when it is not, 0, or -1 with the failure. */
static int load_arrivals(struct fleet_stream *stream, bool patient, struct failure *failure) {
    struct fleet_arrivals *arrivals = &stream->arrivals;
    struct trace_text condition = {0};
    uint64_t least = 0, missing;
    if (fleet_answers_renew(stream->answers, failure)) return -1;
    for (size_t i = 0; stream->answers->context.replicated && i < arrivals->count; i++) least += arrivals->all[i].events;
    fleet_arrivals_put(&condition, arrivals);
    int result = load(stream, &condition, 0, least, &missing, failure);
    if (!result && missing && !patient) {
        stream->lost += missing;
        result = load(stream, &condition, 0, 0, &missing, failure);
    }
    trace_text_fini(&condition);
    return result ? -1 : missing != 0;
}

/* ---- the beginning -------------------------------------------------------------------------------------------------------- */

/* The beginning of an id means one that is known.  Then it becomes the whole id. */
static int complete_id(struct fleet_answers *answers, json_t *params, const char *name, size_t digits, struct failure *failure) {
    const char *text = json_get_text(params, name);
    struct fleet_question question = {.answers = answers, .method = "query", .failure = failure};
    json_t *result, *events;
    if (!text || (strlen(text) == digits && strspn(text, "0123456789abcdefABCDEF") == digits)) return 0;
    question.params = json_pack("{s:s, s:i}", name, text, "limit", 1);
    question.ret_result = &result;
    if (!question.params) return failure_out_of_memory(failure);
    int failed = fleet_answer_query(&question);
    json_decref(question.params);
    if (failed) return -1;
    events = json_object_get(result, "events");
    json_t *id = json_object_get(json_array_get(events, 0), name);
    failed = id && json_object_set(params, name, id);
    json_decref(result);
    return failed ? failure_out_of_memory(failure) : 0;
}

/* Kinds and the filter, as `subscribe` checks them: names may still come. */
static int check_params(const struct fleet_context *context, const json_t *params, struct failure *failure) {
    const struct event_params wish = {.kind = json_object_get(params, "kind"),
                                      .node_id = json_get_text(params, "node_id"),
                                      .expression = json_get_text(params, "filter")};
    struct trace_rpc_error error = {0};
    struct event_filter filter;
    if (event_params_read(context->store, &wish, true, context->now_ns, &filter, &error)) {
        refusal_read(failure, error.code, error.message, error.data);
        trace_rpc_error_fini(&error);
        return -1;
    }
    event_filter_fini(&filter);
    return 0;
}

/* Events of segments that the stream does not read, because they were there before it: the newest ones, or all from a time on. */
static int load_past(struct fleet_stream *stream, uint64_t recent, uint64_t from_ns, struct failure *failure) {
    struct trace_text condition = {0};
    uint64_t missing, newest = recent ? recent : FLEET_STREAM_PAST_MAX + 1;
    trace_text_puts(&condition, "(instance = 0 OR segment < ");
    fleet_places_put(&condition, &stream->places);
    trace_text_puts(&condition, ") AND ");
    fleet_scope_put_times(&condition, &stream->answers->context, from_ns, 0);
    int result = load(stream, &condition, newest, 0, &missing, failure);
    trace_text_fini(&condition);
    if (result || recent || !stream->batch || history_end_position(stream->batch->history) <= FLEET_STREAM_PAST_MAX)
        return result;
    return failure_set(failure, EXIT_FAILED, "more than %u events have come since then: export them, and follow what comes next",
                       FLEET_STREAM_PAST_MAX);
}

/* Moves the params about the past, `recent` and `from`, into the other two. */
static int take_past(const struct fleet_context *context, json_t *params, uint64_t *ret_recent, uint64_t *ret_from_ns,
                     struct failure *failure) {
    uint64_t to_ns;
    if (fleet_scope_times(context, params, ret_from_ns, &to_ns, failure)) return -1;
    *ret_recent = json_get_count(params, "recent");
    json_object_del(params, "recent");
    json_object_del(params, "from");
    return 0;
}

int fleet_stream_begin(struct fleet_stream *stream, struct fleet_answers *answers, json_t *params_new, struct failure *failure) {
    if (stream->params) {
        json_decref(params_new);
        return 0;
    }
    *stream = (struct fleet_stream){.answers = answers,
                                    .params = params_new,
                                    .whole = !json_object_get(params_new, "kind") && !json_object_get(params_new, "peer_id") &&
                                             !json_object_get(params_new, "trace_id") && !json_object_get(params_new, "filter")};
    uint64_t recent, from_ns;
    int result = take_past(&answers->context, params_new, &recent, &from_ns, failure);
    if (!result) result = check_params(&answers->context, params_new, failure);
    if (!result) result = complete_id(answers, params_new, "trace_id", 2 * TRACE_ID_BYTES, failure);
    if (!result) result = fleet_places_read(&stream->places, answers->context.server, failure);
    if (!result && (recent || from_ns)) result = load_past(stream, recent, from_ns, failure);
    if (result) fleet_stream_fini(stream);
    return result;
}

void fleet_stream_fini(struct fleet_stream *stream) {
    store_destroy(stream->batch);
    fleet_places_fini(&stream->places);
    fleet_arrivals_fini(&stream->arrivals);
    json_decref(stream->params);
    *stream = (struct fleet_stream){0};
}

/* ---- what comes next ------------------------------------------------------------------------------------------------------ */

/* The next events of the batch. */
static enum source_event yield_events(struct fleet_stream *stream, struct source_news *news, struct failure *failure) {
    const struct machine_clocks *clocks = stream->answers->context.clocks.machines;
    struct store *store = stream->batch;
    struct trace_text out = {0};
    uint64_t end = history_end_position(store->history), behind = stream->position + NOTIFY_EVENTS;
    bool any = false;
    if (behind > end) behind = end;
    trace_text_puts(&out, "[");
    grace_read_lock();
    for (; stream->position < behind; stream->position++) {
        struct history_item item;
        if (history_at(store->history, stream->position, &item))
            any |= answer_event(store, NULL, &out, item.event, item.source, true, any);
    }
    grace_read_unlock();
    trace_text_puts(&out, "]");
    news->value = out.failed ? NULL : trace_json_loadb(out.data, out.bytes, 0, NULL);
    if (news->value && clocks) machine_clocks_annotate_events(clocks, news->value);
    news->in_order = true;
    trace_text_fini(&out);
    if (stream->position == end) {
        store_destroy(store);
        stream->batch = NULL;
    }
    if (news->value) return SOURCE_EVENTS;
    failure_out_of_memory(failure);
    return SOURCE_FAILED;
}

/* Returns 0, or -1 with the failure: then nothing has changed, and it may be called again. */
static int look_for_arrivals(struct fleet_stream *stream, struct failure *failure) {
    struct fleet_arrivals *arrivals = &stream->arrivals;
    bool patient = stream->missing < FLEET_STREAM_PATIENCE;
    if (fleet_arrivals_find(arrivals, &stream->places, stream->answers->context.server, patient, failure)) return -1;
    int incomplete = arrivals->count ? load_arrivals(stream, patient, failure) : 0;
    if (incomplete > 0) {
        stream->missing++;
        stream->due_ms = trace_now_monotonic_ms() + FLEET_STREAM_POLL_MS;
        return 0;
    }
    if (incomplete < 0) return -1;
    if (fleet_places_advance(&stream->places, arrivals, failure)) return -1;
    stream->missing = arrivals->waits ? stream->missing + 1 : 0;
    for (size_t i = 0; i < arrivals->count; i++) stream->lost += arrivals->all[i].lost_max;
    stream->due_ms = arrivals->more ? 0 : trace_now_monotonic_ms() + FLEET_STREAM_POLL_MS;
    return 0;
}

/* Where no filter hides anything, the jumps of the lanes say exactly how many are missing (resume.h); else this is all that is
 * known. */
static enum source_event tell_lost(struct fleet_stream *stream, struct source_news *news) {
    news->count = stream->lost;
    news->why = GAP_HIDDEN;
    stream->lost = 0;
    if (!stream->whole) return SOURCE_GAP;
    snprintf(stream->note, sizeof stream->note,
             "up to %" PRIu64 " events never came: their recordings were removed before they were shipped, or are damaged",
             news->count);
    news->text = stream->note;
    return SOURCE_NOTE;
}

static enum source_event greet(struct fleet_stream *stream, struct source_news *news) {
    stream->greeted = true;
    news->text = "asking the fleet once a second; an event appears when its machine has shipped it";
    return SOURCE_NOTE;
}

enum source_event fleet_stream_next(struct fleet_stream *stream, const struct source *source, uint64_t deadline_ms,
                                    struct source_news *news, struct failure *failure) {
    if (!stream->params) return SOURCE_ENDED;
    if (!stream->greeted) return greet(stream, news);
    for (;;) {
        uint64_t now_ms = trace_now_monotonic_ms(), until_ms = deadline_ms < stream->due_ms ? deadline_ms : stream->due_ms;
        if (stream->lost) return tell_lost(stream, news);
        if (stream->batch) return yield_events(stream, news, failure);
        if (now_ms < until_ms && source_pause(source, (int)(until_ms - now_ms))) return SOURCE_OUTPUT_GONE;
        if (now_ms < until_ms) continue;
        if (now_ms < stream->due_ms) return SOURCE_TIME;
        if (look_for_arrivals(stream, failure)) return SOURCE_FAILED;
    }
}
