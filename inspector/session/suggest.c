/* SPDX-License-Identifier: MIT
 *
 * What to say if nothing was found: what was filtered, and which name or time may have been meant. */
#include "json_get.h"
#include "limits.h"
#include "nearest.h"
#include "session.h"
#include "times.h"

#include <inttypes.h>
#include <proto/event_table.h>
#include <proto/quantity.h>
#include <proto/rpc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nothing is left ---- */

/* "; the history has 3055 events, the newest 2.31 s ago" */
static void report_history(struct session *session, struct strbuf *out) {
    json_t *stats;
    uint64_t newest;
    struct failure failure = session->failure;
    if (session_ask(session, "stats", NULL, &stats)) {
        session->failure = failure; /* the question itself was answered */
        return;
    }
    const json_t *history = json_object_get(stats, "history");
    bool live = !(session->inquiry.source->ops->can & (SOURCE_PAST | SOURCE_SHIPPED));
    if (!json_get_count(history, "events")) {
        strbuf_puts(out, "; the history is empty");
        if (live) strbuf_puts(out, ": inspector doctor finds out why");
        json_decref(stats);
        return;
    }
    strbuf_puts(out, "; the history has ");
    text_count(out, json_get_count(history, "events"), "event");
    strbuf_puts(out, " of ");
    text_count(out, json_get_count(history, "traces"), "trace");
    if (json_get_time(json_object_get(history, "last"), &newest) && session->view.now_ns) {
        strbuf_puts(out, ", the newest ");
        text_duration(out, session->view.now_ns > newest ? session->view.now_ns - newest : 0);
        strbuf_puts(out, " ago");
    }
    json_decref(stats);
}

/* "; no application is called TSET; did you mean TEST?" */
static void report_app(struct session *session, struct strbuf *out) {
    const char *app = session->options->texts[OPTION_APP];
    struct nearest nearest = nearest_to(app ? app : "");
    json_t *answer;
    size_t i;
    const json_t *row;
    struct failure failure = session->failure;
    bool known = false;
    if (!app) return;
    if (session_ask(session, "apps", NULL, &answer)) {
        session->failure = failure;
        return;
    }
    json_array_foreach(json_get_array(answer, "apps"), i, row) {
        const char *id = json_get_text(row, "app_id");
        known |= id && !strcmp(id, app);
        if (id) nearest_look(&nearest, id);
    }
    if (!known) strbuf_puts(out, "; no application has registered that id");
    if (!known && nearest.word) {
        strbuf_puts(out, ": did you mean ");
        text_untrusted(out, nearest.word, strlen(nearest.word), CELL_COLUMNS_MAX);
        strbuf_puts(out, "?");
    }
    json_decref(answer);
}

/* Nothing can match then, whatever happened. */
static void report_empty_period(const struct session *session, struct strbuf *out) {
    uint64_t since, until;
    if (session_time(session, OPTION_SINCE, &since) && session_time(session, OPTION_UNTIL, &until) && until <= since)
        strbuf_puts(out, "; --until is not after --since");
}

/* The time of the one event that a `query` finds.  Returns false if there is none.  Steals params_new. */
static bool find_event(struct session *session, json_t *params_new, uint64_t *ret_ns) {
    struct failure failure = session->failure;
    json_t *answer;
    if (session_ask(session, "query", params_new, &answer)) {
        session->failure = failure;
        return false;
    }
    bool found = json_get_time(json_array_get(json_get_array(answer, "events"), 0), ret_ns);
    json_decref(answer);
    return found;
}

/* Has the period any event, whatever else was asked? */
static bool has_events(struct session *session) {
    json_t *filter = session_filter_new(session);
    json_t *params =
        json_pack("{s:O*,s:O*,s:i}", "from", json_object_get(filter, "from"), "to", json_object_get(filter, "to"), "limit", 1);
    uint64_t ns;
    json_decref(filter);
    return params && find_event(session, params, &ns);
}

