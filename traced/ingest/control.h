/* SPDX-License-Identifier: MIT
 *
 * Run-time control: what nodes emit from now on, changed while they run.
 *
 * Only the ingest thread may touch rings.  So a thread that requests a change leaves it in this box and waits; the ingest
 * thread wakes up, carries out all waiting requests between two drains, and answers.  The box outlives the ingest: later
 * requests fail, and nobody waits forever. */
#ifndef TRACED_CONTROL_H
#define TRACED_CONTROL_H

#include <store/nodes.h>

/* A change.  Parts that are not set stay as they are; a change without any part is a query. */
struct control_change {
    bool one_node; /* only node_id; else all live nodes */
    bool reset;    /* first of all, back to what the node opened with */
    bool has_kinds, has_sample;
    struct trace_node_id node_id;
    uint32_t kinds;     /* TRACE_CONTROL_KIND_BIT of each kind to emit */
    uint32_t threshold; /* TRACE_CONTROL_SAMPLE: traces whose hash is at most this are kept */
};

/* The live nodes that were selected, and what they emit now. */
struct control_result {
    uint32_t count;
    struct control_told {
        struct trace_node_id node_id;
        char name[TRACE_NODE_NAME_BYTES + 1];
        uint64_t word; /* as TRACE_CONTROL_ALL describes */
    } nodes[NODES_MAX];
};

struct control;

int control_create(struct control **ret_control);
/* Not while any request is pending. */
void control_destroy(struct control *control);

/* Any thread but the ingest's and the loop's.  Blocks until the ingest thread has done it: usually well below a millisecond,
 * at most a pass.  result must be zero.  Returns 0, or -ESHUTDOWN when the ingest has ended. */
int control_ask(struct control *control, const struct control_change *change, struct control_result *result);

/* ---- ingest thread ------------------------------------------------------------------------------------------------------ */

/* Readable when a request is waiting. */
int control_fd(const struct control *control);

/* Carries out waiting requests in order; a single load if there are none. */
void control_serve(struct control *control,
                   void (*carry_out)(void *arg, const struct control_change *change, struct control_result *result), void *arg);

/* The ingest ends: waiting and later requests fail with -ESHUTDOWN. */
void control_close(struct control *control);

/* ---- pure --------------------------------------------------------------------------------------------------------------- */

/* The control word after a change; opened: the word that the node opened with. */
uint64_t control_apply(const struct control_change *change, uint64_t word, uint64_t opened);

#endif
