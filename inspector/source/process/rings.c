/* SPDX-License-Identifier: MIT
 *
 * The same steps as in traced's ingest, without a history: drain, convert ticks to Unix time, report losses where they
 * happened. */
#include "rings.h"

#include "allocation.h"
#include "json_get.h"
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <proto/event_clock.h>
#include <proto/event_object.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_EVENTS 512U
#define GAPS_WAITING_MAX 4U
#define LANE_EVENTS 8192U /* a busy lane hands over to the next */
#define CLOCK_SETTLE_NS 5000000
#define READY_TRIES 100
#define READY_PAUSE_NS 10000000
#define CHECK_NS UINT64_C(100000000)

/* ---- open ---- */

static void pause_ns(long ns) {
    struct timespec pause = {.tv_nsec = ns};
    while (nanosleep(&pause, &pause) && errno == EINTR) continue;
}

static int attach_log(struct ring *ring, const struct process_log *log, char *ret_reason, size_t reason_bytes) {
    enum trace_attach_fault fault;
    int dir = open(log->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = dir < 0 ? -errno : -EAGAIN;
    for (unsigned tries = 0; result == -EAGAIN && tries < READY_TRIES; tries++) { /* -EAGAIN: the node is still creating it */
        if (tries) pause_ns(READY_PAUSE_NS);
        result = trace_reader_attach(&ring->reader, dir, log->name, geteuid(), 0, &fault);
    }
    if (dir < 0)
        snprintf(ret_reason, reason_bytes, "%s: %s", log->dir, strerror(-result));
    else if (result && fault == TRACE_ATTACH_SYSTEM)
        snprintf(ret_reason, reason_bytes, "%s/%s: %s", log->dir, log->name, strerror(-result));
    else if (result && fault == TRACE_ATTACH_BAD_OWNER)
        snprintf(ret_reason, reason_bytes, "%s/%s is another user's; run inspector as that user: sudo -u USER", log->dir,
                 log->name);
    else if (result)
        snprintf(ret_reason, reason_bytes, "%s/%s: %s", log->dir, log->name, trace_attach_fault_text(fault));
    if (dir >= 0) close(dir); /* the reader needs it only to unlink, which we never do */
    if (result) return result;
    const struct trace_reader_info *info = trace_reader_info(ring->reader);
    ring->clock = (struct trace_ring_clock){info->clock_source, info->open_ticks, info->open_monotonic_ns, info->open_unix_ns};
    return 0;
}

/* Who is who, by what these nodes say. */
static int make_aliases(struct rings *rings) {
    store_enter_thread();
    int error = nodes_create(&rings->nodes, NULL);
    if (!error) error = aliases_create(&rings->aliases, rings->nodes);
    for (unsigned i = 0; i < rings->count && !error; i++) {
        struct ring *ring = &rings->rings[i];
        const struct trace_reader_info *info = trace_reader_info(ring->reader);
        struct node_info node = {
            .node_id = info->node_id, .log = info->open_ticks, .started_unix_ns = rings_started_ns(rings, ring)};
        error = nodes_add(rings->nodes, &node, NODE_LIVE, NULL, 0, &ring->node);
    }
    return error;
}

int rings_open(struct rings *ret_rings, const struct process_logs *logs, struct failure *failure) {
    struct rings rings = {.rings = calloc(logs->count ? logs->count : 1, sizeof *rings.rings),
                          .batch = malloc(BATCH_EVENTS * sizeof *rings.batch)};
    struct trace_clock_sample first = trace_clock_read();
    char reason[512] = "";
    if (!rings.rings || !rings.batch) {
        rings_fini(&rings);
        return failure_set(failure, EXIT_FAILED, "out of memory");
    }
    for (unsigned i = 0; i < logs->count; i++)
        rings.count += !attach_log(&rings.rings[rings.count], &logs->logs[i], reason, sizeof reason);
    if (!rings.count) {
        rings_fini(&rings);
        return failure_set(failure, EXIT_FAILED, "the log of process %d cannot be read: %s", (int)logs->pid, reason);
    }
    pause_ns(CLOCK_SETTLE_NS); /* the clock's rate needs two samples some time apart */
    trace_clock_init(&rings.clock, first, trace_clock_read());
    rings.clock_due_ns = trace__monotonic_ns() + trace_clock_interval_ns(&rings.clock);
    machine_here(&rings.machine);
    if (make_aliases(&rings)) {
        rings_fini(&rings);
        return failure_set(failure, EXIT_FAILED, "out of memory");
    }
    *ret_rings = rings;
    return 0;
}

void rings_begin(struct rings *rings, uint64_t from_ns, bool counts_from_start) {
    rings->from_ns = from_ns;
    for (unsigned i = 0; i < rings->count && !counts_from_start; i++) {
        struct ring *ring = &rings->rings[i];
        ring->reported_no_lane = trace_reader_no_lane(ring->reader);
        for (unsigned lane = 0; lane < trace_reader_info(ring->reader)->lane_count; lane++) {
            struct trace_lane_count count;
            trace_reader_count(ring->reader, lane, &count);
            ring->reported_discarded[lane] = count.lost[TRACE_LOSS_DISCARDED];
        }
    }
}

void rings_fini(struct rings *rings) {
    for (unsigned i = 0; i < rings->count; i++) trace_reader_detach(rings->rings[i].reader);
    alias_picture_release(rings->picture);
    aliases_destroy(rings->aliases);
    nodes_destroy(rings->nodes);
    free(rings->rings);
    free(rings->batch);
}

/* ---- reading ---- */

/* The description of an event's application.  A node registers it before its first event, but perhaps after we attached. */
static const struct trace_app *find_app(struct ring *ring, const struct trace_event *event) {
    uint16_t cmd;
    const char *app_id = trace_event_app(event, &cmd);
    if (!app_id) return NULL;
    for (unsigned i = 0; i < TRACE_APPS_MAX; i++) {
        if (i == ring->app_count && trace_reader_app(ring->reader, i, &ring->apps[i])) return NULL;
        ring->app_count += i == ring->app_count;
        if (!memcmp(ring->apps[i].app_id, app_id, sizeof ring->apps[i].app_id)) return &ring->apps[i];
    }
    return NULL;
}

static void note_alias(struct rings *rings, const struct ring *ring, const struct trace_event *event) {
    if (event->kind != TRACE_KIND_ALIAS) return;
    aliases_note(rings->aliases, ring->node, event);
    (void)alias_picture_renew(rings->aliases, &rings->picture);
}

/* Valid as long as the event, until the next alias. */
static const struct trace_node_id *peer_of(const struct rings *rings, const struct ring *ring, const struct trace_event *event) {
    grace_read_lock();
    const struct trace_node_id *id = alias_picture_resolve(rings->picture, ring->node, event->timestamp, &event->peer_id);
    grace_read_unlock();
    return id;
}

static bool is_wanted(const struct rings *rings, struct ring *ring, unsigned lane, const struct trace_event *event) {
    const struct trace_reader_info *info = trace_reader_info(ring->reader);
    struct trace_filter_origin origin = {&info->node_id, info->node_name, lane, NULL, rings->machine.name};
    if (event->timestamp < rings->from_ns) return false;
    if (!rings->filter) return true;
    if (trace_filter_uses(rings->filter) & TRACE_FILTER_USES_APP) origin.app = find_app(ring, event);
    if (trace_filter_uses(rings->filter) & TRACE_FILTER_USES_PEER) origin.peer_id = peer_of(rings, ring, event);
    return trace_filter_match(rings->filter, event, &origin);
}

static int report_loss(struct rings *rings, struct ring *ring, unsigned lane, const struct trace_event *loss,
                       struct rings_visit *visit) {
    struct trace_event stamped = *loss;
    if (loss->timestamp < rings->from_ns) return 0;
    trace_event_set_clock_steps(&stamped, rings->clock.steps);
    if (!rings->filter) return visit->event(visit, ring, lane, &stamped);
    rings->hidden += loss->data.events_lost.count;
    return 0;
}

static struct trace_event loss_event(uint64_t unix_ns, uint64_t first, uint64_t count, enum trace_loss cause) {
    struct trace_event loss = {.timestamp = unix_ns, .sequence = (uint32_t)first, .kind = TRACE_KIND_EVENTS_LOST};
    loss.data.events_lost.count = count;
    loss.data.events_lost.first = first;
    loss.data.events_lost.cause = (uint8_t)cause;
    return loss;
}

static uint64_t unix_now(const struct rings *rings) {
    static const struct trace_ring_clock monotonic = {.source = TRACE_CLOCK_MONOTONIC};
    return trace_clock_unix_ns(&rings->clock, &monotonic, trace__monotonic_ns());
}

/* One run of events of a lane.  A loss gets the time of the event after it, so it waits for that event. */
static int visit_run(struct rings *rings, struct ring *ring, unsigned lane, const struct trace_read *read,
                     struct trace_event *gaps, unsigned *gap_count, struct rings_visit *visit) {
    int result = 0;
    if (read->lost) gaps[(*gap_count)++] = loss_event(0, read->first - read->lost, read->lost, read->cause);
    for (uint32_t i = 0; i < read->count; i++) {
        uint64_t steps;
        rings->batch[i].timestamp = trace_clock_unix_ns_of(&rings->clock, &ring->clock, rings->batch[i].timestamp, &steps);
        trace_event_set_clock_steps(&rings->batch[i], steps);
    }
    if (read->count || *gap_count == GAPS_WAITING_MAX) {
        for (unsigned i = 0; i < *gap_count && !result; i++) {
            gaps[i].timestamp = read->count ? rings->batch[0].timestamp : unix_now(rings);
            result = report_loss(rings, ring, lane, &gaps[i], visit);
        }
        *gap_count = 0;
    }
    for (uint32_t i = 0; i < read->count; i++) note_alias(rings, ring, &rings->batch[i]);
    for (uint32_t i = 0; i < read->count && !result; i++)
        if (is_wanted(rings, ring, lane, &rings->batch[i])) result = visit->event(visit, ring, lane, &rings->batch[i]);
    return result;
}

static int visit_lane(struct rings *rings, struct ring *ring, unsigned lane, bool *ret_more, struct rings_visit *visit) {
    struct trace_event gaps[GAPS_WAITING_MAX];
    struct trace_read read;
    unsigned gap_count = 0;
    int result = 0;
    for (uint32_t left = LANE_EVENTS / BATCH_EVENTS; left && !result; left--) {
        trace_reader_read(ring->reader, lane, rings->batch, BATCH_EVENTS, ring->state != TRACE_NODE_LIVE, trace__monotonic_ns(),
                          &read);
        result = visit_run(rings, ring, lane, &read, gaps, &gap_count, visit);
        if (!read.more) break;
    }
    *ret_more |= read.more;
    for (unsigned i = 0; i < gap_count && !result; i++) { /* no event came after them */
        gaps[i].timestamp = unix_now(rings);
        result = report_loss(rings, ring, lane, &gaps[i], visit);
    }
    return result;
}

/* Losses without a place in a lane: the node only counts them. */
static int visit_counts(struct rings *rings, struct ring *ring, struct rings_visit *visit) {
    uint64_t no_lane = trace_reader_no_lane(ring->reader), now_ns = unix_now(rings);
    int result = 0;
    for (unsigned lane = 0; lane < trace_reader_info(ring->reader)->lane_count && !result; lane++) {
        struct trace_lane_count count;
        trace_reader_count(ring->reader, lane, &count);
        uint64_t discarded = count.lost[TRACE_LOSS_DISCARDED], reported = ring->reported_discarded[lane];
        if (discarded <= reported) continue;
        struct trace_event loss =
            loss_event(now_ns, trace_reader_position(ring->reader, lane), discarded - reported, TRACE_LOSS_DISCARDED);
        ring->reported_discarded[lane] = discarded;
        result = report_loss(rings, ring, lane, &loss, visit);
    }
    if (result || no_lane <= ring->reported_no_lane) return result;
    struct trace_event loss =
        loss_event(now_ns, trace_reader_position(ring->reader, 0), no_lane - ring->reported_no_lane, TRACE_LOSS_NO_LANE);
    ring->reported_no_lane = no_lane;
    return report_loss(rings, ring, 0, &loss, visit);
}

static int visit_ring(struct rings *rings, struct ring *ring, bool check, bool *ret_more, struct rings_visit *visit) {
    bool more = false;
    int result = 0;
    for (unsigned lane = 0; lane < trace_reader_info(ring->reader)->lane_count && !result; lane++)
        result = visit_lane(rings, ring, lane, &more, visit);
    *ret_more |= more;
    if (result || more) return result;
    if (check || ring->state != TRACE_NODE_LIVE) result = visit_counts(rings, ring, visit);
    if (ring->state != TRACE_NODE_LIVE || trace_reader_broken(ring->reader)) ring->ended = true;
    return result;
}

static void keep_step(struct rings *rings, bool slept) {
    const struct clock_step step = {.machine = rings->machine,
                                    .before_ns = rings->clock.step_before_ns,
                                    .after_ns = rings->clock.step_after_ns,
                                    .number = (uint8_t)rings->clock.steps,
                                    .slept = slept};
    clock_steps_add(&rings->clock_steps, &step);
}

static int visit_all(struct rings *rings, bool *ret_more, struct rings_visit *visit) {
    uint64_t now_ns = trace__monotonic_ns();
    bool check = now_ns >= rings->check_due_ns;
    int result = 0;
    *ret_more = false;
    if (now_ns >= rings->clock_due_ns) {
        uint64_t restarts = rings->clock.restarts;
        if (trace_clock_update(&rings->clock, trace_clock_read())) keep_step(rings, rings->clock.restarts != restarts);
        rings->clock_due_ns = now_ns + trace_clock_interval_ns(&rings->clock);
    }
    if (check) {
        rings->check_due_ns = now_ns + CHECK_NS;
        (void)rings_state(rings);
    }
    for (unsigned i = 0; i < rings->count && !result; i++)
        if (!rings->rings[i].ended) result = visit_ring(rings, &rings->rings[i], check, ret_more, visit);
    return result;
}

/* Stop after one lap, so that a node that emits faster than we read cannot keep us here. */
int rings_visit_all(struct rings *rings, struct rings_visit *visit) {
    int result = 0;
    bool more = true;
    for (uint64_t left = rings_emitted(rings) / LANE_EVENTS + 2; left && more && !result; left--)
        result = visit_all(rings, &more, visit);
    return result;
}

uint64_t rings_started_ns(const struct rings *rings, const struct ring *ring) {
    return trace_clock_unix_ns(&rings->clock, &ring->clock, trace_reader_info(ring->reader)->open_ticks);
}

uint64_t rings_closed_ns(const struct rings *rings, const struct ring *ring) {
    uint64_t closed = trace_reader_closed(ring->reader);
    return closed ? trace_clock_unix_ns(&rings->clock, &ring->clock, closed) : 0;
}

bool rings_ended(const struct rings *rings) {
    for (unsigned i = 0; i < rings->count; i++)
        if (!rings->rings[i].ended) return false;
    return true;
}

enum trace_attach_fault rings_fault(const struct rings *rings) {
    enum trace_attach_fault fault = TRACE_ATTACH_OK;
    for (unsigned i = 0; i < rings->count && fault == TRACE_ATTACH_OK; i++) fault = trace_reader_fault(rings->rings[i].reader);
    return fault;
}

enum trace_node_state rings_state(struct rings *rings) {
    enum trace_node_state state = TRACE_NODE_LIVE;
    for (unsigned i = rings->count; i-- > 0;) {
        struct ring *ring = &rings->rings[i];
        ring->state = trace_reader_state(ring->reader);
        if (i == rings->count - 1 || ring->state == TRACE_NODE_LIVE || state != TRACE_NODE_LIVE) state = ring->state;
    }
    return state;
}

uint64_t rings_emitted(const struct rings *rings) {
    uint64_t emitted = 0;
    for (unsigned i = 0; i < rings->count; i++) {
        const struct ring *ring = &rings->rings[i];
        emitted += trace_reader_no_lane(ring->reader);
        for (unsigned lane = 0; lane < trace_reader_info(ring->reader)->lane_count; lane++) {
            struct trace_lane_count count;
            trace_reader_count(ring->reader, lane, &count);
            emitted += count.emitted;
        }
    }
    return emitted;
}

/* ---- events as JSON ---- */

static void put_log(char *out, const struct ring *ring) {
    sprintf(out, "%0*" PRIx64, LOG_DIGITS, trace_reader_info(ring->reader)->open_ticks); /* as in traced */
}

struct append_objects {
    struct rings_visit visit;
    const struct rings *rings;
    json_t *events;
};

static int append_object(struct rings_visit *visit, struct ring *ring, unsigned lane, const struct trace_event *event) {
    char log[LOG_DIGITS + 1];
    const struct rings *rings = ((struct append_objects *)visit)->rings;
    struct trace_event_origin origin = {.node_id = &trace_reader_info(ring->reader)->node_id,
                                        .lane = lane,
                                        .app = find_app(ring, event),
                                        .peer_id = peer_of(rings, ring, event)};
    json_t *object = trace_event_object_new(event, &origin);
    put_log(log, ring);
    if (!object || json_object_set_new(object, "log", json_string(log))) {
        json_decref(object);
        return -ENOMEM;
    }
    return json_array_append_new(((struct append_objects *)visit)->events, object) ? -ENOMEM : 0;
}

int rings_read(struct rings *rings, json_t *events, bool *ret_more) {
    struct append_objects append = {{append_object}, rings, events};
    return visit_all(rings, ret_more, &append.visit);
}

json_t *rings_nodes_new(const struct rings *rings) {
    json_t *nodes = json_array();
    for (unsigned i = 0; i < rings->count; i++) {
        const struct trace_reader_info *info = trace_reader_info(rings->rings[i].reader);
        char id[NODE_DIGITS + 1], log[LOG_DIGITS + 1];
        *trace_hex_encode(id, info->node_id.bytes, sizeof info->node_id.bytes) = 0;
        put_log(log, &rings->rings[i]);
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:s, s:i}", "node_id", id, "log", log, "name", info->node_name, "pid", (int)info->pid));
    }
    return json_pack("{s:o}", "nodes", nodes);
}

