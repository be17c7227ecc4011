/* SPDX-License-Identifier: MIT
 *
 * What is usual for links and peers that requests wait for.  Pure. */
#ifndef INSPECTOR_USUAL_H
#define INSPECTOR_USUAL_H

#include "requests.h"

/* A link, and the median of the longest wait of each request there. */
struct link_usual {
    unsigned node, peer;
    double ns;
};

struct usual {
    struct link_usual *links; /* by node and peer */
    size_t count;
    double *sorted;               /* their times */
    double *room;                 /* for one value per visit or request */
    const struct visit **longest; /* by request: as of requests_longest_new */
};

/* Also notes of each visit whether its peer is far or near.  The visits must be sorted, and stay where they are.  Returns 0 or
 * -ENOMEM. */
int usual_init(struct usual *ret_usual, struct requests *requests, const struct facts *facts);
void usual_fini(struct usual *usual);

/* Is a link slow compared with the others?  *ret_usual_ns: their median, without the reverse link; 0 if there are no others. */
bool link_is_unusual(const struct usual *usual, const struct visit *visit, uint64_t *ret_usual_ns);

/* Do requests take no longer because of a peer that answers?  They do not if it is far away; or if those that did not wait for it
 * take as long.  But one or two slow nodes do not make another one usual, if its round-trip time shows that it is near, or if it
 * takes longer than any way.  visits: those at the peer, of one command; middle_ns: their median.  Overwrites usual->room. */
bool peer_is_usual(const struct analysis *analysis, const struct requests *requests, const struct usual *usual,
                   const struct visit *visits, size_t count, uint64_t middle_ns);

#endif
