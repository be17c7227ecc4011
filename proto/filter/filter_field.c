/* SPDX-License-Identifier: MIT
 *
 * What the names in a filter mean (filter_internal.h): the fields that every event has, those of the event table, those of
 * applications, and those of traces. */
#include "filter_internal.h"

#include <errno.h>
#include <string.h>

static const char *outcome_name(unsigned outcome) {
    static const char *const names[] = {"none", "ok", "failed", "open", "expired"};
    return outcome < sizeof names / sizeof *names ? names[outcome] : NULL;
}

struct named_field {
    const char *name;
    struct filter_field field;
};

/* Fields that any event may have, by their names in the event's JSON and by shorter ones. */
static const struct named_field event_fields[] = {
    {"time", {.class = FIELD_TIME, .type = FILTER_TIME}},
    {"timestamp", {.class = FIELD_TIME, .type = FILTER_TIME}},
    {"node", {.class = FIELD_NODE, .type = FILTER_NODE}},
    {"node_id", {.class = FIELD_NODE, .type = FILTER_NODE}},
    {"peer", {.class = FIELD_PEER, .type = FILTER_NODE}},
    {"peer_id", {.class = FIELD_PEER, .type = FILTER_NODE}},
    {"trace", {.class = FIELD_TRACE, .type = FILTER_ID, .length = TRACE_ID_BYTES}},
    {"trace_id", {.class = FIELD_TRACE, .type = FILTER_ID, .length = TRACE_ID_BYTES}},
    {"kind", {.class = FIELD_KIND, .type = FILTER_NAMED}},
    {"kind_id", {.class = FIELD_KIND_ID, .type = FILTER_NUMBER}},
    {"flags", {.class = FIELD_FLAGS, .type = FILTER_NAMED}},
    {"sequence", {.class = FIELD_SEQUENCE, .type = FILTER_NUMBER}},
    {"lane", {.class = FIELD_LANE, .type = FILTER_NUMBER}},
    {"host", {.class = FIELD_HOST, .type = FILTER_TEXT, .length = FILTER_HOST_BYTES}},
    {"app", {.class = FIELD_APP, .type = FILTER_TEXT}},
    {"command", {.class = FIELD_COMMAND, .type = FILTER_COMMAND}},
};

#define SUMMARY(name_, field_, ...)                                                 \
    {                                                                               \
        name_, { .class = FIELD_SUMMARY, .summary = SUMMARY_##field_, __VA_ARGS__ } \
    }
static const struct named_field trace_fields[] = {
    SUMMARY("trace", TRACE, .type = FILTER_ID, .length = TRACE_ID_BYTES),
    SUMMARY("trace_id", TRACE, .type = FILTER_ID, .length = TRACE_ID_BYTES),
    SUMMARY("first", FIRST, .type = FILTER_TIME),
    SUMMARY("last", LAST, .type = FILTER_TIME),
    SUMMARY("duration", DURATION, .type = FILTER_NUMBER, .unit = UNIT_TIME),
    SUMMARY("took", TOOK, .type = FILTER_NUMBER, .unit = UNIT_TIME),
    SUMMARY("age", AGE, .type = FILTER_NUMBER, .unit = UNIT_TIME),
    SUMMARY("events", EVENTS, .type = FILTER_NUMBER),
    SUMMARY("nodes", NODES, .type = FILTER_NUMBER),
    SUMMARY("peers", PEERS, .type = FILTER_NUMBER),
    SUMMARY("packets_lost", PACKETS_LOST, .type = FILTER_NUMBER),
    SUMMARY("outcome", OUTCOME, .type = FILTER_NAMED, .name_of = outcome_name),
    SUMMARY("truncated", TRUNCATED, .type = FILTER_BOOL),
    SUMMARY("unfinished", UNFINISHED, .type = FILTER_BOOL),
    SUMMARY("app", APP, .type = FILTER_TEXT),
    SUMMARY("app_id", APP, .type = FILTER_TEXT),
    SUMMARY("command", COMMAND, .type = FILTER_COMMAND),
    SUMMARY("cmd", CMD, .type = FILTER_NUMBER),
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const struct filter_field *find_named(const struct named_field *list, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(list[i].name, name)) return &list[i].field;
    return NULL;
}

/* ---- the event table ---------------------------------------------------------------------------------------------------- */

/* The first field of that name: of the kind, or of any kind if it is NULL. */
static const struct trace_field_info *find_data(const struct trace_kind_info *only, const char *name) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; (!only || only == &kinds[k]) && i < kinds[k].field_count; i++)
            if (!strcmp(kinds[k].fields[i].name, name)) return &kinds[k].fields[i];
    }
    return NULL;
}

