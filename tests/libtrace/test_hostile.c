/* SPDX-License-Identifier: MIT
 *
 * Rings of an adversary who runs as our own user: objects whose headers are right and whose contents lie.  They must not gain
 * memory that they did not have, pass old events off as new ones, or take more of a reader's time than an honest ring. */
#include "../helpers/skip.h"
#include "../helpers/userfaultfd.h"
#include "ring_fixture.h"

#include <sys/stat.h>

#define EVENTS 1024
#define NAME "p2ptrace.test"

static struct trace_shm_header good;
static int object_fd;

/* The header of a real ring. */
static void setup_good(void) {
    setup_shm_dir();
    struct trace_log *log = open_log(EVENTS);
    int fd = openat(shm_dir_fd, trace_log_name(log) + 1, O_RDONLY);
    ck_assert_int_eq(pread(fd, &good, sizeof good, 0), sizeof good);
    close(fd);
    trace_log_close(log);
    for (unsigned i = 0; i < TRACE_LANES_MAX; i++) good.lanes[i].state = TRACE_LANE_FREE;
    object_fd = openat(shm_dir_fd, NAME, O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(object_fd, (off_t)good.object_bytes), 0);
}

static void teardown_good(void) {
    close(object_fd);
    teardown_shm_dir();
}

static void put_header(const struct trace_shm_header *header) {
    ck_assert_int_eq(pwrite(object_fd, header, sizeof *header, 0), sizeof *header);
}

static void put_slot(uint64_t position, uint32_t mark, uint16_t kind) {
    struct trace_event event = {.timestamp = 1, .sequence = mark, .kind = kind};
    event.data.custom.code = (uint32_t)position;
    off_t at = TRACE_SHM_LANES_OFFSET + (off_t)(position % EVENTS) * TRACE_EVENT_BYTES;
    ck_assert_int_eq(pwrite(object_fd, &event, sizeof event, at), sizeof event);
}

static uint64_t allocated(void) {
    struct stat status;
    ck_assert_int_eq(fstat(object_fd, &status), 0);
    return (uint64_t)status.st_blocks * 512;
}

static struct trace_reader *attach_with(unsigned flags) {
    struct trace_reader *reader = NULL;
    enum trace_attach_fault fault;
    ck_assert_int_eq(trace_reader_attach(&reader, shm_dir_fd, NAME, geteuid(), flags, &fault), 0);
    return reader;
}

/* Every way of looking at a ring. */
static void look_everywhere(struct trace_reader *reader, bool final) {
    struct trace_event events[64];
    struct trace_read read;
    struct trace_lane_count count;
    struct trace_watch watch;
    struct trace_app app;
    for (unsigned pass = 1; pass < 40; pass++) {
        for (unsigned lane = 0; lane < good.lane_count; lane++) {
            (void)trace_reader_lane_used(reader, lane);
            trace_reader_read(reader, lane, events, 64, final, pass * UINT64_C(400000000), &read);
            trace_reader_count(reader, lane, &count);
        }
        trace_reader_watch(reader, (1U << good.lane_count) - 1, &watch);
        (void)trace_watch_stirs(&watch);
        for (unsigned i = 0; i < TRACE_APPS_MAX; i++) (void)trace_reader_app(reader, i, &app);
        (void)trace_reader_no_lane(reader);
        (void)trace_reader_control(reader);
        (void)trace_reader_state(reader);
    }
}

static const uint64_t heads[] = {0, 1, 2, 40, EVENTS - 1, EVENTS, EVENTS + 1, 5 * EVENTS + 3, UINT64_MAX / 4, UINT64_MAX};

START_TEST(reading_a_ring_of_holes_allocates_nothing) {
    unsigned flags = _i & 1 ? TRACE_READER_CONTROL : 0;
    bool final = (_i & 2) != 0;
    struct trace_shm_header header = good;
    for (unsigned i = 0; i < header.lane_count; i++) {
        header.lanes[i].state = i + 1 < header.lane_count ? TRACE_LANE_OWNED : TRACE_LANE_SHARED;
        header.lanes[i].head = heads[(unsigned)_i / 4];
    }
    put_header(&header);
    uint64_t before = allocated();
    ck_assert_uint_eq(before, TRACE_SHM_HEADER_BYTES);
    struct trace_reader *reader = attach_with(flags);
    look_everywhere(reader, final);
    ck_assert_int_ne(trace_reader_fault(reader),
                     TRACE_ATTACH_BAD_SIZE); /* no SIGBUS, which would mean that a page was not allocated */
    trace_reader_detach(reader);
    ck_assert_uint_eq(allocated(), before);
}
END_TEST

