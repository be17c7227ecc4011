/* SPDX-License-Identifier: MIT
 *
 * Reading one field (proto/field.h).
 *
 * A value is a type byte followed by a number, text, or bytes that are shown as hex digits.  Names of a table are stored as
 * text, so a value means the same to every reader. */
#include "filter_internal.h"

#include <errno.h>
#include <proto/event_json.h>
#include <proto/field.h>
#include <proto/filter_sql.h>
#include <proto/hex.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <string.h>

#define US_NS 1000U

struct trace_field {
    struct filter_field field;
    uint64_t every_ns; /* TIME: truncated to a multiple of this; 0: not truncated */
    /* DATA: the field in each kind that this version knows; NULL: the kind does not have it. */
    const struct trace_field_info *of_kind[FILTER_KINDS];
    struct trace_filter *words; /* owns the names that `field` points to */
};

/* ---- finding ------------------------------------------------------------------------------------------------------------ */

static void find_in_kinds(struct trace_field *field) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++) {
        if (field->field.kind && field->field.kind != kinds[k].id) continue;
        for (unsigned i = 0; i < kinds[k].field_count; i++)
            if (!strcmp(kinds[k].fields[i].name, field->field.info->name))
                field->of_kind[filter__kind_index(kinds[k].id)] = &kinds[k].fields[i];
    }
}

/* Reads the "/1s" of a field of time. */
static int read_every(struct filter_parser *parser, const struct filter_token *word, size_t name_bytes,
                      struct trace_field *field) {
    struct filter_token token = {.type = TOKEN_WORD,
                                 .position = word->position + name_bytes + 1,
                                 .length = word->length - name_bytes - 1,
                                 .text = word->text + name_bytes + 1,
                                 .bytes = word->bytes - name_bytes - 1};
    if (field->field.type != FILTER_TIME)
        return filter__fail(parser, word->position, word->length, NULL, "only time can be divided by a duration, like time/1s");
    int error = filter__read_number(parser, &token, UNIT_TIME, "time", &field->every_ns);
    if (!error && field->every_ns < US_NS) /* a value is whole microseconds */
        error = filter__fail_token(parser, &token, NULL, "a time is cut to whole microseconds or more");
    return error;
}

static int find_field(struct filter_parser *parser, struct trace_field *field) {
    int error = filter__next(parser);
    if (error) return error;
    struct filter_token word = parser->token;
    if (word.type != TOKEN_WORD && word.type != TOKEN_STRING)
        return filter__fail_token(parser, &word, NULL, "a field is expected");
    error = filter__next(parser);
    if (error) return error;
    if (parser->token.type != TOKEN_END) return filter__fail_token(parser, &parser->token, NULL, "a single field is expected");
    const char *slash = strchr(word.text, '/');
    struct filter_token name = word;
    if (slash && word.type == TOKEN_WORD) {
        name.bytes = name.length = (size_t)(slash - word.text);
        parser->filter->strings[slash - parser->filter->strings] = 0;
    }
    error = filter__find_field(parser, &name, &field->field);
    if (!error && name.bytes < word.bytes) error = read_every(parser, &word, name.bytes, field);
    if (!error && field->field.class == FIELD_DATA) find_in_kinds(field);
    return error;
}

int trace_field_find(struct trace_field **ret_field, const char *text, size_t bytes, const struct trace_filter_options *how,
                     struct trace_filter_error *ret_error) {
    struct trace_filter_options options = how ? *how : (struct trace_filter_options){0};
    struct trace_filter_error error = {0};
    struct trace_field *field = calloc(1, sizeof *field);
    bool too_long = bytes > TRACE_FILTER_TEXT_MAX;
    if (field) field->words = calloc(1, sizeof *field->words + 2 * (too_long ? 0 : bytes) + 2);
    if (!field || !field->words) {
        trace_field_destroy(field);
        return -ENOMEM;
    }
    struct filter_parser parser = {.filter = field->words,
                                   .options = &options,
                                   .text = text,
                                   .bytes = bytes,
                                   .string_end = field->words->strings,
                                   .error = &error};
    int status = too_long ? filter__fail(&parser, TRACE_FILTER_TEXT_MAX, bytes - TRACE_FILTER_TEXT_MAX, NULL,
                                         "longer than %d bytes", TRACE_FILTER_TEXT_MAX)
                          : find_field(&parser, field);
    if (!status) {
        *ret_field = field;
        return 0;
    }
    if (status == -EINVAL) *ret_error = error;
    trace_field_destroy(field);
    return status;
}

