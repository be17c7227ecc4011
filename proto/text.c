/* SPDX-License-Identifier: MIT
 *
 * Text that grows (proto/text.h).  The capacity doubles, so that adding takes linear time. */
#include <proto/text.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_CAPACITY_MIN 1024

void trace_text_fini(struct trace_text *text) {
    free(text->data);
    *text = (struct trace_text){.bytes_max = text->bytes_max};
}

void trace_text_clear(struct trace_text *text) {
    text->bytes = 0;
    text->failed = false;
}

void trace_text_fit(struct trace_text *text) {
    char *data = text->bytes != 0 ? realloc(text->data, text->bytes) : NULL;
    if (!data) return; /* keep the larger block */
    text->data = data;
    text->capacity = text->bytes;
}

static char *text_failed(struct trace_text *text) {
    text->failed = true;
    return NULL;
}

char *trace_text_reserve(struct trace_text *text, size_t bytes) {
    if (text->failed) return NULL;
    size_t limit = text->bytes_max != 0 && text->bytes_max < SIZE_MAX / 2 ? text->bytes_max : SIZE_MAX / 2;
    if (text->bytes > limit || bytes > limit - text->bytes) return text_failed(text);

    size_t needed = text->bytes + bytes;
    if (needed > text->capacity || !text->data) {
        size_t capacity = text->capacity < TEXT_CAPACITY_MIN ? TEXT_CAPACITY_MIN : text->capacity;
        while (capacity < needed) capacity *= 2; /* cannot wrap: needed is at most SIZE_MAX / 2 */
        char *data = realloc(text->data, capacity);
        if (!data) return text_failed(text);
        text->data = data;
        text->capacity = capacity;
    }
    return text->data + text->bytes;
}

void trace_text_add(struct trace_text *text, const char *data, size_t bytes) {
    char *out = trace_text_reserve(text, bytes);
    if (!out) return;
    if (bytes != 0) memcpy(out, data, bytes);
    text->bytes += bytes;
}

void trace_text_puts(struct trace_text *text, const char *string) { trace_text_add(text, string, strlen(string)); }
