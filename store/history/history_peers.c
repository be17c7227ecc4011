/* SPDX-License-Identifier: MIT
 *
 * Statistics of each peer, as the nodes see it.
 *
 * For all nodes, the tallies of the segments are added up; only the reporting nodes come from the events' columns (source and
 * peer number).  For a set of nodes, their events are counted one by one, and so are those of rare peers.  All counts are exact
 * for the events present at the start; the newest segment's tallies may already include a few more.
 *
 * There may be as many peers as events, and an answer must not take memory for all of them.  So several passes each handle the
 * peers whose hash leaves a certain remainder, and only the first rows are retained after each pass.
 *
 * Called from any registered thread; gives up the RCU read lock between segments. */
#include "history_trace.h"
#include <store/nodes.h>

#include <errno.h>
#include <stdlib.h>

#define NODE_WORDS (HISTORY_NODES_MAX / 64)
#define NO_SUM UINT32_MAX
#define OTHER_PASS (UINT32_MAX - 1)
#define EACH_EVENT (UINT32_MAX - 2) /* the id may be an alias: who is meant is each event's */
/* Sums in memory at a time: about 20 MiB. */
#define PEERS_A_PASS 32768

TRACE_STATIC_ASSERT_(NODES_MAX <= HISTORY_NODES_MAX, "every node has its bit");

/* By kind: its packet class, whether it has a round-trip sample or is a message, and whether the peer was heard.  Stored as
 * the difference from PACKET_NONE, which applies to all other kinds. */
const uint8_t history__packet_classes[32] = {
    [TRACE_KIND_CONN_INIT] = HEARD_IF,
    [TRACE_KIND_CONN_ESTABLISHED] = RTT_SAMPLE | HEARD,
    [TRACE_KIND_CONN_CLOSED] = HEARD_IF,
    [TRACE_KIND_STREAM_DATA] = HEARD_IF,
    [TRACE_KIND_PACKET_SENT] = PACKET_SENT ^ PACKET_NONE,
    [TRACE_KIND_PACKET_RECEIVED] = (PACKET_RECEIVED ^ PACKET_NONE) | HEARD,
    [TRACE_KIND_PACKET_LOST] = PACKET_LOST ^ PACKET_NONE,
    [TRACE_KIND_METRICS] = RTT_SAMPLE,
    [TRACE_KIND_MESSAGE_SENT] = MESSAGE,
    [TRACE_KIND_MESSAGE_RECEIVED] = MESSAGE | HEARD,
    [TRACE_KIND_CONN_RESET] = HEARD,
};
TRACE_STATIC_ASSERT_(offsetof(struct trace_packet_sent, size) == offsetof(struct trace_packet_received, size),
                     "one load gives the size of a packet, sent or received");
TRACE_STATIC_ASSERT_(PACKET_SENT == 0 && PACKET_RECEIVED == 1 && PACKET_NONE == 2 && PACKET_LOST == 3,
                     "bit 1 of a class says that bytes are not counted");

/* Of the kinds with HEARD_IF. */
static bool is_from_peer(const struct trace_event *event) {
    switch (event->kind) {
    case TRACE_KIND_CONN_INIT: return event->data.conn_init.by_remote;
    case TRACE_KIND_CONN_CLOSED: return event->data.conn_closed.by_remote;
    default: return !event->data.stream_data.sent;
    }
}

void history__peer_special(struct peer_tally *tally, const struct trace_event *event, uint32_t node) {
    uint8_t what = history__packet_classes[event->kind];
    if (what & HEARD_IF) {
        if (is_from_peer(event)) history__greatest(&tally->heard_ns, event->timestamp);
    } else if (what & MESSAGE) {
        history__add32(&tally->messages[event->kind != TRACE_KIND_MESSAGE_SENT], 1);
    } else if (event->kind == TRACE_KIND_METRICS) {
        history__peer_rtt(tally, event->timestamp, node, event->data.metrics.rtt);
        history__least(&tally->min_rtt_ns, event->data.metrics.min_rtt);
    } else {
        history__peer_rtt(tally, event->timestamp, node, event->data.conn_established.rtt);
    }
}

/* ---- sums --------------------------------------------------------------------------------------------------------------- */

struct peer_sum {
    struct peer_tally tally;
    uint64_t nodes[NODE_WORDS];
};

struct peer_sums {
    const struct history *history;
    const uint64_t *node_set; /* NULL: all */
    uint32_t node_set_bits;
    struct history_span span;
    const struct history_who *who; /* or NULL */
    struct history_work *work;     /* or NULL */
    uint32_t pass, passes;
    struct history__seen seen; /* number of an id's sum */
    struct peer_sum *list;
    size_t capacity;
    uint32_t *sum_of; /* in the segment at hand: from the number of a tally; NO_SUM: not seen yet; OTHER_PASS; EACH_EVENT */
};

