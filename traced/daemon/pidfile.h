/* SPDX-License-Identifier: MIT
 *
 * A file with the process id in decimal and a newline, for those who start and stop daemons by it.  It is there while traced
 * serves: whoever finds it may connect.  It is no lock; that is socket_claim.h. */
#ifndef TRACED_PIDFILE_H
#define TRACED_PIDFILE_H

/* Puts the file in its place whole (written beside it and renamed), in place of one that a killed process left.  Returns 0 or a
 * negative errno. */
int pidfile_write(const char *path);

/* Removes it, if it still has our process id. */
void pidfile_remove(const char *path);

#endif
