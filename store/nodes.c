/* SPDX-License-Identifier: MIT
 *
 * The node table: see nodes.h.
 *
 * An entry goes EMPTY -> USED -> (dead and without events) -> USED again.  Before its bytes are written again, `used` is
 * cleared and an RCU grace period passes, so that any reader that found it under a read lock is done with it.
 *
 *      label       where             pairs with   without it
 *      used:R      nodes_add         used:A       a reader finds an entry whose constant fields are not written yet
 *      used:A      nodes_at          used:R
 *      count:R     nodes_add         count:A      a reader's loop runs past entries that it may not touch yet
 *      count:A     nodes_count       count:R
 *      generation:R nodes_add        generation:A a reader misses the newest node, and does not look again
 *      generation:A nodes_generation generation:R
 *      app:R       nodes_add_app     app:A        a reader takes a half-written description (app:R of shm.h is another)
 *      app:A       nodes_app         app:R
 *      state:R     nodes_end         -            a reader sees the state without its reason and last counters
 *      deaths:R    nodes_end         deaths:A     a recorder that saw the count writes the node as live
 *      deaths:A    nodes_deaths      deaths:R */
#include <store/grace.h>
#include <store/history.h>
#include <store/nodes.h>

#include <errno.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum place_state { PLACE_EMPTY, PLACE_USED, PLACE_FORGOTTEN };

/* What only the appending thread knows of an entry. */
struct place {
    enum place_state state;
    bool dead, rejected;
    uint64_t end;   /* dead: the position after its last event */
    uint64_t order; /* dead: when, among all that died */
};

struct nodes {
    _Atomic uint32_t count;
    _Atomic uint64_t generation; /* entries ever added */
    _Atomic bool used[NODES_MAX];
    /* appending thread only */
    struct place places[NODES_MAX];
    struct history *history; /* or NULL */
    _Atomic uint64_t deaths; /* read by any thread */
    uint32_t rejected;
    /* both */
    struct clock_steps clock_steps;
    struct node entries[NODES_MAX];
};

/* relaxed: state:R of nodes_end publishes them */
#define STORE(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed)
#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed)

#ifdef GRACE_TSAN
char grace__point;
#endif

int nodes_create(struct nodes **ret_nodes, struct history *history) {
    /* Anonymous memory is zero and costs nothing until it is touched: a few nodes use little of these 80 MB. */
    struct nodes *nodes = mmap(NULL, sizeof *nodes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (nodes == MAP_FAILED) return -errno;
    nodes->history = history;
    clock_steps_init(&nodes->clock_steps);
    *ret_nodes = nodes;
    return 0;
}

size_t nodes_bytes(void) { return sizeof(struct nodes); }

static void free_apps(struct node *node) {
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_relaxed); /* relaxed: only we write it */
    for (uint32_t i = 0; i < count; i++) free((void *)(uintptr_t)node->apps[i]);
}

void nodes_destroy(struct nodes *nodes) {
    if (!nodes) return;
    for (uint32_t i = 0; i < nodes_count(nodes); i++) free_apps(&nodes->entries[i]);
    munmap(nodes, sizeof *nodes);
}

/* ---- the appending thread ------------------------------------------------------------------------------------------------ */

static bool may_forget(const struct nodes *nodes, uint32_t index, uint64_t history_begin_position) {
    const struct place *place = &nodes->places[index];
    if (place->state == PLACE_FORGOTTEN) return true;
    if (place->state != PLACE_USED || !place->dead || place->end > history_begin_position) return false;
    return !nodes->history || !history_has_node(nodes->history, index);
}

/* An index to reuse: one that was forgotten, else that of the node that died first.  NODES_MAX: there is none. */
static uint32_t find_old(const struct nodes *nodes, uint32_t count, uint64_t history_begin_position) {
    uint32_t best = NODES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const struct place *place = &nodes->places[i];
        if (!may_forget(nodes, i, history_begin_position)) continue;
        if (place->state == PLACE_FORGOTTEN) return i;
        if (best == NODES_MAX || place->order < nodes->places[best].order) best = i;
    }
    return best;
}

