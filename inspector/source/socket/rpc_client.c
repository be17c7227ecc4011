/* SPDX-License-Identifier: MIT
 *
 * Invariants: a wait runs the loop until its condition holds, the timer fires, or the connection ends; we read only while we wait
 * for a line, and take lines from the buffer one at a time.  Handles live in struct client and are closed before it is freed. */
#include "rpc_client.h"

#include "allocation.h"
#include "json_get.h"
#include "limits.h"
#include "process_state.h"
#include "refusal.h"
#include "socket_place.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <proto/descriptors.h>
#include <proto/rpc.h>
#include <proto/socket_path.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

struct client {
    uv_loop_t loop;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_poll_t output;
    uv_poll_t inputs[INPUTS_MAX];
    unsigned input_count;
    bool has_pipe, has_output;
    bool timer_fired;
    bool output_gone;
    bool calling;     /* waits for an answer, whatever else happens */
    bool input_ready; /* one of the inputs, since client_wait began */

    int connect_status; /* 1: pending */
    int write_status;   /* 1: pending */
    int ended;          /* the negative errno that ended the connection; UV_EOF when traced closed it */

    char *buffer; /* read but not yet taken */
    size_t begin, end, capacity;
    size_t searched; /* no newline before this */

    pid_t server; /* who listens on the socket, which is not traced if a service manager opened it; 0: not visible from here */
    void (*note)(const char *text); /* NULL: calls wait in silence */
    bool note_slow;                 /* also if traced is not stopped */
    bool noted;                     /* since we connected */

    uint64_t call_timeout_ms;
    uint64_t calls_end_ms; /* WAIT_FOREVER */
    uint64_t call_ms;      /* how long the call in progress may take */
    struct {
        const char *array;
        struct strbuf *text; /* NULL: take nothing out */
    } apart;                 /* what client_call_apart takes out of the answer */

    int64_t id;      /* of the last request */
    json_t *waiting; /* notifications that came while we waited for an answer, oldest first */
    int fd;          /* the connection's */
    char path[TRACE_SOCKET_PATH_BYTES];
};

/* ---- waiting ---- */

/* libuv runs timers before it polls; without uv_stop it would then sleep although the timer fired. */
static void on_timer(uv_timer_t *timer) {
    ((struct client *)timer->data)->timer_fired = true;
    uv_stop(timer->loop);
}

uint64_t client_now_ms(struct client *client) {
    uv_update_time(&client->loop);
    return uv_now(&client->loop);
}

/* Taking a buffered line does not wait, so a loop that continues while lines arrive must check the time itself. */
static bool is_over(struct client *client, uint64_t deadline_ms) {
    return deadline_ms != WAIT_FOREVER && client_now_ms(client) >= deadline_ms;
}

/* Starts the timer of a wait, unless it is WAIT_FOREVER. */
static void wait_begin(struct client *client, uint64_t deadline_ms) {
    uint64_t now = client_now_ms(client);
    client->timer_fired = false;
    if (deadline_ms != WAIT_FOREVER) uv_timer_start(&client->timer, on_timer, deadline_ms > now ? deadline_ms - now : 0, 0);
}

static void wait_end(struct client *client) { uv_timer_stop(&client->timer); }

void client_pause(struct client *client, uint64_t ms) {
    wait_begin(client, client_now_ms(client) + ms);
    while (!client->timer_fired) uv_run(&client->loop, UV_RUN_ONCE);
    wait_end(client);
}

/* ---- connecting ---- */

static void on_closed(uv_handle_t *handle) { *(bool *)handle->data = false; }

/* Closes the pipe and waits until libuv has released it. */
static void close_pipe(struct client *client) {
    if (!client->has_pipe) return;
    client->fd = -1; /* before the descriptor can be reused: client_interrupt */
    client->pipe.data = &client->has_pipe;
    uv_close((uv_handle_t *)&client->pipe, on_closed);
    while (client->has_pipe) uv_run(&client->loop, UV_RUN_ONCE);
}

static void on_connect(uv_connect_t *request, int status) {
    struct client *client = request->data;
    client->connect_status = status;
}

/* Returns 0 or a negative errno. */
static int try_connect(struct client *client) {
    uv_connect_t request = {.data = client};
    int result = uv_pipe_init(&client->loop, &client->pipe, 0);
    if (result) return result;
    client->pipe.data = client;
    client->has_pipe = true;
    client->connect_status = 1;
    uv_pipe_connect(&request, &client->pipe, client->path, on_connect);
    while (client->connect_status == 1) uv_run(&client->loop, UV_RUN_ONCE);
    if (client->connect_status)
        close_pipe(client);
    else
        uv_fileno((uv_handle_t *)&client->pipe, &client->fd);
    return client->connect_status;
}

