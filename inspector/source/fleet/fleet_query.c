/* SPDX-License-Identifier: MIT
 *
 * `query` of a fleet.  A trace is loaded completely.  Anything else is loaded in windows of time, beginning where the answer
 * begins: the first window holds one page, later ones many.  The store of a window answers page by page.  A cursor is
 * "FROM.TO.CURSOR": the window, and the store's cursor in it, "-" for its beginning. */
#include "fleet_answers.h"
#include "fleet_repeats.h"
#include "json_get.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_EVENTS 100000U
#define WINDOW_SPARE 256U
#define PAGE_DEFAULT 1000 /* docs/protocol.md */
#define LOST_KINDS FLEET_KIND(TRACE_KIND_EVENTS_LOST)

struct window {
    struct fleet_question *question;
    struct fleet_scope scope;
    bool newest;
    uint64_t from_ns, to_ns; /* after it was cut; to 0: no end */
    const char *cursor;      /* the store's cursor; NULL: the beginning */
    bool first;
    struct fleet_kept *kept;
};

/* ---- one window ----------------------------------------------------------------------------------------------------------- */

static int make_condition(struct window *window, struct trace_text *out) {
    trace_text_clear(out);
    fleet_scope_put(out, &window->question->answers->context, &window->scope, window->from_ns, window->to_ns);
    trace_text_add(out, "", 1);
    if (out->failed) return failure_out_of_memory(window->question->failure);
    out->bytes--;
    return 0;
}

static int load_near(struct fleet_load *load, const struct fleet_near *near, struct fleet_part *part, struct failure *failure) {
    struct trace_text times = {0}, all = {0};
    bool bounds = near->from_ns || near->to_ns;
    fleet_scope_put_times(&times, load->context, near->from_ns, near->to_ns);
    trace_text_add(&all, times.data, times.bytes);
    if (*near->matching) trace_text_puts(&all, " AND ");
    trace_text_puts(&all, near->matching);
    trace_text_add(&times, "", 1);
    trace_text_add(&all, "", 1);
    bool by_who = fleet_who_is_in(near->matching, strlen(near->matching));
    const struct fleet_choice choice = {all.data, .first = by_who && bounds ? times.data : NULL};
    int result = times.failed || all.failed ? failure_out_of_memory(failure) : fleet_load_events(load, &choice, part, failure);
    trace_text_fini(&times);
    trace_text_fini(&all);
    return result;
}

/* Loads the matching events of the remaining time, as many as one window may have; cuts the window there. */
static int load_matching(struct window *window, struct fleet_load *load) {
    struct fleet_question *question = window->question;
    json_int_t limit = json_integer_value(json_object_get(question->params, "limit"));
    /* A client that asks for the total will ask for more pages (pages.c).  May count duplicate rows. */
    bool page = window->first && !json_is_true(json_object_get(question->params, "total"));
    struct fleet_part part = {.limit = page ? 2 * (uint64_t)(limit ? limit : PAGE_DEFAULT) + WINDOW_SPARE : WINDOW_EVENTS,
                              .newest = window->newest,
                              .by_time = true};
    struct trace_text matching = {0};
    struct fleet_near near = {.limit = part.limit, .newest = window->newest, .from_ns = window->from_ns, .to_ns = window->to_ns};
    if (window->scope.matching.bytes) trace_text_add(&matching, window->scope.matching.data, window->scope.matching.bytes);
    trace_text_add(&matching, "", 1);
    near.matching = matching.data;
    int result = matching.failed ? failure_out_of_memory(question->failure)
                                 : fleet_load_find_near(&question->answers->context, &near, question->failure);
    if (!result && !near.none) result = load_near(load, &near, &part, question->failure);
    trace_text_fini(&matching);
    if (result || (!part.more && !near.cut)) return result;
    if (window->newest)
        window->from_ns = part.more ? part.cut_ns : near.from_ns;
    else
        window->to_ns = part.more ? part.cut_ns : near.to_ns;
    return 0;
}

/* Loads what was lost in the window, unless that matches as well. */
static int load_losses(struct window *window, struct fleet_load *load, const struct trace_text *condition) {
    struct trace_text text = {0};
    if (!window->scope.has_losses) return 0;
    trace_text_add(&text, condition->data, condition->bytes);
    trace_text_puts(&text, " AND kind = 'events_lost' AND NOT (");
    trace_text_add(&text, window->scope.matching.data, window->scope.matching.bytes);
    trace_text_puts(&text, ")");
    trace_text_add(&text, "", 1);
    int result = text.failed ? failure_out_of_memory(window->question->failure)
                             : fleet_load_all(load, &(struct fleet_choice){text.data, .rare = true, .kinds = LOST_KINDS},
                                              window->question->failure);
    trace_text_fini(&text);
    return result;
}

