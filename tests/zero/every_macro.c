/* SPDX-License-Identifier: MIT
 *
 * A program that uses everything in p2ptrace/trace.h, in every place where a program may use it.  test_zero.py compiles it
 * with tracing off, and again from its text without the tracing, and requires the same object code.  C11 and C++17. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <p2ptrace/trace.h>

#define MESSAGE_BYTES (4 + TRACE_CONTEXT_BYTES)

struct connection {
    uint64_t bytes_sent, packets_sent;
    TRACE_ONLY(struct trace_log *log; struct trace_context context; struct trace_node_id peer;)
    int open;
};

int connection_open(struct connection *connection, const uint8_t *address, uint16_t port);
void connection_send(struct connection *connection, uint64_t packet_num, uint32_t size);
void connection_stream(struct connection *connection, uint64_t stream_id, const uint8_t *bytes, uint32_t count);
void connection_close(struct connection *connection, uint64_t code);
size_t message_encode(const struct connection *connection, uint8_t *out, uint32_t command);
int message_decode(struct connection *connection, const uint8_t *bytes, size_t count, uint32_t *ret_command);
int classify(struct connection *connection, int number);
uint64_t side_effect(void);
void report(uint64_t bytes, uint32_t packets, int fin);

/* Counted by tests that run this file. */
unsigned side_effects;
uint64_t side_effect(void) { return ++side_effects; }

TRACE_APP_ONLY(
    struct message_data {
        uint32_t command;
        uint8_t bytes[8];
    };
    static size_t message_to_trace_data(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message) {
        memcpy(out, message, 4);
        side_effects += cmd;
        return sizeof(struct message_data);
    } static bool message_should_trace(uint16_t cmd, const void *message) {
        return cmd != 0 && message != NULL;
    } static const struct trace_app_protocol messages = {{{'D', 'M', 'A', 'P'},
                                                          "every macro's protocol",
                                                          0,
                                                          0,
                                                          {{1, "MESSAGE"}},
                                                          {TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct message_data, command),
                                                           TRACE_APP_FIELD(TRACE_APP_BYTES, struct message_data, bytes)}},
                                                         message_to_trace_data,
                                                         message_should_trace};)

int connection_open(struct connection *connection, const uint8_t *address, uint16_t port) {
    memset(connection, 0, sizeof *connection);
    connection->open = port != 0 && address[0] != 0;
    TRACE_ONLY({
        struct trace_log_options options;
        struct trace_endpoint endpoint;
        memset(&options, 0, sizeof options);
        options.node_id.bytes[0] = 1;
        memset(&endpoint, 0, sizeof endpoint);
        options.node_name = "every macro of the library";
        connection->context = trace_context_new(TRACE_FLAG_SAMPLED);
        if (trace_log_open(&connection->log, &options) != 0) connection->log = NULL;
        TRACE_APP_ONLY((void)trace_log_register_app(connection->log, &messages.description);)
        endpoint.port = (uint16_t)(port + TRACE_CONTEXT_BYTES);
        TRACE_CONN_INIT(connection->log, &connection->context, &connection->peer, &endpoint, 1);
    })
    TRACE_IF {
        side_effects += (unsigned)connection->bytes_sent;
        TRACE_CONN_ESTABLISHED(connection->log, &connection->context, &connection->peer, 1);
    }
    TRACE_CONN_ESTABLISHED(connection->log, &connection->context, &connection->peer, side_effect());
    return connection->open;
}

