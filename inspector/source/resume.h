/* SPDX-License-Identifier: MIT
 *
 * What a stream has delivered, so that it can resume after traced was restarted.  The new traced reads the rings from their
 * oldest event: nothing must be delivered twice, and what is missing must be counted.
 *
 * The events of a lane (node_id, log, lane) have consecutive positions, and a stream delivers them in that order, so one number
 * for each lane says how far we are.  It has 64 bits; an event carries the lower 32, so we lose track of a lane that advances
 * by 2^31 events or more while we are disconnected.  Only the `recent` events at the beginning of a stream are sorted by time,
 * which can be another order.  For those we keep a window of the last 64 positions, like the anti-replay window of IPsec
 * (RFC 4303, 3.4.3).
 *
 * A loss that has a place in its lane (`first`, `count`) is cut to the part after that number.  A loss without a place is a
 * running sum of the log.  A new traced reports that sum from the start of the log; we compare it with what was already
 * reported.  A slot that a dying node left unfinished counts as missed when a later event of its lane exists: traced knows that
 * the slot never held an event, but does not say where it was. */
#ifndef INSPECTOR_RESUME_H
#define INSPECTOR_RESUME_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct resume {
    json_t *places; /* "node log lane", and "node log": index in entries */
    struct resume_entry *entries;
    size_t count, capacity;
    unsigned stream;    /* 1 for the first connection */
    uint64_t recent;    /* events still to come that may be sorted by time */
    bool repeats;       /* also the first stream may have events that it had before */
    bool whole;         /* the stream has every event: a jump in a lane's positions is a loss */
    uint64_t explained; /* reported by the `lost` of notifications; the resulting jumps have not come yet */
};

struct resume_verdict {
    bool deliver;    /* the event is new */
    uint64_t missed; /* events missing before it in its lane that nothing has reported */
};

/* whole: no filter except by node.  recent: how many events the first stream begins with.  Returns 0 or -ENOMEM. */
int resume_init(struct resume *resume, bool whole, uint64_t recent);
void resume_fini(struct resume *resume);

/* Records, from an answer to `nodes`, the logs that exist when the first stream begins: what they emitted before that was not
 * missed.  Of all other logs the stream has every event.  Returns 0 or -ENOMEM. */
int resume_know_logs(struct resume *resume, const json_t *nodes_answer);

/* The connection was lost: the next event comes from another stream. */
void resume_next_stream(struct resume *resume);

/* The `lost` of a notification was already reported; do not count the resulting jumps again. */
void resume_explain(struct resume *resume, uint64_t lost);

/* Accounts for the next event of the stream.  An `events_lost` event of which a part was already reported is changed to the
 * rest.  An event that does not say where it belongs is delivered.  Returns 0 or -ENOMEM. */
int resume_accept(struct resume *resume, json_t *event, struct resume_verdict *ret_verdict);

/* Starts counting losses that the stream's filter hides and that arrive on a stream of their own: losses of events emitted
 * after the last one delivered of their lane.  Each is counted once, over any number of connections. */
void resume_start_hidden(struct resume *resume);

/* How many such events an `events_lost` event reports.  Changes the event.  Returns 0 or -ENOMEM. */
int resume_count_hidden(struct resume *resume, json_t *loss, uint64_t *ret_count);

#endif
