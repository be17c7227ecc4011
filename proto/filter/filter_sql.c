/* SPDX-License-Identifier: MIT
 *
 * See filter_sql.h.  Follows filter_code.c test by test, and must give the same answers: tests/fleet compares them with a server.
 *
 * All columns have values, so that SQL's third truth value never comes up.  A field that a kind lacks is 0 or '' in its row,
 * so every test of a data field begins with the kinds that have it. */
#include "filter_internal.h"

#include <proto/event_json.h>
#include <proto/filter_sql.h>
#include <proto/hex.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer {
    const struct trace_filter *filter;
    const struct trace_filter_sql_log *logs;
    size_t log_count;
    const char *time, *peer; /* expressions of any length */
    struct trace_text *out;
};

/* ---- pieces ------------------------------------------------------------------------------------------------------------- */

static void put(struct writer *writer, const char *text) { trace_text_puts(writer->out, text); }

__attribute__((format(printf, 2, 3))) static void put_format(struct writer *writer, const char *format, ...) {
    char line[512];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    put(writer, line);
}

/* As digits, because text may hold any byte. */
static void put_bytes(struct writer *writer, const void *bytes, size_t count) {
    char *end, *at = trace_text_reserve(writer->out, 2 * count + sizeof "unhex('')");
    if (!at) return;
    end = stpcpy(at, "unhex('");
    end = stpcpy(trace_hex_encode(end, bytes, count), "')");
    writer->out->bytes += (size_t)(end - at);
}

static void put_id(struct writer *writer, const uint8_t *bytes, size_t count) {
    put(writer, "toFixedString(");
    put_bytes(writer, bytes, count);
    put_format(writer, ",%zu)", count);
}

/* Shorter where it can be: a statement has 256 KiB. */
static void put_range(struct writer *writer, const char *expression, uint64_t low, uint64_t span) {
    uint64_t high = low + span; /* never wraps: filter__order_value */
    if (!span)
        put_format(writer, "%s = %" PRIu64, expression, low);
    else if (high == UINT64_MAX)
        put_format(writer, "%s >= %" PRIu64, expression, low);
    else
        put_format(writer, "(%s >= %" PRIu64 " AND %s <= %" PRIu64 ")", expression, low, expression, high);
}

static void put_time(struct writer *writer, uint64_t low, uint64_t span) {
    put(writer, "(");
    put(writer, writer->time);
    put_format(writer, " >= %" PRIu64 " AND ", low);
    put(writer, writer->time);
    put_format(writer, " <= %" PRIu64 ")", low + span);
}

/* Bounds for the bytes of an id that begins so: the primary key can use them. */
static void put_prefix(struct writer *writer, const char *column, const struct trace_id_prefix *prefix, size_t bytes) {
    uint8_t least[TRACE_NODE_ID_BYTES] = {0}, greatest[TRACE_NODE_ID_BYTES];
    memset(greatest, 0xff, sizeof greatest);
    for (unsigned i = 0; i < prefix->digits; i++) {
        unsigned shift = i % 2 ? 0 : 4;
        uint8_t digit = (uint8_t)((prefix->bytes[i / 2] >> shift) & 0xf);
        least[i / 2] = (uint8_t)(least[i / 2] | digit << shift);
        greatest[i / 2] = (uint8_t)((greatest[i / 2] & ~(0xf << shift)) | digit << shift);
    }
    if (prefix->digits == 2 * bytes) {
        put(writer, column);
        put(writer, " = ");
        put_id(writer, least, bytes);
        return;
    }
    put(writer, "(");
    put(writer, column);
    put(writer, " >= ");
    put_id(writer, least, bytes);
    put(writer, " AND ");
    put(writer, column);
    put(writer, " <= ");
    put_id(writer, greatest, bytes);
    put(writer, ")");
}

/* A glob over the bytes of a text, as an expression over their digits: RE2 reads text as UTF-8, a glob takes any byte.
 * `?` takes a byte and the continuation bytes after it; after another `?` none of those is left. */
