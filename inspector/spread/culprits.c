/* SPDX-License-Identifier: MIT */
#include "numbers.h"
#include "spread.h"
#include "spread_internal.h"

#include <errno.h>
#include <stdlib.h>

/* A step is slow if it took this many times the median of the others.  Below the floor, a busy machine can delay any program;
 * with fewer steps there is no usual time. */
#define SLOW_FACTOR 3
#define SLOW_FLOOR_NS UINT64_C(100000)
#define STEPS_MIN 3

struct step {
    enum step_sort sort;
    unsigned node, peer;
    size_t reach; /* the node that this is the last step to */
    uint64_t ns, usual_ns;
    unsigned sends;
    bool slow;
};

/* Is it known when a node first had the thing?  Where its events are missing, it may have had it before. */
static bool is_sure(const struct spread *spread, const struct facts *facts, const struct reach *reach) {
    return !reach->untimed && !facts_gap(facts, reach->node, spread->start_ns, reach->time_ns);
}

/* Does no missing event hide what the sender did meanwhile?  It may have sent the thing before, or have waited for a peer. */
static bool is_step_sure(const struct spread *spread, const struct facts *facts, const struct reach *reach) {
    const struct reach *parent = &spread->reached[reach->parent];
    uint64_t until_ns = reach->sent_known ? parent->time_ns + reach->held_ns : reach->time_ns;
    return is_sure(spread, facts, reach) && is_sure(spread, facts, parent) &&
           !facts_gap(facts, parent->node, parent->time_ns, until_ns);
}

/* The last steps to all nodes: two each if the time of sending is known, otherwise one. */
static size_t list_steps(struct step *steps, const struct spread *spread, const struct facts *facts) {
    size_t count = 0;
    for (size_t i = 0; i < spread->count; i++) {
        const struct reach *reach = &spread->reached[i];
        if (reach->parent == NO_POSITION || !is_step_sure(spread, facts, reach)) continue;
        unsigned from = spread->reached[reach->parent].node;
        const struct delivery *delivery = &spread->deliveries[reach->delivery];
        if (reach->sent_known)
            steps[count++] = (struct step){.sort = STEP_HELD, .node = from, .peer = NO_NUMBER, .reach = i, .ns = reach->held_ns};
        steps[count++] = (struct step){.sort = reach->sent_known ? STEP_LINK : STEP_BOTH,
                                       .node = from,
                                       .peer = reach->node,
                                       .reach = i,
                                       .ns = reach->link_ns,
                                       .sends = delivery->sends};
    }
    return count;
}

static int compare_sorts(const void *left, const void *right) {
    const struct step *a = left, *b = right;
    int order = compare_numbers(a->sort, b->sort);
    return order ? order : compare_numbers(a->ns, b->ns);
}

/* The peer that a node waited for during most of a time: for its answer, or until it was given up.  Of several, the one whose
 * wait ended last; NO_NUMBER: none. */
static unsigned waited_for(const struct spread *spread, unsigned node, uint64_t from_ns, uint64_t to_ns) {
    unsigned peer = NO_NUMBER;
    uint64_t last_ns = 0;
    for (size_t i = 0; i < spread->questions.count; i++) {
        const struct question *question = &spread->questions.items[i];
        uint64_t begin_ns = question->asked_ns > from_ns ? question->asked_ns : from_ns,
                 end_ns = question->asked_ns + question->took_ns;
        if (question->untimed || question->asker != node || question->answer >= ANSWER_NEVER || end_ns > to_ns ||
            end_ns <= begin_ns)
            continue;
        if (2 * (end_ns - begin_ns) < to_ns - from_ns || end_ns < last_ns) continue;
        last_ns = end_ns;
        peer = question->asked;
    }
    return peer;
}

/* If a node waited for a peer during its slow step, the step is attributed to that peer. */
static void excuse(const struct spread *spread, struct step *step) {
    const struct reach *reach = &spread->reached[step->reach];
    uint64_t from_ns = spread->reached[reach->parent].time_ns;
    if (step->sort != STEP_HELD) return;
    unsigned peer = waited_for(spread, step->node, from_ns, from_ns + step->ns);
    if (peer == NO_NUMBER) return;
    step->sort = STEP_WAITED;
    step->peer = peer;
}

