/* SPDX-License-Identifier: MIT
 *
 * Merges the node tables of all segments into one, and their lists of clock steps.
 *
 * A log listed by several segments becomes one entry, with the counters of the newest.  So we go from the newest segment to the
 * oldest, and skip records of logs that we already have.  Of each writer we take what its newest record of a log says about who
 * is who: that is the writer's table when it wrote it.  An entry keeps its index unless another log took it; so a single
 * recording has the order of the live table. */
#include "recording_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define LOAD(word) atomic_load_explicit(&(word), memory_order_relaxed) /* relaxed: one thread */

#define TOLD_MAX (8 * ALIASES_MAX) /* aliases of all writers */

/* The slot of a log, or an empty one for it; NULL when the table is full.  A file can have any logs, so where they are must not
 * be known to its author. */
static struct recording_log *find_log(struct recording *recording, uint64_t log) {
    uint64_t at = log * recording->logs_key >> (64 - RECORDING_LOG_BITS);
    for (uint32_t i = 0; i < RECORDING_LOG_SLOTS; i++) {
        struct recording_log *slot = &recording->logs[(at + i) % RECORDING_LOG_SLOTS];
        if (slot->index == 0 || slot->log == log) return slot;
    }
    return NULL;
}

/* A free index, if possible the wanted one.  RECORDING_NODE_OTHER when there is none. */
static uint32_t choose_index(const struct recording *recording, uint32_t wanted) {
    const bool *free_one;
    if (wanted < RECORDING_NODE_OTHER && !recording->node_used[wanted]) return wanted;
    free_one =
        memchr(recording->node_used, false, RECORDING_NODE_OTHER); /* quick: a full table is searched for each log beyond it */
    return free_one ? (uint32_t)(free_one - recording->node_used) : RECORDING_NODE_OTHER;
}

static void put_unreadable(struct recording *recording, uint32_t index, const char *name) {
    struct node node;
    memset((void *)&node, 0, sizeof node);
    strcpy(node.info.node_name, name);
    atomic_store_explicit(&node.state, NODE_UNKNOWN, memory_order_relaxed); /* relaxed: nodes_put publishes it */
    nodes_put(recording->store.nodes, index, &node);
    recording->node_used[index] = true;
}

void recording__need_other(struct recording *recording) {
    if (recording->has_other) return;
    recording->has_other = true;
    put_unreadable(recording, RECORDING_NODE_OTHER, "unknown");
}

/* Returns false when some cannot be read. */
static bool add_apps(struct recording *recording, uint32_t index, const char *bytes, size_t left, uint32_t app_count) {
    static struct trace_app app; /* one thread */
    for (uint32_t i = 0; i < app_count; i++) {
        size_t taken = recording__app_decode(bytes, left, &app);
        if (taken == 0 || nodes_add_app(recording->store.nodes, index, &app) < 0) return false;
        bytes += taken;
        left -= taken;
    }
    return true;
}

/* The record that was read last, and what is in it.  One thread. */
static struct {
    struct node node;
    uint32_t app_count;
    size_t count;
    char bytes[RECORDING_RECORD_BYTES_MAX + RECORDING_ALIASES_BYTES_MAX];
} record;

/* Returns false, with the problem noted, when it cannot be read. */
static bool read_record(struct recording *recording, const struct recording_frame *frame, const struct recording_roster *entry,
                        uint64_t at) {
    const struct recording_file *file = &recording->files[frame->file];
    int error =
        entry->record_bytes <= sizeof record.bytes ? recording__read(file->fd, record.bytes, entry->record_bytes, at) : -EBADMSG;

    record.count = entry->record_bytes;
    if (error == 0 && (recording__checksum(record.bytes, record.count) != entry->checksum ||
                       recording__record_decode(record.bytes, record.count, &record.node, &record.app_count) < 0))
        error = -EBADMSG;
    if (error < 0) recording__bad_part(recording, file, at, 0, "the description of a node", error, "");
    return error == 0;
}

