/* SPDX-License-Identifier: MIT
 *
 * Slow links with a common end: then that node is named, not its links.  Pure. */
#ifndef INSPECTOR_SLOW_LINKS_H
#define INSPECTOR_SLOW_LINKS_H

#include "shared_end.h"

/* The links that requests of one command waited for, and the findings of those that are slow. */
struct slow_links {
    struct judged_link *links;
    struct finding *findings; /* one for each bad link */
    size_t count;
    struct end_count *ends;
};

/* Of two equally slow links, prefers the one with the earlier evidence: node numbers depend on the order in which events were
 * read. */
bool slow_links_before(const struct finding *a, const struct finding *b);

/* Replaces the findings of a node's slow links by that of the slowest, which then counts the requests of all. */
void slow_links_report_end(struct analysis *analysis, struct slow_links *slow, unsigned node, enum direction direction);

/* Reports those with a common end as one, and the others.  Empties the list. */
void slow_links_report(struct analysis *analysis, struct slow_links *slow);

#endif
