/* SPDX-License-Identifier: MIT
 *
 * Two traces side by side, in words (trace_diff.h). */
#include "render_diff.h"

#include "json_get.h"
#include "limits.h"
#include "list.h"
#include "render_path.h"
#include "table.h"

#include <stdlib.h>

#define PARTINGS_MAX 5U     /* at most this many are reported */
#define PARTING_PART_MIN 10 /* of the largest gap */
#define PLACES_MAX 12U      /* rows of the table */
#define STEPS_MAX 20U       /* that one trace has alone; the others are counted */

static void put_signed(struct strbuf *out, int64_t ns) {
    if (ns) strbuf_puts(out, ns < 0 ? "-" : "+");
    text_duration(out, (uint64_t)llabs(ns));
}

/* Negative: from the beginning of the request to what came before it. */
static void put_took(struct strbuf *out, int64_t ns) {
    if (ns < 0) strbuf_puts(out, "-");
    text_duration(out, (uint64_t)llabs(ns));
}

/* "~" where a step of the clock lies in it. */
static void put_at(struct strbuf *out, const struct diff_step *step) {
    if (step->stepped) strbuf_puts(out, "~");
    put_signed(out, step->at_ns);
}

/* "bob <- alice: > GET_CHUNK" */
static void put_step(struct strbuf *out, const struct view *view, const struct diff_side *side, size_t step) {
    const struct timeline_item *item = &side->timeline->items[side->steps[step].item];
    const char *arrow = timeline_arrow(side->timeline, item), *peer_id = json_get_hex(item->event, "peer_id", NODE_DIGITS);
    render_node(out, view, json_get_hex(item->event, "node_id", NODE_DIGITS));
    if (*arrow && peer_id) {
        strbuf_printf(out, " %s ", arrow);
        render_node(out, view, peer_id);
    }
    strbuf_printf(out, ": %s", side->steps[step].name);
}

/* "a  5a356ada  took 1.20 ms, 31 steps" */
static void put_side(struct strbuf *out, const struct view *view, const char *letter, const char *trace_id,
                     const struct diff_side *side) {
    uint64_t ns;
    bool stepped;
    strbuf_printf(out, "%s  ", letter);
    names_short_trace(out, view->names, trace_id);
    strbuf_puts(out, "  ");
    if (diff_took(side->timeline, &ns, &stepped)) {
        strbuf_puts(out, stepped ? "took ~" : "took ");
        text_duration(out, ns);
    } else {
        strbuf_puts(out, "has not ended");
    }
    strbuf_puts(out, ", ");
    text_count(out, side->count, "step");
    strbuf_puts(out, "\n");
}

/* Appends a text at the right of that many columns. */
static void put_right(struct strbuf *out, const struct strbuf *text, unsigned columns) {
    unsigned used = text_columns(strbuf_text(text), text->bytes);
    strbuf_spaces(out, used < columns ? columns - used : 0);
    strbuf_add(out, strbuf_text(text), text->bytes);
}

/* Is this one of the first steps that one trace has alone?  *shown counts them. */
static bool is_alone(const struct diff_step *step, size_t *shown) {
    return step->other == NO_STEP && !step->unwanted && (*shown)++ < STEPS_MAX;
}

/* How wide the times of the steps are that one trace has alone. */
static unsigned measure_alone(const struct diff_side *side) {
    unsigned widest = 0;
    size_t shown = 0;
    for (size_t i = 0; i < side->count; i++) {
        struct strbuf at = {0};
        if (!is_alone(&side->steps[i], &shown)) continue;
        put_at(&at, &side->steps[i]);
        unsigned columns = text_columns(strbuf_text(&at), at.bytes);
        if (columns > widest) widest = columns;
        strbuf_fini(&at);
    }
    return widest;
}

