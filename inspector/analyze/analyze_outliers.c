/* SPDX-License-Identifier: MIT
 *
 * Requests that took much longer than others that went the same way.
 *
 * A command may be quick where the answer is known, and slow where it is three nodes away.  So each request is compared with
 * those that the same nodes answered; if these are too few, with those that as many nodes answered; if these are too few, too,
 * with those that any other node answered.  What its own node answers says nothing about the others.  Requests that failed are
 * compared with none: their time shows when somebody refused, or gave up. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>

/* What the others have in common with it: the same nodes answered them, or as many, or at least one. */
enum likeness { LIKE_WAY, LIKE_COUNT, LIKE_ANY };

/* A request, and what others took that went the same way. */
struct timed {
    const struct request *request;
    uint64_t usual_ns; /* their median */
    size_t alike;      /* how many these are, this one included; 0: too few to compare with */
    enum likeness likeness;
    double times; /* how many times as long it took, if it did no more than they did */
};

/* By command, then by way: ever more alike. */
static int compare_ways(const void *left, const void *right) {
    const struct request *a = ((const struct timed *)left)->request, *b = ((const struct timed *)right)->request;
    int order = compare_numbers(a->command, b->command);
    if (!order) order = compare_numbers(a->nodes, b->nodes);
    if (!order) order = compare_numbers(a->way, b->way);
    return order ? order : compare_numbers(a->start, b->start);
}

static int compare_times(const void *left, const void *right) {
    const struct timed *a = left, *b = right;
    if (a->times != b->times) return a->times < b->times ? -1 : 1;
    return compare_numbers(a->request->start, b->request->start);
}

static int compare_durations(const void *left, const void *right) {
    const struct request *a = ((const struct timed *)left)->request, *b = ((const struct timed *)right)->request;
    int order = compare_numbers(a->took_ns, b->took_ns);
    return order ? order : compare_numbers(a->start, b->start);
}

/* Compares requests of one command with their median.  A request with more events than the median did more, and may take longer
 * in proportion.  room: for twice as many values. */
static void compare_with_median(struct timed *requests, size_t count, enum likeness likeness, double *room) {
    double *events = room + count;
    for (size_t i = 0; i < count; i++) {
        room[i] = (double)requests[i].request->took_ns;
        events[i] = (double)requests[i].request->events;
    }
    sort_values(room, count);
    sort_values(events, count);
    double usual_ns = median_of(room, count), usual_events = median_of(events, count);
    for (size_t i = 0; i < count; i++) {
        const struct request *request = requests[i].request;
        double more = (double)request->events > usual_events ? (double)request->events / usual_events : 1;
        requests[i].usual_ns = (uint64_t)usual_ns;
        requests[i].likeness = likeness;
        requests[i].alike = count;
        requests[i].times = (double)request->took_ns / ((usual_ns < 1 ? 1 : usual_ns) * more);
    }
}

/* Compares the requests of one command with those that went the same way, as far as there are enough of them, and moves those
 * for which there are enough to the front.  Returns how many these are. */
static size_t compare_all(struct timed *requests, size_t count, double *room) {
    size_t compared = 0, alone = 0; /* alone: no other node answered */
    while (alone < count && requests[alone].request->nodes == 1) alone++;
    if (count - alone >= SLOW_REQUESTS_MIN) compare_with_median(requests + alone, count - alone, LIKE_ANY, room);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && requests[end].request->nodes == requests[begin].request->nodes;) end++;
        if (end - begin >= SLOW_REQUESTS_MIN) compare_with_median(requests + begin, end - begin, LIKE_COUNT, room);
        for (size_t at = begin, next; at < end; at = next) {
            for (next = at; next < end && requests[next].request->way == requests[at].request->way;) next++;
            if (next - at >= SLOW_REQUESTS_MIN) compare_with_median(requests + at, next - at, LIKE_WAY, room);
        }
    }
    for (size_t i = 0; i < count; i++)
        if (requests[i].alike) requests[compared++] = requests[i];
    return compared;
}

