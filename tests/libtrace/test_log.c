/* SPDX-License-Identifier: MIT
 *
 * A log's life: open, register applications, fork, close; and what happens when /dev/shm has no room. */
#include "../helpers/skip.h"
#include "ring_fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static unsigned count_objects(void) {
    DIR *dir = opendir(shm_dir);
    unsigned count = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) count += strncmp(entry->d_name, TRACE_SHM_PREFIX, strlen(TRACE_SHM_PREFIX)) == 0;
    closedir(dir);
    return count;
}

static unsigned count_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;
    while (readdir(dir) != NULL) count++;
    closedir(dir);
    return count;
}

START_TEST(an_object_is_private_and_names_its_creator) {
    struct trace_log *log = open_log(4096);
    struct trace_reader *reader = attach_log(log);
    const struct trace_reader_info *info = trace_reader_info(reader);
    struct stat status;
    struct trace_node_id id = id_of(1);
    ck_assert_int_eq(fstatat(shm_dir_fd, trace_log_name(log) + 1, &status, 0), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    ck_assert_mem_eq(&info->node_id, &id, sizeof id);
    ck_assert_str_eq(info->node_name, "alice");
    ck_assert_int_eq(info->pid, getpid());
    ck_assert_uint_eq(info->lane_events, 4096);
    ck_assert_uint_eq((uint64_t)status.st_size, info->object_bytes);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_LIVE);
    trace_log_close(log);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_EXITED);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(only_lanes_in_use_take_memory) {
    struct trace_log *log = open_log(65536);
    struct stat status;
    ck_assert_int_eq(fstatat(shm_dir_fd, trace_log_name(log) + 1, &status, 0), 0);
    ck_assert_uint_eq((uint64_t)status.st_blocks * 512, TRACE_SHM_HEADER_BYTES + 65536 * 128);
    trace_log_close(log);
}
END_TEST

START_TEST(open_and_close_leave_nothing_open_behind) {
    unsigned before = count_descriptors();
    for (int i = 0; i < 5; i++) trace_log_close(open_log(64));
    trace_log_close(NULL);
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

START_TEST(a_program_without_standard_streams_does_not_print_into_its_ring) {
    struct trace_log *log;
    ssize_t written[2];
    int saved[2];
    for (int i = 0; i < 2; i++) saved[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 100);
    for (int i = 0; i < 2; i++) close(STDOUT_FILENO + i);
    log = open_log(64);
    for (int i = 0; i < 2; i++) written[i] = write(STDOUT_FILENO + i, "overwritten", 11);
    for (int i = 0; i < 2; i++) dup2(saved[i], STDOUT_FILENO + i);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(written[i], -1);
    trace_reader_detach(attach_log(log));
    trace_log_close(log);
}
END_TEST

START_TEST(a_program_with_no_descriptor_left_above_them_leaves_no_object_behind) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = id_of(1)};
    struct rlimit three = {3, 3};
    pid_t child = fork();
    int status;
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++) close(fd);
        setrlimit(RLIMIT_NOFILE, &three);
        _exit(trace__log_open(&log, &options, 64) == -EINVAL && !log ? 0 : 1); /* as fcntl reports it */
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(count_objects(), 0);
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused) {
    struct trace_log *log = (struct trace_log *)&log;
    struct trace_log_options none = {.node_name = "x"}, good = {.node_id = id_of(1)}, policy = good;
    policy.policy = (enum trace_policy)7;
    ck_assert_int_eq(trace__log_open(&log, &none, 64), -EINVAL);
    ck_assert_int_eq(trace__log_open(&log, &policy, 64), -EINVAL);
    ck_assert_int_eq(trace__log_open(&log, &good, 100), -EINVAL);
    ck_assert_int_eq(trace__log_open(&log, &good, 32), -EINVAL);
    ck_assert_int_eq(trace__log_open(&log, &good, 1U << 25), -EINVAL);
    ck_assert_ptr_eq(log, (struct trace_log *)&log);
    ck_assert_uint_eq(count_objects(), 0);
}
END_TEST

START_TEST(a_missing_directory_is_an_error_and_a_null_log_emits_nothing) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = id_of(1)};
    char missing[sizeof shm_dir + sizeof "/missing"];
    snprintf(missing, sizeof missing, "%s/missing", shm_dir);
    setenv("P2PTRACE_SHM_DIR", missing, 1);
    ck_assert_int_eq(trace_log_open(&log, &options), -ENOENT);
    ck_assert_ptr_null(log);
    ck_assert_str_eq(trace_log_name(log), "");
    emit_codes(log, 0, 10);
}
END_TEST

