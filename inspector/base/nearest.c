/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <string.h>

unsigned nearest_distance(const char *a, const char *b) {
    unsigned row[16];
    size_t a_count = strlen(a), b_count = strlen(b);
    if (a_count > 15 || b_count > 15) return 99;
    for (unsigned j = 0; j <= b_count; j++) row[j] = j;
    for (unsigned i = 1; i <= a_count; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_count; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[b_count];
}
