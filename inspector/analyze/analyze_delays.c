/* SPDX-License-Identifier: MIT
 *
 * What lost packets delayed. */
#include "analyze.h"
#include "analyze_thresholds.h"
#include "numbers.h"
#include "requests.h"
#include "slow_links.h"

#include <stdlib.h>

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
        bool of_visit = requests->delays[i].request == visit->request && loss->after == visit->after &&
                        loss->from == visit->node && loss->to == visit->peer;
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
    int order = compare_numbers(a->loss.after, b->loss.after);
    if (!order) order = compare_numbers(a->loss.from, b->loss.from);
    if (!order) order = compare_numbers(a->loss.to, b->loss.to);
    return order ? order : compare_numbers(b->loss.ns, a->loss.ns);
}

/* Delays on one link, the longest first. */
static struct finding delays_of_link(const struct requests *requests, const struct delay *delays, size_t count) {
    const struct loss_wait *longest = &delays->loss;
    bool aside = longest->after && !requests->items[delays->request].one_way; /* nobody waited for it */
    struct finding finding = {.kind = FINDING_LOSS_DELAY,
                              .severity = longest->ns >= SLOW_SEVERE_NS && !aside ? SEVERITY_SEVERE : SEVERITY_NOTABLE,
                              .weight = (double)longest->ns / 1e9,
                              .node = longest->from,
                              .peer = longest->to,
                              .trace = requests->items[delays->request].trace,
                              .command = requests->items[delays->request].command,
                              .count = count,
                              .of = requests->count,
                              .ns = longest->ns,
                              .after = longest->after,
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

/* A request waited in vain for a node that got nothing of it, because of lost packets: does a finding say what loses these? */
static bool link_is_why(const struct analysis *analysis, const struct requests *requests, const struct visit *visit) {
    const struct finding link = {.node = visit->node, .peer = visit->peer};
    if (!find_cause(analysis, &link)) return false;
    for (size_t i = 0; i < requests->delay_count; i++) {
        const struct delay *delay = &requests->delays[i];
        bool own = delay->request == visit->request && delay->loss.from == visit->node && delay->loss.to == visit->peer;
        if (own && delay->loss.gone && !was_sent_in_vain(analysis, delay)) return true;
    }
    return false;
}

void blame_lossy_links(const struct analysis *analysis, struct requests *requests) {
    for (size_t i = 0; i < requests->visit_count; i++) {
        const struct visit *visit = &requests->visits[i];
        struct request *request = &requests->items[visit->request];
        bool vain = visit->kind == WAIT_PEER && visit->unanswered && !visit->seen && visit->lost_ns;
        if (!vain || request->failed_node != visit->node || request->failed_waiting != visit->peer) continue;
        if (!facts_has(analysis->facts, visit->peer) || !link_is_why(analysis, requests, visit)) continue;
        request->failed_waiting = NO_NUMBER;
        request->failed_from = visit->node;
        request->failed_to = visit->peer;
    }
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
            slow_links_report_end(analysis, &ways, node, direction);
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
        for (end = begin; end < count && delays[end].loss.after == delays[begin].loss.after &&
                          delays[end].loss.from == delays[begin].loss.from && delays[end].loss.to == delays[begin].loss.to;)
            end++;
        findings[links] = delays_of_link(requests, delays + begin, end - begin);
        links += findings[links].ns >= SLOW_NS_MIN;
    }
    size_t kept = 0;
    for (size_t i = 0; i < links; i++) {
        struct finding *cause = find_cause(analysis, &findings[i]);
        if (!cause)
            findings[kept++] = findings[i];
        else if (!findings[i].after) /* it says what delayed requests */
            add_delay_to(cause, &findings[i]);
    }
    size_t within = 0;
    while (within < kept && !findings[within].after) within++;
    report_delays(analysis, requests, findings, within);
    report_delays(analysis, requests, findings + within, kept - within);
    free(findings);
}
