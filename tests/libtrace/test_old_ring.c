/* SPDX-License-Identifier: MIT
 *
 * A ring of the previous version, ABI 1, written byte by byte as its library did: it is read to its end, including
 * applications. */
#include "ring_fixture.h"

#include <libtrace/clock.h>

#define NAME "p2ptrace.1.1.0123456789abcdef"
#define LANES_OFFSET 24576
#define LANES 2
#define EVENTS 64
#define OBJECT_BYTES (LANES_OFFSET + LANES * EVENTS * 128)

static int fd;

static void put(size_t offset, const void *bytes, size_t count) {
    ck_assert_int_eq(pwrite(fd, bytes, count, (off_t)offset), (ssize_t)count);
}

static void put_text(size_t offset, const char *text) { put(offset, text, strlen(text)); }
static void put8(size_t offset, uint8_t value) { put(offset, &value, sizeof value); }
static void put16(size_t offset, uint16_t value) { put(offset, &value, sizeof value); }
static void put32(size_t offset, uint32_t value) { put(offset, &value, sizeof value); }
static void put64(size_t offset, uint64_t value) { put(offset, &value, sizeof value); }

/* Event number `code` of a lane. */
static void put_event(unsigned lane, uint32_t position) {
    size_t at = LANES_OFFSET + (lane * EVENTS + position % EVENTS) * 128;
    struct trace_event event = {.timestamp = 1000 + position, .sequence = position + 1, .kind = TRACE_KIND_CUSTOM};
    event.data.custom.code = position;
    put(at, &event, sizeof event);
}

static void put_app(unsigned index, const char *app_id, uint16_t command_count) {
    size_t at = 4096 + index * 1192;
    put_text(at + 8, app_id);
    put_text(at + 12, "Old");
    put16(at + 36, command_count);
    put16(at + 38, 1);
    for (unsigned i = 0; i < command_count && i < 32; i++) {
        char name[8];
        snprintf(name, sizeof name, "C%u", i);
        put16(at + 40 + i * 24, (uint16_t)(100 + i));
        put_text(at + 42 + i * 24, name);
    }
    put_text(at + 808, "size");
    put8(at + 828, 1); /* unsigned, */
    put8(at + 829, 32);
    put8(at + 830, 4); /* of four bytes at 32 */
    put32(at, 1);
}

static void make_ring(void) {
    fd = openat(shm_dir_fd, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, OBJECT_BYTES), 0);
    put_text(0, "P2TRACE1");
    put32(8, 1);
    put32(12, LANES_OFFSET);
    put64(16, OBJECT_BYTES);
    put32(24, 128);
    put32(28, LANES);
    put32(32, EVENTS);
    put32(40, 4711);                  /* pid */
    put32(44, TRACE_CLOCK_MONOTONIC); /* a ring of any machine can be read here */
    put64(48, 1000);
    put64(56, 1000);
    put64(64, 5000);
    put8(72, 7); /* node id */
    put_text(104, "veteran");
    put64(136, UINT64_MAX);
    put64(192, UINT64_MAX);
    put32(256, 2);   /* it was closed */
    put64(1024, 10); /* lane 0: head, */
    put32(1024 + 64, TRACE_LANE_OWNED);
    for (uint32_t i = 0; i < 10; i++) put_event(0, i);
    put_app(0, "OLDA", 2);
    put_app(1, "OLDB", 32);
}

static void setup(void) {
    setup_shm_dir();
    make_ring();
}

static void teardown(void) {
    close(fd);
    teardown_shm_dir();
}

START_TEST(its_events_are_read) {
    struct trace_reader *reader = attach(NAME);
    const struct trace_reader_info *info = trace_reader_info(reader);
    struct trace_event events[64];
    struct trace_read read;
    ck_assert_uint_eq(info->abi, 1);
    ck_assert_str_eq(info->node_name, "veteran");
    ck_assert_int_eq(info->pid, 4711);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_EXITED);
    trace_reader_read(reader, 0, events, 64, true, 1, &read);
    ck_assert_uint_eq(read.count, 10);
    for (uint32_t i = 0; i < 10; i++) ck_assert_uint_eq(code_of(&events[i]), i);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(its_applications_are_found) {
    struct trace_reader *reader = attach(NAME);
    struct trace_app app;
    ck_assert_int_eq(trace_reader_app(reader, 0, &app), 0);
    ck_assert_mem_eq(app.app_id, "OLDA", 4);
    ck_assert_str_eq(app.name, "Old");
    ck_assert_uint_eq(app.command_count, 2);
    ck_assert_uint_eq(app.commands[1].cmd, 101);
    ck_assert_str_eq(app.commands[1].name, "C1");
    ck_assert_uint_eq(app.field_count, 1);
    ck_assert_str_eq(app.fields[0].name, "size");
    ck_assert_uint_eq(app.fields[0].offset, 32);
    ck_assert_uint_eq(app.fields[0].bytes, 4);
    ck_assert_int_eq(trace_reader_app(reader, 1, &app), 0);
    ck_assert_uint_eq(app.commands[31].cmd, 131);
    ck_assert_uint_eq(app.commands[32].name[0], 0);
    ck_assert_int_eq(trace_reader_app(reader, 2, &app), -ENOENT);
    ck_assert_int_eq(trace_reader_app(reader, 16, &app), -ENOENT); /* where its lanes are */
    put16(4096 + 36, 33);
    ck_assert_int_eq(trace_reader_app(reader, 0, &app), -EBADMSG);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(sizes_of_another_version_are_refused) {
    struct trace_reader *reader;
    enum trace_attach_fault fault;
    put32(8, TRACE_SHM_ABI);
    ck_assert_int_eq(trace_reader_attach(&reader, shm_dir_fd, NAME, geteuid(), 0, &fault), -EINVAL);
    ck_assert_int_eq(fault, TRACE_ATTACH_BAD_SIZE);
    put32(8, TRACE_SHM_ABI + 1);
    ck_assert_int_eq(trace_reader_attach(&reader, shm_dir_fd, NAME, geteuid(), 0, &fault), -EINVAL);
    ck_assert_int_eq(fault, TRACE_ATTACH_BAD_VERSION);
    put32(8, 0);
    ck_assert_int_eq(trace_reader_attach(&reader, shm_dir_fd, NAME, geteuid(), 0, &fault), -EINVAL);
    ck_assert_int_eq(fault, TRACE_ATTACH_BAD_VERSION);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("old ring");
    TCase *tcase = tcase_create("old ring");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, its_events_are_read);
    tcase_add_test(tcase, its_applications_are_found);
    tcase_add_test(tcase, sizes_of_another_version_are_refused);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
