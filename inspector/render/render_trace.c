/* SPDX-License-Identifier: MIT
 *
 * One request across its nodes: first what went wrong, then what happened line by line, finally where the time went. */
#include "event_list.h"
#include "event_role.h"
#include "fold.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "render_path.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GAP_COLUMNS 8
#define INDENT 2

struct drawing {
    struct strbuf *out;
    const struct view *view;
    const struct timeline *timeline;
    unsigned since_columns;
    unsigned node_columns;
    unsigned peer_columns; /* arrow included */
    bool gap, peer;        /* is there room for these columns? */
};

/* Preferred width of the description. */
#define TEXT_COLUMNS 28U

/* ---- lines ---- */

static void right(struct strbuf *out, bool color, enum style style, const struct strbuf *text, unsigned columns) {
    unsigned used = text_columns(strbuf_text(text), text->bytes);
    if (used < columns) strbuf_spaces(out, columns - used);
    text_styled(out, color, style, "%s", strbuf_text(text));
}

/* Where the texts begin, without the indent of their hops. */
static unsigned text_at(const struct drawing *drawing) {
    return drawing->since_columns + (drawing->gap ? GAP_COLUMNS + 2 : 0) + 3 + drawing->node_columns + 2 +
           (drawing->peer ? drawing->peer_columns + 2 : 0);
}

/* The columns before the text: time since the start, gap, node, peer. */
static void line_begin(const struct drawing *drawing, struct strbuf *out, const struct timeline_item *item, const char *arrow) {
    struct strbuf number = {0};
    bool color = drawing->view->color, first = item == drawing->timeline->items;
    timeline_since(&number, drawing->timeline, item->node, item->time_ns);
    right(out, color, STYLE_PLAIN, &number, drawing->since_columns);
    strbuf_clear(&number);
    if (!first) timeline_gap(&number, drawing->timeline, item);
    if (drawing->gap) strbuf_puts(out, "  ");
    if (drawing->gap) right(out, color, item->gap_is_big ? STYLE_WARN : STYLE_DIM, &number, GAP_COLUMNS);
    strbuf_fini(&number);
    text_styled(out, color, item->gap_is_big ? STYLE_WARN : STYLE_PLAIN, item->gap_is_big ? " * " : "   ");

    size_t begin = out->bytes;
    render_node(out, drawing->view, json_get_hex(item->event, "node_id", NODE_DIGITS));
    text_pad(out, begin, drawing->node_columns);
    strbuf_puts(out, "  ");
    begin = out->bytes;
    if (drawing->peer && *arrow && item->kind != TRACE_KIND_EVENTS_LOST) {
        text_styled(out, color, STYLE_DIM, "%s ", arrow);
        render_node(out, drawing->view, json_get_hex(item->event, "peer_id", NODE_DIGITS));
    }
    if (drawing->peer) text_pad(out, begin, drawing->peer_columns);
    if (drawing->peer) strbuf_puts(out, "  ");

    const struct timeline_span *span = item->span == NO_SPAN ? NULL : &drawing->timeline->spans[item->span];
    bool edge = span && (item->event == span->start || item->event == span->end);
    unsigned depth = item->depth < SPAN_INDENT_MAX ? item->depth : SPAN_INDENT_MAX;
    strbuf_spaces(out, INDENT * (depth + (span && !edge)));
}

/* Appends a line whose text begins at that byte; if it does not fit, the text continues below: where it begins, or else where
 * the column does, or else at the left edge. */
static void line_end(const struct drawing *drawing, struct strbuf *line, size_t text) {
    unsigned behind = text_columns(strbuf_text(line), text), columns = drawing->view->columns;
    if (columns && behind + TEXT_COLUMNS / 2 > columns) behind = text_at(drawing);
    text_wrap_line(drawing->out, strbuf_text(line), line->bytes, columns,
                   columns && behind + TEXT_COLUMNS / 2 > columns ? 2 : behind);
    strbuf_puts(drawing->out, "\n");
    drawing->out->failed |= line->failed;
    strbuf_fini(line);
}

static void draw_item(const struct drawing *drawing, const struct timeline_item *item) {
    const struct timeline_span *span = item->span == NO_SPAN ? NULL : &drawing->timeline->spans[item->span];
    struct strbuf line = {0}, *out = &line;
    bool color = drawing->view->color;
    enum style style = event_style(item->event);
    line_begin(drawing, out, item, timeline_arrow(drawing->timeline, item));
    size_t text = out->bytes;
    text_style_on(out, color, style);
    event_describe(out, drawing->view, item->event);
    text_style_off(out, color, style);
    if (span && span->end == item->event && span->start) {
        strbuf_puts(out, " after ");
        timeline_duration(out, drawing->timeline, span->start_ns, span->end_ns);
    }
    if (span && span->end == item->event && !span->start) text_styled(out, color, STYLE_DIM, " (its start is not here)");
    if (span && span->start == item->event && span->parent_missing)
        text_styled(out, color, STYLE_DIM, " (what caused it is not here)");
    line_end(drawing, out, text);
}

/* ---- runs of transport events ---- */

static void draw_fold(const struct drawing *drawing, const struct fold *fold) {
    struct strbuf line = {0};
    bool color = drawing->view->color;
    line_begin(drawing, &line, fold->first, fold->arrow);
    size_t text = line.bytes;
    text_style_on(&line, color, STYLE_DIM);
    strbuf_puts(&line, "... ");
    fold_describe(&line, drawing->view, fold);
    text_style_off(&line, color, STYLE_DIM);
    line_end(drawing, &line, text);
}

