/* SPDX-License-Identifier: MIT
 *
 * A spread (spread.h), as text and as data. */
#ifndef INSPECTOR_RENDER_SPREAD_H
#define INSPECTOR_RENDER_SPREAD_H

#include "render.h"
#include "spread.h"

/* What a spread is about. */
struct spread_about {
    const char *trace_id; /* all 32 digits; NULL: everything with the key */
    const char *key;      /* "message_id == 7" */
    size_t traces;        /* the trace of the events */
    bool cut;             /* not all events were read */
};

void render_spread(struct strbuf *out, const struct view *view, const struct facts *facts, const struct spread *spread,
                   const struct spread_about *about);

/* The same as a JSON object (docs/spread.md); NULL when out of memory. */
json_t *spread_object_new(const struct facts *facts, const struct spread *spread, const struct spread_about *about);

#endif
