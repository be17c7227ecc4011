/* SPDX-License-Identifier: MIT
 *
 * Counts a program's requests for memory to the allocator and the kernel.  test_zero.py links it to every_macro.c with the
 * linker's --wrap, which redirects the calls of the program and of the library; at the end it prints their number.  The
 * functions of names in 64 are what glibc calls the others for programs with large files. */
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

static unsigned calls;

/* One function: its name, its parameters, and how they are passed on. */
#define COUNT(type, name, parameters, arguments) \
    type __real_##name parameters;               \
    type __wrap_##name parameters;               \
    type __wrap_##name parameters {              \
        calls++;                                 \
        return __real_##name arguments;          \
    }

COUNT(void *, malloc, (size_t bytes), (bytes))
COUNT(void *, calloc, (size_t count, size_t bytes), (count, bytes))
COUNT(void *, realloc, (void *old, size_t bytes), (old, bytes))
COUNT(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes))
COUNT(int, posix_memalign, (void **ret, size_t alignment, size_t bytes), (ret, alignment, bytes))
COUNT(void *, mmap, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
      (at, bytes, protection, flags, fd, offset))
COUNT(void *, mmap64, (void *at, size_t bytes, int protection, int flags, int fd, off_t offset),
      (at, bytes, protection, flags, fd, offset))
COUNT(int, shm_open, (const char *name, int flags, mode_t mode), (name, flags, mode))
COUNT(int, memfd_create, (const char *name, unsigned flags), (name, flags))
COUNT(int, ftruncate, (int fd, off_t bytes), (fd, bytes))
COUNT(int, ftruncate64, (int fd, off_t bytes), (fd, bytes))
COUNT(int, posix_fallocate, (int fd, off_t offset, off_t bytes), (fd, offset, bytes))
COUNT(int, posix_fallocate64, (int fd, off_t offset, off_t bytes), (fd, offset, bytes))

__attribute__((destructor)) static void tell(void) { printf("%u calls\n", calls); }
