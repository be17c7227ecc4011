/* SPDX-License-Identifier: MIT
 *
 * An output file.  The name always has the complete output, or what was there before:
 *
 *      nothing yet          created without a name; it gets the name when complete
 *      a regular file       replaced by one created that way, with the same mode and, as far as we may, the same owner
 *      a symbolic link      stays; its target is overwritten once the output is complete, as a shell's > would
 *      a regular file in    the same
 *        a directory that
 *        we may not change
 *      a device, a FIFO     written to as the output comes
 *
 * If we are killed, nothing is left behind, except on a file system that cannot create files without a name. */
#ifndef INSPECTOR_OUTFILE_H
#define INSPECTOR_OUTFILE_H

#include "failure.h"
#include <sys/types.h>

struct outfile {
    int fd;           /* to write to */
    int copy_to;      /* the file to overwrite with it at the end; -1: none */
    const char *path; /* the caller's */
    char *temporary;  /* its name until then; NULL: none */
    bool nameless;    /* it gets its name at the end */
};

/* Returns 0; or -1 with the failure, and then there is nothing to end.  Waits for the reader of a FIFO. */
int outfile_begin(struct outfile *file, const char *path, struct failure *failure);

/* Closes the file.  With keep it gets its name; otherwise it is removed.  Returns 0, or -1 with the failure, and then it is
 * removed. */
int outfile_end(struct outfile *file, bool keep, struct failure *failure);

#endif
