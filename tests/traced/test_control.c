/* SPDX-License-Identifier: MIT
 *
 * The mailbox between `control` requests and the ingest thread, and the arithmetic of the control word. */
#include "control.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <store/control_word.h>
#include <string.h>

static struct control *control;

static void setup(void) { ck_assert_int_eq(control_create(&control), 0); }
static void teardown(void) { control_destroy(control); }

/* ---- the word ------------------------------------------------------------------------------------------------------------ */

#define OPENED UINT64_C(0x1111111122222222)

static const struct {
    struct control_change change;
    uint64_t word, expected;
} changes[] = {
    {{.one_node = false}, 0x0123456789abcdef, 0x0123456789abcdef},
    {{.has_kinds = true, .kinds = 0x80}, 0x0123456789abcdef, 0x0123456700000080},
    {{.has_sample = true, .threshold = 5}, 0x0123456789abcdef, 0x0000000589abcdef},
    {{.has_kinds = true, .kinds = UINT32_MAX, .has_sample = true, .threshold = UINT32_MAX}, 7, UINT64_MAX},
    {{.reset = true}, 7, OPENED},
    {{.reset = true, .has_kinds = true, .kinds = 1}, 7, UINT64_C(0x1111111100000001)},
    {{.reset = true, .has_sample = true, .threshold = 1}, 7, UINT64_C(0x0000000122222222)},
    {{.kinds = 5, .threshold = 5}, 7, 7},
};

START_TEST(a_change_affects_only_what_it_names) {
    ck_assert_uint_eq(control_apply(&changes[_i].change, changes[_i].word, OPENED), changes[_i].expected);
}
END_TEST

static const double shares[] = {1, 0.5, 0.25, 0.1, 0.01, 0.001, 0.0001, 1e-05, 0.3, 0.99, 0.12345, 1e-06};

START_TEST(a_share_comes_back_as_it_was_given) {
    ck_assert_double_eq(control_word_share(control_word_threshold(shares[_i])), shares[_i]);
}
END_TEST

START_TEST(a_share_is_that_part_of_all_hashes) {
    ck_assert_uint_eq(control_word_threshold(1), UINT32_MAX); /* each hash is at most this */
    ck_assert_uint_eq(control_word_threshold(0.5), UINT32_MAX / 2);
    ck_assert_uint_eq(control_word_threshold(1e-300), 0);                                /* the smallest share: never none */
    for (uint64_t threshold = 0; threshold <= UINT32_MAX; threshold = threshold * 3 + 1) /* each survives the round trip */
        ck_assert_uint_eq(control_word_threshold(control_word_share((uint32_t)threshold)), threshold);
}
END_TEST

/* ---- the mailbox -------------------------------------------------------------------------------------------------------- */

#define ASKERS 8
#define QUESTIONS 500

/* Stands in for the ingest: the word of its only node. */
static void carry_out(void *arg, const struct control_change *change, struct control_result *result) {
    uint64_t *word = arg;
    *word = control_apply(change, *word, OPENED);
    result->nodes[0].word = *word;
    result->count = 1;
}

/* Each request sets the kinds to different numbers, and must get its own back. */
static void *ask(void *arg) {
    uint32_t first = *(const uint32_t *)arg;
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        struct control_result *result = calloc(1, sizeof *result);
        struct control_change change = {.has_kinds = true, .kinds = first + i};
        int error = control_ask(control, &change, result);
        uint64_t word = result->nodes[0].word;
        uint32_t count = result->count;
        free(result);
        if (error == -ESHUTDOWN) return (void *)(uintptr_t)(i + 1);
        if (error != 0 || count != 1 || (uint32_t)word != change.kinds) abort();
    }
    return NULL;
}

/* Serves until that many requests have been answered or, with all of them, until no more come. */
static void serve(uint64_t *word, unsigned rounds) {
    struct pollfd fd = {.fd = control_fd(control), .events = POLLIN};
    while (rounds-- > 0) {
        ck_assert_int_eq(poll(&fd, 1, 30000), 1);
        control_serve(control, carry_out, word);
    }
}

static void start(pthread_t *threads, uint32_t *firsts) {
    for (uint32_t i = 0; i < ASKERS; i++) {
        firsts[i] = i * QUESTIONS;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, &firsts[i]), 0);
    }
}

static void *close_when_all_are_answered(void *arg) {
    pthread_t *threads = arg;
    for (unsigned i = 0; i < ASKERS; i++) pthread_join(threads[i], NULL);
    struct control_change change = {.one_node = false};
    struct control_result *result = calloc(1, sizeof *result);
    change.has_sample = true; /* the last one: threshold 0 */
    if (control_ask(control, &change, result) != 0) abort();
    free(result);
    return NULL;
}

START_TEST(every_asker_gets_the_result_of_its_own_request) {
    pthread_t threads[ASKERS], closer;
    uint32_t firsts[ASKERS];
    uint64_t word = UINT64_MAX;
    start(threads, firsts);
    ck_assert_int_eq(pthread_create(&closer, NULL, close_when_all_are_answered, threads), 0);
    while (word >> 32 != 0) serve(&word, 1);
    pthread_join(closer, NULL);
    control_serve(control, carry_out, NULL); /* nothing waits, so nothing is executed */
}
END_TEST

START_TEST(a_request_after_the_end_fails_with_shutdown) {
    pthread_t threads[ASKERS];
    uint32_t firsts[ASKERS];
    uint64_t word = UINT64_MAX;
    void *ended;
    start(threads, firsts);
    serve(&word, 20);
    control_close(control);
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], &ended);
        ck_assert_ptr_nonnull(ended); /* 20 rounds answer at most 160 of 500 */
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("control");
    TCase *tcase = tcase_create("control");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_change_affects_only_what_it_names, 0, sizeof changes / sizeof *changes);
    tcase_add_loop_test(tcase, a_share_comes_back_as_it_was_given, 0, sizeof shares / sizeof *shares);
    tcase_add_test(tcase, a_share_is_that_part_of_all_hashes);
    tcase_add_test(tcase, every_asker_gets_the_result_of_its_own_request);
    tcase_add_test(tcase, a_request_after_the_end_fails_with_shutdown);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