static void put_glob(struct writer *writer, const char *expression, const char *pattern) {
    bool after_one = false;
    put(writer, "match(hex(");
    put(writer, expression);
    put(writer, "), '^");
    for (const char *at = pattern; *at; at++) {
        if (*at == '*') {
            put(writer, "(?:..)*");
        } else if (*at == '?') {
            put(writer, after_one ? "[0-7C-F].(?:[89AB].)*" : "..(?:[89AB].)*");
        } else {
            if (*at == '\\' && at[1]) at++;
            put_format(writer, "%02X", (unsigned char)*at);
            after_one = false;
            continue;
        }
        after_one = *at == '?';
    }
    put(writer, "$')");
}

static void put_text_test(struct writer *writer, const char *expression, const struct filter_value *value, bool glob) {
    if (glob) {
        put_glob(writer, expression, value->text);
        return;
    }
    put_format(writer, "%s = ", expression);
    put_bytes(writer, value->text, value->bytes);
}

static bool text_fits(const struct filter_value *value, bool glob, const char *text, size_t bytes) {
    return glob ? filter__glob(value->text, text, bytes) : value->bytes == bytes && !memcmp(value->text, text, bytes);
}

/* Separates the members of a list that may be empty: begin, put_or before each, end. */
struct list {
    bool any;
};

static void put_or(struct writer *writer, struct list *list) {
    put(writer, list->any ? " OR " : "(");
    list->any = true;
}

static void put_list_end(struct writer *writer, const struct list *list) { put(writer, list->any ? ")" : "0"); }

/* ---- logs --------------------------------------------------------------------------------------------------------------- */

typedef bool log_test(const struct trace_filter_sql_log *log, const void *arg);

static bool one_node(const struct trace_filter_sql_log *a, const struct trace_filter_sql_log *b) {
    return !memcmp(a->node_id.bytes, b->node_id.bytes, sizeof a->node_id.bytes);
}

/* Appends to `list` what is true for the rows of these logs: whole nodes by their id, others by both. */
static void put_logs(struct writer *writer, struct list *list, log_test *test, const void *arg) {
    const struct trace_filter_sql_log *logs = writer->logs;
    bool any_node = false;
    for (size_t i = 0, end; i < writer->log_count; i = end) {
        bool all = true;
        for (end = i; end < writer->log_count && one_node(&logs[end], &logs[i]); end++) all = all && test(&logs[end], arg);
        if (!all) continue;
        if (!any_node) {
            put_or(writer, list);
            put(writer, "node_id IN (");
        } else {
            put(writer, ",");
        }
        any_node = true;
        put_id(writer, logs[i].node_id.bytes, sizeof logs[i].node_id.bytes);
    }
    if (any_node) put(writer, ")");
    for (size_t i = 0, end; i < writer->log_count; i = end) {
        bool all = true;
        for (end = i; end < writer->log_count && one_node(&logs[end], &logs[i]); end++) all = all && test(&logs[end], arg);
        for (size_t k = i; !all && k < end; k++) {
            if (!test(&logs[k], arg)) continue;
            put_or(writer, list);
            put(writer, "(node_id = ");
            put_id(writer, logs[k].node_id.bytes, sizeof logs[k].node_id.bytes);
            put_format(writer, " AND log_id = %" PRIu64 ")", logs[k].log_id);
        }
    }
}

/* ---- applications ------------------------------------------------------------------------------------------------------- */

static const struct trace_app *app_of(const struct trace_filter_sql_log *log, const char *app_id) {
    for (size_t i = 0; i < log->app_count; i++)
        if (!memcmp(log->apps[i]->app_id, app_id, sizeof log->apps[i]->app_id)) return log->apps[i];
    return NULL;
}

static bool has_app(const struct trace_filter_sql_log *log, const void *arg) {
    const struct trace_app *app = arg, *own = app_of(log, app->app_id);
    return own && !memcmp(own, app, sizeof *own);
}

