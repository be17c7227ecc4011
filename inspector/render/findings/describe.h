/* SPDX-License-Identifier: MIT
 *
 * Findings as sentences: the pieces that they share, and those about nodes and what is open. */
#ifndef INSPECTOR_DESCRIBE_H
#define INSPECTOR_DESCRIBE_H

#include "finding.h"
#include "render.h"

typedef void describe_function(struct strbuf *out, const struct view *view, const struct facts *facts,
                               const struct finding *finding);

static inline void finding_node(struct strbuf *out, const struct view *view, const struct facts *facts, unsigned number) {
    render_node(out, view, facts_node(facts, number));
}

static inline void finding_command(struct strbuf *out, const struct facts *facts, const struct finding *finding) {
    const char *name = facts_command(facts, finding->command);
    strbuf_puts(out, name && *name ? name : "a request");
}

describe_function finding_peers; /* "dave, erin and 7 more" */

describe_function describe_node_stalled;
describe_function describe_request_open;
describe_function describe_stream_open;
describe_function describe_node_ended;
describe_function describe_node_silent;
describe_function describe_events_missing;
describe_function describe_flood;
describe_function describe_connections_closed;

#endif
