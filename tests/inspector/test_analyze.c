/* SPDX-License-Identifier: MIT
 *
 * What is a finding and what is not: each case has a counterpart that differs only in the relevant detail. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "facts_fixture.h"
#include "json_get.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S (1000 * MS)
#define NOW (1000 * S)

enum { ALICE, BOB, CAROL, DAVE, NODES };

static struct facts facts;
static struct analysis analysis;
static struct node_state states[NODES];
static bool one_trace;

static void setup(void) {
    static const char *const ids[NODES] = {"alice", "bob", "carol", "dave"};
    unsigned number;
    facts = (struct facts){.capacity = 20000, .items = calloc(20000, sizeof *facts.items)};
    ck_assert_ptr_nonnull(facts.items);
    for (unsigned i = 0; i < NODES; i++) {
        ck_assert_int_eq(intern_number(&facts.nodes, ids[i], &number), 0);
        states[i] = (struct node_state){.node = i, .live = true};
    }
    analysis = (struct analysis){0};
    one_trace = false;
}

static void teardown(void) {
    analysis_fini(&analysis);
    facts_fini(&facts);
}

static struct fact *add(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns) {
    return facts_push(&facts, kind, node, peer, at_ns);
}

static void run(void) {
    ck_assert_int_eq(facts_sort(&facts), 0);
    struct node_states all = {.items = states, .count = NODES};
    node_states_settle(&all, &facts, one_trace ? FACTS_OF_TRACE : FACTS_OF_PERIOD);
    ck_assert_int_eq(analyze(&analysis, &facts, &all, NOW, one_trace), 0);
}

/* The only finding. */
static const struct finding *only(enum finding_kind kind) {
    ck_assert_uint_eq(analysis.count, 1);
    ck_assert_str_eq(finding_name(analysis.findings->kind), finding_name(kind));
    ck_assert_uint_gt(analysis.findings->evidence_count, 0);
    return analysis.findings;
}

static void nothing(void) {
    ck_assert_msg(analysis.count == 0, "%s", analysis.count ? finding_name(analysis.findings->kind) : "");
}

/* ---- losses ---- */

/* Sends packets, one each millisecond from NOW - 10 s on; the first `lost` are lost. */
static void send_some(unsigned from, unsigned to, unsigned sent, unsigned lost) {
    for (unsigned i = 0; i < sent; i++) {
        add(FACT_PACKET_SENT, from, to, NOW - 10 * S + i * MS)->number = i;
        if (i < lost) add(FACT_PACKET_LOST, from, to, NOW - 10 * S + i * MS + 1)->number = i;
    }
}

START_TEST(a_link_that_loses_more_than_others_is_named_with_its_losses) {
    send_some(ALICE, BOB, 200, 20);
    send_some(ALICE, CAROL, 200, 0);
    send_some(BOB, CAROL, 200, 1);
    send_some(CAROL, BOB, 200, 0);
    run();
    const struct finding *finding = only(FINDING_LOSSY_LINK);
    ck_assert_int_eq(finding->severity, SEVERITY_SEVERE);
    ck_assert_uint_eq(finding->node, ALICE);
    ck_assert_uint_eq(finding->peer, BOB);
    ck_assert_uint_eq(finding->count, 20);
    ck_assert_uint_eq(finding->of, 200);
    ck_assert_uint_eq(finding->evidence_count, EVIDENCE_MAX);
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) {
        const struct fact *fact = &facts.items[finding->evidence[i]];
        ck_assert_int_eq(fact->kind, FACT_PACKET_LOST);
        ck_assert_uint_eq(fact->node, ALICE);
    }
    ck_assert_uint_eq(analysis.coverage.links, 4);
    ck_assert_uint_eq(analysis.coverage.links_judged, 4);
}
END_TEST

/* Too few packets, too few losses, too low a rate, not sure enough, and no less elsewhere. */
START_TEST(neither_chance_nor_a_common_loss_is_a_finding) {
    static const unsigned sent[] = {LOSS_SENT_MIN - 1, 100, 2000, 200, 200}, lost[] = {20, LOSS_LOST_MIN - 1, 21, 5, 20};
    unsigned elsewhere = _i == 4 ? 12 : 0;
    send_some(ALICE, BOB, sent[_i], lost[_i]);
    send_some(BOB, CAROL, 200, elsewhere);
    send_some(CAROL, DAVE, 200, elsewhere);
    send_some(DAVE, CAROL, 200, elsewhere);
    run();
    for (size_t i = 0; i < analysis.count; i++) ck_assert_uint_ne(analysis.findings[i].node, ALICE);
    if (_i != 4) nothing();
}
END_TEST

START_TEST(a_faulty_pair_is_not_compared_with_its_other_direction) {
    send_some(ALICE, BOB, 200, 20);
    send_some(BOB, ALICE, 200, 20);
    send_some(BOB, CAROL, 200, 0);
    send_some(CAROL, DAVE, 200, 10); /* with the other direction this would be the median */
    run();
    ck_assert_uint_eq(analysis.count, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(analysis.findings[i].kind, FINDING_LOSSY_LINK);
        ck_assert(analysis.findings[i].usual_rate == 0);
    }
}
END_TEST

START_TEST(two_nodes_alone_are_judged_too) {
    send_some(ALICE, BOB, 200, 20);
    run();
    only(FINDING_LOSSY_LINK);
}
END_TEST

