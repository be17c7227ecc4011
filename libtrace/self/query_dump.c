/* SPDX-License-Identifier: MIT
 *
 * Timelines for people (p2ptrace/query.h), made without malloc, locks or stdio streams: the process may have been stopped
 * anywhere.
 *
 *      alice: the newest: 2 of 41 events; the ring: 41 emitted, 0 overwritten, 0 unfinished
 *      2026-01-31 12:00:00.000000123 UTC
 *          +0.000000 ms  lane 0   5a356ada19cc  -         app_start span_id="..." app_id="DMAP" cmd=2
 *          +0.012345 ms  lane 0   5a356ada19cc  0badcafe  packet_sent packet_num=7 size=1200 space="1rtt"
 *
 * After the time come the lane, the first digits of the trace's and the peer's id, and the event's JSON form with less
 * punctuation. */
#include "open_logs.h"
#include "query_json.h"
#include "query_memory.h"
#include "query_run.h"

#include <errno.h>
#include <proto/event_table.h>
#include <proto/hex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- text out -------------------------------------------------------------------------------------------------------------- */

/* Room for the longest event, its time and its ids. */
#define DUMP_LINE_BYTES (TRACE_EVENT_JSON_MAX + 256)

struct dump {
    struct query_ring ring;
    struct query_clock clock;
    struct query_collector collector;
    int fd;
    int error; /* of the first write that failed */
    size_t used;
    char text[4 * DUMP_LINE_BYTES];
    char json[TRACE_EVENT_JSON_MAX];
};

