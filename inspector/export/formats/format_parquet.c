/* SPDX-License-Identifier: MIT
 *
 * parquet: a table with typed columns, for DuckDB, pandas and Spark.  Written by hand, because Debian has no C library for the
 * format: https://parquet.apache.org/docs/file-format/
 *
 *     "PAR1"
 *     row group of ROWS rows: for each column one data page, PLAIN values, zstd
 *     ...
 *     metadata in Thrift's compact protocol, its length, "PAR1"
 *
 * There is a column for each member that every event has, and one for each field name in the data of any kind; it is null where
 * the event's kind has no such field. */
#include "export_format.h"
#include "thrift.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <proto/json_memory.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define ROWS 32768
#define COLUMNS_MAX 96
#define KINDS_MAX 64
#define COMPRESSION 1

enum physical { BOOLEAN = 0, INT32 = 1, INT64 = 2, BYTE_ARRAY = 6, FIXED_BYTES = 7 };
enum logical { PLAIN_BYTES, TEXT, JSON_TEXT, TIMESTAMP, UNSIGNED };
enum { CODEC_ZSTD = 6, ENCODING_PLAIN = 0, ENCODING_RLE = 3 };

struct column {
    const char *name;
    enum physical physical;
    enum logical logical;
    uint8_t width;             /* FIXED_BYTES: bytes; UNSIGNED: bits */
    bool optional;             /* has nulls */
    uint32_t count;            /* non-null values of this row group */
    uint8_t present[ROWS / 8]; /* bits: rows with a value */
    struct strbuf values;
};

struct parquet {
    struct column columns[COLUMNS_MAX];
    uint8_t of_field[KINDS_MAX][8]; /* the column of a field, by kind and number of the field */
    unsigned column_count;
    uint32_t rows; /* in this row group */
    uint64_t all_rows;
    struct strbuf groups; /* their metadata, as elements of a list */
    size_t group_count;
    struct strbuf page, packed;
    size_t header_bytes; /* in front of `packed` */
    ZSTD_CCtx *zstd;
};

/* The first columns: members of every event. */
enum {
    TIME,
    NODE,
    NODE_ID,
    LANE,
    SEQUENCE,
    KIND,
    KIND_ID,
    FLAGS,
    PEER_ID,
    TRACE_ID,
    APP,
    COMMAND,
    APP_FIELDS,
    BYTES,
    FIXED_COLUMNS
};
static const struct column fixed_columns[FIXED_COLUMNS] = {
    [TIME] = {"time", INT64, TIMESTAMP},
    [NODE] = {"node", BYTE_ARRAY, TEXT},
    [NODE_ID] = {"node_id", FIXED_BYTES, PLAIN_BYTES, 32},
    [LANE] = {"lane", INT32, UNSIGNED, 32},
    [SEQUENCE] = {"sequence", INT32, UNSIGNED, 32},
    [KIND] = {"kind", BYTE_ARRAY, TEXT},
    [KIND_ID] = {"kind_id", INT32, UNSIGNED, 16},
    [FLAGS] = {"flags", INT32, UNSIGNED, 8},
    [PEER_ID] = {"peer_id", FIXED_BYTES, PLAIN_BYTES, 32, true},
    [TRACE_ID] = {"trace_id", FIXED_BYTES, PLAIN_BYTES, 16, true},
    [APP] = {"app", BYTE_ARRAY, TEXT, 0, true},
    [COMMAND] = {"command", BYTE_ARRAY, TEXT, 0, true},
    [APP_FIELDS] = {"fields", BYTE_ARRAY, JSON_TEXT, 0, true},
    [BYTES] = {"bytes", FIXED_BYTES, PLAIN_BYTES, TRACE_EVENT_DATA_BYTES, true},
};

/* ---- columns ------------------------------------------------------------------------------------------------------------ */