/* Both ends report packets; the receiver, those of half of the traces. */
START_TEST(packets_of_traces_that_the_receiver_does_not_report_are_not_lost) {
    for (unsigned i = 0; i < 200; i++) {
        struct fact *sent = add(FACT_PACKET_SENT, ALICE, BOB, NOW - 10 * S + i * MS);
        sent->number = i;
        sent->space = TRACE_SPACE_1RTT;
        if (i % 2 == 0) continue;
        struct fact *received = add(FACT_PACKET_RECEIVED, BOB, ALICE, NOW - 10 * S + i * MS + 1000);
        received->number = i;
        received->space = TRACE_SPACE_1RTT;
    }
    add(FACT_APP_COMMAND, BOB, ALICE, NOW);
    states[BOB].sample = _i == 1 ? 0.5 : 1;
    states[ALICE].sample = _i == 2 ? 0.5 : 1;
    run();
    if (_i == 1)
        nothing();
    else
        ck_assert_uint_eq(only(FINDING_LOSSY_LINK)->count, 100);
}
END_TEST

START_TEST(a_node_that_loses_towards_all_its_peers_is_the_finding) {
    send_some(BOB, ALICE, 200, 20);
    send_some(BOB, CAROL, 200, 24);
    send_some(BOB, DAVE, LOSS_SENT_MIN - 1, 0); /* too few to say otherwise */
    send_some(ALICE, BOB, 200, 0);
    send_some(CAROL, DAVE, 200, 0);
    send_some(DAVE, CAROL, 200, 0);
    run();
    const struct finding *finding = only(FINDING_LOSSY_NODE);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->peer, NO_NUMBER);
    ck_assert_uint_eq(finding->count, 44);
}
END_TEST

#define UDP (SPACE_MESSAGES + 1)

static struct fact *message(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns, uint64_t id) {
    struct fact *fact = add(kind, node, peer, at_ns);
    fact->space = UDP;
    fact->bytes = 100;
    fact->number = id;
    return fact;
}

/* Sends messages, a millisecond apart; every tenth does not arrive.  With `again`, it is sent again and arrives. */
static void talk(unsigned from, unsigned to, unsigned count, bool heard, bool again) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t at_ns = NOW - 10 * S + i * MS;
        bool lost = i % 10 == 5;
        message(FACT_MESSAGE_SENT, from, to, at_ns, i);
        if (lost && again) message(FACT_MESSAGE_SENT, from, to, at_ns + 1000, i);
        if (heard && (!lost || again)) message(FACT_MESSAGE_RECEIVED, to, from, at_ns + 2000, i);
    }
}

/* 0: lost for good, 1: sent again. */
START_TEST(messages_that_never_arrive_are_lost_and_so_are_their_repetitions) {
    talk(ALICE, BOB, 200, true, _i == 1);
    run();
    const struct finding *finding = only(FINDING_LOSSY_LINK);
    ck_assert_uint_eq(finding->node, ALICE);
    ck_assert_uint_eq(finding->peer, BOB);
    ck_assert_uint_eq(finding->count, 20);
    ck_assert_uint_eq(finding->of, _i == 1 ? 220 : 200);
    ck_assert_uint_eq(finding->evidence_count, EVIDENCE_MAX);
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) {
        const struct fact *fact = &facts.items[finding->evidence[i]];
        ck_assert_int_eq(fact->kind, FACT_MESSAGE_SENT);
        ck_assert_uint_eq(fact->number, 5 + 10 * i);
    }
}
END_TEST

START_TEST(a_message_too_large_to_arrive_is_lost_and_not_a_probe) {
    talk(ALICE, BOB, 200, true, false);
    for (size_t i = 0; i < facts.count; i++)
        if (facts.items[i].number % 10 == 5) facts.items[i].bytes = 9000;
    run();
    ck_assert_uint_eq(only(FINDING_LOSSY_LINK)->count, 20);
}
END_TEST

START_TEST(messages_reported_by_one_end_are_neither_lost_nor_judged) {
    talk(ALICE, BOB, 200, false, false);
    add(FACT_APP_COMMAND, BOB, ALICE, NOW); /* it is traced, but emits no message events */
    run();
    nothing();
    ck_assert_uint_eq(analysis.coverage.links, 0);
}
END_TEST

START_TEST(with_events_missing_no_message_is_lost) {
    talk(ALICE, BOB, 200, true, false);
    add(FACT_EVENTS_LOST, BOB, NO_NUMBER, NOW - 9 * S)->missing = 1;
    run();
    for (size_t i = 0; i < analysis.count; i++) ck_assert_int_eq(analysis.findings[i].kind, FINDING_EVENTS_MISSING);
}
END_TEST

START_TEST(messages_sent_after_the_receiver_s_last_event_are_not_lost) {
    talk(ALICE, BOB, 201, true, true);
    for (unsigned i = 0; i < 30; i++) message(FACT_MESSAGE_SENT, ALICE, CAROL, NOW - 9 * S + i * MS, i);
    for (unsigned i = 0; i < 100; i++) message(FACT_MESSAGE_RECEIVED, CAROL, ALICE, NOW - 9 * S + i * 1000, 1000 + i);
    run();
    for (size_t i = 0; i < analysis.count; i++) ck_assert_uint_eq(analysis.findings[i].peer, BOB);
}
END_TEST

START_TEST(where_packets_are_reported_messages_are_not_counted_too) {
    talk(ALICE, BOB, 200, true, false);
    send_some(ALICE, BOB, 200, 0);
    run();
    nothing();
    ck_assert_uint_eq(analysis.coverage.links_judged, 1);
}
END_TEST

