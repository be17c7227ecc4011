/* SPDX-License-Identifier: MIT
 *
 * Parts of a query, in situations that a whole query cannot be brought into: a writer at a chosen moment, equal times, hours
 * of clock. */
#include "ring_fixture.h"

#include "open_logs.h"
#include "query_run.h"

static uint64_t seed = 1;

static uint32_t random_below(uint32_t limit) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 33) % limit;
}

/* ---- a writer that overtakes a read ------------------------------------------------------------------------------------- */

#define EVENTS 64
#define EMITTED 100 /* before the query: positions 36 ... 99 are in the ring */
#define BEGIN (EMITTED - EVENTS)

static const struct trace_id asked = {{7}};

/* Every third event is of another trace; the code is the position. */
static void emit_numbered(struct trace_log *log, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        struct trace_context context = {.trace_id = asked};
        context.trace_id.bytes[1] = i % 3 == 0;
        TRACE_CUSTOM(log, &context, NULL, 0, i, NULL, 0);
    }
}

/* Emits when it has collected that many. */
struct emitting_sink {
    struct query_sink sink;
    struct trace_log *log;
    unsigned emit_at, burst, taken;
    uint64_t last; /* position */
    unsigned wrong;
};

static void take_and_emit(struct query_sink *sink, const struct trace_query_event *found) {
    struct emitting_sink *self = (struct emitting_sink *)sink;
    if (found->event.data.custom.code != found->position || found->position % 3 == 0 || found->position >= self->last)
        self->wrong++;
    self->last = found->position;
    if (++self->taken == self->emit_at) emit_numbered(self->log, EMITTED, EMITTED + self->burst);
}

/* How many events of the requested trace are in [from, to). */
static unsigned asked_in(uint64_t from, uint64_t to) {
    unsigned count = 0;
    for (; from < to; from++) count += from % 3 != 0;
    return count;
}

static struct query_ring ring_of(const struct trace_log *base) {
    const struct log *log = (const struct log *)base;
    return (struct query_ring){log->header, log->slots, log->lane_count, log->lane_events};
}

/* _i: the burst.  In every case the returned events are complete, and the overwritten ones are counted exactly. */
START_TEST(a_writer_that_passes_by_ends_the_lane_and_is_counted) {
    for (unsigned variant = 0; variant < 6; variant++) {
        struct trace_log *log = open_log(EVENTS);
        struct query_ring ring = ring_of(log);
        struct query_index *index = variant % 2 != 0 ? query__index_create(EVENTS) : NULL;
        struct query_clock clock;
        struct emitting_sink sink = {.sink = {take_and_emit}, .log = log, .burst = (unsigned)_i, .last = UINT64_MAX};
        struct query_search search = {.clock = &clock, .filter = {.trace_id = &asked}, .sink = &sink.sink};
        struct trace_query_ring told;
        uint64_t oldest = EMITTED + (uint64_t)_i - EVENTS, met; /* in the ring after the burst; our position then */
        emit_numbered(log, 0, EMITTED);
        memset(&clock, 0, sizeof clock);
        query__clock_init(&clock, ring.header, false);
        sink.emit_at = (const unsigned[]){1, 5, 30}[variant / 2];
        for (met = EMITTED; asked_in(met, EMITTED) < sink.emit_at;) met--;
        ck_assert_int_eq(query__run(&ring, index, &search, &told), 0);
        ck_assert_uint_eq(sink.wrong, 0);
        ck_assert_uint_eq(sink.taken, asked_in(oldest < met ? oldest : met, EMITTED));
        ck_assert_uint_eq(told.emitted, EMITTED);
        ck_assert_uint_eq(told.gone, BEGIN);
        if (!index) ck_assert_uint_eq(told.overwritten, (oldest < met ? oldest : met) - BEGIN);
        if (index && oldest > BEGIN + 2) ck_assert_uint_gt(told.overwritten, 0); /* it does not examine other traces */
        ck_assert_uint_le(told.overwritten, (oldest < met ? oldest : met) - BEGIN);
        query__index_destroy(index);
        trace_log_close(log);
    }
}
END_TEST

/* _i: the burst, between the query and the catch-up. */
START_TEST(an_index_that_is_lapped_before_it_has_caught_up_reports_it) {
    struct trace_log *log = open_log(EVENTS);
    struct query_ring ring = ring_of(log);
    struct query_index *index = query__index_create(EVENTS);
    struct query_clock clock;
    struct emitting_sink sink = {.sink = {take_and_emit}, .log = log, .last = UINT64_MAX};
    struct query_search search = {.clock = &clock, .filter = {.trace_id = &asked}, .sink = &sink.sink};
    struct query_lane lane;
    uint64_t end, oldest = BEGIN + (uint64_t)_i < EMITTED ? BEGIN + (uint64_t)_i : EMITTED;
    memset(&clock, 0, sizeof clock);
    query__clock_init(&clock, ring.header, false);
    emit_numbered(log, 0, 50);
    ck_assert(query__lane_init(&lane, &ring, 0));
    ck_assert_int_eq(query__index_catch_up(index, &lane, &end), 0);
    emit_numbered(log, 50, EMITTED);
    ck_assert(query__lane_init(&lane, &ring, 0));
    emit_numbered(log, EMITTED, EMITTED + (uint32_t)_i);
    ck_assert_int_eq(query__index_catch_up(index, &lane, &end), 0);
    ck_assert_uint_eq(end, EMITTED);
    /* the catch-up does not examine what was known before: only requested events are missed */
    if (oldest > 50) ck_assert_uint_eq(lane.floor, oldest);
    query__index_search(index, &lane, &search);
    ck_assert_uint_eq(sink.wrong, 0);
    ck_assert_uint_eq(sink.taken, asked_in(oldest, EMITTED));
    query__index_destroy(index);
    trace_log_close(log);
}
END_TEST

