/* SPDX-License-Identifier: MIT
 *
 * The directory where nodes have their logs, and the logs in it. */
#include "doctor_checks.h"
#include "json_get.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libtrace/reader.h>
#include <linux/magic.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Memory of one thread of a node. */
#define LANE_BYTES ((uint64_t)TRACE_LANE_EVENTS_FULL * TRACE_EVENT_BYTES)

void doctor_look_at_directory(struct doctor *doctor) {
    struct statfs info;
    if (access(doctor->dir, R_OK | X_OK) || statfs(doctor->dir, &info)) {
        doctor_wrong(doctor, "directory",
                     strcmp(doctor->dir, "/dev/shm") != 0 ? "unset P2PTRACE_SHM_DIR"
                                                          : "mount -t tmpfs -o mode=1777 tmpfs /dev/shm",
                     "nodes have their logs in %s, which cannot be read: %s", doctor->dir, strerror(errno));
        return;
    }
    uint64_t block = (uint64_t)info.f_bsize, bytes = info.f_blocks * block, free_bytes = info.f_bavail * block;
    if (free_bytes < LANE_BYTES)
        doctor_wrong(doctor, "directory", doctor_remedy("mount -o remount,size=1G %s", doctor->dir),
                     "%s is full, %" PRIu64 " of %" PRIu64 " MiB are left: nodes that are started now run untraced", doctor->dir,
                     free_bytes >> 20, bytes >> 20);
    else if (info.f_type != TMPFS_MAGIC)
        doctor_wrong(doctor, "directory", "unset P2PTRACE_SHM_DIR, or mount a tmpfs there",
                     "%s is on a disk: every event is written to it", doctor->dir);
    else
        doctor_fine(doctor, "directory", "%s has %" PRIu64 " of %" PRIu64 " MiB left", doctor->dir, free_bytes >> 20,
                    bytes >> 20);
}

/* ---- one log ---- */

static void report_bad(struct doctor *doctor, const char *name, enum trace_attach_fault fault, int result) {
    const char *reason = fault == TRACE_ATTACH_SYSTEM ? strerror(-result) : trace_attach_fault_text(fault);
    const char *remedy = fault == TRACE_ATTACH_BAD_VERSION ? "build the node with the library of this version"
                         : fault == TRACE_ATTACH_BAD_CLOCK ? "start the node with P2PTRACE_CLOCK=monotonic"
                                                           : doctor_remedy("rm %s/%s", doctor->dir, name);
    if (result != -ENOENT)
        doctor_wrong(doctor, "log", remedy, "%s cannot be read: %s", name, reason); /* otherwise it has just gone */
}

/* The kinds that a control word enables, as a value of --kind. */
static void put_kinds(struct strbuf *out, uint64_t control) {
    unsigned count;
    const struct trace_kind_info *table = trace_kind_table(&count);
    const char *before = "";
    for (unsigned i = 0; i < count; i++) {
        if (table[i].id == TRACE_KIND_EVENTS_LOST || !(control & TRACE_CONTROL_KIND_BIT(table[i].id))) continue;
        strbuf_printf(out, "%s%s", before, table[i].name);
        before = ",";
    }
}

static void look_at_control(struct doctor *doctor, const char *name, uint64_t control) {
    struct strbuf kinds = {0};
    put_kinds(&kinds, control);
    const char *only = kinds.bytes ? "only " : "no events";
    if ((uint32_t)control != UINT32_MAX)
        doctor_wrong(doctor, "kinds", doctor_remedy("inspector control --node %s --kind all", name), "%s emits %s%s", name, only,
                     strbuf_text(&kinds));
    if (TRACE_CONTROL_SAMPLE(control) != UINT32_MAX)
        doctor_wrong(doctor, "sample", doctor_remedy("inspector control --node %s --sample 1", name),
                     "%s emits events of only %.3g %% of the traces", name,
                     ((double)TRACE_CONTROL_SAMPLE(control) + 1) / 42949672.96);
    strbuf_fini(&kinds);
}

/* The row of this log in traced's answer; NULL if traced does not have it, or there is no traced. */
static const json_t *find_row(const struct doctor *doctor, const struct trace_reader_info *info) {
    char log[LOG_DIGITS + 1], id[NODE_DIGITS + 1];
    size_t i;
    const json_t *node;
    snprintf(log, sizeof log, "%0*" PRIx64, LOG_DIGITS, info->open_ticks);
    *trace_hex_encode(id, info->node_id.bytes, sizeof info->node_id.bytes) = 0;
    json_array_foreach(json_get_array(doctor->nodes, "nodes"), i, node) {
        const char *row_log = json_get_hex(node, "log", LOG_DIGITS), *row_id = json_get_hex(node, "node_id", NODE_DIGITS);
        if (row_log && row_id && !strcmp(row_log, log) && !strcmp(row_id, id)) return node;
    }
    return NULL;
}

/* Does the process with that id map the log? */
static bool is_mapped_by(pid_t pid, const char *name) {
    struct process_logs logs;
    process_logs_find(&logs, pid);
    for (unsigned i = 0; logs.state == PROCESS_OURS && i < logs.count; i++)
        if (!strcmp(logs.logs[i].name, name)) return true;
    return false;
}

