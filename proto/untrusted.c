/* SPDX-License-Identifier: MIT
 *
 * Untrusted text (proto/untrusted.h). */
#include <proto/untrusted.h>
#include <proto/utf8.h>
#include <stdio.h>
#include <string.h>

struct range {
    uint32_t first, last;
};

/* Controls; soft hyphen; Arabic letter mark; zero width; Mongolian separator; line and paragraph separator and bidirectional
 * controls; word joiner and isolates; private use; byte order mark; interlinear; noncharacters; tags, and the other invisible
 * characters of that plane; private planes. */
static bool is_harmful(uint32_t code) {
    static const struct range ranges[] = {{0, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x61c, 0x61c},
                                          {0x180e, 0x180e}, {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},
                                          {0xe000, 0xf8ff}, {0xfeff, 0xfeff},   {0xfff9, 0xfffb},   {0xfdd0, 0xfdef},
                                          {0xfffe, 0xffff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return false;
}

static uint32_t code_of(const uint8_t *text, size_t length) {
    uint32_t code = length == 1 ? text[0] : text[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) code = code << 6 | (text[i] & 0x3f);
    return code;
}

unsigned trace_show_character(char out[TRACE_SHOWN_BYTES], const char *text, size_t bytes, uint32_t *ret_code) {
    size_t bad, length = trace_utf8_length(text, bytes, &bad);
    uint32_t code = length ? code_of((const uint8_t *)text, length) : 0;
    *ret_code = 0;
    if (!length) {
        snprintf(out, TRACE_SHOWN_BYTES, "\\x%02x", (uint8_t)text[0]);
        return 1;
    }
    if (is_harmful(code)) {
        snprintf(out, TRACE_SHOWN_BYTES, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        return (unsigned)length;
    }
    memcpy(out, text, length);
    out[length] = 0;
    *ret_code = code;
    return (unsigned)length;
}

size_t trace_show_text(char *out, size_t size, const char *text, size_t bytes) {
    size_t at = 0;
    if (size == 0) return 0;
    for (size_t i = 0; i < bytes;) {
        char shown[TRACE_SHOWN_BYTES];
        uint32_t code;
        i += trace_show_character(shown, text + i, bytes - i, &code);
        size_t length = strlen(shown);
        if (at + length >= size) break;
        memcpy(out + at, shown, length);
        at += length;
    }
    out[at] = 0;
    return at;
}

/* ---- shells ---- */

struct word {
    char *out;
    size_t size, bytes;
};

static void put_quoted(struct word *word, const char *text) {
    size_t length = strlen(text);
    if (word->bytes + length < word->size) memcpy(word->out + word->bytes, text, length + 1);
    word->bytes += length;
}

static bool is_plain(const char *text) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    return *text && text[strspn(text, plain)] == 0;
}

static bool is_harmless(const char *text) {
    char shown[TRACE_SHOWN_BYTES];
    uint32_t code = 1;
    for (size_t left = strlen(text); left > 0 && code;) {
        unsigned used = trace_show_character(shown, text, left, &code);
        text += used;
        left -= used;
    }
    return code != 0;
}

/* One byte of a word in quotes.  all: in $'...', where everything but plain ASCII is written as a number. */
static void put_byte(struct word *word, char byte, bool all) {
    char text[8] = {byte};
    if (byte == '\'')
        strcpy(text, all ? "\\'" : "'\\''");
    else if (all && byte == '\\')
        strcpy(text, "\\\\");
    else if (all && (byte < 0x20 || byte > 0x7e)) /* three octal digits, so that a digit after it is not taken for a part of it */
        snprintf(text, sizeof text, "\\%03o", (uint8_t)byte);
    put_quoted(word, text);
}

bool trace_shell_word(char *out, size_t size, const char *text) {
    struct word word = {out, size, 0};
    bool all = !is_harmless(text);
    if (is_plain(text)) {
        put_quoted(&word, text);
    } else {
        put_quoted(&word, all ? "$'" : "'");
        for (; *text; text++) put_byte(&word, *text, all);
        put_quoted(&word, "'");
    }
    if (word.bytes < size) return true;
    if (size) *out = 0;
    return false;
}
