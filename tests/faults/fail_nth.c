/* SPDX-License-Identifier: MIT
 *
 * Makes the nth allocation or system call of a program fail: preloaded into it, without any change of the program.
 *
 *     LD_PRELOAD=fail_nth.so FAULT_MODE=MODE FAULT_AT=N FAULT_REPORT=FILE program
 *
 *     MODE     what counts                                          and what happens to the nth
 *     alloc    malloc, calloc, realloc, memalign; pthread_create    NULL and ENOMEM; EAGAIN
 *     error    the system calls of the table below                  fails with the errno of the table
 *     eintr    those of them that wait                              fails with EINTR, as after a signal
 *     short    read, write, and their kin                           takes one byte only
 *     count    the same as error                                    nothing: the report says how many there are
 *
 * FILE gets the name of what failed; it stays empty if the program never reaches the nth.  If the program then aborts, it also
 * gets " abort" and the library or program that called abort() or whose assertion failed.  Counting begins with main, without
 * the calls of the dynamic linker.  After the nth everything works again.
 *
 * The kernel catches system calls (seccomp), because most calls within libc do not go through symbols: stdio's write cannot be
 * replaced from outside.  A caught call raises SIGSYS; its handler makes the call again, from the only place where the filter
 * allows it.  So a program under this library cannot exec.  x86-64 Linux with glibc. */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

static enum { OFF, ALLOC, ERROR, EINTR_, SHORT } mode;
static unsigned long fail_at;
static atomic_ulong seen;
static int report_fd = -1;

/* ---- the calls ---- */

enum { WAITS = 1, CUTS = 2, CLOSES = 4 /* even when it fails */ };

