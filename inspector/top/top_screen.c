/* SPDX-License-Identifier: MIT
 *
 * The screen of `inspector top`, drawn as text:
 *
 *     12:00:01  5 live  lost 0/s  12k events/s  every 1 s                         the present
 *     history 412k of 1.2M events, 3m12s, 30 traces                               or a problem
 *      0 requests  1 nodes  2 peers [3 links] 4 kinds  5 traces   by loss v       where the user is
 *        node      to peer     loss   ...                                         titles
 *     >! bob       alice       12.0%  ...                                         rows; > the cursor, ! bad, * notable
 *     Enter in  Esc back  / filter  ...                                           keys, or the filter while typing
 *
 * Bad rows have a sign and a colour, so that they can be seen without colours. */
#include "json_get.h"
#include "top.h"
#include "top_requests.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MARGIN 3 /* the cursor, the mark, a space */
#define GAP 2    /* between columns */
#define COLUMNS_MAX 16
#define TABS_COLUMNS 72     /* a narrower screen shows only the view that it is on */
#define FILTER_COLUMNS 20   /* of a filter beside the tabs */
#define STEPPED_COLUMNS 54U /* of the words about requests that are in no percentile */
#define CLOCK_COLUMNS 8U    /* 12:00:01 */
#define TEXT_COLUMNS_MAX 40

/* ---- numbers ---- */

/* 7, 0.5, 999, 1.2k, 12k, 3.4M: five columns at most. */
static void short_number(struct strbuf *out, double value, bool fraction) {
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    unsigned unit = 0;
    while (value >= 999.5 && unit < 6) value /= 1000, unit++;
    strbuf_printf(out, "%.*f%s", value > 0 && value < 9.95 && (unit || fraction) ? 1 : 0, value, units[unit]);
}

static void share(struct strbuf *out, double value) {
    strbuf_printf(out, "%.*f%%", value > 0 && value < 0.001 ? 2 : value < 0.9995 ? 1 : 0, 100 * value);
}

/* The newest samples of a series, one per column; the row's largest has the full height. */
static void spark(struct strbuf *out, const float *series, unsigned columns, double least_full, bool utf8) {
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, *const ascii[] = {"_", ".", ":", "-",
                                                                                                    "=", "+", "*", "#"};
    double full = least_full;
    for (unsigned i = TOP_SAMPLES - columns; i < TOP_SAMPLES; i++)
        if (series[i] > full) full = series[i];
    for (unsigned i = TOP_SAMPLES - columns; i < TOP_SAMPLES; i++) {
        unsigned level = series[i] > 0 && full > 0 ? 1 + (unsigned)(series[i] / full * 6.999) : 0;
        if (level > 7) level = 7;
        strbuf_puts(out, isnan(series[i]) ? " " : utf8 ? blocks[level] : ascii[level]);
    }
}

/* ---- lines ---- */

/* Ends a line that began at `begin`, cut to the width. */
static void line_end(struct strbuf *out, const struct top *top, size_t begin) {
    struct strbuf line = {0};
    if (out->failed) return;
    strbuf_add(&line, out->text + begin, out->bytes - begin);
    out->bytes = begin;
    text_cut_lines(out, strbuf_text(&line), line.bytes, top->columns);
    strbuf_puts(out, "\n");
    strbuf_fini(&line);
}

/* Appends a line; after the columns that stay, skips that many. */
static void add_skipping(struct strbuf *out, const char *text, size_t bytes, unsigned keep, unsigned skip) {
    unsigned column = 0;
    for (size_t i = 0; i < bytes;) {
        size_t used = 1;
        if (text[i] == '\x1b')
            while (i + used < bytes && text[i + used - 1] != 'm') used++;
        else
            while (i + used < bytes && (text[i + used] & 0xc0) == 0x80) used++;
        unsigned columns = text_columns(text + i, used);
        if (text[i] == '\x1b' || column < keep || column >= keep + skip) strbuf_add(out, text + i, used);
        column += columns;
        i += used;
    }
}

