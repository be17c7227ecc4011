/* SPDX-License-Identifier: MIT
 *
 * From the name that a user typed to the id of the node or peer. */
#include "json_get.h"
#include "limits.h"
#include "session.h"

#include <proto/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes of one name --------------------------------------------------------------------------------------------------- */

#define NAMESAKES_LISTED 4U

/* A node that has, or had, the name. */
struct namesake {
    const char *id, *state; /* of its newest log; live if any is */
    uint64_t last_ns;       /* 0: it has no event */
};

static int compare_namesakes(const void *left, const void *right) {
    const struct namesake *x = left, *y = right;
    return x->last_ns != y->last_ns ? (x->last_ns < y->last_ns) - (x->last_ns > y->last_ns) : strcmp(x->id, y->id);
}

static bool is_live(const struct namesake *namesake) { return !strcmp(namesake->state, "live"); }

/* A node that was started again with the same id is one node. */
static void add_log(struct namesake *list, size_t *count, const json_t *row) {
    struct namesake log = {.id = json_get_hex(row, "node_id", NODE_DIGITS), .state = json_get_text(row, "state")};
    size_t i = 0;
    if (!log.id || !log.state) return;
    (void)json_get_time(json_object_get(row, "last"), &log.last_ns);
    while (i < *count && strcmp(list[i].id, log.id) != 0) i++;
    if (i == *count)
        list[(*count)++] = log;
    else if (!is_live(&list[i]) && (is_live(&log) || log.last_ns >= list[i].last_ns))
        list[i] = log;
}

/* The nodes of this name, the newest first.  The caller frees them, before the answer to `nodes`.  NULL when out of memory. */
static struct namesake *namesakes_new(const json_t *nodes, const char *name, size_t *ret_count) {
    const json_t *rows = json_get_array(nodes, "nodes"), *row;
    struct namesake *list = calloc(json_array_size(rows) + 1, sizeof *list);
    size_t i;
    *ret_count = 0;
    json_array_foreach(rows, i, row) {
        const char *has = json_get_text(row, "name");
        if (list && has && !strcmp(has, name)) add_log(list, ret_count, row);
    }
    if (list) qsort(list, *ret_count, sizeof *list, compare_namesakes);
    return list;
}

/* "67299925 (crashed, last event 11:40:05.012345)" */
static void put_namesake(struct strbuf *out, const struct session *session, const struct namesake *namesake) {
    const uint64_t date_ns = UINT64_C(12) * 3600 * 1000000000;
    names_short_node(out, &session->names, namesake->id);
    strbuf_puts(out, " (");
    text_untrusted(out, namesake->state, strlen(namesake->state), CELL_COLUMNS_MAX);
    if (namesake->last_ns) {
        strbuf_puts(out, ", last event ");
        text_time(out, namesake->last_ns, session->view.utc, namesake->last_ns + date_ns < session->view.now_ns);
    } else {
        strbuf_puts(out, ", no events");
    }
    strbuf_puts(out, ")");
}

/* Fails with the nodes of this name.  Returns -1. */
static int refuse_shared(struct session *session, const char *name, const struct namesake *list, size_t count) {
    struct strbuf out = {0};
    text_count(&out, count, "node");
    strbuf_puts(&out, " have had the name ");
    text_untrusted(&out, name, strlen(name), CELL_COLUMNS_MAX);
    strbuf_puts(&out, "; which one? ");
    for (size_t i = 0; i < count && i < NAMESAKES_LISTED; i++) {
        if (i) strbuf_puts(&out, ", ");
        put_namesake(&out, session, &list[i]);
    }
    if (count > NAMESAKES_LISTED)
        strbuf_printf(&out, ", and %zu older ones: inspector nodes lists them", count - NAMESAKES_LISTED);
    failure_set(&session->failure, EXIT_FAILED, "%s", strbuf_text(&out));
    strbuf_fini(&out);
    return -1;
}

/* The one live node, or the only one.  NULL: there are several. */
static const struct namesake *choose(const struct namesake *list, size_t count) {
    const struct namesake *live = NULL;
    size_t live_count = 0;
    for (size_t i = 0; i < count; i++)
        if (is_live(&list[i])) live = &list[i], live_count++;
    return live_count == 1 ? live : count == 1 ? &list[0] : NULL;
}

int session_resolve_name(struct session *session, const char *name, char **ret_id) {
    json_t *nodes;
    size_t count;
    *ret_id = NULL;
    if (session_ask(session, "nodes", NULL, &nodes)) return -1;
    struct namesake *list = namesakes_new(nodes, name, &count);
    const struct namesake *chosen = list ? choose(list, count) : NULL;
    int result = 0;
    if (!list || (chosen && !(*ret_id = strdup(chosen->id)))) {
        result = session_out_of_memory(session);
    } else if (count && !chosen) {
        names_learn(&session->names, nodes);
        result = refuse_shared(session, name, list, count);
    }
    free(list);
    json_decref(nodes);
    return result;
}

/* ---- any name ------------------------------------------------------------------------------------------------------------- */

/* For a name that traced does not know: reports where the known ones are listed, and which may have been meant.  Returns -1. */
static int unknown_name(struct session *session, bool peer, const char *name) {
    struct failure *failure = &session->failure;
    const char *word = peer ? "peer" : "node", *meant;
    char hint[128] = "";
    if (strcmp(failure->param, peer ? "peer_id" : "node_id") != 0) return -1;
    session_suggest(session);
    if (failure->rpc_code == TRACE_RPC_AMBIGUOUS) return -1;
    meant = strstr(failure->text, "; did you mean ");
    if (meant)
        snprintf(hint, sizeof hint, "%s", meant);
    else
        snprintf(hint, sizeof hint, "; inspector %ss lists them", word);
    return failure_set(failure, failure->code, "there is no %s %s%s", word, name, hint);
}

int session_resolve(struct session *session, bool peer, const char *name, char **ret_id) {
    const char *key = peer ? "peer_id" : "node_id";
    char *named_id;
    if (session_resolve_name(session, name, &named_id)) return -1;
    json_t *answer, *params = json_pack("{s:s,s:i,s:s}", key, named_id ? named_id : name, "limit", 1, "order", "desc");
    free(named_id);
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
