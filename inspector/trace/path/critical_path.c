/* SPDX-License-Identifier: MIT */
#include "critical_path.h"

#include "node_states.h"
#include "numbers.h"
#include "path_branches.h"
#include "path_ended_part.h"
#include "path_exchanges.h"

#include <errno.h>
#include <stdlib.h>

#define GIVEN_UP_PART 10 /* of the request: nor if it waits a smaller part than this */

/* ---- a span's time ---- */

/* When something was on its way over a relay: from the first time to the last, and at the relay in between. */
struct passed {
    uint64_t from_ns, in_ns, out_ns, to_ns;
};

static void spend_relayed(struct walk *walk, size_t index, unsigned from, unsigned to, unsigned relay, struct passed passed) {
    walk_add_link(walk, index, from, relay, passed.from_ns, least(passed.in_ns, passed.to_ns));
    walk_add_node(walk, index, relay, greatest(passed.from_ns, passed.in_ns), least(passed.out_ns, passed.to_ns));
    walk_add_link(walk, index, relay, to, greatest(passed.from_ns, passed.out_ns), passed.to_ns);
}

/* The part of a branch from one time to another. */
static void spend_branch(struct walk *walk, size_t index, const struct branch *branch, uint64_t from_ns, uint64_t to_ns) {
    const struct span *span = &walk->path->spans.items[index];
    uint64_t hidden_ns = from_ns;
    if (branch->hidden || hidden_later(&walk->hidden, index, branch->until_ns, &hidden_ns)) {
        hidden_ns = branch->hidden ? from_ns : least(to_ns, greatest(from_ns, hidden_ns));
        walk_add_hidden(walk, index, hidden_ns, to_ns);
        to_ns = hidden_ns;
        if (from_ns >= to_ns) return;
    }
    if (branch->child == NO_POSITION) {
        exchange_spend(walk, index, branch, from_ns, to_ns);
        return;
    }
    const struct span *child = &walk->path->spans.items[branch->child];
    const struct way *way = &branch->way;
    if (child->node == span->node) {
        walk_add_task(walk, branch->child, greatest(from_ns, child->start_ns), to_ns);
        return;
    }
    if (!walk_is_sure(walk, span->node, child->node)) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    bool ends = branch->until_ns != UINT64_MAX || way->gone;
    uint64_t worked_ns = ends ? least(way->worked_ns, to_ns) : to_ns, received_ns = way->received_ns, began_ns = way->began_ns;
    if (child->start == NO_POSITION) { /* we do not know when it began */
        if (received_ns == child->start_ns) received_ns = from_ns;
        began_ns = received_ns;
    }
    if (way->relayed || way->relayed_there)
        spend_relayed(walk, index, span->node, child->node, way->relay,
                      (struct passed){from_ns, way->there_in_ns, way->there_out_ns, least(received_ns, to_ns)});
    else
        walk_add_link(walk, index, span->node, child->node, from_ns, least(received_ns, to_ns));
    walk_add_node(walk, branch->child, child->node, greatest(from_ns, received_ns), least(began_ns, to_ns));
    walk_add_task(walk, branch->child, greatest(from_ns, began_ns), worked_ns);
    if (!ends) return;
    walk_add_node(walk, branch->child, child->node, greatest(from_ns, way->worked_ns), least(way->answered_ns, to_ns));
    if (way->relayed)
        spend_relayed(walk, index, child->node, span->node, way->relay,
                      (struct passed){greatest(from_ns, way->answered_ns), way->back_in_ns, way->back_out_ns, to_ns});
    else if (branch->vain)
        walk_add_vain(walk, index, greatest(from_ns, way->answered_ns), to_ns);
    else
        walk_add_link(walk, index, child->node, span->node, greatest(from_ns, way->answered_ns), to_ns);
}

static void spend_own(struct walk *walk, size_t index, uint64_t from_ns, uint64_t to_ns, bool asks_then);

/* Goes back in time over the branches, the last answer first.  The span waits for a branch from its question on, except while
 * it waits for a later answer. */
