/* SPDX-License-Identifier: MIT
 *
 * See count_groups.h. */
#include "count_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_FIRST 64U

void count_groups_fini(struct count_groups *groups) {
    free(groups->keys);
    free(groups->places);
    free(groups->bytes);
    *groups = (struct count_groups){0};
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

/* Eight bytes at a time: keys are mostly ids, names and kinds.  The last eight may overlap those before them, because a copy of
 * eight bytes is one instruction, and one of a variable length is a call. */
static uint32_t hash_of(const uint8_t *key, size_t bytes) {
    uint64_t hash = bytes * UINT64_C(0x9e3779b97f4a7c15), word = 0;
    if (bytes < sizeof word) {
        memcpy(&word, key, bytes);
        return (uint32_t)mix(hash, word);
    }
    const uint8_t *last = key + bytes - sizeof word;
    for (; key < last; key += sizeof word) {
        memcpy(&word, key, sizeof word);
        hash = mix(hash, word);
    }
    memcpy(&word, last, sizeof word);
    return (uint32_t)mix(hash, word);
}

/* Where the key is, or would be put. */
static uint32_t place_of(const struct count_groups *groups, const uint8_t *key, size_t bytes, uint32_t hash) {
    uint32_t mask = groups->place_count - 1, place = hash & mask;
    for (; groups->places[place]; place = (place + 1) & mask) {
        const struct group_key *known = &groups->keys[groups->places[place] - 1];
        if (known->hash == hash && known->bytes == bytes && !memcmp(groups->bytes + known->offset, key, bytes)) break;
    }
    return place;
}

static int grow_keys(struct count_groups *groups) {
    uint32_t capacity = groups->capacity ? groups->capacity * 2 : KEYS_FIRST, mask = capacity * 2 - 1;
    struct group_key *keys = realloc(groups->keys, capacity * sizeof *keys);
    if (!keys) return -ENOMEM;
    groups->keys = keys;
    uint32_t *places = calloc(capacity * 2, sizeof *places);
    if (!places) return -ENOMEM;
    for (uint32_t group = 0; group < groups->count; group++) {
        uint32_t place = keys[group].hash & mask;
        while (places[place]) place = (place + 1) & mask;
        places[place] = group + 1;
    }
    free(groups->places);
    groups->places = places;
    groups->place_count = capacity * 2;
    groups->capacity = capacity;
    return 0;
}

static int grow_bytes(struct count_groups *groups, size_t more) {
    size_t capacity = groups->bytes_capacity ? groups->bytes_capacity : 4096;
    while (capacity - groups->bytes_used < more) capacity *= 2;
    uint8_t *bytes = realloc(groups->bytes, capacity);
    if (!bytes) return -ENOMEM;
    groups->bytes = bytes;
    groups->bytes_capacity = capacity;
    return 0;
}

int count_groups_find(struct count_groups *groups, const void *key, size_t bytes) {
    uint32_t hash = hash_of(key, bytes), place = 0;
    if (groups->place_count) {
        place = place_of(groups, key, bytes, hash);
        if (groups->places[place]) return (int)groups->places[place] - 1;
    }
    if (groups->count == COUNT_GROUPS_MAX || bytes > COUNT_GROUPS_KEY_BYTES_MAX - groups->bytes_used) return -ENOSPC;
    int error = groups->count == groups->capacity ? grow_keys(groups) : 0;
    if (!error && (!groups->bytes || groups->bytes_capacity - groups->bytes_used < bytes)) error = grow_bytes(groups, bytes);
    if (error) return error;
    place = place_of(groups, key, bytes, hash); /* the table may have been rebuilt */
    if (bytes) memcpy(groups->bytes + groups->bytes_used, key, bytes);
    groups->keys[groups->count] = (struct group_key){(uint32_t)groups->bytes_used, (uint32_t)bytes, hash};
    groups->bytes_used += bytes;
    groups->places[place] = ++groups->count;
    return (int)groups->count - 1;
}
