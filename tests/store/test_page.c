/* SPDX-License-Identifier: MIT
 *
 * Pages of a query while the history advances: each event that was there at the first call is returned once, or counted as
 * evicted. */
#include "history_model.h"

#include <page.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

static const struct workload loads[] = {
    {"ordinary", 30, 7, 5, 2, 1000, 5000, 0, false, 500},
    {"clocks apart", 50, 7, 7, 3, 1000, 100000, 3600000000000, false, 40},
    {"one moment", 20, 9, 3, 8, 0, 0, 0, false, 30},
    {"backwards by hours", 20, 5, 4, 1, 10, 7200000000000, 0, true, 3000},
};
#define CAPACITY 2500000
#define LOADS ((int)(sizeof loads / sizeof loads[0]))

enum { BY_TRACE = 1, BY_PEER = 2, BY_NODE = 4, BY_KIND = 8, BY_TIME = 16, COMBINATIONS = 32 };

static struct history *history;
static struct model model;
static struct generator generator;
static uint64_t node_set[4];

static void begin(const struct workload *load) {
    rcu_register_thread();
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES_MIN), 0);
    model_init(&model, CAPACITY);
    generator_init(&generator, load, 11);
    workload_append(&generator, history, &model, 140000);
}

static void end(void) {
    history_destroy(history);
    model_fini(&model);
    rcu_unregister_thread();
}

static struct history_query make_query(unsigned combination) {
    struct history_query query = {.node_set = node_set, .node_set_bits = 256};
    const struct model_event *like = &model.events[model.begin + (model.end - model.begin) / 2];
    uint64_t ns = like->event.timestamp;

    query.by_trace = (combination & BY_TRACE) != 0;
    query.by_peer = (combination & BY_PEER) != 0;
    query.by_node = (combination & BY_NODE) != 0;
    query.trace_id = like->event.trace_id;
    query.peer_id = like->event.peer_id;
    memset(node_set, 0, sizeof node_set);
    node_set[history_source_node(like->source) / 64] = UINT64_C(1) << history_source_node(like->source) % 64;
    if (combination & BY_KIND) query.kinds = UINT64_C(1) << like->event.kind | UINT64_C(1) << TRACE_KIND_PACKET_SENT;
    if (combination & BY_TIME) query.from_ns = ns > 40000000 ? ns - 40000000 : 1, query.to_ns = ns + 60000000;
    return query;
}

/* Which events match now. */
static uint64_t note_matching(const struct history_query *query, uint8_t *matching) {
    uint64_t count = 0;
    for (uint64_t i = model.begin; i < model.end; i++)
        if (history_match(query, &model.events[i].event, model.events[i].source)) matching[i] = 1, count++;
    return count;
}

/* Removes the events of a page from those that match.  Drops every second event evicted since, as if it had been evicted
 * between search and output.  Returns how many. */
static uint64_t take(struct page *page, uint8_t *matching) {
    uint64_t dropped = 0;
    for (size_t i = 0; i < page->answer.count; i++) {
        uint64_t position = page->answer.hits[i].position;
        quick_assert(matching[position] == 1);
        matching[position] = 2;
        dropped += position < model.begin && i % 2 != 0;
    }
    page_given(page, page->answer.count - dropped);
    return dropped;
}

/* Goes through all pages while `arriving` events arrive between two of them.  Returns how many were there but not returned. */
static uint64_t check_pages(const struct history_query *query, bool newest_first, size_t limit, uint64_t arriving) {
    uint8_t *matching = calloc(model.capacity, 1);
    uint64_t there = note_matching(query, matching), found = 0, dropped = 0, told = 0, lost = 0;
    struct page_place place;

    for (bool first = true, more = true; more; first = false) {
        struct page page;
        ck_assert_int_eq(page_find(history, query, limit, newest_first, true, first ? NULL : &place, &page), 0);
        more = page.answer.more;
        place = page.place;
        ck_assert_uint_eq(place.total, there);
        if (more) workload_append(&generator, history, &model, arriving);
        dropped += take(&page, matching);
        found += page.answer.count;
        told += page.gone;
        history_answer_fini(&page.answer);
    }
    for (uint64_t i = 0; i < place.end; i++) {
        quick_assert(matching[i] != 1 || i < model.begin); /* what is still there was found */
        lost += matching[i] == 1;
    }
    ck_assert_uint_eq(found + lost, there);
    ck_assert_uint_eq(told, lost + dropped);
    free(matching);
    return told;
}

START_TEST(every_match_is_returned_or_reported_as_evicted) {
    unsigned combination = (unsigned)_i;

    begin(&loads[(_i + _i / LOADS) % LOADS]);
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        struct history_query query = make_query(combination);
        ck_assert_uint_eq(check_pages(&query, newest_first, 4999, 0), 0);
        uint64_t told = check_pages(&query, newest_first, combination & (BY_TRACE | BY_PEER | BY_NODE) ? 400 : 8000, 30000);
        if (combination == 0) ck_assert_uint_gt(told, 30000);
    }
    end();
}
END_TEST

