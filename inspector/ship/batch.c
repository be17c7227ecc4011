/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include "allocation.h"
#include "spool.h"
#include "strbuf.h"

#include <errno.h>
#include <inttypes.h>
#include <proto/event_clock.h>
#include <recording/recording.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

#define DAY_NS (UINT64_C(86400) * 1000000000)

/* ---- life ----------------------------------------------------------------------------------------------------------------- */

int batch_init(struct batch *batch, const char *host) {
    memset(batch, 0, sizeof *batch);
    batch->picked.max = CLOCK_SEGMENT_ENDS;
    memcpy(batch->host, host, strnlen(host, FLEET_HOST_BYTES_MAX));
    return batch_nodes_init(&batch->nodes);
}

static void drop_group(struct batch_group *group) {
    free(group->events);
    row_writer_fini(&group->clock_rows);
}

void batch_fini(struct batch *batch) {
    for (size_t i = 0; i < batch->group_count; i++) drop_group(&batch->groups[i]);
    free(batch->groups);
    clock_ends_fini(&batch->picked);
    free(batch->origins);
    free(batch->keys);
    trace_index_fini(&batch->index);
    row_writer_fini(&batch->event_rows);
    row_writer_fini(&batch->index_rows);
    row_writer_fini(&batch->losses);
    batch_nodes_fini(&batch->nodes);
    row_writer_fini(&batch->segments);
    row_writer_fini(&batch->rare_rows);
    row_writer_fini(&batch->deliveries);
    free(batch->read);
}

/* Keeps the memory of the first group: usually it is the only one. */
void batch_clear(struct batch *batch) {
    for (size_t i = 1; i < batch->group_count; i++) drop_group(&batch->groups[i]);
    if (batch->group_count > 1) batch->group_count = 1;
    if (batch->group_count) {
        batch->groups[0].count = 0;
        row_writer_clear(&batch->groups[0].clock_rows);
    }
    batch->origin_count = 0;
    trace_index_clear(&batch->index);
    row_writer_clear(&batch->index_rows);
    row_writer_clear(&batch->losses);
    batch_nodes_clear(&batch->nodes);
    row_writer_clear(&batch->segments);
    row_writer_clear(&batch->rare_rows);
    batch->read_count = 0;
    batch->events = batch->oldest_ns = batch->newest_ns = batch->damaged_events = batch->damaged_segments = 0;
}

bool batch_failed(const struct batch *batch) {
    for (size_t i = 0; i < batch->group_count; i++)
        if (batch->groups[i].clock_rows.failed) return true;
    return batch->index_rows.failed || batch_nodes_failed(&batch->nodes) || batch->losses.failed || batch->segments.failed ||
           batch->rare_rows.failed || batch->deliveries.failed;
}

void batch_add_loss(struct batch *batch, const struct batch_loss *loss, uint64_t now_ns) {
    struct row_writer *out = &batch->losses;
    row_write_string(out, batch->host);
    row_write_u64(out, loss->instance);
    row_write_u64(out, loss->first_segment);
    row_write_string(out, loss->cause);
    row_write_u64(out, now_ns);
    row_write_u64(out, loss->segments);
    row_write_u64(out, loss->events_max);
    row_write_u64(out, loss->from_ns);
    row_write_u64(out, loss->to_ns);
}

/* ---- events --------------------------------------------------------------------------------------------------------------- */

static struct batch_group *find_group(struct batch *batch, uint64_t number) {
    for (size_t i = 0; i < batch->group_count; i++) {
        struct batch_group *group = &batch->groups[i];
        if (!group->count) group->number = number; /* the group that batch_clear kept */
        if (group->number == number) return group;
    }
    struct batch_group *groups = memory_room(batch->groups, batch->group_count, &batch->group_room, sizeof *groups);
    if (!groups) return NULL;
    batch->groups = groups;
    groups[batch->group_count] = (struct batch_group){.number = number};
    return &groups[batch->group_count++];
}

/* The state of a visit of one segment. */
struct visit {
    struct batch *batch;
    const struct nodes *nodes;
    struct batch_group *group; /* of the last event */
    uint64_t instance, segment, events, first_ns, last_ns;
};

