/* SPDX-License-Identifier: MIT
 *
 * Every limit of the node, in one place. */
#ifndef QUIC_NODE_LIMITS_H
#define QUIC_NODE_LIMITS_H

#define CONNS_MAX 64            /* connections at once, dialled and accepted */
#define TARGETS_MAX 32          /* --peer */
#define STREAMS_BIDI_MAX 128    /* open requests that one peer may have here */
#define CHUNK_BYTES_MAX 1048576 /* one chunk */
#define CHUNKS_MAX 4096         /* chunks that a node keeps */
#define REQUESTS_MAX 1024       /* requests under way at this node */
#define HOPS_MAX 16             /* how far a request travels */
#define SEEN_MAX 4096           /* remembered request ids, to prevent loops */
#define COMMAND_BYTES_MAX 65536 /* one line on stdin */

#define IDLE_TIMEOUT_MS 10000
#define KEEP_ALIVE_MS 3000
#define HANDSHAKE_TIMEOUT_MS 3000 /* after which a lost peer is dialled again */
#define REDIAL_MS 250
#define REQUEST_TIMEOUT_MS 20000
#define THINK_MS_MAX 10000 /* --think */

#endif
