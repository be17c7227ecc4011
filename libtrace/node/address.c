/* SPDX-License-Identifier: MIT
 *
 * Addresses: as ids, and as aliases of a node. */
#include <arpa/inet.h>
#include <p2ptrace/emit.h>
#include <p2ptrace/trace.h>
#include <proto/address_id.h>
#include <string.h>

static bool read_port(const char *digits, uint16_t *ret_port) {
    uint32_t port = 0;
    size_t count = strlen(digits);
    if (count == 0 || count > 5) return false;
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9') return false;
        port = port * 10 + (uint32_t)(digits[i] - '0');
    }
    *ret_port = (uint16_t)port;
    return port <= UINT16_MAX;
}

/* "192.0.2.1:4001" or "[2001:db8::1]:4001". */
static bool read_endpoint(const char *text, struct trace_endpoint *endpoint) {
    char host[INET6_ADDRSTRLEN];
    bool is_v6 = text[0] == '[';
    const char *begin = text + is_v6, *end = strchr(begin, is_v6 ? ']' : ':');
    if (!end || (size_t)(end - begin) >= sizeof host || (is_v6 && end[1] != ':')) return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = 0;
    endpoint->family = is_v6 ? 6 : 4;
    return read_port(end + 1 + is_v6, &endpoint->port) && inet_pton(is_v6 ? AF_INET6 : AF_INET, host, endpoint->address) == 1;
}

struct trace_node_id trace_node_id_of_endpoint(const struct trace_endpoint *endpoint) {
    return trace_address_id_make(endpoint);
}

struct trace_node_id trace_node_id_of_address(const char *address) {
    struct trace_endpoint endpoint = {.port = 0};
    if (read_endpoint(address, &endpoint)) return trace_address_id_make(&endpoint);
    return address[0] ? trace_node_id_from(address, strlen(address)) : (struct trace_node_id){{0}};
}

void trace__emit_address(struct trace_log *log, uint64_t control, const struct trace_context *context,
                         const struct trace_node_id *peer, unsigned transport, const char *address) {
    struct trace_node_id id = trace_node_id_of_address(address);
    trace__emit_alias(log, control, context, peer, &id, transport, address);
}

/* Without a label: the id has the address in it. */
void trace__emit_endpoint(struct trace_log *log, uint64_t control, const struct trace_context *context,
                          const struct trace_node_id *peer, unsigned transport, const struct trace_endpoint *endpoint) {
    struct trace_node_id id = trace_node_id_of_endpoint(endpoint);
    trace__emit_alias(log, control, context, peer, &id, transport, NULL);
}
