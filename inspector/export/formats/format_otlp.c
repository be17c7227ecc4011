/* SPDX-License-Identifier: MIT
 *
 * otlp: OpenTelemetry's traces as JSON lines, each an ExportTraceServiceRequest of up to BATCH_SPANS spans.
 *
 *     resource   a node
 *     span       an application's span (app_start to app_end); a connection on a node, in the trace that both its ends share;
 *                or a message of the program, of no length, PRODUCER or CONSUMER, within its trace's span
 *     event      any other event: in the open span of its trace on its node that began last; otherwise in its connection's
 *                span; otherwise in a span of no length
 *     link       from an application's span to the connections that carried it; from a received message to the sent one; and
 *                the program's own links (kind `link`)
 *
 * With --push a batch goes to a receiver instead (push.h). */
#include "export_sent.h"
#include "otlp_attributes.h"
#include "push.h"
#include "strbuf.h"

#include <inttypes.h>
#include <proto/event_json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_SPANS 512
#define BATCH_BYTES ((size_t)1 << 20)
#define SPAN_EVENTS_MAX 256 /* in one span; droppedEventsCount counts the rest */
#define SPAN_LINKS_MAX 8
#define SPAN_OWN_LINKS_MAX 128 /* the program's; droppedLinksCount counts the rest */
#define SPANS_OPEN_MAX 8192    /* an older span is ended, incomplete */

enum { KIND_INTERNAL = 1, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER, STATUS_OK = 1, STATUS_ERROR = 2 };

struct span {
    struct export_node *node;
    struct trace_id trace_id;
    uint8_t id[8], parent_id[8];
    bool has_parent, parent_elsewhere, incomplete;
    int kind, status;
    const char *status_message; /* content of a JSON string, or NULL */
    uint64_t start_ns, end_ns;
    uint64_t lost_before;                    /* of the node, when the span began */
    struct strbuf name;                      /* content of a JSON string */
    struct strbuf attributes, events, links; /* elements of arrays */
    uint32_t event_count, dropped, link_count, own_link_count, dropped_links;
    uint32_t linked[SPAN_LINKS_MAX]; /* connections, by number */
    struct span *before;             /* in its trace on its node: the one that began before it and is open */
    struct span *older, *newer;      /* among all open spans */
};

struct otlp {
    struct connections connections;
    struct map spans;  /* open spans, by trace and span id */
    struct map newest; /* by node and trace: the open span that began last */
    struct span *oldest_open, *newest_open;
    struct sent sent; /* messages, each with the struct span_name of its span */
    size_t batch_spans, batch_bytes;
    struct strbuf body;                      /* the batch as a request */
    struct push *push;                       /* NULL: to a file */
    char piece[TRACE_EVENT_JSON_MAX + 4096]; /* for an event that is being written */
};

/* The target of a link. */
struct span_name {
    struct trace_id trace_id;
    uint8_t id[8];
};

/* Spans that wait for the batch to be written, by node. */
struct pending {
    struct strbuf spans;
};

/* ---- spans -------------------------------------------------------------------------------------------------------------- */

static void free_span(void *value) {
    struct span *span = value;
    if (!span) return;
    strbuf_fini(&span->name);
    strbuf_fini(&span->attributes);
    strbuf_fini(&span->events);
    strbuf_fini(&span->links);
    free(span);
}

static struct span *new_span(const struct export_event *event, const struct trace_id *trace_id, const uint8_t id[8]) {
    struct span *span = calloc(1, sizeof *span);
    if (!span) return NULL;
    span->node = event->node;
    span->trace_id = *trace_id;
    memcpy(span->id, id, sizeof span->id);
    span->kind = KIND_INTERNAL;
    span->start_ns = span->end_ns = event->event->timestamp;
    span->lost_before = event->node->lost;
    return span;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t count) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3); /* FNV-1a */
    return hash;
}

/* The id of a span for which no node chose one: the same in every export. */
static void make_id(uint8_t out[8], const struct export_node *node, const void *what, size_t bytes) {
    uint64_t hash = mix(mix(UINT64_C(0xcbf29ce484222325), node->id.bytes, sizeof node->id.bytes), what, bytes);
    if (!hash) hash = 1;
    memcpy(out, &hash, sizeof hash);
}

