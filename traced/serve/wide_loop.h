/* SPDX-License-Identifier: MIT
 *
 * A loop whose table of descriptors never grows.
 *
 * libuv has a table with a place for each descriptor up to the highest that it ever watched, and ends the process when it has no
 * memory for a larger one.  A client that connects while memory is short must not end traced. */
#ifndef TRACED_WIDE_LOOP_H
#define TRACED_WIDE_LOOP_H

#include <uv.h>

/* Gives the loop's table room for the descriptors 0 ... count - 1, or for as many as the process may have.  At the start, when
 * there is memory, and before the loop runs.
 * Returns 0 or a negative errno. */
int loop_widen(uv_loop_t *loop, unsigned count);

#endif
