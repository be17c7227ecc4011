/* SPDX-License-Identifier: MIT
 *
 * Inside of recording_once.c: what several runs have of the same logs. */
#ifndef RECORDING_ONCE_H
#define RECORDING_ONCE_H

#include "recording_internal.h"

#define POSITION(frame, index) ((uint64_t)(frame)*HISTORY_SEGMENT_EVENTS + (index))

/* The frames of one writer. */
struct run {
    size_t begin, end;
    uint64_t written_ns; /* the first of them */
};

/* An end of what a frame has of a lane: the sequence of its first or last readable event, once it was looked for. */
struct part_end {
    enum { NOT_LOOKED, NONE_READABLE, READABLE } state;
    uint32_t sequence;
};

/* What a frame has of a lane. */
struct part {
    history_source source;
    uint32_t run; /* its rank */
    uint32_t frame;
    uint32_t first, last, count;        /* indices in the frame; a loss counts like an event */
    struct part_end begins_at, ends_at; /* events, no losses */
    /* Of the whole lane in the run, in the first of its parts. */
    uint32_t losses, lost; /* all, and how many events those with a place tell of, modulo 2^32 */
    enum { UNKNOWN, WHOLE, NOT_WHOLE } whole;
    uint32_t begin, end; /* WHOLE: each position between is an event or told as lost; modulo 2^32 */
};

struct span {
    struct part *begin, *end;
};

struct loss {
    uint64_t position;
    history_source source;
    uint32_t run;
    uint64_t first, count;
    uint8_t cause;
    uint64_t rest_first, rest; /* what is still to be told */
};

enum frame_flag { HOLDER = 1, CANDIDATE = 2 };

struct once {
    struct recording *recording;
    struct history *history; /* of all frames, as they are in the files */
    struct run *runs;        /* in the order in which they were written */
    uint32_t run_count;
    bool shared[HISTORY_NODES_MAX]; /* several runs have events of the log */
    uint32_t *part_of;              /* by source: number + 1 in `parts`, while a frame is listed */
    struct part *parts;
    size_t part_count, part_capacity;
    struct loss *losses;      /* by position */
    const struct loss **same; /* by place, then by run */
    size_t loss_count;
    /* Of one run and those before it. */
    uint8_t *flags; /* by frame */
    bool *active;   /* by source: an earlier run reaches beyond it */
    /* Hashes of the events of earlier runs that a later one may have, too.  They stay for the runs after it, up to a bound, so
     * that a frame need not be read again for each of many runs. */
    uint64_t seed;     /* random: without it, a node could make two events that have one hash */
    uint64_t *repeats; /* 0: empty */
    size_t repeat_count, repeat_slots;
    bool *held;               /* by frame: its events are among them */
    uint64_t **dropped;       /* by frame: bit set, or NULL */
    bool *changed;            /* by frame: losses */
    bool *gone;               /* by frame */
    uint64_t *told, *telling; /* by source and cause of a sum: by earlier runs at most, and by this run so far */
    char *image;              /* one that is being made */
    uint64_t *lost;           /* by frame: as known before */
};

/* How far a position is behind another, by their lower 32 bits. */
static inline int32_t behind(uint32_t one, uint32_t other) { return (int32_t)(one - other); }

static inline bool is_loss(const struct trace_event *event) { return event->kind == TRACE_KIND_EVENTS_LOST; }
static inline bool is_sum(uint8_t cause) { return cause == TRACE_LOSS_DISCARDED || cause == TRACE_LOSS_NO_LANE; }

/* The first, or the last readable event of a lane in a run, which may be a loss.  Returns false if there is none. */
bool recording__once_first(const struct once *once, struct span span, struct trace_event *ret_event);
bool recording__once_last(const struct once *once, struct span span, struct trace_event *ret_event);

/* What a run has of a lane; may be empty.  Or what the first run that has any of it has, and then the next one; empty at the
 * end. */
struct span recording__once_span(const struct once *once, history_source source, uint32_t run);
struct span recording__once_lane(const struct once *once, history_source source);
struct span recording__once_next(const struct once *once, struct span span);

/* Takes an event out.  Returns 0 or -ENOMEM. */
int recording__once_drop(struct once *once, uint64_t position);

/* Losses (recording_once_losses.c): adds those of a run; then, once all are there, sorts them; then cuts those of a run by what
 * earlier ones account for.  Each returns 0 or a negative errno. */
int recording__once_list_losses(struct once *once, uint32_t rank);
int recording__once_sort_losses(struct once *once);
int recording__once_cut_losses(struct once *once, uint32_t rank);

/* The loss at a position, or NULL. */
const struct loss *recording__once_loss(const struct once *once, uint64_t position);

#endif
