/* SPDX-License-Identifier: MIT
 *
 * Requests: where their time went, and what lost packets delayed. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"
#include "shared_end.h"
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

/* Did the whole machine stand still during the longest wait there?  The events of one trace cannot show that. */
static bool stood_still(const struct analysis *analysis, const struct visit *longest) {
    size_t from = longest->evidence[0], to = longest->evidence[1];
    if (!longest->stopped || analysis->one_trace || from == NO_FACT || to == NO_FACT) return false;
    uint64_t from_ns = analysis->facts->items[from].time_ns, to_ns = analysis->facts->items[to].time_ns;
    return !facts_active(analysis->facts, NO_NUMBER, from_ns, to_ns) || analysis_stood_still(analysis, from_ns, to_ns);
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
    if (2 * stopped >= count && stood_still(analysis, longest)) return false;
    bool peer = visits->kind == WAIT_PEER && !unanswered;
    if (peer && peer_is_usual(analysis, requests, usual, visits, count, middle_ns)) return false;
    /* Many short waits do not make a slow link. */
    if (wait_kind_is_way(visits->kind) && divided && longest->once_ns < LATE_NS_MIN) return false;
    if (visits->kind == WAIT_LINK && !analysis->one_trace && !link_is_unusual(usual, visits, &usual_ns)) return false;
    bool alone = visits->kind == WAIT_LINK && !analysis->one_trace && !usual_ns; /* there is no other link to compare with */
    bool aside = visits->after && !requests->items[longest->request].one_way;    /* nobody waited for it */
    bool unsure = visits->kind == WAIT_SENDING || longest->missing;              /* it may have been another place */
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
                              .stopped = 2 * stopped >= count,
                              .sending = visits->kind == WAIT_SENDING,
                              .missing = longest->missing,
                              .full = longest->full,
                              .unanswered = unanswered,
                              .ignored = ignored,
                              .reaction = reaction,
                              .seen = seen,
                              .divided = divided,
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

/* The links that requests of one command waited for, and the findings of those that are slow. */
struct slow_links {
    struct judged_link *links;
    struct finding *findings; /* one for each bad link */
    size_t count;
    struct end_count *ends;
};

/* Of two equally slow links, prefers the one with the earlier evidence: node numbers depend on the order in which events were
 * read. */
static bool is_slower(const struct finding *a, const struct finding *b) {
    if (a->ns != b->ns || !a->evidence_count || !b->evidence_count) return a->ns > b->ns;
    return a->evidence[0] < b->evidence[0];
}

/* Replaces the findings of a node's slow links by that of the slowest, which then counts the requests of all. */
static void report_slow_ends(struct analysis *analysis, struct slow_links *slow, unsigned node, enum direction direction) {
    struct finding all = {.ns = 0};
    uint64_t count = 0, of = 0, links = 0;
    for (size_t i = 0; i < slow->count; i++) {
        if (!slow->links[i].bad || !is_at_end(&slow->links[i], node, direction)) continue;
        slow->links[i].bad = false;
        links++;
        count += slow->findings[i].count;
        of += slow->findings[i].of;
        if (is_slower(&slow->findings[i], &all)) all = slow->findings[i];
    }
    all.node = node;
    all.peer = NO_NUMBER;
    all.direction = direction;
    all.count = count;
    if (all.kind != FINDING_LOSS_DELAY) all.of = of; /* delays are counted among all requests */
    all.links = links;
    analysis_add(analysis, &all);
}

static void report_slow_links(struct analysis *analysis, struct slow_links *slow) {
    enum direction direction;
    unsigned node;
    while ((node = shared_end(slow->links, slow->count, &direction, slow->ends)) != NO_NUMBER)
        report_slow_ends(analysis, slow, node, direction);
    for (size_t i = 0; i < slow->count; i++)
        if (slow->links[i].bad) analysis_add(analysis, &slow->findings[i]);
    slow->count = 0;
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
        if (is_slower(finding, &alike)) alike = *finding;
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
        if (visits[begin].kind == WAIT_SENDING && begin && visits[begin - 1].kind == WAIT_LINK) report_slow_links(analysis, slow);
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
    report_slow_links(analysis, slow);
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

/* ---- peers that do not answer ---- */

bool *traced_nodes_new(const struct facts *facts, const struct node_states *states) {
    unsigned nodes = intern_count(&facts->nodes);
    bool *traced = calloc(nodes + 1, sizeof *traced);
    for (size_t i = 0; traced && i < facts->count; i++) traced[facts->items[i].node] = true;
    for (size_t i = 0; traced && i < states->count; i++)
        if (states->items[i].node < nodes) traced[states->items[i].node] = true;
    return traced;
}

/* Removes the request's delays that are due to packets of that link that never arrived. */
static void drop_delays(struct requests *requests, const struct visit *visit) {
    size_t kept = 0;
    for (size_t i = 0; i < requests->delay_count; i++) {
        const struct loss_wait *loss = &requests->delays[i].loss;
        bool of_visit = requests->delays[i].request == visit->request && loss->from == visit->node && loss->to == visit->peer;
        if (!of_visit || !loss->gone) requests->delays[kept++] = requests->delays[i];
    }
    requests->delay_count = kept;
}

void blame_silent_peers(struct analysis *analysis, struct requests *requests) {
    bool *traced = traced_nodes_new(analysis->facts, analysis->states);
    if (!traced) analysis->failed = true;
    for (size_t i = 0; traced && i < requests->visit_count; i++) {
        struct visit *visit = &requests->visits[i];
        if (visit->kind != WAIT_PEER || !visit->unanswered || !visit->lost_ns || traced[visit->peer]) continue;
        visit->ns += visit->lost_ns;
        visit->lost_ns = 0;
        drop_delays(requests, visit);
    }
    free(traced);
}

/* ---- delays because of lost packets ---- */

static int compare_delays(const void *left, const void *right) {
    const struct delay *a = left, *b = right;
    int order = compare_numbers(a->loss.from, b->loss.from);
    if (!order) order = compare_numbers(a->loss.to, b->loss.to);
    return order ? order : compare_numbers(b->loss.ns, a->loss.ns);
}

/* Delays on one link, the longest first. */
static struct finding delays_of_link(const struct requests *requests, const struct delay *delays, size_t count) {
    const struct loss_wait *longest = &delays->loss;
    struct finding finding = {.kind = FINDING_LOSS_DELAY,
                              .severity = longest->ns >= SLOW_SEVERE_NS ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)longest->ns / 1e9,
                              .node = longest->from,
                              .peer = longest->to,
                              .trace = requests->items[delays->request].trace,
                              .command = requests->items[delays->request].command,
                              .count = count,
                              .of = requests->count,
                              .ns = longest->ns,
                              .loss = *longest};
    for (size_t i = 0; i < count; i++) finding_show(&finding, delays[i].lost);
    return finding;
}

/* The finding about the node, link or network that loses these packets; NULL if there is none. */
static struct finding *find_cause(const struct analysis *analysis, const struct finding *delay) {
    struct finding *cause = NULL;
    for (size_t i = 0; i < analysis->count; i++) {
        struct finding *finding = &analysis->findings[i];
        const struct judged_link link = {.from = delay->node, .to = delay->peer};
        bool causes = finding->kind == FINDING_LOSSY_NETWORK ||
                      (finding->kind == FINDING_LOSSY_LINK && finding->node == link.from && finding->peer == link.to) ||
                      (finding->kind == FINDING_LOSSY_NODE && is_at_end(&link, finding->node, finding->direction));
        if (causes && (!cause || cause->kind == FINDING_LOSSY_NETWORK)) cause = finding;
    }
    return cause;
}

/* The finding about a loss also says how long requests waited because of it. */
static void add_delay_to(struct finding *cause, const struct finding *delay) {
    cause->delays += delay->count;
    if (delay->ns <= cause->ns) return;
    cause->ns = delay->ns;
    cause->trace = delay->trace;
}

/* Was the packet sent to a node that had ended and not yet restarted, or that did nothing any more; or could it not arrive
 * because a connection was closed?  Then its loss says nothing new. */
static bool was_sent_in_vain(const struct analysis *analysis, const struct delay *delay) {
    const struct facts *facts = analysis->facts;
    if (delay->lost == NO_FACT) return false;
    uint64_t sent_ns = facts->items[delay->lost].time_ns;
    return node_states_may_have_ended(analysis->states, facts, delay->loss.to, sent_ns) ||
           closings_explain(&analysis->closings, delay->loss.from, delay->loss.to, sent_ns);
}

static void drop_delays_in_vain(const struct analysis *analysis, struct requests *requests) {
    size_t kept = 0;
    for (size_t i = 0; i < requests->delay_count; i++)
        if (!was_sent_in_vain(analysis, &requests->delays[i])) requests->delays[kept++] = requests->delays[i];
    requests->delay_count = kept;
}

/* The links that requests waited for, each once; those with a finding are bad. */
static void list_delayed(struct slow_links *ways, const struct requests *requests, const struct finding *findings, size_t count) {
    size_t listed = 0;
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i];
        if (visit->kind == WAIT_LINK) ways->links[listed++] = (struct judged_link){.from = visit->node, .to = visit->peer};
    }
    for (size_t i = 0; i < count; i++)
        ways->links[listed++] = (struct judged_link){.from = findings[i].node, .to = findings[i].peer};
    qsort(ways->links, listed, sizeof *ways->links, judged_link_compare);
    for (size_t i = 0; i < listed; i++)
        if (!i || judged_link_compare(&ways->links[i], &ways->links[i - 1])) ways->links[ways->count++] = ways->links[i];
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < ways->count; k++) {
            if (ways->links[k].from != findings[i].node || ways->links[k].to != findings[i].peer) continue;
            ways->links[k].bad = true;
            ways->findings[k] = findings[i];
        }
}

