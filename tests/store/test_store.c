/* SPDX-License-Identifier: MIT
 *
 * Stores loaded from events alone: counters, the meaning of "now", memory, eviction, and the errors of store_ask; looking up
 * ids. */
#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <proto/rpc.h>
#include <stdlib.h>
#include <store/ask.h>
#include <store/id_lookup.h>
#include <time.h>
#include <unistd.h>

static struct store *store;

static void setup(void) { ck_assert_int_eq(store_create(&store, 0), 0); }

static void setup_filled(void) {
    setup();
    fixture_fill(store);
}

static void teardown(void) { store_destroy(store); }

/* The result; the caller frees it. */
static json_t *ask(const char *method, const char *params) {
    struct trace_text out = {0};
    struct trace_rpc_error error;
    json_t *object = params ? json_loads(params, 0, NULL) : NULL;
    ck_assert_msg(!store_ask(store, method, object, &out, &error), "%s", error.message);
    json_t *result = json_loadb(out.data, out.bytes, 0, NULL);
    ck_assert_ptr_nonnull(result);
    trace_text_fini(&out);
    json_decref(object);
    return result;
}

static int ask_code(const char *method, json_t *params_new, size_t bytes_max) {
    struct trace_text out = {.bytes_max = bytes_max};
    struct trace_rpc_error error;
    trace_text_puts(&out, "before");
    int code = store_ask(store, method, params_new, &out, &error) ? error.code : 0;
    ck_assert(code && out.bytes == 6 && !out.failed && !memcmp(out.data, "before", 6));
    trace_rpc_error_fini(&error);
    trace_text_fini(&out);
    json_decref(params_new);
    return code;
}

static size_t events_in(const char *method, const char *params, const char *list) {
    json_t *result = ask(method, params);
    size_t count = json_array_size(json_object_get(result, list));
    json_decref(result);
    return count;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

static json_int_t number(const json_t *object, const char *name) { return json_integer_value(json_object_get(object, name)); }

START_TEST(a_node_counts_what_was_appended) {
    json_t *result = ask("nodes", NULL), *list = json_object_get(result, "nodes");
    ck_assert_uint_eq(json_array_size(list), 3);
    const json_t *alice = json_array_get(list, 0), *other = json_array_get(list, 1), *bob = json_array_get(list, 2);
    ck_assert_str_eq(json_string_value(json_object_get(alice, "state")), "unknown");
    ck_assert_int_eq(number(alice, "emitted"), FIXTURE_EVENTS / 2 + 5);
    ck_assert_int_eq(number(alice, "indexed"), FIXTURE_EVENTS / 2);
    ck_assert_int_eq(number(alice, "lost"), 5);
    ck_assert_int_eq(number(json_object_get(alice, "lost_by"), "overwritten"), 5);
    ck_assert_int_eq(number(alice, "lanes"), 3);
    ck_assert_int_eq(number(json_object_get(alice, "last"), "timestamp"),
                     (json_int_t)((FIXTURE_BEGIN_NS + (FIXTURE_EVENTS - 2) * FIXTURE_STEP_NS) / 1000));
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(alice, "apps"), 0)), "TEST");
    ck_assert_int_eq(number(other, "emitted"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(bob, "state")), "exited");
    ck_assert_int_eq(number(bob, "emitted"), FIXTURE_EVENTS / 2);
    /* there is no ring and no process */
    for (const char *const *name =
             (const char *const[]){"lane_events", "bytes", "clock", "policy", "kinds", "sample", "pid", NULL};
         *name; name++)
        ck_assert_msg(json_is_null(json_object_get(alice, *name)), "%s", *name);
    json_decref(result);
}
END_TEST

START_TEST(an_index_of_no_node_is_refused) {
    struct trace_event event = fixture_event(0);
    struct node_info info = fixture_node("alice", 1);
    uint32_t node;
    ck_assert_int_eq(store_append(store, 0, 0, &event, 1), -EINVAL);
    ck_assert_int_eq(store_add_node(store, &info, NODE_CRASHED, &node), -EINVAL);
    ck_assert_int_eq(store_add_node(store, &info, NODE_LIVE, &node), 0);
    ck_assert_int_eq(store_append(store, node, 256, &event, 1), -EINVAL);
    ck_assert_int_eq(store_append(store, node, 255, &event, 1), 0);
    ck_assert_int_eq(store_append(store, NODES_MAX, 0, &event, 1), -EINVAL);
    ck_assert_uint_eq(events_in("query", NULL, "events"), 1);
}
END_TEST

