/* SPDX-License-Identifier: MIT
 *
 * The ring: events are read completely, once, and in order; and those not read are counted. */
#include "ring_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#define EVENTS 1024

static struct trace_event events[1 << 17];

/* Reads a lane until it is empty.  Returns the number stored in `events`; adds up losses. */
static uint32_t read_all(struct trace_reader *reader, unsigned lane, bool final, uint64_t *ret_lost) {
    struct trace_read read;
    uint32_t count = 0;
    uint64_t lost = 0;
    do {
        trace_reader_read(reader, lane, events + count, 1000, final, 1, &read);
        count += read.count;
        lost += read.lost;
        ck_assert_uint_lt(count, sizeof events / sizeof events[0] - 1000);
    } while (read.more || read.count != 0);
    if (ret_lost) *ret_lost = lost;
    return count;
}

static void expect_balance(struct trace_reader *reader, unsigned lane, uint64_t emitted) {
    struct trace_lane_count count;
    uint64_t sum;
    trace_reader_count(reader, lane, &count);
    sum = count.taken + count.behind;
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) sum += count.lost[i];
    ck_assert_uint_eq(count.emitted, emitted);
    ck_assert_uint_eq(sum, emitted);
}

START_TEST(an_emitted_event_is_read_with_all_its_bytes) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    struct trace_node_id peer = id_of(2);
    struct trace_read read;

    TRACE_PACKET_SENT(log, &context, &peer, 7, 1200, TRACE_SPACE_1RTT);
    trace_reader_read(reader, 0, events, 10, false, 1, &read);
    ck_assert_uint_eq(read.count, 1);
    ck_assert_uint_eq(read.first, 0);
    ck_assert_uint_eq(read.lost, 0);
    ck_assert_uint_eq(events[0].kind, TRACE_KIND_PACKET_SENT);
    ck_assert_uint_eq(events[0].flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER);
    ck_assert_mem_eq(&events[0].trace_id, &context.trace_id, sizeof context.trace_id);
    ck_assert_mem_eq(&events[0].peer_id, &peer, sizeof peer);
    ck_assert_uint_eq(events[0].sequence, 0);
    ck_assert_uint_eq(events[0].data.packet_sent.packet_num, 7);
    ck_assert_uint_eq(events[0].data.packet_sent.size, 1200);
    ck_assert_uint_eq(events[0].data.packet_sent.space, TRACE_SPACE_1RTT);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(the_rest_of_the_data_is_zero_also_in_a_slot_that_was_used_before) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    uint8_t full[44], zero[TRACE_EVENT_DATA_BYTES] = {0};
    struct trace_read read;
    memset(full, 0xff, sizeof full);
    for (int i = 0; i < 64; i++) TRACE_CUSTOM(log, NULL, NULL, UINT32_MAX, UINT32_MAX, full, sizeof full);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 64);
    TRACE_STREAM_OPENED(log, NULL, NULL, 0);
    trace_reader_read(reader, 0, events, 1, false, 1, &read);
    ck_assert_uint_eq(read.count, 1);
    ck_assert_mem_eq(events[0].data.bytes, zero, sizeof zero);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(every_kind_comes_through_with_its_fields) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_context context = trace_context_new(0), linked = trace_context_new(0);
    struct trace_endpoint endpoint = {.address = {127, 0, 0, 1}, .port = 4433, .family = 4};
    struct trace_node_id alias = {{1, [31] = 2}}, peer = {{7}}, address = trace_node_id_of_endpoint(&endpoint);

    TRACE_CONN_INIT(log, &context, NULL, &endpoint, 1);
    TRACE_CONN_ESTABLISHED(log, &context, NULL, 1000);
    TRACE_CONN_CLOSED(log, &context, NULL, 5, 1, "a reason that is much longer than the fifty-five bytes there are for it");
    TRACE_STREAM_OPENED(log, &context, NULL, 4);
    TRACE_STREAM_DATA(log, &context, NULL, 4, 100, 50, 1, 0);
    TRACE_STREAM_CLOSED(log, &context, NULL, 4, 9);
    TRACE_PACKET_SENT(log, &context, NULL, 1, 2, 0);
    TRACE_PACKET_RECEIVED(log, &context, NULL, 3, 4, 1);
    TRACE_PACKET_LOST(log, &context, NULL, 5, 2);
    TRACE_METRICS(log, &context, NULL, 1, 2, 3, 4);
    TRACE_APP_COMMAND(log, &context, NULL, "DMAP", 2, "abc", 3);
    TRACE_APP_START(log, &context, NULL, 77, "DMAP", 2);
    TRACE_APP_END(log, &context, NULL, "DMAP", 2, 1);
    TRACE_CUSTOM(log, &context, NULL, 8, 9, "xyz", 3);
    TRACE_MESSAGE_SENT(log, &context, NULL, 77, 100, TRACE_TRANSPORT_UDP, "PING");
    TRACE_MESSAGE_RECEIVED(log, &context, NULL, 78, 101, TRACE_TRANSPORT_WS, "a type of more bytes than there are");
    TRACE_LINK(log, &context, NULL, &linked, "a relation of more bytes than there are");
    TRACE_LINK(log, NULL, NULL, NULL, NULL);
    TRACE_CONN_MIGRATED(log, &context, NULL, &endpoint, 1);
    TRACE_CONN_RETRY(log, &context, NULL, &endpoint);
    TRACE_CONN_VERSION(log, &context, NULL, 0x6b3343cf);
    TRACE_CONN_RESET(log, &context, NULL, &endpoint);
    TRACE_EARLY_DATA(log, &context, NULL, 1);
    TRACE_KEY_UPDATED(log, &context, NULL, 3);
    TRACE_PROBE_SENT(log, &context, NULL, 8, 1452, TRACE_SPACE_1RTT);
    TRACE_PROBE_LOST(log, &context, NULL, 8, TRACE_SPACE_1RTT);
    TRACE_ALIAS(log, &context, NULL, &alias, TRACE_TRANSPORT_OTHER, "a label of more bytes than the thirty there are");
    TRACE_ADDRESS(log, &context, &peer, TRACE_TRANSPORT_TCP, "127.0.0.1:4433");
    TRACE_ENDPOINT(log, &context, &peer, TRACE_TRANSPORT_UDP, &endpoint);

    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 29);
    for (unsigned i = 26; i < 29; i++) {
        ck_assert_uint_eq(events[i].kind, TRACE_KIND_ALIAS);
        ck_assert_uint_eq(events[i].flags, i == 26 ? 0 : TRACE_FLAG_HAS_PEER);
        ck_assert_uint_eq(events[i].data.alias.alias_id_bytes, 32);
    }
    ck_assert_mem_eq(events[26].data.alias.alias_id, &alias, sizeof alias);
    ck_assert_uint_eq(events[26].data.alias.transport, TRACE_TRANSPORT_OTHER);
    ck_assert_mem_eq(events[26].data.alias.label, "a label of more bytes than the", 30);
    ck_assert_mem_eq(&events[27].peer_id, &peer, sizeof peer);
    ck_assert_mem_eq(events[27].data.alias.alias_id, address.bytes, sizeof address);
    ck_assert_uint_eq(events[27].data.alias.transport, TRACE_TRANSPORT_TCP);
    ck_assert_str_eq(events[27].data.alias.label, "127.0.0.1:4433");
    ck_assert_mem_eq(events[28].data.alias.alias_id, address.bytes, sizeof address);
    ck_assert_str_eq(events[28].data.alias.label, "");
    for (unsigned i = 18; i < 24; i++) ck_assert_uint_eq(events[i].kind, i + 1);
    ck_assert_mem_eq(&events[18].data.conn_migrated.endpoint, &endpoint, sizeof endpoint);
    ck_assert_uint_eq(events[18].data.conn_migrated.by_remote, 1);
    ck_assert_mem_eq(&events[19].data.conn_retry.endpoint, &endpoint, sizeof endpoint);
    ck_assert_uint_eq(events[20].data.conn_version.version, 0x6b3343cf);
    ck_assert_mem_eq(&events[21].data.conn_reset.endpoint, &endpoint, sizeof endpoint);
    ck_assert_uint_eq(events[22].data.early_data.accepted, 1);
    ck_assert_uint_eq(events[23].data.key_updated.updates, 3);
    ck_assert_uint_eq(events[24].kind, TRACE_KIND_PACKET_SENT);
    ck_assert_uint_eq(events[24].data.packet_sent.size, 1452);
    ck_assert_uint_eq(events[24].flags, TRACE_FLAG_PROBE);
    ck_assert_uint_eq(events[25].kind, TRACE_KIND_PACKET_LOST);
    ck_assert_uint_eq(events[25].data.packet_lost.packet_num, 8);
    ck_assert_uint_eq(events[25].flags, TRACE_FLAG_PROBE);
    for (unsigned i = 0; i < 14; i++) ck_assert_uint_eq(events[i].kind, i + 1);
    ck_assert_uint_eq(events[14].kind, TRACE_KIND_MESSAGE_SENT);
    ck_assert_uint_eq(events[14].data.message_sent.message_id, 77);
    ck_assert_uint_eq(events[14].data.message_sent.size, 100);
    ck_assert_uint_eq(events[14].data.message_sent.transport, TRACE_TRANSPORT_UDP);
    ck_assert_str_eq(events[14].data.message_sent.type, "PING");
    ck_assert_uint_eq(events[15].kind, TRACE_KIND_MESSAGE_RECEIVED);
    ck_assert_uint_eq(events[15].data.message_received.message_id, 78);
    ck_assert_uint_eq(events[15].data.message_received.size, 101);
    ck_assert_uint_eq(events[15].data.message_received.transport, TRACE_TRANSPORT_WS);
    ck_assert_mem_eq(events[15].data.message_received.type, "a type of more bytes tha", 24);
    ck_assert_uint_eq(events[16].kind, TRACE_KIND_LINK);
    ck_assert_uint_eq(events[16].data.link.span_id, context.span_id);
    ck_assert_uint_eq(events[16].data.link.linked_span_id, linked.span_id);
    ck_assert_uint_eq(events[16].data.link.linked_trace_id_bytes, TRACE_ID_BYTES);
    ck_assert_mem_eq(events[16].data.link.linked_trace_id, &linked.trace_id, TRACE_ID_BYTES);
    ck_assert_mem_eq(events[16].data.link.relation, "a relation of more bytes", 24);
    ck_assert_uint_eq(events[17].data.link.linked_trace_id_bytes, 0);
    ck_assert_mem_eq(&events[0].data.conn_init.endpoint, &endpoint, sizeof endpoint);
    ck_assert_uint_eq(events[0].data.conn_init.by_remote, 1);
    ck_assert_uint_eq(events[1].data.conn_established.rtt, 1000);
    ck_assert_mem_eq(events[2].data.conn_closed.reason, "a reason that is much longer than the fifty-five bytes t", 55);
    ck_assert_uint_eq(events[4].data.stream_data.offset, 100);
    ck_assert_uint_eq(events[4].data.stream_data.length, 50);
    ck_assert_uint_eq(events[4].data.stream_data.fin, 1);
    ck_assert_uint_eq(events[4].data.stream_data.sent, 0);
    ck_assert_uint_eq(events[5].data.stream_closed.code, 9);
    ck_assert_uint_eq(events[9].data.metrics.in_flight, 4);
    ck_assert_mem_eq(events[10].data.app_command.app_id, "DMAP", 4);
    ck_assert_uint_eq(events[10].data.app_command.data_bytes, 3);
    ck_assert_mem_eq(events[10].data.app_command.data, "abc", 3);
    ck_assert_uint_eq(events[11].data.app_start.span_id, context.span_id);
    ck_assert_uint_eq(events[11].data.app_start.parent_id, 77);
    ck_assert_uint_eq(events[12].data.app_end.ok, 1);
    ck_assert_uint_eq(events[13].data.custom.category, 8);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(retransmissions_and_expiry_set_a_flag) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED);
    struct trace_node_id peer = {.bytes = {5}};
    TRACE_PACKET_RESENT(log, &context, &peer, 9, 1400, TRACE_SPACE_UTP);
    TRACE_MESSAGE_RESENT(log, NULL, NULL, 77, 100, TRACE_TRANSPORT_UDP, NULL);
    TRACE_MESSAGE_SENT(log, NULL, NULL, 77, 100, TRACE_TRANSPORT_UDP, NULL);
    TRACE_APP_EXPIRED(log, &context, NULL, "DMAP", 2);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 4);
    ck_assert_uint_eq(events[0].kind, TRACE_KIND_PACKET_SENT);
    ck_assert_uint_eq(events[0].flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER | TRACE_FLAG_RETRANSMISSION);
    ck_assert_uint_eq(events[0].data.packet_sent.packet_num, 9);
    ck_assert_uint_eq(events[0].data.packet_sent.size, 1400);
    ck_assert_uint_eq(events[0].data.packet_sent.space, TRACE_SPACE_UTP);
    ck_assert_uint_eq(events[1].kind, TRACE_KIND_MESSAGE_SENT);
    ck_assert_uint_eq(events[1].flags, TRACE_FLAG_RETRANSMISSION);
    ck_assert_uint_eq(events[2].flags, 0);
    ck_assert_uint_eq(events[3].kind, TRACE_KIND_APP_END);
    ck_assert_uint_eq(events[3].flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_EXPIRED);
    ck_assert_uint_eq(events[3].data.app_end.span_id, context.span_id);
    ck_assert_mem_eq(events[3].data.app_end.app_id, "DMAP", 4);
    ck_assert_uint_eq(events[3].data.app_end.cmd, 2);
    ck_assert_uint_eq(events[3].data.app_end.ok, 0);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_reader_that_keeps_up_sees_every_event_over_many_laps) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    uint32_t next = 0;
    for (unsigned round = 0; round < 100; round++) {
        uint32_t count;
        emit_codes(log, round * 50, round * 50 + 50);
        count = read_all(reader, 0, false, NULL);
        ck_assert_uint_eq(count, 50);
        for (uint32_t i = 0; i < count; i++) ck_assert_uint_eq(code_of(&events[i]), next++);
    }
    expect_balance(reader, 0, 5000);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

