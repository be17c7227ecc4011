/* SPDX-License-Identifier: MIT
 *
 * Filters of whole traces, and the bounds that filters give to an index. */
#include "filter_events.h"
#include "run.h"
#include <errno.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>

static const struct trace_filter_name node_names[] = {{{{0xa1, 0x1c, 0xe0}}, "alice"}, {{{0xb0, 0xb0}}, "bob"}};
static const struct trace_filter_names names = {.nodes = node_names, .node_count = COUNT_OF(node_names)};

static struct trace_filter *compile(const char *text, enum trace_filter_mode mode) {
    struct trace_filter *filter = NULL;
    struct trace_filter_error error;
    struct trace_filter_options options = {mode, EVENTS_NOW, &names};
    int status = trace_filter_compile(&filter, text, strlen(text), &options, &error);
    ck_assert_msg(status == 0, "%s: at %zu: %s", text, error.position, error.reason);
    return filter;
}

/* ---- whole traces ------------------------------------------------------------------------------------------------------- */

/* A trace of all the events of filter_events.h: one packet lost, three nodes, and a request that has not ended. */
static const struct trace_filter_summary trace = {
    .trace_id = {{0x4f, 0x2a}},
    .first_ns = EVENTS_NOW - UINT64_C(11000000000),
    .last_ns = EVENTS_NOW,
    .now_ns = EVENTS_NOW + UINT64_C(60000000000),
    .events = 12,
    .packets_lost = 1,
    .nodes = 3,
    .peers = 2,
    .outcome = TRACE_FILTER_OUTCOME_OPEN,
    .unfinished = true,
    .has_took = true,
    .took_ns = 300000000,
    .truncated = true,
    .has_app = true,
    .app_id = {'D', 'M', 'A', 'P'},
    .cmd = 2,
    .app = "DataMap",
    .command = "GET_CHUNK",
};

static const struct {
    const char *text;
    int without_events; /* what the summary alone decides */
    int matches;
} cases[] = {
    {"any packet_lost", -1, 1},
    {"any packet_lost and duration > 50ms and nodes >= 3", -1, 1},
    {"any packet_lost and nodes > 3", 0, 0},
    {"any packet_lost or nodes >= 3", 1, 1},
    {"any rtt > 1s", -1, 0},
    {"not any rtt > 1s", -1, 1},
    {"any not packet_lost", -1, 1},
    {"any (rtt > 100ms and peer == ca01)", -1, 1},
    {"any (rtt > 100ms and peer == bob)", -1, 0},
    {"any rtt > 100ms and peers == 2", -1, 1},
    {"all packet_lost", -1, 0},
    {"all (time > -1h)", -1, 1},
    {"all time > -1h and any node == bob", -1, 1},
    {"count(app_command) == 2", -1, 1},
    {"count(app_command) > 2", -1, 0},
    {"count(app_command) != 2", -1, 0},
    {"count(packet_sent or packet_lost) >= 2", -1, 1},
    {"count(rtt > 1h) < 1", -1, 1},
    {"count(rtt > 1h) < 0", -1, 0},
    {"count(fin) <= 0x1 and not all fin", -1, 1},
    {"duration > 50ms", 1, 1},
    {"duration == 11s", 1, 1},
    {"duration in {1s..10s}", 0, 0},
    {"took > 50ms and took <= 300ms", 1, 1},
    {"took > 300ms", 0, 0},
    {"age > 1m", 1, 1},
    {"age > 71s", 0, 0},
    {"unfinished and age >= 71s", 1, 1},
    {"unfinished == false", 0, 0},
    {"truncated", 1, 1},
    {"not truncated", 0, 0},
    {"outcome == open", 1, 1},
    {"outcome in {ok, failed}", 0, 0},
    {"outcome != none", 1, 1},
    {"outcome ~ op*", 1, 1},
    {"events == 12 and packets_lost == 1 and nodes == 3 and peers == 2", 1, 1},
    {"first < -10s and last >= -0s", 1, 1},
    {"first > -10s", 0, 0},
    {"trace == 4f", 1, 1},
    {"trace_id == 4f2b", 0, 0},
    {"trace ~ '4f2a*'", 1, 1},
    {"app == DMAP and app == DataMap and app_id == DMAP", 1, 1},
    {"app == NOPE", 0, 0},
    {"app ~ Data*", 1, 1},
    {"command == GET_CHUNK and command == 2 and cmd == 2 and command != 3", 1, 1},
    {"command == null", 0, 0},
};