static void go_back(struct walk *walk, size_t index, const struct branch *branches, size_t count, uint64_t from_ns,
                    uint64_t to_ns, bool exchanges) {
    uint64_t at_ns = to_ns;
    unsigned asker = walk->spans->items[index].asker;
    for (size_t i = 0; i < count && at_ns > from_ns && branches[i].until_ns > from_ns; i++) {
        uint64_t begin_ns = greatest(branches[i].from_ns, from_ns), end_ns = least(branches[i].until_ns, at_ns);
        if (begin_ns >= end_ns) continue;
        if (exchanges)
            walk_add_own(walk, index, asker, end_ns, at_ns);
        else
            spend_own(walk, index, end_ns, at_ns, at_ns < to_ns);
        spend_branch(walk, index, &branches[i], begin_ns, end_ns);
        at_ns = begin_ns;
    }
    if (exchanges)
        walk_add_own(walk, index, asker, from_ns, at_ns);
    else
        spend_own(walk, index, from_ns, at_ns, at_ns < to_ns);
}

/* A branch that did not end in time, but that the span waited for: the span did nothing else before it asked somebody
 * else; or we do not have the branch's end, which may have come.  NULL: none.  *ret_untimed: unknown, because of a clock
 * step.  Only the one that was asked first counts: the span waited for no other one longer. */
static const struct branch *given_up(const struct walk *walk, const struct branches *branches, uint64_t from_ns, uint64_t to_ns,
                                     bool asks_then, bool *ret_untimed) {
    const struct branch *branch = asks_then ? &branches->late : &branches->unended;
    *ret_untimed = false;
    if (branch->child == NO_POSITION) return NULL;
    uint64_t whole_ns = walk->path->end_ns - walk->path->start_ns;
    uint64_t begin_ns = greatest(from_ns, least(branch->from_ns, to_ns)), waited_ns = to_ns - begin_ns;
    bool enough = waited_ns >= GIVEN_UP_NS_MIN && waited_ns >= whole_ns / GIVEN_UP_PART;
    bool whole_steady = walk_is_steady(walk, walk->path->start_ns, walk->path->end_ns);
    *ret_untimed = !walk_is_steady(walk, begin_ns, to_ns) || (!whole_steady && enough);
    return enough && !*ret_untimed ? branch : NULL;
}

/* Had a span that failed done all its work by that time?  It had at its end; or when it sent its answer before, if it asked
 * nobody after that. */
static bool had_failed(const struct walk *walk, size_t index, uint64_t time_ns) {
    const struct span *span = &walk->path->spans.items[index];
    unsigned asker = walk->spans->items[index].asker;
    size_t answers;
    if (span->end != NO_POSITION && span->ok) return false;
    if (time_ns == span->end_ns) return true;
    const struct transport *other = transports_last_but(&walk->transports, span->node, asker, false, span->end_ns);
    if (other && other->time_ns >= time_ns) return false;
    transports_of_link(&walk->transports, span->node, asker, false, time_ns, time_ns, &answers);
    return answers;
}

/* Of a peer that the span had asked before: did nothing that was sent to it arrive any more? */
static bool is_cut_off(const struct walk *walk, const struct span *span, const struct branch *exchange, uint64_t to_ns) {
    return exchange->until_ns == UINT64_MAX && !exchange_arrived(walk, span, exchange, to_ns);
}

