/* SPDX-License-Identifier: MIT
 *
 * A command's questions to its source, with the side facts of the answers: which index served them (--explain), and how many
 * events left the history between two pages. */
#ifndef INSPECTOR_INQUIRY_H
#define INSPECTOR_INQUIRY_H

#include "source.h"

struct inquiry {
    struct source *source;
    struct failure *failure; /* the functions fill it in */
    bool explain;            /* ask which index serves */
    char index[16];          /* empty: not known */
    uint64_t examined;       /* events examined, over all answers */
    uint64_t evicted;        /* events that left the history between two pages */
};

/* source_ask.  Returns 0, or -1 with *inquiry->failure. */
int inquiry_ask(struct inquiry *inquiry, const char *method, json_t *params_new, json_t **ret_result);

/* Records the `explain` of an answer. */
void inquiry_note(struct inquiry *inquiry, const json_t *answer);

/* Print to stderr which index served, and how many events left the history; nothing when there is nothing to report. */
void inquiry_print_index(const struct inquiry *inquiry);
void inquiry_print_evicted(const struct inquiry *inquiry);

#endif
