/* SPDX-License-Identifier: MIT
 *
 * What a running command has: its options, the connection, the names, and the way out. */
#ifndef INSPECTOR_SESSION_H
#define INSPECTOR_SESSION_H

#include "names.h"
#include "options.h"
#include "render.h"
#include "rpc_client.h"

struct session {
    const struct options *options;
    char path[128]; /* of the socket */
    struct client *client;
    struct names names;
    struct view view;
    struct strbuf text; /* not yet written */
    int fd;             /* where it goes */
    bool terminal;
    struct {
        char index[16];    /* empty: no page said */
        uint64_t examined; /* by all pages */
    } explain;             /* --explain */
    uint64_t evicted;      /* events that left the history between two pages */
    struct failure failure;
};

/* Everything below returns 0, or -1 with session->failure filled in. */

int session_init(struct session *session, const struct options *options);
void session_fini(struct session *session);

/* Connects to where the options say. */
int session_connect(struct session *session);

/* client_call. */
int session_call(struct session *session, const char *method, json_t *params_new, json_t **ret_result);

/* Asks for the nodes and learns their names. */
int session_learn_names(struct session *session);

/* Adds a value as one line of JSON to the text. */
int session_json(struct session *session, const json_t *value);

/* Adds each element of an array so. */
int session_json_lines(struct session *session, const json_t *array);

/* Writes the text out, cut to the width of a terminal.  A reader that has gone is a quiet end: -1 with EXIT_OK. */
int session_flush(struct session *session);

/* How many columns the output has; 0 when it is no terminal, or not one that lines are cut for. */
unsigned session_columns(const struct session *session);

/* "a,b" as an array.  NULL without memory. */
json_t *session_list_new(const char *text);

/* Params of `query` and `subscribe` from --kind, --node, --peer, --trace, --from, --to and --where.  NULL without memory. */
json_t *session_filter_new(const struct session *session);

/* The same, and one more param. */
json_t *session_filter_of_new(const struct session *session, const char *param, const char *value);

/* Keeps what an answer says of how it was found. */
void session_see_explanation(struct session *session, const json_t *answer);

/* Tells it, if there was any: --explain. */
void session_explain(const struct session *session);

/* Tells of events that left the history before a page could have them: to the user, or as the last line of JSON.  Nothing when there
 * were none. */
void session_tell_evicted(const struct session *session);
int session_json_evicted(struct session *session);

/* Tells the user something that is not part of the output, on one line of stderr.  It may quote what traced or a node said. */
void session_note(const char *text);

int session_out_of_memory(struct session *session);

#endif