void trace_field_destroy(struct trace_field *field) {
    if (!field) return;
    trace_filter_destroy(field->words);
    free(field);
}

unsigned trace_field_uses(const struct trace_field *field) {
    switch (field->field.class) {
    case FIELD_NODE:
    case FIELD_HOST: return TRACE_FILTER_USES_NODE;
    case FIELD_PEER: return TRACE_FILTER_USES_PEER;
    case FIELD_LANE: return TRACE_FILTER_USES_LANE;
    case FIELD_APP:
    case FIELD_COMMAND:
    case FIELD_APP_DATA: return TRACE_FILTER_USES_APP;
    default: return 0;
    }
}

const char *trace_field_unit(const struct trace_field *field) {
    return field->field.class == FIELD_DATA ? field->field.info->unit : "";
}

bool trace_field_is_number(const struct trace_field *field) {
    return field->field.type == FILTER_NUMBER || field->field.type == FILTER_APP_DATA;
}

bool trace_field_is_time(const struct trace_field *field) { return field->field.type == FILTER_TIME; }

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

enum { VALUE_NULL = 'z', VALUE_NUMBER = 'n', VALUE_BOOL = 'b', VALUE_TEXT = 't', VALUE_HEX = 'x' };

static size_t put_value(uint8_t *out, uint8_t type, const void *bytes, size_t count) {
    out[0] = type;
    if (count) memcpy(out + 1, bytes, count);
    return count + 1;
}

static size_t put_null(uint8_t *out) { return put_value(out, VALUE_NULL, NULL, 0); }

static size_t put_number(uint8_t *out, uint64_t number) { return put_value(out, VALUE_NUMBER, &number, sizeof number); }

static size_t put_text(uint8_t *out, const char *text, size_t bytes_max) {
    return put_value(out, VALUE_TEXT, text, strnlen(text, bytes_max));
}

static size_t put_name(uint8_t *out, const char *name, unsigned number) {
    return name ? put_text(out, name, TRACE_VALUE_BYTES_MAX - 1) : put_number(out, number);
}

static size_t put_id64(uint8_t *out, uint64_t id) {
    uint64_t big_endian = __builtin_bswap64(id);
    return put_value(out, VALUE_HEX, &big_endian, sizeof big_endian);
}

static size_t put_endpoint(uint8_t *out, const uint8_t *at) {
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    memcpy(&endpoint, at, sizeof endpoint);
    size_t bytes = (size_t)(trace_endpoint_text(text, &endpoint) - text);
    return bytes ? put_value(out, VALUE_TEXT, text, bytes) : put_null(out);
}

static size_t read_data(uint8_t *out, const struct trace_event *event, const struct trace_field_info *info) {
    const uint8_t *at = event->data.bytes + info->offset;
    uint8_t yes = *at != 0;
    switch (info->type) {
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: return put_number(out, trace_field_unsigned(event, info));
    case TRACE_TYPE_bool: return put_value(out, VALUE_BOOL, &yes, 1);
    case TRACE_TYPE_id64: return put_id64(out, trace_field_unsigned(event, info));
    case TRACE_TYPE_space: return put_name(out, trace_space_name(*at), *at);
    case TRACE_TYPE_loss: return put_name(out, trace_loss_name(*at), *at);
    case TRACE_TYPE_transport: return put_name(out, trace_transport_name(*at), *at);
    case TRACE_TYPE_endpoint: return put_endpoint(out, at);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return put_text(out, (const char *)at, info->length);
    case TRACE_TYPE_payload: return put_value(out, VALUE_HEX, at + 1, *at < info->length ? *at : info->length);
    }
    return put_null(out);
}

