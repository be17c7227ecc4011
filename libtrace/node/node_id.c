/* SPDX-License-Identifier: MIT
 *
 * Ids for programs whose own ids have another length: random ones, and hashes. */
#include "splitmix.h"

#include <p2ptrace/trace.h>
#include <string.h>
#include <sys/random.h>

struct trace_node_id trace_node_id_random(void) {
    struct trace_node_id id = {{0}};
    if (getrandom(id.bytes, sizeof id.bytes, 0) != sizeof id.bytes) memset(&id, 0, sizeof id);
    return id;
}

/* Mixes one byte after the other into the state; each step is a bijection of the state. */
static uint64_t hash_bytes(const uint8_t *at, size_t bytes, uint64_t start) {
    uint64_t state = splitmix(start * UINT64_C(0x9e3779b97f4a7c15) + bytes);
    for (size_t i = 0; i < bytes; i++) state = splitmix(state + at[i] + UINT64_C(0x9e3779b97f4a7c15));
    return state;
}

struct trace_node_id trace_node_id_from(const void *identity, size_t bytes) {
    struct trace_node_id id;
    for (uint64_t part = 0; part < 4; part++) {
        uint64_t state = hash_bytes(identity, bytes, part + 1);
        for (unsigned i = 0; i < 8; i++) id.bytes[part * 8 + i] = (uint8_t)(state >> (56 - 8 * i));
    }
    return id;
}

uint64_t trace_message_id(const void *id, size_t bytes) { return hash_bytes(id, bytes, 5); }

struct trace_context trace_context_shared(const void *known, size_t bytes, uint8_t flags) {
    struct trace_context context = trace_context_new(flags);
    for (unsigned part = 0; part < 2; part++) {
        uint64_t state = hash_bytes(known, bytes, 6 + part);
        for (unsigned i = 0; i < 8; i++) context.trace_id.bytes[part * 8 + i] = (uint8_t)(state >> (56 - 8 * i));
    }
    return context;
}