static enum filter_unit unit_of(const struct trace_field_info *info) {
    if (!strcmp(info->unit, "ns")) return UNIT_TIME;
    return !strcmp(info->unit, "bytes") ? UNIT_SIZE : UNIT_NONE;
}

/* The maximum size of a field of this name, of one kind or of any: a longer text cannot be its value. */
static unsigned longest(const struct trace_kind_info *only, const char *name) {
    unsigned count, most = 0;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; (!only || only == &kinds[k]) && i < kinds[k].field_count; i++)
            if (!strcmp(kinds[k].fields[i].name, name) && kinds[k].fields[i].length > most) most = kinds[k].fields[i].length;
    }
    return most;
}

static void set_data(struct filter_field *field, const struct trace_kind_info *kind, const struct trace_field_info *info) {
    *field = (struct filter_field){
        .class = FIELD_DATA, .info = info, .kind = kind ? kind->id : 0, .unit = unit_of(info), .type = FILTER_NUMBER};
    switch (info->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: break;
    case TRACE_TYPE_bool: field->type = FILTER_BOOL; break;
    case TRACE_TYPE_id64: field->type = FILTER_ID64; break;
    case TRACE_TYPE_space:
        field->type = FILTER_NAMED;
        field->name_of = trace_space_name;
        break;
    case TRACE_TYPE_loss:
        field->type = FILTER_NAMED;
        field->name_of = trace_loss_name;
        break;
    case TRACE_TYPE_transport:
        field->type = FILTER_NAMED;
        field->name_of = trace_transport_name;
        break;
    case TRACE_TYPE_endpoint: field->type = FILTER_ENDPOINT; break;
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text:
        field->type = FILTER_TEXT;
        field->length = longest(kind, info->name);
        break;
    case TRACE_TYPE_payload:
        field->type = FILTER_HEX;
        field->length = longest(kind, info->name);
        break;
    }
}

/* ---- suggestions -------------------------------------------------------------------------------------------------------- */

static void suggest_named(struct filter_suggest *suggest, const struct named_field *list, size_t count) {
    for (size_t i = 0; i < count; i++) filter__suggest_add(suggest, "", list[i].name);
}

static void suggest_kinds(struct filter_suggest *suggest) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) filter__suggest_add(suggest, "", kinds[k].name);
}

static void suggest_data(struct filter_suggest *suggest, const struct trace_kind_info *only) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        for (unsigned i = 0; (!only || only == &kinds[k]) && i < kinds[k].field_count; i++)
            filter__suggest_add(suggest, "", kinds[k].fields[i].name);
    }
}

static void suggest_apps(struct filter_suggest *suggest, const struct trace_filter_names *names) {
    for (size_t i = 0; names && i < names->app_count; i++) {
        char text[TRACE_APP_NAME_BYTES + 1] = "";
        memcpy(text, names->apps[i]->app_id, sizeof names->apps[i]->app_id);
        filter__suggest_add(suggest, "", text);
        memset(text, 0, sizeof text);
        memcpy(text, names->apps[i]->name, sizeof names->apps[i]->name);
        filter__suggest_add(suggest, "", text);
    }
}

static const char *suggestion(const struct filter_suggest *suggest) { return suggest->text[0] ? suggest->text : NULL; }

/* Where the text of a word or string begins: after the quote. */
static size_t text_position(const struct filter_token *word) { return word->position + (word->type == TOKEN_STRING); }

/* ---- applications ------------------------------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t bytes, const char *padded, size_t padded_bytes) {
    return strnlen(padded, padded_bytes) == bytes && !memcmp(text, padded, bytes);
}

static bool is_app(const struct trace_app *app, const char *text, size_t bytes) {
    return is_text(text, bytes, app->app_id, sizeof app->app_id) || is_text(text, bytes, app->name, sizeof app->name);
}

static unsigned app_fields(const struct trace_app *app) {
    return app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
}

static bool has_field(const struct trace_app *app, const char *name) {
    for (unsigned i = 0; i < app_fields(app); i++)
        if (is_text(name, strlen(name), app->fields[i].name, sizeof app->fields[i].name)) return true;
    return false;
}

static void suggest_app_fields(struct filter_suggest *suggest, const struct trace_app *app) {
    for (unsigned i = 0; i < app_fields(app); i++) {
        char text[sizeof app->fields[i].name + 1] = "";
        memcpy(text, app->fields[i].name, sizeof app->fields[i].name);
        filter__suggest_add(suggest, "", text);
    }
}

/* A field of an application (the first `app_bytes` bytes of the word), or of any (0).  Checked against the registered
 * descriptions. */
