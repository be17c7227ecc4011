/* SPDX-License-Identifier: MIT
 *
 * Events as lines, for lists and for the live stream: the widths do not depend on lines that come later. */
#include "event_list.h"
#include "event_role.h"
#include "json_get.h"
#include "limits.h"
#include "render.h"

#include <inttypes.h>
#include <string.h>

#define KIND_COLUMNS 16

static void pad_to(struct strbuf *out, size_t begin, unsigned columns) {
    unsigned used = text_columns(out->text ? out->text + begin : "", out->bytes - begin);
    if (used < columns) strbuf_spaces(out, columns - used);
}

static void render_kind(struct strbuf *out, const struct view *view, const json_t *event) {
    size_t begin = out->bytes;
    const char *kind = json_get_text(event, "kind");
    text_style_on(out, view->color, STYLE_DIM);
    if (kind)
        text_untrusted(out, kind, strlen(kind), KIND_COLUMNS);
    else
        strbuf_puts(out, "-");
    text_style_off(out, view->color, STYLE_DIM);
    pad_to(out, begin, KIND_COLUMNS);
}

static void render_line(struct strbuf *out, const struct view *view, const json_t *event) {
    enum style style = event_style(event);
    const char *arrow = event_arrow(event), *trace_id = json_get_hex(event, "trace_id", TRACE_DIGITS);
    render_time(out, view, event, false);
    strbuf_puts(out, "  ");
    size_t begin = out->bytes;
    text_style_on(out, view->color, STYLE_ID);
    names_short_trace(out, view->names, trace_id);
    text_style_off(out, view->color, STYLE_ID);
    pad_to(out, begin, view->names->traces.digits);
    strbuf_puts(out, "  ");
    begin = out->bytes;
    render_event_node(out, view, event);
    pad_to(out, begin, view->names->columns);
    strbuf_puts(out, " ");
    begin = out->bytes;
    if (*arrow && !event_is_gap(event)) {
        text_styled(out, view->color, STYLE_DIM, "%s ", arrow);
        render_node(out, view, json_get_hex(event, "peer_id", NODE_DIGITS));
    }
    pad_to(out, begin, view->names->columns + 3);
    strbuf_puts(out, "  ");
    render_kind(out, view, event);
    strbuf_puts(out, "  ");
    text_style_on(out, view->color, style);
    event_describe(out, view, event);
    text_style_off(out, view->color, style);
    strbuf_puts(out, "\n");
}

void render_events_titles(struct strbuf *out, const struct view *view) {
    if (!view->header) return;
    text_styled(out, view->color, STYLE_HEAD, "%-15s  %-*s  %-*s %-*s  %-*s  %s", "time", (int)view->names->traces.digits,
                "trace", (int)view->names->columns, "node", (int)view->names->columns + 3, "   peer", KIND_COLUMNS, "kind",
                "event");
    strbuf_puts(out, "\n");
}

void render_missed(struct strbuf *out, const struct view *view, uint64_t count, const char *why) {
    text_style_on(out, view->color, STYLE_BAD);
    strbuf_puts(out, "!! ");
    text_count(out, count, "event");
    strbuf_printf(out, " missed here: %s", why);
    text_style_off(out, view->color, STYLE_BAD);
    strbuf_puts(out, "\n");
}

void render_events(struct strbuf *out, const struct view *view, const json_t *answer) {
    size_t i;
    json_t *event;
    uint64_t lost = json_get_count(answer, "lost");
    if (lost && json_object_get(answer, "subscription"))
        render_missed(out, view, lost, "this inspector did not read fast enough");
    /* Also those of a notification: several lanes are drained one after another, and read better in the order of time. */
    json_t *events = events_merge(json_get_array(answer, "events"), json_get_array(answer, "gaps"));
    if (!events) out->failed = true;
    json_array_foreach(events, i, event) render_line(out, view, event);
    json_decref(events);
}

void render_peer(struct strbuf *out, const struct view *view, const json_t *answer) {
    json_t *peer = json_object_get(answer, "peer");
    json_t *peers = json_pack("{s:[O]}", "peers", peer ? peer : json_null());
    if (!peers) {
        out->failed = true;
        return;
    }
    strbuf_puts(out, "peer ");
    text_member(out, peer, "peer_id");
    strbuf_puts(out, "\n");
    render_peers(out, view, peers);
    json_decref(peers);
    strbuf_puts(out, "\n");
    if (json_array_size(json_get_array(answer, "events"))) {
        render_events_titles(out, view);
        render_events(out, view, answer);
    } else if (view->header) {
        strbuf_puts(out, "no events with this peer in the history\n");
    }
}
