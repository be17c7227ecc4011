/* SPDX-License-Identifier: MIT
 *
 * See footprint.h. */
#include "footprint.h"
#include "traced_limits.h"
#include <store/aliases.h>
#include <store/history.h>
#include <store/nodes.h>

#include <errno.h>
#include <malloc.h>
#include <proto/json_memory.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Blocks of this size return to the kernel when they are freed. */
#define OWN_MAPPING_BYTES (128 << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* sanitizers use unbounded memory of their own */
#else
#define SANITIZED 0
#endif

uint64_t footprint_promise(uint64_t history_bytes) {
    return history_bytes + nodes_bytes() + aliases_bytes() + LIMIT_BESIDE_BYTES + LIMIT_PROGRAM_BYTES;
}

/* ---- what there is ------------------------------------------------------------------------------------------------------ */

/* The number after `what`, in KiB, in a file like /proc/meminfo.  UINT64_MAX: it is not there. */
static uint64_t kib_in(const char *path, const char *what) {
    FILE *file = fopen(path, "re");
    char line[256];
    uint64_t bytes = UINT64_MAX;
    size_t length = strlen(what);
    while (file && bytes == UINT64_MAX && fgets(line, sizeof line, file))
        if (!strncmp(line, what, length)) bytes = strtoull(line + length, NULL, 10) << 10;
    if (file) fclose(file);
    return bytes;
}

/* A file of a control group: a number, or "max". */
static uint64_t group_number(const char *root, const char *group, int group_bytes, const char *name) {
    char path[1024], text[32] = "";
    snprintf(path, sizeof path, "%s%.*s/%s", root, group_bytes, group, name);
    FILE *file = fopen(path, "re");
    if (!file) return UINT64_MAX;
    bool number = fgets(text, sizeof text, file) && *text >= '0' && *text <= '9';
    fclose(file);
    return number ? strtoull(text, NULL, 10) : UINT64_MAX;
}

uint64_t footprint_available_in(const char *meminfo, const char *root, const char *cgroup_path) {
    uint64_t available = kib_in(meminfo, "MemAvailable:");
    for (int bytes = (int)strlen(cgroup_path); bytes > 0; bytes--) { /* the group and each of its parents */
        if (cgroup_path[bytes] && cgroup_path[bytes] != '/') continue;
        uint64_t most = group_number(root, cgroup_path, bytes, "memory.max");
        uint64_t taken = group_number(root, cgroup_path, bytes, "memory.current");
        if (most == UINT64_MAX || taken == UINT64_MAX) continue;
        if (most < taken) most = taken;
        if (most - taken < available) available = most - taken;
    }
    return available;
}

uint64_t footprint_available(void) {
    char line[512] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file) && strncmp(line, "0::", 3) != 0) continue;
    if (file) fclose(file);
    line[strcspn(line, "\n")] = 0;
    return footprint_available_in("/proc/meminfo", "/sys/fs/cgroup", strncmp(line, "0::", 3) ? "" : line + 3);
}

bool footprint_history_fits(uint64_t bytes, char reason[FOOTPRINT_REASON_BYTES]) {
    uint64_t available = footprint_available();
    unsigned long long mib = bytes >> 20;
    if (bytes >= HISTORY_BYTES_MIN && bytes <= available) return true;
    if (bytes < HISTORY_BYTES_MIN)
        snprintf(reason, FOOTPRINT_REASON_BYTES, "%llu MiB is too little; the minimum is %zu MiB (--history)", mib,
                 HISTORY_BYTES_MIN >> 20);
    else
        snprintf(reason, FOOTPRINT_REASON_BYTES, "%llu MiB, but only %llu MiB are free: choose a smaller --history", mib,
                 (unsigned long long)available >> 20);
    return false;
}

uint64_t footprint_resident_rings(void) { return kib_in("/proc/self/status", "RssShmem:"); }
uint64_t footprint_resident(void) { return kib_in("/proc/self/status", "VmRSS:"); }

/* ---- what is taken ------------------------------------------------------------------------------------------------------ */

static _Thread_local bool was_short;

static void note_short(void) { was_short = true; }

bool footprint_was_short(void) {
    bool answer = was_short;
    was_short = false;
    return answer;
}

void footprint_begin(void) {
    trace_json_memory_begin(note_short);
    /* Without these, malloc retains the memory of a large answer on each thread. */
    mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
    mallopt(M_TRIM_THRESHOLD, 2 * OWN_MAPPING_BYTES);
    mallopt(M_ARENA_MAX, 2);
}

int footprint_keep(uint64_t bytes_more) {
    struct rlimit limit;
    uint64_t taken = kib_in("/proc/self/status", "VmData:");
    if (SANITIZED) return 0;
    if (taken == UINT64_MAX) return -ENOENT;
    if (getrlimit(RLIMIT_DATA, &limit)) return -errno;
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < taken + bytes_more) return 0; /* the limit is already lower */
    limit.rlim_cur = taken + bytes_more;
    return setrlimit(RLIMIT_DATA, &limit) ? -errno : 0;
}
