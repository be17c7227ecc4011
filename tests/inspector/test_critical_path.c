/* SPDX-License-Identifier: MIT
 *
 * The critical path against a model that determines for every nanosecond whom each span waits for; and invariants that hold
 * for any events. */
#include "critical_path.h"
#include "facts_fixture.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SPANS_MAX 24
#define NODES 6
#define WHOLE_NS 400 /* far below the time after which a span counts as abandoned */
#define ROUNDS 400

static struct facts facts;
static struct critical_path path;
static uint64_t state;

static unsigned below(unsigned limit) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return limit ? (unsigned)(state >> 33) % limit : 0;
}

static void setup(void) {
    unsigned number;
    char name[8];
    facts = (struct facts){0};
    ck_assert_int_eq(facts_reserve(&facts, 4096), 0);
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "n%u", i);
        ck_assert_int_eq(intern_number(&facts.nodes, name, &number), 0);
    }
}

static void teardown(void) { facts_fini(&facts); }

static struct fact *add(enum fact_kind kind, unsigned node, unsigned peer, uint64_t at_ns) {
    return facts_push(&facts, kind, node, peer, at_ns);
}

static void run(void) {
    ck_assert_int_eq(facts_sort(&facts), 0);
    const struct trace_events events = {.facts = &facts, .count = facts.count};
    ck_assert_int_eq(critical_path_init(&path, &events), 0);
}

/* ---- the model ---- */

struct model_span {
    unsigned node;
    int parent;
    uint64_t start_ns, end_ns;
    bool ok;
};

static struct model_span tree[SPANS_MAX];
static int tree_count;

/* A child that ends after its asker is waited for only if the asker failed. */
static bool waits_for(const struct model_span *parent, const struct model_span *child, uint64_t at_ns) {
    if (child->start_ns > at_ns || child->start_ns >= parent->end_ns) return false;
    if (child->end_ns > parent->end_ns) return !parent->ok;
    return at_ns < child->end_ns;
}

/* Attributes a moment of a span. */
static unsigned model_who(int index, uint64_t at_ns) {
    int chosen = -1;
    uint64_t chosen_until_ns = 0;
    for (int i = 1; i < tree_count; i++) {
        if (tree[i].parent != index || !waits_for(&tree[index], &tree[i], at_ns)) continue;
        uint64_t until_ns = tree[i].end_ns > tree[index].end_ns ? UINT64_MAX : tree[i].end_ns;
        bool later = chosen < 0 || until_ns > chosen_until_ns;
        bool earlier_asked = chosen >= 0 && until_ns == chosen_until_ns && tree[i].start_ns < tree[chosen].start_ns;
        if (!later && !earlier_asked) continue;
        chosen = i;
        chosen_until_ns = until_ns;
    }
    return chosen < 0 ? tree[index].node : model_who(chosen, at_ns);
}

/* Children mostly lie within their parents; all times differ, so the order is never ambiguous. */
static void grow_tree(void) {
    tree_count = 1 + (int)below(SPANS_MAX);
    tree[0] = (struct model_span){.node = 0, .parent = -1, .start_ns = 1000, .end_ns = 1000 + WHOLE_NS, .ok = below(3) != 0};
    for (int i = 1; i < tree_count; i++) {
        struct model_span *span = &tree[i], *parent;
        span->parent = (int)below((unsigned)i);
        parent = &tree[span->parent];
        unsigned room = (unsigned)(parent->end_ns - parent->start_ns);
        span->node = below(NODES);
        span->start_ns = parent->start_ns + 1 + below(room);
        span->end_ns = span->start_ns + 1 + below(2 * room / 3 + 2);
        span->ok = below(4) != 0;
    }
    for (int i = 0; i < tree_count; i++) {
        struct fact *start = add(FACT_APP_START, tree[i].node, NO_NUMBER, tree[i].start_ns * SPANS_MAX + (uint64_t)i);
        start->span_id = (uint64_t)i + 1;
        start->parent_id = i ? (uint64_t)tree[i].parent + 1 : 0;
        struct fact *end = add(FACT_APP_END, tree[i].node, NO_NUMBER, tree[i].end_ns * SPANS_MAX + (uint64_t)i);
        end->span_id = (uint64_t)i + 1;
        end->ok = tree[i].ok;
        tree[i].start_ns = start->time_ns;
        tree[i].end_ns = end->time_ns;
    }
}

/* ---- what must hold for any events ---- */

