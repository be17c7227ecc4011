/* SPDX-License-Identifier: MIT
 *
 * `stats`: every counter of the daemon.  Those of the history are computed on the pool; the others are readily available. */
#include "footprint.h"
#include "methods.h"

#include <libtrace/reader.h>
#include <proto/clock.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>
#include <store/answer.h>
#include <store/value.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <urcu.h>

static const char *const fault_names[] = {
    [TRACE_ATTACH_OK] = "ok",
    [TRACE_ATTACH_NOT_READY] = "not_ready",
    [TRACE_ATTACH_BAD_OBJECT] = "bad_object",
    [TRACE_ATTACH_BAD_OWNER] = "bad_owner",
    [TRACE_ATTACH_BAD_MAGIC] = "bad_magic",
    [TRACE_ATTACH_BAD_VERSION] = "bad_version",
    [TRACE_ATTACH_BAD_SIZE] = "bad_size",
    [TRACE_ATTACH_BAD_CLOCK] = "bad_clock",
    [TRACE_ATTACH_SYSTEM] = "system",
    [TRACE_ATTACH_BAD_MARKS] = "bad_marks",
    [TRACE_ATTACH_DUPLICATE] = "duplicate",
    [TRACE_ATTACH_LOST_PAGES] = "lost_pages",
};

static void set_unsigned(json_t *object, const char *name, uint64_t value) {
    json_object_set_new(object, name, value_unsigned(value));
}

static json_t *ingest_json(const struct ingest_stats *stats) {
    json_t *json = json_object(), *rejected = json_object(), *lost = json_object();
    for (size_t i = 0; i < sizeof fault_names / sizeof *fault_names; i++)
        if (stats->rejected[i]) set_unsigned(rejected, fault_names[i], stats->rejected[i]);
    for (unsigned i = 0; i < TRACE_LOSS_COUNT; i++) set_unsigned(lost, trace_loss_name(i), stats->lost[i]);
    set_unsigned(json, "events", stats->events);
    set_unsigned(json, "batches", stats->batches);
    set_unsigned(json, "nodes_attached", stats->nodes_attached);
    set_unsigned(json, "nodes_rejected", stats->nodes_rejected);
    json_object_set_new(json, "rejected", rejected);
    set_unsigned(json, "unknown_kinds", stats->unknown_kinds);
    json_object_set_new(json, "lost", lost);
    return json;
}

static json_t *clients_json(const struct clients *clients) {
    const struct clients_counters *counters = &clients->counters;
    json_t *json = json_object();
    set_unsigned(json, "connected", clients->connection_count);
    set_unsigned(json, "accepted", counters->accepted);
    set_unsigned(json, "refused", counters->refused);
    set_unsigned(json, "subscriptions", clients->subscription_count);
    set_unsigned(json, "requests", counters->requests);
    set_unsigned(json, "errors", counters->errors);
    /* Relaxed: a single counter. */
    uint64_t answered = atomic_load_explicit(&clients->service->store.events_answered, memory_order_relaxed);
    set_unsigned(json, "events_sent", answered + counters->events_notified);
    set_unsigned(json, "events_dropped", counters->events_dropped);
    return json;
}

/* How often each limit was reached; hello and docs/protocol.md explain them. */
static json_t *limits_json(const struct clients *clients, const struct ingest_stats *ingest) {
    const struct clients_counters *counters = &clients->counters;
    json_t *json = json_object();
    set_unsigned(json, "nodes", ingest->nodes_left_out);
    set_unsigned(json, "clients", counters->limits.clients);
    set_unsigned(json, "subscriptions", counters->limits.subscriptions);
    set_unsigned(json, "line_bytes", counters->limits.line_bytes);
    set_unsigned(json, "answer_bytes", counters->limits.answer_bytes);
    set_unsigned(json, "held_bytes", counters->limits.held_bytes);
    set_unsigned(json, "memory", counters->limits.memory);
    set_unsigned(json, "descriptors", counters->limits.descriptors);
    return json;
}

static json_t *process_json(const struct service *service) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    json_t *json = json_object();
    set_unsigned(json, "resident_bytes", footprint_resident());
    set_unsigned(json, "rings_bytes", footprint_resident_rings());
    set_unsigned(json, "limit_bytes", service->memory_limit);
    json_object_set_new(json, "user_s", json_real((double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6));
    json_object_set_new(json, "system_s", json_real((double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6));
    return json;
}

/* What --record wrote, and what it dropped; null without it. */
static json_t *record_json(const struct service *service) {
    struct recorder_stats stats = service->last_record;
    if (!service->records) return json_null();
    if (service->recorder) recorder_stats(service->recorder, &stats);
    json_t *json = json_object();
    set_unsigned(json, "segments", stats.segments);
    set_unsigned(json, "events", stats.events);
    set_unsigned(json, "bytes", stats.bytes);
    set_unsigned(json, "dropped_segments", stats.dropped_segments);
    set_unsigned(json, "dropped_events", stats.dropped_events);
    set_unsigned(json, "removed_files", stats.removed_files);
    return json;
}

int methods_stats_work(struct call *call) {
    if (trace_rpc_params_read(call->ask.params, NULL, 0, &call->ask.error)) return -1;
    call->history = answer_history(&call->service->store);
    return 0;
}

int methods_stats_finish(struct call *call) {
    struct service *service = call->service;
    struct ingest_stats ingest;
    if (service->ingest)
        ingest_stats(service->ingest, &ingest);
    else
        ingest = service->last_ingest;
    json_t *clock = json_pack("{sssf}", "source", ingest.clock_hz > 0 ? "tsc" : "monotonic", "hz", ingest.clock_hz);
    set_unsigned(clock, "steps", ingest.clock_steps);
    json_object_set_new(clock, "recent", answer_clock_steps(service->store.nodes));
    json_t *json = json_object();
    double uptime = (double)(trace_now_monotonic_ns() - service->started_monotonic_ns) * 1e-9;
    json_object_set_new(json, "uptime_s", json_real(uptime));
    json_object_set_new(json, "ingest", ingest_json(&ingest));
    if (service->keeper) /* the history counts it, too */
        json_object_set_new(json_object_get(call->history, "keep"), "filter", json_string(keeper_filter(service->keeper)));
    json_object_set_new(json, "history", call->history);
    call->history = NULL;
    json_object_set_new(json, "record", record_json(service));
    json_object_set_new(json, "clients", clients_json(call->clients));
    json_object_set_new(json, "limits", limits_json(call->clients, &ingest));
    json_object_set_new(json, "process", process_json(service));
    json_object_set_new(json, "clock", clock);
    return ask_answer(&call->ask, json);
}
