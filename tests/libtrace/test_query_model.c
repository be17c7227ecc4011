/* SPDX-License-Identifier: MIT
 *
 * Queries against a slow model: random events of several threads and random questions, to a query that scans and to one with an
 * index; and the same two during continuous emitting by another thread. */
#include "../helpers/skip.h"
#include "ring_fixture.h"

#include <p2ptrace/query.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

#define EVENTS 64
#define TRACES 9
#define PEERS 5
#define LANES TRACE_LANES_MAX
#define SHARED_LANE (LANES - 1)
#define WORKERS (LANES + 1) /* the last three share a lane */
#define BATCH_MAX (2 * EVENTS + 10)
#define FOUND_MAX (LANES * EVENTS)

static uint64_t seed;

static uint32_t random_below(uint32_t limit) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 33) % limit;
}

static struct trace_id trace_of(unsigned n) {
    struct trace_id id = {{0}}; /* 0: no trace */
    id.bytes[7] = (uint8_t)n;
    return id;
}

/* ---- events that identify themselves ------------------------------------------------------------------------------------ */

/* The n-th event: trace, peer, kind and data all follow from n. */
struct made {
    unsigned trace, peer; /* peer 0: none */
    uint16_t kind;
};

static struct made made_of(uint32_t n) {
    uint32_t mixed = (n ^ n >> 7) * UINT32_C(0x9e3779b1);
    static const uint16_t kinds[] = {TRACE_KIND_CUSTOM, TRACE_KIND_STREAM_OPENED, TRACE_KIND_METRICS, 77};
    return (struct made){(mixed >> 8) % TRACES, (mixed >> 16) % PEERS, kinds[(mixed >> 24) % 4]};
}

static void fill_data(union trace_event_data *data, uint32_t n) {
    uint32_t words[TRACE_EVENT_DATA_BYTES / 4];
    for (unsigned i = 0; i < TRACE_EVENT_DATA_BYTES / 4; i++) words[i] = n * 31 + i;
    memcpy(data->bytes, words, sizeof words);
}

static void emit(struct trace_log *log, uint32_t n) {
    struct made made = made_of(n);
    struct trace_context context = {.trace_id = trace_of(made.trace)};
    struct trace_node_id peer = id_of(made.peer);
    struct trace__slot slot =
        trace__begin(log, TRACE_CONTROL_ALL, made.trace != 0 ? &context : NULL, made.peer != 0 ? &peer : NULL, made.kind);
    ck_assert_ptr_nonnull(slot.event);
    fill_data(&slot.event->data, n);
    trace__commit(slot);
}

static bool is_whole(const struct trace_event *event, uint32_t n) {
    struct made made = made_of(n);
    struct trace_id trace_id = trace_of(made.trace);
    struct trace_node_id peer = id_of(made.peer), nobody = {{0}};
    union trace_event_data data;
    fill_data(&data, n);
    return event->kind == made.kind && (event->flags & TRACE_FLAG_HAS_PEER) == (made.peer != 0 ? TRACE_FLAG_HAS_PEER : 0) &&
           memcmp(&event->trace_id, &trace_id, sizeof trace_id) == 0 &&
           memcmp(&event->peer_id, made.peer != 0 ? &peer : &nobody, sizeof peer) == 0 &&
           memcmp(event->data.bytes, data.bytes, sizeof data) == 0;
}

static bool is_before(const struct trace_query_event *a, const struct trace_query_event *b) {
    if (a->event.timestamp != b->event.timestamp) return a->event.timestamp < b->event.timestamp;
    if (a->lane != b->lane) return a->lane < b->lane;
    return a->position < b->position;
}

/* As bytes: there are no holes. */
static bool is_same(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_query_event)) == 0; }

/* ---- the model ------------------------------------------------------------------------------------------------------------- */

/* Everything that was written to each lane. */
static struct {
    uint32_t *numbers;
    size_t count, capacity;
} lanes[LANES];
static uint32_t numbers_used;

static uint32_t add_to_model(unsigned lane) {
    if (lanes[lane].count == lanes[lane].capacity) {
        lanes[lane].capacity = 2 * lanes[lane].capacity + 64;
        lanes[lane].numbers = realloc(lanes[lane].numbers, lanes[lane].capacity * sizeof(uint32_t));
        ck_assert_ptr_nonnull(lanes[lane].numbers);
    }
    return lanes[lane].numbers[lanes[lane].count++] = numbers_used++;
}