/* Nobody is listening, or a server that just went away with our connection in its queue. */
static bool is_nobody(int error) { return error == UV_ENOENT || error == UV_ECONNREFUSED || error == UV_ECONNRESET; }

/* True for the default paths, which only this user and root may serve.  Any other path is the user's own choice. */
static bool is_default_path(const char *path) {
    struct trace_socket_path_inputs inputs = {.xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"), .uid = (uint32_t)geteuid()};
    struct trace_socket_path place;
    char reason[TRACE_SOCKET_REASON_BYTES];
    if (!trace_socket_path_choose(&place, &inputs, reason) && !strcmp(place.path, path)) return true;
    inputs.xdg_runtime_dir = NULL;
    return !trace_socket_path_choose(&place, &inputs, reason) && !strcmp(place.path, path);
}

static int cannot_connect(const struct client *client, int error, bool waited, struct failure *failure) {
    bool nobody = is_nobody(error) || error == UV_EACCES;
    char reason[512];
    if (nobody && is_default_path(client->path) && socket_place_is_taken(client->path, reason, sizeof reason))
        return failure_set(failure, EXIT_NOT_THERE, "cannot connect to %s: %s", client->path, reason);
    nobody = is_nobody(error);
    failure_set(failure, EXIT_NOT_THERE, "cannot connect to %s: %s%s", client->path,
                nobody ? "no traced is running there" : uv_strerror(error),
                !nobody  ? ""
                : waited ? ", and none came in time"
                         : "; start traced, or pass --socket PATH, or --wait for it");
    failure->disconnected = nobody;
    return -1;
}

static bool is_in_group(gid_t group) {
    gid_t groups[1024];
    int count = getgroups(sizeof groups / sizeof *groups, groups);
    for (int i = 0; i < count; i++)
        if (groups[i] == group) return true;
    return group == getegid();
}

/* traced --group: the server's own socket, open to a group that we are in. */
static bool is_shared_with_us(const char *path, uid_t server) {
    struct stat status;
    return !stat(path, &status) && status.st_uid == server && (status.st_mode & S_IWGRP) && is_in_group(status.st_gid);
}

/* Refuses a server of another user: he could have bound the path first, and we would believe him.  Returns 0, or -1 with the
 * failure. */
static int judge_server(struct client *client, struct failure *failure) {
    struct ucred server;
    socklen_t bytes = sizeof server;
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &server, &bytes))
        return failure_set(failure, EXIT_FAILED, "cannot see who serves %s: %s", client->path, strerror(errno));
    client->server = server.pid;
    if (server.uid == geteuid() || server.uid == 0) return 0;
    if (!is_default_path(client->path) && (geteuid() == 0 || is_shared_with_us(client->path, server.uid))) return 0;
    return failure_set(failure, EXIT_NOT_THERE,
                       "%s is served by another user (uid %u, process %d), and what it says is not trusted: start a traced of "
                       "your own, or pass --socket PATH",
                       client->path, (unsigned)server.uid, (int)server.pid);
}

static int connect_and_wait(struct client *client, uint64_t wait_ms, struct failure *failure) {
    uint64_t start = client_now_ms(client);
    for (;;) {
        int error = try_connect(client);
        if (!error && !judge_server(client, failure)) return 0;
        if (!error) {
            close_pipe(client);
            return -1;
        }
        uint64_t now = client_now_ms(client), passed = now - start;
        if (!is_nobody(error) || passed >= wait_ms) return cannot_connect(client, error, wait_ms > 0, failure);
        uint64_t left = wait_ms - passed;
        client_pause(client, left < CONNECT_RETRY_MS ? left : CONNECT_RETRY_MS);
    }
}

