/* SPDX-License-Identifier: MIT
 *
 * Removing the rings of dead nodes of this user, whether or not a traced has read them. */
#ifndef LIBTRACE_DEAD_RINGS_H
#define LIBTRACE_DEAD_RINGS_H

/* Removes rings whose nodes are dead, the oldest first, until at most `keep` are left.  Returns how many it removed.
 * Allocates. */
unsigned log__collect_dead(int shm_dir_fd, unsigned keep);

/* Removes all of them.  Allocates nothing; safe in signal handlers. */
unsigned log__clear_dead(const char *shm_dir);

#endif
