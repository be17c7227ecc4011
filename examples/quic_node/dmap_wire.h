/* SPDX-License-Identifier: MIT
 *
 * DataMap on the wire.  One request for each stream; numbers are big-endian.
 *
 *      request  [trace context 26, with tracing] [command 1] [ttl 1] [request id 8] [length 4] [hash 32] [chunk ...]
 *      reply    [status 1] [hops 1] [length 4] [chunk ...]
 *
 * The transport handles the trace context (quic.h); the functions here begin after it.  They are pure, and their input is
 * untrusted. */
#ifndef QUIC_NODE_DMAP_WIRE_H
#define QUIC_NODE_DMAP_WIRE_H

#include "chunks.h"
#include <stdbool.h>

enum dmap_command { DMAP_STORE_CHUNK = 1, DMAP_GET_CHUNK = 2, DMAP_DELETE_CHUNK = 3 };

enum dmap_status {
    DMAP_OK = 0,
    DMAP_NOT_FOUND = 1, /* neither here nor at the nodes after this one */
    DMAP_LOOP = 2,      /* this node has the request already: ask somebody else */
    DMAP_REFUSED = 3,   /* no room, or not understood */
};

struct dmap_request {
    uint8_t command; /* enum dmap_command */
    uint8_t ttl;     /* how many more hops it may travel */
    uint64_t id;     /* random, the same at every hop: against loops */
    uint8_t hash[HASH_BYTES];
    const uint8_t *bytes; /* of the chunk, for STORE; points into the message */
    size_t count;
};

struct dmap_reply {
    uint8_t status; /* enum dmap_status */
    uint8_t hops;   /* from the node that answers to the reader */
    const uint8_t *bytes;
    size_t count;
};

#define DMAP_REQUEST_BYTES 46 /* without the chunk */
#define DMAP_REPLY_BYTES 6

/* Writes DMAP_REQUEST_BYTES + request->count bytes. */
void dmap_request_encode(uint8_t *out, const struct dmap_request *request);
/* Writes DMAP_REPLY_BYTES + reply->count bytes. */
void dmap_reply_encode(uint8_t *out, const struct dmap_reply *reply);

/* Read a whole message.  Return 0, or -EPROTO if it is not exactly one. */
int dmap_request_decode(struct dmap_request *ret_request, const uint8_t *message, size_t count);
int dmap_reply_decode(struct dmap_reply *ret_reply, const uint8_t *message, size_t count);

#endif
