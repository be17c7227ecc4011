/* SPDX-License-Identifier: MIT
 *
 * Encoding and decoding of DataMap messages: see dmap_wire.h. */
#include "dmap_wire.h"

#include "limits.h"
#include "util.h"
#include <errno.h>
#include <string.h>

void dmap_request_encode(uint8_t *out, const struct dmap_request *request) {
    out[0] = request->command;
    out[1] = request->ttl;
    put_be(out + 2, request->id, 8);
    put_be(out + 10, request->count, 4);
    memcpy(out + 14, request->hash, HASH_BYTES);
    if (request->count != 0) memcpy(out + DMAP_REQUEST_BYTES, request->bytes, request->count);
}

void dmap_reply_encode(uint8_t *out, const struct dmap_reply *reply) {
    out[0] = reply->status;
    out[1] = reply->hops;
    put_be(out + 2, reply->count, 4);
    if (reply->count != 0) memcpy(out + DMAP_REPLY_BYTES, reply->bytes, reply->count);
}

int dmap_request_decode(struct dmap_request *ret_request, const uint8_t *message, size_t count) {
    struct dmap_request request;

    if (count < DMAP_REQUEST_BYTES) return -EPROTO;
    request.command = message[0];
    request.ttl = message[1];
    request.id = get_be(message + 2, 8);
    request.count = (size_t)get_be(message + 10, 4);
    memcpy(request.hash, message + 14, HASH_BYTES);
    request.bytes = message + DMAP_REQUEST_BYTES;
    if (request.command < DMAP_STORE_CHUNK || request.command > DMAP_DELETE_CHUNK) return -EPROTO;
    if (request.ttl > HOPS_MAX || request.count > CHUNK_BYTES_MAX) return -EPROTO;
    if (request.count != count - DMAP_REQUEST_BYTES) return -EPROTO;
    if (request.command != DMAP_STORE_CHUNK && request.count != 0) return -EPROTO;
    *ret_request = request;
    return 0;
}

int dmap_reply_decode(struct dmap_reply *ret_reply, const uint8_t *message, size_t count) {
    struct dmap_reply reply;

    if (count < DMAP_REPLY_BYTES) return -EPROTO;
    reply.status = message[0];
    reply.hops = message[1];
    reply.count = (size_t)get_be(message + 2, 4);
    reply.bytes = message + DMAP_REPLY_BYTES;
    if (reply.status > DMAP_REFUSED || reply.hops > HOPS_MAX) return -EPROTO;
    if (reply.count > CHUNK_BYTES_MAX || reply.count != count - DMAP_REPLY_BYTES) return -EPROTO;
    *ret_reply = reply;
    return 0;
}
