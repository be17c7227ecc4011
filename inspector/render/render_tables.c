/* SPDX-License-Identifier: MIT
 *
 * Lists of nodes, peers, traces and applications. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- cells ---- */

static void cell_count(struct table *table, const json_t *row, const char *key, enum style unless_zero) {
    uint64_t value;
    if (json_get_unsigned(row, key, &value))
        table_cell(table, value ? unless_zero : STYLE_PLAIN, "%" PRIu64, value);
    else
        table_cell(table, STYLE_PLAIN, "-");
}

static void cell_text(struct table *table, const json_t *row, const char *key, enum style style) {
    text_member(table_cell_begin(table, style), row, key);
    table_cell_end(table);
}

static void cell_duration(struct table *table, const json_t *row, const char *key) {
    struct strbuf *cell = table_cell_begin(table, STYLE_PLAIN);
    uint64_t ns;
    if (json_get_unsigned(row, key, &ns))
        text_duration(cell, ns);
    else
        strbuf_puts(cell, "-");
    table_cell_end(table);
}

static void cell_bytes(struct table *table, const json_t *row, const char *key) {
    struct strbuf *cell = table_cell_begin(table, STYLE_PLAIN);
    uint64_t bytes;
    if (json_get_unsigned(row, key, &bytes))
        text_bytes(cell, bytes);
    else
        strbuf_puts(cell, "-");
    table_cell_end(table);
}

static void cell_time(struct table *table, const struct view *view, const json_t *row, const char *key) {
    render_time(table_cell_begin(table, STYLE_PLAIN), view, json_object_get(row, key), false);
    table_cell_end(table);
}

static void cell_node_id(struct table *table, const struct view *view, const char *node_id) {
    names_short_node(table_cell_begin(table, STYLE_ID), view->names, node_id);
    table_cell_end(table);
}

/* The names of a row's `nodes`. */
static void cell_nodes(struct table *table, const struct view *view, const json_t *row) {
    struct strbuf *cell = table_cell_begin(table, STYLE_PLAIN);
    const json_t *nodes = json_get_array(row, "nodes");
    size_t i;
    const json_t *node;
    json_array_foreach(nodes, i, node) {
        const char *id = json_string_value(node);
        if (i) strbuf_puts(cell, " ");
        render_node(cell, view, id && json_is_hex(id, NODE_DIGITS) ? id : NULL);
    }
    if (!json_array_size(nodes)) strbuf_puts(cell, "-");
    table_cell_end(table);
}

static void finish(struct strbuf *out, const struct view *view, struct table *table, const char *none) {
    if (table->cell_count)
        table_print(out, table, view->header, view->color);
    else if (table->text.failed)
        out->failed = true;
    else if (view->header)
        strbuf_printf(out, "%s\n", none);
    table_fini(table);
}

/* ---- nodes ---- */

static enum style state_style(const char *state) {
    if (!state) return STYLE_DIM;
    if (!strcmp(state, "live")) return STYLE_GOOD;
    if (!strcmp(state, "exited")) return STYLE_DIM;
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

static void cell_apps(struct table *table, const json_t *row) {
    struct strbuf *cell = table_cell_begin(table, STYLE_PLAIN);
    const json_t *apps = json_get_array(row, "apps");
    size_t i;
    const json_t *app;
    json_array_foreach(apps, i, app) {
        const char *text = json_string_value(app);
        if (i) strbuf_puts(cell, " ");
        if (text) text_untrusted(cell, text, strlen(text), CELL_COLUMNS_MAX);
    }
    if (!json_array_size(apps)) strbuf_puts(cell, "-");
    table_cell_end(table);
}

/* A line for each id that several live logs have: their events cannot be told apart. */
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
            strbuf_puts(out, ": all views take them for one node; give each an id of its own");
            text_style_off(out, view->color, STYLE_BAD);
            strbuf_puts(out, "\n");
            break; /* the other one tells of the next */
        }
    }
}

void render_nodes(struct strbuf *out, const struct view *view, const json_t *answer) {
    static const struct table_column columns[] = {{"node", TABLE_LEFT},       {"id", TABLE_LEFT},       {"state", TABLE_LEFT},
                                                  {"pid", TABLE_RIGHT},       {"emitted", TABLE_RIGHT}, {"indexed", TABLE_RIGHT},
                                                  {"lost", TABLE_LEFT},       {"lanes", TABLE_RIGHT},   {"ring", TABLE_RIGHT},
                                                  {"last event", TABLE_LEFT}, {"apps", TABLE_LEFT}};
    struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, COUNT_OF(columns), columns);
    json_array_foreach(json_get_array(answer, "nodes"), i, row) {
        cell_text(&table, row, "name", STYLE_HEAD);
        cell_node_id(&table, view, json_get_hex(row, "node_id", NODE_DIGITS));
        cell_text(&table, row, "state", state_style(json_get_text(row, "state")));
        cell_count(&table, row, "pid", STYLE_PLAIN);
        cell_count(&table, row, "emitted", STYLE_PLAIN);
        cell_count(&table, row, "indexed", STYLE_PLAIN);
        lost_by(table_cell_begin(&table, json_get_count(row, "lost") ? STYLE_BAD : STYLE_PLAIN), row);
        table_cell_end(&table);
        cell_count(&table, row, "lanes", STYLE_PLAIN);
        cell_bytes(&table, row, "bytes");
        cell_time(&table, view, row, "last");
        cell_apps(&table, row);
    }
    finish(out, view, &table, "no nodes: none has been seen yet");
    json_array_foreach(json_get_array(answer, "nodes"), i, row) render_node_notes(out, row);
    shared_ids(out, view, answer);
}

