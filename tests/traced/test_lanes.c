/* SPDX-License-Identifier: MIT
 *
 * Which job gets a thread of the pool, and in which order; and that a job with a thread lets the others run.  Nothing is timed:
 * jobs wait for each other. */
#include "credentials.h"
#include "lanes.h"
#include "traced_limits.h"

#include <check.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#define JOBS 64

struct test_job {
    struct job job;
    sem_t go; /* what it waits for, if anything */
    bool free, ran, done;
    atomic_bool was_here;
    int order; /* in which it began */
};

static uv_loop_t loop;
static struct lanes lanes;
static struct test_job jobs[JOBS];
static sem_t begun;
static atomic_int order;
static unsigned done_count;

static void setup(void) {
    lanes_size_pool();
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    lanes_init(&lanes, &loop);
    sem_init(&begun, 0, 0);
    done_count = 0;
    atomic_store(&order, 0);
}

static void teardown(void) {
    uv_run(&loop, UV_RUN_DEFAULT);
    lanes_fini(&lanes);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void work(struct job *job) {
    struct test_job *self = (struct test_job *)job;
    self->order = atomic_fetch_add(&order, 1);
    sem_post(&begun);
    if (!self->free) sem_wait(&self->go);
}

static void done(struct job *job, bool ran) {
    struct test_job *self = (struct test_job *)job;
    self->ran = ran;
    self->done = true;
    done_count++;
}

static struct test_job *submit(unsigned i, int64_t client, bool is_long, bool free) {
    struct test_job *self = &jobs[i];
    *self = (struct test_job){.job = {.work = work, .done = done, .client = client, .is_long = is_long}, .free = free};
    sem_init(&self->go, 0, 0);
    ck_assert_int_eq(lanes_submit(&lanes, &self->job), 0);
    return self;
}

static void wait_begun(unsigned count) {
    while (count--) sem_wait(&begun);
}

static void run_until(const bool *flag) {
    while (!*flag) uv_run(&loop, UV_RUN_ONCE);
}

START_TEST(a_short_job_does_not_wait_for_long_ones) {
    for (unsigned i = 0; i < 20; i++) submit(i, (pid_t)i, true, false);
    wait_begun(LIMIT_LONG_RUNNING);
    struct test_job *quick = submit(30, 1, false, true);
    run_until(&quick->done); /* no long one has been released */
    ck_assert(quick->ran);
    ck_assert_uint_eq(done_count, 1);
    for (unsigned i = 0; i < 20; i++) sem_post(&jobs[i].go);
}
END_TEST

/* Checks which job gets the next thread, not which begins first: the scheduler may delay a thread. */
START_TEST(a_clients_first_job_comes_before_anothers_second) {
    const unsigned share = LIMIT_LONG_THREADS / 2;
    for (unsigned i = 0; i < 10; i++) submit(i, 1, true, false);
    wait_begun(LIMIT_LONG_RUNNING);
    ck_assert_uint_eq(lanes.threads, share); /* no client takes all */
    struct test_job *second = submit(20, 2, true, false), *again = submit(21, 2, true, false);
    ck_assert(!second->job.queued && !again->job.queued);
    ck_assert_uint_eq(lanes.threads, LIMIT_LONG_THREADS);
    struct test_job *third = submit(22, 3, true, false);
    ck_assert(third->job.queued);
    sem_post(&jobs[0].go);
    while (done_count == 0) uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(done_count, 1);
    ck_assert(!third->job.queued);
    for (unsigned i = share; i < 10; i++) ck_assert(jobs[i].job.queued);
    for (unsigned i = 1; i < 10; i++) sem_post(&jobs[i].go);
    for (unsigned i = 20; i < 23; i++) sem_post(&jobs[i].go);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(done_count, 13);
    ck_assert(again->ran && third->ran);
}
END_TEST

/* Yields until the other one has run; otherwise this would never end. */
static struct test_job *other;
static void give_way(struct job *job) {
    sem_post(&begun);
    while (!atomic_load(&other->was_here)) lanes_pause(job);
}

static void be_here(struct job *job) { atomic_store(&((struct test_job *)job)->was_here, true); }

START_TEST(long_jobs_let_each_other_run) {
    other = &jobs[10];
    *other = (struct test_job){.job = {.work = be_here, .done = done, .client = 9, .is_long = true}};
    for (unsigned i = 0; i < LIMIT_LONG_RUNNING; i++) {
        jobs[i] = (struct test_job){.job = {.work = give_way, .done = done, .client = (int64_t)i, .is_long = true}};
        ck_assert_int_eq(lanes_submit(&lanes, &jobs[i].job), 0);
    }
    wait_begun(LIMIT_LONG_RUNNING);
    ck_assert_int_eq(lanes_submit(&lanes, &other->job), 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(done_count, LIMIT_LONG_RUNNING + 1);
}
END_TEST

START_TEST(a_cancelled_job_does_not_begin_and_is_done_once) {
    for (unsigned i = 0; i < 20; i++) submit(i, (pid_t)i, true, false);
    wait_begun(LIMIT_LONG_RUNNING);
    lanes_cancel(&jobs[15].job); /* not on the pool yet */
    ck_assert(jobs[15].done && !jobs[15].ran);
    for (unsigned i = 0; i < 20; i++) sem_post(&jobs[i].go);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(done_count, 20);
    ck_assert_int_eq(atomic_load(&order), 19);
}
END_TEST

/* Who may start any number of processes gets no more for it; only our own user and root are trusted with that. */
START_TEST(all_processes_of_another_user_are_one_client) {
    const struct credentials own[] = {{.pid = 7, .uid = 1000}, {.pid = 8, .uid = 1000}, {.pid = 9, .uid = 0}},
                             guests[] = {
                                 {.pid = 10, .uid = 1001}, {.pid = 11, .uid = 1001}, {.pid = 1001, .uid = UINT32_MAX - 1}};
    int64_t clients[5];
    for (unsigned i = 0; i < 3; i++) clients[i] = credentials_client(&own[i], 1000);
    ck_assert_int_eq(credentials_client(&guests[0], 1000), credentials_client(&guests[1], 1000));
    clients[3] = credentials_client(&guests[0], 1000);
    clients[4] = credentials_client(&guests[2], 1000);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned j = 0; j < i; j++) ck_assert_int_ne(clients[i], clients[j]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lanes");
    TCase *tcase = tcase_create("lanes");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_short_job_does_not_wait_for_long_ones);
    tcase_add_test(tcase, a_clients_first_job_comes_before_anothers_second);
    tcase_add_test(tcase, long_jobs_let_each_other_run);
    tcase_add_test(tcase, a_cancelled_job_does_not_begin_and_is_done_once);
    tcase_add_test(tcase, all_processes_of_another_user_are_one_client);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
