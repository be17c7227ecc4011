/* SPDX-License-Identifier: MIT */
#include "times.h"

#include <ctype.h>
#include <proto/quantity.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FRACTION_DIGITS_MAX 9U
#define UNIX_US_MIN UINT64_C(100000000000000) /* in 1973: smaller numbers are seconds, or something else */

/* A parsed time; the fields are as written, and may name a day that does not exist. */
struct moment {
    int year, month, day; /* 0: only a time of day */
    int hour, minute, second;
    char fraction[FRACTION_DIGITS_MAX + 1]; /* digits after the point */
    bool zoned;                             /* the zone was given: */
    int offset_s;                           /* seconds before UTC */
};

/* Reads exactly that many digits.  Returns the text after them; NULL if there are others, or text is NULL. */
static const char *digits(const char *text, unsigned count, int *ret_number) {
    int number = 0;
    for (unsigned i = 0; text && i < count; i++) {
        if (!isdigit((unsigned char)text[i])) return NULL;
        number = number * 10 + (text[i] - '0');
    }
    *ret_number = number;
    return text ? text + count : NULL;
}

/* The text after that character; NULL if it does not begin with it. */
static const char *after(const char *text, char c) { return text && *text == c ? text + 1 : NULL; }

/* YYYY-MM-DD. */
static const char *read_date(const char *text, struct moment *moment) {
    text = after(digits(text, 4, &moment->year), '-');
    text = after(digits(text, 2, &moment->month), '-');
    return digits(text, 2, &moment->day);
}

/* HH:MM[:SS[.fraction]]; digits below a nanosecond are dropped. */
static const char *read_clock(const char *text, struct moment *moment) {
    text = digits(after(digits(text, 2, &moment->hour), ':'), 2, &moment->minute);
    if (!after(text, ':')) return text;
    text = digits(text + 1, 2, &moment->second);
    if (!after(text, '.')) return text;
    size_t count = strspn(++text, "0123456789");
    if (!count) return NULL;
    snprintf(moment->fraction, sizeof moment->fraction, "%.*s", (int)count, text);
    return text + count;
}

/* Nothing, Z, or +HH:MM; then the end. */
static bool read_zone(const char *text, struct moment *moment) {
    int hours = 0, minutes = 0;
    if (!text || !*text) return text;
    moment->zoned = true;
    if (!strcmp(text, "Z")) return true;
    if (*text != '+' && *text != '-') return false;
    const char *end = digits(after(digits(text + 1, 2, &hours), ':'), 2, &minutes);
    moment->offset_s = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return end && !*end && hours < 24 && minutes < 60;
}

static bool read_moment(const char *text, struct moment *ret_moment) {
    *ret_moment = (struct moment){0};
    const char *end = read_date(text, ret_moment);
    if (end && (*end == 'T' || *end == ' ')) return read_zone(read_clock(end + 1, ret_moment), ret_moment);
    if (end) return read_zone(end, ret_moment);
    *ret_moment = (struct moment){0};
    return read_zone(read_clock(text, ret_moment), ret_moment);
}

/* Do this day and time of day exist?  A leap second does. */
static bool exists(const struct moment *moment) {
    struct tm tm = {.tm_year = moment->year - 1900, .tm_mon = moment->month - 1, .tm_mday = moment->day};
    struct tm asked = tm;
    timegm(&tm); /* normalizes invalid fields */
    bool day = !moment->year || (tm.tm_mon == asked.tm_mon && tm.tm_mday == asked.tm_mday);
    return day && moment->hour < 24 && moment->minute < 60 && moment->second <= 60;
}

/* Unix seconds of the fields of tm, which may be out of range: the day before the first is the last of the previous month.  Of
 * a local time that occurs twice, because the clock is set back, the later one that is not after `latest`; otherwise the
 * earlier. */
static time_t unix_seconds(struct tm *tm, const struct moment *moment, bool utc, time_t latest) {
    if (utc || moment->zoned) return timegm(tm) - moment->offset_s;
    struct tm first = *tm, second = *tm;
    tm->tm_isdst = -1;
    first.tm_isdst = 1;
    second.tm_isdst = 0;
    time_t seconds = mktime(tm), early = mktime(&first), late = mktime(&second);
    bool twice = first.tm_isdst == 1 && second.tm_isdst == 0 && early < late && first.tm_hour == second.tm_hour &&
                 first.tm_min == second.tm_min;
    if (twice) seconds = late <= latest ? late : early;
    return seconds;
}

/* The last moment when a clock showed that time of day, in Unix microseconds. */
static json_t *last_moment_new(const struct moment *moment, bool utc, uint64_t now_unix_us) {
    time_t now = (time_t)(now_unix_us / 1000000), shown = now + moment->offset_s;
    struct tm today, tm;
    int us = 0;
    json_int_t unix_us = 0;
    for (unsigned i = 0; i < 6; i++) us = us * 10 + (i < strlen(moment->fraction) ? moment->fraction[i] - '0' : 0);
    if (!(utc || moment->zoned ? gmtime_r(&shown, &today) : localtime_r(&now, &today))) return json_integer(0);
    for (int days_ago = 0; days_ago < 2; days_ago++) {
        tm = today;
        tm.tm_mday -= days_ago;
        tm.tm_hour = moment->hour, tm.tm_min = moment->minute, tm.tm_sec = moment->second;
        unix_us = (json_int_t)unix_seconds(&tm, moment, utc, now) * 1000000 + us;
        if ((uint64_t)unix_us <= now_unix_us) break;
    }
    return json_integer(unix_us);
}

/* A date with its time, in UTC, as traced reads it.  If it does not exist, its fields are kept: traced reports it. */
static json_t *calendar_new(const struct moment *moment, bool utc) {
    struct tm tm = {.tm_year = moment->year - 1900,
                    .tm_mon = moment->month - 1,
                    .tm_mday = moment->day,
                    .tm_hour = moment->hour,
                    .tm_min = moment->minute,
                    .tm_sec = moment->second};
    time_t seconds = 0;
    if (exists(moment)) {
        seconds = unix_seconds(&tm, moment, utc, 0); /* of a time that occurs twice, the first */
        gmtime_r(&seconds, &tm);
    }
    return json_sprintf("%04d-%02d-%02dT%02d:%02d:%02d%s%sZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                        tm.tm_sec, *moment->fraction ? "." : "", moment->fraction);
}

json_t *time_param_new(const char *text, bool utc, uint64_t now_unix_us) {
    struct moment moment;
    size_t count = strspn(text, "0123456789");
    if (count && count <= 18 && !text[count]) {
        uint64_t unix_us = strtoull(text, NULL, 10);
        return unix_us && unix_us < UNIX_US_MIN ? json_string(text) : json_integer((json_int_t)unix_us);
    }
    if (!strcmp(text, "now")) return json_string("-0s");
    struct trace_quantity back;
    if (count && !trace_quantity_parse(text, &back) && back.unit == TRACE_UNIT_TIME) return json_sprintf("-%s", text);
    if (!read_moment(text, &moment)) return json_string(text);
    if (moment.year) return calendar_new(&moment, utc);
    return exists(&moment) ? last_moment_new(&moment, utc, now_unix_us) : json_string(text);
}
