/* SPDX-License-Identifier: MIT
 *
 * Lanes on the writing side: finding, taking and returning them.  thread_id: that of the calling thread.  Signals must be
 * blocked. */
#ifndef LIBTRACE_LANE_H
#define LIBTRACE_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct log;

/* The index of a lane that the thread already owns, or -ENOENT. */
int log__lane_find(const struct log *log, uint32_t thread_id);

/* Takes a lane for the thread.  Returns its index, or a negative errno: -ENOSPC or -ENOMEM when there is no memory for a fresh
 * lane; -EAGAIN when that was so a moment ago; -ECHILD in a child of the log's process.  Waits while another thread makes the
 * shared lane. */
int log__lane_take(struct log *log, uint32_t thread_id);

/* Returns every lane that the thread owns. */
void log__lanes_return(struct log *log, uint32_t thread_id);

/* Is it too early to ask for a lane again?  Any thread, also with signals unblocked. */
bool log__lanes_are_short(const struct log *log);

#endif
