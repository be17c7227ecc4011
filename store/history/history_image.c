/* SPDX-License-Identifier: MIT
 *
 * A segment's image: its layout, and how to take it from a history in memory. */
#include "history_kept.h"
#include <store/history_image.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>

/* Copied under one hold of the RCU read lock: some tens of microseconds. */
#define BYTES_A_LOCK ((size_t)256 << 10)

TRACE_STATIC_ASSERT_(sizeof(struct block) == 32, "docs/recording.md");

/* ---- layout ------------------------------------------------------------------------------------------------------------- */

static bool slots_fit(uint32_t slots, uint32_t ids) {
    return slots >= TABLE_SLOTS_MIN && slots <= TABLE_SLOTS && (slots & (slots - 1)) == 0 && ids < slots;
}

bool history_image_layout(const struct history_shape *shape, struct history_layout *ret_layout) {
    uint32_t events = shape->events;
    size_t at = 0;

    if (events < 1 || events > HISTORY_SEGMENT_EVENTS || shape->traces > events || shape->peers > events) return false;
    if (!slots_fit(shape->trace_slots, shape->traces) || !slots_fit(shape->peer_slots, shape->peers)) return false;
    const size_t bytes[HISTORY_SECTIONS] = {
        [HISTORY_SOURCES] = events * sizeof(history_source),
        [HISTORY_EVENTS] = events * sizeof(struct trace_event),
        [HISTORY_BLOCKS] = (events + BLOCK_EVENTS - 1) / BLOCK_EVENTS * sizeof(struct block),
        [HISTORY_TRACES] = shape->traces * sizeof(struct trace_tally),
        [HISTORY_TRACE_LINKS] = events * sizeof(uint16_t),
        [HISTORY_TRACE_TABLE] = shape->trace_slots * sizeof(uint32_t),
        [HISTORY_PEERS] = shape->peers * sizeof(struct peer_tally),
        [HISTORY_PEER_LINKS] = events * sizeof(uint16_t),
        [HISTORY_PEER_NUMBERS] = events * sizeof(uint16_t),
        [HISTORY_PEER_TABLE] = shape->peer_slots * sizeof(uint32_t),
    };
    for (unsigned section = 0; section < HISTORY_SECTIONS; section++) {
        ret_layout->at[section] = at;
        ret_layout->bytes[section] = bytes[section];
        at += (bytes[section] + HISTORY_IMAGE_ALIGN - 1) & ~(size_t)(HISTORY_IMAGE_ALIGN - 1);
    }
    ret_layout->at[HISTORY_SECTIONS] = at;
    return true;
}

size_t history_image_bytes_max(void) {
    const struct history_shape largest = {HISTORY_SEGMENT_EVENTS, HISTORY_SEGMENT_EVENTS, HISTORY_SEGMENT_EVENTS, TABLE_SLOTS,
                                          TABLE_SLOTS};
    struct history_layout layout;
    (void)history_image_layout(&largest, &layout);
    return layout.at[HISTORY_SECTIONS];
}

/* How many items of that size, starting at `at`, a range of bytes touches. */
static uint32_t touched(size_t at, size_t size, uint32_t count, size_t from, size_t to) {
    size_t first = from > at ? (from - at) / size : 0, behind = to > at ? (to - at + size - 1) / size : 0;
    if (behind > count) behind = count;
    return first < behind ? (uint32_t)(behind - first) : 0;
}

uint32_t history_image_block_events(const struct history_shape *shape, size_t block_bytes, uint32_t block) {
    struct history_layout layout;
    size_t from = block * block_bytes;
    uint32_t sources, events;

    if (!history_image_layout(shape, &layout)) return 0;
    sources = touched(layout.at[HISTORY_SOURCES], sizeof(history_source), shape->events, from, from + block_bytes);
    events = touched(layout.at[HISTORY_EVENTS], sizeof(struct trace_event), shape->events, from, from + block_bytes);
    return sources > events ? sources : events;
}

/* ---- taking ------------------------------------------------------------------------------------------------------------- */

/* An image under construction. */
struct taking {
    const struct history *history;
    uint64_t number;
    char *image;
    struct history_layout layout;
};

