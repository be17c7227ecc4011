/* SPDX-License-Identifier: MIT
 *
 * The ngtcp2 adapter, on two connections in this process: which events it emits, and that it does not affect the user's
 * callbacks. */
#include "ngtcp2_events.h"
#include "ngtcp2_names.h"
#include "quic_pair.h"
#include "ring_fixture.h"

#include <ngtcp2/ngtcp2_crypto.h>

#define LANE_EVENTS 65536
#define CODE_OF_THE_USER 77

/* Without memory: the adapter is linked with --wrap=calloc. */
static int allocations_left = -1; /* -1: unlimited */
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes) {
    if (allocations_left == 0) return NULL;
    if (allocations_left > 0) allocations_left--;
    return __real_calloc(count, bytes);
}

/* ---- reading the events -------------------------------------------------------------------------------------------------- */

struct events {
    struct trace_event *all;
    uint32_t count;
};

static struct trace_log *logs[2];
static struct trace_context request;
static struct quic_pair pair;
static struct events client, server;

static struct events read_events(struct trace_log *log) {
    struct trace_reader *reader = attach_log(log);
    struct events events = {.all = calloc(LANE_EVENTS, sizeof *events.all)};
    struct trace_read read;

    do {
        trace_reader_read(reader, 0, events.all + events.count, LANE_EVENTS - events.count, false, 0, &read);
        ck_assert_uint_eq(read.lost, 0);
        events.count += read.count;
    } while (read.count != 0);
    trace_reader_detach(reader);
    return events;
}

static void setup(void) {
    setup_shm_dir();
    for (unsigned i = 0; i < 2; i++) {
        struct trace_log_options options = {.node_id = id_of(i + 1), .node_name = "end"};
        ck_assert_int_eq(trace__log_open(&logs[i], &options, LANE_EVENTS), 0);
    }
    request = trace_context_new(TRACE_FLAG_SAMPLED);
}

static void teardown(void) {
    free(client.all);
    free(server.all);
    client.all = server.all = NULL;
    for (unsigned i = 0; i < 2; i++) trace_log_close(logs[i]);
    teardown_shm_dir();
}

static void open_pair(enum trace_ngtcp2_source source, struct quic_pair_options more) {
    more.logs[0] = logs[0];
    more.logs[1] = logs[1];
    more.source = source;
    quic_pair_open(&pair, &more);
}

static void read_both(void) {
    client = read_events(logs[0]);
    server = read_events(logs[1]);
}

static unsigned count_of(const struct events *events, enum trace_kind kind) {
    unsigned count = 0;
    for (uint32_t i = 0; i < events->count; i++) count += events->all[i].kind == kind;
    return count;
}

/* The first and the last event of a kind; there must be one. */
static const struct trace_event *first(const struct events *events, enum trace_kind kind) {
    for (uint32_t i = 0; i < events->count; i++)
        if (events->all[i].kind == kind) return &events->all[i];
    ck_abort_msg("no event of kind %d", kind);
}

static const struct trace_event *last(const struct events *events, enum trace_kind kind) {
    for (uint32_t i = events->count; i-- > 0;)
        if (events->all[i].kind == kind) return &events->all[i];
    ck_abort_msg("no event of kind %d", kind);
}

static bool is_in(const struct trace_event *event, const struct trace_context *context) {
    return memcmp(&event->trace_id, &context->trace_id, sizeof event->trace_id) == 0;
}

static bool is_of_connection(const struct trace_event *event) {
    return memcmp(&event->trace_id, pair.original.data, sizeof event->trace_id) == 0;
}

static bool sees_packets(enum trace_ngtcp2_source source) { return source != TRACE_NGTCP2_NONE; }
static bool sees_losses(enum trace_ngtcp2_source source) {
    return source == TRACE_NGTCP2_QLOG || source == TRACE_NGTCP2_CRYPTO_LOST;
}
#define add_for_each_source(tcase, test) tcase_add_loop_test(tcase, test, TRACE_NGTCP2_NONE, TRACE_NGTCP2_CRYPTO_LOST + 1)

/* ---- packets --------------------------------------------------------------------------------------------------------------- */

struct packets {
    uint64_t keys[4096];
    unsigned count;
};

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t key_of(const struct trace_event *event) {
    const union trace_event_data *data = &event->data;
    switch (event->kind) {
    case TRACE_KIND_PACKET_SENT:
        return (uint64_t)data->packet_sent.space << 60 | data->packet_sent.packet_num << 20 | data->packet_sent.size;
    case TRACE_KIND_PACKET_RECEIVED:
        return (uint64_t)data->packet_received.space << 60 | data->packet_received.packet_num << 20 | data->packet_received.size;
    default: return (uint64_t)data->packet_lost.space << 60 | data->packet_lost.packet_num << 20;
    }
}

/* Every packet of a kind as one number of space, packet number and size, in order. */
static void list_packets(struct packets *list, const struct events *events, enum trace_kind kind) {
    list->count = 0;
    for (uint32_t i = 0; i < events->count; i++) {
        if (events->all[i].kind != kind) continue;
        ck_assert_uint_lt(list->count, 4096);
        list->keys[list->count++] = key_of(&events->all[i]);
    }
    qsort(list->keys, list->count, sizeof list->keys[0], compare);
}