START_TEST(the_median_without_one_or_two_values_is_the_others_median) {
    double sorted[9], others[9];
    unsigned random = (unsigned)_i * 2654435761u + 7;
    size_t count = 1 + random % 9, kept = 0;
    for (size_t i = 0; i < count; i++) sorted[i] = (double)((random = random * 1103515245u + 12345u) >> 16 & 3);
    sort_values(sorted, count);
    size_t first = random % count, second = (random >> 8) % count;
    unsigned own_count = first == second ? 1 : 2;
    const double own[] = {sorted[first], sorted[second]};
    for (size_t i = 0; i < count; i++)
        if (i != first && i != second) others[kept++] = sorted[i];
    ck_assert(median_without(sorted, count, own, own_count) == (kept ? others[(kept - 1) / 2] : 0));
}
END_TEST

/* ---- packets seen at both ends ---- */

/* Sends packets that travel for this long, a few for half as long; the first `wrong` are declared lost before they arrive. */
static void exchange(unsigned from, unsigned to, unsigned count, uint64_t way_ns, unsigned wrong) {
    for (unsigned i = 0; i < count; i++) {
        uint64_t at_ns = NOW - 10 * S + i * 100 * MS, until_ns = at_ns + (i % 7 ? way_ns : way_ns / 2);
        add(FACT_PACKET_SENT, from, to, at_ns)->number = i;
        if (i < wrong) add(FACT_PACKET_LOST, from, to, until_ns - 1)->number = i;
        add(FACT_PACKET_RECEIVED, to, from, until_ns)->number = i;
    }
}

START_TEST(packets_that_take_longer_than_others_are_late) {
    exchange(ALICE, BOB, LATE_PACKETS_MIN, _i ? 30 * MS : 4 * MS, 0);
    exchange(BOB, CAROL, LATE_PACKETS_MIN, MS / 10, 0);
    exchange(CAROL, DAVE, LATE_PACKETS_MIN, MS / 5, 0);
    run();
    const struct finding *finding = only(FINDING_LATE_PACKETS);
    ck_assert_int_eq(finding->severity, _i ? SEVERITY_SEVERE : SEVERITY_NOTABLE);
    ck_assert_uint_eq(finding->node, ALICE);
    ck_assert_uint_eq(finding->peer, BOB);
    ck_assert_uint_eq(finding->ns, _i ? 30 * MS : 4 * MS);
    ck_assert_uint_eq(finding->usual_ns, MS / 10);
    ck_assert_int_eq(facts.items[finding->evidence[0]].kind, FACT_PACKET_SENT);
    ck_assert_int_eq(facts.items[finding->evidence[1]].kind, FACT_PACKET_RECEIVED);
}
END_TEST

/* Too few; too little beyond the others; too small a ratio; no others. */
START_TEST(a_small_delay_does_not_make_packets_late) {
    exchange(ALICE, BOB, _i == 0 ? LATE_PACKETS_MIN - 1 : LATE_PACKETS_MIN, _i == 1 ? LATE_NS_MIN : 30 * MS, 0);
    exchange(BOB, ALICE, LATE_PACKETS_MIN, MS / 10, 0);
    if (_i != 3) exchange(BOB, CAROL, LATE_PACKETS_MIN, _i == 2 ? 7 * MS : MS / 10, 0);
    if (_i == 2) exchange(CAROL, DAVE, LATE_PACKETS_MIN, 7 * MS, 0);
    run();
    nothing();
}
END_TEST

/* 1: too few; 2: few compared with those that did not arrive. */
START_TEST(packets_given_up_that_arrive_are_wrong_losses) {
    exchange(ALICE, BOB, 100, MS, _i == 1 ? WRONG_LOSSES_MIN - 1 : WRONG_LOSSES_MIN);
    for (unsigned i = 0; i < 4000; i++) { /* so many that it is no lossy link */
        add(FACT_PACKET_SENT, ALICE, BOB, NOW - S)->number = 1000 + i;
        if (_i == 2 && i < 25) add(FACT_PACKET_LOST, ALICE, BOB, NOW - S + 1)->number = 1000 + i;
    }
    run();
    if (_i) {
        nothing();
        return;
    }
    const struct finding *finding = only(FINDING_WRONG_LOSSES);
    ck_assert_uint_eq(finding->count, WRONG_LOSSES_MIN);
    ck_assert_uint_eq(finding->of, WRONG_LOSSES_MIN);
}
END_TEST

/* ---- round-trip times ---- */

static void rtts(unsigned count, uint64_t rtt_ns) {
    for (unsigned i = 0; i < count; i++)
        add(FACT_METRICS, ALICE, BOB, NOW - 20 * S + facts.count * 10 * MS)->rtt_ns = rtt_ns + i % 3;
}

START_TEST(a_round_trip_time_that_stays_higher_is_a_jump_with_its_time) {
    rtts(RTT_SAMPLES_MIN + 5, MS);
    rtts(1, 200 * MS); /* one spike does not make a moment */
    rtts(RTT_SAMPLES_MIN + 5, MS);
    size_t moment = facts.count;
    rtts(RTT_SAMPLES_MIN, _i ? 7 * MS : 40 * MS);
    run();
    const struct finding *finding = only(FINDING_RTT_JUMP);
    ck_assert_int_eq(finding->severity, _i ? SEVERITY_NOTABLE : SEVERITY_SEVERE);
    ck_assert_uint_eq(finding->time_ns, facts.items[moment].time_ns);
    ck_assert_uint_eq(finding->usual_ns, MS + 1);
    ck_assert_uint_eq(finding->ns, (_i ? 7 * MS : 40 * MS) + 1);
    ck_assert_uint_eq(finding->evidence[0], moment - 1);
    ck_assert_uint_eq(finding->evidence[1], moment);
}
END_TEST

