/* SPDX-License-Identifier: MIT
 *
 * Lists of nodes, peers, traces and applications. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "list.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- nodes ---- */

static enum style state_style(const char *state) {
    if (!state) return STYLE_DIM;
    if (!strcmp(state, "live")) return STYLE_GOOD;
    if (!strcmp(state, "exited") || !strcmp(state, "unknown")) return STYLE_DIM;
    return STYLE_BAD;
}

/* "12 (10 overwritten, 2 contended)". */
static void lost_by(struct strbuf *out, const json_t *row) {
    const json_t *causes = json_object_get(row, "lost_by");
    const char *cause, *separator = " (";
    json_t *value;
    uint64_t count;
    if (!json_get_unsigned(row, "lost", &count)) {
        strbuf_puts(out, "-");
        return;
    }
    strbuf_printf(out, "%" PRIu64, count);
    json_object_foreach((json_t *)causes, cause, value) {
        (void)value;
        if (!json_get_count(causes, cause)) continue;
        strbuf_printf(out, "%s%" PRIu64 " ", separator, json_get_count(causes, cause));
        text_untrusted(out, cause, strlen(cause), CELL_COLUMNS_MAX);
        separator = ", ";
    }
    if (*separator == ',') strbuf_puts(out, ")");
}

static enum style draw_lost(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    lost_by(cell, row);
    return json_get_count(row, "lost") ? STYLE_BAD : STYLE_PLAIN;
}

static enum style draw_state(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    draw_text(cell, view, row, field);
    return state_style(json_get_text(row, field));
}

