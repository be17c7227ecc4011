/* SPDX-License-Identifier: MIT */
#include "path_transports.h"

#include "numbers.h"

#include <errno.h>
#include <p2ptrace/event.h>
#include <stdlib.h>
#include <string.h>

static int compare_links(const struct transport *a, const struct transport *b) {
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_numbers(a->receive, b->receive);
}

static int compare_transports(const void *left, const void *right) {
    const struct transport *a = left, *b = right;
    int order = compare_links(a, b);
    return order ? order : compare_numbers(a->position, b->position);
}

static int compare_by_node(const void *left, const void *right, void *by_link) {
    const struct transport *a = (struct transport *)by_link + *(const size_t *)left,
                           *b = (struct transport *)by_link + *(const size_t *)right;
    int order = compare_numbers(a->node, b->node);
    return order ? order : compare_numbers(a->position, b->position);
}

static void add_packet(struct transports *transports, const struct trace_events *events, const struct message *message,
                       bool receive) {
    size_t own = receive ? message->receive : message->send, other = receive ? message->send : message->receive;
    const struct fact *fact = trace_event_at(events, own);
    bool known = other != NO_EVENT && node_clocks_comparable(&events->facts->clocks, message->from, message->to, NULL);
    transports->by_link[transports->count++] =
        (struct transport){.node = receive ? message->to : message->from,
                           .peer = receive ? message->from : message->to,
                           .receive = receive,
                           .time_ns = fact->time_ns,
                           .position = own,
                           .bytes = message->kind == MESSAGE_PACKET ? fact->bytes : 0, /* no message is an acknowledgement */
                           .repeat = message->replaces != NO_EVENT,
                           .lost = !receive && message->lost != NO_EVENT && message->receive == NO_EVENT,
                           .other_ns = known ? trace_event_at(events, other)->time_ns : UINT64_MAX};
}

/* A direction of a link. */
struct way_used {
    unsigned from, to;
};

static int compare_ways(const void *left, const void *right) {
    const struct way_used *a = left, *b = right;
    int order = compare_numbers(a->from, b->from);
    return order ? order : compare_numbers(a->to, b->to);
}

/* The ways on which packets were sent or received that are more than acknowledgements, sorted: QUIC's, or others.  Returns how
 * many. */
static size_t list_ways(struct way_used *ways, const struct trace_events *events, const struct messages *messages, bool quic) {
    size_t count = 0;
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        size_t own = message->send != NO_EVENT ? message->send : message->receive;
        if (message->kind != MESSAGE_PACKET || own == NO_EVENT || (message->space <= TRACE_SPACE_1RTT) != quic) continue;
        if (fact_says_something(trace_event_at(events, own))) ways[count++] = (struct way_used){message->from, message->to};
    }
    qsort(ways, count, sizeof *ways, compare_ways);
    return count;
}

/* May QUIC's packets carry it? */
static bool may_be_on_quic(const struct message *message) {
    switch (message->space - SPACE_MESSAGES) {
    case TRACE_TRANSPORT_OTHER:
    case TRACE_TRANSPORT_QUIC:
    case TRACE_TRANSPORT_WEBTRANSPORT:
    case TRACE_TRANSPORT_RELAY: return true;
    default: return false;
    }
}

/* Leaves out the messages that packets carry: these show the same, and more.  A request may use several transports: one for the
 * question, and another for the answer.  carried: by message.  Returns 0 or -ENOMEM. */
static int find_carried(bool *carried, const struct trace_events *events, const struct messages *messages) {
    struct way_used *ways = calloc(messages->count + 1, sizeof *ways);
    if (!ways) return -ENOMEM;
    for (unsigned quic = 0; quic < 2; quic++) {
        size_t count = list_ways(ways, events, messages, quic);
        for (size_t i = 0; i < messages->count && count; i++) {
            const struct message *message = &messages->items[i];
            const struct way_used wanted = {message->from, message->to};
            if (message->kind != MESSAGE_OWN || (quic && !may_be_on_quic(message))) continue;
            carried[i] |= bsearch(&wanted, ways, count, sizeof *ways, compare_ways) != NULL;
        }
    }
    free(ways);
    return 0;
}

