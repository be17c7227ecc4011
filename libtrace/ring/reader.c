/* SPDX-License-Identifier: MIT
 *
 * Reading lanes.  libtrace/reader.h has the contract, p2ptrace/shm.h the ring and the ordering labels, and slot.h what one slot
 * says.  A committed event is taken; we wait for one that is not there yet, but not forever; when lapped, we jump ahead and
 * count the loss. */
#include "reader_internal.h"
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <libtrace/guard.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a live node may leave a slot unfinished while it commits later ones.  After that the slot counts as abandoned, by a
 * handler that jumped out of an emit.  Shorter when the lane has already dropped an event because of that slot. */
#define STALL_NS UINT64_C(250000000)
#define STALL_CONTENDED_NS UINT64_C(1000000)

/* A writer is near when it is this many events behind us, or an eighth of its lane: 1 MiB, about a processor's own cache. */
#define NEAR_EVENTS UINT64_C(8192)

/* No writer emits an event per nanosecond.  A head may be ahead of that rate by this much, because clocks differ: an eighth of
 * the distance after which marks repeat, so that no jump can take us to old slots with the marks of new ones. */
#define HEAD_SLACK (UINT64_C(1) << 28)

/* What to do about a slot that does not hold the event we want. */
enum step { STEP_TAKE, STEP_WAIT, STEP_UNFINISHED, STEP_LOSE, STEP_LIE };

struct decision {
    enum step step;
    enum trace_loss cause; /* STEP_LOSE: why, */
    uint64_t count;        /* and how many */
};

static struct decision losing(uint64_t count, enum trace_loss cause) {
    return (struct decision){.step = STEP_LOSE, .cause = cause, .count = count};
}

static const struct decision lie = {.step = STEP_LIE};

/* Can the writer be at this head?  It never goes back, nor further than a writer can get in the time since we last looked. */
static bool is_plausible(struct lane_reader *lane, uint64_t head, uint64_t now_ns) {
    uint64_t elapsed_ns = now_ns > lane->known_ns ? now_ns - lane->known_ns : 0;
    if (head - lane->known_head > elapsed_ns + HEAD_SLACK || head < lane->position) return false;
    lane->known_head = head;
    lane->known_ns += elapsed_ns;
    return true;
}

/* How long the log has been open; or the time since the machine's start, when its clock differs from ours, as it may in a
 * container. */
static uint64_t since_open_ns(const struct trace_reader *reader) {
    uint64_t open_ns = reader->info.open_monotonic_ns;
    return open_ns < reader->now_ns ? reader->now_ns - open_ns : reader->now_ns;
}

static uint64_t near_events(const struct trace_reader *reader) {
    uint64_t eighth = reader->info.lane_events / 8;
    return eighth < NEAR_EVENTS ? eighth : NEAR_EVENTS;
}

/* The writer has lapped us: jump to its oldest event.  If it laps us again before we have caught up, jump further, because
 * right in front of the writer every slot that we read is one that it needs, and both wait for its cache lines: half a ring
 * ahead if it is faster than we are, otherwise just out of its way. */
static struct decision jump_ahead(const struct trace_reader *reader, struct lane_reader *lane, uint64_t behind, uint64_t now_ns) {
    uint32_t events = reader->info.lane_events;
    if (behind <= events) return lie; /* the slot was written one lap later, but the head says that its writer was not there */
    uint64_t count = behind - events;
    if (lane->lapped)
        count += pace_is_faster(&lane->pace, lane->position + behind, events, now_ns) ? events / 2 : near_events(reader);
    lane->lapped = true;
    return losing(count, TRACE_LOSS_OVERWRITTEN);
}