static void *emit_in_a_thread(void *log) {
    emit_codes(log, 0, 1);
    return NULL;
}

static bool stirs(struct trace_reader *reader, uint32_t lanes) {
    struct trace_watch watch;
    trace_reader_watch(reader, lanes, &watch);
    return trace_watch_stirs(&watch);
}

START_TEST(a_watch_sees_what_a_writer_does_next) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    pthread_t thread;
    ck_assert(stirs(reader, 0)); /* a first lane, which the log's opening took */
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 0);
    ck_assert(!stirs(reader, 1));
    emit_codes(log, 0, 1);
    ck_assert(stirs(reader, 1));
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 1);
    ck_assert(!stirs(reader, 1));
    for (unsigned lap = 0; lap < 3; lap++) { /* a slot's contents from the previous lap are not new */
        emit_codes(log, 1, 2);
        ck_assert(stirs(reader, 1));
        ck_assert_uint_eq(read_all(reader, 0, false, NULL), 1);
        ck_assert(!stirs(reader, 1));
        emit_codes(log, 2, EVENTS);
        ck_assert_uint_eq(read_all(reader, 0, false, NULL), EVENTS - 2);
        ck_assert(!stirs(reader, 1));
    }
    emit_codes(log, 0, EVENTS + 5); /* overtaken */
    ck_assert(stirs(reader, 1));
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), EVENTS);
    ck_assert(!stirs(reader, 1));
    pthread_create(&thread, NULL, emit_in_a_thread, log); /* another lane */
    pthread_join(thread, NULL);
    ck_assert(stirs(reader, 1));
    ck_assert_uint_eq(read_all(reader, 1, false, NULL), 1);
    ck_assert(!stirs(reader, 3));
    pthread_create(&thread, NULL, emit_in_a_thread, log);
    pthread_join(thread, NULL);
    ck_assert(stirs(reader, 3)); /* it was handed on */
    ck_assert_uint_eq(read_all(reader, 1, false, NULL), 1);
    ck_assert(!stirs(reader, 3));
    (void)trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM); /* an unfinished slot */
    ck_assert(stirs(reader, 3));
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_lapped_reader_counts_exactly_what_it_missed) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    emit_codes(log, 0, 10);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 10);
    emit_codes(log, 10, 10 + EVENTS + 37);
    trace_reader_read(reader, 0, events, 1, false, 1, &read);
    ck_assert_uint_eq(read.lost, 37);
    ck_assert_int_eq(read.cause, TRACE_LOSS_OVERWRITTEN);
    ck_assert_uint_eq(read.count, 1);
    ck_assert_uint_eq(read.first, 10 + 37);
    ck_assert_uint_eq(code_of(&events[0]), 10 + 37);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), EVENTS - 1);
    expect_balance(reader, 0, 10 + EVENTS + 37);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* A reader that takes 20 ns per event, and its writer, on invented time. */