START_TEST(a_round_trip_time_that_falls_is_a_note) {
    rtts(RTT_SAMPLES_MIN, 40 * MS);
    rtts(RTT_SAMPLES_MIN, MS);
    run();
    ck_assert_int_eq(only(FINDING_RTT_JUMP)->severity, SEVERITY_NOTE);
}
END_TEST

/* Too few in all; too little; too small a ratio; too few after it. */
START_TEST(a_small_change_of_the_round_trip_time_is_no_jump) {
    rtts(_i == 3 ? 3 * RTT_SAMPLES_MIN : RTT_SAMPLES_MIN, _i == 2 ? 100 * MS : MS);
    rtts(_i == 0 || _i == 3 ? RTT_SAMPLES_MIN - 1 : RTT_SAMPLES_MIN, _i == 1 ? 5 * MS : _i == 2 ? 150 * MS : 90 * MS);
    run();
    nothing();
    ck_assert_uint_eq(analysis.coverage.rtt_series, 1);
    ck_assert_uint_eq(analysis.coverage.rtt_judged, _i != 0);
}
END_TEST

/* ---- requests ---- */

/* A part of a request, whole; end_ns 0: it has no end. */
static void part(unsigned trace, unsigned node, uint64_t span_id, uint64_t parent_id, uint64_t start_ns, uint64_t end_ns) {
    struct fact *start = add(FACT_APP_START, node, NO_NUMBER, start_ns);
    start->trace = trace, start->span_id = span_id, start->parent_id = parent_id, start->command = 0;
    if (!end_ns) return;
    struct fact *end = add(FACT_APP_END, node, NO_NUMBER, end_ns);
    end->trace = trace, end->span_id = span_id, end->command = 0, end->ok = true;
}

static void request_packet(enum fact_kind kind, unsigned trace, unsigned node, unsigned peer, uint64_t at_ns) {
    struct fact *fact = add(kind, node, peer, at_ns);
    fact->trace = trace;
    fact->number = facts.count;
}

/* alice asks bob, who asks carol: each works 1 ms before and after, and each way takes 1 ms, plus the given times. */
static void request(unsigned trace, uint64_t carol_ns, uint64_t way_ns) {
    uint64_t at = NOW - 100 * S + trace * S;
    part(trace, ALICE, 1, 0, at, at + 10 * MS + carol_ns + way_ns);
    request_packet(FACT_PACKET_SENT, trace, ALICE, BOB, at + 1 * MS);
    part(trace, BOB, 2, 1, at + 2 * MS, at + 8 * MS + carol_ns + way_ns);
    request_packet(FACT_PACKET_SENT, trace, BOB, CAROL, at + 3 * MS);
    part(trace, CAROL, 3, 2, at + 4 * MS + way_ns, at + 6 * MS + way_ns + carol_ns);
    request_packet(FACT_PACKET_RECEIVED, trace, BOB, CAROL, at + 7 * MS + way_ns + carol_ns);
    request_packet(FACT_PACKET_RECEIVED, trace, ALICE, BOB, at + 9 * MS + way_ns + carol_ns);
}

START_TEST(the_node_where_most_time_passes_is_slow_and_its_askers_are_not) {
    for (unsigned i = 0; i < SLOW_REQUESTS_MIN; i++) request(i, _i ? 6 * MS : 40 * MS, 0);
    request(SLOW_REQUESTS_MIN, 0, 0);
    run();
    const struct finding *finding = only(FINDING_SLOW_NODE);
    ck_assert_int_eq(finding->severity, _i ? SEVERITY_NOTABLE : SEVERITY_SEVERE);
    ck_assert_uint_eq(finding->node, CAROL);
    ck_assert_uint_eq(finding->count, SLOW_REQUESTS_MIN);
    ck_assert_uint_eq(finding->of, SLOW_REQUESTS_MIN + 1);
    ck_assert_uint_eq(finding->ns, (_i ? 8 * MS : 42 * MS));
    ck_assert_uint_eq(analysis.coverage.requests_whole, SLOW_REQUESTS_MIN + 1);
}
END_TEST

START_TEST(time_spent_between_two_nodes_is_the_link_s) {
    for (unsigned i = 0; i < SLOW_REQUESTS_MIN; i++) request(i, 0, 40 * MS);
    run();
    const struct finding *finding = only(FINDING_SLOW_LINK);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->peer, CAROL);
    ck_assert_uint_eq(finding->ns, 41 * MS); /* there; the way back is another link */
    ck_assert_uint_eq(finding->evidence_count, 2);
    ck_assert_int_eq(facts.items[finding->evidence[0]].kind, FACT_PACKET_SENT);
    ck_assert_int_eq(facts.items[finding->evidence[1]].kind, FACT_APP_START);
}
END_TEST

/* Too few requests; a share too small; not often enough. */
START_TEST(a_small_delay_does_not_make_a_place_slow) {
    unsigned count = _i == 0 ? SLOW_REQUESTS_MIN - 1 : 2 * SLOW_REQUESTS_MIN;
    for (unsigned i = 0; i < count; i++) {
        request(i, _i == 1 ? 4 * MS : _i == 2 && i % 2 ? 0 : 40 * MS, 0);
    }
    run();
    for (size_t i = 0; i < analysis.count; i++) ck_assert_int_ne(analysis.findings[i].kind, FINDING_SLOW_NODE);
}
END_TEST

START_TEST(an_unfinished_part_does_not_hide_where_the_time_went) {
    for (unsigned i = 0; i < SLOW_REQUESTS_MIN; i++) {
        request(i, 40 * MS, 0);
        part(i, DAVE, 4, 1, NOW - 100 * S + i * S + 1, 0);
    }
    run();
    ck_assert_int_eq(analysis.findings[0].kind, FINDING_SLOW_NODE);
    ck_assert_uint_eq(analysis.findings[0].node, CAROL);
    for (size_t i = 1; i < analysis.count; i++) ck_assert_int_ne(analysis.findings[i].kind, FINDING_SLOW_NODE);
}
END_TEST