START_TEST(one_end_sends_what_the_other_receives) {
    static struct packets sent, received;

    open_pair((enum trace_ngtcp2_source)_i, (struct quic_pair_options){0});
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    quic_pair_send(&pair.ends[1], 300000, NULL);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    for (unsigned i = 0; i < 2; i++) {
        list_packets(&sent, i == 0 ? &client : &server, TRACE_KIND_PACKET_SENT);
        list_packets(&received, i == 0 ? &server : &client, TRACE_KIND_PACKET_RECEIVED);
        ck_assert_int_eq(sent.count > 200, sees_packets((enum trace_ngtcp2_source)_i)); /* the numbers exceed one byte */
        ck_assert_uint_eq(sent.count, received.count);
        for (unsigned j = 0; j < sent.count; j++) ck_assert_uint_eq(sent.keys[j], received.keys[j]);
        if (sent.count == 0) continue;
        ck_assert_uint_eq(sent.keys[0] >> 60, TRACE_SPACE_INITIAL);
        ck_assert_uint_eq(sent.keys[sent.count - 1] >> 60, TRACE_SPACE_1RTT);
    }
    ck_assert_int_eq(count_of(&client, TRACE_KIND_METRICS) != 0, sees_packets((enum trace_ngtcp2_source)_i));
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_PACKET_LOST), 0);
}
END_TEST

/* At the rate set by the user; it uses the machine's clock, but less than an hour passes. */
START_TEST(metrics_are_emitted_on_change_or_at_the_users_interval) {
    const struct trace_metrics *before = NULL;
    unsigned whole;

    open_pair((enum trace_ngtcp2_source)_i, (struct quic_pair_options){0});
    pair.drop_every = 9; /* then packets are acknowledged at once */
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    client = read_events(logs[0]);
    whole = count_of(&client, TRACE_KIND_METRICS);
    ck_assert_uint_gt(whole, 40);
    ck_assert_uint_le(whole, count_of(&client, TRACE_KIND_PACKET_RECEIVED));
    for (uint32_t i = 0; i < client.count; i++) {
        const struct trace_metrics *metrics = &client.all[i].data.metrics;
        if (client.all[i].kind != TRACE_KIND_METRICS) continue;
        ck_assert(!before || before->rtt != metrics->rtt || before->cwnd != metrics->cwnd ||
                  before->in_flight != metrics->in_flight);
        before = metrics;
    }
    free(client.all);
    trace_ngtcp2_metrics_every(pair.ends[0].trace, UINT64_C(3600000000000));
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_METRICS), whole + 1);
}
END_TEST

/* Vectors in parts, the end of a stream without bytes, a result that is an error. */
START_TEST(written_bytes_follow_from_the_result_of_ngtcp2) {
    static const struct {
        ngtcp2_ssize result, taken;
        uint32_t flags;
        int64_t stream_id;
        size_t datavcnt, events;
        bool fin;
    } cases[] = {
        {1200, 30, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 2, 1, true},
        {1200, 29, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 2, 1, false},
        {1200, 30, NGTCP2_WRITE_STREAM_FLAG_NONE, 40, 2, 1, false},
        {1200, 10, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 1, 1, true},
        {NGTCP2_ERR_WRITE_MORE, 30, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 2, 1, true},
        {40, 0, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 0, 1, true},
        {1200, -1, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 0, 0, false},
        {0, -1, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 2, 0, false},
        {NGTCP2_ERR_STREAM_DATA_BLOCKED, 30, NGTCP2_WRITE_STREAM_FLAG_FIN, 40, 2, 0, false},
        {1200, 30, NGTCP2_WRITE_STREAM_FLAG_FIN, -1, 2, 0, false},
    };
    ngtcp2_vec vectors[2] = {{NULL, 10}, {NULL, 20}};

    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){0});
    trace_ngtcp2_stream_written(pair.ends[0].trace, cases[_i].result, cases[_i].taken, cases[_i].flags, cases[_i].stream_id,
                                vectors, cases[_i].datavcnt);
    quic_pair_close(&pair);
    read_both();
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_STREAM_DATA), cases[_i].events);
    if (cases[_i].events == 0) return;
    ck_assert_int_eq(first(&client, TRACE_KIND_STREAM_DATA)->data.stream_data.fin, cases[_i].fin);
    ck_assert_int_eq(first(&client, TRACE_KIND_STREAM_DATA)->data.stream_data.length, cases[_i].taken);
}
END_TEST

START_TEST(packets_lost_in_the_qlog_were_seen_when_encrypted) {
    static struct packets crypto, lost;

    open_pair(TRACE_NGTCP2_CRYPTO_LOST, (struct quic_pair_options){.user_qlog = true});
    pair.drop_every = 9;
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    list_packets(&crypto, &client, TRACE_KIND_PACKET_SENT);
    list_packets(&lost, &client, TRACE_KIND_PACKET_LOST);
    ck_assert_uint_gt(lost.count, 0);
    /* Lost packets had been sent: the numbers in the qlog are those decoded from the headers. */
    for (unsigned i = 0; i < lost.count; i++) {
        bool found = false;
        for (unsigned j = 0; j < crypto.count; j++) found = found || crypto.keys[j] >> 20 == lost.keys[i] >> 20;
        ck_assert_msg(found, "packet %llu was lost but never sent", (unsigned long long)(lost.keys[i] >> 20 & 0xffffffff));
    }
}
END_TEST

