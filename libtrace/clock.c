/* SPDX-License-Identifier: MIT
 *
 * Ticks to Unix time: see libtrace/clock.h. */
#include <libtrace/clock.h>
#include <proto/clock.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* A jump of CLOCK_REALTIME against CLOCK_MONOTONIC by more than this is a step.  Slewing moves both clocks equally. */
#define STEP_NS 1000000

/* The counter and CLOCK_MONOTONIC have separated, rather than drifted, when they are further apart than STEP_NS plus the drift
 * of the elapsed time at one part in a thousand (adjtime slews by half of that); the drift is capped at this. */
#define DRIFT_NS_MAX 20e6

/* No event is this far in the future: its ticks are from before the counter restarted. */
#define FUTURE_NS 10e9

/* The slope of the first line is measured over some milliseconds; read a microsecond late, it would be off by 200 us a second. */
#define INTERVAL_NS_MIN UINT64_C(5000000)
#define INTERVAL_NS_MAX UINT64_C(1000000000)

/* How much a line may bend to meet the measurement again: one part in a thousand. */
#define BEND_MAX 1e-3

uint64_t trace__monotonic_ns(void) { return trace_now_monotonic_ns(); }

#if defined(__x86_64__)
static bool has_invariant_tsc(void) {
    unsigned a, b, c, d;
    const char *wanted = secure_getenv("P2PTRACE_CLOCK");
    if (wanted && strcmp(wanted, "monotonic") == 0) return false;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}
#endif

bool trace_clock_tsc_usable(void) {
#if defined(__x86_64__)
    static int usable = -1;                                 /* determined once: under a hypervisor the instruction is slow */
    int known = __atomic_load_n(&usable, __ATOMIC_RELAXED); /* relaxed: every thread finds the same value */
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
    for (int i = 0; i < 5; i++) { /* take the narrowest of a few: an interrupt between two reads spoils a sample */
        uint64_t before = read_ticks();
        uint64_t monotonic = trace__monotonic_ns();
        uint64_t real = trace_now_unix_ns();
        uint64_t monotonic_after = trace__monotonic_ns();
        uint64_t after = read_ticks();
        if (after - before >= best_width) continue;
        best_width = after - before;
        best.ticks = before + (after - before) / 2;
        best.monotonic_ns = monotonic + (monotonic_after - monotonic) / 2;
        best.unix_ns = real;
        best.width_ticks = best_width;
    }
    return best;
}

static double slope_between(struct trace_clock_sample a, struct trace_clock_sample b) {
    return b.ticks > a.ticks ? (double)(b.monotonic_ns - a.monotonic_ns) / (double)(b.ticks - a.ticks) : 1.0;
}

static uint64_t at_line(uint64_t line_ticks, uint64_t line_ns, double ns_per_tick, uint64_t ticks) {
    double behind = (double)(int64_t)(ticks - line_ticks) * ns_per_tick;
    return line_ns + (uint64_t)(int64_t)behind;
}

static uint64_t line_at(const struct trace_clock *clock, uint64_t ticks) {
    return at_line(clock->line_ticks, clock->line_ns, clock->ns_per_tick, ticks);
}

void trace_clock_init(struct trace_clock *clock, struct trace_clock_sample first, struct trace_clock_sample second) {
    *clock = (struct trace_clock){
        .first = first,
        .last = second,
        .line_ticks = first.ticks,
        .line_ns = first.monotonic_ns,
        .ns_per_tick = slope_between(first, second),
        .unix_offset_ns = (int64_t)(second.unix_ns - second.monotonic_ns),
    };
}

/* ---- samples --------------------------------------------------------------------------------------------------------------- */

/* The measured slope, without the bend of the line in force. */
static double measured_slope(const struct trace_clock *clock) {
    return clock->last.ticks > clock->first.ticks ? slope_between(clock->first, clock->last) : clock->ns_per_tick;
}

