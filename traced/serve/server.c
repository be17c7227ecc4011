/* SPDX-License-Identifier: MIT
 *
 * See server.h. */
#include "server.h"
#include "connection.h"
#include "log.h"
#include "traced_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/rpc.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections accepted before the loop looks at its other sockets. */
#define ACCEPTS_PER_TURN 16

/* ---- turns -------------------------------------------------------------------------------------------------------------- */

#define CONNECTION_OF(turn, member) ((struct connection *)((char *)(turn)-offsetof(struct connection, member)))

static bool is_behind(const struct clients *clients) {
    const struct ingest *ingest = clients->service->ingest;
    return ingest && ingest_is_behind(ingest);
}

/* One round: each client that is in a queue now gets one turn; if it queues again, it waits for the next round.  Requests that do
 * not fit into a round come first in the next.  While the ingest is behind, output and events wait for its next pass, which
 * wakes us. */
static void run_turns(struct clients *clients) {
    bool behind = is_behind(clients), woken = clients->woken;
    uint64_t left = LIMIT_ROUND_WORK;
    clients->woken = false;
    for (uint32_t turns = clients->asks.count; turns && left && clients->asks.first; turns--) {
        uint64_t taken = connection_answer(CONNECTION_OF(turns_take(&clients->asks), asks));
        left -= taken < left ? taken : left;
    }
    left = !behind ? LIMIT_ROUND_WORK : woken ? LIMIT_BEHIND_WORK : 0;
    for (uint32_t turns = clients->news.count; turns && left && clients->news.first; turns--) {
        uint64_t share = (left + turns - 1) / turns;
        uint64_t taken = connection_send(CONNECTION_OF(turns_take(&clients->news), news), share);
        left -= taken < left ? taken : left;
    }
    if (clients->asks.first || (clients->news.first && !behind))
        uv_idle_start(&clients->again, clients->run_turns);
    else
        uv_idle_stop(&clients->again);
}

static void on_again(uv_idle_t *again) {
    struct server *server = again->data;
    run_turns(&server->clients);
}

static void on_wake(uv_async_t *wake) {
    struct server *server = wake->data;
    bool waiting = uv_is_active((uv_handle_t *)&server->clients.again);
    server->clients.woken = true;
    for (struct connection *connection = server->clients.connections; connection; connection = connection->next)
        if (connection->subscriptions.count && connection_takes_news(connection)) connection_want_news(connection);
    /* at once: events do not wait for the next iteration of the loop, unless it has a round anyway */
    if (!waiting) run_turns(&server->clients);
}

void server_wake(struct server *server) { uv_async_send(&server->wake); }

/* ---- stopping ----------------------------------------------------------------------------------------------------------- */

static void close_all(struct server *server) {
    while (server->clients.connections) connection_close(server->clients.connections);
    uv_handle_t *handles[] = {
        (uv_handle_t *)&server->listener,   (uv_handle_t *)&server->accept_pause,  (uv_handle_t *)&server->stop_limit,
        (uv_handle_t *)&server->wake,       (uv_handle_t *)&server->clients.again, (uv_handle_t *)&server->signals[0],
        (uv_handle_t *)&server->signals[1], (uv_handle_t *)&server->signals[2],    NULL};
    for (uv_handle_t **handle = handles; *handle; handle++)
        if (!uv_is_closing(*handle)) uv_close(*handle, NULL);
}

static void on_stop_limit(uv_timer_t *timer) {
    struct server *server = timer->data;
    for (struct connection *connection = server->clients.connections, *next; connection; connection = next) {
        next = connection->next;
        if (connection_is_idle(connection)) connection_close(connection);
    }
    bool late = uv_now(server->clients.loop) >= server->stop_until_ms;
    if (late && server->clients.connections)
        log_say(LOG_LEVEL_WARNING, "%u clients did not read all of their answers", server->clients.connection_count);
    if (late || !server->clients.connections) close_all(server);
}