/* The address of an array in the segment, by its section.  Peers lie in chunks. */
static const void *array_of(const struct segment *segment, enum history_section section) {
    switch (section) {
    case HISTORY_SOURCES: return segment->sources;
    case HISTORY_EVENTS: return segment->events;
    case HISTORY_BLOCKS: return segment->blocks;
    case HISTORY_TRACES: return segment->traces;
    case HISTORY_TRACE_LINKS: return segment->trace_links;
    case HISTORY_TRACE_TABLE: return segment->by_trace.slots;
    case HISTORY_PEER_LINKS: return segment->peer_links;
    case HISTORY_PEER_NUMBERS: return segment->peer_numbers;
    case HISTORY_PEER_TABLE: return segment->by_peer.slots;
    default: return NULL;
    }
}

/* These tallies without what may still change: decisions of history_keep.c. */
static void copy_tallies(struct trace_tally *out, const struct trace_tally *tallies, size_t count) {
    TRACE_STATIC_ASSERT_(BYTES_A_LOCK % sizeof *out == 0, "one hold of the lock copies whole tallies");
    for (size_t i = 0; i < count; i++) {
        memcpy((void *)&out[i], (const void *)&tallies[i], offsetof(struct trace_tally, kept));
        history__kept_store(&out[i], TRACE_KEPT_NOT);
    }
}

static void copy_array(const struct segment *segment, enum history_section section, size_t from, char *out, size_t bytes) {
    const char *array = (const char *)array_of(segment, section) + from;
    if (section == HISTORY_TRACES)
        copy_tallies((struct trace_tally *)(void *)out, (const struct trace_tally *)(const void *)array,
                     bytes / sizeof(struct trace_tally));
    else
        memcpy(out, array, bytes);
}

static int take_bytes(const struct taking *taking, enum history_section section, size_t bytes) {
    char *out = taking->image + taking->layout.at[section];

    for (size_t done = 0; done < bytes; done += BYTES_A_LOCK) {
        size_t now = bytes - done < BYTES_A_LOCK ? bytes - done : BYTES_A_LOCK;
        const struct segment *segment;
        grace_read_lock();
        segment = history__segment(taking->history, taking->number);
        if (segment) copy_array(segment, section, done, out + done, now);
        grace_read_unlock();
        if (!segment) return -ENOENT;
    }
    return 0;
}

static int take_peers(const struct taking *taking, uint32_t peers) {
    struct peer_tally *out = (struct peer_tally *)(taking->image + taking->layout.at[HISTORY_PEERS]);

    for (uint32_t done = 0; done < peers; done += CHUNK_PEERS) {
        uint32_t now = peers - done < CHUNK_PEERS ? peers - done : CHUNK_PEERS;
        const struct segment *segment;
        grace_read_lock();
        segment = history__segment(taking->history, taking->number);
        if (segment) memcpy((void *)(out + done), (const void *)segment->chunks[done / CHUNK_PEERS], now * sizeof *out);
        grace_read_unlock();
        if (!segment) return -ENOENT;
        for (uint32_t i = done; i < done + now; i++) out[i].entry = 0;
    }
    return 0;
}

static void load_bounds(const struct block *bounds, struct history_segment_info *info) {
    info->min_ns = history__load(&bounds->min_ns);
    info->max_ns = history__load(&bounds->max_ns);
    info->kinds = history__load(&bounds->kinds);
    info->nodes = history__load(&bounds->nodes);
}

static int take_info(const struct history *history, uint64_t number, struct history_segment_info *ret_info) {
    uint64_t end = history_end_position(history);
    const struct segment *segment;

    memset(ret_info, 0, sizeof *ret_info);
    if (number * HISTORY_SEGMENT_EVENTS >= end) return -ENOENT;
    grace_read_lock();
    segment = history__segment(history, number);
    if (segment) {
        ret_info->number = number;
        ret_info->shape.events = history__behind(segment, end);
        ret_info->shape.traces = atomic_load_explicit(&segment->traces_published, memory_order_acquire); /* traces:A */
        ret_info->shape.peers = atomic_load_explicit(&segment->peers_published, memory_order_acquire);   /* peers:A */
        ret_info->shape.trace_slots = history__load32(&segment->by_trace.mask) + 1;
        ret_info->shape.peer_slots = history__load32(&segment->by_peer.mask) + 1;
        load_bounds(&segment->bounds, ret_info);
        memcpy(ret_info->keys, history__keys(history, segment), sizeof ret_info->keys);
    }
    grace_read_unlock();
    return segment != NULL ? 0 : -ENOENT;
}

