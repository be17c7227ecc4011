/* SPDX-License-Identifier: MIT
 *
 * How much memory traced promises to use at most, and how it keeps the promise.
 *
 * The history and the node table are allocated at the start.  What comes later (clients, unfinished answers) is bounded by
 * traced_limits.h, and in total by the kernel: footprint_keep sets RLIMIT_DATA, so that an allocation beyond it fails.  Then one
 * answer becomes an error, or one client is disconnected.
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

/* What the machine, and the control groups that we are in, have to spare.  UINT64_MAX when they do not say. */
uint64_t footprint_available(void);

/* Can a history of that many bytes be had?  If not, says why in a sentence that begins with its size. */
#define FOOTPRINT_REASON_BYTES 160
bool footprint_history_fits(uint64_t bytes, char reason[FOOTPRINT_REASON_BYTES]);

/* As footprint_available; cgroup_path: what /proc/self/cgroup says behind "0::", below `root`.  For tests. */
uint64_t footprint_available_in(const char *meminfo, const char *root, const char *cgroup_path);

/* First of all, before there are threads: how malloc gives memory back, and that it tells footprint_was_short. */
void footprint_begin(void);

/* From now on at most bytes_more are taken.  After the threads were started, whose stacks count.  Returns 0 or a negative
 * errno. */
int footprint_keep(uint64_t bytes_more);

/* Has jansson been refused memory in this thread since the last call?  Then what it made may have holes. */
bool footprint_was_short(void);

#endif
