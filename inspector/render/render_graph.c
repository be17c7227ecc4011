/* SPDX-License-Identifier: MIT
 *
 * One trace as a space-time diagram: a column for each node, time downwards.  The arrow of a packet leaves its sender's column
 * in the row where it was sent, runs down between the columns, and arrives in the row where it was received; that of a request
 * or an answer stays in one row.
 *
 * What does not fit is left out and reported: nodes beyond the width, arrows beyond the lanes between two columns (their ends
 * stay). */
#include "event_list.h"
#include "event_role.h"
#include "graph.h"
#include "graph_canvas.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "render_path.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define GAP_COLUMNS 8
#define TEXT_COLUMNS_MIN 22 /* beside the diagram, on a terminal */
#define NODE_COLUMNS_MIN 6  /* of a node, without its name */
#define NODE_COLUMNS_MAX 16
#define NO_ARROW ((size_t)-1)

struct diagram {
    struct strbuf *out;
    const struct view *view;
    const struct timeline *timeline;
    const struct graph *graph;
    unsigned since_columns;
    int *place;      /* of each node: which column it has, or -1 */
    unsigned *shown; /* nodes by column */
    unsigned shown_count;
    unsigned columns; /* of one node */
    bool numbered;    /* the titles are numbers, because names do not fit */
    unsigned *busy;   /* of each node: its open spans */
    bool *gone;       /* of each node: it has ended, and has no line until it runs again */
    bool *passed;     /* of each end: the rows are behind it */
    size_t *lanes;    /* for each column of the line: the arrow that runs down there, or NO_ARROW */
    size_t next;      /* the next arrow to begin */
    struct canvas canvas;
};

static const char *node_id(const struct diagram *diagram, unsigned node) {
    return node < diagram->timeline->node_count ? diagram->timeline->nodes[node].node_id : NULL;
}

/* Where a node's line is.  Only for nodes that have a column. */
static unsigned line_of(const struct diagram *diagram, unsigned node) {
    return (unsigned)diagram->place[node] * diagram->columns;
}

static bool has_place(const struct diagram *diagram, unsigned node) {
    return node < diagram->timeline->node_count && diagram->place[node] >= 0;
}

/* ---- who gets a column ---- */

struct candidate {
    unsigned node;
    uint64_t weight;
};

