/* SPDX-License-Identifier: MIT
 *
 * See fleet_event.h.  A row is
 *
 *     time_ns trace_id sequence kind kind_id flags peer_id lane | node_id log_id host instance segment | numbers | texts
 *
 * Columns of one size come before those that vary, so that the numbers of a row are a block of constant size: zeroed, and then
 * filled in at places that are known for each kind. */
#include "fleet_event.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <proto/event_json.h>
#include <proto/event_table.h>
#include <pthread.h>
#include <stdio.h>

#define COLUMNS_MAX 128
#define KINDS_MAX 64
#define FIELDS_MAX 8
#define NUMBERS_MAX 512
#define TEXTS_MAX 16
#define ALIAS_BYTES 1024

/* How a field is stored. */
enum form { FORM_NUMBER, FORM_BOOL, FORM_CODE4, FORM_ENDPOINT, FORM_TEXT, FORM_PAYLOAD };

/* A column of the data. */
struct data_column {
    const char *name;
    enum trace_type type; /* the widest */
    size_t bytes;         /* 0: a String */
    size_t place;         /* in the block of numbers; or which of the texts */
    uint64_t kinds;       /* that have it */
};

struct kind_plan {
    const struct trace_kind_info *info;
    uint8_t head[40]; /* columns kind and kind_id */
    size_t head_bytes;
    struct {
        const struct trace_field_info *field;
        const struct data_column *column;
        size_t bytes; /* of the field */
    } fields[FIELDS_MAX];
};

static struct {
    struct fleet_column columns[COLUMNS_MAX];
    size_t column_count;
    struct data_column data[COLUMNS_MAX];
    size_t data_count;
    size_t numbers_bytes, text_count;
    struct kind_plan kinds[KINDS_MAX];
    size_t kind_count;
    const struct kind_plan *by_id[KINDS_MAX];
    unsigned ranks[KINDS_MAX], rank_unknown;
    char aliases[3][ALIAS_BYTES], alias_names[3][32];
} plan;

static const struct fleet_column head_columns[] = {
    {"time_ns", "UInt64", NULL},
    {"trace_id", "FixedString(16)", NULL},
    {"sequence", "UInt32", NULL},
    {"kind", "String", NULL},
    {"kind_id", "UInt16", NULL},
    {"flags", "UInt8", NULL},
    {"clock_steps", "UInt8", NULL}, /* proto/event_clock.h */
    {"peer_id", "FixedString(32)", NULL},
    {"lane", "UInt8", NULL},
    {"node_id", "FixedString(32)", NULL},
    {"log_id", "UInt64", NULL},
    {"host", "String", NULL},
    {"instance", "UInt64", NULL},
    {"segment", "UInt64", NULL},
};

static const struct fleet_column alias_columns[] = {
    {"time", "DateTime", "toDateTime(intDiv(time_ns, 1000000000))"},
    {"trace", "String", "lower(hex(trace_id))"},
    {"node", "String", "lower(hex(node_id))"},
    {"peer", "String", "lower(hex(peer_id))"},
};

/* ---- the plan ------------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct trace_field_info *field) {
    switch (field->type) {
    case TRACE_TYPE_u16: return 2;
    case TRACE_TYPE_u32: return 4;
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: return 8;
    case TRACE_TYPE_code4: return 4;
    case TRACE_TYPE_endpoint:
    case TRACE_TYPE_text:
    case TRACE_TYPE_payload: return 0;
    default: return 1;
    }
}

static const char *sql_type(const struct data_column *column) {
    if (column->type == TRACE_TYPE_code4) return "FixedString(4)";
    switch (column->bytes) {
    case 0: return "String";
    case 1: return "UInt8";
    case 2: return "UInt16";
    case 4: return "UInt32";
    default: return "UInt64";
    }
}

static struct data_column *find_column(const char *name) {
    for (size_t i = 0; i < plan.data_count; i++)
        if (!strcmp(plan.data[i].name, name)) return &plan.data[i];
    return NULL;
}

static void note_field(const struct trace_field_info *field, unsigned kind) {
    struct data_column *column = find_column(field->name);
    if (!column) {
        column = &plan.data[plan.data_count++];
        *column = (struct data_column){field->name, field->type, bytes_of(field), 0, 0};
    } else if (bytes_of(field) > column->bytes) {
        column->type = field->type;
        column->bytes = bytes_of(field);
    }
    column->kinds |= FLEET_KIND(kind);
}

static void add_column(const char *name, const char *type, const char *alias) {
    plan.columns[plan.column_count++] = (struct fleet_column){name, type, alias};
}

/* "transform(space, [0, 1], ['initial', 'handshake'], '')" */
static void add_names(size_t which, const char *column, const char *(*name_of)(unsigned)) {
    char *out = plan.aliases[which];
    size_t room = ALIAS_BYTES, bytes = (size_t)snprintf(out, room, "transform(`%s`, [", column);
    for (unsigned i = 0; name_of(i); i++) bytes += (size_t)snprintf(out + bytes, room - bytes, "%s%u", i ? ", " : "", i);
    bytes += (size_t)snprintf(out + bytes, room - bytes, "], [");
    for (unsigned i = 0; name_of(i); i++)
        bytes += (size_t)snprintf(out + bytes, room - bytes, "%s'%s'", i ? ", " : "", name_of(i));
    snprintf(out + bytes, room - bytes, "], '')");
    snprintf(plan.alias_names[which], sizeof plan.alias_names[which], "%s_name", column);
    add_column(plan.alias_names[which], "String", out);
}

