/* SPDX-License-Identifier: MIT */
#include "clock_fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The error of reading a clock: the counter's calibration, and the time from reading it to the send. */
#define READING_NS 1000.0

/* One packet in this many may contradict the others, by any amount, and the line still holds. */
#define OUTLIERS_PART 100

#define SUPPORT_MIN 20 /* with fewer packets in a direction, each of them counts */

static double seconds_of(uint64_t ns, uint64_t origin_ns) { return (double)(int64_t)(ns - origin_ns) / 1e9; }

static double x_of(const struct clock_fit *fit, const struct clock_sample *sample) {
    return seconds_of(sample->near_ns, fit->map.origin_ns);
}

static double y_of(const struct clock_fit *fit, const struct clock_sample *sample) {
    return (double)(clock_sample_lead(sample) - fit->map.base_ns);
}

/* ---- contradictions ---- */

/* How far a sample is above a line. */
struct residual {
    double above;
    bool upper;
};

static int compare_residuals(const void *left, const void *right) {
    const struct residual *a = left, *b = right;
    if (a->above != b->above) return a->above < b->above ? -1 : 1;
    return (int)a->upper -
           (int)b->upper; /* at the same height the lower bound comes first: the two do not contradict each other */
}

/* How far to move the line up so that the fewest samples contradict it: the middle of that range; of several ranges, the
 * widest. */
static double best_height(struct residual *residuals, size_t count, size_t lower_count) {
    size_t wrong = lower_count, fewest = SIZE_MAX;
    double best = 0, widest = -1;
    qsort(residuals, count, sizeof *residuals, compare_residuals);
    for (size_t i = 0; i + 1 < count; i++) { /* the line between this one and the next */
        wrong += residuals[i].upper ? 1 : -(size_t)1;
        double width = residuals[i + 1].above - residuals[i].above;
        if (wrong > fewest || (wrong == fewest && width <= widest)) continue;
        fewest = wrong;
        widest = width;
        best = residuals[i].above + width / 2;
    }
    return best;
}

static void list_residuals(const struct clock_fit *fit, const struct clock_sample *samples, size_t count,
                           struct residual *residuals) {
    for (size_t i = 0; i < count; i++)
        residuals[i] =
            (struct residual){y_of(fit, &samples[i]) - clock_line_at(fit->map.line, x_of(fit, &samples[i])), samples[i].forward};
}

/* ---- the region ---- */

/* The `at` of any line that passes between an upper and a lower point, wherever they are, is in this range. */
static void begin_region(struct clock_fit *fit, const struct clock_sample *samples, size_t count) {
    double low = INFINITY, high = -INFINITY, reach = 0;
    for (size_t i = 0; i < count; i++) {
        double x = fabs(x_of(fit, &samples[i])), y = y_of(fit, &samples[i]);
        reach = fmax(reach, x);
        low = fmin(low, y);
        high = fmax(high, y);
    }
    clock_region_init(&fit->region, low - CLOCK_SLOPE_MAX * reach - 1, high + CLOCK_SLOPE_MAX * reach + 1);
}

/* The region of the samples that leave a line at least this much room: upper ones above it, lower ones below. */
static void cut_region(struct clock_fit *fit, const struct clock_sample *samples, size_t count, double above_min,
                       double below_min) {
    struct clock_line line = fit->map.line;
    begin_region(fit, samples, count);
    fit->outliers = 0;
    for (size_t i = 0; i < count; i++) {
        double x = x_of(fit, &samples[i]), y = y_of(fit, &samples[i]), above = y - clock_line_at(line, x);
        bool wrong = samples[i].forward ? above < above_min : -above < below_min;
        if (wrong || !clock_region_cut(&fit->region, x, y, samples[i].forward)) fit->outliers++;
    }
}

static void fit_line(struct clock_fit *fit, const struct clock_sample *samples, size_t count, double height) {
    cut_region(fit, samples, count, height, -height);
    fit->map.line = clock_region_center(&fit->region);
}

static int compare_up(const void *left, const void *right) {
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The room that the packets of a direction leave the line, ignoring one packet in this many; those that contradict it leave
 * none. */
static double usual_room(const struct clock_fit *fit, const struct clock_sample *samples, size_t count, bool forward,
                         double *room) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        double above = y_of(fit, &samples[i]) - clock_line_at(fit->map.line, x_of(fit, &samples[i]));
        if (samples[i].forward == forward) room[found++] = forward ? above : -above;
    }
    qsort(room, found, sizeof *room, compare_up);
    return found < SUPPORT_MIN ? 0 : fmax(room[(found + OUTLIERS_PART - 1) / OUTLIERS_PART], 0);
}

