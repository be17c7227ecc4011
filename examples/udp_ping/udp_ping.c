/* SPDX-License-Identifier: MIT
 *
 * A protocol over UDP, traced: one node answers pings, the other repeats a ping until an answer arrives.
 *
 *     udp_ping bob [DROP]             answers until its input ends; says "listening PORT"; drops each DROP-th datagram
 *     udp_ping alice PORT [COUNT]     pings it COUNT times (1); says how many were answered
 *
 * On the wire: type (1), number (8, big-endian), the sender's id (32), and with tracing the trace's context, so both nodes'
 * events are in one trace.  A peer is known only by its address at first; once its id is known, that covers earlier events,
 * too. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <p2ptrace/trace.h>

#define PING 1
#define PONG 2
#define ID_BYTES 32
#define HEADER_BYTES (1 + 8 + ID_BYTES)
#define MESSAGE_BYTES (HEADER_BYTES + TRACE_CONTEXT_BYTES)
#define RETRY_MS 100
#define TRIES_MAX 8

struct node {
    int fd;
    uint8_t id[ID_BYTES];
    TRACE_ONLY(struct trace_log *log;)
};

struct message {
    uint8_t type;
    uint64_t number;
    uint8_t sender[ID_BYTES];
    TRACE_ONLY(struct trace_context context; struct trace_node_id peer;)
};

TRACE_APP_ONLY(static const struct trace_app protocol = {
                   .app_id = {'P', 'I', 'N', 'G'}, .name = "Ping", .command_count = 1, .commands = {{PING, "PING"}}};)
static const char *type_name(uint8_t type) { return type == PING ? "PING" : "PONG"; }

static int node_open(struct node *node, const char *name) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    node->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (node->fd < 0 || bind(node->fd, (struct sockaddr *)&any, sizeof any) != 0) return -1;
    if (getrandom(node->id, sizeof node->id, 0) != sizeof node->id) return -1;
    TRACE_ONLY({
        struct trace_log_options options = {.node_name = name};
        memcpy(options.node_id.bytes, node->id, sizeof node->id);
        if (trace_log_open(&node->log, &options) != 0) node->log = NULL; /* it runs untraced */
        TRACE_APP_ONLY(trace_log_register_app(node->log, &protocol);)
    })
    return name[0] != 0 ? 0 : -1;
}

TRACE_ONLY(static struct trace_endpoint endpoint_of(const struct sockaddr_in *address) {
    struct trace_endpoint endpoint = {.port = ntohs(address->sin_port), .family = 4};
    memcpy(endpoint.address, &address->sin_addr, sizeof address->sin_addr);
    return endpoint;
})

/* again: it was sent to the peer before. */
static bool message_send(const struct node *node, const struct sockaddr_in *to, const struct message *message, bool again) {
    uint8_t bytes[MESSAGE_BYTES] = {message->type};
    for (int i = 0; i < 8; i++) bytes[1 + i] = (uint8_t)(message->number >> (56 - 8 * i));
    memcpy(bytes + 9, node->id, ID_BYTES);
    TRACE_CONTEXT_ENCODE(bytes + HEADER_BYTES, &message->context);
    if (again)
        TRACE_MESSAGE_RESENT(node->log, &message->context, &message->peer, message->number, MESSAGE_BYTES, TRACE_TRANSPORT_UDP,
                             type_name(message->type));
    else
        TRACE_MESSAGE_SENT(node->log, &message->context, &message->peer, message->number, MESSAGE_BYTES, TRACE_TRANSPORT_UDP,
                           type_name(message->type));
    return sendto(node->fd, bytes, sizeof bytes, 0, (const struct sockaddr *)to, sizeof *to) == (ssize_t)sizeof bytes;
}

