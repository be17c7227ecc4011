/* SPDX-License-Identifier: MIT
 *
 * `requests`, and `took` as a number of `count`: against a simple model of random requests, and cases that the model does not
 * reach.  Also numbers of `count` and `peers` that were wrong once. */
#include "store_fixture.h"

#include <inttypes.h>
#include <proto/event_clock.h>
#include <proto/rpc.h>
#include <stdlib.h>
#include <store/ask.h>

#define BEGIN_NS FIXTURE_BEGIN_NS
#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static struct store *store;
static uint32_t nodes[2], sequence;
static uint8_t clock_steps; /* of the events to come */

static void setup(void) {
    struct node_info alice = fixture_node("alice", 0xaa), bob = fixture_node("bob", 0xbb);
    struct trace_app app = {.app_id = "TEST", .name = "a test", .command_count = 2, .commands = {{1, "GET"}, {2, "PUT"}}};
    ck_assert_int_eq(store_create(&store, 0), 0);
    ck_assert_int_eq(store_add_node(store, &alice, NODE_LIVE, &nodes[0]), 0);
    ck_assert_int_eq(store_add_node(store, &bob, NODE_LIVE, &nodes[1]), 0);
    for (unsigned i = 0; i < 2; i++) store_add_app(store, nodes[i], &app);
    sequence = 0;
    clock_steps = 0;
}

static void teardown(void) { store_destroy(store); }

static void append(unsigned node, struct trace_event *event) {
    event->sequence = sequence++;
    trace_event_set_clock_steps(event, clock_steps);
    ck_assert_int_eq(store_append(store, nodes[node], 0, event, 1), 0);
}

static struct trace_event event_of(uint64_t at_ns, unsigned trace, enum trace_kind kind) {
    struct trace_event event = {.timestamp = BEGIN_NS + at_ns, .kind = (uint16_t)kind, .flags = TRACE_FLAG_SAMPLED};
    memcpy(event.trace_id.bytes, &trace, sizeof trace);
    event.trace_id.bytes[15] = 1;
    return event;
}

static void start(uint64_t at_ns, unsigned node, unsigned trace, uint64_t span, uint64_t parent, uint16_t cmd) {
    struct trace_event event = event_of(at_ns, trace, TRACE_KIND_APP_START);
    event.data.app_start = (struct trace_app_start){.span_id = span, .parent_id = parent, .app_id = "TEST", .cmd = cmd};
    append(node, &event);
}

enum how { FAILED, FINE, EXPIRED };

static void end(uint64_t at_ns, unsigned node, unsigned trace, uint64_t span, enum how how, uint16_t cmd) {
    struct trace_event event = event_of(at_ns, trace, TRACE_KIND_APP_END);
    event.data.app_end = (struct trace_app_end){.span_id = span, .app_id = "TEST", .cmd = cmd, .ok = how == FINE};
    if (how == EXPIRED) event.flags |= TRACE_FLAG_EXPIRED;
    append(node, &event);
}

static json_t *ask(const char *method, const char *params) {
    struct trace_text out = {0};
    struct trace_rpc_error error;
    json_t *object = json_loads(params, 0, NULL);
    ck_assert_ptr_nonnull(object);
    ck_assert_msg(!store_ask(store, method, object, &out, &error), "%s", error.message);
    json_t *result = json_loadb(out.data, out.bytes, 0, NULL);
    ck_assert_ptr_nonnull(result);
    trace_text_fini(&out);
    json_decref(object);
    return result;
}

static void assert_refused(const char *method, const char *params) {
    struct trace_text out = {0};
    struct trace_rpc_error error;
    json_t *object = json_loads(params, 0, NULL);
    ck_assert(store_ask(store, method, object, &out, &error));
    ck_assert_int_eq(error.code, TRACE_RPC_INVALID_PARAMS);
    trace_rpc_error_fini(&error);
    trace_text_fini(&out);
    json_decref(object);
}

static const json_t *row(const json_t *answer, size_t i) { return json_array_get(json_object_get(answer, "rows"), i); }
static json_int_t number(const json_t *object, const char *name) {
    ck_assert_msg(json_is_integer(json_object_get(object, name)), "%s", name);
    return json_integer_value(json_object_get(object, name));
}
static json_int_t took(const json_t *row, const char *name) { return number(json_object_get(row, "took"), name); }
static const char *group_text(const json_t *row, const char *name) {
    return json_string_value(json_object_get(json_object_get(row, "group"), name));
}

