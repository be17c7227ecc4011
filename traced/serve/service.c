/* SPDX-License-Identifier: MIT
 *
 * See service.h. */
#include "service.h"

#include <time.h>

uint64_t service_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
