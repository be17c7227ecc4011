/* SPDX-License-Identifier: MIT
 *
 * The end of a command that runs until the user stops it: Ctrl-C, SIGTERM, or a closed terminal. */
#ifndef INSPECTOR_END_SIGNAL_H
#define INSPECTOR_END_SIGNAL_H

#include <stdatomic.h>

/* The number of the signal that arrived; 0: none. */
extern atomic_int end_signal;

/* From now on the first of these signals sets end_signal and calls `also` (signal-safe; NULL: nothing); the same signal again
 * kills the program.  An ignored signal stays ignored.  Call it when there is something to complete: until then a signal kills
 * the program, which leaves nothing behind. */
void end_signal_catch(void (*also)(void));

#endif
