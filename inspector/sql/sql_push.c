/* SPDX-License-Identifier: MIT */
#include "sql_push.h"

#include "json_get.h"
#include "json_put.h"

#include <inttypes.h>
#include <math.h>
#include <proto/event_table.h>
#include <stdlib.h>
#include <string.h>

/* ---- the plan ---- */

/* The share of rows that a condition leaves, if nothing better is known. */
#define SHARE_KIND 0.2
#define SHARE_SIDE 0.3 /* one bound of a period */
#define SHARE_MOMENT 1e-6
#define SHARE_PREFIX 0.05
#define SHARE_TEXT 0.05
/* Costs in events read: a round trip to traced, and an event that traced examines and does not send. */
#define COST_REQUEST 100.0
#define COST_EXAMINED 0.05

struct plan {
    sqlite3_index_info *info;
    sqlite3_str *text;
    int arg_count;
    unsigned used;   /* bits of enum sql_push: columns that already have a condition */
    double examined; /* share of the events that an index leaves */
    double matching; /* share of them that match */
    bool exact;      /* every condition of the statement is passed on */
};

static void take_constraint(struct plan *plan, int i, const char *column, const char *word) {
    plan->info->aConstraintUsage[i].argvIndex = ++plan->arg_count;
    sqlite3_str_appendf(plan->text, "%s%s%s", plan->arg_count > 1 ? " " : "", column, word);
}

