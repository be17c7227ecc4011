/* SPDX-License-Identifier: MIT
 *
 * Keeps added tests and cases until they run, and then adds them in another order. */
#include "check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct added {
    Suite *suite; /* of a case; a test has none */
    TCase *tcase;
    const TTest *test;
    int signal, exit_value, index;
};

static struct added *added;
static size_t added_count;

static const char *seed(void) {
    static char drawn[16];
    const char *word = getenv("P2PTRACE_TEST_SHUFFLE");
    if (!word || !word[0]) return NULL;
    if (strcmp(word, "random") != 0) return word;
    if (!drawn[0]) {
        uint32_t number = 0;
        (void)!getrandom(&number, sizeof number, 0);
        snprintf(drawn, sizeof drawn, "%u", number % 1000000);
    }
    return drawn;
}

static void add(struct added one) {
    added = realloc(added, (added_count + 1) * sizeof *added);
    if (!added) abort();
    added[added_count++] = one;
}

void shuffle_add_test(TCase *tcase, const TTest *test, int signal, int exit_value, int start, int end) {
    if (!seed()) {
        (_tcase_add_test)(tcase, test, signal, exit_value, start, end);
        return;
    }
    for (int i = start; i < end; i++)
        add((struct added){.tcase = tcase, .test = test, .signal = signal, .exit_value = exit_value, .index = i});
}

void shuffle_add_tcase(Suite *suite, TCase *tcase) {
    if (seed())
        add((struct added){.suite = suite, .tcase = tcase});
    else
        (suite_add_tcase)(suite, tcase);
}

/* Fisher-Yates shuffle with splitmix64, starting from the FNV-1a hash of the seed. */
static void shuffle(const char *word) {
    uint64_t state = UINT64_C(0xcbf29ce484222325);
    for (; *word; word++) state = (state ^ (unsigned char)*word) * UINT64_C(0x100000001b3);
    for (size_t left = added_count; left > 1; left--) {
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        size_t other = (z ^ (z >> 31)) % left;
        struct added last = added[left - 1];
        added[left - 1] = added[other];
        added[other] = last;
    }
}

void shuffle_run_all(SRunner *runner, enum print_output output) {
    if (seed()) {
        fprintf(stderr, "order of the tests: P2PTRACE_TEST_SHUFFLE=%s\n", seed());
        shuffle(seed());
        for (size_t i = 0; i < added_count; i++) {
            const struct added *one = &added[i];
            if (one->suite)
                (suite_add_tcase)(one->suite, one->tcase);
            else
                (_tcase_add_test)(one->tcase, one->test, one->signal, one->exit_value, one->index, one->index + 1);
        }
        free(added);
        added = NULL;
        added_count = 0;
    }
    (srunner_run_all)(runner, output);
}

int suite_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    shuffle_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
