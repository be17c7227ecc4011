/* SPDX-License-Identifier: MIT
 *
 * `analyze`: reads the newest events of a time, or all events of a trace, and reports what is wrong. */
#include "beside.h"
#include "commands.h"
#include "json_get.h"
#include "pages.h"
#include "render_analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_OFF_MAX 10000 /* traces: the most that `traces` lists */

enum about { ABOUT_ALL, ABOUT_TRACE, ABOUT_NODE, ABOUT_PEER };

/* Reads the arguments.  Returns 0 or -1. */
static int read_arguments(struct session *session, enum about *ret_about, const char **ret_name) {
    static const char *const words[] = {[ABOUT_TRACE] = "trace", [ABOUT_NODE] = "node", [ABOUT_PEER] = "peer"};
    const struct options *options = session->options;
    *ret_about = ABOUT_ALL;
    *ret_name = NULL;
    if (options->arg_count == 1) return 0;
    for (unsigned i = ABOUT_TRACE; i <= ABOUT_PEER && options->arg_count == 3; i++)
        if (!strcmp(options->args[1], words[i])) *ret_about = (enum about)i;
    if (*ret_about == ABOUT_ALL)
        return failure_set(&session->failure, EXIT_USAGE,
                           "analyze %s%s; usage: inspector analyze [trace ID | node NODE | peer PEER]", options->args[1],
                           options->arg_count == 3 ? ": trace, node or peer is expected" : ": NAME is missing");
    *ret_name = options->args[2];
    return 0;
}

/* ---- reading ---- */

/* The params of `query`: a whole trace, or the newest events that the analysis needs.  NULL when out of memory. */
static json_t *query_new(const struct session *session, enum about about, const char *name) {
    json_t *filter = session_filter_new(session);
    int failed = !filter;
    if (about == ABOUT_TRACE) {
        failed |= json_object_set_new(filter, "trace_id", json_string(name));
    } else {
        failed |= json_object_set_new(filter, "order", json_string("desc"));
    }
    if (!failed) return filter;
    json_decref(filter);
    return NULL;
}

static int read_facts(struct session *session, json_t *query_new, uint64_t limit, struct facts *facts, bool *ret_cut) {
    struct pages pages;
    json_t *answer;
    int result = pages_init(&pages, &session->inquiry, query_new, limit);
    *ret_cut = false;
    while (!result && !(result = pages_next(&pages, &answer)) && answer) {
        bool whole_trace = json_object_get(pages.params, "trace_id"); /* otherwise the gaps are among the events */
        if (facts_add(facts, json_get_array(answer, "events")) ||
            (whole_trace && facts_add(facts, json_get_array(answer, "gaps"))))
            result = session_out_of_memory(session);
        *ret_cut = json_is_string(json_object_get(answer, "cursor"));
        json_decref(answer);
    }
    pages_fini(&pages);
    return result;
}

/* The time from the first fact to the last, both included, in whole microseconds; {} without facts.  NULL when out of memory. */
static json_t *time_of_facts(const struct facts *facts) {
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    for (size_t i = 0; i < facts->count; i++) {
        if (facts->items[i].time_ns < first_ns) first_ns = facts->items[i].time_ns;
        if (facts->items[i].time_ns > last_ns) last_ns = facts->items[i].time_ns;
    }
    json_int_t from_us = (json_int_t)(first_ns / 1000), last_us = (json_int_t)(last_ns / 1000);
    return facts->count ? json_pack("{s:I,s:I}", "from", from_us, "to", last_us + 1) : json_object();
}

/* Asks how many events of each node there are, and how many are missing: those that were read may be only a part. */
static int count_facts(struct session *session, struct facts *facts, enum about about) {
    json_t *answer, *params = about == ABOUT_TRACE ? time_of_facts(facts) : session_filter_new(session);
    if (!params || json_object_set_new(params, "group_by", json_string("node")) ||
        json_object_set_new(params, "value", json_string("events_lost.count")) ||
        json_object_set_new(params, "limit", json_integer(10000))) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_ask(session, "count", params, &answer)) return -1;
    int result = facts_count(facts, answer, about == ABOUT_TRACE) ? session_out_of_memory(session) : 0;
    json_decref(answer);
    return result;
}

/* Finds the requests of which there is only a part, if the source may have the rest. */
static int find_cut_off(struct session *session, const struct facts *facts, enum about about, struct analyze_scope *scope) {
    json_t *answer;
    if (about == ABOUT_TRACE || !facts->count || session_has_filter(session) || !(scope->period || scope->cut)) return 0;
    json_t *params = session_filter_new(session);
    if (!params || json_object_set_new(params, "kind", json_string("request")) ||
        json_object_set_new(params, "limit", json_integer(CUT_OFF_MAX)) ||
        (scope->cut && json_object_set_new(params, "from", json_integer((json_int_t)(fact_unix(facts, facts->items) / 1000))))) {
        json_decref(params);
        return session_out_of_memory(session);
    }
    if (session_ask(session, "traces", params, &answer)) return -1;
    scope->cut_off = cut_off_read(facts, answer);
    json_decref(answer);
    return 0;
}

