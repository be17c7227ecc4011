/* SPDX-License-Identifier: MIT
 *
 * Requests: parts that have not ended, and where the time of those that have went.
 *
 * A part is a span, at one node.  While it waits for a part at another node, that time is the other's, and what passes between the two, on
 * the way there and back, is the link's: from the first packet to the other node (of this request, behind the answer to what was asked
 * before) until the other part begins, and from its end until the last packet from there.  Where no such packets are told, the way
 * counts as the asker's own.  What is left is the node's own time. */
#include "analyze.h"
#include "analyze_thresholds.h"

#include <stdlib.h>

#define NO_PART ((size_t)-1)

struct part {
    unsigned trace, node;
    uint64_t span_id;
    size_t start, end; /* facts, or NO_FACT */
    size_t parent;     /* a part of the same trace, or NO_PART */
    bool waits;        /* for a part that has not ended */
};

/* What a request spent at a node, or on the way from it to a peer and back. */
struct spent {
    unsigned command; /* of the whole request */
    unsigned node, peer;
    unsigned trace;
    uint64_t ns, whole_ns;
    size_t evidence[EVIDENCE_MAX];
};

struct requests {
    struct analysis *analysis;
    const struct fact *facts;
    struct part *parts; /* by trace and span */
    size_t part_count;
    size_t *children; /* parts that have a parent, by that and their start */
    size_t child_count;
    size_t *packets; /* facts, by trace, node, peer, kind and time */
    size_t packet_count;
    struct spent *spent;
    size_t spent_count;
    double *room;
};

static int compare(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* qsort has no argument to pass them by. */
static _Thread_local const struct fact *sorted_facts;
static _Thread_local const struct part *sorted_parts;

/* ---- parts ---- */

static int compare_edges(const void *left, const void *right) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct fact *a = &sorted_facts[i], *b = &sorted_facts[j];
    int order = compare(a->trace, b->trace);
    if (!order) order = compare(a->span_id, b->span_id);
    return order ? order : compare(i, j);
}

static bool is_edge(const struct fact *fact) { return fact->kind == FACT_APP_START || fact->kind == FACT_APP_END; }

static size_t find_part(const struct requests *requests, unsigned trace, uint64_t span_id) {
    size_t low = 0, high = requests->part_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct part *part = &requests->parts[middle];
        if (part->trace < trace || (part->trace == trace && part->span_id < span_id))
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < requests->part_count && requests->parts[low].trace == trace && requests->parts[low].span_id == span_id;
    return found ? low : NO_PART;
}

static void take_edge(struct requests *requests, size_t i) {
    const struct fact *fact = &requests->facts[i];
    struct part *part = requests->part_count ? &requests->parts[requests->part_count - 1] : NULL;
    if (!part || part->trace != fact->trace || part->span_id != fact->span_id) {
        part = &requests->parts[requests->part_count++];
        *part = (struct part){.trace = fact->trace,
                              .node = fact->node,
                              .span_id = fact->span_id,
                              .start = NO_FACT,
                              .end = NO_FACT,
                              .parent = NO_PART};
    }
    if (fact->kind == FACT_APP_START && part->start == NO_FACT) part->start = i;
    if (fact->kind == FACT_APP_END && part->end == NO_FACT) part->end = i;
}

static int compare_children(const void *left, const void *right) {
    const struct part *a = &sorted_parts[*(const size_t *)left], *b = &sorted_parts[*(const size_t *)right];
    int order = compare(a->parent, b->parent);
    return order ? order : compare(a->start, b->start);
}

static void link_parts(struct requests *requests) {
    for (size_t i = 0; i < requests->part_count; i++) {
        struct part *part = &requests->parts[i];
        if (part->start == NO_FACT) continue;
        requests->analysis->coverage.requests++;
        uint64_t parent_id = requests->facts[part->start].parent_id;
        if (parent_id && parent_id != part->span_id) part->parent = find_part(requests, part->trace, parent_id);
        if (part->parent == NO_PART) continue;
        requests->children[requests->child_count++] = i;
        if (part->end == NO_FACT) requests->parts[part->parent].waits = true;
    }
    sorted_parts = requests->parts;
    qsort(requests->children, requests->child_count, sizeof *requests->children, compare_children);
}

static void list_parts(struct requests *requests, size_t *edges) {
    const struct facts *facts = requests->analysis->facts;
    size_t count = 0;
    for (size_t i = 0; i < facts->count; i++)
        if (is_edge(&facts->items[i]) && facts->items[i].trace != NO_NUMBER) edges[count++] = i;
    sorted_facts = facts->items;
    qsort(edges, count, sizeof *edges, compare_edges);
    for (size_t i = 0; i < count; i++) take_edge(requests, edges[i]);
    link_parts(requests);
}

