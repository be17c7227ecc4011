/* SPDX-License-Identifier: MIT
 *
 * Small things that every file of the node needs: the clock, hex digits, big-endian numbers.  No state. */
#ifndef QUIC_NODE_UTIL_H
#define QUIC_NODE_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* CLOCK_MONOTONIC in nanoseconds: the clock of ngtcp2, the timerfd and every deadline here. */
static inline uint64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Writes 2 * count lower-case digits and a NUL.  Returns out. */
static inline const char *hex_text(char *out, const uint8_t *bytes, size_t count) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = 0;
    return out;
}

static inline int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* Reads exactly 2 * count digits and then the end of the text.  Returns 0 or -1. */
static inline int hex_bytes(uint8_t *out, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0) return -1;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * count] == 0 ? 0 : -1;
}

static inline void put_be(uint8_t *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static inline uint64_t get_be(const uint8_t *in, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value = value << 8 | in[i];
    return value;
}

#endif
