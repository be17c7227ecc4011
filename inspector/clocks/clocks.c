/* SPDX-License-Identifier: MIT */
#include "clocks.h"

#include "clock_steps.h"
#include "clocks_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two links may both report a step of one machine.  It is the same step if the sizes are about equal and the times this near. */
#define SAME_STEP_NS 5e9
#define SAME_SIZE_NS 1e6
#define SAME_SIZE_PART 10

/* A smaller step than this does not show which of the two clocks it was: they may only have changed their pace. */
#define CLEAR_STEP_NS 1000000

/* ---- packets by their ends ---- */

/* A sample with its two clocks, or machines before clocks are known. */
struct pair {
    uint32_t near, far;
    struct clock_sample sample;
};

static int compare_pairs(const void *left, const void *right) {
    const struct pair *a = left, *b = right;
    if (a->near != b->near) return a->near < b->near ? -1 : 1;
    if (a->far != b->far) return a->far < b->far ? -1 : 1;
    if (a->sample.near_order != b->sample.near_order) return a->sample.near_order < b->sample.near_order ? -1 : 1;
    return a->sample.far_order < b->sample.far_order ? -1 : a->sample.far_order > b->sample.far_order;
}

static struct pair pair_of(const struct clocks_packet *packet) {
    bool forward = packet->from < packet->to;
    struct clock_sample sample = {.near_ns = forward ? packet->sent_ns : packet->received_ns,
                                  .far_ns = forward ? packet->received_ns : packet->sent_ns,
                                  .near_order = forward ? packet->sent_order : packet->received_order,
                                  .far_order = forward ? packet->received_order : packet->sent_order,
                                  .forward = forward};
    return (struct pair){forward ? packet->from : packet->to, forward ? packet->to : packet->from, sample};
}

static size_t list_pairs(struct clocks *clocks, const struct clocks_packet *packets, size_t count, struct pair *pairs) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (packets[i].from == packets[i].to) continue;
        clocks->packets[packets[i].from]++;
        clocks->packets[packets[i].to]++;
        pairs[found++] = pair_of(&packets[i]);
    }
    if (found) qsort(pairs, found, sizeof *pairs, compare_pairs);
    return found;
}

/* The end of the run of samples between the same two clocks as the first. */
static size_t end_of_group(const struct pair *pairs, size_t begin, size_t count) {
    size_t end = begin + 1;
    while (end < count && pairs[end].near == pairs[begin].near && pairs[end].far == pairs[begin].far) end++;
    return end;
}

static void copy_samples(struct clock_sample *samples, const struct pair *pairs, size_t count) {
    for (size_t i = 0; i < count; i++) samples[i] = pairs[i].sample;
}

/* ---- steps ---- */

/* A clock advances as much as time does, unless it was stepped: then it advances more or less, or goes back. */
static void add_step(struct clocks *clocks, const struct pair *before, const struct pair *after) {
    int64_t near = (int64_t)(after->sample.near_ns - before->sample.near_ns);
    int64_t far = (int64_t)(after->sample.far_ns - before->sample.far_ns);
    bool clear = magnitude(near - far) >= CLEAR_STEP_NS, is_near = clear ? magnitude(near) > magnitude(far) : false;
    if (!clear && before->far == clocks->reference) is_near = true;
    uint64_t before_order = is_near ? before->sample.near_order : before->sample.far_order;
    uint64_t after_order = is_near ? after->sample.near_order : after->sample.far_order;
    bool turned = before_order > after_order; /* the packets overtook each other */
    clocks->steps[clocks->step_count++] = (struct step){.machine = is_near ? before->near : before->far,
                                                        .first_order = turned ? after_order : before_order,
                                                        .last_order = turned ? before_order : after_order,
                                                        .before_ns = is_near ? before->sample.near_ns : before->sample.far_ns,
                                                        .after_ns = is_near ? after->sample.near_ns : after->sample.far_ns};
}