/* condition: that of the window; written again when the window is cut. */
static int load_window(struct window *window, struct trace_text *condition) {
    struct fleet_question *question = window->question;
    const struct fleet_context *context = &question->answers->context;
    struct fleet_load load;
    if (fleet_load_begin(&load, context, question->failure)) return -1;
    int result = window->scope.nothing ? 0 : load_matching(window, &load);
    if (!result) result = make_condition(window, condition);
    if (!result && !window->scope.nothing) result = load_losses(window, &load, condition);
    if (!result) result = fleet_load_witness(&load, &window->scope, condition, question->failure);
    if (result) {
        fleet_load_drop(&load);
        return -1;
    }
    window->kept = fleet_kept_add(question->answers, condition, fleet_load_end(&load), question->failure);
    return window->kept ? 0 : -1;
}

static int find_window(struct window *window) {
    struct trace_text condition = {0};
    int result = make_condition(window, &condition);
    window->kept = result ? NULL : fleet_kept_find(window->question->answers, &condition);
    if (!result && !window->kept) result = load_window(window, &condition);
    trace_text_fini(&condition);
    return result;
}

/* ---- the answer ----------------------------------------------------------------------------------------------------------- */

static json_t *time_new(uint64_t ns) {
    char text[64];
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    size_t bytes = gmtime_r(&seconds, &tm) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    snprintf(text + bytes, sizeof text - bytes, ".%09" PRIu64 "Z", ns % 1000000000);
    return json_string(text);
}

/* The params for the store: with the time of the window, if it was cut. */
static json_t *store_params_new(const struct window *window) {
    const struct fleet_scope *scope = &window->scope;
    json_t *params = json_copy(window->question->params);
    if (!params) return NULL;
    json_object_del(params, "cursor");
    if (window->from_ns != scope->from_ns) json_object_set_new(params, "from", time_new(window->from_ns));
    if (window->to_ns != scope->to_ns) json_object_set_new(params, "to", time_new(window->to_ns));
    if (window->cursor) json_object_set_new(params, "cursor", json_string(window->cursor));
    return params;
}

/* How many events match in all windows. */
static int count_all(struct window *window) {
    struct fleet_answers *answers = window->question->answers;
    struct trace_text text = {0};
    struct failure *failure = window->question->failure;
    fleet_scope_put_times(&text, &answers->context, window->scope.from_ns, window->scope.to_ns);
    if (window->scope.matching.bytes) trace_text_puts(&text, " AND ");
    if (window->scope.matching.bytes) trace_text_add(&text, window->scope.matching.data, window->scope.matching.bytes);
    trace_text_add(&text, "", 1);
    if (text.failed) {
        trace_text_fini(&text);
        return failure_out_of_memory(failure);
    }
    bool known = answers->total_of && !strcmp(answers->total_of, text.data);
    int result = known ? 0 : fleet_sum_count(&answers->context, text.data, &answers->total, failure);
    if (!known) {
        free(answers->total_of);
        answers->total_of = result ? NULL : strdup(text.data);
    }
    trace_text_fini(&text);
    return result;
}

/* The cursor of the next page: in this window, or in the next one. */
static json_t *cursor_new(const struct window *window, const json_t *own) {
    const struct fleet_scope *scope = &window->scope;
    uint64_t from_ns = window->from_ns, to_ns = window->to_ns;
    if (!json_is_string(own) && window->newest) {
        if (from_ns == scope->from_ns) return json_null();
        to_ns = from_ns;
        from_ns = scope->from_ns;
    } else if (!json_is_string(own)) {
        if (to_ns == scope->to_ns) return json_null();
        from_ns = to_ns;
        to_ns = scope->to_ns;
    }
    const char *in_store = json_is_string(own) ? json_string_value(own) : "-";
    size_t bytes = strlen(in_store) + 64;
    char *text = malloc(bytes);
    if (!text) return NULL;
    snprintf(text, bytes, "%" PRIu64 ".%" PRIu64 ".%s", from_ns, to_ns, in_store);
    json_t *cursor = json_string(text);
    free(text);
    return cursor;
}

