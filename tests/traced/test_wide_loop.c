/* SPDX-License-Identifier: MIT
 *
 * A loop whose table has room from the start: new descriptors need no allocation, which might fail. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <wide_loop.h>

#define DESCRIPTORS 1000

static unsigned reallocations;

static void *count_realloc(void *memory, size_t bytes) {
    reallocations++;
    return realloc(memory, bytes);
}

static void watch(uv_loop_t *loop, uv_poll_t *poll, int number) {
    int fd = eventfd(0, EFD_CLOEXEC), high = fcntl(fd, F_DUPFD_CLOEXEC, number);
    close(fd);
    ck_assert_int_eq(high, number);
    ck_assert_int_eq(uv_poll_init(loop, poll, high), 0);
    ck_assert_int_eq(uv_poll_start(poll, UV_READABLE, NULL), 0);
    uv_close((uv_handle_t *)poll, NULL);
    close(high);
}

START_TEST(a_wide_loop_needs_no_memory_for_descriptors) {
    static uv_poll_t polls[2];
    uv_loop_t loop;
    ck_assert_int_eq(uv_replace_allocator(malloc, count_realloc, calloc, free), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(loop_widen(&loop, DESCRIPTORS), 0);
    reallocations = 0;
    watch(&loop, &polls[0], 200);
    watch(&loop, &polls[1], DESCRIPTORS - 1);
    ck_assert_uint_eq(reallocations, 0);
    ck_assert_int_eq(fcntl(DESCRIPTORS, F_GETFD), -1); /* nothing is left open */
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(a_loop_wider_than_the_process_limit_is_as_wide_as_the_limit) {
    uv_loop_t loop;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(loop_widen(&loop, 1U << 30), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("wide loop");
    TCase *tcase = tcase_create("wide loop");
    tcase_add_test(tcase, a_wide_loop_needs_no_memory_for_descriptors);
    tcase_add_test(tcase, a_loop_wider_than_the_process_limit_is_as_wide_as_the_limit);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
