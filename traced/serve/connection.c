/* SPDX-License-Identifier: MIT
 *
 * See connection.h. */
#include "connection.h"
#include "log.h"

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
static void on_off_pool(struct exchange *exchange);

/* ---- memory ------------------------------------------------------------------------------------------------------------- */

/* Changes the memory that it holds by that many bytes. */
static void hold(struct connection *connection, ptrdiff_t bytes) {
    connection->held_bytes += (size_t)bytes;
    connection->clients->held_bytes += (size_t)bytes;
}

static size_t held(const struct connection *connection) { return connection->held_bytes + connection->subscriptions.held_bytes; }

static void note_progress(struct connection *connection) { connection->progress_ms = uv_now(connection->clients->loop); }

/* Of the connections that hold more than `bytes`, the one that has made no progress for the longest time; if two are equal, the
 * one that holds more.  NULL: there is none. */
static struct connection *find_stuck(const struct clients *clients, size_t bytes) {
    struct connection *worst = NULL;
    for (struct connection *connection = clients->connections; connection; connection = connection->next) {
        if (held(connection) <= bytes) continue;
        if (!worst || connection->progress_ms < worst->progress_ms ||
            (connection->progress_ms == worst->progress_ms && held(connection) > held(worst)))
            worst = connection;
    }
    return worst;
}

/* Closes clients until the rest is within the limit.  Those with unread answers go first, because a subscriber that does not read
 * holds little. */
