/* SPDX-License-Identifier: MIT */
#include "ship_metrics.h"

#include "strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A label's value: its quotes and backslashes escaped. */
static void put_host(struct strbuf *out, const char *host) {
    for (; *host; host++) {
        if (*host == '"' || *host == '\\') strbuf_puts(out, "\\");
        strbuf_add(out, *host == '\n' ? " " : host, 1);
    }
}

static void put_metric(struct strbuf *out, const char *host, const char *name, const char *type, const char *help, double value) {
    strbuf_printf(out, "# HELP p2ptrace_ship_%s %s\n# TYPE p2ptrace_ship_%s %s\np2ptrace_ship_%s{host=\"", name, help, name, type,
                  name);
    put_host(out, host);
    strbuf_printf(out, "\"} %.17g\n", value);
}

static double seconds(uint64_t ns) { return (double)ns / 1e9; }

static void put_all(struct strbuf *out, const char *host, const struct ship_progress *is, uint64_t now_ns) {
    uint64_t waiting_ns = is->waiting_since_ns && now_ns > is->waiting_since_ns ? now_ns - is->waiting_since_ns : 0;
    put_metric(out, host, "up", "gauge", "1 when the last request to the server succeeded.", is->up);
    put_metric(out, host, "events_total", "counter", "Events shipped since this process started.", (double)is->events);
    put_metric(out, host, "segments_total", "counter", "Segments shipped since this process started.", (double)is->segments);
    put_metric(out, host, "bytes_total", "counter", "Bytes of rows that the server took, before compression.", (double)is->bytes);
    put_metric(out, host, "retries_total", "counter", "Requests that were made again.", (double)is->retries);
    put_metric(out, host, "lost_segments_total", "counter",
               "Segments that were gone or damaged before they were shipped, since the place was begun.",
               (double)is->lost_segments);
    put_metric(out, host, "lost_events_total", "counter", "Events of damaged parts of segments, since the place was begun.",
               (double)is->lost_events);
    put_metric(out, host, "waiting_segments", "gauge", "Sealed segments that are not shipped yet.", (double)is->waiting_segments);
    put_metric(out, host, "waiting_bytes", "gauge", "Their bytes on disk.", (double)is->waiting_bytes);
    put_metric(out, host, "waiting_seconds", "gauge", "How long the oldest of them has waited.", seconds(waiting_ns));
    put_metric(out, host, "newest_event_timestamp_seconds", "gauge", "Time of the newest event that was shipped.",
               seconds(is->newest_ns));
    put_metric(out, host, "last_success_timestamp_seconds", "gauge", "When the server took something last.",
               seconds(is->success_ns));
}

static int write_file(const char *path, const struct strbuf *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644), error = fd < 0 ? -errno : 0;
    if (fd < 0) return error;
    ssize_t done = write(fd, text->text, text->bytes);
    if (done < 0) error = -errno;
    if (done >= 0 && (size_t)done < text->bytes) error = -ENOSPC;
    if (close(fd) && !error) error = -errno;
    return error;
}

int ship_metrics_write(const char *path, const char *host, const struct ship_progress *progress, uint64_t now_ns) {
    struct strbuf text = {0}, beside = {0};
    int error = -ENOMEM;
    put_all(&text, host, progress, now_ns);
    strbuf_printf(&beside, "%s.new", path);
    if (!text.failed && !beside.failed) error = write_file(strbuf_text(&beside), &text);
    if (!error && rename(strbuf_text(&beside), path)) error = -errno;
    if (error && !beside.failed) (void)unlink(strbuf_text(&beside));
    strbuf_fini(&text);
    strbuf_fini(&beside);
    return error;
}
