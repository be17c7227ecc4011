/* SPDX-License-Identifier: MIT */
#include "sql_complete.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

struct matches {
    const char *word; /* not terminated */
    size_t bytes;
    bool upper;  /* write keywords in upper case, like the word */
    json_t *set; /* the candidates, as keys */
};

/* SQL ignores case.  Names that would need quotes are not offered: they may contain anything. */
static void offer_name(struct matches *matches, const char *name) {
    size_t i = name[0] == '.';
    while (isalnum((unsigned char)name[i]) || name[i] == '_') i++;
    if (name[i] || sqlite3_strnicmp(name, matches->word, (int)matches->bytes) != 0) return;
    json_object_set_new(matches->set, name, json_true());
}

static void offer_names(struct matches *matches, sqlite3 *db) {
    static const char text[] =
        "SELECT name FROM sqlite_schema UNION SELECT c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c UNION "
        "SELECT name FROM pragma_function_list ORDER BY 1";
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) return;
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        if (name) offer_name(matches, name);
    }
    sqlite3_finalize(statement);
}

/* Not tolower(), which depends on the language: a Turkish I has no dot to lose. */
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static void offer_keywords(struct matches *matches) {
    for (int i = 0; i < sqlite3_keyword_count(); i++) {
        const char *name;
        char keyword[32];
        int bytes;
        if (sqlite3_keyword_name(i, &name, &bytes) || bytes >= (int)sizeof keyword) continue;
        for (int j = 0; j < bytes; j++) keyword[j] = matches->upper ? name[j] : lower(name[j]);
        keyword[bytes] = 0;
        offer_name(matches, keyword);
    }
}

static void offer_dots(struct matches *matches) {
    static const char *const words[] = {".explain", ".help", ".quit", ".schema", ".tables"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) offer_name(matches, words[i]);
}

/* The common beginning of all names goes on the line, and all names on the list. */
static void add_matches(const struct matches *matches, struct strbuf *insert, struct strbuf *list) {
    const char *name, *first = NULL;
    json_t *value;
    size_t common = 0, same;
    json_object_foreach(matches->set, name, value) {
        (void)value;
        if (first) {
            for (same = 0; same < common && first[same] == name[same]; same++) continue;
            common = same;
            strbuf_puts(list, "  ");
        } else {
            first = name;
            common = strlen(name);
        }
        strbuf_puts(list, name);
    }
    if (common > matches->bytes) strbuf_add(insert, first + matches->bytes, common - matches->bytes);
    if (json_object_size(matches->set) == 1) strbuf_puts(insert, " ");
}

void sql_complete(sqlite3 *db, const char *line, size_t bytes, struct strbuf *insert, struct strbuf *list) {
    size_t begin = bytes;
    while (begin && (isalnum((unsigned char)line[begin - 1]) || line[begin - 1] == '_')) begin--;
    bool dot = begin == 1 && line[0] == '.';
    if (dot) begin = 0;
    struct matches matches = {.word = line + begin, .bytes = bytes - begin};
    if (!matches.bytes) return;
    matches.upper = isupper((unsigned char)*matches.word);
    matches.set = json_object();
    if (dot) {
        offer_dots(&matches);
    } else {
        offer_names(&matches, db);
        offer_keywords(&matches);
    }
    add_matches(&matches, insert, list);
    json_decref(matches.set);
}