static int heavier(const void *left, const void *right) {
    const struct candidate *a = left, *b = right;
    if (a->weight != b->weight) return a->weight > b->weight ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* The nodes that took part in the request come first, then those with the most rows. */
static int choose_nodes(struct diagram *diagram, unsigned count_max) {
    const struct timeline *timeline = diagram->timeline;
    struct candidate *candidates = calloc(timeline->node_count + 1, sizeof *candidates);
    if (!candidates) return -1;
    for (size_t i = 0; i < timeline->node_count; i++) candidates[i].node = (unsigned)i, diagram->place[i] = -1;
    for (size_t i = 0; i < timeline->item_count; i++) candidates[timeline->items[i].node].weight++;
    for (size_t i = 0; i < timeline->span_count; i++) candidates[timeline->spans[i].node].weight += timeline->item_count;
    qsort(candidates, timeline->node_count, sizeof *candidates, heavier);
    for (size_t i = 0; i < timeline->node_count && i < count_max; i++) diagram->place[candidates[i].node] = 0;
    free(candidates);
    for (size_t i = 0; i < timeline->node_count; i++) {
        if (diagram->place[i] < 0) continue;
        diagram->place[i] = (int)diagram->shown_count;
        diagram->shown[diagram->shown_count++] = (unsigned)i;
    }
    return 0;
}

static unsigned widest_name(const struct diagram *diagram) {
    struct strbuf name = {0};
    unsigned widest = 0;
    for (size_t i = 0; i < diagram->timeline->node_count; i++) {
        strbuf_clear(&name);
        names_node(&name, diagram->view->names, diagram->timeline->nodes[i].node_id);
        unsigned columns = text_columns(strbuf_text(&name), name.bytes);
        if (columns > widest) widest = columns;
    }
    strbuf_fini(&name);
    return widest;
}

/* Columns for the nodes: as wide as their names need, narrower if they must be, and fewer if that is not enough. */
static int lay_out(struct diagram *diagram) {
    diagram->since_columns = timeline_since_columns(diagram->timeline);
    if (diagram->since_columns < strlen("since")) diagram->since_columns = strlen("since");

    unsigned name = widest_name(diagram), count = GRAPH_NODES_MAX,
             taken = diagram->since_columns + GAP_COLUMNS + 5 + TEXT_COLUMNS_MIN;
    unsigned width = name + 2 < NODE_COLUMNS_MIN + 4 ? NODE_COLUMNS_MIN + 4
                     : name + 2 < NODE_COLUMNS_MAX   ? name + 2
                                                     : NODE_COLUMNS_MAX;
    if (diagram->timeline->node_count < count) count = (unsigned)diagram->timeline->node_count;
    if (diagram->view->columns) {
        unsigned room = diagram->view->columns > taken ? diagram->view->columns - taken : 0;
        if (room < 2 * NODE_COLUMNS_MIN)
            room = 2 * NODE_COLUMNS_MIN; /* on a narrow terminal the diagram has precedence over the text */
        if (room / NODE_COLUMNS_MIN < count) count = room / NODE_COLUMNS_MIN;
        if (room / count < width) width = room / count;
    }
    diagram->columns = width;
    diagram->numbered = name + 1 > width;
    if (choose_nodes(diagram, count) || canvas_init(&diagram->canvas, count * width, diagram->view->utf8)) return -1;
    diagram->lanes = malloc(((size_t)count * width + 1) * sizeof *diagram->lanes);
    for (size_t i = 0; diagram->lanes && i <= (size_t)count * width; i++) diagram->lanes[i] = NO_ARROW;
    return diagram->lanes ? 0 : -1;
}

/* ---- arrows of packets ---- */

/* One end of an arrow in a lane: from the node's line to the lane, and on down or up. */
static void draw_end(struct diagram *diagram, unsigned node, unsigned lane, unsigned onwards, bool arrives, enum style style) {
    unsigned line = line_of(diagram, node);
    bool right = lane > line; /* of the node */
    canvas_line(&diagram->canvas, line, lane, false, style);
    canvas_stroke(&diagram->canvas, lane, onwards | (right ? STROKE_LEFT : STROKE_RIGHT), style);
    if (arrives) canvas_mark(&diagram->canvas, right ? line + 1 : line - 1, right ? MARK_LEFT : MARK_RIGHT, style);
}

/* An end of an arrow whose other end is not drawn. */
static void draw_stub(struct diagram *diagram, unsigned node, bool right, enum canvas_mark mark, enum style style) {
    unsigned line = line_of(diagram, node);
    if (!right && !line) right = true; /* there is no room to the left of the first */
    unsigned near = right ? line + 1 : line - 1, far = right ? line + 2 : line - 2;
    bool at_node = mark == MARK_RIGHT;
    if (mark == MARK_RIGHT) mark = right ? MARK_LEFT : MARK_RIGHT;
    if (mark == MARK_STUB_RIGHT && !right) mark = MARK_STUB_LEFT;
    canvas_stroke(&diagram->canvas, at_node ? far : near, STROKE_LEFT | STROKE_RIGHT, style);
    canvas_mark(&diagram->canvas, at_node ? near : far, mark, style);
}

/* A free lane beside the sender's line, on the receiver's side: the one in the middle first.  0: none is free. */
static unsigned find_lane(const struct diagram *diagram, const struct graph_arrow *arrow) {
    bool right = diagram->place[arrow->to] > diagram->place[arrow->from];
    unsigned line = line_of(diagram, arrow->from), width = diagram->columns;
    unsigned begin = right ? line + 2 : line - width + 2, count = width - 3;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = begin + (count / 2 + (i % 2 ? (i + 1) / 2 : count - i / 2)) % count;
        if (diagram->lanes[at] == NO_ARROW) return at;
    }
    return 0;
}