/* ---- the head ---- */

static uint64_t lost_events(const json_t *stats) {
    const char *cause;
    json_t *value, *lost = json_object_get(json_object_get(stats, "ingest"), "lost");
    uint64_t sum = 0;
    json_object_foreach(lost, cause, value) {
        (void)value;
        sum += json_get_count(lost, cause);
    }
    return sum;
}

static uint64_t taken_events(const json_t *stats) { return json_get_count(json_object_get(stats, "ingest"), "events"); }
static uint64_t events_here(const json_t *stats) { return json_get_count(json_object_get(stats, "history"), "events"); }

/* The rate per second between the newest two `stats`; NAN when not known.  Of a recording: the average of all of it. */
static double stats_rate(const struct top *top, uint64_t (*count)(const json_t *stats)) {
    if (top->past) return (double)count(top->stats) / top_past_seconds(top, top->end_ns);
    if (!top->stats || !top->stats_before || top->stats_ms[1] <= top->stats_ms[0]) return NAN;
    uint64_t now = count(top->stats), before = count(top->stats_before);
    return now < before ? NAN : (double)(now - before) * 1e3 / (double)(top->stats_ms[1] - top->stats_ms[0]);
}

static void add_rate(struct strbuf *out, const char *before, double rate, const char *behind) {
    strbuf_puts(out, before);
    if (isnan(rate))
        strbuf_puts(out, "-");
    else
        short_number(out, rate, true);
    strbuf_puts(out, behind);
}

/* A time of day, as precise as a person reads it. */
static void add_time(struct strbuf *out, const struct top *top, uint64_t unix_ns, unsigned columns) {
    struct strbuf time = {0};
    text_time(&time, unix_ns, top->utc, false);
    strbuf_printf(out, "%.*s", (int)columns, strbuf_text(&time));
    strbuf_fini(&time);
}

static void add_clock(struct strbuf *out, const struct top *top, uint64_t unix_ns) {
    if (unix_ns)
        add_time(out, top, unix_ns, CLOCK_COLUMNS);
    else
        strbuf_puts(out, "--:--:--");
}

static void draw_head(struct strbuf *out, struct top *top) {
    size_t begin = out->bytes, live = 0, gone = 0, unknown = 0;
    const struct top_table *nodes = &top->roots[TOP_NODES].table;
    double lost = stats_rate(top, lost_events);
    uint64_t lost_total = lost_events(top->stats);
    for (size_t i = 0; i < nodes->row_count; i++) {
        const char *state = json_get_text(nodes->rows[i].json, "state");
        *(!state || !strcmp(state, "unknown") ? &unknown : !strcmp(state, "live") ? &live : &gone) += 1;
    }
    bool losing = lost > 0 && !top->past;
    enum style style = losing ? STYLE_BAD : lost_total ? STYLE_WARN : STYLE_PLAIN;
    add_clock(out, top, top->now_ns);
    strbuf_printf(out, "  %zu live", live);
    if (gone) strbuf_printf(out, ", %zu gone", gone);
    if (unknown) strbuf_printf(out, ", %zu unknown", unknown);
    strbuf_puts(out, top_is_before_end(top) ? "  overall: " : top->past ? "  average: " : "  ");
    text_style_on(out, top->color, style);
    add_rate(out, losing ? "LOST " : "lost ", lost, "/s");
    if (lost_total) {
        strbuf_puts(out, ", in all ");
        short_number(out, (double)lost_total, false);
    }
    text_style_off(out, top->color, style);
    strbuf_puts(out, "  ");
    add_rate(out, "", stats_rate(top, top->past ? events_here : taken_events), " events/s");
    strbuf_printf(out, "  every %g s", (double)top->interval_ms / 1e3);
    line_end(out, top, begin);
}

