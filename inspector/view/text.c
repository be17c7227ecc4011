/* SPDX-License-Identifier: MIT */
#include "text.h"

#include "json_get.h"
#include "limits.h"

#include <ctype.h>
#include <inttypes.h>
#include <proto/untrusted.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOCKS_CHANGE_S (6 * 3600) /* more than any clock is set back */

/* ---- colours ---- */

static const char *style_sequence(enum style style) {
    static const char *const nodes[STYLE_NODES] = {"36", "35", "34", "33", "96", "95"};
    switch (style) {
    case STYLE_PLAIN: return NULL;
    case STYLE_HEAD: return "1";
    case STYLE_DIM: return "2";
    case STYLE_GOOD: return "32";
    case STYLE_WARN: return "33";
    case STYLE_BAD: return "1;31";
    case STYLE_ID: return "2";
    case STYLE_CHOSEN: return "7";
    default: return nodes[(unsigned)(style - STYLE_NODE) % STYLE_NODES];
    }
}

void text_style_on(struct strbuf *out, bool color, enum style style) {
    if (color && style != STYLE_PLAIN) strbuf_printf(out, "\x1b[%sm", style_sequence(style));
}

void text_style_off(struct strbuf *out, bool color, enum style style) {
    if (color && style != STYLE_PLAIN) strbuf_puts(out, "\x1b[0m");
}

void text_styled(struct strbuf *out, bool color, enum style style, const char *format, ...) {
    va_list args;
    text_style_on(out, color, style);
    va_start(args, format);
    strbuf_vprintf(out, format, args);
    va_end(args);
    text_style_off(out, color, style);
}

/* ---- columns ---- */

/* Reads one character.  Returns its bytes, 0 at the end or if it is not UTF-8 (RFC 3629: shortest form, no surrogates). */
static unsigned decode(const unsigned char *text, size_t bytes, uint32_t *ret_code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (!bytes) return 0;
    if (text[0] < 0x80) {
        *ret_code = text[0];
        return 1;
    }
    unsigned count = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 0;
    if (!count || count > bytes || text[0] > 0xf4) return 0;
    uint32_t code = text[0] & (0x7fu >> count);
    for (unsigned i = 1; i < count; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[count] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *ret_code = code;
    return count;
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code) {
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return false;
}

/* Columns of a printable character.  Coarse on purpose: the ranges that occur in names, not all of Unicode. */
static unsigned columns_of(uint32_t code) {
    static const struct range none[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
                                        {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
    static const struct range two[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},  {0x3041, 0xa4cf}, {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff00, 0xff60}, {0xffe0, 0xffe6},
                                       {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    if (code < 0x300) return 1;
    if (in_ranges(none, sizeof none / sizeof *none, code)) return 0;
    return in_ranges(two, sizeof two / sizeof *two, code) ? 2 : 1;
}

void text_untrusted(struct strbuf *out, const char *text, size_t bytes, unsigned columns_max) {
    const char *at = text, *end = text + bytes;
    unsigned columns = 0;
    size_t fits = out->bytes; /* where the text can be cut so that "…" still fits */
    while (at < end) {
        char piece[TRACE_SHOWN_BYTES];
        uint32_t code;
        unsigned used = trace_show_character(piece, at, (size_t)(end - at), &code);
        unsigned wide = code ? columns_of(code) : (unsigned)strlen(piece);
        if (columns + wide > columns_max) {
            if (fits <= out->bytes && out->text) {
                out->bytes = fits;
                out->text[fits] = 0;
            }
            strbuf_puts(out, "…");
            return;
        }
        strbuf_puts(out, piece);
        columns += wide;
        if (columns + 1 <= columns_max) fits = out->bytes;
        at += used;
    }
}

void text_untrusted_lines(struct strbuf *out, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes;) {
        char piece[TRACE_SHOWN_BYTES] = {text[i]};
        uint32_t code;
        unsigned used = 1;
        if (text[i] != '\n' && text[i] != '\t') used = trace_show_character(piece, text + i, bytes - i, &code);
        strbuf_puts(out, piece);
        i += used;
    }
}

/* The length of our own colour sequence at text, or 0. */
static size_t style_bytes(const char *text, size_t bytes) {
    if (bytes < 3 || text[0] != '\x1b' || text[1] != '[') return 0;
    size_t i = 2;
    while (i < bytes && (text[i] == ';' || (text[i] >= '0' && text[i] <= '9'))) i++;
    return i < bytes && text[i] == 'm' ? i + 1 : 0;
}

/* The length of the colour sequence or character at text, and its columns. */
static size_t piece(const char *text, size_t bytes, unsigned *ret_columns) {
    size_t style = style_bytes(text, bytes);
    uint32_t code = 0;
    *ret_columns = 0;
    if (style) return style;
    unsigned used = decode((const unsigned char *)text, bytes, &code);
    *ret_columns = used ? columns_of(code) : 1;
    return used ? used : 1;
}

unsigned text_columns(const char *text, size_t bytes) {
    unsigned columns = 0, wide;
    for (size_t i = 0; i < bytes; columns += wide) i += piece(text + i, bytes - i, &wide);
    return columns;
}

void text_pad(struct strbuf *out, size_t begin, unsigned columns) {
    unsigned used = text_columns(out->text ? out->text + begin : "", out->bytes - begin);
    if (used < columns) strbuf_spaces(out, columns - used);
}

/* ---- long lines ---- */

/* Is the space before text within a quantity, as in "1.53 ms"? */
static bool is_unit(const char *text, size_t bytes) {
    static const char *const units[] = {"ns", "us", "ms", "s", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "%"};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i]);
        if (bytes >= length && !memcmp(text, units[i], length) && (bytes == length || !isalnum((unsigned char)text[length])))
            return true;
    }
    return false;
}