/* Ages are measured from the end of the time that was analyzed: now, or the newest event if --until is in the past. */
static uint64_t end_of_time(const struct session *session, const struct facts *facts) {
    bool past = option_given(session->options, OPTION_UNTIL) && facts->count;
    return past ? facts->items[facts->count - 1].time_ns : facts_now(facts, source_now_ns(session->inquiry.source));
}

/* ---- showing ---- */

/* The last line of the findings as data: what was judged. */
static int show_whole(struct session *session, const struct analysis *analysis, const struct analyze_scope *scope) {
    if (!option_given(session->options, OPTION_SUMMARY)) return 0;
    json_t *line = analysis_object_new(analysis, scope);
    int result = line ? output_aside(&session->output, line) : session_out_of_memory(session);
    json_decref(line);
    return result;
}

static int show_findings(struct session *session, const struct analysis *analysis, const struct analyze_scope *scope) {
    int result = 0;
    if (!options_want_data(session->options)) {
        if (!analysis->facts->count && scope->period) session_report_nothing(session, "event");
        render_analysis(&session->output.text, &session->view, analysis, scope);
        return 0;
    }
    if (scope->cut) output_note("older events of this period were not read: --limit N reads more");
    struct strbuf text = {0};
    if (analysis_describe_cut_off(&text, &session->view, analysis, scope)) output_note(strbuf_text(&text));
    strbuf_fini(&text);
    if (facts_stepped(analysis->facts))
        output_note("the clock was stepped between these events: times across it were not judged");
    for (size_t i = 0; !result && i < analysis->count; i++) {
        json_t *line = finding_new(&session->view, analysis->facts, &analysis->findings[i]);
        result = line ? output_json(&session->output, line) : session_out_of_memory(session);
        json_decref(line);
    }
    return result ? result : show_whole(session, analysis, scope);
}

/* "Nothing found" means something only if there was enough to judge. */
static enum outcome outcome_of(const struct analysis *analysis, const struct analyze_scope *scope) {
    const struct coverage *coverage = &analysis->coverage;
    uint64_t judged = coverage->links_judged + coverage->paths_judged + coverage->rtt_judged + coverage->requests_whole;
    if (analysis->count) return OUTCOME_FOUND;
    return judged && !analysis_is_cut_off(analysis, scope) ? OUTCOME_NOTHING : OUTCOME_UNJUDGED;
}

/* What was read. */
static enum facts_extent extent_of(const struct session *session, enum about about, const struct analyze_scope *scope) {
    if (about != ABOUT_TRACE) return FACTS_OF_PERIOD;
    return scope->cut || session_is_filtered(session) ? FACTS_CHOSEN : FACTS_OF_TRACE;
}

static int analyze_facts(struct session *session, const struct facts *facts, enum about about, struct analyze_scope *scope) {
    struct node_states states = {0};
    struct analysis analysis = {0};
    int result = node_states_read(&states, facts, session->names.answer) ? session_out_of_memory(session) : 0;
    if (!result) node_states_settle(&states, facts, extent_of(session, about, scope));
    if (!result && analyze(&analysis, facts, &states, end_of_time(session, facts), about == ABOUT_TRACE))
        result = session_out_of_memory(session);
    if (!result && scope->about && analysis_keep_node(&analysis, intern_find(&facts->nodes, scope->about)))
        result = session_out_of_memory(session);
    if (!result) session->outcome = outcome_of(&analysis, scope);
    if (!result) result = show_findings(session, &analysis, scope);
    analysis_fini(&analysis);
    node_states_fini(&states);
    return result;
}

int run_analyze(struct session *session) {
    enum about about;
    const char *name;
    char *id = NULL;
    struct facts facts = {0};
    struct analyze_scope scope = {0};
    int result = read_arguments(session, &about, &name);
    scope.period = option_given(session->options, OPTION_SINCE) || option_given(session->options, OPTION_UNTIL);
    if (!result && (about == ABOUT_NODE || about == ABOUT_PEER))
        result = session_resolve(session, about == ABOUT_PEER, name, &id);
    if (!result)
        result = read_facts(session, query_new(session, about, name),
                            option_number(session->options, OPTION_LIMIT, ANALYZE_EVENTS_MAX), &facts, &scope.cut);
    if (!result) result = count_facts(session, &facts, about);
    if (!result && facts_sort(&facts)) result = session_out_of_memory(session);
    if (!result) result = session_learn_names(session);
    if (!result) result = find_cut_off(session, &facts, about, &scope);
    if (!result && about == ABOUT_TRACE) result = beside_add(session, &facts, extent_of(session, about, &scope));
    if (!result && about == ABOUT_TRACE && !facts.count)
        result = failure_set(&session->failure, EXIT_FAILED, "no event in the history belongs to a trace %s", name);
    scope.about = id;
    if (!result) result = analyze_facts(session, &facts, about, &scope);
    facts_fini(&facts);
    free(id);
    return result;
}
