/* SPDX-License-Identifier: MIT
 *
 * The filter engine's tokens, and its errors (filter_internal.h).
 *
 * A word is a name, a number with its unit, a time, an id, an endpoint or a glob; the field that it is compared with decides
 * which.  Quotes hold anything else.  Every token's text is copied, to end with a NUL.  A token has at least one byte, so twice
 * the bytes of the text are always enough. */
#include "filter_internal.h"

#include <errno.h>
#include <proto/utf8.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------------------------------------------- */

/* Quotes untrusted text (the filter, a node's name): one line of UTF-8, with a question mark for each other byte. */
static void make_harmless(char *text) {
    size_t left = strlen(text), bad;
    while (left) {
        size_t length = trace_utf8_length(text, left, &bad);
        if (!length || (unsigned char)*text < 0x20 || *text == 0x7f) *text = '?', length = 1;
        text += length;
        left -= length;
    }
}

static int lex_failed(struct filter_parser *parser, size_t position, size_t length, const char *suggestion, const char *format,
                      va_list list) {
    struct trace_filter_error *error = parser->error;
    if (parser->status) return parser->status;
    parser->status = -EINVAL;
    error->position = position;
    error->length = length;
    snprintf(error->suggestion, sizeof error->suggestion, "%s", suggestion ? suggestion : "");
    vsnprintf(error->reason, sizeof error->reason, format, list);
    make_harmless(error->suggestion);
    make_harmless(error->reason);
    return parser->status;
}

int filter__fail(struct filter_parser *parser, size_t position, size_t length, const char *suggestion, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int status = lex_failed(parser, position, length, suggestion, format, list);
    va_end(list);
    return status;
}

int filter__fail_token(struct filter_parser *parser, const struct filter_token *token, const char *suggestion, const char *format,
                       ...) {
    va_list list;
    va_start(list, format);
    int status = lex_failed(parser, token->position, token->length, suggestion, format, list);
    va_end(list);
    return status;
}

void *filter__grow(struct filter_parser *parser, void *array, uint32_t count, uint32_t *capacity, size_t element_bytes) {
    if (count < *capacity) return array;
    uint32_t wanted = *capacity ? 2 * *capacity : 16;
    void *grown = realloc(array, wanted * element_bytes);
    if (!grown) {
        parser->status = -ENOMEM;
        return NULL;
    }
    *capacity = wanted;
    return grown;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_.:+-*?@/%[]", c)) ||
           (unsigned char)c >= 0x80;
}

/* The character at a position of the text; NUL beyond its end. */
static char char_ahead(const struct filter_parser *parser, size_t ahead) {
    size_t at = parser->at + ahead;
    return at < parser->bytes ? parser->text[at] : 0;
}

static void lex_put(struct filter_parser *parser, char c) { *parser->string_end++ = c; }

static int finish_token(struct filter_parser *parser, enum filter_token_type type, size_t length) {
    parser->token.type = type;
    parser->token.length = length;
    parser->at = parser->token.position + length;
    return 0;
}

static int take_word(struct filter_parser *parser) {
    struct filter_token *token = &parser->token;
    size_t length = 0;
    token->text = parser->string_end;
    /* Two dots are always a range. */
    for (; is_word(char_ahead(parser, length)) && (char_ahead(parser, length) != '.' || char_ahead(parser, length + 1) != '.');
         length++)
        lex_put(parser, char_ahead(parser, length));
    token->bytes = length;
    lex_put(parser, 0);
    return finish_token(parser, TOKEN_WORD, length);
}

static int take_string(struct filter_parser *parser) {
    struct filter_token *token = &parser->token;
    char quote = char_ahead(parser, 0);
    size_t length = 1;
    token->text = parser->string_end;
    for (;; length++) {
        char c = char_ahead(parser, length);
        if (parser->at + length >= parser->bytes)
            return filter__fail(parser, token->position, length, NULL, "this quote is not closed");
        if (c == quote) break;
        if (!c) return filter__fail(parser, parser->at + length, 1, NULL, "a control character");
        /* Before any other character a backslash stays, because globs use it. */
        if (c == '\\' && (char_ahead(parser, length + 1) == quote || char_ahead(parser, length + 1) == '\\'))
            c = char_ahead(parser, ++length);
        lex_put(parser, c);
    }
    token->bytes = (size_t)(parser->string_end - token->text);
    lex_put(parser, 0);
    return finish_token(parser, TOKEN_STRING, length + 1);
}

/* Operators of other languages, and what they are called here. */
static int fail_symbol(struct filter_parser *parser) {
    static const struct {
        const char *symbol, *meant;
    } others[] = {{"&&", "and"}, {"||", "or"}, {"=", "=="}, {"!", "not"}, {"&", "and"}, {"|", "or"}};
    size_t left = parser->bytes - parser->at;
    const char *at = parser->text + parser->at;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t length = strlen(others[i].symbol);
        if (length <= left && !memcmp(others[i].symbol, at, length))
            return filter__fail(parser, parser->at, length, others[i].meant, "\"%s\" is written \"%s\" here", others[i].symbol,
                                others[i].meant);
    }
    if ((unsigned char)*at < 0x20 || *at == 0x7f) return filter__fail(parser, parser->at, 1, NULL, "a control character");
    return filter__fail(parser, parser->at, 1, NULL, "\"%c\" means nothing here; a text that contains it needs quotes", *at);
}

static int take_symbol(struct filter_parser *parser) {
    static const struct {
        const char *symbol;
        enum filter_token_type type;
        enum filter_compare compare;
    } symbols[] = {
        {"==", TOKEN_COMPARE, COMPARE_EQ},
        {"!=", TOKEN_COMPARE, COMPARE_NE},
        {"<=", TOKEN_COMPARE, COMPARE_LE},
        {">=", TOKEN_COMPARE, COMPARE_GE},
        {"<", TOKEN_COMPARE, COMPARE_LT},
        {">", TOKEN_COMPARE, COMPARE_GT},
        {"~", TOKEN_COMPARE, COMPARE_GLOB},
        {"(", TOKEN_OPEN, 0},
        {")", TOKEN_CLOSE, 0},
        {"{", TOKEN_OPEN_SET, 0},
        {"}", TOKEN_CLOSE_SET, 0},
        {",", TOKEN_COMMA, 0},
        {"..", TOKEN_RANGE, 0},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        const char *symbol = symbols[i].symbol;
        if (char_ahead(parser, 0) != symbol[0] || (symbol[1] && char_ahead(parser, 1) != symbol[1])) continue;
        parser->token.compare = symbols[i].compare;
        return finish_token(parser, symbols[i].type, strlen(symbol));
    }
    return fail_symbol(parser);
}

int filter__next(struct filter_parser *parser) {
    if (parser->status) return parser->status;
    while (is_space(char_ahead(parser, 0))) parser->at++;
    parser->token = (struct filter_token){.position = parser->at, .text = ""};
    if (parser->at == parser->bytes) return finish_token(parser, TOKEN_END, 0);
    char c = char_ahead(parser, 0);
    if (c == '"' || c == '\'') return take_string(parser);
    if (is_word(c) && (c != '.' || char_ahead(parser, 1) != '.')) return take_word(parser);
    return take_symbol(parser);
}
