/* SPDX-License-Identifier: MIT
 *
 * `count`: how many events match, by the values of some fields, and the distribution of one of their numbers.
 *
 * One pass over the matching events.  It retains only the group and the number of each, in bounded memory (count_groups.h,
 * measure.h).  `took` is a number of a request and belongs to the event that ends it (took.h). */
#include "ask_methods.h"
#include "count_groups.h"
#include "expression.h"
#include "measure.h"
#include "took.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/field.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/event_params.h>
#include <store/grace.h>
#include <store/limits.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>

struct count_params {
    struct event_params filter;
    json_t *from, *to, *group_by;
    const char *value;
    int64_t limit;
    bool histogram, explain;
};

struct counting {
    const struct store *store;
    struct alias_picture *aliases; /* or NULL */
    struct trace_field *fields[STORE_COUNT_FIELDS_MAX];
    struct trace_field *value; /* NULL: nothing is measured, or it is `took` */
    bool measures_took;
    struct took took;
    size_t field_count;
    const struct trace_field *time; /* the first time in `fields`; NULL: there is none */
    unsigned uses;                  /* TRACE_FILTER_USES_ of all fields */
    struct count_groups groups;
    uint64_t *events_of; /* by group */
    size_t capacity;     /* of events_of */
    struct measure measure;
    uint64_t events, ungrouped, first_ns, last_ns;
};

/* ---- params ------------------------------------------------------------------------------------------------------------- */

static int read_params(struct ask *ask, struct count_params *params) {
    *params = (struct count_params){.limit = STORE_COUNT_ROWS_DEFAULT};
    const struct trace_rpc_param list[] = {
        EVENT_PARAMS(&params->filter),
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"group_by", TRACE_RPC_STRINGS, .json = &params->group_by},
        {"value", TRACE_RPC_STRING, .string = &params->value},
        {"histogram", TRACE_RPC_BOOLEAN, .boolean = &params->histogram},
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = STORE_COUNT_ROWS_MAX},
        {"explain", TRACE_RPC_BOOLEAN, .boolean = &params->explain},
    };
    if (trace_rpc_params_read(ask->params, list, sizeof list / sizeof *list, &ask->error)) return -1;
    if (params->histogram && !params->value)
        return trace_rpc_fail_param(&ask->error, "histogram", "histogram needs value: the number to show");
    if (json_array_size(params->group_by) > STORE_COUNT_FIELDS_MAX)
        return trace_rpc_fail_param(&ask->error, "group_by", "group_by: at most %d fields", STORE_COUNT_FIELDS_MAX);
    return 0;
}

/* The name of a field as the client wrote it. */
static const char *field_name(const json_t *group_by, size_t i) {
    return json_string_value(json_is_array(group_by) ? json_array_get(group_by, i) : group_by);
}

static int find_field(struct ask *ask, const char *param, const char *text, struct counting *counting,
                      struct trace_field **ret_field) {
    int error = expression_find_field(ask->store, param, text, ret_field, &ask->error);
    if (!error) counting->uses |= trace_field_uses(*ret_field);
    return error;
}

static int find_fields(struct ask *ask, const struct count_params *params, struct counting *counting) {
    size_t count = json_is_string(params->group_by) ? 1 : json_array_size(params->group_by);
    for (size_t i = 0; i < count; i++) {
        const char *name = field_name(params->group_by, i);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(name, field_name(params->group_by, k)))
                return trace_rpc_fail_param(&ask->error, "group_by", "group_by: %.60s is given twice", name);
        if (find_field(ask, "group_by", name, counting, &counting->fields[i])) return -1;
        counting->field_count = i + 1;
        if (!counting->time && trace_field_is_time(counting->fields[i])) counting->time = counting->fields[i];
    }
    counting->measures_took = params->value && !strcmp(params->value, TOOK_FIELD);
    if (!params->value || counting->measures_took) return 0;
    if (find_field(ask, "value", params->value, counting, &counting->value)) return -1;
    if (trace_field_is_number(counting->value)) return 0;
    return trace_rpc_fail_param(&ask->error, "value", "value: %.60s is not a number", params->value);
}

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

/* Makes room for one more group. */
static int grow_groups(struct counting *counting, uint32_t group) {
    if (group < counting->capacity) return 0;
    size_t capacity = counting->capacity ? 2 * counting->capacity : 64;
    uint64_t *events_of = realloc(counting->events_of, capacity * sizeof *events_of);
    if (!events_of) return -ENOMEM;
    memset(events_of + counting->capacity, 0, (capacity - counting->capacity) * sizeof *events_of);
    counting->events_of = events_of;
    counting->capacity = capacity;
    return 0;
}

