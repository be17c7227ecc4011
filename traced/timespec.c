/* SPDX-License-Identifier: MIT
 *
 * See timespec.h. */
#include "timespec.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
__extension__ typedef unsigned __int128 wide;
/* Times end where 64 bits of nanoseconds do, in 2554; whole microseconds that fit. */
#define US_MAX (UINT64_MAX / 1000)

static int fail(const char **ret_reason, const char *reason) {
    *ret_reason = reason;
    return -EINVAL;
}

/* Reads decimal digits; false when there are none or too many. */
static bool read_digits(const char **text, uint64_t *ret_value) {
    const char *p = *text;
    uint64_t value = 0;
    if (*p < '0' || *p > '9') return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    }
    *text = p;
    *ret_value = value;
    return true;
}

/* Reads ".digits" as a fraction of `unit`, if it is there; digits below one nanosecond are dropped. */
static bool read_fraction(const char **text, uint64_t unit, uint64_t *ret_ns) {
    *ret_ns = 0;
    if (**text != '.') return true;
    const char *p = *text + 1;
    if (*p < '0' || *p > '9') return false;
    /* Digit by digit with a falling weight loses less than a nanosecond a digit; 3600 s needs 13 digits to reach 1 ns. */
    uint64_t numerator = 0, denominator = 1;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (denominator >= UINT64_C(10000000000000)) continue;
        numerator = numerator * 10 + (uint64_t)(*p - '0');
        denominator *= 10;
    }
    *ret_ns = (uint64_t)((wide)numerator * unit / denominator);
    *text = p;
    return true;
}

static uint64_t unit_ns(const char *unit) {
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i].name, unit)) return units[i].ns;
    return 0;
}

static int parse_relative(const char *text, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    const char *p = text + 1, *number = p;
    uint64_t whole, part;
    while ((*p >= '0' && *p <= '9') || *p == '.') p++;
    uint64_t unit = unit_ns(p);
    if (!unit) return fail(ret_reason, "a relative time needs a unit: ns, us, ms, s, m or h");
    if (!read_digits(&number, &whole) || !read_fraction(&number, unit, &part) || number != p)
        return fail(ret_reason, "a relative time is \"-\", a number and a unit, like \"-5s\"");
    uint64_t back;
    if (__builtin_mul_overflow(whole, unit, &back) || __builtin_add_overflow(back, part, &back) || back > now_ns)
        return fail(ret_reason, "the time is before 1970");
    *ret_ns = now_ns - back;
    return 0;
}

/* Exactly `count` digits, then `stop`. */
static bool read_fixed(const char **text, unsigned count, char stop, unsigned *ret_value) {
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9') return false;
        value = value * 10 + (unsigned)(c - '0');
    }
    if (stop && (*text)[count] != stop) return false;
    *text += count + (stop ? 1 : 0);
    *ret_value = value;
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01, in the proleptic Gregorian calendar; year >= 1970. */
static uint64_t days_since_epoch(unsigned year, unsigned month, unsigned day) {
    uint64_t before = year - 1;
    uint64_t days = before * 365 + before / 4 - before / 100 + before / 400 - UINT64_C(719162);
    for (unsigned m = 1; m < month; m++) days += days_in_month(year, m);
    return days + day - 1;
}

static int parse_calendar(const char *text, uint64_t *ret_ns, const char **ret_reason) {
    unsigned year, month, day, hour, minute, second;
    uint64_t fraction;
    if (!read_fixed(&text, 4, '-', &year) || !read_fixed(&text, 2, '-', &month) || !read_fixed(&text, 2, 'T', &day) ||
        !read_fixed(&text, 2, ':', &hour) || !read_fixed(&text, 2, ':', &minute) || !read_fixed(&text, 2, 0, &second) ||
        !read_fraction(&text, NS_PER_S, &fraction) || strcmp(text, "Z") != 0)
        return fail(ret_reason, "a time is Unix microseconds, \"-5s\", or UTC like \"2026-01-31T12:00:00.5Z\"");
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
        return fail(ret_reason, "there is no such day or time of day");
    if (year < 1970) return fail(ret_reason, "the time is before 1970");
    if (year > 2553) return fail(ret_reason, "the time is after 2553");
    uint64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600U + minute * 60U + second;
    *ret_ns = seconds * NS_PER_S + fraction;
    return 0;
}

int timespec_parse_text(const char *text, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    return *text == '-' ? parse_relative(text, now_ns, ret_ns, ret_reason) : parse_calendar(text, ret_ns, ret_reason);
}

int timespec_parse(const json_t *value, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    if (json_is_integer(value)) {
        json_int_t us = json_integer_value(value);
        if (us < 0) return fail(ret_reason, "the time is before 1970");
        if ((uint64_t)us > US_MAX) return fail(ret_reason, "the time is after 2553");
        *ret_ns = (uint64_t)us * 1000;
        return 0;
    }
    if (json_is_real(value)) {
        double us = json_real_value(value);
        if (!(us >= 0)) return fail(ret_reason, "the time is before 1970");
        if (us >= (double)US_MAX) return fail(ret_reason, "the time is after 2553");
        uint64_t whole = (uint64_t)us;
        *ret_ns = whole * 1000 + (uint64_t)((us - (double)whole) * 1000);
        return 0;
    }
    if (!json_is_string(value)) return fail(ret_reason, "a time is a number or a string");
    /* A NUL inside would hide what follows it. */
    if (strlen(json_string_value(value)) != json_string_length(value)) return fail(ret_reason, "a time has no NUL in it");
    return timespec_parse_text(json_string_value(value), now_ns, ret_ns, ret_reason);
}