static int decide(const struct trace_filter *filter, const struct trace_filter_summary *summary) {
    struct test_event events[sizeof EVENTS_ALL];
    struct trace_filter_tally tally = {0};
    unsigned count = make_events(events);
    for (unsigned i = 0; i < count; i++) trace_filter_tally_add(filter, &tally, &events[i].event, &events[i].origin);
    return trace_filter_decide(filter, &tally, summary);
}

START_TEST(a_trace_is_chosen_by_its_summary_and_by_its_events) {
    struct trace_filter *filter = compile(cases[_i].text, TRACE_FILTER_TRACES);
    int known = trace_filter_decide(filter, NULL, &trace), decided = decide(filter, &trace);
    ck_assert_msg(known == cases[_i].without_events, "%s: %d without events", cases[_i].text, known);
    ck_assert_msg(decided == cases[_i].matches, "%s: %d", cases[_i].text, decided);
    trace_filter_destroy(filter);
}
END_TEST

START_TEST(a_trace_without_an_application_has_none_of_its_fields) {
    static const char *const texts[] = {"app == DMAP",     "app != DMAP", "command == 2", "command != 2",
                                        "command == null", "cmd < 5",     "app ~ *"};
    struct trace_filter_summary plain = trace;
    plain.has_app = false;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct trace_filter *filter = compile(texts[i], TRACE_FILTER_TRACES);
        ck_assert_msg(trace_filter_decide(filter, NULL, &plain) == 0, "%s", texts[i]);
        trace_filter_destroy(filter);
    }
    plain.has_app = true;
    plain.app = plain.command = NULL;
    struct trace_filter *filter =
        compile("command == null and app == DMAP and not app == DataMap and not command == GET_CHUNK", TRACE_FILTER_TRACES);
    ck_assert_int_eq(trace_filter_decide(filter, NULL, &plain), 1);
    trace_filter_destroy(filter);
}
END_TEST

START_TEST(mistakes_in_a_filter_of_traces_are_reported) {
    static const struct {
        const char *text;
        size_t position, length;
        const char *reason, *suggestion;
    } mistakes[] = {
        {"rtt > 5ms", 0, 3, "\"rtt\" belongs to events; for a trace, use any, all or count", "any rtt"},
        {"packet_lost", 0, 11, "\"packet_lost\" belongs to events", "any packet_lost"},
        {"metrics.rtt > 5ms", 0, 11, "belongs to events", "any metrics.rtt"},
        {"sampled", 0, 7, "belongs to events", "any sampled"},
        {"durations > 5ms", 0, 9, "traces have no field \"durations\"", "duration"},
        {"took > 50", 7, 2, "took needs a unit: ns, us, ms, s, m or h", "50ms"},
        {"duration in {0..5}", 16, 1, "duration needs a unit", "5ms"},
        {"age > 10", 6, 2, "age needs a unit", "10s"},
        {"nodes > 5ms", 9, 2, "nodes is a number without a unit, not a time", ""},
        {"outcome == fine", 11, 4, "outcome is never \"fine\"", ""},
        {"outcome == opne", 11, 4, "outcome is never \"opne\"", "open"},
        {"any", 0, 3, "`any` needs a filter of events after it", ""},
        {"any duration > 5ms", 4, 8, "\"duration\" is a field of traces; this asks about events", ""},
        {"any any fin", 4, 3, "there is no field or kind \"any\"", ""},
        {"count(fin)", 10, 0, "a count must be compared with a number", ""},
        {"count fin", 0, 5, "count is written count(EVENT FILTER)", ""},
        {"count(fin) > many", 13, 4, "a count is a number without a unit", ""},
        {"count(fin", 5, 1, "this ( is not closed", ""},
        {"nodes", 0, 5, "\"nodes\" must be compared", ""},
    };
    for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
        struct trace_filter *filter;
        struct trace_filter_error error = {0};
        struct trace_filter_options options = {TRACE_FILTER_TRACES, EVENTS_NOW, NULL, .typed = true};
        const char *text = mistakes[i].text;
        ck_assert_msg(trace_filter_compile(&filter, text, strlen(text), &options, &error) == -EINVAL, "%s", text);
        ck_assert_msg(error.position == mistakes[i].position && error.length == mistakes[i].length, "%s: %zu, %zu: %s", text,
                      error.position, error.length, error.reason);
        ck_assert_msg(strstr(error.reason, mistakes[i].reason) != NULL, "%s: %s", text, error.reason);
        ck_assert_msg(!strcmp(error.suggestion, mistakes[i].suggestion), "%s: %s", text, error.suggestion);
    }
}
END_TEST

