/* SPDX-License-Identifier: MIT
 *
 * One UDP socket for all connections: see quic.h.
 *
 * Every event (a datagram, a timer, a user's command) only marks connections dirty.  endpoint_tidy runs once per iteration of
 * the loop, just before it sleeps: it dials, writes packets, frees closed connections and sets the timer.  So no code has
 * to know what is on the stack. */
#include "quic_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DATAGRAMS_PER_WAKE 64 /* so that timers get their turn under load */

/* ---- addresses --------------------------------------------------------------------------------------------------------- */

socklen_t quic_address_bytes(const union quic_address *address) {
    return address->any.sa_family == AF_INET6 ? sizeof address->in6 : sizeof address->in;
}

int quic_address_parse(union quic_address *ret_address, const char *text) {
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found;
    char host[QUIC_ADDRESS_TEXT_BYTES];
    const char *colon = strrchr(text, ':');
    size_t count;

    if (!colon || (count = (size_t)(colon - text)) >= sizeof host) return -EINVAL;
    if (count >= 2 && text[0] == '[' && text[count - 1] == ']') text++, count -= 2;
    memcpy(host, text, count);
    host[count] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) return -EINVAL;
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(ret_address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

const char *quic_address_text(char out[QUIC_ADDRESS_TEXT_BYTES], const union quic_address *address) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
        snprintf(out, QUIC_ADDRESS_TEXT_BYTES, "[%s]:%u", host, ntohs(address->in6.sin6_port));
    } else {
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
        snprintf(out, QUIC_ADDRESS_TEXT_BYTES, "%s:%u", host, ntohs(address->in.sin_port));
    }
    return out;
}

const union quic_address *quic_endpoint_address(const struct quic_endpoint *endpoint) { return &endpoint->local; }

/* ---- connection ids ---------------------------------------------------------------------------------------------------- */

/* Most ids are random ones of ours; the peer chooses the first id of an accepted connection, of at least 8 bytes. */
static struct quic_cid **cid_bucket(struct quic_endpoint *endpoint, const uint8_t *bytes, size_t count) {
    unsigned hash = 0;
    for (size_t i = 0; i < count; i++) hash = hash * 31 + bytes[i];
    return &endpoint->cids[hash % CID_BUCKETS];
}

int endpoint_cid_add(struct quic_endpoint *endpoint, struct quic_conn *conn, const ngtcp2_cid *cid) {
    struct quic_cid **bucket = cid_bucket(endpoint, cid->data, cid->datalen);
    struct quic_cid *entry = malloc(sizeof *entry);
    if (!entry) return -ENOMEM;
    *entry = (struct quic_cid){.next = *bucket, .conn = conn, .cid = *cid};
    *bucket = entry;
    return 0;
}

static void cid_unlink(struct quic_cid **link) {
    struct quic_cid *entry = *link;
    *link = entry->next;
    free(entry);
}

void endpoint_cid_remove(struct quic_endpoint *endpoint, const ngtcp2_cid *cid) {
    struct quic_cid **link = cid_bucket(endpoint, cid->data, cid->datalen);
    while (*link && !ngtcp2_cid_eq(&(*link)->cid, cid)) link = &(*link)->next;
    if (*link) cid_unlink(link);
}

void endpoint_cid_remove_all(struct quic_endpoint *endpoint, const struct quic_conn *conn) {
    for (unsigned i = 0; i < CID_BUCKETS; i++)
        for (struct quic_cid **link = &endpoint->cids[i]; *link;) {
            if ((*link)->conn == conn)
                cid_unlink(link);
            else
                link = &(*link)->next;
        }
}

static struct quic_conn *cid_find(struct quic_endpoint *endpoint, const uint8_t *bytes, size_t count) {
    for (struct quic_cid *entry = *cid_bucket(endpoint, bytes, count); entry; entry = entry->next)
        if (entry->cid.datalen == count && memcmp(entry->cid.data, bytes, count) == 0) return entry->conn;
    return NULL;
}

/* ---- datagrams --------------------------------------------------------------------------------------------------------- */

