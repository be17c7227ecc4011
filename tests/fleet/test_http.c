/* SPDX-License-Identifier: MIT
 *
 * Requests to a server that is slow, or gone (inspector/http), and several at once. */
#include "clickhouse.h"

#include <arpa/inet.h>
#include <check.h>
#include <proto/clock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STALL_MS 200 /* shorter than a look at it: it is asked at each */
#define AT_ONCE 5
#define MAX_CALLERS 16

struct caller {
    struct server *server;
    pthread_t thread;
    int fd;
};

/* A server that answers as soon as so many requests have come, and somebody has looked so often whether it lives;
 * one that ends before answers nothing more. */
struct server {
    int fd;
    unsigned port, requests, looks;
    const char *answer;
    bool dies, ends;
    unsigned seen, looked;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    struct caller callers[MAX_CALLERS];
};

static void read_request(int fd) {
    char text[4096];
    size_t bytes = 0;
    while (bytes + 1 < sizeof text && !(bytes > 4 && strstr(text, "\r\n\r\n"))) {
        ssize_t count = read(fd, text + bytes, sizeof text - 1 - bytes);
        if (count <= 0) return;
        bytes += (size_t)count;
        text[bytes] = 0;
    }
}

static void *answer_one(void *arg) {
    struct caller *caller = arg;
    struct server *server = caller->server;
    read_request(caller->fd);
    pthread_mutex_lock(&server->mutex);
    server->seen++;
    pthread_cond_broadcast(&server->changed);
    while (!server->ends && (server->seen < server->requests || server->looked < server->looks))
        pthread_cond_wait(&server->changed, &server->mutex);
    bool answers = !server->ends;
    pthread_mutex_unlock(&server->mutex);
    if (answers) ck_assert_int_gt(write(caller->fd, server->answer, strlen(server->answer)), 0);
    close(caller->fd);
    return NULL;
}

/* Serves until `end`, and leaves no thread behind: the server is its caller's variable. */
static void *serve(void *arg) {
    struct server *server = arg;
    size_t count = 0;
    for (int fd; (fd = accept(server->fd, NULL, NULL)) >= 0; count++) {
        struct caller *caller = &server->callers[count];
        ck_assert_uint_lt(count, MAX_CALLERS);
        *caller = (struct caller){.server = server, .fd = fd};
        ck_assert_int_eq(pthread_create(&caller->thread, NULL, answer_one, caller), 0);
    }
    for (size_t i = 0; i < count; i++) pthread_join(server->callers[i].thread, NULL);
    return NULL;
}