int client_open(struct client **ret_client, const char *path, uint64_t wait_ms, struct failure *failure) {
    struct client *client = calloc(1, sizeof *client);
    if (!client) return failure_out_of_memory(failure);
    snprintf(client->path, sizeof client->path, "%s", path);
    client->call_timeout_ms = CALL_TIMEOUT_MS;
    client->calls_end_ms = WAIT_FOREVER;
    client->fd = -1;
    client->waiting = json_array();
    int error = trace_need_descriptors(TRACE_DESCRIPTORS_OF_A_LOOP + 1); /* and our socket */
    if (!error) error = uv_loop_init(&client->loop);
    if (error) {
        json_decref(client->waiting);
        free(client);
        return failure_set(failure, EXIT_FAILED, "cannot connect: %s", uv_strerror(error));
    }
    uv_timer_init(&client->loop, &client->timer);
    client->timer.data = client;
    if (!client->waiting) {
        client_close(client);
        return failure_out_of_memory(failure);
    }
    if (connect_and_wait(client, wait_ms, failure)) {
        client_close(client);
        return -1;
    }
    *ret_client = client;
    return 0;
}

void client_close(struct client *client) {
    if (!client) return;
    close_pipe(client);
    uv_close((uv_handle_t *)&client->timer, NULL);
    if (client->has_output) uv_close((uv_handle_t *)&client->output, NULL);
    for (unsigned i = 0; i < client->input_count; i++) uv_close((uv_handle_t *)&client->inputs[i], NULL);
    uv_run(&client->loop, UV_RUN_DEFAULT);
    int result = uv_loop_close(&client->loop);
    assert(result == 0); /* a handle that is still open is our own mistake */
    (void)result;
    json_decref(client->waiting);
    free(client->buffer);
    free(client);
}

/* ---- lines ---- */

/* Makes room after the data: first by moving it to the front, then by growing. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf) {
    struct client *client = handle->data;
    (void)suggested;
    if (client->begin && client->begin == client->end) client->begin = client->end = client->searched = 0;
    if (client->begin && client->capacity - client->end < LINE_BYTES_FIRST / 2) {
        memmove(client->buffer, client->buffer + client->begin, client->end - client->begin);
        client->end -= client->begin;
        client->searched -= client->begin;
        client->begin = 0;
    }
    if (client->capacity - client->end < LINE_BYTES_FIRST / 2 && client->capacity < LINE_BYTES_MAX) {
        size_t capacity = client->capacity ? client->capacity * 2 : LINE_BYTES_FIRST;
        char *buffer = realloc(client->buffer, capacity);
        if (buffer) {
            client->buffer = buffer;
            client->capacity = capacity;
        }
    }
    /* A size of zero makes libuv report UV_ENOBUFS: the line is too long. */
    *ret_buf = uv_buf_init(client->buffer ? client->buffer + client->end : NULL, (unsigned)(client->capacity - client->end));
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buf) {
    struct client *client = stream->data;
    (void)buf;
    if (bytes > 0)
        client->end += (size_t)bytes;
    else if (bytes < 0)
        client->ended = (int)bytes;
}

/* Takes a line out of the buffer; valid until the next wait.  NULL when there is no complete one. */
static char *take_line(struct client *client, size_t *ret_bytes) {
    if (client->searched == client->end) return NULL;
    char *newline = memchr(client->buffer + client->searched, '\n', client->end - client->searched);
    if (!newline) {
        client->searched = client->end;
        return NULL;
    }
    char *line = client->buffer + client->begin;
    *ret_bytes = (size_t)(newline - line);
    client->begin = client->searched = (size_t)(newline - client->buffer) + 1;
    return line;
}

static int connection_lost(const struct client *client, struct failure *failure) {
    if (client->ended == UV_ENOBUFS)
        return failure_set(failure, EXIT_FAILED, "traced at %s sent a line of more than %u MiB", client->path,
                           LINE_BYTES_MAX >> 20);
    failure_set(failure, EXIT_FAILED, "traced at %s went away%s%s", client->path, client->ended == UV_EOF ? "" : ": ",
                client->ended == UV_EOF ? "" : uv_strerror(client->ended));
    failure->disconnected = true;
    return -1;
}

/* Waits for a line.  Returns 1; 0 at the deadline, or when the output is gone or an input is readable; -1 on failure. */
static int next_line(struct client *client, uint64_t deadline_ms, char **ret_line, size_t *ret_bytes, struct failure *failure) {
    *ret_line = take_line(client, ret_bytes);
    if (*ret_line) return 1;
    if (client->ended) return connection_lost(client, failure);
    wait_begin(client, deadline_ms);
    if (client->has_pipe) uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);
    while (!*ret_line && !client->ended && !client->timer_fired &&
           (client->calling || !(client->output_gone || client->input_ready))) {
        uv_run(&client->loop, UV_RUN_ONCE);
        *ret_line = take_line(client, ret_bytes);
    }
    if (client->has_pipe) uv_read_stop((uv_stream_t *)&client->pipe);
    wait_end(client);
    if (*ret_line) return 1;
    return client->ended ? connection_lost(client, failure) : 0;
}

