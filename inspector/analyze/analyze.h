/* SPDX-License-Identifier: MIT
 *
 * What is wrong, as far as events can tell: findings, each with the events that show it.  Pure: no I/O, no clock.
 *
 * Everything is judged against something: the other links, the time before, the other nodes, a share of the request; and from
 * a number of samples on, so that one lost packet is no finding.  The thresholds are in analyze.def. */
#ifndef INSPECTOR_ANALYZE_H
#define INSPECTOR_ANALYZE_H

#include "finding.h"
#include "node_states.h"

/* Analyses sorted facts, which must outlive the analysis.  0 or -ENOMEM. */
int analyze(struct analysis *ret_analysis, const struct facts *facts, const struct node_state *states, size_t state_count,
            uint64_t now_ns, bool one_trace);
void analysis_fini(struct analysis *analysis);

/* Keeps the findings that concern this node, as itself or (as_peer) as somebody's peer. */
void analysis_keep_node(struct analysis *analysis, unsigned node, bool as_peer);

/* ---- its parts: each adds what it finds ---- */

struct requests;
void analyze_losses(struct analysis *analysis);                                                     /* analyze_links.c */
void analyze_paths(struct analysis *analysis);                                                      /* analyze_paths.c */
void analyze_rtt(struct analysis *analysis);                                                        /* analyze_rtt.c */
void analyze_outcomes(struct analysis *analysis, const struct requests *requests);                  /* analyze_failures.c */
void analyze_flood(struct analysis *analysis, const struct requests *requests);                     /* analyze_failures.c */
void analyze_connections(struct analysis *analysis);                                                /* analyze_failures.c */
void analyze_open(struct analysis *analysis, struct requests *requests);                            /* analyze_requests.c */
void analyze_delays(struct analysis *analysis, struct requests *requests);                          /* analyze_requests.c */
void analyze_places(struct analysis *analysis, struct requests *requests);                          /* analyze_requests.c */
void analyze_streams(struct analysis *analysis);                                                    /* analyze_nodes.c */
void analyze_nodes(struct analysis *analysis, const struct node_state *states, size_t state_count); /* analyze_nodes.c */

#endif