/* Scattered pages: their events are read, in order, and no others appear. */
START_TEST(between_the_holes_of_a_ring_its_events_are_read) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    unsigned taken = 0;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = EVENTS;
    put_header(&header);
    for (unsigned i = 64; i < 96; i++) put_slot(i, trace_shm_mark(i), TRACE_KIND_CUSTOM);
    for (unsigned i = EVENTS - 32; i < EVENTS; i++) put_slot(i, trace_shm_mark(i), TRACE_KIND_CUSTOM);
    uint64_t before = allocated();
    struct trace_reader *reader = attach_with(0);
    do {
        trace_reader_read(reader, 0, events, 64, true, 1, &read);
        for (unsigned i = 0; i < read.count; i++, taken++)
            ck_assert_uint_eq(code_of(&events[i]), taken < 32 ? 64 + taken : EVENTS - 64 + taken);
    } while (read.more && read.first < EVENTS);
    ck_assert_uint_eq(taken, 64);
    trace_reader_detach(reader);
    ck_assert_uint_eq(allocated(), before);
}
END_TEST

/* A live node removes memory that its reader has already seen: a slot's page, or the header's. */
START_TEST(a_hole_that_comes_while_a_ring_is_read_stays_a_hole) {
    if (!is_userfaultfd_allowed()) SKIP_TEST("the kernel, or a filter, does not allow userfaultfd");
    unsigned flags = _i & 1 ? TRACE_READER_CONTROL : 0;
    off_t at = _i & 2 ? 0 : TRACE_SHM_LANES_OFFSET;
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    struct trace_watch watch;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = 1;
    put_header(&header);
    put_slot(0, trace_shm_mark(0), TRACE_KIND_CUSTOM);
    struct trace_reader *reader = attach_with(flags);
    trace_reader_read(reader, 0, events, 64, false, 1, &read);
    ck_assert_uint_eq(read.count, 1);
    trace_reader_watch(reader, 1, &watch);
    ck_assert_int_eq(fallocate(object_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 4096), 0);
    uint64_t before = allocated();
    if (_i & 4) (void)trace_watch_stirs(&watch);
    look_everywhere(reader, (_i & 8) != 0);
    ck_assert_int_eq(trace_reader_fault(reader), TRACE_ATTACH_LOST_PAGES);
    trace_reader_detach(reader);
    ck_assert_uint_eq(allocated(), before);
}
END_TEST

/* A node whose kernel does not fill a lane's pages in advance: they appear one by one, over the first lap and beyond. */
START_TEST(a_ring_whose_pages_come_one_by_one_is_read_whole) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    struct trace_watch watch;
    header.lanes[0].state = TRACE_LANE_OWNED;
    put_header(&header);
    struct trace_reader *reader = attach_with(0);
    for (uint64_t position = 0; position < 3 * EVENTS; position += 8) {
        trace_reader_read(reader, 0, events, 64, false, 1, &read);
        ck_assert_uint_eq(read.count, 0);
        trace_reader_watch(reader, 1, &watch);
        ck_assert(!trace_watch_stirs(&watch));
        header.lanes[0].head = position + 8;
        put_header(&header);
        for (unsigned i = 0; i < 8; i++) put_slot(position + i, trace_shm_mark(position + i), TRACE_KIND_CUSTOM);
        ck_assert(trace_watch_stirs(&watch));
        trace_reader_read(reader, 0, events, 64, false, 1, &read);
        ck_assert_uint_eq(read.first, position);
        ck_assert_uint_eq(read.count, 8);
        ck_assert_uint_eq(read.lost, 0);
    }
    trace_reader_detach(reader);
}
END_TEST

/* ---- lies ---------------------------------------------------------------------------------------------------------------- */

/* Sets a lane's words and slots, then reads until there is no more, or for `steps`.  Returns the reader's fault. */
static enum trace_attach_fault fault_after(struct trace_reader *reader, bool final, uint64_t *work, uint64_t *taken) {
    struct trace_event events[64];
    struct trace_read read;
    struct trace_lane_count count;
    *work = *taken = 0;
    do {
        trace_reader_read(reader, 0, events, 64, final, 1, &read);
        trace_reader_count(reader, 0, &count);
        ck_assert_uint_le(read.work, 65);
        ck_assert_uint_eq(count.emitted, count.taken + count.behind + count.lost[TRACE_LOSS_OVERWRITTEN] +
                                             count.lost[TRACE_LOSS_INVALID] + count.lost[TRACE_LOSS_BEFORE_ATTACH]);
        *work += read.work;
        *taken += read.count;
        ck_assert_uint_le(*work, 4 * EVENTS); /* reading a ring that nobody writes ends */
    } while (read.more);
    return trace_reader_fault(reader);
}

