/* SPDX-License-Identifier: MIT
 *
 * A history of images: it answers like the history in memory from which they were taken, and damage costs only the
 * damaged part. */
#include "history_checks.h"
#include <store/history_image.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

#define SEGMENTS_MAX 16
#define HISTORY_BYTES ((size_t)120 << 20) /* so that nothing is evicted */
#define BLOCK_BYTES HISTORY_BLOCK_BYTES_MIN

static struct {
    char *images[SEGMENTS_MAX];
    struct history_backed_info infos[SEGMENTS_MAX];
    uint32_t count;
    uint16_t node_map[HISTORY_NODES_MAX];
    /* blocks that cannot be loaded, by segment */
    uint64_t bad[SEGMENTS_MAX][8];
    unsigned loads, rejects;
    struct history *memory; /* their origin */
} store;

static int load(void *context, uint32_t segment, uint32_t block, void *out, size_t bytes) {
    (void)context;
    store.loads++;
    ck_assert_uint_lt(segment, store.count);
    if (store.bad[segment][block / 64] >> block % 64 & 1) return -EBADMSG;
    memcpy(out, store.images[segment] + block * BLOCK_BYTES, bytes);
    return 0;
}

static void reject(void *context, uint32_t segment, uint32_t block) {
    (void)context;
    (void)segment;
    (void)block;
    store.rejects++;
}

static size_t image_bytes(uint32_t segment) {
    struct history_layout layout;
    ck_assert(history_image_layout(&store.infos[segment].segment.shape, &layout));
    return layout.at[HISTORY_SECTIONS];
}

/* Takes the images of all segments. */
static void take(void) {
    memset(&store, 0, sizeof store);
    store.memory = history;
    for (uint32_t i = 0; i < HISTORY_NODES_MAX; i++) store.node_map[i] = (uint16_t)i;
    while (store.count * (uint64_t)HISTORY_SEGMENT_EVENTS < history_end_position(history)) {
        struct history_backed_info *info = &store.infos[store.count];
        char *image = malloc(history_image_bytes_max());
        ck_assert_uint_lt(store.count, SEGMENTS_MAX);
        memset(image, 0xee, history_image_bytes_max());
        ck_assert_int_eq(history_image_take(history, store.count, image, &info->segment), 0);
        ck_assert_uint_eq(info->segment.number, store.count);
        info->block_bytes = BLOCK_BYTES;
        info->node_map = store.node_map;
        info->node_map_count = HISTORY_NODES_MAX;
        info->node_other = 77;
        store.images[store.count] = image;
        store.count++;
    }
}

static void open_backed(void) {
    struct history_backing backing = {.load = load, .reject = reject};
    ck_assert_int_eq(history_open_backed(&history, store.infos, store.count, &backing), 0);
}

static void close_all(void) {
    history_destroy(history);
    history = store.memory;
    for (uint32_t i = 0; i < store.count; i++) free(store.images[i]);
    checks_end();
}

START_TEST(answers_agree_with_the_original_history) {
    static const uint64_t counts[] = {1, 300, 65536, 140000};
    checks_begin_with(&loads[_i], 1 + (uint64_t)_i, 200000, HISTORY_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        workload_append(&generator, history, &model, counts[i] - model.end);
        ck_assert_uint_eq(model.begin, 0);
        take();
        open_backed();
        check_everything(12);
        ck_assert_uint_eq(store.rejects, 0);
        history_destroy(history);
        history = store.memory;
        for (uint32_t k = 0; k < store.count; k++) free(store.images[k]);
    }
    checks_end();
}
END_TEST