/* Did the request wait for the receiver, which did nothing at all, rather than for the link? */
static bool waited_for_receiver(const struct analysis *analysis, const struct visit *visit) {
    size_t from = visit->evidence[0], to = visit->evidence[1];
    if (from == NO_FACT || to == NO_FACT) return false;
    return analysis_paused(analysis, visit->peer, analysis->facts->items[from].time_ns, analysis->facts->items[to].time_ns,
                           false);
}

/* Are the slow ones few?  If not, this is how long some requests take. */
static bool is_few(size_t slow, size_t count) {
    return APART_PART * slow < count && (slow <= OUTLIER_FEW || OUTLIER_PART * slow <= count);
}

/* Sorts the requests from `first` on by duration.  Returns the first that took so long. */
static size_t first_long(struct timed *requests, size_t first, size_t count, uint64_t least_ns) {
    qsort(requests + first, count - first, sizeof *requests, compare_durations);
    while (first < count && requests[first].request->took_ns < least_ns) first++;
    return first;
}

/* Of requests sorted by `times`, the first of those that took many times the median. */
static size_t first_slow(const struct timed *requests, size_t count) {
    size_t first = count;
    while (first && requests[first - 1].times >= OUTLIER_RATIO_MIN) first--;
    return first;
}

/* Of requests sorted by `times`, the first of a few that stand apart from all others. */
static size_t first_apart(const struct timed *requests, size_t count) {
    size_t apart = count;
    for (size_t i = count; i-- > 1 && is_few(count - i, count) && requests[i].times >= APART_RATIO_MIN;)
        if (requests[i].times >= APART_GAP_MIN * requests[i - 1].times) apart = i;
    return apart;
}

/* Sorts requests so that the slow ones come last, the slowest at the end: those are a few that took many times the median; if
 * there are none, a few that stand apart; and if there are none, either, all that took so many times the median, and so long.
 * Returns the first; `count` if none is slow. */
static size_t find_outliers(struct timed *requests, size_t count, bool *ret_many) {
    *ret_many = false;
    if (count < APART_REQUESTS_MIN) return count;
    qsort(requests, count, sizeof *requests, compare_times);
    size_t apart = first_apart(requests, count), slow = first_slow(requests, count);
    size_t first = count < OUTLIER_REQUESTS_MIN ? count : first_long(requests, slow, count, OUTLIER_NS_MIN);
    if (first < count && is_few(count - first, count)) return first;
    qsort(requests, count, sizeof *requests, compare_times);
    first = first_long(requests, apart, count, APART_NS_MIN);
    if (first < count) return first;
    qsort(requests, count, sizeof *requests, compare_times);
    *ret_many = true;
    return first_long(requests, slow, count, APART_NS_MIN);
}

/* Where an outlier spent most of its time. */
struct place {
    unsigned node, peer; /* as in the finding; NO_NUMBER, both: no place has most of it */
    bool sending, waited;
    bool held, unseen; /* as in the finding */
    bool calm;         /* nowhere, because no node had an event meanwhile */
};

static struct place place_of(const struct analysis *analysis, const struct requests *all, const struct request *request,
                             const struct visit *visit) {
    struct place place = {.node = NO_NUMBER, .peer = NO_NUMBER};
    bool calm = false, still = visit && may_have_stood_still(analysis, all, visit, &calm);
    place.calm = still && calm;
    if (!visit || still || 2 * (visit->ns + visit->lost_ns) < request->took_ns) return place;
    bool paused = visit->kind == WAIT_LINK && waited_for_receiver(analysis, visit);
    place.node = visit->kind == WAIT_PEER || paused ? visit->peer : visit->node;
    if (wait_kind_is_way(visit->kind) && !paused) place.peer = visit->peer;
    place.sending = visit->kind == WAIT_SENDING;
    place.waited = visit->kind == WAIT_PEER;
    place.held = visit->kind == WAIT_LINK && !paused && visit->stopped;
    place.unseen = visit->kind == WAIT_LINK && visit->unseen;
    return place;
}

static bool is_same_place(const struct place *a, const struct place *b) {
    return a->node == b->node && a->peer == b->peer && a->sending == b->sending && a->waited == b->waited && a->held == b->held &&
           a->unseen == b->unseen;
}

