/* SPDX-License-Identifier: MIT */
#include "fleet_segments.h"

#include "allocation.h"
#include "fleet_scope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 4096 /* of segments, in one answer */
#define SEGMENT_EVENTS_MAX 65536

/* ---- places --------------------------------------------------------------------------------------------------------------- */

void fleet_places_fini(struct fleet_places *places) {
    free(places->all);
    *places = (struct fleet_places){0};
}

static struct fleet_place *find_place(const struct fleet_places *places, uint64_t instance) {
    for (size_t i = 0; i < places->count; i++)
        if (places->all[i].instance == instance) return &places->all[i];
    return NULL;
}

static int set_place(struct fleet_places *places, uint64_t instance, uint64_t next, struct failure *failure) {
    struct fleet_place *place = find_place(places, instance);
    if (!place && places->count == FLEET_PLACES_MAX)
        return failure_set(failure, EXIT_FAILED,
                           "more than %d runs of traced have shipped to this fleet: drop old partitions of segments_local first",
                           FLEET_PLACES_MAX);
    if (!place) {
        struct fleet_place *all = memory_room(places->all, places->count, &places->room, sizeof *all);
        if (!all) return failure_out_of_memory(failure);
        places->all = all;
        place = &all[places->count++];
    }
    *place = (struct fleet_place){instance, next};
    return 0;
}

int fleet_places_read(struct fleet_places *ret_places, struct clickhouse *server, struct failure *failure) {
    struct fleet_places places = {0};
    struct trace_text sql = {0};
    struct row_reader rows;
    fleet_put_format(&sql, "SELECT instance, max(segment) + 1 FROM `%s`.segments GROUP BY instance FORMAT RowBinary",
                     clickhouse_database(server));
    int result = fleet_ask(server, &sql, &rows, failure);
    trace_text_fini(&sql);
    while (!result && row_reader_more(&rows)) {
        uint64_t instance = row_read_u64(&rows), next = row_read_u64(&rows);
        result = set_place(&places, instance, next, failure);
    }
    if (result)
        fleet_places_fini(&places);
    else
        *ret_places = places;
    return result;
}

static void put_numbers(struct trace_text *out, const struct fleet_places *places, bool next) {
    trace_text_puts(out, "CAST([");
    for (size_t i = 0; i < places->count; i++)
        fleet_put_format(out, "%s%" PRIu64, i ? "," : "", next ? places->all[i].next : places->all[i].instance);
    trace_text_puts(out, "] AS Array(UInt64))");
}

void fleet_places_put(struct trace_text *out, const struct fleet_places *places) {
    if (!places->count) {
        trace_text_puts(out, "toUInt64(0)");
        return;
    }
    trace_text_puts(out, "transform(instance, ");
    put_numbers(out, places, false);
    trace_text_puts(out, ", ");
    put_numbers(out, places, true);
    trace_text_puts(out, ", toUInt64(0))");
}

