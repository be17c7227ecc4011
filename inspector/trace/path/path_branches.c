/* SPDX-License-Identifier: MIT */
#include "path_branches.h"

#include "node_states.h"
#include "numbers.h"
#include "path_unsent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- children ---- */

static int compare_children(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct span *a = (struct span *)items + i, *b = (struct span *)items + j;
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->start_ns, b->start_ns);
    return order ? order : compare_numbers(i, j);
}

/* Does the parent also wait for children that did not end in time?  Yes if the parent itself did not succeed. */
static bool late_counts(const struct span *parent) { return parent->end == NO_POSITION || !parent->ok; }

/* A child on the span's own node. */
static struct branch branch_here(const struct span *parent, const struct span *child, size_t index) {
    bool late = child->end == NO_POSITION || child->end_ns > parent->end_ns;
    return (struct branch){.from_ns = child->start_ns,
                           .until_ns = late ? UINT64_MAX : child->end_ns,
                           .child = index,
                           .late = late && !late_counts(parent)};
}

bool branch_is_unsent(const struct walk *walk, const struct span *parent, const struct span *child) {
    const struct span *grandparent = parent->parent == NO_POSITION ? NULL : &walk->spans->items[parent->parent];
    return answer_is_unsent(&walk->transports, walk->events, grandparent, parent, child);
}

/* May the node that asked for the child have passed on a question of the parent, and its answer?  It has events and no span. */
static bool may_relay(const struct walk *walk, const struct span *parent, const struct span *child) {
    unsigned relay = child->peer;
    return relay != NO_NUMBER && relay != parent->node && !child->asks && walk->has_events[relay] && !walk->has_spans[relay] &&
           walk_is_sure(walk, parent->node, relay) && walk_is_sure(walk, relay, child->node);
}

void branch_way(struct way *ret_way, const struct walk *walk, const struct span *parent, const struct span *child,
                uint64_t upper_ns) {
    way_find(ret_way, &walk->transports, parent, child, parent->start_ns, upper_ns);
    if (may_relay(walk, parent, child))
        way_find_relayed(ret_way, &walk->transports, parent, child, child->peer, false, parent->start_ns, UINT64_MAX);
}

/* A child of a span that failed may have been asked by a relay.  Did that relay end before it passed the answer on?  Then the
 * span waited for the relay, or if that is not sure (vain), nobody knows what for. */
static void lose_at_relay(struct walk *walk, const struct span *parent, const struct span *child, struct branch *branch) {
    const struct trace_events *events = walk->events;
    size_t index = (size_t)(parent - walk->spans->items), got;
    unsigned relay = child->peer;
    if (!events->states || !late_counts(parent) || child->end == NO_POSITION || child->end_ns >= parent->end_ns) return;
    transports_of_link(&walk->transports, relay, parent->node, true, parent->start_ns, child->start_ns, &got);
    if (!got || !node_states_ended(events->states, events->facts, relay, parent->start_ns, parent->end_ns)) return;
    branch->way.gone = true;
    branch->way.returned_ns = UINT64_MAX;
    branch->vain = walk_relay_ended(walk, index, child->node, true, parent->end_ns, &relay) >= parent->end_ns;
}

/* The first packet of a range that is more than an acknowledgement; arrived: of which we know both ends.  NULL: none. */
static const struct transport *first_content(struct transport_range range, bool arrived) {
    for (size_t i = 0; i < range.count; i++) {
        const struct transport *transport = &range.items[i];
        if (transport->stream || transport_is_small(transport, UINT64_MAX)) continue;
        if (!arrived || transport->other_ns != UINT64_MAX) return transport;
    }
    return NULL;
}

/* The parent's question arrived, and the child's answer was sent.  Did nothing of it arrive, in whatever trace?  Then the parent
 * waits for the link from then on. */
