/* SPDX-License-Identifier: MIT
 *
 * Whether an event matches (filter_internal.h): runs the instructions of the event's kind.  Each one jumps to an instruction
 * with a lower number, so it always ends.
 *
 * Nothing of the event and of the application's description is trusted: counts are clamped to their arrays. */
#include "filter_internal.h"

#include <proto/event_json.h>
#include <proto/hex.h>
#include <string.h>

/* ---- text --------------------------------------------------------------------------------------------------------------- */

/* One `*` at a time is enough: what an earlier one could still take, the later one can take, too.  Gives up after `steps`,
 * because each retry may read the same text again.  Returns 1, 0, or -1 when it gave up. */
static int glob_retrying(const char *pattern, const char *text, size_t bytes, size_t steps) {
    const char *end = text + bytes, *star = NULL, *retry = NULL;
    while (text < end) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
            continue;
        }
        const char *literal = *pattern == '\\' && pattern[1] ? pattern + 1 : pattern;
        if (steps-- == 0) return -1;
        if (*pattern == '?' || (*literal && *literal == *text)) {
            text++;
            if (*pattern == '?') /* one character, not one byte */
                while (text < end && ((unsigned char)*text & 0xc0) == 0x80) text++;
            pattern = literal + 1;
            continue;
        }
        if (!star) return 0;
        pattern = star;
        text = ++retry;
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

#define GLOB_WORDS (GLOB_TEXT_MAX / 64 + 1)

/* A pattern as a nondeterministic automaton: bit i of a set means that the items before item i have matched. */
struct glob_states {
    uint64_t match[256][GLOB_WORDS]; /* by byte: the items that are this byte */
    uint64_t any[GLOB_WORDS];        /* items that are `?` */
    uint64_t star[GLOB_WORDS];       /* there is a `*` before the item */
    unsigned items;
};

/* Returns false when the pattern has more items than the text has bytes: then it cannot match. */
static bool glob_read(struct glob_states *states, const char *pattern, size_t bytes) {
    memset(states, 0, sizeof *states);
    for (; *pattern; pattern++) {
        uint64_t bit = UINT64_C(1) << states->items % 64;
        if (*pattern == '*') {
            states->star[states->items / 64] |= bit;
            continue;
        }
        if (states->items == bytes) return false;
        if (*pattern == '?')
            states->any[states->items / 64] |= bit;
        else if (*pattern == '\\' && pattern[1])
            states->match[(unsigned char)*++pattern][states->items / 64] |= bit;
        else
            states->match[(unsigned char)*pattern][states->items / 64] |= bit;
        states->items++;
    }
    return true;
}

bool filter__glob_once(const char *pattern, const char *text, size_t bytes) {
    struct glob_states states;
    uint64_t now[GLOB_WORDS] = {1};
    if (!glob_read(&states, pattern, bytes)) return false;
    unsigned words = states.items / 64 + 1;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool within = (byte & 0xc0) == 0x80; /* a continuation byte */
        uint64_t carry = 0, any_carry = 0, alive = 0;
        for (unsigned w = 0; w < words; w++) {
            uint64_t after_any = within ? states.any[w] << 1 | any_carry : 0;
            uint64_t advance = now[w] & (states.match[byte][w] | states.any[w]) & ~after_any;
            uint64_t stay = now[w] & (states.star[w] | after_any);
            any_carry = states.any[w] >> 63;
            now[w] = advance << 1 | carry | stay;
            carry = advance >> 63;
            alive |= now[w];
        }
        if (!alive) return false;
    }
    return now[states.items / 64] >> states.items % 64 & 1;
}

/* Most patterns are decided within a few bytes; one that is made to be retried goes the other way, which costs a table. */
bool filter__glob(const char *pattern, const char *text, size_t bytes) {
    int answer = glob_retrying(pattern, text, bytes, bytes <= GLOB_TEXT_MAX ? 2 * bytes + 16 : SIZE_MAX);
    return answer < 0 ? filter__glob_once(pattern, text, bytes) : answer;
}

static bool equals(const struct filter_value *value, const char *text, size_t bytes) {
    return value->bytes == bytes && !memcmp(value->text, text, bytes);
}

static bool fits(const struct filter_value *value, bool glob, const char *text, size_t bytes) {
    return glob ? filter__glob(value->text, text, bytes) : equals(value, text, bytes);
}

static bool hex_fits(const struct filter_value *value, bool glob, const uint8_t *bytes, size_t count) {
    char digits[2 * TRACE_EVENT_DATA_BYTES];
    char *end = trace_hex_encode(digits, bytes, count);
    return fits(value, glob, digits, (size_t)(end - digits));
}

