/* SPDX-License-Identifier: MIT
 *
 * A directory that output goes to: it is written beside its name and gets the name when it is whole.  So there is a whole one
 * under the name, or what was there before: nothing, or an empty directory. */
#ifndef INSPECTOR_OUTDIR_H
#define INSPECTOR_OUTDIR_H

#include "failure.h"

struct outdir {
    char *path;
    char *temporary; /* where to write files meanwhile */
};

/* Returns 0; or -1 with the failure, and there is nothing to end.  A directory of that name that is not empty is a failure. */
int outdir_begin(struct outdir *directory, const char *path, struct failure *failure);

/* With keep the directory gets its name, otherwise it is removed with its files.  Returns 0, or -1 with the failure: then it
 * was removed. */
int outdir_end(struct outdir *directory, bool keep, struct failure *failure);

#endif
