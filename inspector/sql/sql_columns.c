/* SPDX-License-Identifier: MIT */
#include "sql_columns.h"

#include "allocation.h"
#include "json_get.h"
#include "text.h"

#include <proto/event_table.h>
#include <proto/json_memory.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The columns of every event, in two parts; an application's own fields come between them. */
static const struct sql_column head_columns[] = {
    {"time", "TEXT", SQL_TIME_TEXT, "timestamp", SQL_PUSH_NOTHING, false},
    {"node", "TEXT", SQL_NODE_NAME, "node_id", SQL_PUSH_NODE, false},
    {"peer", "TEXT", SQL_NODE_NAME, "peer_id", SQL_PUSH_PEER, false},
    {"kind", "TEXT", SQL_MEMBER, "kind", SQL_PUSH_KIND, false},
    {"app", "TEXT", SQL_MEMBER, "app", SQL_PUSH_NOTHING, false},
    {"command", "TEXT", SQL_MEMBER, "command", SQL_PUSH_NOTHING, false},
};
static const struct sql_column tail_columns[] = {
    {"data", "TEXT", SQL_MEMBER, "data", SQL_PUSH_NOTHING, false},
    {"fields", "TEXT", SQL_MEMBER, "fields", SQL_PUSH_NOTHING, false},
    {"trace_id", "TEXT", SQL_MEMBER, "trace_id", SQL_PUSH_TRACE_ID, false},
    {"timestamp", "INTEGER", SQL_MEMBER, "timestamp", SQL_PUSH_TIMESTAMP, false},
    {"ns", "INTEGER", SQL_MEMBER, "ns", SQL_PUSH_NS, false},
    {"node_id", "TEXT", SQL_MEMBER, "node_id", SQL_PUSH_NODE_ID, false},
    {"peer_id", "TEXT", SQL_MEMBER, "peer_id", SQL_PUSH_PEER_ID, false},
    {"lane", "INTEGER", SQL_MEMBER, "lane", SQL_PUSH_FILTER, false},
    {"sequence", "INTEGER", SQL_MEMBER, "sequence", SQL_PUSH_FILTER, false},
    {"flags", "TEXT", SQL_MEMBER, "flags", SQL_PUSH_NOTHING, false},
    {"clock_steps", "INTEGER", SQL_MEMBER, "clock_steps", SQL_PUSH_NOTHING, true},
    {"kind_id", "INTEGER", SQL_MEMBER, "kind_id", SQL_PUSH_NOTHING, true},
};
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- lists ---- */

static bool taken(const struct sql_columns *columns, const char *name) {
    for (int i = 0; i < columns->count; i++)
        if (!sqlite3_stricmp(columns->columns[i].name, name)) return true;
    return false;
}

static void free_column(struct sql_column *column) {
    free((char *)column->name);
    free((char *)column->key);
    free((char *)column->filter);
}

static void add_as(struct sql_columns *columns, const struct sql_column *column, const char *name) {
    struct sql_column *grown = memory_room(columns->columns, (size_t)columns->count, &columns->capacity, sizeof *grown);
    if (!grown) {
        columns->failed = true;
        return;
    }
    columns->columns = grown;
    struct sql_column added = *column;
    added.name = strdup(name);
    added.key = strdup(column->key);
    added.filter = column->filter ? strdup(column->filter) : NULL;
    if (added.name && added.key && (added.filter || !column->filter)) {
        columns->columns[columns->count++] = added;
        return;
    }
    columns->failed = true; /* the list has only whole columns: it is searched later, too */
    free_column(&added);
}

void sql_columns_add(struct sql_columns *columns, const struct sql_column *column) {
    struct strbuf name = {0};
    if (columns->failed) return;
    if (taken(columns, column->name)) strbuf_puts(&name, "field_");
    strbuf_puts(&name, column->name);
    columns->failed |= name.failed;
    if (!name.failed && !taken(columns, name.text)) add_as(columns, column, name.text);
    strbuf_fini(&name);
}

void sql_columns_fini(struct sql_columns *columns) {
    for (int i = 0; i < columns->count; i++) free_column(&columns->columns[i]);
    free(columns->columns);
    *columns = (struct sql_columns){0};
}