/* In memory most of them have no tally. */
START_TEST(an_image_has_every_peer) {
    static const struct workload own = {"own peers", 10, 0, 2, 2, 100, 50, 0, false, 5000};
    struct history_stats stats;
    checks_begin_with(&own, 5, 100000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 90000);
    history_stats(history, &stats);
    ck_assert_uint_gt(stats.rare_peer_events, 40000);
    take();
    ck_assert_uint_eq(store.infos[0].segment.shape.peers, HISTORY_SEGMENT_EVENTS);
    open_backed();
    check_everything(6);
    history_stats(history, &stats);
    ck_assert_uint_eq(stats.peers, 90000);
    ck_assert_uint_eq(stats.rare_peer_events, 0);
    ck_assert_uint_eq(store.rejects, 0);
    close_all();
}
END_TEST

/* As they were before they had the time when the peer was last heard: the node of the newest sample stood in its place. */
static void make_old(uint32_t segment) {
    struct history_layout layout;
    ck_assert(history_image_layout(&store.infos[segment].segment.shape, &layout));
    for (uint32_t i = 0; i < store.infos[segment].segment.shape.peers; i++) {
        char *tally = store.images[segment] + layout.at[HISTORY_PEERS] + 128 * (size_t)i;
        uint16_t node, none = 0;
        memcpy(&node, tally + 38, sizeof node);
        ck_assert_uint_ge(node, 0x8000);
        const uint32_t old[2] = {node & 0x7fff, 0};
        memcpy(tally + 38, &none, sizeof none);
        memcpy(tally + 40, old, sizeof old);
    }
}

START_TEST(peers_of_an_older_recording_are_found_in_its_events) {
    checks_begin_with(&loads[1], 9, 100000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 90000);
    take();
    make_old(0); /* the other one is new */
    open_backed();
    check_everything(4);
    ck_assert_uint_eq(store.rejects, 0);
    close_all();
}
END_TEST

START_TEST(nothing_is_loaded_before_it_is_asked_for) {
    struct history_query query = {.by_trace = true};
    struct history_answer answer;
    struct trace_id found[2];

    checks_begin_with(&loads[4], 3, 200000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 140000);
    take();
    open_backed();
    ck_assert_uint_eq(store.loads, 0);
    query.trace_id = generator_trace_id(&generator, 59000);
    ck_assert_uint_eq(history_find_traces(history, query.trace_id.bytes, 12, found, 2), 1);
    ck_assert_uint_le(store.loads, 3 * 2);
    store.loads = 0;
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, 100, false, NULL, &answer), 0);
    ck_assert_uint_gt(answer.count, 0);
    ck_assert_uint_le(store.loads, 3 * 3 + 3 * answer.count);
    history_answer_fini(&answer);
    close_all();
}
END_TEST

/* Removes events from the model that lie in a bad block, wholly or in part. */
static void forget_bad(void) {
    uint64_t kept = 0;
    for (uint64_t i = 0; i < model.end; i++) {
        uint32_t segment = (uint32_t)(i / HISTORY_SEGMENT_EVENTS), index = i % HISTORY_SEGMENT_EVENTS;
        struct history_layout layout;
        ck_assert(history_image_layout(&store.infos[segment].segment.shape, &layout));
        size_t event = (layout.at[HISTORY_EVENTS] + index * sizeof(struct trace_event)),
               source = (layout.at[HISTORY_SOURCES] + index * sizeof(history_source));
        size_t blocks[3] = {event / BLOCK_BYTES, (event + sizeof(struct trace_event) - 1) / BLOCK_BYTES, source / BLOCK_BYTES};
        bool bad = false;
        for (unsigned k = 0; k < 3; k++) bad |= (store.bad[segment][blocks[k] / 64] >> blocks[k] % 64 & 1) != 0;
        if (!bad) model.events[kept++] = model.events[i];
    }
    model.end = kept;
}

static int add_up(void *context, const struct trace_event *event, history_source source) {
    uint64_t *sum = context;
    (void)source;
    *sum += event->timestamp * (event->sequence + 1);
    return 0;
}