static void shape_column(struct column *column, const struct trace_field_info *field) {
    *column = (struct column){.name = field->name, .physical = BYTE_ARRAY, .logical = TEXT, .optional = true};
    switch (field->type) {
    case TRACE_TYPE_bool: column->physical = BOOLEAN, column->logical = PLAIN_BYTES; break;
    case TRACE_TYPE_u8: column->physical = INT32, column->logical = UNSIGNED, column->width = 8; break;
    case TRACE_TYPE_u16: column->physical = INT32, column->logical = UNSIGNED, column->width = 16; break;
    case TRACE_TYPE_u32: column->physical = INT32, column->logical = UNSIGNED, column->width = 32; break;
    case TRACE_TYPE_u64: column->physical = INT64, column->logical = UNSIGNED, column->width = 64; break;
    case TRACE_TYPE_id64: column->physical = FIXED_BYTES, column->logical = PLAIN_BYTES, column->width = 8; break;
    case TRACE_TYPE_payload: column->logical = PLAIN_BYTES; break;
    default: break;
    }
}

/* Several kinds may have a field of that name: the widest number wins. */
static void add_field(struct parquet *parquet, uint16_t kind, unsigned number, const struct trace_field_info *field) {
    struct column column;
    unsigned at = FIXED_COLUMNS;
    shape_column(&column, field);
    while (at < parquet->column_count && strcmp(parquet->columns[at].name, field->name) != 0) at++;
    if (at == parquet->column_count && at < COLUMNS_MAX) parquet->columns[parquet->column_count++] = column;
    if (column.logical == UNSIGNED && column.width > parquet->columns[at].width) parquet->columns[at] = column;
    parquet->of_field[kind][number] = (uint8_t)at;
}

static int begin(struct export *export) {
    struct parquet *parquet = export->state;
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    memcpy(parquet->columns, fixed_columns, sizeof fixed_columns);
    parquet->column_count = FIXED_COLUMNS;
    for (unsigned k = 0; k < count; k++)
        for (unsigned i = 0; i < kinds[k].field_count; i++) add_field(parquet, kinds[k].id, i, &kinds[k].fields[i]);
    parquet->zstd = ZSTD_createCCtx();
    if (!parquet->zstd) return export_out_of_memory(export);
    writer_puts(export->out, "PAR1");
    return 0;
}

static void add_bytes(struct parquet *parquet, unsigned at, const void *bytes, size_t count) {
    struct column *column = &parquet->columns[at];
    column->present[parquet->rows / 8] |= (uint8_t)(1U << parquet->rows % 8);
    column->count++;
    strbuf_add(&column->values, bytes, count);
}

static void add_text(struct parquet *parquet, unsigned at, const void *text, size_t bytes) {
    add_bytes(parquet, at, &(uint32_t){(uint32_t)bytes}, sizeof(uint32_t));
    strbuf_add(&parquet->columns[at].values, text, bytes);
}

static void add_number(struct parquet *parquet, unsigned at, uint64_t number) {
    add_bytes(parquet, at, &number, parquet->columns[at].physical == INT64 ? 8 : 4); /* little-endian, as Parquet is */
}

/* Eight bits a byte: add_bytes would use a byte for each. */
static void add_boolean(struct parquet *parquet, unsigned at, bool value) {
    struct column *column = &parquet->columns[at];
    if (column->count % 8 == 0) strbuf_add(&column->values, "", 1);
    if (value && !column->values.failed) column->values.text[column->count / 8] |= (char)(1U << column->count % 8);
    column->present[parquet->rows / 8] |= (uint8_t)(1U << parquet->rows % 8);
    column->count++;
}

