/* SPDX-License-Identifier: MIT
 *
 * A history made of images that are loaded on demand: a recording that is being read.
 *
 * A requested segment gets one of BACKED_PLACES memory places, and its arrays point into that place until another segment needs
 * it.  A block of its image is loaded when something in it is first needed (history__ready), never before; so finding a trace
 * in hundreds of segments reads one or two blocks of each.
 *
 * Images are untrusted even if their checksums are right.  A block is checked and adjusted when it is loaded, in our own memory,
 * where nobody changes it afterwards:
 *   - numbers of tallies and links of events are within their arrays, and a link leads to an older event, so that no chain loops;
 *   - node indices are translated to those of this history.
 * Therefore the code in history_*.c may use them like those of a segment in memory.
 *
 * One thread at a time. */
#include "history_internal.h"
#include <store/history_image.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BLOCKS_MAX 512 /* of an image, of 64 KiB each: 32 MiB */
#define NO_PLACE UINT32_MAX

struct backed_store;

struct backed {
    struct backed_store *store;
    uint32_t index;
    uint32_t place; /* NO_PLACE: none */
    struct history_backed_info info;
    struct history_layout layout;
    bool events_damaged, strays_told;
    bool nodes_moved;                 /* node_map changes indices */
    bool times_mixed;                 /* its events have several clocks */
    uint64_t loaded[BLOCKS_MAX / 64]; /* in its current place */
    uint64_t bad[BLOCKS_MAX / 64];
};

struct place {
    char *memory;
    struct segment *segment;
    uint64_t used; /* when */
};

struct backed_store {
    struct history_backing backing;
    struct history_times times; /* event is NULL: times are shown as they are */
    struct backed *list;
    uint32_t count;
    size_t place_bytes;
    uint64_t clock;
    struct place places[BACKED_PLACES];
    /* The directories, once they are built. */
    bool has_directories;
    void *areas[7];
    size_t area_bytes[7];
    uint64_t *last_ns; /* by entry of a trace */
};

/* ---- places ------------------------------------------------------------------------------------------------------------- */

static void point(struct segment *segment, char *memory) {
    const struct history_layout *layout = &segment->backed->layout;
    const struct history_shape *shape = &segment->backed->info.segment.shape;
    struct peer_tally *peers = (struct peer_tally *)(memory + layout->at[HISTORY_PEERS]);

    segment->sources = (history_source *)(memory + layout->at[HISTORY_SOURCES]);
    segment->events = (struct trace_event *)(memory + layout->at[HISTORY_EVENTS]);
    segment->blocks = (struct block *)(memory + layout->at[HISTORY_BLOCKS]);
    segment->traces = (struct trace_tally *)(memory + layout->at[HISTORY_TRACES]);
    segment->trace_links = (uint16_t *)(memory + layout->at[HISTORY_TRACE_LINKS]);
    segment->by_trace.slots = (_Atomic uint32_t *)(memory + layout->at[HISTORY_TRACE_TABLE]);
    segment->peer_links = (uint16_t *)(memory + layout->at[HISTORY_PEER_LINKS]);
    segment->peer_numbers = (uint16_t *)(memory + layout->at[HISTORY_PEER_NUMBERS]);
    segment->by_peer.slots = (_Atomic uint32_t *)(memory + layout->at[HISTORY_PEER_TABLE]);
    segment->chunks[0] = peers;
    for (uint32_t i = 1; i * CHUNK_PEERS < shape->peers; i++) segment->chunks[i] = peers + (size_t)i * CHUNK_PEERS;
}

void history__backed_enter(const struct history *history, struct segment *segment) {
    struct backed_store *store = history->backed;
    struct backed *backed = segment->backed;
    uint32_t oldest = 0;

    if (backed->place == NO_PLACE) {
        for (uint32_t i = 1; i < BACKED_PLACES; i++)
            if (store->places[i].used < store->places[oldest].used) oldest = i;
        if (store->places[oldest].segment) store->places[oldest].segment->backed->place = NO_PLACE;
        store->places[oldest].segment = segment;
        backed->place = oldest;
        memset(backed->loaded, 0, sizeof backed->loaded);
        point(segment, store->places[oldest].memory);
    }
    store->places[backed->place].used = ++store->clock;
}