/* The group of an event, by the values of the fields, each after its length. */
static int find_group(struct counting *counting, const struct trace_event *event, const struct trace_filter_origin *origin) {
    uint8_t key[STORE_COUNT_FIELDS_MAX * (1 + TRACE_VALUE_BYTES_MAX)];
    size_t bytes = 0;
    for (size_t i = 0; i < counting->field_count; i++) {
        size_t value_bytes = trace_field_read(counting->fields[i], event, origin, key + bytes + 1);
        key[bytes] = (uint8_t)value_bytes;
        bytes += 1 + value_bytes;
    }
    return count_groups_find(&counting->groups, key, bytes);
}

/* What an event stands for, if it stands for many; otherwise NULL. */
static const struct store_counted_event *counted_of(const struct counting *counting, const struct trace_event *event) {
    const struct store_counted *counted = counting->store->counted;
    return counted && event->sequence < counted->count ? &counted->all[event->sequence] : NULL;
}

static void count_time(struct counting *counting, uint64_t first_ns, uint64_t last_ns) {
    if (!counting->events || first_ns < counting->first_ns) counting->first_ns = first_ns;
    if (!counting->events || last_ns > counting->last_ns) counting->last_ns = last_ns;
}

/* history_visit's. */
static int count_event(void *context, const struct trace_event *event, history_source source) {
    struct counting *counting = context;
    struct trace_filter_origin origin = {0};
    uint64_t number;
    if (counting->uses) expression_origin(counting->store, counting->aliases, counting->uses, event, source, &origin);
    const struct store_counted_event *many = counted_of(counting, event);
    uint64_t times = many ? many->events : 1;
    count_time(counting, many ? many->first_ns : event->timestamp, many ? many->last_ns : event->timestamp);
    counting->events += times;
    int group = find_group(counting, event, &origin);
    if (group == -ENOSPC) {
        counting->ungrouped += times;
        return 0;
    }
    int error = group < 0 ? group : grow_groups(counting, (uint32_t)group);
    if (error) return error;
    counting->events_of[group] += times;
    bool measured = counting->measures_took ? took_find(&counting->took, event, source, &number)
                                            : counting->value && trace_field_number(counting->value, event, &origin, &number);
    if (!measured) return 0;
    return many ? measure_add_counted(&counting->measure, (uint32_t)group, number, many)
                : measure_add(&counting->measure, (uint32_t)group, number);
}

/* history_visit's: the sum of the events that are missing. */
static int count_lost(void *context, const struct trace_event *event, history_source source) {
    uint64_t *lost = context;
    (void)source;
    *lost += event->data.events_lost.count;
    return 0;
}

static void counting_fini(struct counting *counting) {
    for (size_t i = 0; i < counting->field_count; i++) trace_field_destroy(counting->fields[i]);
    trace_field_destroy(counting->value);
    count_groups_fini(&counting->groups);
    measure_fini(&counting->measure);
    took_fini(&counting->took);
    free(counting->events_of);
    alias_picture_release(counting->aliases);
}

/* ---- the answer --------------------------------------------------------------------------------------------------------- */

static void put_member(struct trace_text *out, const char *name, uint64_t number) {
    trace_text_puts(out, name);
    value_put_unsigned(out, number);
}

static void put_json_string(struct trace_text *out, const char *text) {
    size_t bytes = strlen(text);
    char *begin = trace_text_reserve(out, 6 * bytes + 2);
    if (begin) out->bytes += (size_t)(trace_json_string(begin, text, bytes) - begin);
}

static void put_group(struct trace_text *out, const struct counting *counting, const json_t *group_by, uint32_t group) {
    const uint8_t *key = count_groups_key(&counting->groups, group);
    trace_text_puts(out, "{\"group\":{");
    for (size_t i = 0; i < counting->field_count; i++) {
        if (i) trace_text_puts(out, ",");
        put_json_string(out, field_name(group_by, i));
        trace_text_puts(out, ":");
        char *begin = trace_text_reserve(out, TRACE_VALUE_JSON_MAX);
        if (begin) out->bytes += (size_t)(trace_value_label(begin, key + 1, key[0]) - begin);
        key += 1 + key[0];
    }
    trace_text_puts(out, "}");
}

