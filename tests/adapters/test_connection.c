/* SPDX-License-Identifier: MIT
 *
 * A connection's events besides packets and streams: probes of the path's MTU, a stateless reset, key updates, another
 * path.  On two ngtcp2 connections in this process. */
#include "ngtcp2_events.h"
#include "quic_pair.h"
#include "ring_fixture.h"

#define LANE_EVENTS 65536

static struct trace_log *logs[2];
static struct quic_pair pair;
static struct trace_event *events; /* of the end read last */
static uint32_t event_count;

static void setup(void) {
    setup_shm_dir();
    for (unsigned i = 0; i < 2; i++) {
        struct trace_log_options options = {.node_id = id_of(i + 1), .node_name = "end"};
        ck_assert_int_eq(trace__log_open(&logs[i], &options, LANE_EVENTS), 0);
    }
    events = calloc(LANE_EVENTS, sizeof *events);
}

static void teardown(void) {
    free(events);
    for (unsigned i = 0; i < 2; i++) trace_log_close(logs[i]);
    teardown_shm_dir();
}

/* drop_larger: no datagram of more bytes arrives; 0: all do. */
static void open_narrow_pair(enum trace_ngtcp2_source source, unsigned drop_larger) {
    quic_pair_open(&pair, &(struct quic_pair_options){.logs = {logs[0], logs[1]}, .source = source, .drop_larger = drop_larger});
}

static void open_pair(enum trace_ngtcp2_source source) { open_narrow_pair(source, 0); }

static void read_end(unsigned end) {
    struct trace_reader *reader = attach_log(logs[end]);
    struct trace_read read;
    event_count = 0;
    do {
        trace_reader_read(reader, 0, events + event_count, LANE_EVENTS - event_count, false, 0, &read);
        ck_assert_uint_eq(read.lost, 0);
        event_count += read.count;
    } while (read.count != 0);
    trace_reader_detach(reader);
}

static uint32_t count_of(enum trace_kind kind) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < event_count; i++) count += events[i].kind == kind;
    return count;
}

static const struct trace_event *only(enum trace_kind kind) {
    ck_assert_uint_eq(count_of(kind), 1);
    for (uint32_t i = 0; i < event_count; i++)
        if (events[i].kind == kind) return &events[i];
    return NULL;
}

/* A probe is larger than everything sent before it; other packets are never larger than a probe that has arrived. */
START_TEST(mtu_probes_and_their_losses_are_marked) {
    uint32_t sent = 0, lost = 0, plain = 0;
    open_narrow_pair((enum trace_ngtcp2_source)_i, 1250);
    quic_pair_send(&pair.ends[0], 100000, NULL);
    quic_pair_run(&pair);
    quic_pair_send(&pair.ends[0], 100000, NULL);
    quic_pair_run(&pair);
    read_end(0);
    for (uint32_t i = 0; i < event_count; i++) {
        bool probe = (events[i].flags & TRACE_FLAG_PROBE) != 0;
        if (events[i].kind == TRACE_KIND_PACKET_SENT) {
            ck_assert_int_eq(probe, events[i].data.packet_sent.size > 1200);
            sent += probe;
            plain += !probe;
        } else if (events[i].kind == TRACE_KIND_PACKET_LOST) {
            ck_assert(probe);
            lost++;
        }
    }
    ck_assert_uint_gt(sent, 0);
    ck_assert_uint_gt(plain, 100);
    if (_i != TRACE_NGTCP2_CRYPTO) ck_assert_uint_gt(lost, 0);
    quic_pair_close(&pair);
}
END_TEST

START_TEST(a_packet_of_a_size_that_a_probe_proved_is_not_a_probe) {
    uint32_t large = 0;
    open_pair(TRACE_NGTCP2_QLOG);
    for (int i = 0; i < 4; i++) {
        quic_pair_send(&pair.ends[0], 100000, NULL);
        quic_pair_run(&pair);
    }
    read_end(0);
    for (uint32_t i = 0; i < event_count; i++)
        large += events[i].kind == TRACE_KIND_PACKET_SENT && !(events[i].flags & TRACE_FLAG_PROBE) &&
                 events[i].data.packet_sent.size > 1400;
    ck_assert_uint_gt(large, 50);
    quic_pair_close(&pair);
}
END_TEST