/* A time in which the span waited for none of its children. */
static void spend_own(struct walk *walk, size_t index, uint64_t from_ns, uint64_t to_ns, bool asks_then) {
    const struct span *span = &walk->path->spans.items[index];
    bool untimed;
    if (to_ns <= from_ns) return;
    const struct branches *branches = walk->branches[index];
    const struct branch *late = given_up(walk, branches, from_ns, to_ns, asks_then, &untimed);
    if (untimed) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    if (late && greatest(late->from_ns, from_ns) < to_ns) {
        uint64_t asked_ns = greatest(late->from_ns, from_ns);
        struct branch open = *late;
        open.until_ns = UINT64_MAX;
        spend_own(walk, index, from_ns, asked_ns, false);
        spend_branch(walk, index, &open, asked_ns, to_ns);
        return;
    }
    if (span->asks && !branches_reach(branches, span->peer)) {
        size_t sent, received;
        bool failed = span->end == NO_POSITION || !span->ok, known = walk->has_events[span->peer];
        transports_of_link(&walk->transports, span->node, span->peer, false, from_ns, to_ns, &sent);
        transports_of_link(&walk->transports, span->node, span->peer, true, from_ns, to_ns, &received);
        if (!known || (failed && !sent && !received)) {
            exchange_spend_at_peer(walk, index, span->peer, from_ns, to_ns, known || (sent && !received), false);
            return;
        }
    }
    if (branches->unseen) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    struct branch exchanges[EXCHANGES_MAX];
    size_t count = exchanges_list(walk, index, branches, from_ns, to_ns, exchanges), kept = 0;
    if (count && !walk_is_steady(walk, from_ns, to_ns)) {
        walk_add_untimed(walk, index, from_ns, to_ns);
        return;
    }
    bool failed = had_failed(walk, index, to_ns);
    for (size_t i = 0; i < count; i++) {
        struct branch *exchange = &exchanges[i];
        uint64_t next_ns = i + 1 < count ? exchanges[i + 1].from_ns : to_ns; /* then it went on without an answer */
        bool gave_up = failed || (asks_then && (exchange->lost || exchange->probed));
        exchange->unanswered = exchange->until_ns == UINT64_MAX;
        exchange->vain &= exchange->unanswered && !gave_up && !exchange->probed && next_ns - exchange->from_ns >= GIVEN_UP_NS_MIN;
        if (exchange->vain) exchange->until_ns = next_ns;
        if (exchange->unanswered && !gave_up && exchange->probed) exchange->until_ns = exchange->last_sent_ns;
        if (exchange->again && !(failed && is_cut_off(walk, span, exchange, to_ns))) continue;
        if (exchange->until_ns != UINT64_MAX || gave_up) exchanges[kept++] = *exchange;
    }
    if (!kept && to_ns == span->end_ns && exchange_unanswered(walk, span, from_ns, exchanges)) kept = 1;
    qsort(exchanges, kept, sizeof *exchanges, branch_compare);
    go_back(walk, index, exchanges, kept, from_ns, to_ns, true);
}

static void spend_span(struct walk *walk, const struct task *task) {
    const struct branches *branches = branches_of(walk, task->span);
    if (!branches) return;
    size_t first = branches_before(branches, task->to_ns); /* the others were asked later */
    go_back(walk, task->span, branches->items + first, branches->count - first, task->from_ns, task->to_ns, false);
}

static void spend_all(struct walk *walk) {
    while (walk->task_count && !walk->failed) {
        struct task task = walk->tasks[--walk->task_count];
        spend_span(walk, &task);
    }
}

/* ---- after the end ---- */

/* Returns whether a span is below the root.  known: 0 not checked yet, 1 yes, 2 no. */
static bool is_below(const struct spans *spans, size_t root, size_t index, unsigned char *known) {
    size_t at = index;
    unsigned char answer = 2;
    while (at != NO_POSITION && !known[at]) {
        known[at] = 3; /* on the current path: coming here again means a circle */
        if (at == root) known[at] = 1;
        if (known[at] == 3) at = spans->items[at].parent;
    }
    if (at != NO_POSITION && known[at] == 1) answer = 1;
    for (at = index; at != NO_POSITION && known[at] == 3; at = spans->items[at].parent) known[at] = answer;
    return answer == 1;
}

static uint64_t last_known(const struct span *span) { return span->end != NO_POSITION ? span->end_ns : span->start_ns; }

static int find_reach(const struct walk *walk) {
    struct critical_path *path = walk->path;
    unsigned char *known = calloc(path->spans.count + 1, 1);
    if (!known) return -ENOMEM;
    path->reach_ns = path->end_ns;
    path->reach = path->root;
    for (size_t i = 0; i < path->spans.count && path->spans.items[path->root].end != NO_POSITION; i++) {
        uint64_t last_ns = last_known(&path->spans.items[i]);
        if (last_ns <= path->reach_ns || !walk_is_timed(walk, &path->spans.items[i]) ||
            !is_below(&path->spans, path->root, i, known))
            continue;
        path->reach_ns = last_ns;
        path->reach = i;
    }
    free(known);
    return 0;
}

/* From the span reached last back to the end of the request: its own part, the way to it, its cause's part until that
 * sent the message, and so on. */
