/* SPDX-License-Identifier: MIT
 *
 * One event in words, by a table of kinds; other kinds are shown with their raw data. */
#include "render.h"

#include "event_role.h"
#include "json_get.h"
#include "json_put.h"
#include "limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEX_SHOWN 16

/* ---- small pieces ---- */

void render_time(struct strbuf *out, const struct view *view, const json_t *time, bool date) {
    uint64_t ns;
    if (json_get_time(time, &ns))
        text_time(out, ns, view->utc, date);
    else
        strbuf_puts(out, "-");
}

void render_node(struct strbuf *out, const struct view *view, const char *node_id) {
    enum style style = node_id ? (enum style)(STYLE_NODE + names_rank(view->names, node_id) % STYLE_NODES) : STYLE_DIM;
    text_style_on(out, view->color, style);
    names_node(out, view->names, node_id);
    text_style_off(out, view->color, style);
}

void render_event_node(struct strbuf *out, const struct view *view, const json_t *event) {
    const char *node_id = json_get_hex(event, "node_id", NODE_DIGITS);
    enum style style = node_id ? (enum style)(STYLE_NODE + names_rank(view->names, node_id) % STYLE_NODES) : STYLE_DIM;
    text_style_on(out, view->color, style);
    names_event_node(out, view->names, event);
    text_style_off(out, view->color, style);
}

static void size(struct strbuf *out, const json_t *data, const char *key) {
    uint64_t value;
    if (json_get_unsigned(data, key, &value))
        text_bytes(out, value);
    else
        strbuf_puts(out, "? B");
}

static void duration(struct strbuf *out, const json_t *data, const char *key) {
    uint64_t value;
    if (json_get_unsigned(data, key, &value))
        text_duration(out, value);
    else
        strbuf_puts(out, "?");
}

/* Hex digits, shortened. */
static void digits(struct strbuf *out, const char *text, unsigned shown) {
    size_t count = strlen(text);
    if (strspn(text, "0123456789abcdef") < count) {
        text_untrusted(out, text, count, CELL_COLUMNS_MAX);
        return;
    }
    strbuf_add(out, text, count < shown ? count : shown);
    if (count > shown) strbuf_puts(out, "..");
}

/* Any JSON value on one line. */
static void any_value(struct strbuf *out, const json_t *value) {
    const char *text = json_string_value(value);
    size_t count = text ? strlen(text) : 0;
    if (count >= 32 && strspn(text, "0123456789abcdef") == count) {
        digits(out, text, ID_DIGITS_MIN);
    } else if (text) {
        text_untrusted(out, text, count, CELL_COLUMNS_MAX);
    } else {
        char *dump = json_text_new(value, JSON_COMPACT);
        if (dump) text_untrusted(out, dump, strlen(dump), CELL_COLUMNS_MAX);
        free(dump);
    }
}

/* " name value" for each member. */
static void members(struct strbuf *out, const json_t *object) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        strbuf_puts(out, " ");
        text_untrusted(out, key, strlen(key), CELL_COLUMNS_MAX);
        strbuf_puts(out, " ");
        any_value(out, value);
    }
}

/* The name of a number in a table; the number itself if this version's table does not have it. */
static void name_or_number(struct strbuf *out, const json_t *data, const char *key) {
    if (json_get_text(data, key))
        text_member(out, data, key);
    else
        text_number(out, data, key);
}

/* ---- kinds ---- */

static void put_endpoint(struct strbuf *out, const json_t *data) {
    const json_t *endpoint = json_object_get(data, "endpoint");
    if (json_is_object(endpoint)) {
        text_member(out, endpoint, "address");
        strbuf_puts(out, " port ");
        text_number(out, endpoint, "port");
    } else {
        text_member(out, data, "endpoint");
    }
}

static void conn_init(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, json_get_bool(data, "by_remote") ? "connection from " : "connecting to ");
    put_endpoint(out, data);
}

static void conn_migrated(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out,
                json_get_bool(data, "by_remote") ? "connection migrated, the peer is now at " : "connection migrated, with ");
    put_endpoint(out, data);
}

static void conn_retry(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "Retry: the address must be validated, with ");
    put_endpoint(out, data);
}

static void conn_version(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    if (json_get_count(data, "version"))
        strbuf_printf(out, "version negotiated: 0x%08" PRIx64, json_get_count(data, "version"));
    else
        strbuf_puts(out, "no version in common");
}

static void conn_reset(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "STATELESS RESET from ");
    put_endpoint(out, data);
}

static void early_data(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, json_get_bool(data, "accepted") ? "0-RTT data accepted" : "0-RTT data rejected");
}

