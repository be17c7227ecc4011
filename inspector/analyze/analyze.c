/* SPDX-License-Identifier: MIT */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"
#include "shared_end.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_nodes(const struct facts *facts, unsigned left, unsigned right) {
    const char *a = facts_node(facts, left), *b = facts_node(facts, right);
    return strcmp(a ? a : "", b ? b : "");
}

/* Slowness that several nodes share comes last: no node stands out. */
static unsigned rank_of(const struct finding *finding) {
    bool alike = finding->kind == FINDING_SLOW_NODE && finding->node == NO_NUMBER;
    return alike ? FINDING_COUNT_ : (unsigned)finding->kind;
}

/* Nodes are compared by id: their numbers depend on the order in which events were read. */
static int compare_findings(const void *left, const void *right, void *context) {
    const struct finding *a = left, *b = right;
    const struct facts *facts = context;
    if (a->severity != b->severity) return a->severity < b->severity ? -1 : 1;
    if (rank_of(a) != rank_of(b)) return rank_of(a) < rank_of(b) ? -1 : 1;
    if (a->weight != b->weight) return a->weight > b->weight ? -1 : 1;
    int order = compare_nodes(facts, a->node, b->node);
    if (!order) order = compare_nodes(facts, a->peer, b->peer);
    return order ? order : compare_numbers(a->evidence[0], b->evidence[0]); /* the earlier event */
}

/* All packets, matched; their events are indices into facts. */
static int match_packets(struct analysis *analysis) {
    const struct trace_events events = {.facts = analysis->facts, .count = analysis->facts->count};
    const struct spans none = {0};
    return messages_of_events(&analysis->packets, &events, &none);
}

/* Within one request, a node that did nothing and the link to it may look alike: all events may tell. */
static void settle_stops(const struct analysis *analysis, struct requests *requests) {
    const struct fact *facts = analysis->facts->items;
    for (size_t i = 0; i < requests->visit_count; i++) {
        struct visit *visit = &requests->visits[i];
        size_t from = visit->evidence[0], to = visit->evidence[1];
        if (visit->kind != WAIT_LINK || !visit->stopped || from == NO_FACT || to == NO_FACT) continue;
        if (!analysis_paused(analysis, visit->peer, facts[from].time_ns, facts[to].time_ns, false)) continue;
        visit->kind = WAIT_NODE;
        visit->node = visit->peer;
        visit->peer = NO_NUMBER;
        visit->asked = visit->node != requests->items[visit->request].node;
    }
    for (size_t i = 0; i < requests->count; i++) {
        struct request *request = &requests->items[i];
        if (!request->failed_held || request->failed == NO_FACT) continue;
        if (!analysis_paused(analysis, request->failed_to, facts[request->start].time_ns, facts[request->failed].time_ns, false))
            continue;
        request->failed_waiting = request->failed_to;
        request->failed_from = request->failed_to = NO_NUMBER;
        request->failed_held = false;
    }
}

/* Did the request wait there when it failed? */
static bool is_why_failed(const struct request *request, const struct visit *visit) {
    if (visit->kind == WAIT_LINK) return request->failed_from == visit->node && request->failed_to == visit->peer;
    return request->failed_waiting != NO_NUMBER &&
           request->failed_waiting == (visit->kind == WAIT_PEER ? visit->peer : visit->node);
}

/* The node that a request waited for when it failed, or the end of the link; NO_NUMBER: none. */
static unsigned failed_place(const struct request *request) {
    return request->failed_waiting != NO_NUMBER ? request->failed_waiting : request->failed_to;
}

/* A request that failed while no node did anything, perhaps because the whole machine stood still, waited for no place; unless
 * others failed there while nodes did something. */
static void settle_calms(struct analysis *analysis, struct requests *requests) {
    bool *named = calloc(intern_count(&analysis->facts->nodes) + 1, sizeof *named);
    analysis->failed |= !named;
    for (size_t i = 0; named && i < requests->visit_count && !analysis->one_trace; i++) {
        struct request *request = &requests->items[requests->visits[i].request];
        bool calm;
        if (request->failed != NO_FACT && is_why_failed(request, &requests->visits[i]))
            request->failed_calm |= may_have_stood_still(analysis, requests, &requests->visits[i], &calm) && calm;
    }
    for (size_t i = 0; named && i < requests->count; i++) {
        const struct request *request = &requests->items[i];
        if (failed_place(request) != NO_NUMBER && !request->failed_calm) named[failed_place(request)] = true;
    }
    for (size_t i = 0; named && i < requests->count; i++) {
        struct request *request = &requests->items[i];
        if (!request->failed_calm) continue;
        request->failed_calm = !named[failed_place(request)];
        if (!request->failed_calm) continue;
        request->failed_waiting = request->failed_from = request->failed_to = NO_NUMBER;
        request->failed_held = false;
    }
    free(named);
}