START_TEST(a_stateless_reset_is_not_a_close) {
    uint8_t packet[64], noise[40] = {0};
    open_pair(TRACE_NGTCP2_QLOG);
    memset(noise, 0x5a, sizeof noise);
    ngtcp2_ssize count = ngtcp2_pkt_write_stateless_reset(packet, sizeof packet, quic_pair_reset_token, noise, sizeof noise);
    ck_assert_int_gt(count, 0);
    quic_pair_deliver(&pair.ends[0], packet, (size_t)count);
    ck_assert_int_eq(pair.ends[0].result, NGTCP2_ERR_DRAINING);
    TRACE_NGTCP2_CLOSED(pair.ends[0].trace, pair.ends[0].result, NULL); /* like every user */
    read_end(0);
    const struct trace_event *reset = only(TRACE_KIND_CONN_RESET), *closed = only(TRACE_KIND_CONN_CLOSED);
    ck_assert_uint_eq(reset->data.conn_reset.endpoint.port, 4001);
    ck_assert(reset < closed);
    ck_assert_str_eq(closed->data.conn_closed.reason, "stateless reset");
    ck_assert_uint_eq(closed->data.conn_closed.by_remote, 1);
    quic_pair_close(&pair);
}
END_TEST

START_TEST(a_close_is_not_a_reset) {
    open_pair(TRACE_NGTCP2_QLOG);
    quic_pair_say_goodbye(&pair.ends[1], 0, "bye");
    read_end(0);
    ck_assert_uint_eq(count_of(TRACE_KIND_CONN_RESET), 0);
    ck_assert_str_eq(only(TRACE_KIND_CONN_CLOSED)->data.conn_closed.reason, "bye");
    quic_pair_close(&pair);
}
END_TEST

static void talk(void) {
    pair.now_ns += NGTCP2_SECONDS;
    quic_pair_send(&pair.ends[0], 1000, NULL);
    quic_pair_run(&pair);
}

START_TEST(each_key_update_is_reported_at_both_ends) {
    open_pair(TRACE_NGTCP2_QLOG);
    for (unsigned i = 0; i < 3; i++) {
        talk();
        read_end(0);
        ck_assert_uint_eq(count_of(TRACE_KIND_KEY_UPDATED), 0); /* ngtcp2 has created the next keys by now, but not used them */
    }
    for (unsigned update = 1; update <= 2; update++) {
        ck_assert_int_eq(ngtcp2_conn_initiate_key_update(pair.ends[0].conn, pair.now_ns), 0);
        talk();
        talk();
    }
    for (unsigned end = 0; end < 2; end++) {
        uint64_t updates = 0;
        read_end(end);
        for (uint32_t i = 0; i < event_count; i++)
            if (events[i].kind == TRACE_KIND_KEY_UPDATED) ck_assert_uint_eq(events[i].data.key_updated.updates, ++updates);
        ck_assert_uint_eq(updates, 2);
    }
    quic_pair_close(&pair);
}
END_TEST

START_TEST(a_connection_that_moves_says_where_to) {
    open_pair(TRACE_NGTCP2_QLOG);
    talk();
    quic_pair_move_client(&pair, 5000);
    talk();
    talk();
    read_end(1);
    const struct trace_event *moved = only(TRACE_KIND_CONN_MIGRATED);
    ck_assert_uint_eq(moved->data.conn_migrated.endpoint.port, 5000);
    ck_assert_uint_eq(moved->data.conn_migrated.by_remote, 1);
    struct trace_node_id address = trace_node_id_of_endpoint(&moved->data.conn_migrated.endpoint);
    ck_assert_uint_eq(count_of(TRACE_KIND_ALIAS), 2); /* its first and its current address */
    for (uint32_t i = 0; i < event_count; i++)
        if (events[i].kind == TRACE_KIND_ALIAS) moved = &events[i];
    ck_assert_mem_eq(moved->data.alias.alias_id, address.bytes, sizeof address);
    read_end(0);
    ck_assert_uint_eq(count_of(TRACE_KIND_ALIAS), 1); /* the server did not move */
    ck_assert_uint_eq(only(TRACE_KIND_CONN_MIGRATED)->data.conn_migrated.endpoint.port, 4001);
    ck_assert_uint_eq(only(TRACE_KIND_CONN_MIGRATED)->data.conn_migrated.by_remote, 0);
    quic_pair_move_client(&pair, 4000); /* and back */
    talk();
    talk();
    read_end(1);
    ck_assert_uint_eq(count_of(TRACE_KIND_CONN_MIGRATED), 2);
    for (uint32_t i = 0; i < event_count; i++)
        if (events[i].kind == TRACE_KIND_CONN_MIGRATED) moved = &events[i];
    ck_assert_uint_eq(moved->data.conn_migrated.endpoint.port, 4000);
    ck_assert_uint_eq(moved->data.conn_migrated.by_remote, 1);
    quic_pair_close(&pair);
}
END_TEST