START_TEST(events_may_come_in_any_order) {
    struct node_info info = fixture_node("alice", 1);
    uint32_t node;
    ck_assert_int_eq(store_add_node(store, &info, NODE_UNKNOWN, &node), 0);
    for (uint32_t i = 0; i < FIXTURE_EVENTS; i++) {
        struct trace_event event = fixture_event(i * 7 % FIXTURE_EVENTS);
        ck_assert_int_eq(store_append(store, node, 0, &event, 1), 0);
    }
    json_t *result = ask("query", NULL), *events = json_object_get(result, "events");
    for (size_t i = 0; i < FIXTURE_EVENTS; i++) ck_assert_int_eq(number(json_array_get(events, i), "sequence"), (json_int_t)i);
    json_decref(result);
}
END_TEST

/* ---- now ---------------------------------------------------------------------------------------------------------------- */

/* The last event is FIXTURE_EVENTS seconds after the first, the loss of alice's. */
START_TEST(relative_times_count_from_the_end_of_a_closed_store) {
    ck_assert_uint_eq(store_now_ns(store), FIXTURE_BEGIN_NS + FIXTURE_EVENTS * FIXTURE_STEP_NS + 1);
    ck_assert_uint_eq(events_in("query", "{\"from\":\"-5s\"}", "events"), 5);
    ck_assert_uint_eq(events_in("query", "{\"from\":\"-5s\",\"to\":\"-0s\"}", "events"), 5); /* up to now is all of it */
    ck_assert_uint_eq(events_in("query", "{\"to\":0}", "events"), 0);                        /* 1970 is an end, too */
    store_close(store, FIXTURE_BEGIN_NS + 100 * FIXTURE_STEP_NS);
    ck_assert_uint_eq(events_in("query", "{\"from\":\"-5s\"}", "events"), 0);
    ck_assert_uint_eq(events_in("query", "{\"from\":\"-61s\"}", "events"), 2);
}
END_TEST

/* Whichever a source learned of first. */
START_TEST(logs_and_nodes_of_a_peer_are_sorted_by_their_ids) {
    static const struct {
        uint8_t id;
        uint64_t log;
        const char *at; /* in `nodes` */
    } logs[] = {{3, 5, "0000000000000005"}, {1, 9, "0000000000000009"}, {3, 4, "0000000000000004"}, {2, 1, "0000000000000001"}};
    static const unsigned wanted[] = {1, 3, 2, 0};
    static const char *const seen_by[] = {"01", "02", "03"};
    for (size_t i = 0; i < 4; i++) {
        struct node_info info = {.log = logs[i].log, .node_name = "same"};
        struct trace_event event = fixture_event((uint32_t)i);
        uint32_t node;
        memset(info.node_id.bytes, logs[i].id, sizeof info.node_id.bytes);
        event.flags |= TRACE_FLAG_HAS_PEER;
        memset(event.peer_id.bytes, 0xee, sizeof event.peer_id.bytes);
        ck_assert_int_eq(store_add_node(store, &info, NODE_UNKNOWN, &node), 0);
        ck_assert_int_eq(store_append(store, node, 0, &event, 1), 0);
    }
    json_t *nodes = ask("nodes", NULL), *peers = ask("peers", NULL);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(json_object_get(nodes, "nodes"), i), "log")),
                         logs[wanted[i]].at);
    const json_t *ids = json_object_get(json_array_get(json_object_get(peers, "peers"), 0), "nodes");
    ck_assert_uint_eq(json_array_size(ids), 3);
    for (size_t i = 0; i < 3; i++) ck_assert_mem_eq(json_string_value(json_array_get(ids, i)), seen_by[i], 2);
    json_decref(nodes);
    json_decref(peers);
}
END_TEST

