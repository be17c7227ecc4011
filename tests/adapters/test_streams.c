/* SPDX-License-Identifier: MIT
 *
 * The table of a connection's streams. */
#include "ngtcp2_streams.h"

#include "run.h"

/* Numbered like in QUIC: four kinds of streams, in steps of four. */
static int64_t id_of(unsigned n) { return (int64_t)(n / 4) * 4 + n % 4; }

START_TEST(streams_that_are_open_are_all_found_however_many) {
    struct trace_ngtcp2_streams streams = {0};

    ck_assert_ptr_null(trace_ngtcp2__stream_find(&streams, 0));
    for (unsigned i = 0; i < 5000; i++) trace_ngtcp2__stream_add(&streams, id_of(i))->sent = i;
    for (unsigned i = 0; i < 5000; i++) {
        struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_find(&streams, id_of(i));
        ck_assert_ptr_nonnull(stream);
        ck_assert_uint_eq(stream->sent, i);
        ck_assert_ptr_eq(trace_ngtcp2__stream_add(&streams, id_of(i)), stream);
    }
    ck_assert_ptr_null(trace_ngtcp2__stream_find(&streams, id_of(5000)));
    trace_ngtcp2__streams_fini(&streams);
}
END_TEST

START_TEST(consecutive_streams_reuse_room_and_the_last_closed_remain) {
    struct trace_ngtcp2_streams streams = {0};
    struct trace_ngtcp2_stream *open = trace_ngtcp2__stream_add(&streams, id_of(0));
    open->sent = 99;

    for (unsigned i = 1; i < 100000; i++) {
        trace_ngtcp2__stream_close(&streams, trace_ngtcp2__stream_add(&streams, id_of(i)));
        for (unsigned j = 0; j < STREAMS_CLOSED_KEPT && i % 997 == 0; j++)
            ck_assert_ptr_nonnull(trace_ngtcp2__stream_find(&streams, id_of(i - j)));
    }
    ck_assert_uint_le(streams.slot_count, 4 * STREAMS_CLOSED_KEPT);
    ck_assert_uint_eq(trace_ngtcp2__stream_find(&streams, id_of(0))->sent, 99); /* old, but still open */
    trace_ngtcp2__streams_fini(&streams);
}
END_TEST

START_TEST(a_stream_closes_once) {
    struct trace_ngtcp2_streams streams = {0};
    struct trace_ngtcp2_stream *stream = trace_ngtcp2__stream_add(&streams, 4);

    trace_ngtcp2__stream_close(&streams, stream);
    trace_ngtcp2__stream_close(&streams, stream);
    ck_assert_uint_eq(stream->closed, 1);
    ck_assert_uint_eq(streams.closed_count, 1);
    trace_ngtcp2__streams_fini(&streams);
    ck_assert_ptr_null(trace_ngtcp2__stream_find(&streams, 4));
}
END_TEST

static void add(TCase *tcase) {
    tcase_add_test(tcase, streams_that_are_open_are_all_found_however_many);
    tcase_add_test(tcase, consecutive_streams_reuse_room_and_the_last_closed_remain);
    tcase_add_test(tcase, a_stream_closes_once);
}

int main(void) { return run_tests("streams", add); }
