/* SPDX-License-Identifier: MIT
 *
 * Events as lines, for lists and for the live stream: the widths do not depend on later lines.  If the terminal is too narrow
 * for the description, other columns are dropped, the least important first, and the description takes several lines. */
#include "event_list.h"
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "list.h"

#include <inttypes.h>
#include <string.h>

#define KIND_COLUMNS 16
#define TIME_COLUMNS 15
#define TIME_RANK 1U
#define AGO_COLUMNS 7
#define ARROW_COLUMNS 3
#define OTHER_COLUMNS 10      /* of a field named by --fields */
#define EVENT_COLUMNS 28U     /* preferred width of the description */
#define EVENT_COLUMNS_MIN 12U /* if narrower, it continues at the left edge */

/* ---- cells ---- */

static enum style draw_event_time(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    (void)field;
    render_time(cell, view, event, false);
    return STYLE_PLAIN;
}

static json_t *event_time_new(const struct view *view, const json_t *event) {
    struct strbuf text = {0};
    uint64_t ns;
    (void)view;
    if (json_get_time(event, &ns)) record_time(&text, ns);
    json_t *time = text.bytes ? json_string(strbuf_text(&text)) : json_null();
    strbuf_fini(&text);
    return time;
}

static enum style draw_event_ago(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    (void)field;
    return draw_ago(cell, view, event);
}

static enum style draw_trace(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    names_short_trace(cell, view->names, json_get_hex(event, field, TRACE_DIGITS));
    return STYLE_ID;
}

static enum style draw_event_node(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    (void)field;
    render_event_node(cell, view, event);
    return STYLE_PLAIN;
}

static json_t *name_new(const struct view *view, const char *node_id, const json_t *event) {
    struct strbuf text = {0};
    if (!node_id) return json_null();
    if (event)
        names_event_node(&text, view->names, event);
    else
        names_node(&text, view->names, node_id);
    json_t *name = json_string(strbuf_text(&text));
    strbuf_fini(&text);
    return name;
}

static json_t *event_node_new(const struct view *view, const json_t *event) {
    return name_new(view, json_get_hex(event, "node_id", NODE_DIGITS), event);
}

static enum style draw_peer(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    const char *arrow = event_arrow(event);
    (void)field;
    if (!*arrow || event_is_gap(event)) return STYLE_PLAIN;
    text_styled(cell, view->color, STYLE_DIM, "%s ", arrow);
    render_node(cell, view, json_get_hex(event, "peer_id", NODE_DIGITS));
    return STYLE_PLAIN;
}

static json_t *peer_new(const struct view *view, const json_t *event) {
    return name_new(view, json_get_hex(event, "peer_id", NODE_DIGITS), NULL);
}

static enum style draw_kind(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    const char *kind = json_get_text(event, field);
    (void)view;
    if (kind)
        text_untrusted(cell, kind, strlen(kind), KIND_COLUMNS);
    else
        strbuf_puts(cell, "-");
    return STYLE_DIM;
}

static enum style draw_event(struct strbuf *cell, const struct view *view, const json_t *event, const char *field) {
    (void)field;
    event_describe(cell, view, event);
    return event_style(event);
}

static json_t *event_new(const struct view *view, const json_t *event) {
    struct strbuf text = {0};
    event_describe(&text, view, event);
    json_t *words = json_string(strbuf_text(&text));
    strbuf_fini(&text);
    return words;
}

static const struct list_column columns[] = {
    {"time", NULL, TABLE_LEFT, TIME_RANK, 0, LIST_IN_DATA, draw_event_time, event_time_new},
    {"ago", NULL, TABLE_RIGHT, 4, 0, LIST_AGO, draw_event_ago, ago_new},
    {"trace_id", "trace", TABLE_LEFT, 3, 0, 0, draw_trace},
    {"node", NULL, TABLE_LEFT, 0, 0, 0, draw_event_node, event_node_new},
    {"peer", "   peer", TABLE_LEFT, 2, 0, 0, draw_peer, peer_new},
    {"kind", NULL, TABLE_LEFT, 5, 0, 0, draw_kind},
    {"event", NULL, TABLE_LEFT, 0, 0, 0, draw_event, event_new},
    {"timestamp", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED | LIST_NAMED, draw_count},
    {"ns", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED | LIST_NAMED, draw_count},
    {"node_id", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_node_id},
    {"peer_id", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_node_id},
    {"lane", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, draw_count},
    {"sequence", NULL, TABLE_RIGHT, 1, 0, LIST_ASKED, draw_count},
    {"flags", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, NULL},
    {"app", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"command", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, draw_text},
    {"data", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, NULL},
    {"fields", NULL, TABLE_LEFT, 1, 0, LIST_ASKED, NULL},
};