/* ---- events ---- */

static bool is_number(enum trace_type type) {
    return type == TRACE_TYPE_u8 || type == TRACE_TYPE_u16 || type == TRACE_TYPE_u32 || type == TRACE_TYPE_u64;
}

static bool has_data_column(const struct sql_columns *columns, const char *key) {
    for (int i = 0; i < columns->count; i++)
        if (columns->columns[i].source == SQL_DATA && !strcmp(columns->columns[i].key, key)) return true;
    return false;
}

/* The data fields of all kinds, or only of an application's events: kinds with a field of the same name share the column. */
static void add_data_columns(struct sql_columns *columns, bool only_app) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned i = 0; i < count; i++) {
        if (only_app && strncmp(kinds[i].name, "app_", 4) != 0) continue;
        for (unsigned j = 0; j < kinds[i].field_count; j++) {
            const struct trace_field_info *field = &kinds[i].fields[j];
            bool number = is_number(field->type);
            if (has_data_column(columns, field->name)) continue;
            struct sql_column column = {.name = field->name, .source = SQL_DATA, .key = field->name, .hidden = true};
            column.type = number || field->type == TRACE_TYPE_bool ? "INTEGER" : "TEXT";
            column.push = number ? SQL_PUSH_FILTER : SQL_PUSH_NOTHING;
            if (!strcmp(field->unit, "ns")) column.unit = field->unit;
            sql_columns_add(columns, &column);
        }
    }
}

static void add_all(struct sql_columns *columns, const struct sql_column *list, size_t count) {
    for (size_t i = 0; i < count; i++) sql_columns_add(columns, &list[i]);
}

void sql_columns_of_events(struct sql_columns *ret_columns) {
    *ret_columns = (struct sql_columns){0};
    add_all(ret_columns, head_columns, COUNT_OF(head_columns));
    add_all(ret_columns, tail_columns, COUNT_OF(tail_columns));
    add_data_columns(ret_columns, false);
}

static bool has_field_column(const struct sql_columns *columns, const char *key) {
    for (int i = 0; i < columns->count; i++)
        if (columns->columns[i].source == SQL_FIELD && !strcmp(columns->columns[i].key, key)) return true;
    return false;
}

bool sql_filter_text(struct strbuf *filter, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) return false;
        if (text[i] == '"' || text[i] == '\\') strbuf_puts(filter, "\\");
        strbuf_add(filter, &text[i], 1);
    }
    return true;
}

/* The name of a field in filters: its application's id, a dot and its name, quoted as a whole.  Returns false if filters would
 * read that as something else, or if JSON may have another text than the node registered. */
static bool filter_name(struct strbuf *text, const char *app_id, const char *name) {
    if (!*app_id || strchr(app_id, '.') || !strcmp(app_id, "data")) return false;
    strbuf_puts(text, "\"");
    bool said = sql_filter_text(text, app_id, strlen(app_id));
    strbuf_puts(text, ".");
    said = said && sql_filter_text(text, name, strlen(name));
    strbuf_puts(text, "\"");
    return said;
}

/* A field may have the name of a column that every event has: then the field is renamed. */
static void add_fields(struct sql_columns *columns, const char *app_id, const json_t *fields) {
    size_t i;
    const json_t *field;
    struct strbuf filter = {0};
    json_array_foreach(fields, i, field) {
        const char *name = json_get_text(field, "name"), *type = json_get_text(field, "type");
        if (!name || !*name || has_field_column(columns, name)) continue;
        strbuf_clear(&filter);
        bool said = filter_name(&filter, app_id, name);
        columns->failed |= filter.failed;
        sql_columns_add(columns, &(struct sql_column){.name = name,
                                                      .type = type && !strcmp(type, "unsigned") ? "INTEGER" : "TEXT",
                                                      .source = SQL_FIELD,
                                                      .key = name,
                                                      .filter = said ? strbuf_text(&filter) : NULL});
    }
    strbuf_fini(&filter);
}

