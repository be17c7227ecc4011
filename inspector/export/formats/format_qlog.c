/* SPDX-License-Identifier: MIT
 *
 * qlog: JSON text sequences (RFC 7464) after draft-ietf-quic-qlog-main-schema-14 and -quic-events-13; with --qlog-names qvis
 * the names of qlog 0.3, which qvis and most tools understand.
 *
 * A single file contains all connections; group_id tells them apart.  In a directory each connection of each node has its own
 * file, named after its original destination connection id, as QUIC implementations do: ID_client.sqlog, ID_server.sqlog.
 * Events without a connection go into a file of their node, or of their link.
 *
 * Times are milliseconds since the export's first event, in all files. */
#include "export_connections.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUP_BYTES 160

struct qlog {
    struct connections connections;
    uint64_t base_ns;
};

/* A connection; a link; or a node, for events of neither. */
struct group {
    char id[GROUP_BYTES];
    const char *vantage; /* "client", "server", "unknown" */
    bool has_header;     /* of its file */
};

/* A record in the making. */
struct record {
    struct writer *out;
    char *at;
};

/* ---- files -------------------------------------------------------------------------------------------------------------- */

static void put_header(struct export *export, struct writer *out, const struct group *group, const struct export_node *node) {
    const struct qlog *qlog = export->state;
    char epoch[64] = "1970-01-01T00:00:00";
    time_t second = (time_t)(qlog->base_ns / 1000000000);
    struct tm parts;
    if (gmtime_r(&second, &parts)) strftime(epoch, sizeof epoch, "%Y-%m-%dT%H:%M:%S", &parts);
    /* The draft no longer has qlog_version and qlog_format, but qvis opens nothing without them. */
    writer_puts(
        out,
        "\x1e{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\",\"serialization_format\":\"application/qlog+json-seq\","
        "\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\",\"title\":\"p2ptrace\",\"trace\":{\"event_schemas\":["
        "\"urn:ietf:params:qlog:events:quic-13\",\"urn:ietf:params:qlog:events:loglevel\","
        "\"https://example.org/p2ptrace/events.html\"],\"vantage_point\":{\"type\":\"");
    writer_puts(out, group ? group->vantage : "unknown");
    if (node) writer_printf(out, "\",\"name\":%s},\"common_fields\":{", node->json_name);
    if (!node) writer_puts(out, "\"},\"common_fields\":{");
    if (group) writer_printf(out, "\"group_id\":\"%s\",", group->id);
    writer_printf(
        out, "\"time_format\":\"relative_to_epoch\",\"reference_time\":{\"clock_type\":\"system\",\"epoch\":\"%s.%09uZ\"}}}}\n",
        epoch, (unsigned)(qlog->base_ns % 1000000000));
}

/* Returns the writer of a group's records, after writing its header; NULL with the failure. */
static struct writer *writer_of(struct export *export, struct group *group, const struct export_node *node) {
    char name[GROUP_BYTES + 8];
    if (export->out) return export->out;
    snprintf(name, sizeof name, "%s.sqlog", group->id);
    struct writer *out = export_open(export, name);
    if (out && !group->has_header) put_header(export, out, group, node);
    group->has_header = true;
    return out;
}

/* ID_client; or ID-3_unknown: the number tells apart two groups that would have the same name. */
static void name_connection(struct group *group, const struct connection *connection) {
    char *out = group->id;
    group->vantage = !connection->knows_role ? "unknown" : connection->dialled ? "client" : "server";
    if (trace_id_is_zero(&connection->trace_id))
        out = put_u64(PUT(out, "connection-"), connection->number);
    else
        out = put_hex(out, connection->trace_id.bytes, sizeof connection->trace_id.bytes);
    if (!connection->knows_role) out = put_u64(PUT(out, "-"), connection->number);
    *put_text(PUT(out, "_"), group->vantage) = 0;
}

/* node-ID; node-ID_udp_PEER. */
static void name_rest(struct group *group, const struct export_node *node, const struct link *link) {
    char *out = put_hex(PUT(group->id, "node-"), node->id.bytes, 16);
    group->vantage = "unknown";
    if (link) out = put_text(PUT(out, "_"), link_medium_name(link));
    if (link && link->medium >= MEDIUM_SPACE) out = put_u64(PUT(out, "-"), link->medium - MEDIUM_SPACE);
    if (link && link->has_peer) out = put_hex(PUT(out, "_"), link->peer_id.bytes, 16);
    *out = 0;
}

static struct group *group_of(const struct export_event *event, struct place place) {
    void **at = place.connection ? &place.connection->own : place.link ? &place.link->own : &event->node->own;
    struct group *group = *at;
    if (group) return group;
    *at = group = calloc(1, sizeof *group);
    if (!group) return NULL;
    if (place.connection)
        name_connection(group, place.connection);
    else
        name_rest(group, event->node, place.link);
    return group;
}

