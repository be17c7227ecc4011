/* SPDX-License-Identifier: MIT
 *
 * The thread that judges which traces stay longer than others (--keep).  The ingest thread wakes it and never waits for it. */
#ifndef TRACED_KEEPER_H
#define TRACED_KEEPER_H

#include <proto/rpc.h>
#include <store/store.h>

struct keeper;

/* Starts it, before the ingest.  Returns 0; or a negative errno with ret_error, as keep_create. */
int keeper_start(struct keeper **ret_keeper, struct store *store, const char *filter, struct trace_rpc_error *ret_error);

/* Ends the thread within some milliseconds and frees the keeper.  Call it after the ingest has ended and before store_fini.
 * NULL is fine. */
void keeper_stop(struct keeper *keeper);

/* The filter's text. */
const char *keeper_filter(const struct keeper *keeper);

/* Its memory besides the history; and the part that keeper_start allocates. */
size_t keeper_bytes(const struct store *store);
size_t keeper_bytes_at_start(const struct store *store);

#endif
