/* SPDX-License-Identifier: MIT
 *
 * What traced's requests may use, from any thread: the store, the way to the ingest, and the ingest's counters.  The pointers
 * are set before the first request and never change. */
#ifndef TRACED_SERVICE_H
#define TRACED_SERVICE_H

#include "control.h"
#include "ingest.h"
#include "keeper.h"
#include "recorder.h"
#include <store/store.h>

#define TRACED_NAME "traced"

struct service {
    struct store store;
    struct control *control;
    struct ingest *ingest;             /* NULL once it has stopped; loop's thread */
    struct ingest_stats last_ingest;   /* its counters when it stopped */
    struct keeper *keeper;             /* NULL: no trace stays longer than others; loop's thread */
    bool records;                      /* --record */
    struct recorder *recorder;         /* NULL without --record, and once it has stopped; loop's thread */
    struct recorder_stats last_record; /* its counters when it stopped */
    bool read_only;                    /* another traced changes the rings */
    uint64_t started_monotonic_ns;
    uint64_t memory_limit; /* the most resident bytes (footprint.h) */
};

#endif
