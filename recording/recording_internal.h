/* SPDX-License-Identifier: MIT
 *
 * A recording that is read, from the inside. */
#ifndef RECORDING_INTERNAL_H
#define RECORDING_INTERNAL_H

#include "recording_frame.h"
#include "recording_nodes.h"

#include <recording/recording.h>
#include <stdbool.h>

/* Nodes that a segment does not list, or whose list is damaged, are shown as this one. */
#define RECORDING_NODE_OTHER (HISTORY_NODES_MAX - 1)

struct recording_file {
    char *path;
    int fd;
    uint64_t bytes;
};

struct recording_frame {
    struct recording_header header;
    uint32_t file;
    uint64_t offset;
    uint64_t group_ns; /* least time of its instance */
    uint64_t lost;     /* events that cannot be read, as far as known */
    bool cut;          /* the file ends within it */
    bool table_bad;
    struct recording_block *table; /* read when first needed */
    uint16_t *node_map;
    uint32_t node_map_count;
    char *image; /* its events that no earlier run has, if it has others; NULL: it is read from the file */
};

/* Logs that have an index already. */
#define RECORDING_LOG_BITS 13
#define RECORDING_LOG_SLOTS (1U << RECORDING_LOG_BITS)
struct recording_log {
    uint64_t log;
    uint32_t index;    /* + 1; 0: empty */
    uint64_t instance; /* of the newest frame of which its aliases were taken */
};

struct recording {
    struct recording_file *files;
    size_t file_count;
    struct recording_frame **frames; /* by the segment's number in the history */
    size_t frame_count, frame_capacity;
    struct store store;
    size_t told_capacity; /* of its list of aliases */
    bool told_failed;     /* there was no memory for all of them */
    struct recording_log logs[RECORDING_LOG_SLOTS];
    uint64_t logs_key; /* random */
    bool node_used[HISTORY_NODES_MAX];
    bool has_other;
    struct recording_problem problems[RECORDING_PROBLEMS_MAX];
    size_t problem_count;
    uint64_t events_lost;
    bool silent;  /* problems are noted when a question comes across them */
    int unread;   /* the first error meanwhile that is no damage, so that the question may not come across it */
    char *packed; /* a compressed block, while it is read */
    void *decompressor;
};

/* Notes a problem.  Wait-free, except for formatting. */
void recording__problem(struct recording *recording, const struct recording_file *file, uint64_t offset, uint64_t events,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Notes that a part could not be used, and why: it is damaged (-EBADMSG, -ENODATA), or reading it failed with `error`.
 * then: what this means for the user; "" where that is clear. */
void recording__bad_part(struct recording *recording, const struct recording_file *file, uint64_t offset, uint64_t events,
                         const char *part, int error, const char *then);

/* recording_scan.c: finds the frames of a file or directory.  Returns 0 or a negative errno with the reason. */
int recording__scan(struct recording *recording, const char *path, char *ret_reason);

/* Puts the frames in order, leaves out what is there twice, and notes what is missing between them. */
void recording__arrange(struct recording *recording);

void recording__frame_free(struct recording_frame *frame);

/* A history of all frames.  Returns 0, -EINVAL or -ENOMEM. */
int recording__history_open(struct recording *recording, struct history **ret_history);

/* recording_once.c: takes events that an earlier run has out of the frames of later ones.  Returns 0 or a negative errno. */
int recording__leave_out_repeats(struct recording *recording);

/* recording_merge.c: reads the nodes of all frames into one table, and makes the frames' maps.  Returns 0 or -ENOMEM. */
int recording__merge_nodes(struct recording *recording);

/* The node of events that have no other gets its entry, once. */
void recording__need_other(struct recording *recording);

#endif
