/* SPDX-License-Identifier: MIT
 *
 * All limits of the daemon's socket side.  `hello` and `data.limit` of the error state those that a client can reach.  The
 * limits of one answer are in store/limits.h. */
#ifndef TRACED_LIMITS_H
#define TRACED_LIMITS_H

#include <store/limits.h>

/* A request line, without its newline. */
#define LIMIT_LINE_BYTES 65536
/* Requests in one batch. */
#define LIMIT_BATCH 64
/* Simultaneous connections.  Any further one gets an error line and is closed. */
#define LIMIT_CLIENTS 1024
/* Those of them that other users (--group) may take, so that they cannot keep our own user out. */
#define LIMIT_GUESTS (LIMIT_CLIENTS / 2)
/* Subscriptions of one connection. */
#define LIMIT_SUBSCRIPTIONS 16

/* Threads of the pool (lanes.h): for short requests, and for those that may take seconds; how many of the latter run at a time,
 * and for how long before they yield to the next. */
#define LIMIT_SHORT_THREADS 2
#define LIMIT_LONG_THREADS 4
#define LIMIT_LONG_RUNNING 2
#define LIMIT_LONG_SLICE_MS 20
/* The niceness of the pool, compared with everything else. */
#define LIMIT_POOL_NICE 5
/* Bytes of one answer line.  The answer to one request always fits; a batch may exceed it. */
#define LIMIT_ANSWER_BYTES STORE_ANSWER_BYTES

/* A connection with more unsent bytes than this is not served until its client reads: its next request waits in its input, its
 * notifications in the history. */
#define LIMIT_OUTPUT_BYTES (256U << 10)

/* The most that all connections together may hold: unsent bytes, unfinished lines, the positions of `recent` events.  It is
 * enough for LIMIT_CLIENTS clients that each have a subscription and do not read.  Above it, clients are disconnected
 * (connection.h). */
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

/* Work on the loop's thread, in the units of struct history_work, some of which are a nanosecond and some five.  In one round of
 * the loop, requests take ROUND and subscriptions take ROUND, in equal shares; what has begun is finished: at most one event with
 * the most expensive filter, or one line.  So a round takes some milliseconds. */
#define LIMIT_ROUND_WORK 2000000
/* While the ingest is behind (ingest.h), subscriptions get less: BEHIND for each of its passes, so that they lose events before
 * nodes do, but none stands still. */
#define LIMIT_BEHIND_WORK 100000
/* A connection whose lines, or the rest of its output, took this much waits for the next round.  A line counts LINE, plus BYTE
 * for each of its bytes. */
#define LIMIT_ANSWER_WORK 100000
#define LIMIT_LINE_WORK 20000
#define LIMIT_BYTE_WORK 16
/* Sending counts SEND for each call, of SEND_BYTES at most, plus one for so many of its bytes: the kernel copies them. */
#define LIMIT_SEND_WORK 4000
#define LIMIT_SEND_BYTES (256U << 10)
#define LIMIT_SENT_BYTES_PER_WORK 4
/* The names in a subscription's filter are looked up again on the loop's thread if that takes no more than this; otherwise on
 * the pool, for that many subscriptions at a time. */
#define LIMIT_RENEW_WORK 500000
#define LIMIT_RENEWALS 1

/* How long a stopping traced tries to send finished answers. */
#define LIMIT_STOP_FLUSH_MS 200
/* How often a line of one kind that clients cause is logged, at most. */
#define LIMIT_CLIENT_LINES_MS 60000
/* How long accepting pauses when descriptors or memory run out.  A connection that closes ends the pause. */
#define LIMIT_ACCEPT_PAUSE_MS 100

/* --history */
#define LIMIT_HISTORY_BYTES_DEFAULT (256ULL << 20)

/* --record-seal: each interval writes a file and reads the directory. */
#define LIMIT_RECORD_SEAL_NS_MIN 1000000000ULL

#endif
