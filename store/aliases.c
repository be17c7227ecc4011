/* SPDX-License-Identifier: MIT
 *
 * The table of aliases: see aliases.h.
 *
 * The appending thread puts aliases into a queue.  A thread that makes a picture moves them from there into the table,
 * under a lock.  The appending thread moves them itself only if the queue is full and the lock is free.
 *
 *      label    where                pairs with   without it
 *      noted:R  aliases_add          noted:A      a reader takes an entry of the queue before all its bytes are visible
 *      noted:A  aliases__move        noted:R
 *      noted:A  alias_picture_take   noted:R      a reader has an event, but not the aliases before it
 *      noted:A  aliases_generation   noted:R      the same
 *      moved:R  aliases__move        moved:A      the appending thread overwrites an entry that is still being read
 *      moved:A  aliases_add          moved:R
 *      moved:A  aliases_generation   moved:R      a reader has the generation from before the move */
#include "aliases_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 uint128;

/* ---- hashes --------------------------------------------------------------------------------------------------------------- */

uint32_t aliases__hash(uint64_t key, const struct trace_node_id *id, uint32_t node, bool own) {
    /* The node comes last: mixed into the first word, it would make the ids of two nodes collide under any key. */
    uint64_t words[5] = {[4] = own ? NONE : node}, state = key;
    memcpy(words, id->bytes, sizeof id->bytes);
    for (unsigned i = 0; i < 5; i++) {
        uint128 product = (uint128)(state ^ words[i]) * (key | 1);
        state = (uint64_t)product ^ (uint64_t)(product >> 64);
        state = (state ^ state >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
        state ^= state >> 32;
    }
    return (uint32_t)state;
}

/* ---- the table, under the lock -------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct aliases *aliases, const struct alias *said) {
    return aliases__hash(aliases->key, &said->alias_id, said->node, said->own) % SLOTS;
}

/* An entry to write to: the next picture gets a new copy of its part.  The same for slots and marks below. */
static struct entry *entry_to_change(struct aliases *aliases, uint32_t index) {
    aliases->changed[index / ENTRIES_A_PART] = true;
    return &aliases->entries[index];
}

static uint32_t *slot_to_change(struct aliases *aliases, uint32_t slot) {
    aliases->changed[SLOT_PARTS_AT + slot / SLOTS_A_PART] = true;
    return &aliases->slots[slot];
}

static uint16_t *mark_to_change(struct aliases *aliases, const struct trace_node_id *alias_id) {
    uint32_t mark = aliases__hash_id(aliases->key, alias_id) % MARKS;
    aliases->changed[MARK_PARTS_AT + mark / MARKS_A_PART] = true;
    return &aliases->marks[mark];
}

int aliases_create(struct aliases **ret_aliases, const struct nodes *nodes) {
    struct aliases *aliases = calloc(1, sizeof *aliases);
    if (!aliases) return -ENOMEM;
    pthread_mutex_init(&aliases->lock, NULL);
    aliases->nodes = nodes;
    (void)!getrandom(&aliases->key, sizeof aliases->key, 0); /* without it, chains can be made long */
    memset(aliases->slots, 0xff, sizeof aliases->slots);
    memset(aliases->speaks, 0xff, sizeof aliases->speaks);
    aliases->empty = NONE;
    *ret_aliases = aliases;
    return 0;
}

void aliases_destroy(struct aliases *aliases) {
    if (!aliases) return;
    alias_picture_release(aliases->picture);
    pthread_mutex_destroy(&aliases->lock);
    free(aliases);
}

/* Updates how many aliases a node has, so that the node with the most is found at once. */
static void recount(struct aliases *aliases, uint32_t node, uint32_t count) {
    struct speaker *speakers = aliases->speakers, *speaker = &speakers[node];
    if (speaker->count) {
        *(speaker->before != NONE ? &speakers[speaker->before].next : &aliases->speaks[speaker->count]) = speaker->next;
        if (speaker->next != NONE) speakers[speaker->next].before = speaker->before;
    }
    speaker->count = count;
    if (count) {
        speaker->before = NONE;
        speaker->next = aliases->speaks[count];
        if (speaker->next != NONE) speakers[speaker->next].before = node;
        aliases->speaks[count] = node;
    }
    if (count > aliases->most) aliases->most = count;
    if (aliases->most && aliases->speaks[aliases->most] == NONE) aliases->most--;
}

static void unlink_age(struct aliases *aliases, uint32_t index) {
    struct place *place = &aliases->places[index];
    struct speaker *speaker = &aliases->speakers[aliases->entries[index].said.node];
    *(place->older != NONE ? &aliases->places[place->older].newer : &speaker->oldest) = place->newer;
    *(place->newer != NONE ? &aliases->places[place->newer].older : &speaker->newest) = place->older;
}

static void link_newest(struct aliases *aliases, uint32_t index) {
    struct place *place = &aliases->places[index];
    struct speaker *speaker = &aliases->speakers[aliases->entries[index].said.node];
    place->older = speaker->newest;
    place->newer = NONE;
    *(speaker->newest != NONE ? &aliases->places[speaker->newest].newer : &speaker->oldest) = index;
    speaker->newest = index;
}

/* A node can make one chain as long as the table, so nothing here walks to its end. */
static void link_slot(struct aliases *aliases, uint32_t index, uint32_t slot) {
    uint32_t *first = slot_to_change(aliases, slot);
    aliases->places[index].before = NONE;
    entry_to_change(aliases, index)->next = *first;
    if (*first != NONE) aliases->places[*first].before = index;
    *first = index;
}

static void unlink_slot(struct aliases *aliases, uint32_t index) {
    const struct entry *entry = &aliases->entries[index];
    uint32_t before = aliases->places[index].before;
    if (entry->next != NONE) aliases->places[entry->next].before = before;
    *(before != NONE ? &entry_to_change(aliases, before)->next : slot_to_change(aliases, slot_of(aliases, &entry->said))) =
        entry->next;
}

static void drop(struct aliases *aliases, uint32_t index) {
    struct entry *entry = entry_to_change(aliases, index);
    uint32_t node = entry->said.node;
    unlink_slot(aliases, index);
    unlink_age(aliases, index);
    --*mark_to_change(aliases, &entry->said.alias_id);
    recount(aliases, node, aliases->speakers[node].count - 1);
    aliases->count--;
    entry->said.node = NONE;
    entry->next = aliases->empty;
    aliases->empty = index;
}

static void drop_all(struct aliases *aliases, uint32_t node) {
    while (aliases->speakers[node].count) drop(aliases, aliases->speakers[node].oldest);
}

/* The node with the most aliases loses the one that it has not repeated for the longest time.  If several nodes have the most
 * and `node` is one of them, `node` loses. */
static void evict(struct aliases *aliases, uint32_t node) {
    uint32_t most = aliases->speakers[node].count == aliases->most ? node : aliases->speaks[aliases->most];
    drop(aliases, aliases->speakers[most].oldest);
    atomic_fetch_add_explicit(&aliases->evicted, 1, memory_order_relaxed); /* relaxed: a single counter */
}

static uint32_t take_entry(struct aliases *aliases, uint32_t node) {
    if (aliases->empty == NONE && aliases->used < ALIASES_MAX) return aliases->used++;
    if (aliases->empty == NONE) evict(aliases, node);
    uint32_t index = aliases->empty;
    aliases->empty = aliases->entries[index].next;
    return index;
}

static bool says_the_same(const struct alias *a, const struct alias *b) {
    return a->node == b->node && a->own == b->own && same_id(&a->alias_id, &b->alias_id) &&
           (a->own || same_id(&a->peer_id, &b->peer_id));
}

/* The index of the alias that this one repeats: the newest that the node said about the id by that time, or else the first after
 * it.  NONE if that says something different. */
static uint32_t find_same(const struct aliases *aliases, const struct alias *said, uint32_t slot) {
    uint32_t before = NONE, after = NONE;
    unsigned looked_at = 0;
    for (uint32_t i = aliases->slots[slot]; i != NONE && looked_at < CHAIN_MAX; i = aliases->entries[i].next) {
        const struct alias *other = &aliases->entries[i].said;
        if (other->node != said->node || other->own != said->own || !same_id(&other->alias_id, &said->alias_id)) continue;
        if (other->time_ns == said->time_ns && says_the_same(other, said)) return i;
        if (other->time_ns <= said->time_ns) {
            if (before == NONE || other->time_ns > aliases->entries[before].said.time_ns) before = i;
        } else if (after == NONE || other->time_ns < aliases->entries[after].said.time_ns) {
            after = i;
        }
        looked_at++;
    }
    if (before != NONE && says_the_same(&aliases->entries[before].said, said)) return before;
    return after != NONE && says_the_same(&aliases->entries[after].said, said) ? after : NONE;
}

static void changed(struct aliases *aliases) {
    atomic_fetch_add_explicit(&aliases->generation, 1, memory_order_relaxed); /* relaxed: only compared */
}

static void add_alias(struct aliases *aliases, const struct alias *said) {
    struct speaker *speaker = &aliases->speakers[said->node];
    uint32_t slot = slot_of(aliases, said), index;
    if (said->node >= aliases->speaker_count) {
        for (uint32_t i = aliases->speaker_count; i <= said->node; i++)
            aliases->speakers[i] = (struct speaker){.oldest = NONE, .newest = NONE};
        aliases->speaker_count = said->node + 1;
    }
    if (speaker->log != said->log) drop_all(aliases, said->node); /* another node had this index before */
    speaker->log = said->log;
    index = find_same(aliases, said, slot);
    if (index != NONE) {
        if (said->time_ns < aliases->entries[index].said.time_ns) {
            entry_to_change(aliases, index)->said.time_ns = said->time_ns;
            changed(aliases);
        }
        unlink_age(aliases, index);
        link_newest(aliases, index);
        return;
    }
    index = take_entry(aliases, said->node);
    entry_to_change(aliases, index)->said = *said;
    link_slot(aliases, index, slot);
    link_newest(aliases, index);
    ++*mark_to_change(aliases, &said->alias_id);
    recount(aliases, said->node, speaker->count + 1);
    aliases->count++;
    changed(aliases);
}

void aliases__move(struct aliases *aliases) {
    uint64_t moved = atomic_load_explicit(&aliases->moved, memory_order_relaxed); /* relaxed: written under the lock */
    /* noted:A  Pairs with noted:R. */
    uint64_t noted = atomic_load_explicit(&aliases->noted, memory_order_acquire);
    for (; moved != noted; moved++) add_alias(aliases, &aliases->queue[moved % QUEUE]);
    /* moved:R  The entries may be overwritten.  Pairs with moved:A. */
    atomic_store_explicit(&aliases->moved, moved, memory_order_release);
}

void aliases_stats(struct aliases *aliases, struct aliases_stats *ret_stats) {
    pthread_mutex_lock(&aliases->lock);
    aliases__move(aliases);
    *ret_stats = (struct aliases_stats){aliases->count, atomic_load_explicit(&aliases->evicted, memory_order_relaxed)};
    pthread_mutex_unlock(&aliases->lock);
}

size_t aliases_said_by(struct aliases *aliases, uint32_t node, struct alias *list, size_t max) {
    size_t count = 0;
    pthread_mutex_lock(&aliases->lock);
    aliases__move(aliases);
    uint32_t index = node < aliases->speaker_count ? aliases->speakers[node].oldest : NONE;
    for (; index != NONE && count < max; index = aliases->places[index].newer) list[count++] = aliases->entries[index].said;
    pthread_mutex_unlock(&aliases->lock);
    return count;
}

/* ---- the appending thread ------------------------------------------------------------------------------------------------- */

void aliases_add(struct aliases *aliases, const struct alias *from) {
    const struct node *entry = nodes_at(aliases->nodes, from->node); /* entries change in this thread only */
    struct alias said = *from;
    if (!entry || (!said.own && is_zero(&said.peer_id))) return;
    if (said.own) said.peer_id = entry->info.node_id;
    said.log = entry->info.log;
    if (is_zero(&said.alias_id) || same_id(&said.alias_id, &said.peer_id)) return;

    uint64_t noted = atomic_load_explicit(&aliases->noted, memory_order_relaxed); /* relaxed: only we write it */
    /* moved:A  Pairs with moved:R. */
    if (noted - atomic_load_explicit(&aliases->moved, memory_order_acquire) == QUEUE && !pthread_mutex_trylock(&aliases->lock)) {
        aliases__move(aliases);
        pthread_mutex_unlock(&aliases->lock);
    }
    if (noted - atomic_load_explicit(&aliases->moved, memory_order_acquire) == QUEUE) {
        atomic_fetch_add_explicit(&aliases->evicted, 1, memory_order_relaxed); /* relaxed: a single counter */
        return;
    }
    aliases->queue[noted % QUEUE] = said;
    /* noted:R  Publishes the entry.  Pairs with noted:A. */
    atomic_store_explicit(&aliases->noted, noted + 1, memory_order_release);
}

void aliases_note(struct aliases *aliases, uint32_t node, const struct trace_event *event) {
    const struct trace_alias *data = &event->data.alias;
    bool own = !(event->flags & TRACE_FLAG_HAS_PEER);
    struct alias said = {
        .peer_id = event->peer_id, .time_ns = event->timestamp, .node = node, .own = own, .transport = data->transport};
    if (data->alias_id_bytes != sizeof said.alias_id) return;
    memcpy(&said.alias_id, data->alias_id, sizeof said.alias_id);
    memcpy(said.label, data->label, sizeof said.label);
    aliases_add(aliases, &said);
}
