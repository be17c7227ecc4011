/* SPDX-License-Identifier: MIT
 *
 * Times as people write them (inspector/options/times.h).  The zone is CET with summer time, in POSIX notation. */
#include "text.h"
#include "times.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW UINT64_C(1785585600250000) /* 2026-08-01 12:00:00.25 UTC, 14:00 in summer's CET */

static const struct {
    const char *text;
    bool utc;
    const char *json;
} times[] = {
    {"1767225600123456", false, "1767225600123456"},
    {"0", true, "0"},
    {"30", true, "\"30\""}, /* seconds? */
    {"1767225600", true, "\"1767225600\""},
    {"99999999999999", true, "\"99999999999999\""},
    {"100000000000000", true, "100000000000000"},
    {"now", false, "\"-0s\""},
    {"-5s", false, "\"-5s\""},
    {"5m", false, "\"-5m\""},
    {"1.5h", true, "\"-1.5h\""},
    {"5x", false, "\"5x\""},
    {"5KiB", false, "\"5KiB\""},
    {"m", false, "\"m\""},
    /* dates */
    {"2026-01-31", true, "\"2026-01-31T00:00:00Z\""},
    {"2026-01-31", false, "\"2026-01-30T23:00:00Z\""},
    {"2026-07-31", false, "\"2026-07-30T22:00:00Z\""},
    {"2026-07-31Z", false, "\"2026-07-31T00:00:00Z\""},
    {"2026-01-01", false, "\"2025-12-31T23:00:00Z\""},
    {"2024-02-29", true, "\"2024-02-29T00:00:00Z\""},
    /* dates and times */
    {"2026-01-31 12:00", true, "\"2026-01-31T12:00:00Z\""},
    {"2026-01-31 12:00", false, "\"2026-01-31T11:00:00Z\""},
    {"2026-01-31T12:00:07", false, "\"2026-01-31T11:00:07Z\""},
    {"2026-07-31 00:30:00.123456789", false, "\"2026-07-30T22:30:00.123456789Z\""},
    {"2026-07-31 00:30:00.1234567899", true, "\"2026-07-31T00:30:00.123456789Z\""},
    {"2026-01-31T12:00:00.5Z", false, "\"2026-01-31T12:00:00.5Z\""},
    {"2026-01-31 12:00Z", false, "\"2026-01-31T12:00:00Z\""},
    {"2026-01-31T12:00:00+02:00", true, "\"2026-01-31T10:00:00Z\""},
    {"2026-01-31T22:00:00-03:30", false, "\"2026-02-01T01:30:00Z\""},
    {"2026-03-29 02:30", false, "\"2026-03-29T01:30:00Z\""}, /* clocks skip from 2 to 3 there */
    {"2026-10-25 02:30", false, "\"2026-10-25T00:30:00Z\""}, /* and come back from 3 to 2 there: the first of both */
    {"2026-10-25 02:30+01:00", false, "\"2026-10-25T01:30:00Z\""},
    {"2026-10-25 01:30", false, "\"2026-10-24T23:30:00Z\""},
    {"2026-10-25 03:00", false, "\"2026-10-25T02:00:00Z\""},
    /* dates that do not exist: traced rejects them */
    {"2026-02-30", false, "\"2026-02-30T00:00:00Z\""},
    {"2026-13-01 12:00", false, "\"2026-13-01T12:00:00Z\""},
    {"2025-02-29", true, "\"2025-02-29T00:00:00Z\""},
    {"2026-01-31 24:00", true, "\"2026-01-31T24:00:00Z\""},
    {"2026-01-31 12:60", false, "\"2026-01-31T12:60:00Z\""},
    /* times of day */
    {"12:00", true, "1785585600000000"},
    {"12:00:00.25", true, "1785585600250000"},
    {"12:00:00.250001", true, "1785499200250001"}, /* yesterday: today it is still to come */
    {"12:00:01", true, "1785499201000000"},
    {"14:00", false, "1785585600000000"},
    {"14:01", false, "1785499260000000"},
    {"12:00Z", false, "1785585600000000"},
    {"17:30+05:30", false, "1785585600000000"},
    {"23:00:00-04:00", true, "1785553200000000"},
    /* none */
    {"", false, "\"\""},
    {"yesterday", false, "\"yesterday\""},
    {"12", false, "\"12\""},
    {"12:", false, "\"12:\""},
    {"24:00", false, "\"24:00\""},
    {"12:00:00.", true, "\"12:00:00.\""},
    {"12:00 ", true, "\"12:00 \""},
    {"12:00+1", true, "\"12:00+1\""},
    {"12:00+24:00", true, "\"12:00+24:00\""},
    {"2026-1-1", false, "\"2026-1-1\""},
    {"2026-01-31T", false, "\"2026-01-31T\""},
    {"2026-01-31x12:00", false, "\"2026-01-31x12:00\""},
    {"2026-01-31 12:00ZZ", false, "\"2026-01-31 12:00ZZ\""},
    {"1234567890123456789", false, "\"1234567890123456789\""},
};

