/* SPDX-License-Identifier: MIT
 *
 * Where traced's socket is.  traced and its clients use the same function, so they agree.
 *
 *     the one given, for instance by --socket
 *     $P2PTRACE_SOCKET
 *     $XDG_RUNTIME_DIR/p2ptrace/traced.sock     when that is an absolute path
 *     /tmp/p2ptrace-UID/traced.sock
 *
 * An empty variable counts as unset.  Pure: nothing is looked up or made in the file system. */
#ifndef PROTO_SOCKET_PATH_H
#define PROTO_SOCKET_PATH_H

#include <stdint.h>

/* What fits sockaddr_un's sun_path, with its NUL. */
#define TRACE_SOCKET_PATH_BYTES 108

/* Room for the reason of a failure; a longer one is cut. */
#define TRACE_SOCKET_REASON_BYTES 512

struct trace_socket_path {
    char path[TRACE_SOCKET_PATH_BYTES];
    const char *source; /* what decided: "the given path", "$P2PTRACE_SOCKET", "$XDG_RUNTIME_DIR", "the default" */
};

/* What the rules look at. */
struct trace_socket_path_inputs {
    const char *given; /* each may be NULL */
    const char *p2ptrace_socket;
    const char *xdg_runtime_dir;
    uint32_t uid;
};

/* Applies the rules.  Returns 0; -EINVAL when the given path is empty, -ENAMETOOLONG when the path does not fit a socket address:
 * then `reason` (TRACE_SOCKET_REASON_BYTES) is a sentence for the user, and *ret_path is untouched. */
int trace_socket_path_choose(struct trace_socket_path *ret_path, const struct trace_socket_path_inputs *inputs, char *reason);

/* The same with this process's environment and effective user id. */
int trace_socket_path(struct trace_socket_path *ret_path, const char *given, char *reason);

#endif
