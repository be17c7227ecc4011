/* SPDX-License-Identifier: MIT */
#include "login_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(int fd, const char *path, struct failure *failure) {
    struct stat status;
    if (fstat(fd, &status)) return failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode)) return failure_set(failure, EXIT_FAILED, "%s is not a file", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return failure_set(failure, EXIT_FAILED, "%s belongs to another user, who could change the password: chown it", path);
    if (status.st_mode & 077)
        return failure_set(failure, EXIT_FAILED, "%s can be read or written by others: chmod 600 %s", path, path);
    return 0;
}

/* Takes "user:password" with or without the end of its line apart. */
static int split_login(struct login *login, char *text, const char *path, struct failure *failure) {
    char *colon = strchr(text, ':');
    size_t end = strcspn(text, "\r\n");
    if (text[end + strspn(text + end, "\r\n")]) return failure_set(failure, EXIT_FAILED, "%s has more than one line", path);
    text[end] = 0;
    if (!colon || colon == text || colon >= text + end + 1)
        return failure_set(failure, EXIT_FAILED, "%s must have one line: user:password", path);
    *colon = 0;
    if (strlen(text) >= sizeof login->user || strlen(colon + 1) >= sizeof login->password)
        return failure_set(failure, EXIT_FAILED, "%s has a user or password that is too long", path);
    strcpy(login->user, text);
    strcpy(login->password, colon + 1);
    return 0;
}

int login_file_read(struct login *ret_login, const char *path, struct failure *failure) {
    char text[sizeof ret_login->user + sizeof ret_login->password + 4];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    int result = check(fd, path, failure);
    ssize_t count = result ? 0 : read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    if (result) return -1;
    if (count < 0) return failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(error));
    text[count] = 0;
    result = failure_check_text(failure, EXIT_FAILED, path, text, (size_t)count);
    if (!result) result = split_login(ret_login, text, path, failure);
    explicit_bzero(text, sizeof text);
    return result;
}
