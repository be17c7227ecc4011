/* SPDX-License-Identifier: MIT
 *
 * What a recording is on disk; docs/recording.md describes it byte for byte.
 *
 * A file is a row of frames, each at a multiple of 4096 bytes.  A frame is one sealed segment with all that is needed to read it:
 *
 *      +---------+--------+-------------+-----------+--------------------------------------+
 *      | header  | roster | node        | block     | blocks of the segment's image        |
 *      | 4096    |        | records     | table     | (store/history_image.h)              |
 *      +---------+--------+-------------+-----------+--------------------------------------+
 *        offset   header   each after    at 64       at 4096 bytes, one after the other
 *        of frame + 4096   the other     bytes
 *
 * Frames do not refer to each other: a file may be cut, and files may be removed or put together.  All numbers are in the byte
 * order of the machine that wrote them, which the header names.  Checksums are XXH3, 64 bits, seed 0.
 *
 * A later version may use what is zero now, and appends to structs that have room; it keeps magic, version, byte_order where
 * they are. */
#ifndef RECORDING_FORMAT_H
#define RECORDING_FORMAT_H

#include <p2ptrace/app.h>
#include <p2ptrace/event.h>
#include <p2ptrace/shm.h>
#include <stdint.h>
#include <store/aliases.h>
#include <store/clock_steps.h>
#include <store/history_image.h>
#include <store/machine.h>

#define RECORDING_MAGIC "p2prec\r\n"
#define RECORDING_VERSION 2       /* node records have aliases: who does not see these, takes a node for another */
#define RECORDING_VERSION_PLAIN 1 /* they have none: older programs can read it */
#define RECORDING_BYTE_ORDER UINT32_C(0x01020304)
#define RECORDING_ALIGN 4096
#define RECORDING_SUFFIX ".p2rec"
#define RECORDING_SUFFIX_PART ".part"

enum recording_flag { RECORDING_COMPRESSED = 1 }; /* blocks are zstd frames */

/* A step of a machine's clock (store/clock_steps.h). */
struct recording_step {
    uint64_t before_ns, after_ns;
    uint8_t machine[MACHINE_ID_BYTES];
    uint32_t number; /* 0 to 255 */
    uint32_t flags;  /* 1: the machine slept */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_step) == 40, "docs/recording.md");

enum { RECORDING_STEP_SLEPT = 1 };

struct recording_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint32_t event_bytes;
    uint32_t flags;
    uint64_t tables;      /* fingerprint of the table of event kinds */
    uint64_t instance;    /* of the writer: a random number */
    uint64_t number;      /* of the segment, counted by the writer from 0 */
    uint64_t frame_bytes; /* with the header; a multiple of 4096 */
    uint64_t written_unix_ns;
    uint32_t events, traces, peers;
    uint32_t trace_slots, peer_slots;
    uint32_t block_bytes; /* of the image, in each block but the last */
    uint32_t block_count;
    uint32_t node_count;
    uint64_t min_ns, max_ns, kinds, nodes;
    uint64_t keys[6];
    uint64_t records_bytes;   /* of all node records */
    uint64_t roster_checksum; /* of the roster */
    uint64_t blocks_checksum; /* of the block table */
    uint64_t marks[HISTORY_MARKS];
    uint32_t step_count; /* at most CLOCK_STEPS_MAX; 0 in older recordings, which did not note them */
    uint32_t reserved_steps;
    struct recording_step steps[CLOCK_STEPS_MAX];
    uint8_t reserved[4096 - 200 - 8 * HISTORY_MARKS - 8 - 40 * CLOCK_STEPS_MAX - 8];
    uint64_t checksum; /* of the header up to here */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_header) == RECORDING_ALIGN, "the header is one page");

/* Roster: which nodes the writer knew, so that records which are known from a newer frame need not be read. */
struct recording_roster {
    uint32_t index; /* in this segment's sources */
    uint32_t record_bytes;
    uint64_t log;      /* checksum of what identifies the log: node_id, log, pid */
    uint64_t checksum; /* of the record */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_roster) == 24, "docs/recording.md");