/* The slot at our position is older than we want, or still being written. */
static struct decision wait_or_pass(const struct trace_reader *reader, const struct trace_shm_lane *shared,
                                    struct lane_reader *lane, uint64_t behind, bool final, uint64_t now_ns) {
    static const struct decision wait = {.step = STEP_WAIT};
    if (behind > reader->info.lane_events) return jump_ahead(reader, lane, behind, now_ns); /* marks have wrapped around */
    if (behind == 0) return wait;
    if (final) return (struct decision){.step = STEP_UNFINISHED}; /* it will never be committed */
    if (behind == 1) return wait; /* it is being written, or its thread is not running; no later event waits behind it */
    /* relaxed: a counter */
    bool contended = __atomic_load_n(&shared->contended, __ATOMIC_RELAXED) > lane->lost[TRACE_LOSS_CONTENDED];
    uint64_t patience_ns = contended ? STALL_CONTENDED_NS : STALL_NS;
    if (lane->stalled != lane->position + 1) {
        lane->stalled = lane->position + 1;
        lane->stalled_ns = now_ns;
    }
    if (now_ns - lane->stalled_ns < patience_ns) return wait;
    return losing(1, contended ? TRACE_LOSS_CONTENDED : TRACE_LOSS_ABANDONED);
}

static struct decision decide_step(const struct trace_reader *reader, const struct trace_shm_lane *shared,
                                   struct lane_reader *lane, enum slot_state state, bool final, uint64_t now_ns) {
    uint64_t head;
    if (state == SLOT_TAKEN) return (struct decision){.step = STEP_TAKE};
    if (state == SLOT_INVALID) return losing(1, TRACE_LOSS_INVALID);
    slot_fence(); /* the head is not older than the mark that we saw */
    head = __atomic_load_n(&shared->head, __ATOMIC_RELAXED);
    if (!is_plausible(lane, head, now_ns)) return lie;
    uint64_t behind = head - lane->position;
    if (state == SLOT_LAPPED) return jump_ahead(reader, lane, behind, now_ns);
    return wait_or_pass(reader, shared, lane, behind, final, now_ns);
}

static void count_loss(struct lane_reader *lane, struct trace_read *read, uint64_t count, enum trace_loss cause) {
    lane->lost[cause] += count;
    lane->position += count;
    read->lost += count;
    read->cause = cause;
}

/* Does the lane have a writer, or did it have one?  Then its slots have memory. */
static bool is_taken(const uint32_t *lane_state) {
    uint32_t state = __atomic_load_n(lane_state, __ATOMIC_ACQUIRE); /* lane:A  Pairs with lane:R */
    return state == TRACE_LANE_OWNED || state == TRACE_LANE_SHARED || state == TRACE_LANE_RETURNED;
}

static void found_lie(struct trace_reader *reader) { reader->lies = reader->broken = true; }

/* Begins reading a lane at its oldest event, once a writer has taken it.  Returns false before that. */
static bool begin_lane(struct trace_reader *reader, const struct trace_shm_lane *shared, struct lane_reader *lane,
                       struct trace_read *read) {
    if (!is_taken(&shared->state)) return false;
    uint64_t head = __atomic_load_n(&shared->head, __ATOMIC_RELAXED); /* relaxed: only a hint where to begin */
    lane->known_ns = reader->now_ns - since_open_ns(reader);
    if (!is_plausible(lane, head, reader->now_ns)) {
        found_lie(reader);
        return false;
    }
    lane->begun = true;
    if (head > reader->info.lane_events) count_loss(lane, read, head - reader->info.lane_events, TRACE_LOSS_BEFORE_ATTACH);
    return true;
}

/* tail:R  Tells a discard-newest writer what has been copied.  Pairs with tail:A.  Without it the writer overwrites a slot that
 * we are still copying. */
static void publish_tail(struct trace_reader *reader, unsigned index, uint64_t position) {
    if (reader->writable && reader->info.policy == TRACE_DISCARD_NEWEST)
        __atomic_store_n(&reader->header->lanes[index].tail, position, __ATOMIC_RELEASE);
}