START_TEST(packets_that_carry_a_stream_are_in_its_trace_and_so_are_their_losses) {
    enum trace_ngtcp2_source source = (enum trace_ngtcp2_source)_i;
    unsigned sent = 0, lost = 0;

    open_pair(source, (struct quic_pair_options){0});
    pair.drop_every = 9;
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    for (uint32_t i = 0; i < client.count; i++) {
        const struct trace_event *event = &client.all[i];
        if (event->kind == TRACE_KIND_PACKET_SENT && event->data.packet_sent.size > 1000 &&
            event->data.packet_sent.space == TRACE_SPACE_1RTT)
            sent += is_in(event, &request);
        if (event->kind == TRACE_KIND_PACKET_LOST) lost += is_in(event, &request);
    }
    ck_assert_int_eq(sent > 400, sees_packets(source));
    ck_assert_int_eq(lost > 20, sees_losses(source));
    ck_assert_int_eq(count_of(&client, TRACE_KIND_PACKET_LOST) != 0, sees_losses(source));
    ck_assert(is_of_connection(first(&server, TRACE_KIND_CONN_INIT)));
}
END_TEST

START_TEST(a_packet_outside_a_scope_is_protected_and_not_reported) {
    open_pair(TRACE_NGTCP2_CRYPTO, (struct quic_pair_options){.unscoped = true});
    quic_pair_send(&pair.ends[0], 10000, &request);
    quic_pair_run(&pair);
    ck_assert_uint_eq(pair.ends[1].received, 10000);
    quic_pair_close(&pair);
    read_both();
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_PACKET_SENT) + count_of(&server, TRACE_KIND_PACKET_RECEIVED), 0);
    ck_assert_uint_gt(count_of(&client, TRACE_KIND_STREAM_DATA), 0);
}
END_TEST

START_TEST(masked_packets_are_not_reported_and_later_ones_keep_their_numbers) {
    struct trace_reader *reader = attach_log(logs[0]);
    uint64_t packets = TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_SENT) | TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_RECEIVED) |
                       TRACE_CONTROL_KIND_BIT(TRACE_KIND_PACKET_LOST) | TRACE_CONTROL_KIND_BIT(TRACE_KIND_METRICS);
    static struct packets sent, received;

    trace_reader_set_control(reader, TRACE_CONTROL_ALL & ~packets);
    open_pair((enum trace_ngtcp2_source)_i, (struct quic_pair_options){0});
    quic_pair_send(&pair.ends[0], 700000, &request);
    quic_pair_run(&pair);
    client = read_events(logs[0]);
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_PACKET_SENT) + count_of(&client, TRACE_KIND_METRICS), 0);
    free(client.all);
    trace_reader_set_control(reader, TRACE_CONTROL_ALL);
    quic_pair_send(&pair.ends[0], 100000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    list_packets(&sent, &client, TRACE_KIND_PACKET_SENT);
    list_packets(&received, &server, TRACE_KIND_PACKET_RECEIVED);
    ck_assert_uint_gt(sent.count, 0);
    for (unsigned i = 0; i < sent.count; i++) ck_assert_uint_eq(sent.keys[i], received.keys[received.count - sent.count + i]);
    trace_reader_detach(reader);
}
END_TEST

/* ---- streams --------------------------------------------------------------------------------------------------------------- */

static void report_request(struct quic_end *end, int64_t stream_id) {
    TRACE_NGTCP2_STREAM(end->trace, stream_id, &request);
    TRACE_CUSTOM(logs[1], &request, NULL, 0, CODE_OF_THE_USER, NULL, 0);
}

static void only_emit(struct quic_end *end, int64_t stream_id) {
    (void)end, (void)stream_id;
    TRACE_CUSTOM(logs[1], NULL, NULL, 0, CODE_OF_THE_USER, NULL, 0);
}

