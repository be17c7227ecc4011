/* SPDX-License-Identifier: MIT
 *
 * What the values in a filter mean (filter_internal.h): the same word is a number for one field and an id for another. */
#include "filter_internal.h"

#include <ctype.h>
#include <errno.h>
#include <p2ptrace/shm.h>
#include <proto/event_json.h>
#include <proto/quantity.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ------------------------------------------------------------------------------------------------------------ */

static const char *unit_kind(enum trace_unit unit) {
    switch (unit) {
    case TRACE_UNIT_NONE: return "a number";
    case TRACE_UNIT_TIME: return "a time";
    case TRACE_UNIT_SIZE: return "a size";
    case TRACE_UNIT_SHARE: return "a share";
    }
    return "";
}

static bool unit_fits(enum trace_unit unit, enum filter_unit wanted) {
    switch (unit) {
    case TRACE_UNIT_NONE: return true;
    case TRACE_UNIT_TIME: return wanted == UNIT_TIME || wanted == UNIT_ANY;
    case TRACE_UNIT_SIZE: return wanted == UNIT_SIZE || wanted == UNIT_ANY;
    case TRACE_UNIT_SHARE: return false; /* no field has this unit */
    }
    return false;
}

static const char *const wanted_text[] = {
    [UNIT_NONE] = "a number without a unit",
    [UNIT_TIME] = "a time, in ns us ms s m h",
    [UNIT_SIZE] = "a size, in B KiB MiB GiB kB MB GB",
    [UNIT_ANY] = "a number",
};

/* The unit begins at byte `skip` of the token's text. */
static int fail_unit(struct filter_parser *parser, const struct filter_token *token, size_t skip, enum filter_unit wanted,
                     const char *field) {
    struct filter_suggest suggest;
    struct trace_quantity one;
    const char *name;
    char text[8] = "1";
    filter__suggest_begin(&suggest, token->text + skip);
    for (unsigned i = 1; (name = trace_unit_name(i)) != NULL; i++) {
        strncpy(text + 1, name, sizeof text - 2);
        if (trace_quantity_parse(text, &one) == 0 && unit_fits(one.unit, wanted)) filter__suggest_add(&suggest, "", name);
    }
    return filter__fail(parser, token->position + skip + (token->type == TOKEN_STRING), token->bytes - skip,
                        suggest.text[0] ? suggest.text : NULL, "there is no unit \"%.40s\": %.60s is %s", token->text + skip,
                        field, wanted_text[wanted]);
}

/* Without a unit a duration is in nanoseconds, as in JSON.  A person who types a small number means milliseconds or seconds. */
#define COPIED_NS_MIN 10000U

static int fail_without_unit(struct filter_parser *parser, const struct filter_token *token, const char *field) {
    bool slow = !strcmp(field, "age") || !strcmp(field, "time"); /* people measure them in seconds */
    char meant[32] = "";
    if (token->bytes == trace_quantity_unit_at(token->text) && token->bytes < sizeof meant - 2)
        snprintf(meant, sizeof meant, "%s%s", token->text, slow ? "s" : "ms");
    return filter__fail_token(parser, token, *meant ? meant : NULL, "%.60s needs a unit: ns, us, ms, s, m or h", field);
}

