/* SPDX-License-Identifier: MIT
 *
 * Ids as hex digits (proto/hex.h).  Every event that is sent has 80 bytes encoded, so speed counts: 16 bytes at a time with the
 * compiler's generic vectors, which work on any processor, and the remaining bytes by a table of all 256 pairs.  Decoding also
 * accepts upper case. */
#include <errno.h>
#include <proto/hex.h>
#include <string.h>

#define DIGIT(n) ((n) < 10 ? '0' + (n) : 'a' + (n)-10)
#define PAIR(n) \
    { DIGIT((n) >> 4), DIGIT((n)&15) }
#define PAIRS_4(n) PAIR(n), PAIR((n) + 1), PAIR((n) + 2), PAIR((n) + 3)
#define PAIRS_16(n) PAIRS_4(n), PAIRS_4((n) + 4), PAIRS_4((n) + 8), PAIRS_4((n) + 12)
#define PAIRS_64(n) PAIRS_16(n), PAIRS_16((n) + 16), PAIRS_16((n) + 32), PAIRS_16((n) + 48)

static const char pairs[256][2] = {PAIRS_64(0), PAIRS_64(64), PAIRS_64(128), PAIRS_64(192)};

typedef uint8_t bytes_16 __attribute__((vector_size(16)));

static inline bytes_16 digits_of(bytes_16 values) {
    return values + '0' + ((bytes_16)(values > 9) & ('a' - '0' - 10)); /* a comparison gives all ones where it holds */
}

static inline void encode_16(char *out, const uint8_t *bytes) {
    bytes_16 both, high, low, first, second;
    memcpy(&both, bytes, sizeof both);
    high = digits_of(both >> 4);
    low = digits_of(both & 15);
    first = __builtin_shufflevector(high, low, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    second = __builtin_shufflevector(high, low, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    memcpy(out, &first, sizeof first);
    memcpy(out + sizeof first, &second, sizeof second);
}

char *trace_hex_encode(char *out, const uint8_t *bytes, size_t count) {
    for (; count >= 16; count -= 16, bytes += 16, out += 32) encode_16(out, bytes);
    for (size_t i = 0; i < count; i++) memcpy(out + 2 * i, pairs[bytes[i]], 2);
    return out + 2 * count;
}

#define NO_DIGIT 16

/* The value of a digit, or NO_DIGIT. */
static unsigned hex_digit_value(char digit) {
    if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
    if (digit >= 'a' && digit <= 'f') return (unsigned)(digit - 'a') + 10;
    if (digit >= 'A' && digit <= 'F') return (unsigned)(digit - 'A') + 10;
    return NO_DIGIT;
}

int trace_hex_decode(uint8_t *out, const char *digits, size_t count) {
    /* Check first: on failure nothing is written, and nothing is read beyond a NUL. */
    for (size_t i = 0; i < 2 * count; i++)
        if (hex_digit_value(digits[i]) == NO_DIGIT) return -EINVAL;
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(hex_digit_value(digits[2 * i]) << 4 | hex_digit_value(digits[2 * i + 1]));
    return 0;
}

int trace_id_prefix_parse(struct trace_id_prefix *ret_prefix, const char *text, unsigned max_digits) {
    struct trace_id_prefix prefix = {0};
    if (max_digits > 2 * sizeof prefix.bytes) max_digits = 2 * sizeof prefix.bytes;
    for (; text[prefix.digits] != 0; prefix.digits++) {
        unsigned value = hex_digit_value(text[prefix.digits]);
        if (value == NO_DIGIT || prefix.digits == max_digits) return -EINVAL;
        prefix.bytes[prefix.digits / 2] |= (uint8_t)(prefix.digits % 2 == 0 ? value << 4 : value);
    }
    if (prefix.digits == 0) return -EINVAL;
    *ret_prefix = prefix;
    return 0;
}

int trace_id_prefix_matches(const struct trace_id_prefix *prefix, const uint8_t *id) {
    unsigned whole = prefix->digits / 2;
    if (memcmp(prefix->bytes, id, whole) != 0) return 0;
    return prefix->digits % 2 == 0 || prefix->bytes[whole] >> 4 == id[whole] >> 4;
}
