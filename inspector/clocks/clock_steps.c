/* SPDX-License-Identifier: MIT */
#include "clock_steps.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Each packet of one direction that contradicts the lines so far adds 1, and each other packet subtracts this much: a few
 * wrong packets cancel out, but after a step nearly all packets of a direction are wrong. */
#define FORGET 32.0
#define WRONG_ENOUGH 5.0
#define WRONG_ENOUGH_AT_END 2.5 /* there are no more packets */

/* The bounds before anything is known about a line: wider than any clock's error, but small enough that a double still
 * resolves ns. */
#define ANYWHERE_NS 4e15

/* No clock is set this often; a hostile recording must not make us search forever. */
#define STEPS_MAX 64

/* How many packets may contradict a line that covers both parts, in addition to one in this many of the shorter part. */
#define UNITED_WRONG_MAX 2
#define UNITED_WRONG_PART 5

/* ---- walking through time ---- */

struct direction {
    double wrong;     /* the count described above */
    size_t first_bad; /* since it was last about 0 */
    size_t last_good; /* the last before that */
};

struct walk {
    const struct clock_sample *samples;
    size_t begin;
    struct clock_region region;
    struct direction directions[2];
};

static void walk_begin(struct walk *walk, size_t begin) {
    walk->begin = begin;
    clock_region_init(&walk->region, -ANYWHERE_NS, ANYWHERE_NS);
    for (unsigned i = 0; i < 2; i++) walk->directions[i] = (struct direction){.last_good = begin};
}

static bool fits(struct walk *walk, const struct clock_sample *sample) {
    const struct clock_sample *first = &walk->samples[walk->begin];
    double x = (double)(int64_t)(sample->near_ns - first->near_ns) / 1e9;
    double y = (double)(clock_sample_lead(sample) - clock_sample_lead(first));
    return clock_region_cut(&walk->region, x, y, sample->forward);
}

/* Takes the next sample.  Returns the direction if it shows that the line has ended. */
static struct direction *walk_take(struct walk *walk, size_t i) {
    struct direction *direction = &walk->directions[walk->samples[i].forward];
    if (fits(walk, &walk->samples[i])) {
        direction->wrong -= direction->wrong / FORGET;
        if (direction->wrong < 0.5) direction->last_good = i;
        return NULL;
    }
    if (direction->wrong < 0.5) direction->first_bad = i;
    direction->wrong += 1;
    return direction->wrong >= WRONG_ENOUGH ? direction : NULL;
}

/* Between the last sample that fitted and the first that did not: where the lead changes most from one sample to the next. */
static size_t place_of(const struct walk *walk, const struct direction *direction) {
    size_t place = direction->first_bad;
    uint64_t most = 0;
    for (size_t i = direction->last_good; i < direction->first_bad; i++) {
        int64_t change = clock_sample_lead(&walk->samples[i + 1]) - clock_sample_lead(&walk->samples[i]);
        uint64_t size = change < 0 ? -(uint64_t)change : (uint64_t)change;
        if (size < most) continue;
        most = size;
        place = i + 1;
    }
    return place;
}

static size_t find_begins(struct walk *walk, size_t count, size_t *begins) {
    size_t found = 0;
    walk_begin(walk, 0);
    for (size_t i = 0; i < count && found < STEPS_MAX; i++) {
        const struct direction *direction = walk_take(walk, i);
        for (unsigned k = 0; k < 2 && i + 1 == count && !direction; k++)
            if (walk->directions[k].wrong >= WRONG_ENOUGH_AT_END) direction = &walk->directions[k];
        if (!direction) continue;
        size_t place = place_of(walk, direction);
        if (place <= walk->begin) place = walk->begin + 1;
        begins[found++] = place;
        walk_begin(walk, place);
        i = place - 1; /* start again there: each walk begins after the previous one, and looks no further than necessary */
    }
    return found;
}

/* ---- false steps ---- */

/* Does one line fit both parts, [begin, middle) and [middle, end)? */
static int unites(const struct clock_sample *samples, size_t begin, size_t middle, size_t end, bool *ret_unites) {
    struct clock_fit before, after, both;
    if (clock_fit_init(&before, samples + begin, middle - begin) || clock_fit_init(&after, samples + middle, end - middle) ||
        clock_fit_init(&both, samples + begin, end - begin))
        return -ENOMEM;
    size_t shorter = middle - begin < end - middle ? middle - begin : end - middle;
    size_t more =
        both.outliers - (clock_fit_known(&before) ? before.outliers : 0) - (clock_fit_known(&after) ? after.outliers : 0);
    *ret_unites = !clock_fit_known(&both) || (ptrdiff_t)more <= (ptrdiff_t)(UNITED_WRONG_MAX + shorter / UNITED_WRONG_PART);
    return 0;
}

static int unite(const struct clock_sample *samples, size_t count, size_t *begins, size_t *begin_count) {
    for (size_t i = 0; i < *begin_count;) {
        bool united = false;
        size_t begin = i ? begins[i - 1] : 0, end = i + 1 < *begin_count ? begins[i + 1] : count;
        if (unites(samples, begin, begins[i], end, &united)) return -ENOMEM;
        if (!united) {
            i++;
            continue;
        }
        for (size_t k = i; k + 1 < *begin_count; k++) begins[k] = begins[k + 1];
        --*begin_count;
        if (i) i--; /* the previous part may continue into the longer one */
    }
    return 0;
}

int clock_steps_find(size_t **ret_begins, size_t *ret_count, const struct clock_sample *samples, size_t count) {
    size_t *begins = calloc(STEPS_MAX, sizeof *begins), found;
    struct walk walk = {.samples = samples};
    if (!begins) return -ENOMEM;
    found = find_begins(&walk, count, begins);
    if (unite(samples, count, begins, &found)) {
        free(begins);
        return -ENOMEM;
    }
    *ret_begins = begins;
    *ret_count = found;
    return 0;
}