static bool is_of_pass(const struct peer_sums *sums, const struct trace_node_id *id) {
    return sums->passes == 1 || (history__hash_peer(sums->history, id) >> 32) % sums->passes == sums->pass;
}

/* The sum of a peer of this pass, and its number.  Returns 0, -ENOMEM, or -EOVERFLOW when there are more peers than a pass
 * takes. */
static int sum_of_id(struct peer_sums *sums, const struct trace_node_id *id, uint32_t *index) {
    uint32_t count = sums->seen.count;

    if (history__seen_add(sums->history, &sums->seen, id, index) < 0) return -ENOMEM;
    if (*index < count) return 0;
    if (count == PEERS_A_PASS) return -EOVERFLOW;
    if (count == sums->capacity) {
        size_t capacity = sums->capacity == 0 ? 64 : 2 * sums->capacity;
        struct peer_sum *list = realloc(sums->list, capacity * sizeof *list);
        if (!list) return -ENOMEM;
        sums->list = list;
        sums->capacity = capacity;
    }
    history__peer_init(&sums->list[count].tally, id);
    memset(sums->list[count].nodes, 0, sizeof sums->list[count].nodes);
    return 0;
}

/* The sum of the peer that has this number in the segment; NULL: it is of another pass, or its events are counted one by one. */
static int sum_of(struct peer_sums *sums, const struct segment *segment, uint32_t number, struct peer_sum **ret_sum) {
    uint32_t *index = &sums->sum_of[number];
    int error = 0;

    if (*index == NO_SUM) {
        const struct trace_node_id *id = &history__peer_tally(segment, number)->id;
        if (sums->who && sums->who->is_alias(sums->who->context, id))
            *index = EACH_EVENT;
        else if (is_of_pass(sums, id))
            error = sum_of_id(sums, id, index);
        else
            *index = OTHER_PASS;
    }
    *ret_sum = error == 0 && *index < EACH_EVENT ? &sums->list[*index] : NULL;
    return error;
}

static void add_tally(struct peer_tally *sum, const struct peer_tally *tally) {
    uint64_t rtt_ns = history__load(&tally->rtt_ns), rtt_time_ns = history__load(&tally->rtt_time_ns);

    for (unsigned class = 0; class < PACKET_CLASSES; class ++)
        history__add32(&sum->packets[class], history__load32(&tally->packets[class]));
    history__add(&sum->bytes[PACKET_SENT], history__load(&tally->bytes[PACKET_SENT]));
    history__add(&sum->bytes[PACKET_RECEIVED], history__load(&tally->bytes[PACKET_RECEIVED]));
    for (unsigned i = 0; i < 2; i++) history__add32(&sum->messages[i], history__load32(&tally->messages[i]));
    history__least(&sum->first_ns, history__load(&tally->first_ns));
    history__greatest(&sum->last_ns, history__load(&tally->last_ns));
    history__greatest(&sum->heard_ns, history__load(&tally->heard_ns));
    history__least(&sum->min_rtt_ns, history__load(&tally->min_rtt_ns));
    if (rtt_time_ns != 0) history__peer_rtt(sum, rtt_time_ns, history__rtt_node(tally), rtt_ns);
}

/* ---- a segment ---------------------------------------------------------------------------------------------------------- */

static void note_node(struct peer_sum *sum, uint32_t node) { history__bit_set(sum->nodes, node); }

static bool node_asked(const struct peer_sums *sums, uint32_t node) {
    return !sums->node_set || (node < sums->node_set_bits && history__bit_get(sums->node_set, node));
}

/* A single event. */
static int add_event(struct peer_sums *sums, const struct segment *segment, uint32_t index) {
    const struct trace_event *event = &segment->events[index];
    const struct trace_node_id *id = &event->peer_id;
    uint32_t node = history_source_node(segment->sources[index]), number;
    int error;

    if (sums->who) id = sums->who->resolve(sums->who->context, event, segment->sources[index]);
    if (!node_asked(sums, node) || !is_of_pass(sums, id) || !history__span_has(&sums->span, event)) return 0;
    error = sum_of_id(sums, id, &number);
    if (error < 0) return error;
    history__peer_count(&sums->list[number].tally, event, node);
    note_node(&sums->list[number], node);
    return 0;
}

static int add_rare(struct peer_sums *sums, const struct segment *segment, uint32_t behind) {
    const _Atomic uint16_t *head = history__rare_chain(segment);
    struct chain chain;
    uint32_t index;
    int error = 0;

    if (!head) return 0;
    for (history__chain_begin(&chain, head, segment->peer_links); error == 0 && history__chain_next(&chain, &index);)
        if (index < behind) error = add_event(sums, segment, index);
    return error;
}

