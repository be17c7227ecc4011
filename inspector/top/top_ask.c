/* SPDX-License-Identifier: MIT
 *
 * What `inspector top` asks for a page. */
#include "limits.h"
#include "top.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT_LATE_US 100000 /* an event may arrive this late (docs/protocol.md, Order: 40 ms) */

/* A filter of traces: those of the command, with an event at the node, and an event at or about the peer.  NULL: all traces. */
static json_t *about_new(const struct top_page *page) {
    struct strbuf text = {0};
    if (*page->node_id) strbuf_printf(&text, "any node == %s", page->node_id);
    if (*page->node_id && *page->peer_id) strbuf_puts(&text, " and ");
    if (*page->peer_id) strbuf_printf(&text, "any (peer == %s or node == %s)", page->peer_id, page->peer_id);
    if (*page->request) strbuf_printf(&text, "%s%s", text.bytes ? " and " : "", page->request);
    json_t *filter = text.bytes ? json_string(strbuf_text(&text)) : NULL;
    strbuf_fini(&text);
    return filter;
}

/* Nothing after the position in a recording is shown: no events (to), and nothing that only they tell (at). */
static void add_end(json_t *params, const struct top *top, const char *name) {
    if (top_is_before_end(top)) json_object_set_new(params, name, json_integer((json_int_t)(top->position_ns / 1000)));
}

/* The period to count: from the end of the last count; or, for a first look, the whole line of intervals, each by itself.  It
 * ends at a time up to which traced has read everything.  NULL if all of it was counted before. */
static json_t *window_new(const struct top *top, struct top_page *page, uint64_t now_ns) {
    uint64_t every_us = top->interval_ms * 1000;
    uint64_t to_us = top->past ? (now_ns + 999) / 1000 : now_ns / 1000 - COUNT_LATE_US;
    bool follows = page->counted_us && page->counted_us < to_us && page->counted_us + TOP_LOSS_SAMPLES * every_us > to_us;
    uint64_t from_us = page->counted_us;
    page->look = (struct top_look){.from_us = page->counted_us};
    if (top->past) to_us = (to_us + every_us - 1) / every_us * every_us;
    if (top->past && page->fed && to_us == page->counted_us) return NULL;
    if (!follows) {
        to_us -= to_us % every_us;
        from_us = to_us > TOP_SAMPLES * every_us ? to_us - TOP_SAMPLES * every_us : 0;
        page->look = (struct top_look){.from_us = from_us, .every_us = every_us, .count = TOP_SAMPLES};
        snprintf(page->look.field, sizeof page->look.field, "time/%" PRIu64 "ms", top->interval_ms);
    }
    page->counted_us = to_us;
    if (top_is_before_end(top) && to_us > now_ns / 1000) to_us = now_ns / 1000; /* what came later is not known yet */
    return json_pack("{sI,sI,si}", "from", (json_int_t)from_us, "to", (json_int_t)to_us, "limit",
                     follows ? (int)TOP_ROWS_COUNTED : (int)TOP_ROWS_LOOKED);
}

/* The fields to group by; for a first look also the time. */
static void group_by(json_t *params, const struct top_page *page, const char *const *fields, unsigned count) {
    json_t *list = json_array();
    for (unsigned i = 0; i < count; i++) json_array_append_new(list, json_string(fields[i]));
    if (page->look.every_us) json_array_append_new(list, json_string(page->look.field));
    json_object_set_new(params, "group_by", json_array_size(list) == 1 ? json_string(fields[0]) : json_incref(list));
    json_decref(list);
}

static json_t *counted_params_new(const struct top *top, struct top_page *page, uint64_t now_ns) {
    static const char *const of_links[] = {"node", "peer", "kind"}, *const of_kinds[] = {"kind"},
                             *const of_requests[] = {"command"};
    json_t *params = window_new(top, page, now_ns);
    if (!params) return NULL;
    if (page->table.view == TOP_LINKS) {
        group_by(params, page, of_links, 3);
        json_object_set_new(params, "kind",
                            json_pack("[ssssss]", "packet_sent", "packet_received", "packet_lost", "metrics", "message_sent",
                                      "message_received"));
        json_object_set_new(params, "value", json_string("rtt"));
        json_object_set_new(params, "filter", json_string("not (packet_lost and probe)")); /* a lost probe is not a loss */
        if (*page->node_id) json_object_set_new(params, "node_id", json_string(page->node_id));
    } else if (page->table.view == TOP_KINDS) {
        group_by(params, page, of_kinds, 1);
    } else {
        group_by(params, page, of_requests, 1);
        add_end(params, top, "at");
        json_object_set_new(params, "histogram", json_true());
    }
    return params;
}

void top_limit(const struct top *top, json_t *params) {
    json_int_t end_us = (json_int_t)(top->position_ns / 1000);
    const json_t *to = json_object_get(params, "to");
    if (!json_is_integer(to) || json_integer_value(to) > end_us) add_end(params, top, "to");
}

static json_t *table_params_new(const struct top *top, struct top_page *page, uint64_t now_ns) {
    if (top_is_counted(page->table.view)) return counted_params_new(top, page, now_ns);
    json_t *params = json_object();
    if (page->table.view == TOP_TRACES) {
        json_t *about = about_new(page);
        json_object_set_new(params, "limit", json_integer(TOP_TRACES_ASKED));
        if (about) json_object_set_new(params, "filter", about);
    }
    add_end(params, top, "at");
    return params;
}

const char *top_request(const struct top *top, struct top_page *page, uint64_t now_ns, json_t **ret_params_new) {
    static const char *const methods[TOP_VIEWS] = {"nodes", "peers", "count", "count", "traces", "requests"};
    switch (page->kind) {
    case TOP_PAGE_TABLE:
        *ret_params_new = table_params_new(top, page, now_ns);
        return *ret_params_new ? methods[page->table.view] : NULL;
    case TOP_PAGE_TRACE:
        *ret_params_new = json_pack("{ss,si}", "trace_id", page->trace_id, "limit", (int)TOP_TIMELINE_EVENTS);
        add_end(*ret_params_new, top, "to");
        return "query";
    case TOP_PAGE_EVENTS:
        *ret_params_new = json_pack("{ss,si,ss}", "kind", page->event_kind, "limit", (int)TOP_EVENTS_ASKED, "order", "desc");
        add_end(*ret_params_new, top, "to");
        return "query";
    default: return NULL;
    }
}
