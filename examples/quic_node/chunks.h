/* SPDX-License-Identifier: MIT
 *
 * The chunks that a node keeps, each found by the SHA-256 of its bytes. */
#ifndef QUIC_NODE_CHUNKS_H
#define QUIC_NODE_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BYTES 32
#define CHUNK_BUCKETS 1024

struct chunk {
    struct chunk *next;
    uint8_t hash[HASH_BYTES];
    size_t count;
    uint8_t bytes[];
};

struct chunks {
    struct chunk *buckets[CHUNK_BUCKETS];
    uint32_t chunk_count;
    uint64_t byte_count;
};

/* Stores a copy under its hash.  Returns 1 if it is new, 0 if it was there already, -ENOSPC or -ENOMEM. */
int chunks_put(struct chunks *chunks, const uint8_t hash[HASH_BYTES], const uint8_t *bytes, size_t count);

/* NULL if it is not here.  Valid until it is removed. */
const struct chunk *chunks_find(const struct chunks *chunks, const uint8_t hash[HASH_BYTES]);

/* Returns 0, or -ENOENT. */
int chunks_remove(struct chunks *chunks, const uint8_t hash[HASH_BYTES]);

void chunks_fini(struct chunks *chunks);

#endif