/* ---- what a block may say ------------------------------------------------------------------------------------------------- */

/* The elements of a section that lie in [from, to) bytes of the image.  Sections and blocks are aligned so that no element
 * spans two blocks. */
static uint32_t elements(const struct backed *backed, enum history_section section, size_t size, size_t from, size_t to,
                         uint32_t *ret_first) {
    size_t begin = backed->layout.at[section], end = begin + backed->layout.bytes[section];
    if (from < begin) from = begin;
    if (to > end) to = end;
    if (from >= to) return 0;
    *ret_first = (uint32_t)((from - begin) / size);
    return (uint32_t)((to - from) / size);
}

static uint32_t node_of(const struct backed *backed, uint32_t node) {
    return node < backed->info.node_map_count ? backed->info.node_map[node] : backed->info.node_other;
}

static void fit_sources(struct backed *backed, struct segment *segment, uint32_t first, uint32_t count) {
    const struct history_backing *backing = &backed->store->backing;
    bool stray = false;

    for (uint32_t i = first; i < first + count; i++) {
        uint32_t node = node_of(backed, history_source_node(segment->sources[i]));
        stray |= node == backed->info.node_other;
        segment->sources[i] = history_source_make(node, history_source_lane(segment->sources[i]));
    }
    if (!stray || backed->strays_told || !backing->stray) return;
    backed->strays_told = true;
    backing->stray(backing->context, backed->index);
}

/* These loops have no branch: their data are random, and a misprediction costs more than all the rest. */

static bool fit_links(const uint16_t *links, uint32_t first, uint32_t count) {
    bool bad = false;
    for (uint32_t i = first; i < first + count; i++) bad |= links[i] > i;
    return !bad;
}

static bool fit_slots(const _Atomic uint32_t *slots, uint32_t first, uint32_t count, uint32_t numbers) {
    const uint32_t *plain = (const uint32_t *)slots; /* ours alone */
    bool bad = false;
    for (uint32_t i = first; i < first + count; i++) bad |= (plain[i] != 0) & ((plain[i] & 0xffff) >= numbers);
    return !bad;
}

static bool fit_peers(const struct backed *backed, struct segment *segment, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        struct peer_tally *tally = history__peer_tally(segment, i);
        uint32_t node;
        if (atomic_load_explicit(&tally->head, memory_order_relaxed) >= segment->capacity) return false; /* relaxed: ours alone */
        if (!history__peer_has_heard(tally)) { /* an older version had the node in the place of heard_ns, and 0 in its own */
            memcpy(&node, (const void *)&tally->heard_ns, sizeof node);
            history__store(&tally->heard_ns, 0);
            atomic_store_explicit(&tally->rtt_node, (uint16_t)node_of(backed, node),
                                  memory_order_relaxed); /* relaxed: likewise */
        } else {
            history__set_rtt_node(tally, node_of(backed, history__rtt_node(tally)));
        }
    }
    return true;
}

static bool fit_traces(struct segment *segment, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++)
        if (atomic_load_explicit(&segment->traces[i].head, memory_order_relaxed) >= segment->capacity)
            return false; /* likewise */
    return true;
}

static bool fit_numbers(const uint16_t *numbers, uint32_t first, uint32_t count, uint32_t peers) {
    bool bad = false;
    for (uint32_t i = first; i < first + count; i++) bad |= (numbers[i] >= peers) & (numbers[i] != PEER_NONE);
    return !bad;
}

