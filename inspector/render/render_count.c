/* SPDX-License-Identifier: MIT
 *
 * The answer to `count`: a table of groups, or a histogram of each. */
#include "count_list.h"
#include "json_get.h"
#include "json_put.h"
#include "limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BAR_COLUMNS 50U
#define BAR_COLUMNS_MIN 4U
#define BOUNDS_COLUMNS 34U /* beside the bars */

/* ---- values ------------------------------------------------------------------------------------------------------------- */

static void put_number(struct strbuf *out, uint64_t number, const char *unit) {
    if (!strcmp(unit, "ns"))
        text_duration(out, number);
    else if (!strcmp(unit, "bytes"))
        text_bytes(out, number);
    else
        strbuf_printf(out, "%" PRIu64, number);
}

static void put_member(struct strbuf *out, const json_t *object, const char *key, const char *unit) {
    uint64_t number;
    if (json_get_unsigned(object, key, &number))
        put_number(out, number, unit);
    else
        strbuf_puts(out, "-");
}

/* 0.25, 12.3, 1234 */
static void put_rate(struct strbuf *out, const json_t *row) {
    double rate = json_get_real(row, "rate", -1);
    if (!(rate >= 0 && rate < 1e12))
        strbuf_puts(out, "-");
    else
        strbuf_printf(out, rate >= 99.95 ? "%.0f" : rate >= 9.995 ? "%.1f" : "%.2f", rate);
}

/* Is a field, as in --by, the time, with or without an interval?  An application may have a field called time.something. */
static bool is_time(const char *field) {
    size_t bytes = strcspn(field, "/");
    return (bytes == 4 && !strncmp(field, "time", 4)) || (bytes == 9 && !strncmp(field, "timestamp", 9));
}

/* One field of a group: an id as its name or shortened, a time as a time, anything else as it is. */
static void put_group_value(struct strbuf *out, const struct view *view, const json_t *group, const char *field) {
    const json_t *value = field ? json_object_get(group, field) : NULL;
    const char *text = json_string_value(value);
    if (json_is_null(value) || !value) {
        strbuf_puts(out, "-");
    } else if (json_is_integer(value) && is_time(field) && json_integer_value(value) >= 0) {
        text_time(out, (uint64_t)json_integer_value(value) * 1000, view->utc, false);
    } else if (text && json_is_hex(text, NODE_DIGITS)) {
        names_node(out, view->names, text);
    } else if (text && json_is_hex(text, TRACE_DIGITS)) {
        names_short_trace(out, view->names, text);
    } else if (text) {
        text_untrusted(out, text, strlen(text), CELL_COLUMNS_MAX);
    } else {
        char *dump = json_text_new(value, JSON_COMPACT);
        if (dump) text_untrusted(out, dump, strlen(dump), CELL_COLUMNS_MAX);
        free(dump);
    }
}

static const char *unit_of(const json_t *answer) {
    const char *unit = json_get_text(json_object_get(answer, "value"), "unit");
    return unit ? unit : "";
}

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *field, *key, *path; /* key: its name in `value` */
    unsigned char rank;
} value_columns[VALUE_COLUMNS] = {
    {"values", "count", "value.count", 5}, {"min", "min", "value.min", 6}, {"p50", "p50", "value.p50", 1},
    {"p90", "p90", "value.p90", 4},        {"p99", "p99", "value.p99", 1}, {"max", "max", "value.max", 1},
    {"mean", "mean", "value.mean", 5},
};

/* The fields of the groups, then these.  If a field of the groups has the name of one of these, the former is meant. */

static enum style draw_group(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    put_group_value(cell, view, json_object_get(row, "group"), field);
    return STYLE_PLAIN;
}

static enum style draw_events(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    strbuf_printf(cell, "%" PRIu64, json_get_count(row, "count"));
    return STYLE_HEAD;
}

static double share_of(const struct view *view, const json_t *row) {
    uint64_t all = json_get_count(view->answer, "events");
    return all ? (double)json_get_count(row, "count") / (double)all : 0;
}

static enum style draw_share(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)field;
    strbuf_printf(cell, "%.1f %%", 100 * share_of(view, row));
    return STYLE_DIM;
}

static json_t *share_new(const struct view *view, const json_t *row) { return json_real(share_of(view, row)); }

static enum style draw_rate(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    put_rate(cell, row);
    return STYLE_PLAIN;
}

static enum style draw_number(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    put_member(cell, json_object_get(row, "value"), field, unit_of(view->answer));
    return STYLE_PLAIN;
}

/* How many events have the number; the other columns count only these, not all events of the group. */
static enum style draw_values(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view, (void)field;
    strbuf_printf(cell, "%" PRIu64, json_get_count(json_object_get(row, "value"), "count"));
    return STYLE_HEAD;
}

