/* SPDX-License-Identifier: MIT
 *
 * What traced reads from its command line: sizes and options. */
#include <check.h>
#include <errno.h>
#include <options.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    int error;
    uint64_t bytes;
} sizes[] = {
    {"0", 0, 0},           {"100", 0, 100},        {"1K", 0, 1024},        {"1KiB", 0, 1024},
    {"1KB", 0, 1000},      {"64M", 0, 64 << 20},   {"64MiB", 0, 64 << 20}, {"1.5MiB", 0, 3 << 19},
    {"2G", 0, 2ULL << 30}, {"1GB", 0, 1000000000}, {"7B", 0, 7},           {"", -EINVAL, 0},
    {"M", -EINVAL, 0},     {"-1", -EINVAL, 0},     {"1X", -EINVAL, 0},     {"1 M", -EINVAL, 0},
    {"0x10", -EINVAL, 0},  {"1e3", -EINVAL, 0},    {"inf", -EINVAL, 0},    {"1MM", -EINVAL, 0},
    {"1.2.3", -EINVAL, 0}, {"+1", -EINVAL, 0},     {" 1", -EINVAL, 0},     {"99999999999G", -EINVAL, 0},
};

START_TEST(a_size_is_a_number_and_a_unit) {
    uint64_t bytes = 42;
    ck_assert_msg(options_parse_bytes(sizes[_i].text, &bytes) == sizes[_i].error, "%s", sizes[_i].text);
    ck_assert_uint_eq(bytes, sizes[_i].error ? 42 : sizes[_i].bytes);
}
END_TEST

static const struct {
    const char *arguments[6];
    enum options_verdict verdict;
    const char *out, *err;
} lines[] = {
    {{NULL}, OPTIONS_RUN, "", ""},
    {{"--socket", "/s", "--history=32M", "--log-level", "debug"}, OPTIONS_RUN, "", ""},
    {{"--help"}, OPTIONS_DONE, "--history SIZE", ""},
    {{"--version"}, OPTIONS_DONE, "traced ", ""},
    {{"extra"}, OPTIONS_WRONG, "", "unexpected argument: extra"},
    {{"--socket"}, OPTIONS_WRONG, "", "needs a value: --socket"},
    {{"--history", "lots"}, OPTIONS_WRONG, "", "--history is not a size: lots"},
    {{"--keep", "outcome == failed or any node == later"}, OPTIONS_RUN, "", ""},
    {{"--keep", "outcome == faild"}, OPTIONS_WRONG, "", "--keep, at byte 11: "},
    {{"--log-level", "loud"}, OPTIONS_WRONG, "", "--log-level is not"},
    {{"--record", "/d", "--record-age", "1h", "--record-seal", "5s"}, OPTIONS_RUN, "", ""},
    {{"--record", "/d", "--record-seal", "10ms"},
     OPTIONS_WRONG,
     "",
     "--record-seal is not a duration of at least 1s, like 5s: 10ms"},
    {{"--record", "/d", "--record-age", "soon"}, OPTIONS_WRONG, "", "--record-age is not a duration like 30m or 24h: soon"},
    {{"--record-seal", "5s"}, OPTIONS_WRONG, "", "--record-seal and --record-compress need --record DIR"},
    {{"--nonsense"}, OPTIONS_WRONG, "", "option: --nonsense"},
    {{"--help=yes"}, OPTIONS_WRONG, "", "option: --help=yes"},
};

START_TEST(a_command_line_is_taken_or_refused_in_words) {
    unsetenv("P2PTRACE_SHM_DIR");
    char name[] = "traced", *argv[8] = {name};
    int argc = 1;
    for (int i = 0; i < 6 && lines[_i].arguments[i]; i++) argv[argc++] = strdup(lines[_i].arguments[i]);
    char *out_text, *err_text;
    size_t out_bytes, err_bytes;
    FILE *out = open_memstream(&out_text, &out_bytes), *err = open_memstream(&err_text, &err_bytes);
    struct options options = {0};
    ck_assert_int_eq(options_parse(&options, argc, argv, out, err), lines[_i].verdict);
    fclose(out);
    fclose(err);
    ck_assert_msg(strstr(out_text, lines[_i].out), "%s", out_text);
    ck_assert_msg(strstr(err_text, lines[_i].err), "%s", err_text);
    ck_assert_int_eq(err_bytes != 0, lines[_i].verdict == OPTIONS_WRONG);
    if (_i == 0) {
        ck_assert_ptr_null(options.socket);
        ck_assert_str_eq(options.shm_dir, "/dev/shm");
        ck_assert_uint_eq(options.history_bytes, 256 << 20);
        ck_assert_int_eq(options.log_level, LOG_LEVEL_INFO);
    }
    if (_i == 1) {
        ck_assert_str_eq(options.socket, "/s");
        ck_assert_uint_eq(options.history_bytes, 32 << 20);
        ck_assert_int_eq(options.log_level, LOG_LEVEL_DEBUG);
    }
    while (argc > 1) free(argv[--argc]);
    free(out_text);
    free(err_text);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

int main(void) {
    Suite *suite = suite_create("options");
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, a_size_is_a_number_and_a_unit, 0, COUNT(sizes));
    tcase_add_loop_test(values, a_command_line_is_taken_or_refused_in_words, 0, COUNT(lines));
    suite_add_tcase(suite, values);
    return suite_run(suite);
}
