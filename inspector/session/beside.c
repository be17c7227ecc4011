/* SPDX-License-Identifier: MIT */
#include "beside.h"

#include "timeline.h"

#include <stdlib.h>

/* Adds the answer to a question about a stop to those beside.  Takes params and looked. */
static int add_stop(struct session *session, json_t *beside, json_t *params, json_t *looked) {
    json_t *answer;
    if (session_ask(session, "query", params, &answer)) {
        json_decref(looked);
        return -1;
    }
    int result = json_object_set_new(beside, "looked", looked) |
                 json_array_extend(json_object_get(beside, "events"), json_object_get(answer, "events"));
    json_decref(answer);
    return result ? session_out_of_memory(session) : 0;
}

int beside_ask(struct session *session, json_t *answer) {
    json_t *params, *looked, *beside;
    if (timeline_question(answer, session->names.answer, &params, &looked)) return session_out_of_memory(session);
    if (!params) return 0;
    if (session_ask(session, "query", params, &beside)) return -1;
    if (json_object_set_new(answer, "beside", beside)) return session_out_of_memory(session);
    if (timeline_question(answer, session->names.answer, &params, &looked)) return session_out_of_memory(session);
    return params ? add_stop(session, beside, params, looked) : 0;
}

/* What to ask about the facts of a trace: their doubts, or (looked) the stop that remains when what settles these is beside. */
static int find_question(struct session *session, const struct facts *facts, enum facts_extent extent, json_t **ret_params,
                         json_t **ret_looked) {
    const struct trace_events events = {.facts = facts, .count = facts->count};
    struct critical_path path;
    struct node_states states;
    struct ended *ended = NULL;
    size_t ended_count;
    if (node_states_read(&states, facts, session->names.answer)) return session_out_of_memory(session);
    node_states_settle(&states, facts, extent);
    if (critical_path_init(&path, &events)) {
        node_states_fini(&states);
        return session_out_of_memory(session);
    }
    int result = path_ended_find(&ended, &ended_count, &states, facts, &path);
    if (!result)
        result = ret_looked ? doubts_stop_question(&path.doubts, facts, ret_params, ret_looked)
                            : doubts_question(&path.doubts, facts, ret_params);
    critical_path_fini(&path);
    node_states_fini(&states);
    free(ended);
    return result ? session_out_of_memory(session) : 0;
}

int beside_add(struct session *session, struct facts *facts, enum facts_extent extent) {
    json_t *params, *looked, *beside;
    if (find_question(session, facts, extent, &params, NULL)) return -1;
    if (!params) return 0;
    if (session_ask(session, "query", params, &beside)) return -1;
    int result = facts_add_beside(facts, beside) ? session_out_of_memory(session) : 0;
    if (!result) result = find_question(session, facts, extent, &params, &looked);
    if (!result && params) {
        result = add_stop(session, beside, params, looked);
        if (!result && facts_add_beside(facts, beside)) result = session_out_of_memory(session);
    }
    json_decref(beside);
    return result;
}