START_TEST(an_open_store_and_an_empty_one_have_the_time_of_the_clock) {
    struct timespec clock;
    clock_gettime(CLOCK_REALTIME, &clock);
    uint64_t before_ns = (uint64_t)clock.tv_sec * 1000000000U + (uint64_t)clock.tv_nsec;
    ck_assert_uint_ge(store_now_ns(store), before_ns);
    store_close(store, 0);
    uint64_t closed_ns = store_now_ns(store);
    ck_assert_uint_ge(closed_ns, before_ns);
    ck_assert_uint_eq(store_now_ns(store), closed_ns);
    ck_assert_uint_eq(events_in("query", "{\"from\":\"-5s\"}", "events"), 0);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static size_t resident_bytes(void) {
    unsigned long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert(file && fscanf(file, "%llu %llu", &all, &resident) == 2);
    fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static unsigned threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

START_TEST(a_small_store_takes_little_memory_and_no_thread) {
    size_t before = resident_bytes();
    unsigned threads_before = threads();
    ck_assert_int_eq(store_create(&store, (size_t)1 << 30), 0);
    fixture_fill(store);
    ck_assert_uint_eq(threads(), threads_before);
    if (!SANITIZED) ck_assert_uint_lt(resident_bytes() - before, 8U << 20);
    store_destroy(store);
    store_destroy(NULL);
}
END_TEST

/* Three segments at most: the oldest are evicted, and the rest is correct. */
START_TEST(a_full_store_evicts_the_oldest) {
    enum { COUNT = 10 * HISTORY_SEGMENT_EVENTS + 17 };
    struct node_info info = fixture_node("alice", 1);
    uint32_t node;
    ck_assert_int_eq(store_add_node(store, &info, NODE_UNKNOWN, &node), 0);
    for (uint32_t i = 0; i < COUNT;) {
        static struct trace_event events[1000];
        uint32_t part = 0;
        for (; part < 1000 && i < COUNT; part++, i++) events[part] = fixture_event(i);
        ck_assert_int_eq(store_append(store, node, 0, events, part), 0);
    }
    uint64_t begin = history_begin_position(store->history);
    ck_assert_uint_ge(begin, 7 * HISTORY_SEGMENT_EVENTS);
    ck_assert_uint_eq(history_end_position(store->history), COUNT);
    json_t *result = ask("count", NULL);
    ck_assert_int_eq(number(result, "events"), (json_int_t)(COUNT - begin));
    json_decref(result);
    result = ask("query", "{\"limit\":1}");
    ck_assert_int_eq(number(json_array_get(json_object_get(result, "events"), 0), "sequence"), (json_int_t)begin);
    json_decref(result);
    result = ask("nodes", NULL);
    ck_assert_int_eq(number(json_array_get(json_object_get(result, "nodes"), 0), "indexed"), COUNT);
    json_decref(result);
}
END_TEST

/* ---- errors of store_ask ------------------------------------------------------------------------------------------------ */

START_TEST(an_unanswerable_request_is_an_error_and_leaves_the_text_unchanged) {
    ck_assert_int_eq(ask_code("hello", NULL, 0), TRACE_RPC_METHOD_NOT_FOUND);
    ck_assert_int_eq(ask_code("subscribe", NULL, 0), TRACE_RPC_METHOD_NOT_FOUND);
    ck_assert_int_eq(ask_code("query", json_array(), 0), TRACE_RPC_INVALID_PARAMS);
    ck_assert_int_eq(ask_code("query", json_pack("{sb}", "limit", 1), 0), TRACE_RPC_INVALID_PARAMS);
    ck_assert_int_eq(ask_code("peers", json_pack("{ss}", "node_id", "nobody"), 0), TRACE_RPC_NOT_FOUND);
    ck_assert_int_eq(ask_code("peers", json_pack("{ss}", "node_id", "a"), 0), TRACE_RPC_AMBIGUOUS);
    ck_assert_int_eq(ask_code("query", NULL, 1000), TRACE_RPC_LIMIT);
}
END_TEST

static bool no_memory; /* for the next calloc */
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes) {
    bool fails = no_memory;
    no_memory = false;
    return fails ? NULL : __real_calloc(count, bytes);
}

/* An answer in which nobody has an alias would be wrong. */
START_TEST(without_memory_for_who_is_who_there_is_no_answer) {
    static const char *const methods[] = {"nodes", "peers", "traces", "query", "count", "requests", "who"};
    struct alias alias = {.own = true, .alias_id.bytes = {8}, .time_ns = 1};
    store_add_aliases(store, &alias, 1);
    no_memory = true;
    ck_assert_int_eq(ask_code(methods[_i], NULL, 0), TRACE_RPC_INTERNAL);
    ck_assert_uint_eq(events_in("who", NULL, "who"), 1);
}
END_TEST

/* ---- ids ---------------------------------------------------------------------------------------------------------------- */

enum what { TRACE, PEER, NODE };
static const struct {
    enum what what;
    const char *text;
    bool unknown_ok;
    enum id_lookup_outcome outcome;
    size_t count;
    uint8_t first_byte;
} lookups[] = {
    {TRACE, "11", false, ID_LOOKUP_FOUND, 1, 0x11},
    {TRACE, "1", false, ID_LOOKUP_AMBIGUOUS, 2, 0},
    {TRACE, "12", false, ID_LOOKUP_NOT_FOUND, 0, 0},
    {TRACE, "12000000000000000000000000000000", false, ID_LOOKUP_NOT_FOUND, 0, 0},
    {TRACE, "12000000000000000000000000000000", true, ID_LOOKUP_FOUND, 1, 0x12},
    {TRACE, "alice", false, ID_LOOKUP_NOT_HEX, 0, 0},
    {NODE, "bob", false, ID_LOOKUP_FOUND, 1, 0xbb},
    {NODE, "b", false, ID_LOOKUP_FOUND, 1, 0xbb},
    {NODE, "alice", false, ID_LOOKUP_AMBIGUOUS, 2, 0xaa},
    {NODE, "a", false, ID_LOOKUP_AMBIGUOUS, 2, 0xaa},
    {NODE, "ac", false, ID_LOOKUP_FOUND, 1, 0xac},
    {NODE, "d", false, ID_LOOKUP_NOT_FOUND, 0, 0},
    {NODE, "nobody", false, ID_LOOKUP_NOT_HEX, 0, 0},
    {PEER, "a", false, ID_LOOKUP_FOUND, 1, 0xaa}, /* 0xac is nobody's peer */
    {PEER, "bob", false, ID_LOOKUP_FOUND, 1, 0xbb},
    {PEER, "d", false, ID_LOOKUP_NOT_FOUND, 0, 0},
    {PEER, "nobody", false, ID_LOOKUP_NOT_HEX, 0, 0},
};

START_TEST(an_id_is_found_unknown_or_ambiguous) {
    struct id_lookup lookup;
    if (lookups[_i].what == TRACE) id_lookup_trace(store, lookups[_i].text, lookups[_i].unknown_ok, &lookup);
    if (lookups[_i].what == PEER) id_lookup_peer(store, lookups[_i].text, lookups[_i].unknown_ok, &lookup);
    if (lookups[_i].what == NODE) id_lookup_node(store, lookups[_i].text, lookups[_i].unknown_ok, &lookup);
    ck_assert_int_eq(lookup.outcome, lookups[_i].outcome);
    ck_assert_uint_eq(lookup.count, lookups[_i].count);
    uint8_t first = lookups[_i].what == TRACE ? lookup.trace_ids[0].bytes[0] : lookup.node_ids[0].bytes[0];
    if (lookups[_i].first_byte) ck_assert_uint_eq(first, lookups[_i].first_byte);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store");
    TCase *filled = tcase_create("filled"), *empty = tcase_create("empty"), *memory = tcase_create("memory");
    tcase_add_checked_fixture(filled, setup_filled, teardown);
    tcase_add_test(filled, a_node_counts_what_was_appended);
    tcase_add_test(filled, relative_times_count_from_the_end_of_a_closed_store);
    tcase_add_test(filled, an_unanswerable_request_is_an_error_and_leaves_the_text_unchanged);
    tcase_add_loop_test(filled, without_memory_for_who_is_who_there_is_no_answer, 0, 7);
    tcase_add_loop_test(filled, an_id_is_found_unknown_or_ambiguous, 0, sizeof lookups / sizeof *lookups);
    tcase_add_checked_fixture(empty, setup, teardown);
    tcase_add_test(empty, an_index_of_no_node_is_refused);
    tcase_add_test(empty, events_may_come_in_any_order);
    tcase_add_test(empty, logs_and_nodes_of_a_peer_are_sorted_by_their_ids);
    tcase_add_test(empty, an_open_store_and_an_empty_one_have_the_time_of_the_clock);
    tcase_add_test(empty, a_full_store_evicts_the_oldest);
    tcase_set_timeout(empty, 60);
    tcase_add_test(memory, a_small_store_takes_little_memory_and_no_thread);
    suite_add_tcase(suite, filled);
    suite_add_tcase(suite, empty);
    suite_add_tcase(suite, memory);
    return suite_run(suite);
}
