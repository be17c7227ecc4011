/* SPDX-License-Identifier: MIT */
#include "batch_nodes.h"

#include <stdlib.h>
#include <store/grace.h>
#include <string.h>
#include <xxhash.h>

#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed) /* relaxed: nobody writes to a recording */

#define SEEN_SLOTS 16384 /* more logs than that are sent with each segment */

static const char *state_name(uint32_t state) {
    static const char *const names[] = {
        [NODE_LIVE] = "live", [NODE_EXITED] = "exited", [NODE_CRASHED] = "crashed", [NODE_REJECTED] = "rejected"};
    return state < sizeof names / sizeof *names ? names[state] : "unknown";
}

/* Everything except the time, in the order of the columns after it. */
static void write_node(struct row_writer *out, const struct node *node, const char *host) {
    const struct node_info *info = &node->info;
    row_write_string(out, host);
    row_write_string(out, info->node_name);
    row_write_u32(out, (uint32_t)info->pid);
    row_write_u64(out, info->started_unix_ns);
    row_write_u64(out, LOAD(node->last_unix_ns));
    row_write_string(out, state_name(LOAD(node->state)));
    row_write_u64(out, LOAD(node->emitted));
    row_write_u64(out, LOAD(node->indexed));
    row_write_u64(out, LOAD(node->unfinished));
    for (unsigned cause = 0; cause < TRACE_LOSS_COUNT; cause++) row_write_u64(out, LOAD(node->lost[cause]));
    row_write_u8(out, info->has_ring);
    row_write_u32(out, info->lane_count);
    row_write_u32(out, info->lane_events);
    row_write_u32(out, LOAD(node->lanes_used));
    row_write_u64(out, info->ring_bytes);
    row_write_u8(out, (uint8_t)info->policy);
    row_write_u8(out, (uint8_t)info->clock_source);
    row_write_u64(out, LOAD(node->control));
    row_write(out, info->machine.id, sizeof info->machine.id);
    row_write_u64(out, LOAD(node->ended_after_ns));
    row_write_u64(out, LOAD(node->ended_by_ns));
}

static void write_key(struct row_writer *out, const struct node *node) {
    row_write(out, node->info.node_id.bytes, sizeof node->info.node_id.bytes);
    row_write_u64(out, node->info.log);
}

static unsigned named_commands(const struct trace_app *app) {
    unsigned count = 0;
    if (app->command_count) return app->command_count < TRACE_APP_COMMANDS_MAX ? app->command_count : TRACE_APP_COMMANDS_MAX;
    while (count < TRACE_APP_COMMANDS_MAX && app->commands[count].name[0]) count++;
    return count;
}

static unsigned named_fields(const struct trace_app *app) {
    unsigned count = 0;
    if (app->field_count) return app->field_count < TRACE_APP_FIELDS_MAX ? app->field_count : TRACE_APP_FIELDS_MAX;
    while (count < TRACE_APP_FIELDS_MAX && app->fields[count].name[0]) count++;
    return count;
}

static void write_text(struct row_writer *out, const char *text, size_t room) {
    size_t bytes = strnlen(text, room);
    row_write_count(out, bytes);
    row_write(out, text, bytes);
}

static void write_app(struct row_writer *out, const struct trace_app *app) {
    unsigned commands = named_commands(app), fields = named_fields(app);
    write_text(out, app->name, sizeof app->name);
    row_write_u16(out, app->command_count);
    row_write_u16(out, app->field_count);
    row_write_count(out, commands);
    for (unsigned i = 0; i < commands; i++) row_write_u16(out, app->commands[i].cmd);
    row_write_count(out, commands);
    for (unsigned i = 0; i < commands; i++) write_text(out, app->commands[i].name, sizeof app->commands[i].name);
    row_write_count(out, fields);
    for (unsigned i = 0; i < fields; i++) write_text(out, app->fields[i].name, sizeof app->fields[i].name);
    row_write_count(out, fields);
    for (unsigned i = 0; i < fields; i++) row_write_u8(out, app->fields[i].type);
    row_write_count(out, fields);
    for (unsigned i = 0; i < fields; i++) row_write_u8(out, app->fields[i].offset);
    row_write_count(out, fields);
    for (unsigned i = 0; i < fields; i++) row_write_u8(out, app->fields[i].bytes);
}

/* What a row is about: of a log, or of what a recording lists of it. */
static uint64_t name_of(const struct node *node, uint64_t instance) {
    struct {
        struct trace_node_id node_id;
        uint64_t log, instance;
    } identity = {node->info.node_id, node->info.log, instance};
    return XXH3_64bits(&identity, sizeof identity) | 1;
}

/* Does this row differ from the last one with that name?  Remembers it.  nothing: the row says as much as none. */
static bool has_changed(struct batch_nodes *batch, uint64_t name, uint64_t hash, bool nothing) {
    for (uint32_t i = 0; i < SEEN_SLOTS; i++) {
        struct node_seen *slot = &batch->seen[(name + i) % SEEN_SLOTS];
        if (slot->log && slot->log != name) continue;
        bool changed = slot->log ? slot->row != hash : !nothing;
        *slot = (struct node_seen){name, hash};
        return changed;
    }
    return !nothing;
}

