/* SPDX-License-Identifier: MIT
 *
 * One ring, from attach to end: its lanes are drained directly into the history's memory, ticks become Unix time, losses are
 * reported where they happened, and the node's counters are updated.
 *
 * Accounting: for each lane the reader's  emitted = taken + lost + behind  holds at every moment.  indexed is counted here, at
 * the append, so a bug on the way shows as emitted != indexed + lost at the node's end.  events_lost events are our own and
 * never count as indexed. */
#include "ingest_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <proto/event_clock.h>
#include <store/ring_node.h>
#include <string.h>

/* ---- losses -------------------------------------------------------------------------------------------------------------- */

struct gap {
    uint64_t first, count;
    enum trace_loss cause;
};

/* Losses found before the next event. */
struct gaps {
    struct gap gaps[INGEST_GAPS_MAX];
    uint32_t count;
};

static uint64_t unix_at(const struct ingest *ingest, uint64_t monotonic_ns) {
    static const struct trace_ring_clock monotonic = {.source = TRACE_CLOCK_MONOTONIC};
    return trace_clock_unix_ns(&ingest->clock, &monotonic, monotonic_ns);
}

static uint64_t unix_now(const struct ingest *ingest) { return unix_at(ingest, trace_clock_read().monotonic_ns); }

static history_source source_of(const struct ingest_ring *ring, unsigned lane) {
    return history_source_make(ring->node_index, lane);
}

/* Appends events from other memory. */
static void append_copies(struct history *history, const struct trace_event *events, uint32_t count, history_source source) {
    while (count > 0) {
        uint32_t room;
        struct trace_event *place = history_reserve(history, &room);
        uint32_t now = count < room ? count : room;
        memcpy(place, events, now * sizeof *events);
        history_append(history, now, source);
        events += now;
        count -= now;
    }
}

/* Reports losses as events_lost events at that time, and counts them. */
static void tell_gaps(struct ingest *ingest, struct ingest_ring *ring, unsigned lane, struct gaps *gaps, uint64_t unix_ns) {
    for (uint32_t i = 0; i < gaps->count; i++) {
        const struct gap *gap = &gaps->gaps[i];
        struct trace_event event = {.timestamp = unix_ns, .sequence = (uint32_t)gap->first, .kind = TRACE_KIND_EVENTS_LOST};
        trace_event_set_clock_steps(&event, ingest->clock.steps);
        event.data.events_lost.count = gap->count;
        event.data.events_lost.first = gap->first;
        event.data.events_lost.cause = (uint8_t)gap->cause;
        append_copies(ingest->config.history, &event, 1, source_of(ring, lane));
        ring->lanes[lane].told[gap->cause] += gap->count;
        ingest_add(&ingest->counters.lost[gap->cause], gap->count);
        ingest->changed = true;
    }
    gaps->count = 0;
}

/* Losses before one event are one report per cause. */
static bool continues(const struct gaps *gaps, const struct gap *gap) {
    if (gaps->count == 0) return false;
    const struct gap *last = &gaps->gaps[gaps->count - 1];
    return last->cause == gap->cause && last->first + last->count == gap->first;
}

static void add_gap(struct ingest *ingest, struct ingest_ring *ring, unsigned lane, struct gaps *gaps, struct gap gap) {
    if (continues(gaps, &gap)) {
        gaps->gaps[gaps->count - 1].count += gap.count;
        return;
    }
    if (gaps->count == INGEST_GAPS_MAX) tell_gaps(ingest, ring, lane, gaps, unix_now(ingest));
    gaps->gaps[gaps->count++] = gap;
}

/* Reports losses that only a lane's counters show: events discarded by the node's policy, which have no position. */
static void tell_counted(struct ingest *ingest, struct ingest_ring *ring, unsigned lane) {
    const struct trace_lane_count *count = &ring->lanes[lane].count;
    struct gaps gaps = {.count = 0};
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) {
        uint64_t told = ring->lanes[lane].told[cause];
        /* a decreasing counter is a lie of the node: the earlier report stays valid */
        if (count->lost[cause] <= told) continue;
        add_gap(ingest, ring, lane, &gaps,
                (struct gap){trace_reader_position(ring->reader, lane), count->lost[cause] - told, (enum trace_loss)cause});
    }
    if (gaps.count > 0) tell_gaps(ingest, ring, lane, &gaps, unix_now(ingest));
}

