/* SPDX-License-Identifier: MIT
 *
 * Random filters over random events, against a slow, simple evaluator, which looks the field up in the event's JSON and
 * compares as docs/filter.md says.  It shares only the list of kinds and fields with the engine.
 *
 * A failure prints the filter and the event; FILTER_SEED=N in the environment selects other filters; the default is 0. */
#include "filter_events.h"
#include "run.h"
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <proto/filter.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTERS 4000
#define EVENTS 48
#define TEXT_BYTES 2000
#define VALUES_MAX 3

/* ---- randomness --------------------------------------------------------------------------------------------------------- */

static uint64_t state;

static uint64_t next_random(void) { /* splitmix64 */
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned count) { return (unsigned)(next_random() % count); }
static bool chance(unsigned percent) { return below(100) < percent; }

/* Few different values, and the limits, so that comparisons have both results. */
static uint64_t random_number(void) {
    static const uint64_t some[] = {0,      1,       2,     5,       10,        1000,       1024,       1200,      65536,
                                    100000, 1000000, 50000, 5000000, 100000000, 1000000000, 1073741824, UINT64_MAX};
    return chance(80) ? some[below(COUNT_OF(some))] : next_random() >> below(64);
}

static const char *random_text(void) {
    static const char *const some[] = {"",    "idle", "idle timeout", "a",    "ab",   "abc",       "b",
                                       "a*b", "DMAP", "NOPE",         "x\\y", "it's", "say \"no\""};
    return some[below(COUNT_OF(some))];
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static const struct trace_app app_other = {
    .app_id = {'N', 'O', 'P', 'E'}, .name = "Nope", .field_count = 1, .fields = {{"size", TRACE_APP_UNSIGNED, 0, 2, 0}}};

struct sample {
    struct trace_event event;
    struct trace_filter_origin origin;
    json_t *json;
};

static void fill_field(struct trace_event *event, const struct trace_field_info *field) {
    uint8_t *at = event->data.bytes + field->offset;
    uint64_t number = random_number();
    struct trace_endpoint endpoint = {{192, 0, 2, (uint8_t)below(3)}, (uint16_t)(440 + below(3)), 4, 0};
    switch (field->type) {
    case TRACE_TYPE_bool: *at = (uint8_t)below(3); return;
    case TRACE_TYPE_space:
    case TRACE_TYPE_transport:
    case TRACE_TYPE_loss: *at = (uint8_t)below(9); return;
    case TRACE_TYPE_u8: *at = (uint8_t)number; return;
    case TRACE_TYPE_u16: number = below(4), memcpy(at, &number, 2); return;
    case TRACE_TYPE_u32: memcpy(at, &number, 4); return;
    case TRACE_TYPE_id64: number = chance(30) ? 0 : UINT64_C(0xabc0000000000000) << below(2) * 4 | below(3);
    /* fall through */
    case TRACE_TYPE_u64: memcpy(at, &number, 8); return;
    case TRACE_TYPE_endpoint:
        if (chance(40)) endpoint = (struct trace_endpoint){{0x20, 1, [15] = (uint8_t)below(3)}, (uint16_t)(440 + below(3)), 6, 0};
        if (chance(15)) endpoint.family = 0;
        memcpy(at, &endpoint, sizeof endpoint);
        return;
    case TRACE_TYPE_code4: memcpy(at, chance(70) ? "DMAP" : "NOPE", 4); return;
    case TRACE_TYPE_text: strncpy((char *)at, random_text(), field->length); return;
    case TRACE_TYPE_payload:
        *at = chance(80) ? (uint8_t)(field->length < 24 ? field->length : 24) : (uint8_t)below(field->length + 1);
        for (unsigned i = 0; i < field->length; i++) at[1 + i] = chance(70) ? 0 : (uint8_t)(0xa0 + below(3));
        if (chance(50)) strncpy((char *)at + 1 + 12, random_text(), 4);
        return;
    }
}

static const struct trace_app *app_of(const struct trace_event *event) {
    const char *id = event->kind == TRACE_KIND_APP_COMMAND ? event->data.app_command.app_id
                     : event->kind == TRACE_KIND_APP_START ? event->data.app_start.app_id
                     : event->kind == TRACE_KIND_APP_END   ? event->data.app_end.app_id
                                                           : NULL;
    if (!id || chance(20)) return NULL;
    return memcmp(id, "DMAP", 4) == 0 ? &app_dmap : &app_other;
}

static const char *const sample_hosts[] = {"hill", "valley", "", NULL}, *const hosts[] = {"hill", "valley", "hilltop", "0"};

static void make_sample(struct sample *sample) {
    static char json[TRACE_EVENT_JSON_MAX];
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count), *kind = &kinds[below(count)];
    bool alice = chance(60);
    *sample = (struct sample){.event = {.timestamp = EVENTS_NOW - random_number() % 4000000000,
                                        .sequence = (uint32_t)random_number(),
                                        .kind = chance(95) ? kind->id : 77,
                                        .flags = (uint8_t)below(32)},
                              .origin = {.node_id = alice ? &id_alice : &id_bob,
                                         .node_name = alice ? "alice" : "bob",
                                         .lane = below(3),
                                         .host = sample_hosts[below(COUNT_OF(sample_hosts))]}};
    if (chance(70)) memcpy(sample->event.trace_id.bytes, (uint8_t[]){0x4f, 0x2a, (uint8_t)below(3)}, 3);
    if (sample->event.flags & TRACE_FLAG_HAS_PEER) sample->event.peer_id = chance(50) ? id_bob : chance(50) ? id_carol : id_alice;
    for (unsigned i = 0; i < kind->field_count; i++) fill_field(&sample->event, &kind->fields[i]);
    sample->origin.app = app_of(&sample->event);
    struct trace_event_origin origin = {sample->origin.node_id, sample->origin.lane, sample->origin.app};
    char *end = trace_event_json(json, &sample->event, &origin);
    sample->json = json_loadb(json, (size_t)(end - json), 0, NULL);
    ck_assert_msg(sample->json != NULL, "%.*s", (int)(end - json), json);
    if (sample->origin.host && *sample->origin.host) /* what `nodes` says about the event's node */
        json_object_set_new(sample->json, "host", json_string(sample->origin.host));
}