static void lose_answer(struct walk *walk, const struct span *parent, const struct span *child, struct branch *branch) {
    const struct facts *facts = walk->events->facts;
    struct transport_range asked, answer;
    if (child->start == NO_POSITION || child->end == NO_POSITION || parent->end == NO_POSITION || child->asks ||
        child->end_ns >= parent->end_ns)
        return;
    asked.items =
        transports_of_link(&walk->transports, parent->node, child->node, false, parent->start_ns, child->start_ns, &asked.count);
    answer.items =
        transports_of_link(&walk->transports, child->node, parent->node, false, child->start_ns, parent->end_ns, &answer.count);
    const struct transport *sent = first_content(answer, false);
    if (!sent || !first_content(asked, true) || first_content(answer, true) ||
        facts_gap(facts, parent->node, child->start_ns, parent->end_ns))
        return;
    walk_doubt(walk, parent->node, child->node, child->start_ns, parent->end_ns);
    if (facts->beside_cut || facts_first_said(facts, parent->node, child->node, false, child->start_ns, parent->end_ns + 1))
        return;
    branch->way.gone = true;
    branch->way.worked_ns = branch->way.answered_ns = least(sent->time_ns, child->end_ns);
    if (sent->time_ns > child->end_ns) branch->way.answered_ns = sent->time_ns;
    branch->way.returned_ns = UINT64_MAX;
}

/* A child on another node.  next: the child there that began next, or NULL. */
static struct branch branch_there(struct walk *walk, const struct span *parent, const struct span *child, size_t index,
                                  const struct span *next, uint64_t lower_ns) {
    uint64_t upper_ns = parent->end_ns;
    struct branch branch = {.child = index};
    if (next && next->start_ns >= child->end_ns)
        upper_ns = least(upper_ns, next->start_ns);
    else if (next && next->end_ns > child->end_ns)
        upper_ns = least(upper_ns, next->end_ns);
    way_find(&branch.way, &walk->transports, parent, child, lower_ns, upper_ns);
    if (may_relay(walk, parent, child))
        way_find_relayed(&branch.way, &walk->transports, parent, child, child->peer, walk->named[child->peer] > 1, lower_ns,
                         upper_ns);
    if (may_relay(walk, parent, child) && !branch.way.relayed && upper_ns == parent->end_ns)
        lose_at_relay(walk, parent, child, &branch);
    if (!parent->asks && upper_ns == parent->end_ns && !branch.way.relayed && !branch.way.gone)
        lose_answer(walk, parent, child, &branch);
    if (upper_ns == parent->end_ns && branch_is_unsent(walk, parent, child)) {
        branch.way.worked_ns = child->end_ns;
        branch.way.answered_ns = branch.way.returned_ns = upper_ns;
    }
    bool late = child->end == NO_POSITION || branch.way.returned_ns > parent->end_ns;
    branch.from_ns = branch.way.asked_ns;
    branch.until_ns = late ? UINT64_MAX : branch.way.returned_ns;
    branch.late = late && !late_counts(parent);
    return branch;
}

/* The children of a span, each with the time in which it was open: into walk->room.  Returns how many. */
static size_t list_children(struct walk *walk, size_t index) {
    const struct span *items = walk->spans->items, *parent = &items[index];
    size_t count = 0, branch_count = 0;
    for (size_t i = parent->first_child; i != NO_POSITION; i = items[i].next_sibling)
        if (walk_is_timed(walk, &items[i]) && (items[i].start_ns < parent->end_ns || late_counts(parent)))
            walk->ordered[count++] = i;
    qsort_r(walk->ordered, count, sizeof *walk->ordered, compare_children, (void *)items);
    uint64_t lower_ns = parent->start_ns;
    for (size_t i = 0; i < count; i++)
        if (items[walk->ordered[i]].peer != NO_NUMBER) walk->named[items[walk->ordered[i]].peer]++;
    for (size_t i = 0; i < count; i++) {
        const struct span *child = &items[walk->ordered[i]], *before = i ? &items[walk->ordered[i - 1]] : NULL,
                          *next = i + 1 < count ? &items[walk->ordered[i + 1]] : NULL;
        struct branch *branch = &walk->room[branch_count];
        if (!before || before->node != child->node) lower_ns = parent->start_ns;
        if (next && next->node != child->node) next = NULL;
        *branch = child->node == parent->node ? branch_here(parent, child, walk->ordered[i])
                                              : branch_there(walk, parent, child, walk->ordered[i], next, lower_ns);
        if (child->start != NO_POSITION || branch->way.asked_known) branch_count++;
        /* The next child there was asked after this child's answer would have come. */
        if (branch->until_ns != UINT64_MAX && next && branch->until_ns <= next->start_ns) lower_ns = branch->until_ns;
    }
    for (size_t i = 0; i < count; i++)
        if (items[walk->ordered[i]].peer != NO_NUMBER) walk->named[items[walk->ordered[i]].peer] = 0;
    return branch_count;
}