static void mark_ahead(uint64_t ahead) {
    for (uint64_t i = 0; i < EVENTS; i++) put_slot(i, trace_shm_mark(i + ahead), TRACE_KIND_CUSTOM);
}

START_TEST(marks_ahead_of_the_head_are_bad_marks) {
    static const uint64_t aheads[] = {1, EVENTS, 5 * EVENTS, UINT64_C(1) << 29, (UINT64_C(1) << 30) - 1};
    struct trace_shm_header header = good;
    uint64_t work, taken;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = _i & 1 ? EVENTS : 7;
    put_header(&header);
    mark_ahead(aheads[(unsigned)_i / 2]);
    struct trace_reader *reader = attach_with(0);
    ck_assert_int_eq(fault_after(reader, false, &work, &taken), TRACE_ATTACH_BAD_MARKS);
    ck_assert_uint_eq(taken, 0);
    trace_reader_detach(reader);
}
END_TEST

/* Half of the marks are a lap old, half are correct; and the writer claims all of them. */
START_TEST(reading_marks_that_run_backwards_ends) {
    struct trace_shm_header header = good;
    uint64_t work, taken;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = 3 * EVENTS;
    put_header(&header);
    for (uint64_t i = 0; i < EVENTS; i++) put_slot(i, trace_shm_mark(2 * EVENTS + i - (i & 1 ? EVENTS : 0)), TRACE_KIND_CUSTOM);
    struct trace_reader *reader = attach_with(0);
    ck_assert_int_eq(fault_after(reader, true, &work, &taken), TRACE_ATTACH_OK);
    ck_assert_uint_eq(taken, EVENTS / 2);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(a_head_beyond_any_writer_s_reach_is_a_bad_mark) {
    static const uint64_t jumps[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 40, UINT64_MAX / 2, UINT64_MAX - 10};
    struct trace_shm_header header = good;
    uint64_t work, taken;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = EVENTS;
    put_header(&header);
    mark_ahead(0);
    struct trace_reader *reader = attach_with(0);
    ck_assert_int_eq(fault_after(reader, false, &work, &taken), TRACE_ATTACH_OK);
    ck_assert_uint_eq(taken, EVENTS);
    header.lanes[0].head = EVENTS + jumps[_i]; /* 2^31 on, the old slots have the marks of new ones; UINT64_MAX - 10 is back */
    put_header(&header);
    ck_assert_int_eq(fault_after(reader, _i & 1, &work, &taken), TRACE_ATTACH_BAD_MARKS);
    ck_assert_uint_eq(taken, 0);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(an_impossible_head_before_attach_is_a_bad_mark_and_not_a_loss) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = UINT64_C(1) << 62;
    put_header(&header);
    struct trace_reader *reader = attach_with(0);
    trace_reader_read(reader, 0, events, 64, false, header.open_monotonic_ns + 1, &read);
    ck_assert_uint_eq(read.lost, 0);
    ck_assert_int_eq(trace_reader_fault(reader), TRACE_ATTACH_BAD_MARKS);
    trace_reader_detach(reader);
}
END_TEST

/* The writer overtakes us in the middle of a run.  The slot that it has overwritten is the only loss: a reader that sees the
 * gap when the run ends, and again in the next read, must not jump as if it had been lapped twice. */
START_TEST(a_gap_after_a_run_is_an_exact_loss_of_the_next_read) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    header.lanes[0].state = TRACE_LANE_OWNED;
    header.lanes[0].head = 32;
    put_header(&header);
    for (unsigned i = 0; i < 32; i++) put_slot(i, trace_shm_mark(i), TRACE_KIND_CUSTOM);
    struct trace_reader *reader = attach_with(0);
    trace_reader_read(reader, 0, events, 8, false, 1, &read);
    ck_assert_uint_eq(read.count, 8);
    put_slot(16, trace_shm_mark(16 + EVENTS), TRACE_KIND_CUSTOM);
    header.lanes[0].head = 16 + EVENTS + 1;
    put_header(&header);
    trace_reader_read(reader, 0, events, 64, false, 1, &read);
    ck_assert_uint_eq(read.count, 8);
    ck_assert_uint_eq(read.lost, 0);
    ck_assert(read.more);
    trace_reader_read(reader, 0, events, 64, false, 1, &read);
    ck_assert_uint_eq(read.lost, 1);
    ck_assert_uint_eq(read.count, 15);
    ck_assert_uint_eq(code_of(&events[0]), 17);
    trace_reader_detach(reader);
}
END_TEST