/* ---- what can be asked -------------------------------------------------------------------------------------------------- */

enum class {
    NUMBER,
    TIME,
    BOOL,
    TRACE_ID,
    ID64,
    NODE,
    HOST,
    PEER,
    KIND,
    FLAGS,
    NAMED,
    TEXT,
    HEX,
    ENDPOINT,
    APP,
    COMMAND,
    APP_DATA
};
enum op { EQ, NE, LT, LE, GT, GE, IN, GLOB };
static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">=", "in", "~"};

struct value {
    bool null;
    uint64_t low, high;
    char text[200];
};

struct test {
    char field[64];
    enum class class;
    const char *unit;
    enum op op;
    unsigned count;
    struct value values[VALUES_MAX];
};

struct tree {
    enum { TEST, BARE, AND, OR, NOT } type;
    struct test test; /* BARE: field alone */
    struct tree *left, *right;
};

static enum class class_of(enum trace_type type) {
    switch (type){
        case TRACE_TYPE_bool : return BOOL; case TRACE_TYPE_id64 : return ID64;
        case TRACE_TYPE_space : case TRACE_TYPE_loss : case TRACE_TYPE_transport : return NAMED;
        case TRACE_TYPE_endpoint : return ENDPOINT;
        case TRACE_TYPE_code4 : case TRACE_TYPE_text : return TEXT;
        case TRACE_TYPE_payload : return HEX;
        default : return NUMBER;
    }
}

