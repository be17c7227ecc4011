/* SPDX-License-Identifier: MIT
 *
 * Requests: where their time went. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"
#include "slow_links.h"
#include "usual.h"

#include <stdlib.h>

/* ---- places ---- */

static int compare_groups(const struct visit *a, const struct visit *b) {
    int order = compare_numbers(a->command, b->command);
    if (!order) order = compare_numbers(a->after, b->after);
    if (!order) order = compare_numbers(a->kind, b->kind);
    if (!order && a->kind != WAIT_PEER)
        order = compare_numbers(a->node, b->node); /* a peer is one place, whichever node waits for it */
    return order ? order : compare_numbers(a->peer, b->peer);
}

static int compare_visits(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    int order = compare_groups(a, b);
    if (!order) order = compare_numbers(a->asked, b->asked);
    return order ? order : compare_numbers(a->request, b->request);
}

static enum finding_kind kind_of(const struct visit *visit) {
    if (visit->missing) return FINDING_SLOW_NODE;
    return wait_kind_is_way(visit->kind) ? FINDING_SLOW_LINK
           : visit->kind == WAIT_PEER    ? FINDING_UNTRACED_PEER
                                         : FINDING_SLOW_NODE;
}

/* How many visits of one place that count were in a time in which the whole machine stood still, perhaps?  *ret_said: another
 * finding says so.  The events of one trace cannot show that. */
static uint64_t count_stills(const struct analysis *analysis, const struct requests *requests, const struct visit *visits,
                             size_t count, double share, uint64_t *ret_said) {
    uint64_t still = 0;
    *ret_said = 0;
    for (size_t i = 0; i < count && !analysis->one_trace; i++) {
        const struct visit *visit = &visits[i];
        size_t from = visit->evidence[0], to = visit->evidence[1];
        if ((double)visit->ns < share * (double)visit->whole_ns || from == NO_FACT || to == NO_FACT) continue;
        if (visit->once_ns < STALL_SHORT_NS_MIN && !visit->stopped) continue;
        uint64_t from_ns = analysis->facts->items[from].time_ns, to_ns = analysis->facts->items[to].time_ns;
        bool calm, said = analysis_stood_still(analysis, from_ns, to_ns) ||
                          (visit->stopped && !facts_active(analysis->facts, NO_NUMBER, from_ns, to_ns));
        *ret_said += said;
        still += said || may_have_stood_still(analysis, requests, visit, &calm);
    }
    return still;
}

/* Judges all requests of one command at one place.  divided: no place has most of their time, so a smaller share is enough.
 * Returns whether there is a finding. */
