/* SPDX-License-Identifier: MIT
 *
 * A closed store as a source: events loaded into memory, or a recording.  It answers every method except `control`; `stats` has
 * only the history.  Its stream is its events, oldest first, and then ends. */
#ifndef INSPECTOR_SOURCE_STORE_H
#define INSPECTOR_SOURCE_STORE_H

#include "source.h"

#include <store/store.h>

/* The owner of the store.  close(owner) is called when the source is closed, and when opening fails. */
struct source_store_owner {
    void (*close)(void *owner);
    void *owner;
    /* Adds what the store does not know to an answer; NULL: nothing. */
    void (*annotate)(void *owner, const char *method, json_t *result);
};

/* title: its name in messages, "the recording today.p2rec"; copied.  Returns 0, or -1 with the failure. */
int source_store_open(struct source **ret_source, struct store *store, struct source_store_owner owner, const char *title,
                      struct failure *failure);

#endif
