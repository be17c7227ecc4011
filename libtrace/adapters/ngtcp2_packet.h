/* SPDX-License-Identifier: MIT
 *
 * Reading QUIC packets: from ngtcp2's qlog record of a packet, or from the packet itself when it is encrypted or decrypted.  Pure
 * functions, which never read outside of the bytes that they are given. */
#ifndef TRACE_ADAPTERS_NGTCP2_PACKET_H
#define TRACE_ADAPTERS_NGTCP2_PACKET_H

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trace_ngtcp2_what { TRACE_NGTCP2_SENT, TRACE_NGTCP2_RECEIVED, TRACE_NGTCP2_LOST };

struct trace_ngtcp2_packet {
    enum trace_ngtcp2_what what;
    unsigned space; /* enum trace_space */
    uint64_t number;
    uint32_t bytes;    /* 0 for a lost packet: the record does not say */
    int64_t stream_id; /* of its first STREAM frame; -1 if it has none, and for a lost packet */
    bool early;        /* 0-RTT */
};

/* Reads a qlog record of ngtcp2.  Returns false when it is not about a packet with a number.
 * only_lost: read only records of lost packets; the others cost next to nothing. */
bool trace_ngtcp2__qlog_packet(struct trace_ngtcp2_packet *ret_packet, const char *record, size_t count, bool only_lost);

/* The header of a packet, with header protection removed, as it is authenticated (RFC 9001, 5.3). */
struct trace_ngtcp2_header {
    unsigned space;
    unsigned number_bytes; /* 1 to 4 */
    uint32_t number;       /* the low bytes of the packet number: all that is on the wire */
    bool early;            /* 0-RTT */
};

/* Returns false if the packet has no number. */
bool trace_ngtcp2__header(struct trace_ngtcp2_header *ret_header, const uint8_t *bytes, size_t count);

/* Decodes the full packet number (RFC 9000, A.3).  expected: the largest number of its space so far, plus 1. */
uint64_t trace_ngtcp2__packet_number(uint64_t expected, uint32_t number, unsigned number_bytes);

/* The stream of the first STREAM frame in a packet's payload (RFC 9000, 12.4); -1 if there is none before the end, an unknown
 * frame, or a truncated frame. */
int64_t trace_ngtcp2__first_stream(const uint8_t *payload, size_t count);

#endif
