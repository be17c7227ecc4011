/* SPDX-License-Identifier: MIT
 *
 * An output directory.  It is written beside its name and renamed when complete, so the name always has a complete directory, or
 * what was there before: nothing, or an empty directory. */
#ifndef INSPECTOR_OUTDIR_H
#define INSPECTOR_OUTDIR_H

#include "failure.h"

struct outdir {
    char *path;
    char *temporary; /* where to write files */
};

/* Returns 0; or -1 with the failure, and then there is nothing to end.  Fails if the name is a directory that is not empty. */
int outdir_begin(struct outdir *directory, const char *path, struct failure *failure);

/* With keep the directory gets its name; otherwise it is removed with its files.  Returns 0, or -1 with the failure, and then it
 * is removed. */
int outdir_end(struct outdir *directory, bool keep, struct failure *failure);

#endif