void server_stop(struct server *server) {
    if (server->clients.stopping) {
        close_all(server);
        return;
    }
    server->clients.stopping = true;
    uv_poll_stop(&server->listener);
    uv_timer_stop(&server->accept_pause);
    if (server->on_stop) server->on_stop(server->on_stop_arg);
    on_wake(&server->wake); /* the last events */
    uv_update_time(server->clients.loop);
    server->stop_until_ms = uv_now(server->clients.loop) + LIMIT_STOP_FLUSH_MS;
    uv_timer_start(&server->stop_limit, on_stop_limit, 0, 5);
}

static void on_signal(uv_signal_t *signal, int number) {
    if (number == SIGHUP && log_has_file()) {
        int error = log_reopen();
        log_say(error ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, error ? "cannot reopen the log: %s" : "the log was reopened%s",
                error ? strerror(-error) : "");
        return;
    }
    log_say(LOG_LEVEL_INFO, "stopping (SIG%s)", sigabbrev_np(number));
    server_stop(signal->data);
}

/* ---- accepting ---------------------------------------------------------------------------------------------------------- */

static void on_connection(uv_poll_t *listener, int status, int events);

static void resume_accept(struct server *server) {
    if (server->clients.stopping || server->accepting) return;
    server->accepting = !uv_poll_start(&server->listener, UV_READABLE, on_connection);
    uv_timer_stop(&server->accept_pause);
}

static void on_accept_pause(uv_timer_t *timer) { resume_accept(timer->data); }

/* May a line that clients cause be written?  One of each topic a minute.  *ret_unsaid: how many were not since the last. */
static bool may_say(struct server *server, enum server_says topic, uint64_t *ret_unsaid) {
    uint64_t now_ms = uv_now(server->clients.loop);
    bool may = now_ms >= server->said[topic].until_ms;
    *ret_unsaid = server->said[topic].unsaid;
    server->said[topic].unsaid = may ? 0 : *ret_unsaid + 1;
    if (may) server->said[topic].until_ms = now_ms + LIMIT_CLIENT_LINES_MS;
    return may;
}

/* Out of descriptors or memory: connections wait in the backlog until a client disconnects or a short time has passed. */
static void pause_accept(struct server *server, int error) {
    if (uv_timer_start(&server->accept_pause, on_accept_pause, LIMIT_ACCEPT_PAUSE_MS, 0)) return;
    uv_poll_stop(&server->listener);
    server->accepting = false;
    if (server->accept_paused) return; /* counted once, until a connection is accepted again */
    server->accept_paused = true;
    server->clients.counters.limits.descriptors++;
    uint64_t unsaid;
    if (may_say(server, SERVER_SAYS_PAUSED, &unsaid))
        log_say(LOG_LEVEL_WARNING, "no new connections for now: %s%s", strerror(-error),
                unsaid ? ", not for the first time since the last such line: see stats" : "");
}

static void on_gone(void *server) { resume_accept(server); }

