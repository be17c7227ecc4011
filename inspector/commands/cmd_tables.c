/* SPDX-License-Identifier: MIT
 *
 * Commands that ask one method and show the whole answer. */
#include "commands.h"

#include "json_get.h"
#include "nearest.h"
#include "render_path.h"
#include "whole_trace.h"

#include <string.h>

/* For methods that answer with all rows: keeps the first --limit rows.  Returns whether there were more. */
static bool cut_rows(const struct session *session, json_t *rows) {
    uint64_t limit = option_number(session->options, OPTION_LIMIT, UINT64_MAX);
    bool more = json_array_size(rows) > limit;
    while (json_array_size(rows) > limit) json_array_remove(rows, json_array_size(rows) - 1);
    return more;
}

/* Takes the answer.  noun: what a row is, if options filter the answer; otherwise NULL. */
static int show_answer(struct session *session, json_t *answer, const char *member, const char *noun,
                       void (*render)(struct strbuf *out, const struct view *view, const json_t *answer)) {
    bool json = options_want_data(session->options);
    inquiry_note(&session->inquiry, answer);
    bool more = member && cut_rows(session, json_object_get(answer, member));
    int result = 0;
    if (member) session->outcome = json_array_size(json_get_array(answer, member)) ? OUTCOME_FOUND : OUTCOME_NOTHING;
    if (json && member) {
        result = output_json_lines(&session->output, json_get_array(answer, member));
    } else if (json) {
        result = output_json(&session->output, answer);
    } else if (noun && !json_array_size(json_get_array(answer, member))) {
        session_report_nothing(session, noun);
    } else {
        names_see(&session->names, answer);
        render(&session->output.text, &session->view, answer);
        if (more && session->view.header) strbuf_puts(&session->output.text, "there are more; a larger --limit shows them\n");
    }
    json_decref(answer);
    return result;
}

static int ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member, const char *noun,
                        void (*render)(struct strbuf *out, const struct view *view, const json_t *answer)) {
    json_t *answer;
    if ((!options_want_data(session->options) || session->view.fields) && session_learn_names(session)) {
        json_decref(params_new);
        return -1;
    }
    if (session_ask(session, method, params_new, &answer)) return -1;
    return show_answer(session, answer, member, noun, render);
}
int run_ask_and_show(struct session *session, const char *method, json_t *params_new, const char *member,
                     void (*render)(struct strbuf *out, const struct view *view, const json_t *answer)) {
    return ask_and_show(session, method, params_new, member, NULL, render);
}

int run_nodes(struct session *session) { return ask_and_show(session, "nodes", NULL, "nodes", "node", render_nodes); }
int run_apps(struct session *session) { return run_ask_and_show(session, "apps", NULL, "apps", render_apps); }

/* JSON is the tree that traced sends; csv, tsv and --fields are about its leaves. */
int run_stats(struct session *session) {
    json_t *answer, *rows;
    bool data = options_want_data(session->options);
    if (!session->view.fields && (!data || session->output.records.format == RECORD_JSON))
        return run_ask_and_show(session, "stats", NULL, NULL, render_stats);
    if (session_ask(session, "stats", NULL, &answer)) return -1;
    int result = (rows = stats_rows_new(answer)) ? 0 : session_out_of_memory(session);
    if (!result && data) result = output_json_lines(&session->output, rows);
    if (!result && !data) list_put(&session->output.text, &session->view, &stats_list, rows, "no counters");
    json_decref(rows);
    json_decref(answer);
    return result;
}

int run_peers(struct session *session) {
    json_t *params = session_filter_new(session);
    return params ? ask_and_show(session, "peers", params, "peers", "peer", render_peers) : session_out_of_memory(session);
}

/* ---- traces ---- */

/* Appends " and any node == "alice"". */
static void put_condition(struct strbuf *out, const char *field, const char *name) {
    if (!name) return;
    strbuf_printf(out, "%sany %s == \"", out->bytes ? " and " : "", field);
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') strbuf_puts(out, "\\");
        strbuf_add(out, name, 1);
    }
    strbuf_puts(out, "\"");
}

/* The method `traces` has no params for a node or a peer, but its filters can test both.  If the filter is wrong, the fault
 * must be shown in the text that the user wrote. */
static int set_filter(struct session *session, json_t *params) {
    const struct options *options = session->options;
    const char *where = options->texts[OPTION_WHERE], *node = options->texts[OPTION_NODE], *peer = options->texts[OPTION_PEER];
    struct strbuf filter = {0};
    if (!node && !peer) return 0;
    json_object_del(params, "node_id");
    json_object_del(params, "peer_id");
    if (where) strbuf_printf(&filter, "(%s)", where);
    put_condition(&filter, "node", node);
    put_condition(&filter, "peer", peer);
    int failed = filter.failed || json_object_set_new(params, "filter", json_string(strbuf_text(&filter)));
    strbuf_fini(&filter);
    return failed;
}

