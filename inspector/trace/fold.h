/* SPDX-License-Identifier: MIT
 *
 * What the transport did between two events that matter, told in a line for each node, peer and direction: its packets and the
 * stream bytes that they carried are one thing to the reader. */
#ifndef INSPECTOR_FOLD_H
#define INSPECTOR_FOLD_H

#include "limits.h"
#include "timeline.h"

struct fold {
    const struct timeline_item *first, *last;
    const char *peer;  /* NULL for none */
    const char *arrow; /* as event_arrow; "<>" while no event of it has a direction */
    uint64_t items;
    uint64_t packets, packet_bytes;
    uint64_t stream_id, stream_bytes, stream_pieces;
    bool metrics; /* samples, and nothing else */
    bool has_stream, many_streams, opened, closed, fin;
};

/* True for an event that may be folded: a packet that was not lost, stream events, metrics. */
bool fold_takes(const struct timeline_item *item);

/* How many items from there on are one run: those that fold takes, up to a long gap.  0 when that item is none. */
size_t fold_run(const struct timeline *timeline, size_t begin);

/* Sorts items, all of which fold takes, into groups.  ret_groups has FOLD_GROUPS_MAX, ret_group_of has count: the item's group,
 * or -1 when there were too many.  Returns the number of groups. */
size_t fold_groups(const struct timeline_item *items, size_t count, struct fold *ret_groups, int *ret_group_of);

#endif