START_TEST(a_peers_stream_is_reported_before_what_the_user_emits_and_in_its_trace) {
    enum trace_ngtcp2_source source = (enum trace_ngtcp2_source)_i;
    uint32_t i;

    open_pair(source, (struct quic_pair_options){.received = report_request});
    quic_pair_send(&pair.ends[0], 100, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    i = (uint32_t)(first(&server, TRACE_KIND_STREAM_OPENED) - server.all);
    ck_assert(is_in(&server.all[i], &request));
    ck_assert_uint_eq(server.all[i + 1].kind, TRACE_KIND_STREAM_DATA);
    ck_assert(is_in(&server.all[i + 1], &request));
    ck_assert_uint_eq(server.all[i + 1].data.stream_data.length, 100);
    ck_assert_uint_eq(server.all[i + 1].data.stream_data.fin, 1);
    ck_assert_uint_eq(server.all[i + 1].data.stream_data.sent, 0);
    if (source == TRACE_NGTCP2_CRYPTO || source == TRACE_NGTCP2_CRYPTO_LOST) {
        i++; /* the packet that carried it was held until then */
        ck_assert_uint_eq(server.all[i + 1].kind, TRACE_KIND_PACKET_RECEIVED);
        ck_assert(is_in(&server.all[i + 1], &request));
    }
    ck_assert_uint_eq(server.all[i + 2].kind, TRACE_KIND_CUSTOM);
    ck_assert_uint_eq(count_of(&server, TRACE_KIND_STREAM_OPENED), 1);
}
END_TEST

/* A packet with an ACK frame, which declares another one lost, followed by the first frame of a stream. */
START_TEST(a_loss_that_is_found_on_the_way_does_not_separate_a_packet_from_its_stream) {
    const struct trace_ngtcp2_packet packet = {TRACE_NGTCP2_RECEIVED, TRACE_SPACE_1RTT, 1000, 118, 0};
    const struct trace_ngtcp2_packet lost = {TRACE_NGTCP2_LOST, TRACE_SPACE_1RTT, 999, 0, -1};
    const struct trace_ngtcp2_packet sent = {TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, 1001, 50, -1};
    struct trace_ngtcp2 *trace;

    open_pair(TRACE_NGTCP2_CRYPTO_LOST, (struct quic_pair_options){0});
    trace = pair.ends[1].trace;
    trace_ngtcp2__hold(trace, &packet);
    trace_ngtcp2__packet(trace, _i == 0 ? &lost : &sent);
    trace_ngtcp2__stream_received(trace, &(struct trace_ngtcp2_pending){true, 0, 0, 72, true});
    trace_ngtcp2_stream(trace, 0, &request);
    quic_pair_close(&pair);
    read_both();
    for (uint32_t i = 0; i < server.count; i++)
        if (server.all[i].kind == TRACE_KIND_PACKET_RECEIVED && server.all[i].data.packet_received.packet_num == 1000)
            ck_assert_int_eq(is_in(&server.all[i], &request), _i == 0);
    ck_assert_uint_eq(count_of(&server, TRACE_KIND_PACKET_LOST), _i == 0);
}
END_TEST

static void report_request_once(struct quic_end *end, int64_t stream_id) {
    if (end->received == 0) TRACE_NGTCP2_STREAM(end->trace, stream_id, &request);
    TRACE_CUSTOM(logs[1], &request, NULL, 0, CODE_OF_THE_USER, NULL, 0);
}

START_TEST(bytes_of_a_known_stream_are_reported_before_what_the_user_emits) {
    unsigned bytes = 0, by_user = 0;

    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){.received = report_request_once});
    quic_pair_send(&pair.ends[0], 20000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    for (uint32_t i = 0; i < server.count; i++) {
        bytes += server.all[i].kind == TRACE_KIND_STREAM_DATA;
        by_user += server.all[i].kind == TRACE_KIND_CUSTOM;
        ck_assert_uint_le(by_user, bytes);
    }
    ck_assert_uint_gt(by_user, 5);
}
END_TEST

START_TEST(a_stream_that_is_given_up_has_its_code) {
    int64_t id;

    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){0});
    id = quic_pair_send(&pair.ends[0], 100, &request);
    quic_pair_run(&pair);
    ck_assert_int_eq(ngtcp2_conn_shutdown_stream(pair.ends[1].conn, 0, id, 7), 0);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    ck_assert_uint_eq(first(&client, TRACE_KIND_STREAM_CLOSED)->data.stream_closed.code, 7);
}
END_TEST

START_TEST(a_stream_without_a_request_is_in_the_connection_s_trace) {
    int64_t id;

    open_pair(TRACE_NGTCP2_CRYPTO, (struct quic_pair_options){.received = only_emit});
    id = quic_pair_send(&pair.ends[0], 100, NULL);
    quic_pair_run(&pair);
    quic_pair_answer(&pair.ends[1], id, 50);
    quic_pair_run(&pair);
    ck_assert_uint_eq(pair.ends[0].stream_closes, 1);
    ck_assert_uint_eq(pair.ends[1].stream_opens, 1);
    quic_pair_close(&pair);
    read_both();
    for (unsigned i = 0; i < 2; i++) {
        const struct events *events = i == 0 ? &client : &server;
        ck_assert_uint_eq(count_of(events, TRACE_KIND_STREAM_OPENED), 1);
        ck_assert_uint_eq(count_of(events, TRACE_KIND_STREAM_CLOSED), 1);
        ck_assert_uint_eq(count_of(events, TRACE_KIND_STREAM_DATA), 2);
        for (uint32_t j = 0; j < events->count; j++)
            ck_assert(events->all[j].kind == TRACE_KIND_CUSTOM || is_of_connection(&events->all[j]));
    }
}
END_TEST

START_TEST(bytes_that_are_sent_have_their_offsets_without_a_hole) {
    uint64_t offset = 0;

    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){0});
    pair.drop_every = 9; /* retransmissions are not reported again */
    quic_pair_send(&pair.ends[0], 100000, &request);
    quic_pair_run(&pair);
    quic_pair_close(&pair);
    read_both();
    for (uint32_t i = 0; i < client.count; i++) {
        const struct trace_event *event = &client.all[i];
        if (event->kind != TRACE_KIND_STREAM_DATA) continue;
        ck_assert(is_in(event, &request));
        ck_assert_uint_eq(event->data.stream_data.offset, offset);
        ck_assert_uint_eq(event->data.stream_data.sent, 1);
        offset += event->data.stream_data.length;
        ck_assert_int_eq(event->data.stream_data.fin, offset == 100000);
    }
    ck_assert_uint_eq(offset, 100000);
}
END_TEST

