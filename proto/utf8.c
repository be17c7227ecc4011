/* SPDX-License-Identifier: MIT
 *
 * Untrusted UTF-8 (proto/utf8.h). */
#include <proto/utf8.h>
#include <stdint.h>

size_t trace_utf8_length(const char *text, size_t count, size_t *ret_bad) {
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t lead = bytes[0], least = 0x80, most = 0xbf;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    *ret_bad = 1;
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    if (lead == 0xe0) least = 0xa0; /* shorter forms exist */
    if (lead == 0xed) most = 0x9f;  /* surrogates */
    if (lead == 0xf0) least = 0x90; /* shorter forms exist */
    if (lead == 0xf4) most = 0x8f;  /* beyond U+10FFFF */
    for (size_t i = 1; i < length; i++) {
        if (i >= count || bytes[i] < least || bytes[i] > most) return 0;
        *ret_bad = i + 1;
        least = 0x80;
        most = 0xbf;
    }
    return length;
}

size_t trace_utf8_cut(const char *text, size_t count, size_t max) {
    if (count <= max) return count;
    size_t end = max;
    while (end > 0 && max - end < 3 && ((uint8_t)text[end] & 0xc0) == 0x80) end--;
    /* More than three continuation bytes belong to no character, so there is no character to keep whole. */
    return ((uint8_t)text[end] & 0xc0) == 0x80 ? max : end;
}
