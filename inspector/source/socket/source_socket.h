/* SPDX-License-Identifier: MIT
 *
 * traced as a source: the calls of rpc_client.h behind source.h. */
#ifndef INSPECTOR_SOURCE_SOCKET_H
#define INSPECTOR_SOURCE_SOCKET_H

#include "source.h"

/* How long to wait for traced, and who hears of it. */
struct source_wait {
    uint64_t connect_ms;            /* until one is there; 0: tries once; WAIT_FOREVER */
    uint64_t call_ms;               /* for each answer */
    void (*note)(const char *text); /* gets a line for the user after CALL_NOTE_MS, once until the source is reopened; or NULL */
    bool note_slow;                 /* also of a traced that is not there yet, or slow; otherwise only of one that is stopped */
};

/* Connects to the traced that listens on path.  Returns 0, or -1 with the failure. */
int source_socket_open(struct source **ret_source, const char *path, const struct source_wait *wait, struct failure *failure);

#endif
