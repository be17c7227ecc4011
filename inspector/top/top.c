/* SPDX-License-Identifier: MIT */
#include "top.h"

#include "json_get.h"
#include "limits.h"
#include "render.h"
#include "top_requests.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_AROUND 5  /* head, state, tabs, titles, keys */
#define SKIP_COLUMNS 16 /* a sideways step in a timeline */

/* ---- pages ---- */

/* The initial order of a table: problems first, for traces the newest first. */
static void default_sort(struct top_page *page) {
    static const char *const titles[TOP_VIEWS] = {"lost/s", "loss", "loss", "events/s", "began", "bad %"};
    unsigned count;
    const struct top_column *columns = top_columns(page->table.view, &count);
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(columns[i].title, titles[page->table.view])) page->sort = i;
    page->descending = columns[page->sort].descending;
}

static void page_init(struct top *top, struct top_page *page, enum top_page_kind kind, enum top_view view) {
    *page = (struct top_page){.kind = kind, .serial = ++top->last_serial, .table = {.view = view}, .found = SIZE_MAX};
    default_sort(page);
}

static void page_fini(struct top_page *page) {
    free(page->title);
    free(page->shown);
    free(page->chosen);
    top_table_fini(&page->table);
    json_decref(page->summary);
    json_decref(page->trace);
    strbuf_fini(&page->text);
}

void top_init(struct top *top, struct names *names) {
    *top = (struct top){.names = names, .view = TOP_REQUESTS, .lines = 24, .columns = 80, .interval_ms = 1000};
    for (unsigned i = 0; i < TOP_VIEWS; i++) page_init(top, &top->roots[i], TOP_PAGE_TABLE, (enum top_view)i);
}

static void leave_page(struct top *top) {
    struct top_page *page = top->pages[--top->depth];
    page_fini(page);
    free(page);
}

void top_fini(struct top *top) {
    while (top->depth) leave_page(top);
    for (unsigned i = 0; i < TOP_VIEWS; i++) page_fini(&top->roots[i]);
    json_decref(top->stats);
    json_decref(top->stats_before);
}

struct top_page *top_page(struct top *top) {
    return top->depth ? top->pages[top->depth - 1] : &top->roots[top->view];
}

struct top_page *top_find_page(struct top *top, unsigned serial) {
    for (unsigned i = 0; i < top->depth; i++)
        if (top->pages[i]->serial == serial) return top->pages[i];
    for (unsigned i = 0; i < TOP_VIEWS; i++)
        if (top->roots[i].serial == serial) return &top->roots[i];
    return NULL;
}

/* ---- the visible part of a table ---- */

/* Puts the cursor where it belongs after the rows have changed: on the chosen row, or else where it was. */
static void place_cursor(struct top_page *page) {
    if (!page->chosen) page->cursor = 0;
    for (size_t i = 0; page->chosen && i < page->shown_count; i++)
        if (!strcmp(page->shown[i]->key, page->chosen)) page->cursor = i;
    if (page->cursor >= page->shown_count) page->cursor = page->shown_count ? page->shown_count - 1 : 0;
}

/* The number of the page's rows or lines of text. */
static size_t page_lines(const struct top_page *page) {
    size_t count = 0;
    if (page->kind == TOP_PAGE_TABLE) return page->shown_count;
    for (size_t i = 0; i < page->text.bytes; i++) count += page->text.text[i] == '\n';
    return count;
}

/* Scrolls until the cursor is visible, but not beyond the end. */
static void scroll_page(struct top *top, struct top_page *page) {
    size_t body = top_body_lines(top) + (page->kind != TOP_PAGE_TABLE), lines = page_lines(page); /* text has no titles */
    size_t top_max = lines > body ? lines - body : 0;
    if (page->kind == TOP_PAGE_TABLE) {
        if (page->top > page->cursor) page->top = page->cursor;
        if (page->cursor >= page->top + body) page->top = page->cursor - body + 1;
    }
    if (page->top > top_max) page->top = top_max;
}

static void select_rows(struct top *top, struct top_page *page) {
    const struct top_row **shown = realloc(page->shown, (page->table.row_count + 1) * sizeof *shown);
    page->shown_count = 0;
    if (!shown) {
        top->failed = true;
        return;
    }
    page->shown = shown;
    page->shown_count = top_table_select(&page->table, page->filter, page->sort, page->descending, shown);
    place_cursor(page);
    scroll_page(top, page);
}

