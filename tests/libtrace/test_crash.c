/* SPDX-License-Identifier: MIT
 *
 * Nodes that die: committed events are read, an unfinished slot is not an event, nothing is torn.  And threads that end. */
#include "ring_fixture.h"

#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define EVENTS 64

static struct trace_event events[8192];

static const struct point {
    const char *name;
    unsigned committed; /* of the unfinished event */
    unsigned unfinished;
} points[] = {
    {"reserved", 0, 1}, {"marked", 0, 1}, {"half written", 0, 1}, {"written", 0, 1}, {"committed", 1, 0},
};

static const char *die_at;
static unsigned die_after;

static void die_here(const char *name) {
    if (strcmp(name, die_at) == 0 && die_after-- == 0) raise(SIGKILL);
}

/* Finds the only ring in the directory. */
static struct trace_reader *attach_the_ring(void) {
    DIR *dir = opendir(shm_dir);
    struct trace_reader *reader = NULL;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, strlen(TRACE_SHM_PREFIX)) == 0) reader = attach(entry->d_name);
    closedir(dir);
    ck_assert_ptr_nonnull(reader);
    return reader;
}

static uint32_t read_dead(struct trace_reader *reader, uint64_t *ret_lost) {
    struct trace_read read;
    uint32_t count = 0;
    *ret_lost = 0;
    do {
        trace_reader_read(reader, 0, events + count, 100, true, 1, &read);
        count += read.count;
        *ret_lost += read.lost;
    } while (read.more || read.count != 0);
    return count;
}

static void emit_whole(struct trace_log *log, uint32_t code) {
    uint32_t words[11];
    for (unsigned k = 0; k < 11; k++) words[k] = code * 31 + k;
    TRACE_CUSTOM(log, NULL, NULL, ~code, code, words, sizeof words);
}

static bool is_whole(const struct trace_event *event, uint32_t code) {
    uint32_t words[11];
    bool whole = event->kind == TRACE_KIND_CUSTOM && event->data.custom.code == code && event->data.custom.category == ~code;
    memcpy(words, event->data.custom.data, sizeof words);
    for (unsigned k = 0; k < 11; k++) whole = whole && words[k] == code * 31 + k;
    return whole;
}

/* The codes increase by one from `first`.  One assertion for all, because each is a write to the runner's pipe. */
static void expect_whole(uint32_t count, uint32_t first) {
    uint32_t whole = 0;
    while (whole < count && is_whole(&events[whole], first + whole)) whole++;
    ck_assert_uint_eq(whole, count);
}

/* Killed at each point, in the first lap and in a later one. */
START_TEST(a_node_killed_inside_an_emit_keeps_all_that_it_committed) {
    const struct point *point = &points[_i / 2];
    unsigned before = _i % 2 == 0 ? 10 : 3 * EVENTS + 10;
    struct trace_reader *reader;
    struct trace_lane_count count;
    uint32_t got, first;
    uint64_t lost;
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct trace_log *log = open_log(EVENTS);
        die_at = point->name;
        die_after = before;
        trace__testpoint = die_here;
        for (uint32_t i = 0; i < 10 * EVENTS; i++) emit_whole(log, i);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    reader = attach_the_ring();
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_CRASHED);
    got = read_dead(reader, &lost);
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.emitted, before + point->committed);
    ck_assert_uint_eq(count.unfinished, point->unfinished);
    ck_assert_uint_eq(count.behind, 0);
    ck_assert_uint_eq(got + lost, before + point->committed);
    ck_assert_uint_ge(got, before < EVENTS ? before : EVENTS - 1);
    first = before + point->committed - got;
    expect_whole(got, first);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(a_node_killed_at_any_moment_leaves_whole_events_in_order) {
    enum { KILLS = 1000 };
    srand(1);
    for (unsigned k = 0; k < KILLS; k++) {
        struct timespec delay = {0, 100000 + rand() % 400000};
        struct trace_reader *reader;
        struct trace_lane_count count;
        uint32_t got;
        uint64_t lost;
        int ready[2];
        char byte;
        pid_t child;
        ck_assert_int_eq(pipe(ready), 0);
        child = fork();
        if (child == 0) {
            struct trace_log *log = open_log(4096);
            (void)!write(ready[1], "r", 1);
            for (uint32_t i = 0;; i++) emit_whole(log, i);
        }
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        nanosleep(&delay, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ready[0]);
        close(ready[1]);

        reader = attach_the_ring();
        ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_CRASHED);
        got = read_dead(reader, &lost);
        trace_reader_count(reader, 0, &count);
        ck_assert_uint_eq(count.emitted, got + lost);
        ck_assert_uint_le(count.unfinished, 1);
        expect_whole(got, (uint32_t)lost);
        ck_assert_int_eq(trace_reader_unlink(reader), 0);
        trace_reader_detach(reader);
    }
}
END_TEST

/* ---- a thread that ends ------------------------------------------------------------------------------------------------- */

static struct trace_log *ending_log;
static sem_t successor_has_emitted, successor_may_end;

static void emit_in_handler(int signal) {
    (void)signal;
    emit_codes(ending_log, 1, 2);
}

static void signal_when_forgotten(const char *name) {
    static bool done;
    if (strcmp(name, "forgotten") != 0 || done) return;
    done = true;
    raise(SIGUSR1);
}

static void *succeed(void *unused) {
    emit_codes(ending_log, 10, 11);
    sem_post(&successor_has_emitted);
    sem_wait(&successor_may_end);
    return unused;
}

/* Runs after the library's destructor, because its key is newer. */
static void emit_after_a_successor(void *successor) {
    pthread_create(successor, NULL, succeed, NULL);
    sem_wait(&successor_has_emitted);
    emit_codes(ending_log, 2, 3);
}

static void *emit_and_end(void *key_and_successor) {
    void **given = key_and_successor;
    emit_codes(ending_log, 0, 1);
    pthread_setspecific(*(pthread_key_t *)given[0], given[1]);
    return NULL;
}

START_TEST(a_handler_in_a_thread_that_ends_never_writes_into_a_lane_that_was_handed_on) {
    struct trace_reader *reader;
    struct trace_lane_count ended, next;
    pthread_key_t key;
    pthread_t thread, successor;
    void *given[2] = {&key, &successor};
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = emit_in_handler}, NULL);
    ending_log = open_log(64);
    reader = attach_log(ending_log);
    sem_init(&successor_has_emitted, 0, 0);
    sem_init(&successor_may_end, 0, 0);
    pthread_key_create(&key, emit_after_a_successor);
    trace__testpoint = signal_when_forgotten;
    pthread_create(&thread, NULL, emit_and_end, given);
    pthread_join(thread, NULL);
    sem_post(&successor_may_end);
    pthread_join(successor, NULL);
    trace_reader_count(reader, 1, &ended); /* lane 0 belongs to the thread that opened the log */
    trace_reader_count(reader, 2, &next);
    ck_assert_uint_eq(ended.emitted, 3);
    ck_assert_uint_eq(next.emitted, 1);
    trace_reader_detach(reader);
    trace_log_close(ending_log);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crash");
    TCase *tcase = tcase_create("killed nodes");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, a_node_killed_inside_an_emit_keeps_all_that_it_committed, 0, 2 * sizeof points / sizeof points[0]);
    tcase_add_test(tcase, a_node_killed_at_any_moment_leaves_whole_events_in_order);
    tcase_add_test(tcase, a_handler_in_a_thread_that_ends_never_writes_into_a_lane_that_was_handed_on);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
