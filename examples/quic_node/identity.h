/* SPDX-License-Identifier: MIT
 *
 * Who a node is: a self-signed certificate, made in memory at start.  There is no authority: the node's id is the SHA-256 of the
 * certificate, and TLS proves that the presenter of the certificate has its key. */
#ifndef QUIC_NODE_IDENTITY_H
#define QUIC_NODE_IDENTITY_H

#include <gnutls/gnutls.h>
#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stdint.h>

struct identity {
    struct trace_node_id id;
    gnutls_certificate_credentials_t credentials;
};

/* Makes a key and a certificate for them.  Returns 0 or a negative GnuTLS code; then *identity is untouched. */
int identity_init(struct identity *identity, const char *name);
void identity_fini(struct identity *identity);

/* Makes one end of a TLS 1.3 session for QUIC that asks for the other end's certificate and accepts any.
 * Returns 0 or a negative GnuTLS code. */
int identity_session(const struct identity *identity, bool dialled, gnutls_session_t *ret_session);

/* The id of the other end, once the handshake is complete.  Returns 0, or a negative GnuTLS code when it showed none. */
int identity_of_peer(gnutls_session_t session, struct trace_node_id *ret_id);

/* SHA-256. */
void identity_hash(uint8_t out[32], const void *bytes, size_t count);

#endif