static size_t read_flags(uint8_t *out, const struct trace_event *event) {
    char text[TRACE_VALUE_BYTES_MAX - 1];
    size_t bytes = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        const char *name = trace_flag_name(bit);
        if (!(event->flags >> bit & 1) || (1U << bit) == TRACE_FLAG_HAS_PEER) continue;
        if (bytes) text[bytes++] = ',';
        if (name) {
            bytes = (size_t)(stpcpy(text + bytes, name) - text);
        } else {
            memcpy(text + bytes, "bit", 3);
            text[bytes + 3] = (char)('0' + bit);
            bytes += 4;
        }
    }
    return put_value(out, VALUE_TEXT, text, bytes);
}

/* ---- what applications registered --------------------------------------------------------------------------------------- */

static size_t read_app(uint8_t *out, const struct trace_event *event, const struct trace_filter_origin *origin) {
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id) return put_null(out);
    const struct trace_app *app = filter__described(origin, (const uint8_t *)app_id);
    return app ? put_text(out, app->name, sizeof app->name) : put_text(out, app_id, sizeof app->app_id);
}

static size_t read_command(uint8_t *out, const struct trace_event *event, const struct trace_filter_origin *origin) {
    uint16_t cmd;
    size_t bytes;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id) return put_null(out);
    const char *name = filter__command_name(filter__described(origin, (const uint8_t *)app_id), cmd, &bytes);
    return name ? put_text(out, name, bytes) : put_number(out, cmd);
}

static bool is_padded(const char *text, const char *padded, size_t padded_bytes) {
    size_t bytes = strlen(text);
    return bytes == strnlen(padded, padded_bytes) && !memcmp(text, padded, bytes);
}

/* The field of the event's application, and its bytes; NULL if the event does not have it. */
static const struct trace_app_field *app_data(const struct filter_field *field, const struct trace_event *event,
                                              const struct trace_filter_origin *origin, const uint8_t **ret_at) {
    const struct trace_app_command *command = &event->data.app_command;
    if (event->kind != TRACE_KIND_APP_COMMAND) return NULL;
    const struct trace_app *app = filter__described(origin, (const uint8_t *)command->app_id);
    if (!app || (field->app && !is_padded(field->app, app->app_id, sizeof app->app_id) &&
                 !is_padded(field->app, app->name, sizeof app->name)))
        return NULL;
    size_t data_bytes = command->data_bytes < sizeof command->data ? command->data_bytes : sizeof command->data;
    const struct trace_app_field *found = filter__app_field(app, field->name, data_bytes);
    if (found) *ret_at = command->data + found->offset;
    return found;
}

static size_t read_app_data(uint8_t *out, const struct filter_field *field, const struct trace_event *event,
                            const struct trace_filter_origin *origin) {
    const uint8_t *at;
    const struct trace_app_field *found = app_data(field, event, origin, &at);
    if (!found) return put_null(out);
    if (filter__is_number(found)) return put_number(out, filter__app_number(at, found->bytes));
    return found->type == TRACE_APP_TEXT ? put_text(out, (const char *)at, found->bytes)
                                         : put_value(out, VALUE_HEX, at, found->bytes);
}

/* ---- the field ---------------------------------------------------------------------------------------------------------- */

static uint64_t cut_time(const struct trace_field *field, uint64_t time_ns) {
    return field->every_ns ? time_ns - time_ns % field->every_ns : time_ns;
}

static bool has_trace(const struct trace_event *event) {
    static const struct trace_id none;
    return memcmp(&event->trace_id, &none, sizeof none) != 0;
}