/* ---- parts that have not ended ---- */

static int compare_open(const void *left, const void *right) {
    const struct part *a = left, *b = right;
    int order = compare(a->node, b->node);
    if (!order) order = compare(sorted_facts[a->start].command, sorted_facts[b->start].command);
    return order ? order : compare(a->start, b->start);
}

static bool misses_events(const struct facts *facts, unsigned node) {
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].kind == FACT_EVENTS_LOST && facts->items[i].node == node) return true;
    return false;
}

/* Of one node and command, the oldest first. */
static void tell_open(struct analysis *analysis, const struct part *open, size_t count) {
    const struct fact *oldest = &analysis->facts->items[open->start];
    uint64_t age_ns = analysis->now_ns - oldest->time_ns;
    enum severity severity = age_ns >= REQUEST_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    struct finding finding = {.kind = FINDING_REQUEST_OPEN,
                              .severity = misses_events(analysis->facts, open->node) ? SEVERITY_NOTE : severity,
                              .weight = (double)age_ns / 1e9,
                              .node = open->node,
                              .peer = NO_NUMBER,
                              .trace = open->trace,
                              .command = oldest->command,
                              .count = count,
                              .ns = age_ns,
                              .time_ns = oldest->time_ns};
    for (size_t i = 0; i < count; i++) finding_show(&finding, open[i].start);
    analysis_add(analysis, &finding);
}

/* Those that wait for no other that is open: the others follow from them. */
static void find_open(struct requests *requests) {
    struct analysis *analysis = requests->analysis;
    struct part *open = calloc(requests->part_count + 1, sizeof *open);
    size_t count = 0;
    if (!open) {
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < requests->part_count; i++) {
        const struct part *part = &requests->parts[i];
        if (part->start == NO_FACT || part->end != NO_FACT || part->waits) continue;
        uint64_t start_ns = requests->facts[part->start].time_ns;
        if (analysis->now_ns >= start_ns && analysis->now_ns - start_ns >= REQUEST_AGE_NS_MIN) open[count++] = *part;
    }
    qsort(open, count, sizeof *open, compare_open);
    for (size_t begin = 0, end; begin < count; begin = end) {
        unsigned command = requests->facts[open[begin].start].command;
        for (end = begin;
             end < count && open[end].node == open[begin].node && requests->facts[open[end].start].command == command;)
            end++;
        tell_open(analysis, open + begin, end - begin);
    }
    free(open);
}

/* ---- packets of a request ---- */

static int compare_packet_keys(const struct fact *a, const struct fact *b) {
    int order = compare(a->trace, b->trace);
    if (!order) order = compare(a->node, b->node);
    if (!order) order = compare(a->peer, b->peer);
    return order ? order : compare(a->kind, b->kind);
}

static int compare_packets(const void *left, const void *right) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    int order = compare_packet_keys(&sorted_facts[i], &sorted_facts[j]);
    return order ? order : compare(i, j);
}

static void list_packets(struct requests *requests) {
    const struct facts *facts = requests->analysis->facts;
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->items[i];
        bool packet = fact->kind == FACT_PACKET_SENT || fact->kind == FACT_PACKET_RECEIVED;
        if (packet && fact->trace != NO_NUMBER) requests->packets[requests->packet_count++] = i;
    }
    sorted_facts = facts->items;
    qsort(requests->packets, requests->packet_count, sizeof *requests->packets, compare_packets);
}

