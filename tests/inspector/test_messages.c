/* SPDX-License-Identifier: MIT
 *
 * The matcher: which receive belongs to which send, and that it claims nothing if this cannot be known. */
#include "event_list.h"
#include "timeline.h"

#include <check.h>
#include <stdlib.h>

/* ---- packets by hand ---- */

#define ALICE 0
#define BOB 1
#define CAROL 2
#define SPACE 2
#define BYTES 1200

static struct packet packets[64];
static size_t packet_count;
static struct messages messages;

static void setup(void) {
    packet_count = 0;
    messages = (struct messages){0};
}

static void teardown(void) { messages_fini(&messages); }

/* Adds an end of a packet with number 7; `at` is its time and, in order, its event.  Returns it for changes. */
static struct packet *end(enum packet_role role, unsigned node, unsigned peer, uint64_t at_ns) {
    struct packet *packet = &packets[packet_count];
    *packet =
        (struct packet){.role = role, .node = node, .peer = peer, .trace = 0, .space = SPACE, .number = 7, .time_ns = at_ns};
    packet->bytes = role == PACKET_LOST ? 0 : BYTES;
    packet->event = packet_count++;
    return packet;
}

static struct packet *sent(uint64_t at_ns) { return end(PACKET_SENT, ALICE, BOB, at_ns); }
static struct packet *received(uint64_t at_ns) { return end(PACKET_RECEIVED, BOB, ALICE, at_ns); }
static struct packet *lost(uint64_t at_ns) { return end(PACKET_LOST, ALICE, BOB, at_ns); }

static void match(bool whole) { ck_assert_int_eq(messages_match(&messages, packets, packet_count, whole), 0); }

/* The message at that place must be this one. */
static void expect(size_t i, enum message_state state, size_t send, size_t receive, size_t loss, int64_t gap_ns) {
    ck_assert_uint_lt(i, messages.count);
    const struct message *message = &messages.items[i];
    ck_assert_int_eq(message->state, state);
    ck_assert_uint_eq(message->send, send);
    ck_assert_uint_eq(message->receive, receive);
    ck_assert_uint_eq(message->lost, loss);
    ck_assert_int_eq(message->gap_ns, gap_ns);
}

#define NONE NO_EVENT

START_TEST(a_packet_goes_from_its_send_to_its_receive) {
    sent(100);
    received(350);
    match(true);
    ck_assert_uint_eq(messages.count, 1);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 250);
    ck_assert_uint_eq(messages.items[0].from, ALICE);
    ck_assert_uint_eq(messages.items[0].to, BOB);
    ck_assert_uint_eq(messages.items[0].number, 7);
}
END_TEST

START_TEST(packets_are_distinguished_by_trace_nodes_space_and_number) {
    sent(100);
    received(200)->number = 8;
    received(210)->space = 1;
    received(220)->trace = 1;
    end(PACKET_RECEIVED, CAROL, ALICE, 230);
    end(PACKET_RECEIVED, BOB, CAROL, 240);
    end(PACKET_RECEIVED, ALICE, BOB, 250);
    match(true);
    ck_assert_uint_eq(messages.count, 7);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    for (size_t i = 1; i < 7; i++) expect(i, MESSAGE_UNSENT, NONE, i, NONE, 0);
}
END_TEST

START_TEST(an_end_without_a_peer_takes_it_from_a_trace_of_two_nodes) {
    sent(100)->peer = NO_NUMBER;
    received(200)->peer = NO_NUMBER;
    match(true);
    ck_assert_uint_eq(messages.count, 1);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 100);
}
END_TEST

START_TEST(an_end_without_a_peer_in_a_trace_of_three_nodes_stays_alone) {
    sent(100)->peer = NO_NUMBER;
    received(200)->peer = NO_NUMBER;
    end(PACKET_SENT, CAROL, BOB, 300);
    match(true);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_UNSENT, NONE, 1, NONE, 0);
    ck_assert_uint_eq(messages.count, 3);
}
END_TEST