static int answer_window(struct window *window) {
    struct fleet_question *question = window->question;
    bool cut = window->from_ns != window->scope.from_ns || window->to_ns != window->scope.to_ns;
    json_t *params = store_params_new(window), *result, *explain;
    if (!params) return failure_out_of_memory(question->failure);
    if (source_ask(window->kept->source, "query", params, question->apart, &result, question->failure)) return -1;
    json_t *cursor = cursor_new(window, json_object_get(result, "cursor"));
    int failed = !cursor || json_object_set_new(result, "cursor", cursor);
    explain = json_object_get(result, "explain");
    if (explain) failed |= json_object_set_new(explain, "index", json_string("fleet"));
    int status = failed ? failure_out_of_memory(question->failure) : 0;
    if (!status && cut && json_object_get(result, "total")) {
        status = count_all(window);
        if (!status) json_object_set_new(result, "total", json_integer((json_int_t)question->answers->total));
    }
    if (status) {
        json_decref(result);
        return -1;
    }
    *question->ret_result = result;
    return 0;
}

/* ---- a trace -------------------------------------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* In what time losses count: that of the trace, [first, last], and what was asked for. */
struct around {
    uint64_t from_ns, to_ns; /* [from, to) */
};

static struct around around_of(const struct fleet_scope *scope, uint64_t first_ns, uint64_t last_ns) {
    return (struct around){scope->from_ns ? earlier(scope->from_ns, first_ns) : first_ns, later(scope->to_ns, last_ns + 1)};
}

static int end_text(struct trace_text *text, struct failure *failure) {
    trace_text_add(text, "", 1);
    if (text->failed) return failure_out_of_memory(failure);
    text->bytes--;
    return 0;
}

/* Most events of most traces are of these kinds, and have only numbers. */
#define NUMBER_KINDS                                                                                                    \
    (FLEET_KIND(TRACE_KIND_PACKET_SENT) | FLEET_KIND(TRACE_KIND_PACKET_RECEIVED) | FLEET_KIND(TRACE_KIND_PACKET_LOST) | \
     FLEET_KIND(TRACE_KIND_METRICS) | FLEET_KIND(TRACE_KIND_APP_START) | FLEET_KIND(TRACE_KIND_APP_END) |               \
     FLEET_KIND(TRACE_KIND_STREAM_OPENED) | FLEET_KIND(TRACE_KIND_STREAM_DATA) | FLEET_KIND(TRACE_KIND_STREAM_CLOSED))

/* Of the statements for a trace: which events it has, those of the kinds above and the others; where they are; and what was lost
 * around it. */
struct trace_parts {
    struct trace_text id, numbers, others, place, events, lost;
};

static void put_number_kinds(struct trace_text *out, const struct trace_text *id, bool numbers) {
    const char *between = "";
    trace_text_add(out, id->data, id->bytes);
    trace_text_puts(out, numbers ? " AND kind_id IN (" : " AND kind_id NOT IN (");
    for (unsigned kind = 0; kind < 63; kind++) {
        if (!(NUMBER_KINDS & FLEET_KIND(kind))) continue;
        fleet_put_format(out, "%s%u", between, kind);
        between = ",";
    }
    trace_text_puts(out, ")");
}

static int put_parts(struct trace_parts *parts, const struct fleet_context *context, const struct trace_id *id,
                     uint64_t *ret_first_ns, uint64_t *ret_last_ns, struct failure *failure) {
    fleet_scope_put_trace_id(&parts->id, id);
    put_number_kinds(&parts->numbers, &parts->id, true);
    put_number_kinds(&parts->others, &parts->id, false);
    if (fleet_scope_put_trace_place(&parts->place, context, id, ret_first_ns, ret_last_ns, failure)) return -1;
    trace_text_puts(&parts->events, "(");
    trace_text_add(&parts->events, parts->id.data, parts->id.bytes);
    trace_text_puts(&parts->events, " AND ");
    trace_text_add(&parts->events, parts->place.data, parts->place.bytes);
    trace_text_puts(&parts->events, ")");
    struct trace_text *const all[] = {&parts->id, &parts->numbers, &parts->others, &parts->place, &parts->events};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (end_text(all[i], failure)) return -1;
    return 0;
}

static void parts_fini(struct trace_parts *parts) {
    trace_text_fini(&parts->id);
    trace_text_fini(&parts->numbers);
    trace_text_fini(&parts->others);
    trace_text_fini(&parts->place);
    trace_text_fini(&parts->events);
    trace_text_fini(&parts->lost);
}

static int put_lost(struct trace_parts *parts, const struct fleet_context *context, struct around around,
                    struct failure *failure) {
    trace_text_clear(&parts->lost);
    trace_text_puts(&parts->lost, "(kind = 'events_lost' AND ");
    fleet_scope_put_times(&parts->lost, context, around.from_ns, around.to_ns);
    trace_text_puts(&parts->lost, ") AND NOT ");
    trace_text_add(&parts->lost, parts->id.data, parts->id.bytes);
    return end_text(&parts->lost, failure);
}