/* ---- spans without a known cause or end ---- */

struct open_time {
    uint64_t from_ns, until_ns;
};

/* The children in walk->room, and the strays behind them. */
struct listed {
    struct branch *items;
    size_t children, count;
    struct open_time *by_time; /* of children that will not change, by from_ns; until_ns: the last of it and those before */
    size_t by_time_count;
    size_t *unended; /* children whose end is missing: their times will change */
    size_t unended_count;
    uint64_t last_ns, last_hidden_ns; /* when the last child that will not change ended; the last stray */
};

static int compare_times(const void *left, const void *right) {
    const struct open_time *a = left, *b = right;
    return compare_numbers(a->from_ns, b->from_ns);
}

static int listed_init(struct listed *listed, struct walk *walk, size_t children) {
    *listed = (struct listed){.items = walk->room,
                              .children = children,
                              .count = children,
                              .by_time = calloc(children + 1, sizeof *listed->by_time),
                              .unended = calloc(children + 1, sizeof *listed->unended)};
    if (!listed->by_time || !listed->unended) return -ENOMEM;
    for (size_t i = 0; i < children; i++) {
        const struct branch *branch = &walk->room[i];
        if (hidden_end(walk->events->facts, &walk->spans->items[branch->child]))
            listed->unended[listed->unended_count++] = i;
        else
            listed->by_time[listed->by_time_count++] = (struct open_time){branch->from_ns, branch->until_ns};
    }
    qsort(listed->by_time, listed->by_time_count, sizeof *listed->by_time, compare_times);
    for (size_t i = 0; i < listed->by_time_count; i++)
        listed->last_ns = listed->by_time[i].until_ns = greatest(listed->last_ns, listed->by_time[i].until_ns);
    return 0;
}

static void listed_fini(struct listed *listed) {
    free(listed->by_time);
    free(listed->unended);
}

/* A child whose end is missing was waited for at least until then, if no other was waited for longer: only the rest is
 * hidden. */
static void cut_unended(const struct walk *walk, struct listed *listed, size_t child, struct branch *hidden) {
    const struct fact_gap *gap = hidden_end(walk->events->facts, &walk->spans->items[child]);
    struct branch *known = NULL;
    if (!gap) return;
    bool alone = listed->last_ns < gap->from_ns && listed->last_hidden_ns < gap->from_ns;
    for (size_t i = 0; i < listed->unended_count && (alone || !known); i++) {
        struct branch *branch = &listed->items[listed->unended[i]];
        if (branch->child == child)
            known = branch;
        else
            alone &= branch->until_ns < gap->from_ns;
    }
    if (!known) return;
    known->late = false;
    known->until_ns = alone ? gap->from_ns : known->from_ns;
    if (alone) hidden->from_ns = greatest(hidden->from_ns, gap->from_ns);
}

static bool overlap(const struct branch *a, uint64_t from_ns, uint64_t until_ns) {
    return a->from_ns < until_ns && from_ns < a->until_ns;
}

static bool overlaps_children(const struct listed *listed, const struct branch *branch) {
    size_t low = 0, high = listed->by_time_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (listed->by_time[middle].from_ns < branch->until_ns)
            low = middle + 1;
        else
            high = middle;
    }
    if (low && listed->by_time[low - 1].until_ns > branch->from_ns) return true;
    for (size_t i = 0; i < listed->unended_count; i++) {
        const struct branch *unended = &listed->items[listed->unended[i]];
        if (overlap(branch, unended->from_ns, unended->until_ns)) return true;
    }
    return false;
}