/* How far the history goes back. */
static void draw_history(struct strbuf *out, const struct top *top) {
    const json_t *history = json_object_get(top->stats, "history");
    uint64_t first_ns;
    if (!history) return;
    text_style_on(out, top->color, STYLE_DIM);
    strbuf_puts(out, "history ");
    short_number(out, (double)json_get_count(history, "events"), false);
    strbuf_puts(out, " of ");
    short_number(out, (double)json_get_count(history, "events_max"), false);
    strbuf_puts(out, " events");
    if (json_get_time(json_object_get(history, "first"), &first_ns) && top->now_ns > first_ns) {
        strbuf_puts(out, ", ");
        text_duration(out, top->now_ns - first_ns);
    }
    strbuf_printf(out, ", %" PRIu64 " traces", json_get_count(history, "traces"));
    text_style_off(out, top->color, STYLE_DIM);
}

/* The position in a recording, and how large that is. */
static void draw_position(struct strbuf *out, const struct top *top) {
    uint64_t first_ns = 0;
    json_get_time(json_object_get(json_object_get(top->stats, "history"), "first"), &first_ns);
    text_style_on(out, top->color, STYLE_HEAD);
    strbuf_puts(out, "at ");
    text_time(out, top->position_ns, top->utc, true);
    text_style_off(out, top->color, STYLE_HEAD);
    strbuf_puts(out, top->playing ? ", playing" : "");
    if (top_is_before_end(top)) {
        strbuf_puts(out, ", ");
        text_duration(out, top->end_ns - top->position_ns);
        strbuf_puts(out, " before the end");
    } else {
        strbuf_puts(out, ", the end");
    }
    if (first_ns && first_ns < top->end_ns) {
        strbuf_puts(out, " of ");
        text_duration(out, top->end_ns - first_ns);
    }
    strbuf_printf(out, ", %" PRIu64 " traces", json_get_count(json_object_get(top->stats, "history"), "traces"));
}

static void draw_state(struct strbuf *out, struct top *top) {
    size_t begin = out->bytes;
    if (top_is_frozen(top)) {
        text_style_on(out, top->color, STYLE_WARN);
        strbuf_puts(out, "FROZEN since ");
        add_clock(out, top, top->frozen_ns);
        strbuf_puts(out, "; space: resume");
        text_style_off(out, top->color, STYLE_WARN);
        if (*top->trouble) strbuf_puts(out, "  ");
    }
    if (*top->trouble)
        text_styled(out, top->color, STYLE_BAD, "%s", top->trouble);
    else if (top->past)
        draw_position(out, top);
    else if (!top_is_frozen(top))
        draw_history(out, top);
    line_end(out, top, begin);
}

static void draw_place(struct strbuf *out, struct top *top) {
    static const char *const names[TOP_VIEWS] = {"nodes", "peers", "links", "kinds", "traces", "requests"};
    const struct top_page *page = top_page(top);
    size_t begin = out->bytes;
    unsigned count;
    uint64_t stepped = page->kind == TOP_PAGE_TABLE && page->table.view == TOP_REQUESTS
                           ? top_requests_stepped(page->table.rows, page->table.row_count)
                           : 0;
    bool narrow = top->columns < TABS_COLUMNS + (stepped ? STEPPED_COLUMNS : 0U) + (*page->filter ? FILTER_COLUMNS : 0U);
    for (unsigned i = 0; i < TOP_VIEWS; i++) {
        enum top_view view = top_view_at(i);
        bool here = view == top->view;
        if (!here && (top->depth || narrow)) continue; /* no room for the other views */
        text_styled(out, top->color, here ? STYLE_HEAD : STYLE_DIM, here ? "[%u %s]" : " %u %s ", i, names[view]);
    }
    for (unsigned i = 0; i < top->depth; i++) {
        const struct top_page *above = top->pages[i];
        strbuf_printf(out, " > %s", above->title ? above->title : "?");
        if (above->kind == TOP_PAGE_TABLE) strbuf_printf(out, ": %s", names[above->table.view]);
    }
    if (stepped) {
        text_style_on(out, top->color, STYLE_WARN);
        strbuf_puts(out, "  p50, p99 without ");
        text_count(out, stepped, "request");
        strbuf_puts(out, ": the clock was stepped");
        text_style_off(out, top->color, STYLE_WARN);
    }
    if (page->kind == TOP_PAGE_TABLE) {
        const struct top_column *column = &top_columns(page->table.view, &count)[page->sort];
        text_styled(out, top->color, STYLE_DIM, "  by %s %s", column->title, page->descending ? "v" : "^");
        if (*page->filter)
            text_styled(out, top->color, STYLE_WARN, "  /%s: %zu of %zu", page->filter, page->shown_count, page->table.row_count);
    }
    line_end(out, top, begin);
}

