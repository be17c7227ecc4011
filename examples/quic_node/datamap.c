/* SPDX-License-Identifier: MIT
 *
 * The DataMap application: see datamap.h.
 *
 * The life of a request at one node:
 *
 *      request_begin   from the user, or from a peer's stream: a span starts
 *      request_step    answer it here, or forward it to a peer that was not asked yet; again when that peer could not help
 *      request_finish  a span ends; the answer goes to the user, or back on the stream it came from
 *
 * A stream's user pointer is a struct exchange: the bytes received so far, and the request it belongs to.  A request may end
 * before its stream does; then the exchange has no request, and later bytes are discarded. */
#include "datamap.h"

#include "limits.h"
#include "util.h"
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#define APP_ID "DMAP"
#define SWEEP_MS 500

/* What this program's custom events mean. */
#ifdef TRACE
enum { CUSTOM_CHUNKS = 1, CUSTOM_PEERS = 2 };
enum { CUSTOM_ADDED = 1, CUSTOM_REMOVED = 2 };
#endif

struct exchange {
    struct quic_stream *stream;
    struct request *request; /* NULL: not begun yet (inbound), or ended */
    bool outbound;
    uint8_t *bytes;
    size_t count, capacity;
};

struct request {
    struct request *next;
    struct dmap_request what; /* bytes: our own copy */
    struct exchange *from;    /* where the answer goes; NULL: to the user, or to nobody because its stream is gone */
    struct exchange *to;      /* the peer being asked */
    datamap_done done;
    void *arg;
    uint64_t deadline_ns;
    uint64_t due_ns; /* when to handle it; 0: handled */
    bool has_caller;
    struct trace_node_id caller; /* the peer it came from */
    struct trace_node_id asked[CONNS_MAX];
    unsigned asked_count;
    TRACE_ONLY(struct trace_context context; const struct datamap *datamap;)
};

struct datamap {
    struct quic_endpoint *endpoint;
    struct chunks chunks;
    struct request *requests;
    unsigned request_count;
    uint64_t seen[SEEN_MAX]; /* request ids; the newest overwrites the oldest */
    uint64_t seen_count;
    unsigned peer_count;
    uv_timer_t sweep;
    uv_timer_t think; /* fires when the next request is due */
    unsigned think_ms;
    bool stopped;
    void (*changed)(void *arg);
    void *changed_arg;
    TRACE_ONLY(struct trace_log *log;)
};

static void request_step(struct datamap *datamap, struct request *request);

/* ---- tracing ----------------------------------------------------------------------------------------------------------- */

#ifdef TRACE_APP
/* The data bytes of DMAP's app_command events. */
struct command_data {
    uint8_t hash[HASH_BYTES];
    uint32_t size; /* of the chunk, where this node knows it */
};

static size_t to_trace_data(uint8_t out[TRACE_APP_DATA_BYTES], uint16_t cmd, const void *message) {
    const struct request *request = message;
    const struct chunk *chunk = chunks_find(&request->datamap->chunks, request->what.hash);
    struct command_data data = {.size = (uint32_t)(chunk ? chunk->count : request->what.count)};

    (void)cmd; /* all commands look alike */
    memcpy(data.hash, request->what.hash, HASH_BYTES);
    memcpy(out, &data, sizeof data);
    return sizeof data;
}

/* Its messages are struct request. */
static const struct trace_app_protocol protocol = {
    .description =
        {
            .app_id = {'D', 'M', 'A', 'P'},
            .name = "DataMap",
            .commands = {{DMAP_STORE_CHUNK, "STORE_CHUNK"}, {DMAP_GET_CHUNK, "GET_CHUNK"}, {DMAP_DELETE_CHUNK, "DELETE_CHUNK"}},
            .fields = {TRACE_APP_FIELD(TRACE_APP_HASH, struct command_data, hash),
                       TRACE_APP_FIELD(TRACE_APP_UNSIGNED, struct command_data, size)},
        },
    .to_trace_data = to_trace_data,
};

static void register_app(struct trace_log *log) {
    int rv = trace_log_register_app(log, &protocol.description);
    if (rv != 0) fprintf(stderr, "the application is not named in the trace: %s\n", strerror(-rv));
}
#endif

