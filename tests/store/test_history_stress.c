/* SPDX-License-Identifier: MIT
 *
 * One thread appends while two others ask.  The position alone determines the event at it, so a reader knows what an answer
 * must contain, and notices an event that is torn, missing, or from an earlier use of its segment.
 *
 * Even segments have few traces and peers and odd ones many, so that tables are rebuilt while readers use them.  All ids
 * disappear after a while, so that directory entries die and are reused.
 *
 * Mutations that this test detects: without the grace period (history.c) an event changes under its reader; with a weaker
 * ordering at end, slot, head, entry, traces or peers, or no odd version of a table, ThreadSanitizer or a missing event
 * shows it; a weaker ring is detected only in some runs, because a reader must ask for an evicted segment between a new
 * one's begin and its first event. */
#include "history_model.h"
#include <store/grace.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 500000U /* nearly 8 segments */
#define READERS 2
#define NODES 6
#define RUN_EVENTS 2048 /* maximum length of an append, from one source */
#define ALL ((size_t)1 << 40)

static struct history *history;
static _Atomic bool done;
static _Atomic uint64_t answers;
static _Atomic bool alone; /* nobody asks */

static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* ---- what is where ------------------------------------------------------------------------------------------------------ */

static uint64_t trace_of(uint64_t position) {
    uint64_t segment = position / HISTORY_SEGMENT_EVENTS, many = segment % 2 != 0 ? 20000 : 30;
    return segment / 2 * 1000 + mix(position) % many;
}
static uint64_t peer_of(uint64_t position) {
    uint64_t segment = position / HISTORY_SEGMENT_EVENTS, many = segment % 2 != 0 ? 20000 : 7;
    return segment / 2 * 100 + mix(position + 1) % many;
}
static uint32_t node_of(uint64_t position) { return (uint32_t)(mix(position / RUN_EVENTS) % NODES); }

static struct trace_id trace_id(uint64_t number) {
    uint64_t words[2] = {mix(number + 100), ~mix(number + 100)};
    struct trace_id id;
    memcpy(&id, words, sizeof id);
    return id;
}
static struct trace_node_id peer_id(uint64_t number) {
    uint64_t words[4] = {mix(number + 7), mix(number + 8), mix(number + 9), ~mix(number + 7)};
    struct trace_node_id id;
    memcpy(&id, words, sizeof id);
    return id;
}

static void make(uint64_t position, struct trace_event *ret_event) {
    struct trace_event *event = ret_event;

    memset(event, 0, sizeof *event);
    event->timestamp = 1000000 + position * 10 + mix(position + 2) % 1000;
    event->trace_id = trace_id(trace_of(position));
    event->sequence = (uint32_t)position;
    event->kind = (uint16_t)(1 + mix(position + 3) % 17);
    event->flags = TRACE_FLAG_HAS_PEER;
    event->peer_id = peer_id(peer_of(position));
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word = mix(position + i);
        memcpy(event->data.bytes + 8 * i, &word, sizeof word);
    }
}

static void assert_untorn(const struct trace_event *event, uint64_t position) {
    struct trace_event expected;
    make(position, &expected);
    quick_assert(memcmp((const char *)event, (const char *)&expected, sizeof expected) == 0); /* all 128 bytes */
}

/* ---- readers ------------------------------------------------------------------------------------------------------------ */

/* The answer has exactly the events for which `belongs` is true, except those evicted since. */
static void assert_complete(const struct history_answer *answer, uint64_t end, bool (*belongs)(uint64_t position, uint64_t what),
                            uint64_t what) {
    uint64_t begin = history_begin_position(history), expected = 0, found = 0;

    for (uint64_t position = begin; position < end; position++) expected += belongs(position, what);
    for (size_t i = 0; i < answer->count; i++) {
        const struct history_hit *hit = &answer->hits[i];
        quick_assert(hit->position < end);
        quick_assert(belongs(hit->position, what));
        quick_assert(history_source_node(hit->source) == node_of(hit->position));
        assert_untorn(&hit->event, hit->position);
        if (i > 0) quick_assert(history_compare(&answer->hits[i - 1], hit) < 0);
        found += hit->position >= begin;
    }
    quick_assert(found == expected);
}

