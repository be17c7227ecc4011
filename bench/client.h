/* SPDX-License-Identifier: MIT
 *
 * The benchmark's client: one connection to a daemon, with blocking writes and reads of lines. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "daemon.h"

#include <stddef.h>

struct client {
    int fd;
    char *buffer;
    size_t begin, scanned, end, bytes;
    uint64_t arrived_unix_ns; /* when the last bytes had arrived */
};

void client_open(struct client *client, const struct daemon *daemon);
void client_close(struct client *client);

/* Sends a request.  params: JSON. */
void client_ask(struct client *client, const char *method, const char *params);

/* The next whole line, without its newline; valid until the next call.  Ends the benchmark when the connection ends. */
const char *client_line(struct client *client, size_t *ret_bytes);

/* The result of `method`, as text that is valid until the next call.  Ends the benchmark on an error. */
const char *client_call(struct client *client, const char *method, const char *params, size_t *ret_bytes);

/* The number of events in a line: each is one object with one inside, within the two of a notification or an answer. */
unsigned client_line_events(const char *line, size_t bytes);

/* The value of the last member of that name in the line, a number; 0 if there is none. */
uint64_t client_line_last_number(const char *line, size_t bytes, const char *name);

#endif
