/* SPDX-License-Identifier: MIT
 *
 * The table of aliases: see aliases.h.
 *
 * What the appending thread notes goes into a queue.  Whoever makes a picture moves it from there into the table, under a
 * lock that the appending thread only takes when it gets it at once: when the queue is full.
 *
 *      label    where           pairs with   without it
 *      noted:R  aliases_note    noted:A      a reader takes an entry of the queue whose bytes are still on the way
 *      noted:A  move            noted:R
 *      moved:R  move            moved:A      the appending thread overwrites an entry that is still being read
 *      moved:A  aliases_note    moved:R */
#include <store/aliases.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <urcu.h>

#define QUEUE 1024U
#define NONE UINT32_MAX
#define SLOTS (2U * ALIASES_MAX)
#define CHAIN_MAX 64U /* looked at of what is said of one id */
#define STEPS_MAX 8U  /* an alias of an alias of ... */

/* As it was said. */
struct said {
    struct trace_node_id alias_id, peer_id; /* peer_id: not of an own one */
    uint64_t log;                           /* of the node at that index */
    uint64_t time_ns;
    uint32_t node;
    bool own;
    uint8_t transport;
    char label[sizeof((struct trace_alias *)0)->label];
};

struct entry {
    struct said said;
    uint64_t number;       /* in the order of their coming */
    uint32_t next, before; /* in its slot's chain; next also among those that are free */
    uint32_t older, newer; /* of the same node, by when it was last said */
};

/* What one node said. */
struct speaker {
    uint64_t log;
    uint32_t count, oldest, newest;
};

struct aliases {
    const struct nodes *nodes;
    uint64_t key; /* of the hashes */
    /* The appending thread writes the first two. */
    struct said queue[QUEUE];
    _Atomic uint64_t noted;
    _Atomic uint64_t moved;
    _Atomic uint64_t generation; /* of the table: changes under the lock */
    _Atomic uint64_t evicted;
    pthread_mutex_t lock;
    /* Under the lock. */
    struct entry entries[ALIASES_MAX];
    uint32_t slots[SLOTS];
    struct speaker speakers[NODES_MAX];
    uint32_t speaker_count; /* above the highest index that spoke */
    uint32_t count, free;
    uint64_t numbers;
    struct alias_picture *picture; /* the newest, or NULL */
};

__extension__ typedef unsigned __int128 uint128;

/* ---- hashes --------------------------------------------------------------------------------------------------------------- */

/* What nodes say of peers is found by the id and the node, so that a chain is one node's; what they say of themselves by the id
 * alone.  The key is random, so that nobody outside can make ids collide. */
static uint32_t hash(uint64_t key, const struct trace_node_id *id, uint32_t node, bool own) {
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

static bool same_id(const struct trace_node_id *a, const struct trace_node_id *b) { return !memcmp(a, b, sizeof *a); }

/* ---- the table, under the lock -------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct aliases *aliases, const struct said *said) {
    return hash(aliases->key, &said->alias_id, said->node, said->own) % SLOTS;
}

int aliases_create(struct aliases **ret_aliases, const struct nodes *nodes) {
    struct aliases *aliases = calloc(1, sizeof *aliases);
    if (!aliases) return -ENOMEM;
    pthread_mutex_init(&aliases->lock, NULL);
    aliases->nodes = nodes;
    (void)!getrandom(&aliases->key, sizeof aliases->key, 0); /* without it, chains can be made long */
    memset(aliases->slots, 0xff, sizeof aliases->slots);
    aliases->free = NONE;
    *ret_aliases = aliases;
    return 0;
}

void aliases_destroy(struct aliases *aliases) {
    if (!aliases) return;
    alias_picture_release(aliases->picture);
    pthread_mutex_destroy(&aliases->lock);
    free(aliases);
}

