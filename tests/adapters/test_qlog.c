/* SPDX-License-Identifier: MIT
 *
 * Reading ngtcp2's qlog records. */
#include "ngtcp2_packet.h"

#include "run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENT "\x1e{\"time\":22,\"name\":\"transport:packet_sent\",\"data\":{\"frames\":["
#define RECEIVED "\x1e{\"time\":22,\"name\":\"transport:packet_received\",\"data\":{\"frames\":["
#define LOST "\x1e{\"time\":23,\"name\":\"recovery:packet_lost\",\"data\":{"
#define HEADER(type, number) "\"header\":{\"packet_type\":\"" type "\",\"packet_number\":" number "}"
#define TOKEN(data) "\"header\":{\"packet_type\":\"initial\",\"packet_number\":1,\"token\":{\"data\":\"" data "\"}}"
#define RAW(length) ",\"raw\":{\"length\":" length "}}}\n"
#define STREAM(id) "{\"frame_type\":\"stream\",\"stream_id\":" id ",\"offset\":0,\"length\":5,\"fin\":true}"
#define ACK "{\"frame_type\":\"ack\",\"ack_delay\":0,\"acked_ranges\":[[0,3]]}"

static const struct {
    const char *record;
    struct trace_ngtcp2_packet packet;
} packets[] = {
    {SENT "]," HEADER("1RTT", "2") RAW("31"), {TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, 2, 31, -1}},
    {SENT ACK "]," HEADER("initial", "0") RAW("1200"), {TRACE_NGTCP2_SENT, TRACE_SPACE_INITIAL, 0, 1200, -1}},
    {RECEIVED ACK "]," HEADER("handshake", "7") RAW("87"), {TRACE_NGTCP2_RECEIVED, TRACE_SPACE_HANDSHAKE, 7, 87, -1}},
    {RECEIVED STREAM("0") "]," HEADER("0RTT", "1") RAW("99"), {TRACE_NGTCP2_RECEIVED, TRACE_SPACE_1RTT, 1, 99, 0}},
    {SENT ACK "," STREAM("8") "," STREAM("4") "]," HEADER("1RTT", "5") RAW("1406"),
     {TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, 5, 1406, 8}},
    {SENT STREAM("4611686018427387903") "]," HEADER("1RTT", "4611686018427387903") RAW("65535"),
     {TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, INT64_C(4611686018427387903), 65535, INT64_C(4611686018427387903)}},
    {SENT ACK "]," TOKEN("b6") RAW("1200"), {TRACE_NGTCP2_SENT, TRACE_SPACE_INITIAL, 1, 1200, -1}},
    {RECEIVED ACK
     "]," TOKEN("b6eb37e80626bd55238851a2ee78c297363414890cd2e48343fd1153674d081c8f22ff590eba68faef6b0fb97293484d35d152dc12ec"
                "b5fe1c48892d4a91a7eca3f499daa8c11f94a75543e6cd23") RAW("676"),
     {TRACE_NGTCP2_RECEIVED, TRACE_SPACE_INITIAL, 1, 676, -1}},
    {LOST HEADER("1RTT", "31") "}}\n", {TRACE_NGTCP2_LOST, TRACE_SPACE_1RTT, 31, 0, -1}},
    {LOST HEADER("initial", "1") "}}\n", {TRACE_NGTCP2_LOST, TRACE_SPACE_INITIAL, 1, 0, -1}},
};

static void check_packet(const char *record, size_t count, const struct trace_ngtcp2_packet *expected) {
    struct trace_ngtcp2_packet packet;
    ck_assert_msg(trace_ngtcp2__qlog_packet(&packet, record, count, false), "refused: %.*s", (int)count, record);
    ck_assert_int_eq(packet.what, expected->what);
    ck_assert_uint_eq(packet.space, expected->space);
    ck_assert_uint_eq(packet.number, expected->number);
    ck_assert_uint_eq(packet.bytes, expected->bytes);
    ck_assert_int_eq(packet.stream_id, expected->stream_id);
    ck_assert_int_eq(packet.early, strstr(record, "0RTT") != NULL);
}

START_TEST(a_packet_record_gives_its_kind_space_number_size_and_stream) {
    check_packet(packets[_i].record, strlen(packets[_i].record), &packets[_i].packet);
}
END_TEST