/* ---- the connection ---------------------------------------------------------------------------------------------------- */

START_TEST(a_connection_is_one_trace_with_its_peer_its_address_and_its_round_trip) {
    struct events *both[2] = {&client, &server};

    open_pair((enum trace_ngtcp2_source)_i, (struct quic_pair_options){0});
    ck_assert_mem_eq(trace_ngtcp2_context(pair.ends[0].trace)->trace_id.bytes, pair.original.data, TRACE_ID_BYTES);
    quic_pair_close(&pair);
    read_both();
    for (unsigned i = 0; i < 2; i++) {
        const struct trace_event *init = &both[i]->all[0], *established = first(both[i], TRACE_KIND_CONN_ESTABLISHED);
        ck_assert_uint_eq(init->kind, TRACE_KIND_CONN_INIT);
        ck_assert_uint_eq(init->data.conn_init.by_remote, i);
        ck_assert_uint_eq(init->data.conn_init.endpoint.family, 4);
        ck_assert_uint_eq(init->data.conn_init.endpoint.port, 4001 - i);
        ck_assert_uint_eq(init->data.conn_init.endpoint.address[0], 127);
        /* Until the peer is authenticated its address stands for it; then an alias connects both. */
        const struct trace_event *alias = first(both[i], TRACE_KIND_ALIAS);
        struct trace_node_id address = trace_node_id_of_endpoint(&init->data.conn_init.endpoint);
        ck_assert_uint_eq(init->flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER);
        ck_assert_mem_eq(&init->peer_id, &address, sizeof address);
        ck_assert_uint_eq(count_of(both[i], TRACE_KIND_ALIAS), 1);
        ck_assert_mem_eq(alias->data.alias.alias_id, address.bytes, sizeof address);
        ck_assert_uint_eq(alias->data.alias.transport, TRACE_TRANSPORT_QUIC);
        ck_assert_uint_eq(alias->peer_id.bytes[0], 2 - i);
        ck_assert_uint_eq(established->flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER);
        ck_assert_uint_eq(established->peer_id.bytes[0], 2 - i);
        ck_assert_uint_gt(established->data.conn_established.rtt, 0);
        ck_assert_uint_eq(count_of(both[i], TRACE_KIND_CONN_INIT), 1);
        for (uint32_t j = 0; j < both[i]->count; j++) ck_assert(is_of_connection(&both[i]->all[j]));
    }
}
END_TEST

static void check_end(const struct events *events, uint64_t code, bool by_remote, const char *reason) {
    const struct trace_event *closed = first(events, TRACE_KIND_CONN_CLOSED), *stream = first(events, TRACE_KIND_STREAM_CLOSED);
    ck_assert_uint_eq(count_of(events, TRACE_KIND_CONN_CLOSED), 1);
    ck_assert_uint_eq(closed->data.conn_closed.code, code);
    ck_assert_int_eq(closed->data.conn_closed.by_remote, by_remote);
    ck_assert_int_eq(strncmp(closed->data.conn_closed.reason, reason, sizeof closed->data.conn_closed.reason), 0);
    ck_assert_uint_eq(count_of(events, TRACE_KIND_STREAM_CLOSED), 1);
    ck_assert_uint_eq(stream->data.stream_closed.code, code);
    ck_assert(stream < closed);
}

START_TEST(both_ends_say_why_a_connection_ended_and_that_its_stream_did) {
    static const char longest[] = "1234567890123456789012345678901234567890123456789012345";

    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){0});
    quic_pair_send(&pair.ends[0], 100, &request);
    quic_pair_run(&pair);
    quic_pair_say_goodbye(&pair.ends[0], 42, "1234567890123456789012345678901234567890123456789012345 and more");
    TRACE_NGTCP2_CLOSED(pair.ends[0].trace, NGTCP2_ERR_IDLE_CLOSE, NULL); /* the first report counts */
    quic_pair_close(&pair);
    read_both();
    check_end(&client, 42, false, longest);
    check_end(&server, 42, true, longest);
}
END_TEST

START_TEST(a_close_that_ngtcp2_found_is_named_and_an_unreported_one_is_reported_at_the_end) {
    open_pair(TRACE_NGTCP2_NONE, (struct quic_pair_options){0});
    quic_pair_send(&pair.ends[0], 100, &request);
    quic_pair_run(&pair);
    TRACE_NGTCP2_CLOSED(pair.ends[0].trace, NGTCP2_ERR_IDLE_CLOSE, NULL);
    quic_pair_close(&pair);
    read_both();
    check_end(&client, 0, false, "ERR_IDLE_CLOSE");
    check_end(&server, 0, false, "deleted");
}
END_TEST

/* ---- the user's part ----------------------------------------------------------------------------------------------------- */

