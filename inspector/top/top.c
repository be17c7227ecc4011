/* SPDX-License-Identifier: MIT */
#include "top.h"

#include "json_get.h"
#include "limits.h"
#include "render.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_LATE_US 100000 /* an event may be told so late (docs/protocol.md, Order: 40 ms) */
#define LINES_AROUND 5       /* head, state, tabs, titles, keys */
#define SKIP_COLUMNS 16      /* a step to the side in a timeline */

/* ---- pages ---- */

/* What a table is sorted by until the user says otherwise: trouble first, for traces the newest. */
static void default_sort(struct top_page *page) {
    static const char *const titles[TOP_VIEWS] = {"lost/s", "loss", "loss", "events/s", "began"};
    unsigned count;
    const struct top_column *columns = top_columns(page->table.view, &count);
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(columns[i].title, titles[page->table.view])) page->sort = i;
    page->descending = columns[page->sort].descending;
}

static void page_init(struct top *top, struct top_page *page, enum top_page_kind kind, enum top_view view) {
    *page = (struct top_page){.kind = kind, .serial = ++top->last_serial, .table = {.view = view}};
    default_sort(page);
}

static void page_fini(struct top_page *page) {
    free(page->title);
    free(page->shown);
    free(page->chosen);
    top_table_fini(&page->table);
    json_decref(page->summary);
    strbuf_fini(&page->text);
}