/* More lines may be true than those that contradict no packet: some packets may be wrong and contradict nothing. */
static void widen(struct clock_fit *fit, const struct clock_sample *samples, size_t count, double *room) {
    size_t outliers = fit->outliers;
    double above_min = usual_room(fit, samples, count, true, room), below_min = usual_room(fit, samples, count, false, room);
    cut_region(fit, samples, count, above_min, below_min);
    fit->outliers = outliers;
}

static int compare_down(const void *left, const void *right) {
    const double *a = left, *b = right;
    return *a > *b ? -1 : *a < *b;
}

/* How much samples contradict the line, except for the worst of them: a few may do so by any amount. */
static void find_doubt(struct clock_fit *fit, const struct clock_sample *samples, size_t count, double *room) {
    size_t wrong = 0, spared = count / OUTLIERS_PART > 1 ? count / OUTLIERS_PART : 1;
    for (size_t i = 0; i < count; i++) {
        double above = y_of(fit, &samples[i]) - clock_line_at(fit->map.line, x_of(fit, &samples[i]));
        double by = samples[i].forward ? -above : above;
        if (by > 0) room[wrong++] = by;
    }
    if (wrong) qsort(room, wrong, sizeof *room, compare_down);
    fit->doubt_ns = wrong > spared ? room[spared] : 0;
}

static void find_bounds(struct clock_fit *fit, const struct clock_sample *samples, size_t count) {
    fit->at_most_ns = INT64_MAX;
    fit->at_least_ns = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        int64_t lead = clock_sample_lead(&samples[i]);
        fit->forward += samples[i].forward;
        fit->backward += !samples[i].forward;
        if (samples[i].forward && lead < fit->at_most_ns) fit->at_most_ns = lead;
        if (!samples[i].forward && lead > fit->at_least_ns) fit->at_least_ns = lead;
    }
}

static uint64_t middle_of(const struct clock_sample *samples, size_t count) {
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; i < count; i++) {
        if (samples[i].near_ns < first) first = samples[i].near_ns;
        if (samples[i].near_ns > last) last = samples[i].near_ns;
    }
    return first + (last - first) / 2;
}

int clock_fit_init(struct clock_fit *ret_fit, const struct clock_sample *samples, size_t count) {
    struct clock_fit fit = {0};
    find_bounds(&fit, samples, count);
    if (!clock_fit_known(&fit)) {
        *ret_fit = fit;
        return 0;
    }
    struct residual *residuals = calloc(count, sizeof *residuals);
    double *room = calloc(count, sizeof *room);
    if (!residuals || !room) {
        free(residuals);
        free(room);
        return -ENOMEM;
    }
    fit.map.origin_ns = middle_of(samples, count);
    fit.map.base_ns = clock_sample_lead(&samples[0]);
    cut_region(&fit, samples, count, -INFINITY, -INFINITY);
    fit.map.line = clock_region_center(&fit.region);
    if (fit.outliers) {
        list_residuals(&fit, samples, count, residuals);
        fit_line(&fit, samples, count, best_height(residuals, count, fit.backward));
    }
    find_doubt(&fit, samples, count, room);
    widen(&fit, samples, count, room);
    free(residuals);
    free(room);
    *ret_fit = fit;
    return 0;
}

/* ---- the same moment ---- */

uint64_t clock_map_to_far(const struct clock_map *map, uint64_t near_ns) {
    return near_ns + (uint64_t)map->base_ns + (uint64_t)llround(clock_line_at(map->line, seconds_of(near_ns, map->origin_ns)));
}

uint64_t clock_map_to_near(const struct clock_map *map, uint64_t far_ns) {
    double behind = (double)(int64_t)(far_ns - map->origin_ns - (uint64_t)map->base_ns) - map->line.at;
    return map->origin_ns + (uint64_t)llround(behind / (1 + map->line.slope / 1e9));
}

double clock_fit_error(const struct clock_fit *fit, uint64_t near_ns) {
    double x = seconds_of(near_ns, fit->map.origin_ns), here = clock_line_at(fit->map.line, x);
    double up = clock_region_high(&fit->region, x) - here, down = here - clock_region_low(&fit->region, x);
    return fmax(up, down) + fit->doubt_ns + READING_NS;
}
