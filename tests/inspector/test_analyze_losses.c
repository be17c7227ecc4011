/* SPDX-License-Identifier: MIT
 *
 * Lost packets, at the limits of each rule (inspector/analyze/analyze_links.c): which packets count, when a peer is gone, and
 * which of a link, a node and the network is named. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "facts_fixture.h"

#include <check.h>
#include <p2ptrace/event.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define NOW (1000 * S)
#define BEGIN (NOW - 10 * S)
#define UDP (SPACE_MESSAGES + 1)
#define LOGS_MAX 16

enum { ALICE, BOB, CAROL, DAVE, EVE, NODES };

static struct facts facts;
static struct analysis analysis;
static struct node_state states[LOGS_MAX];
static size_t state_count;

static void begin(void) {
    static const char *const ids[NODES] = {"alice", "bob", "carol", "dave", "eve"};
    unsigned number;
    facts = (struct facts){.capacity = 20000, .items = calloc(20000, sizeof *facts.items)};
    ck_assert_ptr_nonnull(facts.items);
    for (unsigned i = 0; i < NODES; i++) {
        ck_assert_int_eq(intern_number(&facts.nodes, ids[i], &number), 0);
        states[i] = (struct node_state){.node = i, .live = true};
    }
    state_count = NODES;
    analysis = (struct analysis){0};
}

static void end(void) {
    analysis_fini(&analysis);
    facts_fini(&facts);
}

static struct fact *add(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns) {
    return facts_push(&facts, kind, node, peer, at_ns);
}

static void run(void) {
    ck_assert_int_eq(facts_sort(&facts), 0);
    struct node_states all = {.items = states, .count = state_count};
    node_states_settle(&all, &facts, FACTS_OF_PERIOD);
    ck_assert_int_eq(analyze(&analysis, &facts, &all, NOW, false), 0);
}

/* The only finding of that kind; NULL: there is none. */
static const struct finding *find(enum finding_kind kind) {
    const struct finding *found = NULL;
    for (size_t i = 0; i < analysis.count; i++) {
        if (analysis.findings[i].kind != kind) continue;
        ck_assert_ptr_null(found);
        found = &analysis.findings[i];
    }
    return found;
}

static void lossy(uint64_t lost, uint64_t sent) {
    const struct finding *finding = find(FINDING_LOSSY_LINK);
    ck_assert_ptr_nonnull(finding);
    ck_assert_uint_eq(finding->count, lost);
    ck_assert_uint_eq(finding->of, sent);
}

static void not_lossy(void) {
    ck_assert_ptr_null(find(FINDING_LOSSY_LINK));
    ck_assert_ptr_null(find(FINDING_LOSSY_NODE));
    ck_assert_ptr_null(find(FINDING_LOSSY_NETWORK));
}

static struct fact *packet(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns, uint64_t number, uint64_t bytes) {
    struct fact *fact = add(kind, node, peer, at_ns);
    fact->number = number;
    fact->space = TRACE_SPACE_1RTT;
    fact->bytes = (uint32_t)bytes;
    return fact;
}

/* Packets with numbers from `first` on, a millisecond apart; both ends report them, but the first `lost` do not arrive. */
static void deliver(unsigned from, unsigned to, unsigned first, unsigned count, unsigned lost, uint64_t bytes) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t at_ns = BEGIN + (first + i) * MS;
        packet(FACT_PACKET_SENT, from, to, at_ns, first + i, bytes);
        if (i >= lost) packet(FACT_PACKET_RECEIVED, to, from, at_ns + MS / 2, first + i, bytes);
    }
}

/* The same; only the sender reports them, and which it declared lost. */
static void declare(unsigned from, unsigned to, unsigned first, unsigned count, unsigned lost, uint64_t bytes) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t at_ns = BEGIN + (first + i) * MS;
        packet(FACT_PACKET_SENT, from, to, at_ns, first + i, bytes);
        if (i < lost) packet(FACT_PACKET_LOST, from, to, at_ns + MS / 2, first + i, bytes);
    }
}

static void message(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns, uint64_t id) {
    struct fact *fact = add(kind, node, peer, at_ns);
    fact->space = UDP;
    fact->bytes = 100;
    fact->number = id;
}

/* ---- which packets count ---- */

START_TEST(a_packet_that_arrives_twice_was_sent_once) {
    deliver(ALICE, BOB, 0, 200, 20, 1000);
    for (unsigned i = 20; i < 200; i++) packet(FACT_PACKET_RECEIVED, BOB, ALICE, BEGIN + i * MS + MS / 2 + 1, i, 1000);
    run();
    lossy(20, 200);
}
END_TEST

