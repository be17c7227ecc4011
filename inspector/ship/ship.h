/* SPDX-License-Identifier: MIT
 *
 * The shipper: copies sealed segments from a directory of recordings into a fleet.
 *
 * It reads what `traced --record` has finished, sends it in batches that depend only on the segments, and records its progress in
 * a place (place.h).  A batch counts as shipped when the server has accepted all of it; until then the same bytes are sent again.
 * So an outage or a kill loses nothing, and a batch that arrived twice has rows with equal keys, which the tables show once.
 *
 * It never writes to a recording, and never talks to traced or a node. */
#ifndef INSPECTOR_SHIP_H
#define INSPECTOR_SHIP_H

#include "failure.h"
#include "ship_progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SHIP_BATCH_SEGMENTS 3       /* at most in one batch: 196608 events */
#define SHIP_ONCE_PATIENCE_MS 60000 /* for --once, without --wait */
#define SHIP_GRACE_MS 5000          /* a request may continue this long after a signal */
#define SHIP_HOST_ROW_MS 10000      /* how often to renew the row in `hosts` while shipping; otherwise every minute */

enum ship_gzip { SHIP_GZIP_AUTO, SHIP_GZIP_ALWAYS, SHIP_GZIP_NEVER }; /* auto: unless the server is on this machine */

struct ship_options {
    const char *dir;
    const char *url;
    const char *place;   /* NULL: p2ptrace-ship.place in dir */
    const char *host;    /* NULL: this machine's name */
    const char *login;   /* a file; NULL: none */
    const char *ca_file; /* NULL: the system's */
    const char *metrics; /* a file for Prometheus; NULL: none */
    const char *program; /* version */
    uint64_t keep_bytes; /* remove shipped segments, oldest first, while dir has more; 0: never */
    enum ship_gzip gzip;
    bool look_only;       /* no ship_run; another process may ship meanwhile */
    bool once;            /* end when everything is shipped */
    uint64_t patience_ms; /* how long to try to reach the server, at the start and for each request; WAIT_FOREVER */
};

struct ship;

/* Reads and locks the place.  Does not connect.  Returns 0, or -1 with the failure. */
int ship_open(struct ship **ret_ship, const struct ship_options *options, const atomic_int *stop, struct failure *failure);

/* Writes the place, if it has changed, and closes.  NULL is allowed. */
void ship_close(struct ship *ship);

/* Connects to the server, and checks that its fleet is the one of the place.  say: from now on gets a line for the user when
 * the server goes away or comes back, and about losses; or NULL.  Returns 0, or -1 with the failure. */
int ship_connect(struct ship *ship, void (*say)(const char *line), struct failure *failure);

/* After ship_connect: ships until the flag is set; or, with `once`, until nothing waits.  Returns 0, also when the flag ended
 * it, or -1 with the failure. */
int ship_run(struct ship *ship, struct failure *failure);

/* Scans the directory, and reports progress. */
int ship_look(struct ship *ship, struct ship_progress *ret_progress, struct failure *failure);

/* Checks that rows could be written; inserts none.  Returns 0, or -1 with the failure. */
int ship_try_insert(struct ship *ship, struct failure *failure);

/* The name under which this machine's events are stored. */
const char *ship_host(const struct ship *ship);

#endif
