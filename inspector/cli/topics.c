/* SPDX-License-Identifier: MIT
 *
 * Shows the Markdown of our documents as text: headings, paragraphs, lists, tables, code; inline marks are removed. */
#include "topics.h"

#include "strbuf.h"
#include "text.h"

#include <ctype.h>
#include <string.h>

#define CODE_INDENT 4
#define FIRST_CELL_MAX 46U

const struct topic *find_topic(const char *name) {
    for (size_t i = 0; i < topic_count; i++)
        if (!strcmp(topics[i].name, name)) return &topics[i];
    return NULL;
}

/* ---- inline ---- */

/* Appends text without ** and `, and of [words](link) only the words. */
static void put_inline(struct strbuf *out, const char *text, size_t bytes) {
    bool code = false;
    for (size_t i = 0; i < bytes; i++) {
        const char *link =
            text[i] == ']' && !code && i + 1 < bytes && text[i + 1] == '(' ? memchr(text + i, ')', bytes - i) : NULL;
        const char *end = text[i] == '[' && !code ? memchr(text + i, ']', bytes - i) : NULL;
        if (text[i] == '`')
            code = !code;
        else if (!code && text[i] == '*' && i + 1 < bytes && text[i + 1] == '*')
            i++;
        else if (link)
            i = (size_t)(link - text);
        else if (!(end && end + 1 < text + bytes && end[1] == '('))
            strbuf_add(out, text + i, 1);
    }
}

void topic_title(struct strbuf *out, const struct topic *topic) { put_inline(out, topic->title, strlen(topic->title)); }

struct page {
    FILE *out;
    unsigned columns;
    struct strbuf paragraph; /* not yet written */
    unsigned indent;         /* of its second line */
    bool code;
};

static void end_paragraph(struct page *page) {
    struct strbuf lines = {0};
    if (!page->paragraph.bytes) return;
    text_wrap_line(&lines, strbuf_text(&page->paragraph), page->paragraph.bytes, page->columns, page->indent);
    fprintf(page->out, "%s\n", strbuf_text(&lines));
    strbuf_fini(&lines);
    strbuf_clear(&page->paragraph);
    page->indent = 0;
}

/* ---- tables ---- */

/* The next cell of a row, from after a | to the next | that is not escaped.  NULL at the end. */
static const char *next_cell(const char **at, const char *end, size_t *ret_bytes) {
    const char *begin = *at, *stop = begin;
    while (stop < end && *stop != '|') stop += *stop == '\\' && stop + 1 < end ? 2 : 1;
    if (stop >= end) return NULL;
    *at = stop + 1;
    while (begin < stop && *begin == ' ') begin++;
    *ret_bytes = (size_t)(stop - begin);
    while (*ret_bytes && begin[*ret_bytes - 1] == ' ') --*ret_bytes;
    return begin;
}

static bool is_rule(const char *line, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!strchr("|-: ", line[i])) return false;
    return true;
}

static size_t line_bytes(const char *text) { return strcspn(text, "\n"); }

/* The width of the first column of the table that begins there. */
static unsigned first_column(const char *text) {
    unsigned widest = 0;
    while (*text == '|') {
        size_t bytes = line_bytes(text), cell_bytes;
        const char *at = text + 1, *cell = next_cell(&at, text + bytes, &cell_bytes);
        struct strbuf words = {0};
        if (cell && !is_rule(text, bytes)) put_inline(&words, cell, cell_bytes);
        unsigned columns = text_columns(strbuf_text(&words), words.bytes);
        if (columns > widest) widest = columns;
        strbuf_fini(&words);
        text += bytes + (text[bytes] == '\n');
    }
    return widest < FIRST_CELL_MAX ? widest : FIRST_CELL_MAX;
}

/* A row: the first cell, with the text of the others beside it. */
static void put_row(struct page *page, const char *line, size_t bytes, unsigned first) {
    const char *at = line + 1, *cell;
    size_t cell_bytes;
    if (is_rule(line, bytes)) return;
    for (unsigned i = 0; (cell = next_cell(&at, line + bytes, &cell_bytes)); i++) {
        if (i == 1) text_pad(&page->paragraph, 0, first);
        if (i) strbuf_puts(&page->paragraph, "  ");
        put_inline(&page->paragraph, cell, cell_bytes);
    }
    page->indent = first + 2;
    end_paragraph(page);
}

/* ---- lines ---- */

static void put_heading(struct page *page, const char *line, size_t bytes) {
    size_t marks = strspn(line, "#");
    struct strbuf words = {0};
    put_inline(&words, line + marks + 1, bytes - marks - 1);
    for (size_t i = 0; marks == 1 && i < words.bytes; i++) words.text[i] = (char)toupper((unsigned char)words.text[i]);
    fprintf(page->out, "%s\n", strbuf_text(&words));
    strbuf_fini(&words);
}

static void put_line(struct page *page, const char *line, size_t bytes) {
    bool item = bytes > 2 && (*line == '-' || *line == '*') && line[1] == ' ';
    if (!bytes) {
        end_paragraph(page);
        fputc('\n', page->out);
    } else if (bytes > 4 && !strncmp(line, "    ", 4) && !page->paragraph.bytes) {
        fprintf(page->out, "%.*s\n", (int)bytes, line);
    } else if (*line == '#') {
        put_heading(page, line, bytes);
    } else if (strncmp(line, "<!--", 4) != 0) {
        if (item) end_paragraph(page);
        if (item) page->indent = 2;
        if (page->paragraph.bytes) strbuf_puts(&page->paragraph, " ");
        size_t space = page->paragraph.bytes ? strspn(line, " ") : 0;
        put_inline(&page->paragraph, line + space, bytes - space);
    }
}

void help_topic(FILE *out, const struct topic *topic, unsigned columns) {
    struct page page = {.out = out, .columns = columns};
    unsigned first = 0;
    for (const char *text = topic->text; *text;) {
        size_t bytes = line_bytes(text);
        bool row = !page.code && *text == '|';
        if (row && !first) {
            end_paragraph(&page);
            first = first_column(text);
        }
        if (!row) first = 0;
        if (!strncmp(text, "```", 3)) {
            end_paragraph(&page);
            page.code = !page.code;
        } else if (page.code) {
            fprintf(out, "%*s%.*s\n", bytes ? CODE_INDENT : 0, "", (int)bytes, text);
        } else if (row) {
            put_row(&page, text, bytes, first);
        } else {
            put_line(&page, text, bytes);
        }
        text += bytes + (text[bytes] == '\n');
    }
    end_paragraph(&page);
    strbuf_fini(&page.paragraph);
}
