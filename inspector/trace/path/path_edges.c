/* SPDX-License-Identifier: MIT */
#include "path_edges.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

/* ---- the ends of links ---- */

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
                           .bytes = fact->bytes,
                           .repeat = message->replaces != NO_EVENT,
                           .lost = !receive && message->lost != NO_EVENT && message->receive == NO_EVENT,
                           .other_ns = known ? trace_event_at(events, other)->time_ns : UINT64_MAX};
}

/* What carried the requests: packets, or messages if there are no packets. */
static enum message_kind what_carried(const struct messages *messages) {
    for (size_t i = 0; i < messages->count; i++)
        if (messages->items[i].kind == MESSAGE_PACKET) return MESSAGE_PACKET;
    return MESSAGE_OWN;
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

int transports_init(struct transports *transports, const struct trace_events *events, const struct messages *messages) {
    size_t room = 2 * messages->count + events->count + 1;
    *transports = (struct transports){.by_link = calloc(room, sizeof *transports->by_link)};
    if (!transports->by_link) return -ENOMEM;
    enum message_kind carried = what_carried(messages);
    for (size_t i = 0; i < messages->count; i++) {
        const struct message *message = &messages->items[i];
        if (message->kind != carried || message->state == MESSAGE_DUPLICATE) continue;
        if (message->send != NO_EVENT) add_packet(transports, events, message, false);
        if (message->receive != NO_EVENT) add_packet(transports, events, message, true);
    }
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
    return 0;
}

void transports_fini(struct transports *transports) {
    free(transports->by_link);
    free(transports->by_node);
    free(transports->unsure);
    *transports = (struct transports){0};
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

const struct transport *transports_of_link(const struct transports *transports, unsigned node, unsigned peer, bool receive,
                                           uint64_t from_ns, uint64_t to_ns, size_t *ret_count) {
    const struct transport key = {.node = node, .peer = peer, .receive = receive};
    size_t low = 0, high = transports->count, end;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct transport *transport = &transports->by_link[middle];
        int order = compare_links(transport, &key);
        if (order < 0 || (!order && transport->time_ns < from_ns))
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low;
         end < transports->count && !compare_links(&transports->by_link[end], &key) && transports->by_link[end].time_ns <= to_ns;)
        end++;
    *ret_count = end - low;
    return transports->by_link + low;
}

/* What carried a request or an answer at one end: the first or last stream bytes; without any, the first or last packet that
 * is more than an acknowledgement.  NULL if there is neither. */
static const struct transport *content(const struct transport *items, size_t count, bool last) {
    const struct transport *found = NULL;
    uint64_t most_bytes = 0;
    bool streams = false;
    for (size_t i = 0; i < count; i++) {
        streams |= items[i].stream;
        if (!items[i].stream && items[i].bytes > most_bytes) most_bytes = items[i].bytes;
    }
    for (size_t i = 0; i < count; i++) {
        bool counts = streams ? items[i].stream : !packet_is_small(items[i].bytes, most_bytes);
        if (counts && (last || !found)) found = &items[i];
    }
    return found;
}

/* ---- there and back ---- */

static void find_there(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                       uint64_t lower_ns) {
    size_t count;
    const struct transport *items =
        transports_of_link(transports, parent->node, child->node, false, lower_ns, child->start_ns, &count);
    const struct transport *sent = content(items, count, false);
    way->asked_known = sent || parent->asks;
    way->asked_ns = sent ? sent->time_ns : parent->asks ? lower_ns : child->start_ns;
    way->received_ns = way->began_ns = child->start_ns;
    items = transports_of_link(transports, child->node, parent->node, true, way->asked_ns, child->start_ns, &count);
    const struct transport *received = content(items, count, true);
    if (received && way->asked_known) way->received_ns = received->time_ns;
}

/* Did packets of the answer arrive, as the asker reports it, only after its span had ended?  The program reads the bytes before
 * the transport reports the packet that brought them. */
static bool arrives_behind(const struct transports *transports, const struct span *parent, const struct span *child) {
    size_t count;
    const struct transport *items =
        transports_of_link(transports, child->node, parent->node, false, child->start_ns, parent->end_ns, &count);
    const struct transport *sent = content(items, count, true);
    return sent && sent->other_ns != UINT64_MAX && sent->other_ns > parent->end_ns && sent->time_ns >= child->end_ns;
}

/* At that time, was part of the answer sent and not received?  Then the rest waits for the link, not for the node. */
static bool is_on_its_way(const struct transport *sent, size_t count, uint64_t at_ns) {
    uint64_t most_bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (sent[i].bytes > most_bytes) most_bytes = sent[i].bytes;
    for (size_t i = 0; i < count && sent[i].time_ns <= at_ns; i++)
        if (!sent[i].stream && !packet_is_small(sent[i].bytes, most_bytes) && sent[i].other_ns > at_ns) return true;
    return false;
}

/* When the answer was first sent after that time, or that time itself if not reported.  Ignores retransmissions, which were
 * sent before. */
static uint64_t first_sent(const struct transport *sent, size_t count, uint64_t at_ns) {
    uint64_t most_bytes = 0;
    for (size_t i = 0; i < count; i++)
        if (sent[i].bytes > most_bytes) most_bytes = sent[i].bytes;
    for (size_t i = 0; i < count; i++)
        if (sent[i].time_ns >= at_ns && !sent[i].repeat && !packet_is_small(sent[i].bytes, most_bytes)) return sent[i].time_ns;
    return at_ns;
}

/* Was the end of the answer lost for good?  Its last packet never arrived, the sender gave up that packet or another, and
 * nothing arrived after it. received: the last packet that arrived, or NULL. */
static bool never_arrived(const struct transport *sent, size_t count, const struct transport *received) {
    const struct transport *last = NULL;
    uint64_t most_bytes = 0;
    bool lost = false;
    for (size_t i = 0; i < count; i++)
        if (sent[i].bytes > most_bytes) most_bytes = sent[i].bytes;
    for (size_t i = 0; i < count; i++) {
        if (sent[i].stream || packet_is_small(sent[i].bytes, most_bytes)) continue;
        last = &sent[i];
        lost |= last->lost;
    }
    return last && last->other_ns == UINT64_MAX && lost && !(received && received->time_ns >= last->time_ns);
}

/* Did the asker receive nothing from other nodes after that answer, up to its end? */
static bool is_last_received(const struct transports *transports, const struct span *asker, const struct transport *answer) {
    for (size_t i = transports_of_node(transports, asker->node, answer->time_ns + 1); i < transports->count; i++) {
        const struct transport *later = &transports->by_link[transports->by_node[i]];
        if (later->node != asker->node || later->time_ns > asker->end_ns) break;
        if (later->receive && later->peer != answer->peer) return false;
    }
    return true;
}

/* A node may send its answer before it reports its end: what it does then is nothing that the asker waits for. */
static void answer_early(struct way *way, const struct transport *sent, size_t count) {
    const struct transport *last = content(sent, count, true);
    while (last && last->repeat) last = content(sent, (size_t)(last - sent), true);
    if (last && last->time_ns < way->worked_ns) way->worked_ns = way->answered_ns = last->time_ns;
}

static void find_back(struct way *way, const struct transports *transports, const struct span *parent, const struct span *child,
                      uint64_t upper_ns) {
    size_t count;
    const struct transport *items =
                               transports_of_link(transports, parent->node, child->node, true, child->start_ns, upper_ns, &count),
                           *received;
    received = content(items, count, true);
    way->worked_ns = way->answered_ns = way->returned_ns = child->end_ns;
    items = transports_of_link(transports, child->node, parent->node, false, child->start_ns, upper_ns, &count);
    bool sufficed = received && parent->end != NO_POSITION && parent->ok; /* enough of it arrived */
    way->gone = child->end != NO_POSITION && !sufficed && never_arrived(items, count, received);
    if (way->gone) {
        way->returned_ns = UINT64_MAX;
        if (!is_on_its_way(items, count, child->end_ns)) way->answered_ns = first_sent(items, count, child->end_ns);
        answer_early(way, items, count);
        return;
    }
    bool outlived = sufficed && child->end_ns > parent->end_ns && is_last_received(transports, parent, received);
    bool incomplete = parent->asks && parent->end != NO_POSITION && !parent->ok && upper_ns == parent->end_ns &&
                      child->end != NO_POSITION && child->ok && child->end_ns <= upper_ns;
    if (incomplete) /* it waited for the rest, until it gave up */
        way->returned_ns = upper_ns;
    else if (received && (received->stream || received->time_ns >= child->end_ns || outlived))
        way->returned_ns = received->time_ns;
    else if (parent->end != NO_POSITION && upper_ns == parent->end_ns && child->end_ns <= upper_ns &&
             (parent->asks || arrives_behind(transports, parent, child)))
        way->returned_ns = upper_ns;
    items = transports_of_link(transports, child->node, parent->node, false, child->start_ns, way->returned_ns, &count);
    if (way->returned_ns < child->end_ns) { /* the answer arrived before the other node reported its end */
        const struct transport *sent = content(items, count, true);
        way->worked_ns = way->answered_ns = sent ? sent->time_ns : way->returned_ns;
        return;
    }
    if (!is_on_its_way(items, count, child->end_ns)) way->answered_ns = first_sent(items, count, child->end_ns);
    if (received && received->time_ns >= child->end_ns) answer_early(way, items, count);
}

void way_find(struct way *ret_way, const struct transports *transports, const struct span *parent, const struct span *child,
              uint64_t lower_ns, uint64_t upper_ns) {
    find_there(ret_way, transports, parent, child, lower_ns);
    find_back(ret_way, transports, parent, child, upper_ns);
}

bool way_was_answered(const struct transports *transports, const struct span *asker, const struct span *child) {
    size_t count;
    const struct transport *items =
        transports_of_link(transports, asker->node, child->node, true, child->start_ns, asker->end_ns, &count);
    const struct transport *answer = content(items, count, true);
    if (!answer || asker->expired || child->end_ns - answer->time_ns > RIGHT_AFTER_NS_MAX) return false;
    return is_last_received(transports, asker, answer);
}