static bool is_in_ring(const struct trace_query_event *found) {
    size_t count = found->lane < LANES ? lanes[found->lane].count : 0;
    return found->position < count && found->position + EVENTS >= count;
}

static size_t ring_count(void) {
    size_t sum = 0;
    for (unsigned i = 0; i < LANES; i++) sum += lanes[i].count < EVENTS ? lanes[i].count : EVENTS;
    return sum;
}

static bool model_matches(const struct trace_query_filter *filter, const struct trace_query_event *found) {
    const struct trace_event *event = &found->event;
    if (filter->trace_id && memcmp(filter->trace_id, &event->trace_id, sizeof event->trace_id) != 0) return false;
    if (filter->peer_id && !(event->flags & TRACE_FLAG_HAS_PEER)) return false;
    if (filter->peer_id && memcmp(filter->peer_id, &event->peer_id, sizeof event->peer_id) != 0) return false;
    if (filter->kinds != 0 && (filter->kinds >> (event->kind < 31 ? event->kind : 31) & 1) == 0) return false;
    return event->timestamp >= filter->from_ns && (filter->to_ns == 0 || event->timestamp < filter->to_ns);
}

/* ---- threads that emit in turn --------------------------------------------------------------------------------------------- */

static struct worker {
    pthread_t thread;
    sem_t go, done;
    struct trace_log *log;
    unsigned lane;
    uint32_t batch[BATCH_MAX];
    unsigned count;
    bool stop;
} workers[WORKERS];

static void *work(void *arg) {
    struct worker *worker = arg;
    for (;;) {
        sem_wait(&worker->go);
        if (worker->stop) return NULL;
        for (unsigned i = 0; i < worker->count; i++) emit(worker->log, worker->batch[i]);
        sem_post(&worker->done);
    }
}

static void give_batch(struct worker *worker, unsigned count) {
    worker->count = count;
    for (unsigned i = 0; i < count; i++) worker->batch[i] = add_to_model(worker->lane);
    sem_post(&worker->go);
    sem_wait(&worker->done);
}

/* Each thread's first event takes a lane: 1, 2, ..., because the opener has 0. */
static void start_workers(struct trace_log *log) {
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        worker->log = log;
        worker->lane = i + 1 < SHARED_LANE ? i + 1 : SHARED_LANE;
        sem_init(&worker->go, 0, 0);
        sem_init(&worker->done, 0, 0);
        ck_assert_int_eq(pthread_create(&worker->thread, NULL, work, worker), 0);
        give_batch(worker, 1);
    }
}

static void stop_workers(void) {
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].stop = true;
        sem_post(&workers[i].go);
        pthread_join(workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < LANES; i++) free(lanes[i].numbers);
}

/* ---- questions ------------------------------------------------------------------------------------------------------------- */

static struct trace_query_event full[FOUND_MAX];

/* Queries everything and compares it with the model.  Leaves it in full[]; returns the number. */
static size_t expect_everything(struct trace_query *query) {
    struct trace_query_answer answer;
    size_t wrong = 0;
    ck_assert_int_eq(trace_query_find(query, NULL, &answer), 0);
    ck_assert_uint_eq(answer.count, ring_count());
    ck_assert_uint_eq(answer.matched, answer.count);
    ck_assert_uint_eq(answer.ring.emitted, answer.count + answer.ring.gone);
    ck_assert_uint_eq(answer.ring.overwritten, 0);
    ck_assert_uint_eq(answer.ring.unfinished, 0);
    for (size_t i = 0; i < answer.count; i++) {
        const struct trace_query_event *found = &answer.events[i];
        if (!is_in_ring(found) || found->event.sequence != (uint32_t)found->position ||
            !is_whole(&found->event, lanes[found->lane].numbers[found->position]) || (i > 0 && !is_before(found - 1, found)))
            wrong++;
    }
    ck_assert_uint_eq(wrong, 0);
    memcpy(full, answer.events, answer.count * sizeof full[0]);
    return answer.count;
}

struct question {
    struct trace_query_filter filter;
    struct trace_id trace_id;
    struct trace_node_id peer_id;
};

