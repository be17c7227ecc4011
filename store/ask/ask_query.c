/* SPDX-License-Identifier: MIT
 *
 * `query`: events of the history, page by page. */
#include "ask_methods.h"
#include "expression.h"
#include "page.h"
#include "page_cursor.h"

#include <errno.h>
#include <stdio.h>
#include <store/answer.h>
#include <store/event_params.h>
#include <store/grace.h>
#include <store/limits.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>

struct query {
    struct event_filter filter;
    uint64_t node_set[NODES_SET_WORDS];
    uint64_t now_ns; /* of the first call */
    bool newest_first;
    bool continues; /* `from` is the place after the previous page */
    struct page_place from;
};

/* The params that are not a filter. */
struct query_params {
    struct event_params filter;
    json_t *from, *to;
    int64_t limit;
    const char *order, *cursor;
    bool explain, total;
};

static int read_params(struct ask *ask, struct query_params *params) {
    *params = (struct query_params){.limit = STORE_EVENTS_DEFAULT, .order = "asc"};
    const struct trace_rpc_param list[] = {
        EVENT_PARAMS(&params->filter),
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = STORE_EVENTS_MAX},
        {"order", TRACE_RPC_STRING, .string = &params->order},
        {"cursor", TRACE_RPC_STRING, .string = &params->cursor},
        {"explain", TRACE_RPC_BOOLEAN, .boolean = &params->explain},
        {"total", TRACE_RPC_BOOLEAN, .boolean = &params->total},
    };
    if (trace_rpc_params_read(ask->params, list, sizeof list / sizeof *list, &ask->error)) return -1;
    if (strcmp(params->order, "asc") != 0 && strcmp(params->order, "desc") != 0)
        return trace_rpc_fail_param(&ask->error, "order", "order is \"asc\" or \"desc\"");
    return 0;
}

/* A first page: everything is resolved now. */
static int begin_query(struct ask *ask, const struct query_params *params, struct query *query) {
    uint64_t now = query->now_ns = store_now_ns(ask->store);
    if (event_params_read(ask->store, &params->filter, false, now, &query->filter, &ask->error)) return -1;
    struct history_query *conditions = &query->filter.query;
    if (time_param_read("from", params->from, now, &conditions->from_ns, &ask->error) ||
        time_param_read_end("to", params->to, now, &conditions->to_ns, &ask->error))
        return -1;
    return 0;
}

/* A later page: uses what the first one resolved. */
static int continue_query(struct ask *ask, const struct query_params *params, struct query *query) {
    uint64_t binding = page_cursor_binding(ask->store->instance, ask->params);
    struct page_cursor cursor;
    struct event_filter *filter = &query->filter;
    grace_read_lock();
    uint64_t end = history_end_position(ask->store->history);
    grace_read_unlock();
    if (page_cursor_decode(&cursor, binding, params->cursor) || cursor.place.end > end)
        return trace_rpc_fail_param(&ask->error, "cursor", "cursor: not one that this query gave, with these params");
    /* A name in the filter may have lost its node by now.  We report that only where it makes a difference. */
    if (event_params_read_kinds(params->filter.kind, &filter->query, &ask->error) ||
        event_params_read_expression(ask->store, params->filter.expression, true, cursor.now_ns, filter, &ask->error))
        return -1;
    if (expression_names(filter->expression) != cursor.names)
        return trace_rpc_fail_param(&ask->error, "cursor",
                                    "cursor: a name in the filter no longer means the same nodes; start again without a cursor, "
                                    "or use the node's full id");
    query->now_ns = cursor.now_ns;
    filter->query.by_trace = cursor.by_trace;
    filter->query.trace_id = cursor.trace_id;
    if (cursor.by_peer && event_filter_set_peer(filter, ask->store, &cursor.peer_id, false)) return ask_fail_memory(ask);
    if (cursor.by_peer_name && params->filter.peer_id && event_filter_set_peer_name(filter, ask->store, params->filter.peer_id))
        return ask_fail_memory(ask);
    filter->query.from_ns = cursor.from_ns;
    filter->query.to_ns = cursor.to_ns;
    filter->has_node = cursor.by_node;
    filter->node_id = cursor.node_id;
    if (cursor.by_node_name) /* of the same params: the first page found that they fit */
        snprintf(filter->node_name, sizeof filter->node_name, "%s", params->filter.node_id ? params->filter.node_id : "");
    query->continues = true;
    query->from = cursor.place;
    return 0;
}

