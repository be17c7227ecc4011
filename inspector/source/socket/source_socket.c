/* SPDX-License-Identifier: MIT */
#include "source_socket.h"

#include "json_get.h"
#include "rpc_client.h"

#include <proto/socket_path.h>
#include <stdio.h>
#include <stdlib.h>

struct source_socket {
    struct source source;
    struct client *client;
    json_t *batch; /* a notification whose loss was delivered; its events come next.  NULL */
    char title[160];
};

static struct source_socket *socket_of(struct source *source) { return (struct source_socket *)source; }

static int socket_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
                      json_t **ret_result, struct failure *failure) {
    struct client *client = socket_of(source)->client;
    if (!apart) return client_call(client, method, params_new, ret_result, failure);
    return client_call_apart(client, method, params_new, apart->array, apart->text, ret_result, failure);
}

static int socket_follow(struct source *source, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    json_t *result;
    if (client_call(socket_of(source)->client, "subscribe", params_new, &result, failure)) return -1;
    *ret_number = (int64_t)json_get_count(result, "subscription");
    json_decref(result);
    return 0;
}

static enum source_event take_batch(struct source_socket *socket, struct source_news *news) {
    news->number = (int64_t)json_get_count(socket->batch, "subscription");
    news->value = json_incref(json_object_get(socket->batch, "events"));
    json_decref(socket->batch);
    socket->batch = NULL;
    return SOURCE_EVENTS;
}

/* Delivers a notification's loss before its events. */
static enum source_event next_batch(struct source_socket *socket, uint64_t deadline_ms, struct source_news *news,
                                    struct failure *failure) {
    if (socket->batch) return take_batch(socket, news);
    int result = client_next(socket->client, "events", deadline_ms, &socket->batch, failure);
    if (result < 0) return SOURCE_FAILED;
    if (result == 0) return client_output_gone(socket->client) ? SOURCE_OUTPUT_GONE : SOURCE_TIME;
    news->count = json_get_count(socket->batch, "lost");
    news->why = GAP_SLOW;
    news->number = (int64_t)json_get_count(socket->batch, "subscription");
    return news->count ? SOURCE_GAP : take_batch(socket, news);
}

static enum source_event socket_next(struct source *source, uint64_t deadline_ms, struct source_news *news,
                                     struct failure *failure) {
    struct source_socket *socket = socket_of(source);
    if (!source->input_count) return next_batch(socket, deadline_ms, news, failure);
    switch (client_wait(socket->client, deadline_ms, &news->number, &news->value, failure)) {
    case CLIENT_ANSWER: return SOURCE_ANSWER;
    case CLIENT_INPUT: return SOURCE_INPUT;
    case CLIENT_TIME: return SOURCE_TIME;
    case CLIENT_LOST: break;
    }
    return SOURCE_FAILED;
}

static int socket_send(struct source *source, const char *method, json_t *params_new, int64_t *ret_number,
                       struct failure *failure) {
    return client_send(socket_of(source)->client, method, params_new, ret_number, failure);
}

static int socket_reopen(struct source *source, uint64_t wait_ms, struct failure *failure) {
    struct source_socket *socket = socket_of(source);
    json_decref(socket->batch);
    socket->batch = NULL;
    return client_reconnect(socket->client, wait_ms, failure);
}

static void socket_interrupt(const struct source *source) { client_interrupt(((const struct source_socket *)source)->client); }

static pid_t socket_stopped(const struct source *source) {
    return client_stopped_server(((const struct source_socket *)source)->client);
}

static void socket_end_calls(struct source *source, uint64_t end_ms) { client_end_calls(socket_of(source)->client, end_ms); }

static void socket_watch_output(struct source *source) { client_watch_output(socket_of(source)->client, source->output); }

static int socket_watch_input(struct source *source, struct failure *failure) {
    return client_watch_input(socket_of(source)->client, source->inputs[source->input_count - 1], failure);
}

static void socket_close(struct source *source) {
    struct source_socket *socket = socket_of(source);
    client_close(socket->client);
    json_decref(socket->batch);
    free(socket);
}

/* Connects, and says meanwhile that nobody is there yet. */
static int open_client(struct client **ret_client, const char *path, const struct source_wait *wait, struct failure *failure) {
    char text[TRACE_SOCKET_PATH_BYTES + 96];
    bool notes = wait->note && wait->note_slow && wait->connect_ms > CALL_NOTE_MS;
    int result = client_open(ret_client, path, notes ? CALL_NOTE_MS : wait->connect_ms, failure);
    if (!result || !notes || !failure->disconnected) return result;
    snprintf(text, sizeof text, "no traced is running at %s yet; waiting for one (Ctrl-C ends the wait)", path);
    wait->note(text);
    return client_open(ret_client, path, wait->connect_ms == WAIT_FOREVER ? WAIT_FOREVER : wait->connect_ms - CALL_NOTE_MS,
                       failure);
}

int source_socket_open(struct source **ret_source, const char *path, const struct source_wait *wait, struct failure *failure) {
    static const struct source_ops ops = {
        .can = SOURCE_ASK | SOURCE_FOLLOW | SOURCE_CONTROL | SOURCE_STREAMS,
        .ask = socket_ask,
        .follow = socket_follow,
        .next = socket_next,
        .interrupt = socket_interrupt,
        .close = socket_close,
        .send = socket_send,
        .reopen = socket_reopen,
        .stopped = socket_stopped,
        .end_calls = socket_end_calls,
        .watch_output = socket_watch_output,
        .watch_input = socket_watch_input,
    };
    struct source_socket *socket = calloc(1, sizeof *socket);
    if (!socket) return failure_out_of_memory(failure);
    snprintf(socket->title, sizeof socket->title, "traced at %s", path);
    source_init(&socket->source, &ops, socket->title);
    if (open_client(&socket->client, path, wait, failure)) {
        free(socket);
        return -1;
    }
    client_limit_calls(socket->client, wait->call_ms);
    client_note_waits(socket->client, wait->note, wait->note_slow);
    *ret_source = &socket->source;
    return 0;
}
