/* SPDX-License-Identifier: MIT
 *
 * How much one iteration of the loop sends, whatever its clients have left unread; and how much while the ingest is behind.
 * Bytes and events are counted, not timed.
 *
 * Most clients ask for methods that do not exist: the errors need no store. */
#include "connection.h"
#include "ingest_internal.h"
#include "server.h"
#include "store_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 160
#define LINES 45
#define ITERATIONS_MAX 100000
#define QUIET 100 /* iterations without a change: it waits for the clients */

/* Both queues have a round, and each ends with the turn that uses it up. */
#define ITERATION_BYTES_MAX (2 * (LIMIT_ROUND_WORK + LIMIT_ANSWER_WORK) * LIMIT_SENT_BYTES_PER_WORK)

static uv_loop_t loop;
static struct service service;
static struct server server;
static int listen_fd, fds[CLIENTS];
static size_t lines[CLIENTS];
static char line[LIMIT_BATCH * 64];
static char bytes[1 << 20];

static void connect_all(const struct sockaddr_un *address) {
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(fds[i], 0);
        ck_assert_int_eq(connect(fds[i], (const struct sockaddr *)address, sizeof *address), 0);
        lines[i] = 0;
    }
}

/* A batch whose answer is many times as long. */
static void make_line(void) {
    size_t at = 0;
    line[at++] = '[';
    for (int i = 0; i < LIMIT_BATCH; i++)
        at +=
            (size_t)snprintf(line + at, sizeof line - at, "%s{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"x\"}", i ? "," : "", i);
    snprintf(line + at, sizeof line - at, "]\n");
}

static void setup(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "p2ptrace-test-server-%d", (int)getpid());
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listen_fd, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listen_fd, CLIENTS), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(server_init(&server, &loop, &service, listen_fd, CREDENTIALS_NO_GROUP), 0);
    make_line();
    connect_all(&address);
}

static void teardown(void) {
    for (unsigned i = 0; i < CLIENTS; i++) close(fds[i]);
    server_stop(&server);
    uv_run(&loop, UV_RUN_DEFAULT);
    server_fini(&server);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(listen_fd);
}

/* Bytes that the server has not sent. */
static size_t unsent(void) {
    size_t sum = 0;
    for (const struct connection *each = server.clients.connections; each; each = each->next) sum += each->output_bytes;
    return sum;
}

