/* SPDX-License-Identifier: MIT */
#include "top_table.h"

#include "event_role.h"
#include "json_get.h"
#include "json_put.h"
#include "render.h"
#include "top_requests.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX 5         /* intervals for which a rate stays on the screen when it cannot be computed */
#define LOSS_BAD 0.01      /* from here on a share of lost packets is bad, not only notable */
#define RTT_JUMP 4.0       /* an rtt of this many times its median in the last minute is notable */
#define RTT_SAMPLES_MIN 10 /* the median needs this many answers */
#define FILTER_ID_DIGITS 4 /* a filter with this many letters may be the beginning of an id that is not shown */

/* ---- columns ---- */

enum node_slot { NODE_EMITTED, NODE_LOST, NODE_EMIT_RATE, NODE_LOSS_RATE, NODE_BEHIND, NODE_LAST, NODE_PID };
enum node_text { NODE_NAME, NODE_STATE, NODE_CAUSES };
enum peer_slot {
    PEER_SENT,
    PEER_RECEIVED,
    PEER_LOST,
    PEER_BYTES_SENT,
    PEER_BYTES_RECEIVED,
    PEER_RTT,
    PEER_MIN_RTT,
    PEER_LOSS,
    PEER_HEARD_AGO
};
enum peer_text { PEER_NAME, PEER_NODES };
enum peer_series { PEER_LOSS_LINE, PEER_RTT_LINE, PEER_SENT_LINE, PEER_LOST_LINE };
enum link_text { LINK_NODE, LINK_PEER };
enum kind_slot { KIND_RATE, KIND_SHARE, KIND_COUNT };
enum trace_slot { TRACE_BEGAN, TRACE_LAST, TRACE_TOOK, TRACE_DURATION, TRACE_EVENTS, TRACE_LOST };
enum trace_text { TRACE_NAME, TRACE_OUTCOME, TRACE_REQUEST, TRACE_NODES };

static const struct top_column node_columns[] = {
    {"node", TOP_TEXT, NODE_NAME, 8, 0, false, false},
    {"state", TOP_TEXT, NODE_STATE, 8, 0, false, false},
    {"events/s", TOP_RATE, NODE_EMIT_RATE, 8, 0, true, false},
    {"", TOP_SPARK, 0, 10, 2, true, false},
    {"lost/s", TOP_RATE, NODE_LOSS_RATE, 6, 0, true, true},
    {"lost", TOP_COUNT, NODE_LOST, 6, 1, true, true},
    {"behind", TOP_COUNT, NODE_BEHIND, 6, 3, true, false},
    {"emitted", TOP_COUNT, NODE_EMITTED, 7, 1, true, false},
    {"last event", TOP_TIME, NODE_LAST, 12, 4, true, false},
    {"pid", TOP_WHOLE, NODE_PID, 7, 5, false, false},
    {"lost because", TOP_TEXT, NODE_CAUSES, 20, 6, false, false},
};

static const struct top_column peer_columns[] = {
    {"peer", TOP_TEXT, PEER_NAME, 8, 0, false, false},           {"loss", TOP_SHARE, PEER_LOSS, 6, 0, true, true},
    {"", TOP_SPARK, PEER_LOSS_LINE, 7, 3, true, true},           {"rtt", TOP_DURATION, PEER_RTT, 7, 0, true, false},
    {"", TOP_SPARK, PEER_RTT_LINE, 8, 2, true, false},           {"heard", TOP_DURATION, PEER_HEARD_AGO, 7, 0, true, false},
    {"lost/s", TOP_RATE, PEER_LOST, 6, 1, true, true},           {"sent/s", TOP_RATE, PEER_SENT, 6, 4, true, false},
    {"rcvd/s", TOP_RATE, PEER_RECEIVED, 6, 5, true, false},      {"out/s", TOP_BYTES, PEER_BYTES_SENT, 8, 6, true, false},
    {"in/s", TOP_BYTES, PEER_BYTES_RECEIVED, 8, 7, true, false}, {"least rtt", TOP_DURATION, PEER_MIN_RTT, 9, 9, true, false},
    {"seen by", TOP_TEXT, PEER_NODES, 12, 8, false, false},
};

