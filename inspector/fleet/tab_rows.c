/* SPDX-License-Identifier: MIT */
#include "tab_rows.h"

#include "json_put.h"

#include <ctype.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEPTH_MAX 16
#define ID_BYTES_MIN 16

/* ---- escapes -------------------------------------------------------------------------------------------------------------- */

/* The character that an escape stands for; text is behind the backslash. */
static char escaped(char character) {
    static const char from[] = "bfrnt0", to[] = "\b\f\r\n\t";
    const char *found = character ? strchr(from, character) : NULL;
    return found ? to[found - from] : character;
}

/* Each appends the text and a NUL. */
static void put_utf8(struct strbuf *out, const char *text, size_t bytes) {
    for (size_t i = 0, bad; i < bytes;) {
        size_t length = trace_utf8_length(text + i, bytes - i, &bad);
        if (length)
            strbuf_add(out, text + i, length);
        else
            strbuf_puts(out, "\xef\xbf\xbd");
        i += length ? length : bad;
    }
    strbuf_add(out, "", 1);
}

static void put_hex(struct strbuf *out, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) strbuf_printf(out, "%02x", (unsigned char)text[i]);
    strbuf_add(out, "", 1);
}

/* What escapes stand for, in one of these ways. */
static void put_plain(struct strbuf *out, const char *text, size_t bytes, void (*put)(struct strbuf *, const char *, size_t)) {
    struct strbuf plain = {0};
    for (size_t i = 0; i < bytes; i++) {
        bool escape = text[i] == '\\' && i + 1 < bytes;
        char character = escape ? escaped(text[++i]) : text[i];
        strbuf_add(&plain, &character, 1);
    }
    put(out, strbuf_text(&plain), plain.bytes);
    out->failed |= plain.failed;
    strbuf_fini(&plain);
}

/* ---- types ---------------------------------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *word) { return !strncmp(text, word, strlen(word)); }

static enum tab_type type_of(const char *name) {
    while (begins(name, "Nullable(") || begins(name, "LowCardinality(")) name = strchr(name, '(') + 1;
    if (begins(name, "Int") || begins(name, "UInt")) return begins(name, "Interval") ? TAB_TEXT : TAB_INTEGER;
    if (begins(name, "Decimal")) return TAB_INTEGER;
    if (begins(name, "Float")) return TAB_REAL;
    if (begins(name, "Bool")) return TAB_BOOL;
    if (begins(name, "FixedString(")) return atoi(strchr(name, '(') + 1) >= ID_BYTES_MIN ? TAB_ID : TAB_TEXT;
    return begins(name, "Array(") || begins(name, "Tuple(") || begins(name, "Map(") ? TAB_LIST : TAB_TEXT;
}

/* As in JSON; also 1e+50. */
static size_t number_bytes(const char *text, size_t bytes) {
    size_t i = 0, begin;
    if (i < bytes && text[i] == '-') i++;
    for (begin = i; i < bytes && isdigit((unsigned char)text[i]);) i++;
    if (i == begin || (text[begin] == '0' && i > begin + 1)) return 0;
    if (i < bytes && text[i] == '.') {
        for (begin = ++i; i < bytes && isdigit((unsigned char)text[i]);) i++;
        if (i == begin) return 0;
    }
    if (i < bytes && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < bytes && (text[i] == '-' || text[i] == '+')) i++;
        for (begin = i; i < bytes && isdigit((unsigned char)text[i]);) i++;
        if (i == begin) return 0;
    }
    return i;
}

static bool is_real(const char *text) {
    static const char *const others[] = {"inf", "+inf", "-inf", "nan", "-nan"};
    size_t bytes = strlen(text);
    if (bytes && number_bytes(text, bytes) == bytes) return true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(others[i], text)) return true;
    return false;
}