/* From now on the cursor follows the row that the user chose. */
static void choose(struct top_page *page) {
    free(page->chosen);
    page->chosen = page->cursor < page->shown_count ? strdup(page->shown[page->cursor]->key) : NULL;
}

/* ---- answers ---- */

static uint64_t first_ns(const struct top *top) {
    uint64_t ns = 0;
    json_get_time(json_object_get(json_object_get(top->stats, "history"), "first"), &ns);
    return ns;
}

double top_past_seconds(const struct top *top, uint64_t until_ns) {
    uint64_t begin_ns = first_ns(top);
    return begin_ns && begin_ns < until_ns ? (double)(until_ns - begin_ns) / 1e9 : NAN;
}

static void feed_rows(struct top *top, struct top_page *page, const json_t *answer, const struct top_moment *moment) {
    enum top_view view = page->table.view;
    struct top_moment known = *moment;
    known.past = top->past;
    known.seconds = top_past_seconds(top, top->position_ns);
    known.now_ns = top->past ? top->position_ns : top->now_ns;
    json_t *own = json_copy((json_t *)answer);
    if (top_is_counted(view) && json_get_real(answer, "seconds", 0) <= 0 &&
        page->look.from_us) /* nothing was counted in that interval */
        json_object_set_new(own, "seconds", json_real((double)(page->counted_us - page->look.from_us) / 1e6));
    if (top_is_counted(view)) {
        json_t *counted = own;
        own = top_counts_new(view, counted);
        json_decref(counted);
    }
    if (!own || top_table_feed(&page->table, own, top->names, &known)) top->failed = true;
    json_decref(own);
}

/* Feeds the answer of a first look interval by interval. */
static void feed_table(struct top *top, struct top_page *page, const json_t *answer, const struct top_moment *moment) {
    json_t *intervals = page->look.every_us ? top_history_split(answer, &page->look) : NULL;
    size_t i;
    const json_t *interval;
    if (page->look.every_us) top_table_fini(&page->table);
    json_array_foreach(intervals, i, interval) feed_rows(top, page, interval, moment);
    if (!intervals) feed_rows(top, page, answer, moment);
    json_decref(intervals);
    if (page->table.view == TOP_REQUESTS) top_requests_measure(page->table.rows, page->table.row_count);
    select_rows(top, page);
}

/* Without requests, or with a traced that does not know them, links are the better first page. */
static void turn_to_links(struct top *top, const struct top_page *page) {
    bool first = page == &top->roots[TOP_REQUESTS] && top->view == TOP_REQUESTS && !top->depth && !top->arrived;
    if (first && !page->table.row_count) top->view = TOP_LINKS;
    if (first) top->arrived = true;
}

/* The newest events arrive first, and are shown last, where the eye is. */
static void feed_events(struct top *top, struct top_page *page, const json_t *answer) {
    struct view view = {.names = top->names, .color = top->color, .utc = top->utc, .header = true};
    const json_t *newest = json_get_array(answer, "events");
    json_t *events = json_array(), *shown;
    for (size_t i = json_array_size(newest); i-- > 0;) json_array_append(events, json_array_get(newest, i));
    shown = json_pack("{so}", "events", events);
    strbuf_clear(&page->text);
    render_events_titles(&page->text, &view);
    if (shown) render_events(&page->text, &view, shown);
    if (!shown || page->text.failed) top->failed = true;
    json_decref(shown);
    page->top = SIZE_MAX;
    scroll_page(top, page);
}

/* Draws the page's trace as a timeline or a diagram. */
static void draw_trace(struct top *top, struct top_page *page) {
    struct view view = {.names = top->names, .color = top->color, .utc = top->utc, .header = true, .utf8 = top->utf8};
    strbuf_clear(&page->text);
    page->found = SIZE_MAX;
    if (!page->trace) return;
    if (page->graph)
        render_graph(&page->text, &view, page->trace);
    else
        render_trace(&page->text, &view, page->trace);
    if (page->text.failed) top->failed = true;
    scroll_page(top, page);
}

static void feed_trace(struct top *top, struct top_page *page, const json_t *answer) {
    json_decref(page->trace);
    page->trace = json_pack("{ss,sO?,sO?,sO?,sO?,sb}", "trace_id", page->trace_id, "events", json_object_get(answer, "events"),
                            "gaps", json_object_get(answer, "gaps"), "beside", json_object_get(answer, "beside"), "summary",
                            page->summary, "more", json_is_string(json_object_get(answer, "cursor")));
    if (!page->trace) top->failed = true;
    draw_trace(top, page);
}

