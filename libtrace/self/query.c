/* SPDX-License-Identifier: MIT
 *
 * The public queries of a log's own ring: see p2ptrace/query.h.
 *
 *      query.c          the public functions: a view of the ring, with its clock
 *      query_run.c      one question, over all lanes
 *      query_scan.c     a lane, read from its newest event to its oldest
 *      query_index.c    chains by trace and by peer
 *      query_collect.c  the newest N of the events found, sorted
 *      query_clock.c    ticks to Unix time, the same each time
 *      query_json.c     an event as JSON
 *      query_dump.c     timelines
 *      query_memory.c   memory from mmap
 *
 * A query maps the log's object a second time, read-only: it cannot write into the ring, and survives the log's closing.  The
 * process trusts its own ring, so nothing here is guarded as in libtrace/reader.h. */
#include "object.h"
#include "open_logs.h"
#include "query_json.h"
#include "query_memory.h"
#include "query_run.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct trace_query {
    struct query_ring ring;
    size_t mapped_bytes;
    pid_t pid;                 /* the process that opened it */
    struct query_index *index; /* NULL: none */
    struct query_clock clock;
    struct query_collector collector;
};

/* ---- open, close --------------------------------------------------------------------------------------------------------- */

static int map_ring(struct trace_query *query, const struct log *log) {
    const void *base;
    int result = object__map_again(log, &base);
    if (result != 0) return result;
    query->mapped_bytes = log->object_bytes;
    query->ring.header = base;
    query->ring.slots = (const struct trace_event *)(const void *)((const char *)base + TRACE_SHM_LANES_OFFSET);
    query->ring.lane_count = log->lane_count;
    query->ring.lane_events = log->lane_events;
    return 0;
}

int trace__query_open(struct trace_query **ret_query, struct trace_log *base, enum trace_query_mode mode) {
    const struct log *log = (const struct log *)base;
    struct trace_query *query;
    if (!log) {
        *ret_query = NULL;
        return 0;
    }
    if (!log->header) return -ECHILD;
    query = query__memory(sizeof *query);
    if (!query) return -ENOMEM;
    query->pid = getpid();
    int result = map_ring(query, log);
    if (result == 0 && mode == TRACE_QUERY_INDEXED) {
        query->index = query__index_create(log->lane_events);
        if (!query->index) result = -ENOMEM;
    }
    if (result != 0) {
        trace_query_close(query);
        return result;
    }
    query__clock_init(&query->clock, query->ring.header, true);
    *ret_query = query;
    return 0;
}

void trace_query_close(struct trace_query *query) {
    if (!query) return;
    query__collector_fini(&query->collector);
    query__index_destroy(query->index);
    if (query->ring.header) munmap((void *)query->ring.header, query->mapped_bytes);
    query__memory_free(query, sizeof *query);
}

/* ---- questions ------------------------------------------------------------------------------------------------------------- */

/* query is not NULL. */
static int ask_ring(struct trace_query *query, const struct trace_query_filter *filter, struct query_sink *sink,
                    struct trace_query_ring *ret_ring) {
    struct query_search search = {.clock = &query->clock, .sink = sink};
    if (getpid() != query->pid) return -ECHILD;
    if (filter) search.filter = *filter;
    query__clock_update(&query->clock);
    return query__run(&query->ring, query->index, &search, ret_ring);
}

int trace_query_find(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_answer *ret_answer) {
    struct trace_query_answer answer = {0};
    int result;
    if (query) {
        struct query_collector *collector = &query->collector;
        query__collector_begin(collector, filter ? filter->limit : 0);
        result = ask_ring(query, filter, &collector->sink, &answer.ring);
        if (result == 0) result = query__collector_finish(collector);
        if (result != 0) return result;
        answer.events = collector->events;
        answer.count = collector->count;
        answer.matched = collector->matched;
    }
    *ret_answer = answer;
    return 0;
}

int trace_query_trace(struct trace_query *query, const struct trace_id *trace_id, struct trace_query_answer *ret_answer) {
    return trace_query_find(query, &(struct trace_query_filter){.trace_id = trace_id}, ret_answer);
}

int trace_query_peer(struct trace_query *query, const struct trace_node_id *peer_id, struct trace_query_answer *ret_answer) {
    return trace_query_find(query, &(struct trace_query_filter){.peer_id = peer_id}, ret_answer);
}

int trace_query_recent(struct trace_query *query, size_t limit, struct trace_query_answer *ret_answer) {
    return trace_query_find(query, &(struct trace_query_filter){.limit = limit}, ret_answer);
}

int trace_query_between(struct trace_query *query, uint64_t from_ns, uint64_t to_ns, struct trace_query_answer *ret_answer) {
    return trace_query_find(query, &(struct trace_query_filter){.from_ns = from_ns, .to_ns = to_ns}, ret_answer);
}

/* ---- counting -------------------------------------------------------------------------------------------------------------- */

struct counter {
    struct query_sink sink;
    struct trace_query_counts counts;
};

static void count_one(struct query_sink *sink, const struct trace_query_event *found) {
    struct counter *counter = (struct counter *)sink;
    unsigned kind = found->event.kind;
    counter->counts.total++;
    counter->counts.by_kind[kind < TRACE_QUERY_KINDS - 1 ? kind : TRACE_QUERY_KINDS - 1]++;
}

int trace_query_count(struct trace_query *query, const struct trace_query_filter *filter, struct trace_query_counts *ret_counts) {
    struct counter counter = {.sink = {count_one}};
    int result = query ? ask_ring(query, filter, &counter.sink, &counter.counts.ring) : 0;
    if (result == 0) *ret_counts = counter.counts;
    return result;
}

/* ---- export ---------------------------------------------------------------------------------------------------------------- */

int trace_query_json(struct trace_query *query, const struct trace_query_filter *filter, trace_query_write *write, void *arg) {
    struct trace_query_answer answer;
    int result = trace_query_find(query, filter, &answer);
    if (result != 0 || answer.count == 0) return result;
    char *line = query__memory(QUERY_LINE_BYTES);
    if (!line) return -ENOMEM;
    for (size_t i = 0; result == 0 && i < answer.count; i++) {
        char *end = query__json(line, &query->ring, &answer.events[i]);
        *end++ = '\n';
        result = write(arg, line, (size_t)(end - line));
    }
    query__memory_free(line, QUERY_LINE_BYTES);
    return result;
}

static int write_to_file(void *file, const char *line, size_t bytes) { return fwrite(line, 1, bytes, file) == bytes ? 0 : -EIO; }

int trace_query_json_file(struct trace_query *query, const struct trace_query_filter *filter, FILE *file) {
    int result = trace_query_json(query, filter, write_to_file, file);
    return result == 0 && fflush(file) != 0 ? -EIO : result;
}
