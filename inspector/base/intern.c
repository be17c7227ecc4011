/* SPDX-License-Identifier: MIT */
#include "intern.h"

#include <errno.h>

unsigned intern_find(const struct intern *intern, const char *text) {
    const json_t *number = text ? json_object_get(intern->numbers, text) : NULL;
    return number ? (unsigned)json_integer_value(number) : NO_NUMBER;
}

int intern_number(struct intern *intern, const char *text, unsigned *ret_number) {
    *ret_number = intern_find(intern, text);
    if (!text || *ret_number != NO_NUMBER) return 0;
    if (!intern->numbers && !(intern->numbers = json_object())) return -ENOMEM;
    *ret_number = intern_count(intern);
    return json_object_set_new(intern->numbers, text, json_integer(*ret_number)) ? -ENOMEM : 0;
}

unsigned intern_count(const struct intern *intern) { return (unsigned)json_object_size(intern->numbers); }

void intern_fini(struct intern *intern) {
    json_decref(intern->numbers);
    intern->numbers = NULL;
}
