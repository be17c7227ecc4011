/* SPDX-License-Identifier: MIT
 *
 * A connection's streams: which request each belongs to, and how much of it was sent.
 *
 * A hash table by stream id.  A closed stream can still be found for a while, because packets with its bytes come later: the one
 * that closed it, and what the peer retransmits.  At least the newest STREAMS_CLOSED_KEPT stay. */
#ifndef TRACE_ADAPTERS_NGTCP2_STREAMS_H
#define TRACE_ADAPTERS_NGTCP2_STREAMS_H

#include <p2ptrace/context.h>
#include <stdbool.h>

#define STREAMS_CLOSED_KEPT 64

struct trace_ngtcp2_stream {
    int64_t id;
    uint64_t sent;    /* bytes sent: the offset of the next */
    uint64_t closed;  /* 0: open; n: the n-th stream of the connection to be closed */
    bool used;        /* the slot of the table is not free */
    bool is_assigned; /* the user set the request that it belongs to ... */
    bool has_context; /* ... which is `context`; otherwise it is in the connection's own trace */
    bool announced;   /* stream_opened was emitted */
    struct trace_context context;
};

struct trace_ngtcp2_streams {
    struct trace_ngtcp2_stream *slots; /* NULL: none yet */
    size_t slot_count;                 /* 0 or a power of two */
    size_t used_count;
    uint64_t closed_count;
};

/* Pointers to streams are valid until the next trace_ngtcp2__stream_add. */

/* NULL if there is no such stream. */
struct trace_ngtcp2_stream *trace_ngtcp2__stream_find(const struct trace_ngtcp2_streams *streams, int64_t id);

/* Finds a stream, or adds it.  NULL without memory. */
struct trace_ngtcp2_stream *trace_ngtcp2__stream_add(struct trace_ngtcp2_streams *streams, int64_t id);

void trace_ngtcp2__stream_close(struct trace_ngtcp2_streams *streams, struct trace_ngtcp2_stream *stream);

void trace_ngtcp2__streams_fini(struct trace_ngtcp2_streams *streams);

#endif