START_TEST(many_frames_hide_neither_the_header_nor_the_stream) {
    char record[100000];
    size_t count = (size_t)sprintf(record, "%s", SENT);
    for (int i = 0; i < 1000; i++) count += (size_t)sprintf(record + count, "%s,", ACK);
    count += (size_t)sprintf(record + count, "%s", STREAM("12") "]," HEADER("1RTT", "77") RAW("1444"));
    check_packet(record, count, &(struct trace_ngtcp2_packet){TRACE_NGTCP2_SENT, TRACE_SPACE_1RTT, 77, 1444, 12});
}
END_TEST

START_TEST(a_token_of_any_length_does_not_hide_the_header) {
    char record[20000];
    size_t count = (size_t)sprintf(
        record, "%s", SENT ACK "],\"header\":{\"packet_type\":\"initial\",\"packet_number\":9,\"token\":{\"data\":\"");
    for (int i = 0; i < 8000; i++) record[count++] = "0123456789abcdef"[i % 16];
    count += (size_t)sprintf(record + count, "%s", "\"}}" RAW("1200"));
    check_packet(record, count, &(struct trace_ngtcp2_packet){TRACE_NGTCP2_SENT, TRACE_SPACE_INITIAL, 9, 1200, -1});
}
END_TEST

static const char *const others[] = {
    "",
    "\x1e{}\n",
    "\x1e{\"qlog_format\":\"JSON-SEQ\",\"qlog_version\":\"0.3\"}\n",
    "\x1e{\"time\":22,\"name\":\"recovery:metrics_updated\",\"data\":{\"min_rtt\":1,\"bytes_in_flight\":3}}\n",
    SENT "]," HEADER("retry", "0") RAW("99"),
    SENT "]," HEADER("1RTT", "") RAW("99"),
    SENT "]," HEADER("1RTT", "-1") RAW("99"),
    SENT "]," HEADER("1RTT", "1") "}}\n",
    SENT "],\"raw\":{\"length\":31}}}\n",
    LOST HEADER("stateless_reset", "1") "}}\n",
    /* the words in the wrong place */
    "\x1e{\"time\":22,\"title\":\"transport:packet_sent\",\"data\":{" HEADER("1RTT", "1") RAW("31"),
};

START_TEST(a_record_that_is_about_no_packet_is_refused) {
    struct trace_ngtcp2_packet packet;
    ck_assert(!trace_ngtcp2__qlog_packet(&packet, others[_i], strlen(others[_i]), false));
}
END_TEST

START_TEST(only_lost_packets_are_read_if_only_these_are_wanted) {
    struct trace_ngtcp2_packet packet;
    ck_assert_int_eq(trace_ngtcp2__qlog_packet(&packet, packets[_i].record, strlen(packets[_i].record), true),
                     packets[_i].packet.what == TRACE_NGTCP2_LOST);
}
END_TEST

START_TEST(a_record_cut_anywhere_is_read_to_its_end_and_not_beyond) {
    const char *record = packets[_i].record;
    size_t whole = strlen(record);
    for (size_t count = 0; count < whole; count++) {
        char *cut = malloc(count + 1); /* of exactly its length, so that the sanitizers detect a read beyond it */
        struct trace_ngtcp2_packet packet;
        ck_assert_ptr_nonnull(cut);
        memcpy(cut + 1, record, count);
        trace_ngtcp2__qlog_packet(&packet, cut + 1, count, false);
        free(cut);
    }
}
END_TEST

static void add(TCase *tcase) {
    tcase_add_loop_test(tcase, a_packet_record_gives_its_kind_space_number_size_and_stream, 0,
                        sizeof packets / sizeof packets[0]);
    tcase_add_test(tcase, a_token_of_any_length_does_not_hide_the_header);
    tcase_add_test(tcase, many_frames_hide_neither_the_header_nor_the_stream);
    tcase_add_loop_test(tcase, a_record_that_is_about_no_packet_is_refused, 0, sizeof others / sizeof others[0]);
    tcase_add_loop_test(tcase, only_lost_packets_are_read_if_only_these_are_wanted, 0, sizeof packets / sizeof packets[0]);
    tcase_add_loop_test(tcase, a_record_cut_anywhere_is_read_to_its_end_and_not_beyond, 0, sizeof packets / sizeof packets[0]);
}

int main(void) { return run_tests("qlog", add); }
