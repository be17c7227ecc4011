/* SPDX-License-Identifier: MIT
 *
 * The two small protocols that a service manager speaks with its services, as sd_listen_fds(3) and sd_notify(3) document them;
 * their library is not needed.  Main thread, before others start: both look at the environment. */
#ifndef TRACED_SYSTEMD_H
#define TRACED_SYSTEMD_H

/* Takes the listening socket that the manager opened for us: $LISTEN_PID, $LISTEN_FDS; both are removed from the environment.
 * Returns 1 with *ret_fd, close-on-exec and non-blocking; 0 when there is none; or a negative errno with a sentence for the
 * user in `reason` (TRACE_SOCKET_REASON_BYTES): several sockets, or one that is no listening Unix stream socket. */
int systemd_take_socket(int *ret_fd, char *reason);

/* Tells the manager ($NOTIFY_SOCKET) how we are: "READY=1", "STOPPING=1", "STATUS=..."; several with a newline between them.
 * Without a manager it does nothing.  Does not block; a manager that does not listen is not worth an error.  Any thread. */
void systemd_notify(const char *state);

#endif
