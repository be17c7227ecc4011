/* SPDX-License-Identifier: MIT
 *
 * Shares: which events of a retired segment stay, so that no node evicts another's newest events.
 *
 * An eighth of the history is shared among the nodes that have events in it.  Of each node the newest `share` events stay; what
 * one node does not need, the others get.  A node that emits more than its share needs no help: its newest events are in the
 * newest segments anyway.  The events of a quiet node are copied after the newest event before their segment is retired.  So a
 * kept event changes only its position; it is never in the history twice (history__span).
 *
 * An event's age is the number of events that its node has appended since.  Events leave a segment in order of arrival, so a
 * counter numbers those that leave for the first time; the numbers of kept events are in a queue.
 *
 * Everything but the counters belongs to the ingest thread. */
#include "history_share.h"
#include "history_keep.h"
#include "history_kept.h"

#include <errno.h>
#include <stdlib.h>

/* Dead nodes that have a share: the ones that died last. */
#define DEAD_MAX 256
#define NOBODY UINT16_MAX

struct share_node {
    uint64_t appended; /* events ever; each has a number among them, from 1 */
    uint64_t passed;   /* those that have left the segment that they came into */
    uint64_t held;     /* those in the history */
    bool released;     /* it no longer has a share */
};

struct history_share {
    uint64_t events_max; /* of all shares together */
    struct share_node nodes[HISTORY_NODES_MAX];
    uint32_t node_count; /* indices ever used */
    uint16_t dead[DEAD_MAX];
    uint32_t deaths;
    /* Numbers of the kept events, in the order of their positions. */
    uint32_t *numbers, numbers_mask;
    uint64_t pushed, popped;
    /* The retired segment: which events stay, and their numbers. */
    uint64_t chosen[HISTORY_SEGMENT_EVENTS / 64];
    uint32_t chosen_numbers[HISTORY_SEGMENT_EVENTS], chosen_count;
    const uint64_t *of_kept_traces; /* bit set: events that stay although no share keeps them; NULL: none */
    _Atomic uint64_t kept;          /* copies ever made */
    _Atomic uint64_t share;
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static uint32_t numbers_for(uint32_t segments_max) {
    uint32_t least = segments_max * (HISTORY_SEGMENT_EVENTS / 8 * 3), count = HISTORY_SEGMENT_EVENTS;
    while (count < least) count *= 2;
    return count;
}

size_t history__share_bytes(uint32_t segments_max) {
    return sizeof(struct history_share) + numbers_for(segments_max) * sizeof(uint32_t);
}

void history__share_init(struct history_share *share, uint32_t segments_max) {
    share->events_max = history__eighth(segments_max);
    share->numbers = (uint32_t *)(share + 1);
    share->numbers_mask = numbers_for(segments_max) - 1;
}

/* ---- nodes come and go -------------------------------------------------------------------------------------------------- */

void history__share_note(struct history *history, uint32_t node, uint32_t count) {
    struct history_share *share = history->share;
    struct segment *newest = history->newest;

    newest->only_node = history->filled == 0 || newest->only_node == node ? node : NODE_MANY;
    share->nodes[node].appended += count;
    share->nodes[node].held += count;
    if (node >= share->node_count) share->node_count = node + 1;
}

void history_node_begins(struct history *history, uint32_t node) {
    struct history_share *share = history->share;

    if (!share) return;
    share->nodes[node].released = false;
    for (uint32_t i = 0; i < DEAD_MAX && i < share->deaths; i++)
        if (share->dead[i] == node) share->dead[i] = NOBODY; /* its previous owner */
}

void history_node_ends(struct history *history, uint32_t node) {
    struct history_share *share = history->share;
    uint16_t *place;

    if (!share) return;
    place = &share->dead[share->deaths++ % DEAD_MAX];
    if (share->deaths > DEAD_MAX && *place != NOBODY) share->nodes[*place].released = true;
    *place = (uint16_t)node;
}

bool history_has_node(const struct history *history, uint32_t node) {
    return history->share != NULL && history->share->nodes[node].held != 0;
}

/* ---- what stays ---------------------------------------------------------------------------------------------------------- */

/* The greatest number of events per node that keeps the total within events_max. */
static uint64_t level(const struct history_share *share, uint64_t events_max) {
    uint64_t level = 0, nodes = 0;

    for (uint32_t i = 0; i < share->node_count; i++) nodes += share->nodes[i].held != 0 && !share->nodes[i].released;
    if (nodes == 0) return 0;
    for (uint64_t next = events_max / nodes; next > level;) {
        uint64_t small = 0, small_events = 0;
        level = next;
        for (uint32_t i = 0; i < share->node_count; i++) {
            const struct share_node *node = &share->nodes[i];
            if (node->held == 0 || node->released || node->held > level) continue;
            small++;
            small_events += node->held;
        }
        if (small == nodes) return UINT32_MAX / 2;
        next = (events_max - small_events) / (nodes - small);
    }
    return level;
}

static void choose_one(struct history_share *share, uint32_t index, uint64_t number) {
    history__bit_set(share->chosen, index);
    share->chosen_numbers[share->chosen_count++] = (uint32_t)number;
}

static bool is_of_kept_trace(const struct history_share *share, uint32_t index) {
    return share->of_kept_traces != NULL && history__bit_get(share->of_kept_traces, index);
}

/* Does an event stay that its node's share does not keep?  Events of a node without a share never do: its index is needed for
 * other nodes. */
static bool stays_with_trace(struct history *history, const struct share_node *node, uint32_t index) {
    if (!is_of_kept_trace(history->share, index)) return false;
    if (node->released) history__keep_lost(history, 1);
    return !node->released;
}

/* Events of one node that leave their segment for the first time. */
static void choose_run(struct history *history, struct share_node *node, uint64_t level, uint32_t first, uint32_t count) {
    struct history_share *share = history->share;
    uint64_t oldest = node->appended > level ? node->appended - level : 0, dropped; /* numbers above it stay */
    uint32_t chosen_before = share->chosen_count;

    if (node->released) oldest = node->appended;
    dropped = oldest > node->passed ? oldest - node->passed : 0;
    if (dropped > count) dropped = count;
    for (uint32_t i = 0; share->of_kept_traces != NULL && i < dropped; i++)
        if (stays_with_trace(history, node, first + i)) choose_one(share, first + i, node->passed + i + 1);
    for (uint32_t i = (uint32_t)dropped; i < count; i++) choose_one(share, first + i, node->passed + i + 1);
    node->passed += count;
    node->held -= count - (share->chosen_count - chosen_before);
}

/* An event that was kept before. */
static void choose_kept(struct history *history, struct share_node *node, uint64_t level, uint32_t index) {
    struct history_share *share = history->share;
    uint32_t number = share->numbers[share->popped++ & share->numbers_mask];

    if ((!node->released && (uint32_t)node->appended - number < level) || stays_with_trace(history, node, index))
        choose_one(share, index, number);
    else
        node->held--;
}

uint32_t history__share_choose(struct history *history, const struct segment *segment, unsigned squeeze) {
    struct history_share *share = history->share;
    uint64_t most = level(share, share->events_max >> squeeze);
    uint32_t kept = history__load32(&segment->kept_count);

    memset(share->chosen, 0, sizeof share->chosen);
    share->chosen_count = 0;
    share->of_kept_traces = history__keep_collect(history, segment);
    history__store(&share->share, most);
    if (segment->only_node != NODE_MANY) { /* and none was kept, or it would be NODE_MANY */
        choose_run(history, &share->nodes[segment->only_node], most, 0, HISTORY_SEGMENT_EVENTS);
        return share->chosen_count;
    }
    for (uint32_t first = 0, behind; first < HISTORY_SEGMENT_EVENTS; first = behind) {
        history_source source = segment->sources[first];
        struct share_node *node = &share->nodes[history_source_node(source)];
        behind = first + 1;
        if (kept != 0 && history__is_kept(segment, first)) {
            choose_kept(history, node, most, first);
            continue;
        }
        while (behind < HISTORY_SEGMENT_EVENTS && segment->sources[behind] == source &&
               (kept == 0 || !history__is_kept(segment, behind)))
            behind++;
        choose_run(history, node, most, first, behind - first);
    }
    return share->chosen_count;
}

/* ---- traces ---------------------------------------------------------------------------------------------------------------- */

static bool all_chosen(const struct history_share *share, const struct segment *segment, const struct trace_tally *tally) {
    struct chain chain;
    uint32_t index;

    for (history__chain_begin(&chain, &tally->head, segment->trace_links); history__chain_next(&chain, &index);)
        if (!history__bit_get(share->chosen, index)) return false;
    return true;
}

/* The number + 1 of the first segment after `number` that has events of the trace, or will get the kept ones. */
static uint64_t first_after(const struct history *history, uint64_t number, const struct trace_id *id, uint64_t last_in) {
    uint64_t hash = history__hash_trace(history, id);
    bool whole = true;

    for (uint64_t n = number + 1; n < last_in; n++) {
        const struct segment *segment = history__segment_bounds(history, n);
        if (segment && history__find_trace(segment, id, hash, &whole)) return n + 1;
    }
    return history->newest->number + 1;
}

/* If all of a trace's events stay, retiring the segment does not truncate the trace.  seen: traces of the segment that were
 * examined. */
static void settle_trace(struct history *history, const struct segment *segment, uint32_t index, uint64_t *seen) {
    const struct trace_id *id = &segment->events[index].trace_id;
    const struct trace_tally *tally;
    struct entry *entry;
    uint32_t number;
    bool whole = true;

    if (history__id_none(id)) return;
    tally = history__find_trace(segment, id, history__hash_trace(history, id), &whole);
    number = (uint32_t)(tally - segment->traces);
    if (history__bit_get(seen, number)) return;
    history__bit_set(seen, number);
    entry = &history__trace_entry(history, tally->entry)->entry;
    if (history__load(&entry->first_in) != segment->number + 1 || !all_chosen(history->share, segment, tally)) return;
    history__store(&entry->first_in, first_after(history, segment->number, id, history__load(&entry->last_in)));
}

/* ---- copying ------------------------------------------------------------------------------------------------------------- */

static uint32_t next_chosen(const struct history_share *share, uint32_t index) {
    while (index < HISTORY_SEGMENT_EVENTS) {
        uint64_t word = share->chosen[index / 64] >> index % 64;
        if (word != 0) return index + (uint32_t)__builtin_ctzll(word);
        index = (index / 64 + 1) * 64;
    }
    return index;
}

/* Marks the copies from `index` on as belonging to kept traces if their originals do. */
static void hand_on_kept(struct history *history, const struct segment *segment, uint32_t index, uint32_t count) {
    if (!history->share->of_kept_traces) return;
    for (; count > 0; count--, index = next_chosen(history->share, index + 1))
        if (is_of_kept_trace(history->share, index)) history__keep_copied(history, &segment->events[index].trace_id);
}

/* Copies chosen events of one source, as many as fit.  Returns the next chosen one. */
static uint32_t copy_run(struct history *history, const struct segment *segment, uint32_t index, uint32_t *done, uint64_t *seen) {
    struct history_share *share = history->share;
    struct segment *newest = history->newest;
    history_source source = segment->sources[index];
    uint32_t first = history->filled, at = first, from = index;

    while (index < HISTORY_SEGMENT_EVENTS && at < HISTORY_SEGMENT_EVENTS && segment->sources[index] == source &&
           share->pushed - share->popped <= share->numbers_mask) {
        settle_trace(history, segment, index, seen);
        newest->events[at] = segment->events[index];
        history__set_kept(newest, at++);
        share->numbers[share->pushed++ & share->numbers_mask] = share->chosen_numbers[(*done)++];
        index = next_chosen(share, index + 1);
    }
    newest->only_node = NODE_MANY;
    history__index(history, newest, first, at - first, source);
    hand_on_kept(history, segment, from, at - first);
    history->filled = at;
    return index;
}

void history__share_copy(struct history *history, const struct segment *segment) {
    struct history_share *share = history->share;
    uint64_t seen[HISTORY_SEGMENT_EVENTS / 64] = {0};
    uint32_t done = 0, index = next_chosen(share, 0);

    while (index < HISTORY_SEGMENT_EVENTS) {
        bool room = history->filled < HISTORY_SEGMENT_EVENTS || history__open_next(history);
        /* Events without room are evicted: the numbers for kept events are used up, or there is no memory for another
         * segment. */
        if (!room || share->pushed - share->popped > share->numbers_mask) {
            share->nodes[history_source_node(segment->sources[index])].held--;
            if (is_of_kept_trace(share, index)) history__keep_lost(history, 1);
            done++;
            index = next_chosen(share, index + 1);
            continue;
        }
        index = copy_run(history, segment, index, &done, seen);
    }
    history__store(&share->kept, share->pushed);
}

uint64_t history__share_kept(const struct history *history) {
    return history->share != NULL ? history__load(&history->share->kept) : 0;
}
uint64_t history__share_level(const struct history *history) {
    return history->share != NULL ? history__load(&history->share->share) : 0;
}

/* ---- readers --------------------------------------------------------------------------------------------------------------- */

uint64_t history_kept_before(const struct history *history, uint64_t position) {
    const struct segment *segment = history__segment_bounds(history, position / HISTORY_SEGMENT_EVENTS);
    uint32_t index = position % HISTORY_SEGMENT_EVENTS;
    uint64_t kept;

    if (!segment || !segment->kept) return history__share_kept(history); /* the end of a full segment */
    kept = segment->kept_before;
    for (uint32_t word = 0; word < index / 64; word++)
        kept += (uint64_t)__builtin_popcountll(history__load(&segment->kept[word]));
    if (index % 64 != 0)
        kept += (uint64_t)__builtin_popcountll(history__load(&segment->kept[index / 64]) & ((UINT64_C(1) << index % 64) - 1));
    return kept;
}
