/* SPDX-License-Identifier: MIT
 *
 * The steps of machines' clocks: when the system time was set, or the machine slept, while ticks were converted to Unix time.
 *
 * Two times of one machine with a step between them do not show how much time passed.  Each event has the number of the step
 * that it follows (proto/event_clock.h); this list says how large the steps were.  Only the newest CLOCK_STEPS_MAX are kept.
 *
 * Any thread may add and read.  A short lock protects the list: steps are rare, and no event waits for it. */
#ifndef STORE_CLOCK_STEPS_H
#define STORE_CLOCK_STEPS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <store/machine.h>

#define CLOCK_STEPS_MAX 64

struct clock_step {
    struct machine machine; /* whose clock; zero: not known.  Its name is ignored. */
    uint64_t before_ns;     /* Unix time just before the step, by the clock as it was */
    uint64_t after_ns;      /* the same moment, or that of waking, by the clock as it is afterwards */
    uint8_t number;         /* the number in later events: steps so far, modulo 256 */
    bool slept;             /* the machine slept or was stopped meanwhile; else the system time was set */
};

struct clock_steps {
    pthread_mutex_t lock;
    uint32_t count;
    struct clock_step items[CLOCK_STEPS_MAX]; /* by time after, the oldest first */
};

/* An empty list; it needs no end. */
void clock_steps_init(struct clock_steps *steps);

/* Adds a step unless it is there.  When the list is full, the oldest goes. */
void clock_steps_add(struct clock_steps *steps, const struct clock_step *step);

/* Copies the list, the oldest first.  Returns how many there are. */
size_t clock_steps_copy(struct clock_steps *steps, struct clock_step ret_items[CLOCK_STEPS_MAX]);

#endif
