/* SPDX-License-Identifier: MIT
 *
 * Requests that failed or expired, or had to be asked again; and connections that ended with an error. */
#include "allocation.h"
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- failed requests ---- */

/* Requests of one command that did not succeed, and the finding that each is part of. */
struct failures {
    const struct request *const *requests;
    size_t *parts; /* by request, an index into findings */
    size_t request_count;
    struct finding *findings;
    size_t count;
};

static void move_part(struct failures *failures, size_t from, size_t to) {
    for (size_t i = 0; from != to && i < failures->request_count; i++)
        if (failures->parts[i] == from) failures->parts[i] = to;
}

/* Who is at fault: the node that the failed node was waiting for, or else the failed node itself. */
static unsigned culprit(const struct request *request) {
    return request->failed_waiting != NO_NUMBER ? request->failed_waiting : request->failed_node;
}

/* By the failed node, then by the one that it was waiting for. */
static int compare_askers(const void *left, const void *right) {
    const struct request *a = *(const struct request *const *)left, *b = *(const struct request *const *)right;
    int order = compare_numbers(a->failed_node, b->failed_node);
    return order ? order : compare_numbers(a->failed_waiting, b->failed_waiting);
}

static int compare_asked(const void *left, const void *right) {
    const struct request *a = *(const struct request *const *)left, *b = *(const struct request *const *)right;
    int order = compare_numbers(a->failed_waiting, b->failed_waiting);
    return order ? order : compare_numbers(a->failed_node, b->failed_node);
}

/* How many nodes failed while they waited for this one.  asked: in the order of compare_asked. */
static unsigned count_askers(struct request *const *asked, size_t count, unsigned node) {
    unsigned askers = 0, last = NO_NUMBER;
    for (size_t i = 0; i < count; i++) {
        if (asked[i]->failed_waiting != node || asked[i]->failed_node == last) continue;
        last = asked[i]->failed_node;
        askers++;
    }
    return askers;
}

/* Failed requests of one node that waited for the same node, and the time from the first one's start to the last one's failure:
 * facts. */
struct failed_group {
    struct request *const *own;
    size_t count, start, end;
};

static struct failed_group group_of(struct request *const *own, size_t count) {
    struct failed_group group = {own, 0, own[0]->start, own[0]->start};
    for (; group.count < count && own[group.count]->failed_waiting == own[0]->failed_waiting; group.count++) {
        const struct request *request = own[group.count];
        if (request->start < group.start) group.start = request->start;
        if (request->failed != NO_FACT && request->failed > group.end) group.end = request->failed;
    }
    return group;
}

/* Did a request of another node wait for the node that these waited for, and succeed?  Only one of the same command, meanwhile,
 * shows that the node could have answered these. */
static bool serves_others(const struct requests *requests, const struct failed_group *group) {
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i];
        const struct request *request = &requests->items[visit->request];
        unsigned place = visit->kind == WAIT_PEER ? visit->peer : visit->node;
        bool answered = visit->kind != WAIT_LINK && !visit->unanswered && request->ok;
        bool meanwhile = request->start > group->start && request->start < group->end;
        if (!answered || !meanwhile || place != group->own[0]->failed_waiting || request->node == group->own[0]->failed_node)
            continue;
        for (size_t k = 0; k < group->count; k++)
            if (group->own[k]->command == request->command) return true;
    }
    return false;
}

static bool is_silent(const struct analysis *analysis, unsigned node) {
    for (size_t i = 0; i < analysis->count; i++)
        if (analysis->findings[i].kind == FINDING_NODE_SILENT && analysis->findings[i].node == node) return true;
    return false;
}

/* May the node that a failed request was waiting for have ended by then, or stood still? */
static bool waited_in_vain(const struct analysis *analysis, const struct request *request) {
    const struct fact *facts = analysis->facts->items;
    if (request->failed == NO_FACT) return false;
    return node_states_may_have_ended(analysis->states, analysis->facts, request->failed_waiting,
                                      facts[request->failed].time_ns) ||
           analysis_paused(analysis, request->failed_waiting, facts[request->start].time_ns, facts[request->failed].time_ns,
                           true) ||
           is_silent(analysis, request->failed_waiting);
}

/* A node is at fault itself if it fails whichever node it waits for, while these nodes run and answer others, and nobody else
 * fails waiting for them: they are not slow; it gives up too early, or their answers do not reach it. */