/* Waits for a line and parses it.  Returns like next_line. */
static int next_reply(struct client *client, uint64_t deadline_ms, struct trace_rpc_reply *ret_reply, struct failure *failure) {
    char *line = NULL;
    size_t bytes = 0;
    int result = next_line(client, deadline_ms, &line, &bytes, failure);
    if (result <= 0) return result;
    const char *const array[] = {"result", client->apart.array};
    if (client->apart.text) bytes = apart_take(line, bytes, array, 2, client->apart.text);
    struct trace_rpc_error error = {0};
    if (!trace_rpc_reply_parse(ret_reply, line, bytes, &error)) return 1;
    if (memory_was_short())
        failure_out_of_memory(failure); /* it was JSON, only we could not keep it */
    else
        failure_set(failure, EXIT_FAILED, "%s sent something that is not JSON-RPC (%s): is it traced?", client->path,
                    error.message);
    trace_rpc_error_fini(&error);
    return -1;
}

/* ---- calls ---- */

static void on_write(uv_write_t *request, int status) { ((struct client *)request->data)->write_status = status; }

static int no_answer(const struct client *client, const char *method, struct failure *failure) {
    int stopped = (int)client_stopped_server(client);
    if (stopped)
        return failure_set(failure, EXIT_NOT_THERE,
                           "traced at %s (process %d) is stopped, and answers nobody until `kill -CONT %d`", client->path,
                           stopped, stopped);
    return failure_set(failure, EXIT_FAILED, "traced at %s did not answer `%s` within %g s; --timeout waits longer", client->path,
                       method, (double)client->call_ms / 1000);
}

static uint64_t call_limit_ms(struct client *client) {
    uint64_t now_ms = client_now_ms(client), limit_ms = client->call_timeout_ms;
    if (client->calls_end_ms == WAIT_FOREVER) return limit_ms;
    uint64_t left_ms = client->calls_end_ms > now_ms + CALL_GRACE_MS ? client->calls_end_ms - now_ms : CALL_GRACE_MS;
    return left_ms < limit_ms ? left_ms : limit_ms;
}

/* Runs until the request has been written.  If traced takes none of it for so long, closes the connection: half a request is on
 * its way.  Returns the write's status. */
static int await_write(struct client *client) {
    wait_begin(client, client_now_ms(client) + client->call_ms);
    while (client->write_status == 1 && !client->timer_fired) uv_run(&client->loop, UV_RUN_ONCE);
    wait_end(client);
    if (client->write_status != 1) return client->write_status;
    close_pipe(client); /* ends the write, with UV_ECANCELED */
    return UV_ETIMEDOUT;
}

static int send_request(struct client *client, const char *method, json_t *params_new, struct failure *failure) {
    struct trace_text text = {0};
    if (!client->has_pipe) {
        json_decref(params_new);
        failure_set(failure, EXIT_FAILED, "not connected to %s", client->path);
        failure->disconnected = true;
        return -1;
    }
    trace_rpc_write_request(&text, ++client->id, method, params_new);
    if (text.failed) {
        trace_text_fini(&text);
        return failure_out_of_memory(failure);
    }
    if (text.bytes > REQUEST_BYTES_MAX) {
        trace_text_fini(&text);
        return failure_set(failure, EXIT_USAGE, "the request is longer than the %u bytes that traced reads", REQUEST_BYTES_MAX);
    }
    uv_write_t request = {.data = client};
    uv_buf_t buf = uv_buf_init(text.data, (unsigned)text.bytes);
    client->write_status = 1;
    client->call_ms = call_limit_ms(client);
    int result = uv_write(&request, (uv_stream_t *)&client->pipe, &buf, 1, on_write);
    if (!result) result = await_write(client);
    trace_text_fini(&text);
    if (result == UV_ETIMEDOUT) return no_answer(client, method, failure);
    /* Closed.  It may have said why before: that line comes next, or else the end. */
    if (!result || result == UV_EPIPE || result == UV_ECONNRESET) return 0;
    client->ended = result;
    return connection_lost(client, failure);
}

