/* SPDX-License-Identifier: MIT */
#include "node_states.h"

#include "json_get.h"
#include "numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_ended(const struct node_state *state) { return state->crashed || state->exited; }

static void find_returned(struct node_states *states) {
    for (size_t i = 0; i < states->count; i++) {
        struct node_state *ended = &states->items[i];
        for (size_t k = 0; has_ended(ended) && k < states->count; k++) {
            const struct node_state *other = &states->items[k];
            /* not another process with its id */
            bool later = !other->started_ns || other->started_ns >= greatest(ended->last_ns, ended->after_ns);
            ended->returned |= other->live && other->node == ended->node && later;
        }
    }
}

/* Does a step of the log's machine lie between its end and the facts, or around either?  Then Unix time does not tell which came
 * first. */
static bool is_apart(const json_t *steps, const char *machine, const struct facts *facts, uint64_t last_ns, uint64_t by_ns) {
    const json_t *step;
    size_t i;
    if (!facts->count || facts_stepped(facts)) return false; /* their own seams say more */
    uint64_t from_ns = least(facts->items[0].time_ns, last_ns);
    uint64_t to_ns = greatest(facts->items[facts->count - 1].time_ns, greatest(last_ns, by_ns));
    json_array_foreach(steps, i, step) {
        const char *its = json_get_text(step, "machine");
        uint64_t before_ns, after_ns;
        if (machine && its && strcmp(machine, its) != 0) continue;
        if (!json_get_time(json_object_get(step, "before"), &before_ns) ||
            !json_get_time(json_object_get(step, "after"), &after_ns))
            continue;
        if (least(before_ns, after_ns) <= to_ns && greatest(before_ns, after_ns) >= from_ns) return true;
    }
    return false;
}

static void read_end(const json_t *ended, struct node_state *state) {
    uint64_t after_ns, by_ns;
    if (!has_ended(state) || !state->last_ns || !json_get_time(json_object_get(ended, "after"), &after_ns) ||
        !json_get_time(json_object_get(ended, "by"), &by_ns))
        return;
    state->after_ns = greatest(after_ns, state->last_ns);
    state->by_ns = greatest(by_ns, state->after_ns);
}

int node_states_read(struct node_states *ret_states, const struct facts *facts, const json_t *answer) {
    const json_t *rows = json_get_array(answer, "nodes"), *steps = json_get_array(answer, "clock_steps"), *row;
    struct node_states states = {.items = calloc(json_array_size(rows) + 1, sizeof *states.items)};
    size_t i;
    if (!states.items) return -ENOMEM;
    json_array_foreach(rows, i, row) {
        const char *state = json_get_text(row, "state");
        unsigned node = intern_find(&facts->nodes, json_get_hex(row, "node_id", NODE_DIGITS));
        if (!state || node == NO_NUMBER) continue;
        struct node_state *added = &states.items[states.count++];
        *added = (struct node_state){.node = node,
                                     .live = !strcmp(state, "live"),
                                     .crashed = !strcmp(state, "crashed"),
                                     .exited = !strcmp(state, "exited")};
        json_get_time(json_object_get(row, "started"), &added->started_ns);
        json_get_time(json_object_get(row, "last"), &added->last_ns);
        read_end(json_object_get(row, "ended"), added);
        added->doubtful = is_apart(steps, json_get_text(row, "machine"), facts, added->last_ns, added->by_ns);
        const char *kinds = json_get_text(row, "kinds");
        added->all_kinds = kinds && !strcmp(kinds, "all");
        added->sample = json_get_real(row, "sample", 0);
    }
    find_returned(&states);
    *ret_states = states;
    return 0;
}

/* ---- when a log ended ---- */

/* The time of a log's last event on the axis.  If the clock was stepped, last_ns is its latest time, not when it last emitted. */
static uint64_t end_of_log(const struct facts *facts, const struct node_state *state, bool whole) {
    if (!state->last_ns || !facts_stepped(facts)) return state->last_ns ? state->last_ns : UINT64_MAX;
    for (size_t i = facts->count; whole && i-- > 0;)
        if (facts->items[i].node == state->node && fact_unix(facts, &facts->items[i]) <= state->last_ns)
            return facts->items[i].time_ns;
    return UINT64_MAX;
}

/* Did the node have another log at that time, which said more, or may still be live? */
static bool runs_beside(const struct node_states *states, const struct node_state *ended, uint64_t unix_ns) {
    for (size_t i = 0; i < states->count; i++) {
        const struct node_state *state = &states->items[i];
        if (state == ended || state->node != ended->node || state->started_ns > unix_ns) continue;
        if (!has_ended(state) || state->last_ns > ended->last_ns) return true;
    }
    return false;
}

/* Unix times of a log's end on the axis, which is where its last event is; a step between the two hides how far it is. */
static void find_bounds(const struct facts *facts, struct node_state *ended) {
    ended->lived_ns = ended->gone_ns = ended->ended_ns;
    if (!ended->by_ns || ended->ended_ns == UINT64_MAX) return;
    ended->lived_ns += ended->after_ns - ended->last_ns;
    ended->gone_ns += ended->by_ns - ended->last_ns;
    ended->doubtful |= !facts_steady(facts, ended->ended_ns, ended->gone_ns);
}