static enum tab_type checked(enum tab_type type, const char *text, size_t bytes) {
    bool fit = true;
    if (strlen(text) != bytes) return TAB_TEXT;
    if (type == TAB_INTEGER) fit = bytes && number_bytes(text, bytes) == bytes;
    if (type == TAB_REAL) fit = is_real(text);
    if (type == TAB_BOOL) fit = !strcmp(text, "true") || !strcmp(text, "false");
    return fit ? type : TAB_TEXT;
}

/* ---- lines ---------------------------------------------------------------------------------------------------------------- */

static bool next_line(struct tab_rows *rows, const char **ret_line, size_t *ret_bytes) {
    if (rows->at == rows->end) return false;
    const char *newline = memchr(rows->at, '\n', (size_t)(rows->end - rows->at));
    if (!newline) rows->broken = true;
    if (!newline) return false;
    *ret_line = rows->at;
    *ret_bytes = (size_t)(newline - rows->at);
    rows->at = newline + 1;
    return true;
}

static size_t count_of(const char *line, size_t bytes) {
    size_t count = 1;
    for (size_t i = 0; i < bytes; i++) count += line[i] == '\t';
    return count;
}

static size_t cell_bytes(const char *text, const char *end) {
    const char *tab = memchr(text, '\t', (size_t)(end - text));
    return (size_t)((tab ? tab : end) - text);
}

/* Fills texts[i] with where they begin in `out`, which may still move. */
static void split(struct strbuf *out, const char *line, size_t bytes, size_t *begins, size_t count) {
    const char *end = line + bytes;
    for (size_t i = 0; i < count; i++) {
        size_t own = cell_bytes(line, end);
        begins[i] = out->bytes;
        put_plain(out, line, own, put_utf8);
        line += own + 1;
    }
}

bool tab_rows_begin(struct tab_rows *rows, const char *text, size_t bytes) {
    const char *names, *types;
    size_t names_bytes, types_bytes;
    *rows = (struct tab_rows){.at = text, .end = text + bytes};
    rows->broken = !next_line(rows, &names, &names_bytes) || !next_line(rows, &types, &types_bytes);
    if (rows->broken) return false;
    size_t count = count_of(names, names_bytes);
    rows->broken = count_of(types, types_bytes) != count;
    if (rows->broken) return false;
    rows->titles = calloc(count, sizeof *rows->titles);
    rows->types = calloc(count, sizeof *rows->types);
    rows->cells = calloc(count, sizeof *rows->cells);
    size_t *begins = calloc(2 * count, sizeof *begins);
    if (begins) split(&rows->names, names, names_bytes, begins, count);
    if (begins) split(&rows->names, types, types_bytes, begins + count, count);
    rows->failed = !rows->titles || !rows->types || !rows->cells || !begins || rows->names.failed;
    rows->count = count;
    for (size_t i = 0; i < count && !rows->failed; i++) {
        rows->titles[i] = strbuf_text(&rows->names) + begins[i];
        rows->types[i] = type_of(strbuf_text(&rows->names) + begins[count + i]);
    }
    free(begins);
    return !rows->failed;
}

void tab_rows_fini(struct tab_rows *rows) {
    free(rows->titles);
    free(rows->types);
    free(rows->cells);
    strbuf_fini(&rows->names);
    strbuf_fini(&rows->line);
    *rows = (struct tab_rows){0};
}

static bool is_zero(const char *digits) { return strspn(digits, "0") == strlen(digits); }

/* The escapes of a list are those of the texts in it. */
static void read_cell(struct tab_rows *rows, size_t column, const char *text, size_t bytes) {
    struct tab_cell *cell = &rows->cells[column];
    size_t begin = rows->line.bytes;
    *cell = (struct tab_cell){.type = rows->types[column], .null = bytes == 2 && !memcmp(text, "\\N", 2)};
    if (cell->type == TAB_LIST)
        put_utf8(&rows->line, text, bytes);
    else
        put_plain(&rows->line, text, bytes, cell->type == TAB_ID && !cell->null ? put_hex : put_utf8);
    cell->bytes = rows->line.bytes - begin - 1;
}

