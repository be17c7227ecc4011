/* SPDX-License-Identifier: MIT
 *
 * The ordering labels of p2ptrace/shm.h, one test for each pair that the thread sanitizer can check: two threads share only
 * the pair's word, so without one half of it the sanitizer reports a race on the bytes that the pair orders.  Only built
 * with that sanitizer; otherwise none of these could fail.
 *
 * The sanitizer does not see across two mappings of an object, so here the reader reads the log's own mapping.  Flags of
 * the tests themselves are relaxed: they order nothing. */
#include "open_logs.h"
#include "query_json.h"
#include "reader_internal.h"
#include "ring_fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define LANE_EVENTS 64
#define SHARED_LANE (TRACE_LANES_MAX - 1)
#define HOLDERS (TRACE_LANES_MAX - 2) /* lane 0 is the opener's, the last one is shared */

static struct trace_log *log_;
static struct trace_reader *reader;
static uint32_t plain; /* passed from one thread to the other outside the ring */
static atomic_bool begun, over;

static bool is_over(void) { return atomic_load_explicit(&over, memory_order_relaxed); }
static void set_over(void) { atomic_store_explicit(&over, true, memory_order_relaxed); }

static void open_both(uint32_t lane_events, enum trace_policy policy) {
    log_ = open_log_with(lane_events, policy);
    reader = attach_log(log_);
    struct log *log = (struct log *)log_;
    munmap(reader->header, reader->mapped_bytes);
    reader->header = log->header;
    reader->slots = log->slots;
}

static void close_both(void) {
    reader->header = NULL; /* the log's */
    trace_reader_detach(reader);
    trace_log_close(log_);
}

