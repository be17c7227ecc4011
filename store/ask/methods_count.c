/* SPDX-License-Identifier: MIT
 *
 * `count`: how many events match, by the values of some fields, and how a number of theirs is spread.
 *
 * One walk over what matches; nothing is kept of an event but its group and its number, in bounded memory (groups.h, spread.h). */
#include "answer.h"
#include "count_groups.h"
#include "count_spread.h"
#include "event_params.h"
#include "limits.h"
#include "methods.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/field.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

/* Between two looks whether anybody still waits. */
#define EVENTS_A_LOOK 4096

struct count_params {
    struct filter_params filter;
    json_t *from, *to, *group_by;
    const char *value;
    int64_t limit;
    bool histogram, explain;
};

/* A sum of numbers does not fit one of them. */
__extension__ typedef unsigned __int128 total;

/* What is summed up of a group. */
struct sum {
    uint64_t events, values, min, max;
    total total;
};

struct counting {
    const struct service *service;
    const _Atomic bool *abandoned; /* the call's */
    struct trace_field *fields[LIMIT_COUNT_FIELDS], *value;
    size_t field_count;
    const struct trace_field *time; /* of `fields`, the first that is one; NULL: none */
    unsigned uses;                  /* TRACE_FILTER_USES_ of all fields */
    struct groups groups;
    struct sum *sums; /* by group */
    size_t sum_capacity;
    struct spread spread;
    uint64_t events, ungrouped, first_ns, last_ns;
};

/* ---- params ------------------------------------------------------------------------------------------------------------- */

static int read_params(struct call *call, struct count_params *params) {
    *params = (struct count_params){.limit = LIMIT_COUNT_ROWS_DEFAULT};
    const struct trace_rpc_param list[] = {
        FILTER_PARAMS(&params->filter),
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"group_by", TRACE_RPC_STRINGS, .json = &params->group_by},
        {"value", TRACE_RPC_STRING, .string = &params->value},
        {"histogram", TRACE_RPC_BOOLEAN, .boolean = &params->histogram},
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = LIMIT_COUNT_ROWS},
        {"explain", TRACE_RPC_BOOLEAN, .boolean = &params->explain},
    };
    if (trace_rpc_params_read(call->request.params, list, sizeof list / sizeof *list, &call->error)) return -1;
    if (params->histogram && !params->value)
        return trace_rpc_fail_param(&call->error, "histogram", "histogram: of which number? value is missing");
    if (json_array_size(params->group_by) > LIMIT_COUNT_FIELDS)
        return trace_rpc_fail_param(&call->error, "group_by", "group_by: at most %d fields", LIMIT_COUNT_FIELDS);
    return 0;
}

/* The name of a field as the client wrote it. */
static const char *field_name(const json_t *group_by, size_t i) {
    return json_string_value(json_is_array(group_by) ? json_array_get(group_by, i) : group_by);
}

static int find_field(struct call *call, const char *param, const char *text, struct counting *counting,
                      struct trace_field **ret_field) {
    int error = expression_find_field(call->service, param, text, ret_field, &call->error);
    if (!error) counting->uses |= trace_field_uses(*ret_field);
    return error;
}

static int find_fields(struct call *call, const struct count_params *params, struct counting *counting) {
    size_t count = json_is_string(params->group_by) ? 1 : json_array_size(params->group_by);
    for (size_t i = 0; i < count; i++) {
        const char *name = field_name(params->group_by, i);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(name, field_name(params->group_by, k)))
                return trace_rpc_fail_param(&call->error, "group_by", "group_by: %.60s comes twice", name);
        if (find_field(call, "group_by", name, counting, &counting->fields[i])) return -1;
        counting->field_count = i + 1;
        if (!counting->time && trace_field_is_time(counting->fields[i])) counting->time = counting->fields[i];
    }
    if (!params->value) return 0;
    if (find_field(call, "value", params->value, counting, &counting->value)) return -1;
    if (trace_field_is_number(counting->value)) return 0;
    return trace_rpc_fail_param(&call->error, "value", "value: %.60s is no number", params->value);
}

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

/* Makes room for the sum of one more group. */
static int grow_sums(struct counting *counting, uint32_t group) {
    if (group < counting->sum_capacity) return 0;
    size_t capacity = counting->sum_capacity ? 2 * counting->sum_capacity : 64;
    struct sum *sums = realloc(counting->sums, capacity * sizeof *sums);
    if (!sums) return -ENOMEM;
    memset(sums + counting->sum_capacity, 0, (capacity - counting->sum_capacity) * sizeof *sums);
    counting->sums = sums;
    counting->sum_capacity = capacity;
    return 0;
}