/* Two connections have the same numbers: nobody knows which packet arrived. */
START_TEST(a_packet_whose_number_was_sent_twice_is_not_counted) {
    deliver(ALICE, BOB, 0, 100, 0, 1000);
    deliver(ALICE, BOB, 0, 100, 100, 1000);
    run();
    not_lossy();
}
END_TEST

START_TEST(a_packet_that_was_declared_lost_and_arrived_is_not_lost) {
    declare(ALICE, BOB, 0, 200, 20, 1000);
    for (unsigned i = 0; i < 200; i++) packet(FACT_PACKET_RECEIVED, BOB, ALICE, BEGIN + i * MS + MS, i, 1000);
    add(FACT_EVENTS_LOST, BOB, NO_NUMBER, NOW - 9 * S)->missing = 1; /* so only what is declared lost counts */
    run();
    not_lossy();
}
END_TEST

/* It may have been sent before the first event: then nobody knows how many were sent. */
START_TEST(a_loss_without_its_send_does_not_count) {
    declare(ALICE, BOB, 0, 200, LOSS_LOST_MIN - 1, 1000);
    for (unsigned i = 0; i < 100; i++) packet(FACT_PACKET_LOST, ALICE, BOB, BEGIN + i * MS, 1000 + i, 1000);
    run();
    not_lossy();
}
END_TEST

/* 0: lost packets are larger than any that arrived: they look for the path's limit; others are lost: 1: not larger than every
 * path carries; 2: as large as one that arrived; 3: only one end reports. */
START_TEST(a_packet_larger_than_any_that_arrived_may_be_a_probe) {
    static const unsigned arrived[] = {1200, 1000, 1201}, sent[] = {1201, 1200, 1201};
    if (_i == 3) {
        declare(ALICE, BOB, 0, 200, 20, 1400);
    } else {
        deliver(ALICE, BOB, 0, 20, 20, sent[_i]);
        deliver(ALICE, BOB, 20, 180, 0, arrived[_i]);
    }
    run();
    if (_i)
        lossy(20, 200);
    else
        not_lossy();
}
END_TEST

START_TEST(a_packet_of_the_handshake_may_be_dropped_on_purpose) {
    deliver(ALICE, BOB, 0, 200, 0, 1000);
    for (unsigned i = 0; i < 100; i++) packet(FACT_PACKET_SENT, ALICE, BOB, BEGIN + i * MS, i, 1000)->space = TRACE_SPACE_INITIAL;
    run();
    not_lossy();
}
END_TEST

/* Acknowledgements cannot be declared lost, so they do not count as sent; one that was lost is more than that. */
START_TEST(a_small_packet_counts_if_it_was_lost) {
    declare(ALICE, BOB, 0, 20, 20, 30);
    declare(ALICE, BOB, 20, 100, 0, 30);
    declare(ALICE, BOB, 120, 100, 0, 1000);
    run();
    lossy(20, 120);
}
END_TEST

/* The receiver knows packets of which the sender does not say that it sent them: 1: too many of them. */
START_TEST(a_sender_that_does_not_report_all_is_no_witness) {
    deliver(ALICE, BOB, 0, 120, 20, 1000);
    for (unsigned i = 0; i < 10 + (unsigned)_i; i++) packet(FACT_PACKET_RECEIVED, BOB, ALICE, BEGIN + S + i * MS, 1000 + i, 1000);
    run();
    if (_i)
        not_lossy();
    else
        lossy(20, 120);
}
END_TEST

START_TEST(an_event_without_a_peer_is_no_sign_of_one) {
    deliver(ALICE, BOB, 0, 200, 20, 1000);
    packet(FACT_PACKET_RECEIVED, ALICE, NO_NUMBER, BEGIN, 5000, 1000);
    run();
    lossy(20, 200);
}
END_TEST

/* ---- numbers that were sent again ---- */