struct race {
    struct trace_log *log;
    struct trace_reader *reader;
    uint64_t now_ns;
    unsigned emitted;
};

enum { RACE_RUN = 128, RACE_LAP = 32 * RACE_RUN, RACE_RUN_NS = 20 * RACE_RUN };

/* The writer emits that many events in that time, and the reader reads a run.  Returns what it lost. */
static uint64_t race_on(struct race *race, unsigned made, uint64_t ns) {
    struct trace_read read;
    emit_codes(race->log, race->emitted, race->emitted + made);
    race->emitted += made;
    race->now_ns += ns;
    trace_reader_read(race->reader, 0, events, RACE_RUN, false, race->now_ns, &read);
    ck_assert(read.lost == 0 || read.cause == TRACE_LOSS_OVERWRITTEN);
    return read.lost;
}

/* Some runs at full pace; then, for a long time, a few events a millisecond, each read at once, which say nothing about paces. */
static void race_begin(struct race *race) {
    race->log = open_log(RACE_LAP);
    race->reader = attach_log(race->log);
    race->now_ns = 1000;
    race->emitted = 0;
    emit_codes(race->log, 0, RACE_RUN);
    race->emitted = RACE_RUN;
    for (unsigned i = 0; i < 4; i++) race_on(race, RACE_RUN, RACE_RUN_NS);
    for (unsigned i = 0; i < 2000; i++) ck_assert_uint_eq(race_on(race, 8, 1000000), 0);
}