/* Tells the user, once, why nothing happens. */
static void note_wait(struct client *client) {
    char why[sizeof client->path + 96], text[sizeof why + 96];
    int stopped = (int)client_stopped_server(client);
    if (stopped)
        snprintf(why, sizeof why, "traced (process %d) is stopped, and answers nobody until `kill -CONT %d`", stopped, stopped);
    else
        snprintf(why, sizeof why, "traced at %s has not answered for %u s", client->path, CALL_NOTE_MS / 1000);
    snprintf(text, sizeof text, "%s; waiting for up to %g s (Ctrl-C ends the wait)", why, (double)client->call_ms / 1000);
    client->noted = true;
    if (stopped || client->note_slow) client->note(text);
}

/* When to report that we wait; WAIT_FOREVER: never, or it was reported. */
static uint64_t note_at_ms(const struct client *client, uint64_t begin_ms) {
    return client->note && !client->noted ? begin_ms + CALL_NOTE_MS : WAIT_FOREVER;
}

/* Waits for the answer to request client->id; queues notifications that come before it. */
static int await_answer_until(struct client *client, uint64_t deadline_ms, const char *method, json_t **ret_result,
                              struct failure *failure) {
    uint64_t begin_ms = client_now_ms(client);
    for (;;) {
        struct trace_rpc_reply reply;
        uint64_t note_ms = note_at_ms(client, begin_ms);
        int result = next_reply(client, note_ms < deadline_ms ? note_ms : deadline_ms, &reply, failure);
        if (result < 0) return -1;
        if (result == 0 && note_ms < deadline_ms) {
            note_wait(client);
            continue;
        }
        if (result == 0) return no_answer(client, method, failure);
        if (reply.kind == TRACE_RPC_REPLY_NOTIFICATION) {
            json_array_append(client->waiting, reply.root);
            trace_rpc_reply_fini(&reply);
            if (is_over(client, deadline_ms)) return no_answer(client, method, failure);
            continue;
        }
        /* An error without an id answers a line that traced could not read: it must be ours, as only one is pending. */
        bool ours = json_is_null(reply.id) ? reply.kind == TRACE_RPC_REPLY_ERROR : json_integer_value(reply.id) == client->id;
        if (!ours)
            failure_set(failure, EXIT_FAILED, "%s answered a request that we did not make: is it traced?", client->path);
        else if (reply.kind == TRACE_RPC_REPLY_ERROR)
            refusal_read(failure, reply.code, reply.message, reply.data);
        else
            *ret_result = json_incref(reply.result);
        result = ours && reply.kind == TRACE_RPC_REPLY_RESULT ? 0 : -1;
        trace_rpc_reply_fini(&reply);
        return result;
    }
}

static int await_answer(struct client *client, const char *method, json_t **ret_result, struct failure *failure) {
    client->calling = true;
    int result = await_answer_until(client, client_now_ms(client) + client->call_ms, method, ret_result, failure);
    client->calling = false;
    return result;
}

int client_call(struct client *client, const char *method, json_t *params_new, json_t **ret_result, struct failure *failure) {
    if (send_request(client, method, params_new, failure)) return -1;
    return await_answer(client, method, ret_result, failure);
}

void client_limit_calls(struct client *client, uint64_t timeout_ms) { client->call_timeout_ms = timeout_ms; }

void client_note_waits(struct client *client, void (*note)(const char *text), bool slow) {
    client->note = note;
    client->note_slow = slow;
}

void client_end_calls(struct client *client, uint64_t end_ms) { client->calls_end_ms = end_ms; }

int client_call_apart(struct client *client, const char *method, json_t *params_new, const char *array, struct strbuf *text,
                      json_t **ret_result, struct failure *failure) {
    if (send_request(client, method, params_new, failure)) return -1;
    client->apart.array = array;
    client->apart.text = text;
    int result = await_answer(client, method, ret_result, failure);
    client->apart.text = NULL;
    if (result || !text->failed) return result;
    json_decref(*ret_result);
    return failure_out_of_memory(failure);
}

int client_next(struct client *client, const char *method, uint64_t deadline_ms, json_t **ret_params, struct failure *failure) {
    for (;;) {
        if (json_array_size(client->waiting)) {
            const json_t *root = json_array_get(client->waiting, 0);
            const char *name = json_string_value(json_object_get(root, "method"));
            json_t *params = name && !strcmp(name, method) ? json_incref(json_object_get(root, "params")) : NULL;
            json_array_remove(client->waiting, 0);
            if (!params) continue;
            *ret_params = params;
            return 1;
        }
        if (is_over(client, deadline_ms)) return 0;
        struct trace_rpc_reply reply;
        int result = next_reply(client, deadline_ms, &reply, failure);
        if (result <= 0) return result;
        bool wanted = reply.kind == TRACE_RPC_REPLY_NOTIFICATION && !strcmp(reply.method, method) && reply.params;
        if (wanted) *ret_params = json_incref(reply.params);
        trace_rpc_reply_fini(&reply);
        if (wanted) return 1;
    }
}

