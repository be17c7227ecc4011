/* SPDX-License-Identifier: MIT
 *
 * Untrusted text, as shown and as typed.  The shell itself checks each word. */
#include <check.h>
#include <proto/untrusted.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *text, *shown;
} cases[] = {
    {"", ""},
    {"plain text, 7 %", "plain text, 7 %"},
    {"\x1b[31m\r\n\t", "\\x1b[31m\\x0d\\x0a\\x09"},
    {"del\x7f", "del\\x7f"},
    {"c1\xc2\x9b", "c1\\u009b"},
    {"bidi\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f", "bidi\\u202e\\u2066\\u061c\\u200f"},
    {"lines\xe2\x80\xa8\xe2\x80\xa9\xc2\x85", "lines\\u2028\\u2029\\u0085"},
    {"hidden\xe2\x80\x8b\xef\xbb\xbf\xc2\xad", "hidden\\u200b\\ufeff\\u00ad"},
    {"tags\xf3\xa0\x81\x81", "tags\\ue0041"},
    {"bad\xff\xc0\xaf\xed\xa0\x80\xe2\x82", "bad\\xff\\xc0\\xaf\\xed\\xa0\\x80\\xe2\\x82"},
    {"Gr\xc3\xbc\xc3\x9f"
     "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x8d\xba",
     "Gr\xc3\xbc\xc3\x9f"
     "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x8d\xba"},
};

START_TEST(characters_that_change_a_terminal_are_shown_as_numbers) {
    char out[256];
    ck_assert_uint_eq(trace_show_text(out, sizeof out, cases[_i].text, strlen(cases[_i].text)), strlen(cases[_i].shown));
    ck_assert_str_eq(out, cases[_i].shown);
}
END_TEST

START_TEST(a_text_is_cut_behind_a_whole_character) {
    for (size_t size = 0; size < 40; size++) {
        char out[64];
        memset(out, 'x', sizeof out);
        size_t bytes = trace_show_text(out, size, "a\xe6\x97\xa5\x1b\xff", 6);
        ck_assert_int_eq(out[size], 'x');
        if (size == 0) continue;
        ck_assert_uint_lt(bytes, size);
        ck_assert_int_eq(out[bytes], 0);
        ck_assert(bytes == 0 || bytes == 1 || bytes == 4 || bytes == 8 || bytes == 12);
    }
}
END_TEST

static const char *const words[] = {
    "plain-word_7.sock",
    "",
    " ",
    "a b",
    "it's",
    "'",
    "$(touch x)`id`",
    "\\",
    "\"",
    "a\nb",
    "\x1b[31m'\\7",
    "\377\2007",
    "~",
    "#",
    "-n",
    "*",
    "!x",
    "a=b;c",
    "\342\200\256evil",
    "Gr\303\274\303\237e",
    "\x7f",
    "$'x'",
    "{a,b}",
    "&",
    "a|b>c",
};

/* The result in bash. */
START_TEST(a_quoted_word_is_one_shell_word_with_the_same_text) {
    char word[256], command[300], out[256], shown[512];
    ck_assert(trace_shell_word(word, sizeof word, words[_i]));
    trace_show_text(shown, sizeof shown, word, strlen(word));
    ck_assert_str_eq(shown, word); /* it can be shown unchanged */
    int ends[2], status;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        snprintf(command, sizeof command, "set -- %s; printf '%%s:%%s' $# \"$1\"", word);
        execlp("bash", "bash", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t bytes = 0;
    for (ssize_t got; (got = read(ends[0], out + bytes, sizeof out - 1 - bytes)) > 0;) bytes += (size_t)got;
    out[bytes] = 0;
    close(ends[0]);
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(strncmp(out, "1:", 2), 0);
    ck_assert_str_eq(out + 2, words[_i]);
}
END_TEST

START_TEST(a_word_that_does_not_fit_is_left_out_whole) {
    for (size_t size = 0; size < 16; size++) {
        char out[32];
        memset(out, 'x', sizeof out);
        bool fits = trace_shell_word(out, size, "it's a"); /* 'it'\''s a' */
        ck_assert_int_eq(out[size], 'x');
        ck_assert_int_eq(fits, size > strlen("'it'\\''s a'"));
        if (!fits && size) ck_assert_str_eq(out, "");
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("untrusted");
    TCase *tcase = tcase_create("untrusted");
    tcase_add_loop_test(tcase, characters_that_change_a_terminal_are_shown_as_numbers, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tcase, a_text_is_cut_behind_a_whole_character);
    tcase_add_loop_test(tcase, a_quoted_word_is_one_shell_word_with_the_same_text, 0, sizeof words / sizeof *words);
    tcase_add_test(tcase, a_word_that_does_not_fit_is_left_out_whole);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