/* Was this description seen before, in an earlier log or earlier in this one? */
static bool was_met(const struct writer *writer, size_t log, size_t index) {
    const struct trace_app *app = writer->logs[log].apps[index];
    if (app_of(&writer->logs[log], app->app_id) != app) return true; /* it never counts */
    for (size_t i = 0; i < log; i++)
        if (has_app(&writer->logs[i], app)) return true;
    return false;
}

/* Calls each once for every different description. */
static void each_app(struct writer *writer, struct list *list,
                     void (*each)(struct writer *, struct list *, const struct trace_app *, const void *), const void *arg) {
    for (size_t log = 0; log < writer->log_count; log++)
        for (size_t i = 0; i < writer->logs[log].app_count; i++)
            if (!was_met(writer, log, i)) each(writer, list, writer->logs[log].apps[i], arg);
}

/* "(app_id = 'DMAP' AND node_id IN (...)": the rows with this description.  The caller closes it. */
static void put_described(struct writer *writer, const struct trace_app *app) {
    struct list logs = {0};
    put(writer, "(app_id = ");
    put_id(writer, (const uint8_t *)app->app_id, sizeof app->app_id);
    put(writer, " AND ");
    put_logs(writer, &logs, has_app, app);
    put_list_end(writer, &logs);
}

struct named {
    const struct filter_test *test;
    const struct filter_value *value;
};

static void put_app_of_name(struct writer *writer, struct list *list, const struct trace_app *app, const void *arg) {
    const struct named *named = arg;
    if (!text_fits(named->value, named->test->glob, app->name, strnlen(app->name, sizeof app->name))) return;
    put_or(writer, list);
    put_described(writer, app);
    put(writer, ")");
}

static void put_app(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    struct named named = {test, value};
    struct list list = {0};
    put_or(writer, &list);
    put_text_test(writer, "toStringCutToZero(app_id)", value, test->glob);
    each_app(writer, &list, put_app_of_name, &named);
    put_list_end(writer, &list);
}

/* "cmd IN (1,2)": the commands of a description whose name fits; of NULL any name does.  Of two commands with one number, the
 * first is used. */
static bool put_commands(struct writer *writer, const struct trace_app *app, const struct filter_value *value, bool glob,
                         const char *before) {
    unsigned count = app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    bool any = false;
    for (unsigned i = 0; i < count; i++) {
        size_t bytes;
        const char *name = filter__command_name(app, app->commands[i].cmd, &bytes);
        if (name != app->commands[i].name || (value && !text_fits(value, glob, name, bytes))) continue;
        if (!any) put(writer, before);
        put_format(writer, any ? ",%u" : "%u", app->commands[i].cmd);
        any = true;
    }
    if (any) put(writer, ")");
    return any;
}

static void put_command_of_name(struct writer *writer, struct list *list, const struct trace_app *app, const void *arg) {
    const struct named *named = arg;
    const struct filter_value *value = named->value->is_null ? NULL : named->value;
    struct trace_text *out = writer->out;
    size_t before = out->bytes;
    bool first = !list->any;
    put_or(writer, list);
    put_described(writer, app);
    if (put_commands(writer, app, value, named->test->glob, " AND cmd IN (")) {
        put(writer, ")");
        return;
    }
    if (!out->failed) out->bytes = before; /* none of its commands fits */
    list->any = !first;
}

static void put_command(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    struct named named = {test, value};
    struct list list = {0};
    if (value->has_number) {
        put_or(writer, &list);
        put_format(writer, "cmd = %" PRIu64, value->low);
    }
    if (value->is_null) put(writer, "NOT ");
    each_app(writer, &list, put_command_of_name, &named);
    put_list_end(writer, &list);
}

/* ---- fields of an application ------------------------------------------------------------------------------------------- */