static void unlink_age(struct aliases *aliases, uint32_t index) {
    struct entry *entry = &aliases->entries[index];
    struct speaker *speaker = &aliases->speakers[entry->said.node];
    *(entry->older != NONE ? &aliases->entries[entry->older].newer : &speaker->oldest) = entry->newer;
    *(entry->newer != NONE ? &aliases->entries[entry->newer].older : &speaker->newest) = entry->older;
}

static void link_newest(struct aliases *aliases, uint32_t index) {
    struct entry *entry = &aliases->entries[index];
    struct speaker *speaker = &aliases->speakers[entry->said.node];
    entry->older = speaker->newest;
    entry->newer = NONE;
    *(speaker->newest != NONE ? &aliases->entries[speaker->newest].newer : &speaker->oldest) = index;
    speaker->newest = index;
}

/* A node can make one chain as long as the table: nothing here walks to its end. */
static void link_slot(struct aliases *aliases, uint32_t index, uint32_t slot) {
    struct entry *entry = &aliases->entries[index];
    entry->before = NONE;
    entry->next = aliases->slots[slot];
    if (entry->next != NONE) aliases->entries[entry->next].before = index;
    aliases->slots[slot] = index;
}

static void unlink_slot(struct aliases *aliases, uint32_t index) {
    struct entry *entry = &aliases->entries[index];
    if (entry->next != NONE) aliases->entries[entry->next].before = entry->before;
    if (entry->before != NONE)
        aliases->entries[entry->before].next = entry->next;
    else
        aliases->slots[slot_of(aliases, &entry->said)] = entry->next;
}

static void drop(struct aliases *aliases, uint32_t index) {
    struct entry *entry = &aliases->entries[index];
    unlink_slot(aliases, index);
    unlink_age(aliases, index);
    aliases->speakers[entry->said.node].count--;
    aliases->count--;
    entry->said.node = NONE;
    entry->next = aliases->free;
    aliases->free = index;
}

static void drop_all(struct aliases *aliases, uint32_t node) {
    while (aliases->speakers[node].count) drop(aliases, aliases->speakers[node].oldest);
}

/* Whoever has most, and of those with as many the one that speaks, gives up what it has not said for the longest time. */
static void evict(struct aliases *aliases, uint32_t node) {
    uint32_t most = node;
    for (uint32_t i = 0; i < aliases->speaker_count; i++)
        if (aliases->speakers[i].count > aliases->speakers[most].count) most = i;
    drop(aliases, aliases->speakers[most].oldest);
    atomic_fetch_add_explicit(&aliases->evicted, 1, memory_order_relaxed); /* relaxed: a single counter */
}

static uint32_t take_entry(struct aliases *aliases, uint32_t node) {
    uint32_t index = aliases->free;
    if (index == NONE && aliases->count < ALIASES_MAX) return aliases->count++; /* never used: none has been dropped so far */
    if (index == NONE) evict(aliases, node);
    index = aliases->free;
    aliases->free = aliases->entries[index].next;
    aliases->count++;
    return index;
}

static bool says_the_same(const struct said *a, const struct said *b) {
    return a->node == b->node && a->own == b->own && same_id(&a->alias_id, &b->alias_id) &&
           (a->own || same_id(&a->peer_id, &b->peer_id));
}

/* Did this node say the same before, and nothing else of this id after it?  Then its index. */
static uint32_t find_same(const struct aliases *aliases, const struct said *said, uint32_t slot) {
    for (uint32_t i = aliases->slots[slot]; i != NONE; i = aliases->entries[i].next) { /* the newest first */
        const struct said *other = &aliases->entries[i].said;
        if (says_the_same(other, said)) return i;
        if (other->node == said->node && other->own == said->own && same_id(&other->alias_id, &said->alias_id)) return NONE;
    }
    return NONE;
}

static void changed(struct aliases *aliases) {
    atomic_fetch_add_explicit(&aliases->generation, 1, memory_order_relaxed); /* relaxed: only compared */
}

