/* SPDX-License-Identifier: MIT
 *
 * See recorder_files.h. */
#include "recorder_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "p2ptrace-"
#define SUFFIX ".p2rec"
#define SUFFIX_PART ".p2rec.part"

struct old_file {
    char name[RECORDER_NAME_BYTES];
    uint64_t bytes, written_unix_ns;
};

void recorder_name(char out[RECORDER_NAME_BYTES], uint64_t instance, uint64_t number) {
    snprintf(out, RECORDER_NAME_BYTES, PREFIX "%016" PRIx64 "-%010" PRIu64 SUFFIX, instance, number);
}

/* Matches only our own names: other recordings in the directory are not ours to remove. */
static bool has_form(const char *name, const char *suffix) {
    size_t length = strlen(name), tail = strlen(suffix);
    return length < RECORDER_NAME_BYTES && length > tail && strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           strcmp(name + length - tail, suffix) == 0;
}

/* An unlocked part was left by a recorder that was killed. */
static void remove_part(int dir_fd, const char *name) {
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) (void)unlinkat(dir_fd, name, 0);
    close(fd);
}

static int by_age(const void *a, const void *b) {
    const struct old_file *x = a, *y = b;
    if (x->written_unix_ns != y->written_unix_ns) return x->written_unix_ns < y->written_unix_ns ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Lists the recordings of a directory.  Returns their number or a negative errno. */
static long list(DIR *dir, struct old_file **ret_files) {
    struct old_file *files = NULL;
    size_t count = 0, capacity = 0;

    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat status;
        if (has_form(entry->d_name, SUFFIX_PART)) remove_part(dirfd(dir), entry->d_name);
        if (!has_form(entry->d_name, SUFFIX)) continue;
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) continue;
        if (count == capacity) {
            struct old_file *grown = realloc(files, (capacity = capacity == 0 ? 64 : 2 * capacity) * sizeof *files);
            if (!grown) {
                free(files);
                return -ENOMEM;
            }
            files = grown;
        }
        strcpy(files[count].name, entry->d_name);
        files[count].bytes = (uint64_t)status.st_blocks * 512;
        files[count++].written_unix_ns =
            (uint64_t)status.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)status.st_mtim.tv_nsec;
    }
    *ret_files = files;
    return (long)count;
}

int recorder_remove_old(int dir_fd, uint64_t bytes_max, uint64_t oldest_unix_ns) {
    int own_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), removed = 0;
    DIR *dir = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    struct old_file *files = NULL;
    uint64_t bytes = 0;
    long count;

    if (!dir) {
        int error = -errno;
        if (own_fd >= 0) close(own_fd);
        return error;
    }
    count = list(dir, &files);
    if (count > 0) qsort(files, (size_t)count, sizeof *files, by_age);
    for (long i = 0; i < count; i++) bytes += files[i].bytes;
    for (long i = 0; i < count - 1; i++) {
        if (files[i].written_unix_ns >= oldest_unix_ns && (bytes_max == 0 || bytes <= bytes_max)) break;
        if (unlinkat(dir_fd, files[i].name, 0) != 0) continue;
        bytes -= files[i].bytes;
        removed++;
    }
    free(files);
    closedir(dir);
    return count < 0 ? (int)count : removed;
}
