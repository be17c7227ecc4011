/* SPDX-License-Identifier: MIT
 *
 * The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so that different numbers become different numbers. */
#ifndef LIBTRACE_SPLITMIX_H
#define LIBTRACE_SPLITMIX_H

#include <stdint.h>

static inline uint64_t splitmix(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

#endif