static enum style arrow_style(const struct graph_arrow *arrow) {
    return arrow->to_row < arrow->from_row ? STYLE_BAD : STYLE_PLAIN;
}

/* Begins the arrows whose upper end is in this row. */
static void begin_arrows(struct diagram *diagram, size_t row) {
    const struct graph *graph = diagram->graph;
    for (; diagram->next < graph->arrow_count && graph_arrow_top(&graph->arrows[diagram->next]) <= row; diagram->next++) {
        const struct graph_arrow *arrow = &graph->arrows[diagram->next];
        bool both = has_place(diagram, arrow->from) && has_place(diagram, arrow->to) && arrow->from != arrow->to;
        if (graph_arrow_top(arrow) < row || !both || graph_arrow_bottom(arrow) - row > ARROW_ROWS_MAX) continue;
        unsigned lane = find_lane(diagram, arrow);
        if (!lane) continue;
        bool arrives = arrow->to_row == row;
        diagram->lanes[lane] = diagram->next;
        draw_end(diagram, arrives ? arrow->to : arrow->from, lane, STROKE_DOWN, arrives, arrow_style(arrow));
    }
}

/* Continues the open arrows, and ends those whose lower end is in this row. */
static void go_on_with_arrows(struct diagram *diagram, size_t row) {
    for (unsigned lane = 0; lane < diagram->canvas.columns; lane++) {
        if (diagram->lanes[lane] == NO_ARROW) continue;
        const struct graph_arrow *arrow = &diagram->graph->arrows[diagram->lanes[lane]];
        if (graph_arrow_bottom(arrow) > row) {
            canvas_stroke(&diagram->canvas, lane, STROKE_UP | STROKE_DOWN, arrow_style(arrow));
            continue;
        }
        bool arrives = arrow->to_row == row;
        draw_end(diagram, arrives ? arrow->to : arrow->from, lane, STROKE_UP, arrives, arrow_style(arrow));
        diagram->lanes[lane] = NO_ARROW;
    }
}

/* ---- one row ---- */

static enum canvas_mark mark_of(const struct graph_row *row) {
    if (row->fold.items) return row->fold.packets ? MARK_PACKET : MARK_OTHER;
    switch (row->item->kind) {
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED:
    case TRACE_KIND_MESSAGE_SENT:
    case TRACE_KIND_MESSAGE_RECEIVED: return MARK_PACKET;
    case TRACE_KIND_PACKET_LOST: return MARK_LOST;
    case TRACE_KIND_APP_START: return MARK_BEGIN;
    case TRACE_KIND_APP_END: return MARK_END;
    case TRACE_KIND_EVENTS_LOST: return MARK_HOLE;
    default: return MARK_OTHER;
    }
}

/* Where the other end of a row would be: to the right of the node, or to the left. */
static bool other_is_right(const struct diagram *diagram, const struct graph_row *row) {
    const char *peer = json_get_hex(row->item->event, "peer_id", NODE_DIGITS);
    for (unsigned i = 0; peer && i < diagram->timeline->node_count; i++) {
        const char *id = node_id(diagram, i);
        if (id && !strcmp(id, peer)) return i > row->item->node;
    }
    return true;
}

/* A packet's row if its arrow could not be drawn: only the beginning or the end of one. */
static void draw_loose_end(struct diagram *diagram, const struct graph_row *row) {
    const char *arrow = row->fold.items ? row->fold.arrow : event_arrow(row->item->event);
    bool right = other_is_right(diagram, row), all_lost = row->lost && row->lost == row->packets;
    if (!row->packets) return;
    bool arrives = !strcmp(arrow, "<-") || (!*arrow && row->unsent == row->packets && !row->lost); /* from an unknown sender */
    if (arrives)
        draw_stub(diagram, row->item->node, right, MARK_RIGHT, row->disordered ? STYLE_BAD : STYLE_PLAIN);
    else
        draw_stub(diagram, row->item->node, right, all_lost ? MARK_LOST : MARK_STUB_RIGHT, all_lost ? STYLE_BAD : STYLE_PLAIN);
}

