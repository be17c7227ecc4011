/* SPDX-License-Identifier: MIT
 *
 * `requests`: by command, node or time: how many requests ended, how many of them failed, and how long they took.
 *
 * A request is a trace whose root span began here.  Its outcome and `took` are those of `traces` (history_trace).  A request
 * that has ended is counted at its end, an open one at its beginning. */
#include "ask_methods.h"
#include "count_groups.h"
#include "expression.h"
#include "measure.h"
#include "trace_sieve.h"

#include <errno.h>
#include <proto/event_json.h>
#include <proto/quantity.h>
#include <stdlib.h>
#include <store/grace.h>
#include <store/limits.h>
#include <store/time_param.h>
#include <store/value.h>
#include <string.h>

enum group_field { GROUP_COMMAND = 1, GROUP_NODE = 2, GROUP_TIME = 4 };

struct requests_params {
    json_t *from, *to, *at, *group_by;
    const char *filter, *app;
    int64_t limit;
    bool histogram;
    unsigned fields;   /* enum group_field */
    uint64_t every_ns; /* with GROUP_TIME */
};

/* The key of a group; every byte of it is compared. */
struct request_key {
    uint64_t time_ns;
    struct trace_node_id node_id;
    struct trace_names names;
    char app_id[4];
    uint16_t cmd;
    bool has_app;
};

struct tally {
    uint64_t ended, failed, expired, open;
    uint64_t stepped; /* of those that ended: their duration is unknown, because of a step of the clock */
    struct trace_id slowest;
    uint64_t slowest_ns;
    bool has_slowest;
};

struct requests {
    const struct store *store;
    struct trace_sieve sieve; /* its filter is NULL without one */
    const struct requests_params *params;
    uint64_t from_ns, to_ns; /* [from, to); to 0: no end */
    uint64_t at_ns;          /* only events before that; 0: all */
    struct count_groups groups;
    struct tally *tallies; /* by group; `capacity` of them */
    size_t capacity;
    struct measure took;
    uint64_t ended, open, stepped, rootless, ungrouped, first_ns, last_ns;
    int error;
};

/* ---- params ------------------------------------------------------------------------------------------------------------- */

static int read_field(struct requests_params *params, const char *name, struct trace_rpc_error *ret_error) {
    struct trace_quantity every;
    unsigned field = !strcmp(name, "command") ? GROUP_COMMAND : !strcmp(name, "node") ? GROUP_NODE : 0;
    if (!strncmp(name, "time/", 5)) {
        field = GROUP_TIME;
        if (trace_quantity_parse(name + 5, &every) || (every.unit != TRACE_UNIT_TIME && every.unit != TRACE_UNIT_NONE) ||
            every.value < 1000)
            return trace_rpc_fail_param(ret_error, "group_by",
                                        "group_by: %.60s: a duration from 1us on is expected, like time/1s", name);
        params->every_ns = every.value;
    }
    if (!field)
        return trace_rpc_fail_param(ret_error, "group_by",
                                    "group_by: requests are grouped by command, node or time/1s, not %.60s", name);
    if (params->fields & field) return trace_rpc_fail_param(ret_error, "group_by", "group_by: %.60s is given twice", name);
    params->fields |= field;
    return 0;
}

static int read_params(struct ask *ask, struct requests_params *params) {
    *params = (struct requests_params){.limit = STORE_COUNT_ROWS_DEFAULT};
    const struct trace_rpc_param list[] = {
        {"from", TRACE_RPC_TIME, .json = &params->from},
        {"to", TRACE_RPC_TIME, .json = &params->to},
        {"at", TRACE_RPC_TIME, .json = &params->at},
        {"app", TRACE_RPC_STRING, .string = &params->app},
        {"filter", TRACE_RPC_STRING, .string = &params->filter},
        {"group_by", TRACE_RPC_STRINGS, .json = &params->group_by},
        {"histogram", TRACE_RPC_BOOLEAN, .boolean = &params->histogram},
        {"limit", TRACE_RPC_INTEGER, .integer = &params->limit, .min = 1, .max = STORE_COUNT_ROWS_MAX},
    };
    if (trace_rpc_params_read(ask->params, list, sizeof list / sizeof *list, &ask->error)) return -1;
    if (params->app && strlen(params->app) > 4)
        return trace_rpc_fail_param(&ask->error, "app", "app: an application id has at most 4 characters");
    if (!params->group_by) params->fields = GROUP_COMMAND;
    if (json_is_string(params->group_by)) return read_field(params, json_string_value(params->group_by), &ask->error);
    for (size_t i = 0; i < json_array_size(params->group_by); i++)
        if (read_field(params, json_string_value(json_array_get(params->group_by, i)), &ask->error)) return -1;
    return 0;
}

