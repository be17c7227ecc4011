/* SPDX-License-Identifier: MIT */
#include "packet_pairs.h"

#include "limits.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

static bool is_own(unsigned space) { return space >= SPACE_MESSAGES; }

/* ---- peers that no event names ---- */

/* The nodes that took part in a trace, if there are just two. */
struct pair {
    unsigned nodes[2];
    unsigned count; /* 3: more than two */
};

static void pair_add(struct pair *pair, unsigned node) {
    if (node == NO_NUMBER || pair->count == 3) return;
    for (unsigned i = 0; i < pair->count; i++)
        if (pair->nodes[i] == node) return;
    if (pair->count < 2) pair->nodes[pair->count] = node;
    pair->count++;
}

static int fill_peers(struct packet *packets, size_t count) {
    unsigned traces = 0;
    for (size_t i = 0; i < count; i++)
        if (packets[i].trace != NO_NUMBER && packets[i].trace >= traces) traces = packets[i].trace + 1;
    struct pair *pairs = calloc(traces + 1, sizeof *pairs);
    if (!pairs) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (packets[i].trace == NO_NUMBER) continue;
        pair_add(&pairs[packets[i].trace], packets[i].node);
        pair_add(&pairs[packets[i].trace], packets[i].peer);
    }
    for (size_t i = 0; i < count; i++) {
        struct packet *packet = &packets[i];
        if (packet->peer != NO_NUMBER || packet->trace == NO_NUMBER) continue;
        const struct pair *pair = &pairs[packet->trace];
        if (pair->count == 2) packet->peer = pair->nodes[pair->nodes[0] == packet->node];
    }
    free(pairs);
    return 0;
}

/* ---- packets that could be the same ---- */

static unsigned from_of(const struct packet *packet) { return packet->role == PACKET_RECEIVED ? packet->peer : packet->node; }
static unsigned to_of(const struct packet *packet) { return packet->role == PACKET_RECEIVED ? packet->node : packet->peer; }

/* Returns 0 if the two could be the same packet. */
static int compare_keys(const struct packet *a, const struct packet *b) {
    int order = compare_numbers(a->trace, b->trace);
    if (!order) order = compare_numbers(from_of(a), from_of(b));
    if (!order) order = compare_numbers(to_of(a), to_of(b));
    if (!order) order = compare_numbers(a->space, b->space);
    return order ? order : compare_numbers(a->number, b->number);
}

static int compare_packets(const void *left, const void *right) {
    const struct packet *a = left, *b = right;
    int order = compare_keys(a, b);
    if (!order) order = compare_numbers(a->time_ns, b->time_ns);
    return order ? order : compare_numbers(a->event, b->event);
}

/* ---- messages whose trace is known at one end ---- */

static int compare_links(const struct packet *a, const struct packet *b) {
    int order = compare_numbers(from_of(a), from_of(b));
    if (!order) order = compare_numbers(to_of(a), to_of(b));
    if (!order) order = compare_numbers(a->space, b->space);
    return order ? order : compare_numbers(a->number, b->number);
}

static int compare_untraced(const void *left, const void *right) { return compare_links(left, right); }

/* The ends of one id.  If all traces among them are one, ends without a trace belong to it; if there are several, they could
 * belong to any. */
static void share_trace(struct packet *packets, size_t count) {
    unsigned trace = NO_NUMBER;
    bool several = false, missing = false;
    for (size_t i = 0; i < count; i++) {
        if (packets[i].trace == NO_NUMBER) {
            missing = true;
            continue;
        }
        several |= trace != NO_NUMBER && trace != packets[i].trace;
        trace = packets[i].trace;
    }
    for (size_t i = 0; missing && i < count; i++) {
        packets[i].vague = several;
        if (!several) packets[i].trace = trace;
    }
}

static void share_traces(struct packet *packets, size_t count) {
    qsort(packets, count, sizeof *packets, compare_untraced);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && !compare_links(&packets[begin], &packets[end]);) end++;
        if (is_own(packets[begin].space)) share_trace(packets + begin, end - begin);
    }
}

/* ---- one key ---- */

/* The sweep over the ends of one key, in time order. */
struct sweep {
    const struct packet *packets;
    struct messages *messages; /* room for all; their ends are indices into packets until set_events */
    size_t *open;              /* messages sent, not received, and distinguishable */
    size_t open_count;
    size_t unclear; /* sends that may be open: a receive that fits them is ambiguous */
    size_t send_count;
    size_t matched; /* the last message received; NO_EVENT: none */
    size_t early;   /* the message of the first receive before any send; NO_EVENT: none */
    size_t early_count;
    bool whole; /* no event is missing */
};

