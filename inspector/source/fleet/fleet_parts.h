/* SPDX-License-Identifier: MIT
 *
 * Questions about whole traces, of any number of events: loads the traces in parts, by when they began, and has the store ask one
 * part after the other (store/parts.h). */
#ifndef INSPECTOR_FLEET_PARTS_H
#define INSPECTOR_FLEET_PARTS_H

#include "fleet_answers.h"

/* Events in a part, about; of few events, parts are smaller.  Each part reads most of the table, which is sorted by peer, once;
 * its answer and its store are in memory together: about 220 MB. */
#define FLEET_PART_EVENTS 400000U
#define FLEET_PART_EVENTS_FEW 200000U

/* Which traces, and which of their events. */
struct fleet_traces_wanted {
    /* Appends " AND ..." for each condition that one event of a trace can decide.  times: a condition, true for all events of the
     * traces of this part. */
    void (*put_which)(struct trace_text *out, const struct fleet_question *question, uint64_t from_ns, uint64_t to_ns,
                      const char *times);
    bool spans;              /* the answer depends only on events of APP_KINDS */
    uint64_t from_ns, to_ns; /* what the question asks for, [from, to); 0: no bound */
    bool losses;             /* it also says how many events were lost then */
};

/* Answers a question about all of these traces. */
int fleet_answer_traces_in_parts(struct fleet_question *question, const struct fleet_traces_wanted *wanted);

#endif