void endpoint_send(struct quic_endpoint *endpoint, const union quic_address *to, const uint8_t *packet, size_t count) {
    unsigned every = endpoint->config.drop_every;
    const union quic_address *faulty = &endpoint->config.drop_to;
    bool may_drop = faulty->any.sa_family == 0 || memcmp(faulty, to, quic_address_bytes(faulty)) == 0;
    if (every != 0 && may_drop && ++endpoint->datagrams % every == 0) return;
    /* A datagram that the socket does not accept is lost: QUIC sends its contents again. */
    while (sendto(endpoint->socket_fd, packet, count, 0, &to->any, quic_address_bytes(to)) < 0 && errno == EINTR) {}
}

static void datagram_received(struct quic_endpoint *endpoint, const union quic_address *from, const uint8_t *packet,
                              size_t count) {
    ngtcp2_version_cid ids;
    ngtcp2_pkt_hd hd;
    struct quic_conn *conn;

    /* Other versions of QUIC are not negotiated: all nodes run the same program. */
    if (ngtcp2_pkt_decode_version_cid(&ids, packet, count, CID_BYTES) != 0) return;
    conn = cid_find(endpoint, ids.dcid, ids.dcidlen);
    if (!conn) {
        if (endpoint->closing || ngtcp2_accept(&hd, packet, count) != 0) return;
        if (conn_create(&conn, endpoint, from, &hd) != 0) return;
    }
    conn_read(conn, from, packet, count);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    struct quic_endpoint *endpoint = poll->data;
    (void)events;

    if (status < 0) return;
    for (int i = 0; i < DATAGRAMS_PER_WAKE; i++) {
        uint8_t packet[2048]; /* more than any packet that a peer may send us */
        union quic_address from;
        socklen_t from_bytes = sizeof from;
        ssize_t count;

        memset(&from, 0, sizeof from);
        count = recvfrom(endpoint->socket_fd, packet, sizeof packet, 0, &from.any, &from_bytes);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return;
        datagram_received(endpoint, &from, packet, (size_t)count);
    }
}

/* ---- connections ------------------------------------------------------------------------------------------------------- */

int quic_endpoint_keep(struct quic_endpoint *endpoint, const union quic_address *address) {
    if (endpoint->target_count == TARGETS_MAX) return -ENOSPC;
    endpoint->targets[endpoint->target_count++] = (struct quic_target){.address = *address};
    return 0;
}

static void dial(struct quic_endpoint *endpoint, uint64_t now) {
    for (unsigned i = 0; i < endpoint->target_count; i++) {
        struct quic_target *target = &endpoint->targets[i];
        if (target->conn || target->dial_ns > now) continue;
        target->dial_ns = now + REDIAL_MS * NS_PER_MS;
        if (conn_create(&target->conn, endpoint, &target->address, NULL) == 0) target->conn->target = target;
    }
}

/* An earlier connection in the list is with the same peer. */
static bool is_duplicate(const struct quic_endpoint *endpoint, const struct quic_conn *conn) {
    for (const struct quic_conn *other = endpoint->conns; other != conn; other = other->next)
        if (other->app_knows && memcmp(&other->peer_id, &conn->peer_id, sizeof conn->peer_id) == 0) return true;
    return false;
}

struct quic_conn *quic_endpoint_next_peer(struct quic_endpoint *endpoint, struct quic_conn *conn) {
    for (conn = !conn ? endpoint->conns : conn->next; conn; conn = conn->next)
        if (conn->app_knows && !is_duplicate(endpoint, conn)) return conn;
    return NULL;
}

/* ---- once per iteration of the loop ------------------------------------------------------------------------------------ */

static void free_gone(struct quic_endpoint *endpoint, uint64_t now) {
    for (struct quic_conn **link = &endpoint->conns; *link;) {
        struct quic_conn *conn = *link;
        if (conn->state < QUIC_CLOSING || conn->gone_ns > now) {
            link = &conn->next;
            continue;
        }
        *link = conn->next;
        endpoint->conn_count--;
        conn_destroy(conn);
    }
}

