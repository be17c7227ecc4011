/* SPDX-License-Identifier: MIT
 *
 * Which clock an event belongs to, and the map between that clock's time and shown time. */
#include "clocks.h"
#include "clocks_internal.h"

/* An event between the two events around a step belongs to the clock whose time is nearer to its own. */
static bool is_before(const struct step *step, uint64_t order, uint64_t raw_ns) {
    if (order <= step->first_order) return true;
    if (order >= step->last_order) return false;
    return magnitude((int64_t)(raw_ns - step->before_ns)) <= magnitude((int64_t)(raw_ns - step->after_ns));
}

uint32_t clocks__find(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns) {
    uint32_t clock = clocks->first_clock[machine];
    while (clock + 1 < clocks->first_clock[machine + 1] && !is_before(&clocks->steps[clock - machine], order, raw_ns)) clock++;
    return clock;
}

uint64_t clocks__show(const struct clocks *clocks, uint32_t clock, uint64_t raw_ns) {
    const struct clock *at = &clocks->clocks[clock];
    return at->parent == CLOCKS_NOBODY ? raw_ns : clock_map_to_near(&at->own, raw_ns);
}

uint64_t clocks__unshow(const struct clocks *clocks, uint32_t clock, uint64_t time_ns) {
    const struct clock *at = &clocks->clocks[clock];
    return at->parent == CLOCKS_NOBODY ? time_ns : clock_map_to_far(&at->own, time_ns);
}