/* The place where more than half of them spent most of their time (Boyer and Moore); NULL if there is none. */
static const struct place *common_place(const struct place *places, size_t count) {
    const struct place *candidate = places;
    size_t votes = 0, same = 0;
    for (size_t i = 0; i < count; i++) {
        if (!votes) candidate = &places[i];
        votes += is_same_place(candidate, &places[i]) ? 1 : (size_t)-1;
    }
    for (size_t i = 0; i < count; i++) same += is_same_place(candidate, &places[i]);
    return 2 * same > count && candidate->node != NO_NUMBER ? candidate : NULL;
}

/* Names the nodes where they spent their time: if these are too many, none. */
static void name_places(struct finding *finding, const struct place *places, size_t count) {
    for (size_t i = 0; i < 2 * count; i++) {
        unsigned node = i % 2 ? places[i / 2].peer : places[i / 2].node, k = 0;
        while (k < finding->place_count && finding->places[k] != node) k++;
        if (node == NO_NUMBER || k < finding->place_count) continue;
        if (k == PEERS_MAX) {
            finding->place_count = 0;
            return;
        }
        finding->places[finding->place_count++] = node;
    }
}

/* All requests of one command.  visits: of each request, the main one. */
static void judge_durations(struct analysis *analysis, const struct requests *all, const struct visit *const *visits,
                            struct timed *requests, size_t count, double *room) {
    count = compare_all(requests, count, room);
    bool many;
    size_t first = find_outliers(requests, count, &many);
    if (first == count) return;
    const struct timed *longest = &requests[count - 1];
    uint64_t took_ns = longest->request->took_ns;
    struct place *places = calloc(count - first, sizeof *places);
    if (!places) {
        analysis->failed = true;
        return;
    }
    for (size_t i = first; i < count; i++)
        places[i - first] = place_of(analysis, all, requests[i].request, visits[requests[i].request - all->items]);
    const struct place *place = many ? common_place(places, count - first) : &places[count - first - 1];
    bool elsewhere = !place || place->node == NO_NUMBER;
    struct finding finding = {.kind = FINDING_LATENCY_OUTLIERS,
                              .severity = took_ns >= OUTLIER_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)took_ns / 1e9,
                              .node = elsewhere ? NO_NUMBER : place->node,
                              .peer = elsewhere ? NO_NUMBER : place->peer,
                              .trace = NO_NUMBER,
                              .command = longest->request->command,
                              .count = count - first,
                              .of = count,
                              .ns = took_ns,
                              .usual_ns = longest->usual_ns,
                              .same_way = longest->likeness == LIKE_WAY,
                              .as_many = longest->likeness == LIKE_COUNT,
                              .alike = longest->alike,
                              .elsewhere = elsewhere,
                              .calm = places[count - first - 1].calm,
                              .many = many,
                              .held = !elsewhere && place->held,
                              .unseen = !elsewhere && place->unseen,
                              .sending = !elsewhere && place->sending,
                              .waited = !elsewhere && place->waited};
    for (size_t i = count; i > first; i--) {
        if (many && place && !is_same_place(place, &places[i - 1 - first])) continue;
        if (finding.trace == NO_NUMBER) finding.trace = requests[i - 1].request->trace;
        finding_show(&finding, requests[i - 1].request->start);
    }
    name_places(&finding, places, count - first);
    free(places);
    analysis_add(analysis, &finding);
}

void analyze_outliers(struct analysis *analysis, const struct requests *requests) {
    struct timed *timed = calloc(requests->count + 1, sizeof *timed);
    double *room = calloc(2 * requests->count + 1, sizeof *room);
    const struct visit **visits = requests_longest_new(requests);
    size_t count = 0;
    if (timed && room && visits) {
        for (size_t i = 0; i < requests->count; i++)
            if (requests->items[i].timed && requests->items[i].ok) timed[count++].request = &requests->items[i];
        qsort(timed, count, sizeof *timed, compare_ways);
        for (size_t begin = 0, end; begin < count; begin = end) {
            for (end = begin; end < count && timed[end].request->command == timed[begin].request->command;) end++;
            judge_durations(analysis, requests, visits, timed + begin, end - begin, room);
        }
    } else {
        analysis->failed = true;
    }
    free(timed);
    free(room);
    free(visits);
}
