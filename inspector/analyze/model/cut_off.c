/* SPDX-License-Identifier: MIT */
#include "cut_off.h"

#include "json_get.h"
#include "numbers.h"

/* When the request ended: its trace goes on with late acknowledgements.  Without an end, when the trace's last event was. */
static uint64_t end_of(const json_t *trace, uint64_t first_ns) {
    uint64_t last_ns = first_ns;
    (void)json_get_time(json_object_get(trace, "last"), &last_ns);
    bool ended = json_is_integer(json_object_get(trace, "took"));
    return ended ? least(first_ns + json_get_count(trace, "took"), last_ns) : last_ns;
}

struct cut_off cut_off_read(const struct facts *facts, const json_t *traces) {
    const json_t *items = json_get_array(traces, "traces"), *trace;
    struct cut_off cut = {.more = json_get_count(traces, "total") > json_array_size(items)};
    size_t i;
    json_array_foreach(items, i, trace) {
        uint64_t first_ns;
        if (!facts->count || json_get_bool(trace, "truncated")) continue; /* no period has its beginning */
        if (!json_get_time(json_object_get(trace, "first"), &first_ns)) continue;
        uint64_t end_ns = end_of(trace, first_ns);
        bool before = first_ns < fact_unix(facts, &facts->items[0]);
        if (!before && end_ns <= fact_unix(facts, &facts->items[facts->count - 1])) continue;
        cut.from_us = cut.requests ? least(cut.from_us, first_ns / 1000) : first_ns / 1000;
        cut.until_us = greatest(cut.until_us, end_ns / 1000 + 1);
        cut.requests++;
    }
    return cut;
}
