/* SPDX-License-Identifier: MIT
 *
 * See measure.h. */
#include "measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/value.h>
#include <string.h>

#define GROUPS_FIRST 64U

void measure_fini(struct measure *measure) {
    free(measure->sums);
    count_spread_fini(&measure->spread);
    *measure = (struct measure){0};
}

int measure_grow(struct measure *measure, uint32_t group) {
    size_t capacity = measure->capacity ? measure->capacity : GROUPS_FIRST;
    while (capacity <= group) capacity *= 2;
    struct measure_sum *sums = realloc(measure->sums, capacity * sizeof *sums);
    if (!sums) return -ENOMEM;
    memset(sums + measure->capacity, 0, (capacity - measure->capacity) * sizeof *sums);
    measure->sums = sums;
    measure->capacity = capacity;
    return 0;
}

int measure_add_counted(struct measure *measure, uint32_t group, uint64_t min, const struct store_counted_event *counted) {
    int error = group >= measure->capacity ? measure_grow(measure, group) : 0;
    if (error) return error;
    struct measure_sum *sum = &measure->sums[group];
    if (!sum->count || min < sum->min) sum->min = min;
    if (!sum->count || counted->max > sum->max) sum->max = counted->max;
    sum->count += counted->events;
    sum->total += ((measure_total)counted->sum_high << 32) + counted->sum_low;
    return count_spread_add(&measure->spread, group, min, counted->events);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

int measure_parts(const struct measure *measure, struct measure_parts *ret_parts) {
    return count_spread_parts(&measure->spread, &ret_parts->all, &ret_parts->count);
}

static const struct count_spread_part *parts_of(const struct measure_parts *parts, uint32_t group, size_t *ret_count) {
    size_t low = 0, high = parts->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (parts->all[middle].group < group)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < parts->count && parts->all[end].group == group) end++;
    *ret_count = end - low;
    return parts->all + low;
}

static void put_member(struct trace_text *out, const char *name, uint64_t number) {
    trace_text_puts(out, name);
    value_put_unsigned(out, number);
}

/* A bucket is shown by its greatest number, which may exceed every number in it. */
static void put_quantile(struct trace_text *out, const char *name, const struct count_spread_part *parts, size_t count,
                         double share, uint64_t max) {
    uint64_t number = count_spread_quantile(parts, count, share);
    put_member(out, name, number < max ? number : max);
}

/* Exact, even beyond 64 bits; a decimal string, like any number above 2^63 - 1. */
static void put_total(struct trace_text *out, const char *name, measure_total total) {
    char digits[48], *first = digits + sizeof digits - 1;
    if (total <= INT64_MAX) {
        put_member(out, name, (uint64_t)total);
        return;
    }
    *first = 0;
    for (; total; total /= 10) *--first = (char)('0' + (int)(total % 10));
    trace_text_puts(out, name);
    trace_text_puts(out, "\"");
    trace_text_puts(out, first);
    trace_text_puts(out, "\"");
}

void measure_put(struct trace_text *out, const char *name, const struct measure *measure, const struct measure_parts *parts,
                 uint32_t group) {
    const struct measure_sum *sum = group < measure->capacity ? &measure->sums[group] : NULL;
    size_t count;
    const struct count_spread_part *own = parts_of(parts, group, &count);
    trace_text_puts(out, ",\"");
    trace_text_puts(out, name);
    if (!sum || !sum->count) {
        trace_text_puts(out, "\":null");
        return;
    }
    put_member(out, "\":{\"count\":", sum->count);
    put_member(out, ",\"min\":", sum->min);
    put_quantile(out, ",\"p50\":", own, count, 0.5, sum->max);
    put_quantile(out, ",\"p90\":", own, count, 0.9, sum->max);
    put_quantile(out, ",\"p99\":", own, count, 0.99, sum->max);
    put_member(out, ",\"max\":", sum->max);
    put_member(out, ",\"mean\":", (uint64_t)((sum->total + sum->count / 2) / sum->count));
    put_total(out, ",\"sum\":", sum->total);
    trace_text_puts(out, "}");
}

void measure_put_histogram(struct trace_text *out, const struct measure_parts *parts, uint32_t group) {
    size_t count;
    const struct count_spread_part *own = parts_of(parts, group, &count);
    trace_text_puts(out, ",\"histogram\":[");
    for (size_t i = 0; i < count; i++) {
        put_member(out, i ? ",{\"low\":" : "{\"low\":", count_spread_bucket_low(own[i].bucket));
        put_member(out, ",\"high\":", count_spread_bucket_high(own[i].bucket));
        put_member(out, ",\"count\":", own[i].count);
        trace_text_puts(out, "}");
    }
    trace_text_puts(out, "]");
}

void measure_put_rate(struct trace_text *out, uint64_t count, uint64_t ns) {
    char text[40] = "null";
    if (ns) snprintf(text, sizeof text, "%.6g", (double)count / ((double)ns / 1e9));
    trace_text_puts(out, ",\"rate\":");
    trace_text_puts(out, text);
}

void measure_put_seconds(struct trace_text *out, uint64_t ns) {
    char text[40] = "null";
    if (ns) snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);
    trace_text_puts(out, ",\"seconds\":");
    trace_text_puts(out, text);
}