/* A request's arrow where it arrives, an answer's where it leaves. */
static void draw_request(struct diagram *diagram, const struct graph_row *row) {
    if (row->from == NO_NUMBER && row->to == NO_NUMBER) return;
    enum style style = row->disordered ? STYLE_BAD : STYLE_HEAD;
    if (has_place(diagram, row->from) && has_place(diagram, row->to)) {
        unsigned from = line_of(diagram, row->from), to = line_of(diagram, row->to);
        canvas_line(&diagram->canvas, from, to, true, style);
        canvas_mark(&diagram->canvas, from < to ? to - 1 : to + 1, from < to ? MARK_RIGHT : MARK_LEFT, style);
    } else {
        unsigned node = row->item->node, other = row->to == node ? row->from : row->to;
        draw_stub(diagram, node, other != NO_NUMBER && other > node, row->to == node ? MARK_RIGHT : MARK_STUB_RIGHT, style);
    }
}

/* A node that had ended before that row works on nothing any more, whatever it had begun. */
static void end_lines(struct diagram *diagram, const struct timeline_item *item) {
    const struct timeline *timeline = diagram->timeline;
    for (size_t i = 0; i < timeline->ended_count; i++) {
        const struct node_state *log = timeline->ended[i].log;
        if (log->node >= timeline->node_count || diagram->passed[i] || item->time_ns <= node_state_end(log)) continue;
        diagram->passed[i] = true;
        diagram->gone[log->node] = true;
        diagram->busy[log->node] = 0;
    }
    diagram->gone[item->node] = false;
}

static void draw_lines(struct diagram *diagram) {
    for (unsigned i = 0; i < diagram->shown_count; i++) {
        unsigned node = diagram->shown[i];
        if (diagram->gone[node]) continue;
        enum style style = diagram->busy[node]
                               ? (enum style)(STYLE_NODE + names_rank(diagram->view->names, node_id(diagram, node)) % STYLE_NODES)
                               : STYLE_DIM;
        canvas_mark(&diagram->canvas, i * diagram->columns, diagram->busy[node] ? MARK_BUSY : MARK_IDLE, style);
    }
}

/* Did an arrow end beside the node's line? */
static bool is_joined(const struct diagram *diagram, unsigned line) {
    const struct canvas_cell *cells = diagram->canvas.cells;
    return cells[line + 1].strokes & STROKE_LEFT || (line && cells[line - 1].strokes & STROKE_RIGHT) ||
           cells[line + 1].mark == MARK_LEFT || (line && cells[line - 1].mark == MARK_RIGHT);
}

static void draw_row_lines(struct diagram *diagram, size_t index) {
    const struct graph_row *row = &diagram->graph->rows[index];
    unsigned node = row->item->node;
    canvas_clear(&diagram->canvas);
    draw_lines(diagram);
    go_on_with_arrows(diagram, index);
    begin_arrows(diagram, index);
    draw_request(diagram, row);
    if (!has_place(diagram, node)) return;
    if (!is_joined(diagram, line_of(diagram, node))) draw_loose_end(diagram, row);
    enum style style = row->fold.items ? STYLE_PLAIN : event_style(row->item->event);
    canvas_mark(&diagram->canvas, line_of(diagram, node), mark_of(row), style);
}

/* ---- its text ---- */

static void gap_note(struct strbuf *out, int64_t from_ns, int64_t to_ns) {
    text_duration(out, from_ns > 0 ? (uint64_t)from_ns : 0);
    if (from_ns == to_ns) return;
    strbuf_puts(out, " to ");
    text_duration(out, (uint64_t)to_ns);
}

