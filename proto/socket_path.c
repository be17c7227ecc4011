/* SPDX-License-Identifier: MIT
 *
 * See proto/socket_path.h. */
#include <proto/socket_path.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) >= TRACE_SOCKET_PATH_BYTES, "a path fits a socket address");

static bool set_path(const char *text) { return text && *text; }

int trace_socket_path_choose(struct trace_socket_path *ret_path, const struct trace_socket_path_inputs *inputs, char *reason) {
    struct trace_socket_path chosen = {.source = "the default"};
    const char *head = "", *tail = "";
    char fallback[40];
    if (inputs->given) {
        if (!*inputs->given) {
            snprintf(reason, TRACE_SOCKET_REASON_BYTES, "the socket path is empty");
            return -EINVAL;
        }
        head = inputs->given;
        chosen.source = "the given path";
    } else if (set_path(inputs->p2ptrace_socket)) {
        head = inputs->p2ptrace_socket;
        chosen.source = "$P2PTRACE_SOCKET";
    } else if (set_path(inputs->xdg_runtime_dir) && inputs->xdg_runtime_dir[0] == '/') {
        head = inputs->xdg_runtime_dir;
        tail = "/p2ptrace/traced.sock";
        chosen.source = "$XDG_RUNTIME_DIR";
    } else {
        snprintf(fallback, sizeof fallback, "/tmp/p2ptrace-%u", (unsigned)inputs->uid);
        head = fallback;
        tail = "/traced.sock";
    }
    size_t bytes = strlen(head) + strlen(tail);
    if (bytes >= sizeof chosen.path) {
        snprintf(reason, TRACE_SOCKET_REASON_BYTES,
                 "the socket path has %zu bytes, and a socket address holds at most %d (from %s): %s%s", bytes,
                 TRACE_SOCKET_PATH_BYTES - 1, chosen.source, head, tail);
        return -ENAMETOOLONG;
    }
    memcpy(chosen.path, head, strlen(head));
    memcpy(chosen.path + strlen(head), tail, strlen(tail) + 1);
    *ret_path = chosen;
    return 0;
}

int trace_socket_path(struct trace_socket_path *ret_path, const char *given, char *reason) {
    struct trace_socket_path_inputs inputs = {
        .given = given,
        .p2ptrace_socket = getenv("P2PTRACE_SOCKET"),
        .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .uid = (uint32_t)geteuid(),
    };
    return trace_socket_path_choose(ret_path, &inputs, reason);
}