/* Keeps out of the way of a writer that is about to lap us.
 *
 * A cache line that we hold costs the writer tens of nanoseconds.  So a writer that is faster than we are would get stuck right
 * behind us and go on at our pace: nothing would be lost, but every event would take the node three times as long.  So
 * when the writer is near and seems to gain on us, we give up half of the ring.
 *
 * Two conditions must hold (docs/decisions/009).  By the clock the writer is faster than we are (pace.h): if we can outrun it,
 * we keep its events, however far we fell behind while we were not running.  And between two looks that both found it near, it
 * emitted more than half as many events as we read: a burst that is over is read completely.  Half, because a writer that we
 * slow down looks slow.
 *
 * Reading its line once per run of events costs the writer little. */
static void keep_away(const struct trace_reader *reader, const struct trace_shm_lane *shared, struct lane_reader *lane,
                      uint64_t now_ns, struct trace_read *read) {
    uint32_t events = reader->info.lane_events;
    uint64_t head = __atomic_load_n(&shared->head, __ATOMIC_RELAXED); /* relaxed: a hint */
    uint64_t behind = head - lane->position;
    bool is_near = behind > events - near_events(reader) && behind <= events;
    bool gains = head - lane->seen_head > (lane->position - lane->seen_at) / 2;
    pace_look(&lane->pace, head, lane->taken, events, now_ns);
    if (is_near && lane->seen_near && gains && pace_is_faster(&lane->pace, head, events, now_ns)) {
        count_loss(lane, read, behind - events / 2, TRACE_LOSS_OVERWRITTEN);
        is_near = false;
    }
    lane->seen_near = is_near;
    lane->seen_head = head;
    lane->seen_at = lane->position;
}

/* May we touch the slot at our position?  If we do not know that it has memory, we find out only after the writer says that it
 * was there. */
static bool may_touch(struct trace_reader *reader, unsigned index, struct slot_hole *hole) {
    struct lane_reader *lane = &reader->lanes[index];
    uint32_t slot = (uint32_t)lane->position & (reader->info.lane_events - 1);
    if (slot - lane->present_begin < lane->present_count) return true;
    /* relaxed: what we do not see yet, we see at the next look */
    if (__atomic_load_n(&reader->header->lanes[index].head, __ATOMIC_RELAXED) == lane->position) return false;
    return slot_is_present(reader, index, slot, hole);
}

static void read_lane(struct trace_reader *reader, unsigned index, struct trace_event *out, uint32_t max, bool final,
                      uint64_t now_ns, struct trace_read *read) {
    const struct trace_shm_lane *shared = &reader->header->lanes[index];
    const struct trace_event *slots = reader->slots + (size_t)index * reader->info.lane_events;
    struct lane_reader *lane = &reader->lanes[index];
    uint32_t slot_mask = reader->info.lane_events - 1;
    bool may_be_lapped = !final && reader->info.policy == TRACE_OVERWRITE_OLDEST;
    struct slot_hole hole = {0, 0};

    if (!lane->begun && !begin_lane(reader, shared, lane, read)) return;
    if (may_be_lapped && may_touch(reader, index, &hole) && slot_is_committed(&slots[lane->position & slot_mask], lane->position))
        keep_away(reader, shared, lane, now_ns, read);
    while (read->work <= max && read->count < max) {
        enum slot_state state = SLOT_NOT_YET;
        struct decision decision;
        if (may_touch(reader, index, &hole))
            state = slot_read(&slots[lane->position & slot_mask], lane->position, &out[read->count]);
        if (state == SLOT_TAKEN) {
            read->count++;
            read->work++;
            lane->position++;
            continue;
        }
        if (read->count != 0 && state != SLOT_NOT_YET) break; /* a run ends at a gap */
        decision = decide_step(reader, shared, lane, state, final, now_ns);
        if (decision.step == STEP_WAIT) {
            lane->lapped = false;
            pace_restart(&lane->pace, lane->position, now_ns);
            return;
        }
        if (decision.step == STEP_LIE) {
            found_lie(reader);
            return;
        }
        if (read->count != 0 || (decision.step == STEP_LOSE && read->lost != 0 && decision.cause != read->cause)) break;
        read->work++;
        if (decision.step == STEP_LOSE) {
            count_loss(lane, read, decision.count, decision.cause);
        } else {
            lane->unfinished++;
            lane->position++;
        }
    }
    read->more = true;
}

