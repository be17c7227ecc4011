/* SPDX-License-Identifier: MIT
 *
 * Requests of which a period has only a part, so that the analysis cannot judge them.  Pure. */
#ifndef INSPECTOR_CUT_OFF_H
#define INSPECTOR_CUT_OFF_H

#include "facts.h"

struct cut_off {
    uint64_t requests;
    bool more;                  /* there are others, of which nothing is known */
    uint64_t from_us, until_us; /* Unix time: a period that has all of them, except for the open ones */
    uint64_t open;              /* those that began before the period and have not ended at all */
    char oldest[33];            /* the trace of the first of these; "" if there are none */
};

/* Which requests began before the first of these facts, or ended after the last one?  traces: an answer to `traces` of their
 * period, which says when each began and ended as far as the source knows. */
struct cut_off cut_off_read(const struct facts *facts, const json_t *traces);

#endif
