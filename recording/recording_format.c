/* SPDX-License-Identifier: MIT
 *
 * See recording_format.h. */
#include "recording_format.h"

#include <proto/event_table.h>
#include <string.h>
#include <xxhash.h>

TRACE_STATIC_ASSERT_(TRACE_LOSS_COUNT <= RECORDING_LOSSES, "each cause has its place");

uint64_t recording__checksum(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }

static void add_text(XXH3_state_t *state, const char *text) { XXH3_64bits_update(state, text, strlen(text) + 1); }

static void add_number(XXH3_state_t *state, uint32_t number) { XXH3_64bits_update(state, &number, sizeof number); }

uint64_t recording__tables(void) {
    XXH3_state_t state;
    unsigned count;
    const struct trace_kind_info *kinds = trace_kind_table(&count);

    XXH3_64bits_reset(&state);
    for (unsigned i = 0; i < count; i++) {
        add_number(&state, kinds[i].id);
        add_text(&state, kinds[i].name);
        for (unsigned k = 0; k < kinds[i].field_count; k++) {
            add_text(&state, kinds[i].fields[k].name);
            add_number(&state, kinds[i].fields[k].type);
            add_number(&state, kinds[i].fields[k].offset);
            add_number(&state, kinds[i].fields[k].length);
        }
    }
    return XXH3_64bits_digest(&state);
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