int filter__read_number(struct filter_parser *parser, const struct filter_token *token, enum filter_unit unit, const char *field,
                        uint64_t *ret_number) {
    struct trace_quantity number;
    int error = trace_quantity_parse(token->text, &number);
    size_t skip = trace_quantity_unit_at(token->text);
    if (error == -ENOENT) return fail_unit(parser, token, skip, unit, field);
    if (error == -ERANGE) return filter__fail_token(parser, token, NULL, "this number does not fit into 64 bits");
    if (error && token->text[0] == '-') return filter__fail_token(parser, token, NULL, "%.60s is never negative", field);
    if (error)
        return filter__fail_token(parser, token, NULL, "%.60s is %s, not \"%.40s\"", field, wanted_text[unit], token->text);
    if (!unit_fits(number.unit, unit))
        return filter__fail(parser, token->position + skip + (token->type == TOKEN_STRING), token->bytes - skip, NULL,
                            "%.60s is %s, not %s", field, wanted_text[unit], unit_kind(number.unit));
    bool has_unit = unit != UNIT_TIME || number.unit != TRACE_UNIT_NONE;
    if (parser->options->typed && !has_unit && number.value && number.value < COPIED_NS_MIN)
        return fail_without_unit(parser, token, field);
    if (number.fraction && number.unit == TRACE_UNIT_NONE)
        return filter__fail_token(parser, token, NULL, "without a unit %.60s is a whole number", field);
    *ret_number = number.value;
    return 0;
}

static int read_time(struct filter_parser *parser, const struct filter_token *token, struct filter_value *value) {
    const char *reason = "";
    uint64_t us;
    value->has_number = true;
    if (token->text[0] && strspn(token->text, "0123456789") == token->bytes) {
        errno = 0;
        us = strtoull(token->text, NULL, 10);
        if (errno || us > UINT64_MAX / 1000 - 1)
            return filter__fail_token(parser, token, NULL, "the time is after 2553; a number is Unix time in microseconds");
        value->low = us * 1000; /* the whole microsecond: `ns` of the JSON form is not given */
        value->span = 999;
        return 0;
    }
    if (trace_time_parse(token->text, parser->options->now_ns, &value->low, &reason))
        return filter__fail_token(parser, token, NULL, "%s", reason);
    return 0;
}

void filter__order_value(struct filter_value *value, enum filter_compare compare) {
    uint64_t low = value->low, high = low + value->span;
    switch (compare) {
    case COMPARE_LT:
        value->never = low == 0;
        value->low = 0;
        value->span = low - 1;
        return;
    case COMPARE_LE:
        value->low = 0;
        value->span = high;
        return;
    case COMPARE_GT:
        value->never = high == UINT64_MAX;
        value->low = high + 1;
        value->span = UINT64_MAX - value->low;
        return;
    case COMPARE_GE: value->span = UINT64_MAX - low; return;
    case COMPARE_EQ:
    case COMPARE_NE:
    case COMPARE_GLOB:
    case COMPARE_IN: return;
    }
}

static int read_bool(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                     struct filter_value *value) {
    bool yes = !strcmp(token->text, "true");
    value->has_number = true;
    if (!yes && strcmp(token->text, "false") != 0)
        return filter__fail_token(parser, token, NULL, "%.60s is true or false", test->field.word);
    value->low = yes;
    value->span = yes ? UINT64_MAX - 1 : 0; /* anything but 0 is true */
    return 0;
}

/* ---- ids ---------------------------------------------------------------------------------------------------------------- */

static char *own(struct filter_parser *parser, const char *text) {
    return parser->filter->strings + (text - parser->filter->strings);
}

/* Digits are compared with those that we write, which are lower case. */
static void lower(struct filter_parser *parser, const struct filter_token *token) {
    for (char *c = own(parser, token->text); *c; c++) *c = (char)tolower((unsigned char)*c);
}

static int read_id(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                   struct filter_value *value) {
    if (trace_id_prefix_parse(&value->prefix, token->text, 2 * test->field.length))
        return filter__fail_token(parser, token, NULL, "%.60s is the first 1 to %u hex digits of an id", test->field.word,
                                  2 * test->field.length);
    return 0;
}

/* The beginning of 16 digits; a single 0 is not an id. */
static int read_id64(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                     struct filter_value *value) {
    struct trace_id_prefix prefix;
    value->has_number = true;
    if (!strcmp(token->text, "0")) return 0;
    if (trace_id_prefix_parse(&prefix, token->text, 16))
        return filter__fail_token(parser, token, NULL, "%.60s is the first 1 to 16 hex digits of an id, or 0 for none",
                                  test->field.word);
    for (unsigned i = 0; i < 8; i++) value->low = value->low << 8 | prefix.bytes[i];
    value->span = prefix.digits == 16 ? 0 : UINT64_MAX >> 4 * prefix.digits;
    return 0;
}

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_node_id)); }

