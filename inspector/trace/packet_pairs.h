/* SPDX-License-Identifier: MIT
 *
 * Messages: which event of a node received what which event of another node sent.  Pure.
 *
 * What programs call messages (message_sent, message_received) are paired like packets, by transport and id in place of space and
 * number.  Their trace counts too, but need not be known at both ends: it may not be on the wire.  Then their order decides, as with
 * a number that is used twice.
 *
 * A packet is one message when both ends say the same trace, space and number, and each the other as its peer.  Before a peer
 * is authenticated its end has no peer; then the trace tells, if just two nodes took part in it.  Several connections between
 * two nodes count from 0 each, so that within one trace a number may come twice.  Then order decides, and the packets' sizes:
 * a receive belongs to the one send before it that nothing else has received.  Where two could be meant, neither is: the
 * message is AMBIGUOUS.  Nothing is matched from one trace to another.
 *
 * A receive before its send (by at most DISORDER_NS_MAX, if nothing else fits and no event is missing) is a match with a
 * negative gap: clocks disagree, or the event was emitted late.  It is told, not mended.
 *
 * A request is one message from the span that asked to the span on another node that it caused, an answer the way back. */
#ifndef INSPECTOR_MESSAGES_H
#define INSPECTOR_MESSAGES_H

#include "spans.h"

#define NO_EVENT ((size_t)-1)

enum packet_role { PACKET_SENT, PACKET_RECEIVED, PACKET_LOST };

/* Spaces beyond those of tbl/spaces.def: SPACE_UNKNOWN + n is the number n of a later version's, SPACE_MESSAGES + t that of messages over
 * transport t of tbl/transports.def. */
#define SPACE_UNKNOWN 0x100u
#define SPACE_MESSAGES 0x100000u

/* One end of a packet or of a program's message, as an event tells it. */
struct packet {
    enum packet_role role;
    unsigned node, peer; /* NO_NUMBER for no peer */
    unsigned trace;      /* NO_NUMBER for none, which is one trace like others */
    unsigned space;
    uint64_t number; /* a message's id */
    uint64_t bytes;  /* 0 when it is not told */
    uint64_t time_ns;
    size_t event; /* the caller's index of the event, rising with time */
    bool untimed; /* the clocks of its node and its peer cannot be compared */
    bool vague;   /* messages_match's own: of a message with no trace, beside such with different ones */
};

/* Reads an event of these kinds, or of a message, but for node, peer, trace and event.  False for other events. */
bool packet_read(struct packet *ret_packet, const json_t *event);

enum message_kind {
    MESSAGE_PACKET,
    MESSAGE_OWN, /* the program's own */
    MESSAGE_REQUEST,
    MESSAGE_ANSWER
};

enum message_state {
    MESSAGE_MATCHED,    /* send and receive */
    MESSAGE_DUPLICATE,  /* send and receive, but it was received before: another message has that */
    MESSAGE_AMBIGUOUS,  /* one end: there are several that could be the other */
    MESSAGE_UNRECEIVED, /* a send alone: lost, under way, or its receive is not here */
    MESSAGE_UNSENT      /* a receive or a loss alone: its send is not here */
};

struct message {
    enum message_kind kind;
    enum message_state state;
    unsigned from, to;    /* nodes; NO_NUMBER when not known */
    size_t send, receive; /* events, or NO_EVENT */
    size_t lost;          /* the sender gave it up; if it was received all the same, it was wrong */
    size_t replaces;      /* a lost message that this one likely repeats, an index into messages; NO_EVENT: none */
    int64_t gap_ns;       /* from send to receive, below 0 when they are in disorder; 0 without both, and when it is untimed */
    bool untimed;         /* the clocks of its ends cannot be compared */
    uint64_t number;      /* of a packet, in its space; of a program's message its id */
    unsigned space;       /* as in struct packet */
};

struct messages {
    struct message *items; /* in order of their first event */
    size_t count;
};

/* Matches packets and messages; sorts them, and fills in peers that follow from the trace.  whole: no event of these nodes is missing, so
 * that a receive before the only send is no receive of another.  0 or -ENOMEM. */
int messages_match(struct messages *ret_messages, struct packet *packets, size_t count, bool whole);

/* All messages of one trace: packets, requests and answers.  Their events are positions, their nodes those of the facts.  Also
 * finds what was likely sent again (messages_find_repeats).  0 or -ENOMEM. */
int messages_of_events(struct messages *ret_messages, const struct trace_events *events, const struct spans *spans);

/* Finds which packet repeats which lost one: the first to the same peer behind the declaration of the loss, of which no new
 * stream bytes are told, and which is more than an acknowledgement.  One before the declaration is a repetition only if it has
 * the size of the lost one, and stream bytes are told of other packets: a probe.  0 or -ENOMEM. */
int messages_find_repeats(struct messages *messages, const struct trace_events *events);

/* A packet of so few bytes, beside another one of so many, is likely an acknowledgement alone. */
bool packet_is_small(uint64_t bytes, uint64_t beside_bytes);

void messages_fini(struct messages *messages);

/* Is it a packet or a program's message, which has a number and a space? */
bool message_has_number(const struct message *message);

/* "packet", "message", "request", "answer". */
const char *message_kind_name(enum message_kind kind);

/* "matched", "duplicate", "ambiguous", "lost" for an unreceived one that its sender gave up, "unreceived", "unsent". */
const char *message_state_name(const struct message *message);

#endif
