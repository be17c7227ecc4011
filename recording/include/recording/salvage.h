/* SPDX-License-Identifier: MIT
 *
 * What nodes left in their rings becomes a recording: of nodes that crashed, and of a traced that was killed or never was there.
 *
 * Rings are read as `inspector attach` reads them: mapped read-only, without the drain lock, and nothing is removed or changed.
 *  So a traced that runs is not disturbed; but while it drains, what it has drained may be overwritten already, and what it has
 *  recorded is salvaged again. */
#ifndef RECORDING_SALVAGE_H
#define RECORDING_SALVAGE_H

#include <libtrace/reader.h>
#include <recording/writer.h>

/* What came of one ring. */
struct recording_salvaged {
    const char *name;              /* of the object */
    enum trace_attach_fault fault; /* TRACE_ATTACH_OK, or why nothing was read */
    int error;                     /* negative errno with it, or of the writer */
    const char *node_name;         /* of a ring that was read */
    enum trace_node_state state;
    uint64_t events, lost; /* lost: known to the ring, with events_lost events where they were */
    bool broken;           /* the object shrank while it was read: what had been read is kept */
};

/* Reads all rings of a user in `shm_dir` into the writer, each once up to where its node was at the beginning.  Calls `each`
 * for every object (the pointers in it are good until it returns).  Waits some milliseconds for the clock.  Returns the number
 * of rings that were read, or a negative errno: of the directory. */
int recording_salvage(struct recording_writer *writer, const char *shm_dir, uint32_t uid,
                      void (*each)(void *arg, const struct recording_salvaged *salvaged), void *arg);

#endif
