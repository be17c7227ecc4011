/* SPDX-License-Identifier: MIT
 *
 * Writing in a program that may have an end (--for): a reader that has stopped reading must not keep it running. */
#ifndef INSPECTOR_TIMELY_WRITE_H
#define INSPECTOR_TIMELY_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TIMELY_WRITE_GRACE_MS 1000 /* after the end: how long a reader may take to make room for the next piece */

/* The program is to end then, on the clock of trace_now_monotonic_ms(); WAIT_FOREVER, as at the start: it has no end. */
void timely_write_end(uint64_t end_ms);

/* Like write().  If the program has an end: writes at most PIPE_BUF bytes to anything but a file, and fails with ETIMEDOUT if
 * there is still no room for them at the end, or TIMELY_WRITE_GRACE_MS after now if that is later.  So a slow reader gets
 * everything, and one that has stopped reading ends the program. */
ssize_t timely_write(int fd, const void *bytes, size_t count);

/* The same for a text that must arrive whole or not at all, such as a line of JSON.  If the program has an end and fd is a
 * pipe, waits until the pipe is empty and large enough, then writes all of it; the end counts from the reader's last progress.
 * A text larger than the largest pipe, or a pipe with other writers, can still be torn. */
ssize_t timely_write_whole(int fd, const void *bytes, size_t count);

#endif
