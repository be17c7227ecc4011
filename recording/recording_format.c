/* SPDX-License-Identifier: MIT
 *
 * See recording_format.h. */
#include "recording_format.h"

#include <proto/event_table.h>
#include <string.h>
#include <xxhash.h>

TRACE_STATIC_ASSERT_(TRACE_LOSS_COUNT <= RECORDING_LOSSES, "each cause has its place");

uint64_t recording__checksum(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }

/* Each checksum is seeded with the one before it. */
static uint64_t add_text(uint64_t before, const char *text) { return XXH3_64bits_withSeed(text, strlen(text), before); }

uint64_t recording__tables(void) {
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        sum = XXH3_64bits_withSeed(&kinds[i].id, sizeof kinds[i].id, add_text(sum, kinds[i].name));
        for (unsigned k = 0; k < kinds[i].field_count; k++) {
            const struct trace_field_info *field = &kinds[i].fields[k];
            const uint32_t place[3] = {field->type, field->offset, field->length};
            sum = XXH3_64bits_withSeed(place, sizeof place, add_text(sum, field->name));
        }
    }
    return sum;
}

static uint64_t align_up(uint64_t bytes, uint64_t alignment) { return (bytes + alignment - 1) & ~(alignment - 1); }

void recording__parts(const struct recording_header *header, struct recording_parts *ret_parts) {
    struct recording_parts *parts = ret_parts;
    parts->roster = RECORDING_ALIGN;
    parts->records = parts->roster + header->node_count * sizeof(struct recording_roster);
    parts->table = align_up(parts->records + header->records_bytes, 64);
    parts->blocks = align_up(parts->table + header->block_count * sizeof(struct recording_block), RECORDING_ALIGN);
}

void recording__shape(const struct recording_header *header, struct history_shape *ret_shape) {
    *ret_shape = (struct history_shape){.events = header->events,
                                        .traces = header->traces,
                                        .peers = header->peers,
                                        .trace_slots = header->trace_slots,
                                        .peer_slots = header->peer_slots};
}
