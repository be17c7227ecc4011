/* SPDX-License-Identifier: MIT
 *
 * `query`: events of the history, page by page. */
#include "answer.h"
#include "event_params.h"
#include "limits.h"
#include "methods.h"
#include "page.h"
#include "page_cursor.h"

#include <errno.h>
#include <string.h>
#include <urcu.h>

struct query {
    struct filter filter;
    uint64_t node_set[IDS_NODE_SET_WORDS];
    uint64_t now_ns; /* of the first call */
    bool newest_first;
    bool continues; /* `from` is the place behind the page before */
    struct page_place from;
};

/* What the client wrote that is not a filter. */
struct query_params {
    struct filter_params filter;
    json_t *from, *to;
    int64_t limit;
    const char *order, *cursor;
    bool explain, total;
};

static int read_params(struct call *call, struct query_params *params) {
    *params = (struct query_params){.limit = LIMIT_EVENTS_DEFAULT, .order = "asc"};
    const struct trace_rpc_param list[] = {
        FILTER_PARAMS(&params->filter),
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = LIMIT_EVENTS},
        {"order", TRACE_RPC_STRING, .string = &params->order},
        {"cursor", TRACE_RPC_STRING, .string = &params->cursor},
        {"explain", TRACE_RPC_BOOLEAN, .boolean = &params->explain},
        {"total", TRACE_RPC_BOOLEAN, .boolean = &params->total},
    };
    if (trace_rpc_params_read(call->request.params, list, sizeof list / sizeof *list, &call->error)) return -1;
    if (strcmp(params->order, "asc") != 0 && strcmp(params->order, "desc") != 0)
        return trace_rpc_fail_param(&call->error, "order", "order is \"asc\" or \"desc\"");
    return 0;
}

/* A first page: everything is resolved now. */
static int begin_query(struct call *call, const struct query_params *params, struct query *query) {
    uint64_t now = query->now_ns = service_unix_ns();
    if (filter_read(call->service, &params->filter, false, now, &query->filter, &call->error)) return -1;
    struct history_query *conditions = &query->filter.query;
    if (methods_read_time("from", params->from, now, &conditions->from_ns, &call->error) ||
        methods_read_time("to", params->to, now, &conditions->to_ns, &call->error))
        return -1;
    if (params->to && !conditions->to_ns) conditions->to_ns = 1; /* 0 means no end there, and nothing is before 1970 */
    return 0;
}

/* A next page: what the first one resolved. */
static int continue_query(struct call *call, const struct query_params *params, struct query *query) {
    uint64_t binding = cursor_binding(call->service->instance, call->request.params);
    struct cursor cursor;
    struct filter *filter = &query->filter;
    rcu_read_lock();
    uint64_t end = history_end(call->service->history);
    rcu_read_unlock();
    if (cursor_decode(&cursor, binding, params->cursor) || cursor.place.end > end)
        return trace_rpc_fail_param(&call->error, "cursor", "cursor: not one that this query gave, with these params");
    /* A name in the filter may be nobody's by now.  That is only told where it makes a difference. */
    if (filter_read_kinds(params->filter.kind, &filter->query, &call->error) ||
        filter_read_expression(call->service, params->filter.expression, true, cursor.now_ns, filter, &call->error))
        return -1;
    if (expression_names(filter->expression) != cursor.names)
        return trace_rpc_fail_param(
            &call->error, "cursor",
            "cursor: a node came or was forgotten that a name in the filter means; ask from the beginning, "
            "or by the node's whole id");
    query->now_ns = cursor.now_ns;
    filter->query.by_trace = cursor.by_trace;
    filter->query.by_peer = cursor.by_peer;
    filter->query.trace_id = cursor.trace_id;
    filter->query.peer_id = cursor.peer_id;
    filter->query.from_ns = cursor.from_ns;
    filter->query.to_ns = cursor.to_ns;
    filter->has_node = cursor.by_node;
    filter->node_id = cursor.node_id;
    query->continues = true;
    query->from = cursor.place;
    return 0;
}

static void write_cursor(struct trace_text *out, const struct query *query, const struct page_place *place, uint64_t binding) {
    const struct history_query *conditions = &query->filter.query;
    struct cursor cursor = {
        .now_ns = query->now_ns,
        .from_ns = conditions->from_ns,
        .to_ns = conditions->to_ns,
        .by_trace = conditions->by_trace,
        .by_peer = conditions->by_peer,
        .by_node = query->filter.has_node,
        .trace_id = conditions->trace_id,
        .peer_id = conditions->peer_id,
        .node_id = query->filter.node_id,
        .names = expression_names(query->filter.expression),
        .place = *place,
    };
    char digits[CURSOR_DIGITS + 1];
    cursor_encode(&cursor, binding, digits);
    trace_text_puts(out, "\"");
    trace_text_puts(out, digits);
    trace_text_puts(out, "\"");
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The stretch of time that a page answers for, so that all pages together answer for the whole and no gap is told twice: from the
 * page before (or `from`, or the first event) to this page's last event (or, on the last page, `to`).  Newest first, mirrored. */
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
        return false; /* no event says where the open side is */
    }
    *ret_from = low;
    *ret_to = high;
    return low < high;
}