static bool is_word(const char *name) {
    for (; *name; name++)
        if (*name != '_' && !(*name >= '0' && *name <= '9') && !((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z')) return false;
    return true;
}

/* A condition on a column that only filters know. */
static void take_piece(struct plan *plan, int i, const struct sql_column *column, const char *op) {
    char place[16];
    snprintf(place, sizeof place, "[%d]", plan->info->aConstraint[i].iColumn);
    take_constraint(plan, i, is_word(column->name) ? column->name : place, op);
}

static bool is_binary(sqlite3_index_info *info, int i) {
    const char *collation = sqlite3_vtab_collation(info, i);
    return !collation || !sqlite3_stricmp(collation, "BINARY");
}

static const char *comparison(unsigned char op) {
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return "=";
    case SQLITE_INDEX_CONSTRAINT_GT: return ">";
    case SQLITE_INDEX_CONSTRAINT_GE: return ">=";
    case SQLITE_INDEX_CONSTRAINT_LT: return "<";
    case SQLITE_INDEX_CONSTRAINT_LE: return "<=";
    default: return NULL;
    }
}

static double one_of(double count) { return 1 / (count > 1 ? count : 1); }

/* The share of events with a given value. */
static double share_of(const struct sql_history *history, enum sql_push push) {
    switch (push) {
    case SQL_PUSH_TRACE_ID: return one_of(history->traces);
    case SQL_PUSH_PEER_ID:
    case SQL_PUSH_PEER: return one_of(history->peers);
    case SQL_PUSH_NODE_ID:
    case SQL_PUSH_NODE: return one_of(history->nodes);
    default: return SHARE_KIND;
    }
}

/* The param of a column: a name becomes an id. */
static unsigned param_bit(enum sql_push push) {
    if (push == SQL_PUSH_PEER) push = SQL_PUSH_PEER_ID;
    if (push == SQL_PUSH_NODE) push = SQL_PUSH_NODE_ID;
    return 1U << push;
}

static bool is_id(enum sql_push push) {
    return push == SQL_PUSH_TRACE_ID || push == SQL_PUSH_PEER_ID || push == SQL_PUSH_NODE_ID;
}

/* Takes a condition, if a request can carry it.  Equalities come first (pass 0), so that a prefix does not take the place of
 * one. */
static bool consider(struct plan *plan, const struct sql_history *history, const struct sql_column *column, int i, int pass) {
    unsigned char op = plan->info->aConstraint[i].op;
    bool prefix = op == SQLITE_INDEX_CONSTRAINT_LIKE || op == SQLITE_INDEX_CONSTRAINT_GLOB;
    double share = 1;
    if ((column->push == SQL_PUSH_TIMESTAMP || column->push == SQL_PUSH_FILTER) && comparison(op)) {
        if (pass == 0) return false;
        take_piece(plan, i, column, comparison(op));
        bool moment = column->push == SQL_PUSH_TIMESTAMP && op == SQLITE_INDEX_CONSTRAINT_EQ;
        share = moment ? SHARE_MOMENT : SHARE_SIDE;
    } else if ((column->push == SQL_PUSH_TEXT || column->push == SQL_PUSH_BYTES) && op == SQLITE_INDEX_CONSTRAINT_EQ) {
        if (pass == 0 || !is_binary(plan->info, i)) return false;
        take_piece(plan, i, column, "=");
        share = SHARE_TEXT;
    } else if (prefix && is_id(column->push)) {
        if (pass == 0 || plan->used & param_bit(column->push)) return false;
        take_constraint(plan, i, column->name, op == SQLITE_INDEX_CONSTRAINT_LIKE ? "~" : "*");
        plan->used |= param_bit(column->push);
        share = SHARE_PREFIX;
    } else if (op == SQLITE_INDEX_CONSTRAINT_EQ && column->push <= SQL_PUSH_KIND && column->push != SQL_PUSH_NOTHING) {
        if (pass == 1 || plan->used & param_bit(column->push) || !is_binary(plan->info, i)) return false;
        bool list = column->push == SQL_PUSH_KIND && sqlite3_vtab_in(plan->info, i, 1);
        take_constraint(plan, i, column->name, list ? " in" : "=");
        plan->used |= param_bit(column->push);
        share = share_of(history, column->push);
    } else {
        return false;
    }
    plan->matching *= share;
    if (column->push == SQL_PUSH_TRACE_ID || column->push == SQL_PUSH_TIMESTAMP || column->push == SQL_PUSH_PEER ||
        column->push == SQL_PUSH_PEER_ID)
        plan->examined *= share;
    return true;
}

static void consider_all(struct plan *plan, const struct sql_history *history, const struct sql_column *columns) {
    const sqlite3_index_info *info = plan->info;
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ && info->aConstraint[i].usable &&
            info->aConstraint[i].iColumn >= 0)
            consider(plan, history, &columns[info->aConstraint[i].iColumn], i, 0);
    for (int i = 0; i < info->nConstraint; i++) {
        unsigned char op = info->aConstraint[i].op;
        if (op == SQLITE_INDEX_CONSTRAINT_LIMIT || op == SQLITE_INDEX_CONSTRAINT_OFFSET || info->aConstraintUsage[i].argvIndex)
            continue;
        bool taken = info->aConstraint[i].usable && info->aConstraint[i].iColumn >= 0 &&
                     consider(plan, history, &columns[info->aConstraint[i].iColumn], i, 1);
        /* A prefix lets more rows through than its pattern. */
        if (!taken || op == SQLITE_INDEX_CONSTRAINT_LIKE || op == SQLITE_INDEX_CONSTRAINT_GLOB) plan->exact = false;
    }
}

/* Answers are sorted by time: timestamp, or timestamp and ns, in either direction. */
static void consider_order(sqlite3_index_info *info, const struct sql_column *columns) {
    static const enum sql_push order[] = {SQL_PUSH_TIMESTAMP, SQL_PUSH_NS};
    if (info->nOrderBy < 1 || info->nOrderBy > 2) return;
    for (int i = 0; i < info->nOrderBy; i++) {
        int column = info->aOrderBy[i].iColumn;
        if (column < 0 || columns[column].push != order[i] || info->aOrderBy[i].desc != info->aOrderBy[0].desc) return;
    }
    info->orderByConsumed = 1;
    if (info->aOrderBy[0].desc) info->idxNum |= SQL_PUSH_DESC;
}

/* LIMIT does not help if rows are dropped or sorted afterwards: there would only be many pages of that size. */
static void consider_limit(struct plan *plan) {
    sqlite3_index_info *info = plan->info;
    if (!plan->exact || (info->nOrderBy && !info->orderByConsumed)) return;
    for (int i = 0; i < info->nConstraint; i++) {
        if (!info->aConstraint[i].usable) continue;
        if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT) take_constraint(plan, i, "", "limit");
        if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_OFFSET) take_constraint(plan, i, "", "offset");
    }
}

