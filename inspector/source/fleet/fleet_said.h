/* SPDX-License-Identifier: MIT
 *
 * What the nodes of a fleet said about who is who: events of kind `alias`, and the lists that stand beside the events of
 * recordings (tables `rare_events` and `aliases`), as they were said: by own times.
 *
 *     fleet_said_put(questions, server)
 *     fleet_said_take(&said, &logs, questions, &failure)
 *     fleet_said_tell(&said, context, store, &failure)       once the clocks of the context are known; again with others */
#ifndef INSPECTOR_FLEET_SAID_H
#define INSPECTOR_FLEET_SAID_H

#include "fleet_scope.h"

struct fleet_said {
    struct fleet_event *events; /* the newest */
    size_t event_count;
    bool cut; /* there are older ones */
    struct alias *told;
    size_t told_count;
};

/* Appends the statements that ask for it. */
#define FLEET_SAID_QUESTIONS 2
void fleet_said_put(struct clickhouse_question questions[FLEET_SAID_QUESTIONS], const struct clickhouse *server);

/* Reads the answers.  Returns 0, or -1 with the failure. */
int fleet_said_take(struct fleet_said *ret_said, const struct fleet_logs *logs, struct clickhouse *server,
                    const struct clickhouse_question questions[FLEET_SAID_QUESTIONS], struct failure *failure);
void fleet_said_fini(struct fleet_said *said);

/* Fills the aliases of a store that has the context's logs, by the times that the context shows, and in their order.  Returns
 * 0, or -1 with the failure. */
int fleet_said_tell(const struct fleet_said *said, const struct fleet_context *context, struct store *store,
                    struct failure *failure);

#endif
