/* SPDX-License-Identifier: MIT
 *
 * store_ask answers without a socket exactly, byte for byte, what traced's server answers over one: the server runs in a
 * thread of this process, with the same store. */
#include "../helpers/scratch.h"
#include "server.h"
#include "store_fixture.h"

#include <proto/rpc.h>
#include <stdlib.h>
#include <store/ask.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct service service;
static struct server server;
static uv_loop_t loop;
static uv_async_t stop;
static uv_thread_t thread;
static int listen_fd, client_fd;
static char directory[SCRATCH_BYTES];

static void on_stop(uv_async_t *async) {
    uv_close((uv_handle_t *)async, NULL);
    server_stop(&server);
}

static void serve(void *arg) {
    (void)arg;
    store_enter_thread();
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void setup(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_ptr_nonnull(make_scratch(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory);
    store_enter_thread();
    ck_assert_int_eq(store_init(&service.store, HISTORY_BYTES_MIN), 0);
    fixture_fill(&service.store);
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listen_fd, 8), 0);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(server_init(&server, &loop, &service, listen_fd, CREDENTIALS_NO_GROUP), 0);
    ck_assert_int_eq(uv_async_init(&loop, &stop, on_stop), 0);
    ck_assert_int_eq(uv_thread_create(&thread, serve, NULL), 0);
    client_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client_fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void teardown(void) {
    char path[SCRATCH_BYTES + 16];
    close(client_fd);
    uv_async_send(&stop);
    uv_thread_join(&thread);
    server_fini(&server);
    uv_loop_close(&loop);
    close(listen_fd);
    store_fini(&service.store);
    snprintf(path, sizeof path, "%s/s", directory);
    unlink(path);
    rmdir(directory);
}

/* One request, and its answer without the newline. */
static void over_the_socket(const char *method, const char *params, struct trace_text *out) {
    char part[4096];
    struct trace_text line = {0};
    trace_text_puts(&line, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"");
    trace_text_puts(&line, method);
    trace_text_puts(&line, params ? "\",\"params\":" : "\"");
    if (params) trace_text_puts(&line, params);
    trace_text_puts(&line, "}\n");
    ck_assert_int_eq(send(client_fd, line.data, line.bytes, 0), (ssize_t)line.bytes);
    trace_text_fini(&line);
    do {
        ssize_t n = recv(client_fd, part, sizeof part, 0);
        ck_assert_int_gt(n, 0);
        trace_text_add(out, part, (size_t)n);
    } while (out->data[out->bytes - 1] != '\n');
    out->bytes--;
}

/* The same from store_ask, with the envelope added. */
static void without_a_socket(const char *method, const char *params, struct trace_text *out) {
    const json_t *id = json_integer(1);
    json_t *object = params ? json_loads(params, 0, NULL) : NULL;
    struct trace_text result = {0};
    struct trace_rpc_error error;
    ck_assert_msg(!params || object, "%s", params);
    if (store_ask(&service.store, method, object, &result, &error)) {
        ck_assert_uint_eq(result.bytes, 0);
        trace_rpc_write_error(out, id, &error);
        trace_rpc_error_fini(&error);
    } else {
        trace_rpc_begin_result(out, id);
        trace_text_add(out, result.data, result.bytes);
        trace_rpc_end(out);
    }
    trace_text_fini(&result);
    json_decref(object);
    json_decref((json_t *)id);
}

static void compare(const char *method, const char *params, struct trace_text *ret_answer) {
    struct trace_text own = {0};
    trace_text_clear(ret_answer);
    over_the_socket(method, params, ret_answer);
    without_a_socket(method, params, &own);
    ck_assert_msg(own.bytes == ret_answer->bytes && !memcmp(own.data, ret_answer->data, own.bytes), "%s %s\n%.*s\n%.*s", method,
                  params ? params : "", (int)ret_answer->bytes, ret_answer->data, (int)own.bytes, own.data);
    trace_text_fini(&own);
}

START_TEST(store_ask_gives_the_bytes_of_the_socket) {
    struct trace_text answer = {0};
    compare(fixture_requests[_i].method, fixture_requests[_i].params, &answer);
    trace_text_fini(&answer);
}
END_TEST

/* The cursor from the socket continues without the socket. */
START_TEST(pages_are_the_same) {
    struct trace_text answer = {0};
    char params[1024] = "{\"limit\":9}";
    unsigned pages = 0;
    for (const char *cursor = ""; cursor; pages++) {
        compare("query", params, &answer);
        json_t *root = json_loadb(answer.data, answer.bytes, 0, NULL);
        cursor = json_string_value(json_object_get(json_object_get(root, "result"), "cursor"));
        if (cursor) snprintf(params, sizeof params, "{\"limit\":9,\"cursor\":\"%s\"}", cursor);
        json_decref(root);
    }
    ck_assert_uint_eq(pages, (FIXTURE_EVENTS + 1 + 8) / 9);
    trace_text_fini(&answer);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("same_bytes");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, store_ask_gives_the_bytes_of_the_socket, 0, FIXTURE_REQUESTS);
    tcase_add_test(all, pages_are_the_same);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