int count_list_init(struct count_list *ret_list, const json_t *answer) {
    const json_t *fields = json_get_array(answer, "group_by");
    struct list_column *columns = ret_list->columns;
    unsigned count = 0;
    for (; count < GROUP_FIELDS_MAX && count < json_array_size(fields); count++) {
        struct count_field *field = &ret_list->fields[count];
        const char *name = json_string_value(json_array_get(fields, count));
        struct strbuf title = {0};
        text_untrusted(&title, name ? name : "-", name ? strlen(name) : 1, sizeof field->title / 4);
        bool failed = title.failed;
        snprintf(field->title, sizeof field->title, "%s", strbuf_text(&title));
        strbuf_fini(&title);
        if (failed) return -1;
        snprintf(field->name, sizeof field->name, "%s", name ? name : "-");
        snprintf(field->path, sizeof field->path, "group.%s", field->name);
        columns[count] = (struct list_column){.field = field->name,
                                              .title = field->title,
                                              .flags = is_time(field->name) ? LIST_TIME : 0,
                                              .path = field->path,
                                              .draw = draw_group};
    }
    columns[count++] = (struct list_column){"count", "events", TABLE_RIGHT, 0, 0, 0, draw_events};
    columns[count++] = (struct list_column){"share", NULL, TABLE_RIGHT, 3, 0, 0, draw_share, share_new};
    columns[count++] = (struct list_column){"rate", "per s", TABLE_RIGHT, 2, 0, 0, draw_rate};
    for (unsigned i = 0; i < VALUE_COLUMNS && json_is_object(json_object_get(answer, "value")); i++)
        columns[count++] = (struct list_column){.field = value_columns[i].field,
                                                .align = TABLE_RIGHT,
                                                .rank = value_columns[i].rank,
                                                .draw = i ? draw_number : draw_values,
                                                .path = value_columns[i].path};
    ret_list->list = (struct list){columns, count};
    return 0;
}

static void put_table(struct strbuf *out, const struct view *view, const json_t *answer) {
    struct count_list list;
    struct view own = *view;
    own.answer = answer;
    if (count_list_init(&list, answer))
        out->failed = true;
    else
        list_put(out, &own, &list.list, json_get_array(answer, "rows"), "no events");
}

/* ---- histograms ----------------------------------------------------------------------------------------------------------
 *
 * traced's buckets are narrow: each power of two is divided into 128.  They are combined by powers of two, or by halves,
 * quarters ... of them, so that there are at most BARS_MAX bars.  Thus bounds of bars are bounds of buckets, too, and no
 * number is counted in the wrong bar. */

#define BARS_MAX 24U
#define PARTS_MAX 128U

/* The bar that a number belongs to if each power of two has `parts` bars; each number below `parts` has its own bar. */
static unsigned bar_of(uint64_t number, unsigned parts) {
    if (number < parts) return (unsigned)number;
    unsigned octave = 63 - (unsigned)__builtin_clzll(number), bits = (unsigned)__builtin_ctz(parts);
    return parts + (octave - bits) * parts + (unsigned)((number >> (octave - bits)) - parts);
}

/* The least number of a bar; after the last bar, the greatest number of all. */
static uint64_t bar_low(unsigned bar, unsigned parts) {
    if (bar < parts) return bar;
    unsigned shift = (bar - parts) / parts;
    uint64_t low = parts + (bar - parts) % parts;
    return shift < 64 && low <= UINT64_MAX >> shift ? low << shift : UINT64_MAX;
}

/* The range of a histogram's numbers; false if there are none. */
static bool histogram_range(const json_t *histogram, uint64_t *ret_low, uint64_t *ret_high) {
    size_t count = json_array_size(histogram);
    return count && json_get_unsigned(json_array_get(histogram, 0), "low", ret_low) &&
           json_get_unsigned(json_array_get(histogram, count - 1), "high", ret_high) && *ret_low <= *ret_high;
}

/* A bar in eighths of a column; in whole columns if only ASCII is allowed. */
static void put_bar(struct strbuf *out, const struct view *view, uint64_t count, uint64_t most) {
    unsigned room = view->columns > BOUNDS_COLUMNS + BAR_COLUMNS_MIN ? view->columns - BOUNDS_COLUMNS : BAR_COLUMNS_MIN;
    unsigned columns = !view->columns || room > BAR_COLUMNS ? BAR_COLUMNS : room;
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned unit = view->utf8 ? 8 : 1, length = (unsigned)((double)count / (double)most * columns * unit + 0.5);
    if (count && !length) length = 1; /* a few are more than none */
    text_style_on(out, view->color, STYLE_GOOD);
    for (unsigned i = 0; i < length / unit; i++) strbuf_puts(out, view->utf8 ? "█" : "#");
    strbuf_puts(out, parts[length % unit]);
    text_style_off(out, view->color, STYLE_GOOD);
    for (unsigned i = (length + unit - 1) / unit; i < columns; i++) strbuf_puts(out, " ");
}

