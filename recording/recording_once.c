/* SPDX-License-Identifier: MIT
 *
 * Each event once, although several runs recorded it: a traced that was restarted reads again what is still in the rings.
 *
 * An event is the same if its log, lane and sequence are, and all that its node wrote, except for the time: each run maps ticks
 * to Unix time anew.  The runs are taken in the order in which they were written, and the first one keeps the event.  A frame of
 * a later run that has such events is indexed anew without them, in memory; if it has no others, it is left out.  So nothing
 * that reads the history can meet them.
 *
 * Usually only the beginning of a run repeats the end of an earlier one.  The events of a lane are in the order of their sequence
 * in each run, so we look at the first and the last one that a frame has of a lane, from that end and from that beginning, until
 * the runs no longer overlap; only frames between are read as a whole.  A recording in another order (saved JSON) may keep some
 * repeats; nothing else is ever taken out.
 *
 * A new run also tells losses again.  A loss with a place in its lane is told for the positions that no earlier run accounts for:
 * as events or as losses, without a gap.  The others (discarded, no lane) are sums since the log began: only what an earlier
 * run has not told counts. */
#include "recording_once.h"

#include <errno.h>
#include <proto/event_clock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <xxhash.h>

#define SOURCES ((uint32_t)HISTORY_NODES_MAX << 8)
#define REPEATS_KEPT ((size_t)1 << 21) /* for later runs: at most 64 MiB */

/* ---- which runs have which lanes ------------------------------------------------------------------------------------------- */

