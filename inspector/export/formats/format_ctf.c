/* SPDX-License-Identifier: MIT
 *
 * ctf: the Common Trace Format 1.8, for babeltrace2 and Trace Compass: a directory with `metadata`, a text that describes the
 * rest, and a binary stream for each node.
 *
 * The data of an event has the same bytes as in struct trace_event; the metadata comes from the same table as that struct
 * (tbl/events.def).  Ids are 64-bit numbers, most significant byte first, so their bytes do not change either.
 *
 * A stream consists of packets.  A packet's header gives its length, and how many events of the node were lost up to its end
 * (events_discarded).  A packet ends where events are missing, so that a reader can tell between which two events they were
 * lost. */
#include "export_format.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PACKET_BYTES 16384
#define NAME_BYTES 64
#define UNKNOWN_ID 0 /* the id of events whose kind this version does not know */

struct __attribute__((packed)) packet_header {
    uint32_t magic;
    uint8_t uuid[16];
    uint32_t stream_id;
    uint64_t stream_instance_id;
    uint64_t timestamp_begin, timestamp_end;
    uint64_t content_bits, packet_bits;
    uint64_t sequence;
    uint64_t events_discarded;
    uint8_t node_id[32];
    char node[NAME_BYTES];
};

struct __attribute__((packed)) event_header {
    uint64_t timestamp;
    uint16_t id;
    uint32_t lane;
    uint32_t sequence;
    uint8_t flags;
    uint8_t trace_id[16];
    uint8_t peer_id[32];
};

/* A node's stream, and the packet that is being filled. */
struct stream {
    uint64_t begin_ns, end_ns;
    uint64_t packets; /* written so far */
    size_t used;
    uint8_t bytes[PACKET_BYTES];
};

struct ctf {
    uint8_t uuid[16];
};

/* ---- packets ------------------------------------------------------------------------------------------------------------ */

static void name_file(const struct export_node *node, char out[32]) { *put_u64(PUT(out, "stream_"), node->number) = 0; }

/* Writes the packet, with the node's losses so far, and begins the next one. */
static int end_packet(struct export *export, struct export_node *node) {
    const struct ctf *ctf = export->state;
    struct stream *stream = node->own;
    char name[32];
    size_t bytes = sizeof(struct packet_header) + stream->used;
    struct packet_header header = {.magic = 0xc1fc1fc1,
                                   .stream_instance_id = node->number,
                                   .timestamp_begin = stream->begin_ns,
                                   .timestamp_end = stream->end_ns,
                                   .content_bits = 8 * bytes,
                                   .packet_bits = 8 * bytes,
                                   .sequence = stream->packets++,
                                   .events_discarded = node->lost};
    memcpy(header.uuid, ctf->uuid, sizeof header.uuid);
    memcpy(header.node_id, node->id.bytes, sizeof header.node_id);
    memcpy(header.node, node->name, strnlen(node->name, sizeof header.node - 1));
    name_file(node, name);
    struct writer *out = export_open(export, name);
    if (!out) return -1;
    writer_put(out, &header, sizeof header);
    writer_put(out, stream->bytes, stream->used);
    stream->used = 0;
    stream->begin_ns = stream->end_ns;
    return 0;
}

/* How many bytes of data a kind has. */
static size_t field_bytes(const struct trace_field_info *field) {
    switch (field->type) {
    case TRACE_TYPE_u16: return 2;
    case TRACE_TYPE_u32: return 4;
    case TRACE_TYPE_u64:
    case TRACE_TYPE_id64: return 8;
    case TRACE_TYPE_endpoint: return sizeof(struct trace_endpoint);
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: return field->length;
    case TRACE_TYPE_payload: return 1U + field->length;
    default: return 1;
    }
}

static size_t data_bytes(const struct trace_kind_info *kind) {
    size_t bytes = 0;
    for (unsigned i = 0; i < kind->field_count; i++) bytes += field_bytes(&kind->fields[i]);
    return bytes;
}

