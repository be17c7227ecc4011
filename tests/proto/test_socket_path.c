/* SPDX-License-Identifier: MIT
 *
 * The rules of the socket path, case by case. */
#include <check.h>
#include <errno.h>
#include <proto/socket_path.h>
#include <stdlib.h>
#include <string.h>

#define D20 "aaaaaaaaaaaaaaaaaaaa"
#define D100 D20 D20 D20 D20 D20

static const struct {
    struct trace_socket_path_inputs in;
    int error;
    const char *path, *source, *reason;
} cases[] = {
    {{"/a", "/b", "/c", 7}, 0, "/a", "the given path", NULL},
    {{NULL, "/b", "/c", 7}, 0, "/b", "$P2PTRACE_SOCKET", NULL},
    {{NULL, NULL, "/c", 7}, 0, "/c/p2ptrace/traced.sock", "$XDG_RUNTIME_DIR", NULL},
    {{NULL, "", "/c", 7}, 0, "/c/p2ptrace/traced.sock", "$XDG_RUNTIME_DIR", NULL},
    {{NULL, NULL, NULL, 7}, 0, "/tmp/p2ptrace-7/traced.sock", "the default", NULL},
    {{NULL, "", "", 4294967294U}, 0, "/tmp/p2ptrace-4294967294/traced.sock", "the default", NULL},
    {{NULL, NULL, "relative", 7}, 0, "/tmp/p2ptrace-7/traced.sock", "the default", NULL},
    {{"relative.sock", NULL, NULL, 7}, 0, "relative.sock", "the given path", NULL},
    {{"", "/b", "/c", 7}, -EINVAL, NULL, NULL, "empty"},
    {{"/123456" D100, NULL, NULL, 7}, 0, "/123456" D100, "the given path", NULL}, /* 107 bytes */
    {{"/1234567" D100, NULL, NULL, 7}, -ENAMETOOLONG, NULL, NULL, "108 bytes"},
    {{NULL, "/" D100 D20, NULL, 7}, -ENAMETOOLONG, NULL, NULL, "(from $P2PTRACE_SOCKET)"},
    {{NULL, NULL, "/" D100, 7}, -ENAMETOOLONG, NULL, NULL, "at most 107 (from $XDG_RUNTIME_DIR)"},
};

START_TEST(the_first_rule_that_applies_gives_the_path) {
    struct trace_socket_path path = {.path = "untouched"};
    char reason[TRACE_SOCKET_REASON_BYTES] = "";
    ck_assert_int_eq(trace_socket_path_choose(&path, &cases[_i].in, reason), cases[_i].error);
    if (cases[_i].error) {
        ck_assert_str_eq(path.path, "untouched");
        ck_assert_msg(strstr(reason, cases[_i].reason), "reason: %s", reason);
    } else {
        ck_assert_str_eq(path.path, cases[_i].path);
        ck_assert_str_eq(path.source, cases[_i].source);
        ck_assert_str_eq(reason, "");
    }
}
END_TEST

START_TEST(the_environment_is_asked) {
    struct trace_socket_path path;
    char reason[TRACE_SOCKET_REASON_BYTES];
    setenv("P2PTRACE_SOCKET", "/from/environment", 1);
    setenv("XDG_RUNTIME_DIR", "/run/x", 1);
    ck_assert_int_eq(trace_socket_path(&path, NULL, reason), 0);
    ck_assert_str_eq(path.path, "/from/environment");
    unsetenv("P2PTRACE_SOCKET");
    ck_assert_int_eq(trace_socket_path(&path, NULL, reason), 0);
    ck_assert_str_eq(path.path, "/run/x/p2ptrace/traced.sock");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("socket_path");
    TCase *rules = tcase_create("rules");
    tcase_add_loop_test(rules, the_first_rule_that_applies_gives_the_path, 0, sizeof cases / sizeof *cases);
    tcase_add_test(rules, the_environment_is_asked);
    suite_add_tcase(suite, rules);
    return suite_run(suite);
}