/* What the log had said when the record was written.  Beyond the bound, the others count. */
static void take_aliases(struct recording *recording, uint32_t index) {
    struct store *store = &recording->store;
    size_t count;
    const void *aliases = recording__record_aliases(record.bytes, record.count, &count);
    for (size_t i = 0; i < count && store->told_count < TOLD_MAX; i++) {
        if (store->told_count == recording->told_capacity) {
            size_t capacity = recording->told_capacity == 0 ? 64 : 2 * recording->told_capacity;
            struct alias *told = realloc(store->told, capacity * sizeof *told);
            recording->told_failed |= !told;
            if (!told) return;
            store->told = told;
            recording->told_capacity = capacity;
        }
        recording__alias_decode(aliases, i, &store->told[store->told_count]);
        store->told[store->told_count++].node = index;
    }
}

/* Reads one record and adds its entry. */
static void add_record(struct recording *recording, const struct recording_frame *frame, const struct recording_roster *entry,
                       uint64_t at, uint32_t index) {
    if (!read_record(recording, frame, entry, at)) {
        put_unreadable(recording, index, "unknown");
        return;
    }
    if (LOAD(record.node.state) == NODE_LIVE && !LOAD(record.node.ended_after_ns))
        nodes_set_alive(&record.node, frame->header.written_unix_ns);
    nodes_put(recording->store.nodes, index, &record.node);
    recording->node_used[index] = true;
    if (!add_apps(recording, index, record.bytes + sizeof(struct recording_record),
                  record.count - sizeof(struct recording_record), record.app_count))
        recording__problem(recording, &recording->files[frame->file], at, 0, "the description of an application is damaged");
    take_aliases(recording, index);
}

/* Another writer may have known what the newest did not: a traced that was started later has not seen all events. */
static void add_aliases(struct recording *recording, const struct recording_frame *frame, const struct recording_roster *entry,
                        uint64_t at, struct recording_log *slot) {
    if (slot->instance == frame->header.instance || frame->header.version == RECORDING_VERSION_PLAIN) return;
    slot->instance = frame->header.instance;
    if (read_record(recording, frame, entry, at)) take_aliases(recording, slot->index - 1);
}

static uint32_t index_of(struct recording *recording, const struct recording_frame *frame, const struct recording_roster *entry,
                         uint64_t record_at) {
    struct recording_log *slot = find_log(recording, entry->log);
    uint32_t index;

    if (slot && slot->index != 0) {
        add_aliases(recording, frame, entry, record_at, slot);
        return slot->index - 1;
    }
    index = slot ? choose_index(recording, entry->index) : RECORDING_NODE_OTHER;
    if (index == RECORDING_NODE_OTHER) {
        recording__problem(recording, &recording->files[frame->file], frame->offset, 0,
                           "there are more than %d logs: one is shown as \"unknown\"", RECORDING_NODE_OTHER);
        recording__need_other(recording);
        return index;
    }
    *slot = (struct recording_log){entry->log, index + 1, frame->header.instance};
    add_record(recording, frame, entry, record_at, index);
    return index;
}

static int make_map(struct recording *recording, struct recording_frame *frame, const struct recording_roster *roster) {
    uint32_t count = 0;
    struct recording_parts parts;
    uint64_t at;

    for (uint32_t i = 0; i < frame->header.node_count; i++)
        if (roster[i].index >= count) count = roster[i].index + 1;
    frame->node_map = malloc(count * sizeof *frame->node_map + 1);
    if (!frame->node_map) return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) frame->node_map[i] = RECORDING_NODE_OTHER;
    recording__parts(&frame->header, &parts);
    at = frame->offset + parts.records;
    for (uint32_t i = 0; i < frame->header.node_count; i++) {
        frame->node_map[roster[i].index] = (uint16_t)index_of(recording, frame, &roster[i], at);
        at += roster[i].record_bytes;
    }
    frame->node_map_count = count;
    return 0;
}