static void put_alone(struct strbuf *out, const struct view *view, const char *letter, const struct diff_side *side) {
    unsigned columns = measure_alone(side);
    size_t alone = 0;
    for (size_t i = 0; i < side->count; i++) {
        struct strbuf at = {0};
        bool shown = is_alone(&side->steps[i], &alone);
        if (shown && alone == 1) text_styled(out, view->color, STYLE_HEAD, "\nonly %s did\n", letter);
        if (!shown) continue;
        put_at(&at, &side->steps[i]);
        strbuf_puts(out, "  ");
        put_right(out, &at, columns);
        strbuf_puts(out, "  ");
        put_step(out, view, side, i);
        strbuf_puts(out, "\n");
        strbuf_fini(&at);
    }
    if (alone > STEPS_MAX) strbuf_printf(out, "  and %zu more; --json has them all\n", alone - STEPS_MAX);
}

static void put_otherwise(struct strbuf *out, const struct view *view, const struct trace_diff *diff) {
    size_t count = 0;
    for (size_t i = 0; i < diff->a.count; i++) {
        if (diff->a.steps[i].unwanted || !diff_ended_otherwise(diff, i)) continue;
        if (!count++) text_styled(out, view->color, STYLE_HEAD, "\nboth did, with different ends\n");
        const struct diff_step *other = &diff->b.steps[diff->a.steps[i].other];
        strbuf_puts(out, "  ");
        put_step(out, view, &diff->a, i);
        strbuf_printf(out, " in a,%s in b\n", other->name + other->what_bytes);
    }
}

static void put_parting(struct strbuf *out, const struct view *view, const struct trace_diff *diff,
                        const struct diff_parting *parting) {
    text_styled(out, view->color, parting->ns > 0 ? STYLE_WARN : STYLE_GOOD, "  b needed ");
    text_duration(out, (uint64_t)llabs(parting->ns));
    strbuf_puts(out, parting->ns > 0 ? " more, from " : " less, from ");
    if (parting->before == NO_STEP)
        strbuf_puts(out, "the beginning");
    else
        put_step(out, view, &diff->a, parting->before);
    strbuf_puts(out, "  to  ");
    put_step(out, view, &diff->a, parting->step);
    strbuf_puts(out, " (");
    put_took(out, parting->a_ns);
    strbuf_puts(out, " in a, ");
    put_took(out, parting->b_ns);
    strbuf_puts(out, " in b)\n");
}

static bool has_common_step(const struct trace_diff *diff) {
    for (size_t i = 0; i < diff->a.count; i++)
        if (diff->a.steps[i].other != NO_STEP && !diff->a.steps[i].unwanted) return true;
    return false;
}

static void put_partings(struct strbuf *out, const struct view *view, const struct trace_diff *diff) {
    int64_t largest = diff->parting_count ? llabs(diff->partings[0].ns) : 0;
    text_styled(out, view->color, STYLE_HEAD, "\n%s\n",
                largest                 ? "where the times diverged"
                : has_common_step(diff) ? "the times did not diverge"
                                        : "no step is common to both: there are no times to compare");
    for (size_t i = 0; i < diff->parting_count && i < PARTINGS_MAX && llabs(diff->partings[i].ns) >= largest / PARTING_PART_MIN;
         i++)
        put_parting(out, view, diff, &diff->partings[i]);
}

static void put_place(struct strbuf *out, const struct view *view, const struct diff_place *place) {
    if (place->kind == WAIT_SENDING) strbuf_puts(out, "sending ");
    render_node(out, view, place->kind == WAIT_PEER ? place->peer_id : place->node_id);
    if (place->kind == WAIT_PEER) path_not_traced(out, view, place->peer_id);
    if (!wait_kind_is_way(place->kind)) return;
    strbuf_puts(out, " -> ");
    render_node(out, view, place->peer_id);
}