static bool judge_place(struct finding *ret_finding, const struct analysis *analysis, const struct requests *requests,
                        const struct usual *usual, const struct visit *visits, size_t count, bool divided) {
    const struct visit *longest = visits;
    uint64_t slow = 0, stopped = 0, usual_ns = 0;
    bool unanswered = true, seen = false, ignored = true;
    enum reaction reaction = REACTION_NONE;
    double share = divided ? SLOW_DIVIDED_MIN : SLOW_SHARE_MIN;
    for (size_t i = 0; i < count; i++) {
        unanswered &= visits[i].unanswered, seen |= visits[i].seen, ignored &= visits[i].ignored;
        if (visits[i].reaction < reaction) reaction = visits[i].reaction;
        stopped += visits[i].stopped;
        slow += visits[i].ns && (double)visits[i].ns >= share * (double)visits[i].whole_ns;
        if (visits[i].ns > longest->ns) longest = &visits[i];
        usual->room[i] = (double)visits[i].ns;
    }
    sort_values(usual->room, count);
    /* One of two long waits is enough. */
    uint64_t middle_ns = (uint64_t)(count < SLOW_REQUESTS_MIN ? usual->room[count / 2] : median_of(usual->room, count));
    if (count < (analysis->one_trace || middle_ns >= SLOW_ALONE_NS ? 1 : SLOW_REQUESTS_MIN) ||
        (double)slow < SLOW_OFTEN_MIN * (double)count || middle_ns < (divided ? SLOW_SEVERE_NS : SLOW_NS_MIN))
        return false;
    uint64_t said, still = count_stills(analysis, requests, visits, count, share, &said);
    if (said && 2 * said >= slow) return false;
    bool calm = still && 2 * still >= slow;
    bool peer = visits->kind == WAIT_PEER && !unanswered;
    if (peer && peer_is_usual(analysis, requests, usual, visits, count, middle_ns)) return false;
    /* Many short waits do not make a slow link. */
    if (wait_kind_is_way(visits->kind) && divided && longest->once_ns < LATE_NS_MIN) return false;
    bool held = visits->kind == WAIT_LINK && 2 * stopped >= count;
    if (visits->kind == WAIT_LINK && !held && !link_is_unusual(usual, visits, &usual_ns)) return false;
    bool alone = visits->kind == WAIT_LINK && !held && !usual_ns;             /* there is no other link to compare with */
    bool aside = visits->after && !requests->items[longest->request].one_way; /* nobody waited for it */
    bool unsure = visits->kind == WAIT_SENDING || longest->missing || calm;   /* it may have been another place */
    struct finding finding = {.kind = kind_of(longest),
                              .severity =
                                  middle_ns >= SLOW_SEVERE_NS && !alone && !aside && !unsure ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)middle_ns / 1e9,
                              .node = visits->kind == WAIT_PEER ? visits->peer : visits->node,
                              .peer = visits->kind == WAIT_PEER ? longest->node : visits->peer,
                              .trace = longest->trace,
                              .command = visits->command,
                              .count = slow,
                              .of = count,
                              .ns = middle_ns,
                              .usual_ns = usual_ns,
                              .stopped = visits->kind == WAIT_NODE && 2 * stopped >= count,
                              .held = held,
                              .unseen = visits->kind == WAIT_LINK && longest->unseen,
                              .sending = visits->kind == WAIT_SENDING,
                              .missing = longest->missing,
                              .full = longest->full,
                              .unanswered = unanswered,
                              .ignored = ignored,
                              .reaction = reaction,
                              .seen = seen,
                              .divided = divided,
                              .calm = calm,
                              .after = visits->after};
    for (size_t i = 0; i < requests->count; i++)
        finding.requests += requests->items[i].timed && requests->items[i].command == visits->command;
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) finding_show(&finding, longest->evidence[i]);
    *ret_finding = finding;
    return true;
}

/* Judges the requests at one node: all of them; if these do not stand out, those that others sent to it, then those that it
 * began.  It may be slow in only one of the two roles. */
static bool judge_node(struct finding *ret_finding, const struct analysis *analysis, const struct requests *requests,
                       const struct usual *usual, const struct visit *visits, size_t count, bool divided) {
    size_t began = 0;
    while (began < count && !visits[began].asked) began++;
    if (judge_place(ret_finding, analysis, requests, usual, visits, count, divided)) return true;
    if (visits->kind != WAIT_NODE || !began || began == count) return false;
    return judge_place(ret_finding, analysis, requests, usual, visits + began, count - began, divided) ||
           judge_place(ret_finding, analysis, requests, usual, visits, began, divided);
}

/* The requests of one command that others sent to a node, or that it began.  ns: the slowest 1/TAIL_PART took at least this
 * long. */
struct node_tail {
    const struct visit *visits;
    size_t count;
    double ns;
};

/* Nodes where requests of one command spend their time, and peers that they wait for. */
struct slow_nodes {
    struct finding *findings, *peers;
    size_t count, peer_count;
    struct node_tail *tails;
    size_t tail_count;
    double *sorted; /* room for one value per tail */
};

/* Failed requests count as 0: their time only shows how long the asker waited. */
static double time_of_good(const struct requests *requests, const struct visit *visit) {
    return requests->items[visit->request].ok ? (double)visit->ns : 0;
}

static void add_tail(struct slow_nodes *slow, const struct requests *requests, const struct usual *usual,
                     const struct visit *visits, size_t count) {
    if (count < SLOW_REQUESTS_MIN) return;
    for (size_t i = 0; i < count; i++) usual->room[i] = time_of_good(requests, &visits[i]);
    sort_values(usual->room, count);
    slow->tails[slow->tail_count++] = (struct node_tail){visits, count, usual->room[count - 1 - count / TAIL_PART]};
}