static void disorder_note(struct strbuf *out, const struct view *view, const struct graph_row *row) {
    if (!row->disordered) return;
    text_style_on(out, view->color, STYLE_BAD);
    strbuf_puts(out, "; ");
    if (row->arrived > 1) strbuf_printf(out, "%" PRIu64 " of them ", row->disordered);
    strbuf_puts(out, row->message && row->message->kind == MESSAGE_REQUEST ? "!! began " : "!! received ");
    text_duration(out, (uint64_t)-row->gap_min_ns);
    strbuf_puts(out, row->message && row->message->kind == MESSAGE_REQUEST ? " before it was asked" : " before it was sent");
    text_style_off(out, view->color, STYLE_BAD);
}

static void count_note(struct strbuf *out, const struct view *view, enum style style, uint64_t count, const struct graph_row *row,
                       const char *text) {
    if (!count) return;
    text_style_on(out, view->color, style);
    strbuf_puts(out, "; ");
    if (row->packets > 1) strbuf_printf(out, "%" PRIu64 " of them ", count);
    strbuf_puts(out, text);
    text_style_off(out, view->color, style);
}

static void loss_notes(struct strbuf *out, const struct diagram *diagram, const struct message *message) {
    const struct timeline_item *items = diagram->timeline->items;
    if (message->send != NO_EVENT) {
        strbuf_puts(out, "; sent ");
        timeline_duration(out, diagram->timeline, items[message->send].time_ns, items[message->lost].time_ns);
        strbuf_puts(out, " before");
    }
    if (message->receive != NO_EVENT)
        text_styled(out, diagram->view->color, STYLE_WARN, "; wrongly, it was received");
    else if (message->state == MESSAGE_AMBIGUOUS)
        strbuf_puts(out, "; it could be one of several");
}

static void packet_notes(struct strbuf *out, const struct diagram *diagram, const struct graph_row *row) {
    const struct view *view = diagram->view;
    if (row->fold.items && row->packets) {
        strbuf_printf(out, "; number%s %" PRIu64, row->number_min == row->number_max ? "" : "s", row->number_min);
        if (row->number_min != row->number_max) strbuf_printf(out, " to %" PRIu64, row->number_max);
    }
    if (row->packets && row->arrived && row->gap_max_ns >= 0) {
        strbuf_puts(out, "; one-way delay ");
        gap_note(out, row->gap_min_ns, row->gap_max_ns);
    }
    disorder_note(out, view, row);
    count_note(out, view, STYLE_BAD, row->lost, row, "lost");
    count_note(out, view, STYLE_WARN, row->unreceived, row, "not seen to arrive");
    count_note(out, view, STYLE_WARN, row->unsent, row, "not seen to be sent");
    count_note(out, view, STYLE_WARN, row->duplicates, row, "received before");
    count_note(out, view, STYLE_WARN, row->ambiguous, row, "ambiguous: the other end could be one of several");
    if (row->repeats && row->message)
        text_styled(out, view->color, STYLE_WARN, "; likely repeats %" PRIu64,
                    diagram->graph->messages->items[row->message->replaces].number);
    else
        count_note(out, view, STYLE_WARN, row->repeats, row,
                   row->repeats == 1 ? "likely repeats a lost one" : "likely repeat lost ones");
}

static void request_notes(struct strbuf *out, const struct diagram *diagram, const struct graph_row *row) {
    const struct timeline_span *span = row->item->span == NO_SPAN ? NULL : &diagram->timeline->spans[row->item->span];
    if (row->message && row->message->kind == MESSAGE_REQUEST && row->arrived && !row->disordered) {
        strbuf_puts(out, ", ");
        text_duration(out, (uint64_t)row->gap_min_ns);
        strbuf_puts(out, " after ");
        names_node(out, diagram->view->names, node_id(diagram, row->from));
        strbuf_puts(out, " began");
    }
    if (span && span->end == row->item->event && span->start) {
        strbuf_puts(out, " after ");
        timeline_duration(out, diagram->timeline, span->start_ns, span->end_ns);
    }
    if (span && span->end == row->item->event && !span->start) strbuf_puts(out, " (its start is not here)");
    if (span && span->start == row->item->event && span->parent_missing) strbuf_puts(out, " (what caused it is not here)");
}

