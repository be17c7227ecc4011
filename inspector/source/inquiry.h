/* SPDX-License-Identifier: MIT
 *
 * A command's questions to its source, and what the answers say besides their rows: which index served (--explain), and how many
 * events left the history between two pages. */
#ifndef INSPECTOR_INQUIRY_H
#define INSPECTOR_INQUIRY_H

#include "source.h"

struct inquiry {
    struct source *source;
    struct failure *failure; /* what the functions fill in */
    bool explain;            /* ask for it */
    char index[16];          /* empty: no answer has named one */
    uint64_t examined;       /* events looked at, by all answers */
    uint64_t evicted;        /* events that left the history between two pages */
};

/* source_ask.  Returns 0, or -1 with *inquiry->failure. */
int inquiry_ask(struct inquiry *inquiry, const char *method, json_t *params_new, json_t **ret_result);

/* Takes note of what an answer says of how it was found. */
void inquiry_see(struct inquiry *inquiry, const json_t *answer);

/* Tells the user, on stderr: which index served, if any answer named one; and what left the history, if anything did. */
void inquiry_tell_index(const struct inquiry *inquiry);
void inquiry_tell_evicted(const struct inquiry *inquiry);

#endif
