/* SPDX-License-Identifier: MIT
 *
 * Parts of requests that have not ended, and whom they wait for. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "packet_pairs.h"
#include "requests.h"

#include <errno.h>
#include <stdlib.h>

/* A part that has been open for long. */
struct overdue {
    const struct open_part *part;
    unsigned waits_for;
    bool ended;  /* that node has */
    bool partly; /* that node has sent a part of its answer */
    bool told;   /* it does not say that it waits, but that node acknowledged nothing of what it sent */
    bool unread; /* events of its own node are missing, and its end may be among them */
    /* Its question to `asked` was declared lost: the event that says so; NO_FACT: it was not.  never_came: that node went on, and
     * got nothing.  by_asker: more such questions have its node in common than the one that they were for. */
    size_t lost;
    unsigned asked;
    bool never_came, by_asker;
};

/* By what they are compared with. */
static int compare_kinds(const void *left, const void *right) {
    const struct open_part *a = ((const struct overdue *)left)->part, *b = ((const struct overdue *)right)->part;
    int order = compare_numbers(a->command, b->command);
    if (!order) order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->asks, b->asks);
    return order ? order : compare_numbers(a->root, b->root);
}

/* Parts that wait for the same node belong together, whichever nodes began them; not those of which it is not sure that they
 * wait.  Those whose questions were lost belong together by the end that most of them have in common. */
static int compare_groups(const struct overdue *a, const struct overdue *b) {
    bool lost = a->lost != NO_FACT;
    int order = compare_numbers(a->waits_for, b->waits_for);
    if (!order) order = compare_numbers(lost, b->lost != NO_FACT);
    if (!order) order = compare_numbers(a->told, b->told);
    if (!order) order = compare_numbers(a->partly, b->partly);
    if (!order && (a->waits_for == NO_NUMBER || (a->told && !lost))) order = compare_numbers(a->part->node, b->part->node);
    return order ? order : compare_numbers(a->part->command, b->part->command);
}

static int compare_overdue(const void *left, const void *right) {
    const struct overdue *a = left, *b = right;
    int order = compare_groups(a, b);
    return order ? order : compare_numbers(a->part->start, b->part->start);
}

static uint64_t age_of(const struct analysis *analysis, const struct open_part *part) {
    uint64_t start_ns = analysis->facts->items[part->start].time_ns, now_ns = analysis_now(analysis, part->node);
    return now_ns > start_ns ? now_ns - start_ns : 0;
}

/* The same without the times in which all nodes of its machine stood still.  Pauses are in the order of their ends. */
static uint64_t age_awake(const struct analysis *analysis, const struct open_part *part) {
    uint64_t start_ns = analysis->facts->items[part->start].time_ns, still_ns = 0, before_ns = UINT64_MAX;
    unsigned machine = node_clocks_machine(&analysis->facts->clocks, part->node);
    for (size_t i = analysis->pause_count; i-- > 0;) {
        const struct pause *pause = &analysis->pauses[i];
        if (!pause->still || pause->machine != machine) continue;
        uint64_t from_ns = greatest(pause->from_ns, start_ns), to_ns = least(pause->to_ns, before_ns);
        if (to_ns <= from_ns) continue;
        still_ns += to_ns - from_ns;
        before_ns = from_ns;
    }
    return age_of(analysis, part) - least(still_ns, age_of(analysis, part));
}

/* Adds to the nodes that a finding names; those beyond PEERS_MAX are only counted.  seen: by node. */
static void name_node(struct finding *finding, unsigned node, bool *seen) {
    if (seen[node]) return;
    seen[node] = true;
    if (finding->peer_count < PEERS_MAX) finding->peers[finding->peer_count] = node;
    finding->peer_count++;
}