/* ngtcp2 1.12 and later reuses a path that it has already validated, without a callback.  Here the server considers it
 * a move. */
START_TEST(reuse_of_a_path_without_a_callback_is_reported_only_if_validated) {
    open_pair((enum trace_ngtcp2_source)_i);
    struct trace_ngtcp2 *trace = pair.ends[1].trace;
    talk();
    trace->path.remote.port = 1;
    trace->kept[0].remote.port = 1;
    talk();
    read_end(1);
    ck_assert_uint_eq(count_of(TRACE_KIND_CONN_MIGRATED), 0);
    trace->kept[1] = trace->kept[0];
    trace->kept[1].remote.port = 4000;
    trace->kept_count = 2;
    talk();
    talk();
    read_end(1);
    ck_assert_uint_eq(only(TRACE_KIND_CONN_MIGRATED)->data.conn_migrated.endpoint.port, 4000);
    quic_pair_close(&pair);
}
END_TEST

/* ---- events during a handshake ------------------------------------------------------------------------------------------- */

/* A record of ngtcp2 of a 0-RTT packet, before or after the handshake has completed. */
static void hear_of_early_packet(struct trace_ngtcp2 *trace, bool established) {
    static const char record[] = "{\"time\":0,\"name\":\"transport:packet_sent\",\"data\":{\"frames\":[],\"header\":"
                                 "{\"packet_type\":\"0RTT\",\"packet_number\":0},\"raw\":{\"length\":50}}}";
    trace->is_established = established;
    NGTCP2_QLOG_OF (&trace->settings)(trace, 0, record, sizeof record - 1);
}

START_TEST(accepted_early_data_is_reported_even_without_packets) {
    open_pair(TRACE_NGTCP2_QLOG);
    struct trace_ngtcp2 *trace = pair.ends[0].trace;
    read_end(0);
    ck_assert_uint_eq(count_of(TRACE_KIND_EARLY_DATA), 0); /* there was none */
    *(uint64_t *)(uintptr_t)logs[0]->control = TRACE_CONTROL_KINDS(TRACE_CONTROL_KIND_BIT(TRACE_KIND_EARLY_DATA));
    hear_of_early_packet(trace, false);
    trace->callbacks.handshake_completed(trace->conn, trace);
    read_end(0);
    ck_assert_uint_eq(only(TRACE_KIND_EARLY_DATA)->data.early_data.accepted, 1);
    quic_pair_close(&pair);
}
END_TEST

START_TEST(early_data_after_the_handshake_is_reported_then_and_once) {
    open_pair(TRACE_NGTCP2_QLOG);
    for (int i = 0; i < 2; i++) hear_of_early_packet(pair.ends[1].trace, true);
    read_end(1);
    ck_assert_uint_eq(only(TRACE_KIND_EARLY_DATA)->data.early_data.accepted, 1);
    quic_pair_close(&pair);
}
END_TEST

static unsigned user_calls;

static int user_early_data_rejected(ngtcp2_conn *conn, void *user_data) {
    (void)conn;
    user_calls += user_data == &pair.ends[0];
    return 0;
}

