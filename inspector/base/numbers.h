/* SPDX-License-Identifier: MIT
 *
 * Small functions of 64-bit numbers. */
#ifndef INSPECTOR_NUMBERS_H
#define INSPECTOR_NUMBERS_H

#include <stdint.h>

/* As a comparator of qsort returns it. */
static inline int compare_numbers(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* Of unsigned numbers, for qsort and bsearch. */
static inline int compare_unsigned(const void *left, const void *right) {
    return compare_numbers(*(const unsigned *)left, *(const unsigned *)right);
}

static inline uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t greatest(uint64_t a, uint64_t b) { return a > b ? a : b; }

#endif