static void race_end(struct race *race) {
    expect_balance(race->reader, 0, race->emitted);
    trace_reader_detach(race->reader);
    trace_log_close(race->log);
}

static unsigned race_behind(const struct race *race) { return race->emitted - (unsigned)trace_reader_position(race->reader, 0); }

/* The writer emits an event per event_ns and comes near while the reader is stopped; then it may rest.  Returns what is lost. */
static uint64_t lost_beside_a_writer(unsigned event_ns, bool rests) {
    struct race race;
    unsigned made;
    uint64_t lost;
    race_begin(&race);
    made = RACE_LAP - RACE_LAP / 32 - race_behind(&race);
    lost = race_on(&race, made, made * event_ns);
    for (unsigned round = 0; round < 64 && lost == 0; round++)
        lost = race_on(&race, rests ? 0 : RACE_RUN_NS / event_ns, RACE_RUN_NS);
    if (lost != 0) ck_assert_uint_eq(race_behind(&race), RACE_LAP / 2 - RACE_RUN);
    race_end(&race);
    return lost;
}

START_TEST(a_reader_yields_only_to_a_faster_writer) {
    ck_assert_uint_gt(lost_beside_a_writer(10, false), 0);
    ck_assert_uint_gt(lost_beside_a_writer(20, false), 0); /* as fast: perhaps because we slow it down */
    ck_assert_uint_eq(lost_beside_a_writer(36, false), 0); /* we can outrun it */
    ck_assert_uint_eq(lost_beside_a_writer(10, true), 0);  /* a burst that is over */
}
END_TEST

/* Overtaken twice, the second time before it has caught up.  Returns how far beyond the oldest event it then jumps. */
static uint64_t jumped_beyond(unsigned event_ns) {
    struct race race;
    uint64_t behind, lost;
    race_begin(&race);
    ck_assert_uint_eq(race_on(&race, RACE_LAP + 100, (uint64_t)(RACE_LAP + 100) * event_ns), 100);
    behind = race_behind(&race);
    lost = race_on(&race, RACE_LAP, (uint64_t)RACE_LAP * event_ns);
    race_end(&race);
    return lost - behind;
}

START_TEST(a_reader_overtaken_again_skips_ahead_by_half_a_ring_if_the_writer_is_faster) {
    ck_assert_uint_eq(jumped_beyond(10), RACE_LAP / 2);
    ck_assert_uint_eq(jumped_beyond(36), RACE_LAP / 8);
}
END_TEST

