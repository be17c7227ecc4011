/* SPDX-License-Identifier: MIT */
#include "recording_once.h"

#include <errno.h>
#include <stdlib.h>

/* ---- listing -------------------------------------------------------------------------------------------------------------- */

int recording__once_list_losses(struct once *once, uint32_t rank) {
    const struct history_query query = {.kinds = UINT64_C(1) << TRACE_KIND_EVENTS_LOST};
    const struct run *run = &once->runs[rank];
    struct history_answer answer;
    int error =
        history_select(once->history, &query, POSITION(run->begin, 0), POSITION(run->end, 0), SIZE_MAX, false, NULL, &answer);
    struct loss *losses;

    if (error < 0) return error;
    losses = realloc(once->losses, (once->loss_count + answer.count + 1) * sizeof *losses);
    if (losses) once->losses = losses;
    for (size_t i = 0; losses && i < answer.count; i++) {
        const struct history_hit *hit = &answer.hits[i];
        if (!once->shared[history_source_node(hit->source)]) continue;
        losses[once->loss_count++] = (struct loss){.position = hit->position,
                                                   .source = hit->source,
                                                   .run = rank,
                                                   .first = hit->event.data.events_lost.first,
                                                   .count = hit->event.data.events_lost.count,
                                                   .cause = hit->event.data.events_lost.cause,
                                                   .rest_first = hit->event.data.events_lost.first,
                                                   .rest = hit->event.data.events_lost.count};
    }
    history_answer_fini(&answer);
    return losses ? 0 : -ENOMEM;
}

static int by_position(const void *one, const void *other) {
    const struct loss *a = one, *b = other;
    return a->position < b->position ? -1 : a->position > b->position;
}

static void list_lanes_losses(struct once *once) {
    for (size_t i = 0; i < once->loss_count; i++) {
        const struct loss *loss = &once->losses[i];
        struct span span = recording__once_span(once, loss->source, loss->run);
        if (span.begin == span.end) continue;
        span.begin->losses++;
        if (!is_sum(loss->cause)) span.begin->lost += (uint32_t)loss->count;
    }
}

static int by_place(const void *one, const void *other) {
    const struct loss *a = *(const struct loss *const *)one, *b = *(const struct loss *const *)other;
    if (a->source != b->source) return a->source < b->source ? -1 : 1;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    if (a->cause != b->cause) return a->cause < b->cause ? -1 : 1;
    return a->run < b->run ? -1 : a->run > b->run;
}

int recording__once_sort_losses(struct once *once) {
    list_lanes_losses(once);
    once->same = malloc((once->loss_count + 1) * sizeof *once->same);
    if (!once->same) return -ENOMEM;
    if (once->loss_count == 0) return 0;
    qsort(once->losses, once->loss_count, sizeof *once->losses, by_position);
    for (size_t i = 0; i < once->loss_count; i++) once->same[i] = &once->losses[i];
    qsort(once->same, once->loss_count, sizeof *once->same, by_place);
    return 0;
}

/* ---- what earlier runs account for --------------------------------------------------------------------------------------- */

/* The position after it. */
static uint32_t next_of(const struct trace_event *event) {
    if (!is_loss(event)) return event->sequence + 1;
    if (is_sum(event->data.events_lost.cause)) return event->sequence;
    return (uint32_t)(event->data.events_lost.first + event->data.events_lost.count);
}

/* Does the run account for each position of the lane from its first to its last? */
static bool accounts_for_all(const struct once *once, struct span span) {
    struct trace_event first, last;
    struct part *lane = span.begin;
    uint32_t known = lane->lost - lane->losses;

    if (lane->whole != UNKNOWN) return lane->whole == WHOLE;
    lane->whole = NOT_WHOLE;
    if (!recording__once_first(once, span, &first) || !recording__once_last(once, span, &last)) return false;
    for (const struct part *part = span.begin; part < span.end; part++) known += part->count;
    lane->begin = first.sequence;
    lane->end = next_of(&last);
    if (known == lane->end - lane->begin) lane->whole = WHOLE;
    return lane->whole == WHOLE;
}