/* Waits until no reader uses an old entry's bytes. */
static void clear(struct nodes *nodes, uint32_t index) {
    struct place *place = &nodes->places[index];
    /* relaxed: the grace period orders it before the writes that follow */
    atomic_store_explicit(&nodes->used[index], false, memory_order_relaxed);
    grace_wait();
    if (place->state == PLACE_USED && place->rejected) nodes->rejected--;
    *place = (struct place){.state = PLACE_EMPTY};
    free_apps(&nodes->entries[index]);
    memset(&nodes->entries[index], 0, sizeof nodes->entries[index]);
}

static void set_reason(struct node *node, const char *reason) {
    snprintf(node->reason, sizeof node->reason, "%s", reason ? reason : "");
}

int nodes_add(struct nodes *nodes, const struct node_info *info, enum node_state state, const char *reason,
              uint64_t history_begin_position, uint32_t *ret_index) {
    bool rejected = state == NODE_REJECTED;
    uint32_t count = atomic_load_explicit(&nodes->count, memory_order_relaxed); /* relaxed: only we write it */
    uint32_t index = NODES_MAX;

    if (rejected && nodes->rejected == NODES_REJECTED_MAX) return -ENOSPC;
    if (count >= NODES_KEPT) index = find_old(nodes, count, history_begin_position);
    if (index == NODES_MAX && count < NODES_MAX) index = count;
    if (index == NODES_MAX) return -ENOSPC;
    if (index < count) clear(nodes, index);

    struct node *node = &nodes->entries[index];
    node->info = *info;
    set_reason(node, reason);
    /* relaxed: used:R publishes them */
    atomic_store_explicit(&node->state, state, memory_order_relaxed);
    atomic_store_explicit(&node->control, info->control, memory_order_relaxed);
    nodes->places[index] = (struct place){.state = PLACE_USED, .rejected = rejected};
    nodes->rejected += rejected;
    if (nodes->history) history_node_begins(nodes->history, index);

    /* used:R  Publishes the entry.  Pairs with used:A. */
    atomic_store_explicit(&nodes->used[index], true, memory_order_release);
    /* count:R  Pairs with count:A. */
    if (index == count) atomic_store_explicit(&nodes->count, count + 1, memory_order_release);
    /* relaxed: only we write it */
    uint64_t generation = atomic_load_explicit(&nodes->generation, memory_order_relaxed) + 1;
    /* generation:R  Pairs with generation:A. */
    atomic_store_explicit(&nodes->generation, generation, memory_order_release);
    *ret_index = index;
    return 0;
}

void nodes_end(struct nodes *nodes, uint32_t index, enum node_state state, const char *reason, uint64_t history_end_position) {
    struct node *node = &nodes->entries[index];
    struct place *place = &nodes->places[index];
    place->dead = true;
    place->end = history_end_position;
    place->order = LOAD(nodes->deaths);
    if (nodes->history) history_node_ends(nodes->history, index);
    if (state == NODE_REJECTED) set_reason(node, reason); /* nobody reads it before that state */
    /* state:R  A reader that sees that the node is dead also sees its last counters. */
    atomic_store_explicit(&node->state, state, memory_order_release);
    /* deaths:R  Pairs with deaths:A. */
    atomic_store_explicit(&nodes->deaths, place->order + 1, memory_order_release);
}

#define CLOSED_LATE_NS_MAX 1000000 /* the clocks of two processors differ */

void nodes_set_ended(struct node *node, uint64_t after_ns, uint64_t by_ns) {
    uint64_t last_ns = LOAD(node->last_unix_ns);
    if (after_ns < last_ns) after_ns = last_ns;
    STORE(node->ended_after_ns, after_ns);
    STORE(node->ended_by_ns, by_ns > after_ns ? by_ns : after_ns);
}

void nodes_set_alive(struct node *node, uint64_t at_ns) {
    uint64_t last_ns = LOAD(node->last_unix_ns);
    STORE(node->ended_after_ns, at_ns > last_ns ? at_ns : last_ns);
    STORE(node->ended_by_ns, 0);
}

