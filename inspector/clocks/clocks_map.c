/* SPDX-License-Identifier: MIT
 *
 * Which clock an event belongs to, and the map between that clock's time and shown time. */
#include "clocks.h"
#include "clocks_internal.h"

#include <errno.h>
#include <stdlib.h>

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

/* ---- as formulas ---- */

static int compare_times(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Own times at which another clock may begin, sorted; the first is 0.  Events between the two around a step belong to the nearer
 * one, so a step has up to four. */
static uint64_t *list_turns(const struct clocks *clocks, uint32_t machine, uint64_t later_ns, size_t *ret_count) {
    uint32_t first = clocks->first_clock[machine], steps = clocks->first_clock[machine + 1] - first - 1;
    uint64_t *turns = calloc(4 * (size_t)steps + 1, sizeof *turns);
    if (!turns) return NULL;
    *ret_count = 1;
    for (uint32_t i = 0; i < steps; i++) {
        const struct step *step = &clocks->steps[first + i - machine];
        uint64_t middle = step->before_ns + (uint64_t)((int64_t)(step->after_ns - step->before_ns) / 2);
        turns[(*ret_count)++] = step->first_order + 1 > later_ns ? step->first_order + 1 - later_ns : 0;
        turns[(*ret_count)++] = step->last_order > later_ns ? step->last_order - later_ns : 0;
        turns[(*ret_count)++] = middle;
        turns[(*ret_count)++] = middle + 1;
    }
    qsort(turns, *ret_count, sizeof *turns, compare_times);
    return turns;
}

static struct clocks_formula formula_of(const struct clocks *clocks, uint32_t clock) {
    const struct clock *at = &clocks->clocks[clock];
    const struct clock_map *map = &at->own;
    if (at->parent == CLOCKS_NOBODY) return (struct clocks_formula){.before_ns = UINT64_MAX, .same = true};
    return (struct clocks_formula){.before_ns = UINT64_MAX,
                                   .minus_ns = map->origin_ns + (uint64_t)map->base_ns,
                                   .plus_ns = map->origin_ns,
                                   .at = map->line.at,
                                   .pace = 1 + map->line.slope / 1e9};
}

int clocks_formulas(const struct clocks *clocks, uint32_t machine, uint64_t later_ns, struct clocks_formula **ret_formulas,
                    size_t *ret_count) {
    size_t turn_count = 0, count = 0;
    uint64_t *turns = list_turns(clocks, machine, later_ns, &turn_count);
    struct clocks_formula *formulas = turns ? calloc(turn_count, sizeof *formulas) : NULL;
    uint32_t last = CLOCKS_NOBODY;
    for (size_t i = 0; formulas && i < turn_count; i++) {
        uint32_t clock = clocks__find(clocks, machine, turns[i] + later_ns, turns[i]);
        if (clock == last) continue;
        if (count) formulas[count - 1].before_ns = turns[i];
        formulas[count++] = formula_of(clocks, clock);
        last = clock;
    }
    free(turns);
    if (!formulas) return -ENOMEM;
    *ret_formulas = formulas;
    *ret_count = count;
    return 0;
}

uint32_t clocks_count(const struct clocks *clocks) { return clocks->clock_count; }

void clocks_unwiden(const struct clocks *clocks, uint32_t index, uint64_t *min_ns, uint64_t *max_ns) {
    uint64_t low = clocks__unshow(clocks, index, *min_ns), high = clocks__unshow(clocks, index, *max_ns);
    *min_ns = low ? low - 1 : 0; /* unshown times are right to a nanosecond */
    *max_ns = high < UINT64_MAX ? high + 1 : high;
}
