/* SPDX-License-Identifier: MIT
 *
 * What to say if nothing was found: what was filtered, and which name may have been meant. */
#include "json_get.h"
#include "limits.h"
#include "nearest.h"
#include "session.h"

#include <inttypes.h>
#include <proto/event_table.h>
#include <stdio.h>
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

void session_report_nothing(struct session *session, const char *what) {
    struct strbuf *out = &session->output.text, filters = {0};
    if (!session->view.header) return;
    if (question_describe(&filters, session->options))
        strbuf_printf(out, "no %s matches%s", what, strbuf_text(&filters));
    else
        strbuf_printf(out, "no %ss", what);
    report_app(session, out);
    report_history(session, out);
    strbuf_puts(out, "\n");
    out->failed |= filters.failed;
    strbuf_fini(&filters);
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

void session_suggest(struct session *session) {
    struct failure *failure = &session->failure;
    const char *param = failure->param;
    char name[64];
    json_t *nodes = NULL, *peers = NULL;
    bool is_peer = !strcmp(param, "peer_id"), is_node = is_peer || !strcmp(param, "node_id");
    if (failure->disconnected || failure->filter.is_wrong || strstr(failure->text, "did you mean")) return;
    if (!quoted_name(failure, name)) return;
    struct nearest nearest = nearest_to(name);
    if (is_node) look_at_rows(session, "nodes", &nearest, &nodes);
    if (is_peer) look_at_rows(session, "peers", &nearest, &peers);
    if (!strcmp(param, "kind")) look_at_kinds(&nearest);
    size_t used = strlen(failure->text);
    if (nearest.word) snprintf(failure->text + used, sizeof failure->text - used, "; did you mean %s?", nearest.word);
    json_decref(nodes);
    json_decref(peers);
}
