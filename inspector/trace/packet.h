/* SPDX-License-Identifier: MIT
 *
 * One end of a packet or of a program's message, read from an event.  Pure. */
#ifndef INSPECTOR_PACKET_H
#define INSPECTOR_PACKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packet_role { PACKET_SENT, PACKET_RECEIVED, PACKET_LOST };

/* Spaces beyond those of tbl/spaces.def: SPACE_UNKNOWN + n is number n of a later version; SPACE_MESSAGES + t is the space of
 * messages over transport t of tbl/transports.def. */
#define SPACE_UNKNOWN 0x100u
#define SPACE_MESSAGES 0x100000u

struct packet {
    enum packet_role role;
    unsigned node, peer; /* NO_NUMBER : no peer */
    unsigned trace;      /* NO_NUMBER: no trace; all events without one count as one trace */
    unsigned space;
    uint64_t number;     /* a message's id */
    uint64_t bytes;      /* 0 when not reported */
    uint64_t time_ns;    /* as struct fact has it */
    size_t event;        /* the caller's index of the event, rising with time */
    uint8_t clock_steps; /* as in struct fact */
    bool untimed;        /* the clocks of its node and its peer cannot be compared */
    bool vague;          /* set by messages_match: a message without a trace, whose id is used in several traces */
};

/* Reads an event of these kinds: all but node, peer, trace and event.  Returns false for other events. */
bool packet_read(struct packet *ret_packet, const json_t *event);

#endif
