/* SPDX-License-Identifier: MIT
 *
 * Pictures of the table of aliases, and who is who in one: see aliases.h.
 *
 * A picture is a list of parts.  A new picture copies the parts that have changed, and shares the others with the picture
 * before it, so one more alias costs a few microseconds even in a full table. */
#include "aliases_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <store/grace.h>

#define STEPS_MAX 8U /* an alias of an alias of ... */

struct part {
    _Atomic uint32_t references;
    _Alignas(8) unsigned char bytes[];
};

struct alias_picture {
    _Atomic uint32_t references;
    const struct nodes *nodes;
    uint64_t key;
    uint64_t generation;
    uint32_t used; /* as in the table */
    /* The ids of logs, a hash table with open addressing; zero is an empty place. */
    struct part *known;
    uint64_t known_generation; /* of the node table */
    uint32_t known_slots;      /* a power of two */
    struct part *parts[PARTS]; /* NULL where no entry was ever used */
};

/* ---- parts ---------------------------------------------------------------------------------------------------------------- */

static struct part *part_new(size_t bytes) {
    struct part *part = malloc(sizeof *part + bytes);
    if (part) atomic_init(&part->references, 1);
    return part;
}

static struct part *part_share(struct part *part) {
    atomic_fetch_add_explicit(&part->references, 1, memory_order_relaxed); /* relaxed: a picture that we hold has one */
    return part;
}

static void part_release(struct part *part) {
    /* acq_rel: all uses of a part come before its end. */
    if (part && atomic_fetch_sub_explicit(&part->references, 1, memory_order_acq_rel) == 1) free(part);
}

/* The bytes of the table that belong to a part. */
static const void *part_source(const struct aliases *aliases, size_t index, size_t *ret_bytes) {
    if (index < SLOT_PARTS_AT) {
        *ret_bytes = ENTRIES_A_PART * sizeof *aliases->entries;
        return &aliases->entries[index * ENTRIES_A_PART];
    }
    if (index < MARK_PARTS_AT) {
        *ret_bytes = SLOTS_A_PART * sizeof *aliases->slots;
        return &aliases->slots[(index - SLOT_PARTS_AT) * SLOTS_A_PART];
    }
    *ret_bytes = MARKS_A_PART * sizeof *aliases->marks;
    return &aliases->marks[(index - MARK_PARTS_AT) * MARKS_A_PART];
}

static struct part *part_copy(const struct aliases *aliases, size_t index) {
    size_t bytes;
    const void *source = part_source(aliases, index, &bytes);
    struct part *part = part_new(bytes);
    if (part) memcpy(part->bytes, source, bytes);
    return part;
}

static const struct entry *entry_at(const struct alias_picture *picture, uint32_t index) {
    return (const struct entry *)(const void *)picture->parts[index / ENTRIES_A_PART]->bytes + index % ENTRIES_A_PART;
}

static uint32_t slot_at(const struct alias_picture *picture, uint32_t slot) {
    slot %= SLOTS;
    return ((const uint32_t *)(const void *)picture->parts[SLOT_PARTS_AT + slot / SLOTS_A_PART]->bytes)[slot % SLOTS_A_PART];
}

static uint16_t mark_at(const struct alias_picture *picture, uint32_t mark) {
    mark %= MARKS;
    return ((const uint16_t *)(const void *)picture->parts[MARK_PARTS_AT + mark / MARKS_A_PART]->bytes)[mark % MARKS_A_PART];
}

/* ---- the ids of logs ------------------------------------------------------------------------------------------------------ */

/* The place of this id, or the empty place where it would be. */
static struct trace_node_id *known_place(const struct alias_picture *picture, const struct trace_node_id *id) {
    struct trace_node_id *known = (struct trace_node_id *)(void *)picture->known->bytes;
    uint32_t at = aliases__hash_id(picture->key, id) & (picture->known_slots - 1);
    while (!is_zero(&known[at]) && !same_id(&known[at], id)) at = (at + 1) & (picture->known_slots - 1);
    return &known[at];
}

/* Is it the id of a log?  Then nobody can claim it as an alias. */
static bool is_known(const struct alias_picture *picture, const struct trace_node_id *id) {
    return !is_zero(known_place(picture, id));
}

