/* SPDX-License-Identifier: MIT */
#include "json_get.h"
#include "top_table.h"

#include <stdio.h>
#include <string.h>

static void add_to_member(json_t *row, const char *member, uint64_t count) {
    json_int_t sum = (json_int_t)json_get_count(row, member) + (json_int_t)count;
    json_object_set_new(row, member, json_integer(sum));
}

/* The row of a link, created if needed.  NULL when out of memory. */
static json_t *link_row(json_t *rows, json_t *by_link, const char *node_id, const char *peer_id, double seconds) {
    char key[2 * NODE_DIGITS + 2];
    snprintf(key, sizeof key, "%s %s", node_id, peer_id);
    json_t *row = json_object_get(by_link, key);
    if (row) return row;
    row = json_pack("{ss,ss,sf}", "node_id", node_id, "peer_id", peer_id, "seconds", seconds);
    json_array_append(rows, row);
    json_object_set_new(by_link, key, row);
    return json_object_get(by_link, key);
}

/* Combines the groups of a link: a count of each kind of packet and message, and the median of the round trips. */
static void take_link(json_t *rows, json_t *by_link, const json_t *counted, double seconds) {
    const json_t *group = json_object_get(counted, "group");
    const char *node_id = json_get_hex(group, "node", NODE_DIGITS), *peer_id = json_get_hex(group, "peer", NODE_DIGITS);
    uint64_t count = json_get_count(counted, "count"), rtt;
    json_t *row = node_id && peer_id && json_get_text(group, "kind") ? link_row(rows, by_link, node_id, peer_id, seconds) : NULL;
    if (!row) return;
    switch (json_get_kind(group)) {
    case TRACE_KIND_PACKET_SENT: add_to_member(row, "sent", count); break;
    case TRACE_KIND_PACKET_RECEIVED: add_to_member(row, "received", count); break;
    case TRACE_KIND_PACKET_LOST: add_to_member(row, "lost", count); break;
    case TRACE_KIND_MESSAGE_SENT: add_to_member(row, "messages_sent", count); break;
    case TRACE_KIND_MESSAGE_RECEIVED: add_to_member(row, "messages_received", count); break;
    default: break;
    }
    if (json_get_unsigned(json_object_get(counted, "value"), "p50", &rtt))
        json_object_set_new(row, "rtt", json_integer((json_int_t)rtt));
}

/* A link whose program traces no packets counts its messages instead: nothing says that one was lost. */
static void messages_for_packets(json_t *row) {
    if (json_get_count(row, "sent") || json_get_count(row, "received") || json_get_count(row, "lost")) return;
    uint64_t sent = json_get_count(row, "messages_sent"), received = json_get_count(row, "messages_received");
    if (sent || received) json_object_set_new(row, "messages", json_true());
    if (sent) add_to_member(row, "sent", sent);
    if (received) add_to_member(row, "received", received);
}

/* The group's members other than numbers. */
static void take_request(json_t *rows, const json_t *counted, double seconds) {
    json_t *row = json_copy(json_object_get(counted, "group"));
    json_object_update(row, (json_t *)counted);
    json_object_del(row, "group");
    if (json_object_set_new(row, "seconds", json_real(seconds)))
        json_decref(row);
    else
        json_array_append_new(rows, row);
}

static void take_kind(json_t *rows, const json_t *counted, double seconds, uint64_t events) {
    const char *kind = json_get_text(json_object_get(counted, "group"), "kind");
    uint64_t count = json_get_count(counted, "count");
    if (!kind) return;
    json_array_append_new(rows, json_pack("{ss,sI,sf,sf}", "kind", kind, "count", (json_int_t)count, "seconds", seconds, "share",
                                          events ? (double)count / (double)events : 0.0));
}

json_t *top_counts_new(enum top_view view, const json_t *answer) {
    json_t *rows = json_array(), *by_link = json_object();
    double seconds = json_get_real(answer, "seconds", 0);
    uint64_t events = json_get_count(answer, "events");
    size_t i;
    const json_t *counted;
    json_t *row;
    json_array_foreach(json_get_array(answer, "rows"), i, counted) {
        if (view == TOP_LINKS)
            take_link(rows, by_link, counted, seconds);
        else if (view == TOP_REQUESTS)
            take_request(rows, counted, seconds);
        else
            take_kind(rows, counted, seconds, events);
    }
    if (view == TOP_LINKS) json_array_foreach(rows, i, row) messages_for_packets(row);
    json_decref(by_link);
    return json_pack("{so,sf}", "rows", rows, "seconds", seconds);
}