/* Would what a span itself reports show that it waited for another node, which asked for the stray span?  Its traffic does, and
 * that it only asks that node. */
static bool shows_asker(const struct walk *walk, size_t index, size_t stray) {
    const struct span *span = &walk->spans->items[index], *other = &walk->spans->items[stray];
    if (other->parent != NO_POSITION || other->peer == NO_NUMBER || other->peer == span->node || other->node == span->node)
        return false;
    return walk->hidden.reports[span->node] || (span->asks && span->peer == other->peer);
}

static int compare_strays(const void *left, const void *right) {
    const struct hidden_wait *a = left, *b = right;
    return compare_numbers(a->stray, b->stray);
}

/* Adds the spans that a span may have waited for, without a known cause or end. */
static int list_strays(struct walk *walk, size_t index, size_t children, size_t *ret_count) {
    size_t count = hidden_list(&walk->hidden, index, walk->hidden_waits);
    struct listed listed;
    *ret_count = children;
    if (!count) return 0;
    qsort(walk->hidden_waits, count, sizeof *walk->hidden_waits, compare_strays);
    int result = listed_init(&listed, walk, children);
    for (size_t i = 0; i < count && !result; i++) {
        const struct hidden_wait *wait = &walk->hidden_waits[i];
        struct branch branch = {.from_ns = wait->from_ns, .until_ns = wait->to_ns, .child = NO_POSITION, .hidden = true};
        if (shows_asker(walk, index, wait->stray)) {
            if (!overlaps_children(&listed, &branch)) continue;
            bool late = walk->spans->items[wait->stray].end_ns > wait->to_ns; /* for the children to judge */
            if (late && !listed.unended_count) branch.until_ns = least(branch.until_ns, listed.last_ns);
        }
        cut_unended(walk, &listed, wait->stray, &branch);
        listed.last_hidden_ns = greatest(listed.last_hidden_ns, branch.until_ns);
        listed.items[listed.count++] = branch;
    }
    *ret_count = listed.count;
    listed_fini(&listed);
    return result;
}

/* ---- all that a span waits for ---- */

int branch_compare(const void *left, const void *right) {
    const struct branch *a = left, *b = right;
    if (a->until_ns != b->until_ns) return a->until_ns > b->until_ns ? -1 : 1;
    if (a->from_ns != b->from_ns) return a->from_ns < b->from_ns ? -1 : 1;
    return compare_numbers(a->child, b->child);
}

/* Is it unknown when the span waited for one of its children?  It is if their clocks cannot be compared, and the span's node
 * reports no traffic between the two. */
static bool waits_unseen(const struct walk *walk, const struct span *span) {
    const struct span *items = walk->spans->items;
    for (size_t i = span->first_child; i != NO_POSITION; i = items[i].next_sibling) {
        size_t sent = 0;
        if (walk_is_timed(walk, &items[i]) || items[i].node == span->node) continue;
        transports_of_link(&walk->transports, span->node, items[i].node, false, span->start_ns, span->end_ns, &sent);
        if (!sent) return true;
    }
    return false;
}

static int list_others(struct branches *branches, const struct walk *walk, const struct span *span) {
    const struct span *items = walk->spans->items;
    size_t room = 0, count = 0;
    for (size_t i = span->first_child; i != NO_POSITION; i = items[i].next_sibling) room += 2;
    branches->others = calloc(room + 1, sizeof *branches->others);
    if (!branches->others) return -ENOMEM;
    for (size_t i = span->first_child; i != NO_POSITION; i = items[i].next_sibling) {
        if (!walk_is_timed(walk, &items[i])) continue;
        if (items[i].start != NO_POSITION && items[i].start_ns >= span->end_ns)
            continue; /* it waited for none of what is later */
        branches->others[count++] = items[i].node;
        if (items[i].peer != NO_NUMBER) branches->others[count++] = items[i].peer;
    }
    qsort(branches->others, count, sizeof *branches->others, compare_unsigned);
    for (size_t i = 0; i < count; i++)
        if (!i || branches->others[i] != branches->others[i - 1]) branches->others[branches->other_count++] = branches->others[i];
    return 0;
}

