/* SPDX-License-Identifier: MIT */
#include "beside.h"

#include "timeline.h"

#include <stdlib.h>

int beside_ask(struct session *session, json_t *answer) {
    json_t *params, *beside;
    if (session_is_filtered(session) && json_object_set_new(answer, "chosen", json_true())) return session_out_of_memory(session);
    if (timeline_question(answer, session->names.answer, &params)) return session_out_of_memory(session);
    if (!params) return 0;
    if (session_ask(session, "query", params, &beside)) return -1;
    return json_object_set_new(answer, "beside", beside) ? session_out_of_memory(session) : 0;
}

int beside_add(struct session *session, struct facts *facts, enum facts_extent extent) {
    const struct trace_events events = {.facts = facts, .count = facts->count};
    struct critical_path path;
    struct node_states states;
    struct ended *ended = NULL;
    size_t ended_count;
    json_t *params, *beside;
    if (node_states_read(&states, facts, session->names.answer)) return session_out_of_memory(session);
    node_states_settle(&states, facts, extent);
    if (critical_path_init(&path, &events)) {
        node_states_fini(&states);
        return session_out_of_memory(session);
    }
    int result = path_ended_find(&ended, &ended_count, &states, facts, &path) || doubts_question(&path.doubts, facts, &params);
    critical_path_fini(&path);
    node_states_fini(&states);
    free(ended);
    if (result) return session_out_of_memory(session);
    if (!params) return 0;
    if (session_ask(session, "query", params, &beside)) return -1;
    result = facts_add_beside(facts, beside) ? session_out_of_memory(session) : 0;
    json_decref(beside);
    return result;
}