static const struct call {
    int number, error, what;
    const char *name;
} calls[] = {
#define CALL(name, error, what) \
    { SYS_##name, error, what, #name }
    /* clang-format off */
    CALL(open, EMFILE, 0),         CALL(openat, EMFILE, 0),        CALL(socket, EMFILE, 0),
    CALL(pipe2, EMFILE, 0),        CALL(eventfd2, EMFILE, 0),      CALL(epoll_create1, EMFILE, 0),
    CALL(timerfd_create, EMFILE, 0), CALL(inotify_init1, EMFILE, 0), CALL(memfd_create, EMFILE, 0),
    CALL(accept4, EMFILE, WAITS),  CALL(dup, EMFILE, 0),           CALL(socketpair, EMFILE, 0),
    CALL(inotify_add_watch, ENOSPC, 0), CALL(epoll_ctl, ENOSPC, 0), CALL(connect, ECONNREFUSED, WAITS),
    CALL(bind, EADDRINUSE, 0),     CALL(listen, EADDRINUSE, 0),    CALL(mmap, ENOMEM, 0),
    CALL(mremap, ENOMEM, 0),       CALL(ftruncate, ENOSPC, 0),
    CALL(fallocate, ENOSPC, 0),    CALL(mkdir, ENOSPC, 0),         CALL(rename, ENOSPC, 0),
    CALL(renameat2, ENOSPC, 0),    CALL(linkat, ENOSPC, 0),        CALL(link, ENOSPC, 0),
    CALL(unlink, EIO, 0),          CALL(unlinkat, EIO, 0),         CALL(fchmod, EIO, 0),
    CALL(fsync, EIO, 0),           CALL(fstat, EIO, 0),            CALL(newfstatat, EIO, 0),
    CALL(lseek, EIO, 0),           CALL(getdents64, EIO, 0),       CALL(fcntl, EIO, 0),
    CALL(flock, EIO, 0),           CALL(getsockopt, ENOBUFS, 0),   CALL(setsockopt, ENOBUFS, 0),
    CALL(read, EIO, WAITS | CUTS), CALL(pread64, EIO, CUTS),       CALL(readv, EIO, WAITS),
    CALL(write, ENOSPC, WAITS | CUTS), CALL(pwrite64, ENOSPC, CUTS), CALL(writev, ENOSPC, WAITS),
    CALL(sendto, ECONNRESET, WAITS | CUTS), CALL(sendmsg, ECONNRESET, WAITS), CALL(recvfrom, ECONNRESET, WAITS | CUTS),
    CALL(recvmsg, ECONNRESET, WAITS), CALL(poll, ENOMEM, WAITS),   CALL(ppoll, ENOMEM, WAITS),
    CALL(epoll_wait, EINTR, WAITS), CALL(epoll_pwait, EINTR, WAITS), CALL(copy_file_range, ENOSPC, 0),
    CALL(sendfile, ENOSPC, 0),     CALL(getrandom, EAGAIN, 0),     CALL(userfaultfd, EPERM, 0),
    CALL(ioctl, EIO, 0),           CALL(mprotect, ENOMEM, 0),
    CALL(access, EACCES, 0),       CALL(statfs, EIO, 0),           CALL(fstatfs, EIO, 0),
    CALL(statx, EIO, 0),           CALL(readlink, EIO, 0),         CALL(chmod, EPERM, 0),
    CALL(dup2, EMFILE, 0),         CALL(dup3, EMFILE, 0),          CALL(fdatasync, EIO, 0),
    CALL(close, EIO, CLOSES),      CALL(rmdir, EIO, 0),            CALL(getsockname, ENOBUFS, 0),
    CALL(prlimit64, EPERM, 0),     CALL(setpriority, EPERM, 0),    CALL(kill, EPERM, 0),
    CALL(timer_create, EAGAIN, 0), CALL(timer_settime, EINVAL, 0),
/* clang-format on */
#undef CALL
};
#define CALLS (sizeof calls / sizeof *calls)

/* The only place from where caught calls reach the kernel. */
long fail_nth_call(long number, const unsigned long long *arguments);
extern const char fail_nth_after[];
__asm__(".text\n"
        ".hidden fail_nth_call\n"
        ".hidden fail_nth_after\n"
        "fail_nth_call:\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rcx\n"
        "  mov 0(%rcx), %rdi\n"
        "  mov 8(%rcx), %rsi\n"
        "  mov 16(%rcx), %rdx\n"
        "  mov 24(%rcx), %r10\n"
        "  mov 32(%rcx), %r8\n"
        "  mov 40(%rcx), %r9\n"
        "  syscall\n"
        "fail_nth_after:\n"
        "  ret\n");

static long pass(long number, unsigned long long a, unsigned long long b, unsigned long long c) {
    return fail_nth_call(number, (const unsigned long long[6]){a, b, c});
}

static void report(const char *name) { (void)pass(SYS_write, (unsigned)report_fd, (uintptr_t)name, strlen(name)); }

/* Reads and writes of a wake-up: up to 16 bytes of a pipe, or an eventfd and its like.  libuv rightly aborts when they fail.
 * They are never shortened, nor are those of a message in a pipe: the kernel writes up to PIPE_BUF bytes at once, so a reader
 * of that size gets whole messages.  libuv passes signals that way, 16 bytes each: a short write makes it abort, and a short
 * read loses the signal, even SIGTERM. */
static int is_wake_up(const struct call *call, const unsigned long long *arguments) {
    struct stat status;
    if (call->number != SYS_read && call->number != SYS_write) return 0;
    if (pass(SYS_fstat, arguments[0], (uintptr_t)&status, 0)) return 0;
    unsigned most = mode == SHORT ? PIPE_BUF : 16;
    return arguments[0] > 2 && ((S_ISFIFO(status.st_mode) && arguments[2] <= most) || (status.st_mode & S_IFMT) == 0);
}

/* Is this the nth? */
static int is_nth(const char *name) {
    if (atomic_fetch_add(&seen, 1) + 1 != fail_at) return 0;
    report(name);
    return 1;
}

static void on_call(int signal, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    unsigned long long arguments[] = {(unsigned long long)registers[REG_RDI], (unsigned long long)registers[REG_RSI],
                                      (unsigned long long)registers[REG_RDX], (unsigned long long)registers[REG_R10],
                                      (unsigned long long)registers[REG_R8],  (unsigned long long)registers[REG_R9]};
    const struct call *call = calls;
    (void)signal;
    while (call < calls + CALLS - 1 && call->number != info->si_syscall) call++;
    int counts =
        mode == ERROR || (mode == EINTR_ && call->what & WAITS) || (mode == SHORT && call->what & CUTS && arguments[2] > 1);
    if (counts && !is_wake_up(call, arguments) && is_nth(call->name)) {
        if (mode == SHORT) arguments[2] = 1;
        if (call->what & CLOSES) (void)fail_nth_call(call->number, arguments);
        if (mode != SHORT) {
            registers[REG_RAX] = mode == ERROR ? -call->error : -EINTR;
            return;
        }
    }
    registers[REG_RAX] = fail_nth_call(call->number, arguments);
}

static void catch_calls(void) {
    struct sock_filter filter[CALLS + 12];
    unsigned count = 0;
    uint64_t allowed = (uintptr_t)fail_nth_after;
#define ADD(...) filter[count++] = (struct sock_filter)__VA_ARGS__
#define LOAD(member) ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, member)))
#define RETURN(what) ADD(BPF_STMT(BPF_RET | BPF_K, what))
    LOAD(instruction_pointer);
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed, 0, 3));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, instruction_pointer) + 4));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(allowed >> 32), 0, 1));
    RETURN(SECCOMP_RET_ALLOW);
    LOAD(nr);
    for (unsigned i = 0; i < CALLS; i++)
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, (uint8_t)(CALLS - i), 0));
    RETURN(SECCOMP_RET_ALLOW);
    RETURN(SECCOMP_RET_TRAP);
    struct sock_fprog program = {(unsigned short)count, filter};
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART};
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        static const char sorry[] = "fail_nth: no seccomp here\n";
        if (write(2, sorry, sizeof sorry - 1) < 0) {}
        _exit(99);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *word = getenv("FAULT_MODE"), *at = getenv("FAULT_AT"), *path = getenv("FAULT_REPORT");
    if (!word || !at || !path) return;
    fail_at = strtoul(at, NULL, 10);
    /* Far from the program's own descriptors, so that those keep their numbers. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    report_fd = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    close(fd);
    unsetenv("LD_PRELOAD");
    if (!strcmp(word, "alloc")) {
        mode = ALLOC;
        return;
    }
    mode = !strcmp(word, "error") ? ERROR : !strcmp(word, "eintr") ? EINTR_ : !strcmp(word, "short") ? SHORT : OFF;
    if (mode != OFF) catch_calls();
}

/* ---- SIGSYS stays open: a caught call of a thread that blocks it would end the process ---- */

