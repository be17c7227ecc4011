/* SPDX-License-Identifier: MIT
 *
 * Mappings whose holes raise SIGBUS: see holes.h. */
#include "holes.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY /* Linux 5.11; what any user may ask for */
#define UFFD_USER_MODE_ONLY 1
#endif

static int faults = -1; /* a userfaultfd, open until the process ends, because its end would end the refusal */

void holes_prepare(void) {
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_MISSING_SHMEM};
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd < 0) return;
    if (ioctl(fd, UFFDIO_API, &api) == 0)
        faults = fd;
    else
        close(fd);
}

bool holes_refuse(void *base, size_t bytes) {
    struct uffdio_register range = {.range = {.start = (uintptr_t)base, .len = bytes}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    return faults >= 0 && ioctl(faults, UFFDIO_REGISTER, &range) == 0;
}
