/* SPDX-License-Identifier: MIT */
#include "json_put.h"

/* jansson does not escape the delete character, which is ASCII but not printable.  Outside strings there is none. */
static int put_escaped(const char *bytes, size_t count, void *arg) {
    struct strbuf *out = arg;
    for (size_t begin = 0, i = 0; i <= count; i++) {
        if (i < count && bytes[i] != 0x7f) continue;
        strbuf_add(out, bytes + begin, i - begin);
        if (i < count) strbuf_puts(out, "\\u007f");
        begin = i + 1;
    }
    return out->failed ? -1 : 0;
}

int json_put(struct strbuf *out, const json_t *value, size_t flags) {
    return json_dump_callback(value, put_escaped, out, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(16));
}

char *json_text_new(const json_t *value, size_t flags) {
    struct strbuf out = {0};
    if (value && !json_put(&out, value, flags) && !out.failed) return out.text;
    strbuf_fini(&out);
    return NULL;
}