static int mask(int how, const sigset_t *set, sigset_t *old) {
    sigset_t mine;
    if (set && how != SIG_UNBLOCK) {
        mine = *set;
        sigdelset(&mine, SIGSYS);
        set = &mine;
    }
    return (int)syscall(SYS_rt_sigprocmask, how, set, old, 8);
}

PUBLIC int sigprocmask(int how, const sigset_t *set, sigset_t *old) { return mask(how, set, old); }

PUBLIC int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
    int saved = errno, result = mask(how, set, old) ? errno : 0;
    errno = saved;
    return result;
}

PUBLIC int sigaction(int number, const struct sigaction *action, struct sigaction *old) {
    static int (*next)(int, const struct sigaction *, struct sigaction *);
    struct sigaction mine;
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "sigaction");
    if (action) {
        mine = *action;
        sigdelset(&mine.sa_mask, SIGSYS);
        action = &mine;
    }
    return next(number, action, old);
}

/* ---- whose code it was: we cannot fix libraries that end the process ---- */

static void report_caller(const char *before, void *caller) {
    Dl_info info;
    report(before);
    if (dladdr(caller, &info) && info.dli_fname)
        report(strrchr(info.dli_fname, '/') ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname);
}

PUBLIC void abort(void) {
    void (*next)(void);
    *(void **)&next = dlsym(RTLD_NEXT, "abort");
    if (report_fd >= 0) report_caller(" abort ", __builtin_return_address(0));
    next();
    __builtin_unreachable();
}

PUBLIC void __assert_fail(const char *text, const char *file, unsigned line, const char *function) {
    void (*next)(const char *, const char *, unsigned, const char *);
    *(void **)&next = dlsym(RTLD_NEXT, "__assert_fail");
    if (report_fd >= 0) report_caller(" abort ", __builtin_return_address(0));
    next(text, file, line, function);
    __builtin_unreachable();
}

/* ---- allocations ---- */

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

/* Also reports the caller. */
static int fails(const char *name, void *caller) {
    if (mode != ALLOC || !is_nth(name)) return 0;
    report_caller(" ", caller);
    errno = ENOMEM;
    return 1;
}

#define FAILS(name) fails(name, __builtin_return_address(0))

PUBLIC void *malloc(size_t bytes) { return FAILS("malloc") ? NULL : __libc_malloc(bytes); }
PUBLIC void *calloc(size_t count, size_t bytes) { return FAILS("calloc") ? NULL : __libc_calloc(count, bytes); }
PUBLIC void *realloc(void *memory, size_t bytes) { return FAILS("realloc") ? NULL : __libc_realloc(memory, bytes); }
PUBLIC void *memalign(size_t alignment, size_t bytes) { return FAILS("memalign") ? NULL : __libc_memalign(alignment, bytes); }
PUBLIC void *aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
PUBLIC int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    void *made = memalign(alignment, bytes);
    if (!made) return ENOMEM;
    *memory = made;
    return 0;
}