/* Takes all that has arrived. */
static void take(unsigned client) {
    for (ssize_t count; (count = recv(fds[client], bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        for (ssize_t i = 0; i < count; i++) lines[client] += bytes[i] == '\n';
    ck_assert_int_eq(errno, EAGAIN);
}

/* Every client asks without reading, until the server waits for all of them. */
static void ask_without_reading(void) {
    uint64_t answered = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned j = 0; j < LINES; j++)
            ck_assert_int_eq(send(fds[i], line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)strlen(line));
    for (unsigned quiet = 0, i = 0; quiet < QUIET; quiet++) {
        ck_assert_uint_lt(i++, ITERATIONS_MAX);
        uv_run(&loop, UV_RUN_NOWAIT);
        if (server.clients.counters.requests != answered) quiet = 0;
        answered = server.clients.counters.requests;
    }
    ck_assert_uint_lt(answered, CLIENTS * LINES * LIMIT_BATCH);
}

START_TEST(an_iteration_sends_a_bounded_amount_however_much_is_unread) {
    ask_without_reading();
    ck_assert_uint_gt(unsent(), 2 * ITERATION_BYTES_MAX);
    for (unsigned i = 0; i < CLIENTS; i++) take(i);
    for (unsigned i = 0, first = 1; first; i++) {
        size_t before = unsent();
        ck_assert_uint_lt(i, QUIET);
        uv_run(&loop, UV_RUN_NOWAIT);
        if (unsent() >= before) continue;
        ck_assert_uint_le(before - unsent(), ITERATION_BYTES_MAX);
        first = 0;
    }
}
END_TEST

START_TEST(each_client_that_reads_again_gets_all_its_answers) {
    bool all = false;
    ask_without_reading();
    for (unsigned i = 0; !all; i++) {
        ck_assert_uint_lt(i, ITERATIONS_MAX);
        uv_run(&loop, UV_RUN_NOWAIT);
        all = true;
        for (unsigned client = 0; client < CLIENTS; client++) {
            take(client);
            all &= lines[client] == LINES;
        }
    }
    ck_assert_uint_eq(server.clients.counters.requests, CLIENTS * LINES * LIMIT_BATCH);
}
END_TEST

/* ---- the ingest is behind ------------------------------------------------------------------------------------------------ */

#define EVENTS 20000
#define FOLLOWERS 8

/* Only whether it is behind counts here. */
static struct ingest ingest;
static uint32_t node;

static void setup_with_store(void) {
    struct node_info info = fixture_node("alice", 0xaa);
    store_enter_thread();
    ck_assert_int_eq(store_init(&service.store, HISTORY_BYTES_MIN), 0);
    ck_assert_int_eq(store_add_node(&service.store, &info, NODE_LIVE, &node), 0);
    ingest.counters.behind = false;
    service.ingest = &ingest;
    setup();
}

static void teardown_with_store(void) {
    service.ingest = NULL; /* as when traced stops it */
    teardown();
    store_fini(&service.store);
}

/* Until nothing more happens by itself. */
static void run_until_quiet(void) {
    const struct clients_counters *counters = &server.clients.counters;
    uint64_t done = 0;
    for (unsigned quiet = 0, i = 0; quiet < QUIET; quiet++) {
        ck_assert_uint_lt(i++, ITERATIONS_MAX);
        uv_run(&loop, UV_RUN_NOWAIT);
        for (unsigned client = 0; client < FOLLOWERS; client++) take(client);
        if (counters->requests + counters->events_notified != done) quiet = 0;
        done = counters->requests + counters->events_notified;
    }
}

static void say_to(unsigned client, const char *text) {
    ck_assert_int_eq(send(fds[client], text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void append_events(uint32_t count) {
    struct trace_event event = fixture_event(0);
    for (uint32_t i = 0; i < count; i++) ck_assert_int_eq(store_append(&service.store, node, 0, &event, 1), 0);
}

static void subscribe_all(void) {
    for (unsigned i = 0; i < FOLLOWERS; i++) say_to(i, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\"}\n");
    run_until_quiet();
    ck_assert_uint_eq(server.clients.subscription_count, FOLLOWERS);
}

static uint64_t events_by_one_pass(void) {
    uint64_t before = server.clients.counters.events_notified;
    server_wake(&server);
    run_until_quiet();
    return server.clients.counters.events_notified - before;
}

/* So it has the processor for the rest of the time, and followers are the first to miss events. */
START_TEST(while_the_ingest_is_behind_followers_get_a_share_of_each_of_its_passes) {
    subscribe_all();
    ingest.counters.behind = true;
    append_events(EVENTS);
    uint64_t sum = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint64_t events = events_by_one_pass();
        ck_assert_uint_gt(events, 0);
        ck_assert_uint_le(events, LIMIT_BEHIND_WORK / 400 + FOLLOWERS); /* 400: what an event costs at least (subscription.c) */
        sum += events;
    }
    ck_assert(!uv_is_active((uv_handle_t *)&server.clients.again)); /* the loop sleeps */
    uint64_t requests = server.clients.counters.requests;
    say_to(0, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"x\"}\n");
    run_until_quiet();
    ck_assert_uint_eq(server.clients.counters.requests, requests + 1); /* requests do not wait */
    ck_assert_uint_eq(server.clients.counters.events_notified, sum);
    ingest.counters.behind = false;
    sum += events_by_one_pass();
    ck_assert_uint_eq(sum, (uint64_t)FOLLOWERS * EVENTS);
    ck_assert_uint_eq(server.clients.counters.events_dropped, 0);
}
END_TEST

/* None of them stands still, also when there are more of them than one share is enough for. */
START_TEST(while_the_ingest_is_behind_all_followers_go_on) {
    bool all = false;
    subscribe_all();
    size_t before[FOLLOWERS];
    for (unsigned i = 0; i < FOLLOWERS; i++) before[i] = lines[i];
    ingest.counters.behind = true;
    append_events(EVENTS);
    for (unsigned i = 0; !all; i++) {
        ck_assert_uint_lt(i, 2 * FOLLOWERS);
        (void)events_by_one_pass();
        all = true;
        for (unsigned client = 0; client < FOLLOWERS; client++) all &= lines[client] > before[client];
    }
}
END_TEST

/* traced stops: the last events are sent at once. */
START_TEST(once_the_ingest_has_stopped_followers_get_the_rest) {
    subscribe_all();
    ingest.counters.behind = true;
    append_events(EVENTS);
    (void)events_by_one_pass();
    service.ingest = NULL;
    (void)events_by_one_pass();
    ck_assert_uint_eq(server.clients.counters.events_notified, (uint64_t)FOLLOWERS * EVENTS);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("server");
    TCase *behind = tcase_create("behind");
    TCase *tcase = tcase_create("server");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_iteration_sends_a_bounded_amount_however_much_is_unread);
    tcase_add_test(tcase, each_client_that_reads_again_gets_all_its_answers);
    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(behind, setup_with_store, teardown_with_store);
    tcase_add_test(behind, while_the_ingest_is_behind_followers_get_a_share_of_each_of_its_passes);
    tcase_add_test(behind, while_the_ingest_is_behind_all_followers_go_on);
    tcase_add_test(behind, once_the_ingest_has_stopped_followers_get_the_rest);
    suite_add_tcase(suite, behind);
    return suite_run(suite);
}
