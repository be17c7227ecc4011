/* SPDX-License-Identifier: MIT */
#include "random_events.h"

#include <proto/event_table.h>
#include <string.h>

const struct trace_app random_app = {
    .app_id = "DMAP",
    .name = "Data\"Map\xff",
    .command_count = 2,
    .field_count = 3,
    .commands = {{1, "STORE,\"CHUNK\""}, {2, "GET_CHUNK"}},
    .fields = {{.name = "key", .type = TRACE_APP_TEXT, .offset = 0, .bytes = 8},
               {.name = "size\n", .type = TRACE_APP_UNSIGNED, .offset = 8, .bytes = 8},
               {.name = "rest", .type = TRACE_APP_BYTES, .offset = 16, .bytes = 8}},
};

static uint32_t rnd(struct random_events *random, uint32_t below) {
    random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random->state >> 33) % below;
}

struct trace_node_id random_node_id(uint32_t node) {
    struct trace_node_id id = {{0}};
    memset(id.bytes, (int)(0xa0 + node), sizeof id.bytes);
    return id;
}

static void fill_text(struct random_events *random, int wild, uint8_t *out, size_t length) {
    size_t count = rnd(random, (uint32_t)length + 1);
    memset(out, 0, length);
    for (size_t i = 0; i < count; i++) out[i] = (uint8_t)(wild ? rnd(random, 256) : ' ' + 2 + rnd(random, 90));
}

static void fill_data(struct random_events *random, int wild, const struct trace_kind_info *kind, struct trace_event *event) {
    for (unsigned i = 0; i < kind->field_count; i++) {
        const struct trace_field_info *field = &kind->fields[i];
        uint8_t *at = event->data.bytes + field->offset;
        switch (field->type) {
        case TRACE_TYPE_bool: *at = (uint8_t)rnd(random, 2); break;
        case TRACE_TYPE_space: *at = (uint8_t)rnd(random, wild ? 20 : 3); break;
        case TRACE_TYPE_transport: *at = (uint8_t)rnd(random, wild ? 40 : 16); break;
        case TRACE_TYPE_loss: *at = (uint8_t)rnd(random, wild ? 9 : TRACE_LOSS_COUNT); break;
        case TRACE_TYPE_text: fill_text(random, wild, at, field->length); break;
        case TRACE_TYPE_code4: memcpy(at, "DMAP", 4); break;
        case TRACE_TYPE_payload:
            at[0] = (uint8_t)rnd(random, field->length + 1);
            for (size_t b = 0; b < at[0]; b++) at[1 + b] = (uint8_t)rnd(random, 256);
            break;
        case TRACE_TYPE_endpoint:
            memcpy(at, &(struct trace_endpoint){{127, 0, 0, 1}, 4433, rnd(random, 2) ? 4 : 0, 0}, 20);
            break;
        case TRACE_TYPE_u8: *at = (uint8_t)rnd(random, 256); break;
        case TRACE_TYPE_u16: memcpy(at, &(uint16_t){(uint16_t)rnd(random, 3)}, 2); break;
        case TRACE_TYPE_u32: memcpy(at, &(uint32_t){rnd(random, 2000)}, 4); break;
        case TRACE_TYPE_id64: memcpy(at, &(uint64_t){rnd(random, 5)}, 8); break;
        case TRACE_TYPE_u64:
            memcpy(at, &(uint64_t){wild && !rnd(random, 8) ? UINT64_MAX - rnd(random, 9) : rnd(random, 64)}, 8);
            break;
        }
    }
}

void random_event(struct random_events *random, int wild, struct trace_event *ret_event, uint32_t *ret_node, uint32_t *ret_lane) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    struct trace_event event = {.sequence = random->sequence++};
    if (!random->now_ns) random->now_ns = UINT64_C(1767225600123456789);
    random->now_ns += rnd(random, 3000);
    event.timestamp = random->now_ns;
    *ret_node = rnd(random, RANDOM_NODES);
    *ret_lane = rnd(random, 3);
    if (rnd(random, 8)) memcpy(event.trace_id.bytes, (uint8_t[16]){0x5a, (uint8_t)rnd(random, 20), 7}, 16);
    if (rnd(random, 3)) {
        event.flags = TRACE_FLAG_HAS_PEER;
        event.peer_id = random_node_id(rnd(random, RANDOM_NODES));
    }
    event.flags |= (uint8_t)(rnd(random, wild ? 256 : 8) & ~(unsigned)TRACE_FLAG_HAS_PEER);
    if (rnd(random, 16)) {
        const struct trace_kind_info *kind = &kinds[rnd(random, count)];
        event.kind = kind->id;
        fill_data(random, wild, kind, &event);
    } else {
        event.kind = (uint16_t)(200 + rnd(random, 100));
        for (size_t i = 0; i < sizeof event.data.bytes; i++) event.data.bytes[i] = (uint8_t)rnd(random, 256);
    }
    *ret_event = event;
}