/* Numbers first, then texts. */
static void place_columns(void) {
    for (size_t i = 0; i < sizeof head_columns / sizeof *head_columns; i++) plan.columns[plan.column_count++] = head_columns[i];
    for (size_t i = 0; i < plan.data_count; i++) {
        struct data_column *column = &plan.data[i];
        if (!column->bytes) continue;
        column->place = plan.numbers_bytes;
        plan.numbers_bytes += column->bytes;
        add_column(column->name, sql_type(column), NULL);
    }
    for (size_t i = 0; i < plan.data_count; i++) {
        struct data_column *column = &plan.data[i];
        if (column->bytes) continue;
        column->place = plan.text_count++;
        add_column(column->name, sql_type(column), NULL);
    }
    for (size_t i = 0; i < sizeof alias_columns / sizeof *alias_columns; i++)
        plan.columns[plan.column_count++] = alias_columns[i];
    add_names(0, "space", trace_space_name);
    add_names(1, "cause", trace_loss_name);
    add_names(2, "transport", trace_transport_name);
}

static void plan_kind(struct kind_plan *kind, const struct trace_kind_info *info) {
    uint8_t *end = row_put_short(kind->head, info->name, strlen(info->name));
    kind->head_bytes = (size_t)(row_put(end, &info->id, sizeof info->id) - kind->head);
    kind->info = info;
    for (unsigned i = 0; i < info->field_count; i++) {
        kind->fields[i].field = &info->fields[i];
        kind->fields[i].column = find_column(info->fields[i].name);
        kind->fields[i].bytes = bytes_of(&info->fields[i]);
    }
    if (info->id < KINDS_MAX) plan.by_id[info->id] = kind;
}

static unsigned rank_of(const char *name) {
    unsigned rank = 0;
    for (size_t i = 0; i < plan.kind_count; i++) rank += strcmp(plan.kinds[i].info->name, name) < 0;
    return rank;
}

/* The tables are constant, so the first test that runs would hit a limit that is too low. */
static void make_plan(void) {
    unsigned kind_count;
    const struct trace_kind_info *kinds = trace_kind_table(&kind_count);
    for (unsigned i = 0; i < kind_count; i++)
        for (unsigned f = 0; f < kinds[i].field_count; f++) note_field(&kinds[i].fields[f], kinds[i].id);
    find_column("data")->kinds |= FLEET_KIND_NEWER; /* put_unknown */
    place_columns();
    for (unsigned i = 0; i < kind_count && i < KINDS_MAX; i++) plan_kind(&plan.kinds[plan.kind_count++], &kinds[i]);
    plan.rank_unknown = rank_of(TRACE_KIND_UNKNOWN_NAME);
    for (unsigned id = 0; id < KINDS_MAX; id++)
        plan.ranks[id] = plan.by_id[id] ? rank_of(plan.by_id[id]->info->name) : plan.rank_unknown;
}

static void need_plan(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_plan);
}

const struct fleet_column *fleet_event_columns(size_t *ret_count) {
    need_plan();
    *ret_count = plan.column_count;
    return plan.columns;
}

bool fleet_event_has_column(uint64_t kinds, const char *column) {
    need_plan();
    const struct data_column *data = find_column(column);
    return data ? (data->kinds & kinds) != 0 : kinds == FLEET_KINDS_ALL || strcmp(column, "kind") != 0;
}