/* The time of each event depends on its source, which may lie in an earlier block; if that is damaged, the event is hidden. */
static void show_events(struct backed *backed, struct segment *segment, size_t from, uint32_t first, uint32_t count) {
    const struct history_times *times = &backed->store->times;
    const char *here = backed->store->places[backed->place].memory + from;
    for (uint32_t i = first; i < first + count; i++) {
        bool before = (const char *)&segment->sources[i] < here;
        if (before && !history__backed_ready(segment, &segment->sources[i], sizeof *segment->sources)) continue;
        times->event(times->context, history_source_node(segment->sources[i]), segment->number * HISTORY_SEGMENT_EVENTS + i,
                     &segment->events[i]);
    }
}

static void show_bounds(const struct backed *backed, _Atomic uint64_t *min, _Atomic uint64_t *max) {
    const struct history_times *times = &backed->store->times;
    uint64_t min_ns = history__load(min), max_ns = history__load(max);
    (void)times->bounds(times->context, backed->index, &min_ns, &max_ns);
    history__store(min, min_ns);
    history__store(max, max_ns);
}

/* Converts all times in a block to the times shown. */
static void show_times(struct backed *backed, struct segment *segment, size_t from, size_t to) {
    uint32_t first = 0, count = elements(backed, HISTORY_EVENTS, sizeof(struct trace_event), from, to, &first);
    show_events(backed, segment, from, first, count);
    count = elements(backed, HISTORY_BLOCKS, sizeof(struct block), from, to, &first);
    for (uint32_t i = first; i < first + count; i++) show_bounds(backed, &segment->blocks[i].min_ns, &segment->blocks[i].max_ns);
    if (backed->times_mixed) return; /* the times of tallies are not used */
    count = elements(backed, HISTORY_TRACES, sizeof(struct trace_tally), from, to, &first);
    for (uint32_t i = first; i < first + count; i++)
        show_bounds(backed, &segment->traces[i].last_ns, &segment->traces[i].last_ns);
    count = elements(backed, HISTORY_PEERS, sizeof(struct peer_tally), from, to, &first);
    for (uint32_t i = first; i < first + count; i++) {
        struct peer_tally *tally = history__peer_tally(segment, i);
        show_bounds(backed, &tally->first_ns, &tally->last_ns);
        if (history__load(&tally->heard_ns) != 0) show_bounds(backed, &tally->heard_ns, &tally->heard_ns);
        if (history__load(&tally->rtt_time_ns) != 0) show_bounds(backed, &tally->rtt_time_ns, &tally->rtt_time_ns);
    }
}

/* Adjusts a loaded block to this history.  Returns false if it is invalid. */
static bool fit_block(struct backed *backed, struct segment *segment, size_t from, size_t to) {
    const struct history_shape *shape = &backed->info.segment.shape;
    uint32_t first = 0, count;
    bool fits = true;

    count = elements(backed, HISTORY_SOURCES, sizeof(history_source), from, to, &first);
    fit_sources(backed, segment, first, count);
    count = elements(backed, HISTORY_BLOCKS, sizeof(struct block), from, to, &first);
    for (uint32_t i = first; i < first + count && backed->nodes_moved; i++) history__store(&segment->blocks[i].nodes, UINT64_MAX);
    count = elements(backed, HISTORY_TRACES, sizeof(struct trace_tally), from, to, &first);
    fits = fits && fit_traces(segment, first, count);
    count = elements(backed, HISTORY_TRACE_LINKS, sizeof(uint16_t), from, to, &first);
    fits = fits && fit_links(segment->trace_links, first, count);
    count = elements(backed, HISTORY_TRACE_TABLE, sizeof(uint32_t), from, to, &first);
    fits = fits && fit_slots(segment->by_trace.slots, first, count, shape->traces);
    count = elements(backed, HISTORY_PEERS, sizeof(struct peer_tally), from, to, &first);
    fits = fits && fit_peers(backed, segment, first, count);
    count = elements(backed, HISTORY_PEER_LINKS, sizeof(uint16_t), from, to, &first);
    fits = fits && fit_links(segment->peer_links, first, count);
    count = elements(backed, HISTORY_PEER_NUMBERS, sizeof(uint16_t), from, to, &first);
    fits = fits && fit_numbers(segment->peer_numbers, first, count, shape->peers);
    count = elements(backed, HISTORY_PEER_TABLE, sizeof(uint32_t), from, to, &first);
    return fits && fit_slots(segment->by_peer.slots, first, count, shape->peers);
}

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