pid_t client_stopped_server(const struct client *client) { return process_is_stopped(client->server) ? client->server : 0; }

/* A signal handler must not touch libuv's handles; the socket is safe. */
void client_interrupt(const struct client *client) { (void)shutdown(client->fd, SHUT_RDWR); }

/* ---- the output ---- */

static void on_output(uv_poll_t *poll, int status, int events) {
    struct client *client = poll->data;
    /* When the reader of a pipe closes its end, epoll reports EPOLLERR. */
    if (status < 0 || (events & UV_DISCONNECT)) client->output_gone = true;
    uv_poll_stop(poll);
}

/* uv_poll_init makes the descriptor non-blocking for every process that shares it.  Our writes must block: restore the flags. */
void client_watch_output(struct client *client, int fd) {
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    bool ends = !fstat(fd, &status) && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
    if (client->has_output || !ends || flags < 0) return;
    client->has_output = !uv_poll_init(&client->loop, &client->output, fd);
    fcntl(fd, F_SETFL, flags);
    if (!client->has_output) return;
    client->output.data = client;
    uv_poll_start(&client->output, UV_DISCONNECT, on_output);
    uv_unref((uv_handle_t *)&client->output);
}

bool client_output_gone(const struct client *client) { return client->output_gone; }

/* ---- with a keyboard ---- */

static void on_input(uv_poll_t *poll, int status, int events) {
    (void)status; /* reading a failed input reports the failure */
    (void)events;
    ((struct client *)poll->data)->input_ready = true;
}

/* Restores the flags, like client_watch_output. */
int client_watch_input(struct client *client, int fd, struct failure *failure) {
    uv_poll_t *input = &client->inputs[client->input_count];
    int flags = fcntl(fd, F_GETFL);
    assert(client->input_count < INPUTS_MAX);
    int result = flags < 0 ? -errno : uv_poll_init(&client->loop, input, fd);
    if (result) return failure_set(failure, EXIT_FAILED, "cannot wait for input: %s", uv_strerror(result));
    fcntl(fd, F_SETFL, flags);
    input->data = client;
    client->input_count++;
    return 0;
}

int client_send(struct client *client, const char *method, json_t *params_new, int64_t *ret_id, struct failure *failure) {
    if (send_request(client, method, params_new, failure)) return -1;
    *ret_id = client->id;
    return 0;
}

/* Closes the connection and drops its state. */
static void disconnect(struct client *client) {
    close_pipe(client);
    json_array_clear(client->waiting);
    client->begin = client->end = client->searched = 0;
    client->ended = 0;
    client->noted = false;
}

enum client_event client_wait(struct client *client, uint64_t deadline_ms, int64_t *ret_id, json_t **ret_result,
                              struct failure *failure) {
    struct trace_rpc_reply reply;
    int result;
    client->input_ready = false;
    for (unsigned i = 0; i < client->input_count; i++) uv_poll_start(&client->inputs[i], UV_READABLE, on_input);
    while ((result = next_reply(client, deadline_ms, &reply, failure)) > 0 && reply.kind == TRACE_RPC_REPLY_NOTIFICATION) {
        trace_rpc_reply_fini(&reply);
        result = 0;
        if (is_over(client, deadline_ms)) break;
    }
    for (unsigned i = 0; i < client->input_count; i++) uv_poll_stop(&client->inputs[i]);
    if (result < 0) {
        disconnect(client);
        return CLIENT_LOST;
    }
    if (result == 0) return client->input_ready ? CLIENT_INPUT : CLIENT_TIME;
    *ret_id = json_integer_value(reply.id);
    *ret_result = reply.kind == TRACE_RPC_REPLY_ERROR ? NULL : json_incref(reply.result);
    if (!*ret_result) refusal_read(failure, reply.code, reply.message, reply.data);
    trace_rpc_reply_fini(&reply);
    return CLIENT_ANSWER;
}

int client_reconnect(struct client *client, uint64_t wait_ms, struct failure *failure) {
    disconnect(client);
    return connect_and_wait(client, wait_ms, failure);
}
