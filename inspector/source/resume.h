/* SPDX-License-Identifier: MIT
 *
 * What a stream has shown, so that it can be taken up again when traced was started anew and reads the rings from their oldest
 * event: nothing is shown twice, and what is missing is counted.
 *
 * The events of a lane (node_id, log, lane) count up by one, and a stream has them in that order, so that one number says
 * where we are in it.  It has 64 bits, of which an event tells the lower 32: a lane that has gone on by half of 2^32 unseen is
 * not followed across that.  Only the `recent` events at the beginning of a stream come by time, which can be another order;
 * hence a window of the last 64 positions, as IPsec has against replays (RFC 4303, 3.4.3).
 *
 * A loss that has a place in its lane (`first`, `count`) is cut to what lies behind that number.  One that has none is a
 * running sum of the log, which a new traced tells from its beginning; it is compared with what was told.  A slot that a dying
 * node left in the making counts as missed when another event of its lane stands behind it; traced knows that it was none, but
 * does not say where it was. */
#ifndef INSPECTOR_SHOWN_H
#define INSPECTOR_SHOWN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct shown {
    json_t *places; /* "node log lane", and "node log": index in entries */
    struct shown_entry *entries;
    size_t count, capacity;
    unsigned stream;    /* 1 for the first connection */
    uint64_t recent;    /* events that may still come by time */
    bool whole;         /* all events are meant: a step in a lane's numbers is a loss */
    uint64_t explained; /* told by the `lost` of notifications, and still to be met as steps */
};

struct shown_verdict {
    bool show;       /* it was not shown before */
    uint64_t missed; /* events before it in its lane that are missing, and that nothing has told */
};

/* whole: no filter but a node's.  recent: how many events the first stream begins with.  Returns 0 or -ENOMEM. */
int shown_init(struct shown *shown, bool whole, uint64_t recent);
void shown_fini(struct shown *shown);

/* Takes notice, from an answer to `nodes`, of the logs that there are when the first stream begins: what they had emitted by
 * then was not missed.  All events of other logs are meant.  Returns 0 or -ENOMEM. */
int shown_know_logs(struct shown *shown, const json_t *nodes_answer);

/* A connection is lost: what comes next is the stream of another one. */
void shown_next_stream(struct shown *shown);

/* The `lost` of a notification was told: the steps that it makes are no news. */
void shown_explain(struct shown *shown, uint64_t lost);

/* Takes the next event of the stream into account.  An `events_lost` event that tells what is known in part is changed to the
 * rest. What does not say where it belongs is shown.  Returns 0 or -ENOMEM. */
int shown_take(struct shown *shown, json_t *event, struct shown_verdict *ret_verdict);

/* From here on losses are counted that the stream's filter hides, and that come beside it: those of events that were emitted
 * after the last one shown so far of their lane.  Each is counted once, over any number of connections. */
void shown_begin_hidden(struct shown *shown);

/* How many such events an `events_lost` event tells.  Changes the event.  Returns 0 or -ENOMEM. */
int shown_count_hidden(struct shown *shown, json_t *loss, uint64_t *ret_count);

#endif
