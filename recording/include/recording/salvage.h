/* SPDX-License-Identifier: MIT
 *
 * Copies the rings of nodes into a recording: after nodes crashed, or when traced was killed or never ran.
 *
 * Rings are read as by `inspector attach`: mapped read-only, without the drain lock; nothing is removed or changed.  So a running
 * traced is not disturbed, but events that it drained may be overwritten already, and events that it recorded are salvaged
 * again. */
#ifndef RECORDING_SALVAGE_H
#define RECORDING_SALVAGE_H

#include <libtrace/reader.h>
#include <recording/writer.h>

/* The result for one ring. */
struct recording_salvaged {
    const char *name;              /* of the object */
    enum trace_attach_fault fault; /* TRACE_ATTACH_OK, or why nothing was read */
    int error;                     /* negative errno with it, or of the writer */
    const char *node_name;         /* NULL if the ring was not read */
    enum trace_node_state state;
    uint64_t events, lost; /* lost: as counted by the ring; written as events_lost in their places */
    bool broken;           /* the object shrank while we read it; what we read until then is kept */
};

/* Reads all rings of a user in `shm_dir` into the writer, each up to where its node was when we began.  Calls `each` for every
 * object; its pointers are valid until it returns.  Waits some milliseconds to calibrate the clock.  Returns the number of rings
 * read, or a negative errno for the directory. */
int recording_salvage(struct recording_writer *writer, const char *shm_dir, uint32_t uid,
                      void (*each)(void *arg, const struct recording_salvaged *salvaged), void *arg);

#endif
