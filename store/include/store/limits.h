/* SPDX-License-Identifier: MIT
 *
 * All limits of one answer of the store.  docs/protocol.md states these limits to clients. */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H

/* Events and traces in one answer: the default, and the most that a request can ask for. */
#define STORE_EVENTS_DEFAULT 1000
#define STORE_EVENTS_MAX 10000
#define STORE_TRACES_DEFAULT 20
#define STORE_TRACES_MAX 10000
#define STORE_GAPS_MAX 1000
/* Peers in one answer, those with the most events: their ids come from the network, so there may be as many as events. */
#define STORE_PEERS_MAX 10000
/* `count`: fields to group by, and rows in one answer. */
#define STORE_COUNT_FIELDS_MAX 4
#define STORE_COUNT_ROWS_DEFAULT 100
#define STORE_COUNT_ROWS_MAX 10000
/* Different app descriptions that the names in a filter are checked against. */
#define STORE_FILTER_APPS_MAX 256
/* Full ids that an "ambiguous" error lists. */
#define STORE_CANDIDATES_MAX 8

/* Ids under which a query looks for a peer; for more, it examines all events. */
#define STORE_PEER_IDS_MAX 64

/* A query is small, and needs no other thread, if it examines no more than this: events, and segments of the history. */
#define STORE_SMALL_EVENTS 256
#define STORE_SMALL_SEGMENTS 128

/* A request is short if it takes no more than this, in units of struct history_work: about 10 ms. */
#define STORE_SHORT_WORK 4000000

/* Bytes that the result of any one request fits into: STORE_EVENTS_MAX events of TRACE_EVENT_JSON_MAX bytes. */
#define STORE_ANSWER_BYTES (32U << 20)

#endif