/* How far the measured slope may lead astray until the sample, in ticks: its ends are known no better than they were read. */
static double slope_blur(const struct trace_clock *clock, const struct trace_clock_sample *sample) {
    if (clock->last.ticks <= clock->first.ticks) return 0;
    double width = (double)(clock->first.width_ticks + clock->last.width_ticks);
    return width * (double)(sample->ticks - clock->last.ticks) / (double)(clock->last.ticks - clock->first.ticks);
}

bool trace_clock_is_broken(const struct trace_clock *clock, const struct trace_clock_sample *sample) {
    if (sample->monotonic_ns <= clock->last.monotonic_ns) return false; /* it was read before */
    if (sample->ticks <= clock->last.ticks) return true;
    double counted = (double)(sample->ticks - clock->last.ticks) * measured_slope(clock);
    double passed = (double)(sample->monotonic_ns - clock->last.monotonic_ns);
    double apart = counted > passed ? counted - passed : passed - counted;
    double drift = passed * BEND_MAX;
    return apart > STEP_NS + (drift < DRIFT_NS_MAX ? drift : DRIFT_NS_MAX) +
                       ((double)(sample->width_ticks + clock->last.width_ticks) + slope_blur(clock, sample)) * clock->ns_per_tick;
}

static bool is_stepped(const struct trace_clock *clock, const struct trace_clock_sample *sample, int64_t offset) {
    double moved = (double)(offset - clock->unix_offset_ns);
    double limit = STEP_NS + (double)sample->width_ticks * clock->ns_per_tick;
    return moved > limit || moved < -limit;
}

/* Keeps the line that was in force.  Unread events since the last sample were most likely emitted after the step, because most
 * of those before it have been read already. */
static void keep_past(struct trace_clock *clock, const struct trace_clock_sample *sample, bool broken) {
    struct trace_clock_past past = {
        .until_ticks = clock->last.ticks,
        .until_ns = clock->last.monotonic_ns,
        .first = clock->first,
        .line_ticks = clock->line_ticks,
        .line_ns = clock->line_ns,
        .ns_per_tick = clock->ns_per_tick,
        .unix_offset_ns = clock->unix_offset_ns,
        .steps = clock->steps,
    };
    double awake_ticks = (double)(sample->monotonic_ns - clock->last.monotonic_ns) / measured_slope(clock);
    past.counter_fell = broken && sample->ticks <= clock->last.ticks;
    if (past.counter_fell) /* the highest value that the counter may have reached */
        past.until_ticks = clock->last.ticks + (uint64_t)(2 * awake_ticks);
    else if (broken && (double)(sample->ticks - clock->last.ticks) > awake_ticks)
        past.until_ticks = sample->ticks - (uint64_t)awake_ticks;
    if (clock->past_count < TRACE_CLOCK_PASTS_MAX) clock->past_count++;
    memmove(&clock->pasts[1], &clock->pasts[0], (clock->past_count - 1) * sizeof clock->pasts[0]);
    clock->pasts[0] = past;
}

/* Begins a line at the sample with the measured slope, because the counter's rate has not changed.  The start of the
 * measurement moves along, so that the slope need not be measured from scratch. */
static void restart(struct trace_clock *clock, struct trace_clock_sample sample) {
    struct trace_clock_sample first = sample;
    uint64_t ticks = clock->last.ticks - clock->first.ticks, ns = clock->last.monotonic_ns - clock->first.monotonic_ns;
    double true_slope = measured_slope(clock);
    if (clock->last.ticks > clock->first.ticks && sample.ticks > ticks && sample.monotonic_ns > ns) {
        first.ticks -= ticks;
        first.monotonic_ns -= ns;
        first.unix_ns -= ns;
    }
    clock->first = first;
    clock->line_ticks = sample.ticks;
    clock->line_ns = sample.monotonic_ns;
    clock->ns_per_tick = true_slope;
    clock->last = sample;
    clock->restarts++;
}

uint64_t trace_clock_interval_ns(const struct trace_clock *clock) {
    uint64_t measured_ns = clock->last.monotonic_ns - clock->first.monotonic_ns;
    if (measured_ns < INTERVAL_NS_MIN) return INTERVAL_NS_MIN;
    return measured_ns < INTERVAL_NS_MAX ? measured_ns : INTERVAL_NS_MAX;
}