static void gap_nodes(const struct query *query, const struct history_answer *answer, uint64_t set[IDS_NODE_SET_WORDS]) {
    if (query->filter.query.by_node) {
        memcpy(set, query->node_set, IDS_NODE_SET_WORDS * sizeof *set);
        return;
    }
    memset(set, 0, IDS_NODE_SET_WORDS * sizeof *set);
    for (size_t i = 0; i < answer->count; i++) {
        uint32_t node = history_source_node(answer->hits[i].source);
        if (node < NODES_MAX) set[node / 64] |= UINT64_C(1) << (node % 64);
    }
}

/* Where the nodes of this answer lost events within its time. */
static int write_gaps(struct call *call, const struct query *query, const struct page *page) {
    const struct history_answer *answer = &page->answer;
    struct history_answer gaps = {0};
    uint64_t set[IDS_NODE_SET_WORDS], lost = 0;
    gap_nodes(query, answer, set);
    struct history_query conditions = {
        .by_node = true,
        .node_set = set,
        .node_set_bits = NODES_MAX,
        .kinds = UINT64_C(1) << TRACE_KIND_EVENTS_LOST,
        .examine_max = query->filter.query.examine_max,
    };
    if (page_time(query, answer, &conditions.from_ns, &conditions.to_ns)) {
        int error =
            history_select(call->service->history, &conditions, 0, page->place.end, LIMIT_GAPS, query->newest_first, NULL, &gaps);
        if (error) return error;
    }
    for (size_t i = 0; i < gaps.count; i++) lost += gaps.hits[i].event.data.events_lost.count;
    trace_text_puts(call->out, ",\"lost\":");
    answer_put_unsigned(call->out, lost);
    trace_text_puts(call->out, ",\"gaps\":[");
    answer_hits(call->service, call->out, gaps.hits, gaps.count, false);
    trace_text_puts(call->out, "]");
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
        answer_put_unsigned(out, number);
}

/* The members of the answer. */
static int write_page(struct call *call, const struct query *query, const struct query_params *params, struct page *page) {
    struct trace_text *out = call->out;
    const struct history_answer *answer = &page->answer;
    trace_text_puts(out, "{\"events\":[");
    page_given(page, answer_hits(call->service, out, answer->hits, answer->count, false));
    trace_text_puts(out, "],\"cursor\":");
    if (answer->more)
        write_cursor(out, query, &page->place, cursor_binding(call->service->instance, call->request.params));
    else
        trace_text_puts(out, "null");
    write_number_or_null(out, "evicted", page->gone);
    if (params->total) write_number_or_null(out, "total", page->place.total);
    int error = write_gaps(call, query, page);
    if (params->explain) answer_put_explanation(out, answer->index, answer->examined);
    trace_text_puts(out, "}");
    return error;
}

static int answer_query(struct call *call, const struct query_params *params, struct query *query) {
    struct page page;
    filter_prepare(&query->filter, call->service, query->node_set);
    int error = page_find(call->service->history, &query->filter.query, (size_t)params->limit, query->newest_first, params->total,
                          query->continues ? &query->from : NULL, &page);
    if (error == -E2BIG) return error;
    if (error) return methods_answer(call, NULL);
    trace_rpc_begin_result(call->out, call->request.id);
    error = write_page(call, query, params, &page);
    trace_rpc_end(call->out);
    history_answer_fini(&page.answer);
    if (error && error != -E2BIG) trace_rpc_fail(&call->error, TRACE_RPC_INTERNAL, NULL, "out of memory");
    return error;
}

/* examine_max: as in history_query; then -E2BIG may come back. */
static int ask(struct call *call, uint64_t examine_max) {
    struct query_params params;
    struct query query = {0};
    if (read_params(call, &params)) return -1;
    query.newest_first = params.order[0] == 'd';
    int error = params.cursor ? continue_query(call, &params, &query) : begin_query(call, &params, &query);
    query.filter.query.examine_max = examine_max;
    if (!error) error = answer_query(call, &params, &query);
    filter_fini(&query.filter);
    return error;
}

int methods_query(struct call *call) { return ask(call, 0); }

/* By a whole trace id, and nothing else that has to be searched for; so few events that all fit in one page.  The rest shows when they
 * are looked at. */
static bool is_small(const struct call *call) {
    static const char *const searched[] = {"peer_id", "node_id", "filter", "cursor"};
    const json_t *params = call->request.params, *limit = json_object_get(params, "limit");
    const struct history *history = call->service->history;
    if (json_string_length(json_object_get(params, "trace_id")) != 2 * TRACE_ID_BYTES) return false;
    if (limit && json_integer_value(limit) < LIMIT_SMALL_EVENTS) return false;
    for (size_t i = 0; i < sizeof searched / sizeof *searched; i++)
        if (json_object_get(params, searched[i])) return false;
    rcu_read_lock();
    bool few = history_end(history) - history_begin(history) <= (uint64_t)LIMIT_SMALL_SEGMENTS * HISTORY_SEGMENT_EVENTS;
    rcu_read_unlock();
    return few;
}

int methods_query_small(struct call *call) {
    if (!is_small(call)) return -EAGAIN;
    size_t before = call->out->bytes;
    int error = ask(call, LIMIT_SMALL_EVENTS);
    if (error != -E2BIG) return error;
    call->out->bytes = before;
    return -EAGAIN;
}