/* As app_value_fits of filter_match.c, where the type of the field decides the most. */
static void put_app_value(struct writer *writer, const struct filter_test *test, const struct filter_value *value,
                          const struct trace_app_field *field, bool *comparable) {
    char bytes[64], expression[128];
    snprintf(bytes, sizeof bytes, "substring(data,%u,%u)", field->offset + 1U, field->bytes);
    bool number = filter__is_number(field), text = field->type == TRACE_APP_TEXT;
    bool digits = value->hex_digits && value->hex_digits <= 2U * field->bytes;
    bool can = number ? value->has_number && !test->glob : !test->ordered && (text || test->glob || digits);
    *comparable = *comparable || can;
    if (!can || (number && value->never)) {
        put(writer, "0");
    } else if (number) {
        snprintf(expression, sizeof expression, "reinterpretAsUInt64(%s)", bytes);
        put_range(writer, expression, value->low, value->span);
    } else if (text) {
        snprintf(expression, sizeof expression, "toStringCutToZero(%s)", bytes);
        put_text_test(writer, expression, value, test->glob);
    } else if (test->glob) {
        snprintf(expression, sizeof expression, "lower(hex(%s))", bytes);
        put_glob(writer, expression, value->text);
    } else if (field->type != TRACE_APP_HASH && value->hex_digits != 2U * field->bytes) {
        put(writer, "0"); /* only a hash may be given by its first digits */
    } else {
        snprintf(expression, sizeof expression, "substring(hex(%s),1,%" PRIu32 ") = upper(", bytes, value->hex_digits);
        put(writer, expression);
        put_bytes(writer, value->text, value->hex_digits);
        put(writer, ")");
    }
}

static void put_app_field(struct writer *writer, const struct filter_test *test, const struct trace_app_field *field) {
    bool comparable = false;
    struct trace_text *out = writer->out;
    size_t before = out->bytes;
    put(writer, test->negated ? "NOT (" : "(");
    for (uint32_t i = 0; i < test->value_count; i++) {
        if (i) put(writer, " OR ");
        put_app_value(writer, test, &writer->filter->values[test->value_first + i], field, &comparable);
    }
    put(writer, test->value_count ? ")" : "0)");
    if (comparable || !test->negated || out->failed) return;
    out->bytes = before; /* != is false if the values cannot be compared */
    put(writer, "0");
}

/* Of several fields with one name, the first that the event's bytes include. */
static void put_app_fields(struct writer *writer, struct list *list, const struct trace_app *app, const void *arg) {
    const struct filter_test *test = arg;
    const char *name = test->field.name;
    unsigned least = UINT32_MAX;
    if (test->field.app) {
        const struct filter_value of = {.text = test->field.app, .bytes = (uint32_t)strlen(test->field.app)};
        if (!text_fits(&of, false, app->app_id, strnlen(app->app_id, sizeof app->app_id)) &&
            !text_fits(&of, false, app->name, strnlen(app->name, sizeof app->name)))
            return;
    }
    unsigned count = app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    for (unsigned i = 0; i < count; i++) {
        const struct trace_app_field *field = &app->fields[i];
        unsigned end = (unsigned)field->offset + field->bytes;
        if (strnlen(field->name, sizeof field->name) != strlen(name) || memcmp(field->name, name, strlen(name)) != 0) continue;
        if (end >= least || end > TRACE_APP_DATA_BYTES) continue;
        put_or(writer, list);
        put_described(writer, app);
        put_format(writer, " AND length(data) >= %u", end);
        if (least != UINT32_MAX) put_format(writer, " AND length(data) < %u", least);
        put(writer, " AND ");
        put_app_field(writer, test, field);
        put(writer, ")");
        least = end;
    }
}

static void put_app_data(struct writer *writer, const struct filter_test *test) {
    struct list list = {0};
    put(writer, "(kind = 'app_command' AND ");
    each_app(writer, &list, put_app_fields, test);
    put_list_end(writer, &list);
    put(writer, ")");
}

/* ---- nodes and peers ---------------------------------------------------------------------------------------------------- */

static bool log_has_name(const struct trace_filter_sql_log *log, const void *arg) {
    const struct named *named = arg;
    return log->name && text_fits(named->value, named->test->glob, log->name, strlen(log->name));
}

static const struct trace_node_id anybody;

