/* SPDX-License-Identifier: MIT
 *
 * See store.h. */
#include <store/store.h>

#include <errno.h>
#include <proto/clock.h>
#include <pthread.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>
#include <unistd.h>

#define LANES_MAX 256
#define ALIASES_READ_MAX (8U * ALIASES_MAX)

struct store_lanes {
    uint64_t used[LANES_MAX / 64];
};

/* ---- threads ------------------------------------------------------------------------------------------------------------ */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

/* A thread of somebody's pool has no end that we could hook, but a thread's keys are destroyed by the thread itself. */
static void leave_thread(void *registered) {
    (void)registered;
    rcu_unregister_thread();
}

static void make_key(void) {
    if (pthread_key_create(&key, leave_thread)) abort(); /* at most once, at the start: the process lacks the most basic things */
}

void store_enter_thread(void) {
    pthread_once(&key_once, make_key);
    if (pthread_getspecific(key)) return;
    rcu_register_thread();
    if (pthread_setspecific(key, &key)) abort();
}

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static void note_alias(void *store, const struct trace_event *event, history_source source) {
    aliases_note(((struct store *)store)->aliases, history_source_node(source), event);
}

/* Takes the history over, also on failure. */
static int init_with(struct store *store, struct history *history) {
    *store = (struct store){.history = history, .instance = trace_now_unix_ns() ^ (uint64_t)getpid() << 40};
    int error = nodes_create(&store->nodes, history);
    if (!error) error = aliases_create(&store->aliases, store->nodes);
    if (error) {
        nodes_destroy(store->nodes);
        history_destroy(history);
        return error;
    }
    history_watch(history, TRACE_KIND_ALIAS, note_alias, store);
    return 0;
}

/* In time order, as the node reported them; only the newest events, if there are many more than fit.  Those that the writer had
 * in its table come last: then, if the table is full, it is as the writer's. */
int store_read_aliases(struct store *store) {
    const struct history_query query = {.kinds = UINT64_C(1) << TRACE_KIND_ALIAS};
    struct history_answer answer;
    struct alias_picture *picture;
    aliases_destroy(store->aliases);
    store->aliases = NULL;
    int error = aliases_create(&store->aliases, store->nodes);
    if (error) return error;
    error = history_select(store->history, &query, 0, UINT64_MAX, ALIASES_READ_MAX, true, NULL, &answer);
    if (error) return error;
    for (size_t i = answer.count; i-- > 0;) note_alias(store, &answer.hits[i].event, answer.hits[i].source);
    history_answer_fini(&answer);
    store_add_aliases(store, store->told, store->told_count);
    /* The questions share one picture, which is made now: then none of them lacks the memory for it. */
    picture = alias_picture_take(store->aliases);
    error = alias_picture_is_missing(store->aliases, picture) ? -ENOMEM : 0;
    alias_picture_release(picture);
    return error;
}

static int by_time(const void *one, const void *other) {
    const struct alias *a = one, *b = other;
    return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
}

void store_add_aliases(struct store *store, struct alias *list, size_t count) {
    if (count) qsort(list, count, sizeof *list, by_time);
    for (size_t i = 0; i < count; i++) aliases_add(store->aliases, &list[i]);
}

static void ignore_alias(void *store, const struct trace_event *event, history_source source) {
    (void)store, (void)event, (void)source;
}

void store_borrow_aliases(struct store *store, const struct store *other) {
    history_watch(store->history, TRACE_KIND_ALIAS, ignore_alias, NULL);
    aliases_destroy(store->aliases);
    store->aliases = other->aliases;
    store->aliases_borrowed = true;
}

void store_note_alias(struct store *store, uint32_t node, const struct trace_event *event) {
    aliases_note(store->aliases, node, event);
}

int store_init(struct store *store, size_t history_bytes) {
    struct history *history;
    int error = history_create_shared(&history, history_bytes);
    return error ? error : init_with(store, history);
}

void store_fini(struct store *store) {
    free(store->lanes);
    if (store->counted) free(store->counted->all);
    free(store->counted);
    if (!store->aliases_borrowed) aliases_destroy(store->aliases);
    nodes_destroy(store->nodes);
    history_destroy(store->history);
}

int store_create(struct store **ret_store, size_t history_bytes) {
    struct store *store = malloc(sizeof *store);
    struct history *history;
    if (!store) return -ENOMEM;
    store_enter_thread();
    int error = history_create_lazy(&history, history_bytes < HISTORY_BYTES_MIN ? HISTORY_BYTES_MIN : history_bytes);
    if (!error) error = init_with(store, history);
    if (error)
        free(store);
    else
        *ret_store = store;
    return error;
}