static enum style draw_app_ids(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *apps = json_get_array(row, field), *app;
    size_t i;
    (void)view;
    json_array_foreach(apps, i, app) {
        const char *text = json_string_value(app);
        if (i) strbuf_puts(cell, " ");
        if (text) text_untrusted(cell, text, strlen(text), CELL_COLUMNS_MAX);
    }
    if (!json_array_size(apps)) strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

/* When a live thing was last seen; when a past thing began. */
static enum style draw_last_ago(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    return draw_ago(cell, view, json_object_get(row, "last"));
}

static enum style draw_first_ago(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    return draw_ago(cell, view, json_object_get(row, "first"));
}

/* "at 12:00:03" */
static void put_clock(struct strbuf *cell, const struct view *view, const char *word, uint64_t unix_ns) {
    struct strbuf time = {0};
    text_time(&time, unix_ns, view->utc, false);
    strbuf_printf(cell, "%s %.8s", word, strbuf_text(&time));
    strbuf_fini(&time);
}

/* When a log ended, as far as it is known. */
static enum style draw_ended(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *ended = json_object_get(row, "ended"), *by = json_object_get(ended, "by");
    uint64_t after_ns, by_ns;
    (void)field;
    if (json_get_time(by, &by_ns)) {
        if (by_ns <= view->now_ns) {
            draw_ago(cell, view, by);
            strbuf_puts(cell, " ago");
        } else {
            put_clock(cell, view, "at", by_ns); /* after the last event of a recording */
        }
    } else if (json_get_time(json_object_get(ended, "after"), &after_ns)) {
        put_clock(cell, view, "not by", after_ns); /* in a recording: whether it has ended since is not known */
    } else {
        strbuf_puts(cell, "-");
    }
    return STYLE_DIM;
}

static enum style draw_ended_after(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    render_time(cell, view, json_object_get(json_object_get(row, "ended"), "after"), false);
    return STYLE_PLAIN;
}

/* When a peer was last heard: the age of its newest event may be that of something sent to it in vain. */
static enum style draw_heard_ago(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    return draw_ago(cell, view, json_object_get(row, "heard"));
}

static json_t *heard_ago_new(const struct view *view, const json_t *row) { return ago_new(view, json_object_get(row, "heard")); }
static json_t *last_ago_new(const struct view *view, const json_t *row) { return ago_new(view, json_object_get(row, "last")); }
static json_t *first_ago_new(const struct view *view, const json_t *row) { return ago_new(view, json_object_get(row, "first")); }

/* A line for each id of several live logs: nobody can tell which node an event with it is from. */
static void shared_ids(struct strbuf *out, const struct view *view, const json_t *answer) {
    const json_t *rows = json_get_array(answer, "nodes"), *row, *other;
    size_t i, k;
    json_array_foreach(rows, i, row) {
        const char *id = json_get_hex(row, "node_id", NODE_DIGITS), *state = json_get_text(row, "state");
        if (!id || !state || strcmp(state, "live") != 0) continue;
        json_array_foreach(rows, k, other) {
            const char *other_id = json_get_hex(other, "node_id", NODE_DIGITS), *other_state = json_get_text(other, "state");
            if (k <= i || !other_id || !other_state || strcmp(other_id, id) != 0 || strcmp(other_state, "live") != 0) continue;
            text_style_on(out, view->color, STYLE_BAD);
            text_member(out, row, "name");
            strbuf_puts(out, " and ");
            text_member(out, other, "name");
            strbuf_puts(out, " have one node id, ");
            names_short_node(out, view->names, id);
            strbuf_puts(out, ": all views show them as one node; give each its own id");
            text_style_off(out, view->color, STYLE_BAD);
            strbuf_puts(out, "\n");
            break; /* reported for the other one */
        }
    }
}

/* An alias for people: the address, or the label and the id. */
static void put_alias(struct strbuf *out, const struct view *view, const json_t *alias) {
    const char *address = json_get_text(alias, "address"), *label = json_get_text(alias, "label");
    if (address) {
        text_untrusted(out, address, strlen(address), CELL_COLUMNS_MAX);
        return;
    }
    names_short_node(out, view->names, json_get_hex(alias, "id", NODE_DIGITS));
    if (!label || !*label) return;
    strbuf_puts(out, " (");
    text_member(out, alias, "label");
    strbuf_puts(out, ")");
}

static enum style draw_aliases(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    size_t i;
    const json_t *alias, *aliases = json_get_array(row, field);
    json_array_foreach(aliases, i, alias) {
        if (i) strbuf_puts(cell, ", ");
        put_alias(cell, view, alias);
        if (json_get_bool(alias, "disputed")) strbuf_puts(cell, "?");
    }
    if (!json_array_size(aliases)) strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

void render_row_node(struct strbuf *out, const struct view *view, const json_t *row) {
    const char *id = json_get_hex(row, "node_id", NODE_DIGITS);
    if (id && names_knows(view->names, id))
        names_node(out, view->names, id);
    else
        text_member(out, row, "name");
}

/* A line for each node with other ids, and one for each claimed id that is disputed. */
static void node_aliases(struct strbuf *out, const struct view *view, const json_t *row) {
    size_t i;
    const json_t *alias, *aliases = json_get_array(row, "aliases");
    const char *before = " is also ";
    json_array_foreach(aliases, i, alias) {
        if (json_get_bool(alias, "disputed")) continue;
        if (*before == ' ') render_row_node(out, view, row);
        strbuf_puts(out, before);
        before = ", ";
        put_alias(out, view, alias);
    }
    if (*before == ',') strbuf_puts(out, "\n");
    json_array_foreach(aliases, i, alias) {
        if (!json_get_bool(alias, "disputed")) continue;
        text_style_on(out, view->color, STYLE_BAD);
        render_row_node(out, view, row);
        strbuf_puts(out, " says that it is also ");
        put_alias(out, view, alias);
        strbuf_puts(out, ", which another node has or claims: it is ignored");
        text_style_off(out, view->color, STYLE_BAD);
        strbuf_puts(out, "\n");
    }
}

static const struct list_column node_columns[] = {
    {"name", "node", TABLE_LEFT, 0, 8, 0, draw_head},
    {"node_id", "id", TABLE_LEFT, 6, 0, LIST_APART, draw_node_id},
    {"log", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"host", NULL, TABLE_LEFT, 1, 6, LIST_HOSTS, draw_text},
    {"machine", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"aliases", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, draw_aliases},
    {"state", NULL, TABLE_LEFT, 1, 0, 0, draw_state},
    {"ended_by", "ended", TABLE_LEFT, 2, 0, LIST_UNLESS_NULL, draw_ended, NULL, "ended.by"},
    {"ended_after", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_ended_after, NULL, "ended.after"},
    {"pid", NULL, TABLE_RIGHT, 4, 0, 0, draw_count},
    {"emitted", NULL, TABLE_RIGHT, 3, 0, 0, draw_count},
    {"indexed", NULL, TABLE_RIGHT, 5, 0, 0, draw_count},
    {"lost", NULL, TABLE_LEFT, 1, 8, 0, draw_lost},
    {"lost_by", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, NULL},
    {"unfinished", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, draw_count},
    {"lanes", NULL, TABLE_RIGHT, 9, 0, 0, draw_count},
    {"lane_events", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, draw_count},
    {"bytes", "ring", TABLE_RIGHT, 10, 0, 0, draw_bytes},
    {"clock", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"policy", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"kinds", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, NULL},
    {"sample", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, NULL},
    {"started", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_time},
    {"last", "last event", TABLE_LEFT, 7, 0, 0, draw_time},
    {"ago", NULL, TABLE_RIGHT, 2, 0, LIST_AGO, draw_last_ago, last_ago_new},
    {"apps", NULL, TABLE_LEFT, 8, 6, 0, draw_app_ids},
    {"reason", NULL, TABLE_LEFT, 1, 12, LIST_ASKED, draw_text},
};

const struct list node_list = {node_columns, COUNT_OF(node_columns)};

/* Appends those lines that are not among `put`: several logs of one node say the same. */
static void put_new_lines(struct strbuf *out, const struct strbuf *lines, json_t *put) {
    for (const char *line = strbuf_text(lines); *line;) {
        size_t bytes = strcspn(line, "\n");
        char *text = strndup(line, bytes);
        bool is_new = text && !json_object_get(put, text);
        out->failed |= !text || json_object_set_new_nocheck(put, text, json_true());
        if (is_new) strbuf_printf(out, "%s\n", text);
        free(text);
        line += bytes + (line[bytes] == '\n');
    }
}

void render_nodes(struct strbuf *out, const struct view *view, const json_t *answer) {
    size_t i;
    const json_t *row;
    json_t *put = json_object();
    list_put(out, view, &node_list, json_get_array(answer, "nodes"), "no nodes have been seen yet");
    json_array_foreach(json_get_array(answer, "nodes"), i, row) {
        struct strbuf lines = {0};
        node_aliases(&lines, view, row);
        render_node_notes(&lines, view, row);
        put_new_lines(out, &lines, put);
        out->failed |= lines.failed;
        strbuf_fini(&lines);
    }
    json_decref(put);
    shared_ids(out, view, answer);
}

/* ---- peers ---- */

/* Where no packet is reported as sent, the share that was lost is not known, although docs/protocol.md has 0 for it. */
static enum style draw_loss(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    double loss = json_get_real(row, field, 0);
    (void)view;
    if (!json_get_count(row, "packets_sent")) {
        strbuf_puts(cell, "-");
        return STYLE_PLAIN;
    }
    strbuf_printf(cell, "%.*f %%", loss > 0 && loss < 0.01 ? 2 : 1, 100 * loss);
    return json_get_count(row, "packets_lost") ? STYLE_BAD : STYLE_PLAIN;
}

static json_t *peer_host_new(const struct view *view, const json_t *row) {
    const char *host = names_host(view->names, json_get_hex(row, "peer_id", NODE_DIGITS));
    return host ? json_string(host) : json_null();
}

static enum style draw_peer_host(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const char *host = names_host(view->names, json_get_hex(row, "peer_id", NODE_DIGITS));
    (void)field;
    text_untrusted(cell, host ? host : "-", strlen(host ? host : "-"), CELL_COLUMNS_MAX);
    return STYLE_PLAIN;
}

static const struct list_column peer_columns[] = {
    {"name", "peer", TABLE_LEFT, 0, 8, 0, draw_head},
    {"peer_id", "id", TABLE_LEFT, 6, 0, LIST_APART, draw_node_id},
    {"host", NULL, TABLE_LEFT, 3, 6, LIST_HOSTS, draw_peer_host, peer_host_new},
    {"aliases", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, draw_aliases},
    {"rtt", NULL, TABLE_RIGHT, 1, 0, 0, draw_duration},
    {"min_rtt", "least", TABLE_RIGHT, 8, 0, 0, draw_duration},
    {"loss", NULL, TABLE_RIGHT, 1, 0, 0, draw_loss},
    {"packets_lost", "pkts lost", TABLE_RIGHT, 2, 0, 0, draw_bad_count},
    {"packets_sent", "pkts sent", TABLE_RIGHT, 4, 0, 0, draw_count},
    {"packets_received", "pkts rcvd", TABLE_RIGHT, 5, 0, 0, draw_count},
    {"bytes_sent", "sent", TABLE_RIGHT, 5, 0, 0, draw_bytes},
    {"bytes_received", "received", TABLE_RIGHT, 5, 0, 0, draw_bytes},
    {"events", NULL, TABLE_RIGHT, 7, 0, 0, draw_count},
    {"first", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_time},
    {"last", "last event", TABLE_LEFT, 9, 0, 0, draw_time},
    {"ago", NULL, TABLE_RIGHT, 9, 0, LIST_ASKED, draw_last_ago, last_ago_new},
    {"heard", "last heard", TABLE_LEFT, 9, 0, LIST_ASKED, draw_time},
    {"heard_ago", "heard ago", TABLE_RIGHT, 3, 0, LIST_AGO, draw_heard_ago, heard_ago_new},
    {"nodes", "seen by", TABLE_LEFT, 3, 8, 0, draw_names},
    {"messages_sent", "msgs sent", TABLE_RIGHT, 4, 0, LIST_UNLESS_ZERO, draw_count},
    {"messages_received", "msgs rcvd", TABLE_RIGHT, 4, 0, LIST_UNLESS_ZERO, draw_count},
};

const struct list peer_list = {peer_columns, COUNT_OF(peer_columns)};

void render_peers(struct strbuf *out, const struct view *view, const json_t *answer) {
    list_put(out, view, &peer_list, json_get_array(answer, "peers"), "no peers: no event in the history has one");
    uint64_t total = json_get_count(answer, "total"), shown = json_array_size(json_get_array(answer, "peers"));
    if (total > shown) strbuf_printf(out, "%" PRIu64 " more peers, with fewer events each, are not shown\n", total - shown);
}

/* ---- traces ---- */

static enum style draw_outcome(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const char *outcome = json_get_text(row, field);
    draw_text(cell, view, row, field);
    if (!outcome) return STYLE_PLAIN;
    if (!strcmp(outcome, "ok")) return STYLE_GOOD;
    if (!strcmp(outcome, "failed") || !strcmp(outcome, "expired")) return STYLE_BAD;
    return !strcmp(outcome, "open") ? STYLE_WARN : STYLE_DIM;
}

static enum style draw_request(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    if (!event_request(cell, row, row)) strbuf_puts(cell, "-");
    return STYLE_HEAD;
}

static json_t *request_new(const struct view *view, const json_t *row) {
    struct strbuf text = {0};
    (void)view;
    json_t *request = event_request(&text, row, row) ? json_string(strbuf_text(&text)) : json_null();
    strbuf_fini(&text);
    return request;
}

static enum style draw_trace_id(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    names_short_trace(cell, view->names, json_get_hex(row, field, TRACE_DIGITS));
    return STYLE_PLAIN;
}

static enum style draw_events(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view;
    strbuf_printf(cell, "%s%" PRIu64, json_get_bool(row, "truncated") ? ">" : "", json_get_count(row, field));
    return STYLE_PLAIN;
}

/* The machines of a trace's nodes, each once, in the order of the nodes. */
static json_t *hosts_new(const struct view *view, const json_t *row) {
    json_t *hosts = json_array(), *seen = json_object();
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(row, "nodes"), i, node) {
        const char *host = names_host(view->names, json_string_value(node));
        if (!host || json_object_get(seen, host)) continue;
        json_object_set_new(seen, host, json_true());
        json_array_append_new(hosts, json_string(host));
    }
    json_decref(seen);
    return hosts;
}

static enum style draw_hosts(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    json_t *hosts = hosts_new(view, row), *host;
    size_t i;
    (void)field;
    json_array_foreach(hosts, i, host) {
        if (i) strbuf_puts(cell, " ");
        text_untrusted(cell, json_string_value(host), json_string_length(host), CELL_COLUMNS_MAX);
    }
    if (!json_array_size(hosts)) strbuf_puts(cell, "-");
    json_decref(hosts);
    return STYLE_PLAIN;
}

/* Where most of its time went: a phrase that `traces --spent` added to the row. */
static enum style draw_mostly(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const char *mostly = json_get_text(row, "mostly_at");
    (void)view, (void)field;
    strbuf_puts(cell, mostly && *mostly ? mostly : "-");
    return STYLE_PLAIN;
}

static const struct list_column trace_columns[] = {
    {"trace_id", "trace", TABLE_LEFT, 0, 0, 0, draw_trace_id},
    {"first", "began", TABLE_LEFT, 5, 0, 0, draw_time},
    {"ago", NULL, TABLE_RIGHT, 1, 0, LIST_AGO, draw_first_ago, first_ago_new},
    {"last", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_time},
    {"took", NULL, TABLE_RIGHT, 1, 0, 0, draw_stepped},
    {"duration", NULL, TABLE_RIGHT, 6, 0, 0, draw_stepped},
    {"outcome", NULL, TABLE_LEFT, 0, 0, 0, draw_outcome},
    {"time", "mostly at", TABLE_LEFT, 0, 20, LIST_UNLESS_ZERO | LIST_NAMED, draw_mostly},
    {"request", NULL, TABLE_LEFT, 1, 20, 0, draw_request, request_new},
    {"events", NULL, TABLE_RIGHT, 4, 0, 0, draw_events},
    {"packets_lost", "pkts lost", TABLE_RIGHT, 3, 0, 0, draw_bad_count},
    {"nodes", NULL, TABLE_LEFT, 3, 10, 0, draw_names},
    {"hosts", NULL, TABLE_LEFT, 4, 6, LIST_HOSTS, draw_hosts, hosts_new},
    {"peers", NULL, TABLE_LEFT, 1, 10, LIST_ASKED, draw_names},
    {"unfinished", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, NULL},
    {"app_id", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"app", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, draw_text},
    {"cmd", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, draw_count},
    {"command", NULL, TABLE_LEFT, 1, 8, LIST_ASKED, draw_text},
    {"truncated", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, NULL},
};

const struct list trace_list = {trace_columns, COUNT_OF(trace_columns)};

void render_traces(struct strbuf *out, const struct view *view, const json_t *answer) {
    const json_t *traces = json_get_array(answer, "traces");
    list_put(out, view, &trace_list, traces, "no traces of that kind; --kind is request (the default) or connection");
    uint64_t total = json_get_count(answer, "total");
    if (view->header && json_array_size(traces) && total > json_array_size(traces))
        text_styled(out, view->color, STYLE_DIM, "%zu of %" PRIu64 "; --limit N shows more\n", json_array_size(traces), total);
}

/* ---- applications ---- */

static const struct list_column app_columns[] = {
    {"app_id", "app", TABLE_LEFT, 0, 0, 0, draw_head},
    {"name", NULL, TABLE_LEFT, 0, 8, 0, draw_text},
    {"commands", NULL, TABLE_LEFT, 1, 12, 0, NULL},
    {"fields", NULL, TABLE_LEFT, 2, 12, 0, NULL},
};

const struct list app_list = {app_columns, COUNT_OF(app_columns)};

/* Not a table, because applications contain lists; --fields makes one. */
void render_apps(struct strbuf *out, const struct view *view, const json_t *answer) {
    size_t i, j;
    const json_t *app, *item;
    const json_t *apps = json_get_array(answer, "apps");
    if (view->fields) {
        list_put(out, view, &app_list, apps, "no application has registered");
        return;
    }
    json_array_foreach(apps, i, app) {
        text_style_on(out, view->color, STYLE_HEAD);
        text_member(out, app, "app_id");
        text_style_off(out, view->color, STYLE_HEAD);
        strbuf_puts(out, "  ");
        text_member(out, app, "name");
        strbuf_puts(out, "\n  commands:");
        json_array_foreach(json_get_array(app, "commands"), j, item) {
            strbuf_printf(out, "%s %" PRIu64 " ", j ? "," : "", json_get_count(item, "cmd"));
            text_member(out, item, "name");
        }
        strbuf_puts(out, "\n  data:");
        json_array_foreach(json_get_array(app, "fields"), j, item) {
            strbuf_puts(out, j ? ", " : " ");
            text_member(out, item, "name");
            strbuf_puts(out, " (");
            text_member(out, item, "type");
            strbuf_printf(out, ", %" PRIu64 " at %" PRIu64 ")", json_get_count(item, "bytes"), json_get_count(item, "offset"));
        }
        strbuf_puts(out, "\n");
    }
    if (!json_array_size(apps) && view->header) strbuf_puts(out, "no application has registered\n");
}
