/* SPDX-License-Identifier: MIT
 *
 * Attaching to something that is not a ring, or no longer one: it is refused with the right reason, without a crash or a leak. */
#include "reader_internal.h"
#include "ring_fixture.h"

#include <libtrace/guard.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct trace_shm_header good;
static uint64_t good_bytes;

/* The header of a real ring, to corrupt in one place. */
static void setup_good(void) {
    struct trace_log *log;
    int fd;
    setup_shm_dir();
    log = open_log(64);
    fd = openat(shm_dir_fd, trace_log_name(log) + 1, O_RDONLY);
    ck_assert_int_eq(pread(fd, &good, sizeof good, 0), sizeof good);
    good_bytes = good.object_bytes;
    close(fd);
    trace_log_close(log);
}

static void make_object(const char *name, const struct trace_shm_header *header, uint64_t bytes) {
    int fd = openat(shm_dir_fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    if (header) ck_assert_int_eq(pwrite(fd, header, sizeof *header, 0), sizeof *header);
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

static enum trace_attach_fault fault_of(const char *name) {
    struct trace_reader *reader = (struct trace_reader *)&good;
    enum trace_attach_fault fault;
    int result = trace_reader_attach(&reader, shm_dir_fd, name, geteuid(), TRACE_READER_CONTROL, &fault);
    if (result == 0) {
        trace_reader_detach(reader);
        ck_assert_int_eq(fault, TRACE_ATTACH_OK);
    } else {
        ck_assert_int_lt(result, 0);
        ck_assert_ptr_eq(reader, (struct trace_reader *)&good);
        ck_assert_int_ne(fault, TRACE_ATTACH_OK);
    }
    return fault;
}

#define SPOILED(field, value, expected) \
    { offsetof(struct trace_shm_header, field), sizeof good.field, value, expected }
static const struct {
    size_t offset, bytes;
    uint64_t value;
    enum trace_attach_fault expected;
} spoiled[] = {
    SPOILED(magic, 0, TRACE_ATTACH_NOT_READY),
    SPOILED(magic, 1, TRACE_ATTACH_BAD_MAGIC),
    SPOILED(abi, 3, TRACE_ATTACH_BAD_VERSION),
    SPOILED(header_bytes, 4096, TRACE_ATTACH_BAD_SIZE),
    SPOILED(object_bytes, UINT64_MAX, TRACE_ATTACH_BAD_SIZE),
    SPOILED(object_bytes, 1, TRACE_ATTACH_BAD_SIZE),
    SPOILED(event_bytes, 64, TRACE_ATTACH_BAD_SIZE),
    SPOILED(lane_count, 0, TRACE_ATTACH_BAD_SIZE),
    SPOILED(lane_count, 17, TRACE_ATTACH_BAD_SIZE),
    SPOILED(lane_events, 0, TRACE_ATTACH_BAD_SIZE),
    SPOILED(lane_events, 65, TRACE_ATTACH_BAD_SIZE),
    SPOILED(lane_events, 0x80000000, TRACE_ATTACH_BAD_SIZE),
    SPOILED(policy, 9, TRACE_ATTACH_BAD_SIZE),
    SPOILED(clock_source, 0, TRACE_ATTACH_BAD_CLOCK),
    SPOILED(pid, 0, TRACE_ATTACH_OK),
};

START_TEST(each_damaged_header_is_refused_with_its_own_reason) {
    struct trace_shm_header header = good;
    memcpy((char *)&header + spoiled[_i].offset, &spoiled[_i].value, spoiled[_i].bytes);
    make_object("p2ptrace.test", &header, good_bytes);
    ck_assert_int_eq(fault_of("p2ptrace.test"), spoiled[_i].expected);
}
END_TEST

START_TEST(an_object_shorter_than_it_says_is_refused) {
    make_object("p2ptrace.test", &good, good_bytes - 1);
    ck_assert_int_eq(fault_of("p2ptrace.test"), TRACE_ATTACH_BAD_SIZE);
    make_object("p2ptrace.test", &good, 4096);
    ck_assert_int_eq(fault_of("p2ptrace.test"), TRACE_ATTACH_BAD_SIZE);
    make_object("p2ptrace.test", NULL, 0);
    ck_assert_int_eq(fault_of("p2ptrace.test"), TRACE_ATTACH_NOT_READY);
}
END_TEST

START_TEST(only_plain_files_are_attached) {
    make_object("p2ptrace.good", &good, good_bytes);
    ck_assert_int_eq(symlinkat("p2ptrace.good", shm_dir_fd, "p2ptrace.link"), 0);
    ck_assert_int_eq(mkfifoat(shm_dir_fd, "p2ptrace.fifo", 0600), 0);
    ck_assert_int_eq(mkdirat(shm_dir_fd, "p2ptrace.dir", 0700), 0);
    ck_assert_int_eq(fault_of("p2ptrace.link"), TRACE_ATTACH_BAD_OBJECT);
    ck_assert_int_eq(fault_of("p2ptrace.fifo"), TRACE_ATTACH_BAD_OBJECT);
    ck_assert_int_eq(fault_of("p2ptrace.dir"), TRACE_ATTACH_BAD_OBJECT);
    ck_assert_int_eq(fault_of("p2ptrace.none"), TRACE_ATTACH_SYSTEM);
    unlinkat(shm_dir_fd, "p2ptrace.dir", AT_REMOVEDIR);
}
END_TEST

START_TEST(another_users_object_is_refused) {
    struct trace_reader *reader = NULL;
    enum trace_attach_fault fault;
    make_object("p2ptrace.test", &good, good_bytes);
    ck_assert_int_lt(trace_reader_attach(&reader, shm_dir_fd, "p2ptrace.test", geteuid() + 1, 0, &fault), 0);
    ck_assert_int_eq(fault, TRACE_ATTACH_BAD_OWNER);
}
END_TEST

START_TEST(a_node_name_can_not_smuggle_control_characters) {
    struct trace_shm_header header = good;
    struct trace_reader *reader;
    memcpy(header.node_name, "a\x1b[31m\xff\xc3\xa9\xc2\x9b", 12);
    make_object("p2ptrace.test", &header, good_bytes);
    reader = attach("p2ptrace.test");
    ck_assert_str_eq(trace_reader_info(reader)->node_name, "a?[31m?\xc3\xa9??");
    trace_reader_detach(reader);
    memset(header.node_name, 'x', sizeof header.node_name);
    make_object("p2ptrace.test", &header, good_bytes);
    reader = attach("p2ptrace.test");
    ck_assert_uint_eq(strlen(trace_reader_info(reader)->node_name), TRACE_NODE_NAME_BYTES);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(an_object_that_shrinks_under_the_reader_breaks_only_the_reader) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_event events[64];
    struct trace_read read;
    struct trace_lane_count count;
    struct trace_watch watch;
    struct trace_app app;
    emit_codes(log, 0, 10);
    trace_reader_read(reader, 0, events, 5, false, 1, &read);
    ck_assert_uint_eq(read.count, 5);
    trace_reader_watch(reader, 1, &watch);
    int fd = openat(shm_dir_fd, trace_log_name(log) + 1, O_RDWR);
    ck_assert_int_eq(ftruncate(fd, _i % 2 == 0 ? 0 : TRACE_SHM_LANES_OFFSET), 0);
    if (_i / 2 == 0)
        trace_reader_read(reader, 0, events, 64, false, 1, &read);
    else
        ck_assert(trace_watch_stirs(&watch));
    ck_assert(trace_reader_broken(reader));
    trace_reader_read(reader, 0, events, 64, true, 1, &read);
    ck_assert_uint_eq(read.count + read.lost, 0);
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.taken, 5);
    ck_assert_int_eq(trace_reader_app(reader, 0, &app), -ENOENT);
    trace_reader_set_control(reader, 0);
    trace_reader_detach(reader);
    ck_assert_int_eq(ftruncate(fd, (off_t)good_bytes), 0); /* for the log, which shares the memory */
    close(fd);
    trace_log_close(log);
}
END_TEST

START_TEST(a_sigbus_outside_the_guarded_range_is_still_fatal) {
    int fd = openat(shm_dir_fd, "other", O_RDWR | O_CREAT, 0600);
    volatile char *page;
    char guarded[64];
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(trace_guard_install(), 0);
    teardown_shm_dir(); /* killed before it can */
    trace_guard_begin(guarded, sizeof guarded);
    (void)page[0];
}
END_TEST

START_TEST(only_the_right_object_is_unlinked) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    ck_assert_int_eq(unlinkat(shm_dir_fd, trace_log_name(log) + 1, 0), 0);
    make_object(trace_log_name(log) + 1, NULL, 100); /* the name belongs to another object now */
    ck_assert_int_eq(trace_reader_unlink(reader), -ESTALE);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(random_headers_and_slots_are_survived) {
    static struct trace_event events[256];
    srand((unsigned)_i);
    for (unsigned round = 0; round < 200; round++) {
        struct trace_shm_header header = good;
        struct trace_reader *reader = NULL;
        enum trace_attach_fault fault;
        uint8_t noise[2048];
        unsigned flips = (unsigned)rand() % 4;
        int fd;
        for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)rand();
        for (unsigned i = 0; i < flips; i++) ((uint8_t *)&header)[(unsigned)rand() % 320] ^= (uint8_t)(1U << (rand() % 8));
        memcpy(header.lanes, noise, sizeof noise); /* heads, counters and states have arbitrary values */
        for (unsigned i = 0; i < TRACE_LANES_MAX; i++) header.lanes[i].state = (uint32_t)rand() % 5;
        make_object("p2ptrace.test", &header, good_bytes);
        fd = openat(shm_dir_fd, "p2ptrace.test", O_RDWR);
        for (unsigned i = 0; i < 16; i++)
            ck_assert_int_gt(pwrite(fd, noise, sizeof noise, TRACE_SHM_LANES_OFFSET + (long)i * 2048), 0);
        close(fd);
        if (trace_reader_attach(&reader, shm_dir_fd, "p2ptrace.test", geteuid(), TRACE_READER_CONTROL, &fault) != 0) continue;
        for (unsigned pass = 0; pass < 20; pass++) {
            for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
                struct trace_lane_count count;
                struct trace_read read;
                trace_reader_read(reader, lane, events, 256, pass > 10, pass * UINT64_C(400000000), &read);
                ck_assert_uint_le(read.count, 256);
                trace_reader_count(reader, lane, &count);
            }
        }
        trace_reader_detach(reader);
    }
}
END_TEST