static int by_written(const void *one, const void *other) {
    const struct run *a = one, *b = other;
    if (a->written_ns != b->written_ns) return a->written_ns < b->written_ns ? -1 : 1;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* The frames of an instance are neighbours (recording__arrange). */
static int list_runs(struct once *once) {
    struct recording_frame **frames = once->recording->frames;
    size_t count = once->recording->frame_count;

    once->runs = malloc(count * sizeof *once->runs);
    if (!once->runs) return -ENOMEM;
    for (size_t i = 0, j; i < count; i = j) {
        struct run *run = &once->runs[once->run_count++];
        *run = (struct run){.begin = i, .written_ns = UINT64_MAX};
        for (j = i; j < count && frames[j]->header.instance == frames[i]->header.instance; j++)
            if (frames[j]->header.written_unix_ns < run->written_ns) run->written_ns = frames[j]->header.written_unix_ns;
        run->end = j;
    }
    qsort(once->runs, once->run_count, sizeof *once->runs, by_written);
    return 0;
}

/* May a frame have events of that node of its own table? */
static bool may_have(const struct recording_frame *frame, uint32_t node) {
    return frame->node_map[node] != RECORDING_NODE_OTHER && (frame->header.nodes >> node % 64 & 1) != 0;
}

/* Returns 1 if there are any, 0, or -ENOMEM. */
static int find_shared(struct once *once) {
    uint32_t *first_run = calloc(HISTORY_NODES_MAX, sizeof *first_run); /* its rank + 1 */
    int any = 0;

    if (!first_run) return -ENOMEM;
    for (uint32_t r = 0; r < once->run_count; r++)
        for (size_t i = once->runs[r].begin; i < once->runs[r].end; i++) {
            const struct recording_frame *frame = once->recording->frames[i];
            for (uint32_t node = 0; node < frame->node_map_count; node++) {
                if (!may_have(frame, node)) continue;
                uint32_t index = frame->node_map[node];
                if (first_run[index] == 0) first_run[index] = r + 1;
                if (first_run[index] != r + 1) any = once->shared[index] = true;
            }
        }
    free(first_run);
    return any;
}

static bool has_shared(const struct once *once, size_t frame_index) {
    const struct recording_frame *frame = once->recording->frames[frame_index];
    for (uint32_t node = 0; node < frame->node_map_count; node++)
        if (may_have(frame, node) && once->shared[frame->node_map[node]]) return true;
    return false;
}

static int note_part(struct once *once, history_source source, uint32_t run, uint32_t frame, uint32_t index) {
    struct part *part;

    if (once->part_of[source] == 0) {
        if (once->part_count == once->part_capacity) {
            size_t capacity = once->part_capacity == 0 ? 256 : 2 * once->part_capacity;
            struct part *parts = realloc(once->parts, capacity * sizeof *parts);
            if (!parts) return -ENOMEM;
            once->parts = parts;
            once->part_capacity = capacity;
        }
        once->parts[once->part_count] = (struct part){.source = source, .run = run, .frame = frame, .first = index};
        once->part_of[source] = (uint32_t)++once->part_count;
    }
    part = &once->parts[once->part_of[source] - 1];
    part->last = index;
    part->count++;
    return 0;
}

/* Reads the sources of a frame, and no events.  A frame where they are damaged is left as it is. */
static int list_frame(struct once *once, uint32_t run, uint32_t frame) {
    size_t before = once->part_count;
    uint32_t count = 0;
    const history_source *sources = history_backed_sources(once->history, frame, &count);
    int error = 0;

    for (uint32_t i = 0; sources && i < count && error == 0; i++)
        if (once->shared[history_source_node(sources[i])]) error = note_part(once, sources[i], run, frame, i);
    for (size_t i = before; i < once->part_count; i++) once->part_of[once->parts[i].source] = 0;
    return error;
}

static int by_lane(const void *one, const void *other) {
    const struct part *a = one, *b = other;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    if (a->run != b->run) return a->run < b->run ? -1 : 1;
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* ---- what a run has of a lane ---------------------------------------------------------------------------------------------- */

/* The first readable one, or with `back` the last one, of a part.  events: no loss. */
static bool end_of(const struct once *once, const struct part *part, bool back, bool events, struct trace_event *ret_event) {
    uint32_t count;
    for (uint32_t i = 0; i <= part->last - part->first; i++) {
        uint64_t position = POSITION(part->frame, back ? part->last - i : part->first + i);
        struct history_item item;
        const history_source *sources = history_backed_sources(once->history, part->frame, &count);
        if (!sources || sources[position % HISTORY_SEGMENT_EVENTS] != part->source) continue;
        if (!history_at(once->history, position, &item) || (events && is_loss(item.event))) continue;
        *ret_event = *item.event;
        return true;
    }
    return false;
}

bool recording__once_first(const struct once *once, struct span span, struct trace_event *ret_event) {
    for (const struct part *part = span.begin; part < span.end; part++)
        if (end_of(once, part, false, false, ret_event)) return true;
    return false;
}

bool recording__once_last(const struct once *once, struct span span, struct trace_event *ret_event) {
    for (const struct part *part = span.end; part-- > span.begin;)
        if (end_of(once, part, true, false, ret_event)) return true;
    return false;
}

/* The sequence of the first, or with `back` the last, readable event that is no loss.  It is looked for once: a part is compared
 * with those of all other runs. */
static bool sequence_at(const struct once *once, struct part *part, bool back, uint32_t *ret_sequence) {
    struct part_end *end = back ? &part->ends_at : &part->begins_at;
    if (end->state == NOT_LOOKED) {
        struct trace_event event;
        end->state = end_of(once, part, back, true, &event) ? READABLE : NONE_READABLE;
        if (end->state == READABLE) end->sequence = event.sequence;
    }
    if (end->state == READABLE) *ret_sequence = end->sequence;
    return end->state == READABLE;
}

/* From a part on, those of the same lane and run. */
static struct span span_from(const struct once *once, struct part *begin) {
    struct part *all_end = once->parts + once->part_count, *end = begin;
    while (end < all_end && end->source == begin->source && end->run == begin->run) end++;
    return (struct span){begin, end};
}

/* The first part of a lane, from a run on. */
static struct part *find_part(const struct once *once, history_source source, uint32_t run) {
    const struct part key = {.source = source, .run = run};
    size_t low = 0, high = once->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_lane(&once->parts[middle], &key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return once->parts + low;
}

static bool is_of(const struct once *once, const struct part *part, history_source source) {
    return part < once->parts + once->part_count && part->source == source;
}

struct span recording__once_span(const struct once *once, history_source source, uint32_t run) {
    struct part *begin = find_part(once, source, run);
    return is_of(once, begin, source) && begin->run == run ? span_from(once, begin) : (struct span){begin, begin};
}

struct span recording__once_lane(const struct once *once, history_source source) {
    struct part *begin = find_part(once, source, 0);
    return is_of(once, begin, source) ? span_from(once, begin) : (struct span){begin, begin};
}

struct span recording__once_next(const struct once *once, struct span span) {
    history_source source = span.begin->source;
    return is_of(once, span.end, source) ? span_from(once, span.end) : (struct span){span.end, span.end};
}

static int list_all(struct once *once) {
    int error = 0;

    for (uint32_t r = 0; r < once->run_count && error == 0; r++) {
        bool any = false;
        for (size_t i = once->runs[r].begin; i < once->runs[r].end && error == 0; i++) {
            if (!has_shared(once, i)) continue;
            error = list_frame(once, r, (uint32_t)i);
            any = true;
        }
        if (error == 0 && any) error = recording__once_list_losses(once, r);
    }
    if (error < 0) return error;
    if (once->part_count > 0) qsort(once->parts, once->part_count, sizeof *once->parts, by_lane);
    return recording__once_sort_losses(once);
}

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

/* Of all that its node wrote, and where.  Never 0. */
static uint64_t hash_event(const struct once *once, const struct trace_event *event, history_source source) {
    struct trace_event copy = *event;
    uint64_t hash;
    copy.timestamp = source;
    trace_event_set_clock_steps(&copy, 0);
    hash = XXH3_64bits_withSeed(&copy, sizeof copy, once->seed);
    return hash != 0 ? hash : 1;
}

/* The slot that has it, or the empty one where it belongs. */
static uint64_t *find_slot(uint64_t *slots, size_t count, uint64_t hash) {
    size_t at = (size_t)hash & (count - 1);
    while (slots[at] != 0 && slots[at] != hash) at = (at + 1) & (count - 1);
    return &slots[at];
}

static int add_repeat(struct once *once, uint64_t hash) {
    uint64_t *slot;

    if (once->repeat_count >= once->repeat_slots / 2) {
        size_t count = once->repeat_slots == 0 ? 65536 : 2 * once->repeat_slots;
        uint64_t *slots = calloc(count, sizeof *slots);
        if (!slots) return -ENOMEM;
        for (size_t i = 0; i < once->repeat_slots; i++)
            if (once->repeats[i] != 0) *find_slot(slots, count, once->repeats[i]) = once->repeats[i];
        free(once->repeats);
        once->repeats = slots;
        once->repeat_slots = count;
    }
    slot = find_slot(once->repeats, once->repeat_slots, hash);
    once->repeat_count += *slot == 0;
    *slot = hash;
    return 0;
}

int recording__once_drop(struct once *once, uint64_t position) {
    uint64_t frame = position / HISTORY_SEGMENT_EVENTS, index = position % HISTORY_SEGMENT_EVENTS;
    if (!once->dropped[frame]) once->dropped[frame] = calloc(HISTORY_SEGMENT_EVENTS / 64, sizeof **once->dropped);
    if (!once->dropped[frame]) return -ENOMEM;
    once->dropped[frame][index / 64] |= UINT64_C(1) << index % 64;
    return 0;
}

static bool is_dropped(const struct once *once, uint64_t position) {
    const uint64_t *bits = once->dropped[position / HISTORY_SEGMENT_EVENTS];
    uint64_t index = position % HISTORY_SEGMENT_EVENTS;
    return bits && (bits[index / 64] >> index % 64 & 1) != 0;
}

/* Notes the events of an earlier run that later ones may have, too.  Those that were dropped are noted already: a run before
 * has them. */
static int hold_frame(struct once *once, uint32_t frame) {
    int error = 0;
    for (uint32_t i = 0; i < once->recording->frames[frame]->header.events && error == 0; i++) {
        struct history_item item;
        if (is_dropped(once, POSITION(frame, i)) || !history_at(once->history, POSITION(frame, i), &item)) continue;
        if (once->shared[history_source_node(item.source)] && !is_loss(item.event))
            error = add_repeat(once, hash_event(once, item.event, item.source));
    }
    once->held[frame] = true;
    return error;
}

static int drop_repeats(struct once *once, uint32_t frame) {
    int error = 0;
    for (uint32_t i = 0; i < once->recording->frames[frame]->header.events && error == 0; i++) {
        struct history_item item;
        if (!history_at(once->history, POSITION(frame, i), &item)) continue;
        if (!once->active[item.source] || is_loss(item.event)) continue;
        uint64_t hash = hash_event(once, item.event, item.source);
        if (*find_slot(once->repeats, once->repeat_slots, hash) == hash) error = recording__once_drop(once, POSITION(frame, i));
    }
    return error;
}

/* Flags the frames in which a lane of a run and of an earlier one overlap. */
static void relate(struct once *once, struct span earlier, struct span later, uint32_t from) {
    uint32_t sequence, next;
    struct part *last = earlier.end - 1;

    while (last > earlier.begin && !sequence_at(once, last, true, &sequence)) last--;
    if (!sequence_at(once, last, true, &sequence)) return;
    next = sequence + 1;
    if (behind(next, from) <= 0) return;
    for (struct part *part = later.begin; part < later.end; part++) {
        if (sequence_at(once, part, false, &sequence) && behind(sequence, next) >= 0) break;
        once->flags[part->frame] |= CANDIDATE;
    }
    for (struct part *part = earlier.end; part-- > earlier.begin;) {
        if (sequence_at(once, part, true, &sequence) && behind(sequence, from) < 0) break;
        once->flags[part->frame] |= HOLDER;
    }
    once->active[later.begin->source] = true;
}

static bool first_sequence(const struct once *once, struct span span, uint32_t *ret_sequence) {
    for (struct part *part = span.begin; part < span.end; part++)
        if (sequence_at(once, part, false, ret_sequence)) return true;
    return false;
}

/* Of each lane that the run has, what earlier ones have. */
static void relate_lanes(struct once *once, uint32_t rank) {
    struct part *end = once->parts + once->part_count;

    memset(once->flags, 0, once->recording->frame_count);
    memset(once->active, 0, SOURCES);
    for (struct part *lane = once->parts, *at; lane < end; lane = at) {
        struct span later = {end, end};
        uint32_t from;
        for (at = lane; at < end && at->source == lane->source;) {
            struct span span = span_from(once, at);
            if (span.begin->run == rank) later = span;
            at = span.end;
        }
        if (later.begin == end || later.begin == lane || !first_sequence(once, later, &from)) continue;
        for (struct part *part = lane; part < later.begin;) {
            struct span earlier = span_from(once, part);
            relate(once, earlier, later, from);
            part = earlier.end;
        }
    }
}

static int drop_events(struct once *once, uint32_t rank) {
    size_t count = once->recording->frame_count;
    int error = 0;

    relate_lanes(once, rank);
    if (once->repeat_count > REPEATS_KEPT) {
        memset(once->repeats, 0, once->repeat_slots * sizeof *once->repeats);
        memset(once->held, 0, count);
        once->repeat_count = 0;
    }
    for (size_t i = 0; i < count && error == 0; i++)
        if ((once->flags[i] & HOLDER) && !once->held[i]) error = hold_frame(once, (uint32_t)i);
    for (size_t i = 0; i < count && error == 0 && once->repeat_count > 0; i++)
        if (once->flags[i] & CANDIDATE) error = drop_repeats(once, (uint32_t)i);
    return error;
}

/* ---- frames without them --------------------------------------------------------------------------------------------------- */

static bool keep(void *context, uint64_t position, struct trace_event *event) {
    const struct once *once = context;
    const struct loss *loss;

    if (is_dropped(once, position)) return false;
    loss = is_loss(event) ? recording__once_loss(once, position) : NULL;
    if (!loss || loss->rest == loss->count) return true;
    event->data.events_lost.first = loss->rest_first;
    event->data.events_lost.count = loss->rest;
    event->sequence = (uint32_t)loss->rest_first;
    return true;
}

/* The frame becomes one whose blocks are in memory, and whose node indices are those of the merged table. */
static int become(struct recording_frame *frame, const struct history_segment_info *info, const char *image) {
    struct history_layout layout;
    uint16_t *map = malloc(RECORDING_NODE_OTHER * sizeof *map);

    (void)history_image_layout(&info->shape, &layout);
    frame->image = malloc(layout.at[HISTORY_SECTIONS]);
    if (!frame->image || !map) {
        free(map);
        return -ENOMEM;
    }
    memcpy(frame->image, image, layout.at[HISTORY_SECTIONS]);
    for (uint32_t i = 0; i < RECORDING_NODE_OTHER; i++) map[i] = (uint16_t)i;
    free(frame->node_map);
    frame->node_map = map;
    frame->node_map_count = RECORDING_NODE_OTHER;
    recording__header_describe(&frame->header, info);
    frame->header.block_bytes = HISTORY_BLOCK_BYTES_MIN;
    frame->lost = 0;
    return 0;
}

/* What cannot be read in such a frame is noted now: no question will come across it. */
static int make_frame(struct once *once, size_t index) {
    const struct history_choice choice = {.keep = keep, .context = once};
    struct recording *recording = once->recording;
    struct recording_frame *frame = recording->frames[index];
    struct history_segment_info info;
    uint32_t unread = 0;
    int error = history_image_take_chosen(once->history, index, &choice, once->image, &info, &unread);

    once->gone[index] = error == -ENODATA;
    if (error == 0) error = become(frame, &info, once->image);
    if (unread > 0 && !frame->cut) {
        recording->silent = false;
        recording__problem(recording, &recording->files[frame->file], frame->offset, unread, "events are damaged");
        recording->silent = true;
    }
    return once->gone[index] ? 0 : error;
}

/* Damage that we came across in the frames that stay as they are will be noted when a question comes across it. */
static void remove_gone(struct once *once) {
    struct recording *recording = once->recording;
    size_t kept = 0;
    for (size_t i = 0; i < recording->frame_count; i++) {
        struct recording_frame *frame = recording->frames[i];
        if (once->gone[i]) {
            recording__frame_free(frame);
            continue;
        }
        if (!frame->image) {
            frame->lost = once->lost[i];
            frame->table_bad = false;
        }
        recording->frames[kept++] = frame;
    }
    recording->frame_count = kept;
}

static int make_frames(struct once *once) {
    int error = 0;
    for (size_t i = 0; i < once->recording->frame_count && error == 0; i++)
        if (once->dropped[i] || once->changed[i]) error = make_frame(once, i);
    if (error == 0) remove_gone(once);
    return error;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------- */

static int take(struct once *once) {
    size_t frames = once->recording->frame_count;

    once->part_of = calloc(SOURCES, sizeof *once->part_of);
    once->active = calloc(SOURCES, sizeof *once->active);
    once->told = calloc(SOURCES, 2 * sizeof *once->told);
    once->telling = calloc(SOURCES, 2 * sizeof *once->telling);
    once->flags = calloc(frames, sizeof *once->flags);
    once->held = calloc(frames, sizeof *once->held);
    once->dropped = calloc(frames, sizeof *once->dropped);
    once->changed = calloc(frames, sizeof *once->changed);
    once->gone = calloc(frames, sizeof *once->gone);
    once->lost = calloc(frames, sizeof *once->lost);
    once->image =
        mmap(NULL, history_image_bytes_max(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (once->image == MAP_FAILED) once->image = NULL;
    (void)!getrandom(&once->seed, sizeof once->seed, 0);
    if (!once->part_of || !once->active || !once->told || !once->telling) return -ENOMEM;
    if (!once->flags || !once->held || !once->dropped || !once->changed || !once->gone || !once->image || !once->lost)
        return -ENOMEM;
    for (size_t i = 0; i < frames; i++) once->lost[i] = once->recording->frames[i]->lost;
    return recording__history_open(once->recording, &once->history);
}

static void give_back(struct once *once, size_t frames) {
    for (size_t i = 0; i < frames && once->dropped; i++) free(once->dropped[i]);
    if (once->image) munmap(once->image, history_image_bytes_max());
    history_destroy(once->history);
    free(once->dropped);
    free(once->changed);
    free(once->gone);
    free(once->lost);
    free(once->flags);
    free(once->held);
    free(once->told);
    free(once->telling);
    free(once->active);
    free(once->part_of);
    free(once->parts);
    free(once->losses);
    free(once->same);
    free(once->repeats);
}

static int leave_out(struct once *once) {
    size_t frames = once->recording->frame_count;
    int error = take(once);

    once->recording->silent = true;
    if (error == 0) error = list_all(once);
    for (uint32_t r = 0; r < once->run_count && error == 0; r++) {
        if (r > 0) error = drop_events(once, r);
        if (error == 0) error = recording__once_cut_losses(once, r);
    }
    if (error == 0 && once->recording->unread == -ENOMEM) error = -ENOMEM;
    if (error == 0) error = make_frames(once);
    once->recording->silent = false;
    give_back(once, frames);
    return error;
}

int recording__leave_out_repeats(struct recording *recording) {
    struct once once = {.recording = recording};
    int error = list_runs(&once);

    if (error == 0 && once.run_count > 1) error = find_shared(&once);
    if (error > 0) error = leave_out(&once);
    free(once.runs);
    return error;
}