#ifdef TRACE
static void trace_chunks(struct datamap *datamap, const struct request *request, unsigned code) {
    struct {
        uint64_t bytes;
        uint32_t chunks;
    } now = {datamap->chunks.byte_count, datamap->chunks.chunk_count};
    TRACE_CUSTOM(datamap->log, &request->context, NULL, CUSTOM_CHUNKS, code, &now, 12);
}

static void trace_peers(struct datamap *datamap, const struct quic_conn *conn, unsigned code) {
    uint32_t count = datamap->peer_count;
    TRACE_CUSTOM(datamap->log, quic_conn_context(conn), quic_conn_peer(conn), CUSTOM_PEERS, code, &count, sizeof count);
}
#endif

/* ---- requests ---------------------------------------------------------------------------------------------------------- */

static bool seen_before(struct datamap *datamap, uint64_t id) {
    uint64_t kept = datamap->seen_count < SEEN_MAX ? datamap->seen_count : SEEN_MAX;
    for (uint64_t i = 0; i < kept; i++)
        if (datamap->seen[i] == id) return true;
    datamap->seen[datamap->seen_count++ % SEEN_MAX] = id;
    return false;
}

static void reply(struct quic_stream *stream, const struct dmap_reply *answer) {
    uint8_t *message = malloc(DMAP_REPLY_BYTES + answer->count);
    if (!message) {
        quic_stream_reset(stream, DMAP_REFUSED);
        return;
    }
    dmap_reply_encode(message, answer);
    if (quic_stream_send(stream, message, DMAP_REPLY_BYTES + answer->count) != 0) quic_stream_reset(stream, DMAP_REFUSED);
    free(message);
}

static void request_free(struct request *request) {
    free((uint8_t *)(uintptr_t)request->what.bytes);
    free(request);
}

/* The end of a request at this node: the answer's way back. */
static void request_finish(struct datamap *datamap, struct request *request, const struct dmap_reply *answer) {
    struct request **link = &datamap->requests;

    while (*link != request) link = &(*link)->next;
    *link = request->next;
    datamap->request_count--;
    if (request->to) {
        request->to->request = NULL;
        quic_stream_reset(request->to->stream, DMAP_REFUSED);
    }
    TRACE_APP_END(datamap->log, &request->context, request->has_caller ? &request->caller : NULL, APP_ID, request->what.command,
                  answer->status == DMAP_OK);
    if (request->from) {
        request->from->request = NULL;
        reply(request->from->stream, answer);
    }
    if (request->done) {
        struct datamap_result result = {.command = request->what.command,
                                        .status = answer->status,
                                        .count = answer->count,
                                        .hops = answer->hops,
                                        TRACE_ONLY(.trace_id = request->context.trace_id, )};
        memcpy(result.hash, request->what.hash, HASH_BYTES);
        request->done(request->arg, &result);
    }
    request_free(request);
}

static void request_fail(struct datamap *datamap, struct request *request, enum dmap_status status) {
    request_finish(datamap, request, &(struct dmap_reply){.status = (uint8_t)status});
}

static bool may_ask(const struct request *request, const struct trace_node_id *peer) {
    if (request->has_caller && memcmp(&request->caller, peer, sizeof *peer) == 0) return false;
    for (unsigned i = 0; i < request->asked_count; i++)
        if (memcmp(&request->asked[i], peer, sizeof *peer) == 0) return false;
    return request->asked_count < CONNS_MAX;
}

/* Forwards the request to one peer.  Returns false if that failed. */
static bool forward_to(struct request *request, struct quic_conn *conn) {
    struct dmap_request onward = request->what;
    struct exchange *exchange = calloc(1, sizeof *exchange);
    uint8_t *message = malloc(DMAP_REQUEST_BYTES + onward.count);
    bool sent = false;

    if (!exchange || !message) goto out;
    exchange->stream = quic_stream_open(conn, exchange TRACE_ONLY(, &request->context));
    if (!exchange->stream) goto out;
    exchange->outbound = true;
    onward.ttl--;
    dmap_request_encode(message, &onward);
    if (quic_stream_send(exchange->stream, message, DMAP_REQUEST_BYTES + onward.count) != 0) {
        quic_stream_reset(exchange->stream, DMAP_REFUSED);
    } else {
        exchange->request = request;
        request->to = exchange;
        sent = true;
    }
    exchange = NULL; /* the stream owns it now, and frees it when it closes */
out:
    free(exchange);
    free(message);
    return sent;
}