static bool is_trace(uint64_t position, uint64_t what) { return trace_of(position) == what; }
static bool is_peer(uint64_t position, uint64_t what) { return peer_of(position) == what; }
static bool is_node(uint64_t position, uint64_t what) { return node_of(position) == what; }

static void ask_for_events(uint64_t random) {
    uint64_t begin = history_begin_position(history), end = history_end_position(history), node_set = 0, what;
    struct history_query query = {.node_set = &node_set, .node_set_bits = 64};
    struct history_answer answer;
    uint64_t like;

    if (end == begin) return;
    like = begin + random % (end - begin);
    if (random / 8 % 2 == 0) like = end + random / 16 % RUN_EVENTS; /* still being appended */
    switch (random % 8) {
    case 0:
        query.by_node = true;
        what = node_of(like);
        node_set = UINT64_C(1) << what;
        ck_assert_int_eq(history_select(history, &query, 0, end, ALL, false, NULL, &answer), 0);
        assert_complete(&answer, end, is_node, what);
        break;
    case 1:
    case 2:
        query.by_peer = true;
        what = peer_of(like);
        query.peer_id = peer_id(what);
        ck_assert_int_eq(history_select(history, &query, 0, end, ALL, false, NULL, &answer), 0);
        assert_complete(&answer, end, is_peer, what);
        break;
    default:
        query.by_trace = true;
        what = trace_of(like);
        query.trace_id = trace_id(what);
        ck_assert_int_eq(history_select(history, &query, 0, end, ALL, false, NULL, &answer), 0);
        assert_complete(&answer, end, is_trace, what);
    }
    history_answer_fini(&answer);
}

static void ask_for_summaries(uint64_t random) {
    uint8_t prefix = (uint8_t)random;
    struct history_trace *traces;
    struct history_peer *peers;
    struct trace_id ids[4];
    size_t count, total;

    ck_assert_int_eq(history_traces(history,
                                    &(struct history_traces_query){.to_ns = random % 2 == 0 ? 0 : UINT64_MAX, .limit = 20},
                                    &traces, &count, &total),
                     0);
    ck_assert_uint_le(count, 20);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_ge(traces[i].events, 1);
        ck_assert_uint_le(traces[i].first_ns, traces[i].last_ns);
        if (i > 0) ck_assert_uint_ge(traces[i - 1].last_ns, traces[i].last_ns);
    }
    free(traces);
    ck_assert_int_eq(history_peers(history, NULL, 0, &peers, &count), 0);
    for (size_t i = 1; i < count; i++) ck_assert_mem_ne(&peers[i - 1].peer_id, &peers[i].peer_id, sizeof peers[i].peer_id);
    free(peers);
    count = history_find_traces(history, &prefix, 2, ids, 4);
    for (size_t i = 0; i < count && i < 4; i++) quick_assert(ids[i].bytes[0] == prefix);
}

static void ask_for_positions(uint64_t random) {
    grace_read_lock();
    for (unsigned i = 0; i < 100; i++) {
        uint64_t position = mix(random + i) % (history_end_position(history) + 1);
        struct history_item item;
        if (!history_at(history, position, &item)) continue; /* evicted */
        assert_untorn(item.event, position);
        quick_assert(history_source_node(item.source) == node_of(position));
    }
    grace_read_unlock();
}

static void *reader_main(void *arg) {
    uint64_t random = (uint64_t)(uintptr_t)arg;

    rcu_register_thread();
    while (!atomic_load(&done)) {
        random = mix(random + 1);
        if (random % 4 == 0)
            ask_for_summaries(random / 4);
        else
            ask_for_events(random / 8);
        ask_for_positions(random);
        atomic_fetch_add(&answers, 1);
    }
    rcu_unregister_thread();
    return NULL;
}

