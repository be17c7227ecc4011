/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include "allocation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_name(char out[SPOOL_NAME_BYTES], uint64_t instance, uint64_t number) {
    snprintf(out, SPOOL_NAME_BYTES, "p2ptrace-%016" PRIx64 "-%010" PRIu64 ".p2rec", instance, number);
}

/* Accepts a name only if writing it again gives the same text: traced uses no others. */
static bool read_name(const char *name, uint64_t *ret_instance, uint64_t *ret_number) {
    char again[SPOOL_NAME_BYTES];
    if (sscanf(name, "p2ptrace-%16" SCNx64 "-%20" SCNu64 ".p2rec", ret_instance, ret_number) != 2) return false;
    spool_name(again, *ret_instance, *ret_number);
    return !strcmp(name, again);
}

static int by_number(const void *a, const void *b) {
    const struct spool_segment *x = a, *y = b;
    if (x->instance != y->instance) return x->instance < y->instance ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int add_segment(struct spool *spool, struct spool_segment segment, const struct stat *status) {
    struct spool_segment *more = memory_room(spool->segments, spool->count, &spool->room, sizeof *more);
    if (!more) return -1;
    spool->segments = more;
    segment.bytes = (uint64_t)status->st_size;
    segment.written_ns = (uint64_t)status->st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)status->st_mtim.tv_nsec;
    spool->segments[spool->count++] = segment;
    return 0;
}

int spool_scan(struct spool *spool, const char *path, struct failure *failure) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    int result = 0;
    spool->count = 0;
    if (!dir) return failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    while (!result && (errno = 0, entry = readdir(dir))) {
        struct spool_segment segment;
        struct stat status;
        if (!read_name(entry->d_name, &segment.instance, &segment.number)) continue;
        if (fstatat(dirfd(dir), entry->d_name, &status, 0) || !S_ISREG(status.st_mode)) continue; /* removed meanwhile */
        if (add_segment(spool, segment, &status)) result = failure_out_of_memory(failure);
    }
    if (!result && errno) result = failure_set(failure, EXIT_FAILED, "%s cannot be read: %s", path, strerror(errno));
    closedir(dir);
    if (spool->count) qsort(spool->segments, spool->count, sizeof *spool->segments, by_number);
    return result;
}

void spool_fini(struct spool *spool) {
    free(spool->segments);
    *spool = (struct spool){0};
}

const struct spool_segment *spool_find(const struct spool *spool, uint64_t instance, uint64_t number) {
    const struct spool_segment wanted = {.instance = instance, .number = number};
    size_t low = 0, high = spool->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_number(&spool->segments[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < spool->count && spool->segments[low].instance == instance ? &spool->segments[low] : NULL;
}

int spool_remove(const char *path, uint64_t instance, uint64_t number) {
    char name[SPOOL_NAME_BYTES];
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = dir < 0 ? -errno : 0;
    spool_name(name, instance, number);
    if (dir >= 0 && unlinkat(dir, name, 0) && errno != ENOENT) error = -errno;
    if (dir >= 0) close(dir);
    return error;
}
