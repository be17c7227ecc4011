/* SPDX-License-Identifier: MIT
 *
 * Idle times of a link, from packets and stream bytes made by hand.  Times are in milliseconds. */
#include "path_idle.h"

#include <check.h>
#include <stdlib.h>

#define ALICE 0
#define BOB 1
#define PACKET 1200 /* bytes: of a packet with content, */
#define SIGNAL 40   /* and of an acknowledgement */
#define NEVER 0
#define MS(ms) ((uint64_t)((ms)*1e6))
#define END_MS 100

#define ITEMS_MAX 2048

static struct transport items[ITEMS_MAX];
static struct transports transports;
static struct idle_marks marks;
static struct idle_walk walk;

static void setup(void) {
    transports = (struct transports){.by_link = items};
    marks = (struct idle_marks){.transports = &transports};
}

static void teardown(void) { idle_marks_fini(&marks); }

static struct transport *add(unsigned node, bool receive, double at_ms, uint64_t bytes) {
    struct transport *item = &items[transports.count++];
    ck_assert_uint_le(transports.count, ITEMS_MAX);
    *item = (struct transport){.node = node,
                               .peer = 1 - node,
                               .receive = receive,
                               .time_ns = MS(at_ms),
                               .position = MS(at_ms),
                               .bytes = bytes,
                               .other_ns = UINT64_MAX};
    return item;
}

/* A packet from a node to the other one; arrives_ms may be NEVER. */
static struct transport *packet(unsigned node, uint64_t bytes, double at_ms, double arrives_ms) {
    struct transport *sent = add(node, false, at_ms, bytes);
    if (arrives_ms == NEVER) return sent;
    sent->other_ns = MS(arrives_ms);
    add(1 - node, true, arrives_ms, bytes)->other_ns = sent->time_ns;
    return sent;
}

static void stream(unsigned node, bool receive, double at_ms, uint64_t bytes) { add(node, receive, at_ms, bytes)->stream = true; }

static int compare_items(const void *left, const void *right) {
    const struct transport *a = left, *b = right;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->receive != b->receive) return a->receive ? 1 : -1;
    return a->position < b->position ? -1 : 1;
}

static void begin(double from_ms) {
    qsort(items, transports.count, sizeof *items, compare_items);
    ck_assert_int_eq(idle_marks_init(&marks, &transports), 0);
    idle_walk_init(&walk, &marks, ALICE, BOB, MS(from_ms), MS(END_MS));
}

static void check_idle(double from_ms, double to_ms, unsigned node) {
    struct idle idle;
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.from_ns, MS(from_ms));
    ck_assert_uint_eq(idle.to_ns, MS(to_ms));
    ck_assert_uint_eq(idle.node, node);
}

static void check_no_more(void) {
    struct idle idle;
    ck_assert(!idle_walk_next(&walk, &idle));
}

START_TEST(from_an_arrival_until_the_next_packet_the_link_is_idle) {
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, PACKET, 12, 13);
    packet(ALICE, PACKET, 30, 31);
    begin(0);
    check_idle(2, 12, BOB);
    check_idle(13, 30, ALICE);
    check_no_more();
}
END_TEST

START_TEST(an_idle_time_lasts_a_millisecond_at_least) {
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, PACKET, 2.9, 3.5);
    packet(ALICE, PACKET, 4.5, 5);
    begin(0);
    check_idle(3.5, 4.5, ALICE);
    check_no_more();
}
END_TEST

START_TEST(before_the_first_time_asked_for_nothing_is_idle) {
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, PACKET, 12, 13);
    packet(ALICE, PACKET, 30, 31);
    begin(20);
    check_idle(20, 30, ALICE);
    check_no_more();
}
END_TEST

START_TEST(while_a_packet_is_missing_nothing_is_idle) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, PACKET, 2.5, NEVER);
    packet(BOB, PACKET, 12, 13);
    begin(0);
    check_no_more();
}
END_TEST

START_TEST(a_packet_that_arrives_repeated_is_no_longer_missing) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, PACKET, 2.5, NEVER);
    packet(ALICE, PACKET, 5, NEVER)->repeat = true;
    packet(ALICE, PACKET, 7, 8)->repeat = true;
    packet(BOB, PACKET, 20, 21);
    begin(0);
    check_idle(8, 20, BOB);
    check_no_more();
}
END_TEST