/* Moves the columns from `from` on to before `to`. */
static void move_forward(struct sql_columns *columns, int from, int to) {
    for (; from < columns->count; from++, to++) {
        struct sql_column moved = columns->columns[from];
        memmove(&columns->columns[to + 1], &columns->columns[to], (size_t)(from - to) * sizeof moved);
        columns->columns[to] = moved;
    }
}

void sql_columns_of_app(struct sql_columns *ret_columns, const json_t *apps, const char *app_id) {
    size_t i;
    const json_t *app;
    *ret_columns = (struct sql_columns){0};
    add_all(ret_columns, head_columns, COUNT_OF(head_columns));
    add_all(ret_columns, tail_columns, COUNT_OF(tail_columns));
    add_data_columns(ret_columns, true);
    int own = ret_columns->count;
    json_array_foreach(apps, i, app) {
        const char *id = json_get_text(app, "app_id");
        if (id && !strcmp(id, app_id)) add_fields(ret_columns, app_id, json_get_array(app, "fields"));
    }
    if (!ret_columns->failed) move_forward(ret_columns, own, COUNT_OF(head_columns));
}

/* Depends on the field's type and size, which determine its JSON. */
static enum sql_push field_push(const json_t *field, const struct sql_column *column) {
    const char *type = json_get_text(field, "type");
    uint64_t bytes = json_get_count(field, "bytes");
    if (!type) return SQL_PUSH_NOTHING;
    if (!strcmp(type, "unsigned") && column->type[0] == 'I')
        return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 ? SQL_PUSH_FILTER : SQL_PUSH_NOTHING;
    if (column->type[0] != 'T') return SQL_PUSH_NOTHING;
    if (!strcmp(type, "text")) return SQL_PUSH_TEXT;
    return !strcmp(type, "bytes") || !strcmp(type, "hash") ? SQL_PUSH_BYTES : SQL_PUSH_NOTHING;
}

static void choose_field(struct sql_column *column, const json_t *apps, const char *app_id) {
    size_t i, j;
    const json_t *app, *field;
    bool first = true;
    column->push = SQL_PUSH_NOTHING;
    json_array_foreach(apps, i, app) {
        const char *id = json_get_text(app, "app_id");
        if (!id || strcmp(id, app_id) != 0) continue;
        json_array_foreach(json_get_array(app, "fields"), j, field) {
            const char *name = json_get_text(field, "name");
            if (!name || strcmp(name, column->key) != 0) continue;
            enum sql_push push = field_push(field, column);
            column->push = first || column->push == push ? push : SQL_PUSH_NOTHING;
            if (column->push == SQL_PUSH_NOTHING) return;
            first = false;
        }
    }
}

void sql_columns_choose_fields(struct sql_columns *columns, const json_t *apps, const char *app_id) {
    for (int i = 0; i < columns->count; i++)
        if (columns->columns[i].source == SQL_FIELD && columns->columns[i].filter)
            choose_field(&columns->columns[i], apps, app_id);
}

char *sql_columns_declare(const struct sql_column *columns, int count) {
    sqlite3_str *text = sqlite3_str_new(NULL);
    for (int i = 0; i < count; i++)
        sqlite3_str_appendf(text, "%s\"%w\" %s%s", i ? ", " : "CREATE TABLE x(", columns[i].name, columns[i].type,
                            columns[i].hidden ? " HIDDEN" : "");
    sqlite3_str_appendall(text, ")");
    return sqlite3_str_finish(text);
}

/* ---- values ---- */

void sql_row_set(struct sql_row *row, struct json_span object, struct json_span parent) {
    row->object = object;
    row->parent = parent;
    row->member_count = -1;
}

/* The row's own member with that name. */
static bool find_member(struct sql_row *row, const char *key, struct json_span *ret_value) {
    size_t at = 0;
    if (row->member_count < 0) {
        row->member_count = 0;
        while (row->member_count < (int)SQL_MEMBERS_MAX && json_scan_member(row->object, &at, &row->members[row->member_count]))
            row->member_count++;
    }
    for (int i = 0; i < row->member_count; i++) {
        if (!json_scan_is(&row->members[i], key)) continue;
        *ret_value = row->members[i].value;
        return true;
    }
    return false;
}

