/* SPDX-License-Identifier: MIT
 *
 * Shows the configuration, and what is wrong with its filters.  Other commands find that only in the filters that they use. */
#include "commands.h"
#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct list_column columns[] = {
    {"kind", NULL, TABLE_LEFT, 1, 0, 0, draw_text},      {"command", NULL, TABLE_LEFT, 2, 0, 0, draw_text},
    {"name", NULL, TABLE_LEFT, 0, 0, 0, draw_head},      {"value", NULL, TABLE_LEFT, 0, 12, 0, draw_text},
    {"line", NULL, TABLE_RIGHT, 3, 0, 0, draw_count},    {"problem", NULL, TABLE_LEFT, 4, 12, LIST_ASKED, draw_text},
    {"wrong", NULL, TABLE_LEFT, 5, 0, LIST_ASKED, NULL},
};

const struct list config_list = {columns, sizeof columns / sizeof *columns};

/* ---- filters ---- */

enum verdict { FILTER_RIGHT, FILTER_WRONG, FILTER_UNKNOWN_NAMES /* that traced does not know now */ };

/* Whatever nodes and applications there are: is it a filter of events, or of traces? */
static int compile(const char *filter, enum trace_filter_mode mode, struct trace_filter_error *ret_error) {
    struct trace_filter_options options = {.mode = mode, .typed = true};
    struct trace_filter *compiled;
    int result = trace_filter_compile(&compiled, filter, strlen(filter), &options, ret_error);
    if (!result) trace_filter_destroy(compiled);
    return result;
}

static void put_error(struct strbuf *out, const struct trace_filter_error *error) {
    strbuf_puts(out, error->reason);
    if (*error->suggestion) strbuf_printf(out, "; did you mean \"%s\"?", error->suggestion);
}

/* Asks about no time at all, so that nothing is searched. */
static bool refuses(struct session *session, const char *method, const char *filter) {
    json_t *answer = NULL, *params = json_pack("{s:s,s:s,s:i}", "filter", filter, "from", "-0s", "limit", 1);
    bool refused = session_ask(session, method, params, &answer) && session->failure.filter.is_wrong;
    json_decref(answer);
    return refused;
}

static enum verdict check_text(struct session *session, const char *filter, struct strbuf *problem) {
    struct trace_filter_error of_events, of_traces;
    int events = compile(filter, TRACE_FILTER_EVENTS, &of_events), traces = compile(filter, TRACE_FILTER_TRACES, &of_traces);
    if (events == -EINVAL && traces == -EINVAL) { /* it is what it is right for the longest */
        put_error(problem, of_traces.position > of_events.position ? &of_traces : &of_events);
        return FILTER_WRONG;
    }
    if (!session->inquiry.source || events == -ENOMEM || traces == -ENOMEM) return FILTER_RIGHT;
    bool refused = (events || refuses(session, "query", filter)) && (traces || refuses(session, "traces", filter));
    if (refused) strbuf_puts(problem, session->failure.text);
    return refused ? FILTER_UNKNOWN_NAMES : FILTER_RIGHT;
}

static bool is_filter(const struct config_entry *entry) {
    return entry->kind == CONFIG_FILTER || option_table[entry->option].type == VALUE_FILTER;
}

static enum verdict check(struct session *session, const struct config_entry *entry, struct strbuf *problem) {
    struct strbuf text = {0};
    struct failure failure, before = session->failure;
    enum verdict verdict = FILTER_RIGHT;
    if (!is_filter(entry)) return verdict;
    if (!config_expand(session->config, entry->value, &text, &failure)) {
        verdict = check_text(session, strbuf_text(&text), problem);
    } else {
        strbuf_puts(problem, failure.text);
        verdict = FILTER_WRONG;
    }
    session->failure = before;
    strbuf_fini(&text);
    return verdict;
}

/* ---- the whole ---- */