static void add_tails(struct slow_nodes *slow, const struct requests *requests, const struct usual *usual,
                      const struct visit *visits, size_t count) {
    size_t began = 0;
    while (began < count && !visits[began].asked) began++;
    add_tail(slow, requests, usual, visits, began);
    add_tail(slow, requests, usual, visits + began, count - began);
}

static void report_tail(struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                        const struct node_tail *tail, double usual_ns) {
    const struct visit *longest = tail->visits;
    size_t slow = 0;
    struct finding finding = {.kind = FINDING_SLOW_NODE,
                              .severity = SEVERITY_NOTABLE,
                              .weight = tail->ns / 1e9,
                              .node = tail->visits->node,
                              .peer = NO_NUMBER,
                              .command = tail->visits->command,
                              .of = tail->count,
                              .usual_ns = (uint64_t)usual_ns,
                              .sometimes = true};
    for (size_t i = 0; i < tail->count; i++) {
        double ns = time_of_good(requests, &tail->visits[i]);
        if (ns < LATE_RATIO_MIN * usual_ns || ns < SLOW_SEVERE_NS) continue;
        usual->room[slow++] = ns;
        if (slow == 1 || tail->visits[i].ns > longest->ns) longest = &tail->visits[i];
    }
    sort_values(usual->room, slow);
    finding.count = slow;
    finding.ns = (uint64_t)usual->room[slow / 2];
    finding.trace = longest->trace;
    for (unsigned i = 0; i < EVIDENCE_MAX; i++) finding_show(&finding, longest->evidence[i]);
    analysis_add(analysis, &finding);
}

static bool is_named(const struct slow_nodes *slow, unsigned node, double ns) {
    for (size_t i = 0; i < slow->count; i++)
        if (slow->findings[i].node == node && ns < LATE_RATIO_MIN * (double)slow->findings[i].ns) return true;
    return false;
}

/* Reports nodes where some requests take much longer than at other nodes in the same role. */
static void report_tails(struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                         struct slow_nodes *slow) {
    for (size_t i = 0; i < slow->tail_count; i++) {
        const struct node_tail *tail = &slow->tails[i];
        size_t count = 0;
        for (size_t k = 0; k < slow->tail_count; k++)
            if (k != i && slow->tails[k].visits->asked == tail->visits->asked) slow->sorted[count++] = slow->tails[k].ns;
        if (tail->count < OUTLIER_REQUESTS_MIN || count < TAIL_OTHERS_MIN || tail->ns < SLOW_SEVERE_NS) continue;
        sort_values(slow->sorted, count);
        double usual_ns = slow->sorted[count / 2];
        if (tail->ns >= LATE_RATIO_MIN * usual_ns && !is_named(slow, tail->visits->node, tail->ns))
            report_tail(analysis, requests, usual, tail, usual_ns);
    }
    slow->tail_count = 0;
}

/* If several nodes are about equally slow, the command takes that long everywhere and no node stands out: one finding covers
 * them.  A node that is much slower than the others keeps its own. */
static void report_slow_nodes(struct analysis *analysis, struct slow_nodes *slow) {
    struct finding alike = {.ns = 0};
    for (size_t i = 0; i < slow->count; i++) slow->sorted[i] = (double)slow->findings[i].ns;
    sort_values(slow->sorted, slow->count);
    double limit = slow->count >= ALIKE_NODES_MIN ? ALIKE_RATIO_MAX * slow->sorted[slow->count / 2] : 0;
    for (size_t i = 0; i < slow->count; i++) {
        const struct finding *finding = &slow->findings[i];
        if ((double)finding->ns > limit || finding->stopped) {
            analysis_add(analysis, finding);
            continue;
        }
        uint64_t count = alike.count + finding->count, of = alike.of + finding->of, nodes = alike.links + 1;
        if (slow_links_before(finding, &alike)) alike = *finding;
        alike.count = count;
        alike.of = of;
        alike.links = nodes;
    }
    slow->count = 0;
    if (!alike.links) return;
    if (alike.links > 1) alike.node = NO_NUMBER, alike.severity = SEVERITY_NOTABLE;
    if (alike.links == 1) alike.links = 0;
    analysis_add(analysis, &alike);
}

