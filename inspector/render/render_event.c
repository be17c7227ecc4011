/* SPDX-License-Identifier: MIT
 *
 * One event in words.  A table by kind; a kind that is not in it is shown with its raw data. */
#include "render.h"

#include "json_get.h"
#include "limits.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEX_SHOWN 16

/* ---- small pieces ---- */

void render_text(struct strbuf *out, const json_t *object, const char *key) {
    const char *text = json_get_text(object, key);
    if (text && *text)
        text_untrusted(out, text, strlen(text), CELL_COLUMNS_MAX);
    else
        strbuf_puts(out, "-");
}

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

/* A number member, "?" when it is missing. */
static void number(struct strbuf *out, const json_t *data, const char *key) {
    uint64_t value;
    if (json_get_unsigned(data, key, &value))
        strbuf_printf(out, "%" PRIu64, value);
    else
        strbuf_puts(out, "?");
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
        char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
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

void event_command(struct strbuf *out, const json_t *event) {
    const char *command = json_get_text(event, "command");
    if (command && *command) {
        render_text(out, event, "command");
        return;
    }
    const json_t *data = json_object_get(event, "data");
    render_text(out, data, "app_id");
    strbuf_puts(out, " ");
    number(out, data, "cmd");
}

bool event_request(struct strbuf *out, const json_t *named, const json_t *numbered) {
    const char *app = json_get_text(named, "app"), *command = json_get_text(named, "command");
    if (!app && !json_get_text(numbered, "app_id")) return false;
    if (app && *app)
        render_text(out, named, "app");
    else
        render_text(out, numbered, "app_id");
    strbuf_puts(out, " ");
    if (command && *command)
        render_text(out, named, "command");
    else
        number(out, numbered, "cmd");
    return true;
}

/* ---- kinds ---- */

static void conn_init(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, json_get_bool(data, "by_remote") ? "connection from " : "connecting to ");
    const json_t *endpoint = json_object_get(data, "endpoint");
    if (json_is_object(endpoint)) {
        render_text(out, endpoint, "address");
        strbuf_puts(out, " port ");
        number(out, endpoint, "port");
    } else {
        render_text(out, data, "endpoint");
    }
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
        render_text(out, data, "reason");
    }
}

static void stream(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    strbuf_puts(out, "stream ");
    number(out, data, "stream_id");
    if (!strcmp(json_get_text(event, "kind"), "stream_opened")) {
        strbuf_puts(out, " opened");
    } else {
        strbuf_puts(out, " closed");
        if (json_get_count(data, "code")) strbuf_printf(out, ", code 0x%" PRIx64, json_get_count(data, "code"));
    }
}

static void stream_data(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    strbuf_puts(out, "stream ");
    number(out, data, "stream_id");
    strbuf_puts(out, json_get_bool(data, "sent") ? ": sent " : ": received ");
    size(out, data, "length");
    if (json_get_count(data, "offset")) strbuf_printf(out, " at %" PRIu64, json_get_count(data, "offset"));
    if (json_get_bool(data, "fin")) strbuf_puts(out, ", the end");
}

static void packet(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    const char *kind = json_get_text(event, "kind");
    bool lost = !strcmp(kind, "packet_lost");
    strbuf_puts(out, "packet ");
    number(out, data, "packet_num");
    strbuf_puts(out, lost ? " LOST, " : !strcmp(kind, "packet_sent") ? " sent, " : " received, ");
    if (!lost) {
        size(out, data, "size");
        strbuf_puts(out, ", ");
    }
    render_text(out, data, "space");
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
    strbuf_puts(out, json_get_bool(data, "ok") ? " ok" : " FAILED");
}

static void custom(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view, (void)event;
    const char *bytes = json_get_text(data, "data");
    strbuf_puts(out, "custom ");
    number(out, data, "category");
    strbuf_puts(out, "/");
    number(out, data, "code");
    if (bytes && *bytes) {
        strbuf_puts(out, " data ");
        digits(out, bytes, HEX_SHOWN);
    }
}

static void events_lost(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    strbuf_puts(out, "!! ");
    text_count(out, json_get_count(data, "count"), "event");
    strbuf_puts(out, " of ");
    names_node(out, view->names, json_get_hex(event, "node_id", NODE_DIGITS));
    strbuf_puts(out, " missing here (");
    render_text(out, data, "cause");
    strbuf_puts(out, ")");
}

static void unknown(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data) {
    (void)view;
    const char *bytes = json_get_text(data, "bytes");
    strbuf_puts(out, "unknown kind ");
    if (json_object_get(event, "kind_id"))
        number(out, event, "kind_id");
    else
        render_text(out, event, "kind");
    if (bytes) {
        strbuf_puts(out, ": ");
        digits(out, bytes, HEX_SHOWN);
    } else {
        members(out, data);
    }
}

static const char forward[] = "->", back[] = "<-", both[] = "<>";

/* arrow is NULL where a member of the data decides: that member true means arrow_true, else arrow_false. */
static const struct kind_text {
    const char *kind;
    void (*describe)(struct strbuf *out, const struct view *view, const json_t *event, const json_t *data);
    const char *arrow;
    const char *member, *arrow_true, *arrow_false;
} kinds[] = {
    {"conn_init", conn_init, NULL, "by_remote", back, forward},
    {"conn_established", conn_established, both},
    {"conn_closed", conn_closed, NULL, "by_remote", back, forward},
    {"stream_opened", stream, both},
    {"stream_data", stream_data, NULL, "sent", forward, back},
    {"stream_closed", stream, both},
    {"packet_sent", packet, forward},
    {"packet_received", packet, back},
    {"packet_lost", packet, forward},
    {"metrics", metrics, both},
    {"app_command", app_command, both},
    {"app_start", app_start, back},
    {"app_end", app_end, forward},
    {"custom", custom, both},
    {"events_lost", events_lost, both},
};

static const struct kind_text *kind_of(const json_t *event) {
    const char *kind = json_get_text(event, "kind");
    for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].kind, kind)) return &kinds[i];
    return NULL;
}

void event_describe(struct strbuf *out, const struct view *view, const json_t *event) {
    const struct kind_text *kind = kind_of(event);
    (kind ? kind->describe : unknown)(out, view, event, json_object_get(event, "data"));
}

const char *event_arrow(const json_t *event) {
    const struct kind_text *kind = kind_of(event);
    if (!json_get_hex(event, "peer_id", NODE_DIGITS)) return "";
    if (!kind) return both;
    if (kind->arrow) return kind->arrow;
    return json_get_bool(json_object_get(event, "data"), kind->member) ? kind->arrow_true : kind->arrow_false;
}

enum style event_style(const json_t *event) {
    const char *kind = json_get_text(event, "kind");
    const json_t *data = json_object_get(event, "data");
    if (!kind_of(event)) return STYLE_WARN;
    if (!strcmp(kind, "packet_lost") || !strcmp(kind, "events_lost")) return STYLE_BAD;
    if (!strcmp(kind, "app_end")) return json_get_bool(data, "ok") ? STYLE_GOOD : STYLE_BAD;
    if (!strcmp(kind, "app_start")) return STYLE_HEAD;
    if (!strcmp(kind, "conn_closed") && json_get_count(data, "code")) return STYLE_WARN;
    if (!strncmp(kind, "packet_", 7) || !strcmp(kind, "metrics")) return STYLE_DIM;
    return STYLE_PLAIN;
}
