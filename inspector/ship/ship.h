/* SPDX-License-Identifier: MIT
 *
 * The shipper: sealed segments of a directory of recordings into a fleet.
 *
 * It reads what `traced --record` has finished, sends it in batches that follow from the segments alone, and notes how far it
 * is in a place (place.h).  A batch counts as shipped when the server has taken all of it; until then it is tried again, the same
 * bytes.  So nothing is lost by an outage or a kill, and a batch that arrived twice has rows with equal keys, which the tables
 * show once.
 * It never writes to a recording, and asks nothing of traced or a node. */
#ifndef INSPECTOR_SHIP_H
#define INSPECTOR_SHIP_H

#include "failure.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define SHIP_BATCH_SEGMENTS 3       /* at most in one batch: 196608 events */
#define SHIP_LOOK_MS 1000           /* how often the directory is looked at */
#define SHIP_PAUSE_MAX_MS 60000     /* the longest pause between two tries */
#define SHIP_ONCE_PATIENCE_MS 60000 /* of --once, unless --wait says otherwise */
#define SHIP_GRACE_MS 5000          /* so long a request may go on after a signal */
#define SHIP_HOST_ROW_MS 10000      /* how often the row in `hosts` is renewed while something is shipped; else every minute */

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
    uint64_t keep_bytes; /* shipped segments are removed, oldest first, while dir has more; 0: never */
    enum ship_gzip gzip;
    bool look_only;       /* no ship_run, so that another may ship meanwhile */
    bool once;            /* end when everything is shipped */
    uint64_t patience_ms; /* so long it tries to reach the server, at the start and for each request; WAIT_FOREVER */
};

/* How far it is. */
struct ship_progress {
    uint64_t segments, events, bytes, retries; /* since it was started */
    uint64_t lost_segments, lost_events;       /* since the place was begun */
    uint64_t shipped_segments, shipped_events; /* so, too */
    uint64_t waiting_segments, waiting_bytes;
    uint64_t waiting_since_ns; /* when the oldest that waits was written; 0: none waits */
    uint64_t newest_ns;        /* event that was shipped; 0: none */
    uint64_t success_ns;       /* when the server took something last; 0: not yet */
    bool up;                   /* the last request succeeded */
};

struct ship;

/* Reads the place, and keeps others from it.  Does not connect.  Returns 0, or -1 with the failure. */
int ship_open(struct ship **ret_ship, const struct ship_options *options, const volatile sig_atomic_t *stop,
              struct failure *failure);

/* Writes the place, if it has changed, and closes.  NULL is allowed. */
void ship_close(struct ship *ship);

/* Reaches the server, and checks that its fleet is the one of the place.  say: as ship_run.
 * Returns 0, or -1 with the failure. */
int ship_connect(struct ship *ship, void (*say)(const char *line), struct failure *failure);

/* After ship_connect: ships until the flag is set; or, with `once`, until nothing waits.  say: for whoever watches: one
 * line when the server goes or comes, and about losses.  Returns 0, also when the flag ended it, or -1 with the failure. */
int ship_run(struct ship *ship, void (*say)(const char *line), struct failure *failure);

/* Looks at the directory, and says how far it is. */
int ship_look(struct ship *ship, struct ship_progress *ret_progress, struct failure *failure);

/* Could a row be written?  Inserts none.  Returns 0, or -1 with the failure. */
int ship_try_insert(struct ship *ship, struct failure *failure);

/* The name under which this machine's events are stored. */
const char *ship_host(const struct ship *ship);

#endif