START_TEST(events_without_a_trace_form_a_trace_that_implies_no_peers) {
    sent(100)->trace = NO_NUMBER;
    received(200)->trace = NO_NUMBER;
    sent(300)->trace = NO_NUMBER;
    packets[2].peer = NO_NUMBER;
    match(true);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 100);
    expect(1, MESSAGE_UNRECEIVED, 2, NONE, NONE, 0);
}
END_TEST

START_TEST(a_number_that_is_used_again_goes_by_order) {
    sent(100);
    received(200);
    sent(300);
    received(400);
    match(true);
    ck_assert_uint_eq(messages.count, 2);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 100);
    expect(1, MESSAGE_MATCHED, 2, 3, NONE, 100);
}
END_TEST

START_TEST(two_sends_that_fit_a_receive_make_all_three_ambiguous) {
    sent(100);
    sent(110);
    received(200);
    received(210);
    received(220);
    match(true);
    ck_assert_uint_eq(messages.count, 5);
    expect(0, MESSAGE_AMBIGUOUS, 0, NONE, NONE, 0);
    expect(1, MESSAGE_AMBIGUOUS, 1, NONE, NONE, 0);
    for (size_t i = 2; i < 5; i++) expect(i, MESSAGE_AMBIGUOUS, NONE, i, NONE, 0);
}
END_TEST

START_TEST(messages_stay_ambiguous_until_all_have_arrived) {
    sent(100);
    sent(110);
    received(200); /* one of the two; the other is still in flight */
    sent(300);
    received(400); /* so that this is either */
    received(500);
    sent(600);
    received(700);
    match(true);
    expect(2, MESSAGE_AMBIGUOUS, NONE, 2, NONE, 0);
    expect(3, MESSAGE_AMBIGUOUS, 3, NONE, NONE, 0);
    expect(4, MESSAGE_AMBIGUOUS, NONE, 4, NONE, 0);
    expect(5, MESSAGE_AMBIGUOUS, NONE, 5, NONE, 0);
    expect(6, MESSAGE_MATCHED, 6, 7, NONE, 100);
}
END_TEST

START_TEST(sizes_distinguish_packets_that_order_does_not) {
    sent(100);
    sent(110)->bytes = 90;
    received(200)->bytes = 90;
    received(210);
    match(true);
    ck_assert_uint_eq(messages.count, 2);
    expect(0, MESSAGE_MATCHED, 0, 3, NONE, 110);
    expect(1, MESSAGE_MATCHED, 1, 2, NONE, 90);
}
END_TEST

START_TEST(a_second_receive_of_the_only_send_is_a_duplicate) {
    sent(100);
    received(200);
    received(250);
    match(true);
    ck_assert_uint_eq(messages.count, 2);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 100);
    expect(1, MESSAGE_DUPLICATE, 0, 2, NONE, 150);
}
END_TEST

START_TEST(a_third_receive_of_two_sends_matches_neither) {
    sent(100);
    received(200);
    sent(300);
    received(400);
    received(500);
    match(true);
    expect(2, MESSAGE_AMBIGUOUS, NONE, 4, NONE, 0);
}
END_TEST

START_TEST(a_loss_belongs_to_the_send_that_was_not_received) {
    sent(100);
    received(200);
    sent(300);
    lost(400);
    match(true);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 100);
    expect(1, MESSAGE_UNRECEIVED, 2, NONE, 3, 0);
    ck_assert_str_eq(message_state_name(&messages.items[1]), "lost");
}
END_TEST

START_TEST(a_loss_declared_for_a_received_packet_stays_with_it) {
    sent(100);
    lost(150);
    received(200);
    sent(300)->number = 8;
    received(400)->number = 8;
    lost(500)->number = 8;
    match(true);
    expect(0, MESSAGE_MATCHED, 0, 2, 1, 100);
    expect(1, MESSAGE_MATCHED, 3, 4, 5, 100);
}
END_TEST

START_TEST(a_loss_that_two_could_have_had_is_ambiguous) {
    sent(100);
    sent(110);
    lost(200);
    match(true);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_UNRECEIVED, 1, NONE, NONE, 0);
    expect(2, MESSAGE_AMBIGUOUS, NONE, NONE, 2, 0);
}
END_TEST

