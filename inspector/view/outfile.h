/* SPDX-License-Identifier: MIT
 *
 * A file that is written beside its name, and gets it when it is whole: there is a whole one under the name, or what was there
 * before. */
#ifndef INSPECTOR_OUTFILE_H
#define INSPECTOR_OUTFILE_H

#include "failure.h"

struct outfile {
    int fd;
    const char *path; /* the caller's */
    char *temporary;
};

/* Returns 0; or -1 with the failure, and there is nothing to end. */
int outfile_begin(struct outfile *file, const char *path, struct failure *failure);

/* Closes the file; with keep it gets its name, otherwise it is removed.  Returns 0, or -1 with the failure: then it was
 * removed. */
int outfile_end(struct outfile *file, bool keep, struct failure *failure);

#endif