unsigned fleet_event_kind_rank(uint16_t kind) {
    need_plan();
    return kind < KINDS_MAX ? plan.ranks[kind] : plan.rank_unknown;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

void fleet_origin_make(struct fleet_origin *ret_origin, const struct trace_node_id *node_id, uint64_t log_id, const char *host,
                       uint64_t instance, uint64_t segment) {
    uint8_t *at = row_put(ret_origin->bytes, node_id->bytes, sizeof node_id->bytes);
    at = row_put(at, &log_id, sizeof log_id);
    at = row_put_short(at, host, strnlen(host, FLEET_HOST_BYTES_MAX));
    at = row_put(at, &instance, sizeof instance);
    at = row_put(at, &segment, sizeof segment);
    ret_origin->count = (size_t)(at - ret_origin->bytes);
    need_plan();
}

static uint8_t *put_text(uint8_t *at, const struct trace_event *event, const struct trace_field_info *field) {
    const uint8_t *data = event->data.bytes + field->offset;
    struct trace_endpoint endpoint;
    char text[TRACE_ENDPOINT_TEXT_MAX];
    switch (field->type) {
    case TRACE_TYPE_endpoint:
        memcpy(&endpoint, data, sizeof endpoint);
        return row_put_short(at, text, (size_t)(trace_endpoint_text(text, &endpoint) - text));
    case TRACE_TYPE_payload: return row_put_short(at, data + 1, *data < field->length ? *data : field->length);
    default: return row_put_short(at, data, strnlen((const char *)data, field->length));
    }
}

static uint8_t *put_data(uint8_t *at, const struct kind_plan *kind, const struct trace_event *event) {
    const struct trace_field_info *texts[TEXTS_MAX] = {NULL};
    memset(at, 0, plan.numbers_bytes);
    for (unsigned i = 0; i < kind->info->field_count; i++) {
        const struct trace_field_info *field = kind->fields[i].field;
        const struct data_column *column = kind->fields[i].column;
        if (!kind->fields[i].bytes)
            texts[column->place] = field;
        else if (field->type == TRACE_TYPE_bool)
            at[column->place] = event->data.bytes[field->offset] != 0;
        else /* a narrower number is the low bytes of a wider one */
            memcpy(at + column->place, event->data.bytes + field->offset, kind->fields[i].bytes);
    }
    at += plan.numbers_bytes;
    for (size_t i = 0; i < plan.text_count; i++) {
        if (texts[i])
            at = put_text(at, event, texts[i]);
        else
            *at++ = 0;
    }
    return at;
}

/* A kind that is newer than this program: all its bytes are in `data`. */
static uint8_t *put_unknown(uint8_t *at, const struct trace_event *event) {
    size_t place = find_column("data")->place;
    memset(at, 0, plan.numbers_bytes);
    at += plan.numbers_bytes;
    for (size_t i = 0; i < plan.text_count; i++)
        at = row_put_short(at, event->data.bytes, i == place ? sizeof event->data.bytes : 0);
    return at;
}

uint8_t *fleet_event_put(uint8_t *at, const struct fleet_origin *origin, uint8_t lane, const struct trace_event *event) {
    const struct kind_plan *kind = event->kind < KINDS_MAX ? plan.by_id[event->kind] : NULL;
    at = row_put(at, &event->timestamp, sizeof event->timestamp);
    at = row_put(at, event->trace_id.bytes, sizeof event->trace_id.bytes);
    at = row_put(at, &event->sequence, sizeof event->sequence);
    if (kind) {
        memcpy(at, kind->head, sizeof kind->head);
        at += kind->head_bytes;
    } else {
        at = row_put_short(at, TRACE_KIND_UNKNOWN_NAME, strlen(TRACE_KIND_UNKNOWN_NAME));
        at = row_put(at, &event->kind, sizeof event->kind);
    }
    *at++ = event->flags;
    *at++ = trace_event_clock_steps(event);
    if (event->flags & TRACE_FLAG_HAS_PEER)
        at = row_put(at, event->peer_id.bytes, sizeof event->peer_id.bytes);
    else
        at = memset(at, 0, sizeof event->peer_id.bytes), at += sizeof event->peer_id.bytes;
    *at++ = lane;
    at = row_put(at, origin->bytes, origin->count);
    return kind ? put_data(at, kind, event) : put_unknown(at, event);
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void copy_read(struct row_reader *reader, void *out, size_t count) {
    const uint8_t *at = row_read(reader, count);
    if (at) memcpy(out, at, count);
}

/* Stores a text of its column in its field.  Returns false if it does not fit. */
static bool take_text(uint8_t *data, const struct trace_field_info *field, const char *text, size_t bytes) {
    char copy[TRACE_ENDPOINT_TEXT_MAX];
    struct trace_endpoint endpoint;
    bool has_port;
    if (field->type == TRACE_TYPE_endpoint) {
        if (!bytes) return true;
        if (bytes >= sizeof copy) return false;
        memcpy(copy, text, bytes);
        copy[bytes] = 0;
        if (trace_endpoint_parse(copy, &endpoint, &has_port)) return false;
        memcpy(data, &endpoint, sizeof endpoint);
        return true;
    }
    if (bytes > field->length) return false;
    if (field->type == TRACE_TYPE_payload) *data++ = (uint8_t)bytes;
    memcpy(data, text, bytes);
    return true;
}

static uint64_t kind_of(const struct trace_event *event) {
    bool known = event->kind < KINDS_MAX - 1 && plan.by_id[event->kind];
    return known ? FLEET_KIND(event->kind) : FLEET_KIND_NEWER;
}

/* The columns of the data: numbers as a block, which is in the row if that has all of them. */
struct row_data {
    const uint8_t *numbers;
    const char *texts[TEXTS_MAX];
    size_t bytes[TEXTS_MAX];
    uint8_t block[NUMBERS_MAX];
};

static void read_columns(struct row_reader *reader, struct row_data *data) {
    data->numbers = row_read(reader, plan.numbers_bytes);
    for (size_t i = 0; i < plan.text_count; i++) data->texts[i] = row_read_string(reader, &data->bytes[i]);
}

/* Numbers come first (place_columns). */
static void read_columns_of(struct row_reader *reader, uint64_t kinds, struct row_data *data) {
    memset(data->block, 0, sizeof data->block);
    data->numbers = data->block;
    for (size_t i = 0; i < plan.text_count; i++) data->texts[i] = "", data->bytes[i] = 0;
    for (size_t i = 0; i < plan.data_count; i++)
        if (plan.data[i].bytes && plan.data[i].kinds & kinds)
            copy_read(reader, data->block + plan.data[i].place, plan.data[i].bytes);
    for (size_t i = 0; i < plan.data_count; i++) {
        const struct data_column *column = &plan.data[i];
        if (!column->bytes && column->kinds & kinds)
            data->texts[column->place] = row_read_string(reader, &data->bytes[column->place]);
    }
}

static int take_data(const struct row_data *row, struct trace_event *event) {
    const struct kind_plan *kind = event->kind < KINDS_MAX ? plan.by_id[event->kind] : NULL;
    const uint8_t *numbers = row->numbers;
    const char *const *texts = row->texts;
    const size_t *bytes = row->bytes, unknown = find_column("data")->place;
    if (!kind && bytes[unknown] > sizeof event->data.bytes) return -EBADMSG;
    if (!kind) memcpy(event->data.bytes, texts[unknown], bytes[unknown]);
    for (unsigned i = 0; kind && i < kind->info->field_count; i++) {
        const struct trace_field_info *field = kind->fields[i].field;
        size_t place = kind->fields[i].column->place;
        uint8_t *data = event->data.bytes + field->offset;
        if (kind->fields[i].bytes)
            memcpy(data, numbers + place, kind->fields[i].bytes);
        else if (!take_text(data, field, texts[place], bytes[place]))
            return -EBADMSG;
    }
    return 0;
}

int fleet_event_read_of(struct row_reader *reader, uint64_t kinds, struct fleet_event *ret_event) {
    struct trace_event *event = &ret_event->event;
    struct row_data data;
    size_t bytes;
    need_plan();
    memset(ret_event, 0, sizeof *ret_event);
    event->timestamp = row_read_u64(reader);
    copy_read(reader, event->trace_id.bytes, sizeof event->trace_id.bytes);
    event->sequence = row_read_u32(reader);
    if (kinds == FLEET_KINDS_ALL) (void)row_read_string(reader, &bytes); /* the kind's name; the number is enough */
    event->kind = row_read_u16(reader);
    event->flags = row_read_u8(reader);
    trace_event_set_clock_steps(event, row_read_u8(reader));
    copy_read(reader, event->peer_id.bytes, sizeof event->peer_id.bytes);
    ret_event->lane = row_read_u8(reader);
    copy_read(reader, ret_event->node_id.bytes, sizeof ret_event->node_id.bytes);
    ret_event->log_id = row_read_u64(reader);
    const char *host = row_read_string(reader, &bytes);
    if (bytes > FLEET_HOST_BYTES_MAX) return -EBADMSG;
    memcpy(ret_event->host, host, bytes);
    ret_event->instance = row_read_u64(reader);
    ret_event->segment = row_read_u64(reader);
    if (kinds == FLEET_KINDS_ALL)
        read_columns(reader, &data);
    else
        read_columns_of(reader, kinds, &data);
    if (!reader->failed && !(kind_of(event) & kinds)) return -EBADMSG;
    return reader->failed ? -EBADMSG : take_data(&data, event);
}

int fleet_event_read(struct row_reader *reader, struct fleet_event *ret_event) {
    return fleet_event_read_of(reader, FLEET_KINDS_ALL, ret_event);
}