START_TEST(what_was_sent_twice_and_arrived_twice_is_no_example_of_a_loss) {
    for (unsigned i = 0; i < 200; i++) {
        uint64_t at_ns = BEGIN + i * MS;
        bool lost = i >= 180;
        message(FACT_MESSAGE_SENT, ALICE, BOB, at_ns, i);
        if (lost) continue;
        message(FACT_MESSAGE_RECEIVED, BOB, ALICE, at_ns + 2000, i);
        message(FACT_MESSAGE_SENT, ALICE, BOB, at_ns + 3000, i);
        message(FACT_MESSAGE_RECEIVED, BOB, ALICE, at_ns + 5000, i);
    }
    add(FACT_APP_COMMAND, BOB, ALICE, NOW - S);
    run();
    const struct finding *finding = find(FINDING_LOSSY_LINK);
    ck_assert_ptr_nonnull(finding);
    ck_assert_uint_eq(finding->count, 20);
    for (unsigned i = 0; i < finding->evidence_count; i++) ck_assert_uint_ge(facts.items[finding->evidence[i]].number, 180);
}
END_TEST

START_TEST(where_packets_count_messages_that_were_sent_again_do_not) {
    deliver(ALICE, BOB, 0, 200, 0, 1000);
    for (unsigned i = 0; i < 100; i++) {
        message(FACT_MESSAGE_SENT, ALICE, BOB, BEGIN + i * MS, i);
        message(FACT_MESSAGE_SENT, ALICE, BOB, BEGIN + i * MS + 1000, i);
        if (i == 0) message(FACT_MESSAGE_RECEIVED, BOB, ALICE, BEGIN + i * MS + 2000, i);
    }
    run();
    not_lossy();
    ck_assert_uint_eq(analysis.coverage.links_judged, 1);
}
END_TEST

/* ---- receivers that did not run ---- */

/* Bob's log ends after 2 s; alice sends to it for 4 s, and bob says something to carol meanwhile if it runs in another log. */
static void outlive(bool again) {
    deliver(ALICE, BOB, 0, 2000, 0, 1000);
    states[BOB] = (struct node_state){.node = BOB, .exited = true, .started_ns = BEGIN - S, .last_ns = BEGIN + 2 * S};
    for (unsigned i = 0; i < 100; i++) {
        packet(FACT_PACKET_SENT, ALICE, BOB, BEGIN + 3 * S + i * MS, 5000 + i, 1000);
        if (!again) continue;
        message(FACT_MESSAGE_SENT, ALICE, BOB, BEGIN + 3 * S + i * MS, i);
        message(FACT_MESSAGE_SENT, ALICE, BOB, BEGIN + 3 * S + i * MS + 1000, i);
    }
    add(FACT_APP_COMMAND, BOB, CAROL, BEGIN + 2 * S);
}

/* 1: what bob's next life exchanges with others, or does without alice, says nothing about alice. */
START_TEST(what_is_sent_to_a_node_that_ended_is_not_lost_by_the_link) {
    outlive(false);
    if (_i) {
        states[state_count++] =
            (struct node_state){.node = BOB, .live = true, .started_ns = BEGIN + 2 * S + 500 * MS, .last_ns = NOW};
        packet(FACT_PACKET_SENT, BOB, CAROL, BEGIN + 2 * S + 600 * MS, 1, 1000);
        packet(FACT_PACKET_RECEIVED, CAROL, BOB, BEGIN + 2 * S + 601 * MS, 1, 1000);
        add(FACT_APP_COMMAND, BOB, ALICE, BEGIN + 2 * S + 700 * MS);
        add(FACT_APP_COMMAND, BOB, CAROL, NOW - S);
    }
    run();
    not_lossy();
}
END_TEST

START_TEST(what_is_sent_after_a_node_and_its_peer_talk_again_counts) {
    outlive(false);
    states[state_count++] =
        (struct node_state){.node = BOB, .live = true, .started_ns = BEGIN + 2 * S + 500 * MS, .last_ns = NOW};
    packet(FACT_PACKET_SENT, BOB, ALICE, BEGIN + 2 * S + 600 * MS, 1, 1000);
    packet(FACT_PACKET_RECEIVED, ALICE, BOB, BEGIN + 2 * S + 601 * MS, 1, 1000);
    add(FACT_APP_COMMAND, BOB, CAROL, NOW - S);
    run();
    lossy(100, 2100);
}
END_TEST

/* Of two logs of one process: 0: the other one ends later, so the node ran on; 1: the other one ended before; 2: it began later;
 * 3: it is another node's. */
START_TEST(a_node_with_two_logs_runs_until_the_later_one_ends) {
    outlive(false);
    struct node_state *other = &states[state_count++];
    *other = (struct node_state){.node = _i == 3 ? DAVE : BOB, .exited = true, .started_ns = BEGIN, .last_ns = NOW - 5 * S};
    if (_i == 1) other->last_ns = BEGIN + S;
    if (_i == 2) other->started_ns = NOW - 6 * S;
    add(FACT_APP_COMMAND, BOB, CAROL, NOW - 5 * S);
    run();
    if (_i == 0)
        lossy(100, 2100);
    else
        not_lossy();
}
END_TEST