/* How many positions of a loss lie in [begin, end), and where they begin. */
static uint64_t accounted(const struct loss *loss, uint32_t begin, uint32_t end, uint64_t *ret_from) {
    uint64_t loss_end = loss->first + loss->count, span = end - begin, to = loss_end;
    int64_t beyond = behind(end, (uint32_t)loss_end);

    if (beyond < 0) to -= (uint64_t)-beyond;
    if (beyond < 0 && (uint64_t)-beyond >= loss->count) return 0;
    if (beyond > 0 && (uint64_t)beyond >= span) return 0;
    if (beyond > 0) span -= (uint64_t)beyond;
    *ret_from = span < to - loss->first ? to - span : loss->first;
    return to - *ret_from;
}

/* Has an earlier run told the same loss? */
static bool is_told(const struct once *once, const struct loss *loss) {
    struct loss key = *loss;
    const struct loss *wanted = &key;
    size_t low = 0, high = once->loss_count;
    key.run = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_place(&once->same[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    key.run = once->same[low]->run; /* there is one: the loss itself */
    return key.run < loss->run && by_place(&once->same[low], &wanted) == 0;
}

/* A loss with a place is told for the positions that the earlier run that has most of them leaves. */
static void cut_loss(struct once *once, struct loss *loss) {
    if (is_told(once, loss)) {
        loss->rest = 0;
        return;
    }
    for (struct span span = recording__once_lane(once, loss->source); span.begin < span.end && span.begin->run < loss->run;
         span = recording__once_next(once, span)) {
        uint64_t from = 0, count;
        if (!accounts_for_all(once, span)) continue;
        count = accounted(loss, span.begin->begin, span.begin->end, &from);
        if (loss->count - count >= loss->rest) continue;
        loss->rest = loss->count - count;
        loss->rest_first = from == loss->first ? from + count : loss->first;
    }
}

static size_t sum_of(const struct loss *loss) { return 2 * (size_t)loss->source + (loss->cause == TRACE_LOSS_NO_LANE); }

/* Of a sum, what is more than all that an earlier run has told. */
static void cut_sum(struct once *once, struct loss *loss) {
    uint64_t before = once->telling[sum_of(loss)], now = before + loss->count, told = once->told[sum_of(loss)];
    once->telling[sum_of(loss)] = now;
    if (now <= told)
        loss->rest = 0;
    else if (before < told)
        loss->rest = now - told;
}

/* Those of a run. */
static void find_losses(const struct once *once, uint32_t rank, struct loss **ret_begin, struct loss **ret_end) {
    struct loss *end = once->losses + once->loss_count, *begin = once->losses;
    while (begin < end && begin->run != rank) begin++;
    *ret_begin = begin;
    while (begin < end && begin->run == rank) begin++;
    *ret_end = begin;
}

int recording__once_cut_losses(struct once *once, uint32_t rank) {
    struct loss *begin, *end;
    int error = 0;

    find_losses(once, rank, &begin, &end);
    for (struct loss *loss = begin; loss < end; loss++) once->telling[is_sum(loss->cause) ? sum_of(loss) : 0] = 0;
    for (struct loss *loss = begin; loss < end && error == 0; loss++) {
        if (is_sum(loss->cause))
            cut_sum(once, loss);
        else
            cut_loss(once, loss);
        if (loss->rest == 0)
            error = recording__once_drop(once, loss->position);
        else if (loss->rest < loss->count)
            once->changed[loss->position / HISTORY_SEGMENT_EVENTS] = true;
    }
    for (struct loss *loss = begin; loss < end; loss++)
        if (is_sum(loss->cause) && once->telling[sum_of(loss)] > once->told[sum_of(loss)])
            once->told[sum_of(loss)] = once->telling[sum_of(loss)];
    return error;
}

const struct loss *recording__once_loss(const struct once *once, uint64_t position) {
    const struct loss key = {.position = position};
    if (once->loss_count == 0) return NULL;
    return bsearch(&key, once->losses, once->loss_count, sizeof key, by_position);
}
