/* SPDX-License-Identifier: MIT */
#include "local_filter.h"

#include "json_get.h"
#include "strbuf.h"

#include <errno.h>
#include <proto/clock.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/machine.h>
#include <string.h>

/* Appends a value in quotes.  Names with quotes are refused. */
static int put_quoted(struct strbuf *out, const char *before, const char *option, const char *value, struct failure *failure) {
    if (!value || strpbrk(value, "'\\"))
        return failure_set(failure, EXIT_USAGE, "--%s %s: a name without quotes is expected", option, value ? value : "");
    strbuf_printf(out, "%s'%s'", before, value);
    return 0;
}

/* The params other than `filter`, in the filter language. */
static int put_params(struct strbuf *out, const json_t *params, struct failure *failure) {
    const char *peer = json_get_text(params, "peer_id"), *trace = json_get_text(params, "trace_id"), *before = "kind in {";
    size_t i;
    const json_t *kind;
    json_array_foreach(json_get_array(params, "kind"), i, kind) {
        if (put_quoted(out, before, "kind", json_string_value(kind), failure)) return -1;
        before = ", ";
    }
    if (out->bytes) strbuf_puts(out, "}");
    if (peer && put_quoted(out, out->bytes ? " and peer == " : "peer == ", "peer", peer, failure)) return -1;
    if (trace && put_quoted(out, out->bytes ? " and trace == " : "trace == ", "trace", trace, failure)) return -1;
    return 0;
}

/* All of them run on this machine. */
static size_t read_names(const json_t *nodes, const char *host, struct trace_filter_name *names) {
    size_t i, count = 0;
    const json_t *node;
    json_array_foreach(json_get_array(nodes, "nodes"), i, node) {
        const char *id = json_get_hex(node, "node_id", NODE_DIGITS);
        names[count].name = json_get_text(node, "name");
        names[count].host = host;
        if (id && names[count].name && !trace_hex_decode(names[count].id.bytes, id, TRACE_NODE_ID_BYTES)) count++;
    }
    return count;
}

/* users_own: the text is the user's, so that an error can point into it. */
static int compile_filter(struct trace_filter **ret_filter, const char *text, bool users_own, const json_t *nodes,
                          struct failure *failure) {
    struct trace_filter_name *list = calloc(json_array_size(json_get_array(nodes, "nodes")) + 1, sizeof *list);
    struct trace_filter_names names = {.nodes = list, .complete = true};
    struct trace_filter_options options = {.mode = TRACE_FILTER_EVENTS, .names = &names, .now_ns = trace_now_unix_ns()};
    struct trace_filter_error error;
    struct machine here;
    if (!list) return failure_out_of_memory(failure);
    machine_here(&here);
    names.node_count = read_names(nodes, here.name, list);
    int result = trace_filter_compile(ret_filter, text, strlen(text), &options, &error);
    free(list);
    if (!result) return 0;
    if (result != -EINVAL) return failure_out_of_memory(failure);
    failure_set_filter(failure, error.position, error.length, error.reason, error.suggestion);
    failure->filter.is_wrong = users_own;
    return -1;
}

int local_filter_new(struct trace_filter **ret_filter, const json_t *params, const json_t *nodes, struct failure *failure) {
    const char *filter = json_get_text(params, "filter");
    struct strbuf text = {0};
    int result = put_params(&text, params, failure);
    *ret_filter = NULL;
    if (!result && filter)
        result = compile_filter(ret_filter, filter, true, nodes, failure); /* alone first, so that errors have a position */
    if (!result && filter && text.bytes) {
        trace_filter_destroy(*ret_filter);
        *ret_filter = NULL;
        strbuf_printf(&text, " and (%s)", filter);
    }
    if (!result && text.failed) result = failure_out_of_memory(failure);
    if (!result && text.bytes) result = compile_filter(ret_filter, strbuf_text(&text), false, nodes, failure);
    strbuf_fini(&text);
    return result;
}
