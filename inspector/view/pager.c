/* SPDX-License-Identifier: MIT */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 16
#define HEADER_VERSION 600 /* of less, which knows --header from then on */

static struct { volatile pid_t pid; /* 0: there is none */ } pager;

/* ---- ending ---- */

/* Async-signal-safe. */
static void close_and_wait(void) {
    pid_t pid = pager.pid;
    if (!pid) return;
    pager.pid = 0;
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

/* The pager got the signal of the terminal as well, and decides by itself whether it ends. */
static void on_signal(int number) {
    signal(number, SIG_IGN);
    close_and_wait();
    signal(number, SIG_DFL);
    raise(number);
}

void pager_end(void) {
    if (!pager.pid) return;
    signal(SIGINT, SIG_IGN);
    fflush(stdout);
    close_and_wait();
}

/* ---- starting ---- */

/* Splits a command at its blanks.  False when only a shell can read it. */
static bool split(char *command, const char **words) {
    unsigned count = 0;
    char *rest = NULL;
    if (strpbrk(command, "|&;<>()$`\\\"'*?[#~=%{}")) return false;
    for (char *word = strtok_r(command, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
        if (count + 1 == WORDS_MAX) return false;
        words[count++] = word;
    }
    words[count] = NULL;
    return count;
}

/* Runs in the child. */
static void run(const char *const *words, int input, int failed) {
    if (input != STDIN_FILENO) dup2(input, STDIN_FILENO);
    signal(SIGPIPE, SIG_DFL);
    setenv("LESS", "FRX", 0); /* what git does, too */
    execvp(words[0], (char *const *)words);
    int error = errno;
    if (write(failed, &error, sizeof error) < 0) _exit(126);
    _exit(127);
}

/* Starts a program with a pipe to it.  Returns the pipe, or -1. */
static int start(const char *const *words) {
    int pipe_ends[2], failed[2], error;
    if (pipe2(pipe_ends, O_CLOEXEC)) return -1;
    if (pipe2(failed, O_CLOEXEC)) {
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        return -1;
    }
    pid_t pid = fork();
    if (!pid) run(words, pipe_ends[0], failed[1]);
    close(pipe_ends[0]);
    close(failed[1]);
    bool runs = pid > 0 && read(failed[0], &error, sizeof error) == 0;
    close(failed[0]);
    if (runs) {
        pager.pid = pid;
        return pipe_ends[1];
    }
    close(pipe_ends[1]);
    if (pid > 0) waitpid(pid, NULL, 0);
    return -1;
}

bool pager_begin_with(const char *const *words) {
    int output = start(words);
    if (output < 0) return false;
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal}, before;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler == SIG_DFL) sigaction(numbers[i], &action, NULL);
    fflush(stdout);
    dup2(output, STDOUT_FILENO);
    if (isatty(STDERR_FILENO)) dup2(output, STDERR_FILENO);
    close(output);
    return true;
}

/* ---- less ---- */

/* Its version, 0 when it does not say. */
static int less_version(void) {
    int version = 0;
    FILE *said = popen("less --version 2>/dev/null", "re");
    if (said && fscanf(said, "less %d", &version) != 1) version = 0;
    if (said) pclose(said);
    return version;
}

bool pager_begin(bool titled) {
    const char *own = getenv("P2PTRACE_PAGER"), *chosen = own ? own : getenv("PAGER");
    const char *words[WORDS_MAX];
    char command[1024];
    bool is_less = !chosen || !strcmp(chosen, "less");
    if (!chosen) chosen = "less";
    if (!*chosen || !strcmp(chosen, "cat") || strlen(chosen) >= sizeof command) return false;
    strcpy(command, chosen);
    if (is_less && titled && !getenv("LESS") && less_version() >= HEADER_VERSION)
        return pager_begin_with((const char *[]){"less", "--header=1", NULL});
    if (!split(command, words)) return pager_begin_with((const char *[]){"sh", "-c", chosen, NULL});
    return pager_begin_with(words);
}
