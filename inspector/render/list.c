/* SPDX-License-Identifier: MIT */
#include "list.h"

#include "json_get.h"
#include "json_put.h"
#include "limits.h"
#include "nearest.h"

#include <inttypes.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <string.h>

/* ---- cells ---- */

enum style draw_text(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    (void)view;
    text_member(cell, row, field);
    return STYLE_PLAIN;
}

enum style draw_head(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    draw_text(cell, view, row, field);
    return STYLE_HEAD;
}

enum style draw_count(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    uint64_t value;
    (void)view;
    if (json_get_unsigned(row, field, &value))
        strbuf_printf(cell, "%" PRIu64, value);
    else
        strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

enum style draw_bad_count(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    draw_count(cell, view, row, field);
    return json_get_count(row, field) ? STYLE_BAD : STYLE_PLAIN;
}

enum style draw_duration(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    uint64_t ns;
    (void)view;
    if (json_get_unsigned(row, field, &ns))
        text_duration(cell, ns);
    else
        strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

/* A duration of a trace; "?" if a step of the clock lies in it, because then it is not known. */
enum style draw_stepped(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    char member[32];
    snprintf(member, sizeof member, "%s_stepped", field);
    if (!json_get_bool(row, member)) return draw_duration(cell, view, row, field);
    strbuf_puts(cell, "?");
    return STYLE_PLAIN;
}

enum style draw_bytes(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    uint64_t bytes;
    (void)view;
    if (json_get_unsigned(row, field, &bytes))
        text_bytes(cell, bytes);
    else
        strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

enum style draw_time(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    render_time(cell, view, json_object_get(row, field), false);
    return STYLE_PLAIN;
}

enum style draw_node_id(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    names_short_node(cell, view->names, json_get_hex(row, field, NODE_DIGITS));
    return STYLE_ID;
}

enum style draw_names(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *nodes = json_get_array(row, field), *node;
    size_t i;
    json_array_foreach(nodes, i, node) {
        const char *id = json_string_value(node);
        if (i) strbuf_puts(cell, " ");
        render_node(cell, view, id && json_is_hex(id, NODE_DIGITS) ? id : NULL);
    }
    if (!json_array_size(nodes)) strbuf_puts(cell, "-");
    return STYLE_PLAIN;
}

enum style draw_ago(struct strbuf *cell, const struct view *view, const json_t *time) {
    uint64_t ns;
    if (!json_get_time(time, &ns))
        strbuf_puts(cell, "-");
    else
        text_duration(cell, view->now_ns > ns ? view->now_ns - ns : 0);
    return STYLE_DIM;
}

json_t *ago_new(const struct view *view, const json_t *time) {
    uint64_t ns;
    if (!json_get_time(time, &ns)) return json_null();
    return json_integer((json_int_t)(view->now_ns > ns ? view->now_ns - ns : 0));
}

/* A value without a format of its own: as it is. */
static enum style draw_value(struct strbuf *cell, const json_t *value) {
    struct strbuf text = {0};
    if (!value || json_is_null(value)) {
        strbuf_puts(cell, "-");
    } else if (json_is_string(value)) {
        text_untrusted(cell, json_string_value(value), json_string_length(value), CELL_COLUMNS_MAX);
    } else {
        if (json_put(&text, value, JSON_COMPACT)) cell->failed = true;
        text_untrusted(cell, strbuf_text(&text), text.bytes, CELL_COLUMNS_MAX);
    }
    strbuf_fini(&text);
    return STYLE_PLAIN;
}

/* ---- fields ---- */

static const struct list_column *find_column(const struct list *list, const char *field) {
    for (unsigned i = 0; i < list->count; i++)
        if (!strcmp(list->columns[i].field, field)) return &list->columns[i];
    return NULL;
}

/* Is there a field of that name, or of the part before its first dot? */
static bool names_field(const char *name, const char *field) {
    size_t bytes = strlen(field);
    return !strncmp(field, name, bytes) && (!name[bytes] || name[bytes] == '.');
}

/* The same for the data of events: size, packet_sent.size. */
static bool is_data_field(struct nearest *nearest, const char *name) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        size_t bytes = strlen(kinds[k].name);
        const char *own = !strncmp(name, kinds[k].name, bytes) && name[bytes] == '.' ? name + bytes + 1 : name;
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            if (names_field(own, kinds[k].fields[i].name)) return true;
            nearest_look(nearest, kinds[k].fields[i].name);
        }
    }
    return false;
}

