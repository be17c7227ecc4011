/* SPDX-License-Identifier: MIT
 *
 * Which machines there are, and which packets go from one to another. */
#include "machine_clocks.h"

#include <check.h>
#include <proto/hex.h>
#include <stdio.h>
#include <stdlib.h>

#define NODES_MOST 8

static struct node_info infos[NODES_MOST];
static const struct node_info *nodes[NODES_MOST];
static uint32_t count;
static struct machine_clocks *clocks;

static void setup(void) { count = 0; }

static struct trace_node_id id_of(unsigned number) { return (struct trace_node_id){.bytes = {(uint8_t)number}}; }

/* machine: 0 means unknown. */
static uint32_t add(unsigned id, unsigned machine, const char *name) {
    struct node_info *info = &infos[count];
    *info = (struct node_info){.node_id = id_of(id), .log = count + 1};
    info->machine.id[0] = (uint8_t)machine;
    snprintf(info->machine.name, sizeof info->machine.name, "%s", name);
    nodes[count] = info;
    return count++;
}

static void create(void) { ck_assert_int_eq(machine_clocks_create(&clocks, nodes, count), 0); }

static bool crosses(uint32_t node, unsigned peer) {
    struct trace_node_id peer_id = id_of(peer);
    struct clock_end end = {.sample = 1, .sent = true};
    return machine_clocks_end(clocks, node, &peer_id, &end);
}

START_TEST(nodes_of_one_machine_have_one_clock) {
    add(1, 1, "a");
    add(2, 1, "a");
    add(3, 0, "");
    create();
    ck_assert_ptr_null(clocks);
}
END_TEST

START_TEST(machines_are_in_the_order_of_their_names) {
    uint32_t late = add(1, 1, "b"), early = add(2, 2, "a");
    create();
    ck_assert_uint_eq(machine_clocks_count(clocks), 2);
    ck_assert_uint_eq(machine_clocks_machine(clocks, early), 0);
    ck_assert_uint_eq(machine_clocks_machine(clocks, late), 1);
    ck_assert_str_eq(machine_clocks_at(clocks, 0)->name, "a");
    machine_clocks_destroy(clocks);
}
END_TEST

START_TEST(only_packets_between_known_machines_cross) {
    uint32_t a = add(1, 1, "a"), b = add(2, 2, "b"), unknown = add(3, 0, "");
    add(4, 1, "a");
    create();
    ck_assert(crosses(a, 2));
    ck_assert(crosses(b, 1));
    ck_assert(!crosses(a, 4)); /* on the same machine */
    ck_assert(!crosses(a, 3)); /* on an unknown machine */
    ck_assert(!crosses(a, 9)); /* an unknown node */
    ck_assert(!crosses(unknown, 1));
    machine_clocks_destroy(clocks);
}
END_TEST

START_TEST(packets_of_an_id_on_two_machines_cross_from_either) {
    add(1, 1, "a");
    add(1, 2, "b");
    uint32_t a = add(2, 1, "a"), b = add(3, 2, "b");
    create();
    ck_assert(crosses(a, 1));
    ck_assert(crosses(b, 1));
    machine_clocks_destroy(clocks);
}
END_TEST

/* The clock_lead of an event of that log. */
static json_t *lead_of(unsigned id, unsigned log) {
    char node_digits[2 * sizeof(struct trace_node_id) + 1] = "", log_digits[17];
    struct trace_node_id node_id = id_of(id);
    trace_hex_encode(node_digits, node_id.bytes, sizeof node_id.bytes);
    snprintf(log_digits, sizeof log_digits, "%016x", log);
    json_t *events = json_pack("[{s:s,s:s,s:i}]", "node_id", node_digits, "log", log_digits, "timestamp", 1000);
    ck_assert_ptr_nonnull(events);
    machine_clocks_annotate_events(clocks, events);
    json_t *lead = json_incref(json_object_get(json_array_get(events, 0), "clock_lead"));
    json_decref(events);
    return lead;
}

/* Without packets, only the host is known. */
static void check_lead(unsigned id, unsigned log, const char *host) {
    json_t *lead = lead_of(id, log);
    ck_assert_str_eq(json_string_value(json_object_get(lead, "host")), host);
    ck_assert(json_is_null(json_object_get(lead, "lead")));
    json_decref(lead);
}

START_TEST(the_log_says_on_which_of_its_machines_an_id_was) {
    struct clock_ends ends = {.max = 1};
    add(1, 1, "a");
    add(1, 2, "b");
    add(2, 2, "b");
    create();
    ck_assert_int_eq(machine_clocks_estimate(clocks, &ends), 0);
    check_lead(1, 1, "a");
    check_lead(1, 2, "b");
    check_lead(2, 3, "b");
    ck_assert_ptr_null(lead_of(9, 1));
    machine_clocks_destroy(clocks);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("machine_clocks");
    TCase *tcase = tcase_create("machine_clocks");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, nodes_of_one_machine_have_one_clock);
    tcase_add_test(tcase, machines_are_in_the_order_of_their_names);
    tcase_add_test(tcase, only_packets_between_known_machines_cross);
    tcase_add_test(tcase, packets_of_an_id_on_two_machines_cross_from_either);
    tcase_add_test(tcase, the_log_says_on_which_of_its_machines_an_id_was);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
