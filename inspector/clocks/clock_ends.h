/* SPDX-License-Identifier: MIT
 *
 * Matches packets of two machines whose clocks are not known yet: by number alone, and only if the number is used once.  Pure. */
#ifndef INSPECTOR_CLOCK_ENDS_H
#define INSPECTOR_CLOCK_ENDS_H

#include "clocks.h"

#include <p2ptrace/event.h>

/* Keeps up to this many ends of packets.  Beyond that, keeps a share of the packets, chosen by key: both ends of a packet, or
 * none. */
#define CLOCK_ENDS_MAX ((size_t)1 << 20)

struct clock_end {
    uint64_t key;
    uint64_t order, time_ns; /* as in clocks_packet */
    uint32_t machine;
    bool sent;
};

struct clock_ends {
    struct clock_end *items;
    size_t count, capacity;
    unsigned thinned; /* one in 2^thinned packets is kept */
};

/* Is it one end of a packet or message, with a peer?  If so, *ret_key identifies it, the same at both ends, and *ret_sent says
 * which end. */
bool clock_end_key(const struct trace_event *event, const struct trace_node_id *node_id, uint64_t *ret_key, bool *ret_sent);

/* Adds an end.  Returns 0 or -ENOMEM. */
int clock_ends_add(struct clock_ends *ends, const struct clock_end *end);

/* The packets from one machine to another that were seen at both ends; the caller owns *ret_packets.  Sorts the ends.  Returns 0
 * or -ENOMEM. */
int clock_ends_match(struct clock_ends *ends, struct clocks_packet **ret_packets, size_t *ret_count);

void clock_ends_fini(struct clock_ends *ends);

#endif
