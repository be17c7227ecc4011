/* SPDX-License-Identifier: MIT
 *
 * The bound that traced sets on its memory, and how it is enforced.
 *
 * The history and the node table are allocated at the start.  Later allocations (clients, unfinished answers) are bounded by
 * traced_limits.h, and their total by the kernel: footprint_keep sets RLIMIT_DATA, so that an allocation beyond it fails.  Then
 * one answer becomes an error, or one client is disconnected.
 *
 * Resident size here means RssAnon + RssFile of /proc/PID/status.  The rings are mapped, too, but they are shared memory
 * (RssShmem) that belongs to the nodes and exists without traced, so they do not count. */
#ifndef TRACED_FOOTPRINT_H
#define TRACED_FOOTPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that is resident with a history of that many bytes. */
uint64_t footprint_promise(uint64_t history_bytes);

/* Resident bytes of this process, the rings included; and those of the rings. */
uint64_t footprint_resident(void);
uint64_t footprint_resident_rings(void);

/* The free memory of the machine and of our control groups.  UINT64_MAX if unknown. */
uint64_t footprint_available(void);

/* Is there memory for a history of that many bytes?  If not, `reason` gets a sentence that begins with its size. */
#define FOOTPRINT_REASON_BYTES 160
bool footprint_history_fits(uint64_t bytes, char reason[FOOTPRINT_REASON_BYTES]);

/* As footprint_available; cgroup_path: the text after "0::" in /proc/self/cgroup, below `root`.  For tests. */
uint64_t footprint_available_in(const char *meminfo, const char *root, const char *cgroup_path);

/* Call it first, before there are threads.  Sets how malloc returns memory, and lets footprint_was_short notice failures. */
void footprint_begin(void);

/* From now on at most bytes_more can be allocated.  Call it after the threads were started, because their stacks count.
 * Returns 0 or a negative errno. */
int footprint_keep(uint64_t bytes_more);

/* Has jansson failed to allocate memory in this thread since the last call?  Then its result may have holes. */
bool footprint_was_short(void);

#endif
