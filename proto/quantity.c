/* SPDX-License-Identifier: MIT
 *
 * See quantity.h. */
#include <errno.h>
#include <proto/quantity.h>
#include <stddef.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)
__extension__ typedef unsigned __int128 wide;

static int quantity_failed(const char **ret_reason, const char *reason) {
    *ret_reason = reason;
    return -EINVAL;
}

/* Reads decimal digits; false if there are none or too many. */
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

static const struct unit {
    const char *name;
    enum trace_unit unit;
    uint64_t scale;
} units[] = {
    {"", TRACE_UNIT_NONE, 1},
    {"ns", TRACE_UNIT_TIME, 1},
    {"us", TRACE_UNIT_TIME, 1000},
    {"ms", TRACE_UNIT_TIME, 1000000},
    {"s", TRACE_UNIT_TIME, NS_PER_S},
    {"m", TRACE_UNIT_TIME, 60 * NS_PER_S},
    {"h", TRACE_UNIT_TIME, 3600 * NS_PER_S},
    {"B", TRACE_UNIT_SIZE, 1},
    {"KiB", TRACE_UNIT_SIZE, 1U << 10},
    {"MiB", TRACE_UNIT_SIZE, 1U << 20},
    {"GiB", TRACE_UNIT_SIZE, 1U << 30},
    {"kB", TRACE_UNIT_SIZE, 1000},
    {"MB", TRACE_UNIT_SIZE, 1000000},
    {"GB", TRACE_UNIT_SIZE, 1000000000},
    {"%", TRACE_UNIT_SHARE, 1},
};

const char *trace_unit_name(unsigned index) { return index < sizeof units / sizeof *units ? units[index].name : NULL; }

static const struct unit *find_unit(const char *name) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i].name, name)) return &units[i];
    return NULL;
}

/* Hexadecimal digits after "0x". */
static int parse_hex(const char *text, struct trace_quantity *ret_quantity) {
    uint64_t value = 0;
    if (!*text) return -EINVAL;
    for (; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
                         : *text >= 'A' && *text <= 'F' ? (unsigned)(*text - 'A') + 10
                                                        : 16;
        if (digit == 16) return -EINVAL;
        if (value >> 60) return -ERANGE;
        value = value << 4 | digit;
    }
    *ret_quantity = (struct trace_quantity){value, TRACE_UNIT_NONE, false};
    return 0;
}

/* The digits and dots that a quantity begins with. */
static const char *skip_number(const char *text) {
    while ((*text >= '0' && *text <= '9') || *text == '.') text++;
    return text;
}

size_t trace_quantity_unit_at(const char *text) { return (size_t)(skip_number(text) - text); }

int trace_quantity_parse(const char *text, struct trace_quantity *ret_quantity) {
    const char *name = skip_number(text), *number = text;
    const struct unit *unit;
    uint64_t whole, part, value;
    if (name == text) return -EINVAL;
    if (text[0] == '0' && text[1] == 'x') return parse_hex(text + 2, ret_quantity);
    unit = find_unit(name);
    if (!unit) return -ENOENT;
    if (!read_digits(&number, &whole)) return number[0] == '.' ? -EINVAL : -ERANGE;
    bool fraction = *number == '.';
    if (!read_fraction(&number, unit->scale, &part) || number != name) return -EINVAL;
    if (__builtin_mul_overflow(whole, unit->scale, &value) || __builtin_add_overflow(value, part, &value)) return -ERANGE;
    *ret_quantity = (struct trace_quantity){value, unit->unit, fraction};
    return 0;
}

static int parse_relative(const char *text, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    struct trace_quantity back;
    int error = trace_quantity_parse(text + 1, &back);
    if (error == -ERANGE || (!error && back.unit == TRACE_UNIT_TIME && back.value > now_ns))
        return quantity_failed(ret_reason, "the time is before 1970");
    if (error == -EINVAL) return quantity_failed(ret_reason, "a relative time is \"-\", a number and a unit, like \"-5s\"");
    if (error || back.unit != TRACE_UNIT_TIME)
        return quantity_failed(ret_reason, "a relative time needs a unit: ns, us, ms, s, m or h");
    *ret_ns = now_ns - back.value;
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
    if (*text && !text[strspn(text, "0123456789")])
        return quantity_failed(ret_reason, "a number is Unix microseconds; a time before now has a unit, like \"-5s\"");
    if (!read_fixed(&text, 4, '-', &year) || !read_fixed(&text, 2, '-', &month) || !read_fixed(&text, 2, 'T', &day) ||
        !read_fixed(&text, 2, ':', &hour) || !read_fixed(&text, 2, ':', &minute) || !read_fixed(&text, 2, 0, &second) ||
        !read_fraction(&text, NS_PER_S, &fraction) || strcmp(text, "Z") != 0)
        return quantity_failed(ret_reason, "a time is Unix microseconds, \"-5s\", or UTC like \"2026-01-31T12:00:00.5Z\"");
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60)
        return quantity_failed(ret_reason, "there is no such day or time of day");
    if (year < 1970) return quantity_failed(ret_reason, "the time is before 1970");
    if (year > 2553) return quantity_failed(ret_reason, "the time is after 2553");
    uint64_t seconds = days_since_epoch(year, month, day) * 86400 + hour * 3600U + minute * 60U + second;
    *ret_ns = seconds * NS_PER_S + fraction;
    return 0;
}

int trace_time_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns, const char **ret_reason) {
    return *text == '-' ? parse_relative(text, now_ns, ret_ns, ret_reason) : parse_calendar(text, ret_ns, ret_reason);
}
