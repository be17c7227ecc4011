/* SPDX-License-Identifier: MIT
 *
 * Contexts: ids never repeat, and both wire formats are as documented. */
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

START_TEST(only_flags_of_a_context_get_into_one) {
    ck_assert_uint_eq(trace_context_new(0xff).flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED);
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

START_TEST(bytes_that_are_not_a_context_are_refused) {
    struct trace_context context = trace_context_new(0), back;
    uint8_t wire[TRACE_CONTEXT_WIRE_BYTES];
    trace_context_encode(wire, &context);
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire - 1), -EINVAL);
    wire[0] = 1;
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), -EINVAL);
    trace_context_encode(wire, &context);
    wire[25] = 0xff; /* flags of a later version, and has_peer, which the sender may not set */
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), 0);
    ck_assert_uint_eq(back.flags, TRACE_FLAG_SAMPLED | TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED);
}
END_TEST

START_TEST(a_node_without_a_trace_sends_a_context_too) {
    static const struct trace_context none;
    struct trace_context context = trace_context_new(TRACE_FLAG_DEBUG), back = context;
    uint8_t wire[TRACE_CONTEXT_WIRE_BYTES];
    memset(&context.trace_id, 0, sizeof context.trace_id);
    trace_context_encode(wire, &context);
    ck_assert_int_eq(trace_context_decode(&back, wire, sizeof wire), 0);
    ck_assert_mem_eq(&back.trace_id, &none.trace_id, sizeof back.trace_id);
    ck_assert_uint_eq(back.span_id, 0);
    ck_assert_uint_eq(back.flags, 0);
}
END_TEST

START_TEST(the_macros_write_and_read_the_wire_form) {
    struct trace_context context = trace_context_new(TRACE_FLAG_SAMPLED), back;
    uint8_t message[TRACE_CONTEXT_BYTES + 1] = {[TRACE_CONTEXT_BYTES] = 0x5a}, expected[TRACE_CONTEXT_WIRE_BYTES];
    trace_context_encode(expected, &context);
    TRACE_CONTEXT_ENCODE(message, &context);
    ck_assert_mem_eq(message, expected, sizeof expected);
    ck_assert_uint_eq(message[TRACE_CONTEXT_BYTES], 0x5a);
    ck_assert_int_eq(TRACE_CONTEXT_DECODE(&back, message, sizeof message), 0);
    ck_assert_uint_eq(back.span_id, context.span_id);
    ck_assert_int_eq(TRACE_CONTEXT_DECODE(&back, message, TRACE_CONTEXT_BYTES - 1), -EINVAL);
}
END_TEST

/* ---- traceparent ----------------------------------------------------------------------------------------------------------- */

#define TRACE_ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN_ID "00f067aa0ba902b7"
#define GOOD "00-" TRACE_ID "-" SPAN_ID "-01"
static const struct trace_id w3c_id = {
    {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}};
static const uint64_t w3c_span = UINT64_C(0x00f067aa0ba902b7);

/* Parses a copy of exactly its length, so that a sanitizer detects a read beyond it. */
static int parse(struct trace_context *ret_context, const char *text, size_t length) {
    char *copy = malloc(length != 0 ? length : 1);
    memcpy(copy, text, length);
    int result = trace_context_from_traceparent(ret_context, copy, length);
    free(copy);
    return result;
}

START_TEST(a_traceparent_follows_the_w3c_format) {
    static const struct {
        uint8_t flags;
        const char *text;
    } cases[] = {{0, "00-" TRACE_ID "-" SPAN_ID "-00"},
                 {TRACE_FLAG_SAMPLED, GOOD},
                 {TRACE_FLAG_DEBUG | TRACE_FLAG_APP_INITIATED, "00-" TRACE_ID "-" SPAN_ID "-00"},
                 {TRACE_CONTEXT_FLAGS, GOOD}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_context context = {w3c_id, w3c_span, cases[i].flags}, back;
        char out[TRACE_TRACEPARENT_BYTES + 1];
        out[TRACE_TRACEPARENT_BYTES] = '~';
        ck_assert_int_eq(trace_context_to_traceparent(out, &context), 0);
        ck_assert_str_eq(out, cases[i].text);
        ck_assert_int_eq(out[TRACE_TRACEPARENT_BYTES], '~');
        ck_assert_int_eq(parse(&back, out, strlen(out)), 0);
        ck_assert_mem_eq(&back.trace_id, &w3c_id, sizeof w3c_id);
        ck_assert_uint_eq(back.span_id, w3c_span);
        ck_assert_uint_eq(back.flags, cases[i].flags & TRACE_FLAG_SAMPLED);
    }
}
END_TEST

START_TEST(a_context_without_a_trace_or_a_span_has_no_traceparent) {
    struct trace_context none = {{{0}}, w3c_span, 0}, no_span = {w3c_id, 0, 0};
    char out[TRACE_TRACEPARENT_BYTES] = "untouched";
    ck_assert_int_eq(trace_context_to_traceparent(out, &none), -EINVAL);
    ck_assert_int_eq(trace_context_to_traceparent(out, &no_span), -EINVAL);
    ck_assert_str_eq(out, "untouched");
}
END_TEST

