/* SPDX-License-Identifier: MIT
 *
 * pcapng: packets as Wireshark lists them, after draft-ietf-opsawg-pcapng.
 *
 *     interface   a node
 *     packet      packet_sent (outbound) or packet_received (inbound): only the IP and UDP headers, because events have no
 *                 payload; its original length is the real one.  A comment repeats the event.
 *     packet id   the same at both ends, so that a send and its receive can be joined
 *     secrets     --keylog: merged with a capture, Wireshark decrypts what was really sent
 *
 * Addresses come from conn_init: the address that one end dialled is the other end's own.  An unknown address is 0.0.0.0:0. */
#include "export_sent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define KEYLOG_MAX ((size_t)64 << 20)
#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u
#define BLOCK_SECRETS 10u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define SECRETS_TLS 0x544c534bu /* a key log in the format of NSS */
#define LINKTYPE_RAW 101        /* begins with the IP header */
#define HEADERS_MAX 48          /* IPv6 and UDP */

enum option { OPTION_END, OPTION_COMMENT };
enum { SECTION_APPLICATION = 4 };
enum { INTERFACE_NAME = 2, INTERFACE_DESCRIPTION = 3, INTERFACE_RESOLUTION = 9 };
enum { PACKET_FLAGS = 2, PACKET_ID = 5 };
enum { INBOUND = 1, OUTBOUND = 2 };

/* The two ends of a connection, each as the other saw it. */
struct ends {
    struct trace_endpoint client, server;
};

/* Of a node. */
struct interface {
    uint64_t lost; /* events since its last packet */
};

struct pcapng {
    struct connections connections;
    struct map ends; /* by the connection's trace */
};

/* ---- blocks ------------------------------------------------------------------------------------------------------------- */

static char *put_32(char *out, uint32_t value) { return put_bytes(out, (const char *)&value, sizeof value); }
static char *put_64(char *out, uint64_t value) { return put_bytes(out, (const char *)&value, sizeof value); }

static char *pad(char *out, size_t bytes) {
    for (; bytes % 4; bytes++) *out++ = 0;
    return out;
}

static char *put_option(char *out, uint16_t code, const void *value, size_t bytes) {
    out = put_32(out, (uint32_t)bytes << 16 | code); /* little-endian, as the section header says */
    return pad(put_bytes(out, value, bytes), bytes);
}

static char *put_text_option(char *out, uint16_t code, const char *text) { return put_option(out, code, text, strlen(text)); }

/* Begins a block; leaves room for its length. */
static char *begin_block(struct export *export, uint32_t type) {
    return put_32(put_32(writer_room(export->out, WRITER_ROOM_MAX), type), 0);
}

/* Ends a block's options, and fills in the lengths at both ends. */
static void end_block(struct export *export, char *out) {
    char *begin = export->out->buffer + export->out->used;
    out = put_32(out, OPTION_END);
    uint32_t bytes = (uint32_t)(out - begin) + 4;
    put_32(begin + 4, bytes);
    writer_done(export->out, put_32(out, bytes));
}

/* ---- the beginning ------------------------------------------------------------------------------------------------------ */

/* LABEL HEX HEX */
static bool is_secret(const char *line, size_t bytes) {
    static const char *const parts[] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", "0123456789abcdefABCDEF",
                                        "0123456789abcdefABCDEF"};
    size_t at = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, at++) {
        size_t begin = at;
        while (at < bytes && strchr(parts[i], line[at])) at++;
        if (at == begin || (i < 2 && (at == bytes || line[at] != ' '))) return false;
    }
    return true;
}

/* Is there at least one such line, and only text? */
static bool is_keylog(const char *text, size_t bytes) {
    if (memchr(text, 0, bytes)) return false;
    for (const char *at = text, *end = text + bytes; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end) line_end = end;
        if (is_secret(at, (size_t)(line_end - at))) return true;
        at = line_end + 1;
    }
    return false;
}