#define IDS_MAX 16384 /* of one filter: half a MiB */

static int add_id(struct filter_parser *parser, const struct filter_token *token, const struct trace_node_id *id) {
    struct trace_filter *filter = parser->filter;
    struct trace_node_id *ids = filter__grow(parser, filter->ids, filter->id_count, &filter->id_capacity, sizeof *ids);
    if (!ids) return -ENOMEM;
    filter->ids = ids;
    if (filter->id_count == IDS_MAX)
        return filter__fail_token(parser, token, NULL, "the names in this filter match too many nodes");
    ids[filter->id_count++] = *id;
    return 0;
}

static bool name_fits(const struct filter_test *test, const struct filter_token *token, const char *name) {
    return test->glob ? filter__glob(token->text, name, strlen(name)) : !strcmp(token->text, name);
}

/* Finds the nodes with that name. */
static int read_names(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                      struct filter_value *value) {
    const struct trace_filter_names *names = parser->options->names;
    struct trace_filter *filter = parser->filter;
    value->id_first = filter->id_count;
    for (size_t i = 0; names && i < names->node_count; i++) {
        if (!name_fits(test, token, names->nodes[i].name)) continue;
        value->is_named = true;
        if (test->field.class != FIELD_PEER) continue; /* an event's own node comes with its name */
        int error = add_id(parser, token, &names->nodes[i].id);
        if (error) return error;
    }
    value->id_count = filter->id_count - value->id_first;
    if (value->id_count) qsort(filter->ids + value->id_first, value->id_count, sizeof *filter->ids, compare_ids);
    return 0;
}

static int compare_aliases(const void *a, const void *b) { return memcmp(a, b, sizeof(struct filter_alias)); }

static bool alias_fits(const struct filter_test *test, const struct filter_token *token, const struct filter_value *value,
                       const struct trace_filter_alias *alias) {
    if (test->field.class == FIELD_NODE && !alias->own) return false;
    if (alias->text[0] && name_fits(test, token, alias->text)) return true;
    return !test->glob && value->prefix.digits && trace_id_prefix_matches(&value->prefix, alias->alias_id.bytes);
}

/* Finds those whose alias it is. */
static int read_aliases(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                        struct filter_value *value) {
    const struct trace_filter_names *names = parser->options->names;
    struct trace_filter *filter = parser->filter;
    value->alias_first = filter->alias_count;
    for (size_t i = 0; names && i < names->alias_count; i++) {
        const struct trace_filter_alias *alias = &names->aliases[i];
        if (!alias_fits(test, token, value, alias)) continue;
        struct filter_alias *aliases =
            filter__grow(parser, filter->aliases, filter->alias_count, &filter->alias_capacity, sizeof *aliases);
        if (!aliases) return -ENOMEM;
        filter->aliases = aliases;
        if (filter->alias_count == IDS_MAX)
            return filter__fail_token(parser, token, NULL, "the names in this filter match too many nodes");
        aliases[filter->alias_count++] = (struct filter_alias){alias->peer_id, alias->by};
    }
    value->alias_count = filter->alias_count - value->alias_first;
    if (value->alias_count)
        qsort(filter->aliases + value->alias_first, value->alias_count, sizeof *filter->aliases, compare_aliases);
    return 0;
}

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t state, const void *bytes, size_t count) {
    for (const uint8_t *p = bytes; count > 0; p++, count--) state = (state ^ *p) * UINT64_C(0x100000001b3);
    return state;
}

