/* SPDX-License-Identifier: MIT
 *
 * Paces of a writer and its reader: see pace.h. */
#include "pace.h"

/* How fast the best pace is forgotten: it grows by 1 / FORGET with each slower run, and so doubles in about 700 runs. */
#define FORGET 1024

void pace_restart(struct pace *pace, uint64_t head, uint64_t now_ns) {
    pace->older_head = pace->newer_head = head;
    pace->older_ns = pace->newer_ns = now_ns;
    pace->look_ns = 0;
}

static void measure_reader(struct pace *pace, uint64_t run_events, uint64_t run_ns) {
    uint64_t ps = run_ns * 1000 / run_events;
    if (pace->best_ps == 0 || ps < pace->best_ps)
        pace->best_ps = ps;
    else
        pace->best_ps += pace->best_ps / FORGET;
}

void pace_look(struct pace *pace, uint64_t head, uint64_t taken, uint32_t lane_events, uint64_t now_ns) {
    uint64_t run_events = taken - pace->look_taken;
    if (pace->look_ns != 0 && run_events > 0 && now_ns > pace->look_ns) measure_reader(pace, run_events, now_ns - pace->look_ns);
    if (head - pace->newer_head >= lane_events / 4) {
        pace->older_head = pace->newer_head;
        pace->older_ns = pace->newer_ns;
        pace->newer_head = head;
        pace->newer_ns = now_ns;
    }
    pace->look_ns = now_ns;
    pace->look_taken = taken;
}

bool pace_is_faster(const struct pace *pace, uint64_t head, uint32_t lane_events, uint64_t now_ns) {
    uint64_t made = head - pace->older_head, elapsed_ns = now_ns - pace->older_ns;
    if (made < lane_events / 4) return false;
    return elapsed_ns * 1000 / made < pace->best_ps + pace->best_ps / 2;
}
