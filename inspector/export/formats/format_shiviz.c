/* SPDX-License-Identifier: MIT
 *
 * shiviz: a log with vector clocks, for ShiViz's space-time diagrams.  The first line is the regular expression with which
 * ShiViz reads the rest.
 *
 * ShiViz accepts only clocks that follow the algorithm: each node counts its own events 1, 2, 3, ..., so the exported events
 * are renumbered.  Apart from the order within a node, two relations are certain:
 *
 *     a packet or a message was sent, and then received (export_sent.h)
 *     a span began, and then a span on another node that it caused
 *
 * A clock's text grows with the number of nodes that it knows. */
#include "export_sent.h"

#include <proto/event_json.h>
#include <stdlib.h>
#include <string.h>

/* For each node, by its number - 1: how many of its events are known to have happened. */
struct clock {
    uint32_t count;
    uint32_t ticks[];
};

struct host {
    struct clock *clock;
    char *name; /* a JSON string with its quotes, without spaces */
};

struct shiviz {
    struct connections connections;
    struct sent sent; /* with the sender's clock */
    struct map spans; /* clocks of the beginnings of spans */
    struct map names; /* host names, so that each node has its own */
};

static int begin(struct export *export) {
    struct shiviz *shiviz = export->state;
    if (sent_init(&shiviz->sent, free)) return export_out_of_memory(export);
    writer_puts(export->out, "(?<timestamp>\\d*) (?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\n");
    return 0;
}

/* ---- clocks ------------------------------------------------------------------------------------------------------------- */

static struct clock *copy_clock(const struct clock *clock) {
    size_t bytes = sizeof *clock + clock->count * sizeof *clock->ticks;
    struct clock *copy = malloc(bytes);
    return copy ? memcpy(copy, clock, bytes) : NULL;
}

/* The node's clock, with room for `count` nodes. */
static struct clock *clock_of(struct export_node *node, uint32_t count) {
    struct host *host = node->own;
    uint32_t before = host->clock ? host->clock->count : 0;
    if (host->clock && before >= count) return host->clock;
    struct clock *clock = realloc(host->clock, sizeof *clock + count * sizeof *clock->ticks);
    if (!clock) return NULL;
    memset(clock->ticks + before, 0, (count - before) * sizeof *clock->ticks);
    clock->count = count;
    return host->clock = clock;
}

static void merge(struct clock *into, const struct clock *from) {
    for (uint32_t i = 0; from && i < from->count; i++)
        if (from->ticks[i] > into->ticks[i]) into->ticks[i] = from->ticks[i];
}

/* ---- what happened before ----------------------------------------------------------------------------------------------- */

static struct map_key span_key(const struct trace_id *trace_id, uint64_t span_id) {
    struct map_key key = map_key(0, 0, trace_id->bytes, sizeof trace_id->bytes);
    memcpy(key.id + sizeof trace_id->bytes, &span_id, sizeof span_id);
    return key;
}

/* Merges the clock that the event received into its node's clock. */
static void receive(struct shiviz *shiviz, const struct export_event *event, const struct connection *connection,
                    struct clock *clock) {
    const struct trace_event *from = event->event;
    struct sent_item item;
    struct map_key key;
    /* If something was sent several times, this is the clock of the first time: which one arrived is not known. */
    if (!is_sending(event) && sent_key(event, connection, &key) && sent_take(&shiviz->sent, &key, &item)) {
        merge(clock, item.own);
        free(item.own);
    }
    if (from->kind == TRACE_KIND_APP_START && from->data.app_start.parent_id) {
        key = span_key(&from->trace_id, from->data.app_start.parent_id);
        merge(clock, map_get(&shiviz->spans, &key));
    }
}