/* Times are taken from full[], so they lie exactly on the edges; ids may be unknown. */
static void random_question(struct question *question, size_t full_count) {
    memset(question, 0, sizeof *question);
    question->trace_id = trace_of(random_below(TRACES + 1));
    question->peer_id = id_of(random_below(PEERS + 1));
    if (random_below(2) == 0) question->filter.trace_id = &question->trace_id;
    if (random_below(2) == 0) question->filter.peer_id = &question->peer_id;
    if (random_below(3) == 0) question->filter.kinds = TRACE_QUERY_KIND(77) | TRACE_QUERY_KIND(TRACE_KIND_CUSTOM);
    if (random_below(3) == 0) question->filter.from_ns = full[random_below((uint32_t)full_count)].event.timestamp;
    if (random_below(3) == 0) question->filter.to_ns = full[random_below((uint32_t)full_count)].event.timestamp;
    if (random_below(3) == 0) question->filter.limit = 1 + random_below(20);
}

static void expect_answer(struct trace_query *query, const struct trace_query_filter *filter, size_t full_count) {
    struct trace_query_answer answer;
    struct trace_query_counts counts;
    uint64_t matched = 0, by_kind[TRACE_QUERY_KINDS] = {0};
    size_t at, wrong = 0;
    ck_assert_int_eq(trace_query_count(query, filter, &counts), 0);
    ck_assert_int_eq(trace_query_find(query, filter, &answer), 0);
    at = answer.count;
    for (size_t i = full_count; i-- > 0;) { /* newest first, as the limit counts */
        if (!model_matches(filter, &full[i])) continue;
        by_kind[full[i].event.kind < 31 ? full[i].event.kind : 31]++;
        if (filter->limit != 0 && matched++ >= filter->limit) continue;
        if (filter->limit == 0) matched++;
        if (at == 0 || !is_same(&answer.events[--at], &full[i])) wrong++;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(at, 0);
    ck_assert_uint_eq(answer.matched, matched);
    ck_assert_uint_eq(counts.total, matched);
    ck_assert_mem_eq(counts.by_kind, by_kind, sizeof by_kind);
    ck_assert_uint_eq(counts.ring.emitted, answer.ring.emitted);
    ck_assert_uint_eq(answer.ring.overwritten, 0);
}

START_TEST(scan_and_index_answer_as_the_slow_model_does) {
    struct trace_log *log = open_log(EVENTS);
    struct trace_query *queries[2];
    seed = (uint64_t)_i + 1;
    ck_assert_int_eq(trace__query_open(&queries[0], log, TRACE_QUERY_SCAN), 0);
    ck_assert_int_eq(trace__query_open(&queries[1], log, TRACE_QUERY_INDEXED), 0);
    start_workers(log);
    for (unsigned step = 0; step < 300; step++) {
        for (unsigned batches = random_below(4); batches > 0; batches--)
            give_batch(&workers[random_below(WORKERS)], 1 + random_below(random_below(4) == 0 ? BATCH_MAX : 6));
        for (unsigned q = 0; q < 2; q++) {
            size_t count;
            struct question question;
            if (random_below(3) == 0) continue; /* also lets an index catch up over more than one step */
            count = expect_everything(queries[q]);
            for (unsigned i = 0; i < 4; i++) {
                random_question(&question, count);
                expect_answer(queries[q], &question.filter, count);
            }
        }
    }
    stop_workers();
    trace_query_close(queries[0]);
    trace_query_close(queries[1]);
    trace_log_close(log);
}
END_TEST

/* ---- during emitting ---------------------------------------------------------------------------------------------------- */

#define BUSY_EVENTS 4096
#define BURSTS_A_QUESTION 8

static struct {
    struct trace_log *log;
    _Atomic uint32_t emitted; /* release: whoever acquires it must find what was emitted before */
    _Atomic uint32_t asked;   /* questions */
    atomic_bool stop;
} busy;

/* Bursts and pauses, so that queries meet the writer in every state: asleep, overtaking, laps ahead. */
static void *emit_for_ever(void *arg) {
    uint32_t n = 0, bursts = 0, asked = 0;
    uint64_t state = 7;
    (void)arg;
    while (!atomic_load(&busy.stop)) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        for (uint32_t left = (uint32_t)(state >> 40) % (state >> 63 ? 64 : 3 * BUSY_EVENTS); left > 0; left--) {
            emit(busy.log, n++);
            atomic_store_explicit(&busy.emitted, n, memory_order_release);
        }
        for (uint32_t spin = (uint32_t)(state >> 45); spin > 0 && !atomic_load(&busy.stop); spin--)
            atomic_signal_fence(memory_order_seq_cst);
        /* The querying thread may have no processor for a while, and emitting without queries proves nothing.  Nor does it
         * catch up on what was not emitted during earlier queries. */
        for (bursts++; bursts > BURSTS_A_QUESTION && asked == atomic_load(&busy.asked) && !atomic_load(&busy.stop);)
            sched_yield();
        if (asked != atomic_load(&busy.asked)) bursts = 0;
        asked = atomic_load(&busy.asked);
    }
    return NULL;
}