/* Where the totals begin there is an empty line.  A row of one text may be one, too. */
static bool is_between(const struct tab_rows *rows, size_t bytes) {
    return !bytes && (rows->count > 1 || rows->types[0] != TAB_TEXT);
}

bool tab_rows_next(struct tab_rows *rows) {
    const char *line;
    size_t bytes, at = 0;
    if (!next_line(rows, &line, &bytes)) return false;
    rows->totals = is_between(rows, bytes);
    if (rows->totals && !next_line(rows, &line, &bytes)) return false;
    rows->broken = count_of(line, bytes) != rows->count;
    if (rows->broken) return false;
    strbuf_clear(&rows->line);
    const char *text = line, *end = line + bytes;
    for (size_t i = 0; i < rows->count; i++) {
        size_t own = cell_bytes(text, end);
        read_cell(rows, i, text, own);
        text += own + 1;
    }
    rows->failed = rows->line.failed;
    for (size_t i = 0; i < rows->count && !rows->failed; i++) {
        struct tab_cell *cell = &rows->cells[i];
        cell->text = strbuf_text(&rows->line) + at;
        at += cell->bytes + 1;
        if (cell->type == TAB_ID && is_zero(cell->text)) cell->null = true;
        if (!cell->null) cell->type = checked(cell->type, cell->text, cell->bytes);
    }
    return !rows->failed;
}

/* ---- lists ---------------------------------------------------------------------------------------------------------------- */

/* Each returns the bytes that it read, or 0. */
static size_t put_list(struct strbuf *out, const char *text, size_t bytes, unsigned depth);

static size_t put_quoted(struct strbuf *out, const char *text, size_t bytes) {
    struct strbuf plain = {0};
    size_t end = 1;
    while (end < bytes && text[end] != '\'') end += text[end] == '\\' ? 2 : 1;
    if (end >= bytes) return 0;
    put_plain(&plain, text + 1, end - 1, put_utf8);
    json_t *value = plain.failed ? NULL : json_stringn(strbuf_text(&plain), plain.bytes - 1);
    bool put = value && !json_put(out, value, 0);
    json_decref(value);
    strbuf_fini(&plain);
    return put ? end + 1 : 0;
}

static size_t put_word(struct strbuf *out, const char *text, size_t bytes, const char *word, const char *json) {
    size_t own = strlen(word);
    if (bytes < own || memcmp(text, word, own) != 0) return 0;
    strbuf_puts(out, json);
    return own;
}

static size_t put_element(struct strbuf *out, const char *text, size_t bytes, unsigned depth) {
    static const char *const words[][2] = {{"NULL", "null"}, {"nan", "null"},  {"inf", "null"},
                                           {"-inf", "null"}, {"true", "true"}, {"false", "false"}};
    size_t used = 0;
    if (*text == '[') return put_list(out, text, bytes, depth + 1);
    if (*text == '\'') return put_quoted(out, text, bytes);
    for (size_t i = 0; i < sizeof words / sizeof *words && !used; i++)
        used = put_word(out, text, bytes, words[i][0], words[i][1]);
    if (used) return used;
    used = number_bytes(text, bytes);
    strbuf_add(out, text, used);
    return used;
}

static size_t put_list(struct strbuf *out, const char *text, size_t bytes, unsigned depth) {
    size_t at = 1;
    if (depth > LIST_DEPTH_MAX || bytes < 2 || *text != '[') return 0;
    strbuf_puts(out, "[");
    while (at < bytes && text[at] != ']') {
        if (at > 1 && text[at] != ',') return 0;
        if (at > 1) strbuf_add(out, &text[at++], 1);
        size_t used = at < bytes ? put_element(out, text + at, bytes - at, depth) : 0;
        if (!used) return 0;
        at += used;
    }
    strbuf_puts(out, "]");
    return at < bytes ? at + 1 : 0;
}

bool tab_put_list(struct strbuf *out, const struct tab_cell *list) {
    return list->bytes && put_list(out, list->text, list->bytes, 1) == list->bytes;
}
