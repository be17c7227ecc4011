/* SPDX-License-Identifier: MIT
 *
 * A queue of connections that wait for a turn of the loop.  First come, first served; none is in it twice. */
#ifndef TRACED_TURNS_H
#define TRACED_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* A place in the queue; a member of what waits. */
struct turn {
    struct turn *next;
    bool waits;
};

struct turns {
    struct turn *first, **last;
    uint32_t count;
};

static inline void turns_init(struct turns *turns) { *turns = (struct turns){.last = &turns->first}; }

static inline void turns_want(struct turns *turns, struct turn *turn) {
    if (turn->waits) return;
    turn->waits = true;
    turn->next = NULL;
    *turns->last = turn;
    turns->last = &turn->next;
    turns->count++;
}

static inline void turns_drop(struct turns *turns, struct turn *turn) {
    if (!turn->waits) return;
    struct turn **at = &turns->first;
    while (*at != turn) at = &(*at)->next;
    *at = turn->next;
    if (turns->last == &turn->next) turns->last = at;
    turns->count--;
    turn->waits = false;
}

/* Removes the first one from the queue and returns it; NULL: the queue is empty. */
static inline struct turn *turns_take(struct turns *turns) {
    struct turn *turn = turns->first;
    if (turn) turns_drop(turns, turn);
    return turn;
}

#endif
