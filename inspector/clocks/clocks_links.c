/* SPDX-License-Identifier: MIT
 *
 * From links between pairs of clocks to one time for all: see clocks.h. */
#include "clocks.h"
#include "clocks_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define RESOLVE_ROUNDS 12

/* ---- the best paths ---- */

static double middle_error(const struct link *link) { return clock_fit_error(&link->fit, link->fit.map.origin_ns); }

/* Of the clocks not reached yet, the one of a machine with the most packets on links; CLOCKS_NOBODY: none. */
static uint32_t choose_root(const struct clocks *clocks, const uint64_t *weights, uint32_t machine) {
    uint32_t best = CLOCKS_NOBODY;
    for (uint32_t i = clocks->first_clock[machine]; i < clocks->first_clock[machine + 1]; i++)
        if (!clocks->clocks[i].reached && weights[i] && (best == CLOCKS_NOBODY || weights[i] > weights[best])) best = i;
    return best;
}

/* Sets parents, starting at a root, the smallest error first. */
static void reach(struct clocks *clocks, uint32_t root, bool *done) {
    for (uint32_t i = 0; i < clocks->clock_count; i++)
        if (!clocks->clocks[i].reached) clocks->clocks[i].error_ns = INFINITY;
    clocks->clocks[root].error_ns = 0;
    for (;;) {
        uint32_t next = CLOCKS_NOBODY;
        for (uint32_t i = 0; i < clocks->clock_count; i++)
            if (!done[i] && !clocks->clocks[i].reached && isfinite(clocks->clocks[i].error_ns) &&
                (next == CLOCKS_NOBODY || clocks->clocks[i].error_ns < clocks->clocks[next].error_ns))
                next = i;
        if (next == CLOCKS_NOBODY) return;
        done[next] = clocks->clocks[next].reached = true;
        clocks->clocks[next].root = root;
        for (size_t i = 0; i < clocks->link_count; i++) {
            const struct link *link = &clocks->links[i];
            if (!clock_fit_known(&link->fit) || (link->near != next && link->far != next)) continue;
            struct clock *other = &clocks->clocks[link->near == next ? link->far : link->near];
            double error = clocks->clocks[next].error_ns + middle_error(link);
            if (other->reached || error >= other->error_ns) continue;
            other->error_ns = error;
            other->parent = next;
            other->link = i;
        }
    }
}

/* The reference first, then machines with links that do not lead to it. */
static int find_paths(struct clocks *clocks) {
    uint64_t *weights = calloc(clocks->clock_count + 1, sizeof *weights);
    bool *done = calloc(clocks->clock_count + 1, sizeof *done);
    if (!weights || !done) {
        free(weights);
        free(done);
        return -ENOMEM;
    }
    for (size_t i = 0; i < clocks->link_count; i++) {
        const struct link *link = &clocks->links[i];
        if (!clock_fit_known(&link->fit)) continue;
        weights[link->near] += link->fit.forward + link->fit.backward;
        weights[link->far] += link->fit.forward + link->fit.backward;
    }
    uint32_t root = clocks->machine_count ? choose_root(clocks, weights, clocks->reference) : CLOCKS_NOBODY;
    clocks->root = root;
    if (root != CLOCKS_NOBODY) reach(clocks, root, done);
    for (uint32_t machine = 0; machine < clocks->machine_count; machine++)
        while ((root = choose_root(clocks, weights, machine)) != CLOCKS_NOBODY) reach(clocks, root, done);
    free(weights);
    free(done);
    return 0;
}

/* ---- one map for each clock ---- */

/* The inverse map. */
static double turned(double slope) { return 1e9 / (1 + slope / 1e9) - 1e9; }

/* The map that follows from the parent's map and the link. */
static struct clock_map chain_of(const struct clocks *clocks, const struct clock *clock) {
    const struct link *link = &clocks->links[clock->link];
    const struct clock *parent = &clocks->clocks[clock->parent];
    bool is_far = link->near == clock->parent;
    uint64_t there = is_far ? link->fit.map.origin_ns : clock_map_to_far(&link->fit.map, link->fit.map.origin_ns);
    uint64_t here = is_far ? clock_map_to_far(&link->fit.map, there) : link->fit.map.origin_ns;
    uint64_t shown = parent->parent == CLOCKS_NOBODY ? there : clock_map_to_near(&parent->chain, there);
    double pace = 1 + (is_far ? link->fit.map.line.slope : turned(link->fit.map.line.slope)) / 1e9;
    if (parent->parent != CLOCKS_NOBODY) pace *= 1 + parent->chain.line.slope / 1e9;
    return (struct clock_map){shown, (int64_t)(here - shown), {0, (pace - 1) * 1e9}};
}