static void tell_no_lane(struct ingest *ingest, struct ingest_ring *ring) {
    uint64_t count = trace_reader_no_lane(ring->reader);
    struct gaps gaps = {.count = 0};
    if (count <= ring->no_lane_told) return;
    add_gap(ingest, ring, 0, &gaps,
            (struct gap){trace_reader_position(ring->reader, 0), count - ring->no_lane_told, TRACE_LOSS_NO_LANE});
    ring->no_lane_told = count;
    tell_gaps(ingest, ring, 0, &gaps, unix_now(ingest));
    ring->lanes[0].told[TRACE_LOSS_NO_LANE] = 0; /* it belongs to the node, not to the lane */
}

/* ---- accounting ---------------------------------------------------------------------------------------------------------- */

/* relaxed: single counters; a reader may see them between two of our stores, and each by itself is true */
static void store(_Atomic uint64_t *counter, uint64_t value) { atomic_store_explicit(counter, value, memory_order_relaxed); }

/* drained: the lane is empty.  Then reports what its owner discarded, after what it kept. */
static void count_lane(struct ingest *ingest, struct ingest_ring *ring, unsigned lane, bool drained) {
    trace_reader_count(ring->reader, lane, &ring->lanes[lane].count);
    if (drained) tell_counted(ingest, ring, lane);
}

/* The node's counters are the sums over its lanes. */
static void publish_counts(struct ingest_ring *ring) {
    uint64_t emitted = ring->no_lane_told, indexed = 0, unfinished = 0, last_unix_ns = 0;
    uint64_t lost[TRACE_LOSS_COUNT] = {[TRACE_LOSS_NO_LANE] = ring->no_lane_told};
    uint32_t used = 0;
    for (uint32_t left = ring->lanes_used; left != 0; left &= left - 1) {
        const struct ingest_lane *lane = &ring->lanes[__builtin_ctz(left)];
        emitted += lane->count.emitted;
        indexed += lane->indexed;
        unfinished += lane->count.unfinished;
        for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) lost[cause] += lane->told[cause];
        if (lane->last_unix_ns > last_unix_ns) last_unix_ns = lane->last_unix_ns;
        used++;
    }
    store(&ring->node->emitted, emitted);
    store(&ring->node->indexed, indexed);
    store(&ring->node->unfinished, unfinished);
    store(&ring->node->last_unix_ns, last_unix_ns);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) store(&ring->node->lost[cause], lost[cause]);
    atomic_store_explicit(&ring->node->lanes_used, used, memory_order_relaxed); /* relaxed: as store() */
}

/* ---- attach -------------------------------------------------------------------------------------------------------------- */

/* We lack a resource, or the node is not ready: a retry may succeed. */
static bool passes_by(int result) {
    return result == -EAGAIN || result == -EINTR || result == -EMFILE || result == -ENFILE || result == -ENOMEM;
}

int ring_attach(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault *ret_fault) {
    struct trace_reader *reader;
    int result = trace_reader_attach(&reader, discover_dir_fd(ingest->discover), ring->name, ingest->config.uid,
                                     ingest->config.read_only ? 0 : TRACE_READER_CONTROL, ret_fault);
    if (result == -ENOENT) return result;
    if (result < 0) return passes_by(result) ? -EAGAIN : result;

    if (rejected_is_duplicate(ingest, reader)) {
        trace_reader_detach(reader);
        *ret_fault = TRACE_ATTACH_DUPLICATE;
        return -EEXIST;
    }
    const struct trace_reader_info *info = trace_reader_info(reader);
    ring->clock = (struct trace_ring_clock){info->clock_source, info->open_ticks, info->open_monotonic_ns, info->open_unix_ns};
    struct node_info node =
        node_info_of_ring(reader, &ingest->machine, trace_clock_unix_ns(&ingest->clock, &ring->clock, info->open_ticks));
    result = nodes_add(ingest->config.nodes, &node, NODE_LIVE, NULL, history_begin_position(ingest->config.history),
                       &ring->node_index);
    if (result < 0) {
        trace_reader_detach(reader);
        *ret_fault = TRACE_ATTACH_SYSTEM;
        return result;
    }
    ring->reader = reader;
    ring->filling = INGEST_FILLING(info->lane_events);
    ring->state = RING_ATTACHED;
    ring->has_node = true;
    ring->node = nodes_at(ingest->config.nodes, ring->node_index);
    ring->end = NODE_LIVE;
    ring->event_ns = ingest->now_ns;
    return 0;
}