/* Without positions, because evicted events have kept theirs. */
static void check_sums(const struct history_query *query) {
    struct history_answer answer;
    uint64_t sum = 0, expected = 0;
    uint64_t count = model_visit(&model, query, 0, UINT64_MAX, false, NULL, add_up, &expected);

    ck_assert_int_eq(history_select(history, query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    ck_assert_uint_eq(answer.count, count);
    for (size_t i = 0; i < answer.count; i++) add_up(&sum, &answer.hits[i].event, answer.hits[i].source);
    ck_assert_uint_eq(sum, expected);
    history_answer_fini(&answer);
}

static void check_all_sums(void) {
    for (unsigned i = 0; i < 12; i++) {
        const struct trace_event *like = &model.events[generator_below(&generator, model.end)].event;
        check_sums(&(struct history_query){.by_trace = true, .trace_id = like->trace_id});
        check_sums(&(struct history_query){.by_peer = true, .peer_id = like->peer_id});
        check_sums(&(struct history_query){.from_ns = like->timestamp});
        check_sums(&(struct history_query){.kinds = UINT64_C(1) << like->kind % 63});
    }
    check_sums(&(struct history_query){0});
}

/* Damages each block in turn: index blocks cost nothing, others cost the events in them. */
START_TEST(damage_costs_only_the_damaged_part) {
    checks_begin_with(&loads[0], 5, 100000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 70000);
    take();
    for (uint32_t block = (uint32_t)_i; block * BLOCK_BYTES < image_bytes(0); block += 7) {
        struct model whole = model;
        model.events = malloc(whole.end * sizeof *model.events);
        memcpy(model.events, whole.events, whole.end * sizeof *model.events);
        memset(store.bad, 0, sizeof store.bad);
        store.bad[0][block / 64] = UINT64_C(1) << block % 64;
        open_backed();
        forget_bad();
        ck_assert_uint_eq(whole.end - model.end, history_image_block_events(&store.infos[0].segment.shape, BLOCK_BYTES, block));
        check_all_sums();
        if (model.end == whole.end) { /* an index: all answers must be the same */
            check_everything(8);
        } else {
            struct history_trace *traces = NULL;
            struct history_peer *peers = NULL;
            size_t count;
            ck_assert_int_eq(history_traces(history, &(struct history_traces_query){.limit = 9}, &traces, &count, NULL), 0);
            free(traces);
            ck_assert_int_eq(history_peers(history, NULL, 0, &peers, &count), 0);
            free(peers);
        }
        ck_assert_uint_eq(history_backed_verify(history, 0), 1);
        history_destroy(history);
        free(model.events);
        model = whole;
    }
    open_backed();
    close_all();
}
END_TEST

/* The checksums are right, but the contents are wrong: nothing is read beyond an array, and no chain loops. */
START_TEST(an_image_of_noise_is_rejected_or_answered_from_its_events) {
    checks_begin_with(&loads[0], 6, 100000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 70000);
    take();
    for (unsigned round = 0; round < 40; round++) {
        struct history_layout layout;
        enum history_section section = HISTORY_BLOCKS + round % (HISTORY_SECTIONS - HISTORY_BLOCKS);
        char *copy = malloc(image_bytes(1));
        struct history_trace *traces = NULL;
        struct history_peer *peers = NULL;
        struct trace_id ids[8];
        size_t count;

        ck_assert(history_image_layout(&store.infos[1].segment.shape, &layout));
        memcpy(copy, store.images[1], image_bytes(1));
        for (size_t at = layout.at[section]; at + 8 <= layout.at[section + 1]; at += 8) {
            uint64_t noise = generator_random(&generator);
            if (round < 20 || generator_below(&generator, 50) == 0) memcpy(store.images[1] + at, &noise, 8);
        }
        open_backed();
        for (unsigned i = 0; i < 8; i++) {
            struct history_query query = {.by_trace = i % 2, .by_peer = i % 3 == 0};
            struct history_answer answer;
            query.trace_id = model.events[generator_below(&generator, model.end)].event.trace_id;
            query.peer_id = model.events[generator_below(&generator, model.end)].event.peer_id;
            ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, 100, i % 2, NULL, &answer), 0);
            for (size_t k = 0; k < answer.count; k++)
                ck_assert(history_match(&query, &answer.hits[k].event, answer.hits[k].source));
            history_answer_fini(&answer);
        }
        (void)history_find_traces(history, (const uint8_t *)"\x42", 2, ids, 8);
        ck_assert_int_eq(
            history_traces(history, &(struct history_traces_query){.limit = 99, .app_id = "DMAP"}, &traces, &count, NULL), 0);
        free(traces);
        ck_assert_int_eq(history_peers(history, NULL, 0, &peers, &count), 0);
        free(peers);
        history_destroy(history);
        memcpy(store.images[1], copy, image_bytes(1));
        free(copy);
    }
    ck_assert_uint_gt(store.rejects, 0);
    open_backed();
    close_all();
}
END_TEST

