/* SPDX-License-Identifier: MIT
 *
 * A hash table from an id to a pointer, in which formats remember a node's connections, traces and spans. */
#ifndef INSPECTOR_EXPORT_MAP_H
#define INSPECTOR_EXPORT_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_key {
    uint32_t node;  /* a node's number, or 0 */
    uint32_t part;  /* distinguishes several things with one id, or 0 */
    uint8_t id[32]; /* padded with zero */
};

struct map_entry {
    struct map_key key;
    void *value;
    struct map_entry *next;
};

/* {0} is empty. */
struct map {
    struct map_entry **slots;
    size_t slot_count, count;
};

struct map_key map_key(uint32_t node, uint32_t part, const void *id, size_t id_bytes);

/* The place of the key's value, added with NULL in it if needed.  Returns NULL when out of memory.  Valid until the key is
 * removed. */
void **map_at(struct map *map, const struct map_key *key);

/* The value, or NULL. */
void *map_get(const struct map *map, const struct map_key *key);

/* Removes the key and returns its value; NULL if there was none. */
void *map_remove(struct map *map, const struct map_key *key);

/* Calls free_value, if there is one, for each value that is not NULL. */
void map_fini(struct map *map, void (*free_value)(void *value));

#endif