/* The group of an event, by the values of the fields, each behind its length. */
static int find_group(struct counting *counting, const struct trace_event *event, const struct trace_filter_origin *origin) {
    uint8_t key[LIMIT_COUNT_FIELDS * (1 + TRACE_VALUE_BYTES_MAX)];
    size_t bytes = 0;
    for (size_t i = 0; i < counting->field_count; i++) {
        size_t value_bytes = trace_field_read(counting->fields[i], event, origin, key + bytes + 1);
        key[bytes] = (uint8_t)value_bytes;
        bytes += 1 + value_bytes;
    }
    return groups_find(&counting->groups, key, bytes);
}

static int add_number(struct counting *counting, uint32_t group, uint64_t number) {
    struct sum *sum = &counting->sums[group];
    if (!sum->values || number < sum->min) sum->min = number;
    if (!sum->values || number > sum->max) sum->max = number;
    sum->values++;
    sum->total += number;
    return spread_add(&counting->spread, group, number);
}

/* history_visit's. */
static int count_event(void *context, const struct trace_event *event, history_source source) {
    struct counting *counting = context;
    struct trace_filter_origin origin = {0};
    uint64_t number;
    if (counting->events % EVENTS_A_LOOK == 0 && atomic_load_explicit(counting->abandoned, memory_order_relaxed))
        return -ECANCELED;
    if (counting->uses) expression_origin(counting->service, counting->uses, event, source, &origin);
    if (!counting->events || event->timestamp < counting->first_ns) counting->first_ns = event->timestamp;
    if (!counting->events || event->timestamp > counting->last_ns) counting->last_ns = event->timestamp;
    counting->events++;
    int group = find_group(counting, event, &origin);
    if (group == -ENOSPC) {
        counting->ungrouped++;
        return 0;
    }
    int error = group < 0 ? group : grow_sums(counting, (uint32_t)group);
    if (error) return error;
    counting->sums[group].events++;
    if (!counting->value || !trace_field_number(counting->value, event, &origin, &number)) return 0;
    return add_number(counting, (uint32_t)group, number);
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
    groups_fini(&counting->groups);
    spread_fini(&counting->spread);
    free(counting->sums);
}

/* ---- the answer --------------------------------------------------------------------------------------------------------- */

/* Where a group's parts are among those of all groups. */
struct parts {
    struct spread_part *all;
    size_t count;
};

static const struct spread_part *parts_of(const struct parts *parts, uint32_t group, size_t *ret_count) {
    size_t low = 0, high = parts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (parts->all[middle].group < group)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < parts->count && parts->all[end].group == group) end++;
    *ret_count = end - low;
    return parts->all + low;
}

static void put_member(struct trace_text *out, const char *name, uint64_t number) {
    trace_text_puts(out, name);
    answer_put_unsigned(out, number);
}

static uint64_t at_most(uint64_t number, uint64_t max) { return number < max ? number : max; }

static void put_spread(struct trace_text *out, const struct sum *sum, const struct spread_part *parts, size_t count) {
    trace_text_puts(out, ",\"value\":");
    if (!sum->values) {
        trace_text_puts(out, "null");
        return;
    }
    put_member(out, "{\"count\":", sum->values);
    put_member(out, ",\"min\":", sum->min);
    put_member(out, ",\"p50\":", at_most(spread_quantile(parts, count, 0.5), sum->max));
    put_member(out, ",\"p90\":", at_most(spread_quantile(parts, count, 0.9), sum->max));
    put_member(out, ",\"p99\":", at_most(spread_quantile(parts, count, 0.99), sum->max));
    put_member(out, ",\"max\":", sum->max);
    put_member(out, ",\"mean\":", (uint64_t)((sum->total + sum->values / 2) / sum->values));
    trace_text_puts(out, "}");
}

static void put_histogram(struct trace_text *out, const struct spread_part *parts, size_t count) {
    trace_text_puts(out, ",\"histogram\":[");
    for (size_t i = 0; i < count; i++) {
        put_member(out, i ? ",{\"low\":" : "{\"low\":", spread_bucket_low(parts[i].bucket));
        put_member(out, ",\"high\":", spread_bucket_high(parts[i].bucket));
        put_member(out, ",\"count\":", parts[i].count);
        trace_text_puts(out, "}");
    }
    trace_text_puts(out, "]");
}

