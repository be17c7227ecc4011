/* SPDX-License-Identifier: MIT
 *
 * What ngtcp2 says about packets.  It has no callback for a packet sent, received or lost, but it writes all three to its qlog, a
 * whole JSON record at a time.  A record is read here once, from its end, where its fixed part is; the frames before it are only
 * searched for the first STREAM frame.
 *
 * The same records, unchanged, make the qlog file: a witness for what the trace says. */
#ifndef QUIC_NODE_QLOG_TAP_H
#define QUIC_NODE_QLOG_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum qlog_what { QLOG_PACKET_SENT, QLOG_PACKET_RECEIVED, QLOG_PACKET_LOST };

struct qlog_packet {
    enum qlog_what what;
    unsigned space; /* enum trace_space */
    uint64_t number;
    uint32_t bytes;    /* 0 for a lost packet: the record does not say */
    int64_t stream_id; /* of its first STREAM frame; -1 when it carries none, and for a lost packet */
};

/* Reads a record.  Returns false when it is not about a packet with a number. */
bool qlog_packet_parse(struct qlog_packet *ret_packet, const char *record, size_t count);

/* Makes DIR/NAME-NUMBER.sqlog.  NULL with errno when it cannot be made. */
FILE *qlog_file_open(const char *dir, const char *name, unsigned number);

#endif
