/* SPDX-License-Identifier: MIT */
#include "path_ended.h"

#include "numbers.h"

#include <errno.h>
#include <stdlib.h>

const struct node_state *ended_log_of_span(const struct node_states *states, const struct facts *facts, const struct span *span) {
    if (span->start == NO_POSITION || span->end != NO_POSITION) return NULL;
    return node_states_ended_log(states, facts, span->node, span->start_ns);
}

/* The entry of a log; a new one if there is none. */
static struct ended *entry_of(struct ended *ended, size_t *count, const struct node_state *log) {
    size_t i = 0;
    while (i < *count && ended[i].log != log) i++;
    if (i == *count) ended[(*count)++] = (struct ended){.log = log};
    return &ended[i];
}

static int compare_ended(const void *left, const void *right) {
    const struct ended *a = left, *b = right;
    int order = compare_numbers(a->log->node, b->log->node);
    return order ? order : compare_numbers(a->log->last_ns, b->log->last_ns);
}

int path_ended_find(struct ended **ret_ended, size_t *ret_count, const struct node_states *states, const struct facts *facts,
                    struct critical_path *path) {
    struct ended *ended = calloc(states->count + 1, sizeof *ended);
    size_t count = 0;
    int result = ended ? 0 : -ENOMEM;
    for (size_t i = 0; i < path->count && !result; i++) {
        const struct wait *wait = &path->waits[i];
        const struct ended_part part = ended_part_of_wait(states, facts, &path->spans, wait);
        if (!part.log) continue;
        entry_of(ended, &count, part.log)->waited_ns += part.to_ns - part.from_ns;
        result = doubts_add(&path->doubts, (struct doubt){NO_NUMBER, part.log->node, part.log->ended_ns, wait->to_ns});
    }
    for (size_t i = 0; i < path->spans.count && !result; i++) {
        const struct node_state *log = ended_log_of_span(states, facts, &path->spans.items[i]);
        if (log) entry_of(ended, &count, log)->open++;
    }
    if (count) qsort(ended, count, sizeof *ended, compare_ended);
    *ret_ended = ended;
    *ret_count = count;
    return result;
}