/* What a writer did while nobody was reading does not make it fast. */
START_TEST(a_burst_that_fits_into_the_ring_is_read_whole) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    unsigned emitted = 0;
    for (unsigned lap = 0; lap < 3; lap++) { /* each after the previous one has been read to its end */
        emit_codes(log, emitted, emitted + EVENTS);
        emitted += EVENTS;
        ck_assert_uint_eq(read_all(reader, 0, false, NULL), EVENTS);
    }
    emit_codes(log, emitted, emitted + EVENTS / 2); /* and one when half of another has been read */
    trace_reader_read(reader, 0, events, EVENTS / 4, false, 1, &read);
    ck_assert_uint_eq(read.count, EVENTS / 4);
    emit_codes(log, emitted + EVENTS / 2, emitted + EVENTS + EVENTS / 4);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), EVENTS);
    expect_balance(reader, 0, emitted + EVENTS + EVENTS / 4);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_late_reader_begins_at_the_oldest_event_and_counts_those_before) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader;
    struct trace_read read;
    emit_codes(log, 0, 3 * EVENTS + 5);
    reader = attach_log(log);
    trace_reader_read(reader, 0, events, EVENTS + 1, false, 1, &read);
    ck_assert_uint_eq(read.count, EVENTS);
    ck_assert_uint_eq(read.lost, 2 * EVENTS + 5);
    ck_assert_int_eq(read.cause, TRACE_LOSS_BEFORE_ATTACH);
    ck_assert_uint_eq(code_of(&events[0]), 2 * EVENTS + 5);
    expect_balance(reader, 0, 3 * EVENTS + 5);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(two_readers_see_the_same_events) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *first = attach_log(log), *second = attach_log(log);
    emit_codes(log, 0, 100);
    ck_assert_uint_eq(read_all(first, 0, false, NULL), 100);
    ck_assert_uint_eq(read_all(second, 0, false, NULL), 100);
    trace_reader_detach(first);
    trace_reader_detach(second);
    trace_log_close(log);
}
END_TEST