static void analyze_requests(struct analysis *analysis, struct requests *requests) {
    analysis->coverage.requests += requests->parts;
    settle_stops(analysis, requests);
    settle_calms(analysis, requests);
    blame_lossy_links(analysis, requests);
    analyze_outcomes(analysis, requests);
    analyze_outliers(analysis, requests);
    analyze_retries(analysis, requests);
    analyze_flood(analysis, requests);
    analyze_ended(analysis, requests);
    analyze_open(analysis, requests);
    blame_silent_peers(analysis, requests);
    analyze_delays(analysis, requests);
    analyze_places(analysis, requests);
}

static bool names_peer(const struct finding *finding, unsigned peer) {
    for (unsigned i = 0; i < finding->peer_count && i < PEERS_MAX; i++)
        if (finding->peers[i] == peer) return true;
    return finding->node == peer;
}

/* Are all nodes that the requests waited for traced?  Then they did not answer because nothing reached them. */
static bool waits_for_traced(const struct facts *facts, const struct finding *finding) {
    if (!finding->peer_count) return facts_has(facts, finding->node);
    for (unsigned i = 0; i < finding->peer_count && i < PEERS_MAX; i++)
        if (!facts_has(facts, finding->peers[i])) return false;
    return true;
}

/* Does one finding explain why nothing reached the peer that the other one names? */
static bool loses_questions(const struct finding *finding, const struct finding *other) {
    const struct judged_link way = {.from = other->peer, .to = other->node};
    if (finding->kind == FINDING_LOSSY_NETWORK) return true;
    if (finding->kind == FINDING_LOSSY_NODE) return is_at_end(&way, finding->node, finding->direction);
    return finding->kind == FINDING_LOSSY_LINK && finding->node == way.from && finding->peer == way.to;
}

/* Does one finding explain why the many requests of the other took long: is it about a cause, and about all nodes, or a node
 * where they spent their time?  Or about these requests? */
static bool explains_times(const struct finding *finding, const struct finding *other) {
    if (finding->kind >= FINDING_LATENCY_OUTLIERS || finding->kind == FINDING_FLOOD) return false;
    bool all = finding->node == NO_NUMBER && !finding->peer_count && (!finding->held || finding->calm);
    bool named = !other->place_count;
    if (finding->command != NO_NUMBER && finding->command == other->command) return true;
    if (all && (finding->kind == FINDING_LOSSY_NETWORK || finding->kind == FINDING_NODE_STALLED)) return true;
    for (unsigned i = 0; i < other->place_count; i++)
        named |= names_peer(finding, other->places[i]) || finding->peer == other->places[i];
    return named;
}

/* Were most of the packets to a node that were late sent to it while it stood still? */
static bool waited_for_pauses(const struct analysis *analysis, const struct finding *late) {
    const struct fact *facts = analysis->facts->items;
    size_t count = 0, paused = 0;
    for (size_t i = 0; i < analysis->packets.count; i++) {
        const struct message *packet = &analysis->packets.items[i];
        if (packet->state != MESSAGE_MATCHED || packet->untimed || packet->to != late->node) continue;
        if (packet->gap_ns < (int64_t)(late->usual_ns + LATE_NS_MIN)) continue;
        count++;
        paused += analysis_paused(analysis, late->node, facts[packet->send].time_ns, facts[packet->receive].time_ns, false);
    }
    return 2 * paused > count;
}

/* Does `finding` make `other` redundant?  We drop: that a peer is gone, if requests waited for it; that a place is slow after
 * requests, if it is slow during them; that a traced peer did not answer, if another finding says what loses the packets to it;
 * that packets to a node were late, if it stood still; a flood of messages, if the node also floods with requests; and that many
 * requests took long, if anything says why. */
static bool says_as_well(const struct analysis *analysis, const struct finding *finding, const struct finding *other) {
    const struct facts *facts = analysis->facts;
    if (other->kind == FINDING_UNTRACED_PEER && other->unanswered && !other->gone && loses_questions(finding, other))
        return waits_for_traced(facts, other);
    if (other->gone) return finding->kind == FINDING_UNTRACED_PEER && !finding->gone && names_peer(finding, other->node);
    if (other->kind == FINDING_LATE_NODE && finding->kind == FINDING_NODE_STALLED && finding->node == other->node)
        return other->of || waited_for_pauses(analysis, other);
    if (other->many) return explains_times(finding, other);
    if (other->messages) return finding->kind == FINDING_FLOOD && !finding->messages && finding->node == other->node;
    bool place = other->kind == FINDING_SLOW_NODE || other->kind == FINDING_SLOW_LINK || other->kind == FINDING_UNTRACED_PEER;
    return place && other->after && !finding->after && finding->kind == other->kind && finding->command == other->command &&
           finding->node == other->node && finding->peer == other->peer && finding->severity <= other->severity;
}

