/* SPDX-License-Identifier: MIT
 *
 * Namespaces for the program and its daemons: see sandbox.h. */
#include "sandbox.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) bench_die("%s: %s", path, strerror(errno));
    close(fd);
}

/* A user namespace gives its first process the right to mount; the owners of files stay the same. */
static void keep_ids(uid_t uid, gid_t gid) {
    char map[64];
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_text("/proc/self/gid_map", map);
}

__attribute__((noreturn)) static void exit_as(pid_t child) {
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) bench_die("waitpid: %s", strerror(errno));
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void sandbox_enter(void) {
    static const char *const private[] = {"/dev/shm", "/run"};
    static bool entered;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    pid_t child;

    if (entered) return;
    entered = true;
    if (unshare(CLONE_NEWNS | CLONE_NEWPID | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0)
        bench_die("the peers' daemons need separate namespaces, which this system does not grant: %s", strerror(errno));
    if (uid != 0) keep_ids(uid, gid);
    child = fork();
    if (child < 0) bench_die("fork: %s", strerror(errno));
    if (child > 0) exit_as(child);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) bench_die("mount /: %s", strerror(errno));
    for (size_t i = 0; i < sizeof private / sizeof private[0]; i++)
        if (mount("tmpfs", private[i], "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
            bench_die("mount %s: %s", private[i], strerror(errno));
}