static void look_at_log(struct doctor *doctor, const char *name, const struct trace_reader *reader) {
    const struct trace_reader_info *info = trace_reader_info(reader);
    enum trace_node_state state = trace_reader_state(reader);
    const char *node = *info->node_name ? info->node_name : name;
    if (doctor->traced && !find_row(doctor, info))
        doctor_wrong(doctor, "log", doctor_restart(doctor, ""), "traced does not read the log of %s (process %d)", node,
                     (int)info->pid);
    if (state == TRACE_NODE_CRASHED && info->abi == TRACE_SHM_ABI_1 && process_logs_is_named(name, info->pid) &&
        is_mapped_by(info->pid, name)) {
        doctor_wrong(doctor, "log", "build it with the library of this version",
                     "%s (process %d) is alive but looks dead: it closed the descriptor of its log, as daemons do", node,
                     (int)info->pid);
        return;
    }
    if (state != TRACE_NODE_LIVE) {
        if (!doctor->traced)
            doctor_wrong(doctor, "log", doctor_remedy("inspector attach %d", (int)info->pid),
                         "%s (process %d) is dead, and nobody has read its last events", node, (int)info->pid);
        return;
    }
    uint64_t emitted = 0, discarded = 0;
    for (unsigned lane = 0; lane < info->lane_count; lane++) {
        struct trace_lane_count count;
        trace_reader_count((struct trace_reader *)reader, lane, &count);
        emitted += count.emitted;
        discarded += count.lost[TRACE_LOSS_DISCARDED];
    }
    look_at_control(doctor, node, trace_reader_control(reader));
    if (discarded && !doctor->traced)
        doctor_wrong(doctor, "lost", "traced &",
                     "%s discards what it emits, %" PRIu64 " events so far: its ring is full, and nobody drains it", node,
                     discarded);
    if (info->pid != doctor->asked && is_mapped_by(info->pid, name)) doctor_look_at_hold(doctor, "log", node, info->pid);
    if (emitted)
        doctor_fine(doctor, "log", "%s (process %d) has emitted %" PRIu64 " events", node, (int)info->pid, emitted);
    else
        doctor_wrong(doctor, "log", "check that its program reaches a TRACE_ line, with the log that it opened",
                     "%s (process %d) has not emitted anything", node, (int)info->pid);
}

/* ---- all logs ---- */

/* A log whose node is live. */
struct live_log {
    struct trace_node_id id;
    char node[TRACE_NODE_NAME_BYTES + 1];
    pid_t pid;
};

/* Compare at most this many. */
#define LIVE_LOGS_MAX 4096

struct logs {
    struct live_log *live; /* NULL: out of memory, nothing is compared */
    unsigned live_count;
    unsigned own, others;
    uid_t other; /* an example of the other users */
};

/* Two live logs with one id look like one node: everything reported about it is wrong. */
static void look_at_id(struct doctor *doctor, struct logs *logs, const char *name, const struct trace_reader *reader) {
    const struct trace_reader_info *info = trace_reader_info(reader);
    struct live_log live = {.id = info->node_id, .pid = info->pid};
    if (!logs->live || logs->live_count == LIVE_LOGS_MAX || trace_reader_state(reader) != TRACE_NODE_LIVE) return;
    snprintf(live.node, sizeof live.node, "%.32s", *info->node_name ? info->node_name : name);
    for (unsigned i = 0; i < logs->live_count; i++) {
        const struct live_log *other = &logs->live[i];
        if (memcmp(&other->id, &live.id, sizeof live.id) != 0) continue;
        doctor_wrong(doctor, "id", "give each its own: trace_node_id_random(), or trace_node_id_from() its public key",
                     "%s (process %d) and %s (process %d) have one node id: they look like one node", other->node,
                     (int)other->pid, live.node, (int)live.pid);
        break;
    }
    logs->live[logs->live_count++] = live;
}

static void look_at_entry(struct doctor *doctor, int dir, const char *name, struct logs *logs) {
    struct trace_reader *reader;
    enum trace_attach_fault fault;
    struct stat status;
    if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW)) return;
    if (status.st_uid != geteuid()) {
        logs->others++;
        logs->other = status.st_uid;
        return;
    }
    logs->own++;
    int result = trace_reader_attach(&reader, dir, name, geteuid(), 0, &fault);
    if (result) {
        report_bad(doctor, name, fault, result);
        return;
    }
    look_at_log(doctor, name, reader);
    look_at_id(doctor, logs, name, reader);
    trace_reader_detach(reader);
}

void doctor_look_at_logs(struct doctor *doctor) {
    DIR *dir = opendir(doctor->dir);
    if (!dir) return; /* already reported */
    struct logs logs = {.live = malloc(LIVE_LOGS_MAX * sizeof *logs.live)};
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (!strncmp(entry->d_name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1))
            look_at_entry(doctor, dirfd(dir), entry->d_name, &logs);
    closedir(dir);
    free(logs.live);
    const struct passwd *user = logs.others ? getpwuid(logs.other) : NULL;
    const char *name = user ? user->pw_name : "USER";
    pid_t candidate;
    if (!logs.own && logs.others)
        doctor_wrong(doctor, "logs", doctor_remedy("sudo -u %s inspector doctor", name),
                     "none of the %u logs in %s is this user's: they belong to others, for example %s", logs.others, doctor->dir,
                     name);
    else if (!logs.own && (candidate = doctor_find_library(doctor)))
        doctor_wrong(
            doctor, "logs", doctor_remedy("inspector doctor %d", (int)candidate),
            "there is no log in %s: no node of this user runs, or it is not traced, or has its logs elsewhere; process %d "
            "has the library",
            doctor->dir, (int)candidate);
    else if (!logs.own)
        doctor_wrong(doctor, "logs", "start a node, and then: inspector doctor PID",
                     "there is no log in %s: no node of this user runs, or it is not traced, or has its logs elsewhere",
                     doctor->dir);
    else
        doctor_fine(doctor, "logs", "%u of this user in %s, %u of other users", logs.own, doctor->dir, logs.others);
}