/* Can a line end at the space at text[i]? */
static bool is_break(const char *text, size_t bytes, size_t i) {
    return text[i] == ' ' && !(i && isdigit((unsigned char)text[i - 1]) && is_unit(text + i + 1, bytes - i - 1));
}

static bool is_of_number(char c) { return isalnum((unsigned char)c) || c == '.'; }

/* Where to cut a text that may keep `end` bytes, so that no number is divided or parted from its unit.  An id at the beginning,
 * which has letters, may be divided. */
static size_t whole_numbers(const char *text, size_t bytes, size_t end) {
    size_t begin = end, stop = end;
    bool digit = false, letter = false;
    while (begin && is_of_number(text[begin - 1])) begin--;
    while (stop < bytes && is_of_number(text[stop])) stop++;
    for (size_t i = begin; i < stop && end < stop; i++) {
        digit |= isdigit((unsigned char)text[i]);
        letter |= isalpha((unsigned char)text[i]);
    }
    if (end < bytes && text[end] == ' ' && !is_break(text, bytes, end)) return begin;
    size_t space = begin < end ? begin : end; /* of "1.53 ms", where the cut is in the unit */
    if (space && text[space - 1] == ' ') space--;
    if (space < bytes && text[space] == ' ' && !is_break(text, bytes, space)) {
        while (space && is_of_number(text[space - 1])) space--;
        return space;
    }
    return begin < end && digit && (begin || !letter) ? begin : end;
}

/* Moves a cut to before the colour sequence that it would divide: its digits and letter look like a number and its unit. */
static size_t whole_pieces(const char *text, size_t bytes, size_t end) {
    size_t at = 0, used;
    unsigned wide;
    while (at < end && (used = piece(text + at, bytes - at, &wide), at + used <= end)) at += used;
    return at;
}

/* Of "alice/3fa2b1c0", one of several nodes called alice: the number of its digits; of another text, 0. */
static size_t distinguishing_digits(const char *text, size_t bytes) {
    size_t digits = 0;
    while (digits < bytes && isxdigit((unsigned char)text[bytes - digits - 1])) digits++;
    bool alone = digits + 1 < bytes && !memchr(text, ' ', bytes) && !memchr(text, '\x1b', bytes);
    return digits >= ID_DIGITS_MIN && alone && text[bytes - digits - 1] == '/' ? digits : 0;
}