void nodes_set_closed(struct node *node, uint64_t closed_ns, uint64_t by_ns) {
    bool possible = closed_ns >= LOAD(node->last_unix_ns) && closed_ns <= by_ns + CLOSED_LATE_NS_MAX;
    if (closed_ns && possible) nodes_set_ended(node, closed_ns, closed_ns);
}

uint64_t nodes_live_until(const struct node *node) {
    if (LOAD(node->state) == NODE_LIVE) return UINT64_MAX;
    uint64_t last_ns = LOAD(node->last_unix_ns), after_ns = LOAD(node->ended_after_ns);
    return after_ns > last_ns ? after_ns : last_ns;
}

void nodes_forget(struct nodes *nodes, uint32_t index) {
    struct place *place = &nodes->places[index];
    if (place->rejected) nodes->rejected--;
    *place = (struct place){.state = PLACE_FORGOTTEN};
    atomic_store_explicit(&nodes->used[index], false, memory_order_relaxed); /* relaxed: its bytes stay until clear() */
}

int nodes_add_app(struct nodes *nodes, uint32_t index, const struct trace_app *app) {
    struct node *node = &nodes->entries[index];
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_relaxed); /* relaxed: only we write it */
    struct trace_app *copy;
    if (count >= TRACE_APPS_MAX) return 0;
    copy = malloc(sizeof *copy);
    if (!copy) return -ENOMEM;
    *copy = *app;
    node->apps[count] = copy;
    /* app:R  Publishes the description.  Pairs with app:A. */
    atomic_store_explicit(&node->app_count, count + 1, memory_order_release);
    return 0;
}

void nodes_put(struct nodes *nodes, uint32_t index, const struct node *node) {
    memcpy((void *)&nodes->entries[index], (const void *)node, sizeof *node);
    atomic_store_explicit(&nodes->entries[index].app_count, 0, memory_order_relaxed); /* relaxed: used:R publishes it */
    nodes->places[index] = (struct place){.state = PLACE_USED};
    atomic_store_explicit(&nodes->used[index], true, memory_order_release); /* used:R */
    /* relaxed: only we write both */
    if (atomic_load_explicit(&nodes->count, memory_order_relaxed) <= index)
        atomic_store_explicit(&nodes->count, index + 1, memory_order_release); /* count:R */
    uint64_t generation = atomic_load_explicit(&nodes->generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&nodes->generation, generation, memory_order_release); /* generation:R */
}

/* ---- any thread ---------------------------------------------------------------------------------------------------------- */

struct clock_steps *nodes_clock_steps(struct nodes *nodes) {
    return &nodes->clock_steps;
}

uint32_t nodes_count(const struct nodes *nodes) {
    /* count:A  Pairs with count:R. */
    return atomic_load_explicit(&nodes->count, memory_order_acquire);
}

uint64_t nodes_generation(const struct nodes *nodes) {
    /* generation:A  Pairs with generation:R. */
    return atomic_load_explicit(&nodes->generation, memory_order_acquire);
}

uint64_t nodes_deaths(const struct nodes *nodes) {
    /* deaths:A  Pairs with deaths:R. */
    return atomic_load_explicit(&nodes->deaths, memory_order_acquire);
}

struct node *nodes_at(const struct nodes *nodes, uint32_t index) {
    if (index >= NODES_MAX) return NULL;
    /* used:A  Pairs with used:R. */
    if (!atomic_load_explicit(&nodes->used[index], memory_order_acquire)) return NULL;
    return (struct node *)&nodes->entries[index];
}

const struct trace_app *nodes_app(const struct node *node, const char app_id[4]) {
    /* app:A  Pairs with app:R. */
    uint32_t count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(node->apps[i]->app_id, app_id, 4) == 0) return node->apps[i];
    return NULL;
}

const struct trace_app *nodes_event_app(const struct node *node, const struct trace_event *event) {
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    return app_id ? nodes_app(node, app_id) : NULL;
}

bool nodes_id_is_known(const struct trace_node_id *id) {
    static const struct trace_node_id none;
    return memcmp(id, &none, sizeof none) != 0;
}
