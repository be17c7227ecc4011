/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: salvage (recording/salvage.h): the rings of dead nodes, with any contents, become a sound recording.
 *
 * The ring begins as a valid one of 2 lanes of 64 events, 40 of them written.  The input is a list of changes: u16 place, u8
 * count, bytes.  The place is an offset into the first 64 KiB; a count of 0 sets the object's length to place modulo 64 pages. */
#include "../helpers/scratch.h"
#include "fuzz_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <recording/recording.h>
#include <recording/salvage.h>
#include <recording/writer.h>

#define WRITTEN 40

static char dir[SCRATCH_BYTES], object_path[160];

static void remove_dir(void) {
    unlink(object_path);
    rmdir(dir);
}

static void make_dir(void) {
    REQUIRE(make_shm_scratch(dir));
    snprintf(object_path, sizeof object_path, "%s/p2ptrace.%u.1.fuzz", dir, geteuid());
    atexit(remove_dir);
}

static void write_at(int fd, const void *bytes, size_t count, size_t offset) {
    REQUIRE(pwrite(fd, bytes, count, (off_t)offset) == (ssize_t)count);
}

static void make_object(int fd) {
    static struct trace_shm_header header;
    fuzz_ring_header(&header);
    REQUIRE(ftruncate(fd, OBJECT_BYTES) == 0);
    for (unsigned lane = 0; lane < LANES; lane++) {
        header.lanes[lane].head = WRITTEN;
        for (unsigned i = 0; i < WRITTEN; i++) {
            struct trace_event event = {.kind = TRACE_KIND_PACKET_SENT, .timestamp = 1 + i, .sequence = trace_shm_mark(i)};
            write_at(fd, &event, sizeof event, TRACE_SHM_LANES_OFFSET + (lane * EVENTS + i) * sizeof event);
        }
    }
    write_at(fd, &header, sizeof header, 0);
}

static void change_object(int fd, const uint8_t *data, size_t bytes) {
    while (bytes >= 3) {
        size_t place = data[0] | (size_t)data[1] << 8, count = data[2];
        data += 3;
        bytes -= 3;
        if (count == 0) REQUIRE(ftruncate(fd, (off_t)(place % 64) * 4096) == 0);
        if (count > bytes) count = bytes;
        if (count > 0 && place + count <= OBJECT_BYTES) write_at(fd, data, count, place);
        data += count;
        bytes -= count;
    }
}

struct heard {
    unsigned rings;
    uint64_t events;
};

static void hear(void *arg, const struct recording_salvaged *salvaged) {
    struct heard *heard = arg;
    REQUIRE(salvaged->name != NULL && (salvaged->fault != TRACE_ATTACH_OK || salvaged->node_name != NULL));
    heard->rings++;
    heard->events += salvaged->events;
}

static void check_recording(int fd, const struct heard *heard) {
    char path[32], reason[RECORDING_REASON_BYTES] = "";
    const char *paths[] = {path};
    struct recording *recording;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int opened = recording_open(&recording, paths, 1, reason);
    REQUIRE(opened == 0 || heard->events == 0);
    if (opened) return;
    recording_verify(recording);
    recording_close(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct recording_writer *writer;
    struct heard heard = {0};
    char path[32];
    if (!*dir) make_dir();
    unlink(object_path);
    int object = open(object_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), fd = memfd_create("salvaged", MFD_CLOEXEC);
    REQUIRE(object >= 0 && fd >= 0);
    make_object(object);
    change_object(object, data, bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    REQUIRE(recording_writer_open(&writer, path, &(struct recording_writer_options){.append = true}) == 0);
    REQUIRE(recording_salvage(writer, dir, geteuid(), hear, &heard) >= 0);
    REQUIRE(heard.rings == 1);
    REQUIRE(recording_writer_close(writer, NULL) == 0);
    check_recording(fd, &heard);
    close(object);
    close(fd);
    return 0;
}