/* "; the last before it was at 12:00:03.500000" (after: "the first after it").  The bound of the period is another bound here. */
static void report_neighbour(struct session *session, struct strbuf *out, bool after, bool matching) {
    json_t *filter = session_filter_new(session), *params = filter && matching ? json_deep_copy(filter) : json_object();
    json_t *bound = json_object_get(filter, after ? "to" : "from");
    uint64_t ns, now_ns = source_now_ns(session->inquiry.source), date_ns = UINT64_C(12) * 3600 * 1000000000;
    json_object_del(params, "from");
    json_object_del(params, "to");
    int failed = !params || json_object_set(params, after ? "from" : "to", bound) ||
                 json_object_set_new(params, "order", json_string(after ? "asc" : "desc")) ||
                 json_object_set_new(params, "limit", json_integer(1));
    json_decref(filter);
    if (failed) json_decref(params);
    if (failed || !find_event(session, params, &ns)) return;
    strbuf_printf(out, "; the %s%s it was at ", after ? "first " : "last ",
                  matching ? after ? "after" : "before"
                  : after  ? "event after"
                           : "event before");
    text_time(out, ns, session->view.utc, ns + date_ns < now_ns);
}

void session_report_nearest(struct session *session, struct strbuf *out, bool matching) {
    uint64_t since, until;
    bool begins = session_time(session, OPTION_SINCE, &since), ends = session_time(session, OPTION_UNTIL, &until);
    if ((begins && ends && until <= since) || (!begins && !ends) || (!matching && has_events(session))) return;
    if (begins) report_neighbour(session, out, false, matching);
    if (ends) report_neighbour(session, out, true, matching);
}

void session_report_nothing(struct session *session, const char *what) {
    struct strbuf *out = &session->output.text, filters = {0};
    if (!session->view.header) return;
    if (question_describe(&filters, session->options))
        strbuf_printf(out, "no %s matches%s", what, strbuf_text(&filters));
    else
        strbuf_printf(out, "no %ss", what);
    report_empty_period(session, out);
    session_report_nearest(session, out, !strcmp(what, "event"));
    report_app(session, out);
    report_history(session, out);
    strbuf_puts(out, "\n");
    out->failed |= filters.failed;
    strbuf_fini(&filters);
}

/* ---- what the user typed ---- */

/* What became the param that was refused: an option, or an argument as the usage calls it. */
struct typed {
    char name[32]; /* "--node", "ID"; empty: neither, it is ours */
    const char *value;
};

static struct typed typed_as(const struct session *session) {
    const struct options *options = session->options;
    const struct failure *failure = &session->failure;
    enum option option = question_option(options, failure->param);
    struct typed typed = {.value = ""};
    if (option != OPTION_COUNT_) {
        snprintf(typed.name, sizeof typed.name, "--%s", option_table[option].spelling);
        typed.value = options->texts[option];
    }
    for (unsigned i = 1; !*typed.name && i < options->arg_count; i++) {
        const char *text = options->args[i];
        /* A time reaches traced in another form: `range` has it as its options. */
        bool is_time = (!strcmp(failure->param, "from") && text == options->texts[OPTION_SINCE]) ||
                       (!strcmp(failure->param, "to") && text == options->texts[OPTION_UNTIL]);
        if (!is_time && (!*failure->value || strncmp(text, failure->value, sizeof failure->value - 1) != 0)) continue;
        argument_name(typed.name, sizeof typed.name, session->arguments, i - 1);
        typed.value = text;
    }
    return typed;
}

/* What follows the name of the param, if the failure begins with it; otherwise NULL. */
static const char *after_param(const struct failure *failure) {
    size_t bytes = strlen(failure->param);
    bool named = bytes && !strncmp(failure->text, failure->param, bytes) && strchr(": ", failure->text[bytes]);
    return named && failure->text[bytes] ? failure->text + bytes : NULL;
}

/* Puts what the user typed in place of the socket's name for it.  A value that is quoted anyway is not repeated. */
static void name_as_typed(struct failure *failure, const struct typed *typed) {
    const char *rest = after_param(failure);
    char quoted[80], named[80];
    struct strbuf text = {0};
    if (!rest || !*typed->name) return;
    snprintf(quoted, sizeof quoted, "\"%.70s\"", typed->value);
    snprintf(named, sizeof named, ": %.70s ", typed->value);
    bool told = strstr(rest, quoted) || !strncmp(rest, named, strlen(named));
    strbuf_printf(&text, "%s%s%.64s%s", typed->name, told ? "" : " ", told ? "" : typed->value, rest);
    if (!text.failed) snprintf(failure->text, sizeof failure->text, "%s", strbuf_text(&text));
    strbuf_fini(&text);
}

/* ---- times ---- */

/* What a number that is too small for Unix microseconds means: seconds ago, Unix seconds, or Unix milliseconds. */
static const char *unit_for(const char *number) {
    size_t digits = strlen(number);
    return digits < 9 ? "s" : digits < 12 ? "000000" : "000";
}