START_TEST(a_time_is_read_as_help_says) {
    json_t *value = time_param_new(times[_i].text, times[_i].utc, NOW);
    char *json = json_dumps(value, JSON_ENCODE_ANY);
    ck_assert_ptr_nonnull(json);
    ck_assert_msg(!strcmp(json, times[_i].json), "%s: %s, not %s", times[_i].text, json, times[_i].json);
    free(json);
    json_decref(value);
}
END_TEST

/* The night in which clocks are set back from 3 to 2, at 01:00 UTC. */
#define BACK_S INT64_C(1792890000) /* 2026-10-25T01:00:00Z */

START_TEST(the_last_moment_of_a_time_that_comes_twice) {
    static const struct {
        int64_t now_s, expected_s;
    } cases[] = {{BACK_S + 7200, BACK_S + 1800},          /* it is over: the second time */
                 {BACK_S + 1800, BACK_S + 1800},          /* just now */
                 {BACK_S + 1799, BACK_S - 1800},          /* not yet: the first time */
                 {BACK_S - 1801, BACK_S - 1800 - 86400}}; /* the night before */
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = time_param_new("02:30", false, (uint64_t)cases[i].now_s * 1000000);
        ck_assert_int_eq(json_integer_value(value), cases[i].expected_s * 1000000);
        json_decref(value);
    }
}
END_TEST

START_TEST(a_time_that_a_clock_shows_twice_tells_its_offset) {
    static const struct {
        int64_t seconds;
        const char *local;
    } cases[] = {{BACK_S - 3601, "01:59:59.000007"},       {BACK_S - 3600, "02:00:00.000007+02:00"},
                 {BACK_S - 1, "02:59:59.000007+02:00"},    {BACK_S, "02:00:00.000007+01:00"},
                 {BACK_S + 3599, "02:59:59.000007+01:00"}, {BACK_S + 3600, "03:00:00.000007"},
                 {1774746000 - 1, "01:59:59.000007"},      {1774746000, "03:00:00.000007"}}; /* in spring no time comes twice */
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf text = {0};
        text_time(&text, (uint64_t)cases[i].seconds * 1000000000 + 7000, false, false);
        ck_assert_str_eq(strbuf_text(&text), cases[i].local);
        strbuf_clear(&text);
        text_time(&text, (uint64_t)cases[i].seconds * 1000000000 + 7000, true, false);
        ck_assert_uint_eq(text.bytes, strlen("02:00:00.000007"));
        strbuf_fini(&text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("times");
    TCase *tcase = tcase_create("times");
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    tcase_add_loop_test(tcase, a_time_is_read_as_help_says, 0, sizeof times / sizeof *times);
    tcase_add_test(tcase, the_last_moment_of_a_time_that_comes_twice);
    tcase_add_test(tcase, a_time_that_a_clock_shows_twice_tells_its_offset);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