int fleet_places_advance(struct fleet_places *places, const struct fleet_arrivals *arrivals, struct failure *failure) {
    int result = 0;
    for (size_t i = 0; i < arrivals->count && !result; i++)
        result = set_place(places, arrivals->all[i].instance, arrivals->all[i].end, failure);
    return result;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------- */

struct segment {
    uint64_t instance, number, events, first_ns, last_ns;
    char host[65];
};

struct loss {
    uint64_t instance, first, segments, events_max;
};

struct rows {
    struct segment segments[ROWS_MAX];
    size_t segment_count;
    struct loss losses[ROWS_MAX];
    size_t loss_count;
};

static int ask(struct clickhouse *server, const struct fleet_places *places, const char *select, const char *table,
               const char *number, const char *key, struct row_reader *ret_rows, struct failure *failure) {
    struct trace_text sql = {0};
    fleet_put_format(&sql, "SELECT %s FROM `%s`.%s WHERE %s >= ", select, clickhouse_database(server), table, number);
    fleet_places_put(&sql, places);
    fleet_put_format(&sql, " ORDER BY %s LIMIT 1 BY %s LIMIT %d FORMAT RowBinary", key, key, ROWS_MAX);
    int result = fleet_ask(server, &sql, ret_rows, failure);
    trace_text_fini(&sql);
    return result;
}

static int read_segments(struct rows *rows, struct clickhouse *server, const struct fleet_places *places,
                         struct failure *failure) {
    struct row_reader reader;
    if (ask(server, places, "instance, segment, host, events, first_ns, last_ns", "segments", "segment", "instance, segment",
            &reader, failure))
        return -1;
    while (row_reader_more(&reader) && rows->segment_count < ROWS_MAX) {
        struct segment *segment = &rows->segments[rows->segment_count++];
        size_t bytes;
        segment->instance = row_read_u64(&reader);
        segment->number = row_read_u64(&reader);
        const char *host = row_read_string(&reader, &bytes);
        memset(segment->host, 0, sizeof segment->host);
        memcpy(segment->host, host, bytes < sizeof segment->host ? bytes : sizeof segment->host - 1);
        segment->events = row_read_u64(&reader);
        segment->first_ns = row_read_u64(&reader);
        segment->last_ns = row_read_u64(&reader);
    }
    return reader.failed ? fleet_cut_short(failure) : 0;
}

static int read_losses(struct rows *rows, struct clickhouse *server, const struct fleet_places *places, struct failure *failure) {
    struct row_reader reader;
    if (ask(server, places, "instance, first_segment, segments, events_max", "losses", "first_segment",
            "instance, first_segment, cause", &reader, failure))
        return -1;
    while (row_reader_more(&reader) && rows->loss_count < ROWS_MAX) {
        struct loss *loss = &rows->losses[rows->loss_count++];
        loss->instance = row_read_u64(&reader);
        loss->first = row_read_u64(&reader);
        loss->segments = row_read_u64(&reader);
        loss->events_max = row_read_u64(&reader);
    }
    return reader.failed ? fleet_cut_short(failure) : 0;
}

/* ---- what to read next ---------------------------------------------------------------------------------------------------- */

void fleet_arrivals_fini(struct fleet_arrivals *arrivals) {
    free(arrivals->all);
    *arrivals = (struct fleet_arrivals){0};
}

static struct fleet_arrival *add_arrival(struct fleet_arrivals *arrivals) {
    struct fleet_arrival *all = memory_room(arrivals->all, arrivals->count, &arrivals->room, sizeof *all);
    if (!all) return NULL;
    arrivals->all = all;
    arrivals->all[arrivals->count] = (struct fleet_arrival){0};
    return &arrivals->all[arrivals->count++];
}

/* How far losses reach that begin at a segment. */
static uint64_t behind_losses(const struct rows *rows, uint64_t instance, uint64_t number) {
    for (size_t i = 0; i < rows->loss_count; i++) {
        const struct loss *loss = &rows->losses[i];
        if (loss->instance == instance && loss->first == number) number += loss->segments; /* sorted by first */
    }
    return number;
}

static uint64_t lost_within(const struct rows *rows, const struct fleet_arrival *arrival) {
    uint64_t events = 0;
    for (size_t i = 0; i < rows->loss_count; i++) {
        const struct loss *loss = &rows->losses[i];
        if (loss->instance == arrival->instance && loss->first >= arrival->begin && loss->first < arrival->end)
            events += loss->events_max;
    }
    return events;
}

static void add_segment(struct fleet_arrival *arrival, const struct segment *segment) {
    arrival->end = segment->number + 1;
    memcpy(arrival->host, segment->host, sizeof arrival->host);
    if (!segment->events) return;
    if (!arrival->events || segment->first_ns < arrival->first_ns) arrival->first_ns = segment->first_ns;
    if (segment->last_ns > arrival->last_ns) arrival->last_ns = segment->last_ns;
    arrival->events += segment->events;
}

/* Where a traced of which we have read nothing begins: what was removed before its first shipment was never to be shipped. */
static uint64_t first_of(const struct rows *rows, const struct segment *segment) {
    for (size_t i = 0; i < rows->loss_count; i++)
        if (rows->losses[i].instance == segment->instance && rows->losses[i].first < segment->number)
            return rows->losses[i].first;
    return segment->number;
}

/* Segments of one traced from row `at` on.  Returns the row after them. */
static size_t choose_segments(struct fleet_arrivals *arrivals, const struct rows *rows, const struct fleet_places *places,
                              size_t at, uint64_t *events, bool patient) {
    const struct segment *first = &rows->segments[at];
    const struct fleet_place *place = find_place(places, first->instance);
    uint64_t next = place ? place->next : first_of(rows, first), unexplained = 0;
    struct fleet_arrival *arrival = add_arrival(arrivals);
    if (!arrival) return rows->segment_count + 1;
    arrival->instance = first->instance;
    arrival->begin = arrival->end = next;
    for (; at < rows->segment_count && rows->segments[at].instance == first->instance; at++) {
        const struct segment *segment = &rows->segments[at];
        bool whole = *events + segment->events <= FLEET_ARRIVED_EVENTS || *events == 0;
        next = arrival->end;
        if (next < segment->number) next = behind_losses(rows, first->instance, next);
        if (next < segment->number && patient) arrivals->waits = true;
        if (!whole) arrivals->more = true;
        if (!whole || (next < segment->number && patient)) break;
        unexplained += next < segment->number ? segment->number - next : 0;
        *events += segment->events;
        add_segment(arrival, segment);
    }
    arrival->lost_max = lost_within(rows, arrival) + unexplained * SEGMENT_EVENTS_MAX;
    if (arrival->end == arrival->begin) arrivals->count--;
    while (at < rows->segment_count && rows->segments[at].instance == first->instance) at++;
    return at;
}

int fleet_arrivals_find(struct fleet_arrivals *arrivals, const struct fleet_places *places, struct clickhouse *server,
                        bool patient, struct failure *failure) {
    struct rows *rows = calloc(1, sizeof *rows);
    uint64_t events = 0;
    arrivals->count = 0;
    arrivals->more = arrivals->waits = false;
    if (!rows) return failure_out_of_memory(failure);
    int result = read_segments(rows, server, places, failure);
    if (!result && rows->segment_count) result = read_losses(rows, server, places, failure);
    arrivals->more = rows->segment_count == ROWS_MAX;
    for (size_t at = 0; !result && at < rows->segment_count;) {
        at = choose_segments(arrivals, rows, places, at, &events, patient);
        if (at > rows->segment_count) result = failure_out_of_memory(failure);
    }
    free(rows);
    return result;
}

void fleet_arrivals_put(struct trace_text *out, const struct fleet_arrivals *arrivals) {
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    bool any = false;
    trace_text_puts(out, "((");
    for (size_t i = 0; i < arrivals->count; i++) {
        const struct fleet_arrival *arrival = &arrivals->all[i];
        if (!arrival->events) continue;
        fleet_put_format(out, "%s(instance = %" PRIu64 " AND segment >= %" PRIu64 " AND segment < %" PRIu64 ")",
                         any ? " OR " : "", arrival->instance, arrival->begin, arrival->end);
        if (arrival->first_ns < first_ns) first_ns = arrival->first_ns;
        if (arrival->last_ns > last_ns) last_ns = arrival->last_ns;
        any = true;
    }
    if (any)
        fleet_put_format(out, ") AND time_ns >= %" PRIu64 " AND time_ns <= %" PRIu64 ")", first_ns, last_ns);
    else
        trace_text_puts(out, "segment < 0))");
}