static struct message *add_message(struct sweep *sweep, size_t i, enum message_state state) {
    const struct packet *packet = &sweep->packets[i];
    struct message *message = &sweep->messages->items[sweep->messages->count++];
    *message = (struct message){.kind = is_own(packet->space) ? MESSAGE_OWN : MESSAGE_PACKET,
                                .state = state,
                                .from = from_of(packet),
                                .to = to_of(packet),
                                .send = packet->role == PACKET_SENT ? i : NO_EVENT,
                                .receive = packet->role == PACKET_RECEIVED ? i : NO_EVENT,
                                .lost = packet->role == PACKET_LOST ? i : NO_EVENT,
                                .replaces = NO_EVENT,
                                .untimed = packet->untimed,
                                .number = packet->number,
                                .space = packet->space};
    return message;
}

static size_t index_of(const struct sweep *sweep, const struct message *message) {
    return (size_t)(message - sweep->messages->items);
}

static bool bytes_differ(const struct packet *a, const struct packet *b) { return a->bytes && b->bytes && a->bytes != b->bytes; }

/* Which of the open sends a receive belongs to: its place in `open`, or NO_EVENT when several could be it. */
static size_t choose_send(const struct sweep *sweep, const struct packet *receive) {
    size_t chosen = NO_EVENT;
    if (sweep->unclear || sweep->open_count > MESSAGE_CANDIDATES_MAX) return NO_EVENT;
    if (sweep->open_count == 1) return 0;
    for (size_t i = 0; i < sweep->open_count; i++) {
        if (bytes_differ(&sweep->packets[sweep->messages->items[sweep->open[i]].send], receive)) continue;
        if (chosen != NO_EVENT) return NO_EVENT;
        chosen = i;
    }
    return chosen;
}

static void set_gap(const struct sweep *sweep, struct message *message) {
    const struct packet *send = &sweep->packets[message->send], *receive = &sweep->packets[message->receive];
    if (send->clock_steps != receive->clock_steps) message->untimed = true;
    if (message->untimed) return;
    message->gap_ns = (int64_t)(receive->time_ns - send->time_ns);
}

/* A receive while no send is open: a duplicate, or we do not have its send. */
static void take_receive_without_send(struct sweep *sweep, size_t i) {
    bool again = sweep->send_count == 1 && sweep->matched != NO_EVENT;
    struct message *message = add_message(sweep, i,
                                          again               ? MESSAGE_DUPLICATE
                                          : sweep->send_count ? MESSAGE_AMBIGUOUS
                                                              : MESSAGE_UNSENT);
    if (again) {
        message->send = sweep->messages->items[sweep->matched].send;
        set_gap(sweep, message);
    }
    if (!sweep->send_count && !sweep->early_count++) sweep->early = index_of(sweep, message);
}

static void take_receive(struct sweep *sweep, size_t i) {
    struct message *items = sweep->messages->items;
    if (sweep->open_count + sweep->unclear == 0) {
        take_receive_without_send(sweep, i);
        return;
    }
    size_t place = choose_send(sweep, &sweep->packets[i]);
    if (place == NO_EVENT) {
        add_message(sweep, i, MESSAGE_AMBIGUOUS);
        for (size_t k = 0; k < sweep->open_count; k++) items[sweep->open[k]].state = MESSAGE_AMBIGUOUS;
        sweep->unclear = sweep->unclear + sweep->open_count - 1;
        sweep->open_count = 0;
        return;
    }
    sweep->matched = sweep->open[place];
    sweep->open[place] = sweep->open[--sweep->open_count];
    items[sweep->matched].state = MESSAGE_MATCHED;
    items[sweep->matched].receive = i;
    set_gap(sweep, &items[sweep->matched]);
}

/* A loss belongs to the one send without a receive; failing that, to the one send with a receive: then the declaration
 * was wrong. */
static void take_loss(struct sweep *sweep, size_t i) {
    struct message *items = sweep->messages->items, *message = NULL;
    if (sweep->open_count == 1 && !sweep->unclear)
        message = &items[sweep->open[0]];
    else if (sweep->send_count == 1 && sweep->matched != NO_EVENT)
        message = &items[sweep->matched];
    if (message && message->lost == NO_EVENT)
        message->lost = i;
    else
        add_message(sweep, i, sweep->send_count ? MESSAGE_AMBIGUOUS : MESSAGE_UNSENT);
}

