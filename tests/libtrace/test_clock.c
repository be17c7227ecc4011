/* SPDX-License-Identifier: MIT
 *
 * Ticks to Unix time, with invented samples: increasing, continuous, accurate, and informed about steps. */
#include "ring_fixture.h"

#include <libtrace/clock.h>

#define S UINT64_C(1000000000)

/* A counter of 3 GHz that was 0 when CLOCK_MONOTONIC was 100 s and Unix time 1,000,000 s. */
static struct trace_clock_sample sample_at(double seconds) {
    return (struct trace_clock_sample){.ticks = (uint64_t)(seconds * 3e9),
                                       .monotonic_ns = 100 * S + (uint64_t)(seconds * 1e9),
                                       .unix_ns = 1000000 * S + (uint64_t)(seconds * 1e9)};
}

static const struct trace_ring_clock ring = {TRACE_CLOCK_TSC, 0, 100 * S};

static int64_t error_at(const struct trace_clock *clock, double seconds) {
    uint64_t ns = trace_clock_unix_ns(clock, &ring, (uint64_t)(seconds * 3e9));
    return (int64_t)(ns - sample_at(seconds).unix_ns);
}

START_TEST(a_tick_becomes_the_time_it_was) {
    struct trace_clock clock;
    trace_clock_init(&clock, sample_at(10), sample_at(10.005));
    ck_assert_int_le(llabs(error_at(&clock, 10)), 2);
    ck_assert_int_le(llabs(error_at(&clock, 10.5)), 2);
    ck_assert_int_le(llabs(error_at(&clock, 70)), 100);
}
END_TEST

START_TEST(a_bad_first_slope_is_corrected_without_a_jump) {
    struct trace_clock_sample second = sample_at(10.005);
    struct trace_clock clock;
    uint64_t last = 0;
    second.monotonic_ns += 100; /* 20 ppm off */
    trace_clock_init(&clock, sample_at(10), second);
    for (int i = 1; i <= 60; i++) {
        for (uint64_t ms = (10 + (uint64_t)i - 1) * 1000; ms < (10 + (uint64_t)i) * 1000; ms += 10) {
            uint64_t now = trace_clock_unix_ns(&clock, &ring, ms * 3000000);
            ck_assert_uint_ge(now, last);
            last = now;
        }
        trace_clock_update(&clock, sample_at(10 + i));
        ck_assert_uint_ge(trace_clock_unix_ns(&clock, &ring, (uint64_t)((10 + i) * 3e9)), last);
    }
    ck_assert_int_le(llabs(error_at(&clock, 71)), 500);
}
END_TEST

/* Each sample is read up to 2 us late or early.  Whatever the signs are, no time is wrong by more than a few times that. */
START_TEST(in_the_first_second_no_time_is_off_by_more_than_samples_are) {
    for (unsigned signs = 0; signs < 1024; signs++) {
        double seconds = 10.005;
        struct trace_clock_sample first = sample_at(10), next = sample_at(seconds);
        struct trace_clock clock;
        first.monotonic_ns += signs & 1 ? 2000 : -2000;
        next.monotonic_ns += signs & 2 ? 2000 : -2000;
        trace_clock_init(&clock, first, next);
        for (unsigned i = 2; seconds < 12; i++) {
            double due = seconds + (double)trace_clock_interval_ns(&clock) / 1e9;
            uint64_t offset = sample_at(0).unix_ns - sample_at(0).monotonic_ns;
            for (double at = seconds; at < due; at += (due - seconds) / 8)
                ck_assert_int_le(llabs(error_at(&clock, at) - (int64_t)((uint64_t)clock.unix_offset_ns - offset)), 10000);
            next = sample_at(due);
            next.monotonic_ns += signs >> (i % 10) & 1 ? 2000 : -2000;
            trace_clock_update(&clock, next);
            seconds = due;
        }
    }
}
END_TEST

