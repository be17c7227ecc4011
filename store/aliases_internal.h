/* SPDX-License-Identifier: MIT
 *
 * The table of aliases: aliases.c maintains it, alias_picture.c makes pictures of it. */
#ifndef STORE_ALIASES_INTERNAL_H
#define STORE_ALIASES_INTERNAL_H

#include <store/aliases.h>

#include <pthread.h>
#include <string.h>

#define QUEUE 1024U
#define NONE UINT32_MAX
#define SLOTS (2U * ALIASES_MAX)
#define MARKS (8U * ALIASES_MAX)
#define CHAIN_MAX 64U /* claims of one id that are examined */

/* One alias, as pictures have it. */
struct entry {
    struct alias said; /* node is NONE in an empty entry */
    uint32_t next;     /* in its slot's chain, newest first; or in the list of empty entries */
};

/* Entries, slots and marks are divided into parts.  A picture shares unchanged parts with the picture before it. */
#define ENTRIES_A_PART 32U
#define SLOTS_A_PART 1024U
#define MARKS_A_PART 2048U
#define SLOT_PARTS_AT (ALIASES_MAX / ENTRIES_A_PART)
#define MARK_PARTS_AT (SLOT_PARTS_AT + SLOTS / SLOTS_A_PART)
#define PARTS (MARK_PARTS_AT + MARKS / MARKS_A_PART)

/* What only the table needs to know about an alias. */
struct place {
    uint32_t before;       /* in its slot's chain */
    uint32_t older, newer; /* neighbours among the same node's aliases, by when each was last said */
};

/* What one node said. */
struct speaker {
    uint64_t log;
    uint32_t count, oldest, newest;
    uint32_t next, before; /* speakers with the same count; unused while it is 0 */
};

struct aliases {
    const struct nodes *nodes;
    uint64_t key; /* for the hashes */
    /* Only the appending thread writes the first two. */
    struct alias queue[QUEUE];
    _Atomic uint64_t noted;
    _Atomic uint64_t moved;
    _Atomic uint64_t generation; /* of the table: changes under the lock */
    _Atomic uint64_t evicted;
    pthread_mutex_t lock;
    /* Under the lock.  Code that writes to the first three marks the part in `changed`. */
    struct entry entries[ALIASES_MAX];
    uint32_t slots[SLOTS];
    uint16_t marks[MARKS]; /* by the hash of an alias's id: how many entries have it */
    bool changed[PARTS];   /* since the newest picture */
    struct place places[ALIASES_MAX];
    struct speaker speakers[NODES_MAX];
    uint32_t speaker_count;           /* one more than the highest node that said anything */
    uint32_t speaks[ALIASES_MAX + 1]; /* by count: the first speaker with that many aliases */
    uint32_t most;                    /* the largest count of a speaker */
    uint32_t count, used, empty;      /* used: one more than the highest entry ever used; empty: the first empty entry */
    struct alias_picture *picture;    /* the newest, or NULL */
};

static inline bool same_id(const struct trace_node_id *a, const struct trace_node_id *b) { return !memcmp(a, b, sizeof *a); }

static inline bool is_zero(const struct trace_node_id *id) {
    static const struct trace_node_id zero;
    return same_id(id, &zero);
}

/* An alias for a peer is found by its id and the node that said it, so each chain belongs to one node; a node's own alias is
 * found by the id alone.  The key is random, so nobody outside can choose ids that collide. */
uint32_t aliases__hash(uint64_t key, const struct trace_node_id *id, uint32_t node, bool own);

/* The hash of an id alone, for nodes' own aliases and for the marks. */
static inline uint32_t aliases__hash_id(uint64_t key, const struct trace_node_id *id) {
    return aliases__hash(key, id, NONE, true);
}

/* Moves the queued aliases into the table.  Under the lock. */
void aliases__move(struct aliases *aliases);

#endif
