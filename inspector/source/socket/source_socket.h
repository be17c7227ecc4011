/* SPDX-License-Identifier: MIT
 *
 * traced as a source: the calls of rpc_client.h behind source.h. */
#ifndef INSPECTOR_SOURCE_SOCKET_H
#define INSPECTOR_SOURCE_SOCKET_H

#include "source.h"

/* Connects to the traced that listens on path.  While none does, retries for wait_ms; 0: tries once.  Returns 0, or -1 with the
 * failure. */
int source_socket_open(struct source **ret_source, const char *path, uint64_t wait_ms, uint64_t call_timeout_ms,
                       struct failure *failure);

#endif