/* ---- the collector ------------------------------------------------------------------------------------------------------- */

#define FOUND_MAX 3000

static int by_age(const void *left, const void *right) {
    const struct trace_query_event *a = left, *b = right;
    if (a->event.timestamp != b->event.timestamp) return a->event.timestamp < b->event.timestamp ? -1 : 1;
    if (a->lane != b->lane) return a->lane < b->lane ? -1 : 1;
    return a->position < b->position ? -1 : a->position > b->position;
}

static void fill(struct trace_query_event *found, size_t count, uint32_t times) {
    memset(found, 0, count * sizeof *found);
    for (size_t i = 0; i < count; i++) {
        found[i].event.timestamp = random_below(times);
        found[i].lane = random_below(3);
        found[i].position = count - i; /* no two alike */
        found[i].event.data.custom.code = (uint32_t)i;
    }
}

START_TEST(the_newest_are_kept_in_order_whatever_order_they_come_in) {
    static const size_t counts[] = {0, 1, 2, 3, 7, 255, 256, 257, FOUND_MAX}, limits[] = {0, 1, 2, 5, 256, 1000, SIZE_MAX};
    static struct trace_query_event found[FOUND_MAX];
    struct query_collector collector = {.count = 0};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++) {
            size_t count = counts[c], kept = limits[l] != 0 && limits[l] < count ? limits[l] : count;
            fill(found, count, _i == 0 ? 10 : 1000000);
            query__collector_begin(&collector, limits[l]);
            for (size_t i = 0; i < count; i++) collector.sink.take(&collector.sink, &found[i]);
            ck_assert_int_eq(query__collector_finish(&collector), 0);
            ck_assert_uint_eq(collector.matched, count);
            ck_assert_uint_eq(collector.count, kept);
            qsort(found, count, sizeof found[0], by_age);
            if (kept != 0) ck_assert(memcmp(collector.events, found + (count - kept), kept * sizeof found[0]) == 0);
        }
    }
    query__collector_fini(&collector);
}
END_TEST

/* ---- the clock ----------------------------------------------------------------------------------------------------------- */

#define SECOND_NS UINT64_C(1000000000)
#define TICKS_PER_US 2500

/* A machine whose counter has 2.5 ticks a nanosecond, and whose CLOCK_MONOTONIC is slewed to and fro by up to 200 parts in a
 * million. */
struct machine {
    uint64_t ticks, monotonic_ns;
    int64_t unix_offset_ns;
};

static void pass_time(struct machine *machine, uint64_t us) {
    int64_t parts_per_million = (int64_t)random_below(401) - 200;
    machine->ticks += us * TICKS_PER_US;
    machine->monotonic_ns += us * 1000 + (uint64_t)((int64_t)us * parts_per_million / 1000);
}

static struct trace_clock_sample sample_of(const struct machine *machine) {
    return (struct trace_clock_sample){machine->ticks, machine->monotonic_ns,
                                       machine->monotonic_ns + (uint64_t)machine->unix_offset_ns};
}

static void start_clock(struct query_clock *clock, struct machine *machine) {
    struct trace_clock_sample first;
    *machine = (struct machine){.ticks = 1000000, .monotonic_ns = 5 * SECOND_NS, .unix_offset_ns = INT64_C(1700000000000000000)};
    first = sample_of(machine);
    pass_time(machine, 10000);
    memset(clock, 0, sizeof *clock);
    clock->ring = (struct trace_ring_clock){TRACE_CLOCK_TSC, first.ticks, first.monotonic_ns};
    clock->count = 1;
    trace_clock_init(&clock->lines[0], first, sample_of(machine));
}

#define TOLD_MAX 4000
static struct { uint64_t ticks, unix_ns; } told[TOLD_MAX];

