/* SPDX-License-Identifier: MIT
 *
 * Suggests what may have been meant: the candidate with the smallest edit distance to a word (insertion, deletion, replacement,
 * and the swap of two neighbours cost 2 each; the same letter in another case costs 1), or else the shortest that contains it.
 * One that ends with the word (packet_lost for lost) is nearer than one that differs by a letter (host). */
#include "filter_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 40 /* nobody mistypes longer words */
#define COST 2
#define NEVER 1000000U
#define CONTAINS 1000U /* worse than any distance */

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

static unsigned replace_cost(char a, char b) {
    if (a == b) return 0;
    return tolower((unsigned char)a) == tolower((unsigned char)b) ? 1 : COST;
}

static unsigned distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    unsigned rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_bytes; j++) rows[0][j] = (unsigned)j * COST;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i * COST;
        for (size_t j = 1; j <= b_bytes; j++) {
            row[j] = least(above[j] + COST, row[j - 1] + COST);
            row[j] = least(row[j], above[j - 1] + replace_cost(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = least(row[j], two_above[j - 2] + COST);
        }
    }
    return rows[a_bytes % 3][b_bytes];
}

static bool ends_with_word(const char *candidate, size_t bytes, const struct filter_suggest *suggest) {
    return bytes > suggest->bytes + 1 && suggest->bytes > 2 && candidate[bytes - suggest->bytes - 1] == '_' &&
           !strcmp(candidate + bytes - suggest->bytes, suggest->word);
}

void filter__suggest_begin(struct filter_suggest *suggest, const char *word) {
    *suggest = (struct filter_suggest){.word = word, .bytes = strlen(word), .best = NEVER};
}

void filter__suggest_add(struct filter_suggest *suggest, const char *prefix, const char *candidate) {
    size_t bytes = strlen(candidate);
    if (!suggest->bytes || suggest->bytes > WORD_MAX || !bytes || bytes > WORD_MAX) return;
    unsigned cost = distance(suggest->word, suggest->bytes, candidate, bytes);
    /* One error for every three characters, and at least one. */
    unsigned slips = suggest->bytes < 6 ? 1 : (unsigned)suggest->bytes / 3;
    if (suggest->bytes == 1 && cost > 1) return; /* all letters are one error apart: accept only the other case */
    if (ends_with_word(candidate, bytes, suggest)) {
        cost = least(cost, COST - 1);
    } else if (cost > COST * slips) {
        if (suggest->bytes < 3 || !strcasestr(candidate, suggest->word)) return;
        cost = CONTAINS + (unsigned)bytes;
    }
    if (cost >= suggest->best) return;
    suggest->best = cost;
    snprintf(suggest->text, sizeof suggest->text, "%s%s", prefix, candidate);
}
