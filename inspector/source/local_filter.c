/* SPDX-License-Identifier: MIT */
#include "local_filter.h"

#include "json_get.h"

#include <errno.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Appends a value in quotes; one with a quote in it is nobody's. */
static int put_quoted(struct session *session, struct strbuf *out, const char *before, enum option option, const char *value,
                      size_t bytes) {
    if (memchr(value, '\'', bytes) || memchr(value, '\\', bytes))
        return failure_set(&session->failure, EXIT_USAGE, "--%s %s: a name without quotes is expected",
                           option_table[option].spelling, value);
    strbuf_printf(out, "%s'", before);
    strbuf_add(out, value, bytes);
    strbuf_puts(out, "'");
    return 0;
}

/* The options as a text of the filter language. */
static int put_options(struct session *session, struct strbuf *out) {
    const struct options *options = session->options;
    const char *kind = options->texts[OPTION_KIND], *peer = options->texts[OPTION_PEER], *trace = options->texts[OPTION_TRACE];
    const char *before = "kind in {";
    for (; kind && *kind; before = ", ") {
        size_t bytes = strcspn(kind, ",");
        if (put_quoted(session, out, before, OPTION_KIND, kind, bytes)) return -1;
        kind += bytes + (kind[bytes] == ',');
    }
    if (out->bytes) strbuf_puts(out, "}");
    if (peer && put_quoted(session, out, out->bytes ? " and peer == " : "peer == ", OPTION_PEER, peer, strlen(peer))) return -1;
    if (trace) return put_quoted(session, out, out->bytes ? " and trace == " : "trace == ", OPTION_TRACE, trace, strlen(trace));
    return 0;
}

static size_t read_nodes(const json_t *nodes, struct trace_filter_name *names) {
    size_t i, count = 0;
    const json_t *node;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        const char *id = json_get_hex(node, "node_id", NODE_DIGITS);
        names[count].name = json_get_text(node, "name");
        if (id && names[count].name && !trace_hex_decode(names[count].id.bytes, id, TRACE_NODE_ID_BYTES)) count++;
    }
    return count;
}

/* A place in the text is one of --where only when that is all of it. */
static int compile(struct trace_filter **ret_filter, struct session *session, const char *text, const json_t *nodes) {
    struct trace_filter_name *list = calloc(json_array_size(json_get_array(nodes, "nodes")) + 1, sizeof *list);
    struct trace_filter_names names = {.nodes = list, .complete = true};
    struct trace_filter_options options = {.mode = TRACE_FILTER_EVENTS, .names = &names};
    struct trace_filter_error error;
    struct timespec now;
    if (!list) return session_out_of_memory(session);
    clock_gettime(CLOCK_REALTIME, &now);
    options.now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    names.node_count = read_nodes(nodes, list);
    int result = trace_filter_compile(ret_filter, text, strlen(text), &options, &error);
    free(list);
    if (!result) return 0;
    if (result != -EINVAL) return session_out_of_memory(session);
    failure_set(&session->failure, EXIT_USAGE, "%s%s%s%s", error.reason, *error.suggestion ? "; did you mean \"" : "",
                error.suggestion, *error.suggestion ? "\"?" : "");
    session->failure.filter.is_wrong = text == session->options->texts[OPTION_WHERE];
    session->failure.filter.position = error.position;
    session->failure.filter.length = error.length;
    return -1;
}

int local_filter_new(struct trace_filter **ret_filter, struct session *session, const json_t *nodes) {
    const char *where = session->options->texts[OPTION_WHERE];
    struct strbuf text = {0};
    int result = put_options(session, &text);
    *ret_filter = NULL;
    if (!result && where)
        result = compile(ret_filter, session, where, nodes); /* by itself, so that its faults have their place */
    if (!result && where && text.bytes) {
        trace_filter_destroy(*ret_filter);
        *ret_filter = NULL;
        strbuf_printf(&text, " and (%s)", where);
    }
    if (!result && text.failed) result = session_out_of_memory(session);
    if (!result && text.bytes) result = compile(ret_filter, session, strbuf_text(&text), nodes);
    strbuf_fini(&text);
    return result;
}