/* ---- tables ---- */

struct layout {
    const struct top_column *columns[COLUMNS_MAX];
    unsigned widths[COLUMNS_MAX];
    unsigned count;
};

static bool columns_fit(const struct top_column *columns, unsigned count, unsigned rank_max, unsigned room) {
    unsigned used = MARGIN, shown = 0;
    for (unsigned i = 0; i < count; i++)
        if (columns[i].rank <= rank_max) used += columns[i].width + (shown++ ? GAP : 0);
    return used <= room;
}

/* The widest text that is shown in a column. */
static unsigned text_width(const struct top *top, const struct top_page *page, const struct top_column *column) {
    unsigned width = column->width;
    for (size_t i = page->top; i < page->shown_count && i < page->top + top_body_lines(top); i++) {
        const char *text = page->shown[i]->texts[column->slot];
        unsigned columns = text ? text_columns(text, strlen(text)) : 0;
        if (columns > width) width = columns;
    }
    return width < TEXT_COLUMNS_MAX ? width : TEXT_COLUMNS_MAX;
}

/* Which columns fit, and how wide: texts as wide as they need, then lines as long as there is room. */
static void lay_out(struct layout *layout, const struct top *top, const struct top_page *page) {
    unsigned count, rank = 0, used = MARGIN, sparks = 0;
    const struct top_column *columns = top_columns(page->table.view, &count);
    while (rank < count && columns_fit(columns, count, rank + 1, top->columns)) rank++;
    layout->count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (columns[i].rank > rank) continue;
        used += columns[i].width + (layout->count ? GAP : 0);
        layout->columns[layout->count] = &columns[i];
        layout->widths[layout->count++] = columns[i].width;
        sparks += columns[i].format == TOP_SPARK;
    }
    unsigned room = top->columns > used ? top->columns - used : 0;
    for (unsigned i = 0; i < layout->count; i++) {
        if (layout->columns[i]->format != TOP_TEXT) continue;
        unsigned more = text_width(top, page, layout->columns[i]) - layout->widths[i];
        if (more > room) more = room;
        layout->widths[i] += more;
        room -= more;
    }
    for (unsigned i = 0; i < layout->count; i++) {
        if (layout->columns[i]->format != TOP_SPARK) continue;
        unsigned width = layout->widths[i] + room / sparks;
        layout->widths[i] = width < TOP_SAMPLES ? width : TOP_SAMPLES;
    }
}

static void cell_value(struct strbuf *out, const struct top *top, const struct top_column *column, double value) {
    if (isnan(value)) {
        strbuf_puts(out, "-");
        return;
    }
    switch (column->format) {
    case TOP_COUNT: short_number(out, value, false); break;
    case TOP_WHOLE: strbuf_printf(out, "%.0f", value); break;
    case TOP_RATE: short_number(out, value, true); break;
    case TOP_BYTES: text_bytes(out, (uint64_t)value); break;
    case TOP_SHARE: share(out, value); break;
    case TOP_DURATION: text_duration(out, (uint64_t)value); break;
    default: add_time(out, top, (uint64_t)value, column->width); break;
    }
}