/* The text of a JSON string; nothing for null. */
static void add_json_string(struct parquet *parquet, unsigned at, struct json_span value) {
    struct json_span plain;
    if (json_scan_plain(value, &plain)) {
        add_text(parquet, at, plain.text, plain.bytes);
    } else if (value.bytes && *value.text == '"') {
        json_t *string = trace_json_loadb(value.text, value.bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (string) add_text(parquet, at, json_string_value(string), json_string_length(string));
        json_decref(string);
    }
}

static void add_value(struct parquet *parquet, unsigned at, const struct trace_event *event,
                      const struct trace_field_info *field) {
    const uint8_t *bytes = event->data.bytes + field->offset;
    char json[TRACE_EVENT_JSON_MAX], *end;
    uint64_t id;
    switch (field->type) {
    case TRACE_TYPE_bool: add_boolean(parquet, at, *bytes != 0); return;
    case TRACE_TYPE_u8:
    case TRACE_TYPE_u16:
    case TRACE_TYPE_u32:
    case TRACE_TYPE_u64: add_number(parquet, at, trace_field_unsigned(event, field)); return;
    case TRACE_TYPE_id64:
        id = __builtin_bswap64(trace_field_unsigned(event, field)); /* a number */
        add_bytes(parquet, at, &id, sizeof id);
        return;
    case TRACE_TYPE_payload: add_text(parquet, at, bytes + 1, *bytes < field->length ? *bytes : field->length); return;
    default:
        end = trace_field_json(json, event, field);
        if (*json == '"')
            add_json_string(parquet, at, (struct json_span){json, (size_t)(end - json)});
        else if (*json != 'n')
            add_text(parquet, at, json, (size_t)(end - json)); /* a number without a name */
    }
}

/* ---- row groups --------------------------------------------------------------------------------------------------------- */

static void put_varint(struct strbuf *out, uint32_t value) {
    for (; value >= 0x80; value >>= 7) strbuf_add(out, &(char){(char)(value | 0x80)}, 1);
    strbuf_add(out, &(char){(char)value}, 1);
}

/* Fills in the page's content: which rows have a value, as one run of bits; then the values. */
static void make_page(struct parquet *parquet, const struct column *column) {
    struct strbuf *page = &parquet->page;
    uint32_t groups = (parquet->rows + 7) / 8;
    strbuf_clear(page);
    if (column->optional) {
        strbuf_add(page, "\0\0\0", 4);
        put_varint(page, groups << 1 | 1);
        strbuf_add(page, (const char *)column->present, groups);
        uint32_t bytes = (uint32_t)page->bytes - 4;
        if (!page->failed) memcpy(page->text, &bytes, sizeof bytes);
    }
    if (column->values.bytes) strbuf_add(page, column->values.text, column->values.bytes);
}

/* Compresses the page into `packed`, after its header.  Returns 0 or -1. */
static int pack_page(struct parquet *parquet) {
    struct strbuf *packed = &parquet->packed;
    struct thrift thrift = {.out = packed};
    size_t room = ZSTD_compressBound(parquet->page.bytes);
    char *compressed = malloc(room);
    strbuf_clear(packed);
    if (!compressed) return -1;
    size_t bytes =
        ZSTD_compressCCtx(parquet->zstd, compressed, room, strbuf_text(&parquet->page), parquet->page.bytes, COMPRESSION);
    int result = ZSTD_isError(bytes) || parquet->page.failed ? -1 : 0;
    thrift_i32(&thrift, 1, 0); /* DATA_PAGE */
    thrift_i32(&thrift, 2, (int32_t)parquet->page.bytes);
    thrift_i32(&thrift, 3, (int32_t)bytes);
    thrift_begin(&thrift, 5);
    thrift_i32(&thrift, 1, (int32_t)parquet->rows);
    thrift_i32(&thrift, 2, ENCODING_PLAIN);
    thrift_i32(&thrift, 3, ENCODING_RLE);
    thrift_i32(&thrift, 4, ENCODING_RLE);
    thrift_end(&thrift);
    thrift_end(&thrift);
    parquet->header_bytes = packed->bytes;
    if (!result) strbuf_add(packed, compressed, bytes);
    free(compressed);
    return packed->failed ? -1 : result;
}

static void describe_chunk(struct thrift *thrift, const struct parquet *parquet, const struct column *column, uint64_t offset) {
    thrift_begin(thrift, 0);
    thrift_i64(thrift, 2, (int64_t)offset);
    thrift_begin(thrift, 3);
    thrift_i32(thrift, 1, (int32_t)column->physical);
    thrift_list(thrift, 2, THRIFT_I32, 2);
    thrift_element_i32(thrift, ENCODING_PLAIN);
    thrift_element_i32(thrift, ENCODING_RLE);
    thrift_list(thrift, 3, THRIFT_BINARY, 1);
    thrift_element_string(thrift, column->name);
    thrift_i32(thrift, 4, CODEC_ZSTD);
    thrift_i64(thrift, 5, parquet->rows);
    thrift_i64(thrift, 6, (int64_t)(parquet->page.bytes + parquet->header_bytes));
    thrift_i64(thrift, 7, (int64_t)parquet->packed.bytes);
    thrift_i64(thrift, 9, (int64_t)offset);
    thrift_end(thrift);
    thrift_end(thrift);
}

/* Writes the buffered rows, and forgets them. */
static int end_group(struct export *export) {
    struct parquet *parquet = export->state;
    struct thrift thrift = {.out = &parquet->groups};
    uint64_t begin = writer_position(export->out);
    if (!parquet->rows) return 0;
    thrift_begin(&thrift, 0);
    thrift_list(&thrift, 1, THRIFT_STRUCT, parquet->column_count);
    for (unsigned i = 0; i < parquet->column_count; i++) {
        struct column *column = &parquet->columns[i];
        make_page(parquet, column);
        if (column->values.failed || pack_page(parquet)) return export_out_of_memory(export);
        describe_chunk(&thrift, parquet, column, writer_position(export->out));
        writer_put(export->out, parquet->packed.text, parquet->packed.bytes);
        strbuf_clear(&column->values);
        memset(column->present, 0, sizeof column->present);
        column->count = 0;
    }
    thrift_i64(&thrift, 2, (int64_t)(writer_position(export->out) - begin));
    thrift_i64(&thrift, 3, parquet->rows);
    thrift_end(&thrift);
    parquet->group_count++;
    parquet->all_rows += parquet->rows;
    parquet->rows = 0;
    return parquet->groups.failed ? export_out_of_memory(export) : 0;
}

static int put_event(struct export *export, const struct export_event *event) {
    struct parquet *parquet = export->state;
    const struct trace_event *from = event->event;
    add_number(parquet, TIME, from->timestamp);
    add_text(parquet, NODE, event->node->name, strlen(event->node->name));
    add_bytes(parquet, NODE_ID, event->node->id.bytes, sizeof event->node->id.bytes);
    add_number(parquet, LANE, event->lane);
    add_number(parquet, SEQUENCE, from->sequence);
    add_text(parquet, KIND, event->kind_name, strlen(event->kind_name));
    add_number(parquet, KIND_ID, from->kind);
    add_number(parquet, FLAGS, from->flags & ~(unsigned)TRACE_FLAG_HAS_PEER);
    if (event_has_peer(event)) add_bytes(parquet, PEER_ID, from->peer_id.bytes, sizeof from->peer_id.bytes);
    if (!trace_id_is_zero(&from->trace_id)) add_bytes(parquet, TRACE_ID, from->trace_id.bytes, sizeof from->trace_id.bytes);
    add_json_string(parquet, APP, event->app);
    add_json_string(parquet, COMMAND, event->command);
    if (event->fields.bytes) add_text(parquet, APP_FIELDS, event->fields.text, event->fields.bytes);
    if (!event->kind) add_bytes(parquet, BYTES, from->data.bytes, sizeof from->data.bytes);
    for (unsigned i = 0; event->kind && i < event->kind->field_count; i++)
        add_value(parquet, parquet->of_field[from->kind][i], from, &event->kind->fields[i]);
    return ++parquet->rows == ROWS ? end_group(export) : 0;
}

static int put_gap(struct export *export, const struct export_gap *gap) { return gap->lost ? put_event(export, gap->lost) : 0; }

/* ---- the file's metadata ------------------------------------------------------------------------------------------------ */

static void describe_logical(struct thrift *thrift, const struct column *column) {
    thrift_begin(thrift, 10);
    if (column->logical == TIMESTAMP) {
        thrift_begin(thrift, 8);
        thrift_bool(thrift, 1, false); /* UTC all the same: DuckDB keeps nanoseconds only for times without a zone */
        thrift_begin(thrift, 2);
        thrift_begin(thrift, 3); /* NANOS */
        thrift_end(thrift);
        thrift_end(thrift);
    } else if (column->logical == UNSIGNED) {
        thrift_begin(thrift, 10);
        thrift_i8(thrift, 1, (int8_t)column->width);
        thrift_bool(thrift, 2, false);
    } else {
        thrift_begin(thrift, column->logical == TEXT ? 1 : 12);
    }
    thrift_end(thrift);
    thrift_end(thrift);
}

static void describe_column(struct thrift *thrift, const struct column *column) {
    thrift_begin(thrift, 0);
    thrift_i32(thrift, 1, (int32_t)column->physical);
    if (column->physical == FIXED_BYTES) thrift_i32(thrift, 2, column->width);
    thrift_i32(thrift, 3, column->optional);
    thrift_string(thrift, 4, column->name);
    /* The older form, for readers that do not know the newer one: UTF8, JSON, UINT_8 ... UINT_64. */
    if (column->logical == TEXT) thrift_i32(thrift, 6, 0);
    if (column->logical == JSON_TEXT) thrift_i32(thrift, 6, 19);
    if (column->logical == UNSIGNED)
        thrift_i32(thrift, 6, column->width == 8 ? 11 : column->width == 16 ? 12 : column->width == 32 ? 13 : 14);
    if (column->logical != PLAIN_BYTES) describe_logical(thrift, column);
    thrift_end(thrift);
}

static void describe_pair(struct thrift *thrift, const char *key, uint64_t number) {
    char digits[24];
    *put_u64(digits, number) = 0;
    thrift_begin(thrift, 0);
    thrift_string(thrift, 1, key);
    thrift_string(thrift, 2, digits);
    thrift_end(thrift);
}

static void describe_file(struct thrift *thrift, const struct export *export) {
    const struct parquet *parquet = export->state;
    thrift_i32(thrift, 1, 2); /* the format's version */
    thrift_list(thrift, 2, THRIFT_STRUCT, parquet->column_count + 1);
    thrift_begin(thrift, 0);
    thrift_string(thrift, 4, "events");
    thrift_i32(thrift, 5, (int32_t)parquet->column_count);
    thrift_end(thrift);
    for (unsigned i = 0; i < parquet->column_count; i++) describe_column(thrift, &parquet->columns[i]);
    thrift_i64(thrift, 3, (int64_t)parquet->all_rows);
    thrift_list(thrift, 4, THRIFT_STRUCT, parquet->group_count);
    if (parquet->groups.bytes) strbuf_add(thrift->out, parquet->groups.text, parquet->groups.bytes);
    thrift_list(thrift, 5, THRIFT_STRUCT, 2);
    describe_pair(thrift, "p2ptrace.lost", export->lost);
    describe_pair(thrift, "p2ptrace.evicted", export->evicted);
    thrift_string(thrift, 6, "p2ptrace");
    thrift_end(thrift);
}

static int end(struct export *export) {
    struct strbuf footer = {0};
    struct thrift thrift = {.out = &footer};
    int result = end_group(export);
    if (!result) describe_file(&thrift, export);
    if (!result && footer.failed) result = export_out_of_memory(export);
    if (!result) {
        writer_put(export->out, footer.text, footer.bytes);
        writer_put(export->out, &(uint32_t){(uint32_t)footer.bytes}, sizeof(uint32_t));
        writer_puts(export->out, "PAR1");
    }
    strbuf_fini(&footer);
    return result;
}

static void fini(struct export *export) {
    struct parquet *parquet = export->state;
    for (unsigned i = 0; i < parquet->column_count; i++) strbuf_fini(&parquet->columns[i].values);
    strbuf_fini(&parquet->groups);
    strbuf_fini(&parquet->page);
    strbuf_fini(&parquet->packed);
    ZSTD_freeCCtx(parquet->zstd);
}

const struct export_format export_format_parquet = {
    .name = "parquet",
    .suffixes = ".parquet",
    .doc = "a table with typed columns: DuckDB, pandas, Spark",
    .binary = true,
    .state_bytes = sizeof(struct parquet),
    .begin = begin,
    .event = put_event,
    .gap = put_gap,
    .end = end,
    .fini = fini,
};