static int find_steps(struct clocks *clocks, const struct pair *pairs, size_t count, struct clock_sample *samples) {
    size_t capacity = 0;
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t *begins, begin_count;
        end = end_of_group(pairs, begin, count);
        copy_samples(samples, pairs + begin, end - begin);
        if (clock_steps_find(&begins, &begin_count, samples, end - begin)) return -ENOMEM;
        struct step *steps = clocks->steps;
        if (clocks->step_count + begin_count > capacity || !steps) {
            capacity = 2 * (clocks->step_count + begin_count) + 1;
            steps = realloc(clocks->steps, capacity * sizeof *steps);
        }
        if (steps) clocks->steps = steps;
        for (size_t i = 0; steps && i < begin_count; i++)
            add_step(clocks, &pairs[begin + begins[i] - 1], &pairs[begin + begins[i]]);
        free(begins);
        if (!steps) return -ENOMEM;
    }
    return 0;
}

static int compare_steps(const void *left, const void *right) {
    const struct step *a = left, *b = right;
    if (a->machine != b->machine) return a->machine < b->machine ? -1 : 1;
    if (a->first_order != b->first_order) return a->first_order < b->first_order ? -1 : 1;
    return a->last_order < b->last_order ? -1 : a->last_order > b->last_order;
}

static bool is_same_step(const struct step *a, const struct step *b) {
    if (a->machine != b->machine) return false;
    if (b->first_order < a->last_order) return true;
    int64_t a_size = (int64_t)(a->after_ns - a->before_ns), b_size = (int64_t)(b->after_ns - b->before_ns);
    double apart = fabs((double)(int64_t)(b->before_ns - a->before_ns));
    double differ = fabs((double)a_size - (double)b_size);
    return apart < SAME_STEP_NS && magnitude(a_size) > CLEAR_STEP_NS && (a_size < 0) == (b_size < 0) &&
           differ < SAME_SIZE_NS + fabs((double)a_size) / SAME_SIZE_PART;
}

/* Merges two reports of one step: their overlap, or otherwise the time between them. */
static void unite_steps(struct step *a, const struct step *b) {
    if (b->first_order < a->last_order) {
        a->first_order = b->first_order;
        a->before_ns = b->before_ns;
        if (b->last_order < a->last_order) {
            a->last_order = b->last_order;
            a->after_ns = b->after_ns;
        }
        return;
    }
    a->last_order = b->last_order;
    a->after_ns = b->after_ns;
}

static void arrange_steps(struct clocks *clocks) {
    size_t kept = 0;
    if (clocks->step_count) qsort(clocks->steps, clocks->step_count, sizeof *clocks->steps, compare_steps);
    for (size_t i = 0; i < clocks->step_count; i++) {
        if (kept && is_same_step(&clocks->steps[kept - 1], &clocks->steps[i]))
            unite_steps(&clocks->steps[kept - 1], &clocks->steps[i]);
        else
            clocks->steps[kept++] = clocks->steps[i];
    }
    clocks->step_count = kept;
}

/* A clock for each machine, and one more after each step. */
static int make_clocks(struct clocks *clocks) {
    size_t step = 0;
    clocks->clock_count = clocks->machine_count + (uint32_t)clocks->step_count;
    clocks->clocks = calloc(clocks->clock_count, sizeof *clocks->clocks);
    if (!clocks->clocks) return -ENOMEM;
    for (uint32_t machine = 0, clock = 0; machine < clocks->machine_count; machine++) {
        clocks->first_clock[machine] = clock;
        do {
            clocks->clocks[clock] = (struct clock){.machine = machine, .parent = CLOCKS_NOBODY, .root = clock};
            clock++;
        } while (step < clocks->step_count && clocks->steps[step].machine == machine && ++step);
        clocks->first_clock[machine + 1] = clock;
    }
    return 0;
}

/* ---- links ---- */

static int make_links(struct clocks *clocks, struct pair *pairs, size_t count, struct clock_sample *samples) {
    size_t groups = 0;
    for (size_t i = 0; i < count; i++) {
        struct clock_sample *sample = &pairs[i].sample;
        pairs[i].near = clocks__find(clocks, pairs[i].near, sample->near_order, sample->near_ns);
        pairs[i].far = clocks__find(clocks, pairs[i].far, sample->far_order, sample->far_ns);
    }
    if (count) qsort(pairs, count, sizeof *pairs, compare_pairs);
    copy_samples(samples, pairs, count);
    for (size_t i = 0; i < count; i = end_of_group(pairs, i, count)) groups++;
    clocks->links = calloc(groups + 1, sizeof *clocks->links);
    if (!clocks->links) return -ENOMEM;
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = end_of_group(pairs, begin, count);
        struct link *link = &clocks->links[clocks->link_count++];
        *link = (struct link){.near = pairs[begin].near, .far = pairs[begin].far, .begin = begin, .end = end};
        if (clock_fit_init(&link->fit, samples + begin, end - begin)) return -ENOMEM;
    }
    return clocks__join(clocks, samples);
}