uint64_t trace_filter_names_hash(const struct trace_filter *filter) {
    uint64_t state = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < filter->value_count; i++) {
        const struct filter_value *value = &filter->values[i];
        /* What is not the beginning of an id is a name, possibly of a node that is not known yet. */
        bool named = value->is_named || !value->prefix.digits;
        state = hash(state, &named, sizeof named);
        for (uint32_t id = value->id_first; id < value->id_first + value->id_count; id++) /* sorted */
            if (id == value->id_first || compare_ids(&filter->ids[id - 1], &filter->ids[id]) != 0)
                state = hash(state, &filter->ids[id], sizeof filter->ids[id]);
        for (uint32_t alias = value->alias_first; alias < value->alias_first + value->alias_count; alias++)
            if (alias == value->alias_first || compare_aliases(&filter->aliases[alias - 1], &filter->aliases[alias]) != 0)
                state = hash(state, &filter->aliases[alias], sizeof filter->aliases[alias]);
    }
    return state;
}

static int fail_node(struct filter_parser *parser, const struct filter_token *token) {
    const struct trace_filter_names *names = parser->options->names;
    struct filter_suggest suggest;
    filter__suggest_begin(&suggest, token->text);
    for (size_t i = 0; i < names->node_count; i++) filter__suggest_add(&suggest, "", names->nodes[i].name);
    return filter__fail_token(parser, token, suggest.text[0] ? suggest.text : NULL,
                              "no node is called \"%.40s\", and it is not the beginning of an id", token->text);
}

/* A whole id or an address; else the name of a known node; else the beginning of an id, or an alias; else the name of a node
 * still to come. */
static int read_node(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                     struct filter_value *value) {
    const struct trace_filter_names *names = parser->options->names;
    bool hex = !trace_id_prefix_parse(&value->prefix, token->text, 2 * TRACE_NODE_ID_BYTES) ||
               (!test->glob && trace_address_prefix_parse(&value->prefix, token->text));
    bool whole = hex && value->prefix.digits == 2 * TRACE_NODE_ID_BYTES;
    parser->filter->uses_names = true;
    if (!whole && read_names(parser, test, token, value)) return parser->status;
    if (!value->is_named && read_aliases(parser, test, token, value)) return parser->status;
    if (value->is_named || test->glob || hex || value->alias_count) return 0;
    if (names && names->complete) return fail_node(parser, token);
    if (token->bytes > TRACE_NODE_NAME_BYTES)
        return filter__fail_token(parser, token, NULL, "a node's name has at most %d bytes, its id %d hex digits",
                                  TRACE_NODE_NAME_BYTES, 2 * TRACE_NODE_ID_BYTES);
    return 0;
}

/* ---- names of a few ----------------------------------------------------------------------------------------------------- */

/* The values of a NAMED field, one after the other: name and number.  False after the last. */
static bool named_at(const struct filter_field *field, unsigned index, const char **ret_name, uint64_t *ret_value) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    switch (field->class) {
    case FIELD_KIND:
        if (index > count) return false;
        *ret_name = index < count ? kinds[index].name : TRACE_KIND_UNKNOWN_NAME;
        *ret_value = index < count ? kinds[index].id : 0;
        return true;
    case FIELD_FLAGS:
        if (index >= 8) return false;
        static const char *const bits[] = {"bit0", "bit1", "bit2", "bit3", "bit4", "bit5", "bit6", "bit7"};
        *ret_name = trace_flag_name(index) ? trace_flag_name(index) : bits[index];
        *ret_value = UINT64_C(1) << index;
        return true;
    default:
        *ret_name = field->name_of(index);
        *ret_value = index;
        return *ret_name != NULL;
    }
}

static int push(struct filter_parser *parser, const struct filter_value *value) {
    struct trace_filter *filter = parser->filter;
    struct filter_value *values =
        filter__grow(parser, filter->values, filter->value_count, &filter->value_capacity, sizeof *values);
    if (!values) return -ENOMEM;
    filter->values = values;
    values[filter->value_count++] = *value;
    return 0;
}