/* ---- against a model ---------------------------------------------------------------------------------------------------- */

#define REQUESTS 400

static struct request {
    uint64_t start_ns, end_ns; /* since BEGIN_NS; end 0: none */
    unsigned node;
    uint16_t cmd;
    enum how how;
} model[REQUESTS];

static uint64_t state = 1;
static unsigned random_below(unsigned limit) {
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state >> 33) % limit;
}

static void make_model(void) {
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *request = &model[i];
        *request = (struct request){.start_ns = (uint64_t)random_below(20000) * MS + random_below(1000),
                                    .node = random_below(2),
                                    .cmd = (uint16_t)(1 + random_below(2)),
                                    .how = random_below(8)   ? FINE
                                           : random_below(2) ? FAILED
                                                             : EXPIRED};
        if (random_below(10)) request->end_ns = request->start_ns + random_below(3000000) * (uint64_t)random_below(300);
        /* a part on the other node, which is not a request; in half of the cases it outlives its root */
        start(request->start_ns, request->node, i, 1, 0, request->cmd);
        start(request->start_ns + 1, !request->node, i, 2, 1, request->cmd);
        end(request->start_ns + random_below(100000000), !request->node, i, 2, random_below(2) ? FINE : FAILED, request->cmd);
        if (request->end_ns) end(request->end_ns, request->node, i, 1, request->how, request->cmd);
    }
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The expected row for the requests of a command (0: all) and node (2: all) that ended, or that began without ending, in
 * [from, to). */
static void check_row(const json_t *row, unsigned cmd, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    uint64_t numbers[REQUESTS], sum = 0;
    json_int_t count = 0, failed = 0, expired = 0, open = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        const struct request *request = &model[i];
        uint64_t at_ns = request->end_ns ? request->end_ns : request->start_ns;
        if ((cmd && request->cmd != cmd) || (node < 2 && request->node != node) || at_ns < from_ns || at_ns >= to_ns) continue;
        open += !request->end_ns;
        if (!request->end_ns) continue;
        failed += request->how == FAILED;
        expired += request->how == EXPIRED;
        numbers[count] = request->end_ns - request->start_ns;
        sum += numbers[count++];
    }
    ck_assert_int_gt(count, 5);
    qsort(numbers, (size_t)count, sizeof *numbers, compare_numbers);
    ck_assert_int_eq(number(row, "count"), count);
    ck_assert_int_eq(number(row, "failed"), failed);
    ck_assert_int_eq(number(row, "expired"), expired);
    ck_assert_int_eq(number(row, "open"), open);
    ck_assert_int_eq(took(row, "count"), count);
    ck_assert_int_eq(took(row, "min"), (json_int_t)numbers[0]);
    ck_assert_int_eq(took(row, "max"), (json_int_t)numbers[count - 1]);
    ck_assert_int_eq(took(row, "sum"), (json_int_t)sum);
    static const struct {
        const char *name;
        unsigned percent;
    } percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t exact = numbers[(percentiles[i].percent * (size_t)count + 99) / 100 - 1];
        json_int_t told = took(row, percentiles[i].name);
        ck_assert_int_ge(told, (json_int_t)exact);
        ck_assert_int_le(told, (json_int_t)(exact + exact / 128));
    }
}

START_TEST(requests_agree_with_a_model) {
    make_model();
    json_t *answer = ask("requests", "{}");
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "rows")), 2);
    for (unsigned i = 0; i < 2; i++) {
        bool get = !strcmp(group_text(row(answer, i), "command"), "GET");
        ck_assert_str_eq(group_text(row(answer, i), "app"), "a test");
        check_row(row(answer, i), get ? 1 : 2, 2, 0, UINT64_MAX);
    }
    ck_assert_int_ge(number(row(answer, 0), "count") + number(row(answer, 0), "open"),
                     number(row(answer, 1), "count") + number(row(answer, 1), "open"));
    ck_assert_int_eq(number(answer, "requests") + number(answer, "open"), REQUESTS);
    json_decref(answer);
    answer = ask("requests", "{\"group_by\":[\"node\",\"command\"]}");
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "rows")), 4);
    for (unsigned i = 0; i < 4; i++)
        check_row(row(answer, i), !strcmp(group_text(row(answer, i), "command"), "GET") ? 1 : 2,
                  strncmp(group_text(row(answer, i), "node_id"), "aa", 2) != 0, 0, UINT64_MAX);
    json_decref(answer);
}
END_TEST