/* A group, the oldest first.  seen: by node, all false. */
static void report_open(struct analysis *analysis, const struct overdue *group, size_t count, bool *seen) {
    const struct facts *facts = analysis->facts;
    const struct open_part *oldest = group->part;
    uint64_t age_ns = age_of(analysis, oldest);
    enum severity severity = age_ns >= REQUEST_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    struct finding finding = {.kind = FINDING_REQUEST_OPEN,
                              .severity = group->unread ? SEVERITY_NOTE : severity,
                              .weight = (double)age_ns / 1e9,
                              .node = oldest->node,
                              .peer = group->waits_for,
                              .trace = oldest->trace,
                              .command = oldest->command,
                              .count = count,
                              .ns = age_ns,
                              .unanswered = !group->ended && group->lost == NO_FACT,
                              .lost = group->lost != NO_FACT,
                              .on_way = group->lost != NO_FACT,
                              .told = group->told,
                              .partly = group->partly,
                              .time_ns = fact_unix(facts, &facts->items[oldest->start])};
    for (size_t i = 0; i < count; i++) {
        finding_show(&finding, finding.lost ? group[i].lost : group[i].part->start);
        name_node(&finding, group->by_asker ? group[i].asked : group[i].part->node, seen);
        finding.on_way &= group[i].never_came;
    }
    for (size_t i = 0; i < count; i++) seen[group->by_asker ? group[i].asked : group[i].part->node] = false;
    if (finding.peer_count > 1 && !group->by_asker) finding.node = NO_NUMBER;
    if (finding.peer_count == 1 && group->by_asker) finding.peer = group->asked;
    if (finding.peer_count == 1) finding.peer_count = 0;
    analysis_add(analysis, &finding);
}

static bool is_alike(const struct done_part *done, const struct open_part *part) {
    return done->command == part->command && done->asks == part->asks && done->root == part->root;
}

/* For how long a part may be open: one of its kind that took longer would be an outlier.  It is compared with those that ended at
 * its node; if these are few, with those that ended anywhere.  room: for one value per part that ended. */
static uint64_t open_limit(const struct requests *requests, const struct open_part *part, double *room) {
    size_t count = 0;
    for (unsigned anywhere = 0; anywhere < 2 && count < OUTLIER_REQUESTS_MIN; anywhere++) {
        count = 0;
        for (size_t i = 0; i < requests->done_count; i++) {
            const struct done_part *done = &requests->done[i];
            if (is_alike(done, part) && (anywhere || done->node == part->node)) room[count++] = (double)done->ns;
        }
    }
    if (!count) return REQUEST_AGE_NS_MIN;
    sort_values(room, count);
    uint64_t usual_ns = (uint64_t)room[count / 2], limit_ns = REQUEST_AGE_NS_MIN;
    if (count >= OUTLIER_REQUESTS_MIN) limit_ns = greatest(REQUEST_SOON_NS_MIN, least(limit_ns, OUTLIER_RATIO_MIN * usual_ns));
    return greatest(limit_ns, OPEN_RATIO_MIN * usual_ns);
}

/* Is the log in which a part began live?  Not if it may have been another, which has ended: two processes may use one id. */
static bool is_live(const struct analysis *analysis, const struct open_part *part) {
    uint64_t start_ns = fact_unix(analysis->facts, &analysis->facts->items[part->start]);
    bool live = false;
    for (size_t i = 0; i < analysis->states->count; i++) {
        const struct node_state *state = &analysis->states->items[i];
        if (state->node != part->node || state->started_ns > start_ns) continue;
        if (!state->live && state->last_ns >= start_ns) return false;
        live |= state->live;
    }
    return live;
}

/* What a node reports of what it sends and receives. */
struct witness {
    uint64_t largest; /* the most bytes that it sent at once, to anybody: its acknowledgements are much smaller */
    uint64_t last_ns; /* its newest event */
    bool reads;       /* it reports what it receives */
    bool reports;     /* or what it sends */
};

/* What a node reports of another. */
enum {
    HEARD_LOST = 1,
    HEARD_SENT = 2, /* any traffic; the other two: more than an acknowledgement */
    HEARD_RECEIVED = 4,
    HEARD_SAID = 8,
    HEARD_TOLD = 16,
};

/* Facts in time order, so that what became of a question is not looked for among all. */
struct heard {
    struct witness *witnesses;    /* by node */
    const struct fact **by_pair;  /* traffic and losses, by node, then peer */
    unsigned char *after;         /* of each of these, and all of the same pair behind it */
    const struct fact **by_trace; /* all that belong to a trace */
    size_t pair_count, trace_count;
};

static int compare_places(const struct fact *a, const struct fact *b) {
    int order = compare_numbers(a->time_ns, b->time_ns);
    return order ? order : compare_numbers((uintptr_t)a, (uintptr_t)b);
}

static int compare_pairs(const void *left, const void *right) {
    const struct fact *a = *(const struct fact *const *)left, *b = *(const struct fact *const *)right;
    int order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_places(a, b);
}

static int compare_traces(const void *left, const void *right) {
    const struct fact *a = *(const struct fact *const *)left, *b = *(const struct fact *const *)right;
    int order = compare_numbers(a->trace, b->trace);
    return order ? order : compare_places(a, b);
}