static void put_places(struct strbuf *out, const struct view *view, const struct trace_diff *diff) {
    static const struct table_column columns[] = {
        {"time went to", TABLE_LEFT, 0, 16}, {"a", TABLE_RIGHT, 1, 0}, {"b", TABLE_RIGHT, 2, 0}, {"differs", TABLE_RIGHT, 0, 0}};
    const struct table_style how = {.header = view->header, .color = view->color, .columns = view->columns};
    struct table table;
    bool stepped = facts_stepped(&diff->a.timeline->facts) || facts_stepped(&diff->b.timeline->facts);
    if (!diff->place_count) return;
    table_init(&table, sizeof columns / sizeof *columns, columns, &how);
    for (size_t i = 0; i < diff->place_count && i < PLACES_MAX; i++) {
        const struct diff_place *place = &diff->places[i];
        put_place(table_cell_begin(&table), view, place);
        table_cell_end(&table, STYLE_PLAIN);
        text_duration(table_cell_begin(&table), place->a_ns);
        table_cell_end(&table, STYLE_PLAIN);
        text_duration(table_cell_begin(&table), place->b_ns);
        table_cell_end(&table, STYLE_PLAIN);
        if (stepped) /* what lies across the step may be anybody's */
            strbuf_puts(table_cell_begin(&table), "?");
        else
            put_signed(table_cell_begin(&table), (int64_t)(place->b_ns - place->a_ns));
        table_cell_end(&table, STYLE_HEAD);
    }
    strbuf_puts(out, "\n");
    table_end(&table, out);
    table_fini(&table);
}

/* What the times leave out. */
static void put_clocks(struct strbuf *out, const struct view *view, const char *letter, const struct diff_side *side) {
    if (!facts_stepped(&side->timeline->facts)) return;
    text_styled(out, view->color, STYLE_WARN, "! the clock was stepped during %s: times across it are not compared\n", letter);
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

static enum style draw_end(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    render_node(cell, view, json_get_hex(row, field, NODE_DIGITS));
    return STYLE_PLAIN;
}

/* Of the row about the traces, their ids; otherwise a time since the request began, or at a place. */
static enum style draw_at(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *value = json_object_get(row, field);
    if (json_is_object(value))
        names_short_trace(cell, view->names, json_get_hex(value, "trace_id", TRACE_DIGITS));
    else if (json_is_integer(value))
        put_signed(cell, json_integer_value(value));
    else
        strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

static const struct list_column columns[] = {
    {"diff", NULL, TABLE_LEFT, 0, 0, 0, draw_text},     {"in", NULL, TABLE_LEFT, 1, 0, 0, draw_text},
    {"node_id", "node", TABLE_LEFT, 0, 0, 0, draw_end}, {"peer_id", "peer", TABLE_LEFT, 1, 0, 0, draw_end},
    {"step", NULL, TABLE_LEFT, 0, 8, 0, draw_text},     {"step_b", NULL, TABLE_LEFT, 3, 8, 0, draw_text},
    {"at", NULL, TABLE_RIGHT, 2, 0, 0, draw_at},        {"place", NULL, TABLE_LEFT, 4, 0, 0, draw_text},
    {"a", NULL, TABLE_RIGHT, 0, 0, 0, draw_at},         {"b", NULL, TABLE_RIGHT, 0, 0, 0, draw_at},
    {"by", NULL, TABLE_RIGHT, 1, 0, 0, draw_at},
};

const struct list diff_list = {columns, sizeof columns / sizeof *columns};

void render_diff(struct strbuf *out, const struct view *view, const struct trace_diff *diff, const char *a_id, const char *b_id) {
    put_side(out, view, "a", a_id, &diff->a);
    put_side(out, view, "b", b_id, &diff->b);
    put_clocks(out, view, "a", &diff->a);
    put_clocks(out, view, "b", &diff->b);
    put_alone(out, view, "a", &diff->a);
    put_alone(out, view, "b", &diff->b);
    put_otherwise(out, view, diff);
    put_partings(out, view, diff);
    put_places(out, view, diff);
}