/* ---- peers that are gone ---- */

/* Alice sends to eve, of which traced knows nothing; of `count` packets the first `lost` are lost. */
static void leave(unsigned count, unsigned lost) {
    state_count = EVE;
    declare(ALICE, BOB, 0, 200, 0, 1000);
    declare(ALICE, EVE, 0, count, lost, 1000);
}

START_TEST(an_untraced_peer_that_loses_nearly_all_is_gone_and_its_link_is_not_named) {
    leave(100, 91);
    run();
    const struct finding *finding = find(FINDING_UNTRACED_PEER);
    ck_assert_ptr_nonnull(finding);
    ck_assert(finding->gone);
    ck_assert_uint_eq(finding->node, EVE);
    ck_assert_uint_eq(finding->count, 91);
    ck_assert_uint_eq(finding->of, 100);
    not_lossy();
}
END_TEST

/* Fewer lost than GONE_SHARE_MIN; too few sent. */
START_TEST(an_untraced_peer_that_gets_some_is_not_gone) {
    if (_i)
        leave(LOSS_SENT_MIN - 1, LOSS_SENT_MIN - 1);
    else
        leave(100, 89);
    run();
    const struct finding *finding = find(FINDING_UNTRACED_PEER);
    ck_assert(!finding || !finding->gone);
}
END_TEST

START_TEST(an_untraced_peer_needs_no_more_than_the_least_number_of_packets) {
    leave(LOSS_SENT_MIN, LOSS_SENT_MIN);
    run();
    ck_assert_ptr_nonnull(find(FINDING_UNTRACED_PEER));
}
END_TEST

/* ---- a link, a node, or the network ---- */

START_TEST(the_examples_of_a_node_are_the_first_losses_of_all_its_links) {
    for (unsigned i = 0; i < 200; i++) {
        uint64_t at_ns = BEGIN + i * MS;
        packet(FACT_PACKET_SENT, BOB, ALICE, at_ns, i, 1000);
        packet(FACT_PACKET_SENT, BOB, CAROL, at_ns, i, 1000);
        if (i % 10 == 4) packet(FACT_PACKET_LOST, BOB, ALICE, at_ns + 1, i, 1000);
        if (i % 10 == 2) packet(FACT_PACKET_LOST, BOB, CAROL, at_ns + 1, i, 1000);
    }
    declare(ALICE, CAROL, 0, 200, 0, 1000);
    declare(CAROL, DAVE, 0, 200, 0, 1000);
    declare(DAVE, CAROL, 0, 200, 0, 1000);
    run();
    const struct finding *finding = find(FINDING_LOSSY_NODE);
    ck_assert_ptr_nonnull(finding);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->count, 40);
    ck_assert_uint_eq(finding->evidence_count, EVIDENCE_MAX);
    size_t at = 0;
    for (size_t i = 0; i < facts.count && at < EVIDENCE_MAX; i++)
        if (facts.items[i].kind == FACT_PACKET_LOST) ck_assert_uint_eq(finding->evidence[at++], i);
}
END_TEST

/* All links of alice lose 10 %, and most links are alice's; `count` links between others lose `lost` of LOSS_SENT_MIN. */
static void star(unsigned links, unsigned count, unsigned lost) {
    static const unsigned pairs[][2] = {{BOB, CAROL}, {CAROL, BOB}, {BOB, DAVE}};
    for (unsigned i = 0; i < links; i++) {
        unsigned other = i / 2 ? CAROL : BOB;
        declare(i % 2 ? other : ALICE, i % 2 ? ALICE : other, 0, 200, 20, 1000);
    }
    for (unsigned i = 0; i < count; i++) declare(pairs[i][0], pairs[i][1], 0, LOSS_SENT_MIN, lost, 1000);
    run();
}

/* 0: no loss elsewhere; 1: less than a third. */
START_TEST(a_node_whose_links_all_lose_far_more_than_the_others_is_named) {
    star(2 * SHARED_LINKS_MIN, SHARED_LINKS_MIN, _i ? 1 : 0);
    const struct finding *finding = find(FINDING_LOSSY_NODE);
    ck_assert_ptr_nonnull(finding);
    ck_assert_uint_eq(finding->node, ALICE);
    ck_assert_int_eq(finding->direction, DIRECTION_BOTH);
    ck_assert_uint_eq(finding->count, 80);
    ck_assert_uint_eq(finding->of, 800);
    ck_assert_ptr_null(find(FINDING_LOSSY_LINK));
    ck_assert_double_eq_tol(finding->usual_rate, _i ? 0.02 : 0, 1e-9);
}
END_TEST