static void relieve(struct clients *clients) {
    while (clients->held_bytes > LIMIT_HELD_BYTES) {
        struct connection *stuck = find_stuck(clients, LIMIT_OUTPUT_BYTES);
        if (!stuck) stuck = find_stuck(clients, INPUT_BYTES_MIN);
        if (!stuck) return;
        if (!clients->counters.limits.held_bytes++)
            log_say(LOG_LEVEL_WARNING, "a client that did not read was disconnected: clients held more than %u MiB",
                    LIMIT_HELD_BYTES >> 20);
        connection_close(stuck);
    }
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

int connection_create(struct clients *clients, int fd, const struct credentials *credentials) {
    struct connection *connection = calloc(1, sizeof *connection);
    int error = -ENOMEM;
    if (!connection) goto err_close;
    connection->input = malloc(INPUT_BYTES_MIN);
    if (!connection->input) goto err_free;
    connection->input_bytes = INPUT_BYTES_MIN;
    connection->clients = clients;
    connection->subscriptions.clients = clients;
    connection->exchange = (struct exchange){.clients = clients,
                                             .subscriptions = &connection->subscriptions,
                                             .client = credentials_client(credentials, geteuid()),
                                             .on_off_pool = on_off_pool};
    connection->is_guest = credentials_is_guest(credentials, geteuid());
    connection->fd = fd;
    connection->polled = -1;
    connection->output_last = &connection->output;
    connection->poll.data = connection;
    error = uv_poll_init(clients->loop, &connection->poll, fd);
    if (error) goto err_input;
    connection->next = clients->connections;
    if (connection->next) connection->next->previous = connection;
    clients->connections = connection;
    clients->connection_count++;
    clients->guest_count += connection->is_guest;
    hold(connection, INPUT_BYTES_MIN);
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
    hold(connection, -(ptrdiff_t)output->text.bytes);
    connection->output = output->next;
    if (!connection->output) connection->output_last = &connection->output;
    trace_text_fini(&output->text);
    free(output);
}

static void free_output(struct connection *connection) {
    while (connection->output) free_first_output(connection);
    connection->output_bytes = 0;
}

/* Frees the connection once neither the loop nor the pool uses it. */
static void free_if_gone(struct connection *connection) {
    if (!connection->closed || connection->exchange.working) return;
    exchange_drop(&connection->exchange);
    free(connection->input);
    free(connection);
}

static void on_closed(uv_handle_t *handle) {
    struct connection *connection = handle->data;
    struct clients *clients = connection->clients;
    close(connection->fd);
    subscriptions_fini(&connection->subscriptions);
    connection->closed = true;
    free_if_gone(connection);
    clients->on_gone(clients->again.data);
}

void connection_close(struct connection *connection) {
    struct clients *clients = connection->clients;
    if (connection->closing) return;
    connection->closing = true;
    turns_drop(&clients->asks, &connection->asks);
    turns_drop(&clients->news, &connection->news);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        clients->connections = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    clients->connection_count--;
    clients->guest_count -= connection->is_guest;
    subscriptions_close(&connection->subscriptions);
    free_output(connection);
    clients->held_bytes -= connection->held_bytes; /* the rest is freed with the handle */
    connection->held_bytes = 0;
    exchange_cancel(&connection->exchange);
    uv_close((uv_handle_t *)&connection->poll, on_closed);
}

bool connection_is_idle(const struct connection *connection) {
    return !connection->exchange.busy && !connection->output_bytes && !connection->asks.waits && !connection->news.waits;
}

/* ---- output ------------------------------------------------------------------------------------------------------------- */

/* Sends what the socket takes without blocking, LIMIT_SEND_BYTES at most.  Returns the number of bytes, or a negative errno if
 * the client is gone. */
static ssize_t send_now(struct connection *connection, const char *bytes, size_t count) {
    size_t sent = 0;
    if (count > LIMIT_SEND_BYTES) count = LIMIT_SEND_BYTES;
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

static uint64_t send_work(size_t bytes) { return LIMIT_SEND_WORK + bytes / LIMIT_SENT_BYTES_PER_WORK; }

static void update_poll(struct connection *connection) {
    if (connection->closing) return;
    int events = 0;
    if (!connection->ended && !connection->clients->stopping && connection->input_end - connection->input_begin < INPUT_BYTES_MAX)
        events |= UV_READABLE;
    if (connection->output_bytes && !connection->news.waits) events |= UV_WRITABLE;
    /* We wait only for a hang-up.  The kernel reports it with any non-empty event mask. */
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
    if (!connection->output_bytes) note_progress(connection); /* the client had read everything until now */
    connection->output_bytes += output->text.bytes - sent;
    hold(connection, (ptrdiff_t)output->text.bytes);
    relieve(connection->clients);
    update_poll(connection);
}

/* Returns the work done. */
static uint64_t send_text(struct connection *connection, struct trace_text *text) {
    if (connection->closing) return 0;
    ssize_t sent = connection->output ? 0 : send_now(connection, text->data, text->bytes);
    if (sent < 0)
        connection_close(connection);
    else if ((size_t)sent < text->bytes)
        keep(connection, text, (size_t)sent);
    return sent > 0 ? send_work((size_t)sent) : 0;
}

static void send_copy(struct connection *connection, const char *bytes, size_t count) {
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

/* Sends what is left of earlier lines.  Returns the work done. */
static uint64_t flush(struct connection *connection) {
    uint64_t work = 0;
    for (struct output *output; (output = connection->output) && work < LIMIT_ANSWER_WORK;) {
        size_t left = output->text.bytes - output->sent;
        ssize_t sent = send_now(connection, output->text.data + output->sent, left);
        if (sent < 0) {
            connection_close(connection);
            break;
        }
        output->sent += (size_t)sent;
        connection->output_bytes -= (size_t)sent;
        work += send_work((size_t)sent);
        if (sent) note_progress(connection);
        if ((size_t)sent < left) break;
        free_first_output(connection);
    }
    return work;
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

/* Doubles the buffer if a line fills it, and shrinks it to the minimum after a long line. */
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
    hold(connection, (ptrdiff_t)bytes - (ptrdiff_t)connection->input_bytes);
    connection->input = input;
    connection->input_bytes = bytes;
    relieve(connection->clients);
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

/* The client will send no more, and has all its answers. */
static bool is_done(const struct connection *connection) {
    return connection->ended && connection_is_idle(connection) && connection->input_begin == connection->input_end &&
           !connection->subscriptions.first;
}

static void want_answers(struct connection *connection) {
    if (!connection->closing) clients_want_turn(connection->clients, &connection->clients->asks, &connection->asks);
}

void connection_want_news(struct connection *connection) {
    if (!connection->closing) clients_want_turn(connection->clients, &connection->clients->news, &connection->news);
}

static void end_turn(struct connection *connection) {
    if (is_done(connection))
        connection_close(connection);
    else
        update_poll(connection);
}

static bool takes_more(const struct connection *connection) {
    return !connection->closing && connection->output_bytes < LIMIT_OUTPUT_BYTES;
}

/* Sends the answer to a line.  Then its subscriptions may send notifications.  Returns the work done. */
static uint64_t send_answer(struct connection *connection) {
    struct exchange *exchange = &connection->exchange;
    uint64_t work = 0;
    if (exchange->answered && exchange->out.failed)
        connection_close(connection); /* out of memory even for an error */
    else if (exchange->answered)
        work = send_text(connection, &exchange->out);
    exchange_drop(exchange);
    subscriptions_announce(&connection->subscriptions);
    if (connection->subscriptions.first) connection_want_news(connection);
    return work;
}

/* Continues the current line, or takes the next one.  Returns false if there is none. */
static bool answer_some(struct connection *connection, uint64_t *taken) {
    struct exchange *exchange = &connection->exchange;
    const char *line;
    size_t bytes;
    if (exchange->busy) {
        *taken += exchange_go_on(exchange);
    } else {
        enum line got = take_line(connection, &line, &bytes);
        if (got == LINE_NONE) return false;
        if (got == LINE_WHOLE) note_progress(connection);
        *taken += got == LINE_WHOLE ? exchange_begin(exchange, line, bytes) : exchange_refuse_line(exchange);
    }
    if (!exchange->busy) *taken += send_answer(connection);
    return true;
}

uint64_t connection_answer(struct connection *connection) {
    struct exchange *exchange = &connection->exchange;
    uint64_t taken = 0;
    while (!exchange->working && !connection->clients->stopping && (exchange->busy || takes_more(connection))) {
        if (taken >= LIMIT_ANSWER_WORK) {
            want_answers(connection);
            break;
        }
        if (!answer_some(connection, &taken)) break;
    }
    if (!connection->closing) end_turn(connection);
    return taken;
}

static void renewed(void *arg) { connection_want_news(arg); }

/* Sends a subscription's events until they took work_max.  Returns true if there are more to look at. */
static bool notify(struct connection *connection, struct subscription *subscription, uint64_t work_max) {
    struct clients *clients = connection->clients;
    uint64_t begin = subscription->work.done;
    struct subscription_news news = {0};
    if (!subscription->announced) return false;
    if (!subscription_renew(subscription, &clients->service->store, &clients->lanes, &clients->renewals, renewed, connection))
        return !subscription->renewal;
    while (!news.caught_up && subscription->work.done - begin < work_max && connection_takes_news(connection)) {
        struct trace_text *out = &clients->scratch;
        subscription_collect(subscription, &clients->service->store, work_max - (subscription->work.done - begin), out, &news);
        clients->counters.events_dropped += news.dropped;
        clients->counters.events_notified += news.events;
        if (out->failed)
            connection_close(connection); /* out of memory: no stream is better than one with unreported holes */
        else if (out->bytes)
            send_copy(connection, out->data, out->bytes);
    }
    if (subscription->recent && subscription->recent_next == subscription->recent_count)
        subscriptions_release_recent(&connection->subscriptions, subscription);
    bool more = !news.caught_up || subscription->until < history_end_position(clients->service->store.history);
    return more && connection_takes_news(connection);
}

uint64_t connection_send(struct connection *connection, uint64_t work_max) {
    uint64_t taken = flush(connection);
    uint32_t left = connection->subscriptions.count;
    bool more = false;
    if (taken) want_answers(connection); /* it may have had too much output for them */
    for (struct subscription *s = connection->subscriptions.first; s && connection_takes_news(connection); s = s->next, left--) {
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
        subscriptions_rotate(&connection->subscriptions);
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
    /* We waited only for a hang-up, and this is it. */
    if (connection->polled == UV_PRIORITIZED && (events & UV_PRIORITIZED || !events)) {
        connection_close(connection);
        return;
    }
    if (events & UV_READABLE) {
        read_input(connection);
        want_answers(connection);
    }
    if (events & UV_WRITABLE) connection_want_news(connection);
    update_poll(connection);
}

static void on_off_pool(struct exchange *exchange) {
    struct connection *connection = (struct connection *)((char *)exchange - offsetof(struct connection, exchange));
    if (exchange->failed) connection_close(connection);
    if (connection->closing)
        free_if_gone(connection);
    else
        want_answers(connection);
}