/* ---- counting ----------------------------------------------------------------------------------------------------------- */

static void key_read(struct request_key *key, const struct requests *requests, const struct history_trace *trace,
                     uint64_t time_ns) {
    unsigned fields = requests->params->fields;
    memset(key, 0, sizeof *key); /* its padding, too */
    if (fields & GROUP_TIME) key->time_ns = time_ns - time_ns % requests->params->every_ns;
    if (fields & GROUP_NODE) {
        grace_read_lock();
        const struct node *node = nodes_at(requests->store->nodes, trace->root_node);
        if (node) key->node_id = node->info.node_id;
        grace_read_unlock();
    }
    if (!(fields & GROUP_COMMAND)) return;
    key->has_app = trace->has_app;
    key->cmd = trace->cmd;
    memcpy(key->app_id, trace->app_id, sizeof key->app_id);
    trace_names_find(requests->store, trace, &key->names);
}

static int grow_tallies(struct requests *requests, uint32_t group) {
    if (group < requests->capacity) return 0;
    size_t capacity = requests->capacity ? 2 * requests->capacity : 64;
    struct tally *tallies = realloc(requests->tallies, capacity * sizeof *tallies);
    if (!tallies) return -ENOMEM;
    memset(tallies + requests->capacity, 0, (capacity - requests->capacity) * sizeof *tallies);
    requests->tallies = tallies;
    requests->capacity = capacity;
    return 0;
}

static int tally_add(struct requests *requests, uint32_t group, const struct history_trace *trace) {
    int error = grow_tallies(requests, group);
    if (error) return error;
    struct tally *tally = &requests->tallies[group];
    tally->ended += trace->has_end;
    tally->open += !trace->has_end;
    tally->failed += trace->has_end && trace->outcome == HISTORY_OUTCOME_FAILED;
    tally->expired += trace->has_end && trace->outcome == HISTORY_OUTCOME_EXPIRED;
    tally->stepped += trace->took_stepped;
    if (!trace->has_took) return 0;
    if (!tally->has_slowest || trace->took_ns > tally->slowest_ns ||
        (trace->took_ns == tally->slowest_ns && memcmp(&trace->trace_id, &tally->slowest, sizeof tally->slowest) < 0)) {
        tally->has_slowest = true;
        tally->slowest = trace->trace_id;
        tally->slowest_ns = trace->took_ns;
    }
    return measure_add(&requests->took, group, trace->took_ns);
}

static bool is_app(const struct requests *requests, const struct history_trace *trace) {
    const char *app = requests->params->app;
    return !app || (strnlen(trace->app_id, sizeof trace->app_id) == strlen(app) && !memcmp(trace->app_id, app, strlen(app)));
}

static int count_trace(struct requests *requests, const struct history_trace *trace) {
    struct request_key key;
    uint64_t time_ns = trace->has_end ? trace->end.time_ns : trace->root_ns;
    if (time_ns < requests->from_ns || (requests->to_ns && time_ns >= requests->to_ns)) return 0;
    if (!(requests->ended + requests->open) || time_ns < requests->first_ns) requests->first_ns = time_ns;
    if (time_ns > requests->last_ns) requests->last_ns = time_ns;
    requests->ended += trace->has_end;
    requests->open += !trace->has_end;
    requests->stepped += trace->took_stepped;
    key_read(&key, requests, trace, time_ns);
    int group = count_groups_find(&requests->groups, &key, sizeof key);
    if (group == -ENOSPC) {
        requests->ungrouped++;
        return 0;
    }
    return group < 0 ? group : tally_add(requests, (uint32_t)group, trace);
}

static void see(void *context, const struct trace_event *event, history_source source) {
    struct requests *requests = context;
    if (requests->sieve.filter) trace_sieve_see(&requests->sieve, event, source);
}

/* history_trace_test.keep: counts the trace, and has the history return none. */
static bool note_trace(void *context, const struct history_trace *trace) {
    struct requests *requests = context;
    bool wanted = !requests->sieve.filter || trace_sieve_keep(&requests->sieve, trace);
    if (!wanted || requests->error || !trace->events || !is_app(requests, trace)) return false;
    if (trace->has_root)
        requests->error = count_trace(requests, trace);
    else
        requests->rootless += trace->has_app && trace->outcome != HISTORY_OUTCOME_NONE;
    return false;
}

