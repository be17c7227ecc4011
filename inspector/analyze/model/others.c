/* SPDX-License-Identifier: MIT */
#include "others.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

/* Links that share an end with this one are left out only if this many others remain. */
#define ELSEWHERE_MIN 3

#define NO_RANK ((size_t)-1)

static int compare_others(const void *left, const void *right) {
    const struct other *a = left, *b = right;
    int order = compare_numbers(a->a, b->a);
    if (!order) order = compare_numbers(a->b, b->b);
    return order ? order : compare_numbers(a->rank, b->rank);
}

static int compare_values(const void *left, const void *right, void *links) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    double a = ((const struct judged_link *)links)[i].value, b = ((const struct judged_link *)links)[j].value;
    return a != b ? (a < b ? -1 : 1) : compare_numbers(i, j);
}

int others_init(struct others *others, const struct judged_link *links, size_t count) {
    size_t *order = calloc(count + 1, sizeof *order);
    *others = (struct others){.sorted = calloc(count + 1, sizeof *others->sorted),
                              .from = calloc(count + 1, sizeof *others->from),
                              .to = calloc(count + 1, sizeof *others->to),
                              .both = calloc(count + 1, sizeof *others->both),
                              .count = count};
    if (!order || !others->sorted || !others->from || !others->to || !others->both) {
        free(order);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) order[i] = i;
    if (count) qsort_r(order, count, sizeof *order, compare_values, (void *)links);
    for (size_t i = 0; i < count; i++) {
        const struct judged_link *link = &links[order[i]];
        others->sorted[i] = link->value;
        others->from[i] = (struct other){link->from, 0, i};
        others->to[i] = (struct other){link->to, 0, i};
        others->both[i] = (struct other){link->from, link->to, i};
    }
    qsort(others->from, count, sizeof *others->from, compare_others);
    qsort(others->to, count, sizeof *others->to, compare_others);
    qsort(others->both, count, sizeof *others->both, compare_others);
    free(order);
    return 0;
}

void others_fini(struct others *others) {
    free(others->sorted);
    free(others->from);
    free(others->to);
    free(others->both);
    *others = (struct others){0};
}

/* How many sort before this. */
static size_t count_before(const struct other *items, size_t count, struct other key) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_others(&items[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What a median leaves out: the values from one node and to another, and two more. */
struct left_out {
    unsigned from, to; /* NO_NUMBER: none */
    size_t first, second;
    bool twice; /* the first is also from that node, and to the other */
};

/* How many of the lowest ranks are left out. */
static size_t count_left_out(const struct others *others, const struct left_out *out, size_t ranks) {
    size_t count = 0;
    if (out->from != NO_NUMBER)
        count += count_before(others->from, others->count, (struct other){out->from, 0, ranks}) -
                 count_before(others->from, others->count, (struct other){out->from, 0, 0});
    if (out->to != NO_NUMBER)
        count += count_before(others->to, others->count, (struct other){out->to, 0, ranks}) -
                 count_before(others->to, others->count, (struct other){out->to, 0, 0});
    if (out->first < ranks) count += out->twice ? (size_t)-1 : 1; /* counted twice: once too often */
    if (out->second < ranks) count++;
    return count;
}

/* The value that has so many others below it, of those not left out. */
static double value_at(const struct others *others, const struct left_out *out, size_t place) {
    size_t low = place, high = others->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (middle + 1 - count_left_out(others, out, middle + 1) < place + 1)
            low = middle + 1;
        else
            high = middle;
    }
    return others->sorted[low];
}

static size_t rank_of_link(const struct others *others, unsigned from, unsigned to) {
    size_t place = count_before(others->both, others->count, (struct other){from, to, 0});
    const struct other *found = &others->both[place];
    return place < others->count && found->a == from && found->b == to ? found->rank : NO_RANK;
}

bool others_usual(const struct others *others, const struct judged_link *link, bool apart, double *ret_usual) {
    struct left_out out = {NO_NUMBER, NO_NUMBER, rank_of_link(others, link->from, link->to),
                           rank_of_link(others, link->to, link->from), false};
    size_t kept = others->count - count_left_out(others, &out, others->count);
    if (!kept) return false;
    *ret_usual = value_at(others, &out, (kept - 1) / 2);
    if (!apart) return true;
    out.from = link->from, out.to = link->to, out.twice = true;
    kept = others->count - count_left_out(others, &out, others->count);
    if (kept < ELSEWHERE_MIN) return true;
    double elsewhere = value_at(others, &out, (kept - 1) / 2);
    if (elsewhere < *ret_usual) *ret_usual = elsewhere;
    return true;
}

bool others_without(const struct others *others, unsigned node, size_t least_count, double *ret_usual) {
    const struct left_out out = {node, node, NO_RANK, NO_RANK, false};
    size_t kept = others->count - count_left_out(others, &out, others->count);
    if (kept < least_count) return false;
    *ret_usual = value_at(others, &out, kept / 2);
    return true;
}