static void put_bars(struct strbuf *out, const struct view *view, const json_t *histogram, const char *unit) {
    static const struct table_column columns[] = {
        {"from", TABLE_RIGHT}, {"below", TABLE_RIGHT}, {"", TABLE_LEFT, 1}, {"events", TABLE_RIGHT}};
    uint64_t counts[BARS_MAX] = {0}, low, high, most = 0;
    unsigned parts = PARTS_MAX, first, bars;
    struct table table;
    size_t i;
    const json_t *bucket;
    if (!histogram_range(histogram, &low, &high)) return;
    while (parts > 1 && bar_of(high, parts) - bar_of(low, parts) >= BARS_MAX) parts /= 2;
    first = bar_of(low, parts);
    bars = bar_of(high, parts) - first + 1;
    if (bars > BARS_MAX) { /* more than 24 powers of two: everything below the last 24 is one bar */
        first += bars - BARS_MAX;
        bars = BARS_MAX;
    }
    json_array_foreach(histogram, i, bucket) {
        uint64_t at = json_get_count(bucket, "low");
        unsigned bar = bar_of(at, parts);
        bar = bar < first ? 0 : bar - first;
        if (bar >= bars) continue; /* not in order: not from traced */
        counts[bar] += json_get_count(bucket, "count");
        if (counts[bar] > most) most = counts[bar];
    }
    const struct table_style how = {.header = view->header, .color = view->color, .columns = view->columns};
    table_init(&table, sizeof columns / sizeof *columns, columns, &how);
    for (unsigned bar = 0; bar < bars && most; bar++) {
        uint64_t from = bar_low(first + bar, parts);
        put_number(table_cell_begin(&table), !bar && low < from ? 0 : from, unit);
        table_cell_end(&table, STYLE_PLAIN);
        put_number(table_cell_begin(&table), bar_low(first + bar + 1, parts), unit);
        table_cell_end(&table, STYLE_PLAIN);
        put_bar(table_cell_begin(&table), view, counts[bar], most);
        table_cell_end(&table, STYLE_PLAIN);
        table_cell(&table, STYLE_HEAD, "%" PRIu64, counts[bar]);
    }
    table_end(&table, out);
    table_fini(&table);
}

/* "kind packet_sent, peer bob: 12 values, p50 1.2 ms, p90 ..." */
static void put_histogram_title(struct strbuf *out, const struct view *view, const json_t *answer, const json_t *row) {
    const json_t *fields = json_get_array(answer, "group_by"), *field, *value = json_object_get(row, "value");
    size_t i;
    text_style_on(out, view->color, STYLE_HEAD);
    json_array_foreach(fields, i, field) {
        const char *name = json_string_value(field);
        if (i) strbuf_puts(out, ", ");
        if (name) text_untrusted(out, name, strlen(name), CELL_COLUMNS_MAX);
        strbuf_puts(out, " ");
        put_group_value(out, view, json_object_get(row, "group"), name);
    }
    text_style_off(out, view->color, STYLE_HEAD);
    if (json_array_size(fields)) strbuf_puts(out, ": ");
    text_count(out, json_get_count(value, "count"), "value");
    for (i = 1; i < VALUE_COLUMNS; i++) {
        strbuf_printf(out, ", %s ", value_columns[i].key);
        put_member(out, value, value_columns[i].key, unit_of(answer));
    }
    strbuf_puts(out, "\n");
}

static void put_histograms(struct strbuf *out, const struct view *view, const json_t *answer) {
    size_t i, drawn = 0;
    const json_t *row;
    json_array_foreach(json_get_array(answer, "rows"), i, row) {
        if (!json_get_count(json_object_get(row, "value"), "count")) continue;
        if (drawn++) strbuf_puts(out, "\n");
        put_histogram_title(out, view, answer, row);
        put_bars(out, view, json_get_array(row, "histogram"), unit_of(answer));
    }
}

/* ---- the view ---------------------------------------------------------------------------------------------------------- */

/* Grouped by time, the newest groups are shown; otherwise the largest. */
static bool is_by_time(const json_t *answer) {
    const json_t *fields = json_get_array(answer, "group_by");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const char *name = json_string_value(json_array_get(fields, i));
        if (name && is_time(name)) return true;
    }
    return false;
}

static void put_notes(struct strbuf *out, const struct view *view, const json_t *answer) {
    text_count(out, json_get_count(answer, "events"), "event");
    list_put_extent(out, answer, is_by_time(answer) ? "newest" : "largest", "groups");
    list_put_lacking(out, view, STYLE_WARN,
                     "left out, because the clock was stepped meanwhile: ", json_get_count(answer, "took_stepped"), "request",
                     "");
    list_put_lacking(out, view, STYLE_WARN,
                     "in groups beyond traced's limit, counted but not listed: ", json_get_count(answer, "ungrouped"), "event",
                     "; a narrower filter helps");
    list_put_lacking(out, view, STYLE_BAD,
                     "lost in that time before traced could read them, and not counted: ", json_get_count(answer, "lost"),
                     "event", "");
}

void render_count(struct strbuf *out, const struct view *view, const json_t *answer) {
    const json_t *first = json_array_get(json_get_array(answer, "rows"), 0);
    if (json_object_get(first, "histogram"))
        put_histograms(out, view, answer);
    else if (first)
        put_table(out, view, answer);
    if (view->header) put_notes(out, view, answer);
}