/* Cuts the name and keeps what distinguishes the node: "al…/3fa2b1c0", or the digits alone.  False: there is no room. */
static bool cut_name(struct strbuf *out, const char *text, size_t bytes, unsigned columns) {
    size_t digits = distinguishing_digits(text, bytes);
    if (!digits || digits > columns) return false;
    if (columns > digits + 2) {
        text_cut(out, text, bytes - digits - 1, columns - (unsigned)digits - 1);
        strbuf_puts(out, "/");
    }
    strbuf_add(out, text + bytes - digits, digits);
    return true;
}

void text_cut(struct strbuf *out, const char *text, size_t bytes, unsigned columns) {
    unsigned at = 0, wide = 0;
    size_t end = 0;
    bool styled = false;
    if (text_columns(text, bytes) <= columns) {
        strbuf_add(out, text, bytes);
        return;
    }
    if (cut_name(out, text, bytes, columns)) return;
    for (size_t used; end < bytes && (used = piece(text + end, bytes - end, &wide), at + wide < columns || !wide); end += used)
        at += wide;
    end = whole_pieces(text, bytes, whole_numbers(text, bytes, end));
    while (end && text[end - 1] == ' ') end--;
    for (size_t i = 0, style; i < end; i += style ? style : 1)
        if ((style = style_bytes(text + i, end - i))) styled = style != 4 || text[i + 2] != '0';
    strbuf_add(out, text, end);
    if (columns) strbuf_puts(out, "…");
    if (styled) strbuf_puts(out, "\x1b[0m");
}

/* Calls `put` for each line, without its newline. */
static void each_line(struct strbuf *out, const char *text, size_t bytes, unsigned columns,
                      void (*put)(struct strbuf *out, const char *text, size_t bytes, unsigned columns)) {
    const char *end = text + bytes;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        put(out, text, (size_t)((newline ? newline : end) - text), columns);
        if (!newline) return;
        strbuf_puts(out, "\n");
        text = newline + 1;
    }
}

void text_cut_lines(struct strbuf *out, const char *text, size_t bytes, unsigned columns) {
    each_line(out, text, bytes, columns, text_cut);
}

/* The indent of the second line of a text: after the first word and several spaces, or that of the first line. */
static unsigned hanging_indent(const char *text, size_t bytes, unsigned columns) {
    unsigned at = 0, begin = 0, spaces = 0, wide;
    bool word = false;
    for (size_t i = 0, used; i < bytes && at <= columns / 3; i += used, at += wide) {
        used = piece(text + i, bytes - i, &wide);
        if (!wide) continue;
        if (text[i] == ' ') {
            spaces++;
            continue;
        }
        if (word && spaces > 1) return at;
        if (!word) begin = at;
        word = true;
        spaces = 0;
    }
    return begin <= columns / 3 ? begin : 0;
}

void text_wrap_line(struct strbuf *out, const char *text, size_t bytes, unsigned columns, unsigned indent) {
    unsigned at = 0, wide;
    size_t begin = 0;
    bool first = true;
    if (!columns || text_columns(text, bytes) <= columns) {
        strbuf_add(out, text, bytes);
        return;
    }
    while (begin < bytes) {
        size_t end = begin, good = 0;
        at = first ? 0 : indent;
        for (size_t used; end < bytes; end += used, at += wide) {
            used = piece(text + end, bytes - end, &wide);
            if (end > begin && is_break(text, bytes, end) && text[end - 1] != ' ' && (!good || at <= columns)) good = end;
            if (at + wide > columns && good) break;
        }
        if (end == bytes && at <= columns) good = 0;
        if (!first) strbuf_spaces(out, indent);
        strbuf_add(out, text + begin, (good ? good : bytes) - begin);
        begin = good ? good : bytes;
        while (begin < bytes && text[begin] == ' ') begin++;
        if (begin < bytes) strbuf_puts(out, "\n");
        first = false;
    }
}

static void wrap_line(struct strbuf *out, const char *text, size_t bytes, unsigned columns) {
    text_wrap_line(out, text, bytes, columns, hanging_indent(text, bytes, columns));
}

void text_wrap_lines(struct strbuf *out, const char *text, size_t bytes, unsigned columns) {
    each_line(out, text, bytes, columns, wrap_line);
}

