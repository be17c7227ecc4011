/* SPDX-License-Identifier: MIT
 *
 * The file that output goes to.  Under the name there is the whole output, or what was there before:
 *
 *      nothing yet          made without a name, and gets it when it is whole
 *      a regular file       replaced by one that was made so; the new one has its mode and, as far as we may, its owner
 *      a symbolic link      stays; the file behind it is overwritten once the output is whole, as a shell's > would
 *      a regular file in    the same
 *        a directory that
 *        we may not change
 *      a device, a FIFO     written to as the output comes
 *
 * Whoever ends us leaves nothing behind, but for a file system that can't make files without a name. */
#ifndef INSPECTOR_OUTFILE_H
#define INSPECTOR_OUTFILE_H

#include "failure.h"
#include <sys/types.h>

struct outfile {
    int fd;           /* to write to */
    int copy_to;      /* the file that is overwritten with it in the end; -1: none is */
    const char *path; /* the caller's */
    char *temporary;  /* the name that it has meanwhile; NULL: none */
    bool nameless;    /* it gets its name in the end */
};

/* Returns 0; or -1 with the failure, and there is nothing to end.  Waits for the reader of a FIFO. */
int outfile_begin(struct outfile *file, const char *path, struct failure *failure);

/* Closes the file; with keep it gets its name, otherwise it is removed.  Returns 0, or -1 with the failure: then it was
 * removed. */
int outfile_end(struct outfile *file, bool keep, struct failure *failure);

#endif