/* The field whose column has that title; "_" and "-" also match a space.  NULL if there is none. */
static const char *field_of_title(const struct list *list, const char *name) {
    for (unsigned i = 0; i < list->count; i++) {
        const char *title = list->columns[i].title;
        size_t at = 0;
        while (title && title[at] && (title[at] == name[at] || (title[at] == ' ' && (name[at] == '_' || name[at] == '-')))) at++;
        if (title && !title[at] && !name[at]) return list->columns[i].field;
    }
    return NULL;
}

int list_check(const struct list *list, struct field_names *names, struct failure *failure) {
    for (unsigned k = 0; k < names->count; k++) {
        const char *name = names->names[k], *titled = find_column(list, name) ? NULL : field_of_title(list, name);
        if (titled) {
            snprintf(names->names[k], sizeof names->names[k], "%s", titled);
            continue;
        }
        struct nearest nearest = nearest_to(name);
        bool found = false;
        for (unsigned i = 0; i < list->count; i++) {
            found |= names_field(name, list->columns[i].field);
            nearest_look(&nearest, list->columns[i].field);
            if (list->columns[i].title) nearest_look(&nearest, list->columns[i].title);
        }
        if (found || (list->has_data && is_data_field(&nearest, name))) continue;
        if (nearest.word) return failure_set(failure, EXIT_USAGE, "there is no field %s; did you mean %s?", name, nearest.word);
        struct strbuf all = {0};
        for (unsigned i = 0; i < list->count; i++) strbuf_printf(&all, "%s%s", i ? ", " : "", list->columns[i].field);
        failure_set(failure, EXIT_USAGE, "there is no field %s; there are %s", name, strbuf_text(&all));
        strbuf_fini(&all);
        return -1;
    }
    return 0;
}

void list_usual(const struct list *list, struct field_names *ret_names) {
    *ret_names = (struct field_names){0};
    for (unsigned i = 0; i < list->count && ret_names->count < RECORD_FIELDS_MAX; i++)
        if ((!list->columns[i].compute || list->columns[i].flags & LIST_IN_DATA) && !(list->columns[i].flags & LIST_NAMED))
            snprintf(ret_names->names[ret_names->count++], RECORD_NAME_BYTES, "%s", list->columns[i].field);
}

bool list_is_time(const struct list *list, const char *name) {
    const struct list_column *column = find_column(list, name);
    return column && column->flags & LIST_TIME;
}

json_t *list_value_new(const struct list *list, const struct view *view, const char *name, const json_t *row) {
    const struct list_column *column = find_column(list, name);
    if (column && column->compute) return column->compute(view, row);
    return column && column->path ? json_incref((json_t *)record_value(row, column->path)) : NULL;
}

/* ---- the table ---- */

/* The columns of one table: the list's, or those that --fields names. */
struct chosen {
    struct list_column columns[TABLE_COLUMNS_MAX];
    struct table_column shown[TABLE_COLUMNS_MAX];
    unsigned count;
};

static bool is_shown(const struct view *view, const struct list_column *column, const json_t *rows) {
    size_t i;
    const json_t *row;
    if (column->flags & LIST_ASKED || (column->flags & LIST_AGO && !view->now_ns)) return false;
    if (column->flags & LIST_HOSTS && !names_hosts_differ(view->names)) return false;
    if (!(column->flags & (LIST_UNLESS_ZERO | LIST_UNLESS_NULL))) return true;
    json_array_foreach(rows, i, row) {
        const char *path = column->path ? column->path : column->field;
        const json_t *value = json_object_getn(row, path, strcspn(path, "."));
        bool counts = json_get_count(row, column->field) > 0 || json_is_array(value);
        if (column->flags & LIST_UNLESS_ZERO ? counts : value && !json_is_null(value)) return true;
    }
    return false;
}