/* ---- a small /dev/shm ------------------------------------------------------------------------------------------------------
 * Each of these tests runs twice: on a separate tmpfs, which needs permission to mount, and with reservations that fail as
 * they would there, which needs none. */

static size_t room_bytes; /* in the tests' directory; 0: as much as there is */

static size_t used_bytes(void) {
    DIR *dir = opendir(shm_dir);
    struct dirent *entry;
    struct stat status;
    size_t bytes = 0;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_type == DT_REG && fstatat(dirfd(dir), entry->d_name, &status, 0) == 0)
            bytes += (size_t)status.st_blocks * 512;
    closedir(dir);
    return bytes;
}

/* These four replace the C library's functions, with the same signatures. */
int posix_fallocate(int fd, off_t offset, off_t bytes) {
    if (room_bytes != 0 && used_bytes() + (size_t)bytes > room_bytes) return ENOSPC;
    return fallocate(fd, 0, offset, bytes) == 0 ? 0 : errno;
}

static bool old_kernel;         /* one without MADV_POPULATE_WRITE */
static bool cgroup_is_full;     /* memory is refused although the filesystem reports room */
static unsigned populations;    /* how often memory was requested */
static unsigned room_questions; /* how often the free room was queried */
static uint64_t later_ns;       /* how far CLOCK_MONOTONIC is ahead */

int madvise(void *at, size_t bytes, int advice) {
    bool populates = advice == MADV_POPULATE_WRITE;
    populations += populates;
    errno = populates && old_kernel ? EINVAL : populates && cgroup_is_full ? ENOMEM : EFAULT;
    if (populates && (old_kernel || cgroup_is_full || (room_bytes != 0 && used_bytes() + bytes > room_bytes))) return -1;
    return (int)syscall(SYS_madvise, at, bytes, advice);
}

int statfs(const char *path, struct statfs *ret_room) {
    int result = (int)syscall(SYS_statfs, path, ret_room);
    room_questions++;
    if (result != 0 || room_bytes == 0) return result;
    ret_room->f_blocks = room_bytes / (size_t)ret_room->f_bsize;
    ret_room->f_bavail = used_bytes() < room_bytes ? (room_bytes - used_bytes()) / (size_t)ret_room->f_bsize : 0;
    return 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time) {
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (clock == CLOCK_MONOTONIC) ret_time->tv_sec += (time_t)(later_ns / 1000000000);
    return result;
}

/* False: this variant is not possible here, so there is nothing to test. */
static bool make_small(int way, size_t mebibytes) {
    char options[64];
    room_bytes = 0;
    if (way == 1) {
        room_bytes = mebibytes << 20;
        return true;
    }
    snprintf(options, sizeof options, "size=%zum,mode=0700", mebibytes);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return false; /* it goes with us */
    if (mount("tmpfs", shm_dir, "tmpfs", 0, options) != 0) return false;
    close(shm_dir_fd);
    shm_dir_fd = open(shm_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return true;
}

static void unmake_small(int way) {
    room_bytes = 0;
    if (way == 0) umount2(shm_dir, MNT_DETACH);
}

START_TEST(a_full_shm_is_an_error_at_open_and_never_a_sigbus) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = id_of(1)};
    if (!make_small(_i, 4)) SKIP_TEST("no file system can be mounted here");
    ck_assert_int_eq(trace__log_open(&log, &options, 65536), -ENOSPC);
    ck_assert_uint_eq(count_objects(), 0);
    ck_assert_int_eq(trace__log_open(&log, &options, 4096), 0);
    emit_codes(log, 0, 10000);
    trace_log_close(log);
    unmake_small(_i);
}
END_TEST

START_TEST(dead_rings_make_room_when_shm_is_full) {
    struct trace_log *log;
    if (!make_small(_i, 3)) SKIP_TEST("no file system can be mounted here");
    for (int i = 0; i < 5; i++) {
        log = open_log(16384); /* 2 MiB: a second one does not fit */
        trace_log_close(log);
    }
    ck_assert_uint_eq(count_objects(), 1);
    unmake_small(_i);
}
END_TEST