/* Keeps the clock, including this event, for the node that may receive it. */
static int send(struct export *export, const struct export_event *event, const struct connection *connection,
                const struct clock *clock) {
    struct shiviz *shiviz = export->state;
    const struct trace_event *from = event->event;
    struct map_key key;
    if (is_sending(event) && sent_key(event, connection, &key)) {
        struct clock *copy = copy_clock(clock);
        return copy && !sent_remember(&shiviz->sent, &key, event, copy) ? 0 : export_out_of_memory(export);
    }
    if (from->kind == TRACE_KIND_APP_START) {
        key = span_key(&from->trace_id, from->data.app_start.span_id);
        void **at = map_at(&shiviz->spans, &key);
        if (at) free(*at);
        if (!at || !(*at = copy_clock(clock))) return export_out_of_memory(export);
    }
    if (from->kind == TRACE_KIND_APP_END) {
        key = span_key(&from->trace_id, from->data.app_end.span_id);
        free(map_remove(&shiviz->spans, &key));
    }
    return 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static void put_clock(struct export *export, const struct clock *clock) {
    char *out;
    writer_puts(export->out, " {");
    bool any = false;
    for (uint32_t i = 0; i < clock->count; i++) {
        if (!clock->ticks[i]) continue;
        if (any) writer_puts(export->out, ",");
        writer_puts(export->out, ((struct host *)export->nodes[i]->own)->name);
        out = writer_room(export->out, 32);
        *out++ = ':';
        writer_done(export->out, put_u64(out, clock->ticks[i]));
        any = true;
    }
    writer_puts(export->out, "}\n");
}

static void put_line(struct export *export, const struct export_event *event) {
    const struct host *host = event->node->own;
    char *out = writer_room(export->out, 2 * TRACE_EVENT_JSON_MAX);
    out = put_u64(out, event->event->timestamp);
    *out++ = ' ';
    out = put_title(out, event);
    *out++ = ' ';
    out = trace_event_data_json(out, event->event);
    *out++ = '\n';
    out = put_bytes(out, host->name + 1, strlen(host->name) - 2);
    writer_done(export->out, out);
}

static int put_event(struct export *export, const struct export_event *event) {
    struct shiviz *shiviz = export->state;
    struct clock *clock = clock_of(event->node, (uint32_t) export->node_count);
    struct place place;
    if (!clock) return export_out_of_memory(export);
    if (place_of(export, &shiviz->connections, event, &place)) return -1;
    receive(shiviz, event, place.connection, clock);
    clock->ticks[event->node->number - 1]++;
    put_line(export, event);
    put_clock(export, clock);
    return send(export, event, place.connection, clock);
}

/* A local event. */
static int put_gap(struct export *export, const struct export_gap *gap) { return gap->lost ? put_event(export, gap->lost) : 0; }

/* A unique name, without spaces. */
static int begin_node(struct export *export, struct export_node *node) {
    struct shiviz *shiviz = export->state;
    struct host *host = node->own = calloc(1, sizeof *host);
    char name[sizeof node->name + 80];
    if (!host) return export_out_of_memory(export);
    strcpy(name, node->name);
    for (char *at = name; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == '"' || *at == '\\') *at = '_';
    struct map_key key = map_key(0, 0, name, strnlen(name, 32));
    if (map_get(&shiviz->names, &key) || strlen(name) > 32) {
        strcat(name, "/");
        strcat(name, node->hex);
    }
    void **at = map_at(&shiviz->names, &key);
    host->name = malloc(6 * strlen(name) + 3);
    if (!at || !host->name) return export_out_of_memory(export);
    *at = host;
    *trace_json_string(host->name, name, strlen(name)) = 0;
    return 0;
}

static void fini(struct export *export) {
    struct shiviz *shiviz = export->state;
    for (size_t i = 0; i < export->node_count; i++) {
        struct host *host = export->nodes[i]->own;
        if (!host) continue;
        free(host->clock);
        free(host->name);
    }
    connections_fini(&shiviz->connections);
    sent_fini(&shiviz->sent);
    map_fini(&shiviz->spans, free);
    map_fini(&shiviz->names, NULL);
}

const struct export_format export_format_shiviz = {
    .name = "shiviz",
    .doc = "space-time diagrams: ShiViz",
    .state_bytes = sizeof(struct shiviz),
    .begin = begin,
    .node = begin_node,
    .event = put_event,
    .gap = put_gap,
    .fini = fini,
};
