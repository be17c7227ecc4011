/* SPDX-License-Identifier: MIT
 *
 * The distribution of numbers in many groups, in fixed memory.  `count` takes percentiles and histograms from it.
 *
 * Each number goes into a bucket.  Numbers below 256 have a bucket each; above, each power of two is divided into 128, so a
 * bucket is at most 1/128 of its numbers wide.  (The division is that of log-linear histograms: Tene, HdrHistogram.)  Only
 * buckets in use take memory, in one table for all groups.
 *
 * One thread. */
#ifndef STORE_COUNT_SPREAD_H
#define STORE_COUNT_SPREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_SPREAD_GROUPS_MAX (1U << 16)
#define COUNT_SPREAD_BUCKETS 7424U /* 256 + 56 powers of two of 128 */
/* Buckets in use, of all groups together: 12 bytes each, plus a quarter. */
#define COUNT_SPREAD_USED_MAX (3U << 16)

/* The bucket of a number, and what it holds: [low, high]. */
unsigned count_spread_bucket(uint64_t number);
uint64_t count_spread_bucket_low(unsigned bucket);
uint64_t count_spread_bucket_high(unsigned bucket);

struct count_spread {
    uint32_t *keys; /* group and bucket, 0 for a free place */
    uint64_t *counts;
    size_t places; /* a power of two, 0 at first */
    size_t used;
};

/* A zeroed struct is an empty spread. */
void count_spread_fini(struct count_spread *spread);

/* Counts a number in a group below COUNT_SPREAD_GROUPS_MAX, so many times.  Returns 0, -ENOMEM, or -ENOSPC when
 * COUNT_SPREAD_USED_MAX buckets are in use. */
int count_spread_add(struct count_spread *spread, uint32_t group, uint64_t number, uint64_t times);

/* One bucket of a group. */
struct count_spread_part {
    uint32_t group;
    unsigned bucket;
    uint64_t count;
};

/* All buckets in use, sorted by group, then bucket; free(*ret_parts).  Returns 0 or -ENOMEM. */
int count_spread_parts(const struct count_spread *spread, struct count_spread_part **ret_parts, size_t *ret_count);

/* The number that at least `share` (0 to 1) of the numbers in these parts of one group do not exceed, by nearest rank: exact
 * below 256, else at most 1/128 above it and never below.  count is at least 1. */
uint64_t count_spread_quantile(const struct count_spread_part *parts, size_t count, double share);

#endif