/* ---- drain --------------------------------------------------------------------------------------------------------------- */

/* The kinds of tbl/events.def, as a bit set. */
static const uint64_t known_kinds = 0
#define TRACE_FIELD(type, name, length, unit, doc)
#define TRACE_KIND(id, name, NAME, doc, fields) | UINT64_C(1) << (id)
#include "tbl/events.def"
    ;

static bool is_known(uint16_t kind) { return kind < 64 && (known_kinds >> kind & 1) != 0; }

static void read_apps(struct ingest *ingest, struct ingest_ring *ring) {
    struct trace_app app;
    for (; ring->apps_read < TRACE_APPS_MAX; ring->apps_read++) {
        int result = trace_reader_app(ring->reader, ring->apps_read, &app);
        if (result == -ENOENT) return;
        if (result == 0) {
            if (nodes_add_app(ingest->config.nodes, ring->node_index, &app) != 0) return; /* again with its next event */
            ingest->changed = true;
        } else {
            ingest_say(ingest, INGEST_ABOUT_APPS, LOG_LEVEL_WARNING,
                       "node %s (pid %d): an invalid description of an application was ignored", ring->node->info.node_name,
                       (int)ring->node->info.pid);
        }
    }
}

/* No event that was read is later than now.  A later time would make it the newest as long as it is kept, and hide real events
 * from queries for the newest. */
static void bound_times(struct ingest *ingest, const struct ingest_ring *ring, struct trace_event *events, uint32_t count) {
    struct trace_clock_sample now = trace_clock_read();
    uint64_t ticks = ring->clock.source == TRACE_CLOCK_TSC ? now.ticks : now.monotonic_ns;
    uint64_t now_ns = trace_clock_unix_ns(&ingest->clock, &ring->clock, ticks);
    ingest->read_unix_ns = now_ns;
    for (uint32_t i = 0; i < count; i++) {
        if (events[i].timestamp <= now_ns + INGEST_FUTURE_NS) continue;
        events[i].timestamp = now_ns;
        events[i].flags |= TRACE_FLAG_FUTURE;
    }
}

/* Converts ring events to history events, in place. */
static void convert(struct ingest *ingest, struct ingest_ring *ring, struct ingest_lane *lane, struct trace_event *events,
                    uint32_t count) {
    bool has_app = false;
    uint32_t unknown = 0;
    uint64_t latest_ns = 0;
    const struct trace_clock_line line = trace_clock_newest_line(&ingest->clock, &ring->clock);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t kind = events[i].kind;
        uint64_t ticks = events[i].timestamp, steps = line.steps;
        if (__builtin_expect(trace_clock_line_has(&line, ticks), 1))
            events[i].timestamp = trace_clock_line_unix_ns(&line, ticks);
        else
            events[i].timestamp = trace_clock_unix_ns_of(&ingest->clock, &ring->clock, ticks, &steps);
        trace_event_set_clock_steps(&events[i], steps);
        if (events[i].timestamp > latest_ns) latest_ns = events[i].timestamp;
        has_app |= kind >= TRACE_KIND_APP_COMMAND && kind <= TRACE_KIND_APP_END;
        unknown += !is_known(kind);
    }
    if (latest_ns > ingest->read_unix_ns + INGEST_FUTURE_NS) bound_times(ingest, ring, events, count);
    lane->last_unix_ns = events[count - 1].timestamp;
    if (unknown > 0) ingest_add(&ingest->counters.unknown_kinds, unknown);
    /* A reader that sees an event of an application also sees its description, if the node registered it before. */
    if (has_app) read_apps(ingest, ring);
}

/* Would a live node's lane overflow if we were slower?  work, more: what this drain took of it, and whether it left some.  A lane
 * that waits for a slot to be committed has no more: it is not our speed that matters there. */
static bool is_filling(const struct ingest_ring *ring, unsigned index, uint64_t work, bool more) {
    uint64_t unread = work + (more ? ring->lanes[index].count.behind : 0);
    return ring->end == NODE_LIVE && unread >= ring->filling;
}