/* Forwards it to the next peer that may be asked.  Returns false if there is none. */
static bool forward(struct datamap *datamap, struct request *request) {
    struct quic_conn *conn = NULL;

    if (request->what.ttl == 0 || datamap->stopped) return false;
    while ((conn = quic_endpoint_next_peer(datamap->endpoint, conn)) != NULL) {
        const struct trace_node_id *peer = quic_conn_peer(conn);
        if (!may_ask(request, peer)) continue;
        request->asked[request->asked_count++] = *peer;
        if (forward_to(request, conn)) return true;
    }
    return false;
}

static void store_here(struct datamap *datamap, struct request *request) {
    int rv = chunks_put(&datamap->chunks, request->what.hash, request->what.bytes, request->what.count);
    TRACE_ONLY(if (rv == 1) trace_chunks(datamap, request, CUSTOM_ADDED);)
    request_fail(datamap, request, rv < 0 ? DMAP_REFUSED : DMAP_OK);
}

/* Answers a request here, or forwards it.  Afterwards it has ended, or a peer is being asked. */
static void request_step(struct datamap *datamap, struct request *request) {
    const struct chunk *chunk;

    switch (request->what.command) {
    case DMAP_STORE_CHUNK:
        if (!forward(datamap, request)) store_here(datamap, request);
        return;
    case DMAP_GET_CHUNK:
        if ((chunk = chunks_find(&datamap->chunks, request->what.hash)) != NULL)
            request_finish(datamap, request,
                           &(struct dmap_reply){.status = DMAP_OK, .bytes = chunk->bytes, .count = chunk->count});
        else if (!forward(datamap, request))
            request_fail(datamap, request, DMAP_NOT_FOUND);
        return;
    case DMAP_DELETE_CHUNK:
        if (chunks_remove(&datamap->chunks, request->what.hash) == 0) {
            TRACE_ONLY(trace_chunks(datamap, request, CUSTOM_REMOVED);)
            request_fail(datamap, request, DMAP_OK);
        } else if (!forward(datamap, request)) {
            request_fail(datamap, request, DMAP_NOT_FOUND);
        }
        return;
    }
}

/* Creates a request, with its own copy of the chunk.  NULL if there is no room. */
static struct request *request_create(struct datamap *datamap, const struct dmap_request *what) {
    struct request *request;

    if (datamap->stopped || datamap->request_count == REQUESTS_MAX) return NULL;
    if ((request = calloc(1, sizeof *request)) == NULL) return NULL;
    request->what = *what;
    request->what.bytes = NULL;
    if (what->count != 0) {
        uint8_t *copy = malloc(what->count);
        if (!copy) {
            free(request);
            return NULL;
        }
        memcpy(copy, what->bytes, what->count);
        request->what.bytes = copy;
    }
    request->deadline_ns = monotonic_ns() + REQUEST_TIMEOUT_MS * NS_PER_MS;
    TRACE_ONLY(request->datamap = datamap;)
    request->next = datamap->requests;
    datamap->requests = request;
    datamap->request_count++;
    return request;
}

void datamap_request(struct datamap *datamap, const struct dmap_request *what, datamap_done done, void *arg) {
    struct request *request = request_create(datamap, what);

    if (!request) {
        struct datamap_result result = {.command = what->command, .status = DMAP_REFUSED};
        memcpy(result.hash, what->hash, HASH_BYTES);
        done(arg, &result);
        return;
    }
    gnutls_rnd(GNUTLS_RND_NONCE, &request->what.id, sizeof request->what.id);
    seen_before(datamap, request->what.id);
    request->done = done;
    request->arg = arg;
    TRACE_ONLY(request->context = trace_context_new(TRACE_FLAG_SAMPLED | TRACE_FLAG_APP_INITIATED);)
    TRACE_APP_START(datamap->log, &request->context, NULL, 0, APP_ID, what->command);
    TRACE_APP_MESSAGE(datamap->log, &request->context, NULL, &protocol, what->command, request);
    request_step(datamap, request);
}