static const struct {
    const char *text;
    uint8_t flags;
} readable[] = {
    {GOOD, TRACE_FLAG_SAMPLED},
    {"00-" TRACE_ID "-" SPAN_ID "-00", 0},
    {"00-" TRACE_ID "-" SPAN_ID "-02", 0}, /* a flag that this version does not know */
    {"00-" TRACE_ID "-" SPAN_ID "-ff", TRACE_FLAG_SAMPLED},
    {"01-" TRACE_ID "-" SPAN_ID "-01", TRACE_FLAG_SAMPLED},
    {"01-" TRACE_ID "-" SPAN_ID "-01-", TRACE_FLAG_SAMPLED},
    {"cc-" TRACE_ID "-" SPAN_ID "-01-what-the-future-will-be-like", TRACE_FLAG_SAMPLED},
    {"fe-" TRACE_ID "-" SPAN_ID "-00", 0},
};

START_TEST(a_good_traceparent_is_read) {
    struct trace_context context;
    ck_assert_int_eq(parse(&context, readable[_i].text, strlen(readable[_i].text)), 0);
    ck_assert_mem_eq(&context.trace_id, &w3c_id, sizeof w3c_id);
    ck_assert_uint_eq(context.span_id, w3c_span);
    ck_assert_uint_eq(context.flags, readable[_i].flags);
}
END_TEST

static const char *const unreadable[] = {
    "ff-" TRACE_ID "-" SPAN_ID "-01",  /* the version that is none */
    "00-" TRACE_ID "-" SPAN_ID "-01-", /* more than version 00 has */
    "00-" TRACE_ID "-" SPAN_ID "-01-more",
    "00-" TRACE_ID "-" SPAN_ID "-01 ",
    "00-" TRACE_ID "-" SPAN_ID "-010",
    "01-" TRACE_ID "-" SPAN_ID "-01.more", /* a later version goes on with a '-' */
    "01-" TRACE_ID "-" SPAN_ID "-010",
    "00-00000000000000000000000000000000-" SPAN_ID "-01", /* zero ids */
    "00-" TRACE_ID "-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN_ID "-01", /* upper case */
    "00-" TRACE_ID "-00F067AA0BA902B7-01",
    "0A-" TRACE_ID "-" SPAN_ID "-01",
    "00-" TRACE_ID "-" SPAN_ID "-0B",
    "0x-" TRACE_ID "-" SPAN_ID "-01", /* no digits */
    ".0-" TRACE_ID "-" SPAN_ID "-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN_ID "-01",
    "00-" TRACE_ID "-00f067aa0ba902b`-01",
    "00-" TRACE_ID "-" SPAN_ID "-0/",
    "00-" TRACE_ID "-" SPAN_ID "-:0",
    "00_" TRACE_ID "-" SPAN_ID "-01", /* no '-' */
    "00-" TRACE_ID "_" SPAN_ID "-01",
    "00-" TRACE_ID "-" SPAN_ID "_01",
    "00-4bf92f3577b34da6a3ce929d0e0e47360-" SPAN_ID "-1", /* fields of other lengths */
    "0-" TRACE_ID "0-" SPAN_ID "-01",
    " " GOOD,
};

START_TEST(text_that_is_not_a_traceparent_is_refused) {
    struct trace_context context, untouched;
    memset(&context, 0x5a, sizeof context);
    memset(&untouched, 0x5a, sizeof untouched);
    ck_assert_int_eq(parse(&context, unreadable[_i], strlen(unreadable[_i])), -EINVAL);
    ck_assert_mem_eq(&context, &untouched, sizeof context);
}
END_TEST

START_TEST(a_traceparent_that_is_cut_short_is_refused) {
    struct trace_context context;
    for (size_t length = 0; length < strlen(GOOD); length++) {
        ck_assert_int_eq(parse(&context, GOOD, length), -EINVAL);
        ck_assert_int_eq(trace_context_from_traceparent(&context, GOOD, length), -EINVAL); /* even if the rest follows it */
    }
    for (size_t i = 0; i < strlen(GOOD); i++) { /* a NUL anywhere */
        char text[] = GOOD;
        text[i] = 0;
        ck_assert_int_eq(parse(&context, text, strlen(GOOD)), -EINVAL);
    }
}
END_TEST

/* ---- node ids ---------------------------------------------------------------------------------------------------------- */

START_TEST(a_random_node_id_is_another_one_each_time) {
    struct trace_node_id a = trace_node_id_random(), b = trace_node_id_random();
    static const struct trace_node_id zero;
    ck_assert_mem_ne(&a, &b, sizeof a);
    ck_assert_mem_ne(&a, &zero, sizeof a);
}
END_TEST

