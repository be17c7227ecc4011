/* SPDX-License-Identifier: MIT
 *
 * What every request may look at, from any thread: the history, the node table, the ingest's counters.  The pointers are set
 * before the first request and never change. */
#ifndef TRACED_SERVICE_H
#define TRACED_SERVICE_H

#include "control.h"
#include "ingest.h"
#include <stdatomic.h>
#include <store/history.h>
#include <store/nodes.h>

#define TRACED_NAME "traced"

struct service {
    struct history *history;
    struct nodes *nodes;
    struct control *control;
    struct ingest *ingest;           /* NULL once it has stopped; loop's thread */
    struct ingest_stats last_ingest; /* what it had counted then */
    bool read_only;                  /* the rings are another traced's to change */
    uint64_t started_monotonic_ns;
    uint64_t memory_limit;        /* bytes that are resident at most (footprint.h) */
    uint64_t instance;            /* differs from one traced to the next: a cursor does not outlive its traced */
    _Atomic uint64_t events_sent; /* in answers and notifications */
};

/* Makes the calling thread known to RCU, once; it is made unknown when it ends.  Every pool job calls it first. */
void service_enter_thread(void);

uint64_t service_unix_ns(void);
uint64_t service_monotonic_ns(void);

#endif