static void check_whole(void) {
    uint64_t at_ns = path.start_ns, sum_ns = 0;
    for (size_t i = 0; i < path.count; i++) {
        ck_assert_uint_eq(path.waits[i].from_ns, at_ns);
        ck_assert_uint_gt(path.waits[i].to_ns, path.waits[i].from_ns);
        ck_assert_int_eq(i < path.within, path.waits[i].from_ns < path.end_ns);
        at_ns = path.waits[i].to_ns;
    }
    ck_assert_uint_eq(at_ns, path.reach_ns);
    for (size_t i = 0; i < path.spent_count; i++) {
        sum_ns += path.spent[i].ns;
        if (i) ck_assert_uint_ge(path.spent[i - 1].ns, path.spent[i].ns);
    }
    ck_assert_uint_eq(sum_ns, path.end_ns - path.start_ns);
    for (size_t i = 0; i < path.loss_count; i++) ck_assert_uint_le(path.losses[i].ns, path.end_ns - path.start_ns);
}

START_TEST(every_moment_of_a_random_tree_is_attributed_as_in_the_model) {
    state = (uint64_t)_i * 7919 + 1;
    grow_tree();
    run();
    check_whole();
    size_t at = 0;
    for (uint64_t moment = path.start_ns; moment < path.end_ns; moment++) {
        while (path.waits[at].to_ns <= moment) at++;
        ck_assert_int_eq(path.waits[at].kind, WAIT_NODE);
        ck_assert_msg(path.waits[at].node == model_who(0, moment), "at %lu it is %u, not %u", (unsigned long)moment,
                      path.waits[at].node, model_who(0, moment));
    }
    critical_path_fini(&path);
}
END_TEST

START_TEST(whatever_happens_each_moment_is_somebodys_once) {
    static const enum fact_kind kinds[] = {FACT_PACKET_SENT, FACT_PACKET_RECEIVED, FACT_PACKET_LOST, FACT_STREAM_DATA,
                                           FACT_METRICS,     FACT_APP_START,       FACT_APP_END,     FACT_EVENTS_LOST};
    unsigned count = below(200);
    state = (uint64_t)_i * 104729 + 3;
    count = 1 + below(300);
    for (unsigned i = 0; i < count; i++) {
        enum fact_kind kind = kinds[below(sizeof kinds / sizeof *kinds)];
        struct fact *fact = add(kind, below(NODES), below(8) ? below(NODES) : NO_NUMBER, 1 + below(1U << below(31)));
        fact->space = 2;
        if (kind == FACT_APP_START || kind == FACT_APP_END) {
            fact->span_id = 1 + below(12);
            fact->ok = below(2);
            if (kind == FACT_APP_START) fact->parent_id = below(13);
        } else {
            fact->number = below(20);
            fact->bytes = below(2) ? 40 : 1200;
            fact->sent = below(2);
        }
    }
    run();
    if (path.root == NO_POSITION)
        ck_assert_uint_eq(path.count, 0);
    else
        check_whole();
    critical_path_fini(&path);
}
END_TEST

START_TEST(no_events_have_no_path) {
    run();
    ck_assert_uint_eq(path.root, NO_POSITION);
    critical_path_fini(&path);
}
END_TEST

/* A chain as deep as the number of events is walked without recursion, and a span with very many children in less than
 * quadratic time. */
START_TEST(deep_and_wide_traces_are_walked) {
    enum { COUNT = 1500 };
    for (unsigned i = 0; i < COUNT; i++) {
        struct fact *start = add(FACT_APP_START, i % NODES, NO_NUMBER, 1000 + i);
        start->span_id = i + 1;
        start->parent_id = _i ? i != 0 : i;
        struct fact *end = add(FACT_APP_END, i % NODES, NO_NUMBER, 1000000 - i);
        end->span_id = i + 1;
        end->ok = true;
    }
    run();
    check_whole();
    ck_assert_uint_eq(path.spent[0].node, _i ? 1 : (COUNT - 1) % NODES);
    critical_path_fini(&path);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("critical_path");
    TCase *tcase = tcase_create("paths");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, every_moment_of_a_random_tree_is_attributed_as_in_the_model, 0, ROUNDS);
    tcase_add_loop_test(tcase, whatever_happens_each_moment_is_somebodys_once, 0, ROUNDS);
    tcase_add_test(tcase, no_events_have_no_path);
    tcase_add_loop_test(tcase, deep_and_wide_traces_are_walked, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
