/* SPDX-License-Identifier: MIT
 *
 * The view that the product is for: one request across its nodes.  First what went wrong, then what happened line by line, at
 * last where the time went. */
#include "events.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "timeline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TIME_COLUMNS 9
#define INDENT 2

struct drawing {
    struct strbuf *out;
    const struct view *view;
    const struct timeline *timeline;
    unsigned node_columns;
    unsigned peer_columns; /* arrow included */
};

/* ---- lines ---- */

static void pad(struct strbuf *out, size_t begin, unsigned columns) {
    unsigned used = text_columns(out->text ? out->text + begin : "", out->bytes - begin);
    if (used < columns) strbuf_spaces(out, columns - used);
}

static void right(struct strbuf *out, bool color, enum style style, const struct strbuf *text, unsigned columns) {
    unsigned used = text_columns(strbuf_text(text), text->bytes);
    if (used < columns) strbuf_spaces(out, columns - used);
    text_styled(out, color, style, "%s", strbuf_text(text));
}

/* The columns before the text: time since the start, gap, node, peer. */
static void line_begin(const struct drawing *drawing, const struct timeline_item *item) {
    struct strbuf *out = drawing->out, number = {0};
    bool color = drawing->view->color, first = item == drawing->timeline->items;
    strbuf_puts(&number, "+");
    text_duration(&number, item->time_ns - drawing->timeline->start_ns);
    right(out, color, STYLE_PLAIN, &number, TIME_COLUMNS);
    strbuf_clear(&number);
    if (!first) text_duration(&number, item->gap_ns);
    strbuf_puts(out, "  ");
    right(out, color, item->gap_is_big ? STYLE_WARN : STYLE_DIM, &number, TIME_COLUMNS);
    strbuf_fini(&number);
    text_styled(out, color, item->gap_is_big ? STYLE_WARN : STYLE_PLAIN, item->gap_is_big ? " * " : "   ");

    size_t begin = out->bytes;
    render_node(out, drawing->view, json_get_hex(item->event, "node_id", NODE_DIGITS));
    pad(out, begin, drawing->node_columns);
    strbuf_puts(out, "  ");
    begin = out->bytes;
    const char *arrow = event_arrow(item->event);
    if (*arrow && !item->is_gap) {
        text_styled(out, color, STYLE_DIM, "%s ", arrow);
        render_node(out, drawing->view, json_get_hex(item->event, "peer_id", NODE_DIGITS));
    }
    pad(out, begin, drawing->peer_columns);
    if (drawing->peer_columns) strbuf_puts(out, "  ");

    const struct timeline_span *span = item->span == NO_SPAN ? NULL : &drawing->timeline->spans[item->span];
    bool edge = span && (item->event == span->start || item->event == span->end);
    unsigned depth = item->depth < SPAN_INDENT_MAX ? item->depth : SPAN_INDENT_MAX;
    strbuf_spaces(out, INDENT * (depth + (span && !edge)));
}

static void draw_item(const struct drawing *drawing, const struct timeline_item *item) {
    const struct timeline_span *span = item->span == NO_SPAN ? NULL : &drawing->timeline->spans[item->span];
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    enum style style = event_style(item->event);
    line_begin(drawing, item);
    text_style_on(out, color, style);
    event_describe(out, drawing->view, item->event);
    text_style_off(out, color, style);
    if (span && span->end == item->event && span->start) {
        strbuf_puts(out, " after ");
        text_duration(out, span->end_ns - span->start_ns);
    }
    if (span && span->end == item->event && !span->start) text_styled(out, color, STYLE_DIM, " (its start is not here)");
    if (span && span->start == item->event && span->parent_missing)
        text_styled(out, color, STYLE_DIM, " (what caused it is not here)");
    strbuf_puts(out, "\n");
}

/* ---- runs of similar packets ---- */

struct group {
    const struct timeline_item *first, *last;
    const char *kind, *peer;
    uint64_t stream_id, bytes, count;
    bool sent;
};

static bool is_foldable(const struct timeline_item *item) {
    static const char *const kinds[] = {"packet_sent", "packet_received", "stream_data", "metrics"};
    const char *kind = json_get_text(item->event, "kind");
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i], kind)) return true;
    return false;
}

