/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static void add_row(struct graph *graph, const struct timeline_item *item, const struct fold *fold) {
    graph->rows[graph->row_count++] =
        (struct graph_row){.item = item, .fold = fold ? *fold : (struct fold){0}, .from = NO_NUMBER, .to = NO_NUMBER};
}

/* A run of items that fold_takes: a row for each group, at the place of its first item.  Sets row_of of each item. */
static int add_run(struct graph *graph, size_t begin, size_t count, size_t *row_of) {
    const struct timeline_item *items = graph->timeline->items + begin;
    struct fold groups[FOLD_GROUPS_MAX];
    size_t rows[FOLD_GROUPS_MAX];
    int *group_of = calloc(count, sizeof *group_of);
    if (!group_of) return -ENOMEM;
    fold_groups(items, count, groups, group_of);
    for (size_t i = 0; i < count; i++) {
        const struct fold *fold = group_of[i] < 0 ? NULL : &groups[group_of[i]];
        bool alone = !fold || fold->items == 1;
        if (!alone && fold->first == &items[i]) rows[group_of[i]] = graph->row_count;
        row_of[begin + i] = !alone ? rows[group_of[i]] : graph->row_count;
        if (alone || fold->first == &items[i]) add_row(graph, &items[i], alone ? NULL : fold);
    }
    free(group_of);
    return 0;
}

static int add_rows(struct graph *graph, bool all, size_t *row_of) {
    const struct timeline *timeline = graph->timeline;
    for (size_t begin = 0; begin < timeline->item_count;) {
        size_t count = all ? 0 : fold_run(timeline, begin);
        if (count) {
            if (add_run(graph, begin, count, row_of)) return -ENOMEM;
            begin += count;
        } else {
            row_of[begin] = graph->row_count;
            add_row(graph, &timeline->items[begin++], NULL);
        }
    }
    return 0;
}

/* ---- the messages of each row ---- */

static void note_number(struct graph_row *row, const struct message *message) {
    if (!row->packets++) row->number_min = row->number_max = message->number;
    if (message->number < row->number_min) row->number_min = message->number;
    if (message->number > row->number_max) row->number_max = message->number;
}

static void note_gap(struct graph *graph, struct graph_row *row, const struct message *message) {
    if (!row->arrived++) row->gap_min_ns = row->gap_max_ns = message->gap_ns;
    if (message->gap_ns < row->gap_min_ns) row->gap_min_ns = message->gap_ns;
    if (message->gap_ns > row->gap_max_ns) row->gap_max_ns = message->gap_ns;
    if (message->gap_ns >= 0) return;
    row->disordered++;
    graph->totals.disordered++;
    if (-message->gap_ns > graph->totals.disorder_max_ns) graph->totals.disorder_max_ns = -message->gap_ns;
}

static void note_send(struct graph *graph, struct graph_row *row, const struct message *message) {
    bool open = message->state == MESSAGE_UNRECEIVED;
    note_number(row, message);
    if (!row->fold.items) row->message = message;
    row->lost += open && message->lost != NO_EVENT;
    row->unreceived += open && message->lost == NO_EVENT;
    row->ambiguous += message->state == MESSAGE_AMBIGUOUS;
    row->repeats += message->replaces != NO_EVENT;
    graph->totals.repeats += message->replaces != NO_EVENT;
    graph->totals.lost += open && message->lost != NO_EVENT;
    graph->totals.unreceived += open && message->lost == NO_EVENT;
}

static void note_receive(struct graph *graph, struct graph_row *row, const struct message *message) {
    note_number(row, message);
    if (!row->fold.items) row->message = message;
    row->unsent += message->state == MESSAGE_UNSENT;
    row->duplicates += message->state == MESSAGE_DUPLICATE;
    row->ambiguous += message->state == MESSAGE_AMBIGUOUS;
    graph->totals.unsent += message->state == MESSAGE_UNSENT;
    graph->totals.duplicates += message->state == MESSAGE_DUPLICATE;
    graph->totals.matched += message->state == MESSAGE_MATCHED;
    graph->totals.wrongly_lost += message->lost != NO_EVENT;
    if (message->send != NO_EVENT && !message->untimed) note_gap(graph, row, message);
}

