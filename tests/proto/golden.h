/* SPDX-License-Identifier: MIT
 *
 * The events whose JSON form is written down in golden/NAME.json: at least one of each kind.  They use designated fields, so
 * that a case here and its file explain the format. */
#ifndef TESTS_PROTO_GOLDEN_H
#define TESTS_PROTO_GOLDEN_H

#include <proto/event_json.h>

#define GOLDEN_NODE                                                                                                           \
    {                                                                                                                         \
        {                                                                                                                     \
            0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0xf0, 0xf1, 0xf2, \
                0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff                                  \
        }                                                                                                                     \
    }

/* Node, peer and time of most cases. */
#define WHO(kind_, flags_)                                                                                          \
    .timestamp = UINT64_C(1767225600123456789), .sequence = 41, .kind = (kind_), .flags = (flags_),                 \
    .trace_id = {{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}}, \
    .peer_id = {{0xaa, [31] = 0xbb}}

#define SAMPLED TRACE_FLAG_SAMPLED
#define PEER TRACE_FLAG_HAS_PEER

static const struct trace_node_id golden_node = GOLDEN_NODE;

static const struct trace_app golden_app = {
    .app_id = {'D', 'M', 'A', 'P'},
    .name = "DataMap",
    .command_count = 3,
    .commands = {{1, "STORE_CHUNK"}, {2, "GET_CHUNK"}, {3, "DELETE_CHUNK"}},
    .field_count = 2,
    .fields = {{"hash", TRACE_APP_HASH, 0, 32, 0}, {"size", TRACE_APP_UNSIGNED, 32, 4, 0}},
};

/* One of each type of field, the last beyond what the event has. */
static const struct trace_app golden_app_types = {
    .app_id = {'T', 'Y', 'P', 'E'},
    .name = "every type",
    .command_count = 1,
    .commands = {{7, "SHOW"}},
    .field_count = 8,
    .fields = {{"u8", TRACE_APP_UNSIGNED, 0, 1, 0},
               {"u16", TRACE_APP_UNSIGNED, 2, 2, 0},
               {"u32", TRACE_APP_UNSIGNED, 4, 4, 0},
               {"u64", TRACE_APP_UNSIGNED, 8, 8, 0},
               {"bytes", TRACE_APP_BYTES, 0, 3, 0},
               {"text", TRACE_APP_TEXT, 16, 8, 0},
               {"future", 99, 0, 2, 0},
               {"beyond", TRACE_APP_BYTES, 20, 5, 0}},
};

struct golden {
    const char *name; /* of the file, without .json */
    struct trace_event event;
    uint32_t lane;
    const struct trace_app *app;
};