bool trace_field_number(const struct trace_field *field, const struct trace_event *event,
                        const struct trace_filter_origin *origin, uint64_t *ret_number) {
    const struct trace_field_info *info;
    const struct trace_app_field *found;
    const uint8_t *at;
    switch (field->field.class) {
    case FIELD_DATA:
        info = field->of_kind[filter__kind_index(event->kind)];
        if (!info || field->field.type != FILTER_NUMBER) return false;
        *ret_number = trace_field_unsigned(event, info);
        return true;
    case FIELD_APP_DATA:
        found = app_data(&field->field, event, origin, &at);
        if (!found || !filter__is_number(found)) return false;
        *ret_number = filter__app_number(at, found->bytes);
        return true;
    case FIELD_SEQUENCE: *ret_number = event->sequence; return true;
    case FIELD_LANE: *ret_number = origin->lane; return true;
    case FIELD_KIND_ID: *ret_number = event->kind; return true;
    default: return false;
    }
}

size_t trace_field_read(const struct trace_field *field, const struct trace_event *event,
                        const struct trace_filter_origin *origin, uint8_t *out) {
    const struct trace_field_info *info;
    const struct trace_kind_info *kind;
    switch (field->field.class) {
    case FIELD_DATA:
        info = field->of_kind[filter__kind_index(event->kind)];
        return info ? read_data(out, event, info) : put_null(out);
    case FIELD_TIME: return put_number(out, cut_time(field, event->timestamp) / US_NS);
    case FIELD_NODE: return put_value(out, VALUE_HEX, origin->node_id->bytes, sizeof origin->node_id->bytes);
    case FIELD_PEER:
        if (!(event->flags & TRACE_FLAG_HAS_PEER)) return put_null(out);
        return put_value(out, VALUE_HEX, (origin->peer_id ? origin->peer_id : &event->peer_id)->bytes,
                         sizeof event->peer_id.bytes);
    case FIELD_TRACE:
        return has_trace(event) ? put_value(out, VALUE_HEX, event->trace_id.bytes, sizeof event->trace_id.bytes) : put_null(out);
    case FIELD_KIND:
        kind = trace_kind_info(event->kind);
        return kind ? put_value(out, VALUE_TEXT, kind->name, kind->json_bytes - 2U) /* less its quotes */
                    : put_text(out, TRACE_KIND_UNKNOWN_NAME, TRACE_TABLE_JSON_BYTES);
    case FIELD_KIND_ID: return put_number(out, event->kind);
    case FIELD_FLAGS: return read_flags(out, event);
    case FIELD_SEQUENCE: return put_number(out, event->sequence);
    case FIELD_LANE: return put_number(out, origin->lane);
    case FIELD_HOST:
        return origin->host && *origin->host ? put_text(out, origin->host, TRACE_VALUE_BYTES_MAX - 1) : put_null(out);
    case FIELD_APP: return read_app(out, event, origin);
    case FIELD_COMMAND: return read_command(out, event, origin);
    case FIELD_APP_DATA: return read_app_data(out, &field->field, event, origin);
    case FIELD_SUMMARY: break; /* of traces: no event has it */
    }
    return put_null(out);
}

bool trace_field_time_range(const struct trace_field *field, const uint8_t *value, uint64_t *ret_from_ns, uint64_t *ret_to_ns) {
    uint64_t us, from_ns;
    if (field->field.type != FILTER_TIME) return false;
    memcpy(&us, value + 1, sizeof us);
    from_ns = us * US_NS;
    if (field->every_ns) from_ns = (from_ns + field->every_ns - 1) / field->every_ns * field->every_ns;
    *ret_from_ns = from_ns;
    *ret_to_ns = from_ns + field->every_ns;
    return true;
}

/* ---- values --------------------------------------------------------------------------------------------------------------- */