static struct group group_of(const struct timeline_item *item) {
    const json_t *data = json_object_get(item->event, "data");
    bool stream = !strcmp(json_get_text(item->event, "kind"), "stream_data");
    return (struct group){.first = item,
                          .last = item,
                          .kind = json_get_text(item->event, "kind"),
                          .peer = json_get_hex(item->event, "peer_id", NODE_DIGITS),
                          .stream_id = json_get_count(data, "stream_id"),
                          .bytes = json_get_count(data, stream ? "length" : "size"),
                          .count = 1,
                          .sent = json_get_bool(data, "sent")};
}

static bool same_group(const struct group *a, const struct group *b) {
    bool same_peer = a->peer && b->peer ? !strcmp(a->peer, b->peer) : a->peer == b->peer;
    return a->first->node == b->first->node && same_peer && !strcmp(a->kind, b->kind) && a->stream_id == b->stream_id &&
           a->sent == b->sent;
}

/* The group of an item, or NULL when it was not noted. */
static struct group *find_group(struct group *groups, size_t count, const struct group *like) {
    for (size_t i = 0; i < count; i++)
        if (same_group(&groups[i], like)) return &groups[i];
    return NULL;
}

static void draw_group(const struct drawing *drawing, const struct group *group) {
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    line_begin(drawing, group->first);
    text_style_on(out, color, STYLE_DIM);
    strbuf_puts(out, "... ");
    if (!strcmp(group->kind, "metrics")) {
        strbuf_printf(out, "%" PRIu64 " samples, the last ", group->count);
        event_describe(out, drawing->view, group->last->event);
    } else if (!strcmp(group->kind, "stream_data")) {
        strbuf_printf(out, "stream %" PRIu64 ": %s ", group->stream_id, group->sent ? "sent" : "received");
        text_bytes(out, group->bytes);
        strbuf_printf(out, " in %" PRIu64 " pieces", group->count);
    } else {
        text_count(out, group->count, "packet");
        strbuf_puts(out, !strcmp(group->kind, "packet_sent") ? " sent, " : " received, ");
        text_bytes(out, group->bytes);
    }
    strbuf_puts(out, " over ");
    text_duration(out, group->last->time_ns - group->first->time_ns);
    text_style_off(out, color, STYLE_DIM);
    strbuf_puts(out, "\n");
}

/* Draws items [begin, end), all foldable: a group of FOLD_MIN or more is one line where its first item is. */
static void draw_run(const struct drawing *drawing, size_t begin, size_t end) {
    struct group groups[FOLD_GROUPS_MAX];
    size_t group_count = 0;
    const struct timeline_item *items = drawing->timeline->items;
    for (size_t i = begin; i < end; i++) {
        struct group one = group_of(&items[i]), *group = find_group(groups, group_count, &one);
        if (group) {
            group->count++;
            group->bytes = group->bytes > UINT64_MAX - one.bytes ? UINT64_MAX : group->bytes + one.bytes;
            group->last = &items[i];
        } else if (group_count < FOLD_GROUPS_MAX) {
            groups[group_count++] = one;
        }
    }
    for (size_t i = begin; i < end; i++) {
        struct group one = group_of(&items[i]), *group = find_group(groups, group_count, &one);
        if (!group || group->count < FOLD_MIN)
            draw_item(drawing, &items[i]);
        else if (group->first == &items[i])
            draw_group(drawing, group);
    }
}

static void draw_items(const struct drawing *drawing) {
    const struct timeline *timeline = drawing->timeline;
    for (size_t begin = 0; begin < timeline->item_count;) {
        size_t end = begin;
        while (!drawing->view->all && end < timeline->item_count && is_foldable(&timeline->items[end]) &&
               (end == begin || !timeline->items[end].gap_is_big))
            end++;
        if (end > begin)
            draw_run(drawing, begin, end);
        else
            draw_item(drawing, &timeline->items[end++]);
        begin = end;
    }
}

