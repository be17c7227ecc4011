/* SPDX-License-Identifier: MIT
 *
 * How long requests took, by the event that ended them: for `count --value took`.  Computed as in `traces` (history_trace):
 * from the start of the root span to its first end. */
#ifndef STORE_TOOK_H
#define STORE_TOOK_H

#include <store/ask.h>
#include <store/history.h>

#define TOOK_FIELD "took"

struct took {
    struct took_request {
        struct trace_id trace_id;
        struct history_span_end end;
        uint64_t ns;
    } * requests; /* `count` of them */
    size_t count, capacity;
    uint32_t *places; /* request + 1, 0 for a free place; open addressing, at most half full */
    size_t place_count;
    uint64_t stepped; /* requests that are not among them, because a step of the clock lies within */
    int error;
};

/* Finds the requests that may have ended among the events of a query.  Gathers every trace that has an event in the query's
 * time.  Returns 0, -ENOMEM or -ECANCELED; call took_fini in any case. */
int took_init(struct took *took, struct ask *ask, const struct history_query *query);
void took_fini(struct took *took);

/* Is it the end of a request, and how long did that take?  Wait-free. */
bool took_find(const struct took *took, const struct trace_event *event, history_source source, uint64_t *ret_ns);

#endif