/* The origin of a node, + 1; 0 when out of memory. */
static uint32_t origin_of(const struct visit *visit, uint32_t index) {
    static const struct trace_node_id nobody;
    struct batch *batch = visit->batch;
    if (batch->origin_of[index]) return batch->origin_of[index];
    struct fleet_origin *origins = memory_room(batch->origins, batch->origin_count, &batch->origin_room, sizeof *origins);
    if (!origins) return 0;
    batch->origins = origins;
    const struct node *node = nodes_at(visit->nodes, index);
    fleet_origin_make(&origins[batch->origin_count++], node ? &node->info.node_id : &nobody, node ? node->info.log : 0,
                      batch->host, visit->instance, visit->segment);
    return batch->origin_of[index] = (uint32_t)batch->origin_count;
}

/* Offers the event that comes next in the group to the sample of the segment. */
static int pick_end(struct batch *batch, const struct trace_event *event, const struct batch_group *group) {
    struct clock_end end = {.order = (uint64_t)(group - batch->groups) << 32 | group->count};
    return clock_end_sample(event, &end.sample, &end.sent) ? clock_ends_add(&batch->picked, &end) : 0;
}

static void write_picked(struct batch *batch, uint64_t instance) {
    clock_ends_pick(&batch->picked);
    for (size_t i = 0; i < batch->picked.count; i++) {
        const struct clock_end *end = &batch->picked.items[i];
        struct batch_group *group = &batch->groups[end->order >> 32];
        const struct batch_event *at = &group->events[(uint32_t)end->order];
        struct row_writer *out = &group->clock_rows;
        row_write(out, at->event.peer_id.bytes, sizeof at->event.peer_id.bytes);
        row_write_u64(out, end->sample);
        row_write(out, batch->origins[at->origin].bytes, TRACE_NODE_ID_BYTES + sizeof(uint64_t)); /* node_id, log_id */
        row_write_u8(out, (uint8_t)at->lane);
        row_write_u32(out, at->event.sequence);
        row_write_u64(out, at->event.timestamp);
        row_write_u8(out, end->sent);
        row_write_u64(out, instance);
        row_write_u8(out, trace_event_clock_steps(&at->event));
    }
}

/* Kinds of FLEET_RARE_KINDS_SQL. */
static bool is_rare(uint16_t kind) { return kind == TRACE_KIND_ALIAS || kind == TRACE_KIND_EVENTS_LOST; }

static void write_rare(struct batch *batch, const struct batch_event *event) {
    uint8_t *at = row_writer_begin(&batch->rare_rows, FLEET_EVENT_BYTES_MAX);
    if (!at) return; /* batch_failed */
    row_writer_end(&batch->rare_rows, fleet_event_put(at, &batch->origins[event->origin], (uint8_t)event->lane, &event->event));
}

static int visit_event(void *context, const struct trace_event *event, history_source source) {
    struct visit *visit = context;
    struct batch *batch = visit->batch;
    uint64_t number = event->timestamp / DAY_NS / BATCH_GROUP_DAYS;
    uint32_t origin = origin_of(visit, history_source_node(source));
    if (!visit->group || visit->group->number != number) visit->group = find_group(batch, number);
    struct batch_group *group = visit->group;
    struct batch_event *events = group ? memory_room(group->events, group->count, &group->room, sizeof *events) : NULL;
    if (!events || !origin || trace_index_add(&batch->index, event)) return -ENOMEM;
    group->events = events;
    if (pick_end(batch, event, group)) return -ENOMEM;
    events[group->count++] = (struct batch_event){*event, origin - 1, history_source_lane(source)};
    if (is_rare(event->kind)) write_rare(batch, &events[group->count - 1]);
    batch->events++;
    visit->events++;
    if (!visit->first_ns || event->timestamp < visit->first_ns) visit->first_ns = event->timestamp;
    if (event->timestamp > visit->last_ns) visit->last_ns = event->timestamp;
    if (!batch->oldest_ns || event->timestamp < batch->oldest_ns) batch->oldest_ns = event->timestamp;
    if (event->timestamp > batch->newest_ns) batch->newest_ns = event->timestamp;
    return 0;
}

static void add_segment(struct batch *batch, const struct visit *visit) {
    struct row_writer *out = &batch->segments;
    row_write_u64(out, visit->instance);
    row_write_u64(out, visit->segment);
    row_write_string(out, batch->host);
    row_write_u64(out, visit->events);
    row_write_u64(out, visit->first_ns);
    row_write_u64(out, visit->last_ns);
}

