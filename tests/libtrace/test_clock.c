/* SPDX-License-Identifier: MIT
 *
 * Ticks to Unix time, with samples made up: rising, continuous, close, and told about steps. */
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

START_TEST(a_bad_first_slope_is_mended_without_a_jump) {
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

START_TEST(events_older_than_the_clock_use_the_rings_own_opening) {
    struct trace_clock_sample second = sample_at(3600.005);
    struct trace_clock clock;
    struct trace_ring_clock liar = {TRACE_CLOCK_TSC, 0, 5 * S};
    second.monotonic_ns += 100; /* 20 ppm over an hour would be 72 ms */
    trace_clock_init(&clock, sample_at(3600), second);
    ck_assert_int_le(llabs(error_at(&clock, 1)), 1000);
    ck_assert_int_le(llabs(error_at(&clock, 3599)), 1000);
    /* one that does not agree with the clock is not believed */
    ck_assert_int_le(llabs((int64_t)(trace_clock_unix_ns(&clock, &liar, 0) - sample_at(0).unix_ns)), 200000000);
}
END_TEST

START_TEST(a_step_of_the_system_time_is_told_and_followed) {
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
    tcase_add_test(tcase, a_bad_first_slope_is_mended_without_a_jump);
    tcase_add_test(tcase, events_older_than_the_clock_use_the_rings_own_opening);
    tcase_add_test(tcase, a_step_of_the_system_time_is_told_and_followed);
    tcase_add_test(tcase, a_monotonic_ring_needs_only_the_offset);
    tcase_add_test(tcase, the_real_clocks_agree);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