struct seen {
    uint64_t due, overwritten;
};

/* Every event that must be there is there, once, in order; all others are complete and match. */
static void ask_beside(struct trace_query *query, const struct question *question, struct seen *seen) {
    static bool found[1 << 24];
    struct trace_query_answer answer;
    uint32_t before = atomic_load_explicit(&busy.emitted, memory_order_acquire), after, oldest;
    size_t wrong = 0, missing = 0;
    ck_assert_int_eq(trace_query_find(query, &question->filter, &answer), 0);
    after = atomic_load_explicit(&busy.emitted, memory_order_acquire) + 1; /* one more may be unfinished */
    oldest = after > BUSY_EVENTS ? after - BUSY_EVENTS : 0;
    ck_assert_uint_lt(after, sizeof found);
    for (size_t i = 0; i < answer.count; i++) {
        const struct trace_query_event *event = &answer.events[i];
        if (!is_whole(&event->event, (uint32_t)event->position) || !model_matches(&question->filter, event) || event->lane != 1 ||
            (i > 0 && event->position <= event[-1].position))
            wrong++;
        else
            found[event->position] = true;
    }
    for (uint32_t n = oldest; n < before; n++) {
        struct made made = made_of(n);
        struct trace_id trace_id = trace_of(made.trace);
        struct trace_node_id peer_id = id_of(made.peer);
        if (question->filter.trace_id && memcmp(&trace_id, question->filter.trace_id, sizeof trace_id) != 0) continue;
        if (question->filter.peer_id && (made.peer == 0 || memcmp(&peer_id, question->filter.peer_id, sizeof peer_id) != 0))
            continue;
        seen->due++;
        missing += !found[n];
    }
    for (size_t i = 0; i < answer.count; i++) found[answer.events[i].position & (sizeof found - 1)] = false;
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(missing, 0);
    ck_assert_uint_ge(answer.ring.emitted, before);
    seen->overwritten += answer.ring.overwritten;
}

START_TEST(beside_an_emitter_what_stays_in_the_ring_is_found_and_what_is_found_is_whole) {
    struct trace_query *queries[2];
    struct seen seen = {0, 0};
    pthread_t thread;
    seed = 3;
    busy.log = open_log(BUSY_EVENTS);
    ck_assert_int_eq(trace__query_open(&queries[0], busy.log, TRACE_QUERY_SCAN), 0);
    ck_assert_int_eq(trace__query_open(&queries[1], busy.log, TRACE_QUERY_INDEXED), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, emit_for_ever, NULL), 0);
    /* On a busy machine the writer may not run for long: query until it was met in both states. */
    for (unsigned i = 0;
         (i < 4000 || seen.due == 0 || seen.overwritten == 0) && atomic_load(&busy.emitted) < (1 << 24) - 64 * BUSY_EVENTS; i++) {
        if (i >= 4000) sched_yield();
        struct question question = {.trace_id = trace_of(random_below(TRACES)), .peer_id = id_of(random_below(PEERS))};
        if (random_below(4) != 0) question.filter.trace_id = &question.trace_id;
        if (random_below(3) == 0) question.filter.peer_id = &question.peer_id;
        ask_beside(queries[random_below(2)], &question, &seen);
        atomic_fetch_add(&busy.asked, 1);
    }
    atomic_store(&busy.stop, true);
    pthread_join(thread, NULL);
    trace_query_close(queries[0]);
    trace_query_close(queries[1]);
    trace_log_close(busy.log);
    if (seen.due == 0 || seen.overwritten == 0) SKIP_TEST("no question met the writer: there is one processor, or it is busy");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("query model");
    TCase *tcase = tcase_create("query model");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, scan_and_index_answer_as_the_slow_model_does, 0, 6);
    tcase_add_test(tcase, beside_an_emitter_what_stays_in_the_ring_is_found_and_what_is_found_is_whole);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