int sql_push_plan(const struct sql_history *history, const struct sql_column *columns, sqlite3_index_info *info) {
    struct plan plan = {.info = info, .text = sqlite3_str_new(NULL), .examined = 1, .matching = 1, .exact = true};
    info->idxNum = 0;
    consider_all(&plan, history, columns);
    consider_order(info, columns);
    consider_limit(&plan);
    double rows = history->events * plan.matching;
    info->estimatedRows = rows > 1 ? (sqlite3_int64)rows : 1;
    info->estimatedCost = COST_REQUEST + history->events * (COST_EXAMINED * plan.examined + plan.matching);
    if (!plan.arg_count) sqlite3_str_appendall(plan.text, "all");
    if (info->idxNum & SQL_PUSH_DESC) sqlite3_str_appendall(plan.text, " newest first");
    info->idxStr = sqlite3_str_finish(plan.text);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- the values ---- */

#define TIME_US_MAX INT64_C(10000000000000000) /* traced counts nanoseconds in 64 bits */
#define FILTER_BYTES_MAX 3000U                 /* traced takes 4096 */

struct reader {
    struct sql_push_params *out;
    const struct names *names;
    const struct sql_columns *columns;
    int64_t from_us, to_us; /* [from, to) */
    uint64_t limit, offset;
    struct strbuf filter;
    bool left_out; /* a value of the plan could not be expressed */
    bool failed;
};

static void set_param(struct reader *reader, const char *param, const char *text, size_t bytes) {
    reader->failed |= json_object_set_new(reader->out->params, param, json_stringn(text, bytes)) != 0;
}

static bool is_hex(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!strchr("0123456789abcdef", text[i]) || !text[i]) return false;
    return true;
}

/* No event has an incomplete id, or one that is not text. */
static void read_id(struct reader *reader, const char *param, unsigned digits, sqlite3_value *value) {
    const char *text = sqlite3_value_type(value) == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
    if (!text || (unsigned)sqlite3_value_bytes(value) != digits || !is_hex(text, digits))
        reader->out->none = true;
    else
        set_param(reader, param, text, digits);
}

/* A name becomes the id of the node with that name. */
static void read_name(struct reader *reader, const char *param, sqlite3_value *value) {
    if (sqlite3_value_type(value) == SQLITE_INTEGER || sqlite3_value_type(value) == SQLITE_FLOAT) {
        reader->left_out = true; /* "7" may be a name */
        return;
    }
    const char *text = sqlite3_value_type(value) == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
    const json_t *id = text ? json_object_get(reader->names->by_name, text) : NULL;
    bool whole = text && strlen(text) == (size_t)sqlite3_value_bytes(value); /* no NUL within */
    if (!whole || (!id && json_object_size(reader->names->by_id) < NAMES_MAX))
        reader->out->none = true;
    else if (json_is_string(id))
        set_param(reader, param, json_string_value(id), json_string_length(id));
    else
        reader->left_out = true;
}

