/* SPDX-License-Identifier: MIT
 *
 * See connection.h. */
#include "connection.h"
#include "log.h"
#include "subscription.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES_MIN 4096
#define INPUT_BYTES_MAX (LIMIT_LINE_BYTES + 1)

struct output {
    struct output *next;
    struct trace_text text;
    size_t sent;
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

void connection_hold(struct connection *connection, ptrdiff_t bytes) {
    connection->held_bytes += (size_t)bytes;
    connection->server->held_bytes += (size_t)bytes;
}

static void note_progress(struct connection *connection) { connection->progress_ms = uv_now(connection->server->loop); }

/* Who holds more than `bytes` and has taken nothing for the longest time; of two, who holds more.  NULL: nobody. */
static struct connection *find_stuck(const struct server *server, size_t bytes) {
    struct connection *worst = NULL;
    for (struct connection *connection = server->connections; connection; connection = connection->next) {
        if (connection->held_bytes <= bytes) continue;
        if (!worst || connection->progress_ms < worst->progress_ms ||
            (connection->progress_ms == worst->progress_ms && connection->held_bytes > worst->held_bytes))
            worst = connection;
    }
    return worst;
}

/* Closes clients until what the others hold is within the limit: those with answers first, for a subscriber that does not read
 * holds little. */
static void relieve(struct server *server) {
    while (server->held_bytes > LIMIT_HELD_BYTES) {
        struct connection *stuck = find_stuck(server, LIMIT_OUTPUT_BYTES);
        if (!stuck) stuck = find_stuck(server, INPUT_BYTES_MIN);
        if (!stuck) return;
        if (!server->counters.limits.held_bytes++)
            log_say(LOG_LEVEL_WARNING, "a client that did not read was disconnected: clients held more than %u MiB",
                    LIMIT_HELD_BYTES >> 20);
        connection_close(stuck);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

int connection_create(struct server *server, int fd, pid_t client) {
    struct connection *connection = calloc(1, sizeof *connection);
    int error = -ENOMEM;
    if (!connection) goto err_close;
    connection->input = malloc(INPUT_BYTES_MIN);
    if (!connection->input) goto err_free;
    connection->input_bytes = INPUT_BYTES_MIN;
    connection->server = server;
    connection->fd = fd;
    connection->client = client;
    connection->polled = -1;
    connection->output_last = &connection->output;
    connection->poll.data = connection;
    error = uv_poll_init(server->loop, &connection->poll, fd);
    if (error) goto err_input;
    connection->next = server->connections;
    if (connection->next) connection->next->previous = connection;
    server->connections = connection;
    server->connection_count++;
    connection_hold(connection, INPUT_BYTES_MIN);
    note_progress(connection);
    error = uv_poll_start(&connection->poll, UV_READABLE, on_poll);
    if (error)
        connection_close(connection);
    else
        connection->polled = UV_READABLE;
    return error;

err_input:
    free(connection->input);
err_free:
    free(connection);
err_close:
    close(fd);
    return error;
}

static void free_first_output(struct connection *connection) {
    struct output *output = connection->output;
    connection_hold(connection, -(ptrdiff_t)output->text.bytes);
    connection->output = output->next;
    if (!connection->output) connection->output_last = &connection->output;
    trace_text_fini(&output->text);
    free(output);
}

static void free_output(struct connection *connection) {
    while (connection->output) free_first_output(connection);
    connection->output_bytes = 0;
}

/* Frees the client when neither the loop nor the pool knows it any more. */
static void free_if_gone(struct connection *connection) {
    if (!connection->closed || connection->exchange.working) return;
    exchange_drop(&connection->exchange);
    free(connection->input);
    free(connection);
}

static void on_closed(uv_handle_t *handle) {
    struct connection *connection = handle->data;
    struct server *server = connection->server;
    close(connection->fd);
    for (struct subscription *s; (s = connection->subscriptions);) {
        connection->subscriptions = s->next;
        subscription_destroy(s);
    }
    connection->closed = true;
    free_if_gone(connection);
    server_connection_gone(server);
}

void connection_close(struct connection *connection) {
    struct server *server = connection->server;
    if (connection->closing) return;
    connection->closing = true;
    turns_drop(&server->asks, &connection->asks);
    turns_drop(&server->news, &connection->news);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    server->connection_count--;
    server->subscription_count -= connection->subscription_count;
    connection->subscription_count = 0;
    /* The subscriptions stay until the handle is closed: it may be one of them whose notification failed. */
    free_output(connection);
    server->held_bytes -= connection->held_bytes; /* what is left is freed with the handle */
    connection->held_bytes = 0;
    exchange_cancel(&connection->exchange);
    uv_close((uv_handle_t *)&connection->poll, on_closed);
}

bool connection_is_idle(const struct connection *connection) {
    return !connection->exchange.busy && !connection->output_bytes && !connection->asks.waits && !connection->news.waits;
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

/* What the socket takes at once.  Returns the number of bytes, or a negative errno when the client is gone. */
static ssize_t send_now(struct connection *connection, const char *bytes, size_t count) {
    size_t sent = 0;
    while (sent < count) {
        ssize_t n = send(connection->fd, bytes + sent, count - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            sent += (size_t)n;
        else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            break;
        else if (errno != EINTR)
            return -errno;
    }
    return (ssize_t)sent;
}

static void update_poll(struct connection *connection) {
    if (connection->closing) return;
    int events = 0;
    if (!connection->ended && !connection->server->stopping && connection->input_end - connection->input_begin < INPUT_BYTES_MAX)
        events |= UV_READABLE;
    if (connection->output_bytes) events |= UV_WRITABLE;
    /* Nothing to wait for but its going: a hang-up is told whatever is asked for, as long as something is. */
    if (!events) events = UV_PRIORITIZED;
    if (events == connection->polled) return;
    connection->polled = events;
    if (uv_poll_start(&connection->poll, events, on_poll)) connection_close(connection);
}

static void keep(struct connection *connection, struct trace_text *text, size_t sent) {
    struct output *output = calloc(1, sizeof *output);
    if (!output) {
        connection_close(connection); /* an answer with a hole is worse than none */
        return;
    }
    trace_text_fit(text);
    output->text = *text;
    output->sent = sent;
    *text = (struct trace_text){.bytes_max = text->bytes_max};
    *connection->output_last = output;
    connection->output_last = &output->next;
    if (!connection->output_bytes) note_progress(connection); /* up to now it had taken all */
    connection->output_bytes += output->text.bytes - sent;
    connection_hold(connection, (ptrdiff_t)output->text.bytes);
    relieve(connection->server);
    update_poll(connection);
}

void connection_send_text(struct connection *connection, struct trace_text *text) {
    if (connection->closing) return;
    ssize_t sent = connection->output ? 0 : send_now(connection, text->data, text->bytes);
    if (sent < 0)
        connection_close(connection);
    else if ((size_t)sent < text->bytes)
        keep(connection, text, (size_t)sent);
}

void connection_send(struct connection *connection, const char *bytes, size_t count) {
    if (connection->closing) return;
    ssize_t sent = connection->output ? 0 : send_now(connection, bytes, count);
    if (sent < 0) {
        connection_close(connection);
    } else if ((size_t)sent < count) {
        struct trace_text rest = {0};
        trace_text_add(&rest, bytes + sent, count - (size_t)sent);
        if (rest.failed)
            connection_close(connection);
        else
            keep(connection, &rest, 0);
        trace_text_fini(&rest);
    }
}

static void flush(struct connection *connection) {
    for (struct output *output; (output = connection->output);) {
        size_t left = output->text.bytes - output->sent;
        ssize_t sent = send_now(connection, output->text.data + output->sent, left);
        if (sent < 0) {
            connection_close(connection);
            return;
        }
        output->sent += (size_t)sent;
        connection->output_bytes -= (size_t)sent;
        if (sent) note_progress(connection);
        if ((size_t)sent < left) return;
        free_first_output(connection);
    }
}

/* ---- input -------------------------------------------------------------------------------------------------------------- */

enum line { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };

/* Takes the next line out of the input; it stays valid until the next read. */
static enum line take_line(struct connection *connection, const char **ret_line, size_t *ret_bytes) {
    for (;;) {
        char *begin = connection->input + connection->input_begin;
        size_t held = connection->input_end - connection->input_begin;
        char *newline = held ? memchr(begin + connection->input_scanned, '\n', held - connection->input_scanned) : NULL;
        connection->input_scanned = 0;
        if (newline) {
            connection->input_begin += (size_t)(newline - begin) + 1;
            if (connection->skipping) {
                connection->skipping = false;
                continue;
            }
            *ret_line = begin;
            *ret_bytes = (size_t)(newline - begin);
            return LINE_WHOLE;
        }
        bool too_long = !connection->skipping && held > LIMIT_LINE_BYTES;
        if (too_long) connection->skipping = true;
        if (connection->skipping || (connection->ended && held)) {
            connection->input_begin = connection->input_end = 0;
            if (too_long) return LINE_TOO_LONG;
            if (connection->skipping) return LINE_NONE;
            *ret_line = begin; /* the end of the stream ends the last line too */
            *ret_bytes = held;
            return LINE_WHOLE;
        }
        connection->input_scanned = held;
        return LINE_NONE;
    }
}

/* Twice the room for a line that fills it, the least again after a long one. */
static void fit_input(struct connection *connection) {
    size_t bytes = connection->input_bytes;
    if (connection->input_end == bytes && bytes < INPUT_BYTES_MAX)
        bytes = 2 * bytes < INPUT_BYTES_MAX ? 2 * bytes : INPUT_BYTES_MAX;
    if (!connection->input_end) bytes = INPUT_BYTES_MIN;
    if (bytes == connection->input_bytes) return;
    char *input = realloc(connection->input, bytes);
    if (!input) {
        connection_close(connection);
        return;
    }
    connection_hold(connection, (ptrdiff_t)bytes - (ptrdiff_t)connection->input_bytes);
    connection->input = input;
    connection->input_bytes = bytes;
    relieve(connection->server);
}

static void read_input(struct connection *connection) {
    if (connection->input_begin) {
        memmove(connection->input, connection->input + connection->input_begin, connection->input_end - connection->input_begin);
        connection->input_end -= connection->input_begin;
        connection->input_begin = 0;
    }
    fit_input(connection);
    size_t room = connection->input_bytes - connection->input_end;
    if (!room || connection->closing) return;
    ssize_t n = recv(connection->fd, connection->input + connection->input_end, room, MSG_DONTWAIT);
    if (n > 0)
        connection->input_end += (size_t)n;
    else if (n == 0)
        connection->ended = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        connection_close(connection);
}

/* ---- turns -------------------------------------------------------------------------------------------------------------- */

/* The client will send no more, and has everything that it asked for. */
static bool is_done(const struct connection *connection) {
    return connection->ended && connection_is_idle(connection) && connection->input_begin == connection->input_end &&
           !connection->subscriptions;
}

void connection_want_answers(struct connection *connection) {
    if (!connection->closing) server_want_turn(connection->server, &connection->server->asks, &connection->asks);
}

void connection_want_news(struct connection *connection) {
    if (!connection->closing) server_want_turn(connection->server, &connection->server->news, &connection->news);
}

static void end_turn(struct connection *connection) {
    if (is_done(connection))
        connection_close(connection);
    else
        update_poll(connection);
}

uint64_t connection_answer(struct connection *connection) {
    struct exchange *exchange = &connection->exchange;
    uint64_t taken = 0;
    while (!exchange->working && !connection->server->stopping && (exchange->busy || connection_takes_more(connection))) {
        const char *line;
        size_t bytes;
        enum line got;
        if (taken >= LIMIT_ANSWER_WORK) {
            connection_want_answers(connection);
            break;
        }
        if (exchange->busy) {
            taken += exchange_go_on(exchange);
            continue;
        }
        got = take_line(connection, &line, &bytes);
        if (got == LINE_NONE) break;
        if (got == LINE_TOO_LONG) {
            taken += LIMIT_LINE_WORK;
            exchange_refuse_line(connection);
            continue;
        }
        note_progress(connection);
        taken += exchange_begin(exchange, connection, line, bytes);
    }
    if (!connection->closing) end_turn(connection);
    return taken;
}

static void renewed(void *arg) { connection_want_news(arg); }

/* Sends what a subscription has, for so much work.  Returns true when there is more to look at. */
static bool notify(struct connection *connection, struct subscription *subscription, uint64_t work_max) {
    struct server *server = connection->server;
    uint64_t begin = subscription->work.done;
    struct subscription_news news = {0};
    if (!subscription->announced) return false;
    if (!subscription_renew(subscription, &server->lanes, &server->renewals, renewed, connection)) return !subscription->renewal;
    while (!news.caught_up && subscription->work.done - begin < work_max && connection_takes_news(connection)) {
        struct trace_text *out = &server->scratch;
        subscription_collect(subscription, &server->service->store, work_max - (subscription->work.done - begin), out, &news);
        server->counters.events_dropped += news.dropped;
        server->counters.events_notified += news.events;
        if (out->failed)
            connection_close(connection); /* out of memory: better no stream than one with holes that it does not report */
        else if (out->bytes)
            connection_send(connection, out->data, out->bytes);
    }
    if (subscription->recent && subscription->recent_next == subscription->recent_count)
        connection_hold(connection, -(ptrdiff_t)subscription_forget_recent(subscription));
    return !news.caught_up && connection_takes_news(connection);
}

/* The first becomes the last, so that shares which are always used up are not always the first one's. */
static void rotate_subscriptions(struct connection *connection) {
    struct subscription *first = connection->subscriptions, *last = first;
    if (!first || !first->next) return;
    while (last->next) last = last->next;
    connection->subscriptions = first->next;
    first->next = NULL;
    last->next = first;
}

uint64_t connection_notify(struct connection *connection, uint64_t work_max) {
    uint64_t taken = 0;
    uint32_t left = connection->subscription_count;
    bool more = false;
    for (struct subscription *s = connection->subscriptions; s && !connection->closing; s = s->next, left--) {
        uint64_t before = s->work.done;
        if (taken >= work_max) {
            more = true;
            break;
        }
        more |= notify(connection, s, (work_max - taken + left - 1) / (left ? left : 1));
        taken += s->work.done - before;
    }
    if (connection->closing) return taken;
    if (more) {
        connection_want_news(connection);
        rotate_subscriptions(connection);
    }
    end_turn(connection);
    return taken;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct connection *connection = poll->data;
    if (status < 0) {
        connection_close(connection);
        return;
    }
    /* A hang-up with nothing asked for but news of it. */
    if (connection->polled == UV_PRIORITIZED && (events & UV_PRIORITIZED || !events)) {
        connection_close(connection);
        return;
    }
    if (events & UV_READABLE) read_input(connection);
    if (!connection->closing && connection->output) flush(connection);
    if (connection->closing) return;
    connection_want_answers(connection);
    if (connection->subscriptions) connection_want_news(connection); /* it may have taken what was before them */
    update_poll(connection);
}

void connection_exchange_done(struct connection *connection) {
    if (connection->closing) {
        free_if_gone(connection);
        return;
    }
    connection_want_answers(connection);
}
