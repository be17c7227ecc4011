/* SPDX-License-Identifier: MIT
 *
 * Traces packets where they are encrypted and decrypted: the associated data is the header without its protection (RFC 9001,
 * 5.3), the rest is the payload.
 *
 * These callbacks do not say which connection they are called for.  So we keep two things globally: the connection that this
 * thread works for (TRACE_NGTCP2_SCOPE), and the functions that really encrypt and decrypt, one pair for the process.  Outside a
 * scope packets are encrypted and decrypted as usual, but not traced. */
#include "ngtcp2_crypto.h"

#include "ngtcp2_events.h"

#include <errno.h>

static __thread struct trace_ngtcp2 *current;

static ngtcp2_encrypt user_encrypt;
static ngtcp2_decrypt user_decrypt;

struct trace_ngtcp2 *trace_ngtcp2__enter(struct trace_ngtcp2 *trace) {
    struct trace_ngtcp2 *before = current;
    current = trace;
    return before;
}

void trace_ngtcp2__leave(struct trace_ngtcp2 *const *before) {
    if (current) trace_ngtcp2__release(current);
    current = *before;
}

void trace_ngtcp2__forget(const struct trace_ngtcp2 *trace) {
    if (current == trace) current = NULL;
}

static bool is_ready(const struct trace_ngtcp2 *trace) { return trace && trace->conn; }

/* Reads a packet's space and number.  next: the connection's next numbers, by space; the caller advances them. */
static bool read_packet_header(struct trace_ngtcp2_packet *packet, const uint64_t *next, const uint8_t *bytes, size_t count) {
    struct trace_ngtcp2_header header;

    if (!trace_ngtcp2__header(&header, bytes, count)) return false;
    packet->space = header.space;
    packet->early = header.early;
    packet->number = trace_ngtcp2__packet_number(next[header.space], header.number, header.number_bytes);
    return true;
}

static void move_on(uint64_t *next, const struct trace_ngtcp2_packet *packet) {
    if (packet->number >= next[packet->space]) next[packet->space] = packet->number + 1;
}

/* Only packets of the application space carry streams. */
static int64_t payload_stream(unsigned space, const uint8_t *payload, size_t count) {
    return space == TRACE_SPACE_1RTT ? trace_ngtcp2__first_stream(payload, count) : -1;
}

/* The payload is read before it is encrypted, because that may happen in place.  An empty payload is not a packet's: the
 * integrity tag of a Retry is computed that way (RFC 9001, 5.8). */
static int on_encrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *aead_ctx,
                      const uint8_t *plaintext, size_t plaintextlen, const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                      size_t aadlen) {
    struct trace_ngtcp2 *trace = current;
    struct trace_ngtcp2_packet packet = {.what = TRACE_NGTCP2_SENT};
    bool told = is_ready(trace) && plaintextlen != 0 && read_packet_header(&packet, trace->next_sent, aad, aadlen);
    int rv;

    if (told) packet.stream_id = payload_stream(packet.space, plaintext, plaintextlen);
    rv = user_encrypt(dest, aead, aead_ctx, plaintext, plaintextlen, nonce, noncelen, aad, aadlen);
    if (rv != 0 || !told) return rv;
    move_on(trace->next_sent, &packet);
    packet.bytes = (uint32_t)(aadlen + plaintextlen + aead->max_overhead);
    trace_ngtcp2__packet(trace, &packet);
    return 0;
}

/* The number of a packet that is not authentic cannot be trusted.  ngtcp2 has not processed the payload of an authentic one
 * yet. */
static int on_decrypt(uint8_t *dest, const ngtcp2_crypto_aead *aead, const ngtcp2_crypto_aead_ctx *aead_ctx,
                      const uint8_t *ciphertext, size_t ciphertextlen, const uint8_t *nonce, size_t noncelen, const uint8_t *aad,
                      size_t aadlen) {
    struct trace_ngtcp2 *trace = current;
    struct trace_ngtcp2_packet packet = {.what = TRACE_NGTCP2_RECEIVED};
    int rv = user_decrypt(dest, aead, aead_ctx, ciphertext, ciphertextlen, nonce, noncelen, aad, aadlen);

    if (rv != 0 || !is_ready(trace) || ciphertextlen <= aead->max_overhead) return rv;
    if (!read_packet_header(&packet, trace->next_received, aad, aadlen)) return 0;
    move_on(trace->next_received, &packet);
    packet.stream_id = payload_stream(packet.space, dest, ciphertextlen - aead->max_overhead);
    packet.bytes = (uint32_t)(aadlen + ciphertextlen);
    trace_ngtcp2__hold(trace, &packet);
    return 0;
}

/* The first connection of the process sets the functions.  relaxed: a pointer to code; a thread that calls it has passed here
 * before, or got its connection from one that had. */
#define TAKE(place, function)                                                                                                  \
    (__atomic_compare_exchange_n(&(place), &(__typeof__(place)){NULL}, function, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) || \
     __atomic_load_n(&(place), __ATOMIC_RELAXED) == (function))

int trace_ngtcp2__take_crypto(ngtcp2_callbacks *callbacks) {
    if (!TAKE(user_encrypt, callbacks->encrypt) || !TAKE(user_decrypt, callbacks->decrypt)) return -EBUSY;
    callbacks->encrypt = on_encrypt;
    callbacks->decrypt = on_decrypt;
    return 0;
}
