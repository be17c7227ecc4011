/* SPDX-License-Identifier: MIT
 *
 * What attach.c and reader.c share. */
#ifndef LIBTRACE_READER_INTERNAL_H
#define LIBTRACE_READER_INTERNAL_H

#include <libtrace/reader.h>
#include <sys/types.h>

#include "pace.h"

struct lane_reader {
    bool begun;
    uint64_t position;      /* the next to read */
    uint32_t present_begin; /* slots that are known to have memory: the first, */
    uint32_t present_count; /* and how many */
    uint64_t known_head;    /* where the writer was when we last found it plausible, */
    uint64_t known_ns;      /* and when */
    uint64_t seen_head;     /* where the writer was when we last checked whether it is about to lap us, */
    uint64_t seen_at;       /* and where we were then */
    bool seen_near;         /* it was about to lap us */
    struct pace pace;
    uint64_t taken;      /* returned to the caller */
    uint64_t unfinished; /* skipped, of a dead node */
    uint64_t stalled;    /* position + 1 of the last slot that was reserved but not committed, with later ones committed, */
    uint64_t stalled_ns; /* and when we came to it */
    bool lapped;         /* since we last caught up with the writer */
    uint64_t lost[TRACE_LOSS_COUNT];
};

struct trace_reader {
    struct trace_shm_header *header; /* the mapping: header and app table, then the lanes, read-only */
    const struct trace_event *slots;
    size_t mapped_bytes;
    struct trace_reader_info info;
    int fd, shm_dir_fd;
    bool writable, broken;
    bool lies;       /* broken, because its words contradict each other */
    uint64_t now_ns; /* of the current read, or the last one */
    char name[80];
    dev_t device;
    ino_t inode;
    struct lane_reader lanes[TRACE_LANES_MAX];
};

/* Slots of one lane that have no memory: [begin, end).  Empty when begin == end. */
struct slot_hole {
    uint32_t begin, end;
};

/* present.c: may the slot be touched?  False: it lies in a hole of the object and was never written; treat it as a slot of
 * zeros.  Then *hole, which starts empty and is valid for one call of trace_reader_read, contains it.  Two system calls when
 * the slot is not known yet. */
bool slot_is_present(struct trace_reader *reader, unsigned lane, uint32_t slot, struct slot_hole *hole);

#endif