/* ---- streams ----------------------------------------------------------------------------------------------------------- */

/* Handles the requests that are due, and sets the timer for the others.  All wait equally long, so the newest is in front. */
static void on_due(uv_timer_t *timer) {
    struct datamap *datamap = timer->data;
    uint64_t now = monotonic_ns(), next_ns = 0;
    for (struct request *request = datamap->requests; request;) {
        bool is_due = request->due_ns != 0 && request->due_ns <= now;
        if (request->due_ns > now) next_ns = request->due_ns;
        if (!is_due) {
            request = request->next;
            continue;
        }
        request->due_ns = 0;
        request_step(datamap, request);
        request = datamap->requests; /* it may have ended, and others with it */
    }
    if (next_ns != 0) uv_timer_start(&datamap->think, on_due, (next_ns - now) / NS_PER_MS + 1, 0);
}

/* --think: handle it later. */
static void request_postpone(struct datamap *datamap, struct request *request) {
    request->due_ns = monotonic_ns() + datamap->think_ms * NS_PER_MS;
    if (!uv_is_active((uv_handle_t *)&datamap->think)) uv_timer_start(&datamap->think, on_due, datamap->think_ms, 0);
}

/* A peer's request has arrived completely. */
static void request_received(struct datamap *datamap, struct exchange *exchange) {
    struct dmap_request what;
    struct request *request;

    if (dmap_request_decode(&what, exchange->bytes, exchange->count) != 0 || (request = request_create(datamap, &what)) == NULL) {
        reply(exchange->stream, &(struct dmap_reply){.status = DMAP_REFUSED});
        return;
    }
    exchange->request = request;
    request->from = exchange;
    request->has_caller = true;
    request->caller = *quic_conn_peer(quic_stream_conn(exchange->stream));
    TRACE_ONLY(const struct trace_context *caller = quic_stream_context(exchange->stream);)
    TRACE_ONLY(request->context = trace_context_child(caller);)
    TRACE_APP_START(datamap->log, &request->context, &request->caller, caller->span_id, APP_ID, what.command);
    TRACE_APP_MESSAGE(datamap->log, &request->context, &request->caller, &protocol, what.command, request);
    if (seen_before(datamap, what.id))
        request_fail(datamap, request, DMAP_LOOP);
    else if (datamap->think_ms != 0)
        request_postpone(datamap, request);
    else
        request_step(datamap, request);
}

/* The peer that was asked has answered or, if answer is NULL, will not. */
static void answer_received(struct datamap *datamap, struct request *request, const struct dmap_reply *answer) {
    request->to->request = NULL;
    request->to = NULL;
    if (!answer || answer->status != DMAP_OK) {
        request_step(datamap, request);
        return;
    }
    if (request->what.command == DMAP_GET_CHUNK) { /* the hash identifies a chunk, no matter who sends it */
        uint8_t hash[HASH_BYTES];
        identity_hash(hash, answer->bytes, answer->count);
        if (memcmp(hash, request->what.hash, HASH_BYTES) != 0) {
            request_step(datamap, request);
            return;
        }
    }
    struct dmap_reply back = *answer;
    if (back.hops < HOPS_MAX) back.hops++;
    request_finish(datamap, request, &back);
}

static int exchange_append(struct exchange *exchange, const uint8_t *bytes, size_t count) {
    if (count > DMAP_REQUEST_BYTES + CHUNK_BYTES_MAX - exchange->count) return -EMSGSIZE;
    if (exchange->count + count > exchange->capacity) {
        size_t capacity = 2 * (exchange->count + count);
        uint8_t *grown = realloc(exchange->bytes, capacity);
        if (!grown) return -ENOMEM;
        exchange->bytes = grown;
        exchange->capacity = capacity;
    }
    if (count != 0) memcpy(exchange->bytes + exchange->count, bytes, count);
    exchange->count += count;
    return 0;
}

