/* SPDX-License-Identifier: MIT
 *
 * Reading a packet's header and payload: see ngtcp2_packet.h. */
#include "ngtcp2_packet.h"
#include "ngtcp2_version.h"

#define LONG_HEADER 0x80U
#define VERSION_2 0x6b3343cfU /* RFC 9369; ngtcp2 0.12 speaks the draft only */
#define NUMBER_MAX ((UINT64_C(1) << 62) - 1)

/* The two type bits of a long header have other meanings in QUIC version 2 (RFC 9369, 3.2). */
static bool long_space(const uint8_t *bytes, unsigned *ret_space) {
    uint32_t version = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
    unsigned type = bytes[0] >> 4 & 3U;

    if (version == VERSION_2 || version == NGTCP2_VERSION_2_DRAFT) type = (type + 3) & 3U;
    switch (type) {
    case 0: *ret_space = TRACE_SPACE_INITIAL; return true;
    case 1: *ret_space = TRACE_SPACE_1RTT; return true; /* 0-RTT */
    case 2: *ret_space = TRACE_SPACE_HANDSHAKE; return true;
    default: return false; /* Retry */
    }
}

bool trace_ngtcp2__header(struct trace_ngtcp2_header *ret_header, const uint8_t *bytes, size_t count) {
    struct trace_ngtcp2_header header = {.space = TRACE_SPACE_1RTT};

    if (count == 0) return false;
    if (bytes[0] & LONG_HEADER && (count < 5 || !long_space(bytes, &header.space))) return false;
    header.early = (bytes[0] & LONG_HEADER) && header.space == TRACE_SPACE_1RTT;
    header.number_bytes = (bytes[0] & 3U) + 1;
    if (count < 1 + header.number_bytes) return false;
    for (size_t i = count - header.number_bytes; i < count; i++) header.number = header.number << 8 | bytes[i];
    *ret_header = header;
    return true;
}

uint64_t trace_ngtcp2__packet_number(uint64_t expected, uint32_t number, unsigned number_bytes) {
    uint64_t window = UINT64_C(1) << 8 * number_bytes, half = window / 2;
    uint64_t candidate = (expected & ~(window - 1)) | number;

    if (candidate + half <= expected && candidate + window <= NUMBER_MAX) return candidate + window;
    if (candidate > expected + half && candidate >= window) return candidate - window;
    return candidate;
}

/* A position in a payload.  A step beyond the end makes it NULL, and it stays NULL. */
struct cursor {
    const uint8_t *at, *end;
};

static void skip_bytes(struct cursor *cursor, uint64_t count) {
    if (cursor->at) cursor->at = count <= (uint64_t)(cursor->end - cursor->at) ? cursor->at + count : NULL;
}

/* RFC 9000, 16: the two high bits of the first byte say how many bytes there are. */
static uint64_t take_number(struct cursor *cursor) {
    const uint8_t *at = cursor->at;

    skip_bytes(cursor, 1);
    if (!cursor->at) return 0;
    uint64_t value = *at & 0x3fU;
    skip_bytes(cursor, (UINT64_C(1) << (*at >> 6)) - 1);
    if (!cursor->at) return 0;
    for (const uint8_t *next = at + 1; next < cursor->at; next++) value = value << 8 | *next;
    return value;
}

static void skip_numbers(struct cursor *cursor, uint64_t count) {
    while (count-- != 0 && cursor->at) take_number(cursor);
}

/* Skips the rest of an ACK frame of that type. */
static void skip_ack(struct cursor *cursor, unsigned type) {
    skip_numbers(cursor, 2); /* largest, delay */
    uint64_t ranges = take_number(cursor);
    skip_numbers(cursor, 1); /* first range */
    skip_numbers(cursor, ranges);
    skip_numbers(cursor, ranges); /* a gap and a length each */
    if (type == 0x03) skip_numbers(cursor, 3);
}

/* What follows a frame's type: a count of numbers, then bytes preceded by their length, then a fixed count of bytes.  ACK,
 * STREAM and a DATAGRAM without a length have other layouts. */
static const struct layout {
    uint8_t known, numbers, data, bytes;
} layouts[] = {
    [0x00] = {.known = 1},                                       /* PADDING */
    [0x01] = {.known = 1},                                       /* PING */
    [0x04] = {.known = 1, .numbers = 3},                         /* RESET_STREAM */
    [0x05] = {.known = 1, .numbers = 2},                         /* STOP_SENDING */
    [0x06] = {.known = 1, .numbers = 1, .data = 1},              /* CRYPTO */
    [0x07] = {.known = 1, .data = 1},                            /* NEW_TOKEN */
    [0x10] = {.known = 1, .numbers = 1},                         /* MAX_DATA */
    [0x11] = {.known = 1, .numbers = 2},                         /* MAX_STREAM_DATA */
    [0x12] = {.known = 1, .numbers = 1},                         /* MAX_STREAMS, both ways */
    [0x13] = {.known = 1, .numbers = 1},                         /* */
    [0x14] = {.known = 1, .numbers = 1},                         /* DATA_BLOCKED */
    [0x15] = {.known = 1, .numbers = 2},                         /* STREAM_DATA_BLOCKED */
    [0x16] = {.known = 1, .numbers = 1},                         /* STREAMS_BLOCKED, both ways */
    [0x17] = {.known = 1, .numbers = 1},                         /* */
    [0x18] = {.known = 1, .numbers = 2, .data = 1, .bytes = 16}, /* NEW_CONNECTION_ID: its length is one byte below 64 */
    [0x19] = {.known = 1, .numbers = 1},                         /* RETIRE_CONNECTION_ID */
    [0x1a] = {.known = 1, .bytes = 8},                           /* PATH_CHALLENGE */
    [0x1b] = {.known = 1, .bytes = 8},                           /* PATH_RESPONSE */
    [0x1c] = {.known = 1, .numbers = 2, .data = 1},              /* CONNECTION_CLOSE, of the transport */
    [0x1d] = {.known = 1, .numbers = 1, .data = 1},              /* CONNECTION_CLOSE, of the application */
    [0x1e] = {.known = 1},                                       /* HANDSHAKE_DONE */
    [0x31] = {.known = 1, .data = 1},                            /* DATAGRAM with a length (RFC 9221) */
};

int64_t trace_ngtcp2__first_stream(const uint8_t *payload, size_t count) {
    struct cursor cursor = {payload, payload + count};

    while (cursor.at && cursor.at < cursor.end) {
        uint64_t type = take_number(&cursor);
        if (type >= 0x08 && type <= 0x0f) {
            uint64_t id = take_number(&cursor);
            return cursor.at ? (int64_t)id : -1;
        }
        if (type == 0x02 || type == 0x03) {
            skip_ack(&cursor, (unsigned)type);
            continue;
        }
        if (type >= sizeof layouts / sizeof layouts[0] || !layouts[type].known) return -1;
        skip_numbers(&cursor, layouts[type].numbers);
        if (layouts[type].data) skip_bytes(&cursor, take_number(&cursor));
        skip_bytes(&cursor, layouts[type].bytes);
    }
    return -1;
}