void top_feed(struct top *top, struct top_page *page, const json_t *answer, const char *reason, const struct top_moment *moment) {
    struct strbuf problem = {0};
    page->fed |= answer != NULL;
    if (!answer) text_untrusted(&problem, reason, strlen(reason), sizeof page->problem / 2);
    snprintf(page->problem, sizeof page->problem, "%s", strbuf_text(&problem));
    strbuf_fini(&problem);
    if (!answer) turn_to_links(top, page);
    if (!answer) return;
    names_see(top->names, answer);
    if (page->kind == TOP_PAGE_TABLE)
        feed_table(top, page, answer, moment);
    else if (page->kind == TOP_PAGE_TRACE)
        feed_trace(top, page, answer);
    else
        feed_events(top, page, answer);
    turn_to_links(top, page);
}

void top_feed_stats(struct top *top, json_t *stats, uint64_t time_ms, uint64_t now_ns) {
    json_decref(top->stats_before);
    top->stats_before = top->stats;
    top->stats_ms[0] = top->stats_ms[1];
    top->stats = json_incref(stats);
    top->stats_ms[1] = time_ms;
    top->now_ns = now_ns;
}

void top_forget(struct top *top) {
    for (unsigned i = 0; i < TOP_VIEWS; i++) top_table_forget(&top->roots[i].table);
    for (unsigned i = 0; i < top->depth; i++) top_table_forget(&top->pages[i]->table);
    json_decref(top->stats);
    json_decref(top->stats_before);
    top->stats = top->stats_before = NULL;
}

/* ---- opening pages and going back ---- */

/* A filter of whole traces for a row of `requests`; empty for requests without an application, or whose id cannot be written. */
static void set_request(struct top_page *page, const json_t *row) {
    const char *app_id = json_get_text(row, "app_id");
    uint64_t cmd;
    if (!app_id || !*app_id || strpbrk(app_id, "\"\\") || strlen(app_id) > 4 || !json_get_unsigned(row, "cmd", &cmd)) return;
    snprintf(page->request, sizeof page->request, "app == \"%s\" and cmd == %" PRIu64, app_id, cmd);
}

/* Opens a page above this one.  Returns it, or NULL. */
static struct top_page *open_page(struct top *top, enum top_page_kind kind, enum top_view view) {
    struct top_page *page = top->depth < TOP_DEPTH_MAX ? malloc(sizeof *page) : NULL;
    if (!page) return NULL;
    page_init(top, page, kind, view);
    top->pages[top->depth++] = page;
    return page;
}

static char *title_new(enum top_view view, const struct top_row *row) {
    struct strbuf title = {0};
    strbuf_puts(&title, row->texts[0] ? row->texts[0] : "?");
    if (view == TOP_LINKS) strbuf_printf(&title, " to %s", row->texts[1] ? row->texts[1] : "?");
    return title.text;
}

static enum top_action enter_row(struct top *top) {
    const struct top_page *from = top_page(top);
    if (from->kind != TOP_PAGE_TABLE || from->cursor >= from->shown_count) return TOP_DRAW;
    const struct top_row *row = from->shown[from->cursor];
    enum top_view view = from->table.view;
    const char *node_id = json_get_hex(row->json, "node_id", NODE_DIGITS),
               *peer_id = json_get_hex(row->json, "peer_id", NODE_DIGITS);
    if (view == TOP_NODES && !node_id) return TOP_DRAW; /* a rejected log has no links */
    struct top_page *page = open_page(top,
                                      view == TOP_TRACES  ? TOP_PAGE_TRACE
                                      : view == TOP_KINDS ? TOP_PAGE_EVENTS
                                                          : TOP_PAGE_TABLE,
                                      view == TOP_NODES ? TOP_LINKS : TOP_TRACES);
    if (!page) return TOP_DRAW;
    snprintf(page->node_id, sizeof page->node_id, "%s", node_id ? node_id : from->node_id);
    snprintf(page->peer_id, sizeof page->peer_id, "%s", peer_id ? peer_id : from->peer_id);
    if (view == TOP_REQUESTS) set_request(page, row->json);
    if (view == TOP_KINDS) snprintf(page->event_kind, sizeof page->event_kind, "%s", row->key);
    if (view == TOP_TRACES) {
        snprintf(page->trace_id, sizeof page->trace_id, "%s", row->key);
        page->summary = json_incref(row->json);
    }
    page->title = title_new(view, row);
    return TOP_ASK;
}