/* The trace id of events without a trace; an id of zero is not valid. */
static struct trace_id trace_of_node(const struct export_node *node) {
    struct trace_id id;
    memcpy(id.bytes, node->id.bytes, sizeof id.bytes);
    if (trace_id_is_zero(&id)) id.bytes[sizeof id.bytes - 1] = 1;
    return id;
}

/* Adds the event's attributes to the span's, unless they would come twice. */
static void add_attributes(struct otlp *otlp, struct span *span, const struct export_event *event) {
    char *end = otlp_put_attributes(otlp->piece, event);
    strbuf_add(&span->attributes, otlp->piece, (size_t)(end - otlp->piece));
}

static void add_event(struct otlp *otlp, struct span *span, const struct export_event *event) {
    if (event->event->timestamp > span->end_ns) span->end_ns = event->event->timestamp;
    if (span->event_count == SPAN_EVENTS_MAX) {
        span->dropped++;
        return;
    }
    char *out = PUT(otlp->piece, "{\"timeUnixNano\":\"");
    out = put_u64(out, event->event->timestamp);
    out = PUT(out, "\",\"name\":\"");
    out = event->event->kind == TRACE_KIND_APP_COMMAND ? put_title(out, event) : put_text(out, event->kind_name);
    out = PUT(out, "\",\"attributes\":[");
    out = otlp_put_attributes(out, event) - 1;
    out = PUT(out, "]},");
    strbuf_add(&span->events, otlp->piece, (size_t)(out - otlp->piece));
    span->event_count++;
}

/* Makes a request of the waiting spans: a resource for each node that has any.  Returns 0, or -1 when out of memory. */
static int make_body(struct export *export) {
    struct strbuf *body = &((struct otlp *)export->state)->body;
    bool any = false;
    strbuf_clear(body);
    strbuf_puts(body, "{\"resourceSpans\":[");
    for (size_t i = 0; i < export->node_count; i++) {
        struct export_node *node = export->nodes[i];
        struct pending *pending = node->own;
        if (!pending || !pending->spans.bytes) continue;
        if (pending->spans.failed) return -1;
        strbuf_printf(body,
                      "%s{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":%s}},"
                      "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"%s\"}},"
                      "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"%" PRIu32 "\"}}]},"
                      "\"scopeSpans\":[{\"scope\":{\"name\":\"p2ptrace\"},\"spans\":[",
                      any ? "," : "", node->json_name, node->hex, node->pid);
        strbuf_add(body, pending->spans.text, pending->spans.bytes - 1);
        strbuf_puts(body, "]}]}");
        strbuf_clear(&pending->spans);
        any = true;
    }
    strbuf_puts(body, "]}");
    return body->failed ? -1 : 0;
}

/* Returns the outcome of the push, with the failure. */
static int finish_push(struct export *export) {
    struct push_result result;
    if (push_finish(((struct otlp *)export->state)->push, &result, export->failure)) return -1;
    if (!result.rejected) return 0;
    return failure_set(export->failure, EXIT_FAILED, "the receiver rejected %" PRIu64 " of the spans%s%s", result.rejected,
                       *result.message ? ": " : "", result.message);
}

static int write_batch(struct export *export) {
    struct otlp *otlp = export->state;
    if (!otlp->batch_spans) return 0;
    otlp->batch_spans = otlp->batch_bytes = 0;
    if (make_body(export)) return export_out_of_memory(export);
    if (otlp->push) {
        struct strbuf body = otlp->body;
        otlp->body = (struct strbuf){0}; /* the push has taken its text */
        return push_send(otlp->push, body.text, body.bytes) ? finish_push(export) : 0;
    }
    writer_put(export->out, otlp->body.text, otlp->body.bytes);
    writer_puts(export->out, "\n");
    return 0;
}

static void put_array(struct strbuf *out, const char *name, const struct strbuf *elements) {
    if (!elements->bytes) return;
    strbuf_printf(out, ",\"%s\":[", name);
    strbuf_add(out, elements->text, elements->bytes - 1);
    strbuf_puts(out, "]");
}