START_TEST(events_older_than_the_clock_use_the_rings_own_opening) {
    struct trace_clock_sample second = sample_at(3600.005);
    struct trace_clock clock;
    struct trace_ring_clock liar = {TRACE_CLOCK_TSC, 0, 5 * S};
    second.monotonic_ns += 100; /* 20 ppm over an hour would be 72 ms */
    trace_clock_init(&clock, sample_at(3600), second);
    ck_assert_int_le(llabs(error_at(&clock, 1)), 1000);
    ck_assert_int_le(llabs(error_at(&clock, 3599)), 1000);
    /* a value that contradicts the clock is rejected */
    ck_assert_int_le(llabs((int64_t)(trace_clock_unix_ns(&clock, &liar, 0) - sample_at(0).unix_ns)), 200000000);
}
END_TEST

START_TEST(a_step_of_the_system_time_is_reported_and_followed) {
    struct trace_clock_sample sample = sample_at(11);
    struct trace_clock clock;
    trace_clock_init(&clock, sample_at(10), sample_at(10.005));
    ck_assert(!trace_clock_update(&clock, sample));
    sample = sample_at(12);
    sample.unix_ns += 3600 * S;
    ck_assert(trace_clock_update(&clock, sample));
    ck_assert_uint_eq(clock.steps, 1);
    ck_assert_int_le(llabs(error_at(&clock, 12.5) - (int64_t)(3600 * S)), 100);
    sample = sample_at(13);
    sample.unix_ns += 3600 * S;
    ck_assert(!trace_clock_update(&clock, sample));
}
END_TEST

START_TEST(a_monotonic_ring_needs_only_the_offset) {
    struct trace_ring_clock monotonic = {TRACE_CLOCK_MONOTONIC, 0, 0};
    struct trace_clock clock;
    trace_clock_init(&clock, sample_at(10), sample_at(10.005));
    ck_assert_uint_eq(trace_clock_unix_ns(&clock, &monotonic, 150 * S), 1000050 * S);
}
END_TEST

/* ---- a machine that sleeps --------------------------------------------------------------------------------------------------
 * Meanwhile CLOCK_MONOTONIC stops, CLOCK_REALTIME continues, and the counter does one of three things. */

enum counter { GOES_ON, STANDS, FALLS };

static struct machine {
    enum counter counter;
    double awake, asleep; /* seconds in all */
    double fell_at;       /* the counter's value, in seconds, when it restarted; 0: never */
    double hz;
} machine;

static struct trace_clock_sample machine_sample(void) {
    double counted = machine.awake + (machine.counter == STANDS ? 0 : machine.asleep) - machine.fell_at;
    return (struct trace_clock_sample){.ticks = (uint64_t)(counted * machine.hz),
                                       .monotonic_ns = (uint64_t)(machine.awake * 1e9),
                                       .unix_ns = 1700000000 * S + (uint64_t)((machine.awake + machine.asleep) * 1e9)};
}

static void machine_sleeps(double seconds) {
    machine.asleep += seconds;
    if (machine.counter == FALLS) machine.fell_at = machine.awake + machine.asleep - 0.2; /* firmware took a while */
}

static void run_for(struct trace_clock *clock, unsigned seconds) {
    for (unsigned i = 0; i < seconds; i++) {
        machine.awake += 1;
        ck_assert(!trace_clock_update(clock, machine_sample()));
    }
}

/* The newest line gives the same times as the clock for all ticks that it covers, which include the newest sample. */
static void check_line(const struct trace_clock *clock, const struct trace_ring_clock *clock_of_ring, uint64_t ticks) {
    const struct trace_clock_line line = trace_clock_newest_line(clock, clock_of_ring);
    uint64_t newest = clock_of_ring->source == TRACE_CLOCK_TSC ? clock->last.ticks : clock->last.monotonic_ns;
    uint64_t end = line.from_ticks + line.tick_count;
    const uint64_t places[] = {ticks, newest, 0, line.from_ticks, end, clock->first.ticks, clock_of_ring->open_ticks};
    ck_assert(trace_clock_line_has(&line, newest) || clock_of_ring->open_ticks > newest);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (int64_t off = -2; off <= 2; off++) {
            uint64_t place = places[i] + (uint64_t)off, steps;
            if (!trace_clock_line_has(&line, place)) continue;
            ck_assert_uint_eq(trace_clock_line_unix_ns(&line, place),
                              trace_clock_unix_ns_of(clock, clock_of_ring, place, &steps));
            ck_assert_uint_eq(line.steps, steps);
        }
    }
}

