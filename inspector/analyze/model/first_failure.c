/* SPDX-License-Identifier: MIT */
#include "first_failure.h"

#include "numbers.h"
#include "path_edges.h"

#include <errno.h>
#include <stdlib.h>

#define CANCELLED_MAX 16U               /* questions that are given up because of one failure */
#define WAITED_NS_MIN UINT64_C(1000000) /* a shorter wait for a node that may not have been asked is none */
#define WAITED_PART 10                  /* of the request: the same, if it is this part */

/* ---- which span failed first ---- */

/* Did a span fail because of a span that it caused, which answered before it reported its own end? */
static bool failed_by_answer(const struct spans *spans, const struct span *cause, const struct span *span) {
    /* Nearly always: only then walk up, which may be far. */
    if (span != cause && !spans_caused(spans, cause, span)) return false;
    for (size_t i = 0; i < spans->count && span != cause; i++) { /* parents may form a circle */
        if (span->end == NO_POSITION || span->ok || span->given_up || span->parent == NO_POSITION) return false;
        span = &spans->items[span->parent];
    }
    return span == cause;
}

/* Did `span` fail before `other`?  If their clocks cannot be compared, a span failed before the one that caused it, unless that
 * one timed out. */
static bool failed_before(const struct critical_path *path, const struct node_clocks *clocks, const struct span *span,
                          const struct span *other) {
    const struct spans *spans = &path->spans;
    if (node_clocks_comparable(clocks, span->node, other->node, NULL))
        return span->end <= other->end ? span == other || !failed_by_answer(spans, span, other)
                                       : failed_by_answer(spans, other, span);
    return (spans_caused(spans, other, span) && !other->expired) || (spans_caused(spans, span, other) && span->expired);
}

/* Does a span that failed after the end of the request only report what one that it caused had failed to do before? */
static bool passes_on(const struct critical_path *path, const struct node_clocks *clocks, const struct span *span) {
    const struct span *items = path->spans.items, *root = &items[path->root];
    for (size_t i = span->first_child; i != NO_POSITION; i = items[i].next_sibling) {
        const struct span *child = &items[i];
        bool failed = child->end != NO_POSITION && !child->ok && node_clocks_comparable(clocks, child->node, root->node, NULL);
        if (failed && child->end_ns <= root->end_ns) return true;
    }
    return false;
}

/* Of a request that failed. */
struct failed {
    const struct critical_path *path;
    const struct trace_events *events;
    const struct node_states *states;
    uint64_t *again_ns;  /* by span: when it asked the last of its questions that was answered before the end of the request */
    uint64_t *failed_ns; /* by span: when the last of its questions ended that failed */
    bool *skip;          /* by span: it is no first failure */
};

/* Did a question fail, and its asker then ask another one that was answered?  Not if the failure took most of the
 * request: then it cost the time that the request lacked.  Nor if the asker failed, unless another of its questions failed after
 * that answer: then that one is a reason in any case, whatever the first question was for. */
static bool is_made_up_for(const struct failed *failed, const struct span *span) {
    const struct span *items = failed->path->spans.items, *root = &items[failed->path->root];
    const struct node_clocks *clocks = &failed->events->facts->clocks;
    if (2 * (span->end_ns - span->start_ns) > root->end_ns - root->start_ns) return false;
    for (size_t i = 0; i < failed->path->spans.count && span != root && span->parent != NO_POSITION; i++) {
        const struct span *asker = &items[span->parent];
        bool gave_up = asker->end != NO_POSITION && !asker->ok && asker->end <= root->end;
        uint64_t again_ns = failed->again_ns[span->parent];
        bool again = again_ns >= span->end_ns && again_ns && node_clocks_comparable(clocks, span->node, asker->node, NULL);
        if (!gave_up || (again && failed->failed_ns[span->parent] > again_ns)) return again;
        span = asker;
    }
    return false;
}

/* The failed span (expired: that ran out of time) that ended first: later failures are its consequences, or independent.  If the
 * request succeeded, considers only spans that it caused and did not wait for. */
static const struct span *first_failed(const struct failed *failed, bool expired) {
    const struct critical_path *path = failed->path;
    const struct node_clocks *clocks = &failed->events->facts->clocks;
    const struct span *items = path->spans.items, *root = &items[path->root], *first = NULL;
    for (size_t i = 0; i < path->spans.count; i++) {
        const struct span *span = &items[i], *asker = span->parent == NO_POSITION ? NULL : &items[span->parent];
        if (span->end == NO_POSITION || span->ok || failed->skip[i]) continue;
        if ((first && !failed_before(path, clocks, span, first)) || (expired && !span->expired)) continue;
        bool before = !root->ok && (span == root || failed_before(path, clocks, span, root));
        if (before && !is_made_up_for(failed, span)) first = span;
        if (!root->ok || !asker) continue;
        bool known = node_clocks_comparable(clocks, span->node, root->node, NULL) &&
                     node_clocks_comparable(clocks, span->node, asker->node, NULL);
        if (known && span->end_ns > root->end_ns && !span->given_up && !passes_on(path, clocks, span)) first = span;
    }
    return first;
}

