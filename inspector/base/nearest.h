/* SPDX-License-Identifier: MIT
 *
 * What a misspelled word may have meant. */
#ifndef INSPECTOR_NEAREST_H
#define INSPECTOR_NEAREST_H

/* The edit distance: how many letters to insert, delete or replace to make one of the other.  For words of up to 15 letters;
 * 99 for longer ones. */
unsigned nearest_distance(const char *a, const char *b);

/* Two words as near as this are suggested for each other. */
#define NEAREST_MAX 2

#endif
