/* SPDX-License-Identifier: MIT
 *
 * A query's clock: see query_clock.h.
 *
 * The lines are those of libtrace/clock.h, and all are kept, so that an event has the same time in every answer, and a time
 * from one answer is a good limit for the next question.  When there are too many, the oldest two become one, straight from the
 * log's opening to where the next begins. */
#include "query_clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* How far apart two samples must be before the line through them is extended. */
#define SETTLE_NS 5000000

/* A line is extended by no more than its own length, and never by more than this. */
#define LINE_NS_MAX UINT64_C(10000000000)

static void wait_until_settled(uint64_t since_ns) {
    struct timespec pause = {.tv_nsec = SETTLE_NS};
    if (trace__monotonic_ns() - since_ns >= SETTLE_NS) return;
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {}
}

void query__clock_init(struct query_clock *clock, const struct trace_shm_header *header, bool settle) {
    struct trace_clock_sample opened = {header->open_ticks, header->open_monotonic_ns, header->open_unix_ns};
    struct trace_clock_sample now = trace_clock_read();
    clock->ring = (struct trace_ring_clock){(enum trace_clock_source)header->clock_source, opened.ticks, opened.monotonic_ns,
                                            opened.unix_ns};
    /* If the machine was suspended since the opening, the opening does not help to measure the counter's rate. */
    if (trace_clock_slept_since_open(&now, &clock->ring)) opened = now;
    if (settle) wait_until_settled(opened.monotonic_ns);
    clock->count = 1;
    trace_clock_init(&clock->lines[0], opened, trace_clock_read());
}

/* Joins the two oldest lines.  The log's opening and the beginning of line 2 stay where they are.  If the machine was suspended
 * in between, no straight line fits: then the oldest is dropped, and the next one serves for its events. */
static void join_oldest(struct query_clock *clock) {
    struct trace_clock *lines = clock->lines;
    if (lines[2].restarts != lines[0].restarts) {
        memmove(&lines[0], &lines[1], (QUERY_LINES_MAX - 1) * sizeof lines[0]);
        clock->count--;
        return;
    }
    lines[0].ns_per_tick = (double)(lines[2].line_ns - lines[0].line_ns) / (double)(lines[2].line_ticks - lines[0].line_ticks);
    memmove(&lines[1], &lines[2], (QUERY_LINES_MAX - 2) * sizeof lines[0]);
    clock->count--;
}

void query__clock_sample(struct query_clock *clock, struct trace_clock_sample sample) {
    const struct trace_clock *newest = &clock->lines[clock->count - 1];
    uint64_t length_ns = newest->last.monotonic_ns - newest->first.monotonic_ns;
    if (length_ns > LINE_NS_MAX) length_ns = LINE_NS_MAX;
    if (sample.monotonic_ns - newest->last.monotonic_ns < length_ns && !trace_clock_is_broken(newest, &sample)) return;
    if (clock->count == QUERY_LINES_MAX) join_oldest(clock);
    clock->lines[clock->count] = clock->lines[clock->count - 1];
    trace_clock_update(&clock->lines[clock->count], sample);
    if (sample.ticks <
        newest->last.ticks) { /* the counter began again: lines are no longer in its order, and the new one knows the old */
        clock->lines[0] = clock->lines[clock->count];
        clock->count = 0;
    }
    clock->count++;
}

void query__clock_update(struct query_clock *clock) {
    const struct trace_clock *newest = &clock->lines[clock->count - 1];
    if (trace__monotonic_ns() - newest->last.monotonic_ns >= SETTLE_NS) query__clock_sample(clock, trace_clock_read());
}

uint64_t query__clock_unix_ns(const struct query_clock *clock, uint64_t ticks) {
    uint32_t low = 0, high = clock->count; /* the line is among low ... high - 1 */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (clock->lines[middle].line_ticks <= ticks)
            low = middle;
        else
            high = middle;
    }
    return trace_clock_unix_ns(&clock->lines[low], &clock->ring, ticks);
}