void connection_send(struct connection *connection, uint64_t packet_num, uint32_t size) {
    connection->bytes_sent += size;
    connection->packets_sent++;
    TRACE_PACKET_SENT(connection->log, &connection->context, &connection->peer, packet_num, size, TRACE_SPACE_1RTT);
    if (packet_num % 7 == 0)
        TRACE_PACKET_LOST(connection->log, NULL, &connection->peer, packet_num + side_effect(), TRACE_SPACE_1RTT);
    if (packet_num % 5 == 0)
        TRACE_PACKET_RECEIVED(connection->log, NULL, &connection->peer, packet_num, size, TRACE_SPACE_INITIAL);
    else
        connection->bytes_sent += 2;
    if (packet_num % 3 == 0)
        TRACE_PACKET_RESENT(connection->log, &connection->context, &connection->peer, packet_num, size, TRACE_SPACE_UTP);
    TRACE_MESSAGE_SENT(connection->log, &connection->context, &connection->peer, packet_num + side_effect(), size,
                       TRACE_TRANSPORT_UDP, "a type that no binary keeps");
    TRACE_MESSAGE_RESENT(connection->log, NULL, &connection->peer, packet_num, size, TRACE_TRANSPORT_MEMORY, NULL);
    TRACE_MESSAGE_RECEIVED(connection->log, NULL, &connection->peer, packet_num, (uint32_t)side_effect(), TRACE_TRANSPORT_WS,
                           NULL);
    for (unsigned i = 0; i < 3; i++) TRACE_METRICS(connection->log, NULL, NULL, side_effect(), i, size, i);
}

void connection_stream(struct connection *connection, uint64_t stream_id, const uint8_t *bytes, uint32_t count) {
    connection->open = stream_id == 0;
    TRACE_STREAM_OPENED(connection->log, &connection->context, NULL, stream_id);
    for (uint32_t i = 0; i < count; i++) connection->bytes_sent += bytes[i];
    TRACE_STREAM_DATA(connection->log, &connection->context, NULL, stream_id, side_effect(), count, 1, 1);
    TRACE_STREAM_CLOSED(connection->log, &connection->context, NULL, stream_id, side_effect());
}

void connection_close(struct connection *connection, uint64_t code) {
    connection->open = 0;
    TRACE_CONN_CLOSED(connection->log, &connection->context, &connection->peer, code, 0, "no reason that a binary would keep");
    TRACE_CUSTOM(connection->log, NULL, NULL, 1, (uint32_t)side_effect(), &code, sizeof code);
    TRACE_ONLY(trace_log_close(connection->log);)
}

size_t message_encode(const struct connection *connection, uint8_t *out, uint32_t command) {
    TRACE_ONLY(struct trace_context child = trace_context_child(&connection->context);)
    memcpy(out, &command, 4);
    TRACE_CONTEXT_ENCODE(out + 4 + side_effect(), &child);
    TRACE_APP_ONLY(struct message_data data = {command, {1}};)
    TRACE_APP_START(connection->log, &child, &connection->peer, connection->context.span_id, messages.description.app_id, 1);
    TRACE_APP_COMMAND(connection->log, &child, &connection->peer, messages.description.app_id, 1, &data, sizeof data);
    TRACE_APP_COMMAND(connection->log, &child, &connection->peer, "DMAP", 1, out, side_effect());
    TRACE_APP_MESSAGE(connection->log, &child, &connection->peer, &messages, (uint16_t)side_effect(), out);
    return connection->open ? MESSAGE_BYTES : 0;
}

int message_decode(struct connection *connection, const uint8_t *bytes, size_t count, uint32_t *ret_command) {
    if (count < 4 + TRACE_CONTEXT_BYTES) return -1;
    TRACE_IF if (TRACE_CONTEXT_BYTES != 0) side_effects++;
    if (TRACE_CONTEXT_DECODE(&connection->context, bytes + 4, count - 4 + side_effect()) != 0) return -1;
    memcpy(ret_command, bytes, 4);
    TRACE_APP_END(connection->log, &connection->context, &connection->peer, messages.description.app_id, 1, side_effect() != 0);
    return connection->open;
}

int classify(struct connection *connection, int number) {
    switch (number) {
    case 0: TRACE_CUSTOM(connection->log, NULL, NULL, 2, 0, NULL, 0); break;
    case 1: TRACE_IF { side_effects++;
        }
        return connection->open;
    default: TRACE_IF { side_effects++;
        }
        else {
            connection->packets_sent++;
        }
        break;
    }
#ifdef TRACE
    side_effects++;
#else
    connection->bytes_sent++;
#endif
    while (number-- > 0) {
        TRACE_CUSTOM(connection->log, NULL, NULL, 2, side_effects++, NULL, 0);
        if (number == 2) goto done;
    }
done:
    TRACE_CUSTOM(connection->log, NULL, NULL, 3, 0, NULL, 0);
    return (int)connection->packets_sent;
}