static void choose_column(struct chosen *chosen, const struct list_column *column) {
    if (chosen->count == TABLE_COLUMNS_MAX) return;
    chosen->columns[chosen->count] = *column;
    chosen->shown[chosen->count++] = (struct table_column){.title = column->title ? column->title : column->field,
                                                           .align = column->align,
                                                           .rank = column->rank,
                                                           .least = column->least};
}

/* Is it all that distinguishes two rows, which have the same name or none? */
static bool tells_apart(const struct list *list, const struct list_column *column, const json_t *rows) {
    json_t *first = json_object();
    bool apart = false;
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        const char *name = json_get_text(row, list->columns[0].field), *value = json_get_text(row, column->field);
        if (!name) name = "";
        const char *before = json_string_value(json_object_get(first, name));
        if (before && value && strcmp(before, value) != 0) apart = true;
        if (!before && value) json_object_set_new_nocheck(first, name, json_string(value));
    }
    json_decref(first);
    return apart;
}

static void choose_all(struct chosen *chosen, const struct view *view, const struct list *list, const json_t *rows) {
    chosen->count = 0;
    for (unsigned i = 0; !view->fields && i < list->count; i++)
        if (is_shown(view, &list->columns[i], rows)) {
            struct list_column column = list->columns[i];
            if (column.flags & LIST_APART && tells_apart(list, &column, rows)) column.rank = 0;
            choose_column(chosen, &column);
        }
    for (unsigned i = 0; view->fields && i < view->fields->count; i++) {
        const char *name = view->fields->names[i];
        const struct list_column *known = find_column(list, name), plain = {.field = name, .least = 8};
        struct list_column column = known ? *known : plain;
        column.rank = i ? (unsigned char)(i < 200 ? i : 200) : 0; /* --fields decides the order */
        choose_column(chosen, &column);
    }
}

enum style list_draw_cell(struct strbuf *cell, const struct view *view, const struct list_column *column, const json_t *row) {
    if (column->draw) return column->draw(cell, view, row, column->field);
    if (!column->compute) return draw_value(cell, record_value(row, column->path ? column->path : column->field));
    json_t *value = column->compute(view, row);
    enum style style = draw_value(cell, value);
    json_decref(value);
    return style;
}

void list_put(struct strbuf *out, const struct view *view, const struct list *list, const json_t *rows, const char *none) {
    struct chosen chosen;
    struct table table;
    const struct table_style how = {
        .header = view->header, .color = view->color, .columns = view->columns, .hint = "--fields chooses, --format csv has all"};
    size_t i;
    const json_t *row;
    if (!json_array_size(rows)) {
        if (view->header) strbuf_printf(out, "%s\n", none);
        return;
    }
    choose_all(&chosen, view, list, rows);
    if (!chosen.count) return;
    table_init(&table, chosen.count, chosen.shown, &how);
    json_array_foreach(rows, i, row) {
        for (unsigned k = 0; k < chosen.count; k++) {
            struct strbuf *cell = table_cell_begin(&table);
            table_cell_end(&table, list_draw_cell(cell, view, &chosen.columns[k], row));
        }
    }
    table_end(&table, out);
    table_fini(&table);
}

void list_put_extent(struct strbuf *out, const json_t *answer, const char *order, const char *unit) {
    uint64_t groups = json_get_count(answer, "groups"), open = json_get_count(answer, "open"); /* requests */
    size_t shown = json_array_size(json_get_array(answer, "rows"));
    double seconds = json_get_real(answer, "seconds", 0);
    if (seconds > 0 && seconds < 1e9) {
        strbuf_puts(out, " in ");
        text_duration(out, (uint64_t)(seconds * 1e9));
    }
    if (open) strbuf_printf(out, "; %" PRIu64 " more %s not ended", open, open == 1 ? "has" : "have");
    if (groups > shown) strbuf_printf(out, "; the %zu %s of %" PRIu64 " %s, --limit shows more", shown, order, groups, unit);
    strbuf_puts(out, "\n");
}

void list_put_lacking(struct strbuf *out, const struct view *view, enum style style, const char *why, uint64_t count,
                      const char *what, const char *more) {
    if (!count) return;
    text_styled(out, view->color, style, "%s", why);
    text_count(out, count, what);
    strbuf_puts(out, more);
    strbuf_puts(out, "\n");
}
