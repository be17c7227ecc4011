/* SPDX-License-Identifier: MIT
 *
 * The rings of a process, read where they are, when no traced does: `attach`.  Nothing is written to them: they are mapped
 * read-only, and their node notices nothing but a reader that takes cache lines.  Headers and events are checked as traced
 * does it (libtrace/reader.h).
 *
 * Events come out as a stream of the socket has them, with `log`, and with events_lost events where some are missing. */
#ifndef INSPECTOR_RINGS_H
#define INSPECTOR_RINGS_H

#include "process_logs.h"

#include <jansson.h>
#include <libtrace/clock.h>
#include <libtrace/reader.h>
#include <proto/filter.h>

struct ring {
    struct trace_reader *reader;
    struct trace_ring_clock clock;
    enum trace_node_state state;
    bool ended; /* dead, and read to its end */
    unsigned app_count;
    struct trace_app apps[TRACE_APPS_MAX];
    uint64_t told_discarded[TRACE_LANES_MAX], told_no_lane;
};

struct rings {
    unsigned count;
    struct ring *rings;
    struct trace_clock clock;
    uint64_t clock_due_ns, check_due_ns;
    uint64_t from_ns;            /* older events are left out */
    struct trace_filter *filter; /* NULL: all of them */
    uint64_t hidden;             /* lost, and with a filter not told as events */
    struct trace_event *batch;
};

/* Attaches to the logs of a process; those that cannot be attached to are left out.  Waits some milliseconds for the clock,
 * and up to a second for a node that is just making its log.  Returns 0 with at least one, or -1 with the failure. */
int rings_open(struct rings *ret_rings, const struct process_logs *logs, struct failure *failure);
void rings_fini(struct rings *rings);

/* From when on events are shown (Unix ns), and whether losses that are only counted, and have no place, are told from the
 * nodes' beginning or from now on.  Before the first read. */
void rings_begin(struct rings *rings, uint64_t from_ns, bool counts_from_start);

/* Appends what came, a bounded number of events, to an array.  Returns 0 or -ENOMEM. */
int rings_read(struct rings *rings, json_t *events, bool *ret_more);

/* Reads all that the rings have now, and appends the newest n (above 0) that match, by time; what comes later is for
 * rings_read.  Tells no losses.  Returns 0 or -ENOMEM. */
int rings_newest(struct rings *rings, uint64_t n, json_t *events);

/* What to do with an event of a ring: returns 0, or a negative errno, which ends the reading. */
struct rings_visit {
    int (*event)(struct rings_visit *visit, struct ring *ring, unsigned lane, const struct trace_event *event);
};

/* Reads all that the rings have now, losses as events of kind events_lost.  Returns 0, -ENOMEM or what a visit returned. */
int rings_visit_all(struct rings *rings, struct rings_visit *visit);

/* When a node opened its log, Unix ns. */
uint64_t rings_started_ns(const struct rings *rings, const struct ring *ring);

/* All of them have ended. */
bool rings_ended(const struct rings *rings);

/* Why one of them cannot be read any more: TRACE_ATTACH_BAD_SIZE (its object shrank) or TRACE_ATTACH_BAD_MARKS (it lies). */
enum trace_attach_fault rings_fault(const struct rings *rings);

/* Asks whether the nodes live; the first that does, or else the first. */
enum trace_node_state rings_state(struct rings *rings);

/* Events that the nodes have emitted, the lost ones too. */
uint64_t rings_emitted(const struct rings *rings);

/* {"nodes":[{"node_id", "log", "name", "pid"}]}, as in an answer to `nodes`: of these rings.  NULL without memory. */
json_t *rings_nodes_new(const struct rings *rings);

#endif
