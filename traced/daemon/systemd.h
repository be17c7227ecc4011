/* SPDX-License-Identifier: MIT
 *
 * The two small protocols between a service manager and its services, as documented in sd_listen_fds(3) and sd_notify(3),
 * without their library.  Main thread, before others start: both read the environment. */
#ifndef TRACED_SYSTEMD_H
#define TRACED_SYSTEMD_H

/* Takes the listening socket that the manager opened for us: $LISTEN_PID, $LISTEN_FDS; both are removed from the environment.
 * Returns 1 with *ret_fd, close-on-exec and non-blocking; 0 when there is none; or a negative errno with a sentence for the
 * user in `reason` (TRACE_SOCKET_REASON_BYTES): several sockets, or one that is not a listening Unix stream socket. */
int systemd_take_socket(int *ret_fd, char *reason);

/* Reports our state to the manager ($NOTIFY_SOCKET): "READY=1", "STOPPING=1", "STATUS=..."; several separated by newlines.
 * Does nothing without a manager.  Does not block, and ignores a manager that does not listen.  Any thread. */
void systemd_notify(const char *state);

#endif
