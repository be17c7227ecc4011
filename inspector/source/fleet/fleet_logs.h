/* SPDX-License-Identifier: MIT
 *
 * The logs of a fleet, their applications, and the steps of their machines' clocks, from its tables `nodes`, `apps` and
 * `clock_steps`, for a store. */
#ifndef INSPECTOR_FLEET_LOGS_H
#define INSPECTOR_FLEET_LOGS_H

#include "clickhouse.h"

#include <proto/filter_sql.h>
#include <store/store.h>

struct fleet_log {
    struct node_info info;
    enum node_state state;
    uint64_t ended_after_ns, ended_by_ns, last_ns, emitted, indexed, unfinished, lost[TRACE_LOSS_COUNT], control;
    uint32_t lanes_used;
    uint32_t app_count;
    struct trace_app *apps[TRACE_APPS_MAX];
};

struct fleet_step {
    struct clock_step step;
    uint64_t instance; /* of the traced that noticed it */
};

#define FLEET_STEPS_MAX 4096 /* the newest */

/* Sorted by node id, then log: the index here is the index in a store. */
struct fleet_logs {
    struct fleet_log *all;
    size_t count;
    struct fleet_step *steps; /* by time after, the oldest first */
    size_t step_count;
    struct trace_filter_sql_log *for_filters; /* the same, in the same order */
};

/* Appends the statements that ask for them. */
#define FLEET_LOGS_QUESTIONS 3
void fleet_logs_put(struct clickhouse_question questions[FLEET_LOGS_QUESTIONS], const struct clickhouse *server);

/* Reads the answers.  Returns 0, or -1 with the failure: also if there are more logs than a store can have. */
int fleet_logs_take(struct fleet_logs *ret_logs, struct clickhouse *server,
                    const struct clickhouse_question questions[FLEET_LOGS_QUESTIONS], struct failure *failure);
void fleet_logs_fini(struct fleet_logs *logs);

/* The index of a log, or -1. */
int64_t fleet_logs_find(const struct fleet_logs *logs, const struct trace_node_id *node_id, uint64_t log_id);

/* Has this node a log? */
bool fleet_logs_have_node(const struct fleet_logs *logs, const struct trace_node_id *node_id);

/* Adds all of them to an empty store; then come the events; then the counters from the tables, because only the nodes knew
 * those.  Returns 0 or a negative errno. */
int fleet_logs_add(const struct fleet_logs *logs, struct store *store);
void fleet_logs_settle(const struct fleet_logs *logs, struct store *store);

#endif