START_TEST(dead_rings_are_removed_when_even_a_header_does_not_fit) {
    trace_log_close(open_log(64));
    room_bytes = used_bytes();
    trace_log_close(open_log(64));
    ck_assert_uint_eq(count_objects(), 1);
    room_bytes = 0;
}
END_TEST

START_TEST(a_living_ring_never_makes_room) {
    struct trace_log *log, *second = NULL;
    struct trace_log_options options = {.node_id = id_of(2)};
    if (!make_small(_i, 3)) SKIP_TEST("no file system can be mounted here");
    log = open_log(16384);
    ck_assert_int_eq(trace__log_open(&second, &options, 16384), -ENOSPC);
    emit_codes(log, 0, 20000);
    ck_assert_uint_eq(count_objects(), 1);
    trace_log_close(log);
    unmake_small(_i);
}
END_TEST

static void *emit_hundred(void *log) {
    emit_codes(log, 0, 100);
    return NULL;
}

START_TEST(a_thread_that_gets_no_lane_loses_its_events_and_they_are_counted) {
    struct trace_log *log;
    struct trace_reader *reader;
    pthread_t thread;
    if (!make_small(_i, 3)) SKIP_TEST("no file system can be mounted here");
    log = open_log(16384);
    reader = attach_log(log);
    pthread_create(&thread, NULL, emit_hundred, log);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(trace_reader_no_lane(reader), 100);
    trace_reader_detach(reader);
    trace_log_close(log);
    unmake_small(_i);
}
END_TEST

/* ---- a shortage of memory for lanes ------------------------------------------------------------------------------------ */

static pthread_barrier_t may_emit, has_emitted;

/* Emits 1000 events each time it is allowed to. */
static void *emit_in_turns(void *log) {
    for (;;) {
        pthread_barrier_wait(&may_emit);
        if (!log) return NULL;
        emit_codes(log, 0, 1000);
        pthread_barrier_wait(&has_emitted);
    }
}

static void turn(void) {
    populations = room_questions = 0;
    pthread_barrier_wait(&may_emit);
    pthread_barrier_wait(&has_emitted);
}

/* A log whose second thread, which emits with turn(), gets no lane: it lost the first thousand of its events. */
static struct trace_log *open_short_log(struct trace_reader **ret_reader) {
    struct trace_log *log = open_log(16384); /* 2 MiB a lane */
    pthread_t thread;
    *ret_reader = attach_log(log);
    pthread_barrier_init(&may_emit, NULL, 2);
    pthread_barrier_init(&has_emitted, NULL, 2);
    if (!cgroup_is_full) room_bytes = used_bytes() + (1 << 20);
    ck_assert_int_eq(pthread_create(&thread, NULL, emit_in_turns, log), 0);
    pthread_detach(thread);
    turn();
    ck_assert_uint_eq(trace_reader_no_lane(*ret_reader), 1000);
    return log;
}

