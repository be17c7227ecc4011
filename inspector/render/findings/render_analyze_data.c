/* SPDX-License-Identifier: MIT
 *
 * Findings as data. */
#include "json_get.h"
#include "list.h"
#include "render_analyze.h"

static json_t *text_new(const char *text) { return text ? json_string(text) : json_null(); }
static json_t *number_new(bool has, uint64_t number) { return has ? json_integer((json_int_t)number) : json_null(); }
static json_t *rate_new(bool has, double rate) { return has ? json_real(rate) : json_null(); }

static json_t *time_new(bool has, uint64_t time_ns) {
    return has ? json_pack("{s:I,s:i}", "timestamp", (json_int_t)(time_ns / 1000), "ns", (int)(time_ns % 1000)) : json_null();
}

static json_t *evidence_new(const struct facts *facts, const struct finding *finding) {
    json_t *all = json_array();
    for (unsigned i = 0; i < finding->evidence_count; i++) {
        const struct fact *fact = &facts->items[finding->evidence[i]];
        uint64_t unix_ns = fact_unix(facts, fact);
        json_array_append_new(all, json_pack("{s:I,s:i,s:o,s:o,s:o,s:i,s:I,s:s}", "timestamp", (json_int_t)(unix_ns / 1000), "ns",
                                             (int)(unix_ns % 1000), "node_id", text_new(facts_node(facts, fact->node)), "peer_id",
                                             text_new(facts_node(facts, fact->peer)), "trace_id",
                                             text_new(facts_trace(facts, fact->trace)), "lane", (int)fact->lane, "sequence",
                                             (json_int_t)fact->sequence, "kind", fact_kind_name((enum fact_kind)fact->kind)));
    }
    return all;
}

/* The peers that a finding about several names (at most PEERS_MAX); NULL for any other finding. */
static json_t *peer_ids_new(const struct facts *facts, const struct finding *finding) {
    json_t *ids = finding->peer_count > 1 ? json_array() : NULL;
    for (unsigned i = 0; ids && i < finding->peer_count && i < PEERS_MAX; i++)
        json_array_append_new(ids, text_new(facts_node(facts, finding->peers[i])));
    return ids;
}

/* When a node ended, as in `nodes`; NULL if that is not known, or if the finding is about something else. */
static json_t *ended_new(const struct finding *finding) {
    if (!finding->by_ns) return NULL;
    return json_pack("{s:o,s:o}", "after", time_new(true, finding->after_ns), "by", time_new(true, finding->by_ns));
}

json_t *finding_new(const struct view *view, const struct facts *facts, const struct finding *finding) {
    struct view plain = *view;
    struct strbuf says = {0}, next = {0};
    unsigned has = finding_has(finding);
    plain.color = false;
    finding_describe(&says, &plain, facts, finding);
    finding_next(&next, &plain, facts, finding);
    json_t *line =
        json_pack("{s:s,s:s,s:o,s:o,s:o*,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o*,s:s,s:s,s:o}", "finding",
                  finding_name(finding->kind), "severity", severity_name(finding->severity), "node_id",
                  text_new(facts_node(facts, finding->node)), "peer_id", text_new(facts_node(facts, finding->peer)), "peer_ids",
                  peer_ids_new(facts, finding), "trace_id", text_new(facts_trace(facts, finding->trace)), "command",
                  text_new(has & HAS_CODE ? NULL : facts_command(facts, finding->command)), "code",
                  number_new(has & HAS_CODE, finding->code), "reason",
                  text_new(has & HAS_CODE ? facts_command(facts, finding->command) : NULL), "count",
                  number_new(has & HAS_COUNT, finding->count), "of", number_new(has & HAS_OF, finding->of), "rate",
                  rate_new(has & HAS_RATE, finding->of ? (double)finding->count / (double)finding->of : 0), "usual_rate",
                  rate_new(has & HAS_RATE && finding->usual_known, finding->usual_rate), "duration",
                  number_new(has & HAS_TIME, finding->ns), "usual_duration", number_new(has & HAS_USUAL_TIME, finding->usual_ns),
                  "at", time_new(has & HAS_MOMENT, finding->time_ns), "ended", ended_new(finding), "says", strbuf_text(&says),
                  "next", strbuf_text(&next), "evidence", evidence_new(facts, finding));
    strbuf_fini(&says);
    strbuf_fini(&next);
    return line;
}