/* Puts a finished span into the batch, and frees it. */
static int end_span(struct export *export, struct span *span) {
    struct otlp *otlp = export->state;
    struct pending *pending = span->node->own;
    struct strbuf *out = &pending->spans;
    char text[512], *at = PUT(text, "{\"traceId\":\"");
    size_t before = out->bytes;
    at = put_hex(at, span->trace_id.bytes, 16);
    at = put_hex(PUT(at, "\",\"spanId\":\""), span->id, 8);
    if (span->has_parent) at = put_hex(PUT(at, "\",\"parentSpanId\":\""), span->parent_id, 8);
    at = put_u64(PUT(at, "\",\"startTimeUnixNano\":\""), span->start_ns);
    at = put_u64(PUT(at, "\",\"endTimeUnixNano\":\""), span->end_ns);
    at = put_u64(PUT(at, "\",\"kind\":"), (uint64_t)span->kind);
    strbuf_add(out, text, (size_t)(at - text));
    strbuf_puts(out, ",\"name\":\"");
    strbuf_add(out, span->name.text, span->name.bytes);
    strbuf_puts(out, "\"");
    if (span->node->lost > span->lost_before) {
        at = otlp_put_integer(text, "p2ptrace.events_lost", span->node->lost - span->lost_before);
        strbuf_add(&span->attributes, text, (size_t)(at - text));
    }
    if (span->incomplete)
        strbuf_add(&span->attributes, text, (size_t)(otlp_put_boolean(text, "p2ptrace.incomplete", true) - text));
    put_array(out, "attributes", &span->attributes);
    put_array(out, "events", &span->events);
    put_array(out, "links", &span->links);
    if (span->dropped) strbuf_printf(out, ",\"droppedEventsCount\":%" PRIu32, span->dropped);
    if (span->dropped_links) strbuf_printf(out, ",\"droppedLinksCount\":%" PRIu32, span->dropped_links);
    if (span->status) {
        strbuf_printf(out, ",\"status\":{\"code\":%d", span->status);
        if (span->status_message) strbuf_printf(out, ",\"message\":\"%s\"", span->status_message);
        strbuf_puts(out, "}");
    }
    strbuf_puts(out, "},");
    bool failed = out->failed || span->name.failed || span->attributes.failed || span->events.failed || span->links.failed;
    otlp->batch_bytes += out->bytes - before;
    otlp->batch_spans++;
    free_span(span);
    if (failed) return export_out_of_memory(export);
    return otlp->batch_spans >= BATCH_SPANS || otlp->batch_bytes >= BATCH_BYTES ? write_batch(export) : 0;
}

/* ---- connections -------------------------------------------------------------------------------------------------------- */

/* connection->own points to this pointer to the span, because the span can end before the connection is forgotten. */
struct connection_span {
    struct span *span; /* NULL: ended */
    struct span_name name;
};

static struct connection_span *span_of_connection(struct export *export, struct connection *connection,
                                                  const struct export_event *event) {
    struct otlp *otlp = export->state;
    struct connection_span *own = connection->own;
    if (!own) {
        own = connection->own = calloc(1, sizeof *own);
        if (!own) return NULL;
        bool named = !trace_id_is_zero(&connection->trace_id);
        own->name.trace_id = connection->trace_id;
        /* If the connection has no trace of its own: the one that its first event names. */
        if (!named) own->name.trace_id = trace_of_node(event->node);
        make_id(own->name.id, event->node, named ? (void *)&own->name.trace_id : (void *)&connection->begun_ns,
                named ? sizeof own->name.trace_id : sizeof connection->begun_ns);
    }
    if (own->span || !connection->open) return own;
    own->span = new_span(event, &own->name.trace_id, own->name.id);
    if (!own->span) return NULL;
    own->span->kind = !connection->knows_role ? KIND_INTERNAL : connection->dialled ? KIND_CLIENT : KIND_SERVER;
    own->span->incomplete = event->event->kind != TRACE_KIND_CONN_INIT;
    char *end = otlp_put_string(otlp->piece, "network.transport", "quic", 4);
    strbuf_add(&own->span->attributes, otlp->piece, (size_t)(end - otlp->piece));
    return own;
}