START_TEST(a_half_without_the_other_stays_alone) {
    received(100);
    lost(200)->number = 8;
    sent(300)->number = 9;
    match(true);
    expect(0, MESSAGE_UNSENT, NONE, 0, NONE, 0);
    expect(1, MESSAGE_UNSENT, NONE, NONE, 1, 0);
    expect(2, MESSAGE_UNRECEIVED, 2, NONE, NONE, 0);
}
END_TEST

START_TEST(a_receive_before_its_send_has_a_gap_below_zero) {
    received(100);
    sent(350);
    match(true);
    ck_assert_uint_eq(messages.count, 1);
    expect(0, MESSAGE_MATCHED, 1, 0, NONE, -250);
}
END_TEST

/* Each differs from the case before in one thing. */
START_TEST(a_receive_before_a_send_that_could_be_another_stays_alone) {
    received(100);
    sent(_i == 0 ? UINT64_C(2000000000) : 350);
    if (_i == 1) packets[1].bytes = 90;
    if (_i == 2) received(400);
    if (_i == 3) lost(400);
    if (_i == 4) sent(400);
    match(_i != 5); /* of 5 some events are missing: the send of this receive may be among them */
    expect(0, MESSAGE_UNSENT, NONE, 0, NONE, 0);
}
END_TEST

/* ---- many ---- */

/* Several connections between two nodes in one trace, all with the same numbers; every send is at hand, receives may be
 * missing.  Every match must be true. */
START_TEST(no_match_is_invented) {
    enum { CONNECTIONS = 4, NUMBERS = 5 };
    unsigned random = (unsigned)_i * 2654435761u + 1;
    size_t true_send[64], left = CONNECTIONS * NUMBERS;
    bool is_sent[CONNECTIONS][NUMBERS] = {{0}}, is_done[CONNECTIONS][NUMBERS] = {{0}};
    size_t send_of[CONNECTIONS][NUMBERS];
    for (uint64_t now = 1; left; now++) {
        random = random * 1103515245u + 12345u;
        unsigned connection = random >> 16 & 3, number = (random >> 18) % NUMBERS;
        if (is_done[connection][number]) continue;
        if (!is_sent[connection][number]) {
            send_of[connection][number] = packet_count;
            sent(now)->number = number;
            is_sent[connection][number] = true;
        } else if (random >> 28) {
            true_send[packet_count] = send_of[connection][number];
            received(now)->number = number;
            is_done[connection][number] = true, left--;
        } else {
            is_done[connection][number] = true, left--; /* never received */
        }
    }
    match(true);
    for (size_t i = 0; i < messages.count; i++) {
        const struct message *message = &messages.items[i];
        ck_assert_int_ne(message->state, MESSAGE_DUPLICATE);
        if (message->state == MESSAGE_MATCHED) ck_assert_uint_eq(message->send, true_send[message->receive]);
    }
}
END_TEST

/* One number sent and received ten thousand times: input that is hostile to the search for candidates takes no longer than
 * any other. */
START_TEST(ten_thousand_ends_of_one_number_are_matched_as_soon_as_others) {
    enum { COUNT = 10000 };
    struct packet *many = calloc(2 * COUNT, sizeof *many);
    ck_assert_ptr_nonnull(many);
    for (size_t i = 0; i < 2 * COUNT; i++)
        many[i] = (struct packet){.role = i < COUNT ? PACKET_SENT : PACKET_RECEIVED,
                                  .node = i < COUNT ? ALICE : BOB,
                                  .peer = i < COUNT ? BOB : ALICE,
                                  .number = 7,
                                  .bytes = BYTES,
                                  .time_ns = i,
                                  .event = i};
    ck_assert_int_eq(messages_match(&messages, many, 2 * COUNT, true), 0);
    ck_assert_uint_eq(messages.count, 2 * COUNT);
    for (size_t i = 0; i < messages.count; i++) ck_assert_int_eq(messages.items[i].state, MESSAGE_AMBIGUOUS);
    free(many);
}
END_TEST

/* ---- a program's own messages ---- */

#define UDP (SPACE_MESSAGES + 1)