static int compare_found(const void *left, const void *right) {
    const struct finding *a = left, *b = right;
    if (a->ns != b->ns) return a->ns > b->ns ? -1 : 1;
    return compare_numbers(a->evidence[0], b->evidence[0]);
}

/* Puts several peers that requests of one command wait for into one finding: the longest waits first. */
static void report_peers(struct analysis *analysis, struct finding *peers, size_t count) {
    if (count) qsort(peers, count, sizeof *peers, compare_found);
    if (count < ALIKE_NODES_MIN) {
        for (size_t i = 0; i < count; i++) analysis_add(analysis, &peers[i]);
        return;
    }
    struct finding all = peers[0];
    all.node = NO_NUMBER, all.peer_count = count;
    for (size_t i = 0; i < count && i < PEERS_MAX; i++) all.peers[i] = peers[i].node;
    for (size_t i = 1; i < count; i++) {
        all.count += peers[i].count, all.of += peers[i].of;
        all.unanswered &= peers[i].unanswered, all.seen |= peers[i].seen;
    }
    analysis_add(analysis, &all);
}

/* Judges the visits of one command, either during its requests or after them, sorted by place.  Returns whether there is a
 * finding. */
static bool judge_places(struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                         struct slow_links *slow, struct slow_nodes *slow_nodes, const struct visit *visits, size_t count,
                         bool divided) {
    bool any = false;
    for (size_t begin = 0, end; begin < count; begin = end) {
        struct finding finding;
        for (end = begin; end < count && !compare_groups(&visits[begin], &visits[end]);) end++;
        if (visits[begin].kind == WAIT_NODE && !visits[begin].after && !divided && !analysis->one_trace)
            add_tails(slow_nodes, requests, usual, visits + begin, end - begin);
        bool found = judge_node(&finding, analysis, requests, usual, visits + begin, end - begin, divided);
        any |= found;
        if (visits[begin].kind == WAIT_SENDING && begin && visits[begin - 1].kind == WAIT_LINK) slow_links_report(analysis, slow);
        if (!wait_kind_is_way(visits[begin].kind)) {
            if (found && visits[begin].kind == WAIT_NODE)
                slow_nodes->findings[slow_nodes->count++] = finding;
            else if (found && finding.missing)
                analysis_add(analysis, &finding);
            else if (found)
                slow_nodes->peers[slow_nodes->peer_count++] = finding;
            continue;
        }
        if (found) slow->findings[slow->count] = finding;
        slow->links[slow->count++] = (struct judged_link){.from = visits[begin].node, .to = visits[begin].peer, .bad = found};
    }
    report_tails(analysis, requests, usual, slow_nodes);
    report_slow_nodes(analysis, slow_nodes);
    report_peers(analysis, slow_nodes->peers, slow_nodes->peer_count);
    slow_nodes->peer_count = 0;
    slow_links_report(analysis, slow);
    return any;
}

static int compare_requests(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    int order = compare_numbers(a->request, b->request);
    return order ? order : compare_numbers(a->evidence[0], b->evidence[0]);
}

/* By peer. */
static int compare_peers(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    int order = compare_numbers(a->peer, b->peer);
    return order ? order : compare_numbers(a->evidence[0], b->evidence[0]);
}

/* The longest waits first; of equal ones, the one that began first. */
static int compare_waits(const void *left, const void *right) {
    const struct visit *a = left, *b = right;
    int order = compare_numbers(b->ns, a->ns);
    return order ? order : compare_numbers(a->evidence[0], b->evidence[0]);
}

