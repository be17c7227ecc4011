/* SPDX-License-Identifier: MIT */
#include "source_rings.h"

#include "json_get.h"
#include "local_filter.h"
#include "rings.h"

#include <dirent.h>
#include <inttypes.h>
#include <proto/clock.h>
#include <proto/hex.h>
#include <proto/quantity.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Pause between reads; doubles while no events come. */
#define PAUSE_MIN_MS 1
#define PAUSE_MAX_MS 20

struct source_rings {
    struct source source;
    struct rings rings;
    json_t *nodes;   /* the answer to `nodes` */
    bool resumed;    /* source_rings_resume */
    uint64_t newest; /* begin with this many past events; 0: begun */
    bool more;       /* the rings had more than we read */
    int pause_ms;    /* the last pause */
    json_t *batch;   /* the events after a gap that was just delivered; NULL */
    char title[48];
};

static struct source_rings *rings_of(struct source *source) { return (struct source_rings *)source; }

/* ---- names ---- */

/* Appends a node for each log in the directory, so that peers have names. */
static void add_neighbours(json_t *nodes) {
    DIR *dir = opendir(process_logs_dir());
    if (!dir) return;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        struct trace_reader *reader;
        enum trace_attach_fault fault;
        if (strncmp(entry->d_name, TRACE_SHM_PREFIX, sizeof TRACE_SHM_PREFIX - 1) != 0 || json_array_size(nodes) == NAMES_MAX ||
            trace_reader_attach(&reader, dirfd(dir), entry->d_name, geteuid(), 0, &fault))
            continue;
        const struct trace_reader_info *info = trace_reader_info(reader);
        char id[NODE_DIGITS + 1];
        *trace_hex_encode(id, info->node_id.bytes, sizeof info->node_id.bytes) = 0;
        json_array_append_new(nodes, json_pack("{s:s, s:s}", "node_id", id, "name", info->node_name));
        trace_reader_detach(reader);
    }
    closedir(dir);
}

/* Only `nodes` gets here; source_ask refused the rest. */
static int rings_ask(struct source *source, const char *method, json_t *params_new, const struct source_apart *apart,
                     json_t **ret_result, struct failure *failure) {
    (void)method, (void)apart, (void)failure;
    json_decref(params_new);
    *ret_result = json_incref(rings_of(source)->nodes);
    return 0;
}

/* ---- following ---- */

/* Begins at `from`; or at the oldest event, for a dead process or with `recent`; or now. */
static int begin_time(struct source_rings *source, const json_t *params, uint64_t *ret_from_ns, struct failure *failure) {
    const json_t *from = json_object_get(params, "from");
    const char *text = json_string_value(from), *reason = "a time is expected";
    uint64_t now_ns = trace_now_unix_ns();
    bool dead = rings_state(&source->rings) != TRACE_NODE_LIVE;
    *ret_from_ns = dead || source->newest ? 0 : now_ns;
    if (!from) return 0;
    if (source->newest) return failure_set(failure, EXIT_USAGE, "--since and --recent exclude each other");
    if (json_is_integer(from))
        *ret_from_ns = (uint64_t)json_integer_value(from) * 1000;
    else if (!text || trace_time_parse(text, now_ns, ret_from_ns, &reason))
        return failure_set(failure, EXIT_USAGE, "--since %s: %s", text ? text : "", reason);
    return 0;
}

static int rings_follow(struct source *base, json_t *params_new, int64_t *ret_number, struct failure *failure) {
    struct source_rings *source = rings_of(base);
    uint64_t from_ns;
    *ret_number = 0;
    source->newest = json_get_count(params_new, "recent");
    trace_filter_destroy(source->rings.filter);
    source->rings.filter = NULL;
    int result = local_filter_new(&source->rings.filter, params_new, source->nodes, failure);
    if (!result) result = begin_time(source, params_new, &from_ns, failure);
    if (!result) rings_begin(&source->rings, from_ns, from_ns == 0 || source->resumed);
    json_decref(params_new);
    return result;
}

static enum source_event take_batch(struct source_rings *source, struct source_news *news) {
    news->value = source->batch;
    news->in_order = true;
    source->batch = NULL;
    return SOURCE_EVENTS;
}