static bool load_block(struct backed_store *store, struct segment *segment, uint32_t block) {
    struct backed *backed = segment->backed;
    size_t from = block * backed->info.block_bytes, to = from + backed->info.block_bytes;
    char *memory = store->places[backed->place].memory;
    const struct history_backing *backing = &store->backing;

    if (history__bit_get(backed->bad, block)) return false;
    if (to > backed->layout.at[HISTORY_SECTIONS]) to = backed->layout.at[HISTORY_SECTIONS];
    if (backing->load(backing->context, backed->index, block, memory + from, to - from) == 0) {
        if (fit_block(backed, segment, from, to)) {
            if (store->times.event) show_times(backed, segment, from, to);
            history__bit_set(backed->loaded, block);
            return true;
        }
        backing->reject(backing->context, backed->index, block);
    }
    history__bit_set(backed->bad, block);
    if (history_image_block_events(&backed->info.segment.shape, backed->info.block_bytes, block) > 0)
        backed->events_damaged = true;
    return false;
}

bool history__backed_ready(const struct segment *segment, const void *from, size_t bytes) {
    struct backed *backed = segment->backed;
    struct backed_store *store = backed->store;
    size_t at = (size_t)((const char *)from - store->places[backed->place].memory), block_bytes = backed->info.block_bytes;
    bool ready = true;

    if (bytes == 0) return true;
    for (size_t block = at / block_bytes; block <= (at + bytes - 1) / block_bytes; block++)
        if (!history__bit_get(backed->loaded, (uint32_t)block) && !load_block(store, (struct segment *)segment, (uint32_t)block))
            ready = false;
    return ready;
}

const history_source *history_backed_sources(const struct history *history, uint64_t number, uint32_t *ret_count) {
    const struct segment *segment = history__segment(history, number);

    if (!segment || !history__ready(segment, segment->sources, segment->capacity * sizeof *segment->sources)) return NULL;
    *ret_count = segment->capacity;
    return segment->sources;
}

bool history__backed_times_whole(const struct segment *segment) { return !segment->backed->times_mixed; }

bool history__backed_damaged(const struct segment *segment) { return segment->backed != NULL && segment->backed->events_damaged; }

const uint64_t *history__backed_keys(const struct segment *segment) { return segment->backed->info.segment.keys; }

uint32_t history_backed_verify(struct history *history, uint32_t number) {
    struct segment *segment = history__segment(history, number);
    uint32_t damaged = 0, blocks;

    if (!segment || !segment->backed) return 0;
    blocks = (uint32_t)((segment->backed->layout.at[HISTORY_SECTIONS] + segment->backed->info.block_bytes - 1) /
                        segment->backed->info.block_bytes);
    for (uint32_t block = 0; block < blocks; block++)
        damaged += !history__bit_get(segment->backed->loaded, block) && !load_block(history->backed, segment, block);
    return damaged;
}

/* ---- directories -------------------------------------------------------------------------------------------------------- */

/* Zeroed memory that is allocated when touched. */
static void *area_take(struct backed_store *store, unsigned index, size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    store->areas[index] = memory;
    store->area_bytes[index] = bytes;
    return memory;
}

static void areas_drop(struct backed_store *store) {
    for (unsigned i = 0; i < sizeof store->areas / sizeof store->areas[0]; i++) {
        if (store->areas[i]) munmap(store->areas[i], store->area_bytes[i]);
        store->areas[i] = NULL;
    }
}

static uint64_t hash_of_trace(const struct history *history, const void *id) { return history__hash_trace(history, id); }
static uint64_t hash_of_peer(const struct history *history, const void *id) { return history__hash_peer(history, id); }