static void requests_fini(struct requests *requests) {
    count_groups_fini(&requests->groups);
    measure_fini(&requests->took);
    free(requests->tallies);
}

/* ---- the answer --------------------------------------------------------------------------------------------------------- */

static void put_member(struct trace_text *out, const char *name, uint64_t number) {
    trace_text_puts(out, name);
    value_put_unsigned(out, number);
}

static const struct request_key *key_of(const struct requests *requests, uint32_t group, struct request_key *room) {
    memcpy(room, count_groups_key(&requests->groups, group), sizeof *room); /* keys are not aligned */
    return room;
}

static void put_json(struct trace_text *out, const char *name, json_t *value_new) {
    trace_text_puts(out, name);
    trace_rpc_write_json(out, value_new);
    json_decref(value_new);
}

static void put_group(struct trace_text *out, const struct requests *requests, uint32_t group) {
    struct request_key room;
    const struct request_key *key = key_of(requests, group, &room);
    unsigned fields = requests->params->fields;
    const char *comma = "";
    trace_text_puts(out, "{\"group\":{");
    if (fields & GROUP_TIME) {
        put_member(out, "\"time\":", key->time_ns / 1000);
        comma = ",";
    }
    if (fields & GROUP_NODE) {
        trace_text_puts(out, comma);
        put_json(out, "\"node_id\":", nodes_id_is_known(&key->node_id) ? value_node_id(&key->node_id) : json_null());
        comma = ",";
    }
    if (fields & GROUP_COMMAND) {
        const struct trace_names *names = &key->names;
        trace_text_puts(out, comma);
        put_json(out, "\"app_id\":", key->has_app ? value_text(key->app_id, sizeof key->app_id) : json_null());
        put_json(out, ",\"app\":", names->app[0] ? value_text(names->app, sizeof names->app) : json_null());
        put_json(out, ",\"cmd\":", key->has_app ? json_integer(key->cmd) : json_null());
        put_json(out, ",\"command\":", names->command[0] ? value_text(names->command, sizeof names->command) : json_null());
    }
    trace_text_puts(out, "}");
}

static void put_row(struct trace_text *out, const struct requests *requests, uint32_t group, const struct measure_parts *parts,
                    uint64_t window_ns) {
    const struct tally *tally = &requests->tallies[group];
    put_group(out, requests, group);
    put_member(out, ",\"count\":", tally->ended);
    measure_put_rate(out, tally->ended, requests->params->fields & GROUP_TIME ? requests->params->every_ns : window_ns);
    put_member(out, ",\"failed\":", tally->failed);
    put_member(out, ",\"expired\":", tally->expired);
    put_member(out, ",\"open\":", tally->open);
    put_member(out, ",\"took_stepped\":", tally->stepped);
    measure_put(out, "took", &requests->took, parts, group);
    put_json(out, ",\"slowest\":", tally->has_slowest ? value_trace_id(&tally->slowest) : json_null());
    if (requests->params->histogram) measure_put_histogram(out, parts, group);
    trace_text_puts(out, "}");
}

/* By time, then those with most requests first, then by what they are. */
static int group_compare(const void *a, const void *b, void *context) {
    const struct requests *requests = context;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    struct request_key x_room, y_room;
    const struct request_key *x = key_of(requests, left, &x_room), *y = key_of(requests, right, &y_room);
    uint64_t x_count = requests->tallies[left].ended + requests->tallies[left].open,
             y_count = requests->tallies[right].ended + requests->tallies[right].open;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    if (x_count != y_count) return x_count > y_count ? -1 : 1;
    return memcmp((const uint8_t *)x, (const uint8_t *)y, sizeof *x); /* key_read has zeroed its padding */
}

static void put_fields(struct trace_text *out, const struct requests_params *params) {
    trace_text_puts(out, "{\"group_by\":");
    if (json_is_array(params->group_by))
        trace_rpc_write_json(out, params->group_by);
    else
        put_json(out, "", json_pack("[s]", params->group_by ? json_string_value(params->group_by) : "command"));
}

