/* SPDX-License-Identifier: MIT
 *
 * A closed store as a source: events that were loaded into memory, or a recording.  It answers every method but `control`, and
 * `stats` with the history alone; its stream is its events, oldest first, and then ends. */
#ifndef INSPECTOR_SOURCE_STORE_H
#define INSPECTOR_SOURCE_STORE_H

#include "source.h"

#include <store/store.h>

/* Who keeps the store; close(owner) is called at the end of the source, and when opening fails. */
struct source_store_owner {
    void (*close)(void *owner);
    void *owner;
};

/* title: how sentences call it, "the recording today.p2rec"; copied.  Returns 0, or -1 with the failure. */
int source_store_open(struct source **ret_source, struct store *store, struct source_store_owner owner, const char *title,
                      struct failure *failure);

#endif
