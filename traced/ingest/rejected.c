/* SPDX-License-Identifier: MIT
 *
 * Objects that are not rings, or no longer: logged, counted, and finally removed.
 *
 * There may be many of them.  So unreadable objects of dead nodes of our user are
 * removed after a while.  Otherwise they would take memory, and places in the table of names, forever. */
#include "ingest_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

/* The name of another process's object, made safe for the log. */
static void clean_name(char *out, size_t bytes, const char *name_untrusted) {
    size_t i;
    for (i = 0; i + 1 < bytes && name_untrusted[i] != 0; i++)
        out[i] = name_untrusted[i] >= 0x20 && name_untrusted[i] < 0x7f ? name_untrusted[i] : '?';
    out[i] = 0;
}

static void say_rejected(struct ingest *ingest, const char *name, enum trace_attach_fault fault, int result) {
    if (result == -ENOSPC)
        ingest_say(ingest, INGEST_ABOUT_REJECTED, LOG_LEVEL_WARNING, "object %s rejected: there are already %d nodes with events",
                   name, NODES_MAX);
    else if (fault == TRACE_ATTACH_SYSTEM)
        ingest_say(ingest, INGEST_ABOUT_REJECTED, LOG_LEVEL_WARNING, "object %s rejected: %s: %s", name,
                   trace_attach_fault_text(fault), strerror(-result));
    else
        ingest_say(ingest, INGEST_ABOUT_REJECTED, LOG_LEVEL_WARNING, "object %s rejected: %s", name,
                   trace_attach_fault_text(fault));
}

void ring_reject(struct ingest *ingest, struct ingest_ring *ring, enum trace_attach_fault fault, int result) {
    struct node_info info = {.has_ring = true}; /* nothing else is known */
    char name[sizeof ring->name];
    ring->state = RING_OVER;
    ring->rejected_ns =
        result == -ENOSPC || fault == TRACE_ATTACH_SYSTEM ? 0 : ingest->now_ns; /* our shortage is not its fault */
    ingest->changed = true;
    ingest_add(&ingest->counters.nodes_rejected, 1);
    ingest_add(&ingest->counters.rejected[fault], 1);
    if (result == -ENOSPC) ingest_add(&ingest->counters.nodes_left_out, 1);

    clean_name(name, sizeof name, ring->name);
    say_rejected(ingest, name, fault, result);
    const char *shown = strlen(name) < sizeof info.node_name ? name : name + sizeof TRACE_SHM_PREFIX - 1;
    snprintf(info.node_name, sizeof info.node_name, "%.*s", (int)sizeof info.node_name - 1, shown);
    ring->has_node = nodes_add(ingest->config.nodes, &info, NODE_REJECTED, trace_attach_fault_text(fault),
                               history_begin_position(ingest->config.history), &ring->node_index) == 0;
}

/* Counts what discovery has refused since the last pass. */
static void count_refused(struct ingest *ingest) {
    struct discover_refused now = discover_refused(ingest->discover), before = ingest->refused;
    ingest->refused = now;
    if (now.left_out > before.left_out) ingest_add(&ingest->counters.nodes_left_out, now.left_out - before.left_out);
    if (now.strangers <= before.strangers) return;
    ingest_add(&ingest->counters.nodes_rejected, now.strangers - before.strangers);
    ingest_add(&ingest->counters.rejected[TRACE_ATTACH_BAD_OWNER], now.strangers - before.strangers);
}

/* At most one line of each kind a minute, and only if the number grew. */
static void say_refused(struct ingest *ingest) {
    if (ingest->refused.strangers > ingest->strangers_said)
        ingest_say(ingest, INGEST_ABOUT_US, LOG_LEVEL_WARNING,
                   "%" PRIu32 " objects of another user are named like our rings: ignored", ingest->refused.strangers);
    if (ingest->refused.left_out > ingest->left_out_said)
        ingest_say(ingest, INGEST_ABOUT_US, LOG_LEVEL_WARNING, "%" PRIu32 " objects were ignored: the maximum is %d",
                   ingest->refused.left_out, DISCOVER_NAMES_MAX);
    ingest->strangers_said = ingest->refused.strangers;
    ingest->left_out_said = ingest->refused.left_out;
}

/* ---- removing ------------------------------------------------------------------------------------------------------------ */

static void remove_if_dead(void *arg, const char *name, void *slot) {
    struct ingest *ingest = arg;
    const struct ingest_ring *ring = slot;
    char shown[sizeof ring->name];
    if (!ring || ring->reader || ring->rejected_ns == 0 || ingest->now_ns - ring->rejected_ns < INGEST_REJECTED_KEPT_NS) return;
    if (trace_object_remove_dead(discover_dir_fd(ingest->discover), name, ingest->config.uid) != 0) return;
    clean_name(shown, sizeof shown, name);
    ingest_say(ingest, INGEST_ABOUT_REMOVED, LOG_LEVEL_INFO, "object %s removed: it is unreadable, and its node is dead", shown);
    /* discovery will report that the name vanished */
}

void rejected_sweep(struct ingest *ingest) {
    count_refused(ingest);
    if (ingest->minute_ns == 0) ingest->minute_ns = ingest->now_ns;
    if (ingest->now_ns - ingest->minute_ns >= INGEST_LINES_NS) {
        ingest->minute_ns = ingest->now_ns;
        ingest_say_rest(ingest);
        say_refused(ingest);
    }
    if (ingest->now_ns < ingest->sweep_due_ns) return;
    ingest->sweep_due_ns = ingest->now_ns + INGEST_SWEEP_NS;
    if (!ingest->config.read_only) discover_each(ingest->discover, remove_if_dead);
}

/* ---- other names --------------------------------------------------------------------------------------------------------- */

static bool is_same(struct trace_object_id a, struct trace_object_id b) { return a.device == b.device && a.inode == b.inode; }

void rejected_remember(struct ingest *ingest, const struct trace_reader *reader) {
    if (trace_reader_name_count(reader) > 0) ingest->done[ingest->done_count++ % INGEST_DONE_MAX] = trace_reader_object(reader);
}

bool rejected_is_duplicate(const struct ingest *ingest, const struct trace_reader *reader) {
    struct trace_object_id object = trace_reader_object(reader);
    for (uint32_t i = 0; i < ingest->done_count && i < INGEST_DONE_MAX; i++)
        if (is_same(ingest->done[i], object)) return true;
    for (uint32_t i = 0; i < ingest->attached_count; i++)
        if (is_same(trace_reader_object(ingest->attached[i].ring->reader), object)) return true;
    return false;
}