static void note_packet(struct graph *graph, const size_t *row_of, const struct message *message) {
    graph->totals.ambiguous += message->state == MESSAGE_AMBIGUOUS;
    if (message->send != NO_EVENT && message->state != MESSAGE_DUPLICATE)
        note_send(graph, &graph->rows[row_of[message->send]], message);
    if (message->receive != NO_EVENT) note_receive(graph, &graph->rows[row_of[message->receive]], message);
    if (message->lost != NO_EVENT) graph->rows[row_of[message->lost]].message = message;
}

static void note_messages(struct graph *graph, const size_t *row_of) {
    for (size_t i = 0; i < graph->messages->count; i++) {
        const struct message *message = &graph->messages->items[i];
        if (message_has_number(message)) {
            note_packet(graph, row_of, message);
            continue;
        }
        bool request = message->kind == MESSAGE_REQUEST;
        struct graph_row *row = &graph->rows[row_of[request ? message->receive : message->send]];
        row->message = message;
        row->from = message->from;
        row->to = message->to;
        if (request && message->send != NO_EVENT && !message->untimed) note_gap(graph, row, message);
    }
}

/* ---- arrows ---- */

size_t graph_arrow_top(const struct graph_arrow *arrow) {
    return arrow->from_row < arrow->to_row ? arrow->from_row : arrow->to_row;
}

size_t graph_arrow_bottom(const struct graph_arrow *arrow) {
    return arrow->from_row < arrow->to_row ? arrow->to_row : arrow->from_row;
}

static int compare_sizes(size_t a, size_t b) { return a < b ? -1 : a > b; }

static int compare_arrows(const void *left, const void *right) {
    const struct graph_arrow *a = left, *b = right;
    int order = compare_sizes(graph_arrow_top(a), graph_arrow_top(b));
    if (!order) order = compare_sizes(graph_arrow_bottom(a), graph_arrow_bottom(b));
    return order ? order : compare_sizes(a->from_row, b->from_row);
}

/* An arrow for each packet, then merges those between the same two rows. */
static void add_arrows(struct graph *graph, const size_t *row_of) {
    size_t count = 0;
    for (size_t i = 0; i < graph->messages->count; i++) {
        const struct message *message = &graph->messages->items[i];
        if (!message_has_number(message) || message->send == NO_EVENT || message->receive == NO_EVENT) continue;
        graph->arrows[count++] = (struct graph_arrow){
            .from_row = row_of[message->send], .to_row = row_of[message->receive], .from = message->from, .to = message->to};
    }
    qsort(graph->arrows, count, sizeof *graph->arrows, compare_arrows);
    for (size_t i = 0; i < count; i++) {
        bool same = graph->arrow_count && !compare_arrows(&graph->arrows[graph->arrow_count - 1], &graph->arrows[i]);
        if (!same) graph->arrows[graph->arrow_count++] = graph->arrows[i];
    }
}

/* ---- the whole graph ---- */

int graph_init(struct graph *graph, const struct timeline *timeline, bool all) {
    size_t *row_of = calloc(timeline->item_count + 1, sizeof *row_of);
    *graph = (struct graph){.timeline = timeline, .messages = &timeline->path.messages};
    graph->rows = calloc(timeline->item_count + 1, sizeof *graph->rows);
    int result = !row_of || !graph->rows ? -ENOMEM : add_rows(graph, all, row_of);
    if (!result && !(graph->arrows = calloc(graph->messages->count + 1, sizeof *graph->arrows))) result = -ENOMEM;
    if (!result) {
        note_messages(graph, row_of);
        add_arrows(graph, row_of);
    }
    free(row_of);
    if (result) graph_fini(graph);
    return result;
}

void graph_fini(struct graph *graph) {
    free(graph->rows);
    free(graph->arrows);
    *graph = (struct graph){0};
}
