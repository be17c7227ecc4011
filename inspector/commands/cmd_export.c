/* SPDX-License-Identifier: MIT
 *
 * What leaves the inspector for other programs: one trace as a document, and any method's result. */
#include "commands.h"

#include "json_get.h"
#include "json_put.h"
#include "outfile.h"
#include "pages.h"

#include <proto/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rpc ---- */

int run_rpc(struct session *session) {
    const struct options *options = session->options;
    json_t *params = NULL, *result;
    json_error_t error;
    if (options->arg_count > 2) {
        params = json_loads(options->args[2], JSON_REJECT_DUPLICATES, &error);
        if (!params)
            return failure_set(&session->failure, EXIT_USAGE, "the params are not JSON: %s (at byte %d)", error.text,
                               error.position);
        if (!json_is_object(params)) {
            json_decref(params);
            return failure_set(&session->failure, EXIT_USAGE, "the params must be a JSON object, like '{\"limit\":1}'");
        }
    }
    if (session_ask(session, options->args[1], params, &result)) return -1;
    if (option_given(options, OPTION_JSON)) {
        int failed = output_json(&session->output, result);
        json_decref(result);
        return failed;
    }
    int failed = json_put(&session->output.text, result, JSON_INDENT(2));
    json_decref(result);
    if (failed) return session_out_of_memory(session);
    strbuf_puts(&session->output.text, "\n");
    return 0;
}

/* ---- export ---- */

struct export {
    struct session *session;
    char trace_id[TRACE_DIGITS + 1]; /* in full */
    json_t *hello;
    json_t *gaps;
    json_t *node_ids; /* a set: of the events' nodes */
    uint64_t events;
};

/* Adds `,"key":` and a value. */
static int put_member(struct session *session, const char *key, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    if (!text) return session_out_of_memory(session);
    strbuf_printf(&session->output.text, ",\n\"%s\":%s", key, text);
    free(text);
    return 0;
}

static int export_head(struct export *export) {
    struct session *session = export->session;
    uint64_t now_ns = trace_now_unix_ns();
    json_t *exported = json_pack("{s:I,s:i}", "timestamp", (json_int_t)(now_ns / 1000), "ns", (int)(now_ns % 1000));
    strbuf_printf(&session->output.text, "{\"export\":1,\n\"trace_id\":\"%s\"", export->trace_id);
    int result = put_member(session, "exported", exported) || put_member(session, "traced", export->hello) ? -1 : 0;
    strbuf_puts(&session->output.text, ",\n\"events\":[");
    json_decref(exported);
    return result;
}

static int export_page(struct export *export, const json_t *page) {
    struct session *session = export->session;
    size_t i;
    const json_t *event;
    json_t *gaps = json_object_get(page, "gaps");
    json_array_foreach(json_get_array(page, "events"), i, event) {
        const char *trace_id = json_get_hex(event, "trace_id", TRACE_DIGITS),
                   *node_id = json_get_hex(event, "node_id", NODE_DIGITS);
        if (!export->events) {
            snprintf(export->trace_id, sizeof export->trace_id, "%s", trace_id ? trace_id : "");
            if (export_head(export)) return -1;
        }
        if (node_id) json_object_set_new(export->node_ids, node_id, json_true());
        strbuf_puts(&session->output.text, export->events++ ? ",\n" : "\n");
        char *text = json_dumps(event, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
        if (!text) return session_out_of_memory(session);
        strbuf_puts(&session->output.text, text);
        free(text);
    }
    if (json_is_array(gaps) && json_array_extend(export->gaps, gaps)) return session_out_of_memory(session);
    return output_flush(&session->output);
}

/* The rows of `nodes` whose events were exported. */
static json_t *involved_new(const struct export *export, const json_t *nodes) {
    size_t i;
    json_t *row, *involved = json_array();
    json_array_foreach(json_get_array(nodes, "nodes"), i, row) {
        const char *id = json_get_hex(row, "node_id", NODE_DIGITS);
        if (involved && id && json_object_get(export->node_ids, id)) json_array_append(involved, row);
    }
    return involved;
}

static int export_tail(struct export *export) {
    struct session *session = export->session;
    json_t *nodes = NULL, *apps = NULL, *involved = NULL, *lost = NULL, *evicted = NULL;
    uint64_t lost_count = 0;
    size_t i;
    const json_t *gap;
    int result = -1;
    json_array_foreach(export->gaps, i, gap) lost_count += json_get_count(json_object_get(gap, "data"), "count");
    lost = json_integer((json_int_t)lost_count);
    evicted = json_integer((json_int_t)session->inquiry.evicted);
    if (session_ask(session, "nodes", NULL, &nodes) || session_ask(session, "apps", NULL, &apps)) goto out;
    involved = involved_new(export, nodes);
    strbuf_puts(&session->output.text, "\n]");
    if (put_member(session, "gaps", export->gaps) || put_member(session, "lost", lost) ||
        put_member(session, "evicted", evicted) || put_member(session, "nodes", involved) ||
        put_member(session, "apps", json_object_get(apps, "apps")))
        goto out;
    strbuf_puts(&session->output.text, "}\n");
    result = output_flush(&session->output);
out:
    json_decref(nodes);
    json_decref(apps);
    json_decref(involved);
    json_decref(lost);
    json_decref(evicted);
    return result;
}

/* Writes the document to session->output.fd. */
static int export_to_fd(struct session *session) {
    const char *prefix = session->options->args[1];
    struct export export = {.session = session, .gaps = json_array(), .node_ids = json_object()};
    struct pages pages = {0};
    json_t *page;
    int result =
        export.gaps && export.node_ids ? session_ask(session, "hello", NULL, &export.hello) : session_out_of_memory(session);
    if (!result) result = pages_init(&pages, &session->inquiry, session_filter_of_new(session, "trace_id", prefix), PAGES_ALL);
    while (!result && !(result = pages_next(&pages, &page)) && page) {
        result = export_page(&export, page);
        json_decref(page);
    }
    if (!result && !export.events)
        result = failure_set(&session->failure, EXIT_FAILED, "no event in the history belongs to a trace %s", prefix);
    if (!result) result = export_tail(&export);
    pages_fini(&pages);
    json_decref(export.hello);
    json_decref(export.gaps);
    json_decref(export.node_ids);
    return result;
}

int run_export(struct session *session) {
    const char *path = session->options->texts[OPTION_OUTPUT];
    struct outfile file;
    int out = session->output.fd;
    if (!path) return export_to_fd(session);
    if (outfile_begin(&file, path, &session->failure)) return -1;
    session->output.fd = file.fd;
    int result = export_to_fd(session);
    session->output.fd = out;
    if (!result) return outfile_end(&file, true, &session->failure);
    (void)outfile_end(&file, false, &(struct failure){0});
    return result;
}
