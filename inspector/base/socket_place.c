/* SPDX-License-Identifier: MIT */
#include "socket_place.h"

#include <linux/limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool socket_place_is_taken(const char *path, char *reason, size_t reason_bytes) {
    char directory[PATH_MAX];
    struct stat info;
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || (size_t)(slash - path) >= sizeof directory) return false;
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    if (lstat(directory, &info) || info.st_uid == geteuid() || info.st_uid == 0) return false;
    const struct passwd *user = getpwuid(info.st_uid);
    snprintf(reason, reason_bytes,
             "%s is a %s of another user (%s, uid %u), and traced does not use it: set P2PTRACE_SOCKET to a path in a directory "
             "of your own, or let that user or root remove it",
             directory, S_ISLNK(info.st_mode) ? "symbolic link" : "file or directory", user ? user->pw_name : "unknown",
             (unsigned)info.st_uid);
    return true;
}
