/* SPDX-License-Identifier: MIT
 *
 * Which slots have memory.
 *
 * Reading a hole in a tmpfs mapping allocates the page for good, and no kind of mapping avoids that.  A node reserves a lane
 * before it publishes the lane's state, but an object that was made to fill /dev/shm may have states without memory.  So we ask
 * the file system before we touch a slot for the first time.  It also says "hole" for pages that are reserved but were never
 * written, which is just as good: a slot there reads as zero.
 *
 * A node fills the pages of a lane when it reserves them, so usually one question per lane is enough.  Slots found present are
 * not asked about again: if a live node punches holes there, the kernel refuses to fill them (holes.h).  Only where that is
 * not allowed, such a node can make us allocate a page that it had: no more than it could allocate itself, and only
 * while it lives. */
#include "reader_internal.h"

#include <errno.h>
#include <unistd.h>

static bool is_within(uint32_t slot, uint32_t begin, uint32_t count) { return slot - begin < count; }

bool slot_is_present(struct trace_reader *reader, unsigned index, uint32_t slot, struct slot_hole *hole) {
    struct lane_reader *lane = &reader->lanes[index];
    uint32_t events = reader->info.lane_events;
    off_t lanes = (const char *)reader->slots - (const char *)reader->header;
    off_t begin = lanes + (off_t)index * events * TRACE_EVENT_BYTES;
    off_t at = begin + (off_t)slot * TRACE_EVENT_BYTES, lane_end = begin + (off_t)events * TRACE_EVENT_BYTES, data, end;

    if (is_within(slot, lane->present_begin, lane->present_count)) return true;
    if (is_within(slot, hole->begin, hole->end - hole->begin)) return false;
    data = lseek(reader->fd, at, SEEK_DATA);
    if (data == at) {
        end = lseek(reader->fd, at, SEEK_HOLE);
        if (end > lane_end || end < 0) end = lane_end;
        lane->present_begin = slot; /* after one lap, one answer covers the whole lane */
        lane->present_count = (uint32_t)((end - at) / TRACE_EVENT_BYTES);
        return lane->present_count > 0;
    }
    /* ENXIO: a hole up to the end; or the object has shrunk, which the next access to its header will find */
    if (data > lane_end || data < 0) data = lane_end;
    *hole = (struct slot_hole){.begin = slot, .end = (uint32_t)((data - begin) / TRACE_EVENT_BYTES)};
    return false;
}