static void put_json_string(struct trace_text *out, const char *text) {
    size_t bytes = strlen(text);
    char *begin = trace_text_reserve(out, 6 * bytes + 2);
    if (begin) out->bytes += (size_t)(trace_json_string(begin, text, bytes) - begin);
}

static void put_group(struct trace_text *out, const struct counting *counting, const json_t *group_by, uint32_t group) {
    const uint8_t *key = groups_key(&counting->groups, group);
    trace_text_puts(out, "{\"group\":{");
    for (size_t i = 0; i < counting->field_count; i++) {
        if (i) trace_text_puts(out, ",");
        put_json_string(out, field_name(group_by, i));
        trace_text_puts(out, ":");
        char *begin = trace_text_reserve(out, TRACE_VALUE_JSON_MAX);
        if (begin) out->bytes += (size_t)(trace_value_json(begin, key + 1, key[0]) - begin);
        key += 1 + key[0];
    }
    trace_text_puts(out, "}");
}

static void put_rate(struct trace_text *out, uint64_t events, uint64_t window_ns) {
    char text[40] = "null";
    if (window_ns) snprintf(text, sizeof text, "%.6g", (double)events / ((double)window_ns / 1e9));
    trace_text_puts(out, ",\"rate\":");
    trace_text_puts(out, text);
}

/* The order of two groups by the values of one field, or of all. */
static int compare_values(const struct counting *counting, uint32_t left, uint32_t right, const struct trace_field *only) {
    const uint8_t *a = groups_key(&counting->groups, left), *b = groups_key(&counting->groups, right);
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
    uint64_t x = counting->sums[left].events, y = counting->sums[right].events;
    int order = counting->time ? compare_values(counting, left, right, counting->time) : 0;
    if (order) return order;
    if (x != y) return x > y ? -1 : 1;
    return compare_values(counting, left, right, NULL);
}

/* The rows that are shown, in order: the largest groups, or of those by time the newest.  NULL without memory. */
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

static void put_rows(struct trace_text *out, const struct counting *counting, const struct count_params *params,
                     const uint32_t *order, size_t count, const struct parts *parts, uint64_t window_ns) {
    trace_text_puts(out, ",\"rows\":[");
    for (size_t i = 0; i < count && !out->failed; i++) {
        const struct sum *sum = &counting->sums[order[i]];
        size_t part_count;
        const struct spread_part *own = parts_of(parts, order[i], &part_count);
        if (i) trace_text_puts(out, ",");
        put_group(out, counting, params->group_by, order[i]);
        put_member(out, ",\"count\":", sum->events);
        put_rate(out, sum->events, window_ns);
        if (counting->value) put_spread(out, sum, own, part_count);
        if (params->histogram) put_histogram(out, own, part_count);
        trace_text_puts(out, "}");
    }
    trace_text_puts(out, "]");
}

/* ---- the method --------------------------------------------------------------------------------------------------------- */

/* The time that rates are of: from `from` to `to` as far as it has passed and the history reaches back; where one is absent, from the first
 * or to the last event that was counted.  A `from` without a `to` means until now. */
static uint64_t window_ns(const struct call *call, const struct counting *counting, const struct history_query *query,
                          uint64_t now_ns) {
    struct history_stats stats;
    if (!counting->events) return 0;
    history_stats(call->service->history, &stats);
    uint64_t from_ns = query->from_ns, to_ns = query->to_ns ? query->to_ns : query->from_ns ? now_ns : counting->last_ns;
    if (!from_ns) from_ns = counting->first_ns;
    if (from_ns < stats.first_ns) from_ns = stats.first_ns;
    if (to_ns > now_ns) to_ns = now_ns;
    if (from_ns > counting->first_ns) from_ns = counting->first_ns; /* evicted meanwhile */
    if (to_ns < counting->last_ns) to_ns = counting->last_ns;       /* of a clock that is ahead */
    return to_ns - from_ns;
}

/* What was lost of the nodes and the time that were asked for. */
static int sum_lost(struct call *call, const struct history_query *query, uint64_t end, uint64_t *ret_lost) {
    struct history_query gaps = {.kinds = UINT64_C(1) << TRACE_KIND_EVENTS_LOST,
                                 .by_node = query->by_node,
                                 .node_set = query->node_set,
                                 .node_set_bits = query->node_set_bits,
                                 .from_ns = query->from_ns,
                                 .to_ns = query->to_ns};
    struct history_visited visited;
    *ret_lost = 0;
    return history_visit(call->service->history, &gaps, 0, end, count_lost, ret_lost, &visited);
}