/* More than an acknowledgement? */
static bool says_something(const struct heard *heard, const struct fact *fact) {
    bool packet = fact->kind == FACT_PACKET_SENT || fact->kind == FACT_PACKET_RECEIVED;
    unsigned sender = fact_sends(fact) ? fact->node : fact->peer;
    if (!fact_is_traffic(fact)) return false;
    return !packet || sender == NO_NUMBER || !packet_is_small(fact->bytes, heard->witnesses[sender].largest);
}

static void heard_fini(struct heard *heard) {
    free(heard->witnesses);
    free(heard->by_pair);
    free(heard->after);
    free(heard->by_trace);
}

static bool is_same_pair(const struct fact *a, const struct fact *b) { return a->node == b->node && a->peer == b->peer; }

static unsigned char heard_of(const struct heard *heard, const struct fact *fact) {
    if (fact->kind == FACT_PACKET_LOST) return HEARD_LOST;
    bool says = says_something(heard, fact);
    return fact_sends(fact) ? HEARD_SENT | (says ? HEARD_SAID : 0) : HEARD_RECEIVED | (says ? HEARD_TOLD : 0);
}

static int heard_init(struct heard *heard, const struct facts *facts) {
    size_t room = facts->count + facts->beside_count + 1;
    struct fact_walk walk = facts_walk(facts, 0, UINT64_MAX);
    const struct fact *fact;
    *heard = (struct heard){.witnesses = calloc(intern_count(&facts->nodes) + 1, sizeof *heard->witnesses),
                            .by_pair = calloc(room, sizeof *heard->by_pair),
                            .after = calloc(room, sizeof *heard->after),
                            .by_trace = calloc(room, sizeof *heard->by_trace)};
    if (!heard->witnesses || !heard->by_pair || !heard->after || !heard->by_trace) return -ENOMEM;
    while ((fact = fact_walk_next(&walk))) {
        struct witness *witness = &heard->witnesses[fact->node];
        bool traffic = fact_is_traffic(fact);
        unsigned sender = fact_sends(fact) ? fact->node : fact->peer;
        if (fact->kind != FACT_EVENTS_LOST) witness->last_ns = greatest(witness->last_ns, fact->time_ns);
        witness->reads |= traffic && !fact_sends(fact);
        witness->reports |= traffic;
        if (traffic && sender != NO_NUMBER)
            heard->witnesses[sender].largest = greatest(heard->witnesses[sender].largest, fact->bytes);
        if (traffic || fact->kind == FACT_PACKET_LOST) heard->by_pair[heard->pair_count++] = fact;
        if (fact->trace != NO_NUMBER) heard->by_trace[heard->trace_count++] = fact;
    }
    qsort(heard->by_pair, heard->pair_count, sizeof *heard->by_pair, compare_pairs);
    for (size_t i = heard->pair_count; i-- > 0;) {
        bool last = i + 1 == heard->pair_count || !is_same_pair(heard->by_pair[i], heard->by_pair[i + 1]);
        heard->after[i] = heard_of(heard, heard->by_pair[i]) | (last ? 0 : heard->after[i + 1]);
    }
    qsort(heard->by_trace, heard->trace_count, sizeof *heard->by_trace, compare_traces);
    return 0;
}

/* Where those like a fact begin, from its time on. */
static size_t first_like(const struct fact *const *sorted, size_t count, const struct fact *like,
                         int (*compare)(const void *left, const void *right)) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&sorted[middle], &like) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What a node reports of another from a time on. */
static unsigned heard_after(const struct heard *heard, unsigned node, unsigned peer, uint64_t from_ns) {
    const struct fact like = {.node = node, .peer = peer, .time_ns = from_ns};
    size_t at = first_like(heard->by_pair, heard->pair_count, &like, compare_pairs);
    return at < heard->pair_count && is_same_pair(heard->by_pair[at], &like) ? heard->after[at] : 0;
}

static const struct fact *next_of_trace(const struct heard *heard, unsigned trace, size_t *at) {
    const struct fact like = {.trace = trace};
    if (*at == NO_FACT) *at = first_like(heard->by_trace, heard->trace_count, &like, compare_traces);
    const struct fact *fact = *at < heard->trace_count ? heard->by_trace[(*at)++] : NULL;
    return fact && fact->trace == trace ? fact : NULL;
}

/* Would that node have an event of an answer?  Either the asker, which reports what it receives and has not fallen silent itself;
 * or the node that it asked, which reports what it sends, of no fewer traces. */
