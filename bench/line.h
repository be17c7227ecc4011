/* SPDX-License-Identifier: MIT
 *
 * How far apart two processors are now.  The processors of a virtual machine move: two that shared a cache a minute ago may
 * sit on different dies, and then whatever one writes and the other reads costs several times as much. */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

/* The time, in whole nanoseconds, until a cache line written on the first processor that the process may use is seen on
 * the second, or the other way round: half the median round trip of some ten thousand.  Pins the calling thread to the second
 * (bench_pin), takes some milliseconds.  0 if there is only one processor. */
double bench_line_ns(void);

#endif