static void put_seconds(struct trace_text *out, uint64_t ns) {
    char text[40] = "null";
    if (ns) snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
    trace_text_puts(out, ",\"seconds\":");
    trace_text_puts(out, text);
}

static void put_answer(struct call *call, const struct count_params *params, const struct counting *counting, uint64_t lost,
                       uint64_t ns) {
    struct trace_text *out = call->out;
    trace_rpc_begin_result(out, call->request.id);
    trace_text_puts(out, "{\"group_by\":[");
    for (size_t i = 0; i < counting->field_count; i++) {
        if (i) trace_text_puts(out, ",");
        put_json_string(out, field_name(params->group_by, i));
    }
    trace_text_puts(out, "],\"value\":");
    if (counting->value) {
        trace_text_puts(out, "{\"field\":");
        put_json_string(out, params->value);
        trace_text_puts(out, ",\"unit\":");
        put_json_string(out, trace_field_unit(counting->value));
        trace_text_puts(out, "}");
    } else {
        trace_text_puts(out, "null");
    }
    put_member(out, ",\"events\":", counting->events);
    put_seconds(out, ns);
    put_member(out, ",\"groups\":", counting->groups.count);
    put_member(out, ",\"ungrouped\":", counting->ungrouped);
    put_member(out, ",\"lost\":", lost);
}

static int answer_count(struct call *call, const struct count_params *params, struct counting *counting, uint64_t lost,
                        uint64_t ns, const struct history_visited *visited) {
    struct parts parts = {0};
    size_t count;
    uint32_t *order = choose_groups(counting, (size_t)params->limit, &count);
    int error = order ? spread_parts(&counting->spread, &parts.all, &parts.count) : -ENOMEM;
    if (!error) {
        put_answer(call, params, counting, lost, ns);
        put_rows(call->out, counting, params, order, count, &parts, ns);
        if (params->explain) answer_put_explanation(call->out, visited->index, visited->examined);
        trace_text_puts(call->out, "}");
        trace_rpc_end(call->out);
    }
    free(parts.all);
    free(order);
    return error;
}

static int count_and_answer(struct call *call, const struct count_params *params, struct filter *filter,
                            struct counting *counting, uint64_t now_ns) {
    uint64_t set[IDS_NODE_SET_WORDS], lost;
    struct history_visited visited;
    filter_prepare(filter, call->service, set);
    rcu_read_lock();
    uint64_t end = history_end(call->service->history);
    rcu_read_unlock();
    int error = history_visit(call->service->history, &filter->query, 0, end, count_event, counting, &visited);
    if (!error) error = sum_lost(call, &filter->query, end, &lost);
    if (!error) error = answer_count(call, params, counting, lost, window_ns(call, counting, &filter->query, now_ns), &visited);
    if (error == -ENOSPC)
        return trace_rpc_fail(&call->error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", SPREAD_USED_MAX),
                              "the numbers of so many groups do not fit; group by less, or filter more");
    return error ? trace_rpc_fail(&call->error, TRACE_RPC_INTERNAL, NULL, "out of memory") : 0;
}

/* It looks at all that matches. */
bool methods_count_is_long(const struct call *call) {
    (void)call;
    return true;
}

int methods_count(struct call *call) {
    struct count_params params;
    struct filter filter;
    struct counting counting = {.service = call->service, .abandoned = call->abandoned};
    uint64_t now_ns = service_unix_ns();
    if (read_params(call, &params)) return -1;
    int error = filter_read(call->service, &params.filter, false, now_ns, &filter, &call->error);
    if (error) return error;
    error = methods_read_time("from", params.from, now_ns, &filter.query.from_ns, &call->error);
    if (!error) error = methods_read_time("to", params.to, now_ns, &filter.query.to_ns, &call->error);
    if (!error && params.to && !filter.query.to_ns) filter.query.to_ns = 1; /* 0 means no end there, and nothing is before 1970 */
    if (!error) error = find_fields(call, &params, &counting);
    if (!error) error = count_and_answer(call, &params, &filter, &counting, now_ns);
    counting_fini(&counting);
    filter_fini(&filter);
    return error;
}