/* The pattern's literal prefix. */
static void read_prefix(struct reader *reader, const char *param, unsigned digits, bool like, sqlite3_value *value) {
    char prefix[NODE_DIGITS + 1];
    const char *text = sqlite3_value_type(value) == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
    size_t bytes = text ? strcspn(text, like ? "%_" : "*?[") : 0;
    if (!bytes || bytes > digits) return;
    for (size_t i = 0; i < bytes; i++) prefix[i] = (char)(like && text[i] >= 'A' && text[i] <= 'F' ? text[i] | 0x20 : text[i]);
    prefix[bytes] = 0;
    bool trace = digits == TRACE_DIGITS;
    if (!is_hex(prefix, bytes))
        reader->out->none = true;
    else if (trace || !json_object_get(reader->names->by_name, prefix)) /* it would be read as the name */
        set_param(reader, param, prefix, bytes);
}

static bool add_kind(json_t *kinds, sqlite3_value *value) {
    if (sqlite3_value_type(value) != SQLITE_TEXT) return true; /* equals no kind */
    const char *name = (const char *)sqlite3_value_text(value);
    if (!name || strlen(name) != (size_t)sqlite3_value_bytes(value)) return true;
    if (!trace_kind_by_name(name) && strcmp(name, "unknown") != 0) return false;
    return json_array_append_new(kinds, json_string(name)) == 0;
}

/* If only traced may know one of the kinds, none is passed on. */
static void read_kinds(struct reader *reader, bool list, sqlite3_value *value) {
    json_t *kinds = json_array();
    sqlite3_value *element;
    bool known = kinds != NULL;
    if (list) {
        for (int rc = sqlite3_vtab_in_first(value, &element); rc == SQLITE_OK && element && known;
             rc = sqlite3_vtab_in_next(value, &element))
            known = add_kind(kinds, element);
    } else if (known) {
        known = add_kind(kinds, value);
    }
    if (known && !json_array_size(kinds))
        reader->out->none = true;
    else if (known)
        reader->failed |= json_object_set(reader->out->params, "kind", kinds) != 0;
    else
        reader->left_out = true;
    json_decref(kinds);
}

static void narrow(struct reader *reader, int64_t from_us, int64_t to_us) {
    if (from_us > reader->from_us) reader->from_us = from_us;
    if (to_us < reader->to_us) reader->to_us = to_us;
}

/* A value to compare numbers with: the first whole numbers that are not below it, and above it.  As in SQLite: text that
 * looks like a number is one, and all other text is above all numbers.  Both from 0 to `most`. */
struct bound {
    int64_t at, after;
    bool null;  /* no comparison with it is true */
    bool above; /* it is above `most` */
};

static struct bound read_bound(sqlite3_value *value, int64_t most) {
    struct bound bound = {0};
    int type = sqlite3_value_numeric_type(value);
    if (type == SQLITE_NULL) {
        bound.null = true;
    } else if (type == SQLITE_INTEGER) {
        int64_t number = sqlite3_value_int64(value);
        bound.above = number > most;
        bound.at = number < 0 ? 0 : number;
        bound.after = number < 0 ? 0 : number < most ? number + 1 : most;
    } else if (type == SQLITE_FLOAT) {
        double number = sqlite3_value_double(value);
        bound.above = number >= (double)most;
        bound.at = number > 0 && !bound.above ? (int64_t)ceil(number) : 0;
        bound.after = number >= 0 && (double)bound.at == number ? bound.at + 1 : bound.at;
    } else {
        bound.above = true;
    }
    if (bound.above) bound.at = bound.after = most;
    return bound;
}

static void read_time(struct reader *reader, const char *op, sqlite3_value *value) {
    struct bound bound = read_bound(value, TIME_US_MAX);
    if (bound.null) reader->out->none = true;
    if (!strcmp(op, ">=")) narrow(reader, bound.at, TIME_US_MAX);
    if (!strcmp(op, ">")) narrow(reader, bound.after, TIME_US_MAX);
    if (!strcmp(op, "<")) narrow(reader, 0, bound.at);
    if (!strcmp(op, "<=")) narrow(reader, 0, bound.after);
    if (!strcmp(op, "=")) narrow(reader, bound.at, bound.after);
}

