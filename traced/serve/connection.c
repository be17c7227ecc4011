/* SPDX-License-Identifier: MIT
 *
 * See client.h. */
#include "connection.h"
#include "log.h"
#include "subscribe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES_MIN 4096
#define INPUT_BYTES_MAX (LIMIT_LINE_BYTES + 1)
/* Lines answered in one turn. */
#define LINES_PER_TURN 16

struct output {
    struct output *next;
    struct trace_text text;
    size_t sent;
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

void client_hold(struct client *client, ptrdiff_t bytes) {
    client->held_bytes += (size_t)bytes;
    client->server->held_bytes += (size_t)bytes;
}

static void note_progress(struct client *client) { client->progress_ms = uv_now(client->server->loop); }

/* Who holds more than `bytes` and has taken nothing for the longest time; of two, who holds more.  NULL: nobody. */
static struct client *find_stuck(const struct server *server, size_t bytes) {
    struct client *worst = NULL;
    for (struct client *client = server->clients; client; client = client->next) {
        if (client->held_bytes <= bytes) continue;
        if (!worst || client->progress_ms < worst->progress_ms ||
            (client->progress_ms == worst->progress_ms && client->held_bytes > worst->held_bytes))
            worst = client;
    }
    return worst;
}

/* Closes clients until what the others hold is within the limit: those with answers first, for a subscriber that does not read holds
 * little. */
static void relieve(struct server *server) {
    while (server->held_bytes > LIMIT_HELD_BYTES) {
        struct client *stuck = find_stuck(server, LIMIT_OUTPUT_BYTES);
        if (!stuck) stuck = find_stuck(server, INPUT_BYTES_MIN);
        if (!stuck) return;
        if (!server->counters.limits.held_bytes++)
            log_say(LOG_LEVEL_WARNING, "a client that did not read was disconnected: clients held more than %u MiB",
                    LIMIT_HELD_BYTES >> 20);
        client_close(stuck);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

int client_create(struct server *server, int fd) {
    struct client *client = calloc(1, sizeof *client);
    int error = -ENOMEM;
    if (!client) goto err_close;
    client->input = malloc(INPUT_BYTES_MIN);
    if (!client->input) goto err_free;
    client->input_bytes = INPUT_BYTES_MIN;
    client->server = server;
    client->fd = fd;
    client->polled = -1;
    client->output_last = &client->output;
    client->poll.data = client;
    error = uv_poll_init(server->loop, &client->poll, fd);
    if (error) goto err_input;
    client->next = server->clients;
    if (client->next) client->next->previous = client;
    server->clients = client;
    server->client_count++;
    client_hold(client, INPUT_BYTES_MIN);
    note_progress(client);
    error = uv_poll_start(&client->poll, UV_READABLE, on_poll);
    if (error)
        client_close(client);
    else
        client->polled = UV_READABLE;
    return error;

err_input:
    free(client->input);
err_free:
    free(client);
err_close:
    close(fd);
    return error;
}

static void free_first_output(struct client *client) {
    struct output *output = client->output;
    client_hold(client, -(ptrdiff_t)output->text.bytes);
    client->output = output->next;
    if (!client->output) client->output_last = &client->output;
    trace_text_fini(&output->text);
    free(output);
}

static void free_output(struct client *client) {
    while (client->output) free_first_output(client);
    client->output_bytes = 0;
}

/* Frees the client when neither the loop nor the pool knows it any more. */
static void free_if_gone(struct client *client) {
    if (!client->closed || client->exchange.working) return;
    exchange_drop(&client->exchange);
    free(client->input);
    free(client);
}

static void on_closed(uv_handle_t *handle) {
    struct client *client = handle->data;
    struct server *server = client->server;
    close(client->fd);
    for (struct subscription *s; (s = client->subscriptions);) {
        client->subscriptions = s->next;
        subscription_destroy(s);
    }
    client->closed = true;
    free_if_gone(client);
    server_client_gone(server);
}

void client_close(struct client *client) {
    struct server *server = client->server;
    if (client->closing) return;
    client->closing = true;
    server_drop_turn(server, client);
    if (client->previous)
        client->previous->next = client->next;
    else
        server->clients = client->next;
    if (client->next) client->next->previous = client->previous;
    server->client_count--;
    server->subscription_count -= client->subscription_count;
    client->subscription_count = 0;
    /* The subscriptions stay until the handle is closed: it may be one of them whose notification failed. */
    free_output(client);
    server->held_bytes -= client->held_bytes; /* what is left is freed with the handle */
    client->held_bytes = 0;
    exchange_cancel(&client->exchange);
    uv_close((uv_handle_t *)&client->poll, on_closed);
}

bool client_is_idle(const struct client *client) {
    return !client->exchange.working && !client->output_bytes && !client->has_turn;
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

/* What the socket takes at once.  Returns the number of bytes, or a negative errno when the client is gone. */
static ssize_t send_now(struct client *client, const char *bytes, size_t count) {
    size_t sent = 0;
    while (sent < count) {
        ssize_t n = send(client->fd, bytes + sent, count - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            break;
        else if (errno != EINTR)
            return -errno;
    }
    return (ssize_t)sent;
}

static void update_poll(struct client *client) {
    if (client->closing) return;
    int events = 0;
    if (!client->ended && !client->server->stopping && client->input_end - client->input_begin < INPUT_BYTES_MAX)
        events |= UV_READABLE;
    if (client->output_bytes) events |= UV_WRITABLE;
    /* Nothing to wait for but its going: a hang-up is told whatever is asked for, as long as something is. */
    if (!events) events = UV_PRIORITIZED;
    if (events == client->polled) return;
    client->polled = events;
    if (uv_poll_start(&client->poll, events, on_poll)) client_close(client);
}

static void keep(struct client *client, struct trace_text *text, size_t sent) {
    struct output *output = calloc(1, sizeof *output);
    if (!output) {
        client_close(client); /* an answer with a hole is worse than none */
        return;
    }
    trace_text_fit(text);
    output->text = *text;
    output->sent = sent;
    *text = (struct trace_text){.bytes_max = text->bytes_max};
    *client->output_last = output;
    client->output_last = &output->next;
    if (!client->output_bytes) note_progress(client); /* up to now it had taken all */
    client->output_bytes += output->text.bytes - sent;
    client_hold(client, (ptrdiff_t)output->text.bytes);
    relieve(client->server);
    update_poll(client);
}

void client_send_text(struct client *client, struct trace_text *text) {
    if (client->closing) return;
    ssize_t sent = client->output ? 0 : send_now(client, text->data, text->bytes);
    if (sent < 0)
        client_close(client);
    else if ((size_t)sent < text->bytes)
        keep(client, text, (size_t)sent);
}

void client_send(struct client *client, const char *bytes, size_t count) {
    if (client->closing) return;
    ssize_t sent = client->output ? 0 : send_now(client, bytes, count);
    if (sent < 0) {
        client_close(client);
    } else if ((size_t)sent < count) {
        struct trace_text rest = {0};
        trace_text_add(&rest, bytes + sent, count - (size_t)sent);
        if (rest.failed)
            client_close(client);
        else
            keep(client, &rest, 0);
        trace_text_fini(&rest);
    }
}

static void flush(struct client *client) {
    for (struct output *output; (output = client->output);) {
        size_t left = output->text.bytes - output->sent;
        ssize_t sent = send_now(client, output->text.data + output->sent, left);
        if (sent < 0) {
            client_close(client);
            return;
        }
        output->sent += (size_t)sent;
        client->output_bytes -= (size_t)sent;
        if (sent) note_progress(client);
        if ((size_t)sent < left) return;
        free_first_output(client);
    }
}

/* ---- input -------------------------------------------------------------------------------------------------------------- */

enum line { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };

/* Takes the next line out of the input; it stays valid until the next read. */
static enum line take_line(struct client *client, const char **ret_line, size_t *ret_bytes) {
    for (;;) {
        char *begin = client->input + client->input_begin;
        size_t held = client->input_end - client->input_begin;
        char *newline = held ? memchr(begin + client->input_scanned, '\n', held - client->input_scanned) : NULL;
        client->input_scanned = 0;
        if (newline) {
            client->input_begin += (size_t)(newline - begin) + 1;
            if (client->skipping) {
                client->skipping = false;
                continue;
            }
            *ret_line = begin;
            *ret_bytes = (size_t)(newline - begin);
            return LINE_WHOLE;
        }
        bool too_long = !client->skipping && held > LIMIT_LINE_BYTES;
        if (too_long) client->skipping = true;
        if (client->skipping || (client->ended && held)) {
            client->input_begin = client->input_end = 0;
            if (too_long) return LINE_TOO_LONG;
            if (client->skipping) return LINE_NONE;
            *ret_line = begin; /* the end of the stream ends the last line too */
            *ret_bytes = held;
            return LINE_WHOLE;
        }
        client->input_scanned = held;
        return LINE_NONE;
    }
}

/* Answers lines until one needs the pool, there is none, the client has to read first, or the turn is over. */
static void answer_lines(struct client *client) {
    for (int i = 0; !client->exchange.working && client_takes_more(client) && !client->server->stopping; i++) {
        const char *line;
        size_t bytes;
        if (i == LINES_PER_TURN) {
            server_want_turn(client->server, client);
            return;
        }
        switch (take_line(client, &line, &bytes)) {
        case LINE_NONE: return;
        case LINE_WHOLE:
            note_progress(client);
            exchange_begin(&client->exchange, client, line, bytes);
            break;
        case LINE_TOO_LONG: exchange_refuse_line(client); break;
        }
    }
}

/* Twice the room for a line that fills it, the least again after a long one. */
static void fit_input(struct client *client) {
    size_t bytes = client->input_bytes;
    if (client->input_end == bytes && bytes < INPUT_BYTES_MAX) bytes = 2 * bytes < INPUT_BYTES_MAX ? 2 * bytes : INPUT_BYTES_MAX;
    if (!client->input_end) bytes = INPUT_BYTES_MIN;
    if (bytes == client->input_bytes) return;
    char *input = realloc(client->input, bytes);
    if (!input) {
        client_close(client);
        return;
    }
    client_hold(client, (ptrdiff_t)bytes - (ptrdiff_t)client->input_bytes);
    client->input = input;
    client->input_bytes = bytes;
    relieve(client->server);
}

static void read_input(struct client *client) {
    if (client->input_begin) {
        memmove(client->input, client->input + client->input_begin, client->input_end - client->input_begin);
        client->input_end -= client->input_begin;
        client->input_begin = 0;
    }
    fit_input(client);
    size_t room = client->input_bytes - client->input_end;
    if (!room || client->closing) return;
    ssize_t n = recv(client->fd, client->input + client->input_end, room, MSG_DONTWAIT);
    if (n > 0)
        client->input_end += (size_t)n;
    else if (n == 0)
        client->ended = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        client_close(client);
}

/* ---- turns -------------------------------------------------------------------------------------------------------------- */

/* The client will send no more, and has everything that it asked for. */
static bool is_done(const struct client *client) {
    return client->ended && client_is_idle(client) && client->input_begin == client->input_end && !client->subscriptions;
}

void client_turn(struct client *client, uint32_t *budget) {
    answer_lines(client);
    bool more = false;
    for (struct subscription *s = client->subscriptions; s && !client->closing; s = s->next)
        more |= subscription_pump(s, client, budget);
    if (client->closing) return;
    if (more) server_want_turn(client->server, client);
    /* The first becomes the last, so that a budget that is always used up is not always the first one's. */
    struct subscription *first = client->subscriptions;
    if (more && first->next) {
        struct subscription *last = first;
        while (last->next) last = last->next;
        client->subscriptions = first->next;
        first->next = NULL;
        last->next = first;
    }
    if (is_done(client))
        client_close(client);
    else
        update_poll(client);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct client *client = poll->data;
    if (status < 0) {
        client_close(client);
        return;
    }
    /* A hang-up with nothing asked for but news of it. */
    if (client->polled == UV_PRIORITIZED && (events & UV_PRIORITIZED || !events)) {
        client_close(client);
        return;
    }
    if (events & UV_READABLE) read_input(client);
    if (!client->closing && client->output) flush(client);
    if (client->closing) return;
    server_want_turn(client->server, client);
    update_poll(client);
}

void client_exchange_done(struct client *client) {
    if (client->closing) {
        free_if_gone(client);
        return;
    }
    server_want_turn(client->server, client);
}
