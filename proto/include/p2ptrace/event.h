/* SPDX-License-Identifier: MIT
 *
 * The event: exactly 128 bytes, in shared memory, in the history and in the memory of readers.
 *
 *      0        8                24      28    30 31 32                               64                           128
 *      +--------+----------------+-------+-----+--+--+--------------------------------+----------------------------+
 *      | time-  | trace_id       | sequ- | kind|fl|re| peer_id                        | data, by kind              |
 *      | stamp  | (16)           | ence  |     |ag|sv| (32)                           | (64)                       |
 *      +--------+----------------+-------+-----+--+--+--------------------------------+----------------------------+
 *
 * The first cache line says who and when, the second says what.  Three fields change their meaning at the ring's edge:
 *
 *   timestamp   in a ring: raw ticks of the ring's clock (p2ptrace/shm.h).  Outside: Unix time in nanoseconds.
 *   sequence    in a ring: the slot's commit mark.  Outside: the low 32 bits of the event's position in its lane.
 *   reserved    in a ring: zero.  Outside: how often the system time had been stepped when the timestamp was computed, modulo
 *               256.  Times of one machine with different numbers have a step between them (proto/event_clock.h).
 *
 * The kinds and their fields are listed once, in tbl/events.def.  Byte order is the machine's: an event leaves the machine only
 * as JSON, in a recording, or as an export.
 *
 * Plain data, and nothing that needs a library.  Any program can include this header: C99 with the extensions of gcc and clang,
 * or C++11. */
#ifndef P2PTRACE_EVENT_H
#define P2PTRACE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define TRACE_STATIC_ASSERT_(condition, text) static_assert(condition, text)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define TRACE_STATIC_ASSERT_(condition, text) _Static_assert(condition, text)
#else /* in C99 mode gcc and clang have it, too, but warn about it with -pedantic */
#define TRACE_STATIC_ASSERT_(condition, text) __extension__ _Static_assert(condition, text)
#endif

#define TRACE_EVENT_BYTES 128
#define TRACE_EVENT_DATA_BYTES 64
#define TRACE_ID_BYTES 16
#define TRACE_NODE_ID_BYTES 32
#define TRACE_APP_DATA_BYTES 42

/* The 128-bit id of a trace, as wide as in W3C Trace Context.  All zero means "no trace". */
struct trace_id {
    uint8_t bytes[TRACE_ID_BYTES];
};

/* A node's identity, for instance the SHA-256 of its certificate.  A node's peer is another node. */
struct trace_node_id {
    uint8_t bytes[TRACE_NODE_ID_BYTES];
};

/* An IPv4 or IPv6 endpoint. */
struct trace_endpoint {
    uint8_t address[16]; /* network order; IPv4 in the first 4 bytes, the rest zero */
    uint16_t port;       /* host order */
    uint8_t family;      /* 4, 6, or 0 for none */
    uint8_t reserved;    /* zero */
};

/* The id of who is known by an address only, until the node's own id is known.  It contains the address, so that everything that
 * shows ids can show the address; trace_node_id_of_endpoint makes it (p2ptrace/trace.h).  What differs between peers comes first,
 * so that a few digits tell them apart. */
struct trace_address_id {
    uint8_t port[2];     /* network order */
    uint8_t address[16]; /* as in struct trace_endpoint */
    uint8_t family;      /* 4 or 6 */
    char mark[13];       /* TRACE_ADDRESS_MARK, without a NUL */
};
#define TRACE_ADDRESS_MARK "of an address"

enum trace_kind {
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) TRACE_KIND_##NAME = (id),
#include "tbl/events.def"
};

enum trace_flag {
#define TRACE_FLAG(bit, name, NAME, doc) TRACE_FLAG_##NAME = 1 << (bit),
#include "tbl/flags.def"
};

enum trace_space {
#define TRACE_SPACE(id, name, NAME, doc) TRACE_SPACE_##NAME = (id),
#include "tbl/spaces.def"
};

enum trace_transport {
#define TRACE_TRANSPORT(id, name, NAME, doc) TRACE_TRANSPORT_##NAME = (id),
#include "tbl/transports.def"
};

enum trace_loss {
#define TRACE_LOSS(id, name, NAME, doc) TRACE_LOSS_##NAME = (id),
#include "tbl/losses.def"
};
enum {
    TRACE_LOSS_COUNT = 0
#define TRACE_LOSS(id, name, NAME, doc) +1
#include "tbl/losses.def"
};

/* The data of each kind: struct trace_conn_init, struct trace_packet_sent, ... */
#define TRACE_MEMBER_u8(name, length) uint8_t name;
#define TRACE_MEMBER_u16(name, length) uint16_t name;
#define TRACE_MEMBER_u32(name, length) uint32_t name;
#define TRACE_MEMBER_u64(name, length) uint64_t name;
#define TRACE_MEMBER_bool(name, length) uint8_t name;
#define TRACE_MEMBER_id64(name, length) uint64_t name;
#define TRACE_MEMBER_space(name, length) uint8_t name;
#define TRACE_MEMBER_loss(name, length) uint8_t name;
#define TRACE_MEMBER_transport(name, length) uint8_t name;
#define TRACE_MEMBER_endpoint(name, length) struct trace_endpoint name;
#define TRACE_MEMBER_code4(name, length) char name[length];
#define TRACE_MEMBER_text(name, length) char name[length];
#define TRACE_MEMBER_payload(name, length) \
    uint8_t name##_bytes;                  \
    uint8_t name[length];

#define TRACE_FIELD(type, name, length, unit, doc) TRACE_MEMBER_##type(name, length)
#define TRACE_KIND(id, name, NAME, doc, fields) \
    struct trace_##name {                       \
        fields                                  \
    };
#include "tbl/events.def"

union trace_event_data {
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) struct trace_##name name;
#include "tbl/events.def"
    uint8_t bytes[TRACE_EVENT_DATA_BYTES];
};

struct trace_event {
    uint64_t timestamp;
    struct trace_id trace_id;
    uint32_t sequence;
    uint16_t kind; /* enum trace_kind, or one that this version does not know */
    uint8_t flags; /* enum trace_flag */
    uint8_t reserved;
    struct trace_node_id peer_id; /* zero unless TRACE_FLAG_HAS_PEER */
    union trace_event_data data;
};

TRACE_STATIC_ASSERT_(sizeof(struct trace_event) == TRACE_EVENT_BYTES, "an event is 128 bytes");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, trace_id) == 8, "trace_id");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, sequence) == 24, "sequence");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, kind) == 28, "kind");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, peer_id) == 32, "peer_id");
TRACE_STATIC_ASSERT_(offsetof(struct trace_event, data) == 64, "data");
TRACE_STATIC_ASSERT_(sizeof(struct trace_address_id) == TRACE_NODE_ID_BYTES, "an address as an id");
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) \
    TRACE_STATIC_ASSERT_(sizeof(struct trace_##name) <= TRACE_EVENT_DATA_BYTES, #name " fits its 64 bytes");
#include "tbl/events.def"

/* So that one function can fill in either. */
TRACE_STATIC_ASSERT_(sizeof(struct trace_message_sent) == sizeof(struct trace_message_received) &&
                         offsetof(struct trace_message_sent, type) == offsetof(struct trace_message_received, type),
                     "messages are laid out alike");

#ifdef __cplusplus
}
#endif

#endif
