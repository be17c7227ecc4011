/* SPDX-License-Identifier: MIT
 *
 * The state of a running command: its options, its source, the names of nodes, and its output. */
#ifndef INSPECTOR_SESSION_H
#define INSPECTOR_SESSION_H

#include "config.h"
#include "inquiry.h"
#include "list.h"
#include "names.h"
#include "options.h"
#include "output.h"
#include "question.h"
#include "render.h"
#include "source_open.h"

/* What a command found, for --exit-code. */
enum outcome {
    OUTCOME_NONE, /* not stated */
    OUTCOME_FOUND,
    OUTCOME_NOTHING,
    OUTCOME_UNJUDGED, /* nothing, but events are missing, or too few */
};

struct session {
    const struct options *options;
    const char *arguments;       /* of the command, as its usage calls them: "ID ID"; or NULL */
    const struct config *config; /* or NULL */
    source_opener *opener;       /* opens its source */
    struct inquiry inquiry;      /* its source is NULL if the command opens none, or opens another one */
    struct names names;
    struct strbuf source; /* the view's */
    struct view view;
    const struct list *list;   /* of the rows that it shows; or NULL */
    struct field_names fields; /* --fields */
    struct output output;
    struct failure failure;
    enum outcome outcome;
};

/* Everything below returns 0, or -1 with session->failure filled in. */

int session_init(struct session *session, const struct options *options, source_opener *opener);
void session_fini(struct session *session);

/* Reads --format and --fields, for rows of a list; NULL: the fields are known only from the answer. */
int session_use_list(struct session *session, const struct list *list);

/* Opens the source that the options choose.  call_timeout_ms: how long an answer may take without --timeout. */
int session_open(struct session *session, uint64_t call_timeout_ms);

/* inquiry_ask. */
int session_ask(struct session *session, const char *method, json_t *params_new, json_t **ret_result);

/* question_filter_new and question_filter_of_new, at the session's now.  NULL when out of memory. */
json_t *session_filter_new(const struct session *session);
json_t *session_filter_of_new(const struct session *session, const char *param, const char *value);

/* Reads the time of an option.  Returns false without one. */
bool session_time(const struct session *session, enum option option, uint64_t *ret_ns);

/* Do options choose some events of a time? */
bool session_has_filter(const struct session *session);

/* Do the options leave out events that match a question otherwise, apart from those before --since? */
bool session_is_filtered(const struct session *session);

/* Asks for the nodes and learns their names. */
int session_learn_names(struct session *session);

/* The id of the node of this name, for what is about one node: of several, the only one that is live; otherwise it fails with a
 * list of them.  NULL: no node has had this name.  The caller frees it. */
int session_resolve_name(struct session *session, const char *name, char **ret_id);

/* The id of the node or peer that a user names: as above, or else from the newest event with it.  The caller frees it. */
int session_resolve(struct session *session, bool peer, const char *name, char **ret_id);

/* With --json, reports as the last line how many events left the history while pages were fetched; nothing if none did. */
int session_json_evicted(struct session *session);

/* If nothing is left, says what was filtered, and by what: "no event matches --kind packet_lost; ...".  what: a noun. */
void session_report_nothing(struct session *session, const char *what);

/* If --since or --until chose a period in which there is nothing: appends when the last event before it was, and the first after
 * it: "; the last before it was at 12:00:03.500000".  matching: only events that match the other options. */
void session_report_nearest(struct session *session, struct strbuf *out, bool matching);

/* After a failure about a name: appends the nearest existing name.  About a time: names the option, and the times it takes. */
void session_suggest(struct session *session);

int session_out_of_memory(struct session *session);

#endif
