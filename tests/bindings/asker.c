/* SPDX-License-Identifier: MIT
 *
 * The node in C that asks a node in another language: asker PORT COUNT.  A request is 26 bytes of context, our node id and a key;
 * the answer is the key, backwards. */
#define TRACE_FULL
#include <p2ptrace/trace.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GET = 2 };

static struct trace_node_id own_id;

static int ask(struct trace_log *log, int fd, const struct trace_node_id *peer, const char *key) {
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED);
    uint8_t message[TRACE_CONTEXT_BYTES + sizeof own_id + 32];
    char answer[32];
    size_t count = strlen(key);
    ssize_t got;
    int ok;

    TRACE_CONTEXT_ENCODE(message, &context);
    memcpy(message + TRACE_CONTEXT_BYTES, &own_id, sizeof own_id);
    memcpy(message + TRACE_CONTEXT_BYTES + sizeof own_id, key, count);
    TRACE_APP_START(log, &context, peer, 0, "DMAP", GET);
    if (send(fd, message, TRACE_CONTEXT_BYTES + sizeof own_id + count, 0) < 0) return -1;
    got = recv(fd, answer, sizeof answer, 0);
    ok = got == (ssize_t)count && answer[0] == key[count - 1];
    TRACE_APP_END(log, &context, peer, "DMAP", GET, ok);
    return ok ? 0 : -1;
}

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct trace_node_id peer = trace_node_id_from("carol", 5);
    struct trace_log *log = NULL;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), result = 0;

    if (argc != 3 || fd < 0) return 2;
    own_id = trace_node_id_from("asker", 5);
    to.sin_port = htons((uint16_t)atoi(argv[1]));
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return 2;
    if (trace_log_open(&log, &(struct trace_log_options){.node_id = own_id, .node_name = "asker"}) != 0) return 2;
    for (int i = 0; i < atoi(argv[2]); i++) {
        char key[32];
        snprintf(key, sizeof key, "chunk-%d", i);
        result |= ask(log, fd, &peer, key);
    }
    trace_log_close(log);
    close(fd);
    return result != 0;
}