/* Whatever follows the last lane is not a lane. */
START_TEST(a_lane_that_the_ring_does_not_have_is_empty) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    header.lane_count = 1;
    header.object_bytes = TRACE_SHM_LANES_OFFSET + EVENTS * TRACE_EVENT_BYTES;
    header.lanes[1].state = TRACE_LANE_OWNED;
    header.lanes[1].head = 1;
    put_header(&header);
    put_slot(0, trace_shm_mark(0), TRACE_KIND_CUSTOM);
    struct trace_reader *reader = attach_with(0);
    ck_assert(!trace_reader_lane_used(reader, 1));
    trace_reader_read(reader, 1, events, 64, true, 1, &read);
    ck_assert_uint_eq(read.count + read.lost + read.work, 0);
    ck_assert(!read.more);
    ck_assert_uint_eq(trace_reader_position(reader, 1), 0);
    ck_assert_int_eq(trace_reader_fault(reader), TRACE_ATTACH_OK);
    trace_reader_detach(reader);
}
END_TEST

/* As time passes, a writer may get anywhere: then the distance is a loss, not a lie. */
START_TEST(a_head_that_a_writer_could_have_reached_is_accepted) {
    struct trace_shm_header header = good;
    struct trace_event events[64];
    struct trace_read read;
    header.lanes[0].state = TRACE_LANE_OWNED;
    put_header(&header);
    struct trace_reader *reader = attach_with(0);
    uint64_t now_ns = header.open_monotonic_ns + 1;
    trace_reader_read(reader, 0, events, 64, false, now_ns, &read);
    header.lanes[0].head = UINT64_C(3000000000);
    put_header(&header);
    trace_reader_read(reader, 0, events, 64, false, now_ns + UINT64_C(100000000000), &read);
    ck_assert_int_eq(trace_reader_fault(reader), TRACE_ATTACH_OK);
    ck_assert_uint_eq(read.lost, UINT64_C(3000000000) - EVENTS);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(more_discarded_than_a_writer_can_write_is_a_bad_mark) {
    struct trace_shm_header header = good;
    uint64_t work, taken;
    header.lanes[0].state = TRACE_LANE_OWNED;
    put_header(&header);
    struct trace_reader *reader = attach_with(0);
    ck_assert_int_eq(fault_after(reader, false, &work, &taken), TRACE_ATTACH_OK);
    header.lanes[0].discarded = UINT64_C(1) << 62;
    put_header(&header);
    ck_assert_int_eq(fault_after(reader, false, &work, &taken), TRACE_ATTACH_BAD_MARKS);
    trace_reader_detach(reader);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hostile");
    TCase *tcase = tcase_create("hostile");
    tcase_add_checked_fixture(tcase, setup_good, teardown_good);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, reading_a_ring_of_holes_allocates_nothing, 0, 4 * (int)(sizeof heads / sizeof *heads));
    tcase_add_test(tcase, between_the_holes_of_a_ring_its_events_are_read);
    tcase_add_loop_test(tcase, a_hole_that_comes_while_a_ring_is_read_stays_a_hole, 0, 16);
    tcase_add_test(tcase, a_ring_whose_pages_come_one_by_one_is_read_whole);
    tcase_add_loop_test(tcase, marks_ahead_of_the_head_are_bad_marks, 0, 10);
    tcase_add_test(tcase, reading_marks_that_run_backwards_ends);
    tcase_add_loop_test(tcase, a_head_beyond_any_writer_s_reach_is_a_bad_mark, 0, 5);
    tcase_add_test(tcase, an_impossible_head_before_attach_is_a_bad_mark_and_not_a_loss);
    tcase_add_test(tcase, a_gap_after_a_run_is_an_exact_loss_of_the_next_read);
    tcase_add_test(tcase, a_lane_that_the_ring_does_not_have_is_empty);
    tcase_add_test(tcase, a_head_that_a_writer_could_have_reached_is_accepted);
    tcase_add_test(tcase, more_discarded_than_a_writer_can_write_is_a_bad_mark);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