/* One receive before the only send, and nothing else that either could match: they are in disorder. */
static void join_disorder(struct sweep *sweep) {
    struct message *items = sweep->messages->items;
    if (!sweep->whole || sweep->early_count != 1 || sweep->send_count != 1 || sweep->matched != NO_EVENT) return;
    struct message *early = &items[sweep->early], *late = &items[sweep->open[0]];
    const struct packet *receive = &sweep->packets[early->receive], *send = &sweep->packets[late->send];
    bool near =
        receive->untimed || receive->clock_steps != send->clock_steps || send->time_ns - receive->time_ns <= DISORDER_NS_MAX;
    if (late->lost != NO_EVENT || !near || bytes_differ(send, receive)) return;
    early->send = late->send;
    early->state = MESSAGE_MATCHED;
    set_gap(sweep, early);
    late->send = NO_EVENT; /* the message is empty now; set_events removes it */
}

static void sweep_key(struct sweep *sweep, size_t begin, size_t end) {
    sweep->open_count = sweep->unclear = sweep->send_count = sweep->early_count = 0;
    sweep->matched = sweep->early = NO_EVENT;
    for (size_t i = begin; i < end; i++) {
        if (sweep->packets[i].role == PACKET_RECEIVED) {
            take_receive(sweep, i);
        } else if (sweep->packets[i].role == PACKET_LOST) {
            take_loss(sweep, i);
        } else {
            sweep->send_count++;
            sweep->open[sweep->open_count++] = index_of(sweep, add_message(sweep, i, MESSAGE_UNRECEIVED));
        }
    }
    join_disorder(sweep);
}

/* ---- all packets ---- */

static size_t first_event(const struct message *message) {
    size_t first = message->send < message->receive ? message->send : message->receive;
    return message->lost < first ? message->lost : first;
}

static int compare_messages(const void *left, const void *right) {
    const struct message *a = left, *b = right;
    size_t a_first = first_event(a), b_first = first_event(b);
    if (a_first != b_first) return a_first < b_first ? -1 : 1;
    /* A duplicate has the same send, and its own receive. */
    return a->receive < b->receive ? -1 : a->receive > b->receive;
}

static size_t event_of(const struct packet *packets, size_t packet) {
    return packet == NO_EVENT ? NO_EVENT : packets[packet].event;
}

/* Turns indices into packets into events, and removes the messages that join_disorder emptied. */
static void set_events(struct messages *messages, const struct packet *packets) {
    size_t count = 0;
    for (size_t i = 0; i < messages->count; i++) {
        struct message message = messages->items[i];
        size_t alone = message.send != NO_EVENT ? message.send : message.receive;
        if ((message.state == MESSAGE_UNRECEIVED || message.state == MESSAGE_UNSENT) && alone != NO_EVENT && packets[alone].vague)
            message.state = MESSAGE_AMBIGUOUS;
        message.send = event_of(packets, message.send);
        message.receive = event_of(packets, message.receive);
        message.lost = event_of(packets, message.lost);
        if (first_event(&message) != NO_EVENT) messages->items[count++] = message;
    }
    messages->count = count;
    qsort(messages->items, count, sizeof *messages->items, compare_messages);
}

static int match_into(struct messages *messages, struct packet *packets, size_t count, bool whole) {
    struct sweep sweep = {
        .packets = packets, .messages = messages, .open = calloc(count + 1, sizeof *sweep.open), .whole = whole};
    if (!sweep.open || fill_peers(packets, count)) {
        free(sweep.open);
        return -ENOMEM;
    }
    share_traces(packets, count);
    qsort(packets, count, sizeof *packets, compare_packets);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && !compare_keys(&packets[begin], &packets[end]);) end++;
        sweep_key(&sweep, begin, end);
    }
    set_events(messages, packets);
    free(sweep.open);
    return 0;
}

int messages_match(struct messages *ret_messages, struct packet *packets, size_t count, bool whole) {
    struct messages messages = {.items = calloc(count + 1, sizeof *messages.items)};
    if (!messages.items || match_into(&messages, packets, count, whole)) {
        messages_fini(&messages);
        return -ENOMEM;
    }
    *ret_messages = messages;
    return 0;
}

void messages_fini(struct messages *messages) {
    free(messages->items);
    *messages = (struct messages){0};
}

/* ---- requests and answers ---- */