/* Sends error_new and closes the connection. */
static void refuse(struct server *server, int fd, struct trace_rpc_error *error_new) {
    struct trace_text line = {0};
    trace_rpc_write_error(&line, NULL, error_new);
    trace_text_puts(&line, "\n");
    /* A new socket has room for one line. */
    ssize_t sent = line.failed ? 0 : send(fd, line.data, line.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    trace_text_fini(&line);
    trace_rpc_error_fini(error_new);
    /* If a request has arrived that we did not read, close() resets the connection, and the client may not see why. */
    char unread[4096];
    sent = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
    close(fd);
    server->clients.counters.refused++;
}

/* Who was refused; a line a minute at most: where strangers reach the socket, they could fill the log. */
static void say_refused(struct server *server, const struct credentials *credentials) {
    uint64_t unsaid;
    if (!may_say(server, SERVER_SAYS_REFUSED, &unsaid)) return;
    log_say(LOG_LEVEL_WARNING, "a client of user %u (pid %d) was refused%s", (unsigned)credentials->uid, (int)credentials->pid,
            unsaid ? ", and others since the last such line: see stats" : "");
}

static void greet(struct server *server, int fd) {
    struct trace_rpc_error error = {0};
    struct credentials credentials = {.uid = (uid_t)-1};
    int look = credentials_look(&credentials, fd);
    bool guest = credentials_is_guest(&credentials, geteuid());
    if (look || !credentials_may_enter(&credentials, geteuid(), server->group)) {
        say_refused(server, &credentials);
        trace_rpc_fail(&error, TRACE_RPC_REFUSED, NULL, "this traced serves user %u%s", (unsigned)geteuid(),
                       server->group == CREDENTIALS_NO_GROUP ? "" : " and one group");
        refuse(server, fd, &error);
    } else if (server->clients.connection_count >= LIMIT_CLIENTS || (guest && server->clients.guest_count >= LIMIT_GUESTS)) {
        int limit = server->clients.connection_count >= LIMIT_CLIENTS ? LIMIT_CLIENTS : LIMIT_GUESTS;
        const char *whose = limit == LIMIT_GUESTS ? " of other users" : "";
        if (!server->clients.counters.limits.clients++)
            log_say(LOG_LEVEL_WARNING, "a client was refused: the limit of %d%s is reached", limit, whose);
        trace_rpc_fail(&error, TRACE_RPC_LIMIT, json_pack("{si}", "limit", limit), "there are %d clients%s", limit, whose);
        refuse(server, fd, &error);
    } else {
        server->clients.counters.accepted++;
        int failed = connection_create(&server->clients, fd, &credentials);
        uint64_t unsaid;
        if (failed && may_say(server, SERVER_SAYS_UNSERVED, &unsaid))
            log_say(LOG_LEVEL_ERROR, "cannot serve a client: %s; %" PRIu64 " others since the last such line", strerror(-failed),
                    unsaid);
    }
    if (!look) credentials_fini(&credentials);
}

static void on_connection(uv_poll_t *listener, int status, int events) {
    struct server *server = listener->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            server->accept_paused = false;
            greet(server, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accept(server, -errno);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* EAGAIN: no more connections wait */
        }
    }
}

static bool is_ignored(int number) {
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

int server_init(struct server *server, uv_loop_t *loop, struct service *service, int listen_fd, gid_t group) {
    static const int signals[3] = {SIGTERM, SIGINT, SIGHUP};
    *server = (struct server){.clients = {.service = service, .loop = loop, .run_turns = on_again, .on_gone = on_gone},
                              .listen_fd = listen_fd,
                              .group = group};
    turns_init(&server->clients.asks);
    turns_init(&server->clients.news);
    lanes_init(&server->clients.lanes, loop);
    /* These initialisations cannot fail.  Those that can come after them, so that close_all can always close every handle. */
    uv_timer_init(loop, &server->accept_pause);
    uv_timer_init(loop, &server->stop_limit);
    uv_idle_init(loop, &server->clients.again);
    uv_signal_init(loop, &server->signals[0]);
    uv_signal_init(loop, &server->signals[1]);
    uv_signal_init(loop, &server->signals[2]);
    int error = uv_poll_init(loop, &server->listener, listen_fd);
    if (error) return error;
    error = uv_async_init(loop, &server->wake, on_wake);
    if (error) return error;
    server->listener.data = server->accept_pause.data = server->stop_limit.data = server->clients.again.data = server->wake.data =
        server;
    for (int i = 0; i < 3; i++) {
        server->signals[i].data = server;
        if (signals[i] == SIGHUP && !log_has_file() && is_ignored(SIGHUP)) continue; /* nohup */
        error = uv_signal_start(&server->signals[i], on_signal, signals[i]);
        if (error) return error;
    }
    resume_accept(server);
    return server->accepting ? 0 : -EIO;
}

void server_set_on_stop(struct server *server, void (*on_stop)(void *arg), void *arg) {
    server->on_stop = on_stop;
    server->on_stop_arg = arg;
}

void server_fini(struct server *server) {
    trace_text_fini(&server->clients.scratch);
    lanes_fini(&server->clients.lanes);
}