static uint64_t told_at(const struct trace_clock *clock, const struct trace_ring_clock *clock_of_ring,
                        struct trace_clock_sample sample) {
    uint64_t ticks = clock_of_ring->source == TRACE_CLOCK_TSC ? sample.ticks : sample.monotonic_ns;
    check_line(clock, clock_of_ring, ticks);
    return trace_clock_unix_ns(clock, clock_of_ring, ticks);
}

static void expect_exact(const struct trace_clock *clock, const struct trace_ring_clock *clock_of_ring,
                         struct trace_clock_sample sample) {
    int64_t error = (int64_t)(told_at(clock, clock_of_ring, sample) - sample.unix_ns);
    ck_assert_msg(llabs(error) < 1000000, "%.6f s off", (double)error / 1e9);
}

static const double naps[] = {0.03, 2, 3600, 400000};
static const struct trace_ring_clock machine_rings[] = {{TRACE_CLOCK_TSC, 0, 0, 0}, {TRACE_CLOCK_MONOTONIC, 0, 0, 0}};

START_TEST(a_sleep_is_followed_within_a_second_and_breaks_no_duration) {
    const struct trace_ring_clock *clock_of_ring = &machine_rings[_i / 12];
    double nap = naps[_i % 4];
    struct trace_clock clock;
    struct trace_clock_sample before, sample, later;
    machine = (struct machine){.counter = (enum counter)(_i / 4 % 3), .awake = 1000, .hz = 2.5e9};
    sample = machine_sample();
    machine.awake += 0.005;
    trace_clock_init(&clock, sample, machine_sample());
    run_for(&clock, 600);
    before = machine_sample();
    machine.awake += 0.4;
    machine_sleeps(nap);
    machine.awake += 0.3;
    sample = machine_sample(); /* an event that has not been read when the clock learns of the sleep */
    machine.awake += 0.3;
    ck_assert(trace_clock_update(&clock, machine_sample()));
    ck_assert_uint_eq(clock.steps, 1);
    ck_assert_uint_eq(clock.restarts, machine.counter == STANDS ? 0 : 1);
    expect_exact(&clock, clock_of_ring, sample);
    before.ticks--; /* the tick of the last sample may belong to either side */
    before.monotonic_ns--;
    expect_exact(&clock, clock_of_ring, before);
    for (unsigned i = 0; i < 20; i++) {
        sample = machine_sample();
        expect_exact(&clock, clock_of_ring, sample);
        /* Old values stay the same.  But a counter that restarted reaches the same ticks again, long after their events were
         * read. */
        if (machine.counter != FALLS || i < 10) expect_exact(&clock, clock_of_ring, before);
        later = sample;
        later.ticks += (uint64_t)(0.1 * machine.hz);
        later.monotonic_ns += 100000000;
        ck_assert_int_le(
            llabs((int64_t)(told_at(&clock, clock_of_ring, later) - told_at(&clock, clock_of_ring, sample)) - 100000000), 100000);
        run_for(&clock, i < 10 ? 1 : 600);
    }
}
END_TEST

START_TEST(events_between_several_sleeps_keep_their_times) {
    struct trace_clock_sample events[TRACE_CLOCK_PASTS_MAX];
    struct trace_clock clock;
    machine = (struct machine){.counter = GOES_ON, .awake = 1000, .hz = 3e9};
    events[0] = machine_sample();
    machine.awake += 0.005;
    trace_clock_init(&clock, events[0], machine_sample());
    for (unsigned i = 0; i < TRACE_CLOCK_PASTS_MAX; i++) {
        run_for(&clock, 5);
        events[i] = machine_sample();
        machine.awake += 0.5;
        machine_sleeps(100 + 1000 * i);
        machine.awake += 0.5;
        ck_assert(trace_clock_update(&clock, machine_sample()));
    }
    for (unsigned i = 0; i < TRACE_CLOCK_PASTS_MAX; i++) expect_exact(&clock, &machine_rings[0], events[i]);
}
END_TEST