START_TEST(a_single_trace_reports_its_own_slow_place) {
    one_trace = true;
    request(0, 40 * MS, 0);
    run();
    ck_assert_uint_eq(only(FINDING_SLOW_NODE)->node, CAROL);
}
END_TEST

/* bob asks carol twice, one after the other: he waits for each, and the time in between is his own. */
START_TEST(a_node_that_asks_twice_waits_twice) {
    one_trace = true;
    uint64_t at = NOW - S;
    part(0, BOB, 1, 0, at, at + 100 * MS);
    request_packet(FACT_PACKET_SENT, 0, BOB, CAROL, at + 1 * MS);
    part(0, CAROL, 2, 1, at + 10 * MS, at + 12 * MS);
    request_packet(FACT_PACKET_RECEIVED, 0, BOB, CAROL, at + 13 * MS);
    request_packet(FACT_PACKET_SENT, 0, BOB, CAROL, at + 73 * MS);
    part(0, CAROL, 3, 1, at + 80 * MS, at + 82 * MS);
    request_packet(FACT_PACKET_RECEIVED, 0, BOB, CAROL, at + 83 * MS);
    run();
    const struct finding *finding = only(FINDING_SLOW_NODE);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->ns, 78 * MS); /* 100 but from 1 to 13, and from 73 to 83 */
}
END_TEST

START_TEST(two_visits_of_a_request_to_a_node_add_up) {
    one_trace = true;
    uint64_t at = NOW - S;
    part(0, BOB, 1, 0, at, at + 100 * MS);
    part(0, CAROL, 2, 1, at + 10 * MS, at + 40 * MS);
    part(0, CAROL, 3, 1, at + 50 * MS, at + 80 * MS);
    run();
    const struct finding *finding = only(FINDING_SLOW_NODE);
    ck_assert_uint_eq(finding->node, CAROL);
    ck_assert_uint_eq(finding->ns, 60 * MS);
}
END_TEST

START_TEST(nodes_asked_side_by_side_are_waited_for_once) {
    one_trace = true;
    uint64_t at = NOW - S;
    part(0, BOB, 1, 0, at, at + 100 * MS);
    part(0, CAROL, 2, 1, at + 10 * MS, at + 40 * MS);
    part(0, DAVE, 3, 1, at + 20 * MS, at + 50 * MS);
    run();
    const struct finding *finding = only(FINDING_SLOW_NODE);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->ns, 60 * MS);
}
END_TEST

START_TEST(the_way_back_of_one_of_two_nodes_asked_side_by_side_is_its_links) {
    one_trace = true;
    uint64_t at = NOW - S;
    part(0, BOB, 1, 0, at, at + 100 * MS);
    part(0, CAROL, 2, 1, at + 5 * MS, at + 20 * MS);
    part(0, DAVE, 3, 1, at + 10 * MS, at + 15 * MS);
    request_packet(FACT_PACKET_RECEIVED, 0, BOB, CAROL, at + 90 * MS);
    run();
    const struct finding *finding = only(FINDING_SLOW_LINK);
    ck_assert_uint_eq(finding->node, CAROL);
    ck_assert_uint_eq(finding->peer, BOB);
    ck_assert_uint_eq(finding->ns, 70 * MS);
}
END_TEST

START_TEST(a_part_that_outlives_its_asker_is_not_waited_for) {
    one_trace = true;
    uint64_t at = NOW - S;
    part(0, BOB, 1, 0, at, at + 60 * MS);
    part(0, CAROL, 2, 1, at + 10 * MS, at + 200 * MS);
    run();
    ck_assert_uint_eq(analysis.count, 2);
    ck_assert_uint_eq(analysis.findings[0].node, BOB);
    ck_assert_uint_eq(analysis.findings[0].ns, 60 * MS);
    ck_assert_uint_eq(analysis.findings[1].node, CAROL); /* behind it, and nobody's time */
    ck_assert_uint_eq(analysis.findings[1].ns, 140 * MS);
    ck_assert_int_eq(analysis.findings[1].severity, SEVERITY_NOTABLE);
}
END_TEST

START_TEST(an_open_request_is_reported_at_its_innermost_open_part) {
    part(0, ALICE, 1, 0, NOW - 40 * S, 0);
    part(0, BOB, 2, 1, NOW - 39 * S, 0);
    part(0, CAROL, 3, 2, NOW - 38 * S, NOW - 37 * S);
    part(1, BOB, 2, 0, NOW - 10 * S, 0);
    run();
    const struct finding *finding = only(FINDING_REQUEST_OPEN);
    ck_assert_int_eq(finding->severity, SEVERITY_SEVERE);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->count, 2);
    ck_assert_uint_eq(finding->ns, 39 * S);
    ck_assert_uint_eq(finding->trace, 0);
}
END_TEST

START_TEST(a_young_request_may_still_end_and_an_end_may_be_missing) {
    part(0, ALICE, 1, 0, _i == 0 ? NOW - REQUEST_AGE_NS_MIN + 1 : NOW - 40 * S, 0);
    if (_i == 1) add(FACT_EVENTS_LOST, ALICE, NO_NUMBER, NOW - 20 * S)->missing = 3;
    run();
    if (_i == 0) {
        nothing();
        return;
    }
    ck_assert_uint_eq(analysis.count, 2);
    ck_assert_int_eq(analysis.findings[0].kind, FINDING_EVENTS_MISSING);
    ck_assert_uint_eq(analysis.findings[0].count, 3);
    ck_assert_int_eq(analysis.findings[1].kind, FINDING_REQUEST_OPEN);
    ck_assert_int_eq(analysis.findings[1].severity, SEVERITY_NOTE);
}
END_TEST