static int load_lost(struct fleet_load *load, struct trace_parts *parts, struct around around, struct failure *failure) {
    if (put_lost(parts, load->context, around, failure)) return -1;
    return fleet_load_few(load, &(struct fleet_choice){parts->lost.data, .rare = true, .kinds = LOST_KINDS}, failure);
}

/* Of a trace of many events, it is counted first how many. */
static int load_many(struct fleet_load *load, const struct fleet_choice *choice, struct failure *failure) {
    struct trace_text text = {0};
    trace_text_puts(&text, choice->first);
    trace_text_puts(&text, " AND ");
    trace_text_puts(&text, choice->condition);
    int result = end_text(&text, failure);
    if (!result) result = fleet_load_all(load, &(struct fleet_choice){text.data, choice->first, .kinds = choice->kinds}, failure);
    trace_text_fini(&text);
    return result;
}

/* Asks for all at the same time.  The index knows own times, and may know of events that never came: so more losses are asked
 * for than there may be, and those count that lie around the events that are there. */
static int load_at_once(struct fleet_load *load, const struct fleet_scope *scope, struct trace_parts *parts, struct around wide,
                        struct failure *failure) {
    enum { NUMBERS, OTHERS, LOST, COUNT };
    struct clickhouse_question questions[COUNT] = {{{0}}};
    struct fleet_part of[COUNT];
    if (put_lost(parts, load->context, wide, failure)) return -1;
    const struct fleet_choice choices[COUNT] = {
        [NUMBERS] = {parts->place.data, .first = parts->numbers.data, .kinds = NUMBER_KINDS},
        [OTHERS] = {parts->place.data, .first = parts->others.data, .kinds = ~NUMBER_KINDS},
        [LOST] = {parts->lost.data, .rare = true, .kinds = LOST_KINDS},
    };
    for (unsigned i = 0; i < COUNT; i++) {
        of[i] = (struct fleet_part){.limit = FLEET_FEW_ROWS, .all_or_none = true};
        fleet_load_put(load, &choices[i], &of[i], &questions[i].sql);
    }
    if (clickhouse_ask_all(load->context->server, questions, COUNT, failure)) return -1;
    if (clickhouse_first_failure(questions, COUNT, failure)) return -1;
    for (unsigned i = NUMBERS; i <= OTHERS; i++)
        if (fleet_load_take(load, &choices[i], clickhouse_rows(&questions[i]), &of[i], failure)) return -1;
    struct around around = around_of(scope, load->first_ns, load->last_ns);
    bool many = of[NUMBERS].more || of[OTHERS].more;
    of[LOST].from_ns = around.from_ns;
    of[LOST].to_ns = around.to_ns;
    if (!many && fleet_load_take(load, &choices[LOST], clickhouse_rows(&questions[LOST]), &of[LOST], failure)) return -1;
    if (!many && !of[LOST].more) return 0;
    for (unsigned i = NUMBERS; i <= OTHERS; i++)
        if (of[i].more && load_many(load, &choices[i], failure)) return -1;
    return load_lost(load, parts, around_of(scope, load->first_ns, load->last_ns), failure);
}

/* Loads the trace, if it exists, and what was lost around it. */
static int load_trace(struct fleet_question *question, const struct fleet_scope *scope, const struct trace_id *id,
                      struct fleet_load *load) {
    struct trace_parts parts = {{0}};
    struct trace_text both = {0};
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    int result = put_parts(&parts, load->context, id, &first_ns, &last_ns, question->failure);
    bool exists = first_ns <= last_ns;
    if (!result && exists) {
        fleet_clocks_widen(&load->context->clocks, &first_ns, &last_ns);
        result = load_at_once(load, scope, &parts, around_of(scope, first_ns, last_ns), question->failure);
    }
    if (!result && exists && scope->peer.digits) {
        result = put_lost(&parts, load->context, around_of(scope, load->first_ns, load->last_ns), question->failure);
        trace_text_puts(&both, "(");
        trace_text_add(&both, parts.events.data, parts.events.bytes);
        trace_text_puts(&both, " OR (");
        trace_text_add(&both, parts.lost.data, parts.lost.bytes);
        trace_text_puts(&both, "))");
        if (!result) result = fleet_load_witness(load, scope, &both, question->failure);
    }
    parts_fini(&parts);
    trace_text_fini(&both);
    return result;
}