/* ---- numbers ---- */

/* With three digits. */
static void put_three_digits(struct strbuf *out, double value, const char *unit) {
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    strbuf_printf(out, "%.*f %s", decimals, value, unit);
}

void text_duration(struct strbuf *out, uint64_t ns) {
    if (ns == 0) {
        strbuf_puts(out, "0");
    } else if (ns < 1000) {
        strbuf_printf(out, "%" PRIu64 " ns", ns);
    } else if (ns < UINT64_C(999500)) {
        put_three_digits(out, (double)ns / 1e3, "us");
    } else if (ns < UINT64_C(999500000)) {
        put_three_digits(out, (double)ns / 1e6, "ms");
    } else if (ns < UINT64_C(59950000000)) {
        put_three_digits(out, (double)ns / 1e9, "s");
    } else {
        uint64_t s = ns / 1000000000 + (ns % 1000000000 >= 500000000), m = s / 60, h = m / 60;
        if (h >= 48) {
            strbuf_printf(out, "%" PRIu64 "d%02" PRIu64 "h", h / 24, h % 24);
        } else if (h) {
            strbuf_printf(out, "%" PRIu64 "h%02" PRIu64 "m", h, m % 60);
        } else {
            strbuf_printf(out, "%" PRIu64 "m%02" PRIu64 "s", m, s % 60);
        }
    }
}

void text_since(struct strbuf *out, uint64_t ns, uint64_t whole_ns) {
    if (whole_ns < UINT64_C(1000000))
        strbuf_printf(out, "+%.1f us", (double)ns / 1e3);
    else if (whole_ns < UINT64_C(10000000000))
        strbuf_printf(out, "+%.3f ms", (double)ns / 1e6);
    else
        strbuf_printf(out, "+%.6f s", (double)ns / 1e9);
}

void text_bytes(struct strbuf *out, uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        strbuf_printf(out, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024;
    unsigned unit = 0;
    while (value >= 1023.5 && unit < 5) value /= 1024, unit++;
    strbuf_printf(out, "%.*f %s", value < 99.95 ? 1 : 0, value, units[unit]);
}

/* Seconds east of UTC at that time. */
static long offset_at(time_t seconds) {
    struct tm tm;
    return localtime_r(&seconds, &tm) ? tm.tm_gmtoff : 0;
}

/* Does the local clock show this time twice?  A clock that is set back shows the last hour again: the same time of day is
 * another moment, by the offset of some hours before or after. */
static bool is_shown_twice(time_t seconds, long offset) {
    const long others[] = {offset_at(seconds - CLOCKS_CHANGE_S), offset_at(seconds + CLOCKS_CHANGE_S)};
    for (unsigned i = 0; i < 2; i++)
        if (others[i] != offset && offset_at(seconds + offset - others[i]) == others[i]) return true;
    return false;
}

void text_time(struct strbuf *out, uint64_t unix_ns, bool utc, bool date) {
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm tm;
    if (!(utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm))) {
        strbuf_puts(out, "?");
        return;
    }
    if (date) strbuf_printf(out, "%04d-%02d-%02d ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    strbuf_printf(out, "%02d:%02d:%02d.%06u", tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(unix_ns % 1000000000 / 1000));
    if (utc || !is_shown_twice(seconds, tm.tm_gmtoff)) return;
    long minutes = labs(tm.tm_gmtoff) / 60;
    strbuf_printf(out, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void text_count(struct strbuf *out, uint64_t count, const char *noun) {
    strbuf_printf(out, "%" PRIu64 " %s%s", count, noun, count == 1 ? "" : "s");
}

void text_member(struct strbuf *out, const json_t *object, const char *key) {
    const char *text = json_get_text(object, key);
    if (text && *text)
        text_untrusted(out, text, strlen(text), CELL_COLUMNS_MAX);
    else
        strbuf_puts(out, "-");
}

void text_number(struct strbuf *out, const json_t *object, const char *key) {
    uint64_t value;
    if (json_get_unsigned(object, key, &value))
        strbuf_printf(out, "%" PRIu64, value);
    else
        strbuf_puts(out, "?");
}
