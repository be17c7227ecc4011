/* SPDX-License-Identifier: MIT
 *
 * How a fleet answers the methods (source_fleet.h).  Each returns 0 with a result that the caller owns, or -1 with the
 * failure. */
#ifndef INSPECTOR_FLEET_ANSWERS_H
#define INSPECTOR_FLEET_ANSWERS_H

#include "fleet_load.h"
#include "fleet_scope.h"
#include "source.h"

/* Stores that were loaded, by the conditions that chose their events. */
#define FLEET_PARTS_KEPT 4

struct fleet_kept {
    char *condition;
    struct source *source;   /* a closed store */
    uint64_t used;           /* time of last use, counted in questions */
    uint64_t from_ns, to_ns; /* of a window, after it was cut */
};

struct fleet_answers {
    struct fleet_context context;
    struct source *logs; /* context.store */
    const char *title;
    bool is_open;                   /* the schema is known, and fits */
    bool correct;                   /* clocks */
    void (*note)(const char *text); /* gets what is missing in the fleet, when it is opened */
    struct fleet_kept kept[FLEET_PARTS_KEPT];
    uint64_t questions;
    char *total_of;    /* the last count: its condition, */
    uint64_t total;    /* and its result */
    uint64_t first_ns; /* of the fleet's oldest event; 0: not asked yet */
};

struct fleet_question {
    struct fleet_answers *answers;
    const char *method;
    json_t *params; /* an object; valid, except for unknown ids */
    const struct source_apart *apart;
    json_t **ret_result;
    struct failure *failure;
};

int fleet_answer_query(struct fleet_question *question);
int fleet_answer_count(struct fleet_question *question);
int fleet_answer_traces(struct fleet_question *question);
int fleet_answer_requests(struct fleet_question *question);
int fleet_answer_peers(struct fleet_question *question);
int fleet_answer_stats(struct fleet_question *question);

/* Reads the logs, applications and aliases, anew if they were read before; at first also whether the tables can be used.
 * Returns 0, or -1 with the failure and what was there. */
int fleet_answers_renew(struct fleet_answers *answers, struct failure *failure);
void fleet_answers_fini(struct fleet_answers *answers);

/* ---- for them ---- */

/* The store kept for a condition, or NULL. */
struct fleet_kept *fleet_kept_find(struct fleet_answers *answers, const struct trace_text *condition);

/* Keeps a store for a condition, and takes it over; drops the least recently used one.  Returns NULL with the failure. */
struct fleet_kept *fleet_kept_add(struct fleet_answers *answers, const struct trace_text *condition, struct store *store,
                                  struct failure *failure);
void fleet_kept_drop(struct fleet_kept *kept);

/* Loads all events of a choice, in slices of time, because a whole answer is in memory while it is read.
 * Refuses a question that needs more than FLEET_LOAD_EVENTS_MAX before loading anything. */
int fleet_load_all(struct fleet_load *load, const struct fleet_choice *choice, struct failure *failure);

/* The same, if few are expected: one question is quicker than to count first. */
#define FLEET_FEW_ROWS 20000
int fleet_load_few(struct fleet_load *load, const struct fleet_choice *choice, struct failure *failure);

/* Asks for the time of the fleet's oldest event; 0: there is none. */
int fleet_first_ns(struct fleet_answers *answers, uint64_t *ret_first_ns, struct failure *failure);

/* Asks the question of a store that has all events of one trace, and what was lost at that time.  text: its trace_id, or how that
 * begins.  If there are several, or none, the store has what it needs to say so. */
int fleet_answer_trace(struct fleet_question *question, const char *text, const struct fleet_scope *scope);

/* Asks a store the question with its params. */
int fleet_ask_store(struct fleet_question *question, struct source *store);

/* Loads one event of each peer that the params may mean, without those that fulfil the condition: the store knows peers by their
 * events.  Returns 0, or -1 with the failure. */
int fleet_load_witness(struct fleet_load *load, const struct fleet_scope *scope, const struct trace_text *condition,
                       struct failure *failure);

/* Asks the question of the events for which the condition is true: loads them into a store, or finds the store kept.  from_ns:
 * where the rates of the answer begin; 0: it has none.  scope: what the params choose; NULL: they choose no peer. */
int fleet_answer_loaded(struct fleet_question *question, struct trace_text *condition, uint64_t from_ns,
                        const struct fleet_scope *scope);

#endif