static void put_node(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    struct named named = {test, value};
    struct list list = {0};
    if (test->glob || (!value->is_named && value->prefix.digits)) {
        put_or(writer, &list);
        if (test->glob)
            put_glob(writer, "lower(hex(node_id))", value->text);
        else
            put_prefix(writer, "node_id", &value->prefix, TRACE_NODE_ID_BYTES);
    }
    put_logs(writer, &list, log_has_name, &named);
    for (uint32_t i = 0; i < value->alias_count && !test->glob; i++) {
        const struct filter_alias *alias = &writer->filter->aliases[value->alias_first + i];
        if (memcmp(&alias->by, &anybody, sizeof anybody) != 0) continue;
        put_or(writer, &list);
        put(writer, "node_id = ");
        put_id(writer, alias->peer_id.bytes, TRACE_NODE_ID_BYTES);
    }
    put_list_end(writer, &list);
}

/* The id in this column is one of the value's.  digits: the same as text. */
static void put_peer_id(struct writer *writer, struct list *list, const struct filter_test *test,
                        const struct filter_value *value, const char *column, const char *digits) {
    if (value->id_count && (test->glob || value->is_named)) {
        put_or(writer, list);
        put(writer, column);
        put(writer, " IN (");
        for (uint32_t i = 0; i < value->id_count; i++) {
            if (i) put(writer, ",");
            put_id(writer, writer->filter->ids[value->id_first + i].bytes, TRACE_NODE_ID_BYTES);
        }
        put(writer, ")");
    }
    if (test->glob || (!value->is_named && value->prefix.digits)) {
        put_or(writer, list);
        if (test->glob)
            put_glob(writer, digits, value->text);
        else
            put_prefix(writer, column, &value->prefix, TRACE_NODE_ID_BYTES);
    }
}

static void put_peer(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    struct list list = {0};
    put_peer_id(writer, &list, test, value, "peer_id", "lower(hex(peer_id))");
    if (strcmp(writer->peer, "peer_id") != 0) {
        struct trace_text digits = {0};
        trace_text_puts(&digits, "lower(hex(");
        trace_text_puts(&digits, writer->peer);
        trace_text_add(&digits, "))", sizeof "))");
        writer->out->failed |= digits.failed;
        if (!digits.failed) put_peer_id(writer, &list, test, value, writer->peer, digits.data);
        trace_text_fini(&digits);
    }
    for (uint32_t i = 0; i < value->alias_count; i++) {
        const struct filter_alias *alias = &writer->filter->aliases[value->alias_first + i];
        put_or(writer, &list);
        put(writer, "(");
        put(writer, writer->peer);
        put(writer, " = ");
        put_id(writer, alias->peer_id.bytes, TRACE_NODE_ID_BYTES);
        if (memcmp(&alias->by, &anybody, sizeof anybody) != 0) {
            put(writer, " AND node_id = ");
            put_id(writer, alias->by.bytes, TRACE_NODE_ID_BYTES);
        }
        put(writer, ")");
    }
    put_list_end(writer, &list);
}

/* ---- fields of the table ------------------------------------------------------------------------------------------------ */

static void put_endpoint(struct writer *writer, const char *column, const struct filter_test *test,
                         const struct filter_value *value) {
    char text[TRACE_ENDPOINT_TEXT_MAX];
    if (test->glob) {
        put_glob(writer, column, value->text);
        return;
    }
    size_t bytes = (size_t)(trace_endpoint_text(text, &value->endpoint) - text);
    while (value->any_port && bytes && text[bytes - 1] != ':') bytes--;
    if (value->any_port)
        put_format(writer, "substring(%s,1,%zu) = ", column, bytes);
    else
        put_format(writer, "%s = ", column);
    put_bytes(writer, text, bytes);
}