static bool is_witnessed(const struct analysis *analysis, const struct open_part *part, const struct heard *heard) {
    const struct witness *asker = &heard->witnesses[part->node], *asked = &heard->witnesses[part->asked];
    const struct node_states *states = analysis->states;
    uint64_t now_ns = analysis_now(analysis, part->node), age_ns = age_of(analysis, part);
    bool awake = now_ns <= asker->last_ns || now_ns - asker->last_ns <= least(age_ns / 2, SILENT_TALKED_NS_MIN);
    bool live = false;
    for (size_t i = 0; i < states->count; i++) live |= states->items[i].node == part->asked && states->items[i].live;
    return (asker->reads && awake) ||
           (live && asked->reports && node_states_sample(states, part->asked) >= node_states_sample(states, part->node));
}

/* Does one of the asker's parts of that request name a node?  Then what that sends it answers this part. */
static bool is_named(const struct heard *heard, const struct open_part *part, unsigned peer) {
    const struct fact *fact;
    for (size_t at = NO_FACT; (fact = next_of_trace(heard, part->trace, &at));)
        if (fact->kind == FACT_APP_START && fact->node == part->node && fact->peer == peer) return true;
    return false;
}

/* Of a part that does not say that it asked, even an acknowledgement counts as an answer: perhaps it needs no other. */
static bool acknowledges(const struct open_part *part, const struct fact *fact) { return !part->asks && fact_is_traffic(fact); }

/* What became of a question since it was asked. */
struct asked {
    bool sent, lost; /* the asker sent something to that node; and declared some of it lost */
    bool arrived;    /* the node received something from the asker */
    bool answered;   /* the node sent something to the asker, or passed the question on: perhaps that was the answer */
};

/* Did it get an answer by a relay, or did the node that it asked pass the question on, in the same trace? */
static bool went_elsewhere(const struct heard *heard, const struct open_part *part, uint64_t start_ns, uint64_t asked_ns) {
    const struct fact *fact;
    for (size_t at = NO_FACT; (fact = next_of_trace(heard, part->trace, &at));) {
        if (fact->node == part->node && fact->time_ns >= start_ns && says_something(heard, fact) && !fact_sends(fact) &&
            (fact->peer == NO_NUMBER || !is_named(heard, part, fact->peer)))
            return true;
        if (fact->node == part->asked && fact->time_ns >= asked_ns && fact_sends(fact) &&
            (acknowledges(part, fact) || says_something(heard, fact)))
            return true;
    }
    return false;
}

static struct asked read_asked(const struct analysis *analysis, const struct open_part *part, const struct heard *heard) {
    const struct facts *facts = analysis->facts;
    uint64_t start_ns = facts->items[part->start].time_ns;
    uint64_t asked_ns = node_clocks_comparable(&facts->clocks, part->node, part->asked, NULL) ? start_ns : 0;
    unsigned asker = heard_after(heard, part->node, part->asked, start_ns),
             answerer = heard_after(heard, part->asked, part->node, asked_ns);
    return (struct asked){.sent = asker & HEARD_SAID,
                          .lost = asker & HEARD_LOST,
                          .arrived = answerer & (part->asks ? HEARD_TOLD : HEARD_RECEIVED),
                          .answered = (asker & (part->asks ? HEARD_TOLD : HEARD_RECEIVED)) ||
                                      (answerer & (part->asks ? HEARD_SAID : HEARD_SENT)) || facts->beside_cut ||
                                      went_elsewhere(heard, part, start_ns, asked_ns)};
}

/* Has only a part of an answer come, as stream data, and then nothing more for most of the time?  Then the end of the stream is
 * missing; ends of others that the same node sent have come. */
static bool came_in_part(const struct analysis *analysis, const struct open_part *part, const struct heard *heard) {
    const struct facts *facts = analysis->facts;
    uint64_t start_ns = facts->items[part->start].time_ns, last_ns = 0, now_ns = analysis_now(analysis, part->node);
    const struct fact *fact;
    if (!part->asks) return false;
    for (size_t at = NO_FACT; (fact = next_of_trace(heard, part->trace, &at));) {
        bool own = fact->node == part->node && fact->peer == part->asked, back = fact->node == part->asked;
        if (fact->kind != FACT_STREAM_DATA || (!own && !(back && fact->peer == part->node)) || fact->sent == own) continue;
        if (fact->fin) return false;
        if (own && fact->time_ns >= start_ns) last_ns = fact->time_ns;
    }
    if (!last_ns || now_ns - last_ns < (now_ns - start_ns) / 2) return false;
    for (size_t i = 0; i < facts->count; i++) {
        fact = &facts->items[i];
        if (fact->kind == FACT_STREAM_DATA && fact->fin && !fact->sent && fact->node == part->node && fact->peer == part->asked)
            return true;
    }
    return false;
}

