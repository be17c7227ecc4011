/* SPDX-License-Identifier: MIT */
#include "cut_off.h"

#include "json_get.h"
#include "numbers.h"

#include <stdio.h>
#include <string.h>

/* When the request ended: its trace goes on with late acknowledgements.  Without an end, when the trace's last event was. */
static uint64_t end_of(const json_t *trace, uint64_t first_ns) {
    uint64_t last_ns = first_ns;
    (void)json_get_time(json_object_get(trace, "last"), &last_ns);
    bool ended = json_is_integer(json_object_get(trace, "took"));
    return ended ? least(first_ns + json_get_count(trace, "took"), last_ns) : last_ns;
}

/* A part of it has not ended, nor has the request itself. */
static bool is_open(const json_t *trace) {
    const char *outcome = json_get_text(trace, "outcome");
    return outcome && !strcmp(outcome, "open") && !json_is_integer(json_object_get(trace, "took"));
}

struct cut_off cut_off_read(const struct facts *facts, const json_t *traces) {
    const json_t *items = json_get_array(traces, "traces"), *trace;
    struct cut_off cut = {.more = json_get_count(traces, "total") > json_array_size(items)};
    uint64_t oldest_ns = UINT64_MAX;
    size_t i;
    json_array_foreach(items, i, trace) {
        uint64_t first_ns;
        if (!facts->count || json_get_bool(trace, "truncated")) continue; /* no period has its beginning */
        if (!json_get_time(json_object_get(trace, "first"), &first_ns)) continue;
        uint64_t end_ns = end_of(trace, first_ns);
        bool before = first_ns < fact_unix(facts, &facts->items[0]);
        if (!before && end_ns <= fact_unix(facts, &facts->items[facts->count - 1])) continue;
        if (before && is_open(trace)) {
            const char *id = json_get_text(trace, "trace_id");
            if (first_ns < oldest_ns) snprintf(cut.oldest, sizeof cut.oldest, "%s", id ? id : "");
            oldest_ns = least(oldest_ns, first_ns);
            cut.open++;
            cut.requests++;
            continue;
        }
        cut.from_us = cut.requests > cut.open ? least(cut.from_us, first_ns / 1000) : first_ns / 1000;
        cut.until_us = greatest(cut.until_us, end_ns / 1000 + 1);
        cut.requests++;
    }
    return cut;
}