/* A name that set_filter put into the filter is unknown: `query` refuses it as a name of --node or --peer, as in all commands. */
static void refuse_name(struct session *session) {
    const struct options *options = session->options;
    const char *node = options->texts[OPTION_NODE], *peer = options->texts[OPTION_PEER];
    struct failure failure = session->failure;
    json_t *answer, *params = json_pack("{s:s*,s:s*,s:i}", "node_id", node, "peer_id", peer, "limit", 1);
    failure.filter.is_wrong = false; /* it has no place in what the user wrote */
    if (!session_ask(session, "query", params, &answer)) {
        json_decref(answer);
        session->failure = failure;
    }
}

/* Adapts a fault of the filter that set_filter made: shows it in the user's own part. */
static void place_fault(struct session *session) {
    struct failure *failure = &session->failure;
    const struct options *options = session->options;
    const char *where = options->texts[OPTION_WHERE];
    if (!failure->filter.is_wrong || (!options->texts[OPTION_NODE] && !options->texts[OPTION_PEER])) return;
    if (where && failure->filter.position && failure->filter.position <= strlen(where) + 1)
        failure->filter.position--;
    else
        refuse_name(session);
}

/* ---- where the time of each went ---- */

/* Are the rows to have it?  Who names the field wants it. */
static bool wants_spent(const struct session *session) {
    if (option_given(session->options, OPTION_SPENT)) return true;
    for (unsigned i = 0; session->view.fields && i < session->view.fields->count; i++)
        if (!strcmp(session->view.fields->names[i], "time")) return true;
    return false;
}

/* Adds "time", as in the data of `trace`; for people also "mostly_at", the same as a phrase. */
static int set_spent(struct session *session, json_t *row, const struct timeline *timeline) {
    struct strbuf phrase = {0};
    if (timeline && !options_want_data(session->options)) path_mostly(&phrase, &session->view, timeline);
    int failed = phrase.failed || json_object_set_new(row, "time", timeline ? trace_places_new(timeline) : json_array());
    if (phrase.bytes) failed |= json_object_set_new(row, "mostly_at", json_string(phrase.text));
    strbuf_fini(&phrase);
    return failed ? session_out_of_memory(session) : 0;
}

/* The same question, and the same computation, as `trace ID`: for each of the rows. */
static int add_spent(struct session *session, const json_t *rows) {
    size_t i;
    json_t *row;
    int result = 0;
    json_array_foreach(rows, i, row) {
        struct whole_trace trace = {0};
        const char *trace_id = json_get_hex(row, "trace_id", TRACE_DIGITS);
        if (result || !trace_id) continue;
        result = whole_trace_find(session, trace_id, &trace);
        if (!result) result = set_spent(session, row, trace.events ? &trace.timeline : NULL);
        whole_trace_fini(&trace);
    }
    return result;
}

static int ask_traces(struct session *session, json_t *params_new, const char *noun) {
    struct records *records = &session->output.records;
    json_t *answer;
    if (!wants_spent(session)) return ask_and_show(session, "traces", params_new, "traces", noun, render_traces);
    if (!records->chosen) snprintf(records->names.names[records->names.count++], RECORD_NAME_BYTES, "time");
    if (session_learn_names(session)) {
        json_decref(params_new);
        return -1;
    }
    if (session_ask(session, "traces", params_new, &answer)) return -1;
    if (!add_spent(session, json_get_array(answer, "traces"))) return show_answer(session, answer, "traces", noun, render_traces);
    json_decref(answer);
    return -1;
}

int run_traces(struct session *session) {
    const struct options *options = session->options;
    const char *app = options->texts[OPTION_APP], *kind = options->texts[OPTION_KIND];
    struct nearest nearest = nearest_to(kind ? kind : "");
    json_t *params = session_filter_new(session);
    int failed = !params || set_filter(session, params);
    if (app) failed |= json_object_set_new(params, "app", json_string(app));
    if (options->texts[OPTION_ORDER]) failed |= json_object_set_new(params, "order", json_string(options->texts[OPTION_ORDER]));
    failed |= json_object_set_new(params, "kind", json_string(kind ? kind : "request"));
    if (option_given(options, OPTION_LIMIT))
        failed |= json_object_set_new(params, "limit", json_integer((json_int_t)options->numbers[OPTION_LIMIT]));
    if (failed) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    nearest_look(&nearest, "request");
    nearest_look(&nearest, "connection");
    if (kind && strcmp(kind, "request") != 0 && strcmp(kind, "connection") != 0) {
        json_decref(params);
        failure_set(&session->failure, EXIT_USAGE, "--kind %s: traces are request or connection", kind);
        return failure_suggest(&session->failure, nearest.word);
    }
    int result = ask_traces(session, params, kind && *kind == 'c' ? "connection" : "request");
    if (result) place_fault(session);
    return result;
}
