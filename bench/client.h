/* SPDX-License-Identifier: MIT
 *
 * A client of the benchmark's own: one connection to a daemon, on which lines are written and read, blocking. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "daemon.h"

#include <stddef.h>

struct client {
    int fd;
    char *buffer;
    size_t begin, scanned, end, bytes;
    uint64_t arrived_unix_ns; /* when the last bytes had come */
};

void client_open(struct client *client, const struct daemon *daemon);
void client_close(struct client *client);

/* Sends a request.  params: JSON. */
void client_ask(struct client *client, const char *method, const char *params);

/* The next whole line, without its newline; valid until the next call.  Ends the benchmark when the connection ends. */
const char *client_line(struct client *client, size_t *ret_bytes);

/* The result of `method`, as text that is valid until the next call.  Ends the benchmark on an error. */
const char *client_call(struct client *client, const char *method, const char *params, size_t *ret_bytes);

/* How many events a line has: each is one object with one in it, in the two of a notification or an answer. */
unsigned client_line_events(const char *line, size_t bytes);

/* The last member of that name in the line, a number; 0 without one. */
uint64_t client_line_last_number(const char *line, size_t bytes, const char *name);

#endif
