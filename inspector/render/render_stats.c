/* SPDX-License-Identifier: MIT
 *
 * The counters of traced, with problems in red. */
#include "json_get.h"
#include "json_put.h"
#include "limits.h"
#include "list.h"
#include "render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABEL_COLUMNS 11

static void label(struct strbuf *out, const struct view *view, const char *text) {
    text_styled(out, view->color, STYLE_HEAD, "%-*s", LABEL_COLUMNS, text);
}

/* ", 12 words" with an eye-catching style when the count is not zero. */
static void worry(struct strbuf *out, const struct view *view, uint64_t count, const char *words) {
    text_styled(out, view->color, STYLE_DIM, ", ");
    text_styled(out, view->color, count ? STYLE_BAD : STYLE_PLAIN, "%" PRIu64 " %s", count, words);
}

/* "name count" for each counter that is not zero; `none` if all are zero. */
static void counters(struct strbuf *out, const struct view *view, const json_t *object, const char *none) {
    const char *key, *separator = "";
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        uint64_t count = 0;
        (void)value;
        if (!json_get_unsigned(object, key, &count) || !count) continue;
        strbuf_puts(out, separator);
        text_style_on(out, view->color, STYLE_BAD);
        text_untrusted(out, key, strlen(key), CELL_COLUMNS_MAX);
        strbuf_printf(out, " %" PRIu64, count);
        text_style_off(out, view->color, STYLE_BAD);
        separator = ", ";
    }
    if (!*separator) strbuf_puts(out, none);
    strbuf_puts(out, "\n");
}

static void ingest(struct strbuf *out, const struct view *view, const json_t *part) {
    uint64_t batches = json_get_count(part, "batches");
    label(out, view, "ingest");
    text_count(out, json_get_count(part, "events"), "event");
    strbuf_printf(out, " in %" PRIu64 " batch%s; ", batches, batches == 1 ? "" : "es");
    text_count(out, json_get_count(part, "nodes_attached"), "node");
    strbuf_puts(out, " attached");
    worry(out, view, json_get_count(part, "nodes_rejected"), "rejected");
    worry(out, view, json_get_count(part, "unknown_kinds"), "of unknown kinds");
    strbuf_puts(out, "\n");
    label(out, view, "lost");
    counters(out, view, json_object_get(part, "lost"), "nothing");
    if (json_get_count(part, "nodes_rejected")) {
        label(out, view, "rejected");
        counters(out, view, json_object_get(part, "rejected"), "-");
    }
}

/* traced --keep */
#define KEEP_COLUMNS_MAX 200
static void kept_traces(struct strbuf *out, const struct view *view, const json_t *part) {
    const char *filter = json_get_text(part, "filter");
    if (!filter) return;
    label(out, view, "keep");
    text_count(out, json_get_count(part, "traces"), "trace");
    strbuf_printf(out, " of %" PRIu64 " events (at most %" PRIu64 ") stay longer: ", json_get_count(part, "events"),
                  json_get_count(part, "events_max"));
    text_untrusted(out, filter, strlen(filter), KEEP_COLUMNS_MAX);
    worry(out, view, json_get_count(part, "given_up"), "given up");
    worry(out, view, json_get_count(part, "unjudged"), "went unjudged");
    worry(out, view, json_get_count(part, "events_lost"), "of their events lost");
    strbuf_puts(out, "\n");
}

static void history(struct strbuf *out, const struct view *view, const json_t *part) {
    uint64_t first, last;
    label(out, view, "history");
    strbuf_printf(out, "%" PRIu64 " of %" PRIu64 " events, ", json_get_count(part, "events"), json_get_count(part, "events_max"));
    text_bytes(out, json_get_count(part, "bytes"));
    strbuf_puts(out, " of ");
    text_bytes(out, json_get_count(part, "bytes_max"));
    strbuf_printf(out, "; %" PRIu64 " evicted; ", json_get_count(part, "evicted"));
    text_count(out, json_get_count(part, "traces"), "trace");
    strbuf_puts(out, ", ");
    text_count(out, json_get_count(part, "peers"), "peer");
    strbuf_puts(out, "\n");
    if (json_get_count(part, "share")) {
        label(out, view, "shares");
        strbuf_printf(out, "each node keeps its newest %" PRIu64 " events; %" PRIu64 " older ones stay because of that\n",
                      json_get_count(part, "share"), json_get_count(part, "kept"));
    }
    kept_traces(out, view, json_object_get(part, "keep"));
    if (json_get_count(part, "early") || json_get_count(part, "rare_peer_events")) {
        label(out, view, "crowded");
        strbuf_printf(out,
                      "%" PRIu64 " events evicted early, because there are too many traces; %" PRIu64
                      " of rare peers, which have no index\n",
                      json_get_count(part, "early"), json_get_count(part, "rare_peer_events"));
    }
    const json_t *aliases = json_object_get(part, "aliases");
    if (json_get_count(aliases, "count") || json_get_count(aliases, "evicted")) {
        label(out, view, "aliases");
        strbuf_printf(out, "%" PRIu64 " of %" PRIu64, json_get_count(aliases, "count"), json_get_count(aliases, "max"));
        worry(out, view, json_get_count(aliases, "evicted"), "evicted");
        strbuf_puts(out, "\n");
    }
    label(out, view, "time");
    if (json_get_time(json_object_get(part, "first"), &first) && json_get_time(json_object_get(part, "last"), &last)) {
        text_time(out, first, view->utc, true);
        strbuf_puts(out, " to ");
        text_time(out, last, view->utc, false);
        strbuf_puts(out, ", ");
        text_duration(out, last > first ? last - first : 0);
        strbuf_puts(out, "\n");
    } else {
        strbuf_puts(out, "the history is empty\n");
    }
}