/* Adds the events taken to *taken.  Returns the work done. */
static uint64_t drain_lane(struct ingest *ingest, struct ingest_ring *ring, unsigned index, uint64_t *taken, bool *ret_more) {
    struct history *history = ingest->config.history;
    struct ingest_lane *lane = &ring->lanes[index];
    struct gaps gaps = {.count = 0};
    struct trace_read read;
    uint64_t work = 0;

    do {
        uint32_t room;
        struct trace_event *place = history_reserve(history, &room);
        uint32_t max = room < INGEST_BATCH_EVENTS ? room : INGEST_BATCH_EVENTS;
        uint64_t now_ns = ingest->clock_ns ? ingest->clock_ns() : ingest->now_ns;
        trace_reader_read(ring->reader, index, place, max, ring->end != NODE_LIVE, now_ns, &read);
        if (read.lost > 0) {
            add_gap(ingest, ring, index, &gaps, (struct gap){read.first - read.lost, read.lost, read.cause});
            work++; /* one of our own events */
        }
        work += read.work;
        if (read.count == 0) continue;
        convert(ingest, ring, lane, place, read.count);
        if (gaps.count == 0) {
            history_append(history, read.count, source_of(ring, index));
        } else { /* rare: report the losses first */
            memcpy(ingest->spill, place, read.count * sizeof *place);
            tell_gaps(ingest, ring, index, &gaps, ingest->spill[0].timestamp);
            append_copies(history, ingest->spill, read.count, source_of(ring, index));
        }
        lane->indexed += read.count;
        *taken += read.count;
        ingest_add(&ingest->counters.batches, 1);
    } while (read.more && work < INGEST_LANE_EVENTS);

    if (gaps.count > 0) tell_gaps(ingest, ring, index, &gaps, unix_now(ingest)); /* no event follows them */
    *ret_more |= read.more;
    if (work > 0) count_lane(ingest, ring, index, !read.more);
    if (is_filling(ring, index, work, read.more)) ingest->calm_ns = ingest->now_ns + INGEST_CALM_NS;
    return work;
}

/* Finds lanes that got a writer.  They are assigned in order, so it usually suffices to check the first that was free.  all:
 * check each. */
static void find_lanes(struct ingest_ring *ring, bool all) {
    for (unsigned lane = 0; lane < trace_reader_info(ring->reader)->lane_count; lane++) {
        if (ring->lanes_used >> lane & 1) continue;
        if (trace_reader_lane_used(ring->reader, lane))
            ring->lanes_used |= 1U << lane;
        else if (!all)
            return;
    }
}

/* Updates all counters.  Runs after a drain, so that what a full ring discarded is reported after what it kept. */
static void settle(struct ingest *ingest, struct ingest_ring *ring) {
    for (uint32_t left = ring->lanes_used; left != 0; left &= left - 1)
        count_lane(ingest, ring, (unsigned)__builtin_ctz(left), true);
    tell_no_lane(ingest, ring);
    read_apps(ingest, ring);
    store(&ring->node->control, trace_reader_control(ring->reader)); /* another traced may have changed it */
    publish_counts(ring);
}

/* The sum of all rings comes last. */
static void publish_events(struct ingest *ingest, uint64_t taken) {
    uint64_t events = atomic_load_explicit(&ingest->counters.events, memory_order_relaxed); /* relaxed: only we write it */
    /* events:R  Publishes the node's counters.  Pairs with stats:A in ingest_stats().
     * Without it a client that waits for the sum, and then asks for the node, can get fewer.  No test can see that on x86. */
    atomic_store_explicit(&ingest->counters.events, events + taken, memory_order_release);
}

uint64_t ring_drain(struct ingest *ingest, struct ingest_ring *ring, bool *ret_more) {
    uint64_t found = 0, taken = 0;
    find_lanes(ring, ring->settle_due);
    for (uint32_t left = ring->lanes_used; left != 0; left &= left - 1)
        found += drain_lane(ingest, ring, (unsigned)__builtin_ctz(left), &taken, ret_more);

    if (ring->settle_due && !*ret_more) {
        ring->settle_due = false;
        settle(ingest, ring);
    } else if (found > 0) {
        publish_counts(ring);
    }
    if (taken > 0) publish_events(ingest, taken);
    if (found > 0) {
        ring->event_ns = ingest->now_ns;
        ingest->changed = true;
    }
    return found;
}

/* ---- check and end ------------------------------------------------------------------------------------------------------- */

void ring_not_closed_by(struct ingest_ring *ring, uint64_t heard_ns) {
    if (ring->live_ns && !ring->close_seen && heard_ns > ring->live_ns) ring->live_ns = heard_ns;
}

