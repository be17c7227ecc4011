/* SPDX-License-Identifier: MIT */
#include "clock_lines.h"

#include "allocation.h"
#include "numbers.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <stdlib.h>

#define SEAM_NS 1 /* between two lines */

/* ---- the lines --------------------------------------------------------------------------------------------------------- */

int clock_lines_see(struct clock_lines *lines, unsigned machine, uint8_t number, uint64_t unix_ns) {
    size_t i = lines->last;
    if (i >= lines->count || lines->items[i].machine != machine || lines->items[i].number != number)
        for (i = 0; i < lines->count; i++)
            if (lines->items[i].machine == machine && lines->items[i].number == number) break;
    if (i == lines->count) {
        struct clock_line *items = memory_room(lines->items, lines->count, &lines->capacity, sizeof *items);
        if (!items) return -ENOMEM;
        lines->items = items;
        lines->items[lines->count++] =
            (struct clock_line){.machine = machine, .number = number, .first_ns = unix_ns, .last_ns = unix_ns};
    }
    lines->last = i;
    lines->items[i].first_ns = least(lines->items[i].first_ns, unix_ns);
    lines->items[i].last_ns = greatest(lines->items[i].last_ns, unix_ns);
    return 0;
}

/* Numbers are compared modulo 256, which orders them only while they lie within 128 of each other. */
static int compare_lines(const void *left, const void *right) {
    const struct clock_line *a = left, *b = right;
    if (a->machine != b->machine) return compare_numbers(a->machine, b->machine);
    if (a->number == b->number) return 0;
    return trace_clock_steps_before(a->number, b->number) ? -1 : 1;
}

static int compare_seams(const void *left, const void *right) {
    const struct clock_seam *a = left, *b = right;
    return compare_numbers(a->to_ns, b->to_ns);
}

int clock_lines_cut(struct clock_lines *lines, struct clock_seam seam) {
    struct clock_seam *seams = memory_room(lines->seams, lines->seam_count, &lines->seam_capacity, sizeof *seams);
    if (!seams) return -ENOMEM;
    lines->seams = seams;
    lines->seams[lines->seam_count++] = seam;
    return 0;
}

/* Joins the lines of one machine, the newest first, so that the newest keeps its times; unless the older ones do not fit before
 * them. */
static int join_machine(struct clock_lines *lines, size_t begin, size_t end) {
    struct clock_line *items = lines->items;
    uint64_t before_ns = 0, newest_ns = items[end - 1].first_ns;
    for (size_t i = begin; i + 1 < end; i++) before_ns += items[i].last_ns - items[i].first_ns + SEAM_NS;
    items[end - 1].shift_ns = before_ns > newest_ns ? before_ns - newest_ns : 0;
    for (size_t i = end - 1; i-- > begin;) {
        uint64_t next_ns = items[i + 1].first_ns + items[i + 1].shift_ns;
        items[i].shift_ns = next_ns - SEAM_NS - items[i].last_ns;
        const struct clock_seam seam = {.from_ns = next_ns - SEAM_NS,
                                        .to_ns = next_ns,
                                        .machine = items[i].machine,
                                        .before = items[i].number,
                                        .after = items[i + 1].number};
        if (clock_lines_cut(lines, seam)) return -ENOMEM;
    }
    return 0;
}

int clock_lines_join(struct clock_lines *lines) {
    if (lines->count) qsort(lines->items, lines->count, sizeof *lines->items, compare_lines);
    for (size_t begin = 0, end; begin < lines->count; begin = end) {
        for (end = begin + 1; end < lines->count && lines->items[end].machine == lines->items[begin].machine;) end++;
        if (join_machine(lines, begin, end)) return -ENOMEM;
    }
    if (lines->seam_count) qsort(lines->seams, lines->seam_count, sizeof *lines->seams, compare_seams);
    return 0;
}

void clock_lines_fini(struct clock_lines *lines) {
    free(lines->items);
    free(lines->seams);
    *lines = (struct clock_lines){0};
}

/* ---- times ------------------------------------------------------------------------------------------------------------- */

uint64_t clock_lines_time(const struct clock_lines *lines, unsigned machine, uint8_t number, uint64_t unix_ns) {
    uint64_t shift_ns = 0;
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->items[i].machine != machine) continue;
        shift_ns = lines->items[i].shift_ns;
        if (lines->items[i].number == number) break;
    }
    return unix_ns + shift_ns;
}

uint64_t clock_lines_unix(const struct clock_lines *lines, unsigned machine, uint64_t time_ns) {
    uint64_t shift_ns = 0;
    bool found = false;
    for (size_t i = 0; i < lines->count; i++) {
        const struct clock_line *line = &lines->items[i];
        if (line->machine != machine || (found && time_ns < line->first_ns + line->shift_ns)) continue;
        shift_ns = line->shift_ns;
        found = true;
    }
    return time_ns - shift_ns;
}

const struct clock_seam *clock_lines_seam(const struct clock_lines *lines, uint64_t after_ns) {
    size_t low = 0, high = lines->seam_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lines->seams[middle].to_ns <= after_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low < lines->seam_count ? &lines->seams[low] : NULL;
}
