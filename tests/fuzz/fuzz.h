/* SPDX-License-Identifier: MIT
 *
 * What all fuzz targets share.  With clang a target is a libFuzzer program: ./dev fuzz NAME SECONDS.  As an ordinary test,
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

/* A promise of the code under test: breaking it is a finding, as much as what the sanitizers find.  On descriptor 2, because some
 * targets silence stderr. */
#define REQUIRE(condition)                                             \
    do {                                                               \
        if (!(condition)) {                                            \
            dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                   \
        }                                                              \
    } while (0)

/* Compares what was zeroed as a whole before it was filled in, padding included. */
static inline int fuzz_same(const void *left, const void *right, size_t bytes) { return !memcmp(left, right, bytes); }

/* Makes a file without a name from the input; its path is good until the descriptor is closed. */
static inline int fuzz_file(const uint8_t *data, size_t bytes, char path[32]) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* The code under test reports problems for the user on stderr; a million of them help nobody. */
static inline void fuzz_silence(void) {
    static FILE *nowhere;
    if (nowhere) return;
    nowhere = fopen("/dev/null", "we");
    REQUIRE(nowhere != NULL);
    stderr = nowhere;
}

#endif
