/* SPDX-License-Identifier: MIT
 *
 * See recording_nodes.h. */
#include "recording_nodes.h"

#include <errno.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <string.h>
#include <urcu.h>

/* ---- encode ------------------------------------------------------------------------------------------------------------- */

#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed) /* relaxed: single counters, each of them true */

static uint64_t log_of(const struct node_info *info) {
    struct {
        struct trace_node_id node_id;
        uint64_t log, pid;
    } identity = {info->node_id, info->log, (uint32_t)info->pid};
    return recording__checksum(&identity, sizeof identity);
}

static void encode(const struct node *node, uint32_t app_count, struct recording_record *ret_record) {
    const struct node_info *info = &node->info;
    struct recording_record *record = ret_record;

    memset(record, 0, sizeof *record);
    memcpy(record->node_id, info->node_id.bytes, sizeof record->node_id);
    memcpy(record->node_name, info->node_name, strnlen(info->node_name, TRACE_NODE_NAME_BYTES));
    /* state:A  The reason is there before the state that needs it. */
    record->state = atomic_load_explicit(&node->state, memory_order_acquire);
    if (record->state == NODE_REJECTED) memcpy(record->reason, node->reason, strnlen(node->reason, NODES_REASON_BYTES));
    record->log = info->log;
    record->started_unix_ns = info->started_unix_ns;
    record->ring_bytes = info->ring_bytes;
    record->control = LOAD(node->control);
    record->emitted = LOAD(node->emitted);
    record->indexed = LOAD(node->indexed);
    record->unfinished = LOAD(node->unfinished);
    record->last_unix_ns = LOAD(node->last_unix_ns);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) record->lost[cause] = LOAD(node->lost[cause]);
    record->pid = info->pid;
    record->has_ring = info->has_ring;
    record->lane_count = info->lane_count;
    record->lane_events = info->lane_events;
    record->policy = info->policy;
    record->clock_source = info->clock_source;
    record->lanes_used = LOAD(node->lanes_used);
    record->app_count = app_count;
}

int recording__roll_room(struct recording_roll *roll, size_t bytes) {
    size_t capacity = roll->capacity == 0 ? 65536 : roll->capacity;
    char *memory;

    while (capacity < bytes) capacity *= 2;
    if (capacity == roll->capacity) return 0;
    memory = realloc(roll->roster, capacity);
    if (memory == NULL) return -ENOMEM;
    roll->roster = (struct recording_roster *)memory;
    roll->capacity = capacity;
    return 0;
}

static void add_node(struct recording_roll *roll, size_t records_at, uint32_t index, const struct node *node) {
    /* app:A  Pairs with app:R of nodes.c. */
    uint32_t app_count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    size_t apps_bytes = app_count * sizeof(struct trace_app);
    char *at = (char *)roll->roster + records_at + roll->records_bytes;

    encode(node, app_count, (struct recording_record *)at);
    memcpy(at + sizeof(struct recording_record), node->apps, apps_bytes);
    roll->roster[roll->count++] =
        (struct recording_roster){.index = index,
                                  .record_bytes = (uint32_t)(sizeof(struct recording_record) + apps_bytes),
                                  .log = log_of(&node->info),
                                  .checksum = recording__checksum(at, sizeof(struct recording_record) + apps_bytes)};
    roll->records_bytes += sizeof(struct recording_record) + apps_bytes;
}

int recording__roll_take(struct recording_roll *roll, const struct nodes *nodes) {
    uint32_t count = nodes_count(nodes), used = 0;
    size_t records_at;

    for (uint32_t i = 0; i < count; i++) {
        rcu_read_lock();
        used += nodes_at(nodes, i) != NULL;
        rcu_read_unlock();
    }
    records_at = used * sizeof(struct recording_roster);
    roll->count = 0;
    roll->records_bytes = 0;
    for (uint32_t i = 0; i < count && roll->count < used; i++) {
        const struct node *node;
        int error = recording__roll_room(roll, records_at + roll->records_bytes + RECORDING_RECORD_BYTES_MAX);
        if (error < 0) return error;
        rcu_read_lock();
        node = nodes_at(nodes, i);
        if (node != NULL) add_node(roll, records_at, i, node);
        rcu_read_unlock();
    }
    if (roll->count < used) /* one was forgotten meanwhile */
        memmove((char *)roll->roster + roll->count * sizeof(struct recording_roster), (char *)roll->roster + records_at,
                roll->records_bytes);
    roll->records = (char *)(roll->roster + roll->count);
    return 0;
}