/* ---- the appender ------------------------------------------------------------------------------------------------------- */

static void append_run(uint64_t *position, uint64_t max) {
    uint32_t room, run = (uint32_t)(RUN_EVENTS - *position % RUN_EVENTS), count = 1 + (uint32_t)(mix(*position + 4) % RUN_EVENTS);
    struct trace_event *place = history_reserve(history, &room);

    /* Readers run at every stage, also while a segment is new and empty, and on a machine with one processor. */
    if (!atomic_load(&alone) && (*position % HISTORY_SEGMENT_EVENTS == 0 || count % 4 == 0))
        for (uint64_t before = atomic_load(&answers), more = *position % HISTORY_SEGMENT_EVENTS == 0 ? 20 : 1;
             atomic_load(&answers) - before < more;)
            sched_yield();
    if (count > run) count = run;
    if (count > room) count = room;
    if (count > max) count = (uint32_t)max;
    for (uint32_t i = 0; i < count; i++) make(*position + i, &place[i]);
    history_append(history, count, history_source_make(node_of(*position), 0));
    *position += count;
}

START_TEST(readers_see_whole_events_and_whole_chains_while_events_arrive_and_are_evicted) {
    pthread_t readers[READERS];
    struct history_stats stats;

    rcu_register_thread();
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES_MIN), 0);
    for (uintptr_t i = 0; i < READERS; i++) ck_assert_int_eq(pthread_create(&readers[i], NULL, reader_main, (void *)(i + 1)), 0);
    for (uint64_t position = 0; position < EVENTS;) append_run(&position, EVENTS - position);
    atomic_store(&done, true);
    for (unsigned i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    history_stats(history, &stats);
    ck_assert_uint_eq(stats.events + stats.evicted, EVENTS);
    ck_assert_uint_gt(stats.evicted, 0);
    history_destroy(history);
    rcu_unregister_thread();
}
END_TEST

/* Three segments of memory: when the first is retired and the third is full, the appender reuses the first. */
static _Atomic uint64_t appended;
static void *appender_main(void *arg) {
    uint64_t position = *(uint64_t *)arg;
    while (position < 4 * HISTORY_SEGMENT_EVENTS) {
        append_run(&position, 4 * HISTORY_SEGMENT_EVENTS - position);
        atomic_store(&appended, position);
    }
    return NULL;
}

START_TEST(an_event_stays_as_it_is_while_its_reader_holds_the_lock) {
    struct history_item item, again;
    pthread_t appender;
    uint64_t position = 0;

    rcu_register_thread();
    atomic_store(&alone, true);
    ck_assert_int_eq(history_create(&history, HISTORY_BYTES_MIN), 0);
    while (position < 100) append_run(&position, 100 - position);
    grace_read_lock();
    ck_assert(history_at(history, 10, &item));
    ck_assert_int_eq(pthread_create(&appender, NULL, appender_main, &position), 0);
    while (atomic_load(&appended) < 3 * HISTORY_SEGMENT_EVENTS) sched_yield();
    for (unsigned i = 0; i < 20000 && atomic_load(&appended) == 3 * HISTORY_SEGMENT_EVENTS; i++) sched_yield();
    ck_assert_uint_eq(atomic_load(&appended), 3 * HISTORY_SEGMENT_EVENTS); /* it waits for us */
    ck_assert(!history_at(history, 10, &again));                           /* evicted, */
    assert_untorn(item.event, 10);                                         /* and still there */
    grace_read_unlock();
    pthread_join(appender, NULL);
    ck_assert_uint_eq(atomic_load(&appended), 4 * HISTORY_SEGMENT_EVENTS);
    history_destroy(history);
    rcu_unregister_thread();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("history stress");
    TCase *tcase = tcase_create("stress");

    tcase_set_timeout(tcase, 280);
    tcase_add_test(tcase, readers_see_whole_events_and_whole_chains_while_events_arrive_and_are_evicted);
    tcase_add_test(tcase, an_event_stays_as_it_is_while_its_reader_holds_the_lock);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