static json_t *row_new(const struct config_entry *entry, const char *problem, bool wrong) {
    char name[80];
    bool filter = entry->kind == CONFIG_FILTER;
    snprintf(name, sizeof name, "%s%.64s", filter ? "@" : "--", filter ? entry->name : option_table[entry->option].spelling);
    return json_pack("{s:s,s:s?,s:s,s:s?,s:i,s:s?,s:b}", "kind", filter ? "filter" : "option", "command", entry->command, "name",
                     name, "value", entry->value, "line", (int)entry->line, "problem", *problem ? problem : NULL, "wrong", wrong);
}

static json_t *rows_new(struct session *session, unsigned *ret_wrong) {
    const struct config *config = session->config;
    json_t *rows = json_array();
    for (unsigned i = 0; rows && i < config->count; i++) {
        struct strbuf problem = {0};
        bool wrong = check(session, &config->entries[i], &problem) == FILTER_WRONG;
        *ret_wrong += wrong;
        if (problem.failed || json_array_append_new(rows, row_new(&config->entries[i], strbuf_text(&problem), wrong))) {
            json_decref(rows);
            rows = NULL;
        }
        strbuf_fini(&problem);
    }
    return rows;
}

static void put_problems(struct strbuf *out, const struct view *view, const json_t *rows) {
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        const char *problem = json_get_text(row, "problem");
        bool wrong = json_get_bool(row, "wrong");
        if (!problem) continue;
        text_style_on(out, view->color, wrong ? STYLE_BAD : STYLE_WARN);
        strbuf_printf(out, "line %" PRIu64 ": ", json_get_count(row, "line"));
        text_member(out, row, "name");
        strbuf_puts(out, wrong ? " is wrong: " : " cannot be used now: ");
        text_untrusted(out, problem, strlen(problem), NOTE_COLUMNS_MAX);
        text_style_off(out, view->color, wrong ? STYLE_BAD : STYLE_WARN);
        strbuf_puts(out, "\n");
    }
}

static void put_place(struct session *session) {
    const struct config *config = session->config;
    struct strbuf *out = &session->output.text;
    if (!*config->path) {
        strbuf_puts(out, getenv("P2PTRACE_CONFIG") ? "nothing is configured: P2PTRACE_CONFIG is empty\n"
                                                   : "nothing is configured: neither P2PTRACE_CONFIG nor HOME is set\n");
        return;
    }
    strbuf_puts(out, config->found ? "in " : "nothing is configured: there is no ");
    text_untrusted(out, config->path, strlen(config->path), NOTE_COLUMNS_MAX);
    strbuf_puts(out, config->found && !config->count ? ", which has no entries\n" : "\n");
}

/* traced knows which fields and nodes there are.  Without it they are not checked. */
static void open_traced(struct session *session) {
    bool any = false;
    for (unsigned i = 0; i < session->config->count; i++) any |= is_filter(&session->config->entries[i]);
    if (!any || !session_open(session, CONFIG_TIMEOUT_MS)) return;
    session->failure = (struct failure){.code = EXIT_OK};
}

int run_config(struct session *session) {
    const struct config *config = session->config;
    unsigned wrong = 0;
    open_traced(session);
    json_t *rows = rows_new(session, &wrong);
    int result = rows ? 0 : session_out_of_memory(session);
    if (!result && options_want_data(session->options)) {
        result = output_json_lines(&session->output, rows);
    } else if (!result) {
        if (config->count || !session->view.header) list_put(&session->output.text, &session->view, &config_list, rows, "");
        put_problems(&session->output.text, &session->view, rows);
        if (session->view.header) put_place(session);
    }
    json_decref(rows);
    if (result || !wrong) return result;
    return output_flush(&session->output) ? -1
                                          : failure_set(&session->failure, EXIT_USAGE, "%u filter%s of %s %s wrong", wrong,
                                                        wrong == 1 ? "" : "s", config->path, wrong == 1 ? "is" : "are");
}