/* The peer of a row, if no column shows it. */
static void peer_note(struct strbuf *out, const struct diagram *diagram, const struct graph_row *row) {
    const char *peer = json_get_hex(row->item->event, "peer_id", NODE_DIGITS),
               *arrow = timeline_arrow(diagram->timeline, row->item);
    if (!peer || row->item->kind == TRACE_KIND_EVENTS_LOST) return;
    for (unsigned i = 0; i < diagram->shown_count; i++) {
        const char *id = node_id(diagram, diagram->shown[i]);
        if (id && !strcmp(id, peer)) return;
    }
    strbuf_puts(out, !strcmp(arrow, "->") ? "to " : !strcmp(arrow, "<-") ? "from " : "with ");
    render_node(out, diagram->view, peer);
    strbuf_puts(out, ": ");
}

static void draw_text(const struct diagram *diagram, const struct graph_row *row) {
    struct strbuf *out = diagram->out;
    bool color = diagram->view->color;
    enum style style = row->fold.items ? STYLE_DIM : event_style(row->item->event);
    peer_note(out, diagram, row);
    text_style_on(out, color, style);
    if (row->fold.items)
        fold_describe(out, diagram->view, &row->fold);
    else
        event_describe(out, diagram->view, row->item->event);
    text_style_off(out, color, style);
    packet_notes(out, diagram, row);
    request_notes(out, diagram, row);
    if (row->message && row->item->kind == TRACE_KIND_PACKET_LOST) loss_notes(out, diagram, row->message);
}

static void draw_row(struct diagram *diagram, size_t index) {
    const struct graph_row *row = &diagram->graph->rows[index];
    const struct timeline_span *span = row->item->span == NO_SPAN ? NULL : &diagram->timeline->spans[row->item->span];
    struct strbuf *out = diagram->out, number = {0};
    unsigned node = row->item->node;
    bool color = diagram->view->color, big = row->item->gap_is_big;
    end_lines(diagram, row->item);
    draw_row_lines(diagram, index);
    if (span && span->start == row->item->event) diagram->busy[node]++;
    if (span && span->end == row->item->event && diagram->busy[node]) diagram->busy[node]--;
    if (!has_place(diagram, node)) return;

    timeline_since(&number, diagram->timeline, row->item->node, row->item->time_ns);
    strbuf_printf(out, "%*s  ", (int)diagram->since_columns, strbuf_text(&number));
    strbuf_clear(&number);
    if (row->item != diagram->timeline->items) timeline_gap(&number, diagram->timeline, row->item);
    text_styled(out, color, big ? STYLE_WARN : STYLE_DIM, "%*s%s", GAP_COLUMNS, strbuf_text(&number), big ? " * " : "   ");
    strbuf_fini(&number);
    canvas_print(out, &diagram->canvas, color);
    draw_text(diagram, row);
    strbuf_puts(out, "\n");
}

/* ---- above and below ---- */

static void draw_title(const struct diagram *diagram, unsigned place) {
    struct strbuf *out = diagram->out;
    size_t begin = out->bytes;
    if (diagram->numbered)
        strbuf_printf(out, "%u", place + 1);
    else
        render_node(out, diagram->view, node_id(diagram, diagram->shown[place]));
    text_pad(out, begin, diagram->columns);
}

/* The node of each number, in lines that fit. */
static void draw_numbers(const struct diagram *diagram) {
    static const char head[] = "columns:";
    struct strbuf *out = diagram->out, name = {0};
    unsigned at = (unsigned)strlen(head);
    strbuf_puts(out, head);
    for (unsigned i = 0; i < diagram->shown_count; i++) {
        strbuf_clear(&name);
        strbuf_printf(&name, " %u ", i + 1);
        render_node(&name, diagram->view, node_id(diagram, diagram->shown[i]));
        if (i + 1 < diagram->shown_count) strbuf_puts(&name, ",");
        unsigned columns = text_columns(strbuf_text(&name), name.bytes);
        if (diagram->view->columns && at + columns > diagram->view->columns && at > strlen(head)) {
            strbuf_puts(out, "\n");
            strbuf_spaces(out, strlen(head));
            at = (unsigned)strlen(head);
        }
        strbuf_puts(out, strbuf_text(&name));
        at += columns;
    }
    strbuf_puts(out, "\n");
    strbuf_fini(&name);
}