START_TEST(an_invalid_event_costs_its_slot_and_is_counted) {
    static const struct {
        uint16_t kind;
        uint8_t reserved;
    } bad[] = {{0, 0}, {TRACE_KIND_EVENTS_LOST, 0}, {TRACE_KIND_CUSTOM, 1}};
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    char path[200];
    struct trace_event *slot;
    uint64_t lost;
    int fd;
    emit_codes(log, 0, 10);
    snprintf(path, sizeof path, "%s%s", shm_dir, trace_log_name(log));
    fd = open(path, O_RDWR);
    slot = malloc(sizeof *slot);
    ck_assert_int_eq(pread(fd, slot, sizeof *slot, TRACE_SHM_LANES_OFFSET + 4 * 128), 128);
    slot->kind = bad[_i].kind;
    slot->reserved = bad[_i].reserved;
    ck_assert_int_eq(pwrite(fd, slot, sizeof *slot, TRACE_SHM_LANES_OFFSET + 4 * 128), 128);
    ck_assert_uint_eq(read_all(reader, 0, false, &lost), 9);
    ck_assert_uint_eq(lost, 1);
    for (unsigned i = 0; i < 9; i++) ck_assert_uint_eq(code_of(&events[i]), i < 4 ? i : i + 1);
    expect_balance(reader, 0, 10);
    free(slot);
    close(fd);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(an_unknown_kind_is_an_event) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace__slot slot = trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, 777);
    trace__commit(slot);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 1);
    ck_assert_uint_eq(events[0].kind, 777);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_discard_newest_ring_keeps_the_oldest_and_counts_the_rest) {
    struct trace_log *log = open_log_with(64, TRACE_DISCARD_NEWEST);
    struct trace_reader *reader = attach_log(log);
    struct trace_lane_count count;
    emit_codes(log, 0, 100);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 64);
    ck_assert_uint_eq(code_of(&events[63]), 63);
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.lost[TRACE_LOSS_DISCARDED], 36);
    expect_balance(reader, 0, 100);
    emit_codes(log, 100, 110);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 10);
    ck_assert_uint_eq(code_of(&events[0]), 100);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_masked_kind_is_not_emitted_and_its_arguments_are_not_evaluated) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    int evaluated = 0;
    trace_reader_set_control(reader, TRACE_CONTROL_ALL & ~TRACE_CONTROL_KIND_BIT(TRACE_KIND_CUSTOM));
    TRACE_CUSTOM(log, NULL, NULL, 0, (uint32_t)evaluated++, NULL, 0);
    TRACE_STREAM_OPENED(log, NULL, NULL, (uint64_t)evaluated++);
    ck_assert_int_eq(evaluated, 1);
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 1);
    TRACE_CUSTOM((struct trace_log *)NULL, NULL, NULL, 0, (uint32_t)evaluated++, NULL, 0);
    ck_assert_int_eq(evaluated, 1);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(sampling_keeps_or_drops_whole_traces_and_never_debug_ones) {
    struct trace_log *log = open_log(65536);
    struct trace_reader *reader = attach_log(log);
    uint32_t count;
    trace_reader_set_control(reader, (UINT64_C(0x40000000) << 32) | UINT32_MAX); /* one in four */
    for (int i = 0; i < 4000; i++) {
        struct trace_context context = trace_context_new(0);
        for (uint32_t k = 0; k < 3; k++) TRACE_CUSTOM(log, &context, NULL, 0, k, NULL, 0);
    }
    count = read_all(reader, 0, false, NULL);
    ck_assert_uint_gt(count, 3 * 800);
    ck_assert_uint_lt(count, 3 * 1200);
    for (uint32_t i = 0; i < count; i++) ck_assert_uint_eq(code_of(&events[i]), i % 3);
    for (int i = 0; i < 100; i++) {
        struct trace_context context = trace_context_new(TRACE_FLAG_DEBUG);
        TRACE_CUSTOM(log, &context, NULL, 0, 0, NULL, 0);
        TRACE_CUSTOM(log, NULL, NULL, 0, 0, NULL, 0);
    }
    ck_assert_uint_eq(read_all(reader, 0, false, NULL), 200);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* ---- threads and signals ------------------------------------------------------------------------------------------------- */

struct emitter {
    struct trace_log *log;
    uint32_t number, count;
};

static void *emit_numbered(void *arg) {
    struct emitter *emitter = arg;
    for (uint32_t i = 0; i < emitter->count; i++) TRACE_CUSTOM(emitter->log, NULL, NULL, emitter->number, i, NULL, 0);
    return NULL;
}

START_TEST(each_thread_has_a_lane_of_its_own_and_the_rest_share_the_last) {
    enum { THREADS = TRACE_LANES_MAX + 6, EACH = 2000 };
    struct trace_log *log = open_log(1 << 16);
    struct trace_reader *reader = attach_log(log);
    pthread_t threads[THREADS];
    struct emitter emitters[THREADS];
    uint32_t next[THREADS] = {0};
    uint64_t total = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        emitters[i] = (struct emitter){log, i, EACH};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, emit_numbered, &emitters[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        uint32_t count = read_all(reader, lane, false, NULL);
        for (uint32_t i = 0; i < count; i++) { /* in order within each thread */
            uint32_t number = events[i].data.custom.category;
            ck_assert_uint_lt(number, THREADS);
            ck_assert_uint_eq(code_of(&events[i]), next[number]++);
        }
        total += count;
    }
    ck_assert_uint_eq(total, (uint64_t)THREADS * EACH);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

static pthread_barrier_t barrier;
static struct trace_log *the_log;

static void *emit_while_all_hold_lanes(void *arg) {
    struct emitter *emitter = arg;
    TRACE_CUSTOM(emitter->log, NULL, NULL, emitter->number, 0, NULL, 0);
    pthread_barrier_wait(&barrier);
    for (uint32_t i = 1; i < emitter->count; i++) TRACE_CUSTOM(emitter->log, NULL, NULL, emitter->number, i, NULL, 0);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(the_shared_lane_takes_events_of_many_threads_at_once) {
    enum { THREADS = TRACE_LANES_MAX + 6, EACH = 3000 };
    struct trace_log *log = open_log(1 << 16);
    struct trace_reader *reader = attach_log(log);
    pthread_t threads[THREADS];
    struct emitter emitters[THREADS];
    uint32_t next[THREADS] = {0};
    uint64_t total = 0, shared = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        emitters[i] = (struct emitter){log, i, EACH};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, emit_while_all_hold_lanes, &emitters[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        uint32_t count = read_all(reader, lane, false, NULL);
        for (uint32_t i = 0; i < count; i++) ck_assert_uint_eq(code_of(&events[i]), next[events[i].data.custom.category]++);
        total += count;
        if (lane == TRACE_LANES_MAX - 1) shared = count;
    }
    ck_assert_uint_eq(total, (uint64_t)THREADS * EACH);
    ck_assert_uint_eq(shared, (uint64_t)(THREADS - (TRACE_LANES_MAX - 2)) * EACH); /* lane 0 is the opener's */
    pthread_barrier_destroy(&barrier);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

static uint32_t got_before_commit;

/* The slow one's bytes arrive late: a thread that had taken its slot would show them as its own. */
static void *overtake_itself_in_the_shared_lane(void *reader) {
    struct trace__slot slow = trace__begin(the_log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
    emit_codes(the_log, 1, 64 + 10); /* position 64 would be the slow one's slot */
    slow.event->data.custom.code = 12345;
    got_before_commit = read_all(reader, TRACE_LANES_MAX - 1, true, NULL); /* as with a dead node: the reader does not wait */
    trace__commit(slow);
    return NULL;
}

static void *hold_a_lane(void *arg) {
    emit_codes(arg, 0, 1);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

START_TEST(an_unfinished_slot_in_the_shared_lane_is_not_taken_by_another_emit) {
    enum { HOLDERS = TRACE_LANES_MAX - 2 }; /* lane 0 is the opener's */
    struct trace_log *log = the_log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_lane_count count;
    pthread_t holders[HOLDERS], thread;
    pthread_barrier_init(&barrier, NULL, HOLDERS + 1);
    for (unsigned i = 0; i < HOLDERS; i++) pthread_create(&holders[i], NULL, hold_a_lane, log);
    pthread_barrier_wait(&barrier);
    pthread_create(&thread, NULL, overtake_itself_in_the_shared_lane, reader);
    pthread_join(thread, NULL);
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < HOLDERS; i++) pthread_join(holders[i], NULL);

    trace_reader_count(reader, TRACE_LANES_MAX - 1, &count);
    ck_assert_uint_eq(count.unfinished, 1);
    ck_assert_uint_ge(got_before_commit, 60);
    for (uint32_t i = 0; i < got_before_commit; i++) ck_assert_uint_ne(code_of(&events[i]), 12345);
    pthread_barrier_destroy(&barrier);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_lane_is_handed_on_when_its_thread_ends) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_lane_count count;
    for (uint32_t i = 0; i < 50; i++) {
        pthread_t thread;
        struct emitter emitter = {log, i, 4};
        pthread_create(&thread, NULL, emit_numbered, &emitter);
        pthread_join(thread, NULL);
    }
    ck_assert_uint_eq(read_all(reader, 1, false, NULL), 200);
    trace_reader_count(reader, 2, &count);
    ck_assert(!count.used);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

static volatile sig_atomic_t handled;

static void emit_from_handler(int signal) {
    (void)signal;
    TRACE_CUSTOM(the_log, NULL, NULL, 1, (uint32_t)handled, NULL, 0);
    handled = handled + 1;
}

static atomic_bool stop;

static _Atomic uint32_t emitted_by_main;

/* At most one signal per event of the main code, otherwise the handlers alone would lap the reader. */
static void *bombard(void *arg) {
    pthread_t target = *(pthread_t *)arg;
    uint32_t seen = 0;
    while (!atomic_load(&stop)) {
        uint32_t now = atomic_load(&emitted_by_main);
        if (now == seen) continue;
        seen = now;
        pthread_kill(target, SIGUSR1);
    }
    return NULL;
}

START_TEST(handlers_that_interrupt_an_emit_lose_and_tear_nothing) {
    struct trace_log *log = the_log = open_log(1 << 16);
    struct trace_reader *reader = attach_log(log);
    pthread_t self = pthread_self(), thread;
    uint32_t emitted = 0, next[2] = {0, 0}, count = 0, got;
    struct sigaction action = {.sa_handler = emit_from_handler};
    uint64_t lost = 0;
    sigaction(SIGUSR1, &action, NULL);
    atomic_store(&stop, false);
    pthread_create(&thread, NULL, bombard, &self);
    do {
        for (int i = 0; i < 500; i++) {
            TRACE_CUSTOM(log, NULL, NULL, 0, emitted++, NULL, 0);
            atomic_store(&emitted_by_main, emitted);
        }
        got = read_all(reader, 0, false, &lost);
        for (uint32_t i = 0; i < got; i++) ck_assert_uint_eq(code_of(&events[i]), next[events[i].data.custom.category]++);
        count += got;
    } while (handled < 1000);
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    count += read_all(reader, 0, false, &lost);
    ck_assert_uint_eq(lost, 0);
    ck_assert_uint_eq(count, emitted + (uint32_t)handled);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* ---- a reader beside a writer ---------------------------------------------------------------------------------------------- */

static void *emit_until_stopped(void *arg) {
    struct emitter *emitter = arg;
    uint32_t i = 0;
    while (!atomic_load(&stop)) {
        uint32_t words[11];
        for (unsigned k = 0; k < 11; k++) words[k] = i * 31 + k;
        TRACE_CUSTOM(emitter->log, NULL, NULL, i ^ UINT32_C(0xabcdef01), i, words, sizeof words);
        i++;
    }
    emitter->count = i;
    return NULL;
}

/* One assertion per event: each is a write to the runner's pipe. */
static void expect_numbered(const struct trace_event *event, uint32_t code) {
    uint32_t words[11];
    bool whole = event->kind == TRACE_KIND_CUSTOM && event->data.custom.code == code &&
                 event->data.custom.category == (code ^ UINT32_C(0xabcdef01));
    memcpy(words, event->data.custom.data, sizeof words);
    for (unsigned k = 0; k < 11; k++) whole = whole && words[k] == code * 31 + k;
    ck_assert(whole);
}

START_TEST(a_reader_beside_a_fast_writer_takes_no_torn_event_and_counts_all) {
    struct trace_log *log = open_log(_i == 0 ? 64 : 4096);
    struct trace_reader *reader = attach_log(log);
    struct emitter emitter = {log, 0, 0};
    struct trace_read read;
    uint64_t taken = 0, lost = 0;
    unsigned lane;
    pthread_t thread;
    atomic_store(&stop, false);
    pthread_create(&thread, NULL, emit_until_stopped, &emitter);
    lane = 1; /* lane 0 is this thread's */
    for (uint64_t pass = 0; taken < 20000; pass++) {
        trace_reader_read(reader, lane, events, 512, false, pass, &read);
        taken += read.count;
        lost += read.lost;
        if (read.count == 0) sched_yield(); /* on a busy machine the writer may be waiting for this very core */
        for (uint32_t i = 0; i < read.count; i++) expect_numbered(&events[i], (uint32_t)(read.first + i));
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    do {
        trace_reader_read(reader, lane, events, 512, false, 1, &read);
        taken += read.count;
        lost += read.lost;
    } while (read.more || read.count != 0);
    ck_assert_uint_eq((uint32_t)(taken + lost), emitter.count);
    expect_balance(reader, lane, taken + lost);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* ---- slots that are never committed ------------------------------------------------------------------------------------ */

START_TEST(an_unfinished_slot_is_waited_for_and_then_counted_as_abandoned) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    uint64_t now = 1000;
    emit_codes(log, 0, 3);
    (void)trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM); /* a handler that jumped away */
    emit_codes(log, 4, 6);
    trace_reader_read(reader, 0, events, 10, false, now, &read);
    ck_assert_uint_eq(read.count, 3);
    trace_reader_read(reader, 0, events, 10, false, now, &read);
    ck_assert_uint_eq(read.count + read.lost, 0);
    trace_reader_read(reader, 0, events, 10, false, now + 1000000000, &read);
    ck_assert_uint_eq(read.lost, 1);
    ck_assert_int_eq(read.cause, TRACE_LOSS_ABANDONED);
    ck_assert_uint_eq(read.count, 2);
    ck_assert_uint_eq(code_of(&events[0]), 4);
    expect_balance(reader, 0, 6);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(each_unfinished_slot_is_waited_for_anew) {
    const uint64_t patience_ns = 250000000;
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    uint64_t now_ns = 1000;
    for (unsigned slot = 0; slot < 3; slot++) { /* the first of them at position 0 */
        (void)trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
        emit_codes(log, slot, slot + slot % 2 + 1);
    }
    for (unsigned slot = 0; slot < 3; slot++) {
        trace_reader_read(reader, 0, events, 10, false, now_ns, &read);
        ck_assert_uint_eq(read.count + read.lost, 0);
        trace_reader_read(reader, 0, events, 10, false, now_ns += patience_ns - 1, &read);
        ck_assert_uint_eq(read.count + read.lost, 0);
        trace_reader_read(reader, 0, events, 10, false, ++now_ns, &read);
        ck_assert_uint_eq(read.lost, 1);
        ck_assert_int_eq(read.cause, TRACE_LOSS_ABANDONED);
        ck_assert_uint_eq(read.count, slot % 2 + 1);
    }
    expect_balance(reader, 0, 7);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(an_unfinished_last_slot_is_waited_for_without_a_limit) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_reader *reader = attach_log(log);
    struct trace_read read;
    uint64_t now_ns = 1000;
    struct trace__slot slot = trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
    for (unsigned i = 0; i < 10; i++) {
        trace_reader_read(reader, 0, events, 10, false, now_ns += 1000000000, &read);
        ck_assert_uint_eq(read.count + read.lost, 0);
    }
    trace__commit(slot);
    trace_reader_read(reader, 0, events, 10, false, now_ns, &read);
    ck_assert_uint_eq(read.count, 1);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(an_unfinished_slot_is_never_written_by_an_emit_one_lap_later) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace__slot slow = trace__begin(log, TRACE_CONTROL_ALL, NULL, NULL, TRACE_KIND_CUSTOM);
    struct trace_lane_count count;
    uint64_t lost;
    emit_codes(log, 1, 64 + 10); /* position 64 would be the slow one's slot */
    trace_reader_read(reader, 0, events, 100, false, 1, &(struct trace_read){0});
    slow.event->data.custom.code = 12345;
    trace__commit(slow);
    (void)read_all(reader, 0, false, &lost);
    for (unsigned i = 0; i < 3; i++) { /* the hole at position 64 is skipped after a while */
        struct trace_read read;
        trace_reader_read(reader, 0, events, 100, false, 1 + i * UINT64_C(1000000000), &read);
    }
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.lost[TRACE_LOSS_CONTENDED], 1);
    ck_assert_uint_eq(count.behind, 0);
    expect_balance(reader, 0, 74);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ring");
    TCase *tcase = tcase_create("one thread");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_add_test(tcase, an_emitted_event_is_read_with_all_its_bytes);
    tcase_add_test(tcase, the_rest_of_the_data_is_zero_also_in_a_slot_that_was_used_before);
    tcase_add_test(tcase, every_kind_comes_through_with_its_fields);
    tcase_add_test(tcase, retransmissions_and_expiry_set_a_flag);
    tcase_add_test(tcase, a_reader_that_keeps_up_sees_every_event_over_many_laps);
    tcase_add_test(tcase, a_watch_sees_what_a_writer_does_next);
    tcase_add_test(tcase, a_lapped_reader_counts_exactly_what_it_missed);
    tcase_add_test(tcase, a_reader_overtaken_again_skips_ahead_by_half_a_ring_if_the_writer_is_faster);
    tcase_add_test(tcase, a_reader_yields_only_to_a_faster_writer);
    tcase_add_test(tcase, a_burst_that_fits_into_the_ring_is_read_whole);
    tcase_add_test(tcase, a_late_reader_begins_at_the_oldest_event_and_counts_those_before);
    tcase_add_test(tcase, two_readers_see_the_same_events);
    tcase_add_loop_test(tcase, an_invalid_event_costs_its_slot_and_is_counted, 0, 3);
    tcase_add_test(tcase, an_unknown_kind_is_an_event);
    tcase_add_test(tcase, a_discard_newest_ring_keeps_the_oldest_and_counts_the_rest);
    tcase_add_test(tcase, a_masked_kind_is_not_emitted_and_its_arguments_are_not_evaluated);
    tcase_add_test(tcase, sampling_keeps_or_drops_whole_traces_and_never_debug_ones);
    tcase_add_test(tcase, an_unfinished_slot_is_waited_for_and_then_counted_as_abandoned);
    tcase_add_test(tcase, each_unfinished_slot_is_waited_for_anew);
    tcase_add_test(tcase, an_unfinished_last_slot_is_waited_for_without_a_limit);
    tcase_add_test(tcase, an_unfinished_slot_is_never_written_by_an_emit_one_lap_later);
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("threads");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_thread_has_a_lane_of_its_own_and_the_rest_share_the_last);
    tcase_add_test(tcase, the_shared_lane_takes_events_of_many_threads_at_once);
    tcase_add_test(tcase, an_unfinished_slot_in_the_shared_lane_is_not_taken_by_another_emit);
    tcase_add_test(tcase, a_lane_is_handed_on_when_its_thread_ends);
    tcase_add_test(tcase, handlers_that_interrupt_an_emit_lose_and_tear_nothing);
    tcase_add_loop_test(tcase, a_reader_beside_a_fast_writer_takes_no_torn_event_and_counts_all, 0, 2);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