/* Adds every matching name.  If no name matches a glob, it adds none. */
static int add_named(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                     struct filter_value *value) {
    struct filter_suggest suggest;
    const char *name;
    bool found = test->glob, number = test->field.class == FIELD_DATA && token->bytes <= 3 && token->bytes &&
                                      strspn(token->text, "0123456789") == token->bytes;
    value->has_number = true;
    filter__suggest_begin(&suggest, token->text);
    for (unsigned i = 0; named_at(&test->field, i, &name, &value->low); i++) {
        filter__suggest_add(&suggest, "", name);
        if (!name_fits(test, token, name)) continue;
        found = true;
        if (push(parser, value)) return parser->status;
    }
    if (found) return 0;
    if (number) { /* JSON shows a value without a name as its number */
        value->low = strtoull(token->text, NULL, 10);
        return push(parser, value);
    }
    return filter__fail_token(parser, token, suggest.text[0] ? suggest.text : NULL, "%.60s is never \"%.40s\"", test->field.word,
                              token->text);
}

/* ---- text --------------------------------------------------------------------------------------------------------------- */

static int read_text(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token) {
    if (test->field.length && token->bytes > test->field.length)
        return filter__fail_token(parser, token, NULL, "%.60s has at most %u bytes", test->field.word, test->field.length);
    return 0;
}

/* If all nodes are known, a machine that none of them runs on is an error. */
static int read_host(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token) {
    const struct trace_filter_names *names = parser->options->names;
    struct filter_suggest suggest;
    int error = read_text(parser, test, token);
    if (error || !names || !names->complete) return error;
    filter__suggest_begin(&suggest, token->text);
    for (size_t i = 0; i < names->node_count; i++) {
        const char *host = names->nodes[i].host;
        if (host && !strcmp(host, token->text)) return 0;
        if (host) filter__suggest_add(&suggest, "", host);
    }
    return filter__fail_token(parser, token, suggest.text[0] ? suggest.text : NULL, "no node runs on a host \"%.40s\"",
                              token->text);
}

static int read_hex(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token) {
    if (strspn(token->text, "0123456789abcdefABCDEF") != token->bytes || token->bytes % 2 ||
        token->bytes > 2 * test->field.length)
        return filter__fail_token(parser, token, NULL, "%.60s is up to %u bytes as hex digits, two each", test->field.word,
                                  test->field.length);
    lower(parser, token);
    return 0;
}

/* ---- applications ------------------------------------------------------------------------------------------------------- */

/* Searches the names of a description: its id and name, or its commands. */
static const char *app_name_at(const struct trace_app *app, bool command, unsigned index, size_t *ret_bytes) {
    if (command) {
        if (index >= TRACE_APP_COMMANDS_MAX || index >= app->command_count) return NULL;
        *ret_bytes = strnlen(app->commands[index].name, sizeof app->commands[index].name);
        return app->commands[index].name;
    }
    *ret_bytes = index ? strnlen(app->name, sizeof app->name) : strnlen(app->app_id, sizeof app->app_id);
    return index == 0 ? app->app_id : index == 1 ? app->name : NULL;
}

/* If all applications are known, a name that none has registered is an error; an id of four characters need not be registered. */
static int check_registered(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token) {
    const struct trace_filter_names *names = parser->options->names;
    bool command = test->field.type == FILTER_COMMAND;
    struct filter_suggest suggest;
    if (test->glob || !names || !names->complete || (!command && token->bytes == 4)) return 0;
    filter__suggest_begin(&suggest, token->text);
    for (size_t i = 0; i < names->app_count; i++) {
        const char *name;
        size_t bytes = 0;
        for (unsigned k = 0; (name = app_name_at(names->apps[i], command, k, &bytes)) != NULL; k++) {
            char text[TRACE_APP_NAME_BYTES + 1] = "";
            memcpy(text, name, bytes);
            if (!strcmp(text, token->text)) return 0;
            filter__suggest_add(&suggest, "", text);
        }
    }
    return filter__fail_token(parser, token, suggest.text[0] ? suggest.text : NULL, "no node has registered %s \"%.40s\"",
                              command ? "a command" : "an application", token->text);
}

