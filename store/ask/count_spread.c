/* SPDX-License-Identifier: MIT
 *
 * See count_spread.h. */
#include "count_spread.h"

#include <errno.h>
#include <stdlib.h>

#define LINEAR 256U /* numbers with a bucket each */
#define PARTS 128U  /* of a power of two */
#define BUCKET_BITS 13
#define PLACES_FIRST 1024U

_Static_assert(COUNT_SPREAD_BUCKETS == LINEAR + (64 - 8) * PARTS, "numbers from 2^8 to 2^64");
_Static_assert(COUNT_SPREAD_BUCKETS < (1U << BUCKET_BITS), "a key has room for the bucket");

/* ---- buckets ------------------------------------------------------------------------------------------------------------ */

unsigned count_spread_bucket(uint64_t number) {
    if (number < LINEAR) return (unsigned)number;
    unsigned shift = 63 - (unsigned)__builtin_clzll(number) - 7; /* leaves the leading one and seven bits */
    return LINEAR + (shift - 1) * PARTS + (unsigned)((number >> shift) - PARTS);
}

uint64_t count_spread_bucket_low(unsigned bucket) {
    if (bucket < LINEAR) return bucket;
    unsigned shift = (bucket - LINEAR) / PARTS + 1;
    return (uint64_t)(PARTS + (bucket - LINEAR) % PARTS) << shift;
}

uint64_t count_spread_bucket_high(unsigned bucket) {
    return bucket + 1 < COUNT_SPREAD_BUCKETS ? count_spread_bucket_low(bucket + 1) - 1 : UINT64_MAX;
}

/* ---- the table: open addressing, never more than three quarters full ---------------------------------------------------- */

static uint32_t key_of(uint32_t group, unsigned bucket) { return (group << BUCKET_BITS | bucket) + 1; }

static size_t place_of(const struct count_spread *spread, uint32_t key) {
    size_t mask = spread->places - 1, place = (key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (spread->keys[place] && spread->keys[place] != key) place = (place + 1) & mask;
    return place;
}

static int grow(struct count_spread *spread) {
    struct count_spread larger = {.places = spread->places ? spread->places * 2 : PLACES_FIRST, .used = spread->used};
    larger.keys = calloc(larger.places, sizeof *larger.keys);
    larger.counts = calloc(larger.places, sizeof *larger.counts);
    if (!larger.keys || !larger.counts) {
        count_spread_fini(&larger);
        return -ENOMEM;
    }
    for (size_t i = 0; i < spread->places; i++) {
        if (!spread->keys[i]) continue;
        size_t place = place_of(&larger, spread->keys[i]);
        larger.keys[place] = spread->keys[i];
        larger.counts[place] = spread->counts[i];
    }
    count_spread_fini(spread);
    *spread = larger;
    return 0;
}

void count_spread_fini(struct count_spread *spread) {
    free(spread->keys);
    free(spread->counts);
    *spread = (struct count_spread){0};
}

int count_spread_add(struct count_spread *spread, uint32_t group, uint64_t number, uint64_t times) {
    uint32_t key = key_of(group, count_spread_bucket(number));
    size_t place = spread->places ? place_of(spread, key) : 0;
    if (!spread->places || !spread->keys[place]) {
        if (spread->used == COUNT_SPREAD_USED_MAX) return -ENOSPC;
        if (spread->used * 4 >= spread->places * 3) {
            int error = grow(spread);
            if (error) return error;
            place = place_of(spread, key);
        }
        spread->keys[place] = key;
        spread->used++;
    }
    spread->counts[place] += times;
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

static int part_compare(const void *a, const void *b) {
    const struct count_spread_part *x = a, *y = b;
    uint32_t left = key_of(x->group, x->bucket), right = key_of(y->group, y->bucket);
    return left < right ? -1 : left > right;
}

int count_spread_parts(const struct count_spread *spread, struct count_spread_part **ret_parts, size_t *ret_count) {
    struct count_spread_part *parts = malloc((spread->used ? spread->used : 1) * sizeof *parts);
    size_t count = 0;
    if (!parts) return -ENOMEM;
    for (size_t i = 0; i < spread->places; i++) {
        uint32_t key = spread->keys[i] - 1;
        if (!spread->keys[i]) continue;
        parts[count++] = (struct count_spread_part){key >> BUCKET_BITS, key & ((1U << BUCKET_BITS) - 1), spread->counts[i]};
    }
    qsort(parts, count, sizeof *parts, part_compare);
    *ret_parts = parts;
    *ret_count = count;
    return 0;
}

uint64_t count_spread_quantile(const struct count_spread_part *parts, size_t count, double share) {
    uint64_t total = 0, below = 0;
    for (size_t i = 0; i < count; i++) total += parts[i].count;
    double rank = share * (double)total;
    for (size_t i = 0; i < count; i++) {
        below += parts[i].count;
        if ((double)below >= rank) return count_spread_bucket_high(parts[i].bucket);
    }
    return count_spread_bucket_high(parts[count - 1].bucket);
}