static int add_all_nodes(struct peer_sums *sums, const struct segment *segment, uint32_t behind, uint32_t count) {
    for (uint32_t number = 0; number < count; number++) {
        struct peer_sum *sum;
        int error = sum_of(sums, segment, number, &sum);
        if (error < 0) return error;
        if (sum) add_tally(&sum->tally, history__peer_tally(segment, number));
    }
    for (uint32_t i = 0; i < behind; i++) {
        uint32_t number = segment->peer_numbers[i], index = number < count ? sums->sum_of[number] : OTHER_PASS;
        int error = index == EACH_EVENT ? add_event(sums, segment, i) : 0;
        if (error < 0) return error;
        if (index < EACH_EVENT) note_node(&sums->list[sums->sum_of[number]], history_source_node(segment->sources[i]));
    }
    return add_rare(sums, segment, behind);
}

static int add_some_nodes(struct peer_sums *sums, const struct segment *segment, uint32_t behind, uint32_t count) {
    for (uint32_t i = 0; i < behind; i++) {
        uint32_t number = segment->peer_numbers[i], node = history_source_node(segment->sources[i]);
        struct peer_sum *sum;
        int error;
        if (number >= count || !node_asked(sums, node)) continue;
        error = sum_of(sums, segment, number, &sum);
        if (error == 0 && sums->sum_of[number] == EACH_EVENT) error = add_event(sums, segment, i);
        if (error < 0) return error;
        if (!sum) continue;
        history__peer_count(&sum->tally, &segment->events[i], node);
        note_node(sum, node);
    }
    return add_rare(sums, segment, behind);
}

/* Some of its events do not count; or the index of a backed segment is damaged, has different times, or is of an older version:
 * then its events are counted one by one. */
static int add_events(struct peer_sums *sums, const struct segment *segment, uint32_t behind) {
    int error = 0;
    for (uint32_t i = 0; i < behind && error == 0; i++)
        if (history__event_ready(segment, i) && (segment->events[i].flags & TRACE_FLAG_HAS_PEER))
            error = add_event(sums, segment, i);
    return error;
}

/* Can everything that add_all_nodes and add_some_nodes use be read?  Only a set of nodes and aliases need the events. */
static bool columns_ready(const struct peer_sums *sums, const struct segment *segment, uint32_t behind, uint32_t count) {
    if (!segment->backed) return true;
    if (!history__times_whole(segment)) return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct peer_tally *tally = history__peer_tally(segment, i);
        if (!history__ready(segment, tally, sizeof *tally) || !history__peer_has_heard(tally)) return false;
    }
    return history__ready(segment, segment->peer_numbers, behind * sizeof *segment->peer_numbers) &&
           history__ready(segment, segment->sources, behind * sizeof *segment->sources) &&
           ((!sums->node_set && !sums->who) || history__ready(segment, segment->events, behind * sizeof *segment->events));
}

/* Does each of its events count? */
static bool is_whole(const struct peer_sums *sums, const struct segment *segment) {
    return !sums->span.until_ns || history__load(&segment->bounds.max_ns) < sums->span.until_ns;
}