void top_init(struct top *top, struct names *names) {
    *top = (struct top){.names = names, .view = TOP_LINKS, .lines = 24, .columns = 80, .interval_ms = 1000};
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

/* ---- what is shown of a table ---- */

/* Puts the cursor where it belongs after the rows have changed: on the row that was chosen, else on the place that it had. */
static void place_cursor(struct top_page *page) {
    if (!page->chosen) page->cursor = 0;
    for (size_t i = 0; page->chosen && i < page->shown_count; i++)
        if (!strcmp(page->shown[i]->key, page->chosen)) page->cursor = i;
    if (page->cursor >= page->shown_count) page->cursor = page->shown_count ? page->shown_count - 1 : 0;
}

/* The number of the page's lines: rows, or lines of text. */
static size_t page_lines(const struct top_page *page) {
    size_t count = 0;
    if (page->kind == TOP_PAGE_TABLE) return page->shown_count;
    for (size_t i = 0; i < page->text.bytes; i++) count += page->text.text[i] == '\n';
    return count;
}

/* Scrolls so far that the cursor is seen, and no further than the end. */
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

/* The cursor is the user's from here on, and follows its row. */
static void choose(struct top_page *page) {
    free(page->chosen);
    page->chosen = page->cursor < page->shown_count ? strdup(page->shown[page->cursor]->key) : NULL;
}

/* ---- asking ---- */

/* Those of which an event is where the node took part, and one where the peer was talked to or took part; all traces: none. */
static json_t *about_new(const struct top_page *page) {
    struct strbuf text = {0};
    if (*page->node_id) strbuf_printf(&text, "any node == %s", page->node_id);
    if (*page->node_id && *page->peer_id) strbuf_puts(&text, " and ");
    if (*page->peer_id) strbuf_printf(&text, "any (peer == %s or node == %s)", page->peer_id, page->peer_id);
    json_t *filter = text.bytes ? json_string(strbuf_text(&text)) : NULL;
    strbuf_fini(&text);
    return filter;
}

/* The time that links or kinds are counted of: from where the last count ended, or the last few intervals, for a first look;
 * and up to where traced has surely read all. */
static json_t *window_new(const struct top *top, struct top_page *page, uint64_t now_ns) {
    uint64_t to_us = now_ns / 1000 - COUNT_LATE_US, longest_us = TOP_LOSS_SAMPLES * top->interval_ms * 1000;
    bool follows = page->counted_us && page->counted_us < to_us && page->counted_us + longest_us > to_us;
    uint64_t from_us = follows ? page->counted_us : to_us - longest_us;
    page->counted_us = to_us;
    return json_pack("{sI,sI,si}", "from", (json_int_t)from_us, "to", (json_int_t)to_us, "limit", (int)TOP_ROWS_COUNTED);
}

static json_t *table_params_new(const struct top *top, struct top_page *page, uint64_t now_ns) {
    enum top_view view = page->table.view;
    json_t *params = top_is_counted(view) ? window_new(top, page, now_ns) : json_object();
    if (view == TOP_LINKS) {
        json_object_set_new(params, "group_by", json_pack("[sss]", "node", "peer", "kind"));
        json_object_set_new(params, "kind",
                            json_pack("[ssssss]", "packet_sent", "packet_received", "packet_lost", "metrics", "message_sent",
                                      "message_received"));
        json_object_set_new(params, "value", json_string("rtt"));
        if (*page->node_id) json_object_set_new(params, "node_id", json_string(page->node_id));
    } else if (view == TOP_KINDS) {
        json_object_set_new(params, "group_by", json_string("kind"));
    } else if (view == TOP_TRACES) {
        json_t *about = about_new(page);
        json_object_set_new(params, "limit", json_integer(TOP_TRACES_ASKED));
        if (about) json_object_set_new(params, "filter", about);
    }
    return params;
}

const char *top_request(const struct top *top, struct top_page *page, uint64_t now_ns, json_t **ret_params_new) {
    static const char *const methods[TOP_VIEWS] = {"nodes", "peers", "count", "count", "traces"};
    switch (page->kind) {
    case TOP_PAGE_TABLE: *ret_params_new = table_params_new(top, page, now_ns); return methods[page->table.view];
    case TOP_PAGE_TRACE:
        *ret_params_new = json_pack("{ss,si}", "trace_id", page->trace_id, "limit", (int)TOP_TIMELINE_EVENTS);
        return "query";
    case TOP_PAGE_EVENTS:
        *ret_params_new = json_pack("{ss,si,ss}", "kind", page->event_kind, "limit", (int)TOP_EVENTS_ASKED, "order", "desc");
        return "query";
    default: return NULL;
    }
}

static void feed_table(struct top *top, struct top_page *page, const json_t *answer, const struct top_moment *moment) {
    enum top_view view = page->table.view;
    json_t *own = top_is_counted(view) ? top_counts_new(view, answer) : json_incref((json_t *)answer);
    if (!own || top_table_feed(&page->table, own, top->names, moment)) top->failed = true;
    json_decref(own);
    select_rows(top, page);
}

/* The newest events come first, and are shown last, where the eye is. */
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

static void feed_trace(struct top *top, struct top_page *page, const json_t *answer) {
    struct view view = {.names = top->names, .color = top->color, .utc = top->utc, .header = true};
    json_t *trace = json_pack("{ss,sO?,sO?,sO?,sb}", "trace_id", page->trace_id, "events", json_object_get(answer, "events"),
                              "gaps", json_object_get(answer, "gaps"), "summary", page->summary, "more",
                              json_is_string(json_object_get(answer, "cursor")));
    strbuf_clear(&page->text);
    if (trace) render_trace(&page->text, &view, trace);
    if (!trace || page->text.failed) top->failed = true;
    json_decref(trace);
    scroll_page(top, page);
}

void top_feed(struct top *top, struct top_page *page, const json_t *answer, const char *reason, const struct top_moment *moment) {
    struct strbuf problem = {0};
    page->fed |= answer != NULL;
    if (!answer) text_untrusted(&problem, reason, strlen(reason), sizeof page->problem / 2);
    snprintf(page->problem, sizeof page->problem, "%s", strbuf_text(&problem));
    strbuf_fini(&problem);
    if (!answer) return;
    names_see(top->names, answer);
    if (page->kind == TOP_PAGE_TABLE)
        feed_table(top, page, answer, moment);
    else if (page->kind == TOP_PAGE_TRACE)
        feed_trace(top, page, answer);
    else
        feed_events(top, page, answer);
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

/* ---- going in and back ---- */

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
    if (view == TOP_NODES && !node_id) return TOP_DRAW; /* a rejected object has no links */
    struct top_page *page = open_page(top,
                                      view == TOP_TRACES  ? TOP_PAGE_TRACE
                                      : view == TOP_KINDS ? TOP_PAGE_EVENTS
                                                          : TOP_PAGE_TABLE,
                                      view == TOP_NODES ? TOP_LINKS : TOP_TRACES);
    if (!page) return TOP_DRAW;
    snprintf(page->node_id, sizeof page->node_id, "%s", node_id ? node_id : from->node_id);
    snprintf(page->peer_id, sizeof page->peer_id, "%s", peer_id ? peer_id : from->peer_id);
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

/* Moves the cursor, or the text, by so many lines. */
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

/* To the first row, whichever that will be. */
static enum top_action go_home(struct top *top, struct top_page *page) {
    free(page->chosen);
    page->chosen = NULL;
    page->cursor = page->top = page->skipped = 0;
    scroll_page(top, page);
    return TOP_DRAW;
}

static void set_filter(struct top *top, struct top_page *page) {
    if (page->kind == TOP_PAGE_TABLE) select_rows(top, page);
}

/* A key while the filter is typed.  It works at once, letter by letter. */
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

/* Thaws with a question, for what is on the screen is old. */
static enum top_action toggle_freeze(struct top *top, uint64_t now_ns) {
    bool was = top_is_frozen(top);
    top->frozen_ns = was ? 0 : now_ns;
    if (was) top_forget(top);
    return was ? TOP_ASK : TOP_DRAW;
}

static enum top_action start_typing(struct top *top, const struct top_page *page) {
    top->typing = page->kind == TOP_PAGE_TABLE;
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
    case '/': return start_typing(top, page);
    case ' ': return toggle_freeze(top, now_ns);
    case '<': return sort_by(top, page, -1);
    case '>': return sort_by(top, page, 1);
    case 's': return reverse_order(top, page);
    case 'r': return TOP_ASK;
    case 'L' - '@': return TOP_REDRAW;
    case '\t': return go_to(top, (top->view + 1) % TOP_VIEWS);
    case TOP_KEY_BACK_TAB: return go_to(top, (top->view + TOP_VIEWS - 1) % TOP_VIEWS);
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
    default: return key >= '1' && key < '1' + TOP_VIEWS ? go_to(top, (enum top_view)(key - '1')) : TOP_DRAW;
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