/* Did a node send something to another, or receive something from it, in that time, in the same trace? */
static bool said_between(const struct trace_events *events, unsigned node, unsigned peer, bool sent, uint64_t from_ns,
                         uint64_t to_ns) {
    for (size_t i = trace_events_from(events, from_ns); i < events->count && trace_event_at(events, i)->time_ns <= to_ns; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->node == node && fact->peer == peer && fact_says_something(fact) && fact_sends(fact) == sent) return true;
    }
    return false;
}

/* Had the node that was asked refused before its asker could tell it to stop?  What it says takes as long as the question. */
static bool had_refused(const struct failed *failed, const struct span *asking, unsigned asked, uint64_t time_ns) {
    const struct span *items = failed->path->spans.items;
    for (size_t i = asking->first_child; i != NO_POSITION && asking->asks; i = items[i].next_sibling) {
        const struct span *work = &items[i];
        if (work->node != asked || work->start == NO_POSITION || work->end == NO_POSITION || work->ok || work->expired) continue;
        if (!node_clocks_comparable(&failed->events->facts->clocks, work->node, asking->node, NULL)) continue;
        if (work->start_ns > asking->start_ns && work->end_ns < time_ns + (work->start_ns - asking->start_ns)) return true;
    }
    return false;
}

/* Did its asker give up a question because another one, which it ended at the same time, had been refused?  Not if the answer to
 * the question itself had just come, too. */
static bool is_cancelled(const struct failed *failed, const struct span *span) {
    const struct span *items = failed->path->spans.items;
    if (!span->asks || span->expired || span->parent == NO_POSITION) return false;
    uint64_t from_ns = span->end_ns - least(span->end_ns, RIGHT_AFTER_NS_MAX), to_ns = span->end_ns + RIGHT_AFTER_NS_MAX;
    if (said_between(failed->events, span->node, span->peer, false, from_ns, span->end_ns)) return false;
    for (size_t i = items[span->parent].first_child; i != NO_POSITION; i = items[i].next_sibling) {
        const struct span *other = &items[i];
        unsigned asked = other->asks ? other->peer : other->node;
        bool at_once = other->end != NO_POSITION && other->end_ns >= from_ns && other->end_ns <= to_ns;
        if (other == span || other->ok || other->expired || !at_once || asked == span->peer || asked == span->node) continue;
        if (said_between(failed->events, span->node, asked, false, greatest(from_ns, other->start_ns), span->end_ns) ||
            had_refused(failed, other, asked, span->end_ns))
            return true;
    }
    return false;
}

static const struct span *first_not_cancelled(const struct failed *failed, bool expired) {
    const struct span *first = first_failed(failed, expired);
    for (unsigned i = 0; i < CANCELLED_MAX && first && !failed->path->spans.items[failed->path->root].ok; i++) {
        if (!is_cancelled(failed, first)) break;
        failed->skip[first - failed->path->spans.items] = true;
        first = first_failed(failed, expired);
    }
    return first;
}

static void find_again(const struct failed *failed) {
    const struct spans *spans = &failed->path->spans;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        if (span->parent == NO_POSITION || span->start == NO_POSITION || span->end == NO_POSITION) continue;
        const struct span *asker = &spans->items[span->parent];
        bool question = span->asks || (span->node != asker->node && !asker->asks);
        bool known = node_clocks_comparable(&failed->events->facts->clocks, span->node, asker->node, NULL);
        if (!question || !known || span->end >= spans->items[failed->path->root].end) continue;
        uint64_t *latest_ns = span->ok ? failed->again_ns : failed->failed_ns;
        latest_ns[span->parent] = greatest(latest_ns[span->parent], span->ok ? span->start_ns : span->end_ns);
    }
}

/* ---- whom it was waiting for ---- */

/* The wait during which a span failed: the last one until its end; or until it sent its answer, if that was right before. */
static const struct wait *wait_at_failure(const struct critical_path *path, const struct span *failed) {
    const struct wait *last = NULL;
    for (size_t i = 0; i < path->count; i++) {
        const struct wait *wait = &path->waits[i];
        bool own = wait->span == (size_t)(failed - path->spans.items) && wait->to_ns < failed->end_ns &&
                   failed->end_ns - wait->to_ns <= RIGHT_AFTER_NS_MAX;
        if ((own || wait->to_ns == failed->end_ns) && (!last || wait->to_ns >= last->to_ns)) last = wait;
    }
    return last;
}

