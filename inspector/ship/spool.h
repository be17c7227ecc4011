/* SPDX-License-Identifier: MIT
 *
 * A directory of `traced --record` as a spool: its sealed segments, by the traced that wrote them. */
#ifndef INSPECTOR_SPOOL_H
#define INSPECTOR_SPOOL_H

#include "failure.h"

#include <stddef.h>
#include <stdint.h>

struct spool_segment {
    uint64_t instance, number;
    uint64_t bytes;
    uint64_t written_ns; /* when its file was last written */
};

/* Sorted by instance and number. */
struct spool {
    struct spool_segment *segments;
    size_t count, room;
};

/* Scans the directory.  {0} is an empty spool; an earlier scan is forgotten.  Skips files without a name as traced gives to
 * segments.  Returns 0, or -1 with the failure. */
int spool_scan(struct spool *spool, const char *dir, struct failure *failure);
void spool_fini(struct spool *spool);

/* The first segment of the instance from that number on, or NULL. */
const struct spool_segment *spool_find(const struct spool *spool, uint64_t instance, uint64_t number);

#define SPOOL_NAME_BYTES 64
void spool_name(char out[SPOOL_NAME_BYTES], uint64_t instance, uint64_t number);

/* Removes its file.  It may be gone already.  Returns 0 or a negative errno. */
int spool_remove(const char *dir, uint64_t instance, uint64_t number);

#endif