static uint32_t known_slots(uint32_t nodes) {
    uint32_t slots = 16;
    while (slots < 2 * nodes) slots *= 2;
    return slots;
}

static bool make_known(struct alias_picture *picture) {
    picture->known_generation = nodes_generation(picture->nodes); /* read before the nodes */
    uint32_t count = nodes_count(picture->nodes);
    picture->known_slots = known_slots(count);
    picture->known = part_new(picture->known_slots * sizeof(struct trace_node_id));
    if (!picture->known) return false;
    memset(picture->known->bytes, 0, picture->known_slots * sizeof(struct trace_node_id));
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(picture->nodes, i);
        if (node && nodes_id_is_known(&node->info.node_id)) *known_place(picture, &node->info.node_id) = node->info.node_id;
    }
    grace_read_unlock();
    return true;
}

/* ---- pictures ------------------------------------------------------------------------------------------------------------- */

size_t aliases_bytes(void) {
    const struct aliases *table = NULL;
    size_t parts = sizeof table->entries + sizeof table->slots + sizeof table->marks;
    parts += known_slots(NODES_MAX) * sizeof(struct trace_node_id);
    return sizeof(struct aliases) + 3 * (sizeof(struct alias_picture) + parts + (PARTS + 1) * 2 * sizeof(struct part));
}