void store_destroy(struct store *store) {
    if (!store) return;
    store_fini(store);
    free(store);
}

/* ---- who is who ---------------------------------------------------------------------------------------------------------- */

static bool is_alias(const void *picture, const struct trace_node_id *id) { return alias_picture_has(picture, id); }

static const struct trace_node_id *resolve(const void *picture, const struct trace_event *event, history_source source) {
    return alias_picture_resolve(picture, history_source_node(source), event->timestamp, &event->peer_id);
}

const struct history_who *store_who(const struct alias_picture *picture, struct history_who *who) {
    *who = (struct history_who){picture, is_alias, resolve};
    return picture ? who : NULL;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

int store_add_node(struct store *store, const struct node_info *info, enum node_state state, uint32_t *ret_node) {
    if (state != NODE_LIVE && state != NODE_UNKNOWN) return -EINVAL;
    int error = nodes_add(store->nodes, info, state, NULL, history_begin_position(store->history), ret_node);
    if (!error && store->lanes) store->lanes[*ret_node] = (struct store_lanes){0}; /* the index may be another node's of before */
    return error;
}

void store_add_app(struct store *store, uint32_t node, const struct trace_app *app) {
    (void)nodes_add_app(store->nodes, node, app); /* without memory its events are shown by number */
}

/* One writer: an add needs no locked instruction.  Relaxed: single counters. */
static void add(_Atomic uint64_t *counter, uint64_t count) {
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count, memory_order_relaxed);
}

static void count_event(struct node *node, const struct trace_event *event) {
    if (event->kind == TRACE_KIND_EVENTS_LOST) {
        if (event->data.events_lost.cause >= TRACE_LOSS_COUNT) return; /* of a newer version: no counter stands for it */
        add(&node->emitted, event->data.events_lost.count);
        add(&node->lost[event->data.events_lost.cause], event->data.events_lost.count);
        return;
    }
    add(&node->emitted, 1);
    add(&node->indexed, 1);
    if (event->timestamp > atomic_load_explicit(&node->last_unix_ns, memory_order_relaxed)) /* relaxed: as in add */
        atomic_store_explicit(&node->last_unix_ns, event->timestamp, memory_order_relaxed);
}

static int use_lane(struct store *store, struct node *node, uint32_t index, uint32_t lane) {
    if (!store->lanes) store->lanes = calloc(NODES_MAX, sizeof *store->lanes);
    if (!store->lanes) return -ENOMEM;
    uint64_t *word = &store->lanes[index].used[lane / 64], bit = UINT64_C(1) << lane % 64;
    if (*word & bit) return 0;
    *word |= bit;
    atomic_fetch_add_explicit(&node->lanes_used, 1, memory_order_relaxed); /* relaxed: a single counter */
    return 0;
}

int store_append(struct store *store, uint32_t node, uint32_t lane, const struct trace_event *events, size_t count) {
    grace_read_lock();
    struct node *entry = nodes_at(store->nodes, node);
    grace_read_unlock(); /* entries change in this thread only */
    if (!entry || lane >= LANES_MAX) return -EINVAL;
    int error = count ? use_lane(store, entry, node, lane) : 0;
    while (!error && count) {
        uint32_t room;
        struct trace_event *place = history_reserve(store->history, &room);
        uint32_t part = count < room ? (uint32_t)count : room;
        memcpy(place, events, part * sizeof *events);
        for (uint32_t i = 0; i < part; i++) count_event(entry, &events[i]);
        history_append(store->history, part, history_source_make(node, lane));
        events += part;
        count -= part;
    }
    return error;
}

void store_end_node(struct store *store, uint32_t node, enum node_state state) {
    nodes_end(store->nodes, node, state, NULL, history_end_position(store->history));
}

void store_close(struct store *store, uint64_t now_ns) {
    struct history_stats stats;
    if (!now_ns) {
        history_stats(store->history, &stats);
        now_ns = !stats.events ? trace_now_unix_ns() : stats.last_ns == UINT64_MAX ? UINT64_MAX : stats.last_ns + 1;
    }
    atomic_store_explicit(&store->closed_ns, now_ns,
                          memory_order_relaxed); /* relaxed: one value; a concurrent reader gets either */
}

/* ---- time --------------------------------------------------------------------------------------------------------------- */

uint64_t store_now_ns(const struct store *store) {
    uint64_t closed_ns = atomic_load_explicit(&store->closed_ns, memory_order_relaxed); /* relaxed: as in store_close */
    return closed_ns ? closed_ns : trace_now_unix_ns();
}