static int directory_take(struct backed_store *store, unsigned area, struct directory *directory, uint32_t capacity,
                          size_t entry_bytes, uint64_t (*hash_of)(const struct history *history, const void *id)) {
    unsigned bits = history__directory_bits(capacity);
    void *entries = area_take(store, area, (capacity + 1) * entry_bytes);
    void *even = area_take(store, area + 1, history__directory_slot_bytes(bits, 0));
    void *odd = area_take(store, area + 2, history__directory_slot_bytes(bits, 1));
    if (!entries || !even || !odd) return -ENOMEM;
    history__directory_init(directory, capacity, entries, entry_bytes, even, odd, hash_of);
    return 0;
}

/* The entry of an id, or 0.  The id follows the entry's head. */
static uint32_t find_entry(const struct directory *directory, uint64_t hash, const void *id, size_t id_bytes) {
    uint32_t mask = ((uint32_t)1 << directory->bits) - 1, tag = (uint32_t)(hash >> 32), index;
    for (uint32_t at = history__directory_home(directory, tag); (index = directory->slots[at].entry) != 0; at = (at + 1) & mask)
        if (directory->slots[at].tag == tag && memcmp(history__entry(directory, index) + 1, id, id_bytes) == 0) return index;
    return 0;
}

/* The entry of an id that is seen in a segment; created if there is none. */
static uint32_t see_entry(struct directory *directory, uint64_t hash, const void *id, size_t id_bytes, uint64_t number) {
    uint32_t index = find_entry(directory, hash, id, id_bytes);
    struct entry *entry;

    if (index == 0) {
        index = history__directory_add(directory, hash);
        entry = history__entry(directory, index);
        memcpy((void *)(entry + 1), id, id_bytes);
        history__store(&entry->first_in, number + 1);
    } else {
        entry = history__entry(directory, index);
    }
    history__store(&entry->last_in, number + 1);
    return index;
}

static void see_trace(struct history *history, const struct trace_id *id, uint64_t last_ns, uint64_t number) {
    uint32_t index = see_entry(&history->traces, history__hash_trace(history, id), id->bytes, sizeof id->bytes, number);
    uint64_t *known_ns = &history->backed->last_ns[index];
    if (last_ns > *known_ns) *known_ns = last_ns;
}

static void see_peer(struct history *history, const struct trace_node_id *id, uint64_t number) {
    (void)see_entry(&history->peers, history__hash_peer(history, id), id->bytes, sizeof id->bytes, number);
}

static void see_traces(struct history *history, const struct segment *segment) {
    uint32_t traces = segment->backed->info.segment.shape.traces;

    if (history__times_whole(segment) && history__ready(segment, segment->traces, traces * sizeof *segment->traces)) {
        for (uint32_t i = 0; i < traces; i++)
            see_trace(history, &segment->traces[i].id, history__load(&segment->traces[i].last_ns), segment->number);
        return;
    }
    for (uint32_t i = 0; i < segment->capacity; i++)
        if (history__event_ready(segment, i) && !history__id_none(&segment->events[i].trace_id))
            see_trace(history, &segment->events[i].trace_id, segment->events[i].timestamp, segment->number);
}

static void see_peers(struct history *history, const struct segment *segment) {
    uint32_t peers = segment->backed->info.segment.shape.peers;

    if (history__ready(segment, segment->chunks[0], peers * sizeof(struct peer_tally))) {
        for (uint32_t i = 0; i < peers; i++) see_peer(history, &history__peer_tally(segment, i)->id, segment->number);
        return;
    }
    for (uint32_t i = 0; i < segment->capacity; i++)
        if (history__event_ready(segment, i) && (segment->events[i].flags & TRACE_FLAG_HAS_PEER) != 0)
            see_peer(history, &segment->events[i].peer_id, segment->number);
}

