/* SPDX-License-Identifier: MIT
 *
 * Events as rows of the fleet's table `events`: a column for each data field of proto/tbl/events.def.  A field that several kinds
 * have is one column, as wide as the widest of them; a kind that does not have it has zero, or "", there.
 *
 *     struct fleet_origin origin;
 *     fleet_origin_make(&origin, &node_id, log_id, "alpha", instance, segment);
 *     uint8_t *at = row_writer_begin(&rows, FLEET_EVENT_BYTES_MAX);
 *     row_writer_end(&rows, fleet_event_put(at, &origin, lane, event));
 *
 * and back with fleet_event_read, which gives the same event but for what nothing shows: reserved bytes, what stands behind the
 * NUL of a text, a peer id without its flag, the padding of data, and booleans other than 0 and 1.  Any thread. */
#ifndef INSPECTOR_FLEET_EVENT_H
#define INSPECTOR_FLEET_EVENT_H

#include "row_binary.h"

#include <p2ptrace/event.h>

/* A column of a table. */
struct fleet_column {
    const char *name; /* in SQL it must be quoted with backticks: some are words of its grammar */
    const char *type;
    const char *alias; /* how it is computed when it is read; NULL: it is stored */
};

/* The columns of events, those that are stored first, in the order of fleet_event_put. */
const struct fleet_column *fleet_event_columns(size_t *ret_count);

#define FLEET_HOST_BYTES_MAX 64
#define FLEET_EVENT_BYTES_MAX 1024 /* no row is longer */

/* What all events of one log in one segment have in common, encoded. */
struct fleet_origin {
    size_t count;
    uint8_t bytes[TRACE_NODE_ID_BYTES + 8 + 1 + FLEET_HOST_BYTES_MAX + 8 + 8];
};

/* host: at most FLEET_HOST_BYTES_MAX bytes; the rest is cut off.  instance, segment: of the recording that has the event. */
void fleet_origin_make(struct fleet_origin *ret_origin, const struct trace_node_id *node_id, uint64_t log_id, const char *host,
                       uint64_t instance, uint64_t segment);

/* Writes a row; needs FLEET_EVENT_BYTES_MAX bytes.  Returns the end. */
uint8_t *fleet_event_put(uint8_t *at, const struct fleet_origin *origin, uint8_t lane, const struct trace_event *event);

/* Where the kind comes among all when they are sorted as the column `kind` is: by name. */
unsigned fleet_event_kind_rank(uint16_t kind);

struct fleet_event {
    struct trace_event event;
    struct trace_node_id node_id;
    uint64_t log_id;
    uint8_t lane;
    uint64_t instance, segment; /* 0 where an older shipper sent it */
    char host[FLEET_HOST_BYTES_MAX + 1];
};

/* Reads a row of all stored columns, in their order.  Returns 0, or -EBADMSG: it ends too early, or has what no event has. */
int fleet_event_read(struct row_reader *reader, struct fleet_event *ret_event);

#endif
