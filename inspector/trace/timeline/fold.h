/* SPDX-License-Identifier: MIT
 *
 * What the transport did between two events that matter, one line for each node, peer and direction.  To the reader, packets
 * and the stream bytes that they carried are one thing. */
#ifndef INSPECTOR_FOLD_H
#define INSPECTOR_FOLD_H

#include "limits.h"
#include "timeline.h"

struct fold {
    const struct timeline_item *first, *last;
    const char *peer;  /* NULL for none */
    const char *arrow; /* as from event_arrow; "<>" while none of its events has a direction */
    uint64_t items;
    uint64_t packets, packet_bytes;
    uint64_t stream_id, stream_bytes, stream_pieces;
    bool metrics, probes; /* only metrics, only probes of the MTU: packets that carry nothing */
    bool has_stream, many_streams, opened, closed, fin;
};

/* True for an event that may be folded: a packet that was not lost, stream events, metrics. */
bool fold_takes(const struct timeline_item *item);

/* The length of the run of items that begins there: items for which fold_takes is true, up to a long gap. 0 if it is
 * false for the first. */
size_t fold_run(const struct timeline *timeline, size_t begin);

/* Groups items; fold_takes must be true for all. ret_groups has room for FOLD_GROUPS_MAX. ret_group_of, one for each item,
 * gets the item's group, or -1 if there were too many groups.  Returns the number of groups. */
size_t fold_groups(const struct timeline_item *items, size_t count, struct fold *ret_groups, int *ret_group_of);

#endif