/* Steps of one kind, the shortest first: each is compared with the lower median of all others. */
static void judge(struct step *steps, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t others = count - 1, middle = others ? (others - 1) / 2 : 0;
        if (count < STEPS_MIN) break;
        steps[i].usual_ns = steps[middle < i ? middle : middle + 1].ns;
        steps[i].slow = steps[i].ns >= SLOW_FLOOR_NS && steps[i].ns > SLOW_FACTOR * steps[i].usual_ns;
    }
}

static size_t find_culprit(struct spread *spread, const struct step *step) {
    for (size_t i = 0; i < spread->culprit_count; i++) {
        struct culprit *culprit = &spread->culprits[i];
        if (culprit->sort != step->sort || culprit->node != step->node || culprit->peer != step->peer) continue;
        if (step->ns > culprit->ns) culprit->ns = step->ns;
        return i;
    }
    spread->culprits[spread->culprit_count] = (struct culprit){.sort = step->sort,
                                                               .node = step->node,
                                                               .peer = step->peer,
                                                               .sends = step->sends,
                                                               .ns = step->ns,
                                                               .usual_ns = step->usual_ns};
    return spread->culprit_count++;
}

/* The longest slow step on the way to a node, if it took at least half of the node's time; otherwise NULL. */
static const struct step *blame(const struct spread *spread, const struct step *const *slow, size_t place) {
    const struct step *longest = NULL;
    uint64_t took_ns = spread->reached[place].time_ns - spread->start_ns;
    for (size_t i = place; i != NO_POSITION; i = spread->reached[i].parent)
        for (unsigned k = 0; k < 2; k++) {
            const struct step *step = slow[2 * i + k];
            if (step && (!longest || step->ns > longest->ns)) longest = step;
        }
    return longest && 2 * longest->ns >= took_ns ? longest : NULL;
}

static int compare_culprits(const void *left, const void *right, void *items) {
    const struct culprit *a = (struct culprit *)items + *(const size_t *)left,
                         *b = (struct culprit *)items + *(const size_t *)right;
    int order = -compare_numbers(a->late, b->late);
    return order ? order : -compare_numbers(a->ns, b->ns);
}

/* Sorts the culprits, and updates the nodes' indices of them. */
static int sort_culprits(struct spread *spread) {
    size_t count = spread->culprit_count, *order = calloc(count + 1, sizeof *order), *place = calloc(count + 1, sizeof *place);
    struct culprit *sorted = calloc(count + 1, sizeof *sorted);
    int result = order && place && sorted ? 0 : -ENOMEM;
    for (size_t i = 0; !result && i < count; i++) order[i] = i;
    if (!result) qsort_r(order, count, sizeof *order, compare_culprits, spread->culprits);
    for (size_t i = 0; !result && i < count; i++) {
        sorted[i] = spread->culprits[order[i]];
        place[order[i]] = i;
    }
    for (size_t i = 0; !result && i < spread->count; i++)
        if (spread->reached[i].late != NO_POSITION) spread->reached[i].late = place[spread->reached[i].late];
    free(order);
    free(place);
    free(result ? (void *)sorted : (void *)spread->culprits);
    if (!result) spread->culprits = sorted;
    return result;
}

int culprits_find(struct spread *spread, const struct facts *facts) {
    struct step *steps = calloc(2 * spread->count + 1, sizeof *steps);
    const struct step **slow = calloc(2 * spread->count + 1, sizeof *slow); /* two for each reached node: held, link */
    size_t count = 0, next;
    spread->culprits = calloc(2 * spread->count + 1, sizeof *spread->culprits);
    int result = steps && slow && spread->culprits ? 0 : -ENOMEM;
    if (!result) {
        count = list_steps(steps, spread, facts);
        qsort(steps, count, sizeof *steps, compare_sorts);
    }
    for (size_t i = 0; i < count; i = next) {
        for (next = i; next < count && steps[next].sort == steps[i].sort;) next++;
        judge(steps + i, next - i);
        for (size_t k = i; k < next; k++)
            if (steps[k].slow) slow[2 * steps[k].reach + (steps[k].sort != STEP_HELD)] = &steps[k];
    }
    for (size_t i = 0; i < count; i++)
        if (steps[i].slow) excuse(spread, &steps[i]);
    for (size_t i = 1; !result && i < spread->count; i++) {
        const struct step *step = is_sure(spread, facts, &spread->reached[i]) ? blame(spread, slow, i) : NULL;
        if (!step) continue;
        spread->reached[i].late = find_culprit(spread, step);
        spread->culprits[spread->reached[i].late].late++;
    }
    free(slow);
    free(steps);
    return result ? result : sort_culprits(spread);
}
