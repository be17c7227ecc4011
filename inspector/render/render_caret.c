/* SPDX-License-Identifier: MIT
 *
 * Shows where in a text something is wrong. */
#include "render.h"

#include <string.h>

#define COLUMNS_MAX 100000U /* never cut: the caret is what matters */

/* Appends a piece of the text, escaped.  Returns how many columns it takes. */
static unsigned piece(struct strbuf *out, const char *text, size_t bytes) {
    size_t before = out->bytes;
    text_untrusted(out, text, bytes, COLUMNS_MAX);
    return text_columns(strbuf_text(out) + before, out->bytes - before);
}

void render_caret(struct strbuf *out, const char *text, size_t position, size_t length) {
    size_t bytes = strlen(text);
    if (position > bytes) position = bytes;
    if (length > bytes - position) length = bytes - position;
    strbuf_puts(out, "  ");
    unsigned skip = piece(out, text, position), columns = piece(out, text + position, length);
    piece(out, text + position + length, bytes - position - length);
    strbuf_puts(out, "\n  ");
    strbuf_spaces(out, skip);
    strbuf_puts(out, "^");
    for (unsigned i = 1; i < columns; i++) strbuf_puts(out, "~");
    strbuf_puts(out, "\n");
}
