/* SPDX-License-Identifier: MIT */
#include "explanation.h"

#include "event_writer.h"
#include "json_get.h"

#include <proto/rpc.h>

int explanation_ask_who(struct session *session, json_t **ret_who) {
    if (!session_ask(session, "who", NULL, ret_who)) return 0;
    *ret_who = NULL;
    return session->failure.rpc_code == TRACE_RPC_METHOD_NOT_FOUND ? 0 : -1;
}

int explanation_ask(struct explanation *explanation, struct session *session) {
    *explanation = (struct explanation){0};
    if (session_ask(session, "nodes", NULL, &explanation->nodes)) return -1;
    if (session_ask(session, "apps", NULL, &explanation->apps)) return -1;
    return explanation_ask_who(session, &explanation->who);
}

void explanation_fini(struct explanation *explanation) {
    json_decref(explanation->nodes);
    json_decref(explanation->apps);
    json_decref(explanation->who);
}

int explanation_learn(struct session *session, struct event_writer *writer) {
    struct explanation told;
    int result = explanation_ask(&told, session);
    if (!result)
        result =
            event_writer_learn(writer, json_get_array(told.nodes, "nodes"), json_get_array(told.apps, "apps"), &session->failure);
    if (!result) event_writer_learn_steps(writer, json_get_array(told.nodes, "clock_steps"));
    if (!result) result = event_writer_learn_who(writer, json_get_array(told.who, "who"), &session->failure);
    explanation_fini(&told);
    return result;
}