static void add_edge(struct messages *messages, const struct trace_events *events, struct message message) {
    message.lost = message.replaces = NO_EVENT;
    message.state = message.receive == NO_EVENT ? MESSAGE_UNRECEIVED
                    : message.send == NO_EVENT  ? MESSAGE_UNSENT
                                                : MESSAGE_MATCHED;
    message.untimed = !node_clocks_comparable(&events->facts->clocks, message.from, message.to, NULL);
    if (message.state == MESSAGE_MATCHED &&
        trace_event_at(events, message.receive)->clock_steps != trace_event_at(events, message.send)->clock_steps)
        message.untimed = true;
    if (message.state == MESSAGE_MATCHED && !message.untimed)
        message.gap_ns =
            (int64_t)(trace_event_at(events, message.receive)->time_ns - trace_event_at(events, message.send)->time_ns);
    messages->items[messages->count++] = message;
}

static void add_spans(struct messages *messages, const struct trace_events *events, const struct spans *spans) {
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        const struct span *parent = span->parent == NO_POSITION ? NULL : &spans->items[span->parent];
        if (!span->parent_missing && (!parent || parent->node == span->node)) continue;
        unsigned asker = parent ? parent->node : NO_NUMBER;
        size_t began = parent ? parent->start : NO_EVENT, ended = parent ? parent->end : NO_EVENT;
        /* An asker that ended first has no answer. */
        if (span->end != NO_EVENT && ended < span->end) ended = NO_EVENT;
        if (span->start != NO_EVENT)
            add_edge(messages, events,
                     (struct message){
                         .kind = MESSAGE_REQUEST, .from = asker, .to = span->node, .send = began, .receive = span->start});
        if (span->end != NO_EVENT)
            add_edge(
                messages, events,
                (struct message){.kind = MESSAGE_ANSWER, .from = span->node, .to = asker, .send = span->end, .receive = ended});
    }
}

/* ---- all messages ---- */

static size_t read_packets(struct packet *packets, const struct trace_events *events, bool *ret_whole) {
    static const enum packet_role roles[] = {[FACT_PACKET_SENT] = PACKET_SENT,
                                             [FACT_PACKET_RECEIVED] = PACKET_RECEIVED,
                                             [FACT_PACKET_LOST] = PACKET_LOST,
                                             [FACT_MESSAGE_SENT] = PACKET_SENT,
                                             [FACT_MESSAGE_RECEIVED] = PACKET_RECEIVED};
    size_t count = 0;
    *ret_whole = true;
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->kind == FACT_EVENTS_LOST) *ret_whole = false;
        if (!fact_has_number(fact)) continue;
        packets[count++] =
            (struct packet){.role = roles[fact->kind],
                            .node = fact->node,
                            .peer = fact->peer,
                            .trace = fact->trace,
                            .space = fact->space,
                            .number = fact->number,
                            .bytes = fact->bytes,
                            .time_ns = fact->time_ns,
                            .event = i,
                            .clock_steps = fact->clock_steps,
                            .untimed = !node_clocks_comparable(&events->facts->clocks, fact->node, fact->peer, NULL)};
    }
    return count;
}

int messages_of_events(struct messages *ret_messages, const struct trace_events *events, const struct spans *spans) {
    struct messages messages = {.items = calloc(events->count + 1, sizeof *messages.items)};
    struct packet *packets = calloc(events->count + 1, sizeof *packets);
    bool whole;
    int result = -ENOMEM;
    if (messages.items && packets) {
        size_t count = read_packets(packets, events, &whole);
        result = match_into(&messages, packets, count, whole);
    }
    if (!result) {
        add_spans(&messages, events, spans);
        qsort(messages.items, messages.count, sizeof *messages.items, compare_messages);
        result = messages_find_repeats(&messages, events);
    }
    free(packets);
    if (result)
        messages_fini(&messages);
    else
        *ret_messages = messages;
    return result;
}

const char *message_kind_name(enum message_kind kind) {
    static const char *const names[] = {"packet", "message", "request", "answer"};
    return names[kind];
}

bool message_has_number(const struct message *message) { return message->kind == MESSAGE_PACKET || message->kind == MESSAGE_OWN; }

const char *message_state_name(const struct message *message) {
    static const char *const names[] = {"matched", "duplicate", "ambiguous", "unreceived", "unsent"};
    return message->state == MESSAGE_UNRECEIVED && message->lost != NO_EVENT ? "lost" : names[message->state];
}