static void settle_asker(const struct analysis *analysis, const struct requests *requests, struct request *const *own,
                         size_t count, struct request *const *asked, size_t asked_count) {
    unsigned whom = 0;
    for (size_t i = 0; i < count; i++)
        if (waited_in_vain(analysis, own[i])) return;
    for (size_t i = 0; i < count; whom++) {
        struct failed_group group = group_of(own + i, count - i);
        if (count_askers(asked, asked_count, own[i]->failed_waiting) > 1 || !serves_others(requests, &group)) return;
        i += group.count;
    }
    for (size_t i = 0; whom > 1 && i < count; i++) {
        own[i]->failed_whom = own[i]->failed_waiting;
        own[i]->failed_waiting = NO_NUMBER;
    }
}

static void settle_askers(struct analysis *analysis, const struct requests *requests) {
    struct request **own = calloc(requests->count + 1, sizeof *own), **asked = calloc(requests->count + 1, sizeof *asked);
    size_t count = 0;
    if (own && asked) {
        for (size_t i = 0; i < requests->count; i++)
            if (requests->items[i].failed_waiting != NO_NUMBER) own[count] = asked[count] = &requests->items[i], count++;
        qsort(own, count, sizeof *own, compare_askers);
        qsort(asked, count, sizeof *asked, compare_asked);
        for (size_t begin = 0, end; begin < count; begin = end) {
            unsigned node = own[begin]->failed_node;
            for (end = begin; end < count && own[end]->failed_node == node;) end++;
            settle_asker(analysis, requests, own + begin, end - begin, asked, count);
        }
    } else {
        analysis->failed = true;
    }
    free(own);
    free(asked);
}

static int compare_failures(const void *left, const void *right) {
    const struct request *a = *(const struct request *const *)left, *b = *(const struct request *const *)right;
    int order = compare_numbers(a->command, b->command);
    if (!order) order = compare_numbers(a->caused, b->caused);
    if (!order) order = compare_numbers(a->failed_node == NO_NUMBER, b->failed_node == NO_NUMBER);
    if (!order) order = compare_numbers(a->expired, b->expired);
    if (!order) order = compare_numbers(a->failed_after, b->failed_after);
    if (!order) order = compare_numbers(culprit(a), culprit(b));
    if (!order) order = compare_numbers(a->failed_waiting == NO_NUMBER, b->failed_waiting == NO_NUMBER);
    if (!order) order = compare_numbers(a->failed_whom == NO_NUMBER, b->failed_whom == NO_NUMBER);
    if (!order) order = compare_numbers(a->failed_from, b->failed_from);
    if (!order) order = compare_numbers(a->failed_to, b->failed_to);
    if (!order) order = compare_numbers(a->failed_held, b->failed_held);
    if (!order) order = compare_numbers(a->failed_calm, b->failed_calm);
    if (!order) order = compare_numbers(a->failed_node, b->failed_node);
    return order ? order : compare_numbers(a->start, b->start);
}

/* Was it waiting for a link when it failed? */
static bool on_way(const struct request *request) {
    return request->failed_from != NO_NUMBER && request->failed_waiting == NO_NUMBER;
}

static struct finding failed_at(const struct request *const *failed, size_t count, size_t of) {
    bool waited = (*failed)->failed_waiting != NO_NUMBER;
    uint64_t nodes = 1; /* that were waiting; requests are sorted by them */
    for (size_t i = 1; i < count; i++) nodes += failed[i]->failed_node != failed[i - 1]->failed_node;
    bool aside = (*failed)->failed_after && !(*failed)->one_way; /* nobody waited for it */
    bool way = on_way(*failed);
    double share = (double)count / (double)of;
    struct finding finding = {.kind = (*failed)->expired ? FINDING_REQUESTS_EXPIRED : FINDING_REQUESTS_FAILED,
                              .severity = share >= FAILED_SEVERE_SHARE && !aside ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = share,
                              .node = way ? (*failed)->failed_from : culprit(*failed),
                              .peer = way                    ? (*failed)->failed_to
                                      : waited && nodes == 1 ? (*failed)->failed_node
                                                             : NO_NUMBER,
                              .on_way = way,
                              .held = way && (*failed)->failed_held,
                              .calm = (*failed)->failed_calm,
                              .links = waited ? nodes : 0,
                              .ways = way,
                              .command = (*failed)->command,
                              .count = count,
                              .of = of,
                              .any = (*failed)->failed_whom != NO_NUMBER,
                              .after = (*failed)->failed_after,
                              .rootless = (*failed)->caused};
    return finding;
}

