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
           a->unseen == b->unseen && a->unwitnessed == b->unwitnessed && a->unanswered == b->unanswered &&
           a->untimed == b->untimed && a->full == b->full && a->hidden == b->hidden && a->vain == b->vain;
}

size_t path_waits_order(struct wait *waits, size_t count, uint64_t end_ns, size_t *ret_within) {
    size_t kept = 0, within = 0;
    if (count) qsort(waits, count, sizeof *waits, compare_waits);
    for (size_t i = 0; i < count; i++) {
        struct wait *wait = &waits[i], *last = kept ? &waits[kept - 1] : NULL;
        bool behind = wait->from_ns >= end_ns && last && last->from_ns < end_ns;
        if (last && !behind && same_place(last, wait) && last->to_ns == wait->from_ns)
            last->to_ns = wait->to_ns;
        else
            waits[kept++] = *wait;
    }
    while (within < kept && waits[within].from_ns < end_ns) within++;
    *ret_within = within;
    return kept;
}

static int compare_places(const void *left, const void *right) {
    const struct spent *a = left, *b = right;
    int order = compare_numbers(a->kind, b->kind);
    if (!order) order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    if (!order) order = compare_numbers(a->held, b->held);
    return order ? order : compare_numbers(a->longest, b->longest);
}

static int compare_spent(const void *left, const void *right) {
    const struct spent *a = left, *b = right;
    if (a->ns != b->ns) return a->ns > b->ns ? -1 : 1;
    return compare_places(a, b);
}

static uint64_t length_of(const struct wait *wait) { return wait->to_ns - wait->from_ns; }

int path_sum_up(struct spent **ret_spent, size_t *ret_count, const struct wait *waits, size_t wait_count) {
    struct spent *spent = calloc(wait_count + 1, sizeof *spent);
    size_t count = 0;
    if (!spent) return -ENOMEM;
    size_t timed = 0;
    for (size_t i = 0; i < wait_count; i++)
        if (!waits[i].untimed)
            spent[timed++] = (struct spent){.kind = waits[i].kind,
                                            .node = waits[i].node,
                                            .peer = waits[i].peer,
                                            .held = wait_is_held(&waits[i]),
                                            .ns = length_of(&waits[i]),
                                            .longest = i};
    qsort(spent, timed, sizeof *spent, compare_places);
    for (size_t i = 0; i < timed; i++) {
        struct spent *last = count ? &spent[count - 1] : NULL;
        if (!last || last->kind != spent[i].kind || last->node != spent[i].node || last->peer != spent[i].peer ||
            last->held != spent[i].held) {
            spent[count++] = spent[i];
            continue;
        }
        if (spent[i].ns > length_of(&waits[last->longest])) last->longest = spent[i].longest;
        last->ns += spent[i].ns;
    }
    qsort(spent, count, sizeof *spent, compare_spent);
    *ret_spent = spent;
    *ret_count = count;
    return 0;
}

const char *wait_kind_name(enum wait_kind kind) {
    static const char *const names[] = {
        [WAIT_NODE] = "node", [WAIT_LINK] = "link", [WAIT_SENDING] = "sending", [WAIT_PEER] = "peer"};
    return names[kind];
}
