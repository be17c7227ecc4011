/* SPDX-License-Identifier: MIT
 *
 * Reading packets: header, packet number, and the first STREAM frame. */
#include "ngtcp2_packet.h"

#include "run.h"
#include <stdlib.h>
#include <string.h>

/* ---- packet numbers ---------------------------------------------------------------------------------------------------- */

/* The first is the example of RFC 9000, A.3; the others are on both sides of each edge of the window, and of the first and
 * last possible packet number. */
static const struct {
    uint64_t largest_next; /* the largest so far + 1 */
    uint32_t number;
    unsigned bytes;
    uint64_t whole;
} numbers[] = {
    {0xa82f30eb, 0x9b32, 2, 0xa82f9b32},
    {0, 0, 1, 0},
    {0, 0xff, 1, 0xff},
    {1, 0, 1, 0},
    {0x100, 0xff, 1, 0xff},
    {0x101, 0x80, 1, 0x180},
    {0x100, 0x80, 1, 0x180},
    {0x100, 0x81, 1, 0x81},
    {0x17f, 0x00, 1, 0x100},
    {0x180, 0x00, 1, 0x200},
    {0x181, 0x00, 1, 0x200},
    {0xac5c02, 0x5c02, 2, 0xac5c02},
    {0xabe8b4, 0xace8fe, 3, 0xace8fe},
    {UINT64_C(0x1ffffffff), 0, 4, UINT64_C(0x200000000)},
    {UINT64_C(0x3fffffffffffffff), 0xff, 1, UINT64_C(0x3fffffffffffffff)},
    {UINT64_C(0x3fffffffffffffff), 0x00, 1, UINT64_C(0x3fffffffffffff00)}, /* 2^62 is not a packet number */
};

START_TEST(a_packet_number_is_the_one_nearest_to_the_next) {
    ck_assert_uint_eq(trace_ngtcp2__packet_number(numbers[_i].largest_next, numbers[_i].number, numbers[_i].bytes),
                      numbers[_i].whole);
}
END_TEST

/* A receiver restores what a sender may omit (RFC 9000, A.2): twice the distance to the largest acknowledged must fit. */
START_TEST(a_packet_number_comes_back_whole_from_its_low_bytes) {
    unsigned bytes = (unsigned)_i;
    uint64_t range = (UINT64_C(1) << (8 * bytes)) / 2;
    uint64_t step = range / 64 + 1;
    for (uint64_t next = 0; next < 8 * range; next += step)
        for (uint64_t ahead = 0; ahead < range; ahead += step) {
            uint64_t whole = next + ahead;
            uint32_t low = (uint32_t)(whole & (2 * range - 1));
            ck_assert_uint_eq(trace_ngtcp2__packet_number(next, low, bytes), whole);
        }
}
END_TEST

/* ---- headers ------------------------------------------------------------------------------------------------------------- */

#define V1 "\0\0\0\1"
#define V2 "\x6b\x33\x43\xcf"
#define V2_DRAFT "\x70\x9a\x50\xc4"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *bytes;
    size_t count;
    bool is_one;
    struct trace_ngtcp2_header header;
} headers[] = {
    {BYTES("\x40"
           "12345678"
           "\x07"),
     true,
     {TRACE_SPACE_1RTT, 1, 7}},
    {BYTES("\x41"
           "12345678"
           "\x9b\x32"),
     true,
     {TRACE_SPACE_1RTT, 2, 0x9b32}},
    {BYTES("\x47"
           "\xff\xfe\xfd\xfc"),
     true,
     {TRACE_SPACE_1RTT, 4, 0xfffefdfc}},
    {BYTES("\x02"
           "12345678"
           "\1\2\3"),
     true,
     {TRACE_SPACE_1RTT, 3, 0x010203}}, /* its fixed bit greased (RFC 9287) */
    {BYTES("\xc0" V1 "\0\0\0\1\5"), true, {TRACE_SPACE_INITIAL, 1, 5}},
    {BYTES("\xd1" V1 "\0\0\1\0\5"), true, {TRACE_SPACE_1RTT, 2, 5, true}},
    {BYTES("\xe3" V1 "\0\0\1\0\0\0\5"), true, {TRACE_SPACE_HANDSHAKE, 4, 5}},
    {BYTES("\xd0" V2 "\0\0\0\1\5"), true, {TRACE_SPACE_INITIAL, 1, 5}},
    {BYTES("\xe0" V2 "\0\0\1\5"), true, {TRACE_SPACE_1RTT, 1, 5, true}},
    {BYTES("\xf0" V2_DRAFT "\0\0\1\5"), true, {TRACE_SPACE_HANDSHAKE, 1, 5}},
    {BYTES("\xf0" V1 "\0\0"), false, {0}}, /* Retry */
    {BYTES("\xc0" V2 "\0\0"), false, {0}}, /* Retry */
    {BYTES(""), false, {0}},
    {BYTES("\x43"
           "\1\2\3"),
     false,
     {0}},
    {BYTES("\xc0"
           "\0\0\0"),
     false,
     {0}},
};

START_TEST(a_header_gives_the_space_and_the_low_bytes_of_the_number) {
    struct trace_ngtcp2_header header;
    ck_assert_int_eq(trace_ngtcp2__header(&header, (const uint8_t *)headers[_i].bytes, headers[_i].count), headers[_i].is_one);
    if (!headers[_i].is_one) return;
    ck_assert_uint_eq(header.space, headers[_i].header.space);
    ck_assert_uint_eq(header.number_bytes, headers[_i].header.number_bytes);
    ck_assert_uint_eq(header.number, headers[_i].header.number);
    ck_assert_int_eq(header.early, headers[_i].header.early);
}
END_TEST

