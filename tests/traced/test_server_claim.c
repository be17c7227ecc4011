/* SPDX-License-Identifier: MIT
 *
 * The claim to a socket path: who gets it, who is refused with a reason, and what is left behind. */
#include "../helpers/scratch.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <socket_claim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[SCRATCH_BYTES], path[TRACE_SOCKET_PATH_BYTES], lock_path[TRACE_SOCKET_PATH_BYTES + 8];
static char reason[TRACE_SOCKET_REASON_BYTES];

static void set_up(void) {
    ck_assert_ptr_nonnull(make_scratch(directory));
    snprintf(path, sizeof path, "%s/d/traced.sock", directory);
    snprintf(lock_path, sizeof lock_path, "%s.lock", path);
    reason[0] = 0;
}

static void tear_down(void) {
    char inner[TRACE_SOCKET_PATH_BYTES];
    snprintf(inner, sizeof inner, "%s/d", directory);
    unlink(path);
    unlink(lock_path);
    ck_assert_int_eq(rmdir(inner), 0); /* nothing else was left */
    ck_assert_int_eq(rmdir(directory), 0);
}

static mode_t mode_of(const char *name) {
    struct stat info;
    ck_assert_int_eq(lstat(name, &info), 0);
    return info.st_mode & 0777;
}

START_TEST(directory_and_socket_are_private_and_removed_at_the_end) {
    struct socket_claim claim;
    char inner[TRACE_SOCKET_PATH_BYTES];
    snprintf(inner, sizeof inner, "%s/d", directory);
    umask(0);
    ck_assert_msg(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason) == 0, "%s", reason);
    ck_assert_uint_eq(mode_of(inner), 0700);
    ck_assert_uint_eq(mode_of(path), 0600);
    ck_assert_uint_eq(mode_of(lock_path), 0600);
    socket_claim_release(&claim);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(access(lock_path, F_OK), -1);
}
END_TEST

START_TEST(a_second_one_is_refused_with_the_pid_of_the_first) {
    struct socket_claim first, second;
    char pid[32];
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    ck_assert_int_eq(socket_claim_take(&first, path, CREDENTIALS_NO_GROUP, reason), 0);
    ck_assert_int_eq(socket_claim_take(&second, path, CREDENTIALS_NO_GROUP, reason), -EADDRINUSE);
    ck_assert_msg(strstr(reason, pid) && strstr(reason, path), "%s", reason);
    ck_assert_int_eq(access(path, F_OK), 0);
    socket_claim_release(&first);
    ck_assert_int_eq(socket_claim_take(&second, path, CREDENTIALS_NO_GROUP, reason), 0);
    socket_claim_release(&second);
}
END_TEST

START_TEST(the_socket_of_one_that_was_killed_is_taken_over) {
    pid_t child = fork();
    if (!child) {
        struct socket_claim claim;
        int error = socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason);
        _exit(error ? 1 : 0); /* without a release */
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(access(path, F_OK), 0);
    struct socket_claim claim;
    ck_assert_msg(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason) == 0, "%s", reason);
    socket_claim_release(&claim);
}
END_TEST

START_TEST(a_file_that_is_not_a_socket_is_left_alone) {
    char inner[TRACE_SOCKET_PATH_BYTES];
    snprintf(inner, sizeof inner, "%s/d", directory);
    mkdir(inner, 0700);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct socket_claim claim;
    ck_assert_int_eq(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason), -EEXIST);
    ck_assert_msg(strstr(reason, "not a socket"), "%s", reason);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_listener_without_the_lock_is_not_robbed) {
    char inner[TRACE_SOCKET_PATH_BYTES];
    snprintf(inner, sizeof inner, "%s/d", directory);
    mkdir(inner, 0700);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 4), 0);
    struct socket_claim claim;
    ck_assert_int_eq(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason), -EADDRINUSE);
    ck_assert_msg(strstr(reason, "already serves"), "%s", reason);
    close(fd);
}
END_TEST

START_TEST(a_directory_that_others_can_write_is_refused) {
    char inner[TRACE_SOCKET_PATH_BYTES];
    snprintf(inner, sizeof inner, "%s/d", directory);
    mkdir(inner, 0700);
    chmod(inner, 0777);
    struct socket_claim claim;
    ck_assert_int_eq(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason), -EPERM);
    ck_assert_msg(strstr(reason, "can be written by others"), "%s", reason);
    chmod(inner, 01777); /* sticky, like /tmp */
    ck_assert_int_eq(socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason), 0);
    socket_claim_release(&claim);
}
END_TEST