/* An end of message 7 over UDP; trace NO_NUMBER: it is not known there. */
static void own(enum packet_role role, uint64_t at_ns, unsigned trace) {
    struct packet *packet = role == PACKET_SENT ? sent(at_ns) : received(at_ns);
    packet->space = UDP;
    packet->trace = trace;
}

START_TEST(a_message_is_found_again_whether_or_not_both_ends_know_its_trace) {
    static const unsigned traces[][2] = {{0, 0}, {0, NO_NUMBER}, {NO_NUMBER, 0}, {NO_NUMBER, NO_NUMBER}};
    own(PACKET_SENT, 100, traces[_i][0]);
    own(PACKET_RECEIVED, 350, traces[_i][1]);
    match(true);
    ck_assert_uint_eq(messages.count, 1);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 250);
    ck_assert_int_eq(messages.items[0].kind, MESSAGE_OWN);
}
END_TEST

START_TEST(a_packet_is_not_found_again_in_another_trace) {
    sent(100);
    received(200)->trace = NO_NUMBER;
    match(true);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_UNSENT, NONE, 1, NONE, 0);
}
END_TEST

START_TEST(messages_of_different_traces_are_different) {
    own(PACKET_SENT, 100, 0);
    own(PACKET_RECEIVED, 200, 1);
    match(true);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_UNSENT, NONE, 1, NONE, 0);
}
END_TEST

START_TEST(a_receive_without_a_trace_matches_neither_of_two_traces_sends) {
    own(PACKET_SENT, 100, 0);
    own(PACKET_SENT, 110, 1);
    own(PACKET_RECEIVED, 200, 1);
    own(PACKET_RECEIVED, 210, NO_NUMBER);
    match(true);
    ck_assert_uint_eq(messages.count, 3);
    expect(0, MESSAGE_AMBIGUOUS, 0, NONE, NONE, 0);
    expect(1, MESSAGE_MATCHED, 1, 2, NONE, 90);
    expect(2, MESSAGE_AMBIGUOUS, NONE, 3, NONE, 0);
}
END_TEST

START_TEST(messages_do_not_match_packets_or_other_transports) {
    own(PACKET_SENT, 100, 0);
    received(200);
    received(300)->space = UDP + 1;
    match(true);
    ck_assert_uint_eq(messages.count, 3);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_UNSENT, NONE, 1, NONE, 0);
    expect(2, MESSAGE_UNSENT, NONE, 2, NONE, 0);
    ck_assert_int_eq(messages.items[1].kind, MESSAGE_PACKET);
}
END_TEST

START_TEST(a_message_sent_twice_and_received_twice_is_ambiguous_in_any_order) {
    own(PACKET_SENT, 100, 0);
    own(PACKET_SENT, 110, 0);
    own(PACKET_RECEIVED, 200, 0);
    own(PACKET_RECEIVED, 210, NO_NUMBER);
    match(true);
    ck_assert_uint_eq(messages.count, 4);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(messages.items[i].state, MESSAGE_AMBIGUOUS);
}
END_TEST

/* ---- timelines ---- */

static const char *const ids[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                                  "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"};

static json_t *events;
static struct timeline timeline;

static void timeline_setup(void) {
    events = json_array();
    timeline = (struct timeline){0};
    messages = (struct messages){0};
}

static void timeline_teardown(void) {
    messages_fini(&messages);
    timeline_fini(&timeline);
    json_decref(events);
}

/* Appends an event at the microsecond of its place. */
static void event(const char *kind, unsigned node, unsigned peer, json_t *data_new) {
    json_t *line = json_pack("{s:I,s:i,s:s,s:s,s:s,s:s,s:o}", "timestamp", (json_int_t)json_array_size(events), "ns", 0,
                             "node_id", ids[node], "peer_id", ids[peer], "trace_id", "0123456789abcdef0123456789abcdef", "kind",
                             kind, "data", data_new);
    ck_assert_ptr_nonnull(line);
    json_array_append_new(events, line);
}

static void packet(const char *kind, unsigned node, unsigned peer, int number) {
    event(kind, node, peer, json_pack("{s:i,s:i,s:s}", "packet_num", number, "size", BYTES, "space", "1rtt"));
}