static int put_event(struct export *export, const struct export_event *event) {
    struct stream *stream = event->node->own;
    const struct trace_event *from = event->event;
    struct event_header header = {.timestamp = from->timestamp,
                                  .id = event->kind ? event->kind->id : UNKNOWN_ID,
                                  .lane = event->lane,
                                  .sequence = from->sequence,
                                  .flags = from->flags};
    size_t data = event->kind ? data_bytes(event->kind) : sizeof from->kind + sizeof from->data;
    if (stream->used + sizeof header + data > sizeof stream->bytes && end_packet(export, event->node)) return -1;
    memcpy(header.trace_id, from->trace_id.bytes, sizeof header.trace_id);
    if (event_has_peer(event)) memcpy(header.peer_id, from->peer_id.bytes, sizeof header.peer_id);
    if (!stream->used) stream->begin_ns = from->timestamp;
    stream->end_ns = from->timestamp;
    memcpy(stream->bytes + stream->used, &header, sizeof header);
    stream->used += sizeof header;
    if (!event->kind) memcpy(stream->bytes + stream->used, &from->kind, sizeof from->kind);
    size_t skip = event->kind ? 0 : sizeof from->kind;
    memcpy(stream->bytes + stream->used + skip, from->data.bytes, data - skip);
    stream->used += data;
    return 0;
}

/* Readers count losses at a packet's end, so the packet before a loss has to end here.  The first packet of a stream may be
 * empty: readers count from it on. */
static int put_gap(struct export *export, const struct export_gap *gap) {
    if (!gap->lost) return 0;
    struct export_node *node = gap->lost->node;
    struct stream *stream = node->own;
    uint64_t now_ns = gap->lost->event->timestamp;
    node->lost -= gap->count; /* in the packets before */
    int result = stream->used || !stream->packets ? end_packet(export, node) : 0;
    node->lost += gap->count;
    stream->begin_ns = stream->end_ns = now_ns;
    return result ? result : end_packet(export, node);
}

static int begin_node(struct export *export, struct export_node *node) {
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream) return export_out_of_memory(export);
    node->own = stream;
    stream->begin_ns = stream->end_ns = export->last_ns;
    return 0;
}

/* ---- metadata ----------------------------------------------------------------------------------------------------------- */