static void begin(struct server *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(server->fd, 16), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address, &bytes), 0);
    server->port = ntohs(address.sin_port);
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->changed, NULL);
    ck_assert_int_eq(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void end(struct server *server) {
    pthread_mutex_lock(&server->mutex);
    server->ends = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}

static bool look(void *context) {
    struct server *server = context;
    pthread_mutex_lock(&server->mutex);
    server->looked++;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
    return !server->dies;
}

static enum http_outcome ask(struct server *server, bool looks) {
    const struct http_settings settings = {.stall_ms = STALL_MS, .is_alive = looks ? look : NULL, .context = server};
    const struct http_body body = {.bytes = "x", .count = 1, .type = "text/plain"};
    struct failure failure;
    struct http_answer answer;
    struct http *http;
    char url[64];
    ck_assert_int_eq(http_open(&http, &settings, &failure), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server->port);
    http_post(http, url, &body, &answer);
    enum http_outcome outcome = answer.outcome;
    ck_assert(outcome != HTTP_ARRIVED || !strcmp(answer.text, "yes"));
    http_close(http);
    return outcome;
}

#define YES "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"

START_TEST(an_answer_may_take_as_long_as_the_server_lives) {
    struct server server = {.requests = 1, .looks = 2, .answer = YES};
    begin(&server);
    ck_assert_int_eq(ask(&server, true), HTTP_ARRIVED);
    ck_assert_uint_ge(server.looked, 2);
    end(&server);
}
END_TEST

START_TEST(a_server_that_is_gone_is_given_up) {
    for (int looks = 0; looks < 2; looks++) {
        struct server server = {.requests = 1, .looks = 1000, .answer = YES, .dies = true};
        begin(&server);
        ck_assert_int_eq(ask(&server, looks), HTTP_SLOW);
        ck_assert_uint_eq(server.looked, (unsigned)looks);
        end(&server);
    }
}
END_TEST

START_TEST(requests_run_at_the_same_time) {
    struct server server = {.requests = AT_ONCE, .answer = YES}; /* answers none before all have come */
    const struct http_settings settings = {0};
    const struct http_body body = {.bytes = "x", .count = 1, .type = "text/plain"};
    struct http_request requests[AT_ONCE];
    struct failure failure;
    struct http *http;
    char url[64];
    begin(&server);
    ck_assert_int_eq(http_open(&http, &settings, &failure), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server.port);
    for (size_t i = 0; i < AT_ONCE; i++) requests[i] = (struct http_request){.url = url, .body = &body};
    http_post_all(http, requests, AT_ONCE);
    for (size_t i = 0; i < AT_ONCE; i++) {
        ck_assert_int_eq(requests[i].answer.outcome, HTTP_ARRIVED);
        ck_assert_str_eq(requests[i].answer.text, "yes");
    }
    http_close(http);
    end(&server);
}
END_TEST

/* All requests of one answer share its time: a server that answers none of them, and one whose time is over already. */
START_TEST(requests_of_one_answer_share_its_time) {
    struct server server = {.requests = 1000, .answer = YES};
    const struct http_settings settings = {.timeout_ms = 100000000};
    const struct http_body body = {.bytes = "x", .count = 1, .type = "text/plain"};
    struct http_answer answer;
    struct failure failure;
    struct http *http;
    char url[64];
    begin(&server);
    ck_assert_int_eq(http_open(&http, &settings, &failure), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server.port);
    http_answer_by(http, trace_now_monotonic_ms() + 200);
    http_post(http, url, &body, &answer);
    ck_assert_int_eq(answer.outcome, HTTP_SLOW);
    http_post(http, url, &body, &answer);
    ck_assert_int_eq(answer.outcome, HTTP_SLOW);
    ck_assert_str_eq(answer.reason, "the answer takes longer than it may");
    ck_assert_uint_eq(server.seen, 1); /* the second was not sent */
    http_close(http);
    end(&server);
}
END_TEST

/* Whatever it answers, it lives; but not if a gateway answers for it. */
START_TEST(who_answers_lives) {
    static const struct {
        const char *answer;
        bool lives;
    } cases[] = {{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", true},
                 {YES, true},
                 {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", false},
                 {"HTTP/1.1 ", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server server = {.requests = 1, .answer = cases[i].answer};
        struct clickhouse *clickhouse;
        struct failure failure;
        char url[64];
        begin(&server);
        snprintf(url, sizeof url, "http://127.0.0.1:%u/d", server.port);
        ck_assert_int_eq(clickhouse_open(&clickhouse, url, &(struct clickhouse_settings){0}, &failure), 0);
        ck_assert_int_eq(clickhouse_is_alive(clickhouse), cases[i].lives);
        end(&server);
        ck_assert(!clickhouse_is_alive(clickhouse)); /* nobody listens */
        clickhouse_close(clickhouse);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");
    tcase_add_test(tcase, an_answer_may_take_as_long_as_the_server_lives);
    tcase_add_test(tcase, a_server_that_is_gone_is_given_up);
    tcase_add_test(tcase, requests_run_at_the_same_time);
    tcase_add_test(tcase, requests_of_one_answer_share_its_time);
    tcase_add_test(tcase, who_answers_lives);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
