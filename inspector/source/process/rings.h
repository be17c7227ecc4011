/* SPDX-License-Identifier: MIT
 *
 * The rings of a process, read in place when no traced reads them: `attach`.  They are mapped read-only; the only effect on the
 * node is that a reader shares its cache lines.  Headers and events are checked as in traced (libtrace/reader.h).
 *
 * Events have the form of a stream of the socket, with `log`, and with events_lost events where some are missing.  Their peers
 * are who these nodes say that they are, in events before. */
#ifndef INSPECTOR_RINGS_H
#define INSPECTOR_RINGS_H

#include "process_logs.h"

#include <jansson.h>
#include <libtrace/clock.h>
#include <libtrace/reader.h>
#include <proto/filter.h>
#include <store/store.h>

struct ring {
    struct trace_reader *reader;
    struct trace_ring_clock clock;
    enum trace_node_state state;
    bool ended;    /* dead, and read to its end */
    uint32_t node; /* index in the node table */
    unsigned app_count;
    struct trace_app apps[TRACE_APPS_MAX];
    uint64_t reported_discarded[TRACE_LANES_MAX], reported_no_lane; /* losses reported so far */
};

struct rings {
    unsigned count;
    struct ring *rings;
    struct trace_clock clock;
    struct clock_steps clock_steps; /* that we noticed */
    struct machine machine;         /* ours, and so that of all nodes */
    struct nodes *nodes;            /* of these rings, for the aliases */
    struct aliases *aliases;        /* that were said in the events read so far */
    struct alias_picture *picture;  /* of them; NULL: none */
    uint64_t clock_due_ns, check_due_ns;
    uint64_t from_ns;            /* skip older events */
    struct trace_filter *filter; /* NULL: all events */
    uint64_t hidden;             /* lost events that a filter keeps us from reporting as events_lost */
    struct trace_event *batch;
};

/* Attaches to the logs of a process, and skips those that it cannot attach to.  Waits some milliseconds to calibrate the clock,
 * and up to a second for a node that is still creating its log.  Returns 0 with at least one log, or -1 with the failure. */
int rings_open(struct rings *ret_rings, const struct process_logs *logs, struct failure *failure);
void rings_fini(struct rings *rings);

/* Sets the time of the first event to deliver (Unix ns), and whether losses without a place are reported from the nodes' start
 * or from now on.  Call it before the first read. */
void rings_begin(struct rings *rings, uint64_t from_ns, bool counts_from_start);

/* Appends new events to an array, a bounded number; *ret_more says whether there are more.  Returns 0 or -ENOMEM. */
int rings_read(struct rings *rings, json_t *events, bool *ret_more);

/* Reads everything in the rings and appends the newest n (above 0) matching events, sorted by time.  rings_read continues from
 * there.  Reports no losses.  Returns 0 or -ENOMEM. */
int rings_newest(struct rings *rings, uint64_t n, json_t *events);

/* Called for each event of a ring.  Returns 0, or a negative errno to stop reading. */
struct rings_visit {
    int (*event)(struct rings_visit *visit, struct ring *ring, unsigned lane, const struct trace_event *event);
};

/* Reads everything in the rings, with losses as events of kind events_lost.  Returns 0, -ENOMEM, or what the visit returned. */
int rings_visit_all(struct rings *rings, struct rings_visit *visit);

/* When a node opened its log, Unix ns. */
uint64_t rings_started_ns(const struct rings *rings, const struct ring *ring);

/* When a node that has exited closed its log, Unix ns; 0: not known. */
uint64_t rings_closed_ns(const struct rings *rings, const struct ring *ring);

/* True when every ring has ended. */
bool rings_ended(const struct rings *rings);

/* Why a ring became unreadable: TRACE_ATTACH_BAD_SIZE (its object shrank), _LOST_PAGES (it got holes) or _BAD_MARKS (its marks
 * are invalid);
 * TRACE_ATTACH_OK if none did. */
enum trace_attach_fault rings_fault(const struct rings *rings);

/* Checks whether the nodes are alive.  LIVE if any is, otherwise the state of the first. */
enum trace_node_state rings_state(struct rings *rings);

/* Events that the nodes have emitted, including lost ones. */
uint64_t rings_emitted(const struct rings *rings);

/* {"nodes":[{"node_id", "log", "name", "pid"}]} of these rings, as in an answer to `nodes`.  NULL when out of memory. */
json_t *rings_nodes_new(const struct rings *rings);

#endif
