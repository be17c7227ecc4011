/* SPDX-License-Identifier: MIT
 *
 * Messages: matches each send with the event of another node that received it.  Pure.
 *
 * A packet is one message if both ends report the same trace, space and number, and each names the other as its peer.
 * An end whose peer is not authenticated yet names no peer; then the trace decides, if exactly two nodes took part in
 * it.  Several connections between two nodes each count from 0, so a number may occur twice in a trace.  Then order and
 * packet sizes decide: a receive belongs to the one send before it that nothing else has received.  If there are
 * several candidates, none is chosen: the message is AMBIGUOUS.  Packets of different traces are never matched.
 *
 * Programs' own messages (message_sent, message_received) are paired like packets, by transport and id in place of space and
 * number.  Their trace counts, too, but one end may not know it, because it may not be sent with the message.  Then order
 * decides, as with a number used twice.
 *
 * A receive before its send (by at most DISORDER_NS_MAX, if nothing else fits and no event is missing) is a match with a
 * negative gap: the clocks disagree, or the event was emitted late.  We report it and do not correct it.
 *
 * A request is one message, from the span that asked to the span it caused on another node; an answer is the way back. */
#ifndef INSPECTOR_MESSAGES_H
#define INSPECTOR_MESSAGES_H

#include "packet.h"
#include "spans.h"

#define NO_EVENT ((size_t)-1)

enum message_kind {
    MESSAGE_PACKET,
    MESSAGE_OWN, /* the program's own */
    MESSAGE_REQUEST,
    MESSAGE_ANSWER
};

enum message_state {
    MESSAGE_MATCHED,    /* send and receive */
    MESSAGE_DUPLICATE,  /* a send and one more receive of it; another message has the first */
    MESSAGE_AMBIGUOUS,  /* one end: several events could be the other */
    MESSAGE_UNRECEIVED, /* a send alone: lost, on the way, or its receive is not here */
    MESSAGE_UNSENT      /* a receive or a loss alone: its send is not here */
};

struct message {
    enum message_kind kind;
    enum message_state state;
    unsigned from, to;    /* nodes; NO_NUMBER when not known */
    size_t send, receive; /* events, or NO_EVENT */
    size_t lost;          /* the event that declared it lost: wrong if it was received */
    size_t replaces;      /* a lost message that this one likely repeats, an index into messages; NO_EVENT: none */
    int64_t gap_ns;       /* from send to receive; below 0 in disorder; 0 if an end is missing or it is untimed */
    bool repeats_unknown; /* a step of the clock hides whether a later packet repeats it */
    bool untimed;         /* its gap is not known: the clocks of its ends cannot be compared, or a step lies between them */
    uint64_t number;      /* of a packet, in its space; of a program's message its id */
    unsigned space;       /* as in struct packet */
};

struct messages {
    struct message *items; /* in the order of their first events */
    size_t count;
};

/* Matches packets and messages; sorts them, and fills in peers that follow from the trace.  whole: no event of these nodes is
 * missing, so that a receive before the only send cannot belong to another.  Returns 0 or -ENOMEM. */
int messages_match(struct messages *ret_messages, struct packet *packets, size_t count, bool whole);

/* All messages of one trace: packets, requests and answers.  Their events are positions, their nodes those of the facts.  Also
 * finds what was likely sent again (messages_find_repeats).  Returns 0 or -ENOMEM. */
int messages_of_events(struct messages *ret_messages, const struct trace_events *events, const struct spans *spans);

/* Finds the packet that repeats each lost one: the first of its space to the same peer, after the loss was declared,
 * that carries no new stream bytes and is more than an acknowledgement.  A packet before the declaration is a
 * repetition only if it is a probe: it has the size of the lost packet, and the sender reports stream bytes for other
 * packets, or it was sent later than the packets of a handshake that belong together.  Returns 0 or -ENOMEM. */
int messages_find_repeats(struct messages *messages, const struct trace_events *events);

/* Is a packet of that size, compared with one of beside_bytes, likely only an acknowledgement? */
bool packet_is_small(uint64_t bytes, uint64_t beside_bytes);

/* Is it a packet, sent or received, that is likely only an acknowledgement?  False for any other fact. */
bool fact_is_small(const struct fact *fact);

/* Traffic, and more than an acknowledgement? */
bool fact_says_something(const struct fact *fact);

/* The first such fact of a node, sent to a peer or received from it, from one time until before another, in whatever trace; NULL:
 * none. */
const struct fact *facts_first_said(const struct facts *facts, unsigned node, unsigned peer, bool sent, uint64_t from_ns,
                                    uint64_t to_ns);

void messages_fini(struct messages *messages);

/* Is it a packet or a program's message, which has a number and a space? */
bool message_has_number(const struct message *message);

/* "packet", "message", "request", "answer". */
const char *message_kind_name(enum message_kind kind);

/* "matched", "duplicate", "ambiguous", "lost" (not received, and its sender declared it lost), "unreceived", "unsent". */
const char *message_state_name(const struct message *message);

#endif