static int find_app_data(struct filter_parser *parser, const struct filter_token *word, size_t app_bytes, const char *name,
                         struct filter_field *ret_field) {
    const struct trace_filter_names *names = parser->options->names;
    struct filter_suggest suggest;
    bool known = false, has = false;
    filter__suggest_begin(&suggest, name);
    for (size_t i = 0; names && i < names->app_count; i++) {
        if (app_bytes && !is_app(names->apps[i], word->text, app_bytes)) continue;
        known = true;
        has = has || has_field(names->apps[i], name);
        suggest_app_fields(&suggest, names->apps[i]);
    }
    if (!has && (known || (!app_bytes && names && names->complete)))
        return filter__fail(parser, text_position(word) + (size_t)(name - word->text), strlen(name), suggestion(&suggest),
                            "%.*s has no field \"%.60s\"", app_bytes ? (int)app_bytes : 60,
                            app_bytes ? word->text : "what any application registered", name);
    char *app = NULL;
    if (app_bytes) { /* the word's own copy, cut at its dot; `name` begins after it */
        app = parser->filter->strings + (word->text - parser->filter->strings);
        app[app_bytes] = 0;
    }
    *ret_field =
        (struct filter_field){.class = FIELD_APP_DATA, .type = FILTER_APP_DATA, .unit = UNIT_ANY, .app = app, .name = name};
    return 0;
}

/* How many bytes of the word, before a dot, name a known application; 0: it names none. */
static size_t known_app_bytes(const struct filter_parser *parser, const struct filter_token *word) {
    const struct trace_filter_names *names = parser->options->names;
    for (const char *dot = strchr(word->text, '.'); dot; dot = strchr(dot + 1, '.')) {
        for (size_t i = 0; names && i < names->app_count; i++)
            if (is_app(names->apps[i], word->text, (size_t)(dot - word->text))) return (size_t)(dot - word->text);
    }
    return 0;
}

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* The word before the dot is neither a kind nor a known application. */
static int find_stranger(struct filter_parser *parser, const struct filter_token *word, size_t bytes,
                         struct filter_field *ret_field) {
    const struct trace_filter_names *names = parser->options->names;
    char first[TRACE_APP_NAME_BYTES + 1] = "";
    struct filter_suggest suggest;
    memcpy(first, word->text, bytes < sizeof first - 1 ? bytes : sizeof first - 1);
    filter__suggest_begin(&suggest, first);
    suggest_kinds(&suggest);
    filter__suggest_add(&suggest, "", "data");
    filter__suggest_add(&suggest, "", "fields");
    bool meant = suggest.text[0] != 0;
    suggest_apps(&suggest, names);
    /* It may be an application that is not known yet, unless it looks like a typing error of a name that we know. */
    if (!meant && bytes && bytes <= TRACE_APP_NAME_BYTES && !(names && names->complete))
        return find_app_data(parser, word, bytes, word->text + bytes + 1, ret_field);
    return filter__fail(parser, text_position(word), bytes, suggestion(&suggest), "there is no kind or application \"%.60s\"",
                        first);
}

static int find_dotted(struct filter_parser *parser, const struct filter_token *word, const char *dot,
                       struct filter_field *ret_field) {
    size_t bytes = (size_t)(dot - word->text), app_bytes;
    const char *name = dot + 1;
    const struct trace_kind_info *kind = NULL;
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    if (bytes == strlen("fields") && !memcmp(word->text, "fields", bytes)) return find_app_data(parser, word, 0, name, ret_field);
    for (unsigned k = 0; k < count; k++)
        if (is_text(word->text, bytes, kinds[k].name, strlen(kinds[k].name))) kind = &kinds[k];
    if (!kind && (bytes != strlen("data") || memcmp(word->text, "data", bytes) != 0)) {
        app_bytes = known_app_bytes(parser, word);
        return app_bytes ? find_app_data(parser, word, app_bytes, word->text + app_bytes + 1, ret_field)
                         : find_stranger(parser, word, bytes, ret_field);
    }
    const struct trace_field_info *info = find_data(kind, name);
    if (!info) {
        struct filter_suggest suggest;
        filter__suggest_begin(&suggest, name);
        suggest_data(&suggest, kind);
        return filter__fail(parser, text_position(word) + bytes + 1, strlen(name), suggestion(&suggest),
                            "%s has no field \"%.60s\"", kind ? kind->name : "data of no kind", name);
    }
    set_data(ret_field, kind, info);
    return 0;
}