int history__backed_directories(struct history *history) {
    struct backed_store *store = history->backed;
    uint32_t capacity = 0;
    int error;

    if (store->has_directories) return 0;
    for (uint32_t i = 0; i < store->count; i++) capacity += store->list[i].info.segment.shape.events;
    error = directory_take(store, 0, &history->traces, capacity, sizeof(struct trace_entry), hash_of_trace);
    if (error == 0) error = directory_take(store, 3, &history->peers, capacity, sizeof(struct peer_entry), hash_of_peer);
    store->last_ns = error == 0 ? area_take(store, 6, ((size_t)capacity + 1) * sizeof *store->last_ns) : NULL;
    if (!store->last_ns) {
        areas_drop(store);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < store->count; i++) {
        const struct segment *segment = history__segment(history, i);
        see_traces(history, segment);
        see_peers(history, segment);
    }
    store->has_directories = true;
    return 0;
}

uint32_t history__backed_entry(const struct history *history, const struct trace_id *id) {
    return find_entry(&history->traces, history__hash_trace(history, id), id->bytes, sizeof id->bytes);
}

void history__backed_last_times(const struct history *history, uint64_t *out) {
    memcpy(out, history->backed->last_ns, history__load32(&history->traces.high) * sizeof *out);
}

/* ---- other times -------------------------------------------------------------------------------------------------------- */

/* Over all its readable events. */
static void look_for_bounds(struct segment *segment) {
    uint64_t min_ns = UINT64_MAX, max_ns = 0;
    for (uint32_t i = 0; i < segment->capacity; i++) {
        if (!history__event_ready(segment, i)) continue;
        if (segment->events[i].timestamp < min_ns) min_ns = segment->events[i].timestamp;
        if (segment->events[i].timestamp > max_ns) max_ns = segment->events[i].timestamp;
    }
    if (min_ns > max_ns) return;
    history__store(&segment->bounds.min_ns, min_ns);
    history__store(&segment->bounds.max_ns, max_ns);
}

void history_backed_set_times(struct history *history, const struct history_times *times) {
    struct backed_store *store = history->backed;

    store->times = *times;
    areas_drop(store);
    store->has_directories = false;
    for (uint32_t i = 0; i < store->count; i++) {
        struct backed *backed = &store->list[i];
        struct segment *segment = &history->segments[i];
        uint64_t min_ns = history__load(&segment->bounds.min_ns), max_ns = history__load(&segment->bounds.max_ns);
        memset(backed->loaded, 0, sizeof backed->loaded);
        backed->times_mixed = !times->bounds(times->context, i, &min_ns, &max_ns);
        history__store(&segment->bounds.min_ns, min_ns);
        history__store(&segment->bounds.max_ns, max_ns);
    }
    for (uint32_t i = 0; i < store->count; i++)
        if (store->list[i].times_mixed) look_for_bounds(history__segment(history, i));
}

/* ---- ids by prefix ------------------------------------------------------------------------------------------------------ */

struct prefix_search {
    struct trace_id least, greatest; /* of the ids that begin so */
    struct trace_id *found;
    size_t count, capacity;
    bool failed;
};

static bool in_range(const struct prefix_search *search, const struct trace_id *id) {
    return memcmp(id, &search->least, sizeof *id) >= 0 && memcmp(id, &search->greatest, sizeof *id) <= 0;
}

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(struct trace_id)); }

/* Sorts and removes duplicates. */
static void found_unite(struct prefix_search *search) {
    size_t kept = 0;
    if (search->count > 0) qsort(search->found, search->count, sizeof *search->found, compare_ids);
    for (size_t i = 0; i < search->count; i++)
        if (kept == 0 || compare_ids(&search->found[kept - 1], &search->found[i]) != 0) search->found[kept++] = search->found[i];
    search->count = kept;
}

static void found_add(struct prefix_search *search, const struct trace_id *id) {
    if (search->count == search->capacity) {
        found_unite(search);
        if (search->count >= search->capacity / 2) {
            size_t capacity = search->capacity == 0 ? 64 : 2 * search->capacity;
            struct trace_id *found = realloc(search->found, capacity * sizeof *found);
            search->failed |= !found;
            if (!found) return;
            search->found = found;
            search->capacity = capacity;
        }
    }
    search->found[search->count++] = *id;
}

