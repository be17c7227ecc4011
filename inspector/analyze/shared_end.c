/* SPDX-License-Identifier: MIT */
#include "shared_end.h"

#include "analyze_thresholds.h"
#include "numbers.h"

#include <string.h>

/* Links that share an end with this one are left out only if this many others remain. */
#define ELSEWHERE_MIN 3

/* The values of the other links; apart: only of links with a different sender and a different receiver. */
static size_t list_others(const struct judged_link *links, size_t count, const struct judged_link *link, bool apart,
                          double *values) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool same = links[i].from == link->from && links[i].to == link->to;
        bool back = links[i].from == link->to && links[i].to == link->from;
        if (!same && !back && !(apart && (links[i].from == link->from || links[i].to == link->to)))
            values[kept++] = links[i].value;
    }
    return kept;
}

bool usual_elsewhere(const struct judged_link *links, size_t count, const struct judged_link *link, bool apart, double *room,
                     double *ret_usual) {
    size_t kept = list_others(links, count, link, false, room);
    if (!kept) return false;
    sort_values(room, kept);
    *ret_usual = room[(kept - 1) / 2];
    kept = apart ? list_others(links, count, link, true, room) : 0;
    if (kept < ELSEWHERE_MIN) return true;
    sort_values(room, kept);
    if (room[(kept - 1) / 2] < *ret_usual) *ret_usual = room[(kept - 1) / 2];
    return true;
}

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
