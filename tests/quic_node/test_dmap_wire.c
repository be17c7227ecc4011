/* SPDX-License-Identifier: MIT
 *
 * DataMap messages: what is written is read back, and nothing else is accepted. */
#include "dmap_wire.h"

#include "limits.h"
#include "run.h"
#include <errno.h>
#include <string.h>

START_TEST(a_request_comes_back_as_it_was) {
    uint8_t chunk[100], message[DMAP_REQUEST_BYTES + sizeof chunk];
    struct dmap_request request = {.command = DMAP_STORE_CHUNK, .ttl = 7, .id = UINT64_C(0x0123456789abcdef), .bytes = chunk};
    struct dmap_request back;

    for (unsigned i = 0; i < sizeof chunk; i++) chunk[i] = (uint8_t)(i * 3);
    for (unsigned i = 0; i < HASH_BYTES; i++) request.hash[i] = (uint8_t)(i + 1);
    request.count = (size_t)_i;
    dmap_request_encode(message, &request);
    ck_assert_int_eq(dmap_request_decode(&back, message, DMAP_REQUEST_BYTES + request.count), 0);
    ck_assert_uint_eq(back.command, request.command);
    ck_assert_uint_eq(back.ttl, request.ttl);
    ck_assert_uint_eq(back.id, request.id);
    ck_assert_mem_eq(back.hash, request.hash, HASH_BYTES);
    ck_assert_uint_eq(back.count, request.count);
    ck_assert_mem_eq(back.bytes, chunk, request.count);
}
END_TEST

START_TEST(a_reply_comes_back_as_it_was) {
    uint8_t chunk[3] = {1, 2, 3}, message[DMAP_REPLY_BYTES + sizeof chunk];
    struct dmap_reply reply = {.status = DMAP_LOOP, .hops = 4, .bytes = chunk, .count = (size_t)_i}, back;

    dmap_reply_encode(message, &reply);
    ck_assert_int_eq(dmap_reply_decode(&back, message, DMAP_REPLY_BYTES + reply.count), 0);
    ck_assert_uint_eq(back.status, DMAP_LOOP);
    ck_assert_uint_eq(back.hops, 4);
    ck_assert_uint_eq(back.count, reply.count);
    ck_assert_mem_eq(back.bytes, chunk, reply.count);
}
END_TEST

/* One byte of a good STORE of 5 bytes changed, or its length. */
static const struct {
    size_t at;
    uint8_t value;
    size_t count;
} bad_requests[] = {
    {0, 0, 51},            /* no command */
    {0, 4, 51},            /* no such command */
    {0, 2, 51},            /* a GET with a chunk */
    {1, HOPS_MAX + 1, 51}, /* too far */
    {13, 6, 51},           /* longer than what is there */
    {13, 4, 51},           /* shorter than what is there */
    {10, 0xff, 51},        /* longer than any chunk */
    {0, 1, 50},
    {0, 1, 45},
    {0, 1, 1},
    {0, 1, 0},
};

START_TEST(a_request_that_is_not_exactly_one_is_refused) {
    uint8_t message[DMAP_REQUEST_BYTES + 5];
    struct dmap_request request = {.command = DMAP_STORE_CHUNK, .bytes = (const uint8_t *)"hello", .count = 5}, back;

    dmap_request_encode(message, &request);
    ck_assert_int_eq(dmap_request_decode(&back, message, sizeof message), 0);
    message[bad_requests[_i].at] = bad_requests[_i].value;
    ck_assert_int_eq(dmap_request_decode(&back, message, bad_requests[_i].count), -EPROTO);
}
END_TEST

static const struct {
    size_t at;
    uint8_t value;
    size_t count;
} bad_replies[] = {
    {0, DMAP_REFUSED + 1, 11}, {1, HOPS_MAX + 1, 11}, {5, 6, 11}, {5, 4, 11}, {2, 0xff, 11}, {0, 0, 10}, {0, 0, 5}, {0, 0, 0},
};

START_TEST(a_reply_that_is_not_exactly_one_is_refused) {
    uint8_t message[DMAP_REPLY_BYTES + 5];
    struct dmap_reply reply = {.status = DMAP_OK, .bytes = (const uint8_t *)"hello", .count = 5}, back;

    dmap_reply_encode(message, &reply);
    ck_assert_int_eq(dmap_reply_decode(&back, message, sizeof message), 0);
    message[bad_replies[_i].at] = bad_replies[_i].value;
    ck_assert_int_eq(dmap_reply_decode(&back, message, bad_replies[_i].count), -EPROTO);
}
END_TEST

static void add(TCase *tcase) {
    tcase_add_loop_test(tcase, a_request_comes_back_as_it_was, 0, 101);
    tcase_add_loop_test(tcase, a_reply_comes_back_as_it_was, 0, 4);
    tcase_add_loop_test(tcase, a_request_that_is_not_exactly_one_is_refused, 0, sizeof bad_requests / sizeof bad_requests[0]);
    tcase_add_loop_test(tcase, a_reply_that_is_not_exactly_one_is_refused, 0, sizeof bad_replies / sizeof bad_replies[0]);
}

int main(void) { return run_tests("dmap_wire", add); }