static void draw_titles(const struct diagram *diagram) {
    struct strbuf *out = diagram->out;
    if (diagram->numbered) draw_numbers(diagram);
    text_styled(out, diagram->view->color, STYLE_HEAD, "%*s  %*s   ", (int)diagram->since_columns, "since", GAP_COLUMNS, "gap");
    for (unsigned i = 0; i < diagram->shown_count; i++) draw_title(diagram, i);
    text_styled(out, diagram->view->color, STYLE_HEAD, "event\n");
}

static void report_left_out(const struct diagram *diagram) {
    const struct timeline *timeline = diagram->timeline;
    struct strbuf *out = diagram->out;
    uint64_t events = 0;
    unsigned named = 0;
    if (diagram->shown_count == timeline->node_count) return;
    for (size_t i = 0; i < timeline->item_count; i++) events += diagram->place[timeline->items[i].node] < 0;
    text_style_on(out, diagram->view->color, STYLE_WARN);
    strbuf_printf(out, "! no column for %zu of %zu nodes, and no row for their ", timeline->node_count - diagram->shown_count,
                  timeline->node_count);
    text_count(out, events, "event");
    strbuf_puts(out, ": ");
    for (unsigned i = 0; i < timeline->node_count && named < GRAPH_NODES_MAX; i++) {
        if (diagram->place[i] >= 0) continue;
        strbuf_puts(out, named++ ? ", " : "");
        names_node(out, diagram->view->names, node_id(diagram, i));
    }
    size_t more = timeline->node_count - diagram->shown_count - named;
    if (more) strbuf_printf(out, " and %zu more", more);
    text_style_off(out, diagram->view->color, STYLE_WARN);
    strbuf_puts(out, "\n");
    if (diagram->view->columns) strbuf_puts(out, "a wider terminal shows more, and so does a pipe: --graph | less -S\n");
}

static void report_part(struct strbuf *out, uint64_t count, const char *what) {
    if (count) strbuf_printf(out, ", %" PRIu64 " %s", count, what);
}

/* What is numbered: "packets", "messages", or both. */
static const char *what_was_sent(const struct messages *messages) {
    bool packets = false, own = false;
    for (size_t i = 0; i < messages->count; i++) {
        packets |= messages->items[i].kind == MESSAGE_PACKET;
        own |= messages->items[i].kind == MESSAGE_OWN;
    }
    return !own ? "packets" : packets ? "packets and messages" : "messages";
}

static void report_totals(const struct diagram *diagram) {
    const struct graph_totals *totals = &diagram->graph->totals;
    struct strbuf *out = diagram->out;
    strbuf_printf(out, "%s: %" PRIu64 " matched", what_was_sent(diagram->graph->messages), totals->matched);
    report_part(out, totals->lost, "lost");
    report_part(out, totals->wrongly_lost, "declared lost but received");
    report_part(out, totals->repeats, "likely sent again");
    report_part(out, totals->unreceived, "not seen to arrive");
    report_part(out, totals->unsent, "not seen to be sent");
    report_part(out, totals->duplicates, "received again");
    report_part(out, totals->ambiguous, "ends ambiguous");
    strbuf_puts(out, "\n");
    if (diagram->timeline->events_missing && totals->unreceived + totals->unsent)
        strbuf_puts(out, "other ends may be among the events that are missing\n");
}