json_t *analysis_object_new(const struct analysis *analysis, const struct analyze_scope *scope) {
    const struct facts *facts = analysis->facts;
    const struct coverage *coverage = &analysis->coverage;
    size_t count = facts->count, last = count ? count - 1 : 0;
    const char *about = !analysis->one_trace || !count ? scope->about : facts_trace(facts, facts->items[0].trace);
    return json_pack("{s:s,s:o,s:I,s:I,s:o,s:o,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "analyzed", "events", "about",
                     text_new(about), "findings", (json_int_t)analysis->count, "events", (json_int_t)count, "first",
                     time_new(count, count ? fact_unix(facts, &facts->items[0]) : 0), "last",
                     time_new(count, count ? fact_unix(facts, &facts->items[last]) : 0), "cut", scope->cut, "clock_steps",
                     (json_int_t)facts->lines.seam_count, "requests", (json_int_t)coverage->requests, "requests_whole",
                     (json_int_t)coverage->requests_whole, "requests_cut", (json_int_t)scope->cut_off.requests, "links",
                     (json_int_t)coverage->links, "links_judged", (json_int_t)coverage->links_judged, "paths",
                     (json_int_t)coverage->paths, "paths_judged", (json_int_t)coverage->paths_judged, "nodes",
                     (json_int_t)coverage->nodes, "events_missing", (json_int_t)coverage->events_missing);
}

static enum style draw_finding_node(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    render_node(cell, view, json_get_hex(row, field, NODE_DIGITS));
    return STYLE_PLAIN;
}

static enum style draw_finding_trace(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    names_short_trace(cell, view->names, json_get_hex(row, field, TRACE_DIGITS));
    return STYLE_PLAIN;
}

static const struct list_column columns[] = {
    {"finding", NULL, TABLE_LEFT, 0, 0, 0, draw_text},
    {"severity", NULL, TABLE_LEFT, 0, 0, 0, draw_text},
    {"node_id", "node", TABLE_LEFT, 1, 0, 0, draw_finding_node},
    {"peer_id", "peer", TABLE_LEFT, 1, 0, 0, draw_finding_node},
    {"trace_id", "trace", TABLE_LEFT, 1, 0, 0, draw_finding_trace},
    {"command", NULL, TABLE_LEFT, 1, 8, 0, draw_text},
    {"code", NULL, TABLE_RIGHT, 1, 0, 0, draw_count},
    {"reason", NULL, TABLE_LEFT, 1, 8, 0, draw_text},
    {"count", NULL, TABLE_RIGHT, 1, 0, 0, draw_count},
    {"of", NULL, TABLE_RIGHT, 1, 0, 0, draw_count},
    {"rate", NULL, TABLE_RIGHT, 1, 0, 0, NULL},
    {"usual_rate", NULL, TABLE_RIGHT, 1, 0, 0, NULL},
    {"duration", NULL, TABLE_RIGHT, 1, 0, 0, draw_duration},
    {"usual_duration", NULL, TABLE_RIGHT, 1, 0, 0, draw_duration},
    {"at", NULL, TABLE_LEFT, 1, 0, 0, draw_time},
    {"says", NULL, TABLE_LEFT, 1, 20, 0, draw_text},
    {"next", NULL, TABLE_LEFT, 1, 20, 0, draw_text},
    {"evidence", NULL, TABLE_LEFT, 1, 8, 0, NULL},
};

const struct list finding_list = {columns, sizeof columns / sizeof *columns};