/* Did a node answer others, and never this asker, in requests of that command?  Only answers between the first and the last of
 * the failed requests show that it answered others meanwhile. */
static bool answers_others(const struct requests *requests, const struct request *const *failed, size_t count, unsigned asker,
                           bool began) {
    size_t others = 0;
    for (size_t i = 0; i < requests->question_count; i++) {
        const struct question *question = &requests->questions[i];
        const struct request *request = &requests->items[question->request];
        if (question->command != failed[0]->command || question->node != failed[0]->failed_node || !question->ok) continue;
        if ((began ? request->node : question->asker) == asker) return false;
        others += request->start > failed[0]->start && request->start < failed[count - 1]->start;
    }
    return others >= RETRIED_MIN;
}

/* Failed requests of one node that was waiting for nobody: the one node that had asked it, or that had begun them, if it answered
 * others meanwhile.  NO_NUMBER: there is none; a few failures may be of one asker by chance. */
static unsigned only_asker(const struct requests *requests, const struct request *const *failed, size_t count) {
    const struct request *first = *failed;
    if (count < RETRIED_MIN) return NO_NUMBER;
    if (first->failed_waiting != NO_NUMBER || first->failed_from != NO_NUMBER || first->failed_after) return NO_NUMBER;
    for (unsigned began = 0; began < 2; began++) {
        unsigned asker = began ? first->node : first->failed_asker;
        bool only = asker != first->failed_node;
        for (size_t i = 1; i < count && only; i++) only = (began ? failed[i]->node : failed[i]->failed_asker) == asker;
        if (only && answers_others(requests, failed, count, asker, began)) return asker;
    }
    return NO_NUMBER;
}

/* What requests that failed have in common: the failed node itself, the node or the link that it was waiting for. */
enum cause { CAUSE_OWN, CAUSE_NODE, CAUSE_LINK, CAUSE_COUNT_ };

static enum cause cause_of(const struct finding *finding) {
    return finding->on_way ? CAUSE_LINK : finding->links ? CAUSE_NODE : CAUSE_OWN;
}

/* Is this finding about one of several places, none of which has most of the failures? */
static bool is_one_of_several(const struct failures *failures, const struct finding *finding, enum cause cause) {
    uint64_t failed = 0;
    for (size_t i = 0; i < failures->count; i++) failed += failures->findings[i].count;
    return cause_of(finding) == cause && 2 * finding->count <= failed && !finding->after && !finding->peer_count;
}

/* Do these two name the same node; or, of links, are they the same? */
static bool same_cause(const struct finding *a, const struct finding *b) { return a->on_way ? a == b : a->node == b->node; }

static bool names_several(const struct failures *failures, enum cause cause) {
    size_t places = 0;
    for (size_t i = 0; i < failures->count; i++) {
        const struct finding *finding = &failures->findings[i];
        bool new = is_one_of_several(failures, finding, cause);
        for (size_t k = 0; k < i && new; k++)
            new = !same_cause(&failures->findings[k], finding) || !is_one_of_several(failures, &failures->findings[k], cause);
        places += new;
    }
    return places >= ALIKE_NODES_MIN;
}

/* The nodes at which the requests of some findings failed: those that they waited for did not fail.  chosen: by finding. */
static void list_failed(struct analysis *analysis, const struct failures *failures, const bool *chosen, struct finding *finding) {
    unsigned nodes = intern_count(&analysis->facts->nodes);
    bool *failed = calloc(nodes + 1, sizeof *failed);
    analysis->failed |= !failed;
    finding->peer_count = 0;
    for (size_t i = 0; failed && i < failures->request_count; i++)
        if (chosen[failures->parts[i]]) failed[failures->requests[i]->failed_node] = true;
    for (unsigned i = 0; failed && i < nodes; i++) {
        if (!failed[i]) continue;
        if (finding->peer_count < PEERS_MAX) finding->peers[finding->peer_count] = i;
        finding->peer_count++;
    }
    free(failed);
}