/* A timerfd, because ngtcp2's times are finer than the loop's milliseconds. */
static void set_timer(struct quic_endpoint *endpoint) {
    uint64_t at = UINT64_MAX;
    struct itimerspec when = {0};

    for (const struct quic_conn *conn = endpoint->conns; conn; conn = conn->next)
        if (conn_expiry(conn) < at) at = conn_expiry(conn);
    for (unsigned i = 0; i < endpoint->target_count; i++)
        if (!endpoint->targets[i].conn && endpoint->targets[i].dial_ns < at) at = endpoint->targets[i].dial_ns;
    if (at == 0) at = 1; /* 0 disarms a timerfd; a time in the past fires at once */
    if (at == UINT64_MAX) at = 0;
    if (at == endpoint->timer_ns && at != 1) return;
    endpoint->timer_ns = at;
    when.it_value.tv_sec = (time_t)(at / NS_PER_S);
    when.it_value.tv_nsec = (long)(at % NS_PER_S);
    timerfd_settime(endpoint->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void endpoint_tidy(uv_prepare_t *prepare) {
    struct quic_endpoint *endpoint = prepare->data;
    uint64_t now = monotonic_ns();

    dial(endpoint, now);
    for (struct quic_conn *conn = endpoint->conns; conn; conn = conn->next)
        if (conn->dirty) conn_write(conn);
    free_gone(endpoint, now);
    set_timer(endpoint);
}

static void on_timer(uv_poll_t *poll, int status, int events) {
    struct quic_endpoint *endpoint = poll->data;
    uint64_t now = monotonic_ns(), rings;
    (void)status, (void)events;

    if (read(endpoint->timer_fd, &rings, sizeof rings) < 0) return;
    endpoint->timer_ns = 0; /* it fired: it is disarmed until it is set again */
    for (struct quic_conn *conn = endpoint->conns; conn; conn = conn->next) conn_expire(conn, now);
}

/* ---- begin and end ----------------------------------------------------------------------------------------------------- */

static int open_socket(struct quic_endpoint *endpoint) {
    socklen_t bytes = sizeof endpoint->local;
    int fd = socket(endpoint->config.listen.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (bind(fd, &endpoint->config.listen.any, quic_address_bytes(&endpoint->config.listen)) != 0 ||
        getsockname(fd, &endpoint->local.any, &bytes) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    endpoint->socket_fd = fd;
    return 0;
}

int quic_endpoint_open(struct quic_endpoint **ret_endpoint, const struct quic_config *config) {
    struct quic_endpoint *endpoint = calloc(1, sizeof *endpoint);
    int rv;

    if (!endpoint) return -ENOMEM;
    endpoint->config = *config;
    gnutls_rnd(GNUTLS_RND_KEY, endpoint->secret, sizeof endpoint->secret);
    if ((rv = open_socket(endpoint)) != 0) goto fail;
    endpoint->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (endpoint->timer_fd < 0) {
        rv = -errno;
        goto fail_socket;
    }
    endpoint->socket_poll.data = endpoint->timer_poll.data = endpoint->prepare.data = endpoint;
    /* From here on only a lack of memory at the start can fail, and that ends the process. */
    if ((rv = uv_poll_init(config->loop, &endpoint->socket_poll, endpoint->socket_fd)) != 0) goto fail_timer;
    if (uv_poll_init(config->loop, &endpoint->timer_poll, endpoint->timer_fd) != 0) abort();
    uv_prepare_init(config->loop, &endpoint->prepare);
    endpoint->handles_open = 3;
    uv_poll_start(&endpoint->socket_poll, UV_READABLE, on_readable);
    uv_poll_start(&endpoint->timer_poll, UV_READABLE, on_timer);
    uv_prepare_start(&endpoint->prepare, endpoint_tidy);
    *ret_endpoint = endpoint;
    return 0;
fail_timer:
    close(endpoint->timer_fd);
fail_socket:
    close(endpoint->socket_fd);
fail:
    free(endpoint);
    return rv;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct quic_endpoint *endpoint = handle->data;
    if (--endpoint->handles_open != 0) return;
    close(endpoint->socket_fd);
    close(endpoint->timer_fd);
    free(endpoint);
}

void quic_endpoint_close(struct quic_endpoint *endpoint) {
    endpoint->closing = true;
    endpoint->target_count = 0;
    for (struct quic_conn *conn = endpoint->conns; conn; conn = conn->next) {
        conn_write(conn); /* send the finished answers first */
        conn_close(conn, 0, "node stops");
    }
    free_gone(endpoint, UINT64_MAX);
    uv_close((uv_handle_t *)&endpoint->socket_poll, on_handle_closed);
    uv_close((uv_handle_t *)&endpoint->timer_poll, on_handle_closed);
    uv_close((uv_handle_t *)&endpoint->prepare, on_handle_closed);
}