static void show_steps(struct clocks *clocks) {
    for (size_t i = 0; i < clocks->step_count; i++) {
        struct step *step = &clocks->steps[i];
        uint32_t clock = (uint32_t)i + step->machine;
        step->before_here = clocks__show(clocks, clock, step->before_ns);
        step->after_here = clocks__show(clocks, clock + 1, step->after_ns);
    }
}

static int estimate(struct clocks *clocks, const struct clocks_packet *packets, size_t count) {
    struct pair *pairs = calloc(count + 1, sizeof *pairs);
    struct clock_sample *samples = calloc(count + 1, sizeof *samples);
    int result = pairs && samples ? 0 : -ENOMEM;
    if (!result) {
        count = list_pairs(clocks, packets, count, pairs);
        for (uint32_t i = 0; i < clocks->machine_count; i++)
            if (clocks->packets[i] > clocks->packets[clocks->reference]) clocks->reference = i;
        result = find_steps(clocks, pairs, count, samples);
    }
    if (!result) {
        arrange_steps(clocks);
        result = make_clocks(clocks);
    }
    if (!result) result = make_links(clocks, pairs, count, samples);
    if (!result) show_steps(clocks);
    free(pairs);
    free(samples);
    return result;
}

int clocks_create(struct clocks **ret_clocks, uint32_t machine_count, const struct clocks_packet *packets, size_t count) {
    struct clocks *clocks = calloc(1, sizeof *clocks);
    if (!clocks) return -ENOMEM;
    clocks->machine_count = machine_count;
    clocks->first_clock = calloc((size_t)machine_count + 1, sizeof *clocks->first_clock);
    clocks->packets = calloc((size_t)machine_count + 1, sizeof *clocks->packets);
    if (!clocks->first_clock || !clocks->packets || estimate(clocks, packets, count)) {
        clocks_destroy(clocks);
        return -ENOMEM;
    }
    *ret_clocks = clocks;
    return 0;
}

void clocks_destroy(struct clocks *clocks) {
    if (!clocks) return;
    free(clocks->first_clock);
    free(clocks->packets);
    free(clocks->steps);
    free(clocks->clocks);
    free(clocks->links);
    free(clocks);
}

/* ---- times ---- */

uint64_t clocks_time(const struct clocks *clocks, uint32_t machine, uint64_t order, uint64_t raw_ns) {
    return clocks__show(clocks, clocks__find(clocks, machine, order, raw_ns), raw_ns);
}

bool clocks_is_one(const struct clocks *clocks, uint32_t machine, uint64_t first_order, uint64_t last_order) {
    for (uint32_t clock = clocks->first_clock[machine]; clock + 1 < clocks->first_clock[machine + 1]; clock++) {
        const struct step *step = &clocks->steps[clock - machine];
        if (first_order < step->last_order && last_order > step->first_order) return false;
    }
    return true;
}

void clocks_widen(const struct clocks *clocks, uint32_t machine, uint64_t *min_ns, uint64_t *max_ns) {
    uint32_t from = machine == CLOCKS_NOBODY ? 0 : clocks->first_clock[machine];
    uint32_t to = clocks->first_clock[machine == CLOCKS_NOBODY ? clocks->machine_count : machine + 1];
    uint64_t least = UINT64_MAX, greatest = 0;
    for (uint32_t clock = from; clock < to; clock++) {
        uint64_t low = clocks__show(clocks, clock, *min_ns), high = clocks__show(clocks, clock, *max_ns);
        if (low < least) least = low;
        if (high > greatest) greatest = high;
    }
    *min_ns = least;
    *max_ns = greatest;
}

/* ---- what is known about clocks ---- */

/* The clock that a machine had at a moment of shown time. */
static uint32_t clock_at(const struct clocks *clocks, uint32_t machine, uint64_t time_ns) {
    uint32_t clock = clocks->first_clock[machine];
    while (clock + 1 < clocks->first_clock[machine + 1]) {
        const struct step *step = &clocks->steps[clock - machine];
        int64_t width = (int64_t)(step->after_here - step->before_here);
        if ((int64_t)(time_ns - step->before_here) <= width / 2) break;
        clock++;
    }
    return clock;
}