bool branches_reach(const struct branches *branches, unsigned node) {
    return branches->other_count && bsearch(&node, branches->others, branches->other_count, sizeof node, compare_unsigned);
}

size_t branches_before(const struct branches *branches, uint64_t time_ns) {
    size_t low = 0, high = branches->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (branches->earliest_ns[middle] >= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Takes over sorted branches; sets those aside that did not end in time. */
static int take_branches(struct branches *branches, const struct spans *spans, const struct branch *items, size_t count) {
    branches->items = calloc(count + 1, sizeof *branches->items);
    branches->earliest_ns = calloc(count + 1, sizeof *branches->earliest_ns);
    if (!branches->items || !branches->earliest_ns) return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct branch *branch = &items[i];
        if (!branch->late) {
            uint64_t before_ns = branches->count ? branches->earliest_ns[branches->count - 1] : UINT64_MAX;
            branches->earliest_ns[branches->count] = least(before_ns, branch->from_ns);
            branches->items[branches->count++] = *branch;
            continue;
        }
        if (branches->late.child == NO_POSITION) branches->late = *branch;
        bool unended = spans->items[branch->child].end == NO_POSITION;
        if (unended && branches->unended.child == NO_POSITION) branches->unended = *branch;
    }
    return 0;
}

static void branches_free(struct branches *branches) {
    free(branches->items);
    free(branches->earliest_ns);
    free(branches->others);
    free(branches);
}

static struct branches *branches_new(struct walk *walk, size_t index) {
    const struct span *span = &walk->spans->items[index];
    struct branches *branches = calloc(1, sizeof *branches);
    size_t count = list_children(walk, index);
    if (!branches) return NULL;
    branches->late.child = branches->unended.child = NO_POSITION;
    branches->unseen = waits_unseen(walk, span);
    if (list_strays(walk, index, count, &count) || list_others(branches, walk, span)) {
        branches_free(branches);
        return NULL;
    }
    qsort(walk->room, count, sizeof *walk->room, branch_compare);
    if (!take_branches(branches, walk->spans, walk->room, count)) return branches;
    branches_free(branches);
    return NULL;
}

const struct branches *branches_of(struct walk *walk, size_t span) {
    if (!walk->branches[span]) walk->branches[span] = branches_new(walk, span);
    walk->failed |= !walk->branches[span];
    return walk->branches[span];
}

int branches_init(struct walk *walk) {
    size_t spans = walk->spans->count;
    walk->branches = calloc(spans + 1, sizeof *walk->branches);
    walk->room = calloc(2 * spans + 1, sizeof *walk->room);
    walk->ordered = calloc(spans + 1, sizeof *walk->ordered);
    walk->hidden_waits = calloc(spans + 1, sizeof *walk->hidden_waits);
    unsigned nodes = intern_count(&walk->events->facts->nodes);
    walk->has_spans = calloc(nodes + 1, sizeof *walk->has_spans);
    walk->named = calloc(nodes + 1, sizeof *walk->named);
    if (!walk->branches || !walk->room || !walk->ordered || !walk->hidden_waits || !walk->has_spans || !walk->named)
        return -ENOMEM;
    for (size_t i = 0; i < spans; i++) walk->has_spans[walk->spans->items[i].node] = true;
    return 0;
}

void branches_fini(struct walk *walk) {
    for (size_t i = 0; walk->branches && i < walk->spans->count; i++)
        if (walk->branches[i]) branches_free(walk->branches[i]);
    free(walk->branches);
    free(walk->room);
    free(walk->ordered);
    free(walk->hidden_waits);
    free(walk->has_spans);
    free(walk->named);
}