/* A crash is reported, and then the ring is removed: not because a system call failed. */
START_TEST(a_node_whose_lock_cannot_be_tested_counts_as_live) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    int none = open("/", O_PATH | O_CLOEXEC);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_LIVE);
    ck_assert_int_eq(dup3(none, reader->fd, O_CLOEXEC), reader->fd); /* fcntl fails with EBADF */
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_LIVE);
    close(none);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("attach");
    TCase *tcase = tcase_create("attach");
    tcase_add_checked_fixture(tcase, setup_good, teardown_shm_dir);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, each_damaged_header_is_refused_with_its_own_reason, 0, sizeof spoiled / sizeof spoiled[0]);
    tcase_add_test(tcase, an_object_shorter_than_it_says_is_refused);
    tcase_add_test(tcase, only_plain_files_are_attached);
    tcase_add_test(tcase, another_users_object_is_refused);
    tcase_add_test(tcase, a_node_name_can_not_smuggle_control_characters);
    tcase_add_loop_test(tcase, an_object_that_shrinks_under_the_reader_breaks_only_the_reader, 0, 4);
    tcase_add_test_raise_signal(tcase, a_sigbus_outside_the_guarded_range_is_still_fatal, SIGBUS);
    tcase_add_test(tcase, only_the_right_object_is_unlinked);
    tcase_add_test(tcase, a_node_whose_lock_cannot_be_tested_counts_as_live);
    tcase_add_loop_test(tcase, random_headers_and_slots_are_survived, 0, 5);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