static void add(struct aliases *aliases, const struct said *said) {
    struct speaker *speaker = &aliases->speakers[said->node];
    uint32_t slot = slot_of(aliases, said), index;
    if (said->node >= aliases->speaker_count) {
        for (uint32_t i = aliases->speaker_count; i <= said->node; i++)
            aliases->speakers[i] = (struct speaker){.oldest = NONE, .newest = NONE};
        aliases->speaker_count = said->node + 1;
    }
    if (speaker->log != said->log) drop_all(aliases, said->node); /* the index was another's */
    speaker->log = said->log;
    index = find_same(aliases, said, slot);
    if (index != NONE) {
        uint64_t *time_ns = &aliases->entries[index].said.time_ns;
        if (said->time_ns < *time_ns) {
            *time_ns = said->time_ns;
            changed(aliases);
        }
        unlink_age(aliases, index);
        link_newest(aliases, index);
        return;
    }
    index = take_entry(aliases, said->node);
    aliases->entries[index] = (struct entry){.said = *said, .number = aliases->numbers++};
    link_slot(aliases, index, slot);
    speaker->count++;
    link_newest(aliases, index);
    changed(aliases);
}

/* Takes everything from the queue. */
static void move(struct aliases *aliases) {
    uint64_t moved = atomic_load_explicit(&aliases->moved, memory_order_relaxed); /* relaxed: written under the lock */
    /* noted:A  Pairs with noted:R. */
    uint64_t noted = atomic_load_explicit(&aliases->noted, memory_order_acquire);
    for (; moved != noted; moved++) add(aliases, &aliases->queue[moved % QUEUE]);
    /* moved:R  The entries may be overwritten.  Pairs with moved:A. */
    atomic_store_explicit(&aliases->moved, moved, memory_order_release);
}

void aliases_stats(struct aliases *aliases, struct aliases_stats *ret_stats) {
    pthread_mutex_lock(&aliases->lock);
    move(aliases);
    *ret_stats = (struct aliases_stats){aliases->count, atomic_load_explicit(&aliases->evicted, memory_order_relaxed)};
    pthread_mutex_unlock(&aliases->lock);
}

/* ---- the appending thread ------------------------------------------------------------------------------------------------- */

static bool is_zero(const struct trace_node_id *id) {
    static const struct trace_node_id zero;
    return same_id(id, &zero);
}

