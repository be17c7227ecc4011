/* SPDX-License-Identifier: MIT
 *
 * Addresses as ids (struct trace_address_id of p2ptrace/event.h), and back.  Pure. */
#ifndef PROTO_ADDRESS_ID_H
#define PROTO_ADDRESS_ID_H

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <string.h>

/* The id of an endpoint; all zero for one without an address.  An IPv4 address that a socket for both families gives as IPv6
 * (::ffff:192.0.2.1) is that IPv4 address. */
static inline struct trace_node_id trace_address_id_make(const struct trace_endpoint *endpoint) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct trace_address_id parts = {.family = endpoint->family};
    struct trace_node_id id = {{0}};
    bool is_mapped = endpoint->family == 6 && !memcmp(endpoint->address, mapped, sizeof mapped);
    if (endpoint->family != 4 && endpoint->family != 6) return id;
    parts.port[0] = (uint8_t)(endpoint->port >> 8);
    parts.port[1] = (uint8_t)endpoint->port;
    if (is_mapped) parts.family = 4;
    memcpy(parts.address, endpoint->address + (is_mapped ? 12 : 0), parts.family == 4 ? 4 : 16);
    memcpy(parts.mark, TRACE_ADDRESS_MARK, sizeof parts.mark);
    memcpy(&id, &parts, sizeof id);
    return id;
}

/* Is it the id of an address?  Then *ret_endpoint is that address. */
static inline bool trace_address_id_read(const struct trace_node_id *id, struct trace_endpoint *ret_endpoint) {
    struct trace_address_id parts;
    struct trace_endpoint endpoint = {.port = 0};
    memcpy(&parts, id, sizeof parts);
    endpoint.family = parts.family;
    endpoint.port = (uint16_t)(parts.port[0] << 8 | parts.port[1]);
    memcpy(endpoint.address, parts.address, sizeof endpoint.address);
    struct trace_node_id same = trace_address_id_make(&endpoint);
    if ((parts.family != 4 && parts.family != 6) || memcmp(&same, id, sizeof same) != 0) return false;
    *ret_endpoint = endpoint;
    return true;
}

#endif
