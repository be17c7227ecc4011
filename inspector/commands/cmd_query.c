/* SPDX-License-Identifier: MIT
 *
 * Commands that show events of the history. */
#include "cmd_graph.h"
#include "commands.h"
#include "event_list.h"
#include "json_get.h"
#include "pages.h"

#include <stdlib.h>
#include <string.h>

#define RECENT_DEFAULT 20

static bool wants_json(const struct session *session) { return options_want_data(session->options); }

/* Shows an answer's events and gaps, in time order. */
static int show_events(struct session *session, const json_t *answer) {
    if (!wants_json(session)) {
        names_see(&session->names, answer);
        render_events(&session->output.text, &session->view, answer);
        return 0;
    }
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    int result = events ? output_json_lines(&session->output, events) : session_out_of_memory(session);
    json_decref(events);
    return result;
}

/* Events, and the gaps where some may be missing. */
static enum outcome outcome_of(size_t events, size_t gaps) {
    return events ? OUTCOME_FOUND : gaps ? OUTCOME_UNJUDGED : OUTCOME_NOTHING;
}

/* Called after the last page. */
static int show_end(struct session *session) { return wants_json(session) ? session_json_evicted(session) : 0; }

int run_recent(struct session *session) {
    uint64_t count = option_number(session->options, OPTION_LIMIT, RECENT_DEFAULT);
    json_t *answer;
    const char *argument = session->options->arg_count > 1 ? session->options->args[1] : NULL;
    if (argument && option_given(session->options, OPTION_LIMIT))
        return failure_set(&session->failure, EXIT_USAGE, "recent %s and --limit %s: give one of them", argument,
                           session->options->texts[OPTION_LIMIT]);
    if (argument && (parse_count(argument, &count) || !count))
        return failure_set(&session->failure, EXIT_USAGE, "recent %s: a whole number from 1 is expected", argument);
    if (session_learn_names(session) || pages_newest(&session->inquiry, session_filter_new(session), count, &answer)) return -1;
    size_t events = json_array_size(json_get_array(answer, "events"));
    bool text = !wants_json(session), none = !events;
    session->outcome = outcome_of(events, json_array_size(json_get_array(answer, "gaps")));
    if (text) names_see(&session->names, answer);
    if (text && !none) render_events_titles(&session->output.text, &session->view);
    if (text && none) session_report_nothing(session, "event");
    int result = show_events(session, answer);
    if (text && !none) render_events_hidden(&session->output.text, &session->view);
    json_decref(answer);
    return result ? result : show_end(session);
}

int run_range(struct session *session) {
    static struct options options; /* until the session ends */
    struct pages pages;
    json_t *answer;
    static const enum option bounds[] = {OPTION_SINCE, OPTION_UNTIL};
    options = *session->options;
    for (unsigned i = 0; i < 2 && options.arg_count > i + 1; i++) {
        if (option_given(&options, bounds[i]))
            return failure_set(&session->failure, EXIT_USAGE, "range %s and --%s %s: give one of them", options.args[i + 1],
                               option_table[bounds[i]].spelling, options.texts[bounds[i]]);
        options.texts[bounds[i]] = options.args[i + 1];
    }
    if (!options.texts[OPTION_SINCE] && !options.texts[OPTION_UNTIL])
        return failure_set(&session->failure, EXIT_USAGE,
                           "range: FROM is missing; usage: inspector range FROM [TO]; see inspector help range");
    session->options = &options; /* with the arguments as options */
    if (session_learn_names(session)) return -1;
    int result = pages_init(&pages, &session->inquiry, question_filter_new(&options, source_now_ns(session->inquiry.source)),
                            option_number(&options, OPTION_LIMIT, PAGES_ALL));
    size_t shown = 0, events = 0;
    while (!result && !(result = pages_next(&pages, &answer)) && answer) {
        size_t rows = json_array_size(json_get_array(answer, "events")) + json_array_size(json_get_array(answer, "gaps"));
        if (!shown && rows && !wants_json(session)) render_events_titles(&session->output.text, &session->view);
        shown += rows;
        events += json_array_size(json_get_array(answer, "events"));
        result = show_events(session, answer);
        json_decref(answer);
        if (!result) result = output_flush(&session->output);
    }
    pages_fini(&pages);
    session->outcome = outcome_of(events, shown - events);
    if (!result && !wants_json(session)) {
        if (shown)
            render_events_hidden(&session->output.text, &session->view);
        else
            session_report_nothing(session, "event");
    }
    return result ? result : show_end(session);
}

/* ---- one peer ---- */

/* Reports that there is no such event, or that the filter hides it.  Returns -1. */
static int nothing_of(struct session *session, const char *what, const char *name) {
    struct strbuf filters = {0};
    bool filtered = question_describe(&filters, session->options);
    session_report_nearest(session, &filters, false);
    failure_set(&session->failure, EXIT_FAILED, "no event in the history %s %s%s%s", what, name, filtered ? " and matches" : "",
                strbuf_text(&filters));
    strbuf_fini(&filters);
    return -1;
}

