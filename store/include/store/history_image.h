/* SPDX-License-Identifier: MIT
 *
 * A sealed segment as bytes, and a history made of these: what a recording (recording/) writes and reads.
 *
 * An image holds the arrays of one segment, one after the other, each aligned to HISTORY_IMAGE_ALIGN bytes, in the order of
 * enum history_section; docs/recording.md describes them byte for byte.  Their places follow from five counts (struct
 * history_shape) alone, so no offset can be wrong.  An image differs from the segment in memory in three ways: the tallies of
 * traces are sorted by id, the numbers of directory entries are 0, and only the used part of each array is there. */
#ifndef STORE_HISTORY_IMAGE_H
#define STORE_HISTORY_IMAGE_H

#include <store/history.h>

#include <p2ptrace/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_IMAGE_ALIGN 128

enum history_section {
    HISTORY_SOURCES,      /* 4 bytes an event */
    HISTORY_EVENTS,       /* 128 bytes an event */
    HISTORY_BLOCKS,       /* 32 bytes for each 256 events */
    HISTORY_TRACES,       /* 32 bytes a trace */
    HISTORY_TRACE_LINKS,  /* 2 bytes an event */
    HISTORY_TRACE_TABLE,  /* 4 bytes a slot */
    HISTORY_PEERS,        /* 128 bytes a peer */
    HISTORY_PEER_LINKS,   /* 2 bytes an event */
    HISTORY_PEER_NUMBERS, /* 2 bytes an event */
    HISTORY_PEER_TABLE,   /* 4 bytes a slot */
    HISTORY_SECTIONS
};

/* The number of elements of each. */
struct history_shape {
    uint32_t events; /* 1 to HISTORY_SEGMENT_EVENTS */
    uint32_t traces, peers;
    uint32_t trace_slots, peer_slots; /* powers of two */
};

/* Where each section begins, and its length without padding.  at[HISTORY_SECTIONS] is the end of the image. */
struct history_layout {
    size_t at[HISTORY_SECTIONS + 1];
    size_t bytes[HISTORY_SECTIONS];
};

/* Returns false for an impossible shape; then *ret_layout is untouched. */
bool history_image_layout(const struct history_shape *shape, struct history_layout *ret_layout);

/* No image is larger. */
size_t history_image_bytes_max(void);

/* The first id of each group of trace tallies, so that a search for a prefix reads only one group. */
#define HISTORY_MARK_TRACES 2048
#define HISTORY_MARKS (HISTORY_SEGMENT_EVENTS / HISTORY_MARK_TRACES)

/* What is known about a segment without its image. */
struct history_segment_info {
    uint64_t number;
    struct history_shape shape;
    uint64_t min_ns, max_ns;       /* least and greatest time */
    uint64_t kinds;                /* bit set; bit 63: all from 63 up */
    uint64_t nodes;                /* bit node index % 64 */
    uint64_t keys[6];              /* of the hashes */
    uint64_t marks[HISTORY_MARKS]; /* first 8 bytes of the id of tally 0, 2048, ..., as a big-endian number */
};

#define HISTORY_IMAGE_ANEW_BYTES (HISTORY_BYTES_MIN + ((size_t)1 << 20))

/* Writes the image of segment `number` to `image`, history_image_bytes_max() of zeroed or used memory.  The segment must be
 * sealed, or nobody may be appending.  Takes and releases the RCU read lock for each part, so that the ingest never waits long.
 *  If the segment's index lacks some of its peers, the events are reindexed, which temporarily takes up to
 * HISTORY_IMAGE_ANEW_BYTES.  Any registered thread.  Returns 0, -ENOENT when there is no such segment (any more), -ENODATA when
 * nothing in it belongs into an image, or -ENOMEM. */
int history_image_take(struct history *history, uint64_t number, void *image, struct history_segment_info *ret_info);

/* The same for the events in [first, end) of the segment, even while others are being appended after them: end is at most the
 * number of events appended to the segment.  Reindexes them. */