static unsigned waited_for(const struct wait *wait) { return wait->kind == WAIT_PEER ? wait->peer : wait->node; }

/* How long the request waited there, while that span was open. */
static uint64_t waited_ns(const struct critical_path *path, const struct span *span, const struct wait *there) {
    uint64_t ns = 0;
    for (size_t i = 0; i < path->count; i++) {
        const struct wait *wait = &path->waits[i];
        uint64_t from_ns = greatest(wait->from_ns, span->start_ns), to_ns = least(wait->to_ns, span->end_ns);
        bool way = wait_kind_is_way(wait->kind), same = way == wait_kind_is_way(there->kind) && !wait->untimed;
        same &= way ? wait->node == there->node && wait->peer == there->peer : waited_for(wait) == waited_for(there);
        if (same && from_ns < to_ns) ns += to_ns - from_ns;
    }
    return ns;
}

/* The question that a wait was part of: a span that the failed one caused; or the failed one itself. */
static const struct span *question_of(const struct spans *spans, const struct span *failed, const struct wait *wait) {
    const struct span *at = &spans->items[wait->span];
    for (size_t i = 0; i < spans->count && !failed->asks && at->parent != NO_POSITION; i++) {
        if (&spans->items[at->parent] == failed) return at;
        at = &spans->items[at->parent];
    }
    return failed;
}

/* Did a wait take most of the question that it was part of, and a good part of the span that failed? */
static bool took_most(const struct critical_path *path, const struct span *failed, const struct wait *wait) {
    const struct span *question = question_of(&path->spans, failed, wait);
    uint64_t ns = waited_ns(path, failed, wait), whole_ns = failed->end_ns - failed->start_ns;
    if (question == failed && !failed->asks) return ns >= whole_ns / WAITED_PART;
    return 2 * ns > failed->end_ns - question->start_ns && ns >= whole_ns / WAITED_PART;
}

/* May a span that only asks have sent its question?  If its node reports what it sends in this trace, that shows it; otherwise
 * the span has at least waited for some time. */
static bool may_have_asked(const struct failed *failed, const struct span *span) {
    const struct critical_path *path = failed->path;
    const struct trace_events *events = failed->events;
    uint64_t waited_ns = span->end_ns - span->start_ns, whole_ns = path->end_ns - path->start_ns;
    bool reports = false;
    for (size_t i = 0; i < events->count; i++) {
        const struct fact *fact = trace_event_at(events, i);
        if (fact->node != span->node || !fact_sends(fact)) continue;
        if (fact->peer == span->peer && fact->time_ns >= span->start_ns && fact->time_ns <= span->end_ns) return true;
        reports = true;
    }
    if (!reports) return waited_ns >= least(WAITED_NS_MIN, whole_ns / WAITED_PART);
    return facts_gap(events->facts, span->node, span->start_ns, span->end_ns);
}

/* Does a span only ask a node of which no part is known, and did that node not answer until a time? */
static bool asks_in_vain(const struct failed *failed, const struct span *span, uint64_t until_ns) {
    if (!span->asks || span->peer == NO_NUMBER || span->first_child != NO_POSITION) return false;
    return may_have_asked(failed, span) && !said_between(failed->events, span->node, span->peer, false, span->start_ns, until_ns);
}

/* Is a node not traced, or had it ended when that span asked it? */
static bool is_silent(const struct failed *failed, const struct span *span) {
    const struct facts *facts = failed->events->facts;
    return (!facts_has(facts, span->peer) && !node_states_know(failed->states, span->peer)) ||
           node_states_ended(failed->states, facts, span->peer, span->start_ns, span->end_ns);
}

/* The one span below another that was open at a time; NULL: none, or several. */
static const struct span *open_below(const struct spans *spans, const struct span *span, uint64_t time_ns) {
    const struct span *open = NULL;
    for (size_t i = span->first_child; i != NO_POSITION; i = spans->items[i].next_sibling) {
        const struct span *child = &spans->items[i];
        if (child->start == NO_POSITION || child->start_ns >= time_ns) continue;
        if (child->end != NO_POSITION && child->end_ns <= time_ns) continue;
        if (open) return NULL;
        open = child;
    }
    return open;
}