static void flush_dump(struct dump *dump) {
    for (size_t done = 0; done < dump->used && dump->error == 0;) {
        ssize_t written = write(dump->fd, dump->text + done, dump->used - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            dump->error = -errno;
    }
    dump->used = 0;
}

/* Makes room for a line, which is then written without further checks. */
static void begin_line(struct dump *dump) {
    if (sizeof dump->text - dump->used < DUMP_LINE_BYTES) flush_dump(dump);
}

static void put_char(struct dump *dump, char character) { dump->text[dump->used++] = character; }

__attribute__((format(printf, 2, 3))) static void put_formatted(struct dump *dump, const char *format, ...) {
    size_t room = sizeof dump->text - dump->used;
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(dump->text + dump->used, room, format, args);
    va_end(args);
    if (bytes > 0) dump->used += (size_t)bytes < room ? (size_t)bytes : room - 1;
}

static void put_digits(struct dump *dump, const uint8_t *bytes, size_t count) {
    dump->used = (size_t)(trace_hex_encode(dump->text + dump->used, bytes, count) - dump->text);
}

/* ---- an event -------------------------------------------------------------------------------------------------------------- */

/* The end of a JSON string, after its second quote.  We wrote the text, so it is well formed. */
static const char *end_of_string(const char *quote) {
    const char *at = quote + 1;
    while (*at != '"') at += *at == '\\' ? 2 : 1;
    return at + 1;
}

/* Writes a value without terminal control characters: JSON does not escape DEL and the C1 controls. */
static void put_printable(struct dump *dump, const char *from, const char *end) {
    for (const char *at = from; at < end; at++) {
        bool c1 = (uint8_t)at[0] == 0xc2 && (uint8_t)at[1] < 0xa0;
        put_char(dump, c1 || *at == 0x7f ? '?' : *at);
        at += c1;
    }
}

/* {"size":7,"space":"1rtt","fields":{"key":"ab"}} becomes  size=7 space="1rtt" key="ab" */
static void put_members(struct dump *dump, const char *json, const char *end) {
    while (json < end) {
        if (*json == '"') {
            const char *after = end_of_string(json);
            if (*after != ':') {
                put_printable(dump, json, after);
            } else if (after[1] != '{') {
                put_char(dump, ' ');
                put_printable(dump, json + 1, after - 1);
                put_char(dump, '=');
            }
            json = after + (*after == ':');
            continue;
        }
        if (*json != '{' && *json != '}' && *json != ',') put_char(dump, *json);
        json++;
    }
}

static void put_timeline_event(struct dump *dump, const struct trace_query_event *found, uint64_t since_ns) {
    static const struct trace_id no_trace;
    static const char data[] = "\"data\":";
    const struct trace_event *event = &found->event;
    const struct trace_kind_info *kind = trace_kind_info(event->kind);
    uint64_t ns = event->timestamp - since_ns;
    char *end = query__json(dump->json, &dump->ring, found);
    const char *members = memmem(dump->json, (size_t)(end - dump->json), data, sizeof data - 1);

    begin_line(dump);
    put_formatted(dump, "%+6lld.%06u ms  lane %-2u  ", (long long)(ns / 1000000), (unsigned)(ns % 1000000), found->lane);
    if (memcmp(&event->trace_id, &no_trace, sizeof no_trace) != 0)
        put_digits(dump, event->trace_id.bytes, 6);
    else
        put_formatted(dump, "-           ");
    put_formatted(dump, "  ");
    if (event->flags & TRACE_FLAG_HAS_PEER)
        put_digits(dump, event->peer_id.bytes, 4);
    else
        put_formatted(dump, "-       ");
    put_formatted(dump, "  %s", kind ? kind->name : "unknown");
    if (!kind) put_formatted(dump, " kind_id=%u", event->kind);
    if (members) put_members(dump, members, end);
    put_char(dump, '\n');
}

/* The date of a Unix time in UTC.  Not gmtime_r, which takes a lock. */
static void put_date(struct dump *dump, uint64_t unix_ns) {
    uint64_t seconds = unix_ns / 1000000000;
    /* Days since 0000-03-01, in eras of 400 years; years begin in March, so that the leap day is the last. */
    uint64_t days = seconds / 86400 + 719468, era = days / 146097, day_of_era = days % 146097;
    uint64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * day_of_year + 2) / 153; /* 0: March */
    unsigned clock = (unsigned)(seconds % 86400);
    put_formatted(dump, "%04u-%02u-%02u %02u:%02u:%02u.%09u UTC", (unsigned)(year + era * 400 + (month >= 10)),
                  (unsigned)(month < 10 ? month + 3 : month - 9), (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
                  clock / 3600, clock / 60 % 60, clock % 60, (unsigned)(unix_ns % 1000000000));
}

/* ---- a timeline ------------------------------------------------------------------------------------------------------------ */

static void put_timeline(struct dump *dump, const char *what, const struct trace_query_ring *ring) {
    const struct query_collector *found = &dump->collector;
    unsigned long long overwritten = ring->gone + ring->overwritten;
    begin_line(dump);
    put_formatted(dump, "%.*s: %s: %zu of %llu events", TRACE_NODE_NAME_BYTES, dump->ring.header->node_name, what, found->count,
                  (unsigned long long)found->matched);
    put_formatted(dump, "; the ring: %llu emitted, %llu overwritten, %llu unfinished\n", (unsigned long long)ring->emitted,
                  overwritten, (unsigned long long)ring->unfinished);
    if (found->count == 0) return;
    put_date(dump, found->events[0].event.timestamp);
    put_char(dump, '\n');
    for (size_t i = 0; i < found->count && dump->error == 0; i++)
        put_timeline_event(dump, &found->events[i], found->events[0].event.timestamp);
}

/* Passes on the events of traces whose id begins with a prefix. */
struct prefix_sink {
    struct query_sink sink;
    struct trace_id_prefix prefix;
    struct query_sink *next;
};

static void take_prefix(struct query_sink *sink, const struct trace_query_event *found) {
    struct prefix_sink *self = (struct prefix_sink *)sink;
    if (trace_id_prefix_matches(&self->prefix, found->event.trace_id.bytes)) self->next->take(self->next, found);
}

/* prefix: NULL for none. */
static int dump_events(struct trace_log *base, const struct trace_query_filter *filter, const struct trace_id_prefix *prefix,
                       const char *what, int fd) {
    const struct log *log = (const struct log *)base;
    struct trace_query_ring ring;
    struct prefix_sink sifted = {.sink = {take_prefix}};
    struct query_search search = {.filter = *filter};
    struct dump *dump;
    if (!log) return 0;
    if (!log->header) return -ECHILD;
    dump = query__memory(sizeof *dump);
    if (!dump) return -ENOMEM;
    dump->fd = fd;
    dump->ring = (struct query_ring){log->header, log->slots, log->lane_count, log->lane_events};
    query__clock_init(&dump->clock, log->header, false);
    query__collector_begin(&dump->collector, filter->limit);
    search.clock = &dump->clock;
    search.sink = &dump->collector.sink;
    if (prefix) {
        sifted.prefix = *prefix;
        sifted.next = search.sink;
        search.sink = &sifted.sink;
    }
    int result = query__run(&dump->ring, NULL, &search, &ring);
    if (result == 0) result = query__collector_finish(&dump->collector);
    if (result == 0) {
        put_timeline(dump, what, &ring);
        flush_dump(dump);
        result = dump->error;
    }
    query__collector_fini(&dump->collector);
    query__memory_free(dump, sizeof *dump);
    return result;
}

int trace_query_dump(struct trace_log *log, const struct trace_id *trace_id, int fd) {
    struct trace_query_filter filter = {.trace_id = trace_id};
    char what[8 + 2 * TRACE_ID_BYTES] = "all";
    if (trace_id) {
        memcpy(what, "trace ", 6);
        *trace_hex_encode(what + 6, trace_id->bytes, sizeof trace_id->bytes) = 0;
    }
    return dump_events(log, &filter, NULL, what, fd);
}

int trace_query_dump_recent(struct trace_log *log, unsigned limit) {
    return dump_events(log, &(struct trace_query_filter){.limit = limit}, NULL, "the newest", STDERR_FILENO);
}

int trace_query_dump_trace(struct trace_log *log, const char *trace_id_digits) {
    struct trace_id_prefix prefix;
    char what[16 + 2 * TRACE_ID_BYTES];
    int result = trace_id_prefix_parse(&prefix, trace_id_digits, 2 * TRACE_ID_BYTES);
    if (result != 0) return result;
    snprintf(what, sizeof what, "traces %s...", trace_id_digits);
    return dump_events(log, &(struct trace_query_filter){0}, &prefix, what, STDERR_FILENO);
}