/* ---- records ------------------------------------------------------------------------------------------------------------ */

/* {"time":0.1,"name":"...","data":{ */
static int begin_record(struct export *export, const struct export_event *event, struct place place, const char *draft_name,
                        const char *qvis_name, struct record *ret_record) {
    const struct qlog *qlog = export->state;
    struct group *group = group_of(event, place);
    if (!group) return export_out_of_memory(export);
    struct writer *out = writer_of(export, group, event->node);
    if (!out) return -1;
    char *at = writer_room(out, TRACE_EVENT_JSON_MAX + 1024);
    at = PUT(at, "\x1e{\"time\":");
    at = put_since(at, event->event->timestamp, qlog->base_ns, 6);
    at = PUT(at, ",\"name\":\"");
    at = put_text(at, export->settings->qvis_names ? qvis_name : draft_name);
    *at++ = '"';
    if (export->out) {
        at = PUT(at, ",\"group_id\":\"");
        at = put_text(at, group->id);
        *at++ = '"';
    }
    *ret_record = (struct record){out, PUT(at, ",\"data\":{")};
    return 0;
}

static const struct trace_field_info *find_field(const struct trace_kind_info *kind, const char *name) {
    for (unsigned i = 0; i < kind->field_count; i++)
        if (!strcmp(kind->fields[i].name, name)) return &kind->fields[i];
    return NULL;
}

/* Does the packet belong to a transport other than QUIC? */
static bool is_foreign_packet(const struct export_event *event) {
    switch (event->event->kind) {
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED: return event->event->data.packet_sent.space > TRACE_SPACE_1RTT;
    case TRACE_KIND_PACKET_LOST: return event->event->data.packet_lost.space > TRACE_SPACE_1RTT;
    default: return false;
    }
}

/* Closes data, and adds what qlog has no field for. */
static int end_record(struct record *record, const struct export_event *event) {
    char *at = record->at;
    *at++ = '}';
    if (is_foreign_packet(event)) { /* packet_type has no such name */
        at = PUT(at, ",\"space\":");
        at = trace_field_json(at, event->event, find_field(event->kind, "space"));
    }
    writer_done(record->out, PUT(put_origin(at, event), "}\n"));
    return 0;
}

/* ---- the transport ------------------------------------------------------------------------------------------------------ */

static char *put_header_of_packet(char *at, uint8_t space, uint64_t number) {
    static const char *const types[] = {"initial", "handshake", "1RTT"};
    at = PUT(at, "\"header\":{\"packet_type\":\"");
    at = put_text(at, space < 3 ? types[space] : "unknown");
    at = PUT(at, "\",\"packet_number\":");
    return PUT(trace_json_unsigned(at, number), "}");
}

static int put_packet(struct export *export, const struct export_event *event, struct place place) {
    static const char *const names[][2] = {{"quic:packet_sent", "transport:packet_sent"},
                                           {"quic:packet_received", "transport:packet_received"},
                                           {"quic:packet_lost", "recovery:packet_lost"}};
    const struct trace_packet_sent *packet = &event->event->data.packet_sent; /* packet_received has the same layout */
    const char *const *name = names[event->event->kind - TRACE_KIND_PACKET_SENT];
    bool lost = event->event->kind == TRACE_KIND_PACKET_LOST;
    struct record record;
    if (begin_record(export, event, place, name[0], name[1], &record)) return -1;
    record.at = put_header_of_packet(record.at, lost ? event->event->data.packet_lost.space : packet->space, packet->packet_num);
    if (!lost) {
        record.at = PUT(record.at, ",\"raw\":{\"length\":");
        record.at = PUT(put_u64(record.at, packet->size), "}");
    }
    if (event->event->flags & TRACE_FLAG_PROBE) record.at = PUT(record.at, ",\"is_mtu_probe_packet\":true");
    return end_record(&record, event);
}

static char *put_address(char *at, const struct trace_endpoint *endpoint, bool qvis) {
    char text[TRACE_ENDPOINT_TEXT_MAX], *end = trace_endpoint_text(text, endpoint);
    if (end == text) return at;
    end = memrchr(text, ':', (size_t)(end - text)); /* the port is a separate number */
    bool six = endpoint->family == 6;
    at = put_text(at, qvis ? (six ? ",\"ip_version\":\"ipv6\",\"dst_ip\":\"" : ",\"ip_version\":\"ipv4\",\"dst_ip\":\"")
                           : (six ? "\"ip_v6\":\"" : "\"ip_v4\":\""));
    at = put_bytes(at, text + six, (size_t)(end - text) - 2U * six);
    at = put_text(at, qvis ? "\",\"dst_port\":" : six ? "\",\"port_v6\":" : "\",\"port_v4\":");
    return put_u64(at, endpoint->port);
}