/* A number of the data is up to 2^64 - 1: above NUMBER_MAX SQLite has it as REAL, and compares by itself. */
#define NUMBER_MAX INT64_C(9000000000000000000)

/* unit: of the number, or NULL. */
static void read_number(struct reader *reader, const char *field, const char *unit, const char *op, sqlite3_value *value) {
    struct bound bound = read_bound(value, NUMBER_MAX);
    const char *and = reader->filter.bytes ? " and " : "";
    if (bound.null) reader->out->none = true;
    bool unsayable = bound.above || reader->filter.bytes > FILTER_BYTES_MAX;
    reader->left_out |= unsayable;
    if (bound.null || unsayable) return;
    if (op[0] == '=' && bound.after != bound.at + 1)
        reader->out->none = true; /* between two whole numbers, or below all */
    else if (op[0] == '=')
        strbuf_printf(&reader->filter, "%s%s == %" PRId64 "%s", and, field, bound.at, unit ? unit : "");
    else
        strbuf_printf(&reader->filter, "%s%s %s %" PRId64 "%s", and, field, op[0] == '>' ? ">=" : "<",
                      !strcmp(op, ">") || !strcmp(op, "<=") ? bound.after : bound.at, unit ? unit : "");
}

/* An answer has the digits of all bytes; filters accept at most BYTES_DIGITS of them, and fewer than all only for a hash. */
#define BYTES_DIGITS 64

/* Equality of text, or of bytes. */
static void read_text(struct reader *reader, const struct sql_column *column, const char *field, sqlite3_value *value) {
    struct strbuf piece = {0};
    if (sqlite3_value_type(value) == SQLITE_NULL) reader->out->none = true;
    const char *text = sqlite3_value_type(value) == SQLITE_TEXT ? (const char *)sqlite3_value_text(value) : NULL;
    size_t bytes = text ? (size_t)sqlite3_value_bytes(value) : 0;
    strbuf_printf(&piece, "%s%s == \"", reader->filter.bytes ? " and " : "", field);
    bool sayable = bytes && sql_filter_text(&piece, text, bytes) && reader->filter.bytes + piece.bytes <= FILTER_BYTES_MAX;
    if (column->push == SQL_PUSH_BYTES) sayable = sayable && bytes <= BYTES_DIGITS && is_hex(text, bytes);
    strbuf_puts(&piece, "\"");
    reader->failed |= piece.failed;
    reader->left_out |= !sayable;
    if (sayable && !piece.failed) strbuf_add(&reader->filter, piece.text, piece.bytes);
    strbuf_fini(&piece);
}

/* The column that a word of the plan begins with; NULL for limit and offset, which have no operator. */
static const struct sql_column *find_column(const struct sql_columns *columns, const char *word, size_t name, size_t bytes) {
    if (name == bytes) return NULL;
    if (*word == '[') return &columns->columns[atoi(word + 1)];
    for (int i = 0; i < columns->count; i++)
        if (strlen(columns->columns[i].name) == name && !strncmp(columns->columns[i].name, word, name))
            return &columns->columns[i];
    return NULL;
}

static void read_condition(struct reader *reader, const struct sql_column *column, const char *op, sqlite3_value *value) {
    const char *field = column->filter ? column->filter : column->name;
    if (column->push == SQL_PUSH_TIMESTAMP)
        read_time(reader, op, value);
    else if (column->push == SQL_PUSH_FILTER)
        read_number(reader, field, column->unit, op, value);
    else
        read_text(reader, column, field, value);
}