/* One event of each trace whose id begins so. */
static int load_ids(struct fleet_question *question, const struct trace_id_prefix *prefix, struct fleet_load *load) {
    struct trace_text text = {0};
    struct fleet_part one_each = {.limit = FLEET_IDS_MAX, .limit_by = "trace_id"};
    trace_filter_sql_prefix(&text, "trace_id", prefix, TRACE_ID_BYTES);
    trace_text_add(&text, "", 1);
    int result = text.failed ? failure_out_of_memory(question->failure)
                             : fleet_load_events(load, &(struct fleet_choice){text.data}, &one_each, question->failure);
    trace_text_fini(&text);
    return result;
}

/* A store is kept for a whole id, however it was asked for. */
static void put_name(struct trace_text *out, const struct fleet_question *question, const struct fleet_scope *scope,
                     const struct trace_id_prefix *prefix) {
    const char *peer = json_get_text(question->params, "peer_id");
    char digits[2 * TRACE_ID_BYTES + 1] = "";
    *trace_hex_encode(digits, prefix->bytes, (prefix->digits + 1) / 2) = 0;
    digits[prefix->digits] = 0;
    fleet_put_format(out, "trace %s %" PRIu64 " %" PRIu64 " %.80s", digits, scope->from_ns, scope->to_ns, peer ? peer : "");
}

/* *count: of the traces whose id begins so.  If it is 1, the prefix becomes the whole id. */
static int complete_id(struct fleet_question *question, struct trace_id_prefix *prefix, struct trace_id *id, size_t *count) {
    *count = 1;
    if (prefix->digits == 2 * TRACE_ID_BYTES) {
        memcpy(id->bytes, prefix->bytes, sizeof id->bytes);
        return 0;
    }
    if (fleet_scope_find_traces(&question->answers->context, prefix, id, count, question->failure)) return -1;
    if (*count != 1) return 0;
    prefix->digits = 2 * TRACE_ID_BYTES;
    memcpy(prefix->bytes, id->bytes, sizeof id->bytes);
    return 0;
}

int fleet_answer_trace(struct fleet_question *question, const char *text, const struct fleet_scope *scope) {
    struct trace_id_prefix prefix;
    struct trace_id id;
    struct fleet_load load;
    struct trace_text name = {0};
    size_t count;
    if (trace_id_prefix_parse(&prefix, text, 2 * TRACE_ID_BYTES)) return fleet_ask_store(question, question->answers->logs);
    if (complete_id(question, &prefix, &id, &count)) return -1;
    put_name(&name, question, scope, &prefix);
    struct fleet_kept *kept = fleet_kept_find(question->answers, &name);
    int result = kept ? 0 : fleet_load_begin(&load, &question->answers->context, question->failure);
    if (!kept && !result) {
        if (count) result = count == 1 ? load_trace(question, scope, &id, &load) : load_ids(question, &prefix, &load);
        if (result)
            fleet_load_drop(&load);
        else
            kept = fleet_kept_add(question->answers, &name, fleet_load_end(&load), question->failure);
    }
    trace_text_fini(&name);
    return kept ? fleet_ask_store(question, kept->source) : -1;
}

/* ---- the method ----------------------------------------------------------------------------------------------------------- */

static int read_cursor(struct window *window, const char *text) {
    char *end;
    if (!text) return 0;
    window->first = false;
    window->from_ns = strtoull(text, &end, 10);
    if (*end == '.') window->to_ns = strtoull(end + 1, &end, 10);
    if (*end != '.')
        return failure_set(window->question->failure, EXIT_FAILED, "cursor: this query, with these params, never returned it");
    window->cursor = strcmp(end + 1, "-") != 0 ? end + 1 : NULL;
    return 0;
}

int fleet_answer_query(struct fleet_question *question) {
    const char *trace = json_get_text(question->params, "trace_id"), *order = json_get_text(question->params, "order");
    struct window window = {.question = question, .newest = order && !strcmp(order, "desc"), .first = true};
    if (fleet_scope_events(&window.scope, &question->answers->context, question->params, question->failure)) return -1;
    window.from_ns = window.scope.from_ns;
    window.to_ns = window.scope.to_ns;
    int result;
    if (trace) {
        result = fleet_answer_trace(question, trace, &window.scope);
    } else {
        result = read_cursor(&window, json_get_text(question->params, "cursor"));
        if (!result) result = find_window(&window);
        if (!result) result = answer_window(&window);
    }
    fleet_scope_fini(&window.scope);
    return result;
}
