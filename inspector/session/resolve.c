/* SPDX-License-Identifier: MIT
 *
 * From the name that a user typed to the id of the node or peer. */
#include "json_get.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For a name that traced does not know: reports where the known ones are listed, and which may have been meant.  Returns -1. */
static int unknown_name(struct session *session, bool peer, const char *name) {
    struct failure *failure = &session->failure;
    const char *word = peer ? "peer" : "node", *meant;
    char hint[128] = "";
    if (strcmp(failure->param, peer ? "peer_id" : "node_id") != 0) return -1;
    session_suggest(session);
    meant = strstr(failure->text, "; did you mean ");
    if (meant)
        snprintf(hint, sizeof hint, "%s", meant);
    else
        snprintf(hint, sizeof hint, "; inspector %ss lists them", word);
    return failure_set(failure, failure->code, "there is no %s %s%s", word, name, hint);
}

int session_resolve(struct session *session, bool peer, const char *name, char **ret_id) {
    const char *key = peer ? "peer_id" : "node_id";
    json_t *answer, *params = json_pack("{s:s,s:i,s:s}", key, name, "limit", 1, "order", "desc");
    if (session_ask(session, "query", params, &answer)) return unknown_name(session, peer, name);
    const char *id = json_get_hex(json_array_get(json_get_array(answer, "events"), 0), key, NODE_DIGITS);
    int result = 0;
    if (!id)
        result = failure_set(&session->failure, EXIT_FAILED, "no event in the history has a %s %s", peer ? "peer" : "node", name);
    else if (!(*ret_id = strdup(id)))
        result = session_out_of_memory(session);
    json_decref(answer);
    return result;
}