static int fail_unknown(struct filter_parser *parser, const struct filter_token *word) {
    struct filter_suggest suggest;
    filter__suggest_begin(&suggest, word->text);
    if (parser->of_traces) {
        suggest_named(&suggest, trace_fields, COUNT_OF(trace_fields));
        return filter__fail_token(parser, word, suggestion(&suggest), "traces have no field \"%.60s\"", word->text);
    }
    suggest_named(&suggest, event_fields, COUNT_OF(event_fields));
    suggest_data(&suggest, NULL);
    suggest_kinds(&suggest);
    for (unsigned bit = 0; bit < 8; bit++)
        if (trace_flag_name(bit)) filter__suggest_add(&suggest, "", trace_flag_name(bit));
    if (find_named(trace_fields, COUNT_OF(trace_fields), word->text))
        return filter__fail_token(parser, word, NULL, "\"%.60s\" is a field of traces; this asks about events", word->text);
    return filter__fail_token(parser, word, suggestion(&suggest), "there is no field or kind \"%.60s\"", word->text);
}

/* In a filter of traces, the word would be valid for an event. */
static int fail_of_events(struct filter_parser *parser, const struct filter_token *word) {
    char meant[TRACE_FILTER_SUGGESTION_BYTES] = "any ";
    strncat(meant, word->text, sizeof meant - sizeof "any ");
    return filter__fail_token(parser, word, word->type == TOKEN_WORD ? meant : NULL,
                              "\"%.60s\" belongs to events; for a trace, use any, all or count", word->text);
}

static bool flag_by_name(const char *name, unsigned *ret_bit) {
    for (unsigned bit = 0; bit < 8; bit++) {
        if (!trace_flag_name(bit) || strcmp(trace_flag_name(bit), name) != 0) continue;
        *ret_bit = bit;
        return true;
    }
    return false;
}

int filter__find_field(struct filter_parser *parser, const struct filter_token *word, struct filter_field *ret_field) {
    const char *name = word->text, *dot = strchr(name, '.');
    const struct filter_field *field = parser->of_traces ? find_named(trace_fields, COUNT_OF(trace_fields), name)
                                                         : find_named(event_fields, COUNT_OF(event_fields), name);
    const struct trace_field_info *info = find_data(NULL, name);
    unsigned bit;
    int error = 0;
    if (field)
        *ret_field = *field;
    else if (parser->of_traces && (dot || info || find_named(event_fields, COUNT_OF(event_fields), name)))
        return fail_of_events(parser, word);
    else if (info)
        set_data(ret_field, NULL, info);
    else if (dot)
        error = find_dotted(parser, word, dot, ret_field);
    else if (trace_kind_by_name(name) || flag_by_name(name, &bit))
        return filter__fail_token(parser, word, NULL, "\"%.60s\" is a test by itself and cannot be compared", name);
    else
        return fail_unknown(parser, word);
    ret_field->word = ret_field->class == FIELD_APP_DATA ? ret_field->name : name;
    return error;
}

static int add_number(struct filter_parser *parser, struct filter_test *test, uint64_t low, uint64_t span) {
    struct trace_filter *filter = parser->filter;
    struct filter_value *values =
        filter__grow(parser, filter->values, filter->value_count, &filter->value_capacity, sizeof *values);
    if (!values) return -ENOMEM;
    filter->values = values;
    test->value_first = filter->value_count;
    test->value_count = 1;
    values[filter->value_count++] = (struct filter_value){.low = low, .span = span, .has_number = true};
    return 0;
}

int filter__bare_test(struct filter_parser *parser, const struct filter_token *word, struct filter_test *ret_test) {
    const char *name = word->text;
    unsigned bit;
    bool is_kind = trace_kind_by_name(name) || !strcmp(name, TRACE_KIND_UNKNOWN_NAME), is_flag = flag_by_name(name, &bit);
    *ret_test = (struct filter_test){.field.word = name};
    if (parser->of_traces && (is_kind || is_flag)) return fail_of_events(parser, word);
    if (is_kind) {
        ret_test->field = (struct filter_field){.class = FIELD_KIND, .type = FILTER_NAMED, .word = name};
        return add_number(parser, ret_test, trace_kind_by_name(name), 0);
    }
    if (is_flag) {
        ret_test->field = (struct filter_field){.class = FIELD_FLAGS, .type = FILTER_NAMED, .word = name};
        return add_number(parser, ret_test, UINT64_C(1) << bit, 0);
    }
    int error = filter__find_field(parser, word, &ret_test->field);
    if (error) return error;
    if (ret_test->field.type != FILTER_BOOL)
        return filter__fail_token(parser, word, NULL, "\"%.60s\" must be compared with something, like %.60s == ...", name, name);
    return add_number(parser, ret_test, 1, UINT64_MAX - 1);
}