/* Does that node have to do with the delays?  It does if no other link delays requests, and if it is unlikely that by chance only
 * its links do, or only those of any other node. */
static bool stands_out(const struct slow_links *ways, const struct requests *requests, unsigned node, unsigned nodes) {
    uint64_t delays = 0, waits = 0, own = 0;
    double chance = nodes;
    for (size_t i = 0; i < ways->count; i++) {
        if (ways->links[i].bad && ways->links[i].from != node && ways->links[i].to != node) return false;
        if (ways->links[i].bad) delays += ways->findings[i].count;
    }
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i];
        waits += visit->kind == WAIT_LINK;
        own += visit->kind == WAIT_LINK && (visit->node == node || visit->peer == node);
    }
    for (uint64_t i = 0; i < delays && chance > DELAYS_CHANCE_MAX; i++) chance *= (double)own / (double)waits;
    return chance <= DELAYS_CHANCE_MAX;
}

/* Delays on most of a node's links are one finding. */
static void report_delays(struct analysis *analysis, const struct requests *requests, const struct finding *findings,
                          size_t count) {
    size_t room = requests->visit_count + count + 1;
    struct slow_links ways = {.links = calloc(room, sizeof *ways.links),
                              .findings = calloc(room, sizeof *ways.findings),
                              .ends = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *ways.ends)};
    enum direction direction;
    unsigned node;
    if (ways.links && ways.findings && ways.ends) {
        if (count) list_delayed(&ways, requests, findings, count);
        while (!analysis->one_trace && (node = shared_end(ways.links, ways.count, &direction, ways.ends)) != NO_NUMBER &&
               stands_out(&ways, requests, node, intern_count(&analysis->facts->nodes)))
            report_slow_ends(analysis, &ways, node, direction);
        for (size_t i = 0; i < ways.count; i++)
            if (ways.links[i].bad) analysis_add(analysis, &ways.findings[i]);
    } else {
        analysis->failed = true;
    }
    free(ways.links);
    free(ways.findings);
    free(ways.ends);
}

void analyze_delays(struct analysis *analysis, struct requests *requests) {
    drop_delays_in_vain(analysis, requests);
    struct delay *delays = requests->delays;
    size_t count = requests->delay_count, links = 0;
    struct finding *findings = calloc(count + 1, sizeof *findings);
    if (!findings) {
        analysis->failed = true;
        return;
    }
    if (count) qsort(delays, count, sizeof *delays, compare_delays);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin;
             end < count && delays[end].loss.from == delays[begin].loss.from && delays[end].loss.to == delays[begin].loss.to;)
            end++;
        findings[links] = delays_of_link(requests, delays + begin, end - begin);
        links += findings[links].ns >= SLOW_NS_MIN;
    }
    size_t kept = 0;
    for (size_t i = 0; i < links; i++) {
        struct finding *cause = find_cause(analysis, &findings[i]);
        if (cause)
            add_delay_to(cause, &findings[i]);
        else
            findings[kept++] = findings[i];
    }
    report_delays(analysis, requests, findings, kept);
    free(findings);
}