static enum top_action toggle_help(struct top *top, struct top_page *page) {
    if (page->kind == TOP_PAGE_HELP) {
        leave_page(top);
    } else if ((page = open_page(top, TOP_PAGE_HELP, TOP_NODES))) {
        page->title = strdup("help");
        strbuf_puts(&page->text, top_help);
    }
    return TOP_DRAW;
}

static enum top_action go_back(struct top *top) {
    if (top->depth) leave_page(top);
    return TOP_DRAW;
}

static enum top_action go_to(struct top *top, enum top_view view) {
    while (top->depth) leave_page(top);
    top->view = view;
    top->arrived = true;
    return TOP_ASK;
}

/* ---- keys ---- */

static enum top_action sort_by(struct top *top, struct top_page *page, int step) {
    unsigned count;
    const struct top_column *columns = top_columns(page->table.view, &count);
    if (page->kind != TOP_PAGE_TABLE) return TOP_DRAW;
    do page->sort = (page->sort + count + (unsigned)step) % count;
    while (columns[page->sort].format == TOP_SPARK);
    page->descending = columns[page->sort].descending;
    select_rows(top, page);
    return TOP_DRAW;
}

static enum top_action reverse_order(struct top *top, struct top_page *page) {
    page->descending = !page->descending;
    if (page->kind == TOP_PAGE_TABLE) select_rows(top, page);
    return TOP_DRAW;
}

/* Moves the cursor, or the text, by that many lines. */
static enum top_action move_cursor(struct top *top, struct top_page *page, int64_t step) {
    size_t lines = page_lines(page), *at = page->kind == TOP_PAGE_TABLE ? &page->cursor : &page->top;
    if (step < 0)
        *at = *at > (size_t)-step ? *at - (size_t)-step : 0;
    else
        *at = (size_t)step < lines && *at < lines - (size_t)step ? *at + (size_t)step : lines ? lines - 1 : 0;
    if (page->kind == TOP_PAGE_TABLE) choose(page);
    scroll_page(top, page);
    return TOP_DRAW;
}

/* ---- searching a text ---- */

/* The line of a timeline or diagram that has the titles, and the columns before the node; SIZE_MAX when there is none. */
static size_t find_titles(const struct top_page *page, unsigned *ret_columns) {
    const char *text = strbuf_text(&page->text), *end = text + page->text.bytes, *newline;
    for (size_t number = 0; text < end && (newline = memchr(text, '\n', (size_t)(end - text))); text = newline + 1, number++) {
        const char *since = memmem(text, (size_t)(newline - text), "since ", 6);
        const char *gap = since ? memmem(since, (size_t)(newline - since), " gap   ", 7) : NULL;
        if (!gap) continue;
        *ret_columns = text_columns(text, (size_t)(gap - text)) + 7;
        return number;
    }
    return SIZE_MAX;
}

unsigned top_kept_columns(const struct top_page *page, size_t number) {
    unsigned columns = 0;
    size_t titles = page->kind == TOP_PAGE_TRACE && page->skipped ? find_titles(page, &columns) : SIZE_MAX;
    return titles != SIZE_MAX && number >= titles ? columns : 0;
}

/* Does a line, without its colours, have the words?  Ignores case. */
static bool line_has(const char *line, size_t bytes, const char *words) {
    struct strbuf plain = {0};
    for (size_t i = 0; i < bytes; i++) {
        if (line[i] == '\x1b')
            while (i < bytes && line[i] != 'm') i++;
        else
            strbuf_add(&plain, line + i, 1);
    }
    bool has = strcasestr(strbuf_text(&plain), words) != NULL;
    strbuf_fini(&plain);
    return has;
}

/* Finds the next (step 1) or previous (-1) line from `from` on that has the search text, wrapping around, and scrolls there.
 * None: found is SIZE_MAX. */