static void drop_repeated(struct analysis *analysis) {
    size_t kept = 0;
    for (size_t i = 0; i < analysis->count; i++) {
        bool said = false;
        for (size_t k = 0; k < analysis->count && !said; k++)
            said = says_as_well(analysis, &analysis->findings[k], &analysis->findings[i]);
        if (!said) analysis->findings[kept++] = analysis->findings[i];
    }
    analysis->count = kept;
}

/* A finding about peers without events of the requests is called by what they are: untraced, if all of them are. */
static void name_traced_peers(struct analysis *analysis) {
    bool *traced = traced_nodes_new(analysis->facts, analysis->states);
    analysis->failed |= !traced;
    for (size_t i = 0; traced && i < analysis->count; i++) {
        struct finding *finding = &analysis->findings[i];
        if (finding->kind != FINDING_UNTRACED_PEER || finding->gone) continue;
        const struct facts *facts = analysis->facts;
        bool any = finding->node != NO_NUMBER && (traced[finding->node] || facts_got_by_other(facts, finding->node));
        for (unsigned k = 0; k < finding->peer_count && k < PEERS_MAX; k++)
            any |= traced[finding->peers[k]] || facts_got_by_other(facts, finding->peers[k]);
        if (any) finding->kind = FINDING_SLOW_PEER;
    }
    free(traced);
}

int analyze(struct analysis *ret_analysis, const struct facts *facts, const struct node_states *states, uint64_t now_ns,
            bool one_trace) {
    struct analysis analysis = {.facts = facts, .states = states, .now_ns = now_ns, .one_trace = one_trace};
    struct requests requests;
    if (match_packets(&analysis) || closings_init(&analysis.closings, facts)) {
        analysis_fini(&analysis);
        return -ENOMEM;
    }
    if (requests_read(&requests, facts, states)) {
        analysis_fini(&analysis);
        return -ENOMEM;
    }
    analyze_losses(&analysis);
    analyze_paths(&analysis);
    analyze_rtt(&analysis);
    analyze_nodes(&analysis, &requests);
    analyze_requests(&analysis, &requests);
    requests_fini(&requests);
    analyze_message_flood(&analysis);
    analyze_connections(&analysis);
    analyze_streams(&analysis);
    drop_repeated(&analysis);
    name_traced_peers(&analysis);
    if (analysis.failed) {
        analysis_fini(&analysis);
        return -ENOMEM;
    }
    if (analysis.count) qsort_r(analysis.findings, analysis.count, sizeof *analysis.findings, compare_findings, (void *)facts);
    *ret_analysis = analysis;
    return 0;
}

void analysis_fini(struct analysis *analysis) {
    free(analysis->findings);
    free(analysis->pauses);
    free(analysis->failures);
    messages_fini(&analysis->packets);
    closings_fini(&analysis->closings);
    *analysis = (struct analysis){0};
}

/* Did the node take part in a request that the finding is about, or did the request wait for it when it failed?  parts: by trace,
 * whether the node has events of it. */
static bool explains_failure(const struct analysis *analysis, const struct finding *finding, unsigned node, const bool *parts) {
    for (size_t i = 0; i < analysis->failure_count && finding->failures; i++) {
        const struct failed_request *failure = &analysis->failures[i];
        if (failure->failures != finding->failures) continue;
        if (parts[failure->trace] || failure->waiting == node || failure->from == node || failure->to == node) return true;
    }
    return false;
}

/* Is the finding about the whole network, or about all nodes of this one's machine? */
static bool is_about_all(const struct analysis *analysis, const struct finding *finding, unsigned node) {
    const struct node_clocks *clocks = &analysis->facts->clocks;
    if (finding->kind == FINDING_LOSSY_NETWORK) return true;
    return finding->kind == FINDING_NODE_STALLED && finding->node == NO_NUMBER && (!finding->held || finding->calm) &&
           node_clocks_machine(clocks, finding->example) == node_clocks_machine(clocks, node);
}

int analysis_keep_node(struct analysis *analysis, unsigned node) {
    const struct facts *facts = analysis->facts;
    bool *parts = calloc(intern_count(&facts->traces) + 1, sizeof *parts);
    size_t count = 0;
    if (!parts) return -ENOMEM;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].node == node && facts->items[i].trace != NO_NUMBER) parts[facts->items[i].trace] = true;
    for (size_t i = 0; i < analysis->count; i++) {
        const struct finding *finding = &analysis->findings[i];
        bool known = node != NO_NUMBER; /* otherwise no event mentions it */
        bool held = finding->kind == FINDING_NODE_STALLED && finding->held && finding->common == node;
        bool named = known && (names_peer(finding, node) || finding->peer == node || held);
        bool explains = known && explains_failure(analysis, finding, node, parts);
        if (is_about_all(analysis, finding, node) || named || explains) analysis->findings[count++] = *finding;
    }
    analysis->count = count;
    free(parts);
    return 0;
}
