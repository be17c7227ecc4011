/* SPDX-License-Identifier: MIT
 *
 * The node table: entries, reuse of indices, descriptions. */
#include <store/grace.h>

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/nodes.h>
#include <string.h>

static struct nodes *nodes;

static void setup(void) {
    rcu_register_thread();
    ck_assert_int_eq(nodes_create(&nodes, NULL), 0);
}

static void teardown(void) {
    nodes_destroy(nodes);
    rcu_unregister_thread();
}

/* reason: why it is rejected, or NULL */
static int add(const char *name, const char *reason, uint64_t history_begin_position, uint32_t *ret_index) {
    struct node_info info = {.pid = 7, .started_unix_ns = 42, .control = 99};
    snprintf(info.node_name, sizeof info.node_name, "%s", name);
    return nodes_add(nodes, &info, reason ? NODE_REJECTED : NODE_LIVE, reason, history_begin_position, ret_index);
}

static struct trace_app app_named(const char *app_id) {
    struct trace_app app = {.command_count = 1};
    memcpy(app.app_id, app_id, 4);
    snprintf(app.name, sizeof app.name, "app %s", app_id);
    return app;
}

/* Takes `count` indices with live nodes. */
static void fill(uint32_t count) {
    uint32_t index;
    while (nodes_count(nodes) < count) ck_assert_int_eq(add("filler", NULL, 0, &index), 0);
}

/* What a node says about its own end is bounded by what others know. */
START_TEST(a_log_did_not_end_before_its_newest_event_nor_after_it_was_gone) {
    static const struct {
        uint64_t after, by, closed, known_by, want_after, want_by;
    } cases[] = {
        {0, 0, 0, 0, 0, 0},
        {2000, 3000, 0, 0, 2000, 3000},
        {500, 3000, 0, 0, 1000, 3000},
        {500, 600, 0, 0, 1000, 1000},
        {2000, 3000, 2500, 3000, 2500, 2500},
        {2000, 3000, 999, 3000, 2000, 3000},
        {2000, 3000, 3000000, 3000, 2000, 3000},
        {0, 0, 1000, 3000, 1000, 1000},
    };
    struct node node;
    memset((void *)&node, 0, sizeof node);
    node.state = NODE_CRASHED;
    node.last_unix_ns = 1000;
    if (cases[_i].by) nodes_set_ended(&node, cases[_i].after, cases[_i].by);
    nodes_set_closed(&node, cases[_i].closed, cases[_i].known_by);
    ck_assert_uint_eq(node.ended_after_ns, cases[_i].want_after);
    ck_assert_uint_eq(node.ended_by_ns, cases[_i].want_by);
    ck_assert_uint_eq(nodes_live_until(&node), cases[_i].want_after ? cases[_i].want_after : 1000);
    node.state = NODE_LIVE;
    ck_assert_uint_eq(nodes_live_until(&node), UINT64_MAX);
}
END_TEST

START_TEST(an_empty_table_has_no_entry) {
    ck_assert_uint_eq(nodes_count(nodes), 0);
    ck_assert_ptr_null(nodes_at(nodes, 0));
    ck_assert_ptr_null(nodes_at(nodes, NODES_MAX - 1));
    ck_assert_ptr_null(nodes_at(nodes, NODES_MAX));
    nodes_destroy(NULL);
}
END_TEST

START_TEST(an_entry_has_the_added_values) {
    uint32_t index = 99;
    ck_assert_int_eq(add("alice", NULL, 0, &index), 0);
    ck_assert_uint_eq(index, 0);
    ck_assert_uint_eq(nodes_count(nodes), 1);
    const struct node *node = nodes_at(nodes, index);
    ck_assert_str_eq(node->info.node_name, "alice");
    ck_assert_uint_eq(node->info.started_unix_ns, 42);
    ck_assert_uint_eq(node->state, NODE_LIVE);
    ck_assert_uint_eq(node->control, 99);

    nodes_end(nodes, index, NODE_CRASHED, NULL, 0);
    ck_assert_uint_eq(node->state, NODE_CRASHED);
    ck_assert_ptr_eq(nodes_at(nodes, index), node); /* still known */
}
END_TEST