#define RECORDING_LOSSES 16

struct recording_record {
    uint8_t node_id[TRACE_NODE_ID_BYTES];
    char node_name[40]; /* UTF-8, NUL-padded, at most 32 bytes */
    char reason[96];    /* of a rejected object; text, NUL-padded */
    uint64_t log, started_unix_ns, ring_bytes;
    uint64_t control;
    uint64_t emitted, indexed, unfinished, last_unix_ns;
    uint64_t lost[RECORDING_LOSSES]; /* by enum trace_loss */
    int32_t pid;
    uint32_t has_ring, lane_count, lane_events, policy, clock_source;
    uint32_t state; /* enum node_state */
    uint32_t lanes_used;
    uint32_t app_count;  /* struct recording_app, after this */
    uint32_t tail_bytes; /* after the applications, at the end: struct recording_machine, struct recording_alias..., and of a log
                            whose end is known struct recording_end; or 0 */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_record) == 400, "docs/recording.md");

/* A description of an application, with as many commands and fields as it uses: they follow, the commands first. */
struct recording_app {
    char app_id[4];
    char name[TRACE_APP_NAME_BYTES];
    uint16_t command_count, field_count; /* as the node wrote them: 0 says "up to the first without a name" */
    uint16_t commands, fields;           /* that follow: struct trace_app_command_name, struct trace_app_field */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_app) == 36, "docs/recording.md");
TRACE_STATIC_ASSERT_(sizeof(struct trace_app_command_name) == 24 && sizeof(struct trace_app_field) == 24, "docs/recording.md");

/* Which machine the node ran on: whose clock its events have. */
struct recording_machine {
    uint8_t id[MACHINE_ID_BYTES];
    char name[MACHINE_NAME_BYTES]; /* UTF-8, NUL-padded */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_machine) == 80, "docs/recording.md");

/* Another id that the node said a peer, or it itself, has (store/aliases.h). */
struct recording_alias {
    uint8_t alias_id[TRACE_NODE_ID_BYTES];
    uint8_t peer_id[TRACE_NODE_ID_BYTES]; /* of its own alias: the node's */
    uint64_t time_ns;
    uint8_t own, transport;
    char label[30]; /* NUL-padded */
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_alias) == 104, "docs/recording.md");
TRACE_STATIC_ASSERT_(sizeof((struct recording_alias *)0)->label == sizeof((struct alias *)0)->label, "it fits");

/* When a log ended: it had not at `after`, and had at `by` (store/nodes.h). */
struct recording_end {
    uint64_t after_ns, by_ns;
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_end) == 16, "docs/recording.md");

#define RECORDING_APP_BYTES_MAX (sizeof(struct recording_app) + 24 * (TRACE_APP_COMMANDS_MAX + TRACE_APP_FIELDS_MAX))
/* Of all records together, the aliases; of one record, what is beside them. */
#define RECORDING_ALIASES_BYTES_MAX (ALIASES_MAX * sizeof(struct recording_alias))
#define RECORDING_RECORD_BYTES_MAX                                                                                   \
    (sizeof(struct recording_record) + TRACE_APPS_MAX * RECORDING_APP_BYTES_MAX + sizeof(struct recording_machine) + \
     sizeof(struct recording_end))

struct recording_block {
    uint64_t checksum;     /* of the bytes as they are stored */
    uint32_t stored_bytes; /* without compression, those of the image */
    uint32_t reserved;
};
TRACE_STATIC_ASSERT_(sizeof(struct recording_block) == 16, "docs/recording.md");

/* Where the parts of a frame begin, from its header. */
struct recording_parts {
    uint64_t roster, records, table, blocks; /* offsets in the frame */
};

uint64_t recording__checksum(const void *bytes, size_t count);

/* Of the table of event kinds that this program has. */
uint64_t recording__tables(void);

void recording__parts(const struct recording_header *header, struct recording_parts *ret_parts);

void recording__shape(const struct recording_header *header, struct history_shape *ret_shape);

#endif