static void choose_field(struct test *test) {
    static const struct {
        const char *name;
        enum class class;
    } common[] = {{"time", TIME},       {"timestamp", TIME}, {"node", NODE},      {"node_id", NODE},      {"peer", PEER},
                  {"peer_id", PEER},    {"kind", KIND},      {"trace", TRACE_ID}, {"trace_id", TRACE_ID}, {"flags", FLAGS},
                  {"sequence", NUMBER}, {"lane", NUMBER},    {"app", APP},        {"command", COMMAND},   {"host", HOST}};
    static const char *const app_fields[] = {"DMAP.hash",    "DMAP.size", "DMAP.path",  "DMAP.key",
                                             "DataMap.size", "NOPE.size", "fields.size"};
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count), *kind = &kinds[below(count)];
    const struct trace_field_info *field = &kind->fields[below(kind->field_count)];
    test->unit = "";
    if (chance(30)) {
        unsigned i = below(COUNT_OF(common));
        snprintf(test->field, sizeof test->field, "%s", common[i].name);
        test->class = common[i].class;
    } else if (chance(20)) {
        snprintf(test->field, sizeof test->field, "%s", app_fields[below(COUNT_OF(app_fields))]);
        test->class = APP_DATA;
    } else {
        const char *before = chance(50) ? "" : chance(50) ? "data." : kind->name;
        snprintf(test->field, sizeof test->field, "%s%s%s", before, before == kind->name ? "." : "", field->name);
        test->class = class_of(field->type);
        test->unit = field->unit;
    }
}

static const char *const ids[] = {"a11ce", "b0b0", "ca0", "4f2a", "4f2a01", "4f2b", "abc", "ab", "0", "abc0000000000002"};
static const char *const names[] = {"alice", "bob", "carol", "b0", "a1", "nobody"};
static const char *const globs[] = {"*",       "a*",    "*b", "a?c", "*0*", "?",    "idle*", "*\\**",
                                    "4f2a0[*", "b0b0*", "",   "*t",  "DM*", "[20*", "*:44?"};
static const char *const named[] = {"initial", "handshake", "1rtt", "5", "overwritten", "discarded", "abandoned"};
static const char *const endpoints[] = {"192.0.2.1", "192.0.2.2:441", "[2001::1]:440", "[2001::2]", "2001::1"};
static const char *const app_texts[] = {"DMAP", "DataMap", "NOPE", "Nope"};
static const char *const commands[] = {"STORE_CHUNK", "GET_CHUNK", "1", "2", "3"};
static const char *const spaces[] = {"initial", "handshake", "1rtt", "udp", "utp"};
static const char *const transports[] = {"other", "udp", "utp", "memory"};
#define ANY(list) ((list)[below(COUNT_OF(list))])

/* A number with a unit of the field, in one of its notations; time: for `time`. */
static void choose_number(const struct test *test, struct value *value) {
    uint64_t number = random_number();
    bool time = !strcmp(test->unit, "ns"), size = !strcmp(test->unit, "bytes"), any = test->class == APP_DATA;
    value->low = value->high = number;
    snprintf(value->text, sizeof value->text, "%" PRIu64 "%s", number, time && number ? "ns" : "");
    if (chance(20) && !time && !size) snprintf(value->text, sizeof value->text, "0x%" PRIx64, number);
    if ((time || any) && chance(40))
        snprintf(value->text, sizeof value->text, "%" PRIu64 ".%06" PRIu64 "ms", number / 1000000, number % 1000000);
    if ((time || any) && chance(20)) snprintf(value->text, sizeof value->text, "%" PRIu64 "ns", number);
    if ((size || any) && chance(30) && number % 1024 == 0)
        snprintf(value->text, sizeof value->text, "%" PRIu64 "KiB", number / 1024);
    if ((size || any) && chance(30))
        snprintf(value->text, sizeof value->text, "%" PRIu64 ".%03" PRIu64 "kB", number / 1000, number % 1000);
}

static void choose_time(struct value *value) {
    uint64_t back = random_number() % 4000000000, us = (EVENTS_NOW - back) / 1000;
    if (chance(50)) {
        value->low = us * 1000;
        value->high = value->low + 999;
        snprintf(value->text, sizeof value->text, "%" PRIu64, us);
    } else if (chance(50)) {
        value->low = value->high = EVENTS_NOW - back;
        snprintf(value->text, sizeof value->text, "-%" PRIu64 "ns", back);
    } else {
        value->low = value->high = UINT64_C(1767225600) * 1000000000 - 1000000000;
        snprintf(value->text, sizeof value->text, "2025-12-31T23:59:59Z");
    }
}

static const char *kind_name(void) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    unsigned i = below(count + 1);
    return i < count ? kinds[i].name : "unknown";
}

