/* SPDX-License-Identifier: MIT */
#include "fold.h"

#include "event_role.h"
#include "json_get.h"

#include <inttypes.h>
#include <string.h>

enum part { PART_NONE, PART_PACKET, PART_DATA, PART_OPENED, PART_CLOSED, PART_METRICS };

static enum part part_of(uint16_t kind) {
    switch (kind) {
    case TRACE_KIND_PACKET_SENT:
    case TRACE_KIND_PACKET_RECEIVED: return PART_PACKET;
    case TRACE_KIND_STREAM_DATA: return PART_DATA;
    case TRACE_KIND_STREAM_OPENED: return PART_OPENED;
    case TRACE_KIND_STREAM_CLOSED: return PART_CLOSED;
    case TRACE_KIND_METRICS: return PART_METRICS;
    default: return PART_NONE;
    }
}

bool fold_takes(const struct timeline_item *item) {
    enum part part = part_of(item->kind);
    /* A reset stream gets its own line. */
    return part != PART_NONE && !(part == PART_CLOSED && json_get_count(json_object_get(item->event, "data"), "code"));
}

size_t fold_run(const struct timeline *timeline, size_t begin) {
    size_t end = begin;
    while (end < timeline->item_count && fold_takes(&timeline->items[end]) && (end == begin || !timeline->items[end].gap_is_big))
        end++;
    return end - begin;
}

static bool same_text(const char *a, const char *b) { return a && b ? !strcmp(a, b) : a == b; }

static bool has_direction(const char *arrow) { return !strcmp(arrow, "->") || !strcmp(arrow, "<-"); }

/* The group that an event joins, which alone would be `own`: same node, peer, sort and direction.  An event without a direction
 * joins any direction. */
static int find_group(const struct fold *groups, size_t count, const struct fold *own) {
    for (size_t i = count; i-- > 0;) {
        const struct fold *group = &groups[i];
        if (group->first->node != own->first->node || !same_text(group->peer, own->peer)) continue;
        if (group->metrics != own->metrics || group->probes != own->probes) continue;
        if (!has_direction(own->arrow) || !has_direction(group->arrow) || !strcmp(own->arrow, group->arrow)) return (int)i;
    }
    return -1;
}

static uint64_t sum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static void add_item(struct fold *group, const struct timeline_item *item, enum part part, const char *arrow) {
    const json_t *data = json_object_get(item->event, "data");
    uint64_t stream_id = json_get_count(data, "stream_id");
    group->last = item;
    group->items++;
    if (has_direction(arrow)) group->arrow = arrow;
    if (part == PART_PACKET) {
        group->packets++;
        group->packet_bytes = sum(group->packet_bytes, json_get_count(data, "size"));
    } else if (part != PART_METRICS) {
        group->many_streams |= group->has_stream && group->stream_id != stream_id;
        group->has_stream = true;
        group->stream_id = stream_id;
        group->opened |= part == PART_OPENED;
        group->closed |= part == PART_CLOSED;
        group->stream_pieces += part == PART_DATA;
        group->fin |= part == PART_DATA && json_get_bool(data, "fin");
        group->stream_bytes = sum(group->stream_bytes, part == PART_DATA ? json_get_count(data, "length") : 0);
    }
}

size_t fold_groups(const struct timeline_item *items, size_t count, struct fold *ret_groups, int *ret_group_of) {
    size_t group_count = 0;
    for (size_t i = 0; i < count; i++) {
        enum part part = part_of(items[i].kind);
        struct fold own = {.first = &items[i],
                           .peer = json_get_hex(items[i].event, "peer_id", NODE_DIGITS),
                           .arrow = event_arrow(items[i].event),
                           .metrics = part == PART_METRICS,
                           .probes = part == PART_PACKET && event_has_flag(items[i].event, "probe")};
        int group = find_group(ret_groups, group_count, &own);
        if (group < 0 && group_count < FOLD_GROUPS_MAX) {
            group = (int)group_count++;
            ret_groups[group] = own;
        }
        ret_group_of[i] = group;
        if (group >= 0) add_item(&ret_groups[group], &items[i], part, own.arrow);
    }
    return group_count;
}