static void put_uuid(struct writer *out, const uint8_t uuid[16]) {
    for (int i = 0; i < 16; i++) writer_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

static void put_enum(struct writer *out, const char *(*name_of)(unsigned), const char *name) {
    const char *value;
    writer_puts(out, "        enum : u8 { ");
    for (unsigned i = 0; (value = name_of(i)); i++) writer_printf(out, "%s\"%s\" = %u", i ? ", " : "", value, i);
    writer_printf(out, " } %s;\n", name);
}

static void put_field(struct writer *out, const struct trace_field_info *field) {
    const char *name = field->name;
    switch (field->type) {
    case TRACE_TYPE_u8: writer_printf(out, "        u8 %s;\n", name); break;
    case TRACE_TYPE_u16: writer_printf(out, "        u16 %s;\n", name); break;
    case TRACE_TYPE_u32: writer_printf(out, "        u32 %s;\n", name); break;
    case TRACE_TYPE_u64: writer_printf(out, "        u64 %s;\n", name); break;
    case TRACE_TYPE_id64: writer_printf(out, "        hex64 %s;\n", name); break;
    case TRACE_TYPE_bool: writer_printf(out, "        enum : u8 { \"false\" = 0, \"true\" = 1 ... 255 } %s;\n", name); break;
    case TRACE_TYPE_space: put_enum(out, trace_space_name, name); break;
    case TRACE_TYPE_loss: put_enum(out, trace_loss_name, name); break;
    case TRACE_TYPE_transport: put_enum(out, trace_transport_name, name); break;
    case TRACE_TYPE_endpoint:
        writer_printf(out, "        struct { hex8 address[16]; u16 port; u8 family; u8 reserved; } %s;\n", name);
        break;
    case TRACE_TYPE_code4:
    case TRACE_TYPE_text: writer_printf(out, "        text8 %s[%u];\n", name, field->length); break;
    case TRACE_TYPE_payload: writer_printf(out, "        u8 %s_bytes;\n        hex8 %s[%u];\n", name, name, field->length); break;
    }
}

static void put_kind(struct writer *out, const struct trace_kind_info *kind) {
    writer_printf(out, "event {\n    id = %u;\n    name = \"%s\";\n    stream_id = 0;\n    fields := struct {\n", kind->id,
                  kind->name);
    for (unsigned i = 0; i < kind->field_count; i++) put_field(out, &kind->fields[i]);
    writer_puts(out, "    };\n};\n");
}

static void put_types(struct writer *out) {
    writer_puts(out, "/* CTF 1.8 */\n\n"
                     "typealias integer { size = 8; align = 8; signed = false; } := u8;\n"
                     "typealias integer { size = 16; align = 8; signed = false; } := u16;\n"
                     "typealias integer { size = 32; align = 8; signed = false; } := u32;\n"
                     "typealias integer { size = 64; align = 8; signed = false; } := u64;\n"
                     "typealias integer { size = 8; align = 8; signed = false; base = 16; } := hex8;\n"
                     "typealias integer { size = 64; align = 8; signed = false; base = 16; } := hex64;\n"
                     "typealias integer { size = 64; align = 8; signed = false; base = 16; byte_order = be; } := id_part;\n"
                     "typealias integer { size = 8; align = 8; signed = false; encoding = UTF8; } := text8;\n\n");
}

static void put_trace(struct writer *out, const struct export *export) {
    const struct ctf *ctf = export->state;
    writer_puts(out, "trace {\n    major = 1;\n    minor = 8;\n    uuid = \"");
    put_uuid(out, ctf->uuid);
    writer_puts(out, "\";\n    byte_order = le;\n    packet.header := struct {\n        u32 magic;\n        u8 uuid[16];\n       "
                     " u32 stream_id;\n"
                     "        u64 stream_instance_id;\n    };\n};\n");
    writer_printf(
        out, "env {\n    tracer_name = \"p2ptrace\";\n    events_lost = %" PRIu64 ";\n    events_evicted = %" PRIu64 ";\n};\n",
        export->lost, export->evicted);
    writer_puts(
        out, "clock {\n    name = unix;\n    description = \"Unix time\";\n    freq = 1000000000;\n    offset_s = 0;\n    "
             "absolute = TRUE;\n};\n"
             "typealias integer { size = 64; align = 8; signed = false; map = clock.unix.value; } := time_ns;\n"
             "stream {\n    id = 0;\n    packet.context := struct {\n        time_ns timestamp_begin;\n        time_ns "
             "timestamp_end;\n"
             "        u64 content_size;\n        u64 packet_size;\n        u64 packet_seq_num;\n        u64 events_discarded;\n"
             "        struct { id_part a; id_part b; id_part c; id_part d; } node_id;\n");
    writer_printf(out, "        text8 node[%d];\n    };\n", NAME_BYTES);
    writer_puts(out, "    event.header := struct { time_ns timestamp; u16 id; };\n"
                     "    event.context := struct {\n        u32 lane;\n        u32 sequence;\n        hex8 flags;\n"
                     "        struct { id_part a; id_part b; } trace_id;\n        struct { id_part a; id_part b; id_part c; "
                     "id_part d; } peer_id;\n"
                     "    };\n};\n");
}

static int end(struct export *export) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    for (size_t i = 0; i < export->node_count; i++) {
        const struct stream *stream = export->nodes[i]->own;
        if (stream->used && end_packet(export, export->nodes[i])) return -1;
    }
    struct writer *out = export_open(export, "metadata");
    if (!out) return -1;
    put_types(out);
    put_trace(out, export);
    writer_printf(
        out,
        "event {\n    id = %d;\n    name = \"unknown\";\n    stream_id = 0;\n    fields := struct {\n        u16 kind_id;\n"
        "        hex8 bytes[%d];\n    };\n};\n",
        UNKNOWN_ID, TRACE_EVENT_DATA_BYTES);
    for (unsigned i = 0; i < count; i++)
        if (kinds[i].id != TRACE_KIND_EVENTS_LOST) put_kind(out, &kinds[i]);
    return 0;
}

static int begin(struct export *export) {
    struct ctf *ctf = export->state;
    if (getrandom(ctf->uuid, sizeof ctf->uuid, 0) != sizeof ctf->uuid)
        return failure_set(export->failure, EXIT_FAILED, "cannot get random numbers");
    ctf->uuid[6] = (uint8_t)((ctf->uuid[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
    ctf->uuid[8] = (uint8_t)((ctf->uuid[8] & 0x3f) | 0x80);
    return 0;
}

const struct export_format export_format_ctf = {
    .name = "ctf",
    .doc = "the Common Trace Format: babeltrace2, Trace Compass",
    .target = EXPORT_DIRECTORY,
    .state_bytes = sizeof(struct ctf),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .end = end,
};