START_TEST(a_reported_time_stays_and_time_never_goes_back) {
    struct query_clock clock;
    struct machine machine;
    unsigned count = 0;
    start_clock(&clock, &machine);
    while (clock.count < QUERY_LINES_MAX && count < TOLD_MAX) {
        told[count].ticks = machine.ticks;
        told[count].unix_ns = query__clock_unix_ns(&clock, machine.ticks);
        count++;
        for (unsigned i = 0; i < count; i++) {
            ck_assert_uint_eq(query__clock_unix_ns(&clock, told[i].ticks), told[i].unix_ns);
            if (i > 0) ck_assert_uint_ge(told[i].unix_ns, told[i - 1].unix_ns);
        }
        pass_time(&machine, 1 + random_below(_i == 0 ? 1000000 : 20000000));
        query__clock_sample(&clock, sample_of(&machine));
    }
    ck_assert_uint_eq(clock.count, QUERY_LINES_MAX);
    ck_assert_uint_ge(machine.monotonic_ns, 600 * SECOND_NS); /* as the header promises */
}
END_TEST

/* Checks each tick at which a sample was taken. */
START_TEST(times_stay_near_the_measure_over_hours_of_questions) {
    struct query_clock clock;
    struct machine machine;
    start_clock(&clock, &machine);
    for (unsigned i = 0; i < TOLD_MAX; i++) {
        pass_time(&machine, 1 + random_below(10000000));
        query__clock_sample(&clock, sample_of(&machine));
        told[i].ticks = machine.ticks;
        told[i].unix_ns = sample_of(&machine).unix_ns;
        ck_assert_uint_le(clock.count, QUERY_LINES_MAX);
        for (unsigned j = 0; j < i; j += 1 + i / 50) {
            uint64_t unix_ns = query__clock_unix_ns(&clock, told[j].ticks);
            int64_t off = (int64_t)(unix_ns - told[j].unix_ns);
            /* 400 parts in a million of 10 s, and what it takes to bend back */
            ck_assert_msg(off > -50000000 && off < 50000000, "%lld ns off after %u samples", (long long)off, i);
        }
    }
}
END_TEST

START_TEST(after_a_step_of_the_system_time_new_events_have_the_new_time_and_old_ones_the_old) {
    struct query_clock clock;
    struct machine machine;
    uint64_t before_ticks, before_unix_ns, stepped_ns;
    start_clock(&clock, &machine);
    before_ticks = machine.ticks;
    before_unix_ns = query__clock_unix_ns(&clock, before_ticks);
    machine.unix_offset_ns += (int64_t)(3600 * SECOND_NS);
    pass_time(&machine, 1000000);
    query__clock_sample(&clock, sample_of(&machine));
    pass_time(&machine, 10);
    stepped_ns = query__clock_unix_ns(&clock, machine.ticks);
    ck_assert_uint_gt(stepped_ns, before_unix_ns + 3600 * SECOND_NS);
    ck_assert_uint_eq(query__clock_unix_ns(&clock, before_ticks), before_unix_ns);
}
END_TEST

/* The counter continues, or restarts: see test_clock.c. */
START_TEST(a_sleep_of_the_machine_is_noticed_by_the_next_question) {
    struct query_clock clock;
    struct machine machine;
    uint64_t before_ticks, before_unix_ns, unix_ns;
    start_clock(&clock, &machine);
    for (unsigned i = 0; i < 10; i++) {
        pass_time(&machine, 1000000);
        query__clock_sample(&clock, sample_of(&machine));
    }
    before_ticks = machine.ticks - 1000;
    before_unix_ns = query__clock_unix_ns(&clock, before_ticks);
    machine.unix_offset_ns += (int64_t)(3600 * SECOND_NS);
    machine.ticks = _i == 0 ? machine.ticks + UINT64_C(3600000000) * TICKS_PER_US : 1000;
    pass_time(&machine, 10000); /* far less than the line is long */
    query__clock_sample(&clock, sample_of(&machine));
    unix_ns = query__clock_unix_ns(&clock, machine.ticks);
    ck_assert_int_le(llabs((int64_t)(unix_ns - sample_of(&machine).unix_ns)), 1000000);
    ck_assert_int_le(llabs((int64_t)(query__clock_unix_ns(&clock, machine.ticks + 100000 * TICKS_PER_US) - unix_ns) - 100000000),
                     100000);
    ck_assert_int_le(llabs((int64_t)(query__clock_unix_ns(&clock, before_ticks) - before_unix_ns)), _i == 0 ? 0 : 100000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("query parts");
    TCase *tcase = tcase_create("query parts");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_writer_that_passes_by_ends_the_lane_and_is_counted, 0, EVENTS + 10);
    tcase_add_loop_test(tcase, an_index_that_is_lapped_before_it_has_caught_up_reports_it, 0, EVENTS + 10);
    tcase_add_loop_test(tcase, the_newest_are_kept_in_order_whatever_order_they_come_in, 0, 2);
    tcase_add_loop_test(tcase, a_reported_time_stays_and_time_never_goes_back, 0, 2);
    tcase_add_test(tcase, times_stay_near_the_measure_over_hours_of_questions);
    tcase_add_test(tcase, after_a_step_of_the_system_time_new_events_have_the_new_time_and_old_ones_the_old);
    tcase_add_loop_test(tcase, a_sleep_of_the_machine_is_noticed_by_the_next_question, 0, 2);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