static void put_data(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    const struct trace_field_info *info = test->field.info;
    char column[80], expression[256];
    snprintf(column, sizeof column, "`%s`", info->name);
    switch (info->type) {
    case TRACE_TYPE_endpoint: put_endpoint(writer, column, test, value); return;
    case TRACE_TYPE_text: put_text_test(writer, column, value, test->glob); return;
    case TRACE_TYPE_code4:
        snprintf(expression, sizeof expression, "toStringCutToZero(%s)", column);
        put_text_test(writer, expression, value, test->glob);
        return;
    case TRACE_TYPE_payload:
        snprintf(expression, sizeof expression, "lower(hex(%s))", column);
        put_text_test(writer, expression, value, test->glob);
        return;
    case TRACE_TYPE_id64:
        if (!test->glob) break;
        /* All 16 digits: hex() omits leading zeros. */
        snprintf(expression, sizeof expression, "lower(concat(substring('0000000000000000',length(hex(%s))+1),hex(%s)))", column,
                 column);
        put_glob(writer, expression, value->text);
        return;
    default: break;
    }
    put_range(writer, column, value->low, value->span);
}

/* "kind IN (...)": the kinds that have the field. */
static void put_kinds(struct writer *writer, const struct filter_field *field) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    bool any = false;
    put(writer, "kind IN (");
    for (unsigned k = 0; k < count; k++) {
        bool has = false;
        for (unsigned i = 0; i < kinds[k].field_count; i++) {
            const char *wanted = field->class == FIELD_DATA ? field->info->name : "app_id";
            has = has || !strcmp(kinds[k].fields[i].name, wanted);
        }
        if (!has || (field->class == FIELD_DATA && field->kind && field->kind != kinds[k].id)) continue;
        put_format(writer, any ? ",'%s'" : "'%s'", kinds[k].name);
        any = true;
    }
    put(writer, ")");
}

static void put_kind(struct writer *writer, const struct filter_value *value) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count), *kind = trace_kind_info((uint16_t)value->low);
    if (kind) {
        put_format(writer, "kind = '%s'", kind->name);
        return;
    }
    put(writer, "kind_id NOT IN (0"); /* what this version does not know, whatever its writer called it */
    for (unsigned k = 0; k < count; k++) put_format(writer, ",%u", kinds[k].id);
    put(writer, ")");
}

/* ---- tests -------------------------------------------------------------------------------------------------------------- */

static void put_value(struct writer *writer, const struct filter_test *test, const struct filter_value *value) {
    if (value->never) {
        put(writer, "0");
        return;
    }
    switch (test->field.class) {
    case FIELD_TIME: put_time(writer, value->low, value->span); return;
    case FIELD_KIND_ID: put_range(writer, "kind_id", value->low, value->span); return;
    case FIELD_SEQUENCE: put_range(writer, "sequence", value->low, value->span); return;
    case FIELD_LANE: put_range(writer, "lane", value->low, value->span); return;
    case FIELD_FLAGS: put_format(writer, "bitAnd(flags,%" PRIu64 ") != 0", value->low); return;
    case FIELD_KIND: put_kind(writer, value); return;
    case FIELD_NODE: put_node(writer, test, value); return;
    case FIELD_PEER: put_peer(writer, test, value); return;
    case FIELD_TRACE:
        if (test->glob)
            put_glob(writer, "lower(hex(trace_id))", value->text);
        else
            put_prefix(writer, "trace_id", &value->prefix, TRACE_ID_BYTES);
        return;
    case FIELD_APP: put_app(writer, test, value); return;
    case FIELD_COMMAND: put_command(writer, test, value); return;
    case FIELD_DATA: put_data(writer, test, value); return;
    case FIELD_HOST:
    case FIELD_APP_DATA:
    case FIELD_SUMMARY: break;
    }
    put(writer, "0");
}

/* What is true where the field is not null; "" if it never is. */
static const char *presence(const struct filter_test *test, char *out, size_t room) {
    switch (test->field.class) {
    case FIELD_PEER: snprintf(out, room, "bitAnd(flags,%u) != 0", TRACE_FLAG_HAS_PEER); return out;
    case FIELD_TRACE: snprintf(out, room, "trace_id != toFixedString('',%d)", TRACE_ID_BYTES); return out;
    case FIELD_DATA:
        if (test->field.type != FILTER_ENDPOINT) return "";
        snprintf(out, room, "`%s` != ''", test->field.info->name);
        return out;
    default: return "";
    }
}