/* The machine of all nodes of a recording; zero when there are several. */
static void find_machine(const struct nodes *nodes, uint8_t out[MACHINE_ID_BYTES]) {
    bool any = false;
    grace_read_lock();
    for (uint32_t i = 0; i < nodes_count(nodes); i++) {
        const struct node *node = nodes_at(nodes, i);
        if (!node) continue;
        if (!any) memcpy(out, node->info.machine.id, MACHINE_ID_BYTES);
        if (memcmp(out, node->info.machine.id, MACHINE_ID_BYTES) != 0) memset(out, 0, MACHINE_ID_BYTES);
        any = true;
    }
    grace_read_unlock();
}

static int note_segment(struct batch *batch, const struct visit *visit) {
    if (!visit->events) return 0;
    struct batch_segment *all = memory_room(batch->read, batch->read_count, &batch->read_room, sizeof *all);
    if (!all) return -ENOMEM;
    batch->read = all;
    struct batch_segment *segment = &all[batch->read_count++];
    *segment = (struct batch_segment){visit->instance, visit->segment, visit->first_ns, visit->last_ns, {0}};
    find_machine(visit->nodes, segment->machine);
    return 0;
}

void batch_write_deliveries(struct batch *batch, uint64_t delivery) {
    struct row_writer *out = &batch->deliveries;
    row_writer_clear(out);
    for (size_t i = 0; i < batch->read_count; i++) {
        const struct batch_segment *segment = &batch->read[i];
        row_write_u64(out, segment->instance);
        row_write_u64(out, segment->number);
        row_write_u64(out, delivery);
        row_write(out, segment->machine, sizeof segment->machine);
        row_write_u64(out, segment->first_ns);
        row_write_u64(out, segment->last_ns);
    }
}

static int add_events(struct batch *batch, const struct store *store, uint64_t instance, uint64_t number) {
    const struct history_query all = {0};
    struct history_visited visited;
    struct visit visit = {.batch = batch, .nodes = store->nodes, .instance = instance, .segment = number};
    clock_ends_clear(&batch->picked);
    memset(batch->origin_of, 0, sizeof batch->origin_of); /* node numbers differ between recordings */
    int error = history_visit(store->history, &all, history_begin_position(store->history), history_end_position(store->history),
                              visit_event, &visit, &visited);
    if (error) return error;
    write_picked(batch, instance);
    add_segment(batch, &visit);
    return note_segment(batch, &visit);
}

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

/* The beginning of the table's key.  If two peers share their first 8 bytes, the order may differ from the table's; the server
 * sorts whatever arrives unsorted. */
struct batch_sort_key {
    uint64_t peer, time_ns;
    uint32_t index;
    uint32_t kind;
};

#define COMPARE_(a, b) ((a) != (b)) return (a) < (b) ? -1 : 1

static int by_key(const void *a, const void *b, void *arg) {
    const struct batch_sort_key *x = a, *y = b;
    const struct batch *batch = ((const struct batch *const *)arg)[0];
    const struct batch_event *events = ((const struct batch_group *const *)arg)[1]->events;
    if COMPARE_ (x->peer, y->peer)
        ;
    if COMPARE_ (x->kind, y->kind)
        ;
    if COMPARE_ (x->time_ns, y->time_ns)
        ;
    const struct batch_event *one = &events[x->index], *other = &events[y->index];
    const struct fleet_origin *from = &batch->origins[one->origin], *to = &batch->origins[other->origin];
    int order = memcmp(from->bytes, to->bytes, TRACE_NODE_ID_BYTES);
    if (order) return order;
    if COMPARE_ (one->lane, other->lane)
        ;
    if COMPARE_ (one->event.sequence, other->event.sequence)
        ;
    if COMPARE_ (x->index, y->index)
        ;
    return 0;
}

static uint64_t peer_prefix(const struct trace_event *event) {
    uint64_t prefix = 0;
    for (unsigned i = 0; event->flags & TRACE_FLAG_HAS_PEER && i < 8; i++) prefix = prefix << 8 | event->peer_id.bytes[i];
    return prefix;
}