static const struct top_column link_columns[] = {
    {"node", TOP_TEXT, LINK_NODE, 8, 0, false, false},      {"to peer", TOP_TEXT, LINK_PEER, 8, 0, false, false},
    {"loss", TOP_SHARE, PEER_LOSS, 6, 0, true, true},       {"", TOP_SPARK, PEER_LOSS_LINE, 8, 3, true, true},
    {"rtt", TOP_DURATION, PEER_RTT, 7, 0, true, false},     {"", TOP_SPARK, PEER_RTT_LINE, 8, 2, true, false},
    {"lost/s", TOP_RATE, PEER_LOST, 6, 1, true, true},      {"sent/s", TOP_RATE, PEER_SENT, 6, 4, true, false},
    {"rcvd/s", TOP_RATE, PEER_RECEIVED, 6, 5, true, false},
};

static const struct top_column kind_columns[] = {
    {"kind", TOP_TEXT, 0, 16, 0, false, false},
    {"events/s", TOP_RATE, KIND_RATE, 8, 0, true, false},
    {"", TOP_SPARK, 0, 10, 1, true, false},
    {"share", TOP_SHARE, KIND_SHARE, 6, 0, true, false},
    {"events", TOP_COUNT, KIND_COUNT, 6, 2, true, false},
};