/* Only the newest events are read; the source counts missing events over the whole period asked for. */
START_TEST(missing_events_count_also_where_they_were_not_read) {
    char eve[NODE_DIGITS + 1], other[NODE_DIGITS + 1];
    unsigned node;
    memset(eve, 'e', NODE_DIGITS);
    memset(other, 'f', NODE_DIGITS);
    eve[NODE_DIGITS] = other[NODE_DIGITS] = 0;
    ck_assert_int_eq(intern_number(&facts.nodes, eve, &node), 0);
    add(FACT_EVENTS_LOST, node, NO_NUMBER, NOW - 20 * S)->missing = 3;
    add(FACT_OTHER, node, NO_NUMBER, NOW - 10 * S);
    json_t *answer =
        json_pack("{s[{s{ss},si,s{si,si}},{s{ss},si,s{si,si}}]}", "rows", "group", "node", eve, "count", 1002, "value", "count",
                  2, "sum", 63533, "group", "node", other, "count", 5, "value", "count", 1, "sum", 7);
    ck_assert_int_eq(facts_count(&facts, answer, _i == 1), 0);
    json_decref(answer);
    run();
    ck_assert_uint_eq(analysis.count, _i ? 1 : 2); /* of one trace, nodes that have no part in it do not count */
    const struct finding *finding = &analysis.findings[analysis.findings[0].node != node];
    ck_assert_int_eq(finding->kind, FINDING_EVENTS_MISSING);
    ck_assert_uint_eq(finding->node, node);
    ck_assert_uint_eq(finding->count, 63533);
    ck_assert_uint_eq(finding->of, 63533 + 1000);
}
END_TEST

/* ---- streams and nodes ---- */

/* Open for long: a finding.  Closed, young, opened again in a new connection, or gone with its connection: none. */
START_TEST(a_stream_that_is_open_for_long_is_reported) {
    add(FACT_STREAM_OPENED, ALICE, BOB, _i == 2 ? NOW - S : NOW - 20 * S)->stream_id = 4;
    add(FACT_STREAM_OPENED, ALICE, BOB, NOW - 20 * S)->stream_id = 8;
    add(FACT_STREAM_CLOSED, ALICE, BOB, NOW - 19 * S)->stream_id = 8;
    if (_i == 1) add(FACT_STREAM_CLOSED, ALICE, BOB, NOW - 19 * S)->stream_id = 4;
    if (_i == 3) add(FACT_STREAM_OPENED, ALICE, BOB, NOW - S)->stream_id = 4;
    if (_i == 4) add(FACT_CONN_CLOSED, ALICE, BOB, NOW - 19 * S);
    if (_i == 5) add(FACT_CONN_CLOSED, ALICE, CAROL, NOW - 19 * S);
    run();
    if (_i != 0 && _i != 5) {
        nothing();
        return;
    }
    const struct finding *finding = only(FINDING_STREAM_OPEN);
    ck_assert_uint_eq(finding->count, 1);
    ck_assert_uint_eq(finding->of, 2);
    ck_assert_uint_eq(finding->ns, 20 * S);
    ck_assert_uint_eq(facts.items[finding->evidence[0]].stream_id, 4);
}
END_TEST

START_TEST(a_node_that_crashed_is_reported_before_all_else) {
    send_some(ALICE, BOB, 200, 20);
    states[BOB].live = false, states[BOB].crashed = true;
    states[CAROL].live = false, states[CAROL].crashed = true; /* nothing of it here: long ago */
    add(FACT_METRICS, BOB, ALICE, NOW - 9 * S)->rtt_ns = 1;
    run();
    ck_assert_uint_eq(analysis.count, 2);
    ck_assert_int_eq(analysis.findings[0].kind, FINDING_NODE_CRASHED);
    ck_assert_uint_eq(analysis.findings[0].node, BOB);
    ck_assert_uint_eq(analysis.findings[0].time_ns, NOW - 9 * S);
}
END_TEST

/* 1: more happened beside the trace than was read, so the node may have done something. */
START_TEST(a_node_that_had_ended_is_named_only_if_all_that_it_could_do_is_known) {
    one_trace = true;
    states[BOB] = (struct node_state){.node = BOB, .crashed = true, .started_ns = 1, .last_ns = NOW - 20 * S};
    add(FACT_APP_START, ALICE, NO_NUMBER, NOW - 10 * S)->span_id = 1;
    add(FACT_PACKET_SENT, ALICE, BOB, NOW - 10 * S + 1)->bytes = 300;
    add(FACT_APP_END, ALICE, NO_NUMBER, NOW - 9 * S)->span_id = 1;
    for (size_t i = 0; i < facts.count; i++) facts.items[i].trace = 0;
    facts.beside_cut = _i == 1;
    run();
    bool named = false;
    for (size_t i = 0; i < analysis.count; i++) named |= analysis.findings[i].kind == FINDING_NODE_CRASHED;
    ck_assert_int_eq(named, _i == 0);
}
END_TEST