START_TEST(tests_of_a_trace_s_events_are_limited) {
    char text[1000] = "any fin";
    struct trace_filter_options options = {TRACE_FILTER_TRACES, EVENTS_NOW, NULL};
    struct trace_filter_error error;
    struct trace_filter *filter;
    for (unsigned i = 1; i < TRACE_FILTER_SUBS_MAX; i++) strcat(text, " and any fin");
    ck_assert_int_eq(trace_filter_compile(&filter, text, strlen(text), &options, &error), 0);
    trace_filter_destroy(filter);
    strcat(text, " and any fin");
    ck_assert_int_eq(trace_filter_compile(&filter, text, strlen(text), &options, &error), -EINVAL);
}
END_TEST

/* ---- bounds ------------------------------------------------------------------------------------------------------------- */

#define KIND(NAME) (UINT64_C(1) << TRACE_KIND_##NAME)
#define NOW EVENTS_NOW
#define SECOND UINT64_C(1000000000)
#define ALL UINT64_MAX

static const struct {
    const char *text;
    uint64_t kinds, min_ns, max_ns;
    const char *trace, *peer; /* hex */
} bounds_cases[] = {
    {"fin", KIND(STREAM_DATA), 0, ALL, "", ""},
    {"rtt > 100ms", KIND(METRICS) | KIND(CONN_ESTABLISHED), 0, ALL, "", ""},
    {"rtt > 100ms and metrics", KIND(METRICS), 0, ALL, "", ""},
    {"packet_sent or packet_lost", KIND(PACKET_SENT) | KIND(PACKET_LOST), 0, ALL, "", ""},
    {"not packet_sent", ~KIND(PACKET_SENT), 0, ALL, "", ""},
    {"not rtt > 100ms", ALL, 0, ALL, "", ""},
    {"packet_sent and metrics", 0, 0, ALL, "", ""},
    {"kind in {metrics, app_command, app_start} and not app_start", KIND(METRICS) | KIND(APP_COMMAND), 0, ALL, "", ""},
    {"space ~ 'there is none'", 0, 0, ALL, "", ""},
    {"app == DMAP", KIND(APP_COMMAND) | KIND(APP_START) | KIND(APP_END), 0, ALL, "", ""},
    {"DMAP.size > 5", KIND(APP_COMMAND), 0, ALL, "", ""},
    {"sampled or not sampled", ALL, 0, ALL, "", ""},
    {"time > -5s", ALL, NOW - 5 * SECOND + 1, ALL, "", ""},
    {"time >= -5s", ALL, NOW - 5 * SECOND, ALL, "", ""},
    {"time < -5s", ALL, 0, NOW - 5 * SECOND - 1, "", ""},
    {"time <= -5s and time > -6s", ALL, NOW - 6 * SECOND + 1, NOW - 5 * SECOND, "", ""},
    {"time <= -5s or time <= -7s", ALL, 0, NOW - 5 * SECOND, "", ""},
    {"time == -5s or time == -8s", ALL, NOW - 8 * SECOND, NOW - 5 * SECOND, "", ""},
    {"time in {-5s, -9s..-8s}", ALL, NOW - 9 * SECOND, NOW - 5 * SECOND, "", ""},
    {"not time < -5s", ALL, NOW - 5 * SECOND, ALL, "", ""},
    {"not time > -5s", ALL, 0, NOW - 5 * SECOND, "", ""},
    {"not (time < -5s or time > -1s)", ALL, NOW - 5 * SECOND, NOW - SECOND, "", ""},
    {"not (time > -5s and time > -1s)", ALL, 0, NOW - SECOND, "", ""},
    {"not time in {-5s, -2s}", ALL, 0, ALL, "", ""},
    {"not time in {0..1767225600000000, -2s}", ALL, UINT64_C(1767225600000001000), ALL, "", ""},
    {"time != -5s", ALL, 0, ALL, "", ""},
    {"not time != -5s", ALL, NOW - 5 * SECOND, NOW - 5 * SECOND, "", ""},
    {"time > -5s or fin", ALL, 0, ALL, "", ""},
    {"time > -5s and fin", KIND(STREAM_DATA), NOW - 5 * SECOND + 1, ALL, "", ""},
    {"trace == 4f2a", ALL, 0, ALL, "4f2a", ""},
    {"trace == 4f2a and fin and peer == b0b0", KIND(STREAM_DATA), 0, ALL, "4f2a", "b0b0"},
    {"trace == 4 and trace == 4f2", ALL, 0, ALL, "4f2", ""},
    {"trace == 4f or fin", ALL, 0, ALL, "", ""},
    {"not trace == 4f", ALL, 0, ALL, "", ""},
    {"trace != 4f", ALL, 0, ALL, "", ""},
    {"trace in {4f, 4e}", ALL, 0, ALL, "", ""},
    {"trace ~ '4f*'", ALL, 0, ALL, "", ""},
    {"peer == bob", ALL, 0, ALL, "", "b0b0000000000000000000000000000000000000000000000000000000000000"},
    {"peer == null", ALL, 0, ALL, "", ""},
};