START_TEST(descriptions_are_found_by_app_id_and_limited) {
    uint32_t index;
    ck_assert_int_eq(add("alice", NULL, 0, &index), 0);
    const struct node *node = nodes_at(nodes, index);
    ck_assert_ptr_null(nodes_app(node, "AP00"));
    for (unsigned i = 0; i < TRACE_APPS_MAX + 1; i++) {
        char app_id[8];
        snprintf(app_id, sizeof app_id, "AP%02u", i);
        struct trace_app app = app_named(app_id);
        nodes_add_app(nodes, index, &app);
    }
    ck_assert_uint_eq(node->app_count, TRACE_APPS_MAX);
    ck_assert_str_eq(nodes_app(node, "AP03")->name, "app AP03");
    ck_assert_ptr_null(nodes_app(node, "AP64"));
}
END_TEST

START_TEST(a_dead_node_keeps_its_index_while_there_is_room_to_grow) {
    uint32_t first, second;
    ck_assert_int_eq(add("alice", NULL, 0, &first), 0);
    nodes_end(nodes, first, NODE_EXITED, NULL, 0);
    ck_assert_int_eq(add("bob", NULL, 0, &second), 0);
    ck_assert_uint_ne(first, second);
    ck_assert_str_eq(nodes_at(nodes, first)->info.node_name, "alice");
}
END_TEST

START_TEST(an_index_is_used_again_only_when_the_history_has_no_event_of_it) {
    uint32_t index;
    fill(NODES_KEPT);
    nodes_end(nodes, 5, NODE_EXITED, NULL, 1000);
    nodes_end(nodes, 3, NODE_CRASHED, NULL, 2000);

    ck_assert_int_eq(add("too early", NULL, 999, &index), 0);
    ck_assert_uint_eq(index, NODES_KEPT);
    ck_assert_int_eq(add("five", NULL, 1000, &index), 0);
    ck_assert_uint_eq(index, 5);
    ck_assert_int_eq(add("not three", NULL, 1999, &index), 0);
    ck_assert_uint_eq(index, NODES_KEPT + 1);
    ck_assert_int_eq(add("three", NULL, 2000, &index), 0);
    ck_assert_uint_eq(index, 3);
    ck_assert_uint_eq(nodes_at(nodes, 3)->state, NODE_LIVE);
}
END_TEST

START_TEST(the_node_that_died_first_is_forgotten_first_and_leaves_nothing) {
    uint32_t index;
    struct trace_app app = app_named("DMAP");
    fill(NODES_KEPT);
    nodes_add_app(nodes, 9, &app);
    nodes_at(nodes, 9)->emitted = 17;
    nodes_end(nodes, 9, NODE_EXITED, NULL, 10);
    nodes_end(nodes, 2, NODE_EXITED, NULL, 10);
    ck_assert_int_eq(add("carol", NULL, 10, &index), 0);
    ck_assert_uint_eq(index, 9);
    ck_assert_uint_eq(nodes_at(nodes, 9)->app_count, 0);
    ck_assert_uint_eq(nodes_at(nodes, 9)->emitted, 0);
    ck_assert_ptr_null(nodes_app(nodes_at(nodes, 9), "DMAP"));
}
END_TEST

START_TEST(a_full_table_of_live_nodes_takes_no_more) {
    uint32_t index = 12345;
    fill(NODES_MAX);
    ck_assert_int_eq(add("one too many", NULL, UINT64_MAX, &index), -ENOSPC);
    ck_assert_uint_eq(index, 12345);
    nodes_end(nodes, 4000, NODE_EXITED, NULL, 0);
    ck_assert_int_eq(add("fits", NULL, 0, &index), 0);
    ck_assert_uint_eq(index, 4000);
}
END_TEST

START_TEST(rejected_objects_are_limited_and_forgotten_with_their_name) {
    uint32_t index = 0, first = 0;
    for (unsigned i = 0; i < NODES_REJECTED_MAX; i++) {
        ck_assert_int_eq(add("bad", "a wrong magic", 0, &index), 0);
        if (i == 0) first = index;
    }
    ck_assert_uint_eq(nodes_at(nodes, first)->state, NODE_REJECTED);
    ck_assert_str_eq(nodes_at(nodes, first)->reason, "a wrong magic");
    ck_assert_int_eq(add("bad", "a wrong magic", 0, &index), -ENOSPC);
    ck_assert_int_eq(add("good", NULL, 0, &index), 0);

    nodes_forget(nodes, first);
    ck_assert_ptr_null(nodes_at(nodes, first));
    ck_assert_int_eq(add("bad", "a wrong magic", 0, &index), 0);
    fill(NODES_KEPT);
    ck_assert_int_eq(add("in its place", NULL, 0, &index), 0);
    ck_assert_uint_eq(index, first);
}
END_TEST