static const struct golden goldens[] = {
    {"conn_init",
     {WHO(TRACE_KIND_CONN_INIT, SAMPLED | PEER), .data.conn_init = {.endpoint = {{192, 0, 2, 1}, 4433, 4, 0}, .by_remote = 1}}},
    {"conn_init_ipv6",
     {WHO(TRACE_KIND_CONN_INIT, SAMPLED | PEER),
      .data.conn_init = {.endpoint = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}, 4433, 6, 0}}}},
    {"conn_init_ipv6_two_runs_of_zeros",
     {WHO(TRACE_KIND_CONN_INIT, PEER),
      .data.conn_init = {.endpoint = {{0x20, 0x01, [6] = 0, 1, [14] = 0xab, 0xcd}, 65535, 6, 0}}}},
    {"conn_init_no_endpoint", {WHO(TRACE_KIND_CONN_INIT, 0), .data.conn_init = {.by_remote = 0}}},
    {"conn_init_unknown_family",
     {WHO(TRACE_KIND_CONN_INIT, 0), .data.conn_init = {.endpoint = {{255, 255, 255, 255}, 65535, 5, 0}, .by_remote = 255}}},
    {"conn_established", {WHO(TRACE_KIND_CONN_ESTABLISHED, SAMPLED | PEER), .data.conn_established = {.rtt = 1532000}}},
    {"conn_closed",
     {WHO(TRACE_KIND_CONN_CLOSED, SAMPLED | PEER),
      .data.conn_closed = {.code = 0x10a, .by_remote = 1, .reason = "idle timeout"}}},
    {"conn_closed_reason_to_the_last_byte",
     {WHO(TRACE_KIND_CONN_CLOSED, SAMPLED | PEER),
      .data.conn_closed = {.code = UINT64_C(9223372036854775807),
                           .reason = {"a \"quoted\"\\ line\n\ttab \x01 \xc3\xa9 \xff cut here: abcdefghijklmn\xe2\x82"}}}},
    {"stream_opened", {WHO(TRACE_KIND_STREAM_OPENED, SAMPLED | PEER), .data.stream_opened = {.stream_id = 4}}},
    {"stream_data",
     {WHO(TRACE_KIND_STREAM_DATA, SAMPLED | PEER),
      .data.stream_data = {.stream_id = 4, .offset = 100000000, .length = 4294967295, .fin = 1, .sent = 0}}},
    {"stream_closed", {WHO(TRACE_KIND_STREAM_CLOSED, SAMPLED | PEER), .data.stream_closed = {.stream_id = 4, .code = 0}}},
    {"packet_sent",
     {WHO(TRACE_KIND_PACKET_SENT, SAMPLED | PEER),
      .data.packet_sent = {.packet_num = 7, .size = 1200, .space = TRACE_SPACE_1RTT}}},
    {"packet_received",
     {WHO(TRACE_KIND_PACKET_RECEIVED, SAMPLED | PEER),
      .data.packet_received = {.packet_num = 0, .size = 1252, .space = TRACE_SPACE_INITIAL}},
     255},
    {"packet_sent_again_over_utp",
     {WHO(TRACE_KIND_PACKET_SENT, SAMPLED | PEER | TRACE_FLAG_RETRANSMISSION),
      .data.packet_sent = {.packet_num = 65535, .size = 1400, .space = TRACE_SPACE_UTP}}},
    {"message_sent",
     {WHO(TRACE_KIND_MESSAGE_SENT, SAMPLED | PEER),
      .data.message_sent = {.message_id = 43981, .size = 104, .transport = TRACE_TRANSPORT_UDP, .type = "FIND_NODE"}}},
    {"message_sent_again",
     {WHO(TRACE_KIND_MESSAGE_SENT, SAMPLED | PEER | TRACE_FLAG_RETRANSMISSION),
      .data.message_sent = {.message_id = UINT64_MAX,
                            .size = UINT32_MAX,
                            .transport = TRACE_TRANSPORT_MEMORY,
                            .type = {"a type to the last byte "}}}},
    {"message_received",
     {WHO(TRACE_KIND_MESSAGE_RECEIVED, SAMPLED | PEER),
      .data.message_received = {.message_id = 43981, .size = 104, .transport = TRACE_TRANSPORT_UDP, .type = "FIND_NODE"}}},
    {"conn_migrated",
     {WHO(TRACE_KIND_CONN_MIGRATED, SAMPLED | PEER),
      .data.conn_migrated = {.endpoint = {{192, 0, 2, 1}, 4433, 4, 0}, .by_remote = 1}}},
    {"conn_retry", {WHO(TRACE_KIND_CONN_RETRY, SAMPLED | PEER), .data.conn_retry = {.endpoint = {{192, 0, 2, 1}, 4433, 4, 0}}}},
    {"conn_version", {WHO(TRACE_KIND_CONN_VERSION, SAMPLED | PEER), .data.conn_version = {.version = UINT32_C(0x6b3343cf)}}},
    {"conn_reset", {WHO(TRACE_KIND_CONN_RESET, SAMPLED | PEER), .data.conn_reset = {.endpoint = {{192, 0, 2, 1}, 4433, 4, 0}}}},
    {"early_data", {WHO(TRACE_KIND_EARLY_DATA, SAMPLED | PEER), .data.early_data = {.accepted = 1}}},
    {"key_updated", {WHO(TRACE_KIND_KEY_UPDATED, SAMPLED | PEER), .data.key_updated = {.updates = 2}}},
    {"alias",
     {WHO(TRACE_KIND_ALIAS, PEER), .data.alias = {.alias_id_bytes = 32,
                                                  .alias_id = {0x5a, 0x01, [31] = 0xee},
                                                  .transport = TRACE_TRANSPORT_UDP,
                                                  .label = "group key"}}},
    {"packet_lost_probe",
     {WHO(TRACE_KIND_PACKET_LOST, SAMPLED | PEER | TRACE_FLAG_PROBE),
      .data.packet_lost = {.packet_num = 12, .space = TRACE_SPACE_1RTT}}},
    {"link",
     {WHO(TRACE_KIND_LINK, SAMPLED), .data.link = {.span_id = UINT64_C(0x00f067aa0ba902b7),
                                                   .linked_span_id = UINT64_C(0xf067aa0ba902b7ff),
                                                   .linked_trace_id_bytes = 16,
                                                   .linked_trace_id = {0x5a, 0x01, [15] = 0xee},
                                                   .relation = "retry of"}}},
    {"message_received_unknown_transport", {WHO(TRACE_KIND_MESSAGE_RECEIVED, 0), .data.message_received = {.transport = 200}}},
    {"packet_lost",
     {WHO(TRACE_KIND_PACKET_LOST, SAMPLED | PEER), .data.packet_lost = {.packet_num = 12, .space = TRACE_SPACE_HANDSHAKE}}},
    {"packet_lost_unknown_space",
     {WHO(TRACE_KIND_PACKET_LOST, SAMPLED | PEER), .data.packet_lost = {.packet_num = 12, .space = 200}}},
    {"metrics",
     {WHO(TRACE_KIND_METRICS, SAMPLED | PEER),
      .data.metrics = {.rtt = 1532000, .min_rtt = 1200000, .cwnd = 13500, .in_flight = UINT64_MAX}}},
    {"app_command",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER | TRACE_FLAG_APP_INITIATED),
      .data.app_command = {.app_id = {'D', 'M', 'A', 'P'},
                           .cmd = 2,
                           .data_bytes = 36,
                           .data = {0xde, 0xad, 0xbe, 0xef, [31] = 0x77, 0x00, 0x10, 0x00, 0x00}}},
     0,
     &golden_app},
    {"app_command_not_registered",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER),
      .data.app_command = {.app_id = {'D', 'M', 'A', 'P'}, .cmd = 2, .data_bytes = 2, .data = {1, 2}}}},
    {"app_command_of_another_app",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER), .data.app_command = {.app_id = {'O', 'T', 'H', 'R'}, .cmd = 2}},
     0,
     &golden_app},
    {"app_command_unknown_number",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER), .data.app_command = {.app_id = {'D', 'M', 'A', 'P'}, .cmd = 65535}},
     0,
     &golden_app},
    {"app_command_every_type",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER),
      .data.app_command = {.app_id = {'T', 'Y', 'P', 'E'},
                           .cmd = 7,
                           .data_bytes = 24,
                           .data = {0xff, 0, 1, 2, 1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'h', 'i'}}},
     0,
     &golden_app_types},
    {"app_command_count_too_large",
     {WHO(TRACE_KIND_APP_COMMAND, SAMPLED | PEER),
      .data.app_command = {.app_id = {'D', 'M', 'A', 'P'}, .cmd = 3, .data_bytes = 255, .data = {1, [41] = 2}}},
     0,
     &golden_app},
    {"app_start",
     {WHO(TRACE_KIND_APP_START, SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED),
      .data.app_start = {.span_id = UINT64_C(0x00f067aa0ba902b7), .parent_id = 0, .app_id = {'D', 'M', 'A', 'P'}, .cmd = 1}},
     0,
     &golden_app},
    {"app_end",
     {WHO(TRACE_KIND_APP_END, SAMPLED | PEER),
      .data.app_end = {.span_id = UINT64_C(0xf067aa0ba902b7ff), .app_id = {'D', 'M', 'A', 'P'}, .cmd = 1, .ok = 1}},
     0,
     &golden_app},
    {"custom",
     {WHO(TRACE_KIND_CUSTOM, SAMPLED),
      .data.custom = {.category = 1, .code = 99999999, .data_bytes = 3, .data = {0xca, 0xfe, 0x00, 0xff}}}},
    {"custom_count_too_large", {WHO(TRACE_KIND_CUSTOM, 0), .data.custom = {.data_bytes = 45, .data = {[43] = 0x99}}}},
    {"events_lost",
     {.timestamp = UINT64_C(1767225600123456789),
      .sequence = 41,
      .kind = TRACE_KIND_EVENTS_LOST,
      .data.events_lost = {.count = 65536, .first = 100, .cause = TRACE_LOSS_OVERWRITTEN}},
     3},
    {"events_lost_unknown_cause", {.kind = TRACE_KIND_EVENTS_LOST, .data.events_lost = {.cause = 200}}},
    {"unknown_kind", {WHO(77, SAMPLED | PEER), .data.bytes = {1, 2, 3, [63] = 0xff}}},
    {"kind_zero_and_all_flags", {.flags = 0xff}},
    {"largest_numbers",
     {.timestamp = UINT64_MAX,
      .sequence = UINT32_MAX,
      .kind = TRACE_KIND_STREAM_CLOSED,
      .trace_id = {{[15] = 1}},
      .data.stream_closed = {.stream_id = UINT64_C(9223372036854775808), .code = UINT64_C(10000000000000000)}},
     UINT32_MAX},
};

#endif