void trace_reader_read(struct trace_reader *reader, unsigned index, struct trace_event *out, uint32_t max, bool final,
                       uint64_t now_ns, struct trace_read *ret_read) {
    struct lane_reader *lane = &reader->lanes[index];
    struct trace_read read = {.count = 0};
    if (!reader->broken && index < reader->info.lane_count && max > 0) {
        reader->now_ns = now_ns;
        trace_guard_begin(reader->header, reader->mapped_bytes);
        read_lane(reader, index, out, max, final, now_ns, &read);
        publish_tail(reader, index, lane->position);
        if (trace_guard_end()) {
            reader->broken = true;
            reader->lies = false; /* what we read were the guard's zeros */
        }
    }
    lane->taken += read.count;
    read.first = lane->position - read.count;
    *ret_read = read;
}

/* The word that reaches the mark of our position when a writer gets there: the slot's mark.  If the slot may have no memory, it
 * is the low half of head instead, which is at least position + 1 by then. */
static const uint32_t *next_mark(const struct trace_reader *reader, unsigned index) {
    const struct lane_reader *lane = &reader->lanes[index];
    const struct trace_event *slots = reader->slots + (size_t)index * reader->info.lane_events;
    uint32_t slot = (uint32_t)lane->position & (reader->info.lane_events - 1);
    if (slot - lane->present_begin < lane->present_count) return &slots[slot].sequence;
    return (const uint32_t *)&reader->header->lanes[index].head + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

void trace_reader_watch(struct trace_reader *reader, uint32_t lanes, struct trace_watch *ret_watch) {
    unsigned next = (unsigned)__builtin_ctz(~lanes), first = lanes != 0 ? (unsigned)__builtin_ctz(lanes) : 0;
    *ret_watch = (struct trace_watch){.reader = reader, .base = reader->header, .bytes = reader->mapped_bytes};
    if (next < reader->info.lane_count) ret_watch->state = &reader->header->lanes[next].state;
    if (lanes == 0) return;
    ret_watch->mark = next_mark(reader, first);
    ret_watch->want = trace_shm_mark(reader->lanes[first].position);
    ret_watch->others = lanes & (lanes - 1);
}

/* Has a writer been there?  That is, is the mark busy or committed, of this lap or a later one? */
static bool mark_stirs(const uint32_t *place, uint32_t want) {
    uint32_t mark = __atomic_load_n(place, __ATOMIC_RELAXED); /* relaxed: a hint; a read checks again */
    return ((mark - want) & TRACE_SEQUENCE_MASK) <= TRACE_SEQUENCE_MASK / 2;
}

bool trace_watch_stirs(const struct trace_watch *watch) {
    trace_guard_begin(watch->base, watch->bytes);
    bool stirs = (watch->state && is_taken(watch->state)) || (watch->mark && mark_stirs(watch->mark, watch->want));
    for (uint32_t left = watch->others; left != 0 && !stirs; left &= left - 1) {
        unsigned index = (unsigned)__builtin_ctz(left);
        stirs = mark_stirs(next_mark(watch->reader, index), trace_shm_mark(watch->reader->lanes[index].position));
    }
    if (!trace_guard_end()) return stirs;
    watch->reader->broken = true;
    return true;
}

uint64_t trace_reader_position(const struct trace_reader *reader, unsigned index) { return reader->lanes[index].position; }

/* ---- accounting and state -------------------------------------------------------------------------------------------------- */

/* Are the lane's counters plausible, as far as we know the lane?  The count of discarded events never falls, and grows no
 * faster than one per nanosecond. */
static bool counts_agree(const struct trace_reader *reader, struct lane_reader *lane, uint64_t head, uint64_t discarded) {
    return is_plausible(lane, head, reader->now_ns) && discarded >= lane->lost[TRACE_LOSS_DISCARDED] &&
           discarded <= since_open_ns(reader) + HEAD_SLACK;
}

void trace_reader_count(struct trace_reader *reader, unsigned index, struct trace_lane_count *ret_count) {
    const struct trace_shm_lane *shared = &reader->header->lanes[index];
    struct lane_reader *lane = &reader->lanes[index];
    struct trace_lane_count count;
    uint64_t head = lane->position, discarded = lane->lost[TRACE_LOSS_DISCARDED];

    memset(&count, 0, sizeof count);
    count.taken = lane->taken;
    count.unfinished = lane->unfinished;

    if (!reader->broken && index < reader->info.lane_count) {
        trace_guard_begin(reader->header, reader->mapped_bytes);
        /* relaxed: counters; position: what has been taken was reserved before */
        count.used = __atomic_load_n(&shared->state, __ATOMIC_RELAXED) != TRACE_LANE_FREE;
        count.thread_id = __atomic_load_n(&shared->thread_id, __ATOMIC_RELAXED);
        head = __atomic_load_n(&shared->head, __ATOMIC_RELAXED);
        discarded = __atomic_load_n(&shared->discarded, __ATOMIC_RELAXED);
        reader->broken = trace_guard_end();
    }
    if (!reader->broken && lane->begun && !counts_agree(reader, lane, head, discarded)) found_lie(reader);
    if (!reader->broken) lane->lost[TRACE_LOSS_DISCARDED] = discarded;
    memcpy(count.lost, lane->lost, sizeof count.lost);
    if (!reader->broken && head > lane->position) count.behind = head - lane->position;
    count.emitted = count.taken + count.behind;
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) count.emitted += count.lost[i];
    *ret_count = count;
}