START_TEST(nodes_are_translated) {
    struct history_query query = {.by_node = true, .node_set_bits = 256};
    uint64_t node_set[4] = {0};
    struct history_answer answer;

    checks_begin_with(&loads[0], 8, 100000, HISTORY_BYTES);
    workload_append(&generator, history, &model, 70000);
    take();
    store.node_map[0] = 100;
    store.node_map[2] = 0;
    for (uint32_t i = 0; i < store.count; i++) store.infos[i].node_map_count = 3; /* 3 and 4 become 77 */
    for (uint64_t i = 0; i < model.end; i++) {
        static const uint32_t map[] = {100, 1, 0, 77, 77};
        history_source *source = &model.events[i].source;
        *source = history_source_make(map[history_source_node(*source)], history_source_lane(*source));
    }
    open_backed();
    check_everything(32);
    node_set[1] = UINT64_C(1) << 36 | UINT64_C(1) << 13;
    query.node_set = node_set;
    ck_assert_int_eq(history_select(history, &query, 0, UINT64_MAX, LIMIT_ALL, false, NULL, &answer), 0);
    ck_assert_uint_gt(answer.count, 30000);
    history_answer_fini(&answer);
    close_all();
}
END_TEST

START_TEST(a_shape_that_no_segment_has_is_refused) {
    static const struct history_shape bad[] = {
        {0, 0, 0, 1024, 1024},       {65537, 0, 0, 1024, 1024},   {10, 11, 0, 1024, 1024}, {10, 0, 11, 1024, 1024},
        {10, 1, 1, 1000, 1024},      {10, 1, 1, 1024, 0},         {10, 1, 1, 512, 1024},   {10, 1, 1, 1U << 18, 1024},
        {2000, 1024, 1, 1024, 1024}, {2000, 1, 1024, 1024, 1024},
    };
    struct history_layout layout;
    ck_assert(!history_image_layout(&bad[_i], &layout));
}
END_TEST

static void enter(void) { rcu_register_thread(); }
static void leave(void) { rcu_unregister_thread(); }

int main(void) {
    Suite *suite = suite_create("history_backed");
    TCase *tcase = tcase_create("images");

    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_loop_test(tcase, answers_agree_with_the_original_history, 0, LOADS);
    tcase_add_test(tcase, an_image_has_every_peer);
    tcase_add_test(tcase, peers_of_an_older_recording_are_found_in_its_events);
    tcase_add_test(tcase, nothing_is_loaded_before_it_is_asked_for);
    tcase_add_loop_test(tcase, damage_costs_only_the_damaged_part, 0, 7);
    tcase_add_test(tcase, an_image_of_noise_is_rejected_or_answered_from_its_events);
    tcase_add_test(tcase, nodes_are_translated);
    tcase_add_loop_test(tcase, a_shape_that_no_segment_has_is_refused, 0, 10);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