/* Reads the file.  The caller frees *ret_text.  Returns 0, or -1 with the failure. */
static int read_keylog(struct export *export, const char *path, char **ret_text, size_t *ret_bytes) {
    struct failure *failure = export->failure;
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status)) {
        int error = errno;
        if (fd >= 0) close(fd);
        return failure_set(failure, EXIT_FAILED, "cannot read the key log %s: %s", path, strerror(error));
    }
    size_t bytes = (size_t)status.st_size, got = 0;
    char *text = bytes <= KEYLOG_MAX ? malloc(bytes + 1) : NULL;
    for (ssize_t part = 1; text && got < bytes && part > 0; got += part > 0 ? (size_t)part : 0)
        part = read(fd, text + got, bytes - got);
    close(fd);
    if (!text || !is_keylog(text, got)) {
        bool memory = !text && bytes <= KEYLOG_MAX;
        free(text);
        return memory ? export_out_of_memory(export)
                      : failure_set(failure, EXIT_FAILED,
                                    "%s is not a key log: it has no line like CLIENT_TRAFFIC_SECRET_0 HEX HEX", path);
    }
    *ret_text = text;
    *ret_bytes = got;
    return 0;
}

/* It may be larger than the writer's room: write it in parts. */
static int put_secrets(struct export *export, const char *path) {
    char *text = NULL, head[20];
    size_t bytes = 0;
    if (read_keylog(export, path, &text, &bytes)) return -1;
    size_t padded = (bytes + 3) / 4 * 4;
    uint32_t length = (uint32_t)(padded + 20);
    put_32(put_32(put_32(put_32(head, BLOCK_SECRETS), length), SECRETS_TLS), (uint32_t)bytes);
    writer_put(export->out, head, 16);
    writer_put(export->out, text, bytes);
    writer_put(export->out, "\0\0\0", padded - bytes);
    writer_put(export->out, &length, sizeof length);
    free(text);
    return 0;
}

static int begin(struct export *export) {
    char *out = begin_block(export, BLOCK_SECTION);
    out = put_32(out, BYTE_ORDER_MAGIC);
    out = put_32(out, 1);          /* version 1.0 */
    out = put_64(out, UINT64_MAX); /* length not given */
    end_block(export, put_text_option(out, SECTION_APPLICATION, "p2ptrace inspector"));
    return export->settings->keylog ? put_secrets(export, export->settings->keylog) : 0;
}

static int begin_node(struct export *export, struct export_node *node) {
    node->own = calloc(1, sizeof(struct interface));
    if (!node->own) return export_out_of_memory(export);
    char *out = begin_block(export, BLOCK_INTERFACE);
    out = put_32(put_32(out, LINKTYPE_RAW), 0); /* 0: no limit */
    out = put_text_option(out, INTERFACE_NAME, node->name);
    out = put_text_option(out, INTERFACE_DESCRIPTION, node->hex);
    end_block(export, put_option(out, INTERFACE_RESOLUTION, "\x09", 1)); /* ns */
    return 0;
}

/* ---- addresses ---------------------------------------------------------------------------------------------------------- */

/* Takes the address of the other end from conn_init. */
static int note_ends(struct export *export, const struct trace_event *event) {
    struct pcapng *pcapng = export->state;
    struct map_key key = map_key(0, 0, event->trace_id.bytes, sizeof event->trace_id.bytes);
    if (event->kind != TRACE_KIND_CONN_INIT || trace_id_is_zero(&event->trace_id)) return 0;
    void **at = map_at(&pcapng->ends, &key);
    if (at && !*at) *at = calloc(1, sizeof(struct ends));
    if (!at || !*at) return export_out_of_memory(export);
    struct ends *ends = *at;
    *(event->data.conn_init.by_remote ? &ends->client : &ends->server) = event->data.conn_init.endpoint;
    return 0;
}