static void spend_reach(struct walk *walk) {
    struct critical_path *path = walk->path;
    uint64_t at_ns = path->reach_ns;
    for (size_t index = path->reach; index != path->root && at_ns > path->end_ns;) {
        const struct span *span = &path->spans.items[index], *parent = &path->spans.items[span->parent];
        struct way way = {.asked_ns = span->start_ns, .received_ns = span->start_ns};
        walk_add_task(walk, index, greatest(path->end_ns, span->start_ns), at_ns);
        if (parent->node != span->node) {
            branch_way(&way, walk, parent, span, parent->end_ns);
            if (!way.asked_known) way.asked_ns = least(parent->end_ns, span->start_ns); /* sent then at the latest */
            uint64_t asked_ns = greatest(path->end_ns, way.asked_ns), received_ns = least(at_ns, way.received_ns);
            if (way.relayed || way.relayed_there)
                spend_relayed(walk, index, parent->node, span->node, way.relay,
                              (struct passed){asked_ns, way.there_in_ns, way.there_out_ns, received_ns});
            else
                walk_add_link(walk, index, parent->node, span->node, asked_ns, received_ns);
            walk_add_node(walk, index, span->node, greatest(path->end_ns, way.received_ns), least(at_ns, span->start_ns));
        }
        at_ns = least(at_ns, way.asked_ns);
        index = span->parent;
        spend_all(walk);
        if (index == path->root) walk_add_node(walk, index, parent->node, path->end_ns, at_ns);
    }
}

/* ---- the whole path ---- */

static int walk_init(struct walk *walk) {
    walk->root = walk->path->root;
    unsigned nodes = intern_count(&walk->events->facts->nodes), root = walk->path->spans.items[walk->path->root].node;
    const struct node_clocks *clocks = &walk->events->facts->clocks;
    walk->has_events = calloc(nodes + 1, sizeof *walk->has_events);
    if (!walk->has_events || branches_init(walk)) return -ENOMEM;
    for (size_t i = 0; i < walk->events->count; i++) {
        const struct fact *fact = trace_event_at(walk->events, i);
        if (fact->kind == FACT_EVENTS_LOST) continue;
        if (fact->node < nodes && node_clocks_comparable(clocks, root, fact->node, NULL)) walk->has_events[fact->node] = true;
    }
    if (transports_init(&walk->transports, walk->events, &walk->path->messages)) return -ENOMEM;
    if (idle_marks_init(&walk->idle_marks, &walk->transports)) return -ENOMEM;
    return hidden_init(&walk->hidden, walk->events, &walk->path->spans, &walk->transports, walk->path->root);
}

/* Whoever answered was not given up. */
static void find_answered(struct walk *walk) {
    struct spans *spans = &walk->path->spans;
    for (size_t i = 0; i < spans->count; i++) {
        struct span *span = &spans->items[i];
        if (!span->given_up || !walk_is_timed(walk, span)) continue;
        const struct span *asker = &spans->items[span->parent];
        bool steady = walk_is_timed(walk, asker) && walk_is_steady(walk, asker->end_ns, span->end_ns);
        if (steady) span->given_up = !way_was_answered(&walk->transports, asker, span);
    }
}

/* Has the node a part of the request that the span caused, or one that began while the span asked it, whatever caused it?  Or has
 * another a part that it asked for? */
static bool has_part(const struct walk *walk, const struct span *asker) {
    for (size_t i = 0; i < walk->path->spans.count; i++) {
        const struct span *span = &walk->path->spans.items[i];
        bool its = span->node == asker->peer || (span->peer == asker->peer && !span->asks);
        if (span->node == asker->peer && span->parent == (size_t)(asker - walk->path->spans.items)) return true;
        if (its && span->end_ns >= asker->start_ns && span->start_ns <= asker->end_ns) return true;
    }
    return false;
}

/* Questions to nodes without a part for them. */
static int find_ignored(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *items = path->spans.items;
    path->ignored = calloc(path->spans.count + 1, sizeof *path->ignored);
    if (!path->ignored) return -ENOMEM;
    for (size_t i = 0; i < path->spans.count; i++) {
        const struct span *asker = &items[i], *parent = asker->parent == NO_POSITION ? NULL : &items[asker->parent];
        struct ignored *ignored = &path->ignored[path->ignored_count];
        if (!question_is_ignored(ignored, &walk->transports, walk->events, parent, asker) || has_part(walk, asker)) continue;
        ignored->asker = i;
        path->ignored_count++;
        walk_doubt(walk, asker->peer, NO_NUMBER, asker->start_ns, asker->end_ns);
        walk_doubt(walk, asker->node, asker->peer, asker->start_ns, asker->end_ns);
    }
    return 0;
}

