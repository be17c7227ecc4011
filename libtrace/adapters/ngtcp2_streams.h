/* SPDX-License-Identifier: MIT
 *
 * A connection's streams: to which request each belongs, and how far it was sent.
 *
 * A hash table by stream id.  A stream that is closed is still found for a while, for packets that carry its bytes come after it:
 * the one that closed it, and what the peer sends again.  The newest STREAMS_CLOSED_KEPT stay in any case. */
#ifndef TRACE_ADAPTERS_NGTCP2_STREAMS_H
#define TRACE_ADAPTERS_NGTCP2_STREAMS_H

#include <p2ptrace/context.h>
#include <stdbool.h>

#define STREAMS_CLOSED_KEPT 64

struct trace_ngtcp2_stream {
    int64_t id;
    uint64_t sent;    /* bytes: the offset of the next */
    uint64_t closed;  /* 0: open; else the how-many-th of the connection to close */
    bool used;        /* the slot of the table is not free */
    bool is_told;     /* the user said to which request it belongs ... */
    bool has_context; /* ... and to which: `context`; else it is in the connection's own trace */
    bool announced;   /* stream_opened was emitted */
    struct trace_context context;
};

struct trace_ngtcp2_streams {
    struct trace_ngtcp2_stream *slots; /* NULL: none yet */
    size_t slot_count;                 /* 0 or a power of two */
    size_t used_count;
    uint64_t closed_count;
};

/* Pointers to streams are good until the next trace_ngtcp2__stream_add. */

/* NULL when it is not there. */
struct trace_ngtcp2_stream *trace_ngtcp2__stream_find(const struct trace_ngtcp2_streams *streams, int64_t id);

/* Finds it or adds it.  NULL without memory. */
struct trace_ngtcp2_stream *trace_ngtcp2__stream_add(struct trace_ngtcp2_streams *streams, int64_t id);

void trace_ngtcp2__stream_close(struct trace_ngtcp2_streams *streams, struct trace_ngtcp2_stream *stream);

void trace_ngtcp2__streams_fini(struct trace_ngtcp2_streams *streams);

#endif