/* The earliest of its requests show a finding: their order depends on the order in which events were read. */
static void show_earliest(const struct failures *failures, const bool *chosen, struct finding *finding) {
    size_t shown = NO_FACT;
    finding->evidence_count = 0;
    while (finding->evidence_count < EVIDENCE_MAX) {
        const struct request *next = NULL;
        for (size_t i = 0; i < failures->request_count; i++) {
            const struct request *request = failures->requests[i];
            bool later =
                chosen[failures->parts[i]] && request->failed != NO_FACT && (shown == NO_FACT || request->failed > shown);
            if (later && (!next || request->failed < next->failed)) next = request;
        }
        if (!next) return;
        if (shown == NO_FACT) finding->trace = next->trace;
        shown = next->failed;
        finding_show(finding, shown);
    }
}

/* Of requests that ran out of time: the node that had failed before in some of them, if it is the same in all of these. */
static void find_before(const struct failures *failures, const bool *chosen, struct finding *finding) {
    finding->before = NO_NUMBER;
    for (size_t i = 0; i < failures->request_count; i++) {
        unsigned before = failures->requests[i]->failed_before;
        if (!chosen[failures->parts[i]] || before == NO_NUMBER) continue;
        finding->before = !finding->before_count || finding->before == before ? before : NO_NUMBER;
        finding->before_count++;
    }
}

/* One finding for several, all with a cause of the same kind.  chosen: by finding. */
static struct finding join_several(struct analysis *analysis, const struct failures *failures, const bool *chosen) {
    struct finding all = {.count = 0};
    uint64_t places = 0;
    for (size_t i = 0; i < failures->count; i++) {
        const struct finding *finding = &failures->findings[i];
        if (!chosen[i]) continue;
        uint64_t count = all.count;
        if (!count) all = *finding;
        all.count = count + finding->count;
        places += finding->on_way ? finding->ways : 1;
    }
    list_failed(analysis, failures, chosen, &all);
    all.links = cause_of(&all) == CAUSE_NODE ? places : 0;
    all.ways = all.on_way ? places : 0;
    all.node = all.peer = NO_NUMBER;
    all.on_way = all.any = all.one_asker = false;
    all.weight = (double)all.count / (double)all.of;
    all.severity = all.weight >= FAILED_SEVERE_SHARE ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    return all;
}

/* Keeps the requests of those chosen. */
static void keep_failures(struct analysis *analysis, const struct failures *failures, const bool *chosen, uint64_t number) {
    for (size_t i = 0; i < failures->request_count; i++) {
        const struct request *request = failures->requests[i];
        if (!chosen[failures->parts[i]]) continue;
        struct failed_request *kept =
            memory_room(analysis->failures, analysis->failure_count, &analysis->failure_capacity, sizeof *kept);
        analysis->failed |= !kept;
        if (!kept) return;
        analysis->failures = kept;
        kept[analysis->failure_count++] = (struct failed_request){.failures = number,
                                                                  .trace = request->trace,
                                                                  .waiting = request->failed_waiting,
                                                                  .from = request->failed_from,
                                                                  .to = request->failed_to};
    }
}

/* Adds a finding about the requests of those chosen. */
static void add_failures(struct analysis *analysis, const struct failures *failures, const bool *chosen, struct finding finding) {
    struct finding failed = {.count = 0};
    if (finding.on_way) list_failed(analysis, failures, chosen, &failed);
    if (finding.on_way) finding.links = failed.peer_count;
    show_earliest(failures, chosen, &finding);
    find_before(failures, chosen, &finding);
    finding.failures = analysis->failure_count + 1;
    keep_failures(analysis, failures, chosen, finding.failures);
    analysis_add(analysis, &finding);
}

/* Adds the findings of requests with the same outcome: several places with a cause of the same kind are one finding. */
static void report_failures(struct analysis *analysis, struct failures *failures) {
    bool *chosen = calloc(failures->count + 1, sizeof *chosen), *several = calloc(failures->count + 1, sizeof *several);
    analysis->failed |= !chosen || !several;
    for (enum cause cause = 0; chosen && several && cause < CAUSE_COUNT_; cause++) {
        if (!names_several(failures, cause)) continue;
        for (size_t i = 0; i < failures->count; i++) {
            chosen[i] = is_one_of_several(failures, &failures->findings[i], cause);
            several[i] |= chosen[i];
        }
        add_failures(analysis, failures, chosen, join_several(analysis, failures, chosen));
    }
    for (size_t i = 0; chosen && several && i < failures->count; i++) {
        if (several[i]) continue;
        for (size_t k = 0; k < failures->count; k++) chosen[k] = k == i;
        add_failures(analysis, failures, chosen, failures->findings[i]);
    }
    free(chosen);
    free(several);
}