/* A line that is too long ends between two signs: a sign and its meaning stay together. */
static void draw_legend(const struct diagram *diagram) {
    static const char *const signs[][2] = {{"* packet, message", "● packet, message"},
                                           {"=> request, answer", "═► request, answer"},
                                           {"# begins or ends", "┳ begins"},
                                           {"", "┻ ends"},
                                           {"| at work", "┃ at work"},
                                           {": idle", "┊ idle"},
                                           {"o other event", "• other event"},
                                           {"x lost", "✕ lost"},
                                           {"-> end not shown", "─▷ end not shown"},
                                           {"? events missing", "▒ events missing"},
                                           {"no line: ended", "no line: ended"}};
    const struct view *view = diagram->view;
    struct strbuf *out = diagram->out;
    unsigned used = 0;
    text_style_on(out, view->color, STYLE_DIM);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        const char *sign = signs[i][view->utf8];
        bool ended = i + 1 == sizeof signs / sizeof *signs;
        if (!*sign || (ended && !diagram->timeline->ended_count)) continue;
        unsigned columns = text_columns(sign, strlen(sign));
        bool full = used && view->columns && used + 2 + columns > view->columns;
        if (full) {
            text_style_off(out, view->color, STYLE_DIM);
            strbuf_puts(out, "\n");
            text_style_on(out, view->color, STYLE_DIM);
            used = 0;
        }
        strbuf_printf(out, "%s%s", used ? "  " : "", sign);
        used += (used ? 2 : 0) + columns;
    }
    text_style_off(out, view->color, STYLE_DIM);
    strbuf_puts(out, "\n");
}

/* A wrapped line would break the diagram: it is cut. */
static void cut_rows(const struct diagram *diagram, size_t begin) {
    struct strbuf *out = diagram->out, rows = {0};
    if (!diagram->view->columns || out->failed) return;
    strbuf_add(&rows, out->text + begin, out->bytes - begin);
    out->bytes = begin;
    text_cut_lines(out, strbuf_text(&rows), rows.bytes, diagram->view->columns);
    out->failed |= rows.failed;
    strbuf_fini(&rows);
}

static void draw(struct diagram *diagram) {
    const struct timeline *timeline = diagram->timeline;
    strbuf_puts(diagram->out, "\n");
    size_t begin = diagram->out->bytes;
    if (diagram->view->header) draw_titles(diagram);
    for (size_t i = 0; i < diagram->graph->row_count; i++) draw_row(diagram, i);
    cut_rows(diagram, begin);
    strbuf_puts(diagram->out, "\n");
    render_path(diagram->out, diagram->view, timeline);
    report_totals(diagram);
    report_left_out(diagram);
    if (diagram->view->header) draw_legend(diagram);
}

void render_graph(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct timeline timeline = {0};
    struct graph graph = {0};
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    struct diagram diagram = {.out = out, .view = view, .timeline = &timeline, .graph = &graph};
    bool failed =
        !events || timeline_init(&timeline, events, answer, view->names->answer) || graph_init(&graph, &timeline, view->all);
    if (!failed) render_trace_head(out, view, answer, &timeline);
    if (!failed && timeline.item_count) {
        diagram.place = calloc(timeline.node_count, sizeof *diagram.place);
        diagram.shown = calloc(timeline.node_count, sizeof *diagram.shown);
        diagram.busy = calloc(timeline.node_count, sizeof *diagram.busy);
        diagram.gone = calloc(timeline.node_count, sizeof *diagram.gone);
        diagram.passed = calloc(timeline.ended_count + 1, sizeof *diagram.passed);
        failed = !diagram.place || !diagram.shown || !diagram.busy || !diagram.gone || !diagram.passed || lay_out(&diagram);
        if (!failed) draw(&diagram);
    }
    out->failed |= failed;
    free(diagram.place);
    free(diagram.shown);
    free(diagram.busy);
    free(diagram.gone);
    free(diagram.passed);
    free(diagram.lanes);
    canvas_fini(&diagram.canvas);
    graph_fini(&graph);
    timeline_fini(&timeline);
    json_decref(events);
}
