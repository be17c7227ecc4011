/* SPDX-License-Identifier: MIT
 *
 * Reading ngtcp2's qlog records: see ngtcp2_packet.h.  A record is read from its end, where its fixed part is; the frames
 * before it are only searched for the first STREAM frame.  Only an Initial packet after a Retry, or of a client that has been
 * here before, has a token in its header, of any length.
 *
 * The format is that of ngtcp2 0.12; other records are ignored (without the 1E and LF around them):
 *
 *   {"time":22,"name":"transport:packet_sent","data":{"frames":[{"frame_type":"stream","stream_id":0,...}],
 *    "header":{"packet_type":"1RTT","packet_number":2},"raw":{"length":31}}}
 *   {"time":9,"name":"transport:packet_sent","data":{"frames":[...],
 *    "header":{"packet_type":"initial","packet_number":1,"token":{"data":"b6eb"}},"raw":{"length":1200}}}
 *   {"time":23,"name":"recovery:packet_lost","data":{"header":{"packet_type":"1RTT","packet_number":31}}} */
#include "ngtcp2_packet.h"

#include <string.h>

#define NAME_WITHIN 64    /* "name" is among the first bytes of a record ... */
#define HEADER_WITHIN 160 /* ... and "header" and "raw" among the last, if there is no token */

/* A cursor over a record.  A step that does not fit, or beyond the end, makes it NULL, and it stays NULL. */
struct cursor {
    const char *at, *end;
};

static void skip_text(struct cursor *cursor, const char *text) {
    size_t count = strlen(text);
    if (!cursor->at) return;
    if ((size_t)(cursor->end - cursor->at) < count || memcmp(cursor->at, text, count) != 0)
        cursor->at = NULL;
    else
        cursor->at += count;
}

static bool skip_text_if(struct cursor *cursor, const char *text) {
    struct cursor trial = *cursor;
    skip_text(&trial, text);
    if (!trial.at) return false;
    *cursor = trial;
    return true;
}

/* Moves to the end of the first `text`. */
static void seek_text(struct cursor *cursor, const char *text) {
    if (!cursor->at) return;
    const char *found = memmem(cursor->at, (size_t)(cursor->end - cursor->at), text, strlen(text));
    cursor->at = found ? found + strlen(text) : NULL;
}

static uint64_t read_number(struct cursor *cursor) {
    uint64_t value = 0;
    const char *begin = cursor->at;
    if (!begin) return 0;
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
        value = value * 10 + (uint64_t)(*cursor->at++ - '0');
    if (cursor->at == begin) cursor->at = NULL;
    return value;
}

/* Moves past the beginning of the header. */
static void seek_header(struct cursor *cursor, const char *record) {
    static const char begin[] = "\"header\":{\"packet_type\":\"";
    const char *end = cursor->end;

    *cursor = (struct cursor){end - record < HEADER_WITHIN ? record : end - HEADER_WITHIN, end};
    seek_text(cursor, begin);
    if (cursor->at) return;
    *cursor = (struct cursor){record, end};
    seek_text(cursor, begin);
}

static void skip_token_if(struct cursor *cursor) {
    if (cursor->at && skip_text_if(cursor, ",\"token\":{\"data\":\"")) seek_text(cursor, "\"}");
}

static bool packet_space(struct cursor *cursor, unsigned *ret_space, bool *ret_early) {
    if (skip_text_if(cursor, "initial"))
        *ret_space = TRACE_SPACE_INITIAL;
    else if (skip_text_if(cursor, "handshake"))
        *ret_space = TRACE_SPACE_HANDSHAKE;
    else if (skip_text_if(cursor, "1RTT") || (*ret_early = skip_text_if(cursor, "0RTT")))
        *ret_space = TRACE_SPACE_1RTT;
    else
        return false; /* retry, version negotiation, stateless reset: no number */
    return true;
}

/* What a record is about, by its name; false if it is not about a packet. */
static bool packet_what(const char *record, size_t count, enum trace_ngtcp2_what *ret_what) {
    struct cursor head = {record, record + (count < NAME_WITHIN ? count : NAME_WITHIN)};

    seek_text(&head, "\"name\":\"");
    if (!head.at) return false;
    if (skip_text_if(&head, "transport:packet_sent\""))
        *ret_what = TRACE_NGTCP2_SENT;
    else if (skip_text_if(&head, "transport:packet_received\""))
        *ret_what = TRACE_NGTCP2_RECEIVED;
    else if (skip_text_if(&head, "recovery:packet_lost\""))
        *ret_what = TRACE_NGTCP2_LOST;
    else
        return false;
    return true;
}

bool trace_ngtcp2__qlog_packet(struct trace_ngtcp2_packet *ret_packet, const char *record, size_t count, bool only_lost) {
    struct trace_ngtcp2_packet packet = {.stream_id = -1};
    struct cursor tail = {record, record + count};

    if (!packet_what(record, count, &packet.what) || (only_lost && packet.what != TRACE_NGTCP2_LOST)) return false;
    seek_header(&tail, record);
    if (!tail.at || !packet_space(&tail, &packet.space, &packet.early)) return false;
    skip_text(&tail, "\",\"packet_number\":");
    packet.number = read_number(&tail);
    if (packet.what != TRACE_NGTCP2_LOST) {
        struct cursor frames = {record, tail.at};
        skip_token_if(&tail);
        skip_text(&tail, "},\"raw\":{\"length\":");
        packet.bytes = (uint32_t)read_number(&tail);
        if (tail.at) seek_text(&frames, "{\"frame_type\":\"stream\",\"stream_id\":");
        if (tail.at && frames.at) packet.stream_id = (int64_t)read_number(&frames);
    }
    if (!tail.at) return false;
    *ret_packet = packet;
    return true;
}
