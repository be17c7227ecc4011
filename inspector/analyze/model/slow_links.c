/* SPDX-License-Identifier: MIT */
#include "slow_links.h"

bool slow_links_before(const struct finding *a, const struct finding *b) {
    if (a->ns != b->ns || !a->evidence_count || !b->evidence_count) return a->ns > b->ns;
    return a->evidence[0] < b->evidence[0];
}

void slow_links_report_end(struct analysis *analysis, struct slow_links *slow, unsigned node, enum direction direction) {
    struct finding all = {.ns = 0};
    uint64_t count = 0, of = 0, links = 0;
    for (size_t i = 0; i < slow->count; i++) {
        if (!slow->links[i].bad || !is_at_end(&slow->links[i], node, direction)) continue;
        slow->links[i].bad = false;
        links++;
        count += slow->findings[i].count;
        of += slow->findings[i].of;
        if (slow_links_before(&slow->findings[i], &all)) all = slow->findings[i];
    }
    all.node = node;
    all.peer = NO_NUMBER;
    all.direction = direction;
    all.count = count;
    if (all.kind != FINDING_LOSS_DELAY) all.of = of; /* delays are counted among all requests */
    all.links = links;
    analysis_add(analysis, &all);
}

void slow_links_report(struct analysis *analysis, struct slow_links *slow) {
    enum direction direction;
    unsigned node;
    while ((node = shared_end(slow->links, slow->count, &direction, slow->ends)) != NO_NUMBER)
        slow_links_report_end(analysis, slow, node, direction);
    for (size_t i = 0; i < slow->count; i++)
        if (slow->links[i].bad) analysis_add(analysis, &slow->findings[i]);
    slow->count = 0;
}