/* Sets the span's name, and adds what is known of the peer, once the span is over. */
static int end_connection(struct export *export, struct connection *connection) {
    struct otlp *otlp = export->state;
    struct connection_span *own = connection->own;
    struct span *span = own->span;
    char peer[PEER_NAME_BYTES], json[6 * PEER_NAME_BYTES + 2];
    own->span = NULL;
    connection_peer_name(export, connection, peer);
    size_t bytes = (size_t)(trace_json_string(json, peer, strlen(peer)) - json);
    strbuf_puts(&span->name, connection->dialled ? "connection to " : "connection with ");
    strbuf_add(&span->name, json + 1, bytes - 2);
    if (!connection->has_peer) return end_span(export, span);
    char *end = otlp_put_hex_attribute(otlp->piece, "peer_id", connection->peer_id.bytes, sizeof connection->peer_id.bytes);
    strbuf_add(&span->attributes, otlp->piece, (size_t)(end - otlp->piece));
    return end_span(export, span);
}

/* Begins a link; leaves out its closing brace. */
static char *put_link(char *out, const struct span_name *to) {
    out = put_hex(PUT(out, "{\"traceId\":\""), to->trace_id.bytes, 16);
    out = put_hex(PUT(out, "\",\"spanId\":\""), to->id, 8);
    return PUT(out, "\"");
}

/* Links a span to another one.  The number of links is limited: the caller counts. */
static void add_link(struct otlp *otlp, struct span *span, const struct span_name *to) {
    char *out = PUT(put_link(otlp->piece, to), "},");
    strbuf_add(&span->links, otlp->piece, (size_t)(out - otlp->piece));
}