/* The others lose more than a third of it; or there is only one other link. */
START_TEST(a_node_is_not_named_for_a_loss_that_others_have_too) {
    star(2 * SHARED_LINKS_MIN, _i ? SHARED_LINKS_MIN - 1 : SHARED_LINKS_MIN, _i ? 0 : 2);
    const struct finding *finding = find(FINDING_LOSSY_NODE);
    ck_assert(!finding || finding->direction != DIRECTION_BOTH || !finding->usual_known || _i);
    ck_assert_ptr_nonnull(find(FINDING_LOSSY_NETWORK));
}
END_TEST

/* Ends of packets that no event names. */
START_TEST(a_packet_without_a_receiver_belongs_to_no_link) {
    for (unsigned i = 0; i < 100; i++) {
        packet(FACT_PACKET_SENT, ALICE, NO_NUMBER, BEGIN + i * MS, i, 1000)->trace = NO_NUMBER;
        packet(FACT_PACKET_LOST, ALICE, NO_NUMBER, BEGIN + i * MS + 1, i, 1000)->trace = NO_NUMBER;
        packet(FACT_PACKET_RECEIVED, BOB, NO_NUMBER, BEGIN + i * MS, 1000 + i, 1000)->trace = NO_NUMBER;
    }
    run();
    not_lossy();
    ck_assert_uint_eq(analysis.coverage.links, 0);
}
END_TEST

START_TEST(a_node_that_traced_knows_is_not_gone) {
    leave(100, 100);
    state_count = NODES;
    run();
    const struct finding *finding = find(FINDING_UNTRACED_PEER);
    ck_assert(!finding || !finding->gone);
}
END_TEST

/* Two links without a common node lose; half of all, or fewer than LOSSY_LINKS_MIN: each is named, and the network is not. */
START_TEST(few_links_that_lose_are_named_and_not_the_network) {
    declare(ALICE, BOB, 0, 200, 20, 1000);
    declare(CAROL, DAVE, 0, 200, 20, 1000);
    if (_i) declare(EVE, ALICE, 0, 200, 20, 1000);
    for (unsigned i = 0; i < 2 + (unsigned)_i; i++) declare(DAVE, i == 0 ? EVE : i == 1 ? BOB : ALICE, 0, 200, 0, 1000);
    run();
    unsigned named = 0;
    for (size_t i = 0; i < analysis.count; i++) named += analysis.findings[i].kind == FINDING_LOSSY_LINK;
    ck_assert_uint_eq(named, 2 + (unsigned)_i);
    ck_assert_ptr_null(find(FINDING_LOSSY_NETWORK));
}
END_TEST

/* A loss of 3 of 200 elsewhere: 0: 20 of 200 is surely three times that; 1: 11 is not. */
START_TEST(a_link_stands_out_if_it_surely_loses_several_times_as_much) {
    declare(ALICE, BOB, 0, 200, _i ? 11 : 20, 1000);
    declare(CAROL, DAVE, 0, 200, 3, 1000);
    declare(DAVE, EVE, 0, 200, 3, 1000);
    declare(EVE, CAROL, 0, 200, 3, 1000);
    run();
    if (_i)
        not_lossy();
    else
        lossy(20, 200);
}
END_TEST

/* Alice loses a third to bob and to carol; her links to dave and eve have too few packets to be judged alone.  0: they show that
 * she does not lose everywhere; 1: they lose, too; 2: they have too few packets to show anything; 3: both may be gone. */
START_TEST(links_with_few_packets_tell_a_link_from_a_node) {
    static const unsigned few[] = {LOSS_SENT_MIN - 1, LOSS_SENT_MIN - 1, 25, LOSS_SENT_MIN - 1}, lost[] = {0, 20, 0, 0};
    for (unsigned to = BOB; to <= CAROL; to++) declare(ALICE, to, 0, 200, 70, 1000);
    for (unsigned to = DAVE; to <= EVE; to++) {
        unsigned sent = few[_i];
        declare(ALICE, to, 0, sent, _i == 3 ? sent : lost[_i], 1000);
        add(FACT_APP_COMMAND, to, ALICE, NOW - S);
    }
    declare(BOB, CAROL, 0, 200, 0, 1000);
    declare(CAROL, DAVE, 0, 200, 0, 1000);
    declare(DAVE, EVE, 0, 200, 0, 1000);
    declare(EVE, DAVE, 0, 200, 0, 1000);
    run();
    const struct finding *finding = find(FINDING_LOSSY_NODE);
    ck_assert_int_eq(finding != NULL, _i != 0);
    if (finding) ck_assert_uint_eq(finding->node, ALICE);
}
END_TEST