/* traced --record */
static void recording(struct strbuf *out, const struct view *view, const json_t *part) {
    if (!json_is_object(part)) return;
    label(out, view, "record");
    text_count(out, json_get_count(part, "events"), "event");
    strbuf_puts(out, " in ");
    text_count(out, json_get_count(part, "segments"), "segment");
    strbuf_puts(out, ", ");
    text_bytes(out, json_get_count(part, "bytes"));
    strbuf_puts(out, " written");
    worry(out, view, json_get_count(part, "dropped_events"), "events dropped");
    if (json_get_count(part, "removed_files")) {
        strbuf_puts(out, ", ");
        text_count(out, json_get_count(part, "removed_files"), "old file");
        strbuf_puts(out, " removed");
    }
    strbuf_puts(out, "\n");
}

static void clients(struct strbuf *out, const struct view *view, const json_t *part) {
    label(out, view, "clients");
    strbuf_printf(out, "%" PRIu64 " connected of %" PRIu64 " accepted", json_get_count(part, "connected"),
                  json_get_count(part, "accepted"));
    worry(out, view, json_get_count(part, "refused"), "refused");
    strbuf_puts(out, "; ");
    text_count(out, json_get_count(part, "requests"), "request");
    worry(out, view, json_get_count(part, "errors"), "rejected as invalid");
    strbuf_puts(out, "\n");
    label(out, view, "streams");
    text_count(out, json_get_count(part, "subscriptions"), "subscription");
    strbuf_puts(out, ", ");
    text_count(out, json_get_count(part, "events_sent"), "event");
    strbuf_puts(out, " sent");
    worry(out, view, json_get_count(part, "events_dropped"), "dropped for slow readers");
    strbuf_puts(out, "\n");
}

static void process(struct strbuf *out, const struct view *view, const json_t *answer) {
    const json_t *part = json_object_get(answer, "process"), *clock = json_object_get(answer, "clock");
    double uptime = json_get_real(answer, "uptime_s", 0);
    label(out, view, "process");
    strbuf_puts(out, "up ");
    text_duration(out, uptime > 0 && uptime < 1e9 ? (uint64_t)(uptime * 1e9) : 0);
    strbuf_puts(out, ", ");
    text_bytes(out, json_get_count(part, "resident_bytes"));
    strbuf_printf(out, " resident, %.2f s user, %.2f s system\n", json_get_real(part, "user_s", 0),
                  json_get_real(part, "system_s", 0));
    label(out, view, "clock");
    text_member(out, clock, "source");
    if (json_get_real(clock, "hz", 0) > 0) strbuf_printf(out, " at %.1f MHz", json_get_real(clock, "hz", 0) / 1e6);
    strbuf_puts(out, ", ");
    text_count(out, json_get_count(clock, "steps"), "step");
    strbuf_puts(out, "\n");
}

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

static enum style draw_counter(struct strbuf *cell, const struct view *view, const json_t *row, const char *field) {
    const json_t *value = json_object_get(row, field);
    struct strbuf text = {0};
    uint64_t ns;
    if (json_get_time(value, &ns)) {
        render_time(cell, view, value, true);
    } else if (!value || json_is_null(value)) {
        strbuf_puts(cell, "-");
    } else {
        cell->failed |= json_put(&text, value, JSON_COMPACT) != 0;
        text_untrusted(cell, strbuf_text(&text), text.bytes, CELL_COLUMNS_MAX);
    }
    strbuf_fini(&text);
    return STYLE_PLAIN;
}

static const struct list_column columns[] = {{"counter", NULL, TABLE_LEFT, 0, 0, 0, draw_text},
                                             {"value", NULL, TABLE_LEFT, 0, 8, 0, draw_counter}};

const struct list stats_list = {columns, sizeof columns / sizeof *columns};

/* Adds the counters of one part, named by the path to them. */
static int add_counters(json_t *rows, const char *path, const json_t *part) {
    const char *key;
    json_t *value;
    uint64_t ns;
    int failed = 0;
    json_object_foreach((json_t *)part, key, value) {
        char name[RECORD_NAME_BYTES];
        snprintf(name, sizeof name, "%s%s%s", path, *path ? "." : "", key);
        if (json_is_object(value) && !json_get_time(value, &ns))
            failed |= add_counters(rows, name, value);
        else
            failed |= json_array_append_new(rows, json_pack("{s:s,s:O}", "counter", name, "value", value));
    }
    return failed;
}

json_t *stats_rows_new(const json_t *answer) {
    json_t *rows = json_array();
    if (rows && !add_counters(rows, "", answer)) return rows;
    json_decref(rows);
    return NULL;
}

void render_stats(struct strbuf *out, const struct view *view, const json_t *answer) {
    bool is_store = json_object_get(answer, "history") && !json_object_get(answer, "process"); /* a traced has all parts */
    if (!is_store) ingest(out, view, json_object_get(answer, "ingest"));
    history(out, view, json_object_get(answer, "history"));
    if (is_store) return;
    recording(out, view, json_object_get(answer, "record"));
    clients(out, view, json_object_get(answer, "clients"));
    process(out, view, answer);
}