/* Appends a cell's text, and returns its style. */
static enum style cell(struct strbuf *out, const struct top *top, const struct top_row *row, const struct top_column *column,
                       unsigned width) {
    double value = row->values[column->slot];
    if (column->format == TOP_TEXT) {
        const char *text = row->texts[column->slot] ? row->texts[column->slot] : "";
        text_cut_lines(out, text, strlen(text), width);
        return row->styles[column->slot];
    }
    if (column->format == TOP_SPARK) {
        spark(out, row->series[column->slot], width, column->loss ? 0.01 : 0, top->utf8);
        return column->loss && row->mark != STYLE_PLAIN ? STYLE_BAD : STYLE_DIM;
    }
    cell_value(out, top, column, value);
    return column->loss && value > 0 ? STYLE_BAD : STYLE_PLAIN;
}

static void draw_row(struct strbuf *out, const struct top *top, const struct layout *layout, const struct top_row *row,
                     bool chosen) {
    size_t begin = out->bytes;
    bool color = top->color && !chosen;
    text_style_on(out, chosen, STYLE_CHOSEN);
    strbuf_puts(out, chosen ? ">" : " ");
    text_styled(out, color, row->mark, "%s", row->mark == STYLE_BAD ? "!" : row->mark == STYLE_WARN ? "*" : " ");
    strbuf_puts(out, " ");
    for (unsigned i = 0; i < layout->count; i++) {
        const struct top_column *column = layout->columns[i];
        struct strbuf text = {0};
        enum style style = cell(&text, top, row, column, layout->widths[i]);
        unsigned used = text_columns(strbuf_text(&text), text.bytes), width = layout->widths[i];
        unsigned pad = used < width ? width - used : 0;
        if (i) strbuf_spaces(out, GAP);
        if (column->format != TOP_TEXT) strbuf_spaces(out, pad);
        text_styled(out, color, style, "%s", strbuf_text(&text));
        if (column->format == TOP_TEXT) strbuf_spaces(out, pad);
        strbuf_fini(&text);
    }
    text_style_off(out, chosen, STYLE_CHOSEN);
    line_end(out, top, begin);
}

static void draw_titles(struct strbuf *out, const struct top *top, const struct layout *layout) {
    size_t begin = out->bytes;
    text_style_on(out, top->color, STYLE_HEAD);
    strbuf_spaces(out, MARGIN);
    for (unsigned i = 0; i < layout->count; i++) {
        const struct top_column *column = layout->columns[i];
        strbuf_printf(out, column->format == TOP_TEXT ? "%s%-*s" : "%s%*s", i ? "  " : "", (int)layout->widths[i], column->title);
    }
    text_style_off(out, top->color, STYLE_HEAD);
    line_end(out, top, begin);
}

/* Why there are no rows. */
static const char *nothing(const struct top_page *page) {
    static const char *const none[TOP_VIEWS] = {"no nodes have been seen yet",   "no peers: no event in the history has one",
                                                "no packets of a peer just now", "no events just now",
                                                "no traces in the history",      "no requests have ended just now"};
    if (*page->problem) return page->problem;
    if (!page->fed) return "waiting for traced";
    if (*page->filter) return "no row matches; Esc: all rows";
    if (page->table.view == TOP_TRACES && (*page->node_id || *page->peer_id)) return "no trace in the history has it";
    return none[page->table.view];
}

static unsigned draw_table(struct strbuf *out, const struct top *top, const struct top_page *page) {
    struct layout layout;
    unsigned body = top_body_lines(top), drawn = 0;
    lay_out(&layout, top, page);
    draw_titles(out, top, &layout);
    for (size_t i = page->top; i < page->shown_count && drawn < body; i++, drawn++)
        draw_row(out, top, &layout, page->shown[i], i == page->cursor);
    if (drawn) return drawn + 1;
    size_t begin = out->bytes;
    strbuf_spaces(out, MARGIN);
    strbuf_puts(out, nothing(page));
    line_end(out, top, begin);
    return 2;
}