static void add_node(struct batch_nodes *batch, const char *host, const struct node *node, uint64_t seen_ns) {
    uint32_t app_count = LOAD(node->app_count);
    row_writer_clear(&batch->scratch);
    write_node(&batch->scratch, node, host);
    if (batch->scratch.failed) batch->nodes.failed = true;
    if (batch->scratch.failed) return;
    uint64_t hash = XXH3_64bits_withSeed(batch->scratch.bytes, batch->scratch.count, app_count);
    if (!has_changed(batch, name_of(node, 0), hash, false)) return;
    write_key(&batch->nodes, node);
    row_write_u64(&batch->nodes, seen_ns);
    row_write(&batch->nodes, batch->scratch.bytes, batch->scratch.count);
    for (uint32_t i = 0; i < app_count; i++) {
        write_key(&batch->apps, node);
        row_write(&batch->apps, node->apps[i]->app_id, sizeof node->apps[i]->app_id);
        row_write_u64(&batch->apps, seen_ns);
        write_app(&batch->apps, node->apps[i]);
    }
}

void batch_nodes_add(struct batch_nodes *batch, const char *host, const struct nodes *nodes, uint64_t seen_ns) {
    uint32_t count = nodes_count(nodes);
    grace_read_lock();
    for (uint32_t i = 0; i < count; i++) {
        const struct node *node = nodes_at(nodes, i);
        if (node) add_node(batch, host, node, seen_ns);
    }
    grace_read_unlock();
}

/* In the order of the columns. */
static void write_aliases(struct row_writer *out, const struct alias *list, size_t count) {
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) row_write(out, list[i].alias_id.bytes, sizeof list[i].alias_id.bytes);
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) row_write(out, list[i].peer_id.bytes, sizeof list[i].peer_id.bytes);
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) row_write_u64(out, list[i].time_ns);
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) row_write_u8(out, list[i].own);
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) row_write_u8(out, list[i].transport);
    row_write_count(out, count);
    for (size_t i = 0; i < count; i++) write_text(out, list[i].label, sizeof list[i].label);
}

static void add_aliases(struct batch_nodes *batch, const struct node *node, const struct alias *list, size_t count,
                        uint64_t instance, uint64_t segment) {
    row_writer_clear(&batch->scratch);
    write_aliases(&batch->scratch, list, count);
    if (batch->scratch.failed) batch->aliases.failed = true;
    if (batch->scratch.failed) return;
    uint64_t hash = XXH3_64bits(batch->scratch.bytes, batch->scratch.count);
    if (!has_changed(batch, name_of(node, instance), hash, !count)) return;
    write_key(&batch->aliases, node);
    row_write_u64(&batch->aliases, instance);
    row_write_u64(&batch->aliases, segment);
    row_write(&batch->aliases, batch->scratch.bytes, batch->scratch.count);
}

/* By log; and then the same whenever they are the same. */
static int by_log(const void *one, const void *other) {
    const struct alias *a = one, *b = other;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    int order = memcmp(&a->alias_id, &b->alias_id, sizeof a->alias_id);
    return order ? order : memcmp(&a->peer_id, &b->peer_id, sizeof a->peer_id);
}

void batch_nodes_add_aliases(struct batch_nodes *batch, const struct store *store, uint64_t instance, uint64_t segment) {
    size_t left = store->told_count, count;
    struct alias *all = malloc(left * sizeof *all + 1), *list = all;
    if (!all) {
        batch->aliases.failed = true;
        return;
    }
    if (left) memcpy(all, store->told, left * sizeof *all);
    if (left) qsort(all, left, sizeof *all, by_log);
    grace_read_lock();
    for (uint32_t i = 0; i < nodes_count(store->nodes); i++, list += count, left -= count) {
        const struct node *node = nodes_at(store->nodes, i);
        for (count = 0; count < left && list[count].node == i;) count++;
        if (node) add_aliases(batch, node, list, count, instance, segment);
    }
    grace_read_unlock();
    free(all);
}

void batch_nodes_add_steps(struct batch_nodes *batch, const char *host, struct nodes *nodes, uint64_t instance) {
    struct clock_step steps[CLOCK_STEPS_MAX];
    size_t count = clock_steps_copy(nodes_clock_steps(nodes), steps);
    row_writer_clear(&batch->scratch);
    for (size_t i = 0; i < count; i++) {
        const struct clock_step *step = &steps[i];
        row_write(&batch->scratch, step->machine.id, sizeof step->machine.id);
        row_write_u64(&batch->scratch, instance);
        row_write_u8(&batch->scratch, step->number);
        row_write_u64(&batch->scratch, step->before_ns);
        row_write_u64(&batch->scratch, step->after_ns);
        row_write_u8(&batch->scratch, step->slept);
        row_write_string(&batch->scratch, host);
    }
    uint64_t hash = count ? XXH3_64bits(batch->scratch.bytes, batch->scratch.count) | 1 : 0;
    if (batch->scratch.failed) batch->steps.failed = true;
    if (batch->scratch.failed || !count || hash == batch->steps_seen) return;
    batch->steps_seen = hash;
    row_write(&batch->steps, batch->scratch.bytes, batch->scratch.count);
}

void batch_nodes_forget(struct batch_nodes *batch) {
    memset(batch->seen, 0, SEEN_SLOTS * sizeof *batch->seen);
    batch->steps_seen = 0;
}

int batch_nodes_init(struct batch_nodes *batch) {
    *batch = (struct batch_nodes){.seen = calloc(SEEN_SLOTS, sizeof *batch->seen)};
    return batch->seen ? 0 : -1;
}

void batch_nodes_fini(struct batch_nodes *batch) {
    row_writer_fini(&batch->nodes);
    row_writer_fini(&batch->apps);
    row_writer_fini(&batch->aliases);
    row_writer_fini(&batch->steps);
    row_writer_fini(&batch->scratch);
    free(batch->seen);
}

void batch_nodes_clear(struct batch_nodes *batch) {
    row_writer_clear(&batch->nodes);
    row_writer_clear(&batch->apps);
    row_writer_clear(&batch->aliases);
    row_writer_clear(&batch->steps);
}
