/* SPDX-License-Identifier: MIT
 *
 * A hash table whose keys are hashes already: see chunks.h. */
#include "chunks.h"

#include "limits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned bucket_of(const uint8_t hash[HASH_BYTES]) { return (hash[0] | (unsigned)hash[1] << 8) % CHUNK_BUCKETS; }

const struct chunk *chunks_find(const struct chunks *chunks, const uint8_t hash[HASH_BYTES]) {
    const struct chunk *chunk = chunks->buckets[bucket_of(hash)];
    while (chunk && memcmp(chunk->hash, hash, HASH_BYTES) != 0) chunk = chunk->next;
    return chunk;
}

int chunks_put(struct chunks *chunks, const uint8_t hash[HASH_BYTES], const uint8_t *bytes, size_t count) {
    struct chunk **bucket = &chunks->buckets[bucket_of(hash)];
    struct chunk *chunk;

    if (chunks_find(chunks, hash)) return 0;
    if (chunks->chunk_count == CHUNKS_MAX) return -ENOSPC;
    if ((chunk = malloc(sizeof *chunk + count)) == NULL) return -ENOMEM;
    memcpy(chunk->hash, hash, HASH_BYTES);
    if (count != 0) memcpy(chunk->bytes, bytes, count);
    chunk->count = count;
    chunk->next = *bucket;
    *bucket = chunk;
    chunks->chunk_count++;
    chunks->byte_count += count;
    return 1;
}

int chunks_remove(struct chunks *chunks, const uint8_t hash[HASH_BYTES]) {
    struct chunk **link = &chunks->buckets[bucket_of(hash)];
    struct chunk *chunk;

    while (*link && memcmp((*link)->hash, hash, HASH_BYTES) != 0) link = &(*link)->next;
    if ((chunk = *link) == NULL) return -ENOENT;
    *link = chunk->next;
    chunks->chunk_count--;
    chunks->byte_count -= chunk->count;
    free(chunk);
    return 0;
}

void chunks_fini(struct chunks *chunks) {
    for (unsigned i = 0; i < CHUNK_BUCKETS; i++)
        while (chunks->buckets[i]) {
            struct chunk *chunk = chunks->buckets[i];
            chunks->buckets[i] = chunk->next;
            free(chunk);
        }
}
