/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include "json_get.h"

#include <proto/event_table.h>
#include <string.h>

/* The number of a name in a table; a number instead of a name is taken as it is. */
static unsigned number_of(const json_t *data, const char *key, const char *(*name_of)(unsigned)) {
    const char *name = json_get_text(data, key);
    for (unsigned i = 0; name && name_of(i); i++)
        if (!strcmp(name, name_of(i))) return i;
    return SPACE_UNKNOWN + (unsigned)(json_get_count(data, key) & 0xffff);
}

bool packet_read(struct packet *ret_packet, const json_t *event) {
    const json_t *data = json_object_get(event, "data");
    struct packet packet = {.bytes = json_get_count(data, "size")};
    bool own = false;
    switch (json_get_kind(event)) {
    case TRACE_KIND_MESSAGE_SENT: own = true; /* fall through */
    case TRACE_KIND_PACKET_SENT: packet.role = PACKET_SENT; break;
    case TRACE_KIND_MESSAGE_RECEIVED: own = true; /* fall through */
    case TRACE_KIND_PACKET_RECEIVED: packet.role = PACKET_RECEIVED; break;
    case TRACE_KIND_PACKET_LOST: packet.role = PACKET_LOST; break;
    default: return false;
    }
    if (!json_get_unsigned(data, own ? "message_id" : "packet_num", &packet.number)) return false;
    packet.space =
        own ? SPACE_MESSAGES + number_of(data, "transport", trace_transport_name) : number_of(data, "space", trace_space_name);
    *ret_packet = packet;
    json_get_time(event, &ret_packet->time_ns);
    return true;
}
