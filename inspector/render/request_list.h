/* SPDX-License-Identifier: MIT
 *
 * An answer to `requests` as a list: the fields that it is grouped by, and their numbers. */
#ifndef INSPECTOR_REQUEST_LIST_H
#define INSPECTOR_REQUEST_LIST_H

#include "list.h"

#define REQUEST_COLUMNS_MAX 16U

struct request_list {
    struct list list;
    struct list_column columns[REQUEST_COLUMNS_MAX];
};

/* The list of an answer.  It points into itself, so do not move it. */
void request_list_init(struct request_list *ret_list, const json_t *answer);

#endif