START_TEST(a_time_has_the_requests_that_ended_in_it) {
    char params[200];
    make_model();
    snprintf(params, sizeof params, "{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"group_by\":\"node\"}",
             (BEGIN_NS + 5 * SECOND) / 1000, (BEGIN_NS + 9 * SECOND) / 1000);
    json_t *answer = ask("requests", params);
    for (unsigned i = 0; i < 2; i++)
        check_row(row(answer, i), 0, strncmp(group_text(row(answer, i), "node_id"), "aa", 2) != 0, 5 * SECOND, 9 * SECOND);
    double rate = json_number_value(json_object_get(row(answer, 0), "rate")), count = (double)number(row(answer, 0), "count");
    ck_assert_double_eq_tol(json_number_value(json_object_get(answer, "seconds")), 4, 1e-9);
    ck_assert_double_eq_tol(rate, count / 4, 1e-3);
    json_decref(answer);
}
END_TEST

START_TEST(rates_by_time_are_of_a_rows_own_time) {
    make_model();
    json_t *answer = ask("requests", "{\"group_by\":[\"time/2s\"],\"limit\":5}");
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "rows")), 5);
    for (unsigned i = 0; i < 5; i++) {
        json_int_t time = number(json_object_get(row(answer, i), "group"), "time");
        ck_assert_int_eq(time % 2000000, 0);
        if (i) ck_assert_int_gt(time, number(json_object_get(row(answer, i - 1), "group"), "time"));
        ck_assert_double_eq_tol(json_number_value(json_object_get(row(answer, i), "rate")),
                                (double)number(row(answer, i), "count") / 2, 1e-6);
    }
    json_decref(answer);
}
END_TEST

/* `count --value took` agrees with `requests` and `traces`. */
START_TEST(count_measures_what_requests_measures) {
    static const char *const names[] = {"count", "min", "p50", "p90", "p99", "max", "mean", "sum"};
    make_model();
    json_t *requests = ask("requests", "{}");
    json_t *counts = ask("count", "{\"value\":\"took\",\"group_by\":\"command\",\"kind\":\"app_end\",\"histogram\":true}");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(counts, "value"), "unit")), "ns");
    for (unsigned i = 0; i < 2; i++) {
        const json_t *count = NULL;
        for (unsigned k = 0; k < 2; k++)
            if (!strcmp(group_text(row(counts, k), "command"), group_text(row(requests, i), "command"))) count = row(counts, k);
        const json_t *value = json_object_get(count, "value");
        for (unsigned k = 0; k < 8; k++) ck_assert_int_eq(number(value, names[k]), took(row(requests, i), names[k]));
        ck_assert_int_gt(number(count, "count"), number(value, "count")); /* ends of parts are events, not requests */
        json_int_t sum = 0;
        size_t at;
        const json_t *bucket;
        json_array_foreach(json_object_get(count, "histogram"), at, bucket) sum += number(bucket, "count");
        ck_assert_int_eq(sum, number(value, "count"));
    }
    json_decref(counts);
    counts = ask("count", "{\"value\":\"took\",\"kind\":\"app_start\"}"); /* no start has it */
    ck_assert(json_is_null(json_object_get(row(counts, 0), "value")));
    json_decref(counts);
    json_decref(requests);
}
END_TEST

START_TEST(the_slowest_is_the_first_of_traces) {
    make_model();
    json_t *requests = ask("requests", "{}"), *traces;
    for (unsigned i = 0; i < 2; i++) {
        char params[200];
        snprintf(params, sizeof params, "{\"order\":\"slowest\",\"limit\":1,\"filter\":\"command == %s and took >= 0\"}",
                 group_text(row(requests, i), "command"));
        traces = ask("traces", params);
        const json_t *first = json_array_get(json_object_get(traces, "traces"), 0);
        ck_assert_str_eq(json_string_value(json_object_get(row(requests, i), "slowest")),
                         json_string_value(json_object_get(first, "trace_id")));
        ck_assert_int_eq(took(row(requests, i), "max"), number(first, "took"));
        json_decref(traces);
    }
    json_decref(requests);
}
END_TEST