static void check_prefix(const char *text, const struct trace_id_prefix *prefix, const char *expected) {
    struct trace_id_prefix wanted = {0};
    if (*expected) ck_assert_int_eq(trace_id_prefix_parse(&wanted, expected, 64), 0);
    ck_assert_msg(prefix->digits == wanted.digits && !memcmp(prefix->bytes, wanted.bytes, sizeof wanted.bytes), "%s: %u digits",
                  text, prefix->digits);
}

/* For a filter that means one id or prefix; none: any peer may match. */
static struct trace_id_prefix peer_of(const struct trace_filter *filter) {
    struct trace_id_prefix prefix = {0};
    struct trace_node_id id;
    size_t count;
    if (!trace_filter_peers(filter, &prefix, &id, 1, &count)) return (struct trace_id_prefix){0};
    ck_assert_uint_eq(count, !prefix.digits);
    if (!count) return prefix;
    prefix.digits = 2 * sizeof id;
    memcpy(prefix.bytes, id.bytes, sizeof id);
    return prefix;
}

START_TEST(a_filter_knows_what_all_its_matches_share) {
    struct trace_filter *filter = compile(bounds_cases[_i].text, TRACE_FILTER_EVENTS);
    struct trace_filter_bounds bounds;
    trace_filter_bounds(filter, &bounds);
    ck_assert_msg(bounds.kinds == bounds_cases[_i].kinds, "%s: kinds %llx", bounds_cases[_i].text,
                  (unsigned long long)bounds.kinds);
    ck_assert_msg(bounds.min_ns == bounds_cases[_i].min_ns && bounds.max_ns == bounds_cases[_i].max_ns, "%s: %lld to %lld",
                  bounds_cases[_i].text, (long long)(bounds.min_ns - NOW), (long long)(bounds.max_ns - NOW));
    check_prefix(bounds_cases[_i].text, &bounds.trace, bounds_cases[_i].trace);
    struct trace_id_prefix peer = peer_of(filter);
    check_prefix(bounds_cases[_i].text, &peer, bounds_cases[_i].peer);
    trace_filter_destroy(filter);
}
END_TEST