/* Sums the visits of each peer, in place.  Returns the number of peers. */
static size_t name_peers(struct finding *finding, struct visit *visits, size_t count) {
    size_t peers = 0;
    qsort(visits, count, sizeof *visits, compare_peers);
    for (size_t i = 0; i < count; i++) {
        if (peers && visits[peers - 1].peer == visits[i].peer)
            visits[peers - 1].ns += visits[i].ns;
        else
            visits[peers++] = visits[i];
    }
    qsort(visits, peers, sizeof *visits, compare_waits);
    for (size_t i = 0; i < peers && i < PEERS_MAX; i++) finding->peers[i] = visits[i].peer;
    return peers;
}

/* Judges the peers of one command together, because each request may wait for different peers.  Returns whether there is a
 * finding. */
static bool judge_peers(struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                        const struct visit *visits, size_t count) {
    struct visit *sums = calloc(2 * count + 1, sizeof *sums), *all = sums + count, *last = NULL;
    size_t kept = 0, request_count = 0;
    struct finding finding;
    if (!sums) {
        analysis->failed = true;
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (visits[i].kind == WAIT_PEER) all[kept] = sums[kept] = visits[i], kept++;
    qsort(sums, kept, sizeof *sums, compare_requests);
    size_t peers = kept;
    for (size_t i = 0; i < kept; i++) {
        if (last && last->request == sums[i].request) {
            last->ns += sums[i].ns;
            last->unanswered &= sums[i].unanswered, last->seen |= sums[i].seen;
            last->far &= sums[i].far, last->near &= sums[i].near;
        } else {
            last = &sums[request_count++];
            *last = sums[i];
        }
    }
    bool found = peers > request_count && judge_place(&finding, analysis, requests, usual, sums, request_count, false);
    if (found) finding.peer_count = name_peers(&finding, all, kept);
    free(sums);
    if (!found) return false;
    if (finding.peer_count > 1) {
        finding.kind = FINDING_UNTRACED_PEER;
        finding.node = NO_NUMBER;
        finding.missing = false;
    }
    analysis_add(analysis, &finding);
    return true;
}

void analyze_places(struct analysis *analysis, struct requests *requests) {
    struct usual usual = {0};
    struct slow_links slow = {.links = calloc(requests->visit_count + 1, sizeof *slow.links),
                              .findings = calloc(requests->visit_count + 1, sizeof *slow.findings),
                              .ends = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *slow.ends)};
    struct slow_nodes slow_nodes = {.findings = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *slow_nodes.findings),
                                    .peers = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *slow_nodes.peers),
                                    .tails = calloc(2 * intern_count(&analysis->facts->nodes) + 1, sizeof *slow_nodes.tails),
                                    .sorted = calloc(2 * intern_count(&analysis->facts->nodes) + 1, sizeof *slow_nodes.sorted)};
    size_t kept = 0;
    for (size_t i = 0; i < requests->visit_count; i++)
        if (requests->items[requests->visits[i].request].timed) requests->visits[kept++] = requests->visits[i];
    requests->visit_count = kept;
    if (kept) qsort(requests->visits, kept, sizeof *requests->visits, compare_visits);
    if (!usual_init(&usual, requests, analysis->facts) && slow.links && slow.findings && slow.ends && slow_nodes.findings &&
        slow_nodes.peers && slow_nodes.tails && slow_nodes.sorted) {
        const struct visit *visits = requests->visits;
        for (size_t begin = 0, end; begin < kept; begin = end) {
            for (end = begin;
                 end < kept && visits[end].command == visits[begin].command && visits[end].after == visits[begin].after;)
                end++;
            if (!judge_places(analysis, requests, &usual, &slow, &slow_nodes, visits + begin, end - begin, false) &&
                !judge_peers(analysis, requests, &usual, visits + begin, end - begin))
                (void)judge_places(analysis, requests, &usual, &slow, &slow_nodes, visits + begin, end - begin, true);
        }
    } else {
        analysis->failed = true;
    }
    usual_fini(&usual);
    free(slow.links);
    free(slow.findings);
    free(slow.ends);
    free(slow_nodes.findings);
    free(slow_nodes.peers);
    free(slow_nodes.tails);
    free(slow_nodes.sorted);
}
