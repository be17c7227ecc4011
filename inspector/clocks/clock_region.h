/* SPDX-License-Identifier: MIT
 *
 * All straight lines that pass below some points and above others.  Pure.
 *
 * A line y = at + slope * x is a point (at, slope) of a plane.  "Passes below (x, y)" is a half plane there, so the lines that
 * meet a set of such conditions form a convex polygon; each condition cuts a piece off.  A condition costs as many steps as the
 * polygon has corners, usually less than ten. */
#ifndef INSPECTOR_CLOCK_REGION_H
#define INSPECTOR_CLOCK_REGION_H

#include <stdbool.h>

/* Two clocks drift apart by no more than this: in ns a second, one in a thousand.  Crystals keep to 1e5, the kernel slews by up
 * to 5e5. */
#define CLOCK_SLOPE_MAX 1e6

/* A cut that would give the polygon more corners than this is ignored: the region is then larger than it could be, never
 * wrong. */
#define CLOCK_CORNERS_MAX 48

struct clock_line {
    double at;    /* y at x = 0, in ns */
    double slope; /* in ns a second */
};

struct clock_region {
    struct clock_line corners[CLOCK_CORNERS_MAX];
    unsigned count;
};

static inline double clock_line_at(struct clock_line line, double x) { return line.at + line.slope * x; }

/* All lines with `at` in this range, and no slope above CLOCK_SLOPE_MAX. */
void clock_region_init(struct clock_region *region, double low, double high);

/* Keeps the lines that pass below (upper) or above the point, or through it.  If there are none, returns false and changes
 * nothing. */
bool clock_region_cut(struct clock_region *region, double x, double y, bool upper);

/* The least and greatest value of its lines at x. */
double clock_region_low(const struct clock_region *region, double x);
double clock_region_high(const struct clock_region *region, double x);

/* The line in the middle: the centre of the polygon's area. */
struct clock_line clock_region_center(const struct clock_region *region);

#endif
