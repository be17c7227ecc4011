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

/* Begins to keep the traces that match the filter.  Call it before the first event of a store made by store_init.  Names in the
 * text may belong to future nodes.  due: as for history_keep_begin.  Returns 0; -EINVAL with ret_error when the text is wrong;
 * another negative errno, with ret_error. */
int keep_create(struct keep **ret_keep, struct store *store, const char *text, void (*due)(void *arg), void *arg,
                struct trace_rpc_error *ret_error);

/* Call it before store_fini, while nobody is judging.  NULL is fine. */
void keep_destroy(struct keep *keep);

/* Judges what is due.  One registered RCU thread at a time.  Ends early once *abandoned is true. */
void keep_judge(struct keep *keep, const _Atomic bool *abandoned);

const char *keep_text(const struct keep *keep);

#endif
