/* SPDX-License-Identifier: MIT
 *
 * A file with the process id in decimal and a newline, for tools that start and stop daemons with it.  It exists while traced
 * serves, so a client that finds it can connect.  It is not a lock; see socket_claim.h for that. */
#ifndef TRACED_PIDFILE_H
#define TRACED_PIDFILE_H

/* Creates the file atomically (written beside it and renamed), replacing one that a killed process left.  Returns 0 or a
 * negative errno. */
int pidfile_write(const char *path);

/* Removes it if it still contains our process id. */
void pidfile_remove(const char *path);

#endif