/* {0} if not known. */
static void find_ends(const struct pcapng *pcapng, const struct connection *connection, bool sent,
                      struct trace_endpoint *ret_from, struct trace_endpoint *ret_to) {
    memset(ret_from, 0, sizeof *ret_from);
    memset(ret_to, 0, sizeof *ret_to);
    if (!connection || !connection->knows_role) return;
    struct map_key key = map_key(0, 0, connection->trace_id.bytes, sizeof connection->trace_id.bytes);
    const struct ends *ends = map_get(&pcapng->ends, &key);
    bool from_client = connection->dialled == sent;
    if (!ends) return;
    *ret_from = from_client ? ends->client : ends->server;
    *ret_to = from_client ? ends->server : ends->client;
}

/* ---- packets ------------------------------------------------------------------------------------------------------------ */

static uint8_t protocol_of(uint8_t space) {
    switch (space) {
    case TRACE_SPACE_TCP: return IPPROTO_TCP;
    case TRACE_SPACE_SCTP: return IPPROTO_UDP; /* WebRTC: SCTP in DTLS in UDP */
    case TRACE_SPACE_OTHER: return 253;        /* for experiments: not known */
    default: return space > TRACE_SPACE_OTHER ? 253 : IPPROTO_UDP;
    }
}

static void put_16_be(uint8_t *out, size_t value) {
    if (value > UINT16_MAX) value = UINT16_MAX;
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static void put_checksum(uint8_t header[20]) {
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2) sum += (uint32_t)header[i] << 8 | header[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    put_16_be(header + 10, ~((sum & 0xffff) + (sum >> 16)) & 0xffff);
}

/* Writes the headers of a packet whose payload has that many bytes.  Returns their length. */
static size_t make_headers(uint8_t out[HEADERS_MAX], const struct trace_endpoint *from, const struct trace_endpoint *to,
                           uint8_t protocol, size_t payload) {
    bool six = from->family == 6 || to->family == 6, udp = protocol == IPPROTO_UDP;
    size_t ip = six ? 40 : 20, all = ip + (udp ? 8 : 0);
    memset(out, 0, HEADERS_MAX);
    if (six) {
        out[0] = 0x60;
        put_16_be(out + 4, all - ip + payload);
        out[6] = protocol;
        out[7] = 64;
        memcpy(out + 8, from->address, 16);
        memcpy(out + 24, to->address, 16);
    } else {
        out[0] = 0x45;
        put_16_be(out + 2, all + payload);
        out[8] = 64;
        out[9] = protocol;
        memcpy(out + 12, from->address, 4);
        memcpy(out + 16, to->address, 4);
        put_checksum(out);
    }
    if (udp) {
        put_16_be(out + ip, from->port);
        put_16_be(out + ip + 2, to->port);
        put_16_be(out + ip + 4, 8 + payload);
    }
    return all;
}

/* "packet_sent 1rtt 17, 1200 bytes, connection 3 to bob, trace 5a35..., lane 0, sequence 8" */
static char *put_comment(char *out, const struct export *export, const struct export_event *event, struct place place) {
    const struct trace_packet_sent *packet = &event->event->data.packet_sent;
    struct interface *interface = event->node->own;
    const char *space = trace_space_name(packet->space);
    char text[PEER_NAME_BYTES + LINK_NAME_BYTES + 512], *at = put_text(text, event->kind_name);
    at = PUT(at, " ");
    at = space ? put_text(at, space) : put_u64(at, packet->space);
    at = put_u64(PUT(at, " "), packet->packet_num);
    at = PUT(put_u64(PUT(at, ", "), packet->size), " bytes");
    if (place.connection) {
        char peer[PEER_NAME_BYTES];
        connection_peer_name(export, place.connection, peer);
        at = put_u64(PUT(at, ", connection "), place.connection->number);
        at = put_text(at, place.connection->dialled ? " to " : " with ");
        at = put_text(at, peer);
    } else if (place.link) {
        char name[LINK_NAME_BYTES];
        link_name(export, place.link, name);
        at = put_text(PUT(at, ", "), name);
    }
    if (!trace_id_is_zero(&event->event->trace_id)) at = put_hex(PUT(at, ", trace "), event->event->trace_id.bytes, 16);
    if (event->event->flags & TRACE_FLAG_RETRANSMISSION) at = PUT(at, ", retransmission");
    at = put_u64(PUT(at, ", lane "), event->lane);
    at = put_u64(PUT(at, ", sequence "), event->event->sequence);
    if (interface->lost) at = PUT(put_u64(PUT(at, "; before it "), interface->lost), " events of the node were lost");
    interface->lost = 0;
    return put_option(out, OPTION_COMMENT, text, (size_t)(at - text));
}

static void put_packet(struct export *export, const struct export_event *event, struct place place) {
    const struct trace_packet_sent *packet = &event->event->data.packet_sent; /* packet_received is the same */
    bool sent = is_sending(event);
    uint8_t headers[HEADERS_MAX];
    struct trace_endpoint from, to;
    struct map_key key;
    uint32_t flags = sent ? OUTBOUND : INBOUND;
    uint64_t now_ns = event->event->timestamp;
    find_ends(export->state, place.connection, sent, &from, &to);
    size_t captured = make_headers(headers, &from, &to, protocol_of(packet->space), packet->size);
    char *out = begin_block(export, BLOCK_PACKET);
    out = put_32(out, event->node->number - 1); /* interfaces are in the order of nodes */
    out = put_32(put_32(out, (uint32_t)(now_ns >> 32)), (uint32_t)now_ns);
    out = put_32(out, (uint32_t)captured);
    out = put_32(out, packet->size < UINT32_MAX - captured ? (uint32_t)captured + packet->size : UINT32_MAX);
    out = pad(put_bytes(out, (const char *)headers, captured), captured);
    out = put_comment(out, export, event, place);
    out = put_option(out, PACKET_FLAGS, &flags, sizeof flags);
    if (sent_key(event, place.connection, &key)) {
        uint64_t id = XXH3_64bits(&key, sizeof key);
        out = put_option(out, PACKET_ID, &id, sizeof id);
    }
    end_block(export, out);
}

static bool is_packet(const struct export_event *event) {
    uint16_t kind = event->event->kind;
    return kind == TRACE_KIND_PACKET_SENT || kind == TRACE_KIND_PACKET_RECEIVED;
}

/* Other events say whose a packet is, and its addresses. */
static int put_event(struct export *export, const struct export_event *event) {
    struct pcapng *pcapng = export->state;
    struct place place;
    if (place_of(export, &pcapng->connections, event, &place) || note_ends(export, event->event)) return -1;
    if (is_packet(event)) put_packet(export, event, place);
    return 0;
}

static int put_gap(struct export *export, const struct export_gap *gap) {
    (void)export;
    if (gap->lost) ((struct interface *)gap->lost->node->own)->lost += gap->count;
    return 0;
}

/* Each node's total losses. */
static int end(struct export *export) {
    for (size_t i = 0; i < export->node_count; i++) {
        char text[96];
        if (!export->nodes[i]->lost) continue;
        *PUT(put_u64(text, export->nodes[i]->lost), " events of the node were lost") = 0;
        char *out = put_32(begin_block(export, BLOCK_STATISTICS), (uint32_t)i);
        out = put_32(put_32(out, (uint32_t)(export->last_ns >> 32)), (uint32_t) export->last_ns);
        end_block(export, put_text_option(out, OPTION_COMMENT, text));
    }
    return 0;
}

static void fini(struct export *export) {
    struct pcapng *pcapng = export->state;
    connections_fini(&pcapng->connections);
    map_fini(&pcapng->ends, free);
}

const struct export_format export_format_pcapng = {
    .name = "pcapng",
    .suffixes = ".pcapng .pcap",
    .doc = "packet lists: Wireshark, tshark; --keylog adds QUIC's secrets",
    .carried = "packet_sent and packet_received",
    .carries = is_packet,
    .binary = true,
    .state_bytes = sizeof(struct pcapng),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .end = end,
    .fini = fini,
};
