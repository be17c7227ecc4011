/* SPDX-License-Identifier: MIT
 *
 * The encrypt and decrypt callbacks, and whose packets this thread works on. */
#ifndef TRACE_ADAPTERS_NGTCP2_CRYPTO_H
#define TRACE_ADAPTERS_NGTCP2_CRYPTO_H

#include <ngtcp2/ngtcp2.h>

struct trace_ngtcp2;

/* Replaces encrypt and decrypt by ours.  Returns 0; -EBUSY when another connection of the process has other functions. */
int trace_ngtcp2__take_crypto(ngtcp2_callbacks *callbacks);

/* The connection's tracing is about to be freed, perhaps within its own scope. */
void trace_ngtcp2__forget(const struct trace_ngtcp2 *trace);

#endif
