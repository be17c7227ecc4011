/* SPDX-License-Identifier: MIT
 *
 * What each span of a walk waits for: the spans that it caused, and those that it may have waited for although nothing shows
 * it.  Found once for each span, when it is first needed.  Pure. */
#ifndef INSPECTOR_PATH_BRANCHES_H
#define INSPECTOR_PATH_BRANCHES_H

#include "path_walk.h"

/* Makes room.  Returns 0 or -ENOMEM.  branches_fini frees it in any case. */
int branches_init(struct walk *walk);
void branches_fini(struct walk *walk);

/* Of a span.  Out of memory sets `failed`, and returns NULL. */
const struct branches *branches_of(struct walk *walk, size_t span);

/* The way from a span to one that it caused on another node, whose answer it did not wait for. */
void branch_way(struct way *ret_way, const struct walk *walk, const struct span *parent, const struct span *child,
                uint64_t upper_ns);

/* The first of them that was asked before that time, and may be followed by others that were; `count` if there is none. */
size_t branches_before(const struct branches *branches, uint64_t time_ns);

/* Does a child of the span run on that node, or name it as its peer? */
bool branches_reach(const struct branches *branches, unsigned node);

/* The last answer first; of two at once, the one that was asked first. */
int branch_compare(const void *left, const void *right);

/* Did the child end well and send no answer, while its parent waited for one? */
bool branch_is_unsent(const struct walk *walk, const struct span *parent, const struct span *child);

#endif