/* The order of two groups by the values of one field, or of all. */
static int compare_values(const struct counting *counting, uint32_t left, uint32_t right, const struct trace_field *only) {
    const uint8_t *a = count_groups_key(&counting->groups, left), *b = count_groups_key(&counting->groups, right);
    for (size_t i = 0; i < counting->field_count; i++) {
        int order = !only || only == counting->fields[i] ? trace_value_compare(a + 1, a[0], b + 1, b[0]) : 0;
        if (order) return order;
        a += 1 + a[0];
        b += 1 + b[0];
    }
    return 0;
}

/* By time when that is among the fields; then those with most events first; then by their values. */
static int group_compare(const void *a, const void *b, void *context) {
    const struct counting *counting = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    uint64_t x = counting->events_of[left], y = counting->events_of[right];
    int order = counting->time ? compare_values(counting, left, right, counting->time) : 0;
    if (order) return order;
    if (x != y) return x > y ? -1 : 1;
    return compare_values(counting, left, right, NULL);
}

/* The rows to show, in order: the largest groups, or the newest if grouped by time.  NULL when memory runs out. */
static uint32_t *choose_groups(struct counting *counting, size_t limit, size_t *ret_count) {
    uint32_t count = counting->groups.count;
    uint32_t *order = malloc((count ? count : 1) * sizeof *order);
    if (!order) return NULL;
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    qsort_r(order, count, sizeof *order, group_compare, counting);
    *ret_count = count < limit ? count : limit;
    if (counting->time && count > limit) memmove(order, order + (count - limit), limit * sizeof *order);
    return order;
}

/* The time span of a group's rate: when grouped by time, this group's part of the window; else the whole window.  0: an
 * instant. */
static uint64_t group_ns(const struct counting *counting, uint32_t group, uint64_t window_ns) {
    const uint8_t *key = count_groups_key(&counting->groups, group);
    uint64_t from_ns = 0, to_ns = UINT64_MAX;
    if (!counting->time) return window_ns;
    for (size_t i = 0; i < counting->field_count; key += 1 + key[0], i++) {
        uint64_t low_ns, high_ns;
        if (!trace_field_time_range(counting->fields[i], key + 1, &low_ns, &high_ns)) continue;
        if (low_ns > from_ns) from_ns = low_ns;
        if (high_ns < to_ns) to_ns = high_ns;
    }
    return to_ns > from_ns ? to_ns - from_ns : 0;
}

static void put_rows(struct trace_text *out, const struct counting *counting, const struct count_params *params,
                     const uint32_t *order, size_t count, const struct measure_parts *parts, uint64_t window_ns) {
    trace_text_puts(out, ",\"rows\":[");
    for (size_t i = 0; i < count && !out->failed; i++) {
        uint64_t events = counting->events_of[order[i]];
        if (i) trace_text_puts(out, ",");
        put_group(out, counting, params->group_by, order[i]);
        put_member(out, ",\"count\":", events);
        measure_put_rate(out, events, group_ns(counting, order[i], window_ns));
        if (params->value) measure_put(out, "value", &counting->measure, parts, order[i]);
        if (params->histogram) measure_put_histogram(out, parts, order[i]);
        trace_text_puts(out, "}");
    }
    trace_text_puts(out, "]");
}

/* ---- the method --------------------------------------------------------------------------------------------------------- */

uint64_t ask_rate_ns(const struct store *store, const struct ask_period *period, uint64_t now_ns) {
    struct history_stats stats;
    history_stats(store->history, &stats);
    const struct store_counted *counted = store->counted;
    uint64_t from_ns = counted ? counted->from_ns : period->from_ns, to_ns = counted ? counted->to_ns : period->to_ns;
    if (counted) stats.first_ns = counted->begin_ns;
    if (!to_ns) to_ns = from_ns ? now_ns : period->last_ns;
    if (!from_ns) from_ns = period->first_ns;
    if (stats.kept && period->first_ns < stats.whole_from_ns) return 0; /* the history has only some nodes' events of that time */
    if (from_ns < stats.first_ns) from_ns = stats.first_ns;
    if (from_ns < stats.whole_from_ns) from_ns = stats.whole_from_ns;
    if (to_ns > now_ns) to_ns = now_ns;
    if (from_ns > period->first_ns) from_ns = period->first_ns; /* evicted meanwhile */
    if (to_ns < period->last_ns) to_ns = period->last_ns;       /* from a clock that is ahead */
    return to_ns - from_ns;
}

int ask_sum_lost(struct ask *ask, const struct history_query *query, uint64_t end, uint64_t *ret_lost) {
    struct history_query gaps = {.kinds = UINT64_C(1) << TRACE_KIND_EVENTS_LOST,
                                 .by_node = query->by_node,
                                 .node_set = query->node_set,
                                 .node_set_bits = query->node_set_bits,
                                 .from_ns = query->from_ns,
                                 .to_ns = query->to_ns,
                                 .work = query->work};
    struct history_visited visited;
    *ret_lost = ask->store->counted ? ask->store->counted->lost : 0;
    if (ask->store->counted) return 0;
    return history_visit(ask->store->history, &gaps, 0, end, count_lost, ret_lost, &visited);
}

