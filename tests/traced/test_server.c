/* SPDX-License-Identifier: MIT
 *
 * How much one iteration of the loop sends, whatever its clients have left unread.  Bytes are counted, not timed.
 *
 * The clients ask for methods that do not exist: the errors need no store. */
#include "connection.h"
#include "server.h"

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

int main(void) {
    Suite *suite = suite_create("server");
    TCase *tcase = tcase_create("server");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_iteration_sends_a_bounded_amount_however_much_is_unread);
    tcase_add_test(tcase, each_client_that_reads_again_gets_all_its_answers);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
