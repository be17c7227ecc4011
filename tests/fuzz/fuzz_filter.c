/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the filter language (proto/filter.h) against any text, and any event.
 *
 * The input's first byte has flags: 1: a filter of traces; 2: names and applications are known; 4: and there are no others.
 * Then comes the text; after a NUL, if there is one, an event of up to 128 bytes and the 42 data bytes of an application's.
 * Checked beyond the sanitizers: an error lies within the text, matches lie within the bounds given to an index, and as SQL a
 * filter stays one expression.
 *
 * fuzz.h says how it runs. */
#include "fuzz.h"

#include <errno.h>
#include <proto/filter_sql.h>

static const struct trace_app app = {
    .app_id = {'D', 'M', 'A', 'P'},
    .name = "DataMap",
    .command_count = 1,
    .field_count = 200, /* more than there are: a node may claim that */
    .commands = {{2, "GET_CHUNK"}},
    .fields = {{"hash", TRACE_APP_HASH, 0, 8, 0},
               {"size", TRACE_APP_UNSIGNED, 8, 4, 0},
               {"path", TRACE_APP_TEXT, 12, 8, 0},
               {"odd", TRACE_APP_UNSIGNED, 0, 3, 0},
               {"far", TRACE_APP_BYTES, 200, 200, 0}},
};
static const struct trace_app *const apps[] = {&app};
static const struct trace_filter_name nodes[] = {{{{0xa1, 0x1c, 0xe0}}, "alice"}, {{{0xb0, 0xb0}}, "bob"}};

/* Among those that trace_filter_peers gives? */
static bool has_peer_of(const struct trace_filter *filter, const struct trace_event *event) {
    struct trace_id_prefix prefix;
    struct trace_node_id list[64];
    size_t count, max = sizeof list / sizeof *list;
    if (!trace_filter_peers(filter, &prefix, list, max, &count)) return true;
    for (size_t i = 0; i < count && i < max; i++)
        if (!memcmp(&list[i], &event->peer_id, sizeof event->peer_id)) return true;
    return count > max || (prefix.digits && trace_id_prefix_matches(&prefix, event->peer_id.bytes));
}

static void ask_event(const struct trace_filter *filter, const struct trace_event *event) {
    struct trace_filter_origin origin = {&nodes[0].id, "alice", 1, &app};
    struct trace_filter_bounds bounds;
    trace_filter_bounds(filter, &bounds);
    if (!trace_filter_match(filter, event, &origin)) return;
    REQUIRE(trace_filter_allows_kind(filter, event->kind));
    REQUIRE(bounds.kinds >> (event->kind < 63 ? event->kind : 63) & 1);
    REQUIRE(event->timestamp >= bounds.min_ns && event->timestamp <= bounds.max_ns);
    REQUIRE(trace_id_prefix_matches(&bounds.trace, event->trace_id.bytes));
    REQUIRE(has_peer_of(filter, event));
    REQUIRE(trace_filter_allows_node(filter, origin.node_id, origin.node_name));
}

static void ask_trace(const struct trace_filter *filter, const struct trace_event *event) {
    const struct trace_filter_origin origin = {&nodes[1].id, NULL, 0, &app};
    struct trace_filter_summary summary = {.events = 1,
                                           .nodes = 1,
                                           .last_ns = 5,
                                           .now_ns = 9,
                                           .has_app = true,
                                           .has_took = true,
                                           .took_ns = 4,
                                           .app_id = {'D', 'M', 'A', 'P'}};
    struct trace_filter_tally tally = {0};
    int known = trace_filter_decide(filter, NULL, &summary);
    trace_filter_tally_add(filter, &tally, event, &origin);
    int decided = trace_filter_decide(filter, &tally, &summary);
    REQUIRE(decided == 0 || decided == 1);
    REQUIRE(known == -1 || known == decided);
}

/* The condition stays one expression, whatever texts the filter, names and applications have: its quotes and parentheses are
 * closed, and outside of quotes is nothing that could end it. */
static void ask_sql(const struct trace_filter *filter) {
    const struct trace_filter_sql_log logs[] = {{{{0xaa}}, 1, "alice", apps, 1, "a' or 1 --\\"},
                                                {{{0xbb}}, 2, "b')\\'\n;", NULL, 0, NULL}};
    struct trace_text out = {0};
    bool quoted = false;
    long depth = 0;
    trace_filter_sql(filter, logs, 2, "time_ns", "peer_id", &out);
    REQUIRE(!out.failed && out.bytes > 0);
    for (size_t i = 0; i < out.bytes; i++) {
        char c = out.data[i];
        if (c == '\'') quoted = !quoted;
        if (quoted && c == '\\') REQUIRE(++i < out.bytes);
        if (quoted) continue;
        REQUIRE(c >= ' ' && c < 0x7f && !strchr(";#\\", c));
        REQUIRE(c != '-' || i + 1 == out.bytes || out.data[i + 1] != '-');
        depth += (c == '(') - (c == ')');
        REQUIRE(depth >= 0);
    }
    REQUIRE(!quoted && depth == 0);
    trace_text_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint8_t flags = bytes ? *data : 0;
    const char *text = (const char *)data + (bytes != 0);
    size_t text_bytes = strnlen(text, bytes - (bytes != 0)), rest = bytes - (bytes != 0) - text_bytes;
    struct trace_event event = {.kind = TRACE_KIND_APP_COMMAND};
    struct trace_filter_names names = {nodes, 2, apps, 1, (flags & 4) != 0};
    struct trace_filter_options options = {flags & 1 ? TRACE_FILTER_TRACES : TRACE_FILTER_EVENTS, UINT64_C(1767225600123456789),
                                           flags & 2 ? &names : NULL};
    struct trace_filter_error error = {0};
    struct trace_filter *filter;
    if (rest > 1) memcpy(&event, text + text_bytes + 1, rest - 1 < sizeof event ? rest - 1 : sizeof event);
    int status = trace_filter_compile(&filter, text, text_bytes, &options, &error);
    if (status) {
        REQUIRE(status == -EINVAL);
        REQUIRE(error.position <= text_bytes && error.length <= text_bytes - error.position && error.reason[0]);
        return 0;
    }
    if (flags & 1)
        ask_trace(filter, &event);
    else
        ask_event(filter, &event), ask_sql(filter);
    trace_filter_destroy(filter);
    return 0;
}