/* The line continues from where it is, so that time never jumps.  It bends to meet the measurement when the next sample is due,
 * or, where samples are rarer, after as much time again as has passed since the last one. */
static void bend_line(struct trace_clock *clock, struct trace_clock_sample sample) {
    uint64_t here = line_at(clock, sample.ticks);
    double true_slope = slope_between(clock->first, sample);
    double passed = (double)(sample.ticks - clock->last.ticks);
    clock->last = sample;
    double interval = (double)trace_clock_interval_ns(clock) / true_slope;
    double span = passed > interval ? passed : interval;
    double bend = (double)(int64_t)(sample.monotonic_ns - here) / span;
    if (bend > BEND_MAX * true_slope) bend = BEND_MAX * true_slope;
    if (bend < -BEND_MAX * true_slope) bend = -BEND_MAX * true_slope;
    clock->line_ticks = sample.ticks;
    clock->line_ns = here;
    clock->ns_per_tick = true_slope + bend;
}

bool trace_clock_update(struct trace_clock *clock, struct trace_clock_sample sample) {
    int64_t offset = (int64_t)(sample.unix_ns - sample.monotonic_ns);
    bool broken = trace_clock_is_broken(clock, &sample), stepped = is_stepped(clock, &sample, offset);

    if (broken || stepped) {
        keep_past(clock, &sample, broken);
        /* What passed between a last sample and a sleep is not known. */
        clock->step_after_ns = sample.unix_ns;
        clock->step_before_ns = (broken ? clock->last.monotonic_ns : sample.monotonic_ns) + (uint64_t)clock->unix_offset_ns;
    }
    if (broken)
        restart(clock, sample);
    else if (sample.ticks > clock->last.ticks)
        bend_line(clock, sample);
    if (broken || stepped) {
        clock->unix_offset_ns = offset;
        clock->steps++;
    }
    return broken || stepped;
}

/* ---- times --------------------------------------------------------------------------------------------------------------- */

bool trace_clock_slept_since_open(const struct trace_clock_sample *sample, const struct trace_ring_clock *ring) {
    int64_t moved = (int64_t)(sample->unix_ns - sample->monotonic_ns) - (int64_t)(ring->open_unix_ns - ring->open_monotonic_ns);
    return ring->open_unix_ns != 0 && (moved > STEP_NS || moved < -STEP_NS);
}

/* Before the clock was started, the ring's own opening sample is the only measurement.  If the machine was suspended in
 * between, it says nothing about the slope. */
static uint64_t before_first(const struct trace_clock_sample *first, double ns_per_tick, const struct trace_ring_clock *ring,
                             uint64_t ticks) {
    double measured = ns_per_tick;
    if (ring->open_ticks < first->ticks && ring->open_monotonic_ns < first->monotonic_ns &&
        !trace_clock_slept_since_open(first, ring)) {
        double own = (double)(first->monotonic_ns - ring->open_monotonic_ns) / (double)(first->ticks - ring->open_ticks);
        if (own > measured * (1 - BEND_MAX) && own < measured * (1 + BEND_MAX)) measured = own;
    }
    return first->monotonic_ns - (uint64_t)((double)(first->ticks - ticks) * measured);
}

/* Are these ticks far beyond what the counter has reached? */
static bool is_future(const struct trace_clock *clock, uint64_t ticks) {
    return ticks > clock->last.ticks && (double)(ticks - clock->last.ticks) * clock->ns_per_tick > FUTURE_NS;
}

static bool is_of_past(const struct trace_clock *clock, const struct trace_clock_past *past, uint64_t ticks) {
    if (past->counter_fell) return is_future(clock, ticks) && ticks <= past->until_ticks;
    return ticks < past->until_ticks;
}

