/* SPDX-License-Identifier: MIT
 *
 * Shared by all fuzz targets.  With clang a target is a libFuzzer program: ./dev fuzz NAME SECONDS.  As an ordinary test,
 * replay.c runs it over its corpus, with any compiler. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A promise of the code under test: breaking it is a finding, like those of the sanitizers.  On descriptor 2, because some
 * targets silence stderr. */
#define REQUIRE(condition)                                             \
    do {                                                               \
        if (!(condition)) {                                            \
            dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                   \
        }                                                              \
    } while (0)

/* Compares structs that were zeroed completely before they were filled in, including padding. */
static inline int fuzz_same(const void *left, const void *right, size_t bytes) { return !memcmp(left, right, bytes); }

/* Makes an unnamed file from the input; its path is valid until the descriptor is closed. */
static inline int fuzz_file(const uint8_t *data, size_t bytes, char path[32]) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* The code under test reports problems for the user on stderr; a million of them are useless. */
static inline void fuzz_silence(void) {
    static FILE *nowhere;
    if (nowhere) return;
    nowhere = fopen("/dev/null", "we");
    REQUIRE(nowhere != NULL);
    stderr = nowhere;
}

#endif
