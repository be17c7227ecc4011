/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <string.h>
#include <strings.h>

#define LETTERS_MAX 63

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned nearest_distance(const char *a, const char *b) {
    unsigned rows[3][LETTERS_MAX + 1];
    size_t a_count = strlen(a), b_count = strlen(b);
    if (a_count > LETTERS_MAX || b_count > LETTERS_MAX) return 99;
    for (unsigned j = 0; j <= b_count; j++) rows[0][j] = j;
    for (unsigned i = 1; i <= a_count; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3];
        const unsigned *before = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b_count; j++) {
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a_count % 3][b_count];
}

struct nearest nearest_to(const char *typed) {
    return (struct nearest){.typed = typed, .distance = NEAREST_MAX + 1};
}

void nearest_look(struct nearest *nearest, const char *word) {
    unsigned distance = strcasecmp(nearest->typed, word) ? nearest_distance(nearest->typed, word) : 0;
    if (distance >= nearest->distance || 2 * distance >= strlen(word)) return;
    nearest->distance = distance;
    nearest->word = word;
}