/* Its log ended at NOW.  Read were: a period up to then; a shorter one; all of a trace; some of its events. */
START_TEST(a_part_never_ends_only_if_all_was_read_until_its_log_ended) {
    static const enum facts_extent extents[] = {FACTS_OF_PERIOD, FACTS_OF_PERIOD, FACTS_OF_TRACE, FACTS_CHOSEN};
    struct node_state state = {.node = BOB, .crashed = true, .last_ns = NOW};
    struct node_states all = {.items = &state, .count = 1};
    add(FACT_APP_START, BOB, NO_NUMBER, NOW - 2 * S);
    if (_i == 0) add(FACT_CUSTOM, ALICE, NO_NUMBER, NOW);
    ck_assert_int_eq(facts_sort(&facts), 0);
    node_states_settle(&all, &facts, extents[_i]);
    ck_assert(node_states_ended_log(&all, &facts, BOB, NOW - 2 * S) == (_i % 2 ? NULL : &state));
}
END_TEST

/* 1: too few events; 2: it was silent as long before; 3: the others are silent, too; 4: it has ended; 5: it waits for carol; 6:
 * its work has ended, so it has nothing to do. */
START_TEST(a_node_that_falls_silent_in_its_work_is_reported) {
    unsigned count = _i == 1 ? SILENT_EVENTS_MIN - 1 : SILENT_EVENTS_MIN;
    if (_i == 2) add(FACT_METRICS, BOB, NO_NUMBER, NOW - 100 * S);
    for (unsigned i = 1; i < count; i++) add(FACT_METRICS, BOB, NO_NUMBER, NOW - 60 * S + i * MS);
    add(FACT_APP_START, BOB, _i == 5 ? CAROL : NO_NUMBER, NOW - 60 * S)->span_id = 1;
    if (_i == 6) {
        struct fact *end = add(FACT_APP_END, BOB, NO_NUMBER, NOW - 60 * S + MS / 2);
        end->span_id = 1, end->ok = true;
    }
    add(FACT_METRICS, ALICE, NO_NUMBER, _i == 3 ? NOW - 59 * S : NOW - S);
    states[BOB].live = _i != 4;
    run();
    if (_i) {
        for (size_t i = 0; i < analysis.count; i++) ck_assert_int_eq(analysis.findings[i].kind, FINDING_REQUEST_OPEN);
        return;
    }
    const struct finding *finding = &analysis.findings[0];
    ck_assert_int_eq(finding->kind, FINDING_NODE_SILENT);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->open, 1);
    ck_assert_uint_eq(finding->ns, 59 * S - (SILENT_EVENTS_MIN - 1) * MS);
    ck_assert_uint_eq(finding->usual_ns, MS);
}
END_TEST

/* Packets that bob does not report for 4 s.  1: he reports fewer traces than alice; 2: both report half of them; 3: he reports no
 * packets. */
START_TEST(a_node_that_would_not_report_what_it_got_is_not_silent) {
    send_some(ALICE, BOB, 40, 0);
    if (_i != 3) add(FACT_PACKET_RECEIVED, BOB, ALICE, NOW - 10 * S - 2 * MS)->number = 999;
    add(FACT_METRICS, BOB, NO_NUMBER, NOW - 10 * S - MS);
    add(FACT_METRICS, ALICE, NO_NUMBER, NOW - 6 * S);
    if (_i) states[BOB].sample = 0.5;
    if (_i == 2) states[ALICE].sample = 0.5;
    run();
    if (_i == 1 || _i == 3)
        nothing();
    else
        ck_assert_uint_eq(only(FINDING_NODE_SILENT)->count, 40);
}
END_TEST

/* bob's last event was a minute before all that is here, and alice and carol, who report what they receive, send him something.
 * 1: only alice does; 2: they report nothing that they receive; 3: dave received something from him; 4: bob may not report
 * everything; 5: it began only now; 6: he has ended; 7: it is not known when his last event was; 8: events of his are missing. */
START_TEST(a_node_that_was_silent_before_all_that_is_here_is_reported) {
    states[BOB] = (struct node_state){.node = BOB, .live = _i != 6, .crashed = _i == 6, .all_kinds = _i != 4, .started_ns = 1};
    states[BOB].last_ns = _i == 7 ? 0 : NOW - 60 * S;
    uint64_t since_ns = _i == 5 ? NOW - SILENT_TALKED_NS_MIN / 2 : NOW - 8 * S;
    for (unsigned i = 0; i < 4; i++) {
        add(FACT_PACKET_SENT, ALICE, BOB, since_ns + i * MS)->number = i;
        if (_i != 1) add(FACT_PACKET_SENT, CAROL, BOB, since_ns + i * MS)->number = i;
    }
    for (unsigned i = ALICE; i <= CAROL && _i != 2; i += CAROL - ALICE) {
        add(FACT_PACKET_SENT, DAVE, i, NOW - 9 * S)->number = 1;
        add(FACT_PACKET_RECEIVED, i, DAVE, NOW - 9 * S + MS)->number = 1;
    }
    if (_i == 3) add(FACT_PACKET_RECEIVED, DAVE, BOB, NOW - 5 * S)->number = 7;
    if (_i == 8) add(FACT_EVENTS_LOST, BOB, NO_NUMBER, NOW - 5 * S)->missing = 1;
    add(FACT_CUSTOM, DAVE, NO_NUMBER, NOW);
    run();
    if (_i) {
        for (size_t i = 0; i < analysis.count; i++) ck_assert_int_ne(analysis.findings[i].kind, FINDING_NODE_SILENT);
        return;
    }
    const struct finding *finding = only(FINDING_NODE_SILENT);
    ck_assert_uint_eq(finding->node, BOB);
    ck_assert_uint_eq(finding->count, 8);
    ck_assert_uint_eq(finding->ns, 60 * S);
    ck_assert_uint_eq(finding->time_ns, NOW - 60 * S);
    ck_assert(!finding->usual_known);
}
END_TEST