START_TEST(a_filter_chooses_whole_traces) {
    make_model();
    json_t *slow = ask("requests", "{\"filter\":\"took > 200ms\"}"), *fast = ask("requests", "{\"filter\":\"took <= 200ms\"}");
    json_t *all = ask("requests", "{}"), *app = ask("requests", "{\"app\":\"TEST\"}"),
           *none = ask("requests", "{\"app\":\"NO\"}");
    ck_assert_int_gt(number(slow, "requests"), 10);
    ck_assert_int_gt(number(fast, "requests"), 10);
    ck_assert_int_eq(number(slow, "requests") + number(fast, "requests"), number(all, "requests"));
    ck_assert_int_eq(number(app, "requests"), number(all, "requests"));
    ck_assert_int_eq(number(none, "requests"), 0);
    ck_assert(json_is_null(json_object_get(none, "seconds")));
    json_decref(slow), json_decref(fast), json_decref(all), json_decref(app), json_decref(none);
}
END_TEST

/* ---- cases -------------------------------------------------------------------------------------------------------------- */

START_TEST(requests_without_a_root_are_counted_separately) {
    start(1 * MS, 1, 7, 2, 1, 1); /* its root began before the history */
    end(2 * MS, 1, 7, 2, FINE, 1);
    end(3 * MS, 0, 7, 1, FINE, 1);
    struct trace_event connection = event_of(4 * MS, 8, TRACE_KIND_PACKET_SENT);
    append(0, &connection);
    start(5 * MS, 0, 9, 1, 0, 1);
    end(6 * MS, 0, 9, 1, FAILED, 1);
    json_t *answer = ask("requests", "{}");
    ck_assert_int_eq(number(answer, "requests"), 1);
    ck_assert_int_eq(number(answer, "rootless"), 1);
    ck_assert_int_eq(number(row(answer, 0), "failed"), 1);
    ck_assert_int_eq(took(row(answer, 0), "max"), MS);
    json_decref(answer);
}
END_TEST

/* The clock was set back during the request: it ended, and its duration is not known. */
START_TEST(one_that_ended_before_it_began_has_no_time) {
    start(5 * MS, 0, 1, 1, 0, 1);
    end(1 * MS, 0, 1, 1, FINE, 1);
    json_t *answer = ask("requests", "{}");
    ck_assert_int_eq(number(row(answer, 0), "count"), 1);
    ck_assert(json_is_null(json_object_get(row(answer, 0), "took")));
    ck_assert(json_is_null(json_object_get(row(answer, 0), "slowest")));
    json_decref(answer);
}
END_TEST

/* The clock was set forward meanwhile: it counts, but its time is unknown, and reported as such. */
START_TEST(one_across_a_step_of_the_clock_has_no_time) {
    start(1 * MS, 0, 1, 1, 0, 1);
    clock_steps = 1;
    end(3600 * SECOND, 0, 1, 1, FINE, 1);
    start(3600 * SECOND + 1 * MS, 0, 2, 2, 0, 1);
    end(3600 * SECOND + 3 * MS, 0, 2, 2, FINE, 1);
    json_t *answer = ask("requests", "{}"), *counts = ask("count", "{\"value\":\"took\",\"kind\":\"app_end\"}");
    ck_assert_int_eq(number(answer, "took_stepped"), 1);
    ck_assert_int_eq(number(row(answer, 0), "took_stepped"), 1);
    ck_assert_int_eq(number(row(answer, 0), "count"), 2);
    ck_assert_int_eq(took(row(answer, 0), "count"), 1);
    ck_assert_int_eq(took(row(answer, 0), "max"), 2 * MS);
    ck_assert_int_eq(number(counts, "took_stepped"), 1);
    ck_assert_int_eq(number(json_object_get(row(counts, 0), "value"), "max"), 2 * MS);
    json_decref(counts);
    json_decref(answer);
    answer = ask("traces", "{\"order\":\"slowest\"}");
    json_t *last = json_array_get(json_object_get(answer, "traces"), 1);
    ck_assert(json_is_true(json_object_get(last, "took_stepped")) && json_is_true(json_object_get(last, "duration_stepped")));
    ck_assert(json_is_null(json_object_get(last, "took")) && json_is_null(json_object_get(last, "duration")));
    json_decref(answer);
    answer = ask("traces", "{\"filter\":\"took >= 0 or duration >= 0\"}");
    ck_assert_int_eq(number(answer, "total"), 1);
    json_decref(answer);
}
END_TEST

