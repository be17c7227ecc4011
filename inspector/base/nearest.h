/* SPDX-License-Identifier: MIT
 *
 * What a misspelled word may have meant. */
#ifndef INSPECTOR_NEAREST_H
#define INSPECTOR_NEAREST_H

/* The edit distance: how many letters to insert, delete or replace, or neighbours to swap, to turn one word into the other.  For
 * words of up to 63 letters; 99 for longer ones. */
unsigned nearest_distance(const char *a, const char *b);

/* Two words as near as this are suggested for each other. */
#define NEAREST_MAX 2

/* The nearest of many words:
 *
 *     struct nearest nearest = nearest_to(typed);
 *     for (...) nearest_look(&nearest, word);
 *     if (nearest.word) ...                      nearest.word is the nearest one, if it is near enough
 *
 * Less than half of the letters of a suggested word may be wrong: "bob" is not near "zoe". */
struct nearest {
    const char *typed;
    const char *word; /* borrowed; NULL: none */
    unsigned distance;
};

struct nearest nearest_to(const char *typed);
void nearest_look(struct nearest *nearest, const char *word);

#endif
