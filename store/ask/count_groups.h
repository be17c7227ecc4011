/* SPDX-License-Identifier: MIT
 *
 * Numbers distinct keys in order of arrival, in bounded memory: the groups of `count`.  A key is any byte string.  One
 * thread. */
#ifndef STORE_COUNT_GROUPS_H
#define STORE_COUNT_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#define COUNT_GROUPS_MAX (1U << 16)
/* Of all keys together. */
#define COUNT_GROUPS_KEY_BYTES_MAX (4U << 20)

struct count_groups {
    struct group_key {
        uint32_t offset, bytes; /* in `bytes` */
        uint32_t hash;
    } * keys; /* `count` of them */
    uint32_t count, capacity;
    uint32_t *places; /* group + 1, 0 for a free place; open addressing, at most half full */
    uint32_t place_count;
    uint8_t *bytes;
    size_t bytes_used, bytes_capacity;
};

/* A zeroed struct has no groups. */
void count_groups_fini(struct count_groups *groups);

/* Finds the key's group, or makes it.  Returns its number; -ENOSPC when it is new and COUNT_GROUPS_MAX or
 * COUNT_GROUPS_KEY_BYTES_MAX would be passed; -ENOMEM. */
int count_groups_find(struct count_groups *groups, const void *key, size_t bytes);

/* The key of a group, valid until the next count_groups_find. */
static inline const uint8_t *count_groups_key(const struct count_groups *groups, uint32_t group) {
    return groups->bytes + groups->keys[group].offset;
}

#endif
