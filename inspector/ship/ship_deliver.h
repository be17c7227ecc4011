/* SPDX-License-Identifier: MIT
 *
 * Delivers rows to the server, and retries until they arrive. */
#ifndef INSPECTOR_SHIP_DELIVER_H
#define INSPECTOR_SHIP_DELIVER_H

#include "batch.h"
#include "clickhouse.h"
#include "ship_progress.h"

#define SHIP_LOOK_MS 1000       /* how often to scan the directory, also while the server accepts nothing */
#define SHIP_PAUSE_MAX_MS 60000 /* the longest pause between two attempts */

struct ship_delivery {
    struct clickhouse *server;
    bool gzip;
    uint64_t patience_ms; /* give up after this; WAIT_FOREVER */
    struct http_backoff backoff;
    struct ship_progress *progress;
    void (*say)(const char *line);
    /* Called every SHIP_LOOK_MS while the server accepts nothing; may be NULL. */
    void (*waits)(void *arg);
    void *arg;
};

void ship_deliver_init(struct ship_delivery *delivery, struct clickhouse *server);

/* Waits between two attempts.  Returns true when the flag was set. */
bool ship_deliver_pause(struct ship_delivery *delivery, uint64_t ms);

/* Inserts all rows of the batch: first the index, then the events, so that the index knows every event.  Before each attempt to
 * insert events, a row for each segment says so.
 * Returns CLICKHOUSE_OK; CLICKHOUSE_STOPPED; CLICKHOUSE_REFUSED, or the last result when patience ended, with the failure. */
enum clickhouse_outcome ship_deliver(struct ship_delivery *delivery, struct batch *batch, struct failure *failure);

/* One insert into NAME_local, retried in the same way. */
enum clickhouse_outcome ship_deliver_rows(struct ship_delivery *delivery, const char *name, const struct row_writer *rows,
                                          struct failure *failure);

#endif
