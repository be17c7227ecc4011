/* SPDX-License-Identifier: MIT
 *
 * What nodes emit, in words: the answer to `control`, and the notes below the list of nodes. */
#include "json_get.h"
#include "limits.h"
#include "list.h"

#include <string.h>

/* The smallest share is one in 2^32: anything below is not a share. */
#define SHARE_MIN 1e-10

static bool is_all(const char *kinds) { return kinds && !strcmp(kinds, "all"); }

/* "all kinds", "nothing", "packet_lost, app_start"; "-" if traced did not say. */
static void emitted_kinds(struct strbuf *out, const json_t *row) {
    const char *kinds = json_get_text(row, "kinds");
    const json_t *names = json_get_array(row, "kinds");
    size_t i;
    const json_t *name;
    if (kinds)
        strbuf_puts(out, is_all(kinds) ? "all kinds" : "nothing");
    else if (!json_array_size(names))
        strbuf_puts(out, "-");
    json_array_foreach(names, i, name) {
        const char *text = json_string_value(name);
        if (i) strbuf_puts(out, ", ");
        if (text) text_untrusted(out, text, strlen(text), CELL_COLUMNS_MAX);
    }
}

/* "every trace", "1 in 100 traces", "66.7 % of traces"; "-" if traced did not say. */
static void sampled_traces(struct strbuf *out, const json_t *row) {
    double share = json_get_real(row, "sample", 0), every;
    if (!(share >= SHARE_MIN && share <= 1)) {
        strbuf_puts(out, "-");
        return;
    }
    every = (double)(uint64_t)(1 / share + 0.5);
    if (share == 1)
        strbuf_puts(out, "every trace");
    else if (every * share > 0.999 && every * share < 1.001)
        strbuf_printf(out, "1 in %.0f traces", every);
    else
        strbuf_printf(out, "%.3g %% of traces", 100 * share);
}

static enum style draw_kinds(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    emitted_kinds(cell, row);
    return STYLE_PLAIN;
}

static enum style draw_sample(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    sampled_traces(cell, row);
    return STYLE_PLAIN;
}

static const struct list_column control_columns[] = {
    {"name", "node", TABLE_LEFT, 0, 8, 0, draw_head},
    {"node_id", "id", TABLE_LEFT, 2, 0, LIST_APART, draw_node_id},
    {"kinds", "emits", TABLE_LEFT, 0, 12, 0, draw_kinds},
    {"sample", "of", TABLE_LEFT, 1, 0, 0, draw_sample},
};

const struct list control_list = {control_columns, sizeof control_columns / sizeof *control_columns};

void render_control(struct strbuf *out, const struct view *view, const json_t *answer) {
    list_put(out, view, &control_list, json_get_array(answer, "nodes"), "no live nodes");
}

void render_node_notes(struct strbuf *out, const struct view *view, const json_t *row) {
    const char *clock = json_get_text(row, "clock"), *policy = json_get_text(row, "policy"), *kinds = json_get_text(row, "kinds");
    bool masked = (kinds && !is_all(kinds)) || json_get_array(row, "kinds");
    double share = json_get_real(row, "sample", 1);
    if (json_get_text(row, "reason")) {
        render_row_node(out, view, row);
        strbuf_puts(out, ": ");
        text_member(out, row, "reason");
        strbuf_puts(out, "\n");
        return;
    }
    if (masked || share < 1) {
        render_row_node(out, view, row);
        strbuf_puts(out, " emits ");
        emitted_kinds(out, row);
        if (!kinds || is_all(kinds)) {
            strbuf_puts(out, " of ");
            sampled_traces(out, row);
        }
        strbuf_puts(out, "; see inspector control\n");
    }
    if (clock && !strcmp(clock, "monotonic")) {
        render_row_node(out, view, row);
        strbuf_puts(out, " stamps its events with CLOCK_MONOTONIC instead of the TSC\n");
    }
    if (policy && !strcmp(policy, "discard_newest")) {
        render_row_node(out, view, row);
        strbuf_puts(out, " discards its newest events when its ring is full\n");
    }
}