static void put_answer(struct ask *ask, const struct count_params *params, const struct counting *counting, uint64_t lost,
                       uint64_t ns) {
    struct trace_text *out = ask->out;
    trace_text_puts(out, "{\"group_by\":[");
    for (size_t i = 0; i < counting->field_count; i++) {
        if (i) trace_text_puts(out, ",");
        put_json_string(out, field_name(params->group_by, i));
    }
    trace_text_puts(out, "],\"value\":");
    if (params->value) {
        trace_text_puts(out, "{\"field\":");
        put_json_string(out, params->value);
        trace_text_puts(out, ",\"unit\":");
        put_json_string(out, counting->value ? trace_field_unit(counting->value) : "ns");
        trace_text_puts(out, "}");
    } else {
        trace_text_puts(out, "null");
    }
    put_member(out, ",\"events\":", counting->events);
    measure_put_seconds(out, ns);
    put_member(out, ",\"groups\":", counting->groups.count);
    put_member(out, ",\"ungrouped\":", counting->ungrouped);
    put_member(out, ",\"lost\":", lost);
    if (counting->measures_took) put_member(out, ",\"took_stepped\":", counting->took.stepped);
}

static int answer_count(struct ask *ask, const struct count_params *params, struct counting *counting, uint64_t lost, uint64_t ns,
                        const struct history_visited *visited) {
    struct measure_parts parts = {0};
    size_t count;
    uint32_t *order = choose_groups(counting, (size_t)params->limit, &count);
    int error = order ? measure_parts(&counting->measure, &parts) : -ENOMEM;
    if (!error) {
        put_answer(ask, params, counting, lost, ns);
        put_rows(ask->out, counting, params, order, count, &parts, ns);
        if (params->explain) answer_put_explanation(ask->out, visited->index, visited->examined);
        trace_text_puts(ask->out, "}");
    }
    free(parts.all);
    free(order);
    return error;
}

static int count_and_answer(struct ask *ask, const struct count_params *params, struct event_filter *filter,
                            struct counting *counting, uint64_t now_ns) {
    uint64_t set[NODES_SET_WORDS], lost;
    struct history_visited visited;
    event_filter_count(filter, &ask->work);
    event_filter_prepare(filter, ask->store, set);
    grace_read_lock();
    uint64_t end = history_end_position(ask->store->history);
    grace_read_unlock();
    int error = counting->measures_took ? took_init(&counting->took, ask, &filter->query) : 0;
    if (!error) error = history_visit(ask->store->history, &filter->query, 0, end, count_event, counting, &visited);
    if (!error) error = ask_sum_lost(ask, &filter->query, end, &lost);
    const struct ask_period period = {counting->first_ns, counting->last_ns, filter->query.from_ns, filter->query.to_ns};
    uint64_t window_ns = counting->events ? ask_rate_ns(ask->store, &period, now_ns) : 0;
    if (!error) error = answer_count(ask, params, counting, lost, window_ns, &visited);
    if (error == -ENOSPC)
        return trace_rpc_fail(&ask->error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", COUNT_SPREAD_USED_MAX),
                              "the numbers of this many groups do not fit; group by less, or filter more");
    return error ? ask_fail(ask, error) : 0;
}

int ask_count(struct ask *ask) {
    struct count_params params;
    struct event_filter filter;
    struct counting counting = {.store = ask->store};
    uint64_t now_ns = store_now_ns(ask->store);
    if (read_params(ask, &params)) return -1;
    int error = event_params_read(ask->store, &params.filter, false, now_ns, &filter, &ask->error);
    if (error) return error;
    counting.aliases = alias_picture_take(ask->store->aliases);
    error = time_param_read("from", params.from, now_ns, &filter.query.from_ns, &ask->error);
    if (!error) error = time_param_read_end("to", params.to, now_ns, &filter.query.to_ns, &ask->error);
    if (!error) error = find_fields(ask, &params, &counting);
    if (!counting.aliases) counting.uses &= ~(unsigned)TRACE_FILTER_USES_PEER; /* a peer stands for itself */
    if (!error) error = count_and_answer(ask, &params, &filter, &counting, now_ns);
    counting_fini(&counting);
    event_filter_fini(&filter);
    return error;
}
