/* SPDX-License-Identifier: MIT
 *
 * Ticks to Unix time: see libtrace/clock.h. */
#include <libtrace/clock.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* A jump of CLOCK_REALTIME against CLOCK_MONOTONIC by more than this is a step.  Slewing moves both alike. */
#define STEP_NS 1000000

/* How far the new line may bend to meet the measure again: one part in a thousand. */
#define BEND_MAX 1e-3

uint64_t trace__monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t unix_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__)
static bool has_invariant_tsc(void) {
    unsigned a, b, c, d;
    const char *wanted = secure_getenv("P2PTRACE_CLOCK");
    if (wanted != NULL && strcmp(wanted, "monotonic") == 0) return false;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}
#endif

bool trace_clock_tsc_usable(void) {
#if defined(__x86_64__)
    static int usable = -1;                                 /* asked once: under a hypervisor the instruction is slow */
    int known = __atomic_load_n(&usable, __ATOMIC_RELAXED); /* relaxed: whoever asks finds the same */
    if (known < 0) {
        known = has_invariant_tsc();
        __atomic_store_n(&usable, known, __ATOMIC_RELAXED);
    }
    return known;
#else
    return false;
#endif
}

static uint64_t read_ticks(void) { return trace_clock_tsc_usable() ? trace__tsc() : trace__monotonic_ns(); }

struct trace_clock_sample trace_clock_read(void) {
    struct trace_clock_sample best = {0};
    uint64_t best_width = UINT64_MAX;
    for (int i = 0; i < 5; i++) { /* the narrowest of a few: an interrupt between two reads spoils one */
        uint64_t before = read_ticks();
        uint64_t monotonic = trace__monotonic_ns();
        uint64_t real = unix_ns();
        uint64_t monotonic_after = trace__monotonic_ns();
        uint64_t after = read_ticks();
        if (after - before >= best_width) continue;
        best_width = after - before;
        best.ticks = before + (after - before) / 2;
        best.monotonic_ns = monotonic + (monotonic_after - monotonic) / 2;
        best.unix_ns = real;
    }
    return best;
}

static double slope(struct trace_clock_sample a, struct trace_clock_sample b) {
    return b.ticks > a.ticks ? (double)(b.monotonic_ns - a.monotonic_ns) / (double)(b.ticks - a.ticks) : 1.0;
}

static uint64_t line_at(const struct trace_clock *clock, uint64_t ticks) {
    double behind = (double)(int64_t)(ticks - clock->line_ticks) * clock->ns_per_tick;
    return clock->line_ns + (uint64_t)(int64_t)behind;
}

void trace_clock_init(struct trace_clock *clock, struct trace_clock_sample first, struct trace_clock_sample second) {
    *clock = (struct trace_clock){
        .first = first,
        .last = second,
        .line_ticks = first.ticks,
        .line_ns = first.monotonic_ns,
        .ns_per_tick = slope(first, second),
        .unix_offset_ns = (int64_t)(second.unix_ns - second.monotonic_ns),
    };
}

bool trace_clock_update(struct trace_clock *clock, struct trace_clock_sample sample) {
    int64_t offset = (int64_t)(sample.unix_ns - sample.monotonic_ns);
    int64_t moved = offset - clock->unix_offset_ns;
    bool stepped = moved > STEP_NS || moved < -STEP_NS;

    if (sample.ticks > clock->last.ticks) {
        /* The line goes on where it is, so that time never jumps, and bends so that it would meet the measure after as long
         * again as since the last sample. */
        uint64_t here = line_at(clock, sample.ticks);
        double true_slope = slope(clock->first, sample);
        double span = (double)(sample.ticks - clock->last.ticks);
        double bend = (double)(int64_t)(sample.monotonic_ns - here) / span;
        if (bend > BEND_MAX * true_slope) bend = BEND_MAX * true_slope;
        if (bend < -BEND_MAX * true_slope) bend = -BEND_MAX * true_slope;
        clock->line_ticks = sample.ticks;
        clock->line_ns = here;
        clock->ns_per_tick = true_slope + bend;
        clock->last = sample;
    }
    if (stepped) {
        clock->unix_offset_ns = offset;
        clock->steps++;
    }
    return stepped;
}

/* Before the clock was started there is nothing measured but the ring's own opening sample. */
static uint64_t before_first(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks) {
    double measured = clock->ns_per_tick;
    if (ring->open_ticks < clock->first.ticks && ring->open_monotonic_ns < clock->first.monotonic_ns) {
        double own =
            (double)(clock->first.monotonic_ns - ring->open_monotonic_ns) / (double)(clock->first.ticks - ring->open_ticks);
        if (own > measured * (1 - BEND_MAX) && own < measured * (1 + BEND_MAX)) measured = own;
    }
    return clock->first.monotonic_ns - (uint64_t)((double)(clock->first.ticks - ticks) * measured);
}

uint64_t trace_clock_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks) {
    uint64_t monotonic;
    if (ring->source == TRACE_CLOCK_MONOTONIC)
        monotonic = ticks;
    else if (ticks >= clock->first.ticks)
        monotonic = line_at(clock, ticks);
    else
        monotonic = before_first(clock, ring, ticks);
    return monotonic + (uint64_t)clock->unix_offset_ns;
}
