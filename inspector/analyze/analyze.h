/* SPDX-License-Identifier: MIT
 *
 * Finds what is wrong, with the events that show it.  Pure: no I/O, no clock.
 *
 * Each finding is a comparison: with other links, other nodes, an earlier time, or the whole request.  It also needs a minimum
 * number of samples: one lost packet is not a finding.  The thresholds are in analyze_thresholds.h. */
#ifndef INSPECTOR_ANALYZE_H
#define INSPECTOR_ANALYZE_H

#include "finding.h"

/* Analyzes sorted facts, with settled states; both must outlive the analysis.  Returns 0 or -ENOMEM. */
int analyze(struct analysis *ret_analysis, const struct facts *facts, const struct node_states *states, uint64_t now_ns,
            bool one_trace);
void analysis_fini(struct analysis *analysis);

/* Keeps only findings that name this node, as one end of a link or in another role, and those that say why requests failed in
 * which it took part.  Returns 0 or -ENOMEM. */
int analysis_keep_node(struct analysis *analysis, unsigned node);

/* ---- parts of the analysis: each adds its findings ---- */

struct requests;
struct visit;
/* Did all nodes stand still, perhaps, during the longest wait of a visit?  *ret_calm: no node had an event meanwhile.  Packets
 * would show it.  Without them, a link is not to blame if nobody did anything; nor is a node if others had something to do:
 * perhaps all wait for one request (analyze_calm.c). */
bool may_have_stood_still(const struct analysis *analysis, const struct requests *requests, const struct visit *visit,
                          bool *ret_calm);
void analyze_losses(struct analysis *analysis);                                    /* analyze_links.c */
void analyze_paths(struct analysis *analysis);                                     /* analyze_paths.c */
void analyze_rtt(struct analysis *analysis);                                       /* analyze_rtt.c */
void analyze_outcomes(struct analysis *analysis, const struct requests *requests); /* analyze_failures.c */
void analyze_outliers(struct analysis *analysis, const struct requests *requests); /* analyze_outliers.c */
void analyze_flood(struct analysis *analysis, const struct requests *requests);    /* analyze_floods.c */
void analyze_message_flood(struct analysis *analysis);                             /* analyze_floods.c */
void analyze_retries(struct analysis *analysis, const struct requests *requests);  /* analyze_failures.c */
void analyze_connections(struct analysis *analysis);                               /* analyze_failures.c */
void analyze_open(struct analysis *analysis, const struct requests *requests);     /* analyze_open.c */
/* Nodes that crashed; and nodes that closed their logs, if requests waited for them afterwards, or had not ended there.  Removes
 * these waits, so that nobody else judges them: call it before those that do (analyze_ended.c). */
void analyze_ended(struct analysis *analysis, struct requests *requests);
/* Marks nodes that are traced: they have events, or traced knows them.  The caller frees it; NULL when out of memory. */
bool *traced_nodes_new(const struct facts *facts, const struct node_states *states);
/* If a peer is not traced and did not answer, requests waited for the peer, not for the lost packets sent to it: counts the time
 * of these losses as time spent at the peer.  Call it before the next two (analyze_delays.c). */
void blame_silent_peers(struct analysis *analysis, struct requests *requests);
/* If a node got nothing of a request because a finding says that the link to it loses packets, the request failed waiting for
 * that link.  Call it before analyze_outcomes (analyze_delays.c). */
void blame_lossy_links(const struct analysis *analysis, struct requests *requests);
void analyze_delays(struct analysis *analysis, struct requests *requests);      /* analyze_delays.c */
void analyze_places(struct analysis *analysis, struct requests *requests);      /* analyze_requests.c */
void analyze_streams(struct analysis *analysis);                                /* analyze_streams.c */
void analyze_nodes(struct analysis *analysis, const struct requests *requests); /* analyze_nodes.c */

#endif