START_TEST(rejected_early_data_is_reported_once) {
    ngtcp2_callbacks callbacks = quic_pair_callbacks;
    callbacks.EARLY_DATA_REJECTED = user_early_data_rejected;
    user_calls = 0;
    quic_pair_open(&pair,
                   &(struct quic_pair_options){.logs = {logs[0], logs[1]}, .source = TRACE_NGTCP2_QLOG, .callbacks = &callbacks});
    struct trace_ngtcp2 *trace = pair.ends[0].trace;
    hear_of_early_packet(trace, false);
    trace->callbacks.EARLY_DATA_REJECTED(trace->conn, trace);
    trace->callbacks.EARLY_DATA_REJECTED(trace->conn, trace);
    ck_assert_uint_eq(user_calls, 2);
    trace->callbacks.handshake_completed(trace->conn, trace);
    read_end(0);
    ck_assert_uint_eq(only(TRACE_KIND_EARLY_DATA)->data.early_data.accepted, 0);
    quic_pair_close(&pair);
}
END_TEST

static int user_recv_retry(ngtcp2_conn *conn, const ngtcp2_pkt_hd *hd, void *user_data) {
    (void)conn;
    (void)hd;
    user_calls += user_data == &pair.ends[0];
    return 0;
}

static int user_version_negotiation(ngtcp2_conn *conn, uint32_t version, const ngtcp2_cid *dcid, void *user_data) {
    (void)conn;
    (void)dcid;
    user_calls += version == 0x6b3343cf && user_data == &pair.ends[0];
    return 0;
}

START_TEST(a_retry_and_the_version_are_reported) {
    ngtcp2_callbacks callbacks = quic_pair_callbacks;
    callbacks.recv_retry = user_recv_retry;
    callbacks.version_negotiation = user_version_negotiation;
    user_calls = 0;
    quic_pair_open(&pair,
                   &(struct quic_pair_options){.logs = {logs[0], logs[1]}, .source = TRACE_NGTCP2_QLOG, .callbacks = &callbacks});
    struct trace_ngtcp2 *trace = pair.ends[0].trace;
    read_end(0);
    ck_assert_uint_eq(count_of(TRACE_KIND_CONN_RETRY), 0);
    uint32_t before = count_of(TRACE_KIND_CONN_VERSION);
    trace->callbacks.recv_retry(trace->conn, NULL, trace);
    trace->callbacks.version_negotiation(trace->conn, 0x6b3343cf, NULL, trace);
    trace->callbacks.recv_version_negotiation(trace->conn, NULL, NULL, 0, trace);
    read_end(0);
    ck_assert_uint_eq(only(TRACE_KIND_CONN_RETRY)->data.conn_retry.endpoint.port, 4001);
    ck_assert_uint_eq(count_of(TRACE_KIND_CONN_VERSION), before + 2);
    ck_assert_uint_eq(events[event_count - 2].data.conn_version.version, 0x6b3343cf);
    ck_assert_uint_eq(events[event_count - 1].data.conn_version.version, 0);
    quic_pair_close(&pair);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("connection");
    TCase *tcase = tcase_create("fate");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, mtu_probes_and_their_losses_are_marked, TRACE_NGTCP2_QLOG, TRACE_NGTCP2_CRYPTO_LOST + 1);
    tcase_add_test(tcase, a_packet_of_a_size_that_a_probe_proved_is_not_a_probe);
    tcase_add_test(tcase, a_stateless_reset_is_not_a_close);
    tcase_add_test(tcase, a_close_is_not_a_reset);
    tcase_add_test(tcase, each_key_update_is_reported_at_both_ends);
    /* Before 1.2, ngtcp2 1.x aborts when a connection moves (its 4010bdef). */
    int version = ngtcp2_version(0)->version_num;
    if (version < 0x010000 || version >= 0x010200) tcase_add_test(tcase, a_connection_that_moves_says_where_to);
    tcase_add_loop_test(tcase, reuse_of_a_path_without_a_callback_is_reported_only_if_validated, TRACE_NGTCP2_NONE,
                        TRACE_NGTCP2_CRYPTO_LOST + 1);
    tcase_add_test(tcase, accepted_early_data_is_reported_even_without_packets);
    tcase_add_test(tcase, early_data_after_the_handshake_is_reported_then_and_once);
    tcase_add_test(tcase, rejected_early_data_is_reported_once);
    tcase_add_test(tcase, a_retry_and_the_version_are_reported);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
