/* SPDX-License-Identifier: MIT */
#include "shared_end.h"

#include "analyze_thresholds.h"
#include "numbers.h"

#include <string.h>

bool is_at_end(const struct judged_link *link, unsigned node, enum direction direction) {
    return (link->from == node && (direction & DIRECTION_OUT)) || (link->to == node && (direction & DIRECTION_IN));
}

static bool most(size_t bad, size_t judged) {
    return bad >= SHARED_LINKS_MIN && (double)bad >= SHARED_SHARE_MIN * (double)judged;
}

/* Are all links of a node in that direction bad, while none of their other ends explains it as well? */
static bool explains_alone(const struct judged_link *links, size_t count, unsigned node, enum direction direction,
                           const struct end_count *ends) {
    bool out = direction == DIRECTION_OUT;
    size_t bad = out ? ends[node].bad_out : ends[node].bad_in, judged = out ? ends[node].judged_out : ends[node].judged_in;
    if (bad < SHARED_LINKS_MIN || bad < judged) return false;
    for (size_t i = 0; i < count; i++) {
        const struct end_count *other = &ends[out ? links[i].to : links[i].from];
        if (!is_at_end(&links[i], node, direction)) continue;
        if (out ? most(other->bad_in, other->judged_in) : most(other->bad_out, other->judged_out)) return false;
    }
    return true;
}

unsigned shared_end(const struct judged_link *links, size_t count, enum direction *ret_direction, struct end_count *room) {
    unsigned nodes = 0, found = NO_NUMBER;
    size_t all = 0, explained = 0, judged = 0;
    bool tie = false;
    for (size_t i = 0; i < count; i++) {
        if (links[i].from >= nodes) nodes = links[i].from + 1;
        if (links[i].to >= nodes) nodes = links[i].to + 1;
    }
    memset(room, 0, nodes * sizeof *room);
    for (size_t i = 0; i < count; i++) {
        all += links[i].bad;
        room[links[i].from].judged_out++;
        room[links[i].to].judged_in++;
        room[links[i].from].bad_out += links[i].bad;
        room[links[i].to].bad_in += links[i].bad;
    }
    for (unsigned i = 0; i < nodes; i++) {
        bool out = most(room[i].bad_out, room[i].judged_out), in = most(room[i].bad_in, room[i].judged_in);
        size_t share = (out ? room[i].bad_out : 0) + (in ? room[i].bad_in : 0);
        size_t of = (out ? room[i].judged_out : 0) + (in ? room[i].judged_in : 0);
        if (share < explained) continue;
        /* Of two nodes that explain the same number, the one with fewer good links. */
        if (share == explained && of >= judged) {
            tie |= of == judged;
            continue;
        }
        tie = false;
        explained = share;
        judged = of;
        found = i;
        *ret_direction = out && in ? DIRECTION_BOTH : out ? DIRECTION_OUT : DIRECTION_IN;
    }
    if (2 * explained > all && !tie) return found;
    for (unsigned i = 0; i < nodes; i++) /* there may be several bad nodes */
        for (*ret_direction = DIRECTION_OUT; *ret_direction <= DIRECTION_IN; ++*ret_direction)
            if (explains_alone(links, count, i, *ret_direction, room)) return i;
    return NO_NUMBER;
}

int judged_link_compare(const void *left, const void *right) {
    const struct judged_link *a = left, *b = right;
    int order = compare_numbers(a->from, b->from);
    return order ? order : compare_numbers(a->to, b->to);
}
