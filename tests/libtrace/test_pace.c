/* SPDX-License-Identifier: MIT
 *
 * libtrace/ring/pace.h, with writers and readers on invented times. */
#include "pace.h"

#include "ring_fixture.h"

#define LANE 65536
#define RUN 512
#define SECOND UINT64_C(1000000000)

struct race {
    struct pace pace;
    uint64_t now_ns, taken;
    double head; /* of a writer with a steady pace */
};

/* The reader reads a run in run_ns, while the writer emits an event in event_ns. */
static void read_run(struct race *race, double event_ns, uint64_t run_ns) {
    race->now_ns += run_ns;
    race->taken += RUN;
    race->head += (double)run_ns / event_ns;
    pace_look(&race->pace, (uint64_t)race->head, race->taken, LANE, race->now_ns);
}

static void begin(struct race *race) {
    *race = (struct race){.now_ns = SECOND};
    pace_restart(&race->pace, 0, race->now_ns);
    pace_look(&race->pace, 0, 0, LANE, race->now_ns);
}

static bool is_faster(const struct race *race) { return pace_is_faster(&race->pace, (uint64_t)race->head, LANE, race->now_ns); }

/* 20 M events/s, as traced reads them. */
#define RUN_NS 25600

/* Reads for a lap of the writer. */
static void read_for_a_lap(struct race *race, double event_ns, uint64_t run_ns) {
    for (double end = race->head + LANE; race->head < end;) read_run(race, event_ns, run_ns);
}

START_TEST(a_writer_at_full_speed_is_faster) {
    struct race race;
    begin(&race);
    read_for_a_lap(&race, 13, RUN_NS);
    ck_assert(is_faster(&race));
}
END_TEST

START_TEST(a_writer_at_half_our_pace_is_not) {
    struct race race;
    begin(&race);
    read_for_a_lap(&race, 100, RUN_NS);
    ck_assert(!is_faster(&race));
}
END_TEST

/* It waits for the lines that we read: its true speed is unknown. */
START_TEST(a_writer_at_about_our_pace_counts_as_held_up) {
    struct race race;
    begin(&race);
    read_for_a_lap(&race, 70, RUN_NS);
    ck_assert(is_faster(&race));
    begin(&race);
    read_for_a_lap(&race, 80, RUN_NS);
    ck_assert(!is_faster(&race));
}
END_TEST

/* Seven of eight runs take three times as long, as when others use the same processor. */
START_TEST(a_reader_that_is_disturbed_does_not_take_a_slow_writer_for_a_faster_one) {
    struct race race;
    begin(&race);
    for (unsigned run = 0; race.head < 20 * LANE; run++) {
        read_run(&race, 100, run % 8 == 0 ? RUN_NS : 3 * RUN_NS);
        ck_assert(!is_faster(&race));
    }
}
END_TEST

START_TEST(a_reader_that_stood_still_does_not_take_a_slow_writer_for_a_faster_one) {
    struct race race;
    begin(&race);
    for (unsigned run = 0; run < 10; run++) read_run(&race, 100, RUN_NS);
    read_run(&race, 100, 25 * SECOND / 1000); /* the writer completes four laps */
    ck_assert(!is_faster(&race));
    read_for_a_lap(&race, 100, RUN_NS);
    ck_assert(!is_faster(&race));
}
END_TEST

/* Only the last half of a lap counts. */
START_TEST(a_slow_writer_that_becomes_fast_is_known_within_a_lap) {
    struct race race;
    begin(&race);
    for (unsigned lap = 0; lap < 100; lap++) read_for_a_lap(&race, 100, RUN_NS);
    ck_assert(!is_faster(&race));
    read_for_a_lap(&race, 13, RUN_NS);
    ck_assert(is_faster(&race));
    read_for_a_lap(&race, 100, RUN_NS);
    ck_assert(!is_faster(&race));
}
END_TEST

START_TEST(a_few_events_prove_nothing) {
    struct race race;
    begin(&race);
    read_for_a_lap(&race, 13, RUN_NS);
    pace_restart(&race.pace, (uint64_t)race.head, race.now_ns);
    ck_assert(!is_faster(&race));
    for (double end = race.head + LANE / 4.0 - 4000; race.head < end;) {
        read_run(&race, 13, RUN_NS);
        ck_assert(!is_faster(&race));
    }
    read_for_a_lap(&race, 13, RUN_NS);
    ck_assert(is_faster(&race));
}
END_TEST

/* The time between the last look before a restart and the first after it was sleep, not reading. */
START_TEST(a_pause_before_a_restart_is_not_a_run) {
    struct race race;
    begin(&race);
    read_run(&race, 100, RUN_NS);
    ck_assert_uint_eq(race.pace.best_ps, 1000 * RUN_NS / RUN);
    pace_restart(&race.pace, (uint64_t)race.head, race.now_ns);
    read_run(&race, 100, RUN_NS / 10);
    ck_assert_uint_eq(race.pace.best_ps, 1000 * RUN_NS / RUN);
}
END_TEST

/* We had caught up, and slept: what the writer emitted meanwhile counts for its pace, although we were not looking. */
START_TEST(a_writer_is_measured_from_the_moment_when_we_had_caught_up) {
    struct race race;
    begin(&race);
    for (unsigned run = 0; run < 10; run++) read_run(&race, 100, RUN_NS);
    pace_restart(&race.pace, (uint64_t)race.head, race.now_ns);
    read_run(&race, 13, 250000);
    ck_assert(is_faster(&race));
    pace_restart(&race.pace, (uint64_t)race.head, race.now_ns);
    read_run(&race, 100, 25 * SECOND / 1000);
    ck_assert(!is_faster(&race));
}
END_TEST

START_TEST(a_reader_that_stays_slow_is_believed_in_the_end) {
    struct race race;
    begin(&race);
    read_run(&race, 100, RUN_NS);
    for (unsigned run = 0; run < 2000; run++) read_run(&race, 100, 5 * RUN_NS);
    ck_assert(is_faster(&race)); /* 10 M events/s are more than 4 */
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("pace");
    tcase_add_test(tcase, a_writer_at_full_speed_is_faster);
    tcase_add_test(tcase, a_writer_at_half_our_pace_is_not);
    tcase_add_test(tcase, a_writer_at_about_our_pace_counts_as_held_up);
    tcase_add_test(tcase, a_reader_that_is_disturbed_does_not_take_a_slow_writer_for_a_faster_one);
    tcase_add_test(tcase, a_reader_that_stood_still_does_not_take_a_slow_writer_for_a_faster_one);
    tcase_add_test(tcase, a_slow_writer_that_becomes_fast_is_known_within_a_lap);
    tcase_add_test(tcase, a_few_events_prove_nothing);
    tcase_add_test(tcase, a_pause_before_a_restart_is_not_a_run);
    tcase_add_test(tcase, a_writer_is_measured_from_the_moment_when_we_had_caught_up);
    tcase_add_test(tcase, a_reader_that_stays_slow_is_believed_in_the_end);
    Suite *suite = suite_create("pace");
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
