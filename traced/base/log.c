/* SPDX-License-Identifier: MIT
 *
 * See log.h. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <proto/clock.h>
#include <proto/untrusted.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"error", "warning", "info", "debug"};
static enum log_level level_max = LOG_LEVEL_INFO;
static const char *file_path;
static int log_fd = STDERR_FILENO;

void log_set_level(enum log_level level) { level_max = level; }

int log_level_by_name(const char *name) {
    if (!strcmp(name, "warn")) return LOG_LEVEL_WARNING;
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (!strcmp(names[i], name)) return i;
    return -EINVAL;
}

static int open_file(const char *path) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return fd < 0 ? -errno : fd;
}

int log_open(const char *path) {
    int fd = open_file(path);
    if (fd < 0) return fd;
    file_path = path;
    log_fd = fd;
    return 0;
}

bool log_has_file(void) { return file_path; }

int log_reopen(void) {
    int fd = open_file(file_path);
    if (fd < 0) return fd;
    /* The descriptor keeps its number, so a thread that is about to write is not affected. */
    int error = dup3(fd, log_fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return error;
}

/* Lines that were dropped because nobody reads the pipe: traced does not wait for it. */
static _Atomic unsigned long unwritten;

/* A writable pipe has room for PIPE_BUF bytes, which is more than a line.  We do wait for stalled files and terminals. */
static bool would_block(int fd) {
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    struct stat status;
    return !fstat(fd, &status) && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) && !poll(&look, 1, 0);
}

static void write_line(int fd, const char *line, size_t length) {
    char told[80];
    if (would_block(fd)) {
        atomic_fetch_add(&unwritten, 1);
        return;
    }
    unsigned long count = atomic_exchange(&unwritten, 0);
    int bytes = count ? snprintf(told, sizeof told, "(%lu lines were dropped here because nobody read the log)\n", count) : 0;
    ssize_t written = bytes ? write(fd, told, (size_t)bytes) : 0;
    written = write(fd, line, length);
    (void)written; /* nowhere to report it */
}

void log_say(enum log_level level, const char *format, ...) {
    if (level > level_max) return;
    char line[1024], text[1024];
    uint64_t now_us = trace_now_unix_ns() / 1000;
    time_t now_s = (time_t)(now_us / 1000000);
    struct tm utc;
    gmtime_r(&now_s, &utc);
    size_t head = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    head += (size_t)snprintf(line + head, sizeof line - head, ".%06uZ %s ", (unsigned)(now_us % 1000000), names[level]);
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (count < 0) return;
    /* the newline replaces the NUL */
    size_t length = head + trace_show_text(line + head, sizeof line - head, text, strlen(text));
    line[length++] = '\n';
    write_line(log_fd, line, length);
    if (level == LOG_LEVEL_ERROR && log_fd != STDERR_FILENO) write_line(STDERR_FILENO, line, length);
}