/* A program that ends a span twice: the first end counts for the request, as in `traces`; also if both have the same time. */
START_TEST(only_the_first_end_has_the_time) {
    start(0, 0, 1, 1, 0, 1);
    end(3 * MS, 0, 1, 1, FINE, 1);
    end(3 * MS, 0, 1, 1, FINE, 1);
    end(9 * MS, 0, 1, 1, FAILED, 1);
    json_t *answer = ask("count", "{\"value\":\"took\",\"kind\":\"app_end\"}");
    const json_t *value = json_object_get(row(answer, 0), "value");
    ck_assert_int_eq(number(row(answer, 0), "count"), 3);
    ck_assert_int_eq(number(value, "count"), 1);
    ck_assert_int_eq(number(value, "max"), 3 * MS);
    json_decref(answer);
    answer = ask("requests", "{}");
    ck_assert_int_eq(number(row(answer, 0), "count"), 1);
    ck_assert_int_eq(number(row(answer, 0), "failed"), 0);
    json_decref(answer);
}
END_TEST

START_TEST(wrong_params_are_refused) {
    assert_refused("requests", "{\"group_by\":\"peer\"}");
    assert_refused("requests", "{\"group_by\":[\"node\",\"node\"]}");
    assert_refused("requests", "{\"group_by\":\"time/5\"}");
    assert_refused("requests", "{\"group_by\":\"time/1ns\"}");
    assert_refused("requests", "{\"filter\":\"packet_lost\"}");
    assert_refused("requests", "{\"app\":\"TESTS\"}");
    assert_refused("requests", "{\"limit\":0}");
}
END_TEST

/* ---- numbers of other methods ------------------------------------------------------------------------------------------- */

static void packets(void) {
    for (unsigned i = 0; i < 30; i++) {
        struct trace_event event = event_of(i < 10 ? i * 100 * MS : SECOND + i * 10 * MS, 1, TRACE_KIND_PACKET_SENT);
        append(0, &event);
    }
}

START_TEST(a_rate_by_time_covers_its_own_interval) {
    static const struct {
        const char *params;
        double first, second; /* below 0: null */
    } cases[] = {{"{\"group_by\":\"time/1s\"}", 10, 20},
                 {"{\"group_by\":[\"kind\",\"time/1s\"]}", 10, 20},
                 {"{\"group_by\":[\"time/1s\",\"time/1h\"]}", 10, 20},
                 {"{\"group_by\":[\"time/1s\",\"time/500ms\"]}", 10, 10},
                 {"{\"group_by\":\"time/2s\"}", 15, 0},
                 {"{\"group_by\":\"time/2000000000\"}", 15, 0},
                 {"{\"group_by\":\"time\"}", -1, -1},
                 {"{\"group_by\":[\"time/1s\",\"time\"]}", -1, -1}};
    packets();
    json_t *answer = ask("count", cases[_i].params);
    for (unsigned i = 0; i < 2; i++) {
        double expected = i ? cases[_i].second : cases[_i].first;
        const json_t *rate = json_object_get(row(answer, i), "rate");
        if (expected < 0)
            ck_assert(json_is_null(rate));
        else if (expected > 0)
            ck_assert_double_eq_tol(json_number_value(rate), expected, 1e-6);
        else
            ck_assert_ptr_null(rate);
    }
    json_decref(answer);
}
END_TEST