/* The pair itself checks that every callback gets the user's user_data. */
START_TEST(the_users_writers_get_every_record_to_the_last) {
    struct quic_pair untraced;

    open_pair((enum trace_ngtcp2_source)_i, (struct quic_pair_options){.user_qlog = true, .user_log = true});
    quic_pair_close(&pair);
    quic_pair_open(&untraced, &(struct quic_pair_options){.user_qlog = true, .user_log = true});
    quic_pair_close(&untraced);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(pair.ends[i].qlog_ends, 1);
        ck_assert_uint_gt(pair.ends[i].qlog_records, 10);
        ck_assert_uint_gt(pair.ends[i].log_lines, 10);
        ck_assert_uint_eq(untraced.ends[i].qlog_ends, 1);
    }
}
END_TEST

/* The effect of create on the three pointers. */
struct wiring {
    ngtcp2_callbacks own_callbacks;
    ngtcp2_settings own_settings;
    const ngtcp2_callbacks *callbacks;
    const ngtcp2_settings *settings;
    void *user_data;
};

static void wiring_init(struct wiring *wiring) {
    wiring->own_callbacks = quic_pair_callbacks;
    ngtcp2_settings_default(&wiring->own_settings);
    wiring->callbacks = &wiring->own_callbacks;
    wiring->settings = &wiring->own_settings;
    wiring->user_data = wiring;
}

static int create(struct trace_ngtcp2 **ret_trace, struct trace_log *log, unsigned source, struct wiring *wiring) {
    return trace_ngtcp2_create(ret_trace, log, (enum trace_ngtcp2_source)source, &wiring->callbacks, &wiring->settings,
                               &wiring->user_data);
}

static void check_untouched(const struct wiring *wiring) {
    ck_assert_ptr_eq(wiring->callbacks, &wiring->own_callbacks);
    ck_assert_ptr_eq(wiring->settings, &wiring->own_settings);
    ck_assert_ptr_eq(wiring->user_data, wiring);
}

START_TEST(a_connection_that_cannot_be_traced_is_left_as_it_is) {
    struct trace_ngtcp2 *trace = (struct trace_ngtcp2 *)logs;
    struct wiring wiring;

    wiring_init(&wiring);
    ck_assert_int_eq(create(&trace, NULL, TRACE_NGTCP2_QLOG, &wiring), 0);
    ck_assert_ptr_null(trace);
    ck_assert_int_eq(create(&trace, logs[0], TRACE_NGTCP2_CRYPTO_LOST + 1, &wiring), -EINVAL);
    allocations_left = 0;
    ck_assert_int_eq(create(&trace, logs[0], TRACE_NGTCP2_QLOG, &wiring), -ENOMEM);
    allocations_left = -1;
    ck_assert_ptr_null(trace);
    check_untouched(&wiring);

    /* NULL is fine everywhere. */
    TRACE_NGTCP2_SCOPE(trace);
    TRACE_NGTCP2_PEER(trace, &(struct trace_node_id){{1}});
    TRACE_NGTCP2_STREAM(trace, 0, &request);
    TRACE_NGTCP2_STREAM_SENT(trace, 0, 1, 1);
    TRACE_NGTCP2_CLOSED(trace, NGTCP2_ERR_DRAINING, NULL);
    ck_assert_ptr_null(trace_ngtcp2_context(trace));
    TRACE_NGTCP2_DESTROY(trace);
    client = read_events(logs[0]);
    ck_assert_uint_eq(client.count, 0);
}
END_TEST

static int other_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
                         const uint8_t *plaintext, size_t count, const uint8_t *nonce, size_t nonce_bytes, const uint8_t *aad,
                         size_t aad_bytes) {
    return ngtcp2_crypto_encrypt_cb(dest, aead, ctx, plaintext, count, nonce, nonce_bytes, aad, aad_bytes);
}

static int other_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx,
                         const uint8_t *ciphertext, size_t count, const uint8_t *nonce, size_t nonce_bytes, const uint8_t *aad,
                         size_t aad_bytes) {
    return ngtcp2_crypto_decrypt_cb(dest, aead, ctx, ciphertext, count, nonce, nonce_bytes, aad, aad_bytes);
}

START_TEST(one_process_protects_its_packets_in_one_way) {
    struct trace_ngtcp2 *trace, *other;
    struct wiring wiring;

    wiring_init(&wiring);
    ck_assert_int_eq(create(&trace, logs[0], TRACE_NGTCP2_CRYPTO, &wiring), 0);
    ck_assert(wiring.callbacks->encrypt != wiring.own_callbacks.encrypt);
    ck_assert(wiring.own_callbacks.encrypt == quic_pair_callbacks.encrypt); /* the user's are unchanged */
    wiring_init(&wiring);
    if (_i == 0)
        wiring.own_callbacks.encrypt = other_encrypt;
    else
        wiring.own_callbacks.decrypt = other_decrypt;
    ck_assert_int_eq(create(&other, logs[0], TRACE_NGTCP2_CRYPTO_LOST, &wiring), -EBUSY);
    ck_assert_ptr_null(other);
    check_untouched(&wiring);
    ck_assert_int_eq(create(&other, logs[0], TRACE_NGTCP2_QLOG, &wiring), 0); /* which does not use them */
    trace_ngtcp2_destroy(other);
    wiring_init(&wiring);
    ck_assert_int_eq(create(&other, logs[0], TRACE_NGTCP2_CRYPTO, &wiring), 0);
    trace_ngtcp2_destroy(other);
    trace_ngtcp2_destroy(trace);
}
END_TEST