START_TEST(an_empty_time_range_is_reported_as_empty) {
    struct trace_filter *filter = compile("time > -1s and time < -2s", TRACE_FILTER_EVENTS);
    struct trace_filter_bounds bounds;
    trace_filter_bounds(filter, &bounds);
    ck_assert_uint_gt(bounds.min_ns, bounds.max_ns);
    trace_filter_destroy(filter);
}
END_TEST

static const struct {
    const char *text;
    bool limits, alice, bob;
} node_cases[] = {
    {"node == alice", true, true, false},
    {"node == alice and fin", true, true, false},
    {"node == alice or fin", false, true, true},
    {"not node == alice", true, false, true},
    {"node != alice", true, false, true},
    {"not (node == alice or fin)", true, false, true},
    {"not (node == alice and fin)", false, true, true},
    {"node in {alice, bob}", true, true, true},
    {"node ~ a*", true, true, false},
    {"node == b0", true, false, true},
    {"node == alice and fin or node == bob and sent", true, true, true},
    {"node == carol", true, false, false},
    {"fin", false, true, true},
};

START_TEST(a_filter_knows_which_nodes_it_can_match) {
    struct trace_filter *filter = compile(node_cases[_i].text, TRACE_FILTER_EVENTS);
    ck_assert_msg(trace_filter_limits_nodes(filter) == node_cases[_i].limits, "%s", node_cases[_i].text);
    ck_assert_msg(trace_filter_allows_node(filter, &id_alice, "alice") == node_cases[_i].alice, "%s: alice", node_cases[_i].text);
    ck_assert_msg(trace_filter_allows_node(filter, &id_bob, "bob") == node_cases[_i].bob, "%s: bob", node_cases[_i].text);
    trace_filter_destroy(filter);
}
END_TEST

START_TEST(a_filter_reports_what_it_needs_besides_the_event) {
    static const struct {
        const char *text;
        unsigned uses;
        bool names;
    } uses[] = {
        {"rtt > 5ms", 0, false},
        {"node == alice", TRACE_FILTER_USES_NODE, true},
        {"node == a1", TRACE_FILTER_USES_NODE, true},
        {"node == a11ce00000000000000000000000000000000000000000000000000000000000", TRACE_FILTER_USES_NODE,
         true}, /* an alias, perhaps */
        {"peer == alice", TRACE_FILTER_USES_PEER, true},
        {"peer ~ a*", TRACE_FILTER_USES_PEER, true},
        {"peer == null", 0, false},
        {"lane == 1", TRACE_FILTER_USES_LANE, false},
        {"DMAP.size > 5", TRACE_FILTER_USES_APP, false},
        {"app == DMAP or command == 5", TRACE_FILTER_USES_APP, false},
        {"app_id == DMAP and cmd == 5", 0, false},
    };
    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        struct trace_filter *filter = compile(uses[i].text, TRACE_FILTER_EVENTS);
        ck_assert_msg(trace_filter_uses(filter) == uses[i].uses, "%s: %u", uses[i].text, trace_filter_uses(filter));
        ck_assert_msg(trace_filter_uses_names(filter) == uses[i].names, "%s", uses[i].text);
        trace_filter_destroy(filter);
    }
}
END_TEST

/* ---- aliases ------------------------------------------------------------------------------------------------------------- */