START_TEST(a_thread_without_a_lane_asks_for_one_seldom) {
    struct trace_reader *reader;
    open_short_log(&reader);
    ck_assert_uint_eq(populations, 0); /* the filesystem had reported no room */
    ck_assert_uint_le(room_questions, 2);
    for (unsigned second = 1; second <= 60; second++) {
        later_ns += UINT64_C(1000000000);
        turn();
        ck_assert_uint_eq(populations, 0);
        ck_assert_uint_le(room_questions, 1);
    }
    ck_assert_uint_eq(trace_reader_no_lane(reader), 61000);
    room_bytes = 0;
    turn(); /* less than a second has passed */
    ck_assert_uint_eq(trace_reader_no_lane(reader), 62000);
    later_ns += UINT64_C(1000000000);
    turn();
    ck_assert_uint_eq(trace_reader_no_lane(reader), 62000);
    ck_assert_uint_eq(populations, 1);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(retries_for_refused_memory_become_rarer) {
    struct trace_reader *reader;
    unsigned asked = 0;
    open_log(64);
    cgroup_is_full = true;
    {
        struct trace_log *log = NULL;
        struct trace_log_options options = {.node_id = id_of(1)};
        ck_assert_int_eq(trace__log_open(&log, &options, 16384), -ENOMEM);
        cgroup_is_full = false;
    }
    room_bytes = 0;
    open_short_log(&reader);
    room_bytes = 0;
    cgroup_is_full = true;
    for (unsigned second = 0; second < 1000; second++) {
        later_ns += UINT64_C(1000000000);
        turn();
        asked += populations;
    }
    ck_assert_uint_ge(asked, 5);
    ck_assert_uint_le(asked, 12);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(a_returned_lane_ends_a_shortage_at_once) {
    struct trace_reader *reader;
    struct trace_log *log = open_short_log(&reader);
    pthread_t thread;
    room_bytes = 0; /* for a third thread, after a second */
    later_ns += UINT64_C(1000000000);
    pthread_create(&thread, NULL, emit_hundred, log);
    pthread_join(thread, NULL);
    room_bytes = 1;
    turn();
    ck_assert_uint_eq(trace_reader_no_lane(reader), 1000);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(rings_of_dead_nodes_make_room_for_a_later_threads_lane) {
    struct trace_reader *reader;
    struct trace_log *log;
    trace_log_close(open_log(16384));
    log = open_log(16384);
    reader = attach_log(log);
    room_bytes = used_bytes();
    pthread_t thread;
    pthread_create(&thread, NULL, emit_hundred, log);
    pthread_join(thread, NULL);
    ck_assert_uint_eq(trace_reader_no_lane(reader), 0);
    ck_assert_uint_eq(count_objects(), 1);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(a_kernel_that_cannot_populate_gets_lanes_by_the_objects_name) {
    struct trace_reader *reader;
    struct trace_lane_count count;
    struct trace_log *log;
    pthread_t thread;
    old_kernel = true;
    log = open_log(4096);
    reader = attach_log(log);
    pthread_create(&thread, NULL, emit_hundred, log);
    pthread_join(thread, NULL);
    trace_reader_count(reader, 1, &count);
    ck_assert_uint_eq(count.behind, 100);
    ck_assert_uint_eq(used_bytes(), TRACE_SHM_HEADER_BYTES + 2 * 4096 * 128);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_limit_of_file_sizes_is_an_error_at_open_and_no_signal) {
    struct trace_log *log = NULL;
    struct trace_log_options options = {.node_id = id_of(1)};
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1 << 20;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(trace_log_open(&log, &options), -EFBIG);
    ck_assert_ptr_null(log);
    ck_assert_uint_eq(count_objects(), 0);
    ck_assert_int_eq(trace__log_open(&log, &options, 64), 0); /* one that fits */
    trace_log_close(log);
}
END_TEST

/* Bytes of this process that are locked in memory. */
static unsigned long locked_kib(void) {
    char line[256];
    unsigned long kib = 1;
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmLck: %lu", &kib) == 1) break;
    fclose(file);
    return kib;
}

START_TEST(a_log_locks_no_memory_and_needs_no_permission_for_it) {
    struct rlimit none = {0, 0};
    struct trace_log *log;
    struct trace_reader *reader;
    struct trace_lane_count count;
    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    log = open_log(65536);
    emit_codes(log, 0, 70000); /* more than a lap */
    ck_assert_uint_eq(locked_kib(), 0);
    reader = attach_log(log);
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.behind, 70000);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(rings_of_dead_nodes_do_not_pile_up) {
    for (int i = 0; i < 60; i++) trace_log_close(open_log(64));
    ck_assert_uint_le(count_objects(), 33);
}
END_TEST

START_TEST(a_forked_child_writes_nothing_into_its_parents_ring) {
    struct trace_log *log = open_log(1024);
    struct trace_reader *reader = attach_log(log);
    struct trace_event event;
    struct trace_read read;
    int status;
    pid_t child;
    emit_codes(log, 0, 1);
    child = fork();
    if (child == 0) {
        struct trace_log *own = NULL;
        struct trace_log_options options = {.node_id = id_of(9)};
        emit_codes(log, 1000, 1100);
        if (trace__log_open(&own, &options, 64) != 0) _exit(1);
        emit_codes(own, 0, 5);
        trace_log_close(log); /* the child closes both */
        trace_log_close(own);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    emit_codes(log, 1, 2);
    for (uint32_t i = 0; i < 2; i++) {
        trace_reader_read(reader, 0, &event, 1, false, 1, &read);
        ck_assert_uint_eq(read.count, 1);
        ck_assert_uint_eq(code_of(&event), i);
    }
    trace_reader_read(reader, 0, &event, 1, false, 1, &read);
    ck_assert_uint_eq(read.count, 0);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_LIVE);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

/* No fork handler runs. */
START_TEST(a_child_of_a_raw_fork_writes_nothing_into_its_parents_ring) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    int status;
    pid_t child;
    emit_codes(log, 0, 1);
    child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        emit_codes(log, 1000, 1100);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    for (unsigned lane = 0; lane < TRACE_LANES_MAX; lane++) {
        struct trace_lane_count count;
        trace_reader_count(reader, lane, &count);
        ck_assert_uint_eq(count.behind, lane == 0 ? 1 : 0);
    }
    ck_assert_uint_eq(trace_reader_no_lane(reader), 0);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

START_TEST(a_child_that_lives_on_does_not_keep_its_dead_parent_alive) {
    int from_parent[2], hold[2];
    char name[80] = {0};
    struct trace_reader *reader;
    pid_t parent;
    ck_assert_int_eq(pipe(from_parent), 0);
    ck_assert_int_eq(pipe(hold), 0);
    parent = fork();
    if (parent == 0) {
        struct trace_log *log = open_log(64);
        char byte;
        (void)!write(from_parent[1], trace_log_name(log) + 1, strlen(trace_log_name(log)));
        if (fork() == 0) { /* the grandchild stays until the test closes the pipe */
            close(hold[1]);
            (void)!write(from_parent[1], "!", 1);
            (void)!read(hold[0], &byte, 1);
            _exit(0);
        }
        raise(SIGKILL);
    }
    waitpid(parent, NULL, 0);
    for (size_t got = 0; got == 0 || name[got - 1] != '!'; got++) ck_assert_int_eq(read(from_parent[0], name + got, 1), 1);
    reader = attach(name);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_CRASHED);
    close(hold[1]);
    trace_reader_detach(reader);
}
END_TEST

START_TEST(a_childs_lane_bears_the_name_of_the_childs_own_thread) {
    struct trace_log *log = open_log(64);
    int status;
    pid_t child;
    emit_codes(log, 0, 1);
    child = fork();
    if (child == 0) {
        struct trace_log *own = open_log(64);
        struct trace_lane_count count;
        emit_codes(own, 0, 1);
        trace_reader_count(attach_log(own), 0, &count);
        _exit(count.thread_id == (uint32_t)getpid() ? 0 : 1);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    trace_log_close(log);
}
END_TEST

static uint32_t fork_and_say(pid_t *ret_child) {
    *ret_child = fork();
    return 0;
}

/* The control word has been read when the arguments are evaluated. */
START_TEST(a_child_that_is_forked_by_an_argument_emits_nothing) {
    struct trace_log *log = open_log(64);
    struct trace_reader *reader = attach_log(log);
    struct trace_lane_count count;
    int status;
    pid_t child = -1;
    TRACE_CUSTOM(log, NULL, NULL, 0, fork_and_say(&child), NULL, 0);
    if (child == 0) _exit(0);
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    trace_reader_count(reader, 0, &count);
    ck_assert_uint_eq(count.emitted, 1);
    trace_reader_detach(reader);
    trace_log_close(log);
}
END_TEST

#define FORKS 40

static atomic_bool enough;

static void *open_and_close(void *unused) {
    while (!enough) trace_log_close(open_log(64));
    return unused;
}

static void *register_again_and_again(void *log) {
    static const struct trace_app app = {.app_id = {'D', 'E', 'M', 'O'}, .name = "demo"};
    while (!enough) trace_log_register_app(log, &app);
    return NULL;
}

/* Children that stay alive while their parent opens and closes logs. */
START_TEST(a_fork_during_an_open_or_close_keeps_no_log_alive) {
    pthread_t thread;
    pid_t children[FORKS];
    int hold[2], ready[2];
    char byte;
    struct dirent *entry;
    DIR *dir;
    ck_assert_int_eq(pipe(hold), 0);
    ck_assert_int_eq(pipe(ready), 0);
    pthread_create(&thread, NULL, open_and_close, NULL);
    for (unsigned i = 0; i < FORKS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(hold[1]);
            (void)!write(ready[1], "!", 1);
            (void)!read(hold[0], &byte, 1);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < FORKS; i++) ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    enough = true;
    pthread_join(thread, NULL);
    dir = opendir(shm_dir);
    while ((entry = readdir(dir)) != NULL) {
        struct trace_reader *reader;
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, strlen(TRACE_SHM_PREFIX)) != 0) continue;
        reader = attach(entry->d_name);
        ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_EXITED);
        trace_reader_detach(reader);
    }
    closedir(dir);
    close(hold[1]);
    for (unsigned i = 0; i < FORKS; i++) waitpid(children[i], NULL, 0);
}
END_TEST

START_TEST(a_child_forked_during_a_registration_can_register_its_own) {
    static const struct trace_app app = {.app_id = {'O', 'W', 'N', '1'}, .name = "own"};
    struct trace_log *log = open_log(64);
    pthread_t thread;
    int status;
    pthread_create(&thread, NULL, register_again_and_again, log);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(100); /* in case it waited for a thread that it does not have */
            _exit(trace_log_register_app(open_log(64), &app) == 0 ? 0 : 1);
        }
        waitpid(child, &status, 0);
        ck_assert_int_eq(status, 0);
    }
    enough = true;
    pthread_join(thread, NULL);
    trace_log_close(log);
}
END_TEST