/* ---- traces in the order of their ids ----------------------------------------------------------------------------------- */

struct place {
    uint64_t id; /* its first half, big-endian */
    uint32_t number;
};

static uint64_t first_half(const struct trace_tally *tally) {
    uint64_t word;
    memcpy(&word, tally->id.bytes, sizeof word);
    return be64toh(word);
}

static int compare_places(const void *a, const void *b, void *tallies) {
    const struct place *x = a, *y = b;
    const struct trace_tally *list = tallies;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return memcmp(list[x->number].id.bytes, list[y->number].id.bytes, TRACE_ID_BYTES);
}

static void order_traces(struct taking *taking, struct history_segment_info *info, struct place *places,
                         struct trace_tally *copies, uint16_t *moved) {
    struct trace_tally *tallies = (struct trace_tally *)(taking->image + taking->layout.at[HISTORY_TRACES]);
    uint32_t *slots = (uint32_t *)(taking->image + taking->layout.at[HISTORY_TRACE_TABLE]);
    uint32_t traces = info->shape.traces;

    for (uint32_t i = 0; i < traces; i++) places[i] = (struct place){first_half(&tallies[i]), i};
    qsort_r(places, traces, sizeof *places, compare_places, tallies);
    memcpy((void *)copies, (const void *)tallies, traces * sizeof *tallies);
    for (uint32_t i = 0; i < traces; i++) {
        memcpy((void *)&tallies[i], (const void *)&copies[places[i].number], sizeof *tallies);
        tallies[i].entry = 0;
        moved[places[i].number] = (uint16_t)i;
        if (i % HISTORY_MARK_TRACES == 0) info->marks[i / HISTORY_MARK_TRACES] = places[i].id;
    }
    for (uint32_t i = 0; i < info->shape.trace_slots; i++)
        if (slots[i] != 0) slots[i] = (slots[i] & 0xffff0000) | moved[slots[i] & 0xffff];
}

static int sort_traces(struct taking *taking, struct history_segment_info *info) {
    uint32_t traces = info->shape.traces;
    char *memory = malloc(traces * (sizeof(struct place) + sizeof(struct trace_tally) + sizeof(uint16_t)) + 1);
    struct place *places = (struct place *)memory;
    struct trace_tally *copies = (struct trace_tally *)(places + traces);

    if (!memory) return -ENOMEM;
    if (traces > 0) order_traces(taking, info, places, copies, (uint16_t *)(copies + traces));
    free(memory);
    return 0;
}

/* ---- a segment whose index does not have all ------------------------------------------------------------------------------*/

#define COPIED_A_LOCK 2048U

struct copied {
    struct trace_event events[COPIED_A_LOCK];
    history_source sources[COPIED_A_LOCK];
    uint32_t count;
};

/* What is reindexed: the events in [first, end) of a segment. */
struct chosen {
    uint64_t number;
    uint32_t first, end;
    const struct history_choice *choice; /* NULL: all of them */
    uint32_t unread;
};

static void copy_event(const struct segment *segment, uint32_t index, struct chosen *chosen, struct copied *out) {
    struct trace_event *event = &out->events[out->count];
    if (segment->kept && history__is_kept(segment, index)) return; /* it is in the image of the segment that it came into */
    if (!history__event_ready(segment, index)) {
        chosen->unread++;
        return;
    }
    *event = segment->events[index];
    out->sources[out->count] = segment->sources[index];
    if (!chosen->choice || chosen->choice->keep(chosen->choice->context, chosen->number * HISTORY_SEGMENT_EVENTS + index, event))
        out->count++;
}

