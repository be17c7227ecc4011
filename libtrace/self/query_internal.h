/* SPDX-License-Identifier: MIT
 *
 * What the files of libp2ptrace-query share.
 *
 *      query.c          the public questions: an object's view of the ring, its clock, and who answers
 *      query_clock.c    ticks to Unix time, the same each time
 *      query_scan.c     a lane read from its newest event to its oldest
 *      query_index.c    chains by trace and by peer
 *      query_collect.c  the newest N of what was found, sorted
 *      query_json.c     an event as JSON
 *      query_dump.c     timelines
 *
 * What is found goes into a sink: a collector, or a counter.  Memory comes from mmap alone (rule 7 of p2ptrace/query.h). */
#ifndef LIBTRACE_QUERY_INTERNAL_H
#define LIBTRACE_QUERY_INTERNAL_H

#include <libtrace/clock.h>
#include <p2ptrace/query.h>
#include <proto/event_json.h>
#include <stdbool.h>

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

/* Zeroed pages, or NULL. */
void *query__memory(size_t bytes);
void query__memory_free(void *memory, size_t bytes);

/* ---- the ring -------------------------------------------------------------------------------------------------------------- */

/* A ring as a query sees it. */
struct query_ring {
    const struct trace_shm_header *header;
    const struct trace_event *slots; /* lane 0, slot 0 */
    uint32_t lane_count, lane_events;
};

/* Room for an event as JSON, and a newline. */
#define QUERY_LINE_BYTES (TRACE_EVENT_JSON_MAX + 1)

/* Writes an event's JSON form, with the names of its application if that is registered.  Returns the end. */
char *query__json(char *out, const struct query_ring *ring, const struct trace_query_event *found);

/* ---- time ------------------------------------------------------------------------------------------------------------------ */

/* A line for each 10 seconds of questions, and 64 of them: what was told stays true for ten minutes at least. */
#define QUERY_LINES_MAX 64

struct query_clock {
    struct trace_ring_clock ring;
    uint32_t count;
    struct trace_clock lines[QUERY_LINES_MAX]; /* each is in force from its line_ticks to the next one's */
};

/* settle: sleep until the clock has run long enough to be extended into the future. */
void query__clock_init(struct query_clock *clock, const struct trace_shm_header *header, bool settle);

/* Before each question. */
void query__clock_update(struct query_clock *clock);

/* Begins a new line at a sample, if that is due. */
void query__clock_sample(struct query_clock *clock, struct trace_clock_sample sample);

uint64_t query__clock_unix_ns(const struct query_clock *clock, uint64_t ticks);

/* ---- what is found --------------------------------------------------------------------------------------------------------- */

struct query_sink {
    void (*take)(struct query_sink *sink, const struct trace_query_event *found);
};

/* The newest `limit` of what it takes (0: all), sorted when it is finished. */
struct query_key {
    uint64_t timestamp;
    uint32_t lane;
    uint32_t index; /* in events[] */
};
struct query_collector {
    struct query_sink sink;
    size_t limit;
    uint64_t matched;
    bool failed; /* no memory */
    size_t count, capacity;
    struct query_key *keys; /* a heap with the oldest on top, as soon as there are `limit` */
    struct trace_query_event *events;
};

/* Keeps the memory of the last time. */
void query__collector_begin(struct query_collector *collector, size_t limit);
int query__collector_finish(struct query_collector *collector);
void query__collector_fini(struct query_collector *collector);

/* ---- one lane, one question -------------------------------------------------------------------------------------------------- */

/* [floor, head): positions that may still be in the ring.  floor rises when the writer was met. */
struct query_lane {
    unsigned number;
    const struct trace_event *slots;
    uint32_t slot_mask;
    uint64_t head, begin, floor;
    uint64_t unfinished;
};

/* Returns false for a lane without events. */
bool query__lane_init(struct query_lane *lane, const struct query_ring *ring, unsigned number);

/* A question under way. */
struct query_search {
    const struct query_clock *clock;
    struct trace_query_filter filter;
    struct query_sink *sink;
};

/* Gives the event to the sink, if the filter says so.  The event is in ticks. */
void query__offer(const struct query_search *search, const struct trace_event *event, const struct query_lane *lane,
                  uint64_t position);

/* Reads [from, head), newest first, down to what is gone. */
void query__scan(struct query_lane *lane, uint64_t from, const struct query_search *search);

/* ---- the index --------------------------------------------------------------------------------------------------------------- */

struct query_index;

struct query_index *query__index_create(uint32_t lane_events);
void query__index_destroy(struct query_index *index);

/* Reads what is new in the lane.  Returns 0 or -ENOMEM; *ret_end: what lies below it is indexed. */
int query__index_catch_up(struct query_index *index, struct query_lane *lane, uint64_t *ret_end);

/* Reads the events of the filter's trace, else of its peer, that are indexed, newest first. */
void query__index_search(struct query_index *index, struct query_lane *lane, const struct query_search *search);

/* ---- a whole question -------------------------------------------------------------------------------------------------------- */

/* index: NULL for none. */
int query__run(const struct query_ring *ring, struct query_index *index, const struct query_search *search,
               struct trace_query_ring *ret_ring);

#endif
