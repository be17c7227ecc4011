/* SPDX-License-Identifier: MIT
 *
 * Events as rows of the fleet's table `events`: a column for each data field of proto/tbl/events.def.  A field that several
 * kinds have is one column, as wide as the widest of them; a kind without that field has zero, or "", in it.
 *
 *     struct fleet_origin origin;
 *     fleet_origin_make(&origin, &node_id, log_id, "alpha", instance, segment);
 *     uint8_t *at = row_writer_begin(&rows, FLEET_EVENT_BYTES_MAX);
 *     row_writer_end(&rows, fleet_event_put(at, &origin, lane, event));
 *
 * fleet_event_read returns the same event, except for invisible parts: what follows the NUL of a text, a peer id without its
 * flag, the padding of data, and booleans other than 0 and 1.  Any thread. */
#ifndef INSPECTOR_FLEET_EVENT_H
#define INSPECTOR_FLEET_EVENT_H

#include "row_binary.h"

#include <p2ptrace/event.h>

/* A column of a table. */
struct fleet_column {
    const char *name; /* quote it with backticks in SQL: some names are keywords */
    const char *type;
    const char *alias; /* its expression when it is read; NULL: it is stored */
};

/* The columns of events: the stored ones first, in the order of fleet_event_put. */
const struct fleet_column *fleet_event_columns(size_t *ret_count);

#define FLEET_HOST_BYTES_MAX 64
#define FLEET_EVENT_BYTES_MAX 1024 /* no row is longer */

/* The part that all events of one log in one segment share, encoded. */
struct fleet_origin {
    size_t count;
    uint8_t bytes[TRACE_NODE_ID_BYTES + 8 + 1 + FLEET_HOST_BYTES_MAX + 8 + 8];
};

/* host: at most FLEET_HOST_BYTES_MAX bytes; the rest is cut off.  instance, segment: of the recording that has the event. */
void fleet_origin_make(struct fleet_origin *ret_origin, const struct trace_node_id *node_id, uint64_t log_id, const char *host,
                       uint64_t instance, uint64_t segment);

/* Writes a row; needs FLEET_EVENT_BYTES_MAX bytes.  Returns the end. */
uint8_t *fleet_event_put(uint8_t *at, const struct fleet_origin *origin, uint8_t lane, const struct trace_event *event);

/* A set of kinds: a bit for each id, and one for all that are newer than this program. */
#define FLEET_KIND(id) (UINT64_C(1) << (id))
#define FLEET_KIND_NEWER FLEET_KIND(63)
#define FLEET_KINDS_ALL UINT64_MAX

/* Must a row have this column to say all about an event of these kinds?  If not, it is zero for all of them, or the kind's
 * name. */
bool fleet_event_has_column(uint64_t kinds, const char *column);

/* The place of a kind when all are sorted as the column `kind` is: by name. */
unsigned fleet_event_kind_rank(uint16_t kind);

struct fleet_event {
    struct trace_event event;
    struct trace_node_id node_id;
    uint64_t log_id;
    uint8_t lane;
    uint64_t instance, segment; /* 0 where an older shipper sent it */
    char host[FLEET_HOST_BYTES_MAX + 1];
};

/* Reads a row of all stored columns, in their order.  Returns 0, or -EBADMSG: it is too short, or is not a valid event. */
int fleet_event_read(struct row_reader *reader, struct fleet_event *ret_event);

/* The same for a row that has only the columns for these kinds, and is of one of them. */
int fleet_event_read_of(struct row_reader *reader, uint64_t kinds, struct fleet_event *ret_event);

#endif
