/* SPDX-License-Identifier: MIT
 *
 * Every limit of the daemon's socket side, in one place.  `hello` states the limits that a client can meet, and so does
 * `data.limit` of the error.  What one answer may take is in store/limits.h. */
#ifndef TRACED_LIMITS_H
#define TRACED_LIMITS_H

#include <store/limits.h>

/* A request line, without its newline. */
#define LIMIT_LINE_BYTES 65536
/* Requests in one batch. */
#define LIMIT_BATCH 64
/* Connections at a time.  Any further one gets an error line and is closed. */
#define LIMIT_CLIENTS 1024
/* Subscriptions of one connection. */
#define LIMIT_SUBSCRIPTIONS 16

/* Requests that may take seconds, on the pool at a time.  The pool has 4 threads, so that other requests always find one. */
#define LIMIT_LONG_REQUESTS 2
/* Bytes of one answer line.  The answer to one request always fits; a batch may exceed it. */
#define LIMIT_ANSWER_BYTES STORE_ANSWER_BYTES

/* A connection with more unsent bytes than this is not served until its client reads: its next request waits in its input, its
 * notifications in the history. */
#define LIMIT_OUTPUT_BYTES (256U << 10)

/* What all connections together may hold: unsent bytes, unfinished lines, the positions of `recent` events.  It is enough for
 * LIMIT_CLIENTS clients that each have a subscription and do not read.  Above it, clients are disconnected (connection.h). */
#define LIMIT_HELD_BYTES (80U << 20)

/* Memory beside the history, the node table and the program itself: what clients hold, and unfinished answers.  The kernel
 * enforces it (footprint.h): an answer that would take more becomes an error.  Each worker may be busy with a `count` of the
 * most groups and numbers, which takes 16 MiB beside its answer. */
#define LIMIT_BESIDE_BYTES (144U << 20)

/* The program, its libraries and stacks. */
#define LIMIT_PROGRAM_BYTES (16U << 20)

/* One notification. */
#define LIMIT_NOTIFY_EVENTS 256
#define LIMIT_NOTIFY_BYTES (64U << 10)

/* Events of the history that one subscription, and all of them together, may look at in one round of the loop. */
#define LIMIT_PUMP_SUBSCRIPTION 2048
#define LIMIT_PUMP_LOOP 16384

/* How long a traced that stops tries to send the answers that are ready. */
#define LIMIT_STOP_FLUSH_MS 200
/* How long accepting pauses when descriptors or memory run out.  A connection that closes ends the pause. */
#define LIMIT_ACCEPT_PAUSE_MS 100

/* --history */
#define LIMIT_HISTORY_BYTES_DEFAULT (256ULL << 20)

#endif