/* A link belongs to both of its ends. */
START_TEST(findings_can_be_chosen_by_a_node_that_they_name) {
    static const unsigned nodes[] = {ALICE, BOB, CAROL, DAVE}, counts[] = {1, 2, 1, 0};
    send_some(ALICE, BOB, 200, 20);
    send_some(BOB, CAROL, 200, 20);
    send_some(DAVE, CAROL, 200, 0);
    send_some(CAROL, DAVE, 200, 0);
    send_some(DAVE, ALICE, 200, 0);
    run();
    ck_assert_uint_eq(analysis.count, 2);
    ck_assert_int_eq(analysis_keep_node(&analysis, nodes[_i]), 0);
    ck_assert_uint_eq(analysis.count, counts[_i]);
}
END_TEST

START_TEST(nothing_is_about_a_node_that_no_event_mentions) {
    add(FACT_EVENTS_LOST, ALICE, NO_NUMBER, NOW - S)->missing = 5;
    run();
    ck_assert_uint_eq(analysis.count, 1); /* it names no peer */
    ck_assert_int_eq(analysis_keep_node(&analysis, NO_NUMBER), 0);
    ck_assert_uint_eq(analysis.count, 0);
}
END_TEST

START_TEST(no_events_give_no_findings) {
    run();
    nothing();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("analyze");
    TCase *tcase = tcase_create("findings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_link_that_loses_more_than_others_is_named_with_its_losses);
    tcase_add_loop_test(tcase, neither_chance_nor_a_common_loss_is_a_finding, 0, 5);
    tcase_add_test(tcase, a_faulty_pair_is_not_compared_with_its_other_direction);
    tcase_add_test(tcase, two_nodes_alone_are_judged_too);
    tcase_add_loop_test(tcase, packets_of_traces_that_the_receiver_does_not_report_are_not_lost, 0, 3);
    tcase_add_test(tcase, a_node_that_loses_towards_all_its_peers_is_the_finding);
    tcase_add_loop_test(tcase, messages_that_never_arrive_are_lost_and_so_are_their_repetitions, 0, 2);
    tcase_add_test(tcase, a_message_too_large_to_arrive_is_lost_and_not_a_probe);
    tcase_add_test(tcase, messages_reported_by_one_end_are_neither_lost_nor_judged);
    tcase_add_test(tcase, with_events_missing_no_message_is_lost);
    tcase_add_test(tcase, messages_sent_after_the_receiver_s_last_event_are_not_lost);
    tcase_add_test(tcase, where_packets_are_reported_messages_are_not_counted_too);
    tcase_add_loop_test(tcase, the_median_without_one_or_two_values_is_the_others_median, 0, 200);
    tcase_add_loop_test(tcase, packets_that_take_longer_than_others_are_late, 0, 2);
    tcase_add_loop_test(tcase, a_small_delay_does_not_make_packets_late, 0, 4);
    tcase_add_loop_test(tcase, packets_given_up_that_arrive_are_wrong_losses, 0, 3);
    tcase_add_loop_test(tcase, a_round_trip_time_that_stays_higher_is_a_jump_with_its_time, 0, 2);
    tcase_add_test(tcase, a_round_trip_time_that_falls_is_a_note);
    tcase_add_loop_test(tcase, a_small_change_of_the_round_trip_time_is_no_jump, 0, 4);
    tcase_add_loop_test(tcase, the_node_where_most_time_passes_is_slow_and_its_askers_are_not, 0, 2);
    tcase_add_test(tcase, time_spent_between_two_nodes_is_the_link_s);
    tcase_add_loop_test(tcase, a_small_delay_does_not_make_a_place_slow, 0, 3);
    tcase_add_test(tcase, an_unfinished_part_does_not_hide_where_the_time_went);
    tcase_add_test(tcase, a_single_trace_reports_its_own_slow_place);
    tcase_add_test(tcase, a_node_that_asks_twice_waits_twice);
    tcase_add_test(tcase, two_visits_of_a_request_to_a_node_add_up);
    tcase_add_test(tcase, nodes_asked_side_by_side_are_waited_for_once);
    tcase_add_test(tcase, the_way_back_of_one_of_two_nodes_asked_side_by_side_is_its_links);
    tcase_add_test(tcase, a_part_that_outlives_its_asker_is_not_waited_for);
    tcase_add_test(tcase, an_open_request_is_reported_at_its_innermost_open_part);
    tcase_add_loop_test(tcase, a_young_request_may_still_end_and_an_end_may_be_missing, 0, 2);
    tcase_add_loop_test(tcase, missing_events_count_also_where_they_were_not_read, 0, 2);
    tcase_add_loop_test(tcase, a_stream_that_is_open_for_long_is_reported, 0, 6);
    tcase_add_test(tcase, a_node_that_crashed_is_reported_before_all_else);
    tcase_add_loop_test(tcase, a_node_that_had_ended_is_named_only_if_all_that_it_could_do_is_known, 0, 2);
    tcase_add_loop_test(tcase, a_part_never_ends_only_if_all_was_read_until_its_log_ended, 0, 4);
    tcase_add_loop_test(tcase, a_node_that_falls_silent_in_its_work_is_reported, 0, 7);
    tcase_add_loop_test(tcase, a_node_that_would_not_report_what_it_got_is_not_silent, 0, 4);
    tcase_add_loop_test(tcase, a_node_that_was_silent_before_all_that_is_here_is_reported, 0, 9);
    tcase_add_loop_test(tcase, findings_can_be_chosen_by_a_node_that_they_name, 0, 4);
    tcase_add_test(tcase, nothing_is_about_a_node_that_no_event_mentions);
    tcase_add_test(tcase, no_events_give_no_findings);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