int batch_encode_group(struct batch *batch, const struct batch_group *group) {
    const void *const context[] = {batch, group};
    struct row_writer *rows = &batch->event_rows;
    if (group->count > batch->key_room) {
        struct batch_sort_key *keys = realloc(batch->keys, group->count * sizeof *keys);
        if (!keys) return -1;
        batch->keys = keys;
        batch->key_room = group->count;
    }
    for (size_t i = 0; i < group->count; i++) {
        const struct trace_event *event = &group->events[i].event;
        batch->keys[i] =
            (struct batch_sort_key){peer_prefix(event), event->timestamp, (uint32_t)i, fleet_event_kind_rank(event->kind)};
    }
    qsort_r(batch->keys, group->count, sizeof *batch->keys, by_key, (void *)(uintptr_t)context);
    row_writer_clear(rows);
    for (size_t i = 0; i < group->count; i++) {
        const struct batch_event *event = &group->events[batch->keys[i].index];
        uint8_t *at = row_writer_begin(rows, FLEET_EVENT_BYTES_MAX);
        if (!at) return -1;
        row_writer_end(rows, fleet_event_put(at, &batch->origins[event->origin], (uint8_t)event->lane, &event->event));
    }
    return 0;
}

/* ---- segments ------------------------------------------------------------------------------------------------------------- */

static enum batch_read add_damaged(struct batch *batch, uint64_t instance, uint64_t number, uint64_t now_ns) {
    batch_add_loss(batch, &(struct batch_loss){instance, number, 1, HISTORY_SEGMENT_EVENTS, 0, 0, "damaged"}, now_ns);
    add_segment(batch, &(struct visit){.instance = instance, .segment = number});
    batch->damaged_segments++;
    return BATCH_READ;
}

static enum batch_read explain_open(struct batch *batch, int error, const char *reason, uint64_t instance, uint64_t number,
                                    uint64_t now_ns, struct failure *failure) {
    switch (error) {
    case -ENOENT: return BATCH_GONE;
    case -EBADMSG:
    case -ENODATA:
    case -ENOMSG: return add_damaged(batch, instance, number, now_ns);
    case -EPROTONOSUPPORT: failure_set(failure, EXIT_FAILED, "%s", reason); return BATCH_REFUSED;
    default: failure_set(failure, EXIT_FAILED, "%s", reason); return BATCH_LATER;
    }
}

static enum batch_read read_recording(struct batch *batch, struct recording *recording, uint64_t instance, uint64_t number,
                                      uint64_t now_ns, struct failure *failure) {
    const struct store *store = recording_store(recording);
    struct recording_segment segment;
    recording_segment_at(recording, 0, &segment);
    if (segment.instance != instance || segment.number != number || recording_segment_count(recording) != 1) {
        failure_set(failure, EXIT_FAILED, "segment %" PRIu64 " of %016" PRIx64 " is not what its name says: move the file away",
                    number, instance);
        return BATCH_REFUSED;
    }
    if (add_events(batch, store, instance, number)) return failure_out_of_memory(failure), BATCH_LATER;
    batch_nodes_add(&batch->nodes, batch->host, store->nodes, segment.written_unix_ns);
    batch_nodes_add_aliases(&batch->nodes, store, instance, number);
    batch_nodes_add_steps(&batch->nodes, batch->host, store->nodes, instance);
    uint64_t lost = recording_events_lost(recording);
    if (!lost) return BATCH_READ;
    batch_add_loss(batch, &(struct batch_loss){instance, number, 0, lost, segment.min_ns, segment.max_ns, "damaged"}, now_ns);
    batch->damaged_events += lost;
    return BATCH_READ;
}

enum batch_read batch_add(struct batch *batch, const char *dir, uint64_t instance, uint64_t number, uint64_t now_ns,
                          struct failure *failure) {
    char name[SPOOL_NAME_BYTES], reason[RECORDING_REASON_BYTES] = "";
    struct recording *recording;
    struct strbuf path = {0};
    spool_name(name, instance, number);
    strbuf_printf(&path, "%s/%s", dir, name);
    const char *paths[] = {strbuf_text(&path)};
    int error = path.failed ? -ENOMEM : recording_open(&recording, paths, 1, reason);
    enum batch_read result = error ? explain_open(batch, error, reason, instance, number, now_ns, failure)
                                   : read_recording(batch, recording, instance, number, now_ns, failure);
    if (!error) recording_close(recording);
    strbuf_fini(&path);
    return result;
}