void recording__roll_fini(struct recording_roll *roll) {
    free(roll->roster);
    *roll = (struct recording_roll){0};
}

/* ---- decode ------------------------------------------------------------------------------------------------------------- */

/* A name that is UTF-8 and has no control characters, as the reader of a ring makes it. */
static void fit_name(char *out, size_t out_bytes, const char *name_untrusted, size_t count) {
    size_t written = 0;
    count = strnlen(name_untrusted, count);
    for (size_t i = 0; i < count;) {
        size_t bad, length = trace_utf8_length(name_untrusted + i, count - i, &bad);
        bool plain = length > 1 || (length == 1 && (unsigned char)name_untrusted[i] >= 0x20 && name_untrusted[i] != 0x7f);
        if (written + (plain ? length : 1) >= out_bytes) break;
        if (plain)
            memcpy(out + written, name_untrusted + i, length);
        else
            out[written] = '?';
        written += plain ? length : 1;
        i += length != 0 ? length : bad;
    }
    out[written] = 0;
}

/* As traced asks it of a ring: its counts and fields stay within their arrays. */
static bool app_fits(const struct trace_app *app_untrusted) {
    if (app_untrusted->command_count > TRACE_APP_COMMANDS_MAX || app_untrusted->field_count > TRACE_APP_FIELDS_MAX) return false;
    for (unsigned i = 0; i < TRACE_APP_FIELDS_MAX; i++)
        if (app_untrusted->fields[i].offset + app_untrusted->fields[i].bytes > TRACE_APP_DATA_BYTES) return false;
    return true;
}

#define STORE(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed) /* relaxed: it is not published yet */

static void decode_info(const struct recording_record *record, struct node_info *info) {
    memcpy(info->node_id.bytes, record->node_id, sizeof info->node_id.bytes);
    fit_name(info->node_name, sizeof info->node_name, record->node_name, TRACE_NODE_NAME_BYTES);
    info->pid = record->pid;
    info->log = record->log;
    info->started_unix_ns = record->started_unix_ns;
    info->has_ring = record->has_ring != 0;
    info->lane_count = record->lane_count <= TRACE_LANES_MAX ? record->lane_count : TRACE_LANES_MAX;
    info->lane_events = record->lane_events;
    info->ring_bytes = record->ring_bytes;
    info->policy = record->policy == TRACE_DISCARD_NEWEST ? TRACE_DISCARD_NEWEST : TRACE_OVERWRITE_OLDEST;
    info->clock_source = record->clock_source == TRACE_CLOCK_TSC ? TRACE_CLOCK_TSC : TRACE_CLOCK_MONOTONIC;
}

int recording__record_decode(const void *bytes, size_t count, struct node *ret_node) {
    struct recording_record record;
    struct node *node = ret_node;
    uint32_t kept = 0;

    if (count < sizeof record) return -EBADMSG;
    memcpy(&record, bytes, sizeof record);
    if (record.app_count > TRACE_APPS_MAX || count != sizeof record + record.app_count * sizeof(struct trace_app)) return -EBADMSG;
    memset((void *)node, 0, sizeof *node);
    decode_info(&record, &node->info);
    STORE(node->state, record.state <= NODE_UNKNOWN ? record.state : (uint32_t)NODE_UNKNOWN);
    fit_name(node->reason, sizeof node->reason, record.reason, sizeof record.reason);
    STORE(node->emitted, record.emitted);
    STORE(node->indexed, record.indexed);
    STORE(node->unfinished, record.unfinished);
    STORE(node->last_unix_ns, record.last_unix_ns);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) STORE(node->lost[cause], record.lost[cause]);
    STORE(node->lanes_used, record.lanes_used);
    STORE(node->control, record.control);
    for (uint32_t i = 0; i < record.app_count; i++) {
        struct trace_app app;
        memcpy(&app, (const char *)bytes + sizeof record + i * sizeof app, sizeof app);
        if (app_fits(&app)) node->apps[kept++] = app;
    }
    STORE(node->app_count, kept);
    return 0;
}