static int find_unsure(struct transports *transports, const struct trace_events *events, const struct messages *messages) {
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        if (!message->repeats_unknown) continue;
        if (!transports->unsure) transports->unsure = calloc(intern_count(&events->facts->nodes) + 1, 1);
        if (!transports->unsure) return -ENOMEM;
        if (message->from != NO_NUMBER) transports->unsure[message->from] = true;
        if (message->to != NO_NUMBER) transports->unsure[message->to] = true;
    }
    return 0;
}

size_t transports_of_node(const struct transports *transports, unsigned node, uint64_t from_ns) {
    size_t low = 0, high = transports->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct transport *transport = &transports->by_link[transports->by_node[middle]];
        if (transport->node < node || (transport->node == node && transport->time_ns < from_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The place in by_link of the first entry of that end at or after a time; behind: after it. */
static size_t place_of_link(const struct transports *transports, const struct transport *key, uint64_t time_ns, bool behind) {
    size_t low = 0, high = transports->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct transport *transport = &transports->by_link[middle];
        int order = compare_links(transport, key);
        if (!order) order = compare_numbers(transport->time_ns, time_ns);
        if (order < 0 || (!order && behind))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct transport *transports_of_link(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                           uint64_t from_ns, uint64_t to_ns, size_t *ret_count) {
    const struct transport key = {.node = node, .peer = peer, .receive = receive};
    size_t first = place_of_link(transports, &key, from_ns, false), end = place_of_link(transports, &key, to_ns, true);
    *ret_count = end > first ? end - first : 0;
    return transports->by_link + first;
}

/* ---- the last of a node ---- */

static int find_recent(struct transports *transports) {
    transports->recent = calloc(transports->count + 1, sizeof *transports->recent);
    if (!transports->recent) return -ENOMEM;
    for (size_t i = 0; i < transports->count; i++) {
        const struct transport *transport = &transports->by_link[transports->by_node[i]];
        struct transport_recent *recent = transports->recent[i];
        bool same = i && transports->by_link[transports->by_node[i - 1]].node == transport->node;
        if (same) memcpy(recent, transports->recent[i - 1], sizeof transports->recent[i]);
        recent = &recent[transport->receive];
        if (recent->last && transports->by_link[transports->by_node[recent->last - 1]].peer != transport->peer)
            recent->other = recent->last;
        recent->last = i + 1;
    }
    return 0;
}

const struct transport *transports_last_but(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                            uint64_t until_ns) {
    size_t end =
        until_ns == UINT64_MAX ? transports_of_node(transports, node + 1, 0) : transports_of_node(transports, node, until_ns + 1);
    if (!end || transports->by_link[transports->by_node[end - 1]].node != node) return NULL;
    const struct transport_recent *recent = &transports->recent[end - 1][receive];
    const struct transport *last = recent->last ? &transports->by_link[transports->by_node[recent->last - 1]] : NULL;
    if (last && last->peer == peer) last = recent->other ? &transports->by_link[transports->by_node[recent->other - 1]] : NULL;
    return last;
}

/* ---- searches ---- */

#define BLOCK 32U /* entries that one leaf of the tree sums up */

static void add_to(struct transport_sum *sum, const struct transport *transport) {
    sum->bytes = greatest(sum->bytes, transport->bytes);
    sum->streams |= transport->stream;
    if (!transport->repeat) {
        sum->new_bytes = greatest(sum->new_bytes, transport->bytes);
        sum->empty_new |= !transport->bytes;
    }
    if (transport->stream) return;
    sum->packet_bytes = greatest(sum->packet_bytes, transport->bytes);
    sum->empty_packets |= !transport->bytes;
    sum->other_ns = greatest(sum->other_ns, transport->other_ns);
    sum->lost |= transport->lost;
}

static struct transport_sum sum_of_both(const struct transport_sum *a, const struct transport_sum *b) {
    return (struct transport_sum){.bytes = greatest(a->bytes, b->bytes),
                                  .packet_bytes = greatest(a->packet_bytes, b->packet_bytes),
                                  .new_bytes = greatest(a->new_bytes, b->new_bytes),
                                  .other_ns = greatest(a->other_ns, b->other_ns),
                                  .streams = a->streams || b->streams,
                                  .empty_packets = a->empty_packets || b->empty_packets,
                                  .empty_new = a->empty_new || b->empty_new,
                                  .lost = a->lost || b->lost};
}

static int sum_up(struct transports *transports) {
    size_t blocks = (transports->count + BLOCK - 1) / BLOCK;
    transports->leaves = 1;
    while (transports->leaves < blocks) transports->leaves *= 2;
    if (transports->leaves == 1) return 0;
    transports->sums = calloc(2 * transports->leaves, sizeof *transports->sums);
    if (!transports->sums) return -ENOMEM;
    for (size_t i = 0; i < transports->count; i++)
        add_to(&transports->sums[transports->leaves + i / BLOCK], &transports->by_link[i]);
    for (size_t i = transports->leaves - 1; i > 0; i--)
        transports->sums[i] = sum_of_both(&transports->sums[2 * i], &transports->sums[2 * i + 1]);
    return 0;
}

/* May one of the entries that were summed up be wanted? */
static bool may_be_wanted(const struct transport_sum *sum, const struct transport_wanted *wanted) {
    uint64_t bytes = wanted->what == TRANSPORT_NEW ? sum->new_bytes : sum->packet_bytes;
    bool empty = wanted->what == TRANSPORT_NEW ? sum->empty_new : sum->empty_packets;
    if (wanted->what == TRANSPORT_STREAM) return sum->streams;
    bool streams = wanted->what == TRANSPORT_NEW && sum->streams;
    if (!empty && !streams && (!bytes || packet_is_small(bytes, wanted->beside_bytes))) return false;
    return (!wanted->after_ns || sum->other_ns > wanted->after_ns) && (!wanted->lost || sum->lost);
}

static bool is_wanted(const struct transport *transport, const struct transport_wanted *wanted) {
    if (wanted->what == TRANSPORT_STREAM) return transport->stream;
    if (wanted->what == TRANSPORT_NEW ? transport->repeat : transport->stream) return false;
    if (transport_is_small(transport, wanted->beside_bytes)) return false;
    return (!wanted->after_ns || transport->other_ns > wanted->after_ns) && (!wanted->lost || transport->lost);
}

/* The first or last entry from one place in by_link to before another; `to` if there is none. */
static size_t search_run(const struct transports *transports, size_t from, size_t to, const struct transport_wanted *wanted,
                         bool last) {
    for (size_t i = from; i < to; i++) {
        size_t at = last ? from + to - 1 - i : i;
        if (is_wanted(&transports->by_link[at], wanted)) return at;
    }
    return to;
}

/* The same below a node of the tree, which sums up `blocks` blocks from `first` on. */
static size_t search_tree(const struct transports *transports, size_t node, size_t first, size_t blocks, size_t from, size_t to,
                          const struct transport_wanted *wanted, bool last) {
    size_t begin = greatest(from, first * BLOCK), end = least(to, (first + blocks) * BLOCK), half = blocks / 2, found;
    if (begin >= end || !may_be_wanted(&transports->sums[node], wanted)) return to;
    if (blocks == 1) return (found = search_run(transports, begin, end, wanted, last)) == end ? to : found;
    found = search_tree(transports, 2 * node + last, first + (last ? half : 0), half, from, to, wanted, last);
    if (found != to) return found;
    return search_tree(transports, 2 * node + !last, first + (last ? 0 : half), half, from, to, wanted, last);
}

const struct transport *transports_find(const struct transports *transports, struct transport_range range,
                                        const struct transport_wanted *wanted, bool last) {
    size_t from = (size_t)(range.items - transports->by_link), to = from + range.count;
    size_t found = transports->sums && range.count > BLOCK
                       ? search_tree(transports, 1, 0, transports->leaves, from, to, wanted, last)
                       : search_run(transports, from, to, wanted, last);
    return found == to ? NULL : &transports->by_link[found];
}

static uint64_t most_of(const struct transports *transports, size_t node, size_t first, size_t blocks, size_t from, size_t to,
                        bool packets) {
    size_t begin = greatest(from, first * BLOCK), end = least(to, (first + blocks) * BLOCK);
    if (begin >= end) return 0;
    if (end - begin == blocks * BLOCK) return packets ? transports->sums[node].packet_bytes : transports->sums[node].bytes;
    if (blocks > 1)
        return greatest(most_of(transports, 2 * node, first, blocks / 2, from, to, packets),
                        most_of(transports, 2 * node + 1, first + blocks / 2, blocks / 2, from, to, packets));
    uint64_t most = 0;
    for (size_t i = begin; i < end; i++)
        if (!packets || !transports->by_link[i].stream) most = greatest(most, transports->by_link[i].bytes);
    return most;
}

uint64_t transports_most(const struct transports *transports, struct transport_range range, bool packets) {
    size_t from = (size_t)(range.items - transports->by_link), to = from + range.count;
    if (transports->sums) return most_of(transports, 1, 0, transports->leaves, from, to, packets);
    uint64_t most = 0;
    for (size_t i = from; i < to; i++)
        if (!packets || !transports->by_link[i].stream) most = greatest(most, transports->by_link[i].bytes);
    return most;
}

/* ---- all ---- */

void transports_fini(struct transports *transports) {
    free(transports->by_link);
    free(transports->by_node);
    free(transports->recent);
    free(transports->sums);
    free(transports->unsure);
    *transports = (struct transports){0};
}

int transports_init(struct transports *transports, const struct trace_events *events, const struct messages *messages) {
    size_t room = 2 * messages->count + events->count + 1;
    *transports = (struct transports){.by_link = calloc(room, sizeof *transports->by_link)};
    bool *carried = calloc(messages->count + 1, sizeof *carried);
    if (!transports->by_link || !carried || find_carried(carried, events, messages)) {
        free(carried);
        transports_fini(transports);
        return -ENOMEM;
    }
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        if (!message_has_number(message) || carried[i] || message->state == MESSAGE_DUPLICATE) continue;
        if (message->send != NO_EVENT) add_packet(transports, events, message, false);
        if (message->receive != NO_EVENT) add_packet(transports, events, message, true);
    }
    free(carried);
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->kind != FACT_STREAM_DATA) continue;
        transports->by_link[transports->count++] = (struct transport){.node = fact->node,
                                                                      .peer = fact->peer,
                                                                      .receive = !fact->sent,
                                                                      .stream = true,
                                                                      .time_ns = fact->time_ns,
                                                                      .position = i,
                                                                      .bytes = fact->bytes,
                                                                      .other_ns = UINT64_MAX};
    }
    transports->by_node = calloc(transports->count + 1, sizeof *transports->by_node);
    if (!transports->by_node || find_unsure(transports, events, messages)) {
        transports_fini(transports);
        return -ENOMEM;
    }
    qsort(transports->by_link, transports->count, sizeof *transports->by_link, compare_transports);
    for (size_t i = 0; i < transports->count; i++) transports->by_node[i] = i;
    qsort_r(transports->by_node, transports->count, sizeof *transports->by_node, compare_by_node, transports->by_link);
    if (!find_recent(transports) && !sum_up(transports)) return 0;
    transports_fini(transports);
    return -ENOMEM;
}