bool trace_reader_lane_used(struct trace_reader *reader, unsigned index) {
    if (reader->broken || index >= reader->info.lane_count) return false;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    bool used = is_taken(&reader->header->lanes[index].state);
    reader->broken = trace_guard_end();
    return used && !reader->broken;
}

/* Threads that emit at the same time: more than any node has. */
#define THREADS_MAX 4096

uint64_t trace_reader_no_lane(struct trace_reader *reader) {
    if (reader->broken) return 0;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    uint64_t count = __atomic_load_n(&reader->header->no_lane, __ATOMIC_RELAXED); /* relaxed: a counter */
    reader->broken = trace_guard_end();
    if (!reader->broken && count / THREADS_MAX > since_open_ns(reader) + HEAD_SLACK) found_lie(reader);
    return reader->broken ? 0 : count;
}

const struct trace_reader_info *trace_reader_info(const struct trace_reader *reader) { return &reader->info; }

bool trace_reader_broken(const struct trace_reader *reader) { return reader->broken; }

enum trace_attach_fault trace_reader_fault(const struct trace_reader *reader) {
    struct stat status;
    if (!reader->broken) return TRACE_ATTACH_OK;
    if (reader->lies) return TRACE_ATTACH_BAD_MARKS;
    return fstat(reader->fd, &status) == 0 && (uint64_t)status.st_size >= reader->mapped_bytes ? TRACE_ATTACH_LOST_PAGES
                                                                                               : TRACE_ATTACH_BAD_SIZE;
}

enum trace_node_state trace_reader_state(const struct trace_reader *reader) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    uint32_t state = TRACE_SHM_OPEN;
    if (reader->broken) return TRACE_NODE_CRASHED;
    if (fcntl(reader->fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK) return TRACE_NODE_LIVE;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    state = __atomic_load_n(&reader->header->state, __ATOMIC_ACQUIRE); /* pairs with mark_closed in log.c */
    if (trace_guard_end()) return TRACE_NODE_CRASHED;
    return state == TRACE_SHM_CLOSED ? TRACE_NODE_EXITED : TRACE_NODE_CRASHED;
}

uint64_t trace_reader_closed(const struct trace_reader *reader) {
    uint64_t ticks = 0;
    if (reader->broken) return 0;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    ticks = __atomic_load_n(&reader->header->closed, __ATOMIC_RELAXED); /* relaxed: trace_reader_state has seen the log closed */
    return trace_guard_end() ? 0 : ticks;
}