/* The widest node name and the widest peer with its arrow. */
static void measure(struct drawing *drawing) {
    struct strbuf name = {0};
    for (size_t i = 0; i < drawing->timeline->item_count; i++) {
        const struct timeline_item *item = &drawing->timeline->items[i];
        strbuf_clear(&name);
        names_node(&name, drawing->view->names, json_get_hex(item->event, "node_id", NODE_DIGITS));
        unsigned columns = text_columns(strbuf_text(&name), name.bytes);
        if (columns > drawing->node_columns) drawing->node_columns = columns;
        if (!*event_arrow(item->event) || item->is_gap) continue;
        strbuf_clear(&name);
        names_node(&name, drawing->view->names, json_get_hex(item->event, "peer_id", NODE_DIGITS));
        columns = text_columns(strbuf_text(&name), name.bytes) + 3;
        if (columns > drawing->peer_columns) drawing->peer_columns = columns;
    }
    strbuf_fini(&name);
}

static void draw_titles(const struct drawing *drawing) {
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    text_style_on(out, color, STYLE_HEAD);
    size_t begin = out->bytes;
    strbuf_printf(out, "%*s  %*s   ", TIME_COLUMNS, "since", TIME_COLUMNS, "gap");
    strbuf_puts(out, "node");
    pad(out, begin, 2 * TIME_COLUMNS + 5 + drawing->node_columns);
    strbuf_puts(out, "  ");
    begin = out->bytes;
    if (drawing->peer_columns) strbuf_puts(out, "peer");
    pad(out, begin, drawing->peer_columns);
    if (drawing->peer_columns) strbuf_puts(out, "  ");
    strbuf_puts(out, "event");
    text_style_off(out, color, STYLE_HEAD);
    strbuf_puts(out, "\n");
}

/* ---- the summary: a line for the nodes, one for the gap ---- */

static void draw_summary(const struct drawing *drawing) {
    const struct timeline *timeline = drawing->timeline;
    struct strbuf *out = drawing->out;
    bool color = drawing->view->color;
    uint64_t whole = timeline->end_ns - timeline->start_ns;
    const char *separator = "time went to: ";
    if (!whole) return;
    for (size_t i = 0; timeline->span_count && i <= timeline->node_count; i++) {
        bool outside = i == timeline->node_count;
        uint64_t ns = outside ? timeline->outside_ns : timeline->nodes[i].time_ns;
        if (!ns) continue;
        strbuf_puts(out, separator);
        if (outside)
            strbuf_puts(out, "outside any request");
        else
            render_node(out, drawing->view, timeline->nodes[i].node_id);
        strbuf_puts(out, " ");
        text_duration(out, ns);
        text_styled(out, color, STYLE_DIM, " (%.0f %%)", 100.0 * (double)ns / (double)whole);
        separator = ", ";
    }
    if (timeline->longest_gap_ns) {
        const struct timeline_item *item = &timeline->items[timeline->longest_gap];
        if (timeline->span_count) strbuf_puts(out, "\n");
        strbuf_puts(out, "longest gap: ");
        text_style_on(out, color, STYLE_WARN);
        text_duration(out, timeline->longest_gap_ns);
        text_style_off(out, color, STYLE_WARN);
        strbuf_puts(out, ", until +");
        text_duration(out, item->time_ns - timeline->start_ns);
        strbuf_puts(out, " at ");
        render_node(out, drawing->view, json_get_hex(item->event, "node_id", NODE_DIGITS));
        strbuf_puts(out, ": ");
        event_describe(out, drawing->view, item->event);
    }
    strbuf_puts(out, "\n");
}

void render_trace(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct timeline timeline;
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    if (!events || timeline_init(&timeline, events)) {
        out->failed = true;
        json_decref(events);
        return;
    }
    struct drawing drawing = {.out = out, .view = view, .timeline = &timeline, .node_columns = 4};
    render_trace_head(out, view, answer, &timeline);
    measure(&drawing);
    if (timeline.item_count) {
        strbuf_puts(out, "\n");
        if (view->header) draw_titles(&drawing);
        draw_items(&drawing);
        strbuf_puts(out, "\n");
        draw_summary(&drawing);
    }
    timeline_fini(&timeline);
    json_decref(events);
}