static int put_answer(struct ask *ask, const struct requests *requests, uint64_t window_ns, uint64_t lost) {
    struct trace_text *out = ask->out;
    struct measure_parts parts = {0};
    uint32_t count = requests->groups.count, shown = count, *order = malloc((count ? count : 1) * sizeof *order);
    int error = order ? measure_parts(&requests->took, &parts) : -ENOMEM;
    if (!error) {
        for (uint32_t i = 0; i < count; i++) order[i] = i;
        qsort_r(order, count, sizeof *order, group_compare, (void *)requests);
        if (shown > requests->params->limit) shown = (uint32_t)requests->params->limit;
        uint32_t first = requests->params->fields & GROUP_TIME ? count - shown : 0; /* by time, the newest */
        put_fields(out, requests->params);
        put_member(out, ",\"requests\":", requests->ended);
        put_member(out, ",\"open\":", requests->open);
        put_member(out, ",\"took_stepped\":", requests->stepped);
        put_member(out, ",\"rootless\":", requests->rootless);
        measure_put_seconds(out, window_ns);
        put_member(out, ",\"groups\":", count);
        put_member(out, ",\"ungrouped\":", requests->ungrouped);
        put_member(out, ",\"lost\":", lost);
        trace_text_puts(out, ",\"rows\":[");
        for (uint32_t i = first; i < first + shown && !out->failed; i++) {
            if (i > first) trace_text_puts(out, ",");
            put_row(out, requests, order[i], &parts, window_ns);
        }
        trace_text_puts(out, "]}");
    }
    free(parts.all);
    free(order);
    return error;
}

/* ---- the method --------------------------------------------------------------------------------------------------------- */

static int count_part(const struct requests *requests, struct history *part, const struct history_traces_query *query) {
    struct history_trace *none;
    size_t count;
    int error = history_traces(part, query, &none, &count, NULL);
    if (error) return error;
    free(none);
    return requests->error;
}

static int count_and_answer(struct ask *ask, struct requests *requests, uint64_t now_ns) {
    const struct history_trace_test test = {requests, see, note_trace};
    const struct history_traces_query query = {.from_ns = requests->from_ns,
                                               .to_ns = requests->to_ns,
                                               .until_ns = requests->at_ns,
                                               .test = &test,
                                               .limit = 1,
                                               .work = &ask->work};
    const uint64_t to_ns = requests->to_ns, at_ns = requests->at_ns;
    const struct history_query gaps = {
        .from_ns = requests->from_ns, .to_ns = at_ns && (!to_ns || at_ns < to_ns) ? at_ns : to_ns, .work = &ask->work};
    const struct store_parts *parts = ask->store->parts;
    struct history *part = ask->store->history;
    uint64_t lost = 0;
    grace_read_lock();
    uint64_t end = history_end_position(ask->store->history);
    grace_read_unlock();
    int error = count_part(requests, part, &query);
    while (!error && parts && !(error = parts->next(parts->owner, &part)) && part) error = count_part(requests, part, &query);
    if (!error) error = ask_sum_lost(ask, &gaps, end, &lost);
    const struct ask_period period = {requests->first_ns, requests->last_ns, requests->from_ns, requests->to_ns};
    uint64_t window_ns = requests->ended + requests->open ? ask_rate_ns(ask->store, &period, now_ns) : 0;
    if (!error) error = put_answer(ask, requests, window_ns, lost);
    if (error == -ENOSPC)
        return trace_rpc_fail(&ask->error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", COUNT_SPREAD_USED_MAX),
                              "the times of this many groups do not fit; group by less, or filter more");
    return error ? ask_fail(ask, error) : 0;
}

int ask_requests(struct ask *ask) {
    struct requests_params params;
    uint64_t now_ns = store_now_ns(ask->store);
    struct requests requests = {
        .store = ask->store, .params = &params, .sieve = {.store = ask->store, .now_ns = now_ns, .work = &ask->work}};
    struct expression *expression = NULL;
    if (read_params(ask, &params)) return -1;
    int error = time_param_read("from", params.from, now_ns, &requests.from_ns, &ask->error);
    if (!error) error = time_param_read_end("to", params.to, now_ns, &requests.to_ns, &ask->error);
    if (!error) error = time_param_read_end("at", params.at, now_ns, &requests.at_ns, &ask->error);
    if (requests.at_ns) requests.sieve.now_ns = now_ns = requests.at_ns;
    if (!error && params.filter) {
        error =
            expression_create(&expression, ask->store, "filter", params.filter, TRACE_FILTER_TRACES, true, now_ns, &ask->error);
        if (!error) requests.sieve.filter = expression->filter;
        if (!error) requests.sieve.aliases = expression->aliases;
    }
    if (!error) error = count_and_answer(ask, &requests, now_ns);
    expression_destroy(expression);
    requests_fini(&requests);
    return error;
}