/* The errors of the links, plus how far clocks were moved because of other links. */
static void find_error(const struct clocks *clocks, uint32_t clock, uint64_t time_ns, struct clocks_lead *lead) {
    uint64_t own_ns = clocks__unshow(clocks, clock, time_ns);
    double error = (double)magnitude((int64_t)(own_ns - clock_map_to_far(&clocks->clocks[clock].chain, time_ns)));
    lead->packets = UINT64_MAX;
    for (const struct clock *at = &clocks->clocks[clock]; at->parent != CLOCKS_NOBODY; at = &clocks->clocks[at->parent]) {
        const struct link *link = &clocks->links[at->link];
        error += clock_fit_error(&link->fit, clocks__unshow(clocks, link->near, time_ns));
        if (link->fit.forward + link->fit.backward < lead->packets) lead->packets = link->fit.forward + link->fit.backward;
    }
    lead->error_ns = (uint64_t)ceil(error);
}

/* The bounds of the first link that has packets in one direction only. */
static void find_bounds(const struct clocks *clocks, uint32_t clock, struct clocks_lead *lead) {
    for (size_t i = 0; i < clocks->link_count; i++) {
        const struct link *link = &clocks->links[i];
        const struct clock_fit *fit = &link->fit;
        if ((link->near != clock && link->far != clock) || clock_fit_known(fit) || lead->beside != CLOCKS_NOBODY) continue;
        bool is_far = link->far == clock;
        lead->beside = clocks->clocks[is_far ? link->near : link->far].machine;
        lead->has_most = is_far ? fit->forward : fit->backward;
        lead->has_least = is_far ? fit->backward : fit->forward;
        if (lead->has_most) lead->most_ns = is_far ? fit->at_most_ns : -fit->at_least_ns;
        if (lead->has_least) lead->least_ns = is_far ? fit->at_least_ns : -fit->at_most_ns;
    }
}

bool clocks_is_known(const struct clocks *clocks, uint32_t machine) {
    for (uint32_t clock = clocks->first_clock[machine]; clock < clocks->first_clock[machine + 1]; clock++)
        if (clocks->clocks[clock].parent == CLOCKS_NOBODY && !clocks->clocks[clock].reached) return false;
    return true;
}

void clocks_lead(const struct clocks *clocks, uint32_t machine, uint64_t time_ns, struct clocks_lead *ret_lead) {
    uint32_t index = clock_at(clocks, machine, time_ns);
    const struct clock *clock = &clocks->clocks[index];
    struct clocks_lead lead = {.known = clock->parent != CLOCKS_NOBODY,
                               .is_reference = clock->parent == CLOCKS_NOBODY && clock->reached,
                               .reference = clock->reached ? clocks->clocks[clock->root].machine : CLOCKS_NOBODY,
                               .apart = clock->reached && clock->root != clocks->root,
                               .steps = clocks->first_clock[machine + 1] - clocks->first_clock[machine] - 1,
                               .beside = CLOCKS_NOBODY};
    if (lead.known) {
        uint64_t own_ns = clocks__unshow(clocks, index, time_ns), later_ns = clocks__unshow(clocks, index, time_ns + 1000000000);
        lead.lead_ns = (int64_t)(own_ns - time_ns);
        lead.drift = (double)(int64_t)(later_ns - own_ns - 1000000000) / 1e9;
        find_error(clocks, index, time_ns, &lead);
    } else if (!lead.is_reference) {
        find_bounds(clocks, index, &lead);
    }
    *ret_lead = lead;
}

bool clocks_step(const struct clocks *clocks, uint32_t machine, uint32_t index, struct clocks_step *ret_step) {
    if (index + 1 >= clocks->first_clock[machine + 1] - clocks->first_clock[machine]) return false;
    uint32_t clock = clocks->first_clock[machine] + index;
    const struct step *step = &clocks->steps[clock - machine];
    uint64_t here = step->before_here + (uint64_t)((int64_t)(step->after_here - step->before_here) / 2);
    *ret_step =
        (struct clocks_step){.before_ns = step->before_here,
                             .after_ns = step->after_here,
                             .by_ns = (int64_t)(clocks__unshow(clocks, clock + 1, here) - clocks__unshow(clocks, clock, here))};
    return true;
}