static void search(struct top *top, struct top_page *page, size_t from, int step) {
    size_t lines = page_lines(page), number = 0, best = SIZE_MAX, wrapped = SIZE_MAX;
    page->found = SIZE_MAX;
    if (!*page->filter || !lines) return;
    const char *text = strbuf_text(&page->text), *end = text + page->text.bytes;
    for (const char *newline; text < end; text = newline + 1, number++) {
        newline = memchr(text, '\n', (size_t)(end - text));
        if (!newline) break;
        if (!line_has(text, (size_t)(newline - text), page->filter)) continue;
        bool ahead = step > 0 ? number >= from : number <= from;
        if (ahead && (best == SIZE_MAX || step < 0)) best = number;
        if (!ahead && (wrapped == SIZE_MAX || step < 0)) wrapped = number;
    }
    page->found = best != SIZE_MAX ? best : wrapped;
    if (page->found == SIZE_MAX) return;
    size_t body = top_body_lines(top);
    if (page->found < page->top || page->found >= page->top + body)
        page->top = page->found > body / 2 ? page->found - body / 2 : 0;
    scroll_page(top, page);
}

static enum top_action search_again(struct top *top, struct top_page *page, int step) {
    if (page->kind == TOP_PAGE_TABLE) return TOP_DRAW;
    size_t lines = page_lines(page), at = page->found == SIZE_MAX ? page->top : page->found + lines + (size_t)step;
    if (lines) search(top, page, at % lines, step);
    return TOP_DRAW;
}

static enum top_action toggle_graph(struct top *top, struct top_page *page) {
    if (page->kind != TOP_PAGE_TRACE) return TOP_DRAW;
    page->graph = !page->graph;
    page->top = page->skipped = 0;
    draw_trace(top, page);
    return TOP_DRAW;
}

/* ---- the position in a recording ----
 *
 * It is at the end of an interval, so that counts of intervals have nothing from after it; but not beyond the recording. */

void top_set_past(struct top *top, uint64_t end_ns) {
    top->past = true;
    top->position_ns = top->end_ns = end_ns;
}

/* Everything shown is from another time. */
static void ask_anew(struct top *top) {
    for (unsigned i = 0; i < TOP_VIEWS; i++) top->roots[i].fed = false;
    for (unsigned i = 0; i < top->depth; i++) {
        struct top_page *page = top->pages[i];
        page->fed = false;
        json_decref(page->summary); /* it is of the time when the page was opened */
        page->summary = NULL;
    }
}

static enum top_action go_to_position(struct top *top, uint64_t ns) {
    uint64_t begin_ns = first_ns(top);
    uint64_t every_ns = top->interval_ms * 1000000;
    if (!top->past) return TOP_DRAW;
    if (ns < begin_ns) ns = begin_ns;
    if (ns < top->end_ns && ns > begin_ns) ns += (every_ns - ns % every_ns) % every_ns;
    if (ns > top->end_ns) ns = top->end_ns;
    if (ns == top->position_ns) return TOP_DRAW;
    top->position_ns = ns;
    ask_anew(top);
    return TOP_ASK;
}

static enum top_action move_position(struct top *top, int64_t intervals) {
    int64_t by_ns = intervals * (int64_t)top->interval_ms * 1000000;
    if (by_ns < 0 && (uint64_t)-by_ns > top->position_ns) return go_to_position(top, 0);
    return go_to_position(top, top->position_ns + (uint64_t)by_ns);
}

void top_play(struct top *top) {
    if (!top->playing) return;
    top->playing = top->position_ns < top->end_ns;
    move_position(top, 1);
}

static enum top_action toggle_play(struct top *top) {
    top->playing = top->past && !top->playing && top->position_ns < top->end_ns;
    return TOP_DRAW;
}

/* ---- keys of all pages ---- */

/* Follow the first row, whichever it is. */
static enum top_action go_home(struct top *top, struct top_page *page) {
    free(page->chosen);
    page->chosen = NULL;
    page->cursor = page->top = page->skipped = 0;
    scroll_page(top, page);
    return TOP_DRAW;
}

static void set_filter(struct top *top, struct top_page *page) {
    if (page->kind == TOP_PAGE_TABLE)
        select_rows(top, page);
    else
        search(top, page, page->top, 1);
}

/* A key while the user types a filter, which applies at once, letter by letter. */
static enum top_action type_filter(struct top *top, struct top_page *page, uint32_t key) {
    size_t bytes = strlen(page->filter);
    if (key == TOP_KEY_ENTER) {
        top->typing = false;
    } else if (key == TOP_KEY_ESCAPE) {
        top->typing = false;
        page->filter[0] = 0;
    } else if (key == TOP_KEY_BACKSPACE) {
        if (!bytes) top->typing = false;
        while (bytes && (page->filter[bytes - 1] & 0xc0) == 0x80) bytes--;
        if (bytes) page->filter[bytes - 1] = 0;
    } else if (key >= 0x20 && key < 0x7f && bytes + 1 < sizeof page->filter) {
        page->filter[bytes] = (char)key;
        page->filter[bytes + 1] = 0;
    }
    set_filter(top, page);
    return TOP_DRAW;
}