/* 7700... is bob according to bob; node.example:1 is bob according to alice. */
static int try_with_aliases(const char *text, struct trace_filter **ret_filter) {
    struct trace_filter_alias aliases[2] = {{.peer_id = id_bob, .own = true}, {.peer_id = id_bob, .by = id_alice}};
    struct trace_filter_names with = {.complete = true, .aliases = aliases, .alias_count = 2};
    struct trace_filter_options options = {.names = &with};
    struct trace_filter_error error;
    memset(aliases[0].alias_id.bytes, 0x77, sizeof aliases[0].alias_id);
    memset(aliases[1].alias_id.bytes, 0x88, sizeof aliases[1].alias_id);
    strcpy(aliases[1].text, "node.example:1");
    return trace_filter_compile(ret_filter, text, strlen(text), &options, &error);
}

static struct trace_filter *compile_with_aliases(const char *text) {
    struct trace_filter *filter;
    ck_assert_int_eq(try_with_aliases(text, &filter), 0);
    return filter;
}

START_TEST(an_alias_means_the_peer_only_in_its_claimant_s_events) {
    static const struct {
        const char *text;
        bool of_alice, of_bob; /* does it match an event of that node whose peer is bob? */
    } alias_cases[] = {
        {"peer == 77", true, true},   {"peer == node.example:1", true, false},     {"peer ~ \"node.*\"", true, false},
        {"peer == 88", true, false},  {"not peer == node.example:1", false, true}, {"peer != 77", false, false},
        {"peer == 99", false, false}, {"peer == 192.0.2.1:1", false, false},       {"node == 77", false, true},
        {"node == 88", false, false},
    };
    const struct trace_filter_origin by_alice = {.node_id = &id_alice}, by_bob = {.node_id = &id_bob};
    struct trace_event event = {.kind = TRACE_KIND_PACKET_SENT, .flags = TRACE_FLAG_HAS_PEER, .peer_id = id_bob};
    for (size_t i = 0; i < COUNT_OF(alias_cases); i++) {
        struct trace_filter *filter = compile_with_aliases(alias_cases[i].text);
        ck_assert_msg(trace_filter_match(filter, &event, &by_alice) == alias_cases[i].of_alice, "%s: alice", alias_cases[i].text);
        ck_assert_msg(trace_filter_match(filter, &event, &by_bob) == alias_cases[i].of_bob, "%s: bob", alias_cases[i].text);
        trace_filter_destroy(filter);
    }
}
END_TEST

START_TEST(an_event_is_found_by_its_own_id_and_by_the_resolved_one) {
    struct trace_event event = {.kind = TRACE_KIND_PACKET_SENT, .flags = TRACE_FLAG_HAS_PEER, .peer_id.bytes = {0x99}};
    const struct trace_filter_origin origin = {.node_id = &id_alice, .peer_id = &id_bob};
    const char *texts[] = {"peer == 99", "peer == 77", "peer == 88", "peer ~ 99*"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct trace_filter *filter = compile_with_aliases(texts[i]);
        ck_assert_msg(trace_filter_match(filter, &event, &origin), "%s", texts[i]);
        trace_filter_destroy(filter);
    }
}
END_TEST

START_TEST(an_alias_of_a_peer_names_no_node) {
    struct trace_filter *filter;
    ck_assert_int_eq(try_with_aliases("node == node.example:1", &filter), -EINVAL);
}
END_TEST

START_TEST(a_match_has_a_peer_of_this_id_or_one_that_it_is_an_alias_of) {
    const struct {
        const char *text;
        unsigned digits;
        size_t count;
    } asked[] = {{"peer == 77", 2, 1}, {"peer == 99", 2, 0}, {"peer == 77 and fin", 2, 1}};
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct trace_filter *filter = compile_with_aliases(asked[i].text);
        struct trace_id_prefix prefix;
        struct trace_node_id ids[4];
        size_t count;
        ck_assert(trace_filter_peers(filter, &prefix, ids, COUNT_OF(ids), &count));
        ck_assert_msg(prefix.digits == asked[i].digits && count == asked[i].count, "%s: %u digits, %zu ids", asked[i].text,
                      prefix.digits, count);
        if (count) ck_assert_int_eq(memcmp(&ids[0], &id_bob, sizeof id_bob), 0);
        trace_filter_destroy(filter);
    }
}
END_TEST