static void on_stream_data(void *arg, struct quic_stream *stream, const uint8_t *bytes, size_t count, bool fin) {
    struct datamap *datamap = arg;
    struct exchange *exchange = quic_stream_data(stream);
    struct dmap_reply answer;

    if (!exchange) { /* the peer opened it */
        if ((exchange = calloc(1, sizeof *exchange)) == NULL) {
            quic_stream_reset(stream, DMAP_REFUSED);
            return;
        }
        exchange->stream = stream;
        quic_stream_set_data(stream, exchange);
    }
    if (exchange_append(exchange, bytes, count) != 0) {
        quic_stream_reset(stream, DMAP_REFUSED);
        return;
    }
    if (!fin) return;
    if (!exchange->outbound)
        request_received(datamap, exchange);
    else if (exchange->request)
        answer_received(datamap, exchange->request,
                        dmap_reply_decode(&answer, exchange->bytes, exchange->count) == 0 ? &answer : NULL);
}

static void on_stream_closed(void *arg, struct quic_stream *stream) {
    struct datamap *datamap = arg;
    struct exchange *exchange = quic_stream_data(stream);

    if (!exchange) return;
    quic_stream_set_data(stream, NULL);
    if (exchange->request && exchange->outbound)
        answer_received(datamap, exchange->request, NULL);
    else if (exchange->request)
        exchange->request->from = NULL; /* nobody waits for the answer any longer; the span still gets its end */
    free(exchange->bytes);
    free(exchange);
}

static void on_peers(struct datamap *datamap) {
    datamap->peer_count = 0;
    for (struct quic_conn *conn = NULL; (conn = quic_endpoint_next_peer(datamap->endpoint, conn)) != NULL;) datamap->peer_count++;
    if (datamap->changed) datamap->changed(datamap->changed_arg);
}

static void on_peer_joined(void *arg, struct quic_conn *conn) {
    (void)conn;
    on_peers(arg);
    TRACE_ONLY(trace_peers(arg, conn, CUSTOM_ADDED);)
}

static void on_peer_left(void *arg, struct quic_conn *conn) {
    (void)conn;
    on_peers(arg);
    TRACE_ONLY(trace_peers(arg, conn, CUSTOM_REMOVED);)
}

struct quic_app datamap_app(struct datamap *datamap) {
    return (struct quic_app){.peer_joined = on_peer_joined,
                             .peer_left = on_peer_left,
                             .stream_data = on_stream_data,
                             .stream_closed = on_stream_closed,
                             .arg = datamap};
}

/* ---- begin and end ----------------------------------------------------------------------------------------------------- */

static void on_sweep(uv_timer_t *timer) {
    struct datamap *datamap = timer->data;
    uint64_t now = monotonic_ns();
    /* A request that ends may end others: start again from the beginning. */
    for (struct request *request = datamap->requests; request;) {
        struct request *next = request->next;
        if (request->deadline_ns <= now) {
            request_fail(datamap, request, DMAP_NOT_FOUND);
            next = datamap->requests;
        }
        request = next;
    }
}

int datamap_create(struct datamap **ret_datamap, uv_loop_t *loop, unsigned think_ms TRACE_ONLY(, struct trace_log *log)) {
    struct datamap *datamap = calloc(1, sizeof *datamap);
    if (!datamap) return -ENOMEM;
    TRACE_ONLY(datamap->log = log;)
    TRACE_APP_ONLY(register_app(log);)
    uv_timer_init(loop, &datamap->sweep);
    datamap->sweep.data = datamap;
    uv_timer_start(&datamap->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_timer_init(loop, &datamap->think);
    datamap->think.data = datamap;
    datamap->think_ms = think_ms;
    *ret_datamap = datamap;
    return 0;
}

void datamap_attach(struct datamap *datamap, struct quic_endpoint *endpoint) { datamap->endpoint = endpoint; }

void datamap_on_peers(struct datamap *datamap, void (*changed)(void *arg), void *arg) {
    datamap->changed = changed;
    datamap->changed_arg = arg;
}

void datamap_stop(struct datamap *datamap) {
    datamap->stopped = true;
    datamap->changed = NULL;
    while (datamap->requests) request_fail(datamap, datamap->requests, DMAP_REFUSED);
    uv_close((uv_handle_t *)&datamap->sweep, NULL);
    uv_close((uv_handle_t *)&datamap->think, NULL);
}

void datamap_destroy(struct datamap *datamap) {
    chunks_fini(&datamap->chunks);
    free(datamap);
}
