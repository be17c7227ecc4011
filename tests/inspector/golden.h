/* SPDX-License-Identifier: MIT
 *
 * Tests over a directory of cases: each NAME.suffix has its expected output in NAME.txt.
 *
 * INSPECTOR_GOLDEN_UPDATE=1 in the environment writes the .txt files instead: read the diff before you commit it. */
#ifndef TESTS_INSPECTOR_GOLDEN_H
#define TESTS_INSPECTOR_GOLDEN_H

#include "strbuf.h"

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *golden_directory, *golden_suffix;
static struct dirent **golden_cases;
static int golden_count;

static inline bool golden_update(void) { return getenv("INSPECTOR_GOLDEN_UPDATE"); }

/* The paths of a case: its input, and its expected output. */
static inline void golden_paths(int index, char ret_input[4096], char ret_expected[4096]) {
    const char *name = golden_cases[index]->d_name;
    snprintf(ret_input, 4096, "%s/%s", golden_directory, name);
    snprintf(ret_expected, 4096, "%s/%.*s.txt", golden_directory, (int)(strlen(name) - strlen(golden_suffix)), name);
}

/* The text of a file; the caller frees it. */
static inline char *golden_read(const char *path) {
    struct strbuf text = {0};
    char chunk[4096];
    FILE *file = fopen(path, "r");
    ck_assert_msg(file || golden_update(), "there is no %s", path);
    for (size_t bytes; file && (bytes = fread(chunk, 1, sizeof chunk, file)) > 0;) strbuf_add(&text, chunk, bytes);
    if (file) fclose(file);
    strbuf_puts(&text, "");
    ck_assert(!text.failed);
    return text.text;
}

static inline void golden_write(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static inline int golden_is_case(const struct dirent *entry) {
    size_t bytes = strlen(entry->d_name), suffix = strlen(golden_suffix);
    return bytes > suffix && !strcmp(entry->d_name + bytes - suffix, golden_suffix);
}

/* Runs tests once for each case of the directory; a test gets its index as _i.  Returns the exit code. */
static inline int golden_main(int argc, char **argv, const char *suite_name, const char *suffix, const TTest *const *tests,
                              size_t test_count) {
    if (argc != 2) return 2;
    golden_directory = argv[1];
    golden_suffix = suffix;
    golden_count = scandir(golden_directory, &golden_cases, golden_is_case, alphasort);
    if (golden_count <= 0) return 2;
    Suite *suite = suite_create(suite_name);
    TCase *tcase = tcase_create("cases");
    for (size_t i = 0; i < test_count; i++) tcase_add_loop_test(tcase, tests[i], 0, golden_count);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (int i = 0; i < golden_count; i++) free(golden_cases[i]);
    free(golden_cases);
    return failed != 0;
}

#endif
