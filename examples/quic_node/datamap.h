/* SPDX-License-Identifier: MIT
 *
 * DataMap: a small content-addressed store over peers, the application of this example.
 *
 * A request that a node cannot answer goes on to the next peer, and the answer comes back the same way.  GET and DELETE try one
 * peer after the other until one has the chunk; STORE travels as many hops as it was given, and stays there.
 *
 * Traced, each node's part of a request is a span, whose parent is the span of the node that asked. */
#ifndef QUIC_NODE_DATAMAP_H
#define QUIC_NODE_DATAMAP_H

#include "dmap_wire.h"
#include "quic.h"

struct datamap;

/* How a request of this node's user ended. */
struct datamap_result {
    uint8_t command;
    uint8_t status; /* enum dmap_status */
    uint8_t hash[HASH_BYTES];
    size_t count;  /* of a chunk got */
    unsigned hops; /* from how many hops away the answer came */
    TRACE_ONLY(struct trace_id trace_id;)
};
typedef void (*datamap_done)(void *arg, const struct datamap_result *result);

/* think_ms: how long a peer's request waits before it is handled; 0: it does not wait.  log: NULL, or where to register the
 * application and emit.  Returns 0 or -ENOMEM. */
int datamap_create(struct datamap **ret_datamap, uv_loop_t *loop, unsigned think_ms TRACE_ONLY(, struct trace_log *log));

/* The callbacks to open the endpoint with; then give the endpoint to the datamap. */
struct quic_app datamap_app(struct datamap *datamap);
void datamap_attach(struct datamap *datamap, struct quic_endpoint *endpoint);

/* Fails all open requests and accepts no more.  Call it before quic_endpoint_close. */
void datamap_stop(struct datamap *datamap);

/* After the loop has closed its handles. */
void datamap_destroy(struct datamap *datamap);

/* Begins a request of the node's user, and with it a trace.  request->id is set by this function, request->bytes are
 * copied.  done is called once, perhaps before this returns. */
void datamap_request(struct datamap *datamap, const struct dmap_request *request, datamap_done done, void *arg);

/* Called whenever a peer has joined or left; NULL: not called. */
void datamap_on_peers(struct datamap *datamap, void (*changed)(void *arg), void *arg);

#endif