/* The hash of what names mean if these `count` nodes are known. */
static uint64_t names_hash(const char *text, const struct trace_filter_name *nodes, size_t count) {
    struct trace_filter_names known = {.nodes = nodes, .node_count = count};
    struct trace_filter_options options = {.now_ns = 1, .names = &known};
    struct trace_filter_error error;
    struct trace_filter *filter;
    ck_assert_msg(trace_filter_compile(&filter, text, strlen(text), &options, &error) == 0, "%s: %s", text, error.reason);
    uint64_t hash = trace_filter_names_hash(filter);
    trace_filter_destroy(filter);
    return hash;
}

START_TEST(a_name_that_now_means_different_peers_is_noticed) {
    const struct trace_filter_name bob = {id_bob, "bob"}, other = {id_alice, "bob"}, ab = {id_alice, "ab"};
    const struct trace_filter_name both[] = {bob, other}, swapped[] = {other, bob}, twice[] = {bob, bob}, beside[] = {bob, ab};
    for (unsigned i = 0; i < 3; i++) {
        static const char *const texts[] = {"peer == bob", "size > 5 or not peer ~ b*", "peer in {bob, a1}"};
        uint64_t hash = names_hash(texts[i], &bob, 1);
        ck_assert_msg(hash != names_hash(texts[i], NULL, 0), "%s: forgotten", texts[i]);
        ck_assert_msg(hash != names_hash(texts[i], &other, 1), "%s: another", texts[i]);
        ck_assert_msg(hash != names_hash(texts[i], both, 2), "%s: one more", texts[i]);
        ck_assert_msg(names_hash(texts[i], both, 2) == names_hash(texts[i], swapped, 2), "%s: in another order", texts[i]);
        ck_assert_msg(hash == names_hash(texts[i], twice, 2), "%s: another log of the same", texts[i]);
        ck_assert_msg(hash == names_hash(texts[i], beside, 2), "%s: one that is not meant", texts[i]);
    }
    /* An event has its node's name: even if the node is forgotten, the name keeps its meaning. */
    ck_assert_uint_eq(names_hash("node == bob", &bob, 1), names_hash("node == bob", NULL, 0));
    ck_assert_uint_eq(names_hash("node ~ b*", &bob, 1), names_hash("node ~ b*", NULL, 0));
    /* A name, or the beginning of ids. */
    ck_assert_uint_ne(names_hash("node == ab", &ab, 1), names_hash("node == ab", &bob, 1));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter_trace");
    TCase *tcase = tcase_create("traces");
    tcase_add_loop_test(tcase, a_trace_is_chosen_by_its_summary_and_by_its_events, 0, COUNT_OF(cases));
    tcase_add_test(tcase, a_trace_without_an_application_has_none_of_its_fields);
    tcase_add_test(tcase, mistakes_in_a_filter_of_traces_are_reported);
    tcase_add_test(tcase, tests_of_a_trace_s_events_are_limited);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("bounds");
    tcase_add_loop_test(tcase, a_filter_knows_what_all_its_matches_share, 0, COUNT_OF(bounds_cases));
    tcase_add_test(tcase, an_empty_time_range_is_reported_as_empty);
    tcase_add_loop_test(tcase, a_filter_knows_which_nodes_it_can_match, 0, COUNT_OF(node_cases));
    tcase_add_test(tcase, a_filter_reports_what_it_needs_besides_the_event);
    tcase_add_test(tcase, an_alias_means_the_peer_only_in_its_claimant_s_events);
    tcase_add_test(tcase, an_event_is_found_by_its_own_id_and_by_the_resolved_one);
    tcase_add_test(tcase, an_alias_of_a_peer_names_no_node);
    tcase_add_test(tcase, a_match_has_a_peer_of_this_id_or_one_that_it_is_an_alias_of);
    tcase_add_test(tcase, a_name_that_now_means_different_peers_is_noticed);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