static bool payload_fits(const struct filter_value *value, bool glob, const uint8_t *at, size_t bytes_max) {
    return hex_fits(value, glob, at + 1, *at < bytes_max ? *at : bytes_max);
}

static bool id64_fits(const struct filter_value *value, const uint8_t *at) {
    uint8_t bytes[8];
    uint64_t id;
    memcpy(&id, at, sizeof id);
    for (unsigned i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    return hex_fits(value, true, bytes, sizeof bytes);
}

/* ---- nodes and endpoints ------------------------------------------------------------------------------------------------ */

static bool node_glob(const struct filter_value *value, const struct trace_node_id *node_id, const char *name) {
    return (name && filter__glob(value->text, name, strlen(name))) ||
           hex_fits(value, true, node_id->bytes, sizeof node_id->bytes);
}

/* Is it in this sorted list, whose items have `bytes` each? */
static bool in_list(const void *list, size_t count, size_t bytes, const void *wanted) {
    const uint8_t *items = list;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(wanted, items + middle * bytes, bytes);
        if (!order) return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* Is this peer, for this node, an alias that the value stands for? */
static bool in_aliases(const struct trace_filter *filter, const struct filter_value *value, const struct trace_node_id *peer_id,
                       const struct trace_node_id *by) {
    const struct filter_alias wanted = {*peer_id, *by};
    return in_list(filter->aliases + value->alias_first, value->alias_count, sizeof wanted, &wanted);
}

static const struct trace_node_id anybody;

static bool node_equals(const struct trace_filter *filter, const struct filter_value *value, const struct trace_node_id *node_id,
                        const char *name) {
    if (name && equals(value, name, strlen(name))) return true;
    if (value->alias_count && in_aliases(filter, value, node_id, &anybody)) return true;
    return !value->is_named && value->prefix.digits && trace_id_prefix_matches(&value->prefix, node_id->bytes);
}

bool filter__node_fits(const struct trace_filter *filter, const struct filter_test *test, const struct filter_value *value,
                       const struct trace_node_id *node_id, const char *name) {
    return test->glob ? node_glob(value, node_id, name) : node_equals(filter, value, node_id, name);
}

static bool has_host(const struct trace_filter_origin *origin) { return origin->host && *origin->host; }

static bool in_ids(const struct trace_filter *filter, const struct filter_value *value, const uint8_t *id) {
    return in_list(filter->ids + value->id_first, value->id_count, sizeof *filter->ids, id);
}

static bool peer_id_fits(const struct trace_filter *filter, const struct filter_value *value, bool glob, const uint8_t *id) {
    if (value->id_count && in_ids(filter, value, id)) return true;
    if (glob) return hex_fits(value, true, id, TRACE_NODE_ID_BYTES);
    return !value->is_named && value->prefix.digits && trace_id_prefix_matches(&value->prefix, id);
}

/* By the id that the event has, by the one that this stands for, or by another one of the same peer. */
static bool peer_fits(const struct trace_filter *filter, const struct filter_value *value, bool glob,
                      const struct trace_event *event, const struct trace_filter_origin *origin) {
    const struct trace_node_id *peer_id = origin->peer_id ? origin->peer_id : &event->peer_id;
    if (peer_id_fits(filter, value, glob, event->peer_id.bytes)) return true;
    if (peer_id != &event->peer_id && peer_id_fits(filter, value, glob, peer_id->bytes)) return true;
    return value->alias_count &&
           (in_aliases(filter, value, peer_id, &anybody) || in_aliases(filter, value, peer_id, origin->node_id));
}

static bool endpoint_equals(const struct filter_value *value, const uint8_t *at) {
    struct trace_endpoint endpoint;
    memcpy(&endpoint, at, sizeof endpoint);
    return endpoint.family == value->endpoint.family && (value->any_port || endpoint.port == value->endpoint.port) &&
           !memcmp(endpoint.address, value->endpoint.address, endpoint.family == 4 ? 4 : 16);
}

static bool endpoint_glob(const struct filter_value *value, const uint8_t *at) {
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    memcpy(&endpoint, at, sizeof endpoint);
    return filter__glob(value->text, text, (size_t)(trace_endpoint_text(text, &endpoint) - text));
}

static bool no_endpoint(const uint8_t *at) {
    struct trace_endpoint endpoint;
    memcpy(&endpoint, at, sizeof endpoint);
    return endpoint.family != 4 && endpoint.family != 6;
}

/* ---- applications ------------------------------------------------------------------------------------------------------- */

const struct trace_app *filter__described(const struct trace_filter_origin *origin, const uint8_t *app_id) {
    const struct trace_app *app = origin->app;
    return app && !memcmp(app->app_id, app_id, sizeof app->app_id) ? app : NULL;
}

static bool app_fits(const struct filter_value *value, bool glob, const uint8_t *app_id, const struct trace_app *app) {
    if (fits(value, glob, (const char *)app_id, strnlen((const char *)app_id, 4))) return true;
    return app && fits(value, glob, app->name, strnlen(app->name, sizeof app->name));
}

const char *filter__command_name(const struct trace_app *app, uint16_t cmd, size_t *ret_bytes) {
    unsigned count = !app ? 0 : app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (app->commands[i].cmd != cmd) continue;
        *ret_bytes = strnlen(app->commands[i].name, sizeof app->commands[i].name);
        return app->commands[i].name;
    }
    return NULL;
}

static bool command_fits(const struct filter_value *value, bool glob, const uint8_t *at, const struct trace_app *app) {
    uint16_t cmd;
    size_t bytes;
    memcpy(&cmd, at, sizeof cmd);
    if (value->has_number && value->low == cmd) return true;
    const char *name = filter__command_name(app, cmd, &bytes);
    return value->is_null ? !name : name && fits(value, glob, name, bytes);
}

const struct trace_app_field *filter__app_field(const struct trace_app *app, const char *name, size_t data_bytes) {
    unsigned count = app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    size_t bytes = strlen(name);
    for (unsigned i = 0; i < count; i++) {
        const struct trace_app_field *field = &app->fields[i];
        if ((size_t)field->offset + field->bytes > data_bytes) continue;
        if (strnlen(field->name, sizeof field->name) == bytes && !memcmp(field->name, name, bytes)) return field;
    }
    return NULL;
}

bool filter__is_number(const struct trace_app_field *field) {
    return field->type == TRACE_APP_UNSIGNED &&
           (field->bytes == 1 || field->bytes == 2 || field->bytes == 4 || field->bytes == 8);
}

uint64_t filter__app_number(const uint8_t *at, unsigned bytes) {
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (bytes) {
    case 1: return *at;
    case 2: memcpy(&u16, at, sizeof u16); return u16;
    case 4: memcpy(&u32, at, sizeof u32); return u32;
    default: memcpy(&u64, at, sizeof u64); return u64;
    }
}

/* Does this field of an application match the value?  *ret_comparable: can it be compared with the value at all? */
static bool app_value_fits(const struct filter_test *test, const struct filter_value *value, const struct trace_app_field *field,
                           const uint8_t *at, bool *ret_comparable) {
    *ret_comparable = true;
    if (filter__is_number(field)) {
        *ret_comparable = value->has_number && !test->glob;
        return *ret_comparable && filter__in_range(value, filter__app_number(at, field->bytes));
    }
    *ret_comparable = !test->ordered;
    if (test->ordered) return false;
    if (field->type == TRACE_APP_TEXT) return fits(value, test->glob, (const char *)at, strnlen((const char *)at, field->bytes));
    if (test->glob) return hex_fits(value, true, at, field->bytes);
    *ret_comparable = value->hex_digits && value->hex_digits <= 2U * field->bytes;
    if (!*ret_comparable) return false;
    if (field->type != TRACE_APP_HASH && value->hex_digits != 2U * field->bytes) return false;
    char digits[2 * TRACE_APP_DATA_BYTES]; /* the field lies within them */
    trace_hex_encode(digits, at, field->bytes);
    return !strncasecmp(digits, value->text, value->hex_digits);
}

static bool app_data_matches(const struct trace_filter *filter, const struct filter_test *test, const struct trace_event *event,
                             const struct trace_filter_origin *origin) {
    const struct trace_app_command *command = &event->data.app_command;
    const struct trace_app *app = filter__described(origin, (const uint8_t *)command->app_id);
    size_t data_bytes = command->data_bytes < sizeof command->data ? command->data_bytes : sizeof command->data;
    bool comparable = false, one;
    if (!app) return false;
    const struct filter_value of = {.text = test->field.app, .bytes = test->field.app ? (uint32_t)strlen(test->field.app) : 0};
    if (of.text && !app_fits(&of, false, (const uint8_t *)command->app_id, app)) return false;
    const struct trace_app_field *field = filter__app_field(app, test->field.name, data_bytes);
    if (!field) return false;
    for (uint32_t i = test->value_first; i < test->value_first + test->value_count; i++) {
        if (app_value_fits(test, &filter->values[i], field, command->data + field->offset, &one)) return !test->negated;
        comparable = comparable || one;
    }
    return test->negated && comparable;
}

/* ---- the walk ----------------------------------------------------------------------------------------------------------- */

static bool has_trace(const struct trace_event *event) {
    uint64_t halves[2];
    memcpy(halves, event->trace_id.bytes, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

/* Instructions that test more than a number. */
static bool test_event(const struct trace_filter *filter, const struct filter_instruction *instruction,
                       const struct trace_event *event, const struct trace_filter_origin *origin) {
    const struct filter_value *value = &filter->values[instruction->value];
    const uint8_t *at = (const uint8_t *)event + instruction->offset;
    size_t low = (size_t)instruction->low;
    switch ((enum filter_op)instruction->op) {
    case OP_TRACE: return has_trace(event);
    case OP_PREFIX: return trace_id_prefix_matches(&value->prefix, at);
    case OP_PEER:
    case OP_PEER_GLOB: return peer_fits(filter, value, instruction->op == OP_PEER_GLOB, event, origin);
    case OP_NODE: return node_equals(filter, value, origin->node_id, origin->node_name);
    case OP_NODE_GLOB: return node_glob(value, origin->node_id, origin->node_name);
    case OP_HAS_HOST: return has_host(origin);
    case OP_HOST: return has_host(origin) && equals(value, origin->host, strlen(origin->host));
    case OP_HOST_GLOB: return has_host(origin) && filter__glob(value->text, origin->host, strlen(origin->host));
    case OP_TEXT: return equals(value, (const char *)at, strnlen((const char *)at, low));
    case OP_TEXT_GLOB: return filter__glob(value->text, (const char *)at, strnlen((const char *)at, low));
    case OP_HEX_GLOB: return hex_fits(value, true, at, low);
    case OP_PAYLOAD: return payload_fits(value, false, at, low);
    case OP_PAYLOAD_GLOB: return payload_fits(value, true, at, low);
    case OP_ID64_GLOB: return id64_fits(value, at);
    case OP_ENDPOINT: return endpoint_equals(value, at);
    case OP_ENDPOINT_GLOB: return endpoint_glob(value, at);
    case OP_NO_ENDPOINT: return no_endpoint(at);
    case OP_APP: return app_fits(value, false, at, filter__described(origin, at));
    case OP_APP_GLOB: return app_fits(value, true, at, filter__described(origin, at));
    case OP_COMMAND:
    case OP_COMMAND_NULL: return command_fits(value, false, at, filter__described(origin, (const uint8_t *)event + low));
    case OP_COMMAND_GLOB: return command_fits(value, true, at, filter__described(origin, (const uint8_t *)event + low));
    case OP_APP_DATA: return app_data_matches(filter, &filter->tests[low], event, origin);
    case OP_U8:
    case OP_U16:
    case OP_U32:
    case OP_U64:
    case OP_MASK:
    case OP_LANE: break;
    }
    return false;
}

static inline bool run(const struct trace_filter *filter, uint16_t entry, const struct trace_event *event,
                       const struct trace_filter_origin *origin, uint64_t *work) {
    uint64_t cost = 0;
    while (entry < FILTER_ACCEPT) {
        const struct filter_instruction *instruction = &filter->code[entry];
        cost += instruction->cost;
        const uint8_t *at = (const uint8_t *)event + instruction->offset;
        uint16_t u16;
        uint32_t u32;
        uint64_t number = 0;
        bool yes;
        switch (instruction->op) {
        case OP_U8: number = *at; break;
        case OP_U16: memcpy(&u16, at, sizeof u16), number = u16; break;
        case OP_U32: memcpy(&u32, at, sizeof u32), number = u32; break;
        case OP_U64: memcpy(&number, at, sizeof number); break;
        case OP_LANE: number = origin->lane; break;
        default: break;
        }
        if (instruction->op == OP_MASK)
            yes = (*at & instruction->low) != 0;
        else if (instruction->op <= OP_LANE)
            yes = number - instruction->low <= instruction->span;
        else
            yes = test_event(filter, instruction, event, origin);
        entry = yes ? instruction->on_true : instruction->on_false;
    }
    *work += cost;
    return entry == FILTER_ACCEPT;
}

bool filter__run(const struct trace_filter *filter, uint16_t entry, const struct trace_event *event,
                 const struct trace_filter_origin *origin, uint64_t *work) {
    return run(filter, entry, event, origin, work);
}

bool trace_filter_allows_kind(const struct trace_filter *filter, uint16_t kind) {
    return filter->mode == TRACE_FILTER_TRACES || filter->subs[0].entry[filter__kind_index(kind)] != FILTER_REJECT;
}

bool trace_filter_match_counted(const struct trace_filter *filter, const struct trace_event *event,
                                const struct trace_filter_origin *origin, uint64_t *work) {
    return run(filter, filter->subs[0].entry[filter__kind_index(event->kind)], event, origin, work);
}

bool trace_filter_match(const struct trace_filter *filter, const struct trace_event *event,
                        const struct trace_filter_origin *origin) {
    uint64_t work = 0;
    return trace_filter_match_counted(filter, event, origin, &work);
}