START_TEST(while_stream_bytes_are_under_way_nothing_is_idle) {
    stream(ALICE, false, 1, 100);
    packet(ALICE, PACKET, 1.1, 2);
    stream(BOB, true, 2.1, 60);
    packet(BOB, PACKET, 12, 13);
    stream(BOB, true, 15, 40);
    packet(BOB, PACKET, 30, 31);
    begin(0);
    check_idle(15, 30, BOB);
    check_no_more();
}
END_TEST

START_TEST(a_small_packet_ends_no_idle_time_but_may_have_caused_its_end) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, SIGNAL, 9, 10);
    packet(BOB, PACKET, 10.1, 11);
    begin(0);
    check_idle(2, 9, ALICE);
    check_no_more();
}
END_TEST

START_TEST(who_answers_a_small_packet_late_ended_the_idle_time) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, SIGNAL, 9, 10);
    packet(BOB, PACKET, 16, 17);
    begin(0);
    check_idle(2, 16, BOB);
    check_no_more();
}
END_TEST

START_TEST(what_was_sent_before_an_idle_time_may_not_be_acknowledged) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, PACKET, 12, 13);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.sender, ALICE);
    ck_assert_uint_eq(idle.last_ns, MS(1));
    ck_assert_uint_eq(idle.acked_ns, UINT64_MAX);
}
END_TEST

START_TEST(the_first_packet_back_acknowledges_what_came_before_it) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, SIGNAL, 1.5, 2.5);
    packet(BOB, SIGNAL, 5, 6);
    packet(BOB, SIGNAL, 7, 8);
    packet(ALICE, PACKET, 12, 13);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.acked_ns, MS(6));
    ck_assert_uint_eq(idle.node, ALICE);
}
END_TEST

START_TEST(an_acknowledgement_that_is_lost_acknowledges_nothing) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, SIGNAL, 5, NEVER);
    packet(ALICE, PACKET, 12, 13);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.acked_ns, UINT64_MAX);
}
END_TEST

START_TEST(who_goes_on_with_the_acknowledgement_did_not_wait_for_leave) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, SIGNAL, 9, 10);
    packet(ALICE, PACKET, 10.1, 11);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.acked_ns, MS(10));
    ck_assert_uint_eq(idle.node, ALICE);
    ck_assert_uint_eq(idle.to_ns, MS(10.1));
}
END_TEST

START_TEST(who_goes_on_with_a_later_packet_waited_for_leave) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, SIGNAL, 2.5, 3);
    packet(BOB, SIGNAL, 19, 20);
    packet(ALICE, PACKET, 20.1, 21);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.acked_ns, MS(3));
    ck_assert_uint_eq(idle.node, BOB);
    ck_assert_uint_eq(idle.to_ns, MS(19));
}
END_TEST

START_TEST(an_answer_acknowledges_the_question) {
    struct idle idle;
    packet(ALICE, PACKET, 1, 2);
    packet(BOB, PACKET, 2.5, 3);
    packet(ALICE, PACKET, 12, 13);
    begin(0);
    ck_assert(idle_walk_next(&walk, &idle));
    ck_assert_uint_eq(idle.from_ns, MS(3));
    ck_assert_uint_eq(idle.acked_ns, MS(3));
}
END_TEST

START_TEST(after_the_last_arrival_nothing_is_under_way) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, SIGNAL, 3, 7);
    begin(0);
    check_no_more();
    ck_assert_uint_eq(idle_walk_end(&walk), MS(7));
}
END_TEST

START_TEST(what_has_not_arrived_is_under_way_to_the_end) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, SIGNAL, 3, NEVER);
    begin(0);
    check_no_more();
    ck_assert_uint_eq(idle_walk_end(&walk), MS(END_MS));
}
END_TEST

START_TEST(a_small_packet_that_was_given_up_is_not_under_way) {
    packet(ALICE, PACKET, 1, 2);
    packet(ALICE, SIGNAL, 3, NEVER)->lost = true;
    begin(0);
    check_no_more();
    ck_assert_uint_eq(idle_walk_end(&walk), MS(2));
}
END_TEST