/* What two links have in common. */
enum shared { SHARED_LINK, SHARED_SENDER, SHARED_RECEIVER };

static bool share_way(const struct finding *a, const struct finding *b, enum shared shared) {
    if (!a->on_way || !b->on_way || a->after != b->after) return false;
    bool sender = a->node == b->node && a->node != NO_NUMBER, receiver = a->peer == b->peer && a->peer != NO_NUMBER;
    return shared == SHARED_LINK ? sender && receiver : shared == SHARED_SENDER ? sender : receiver;
}

/* Joins findings about the same link, about data from one node, or about data sent to one node. */
static void join_ways(struct failures *failures, enum shared shared) {
    struct finding *findings = failures->findings;
    size_t kept = 0;
    for (size_t i = 0; i < failures->count; i++) {
        struct finding *same = NULL, *finding = &findings[i];
        for (size_t k = 0; k < kept && !same; k++)
            if (share_way(&findings[k], finding, shared)) same = &findings[k];
        move_part(failures, i, same ? (size_t)(same - findings) : kept);
        if (!same) {
            findings[kept++] = *finding;
            continue;
        }
        if (shared != SHARED_LINK) same->ways += finding->ways;
        if (shared == SHARED_SENDER) same->peer = NO_NUMBER;
        if (shared == SHARED_RECEIVER) same->node = NO_NUMBER;
        same->count += finding->count;
        same->weight += finding->weight;
        if (finding->severity < same->severity || same->weight >= FAILED_SEVERE_SHARE)
            same->severity = finding->after ? finding->severity : SEVERITY_SEVERE;
    }
    failures->count = kept;
}

/* Nodes that failed only what one node asked are one finding, which names that node: it is what they have in common. */
static void join_askers(struct failures *failures) {
    struct finding *findings = failures->findings;
    size_t kept = 0;
    for (size_t i = 0; i < failures->count; i++) {
        struct finding *same = NULL, *finding = &findings[i];
        for (size_t k = 0; k < kept && finding->one_asker && !same; k++)
            if (findings[k].one_asker && (findings[k].peer_count ? findings[k].node : findings[k].peer) == finding->peer)
                same = &findings[k];
        move_part(failures, i, same ? (size_t)(same - findings) : kept);
        if (!same) {
            findings[kept++] = *finding;
            continue;
        }
        if (!same->peer_count) {
            same->peers[same->peer_count++] = same->node;
            same->node = same->peer;
            same->peer = NO_NUMBER;
        }
        if (same->peer_count < PEERS_MAX) same->peers[same->peer_count] = finding->node;
        same->peer_count++;
        same->count += finding->count;
        same->weight += finding->weight;
        same->severity = same->weight >= FAILED_SEVERE_SHARE ? SEVERITY_SEVERE : SEVERITY_NOTABLE;
    }
    failures->count = kept;
}

/* Is it of the same part: with the same node at fault, for the same reason? */
static bool same_part(const struct request *a, const struct request *b) {
    return a->failed_after == b->failed_after && (a->failed_waiting == NO_NUMBER) == (b->failed_waiting == NO_NUMBER) &&
           (a->failed_whom == NO_NUMBER) == (b->failed_whom == NO_NUMBER) && a->failed_from == b->failed_from &&
           a->failed_held == b->failed_held && a->failed_calm == b->failed_calm && a->failed_to == b->failed_to &&
           culprit(a) == culprit(b);
}

