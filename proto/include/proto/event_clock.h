/* SPDX-License-Identifier: MIT
 *
 * How often the clock of an event's machine had been stepped.
 *
 * The program that converts ticks to Unix time counts the steps, and stamps each event with that number.  Between two events of
 * one machine with the same number, the time that passed is exact.  With different numbers a step lies between them, and the
 * difference of their times is wrong by its size.  The number counts modulo 256: enough to see which of two neighbours is older.
 *
 * It is in the byte that must be zero in a ring, so events of older recordings have 0. */
#ifndef PROTO_EVENT_CLOCK_H
#define PROTO_EVENT_CLOCK_H

#include <p2ptrace/event.h>
#include <stdbool.h>

/* The event's number, of an event outside of a ring. */
static inline uint8_t trace_event_clock_steps(const struct trace_event *event) { return event->reserved; }

/* Stamps an event that leaves its ring. */
static inline void trace_event_set_clock_steps(struct trace_event *event, uint64_t steps) { event->reserved = (uint8_t)steps; }

/* Is the first number older than the second?  They are less than 128 steps apart. */
static inline bool trace_clock_steps_before(uint8_t first, uint8_t second) { return (int8_t)(uint8_t)(first - second) < 0; }

#endif