START_TEST(the_user_root_and_the_groups_members_may_enter) {
    gid_t groups[] = {7, 50, 8};
    const struct credentials peers[] = {
        {.uid = 1000, .gid = 1},                                     /* the user */
        {.uid = 0, .gid = 1},                                        /* root */
        {.uid = 2000, .gid = 50},                                    /* by the first group */
        {.uid = 2000, .gid = 1, .groups = groups, .group_count = 3}, /* by another */
        {.uid = 2000, .gid = 1, .groups = groups, .group_count = 1}, /* not yet */
        {.uid = 2000, .gid = CREDENTIALS_NO_GROUP},                  /* of no group, which nobody is in */
    };
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        ck_assert_msg(credentials_may_enter(&peers[i], 1000, 50) == (i < 4), "%zu, with a group", i);
        ck_assert_msg(credentials_may_enter(&peers[i], 1000, CREDENTIALS_NO_GROUP) == (i < 2), "%zu, without", i);
    }
}
END_TEST

START_TEST(of_many_that_start_at_once_one_wins) {
    enum { STARTERS = 16, ROUNDS = 20 };
    for (int round = 0; round < ROUNDS; round++) {
        int won[2], go[2];
        ck_assert_int_eq(pipe(won) | pipe(go), 0);
        for (int i = 0; i < STARTERS; i++) {
            if (fork()) continue;
            struct socket_claim claim;
            char byte;
            close(go[1]);
            while (read(go[0], &byte, 1) > 0) continue; /* all start when the parent closes it */
            if (!socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason)) {
                ssize_t n = write(won[1], "w", 1);
                (void)n;
                close(won[1]);
                pause(); /* holds it until it is killed */
            }
            _exit(0);
        }
        close(go[0]);
        close(go[1]);
        close(won[1]);
        char wins[STARTERS];
        ssize_t count = 0;
        int losers = 0;
        while (losers < STARTERS - 1 && wait(NULL) > 0) losers++; /* all but the winner end by themselves */
        for (ssize_t n; (n = read(won[0], wins + count, sizeof wins - (size_t)count)) > 0;) count += n;
        ck_assert_int_eq(count, 1);
        close(won[0]);
        /* The socket identifies the winner; the next round takes over what it leaves. */
        struct ucred peer;
        socklen_t bytes = sizeof peer;
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes), 0);
        close(fd);
        ck_assert_int_eq(kill(peer.pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(peer.pid, NULL, 0), peer.pid);
    }
}
END_TEST

START_TEST(servers_that_come_and_go_never_overlap) {
    enum { PROCESSES = 6, ROUNDS = 400 };
    char inside[sizeof directory + 8];
    snprintf(inside, sizeof inside, "%s/inside", directory);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork()) continue;
        for (int round = 0; round < ROUNDS; round++) {
            struct socket_claim claim;
            int error = socket_claim_take(&claim, path, CREDENTIALS_NO_GROUP, reason);
            if (error == -EADDRINUSE) continue;
            int fd = error ? -1 : open(inside, O_CREAT | O_EXCL | O_WRONLY, 0600);
            if (fd < 0) _exit(1);
            close(fd);
            unlink(inside);
            socket_claim_release(&claim);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("server_claim");
    TCase *claims = tcase_create("claims");
    tcase_set_timeout(claims, 60);
    tcase_add_checked_fixture(claims, set_up, tear_down);
    tcase_add_test(claims, directory_and_socket_are_private_and_removed_at_the_end);
    tcase_add_test(claims, a_second_one_is_refused_with_the_pid_of_the_first);
    tcase_add_test(claims, the_socket_of_one_that_was_killed_is_taken_over);
    tcase_add_test(claims, a_file_that_is_not_a_socket_is_left_alone);
    tcase_add_test(claims, a_listener_without_the_lock_is_not_robbed);
    tcase_add_test(claims, a_directory_that_others_can_write_is_refused);
    tcase_add_test(claims, of_many_that_start_at_once_one_wins);
    tcase_add_test(claims, servers_that_come_and_go_never_overlap);
    suite_add_tcase(suite, claims);
    TCase *peers = tcase_create("peers");
    tcase_add_test(peers, the_user_root_and_the_groups_members_may_enter);
    suite_add_tcase(suite, peers);
    return suite_run(suite);
}
