/* SPDX-License-Identifier: MIT
 *
 * Contexts: ids never repeat, and the wire form is what it says. */
#include "ring_fixture.h"

#include <sys/wait.h>

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_id)); }

START_TEST(ids_never_repeat) {
    enum { COUNT = 100000 };
    struct trace_id *ids = malloc(COUNT * sizeof *ids), zero = {{0}};
    for (int i = 0; i < COUNT; i++) {
        struct trace_context context = trace_context_new(0);
        ids[i] = context.trace_id;
        ck_assert_uint_ne(context.span_id, 0);
        ck_assert(memcmp(&ids[i], &zero, sizeof zero) != 0);
    }
    qsort(ids, COUNT, sizeof *ids, compare_ids);
    for (int i = 1; i < COUNT; i++) ck_assert_int_ne(compare_ids(&ids[i - 1], &ids[i]), 0);
    free(ids);
}
END_TEST

START_TEST(a_forked_child_draws_other_ids) {
    struct trace_context ours, theirs;
    int from_child[2];
    (void)trace_context_new(0);
    ck_assert_int_eq(pipe(from_child), 0);
    if (fork() == 0) {
        theirs = trace_context_new(0);
        (void)!write(from_child[1], &theirs, sizeof theirs);
        _exit(0);
    }
    ours = trace_context_new(0);
    ck_assert_int_eq(read(from_child[0], &theirs, sizeof theirs), sizeof theirs);
    wait(NULL);
    ck_assert(memcmp(&ours.trace_id, &theirs.trace_id, sizeof ours.trace_id) != 0);
}
END_TEST

START_TEST(a_child_span_stays_in_its_trace) {
    struct trace_context parent = trace_context_new(TRACE_FLAG_SAMPLED), child = trace_context_child(&parent);
    ck_assert_mem_eq(&parent.trace_id, &child.trace_id, sizeof parent.trace_id);
    ck_assert_uint_ne(parent.span_id, child.span_id);
    ck_assert_uint_eq(child.flags, TRACE_FLAG_SAMPLED);
}
END_TEST

START_TEST(the_wire_form_is_fixed_and_comes_back) {
    struct trace_context context = {.span_id = UINT64_C(0x0102030405060708), .flags = TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG},
                         back;
    uint8_t wire[TRACE_CONTEXT_WIRE_BYTES];
    for (unsigned i = 0; i < 16; i++) context.trace_id.bytes[i] = (uint8_t)(0xa0 + i);
    trace_context_encode(wire, &context);
    ck_assert_mem_eq(
        wire, "\x00\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\x01\x02\x03\x04\x05\x06\x07\x08\x03", 26);
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), 0);
    ck_assert_mem_eq(&back.trace_id, &context.trace_id, sizeof back.trace_id);
    ck_assert_uint_eq(back.span_id, context.span_id);
    ck_assert_uint_eq(back.flags, context.flags);
}
END_TEST

START_TEST(what_is_no_context_is_refused) {
    struct trace_context context = trace_context_new(0), back;
    uint8_t wire[TRACE_CONTEXT_WIRE_BYTES];
    trace_context_encode(wire, &context);
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire - 1), -EINVAL);
    wire[0] = 1;
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), -EINVAL);
    wire[0] = 0;
    memset(wire + 1, 0, 16);
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), -EINVAL);
    trace_context_encode(wire, &context);
    wire[25] = 0xff; /* flags of a later version, and has_peer, which is not the sender's to say */
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), 0);
    ck_assert_uint_eq(back.flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("context");
    TCase *tcase = tcase_create("context");
    tcase_add_test(tcase, ids_never_repeat);
    tcase_add_test(tcase, a_forked_child_draws_other_ids);
    tcase_add_test(tcase, a_child_span_stays_in_its_trace);
    tcase_add_test(tcase, the_wire_form_is_fixed_and_comes_back);
    tcase_add_test(tcase, what_is_no_context_is_refused);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