/* Is it certain that the node which a part asked has not answered?  Then it had the question, or it did nothing that shows that
 * the question was lost. */
static bool is_unanswered(const struct analysis *analysis, const struct open_part *part, const struct heard *heard) {
    const struct facts *facts = analysis->facts;
    if (part->asked == NO_NUMBER || !is_live(analysis, part) || !is_witnessed(analysis, part, heard)) return false;
    uint64_t start_ns = facts->items[part->start].time_ns;
    bool timed = node_clocks_comparable(&facts->clocks, part->node, part->asked, NULL);
    if (facts_gap(facts, part->asked, timed ? start_ns : 0, UINT64_MAX)) return false;
    struct asked asked = read_asked(analysis, part, heard);
    const struct witness *witness = &heard->witnesses[part->asked];
    bool ran_on = witness->reads && (!timed || witness->last_ns > start_ns + UNDER_WAY_NS_MAX);
    if (!part->asks && (ran_on || !witness->largest)) return false; /* perhaps it never answers, nor acknowledges */
    return asked.sent && !asked.answered && (asked.arrived || !(asked.lost || ran_on));
}

/* The only node to which a part that is alone, and that nobody asked for, sent packets; NO_NUMBER if it sent none, or something
 * to others. */
static unsigned only_receiver(const struct facts *facts, const struct heard *heard, const struct open_part *part) {
    const struct fact *fact;
    unsigned receiver = NO_NUMBER;
    if (!part->alone || !part->root) return NO_NUMBER;
    for (size_t at = NO_FACT; (fact = next_of_trace(heard, part->trace, &at));) {
        if (fact->node != part->node || fact->time_ns < facts->items[part->start].time_ns || !fact_sends(fact)) continue;
        if (fact->kind != FACT_PACKET_SENT || fact->peer == NO_NUMBER) return NO_NUMBER;
        if (receiver != NO_NUMBER && receiver != fact->peer) return NO_NUMBER;
        receiver = fact->peer;
    }
    return receiver;
}

/* Was what a part had sent to the node that it asked declared lost, and nothing of it sent again that arrived, in whatever trace?
 * It had no answer, either.  Returns the event that says so; NO_FACT: no, or nobody knows. */
static size_t lost_question(const struct analysis *analysis, const struct open_part *part, const struct heard *heard,
                            bool *ret_never_came) {
    const struct facts *facts = analysis->facts;
    const struct fact *fact, *lost = NULL;
    if (part->asked == NO_NUMBER || !is_live(analysis, part) || facts->beside_cut ||
        !node_clocks_comparable(&facts->clocks, part->node, part->asked, NULL))
        return NO_FACT;
    uint64_t start_ns = facts->items[part->start].time_ns;
    const struct witness *witness = &heard->witnesses[part->asked];
    *ret_never_came = witness->reads && witness->last_ns > start_ns + UNDER_WAY_NS_MAX;
    if (facts_gap(facts, part->asked, start_ns, UINT64_MAX) || facts_gap(facts, part->node, start_ns, UINT64_MAX)) return NO_FACT;
    for (size_t at = NO_FACT; (fact = next_of_trace(heard, part->trace, &at));) {
        if (fact->node != part->node || fact->peer != part->asked || fact->time_ns < start_ns) continue;
        if (fact->kind == FACT_PACKET_LOST && !lost) lost = fact;
        if (!fact_sends(fact) && says_something(heard, fact)) return NO_FACT;
    }
    unsigned asker = heard_after(heard, part->node, part->asked, start_ns),
             asked = heard_after(heard, part->asked, part->node, start_ns);
    bool answered = asker & HEARD_TOLD; /* or sent something else: a node that got nothing has no answer */
    if (!lost || (asked & HEARD_TOLD) || (answered && !*ret_never_came) || went_elsewhere(heard, part, start_ns, start_ns))
        return NO_FACT;
    return (size_t)(lost - facts->items);
}