static void link_connection(struct otlp *otlp, struct span *span, const struct connection *connection,
                            const struct connection_span *own) {
    for (uint32_t i = 0; i < span->link_count; i++)
        if (span->linked[i] == connection->number) return;
    if (span->link_count == SPAN_LINKS_MAX) return;
    span->linked[span->link_count++] = connection->number;
    add_link(otlp, span, &own->name);
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static struct map_key span_key(const struct trace_id *trace_id, const uint8_t id[8]) {
    struct map_key key = map_key(0, 0, trace_id->bytes, sizeof trace_id->bytes);
    memcpy(key.id + sizeof trace_id->bytes, id, 8);
    return key;
}

static struct map_key newest_key(const struct export_node *node, const struct trace_id *trace_id) {
    return map_key(node->number, 0, trace_id->bytes, sizeof trace_id->bytes);
}

static void id_bytes(uint8_t out[8], uint64_t id) {
    id = __builtin_bswap64(id);
    memcpy(out, &id, sizeof id);
}

/* A new span of no length that represents the event. */
static struct span *span_of_event(struct otlp *otlp, const struct export_event *event) {
    struct {
        uint64_t timestamp;
        uint32_t lane, sequence;
    } what = {event->event->timestamp, event->lane, event->event->sequence};
    struct trace_id trace_id = event->event->trace_id;
    uint8_t id[8];
    make_id(id, event->node, &what, sizeof what);
    if (trace_id_is_zero(&trace_id)) trace_id = trace_of_node(event->node);
    struct span *span = new_span(event, &trace_id, id);
    if (span) add_attributes(otlp, span, event);
    return span;
}

/* For an event that belongs to no other span. */
static int put_alone(struct export *export, const struct export_event *event) {
    struct otlp *otlp = export->state;
    struct span *span = span_of_event(otlp, event);
    if (!span) return export_out_of_memory(export);
    strbuf_add(&span->name, otlp->piece, (size_t)(put_title(otlp->piece, event) - otlp->piece));
    return end_span(export, span);
}

/* Ends a span whose end did not come, and marks it as such. */
static void cut(const struct export *export, struct span *span) {
    span->incomplete = true;
    if (span->end_ns < export->last_ns) span->end_ns = export->last_ns;
}

/* Removes the span from the open spans, and from those of its trace. */
static void unlink_span(struct otlp *otlp, struct span *span) {
    *(span->older ? &span->older->newer : &otlp->oldest_open) = span->newer;
    *(span->newer ? &span->newer->older : &otlp->newest_open) = span->older;
    struct map_key newest = newest_key(span->node, &span->trace_id), key = span_key(&span->trace_id, span->id);
    map_remove(&otlp->spans, &key);
    struct span *head = map_get(&otlp->newest, &newest), **at = &head;
    while (*at && *at != span) at = &(*at)->before;
    if (*at) *at = span->before;
    if (!head) {
        map_remove(&otlp->newest, &newest);
        return;
    }
    void **place = map_at(&otlp->newest, &newest); /* the key exists: allocates nothing */
    if (place) *place = head;
}

static int cut_oldest(struct export *export) {
    struct otlp *otlp = export->state;
    struct span *span = otlp->oldest_open;
    unlink_span(otlp, span);
    cut(export, span);
    return end_span(export, span);
}

static int put_start(struct export *export, const struct export_event *event) {
    struct otlp *otlp = export->state;
    const struct trace_app_start *start = &event->event->data.app_start;
    uint8_t id[8], parent_id[8];
    id_bytes(id, start->span_id);
    id_bytes(parent_id, start->parent_id);
    /* Ids of zero are not valid. */
    if (!start->span_id || trace_id_is_zero(&event->event->trace_id)) return put_alone(export, event);
    struct map_key key = span_key(&event->event->trace_id, id), newest = newest_key(event->node, &event->event->trace_id),
                   parent_key = span_key(&event->event->trace_id, parent_id);
    const struct span *parent = start->parent_id ? map_get(&otlp->spans, &parent_key) : NULL;
    bool elsewhere = start->parent_id && (!parent || parent->node != event->node);
    void **at = map_at(&otlp->spans, &key);
    if (at && *at) return put_alone(export, event); /* a second span with this id */
    void **newest_at = map_at(&otlp->newest, &newest);
    if (!at || !newest_at) return export_out_of_memory(export);
    struct span *span = *at = new_span(event, &event->event->trace_id, id);
    if (!span) return export_out_of_memory(export);
    span->has_parent = start->parent_id;
    memcpy(span->parent_id, parent_id, sizeof parent_id);
    span->kind = elsewhere ? KIND_SERVER : KIND_INTERNAL;
    span->before = *newest_at;
    *newest_at = span;
    span->older = otlp->newest_open;
    *(span->older ? &span->older->newer : &otlp->oldest_open) = span;
    otlp->newest_open = span;
    strbuf_add(&span->name, otlp->piece, (size_t)(put_title(otlp->piece, event) - otlp->piece));
    add_attributes(otlp, span, event);
    return otlp->spans.count > SPANS_OPEN_MAX ? cut_oldest(export) : 0;
}

static int put_end(struct export *export, const struct export_event *event) {
    struct otlp *otlp = export->state;
    const struct trace_app_end *end = &event->event->data.app_end;
    uint8_t id[8];
    id_bytes(id, end->span_id);
    struct map_key key = span_key(&event->event->trace_id, id);
    struct span *span = map_get(&otlp->spans, &key);
    if (!span || span->node != event->node) return put_alone(export, event); /* its start is missing */
    unlink_span(otlp, span);
    span->end_ns = event->event->timestamp;
    span->status = end->ok ? STATUS_OK : STATUS_ERROR;
    if (!end->ok && event->event->flags & TRACE_FLAG_EXPIRED) span->status_message = "expired";
    char *out = otlp_put_integer(otlp->piece, "p2ptrace.end_sequence", event->event->sequence);
    strbuf_add(&span->attributes, otlp->piece, (size_t)(out - otlp->piece));
    return end_span(export, span);
}

static int put_transport(struct export *export, const struct export_event *event, struct span *span) {
    struct otlp *otlp = export->state;
    struct place place;
    if (place_of(export, &otlp->connections, event, &place)) return -1;
    struct connection *connection = place.connection;
    struct connection_span *own = connection ? span_of_connection(export, connection, event) : NULL;
    if (connection && !own) return export_out_of_memory(export);
    if (span && own) link_connection(otlp, span, connection, own);
    struct span *to = span ? span : own ? own->span : NULL;
    if (!to) return put_alone(export, event);
    add_event(otlp, to, event);
    if (event->event->kind != TRACE_KIND_CONN_CLOSED || !own || !own->span) return 0;
    own->span->end_ns = event->event->timestamp;
    own->span->status = event->event->data.conn_closed.code ? STATUS_ERROR : STATUS_OK;
    return end_connection(export, connection);
}

/* Remembers the span of a message that was sent; links the span of a received message to it, if it is clear which one it was. */
static int pair_message(struct export *export, const struct export_event *event, struct span *span) {
    struct otlp *otlp = export->state;
    struct map_key key;
    struct sent_item item;
    if (!sent_key(event, NULL, &key)) return 0;
    if (is_sending(event)) {
        struct span_name *name = malloc(sizeof *name);
        if (!name) return -1;
        *name = (struct span_name){.trace_id = span->trace_id};
        memcpy(name->id, span->id, sizeof name->id);
        return sent_remember(&otlp->sent, &key, event, name);
    }
    if (!sent_take(&otlp->sent, &key, &item)) return 0;
    if (!item.repeated) add_link(otlp, span, item.own);
    free(item.own);
    return 0;
}

/* A span of its own, as the messaging conventions require, within its trace's span. */
static int put_message(struct export *export, const struct export_event *event, const struct span *parent) {
    struct otlp *otlp = export->state;
    bool sends = is_sending(event);
    const struct trace_message_sent *message = &event->event->data.message_sent; /* message_received has the same layout */
    struct place place;
    if (place_of(export, &otlp->connections, event, &place)) return -1;
    struct span *span = span_of_event(otlp, event);
    if (!span) return export_out_of_memory(export);
    span->kind = sends ? KIND_PRODUCER : KIND_CONSUMER;
    if (parent) memcpy(span->parent_id, parent->id, sizeof span->parent_id);
    span->has_parent = parent;
    char json[6 * sizeof message->type + 3],
        *end = trace_json_string(json, message->type, strnlen(message->type, sizeof message->type));
    strbuf_puts(&span->name, sends ? "send " : "receive ");
    if (*message->type)
        strbuf_add(&span->name, json + 1, (size_t)(end - json) - 2);
    else
        strbuf_puts(&span->name, "message");
    const struct connection_span *own = place.connection ? span_of_connection(export, place.connection, event) : NULL;
    if (own) link_connection(otlp, span, place.connection, own);
    if (pair_message(export, event, span)) {
        free_span(span);
        return export_out_of_memory(export);
    }
    return end_span(export, span);
}

/* A link of the program's own, with its relation.  Returns false if it points at nothing: ids of zero are not valid. */
static bool add_own_link(struct otlp *otlp, struct span *span, const struct trace_link *link) {
    struct span_name to;
    if (link->linked_trace_id_bytes != sizeof to.trace_id.bytes || !link->linked_span_id) return false;
    memcpy(to.trace_id.bytes, link->linked_trace_id, sizeof to.trace_id.bytes);
    if (trace_id_is_zero(&to.trace_id)) return false;
    id_bytes(to.id, link->linked_span_id);
    if (span->own_link_count == SPAN_OWN_LINKS_MAX) {
        span->dropped_links++;
        return true;
    }
    span->own_link_count++;
    char *out = put_link(otlp->piece, &to);
    if (*link->relation) {
        char json[6 * sizeof link->relation + 3];
        char *end = trace_json_string(json, link->relation, strnlen(link->relation, sizeof link->relation));
        out = PUT(out, ",\"attributes\":[");
        out = otlp_put_string(out, "relation", json + 1, (size_t)(end - json) - 2) - 1;
        *out++ = ']';
    }
    out = PUT(out, "},");
    strbuf_add(&span->links, otlp->piece, (size_t)(out - otlp->piece));
    return true;
}

/* In the span that the event names, if that is open; otherwise in the one that began last; otherwise in one of its own. */
static int put_link_event(struct export *export, const struct export_event *event, struct span *newest) {
    struct otlp *otlp = export->state;
    const struct trace_link *link = &event->event->data.link;
    uint8_t id[8];
    id_bytes(id, link->span_id);
    struct map_key key = span_key(&event->event->trace_id, id);
    struct span *named = link->span_id ? map_get(&otlp->spans, &key) : NULL, *span = named ? named : newest;
    if (!span) {
        struct span *alone = span_of_event(otlp, event);
        if (!alone) return export_out_of_memory(export);
        strbuf_add(&alone->name, otlp->piece, (size_t)(put_title(otlp->piece, event) - otlp->piece));
        add_own_link(otlp, alone, link);
        return end_span(export, alone);
    }
    if (!add_own_link(otlp, span, link)) add_event(otlp, span, event);
    return 0;
}

static int put_event(struct export *export, const struct export_event *event) {
    struct otlp *otlp = export->state;
    if (event->event->kind == TRACE_KIND_APP_START) return put_start(export, event);
    if (event->event->kind == TRACE_KIND_APP_END) return put_end(export, event);
    struct map_key newest = newest_key(event->node, &event->event->trace_id);
    struct span *span = trace_id_is_zero(&event->event->trace_id) ? NULL : map_get(&otlp->newest, &newest);
    if (is_transport(event)) return put_transport(export, event, span);
    if (is_message(event)) return put_message(export, event, span);
    if (event->event->kind == TRACE_KIND_LINK) return put_link_event(export, event, span);
    if (!span) return put_alone(export, event);
    add_event(otlp, span, event);
    return 0;
}

/* Counts the loss for the node; its open spans report it. */
static int put_gap(struct export *export, const struct export_gap *gap) { return gap->lost ? put_alone(export, gap->lost) : 0; }

static int begin_node(struct export *export, struct export_node *node) {
    node->own = calloc(1, sizeof(struct pending));
    return node->own ? 0 : export_out_of_memory(export);
}

static int end(struct export *export) {
    struct otlp *otlp = export->state;
    while (otlp->oldest_open)
        if (cut_oldest(export)) return -1;
    for (size_t i = 0; i < otlp->connections.all.slot_count; i++) {
        for (struct map_entry *entry = otlp->connections.all.slots[i]; entry; entry = entry->next) {
            struct connection *connection = entry->value;
            struct connection_span *own = connection->own;
            if (!own || !own->span) continue;
            cut(export, own->span);
            if (end_connection(export, connection)) return -1;
        }
    }
    if (write_batch(export)) return -1;
    return otlp->push ? finish_push(export) : 0;
}

static int begin(struct export *export) {
    struct otlp *otlp = export->state;
    if (sent_init(&otlp->sent, free)) return export_out_of_memory(export);
    const struct export_settings *settings = export->settings;
    const struct push_wish wish = {.url = settings->push, .patient = settings->follow, .note = settings->note};
    return settings->push ? push_create(&otlp->push, &wish, export->failure) : 0;
}

static void fini(struct export *export) {
    struct otlp *otlp = export->state;
    push_destroy(otlp->push);
    strbuf_fini(&otlp->body);
    for (size_t i = 0; i < otlp->connections.all.slot_count; i++)
        for (struct map_entry *entry = otlp->connections.all.slots[i]; entry; entry = entry->next) {
            struct connection_span *own = ((struct connection *)entry->value)->own;
            if (own) free_span(own->span);
        }
    for (size_t i = 0; i < export->node_count; i++)
        if (export->nodes[i]->own) strbuf_fini(&((struct pending *)export->nodes[i]->own)->spans);
    connections_fini(&otlp->connections);
    sent_fini(&otlp->sent);
    map_fini(&otlp->newest, NULL);
    map_fini(&otlp->spans, free_span);
}

const struct export_format export_format_otlp = {
    .name = "otlp",
    .doc = "OpenTelemetry: Jaeger, the Collector's otlpjsonfile receiver",
    .follow_ms = 1000,
    .state_bytes = sizeof(struct otlp),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .flush = write_batch,
    .end = end,
    .fini = fini,
};