/* Its traced starts after the sleep: only the ring's opening has information from before. */
START_TEST(a_ring_that_was_opened_before_a_sleep_is_read_by_a_clock_that_was_started_after_it) {
    struct trace_clock_sample opened, event, first;
    struct trace_ring_clock clock_of_ring = {.source = TRACE_CLOCK_TSC};
    struct trace_clock clock;
    machine = (struct machine){.counter = _i == 0 ? GOES_ON : FALLS, .awake = 1000, .hz = 3e9};
    opened = machine_sample();
    clock_of_ring.open_ticks = opened.ticks;
    clock_of_ring.open_monotonic_ns = opened.monotonic_ns;
    clock_of_ring.open_unix_ns = opened.unix_ns;
    machine.awake += 3600;
    event = machine_sample();
    machine_sleeps(2); /* less than a thousandth */
    machine.awake += 100;
    first = machine_sample();
    machine.awake += 0.005;
    trace_clock_init(&clock, first, machine_sample());
    expect_exact(&clock, &clock_of_ring, opened);
    expect_exact(&clock, &clock_of_ring, event);
    expect_exact(&clock, &clock_of_ring, machine_sample());
}
END_TEST

/* A process that is stopped after it has measured a slope over only 5 ms, and inaccurately. */
START_TEST(a_badly_measured_slope_is_not_a_sleep) {
    static const double pauses[] = {1, 10, 300};
    struct trace_clock_sample second = sample_at(10.005);
    struct trace_clock clock;
    second.width_ticks = 2 * 150000;
    second.monotonic_ns += 50000; /* 1 % off; 50 us are 150,000 ticks */
    trace_clock_init(&clock, sample_at(10), second);
    struct trace_clock_sample next = sample_at(10.005 + pauses[_i]), asleep = sample_at(10.005 + pauses[_i]);
    asleep.monotonic_ns -= (uint64_t)(pauses[_i] * 0.5e9); /* half of that time */
    ck_assert(!trace_clock_is_broken(&clock, &next));
    ck_assert(trace_clock_is_broken(&clock, &asleep));
    ck_assert(!trace_clock_update(&clock, next));
    ck_assert_uint_eq(clock.restarts, 0);
}
END_TEST

START_TEST(a_sample_that_took_long_to_read_breaks_nothing) {
    struct trace_clock_sample late;
    struct trace_clock clock;
    trace_clock_init(&clock, sample_at(10), sample_at(10.005));
    late = sample_at(11);
    late.monotonic_ns -= 4000000;
    late.width_ticks = 9000000 * 3;
    late.unix_ns -= 4000000;
    ck_assert(!trace_clock_update(&clock, late));
    ck_assert_uint_eq(clock.steps, 0);
}
END_TEST

START_TEST(the_real_clocks_agree) {
    struct trace_clock_sample a = trace_clock_read(), b;
    struct timespec five = {0, 5000000};
    struct trace_clock clock;
    struct trace_ring_clock real = {trace_clock_tsc_usable() ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC, a.ticks, a.monotonic_ns};
    uint64_t ticks;
    nanosleep(&five, NULL);
    b = trace_clock_read();
    trace_clock_init(&clock, a, b);
    ticks = real.source == TRACE_CLOCK_TSC ? b.ticks : b.monotonic_ns;
    ck_assert_int_le(llabs((int64_t)(trace_clock_unix_ns(&clock, &real, ticks) - b.unix_ns)), 1000000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");
    tcase_add_test(tcase, a_tick_becomes_the_time_it_was);
    tcase_add_test(tcase, a_bad_first_slope_is_corrected_without_a_jump);
    tcase_add_test(tcase, in_the_first_second_no_time_is_off_by_more_than_samples_are);
    tcase_add_test(tcase, events_older_than_the_clock_use_the_rings_own_opening);
    tcase_add_test(tcase, a_step_of_the_system_time_is_reported_and_followed);
    tcase_add_test(tcase, a_monotonic_ring_needs_only_the_offset);
    tcase_add_loop_test(tcase, a_sleep_is_followed_within_a_second_and_breaks_no_duration, 0, 2 * 3 * 4);
    tcase_add_test(tcase, events_between_several_sleeps_keep_their_times);
    tcase_add_loop_test(tcase, a_ring_that_was_opened_before_a_sleep_is_read_by_a_clock_that_was_started_after_it, 0, 2);
    tcase_add_loop_test(tcase, a_badly_measured_slope_is_not_a_sleep, 0, 3);
    tcase_add_test(tcase, a_sample_that_took_long_to_read_breaks_nothing);
    tcase_add_test(tcase, the_real_clocks_agree);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