/* Reads a batch; the first one has just the newest events, if the stream begins with them.  Returns 0 or -1. */
static int read_batch(struct source_rings *source, struct failure *failure) {
    uint64_t newest = source->newest;
    json_t *events = json_array();
    source->newest = 0;
    source->more = false;
    source->rings.hidden = 0;
    int failed = !events  ? -1
                 : newest ? rings_newest(&source->rings, newest, events)
                          : rings_read(&source->rings, events, &source->more);
    if (newest) source->rings.hidden = 0; /* older than the stream */
    if (!failed) {
        source->batch = events;
        return 0;
    }
    json_decref(events);
    return failure_out_of_memory(failure);
}

static enum source_event rings_next(struct source *base, uint64_t deadline_ms, struct source_news *news,
                                    struct failure *failure) {
    struct source_rings *source = rings_of(base);
    if (source->batch) return take_batch(source, news);
    for (;;) {
        if (rings_ended(&source->rings)) return SOURCE_ENDED;
        if (read_batch(source, failure)) return SOURCE_FAILED;
        news->count = source->rings.hidden;
        news->why = GAP_HIDDEN;
        bool any = json_array_size(source->batch) > 0;
        if (any) source->pause_ms = PAUSE_MIN_MS;
        if (any && !news->count) return take_batch(source, news);
        if (!any) {
            json_decref(source->batch);
            source->batch = NULL;
        }
        if (news->count) return SOURCE_GAP;
        if (source->more || rings_ended(&source->rings)) continue;
        if (trace_now_monotonic_ms() >= deadline_ms) return SOURCE_TIME;
        if (source_pause(base, source->pause_ms)) return SOURCE_OUTPUT_GONE;
        source->pause_ms = source->pause_ms * 2 < PAUSE_MAX_MS ? source->pause_ms * 2 : PAUSE_MAX_MS;
    }
}

/* ---- for source_process ---- */

json_t *source_rings_own_new(const struct source *source) {
    return rings_nodes_new(&((const struct source_rings *)source)->rings);
}

void source_rings_resume(struct source *source) { rings_of(source)->resumed = true; }

enum trace_node_state source_rings_state(struct source *source) { return rings_state(&rings_of(source)->rings); }

bool source_rings_discards(const struct source *source) {
    const struct rings *rings = &((const struct source_rings *)source)->rings;
    for (unsigned i = 0; i < rings->count; i++)
        if (trace_reader_info(rings->rings[i].reader)->policy == TRACE_DISCARD_NEWEST) return true;
    return false;
}

void source_rings_describe_end(struct source *source, struct strbuf *out) {
    struct rings *rings = &rings_of(source)->rings;
    enum trace_attach_fault fault = rings_fault(rings);
    if (fault != TRACE_ATTACH_OK) {
        strbuf_printf(out, "was detached: %s",
                      fault == TRACE_ATTACH_BAD_SIZE ? "its log shrank while it was read" : trace_attach_fault_text(fault));
        return;
    }
    uint64_t emitted = rings_emitted(rings);
    strbuf_printf(out, "%s; it emitted %" PRIu64 " event%s",
                  rings_state(rings) == TRACE_NODE_CRASHED ? "is gone and did not close its log" : "has ended", emitted,
                  emitted == 1 ? "" : "s");
}

static void rings_close(struct source *base) {
    struct source_rings *source = rings_of(base);
    json_decref(source->nodes);
    json_decref(source->batch);
    trace_filter_destroy(source->rings.filter);
    rings_fini(&source->rings);
    free(source);
}

int source_rings_open(struct source **ret_source, const struct process_logs *logs, struct failure *failure) {
    static const struct source_ops ops = {
        .can = SOURCE_FOLLOW, .ask = rings_ask, .follow = rings_follow, .next = rings_next, .close = rings_close};
    struct source_rings *source = calloc(1, sizeof *source);
    if (!source) return failure_out_of_memory(failure);
    snprintf(source->title, sizeof source->title, "the log of process %d", (int)logs->pid);
    source_init(&source->source, &ops, source->title);
    source->pause_ms = PAUSE_MIN_MS;
    if (rings_open(&source->rings, logs, failure)) {
        free(source);
        return -1;
    }
    source->nodes = rings_nodes_new(&source->rings);
    if (!source->nodes) {
        rings_close(&source->source);
        return failure_out_of_memory(failure);
    }
    add_neighbours(json_object_get(source->nodes, "nodes"));
    *ret_source = &source->source;
    return 0;
}