/* A whole test of the host, with its values. */
struct host_test {
    const struct trace_filter *filter;
    const struct filter_test *test;
    bool wanted; /* false: the logs of which it is not true */
};

static bool log_passes(const struct trace_filter_sql_log *log, const void *arg) {
    const struct host_test *host = arg;
    const struct filter_test *test = host->test;
    bool known = log->host && *log->host, any = false;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++) {
        const struct filter_value *value = &host->filter->values[i];
        any = any || (value->is_null ? !known : known && text_fits(value, test->glob, log->host, strlen(log->host)));
    }
    return ((known || any) && any != test->negated) == host->wanted;
}

/* If the log of a row is not known, neither is its host. */
static void put_host(struct writer *writer, const struct filter_test *test) {
    static const struct trace_filter_sql_log stranger = {.log_id = 0};
    struct host_test host = {writer->filter, test, true};
    struct list list = {0};
    host.wanted = !log_passes(&stranger, &host);
    if (!host.wanted) put(writer, "NOT ");
    put_logs(writer, &list, log_passes, &host);
    put_list_end(writer, &list);
}

static void put_test(struct writer *writer, const struct filter_test *test) {
    const struct filter_field *field = &test->field;
    bool null = false, of_kinds = field->class == FIELD_DATA || field->class == FIELD_APP || field->class == FIELD_COMMAND;
    char text[128];
    struct list list = {0};
    if (field->class == FIELD_APP_DATA) {
        put_app_data(writer, test);
        return;
    }
    if (field->class == FIELD_HOST) {
        put_host(writer, test);
        return;
    }
    const char *present = presence(test, text, sizeof text);
    put(writer, "(");
    if (of_kinds) {
        put_kinds(writer, field);
        put(writer, " AND ");
    }
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++)
        null = null || (writer->filter->values[i].is_null && field->class != FIELD_COMMAND);
    if (null && !test->negated) put_format(writer, "(NOT (%s) OR ", *present ? present : "1");
    if (*present && (!null || test->negated)) put_format(writer, "%s AND ", present);
    if (test->negated) put(writer, "NOT ");
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++) {
        const struct filter_value *value = &writer->filter->values[i];
        if (value->is_null && field->class != FIELD_COMMAND) continue;
        put_or(writer, &list);
        put_value(writer, test, value);
    }
    put_list_end(writer, &list);
    put(writer, null && !test->negated ? "))" : ")");
}

static void put_node_of(struct writer *writer, uint16_t number, uint8_t parent) {
    const struct filter_node *node = &writer->filter->nodes[number];
    bool parentheses = node->type != parent && (node->type == NODE_AND || node->type == NODE_OR);
    if (parentheses) put(writer, "(");
    switch ((enum filter_node_type)node->type) {
    case NODE_TEST: put_test(writer, &writer->filter->tests[node->test]); break;
    case NODE_AND:
    case NODE_OR:
        put_node_of(writer, node->left, node->type);
        put(writer, node->type == NODE_AND ? " AND " : " OR ");
        put_node_of(writer, node->right, node->type);
        break;
    case NODE_NOT:
        put(writer, "NOT (");
        put_node_of(writer, node->left, NODE_NOT);
        put(writer, ")");
        break;
    case NODE_SUB: break; /* of filters of traces alone */
    }
    if (parentheses) put(writer, ")");
}

void trace_filter_sql(const struct trace_filter *filter, const struct trace_filter_sql_log *logs, size_t log_count,
                      const char *time, const char *peer, struct trace_text *out) {
    struct writer writer = {filter, logs, log_count, time, peer, out};
    put_node_of(&writer, filter->root, NODE_SUB);
}

void trace_filter_sql_prefix(struct trace_text *out, const char *column, const struct trace_id_prefix *prefix, size_t bytes) {
    struct writer writer = {.out = out};
    put_prefix(&writer, column, prefix, bytes);
}

void trace_filter_sql_id(struct trace_text *out, const uint8_t *id, size_t bytes) {
    struct writer writer = {.out = out};
    put_id(&writer, id, bytes);
}
