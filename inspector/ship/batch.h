/* SPDX-License-Identifier: MIT
 *
 * Segments of a recording, as rows of the fleet's tables.  The rows depend only on the segments, so a batch that is sent again
 * is the same. */
#ifndef INSPECTOR_BATCH_H
#define INSPECTOR_BATCH_H

#include "batch_nodes.h"
#include "clock_ends.h"
#include "failure.h"
#include "fleet_event.h"
#include "trace_index.h"

#include <store/nodes.h>

/* A server refuses an insert into too many partitions, and a partition is a day: events of days that are far apart go into
 * separate inserts. */
#define BATCH_GROUP_DAYS 64

struct batch_group {
    uint64_t number; /* day / BATCH_GROUP_DAYS */
    struct batch_event {
        struct trace_event event;
        uint32_t origin; /* in batch.origins */
        uint32_t lane;
    } * events;
    size_t count, room;
    struct row_writer clock_rows; /* of its clock_ends */
};

struct batch {
    char host[FLEET_HOST_BYTES_MAX + 1];
    struct batch_group *groups;
    size_t group_count, group_room;
    struct trace_index index;
    struct clock_ends picked; /* of the segment being read: their order is a place in `groups` */
    struct row_writer index_rows, losses, segments;
    struct row_writer rare_rows; /* of all groups: events of kinds that have a second table */
    struct batch_segment {
        uint64_t instance, number, first_ns, last_ns;
        uint8_t machine[MACHINE_ID_BYTES]; /* zero: not known, or several */
    } * read;                              /* segments with events */
    size_t read_count, read_room;
    struct row_writer deliveries; /* of one attempt */
    struct batch_nodes nodes;
    uint64_t events;
    uint64_t oldest_ns, newest_ns; /* of the events */
    uint64_t damaged_events, damaged_segments;
    struct fleet_origin *origins; /* of all logs of its segments */
    size_t origin_count, origin_room;
    uint32_t origin_of[NODES_MAX]; /* by node index of the segment being read: its origin + 1; 0: none yet */
    struct batch_sort_key *keys;
    size_t key_room;
    struct row_writer event_rows; /* of one group */
};

/* host: as in fleet_origin_make.  Returns 0, or -1 when out of memory. */
int batch_init(struct batch *batch, const char *host);
void batch_fini(struct batch *batch);

/* Drops the rows. */
void batch_clear(struct batch *batch);

enum batch_read {
    BATCH_READ,    /* damage is in the rows of losses */
    BATCH_GONE,    /* the file no longer exists */
    BATCH_LATER,   /* memory or descriptors ran out, or the disk has errors: see the failure */
    BATCH_REFUSED, /* this program cannot read the file: see the failure */
};

/* Adds a segment.  now_ns: for the rows of losses. */
enum batch_read batch_add(struct batch *batch, const char *dir, uint64_t instance, uint64_t number, uint64_t now_ns,
                          struct failure *failure);

/* Fills event_rows with a group, in the order of the table's key: then the server need not sort them, which halves its work.
 * Returns 0, or -1 when out of memory. */
int batch_encode_group(struct batch *batch, const struct batch_group *group);

/* Fills `deliveries` for an attempt with this number. */
void batch_write_deliveries(struct batch *batch, uint64_t delivery);

/* Adds a row to losses. */
struct batch_loss {
    uint64_t instance, first_segment, segments, events_max, from_ns, to_ns;
    const char *cause; /* "missing" or "damaged" */
};
void batch_add_loss(struct batch *batch, const struct batch_loss *loss, uint64_t now_ns);

/* Did memory run out? */
bool batch_failed(const struct batch *batch);

#endif