START_TEST(exit_without_close_is_an_orderly_end) {
    int from_child[2];
    char name[80] = {0};
    struct trace_reader *reader;
    pid_t child;
    ck_assert_int_eq(pipe(from_child), 0);
    child = fork();
    if (child == 0) {
        struct trace_log *log = open_log(64);
        emit_codes(log, 0, 3);
        (void)!write(from_child[1], trace_log_name(log) + 1, strlen(trace_log_name(log)));
        exit(0);
    }
    waitpid(child, NULL, 0);
    ck_assert_int_gt(read(from_child[0], name, sizeof name - 1), 0);
    reader = attach(name);
    ck_assert_int_eq(trace_reader_state(reader), TRACE_NODE_EXITED);
    trace_reader_detach(reader);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("life");
    tcase_add_checked_fixture(tcase, setup_shm_dir, teardown_shm_dir);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, an_object_is_private_and_names_its_creator);
    tcase_add_test(tcase, only_lanes_in_use_take_memory);
    tcase_add_test(tcase, open_and_close_leave_nothing_open_behind);
    tcase_add_test(tcase, a_program_without_standard_streams_does_not_print_into_its_ring);
    tcase_add_test(tcase, a_program_with_no_descriptor_left_above_them_leaves_no_object_behind);
    tcase_add_test(tcase, options_that_make_no_sense_are_refused);
    tcase_add_test(tcase, a_missing_directory_is_an_error_and_a_null_log_emits_nothing);
    tcase_add_loop_test(tcase, a_full_shm_is_an_error_at_open_and_never_a_sigbus, 0, 2);
    tcase_add_loop_test(tcase, dead_rings_make_room_when_shm_is_full, 0, 2);
    tcase_add_test(tcase, dead_rings_are_removed_when_even_a_header_does_not_fit);
    tcase_add_loop_test(tcase, a_living_ring_never_makes_room, 0, 2);
    tcase_add_loop_test(tcase, a_thread_that_gets_no_lane_loses_its_events_and_they_are_counted, 0, 2);
    tcase_add_test(tcase, a_thread_without_a_lane_asks_for_one_seldom);
    tcase_add_test(tcase, retries_for_refused_memory_become_rarer);
    tcase_add_test(tcase, a_returned_lane_ends_a_shortage_at_once);
    tcase_add_test(tcase, rings_of_dead_nodes_make_room_for_a_later_threads_lane);
    tcase_add_test(tcase, a_kernel_that_cannot_populate_gets_lanes_by_the_objects_name);
    tcase_add_test(tcase, a_limit_of_file_sizes_is_an_error_at_open_and_no_signal);
    tcase_add_test(tcase, a_log_locks_no_memory_and_needs_no_permission_for_it);
    tcase_add_test(tcase, rings_of_dead_nodes_do_not_pile_up);
    tcase_add_test(tcase, a_forked_child_writes_nothing_into_its_parents_ring);
    tcase_add_test(tcase, a_child_of_a_raw_fork_writes_nothing_into_its_parents_ring);
    tcase_add_test(tcase, a_child_that_lives_on_does_not_keep_its_dead_parent_alive);
    tcase_add_test(tcase, a_childs_lane_bears_the_name_of_the_childs_own_thread);
    tcase_add_test(tcase, a_child_that_is_forked_by_an_argument_emits_nothing);
    tcase_add_test(tcase, a_fork_during_an_open_or_close_keeps_no_log_alive);
    tcase_add_test(tcase, a_child_forked_during_a_registration_can_register_its_own);
    tcase_add_test(tcase, exit_without_close_is_an_orderly_end);
    suite_add_tcase(suite, tcase);
    run_suite_or_exit(suite);
}
