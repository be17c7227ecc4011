/* SPDX-License-Identifier: MIT */
#include "children.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- reaping ---- */

/* Written with SIGCHLD blocked, or by its handler. */
static struct child {
    volatile pid_t pid; /* 0: free */
    volatile bool ended;
    volatile int status;
    uint64_t number;
} slots[CHILDREN_MAX];

static void on_child(int number) {
    int error = errno, status;
    (void)number;
    for (unsigned i = 0; i < CHILDREN_MAX; i++) {
        if (!slots[i].pid || slots[i].ended || waitpid(slots[i].pid, &status, WNOHANG) != slots[i].pid) continue;
        slots[i].status = status;
        slots[i].ended = true;
    }
    errno = error;
}

static void hold_signal(bool hold) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* Reports how a child ended, if it failed, and frees its slot. */
static void conclude(struct child *child, const char *name) {
    char text[256];
    int status = child->status;
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "%.100s, of window %" PRIu64 ", was killed by signal %d", name, child->number,
                 WTERMSIG(status));
    else
        snprintf(text, sizeof text, "%.100s, of window %" PRIu64 ", ended with code %d", name, child->number,
                 WEXITSTATUS(status));
    if (status) output_note(text);
    *child = (struct child){0};
}

static void conclude_ended(const struct children *children) {
    hold_signal(true);
    for (unsigned i = 0; i < CHILDREN_MAX; i++)
        if (slots[i].pid && slots[i].ended) conclude(&slots[i], children->words[0]);
    hold_signal(false);
}

/* ---- the command ---- */

/* The next word of text, unquoted in place; NULL at the end.  *ret_open: a quote is not closed. */
static char *next_word(char **text, bool *ret_open) {
    char *at = *text + strspn(*text, " \t\n"), *word = at, *out = at, quote = 0;
    if (!*at) return NULL;
    for (; *at && (quote || !strchr(" \t\n", *at)); at++) {
        if (quote ? *at == quote : *at == '\'' || *at == '"')
            quote = quote ? 0 : *at;
        else
            *out++ = *at;
    }
    *text = *at ? at + 1 : at;
    *out = 0;
    *ret_open = quote;
    return word;
}

int children_init(struct children *children, const char *command, struct failure *failure) {
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    unsigned count = 0;
    bool open = false;
    *children = (struct children){.command = strdup(command)};
    char *rest = children->command, *word;
    if (!rest) return failure_out_of_memory(failure);
    while (!open && (word = next_word(&rest, &open))) {
        if (count == CHILD_WORDS_MAX) return failure_set(failure, EXIT_USAGE, "--exec: at most %u words", CHILD_WORDS_MAX);
        children->words[count++] = word;
    }
    if (open) return failure_set(failure, EXIT_USAGE, "--exec %s: a quote is not closed", command);
    if (!count) return failure_set(failure, EXIT_USAGE, "--exec names no program");
    sigaction(SIGCHLD, &action, NULL);
    return 0;
}

/* ---- running ---- */

static bool is_ours(const char *entry) {
    return !strncmp(entry, "P2PTRACE_WINDOW", strlen("P2PTRACE_WINDOW")) ||
           !strncmp(entry, "P2PTRACE_EVENT", strlen("P2PTRACE_EVENT"));
}

/* Our environment with the additions; NULL when out of memory. */
static char **environment_new(const json_t *more) {
    size_t count = 0, used = 0;
    const char *name;
    json_t *value;
    while (environ[count]) count++;
    char **entries = calloc(count + json_object_size(more) + 1, sizeof *entries);
    bool failed = !entries;
    for (size_t i = 0; !failed && i < count; i++)
        if (!is_ours(environ[i])) failed = !(entries[used] = strdup(environ[i])), used++;
    json_object_foreach((json_t *)more, name, value) {
        if (!failed) failed = asprintf(&entries[used++], "%s=%s", name, json_string_value(value)) < 0;
    }
    if (!failed) return entries;
    for (size_t i = 0; entries && i < used; i++) free(entries[i]);
    free(entries);
    return NULL;
}

static void environment_free(char **entries) {
    for (size_t i = 0; entries && entries[i]; i++) free(entries[i]);
    free(entries);
}

/* Returns 0 or an errno. */
static int spawn(pid_t *ret_pid, const char *const *words, char **environment) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO); /* stdout may carry windows */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawnp(ret_pid, words[0], &files, &attributes, (char *const *)words, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static struct child *free_slot(void) {
    for (unsigned i = 0; i < CHILDREN_MAX; i++)
        if (!slots[i].pid) return &slots[i];
    return NULL;
}

void children_run(struct children *children, uint64_t number, const json_t *environment) {
    char text[256];
    conclude_ended(children);
    struct child *child = free_slot();
    char **entries = child ? environment_new(environment) : NULL;
    if (!child) {
        snprintf(text, sizeof text, "%.100s was not run for window %" PRIu64 ": %u of them have not ended", children->words[0],
                 number, CHILDREN_MAX);
        output_note(text);
        return;
    }
    hold_signal(true);
    pid_t pid = 0;
    int error = entries ? spawn(&pid, children->words, entries) : ENOMEM;
    if (!error) *child = (struct child){.pid = pid, .number = number};
    hold_signal(false);
    environment_free(entries);
    if (!error) return;
    snprintf(text, sizeof text, "%.100s cannot be run: %s", children->words[0], strerror(error));
    output_note(text);
}

void children_fini(struct children *children) {
    hold_signal(true);
    for (unsigned i = 0; i < CHILDREN_MAX; i++) {
        int status = 0;
        if (!slots[i].pid) continue;
        if (!slots[i].ended) {
            while (waitpid(slots[i].pid, &status, 0) < 0 && errno == EINTR) continue;
            slots[i].status = status;
        }
        conclude(&slots[i], children->words[0]);
    }
    hold_signal(false);
    free(children->command);
    *children = (struct children){0};
}