/* The row of `peers` with that full id, or else with that name; or NULL. */
static json_t *find_peer(const json_t *peers, const char *peer_id, const char *name) {
    size_t i;
    json_t *row;
    json_array_foreach(json_get_array(peers, "peers"), i, row) {
        const char *found = json_get_text(row, peer_id ? "peer_id" : "name");
        if (found && !strcmp(found, peer_id ? peer_id : name)) return row;
    }
    return NULL;
}

/* The argument of `peer` is quoted as the option that means the same. */
static void report_no_events_with(struct session *session, const char *name) {
    const struct options *given = session->options;
    struct options options = *given;
    options.texts[OPTION_PEER] = name;
    session->options = &options;
    session_report_nothing(session, "event");
    session->options = given;
}

int run_peer(struct session *session) {
    const char *name = session->options->args[1];
    char *named_id;
    json_t *answer, *peers;
    if (session_learn_names(session) || session_resolve_name(session, name, &named_id)) return -1;
    json_t *filter = session_filter_of_new(session, "peer_id", named_id ? named_id : name);
    if (pages_newest(&session->inquiry, filter, option_number(session->options, OPTION_LIMIT, RECENT_DEFAULT), &answer)) {
        free(named_id);
        return -1;
    }
    if (session_ask(session, "peers", NULL, &peers)) {
        json_decref(answer);
        free(named_id);
        return -1;
    }
    const json_t *first = json_array_get(json_get_array(answer, "events"), 0);
    const char *id = json_get_hex(first, "peer_id", NODE_DIGITS);
    json_t *row = find_peer(peers, id ? id : named_id, name);
    free(named_id);
    int result = 0;
    if (!row && !first)
        result = nothing_of(session, "has a peer", name);
    else if (json_object_set(answer, "peer", row ? row : json_null()))
        result = session_out_of_memory(session);
    if (!result && wants_json(session)) {
        result = (row && session->output.records.format == RECORD_JSON && output_aside(&session->output, row)) ||
                         show_events(session, answer) || show_end(session)
                     ? -1
                     : 0;
    } else if (!result) {
        names_see(&session->names, answer);
        render_peer(&session->output.text, &session->view, answer);
        if (!json_array_size(json_get_array(answer, "events"))) report_no_events_with(session, name);
    }
    json_decref(peers);
    json_decref(answer);
    return result;
}

/* ---- one trace ---- */

/* The trace's row of `traces`: a new reference, or NULL. */
static int fetch_summary(struct session *session, const char *trace_id, json_t **ret_row) {
    json_t *traces;
    *ret_row = NULL;
    if (session_ask(session, "traces", json_pack("{s:s}", "trace_id", trace_id), &traces)) return -1;
    *ret_row = json_incref(json_array_get(json_get_array(traces, "traces"), 0));
    json_decref(traces);
    return 0;
}

/* Adds to a trace's answer what its views need: "summary", and what happened beside it. */
static int complete_trace(struct session *session, struct whole_trace *trace) {
    json_t *summary;
    if (fetch_summary(session, trace->trace_id, &summary)) return -1;
    if (json_object_set_new(trace->answer, "summary", summary ? summary : json_null())) return session_out_of_memory(session);
    return whole_trace_look_beside(session, trace);
}

/* The last line of the events as data: what is known of the trace as a whole. */
static int show_whole(struct session *session, struct whole_trace *trace) {
    if (!option_given(session->options, OPTION_SUMMARY)) return 0;
    if (complete_trace(session, trace) || whole_trace_time(session, trace)) return -1;
    json_t *line = trace_object_new(&session->view, &trace->timeline, trace->answer);
    int result = line ? output_aside(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

static int show_trace(struct session *session, struct whole_trace *trace) {
    if (complete_trace(session, trace)) return -1;
    if (option_given(session->options, OPTION_GRAPH))
        render_graph(&session->output.text, &session->view, trace->answer);
    else
        render_trace(&session->output.text, &session->view, trace->answer);
    return 0;
}

/* Its messages, or its events and what is known of the whole. */
static int show_trace_data(struct session *session, struct whole_trace *trace) {
    if (option_given(session->options, OPTION_GRAPH)) return run_trace_messages(session, trace);
    return show_events(session, trace->answer) || show_whole(session, trace) || show_end(session) ? -1 : 0;
}

int run_trace(struct session *session) {
    const char *prefix = session->options->args[1];
    struct whole_trace trace;
    if (session_learn_names(session)) return -1;
    uint64_t limit = option_number(session->options, OPTION_LIMIT, TIMELINE_EVENTS_MAX);
    int result =
        whole_trace_ask(session, session_filter_of_new(session, "trace_id", prefix), limit, session_is_filtered(session), &trace);
    if (!result && !trace.trace_id)
        result = nothing_of(session, "belongs to a trace", prefix);
    else if (!result)
        result = wants_json(session) ? show_trace_data(session, &trace) : show_trace(session, &trace);
    whole_trace_fini(&trace);
    return result;
}
