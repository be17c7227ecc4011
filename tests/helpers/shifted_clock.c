/* SPDX-License-Identifier: MIT
 *
 * Loaded before libc (LD_PRELOAD): the clocks of another machine.  Its CLOCK_REALTIME is SHIFT_NS ahead, and it and
 * CLOCK_MONOTONIC run faster by SHIFT_PPM; SHIFT_STEP_NS is added to CLOCK_REALTIME once the file SHIFT_STEP_FILE exists. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int (*real_clock_gettime)(clockid_t clock, struct timespec *out);
static int64_t begin_ns, shift_ns, step_ns;
static double drift;
static const char *step_file;

static int64_t number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static int64_t ns_of(const struct timespec *time) { return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec; }

static int64_t monotonic(void) {
    struct timespec now;
    real_clock_gettime(CLOCK_MONOTONIC, &now);
    return ns_of(&now);
}

__attribute__((constructor)) static void begin(void) {
    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime"); /* as POSIX writes it */
    shift_ns = number("SHIFT_NS");
    step_ns = number("SHIFT_STEP_NS");
    drift = (double)number("SHIFT_PPM") / 1e6;
    step_file = getenv("SHIFT_STEP_FILE");
    begin_ns = number("SHIFT_BEGIN_NS"); /* of CLOCK_MONOTONIC: from here on it drifts */
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    if (!real_clock_gettime) begin();
    int result = real_clock_gettime(clock, out);
    if (result || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)) return result;
    int64_t ns = ns_of(out) + (int64_t)((double)(monotonic() - begin_ns) * drift);
    if (clock == CLOCK_REALTIME) ns += shift_ns;
    if (clock == CLOCK_REALTIME && step_ns && step_file && !access(step_file, F_OK)) ns += step_ns;
    out->tv_sec = ns / 1000000000;
    out->tv_nsec = ns % 1000000000;
    return 0;
}
