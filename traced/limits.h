/* SPDX-License-Identifier: MIT
 *
 * Every limit of the daemon's socket side, in one place.  What a client can meet is told by `hello`, and by `data.limit` of the
 * error. */
#ifndef TRACED_LIMITS_H
#define TRACED_LIMITS_H

/* A request line, its newline not counted. */
#define LIMIT_LINE_BYTES 65536
/* Requests in one batch. */
#define LIMIT_BATCH 64
/* Connections at a time; the next one gets an error line and is closed. */
#define LIMIT_CLIENTS 1024
/* Subscriptions of one connection. */
#define LIMIT_SUBSCRIPTIONS 16

/* Events (or traces) of one answer: the default and the most that can be asked for. */
#define LIMIT_EVENTS_DEFAULT 1000
#define LIMIT_EVENTS 10000
#define LIMIT_TRACES_DEFAULT 20
#define LIMIT_TRACES 10000
#define LIMIT_GAPS 1000
/* Requests that may take seconds, on the pool at a time (it has 4 threads): the others always find a worker. */
#define LIMIT_LONG_REQUESTS 2
/* `count`: fields to group by, and rows of an answer. */
#define LIMIT_COUNT_FIELDS 4
#define LIMIT_COUNT_ROWS_DEFAULT 100
#define LIMIT_COUNT_ROWS 10000
/* Different app descriptions that the names in a filter are checked against. */
#define LIMIT_FILTER_APPS 256
/* Full ids that an "ambiguous" error lists. */
#define LIMIT_CANDIDATES 8

/* What a query may look at to be answered on the loop's thread: events, and segments of the history. */
#define LIMIT_SMALL_EVENTS 256
#define LIMIT_SMALL_SEGMENTS 128

/* Bytes of one answer line.  One request's answer always fits (LIMIT_EVENTS events of TRACE_EVENT_JSON_MAX bytes); a batch may
 * meet it. */
#define LIMIT_ANSWER_BYTES (32U << 20)

/* A connection with more unsent bytes than this is not served (its next request waits in its input, notifications in the
 * history) until it has read. */
#define LIMIT_OUTPUT_BYTES (256U << 10)

/* What all connections together may hold: unsent bytes, unfinished lines, the places of `recent` events.  It is enough for each of
 * LIMIT_CLIENTS to have a subscription and not to read.  Above it, clients are disconnected (connection.h). */
#define LIMIT_HELD_BYTES (80U << 20)

/* Memory beside the history, the node table, and the program itself: what clients hold, and answers in the making.  The kernel keeps
 * it (footprint.h): an answer that would take more gets an error.  Of the workers each may be at a `count` with as many groups and
 * numbers as there may be, which takes 16 MiB beside its answer. */
#define LIMIT_BESIDE_BYTES (144U << 20)

/* The program, its libraries and stacks. */
#define LIMIT_PROGRAM_BYTES (16U << 20)

/* One notification. */
#define LIMIT_NOTIFY_EVENTS 256
#define LIMIT_NOTIFY_BYTES (64U << 10)

/* History events that one subscription, and all of them, may look at before the loop goes round again. */
#define LIMIT_PUMP_SUBSCRIPTION 2048
#define LIMIT_PUMP_LOOP 16384

/* How long a stopping traced tries to send what it has already answered. */
#define LIMIT_STOP_FLUSH_MS 200
/* How long accepting pauses when descriptors or memory are used up; a closing connection ends the pause at once. */
#define LIMIT_ACCEPT_PAUSE_MS 100

/* --history */
#define LIMIT_HISTORY_BYTES_DEFAULT (256ULL << 20)

#endif
