/* SPDX-License-Identifier: MIT
 *
 * The table of aliases, for aliases.c, which keeps it, and alias_picture.c, which makes pictures of it. */
#ifndef STORE_ALIASES_INTERNAL_H
#define STORE_ALIASES_INTERNAL_H

#include <store/aliases.h>

#include <pthread.h>
#include <string.h>

#define QUEUE 1024U
#define NONE UINT32_MAX
#define SLOTS (2U * ALIASES_MAX)
#define MARKS (8U * ALIASES_MAX)

/* What pictures have of an alias. */
struct entry {
    struct alias said; /* node: NONE where it is empty */
    uint32_t next;     /* in its slot's chain, the newest first; or of the empty ones */
};

/* Entries, slots and marks are cut into parts.  A picture shares with the one before it those that have not changed. */
#define ENTRIES_A_PART 32U
#define SLOTS_A_PART 1024U
#define MARKS_A_PART 2048U
#define SLOT_PARTS_AT (ALIASES_MAX / ENTRIES_A_PART)
#define MARK_PARTS_AT (SLOT_PARTS_AT + SLOTS / SLOTS_A_PART)
#define PARTS (MARK_PARTS_AT + MARKS / MARKS_A_PART)

/* What only the table needs of an alias. */
struct place {
    uint32_t before;       /* in its slot's chain */
    uint32_t older, newer; /* of the same node, by when it was last said */
};

/* What one node said. */
struct speaker {
    uint64_t log;
    uint32_t count, oldest, newest;
    uint32_t next, before; /* of those that said as many, unless that is 0 */
};

struct aliases {
    const struct nodes *nodes;
    uint64_t key; /* of the hashes */
    /* The appending thread writes the first two. */
    struct alias queue[QUEUE];
    _Atomic uint64_t noted;
    _Atomic uint64_t moved;
    _Atomic uint64_t generation; /* of the table: changes under the lock */
    _Atomic uint64_t evicted;
    pthread_mutex_t lock;
    /* Under the lock.  Who writes the first three says so in `changed`. */
    struct entry entries[ALIASES_MAX];
    uint32_t slots[SLOTS];
    uint16_t marks[MARKS]; /* by an alias's id: how many entries have one of this hash */
    bool changed[PARTS];   /* since the newest picture */
    struct place places[ALIASES_MAX];
    struct speaker speakers[NODES_MAX];
    uint32_t speaker_count;           /* above the highest index that spoke */
    uint32_t speaks[ALIASES_MAX + 1]; /* by how many they said: the first of those speakers */
    uint32_t most;                    /* that one of them said */
    uint32_t count, used, empty;      /* used: above the highest entry that was ever used */
    struct alias_picture *picture;    /* the newest, or NULL */
};

static inline bool same_id(const struct trace_node_id *a, const struct trace_node_id *b) { return !memcmp(a, b, sizeof *a); }

static inline bool is_zero(const struct trace_node_id *id) {
    static const struct trace_node_id zero;
    return same_id(id, &zero);
}

/* What nodes say of peers is found by the id and the node, so that a chain is one node's; what they say of themselves by the id
 * alone.  The key is random, so that nobody outside can make ids collide. */
uint32_t aliases__hash(uint64_t key, const struct trace_node_id *id, uint32_t node, bool own);

/* The hash of an id alone: of what nodes say of themselves, and of the marks. */
static inline uint32_t aliases__hash_id(uint64_t key, const struct trace_node_id *id) {
    return aliases__hash(key, id, NONE, true);
}

/* Moves what was noted into the table.  Under the lock. */
void aliases__move(struct aliases *aliases);

#endif