/* Reads one datagram.  False if it is not a message of ours, or is dropped to simulate a loss. */
static bool message_receive(const struct node *node, struct sockaddr_in *from, struct message *message, bool drop) {
    uint8_t bytes[MESSAGE_BYTES + 1];
    socklen_t from_bytes = sizeof *from;
    ssize_t count = recvfrom(node->fd, bytes, sizeof bytes, 0, (struct sockaddr *)from, &from_bytes);
    if (drop || count != MESSAGE_BYTES || (bytes[0] != PING && bytes[0] != PONG)) return false;
    if (TRACE_CONTEXT_DECODE(&message->context, bytes + HEADER_BYTES, (size_t)count - HEADER_BYTES) != 0) return false;
    message->type = bytes[0];
    message->number = 0;
    for (int i = 0; i < 8; i++) message->number = message->number << 8 | bytes[1 + i];
    memcpy(message->sender, bytes + 9, ID_BYTES);
    TRACE_ONLY(memcpy(message->peer.bytes, message->sender, ID_BYTES);)
    TRACE_MESSAGE_RECEIVED(node->log, &message->context, &message->peer, message->number, (uint32_t)count, TRACE_TRANSPORT_UDP,
                           type_name(message->type));
    return true;
}

static int serve(const struct node *node, unsigned drop) {
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = node->fd, .events = POLLIN}};
    struct sockaddr_in own, from;
    socklen_t own_bytes = sizeof own;
    struct message message;
    if (getsockname(node->fd, (struct sockaddr *)&own, &own_bytes) != 0) return 1;
    printf("listening %u\n", ntohs(own.sin_port));
    fflush(stdout);
    for (unsigned count = 1; poll(fds, 2, -1) > 0 && fds[0].revents == 0; count++) {
        if (!message_receive(node, &from, &message, drop != 0 && count % drop == 0) || message.type != PING) continue;
        message.type = PONG;
        message_send(node, &from, &message, false);
    }
    return 0;
}

/* True if the answer came; *server then has the peer's id. */
static bool ping(const struct node *node, const struct sockaddr_in *to, uint64_t number, struct message *server) {
    struct pollfd fds[] = {{.fd = node->fd, .events = POLLIN}};
    struct sockaddr_in from;
    struct message message = {.type = PING, .number = number}, answer;
    bool answered = false;
    TRACE_ONLY(message.context = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED); message.peer = server->peer;)
    TRACE_APP_START(node->log, &message.context, NULL, 0, "PING", PING);
    for (int i = 0; i < TRIES_MAX && !answered; i++) {
        message_send(node, to, &message, i > 0);
        while (!answered && poll(fds, 1, RETRY_MS) > 0)
            answered = message_receive(node, &from, &answer, false) && answer.type == PONG && answer.number == number;
    }
    if (answered)
        TRACE_APP_END(node->log, &message.context, NULL, "PING", PING, 1);
    else
        TRACE_APP_EXPIRED(node->log, &message.context, NULL, "PING", PING);
    if (!answered) return false;
    memcpy(server->sender, answer.sender, ID_BYTES);
    TRACE_ONLY(server->peer = answer.peer; struct trace_endpoint endpoint = endpoint_of(to);)
    TRACE_ENDPOINT(node->log, NULL, &server->peer, TRACE_TRANSPORT_UDP, &endpoint); /* who is at that address */
    return true;
}

static const char usage[] = "usage: udp_ping bob [DROP]          answer until the input ends; drop each DROP-th datagram\n"
                            "       udp_ping alice PORT [COUNT]  ping the one at that port COUNT times (1)\n";

int main(int argc, char **argv) {
    bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc < 2 || argc > 4 || *argv[1] == '-') {
        fputs(usage, help ? stdout : stderr);
        return help ? 0 : 2;
    }
    bool asks = argc > 2 && strcmp(argv[1], "bob") != 0;
    unsigned long count = argc > 3 ? strtoul(argv[3], NULL, 10) : 1, answered = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct message server = {0};
    struct node node = {0};
    int result = 0;
    if (node_open(&node, argv[1]) != 0) return 2;
    if (asks) {
        to.sin_port = htons((uint16_t)atoi(argv[2]));
        TRACE_ONLY(struct trace_endpoint endpoint = endpoint_of(&to); server.peer = trace_node_id_of_endpoint(&endpoint);)
        for (unsigned long i = 0; i < count; i++) answered += ping(&node, &to, i, &server);
        printf("%lu of %lu answered\n", answered, count);
        result = answered != count;
    } else {
        result = serve(&node, argc > 2 ? (unsigned)atoi(argv[2]) : 0);
    }
    TRACE_ONLY(trace_log_close(node.log);)
    close(node.fd);
    return result;
}
