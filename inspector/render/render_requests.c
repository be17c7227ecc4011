/* SPDX-License-Identifier: MIT
 *
 * The answer to `requests`: a row for each command, node or time. */
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "request_list.h"

#include <inttypes.h>
#include <string.h>

static bool is_grouped_by(const json_t *answer, const char *field) {
    size_t i;
    const json_t *member;
    json_array_foreach(json_get_array(answer, "group_by"), i, member) {
        const char *name = json_string_value(member);
        if (name && !strncmp(name, field, strlen(field))) return true;
    }
    return false;
}

/* ---- what rows are grouped by ---- */

static enum style draw_group_time(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    uint64_t us;
    if (json_get_unsigned(json_object_get(row, "group"), field, &us))
        text_time(cell, us * 1000, view->utc, false);
    else
        strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

static enum style draw_group_node(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    render_node(cell, view, json_get_hex(json_object_get(row, "group"), "node_id", NODE_DIGITS));
    return STYLE_PLAIN;
}

static enum style draw_group_request(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *group = json_object_get(row, "group");
    (void)view, (void)field;
    if (!event_request(cell, group, group)) strbuf_puts(cell, "-");
    return STYLE_HEAD;
}

static json_t *group_request_new(const struct view *view, const json_t *row) {
    struct strbuf text = {0};
    draw_group_request(&text, view, row, "request");
    json_t *request = json_string(strbuf_text(&text));
    strbuf_fini(&text);
    return request;
}

/* ---- numbers ---- */

static enum style draw_requests(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)draw_count(cell, view, row, field);
    return STYLE_HEAD;
}

static enum style draw_rate(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    double rate = json_get_real(row, field, -1);
    (void)view;
    if (!(rate >= 0 && rate < 1e12))
        strbuf_puts(cell, "-");
    else
        strbuf_printf(cell, rate >= 99.95 ? "%.0f" : rate >= 9.995 ? "%.1f" : "%.2f", rate);
    return STYLE_PLAIN;
}

/* The share of requests that failed or expired among all that ended; -1 when none ended. */
static double bad_share(const json_t *row) {
    uint64_t bad = json_get_count(row, "failed") + json_get_count(row, "expired"), all = json_get_count(row, "count");
    return all ? (double)bad / (double)all : -1;
}

static enum style draw_bad(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    double share = bad_share(row);
    (void)view, (void)field;
    if (share < 0)
        strbuf_puts(cell, "-");
    else
        strbuf_printf(cell, "%.*f %%", share > 0 && share < 0.01 ? 2 : 1, 100 * share);
    return share > 0 ? STYLE_BAD : STYLE_PLAIN;
}

static json_t *bad_new(const struct view *view, const json_t *row) {
    double share = bad_share(row);
    (void)view;
    return share < 0 ? json_null() : json_real(share);
}

static enum style draw_open(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)draw_count(cell, view, row, field);
    return json_get_count(row, field) ? STYLE_WARN : STYLE_PLAIN;
}

/* For the longest, the member is `max`. */
static enum style draw_took(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    return draw_duration(cell, view, json_object_get(row, "took"), strcmp(field, "longest") ? field : "max");
}

static enum style draw_slowest(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    names_short_trace(cell, view->names, json_get_hex(row, field, TRACE_DIGITS));
    return STYLE_ID;
}

void request_list_init(struct request_list *ret_list, const json_t *answer) {
    static const struct list_column groups[] = {
        {"time", NULL, TABLE_LEFT, 0, 0, LIST_TIME, draw_group_time, NULL, "group.time"},
        {"node", NULL, TABLE_LEFT, 0, 8, 0, draw_group_node, NULL, "group.node_id"},
        {"command", "request", TABLE_LEFT, 0, 12, LIST_IN_DATA, draw_group_request, group_request_new},
    };
    static const struct list_column numbers[] = {
        {"count", "requests", TABLE_RIGHT, 0, 0, 0, draw_requests},
        {"rate", "per s", TABLE_RIGHT, 9, 0, 0, draw_rate},
        {"failed", NULL, TABLE_RIGHT, 5, 0, 0, draw_bad_count},
        {"expired", NULL, TABLE_RIGHT, 7, 0, 0, draw_bad_count},
        {"bad", NULL, TABLE_RIGHT, 1, 0, 0, draw_bad, bad_new},
        {"open", NULL, TABLE_RIGHT, 6, 0, 0, draw_open},
        {"p50", NULL, TABLE_RIGHT, 3, 0, 0, draw_took, NULL, "took.p50"},
        {"p90", NULL, TABLE_RIGHT, 10, 0, 0, draw_took, NULL, "took.p90"},
        {"p99", NULL, TABLE_RIGHT, 2, 0, 0, draw_took, NULL, "took.p99"},
        {"longest", NULL, TABLE_RIGHT, 8, 0, 0, draw_took, NULL, "took.max"},
        {"slowest", NULL, TABLE_LEFT, 4, 0, 0, draw_slowest},
    };
    unsigned count = 0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (is_grouped_by(answer, groups[i].field)) ret_list->columns[count++] = groups[i];
    memcpy(ret_list->columns + count, numbers, sizeof numbers);
    count += sizeof numbers / sizeof *numbers;
    ret_list->list = (struct list){ret_list->columns, count};
}

/* ---- the table ---- */

static void put_notes(struct strbuf *out, const struct view *view, const json_t *answer) {
    text_count(out, json_get_count(answer, "requests"), "request");
    list_put_extent(out, answer, is_grouped_by(answer, "time/") ? "newest" : "largest", "rows");
    list_put_lacking(out, view, STYLE_WARN,
                     "left out of the times, because the clock was stepped meanwhile: ", json_get_count(answer, "took_stepped"),
                     "request", "");
    list_put_lacking(out, view, STYLE_WARN, "not counted, because their root span is missing (not traced, lost, or evicted): ",
                     json_get_count(answer, "rootless"), "request", "");
    list_put_lacking(out, view, STYLE_WARN,
                     "in rows beyond traced's limit, counted but not listed: ", json_get_count(answer, "ungrouped"), "request",
                     "; a narrower filter helps");
    list_put_lacking(out, view, STYLE_BAD, "lost in that time before traced could read them, so that requests may be missing: ",
                     json_get_count(answer, "lost"), "event", "");
}

void render_requests(struct strbuf *out, const struct view *view, const json_t *answer) {
    const json_t *rows = json_get_array(answer, "rows");
    struct request_list list;
    request_list_init(&list, answer);
    if (json_array_size(rows)) list_put(out, view, &list.list, rows, "");
    if (view->header) put_notes(out, view, answer);
}
