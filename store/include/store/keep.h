/* SPDX-License-Identifier: MIT
 *
 * Which traces a store keeps longer than others, by a filter of traces (docs/filter.md): `traced --keep`.  What that means is in
 * history_keep.h. */
#ifndef STORE_KEEP_H
#define STORE_KEEP_H

#include <proto/rpc.h>
#include <stdatomic.h>
#include <store/store.h>

struct keep;

/* Begins to keep the traces that the filter lets through; before the first event of a store made by store_init.  Names in the
 * text may be those of nodes still to come.  due: as for history_keep_begin.  Returns 0; -EINVAL with ret_error when the text
 * is wrong; another negative errno, with ret_error. */
int keep_create(struct keep **ret_keep, struct store *store, const char *text, void (*due)(void *arg), void *arg,
                struct trace_rpc_error *ret_error);

/* Nobody may be judging.  Before store_fini; NULL is fine. */
void keep_destroy(struct keep *keep);

/* Judges what is due.  One thread at a time, which RCU knows.  Ends early once *abandoned is true. */
void keep_judge(struct keep *keep, const _Atomic bool *abandoned);

const char *keep_text(const struct keep *keep);

#endif