static void run_two(void *(*one)(void *), void *(*other)(void *)) {
    pthread_t threads[2];
    ck_assert_int_eq(pthread_create(&threads[0], NULL, one, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, other, NULL), 0);
    for (unsigned i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/* Reads the lane until it has returned the events with the codes next ... to - 1. */
static void read_codes(unsigned lane, uint32_t next, uint32_t to) {
    struct trace_event events[LANE_EVENTS];
    struct trace_read read;
    while (next < to) {
        trace_reader_read(reader, lane, events, to - next < LANE_EVENTS ? to - next : LANE_EVENTS, false, 1, &read);
        ck_assert_uint_eq(read.lost, 0);
        for (uint32_t i = 0; i < read.count; i++) ck_assert_uint_eq(code_of(&events[i]), next++);
        if (!read.count) sched_yield();
    }
}

/* ---- commit:R and read:A ---- */

/* The rest is emitted after the reader has begun, and the thread stays until all is read: taking and returning a lane would
 * order the events, too. */
static void *emit_a_lane(void *arg) {
    emit_codes(log_, 0, 1);
    while (!atomic_load_explicit(&begun, memory_order_relaxed)) sched_yield();
    emit_codes(log_, 1, LANE_EVENTS);
    while (!is_over()) sched_yield();
    return arg;
}

static void *read_a_lane(void *arg) {
    read_codes(1, 0, 1);
    atomic_store_explicit(&begun, true, memory_order_relaxed);
    read_codes(1, 1, LANE_EVENTS);
    set_over();
    return arg;
}

START_TEST(commit_orders_the_bytes_of_an_event_before_its_mark) {
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    run_two(emit_a_lane, read_a_lane);
    close_both();
}
END_TEST

/* ---- lane:R and lane:A ---- */

static void *write_and_take_a_lane(void *arg) {
    plain = 1;
    emit_codes(log_, 0, 1);
    return arg;
}

static void *wait_for_the_lane(void *arg) {
    while (!trace_reader_lane_used(reader, 1)) sched_yield();
    ck_assert_uint_eq(plain, 1);
    return arg;
}

START_TEST(a_reader_that_sees_a_lane_sees_everything_done_before_its_publication) {
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    run_two(write_and_take_a_lane, wait_for_the_lane);
    close_both();
}
END_TEST

static void *emit_and_end(void *arg) {
    emit_codes(log_, 0, LANE_EVENTS / 2);
    return arg; /* returns the lane */
}

static void *take_the_returned_lane(void *arg) {
    while (__atomic_load_n(&((struct log *)log_)->header->lanes[1].state, __ATOMIC_RELAXED) != TRACE_LANE_RETURNED) sched_yield();
    emit_codes(log_, 0, LANE_EVENTS); /* one lap: over the events of the first */
    return arg;
}

START_TEST(a_returned_lane_is_written_after_its_last_owner) {
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    run_two(emit_and_end, take_the_returned_lane);
    ck_assert_uint_eq(((struct log *)log_)->header->lanes[1].head, LANE_EVENTS + LANE_EVENTS / 2);
    close_both();
}
END_TEST

/* ---- tail:R and tail:A ---- */

#define LAPS 8

static void *emit_until_read(void *arg) {
    const struct trace_shm_lane *lane = &((struct log *)log_)->header->lanes[1];
    for (uint32_t next = 0; !is_over();) {
        uint64_t before = __atomic_load_n(&lane->head, __ATOMIC_RELAXED);
        emit_codes(log_, next, next + 1);
        if (__atomic_load_n(&lane->head, __ATOMIC_RELAXED) != before)
            next++;
        else
            sched_yield();
    }
    return arg;
}

static void *read_some_laps(void *arg) {
    read_codes(1, 0, LAPS * LANE_EVENTS);
    set_over();
    return arg;
}

START_TEST(a_writer_that_discards_overwrites_only_what_was_copied) {
    open_both(LANE_EVENTS, TRACE_DISCARD_NEWEST);
    run_two(emit_until_read, read_some_laps);
    close_both();
}
END_TEST

/* ---- app:R and app:A ---- */

static void *register_an_app(void *arg) {
    struct trace_app app = {
        .app_id = {'D', 'M', 'A', 'P'}, .name = "registered", .command_count = 1, .commands = {{1, "registered"}}};
    ck_assert_int_eq(trace_log_register_app(log_, &app), 0);
    return arg;
}

/* Like a query of the process's own ring, except that a query uses another mapping. */
static void *show_until_it_has_a_name(void *arg) {
    const struct log *log = (const struct log *)log_;
    struct query_ring ring = {log->header, log->slots, log->lane_count, log->lane_events};
    struct trace_query_event found = {.event = {.kind = TRACE_KIND_APP_START}};
    char line[TRACE_EVENT_JSON_MAX], *end;
    memcpy(found.event.data.app_start.app_id, "DMAP", 4);
    do {
        sched_yield();
        end = query__json(line, &ring, &found);
    } while (!memmem(line, (size_t)(end - line), "registered", 10));
    return arg;
}

START_TEST(a_query_takes_whole_descriptions) {
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    run_two(show_until_it_has_a_name, register_an_app);
    close_both();
}
END_TEST

/* ---- the claim of a slot in the shared lane ---- */

static pthread_barrier_t barrier;

static void *hold_a_lane(void *arg) {
    emit_codes(log_, 0, 1);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return arg;
}

static void hold_all_lanes(pthread_t *holders) {
    pthread_barrier_init(&barrier, NULL, HOLDERS + 1);
    for (unsigned i = 0; i < HOLDERS; i++) ck_assert_int_eq(pthread_create(&holders[i], NULL, hold_a_lane, NULL), 0);
    pthread_barrier_wait(&barrier);
}

static void let_go(pthread_t *holders) {
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < HOLDERS; i++) pthread_join(holders[i], NULL);
    pthread_barrier_destroy(&barrier);
}

static void *write_and_make_the_shared_lane(void *arg) {
    plain = 1;
    emit_codes(log_, 0, 1);
    return arg;
}

static void *use_the_shared_lane(void *arg) {
    const struct trace_shm_lane *lane = &((struct log *)log_)->header->lanes[SHARED_LANE];
    while (__atomic_load_n(&lane->state, __ATOMIC_RELAXED) != TRACE_LANE_SHARED) sched_yield();
    emit_codes(log_, 1, 2);
    ck_assert_uint_eq(plain, 1);
    return arg;
}

START_TEST(a_user_of_the_shared_lane_sees_everything_done_before_its_publication) {
    pthread_t holders[HOLDERS];
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    hold_all_lanes(holders);
    run_two(write_and_make_the_shared_lane, use_the_shared_lane);
    let_go(holders);
    close_both();
}
END_TEST

static void *emit_into_the_shared_lane(void *arg) {
    emit_codes(log_, 0, 4 * LANE_EVENTS);
    return arg;
}

START_TEST(a_claimed_slot_is_written_after_the_previous_lap_s_writer) {
    pthread_t holders[HOLDERS];
    open_both(LANE_EVENTS, TRACE_OVERWRITE_OLDEST);
    hold_all_lanes(holders);
    run_two(emit_into_the_shared_lane, emit_into_the_shared_lane);
    ck_assert_uint_eq(((struct log *)log_)->header->lanes[SHARED_LANE].head, 8 * LANE_EVENTS);
    let_go(holders);
    close_both();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ordering");
    TCase *tcase = tcase_create("ordering");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, commit_orders_the_bytes_of_an_event_before_its_mark);
    tcase_add_test(tcase, a_reader_that_sees_a_lane_sees_everything_done_before_its_publication);
    tcase_add_test(tcase, a_returned_lane_is_written_after_its_last_owner);
    tcase_add_test(tcase, a_writer_that_discards_overwrites_only_what_was_copied);
    tcase_add_test(tcase, a_query_takes_whole_descriptions);
    tcase_add_test(tcase, a_user_of_the_shared_lane_sees_everything_done_before_its_publication);
    tcase_add_test(tcase, a_claimed_slot_is_written_after_the_previous_lap_s_writer);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
