/* SPDX-License-Identifier: MIT */
#include "top_requests.h"

#include "event_role.h"
#include "json_get.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BAD_SEVERE 0.01 /* from here on a share of requests that failed or expired is severe, not only notable */

enum request_slot { REQUEST_RATE, REQUEST_SHARE, REQUEST_P50, REQUEST_P99, REQUEST_COUNT, REQUEST_BAD };
enum request_series { COUNT_LINE, BAD_LINE, SECONDS_LINE, P99_LINE, STEPPED_LINE };

static const struct top_column columns[] = {
    {"request", TOP_TEXT, 0, 20, 0, false, false},
    {"per s", TOP_RATE, REQUEST_RATE, 6, 0, true, false},
    {"", TOP_SPARK, COUNT_LINE, 8, 2, true, false},
    {"bad %", TOP_SHARE, REQUEST_SHARE, 6, 0, true, true},
    {"", TOP_SPARK, BAD_LINE, 8, 4, true, true},
    {"p50", TOP_DURATION, REQUEST_P50, 7, 0, true, false},
    {"p99", TOP_DURATION, REQUEST_P99, 7, 0, true, false},
    {"", TOP_SPARK, P99_LINE, 8, 3, true, false},
    {"requests", TOP_COUNT, REQUEST_COUNT, 8, 1, true, false},
    {"bad", TOP_COUNT, REQUEST_BAD, 5, 5, true, true},
};

const struct top_column *top_requests_columns(unsigned *ret_count) {
    *ret_count = sizeof columns / sizeof *columns;
    return columns;
}

/* ---- percentiles -------------------------------------------------------------------------------------------------------- */

struct bucket {
    uint64_t low, high, count;
};

static int compare_buckets(const void *a, const void *b) {
    const struct bucket *x = a, *y = b;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* All buckets of the row's histograms; the caller frees them.  NULL when there are none, or when out of memory. */
static struct bucket *list_buckets(const struct top_row *row, size_t *ret_count, uint64_t *ret_total) {
    size_t room = 0, count = 0, k;
    const json_t *item;
    for (unsigned i = 0; i < TOP_SAMPLES; i++) room += json_array_size(row->spreads[i]);
    struct bucket *buckets = room ? malloc(room * sizeof *buckets) : NULL;
    *ret_total = 0;
    for (unsigned i = 0; buckets && i < TOP_SAMPLES; i++) {
        json_array_foreach(row->spreads[i], k, item) {
            struct bucket bucket = {.count = json_get_count(item, "count")};
            if (!json_get_unsigned(item, "low", &bucket.low) || !json_get_unsigned(item, "high", &bucket.high)) continue;
            buckets[count++] = bucket;
            *ret_total += bucket.count;
        }
    }
    if (count) qsort(buckets, count, sizeof *buckets, compare_buckets);
    *ret_count = count;
    return buckets;
}

/* By nearest rank, as in traced. */
static double percentile(const struct bucket *buckets, size_t count, uint64_t total, double share) {
    uint64_t below = 0;
    for (size_t i = 0; i < count; i++) {
        below += buckets[i].count;
        if ((double)below >= share * (double)total) return (double)buckets[i].high;
    }
    return NAN;
}

static void set_percentiles(struct top_row *row) {
    size_t count = 0;
    uint64_t total;
    struct bucket *buckets = row->spreads ? list_buckets(row, &count, &total) : NULL;
    row->values[REQUEST_P50] = row->values[REQUEST_P99] = NAN;
    if (buckets && total) {
        row->values[REQUEST_P50] = percentile(buckets, count, total, 0.5);
        row->values[REQUEST_P99] = percentile(buckets, count, total, 0.99);
    }
    free(buckets);
}

/* ---- the row ------------------------------------------------------------------------------------------------------------ */

static void push_histogram(struct top_row *row, const json_t *json) {
    if (!row->spreads) row->spreads = calloc(TOP_SAMPLES, sizeof(json_t *));
    if (!row->spreads) return;
    json_decref(row->spreads[0]);
    memmove(row->spreads, row->spreads + 1, (TOP_SAMPLES - 1) * sizeof(json_t *));
    row->spreads[TOP_SAMPLES - 1] = json_incref(json_object_get(json, "histogram"));
}

static void push_interval(struct top_row *row, double count, double bad, double seconds, double p99, double stepped) {
    top_row_push(row, COUNT_LINE, count);
    top_row_push(row, BAD_LINE, bad);
    top_row_push(row, SECONDS_LINE, seconds);
    top_row_push(row, P99_LINE, p99);
    top_row_push(row, STEPPED_LINE, stepped);
}

void top_requests_update(struct top_row *row, const json_t *json, unsigned before) {
    struct strbuf text = {0};
    uint64_t p99;
    bool measured = json_get_unsigned(json_object_get(json, "took"), "p99", &p99);
    double interval = json_get_real(json, "seconds", 0);
    double bad = (double)(json_get_count(json, "failed") + json_get_count(json, "expired"));
    for (unsigned i = 0; !row->spreads && i < before && i < TOP_SAMPLES; i++) push_interval(row, 0, 0, interval, NAN, 0);
    push_interval(row, (double)json_get_count(json, "count"), bad, interval, measured ? (double)p99 : NAN,
                  (double)json_get_count(json, "took_stepped"));
    push_histogram(row, json);
    double count = top_row_sum(row, COUNT_LINE, TOP_SAMPLES), seconds = top_row_sum(row, SECONDS_LINE, TOP_LOSS_SAMPLES);
    bad = top_row_sum(row, BAD_LINE, TOP_SAMPLES);
    row->values[REQUEST_RATE] = seconds > 0 ? top_row_sum(row, COUNT_LINE, TOP_LOSS_SAMPLES) / seconds : NAN;
    row->values[REQUEST_COUNT] = count;
    row->values[REQUEST_BAD] = bad;
    row->values[REQUEST_SHARE] = count > 0 ? bad / count : NAN;
    row->mark = row->values[REQUEST_SHARE] >= BAD_SEVERE ? STYLE_BAD : bad > 0 ? STYLE_WARN : STYLE_PLAIN;
    if (!event_request(&text, json, json)) strbuf_puts(&text, "-");
    top_row_text(row, 0, STYLE_PLAIN, &text);
}

void top_requests_measure(struct top_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) set_percentiles(&rows[i]);
}

uint64_t top_requests_stepped(const struct top_row *rows, size_t count) {
    double stepped = 0;
    for (size_t i = 0; i < count; i++) {
        double sum = top_row_sum(&rows[i], STEPPED_LINE, TOP_SAMPLES);
        if (sum > 0) stepped += sum;
    }
    return (uint64_t)stepped;
}
