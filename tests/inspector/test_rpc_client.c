/* SPDX-License-Identifier: MIT
 *
 * A call ends at its deadline, whatever the server does instead of answering. */
#include "../helpers/scratch.h"
#include "rpc_client.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CALL_MS 100

static char dir[SCRATCH_BYTES], path[SCRATCH_BYTES + 16];
static int listener = -1, stop[2];

/* What the server sends repeatedly after the request; NULL: nothing. */
struct server {
    const char *sends;
    bool reads; /* the request */
    pthread_t thread;
};

static void serve(const struct server *server, int connection) {
    struct pollfd fds[] = {{.fd = stop[0], .events = POLLIN}, {.fd = connection, .events = POLLOUT}};
    char request[4096];
    if (server->reads) ck_assert_int_gt(read(connection, request, sizeof request), 0);
    char flood[65536];
    size_t bytes = 0, each = server->sends ? strlen(server->sends) : sizeof flood + 1;
    for (; bytes + each <= sizeof flood; bytes += each) memcpy(flood + bytes, server->sends, each);
    while (poll(fds, bytes ? 2 : 1, -1) > 0 && !fds[0].revents) /* faster than the client can read */
        if (send(connection, flood, bytes, MSG_NOSIGNAL) < 0) fds[1].fd = -1;
}

static void *run_server(void *context) {
    int connection = accept(listener, NULL, NULL);
    ck_assert_int_ge(connection, 0);
    serve(context, connection);
    close(connection);
    return NULL;
}

static void setup(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_ptr_nonnull(make_scratch(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(pipe(stop), 0);
}

static void teardown(void) {
    close(listener);
    close(stop[0]);
    close(stop[1]);
    unlink(path);
    rmdir(dir);
}

static struct client *start(struct server *server) {
    struct client *client = NULL;
    struct failure failure = {0};
    ck_assert_int_eq(pthread_create(&server->thread, NULL, run_server, server), 0);
    ck_assert_msg(!client_open(&client, path, 0, &failure), "%s", failure.text);
    client_limit_calls(client, CALL_MS);
    return client;
}

static void end(struct server *server, struct client *client) {
    ck_assert_int_eq(write(stop[1], "x", 1), 1);
    client_close(client); /* ends a send that waits */
    pthread_join(server->thread, NULL);
}

static const char *const instead_of_an_answer[] = {
    NULL,
    "{\"jsonrpc\":\"2.0\",\"method\":\"events\",\"params\":{\"events\":[]}}\n",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":",
    " ",
};

START_TEST(a_call_ends_whatever_comes_instead_of_its_answer) {
    struct server server = {.sends = instead_of_an_answer[_i], .reads = true};
    struct client *client = start(&server);
    struct failure failure = {0};
    json_t *answer;
    ck_assert_int_eq(client_call(client, "nodes", NULL, &answer, &failure), -1);
    ck_assert_int_eq(failure.code, EXIT_FAILED);
    ck_assert_msg(strstr(failure.text, "did not answer `nodes` within 0.1 s") || strstr(failure.text, "sent a line of more than"),
                  "%s", failure.text);
    end(&server, client);
}
END_TEST

START_TEST(a_server_that_does_not_read_does_not_block_the_sender) {
    struct server server = {.reads = false};
    struct client *client = start(&server);
    struct failure failure = {0};
    char text[32768];
    int64_t id;
    int result = 0;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    for (unsigned i = 0; !result && i < 1000; i++)
        result = client_send(client, "query", json_pack("{s:s}", "filter", text), &id, &failure);
    ck_assert_int_eq(result, -1);
    ck_assert_msg(strstr(failure.text, "did not answer `query` within 0.1 s"), "%s", failure.text);
    ck_assert_int_eq(client_send(client, "query", NULL, &id, &failure), -1);
    ck_assert_msg(strstr(failure.text, "not connected"), "%s", failure.text);
    end(&server, client);
}
END_TEST

/* As traced does with one client too many. */
START_TEST(a_server_that_closes_before_the_request_has_said_why) {
    static const char line[] =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32003,\"message\":\"Limit reached: there are 1024 clients\"}}\n";
    struct client *client = NULL;
    struct failure failure = {0};
    json_t *answer;
    ck_assert_msg(!client_open(&client, path, 0, &failure), "%s", failure.text);
    int connection = accept(listener, NULL, NULL);
    size_t bytes = _i ? sizeof line - 1 : 0;
    ck_assert_int_eq(send(connection, line, bytes, 0), (ssize_t)bytes);
    close(connection);
    ck_assert_int_eq(client_call(client, "nodes", NULL, &answer, &failure), -1);
    ck_assert_msg(strstr(failure.text, _i ? "there are 1024 clients" : "went away"), "%s", failure.text);
    ck_assert(failure.disconnected == !_i);
    client_close(client);
}
END_TEST

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); /* as the inspector does */
    Suite *suite = suite_create("rpc_client");
    TCase *calls = tcase_create("calls");
    tcase_add_checked_fixture(calls, setup, teardown);
    tcase_set_timeout(calls, 60);
    tcase_add_loop_test(calls, a_call_ends_whatever_comes_instead_of_its_answer, 0,
                        (int)(sizeof instead_of_an_answer / sizeof *instead_of_an_answer));
    tcase_add_test(calls, a_server_that_does_not_read_does_not_block_the_sender);
    tcase_add_loop_test(calls, a_server_that_closes_before_the_request_has_said_why, 0, 2);
    suite_add_tcase(suite, calls);
    return suite_run(suite);
}