int trace_value_compare(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes) {
    if (a[0] == VALUE_NUMBER && b[0] == VALUE_NUMBER) {
        uint64_t x, y;
        memcpy(&x, a + 1, sizeof x);
        memcpy(&y, b + 1, sizeof y);
        return x < y ? -1 : x > y;
    }
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

char *trace_value_json(char *out, const uint8_t *value, size_t bytes) {
    uint64_t number;
    const uint8_t *content = value + 1;
    switch (value[0]) {
    case VALUE_NUMBER: memcpy(&number, content, sizeof number); return trace_json_unsigned(out, number);
    case VALUE_BOOL: return stpcpy(out, *content ? "true" : "false");
    case VALUE_TEXT: return trace_json_string(out, (const char *)content, bytes - 1);
    case VALUE_HEX:
        *out++ = '"';
        out = trace_hex_encode(out, content, bytes - 1);
        *out++ = '"';
        return out;
    default: return stpcpy(out, "null");
    }
}

static bool is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Would it look like an invalid byte as put_label writes them? */
static bool looks_raw(const char *text, size_t bytes) {
    return bytes >= 5 && !memcmp(text, REPLACEMENT, 3) && is_digit(text[3]) && is_digit(text[4]);
}

/* Two texts that differ look different: a byte that is not UTF-8 is U+FFFD and its two digits, and so are those of an U+FFFD
 * that digits follow. */
static char *put_label(char *out, const char *text, size_t bytes) {
    char shown[5 * TRACE_VALUE_BYTES_MAX], *end = shown;
    size_t bad;
    for (size_t i = 0; i < bytes;) {
        size_t length = trace_utf8_length(text + i, bytes - i, &bad), raw = !length                          ? bad
                                                                            : looks_raw(text + i, bytes - i) ? 3
                                                                                                             : 0;
        if (!raw) {
            memcpy(end, text + i, length);
            end += length;
        }
        for (size_t k = 0; k < raw; k++) end = trace_hex_encode(stpcpy(end, REPLACEMENT), (const uint8_t *)text + i + k, 1);
        i += raw ? raw : length;
    }
    return trace_json_string(out, shown, (size_t)(end - shown));
}

char *trace_value_label(char *out, const uint8_t *value, size_t bytes) {
    return value[0] == VALUE_TEXT ? put_label(out, (const char *)value + 1, bytes - 1) : trace_value_json(out, value, bytes);
}

/* ---- as columns (proto/filter_sql.h) ------------------------------------------------------------------------------------ */

bool trace_field_columns(const struct trace_field *field, const char *ret_columns[TRACE_FIELD_COLUMNS_MAX],
                         uint64_t *ret_every_ns) {
    static const char *const columns[][TRACE_FIELD_COLUMNS_MAX] = {
        [FIELD_NODE] = {"node_id", "log_id"},
        [FIELD_HOST] = {"node_id", "log_id"},
        [FIELD_PEER] = {"peer_id", "flags"},
        [FIELD_TRACE] = {"trace_id"},
        [FIELD_FLAGS] = {"flags"},
        [FIELD_LANE] = {"lane"},
        [FIELD_APP] = {"app_id", "cmd", "node_id", "log_id"},
        [FIELD_COMMAND] = {"app_id", "cmd", "node_id", "log_id"},
        [FIELD_APP_DATA] = {"app_id", "cmd", "data", "node_id", "log_id"},
        [FIELD_SUMMARY] = {NULL},
    };
    *ret_every_ns = 0;
    memcpy(ret_columns, columns[field->field.class], sizeof columns[0]);
    switch (field->field.class) {
    case FIELD_SEQUENCE:
    case FIELD_SUMMARY: return false;
    case FIELD_DATA: ret_columns[0] = field->field.info->name; return true;
    case FIELD_TIME: *ret_every_ns = field->every_ns ? field->every_ns : US_NS; return true;
    default: return true;
    }
}