void aliases_note(struct aliases *aliases, uint32_t node, const struct trace_event *event) {
    const struct trace_alias *data = &event->data.alias;
    const struct node *entry = nodes_at(aliases->nodes, node); /* entries change in this thread only */
    bool own = !(event->flags & TRACE_FLAG_HAS_PEER);
    struct said said = {.time_ns = event->timestamp, .node = node, .own = own, .transport = data->transport};
    if (!entry || data->alias_id_bytes != sizeof said.alias_id || (!own && is_zero(&event->peer_id))) return;
    memcpy(&said.alias_id, data->alias_id, sizeof said.alias_id);
    memcpy(said.label, data->label, sizeof said.label);
    said.peer_id = own ? entry->info.node_id : event->peer_id;
    said.log = entry->info.log;
    if (is_zero(&said.alias_id) || same_id(&said.alias_id, &said.peer_id)) return;

    uint64_t noted = atomic_load_explicit(&aliases->noted, memory_order_relaxed); /* relaxed: only we write it */
    /* moved:A  Pairs with moved:R. */
    if (noted - atomic_load_explicit(&aliases->moved, memory_order_acquire) == QUEUE && !pthread_mutex_trylock(&aliases->lock)) {
        move(aliases);
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

/* ---- pictures ------------------------------------------------------------------------------------------------------------- */

struct alias_picture {
    _Atomic uint32_t references;
    const struct nodes *nodes;
    uint64_t key;
    uint64_t generation;
    uint32_t count, slots, known_slots; /* the last two: powers of two */
    struct alias *list;
    uint64_t *logs;              /* of those that said so */
    uint32_t *slot, *next;       /* chains, the newest first */
    uint32_t *alias_slot;        /* open addressing: one of each alias id; slots of them */
    struct trace_node_id *known; /* open addressing: the ids of logs; zero is empty */
};

static bool known_has(const struct alias_picture *picture, const struct trace_node_id *id) {
    uint32_t at = hash(picture->key, id, NONE, true) & (picture->known_slots - 1);
    for (; !is_zero(&picture->known[at]); at = (at + 1) & (picture->known_slots - 1))
        if (same_id(&picture->known[at], id)) return true;
    return false;
}

static void known_add(struct alias_picture *picture, const struct trace_node_id *id) {
    uint32_t at = hash(picture->key, id, NONE, true) & (picture->known_slots - 1);
    for (; !is_zero(&picture->known[at]); at = (at + 1) & (picture->known_slots - 1))
        if (same_id(&picture->known[at], id)) return;
    picture->known[at] = *id;
}

static uint32_t above(uint32_t count) {
    uint32_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    return slots;
}

static void *cut(char **memory, size_t bytes) {
    char *part = *memory;
    *memory += (bytes + 7) / 8 * 8;
    return part;
}

static size_t picture_bytes(uint32_t count, uint32_t nodes) {
    return sizeof(struct alias_picture) + (size_t)count * (sizeof(struct alias) + 12) + (size_t)above(count) * 8 +
           (size_t)above(nodes) * sizeof(struct trace_node_id) + 64;
}

size_t aliases_bytes(void) { return sizeof(struct aliases) + 3 * picture_bytes(ALIASES_MAX, NODES_MAX); }

/* Room for so many aliases and nodes. */
static struct alias_picture *picture_new(const struct aliases *aliases, uint32_t count, uint32_t node_count) {
    struct alias_picture *picture = calloc(1, picture_bytes(count, node_count));
    if (!picture) return NULL;
    char *memory = (char *)(picture + 1);
    *picture = (struct alias_picture){
        .references = 1, .nodes = aliases->nodes, .key = aliases->key, .slots = above(count), .known_slots = above(node_count)};
    picture->list = cut(&memory, count * sizeof *picture->list);
    picture->logs = cut(&memory, count * sizeof *picture->logs);
    picture->slot = cut(&memory, picture->slots * sizeof *picture->slot);
    picture->alias_slot = cut(&memory, picture->slots * sizeof *picture->alias_slot);
    picture->next = cut(&memory, count * sizeof *picture->next);
    picture->known = cut(&memory, picture->known_slots * sizeof *picture->known);
    memset(picture->slot, 0xff, picture->slots * sizeof *picture->slot);
    memset(picture->alias_slot, 0xff, picture->slots * sizeof *picture->alias_slot);
    return picture;
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *const *x = a, *const *y = b;
    return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* The place of an id among those that somebody says are aliases. */
static uint32_t *alias_place(const struct alias_picture *picture, const struct trace_node_id *id) {
    uint32_t at = hash(picture->key, id, NONE, true) & (picture->slots - 1);
    while (picture->alias_slot[at] != NONE && !same_id(&picture->list[picture->alias_slot[at]].alias_id, id))
        at = (at + 1) & (picture->slots - 1);
    return &picture->alias_slot[at];
}

/* Inside rcu_read_lock(). */
static void picture_add(struct alias_picture *picture, const struct said *said) {
    const struct node *node = nodes_at(picture->nodes, said->node);
    uint32_t index = picture->count, *slot, *place;
    if (!node || node->info.log != said->log) return; /* the node is forgotten, and its events are gone */
    picture->list[index] = (struct alias){.alias_id = said->alias_id,
                                          .peer_id = said->peer_id,
                                          .node = said->node,
                                          .own = said->own,
                                          .disputed = known_has(picture, &said->alias_id),
                                          .time_ns = said->time_ns,
                                          .transport = said->transport};
    memcpy(picture->list[index].label, said->label, sizeof said->label);
    picture->logs[index] = said->log;
    picture->count++;
    slot = &picture->slot[hash(picture->key, &said->alias_id, said->node, said->own) & (picture->slots - 1)];
    picture->next[index] = *slot;
    *slot = index;
    place = alias_place(picture, &said->alias_id);
    if (*place == NONE) *place = index;
}

/* Under the lock. */
static struct alias_picture *picture_make(struct aliases *aliases, uint64_t generation) {
    const struct entry **order = malloc((aliases->count + 1) * sizeof *order);
    uint32_t node_count = nodes_count(aliases->nodes), count = 0;
    struct alias_picture *picture = order ? picture_new(aliases, aliases->count, node_count) : NULL;
    if (!picture) {
        free((void *)order);
        return NULL;
    }
    picture->generation = generation;
    for (uint32_t i = 0; count < aliases->count; i++)
        if (aliases->entries[i].said.node != NONE) order[count++] = &aliases->entries[i];
    qsort((void *)order, count, sizeof *order, compare_entries);
    rcu_read_lock();
    for (uint32_t i = 0; i < node_count; i++) {
        const struct node *node = nodes_at(aliases->nodes, i);
        if (node && nodes_id_is_known(&node->info.node_id)) known_add(picture, &node->info.node_id);
    }
    for (uint32_t i = 0; i < count; i++) picture_add(picture, &order[i]->said);
    rcu_read_unlock();
    free((void *)order);
    return picture;
}

uint64_t aliases_generation(const struct aliases *aliases) {
    return nodes_generation(aliases->nodes) + atomic_load_explicit(&aliases->generation, memory_order_relaxed);
}

struct alias_picture *alias_picture_take(struct aliases *aliases) {
    struct alias_picture *picture;
    /* noted:A  Whoever has seen an event has what was noted before it. */
    if (!aliases || atomic_load_explicit(&aliases->noted, memory_order_acquire) == 0) return NULL;
    pthread_mutex_lock(&aliases->lock);
    move(aliases);
    uint64_t generation = aliases_generation(aliases);
    if (!aliases->picture || aliases->picture->generation != generation) {
        alias_picture_release(aliases->picture);
        aliases->picture = aliases->count ? picture_make(aliases, generation) : NULL;
    }
    picture = aliases->picture;
    if (picture) atomic_fetch_add_explicit(&picture->references, 1, memory_order_relaxed); /* relaxed: we have one */
    pthread_mutex_unlock(&aliases->lock);
    return picture;
}

void alias_picture_release(struct alias_picture *picture) {
    /* acq_rel: all uses of a picture come before its end. */
    if (picture && atomic_fetch_sub_explicit(&picture->references, 1, memory_order_acq_rel) == 1) free(picture);
}

bool alias_picture_renew(struct aliases *aliases, struct alias_picture **picture) {
    struct alias_picture *now = alias_picture_take(aliases), *before = *picture;
    *picture = now;
    alias_picture_release(before); /* the table has one more, so that the address is not used again */
    return now != before;
}

/* ---- who is it? ----------------------------------------------------------------------------------------------------------- */

/* What this node said of a peer's id: the last that it had said by then, or else the first. */
static const struct alias *said_of_peer(const struct alias_picture *picture, uint32_t node, uint64_t time_ns,
                                        const struct trace_node_id *id) {
    const struct alias *best = NULL;
    uint32_t index = picture->slot[hash(picture->key, id, node, false) & (picture->slots - 1)];
    for (uint32_t i = 0; index != NONE && i < CHAIN_MAX; index = picture->next[index], i++) {
        const struct alias *alias = &picture->list[index];
        if (alias->own || alias->disputed || alias->node != node || !same_id(&alias->alias_id, id)) continue;
        bool before = alias->time_ns <= time_ns, best_before = best && best->time_ns <= time_ns;
        if (!best || (before && (!best_before || alias->time_ns > best->time_ns)) ||
            (!before && !best_before && alias->time_ns < best->time_ns))
            best = alias;
    }
    return best;
}

/* When the log of the node at this index was written; a live one may go on for ever.  Inside rcu_read_lock(). */
struct life {
    uint64_t from_ns, to_ns;
};

static bool life_of(const struct alias_picture *picture, uint32_t index, struct life *ret_life) {
    const struct node *node = nodes_at(picture->nodes, picture->list[index].node);
    if (!node || node->info.log != picture->logs[index]) return false;
    /* relaxed: the state alone matters, and a time that is a little old */
    uint32_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
    uint64_t last_ns = atomic_load_explicit(&node->last_unix_ns, memory_order_relaxed);
    *ret_life = (struct life){node->info.started_unix_ns, state == NODE_LIVE ? UINT64_MAX : last_ns};
    return true;
}

/* Of those that say this id is theirs, the one whose it was at that time: the only one that ran then or, if none did, the one
 * that ran last before, or else first after.  NULL when two ran. */
static const struct alias *said_of_itself(const struct alias_picture *picture, uint64_t time_ns, const struct trace_node_id *id) {
    const struct alias *best = NULL;
    struct life best_life = {0, 0};
    uint32_t index = picture->slot[hash(picture->key, id, 0, true) & (picture->slots - 1)];
    for (uint32_t i = 0; index != NONE; index = picture->next[index], i++) {
        const struct alias *alias = &picture->list[index];
        struct life life;
        if (i == CHAIN_MAX) return NULL; /* too many to be looked at */
        if (!alias->own || alias->disputed || !same_id(&alias->alias_id, id) || !life_of(picture, index, &life)) continue;
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
    if (!picture || *alias_place(picture, id) == NONE) return id;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        const struct alias *said;
        said = said_of_peer(picture, node, time_ns, id);
        if (!said) said = said_of_itself(picture, time_ns, id);
        if (!said) return id;
        id = &said->peer_id;
    }
    return peer_id; /* a circle */
}

bool alias_picture_has(const struct alias_picture *picture, const struct trace_node_id *id) {
    return picture && *alias_place(picture, id) != NONE;
}

size_t alias_picture_count(const struct alias_picture *picture) { return picture ? picture->count : 0; }

const struct alias *alias_picture_at(const struct alias_picture *picture, size_t index) { return &picture->list[index]; }

bool alias_picture_is_disputed(const struct alias_picture *picture, size_t index) {
    const struct alias *alias = &picture->list[index];
    struct life life, other;
    uint32_t at = picture->slot[hash(picture->key, &alias->alias_id, 0, true) & (picture->slots - 1)];
    if (alias->disputed || !alias->own || !life_of(picture, (uint32_t)index, &life)) return alias->disputed;
    for (uint32_t i = 0; at != NONE; at = picture->next[at], i++) {
        const struct alias *rival = &picture->list[at];
        if (i == CHAIN_MAX) return true;
        if (!rival->own || !same_id(&rival->alias_id, &alias->alias_id) || same_id(&rival->peer_id, &alias->peer_id)) continue;
        if (life_of(picture, at, &other) && life.from_ns <= other.to_ns && other.from_ns <= life.to_ns) return true;
    }
    return false;
}

static bool is_among(const struct trace_node_id *ids, size_t count, const struct trace_node_id *id) {
    for (size_t i = 0; i < count; i++)
        if (same_id(&ids[i], id)) return true;
    return false;
}

size_t alias_picture_names_of(const struct alias_picture *picture, const struct trace_node_id *id, struct trace_node_id *out,
                              size_t max) {
    size_t count = 1;
    out[0] = *id;
    /* What is connected by anybody's word: whose word counts, the events themselves decide. */
    for (size_t done = 0; done < count; done++) {
        for (uint32_t i = 0; picture && i < picture->count; i++) {
            const struct alias *alias = &picture->list[i];
            const struct trace_node_id *other = same_id(&alias->alias_id, &out[done])  ? &alias->peer_id
                                                : same_id(&alias->peer_id, &out[done]) ? &alias->alias_id
                                                                                       : NULL;
            if (!other || alias->disputed || is_among(out, count, other)) continue;
            if (count == max) return max + 1;
            out[count++] = *other;
        }
    }
    return count;
}