/* A reader never sees a torn entry while entries are removed and reused. */
static _Atomic bool reader_runs, reader_stop;

static void *read_entries(void *arg) {
    uint64_t seen = 0;
    (void)arg;
    rcu_register_thread();
    while (!atomic_load_explicit(&reader_stop, memory_order_relaxed)) {
        grace_read_lock();
        for (uint32_t i = 0; i < nodes_count(nodes); i++) {
            const struct node *node = nodes_at(nodes, i);
            if (!node) continue;
            seen++;
            ck_assert_uint_eq(node->info.started_unix_ns, 42);
            const struct trace_app *app = nodes_app(node, "DMAP");
            if (app) ck_assert_str_eq(app->name, "app DMAP");
        }
        grace_read_unlock();
        atomic_store_explicit(&reader_runs, true, memory_order_relaxed);
    }
    rcu_unregister_thread();
    return (void *)(uintptr_t)(seen > 0);
}

START_TEST(entries_are_whole_while_indices_are_used_again) {
    pthread_t thread;
    void *seen;
    struct trace_app app = app_named("DMAP");
    fill(NODES_KEPT);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_entries, NULL), 0);
    while (!reader_runs) sched_yield();
    for (unsigned i = 0; i < 300; i++) {
        uint32_t index;
        nodes_end(nodes, i % 8, NODE_EXITED, NULL, 0);
        ck_assert_int_eq(add("again", NULL, 0, &index), 0);
        ck_assert_uint_eq(index, i % 8);
        nodes_add_app(nodes, index, &app);
    }
    reader_stop = true;
    pthread_join(thread, &seen);
    ck_assert_ptr_nonnull(seen);
}
END_TEST

START_TEST(the_newest_steps_of_clocks_are_kept_once_and_in_order) {
    struct clock_steps steps;
    struct clock_step list[CLOCK_STEPS_MAX];
    clock_steps_init(&steps);
    for (unsigned i = 0; i < 2 * (CLOCK_STEPS_MAX + 3); i++) { /* each twice, the newest first */
        uint64_t at_ns = 1000 * (uint64_t)(CLOCK_STEPS_MAX + 3 - i / 2);
        clock_steps_add(&steps, &(struct clock_step){.before_ns = at_ns + 7, .after_ns = at_ns, .number = (uint8_t)(i / 2)});
    }
    ck_assert_uint_eq(clock_steps_copy(&steps, list), CLOCK_STEPS_MAX);
    for (unsigned i = 0; i < CLOCK_STEPS_MAX; i++) ck_assert_uint_eq(list[i].after_ns, 1000 * (uint64_t)(i + 4));
    clock_steps_add(&steps, &(struct clock_step){.before_ns = 5, .after_ns = 6}); /* older than all of them */
    ck_assert_uint_eq(clock_steps_copy(&steps, list), CLOCK_STEPS_MAX);
    ck_assert_uint_eq(list[0].after_ns, 4000);
    clock_steps_add(&steps, &(struct clock_step){.before_ns = 5, .after_ns = 4500});
    ck_assert_uint_eq(clock_steps_copy(&steps, list), CLOCK_STEPS_MAX);
    ck_assert_uint_eq(list[0].after_ns, 4500);
    ck_assert_uint_eq(list[1].after_ns, 5000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("nodes");
    TCase *tcase = tcase_create("nodes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_empty_table_has_no_entry);
    tcase_add_test(tcase, the_newest_steps_of_clocks_are_kept_once_and_in_order);
    tcase_add_test(tcase, an_entry_has_the_added_values);
    tcase_add_test(tcase, descriptions_are_found_by_app_id_and_limited);
    tcase_add_test(tcase, a_dead_node_keeps_its_index_while_there_is_room_to_grow);
    tcase_add_test(tcase, an_index_is_used_again_only_when_the_history_has_no_event_of_it);
    tcase_add_test(tcase, the_node_that_died_first_is_forgotten_first_and_leaves_nothing);
    tcase_add_test(tcase, a_full_table_of_live_nodes_takes_no_more);
    tcase_add_test(tcase, rejected_objects_are_limited_and_forgotten_with_their_name);
    tcase_add_test(tcase, entries_are_whole_while_indices_are_used_again);
    tcase_add_loop_test(tcase, a_log_did_not_end_before_its_newest_event_nor_after_it_was_gone, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