static const struct top_column trace_columns[] = {
    {"trace", TOP_TEXT, TRACE_NAME, 8, 0, false, false},       {"began", TOP_TIME, TRACE_BEGAN, 12, 1, true, false},
    {"took", TOP_DURATION, TRACE_TOOK, 7, 0, true, false},     {"outcome", TOP_TEXT, TRACE_OUTCOME, 7, 0, false, false},
    {"request", TOP_TEXT, TRACE_REQUEST, 16, 2, false, false}, {"lost", TOP_COUNT, TRACE_LOST, 4, 0, true, true},
    {"nodes", TOP_TEXT, TRACE_NODES, 8, 3, false, false},      {"duration", TOP_DURATION, TRACE_DURATION, 8, 4, true, false},
    {"events", TOP_COUNT, TRACE_EVENTS, 6, 5, true, false},    {"last event", TOP_TIME, TRACE_LAST, 12, 6, true, false},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

const struct top_column *top_columns(enum top_view view, unsigned *ret_count) {
    switch (view) {
    case TOP_REQUESTS: return top_requests_columns(ret_count);
    case TOP_NODES: *ret_count = COUNT_OF(node_columns); return node_columns;
    case TOP_PEERS: *ret_count = COUNT_OF(peer_columns); return peer_columns;
    case TOP_LINKS: *ret_count = COUNT_OF(link_columns); return link_columns;
    case TOP_KINDS: *ret_count = COUNT_OF(kind_columns); return kind_columns;
    default: *ret_count = COUNT_OF(trace_columns); return trace_columns;
    }
}

/* ---- rows ---- */

/* How much a counter rose since the previous answer; NAN when not known.  Keeps the counter. */
static double rise(struct top_row *row, unsigned slot, const json_t *json, const char *key) {
    uint64_t before = row->counters[slot], now = json_get_count(json, key);
    row->counters[slot] = now;
    return row->counted && now >= before ? (double)(now - before) : NAN;
}

static double number_or_nan(const json_t *json, const char *key) {
    uint64_t value;
    return json_get_unsigned(json, key, &value) ? (double)value : NAN;
}

static double time_or_nan(const json_t *json, const char *key) {
    uint64_t ns;
    return json_get_time(json_object_get(json, key), &ns) ? (double)ns : NAN;
}

static void set_nodes(struct top_row *row, unsigned slot, const json_t *json, const struct names *names) {
    struct strbuf text = {0};
    size_t i;
    const json_t *node;
    json_array_foreach(json_get_array(json, "nodes"), i, node) {
        const char *id = json_string_value(node);
        if (i) strbuf_puts(&text, " ");
        names_node(&text, names, id && json_is_hex(id, NODE_DIGITS) ? id : NULL);
    }
    top_row_text(row, slot, STYLE_PLAIN, &text);
}

/* ---- nodes ---- */

static void set_causes(struct top_row *row, const json_t *json) {
    struct strbuf text = {0};
    const char *cause;
    json_t *value, *causes = json_object_get(json, "lost_by");
    json_object_foreach(causes, cause, value) {
        uint64_t count = json_get_count(causes, cause);
        (void)value;
        if (!count) continue;
        strbuf_printf(&text, "%s%" PRIu64 " ", text.bytes ? ", " : "", count);
        text_untrusted(&text, cause, strlen(cause), 24);
    }
    if (text.bytes)
        top_row_text(row, NODE_CAUSES, STYLE_BAD, &text);
    else
        top_row_text(row, NODE_CAUSES, STYLE_PLAIN, &text);
}

/* How long a node has been emitting; NAN when not known. */
static double seconds_of_node(const json_t *json) {
    double since_ns = time_or_nan(json, "last") - time_or_nan(json, "started");
    return since_ns > 0 ? since_ns / 1e9 : NAN;
}

static void update_node(struct top_row *row, const json_t *json, double seconds, bool past, const struct names *names) {
    struct strbuf text = {0};
    if (past) seconds = seconds_of_node(json);
    const char *id = json_get_hex(json, "node_id", NODE_DIGITS), *state = json_get_text(json, "state");
    bool live = state && !strcmp(state, "live"), quiet = state && (!strcmp(state, "exited") || !strcmp(state, "unknown"));
    double emitted = rise(row, NODE_EMITTED, json, "emitted") / seconds, lost = rise(row, NODE_LOST, json, "lost") / seconds;
    uint64_t read = json_get_count(json, "indexed") + row->counters[NODE_LOST];
    row->values[NODE_EMIT_RATE] = emitted;
    row->values[NODE_LOSS_RATE] = lost;
    row->values[NODE_EMITTED] = number_or_nan(json, "emitted");
    row->values[NODE_LOST] = number_or_nan(json, "lost");
    row->values[NODE_BEHIND] = row->counters[NODE_EMITTED] > read ? (double)(row->counters[NODE_EMITTED] - read) : 0;
    row->values[NODE_LAST] = time_or_nan(json, "last");
    row->values[NODE_PID] = number_or_nan(json, "pid");
    top_row_push(row, 0, emitted);
    row->mark = (lost > 0 && !past) || !(live || quiet) ? STYLE_BAD : row->counters[NODE_LOST] ? STYLE_WARN : STYLE_PLAIN;
    if (id)
        names_node(&text, names, id);
    else
        text_member(&text, json, "name");
    top_row_text(row, NODE_NAME, STYLE_PLAIN, &text);
    text_member(&text, json, "state");
    top_row_text(row, NODE_STATE, live ? STYLE_GOOD : quiet ? STYLE_DIM : STYLE_BAD, &text);
    set_causes(row, json);
}

/* A node restarted with the same id has another log; a rejected log has only a name. */
static void node_key(struct strbuf *out, const json_t *json) {
    const char *id = json_get_hex(json, "node_id", NODE_DIGITS);
    uint64_t started = 0;
    json_get_time(json_object_get(json, "started"), &started);
    if (id)
        strbuf_puts(out, id);
    else
        text_member(out, json, "name");
    strbuf_printf(out, " %" PRIu64 " %" PRIu64, json_get_count(json, "pid"), started);
}

/* ---- peers ---- */

/* A loss is reported some time after the packet was sent, so an interval can have more losses than sends. */
static double at_most_all(double lost, double sent) { return lost < sent ? lost / sent : lost > 0; }

/* Was nothing received for as long as a loss covers, although something was sent?  Then no declared loss means nothing. */
static bool is_unanswered(const struct top_row *row) {
    return row->heard && row->quiet >= TOP_LOSS_SAMPLES && top_row_sum(row, PEER_SENT_LINE, TOP_LOSS_SAMPLES) > 0;
}

static void note_received(struct top_row *row, double received) {
    if (received > 0) row->heard = true, row->quiet = 0;
    if (received == 0) row->quiet++;
}

/* Adds what was sent and lost in an interval.  messages: these were sent, and no packets are reported, so their loss is not
 * known. */
static void push_packets(struct top_row *row, bool messages, double sent, double lost) {
    if (messages) sent = lost = row->values[PEER_LOST] = NAN;
    top_row_push(row, PEER_SENT_LINE, sent);
    top_row_push(row, PEER_LOST_LINE, lost);
    top_row_push(row, PEER_LOSS_LINE, sent > 0 || lost > 0 ? at_most_all(lost, sent) : NAN);
    sent = top_row_sum(row, PEER_SENT_LINE, TOP_LOSS_SAMPLES);
    lost = top_row_sum(row, PEER_LOST_LINE, TOP_LOSS_SAMPLES);
    row->values[PEER_LOSS] = lost > 0 || (sent > 0 && !is_unanswered(row)) ? at_most_all(lost, sent) : NAN;
    if (is_unanswered(row) || (row->heard && row->quiet >= TOP_SAMPLES))
        row->values[PEER_RTT] = NAN; /* it is of an earlier time */
}

static int compare_floats(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The median of the known samples of a series; NAN when there are few. */
static double median_known(const struct top_row *row, unsigned series) {
    float known[TOP_SAMPLES];
    unsigned count = 0;
    for (unsigned i = 0; i < TOP_SAMPLES; i++)
        if (!isnan(row->series[series][i])) known[count++] = row->series[series][i];
    qsort(known, count, sizeof *known, compare_floats);
    return count < RTT_SAMPLES_MIN ? NAN : known[count / 2];
}

static void mark_link(struct top_row *row) {
    bool jump = row->values[PEER_RTT] > RTT_JUMP * median_known(row, PEER_RTT_LINE);
    row->mark = row->values[PEER_LOSS] >= LOSS_BAD                         ? STYLE_BAD
                : row->values[PEER_LOSS] > 0 || jump || is_unanswered(row) ? STYLE_WARN
                                                                           : STYLE_PLAIN;
}

/* Rates from rising counters; none when a count may have fallen: then the last rate stays for a while. */
static void peer_rates(struct top_row *row, const json_t *json, double seconds, bool evicted) {
    static const char *const of_packets[] = {"packets_sent", "packets_received", "packets_lost", "bytes_sent", "bytes_received"};
    static const char *const of_messages[COUNT_OF(of_packets)] = {"messages_sent", "messages_received", "packets_lost",
                                                                  "bytes_sent", "bytes_received"};
    /* a program that traces no packets has its messages instead */
    bool messages = !json_get_count(json, "packets_sent") && !json_get_count(json, "packets_received") &&
                    !json_get_count(json, "packets_lost") &&
                    (json_get_count(json, "messages_sent") || json_get_count(json, "messages_received"));
    const char *const *keys = messages ? of_messages : of_packets;
    double rises[COUNT_OF(of_packets)];
    bool known = row->counted && !evicted;
    for (unsigned i = 0; i < COUNT_OF(of_packets); i++) {
        rises[i] = rise(row, i, json, keys[i]);
        known &= !isnan(rises[i]);
    }
    row->held = known ? 0 : row->held + 1;
    for (unsigned i = 0; i < COUNT_OF(of_packets) && (known || row->held > HELD_MAX || !row->counted); i++)
        row->values[i] = known ? rises[i] / seconds : NAN;
    row->heard |= json_get_count(json, keys[PEER_RECEIVED]) > 0;
    note_received(row, known ? rises[PEER_RECEIVED] : NAN);
    push_packets(row, messages, known ? rises[PEER_SENT] : NAN, known ? rises[PEER_LOST] : NAN);
}

static void update_peer(struct top_row *row, const json_t *json, double seconds, const struct top_moment *moment,
                        const struct names *names) {
    struct strbuf text = {0};
    uint64_t heard_ns;
    row->values[PEER_RTT] = number_or_nan(json, "rtt");
    row->values[PEER_MIN_RTT] = number_or_nan(json, "min_rtt");
    row->values[PEER_HEARD_AGO] = NAN;
    if (moment->now_ns && json_get_time(json_object_get(json, "heard"), &heard_ns))
        row->values[PEER_HEARD_AGO] = heard_ns < moment->now_ns ? (double)(moment->now_ns - heard_ns) : 0;
    peer_rates(row, json, seconds, moment->evicted);
    top_row_push(row, PEER_RTT_LINE, row->values[PEER_RTT]);
    mark_link(row);
    names_node(&text, names, json_get_hex(json, "peer_id", NODE_DIGITS));
    top_row_text(row, PEER_NAME, STYLE_PLAIN, &text);
    set_nodes(row, PEER_NODES, json, names);
}

/* ---- links and kinds ---- */

static double by_second(const json_t *json, const char *key) {
    double seconds = json_get_real(json, "seconds", 0);
    return seconds > 0 ? (double)json_get_count(json, key) / seconds : NAN;
}

static void update_link(struct top_row *row, const json_t *json, const struct names *names) {
    struct strbuf text = {0};
    double rtt = number_or_nan(json, "rtt");
    row->values[PEER_SENT] = by_second(json, "sent");
    row->values[PEER_RECEIVED] = by_second(json, "received");
    row->values[PEER_LOST] = by_second(json, "lost");
    if (!isnan(rtt)) row->values[PEER_RTT] = rtt; /* no sample in this interval: keep the newest */
    note_received(row, (double)json_get_count(json, "received"));
    push_packets(row, json_get_bool(json, "messages"), (double)json_get_count(json, "sent"),
                 (double)json_get_count(json, "lost"));
    top_row_push(row, PEER_RTT_LINE, rtt);
    mark_link(row);
    names_node(&text, names, json_get_hex(json, "node_id", NODE_DIGITS));
    top_row_text(row, LINK_NODE, STYLE_PLAIN, &text);
    names_node(&text, names, json_get_hex(json, "peer_id", NODE_DIGITS));
    top_row_text(row, LINK_PEER, STYLE_PLAIN, &text);
}

static void update_kind(struct top_row *row, const json_t *json) {
    struct strbuf text = {0};
    uint16_t kind = json_get_kind(json);
    bool loss = kind == TRACE_KIND_PACKET_LOST || kind == TRACE_KIND_EVENTS_LOST;
    row->values[KIND_RATE] = by_second(json, "count");
    row->values[KIND_SHARE] = json_get_real(json, "share", 0);
    row->values[KIND_COUNT] = (double)json_get_count(json, "count");
    top_row_push(row, 0, row->values[KIND_RATE]);
    text_member(&text, json, "kind");
    top_row_text(row, 0, loss ? STYLE_BAD : STYLE_PLAIN, &text);
}

/* The counts of a row in an interval without events: a new value.  NULL when out of memory. */
static json_t *silence_new(const struct top_row *row, double seconds) {
    static const char *const counts[] = {"sent",   "received", "lost", "rtt",          "count",    "share",
                                         "failed", "expired",  "took", "took_stepped", "histogram"};
    json_t *json = json_copy(row->json);
    for (size_t i = 0; json && i < COUNT_OF(counts); i++) json_object_del(json, counts[i]);
    if (json) json_object_set_new(json, "seconds", json_real(seconds));
    return json;
}

/* ---- traces ---- */

static void update_trace(struct top_row *row, const json_t *json, const struct names *names) {
    struct strbuf text = {0};
    const char *outcome = json_get_text(json, "outcome");
    bool failed = outcome && (!strcmp(outcome, "failed") || !strcmp(outcome, "expired")),
         open = outcome && !strcmp(outcome, "open");
    bool ok = outcome && !strcmp(outcome, "ok");
    row->values[TRACE_BEGAN] = time_or_nan(json, "first");
    row->values[TRACE_LAST] = time_or_nan(json, "last");
    row->values[TRACE_TOOK] = number_or_nan(json, "took");
    row->values[TRACE_DURATION] = number_or_nan(json, "duration");
    row->values[TRACE_EVENTS] = number_or_nan(json, "events");
    row->values[TRACE_LOST] = number_or_nan(json, "packets_lost");
    row->mark = failed ? STYLE_BAD : row->values[TRACE_LOST] > 0 ? STYLE_WARN : STYLE_PLAIN;
    names_short_trace(&text, names, json_get_hex(json, "trace_id", TRACE_DIGITS));
    top_row_text(row, TRACE_NAME, STYLE_PLAIN, &text);
    text_member(&text, json, "outcome");
    top_row_text(row, TRACE_OUTCOME, failed ? STYLE_BAD : open ? STYLE_WARN : ok ? STYLE_GOOD : STYLE_DIM, &text);
    if (!event_request(&text, json, json)) strbuf_puts(&text, "-");
    top_row_text(row, TRACE_REQUEST, STYLE_PLAIN, &text);
    set_nodes(row, TRACE_NODES, json, names);
}

/* ---- answers ---- */

static const char *rows_member(enum top_view view) {
    static const char *const members[TOP_VIEWS] = {"nodes", "peers", "rows", "rows", "traces", "rows"};
    return members[view];
}

/* By number and by name: two nodes may use different names for one number. */
static void request_key(struct strbuf *out, const json_t *json) {
    static const char *const members[] = {"app_id", "cmd", "app", "command"};
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        char *text = json_text_new(json_object_get(json, members[i]), JSON_COMPACT);
        strbuf_puts(out, text ? text : "-");
        free(text);
    }
}

/* The key that identifies a row.  Returns false if it is not a row. */
static bool row_key(struct strbuf *out, enum top_view view, const json_t *json) {
    const char *id = json_get_hex(json, view == TOP_LINKS ? "node_id" : "peer_id", NODE_DIGITS);
    strbuf_clear(out);
    if (view == TOP_REQUESTS && json_is_object(json))
        request_key(out, json);
    else if (view == TOP_NODES && json_is_object(json))
        node_key(out, json);
    else if (view == TOP_PEERS && id)
        strbuf_puts(out, id);
    else if (view == TOP_LINKS && id && json_get_hex(json, "peer_id", NODE_DIGITS))
        strbuf_printf(out, "%s %s", id, json_get_text(json, "peer_id"));
    else if (view == TOP_KINDS && json_get_text(json, "kind"))
        strbuf_puts(out, json_get_text(json, "kind"));
    else if (view == TOP_TRACES && (id = json_get_hex(json, "trace_id", TRACE_DIGITS)))
        strbuf_puts(out, id);
    return out->bytes > 0;
}

/* An index of rows by their keys: {key: number}.  NULL when out of memory. */
static json_t *index_rows(const struct top_table *table) {
    json_t *index = json_object();
    for (size_t i = 0; index && i < table->row_count; i++) {
        if (!json_object_set_new(index, table->rows[i].key, json_integer((json_int_t)i))) continue;
        json_decref(index);
        index = NULL;
    }
    return index;
}

static void forget_lines(struct top_row *row) {
    for (unsigned i = 0; i < TOP_SERIES; i++)
        for (unsigned j = 0; j < TOP_SAMPLES; j++) row->series[i][j] = NAN;
}

static void update_row(struct top_row *row, json_t *json, const struct top_table *table, const struct top_moment *moment,
                       const struct names *names) {
    json_incref(json);
    json_decref(row->json);
    row->json = json;
    if (table->view == TOP_REQUESTS)
        top_requests_update(row, json, table->fed);
    else if (table->view == TOP_NODES)
        update_node(row, json, table->seconds, moment->past, names);
    else if (table->view == TOP_PEERS)
        update_peer(row, json, table->seconds, moment, names);
    else if (table->view == TOP_LINKS)
        update_link(row, json, names);
    else if (table->view == TOP_KINDS)
        update_kind(row, json);
    else
        update_trace(row, json, names);
    if (moment->past && !top_is_counted(table->view)) forget_lines(row); /* an average is no sample */
    row->counted = true;
}

void top_table_fini(struct top_table *table) {
    for (size_t i = 0; i < table->row_count; i++) top_row_fini(&table->rows[i]);
    free(table->rows);
    *table = (struct top_table){.view = table->view};
}

/* Moves the row with that key to *ret_row, or begins a new one.  average: counters began at 0. */
static void take_row(struct top_table *table, const json_t *index, const char *key, bool average, struct top_row *ret_row) {
    const json_t *number = json_object_get(index, key);
    struct top_row *old = number && !average ? &table->rows[json_integer_value(number)] : NULL;
    if (old && old->key) {
        *ret_row = *old;
        *old = (struct top_row){0};
    } else {
        top_row_init(ret_row, key);
        ret_row->counted = average;
    }
}

/* Moves rows that were not counted this time after the others; drops those without a value in their whole line. */
static size_t keep_silent(struct top_table *table, struct top_row *rows, size_t count, double seconds,
                          const struct top_moment *moment, const struct names *names) {
    for (size_t i = 0; i < table->row_count; i++) {
        struct top_row *old = &table->rows[i];
        json_t *silence = old->key && old->held + 1 < TOP_SAMPLES ? silence_new(old, seconds) : NULL;
        if (!silence) continue;
        rows[count] = *old;
        *old = (struct top_row){0};
        rows[count].held++;
        update_row(&rows[count++], silence, table, moment, names);
        json_decref(silence);
    }
    return count;
}

static size_t feed_rows(struct top_table *table, const json_t *list, struct top_row *rows, const json_t *index,
                        const struct top_moment *moment, const struct names *names) {
    bool average = moment->past && !top_is_counted(table->view);
    struct strbuf key = {0};
    size_t i, count = 0;
    json_t *json;
    json_array_foreach(list, i, json) {
        if (!row_key(&key, table->view, json)) continue;
        take_row(table, index, strbuf_text(&key), average, &rows[count]);
        if (!rows[count].key) continue;
        if (table->seconds <= 0 && !average) rows[count].counted = false;
        if (top_is_counted(table->view)) rows[count].held = 0;
        update_row(&rows[count++], json, table, moment, names);
    }
    strbuf_fini(&key);
    return count;
}

int top_table_feed(struct top_table *table, const json_t *answer, const struct names *names, const struct top_moment *moment) {
    const json_t *list = json_get_array(answer, rows_member(table->view));
    struct top_row *rows = calloc(json_array_size(list) + table->row_count + 1, sizeof *rows);
    json_t *index = index_rows(table);
    if (!rows || !index) {
        free(rows);
        json_decref(index);
        return -ENOMEM;
    }
    table->seconds = moment->past ? moment->seconds : table->time_ms ? (double)(moment->time_ms - table->time_ms) / 1e3 : 0;
    size_t count = feed_rows(table, list, rows, index, moment, names);
    if (top_is_counted(table->view)) count = keep_silent(table, rows, count, json_get_real(answer, "seconds", 0), moment, names);
    for (size_t i = 0; i < table->row_count; i++) top_row_fini(&table->rows[i]);
    free(table->rows);
    table->rows = rows;
    table->row_count = count;
    table->total = json_get_count(answer, "total");
    table->fed++;
    table->time_ms = moment->time_ms;
    json_decref(index);
    return 0;
}

void top_table_forget(struct top_table *table) {
    table->time_ms = 0;
    table->seconds = 0;
}

/* ---- sorting and filtering ---- */

static const char *row_text(const struct top_row *row, unsigned slot) { return row->texts[slot] ? row->texts[slot] : ""; }

struct order {
    const struct top_column *column;
    bool descending;
};

/* Unknown values come last in both directions. */
static int compare_values(double a, double b, bool descending) {
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    int result = (a > b) - (a < b);
    return descending ? -result : result;
}

static int compare_rows(const void *a, const void *b, void *context) {
    const struct top_row *x = *(const struct top_row *const *)a, *y = *(const struct top_row *const *)b;
    const struct order *order = context;
    unsigned slot = order->column->slot;
    int result;
    if (order->column->format == TOP_TEXT) {
        result = strverscmp(row_text(x, slot), row_text(y, slot));
        if (order->descending) result = -result;
    } else {
        result = compare_values(x->values[slot], y->values[slot], order->descending);
    }
    if (!result) result = strverscmp(row_text(x, 0), row_text(y, 0));
    return result ? result : strcmp(x->key, y->key);
}

static bool row_matches(const struct top_row *row, const char *filter) {
    size_t bytes = strlen(filter);
    if (bytes >= FILTER_ID_DIGITS && !strncasecmp(row->key, filter, bytes)) return true;
    for (unsigned i = 0; i < TOP_TEXTS; i++)
        if (strcasestr(row_text(row, i), filter)) return true;
    return false;
}

size_t top_table_select(const struct top_table *table, const char *filter, unsigned column, bool descending,
                        const struct top_row **ret_rows) {
    unsigned columns;
    struct order order = {.column = &top_columns(table->view, &columns)[column], .descending = descending};
    size_t count = 0;
    for (size_t i = 0; i < table->row_count; i++)
        if (row_matches(&table->rows[i], filter)) ret_rows[count++] = &table->rows[i];
    if (count) qsort_r(ret_rows, count, sizeof *ret_rows, compare_rows, &order);
    return count;
}