static bool find_value(const struct sql_column *column, struct sql_row *row, struct json_span *ret_value) {
    struct json_span object;
    switch (column->source) {
    case SQL_PARENT: return json_scan_find(row->parent, column->key, ret_value);
    case SQL_DATA: return find_member(row, "data", &object) && json_scan_find(object, column->key, ret_value);
    case SQL_FIELD: return find_member(row, "fields", &object) && json_scan_find(object, column->key, ret_value);
    case SQL_TIME: return find_member(row, column->key, &object) && json_scan_find(object, "timestamp", ret_value);
    case SQL_ENDED:
        return find_member(row, "ended", &object) && json_scan_find(object, column->key, &object) &&
               json_scan_find(object, "timestamp", ret_value);
    default: return find_member(row, column->key, ret_value);
    }
}

static void result_text(sqlite3_context *context, const char *text, size_t bytes) {
    sqlite3_result_text64(context, text, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* An integer as such, and any other number as REAL. */
static void result_number(sqlite3_context *context, struct json_span number) {
    char text[64];
    int64_t integer;
    if (json_scan_integer(number, &integer)) {
        sqlite3_result_int64(context, integer);
    } else if (number.bytes < sizeof text) {
        memcpy(text, number.text, number.bytes);
        text[number.bytes] = 0;
        sqlite3_result_double(context, strtod(text, NULL));
    }
}

static bool is_decimal(struct json_span text) {
    for (size_t i = 0; i < text.bytes; i++)
        if (text.text[i] < '0' || text.text[i] > '9') return false;
    return text.bytes > 0;
}

static void result_string(sqlite3_context *context, const struct sql_column *column, struct json_span string) {
    struct json_span plain;
    if (json_scan_plain(string, &plain)) {
        bool large = column->type[0] == 'I' && is_decimal(plain); /* an integer above 2^63 - 1 */
        if (large)
            result_number(context, plain);
        else
            result_text(context, plain.text, plain.bytes);
        return;
    }
    json_t *decoded = trace_json_loadb(string.text, string.bytes, JSON_DECODE_ANY, NULL);
    if (decoded) result_text(context, json_string_value(decoded), json_string_length(decoded));
    json_decref(decoded);
}

static void result_value(sqlite3_context *context, const struct sql_column *column, struct json_span value) {
    switch (*value.text) {
    case 'n': return;
    case 't': sqlite3_result_int(context, 1); return;
    case 'f': sqlite3_result_int(context, 0); return;
    case '"': result_string(context, column, value); return;
    case '{':
    case '[': result_text(context, value.text, value.bytes); return;
    default: result_number(context, value);
    }
}

static void result_time_text(sqlite3_context *context, struct sql_row *row, bool utc) {
    struct strbuf text = {0};
    struct json_span value;
    int64_t us, ns = 0;
    if (!find_member(row, "timestamp", &value) || !json_scan_integer(value, &us) || us < 0) return;
    if (find_member(row, "ns", &value)) (void)json_scan_integer(value, &ns);
    text_time(&text, (uint64_t)us * 1000 + (uint64_t)ns, utc, true);
    if (text.failed)
        sqlite3_result_error_nomem(context);
    else
        result_text(context, text.text, text.bytes);
    strbuf_fini(&text);
}

static void result_node_name(sqlite3_context *context, struct json_span id, const struct names *names) {
    char digits[NODE_DIGITS + 1] = {0};
    struct json_span plain;
    if (!json_scan_plain(id, &plain) || plain.bytes != NODE_DIGITS) return;
    memcpy(digits, plain.text, NODE_DIGITS);
    const json_t *name = json_object_get(names->by_id, digits);
    if (name) result_text(context, json_string_value(name), json_string_length(name));
}

void sql_column_result(sqlite3_context *context, const struct sql_column *column, struct sql_row *row, const struct names *names,
                       bool utc) {
    struct json_span value;
    if (column->source == SQL_TIME_TEXT)
        result_time_text(context, row, utc);
    else if (!find_value(column, row, &value))
        return;
    else if (column->source == SQL_NODE_NAME)
        result_node_name(context, value, names);
    else
        result_value(context, column, value);
}