static void read_value(struct reader *reader, const char *word, size_t bytes, sqlite3_value *value) {
    static const struct {
        const char *name, *param;
        unsigned digits; /* 0: a name */
    } ids[] = {{"trace_id", "trace_id", TRACE_DIGITS},
               {"peer_id", "peer_id", NODE_DIGITS},
               {"node_id", "node_id", NODE_DIGITS},
               {"peer", "peer_id", 0},
               {"node", "node_id", 0}};
    size_t name = strcspn(word, "=<>~* ");
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (strlen(ids[i].name) != name || strncmp(ids[i].name, word, name) != 0) continue;
        if (word[name] != '=')
            read_prefix(reader, ids[i].param, ids[i].digits, word[name] == '~', value);
        else if (ids[i].digits)
            read_id(reader, ids[i].param, ids[i].digits, value);
        else
            read_name(reader, ids[i].param, value);
        return;
    }
    if (!strncmp(word, "kind", name) && name == 4) {
        read_kinds(reader, word[4] != '=', value);
    } else if (name < bytes) {
        char op[3] = {0};
        memcpy(op, word + name, bytes - name < 2 ? bytes - name : 2);
        const struct sql_column *column = find_column(reader->columns, word, name, bytes);
        if (column) read_condition(reader, column, op, value);
    } else if (sqlite3_value_type(value) == SQLITE_INTEGER && sqlite3_value_int64(value) >= 0) {
        *(word[0] == 'l' ? &reader->limit : &reader->offset) = (uint64_t)sqlite3_value_int64(value);
    }
}

static void finish_params(struct reader *reader, int number) {
    json_t *params = reader->out->params;
    if (reader->from_us >= reader->to_us) reader->out->none = true;
    if (reader->from_us > 0) reader->failed |= json_object_set_new(params, "from", json_integer(reader->from_us)) != 0;
    if (reader->to_us < TIME_US_MAX) reader->failed |= json_object_set_new(params, "to", json_integer(reader->to_us)) != 0;
    if (reader->filter.bytes) set_param(reader, "filter", strbuf_text(&reader->filter), reader->filter.bytes);
    if (number & SQL_PUSH_DESC) reader->failed |= json_object_set_new(params, "order", json_string("desc")) != 0;
    if (!reader->left_out && reader->limit < UINT64_MAX && reader->offset < UINT64_MAX - reader->limit)
        reader->out->wanted = reader->limit + reader->offset;
    reader->out->said = json_object_size(params) ? json_text_new(params, JSON_COMPACT) : strdup("nothing");
    reader->failed |= !reader->out->said || reader->filter.failed;
    strbuf_fini(&reader->filter);
}

int sql_push_read(struct sql_push_params *ret_params, const struct names *names, const struct sql_columns *columns,
                  const char *plan, int number, int count, sqlite3_value **values) {
    struct sql_push_params params = {.params = json_object(), .wanted = UINT64_MAX};
    struct reader reader = {.out = &params, .names = names, .columns = columns, .to_us = TIME_US_MAX, .limit = UINT64_MAX};
    const char *word = plan;
    if (!params.params) return SQLITE_NOMEM;
    for (int i = 0; i < count; i++) {
        size_t bytes = strcspn(word, " ");
        if (!strncmp(word, "kind in", 7)) bytes = 7;
        read_value(&reader, word, bytes, values[i]);
        word += bytes + (word[bytes] == ' ');
    }
    finish_params(&reader, number);
    if (reader.failed) {
        json_decref(params.params);
        free(params.said);
        return SQLITE_NOMEM;
    }
    *ret_params = params;
    return SQLITE_OK;
}

bool sql_push_drop_prefixes(json_t *params) {
    static const struct {
        const char *param;
        size_t digits;
    } ids[] = {{"trace_id", TRACE_DIGITS}, {"peer_id", NODE_DIGITS}, {"node_id", NODE_DIGITS}};
    bool dropped = false;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const json_t *id = json_object_get(params, ids[i].param);
        if (!id || json_string_length(id) == ids[i].digits) continue;
        json_object_del(params, ids[i].param);
        dropped = true;
    }
    return dropped;
}

bool sql_push_drop_filter(json_t *params) { return !json_object_del(params, "filter"); }
