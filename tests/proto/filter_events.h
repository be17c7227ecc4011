/* SPDX-License-Identifier: MIT
 *
 * A few events for the tests of filters, each with a letter.
 *
 *      S  packet_sent by alice to bob        L  packet_lost, without peer and trace     M  metrics of bob
 *      D  stream_data, sent, the last        I  conn_init by an IPv4 address            J  conn_init by an IPv6 address
 *      X  conn_closed by the other side      C  app_command of DMAP                     A  app_start of DMAP, a root
 *      E  app_end of DMAP, failed            N  app_command of NOPE, not registered     U  an unknown kind, 77 */
#ifndef TESTS_PROTO_FILTER_EVENTS_H
#define TESTS_PROTO_FILTER_EVENTS_H

#include <proto/filter.h>
#include <string.h>

#define EVENTS_NOW UINT64_C(1767225600123456789) /* 2026-01-01T00:00:00.123456789Z */
#define EVENTS_ALL "SLMDIJXCAENU"

struct test_event {
    char letter;
    struct trace_event event;
    struct trace_filter_origin origin;
};

static const struct trace_node_id id_alice = {{0xa1, 0x1c, 0xe0}}, id_bob = {{0xb0, 0xb0}}, id_carol = {{0xca, 0x01}};

static const struct trace_app app_dmap = {
    .app_id = {'D', 'M', 'A', 'P'},
    .name = "DataMap",
    .command_count = 2,
    .field_count = 4,
    .commands = {{1, "STORE_CHUNK"}, {2, "GET_CHUNK"}},
    .fields = {{"hash", TRACE_APP_HASH, 0, 8, 0},
               {"size", TRACE_APP_UNSIGNED, 8, 4, 0},
               {"path", TRACE_APP_TEXT, 12, 8, 0},
               {"key", TRACE_APP_BYTES, 20, 4, 0}},
};

static inline void make_command(struct trace_app_command *command, const char *app_id) {
    static const uint8_t hash[8] = {0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4}, key[4] = {9, 8, 7, 6};
    const uint32_t size = 2 << 20;
    memcpy(command->app_id, app_id, 4);
    command->cmd = 2;
    command->data_bytes = 24;
    memcpy(command->data, hash, 8);
    memcpy(command->data + 8, &size, 4);
    memcpy(command->data + 12, "/a/b.txt", 8);
    memcpy(command->data + 20, key, 4);
}

/* Returns how many there are. */
static inline unsigned make_events(struct test_event events[static sizeof EVENTS_ALL]) {
    static const uint16_t kinds[] = {
        TRACE_KIND_PACKET_SENT, TRACE_KIND_PACKET_LOST, TRACE_KIND_METRICS,     TRACE_KIND_STREAM_DATA,
        TRACE_KIND_CONN_INIT,   TRACE_KIND_CONN_INIT,   TRACE_KIND_CONN_CLOSED, TRACE_KIND_APP_COMMAND,
        TRACE_KIND_APP_START,   TRACE_KIND_APP_END,     TRACE_KIND_APP_COMMAND, 77,
    };
    unsigned count = sizeof kinds / sizeof *kinds;
    for (unsigned i = 0; i < count; i++) {
        events[i] = (struct test_event){.letter = EVENTS_ALL[i],
                                        .event = {.timestamp = EVENTS_NOW - i * UINT64_C(1000000000),
                                                  .trace_id = {{0x4f, 0x2a, (uint8_t)i}},
                                                  .sequence = 100 + i,
                                                  .kind = kinds[i],
                                                  .flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER,
                                                  .peer_id = id_bob},
                                        .origin = {.node_id = &id_alice, .node_name = "alice", .lane = i % 2, .host = "hill"}};
    }
    events[0].event.data.packet_sent = (struct trace_packet_sent){.packet_num = 7, .size = 1200, .space = TRACE_SPACE_1RTT};
    events[1].event.data.packet_lost = (struct trace_packet_lost){.packet_num = 5, .space = TRACE_SPACE_HANDSHAKE};
    events[1].event.flags = TRACE_FLAG_DEBUG;
    memset(&events[1].event.peer_id, 0, sizeof events[1].event.peer_id);
    memset(&events[1].event.trace_id, 0, sizeof events[1].event.trace_id);
    events[2].event.data.metrics =
        (struct trace_metrics){.rtt = 150000000, .min_rtt = 1000000, .cwnd = 65536, .in_flight = UINT64_MAX};
    events[2].origin.node_id = &id_bob;
    events[2].origin.node_name = "bob";
    events[2].origin.host = "valley";
    events[3].origin.host = "";
    events[2].event.peer_id = id_carol;
    events[3].event.data.stream_data = (struct trace_stream_data){.stream_id = 4, .length = 1000, .fin = 1, .sent = 2};
    events[4].event.data.conn_init = (struct trace_conn_init){.endpoint = {{192, 0, 2, 1}, 443, 4, 0}, .by_remote = 1};
    events[5].event.data.conn_init = (struct trace_conn_init){.endpoint = {{[15] = 1}, 4433, 6, 0}};
    events[6].event.data.conn_closed = (struct trace_conn_closed){.code = 7, .by_remote = 1, .reason = "idle timeout"};
    make_command(&events[7].event.data.app_command, "DMAP");
    events[8].event.data.app_start =
        (struct trace_app_start){.span_id = UINT64_C(0x0123456789abcdef), .app_id = "DMAP", .cmd = 2};
    events[9].event.data.app_end = (struct trace_app_end){.span_id = UINT64_C(0x0123456789abcdef), .app_id = "DMAP", .cmd = 9};
    make_command(&events[10].event.data.app_command, "NOPE");
    events[7].origin.app = events[8].origin.app = events[9].origin.app = &app_dmap;
    return count;
}

#endif
