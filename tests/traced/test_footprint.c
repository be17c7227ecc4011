/* SPDX-License-Identifier: MIT
 *
 * How much memory is available, and that no more is used than was announced. */
#include "../helpers/scratch.h"
#include "../helpers/skip.h"
#include <footprint.h>

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/history.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_BYTES], meminfo[SCRATCH_BYTES + 16];

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void make_groups(void) {
    char path[128];
    ck_assert_ptr_nonnull(make_scratch(dir));
    snprintf(path, sizeof path, "%s/outer", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/outer/inner", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(meminfo, sizeof meminfo, "%s/meminfo", dir);
    write_file("meminfo", "MemTotal: 9000 kB\nMemAvailable:    4000 kB\nMemFree: 1 kB\n");
}

static void remove_groups(void) {
    static const char *const names[] = {"outer/inner/memory.max",
                                        "outer/inner/memory.current",
                                        "outer/memory.max",
                                        "outer/memory.current",
                                        "meminfo",
                                        "outer/inner",
                                        "outer",
                                        ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        remove(path);
    }
}

START_TEST(spare_memory_is_the_least_of_the_machine_and_all_groups) {
    const uint64_t kib = 1024;
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, "/outer/inner"), 4000 * kib);
    write_file("outer/inner/memory.max", "max\n");
    write_file("outer/inner/memory.current", "1024\n");
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, "/outer/inner"), 4000 * kib);
    write_file("outer/memory.max", "2048000\n");
    write_file("outer/memory.current", "24000\n");
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, "/outer/inner"), 2024000);
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, "/outer"), 2024000);
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, ""), 4000 * kib);
    write_file("outer/inner/memory.max", "1000\n"); /* lowered below what is taken */
    ck_assert_uint_eq(footprint_available_in(meminfo, dir, "/outer/inner"), 0);
    ck_assert_uint_eq(footprint_available_in("/proc/nonexistent", dir, ""), UINT64_MAX);
}
END_TEST

START_TEST(a_history_fits_between_the_least_and_what_there_is) {
    char reason[FOOTPRINT_REASON_BYTES] = "";
    ck_assert(footprint_history_fits(HISTORY_BYTES_MIN, reason));
    ck_assert(!footprint_history_fits(HISTORY_BYTES_MIN - 1, reason));
    ck_assert_str_eq(reason, "59 MiB is too little; the minimum is 60 MiB (--history)");
    ck_assert(!footprint_history_fits(UINT64_C(1) << 60, reason));
    ck_assert_ptr_nonnull(strstr(reason, "choose a smaller --history"));
}
END_TEST

START_TEST(the_promised_memory_exceeds_the_history) {
    ck_assert_uint_eq(footprint_promise(1000) - footprint_promise(0), 1000);
    ck_assert_uint_gt(footprint_promise(0), 0);
}
END_TEST

/* These two run in a separate process, because the limit is permanent. */
START_TEST(an_allocation_beyond_the_bound_fails_and_is_reported_once) {
    struct rlimit limit;
    const size_t great = (size_t)64 << 20;
    if (SANITIZED) SKIP_TEST("a sanitizer's memory is unbounded");
    char *text = malloc(great);
    footprint_begin();
    ck_assert_int_eq(footprint_keep((size_t)8 << 20), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_DATA, &limit), 0);
    ck_assert_uint_ne(limit.rlim_cur, RLIM_INFINITY);
    memset(text, 'x', great);
    ck_assert(!footprint_was_short());
    json_t *fits = json_stringn(text, (size_t)1 << 20);
    ck_assert_ptr_nonnull(fits);
    ck_assert(!footprint_was_short());
    ck_assert_ptr_null(json_stringn(text, great - 1));
    ck_assert(footprint_was_short());
    ck_assert(!footprint_was_short());
    json_decref(fits);
    free(text);
}
END_TEST

START_TEST(a_narrower_bound_is_left_alone) {
    struct rlimit limit = {.rlim_cur = (rlim_t)512 << 20, .rlim_max = RLIM_INFINITY};
    if (SANITIZED) SKIP_TEST("a sanitizer's memory is unbounded");
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    ck_assert_int_eq(footprint_keep(UINT64_C(1) << 40), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_DATA, &limit), 0);
    ck_assert_uint_eq(limit.rlim_cur, (rlim_t)512 << 20);
}
END_TEST

START_TEST(resident_memory_distinguishes_the_rings) {
    ck_assert_uint_gt(footprint_resident(), 1 << 20);
    ck_assert_uint_lt(footprint_resident_rings(), footprint_resident());
}
END_TEST

int main(void) {
    Suite *suite = suite_create("footprint");
    TCase *tcase = tcase_create("footprint");
    tcase_add_test(tcase, a_history_fits_between_the_least_and_what_there_is);
    tcase_add_test(tcase, the_promised_memory_exceeds_the_history);
    tcase_add_test(tcase, an_allocation_beyond_the_bound_fails_and_is_reported_once);
    tcase_add_test(tcase, a_narrower_bound_is_left_alone);
    tcase_add_test(tcase, resident_memory_distinguishes_the_rings);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("groups");
    tcase_add_checked_fixture(tcase, make_groups, remove_groups);
    tcase_add_test(tcase, spare_memory_is_the_least_of_the_machine_and_all_groups);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