static enum top_action leave_or_clear(struct top *top, struct top_page *page) {
    if (!*page->filter) return go_back(top);
    page->filter[0] = 0;
    set_filter(top, page);
    return TOP_DRAW;
}

/* Thaws with a question, because the screen is old. */
static enum top_action toggle_freeze(struct top *top, uint64_t now_ns) {
    bool was = top_is_frozen(top);
    top->frozen_ns = was ? 0 : now_ns;
    if (was) top_forget(top);
    return was ? TOP_ASK : TOP_DRAW;
}

static enum top_action start_typing(struct top *top) {
    top->typing = true;
    return TOP_DRAW;
}

static enum top_action scroll_sideways(struct top_page *page, int step) {
    if (step < 0)
        page->skipped = page->skipped > SKIP_COLUMNS ? page->skipped - SKIP_COLUMNS : 0;
    else if (page->kind != TOP_PAGE_TABLE)
        page->skipped += SKIP_COLUMNS;
    return TOP_DRAW;
}

static enum top_action obey_key(struct top *top, struct top_page *page, uint32_t key, uint64_t now_ns) {
    int64_t body = top_body_lines(top);
    switch (key) {
    case 'q': return TOP_QUIT;
    case '?': return toggle_help(top, page);
    case '/': return start_typing(top);
    case ' ': return toggle_freeze(top, now_ns);
    case '<': return sort_by(top, page, -1);
    case '>': return sort_by(top, page, 1);
    case 's': return reverse_order(top, page);
    case 'r': return TOP_ASK;
    case 'd': return toggle_graph(top, page);
    case 'n': return search_again(top, page, 1);
    case 'N': return search_again(top, page, -1);
    case '[': return move_position(top, -1);
    case ']': return move_position(top, 1);
    case '{': return move_position(top, -TOP_SAMPLES);
    case '}': return move_position(top, TOP_SAMPLES);
    case '(': return go_to_position(top, 0);
    case ')': return go_to_position(top, UINT64_MAX);
    case 'p': return toggle_play(top);
    case 'L' - '@': return TOP_REDRAW;
    case '\t': return go_to(top, top_view_at(top_view_place(top->view) + 1));
    case TOP_KEY_BACK_TAB: return go_to(top, top_view_at(top_view_place(top->view) + TOP_VIEWS - 1));
    case TOP_KEY_ENTER: return enter_row(top);
    case TOP_KEY_ESCAPE: return leave_or_clear(top, page);
    case TOP_KEY_BACKSPACE: return go_back(top);
    case 'k':
    case TOP_KEY_UP: return move_cursor(top, page, -1);
    case 'j':
    case TOP_KEY_DOWN: return move_cursor(top, page, 1);
    case TOP_KEY_PAGE_UP: return move_cursor(top, page, -body);
    case TOP_KEY_PAGE_DOWN: return move_cursor(top, page, body);
    case 'g':
    case TOP_KEY_HOME: return go_home(top, page);
    case 'G':
    case TOP_KEY_END: return move_cursor(top, page, INT64_MAX);
    case 'h':
    case TOP_KEY_LEFT: return scroll_sideways(page, -1);
    case 'l':
    case TOP_KEY_RIGHT: return scroll_sideways(page, 1);
    default: return key >= '0' && key < '0' + TOP_VIEWS ? go_to(top, top_view_at(key - '0')) : TOP_DRAW;
    }
}

enum top_action top_key(struct top *top, uint32_t key, uint64_t now_ns) {
    struct top_page *page = top_page(top);
    return top->typing ? type_filter(top, page, key) : obey_key(top, page, key, now_ns);
}

void top_resize(struct top *top, unsigned lines, unsigned columns) {
    top->lines = lines;
    top->columns = columns;
    for (unsigned i = 0; i < TOP_VIEWS; i++) scroll_page(top, &top->roots[i]);
    for (unsigned i = 0; i < top->depth; i++) scroll_page(top, top->pages[i]);
}

unsigned top_body_lines(const struct top *top) { return top->lines > LINES_AROUND ? top->lines - LINES_AROUND : 1; }