static int read_command(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                        struct filter_value *value) {
    struct trace_quantity number;
    if (trace_quantity_parse(token->text, &number) == 0 && number.unit == TRACE_UNIT_NONE && !number.fraction) {
        value->has_number = true;
        value->low = number.value;
        return 0;
    }
    return check_registered(parser, test, token);
}

/* Reads everything that it could be; the description decides which. */
static int read_app_data(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token,
                         struct filter_value *value) {
    struct trace_quantity number;
    if (test->glob) return 0;
    bool hex = strspn(token->text, "0123456789abcdefABCDEF") == token->bytes; /* perhaps the digits of a hash */
    value->hex_digits = hex ? (uint32_t)token->bytes : 0;
    int error = trace_quantity_parse(token->text, &number);
    if (!error && number.unit != TRACE_UNIT_SHARE && !(number.fraction && number.unit == TRACE_UNIT_NONE)) {
        value->has_number = true;
        value->low = number.value;
        return 0;
    }
    return test->ordered ? filter__read_number(parser, token, UNIT_ANY, test->field.word, &value->low) : 0;
}

/* ---- all ---------------------------------------------------------------------------------------------------------------- */

/* Fields that are null in JSON when they are missing. */
static bool may_be_null(const struct filter_field *field) {
    return field->class == FIELD_HOST || field->class == FIELD_PEER || field->class == FIELD_TRACE ||
           field->type == FILTER_ENDPOINT || field->type == FILTER_COMMAND;
}

int filter__add_value(struct filter_parser *parser, const struct filter_test *test, const struct filter_token *token) {
    struct filter_value value = {.text = token->text, .bytes = (uint32_t)token->bytes};
    const struct filter_field *field = &test->field;
    bool has_port = false;
    int error = 0;
    if (token->type == TOKEN_WORD && !test->glob && !strcmp(token->text, "null")) {
        value.is_null = true;
        if (!may_be_null(field)) return filter__fail_token(parser, token, NULL, "%.60s is never null", field->word);
        return push(parser, &value);
    }
    if (test->glob && (field->type == FILTER_ID || field->type == FILTER_ID64 || field->type == FILTER_HEX)) lower(parser, token);
    switch (field->type) {
    case FILTER_NUMBER:
        value.has_number = true;
        error = filter__read_number(parser, token, field->unit, field->word, &value.low);
        break;
    case FILTER_TIME: error = read_time(parser, token, &value); break;
    case FILTER_BOOL: error = read_bool(parser, test, token, &value); break;
    case FILTER_ID: error = test->glob ? 0 : read_id(parser, test, token, &value); break;
    case FILTER_ID64: error = test->glob ? 0 : read_id64(parser, test, token, &value); break;
    case FILTER_NODE: error = read_node(parser, test, token, &value); break;
    case FILTER_NAMED: return add_named(parser, test, token, &value);
    case FILTER_TEXT:
        error = test->glob                   ? 0
                : field->class == FIELD_DATA ? read_text(parser, test, token)
                : field->class == FIELD_HOST ? read_host(parser, test, token)
                                             : check_registered(parser, test, token);
        break;
    case FILTER_HEX: error = test->glob ? 0 : read_hex(parser, test, token); break;
    case FILTER_ENDPOINT:
        if (!test->glob && trace_endpoint_parse(token->text, &value.endpoint, &has_port))
            error = filter__fail_token(
                parser, token, NULL, "%.60s is an address with or without a port, like 192.0.2.1:443 or [::1]:443", field->word);
        value.any_port = !has_port;
        break;
    case FILTER_COMMAND: error = test->glob ? 0 : read_command(parser, test, token, &value); break;
    case FILTER_APP_DATA: error = read_app_data(parser, test, token, &value); break;
    }
    return error ? error : push(parser, &value);
}