static uint64_t gone_after_all_went(const struct history_query *query, bool count, struct page *page) {
    struct page_place place;
    ck_assert_int_eq(page_find(history, query, 10, false, count, NULL, page), 0);
    place = page->place;
    history_answer_fini(&page->answer);
    ck_assert_int_eq(page_find(history, query, 10, false, count, &place, page), 0);
    ck_assert_uint_eq(page->gone, 0);
    place = page->place;
    history_answer_fini(&page->answer);
    workload_append(&generator, history, &model, 200000);
    ck_assert_int_eq(page_find(history, query, 10, false, count, &place, page), 0);
    history_answer_fini(&page->answer);
    return page->gone;
}

START_TEST(the_last_page_is_empty_and_says_how_many_were_evicted) {
    static uint8_t matching[CAPACITY];
    struct history_query query;
    struct page page;
    uint64_t there;

    begin(&loads[0]);
    query = make_query(BY_NODE | BY_KIND);
    there = note_matching(&query, matching);
    ck_assert_uint_eq(gone_after_all_went(&query, true, &page), there - 20);
    ck_assert_uint_eq(page.answer.count, 0);
    ck_assert(!page.answer.more);
    end();
}
END_TEST

START_TEST(without_a_count_the_total_comes_from_the_indices) {
    static const struct {
        unsigned combination;
        bool known;
    } cases[] = {
        {0, true},        {BY_TIME, true},  {BY_TRACE, true},          {BY_TRACE | BY_KIND, true}, {BY_PEER | BY_NODE, true},
        {BY_KIND, false}, {BY_NODE, false}, {BY_TIME | BY_NODE, false}};
    begin(&loads[0]);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history_query query = make_query(cases[i].combination);
        struct page page;
        uint64_t gone = gone_after_all_went(&query, false, &page);
        ck_assert_msg((gone != PAGE_UNKNOWN) == cases[i].known, "case %zu", i);
        ck_assert_int_eq(page.place.total != PAGE_UNKNOWN, cases[i].known);
    }
    end();
}
END_TEST

START_TEST(a_page_that_is_the_only_one_is_counted_without_asking) {
    struct history_query query;
    struct page page;
    begin(&loads[0]);
    query = make_query(BY_KIND);
    ck_assert_int_eq(page_find(history, &query, 1000000, false, false, NULL, &page), 0);
    ck_assert(!page.answer.more);
    ck_assert_uint_eq(page.place.total, page.answer.count);
    ck_assert_uint_eq(page.gone, 0);
    history_answer_fini(&page.answer);
    end();
}
END_TEST

/* ---- while the ingest continues ----------------------------------------------------------------------------------------- */

static void *append_without_end(void *arg) {
    atomic_bool *stop = arg;
    rcu_register_thread();
    while (!atomic_load(stop)) {
        uint32_t room;
        struct trace_event *place = history_reserve(history, &room);
        for (uint32_t i = 0; i < room; i++) generator_event(&generator, history_source_make(1, 0), &place[i]);
        history_append(history, room, history_source_make(1, 0));
    }
    rcu_unregister_thread();
    return NULL;
}

START_TEST(evictions_during_a_page_are_all_counted) {
    atomic_bool stop = false;
    pthread_t appender;
    unsigned pages = 0;

    begin(&loads[0]);
    ck_assert_int_eq(pthread_create(&appender, NULL, append_without_end, &stop), 0);
    for (unsigned round = 0; round < 100; round++) {
        struct history_query query = {.kinds = round % 2 ? 0 : UINT64_C(1) << TRACE_KIND_PACKET_SENT};
        uint64_t accounted = 0;
        struct page_place place;
        struct page page;
        for (bool first = true, more = true; more; first = false, pages++) {
            ck_assert_int_eq(page_find(history, &query, 6000, round % 3 == 0, true, first ? NULL : &place, &page), 0);
            more = page.answer.more;
            place = page.place;
            accounted += page.answer.count + page.gone;
            history_answer_fini(&page.answer);
        }
        ck_assert_uint_eq(accounted, place.total);
    }
    ck_assert_uint_gt(pages, 200);
    atomic_store(&stop, true);
    pthread_join(appender, NULL);
    end();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("page");
    TCase *pages = tcase_create("pages");
    tcase_set_timeout(pages, 120);
    tcase_add_loop_test(pages, every_match_is_returned_or_reported_as_evicted, 0, COMBINATIONS);
    tcase_add_test(pages, the_last_page_is_empty_and_says_how_many_were_evicted);
    tcase_add_test(pages, without_a_count_the_total_comes_from_the_indices);
    tcase_add_test(pages, evictions_during_a_page_are_all_counted);
    tcase_add_test(pages, a_page_that_is_the_only_one_is_counted_without_asking);
    suite_add_tcase(suite, pages);
    return suite_run(suite);
}