static int put_started(struct export *export, const struct export_event *event, struct place place) {
    const struct trace_conn_init *init = &event->event->data.conn_init;
    bool qvis = export->settings->qvis_names;
    struct record record;
    if (begin_record(export, event, place, "quic:connection_started", "connectivity:connection_started", &record)) return -1;
    record.at = put_text(record.at, qvis ? "\"protocol\":\"QUIC\"" : "\"local\":{},\"remote\":{");
    record.at = put_address(record.at, &init->endpoint, qvis);
    if (!qvis) record.at = PUT(record.at, "}");
    return end_record(&record, event);
}

static int put_established(struct export *export, const struct export_event *event, struct place place) {
    struct record record;
    if (begin_record(export, event, place, "quic:connection_state_updated", "connectivity:connection_state_updated", &record))
        return -1;
    record.at =
        put_text(record.at, export->settings->qvis_names ? "\"new\":\"handshake_completed\"" : "\"new\":\"handshake_complete\"");
    end_record(&record, event);
    if (begin_record(export, event, place, "quic:recovery_metrics_updated", "recovery:metrics_updated", &record)) return -1;
    record.at = PUT(record.at, "\"latest_rtt\":");
    record.at = put_fixed(record.at, event->event->data.conn_established.rtt, 6);
    return end_record(&record, event);
}

static int put_metrics(struct export *export, const struct export_event *event, struct place place) {
    const struct trace_metrics *metrics = &event->event->data.metrics;
    struct record record;
    if (begin_record(export, event, place, "quic:recovery_metrics_updated", "recovery:metrics_updated", &record)) return -1;
    record.at = PUT(record.at, "\"latest_rtt\":");
    record.at = put_fixed(record.at, metrics->rtt, 6);
    record.at = PUT(record.at, ",\"min_rtt\":");
    record.at = put_fixed(record.at, metrics->min_rtt, 6);
    record.at = PUT(record.at, ",\"congestion_window\":");
    record.at = trace_json_unsigned(record.at, metrics->cwnd);
    record.at = PUT(record.at, ",\"bytes_in_flight\":");
    record.at = trace_json_unsigned(record.at, metrics->in_flight);
    return end_record(&record, event);
}

/* We do not know whether it is a transport or an application error: write only the code. */
static int put_closed(struct export *export, const struct export_event *event, struct place place) {
    const struct trace_conn_closed *closed = &event->event->data.conn_closed;
    bool qvis = export->settings->qvis_names;
    struct record record;
    if (begin_record(export, event, place, "quic:connection_closed", "connectivity:connection_closed", &record)) return -1;
    record.at = put_text(record.at, qvis ? "\"owner\":" : "\"initiator\":");
    record.at = put_text(record.at, closed->by_remote ? "\"remote\"" : "\"local\"");
    record.at = put_text(record.at, closed->code ? "" : ",\"connection_error\":\"no_error\"");
    record.at = put_text(record.at, qvis ? ",\"internal_code\":" : ",\"error_code\":");
    record.at = trace_json_unsigned(record.at, closed->code);
    record.at = PUT(record.at, ",\"reason\":");
    record.at = trace_json_string(record.at, closed->reason, strnlen(closed->reason, sizeof closed->reason));
    return end_record(&record, event);
}

/* side: NULL for qvis, whose names have no sides. */
static int put_stream_state(struct export *export, const struct export_event *event, struct place place, const char *side) {
    bool opened = event->event->kind == TRACE_KIND_STREAM_OPENED;
    uint64_t id = event->event->data.stream_opened.stream_id; /* first of stream_closed, too */
    struct record record;
    if (begin_record(export, event, place, "quic:stream_state_updated", "transport:stream_state_updated", &record)) return -1;
    record.at = PUT(record.at, "\"stream_id\":");
    record.at = trace_json_unsigned(record.at, id);
    record.at = put_text(record.at, id & 2 ? ",\"stream_type\":\"unidirectional\"" : ",\"stream_type\":\"bidirectional\"");
    record.at = put_text(record.at, opened ? ",\"new\":\"open\"" : ",\"new\":\"closed\"");
    if (side) {
        record.at = PUT(record.at, ",\"stream_side\":\"");
        record.at = PUT(put_text(record.at, side), "\"");
    }
    if (!opened) {
        record.at = PUT(record.at, ",\"error_code\":");
        record.at = trace_json_unsigned(record.at, event->event->data.stream_closed.code);
    }
    return end_record(&record, event);
}

