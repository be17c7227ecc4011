/* SPDX-License-Identifier: MIT
 *
 * The shared-memory object of a log, on the node's side.  Functions that return int return 0 or a negative errno.
 * object__reserve may be called by a signal handler; the others are for opening and closing. */
#ifndef LIBTRACE_OBJECT_H
#define LIBTRACE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

struct log;

/* Creates, locks and maps the object; fills name, serial, device, inode, header and slots.  On failure nothing is left behind. */
int object__make(struct log *log, int dir_fd);

/* Unmaps it, which also releases the lock.  Its name stays. */
void object__unmap(struct log *log);

/* Maps it once more, read-only, by its name: -ENOENT or -ESTALE when the name is gone, or out of reach behind a chroot. */
int object__map_again(const struct log *log, const void **ret_base);

/* Reserves memory for a range of the object, so that a write to it can neither raise SIGBUS nor fault.  -ENOSPC: its filesystem
 * is full; -ENOMEM: the memory cgroup or the machine is.  On failure a part of the range may have memory all the same. */
int object__reserve(const struct log *log, size_t offset, size_t bytes);

/* Gives back the memory of a range of whole pages that nobody uses. */
void object__release(const struct log *log, size_t offset, size_t bytes);

/* Does the filesystem report room for this many bytes?  True if it has no limit that we can query.  Takes about a
 * microsecond. */
bool object__has_room(const struct log *log, size_t bytes);

#endif
