/* SPDX-License-Identifier: MIT
 *
 * Nodes, their applications, and what they said about who is who, as a recording has them. */
#ifndef RECORDING_NODES_H
#define RECORDING_NODES_H

#include "recording_format.h"

#include <store/store.h>

/* The roster and the records of a node table: one piece of memory. */
struct recording_roll {
    uint32_t count;
    uint64_t records_bytes;
    struct recording_roster *roster;
    char *records; /* after the roster */
    size_t capacity;
    size_t alias_count;
    struct alias *said; /* by one node, while its record is made; NULL: no node has said anything */
};

/* Encodes all entries of the node table, with their aliases.  Inside no RCU read lock.  Memory of an earlier call is used again.
 * Returns 0 or -ENOMEM. */
int recording__roll_take(struct recording_roll *roll, const struct store *store);
/* Allocates memory for this many bytes of roster and records.  Returns 0 or -ENOMEM. */
int recording__roll_room(struct recording_roll *roll, size_t bytes);
void recording__roll_fini(struct recording_roll *roll);

/* Decodes a record whose checksum was right, which does not make it true: names are made fit, numbers get bounds.  ret_node has
 * no applications; *ret_app_count of them follow, after sizeof(struct recording_record).  Returns 0, or -EBADMSG. */
int recording__record_decode(const void *bytes, size_t count, struct node *ret_node, uint32_t *ret_app_count);

/* Where the aliases of a record begin that was decoded, and how many there are. */
const void *recording__record_aliases(const void *bytes, size_t count, size_t *ret_count);

/* Decodes the one at `index` of them.  Nothing of it is checked (aliases_add does). */
void recording__alias_decode(const void *aliases, size_t index, struct alias *ret_alias);

/* Decodes an application.  Returns how many bytes it has, or 0 when it does not fit `left` or reaches out of its bounds. */
size_t recording__app_decode(const void *bytes, size_t left, struct trace_app *ret_app);

#endif