/* ---- peers ---- */

static void cell_loss(struct table *table, const json_t *row) {
    double loss = json_get_real(row, "loss", 0);
    uint64_t lost = json_get_count(row, "packets_lost");
    table_cell(table, lost ? STYLE_BAD : STYLE_PLAIN, "%.*f %%", loss > 0 && loss < 0.01 ? 2 : 1, 100 * loss);
}

static bool any_messages(const json_t *peers) {
    size_t i;
    const json_t *row;
    json_array_foreach(peers, i, row) {
        if (json_get_count(row, "messages_sent") || json_get_count(row, "messages_received")) return true;
    }
    return false;
}

void render_peers(struct strbuf *out, const struct view *view, const json_t *answer) {
    static const struct table_column columns[] = {
        {"peer", TABLE_LEFT},    {"id", TABLE_LEFT},         {"rtt", TABLE_RIGHT},       {"least", TABLE_RIGHT},
        {"loss", TABLE_RIGHT},   {"pkts lost", TABLE_RIGHT}, {"pkts sent", TABLE_RIGHT}, {"pkts rcvd", TABLE_RIGHT},
        {"sent", TABLE_RIGHT},   {"received", TABLE_RIGHT},  {"events", TABLE_RIGHT},    {"last event", TABLE_LEFT},
        {"seen by", TABLE_LEFT}, {"msgs sent", TABLE_RIGHT}, {"msgs rcvd", TABLE_RIGHT}};
    bool messages = any_messages(json_get_array(answer, "peers")); /* else no columns for them */
    struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, messages ? COUNT_OF(columns) : COUNT_OF(columns) - 2, columns);
    json_array_foreach(json_get_array(answer, "peers"), i, row) {
        cell_text(&table, row, "name", STYLE_HEAD);
        cell_node_id(&table, view, json_get_hex(row, "peer_id", NODE_DIGITS));
        cell_duration(&table, row, "rtt");
        cell_duration(&table, row, "min_rtt");
        cell_loss(&table, row);
        cell_count(&table, row, "packets_lost", STYLE_BAD);
        cell_count(&table, row, "packets_sent", STYLE_PLAIN);
        cell_count(&table, row, "packets_received", STYLE_PLAIN);
        cell_bytes(&table, row, "bytes_sent");
        cell_bytes(&table, row, "bytes_received");
        cell_count(&table, row, "events", STYLE_PLAIN);
        cell_time(&table, view, row, "last");
        cell_nodes(&table, view, row);
        if (messages) cell_count(&table, row, "messages_sent", STYLE_PLAIN);
        if (messages) cell_count(&table, row, "messages_received", STYLE_PLAIN);
    }
    finish(out, view, &table, "no peers: no event in the history has one");
}

/* ---- traces ---- */

static void cell_outcome(struct table *table, const json_t *row) {
    const char *outcome = json_get_text(row, "outcome");
    enum style style = !outcome                                                    ? STYLE_PLAIN
                       : !strcmp(outcome, "ok")                                    ? STYLE_GOOD
                       : !strcmp(outcome, "failed") || !strcmp(outcome, "expired") ? STYLE_BAD
                       : !strcmp(outcome, "open")                                  ? STYLE_WARN
                                                                                   : STYLE_DIM;
    cell_text(table, row, "outcome", style);
}

static void cell_request(struct table *table, const json_t *row) {
    struct strbuf *cell = table_cell_begin(table, STYLE_HEAD);
    if (!event_request(cell, row, row)) strbuf_puts(cell, "-");
    table_cell_end(table);
}

void render_traces(struct strbuf *out, const struct view *view, const json_t *answer) {
    static const struct table_column columns[] = {{"trace", TABLE_LEFT},     {"began", TABLE_LEFT},      {"took", TABLE_RIGHT},
                                                  {"duration", TABLE_RIGHT}, {"outcome", TABLE_LEFT},    {"request", TABLE_LEFT},
                                                  {"events", TABLE_RIGHT},   {"pkts lost", TABLE_RIGHT}, {"nodes", TABLE_LEFT}};
    struct table table;
    size_t i;
    const json_t *row;
    const json_t *traces = json_get_array(answer, "traces");
    table_init(&table, COUNT_OF(columns), columns);
    json_array_foreach(traces, i, row) {
        names_short_trace(table_cell_begin(&table, STYLE_PLAIN), view->names, json_get_hex(row, "trace_id", TRACE_DIGITS));
        table_cell_end(&table);
        cell_time(&table, view, row, "first");
        cell_duration(&table, row, "took");
        cell_duration(&table, row, "duration");
        cell_outcome(&table, row);
        cell_request(&table, row);
        struct strbuf *cell = table_cell_begin(&table, STYLE_PLAIN);
        strbuf_printf(cell, "%s%" PRIu64, json_get_bool(row, "truncated") ? ">" : "", json_get_count(row, "events"));
        table_cell_end(&table);
        cell_count(&table, row, "packets_lost", STYLE_BAD);
        cell_nodes(&table, view, row);
    }
    finish(out, view, &table, "no traces of that kind; --kind is request, unless it is said, or connection");
    uint64_t total = json_get_count(answer, "total");
    if (view->header && json_array_size(traces) && total > json_array_size(traces))
        text_styled(out, view->color, STYLE_DIM, "%zu of %" PRIu64 "; --limit N shows more\n", json_array_size(traces), total);
}

/* ---- applications ---- */

void render_apps(struct strbuf *out, const struct view *view, const json_t *answer) {
    size_t i, j;
    const json_t *app, *item;
    const json_t *apps = json_get_array(answer, "apps");
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
