/* SPDX-License-Identifier: MIT */
#include "clock_region.h"

#include <math.h>

void clock_region_init(struct clock_region *region, double low, double high) {
    region->corners[0] = (struct clock_line){low, -CLOCK_SLOPE_MAX};
    region->corners[1] = (struct clock_line){high, -CLOCK_SLOPE_MAX};
    region->corners[2] = (struct clock_line){high, CLOCK_SLOPE_MAX};
    region->corners[3] = (struct clock_line){low, CLOCK_SLOPE_MAX};
    region->count = 4;
}

/* How far a line is on the right side of the point; below 0 on the wrong side. */
static double room(struct clock_line line, double x, double y, bool upper) {
    double above = clock_line_at(line, x) - y;
    return upper ? -above : above;
}

static struct clock_line between(struct clock_line a, struct clock_line b, double room_a, double room_b) {
    double part = room_a / (room_a - room_b);
    return (struct clock_line){a.at + part * (b.at - a.at), a.slope + part * (b.slope - a.slope)};
}

/* Is there a new corner between two?  Not next to one that lies on the bound itself: where the bounds of many packets meet, each
 * would add a copy of it, until no room is left for the bounds that matter. */
static bool crosses(double room_a, double room_b) { return fmin(room_a, room_b) < 0 && fmax(room_a, room_b) > 0; }

bool clock_region_cut(struct clock_region *region, double x, double y, bool upper) {
    struct clock_region left = {.count = 0};
    double rooms[CLOCK_CORNERS_MAX];
    unsigned inside = 0, crossings = 0;
    for (unsigned i = 0; i < region->count; i++) {
        rooms[i] = room(region->corners[i], x, y, upper);
        inside += rooms[i] >= 0;
    }
    if (inside == region->count) return true;
    if (!inside) return false;
    for (unsigned i = 0; i < region->count; i++) crossings += crosses(rooms[i], rooms[(i + 1) % region->count]);
    if (inside + crossings > CLOCK_CORNERS_MAX) return true;
    for (unsigned i = 0; i < region->count; i++) {
        unsigned next = (i + 1) % region->count;
        if (rooms[i] >= 0) left.corners[left.count++] = region->corners[i];
        if (crosses(rooms[i], rooms[next]))
            left.corners[left.count++] = between(region->corners[i], region->corners[next], rooms[i], rooms[next]);
    }
    *region = left;
    return true;
}

double clock_region_low(const struct clock_region *region, double x) {
    double low = INFINITY;
    for (unsigned i = 0; i < region->count; i++) low = fmin(low, clock_line_at(region->corners[i], x));
    return low;
}

double clock_region_high(const struct clock_region *region, double x) {
    double high = -INFINITY;
    for (unsigned i = 0; i < region->count; i++) high = fmax(high, clock_line_at(region->corners[i], x));
    return high;
}

/* The mean of the corners: for a polygon without area. */
static struct clock_line mean(const struct clock_region *region) {
    struct clock_line sum = {0, 0};
    for (unsigned i = 0; i < region->count; i++) {
        sum.at += region->corners[i].at / region->count;
        sum.slope += region->corners[i].slope / region->count;
    }
    return sum;
}

struct clock_line clock_region_center(const struct clock_region *region) {
    struct clock_line origin = region->corners[0], sum = {0, 0};
    double area = 0;
    for (unsigned i = 1; i + 1 < region->count;
         i++) { /* triangles that share the first corner, so that no large numbers cancel */
        struct clock_line a = {region->corners[i].at - origin.at, region->corners[i].slope - origin.slope};
        struct clock_line b = {region->corners[i + 1].at - origin.at, region->corners[i + 1].slope - origin.slope};
        double twice = a.at * b.slope - b.at * a.slope;
        area += twice;
        sum.at += twice * (a.at + b.at) / 3;
        sum.slope += twice * (a.slope + b.slope) / 3;
    }
    if (!isnormal(area)) return mean(region);
    return (struct clock_line){origin.at + sum.at / area, origin.slope + sum.slope / area};
}