uint64_t ring_check(struct ingest *ingest, struct ingest_ring *ring) {
    uint64_t before_ns = trace_now_monotonic_ns();
    enum trace_node_state state = trace_reader_state(ring->reader);
    if (state == TRACE_NODE_LIVE) {
        ring->live_ns = before_ns;
    } else {
        ring_not_closed_by(ring, ingest->heard_ns);
        ring->ended_ns = trace_now_monotonic_ns();
    }
    uint64_t silent_ns = discover_fd(ingest->discover) >= 0 ? INGEST_CHECK_SILENT_NS : INGEST_CHECK_UNWATCHED_NS;
    uint64_t period_ns = ring_silence_ns(ingest, ring) < UINT64_C(1000000000) ? INGEST_CHECK_NS : silent_ns;
    if (state == TRACE_NODE_EXITED) ring->end = NODE_EXITED;
    if (state == TRACE_NODE_CRASHED) ring->end = NODE_CRASHED;
    ring->settle_due = true;
    /* between half the time and the whole, at random, so that nodes that started together do not stay in step */
    ingest->random = ingest->random * UINT64_C(6364136223846793005) + 1;
    return ingest->now_ns + period_ns / 2 + (ingest->random >> 32) * (period_ns / 2) / UINT32_MAX;
}

static uint64_t sum_of_lost(const struct node *node) {
    uint64_t sum = 0;
    /* relaxed: only we write them */
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++)
        sum += atomic_load_explicit(&node->lost[cause], memory_order_relaxed);
    return sum;
}

/* When the log ended, as exactly as anybody knows. */
static void tell_end(struct ingest *ingest, struct ingest_ring *ring) {
    uint64_t by_ns = unix_at(ingest, ring->ended_ns), closed = trace_reader_closed(ring->reader);
    if (ring->live_ns) nodes_set_ended(ring->node, unix_at(ingest, ring->live_ns), by_ns);
    if (ring->end == NODE_EXITED && closed)
        nodes_set_closed(ring->node, trace_clock_unix_ns(&ingest->clock, &ring->clock, closed), by_ns);
}

static const char *broken_words(enum trace_attach_fault fault) {
    return fault == TRACE_ATTACH_BAD_SIZE ? "the object shrank" : trace_attach_fault_text(fault);
}

void ring_end(struct ingest *ingest, struct ingest_ring *ring) {
    static const char *const words[] = {[NODE_LIVE] = "left",
                                        [NODE_EXITED] = "exited",
                                        [NODE_CRASHED] = "ended without closing its log",
                                        [NODE_REJECTED] = "rejected, "};
    const struct node *node = ring->node;

    settle(ingest, ring);
    enum trace_attach_fault fault = trace_reader_fault(ring->reader);
    bool broken = fault != TRACE_ATTACH_OK;
    enum node_state end = broken ? NODE_REJECTED : ring->end;
    /* relaxed: only we write them */
    ingest_say(ingest, broken ? INGEST_ABOUT_REJECTED : INGEST_ABOUT_ENDED,
               broken || end == NODE_CRASHED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
               "node %s (pid %d) %s%s: %" PRIu64 " events emitted, %" PRIu64 " indexed, %" PRIu64 " lost", node->info.node_name,
               (int)node->info.pid, words[end], broken ? broken_words(fault) : "",
               atomic_load_explicit(&node->emitted, memory_order_relaxed),
               atomic_load_explicit(&node->indexed, memory_order_relaxed), sum_of_lost(node));
    if (broken) {
        ingest_add(&ingest->counters.nodes_rejected, 1);
        ingest_add(&ingest->counters.rejected[fault], 1);
        ring->rejected_ns = ingest->now_ns;
    } else {
        tell_end(ingest, ring);
    }
    if (!broken && !ingest->config.read_only) {
        /* Drained to its end: nobody needs it now.  -ENOENT is fine: somebody else removed it. */
        (void)trace_reader_unlink(ring->reader);
    }
    rejected_remember(ingest, ring->reader);
    nodes_end(ingest->config.nodes, ring->node_index, end, broken ? trace_attach_fault_text(fault) : NULL,
              history_end_position(ingest->config.history));
    trace_reader_detach(ring->reader);
    ring->reader = NULL;
    ring->state = RING_OVER;
    ring->has_node = false; /* the table forgets it later */
    ingest->changed = true;
}