static void write_cursor(struct trace_text *out, const struct query *query, const struct page_place *place, uint64_t binding) {
    const struct history_query *conditions = &query->filter.query;
    struct page_cursor cursor = {
        .now_ns = query->now_ns,
        .from_ns = conditions->from_ns,
        .to_ns = conditions->to_ns,
        .by_trace = conditions->by_trace,
        .by_peer = query->filter.has_peer,
        .by_node = query->filter.has_node,
        .by_peer_name = query->filter.has_peer_name,
        .by_node_name = query->filter.node_name[0] != 0,
        .trace_id = conditions->trace_id,
        .peer_id = conditions->peer_id,
        .node_id = query->filter.node_id,
        .names = expression_names(query->filter.expression),
        .place = *place,
    };
    char digits[PAGE_CURSOR_DIGITS + 1];
    page_cursor_encode(&cursor, binding, digits);
    trace_text_puts(out, "\"");
    trace_text_puts(out, digits);
    trace_text_puts(out, "\"");
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The time range that a page covers, so that all pages together cover the whole and report each gap once: from the previous
 * page (or `from`, or the first event) to this page's last event (or, on the last page, `to`).  With the newest first it is
 * mirrored. */
static bool page_time(const struct query *query, const struct history_answer *answer, uint64_t *ret_from, uint64_t *ret_to) {
    const struct history_query *conditions = &query->filter.query;
    uint64_t low = conditions->from_ns, high = conditions->to_ns ? conditions->to_ns : UINT64_MAX;
    bool low_open = !conditions->from_ns, high_open = !conditions->to_ns;
    uint64_t after = query->from.after.event.timestamp;
    if (query->continues && !query->newest_first) low = most(low, after + 1), low_open = false;
    if (query->continues && query->newest_first) high = least(high, after), high_open = false;
    if (answer->count) {
        uint64_t first = answer->hits[0].event.timestamp, last = answer->hits[answer->count - 1].event.timestamp;
        if (low_open || (answer->more && query->newest_first)) low = least(first, last);
        if (high_open || (answer->more && !query->newest_first)) high = most(first, last) + 1;
    } else if (low_open || high_open) {
        return false; /* no event shows where the open side is */
    }
    *ret_from = low;
    *ret_to = high;
    return low < high;
}

static void gap_nodes(const struct query *query, const struct history_answer *answer, uint64_t set[NODES_SET_WORDS]) {
    if (query->filter.query.by_node) {
        memcpy(set, query->node_set, NODES_SET_WORDS * sizeof *set);
        return;
    }
    memset(set, 0, NODES_SET_WORDS * sizeof *set);
    for (size_t i = 0; i < answer->count; i++) {
        uint32_t node = history_source_node(answer->hits[i].source);
        if (node < NODES_MAX) set[node / 64] |= UINT64_C(1) << (node % 64);
    }
}

/* Where the nodes of this answer lost events within its time. */
static int write_gaps(struct ask *ask, const struct query *query, const struct page *page) {
    const struct history_answer *answer = &page->answer;
    struct history_answer gaps = {0};
    uint64_t set[NODES_SET_WORDS], lost = 0;
    gap_nodes(query, answer, set);
    struct history_query conditions = {
        .by_node = true,
        .node_set = set,
        .node_set_bits = NODES_MAX,
        .kinds = UINT64_C(1) << TRACE_KIND_EVENTS_LOST,
        .examine_max = query->filter.query.examine_max,
        .work = query->filter.query.work,
    };
    if (page_time(query, answer, &conditions.from_ns, &conditions.to_ns)) {
        int error = history_select(ask->store->history, &conditions, 0, page->place.end, STORE_GAPS_MAX, query->newest_first,
                                   NULL, &gaps);
        if (error) return error;
    }
    for (size_t i = 0; i < gaps.count; i++) lost += gaps.hits[i].event.data.events_lost.count;
    trace_text_puts(ask->out, ",\"lost\":");
    value_put_unsigned(ask->out, lost);
    trace_text_puts(ask->out, ",\"gaps\":[");
    answer_hits(ask->store, ask->out, gaps.hits, gaps.count, false);
    trace_text_puts(ask->out, "]");
    history_answer_fini(&gaps);
    return 0;
}

static void write_number_or_null(struct trace_text *out, const char *name, uint64_t number) {
    trace_text_puts(out, ",\"");
    trace_text_puts(out, name);
    trace_text_puts(out, "\":");
    if (number == PAGE_UNKNOWN)
        trace_text_puts(out, "null");
    else
        value_put_unsigned(out, number);
}

/* The members of the answer. */
static int write_page(struct ask *ask, const struct query *query, const struct query_params *params, struct page *page) {
    struct trace_text *out = ask->out;
    const struct history_answer *answer = &page->answer;
    trace_text_puts(out, "{\"events\":[");
    page_given(page, answer_hits(ask->store, out, answer->hits, answer->count, false));
    trace_text_puts(out, "],\"cursor\":");
    if (answer->more)
        write_cursor(out, query, &page->place, page_cursor_binding(ask->store->instance, ask->params));
    else
        trace_text_puts(out, "null");
    write_number_or_null(out, "evicted", page->gone);
    if (params->total) write_number_or_null(out, "total", page->place.total);
    int error = write_gaps(ask, query, page);
    if (params->explain) answer_put_explanation(out, answer->index, answer->examined);
    trace_text_puts(out, "}");
    return error;
}

static int answer_query(struct ask *ask, const struct query_params *params, struct query *query) {
    struct page page;
    event_filter_count(&query->filter, &ask->work);
    event_filter_prepare(&query->filter, ask->store, query->node_set);
    int error = page_find(ask->store->history, &query->filter.query, (size_t)params->limit, query->newest_first, params->total,
                          query->continues ? &query->from : NULL, &page);
    if (error) return ask_fail(ask, error);
    error = write_page(ask, query, params, &page);
    history_answer_fini(&page.answer);
    return error ? ask_fail(ask, error) : 0;
}

/* examine_max: as in history_query; then -E2BIG may come back. */
static int query(struct ask *ask, uint64_t examine_max) {
    struct query_params params;
    struct query resolved = {0};
    if (read_params(ask, &params)) return -1;
    resolved.newest_first = params.order[0] == 'd';
    int error = params.cursor ? continue_query(ask, &params, &resolved) : begin_query(ask, &params, &resolved);
    resolved.filter.query.examine_max = examine_max;
    if (!error) error = answer_query(ask, &params, &resolved);
    event_filter_fini(&resolved.filter);
    return error;
}

int ask_query(struct ask *ask) { return query(ask, 0); }

/* The events of a trace are found by its chain. */
bool ask_query_is_long(const struct ask *ask) { return !json_object_get(ask->params, "trace_id"); }

/* Only a full trace id, nothing else that needs a search, and a page that holds all events of a small query.  We find out on
 * the way if there are more. */
static bool is_small(const struct ask *ask) {
    static const char *const searched[] = {"peer_id", "node_id", "filter", "cursor"};
    const json_t *params = ask->params, *limit = json_object_get(params, "limit");
    const struct history *history = ask->store->history;
    if (json_string_length(json_object_get(params, "trace_id")) != 2 * TRACE_ID_BYTES) return false;
    if (limit && json_integer_value(limit) < STORE_SMALL_EVENTS) return false;
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++)
        if (json_object_get(params, searched[i])) return false;
    grace_read_lock();
    bool few = history_end_position(history) - history_begin_position(history) <=
               (uint64_t)STORE_SMALL_SEGMENTS * HISTORY_SEGMENT_EVENTS;
    grace_read_unlock();
    return few;
}

int ask_query_small(struct ask *ask) {
    if (!is_small(ask)) return -EAGAIN;
    size_t before = ask->out->bytes;
    int error = query(ask, STORE_SMALL_EVENTS);
    if (error != -E2BIG) return error;
    ask->out->bytes = before;
    return -EAGAIN;
}