void alias_picture_release(struct alias_picture *picture) {
    /* acq_rel: all uses of a picture come before its end. */
    if (!picture || atomic_fetch_sub_explicit(&picture->references, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < PARTS; i++) part_release(picture->parts[i]);
    part_release(picture->known);
    free(picture);
}

/* Under the lock.  before: the newest picture, or NULL.  Returns NULL when out of memory. */
static struct alias_picture *picture_make(struct aliases *aliases, const struct alias_picture *before, uint64_t generation) {
    struct alias_picture *picture = calloc(1, sizeof *picture);
    if (!picture) return NULL;
    atomic_init(&picture->references, 1);
    picture->nodes = aliases->nodes;
    picture->key = aliases->key;
    picture->generation = generation;
    picture->used = aliases->used;
    bool whole = true;
    if (before && before->known_generation == nodes_generation(aliases->nodes)) {
        picture->known = part_share(before->known);
        picture->known_generation = before->known_generation;
        picture->known_slots = before->known_slots;
    } else {
        whole = make_known(picture);
    }
    for (size_t i = 0; i < PARTS && whole; i++) {
        if (i < SLOT_PARTS_AT && i * ENTRIES_A_PART >= aliases->used) continue;
        bool same = before && !aliases->changed[i];
        picture->parts[i] = same ? part_share(before->parts[i]) : part_copy(aliases, i);
        whole = picture->parts[i] != NULL;
    }
    if (whole) {
        memset(aliases->changed, 0, sizeof aliases->changed);
        return picture;
    }
    alias_picture_release(picture);
    return NULL;
}

static uint64_t generation(const struct aliases *aliases) {
    return nodes_generation(aliases->nodes) + atomic_load_explicit(&aliases->generation, memory_order_relaxed);
}

uint64_t aliases_generation(struct aliases *aliases) {
    /* noted:A  As in alias_picture_take. */
    uint64_t noted = atomic_load_explicit(&aliases->noted, memory_order_acquire);
    /* moved:A  A thread that sees that another one has moved it also sees the new generation. */
    if (noted != atomic_load_explicit(&aliases->moved, memory_order_acquire)) {
        pthread_mutex_lock(&aliases->lock);
        aliases__move(aliases);
        pthread_mutex_unlock(&aliases->lock);
    }
    return generation(aliases);
}

struct alias_picture *alias_picture_take(struct aliases *aliases) {
    struct alias_picture *picture;
    /* noted:A  A thread that has seen an event gets the aliases that were noted before it. */
    if (!aliases || atomic_load_explicit(&aliases->noted, memory_order_acquire) == 0) return NULL;
    pthread_mutex_lock(&aliases->lock);
    aliases__move(aliases);
    uint64_t now = generation(aliases);
    if (!aliases->picture || aliases->picture->generation != now) {
        picture = aliases->count ? picture_make(aliases, aliases->picture, now) : NULL;
        alias_picture_release(aliases->picture);
        aliases->picture = picture;
    }
    picture = aliases->picture;
    if (picture) atomic_fetch_add_explicit(&picture->references, 1, memory_order_relaxed); /* relaxed: the table has one */
    pthread_mutex_unlock(&aliases->lock);
    return picture;
}

bool alias_picture_is_missing(struct aliases *aliases, const struct alias_picture *picture) {
    struct aliases_stats stats = {0};
    if (!picture && aliases) aliases_stats(aliases, &stats);
    return stats.count > 0;
}

int alias_picture_renew(struct aliases *aliases, struct alias_picture **picture) {
    struct alias_picture *now = alias_picture_take(aliases);
    if (alias_picture_is_missing(aliases, now)) return -ENOMEM;
    alias_picture_release(*picture);
    *picture = now;
    return 0;
}

size_t alias_picture_count(const struct alias_picture *picture) { return picture ? picture->used : 0; }

const struct alias *alias_picture_at(const struct alias_picture *picture, size_t index) {
    const struct alias *said = &entry_at(picture, (uint32_t)index)->said;
    const struct node *node = said->node != NONE ? nodes_at(picture->nodes, said->node) : NULL;
    return node && node->info.log == said->log ? said : NULL;
}

int alias_picture_compare(const struct alias_picture *picture, size_t one, size_t other) {
    const struct alias *a = &entry_at(picture, (uint32_t)one)->said, *b = &entry_at(picture, (uint32_t)other)->said;
    int order = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
    if (!order) order = memcmp(&a->alias_id, &b->alias_id, sizeof a->alias_id);
    if (!order) order = memcmp(&a->peer_id, &b->peer_id, sizeof a->peer_id);
    return order ? order : (a->log > b->log) - (a->log < b->log);
}

bool alias_picture_has(const struct alias_picture *picture, const struct trace_node_id *id) {
    return picture && mark_at(picture, aliases__hash_id(picture->key, id));
}

/* ---- who is it? ----------------------------------------------------------------------------------------------------------- */

/* What this node said about a peer's id: the newest alias at that time, or else the first one after it. */
static const struct alias *said_of_peer(const struct alias_picture *picture, uint32_t node, uint64_t time_ns,
                                        const struct trace_node_id *id) {
    const struct node *speaker = nodes_at(picture->nodes, node);
    const struct alias *best = NULL;
    uint32_t index = speaker ? slot_at(picture, aliases__hash(picture->key, id, node, false)) : NONE;
    for (uint32_t i = 0; index != NONE && i < CHAIN_MAX; index = entry_at(picture, index)->next, i++) {
        const struct alias *alias = &entry_at(picture, index)->said;
        if (alias->own || alias->node != node || alias->log != speaker->info.log || !same_id(&alias->alias_id, id)) continue;
        bool before = alias->time_ns <= time_ns, best_before = best && best->time_ns <= time_ns;
        if (!best || (before && (!best_before || alias->time_ns > best->time_ns)) ||
            (!before && !best_before && alias->time_ns < best->time_ns))
            best = alias;
    }
    return best;
}

/* The time in which the log that has the alias was live, as far as anybody knows; without an end while it is.  Inside
 * rcu_read_lock(). */
struct life {
    uint64_t from_ns, to_ns;
};

static bool life_of(const struct alias_picture *picture, const struct alias *alias, struct life *ret_life) {
    const struct node *node = nodes_at(picture->nodes, alias->node);
    if (!node || node->info.log != alias->log) return false;
    *ret_life = (struct life){node->info.started_unix_ns, nodes_live_until(node)};
    return true;
}

/* Of the nodes that claim this id, the one that it belonged to at that time: the only one that ran then; or if none did, the
 * last one that ran before, or else the first one after.  NULL if two ran then. */
static const struct alias *said_of_itself(const struct alias_picture *picture, uint64_t time_ns, const struct trace_node_id *id) {
    const struct alias *best = NULL;
    struct life best_life = {0, 0};
    uint32_t index = slot_at(picture, aliases__hash_id(picture->key, id));
    for (uint32_t i = 0; index != NONE; index = entry_at(picture, index)->next, i++) {
        const struct alias *alias = &entry_at(picture, index)->said;
        struct life life;
        if (i == CHAIN_MAX) return NULL; /* too many to examine */
        if (!alias->own || !same_id(&alias->alias_id, id) || !life_of(picture, alias, &life)) continue;
        bool runs = life.from_ns <= time_ns && time_ns <= life.to_ns;
        bool best_runs = best && best_life.from_ns <= time_ns && time_ns <= best_life.to_ns;
        if (runs && best_runs && !same_id(&best->peer_id, &alias->peer_id)) return NULL;
        bool before = life.from_ns <= time_ns, best_before = best && best_life.from_ns <= time_ns;
        bool closer =
            before == best_before ? before ? life.from_ns > best_life.from_ns : life.from_ns < best_life.from_ns : before;
        if (best && (runs == best_runs ? !closer : best_runs)) continue;
        best = alias;
        best_life = life;
    }
    return best;
}

const struct trace_node_id *alias_picture_resolve(const struct alias_picture *picture, uint32_t node, uint64_t time_ns,
                                                  const struct trace_node_id *peer_id) {
    const struct trace_node_id *id = peer_id;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        const struct alias *said;
        if (!alias_picture_has(picture, id) || is_known(picture, id)) return id;
        said = said_of_peer(picture, node, time_ns, id);
        if (!said) said = said_of_itself(picture, time_ns, id);
        if (!said) return id;
        id = &said->peer_id;
    }
    return peer_id; /* a circle */
}

