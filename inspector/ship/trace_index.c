/* SPDX-License-Identifier: MIT */
#include "trace_index.h"

#include <stdlib.h>
#include <xxhash.h>

#define SLOTS_FIRST 16384

void trace_index_fini(struct trace_index *index) {
    free(index->spans);
    free(index->slots);
    *index = (struct trace_index){0};
}

void trace_index_clear(struct trace_index *index) {
    index->count = index->last = 0;
    if (index->slots) memset(index->slots, 0, index->slot_count * sizeof *index->slots);
}

static const size_t key_bytes = sizeof(struct trace_id) + sizeof(struct trace_node_id);

static bool is_key(const struct trace_span *span, const struct trace_span *key) { return !memcmp(span, key, key_bytes); }

static uint32_t *find_slot(const struct trace_index *index, const struct trace_span *key) {
    uint32_t i = (uint32_t)XXH3_64bits(key, key_bytes);
    for (;; i++) {
        uint32_t *slot = &index->slots[i & (index->slot_count - 1)];
        if (!*slot || is_key(&index->spans[*slot - 1], key)) return slot;
    }
}

static int grow(struct trace_index *index) {
    uint32_t slot_count = index->slot_count ? 2 * index->slot_count : SLOTS_FIRST;
    struct trace_span *spans = realloc(index->spans, slot_count / 2 * sizeof *spans);
    if (spans) index->spans = spans;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!spans || !slots) {
        free(slots);
        return -1;
    }
    free(index->slots);
    index->slots = slots;
    index->slot_count = slot_count;
    index->room = slot_count / 2;
    for (uint32_t i = 0; i < index->count; i++) *find_slot(index, &index->spans[i]) = i + 1;
    return 0;
}

static bool is_zero(const struct trace_id *id) {
    static const struct trace_id zero;
    return !memcmp(id, &zero, sizeof zero);
}

int trace_index_add(struct trace_index *index, const struct trace_event *event) {
    struct trace_span key = {.trace_id = event->trace_id, .first_ns = event->timestamp, .last_ns = event->timestamp};
    struct trace_span *span;
    if (is_zero(&event->trace_id)) return 0;
    if (event->flags & TRACE_FLAG_HAS_PEER) key.peer_id = event->peer_id;
    if (index->count == index->room && grow(index)) return -1;
    if (index->last >= index->count || !is_key(&index->spans[index->last], &key)) {
        uint32_t *slot = find_slot(index, &key);
        if (!*slot) {
            index->spans[index->count++] = key;
            *slot = index->count;
        }
        index->last = *slot - 1;
    }
    span = &index->spans[index->last];
    if (event->timestamp < span->first_ns) span->first_ns = event->timestamp;
    if (event->timestamp > span->last_ns) span->last_ns = event->timestamp;
    return 0;
}

/* A span's memory layout is that of its row. */
_Static_assert(sizeof(struct trace_span) == 64 && offsetof(struct trace_span, first_ns) == 48, "the columns of trace_index");

void trace_index_write(const struct trace_index *index, struct row_writer *out) {
    row_write(out, index->spans, index->count * sizeof *index->spans);
}