const struct list event_list = {columns, sizeof columns / sizeof *columns, true};

/* ---- which columns, and how wide ---- */

struct layout {
    struct layout_column {
        struct list_column column;
        const char *title;
        unsigned width, between; /* columns, and spaces before them */
        bool hidden;
    } columns[TABLE_COLUMNS_MAX];
    unsigned count;
    bool last_is_event; /* and takes the remaining columns */
};

static unsigned width_of(const struct view *view, const struct list_column *column) {
    static const struct {
        const char *field;
        unsigned columns;
    } known[] = {{"time", TIME_COLUMNS}, {"ago", AGO_COLUMNS}, {"kind", KIND_COLUMNS}, {"timestamp", 16}, {"sequence", 8}};
    unsigned title = (unsigned)strlen(column->title ? column->title : column->field);
    if (column->draw == draw_trace) return view->names->traces.digits;
    if (column->draw == draw_event_node) return view->names->columns;
    if (column->draw == draw_peer) return view->names->columns + ARROW_COLUMNS;
    if (column->draw == draw_node_id) return view->names->nodes.digits;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].field, column->field)) return known[i].columns;
    return title > OTHER_COLUMNS ? title : OTHER_COLUMNS;
}

static void add_column(struct layout *layout, const struct view *view, const struct list_column *column) {
    if (layout->count == TABLE_COLUMNS_MAX) return;
    struct layout_column *added = &layout->columns[layout->count];
    bool after_node = layout->count && layout->columns[layout->count - 1].column.draw == draw_event_node;
    *added = (struct layout_column){.column = *column, .title = column->title ? column->title : column->field};
    added->width = width_of(view, column);
    added->between = !layout->count ? 0 : column->draw == draw_peer && after_node ? 1 : 2;
    layout->count++;
}

static unsigned taken(const struct layout *layout) {
    unsigned sum = 0;
    for (unsigned i = 0; i < layout->count; i++)
        if (!layout->columns[i].hidden && !(layout->last_is_event && i + 1 == layout->count))
            sum += layout->columns[i].width + layout->columns[i].between;
    return sum;
}

/* Hides the least important column, unless its rank is less. */
static bool hide_one(struct layout *layout, unsigned rank) {
    struct layout_column *least = NULL;
    for (unsigned i = 0; i < layout->count; i++) {
        struct layout_column *column = &layout->columns[i];
        if (!column->hidden && column->column.rank >= rank && (!least || column->column.rank >= least->column.rank))
            least = column;
    }
    if (least) least->hidden = true;
    return least;
}

static void lay_out(struct layout *layout, const struct view *view) {
    *layout = (struct layout){0};
    for (unsigned i = 0; !view->fields && i < event_list.count; i++) {
        bool ago = columns[i].flags & LIST_AGO;
        if (!(columns[i].flags & LIST_ASKED) && (!ago || view->now_ns)) add_column(layout, view, &columns[i]);
    }
    for (unsigned i = 0; view->fields && i < view->fields->count; i++) {
        struct list_column column = {.field = view->fields->names[i]};
        for (unsigned k = 0; k < event_list.count; k++)
            if (!strcmp(columns[k].field, column.field)) column = columns[k];
        column.rank = (unsigned char)(i < 200 ? i : 200);
        add_column(layout, view, &column);
    }
    layout->last_is_event = layout->count && layout->columns[layout->count - 1].column.draw == draw_event;
    if (layout->last_is_event) layout->columns[layout->count - 1].column.rank = 0;
    unsigned wanted = layout->last_is_event ? EVENT_COLUMNS + 2 : 0;
    while (view->columns && taken(layout) + wanted > view->columns && hide_one(layout, view->fields ? 1 : TIME_RANK + 1))
        continue;
    /* The time stays as long as it fits at all: the description can do with less. */
    while (view->columns && taken(layout) + 2 > view->columns && hide_one(layout, 1)) continue;
}

/* ---- lines ---- */

static void put_cell(struct strbuf *out, const struct view *view, const struct layout_column *column, const json_t *event) {
    struct strbuf cell = {0};
    enum style style = list_draw_cell(&cell, view, &column->column, event);
    unsigned columns_used = text_columns(strbuf_text(&cell), cell.bytes);
    if (column->column.align == TABLE_RIGHT && columns_used < column->width) strbuf_spaces(out, column->width - columns_used);
    text_style_on(out, view->color, style);
    strbuf_add(out, strbuf_text(&cell), cell.bytes);
    text_style_off(out, view->color, style);
    out->failed |= cell.failed;
    strbuf_fini(&cell);
}