/* The place in packets of the first like `key` at or after a time. */
static size_t packet_place(const struct requests *requests, const struct fact *key, uint64_t time_ns) {
    size_t low = 0, high = requests->packet_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct fact *fact = &requests->facts[requests->packets[middle]];
        int order = compare_packet_keys(fact, key);
        if (order < 0 || (!order && fact->time_ns < time_ns))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first packet from a part's node to a peer in a time, its ends included; NO_FACT when there is none. */
static size_t first_sent(const struct requests *requests, const struct part *part, unsigned peer, uint64_t from_ns,
                         uint64_t to_ns) {
    const struct fact key = {.trace = part->trace, .node = part->node, .peer = peer, .kind = FACT_PACKET_SENT};
    size_t place = packet_place(requests, &key, from_ns);
    if (place == requests->packet_count) return NO_FACT;
    const struct fact *fact = &requests->facts[requests->packets[place]];
    return compare_packet_keys(fact, &key) || fact->time_ns > to_ns ? NO_FACT : requests->packets[place];
}

/* The last packet that it received from a peer in a time. */
static size_t last_received(const struct requests *requests, const struct part *part, unsigned peer, uint64_t from_ns,
                            uint64_t to_ns) {
    const struct fact key = {.trace = part->trace, .node = part->node, .peer = peer, .kind = FACT_PACKET_RECEIVED};
    size_t place = packet_place(requests, &key, to_ns + 1);
    if (!place) return NO_FACT;
    const struct fact *fact = &requests->facts[requests->packets[place - 1]];
    return compare_packet_keys(fact, &key) || fact->time_ns < from_ns ? NO_FACT : requests->packets[place - 1];
}

/* ---- where the time went ---- */

/* The request that a part belongs to. */
struct whole {
    unsigned command;
    uint64_t ns;
};

static void spend(struct requests *requests, const struct whole *whole, const struct spent *spent) {
    struct spent *added = &requests->spent[requests->spent_count++];
    *added = *spent;
    added->command = whole->command;
    added->whole_ns = whole->ns;
}

static uint64_t time_of(const struct requests *requests, size_t fact) { return requests->facts[fact].time_ns; }

/* One part asked another: tells what passed between them, and when the asker waited for it. */
static void spend_on_way(struct requests *requests, const struct whole *whole, const struct part *part, const struct part *child,
                         uint64_t asked_from_ns, uint64_t answered_to_ns, uint64_t *ret_from_ns, uint64_t *ret_to_ns) {
    uint64_t start_ns = time_of(requests, child->start), end_ns = time_of(requests, child->end);
    *ret_from_ns = start_ns;
    *ret_to_ns = end_ns;
    if (child->node == part->node) return;
    size_t sent = first_sent(requests, part, child->node, asked_from_ns, start_ns);
    size_t received = last_received(requests, part, child->node, end_ns, answered_to_ns);
    if (sent != NO_FACT) *ret_from_ns = time_of(requests, sent);
    if (received != NO_FACT) *ret_to_ns = time_of(requests, received);
    struct spent way = {.node = part->node,
                        .peer = child->node,
                        .trace = part->trace,
                        .ns = (start_ns - *ret_from_ns) + (*ret_to_ns - end_ns),
                        .evidence = {sent, child->start, child->end, received}};
    spend(requests, whole, &way);
}

/* The children of a part: where they begin in `children`, and how many they are. */
static size_t find_children(const struct requests *requests, size_t parent, size_t *ret_count) {
    size_t low = 0, high = requests->child_count, end;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (requests->parts[requests->children[middle]].parent < parent)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < requests->child_count && requests->parts[requests->children[end]].parent == parent;) end++;
    *ret_count = end - low;
    return low;
}

static void spend_part(struct requests *requests, const struct whole *whole, size_t index) {
    const struct part *part = &requests->parts[index];
    uint64_t start_ns = time_of(requests, part->start), end_ns = time_of(requests, part->end);
    uint64_t own_ns = end_ns - start_ns, waited_to_ns = start_ns;
    size_t count, begin = find_children(requests, index, &count);
    for (size_t i = begin; i < begin + count; i++) {
        const struct part *child = &requests->parts[requests->children[i]];
        uint64_t from_ns, to_ns, next_ns = end_ns;
        if (i + 1 < begin + count) next_ns = time_of(requests, requests->parts[requests->children[i + 1]].start);
        if (next_ns < time_of(requests, child->end)) next_ns = end_ns;      /* they are asked side by side */
        if (child->start < part->start || child->end > part->end) continue; /* it outlives who asked: nobody waited for it */
        spend_on_way(requests, whole, part, child, waited_to_ns < time_of(requests, child->start) ? waited_to_ns : start_ns,
                     next_ns, &from_ns, &to_ns);
        if (from_ns < waited_to_ns) from_ns = waited_to_ns;
        if (to_ns <= from_ns) continue;
        own_ns -= to_ns - from_ns;
        waited_to_ns = to_ns;
    }
    struct spent own = {.node = part->node,
                        .peer = NO_NUMBER,
                        .trace = part->trace,
                        .ns = own_ns,
                        .evidence = {part->start, part->end, NO_FACT, NO_FACT}};
    spend(requests, whole, &own);
}

