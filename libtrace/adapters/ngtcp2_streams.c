/* SPDX-License-Identifier: MIT
 *
 * A connection's streams: see ngtcp2_streams.h.  Open addressing, at most three quarters full; streams are removed only when the
 * table is rebuilt. */
#include "ngtcp2_streams.h"

#include <stdlib.h>

#define SLOTS_MIN 64

/* Where `id` is, or would be; there is always a free slot. */
static struct trace_ngtcp2_stream *stream_slot(const struct trace_ngtcp2_streams *streams, int64_t id) {
    size_t mask = streams->slot_count - 1;
    size_t at = (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;

    while (streams->slots[at].used && streams->slots[at].id != id) at = (at + 1) & mask;
    return &streams->slots[at];
}

struct trace_ngtcp2_stream *trace_ngtcp2__stream_find(const struct trace_ngtcp2_streams *streams, int64_t id) {
    if (!streams->slots) return NULL;
    struct trace_ngtcp2_stream *stream = stream_slot(streams, id);
    return stream->used ? stream : NULL;
}

static bool is_kept(const struct trace_ngtcp2_streams *streams, const struct trace_ngtcp2_stream *stream) {
    return stream->used && (stream->closed == 0 || streams->closed_count - stream->closed < STREAMS_CLOSED_KEPT);
}

/* Rebuilds the table, with room for twice as many streams, and without those that were closed long ago. */
static bool rebuild_streams(struct trace_ngtcp2_streams *streams) {
    struct trace_ngtcp2_streams anew = {.slot_count = SLOTS_MIN, .closed_count = streams->closed_count};
    size_t kept = 0;

    for (size_t i = 0; i < streams->slot_count; i++) kept += is_kept(streams, &streams->slots[i]);
    while (anew.slot_count < 2 * kept) anew.slot_count *= 2;
    anew.slots = calloc(anew.slot_count, sizeof *anew.slots);
    if (!anew.slots) return false;
    for (size_t i = 0; i < streams->slot_count; i++) {
        if (!is_kept(streams, &streams->slots[i])) continue;
        *stream_slot(&anew, streams->slots[i].id) = streams->slots[i];
        anew.used_count++;
    }
    free(streams->slots);
    *streams = anew;
    return true;
}

struct trace_ngtcp2_stream *trace_ngtcp2__stream_add(struct trace_ngtcp2_streams *streams, int64_t id) {
    struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_find(streams, id);

    if (stream) return stream;
    if (streams->used_count >= streams->slot_count / 4 * 3 && !rebuild_streams(streams)) return NULL;
    stream = stream_slot(streams, id);
    *stream = (struct trace_ngtcp2_stream){.id = id, .used = true};
    streams->used_count++;
    return stream;
}

void trace_ngtcp2__stream_close(struct trace_ngtcp2_streams *streams, struct trace_ngtcp2_stream *stream) {
    if (stream->closed == 0) stream->closed = ++streams->closed_count;
}

void trace_ngtcp2__streams_fini(struct trace_ngtcp2_streams *streams) {
    free(streams->slots);
    *streams = (struct trace_ngtcp2_streams){0};
}