/* Rewrites a refused time: the command line has more forms of times than traced. */
static void explain_time(struct session *session, const struct typed *typed) {
    struct failure *failure = &session->failure;
    const char *text = typed->value, *reason = after_param(failure);
    if (failure->rpc_code != TRACE_RPC_INVALID_PARAMS || !reason) return;
    char traced_says[sizeof failure->text];
    snprintf(traced_says, sizeof traced_says, "%s", reason + strspn(reason, ": "));
    json_t *param = time_param_new(text, false, session->view.now_ns / 1000);
    bool unread = json_is_string(param) && !strcmp(json_string_value(param), text) && *text != '-';
    json_decref(param);
    if (*text && !text[strspn(text, "0123456789")])
        failure_set(failure, EXIT_USAGE, "%s %.32s: a number is Unix microseconds; did you mean %.32s%s?", typed->name, text,
                    text, unit_for(text));
    else if (unread)
        failure_set(
            failure, EXIT_USAGE,
            "%s %.64s: this is not a time like 5s, now, 12:00, 2026-01-31 or \"2026-01-31 12:00\"; see inspector help time",
            typed->name, text);
    else
        failure_set(failure, EXIT_USAGE, "%s %.64s: %s", typed->name, text, traced_says);
}

/* ---- names ---- */

/* The name that a failure quotes: the first text in "...". */
static bool quoted_name(const struct failure *failure, char name[64]) {
    const char *begin = strchr(failure->text, '"'), *end = begin ? strchr(begin + 1, '"') : NULL;
    if (!end || end - begin > 63) return false;
    snprintf(name, 64, "%.*s", (int)(end - begin - 1), begin + 1);
    return *name;
}

static void look_at_rows(struct session *session, const char *method, struct nearest *nearest, json_t **ret_answer) {
    struct failure failure = session->failure;
    size_t i;
    const json_t *row;
    if (session_ask(session, method, NULL, ret_answer)) {
        session->failure = failure;
        *ret_answer = NULL;
        return;
    }
    json_array_foreach(json_get_array(*ret_answer, method), i, row) {
        const char *name = json_get_text(row, "name");
        if (name) nearest_look(nearest, name);
    }
}

static void look_at_kinds(struct nearest *nearest) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++) nearest_look(nearest, kinds[i].name);
}

/* Of a name that several nodes have had, reports which; of the beginning of an id, the failure has what it could be. */
static void list_namesakes(struct session *session, const char *name) {
    struct failure failure = session->failure;
    struct strbuf text = {0};
    char *id;
    if (session_resolve_name(session, name, &id) && !session->failure.disconnected) {
        strbuf_printf(&text, "%s: %s", failure.param, session->failure.text);
        snprintf(failure.text, sizeof failure.text, "%s", strbuf_text(&text));
    }
    strbuf_fini(&text);
    free(id);
    session->failure = failure;
}

/* Appends the name that may have been meant. */
static void suggest_name(struct session *session) {
    struct failure *failure = &session->failure;
    const char *param = failure->param;
    char name[64];
    json_t *nodes = NULL, *peers = NULL;
    bool is_peer = !strcmp(param, "peer_id"), is_node = is_peer || !strcmp(param, "node_id");
    if (strstr(failure->text, "did you mean") || !quoted_name(failure, name)) return;
    if (failure->rpc_code == TRACE_RPC_AMBIGUOUS) {
        if (is_node) list_namesakes(session, name);
        return;
    }
    struct nearest nearest = nearest_to(name);
    if (is_node) look_at_rows(session, "nodes", &nearest, &nodes);
    if (is_peer) look_at_rows(session, "peers", &nearest, &peers);
    if (!strcmp(param, "kind") || !strcmp(param, "kinds")) look_at_kinds(&nearest);
    bool same = nearest.word && !strcmp(nearest.word, name); /* of a log that was rejected: a name without an id */
    failure_suggest(failure, same ? NULL : nearest.word);
    json_decref(nodes);
    json_decref(peers);
}

void session_suggest(struct session *session) {
    struct failure *failure = &session->failure;
    if (failure->disconnected || failure->filter.is_wrong || !*failure->param) return;
    struct typed typed = typed_as(session);
    if (*typed.name && (!strcmp(failure->param, "from") || !strcmp(failure->param, "to"))) {
        explain_time(session, &typed);
        return;
    }
    suggest_name(session);
    name_as_typed(failure, &typed);
}