static uint64_t first_half(const struct trace_id *id) {
    uint64_t word;
    memcpy(&word, id->bytes, sizeof word);
    return be64toh(word);
}

/* The first tally whose id is not below the least, by the order of the tallies.  Returns false where one cannot be read. */
static bool lower_bound(const struct prefix_search *search, const struct segment *segment, uint32_t *ret_at) {
    const struct history_segment_info *info = &segment->backed->info.segment;
    uint64_t half = first_half(&search->least);
    uint32_t traces = info->shape.traces, marks = (traces + HISTORY_MARK_TRACES - 1) / HISTORY_MARK_TRACES, mark = 0, low, high;

    while (mark < marks && info->marks[mark] < half) mark++;
    low = mark == 0 ? 0 : (mark - 1) * HISTORY_MARK_TRACES;
    while (mark < marks && info->marks[mark] == half) mark++; /* the second half of these may still be below the least */
    high = mark * HISTORY_MARK_TRACES < traces ? mark * HISTORY_MARK_TRACES : traces;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!history__ready(segment, &segment->traces[middle], sizeof *segment->traces)) return false;
        if (memcmp(&segment->traces[middle].id, &search->least, sizeof search->least) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_at = low;
    return true;
}

static bool search_order(struct prefix_search *search, const struct segment *segment) {
    uint32_t traces = segment->backed->info.segment.shape.traces, at;

    if (!lower_bound(search, segment, &at)) return false;
    for (; at < traces; at++) {
        if (!history__ready(segment, &segment->traces[at], sizeof *segment->traces)) return false;
        if (!in_range(search, &segment->traces[at].id)) break;
        found_add(search, &segment->traces[at].id);
    }
    return true;
}

size_t history__backed_find_traces(struct history *history, const uint8_t *prefix, unsigned digits, struct trace_id *out,
                                   size_t max) {
    struct prefix_search search = {.count = 0};
    size_t count;

    memset(search.greatest.bytes, 0xff, sizeof search.greatest.bytes);
    memcpy(search.least.bytes, prefix, (digits + 1) / 2);
    memcpy(search.greatest.bytes, prefix, (digits + 1) / 2);
    if (digits % 2 != 0) search.least.bytes[digits / 2] &= 0xf0;
    if (digits % 2 != 0) search.greatest.bytes[digits / 2] |= 0x0f;
    for (uint32_t n = 0; n < history->backed->count; n++) {
        const struct segment *segment = history__segment(history, n);
        if (search_order(&search, segment)) continue;
        for (uint32_t i = 0; i < segment->capacity; i++) /* damaged: some may be found twice */
            if (history__event_ready(segment, i) && !history__id_none(&segment->events[i].trace_id) &&
                in_range(&search, &segment->events[i].trace_id))
                found_add(&search, &segment->events[i].trace_id);
    }
    found_unite(&search);
    count = search.failed ? 0 : search.count;
    for (size_t i = 0; i < count && i < max; i++) out[i] = search.found[i];
    free(search.found);
    return count;
}

/* ---- open and close ----------------------------------------------------------------------------------------------------- */

/* Segments are numbered by 32 bits, positions by 64; the limit is the number of directory entries. */
#define BACKED_SEGMENTS_MAX 32768

static bool map_is_same(const struct history_backed_info *info) {
    for (uint32_t i = 0; i < info->node_map_count; i++)
        if (info->node_map[i] != i && info->node_map[i] != info->node_other) return false;
    return true;
}