/* Values used only by trace lines do not become unused, no matter how they were made. */
void report(uint64_t bytes, uint32_t packets, int fin) {
    static uint32_t reports;
    uint64_t rate = bytes / (packets + 1), rest, by_packet[2] = {bytes, packets};
    const char *reason = fin ? "the end" : "more";
    const uint16_t command = 3;
    TRACE_APP_ONLY(side_effects++;)
    rest = bytes % (packets + 1);
    TRACE_METRICS(NULL, NULL, NULL, rate, rest, by_packet[1], (uint64_t)fin);
    TRACE_CUSTOM(NULL, NULL, NULL, 4, reports++, NULL, 0);
    TRACE_CONN_CLOSED(NULL, NULL, NULL, 0, 0, reason);
    TRACE_LINK(NULL, NULL, NULL, NULL, fin ? "the end of" : reason);
    TRACE_ALIAS(NULL, NULL, NULL, NULL, packets, fin ? "the end of" : reason);
    TRACE_ADDRESS(NULL, NULL, NULL, packets + side_effect(), fin ? "192.0.2.1:4001" : reason);
    TRACE_ENDPOINT(NULL, NULL, NULL, packets + side_effect(), NULL);
    TRACE_CONN_MIGRATED(NULL, NULL, NULL, NULL, fin);
    TRACE_CONN_RETRY(NULL, NULL, NULL, NULL);
    TRACE_CONN_VERSION(NULL, NULL, NULL, packets);
    TRACE_CONN_RESET(NULL, NULL, NULL, NULL);
    TRACE_EARLY_DATA(NULL, NULL, NULL, fin != (side_effect() != 0));
    TRACE_KEY_UPDATED(NULL, NULL, NULL, bytes + side_effect());
    TRACE_PROBE_SENT(NULL, NULL, NULL, bytes, packets, TRACE_SPACE_1RTT);
    TRACE_PROBE_LOST(NULL, NULL, NULL, bytes, TRACE_SPACE_1RTT);
    TRACE_APP_END(NULL, NULL, NULL, "DMAP", command, 1);
    TRACE_APP_EXPIRED(NULL, NULL, NULL, "DMAP", (uint16_t)(command + side_effect()));
}

#ifdef __cplusplus
/* Only in C++: captures, which would grow by mentioning a variable, templates, and functions that exist only when used. */
inline uint64_t grow(uint64_t by) { return side_effect() + by; }
template <class Number> uint64_t twice(Number number) { return side_effect() + 2 * (uint64_t)number; }
struct counter {
    uint64_t count;
    static uint64_t any() { return side_effect(); }
    uint64_t next() { return ++count; }
};

uint64_t lambdas(uint64_t bytes, bool fin);
uint64_t lambdas(uint64_t bytes, bool fin) {
    const uint64_t rate = bytes / 3, packets = bytes / 1200;
    counter mine = {bytes};
    auto all = [&] {
        TRACE_METRICS(NULL, NULL, NULL, rate, packets, mine.next(), counter::any());
        return bytes;
    };
    auto copies = [=]() mutable {
        TRACE_STREAM_DATA(NULL, NULL, NULL, packets, grow(bytes), (uint32_t)twice(rate), fin, 1);
        return bytes++;
    };
    return all() + copies();
}
#endif

#ifdef ZERO_MAIN
/* Runs everything, and fails when an argument was evaluated. */
int main(void) {
    struct connection connection;
    uint8_t bytes[64] = {1};
    uint32_t command = 0;
    connection_open(&connection, bytes, 1);
    connection_send(&connection, 35, 1200);
    connection_stream(&connection, 0, bytes, sizeof bytes);
    if (message_decode(&connection, bytes, message_encode(&connection, bytes, 7), &command) != 1 || command != 7) return 2;
    for (int i = 0; i < 5; i++) classify(&connection, i);
    report(1, 2, 3);
    connection_close(&connection, 0);
    return side_effects == 0 ? 0 : 1;
}
#endif