/* Collects those from `first` on that belong into the image, as many as one hold of the lock allows.  Returns 0, or -ENOENT. */
static int copy_events(const struct history *history, struct chosen *chosen, uint32_t first, struct copied *out) {
    const struct segment *segment;

    out->count = 0;
    grace_read_lock();
    segment = history__segment(history, chosen->number);
    for (uint32_t i = first; segment != NULL && i < first + COPIED_A_LOCK && i < chosen->end && i < segment->capacity; i++) {
        if (chosen->number * HISTORY_SEGMENT_EVENTS + i >= history_end_position(history)) break;
        copy_event(segment, i, chosen, out);
    }
    grace_read_unlock();
    return segment != NULL ? 0 : -ENOENT;
}

static void append_copied(struct history *history, const struct copied *copied) {
    for (uint32_t i = 0, n; i < copied->count; i += n) {
        uint32_t room;
        struct trace_event *place = history_reserve(history, &room);
        for (n = 1; n < room && i + n < copied->count && copied->sources[i + n] == copied->sources[i];) n++;
        memcpy(place, &copied->events[i], n * sizeof *place);
        history_append(history, n, copied->sources[i]);
    }
}

/* Reindexes them in a separate history that has room for all peers. */
static int take_anew(struct history *history, struct chosen *chosen, void *image, struct history_segment_info *ret_info) {
    struct copied *copied = malloc(sizeof *copied);
    struct history *anew = NULL;
    int error = copied != NULL ? history_create_lazy(&anew, HISTORY_BYTES_MIN) : -ENOMEM;

    if (error == 0) {
        memcpy(anew->keys, history->keys, sizeof anew->keys);
        anew->every_peer = true;
    }
    for (uint32_t at = chosen->first; at < chosen->end && error == 0; at += COPIED_A_LOCK) {
        error = copy_events(history, chosen, at, copied);
        if (error == 0) append_copied(anew, copied);
    }
    if (error == 0) error = history_end_position(anew) == 0 ? -ENODATA : history_image_take(anew, 0, image, ret_info);
    if (error == 0) ret_info->number = chosen->number;
    history_destroy(anew);
    free(copied);
    return error;
}

static bool has_all(const struct history *history, uint64_t number) {
    const struct segment *segment;
    bool all;

    grace_read_lock();
    segment = history__segment(history, number);
    all = !segment || (!history__rare_chain(segment) && history__load32(&segment->kept_count) == 0);
    grace_read_unlock();
    return all;
}

int history_image_take(struct history *history, uint64_t number, void *image, struct history_segment_info *ret_info) {
    struct taking taking = {.history = history, .number = number, .image = image};
    struct history_segment_info info;
    int error = take_info(history, number, &info);

    if (error < 0) return error;
    if (!has_all(history, number)) return history_image_take_part(history, number, 0, HISTORY_SEGMENT_EVENTS, image, ret_info);
    if (!history_image_layout(&info.shape, &taking.layout)) return -EINVAL; /* for our own segment this is our bug */
    for (enum history_section section = 0; section < HISTORY_SECTIONS && error == 0; section++) {
        size_t at = taking.layout.at[section], bytes = taking.layout.bytes[section];
        error = section == HISTORY_PEERS ? take_peers(&taking, info.shape.peers) : take_bytes(&taking, section, bytes);
        memset(taking.image + at + bytes, 0, taking.layout.at[section + 1] - at - bytes);
    }
    if (error == 0) error = sort_traces(&taking, &info);
    if (error == 0) *ret_info = info;
    return error;
}

int history_image_take_part(struct history *history, uint64_t number, uint32_t first, uint32_t end, void *image,
                            struct history_segment_info *ret_info) {
    struct chosen chosen = {.number = number, .first = first, .end = end};
    return take_anew(history, &chosen, image, ret_info);
}

int history_image_take_chosen(struct history *history, uint64_t number, const struct history_choice *choice, void *image,
                              struct history_segment_info *ret_info, uint32_t *ret_unread) {
    struct chosen chosen = {.number = number, .end = HISTORY_SEGMENT_EVENTS, .choice = choice};
    int error = take_anew(history, &chosen, image, ret_info);
    *ret_unread = chosen.unread;
    return error;
}