/* The checksum of the header proves none of this: what does not fit is omitted. */
static void merge_steps(struct recording *recording, const struct recording_header *header) {
    uint32_t count = header->step_count <= CLOCK_STEPS_MAX ? header->step_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct recording_step *from = &header->steps[i];
        struct clock_step step = {.before_ns = from->before_ns,
                                  .after_ns = from->after_ns,
                                  .number = (uint8_t)from->number,
                                  .slept = (from->flags & RECORDING_STEP_SLEPT) != 0};
        memcpy(step.machine.id, from->machine, sizeof step.machine.id);
        clock_steps_add(nodes_clock_steps(recording->store.nodes), &step);
    }
}

/* ---- logs that had not ended ---------------------------------------------------------------------------------------------- */

/* For each index, the least index of a node on the same machine. */
static void find_neighbours(const struct recording *recording, uint16_t *ret_first) {
    for (uint32_t i = 0, machines = 0; i < HISTORY_NODES_MAX; i++) {
        static uint16_t firsts[HISTORY_NODES_MAX]; /* of each machine; one thread */
        const struct node *node = recording->node_used[i] ? nodes_at(recording->store.nodes, i) : NULL;
        uint32_t k = 0;
        if (!node) continue;
        while (k < machines &&
               memcmp(nodes_at(recording->store.nodes, firsts[k])->info.machine.id, node->info.machine.id, MACHINE_ID_BYTES) != 0)
            k++;
        if (k == machines) firsts[machines++] = (uint16_t)i;
        ret_first[i] = firsts[k];
    }
}

/* A log is live in the newest file that lists it.  If another one from its machine was written later, and does not list it, then
 * nobody knows whether it still lived. */
static void doubt_the_unlisted(struct recording *recording) {
    static uint16_t first[HISTORY_NODES_MAX];  /* one thread, all three */
    static uint64_t newest[HISTORY_NODES_MAX]; /* of each machine, at its first index: when its newest file was written */
    static uint64_t listed[HISTORY_NODES_MAX]; /* of each node: when the newest that lists it was */
    memset(newest, 0, sizeof newest);
    memset(listed, 0, sizeof listed);
    find_neighbours(recording, first);
    for (size_t i = 0; i < recording->frame_count; i++) {
        const struct recording_frame *frame = recording->frames[i];
        uint64_t written_ns = frame->header.written_unix_ns;
        for (uint32_t k = 0; k < frame->node_map_count; k++) {
            uint32_t index = frame->node_map[k];
            if (index == RECORDING_NODE_OTHER) continue;
            if (newest[first[index]] < written_ns) newest[first[index]] = written_ns;
            if (listed[index] < written_ns) listed[index] = written_ns;
        }
    }
    for (uint32_t i = 0; i < HISTORY_NODES_MAX; i++) {
        struct node *node = recording->node_used[i] ? nodes_at(recording->store.nodes, i) : NULL;
        if (node && LOAD(node->state) == NODE_LIVE && listed[i] < newest[first[i]])
            atomic_store_explicit(&node->state, NODE_UNKNOWN, memory_order_relaxed); /* relaxed: one thread */
    }
}

int recording__merge_nodes(struct recording *recording) {
    struct recording_roster *roster = malloc(NODES_MAX * sizeof *roster);
    int error = roster ? 0 : -ENOMEM;

    (void)!getrandom(&recording->logs_key, sizeof recording->logs_key, 0);
    recording->logs_key |= 1;
    for (size_t i = recording->frame_count; i-- > 0 && error == 0;) {
        struct recording_frame *frame = recording->frames[i];
        const struct recording_file *file = &recording->files[frame->file];
        int unread = recording__roster_read(file->fd, frame->offset, &frame->header, roster);
        merge_steps(recording, &frame->header);
        if (unread == 0)
            error = make_map(recording, frame, roster);
        else
            recording__bad_part(recording, file, frame->offset, 0, "the list of its nodes", unread,
                                ": they are shown as \"unknown\"");
    }
    free(roster);
    if (error == 0) doubt_the_unlisted(recording);
    return error == 0 && recording->told_failed ? -ENOMEM : error;
}