/* A record for each side of the stream that this node has. */
static int put_stream(struct export *export, const struct export_event *event, struct place place) {
    uint64_t id = event->event->data.stream_opened.stream_id;
    if (export->settings->qvis_names) return put_stream_state(export, event, place, NULL);
    if (!(id & 2))
        return put_stream_state(export, event, place, "sending") || put_stream_state(export, event, place, "receiving") ? -1 : 0;
    if (!place.connection || !place.connection->knows_role) return put_stream_state(export, event, place, "unknown");
    bool by_client = !(id & 1);
    return put_stream_state(export, event, place, by_client == place.connection->dialled ? "sending" : "receiving");
}

static int put_stream_data(struct export *export, const struct export_event *event, struct place place) {
    const struct trace_stream_data *data = &event->event->data.stream_data;
    bool qvis = export->settings->qvis_names;
    struct record record;
    if (begin_record(export, event, place, "quic:stream_data_moved", "transport:data_moved", &record)) return -1;
    record.at = PUT(record.at, "\"stream_id\":");
    record.at = trace_json_unsigned(record.at, data->stream_id);
    record.at = PUT(record.at, ",\"offset\":");
    record.at = trace_json_unsigned(record.at, data->offset);
    record.at = put_text(record.at, data->sent ? ",\"from\":\"application\",\"to\":\"transport\""
                                               : ",\"from\":\"transport\",\"to\":\"application\"");
    if (data->fin) record.at = PUT(record.at, ",\"additional_info\":\"fin_set\"");
    record.at = put_text(record.at, qvis ? ",\"length\":" : ",\"raw\":{\"length\":");
    record.at = put_u64(record.at, data->length);
    if (!qvis) record.at = PUT(record.at, "}");
    return end_record(&record, event);
}

/* ---- the rest ----------------------------------------------------------------------------------------------------------- */

/* The data in our own JSON form, under our own names. */
static int put_own(struct export *export, const struct export_event *event, struct place place) {
    char name[64];
    struct record record;
    *put_text(PUT(name, "p2ptrace:"), event->kind_name) = 0;
    if (begin_record(export, event, place, name, name, &record)) return -1;
    char *data = record.at - 1; /* it writes its own brackets */
    record.at = trace_event_data_json(data, event->event) - 1;
    const struct {
        const char *name;
        struct json_span value;
    } more[] = {{",\"app\":", event->app}, {",\"command\":", event->command}, {",\"fields\":", event->fields}};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        if (more[i].value.bytes) record.at = put_span(put_text(record.at, more[i].name), more[i].value);
    return end_record(&record, event);
}

static int put_event(struct export *export, const struct export_event *event) {
    struct qlog *qlog = export->state;
    struct place place;
    if (place_of(export, &qlog->connections, event, &place)) return -1;
    switch (event->event->kind) {
    case TRACE_KIND_CONN_INIT: return put_started(export, event, place);
    case TRACE_KIND_CONN_ESTABLISHED: return put_established(export, event, place);
    case TRACE_KIND_CONN_CLOSED: return put_closed(export, event, place);
    case TRACE_KIND_STREAM_OPENED:
    case TRACE_KIND_STREAM_CLOSED: return put_stream(export, event, place);
    case TRACE_KIND_STREAM_DATA: return put_stream_data(export, event, place);
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED:
    case TRACE_KIND_PACKET_LOST: return put_packet(export, event, place);
    case TRACE_KIND_METRICS: return put_metrics(export, event, place);
    default: return put_own(export, event, place);
    }
}

static int put_gap(struct export *export, const struct export_gap *gap) {
    struct record record;
    if (!gap->lost) return 0;
    const char *cause = trace_loss_name(gap->lost->event->data.events_lost.cause);
    if (begin_record(export, gap->lost, (struct place){NULL, NULL}, "loglevel:warning", "generic:warning", &record)) return -1;
    record.at = PUT(record.at, "\"code\":");
    record.at = trace_json_unsigned(record.at, gap->count);
    record.at = PUT(record.at, ",\"message\":\"");
    record.at = put_u64(record.at, gap->count);
    record.at = put_text(PUT(record.at, " events lost: "), cause ? cause : "unknown");
    record.at = PUT(record.at, "\"");
    return end_record(&record, gap->lost);
}

/* Called at the first event, when its time is known. */
static int begin_node(struct export *export, struct export_node *node) {
    struct qlog *qlog = export->state;
    (void)node;
    if (qlog->base_ns) return 0;
    qlog->base_ns = export->first_ns;
    if (export->out) put_header(export, export->out, NULL, NULL);
    return 0;
}

static void fini(struct export *export) { connections_fini(&((struct qlog *)export->state)->connections); }

const struct export_format export_format_qlog = {
    .name = "qlog",
    .suffixes = ".sqlog .qlog",
    .doc = "QUIC's own logs: qvis, with --qlog-names qvis; -o DIRECTORY/: a file for each connection",
    .target = EXPORT_FILE_OR_DIRECTORY,
    .state_bytes = sizeof(struct qlog),
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .fini = fini,
};
