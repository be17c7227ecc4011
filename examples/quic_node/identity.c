/* SPDX-License-Identifier: MIT
 *
 * Certificates and TLS sessions with GnuTLS: see identity.h. */
#include "identity.h"

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>
#include <p2ptrace/trace.h>
#include <stdlib.h>
#include <string.h>

/* A node with tracing puts a trace context before each request, a node without does not.  They must not misread each
 * other, so they use different protocol names. */
static const char alpn[] = "dmap/1" TRACE_ONLY("+trace");

/* %DISABLE_TLS13_COMPAT_MODE: QUIC has no middleboxes to please, and forbids the extra messages (RFC 9001, 8.4). */
static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
                                 "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:%DISABLE_TLS13_COMPAT_MODE";

void identity_hash(uint8_t out[32], const void *bytes, size_t count) {
    /* Fails only if the library is missing. */
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, count, out) != 0) abort();
}

static int certificate_fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name) {
    uint8_t serial[16];
    time_t now = time(NULL);
    int rv;

    gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] &= 0x7f; /* serial numbers are positive */
    if ((rv = gnutls_x509_crt_set_version(certificate, 3)) < 0) return rv;
    if ((rv = gnutls_x509_crt_set_serial(certificate, serial, sizeof serial)) < 0) return rv;
    if ((rv = gnutls_x509_crt_set_activation_time(certificate, now - 3600)) < 0) return rv;
    if ((rv = gnutls_x509_crt_set_expiration_time(certificate, now + 365 * 86400)) < 0) return rv;
    if ((rv = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name))) < 0)
        return rv;
    if ((rv = gnutls_x509_crt_set_key(certificate, key)) < 0) return rv;
    return gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
}

int identity_init(struct identity *identity, const char *name) {
    struct identity made = {0};
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t certificate = NULL;
    gnutls_datum_t der = {0};
    int rv;

    if ((rv = gnutls_x509_privkey_init(&key)) < 0) return rv;
    if ((rv = gnutls_x509_crt_init(&certificate)) < 0) goto out;
    rv = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (rv < 0) goto out;
    if ((rv = certificate_fill(certificate, key, name)) < 0) goto out;
    if ((rv = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der)) < 0) goto out;
    if ((rv = gnutls_certificate_allocate_credentials(&made.credentials)) < 0) goto out;
    if ((rv = gnutls_certificate_set_x509_key(made.credentials, &certificate, 1, key)) < 0) {
        gnutls_certificate_free_credentials(made.credentials);
        goto out;
    }
    identity_hash(made.id.bytes, der.data, der.size);
    *identity = made;
    rv = 0;
out:
    gnutls_free(der.data);
    if (certificate) gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return rv;
}

void identity_fini(struct identity *identity) {
    gnutls_certificate_free_credentials(identity->credentials);
    identity->credentials = NULL;
}

int identity_of_peer(gnutls_session_t session, struct trace_node_id *ret_id) {
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (!chain || count == 0) return GNUTLS_E_NO_CERTIFICATE_FOUND;
    identity_hash(ret_id->bytes, chain[0].data, chain[0].size);
    return 0;
}

/* Any certificate will do, but there must be one: it is the peer's name. */
static int verify(gnutls_session_t session) {
    struct trace_node_id id;
    return identity_of_peer(session, &id) == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

int identity_session(const struct identity *identity, bool dialled, gnutls_session_t *ret_session) {
    const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)alpn, sizeof alpn - 1};
    gnutls_session_t session;
    int rv;

    rv = gnutls_init(&session, (dialled ? GNUTLS_CLIENT : GNUTLS_SERVER) | GNUTLS_NO_AUTO_SEND_TICKET);
    if (rv < 0) return rv;
    if ((rv = gnutls_priority_set_direct(session, priorities, NULL)) < 0) goto fail;
    rv =
        dialled ? ngtcp2_crypto_gnutls_configure_client_session(session) : ngtcp2_crypto_gnutls_configure_server_session(session);
    if (rv != 0) {
        rv = GNUTLS_E_INTERNAL_ERROR;
        goto fail;
    }
    if ((rv = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, identity->credentials)) < 0) goto fail;
    if ((rv = gnutls_alpn_set_protocols(session, &protocol, 1, GNUTLS_ALPN_MANDATORY)) < 0) goto fail;
    if (!dialled) gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_function(session, verify);
    *ret_session = session;
    return 0;
fail:
    gnutls_deinit(session);
    return rv;
}
