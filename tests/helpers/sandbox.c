/* SPDX-License-Identifier: MIT
 *
 * Runs a program under the restrictions of a system manager's unit (traced@.service), as far as possible without that
 * manager:
 *
 *     sandbox DIRECTORY CALLS PROGRAM [ARG...]
 *
 *     DIRECTORY   the only writable directory
 *     CALLS       numbers of system calls, separated by commas: any other call ends the program
 *
 * All mounts are read-only, recursively; new network and IPC namespaces, without an interface; no privileges, and no way to
 * gain any; only Unix sockets; no new namespaces; no memory that is both writable and executable.  Exit code 77: the
 * kernel does not allow this here.  x86-64 Linux. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEW_SPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#define ALL_SPACES (NEW_SPACES | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWCGROUP)
#define INSTRUCTIONS_MAX 4000

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "sandbox: %s: %s\n", what, strerror(errno));
    exit(77);
}

static void write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, text, strlen(text)) < 0) give_up(path);
    close(fd);
}

/* Lets a user who is not root mount, in a user namespace that maps the user to itself. */
static void new_spaces(void) {
    unsigned uid = geteuid(), gid = getegid();
    char map[64];
    if (unshare(NEW_SPACES | (uid ? CLONE_NEWUSER : 0))) give_up("unshare");
    if (!uid) return;
    write_text("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "%u %u 1", uid, uid);
    write_text("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "%u %u 1", gid, gid);
    write_text("/proc/self/gid_map", map);
}

static void set_mounts(const char *path, struct mount_attr attributes) {
    if (syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes)) give_up("mount_setattr");
}

static void protect_mounts(const char *writable) {
    set_mounts("/", (struct mount_attr){.propagation = 1 << 18 /* MS_PRIVATE */});
    if (syscall(SYS_mount, writable, writable, NULL, 4096 /* MS_BIND */, NULL)) give_up("mount");
    set_mounts("/", (struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY});
    set_mounts(writable, (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY});
}

static void drop_privileges(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    for (int i = 0; i <= CAP_LAST_CAP; i++)
        if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno != EINVAL) give_up("PR_CAPBSET_DROP");
    if (syscall(SYS_capset, &header, none)) give_up("capset");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up("PR_SET_NO_NEW_PRIVS");
}

static struct sock_filter filter[INSTRUCTIONS_MAX];
static unsigned count;

static void add(struct sock_filter instruction) {
    if (count < INSTRUCTIONS_MAX) filter[count++] = instruction;
}

static void load(size_t offset) { add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset)); }
static void finish(unsigned verdict) { add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict)); }

/* Refuses the call `number` with `error` if its argument has all these bits. */
static void refuse(unsigned number, unsigned argument, unsigned bits, int error) {
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 5));
    load(offsetof(struct seccomp_data, args) + 8 * argument);
    add((struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1));
    finish(SECCOMP_RET_ERRNO | (unsigned)error);
    load(offsetof(struct seccomp_data, nr));
}

static void refuse_other_families(void) {
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4));
    load(offsetof(struct seccomp_data, args));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0));
    finish(SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    load(offsetof(struct seccomp_data, nr));
}

static void filter_calls(char *calls) {
    load(offsetof(struct seccomp_data, arch));
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
    finish(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
    refuse_other_families();
    refuse(SYS_mmap, 2, PROT_WRITE | PROT_EXEC, EPERM);
    refuse(SYS_mprotect, 2, PROT_EXEC, EPERM);
    refuse(SYS_clone3, 0, 0, ENOSYS); /* its flags are in memory; libc falls back to clone */
    for (unsigned bit = 0; bit < 32; bit++)
        if ((unsigned)ALL_SPACES & 1U << bit) refuse(SYS_clone, 0, 1U << bit, EPERM), refuse(SYS_unshare, 0, 1U << bit, EPERM);
    refuse(SYS_setns, 0, 0, EPERM);
    for (char *rest = NULL, *word = strtok_r(calls, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(word), 0, 1));
        finish(SECCOMP_RET_ALLOW);
    }
    finish(SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {(unsigned short)count, filter};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) give_up("PR_SET_SECCOMP");
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    new_spaces();
    protect_mounts(argv[1]);
    drop_privileges();
    filter_calls(argv[2]);
    execv(argv[3], argv + 3);
    fprintf(stderr, "sandbox: %s: %s\n", argv[3], strerror(errno));
    return 1;
}