static int add_segment(struct peer_sums *sums, uint64_t number) {
    const struct segment *segment;
    uint32_t behind, count;
    int error = 0;

    grace_read_lock();
    segment = history__span_segment(sums->history, &sums->span, number, &behind);
    if (segment) {
        /* peers:A  Pairs with peers:R. */
        count = atomic_load_explicit(&segment->peers_published, memory_order_acquire);
        for (uint32_t i = 0; i < count; i++) sums->sum_of[i] = NO_SUM;
        /* PEER_NONE is a valid number only if each of 65536 events has its own peer, and then no event lacks one */
        if (!is_whole(sums, segment) || !columns_ready(sums, segment, behind, count))
            error = add_events(sums, segment, behind);
        else if (!sums->node_set)
            error = add_all_nodes(sums, segment, behind, count);
        else
            error = add_some_nodes(sums, segment, behind, count);
    }
    grace_read_unlock();
    return error;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------------- */

static void fill(const struct peer_sum *sum, struct history_peer *ret_peer) {
    const struct peer_tally *tally = &sum->tally;
    struct history_peer *peer = ret_peer;
    uint64_t min_rtt_ns = history__load(&tally->min_rtt_ns);

    memset(peer, 0, sizeof *peer);
    peer->peer_id = tally->id;
    peer->first_ns = history__load(&tally->first_ns);
    peer->last_ns = history__load(&tally->last_ns);
    peer->heard_ns = history__load(&tally->heard_ns);
    for (unsigned class = 0; class < PACKET_CLASSES; class ++) peer->events += history__load32(&tally->packets[class]);
    peer->packets_sent = history__load32(&tally->packets[PACKET_SENT]);
    peer->packets_received = history__load32(&tally->packets[PACKET_RECEIVED]);
    peer->packets_lost = history__load32(&tally->packets[PACKET_LOST]);
    peer->messages_sent = history__load32(&tally->messages[0]);
    peer->messages_received = history__load32(&tally->messages[1]);
    peer->bytes_sent = history__load(&tally->bytes[PACKET_SENT]);
    peer->bytes_received = history__load(&tally->bytes[PACKET_RECEIVED]);
    peer->has_rtt = history__load(&tally->rtt_time_ns) != 0;
    peer->rtt_ns = history__load(&tally->rtt_ns);
    peer->has_min_rtt = min_rtt_ns != UINT64_MAX;
    peer->min_rtt_ns = peer->has_min_rtt ? min_rtt_ns : 0;
    for (uint32_t node = 0; node < HISTORY_NODES_MAX && peer->node_count < HISTORY_SUMMARY_NODES_MAX; node++)
        if (history__bit_get(sum->nodes, node)) peer->nodes[peer->node_count++] = node;
}

static int peer_compare(const void *a, const void *b) {
    const struct history_peer *x = a, *y = b;
    if (x->events != y->events) return x->events > y->events ? -1 : 1;
    return memcmp(x->peer_id.bytes, y->peer_id.bytes, sizeof x->peer_id.bytes);
}

/* The rows so far, of all passes. */
struct rows {
    struct history_peer *list;
    size_t count, total;
};

/* Adds the rows of a pass, and retains the first `limit`. */
static int add_rows(struct rows *rows, const struct peer_sums *sums, size_t limit) {
    uint32_t count = sums->seen.count;
    struct history_peer *list = realloc(rows->list, (rows->count + count + 1) * sizeof *list);

    if (!list) return -ENOMEM;
    rows->list = list;
    for (uint32_t i = 0; i < count; i++) fill(&sums->list[i], &list[rows->count + i]);
    rows->count += count;
    rows->total += count;
    if (rows->count > 0) qsort(list, rows->count, sizeof *list, peer_compare);
    if (rows->count > limit) rows->count = limit;
    return 0;
}

static int run_pass(struct peer_sums *sums) {
    int error = 0;

    history__seen_fini(&sums->seen);
    for (uint64_t n = sums->span.begin / HISTORY_SEGMENT_EVENTS; n * HISTORY_SEGMENT_EVENTS < sums->span.end && error == 0; n++) {
        error = add_segment(sums, n);
        if (sums->work) sums->work->done += HISTORY_SEGMENT_EVENTS * HISTORY_WORK_EVENT;
        if (error == 0) error = history_work_check(sums->work);
        if (error == 0 && sums->work && sums->work->pause) sums->work->pause(sums->work->pause_arg);
    }
    return error;
}

int history_peers_first(struct history *history, const struct history_peers_query *query, struct history_peer **ret_peers,
                        size_t *ret_count, size_t *ret_total) {
    struct peer_sums sums = {.history = history,
                             .node_set = query->node_set,
                             .node_set_bits = query->node_set_bits,
                             .who = query->who,
                             .work = query->work,
                             .span = history__span(history),
                             .passes = 1};
    struct rows rows = {0};
    int error = -ENOMEM;

    sums.span.until_ns = query->until_ns;
    sums.sum_of = malloc(HISTORY_SEGMENT_EVENTS * sizeof *sums.sum_of);
    if (!sums.sum_of) goto out;
    for (sums.pass = 0; sums.pass < sums.passes; sums.pass++) {
        error = run_pass(&sums);
        if (error == -EOVERFLOW) { /* start over with smaller parts */
            sums.passes *= 4;
            sums.pass = UINT32_MAX;
            rows.count = rows.total = 0;
            continue;
        }
        if (error == 0) error = add_rows(&rows, &sums, query->limit);
        if (error < 0) goto out;
    }
    *ret_peers = rows.list;
    *ret_count = rows.count;
    *ret_total = rows.total;
    rows.list = NULL;
out:
    history__seen_fini(&sums.seen);
    free(rows.list);
    free(sums.list);
    free(sums.sum_of);
    return error;
}

int history_peers(struct history *history, const uint64_t *node_set, uint32_t node_set_bits, struct history_peer **ret_peers,
                  size_t *ret_count) {
    const struct history_peers_query query = {.node_set = node_set, .node_set_bits = node_set_bits, .limit = SIZE_MAX};
    size_t total;
    return history_peers_first(history, &query, ret_peers, ret_count, &total);
}