static void key_updated(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "keys updated, update ");
    text_number(out, data, "updates");
}

/* "is also 192.0.2.1:4433, udp": about the peer, or the node itself. */
static void alias(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    const char *id = json_get_hex(data, "alias_id", NODE_DIGITS), *label = json_get_text(data, "label");
    const char *transport = json_get_text(data, "transport");
    strbuf_puts(out, json_get_hex(event, "peer_id", NODE_DIGITS) ? "peer is also " : "is also ");
    names_short_node(out, view->names, id);
    if (transport && strcmp(transport, "other") != 0) strbuf_printf(out, ", %s", transport);
    if (!label || !*label || (id && names_is_address(id))) return;
    strbuf_puts(out, ", ");
    text_member(out, data, "label");
}

static void conn_established(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "connected, rtt ");
    duration(out, data, "rtt");
}

static void conn_closed(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    const char *reason = json_get_text(data, "reason");
    strbuf_puts(out, json_get_bool(data, "by_remote") ? "connection closed by the peer" : "connection closed");
    if (json_get_count(data, "code")) strbuf_printf(out, ", code 0x%" PRIx64, json_get_count(data, "code"));
    if (reason && *reason) {
        strbuf_puts(out, ": ");
        text_member(out, data, "reason");
    }
}

static void stream(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    strbuf_puts(out, "stream ");
    text_number(out, data, "stream_id");
    if (json_get_kind(event) == TRACE_KIND_STREAM_OPENED) {
        strbuf_puts(out, " opened");
    } else {
        strbuf_puts(out, " closed");
        if (json_get_count(data, "code")) strbuf_printf(out, ", code 0x%" PRIx64, json_get_count(data, "code"));
    }
}

static void stream_data(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "stream ");
    text_number(out, data, "stream_id");
    strbuf_puts(out, json_get_bool(data, "sent") ? ": sent " : ": received ");
    size(out, data, "length");
    if (json_get_count(data, "offset")) strbuf_printf(out, " at %" PRIu64, json_get_count(data, "offset"));
    if (json_get_bool(data, "fin")) strbuf_puts(out, ", the end");
}

static void message(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    const char *type = json_get_text(data, "type");
    if (type && *type)
        text_member(out, data, "type");
    else
        strbuf_puts(out, "message");
    strbuf_puts(out, " ");
    text_number(out, data, "message_id");
    strbuf_puts(out, json_get_kind(event) == TRACE_KIND_MESSAGE_RECEIVED ? " received, "
                     : event_has_flag(event, "retransmission")           ? " sent again, "
                                                                         : " sent, ");
    size(out, data, "size");
    strbuf_puts(out, ", ");
    name_or_number(out, data, "transport");
}

static void packet(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    uint16_t kind = json_get_kind(event);
    bool lost = kind == TRACE_KIND_PACKET_LOST;
    strbuf_puts(out, event_has_flag(event, "probe") ? "MTU probe " : "packet ");
    text_number(out, data, "packet_num");
    strbuf_puts(out, lost                                      ? " LOST, "
                     : kind == TRACE_KIND_PACKET_RECEIVED      ? " received, "
                     : event_has_flag(event, "retransmission") ? " sent again, "
                                                               : " sent, ");
    if (!lost) {
        size(out, data, "size");
        strbuf_puts(out, ", ");
    }
    name_or_number(out, data, "space");
}

static void metrics(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "rtt ");
    duration(out, data, "rtt");
    strbuf_puts(out, ", least ");
    duration(out, data, "min_rtt");
    strbuf_puts(out, ", window ");
    size(out, data, "cwnd");
    strbuf_puts(out, ", in flight ");
    size(out, data, "in_flight");
}

static void app_command(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    const json_t *fields = json_object_get(event, "fields");
    event_command(out, event);
    if (json_is_object(fields)) {
        members(out, fields);
    } else if (json_get_text(data, "data") && *json_get_text(data, "data")) {
        strbuf_puts(out, " data ");
        digits(out, json_get_text(data, "data"), HEX_SHOWN);
    }
}

static void app_start(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)data;
    strbuf_puts(out, "> ");
    event_command(out, event);
}

static void app_end(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    strbuf_puts(out, "< ");
    event_command(out, event);
    strbuf_puts(out, json_get_bool(data, "ok") ? " ok" : event_has_flag(event, "expired") ? " EXPIRED" : " FAILED");
}

