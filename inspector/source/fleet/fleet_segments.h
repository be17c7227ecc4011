/* SPDX-License-Identifier: MIT
 *
 * Which segments of the fleet's recordings have arrived (table `segments`), for a stream that reads each once.
 *
 * A machine ships the segments of one traced in their order, and names a segment in the table once all of its events are there.
 * So one number for each traced says how far we have read, whatever its clock says and however late it ships. */
#ifndef INSPECTOR_FLEET_SEGMENTS_H
#define INSPECTOR_FLEET_SEGMENTS_H

#include "clickhouse.h"

#include <proto/text.h>

#define FLEET_PLACES_MAX 4096      /* traceds whose segments are in the table */
#define FLEET_ARRIVED_EVENTS 65536 /* read at a time; a segment may have as many */

/* How far we have read. */
struct fleet_places {
    struct fleet_place {
        uint64_t instance;
        uint64_t next; /* the first segment that we have not read */
    } * all;
    size_t count, room;
};

/* Behind the segments that are there now.  Returns 0, or -1 with the failure. */
int fleet_places_read(struct fleet_places *ret_places, struct clickhouse *server, struct failure *failure);
void fleet_places_fini(struct fleet_places *places);

/* "transform(instance, [...], [...], 0)": for a row, the place of its traced; 0 where we have read nothing. */
void fleet_places_put(struct trace_text *out, const struct fleet_places *places);

/* Segments of one traced, [begin, end), that are to be read now. */
struct fleet_arrival {
    uint64_t instance, begin, end;
    uint64_t events, first_ns, last_ns; /* events 0: none could be read */
    uint64_t lost_max; /* the most events that were lost in segments between these, which never came or are damaged */
    char host[65];
};

struct fleet_arrivals {
    struct fleet_arrival *all;
    size_t count, room;
    bool more;  /* others have arrived, too */
    bool waits; /* a later segment is there, but neither the one before it nor word of its loss */
};

/* What to read next; {0} at first.  patient: where a segment is missing, it may still come.  Otherwise it counts as lost: so
 * it is in a cluster whose servers do not show new rows at the same moment, but not for long.  Returns 0, or -1 with the
 * failure. */
int fleet_arrivals_find(struct fleet_arrivals *arrivals, const struct fleet_places *places, struct clickhouse *server,
                        bool patient, struct failure *failure);
void fleet_arrivals_fini(struct fleet_arrivals *arrivals);

/* The condition for their events. */
void fleet_arrivals_put(struct trace_text *out, const struct fleet_arrivals *arrivals);

/* They have been read.  Returns 0 or -1 with the failure. */
int fleet_places_advance(struct fleet_places *places, const struct fleet_arrivals *arrivals, struct failure *failure);

#endif
