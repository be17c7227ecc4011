/* SPDX-License-Identifier: MIT
 *
 * Matches packets of two machines whose clocks are not known yet: by number alone, and only if the number is used once.  Pure.
 *
 * There may be billions of packets, and a few thousand are enough for an estimate.  So each packet has a sample, a number that
 * looks random and is the same at both ends, and those with the smallest samples count: both ends of a packet, or none.  The
 * smallest of all are among the smallest of each part, so parts can be picked by whoever sees them first: each segment of a
 * recording gives at most CLOCK_SEGMENT_ENDS, of which clock_ends_max() are used.  Recordings and fleets do both, and so
 * use the same packets. */
#ifndef INSPECTOR_CLOCK_ENDS_H
#define INSPECTOR_CLOCK_ENDS_H

#include "clocks.h"

#include <p2ptrace/event.h>

#define CLOCK_SEGMENT_ENDS ((size_t)8192) /* of a segment of a recording, whoever the peers are */
#define CLOCK_MACHINE_ENDS ((size_t)8192) /* of packets between machines, for each machine */
#define CLOCK_ENDS_MAX ((size_t)65536)    /* of them */

struct clock_end {
    uint64_t sample, key;
    uint64_t order, time_ns; /* as in clocks_packet */
    uint32_t machine;
    bool sent;
};

/* Those of the ends added so far that have the smallest samples.  {.max = MAX} is empty. */
struct clock_ends {
    struct clock_end *items;
    size_t count, capacity;
    size_t max;
    bool is_cut;
    uint64_t below; /* if it is cut: larger samples, and this one, are left out */
};

/* How many are used to estimate the clocks of that many machines. */
static inline size_t clock_ends_max(uint32_t machine_count) {
    size_t max = CLOCK_MACHINE_ENDS * machine_count;
    return max < CLOCK_ENDS_MAX ? max : CLOCK_ENDS_MAX;
}

/* Is it one end of a packet or message, with a peer?  If so, *ret_sample is its sample, and *ret_sent says which end. */
bool clock_end_sample(const struct trace_event *event, uint64_t *ret_sample, bool *ret_sent);

/* The key of a packet: the same at both ends, and with the number alone not of another packet. */
uint64_t clock_end_key(uint64_t sample, bool sent, const struct trace_node_id *node_id, const struct trace_node_id *peer_id);

/* The sample as SQL, from the columns of a fleet's table `events`; for rows of which clock_end_sample is true. */
#define CLOCK_END_KINDS_SQL "kind IN ('packet_sent','packet_received','message_sent','message_received')"
#define CLOCK_END_SENT_SQL "kind IN ('packet_sent','message_sent')"
extern const char clock_end_sample_sql[];

/* Adds an end.  Returns 0 or -ENOMEM. */
int clock_ends_add(struct clock_ends *ends, const struct clock_end *end);

/* Leaves the ends with the smallest samples, at most `max`; of one sample all or none. */
void clock_ends_pick(struct clock_ends *ends);

/* Leaves only smaller samples. */
void clock_ends_cut(struct clock_ends *ends, uint64_t below);

/* The packets from one machine to another that were seen at both ends; the caller owns *ret_packets.  Picks and sorts the ends.
 * Returns 0 or -ENOMEM. */
int clock_ends_match(struct clock_ends *ends, struct clocks_packet **ret_packets, size_t *ret_count);

void clock_ends_clear(struct clock_ends *ends);
void clock_ends_fini(struct clock_ends *ends);

#endif
