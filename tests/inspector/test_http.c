/* SPDX-License-Identifier: MIT
 *
 * Answers of servers that are broken or hostile (http.h): each request ends, with bounded memory. */
#include "http.h"

#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static char url[64];
static pid_t server;
static struct http *http;

/* Sends the beginning once, and then `again` until the client has enough, but not for ever. */
static void serve(int listener, const char *begin, const char *again, size_t bytes) {
    char request[4096];
    int client = accept(listener, NULL, NULL);
    size_t sent = 0;
    signal(SIGPIPE, SIG_IGN);
    if (client < 0 || read(client, request, sizeof request) <= 0) _exit(1);
    for (const char *text = begin; sent < bytes; text = again) {
        if (write(client, text, strlen(text)) < 0) break;
        sent += strlen(text);
    }
    close(client);
    _exit(0);
}

static struct http_answer ask(const char *begin, const char *again, size_t bytes) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct http_answer answer;
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) serve(listener, begin, again, bytes);
    close(listener);
    http_post(http, url, &(struct http_body){.bytes = "?", .count = 1, .type = "text/plain"}, &answer);
    return answer;
}

static void begin(void) {
    struct failure failure;
    ck_assert_int_eq(http_open(&http, &(struct http_settings){.timeout_ms = 120000}, &failure), 0);
}

static void end(void) {
    int status;
    http_close(http);
    ck_assert_int_eq(waitpid(server, &status, 0), server);
    ck_assert_int_eq(status, 0);
}

#define CHUNK "1000\r\n%4096s\r\n"

START_TEST(an_answer_without_end_is_given_up) {
    static char chunk[4200];
    struct http_answer answer;
    http_keep(http, 3 * MIB);
    snprintf(chunk, sizeof chunk, CHUNK, "");
    answer = ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, 64 * MIB);
    ck_assert_int_eq(answer.outcome, HTTP_TOO_LONG);
    ck_assert_str_eq(answer.reason, "more than 3 MiB");
    ck_assert_uint_le(answer.text_bytes, 3 * MIB);
}
END_TEST

START_TEST(headers_without_end_are_given_up) {
    static const char *const begins[] = {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"};
    static char line[8200];
    struct http_answer answer;
    http_keep(http, 3 * MIB);
    if (_i == 0) snprintf(line, sizeof line, "X-Word: %4096s.\r\n", "");
    if (_i == 1) snprintf(line, sizeof line, "%8192s", ""); /* one header, without end */
    if (_i == 2) snprintf(line, sizeof line, "HTTP/1.1 100 Continue\r\nX-Word: %4096s.\r\n\r\n", "");
    answer = ask(begins[_i], line, 64 * MIB);
    ck_assert_int_eq(answer.outcome, HTTP_BROKEN);
    ck_assert_msg(strstr(answer.reason, "eader") != NULL, "%s", answer.reason);
}
END_TEST

/* What a chunk says of its length is not believed. */
START_TEST(a_chunk_that_lies_about_its_length_ends_the_answer) {
    static const char *const chunks[] = {"ffffffffffffffff\r\nabc", "-5\r\nabc\r\n", "zz\r\nabc\r\n", "7fffffffffffffff\r\nabc",
                                         "5\r\nabcdefgh\r\n0\r\n\r\n"};
    struct http_answer answer;
    char text[256];
    http_keep(http, 3 * MIB);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s", chunks[_i]);
    answer = ask(text, "", 1);
    ck_assert_int_eq(answer.outcome, HTTP_BROKEN);
    ck_assert_uint_ne(answer.reason[0], 0);
    ck_assert_uint_le(answer.text_bytes, 8);
}
END_TEST

START_TEST(a_length_that_is_not_kept_is_not_believed) {
    static const char *const lengths[] = {"Content-Length: 9223372036854775807", "Content-Length: -1",
                                          "Content-Length: 10\r\nContent-Length: 20"};
    struct http_answer answer;
    char text[256];
    http_keep(http, 3 * MIB);
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n\r\nabc", lengths[_i]);
    answer = ask(text, "", 1);
    ck_assert_msg(answer.outcome == HTTP_BROKEN || answer.outcome == HTTP_TOO_LONG, "%d", answer.outcome);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("answers");

    tcase_set_timeout(tcase, 150);
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, an_answer_without_end_is_given_up);
    tcase_add_loop_test(tcase, headers_without_end_are_given_up, 0, 3);
    tcase_add_loop_test(tcase, a_chunk_that_lies_about_its_length_ends_the_answer, 0, 5);
    tcase_add_loop_test(tcase, a_length_that_is_not_kept_is_not_believed, 0, 3);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
