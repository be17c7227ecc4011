/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the ring reader (libtrace/reader.h) against an object with arbitrary contents, written before it is attached
 * and while it is mapped.
 *
 * An input is a program of operations on one object, which begins as a valid ring of 2 lanes of 64 events:
 *
 *     op   operands                            what
 *     0    u16 offset, u8 count, bytes         write into the header and the app table
 *     1    u16 offset, u8 count, bytes         write into the slots
 *     2    u8 flags                            detach and attach; bit 0: with write access
 *     3    u8 lane, u8 max, u8 final, u8 time  read; time: 10 ms each since the last
 *     4    u8 which                            ask: counters, descriptions, control, liveness
 *     5    u16 pages                           cut the object to that many pages of 4096 bytes, or extend it
 *     6    u8 lane, u8 position, u8 count      commit that many events from a position on, like a node
 *
 * The op is taken modulo 7; missing input reads as 0.  In every case an attached reader keeps the promises of
 * reader.h; the sanitizers check that it touches nothing else.
 *
 * fuzz.h says how it runs. */
#include "../helpers/scratch.h"
#include "fuzz_ring.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NAME "p2ptrace.fuzz"

struct input {
    const uint8_t *data;
    size_t bytes;
};

static int dir_fd = -1, object_fd = -1;
static char dir[SCRATCH_BYTES];

static uint8_t take_byte(struct input *input) {
    if (input->bytes == 0) return 0;
    input->bytes--;
    return *input->data++;
}

static unsigned take_word(struct input *input) {
    unsigned low = take_byte(input);
    return low | (unsigned)take_byte(input) << 8;
}

static void remove_dir(void) {
    unlinkat(dir_fd, NAME, 0);
    rmdir(dir);
}

static void make_dir(void) {
    REQUIRE(make_shm_scratch(dir));
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(dir_fd >= 0);
    atexit(remove_dir);
}

static void write_at(const void *bytes, size_t count, size_t offset) {
    REQUIRE(pwrite(object_fd, bytes, count, (off_t)offset) == (ssize_t)count);
}

static void make_object(void) {
    static struct trace_shm_header header;
    fuzz_ring_header(&header);
    unlinkat(dir_fd, NAME, 0);
    object_fd = openat(dir_fd, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    REQUIRE(object_fd >= 0);
    REQUIRE(ftruncate(object_fd, OBJECT_BYTES) == 0);
    write_at(&header, sizeof header, 0);
}

/* Bytes from the input, at a place from the input in the object. */
static void spoil(struct input *input, size_t begin) {
    size_t offset = begin + take_word(input);
    uint8_t noise[255];
    unsigned count = take_byte(input);
    for (unsigned i = 0; i < count; i++) noise[i] = take_byte(input);
    if (offset + count <= OBJECT_BYTES && count > 0) write_at(noise, count, offset);
}

static void commit(struct input *input) {
    unsigned lane = take_byte(input) % LANES, position = take_byte(input), count = take_byte(input);
    uint64_t head = position + count;
    for (unsigned i = 0; i < count; i++) {
        struct trace_event event = {.kind = TRACE_KIND_PACKET_SENT, .sequence = trace_shm_mark(position + i)};
        write_at(&event, sizeof event, TRACE_SHM_LANES_OFFSET + (lane * EVENTS + (position + i) % EVENTS) * sizeof event);
    }
    write_at(&head, sizeof head, offsetof(struct trace_shm_header, lanes) + lane * sizeof(struct trace_shm_lane));
}

static void attach(struct input *input, struct trace_reader **reader) {
    enum trace_attach_fault fault = TRACE_ATTACH_OK;
    struct trace_reader *before = *reader = (trace_reader_detach(*reader), NULL);
    int result = trace_reader_attach(reader, dir_fd, NAME, geteuid(), take_byte(input) & TRACE_READER_CONTROL, &fault);
    REQUIRE((result == 0) == (fault == TRACE_ATTACH_OK));
    REQUIRE(result == 0 || *reader == before);
    if (result != 0) return;
    const struct trace_reader_info *info = trace_reader_info(*reader);
    REQUIRE(info->lane_count >= 1 && info->lane_count <= TRACE_LANES_MAX);
    REQUIRE(info->lane_events >= 64 && (info->lane_events & (info->lane_events - 1)) == 0);
    uint64_t offset = info->abi == TRACE_SHM_ABI_1 ? TRACE_SHM_LANES_OFFSET_1 : TRACE_SHM_LANES_OFFSET;
    REQUIRE(offset + (uint64_t)info->lane_count * info->lane_events * TRACE_EVENT_BYTES == info->object_bytes);
    REQUIRE(memchr(info->node_name, 0, sizeof info->node_name));
}

static void read_lane(struct input *input, struct trace_reader *reader) {
    static struct trace_event out[256];
    static uint64_t now_ns = 1;
    unsigned lane = take_byte(input) % TRACE_LANES_MAX;
    uint32_t max = take_byte(input);
    bool final = take_byte(input) & 1;
    struct trace_lane_count before, after;
    struct trace_read read;
    now_ns += take_byte(input) * UINT64_C(10000000);
    if (!reader) return;
    trace_reader_count(reader, lane, &before);
    uint64_t position = trace_reader_position(reader, lane);
    trace_reader_read(reader, lane, out, max, final, now_ns, &read);
    trace_reader_count(reader, lane, &after);
    REQUIRE(read.count <= max);
    REQUIRE(read.first + read.count == trace_reader_position(reader, lane));
    REQUIRE(after.taken == before.taken + read.count);
    REQUIRE(after.unfinished >= before.unfinished);
    REQUIRE(trace_reader_position(reader, lane) >= position);
    /* every position that was passed was taken, lost or unfinished */
    REQUIRE(trace_reader_position(reader, lane) - position == read.count + read.lost + (after.unfinished - before.unfinished));
    for (uint32_t i = 0; i < read.count; i++) REQUIRE(out[i].sequence == (uint32_t)(read.first + i));
}

static void ask(struct input *input, struct trace_reader *reader) {
    struct trace_app app;
    unsigned which = take_byte(input);
    if (!reader) return;
    switch (which % 4) {
    case 0: (void)trace_reader_no_lane(reader); break;
    case 1:
        if (trace_reader_app(reader, which / 4 % TRACE_APPS_MAX, &app) != 0) break;
        REQUIRE(app.command_count <= TRACE_APP_COMMANDS_MAX && app.field_count <= TRACE_APP_FIELDS_MAX);
        break;
    case 2: trace_reader_set_control(reader, ~trace_reader_control(reader)); break;
    case 3: REQUIRE(trace_reader_state(reader) != TRACE_NODE_LIVE); break; /* nobody holds its lock */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct input input = {data, bytes};
    struct trace_reader *reader = NULL;
    if (dir_fd < 0) make_dir();
    make_object();
    while (input.bytes > 0) {
        switch (take_byte(&input) % 7) {
        case 0: spoil(&input, 0); break;
        case 1: spoil(&input, TRACE_SHM_LANES_OFFSET); break;
        case 2: attach(&input, &reader); break;
        case 3: read_lane(&input, reader); break;
        case 4: ask(&input, reader); break;
        case 5: REQUIRE(ftruncate(object_fd, (off_t)(take_word(&input) % 64) * 4096) == 0); break;
        case 6: commit(&input); break;
        }
    }
    trace_reader_detach(reader);
    close(object_fd);
    return 0;
}
