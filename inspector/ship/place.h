/* SPDX-License-Identifier: MIT
 *
 * The place of a shipper: which segments the fleet has, and which were on their way when it stopped.
 *
 * A text file, replaced as a whole (written beside it, synchronised, renamed), so that a kill at any instruction leaves the old
 * one or the new one.  An old one is correct, too: what it does not know is sent again, and counts once. */
#ifndef INSPECTOR_PLACE_H
#define INSPECTOR_PLACE_H

#include "failure.h"
#include "fleet_tables.h"

#include <stdbool.h>
#include <stdint.h>

struct place_instance {
    uint64_t instance;
    uint64_t next;      /* the first segment that the fleet does not have */
    uint64_t newest_ns; /* of the events before it; 0: none */
};

#define PLACE_INSTANCES_MAX 1024 /* those without files are forgotten first */

struct place {
    char fleet[FLEET_ID_BYTES]; /* "": nothing was shipped yet */
    char shipper[17];           /* a random number, as hex */
    unsigned shard;
    /* The batch that may have reached the server already; count 0: none. */
    struct {
        uint64_t instance, first, count;
    } sending;
    uint64_t segments, events, lost_segments, lost_events; /* since the place was created */
    struct place_instance instances[PLACE_INSTANCES_MAX];
    size_t instance_count;
};

/* Reads the file, or creates a new place if there is none.  Returns 0, or -1 with the failure: the file is not a place, or is cut
 * off. */
int place_read(struct place *ret_place, const char *path, struct failure *failure);

/* Writes the file.  Returns 0, or -1 with the failure and the old file still there. */
int place_save(const struct place *place, const char *path, struct failure *failure);

/* The entry of an instance, or NULL. */
struct place_instance *place_find(struct place *place, uint64_t instance);

/* The same, but adds one if there is none.  NULL: too many. */
struct place_instance *place_need(struct place *place, uint64_t instance);
void place_forget(struct place *place, uint64_t instance);

/* Locks the place while the descriptor is open.  Returns it, or -1 with the failure. */
int place_lock(const char *path, struct failure *failure);

#endif