static void bytes(unsigned node, unsigned peer) {
    event("stream_data", node, peer,
          json_pack("{s:i,s:i,s:i,s:b,s:b}", "stream_id", 0, "offset", 0, "length", 1000, "fin", 0, "sent", 1));
}

static void span(const char *kind, unsigned node, const char *id, const char *parent) {
    event(kind, node, node,
          json_pack("{s:s,s:s,s:s,s:i,s:b}", "span_id", id, "parent_id", parent, "app_id", "DMAP", "cmd", 1, "ok", 1));
}

static void read_timeline(void) {
    ck_assert_int_eq(timeline_init(&timeline, events, NULL, NULL), 0);
    ck_assert_int_eq(messages_of_events(&messages, &timeline.events, &timeline.path.spans), 0);
}

static void message(const char *kind, unsigned node, unsigned peer, int id, const char *transport) {
    event(kind, node, peer,
          json_pack("{s:i,s:i,s:s,s:s}", "message_id", id, "size", 100, "transport", transport, "type", "PING"));
}

/* A transport of a later version is a number. */
static void message_over(const char *kind, unsigned node, unsigned peer, int transport) {
    event(kind, node, peer, json_pack("{s:i,s:i,s:i,s:s}", "message_id", 7, "size", 100, "transport", transport, "type", ""));
}

START_TEST(messages_of_a_timeline_are_paired_by_id_and_transport) {
    message("message_sent", ALICE, BOB, 7, "udp");
    message("message_sent", ALICE, BOB, 7, "tcp");
    message("message_received", BOB, ALICE, 7, "tcp");
    message_over("message_sent", ALICE, BOB, 200);
    message_over("message_received", BOB, ALICE, 201);
    message_over("message_received", BOB, ALICE, 200);
    packet("packet_received", BOB, ALICE, 7);
    read_timeline();
    ck_assert_uint_eq(messages.count, 5);
    expect(0, MESSAGE_UNRECEIVED, 0, NONE, NONE, 0);
    expect(1, MESSAGE_MATCHED, 1, 2, NONE, 1000);
    expect(2, MESSAGE_MATCHED, 3, 5, NONE, 2000);
    expect(3, MESSAGE_UNSENT, NONE, 4, NONE, 0);
    expect(4, MESSAGE_UNSENT, NONE, 6, NONE, 0);
    ck_assert_str_eq(message_kind_name(messages.items[1].kind), "message");
    ck_assert_str_eq(message_kind_name(messages.items[4].kind), "packet");
}
END_TEST

#define ROOT "0000000000000000"
#define FIRST "1111111111111111"
#define SECOND "2222222222222222"
#define THIRD "3333333333333333"

START_TEST(a_span_that_another_node_caused_is_a_request_and_its_end_an_answer) {
    span("app_start", ALICE, FIRST, ROOT);
    span("app_start", ALICE, SECOND, FIRST); /* the same node asks nobody */
    span("app_start", BOB, THIRD, FIRST);
    span("app_end", BOB, THIRD, FIRST);
    span("app_end", ALICE, SECOND, FIRST);
    span("app_end", ALICE, FIRST, ROOT);
    read_timeline();
    ck_assert_uint_eq(messages.count, 2);
    expect(0, MESSAGE_MATCHED, 0, 2, NONE, 2000);
    ck_assert_int_eq(messages.items[0].kind, MESSAGE_REQUEST);
    expect(1, MESSAGE_MATCHED, 3, 5, NONE, 2000);
    ck_assert_int_eq(messages.items[1].kind, MESSAGE_ANSWER);
    ck_assert_uint_eq(messages.items[1].from, 1);
    ck_assert_uint_eq(messages.items[1].to, 0);
}
END_TEST