static void link(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)event;
    const char *relation = json_get_text(data, "relation"), *span = json_get_hex(data, "linked_span_id", SPAN_DIGITS);
    const char *trace = json_get_hex(data, "linked_trace_id", TRACE_DIGITS);
    strbuf_puts(out, "link: ");
    if (relation && *relation) {
        text_member(out, data, "relation");
        strbuf_puts(out, " ");
    }
    strbuf_puts(out, "trace ");
    if (trace)
        names_short_trace(out, view->names, trace);
    else
        strbuf_puts(out, "?");
    if (span && strspn(span, "0") < SPAN_DIGITS) strbuf_printf(out, ", span %s", span);
}

static void custom(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    const char *bytes = json_get_text(data, "data");
    strbuf_puts(out, "custom ");
    text_number(out, data, "category");
    strbuf_puts(out, "/");
    text_number(out, data, "code");
    if (bytes && *bytes) {
        strbuf_puts(out, " data ");
        digits(out, bytes, HEX_SHOWN);
    }
}

static void events_lost(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    strbuf_puts(out, "!! ");
    text_count(out, json_get_count(data, "count"), "event");
    strbuf_puts(out, " of ");
    names_event_node(out, view->names, event);
    strbuf_puts(out, " missing here (");
    text_member(out, data, "cause");
    strbuf_puts(out, ")");
}

static void unknown(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    const char *bytes = json_get_text(data, "bytes");
    strbuf_puts(out, "unknown kind ");
    if (json_object_get(event, "kind_id"))
        text_number(out, event, "kind_id");
    else
        text_member(out, event, "kind");
    if (bytes) {
        strbuf_puts(out, ": ");
        digits(out, bytes, HEX_SHOWN);
    } else {
        members(out, data);
    }
}

/* By kind. */
static void (*const describers[])(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) = {
    [TRACE_KIND_CONN_INIT] = conn_init,
    [TRACE_KIND_CONN_ESTABLISHED] = conn_established,
    [TRACE_KIND_CONN_CLOSED] = conn_closed,
    [TRACE_KIND_STREAM_OPENED] = stream,
    [TRACE_KIND_STREAM_DATA] = stream_data,
    [TRACE_KIND_STREAM_CLOSED] = stream,
    [TRACE_KIND_PACKET_SENT] = packet,
    [TRACE_KIND_PACKET_RECEIVED] = packet,
    [TRACE_KIND_PACKET_LOST] = packet,
    [TRACE_KIND_METRICS] = metrics,
    [TRACE_KIND_APP_COMMAND] = app_command,
    [TRACE_KIND_APP_START] = app_start,
    [TRACE_KIND_APP_END] = app_end,
    [TRACE_KIND_CUSTOM] = custom,
    [TRACE_KIND_EVENTS_LOST] = events_lost,
    [TRACE_KIND_MESSAGE_SENT] = message,
    [TRACE_KIND_MESSAGE_RECEIVED] = message,
    [TRACE_KIND_LINK] = link,
    [TRACE_KIND_CONN_MIGRATED] = conn_migrated,
    [TRACE_KIND_CONN_RETRY] = conn_retry,
    [TRACE_KIND_CONN_VERSION] = conn_version,
    [TRACE_KIND_CONN_RESET] = conn_reset,
    [TRACE_KIND_EARLY_DATA] = early_data,
    [TRACE_KIND_KEY_UPDATED] = key_updated,
    [TRACE_KIND_ALIAS] = alias,
};

void event_describe(struct strbuf *out, const struct view *view, const json_t *event) {
    uint16_t kind = json_get_kind(event);
    bool known = kind < sizeof describers / sizeof *describers && describers[kind];
    (known ? describers[kind] : unknown)(out, view, event, json_object_get(event, "data"));
}

enum style event_style(const json_t *event) {
    const json_t *data = json_object_get(event, "data");
    switch (json_get_kind(event)) {
    case 0: return STYLE_WARN; /* unknown */
    case TRACE_KIND_PACKET_LOST: return event_has_flag(event, "probe") ? STYLE_DIM : STYLE_BAD;
    case TRACE_KIND_CONN_RESET:
    case TRACE_KIND_EVENTS_LOST: return STYLE_BAD;
    case TRACE_KIND_APP_END: return json_get_bool(data, "ok") ? STYLE_GOOD : STYLE_BAD;
    case TRACE_KIND_APP_START: return STYLE_HEAD;
    case TRACE_KIND_CONN_CLOSED: return json_get_count(data, "code") ? STYLE_WARN : STYLE_PLAIN;
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED:
    case TRACE_KIND_METRICS: return STYLE_DIM;
    default: return STYLE_PLAIN;
    }
}
