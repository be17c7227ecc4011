/* SPDX-License-Identifier: MIT */
#include <store/nodes_past.h>

#include <errno.h>
#include <stdlib.h>
#include <store/grace.h>

#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed) /* relaxed: independent counters */

/* Of one index. */
struct later {
    uint64_t events; /* in the history, from then on */
    uint64_t lost[TRACE_LOSS_COUNT];
    uint64_t last_ns; /* of the newest event before; 0: none */
};

struct nodes_past {
    uint64_t at_ns;
    uint32_t count;
    struct later *nodes;
};

void node_now(const struct node *node, struct node_then *ret_then) {
    /* state:A  Pairs with state:R of nodes.c: when it ended, and its last counters, are there before the state. */
    ret_then->state = atomic_load_explicit(&node->state, memory_order_acquire);
    ret_then->emitted = LOAD(node->emitted);
    ret_then->indexed = LOAD(node->indexed);
    ret_then->unfinished = LOAD(node->unfinished);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) ret_then->lost[cause] = LOAD(node->lost[cause]);
    ret_then->last_unix_ns = LOAD(node->last_unix_ns);
    ret_then->ended_after_ns = LOAD(node->ended_after_ns);
    ret_then->ended_by_ns = LOAD(node->ended_by_ns);
}

static int note_later(void *context, const struct trace_event *event, history_source source) {
    struct nodes_past *past = context;
    uint32_t node = history_source_node(source);
    if (node >= past->count) return 0;
    struct later *later = &past->nodes[node];
    const struct trace_events_lost *lost = &event->data.events_lost;
    if (event->kind != TRACE_KIND_EVENTS_LOST)
        later->events++;
    else if (lost->cause < TRACE_LOSS_COUNT)
        later->lost[lost->cause] += lost->count;
    return 0;
}

/* The newest event of a log before that time. */
static int find_last(struct nodes_past *past, struct history *history, uint32_t index, uint64_t end, struct history_work *work) {
    uint64_t set[NODES_SET_WORDS] = {0};
    const struct history_query query = {.by_node = true,
                                        .node_set = set,
                                        .node_set_bits = NODES_MAX,
                                        .kinds = ~(UINT64_C(1) << TRACE_KIND_EVENTS_LOST),
                                        .to_ns = past->at_ns,
                                        .work = work};
    struct history_answer answer;
    set[index / 64] |= UINT64_C(1) << index % 64;
    int error = history_select(history, &query, 0, end, 1, true, NULL, &answer);
    if (error) return error;
    if (answer.count) past->nodes[index].last_ns = answer.hits[0].event.timestamp;
    history_answer_fini(&answer);
    return 0;
}

/* Did the node say nothing from then on?  Then its newest event is known. */
static int look_back(struct nodes_past *past, const struct nodes *nodes, struct history *history, uint64_t end,
                     struct history_work *work) {
    int error = 0;
    for (uint32_t i = 0; i < past->count && !error; i++) {
        grace_read_lock();
        const struct node *node = nodes_at(nodes, i);
        uint64_t last_ns = node ? LOAD(node->last_unix_ns) : 0;
        grace_read_unlock();
        if (last_ns && last_ns < past->at_ns)
            past->nodes[i].last_ns = last_ns;
        else if (last_ns)
            error = find_last(past, history, i, end, work);
    }
    return error;
}

int nodes_past_create(struct nodes_past **ret_past, const struct nodes *nodes, struct history *history, uint64_t at_ns,
                      struct history_work *work) {
    const struct history_query later = {.from_ns = at_ns, .work = work};
    struct history_visited visited;
    struct nodes_past *past = calloc(1, sizeof *past);
    if (!past) return -ENOMEM;
    past->at_ns = at_ns;
    past->count = nodes_count(nodes);
    past->nodes = calloc(past->count ? past->count : 1, sizeof *past->nodes);
    grace_read_lock();
    uint64_t end = history_end_position(history);
    grace_read_unlock();
    int error = past->nodes ? history_visit(history, &later, 0, end, note_later, past, &visited) : -ENOMEM;
    if (!error) error = look_back(past, nodes, history, end, work);
    if (error)
        nodes_past_destroy(past);
    else
        *ret_past = past;
    return error;
}

void nodes_past_destroy(struct nodes_past *past) {
    if (past) free(past->nodes);
    free(past);
}

static uint64_t less(uint64_t count, uint64_t later) { return count > later ? count - later : 0; }

/* Had it ended by then, as far as anybody knew?  Without a time of its end, it lived as long as it emitted; for how much longer
 * is not known. */
static uint32_t state_then(const struct node_then *then, uint64_t at_ns, bool emits_later) {
    bool ended = then->state == NODE_EXITED || then->state == NODE_CRASHED;
    if (!ended || (then->ended_by_ns && then->ended_by_ns <= at_ns)) return then->state;
    return then->ended_by_ns || emits_later ? NODE_LIVE : NODE_UNKNOWN;
}

bool nodes_past_at(const struct nodes_past *past, uint32_t index, const struct node *node, struct node_then *ret_then) {
    static const struct later nothing;
    const struct later *later = index < past->count ? &past->nodes[index] : &nothing;
    struct node_then *then = ret_then;
    node_now(node, then);
    bool emits_later = then->last_unix_ns >= past->at_ns;
    uint64_t lost_later = 0;
    if (node->info.started_unix_ns >= past->at_ns) return false;
    if (!node->info.started_unix_ns && emits_later && !later->last_ns) return false; /* all that is known of it is later */
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) {
        then->lost[cause] = less(then->lost[cause], later->lost[cause]);
        lost_later += later->lost[cause];
    }
    then->emitted = less(then->emitted, later->events + lost_later);
    then->indexed = less(then->indexed, later->events);
    then->state = state_then(then, past->at_ns, emits_later);
    then->last_unix_ns = later->last_ns;
    if (then->state == NODE_LIVE) then->unfinished = then->ended_after_ns = then->ended_by_ns = 0;
    return true;
}
