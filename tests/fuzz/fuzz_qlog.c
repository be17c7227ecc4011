/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: ngtcp2's qlog records, as its adapter reads them (libtrace/adapters/ngtcp2_qlog.c).  The first byte chooses
 * whether to read only lost packets. */
#include "fuzz.h"

#include <ngtcp2_packet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct trace_ngtcp2_packet packet;
    if (!bytes) return 0;
    /* A copy that ends where the record ends: the sanitizer sees the first byte beyond. */
    char *record = malloc(bytes);
    REQUIRE(record != NULL);
    memcpy(record, data + 1, bytes - 1);
    if (trace_ngtcp2__qlog_packet(&packet, record, bytes - 1, data[0] & 1)) {
        REQUIRE(!(data[0] & 1) || packet.what == TRACE_NGTCP2_LOST);
        REQUIRE(packet.space == TRACE_SPACE_INITIAL || packet.space == TRACE_SPACE_HANDSHAKE || packet.space == TRACE_SPACE_1RTT);
    }
    free(record);
    return 0;
}
