/* SPDX-License-Identifier: MIT
 *
 * The benchmark's client: see client.h. */
#include "client.h"

#include "bench.h"

#include <errno.h>
#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (256U << 10)

void client_open(struct client *client, const struct daemon *daemon) {
    *client = (struct client){.fd = daemon_connect(daemon), .bytes = 4 * READ_BYTES};
    client->buffer = malloc(client->bytes);
    if (!client->buffer) bench_die("out of memory");
}

void client_close(struct client *client) {
    close(client->fd);
    free(client->buffer);
}

void client_ask(struct client *client, const char *method, const char *params) {
    char line[1024];
    int bytes = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n", method, params);
    if (bytes >= (int)sizeof line || send(client->fd, line, (size_t)bytes, MSG_NOSIGNAL) != bytes)
        bench_die("%s could not be sent", method);
}

static void read_more(struct client *client) {
    ssize_t count;

    if (client->bytes - client->end < READ_BYTES && client->begin > 0) {
        memmove(client->buffer, client->buffer + client->begin, client->end - client->begin);
        client->end -= client->begin;
        client->scanned -= client->begin;
        client->begin = 0;
    }
    if (client->bytes - client->end < READ_BYTES) {
        client->bytes *= 2;
        client->buffer = realloc(client->buffer, client->bytes);
        if (!client->buffer) bench_die("out of memory");
    }
    do count = recv(client->fd, client->buffer + client->end, READ_BYTES, 0);
    while (count < 0 && errno == EINTR);
    if (count <= 0) bench_die("traced has closed the connection");
    client->end += (size_t)count;
    client->arrived_unix_ns = trace_now_unix_ns();
}

const char *client_line(struct client *client, size_t *ret_bytes) {
    for (;;) {
        char *newline = memchr(client->buffer + client->scanned, '\n', client->end - client->scanned);
        if (newline) {
            const char *line = client->buffer + client->begin;
            *ret_bytes = (size_t)(newline - line);
            client->begin = client->scanned = (size_t)(newline + 1 - client->buffer);
            return line;
        }
        client->scanned = client->end;
        read_more(client);
    }
}

const char *client_call(struct client *client, const char *method, const char *params, size_t *ret_bytes) {
    const char *line;
    client_ask(client, method, params);
    line = client_line(client, ret_bytes);
    if (!memmem(line, *ret_bytes, "\"result\":", 9)) bench_die("%s: %.*s", method, (int)*ret_bytes, line);
    return line;
}

unsigned client_line_events(const char *line, size_t bytes) {
    const char *end = line + bytes;
    unsigned braces = 0;
    while ((line = memchr(line, '{', (size_t)(end - line))) != NULL) {
        braces++;
        line++;
    }
    return braces / 2 - 1;
}

uint64_t client_line_last_number(const char *line, size_t bytes, const char *name) {
    char wanted[64];
    size_t length = (size_t)snprintf(wanted, sizeof wanted, "\"%s\":", name);
    for (size_t at = bytes; at-- > length;)
        if (memcmp(line + at - length, wanted, length) == 0) return strtoull(line + at, NULL, 10);
    return 0;
}