static const char *choose_text(const struct test *test) {
    static char hex[2 * 24 + 1];
    unsigned length;
    switch (test->class) {
    case TRACE_ID:
    case ID64: return ids[3 + below(COUNT_OF(ids) - 3)];
    case NODE:
    case PEER: return chance(50) ? ANY(ids) : ANY(names);
    case HOST: return ANY(hosts);
    case KIND: return kind_name();
    case FLAGS: return trace_flag_name(below(4));
    case NAMED:
        return strstr(test->field, "space")       ? ANY(spaces)
               : strstr(test->field, "transport") ? ANY(transports)
               : strcmp(ANY(named), "5")          ? "overwritten"
                                                  : "5";
    case ENDPOINT: return ANY(endpoints);
    case APP: return ANY(app_texts);
    case COMMAND: return ANY(commands);
    case HEX:
        length = strstr(test->field, "linked_trace_id") ? 16 : 24;
        memset(hex, '0', 2 * length);
        hex[2 * length] = 0;
        hex[2 * below(length)] = 'a';
        return hex;
    case TEXT: return strstr(test->field, "app_id") ? (chance(50) ? "DMAP" : "NOPE") : random_text();
    case APP_DATA: return chance(50) ? "a0" : random_text();
    case BOOL: return chance(50) ? "true" : "false";
    case NUMBER:
    case TIME: break;
    }
    return "";
}

static bool is_ordered(enum class class) { return class == NUMBER || class == TIME || class == APP_DATA; }

static void choose_value(struct test *test, struct value *value) {
    *value = (struct value){0};
    bool nullable = test->class == HOST || test->class == PEER || test->class == TRACE_ID || test->class == ENDPOINT ||
                    test->class == COMMAND;
    bool numeric = test->class == NUMBER || (test->class == APP_DATA && (test->op >= LT && test->op <= GE));
    if (test->op == GLOB)
        snprintf(value->text, sizeof value->text, "%s", ANY(globs));
    else if (nullable && test->op < LT && chance(20))
        value->null = true;
    else if (numeric || (test->class == APP_DATA && chance(60)))
        choose_number(test, value);
    else if (test->class == TIME)
        choose_time(value);
    else
        snprintf(value->text, sizeof value->text, "%s", choose_text(test));
}

static void choose_test(struct test *test) {
    choose_field(test);
    do test->op = (enum op)below(8);
    while ((test->op >= LT && test->op <= GE && !is_ordered(test->class)) ||
           (test->op == GLOB && (test->class == NUMBER || test->class == TIME || test->class == BOOL)));
    test->count = test->op == IN ? 1 + below(VALUES_MAX) : 1;
    for (unsigned i = 0; i < test->count; i++) choose_value(test, &test->values[i]);
}

static struct tree *make_tree(unsigned depth) {
    static const char *const bare[] = {"sampled",     "debug",  "app_initiated", "has_peer",        "fin",     "sent",
                                       "by_remote",   "ok",     "unknown",       "stream_data.fin", "data.ok", "packet_lost",
                                       "app_command", "metrics"};
    struct tree *tree = calloc(1, sizeof *tree);
    if (depth == 0 || chance(30)) {
        tree->type = chance(15) ? BARE : TEST;
        if (tree->type == TEST) choose_test(&tree->test);
        if (tree->type == BARE) snprintf(tree->test.field, sizeof tree->test.field, "%s", ANY(bare));
        return tree;
    }
    tree->type = AND + below(3);
    tree->left = make_tree(depth - 1);
    if (tree->type != NOT) tree->right = make_tree(depth - 1);
    return tree;
}

static void free_tree(struct tree *tree) {
    if (!tree) return;
    free_tree(tree->left);
    free_tree(tree->right);
    free(tree);
}

/* ---- as text ------------------------------------------------------------------------------------------------------------ */

static void put(char *out, const char *text) {
    ck_assert_uint_lt(strlen(out) + strlen(text), TEXT_BYTES);
    strcat(out, text);
}