int history_image_take_part(struct history *history, uint64_t number, uint32_t first, uint32_t end, void *image,
                            struct history_segment_info *ret_info);

/* Which events of a segment belong into an image, and as what. */
struct history_choice {
    /* May change the event, a copy; but not its source. */
    bool (*keep)(void *context, uint64_t position, struct trace_event *event);
    void *context;
};

/* The same for those events of the segment that can be read and that `choice` keeps.  Reindexes them.  Their nodes are those of
 * this history.  ret_unread: how many cannot be read; also written with -ENODATA. */
int history_image_take_chosen(struct history *history, uint64_t number, const struct history_choice *choice, void *image,
                              struct history_segment_info *ret_info, uint32_t *ret_unread);

/* ---- a history that is made of images ------------------------------------------------------------------------------------- */

/* Images are loaded and checked in blocks: all of them of block_bytes (a power of two, from 64 KiB to 1 MiB), the last one
 * shorter. */
#define HISTORY_BLOCK_BYTES_MIN ((size_t)64 << 10)
#define HISTORY_BLOCK_BYTES_MAX ((size_t)1 << 20)

/* A segment of such a history. */
struct history_backed_info {
    struct history_segment_info segment; /* its number is ignored: segments are numbered in the order given */
    size_t block_bytes;
    /* From the segment's own node indices to those of the history, node_map_count of them.  Others become `node_other`. */
    const uint16_t *node_map;
    uint32_t node_map_count;
    uint16_t node_other;
};

struct history_backing {
    /* Fills `out` with a block of a segment's image, `bytes` long, and checks it.  Returns 0 or a negative errno when it is
     * damaged. Called once for a block that is damaged. */
    int (*load)(void *context, uint32_t segment, uint32_t block, void *out, size_t bytes);
    /* A block passed its checksum, but its content is not a valid index: it is not used. */
    void (*reject)(void *context, uint32_t segment, uint32_t block);
    /* Some of its events are from nodes that node_map lacks: they became node_other.  Called once per segment.  May be NULL. */
    void (*stray)(void *context, uint32_t segment);
    void *context;
};

/* Makes a read-only history.  All functions of history.h for readers work on it, but from one thread at a time, because images
 * are loaded into reused memory.  It takes at most about four images of memory, beside the directories of traces and peers,
 * which are built when first needed (history_traces, history_find_peers, history_stats).  No part of an image is read before it
 * is needed.  The infos are copied; what node_map points to is not.  Returns 0, -EINVAL for an impossible shape, -ENOMEM. */
int history_open_backed(struct history **ret_history, const struct history_backed_info *segments, uint32_t segment_count,
                        const struct history_backing *backing);

/* Corrected times for events: several clocks made one. */
struct history_times {
    /* Sets the time to show.  Where that corrects steps of the clock, too, the event is no longer on a line of a clock. */
    void (*event)(void *context, uint32_t node, uint64_t position, struct trace_event *event);
    /* Converts bounds of a segment's own times to bounds of shown times.  Returns true if all its events have one clock: then
     * times keep their order, and so do least and greatest. */
    bool (*bounds)(void *context, uint32_t segment, uint64_t *min_ns, uint64_t *max_ns);
    void *context;
};

/* Applies to all times from now on.  Call it once, on the thread that uses the history, outside any RCU read lock.  Segments
 * with several clocks are loaded. */
void history_backed_set_times(struct history *history, const struct history_times *times);

/* Where each event of a segment comes from, without loading the events.  Valid until another segment is used.  NULL if they
 * cannot be read. */
const history_source *history_backed_sources(const struct history *history, uint64_t number, uint32_t *ret_count);

/* Loads a whole segment to find all damage.  Returns the number of damaged blocks. */
uint32_t history_backed_verify(struct history *history, uint32_t segment);

/* How many of a segment's events lie in that block of its image, wholly or in part; their sources count like them. */
uint32_t history_image_block_events(const struct history_shape *shape, size_t block_bytes, uint32_t block);

#endif
