/* SPDX-License-Identifier: MIT
 *
 * See took.h. */
#include "took.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUESTS_FIRST 1024U
#define APP_END_BIT (UINT64_C(1) << TRACE_KIND_APP_END)

void took_fini(struct took *took) {
    free(took->requests);
    free(took->places);
    *took = (struct took){0};
}

/* Ids are random in most programs, but need not be. */
static size_t place_of(const struct took *took, const struct trace_id *id) {
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    uint64_t hash = (halves[0] * UINT64_C(0x9e3779b97f4a7c15)) ^ (halves[1] * UINT64_C(0xff51afd7ed558ccd));
    size_t mask = took->place_count - 1, place = (hash ^ hash >> 32) & mask;
    for (; took->places[place]; place = (place + 1) & mask)
        if (!memcmp(&took->requests[took->places[place] - 1].trace_id, id, sizeof *id)) break;
    return place;
}

static int grow(struct took *took) {
    size_t capacity = took->capacity ? 2 * took->capacity : REQUESTS_FIRST;
    struct took_request *requests = realloc(took->requests, capacity * sizeof *requests);
    if (!requests) return -ENOMEM;
    took->requests = requests;
    uint32_t *places = calloc(2 * capacity, sizeof *places);
    if (!places) return -ENOMEM;
    free(took->places);
    took->places = places;
    took->place_count = 2 * capacity;
    took->capacity = capacity;
    for (size_t i = 0; i < took->count; i++) took->places[place_of(took, &requests[i].trace_id)] = (uint32_t)i + 1;
    return 0;
}

static void see_nothing(void *context, const struct trace_event *event, history_source source) {
    (void)context, (void)event, (void)source;
}

/* history_trace_test.keep: records it, and has the history return none. */
static bool note_trace(void *context, const struct history_trace *trace) {
    struct took *took = context;
    took->stepped += trace->took_stepped;
    if (took->error || !trace->has_took) return false;
    if (took->count == took->capacity) took->error = grow(took);
    if (took->error) return false;
    size_t place = place_of(took, &trace->trace_id);
    if (took->places[place]) return false; /* it was evicted meanwhile and came back */
    took->requests[took->count] = (struct took_request){trace->trace_id, trace->end, trace->took_ns};
    took->places[place] = (uint32_t)++took->count;
    return false;
}

int took_init(struct took *took, struct ask *ask, const struct history_query *query) {
    const struct history_trace_test test = {took, see_nothing, note_trace};
    const struct history_traces_query all = {
        .from_ns = query->from_ns, .to_ns = query->to_ns, .test = &test, .limit = 1, .work = &ask->work};
    struct history_trace *none;
    size_t count;
    if (query->kinds && !(query->kinds & APP_END_BIT)) return 0;
    int error = history_traces(ask->store->history, &all, &none, &count, NULL);
    if (error) return error;
    free(none);
    return took->error;
}

bool took_find(const struct took *took, const struct trace_event *event, history_source source, uint64_t *ret_ns) {
    if (event->kind != TRACE_KIND_APP_END || !took->count) return false;
    uint32_t found = took->places[place_of(took, &event->trace_id)];
    const struct took_request *request = found ? &took->requests[found - 1] : NULL;
    if (!request || request->end.time_ns != event->timestamp || request->end.source != source ||
        request->end.sequence != event->sequence)
        return false;
    *ret_ns = request->ns;
    return true;
}
