/* SPDX-License-Identifier: MIT
 *
 * Each allocation fails once, and all from one on: a text is parsed completely, or there is an error, without reads or writes
 * out of bounds. */
#include <check.h>
#include <proto/json_memory.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

static unsigned long seen, fail_at, fail_to;
static unsigned noted;

void *__wrap_malloc(size_t bytes) {
    seen++;
    return seen >= fail_at && seen <= fail_to ? NULL : __real_malloc(bytes);
}

static void note(void) { noted++; }

static const char *const texts[] = {
    "{\"a name that does not fit into sixteen bytes\":\"nor into thirty-two, nor with \\u20ac into sixty-four of them\"}",
    "[1234567890123456, 123456789012345678, -1234567890123456.5e3, 12345678901234]",
    "[true,true,true,true,true,true,true,true,true,false,null,truetruetruetruetruetrue]",
    "[\"123456789012345\",\"1234567890123456789012345678901\",\"\",\"12345678901234567890123456789012345678901234567890\"]",
    "{\"a\":{\"b\":{\"c\":[[[[{\"jsonrpc\":\"2.0\",\"method\":\"0123456789012345678901234567890123456789\"}]]]]}}}",
    /* An array grows like the buffer, and then the buffer: neither may get the other's memory. */
    ("[\"a buffer of sixty-four bytes for this one\",true,true,true,true,true,true,true,true,"
     "\"and one of a hundred and twenty-eight for what comes behind the ninth, in the same reserve\"]"),
};

START_TEST(a_parse_without_memory_is_whole_or_an_error) {
    const char *text = texts[_i / 2];
    bool for_good = _i & 1;
    trace_json_memory_begin(note);
    json_error_t error;
    fail_to = 0;
    json_t *expected = trace_json_loadb(text, strlen(text), JSON_DECODE_ANY, &error);
    for (unsigned long n = 1;; n++) {
        noted = 0;
        seen = 0;
        fail_at = n;
        fail_to = for_good ? (unsigned long)-1 : n;
        json_t *root = trace_json_loadb(text, strlen(text), JSON_DECODE_ANY, &error);
        bool reached = seen >= n;
        fail_to = 0;
        if (reached) {
            ck_assert_ptr_null(root);
            ck_assert_int_eq(json_error_code(&error), json_error_out_of_memory);
            ck_assert_uint_gt(noted, 0);
        } else {
            ck_assert(expected == root || json_equal(expected, root));
            json_decref(root);
            break;
        }
    }
    json_decref(expected);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json memory");
    TCase *tcase = tcase_create("json memory");
    tcase_add_loop_test(tcase, a_parse_without_memory_is_whole_or_an_error, 0, 2 * (int)(sizeof texts / sizeof *texts));
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