/* Draws a run of items that can be folded: each group is one line, at the place of its first item. */
static void draw_run(const struct drawing *drawing, const struct timeline_item *items, size_t count) {
    struct fold groups[FOLD_GROUPS_MAX];
    int *group_of = calloc(count, sizeof *group_of);
    if (!group_of) {
        drawing->out->failed = true;
        return;
    }
    fold_groups(items, count, groups, group_of);
    for (size_t i = 0; i < count; i++) {
        const struct fold *fold = group_of[i] < 0 ? NULL : &groups[group_of[i]];
        if (!fold || fold->items == 1)
            draw_item(drawing, &items[i]);
        else if (fold->first == &items[i])
            draw_fold(drawing, fold);
    }
    free(group_of);
}

static void draw_items(const struct drawing *drawing) {
    const struct timeline *timeline = drawing->timeline;
    for (size_t begin = 0; begin < timeline->item_count;) {
        size_t count = drawing->view->all ? 0 : fold_run(timeline, begin);
        if (count)
            draw_run(drawing, timeline->items + begin, count);
        else
            draw_item(drawing, &timeline->items[begin]);
        begin += count ? count : 1;
    }
}

/* The widest time, node name, and peer with its arrow. */
static void measure(struct drawing *drawing) {
    struct strbuf name = {0};
    drawing->since_columns = timeline_since_columns(drawing->timeline);
    if (drawing->since_columns < strlen("since")) drawing->since_columns = strlen("since");
    for (size_t i = 0; i < drawing->timeline->item_count; i++) {
        const struct timeline_item *item = &drawing->timeline->items[i];
        strbuf_clear(&name);
        names_node(&name, drawing->view->names, json_get_hex(item->event, "node_id", NODE_DIGITS));
        unsigned columns = text_columns(strbuf_text(&name), name.bytes);
        if (columns > drawing->node_columns) drawing->node_columns = columns;
        if (!*event_arrow(item->event) || item->kind == TRACE_KIND_EVENTS_LOST) continue;
        strbuf_clear(&name);
        names_node(&name, drawing->view->names, json_get_hex(item->event, "peer_id", NODE_DIGITS));
        columns = text_columns(strbuf_text(&name), name.bytes) + 3;
        if (columns > drawing->peer_columns) drawing->peer_columns = columns;
    }
    strbuf_fini(&name);
}

/* Leaves out the gap, and then the peer, if the terminal is too narrow. */
static void make_room(struct drawing *drawing) {
    unsigned columns = drawing->view->columns, taken = drawing->since_columns + 3 + drawing->node_columns + 2 + TEXT_COLUMNS;
    unsigned peer = drawing->peer_columns ? drawing->peer_columns + 2 : 0;
    drawing->gap = !columns || taken + peer + GAP_COLUMNS + 2 <= columns;
    drawing->peer = peer && (!columns || taken + peer <= columns);
}

static void draw_titles(const struct drawing *drawing) {
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    text_style_on(out, color, STYLE_HEAD);
    size_t begin = out->bytes;
    strbuf_printf(out, "%*s", (int)drawing->since_columns, "since");
    if (drawing->gap) strbuf_printf(out, "  %*s", GAP_COLUMNS, "gap");
    strbuf_puts(out, "   node");
    text_pad(out, begin, drawing->since_columns + (drawing->gap ? GAP_COLUMNS + 2 : 0) + 3 + drawing->node_columns);
    strbuf_puts(out, "  ");
    begin = out->bytes;
    if (drawing->peer) strbuf_puts(out, "peer");
    if (drawing->peer) text_pad(out, begin, drawing->peer_columns + 2);
    strbuf_puts(out, "event");
    text_style_off(out, color, STYLE_HEAD);
    strbuf_puts(out, "\n");
}

/* Below the lines, as in tables. */
static void draw_hidden(const struct drawing *drawing) {
    bool peer = drawing->peer == (drawing->peer_columns > 0);
    if (drawing->gap && peer) return;
    text_styled(drawing->out, drawing->view->color, STYLE_DIM, "no room for: gap%s; a wider terminal shows %s\n",
                peer ? "" : ", peer", peer ? "it" : "them");
}

/* ---- the summary: where the time went, and the longest gap ---- */

static void draw_summary(const struct drawing *drawing) {
    const struct timeline *timeline = drawing->timeline;
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    render_path(out, drawing->view, timeline);
    if (timeline->longest_gap_ns) {
        const struct timeline_item *item = &timeline->items[timeline->longest_gap];
        strbuf_puts(out, "longest gap: ");
        text_style_on(out, color, STYLE_WARN);
        text_duration(out, timeline->longest_gap_ns);
        text_style_off(out, color, STYLE_WARN);
        strbuf_puts(out, ", until ");
        timeline_since(out, timeline, item->node, item->time_ns);
        strbuf_puts(out, " at ");
        render_node(out, drawing->view, json_get_hex(item->event, "node_id", NODE_DIGITS));
        strbuf_puts(out, ": ");
        event_describe(out, drawing->view, item->event);
        strbuf_puts(out, "\n");
    }
}

void render_trace(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct timeline timeline;
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    if (!events || timeline_init(&timeline, events, answer, view->names->answer)) {
        out->failed = true;
        json_decref(events);
        return;
    }
    struct drawing drawing = {.out = out, .view = view, .timeline = &timeline, .node_columns = 4};
    render_trace_head(out, view, answer, &timeline);
    measure(&drawing);
    make_room(&drawing);
    if (timeline.item_count) {
        strbuf_puts(out, "\n");
        if (view->header) draw_titles(&drawing);
        draw_items(&drawing);
        if (view->header) draw_hidden(&drawing);
        strbuf_puts(out, "\n");
        draw_summary(&drawing);
    }
    timeline_fini(&timeline);
    json_decref(events);
}
