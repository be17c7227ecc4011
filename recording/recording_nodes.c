/* SPDX-License-Identifier: MIT
 *
 * See recording_nodes.h. */
#include "recording_nodes.h"

#include <errno.h>
#include <proto/utf8.h>
#include <stdlib.h>
#include <store/grace.h>
#include <string.h>

/* ---- encode ------------------------------------------------------------------------------------------------------------- */

#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed) /* relaxed: independent counters */

static uint64_t log_of(const struct node_info *info) {
    struct {
        struct trace_node_id node_id;
        uint64_t log, pid;
    } identity = {info->node_id, info->log, (uint32_t)info->pid};
    return recording__checksum(&identity, sizeof identity);
}

static void encode(const struct node *node, uint32_t state, uint32_t app_count, size_t tail_bytes,
                   struct recording_record *ret_record) {
    const struct node_info *info = &node->info;
    struct recording_record *record = ret_record;

    memset(record, 0, sizeof *record);
    memcpy(record->node_id, info->node_id.bytes, sizeof record->node_id);
    memcpy(record->node_name, info->node_name, strnlen(info->node_name, TRACE_NODE_NAME_BYTES));
    record->state = state;
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
    record->tail_bytes = (uint32_t)tail_bytes;
}

int recording__roll_room(struct recording_roll *roll, size_t bytes) {
    size_t capacity = roll->capacity == 0 ? 65536 : roll->capacity;
    char *memory;

    while (capacity < bytes) capacity *= 2;
    if (capacity == roll->capacity) return 0;
    memory = realloc(roll->roster, capacity);
    if (!memory) return -ENOMEM;
    roll->roster = (struct recording_roster *)memory;
    roll->capacity = capacity;
    return 0;
}

static uint16_t count_commands(const struct trace_app *app) {
    uint16_t count = 0;
    if (app->command_count != 0) return app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    while (count < TRACE_APP_COMMANDS_MAX && app->commands[count].name[0] != 0) count++;
    return count;
}

static uint16_t count_fields(const struct trace_app *app) {
    uint16_t count = 0;
    if (app->field_count != 0) return app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    while (count < TRACE_APP_FIELDS_MAX && app->fields[count].name[0] != 0) count++;
    return count;
}

/* Returns the number of bytes written. */
static size_t encode_app(const struct trace_app *app, char *out) {
    struct recording_app head = {.command_count = app->command_count,
                                 .field_count = app->field_count,
                                 .commands = count_commands(app),
                                 .fields = count_fields(app)};
    size_t commands_bytes = head.commands * sizeof app->commands[0], fields_bytes = head.fields * sizeof app->fields[0];

    memcpy(head.app_id, app->app_id, sizeof head.app_id);
    memcpy(head.name, app->name, sizeof head.name);
    memcpy(out, &head, sizeof head);
    memcpy(out + sizeof head, app->commands, commands_bytes);
    memcpy(out + sizeof head + commands_bytes, app->fields, fields_bytes);
    return sizeof head + commands_bytes + fields_bytes;
}

/* Those of this log: the index may have been another's.  Returns the number of bytes written. */
static size_t encode_aliases(const struct recording_roll *roll, size_t said_count, uint64_t log, char *out) {
    size_t bytes = 0;
    for (size_t i = 0; i < said_count; i++) {
        const struct alias *said = &roll->said[i];
        struct recording_alias alias = {.time_ns = said->time_ns, .own = said->own, .transport = said->transport};
        if (said->log != log) continue;
        memcpy(alias.alias_id, said->alias_id.bytes, sizeof alias.alias_id);
        memcpy(alias.peer_id, said->peer_id.bytes, sizeof alias.peer_id);
        memcpy(alias.label, said->label, sizeof alias.label);
        memcpy(out + bytes, &alias, sizeof alias);
        bytes += sizeof alias;
    }
    return bytes;
}

/* Returns the number of bytes written. */
static size_t encode_end(const struct node *node, uint32_t state, char *out) {
    const struct recording_end end = {LOAD(node->ended_after_ns), LOAD(node->ended_by_ns)};
    if (state == NODE_LIVE && end.by_ns) return 0; /* it ends now, and its state is about to change */
    if (!end.after_ns && !end.by_ns) return 0;
    memcpy(out, &end, sizeof end);
    return sizeof end;
}

