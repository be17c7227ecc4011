/* SPDX-License-Identifier: MIT
 *
 * The numbers of many groups and their statistics: count, least, greatest, mean (all exact), percentiles and histograms
 * (count_spread.h).  Used by `count` and `requests`.  One thread. */
#ifndef STORE_MEASURE_H
#define STORE_MEASURE_H

#include "count_spread.h"

#include <store/counted.h>

#include <proto/text.h>

/* A sum of 64-bit numbers needs more than 64 bits. */
__extension__ typedef unsigned __int128 measure_total;

struct measure_sum {
    uint64_t count, min, max;
    measure_total total;
};

struct measure {
    struct measure_sum *sums; /* by group; `capacity` of them */
    size_t capacity;
    struct count_spread spread;
};

/* A zeroed struct has no numbers. */
void measure_fini(struct measure *measure);

/* Makes room for a group.  Returns 0 or a negative errno. */
int measure_grow(struct measure *measure, uint32_t group);

/* Adds a number to a group below COUNT_SPREAD_GROUPS_MAX.  Returns as count_spread_add.  Inline, because `count`
 * calls it for each event. */
static inline int measure_add(struct measure *measure, uint32_t group, uint64_t number) {
    int error = group >= measure->capacity ? measure_grow(measure, group) : 0;
    if (error) return error;
    struct measure_sum *sum = &measure->sums[group];
    if (!sum->count || number < sum->min) sum->min = number;
    if (!sum->count || number > sum->max) sum->max = number;
    sum->count++;
    sum->total += number;
    return count_spread_add(&measure->spread, group, number, 1);
}

/* Adds the numbers of an event that stands for many; min is the least of them. */
int measure_add_counted(struct measure *measure, uint32_t group, uint64_t min, const struct store_counted_event *counted);

/* The groups' distributions, for the answer.  Free with free(parts.all). */
struct measure_parts {
    struct count_spread_part *all; /* sorted by group, then bucket */
    size_t count;
};

/* Returns 0 or -ENOMEM. */
int measure_parts(const struct measure *measure, struct measure_parts *ret_parts);

/* Writes ',"NAME":{"count":..,"min":..,"p50":..,"p90":..,"p99":..,"max":..,"mean":..,"sum":..}', or null in its place when the
 * group has no number. */
void measure_put(struct trace_text *out, const char *name, const struct measure *measure, const struct measure_parts *parts,
                 uint32_t group);

/* Writes ',"histogram":[{"low":..,"high":..,"count":..}]' of a group. */
void measure_put_histogram(struct trace_text *out, const struct measure_parts *parts, uint32_t group);

/* Writes ',"rate":' and the rate per second; null for a time of 0 ns. */
void measure_put_rate(struct trace_text *out, uint64_t count, uint64_t ns);

/* Writes ',"seconds":' and the time in seconds; null for 0 ns. */
void measure_put_seconds(struct trace_text *out, uint64_t ns);

#endif