/* The parts of one trace lie side by side.  Only a request that is whole is judged: one root, and every part with both ends. */
static void spend_trace(struct requests *requests, size_t begin, size_t end) {
    size_t root = NO_PART;
    for (size_t i = begin; i < end; i++) {
        const struct part *part = &requests->parts[i];
        if (part->start == NO_FACT || part->end == NO_FACT || part->end < part->start) return;
        if (part->parent != NO_PART) continue;
        if (requests->facts[part->start].parent_id || root != NO_PART) return;
        root = i;
    }
    if (root == NO_PART) return;
    requests->analysis->coverage.requests_whole++;
    const struct part *part = &requests->parts[root];
    struct whole whole = {.command = requests->facts[part->start].command,
                          .ns = time_of(requests, part->end) - time_of(requests, part->start)};
    for (size_t i = begin; i < end; i++) spend_part(requests, &whole, i);
}

static int compare_groups(const struct spent *a, const struct spent *b) {
    int order = compare(a->command, b->command);
    if (!order) order = compare(a->node, b->node);
    return order ? order : compare(a->peer, b->peer);
}

static int compare_spent(const void *left, const void *right) {
    const struct spent *a = left, *b = right;
    int order = compare_groups(a, b);
    if (!order) order = compare(a->trace, b->trace);
    return order ? order : compare(b->ns, a->ns);
}

/* What one request spent in several visits to a place becomes one; the longest shows it. */
static void merge_visits(struct requests *requests) {
    size_t count = 0;
    qsort(requests->spent, requests->spent_count, sizeof *requests->spent, compare_spent);
    for (size_t i = 0; i < requests->spent_count; i++) {
        struct spent *last = count ? &requests->spent[count - 1] : NULL;
        if (last && !compare_groups(last, &requests->spent[i]) && last->trace == requests->spent[i].trace)
            last->ns += requests->spent[i].ns;
        else
            requests->spent[count++] = requests->spent[i];
    }
    requests->spent_count = count;
}

/* All requests of one command at one place. */
static void judge_place(struct requests *requests, const struct spent *spent, size_t count) {
    struct analysis *analysis = requests->analysis;
    const struct spent *longest = spent;
    uint64_t slow = 0;
    for (size_t i = 0; i < count; i++) {
        slow += (double)spent[i].ns >= SLOW_SHARE_MIN * (double)spent[i].whole_ns;
        if (spent[i].ns > longest->ns) longest = &spent[i];
        requests->room[i] = (double)spent[i].ns;
    }
    sort_values(requests->room, count);
    uint64_t middle_ns = (uint64_t)requests->room[count / 2];
    if (count < (analysis->one_trace ? 1 : SLOW_REQUESTS_MIN) || (double)slow < SLOW_OFTEN_MIN * (double)count ||
        middle_ns < SLOW_NS_MIN)
        return;
    struct finding finding = {.kind = spent->peer == NO_NUMBER ? FINDING_SLOW_NODE : FINDING_SLOW_LINK,
                              .severity = middle_ns >= SLOW_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)middle_ns / 1e9,
                              .node = spent->node,
                              .peer = spent->peer,
                              .trace = longest->trace,
                              .command = spent->command,
                              .count = slow,
                              .of = count,
                              .ns = middle_ns};
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) finding_show(&finding, longest->evidence[i]);
    analysis_add(analysis, &finding);
}

static void find_slow(struct requests *requests) {
    for (size_t begin = 0, end; begin < requests->part_count; begin = end) {
        for (end = begin; end < requests->part_count && requests->parts[end].trace == requests->parts[begin].trace;) end++;
        spend_trace(requests, begin, end);
    }
    merge_visits(requests);
    for (size_t begin = 0, end; begin < requests->spent_count; begin = end) {
        for (end = begin; end < requests->spent_count && !compare_groups(&requests->spent[begin], &requests->spent[end]);) end++;
        judge_place(requests, requests->spent + begin, end - begin);
    }
}

void analyze_requests(struct analysis *analysis) {
    size_t room = analysis->facts->count + 1;
    struct requests requests = {.analysis = analysis, .facts = analysis->facts->items};
    size_t *edges = calloc(room, sizeof *edges);
    requests.parts = calloc(room, sizeof *requests.parts);
    requests.children = calloc(room, sizeof *requests.children);
    requests.packets = calloc(room, sizeof *requests.packets);
    requests.spent = calloc(2 * room, sizeof *requests.spent);
    requests.room = calloc(2 * room, sizeof *requests.room);
    if (edges && requests.parts && requests.children && requests.packets && requests.spent && requests.room) {
        list_parts(&requests, edges);
        find_open(&requests);
        list_packets(&requests);
        find_slow(&requests);
    } else {
        analysis->failed = true;
    }
    free(edges);
    free(requests.parts);
    free(requests.children);
    free(requests.packets);
    free(requests.spent);
    free(requests.room);
}