/* How long a span worked until a time, less what it caused. */
static uint64_t worked_ns(const struct spans *spans, const struct span *span, uint64_t until_ns) {
    uint64_t ns = until_ns - span->start_ns;
    for (size_t i = span->first_child; i != NO_POSITION; i = spans->items[i].next_sibling) {
        const struct span *child = &spans->items[i];
        uint64_t to_ns = child->end == NO_POSITION ? until_ns : least(child->end_ns, until_ns);
        uint64_t from_ns = greatest(child->start_ns, span->start_ns);
        if (from_ns < to_ns) ns -= least(ns, to_ns - from_ns);
    }
    return ns;
}

/* The node that a question which failed was waiting for, as the spans say: the one that it asked, or one behind that, which had
 * most of the time and did not answer.  The request may have waited for another one meanwhile. */
static unsigned asked_node(const struct failed *failed, const struct span *span) {
    const struct spans *spans = &failed->path->spans;
    const struct span *at = span;
    uint64_t until_ns = span->end_ns, whole_ns = until_ns - span->start_ns;
    if (!span->asks || span->peer == NO_NUMBER || !facts_steady(failed->events->facts, span->start_ns, until_ns))
        return NO_NUMBER;
    for (size_t i = 0; i < spans->count; i++) {
        if (at->first_child == NO_POSITION && at->asks) {
            bool vain = 2 * (until_ns - at->start_ns) > whole_ns && is_silent(failed, at) && asks_in_vain(failed, at, until_ns);
            return vain ? at->peer : NO_NUMBER;
        }
        const struct span *asker = at;
        at = open_below(spans, at, until_ns);
        if (!at || (asker == span && at->node != span->peer)) return NO_NUMBER;
        if (!node_clocks_comparable(&failed->events->facts->clocks, at->node, span->node, NULL)) return NO_NUMBER;
        bool answered = said_between(failed->events, at->node, asker->node, true, at->start_ns, until_ns);
        if (at->node != asker->node && answered) return NO_NUMBER;
        if (!at->asks && 2 * worked_ns(spans, at, until_ns) > whole_ns) return at->node;
    }
    return NO_NUMBER;
}

/* Did a question fail as soon as the answer to it had come? */
static bool was_refused(const struct failed *failed, const struct span *span) {
    uint64_t from_ns = greatest(span->start_ns, span->end_ns - least(span->end_ns, RIGHT_AFTER_NS_MAX));
    return said_between(failed->events, span->node, span->peer, false, from_ns, span->end_ns);
}

static void find_waiting(struct first_failure *failure, const struct failed *failed) {
    const struct span *first = failure->first;
    const struct critical_path *path = failed->path;
    const struct wait *wait = wait_at_failure(path, first);
    if (wait && wait->untimed) return;
    unsigned whom = wait ? waited_for(wait) : NO_NUMBER;
    bool way = wait && wait_kind_is_way(wait->kind);
    if (wait && !way && whom == first->node) return;
    if (wait && took_most(path, first, wait)) {
        bool asked = first->first_child == NO_POSITION && first->asks && whom == first->peer;
        if (way)
            failure->from = wait->node, failure->to = wait->peer, failure->held = wait->stopped;
        else if (!asked || asks_in_vain(failed, first, first->end_ns) || was_refused(failed, first))
            failure->waiting = whom;
        return;
    }
    whom = asked_node(failed, first);
    if (whom == NO_NUMBER) return;
    const struct wait there = {.kind = WAIT_NODE, .node = whom};
    bool most = 2 * waited_ns(path, first, &there) > first->end_ns - first->start_ns;
    if (most || !wait) failure->waiting = whom;
}

int first_failure_find(struct first_failure *ret_failure, const struct critical_path *path, const struct trace_events *events,
                       const struct node_states *states) {
    const struct span *root = &path->spans.items[path->root];
    struct failed failed = {.path = path,
                            .events = events,
                            .states = states,
                            .again_ns = calloc(path->spans.count + 1, sizeof *failed.again_ns),
                            .failed_ns = calloc(path->spans.count + 1, sizeof *failed.failed_ns),
                            .skip = calloc(path->spans.count + 1, sizeof *failed.skip)};
    bool ran_out = !root->ok && root->expired;
    int result = failed.again_ns && failed.failed_ns && failed.skip ? 0 : -ENOMEM;
    *ret_failure = (struct first_failure){.waiting = NO_NUMBER, .from = NO_NUMBER, .to = NO_NUMBER};
    if (!result) {
        find_again(&failed);
        const struct span *before = first_not_cancelled(&failed, false);
        ret_failure->first = ran_out ? first_not_cancelled(&failed, true) : before;
        if (ran_out) ret_failure->before = before;
        if (ret_failure->first) find_waiting(ret_failure, &failed);
    }
    free(failed.again_ns);
    free(failed.failed_ns);
    free(failed.skip);
    return result;
}