static bool is_within_bounds(const struct trace_app *app_untrusted) {
    if (app_untrusted->command_count > TRACE_APP_COMMANDS_MAX || app_untrusted->field_count > TRACE_APP_FIELDS_MAX) return false;
    for (unsigned i = 0; i < app_untrusted->field_count; i++)
        if (app_untrusted->fields[i].offset + app_untrusted->fields[i].bytes > TRACE_APP_DATA_BYTES) return false;
    return true;
}

/* Descriptions are read by system calls, because the table may be a hole, whatever the header says.  It is rarely done. */
static bool copy_bytes(const struct trace_reader *reader, void *out, size_t bytes, size_t at) {
    return pread(reader->fd, out, bytes, (off_t)at) == (ssize_t)bytes;
}

/* Copies a description; false if there is none yet. */
static bool copy_app(const struct trace_reader *reader, unsigned index, struct trace_app *ret_app_untrusted) {
    uint32_t count;
    /* app:A  Pairs with app:R: whoever sees the count sees the descriptions' bytes.  A system call is a full barrier. */
    if (!copy_bytes(reader, &count, sizeof count, offsetof(struct trace_shm_header, app_count))) return false;
    return index < TRACE_APPS_MAX && index < count &&
           copy_bytes(reader, ret_app_untrusted, sizeof *ret_app_untrusted,
                      TRACE_SHM_HEADER_BYTES + index * sizeof *ret_app_untrusted);
}

/* The same for a ring of ABI 1. */
static bool copy_app_1(const struct trace_reader *reader, unsigned index, struct trace_app *ret_app_untrusted) {
    size_t at = TRACE_SHM_HEADER_BYTES + index * sizeof(struct trace_shm_app_1);
    struct trace_app_1 old;
    uint32_t ready;
    if (index >= TRACE_APPS_MAX_1) return false;
    /* app:A  As above; each description has its own word. */
    if (!copy_bytes(reader, &ready, sizeof ready, at + offsetof(struct trace_shm_app_1, ready)) || ready == 0) return false;
    if (!copy_bytes(reader, &old, sizeof old, at + offsetof(struct trace_shm_app_1, app))) return false;
    *ret_app_untrusted = (struct trace_app){.command_count = old.command_count, .field_count = old.field_count};
    if (old.command_count > TRACE_APP_COMMANDS_MAX_1)
        ret_app_untrusted->command_count = UINT16_MAX; /* so that it is out of bounds here, too */
    memcpy(ret_app_untrusted->app_id, old.app_id, sizeof old.app_id);
    memcpy(ret_app_untrusted->name, old.name, sizeof old.name);
    memcpy(ret_app_untrusted->commands, old.commands, sizeof old.commands);
    memcpy(ret_app_untrusted->fields, old.fields, sizeof old.fields);
    return true;
}

int trace_reader_app(const struct trace_reader *reader, unsigned index, struct trace_app *ret_app) {
    struct trace_app app;
    if (reader->broken) return -ENOENT;
    if (!(reader->info.abi == TRACE_SHM_ABI_1 ? copy_app_1(reader, index, &app) : copy_app(reader, index, &app))) return -ENOENT;
    if (!is_within_bounds(&app)) return -EBADMSG;
    *ret_app = app;
    return 0;
}

uint64_t trace_reader_control(const struct trace_reader *reader) {
    if (reader->broken) return 0;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    /* relaxed: one word that publishes nothing else */
    uint64_t control = __atomic_load_n(&reader->header->control, __ATOMIC_RELAXED);
    return trace_guard_end() ? 0 : control;
}

void trace_reader_set_control(struct trace_reader *reader, uint64_t control) {
    if (reader->broken || !reader->writable) return;
    trace_guard_begin(reader->header, reader->mapped_bytes);
    __atomic_store_n(&reader->header->control, control, __ATOMIC_RELAXED); /* relaxed: as above */
    reader->broken = trace_guard_end();
}