/* ---- text ---- */

/* The line that a search found is shown without its own colours. */
static void add_found(struct strbuf *out, const struct strbuf *line, bool found) {
    const char *text = strbuf_text(line);
    for (size_t i = 0; i < line->bytes; i++) {
        if (found && text[i] == '\x1b')
            while (i < line->bytes && text[i] != 'm') i++;
        else
            strbuf_add(out, text + i, 1);
    }
}

static unsigned draw_text(struct strbuf *out, const struct top *top, const struct top_page *page) {
    unsigned room = top_body_lines(top) + 1, drawn = 0; /* there are no titles */
    const char *text = strbuf_text(&page->text), *end = text + page->text.bytes;
    if (!page->text.bytes) {
        size_t begin = out->bytes;
        strbuf_puts(out, *page->problem ? page->problem : "waiting for traced");
        line_end(out, top, begin);
        return 1;
    }
    for (size_t line = 0; text < end && drawn < room; line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t begin = out->bytes, bytes = (size_t)((newline ? newline : end) - text);
        if (line >= page->top) {
            struct strbuf plain = {0};
            add_skipping(&plain, text, bytes, top_kept_columns(page, line), page->skipped);
            if (line == page->found) text_style_on(out, true, STYLE_CHOSEN);
            add_found(out, &plain, line == page->found);
            if (line == page->found) text_style_off(out, true, STYLE_CHOSEN);
            line_end(out, top, begin);
            strbuf_fini(&plain);
            drawn++;
        }
        text += bytes + 1;
    }
    return drawn;
}

/* ---- the whole screen ---- */

static void draw_keys(struct strbuf *out, struct top *top) {
    const struct top_page *page = top_page(top);
    size_t begin = out->bytes;
    if (top->typing && page->kind == TOP_PAGE_TABLE)
        strbuf_printf(out, "/%s_   Enter: keep  Esc: all rows", page->filter);
    else if (top->typing)
        strbuf_printf(out, "/%s_   %sEnter: keep, then n N  Esc: end", page->filter,
                      *page->filter && page->found == SIZE_MAX ? "not found   " : "");
    else
        text_styled(out, top->color, STYLE_DIM, "%s",
                    page->kind == TOP_PAGE_TABLE && top->past
                        ? "? help  q quit  Enter in  Esc back  / filter  [ ] { } ( ) time  p play  Tab next"
                    : page->kind == TOP_PAGE_TABLE
                        ? "? help  q quit  Enter in  Esc back  / filter  < > s sort  space freeze  Tab next"
                    : page->kind == TOP_PAGE_TRACE ? "? help  q quit  Esc back  arrows scroll  / search  d diagram  r refresh"
                                                   : "? help  q quit  Esc back  arrows scroll  / search  r refresh");
    line_end(out, top, begin);
}

/* Appends at most that many whole lines of `text`. */
static void add_lines(struct strbuf *out, const struct strbuf *text, unsigned lines_max) {
    const char *at = strbuf_text(text), *end = at + text->bytes;
    for (unsigned i = 0; i < lines_max && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        strbuf_add(out, at, (size_t)(newline - at) + 1);
        at = newline + 1;
    }
}

void top_draw(struct strbuf *out, struct top *top) {
    const struct top_page *page = top_page(top);
    struct strbuf screen = {0};
    draw_head(&screen, top);
    draw_state(&screen, top);
    draw_place(&screen, top);
    unsigned used = 3 + (page->kind == TOP_PAGE_TABLE ? draw_table(&screen, top, page) : draw_text(&screen, top, page));
    for (; used + 1 < top->lines; used++) strbuf_puts(&screen, "\n");
    draw_keys(&screen, top);
    add_lines(out, &screen, top->lines);
    if (screen.failed) out->failed = true;
    strbuf_fini(&screen);
}