/* Requests of one command with the same outcome, of `of`. */
static void judge_outcome(struct analysis *analysis, const struct requests *all, const struct request *const *requests,
                          size_t count, size_t of) {
    struct failures failures = {requests, calloc(count + 1, sizeof *failures.parts), count,
                                calloc(count + 1, sizeof *failures.findings), 0};
    analysis->failed |= !failures.parts || !failures.findings;
    for (size_t begin = 0, end; !analysis->failed && begin < count; begin = end) {
        for (end = begin; end < count && same_part(requests[end], requests[begin]); end++) failures.parts[end] = failures.count;
        struct finding *finding = &failures.findings[failures.count++];
        *finding = failed_at(requests + begin, end - begin, of);
        unsigned asker = only_asker(all, requests + begin, end - begin);
        if (asker != NO_NUMBER) finding->one_asker = true, finding->peer = asker;
    }
    for (enum shared shared = SHARED_LINK; shared <= SHARED_RECEIVER; shared++) join_ways(&failures, shared);
    join_askers(&failures);
    report_failures(analysis, &failures);
    free(failures.parts);
    free(failures.findings);
}

/* All requests of one command, either whole or without a root: first those that failed, then those that expired. */
static void judge_failures(struct analysis *analysis, const struct requests *all, const struct request *const *requests,
                           size_t count) {
    for (size_t begin = 0, end; begin < count && requests[begin]->failed_node != NO_NUMBER; begin = end) {
        for (end = begin;
             end < count && requests[end]->failed_node != NO_NUMBER && requests[end]->expired == requests[begin]->expired;)
            end++;
        judge_outcome(analysis, all, requests + begin, end - begin, count);
    }
}

/* ---- requests that were asked again ---- */

static int compare_questions(const void *left, const void *right) {
    const struct question *a = *(const struct question *const *)left, *b = *(const struct question *const *)right;
    int order = compare_numbers(a->command, b->command);
    if (!order) order = compare_numbers(a->node, b->node);
    if (!order) order = compare_numbers(!a->retried, !b->retried);
    if (!order && !a->retried) order = compare_numbers(a->asker, b->asker);
    return order ? order : compare_numbers(a->failed, b->failed);
}

static size_t count_retried(const struct question *const *questions, size_t count) {
    size_t retried = 0;
    for (size_t i = 0; i < count; i++) retried += questions[i]->retried;
    return retried;
}

/* How many nodes, besides the first question's asker, a node answered; 0 if it gave too few answers.  Questions as for
 * judge_retried. */
static uint64_t count_answered(const struct question *const *questions, size_t count, size_t retried) {
    uint64_t askers = 0, answers = 0;
    unsigned last = NO_NUMBER;
    for (size_t i = retried; i < count; i++) {
        if (!questions[i]->ok || questions[i]->asker == questions[0]->asker) continue;
        answers++;
        askers += questions[i]->asker != last;
        last = questions[i]->asker;
    }
    return answers >= RETRIED_MIN ? askers : 0;
}

/* All questions to one node; those that it failed come first.  all, all_retried: questions of that command to any node.  If other
 * nodes fail as often, as in a search for something that few nodes have, that is no fault. */
static void judge_retried(struct analysis *analysis, const struct requests *requests, const struct question *const *questions,
                          size_t count, size_t all, size_t all_retried) {
    size_t retried = count_retried(questions, count), of = 0;
    double share = (double)retried / (double)count,
           others = all > count ? (double)(all_retried - retried) / (double)(all - count) : 0;
    if (retried < RETRIED_MIN || share < RETRIED_SHARE_MIN || share < RETRIED_RATIO_MIN * others) return;
    const struct question *first = questions[0];
    bool one_asker = true;
    uint64_t failed = 1; /* requests */
    for (size_t i = 1; i < retried; i++) {
        one_asker &= questions[i]->asker == first->asker;
        failed += questions[i]->request != questions[i - 1]->request;
    }
    for (size_t i = 0; i < requests->count; i++)
        of += requests->items[i].command == first->command && request_is_whole(&requests->items[i]);
    struct finding finding = {.kind = FINDING_REQUESTS_RETRIED,
                              .severity = SEVERITY_NOTABLE,
                              .weight = share,
                              .node = first->node,
                              .peer = one_asker ? first->asker : NO_NUMBER,
                              .trace = requests->items[first->request].trace,
                              .command = first->command,
                              .count = failed,
                              .of = of,
                              .links = one_asker ? count_answered(questions, count, retried) : 0};
    for (size_t i = 0; i < retried; i++) finding_show(&finding, questions[i]->failed);
    analysis_add(analysis, &finding);
}