static uint64_t tsc_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks,
                            uint64_t *ret_steps) {
    const struct trace_clock_past *past = NULL;
    for (uint32_t i = 0; i < clock->past_count && is_of_past(clock, &clock->pasts[i], ticks); i++) past = &clock->pasts[i];
    *ret_steps = past ? past->steps : clock->steps;
    if (past) {
        uint64_t ns = ticks < past->first.ticks ? before_first(&past->first, past->ns_per_tick, ring, ticks)
                                                : at_line(past->line_ticks, past->line_ns, past->ns_per_tick, ticks);
        return ns + (uint64_t)past->unix_offset_ns;
    }
    /* A ring from before the counter restarted, when no clock was running: only its opening is known. */
    if (ring->open_unix_ns != 0 && is_future(clock, ring->open_ticks) && ticks >= ring->open_ticks)
        return at_line(ring->open_ticks, ring->open_unix_ns, clock->ns_per_tick, ticks);
    if (ticks < clock->first.ticks && clock->past_count == 0)
        return before_first(&clock->first, clock->ns_per_tick, ring, ticks) + (uint64_t)clock->unix_offset_ns;
    return line_at(clock, ticks) + (uint64_t)clock->unix_offset_ns;
}

static uint64_t monotonic_unix_ns(const struct trace_clock *clock, uint64_t ticks, uint64_t *ret_steps) {
    int64_t offset_ns = clock->unix_offset_ns;
    *ret_steps = clock->steps;
    for (uint32_t i = 0; i < clock->past_count && ticks < clock->pasts[i].until_ns; i++) {
        offset_ns = clock->pasts[i].unix_offset_ns;
        *ret_steps = clock->pasts[i].steps;
    }
    return ticks + (uint64_t)offset_ns;
}

uint64_t trace_clock_unix_ns_of(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks,
                                uint64_t *ret_steps) {
    return ring->source == TRACE_CLOCK_MONOTONIC ? monotonic_unix_ns(clock, ticks, ret_steps)
                                                 : tsc_unix_ns(clock, ring, ticks, ret_steps);
}

static struct trace_clock_line newest_monotonic_line(const struct trace_clock *clock) {
    /* A double has the distance to the newest sample exactly, up to 52 days. */
    const uint64_t most_ns = UINT64_C(1) << 52;
    uint64_t at_ns = clock->last.monotonic_ns, from_ns = at_ns > most_ns ? at_ns - most_ns : 0;
    if (clock->past_count && clock->pasts[0].until_ns > from_ns) from_ns = clock->pasts[0].until_ns;
    return (struct trace_clock_line){.from_ticks = from_ns,
                                     .tick_count = at_ns + most_ns - from_ns,
                                     .at_ticks = at_ns,
                                     .at_unix_ns = at_ns + (uint64_t)clock->unix_offset_ns,
                                     .ns_per_tick = 1,
                                     .steps = clock->steps};
}

struct trace_clock_line trace_clock_newest_line(const struct trace_clock *clock, const struct trace_ring_clock *ring) {
    if (ring->source == TRACE_CLOCK_MONOTONIC) return newest_monotonic_line(clock);
    uint64_t from_ticks = clock->past_count ? clock->pasts[0].until_ticks : clock->first.ticks, end_ticks = UINT64_MAX;
    if (clock->past_count && clock->pasts[0].counter_fell) {
        from_ticks = 0;
        end_ticks = clock->last.ticks + 1;
    }
    if (ring->open_unix_ns != 0 && is_future(clock, ring->open_ticks) && ring->open_ticks < end_ticks)
        end_ticks = ring->open_ticks;
    return (struct trace_clock_line){.from_ticks = from_ticks,
                                     .tick_count = end_ticks > from_ticks ? end_ticks - from_ticks : 0,
                                     .at_ticks = clock->line_ticks,
                                     .at_unix_ns = clock->line_ns + (uint64_t)clock->unix_offset_ns,
                                     .ns_per_tick = clock->ns_per_tick,
                                     .steps = clock->steps};
}

uint64_t trace_clock_unix_ns(const struct trace_clock *clock, const struct trace_ring_clock *ring, uint64_t ticks) {
    uint64_t steps;
    return trace_clock_unix_ns_of(clock, ring, ticks, &steps);
}