START_TEST(what_arrives_right_before_the_end_leaves_no_idle_time) {
    packet(ALICE, PACKET, 1, END_MS - 0.5);
    begin(0);
    check_no_more();
    ck_assert_uint_eq(idle_walk_end(&walk), MS(END_MS));
}
END_TEST

/* Traffic of all sorts; each time differs. */
static void chat(unsigned seed) {
    uint64_t state = seed + 1;
    double at_ms = 0;
    for (unsigned i = 0; i < 600; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        unsigned dice = (unsigned)(state >> 40), node = dice % 2;
        at_ms += 0.1 + (dice / 2 % 8 ? 0.01 * (dice / 16 % 10) : 1.5 + dice / 16 % 4);
        double arrives_ms = at_ms + 0.35 + 0.001 * (i % 7);
        if (dice / 256 % 5 == 0) {
            stream(node, false, at_ms, 100);
            stream(1 - node, true, arrives_ms, 100);
        } else {
            struct transport *sent = packet(node, dice / 512 % 3 ? PACKET : SIGNAL, at_ms, dice / 2048 % 20 ? arrives_ms : NEVER);
            sent->repeat = dice / 1024 % 4 == 0;
        }
    }
}

START_TEST(a_walk_that_begins_at_a_mark_finds_what_one_from_the_beginning_finds) {
    const struct idle_marks none = {.transports = &transports};
    chat((unsigned)_i);
    begin(0);
    ck_assert_uint_ge(marks.count, 8);
    unsigned found = 0;
    for (double from_ms = 0; from_ms < 600; from_ms += 7.3) {
        for (unsigned way = 0; way < 2; way++) {
            struct idle_walk whole;
            struct idle idle, expected;
            bool more = true;
            idle_walk_init(&walk, &marks, way, 1 - way, MS(from_ms), MS(from_ms + 40));
            idle_walk_init(&whole, &none, way, 1 - way, MS(from_ms), MS(from_ms + 40));
            while (more) {
                more = idle_walk_next(&whole, &expected);
                ck_assert_int_eq(idle_walk_next(&walk, &idle), more);
                if (more) ck_assert_mem_eq(&idle, &expected, sizeof idle);
                found += more;
            }
            ck_assert_uint_eq(idle_walk_end(&walk), idle_walk_end(&whole));
        }
    }
    ck_assert_uint_gt(found, 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("path_idle");
    TCase *tcase = tcase_create("path_idle");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, from_an_arrival_until_the_next_packet_the_link_is_idle);
    tcase_add_test(tcase, an_idle_time_lasts_a_millisecond_at_least);
    tcase_add_test(tcase, before_the_first_time_asked_for_nothing_is_idle);
    tcase_add_test(tcase, while_a_packet_is_missing_nothing_is_idle);
    tcase_add_test(tcase, a_packet_that_arrives_repeated_is_no_longer_missing);
    tcase_add_test(tcase, while_stream_bytes_are_under_way_nothing_is_idle);
    tcase_add_test(tcase, a_small_packet_ends_no_idle_time_but_may_have_caused_its_end);
    tcase_add_test(tcase, who_answers_a_small_packet_late_ended_the_idle_time);
    tcase_add_test(tcase, what_was_sent_before_an_idle_time_may_not_be_acknowledged);
    tcase_add_test(tcase, the_first_packet_back_acknowledges_what_came_before_it);
    tcase_add_test(tcase, an_acknowledgement_that_is_lost_acknowledges_nothing);
    tcase_add_test(tcase, who_goes_on_with_the_acknowledgement_did_not_wait_for_leave);
    tcase_add_test(tcase, who_goes_on_with_a_later_packet_waited_for_leave);
    tcase_add_test(tcase, an_answer_acknowledges_the_question);
    tcase_add_test(tcase, after_the_last_arrival_nothing_is_under_way);
    tcase_add_test(tcase, what_has_not_arrived_is_under_way_to_the_end);
    tcase_add_test(tcase, a_small_packet_that_was_given_up_is_not_under_way);
    tcase_add_test(tcase, what_arrives_right_before_the_end_leaves_no_idle_time);
    tcase_add_loop_test(tcase, a_walk_that_begins_at_a_mark_finds_what_one_from_the_beginning_finds, 0, 20);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