START_TEST(an_asker_that_does_not_wait_gets_no_answer_and_may_be_missing) {
    span("app_start", ALICE, FIRST, ROOT);
    span("app_start", BOB, SECOND, FIRST);
    span("app_end", ALICE, FIRST, ROOT);
    span("app_end", BOB, SECOND, FIRST);
    span("app_start", CAROL, THIRD, "9999999999999999");
    read_timeline();
    ck_assert_uint_eq(messages.count, 3);
    expect(0, MESSAGE_MATCHED, 0, 1, NONE, 1000);
    expect(1, MESSAGE_UNRECEIVED, 3, NONE, NONE, 0);
    expect(2, MESSAGE_UNSENT, NONE, 4, NONE, 0);
    ck_assert_uint_eq(messages.items[2].from, NO_NUMBER);
}
END_TEST

/* 0: stream bytes are reported after their packet, 1: before it. */
START_TEST(a_packet_without_new_bytes_after_a_lost_one_likely_repeats_it) {
    for (int number = 0; number < 3; number++) {
        if (_i) bytes(ALICE, BOB);
        packet("packet_sent", ALICE, BOB, number);
        if (!_i) bytes(ALICE, BOB);
    }
    packet("packet_sent", ALICE, CAROL, 0); /* somebody else's */
    event("packet_sent", ALICE, BOB, json_pack("{s:i,s:i,s:s}", "packet_num", 9, "size", BYTES, "space", "handshake"));
    packet("packet_sent", ALICE, BOB, 3);
    packet("packet_received", BOB, ALICE, 3);
    packet("packet_received", BOB, ALICE, 3); /* a duplicate is not sent again */
    packet("packet_lost", ALICE, BOB, 1);
    packet("packet_lost", ALICE, BOB, 2);
    packet("packet_received", BOB, ALICE, 0);
    packet("packet_sent", ALICE, BOB, 4);
    packet("packet_sent", ALICE, BOB, 5);
    read_timeline();
    size_t lost_1 = NO_EVENT, lost_2 = NO_EVENT;
    for (size_t i = 0; i < messages.count; i++) {
        if (messages.items[i].lost != NO_EVENT && messages.items[i].number == 1) lost_1 = i;
        if (messages.items[i].lost != NO_EVENT && messages.items[i].number == 2) lost_2 = i;
    }
    for (size_t i = 0; i < messages.count; i++) {
        const struct message *message = &messages.items[i];
        bool to_bob = message->to == 1;
        if (message->state == MESSAGE_DUPLICATE) continue;
        ck_assert_uint_eq(message->replaces, to_bob && message->number == 3   ? lost_1
                                             : to_bob && message->number == 4 ? lost_2
                                                                              : NO_EVENT);
    }
}
END_TEST

/* The next packet after the declaration is likely the repetition; a packet before it, or an acknowledgement, is not. 1:
 * stream bytes are reported, and the packet before the declaration has none and the lost one's size: a probe. */
START_TEST(without_stream_bytes_only_packets_after_the_declaration_are_repetitions) {
    if (_i) bytes(ALICE, BOB);
    packet("packet_sent", ALICE, BOB, 1);
    packet("packet_sent", ALICE, BOB, 2);
    packet("packet_lost", ALICE, BOB, 1);
    event("packet_sent", ALICE, BOB, json_pack("{s:i,s:i,s:s}", "packet_num", 3, "size", 40, "space", "1rtt"));
    packet("packet_sent", ALICE, BOB, 4);
    packet("packet_sent", ALICE, BOB, 5);
    read_timeline();
    ck_assert_uint_eq(messages.count, 5);
    for (size_t i = 0; i < messages.count; i++)
        ck_assert_uint_eq(messages.items[i].replaces, messages.items[i].number == (_i ? 2 : 4) ? 0 : NO_EVENT);
}
END_TEST

START_TEST(with_events_missing_a_receive_before_a_send_is_not_joined_to_it) {
    packet("packet_received", BOB, ALICE, 1);
    if (_i) event("events_lost", ALICE, ALICE, json_pack("{s:i,s:i,s:s}", "count", 3, "first", 0, "cause", "overwritten"));
    packet("packet_sent", ALICE, BOB, 1);
    read_timeline();
    ck_assert_uint_eq(messages.count, _i ? 2 : 1);
    expect(0, _i ? MESSAGE_UNSENT : MESSAGE_MATCHED, _i ? NONE : 1, 0, NONE, _i ? 0 : -1000);
}
END_TEST