static void put_value(char *out, const struct value *value) {
    char quote[2] = {chance(50) ? '"' : '\'', 0};
    if (value->null) {
        put(out, "null");
        return;
    }
    if (value->text[0] &&
        !value->text[strspn(value->text, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_.:-*?[]")] &&
        chance(70)) {
        put(out, value->text);
        return;
    }
    put(out, quote);
    for (const char *c = value->text; *c; c++) {
        char one[3] = {*c, 0, 0};
        if (*c == quote[0] || *c == '\\') one[0] = '\\', one[1] = *c;
        put(out, one);
    }
    put(out, quote);
}

static void put_test(char *out, const struct test *test) {
    put(out, test->field);
    put(out, chance(50) || test->op == IN ? " " : "");
    put(out, ops[test->op]);
    put(out, chance(50) ? " " : "");
    if (test->op == IN) put(out, "{");
    for (unsigned i = 0; i < test->count; i++) {
        if (i) put(out, ", ");
        put_value(out, &test->values[i]);
    }
    if (test->op == IN) put(out, "}");
}

static void put_tree(char *out, const struct tree *tree) {
    static const char *const between[] = {[AND] = " and ", [OR] = " or "};
    if (tree->type == TEST) put_test(out, &tree->test);
    if (tree->type == BARE) put(out, tree->test.field);
    if (tree->type == TEST || tree->type == BARE) return;
    put(out, tree->type == NOT ? "not (" : "(");
    put_tree(out, tree->left);
    if (tree->right) {
        put(out, between[tree->type]);
        put_tree(out, tree->right);
    }
    put(out, ")");
}

/* ---- the slow evaluator ------------------------------------------------------------------------------------------------- */

static bool glob(const char *pattern, const char *text) {
    if (!*pattern) return !*text;
    if (*pattern == '*') return glob(pattern + 1, text) || (*text && glob(pattern, text + 1));
    if (!*text) return false;
    if (*pattern == '?') return glob(pattern + 1, text + 1);
    if (*pattern == '\\' && pattern[1]) pattern++;
    return *pattern == *text && glob(pattern + 1, text + 1);
}

static const char *kind_of(const json_t *event) { return json_string_value(json_object_get(event, "kind")); }

static bool is_member(const json_t *event, const char *kind, const char *name) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (unsigned k = 0; k < count; k++)
        for (unsigned i = 0; !strcmp(kinds[k].name, kind) && i < kinds[k].field_count; i++)
            if (!strcmp(kinds[k].fields[i].name, name)) return json_object_get(event, "data") != NULL;
    return false;
}

/* The member with the field's name; NULL if there is none. */
static const json_t *look_up(const json_t *event, const char *field) {
    static const char *const head[][2] = {{"node", "node_id"}, {"peer", "peer_id"}, {"trace", "trace_id"}};
    const char *dot = strchr(field, '.'), *name = dot ? dot + 1 : field;
    const json_t *data = json_object_get(event, "data"), *app = json_object_get(event, "app");
    size_t bytes = dot ? (size_t)(dot - field) : 0;
    for (unsigned i = 0; i < COUNT_OF(head); i++)
        if (!strcmp(field, head[i][0])) return json_object_get(event, head[i][1]);
    if (!dot && json_object_get(event, field) && strcmp(field, "data") != 0 && strcmp(field, "app") != 0)
        return json_object_get(event, field);
    if (!dot || !strncmp(field, "data.", 5)) return is_member(event, kind_of(event), name) ? json_object_get(data, name) : NULL;
    if (strlen(kind_of(event)) == bytes && !strncmp(field, kind_of(event), bytes)) return json_object_get(data, name);
    if (!app || strcmp(kind_of(event), "app_command") != 0) return NULL;
    const char *app_id = json_string_value(json_object_get(data, "app_id"));
    bool meant = !strncmp(field, "fields.", 7) || (strlen(app_id) == bytes && !strncmp(field, app_id, bytes)) ||
                 (json_string_length(app) == bytes && !strncmp(field, json_string_value(app), bytes));
    return meant ? json_object_get(json_object_get(event, "fields"), name) : NULL;
}

static bool number_of(const json_t *json, uint64_t *ret_number) {
    char *end;
    *ret_number = json_is_integer(json)  ? (uint64_t)json_integer_value(json)
                  : json_is_string(json) ? strtoull(json_string_value(json), &end, 10)
                                         : 0;
    return json_is_integer(json) || (json_is_string(json) && json_string_length(json) > 18 && !*end);
}

static bool is_hex(const char *text) { return *text && !text[strspn(text, "0123456789abcdef")]; }
static bool begins(const char *text, const char *prefix) { return !strncmp(text, prefix, strlen(prefix)); }

static const char *name_of(const char *id) {
    return begins(id, "a11ce") ? "alice" : begins(id, "b0b0") ? "bob" : begins(id, "ca01") ? "carol" : "";
}

/* A known name means that node; any other hex text is the beginning of an id. */
static bool node_fits(const char *id, const struct value *value, bool pattern) {
    if (pattern) return glob(value->text, id) || (*name_of(id) && glob(value->text, name_of(id)));
    if (!strcmp(value->text, "alice") || !strcmp(value->text, "bob") || !strcmp(value->text, "carol"))
        return !strcmp(name_of(id), value->text);
    return is_hex(value->text) && begins(id, value->text);
}

static bool endpoint_fits(const char *endpoint, const char *text) {
    char address[64];
    const char *colon = strrchr(endpoint, ':');
    if (!strcmp(endpoint, text)) return true;
    snprintf(address, sizeof address, "%.*s", (int)(colon - endpoint), endpoint);
    if (!strcmp(address, text)) return true;
    if (address[0] != '[') return false;
    address[strlen(address) - 1] = 0;
    return !strcmp(address + 1, text);
}

static bool app_data_fits(const struct test *test, const json_t *json, const struct value *value, bool *ret_comparable) {
    const char *name = strchr(test->field, '.') + 1, *text = json_string_value(json);
    uint64_t number;
    *ret_comparable = true;
    if (number_of(json, &number) && json_is_integer(json)) {
        char *end;
        bool plain = value->text[0] && isdigit((unsigned char)value->text[0]) && (strtoull(value->text, &end, 10), !*end);
        *ret_comparable = test->op != GLOB && (value->low || value->high || plain || !strncmp(value->text, "0", 1));
        if (plain) return *ret_comparable && number == strtoull(value->text, NULL, 10);
        return *ret_comparable && number >= value->low && number <= value->high;
    }
    if (test->op == GLOB) return glob(value->text, text);
    if (!strcmp(name, "path")) return !strcmp(text, value->text);
    *ret_comparable = is_hex(value->text) && strlen(value->text) <= strlen(text);
    return *ret_comparable && (!strcmp(name, "hash") ? begins(text, value->text) : !strcmp(text, value->text));
}

static bool fits(const struct test *test, const json_t *json, const struct value *value) {
    const char *text = json_string_value(json);
    char number[24];
    bool pattern = test->op == GLOB;
    switch (test->class) {
    case BOOL: return json_is_true(json) == !strcmp(value->text, "true");
    case TRACE_ID: return pattern ? glob(value->text, text) : begins(text, value->text);
    case ID64:
        if (pattern) return glob(value->text, text);
        return !strcmp(value->text, "0") ? !strcmp(text, "0000000000000000") : begins(text, value->text);
    case NODE:
    case PEER: return node_fits(text, value, pattern);
    case FLAGS: return pattern ? glob(value->text, text) : !strcmp(value->text, text);
    case ENDPOINT: return pattern ? glob(value->text, text) : endpoint_fits(text, value->text);
    case NAMED:
        snprintf(number, sizeof number, "%d", (int)json_integer_value(json));
        if (!text) return !pattern && !strcmp(number, value->text);
        if (!pattern && !strcmp(value->text, "5")) return !strcmp(text, trace_loss_name(5)) && strstr(test->field, "cause");
        return pattern ? glob(value->text, text) : !strcmp(text, value->text);
    default: return pattern ? glob(value->text, text) : !strcmp(text, value->text);
    }
}

/* For `app` and `command`, which have an id and a name. */
static bool named_fits(const struct test *test, const json_t *event, const struct value *value) {
    const json_t *data = json_object_get(event, "data"), *name = json_object_get(event, test->class == APP ? "app" : "command");
    char id[24];
    if (value->null) return !json_is_string(name);
    if (test->class == APP)
        snprintf(id, sizeof id, "%s", json_string_value(json_object_get(data, "app_id")));
    else
        snprintf(id, sizeof id, "%d", (int)json_integer_value(json_object_get(data, "cmd")));
    bool by_id = test->op == GLOB ? test->class == APP && glob(value->text, id) : !strcmp(value->text, id);
    return by_id || (json_is_string(name) && (test->op == GLOB ? glob(value->text, json_string_value(name))
                                                               : !strcmp(value->text, json_string_value(name))));
}

static bool in_order(enum op op, uint64_t number, const struct value *value) {
    switch (op) {
    case LT: return number < value->low;
    case LE: return number <= value->high;
    case GT: return number > value->high;
    case GE: return number >= value->low;
    default: return number >= value->low && number <= value->high;
    }
}

static bool evaluate_numbers(const struct test *test, uint64_t number) {
    bool any = false;
    for (unsigned i = 0; i < test->count; i++) any |= in_order(test->op, number, &test->values[i]);
    return any != (test->op == NE);
}

static bool evaluate_app_data(const struct test *test, const json_t *json) {
    uint64_t number;
    bool any = false, comparable = false, one;
    if (test->op >= LT && test->op <= GE)
        return json_is_integer(json) && number_of(json, &number) && evaluate_numbers(test, number);
    for (unsigned i = 0; i < test->count; i++) {
        any |= app_data_fits(test, json, &test->values[i], &one);
        comparable |= one;
    }
    return test->op == NE ? comparable && !any : any;
}

/* The listed ones, and has_peer, which follows from peer_id. */
static bool evaluate_flags(const struct test *test, const json_t *event) {
    json_t *flags = json_copy(json_object_get(event, "flags"));
    bool any = false;
    size_t i;
    const json_t *flag;
    if (json_is_string(json_object_get(event, "peer_id"))) json_array_append_new(flags, json_string("has_peer"));
    json_array_foreach(flags, i, flag) {
        for (unsigned k = 0; k < test->count; k++) any |= fits(test, flag, &test->values[k]);
    }
    json_decref(flags);
    return any != (test->op == NE);
}

static bool evaluate_test(const struct test *test, const json_t *event) {
    const json_t *json = look_up(event, test->field);
    bool any = false, null = false, has_app = !strncmp(kind_of(event), "app_", 4);
    uint64_t number = 0;
    if (test->class == TIME)
        return evaluate_numbers(test, (uint64_t)json_integer_value(json_object_get(event, "timestamp")) * 1000 +
                                          (uint64_t)json_integer_value(json_object_get(event, "ns")));
    if (test->class == APP || test->class == COMMAND) {
        for (unsigned i = 0; i < test->count; i++) any |= has_app && named_fits(test, event, &test->values[i]);
        return has_app && any != (test->op == NE);
    }
    if (test->class == FLAGS) return evaluate_flags(test, event);
    for (unsigned i = 0; i < test->count; i++) null |= test->values[i].null;
    bool nullable = test->class == HOST || test->class == PEER || test->class == TRACE_ID || (test->class == ENDPOINT && json);
    if (!json || json_is_null(json)) return nullable && null && test->op != NE;
    if (test->class == NUMBER) return number_of(json, &number), evaluate_numbers(test, number);
    if (test->class == APP_DATA) return evaluate_app_data(test, json);
    for (unsigned i = 0; i < test->count; i++) any |= !test->values[i].null && fits(test, json, &test->values[i]);
    return any != (test->op == NE);
}

static bool evaluate_bare(const char *name, const struct sample *sample) {
    size_t i;
    const json_t *flag;
    if (!strcmp(name, kind_of(sample->json))) return true;
    if (!strcmp(name, "has_peer")) return json_is_string(json_object_get(sample->json, "peer_id"));
    json_array_foreach(json_object_get(sample->json, "flags"), i, flag) {
        if (!strcmp(json_string_value(flag), name)) return true;
    }
    return json_is_true(look_up(sample->json, name));
}

static bool evaluate(const struct tree *tree, const struct sample *sample) {
    switch (tree->type) {
    case TEST: return evaluate_test(&tree->test, sample->json);
    case BARE: return evaluate_bare(tree->test.field, sample);
    case AND: return evaluate(tree->left, sample) && evaluate(tree->right, sample);
    case OR: return evaluate(tree->left, sample) || evaluate(tree->right, sample);
    case NOT: return !evaluate(tree->left, sample);
    }
    return false;
}

/* ---- the test ----------------------------------------------------------------------------------------------------------- */

static const struct trace_filter_name node_names[] = {
    {{{0xa1, 0x1c, 0xe0}}, "alice"}, {{{0xb0, 0xb0}}, "bob"}, {{{0xca, 0x01}}, "carol"}};
static const struct trace_app *const apps[] = {&app_dmap, &app_other};
static const struct trace_filter_names known = {node_names, COUNT_OF(node_names), apps, COUNT_OF(apps), false};

/* Among those that trace_filter_peers gives? */
static bool has_peer_of(const struct trace_filter *filter, const struct trace_event *event) {
    struct trace_id_prefix prefix;
    struct trace_node_id list[8];
    size_t count;
    if (!trace_filter_peers(filter, &prefix, list, COUNT_OF(list), &count)) return true;
    ck_assert_uint_le(count, COUNT_OF(list));
    for (size_t i = 0; i < count; i++)
        if (!memcmp(&list[i], &event->peer_id, sizeof event->peer_id)) return true;
    return prefix.digits && trace_id_prefix_matches(&prefix, event->peer_id.bytes);
}

static void check_bounds(const struct trace_filter *filter, const struct sample *sample, const char *text) {
    const struct trace_event *event = &sample->event;
    struct trace_filter_bounds bounds;
    trace_filter_bounds(filter, &bounds);
    bool inside = bounds.kinds >> (event->kind < 63 ? event->kind : 63) & 1 && event->timestamp >= bounds.min_ns &&
                  event->timestamp <= bounds.max_ns && trace_filter_allows_kind(filter, event->kind) &&
                  trace_filter_allows_node(filter, sample->origin.node_id, sample->origin.node_name) &&
                  trace_id_prefix_matches(&bounds.trace, event->trace_id.bytes) && has_peer_of(filter, event);
    ck_assert_msg(inside, "%s matches an event that its bounds exclude", text);
}

START_TEST(a_random_filter_agrees_with_a_slow_evaluation_of_the_json) {
    static struct sample samples[EVENTS];
    const char *seed = getenv("FILTER_SEED");
    unsigned matched = 0;
    state = (seed ? strtoull(seed, NULL, 10) : 0) * 1000003 + (uint64_t)_i;
    for (unsigned i = 0; i < EVENTS; i++) make_sample(&samples[i]);
    for (unsigned n = 0; n < FILTERS / 16; n++) {
        static char text[TEXT_BYTES + 1];
        struct tree *tree = make_tree(below(4));
        struct trace_filter *filter = NULL;
        struct trace_filter_error error;
        struct trace_filter_options options = {TRACE_FILTER_EVENTS, EVENTS_NOW, &known};
        text[0] = 0;
        put_tree(text, tree);
        int status = trace_filter_compile(&filter, text, strlen(text), &options, &error);
        ck_assert_msg(status == 0, "%s: at %zu: %s", text, error.position, error.reason);
        for (unsigned i = 0; i < EVENTS; i++) {
            bool expected = evaluate(tree, &samples[i]), got = trace_filter_match(filter, &samples[i].event, &samples[i].origin);
            if (expected != got)
                ck_abort_msg("%s\nis %s, not %s, of\n%s", text, got ? "true" : "false", expected ? "true" : "false",
                             json_dumps(samples[i].json, JSON_COMPACT));
            if (got) check_bounds(filter, &samples[i], text);
            matched += got;
        }
        trace_filter_destroy(filter);
        free_tree(tree);
    }
    /* Neither almost none nor almost all: otherwise the test would prove little. */
    ck_assert_uint_gt(matched, FILTERS / 16 * EVENTS / 10);
    ck_assert_uint_lt(matched, FILTERS / 16 * EVENTS / 10 * 9);
    for (unsigned i = 0; i < EVENTS; i++) json_decref(samples[i].json);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter_model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, a_random_filter_agrees_with_a_slow_evaluation_of_the_json, 0, 16);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