/* Lists the clocks except roots, parents first.  Returns how many. */
static uint32_t list_by_depth(const struct clocks *clocks, uint32_t *list) {
    uint32_t count = 0;
    for (unsigned depth = 1, before = 1; before; depth++) {
        before = 0;
        for (uint32_t i = 0; i < clocks->clock_count; i++) {
            unsigned own = 0;
            for (uint32_t at = i; clocks->clocks[at].parent != CLOCKS_NOBODY; at = clocks->clocks[at].parent) own++;
            if (own != depth) continue;
            list[count++] = i;
            before++;
        }
    }
    return count;
}

/* ---- where two paths contradict each other ---- */

static bool is_joined(const struct clocks *clocks, const struct link *link) {
    return clocks->clocks[link->near].reached && clocks->clocks[link->far].reached &&
           clocks->clocks[link->near].root == clocks->clocks[link->far].root;
}

/* Would more packets of a link be received before they were sent than contradict each other anyway? */
static bool is_contradicted(const struct clocks *clocks, const struct link *link, const struct clock_sample *samples) {
    size_t wrong = 0;
    for (size_t i = link->begin; i < link->end; i++) {
        uint64_t near = clocks__show(clocks, link->near, samples[i].near_ns),
                 far = clocks__show(clocks, link->far, samples[i].far_ns);
        wrong += samples[i].forward ? far < near : near < far;
    }
    return wrong > link->fit.outliers;
}

static bool any_contradicted(const struct clocks *clocks, const struct clock_sample *samples) {
    for (size_t i = 0; i < clocks->link_count; i++)
        if (is_joined(clocks, &clocks->links[i]) && is_contradicted(clocks, &clocks->links[i], samples)) return true;
    return false;
}

/* All packets of a clock, with shown times for the other end. */
static size_t list_shown(const struct clocks *clocks, uint32_t clock, const struct clock_sample *samples,
                         struct clock_sample *shown) {
    size_t count = 0;
    for (size_t i = 0; i < clocks->link_count; i++) {
        const struct link *link = &clocks->links[i];
        if ((link->near != clock && link->far != clock) || !is_joined(clocks, link)) continue;
        bool is_far = link->far == clock;
        for (size_t k = link->begin; k < link->end; k++) {
            const struct clock_sample *sample = &samples[k];
            shown[count++] = (struct clock_sample){.near_ns = is_far ? clocks__show(clocks, link->near, sample->near_ns)
                                                                     : clocks__show(clocks, link->far, sample->far_ns),
                                                   .far_ns = is_far ? sample->far_ns : sample->near_ns,
                                                   .forward = is_far == sample->forward};
        }
    }
    return count;
}

/* Moves each clock in turn to the middle of the room that all others leave it, until nothing is contradicted or RESOLVE_ROUNDS
 * times. */
static int resolve_contradictions(struct clocks *clocks, const uint32_t *list, uint32_t count, const struct clock_sample *samples,
                                  size_t sample_count) {
    struct clock_sample *shown = calloc(sample_count + 1, sizeof *shown);
    int result = shown ? 0 : -ENOMEM;
    for (unsigned round = 0; !result && round < RESOLVE_ROUNDS && any_contradicted(clocks, samples); round++)
        for (uint32_t i = 0; !result && i < count; i++) {
            struct clock_fit fit;
            size_t found = list_shown(clocks, list[i], samples, shown);
            result = clock_fit_init(&fit, shown, found);
            if (!result && clock_fit_known(&fit)) clocks->clocks[list[i]].own = fit.map;
        }
    free(shown);
    return result;
}

int clocks__join(struct clocks *clocks, const struct clock_sample *samples) {
    uint32_t *list = calloc((size_t)clocks->clock_count + 1, sizeof *list);
    int result = list && !find_paths(clocks) ? 0 : -ENOMEM;
    if (!result) {
        uint32_t count = list_by_depth(clocks, list);
        for (uint32_t i = 0; i < count; i++) {
            struct clock *clock = &clocks->clocks[list[i]];
            clock->own = clock->chain = chain_of(clocks, clock);
        }
        size_t sample_count = clocks->link_count ? clocks->links[clocks->link_count - 1].end : 0;
        result = resolve_contradictions(clocks, list, count, samples, sample_count);
    }
    free(list);
    return result;
}