/* ---- wrapped functions, packet by packet: the test provides them, and the connection only pretends to have begun ------- */

static int protect_result;

static int protect(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *ctx, const uint8_t *from,
                   size_t count, const uint8_t *nonce, size_t nonce_bytes, const uint8_t *aad, size_t aad_bytes) {
    (void)aead, (void)ctx, (void)nonce, (void)nonce_bytes, (void)aad, (void)aad_bytes;
    memset(dest, 0xff, count); /* in place: the plaintext is overwritten */
    if (from != dest) memcpy(dest, from, count);
    return protect_result;
}

static struct trace_ngtcp2 *create_wrapped(void) {
    struct trace_ngtcp2 *trace;
    struct wiring wiring;

    wiring_init(&wiring);
    wiring.own_callbacks.encrypt = wiring.own_callbacks.decrypt = protect;
    ck_assert_int_eq(create(&trace, logs[0], TRACE_NGTCP2_CRYPTO, &wiring), 0);
    trace->conn = (ngtcp2_conn *)logs; /* nothing here uses it */
    return trace;
}

/* A short header of a packet number in two bytes or one; the payload is a PING and a tag. */
static void pass(ngtcp2_encrypt function, unsigned number, unsigned number_bytes, size_t payload_bytes) {
    const ngtcp2_crypto_aead aead = {.max_overhead = 16};
    uint8_t payload[64] = {1}, header[3] = {(uint8_t)(0x40 | (number_bytes - 1)), (uint8_t)(number >> 8), (uint8_t)number};
    if (number_bytes == 1) header[1] = (uint8_t)number;
    function(payload, &aead, NULL, payload, payload_bytes, NULL, 0, header, 1 + number_bytes);
}

START_TEST(only_authentic_packets_are_reported) {
    struct trace_ngtcp2 *trace = create_wrapped();
    TRACE_NGTCP2_SCOPE(trace);

    pass(trace->callbacks.encrypt, 0, 1, 0); /* the tag of a Retry */
    pass(trace->callbacks.decrypt, 0, 1, 16);
    protect_result = NGTCP2_ERR_DECRYPT;
    pass(trace->callbacks.encrypt, 0, 1, 20);
    pass(trace->callbacks.decrypt, 0xff00, 2, 20);
    protect_result = 0;
    pass(trace->callbacks.decrypt, 5, 1, 20);
    trace_ngtcp2_destroy(trace);
    client = read_events(logs[0]);
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_PACKET_SENT), 0);
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_PACKET_RECEIVED), 1);
    ck_assert_uint_eq(first(&client, TRACE_KIND_PACKET_RECEIVED)->data.packet_received.packet_num, 5);
    ck_assert_uint_eq(first(&client, TRACE_KIND_PACKET_RECEIVED)->data.packet_received.size, 22);
}
END_TEST

START_TEST(a_packet_that_comes_late_does_not_set_the_numbers_back) {
    struct trace_ngtcp2 *trace = create_wrapped();
    TRACE_NGTCP2_SCOPE(trace);

    pass(trace->callbacks.decrypt, 300, 2, 20);
    pass(trace->callbacks.decrypt, 200, 2, 20);
    pass(trace->callbacks.decrypt, 0x50, 1, 20); /* 336 with 300 before it, 80 with 200 */
    trace_ngtcp2_destroy(trace);
    client = read_events(logs[0]);
    ck_assert_uint_eq(client.all[2].data.packet_received.packet_num, 336);
}
END_TEST

START_TEST(a_packet_with_no_further_callback_is_reported_at_the_end_of_the_scope) {
    const struct trace_ngtcp2_packet packet = {TRACE_NGTCP2_RECEIVED, TRACE_SPACE_1RTT, 1000, 118, 0};

    open_pair(TRACE_NGTCP2_CRYPTO, (struct quic_pair_options){0});
    server = read_events(logs[1]);
    {
        unsigned before = count_of(&server, TRACE_KIND_PACKET_RECEIVED);
        TRACE_NGTCP2_SCOPE(pair.ends[1].trace);
        trace_ngtcp2__hold(pair.ends[1].trace, &packet);
        free(server.all);
        server = read_events(logs[1]);
        ck_assert_uint_eq(count_of(&server, TRACE_KIND_PACKET_RECEIVED), before);
        free(server.all);
    }
    server = read_events(logs[1]);
    ck_assert_uint_eq(last(&server, TRACE_KIND_PACKET_RECEIVED)->data.packet_received.packet_num, 1000);
    quic_pair_close(&pair);
}
END_TEST