/* ---- the newest ---- */

struct kept {
    struct trace_event event;
    struct ring *ring;
    unsigned lane;
    size_t index; /* keeps events of the same time in order */
};

struct keep {
    struct rings_visit visit;
    struct kept *kept;
    size_t wanted, count, capacity, seen;
};

static int compare_newest_first(const void *a, const void *b) {
    const struct kept *x = a, *y = b;
    if (x->event.timestamp != y->event.timestamp) return x->event.timestamp < y->event.timestamp ? 1 : -1;
    return x->index < y->index ? 1 : -1;
}

/* Drops all but the newest `wanted`. */
static void forget_older(struct keep *keep) {
    if (keep->count) qsort(keep->kept, keep->count, sizeof *keep->kept, compare_newest_first);
    if (keep->count > keep->wanted) keep->count = keep->wanted;
}

/* Drops older events; doubles the capacity when that frees less than half of it. */
static int make_room(struct keep *keep) {
    forget_older(keep);
    if (keep->count < keep->capacity / 2) return 0;
    struct kept *grown = memory_room(keep->kept, keep->capacity, &keep->capacity, sizeof *grown);
    if (!grown) return -ENOMEM;
    keep->kept = grown;
    return 0;
}

static int keep_event(struct rings_visit *visit, struct ring *ring, unsigned lane, const struct trace_event *event) {
    struct keep *keep = (struct keep *)visit;
    if (event->kind == TRACE_KIND_EVENTS_LOST) return 0;
    if (keep->count == keep->capacity && make_room(keep)) return -ENOMEM;
    keep->kept[keep->count++] = (struct kept){*event, ring, lane, keep->seen++};
    return 0;
}

int rings_newest(struct rings *rings, uint64_t n, json_t *events) {
    struct keep keep = {.visit = {keep_event}, .wanted = n};
    struct append_objects append = {{append_object}, rings, events};
    int result = rings_visit_all(rings, &keep.visit);
    forget_older(&keep);
    for (size_t i = keep.count; i-- > 0 && !result;)
        result = append_object(&append.visit, keep.kept[i].ring, keep.kept[i].lane, &keep.kept[i].event);
    free(keep.kept);
    return result;
}
