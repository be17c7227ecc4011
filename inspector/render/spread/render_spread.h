/* SPDX-License-Identifier: MIT
 *
 * A spread (spread.h), as text and as data. */
#ifndef INSPECTOR_RENDER_SPREAD_H
#define INSPECTOR_RENDER_SPREAD_H

#include "render.h"
#include "spread.h"

/* Of what it is. */
struct spread_about {
    const char *trace_id; /* all 32 digits; NULL: what has the key */
    const char *key;      /* "message_id == 7" */
    size_t traces;        /* that the events belong to */
    bool cut;             /* there are more events than were read */
};

void render_spread(struct strbuf *out, const struct view *view, const struct facts *facts, const struct spread *spread,
                   const struct spread_about *about);

/* The same as one object (docs/spread.md); NULL without memory. */
json_t *spread_object_new(const struct facts *facts, const struct spread *spread, const struct spread_about *about);

#endif
