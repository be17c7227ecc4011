/* SPDX-License-Identifier: MIT
 *
 * The benchmark's traced: a child process with a private socket, pinned to the first processor, which leaves the second one to
 * the code under measurement. */
#ifndef BENCH_DAEMON_H
#define BENCH_DAEMON_H

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stdint.h>

struct daemon;

/* What `nodes` says about one node. */
struct daemon_node {
    uint64_t emitted, indexed, lost;
    bool live;
};

struct daemon_options {
    const char *history; /* --history; NULL: the default */
    bool unpinned;       /* on any processor */
};

/* Starts the traced of this build directory, which sees only the nodes that it is given, and waits until it answers.  NULL when
 * there is no such program; any other failure ends the benchmark. */
struct daemon *daemon_start_with(const struct daemon_options *options);
struct daemon *daemon_start(void); /* without nodes */

/* Stops it and removes its socket.  NULL is fine. */
void daemon_stop(struct daemon *daemon);

/* Gives it a node's log, named as trace_log_name says, takes that from any other traced, and waits until it has attached.  Ends
 * the benchmark after 10 s. */
void daemon_attach(struct daemon *daemon, const char *log_name, const struct trace_node_id *node_id);

/* A new connection to it, blocking.  Ends the benchmark if it cannot be made. */
int daemon_connect(const struct daemon *daemon);

/* The processor time that it has used so far. */
uint64_t daemon_cpu_ns(const struct daemon *daemon);

/* Its resident memory now, without the rings, which belong to the nodes. */
uint64_t daemon_resident_bytes(const struct daemon *daemon);

/* The memory that it promised in its log when it started. */
uint64_t daemon_promised_mib(const struct daemon *daemon);

/* Waits until it has drained a node that emits no more, and returns its counts. */
struct daemon_node daemon_wait_drained(struct daemon *daemon, const struct trace_node_id *node_id);

#endif