bool alias_picture_is_disputed(const struct alias_picture *picture, size_t index) {
    const struct alias *alias = &entry_at(picture, (uint32_t)index)->said;
    struct life life, other;
    if (is_known(picture, &alias->alias_id)) return true;
    if (!alias->own || !life_of(picture, alias, &life)) return false;
    uint32_t at = slot_at(picture, aliases__hash_id(picture->key, &alias->alias_id));
    for (uint32_t i = 0; at != NONE; at = entry_at(picture, at)->next, i++) {
        const struct alias *rival = &entry_at(picture, at)->said;
        if (i == CHAIN_MAX) return true;
        if (!rival->own || !same_id(&rival->alias_id, &alias->alias_id) || same_id(&rival->peer_id, &alias->peer_id)) continue;
        if (life_of(picture, rival, &other) && life.from_ns <= other.to_ns && other.from_ns <= life.to_ns) return true;
    }
    return false;
}

/* ---- under which ids? ----------------------------------------------------------------------------------------------------- */

struct ids {
    struct trace_node_id *list;
    size_t count, max; /* count is max + 1 if there are more */
};

static void add_id(struct ids *ids, const struct trace_node_id *id) {
    for (size_t i = 0; i < ids->count && i < ids->max; i++)
        if (same_id(&ids->list[i], id)) return;
    if (ids->count < ids->max) ids->list[ids->count] = *id;
    if (ids->count <= ids->max) ids->count++;
}

size_t alias_picture_find(const struct alias_picture *picture, const struct trace_id_prefix *prefix, struct trace_node_id *list,
                          size_t count, size_t max) {
    struct ids ids = {list, count, max};
    for (uint32_t i = 0; picture && i < picture->used; i++) {
        const struct alias *alias = &entry_at(picture, i)->said;
        if (alias->node == NONE) continue;
        if (trace_id_prefix_matches(prefix, alias->alias_id.bytes)) add_id(&ids, &alias->alias_id);
        if (trace_id_prefix_matches(prefix, alias->peer_id.bytes)) add_id(&ids, &alias->peer_id);
    }
    return ids.count;
}

size_t alias_picture_names_of(const struct alias_picture *picture, struct trace_node_id *list, size_t count, size_t max) {
    struct ids ids = {list, count, max};
    /* Follows every node's aliases: which of them apply depends on the event. */
    for (size_t done = 0; picture && done < ids.count && ids.count <= max; done++) {
        for (uint32_t i = 0; i < picture->used; i++) {
            const struct alias *alias = &entry_at(picture, i)->said;
            const struct trace_node_id *other = same_id(&alias->alias_id, &list[done])  ? &alias->peer_id
                                                : same_id(&alias->peer_id, &list[done]) ? &alias->alias_id
                                                                                        : NULL;
            if (other && alias->node != NONE && !is_known(picture, &alias->alias_id)) add_id(&ids, other);
        }
    }
    return ids.count;
}