void analyze_retries(struct analysis *analysis, const struct requests *requests) {
    size_t count = requests->question_count;
    const struct question **order = calloc(count + 1, sizeof *order);
    if (!order) {
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) order[i] = &requests->questions[i];
    qsort(order, count, sizeof *order, compare_questions);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && order[end]->command == order[begin]->command;) end++;
        size_t retried = count_retried(order + begin, end - begin);
        for (size_t at = begin, next; at < end; at = next) {
            for (next = at; next < end && order[next]->node == order[at]->node;) next++;
            judge_retried(analysis, requests, order + at, next - at, end - begin, retried);
        }
    }
    free(order);
}

static bool same_group(const struct request *a, const struct request *b) {
    return a->command == b->command && a->caused == b->caused;
}

void analyze_outcomes(struct analysis *analysis, const struct requests *requests) {
    settle_askers(analysis, requests);
    const struct request **order = calloc(requests->count + 1, sizeof *order);
    size_t count = 0;
    if (!order) {
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < requests->count; i++)
        if (requests->items[i].ended) order[count++] = &requests->items[i];
    qsort(order, count, sizeof *order, compare_failures);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && same_group(order[end], order[begin]);) end++;
        judge_failures(analysis, requests, order + begin, end - begin);
    }
    for (size_t i = 0; i < count; i++) analysis->coverage.requests_whole += request_is_whole(order[i]);
    free(order);
}

/* ---- connections ---- */

static bool contains_word(const char *text, const char *word) {
    for (size_t bytes = strlen(word); *text; text++)
        if (!strncasecmp(text, word, bytes)) return true;
    return false;
}

/* A connection without an error code ended well, unless its reason names a failure: after a timeout there is no code. */
static bool ended_badly(const struct facts *facts, const struct fact *fact) {
    static const char *const words[] = {"err_", "error", "timeout", "timed out", "idle", "reset", "refused", "unreachable"};
    const char *reason = facts_command(facts, fact->command);
    if (fact->kind != FACT_CONN_CLOSED) return false;
    if (fact->code) return true;
    for (size_t i = 0; reason && i < sizeof words / sizeof *words; i++)
        if (contains_word(reason, words[i])) return true;
    return false;
}

static int compare_closes(const void *left, const void *right, void *items) {
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct fact *a = (const struct fact *)items + i, *b = (const struct fact *)items + j;
    int order = compare_numbers(a->code, b->code);
    if (!order) order = compare_numbers(a->command, b->command);
    return order ? order : compare_numbers(i, j);
}

/* Connections closed with the same code and reason.  If all of them have one node in common, names only that node. */
static void report_closed(struct analysis *analysis, const size_t *closes, size_t count) {
    const struct fact *facts = analysis->facts->items, *first = &facts[*closes];
    bool node = true, peer = true;
    for (size_t i = 0; i < count; i++) {
        const struct fact *fact = &facts[closes[i]];
        node &= fact->node == first->node || fact->peer == first->node;
        peer &= fact->node == first->peer || fact->peer == first->peer;
    }
    struct finding finding = {.kind = FINDING_CONNECTIONS_CLOSED,
                              .severity = SEVERITY_NOTABLE,
                              .weight = (double)count,
                              .node = node   ? first->node
                                      : peer ? first->peer
                                             : NO_NUMBER,
                              .peer = node && peer ? first->peer : NO_NUMBER,
                              .trace = first->trace,
                              .command = first->command,
                              .count = count,
                              .code = first->code,
                              .time_ns = fact_unix(analysis->facts, first)};
    for (size_t i = 0; i < count; i++) finding_show(&finding, closes[i]);
    analysis_add(analysis, &finding);
}

void analyze_connections(struct analysis *analysis) {
    const struct facts *facts = analysis->facts;
    size_t *closes = calloc(facts->count + 1, sizeof *closes), count = 0;
    if (!closes) {
        analysis->failed = true;
        return;
    }
    for (size_t i = 0; i < facts->count; i++)
        if (ended_badly(facts, &facts->items[i])) closes[count++] = i;
    if (count) qsort_r(closes, count, sizeof *closes, compare_closes, facts->items);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin; end < count && facts->items[closes[end]].code == facts->items[closes[begin]].code &&
                          facts->items[closes[end]].command == facts->items[closes[begin]].command;)
            end++;
        report_closed(analysis, closes + begin, end - begin);
    }
    free(closes);
}
