/* SPDX-License-Identifier: MIT
 *
 * Nodes and their applications, as a recording has them. */
#ifndef RECORDING_NODES_H
#define RECORDING_NODES_H

#include "recording_format.h"

#include <store/nodes.h>

/* The roster and the records of a node table: one piece of memory. */
struct recording_roll {
    uint32_t count;
    uint64_t records_bytes;
    struct recording_roster *roster;
    char *records; /* behind the roster */
    size_t capacity;
};

/* Encodes all entries.  Inside no RCU read lock.  Memory of an earlier call is used again.  Returns 0 or -ENOMEM. */
int recording__roll_take(struct recording_roll *roll, const struct nodes *nodes);
/* Takes memory for so many bytes of roster and records.  Returns 0 or -ENOMEM. */
int recording__roll_room(struct recording_roll *roll, size_t bytes);
void recording__roll_fini(struct recording_roll *roll);

/* Decodes a record whose checksum was right, which does not make it true: names are made fit, applications that reach out of their bounds are
 * left out.  Returns 0, or -EBADMSG when its sizes do not fit. */
int recording__record_decode(const void *bytes, size_t count, struct node *ret_node);

#endif