static int find_unsent(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *items = path->spans.items;
    path->unsent = calloc(path->spans.count + 1, sizeof *path->unsent);
    if (!path->unsent) return -ENOMEM;
    for (size_t i = 0; i < path->spans.count; i++) {
        size_t parent = items[i].parent;
        if (parent == NO_POSITION || !branch_is_unsent(walk, &items[parent], &items[i])) continue;
        path->unsent[path->unsent_count++] = i;
        walk_doubt(walk, items[i].node, NO_NUMBER, items[i].start_ns, items[parent].end_ns);
        walk_doubt(walk, items[parent].node, items[i].node, items[i].start_ns, items[parent].end_ns);
    }
    return 0;
}

/* A wait for a link to bring what a node had sent before it ended: once nothing can be under way any more, it is one for the
 * node. */
static void split_ended(struct walk *walk) {
    const struct trace_events *events = walk->events;
    size_t count = events->states ? walk->wait_count : 0;
    for (size_t i = 0; i < count; i++) {
        const struct wait wait = walk->waits[i];
        if (wait.kind != WAIT_LINK || walk->spans->items[wait.span].node != wait.peer) continue;
        const struct ended_part part = ended_part_of_wait(events->states, events->facts, walk->spans, &wait);
        if (!part.log || part.to_ns != wait.to_ns) continue;
        walk->waits[i].to_ns = part.from_ns;
        walk_add_peer(walk, wait.span, wait.peer, wait.node, part.from_ns, wait.to_ns, true);
    }
}

static int walk_path(struct walk *walk) {
    struct critical_path *path = walk->path;
    const struct span *root = &path->spans.items[path->root];
    path->start_ns = root->start_ns;
    path->end_ns = root->end_ns;
    find_answered(walk);
    if (find_reach(walk) || find_unsent(walk) || find_ignored(walk)) return -ENOMEM;
    walk_add_task(walk, path->root, path->start_ns, path->end_ns);
    spend_all(walk);
    spend_reach(walk);
    spend_all(walk);
    split_ended(walk);
    path->waits = walk->waits;
    if (walk->failed) return -ENOMEM;
    path->count = path_waits_order(path->waits, walk->wait_count, path->end_ns, &path->within);
    for (size_t i = 0; i < path->within; i++) {
        const struct wait *wait = &path->waits[i];
        if (!wait->untimed) path->timed_ns += wait->to_ns - wait->from_ns;
        if (wait->vain) path->vain_ns += wait->to_ns - wait->from_ns;
        if (wait->hidden) path->hidden_ns += wait->to_ns - wait->from_ns;
    }
    return path_sum_up(&path->spent, &path->spent_count, path->waits, path->within) ||
                   path_losses_find(&path->losses, &path->loss_count, path->waits, path->within, path->count, &path->messages,
                                    walk->events)
               ? -ENOMEM
               : 0;
}

int critical_path_init(struct critical_path *path, const struct trace_events *events) {
    struct walk walk = {.events = events, .path = path};
    *path = (struct critical_path){.root = NO_POSITION, .reach = NO_POSITION};
    walk.spans = &path->spans;
    walk.doubts = &path->doubts;
    int result = spans_init(&path->spans, events);
    if (!result) result = messages_of_events(&path->messages, events, &path->spans);
    if (!result) path->root = spans_root(&path->spans);
    if (!result && path->root != NO_POSITION) result = walk_init(&walk) || walk_path(&walk) ? -ENOMEM : 0;
    branches_fini(&walk);
    free(walk.tasks);
    free(walk.has_events);
    hidden_fini(&walk.hidden);
    idle_marks_fini(&walk.idle_marks);
    transports_fini(&walk.transports);
    if (result) critical_path_fini(path);
    return result;
}

void critical_path_fini(struct critical_path *path) {
    spans_fini(&path->spans);
    messages_fini(&path->messages);
    free(path->waits);
    free(path->spent);
    free(path->losses);
    free(path->unsent);
    free(path->ignored);
    doubts_fini(&path->doubts);
    *path = (struct critical_path){.root = NO_POSITION};
}

uint64_t critical_path_whole_ns(const struct critical_path *path) { return path->timed_ns + path->hidden_ns + path->vain_ns; }