START_TEST(the_sum_of_numbers_is_exact) {
    for (unsigned i = 0; i < 3; i++) {
        struct trace_event event = event_of(i, 1, TRACE_KIND_METRICS);
        event.data.metrics.rtt = UINT64_MAX - i;
        event.data.metrics.min_rtt = i;
        append(0, &event);
    }
    json_t *answer = ask("count", "{\"value\":\"rtt\"}");
    const json_t *value = json_object_get(row(answer, 0), "value");
    ck_assert_str_eq(json_string_value(json_object_get(value, "sum")), "55340232221128654842"); /* 3 * (2^64 - 1) - 3 */
    json_decref(answer);
    answer = ask("count", "{\"value\":\"min_rtt\"}");
    ck_assert_int_eq(number(json_object_get(row(answer, 0), "value"), "sum"), 3);
    json_decref(answer);
}
END_TEST

START_TEST(a_round_trip_of_nothing_is_a_sample) {
    struct trace_event event = event_of(1, 1, TRACE_KIND_METRICS);
    event.flags |= TRACE_FLAG_HAS_PEER;
    event.peer_id.bytes[0] = 0x11;
    append(0, &event);
    event = event_of(2, 1, TRACE_KIND_PACKET_SENT);
    event.flags |= TRACE_FLAG_HAS_PEER;
    event.peer_id.bytes[0] = 0x22;
    append(0, &event);
    event = event_of(3, 1, TRACE_KIND_CONN_ESTABLISHED);
    event.flags |= TRACE_FLAG_HAS_PEER;
    event.peer_id.bytes[0] = 0x33;
    append(0, &event);
    static const char *const params[] = {"{}", "{\"node_id\":\"alice\"}"};
    for (unsigned k = 0; k < 2; k++) {
        json_t *answer = ask("peers", params[k]);
        const json_t *list = json_object_get(answer, "peers");
        for (unsigned i = 0; i < 3; i++) {
            const json_t *peer = json_array_get(list, i);
            char first = json_string_value(json_object_get(peer, "peer_id"))[0];
            if (first == '2')
                ck_assert(json_is_null(json_object_get(peer, "rtt")));
            else
                ck_assert_int_eq(number(peer, "rtt"), 0);
            if (first == '1')
                ck_assert_int_eq(number(peer, "min_rtt"), 0);
            else
                ck_assert(json_is_null(json_object_get(peer, "min_rtt")));
        }
        json_decref(answer);
    }
}
END_TEST

START_TEST(groups_of_different_bytes_look_different) {
    for (unsigned i = 0; i < 6; i++) {
        struct trace_event event = event_of(i, 1, TRACE_KIND_CONN_CLOSED);
        static const char *const reasons[] = {"\xff", "\xfe", "\xff", "\xff\xff", "\xef\xbf\xbd", "plain"};
        memcpy(event.data.conn_closed.reason, reasons[i], strlen(reasons[i]));
        append(0, &event);
    }
    json_t *answer = ask("count", "{\"group_by\":\"reason\"}"), *seen = json_object();
    size_t i;
    const json_t *group;
    json_array_foreach(json_object_get(answer, "rows"), i, group)
        json_object_set_new(seen, group_text(group, "reason"), json_true());
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "rows")), 5);
    ck_assert_uint_eq(json_object_size(seen), 5);
    ck_assert_ptr_nonnull(json_object_get(seen, "plain"));
    json_decref(seen);
    json_decref(answer);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("requests");
    TCase *tcase = tcase_create("requests");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, requests_agree_with_a_model);
    tcase_add_test(tcase, a_time_has_the_requests_that_ended_in_it);
    tcase_add_test(tcase, rates_by_time_are_of_a_rows_own_time);
    tcase_add_test(tcase, count_measures_what_requests_measures);
    tcase_add_test(tcase, the_slowest_is_the_first_of_traces);
    tcase_add_test(tcase, a_filter_chooses_whole_traces);
    tcase_add_test(tcase, requests_without_a_root_are_counted_separately);
    tcase_add_test(tcase, one_that_ended_before_it_began_has_no_time);
    tcase_add_test(tcase, one_across_a_step_of_the_clock_has_no_time);
    tcase_add_test(tcase, only_the_first_end_has_the_time);
    tcase_add_test(tcase, wrong_params_are_refused);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("numbers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_rate_by_time_covers_its_own_interval, 0, 7);
    tcase_add_test(tcase, the_sum_of_numbers_is_exact);
    tcase_add_test(tcase, a_round_trip_of_nothing_is_a_sample);
    tcase_add_test(tcase, groups_of_different_bytes_look_different);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