/* ---- payloads ------------------------------------------------------------------------------------------------------------ */

#define STREAM_9       \
    "\x0f\x09\x00\x03" \
    "abc"

/* Each kind of frame, before a STREAM frame that must be found after it. */
static const struct {
    const char *bytes;
    size_t count;
} frames[] = {
    {BYTES("")},
    {BYTES("\0\0\0")},                                   /* PADDING */
    {BYTES("\1")},                                       /* PING */
    {BYTES("\2\5\0\0\5")},                               /* ACK of one range */
    {BYTES("\2\x40\x64\0\2\x0a\1\1\0\3")},               /* ACK of three */
    {BYTES("\3\5\0\0\5\1\2\3")},                         /* ACK with ECN counts */
    {BYTES("\4\4\1\2")},                                 /* RESET_STREAM */
    {BYTES("\5\4\1")},                                   /* STOP_SENDING */
    {BYTES("\6\0\x08\x08\x08\x08\x08\x08\x08\x08\x08")}, /* CRYPTO, its bytes like frames */
    {BYTES("\7\3\x08\x08\x08")},                         /* NEW_TOKEN */
    {BYTES("\x10\x80\1\0\0")},                           /* MAX_DATA */
    {BYTES("\x11\4\x80\1\0\0")},                         /* MAX_STREAM_DATA */
    {BYTES("\x12\x40\x80"
           "\x13\x40\x80")}, /* MAX_STREAMS */
    {BYTES("\x14\1"
           "\x15\4\1"
           "\x16\1"
           "\x17\1")}, /* blocked */
    {BYTES("\x18\1\0\4\x08\x08\x08\x08"
           "0123456789abcdef")}, /* NEW_CONNECTION_ID */
    {BYTES("\x19\1")},           /* RETIRE_CONNECTION_ID */
    {BYTES("\x1a"
           "01234567"
           "\x1b"
           "01234567")}, /* PATH_CHALLENGE, PATH_RESPONSE */
    {BYTES("\x1c\x0a\6\2\x08\x08"
           "\x1d\x0a\2\x08\x08")}, /* CONNECTION_CLOSE */
    {BYTES("\x1e")},               /* HANDSHAKE_DONE */
    {BYTES("\x31\2\x08\x08")},     /* DATAGRAM */
    {BYTES("\x40\1")},             /* a type in more bytes than it needs is still that type */
};

/* In memory of exactly its size, so that the sanitizers detect a read beyond it. */
static int64_t first_stream(const void *bytes, size_t count) {
    uint8_t *payload = malloc(count + 1);
    int64_t id;
    ck_assert_ptr_nonnull(payload);
    memcpy(payload + 1, bytes, count);
    id = trace_ngtcp2__first_stream(payload + 1, count);
    free(payload);
    return id;
}

START_TEST(the_first_stream_is_found_behind_any_other_frame) {
    uint8_t payload[256];
    memcpy(payload, frames[_i].bytes, frames[_i].count);
    ck_assert_int_eq(first_stream(payload, frames[_i].count), -1);
    memcpy(payload + frames[_i].count, BYTES(STREAM_9));
    ck_assert_int_eq(first_stream(payload, frames[_i].count + sizeof STREAM_9 - 1), 9);
}
END_TEST

START_TEST(a_frame_that_is_cut_ends_the_search) {
    for (size_t count = 1; count < frames[_i].count; count++) ck_assert_int_eq(first_stream(frames[_i].bytes, count), -1);
}
END_TEST

static const struct {
    const char *bytes;
    size_t count;
    int64_t id;
} streams[] = {
    {BYTES("\x08\x04"
           "abc"),
     4},
    {BYTES("\x0e\x7f\xff\x00\x01"
           "a"),
     0x3fff},
    {BYTES("\x0b\xff\xff\xff\xff\xff\xff\xff\xff\x00"), INT64_C(0x3fffffffffffffff)},
    {BYTES(STREAM_9 "\x0b\x0d\x00"), 9}, /* the first of two */
    {BYTES("\x08"), -1},
    {BYTES("\x08\xff\xff"), -1},
    {BYTES("\x30" STREAM_9), -1},                                     /* DATAGRAM to the end */
    {BYTES("\x1f" STREAM_9), -1},                                     /* unknown */
    {BYTES("\x80\0\1\0" STREAM_9), -1},                               /* unknown, large */
    {BYTES("\2\5\0\xff\xff\xff\xff\xff\xff\xff\xff\0" STREAM_9), -1}, /* more ranges than bytes */
    {BYTES("\6\0\xff\xff\xff\xff\xff\xff\xff\xff" STREAM_9), -1},     /* longer than the packet */
};

START_TEST(a_stream_frame_gives_its_id_and_nothing_else_does) {
    ck_assert_int_eq(first_stream(streams[_i].bytes, streams[_i].count), streams[_i].id);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

static void add(TCase *tcase) {
    tcase_add_loop_test(tcase, a_packet_number_is_the_one_nearest_to_the_next, 0, COUNT(numbers));
    tcase_add_loop_test(tcase, a_packet_number_comes_back_whole_from_its_low_bytes, 1, 5);
    tcase_add_loop_test(tcase, a_header_gives_the_space_and_the_low_bytes_of_the_number, 0, COUNT(headers));
    tcase_add_loop_test(tcase, the_first_stream_is_found_behind_any_other_frame, 0, COUNT(frames));
    tcase_add_loop_test(tcase, a_frame_that_is_cut_ends_the_search, 0, COUNT(frames));
    tcase_add_loop_test(tcase, a_stream_frame_gives_its_id_and_nothing_else_does, 0, COUNT(streams));
}

int main(void) { return run_tests("packet", add); }
