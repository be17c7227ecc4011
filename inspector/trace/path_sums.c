/* SPDX-License-Identifier: MIT */
#include "path_sums.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

static int compare_waits(const void *left, const void *right) {
    const struct wait *a = left, *b = right;
    return compare_numbers(a->from_ns, b->from_ns);
}

static bool same_place(const struct wait *a, const struct wait *b) {
    return a->kind == b->kind && a->node == b->node && a->peer == b->peer && a->span == b->span && a->stopped == b->stopped &&
           a->unanswered == b->unanswered;
}

void path_waits_order(struct critical_path *path) {
    size_t count = 0;
    if (path->count) qsort(path->waits, path->count, sizeof *path->waits, compare_waits);
    path->within = 0;
    for (size_t i = 0; i < path->count; i++) {
        struct wait *wait = &path->waits[i], *last = count ? &path->waits[count - 1] : NULL;
        bool behind = wait->from_ns >= path->end_ns && last && last->from_ns < path->end_ns;
        if (last && !behind && same_place(last, wait) && last->to_ns == wait->from_ns)
            last->to_ns = wait->to_ns;
        else
            path->waits[count++] = *wait;
    }
    path->count = count;
    while (path->within < count && path->waits[path->within].from_ns < path->end_ns) path->within++;
}

static int compare_places(const void *left, const void *right) {
    const struct spent *a = left, *b = right;
    int order = compare_numbers(a->kind, b->kind);
    if (!order) order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_numbers(a->longest, b->longest);
}

static int compare_spent(const void *left, const void *right) {
    const struct spent *a = left, *b = right;
    if (a->ns != b->ns) return a->ns > b->ns ? -1 : 1;
    return compare_places(a, b);
}

static uint64_t length_of(const struct wait *wait) { return wait->to_ns - wait->from_ns; }

int path_sum_up(struct critical_path *path) {
    struct spent *spent = calloc(path->within + 1, sizeof *spent);
    size_t count = 0;
    if (!spent) return -ENOMEM;
    for (size_t i = 0; i < path->within; i++)
        spent[i] = (struct spent){path->waits[i].kind, path->waits[i].node, path->waits[i].peer, length_of(&path->waits[i]), i};
    qsort(spent, path->within, sizeof *spent, compare_places);
    for (size_t i = 0; i < path->within; i++) {
        struct spent *last = count ? &spent[count - 1] : NULL;
        if (!last || last->kind != spent[i].kind || last->node != spent[i].node || last->peer != spent[i].peer) {
            spent[count++] = spent[i];
            continue;
        }
        if (spent[i].ns > length_of(&path->waits[last->longest])) last->longest = spent[i].longest;
        last->ns += spent[i].ns;
    }
    qsort(spent, count, sizeof *spent, compare_spent);
    path->spent = spent;
    path->spent_count = count;
    return 0;
}