/* What comes after the applications. */
static size_t encode_tail(const struct recording_roll *roll, size_t said_count, const struct node *node, uint32_t state,
                          char *out) {
    const struct node_info *info = &node->info;
    struct recording_machine machine = {.name = ""};
    memcpy(machine.id, info->machine.id, sizeof machine.id);
    memcpy(machine.name, info->machine.name, strnlen(info->machine.name, sizeof machine.name - 1));
    memcpy(out, &machine, sizeof machine);
    size_t bytes = sizeof machine + encode_aliases(roll, said_count, info->log, out + sizeof machine);
    return bytes + encode_end(node, state, out + bytes);
}

static void add_node(struct recording_roll *roll, size_t records_at, uint32_t index, const struct node *node, size_t said_count) {
    /* state:A  The reason, and when it ended, are there before the state that needs them. */
    uint32_t state = atomic_load_explicit(&node->state, memory_order_acquire);
    /* app:A  Pairs with app:R of nodes.c. */
    uint32_t app_count = atomic_load_explicit(&node->app_count, memory_order_acquire);
    char *at = (char *)roll->roster + records_at + roll->records_bytes;
    struct recording_record record;
    size_t bytes = sizeof record, tail_bytes;

    for (uint32_t i = 0; i < app_count; i++) bytes += encode_app(node->apps[i], at + bytes);
    tail_bytes = encode_tail(roll, said_count, node, state, at + bytes);
    bytes += tail_bytes;
    encode(node, state, app_count, tail_bytes, &record);
    memcpy(at, &record, sizeof record);
    roll->alias_count += (tail_bytes - sizeof(struct recording_machine)) / sizeof(struct recording_alias);
    roll->roster[roll->count++] = (struct recording_roster){
        .index = index, .record_bytes = (uint32_t)bytes, .log = log_of(&node->info), .checksum = recording__checksum(at, bytes)};
    roll->records_bytes += bytes;
}

/* Returns 0 or -ENOMEM. */
static int make_room_for_said(struct recording_roll *roll, struct aliases *aliases) {
    struct aliases_stats stats = {0};
    if (aliases && !roll->said) aliases_stats(aliases, &stats);
    if (stats.count == 0) return 0;
    roll->said = malloc(ALIASES_MAX * sizeof *roll->said);
    return roll->said ? 0 : -ENOMEM;
}

int recording__roll_take(struct recording_roll *roll, const struct store *store) {
    const struct nodes *nodes = store->nodes;
    uint32_t count = nodes_count(nodes), used = 0;
    size_t records_at;

    if (make_room_for_said(roll, store->aliases) < 0) return -ENOMEM;

    for (uint32_t i = 0; i < count; i++) {
        grace_read_lock();
        used += nodes_at(nodes, i) != NULL;
        grace_read_unlock();
    }
    records_at = used * sizeof(struct recording_roster);
    roll->count = 0;
    roll->records_bytes = 0;
    roll->alias_count = 0;
    for (uint32_t i = 0; i < count && roll->count < used; i++) {
        const struct node *node;
        size_t said = roll->said ? aliases_said_by(store->aliases, i, roll->said, ALIASES_MAX - roll->alias_count) : 0;
        int error = recording__roll_room(roll, records_at + roll->records_bytes + RECORDING_RECORD_BYTES_MAX +
                                                   said * sizeof(struct recording_alias));
        if (error < 0) return error;
        grace_read_lock();
        node = nodes_at(nodes, i);
        if (node) add_node(roll, records_at, i, node, said);
        grace_read_unlock();
    }
    if (roll->count < used) /* a node was removed meanwhile */
        memmove((char *)roll->roster + roll->count * sizeof(struct recording_roster), (char *)roll->roster + records_at,
                roll->records_bytes);
    roll->records = (char *)(roll->roster + roll->count);
    return 0;
}

void recording__roll_fini(struct recording_roll *roll) {
    free(roll->roster);
    free(roll->said);
    *roll = (struct recording_roll){0};
}

/* ---- decode ------------------------------------------------------------------------------------------------------------- */