/* Whom a part waits for that has not ended: see struct overdue. */
static struct overdue waits_of(const struct analysis *analysis, const struct open_part *part, const struct heard *heard,
                               bool unread) {
    struct overdue overdue = {
        .part = part, .waits_for = part->waits_for, .ended = part->waits_for != NO_NUMBER, .unread = unread, .lost = NO_FACT};
    struct open_part question = *part;
    const struct facts *facts = analysis->facts;
    if (overdue.ended || overdue.unread) return overdue;
    if (!part->asks) question.asked = only_receiver(facts, heard, part);
    overdue.asked = question.asked;
    overdue.lost = lost_question(analysis, &question, heard, &overdue.never_came);
    if (overdue.lost != NO_FACT) {
        overdue.waits_for = question.asked;
        overdue.told = !part->asks;
        return overdue;
    }
    overdue.partly = part->asked != NO_NUMBER && is_live(analysis, part) && heard->witnesses[part->node].reads &&
                     !facts->beside_cut && !facts_gap(facts, part->asked, 0, UINT64_MAX) && came_in_part(analysis, part, heard);
    if (!overdue.partly && !is_unanswered(analysis, &question, heard)) return overdue;
    overdue.waits_for = question.asked;
    overdue.told = !part->asks;
    return overdue;
}

static size_t list_overdue(const struct analysis *analysis, const struct requests *requests, struct overdue *overdue,
                           const struct heard *heard, double *room) {
    size_t listed = 0, kept = 0;
    uint64_t limit_ns = 0;
    for (size_t i = 0; i < requests->open_count; i++) {
        const struct open_part *part = &requests->open[i];
        bool counts = !part->ended && !part->settled;
        if (counts && age_awake(analysis, part) >= REQUEST_SOON_NS_MIN) overdue[listed++].part = part;
    }
    if (listed) qsort(overdue, listed, sizeof *overdue, compare_kinds);
    for (size_t i = 0; i < listed; i++) {
        const struct open_part *part = overdue[i].part;
        if (!i || compare_kinds(&overdue[i], &overdue[i - 1])) limit_ns = open_limit(requests, part, room);
        bool unread = facts_gap(analysis->facts, part->node, 0, UINT64_MAX) != NULL;
        if (age_awake(analysis, part) < (unread ? greatest(REQUEST_AGE_NS_MIN, limit_ns) : limit_ns)) continue;
        overdue[kept++] = waits_of(analysis, part, heard, unread);
    }
    return kept;
}

/* Of lost questions of one command: are they more that their asker has in common, or more that the node has that was asked? from,
 * to: by node, all 0. */
static void share_ends(struct overdue *overdue, size_t count, size_t *from, size_t *to) {
    for (size_t i = 0; i < count; i++)
        if (overdue[i].lost != NO_FACT) from[overdue[i].part->node]++, to[overdue[i].asked]++;
    for (size_t i = 0; i < count; i++) {
        overdue[i].by_asker = overdue[i].lost != NO_FACT && from[overdue[i].part->node] > to[overdue[i].asked];
        if (overdue[i].by_asker) overdue[i].waits_for = NO_NUMBER;
    }
    for (size_t i = 0; i < count; i++)
        if (overdue[i].lost != NO_FACT) from[overdue[i].part->node] = to[overdue[i].asked] = 0;
}

void analyze_open(struct analysis *analysis, const struct requests *requests) {
    size_t nodes = intern_count(&analysis->facts->nodes);
    struct overdue *overdue = calloc(requests->open_count + 1, sizeof *overdue);
    double *room = calloc(requests->done_count + 1, sizeof *room);
    bool *seen = calloc(nodes + 1, sizeof *seen);
    size_t *ends = calloc(2 * nodes + 1, sizeof *ends);
    struct heard heard;
    if (!heard_init(&heard, analysis->facts) && overdue && room && seen && ends) {
        size_t count = list_overdue(analysis, requests, overdue, &heard, room);
        for (size_t begin = 0, end; begin < count; begin = end) { /* they are in the order of commands */
            for (end = begin; end < count && overdue[end].part->command == overdue[begin].part->command;) end++;
            share_ends(overdue + begin, end - begin, ends, ends + nodes);
        }
        if (count) qsort(overdue, count, sizeof *overdue, compare_overdue);
        for (size_t begin = 0, end; begin < count; begin = end) {
            for (end = begin; end < count && !compare_groups(&overdue[end], &overdue[begin]);) end++;
            report_open(analysis, overdue + begin, end - begin, seen);
        }
    } else {
        analysis->failed = true;
    }
    free(overdue);
    heard_fini(&heard);
    free(room);
    free(seen);
    free(ends);
}