static int backed_init(struct backed_store *store, struct segment *segment, uint32_t index,
                       const struct history_backed_info *info) {
    struct backed *backed = &store->list[index];
    const struct history_segment_info *known = &info->segment;

    if (!history_image_layout(&known->shape, &backed->layout)) return -EINVAL;
    if (info->block_bytes < HISTORY_BLOCK_BYTES_MIN || info->block_bytes > HISTORY_BLOCK_BYTES_MAX) return -EINVAL;
    if ((info->block_bytes & (info->block_bytes - 1)) != 0) return -EINVAL;
    backed->store = store;
    backed->index = index;
    backed->place = NO_PLACE;
    backed->info = *info;
    backed->nodes_moved = !map_is_same(info);
    segment->backed = backed;
    segment->number = index;
    segment->capacity = known->shape.events;
    segment->bounds = (struct block){.min_ns = known->min_ns,
                                     .max_ns = known->max_ns,
                                     .kinds = known->kinds,
                                     .nodes = backed->nodes_moved ? UINT64_MAX : known->nodes};
    history__store32(&segment->by_trace.mask, known->shape.trace_slots - 1);
    history__store32(&segment->by_peer.mask, known->shape.peer_slots - 1);
    segment->trace_count = known->shape.traces;
    segment->peer_count = known->shape.peers;
    history__store32(&segment->traces_published, known->shape.traces);
    history__store32(&segment->peers_published, known->shape.peers);
    if (backed->layout.at[HISTORY_SECTIONS] > store->place_bytes) store->place_bytes = backed->layout.at[HISTORY_SECTIONS];
    return 0;
}

static int places_take(struct backed_store *store) {
    for (uint32_t i = 0; i < BACKED_PLACES && store->count > 0; i++) {
        void *memory = mmap(NULL, store->place_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return -ENOMEM;
        store->places[i].memory = memory;
    }
    return 0;
}

void history__backed_destroy(struct history *history) {
    struct backed_store *store = history->backed;

    areas_drop(store);
    for (uint32_t i = 0; i < BACKED_PLACES; i++)
        if (store->places[i].memory) munmap(store->places[i].memory, store->place_bytes);
    free(store->list);
    free(store);
    free((void *)history->ring);
    free(history->segments);
    free(history);
}

int history_open_backed(struct history **ret_history, const struct history_backed_info *segments, uint32_t segment_count,
                        const struct history_backing *backing) {
    struct history *history = aligned_alloc(64, (sizeof *history + 63) & ~(size_t)63);
    uint32_t count = segment_count > 0 ? segment_count : 1;
    uint64_t events = 0;
    int error = -ENOMEM;

    if (!history) return -ENOMEM;
    memset((void *)history, 0, sizeof *history);
    history->backed = calloc(1, sizeof *history->backed);
    history->segments = calloc(count, sizeof *history->segments);
    history->ring = calloc(count, sizeof *history->ring);
    history->segments_max = count;
    if (!history->backed || !history->segments || !history->ring) goto fail;
    history->backed->backing = *backing;
    history->backed->count = segment_count;
    history->backed->list = calloc(count, sizeof *history->backed->list);
    if (!history->backed->list) goto fail;
    error = segment_count <= BACKED_SEGMENTS_MAX ? history__keys_make(history) : -EINVAL;
    for (uint32_t i = 0; i < segment_count && error == 0; i++) {
        error = backed_init(history->backed, &history->segments[i], i, &segments[i]);
        if (error < 0) break;
        events = (uint64_t)i * HISTORY_SEGMENT_EVENTS + history->segments[i].capacity;
        atomic_store_explicit(&history->ring[i], &history->segments[i], memory_order_relaxed); /* relaxed: one thread */
    }
    if (error == 0) error = places_take(history->backed);
    if (error < 0) goto fail;
    history->arena_bytes = BACKED_PLACES * history->backed->place_bytes;
    history->bytes_max = history->arena_bytes + sizeof *history;
    history__store(&history->end, events);
    history__store32(&history->live, segment_count);
    *ret_history = history;
    return 0;

fail:
    if (history->backed) {
        history__backed_destroy(history);
        return error;
    }
    free((void *)history->ring);
    free(history->segments);
    free(history);
    return error;
}
