/* SPDX-License-Identifier: MIT
 *
 * An answer to `count` as a list: its fields are the fields that the events were grouped by, and their numbers. */
#ifndef INSPECTOR_COUNT_LIST_H
#define INSPECTOR_COUNT_LIST_H

#include "list.h"

#define GROUP_FIELDS_MAX 8U
#define VALUE_COLUMNS 7U

struct count_list {
    struct list list;
    struct list_column columns[GROUP_FIELDS_MAX + 3 + VALUE_COLUMNS];
    struct count_field {
        char name[RECORD_NAME_BYTES], path[RECORD_NAME_BYTES + 8], title[4 * RECORD_NAME_BYTES];
    } fields[GROUP_FIELDS_MAX];
};

/* The list of an answer; keeps no reference to it.  The list points into itself, so do not move it.  Returns 0, or -1 when
 * out of memory. */
int count_list_init(struct count_list *ret_list, const json_t *answer);

#endif