START_TEST(ten_thousand_events_of_a_timeline_are_matched) {
    span("app_start", ALICE, FIRST, ROOT);
    for (int i = 0; i < 5000; i++) packet("packet_sent", ALICE, BOB, i);
    for (int i = 0; i < 5000; i++) packet("packet_received", BOB, ALICE, 4999 - i);
    read_timeline();
    ck_assert_uint_eq(messages.count, 5000);
    for (size_t i = 0; i < messages.count; i++) {
        ck_assert_int_eq(messages.items[i].state, MESSAGE_MATCHED);
        ck_assert_uint_eq(messages.items[i].number, i);
        ck_assert_uint_eq(messages.items[i].receive, 10000 - i);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("messages");
    TCase *tcase = tcase_create("packets");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_packet_goes_from_its_send_to_its_receive);
    tcase_add_test(tcase, packets_are_distinguished_by_trace_nodes_space_and_number);
    tcase_add_test(tcase, an_end_without_a_peer_takes_it_from_a_trace_of_two_nodes);
    tcase_add_test(tcase, an_end_without_a_peer_in_a_trace_of_three_nodes_stays_alone);
    tcase_add_test(tcase, events_without_a_trace_form_a_trace_that_implies_no_peers);
    tcase_add_test(tcase, a_number_that_is_used_again_goes_by_order);
    tcase_add_test(tcase, two_sends_that_fit_a_receive_make_all_three_ambiguous);
    tcase_add_test(tcase, messages_stay_ambiguous_until_all_have_arrived);
    tcase_add_test(tcase, sizes_distinguish_packets_that_order_does_not);
    tcase_add_test(tcase, a_second_receive_of_the_only_send_is_a_duplicate);
    tcase_add_test(tcase, a_third_receive_of_two_sends_matches_neither);
    tcase_add_test(tcase, a_loss_belongs_to_the_send_that_was_not_received);
    tcase_add_test(tcase, a_loss_declared_for_a_received_packet_stays_with_it);
    tcase_add_test(tcase, a_loss_that_two_could_have_had_is_ambiguous);
    tcase_add_test(tcase, a_half_without_the_other_stays_alone);
    tcase_add_test(tcase, a_receive_before_its_send_has_a_gap_below_zero);
    tcase_add_loop_test(tcase, a_receive_before_a_send_that_could_be_another_stays_alone, 0, 6);
    tcase_add_loop_test(tcase, no_match_is_invented, 0, 200);
    tcase_add_test(tcase, ten_thousand_ends_of_one_number_are_matched_as_soon_as_others);
    tcase_add_loop_test(tcase, a_message_is_found_again_whether_or_not_both_ends_know_its_trace, 0, 4);
    tcase_add_test(tcase, a_packet_is_not_found_again_in_another_trace);
    tcase_add_test(tcase, messages_of_different_traces_are_different);
    tcase_add_test(tcase, a_receive_without_a_trace_matches_neither_of_two_traces_sends);
    tcase_add_test(tcase, messages_do_not_match_packets_or_other_transports);
    tcase_add_test(tcase, a_message_sent_twice_and_received_twice_is_ambiguous_in_any_order);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("timelines");
    tcase_add_checked_fixture(tcase, timeline_setup, timeline_teardown);
    tcase_add_test(tcase, messages_of_a_timeline_are_paired_by_id_and_transport);
    tcase_add_test(tcase, a_span_that_another_node_caused_is_a_request_and_its_end_an_answer);
    tcase_add_test(tcase, an_asker_that_does_not_wait_gets_no_answer_and_may_be_missing);
    tcase_add_loop_test(tcase, a_packet_without_new_bytes_after_a_lost_one_likely_repeats_it, 0, 2);
    tcase_add_loop_test(tcase, without_stream_bytes_only_packets_after_the_declaration_are_repetitions, 0, 2);
    tcase_add_loop_test(tcase, with_events_missing_a_receive_before_a_send_is_not_joined_to_it, 0, 2);
    tcase_add_test(tcase, ten_thousand_events_of_a_timeline_are_matched);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
