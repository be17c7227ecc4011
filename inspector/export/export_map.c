/* SPDX-License-Identifier: MIT */
#include "export_map.h"

#include <stdlib.h>
#include <string.h>

struct map_key map_key(uint32_t node, uint32_t part, const void *id, size_t id_bytes) {
    struct map_key key = {.node = node, .part = part};
    memcpy(key.id, id, id_bytes);
    return key;
}

/* Ids come from other programs and may not be random: mix each word. */
static uint64_t hash_of(const struct map_key *key) {
    uint64_t words[sizeof *key / 8], hash = 0;
    memcpy(words, key, sizeof *key);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static struct map_entry **slot_of(const struct map *map, const struct map_key *key) {
    struct map_entry **at = &map->slots[hash_of(key) & (map->slot_count - 1)];
    while (*at && memcmp(&(*at)->key, key, sizeof *key) != 0) at = &(*at)->next;
    return at;
}

/* Doubles the slots.  Returns 0 or -1. */
static int grow(struct map *map) {
    struct map larger = {.slot_count = map->slot_count ? 2 * map->slot_count : 64, .count = map->count};
    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots) return -1;
    for (size_t i = 0; i < map->slot_count; i++) {
        for (struct map_entry *entry = map->slots[i], *next; entry; entry = next) {
            next = entry->next;
            struct map_entry **at = &larger.slots[hash_of(&entry->key) & (larger.slot_count - 1)];
            entry->next = *at;
            *at = entry;
        }
    }
    free(map->slots);
    *map = larger;
    return 0;
}

void **map_at(struct map *map, const struct map_key *key) {
    if (map->count >= map->slot_count && grow(map)) return NULL;
    struct map_entry **at = slot_of(map, key);
    if (*at) return &(*at)->value;
    struct map_entry *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->key = *key;
    *at = entry;
    map->count++;
    return &entry->value;
}

void *map_get(const struct map *map, const struct map_key *key) {
    const struct map_entry *entry = map->count ? *slot_of(map, key) : NULL;
    return entry ? entry->value : NULL;
}

void *map_remove(struct map *map, const struct map_key *key) {
    struct map_entry **at = map->count ? slot_of(map, key) : NULL, *entry = at ? *at : NULL;
    if (!entry) return NULL;
    void *value = entry->value;
    *at = entry->next;
    free(entry);
    map->count--;
    return value;
}

void map_fini(struct map *map, void (*free_value)(void *value)) {
    for (size_t i = 0; i < map->slot_count; i++) {
        for (struct map_entry *entry = map->slots[i], *next; entry; entry = next) {
            next = entry->next;
            if (free_value && entry->value) free_value(entry->value);
            free(entry);
        }
    }
    free(map->slots);
    *map = (struct map){0};
}