size_t recording__app_decode(const void *bytes, size_t left, struct trace_app *ret_app) {
    const char *at = bytes;
    struct recording_app head;
    size_t commands_bytes, fields_bytes;

    if (left < sizeof head) return 0;
    memcpy(&head, at, sizeof head);
    if (head.commands > TRACE_APP_COMMANDS_MAX || head.fields > TRACE_APP_FIELDS_MAX) return 0;
    if ((head.command_count != 0 && head.command_count != head.commands) ||
        (head.field_count != 0 && head.field_count != head.fields))
        return 0;
    commands_bytes = head.commands * sizeof ret_app->commands[0];
    fields_bytes = head.fields * sizeof ret_app->fields[0];
    if (left - sizeof head < commands_bytes + fields_bytes) return 0;
    memset(ret_app, 0, sizeof *ret_app);
    memcpy(ret_app->app_id, head.app_id, sizeof head.app_id);
    memcpy(ret_app->name, head.name, sizeof head.name);
    ret_app->command_count = head.command_count;
    ret_app->field_count = head.field_count;
    memcpy(ret_app->commands, at + sizeof head, commands_bytes);
    memcpy(ret_app->fields, at + sizeof head + commands_bytes, fields_bytes);
    for (unsigned i = 0; i < head.fields; i++) /* the same rule as for a ring */
        if (ret_app->fields[i].offset + ret_app->fields[i].bytes > TRACE_APP_DATA_BYTES) return 0;
    return sizeof head + commands_bytes + fields_bytes;
}

#define STORE(word, value) atomic_store_explicit(&(word), value, memory_order_relaxed) /* relaxed: not published yet */

static void decode_info(const struct recording_record *record, struct node_info *info) {
    memcpy(info->node_id.bytes, record->node_id, sizeof info->node_id.bytes);
    trace_utf8_fit(info->node_name, sizeof info->node_name, record->node_name, TRACE_NODE_NAME_BYTES);
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

/* What an older reader takes for the rest of an alias. */
static void decode_end(const void *bytes, size_t count, size_t tail_bytes, struct node *node) {
    struct recording_end end;
    if (tail_bytes < sizeof(struct recording_machine)) return;
    if ((tail_bytes - sizeof(struct recording_machine)) % sizeof(struct recording_alias) != sizeof end) return;
    memcpy(&end, (const char *)bytes + count - sizeof end, sizeof end);
    if (end.by_ns)
        nodes_set_ended(node, end.after_ns, end.by_ns);
    else if (end.after_ns)
        nodes_set_alive(node, end.after_ns);
}

int recording__record_decode(const void *bytes, size_t count, struct node *ret_node, uint32_t *ret_app_count) {
    struct recording_record record;
    struct recording_machine machine;
    struct node *node = ret_node;

    if (count < sizeof record) return -EBADMSG;
    memcpy(&record, bytes, sizeof record);
    if (record.app_count > TRACE_APPS_MAX || record.tail_bytes > count - sizeof record) return -EBADMSG;
    memset((void *)node, 0, sizeof *node);
    decode_info(&record, &node->info);
    if (record.tail_bytes >= sizeof machine) {
        memcpy(&machine, (const char *)bytes + count - record.tail_bytes, sizeof machine);
        memcpy(node->info.machine.id, machine.id, sizeof machine.id);
        trace_utf8_fit(node->info.machine.name, sizeof node->info.machine.name, machine.name, sizeof machine.name);
    }
    STORE(node->state, record.state <= NODE_UNKNOWN ? record.state : (uint32_t)NODE_UNKNOWN);
    trace_utf8_fit(node->reason, sizeof node->reason, record.reason, sizeof record.reason);
    STORE(node->emitted, record.emitted);
    STORE(node->indexed, record.indexed);
    STORE(node->unfinished, record.unfinished);
    STORE(node->last_unix_ns, record.last_unix_ns);
    decode_end(bytes, count, record.tail_bytes, node);
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) STORE(node->lost[cause], record.lost[cause]);
    STORE(node->lanes_used, record.lanes_used);
    STORE(node->control, record.control);
    *ret_app_count = record.app_count;
    return 0;
}

const void *recording__record_aliases(const void *bytes, size_t count, size_t *ret_count) {
    struct recording_record record;
    memcpy(&record, bytes, sizeof record);
    size_t left = record.tail_bytes < sizeof(struct recording_machine) ? 0 : record.tail_bytes - sizeof(struct recording_machine);
    *ret_count = left / sizeof(struct recording_alias);
    return (const char *)bytes + count - left;
}

void recording__alias_decode(const void *aliases, size_t index, struct alias *ret_alias) {
    struct recording_alias alias;
    memcpy(&alias, (const char *)aliases + index * sizeof alias, sizeof alias);
    *ret_alias = (struct alias){.time_ns = alias.time_ns, .own = alias.own != 0, .transport = alias.transport};
    memcpy(ret_alias->alias_id.bytes, alias.alias_id, sizeof alias.alias_id);
    memcpy(ret_alias->peer_id.bytes, alias.peer_id, sizeof alias.peer_id);
    memcpy(ret_alias->label, alias.label, sizeof alias.label);
}