static void render_line(struct strbuf *out, const struct view *view, const struct layout *layout, const json_t *event) {
    struct strbuf line = {0};
    unsigned behind = 0; /* where the description begins */
    for (unsigned i = 0; i < layout->count; i++) {
        const struct layout_column *column = &layout->columns[i];
        if (column->hidden) continue;
        if (line.bytes) strbuf_spaces(&line, column->between);
        size_t begin = line.bytes;
        if (i + 1 == layout->count) behind = text_columns(strbuf_text(&line), line.bytes);
        put_cell(&line, view, column, event);
        if (i + 1 < layout->count) text_pad(&line, begin, column->width);
    }
    bool narrow = view->columns && behind + EVENT_COLUMNS_MIN > view->columns;
    text_wrap_line(out, strbuf_text(&line), line.bytes, view->columns, narrow ? 2 : behind);
    strbuf_puts(out, "\n");
    out->failed |= line.failed;
    strbuf_fini(&line);
}

void render_events_titles(struct strbuf *out, const struct view *view) {
    struct layout layout;
    size_t line = out->bytes;
    if (!view->header) return;
    lay_out(&layout, view);
    text_style_on(out, view->color, STYLE_HEAD);
    for (unsigned i = 0; i < layout.count; i++) {
        const struct layout_column *column = &layout.columns[i];
        unsigned title = (unsigned)strlen(column->title);
        if (column->hidden) continue;
        if (text_columns(out->text ? out->text + line : "", out->bytes - line)) strbuf_spaces(out, column->between);
        if (column->column.align == TABLE_RIGHT && title < column->width) strbuf_spaces(out, column->width - title);
        strbuf_puts(out, column->title);
        if (column->column.align == TABLE_LEFT && i + 1 < layout.count && title < column->width)
            strbuf_spaces(out, column->width - title);
    }
    text_style_off(out, view->color, STYLE_HEAD);
    strbuf_puts(out, "\n");
}

void render_events_hidden(struct strbuf *out, const struct view *view) {
    struct layout layout;
    unsigned hidden = 0;
    if (!view->header) return;
    lay_out(&layout, view);
    for (unsigned i = 0; i < layout.count; i++) {
        if (!layout.columns[i].hidden) continue;
        if (!hidden) text_style_on(out, view->color, STYLE_DIM);
        strbuf_puts(out, hidden++ ? ", " : "no room for: ");
        strbuf_puts(out, layout.columns[i].title + strspn(layout.columns[i].title, " "));
    }
    if (!hidden) return;
    strbuf_puts(out, "; --fields chooses");
    text_style_off(out, view->color, STYLE_DIM);
    strbuf_puts(out, "\n");
}

void render_missed(struct strbuf *out, const struct view *view, uint64_t count, bool at_most, const char *why) {
    text_style_on(out, view->color, STYLE_BAD);
    strbuf_puts(out, at_most ? "!! at most " : "!! ");
    text_count(out, count, at_most ? "matching event" : "event");
    strbuf_printf(out, " missed here: %s", why);
    text_style_off(out, view->color, STYLE_BAD);
    strbuf_puts(out, "\n");
}

void render_events(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct layout layout;
    size_t i;
    json_t *event;
    lay_out(&layout, view);
    /* Also sorts those of a notification: several lanes are drained one after another, and time order reads better. */
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    if (!events) out->failed = true;
    json_array_foreach(events, i, event) render_line(out, view, &layout, event);
    json_decref(events);
}

void render_peer(struct strbuf *out, const struct view *view, const json_t *answer) {
    json_t *peer = json_object_get(answer, "peer");
    json_t *peers = json_pack("{s:[O]}", "peers", peer ? peer : json_null());
    struct view head = *view;
    if (!peers) {
        out->failed = true;
        return;
    }
    head.fields = NULL; /* they are the events' */
    strbuf_puts(out, "peer ");
    text_member(out, peer, "peer_id");
    strbuf_puts(out, "\n");
    render_peers(out, &head, peers);
    json_decref(peers);
    strbuf_puts(out, "\n");
    if (!json_array_size(json_get_array(answer, "events"))) return;
    render_events_titles(out, view);
    render_events(out, view, answer);
    render_events_hidden(out, view);
}