START_TEST(a_loss_belongs_to_the_stream_of_the_very_packet) {
    const struct trace_ngtcp2_packet sent = {TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, 1005, 118, 0};
    const struct trace_ngtcp2_packet lost[] = {{TRACE_NGTCP2_LOST, TRACE_SPACE_1RTT, 1005, 0, -1},
                                               {TRACE_NGTCP2_LOST, TRACE_SPACE_1RTT, 1005 - PACKETS_KEPT / 2, 0, -1},
                                               {TRACE_NGTCP2_LOST, TRACE_SPACE_1RTT, 1005 + PACKETS_KEPT, 0, -1},
                                               {TRACE_NGTCP2_LOST, TRACE_SPACE_HANDSHAKE, 1005, 0, -1}};

    open_pair(TRACE_NGTCP2_CRYPTO_LOST, (struct quic_pair_options){0});
    trace_ngtcp2_stream(pair.ends[0].trace, 0, &request);
    trace_ngtcp2__packet(pair.ends[0].trace, &sent);
    trace_ngtcp2__packet(pair.ends[0].trace, &lost[_i]);
    quic_pair_close(&pair);
    read_both();
    ck_assert_int_eq(is_in(first(&client, TRACE_KIND_PACKET_LOST), &request), _i == 0);
}
END_TEST

START_TEST(a_trace_may_go_within_its_own_scope_and_scopes_nest) {
    struct trace_ngtcp2 *outer, *inner;
    struct wiring wiring;

    wiring_init(&wiring);
    ck_assert_int_eq(create(&outer, logs[0], TRACE_NGTCP2_CRYPTO, &wiring), 0);
    wiring_init(&wiring);
    ck_assert_int_eq(create(&inner, logs[0], TRACE_NGTCP2_CRYPTO, &wiring), 0);
    {
        TRACE_NGTCP2_SCOPE(outer);
        {
            TRACE_NGTCP2_SCOPE(inner);
            trace_ngtcp2_destroy(inner);
        }
        /* Left where it was entered: the next scope then finds the outer one. */
        struct trace_ngtcp2 *before = trace_ngtcp2__enter(NULL);
        ck_assert_ptr_eq(before, outer);
        trace_ngtcp2__leave(&before);
        trace_ngtcp2_destroy(outer);
    }
    ck_assert_ptr_null(trace_ngtcp2__enter(NULL));
}
END_TEST

START_TEST(a_stream_without_memory_for_it_is_not_reported) {
    open_pair(TRACE_NGTCP2_CRYPTO, (struct quic_pair_options){0});
    allocations_left = 0;
    quic_pair_send(&pair.ends[0], 100, &request);
    allocations_left = -1;
    quic_pair_close(&pair);
    read_both();
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_STREAM_OPENED), 0);
    ck_assert_uint_eq(count_of(&client, TRACE_KIND_CONN_CLOSED), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("adapter");
    TCase *tcase = tcase_create("adapter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    add_for_each_source(tcase, one_end_sends_what_the_other_receives);
    tcase_add_loop_test(tcase, metrics_are_emitted_on_change_or_at_the_users_interval, TRACE_NGTCP2_QLOG,
                        TRACE_NGTCP2_CRYPTO_LOST + 1);
    tcase_add_loop_test(tcase, written_bytes_follow_from_the_result_of_ngtcp2, 0, 10);
    tcase_add_test(tcase, packets_lost_in_the_qlog_were_seen_when_encrypted);
    add_for_each_source(tcase, packets_that_carry_a_stream_are_in_its_trace_and_so_are_their_losses);
    tcase_add_test(tcase, a_packet_outside_a_scope_is_protected_and_not_reported);
    tcase_add_loop_test(tcase, masked_packets_are_not_reported_and_later_ones_keep_their_numbers, TRACE_NGTCP2_QLOG,
                        TRACE_NGTCP2_CRYPTO_LOST + 1);
    add_for_each_source(tcase, a_peers_stream_is_reported_before_what_the_user_emits_and_in_its_trace);
    tcase_add_loop_test(tcase, a_loss_that_is_found_on_the_way_does_not_separate_a_packet_from_its_stream, 0, 2);
    tcase_add_test(tcase, bytes_of_a_known_stream_are_reported_before_what_the_user_emits);
    tcase_add_test(tcase, a_stream_that_is_given_up_has_its_code);
    tcase_add_test(tcase, a_stream_without_a_request_is_in_the_connection_s_trace);
    tcase_add_test(tcase, bytes_that_are_sent_have_their_offsets_without_a_hole);
    add_for_each_source(tcase, a_connection_is_one_trace_with_its_peer_its_address_and_its_round_trip);
    tcase_add_test(tcase, both_ends_say_why_a_connection_ended_and_that_its_stream_did);
    tcase_add_test(tcase, a_close_that_ngtcp2_found_is_named_and_an_unreported_one_is_reported_at_the_end);
    add_for_each_source(tcase, the_users_writers_get_every_record_to_the_last);
    tcase_add_test(tcase, a_connection_that_cannot_be_traced_is_left_as_it_is);
    tcase_add_loop_test(tcase, one_process_protects_its_packets_in_one_way, 0, 2);
    tcase_add_test(tcase, only_authentic_packets_are_reported);
    tcase_add_test(tcase, a_packet_that_comes_late_does_not_set_the_numbers_back);
    tcase_add_test(tcase, a_packet_with_no_further_callback_is_reported_at_the_end_of_the_scope);
    tcase_add_loop_test(tcase, a_loss_belongs_to_the_stream_of_the_very_packet, 0, 4);
    tcase_add_test(tcase, a_trace_may_go_within_its_own_scope_and_scopes_nest);
    tcase_add_test(tcase, a_stream_without_memory_for_it_is_not_reported);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
