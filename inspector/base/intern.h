/* SPDX-License-Identifier: MIT
 *
 * Small numbers for texts: 0, 1, 2, ... in the order in which they are first seen, so that ids can be compared, sorted and used
 * as indices.
 *
 *     struct intern nodes = {0};
 *     if (intern_number(&nodes, id, &number)) return -ENOMEM;
 *     intern_fini(&nodes); */
#ifndef INSPECTOR_INTERN_H
#define INSPECTOR_INTERN_H

#include <jansson.h>

#define NO_NUMBER ((unsigned)-1)

struct intern {
    json_t *numbers; /* text: its number */
};

/* The text's number, a new one if it was not seen; NULL has none, NO_NUMBER.  0 or -ENOMEM. */
int intern_number(struct intern *intern, const char *text, unsigned *ret_number);

/* The same, without adding an unknown one: NO_NUMBER. */
unsigned intern_find(const struct intern *intern, const char *text);

unsigned intern_count(const struct intern *intern);
void intern_fini(struct intern *intern);

#endif