/* Peers derive each other's ids: no version may change the result. */
START_TEST(a_derived_node_id_never_changes) {
    static const uint8_t expected[32] = {0x26, 0x91, 0xaa, 0x81, 0x60, 0xee, 0xbf, 0x1a, 0x7b, 0xbe, 0xa6,
                                         0xb6, 0xa7, 0x3d, 0xa7, 0x70, 0x8b, 0xd9, 0x87, 0xbf, 0x9c, 0xce,
                                         0x85, 0x38, 0xdd, 0x46, 0x18, 0xbf, 0xf8, 0xa8, 0xb0, 0xa7};
    struct trace_node_id id = trace_node_id_from("a public key", 12);
    ck_assert_mem_eq(id.bytes, expected, sizeof expected);
}
END_TEST

START_TEST(different_bytes_give_different_node_ids) {
    struct trace_node_id ids[200];
    uint8_t bytes[200] = {0};
    for (unsigned i = 0; i < 100; i++) ids[i] = trace_node_id_from(bytes, i); /* only zeros, each time another length */
    for (unsigned i = 0; i < 100; i++) {
        bytes[i] = 1;
        ids[100 + i] = trace_node_id_from(bytes, 100);
        bytes[i] = 0;
    }
    for (unsigned i = 0; i < 200; i++)
        for (unsigned k = 0; k < i; k++)
            for (unsigned part = 0; part < 32; part += 8) /* each part has the quality of the whole */
                ck_assert_mem_ne(ids[i].bytes + part, ids[k].bytes + part, 8);
}
END_TEST

START_TEST(a_message_id_is_stable_and_depends_on_every_byte) {
    ck_assert_uint_eq(trace_message_id("a transaction", 13), UINT64_C(0xa0c51faacda4cd92));
    ck_assert_uint_ne(trace_message_id("a transaction", 13), trace_message_id("a transactioN", 13));
    ck_assert_uint_ne(trace_message_id("\0", 1), trace_message_id("\0", 2));
    struct trace_node_id node = trace_node_id_from("a transaction", 13);
    uint64_t message = __builtin_bswap64(trace_message_id("a transaction", 13));
    for (unsigned part = 0; part < 32; part += 8) ck_assert_mem_ne(node.bytes + part, &message, 8);
}
END_TEST

START_TEST(shared_knowledge_gives_one_trace_and_two_spans) {
    struct trace_context here = trace_context_shared("4711 alice bob", 14, TRACE_FLAG_SAMPLED | TRACE_FLAG_HAS_PEER);
    struct trace_context there = trace_context_shared("4711 alice bob", 14, TRACE_FLAG_SAMPLED);
    struct trace_context other = trace_context_shared("4711 alice boB", 14, TRACE_FLAG_SAMPLED);
    ck_assert_mem_eq(&here.trace_id, &there.trace_id, sizeof here.trace_id);
    ck_assert_mem_ne(here.trace_id.bytes, other.trace_id.bytes, 8);
    ck_assert_mem_ne(here.trace_id.bytes + 8, other.trace_id.bytes + 8, 8);
    ck_assert_mem_ne(here.trace_id.bytes, here.trace_id.bytes + 8, 8);
    ck_assert_uint_ne(here.span_id, there.span_id);
    ck_assert_uint_ne(here.span_id, 0);
    ck_assert_uint_eq(here.flags, TRACE_FLAG_SAMPLED);
    static const uint8_t expected[TRACE_ID_BYTES] = {0x0a, 0xb4, 0xe9, 0xe1, 0x1a, 0x99, 0x1f, 0x7e,
                                                     0xcf, 0x83, 0x24, 0x54, 0x4e, 0xb3, 0x84, 0x90};
    ck_assert_mem_eq(here.trace_id.bytes, expected, sizeof expected);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("context");
    TCase *tcase = tcase_create("context");
    tcase_add_test(tcase, ids_never_repeat);
    tcase_add_test(tcase, a_forked_child_draws_other_ids);
    tcase_add_test(tcase, a_child_span_stays_in_its_trace);
    tcase_add_test(tcase, only_flags_of_a_context_get_into_one);
    tcase_add_test(tcase, the_wire_form_is_fixed_and_comes_back);
    tcase_add_test(tcase, bytes_that_are_not_a_context_are_refused);
    tcase_add_test(tcase, a_node_without_a_trace_sends_a_context_too);
    tcase_add_test(tcase, the_macros_write_and_read_the_wire_form);
    tcase_add_test(tcase, a_random_node_id_is_another_one_each_time);
    tcase_add_test(tcase, a_derived_node_id_never_changes);
    tcase_add_test(tcase, different_bytes_give_different_node_ids);
    tcase_add_test(tcase, shared_knowledge_gives_one_trace_and_two_spans);
    tcase_add_test(tcase, a_message_id_is_stable_and_depends_on_every_byte);
    suite_add_tcase(suite, tcase);

    tcase = tcase_create("traceparent");
    tcase_add_test(tcase, a_traceparent_follows_the_w3c_format);
    tcase_add_test(tcase, a_context_without_a_trace_or_a_span_has_no_traceparent);
    tcase_add_loop_test(tcase, a_good_traceparent_is_read, 0, sizeof readable / sizeof *readable);
    tcase_add_loop_test(tcase, text_that_is_not_a_traceparent_is_refused, 0, sizeof unreadable / sizeof *unreadable);
    tcase_add_test(tcase, a_traceparent_that_is_cut_short_is_refused);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