/* Alice loses a third to bob, and some of few packets to carol.  0: too few to be sure; 1: enough for her to be named; 2: carol
 * may be gone: it was never heard of. */
START_TEST(a_link_with_few_packets_must_surely_lose_to_blame_its_sender) {
    static const unsigned lost[] = {LOSS_LOST_MIN - 1, LOSS_LOST_MIN, LOSS_SENT_MIN - 1};
    declare(ALICE, BOB, 0, 200, 70, 1000);
    declare(ALICE, CAROL, 0, LOSS_SENT_MIN - 1, lost[_i], 1000);
    if (_i < 2) packet(FACT_PACKET_RECEIVED, ALICE, CAROL, NOW - S, 1, 1000);
    add(FACT_APP_COMMAND, CAROL, ALICE, NOW - S);
    declare(DAVE, EVE, 0, 200, 0, 1000);
    declare(EVE, DAVE, 0, 200, 0, 1000);
    run();
    ck_assert_int_eq(find(FINDING_LOSSY_NODE) != NULL, _i == 1);
    ck_assert_int_eq(find(FINDING_LOSSY_LINK) != NULL, _i != 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("analyze_losses");
    TCase *tcase = tcase_create("losses");
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, a_packet_that_arrives_twice_was_sent_once);
    tcase_add_test(tcase, a_packet_whose_number_was_sent_twice_is_not_counted);
    tcase_add_test(tcase, a_packet_that_was_declared_lost_and_arrived_is_not_lost);
    tcase_add_test(tcase, a_loss_without_its_send_does_not_count);
    tcase_add_loop_test(tcase, a_packet_larger_than_any_that_arrived_may_be_a_probe, 0, 4);
    tcase_add_test(tcase, a_packet_of_the_handshake_may_be_dropped_on_purpose);
    tcase_add_test(tcase, a_small_packet_counts_if_it_was_lost);
    tcase_add_loop_test(tcase, a_sender_that_does_not_report_all_is_no_witness, 0, 2);
    tcase_add_test(tcase, an_event_without_a_peer_is_no_sign_of_one);
    tcase_add_test(tcase, what_was_sent_twice_and_arrived_twice_is_no_example_of_a_loss);
    tcase_add_test(tcase, where_packets_count_messages_that_were_sent_again_do_not);
    tcase_add_loop_test(tcase, what_is_sent_to_a_node_that_ended_is_not_lost_by_the_link, 0, 2);
    tcase_add_test(tcase, what_is_sent_after_a_node_and_its_peer_talk_again_counts);
    tcase_add_loop_test(tcase, a_node_with_two_logs_runs_until_the_later_one_ends, 0, 4);
    tcase_add_test(tcase, an_untraced_peer_that_loses_nearly_all_is_gone_and_its_link_is_not_named);
    tcase_add_loop_test(tcase, an_untraced_peer_that_gets_some_is_not_gone, 0, 2);
    tcase_add_test(tcase, an_untraced_peer_needs_no_more_than_the_least_number_of_packets);
    tcase_add_test(tcase, the_examples_of_a_node_are_the_first_losses_of_all_its_links);
    tcase_add_loop_test(tcase, a_node_whose_links_all_lose_far_more_than_the_others_is_named, 0, 2);
    tcase_add_loop_test(tcase, a_node_is_not_named_for_a_loss_that_others_have_too, 0, 2);
    tcase_add_test(tcase, a_packet_without_a_receiver_belongs_to_no_link);
    tcase_add_test(tcase, a_node_that_traced_knows_is_not_gone);
    tcase_add_loop_test(tcase, few_links_that_lose_are_named_and_not_the_network, 0, 2);
    tcase_add_loop_test(tcase, a_link_stands_out_if_it_surely_loses_several_times_as_much, 0, 2);
    tcase_add_loop_test(tcase, links_with_few_packets_tell_a_link_from_a_node, 0, 4);
    tcase_add_loop_test(tcase, a_link_with_few_packets_must_surely_lose_to_blame_its_sender, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