/* Looks at what came after the last event of a log, until the node's next log began.  What others received from it soon after its
 * end was under way, or the node was killed before it could report it; what came later shows that it did not report all it did.
 * So do events of the node itself, and those that are missing, behind the last one. */
static void find_signs(const struct node_states *states, const struct facts *facts, struct node_state *ended) {
    find_bounds(facts, ended);
    const uint64_t end_ns = ended->gone_ns;
    ended->quiet_ns = ended->ended_ns;
    ended->again_ns = UINT64_MAX;
    if (!has_ended(ended) || ended->ended_ns == UINT64_MAX) return;
    for (size_t i = 0; i < states->count; i++)
        if (states->items[i].node == ended->node && states->items[i].started_ns > ended->last_ns)
            ended->again_ns = least(ended->again_ns, ended->ended_ns + (states->items[i].started_ns - ended->last_ns));
    struct fact_walk walk = facts_walk(facts, ended->ended_ns, ended->again_ns);
    const struct fact *fact;
    while ((fact = fact_walk_next(&walk)) && !ended->doubtful) {
        bool own = fact->node == ended->node && (fact->kind == FACT_EVENTS_LOST || fact->time_ns > ended->ended_ns);
        bool received = fact->peer == ended->node && fact->node != ended->node && fact_is_traffic(fact) && !fact_sends(fact);
        if (own || (received && fact->time_ns > end_ns && fact->time_ns - end_ns > UNDER_WAY_NS_MAX))
            ended->doubtful = true;
        else if (received)
            ended->quiet_ns = fact->time_ns;
    }
    ended->lived_ns = greatest(ended->lived_ns, ended->quiet_ns);
    ended->gone_ns = greatest(ended->gone_ns, ended->quiet_ns);
}

uint64_t node_state_end(const struct node_state *state) { return state->by_ns ? state->gone_ns : state->ended_ns; }

void node_states_settle(struct node_states *states, const struct facts *facts, enum facts_extent extent) {
    states->extent = extent;
    for (size_t i = 0; i < states->count; i++) {
        struct node_state *state = &states->items[i];
        state->ended_ns = state->live ? UINT64_MAX : end_of_log(facts, state, extent == FACTS_OF_PERIOD);
    }
    for (size_t i = 0; i < states->count; i++) find_signs(states, facts, &states->items[i]);
}

/* How many logs the node has: after a step of the clock, it is not known which of several ran when. */
static bool has_several(const struct node_states *states, unsigned node) {
    size_t logs = 0;
    for (size_t i = 0; i < states->count; i++) logs += states->items[i].node == node;
    return logs > 1;
}

static const struct node_state *find_ended(const struct node_states *states, const struct facts *facts, unsigned node,
                                           uint64_t asked_ns, uint64_t until_ns, bool surely) {
    const struct node_state *found = NULL;
    for (size_t i = 0; i < states->count; i++) {
        const struct node_state *state = &states->items[i];
        if (state->node != node || !has_ended(state) || (surely ? state->gone_ns : state->quiet_ns) >= until_ns) continue;
        if (!found || state->last_ns > found->last_ns) found = state;
    }
    if (!found || found->doubtful || facts->beside_cut) return NULL;
    if (facts_stepped(facts) && has_several(states, node)) return NULL;
    return runs_beside(states, found, greatest(found->last_ns, facts_unix(facts, node, asked_ns))) ? NULL : found;
}

const struct node_state *node_states_ended(const struct node_states *states, const struct facts *facts, unsigned node,
                                           uint64_t asked_ns, uint64_t until_ns) {
    return find_ended(states, facts, node, asked_ns, until_ns, true);
}

const struct node_state *node_states_may_have_ended(const struct node_states *states, const struct facts *facts, unsigned node,
                                                    uint64_t time_ns) {
    return find_ended(states, facts, node, time_ns, time_ns, false);
}

const struct node_state *node_states_ended_log(const struct node_states *states, const struct facts *facts, unsigned node,
                                               uint64_t time_ns) {
    const struct node_state *found = NULL;
    uint64_t unix_ns = facts_unix(facts, node, time_ns);
    if (facts_stepped(facts) && has_several(states, node)) return NULL;
    for (size_t i = 0; i < states->count; i++) {
        const struct node_state *state = &states->items[i];
        if (state->node != node || state->started_ns > unix_ns) continue;
        bool before = has_ended(state) && state->ended_ns < time_ns;
        if (before) continue;
        if (found || !has_ended(state) || state->ended_ns == UINT64_MAX || state->doubtful) return NULL;
        found = state;
    }
    /* The end of what began may be among the events that were not read. */
    if (states->extent == FACTS_CHOSEN) return NULL;
    if (found && states->extent == FACTS_OF_PERIOD && found->ended_ns > facts->items[facts->count - 1].time_ns) return NULL;
    return found && !facts_gap(facts, node, time_ns, UINT64_MAX) ? found : NULL;
}

bool node_states_know(const struct node_states *states, unsigned node) {
    for (size_t i = 0; i < states->count; i++)
        if (states->items[i].node == node) return true;
    return false;
}

double node_states_sample(const struct node_states *states, unsigned node) {
    double sample = 1;
    for (size_t i = 0; i < states->count; i++)
        if (states->items[i].node == node && states->items[i].sample > 0) sample = states->items[i].sample;
    return sample;
}

void node_states_fini(struct node_states *states) {
    free(states->items);
    *states = (struct node_states){0};
}
