/* SPDX-License-Identifier: MIT
 *
 * `inspector top` without a terminal (inspector/top/top.h): what keys do, and how the screen is drawn. */
#include "top.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW UINT64_C(1767225600000000000) /* 2026-01-01 00:00:00 */
#define PEERS 30

static struct names names;
static struct top top;
static uint64_t time_ms;

static void feed(struct top_page *page, json_t *answer_new) {
    struct top_moment moment = {.time_ms = time_ms};
    ck_assert_ptr_nonnull(answer_new);
    top_feed(&top, page, answer_new, "", &moment);
    ck_assert(!top.failed);
    json_decref(answer_new);
}

static json_t *id_new(unsigned i, unsigned digits) {
    char text[65];
    snprintf(text, sizeof text, "%02x%0*u", i, (int)digits - 2, 0);
    return json_string(text);
}

/* A group of node 1 and a peer, in an answer to `count` by node, peer and kind. */
static json_t *group_new(unsigned peer, const char *kind, unsigned count, unsigned rtt) {
    return json_pack("{s{so,so,ss},si,s{si}}", "group", "node", id_new(1, 64), "peer", id_new(peer, 64), "kind", kind, "count",
                     count, "value", rtt ? "p50" : "none", rtt);
}

/* Two seconds of two links; the second one loses packets. */
static json_t *count_new(unsigned n) {
    return json_pack("{sf,s[ooooo]}", "seconds", 2.0, "rows", group_new(3, "packet_sent", 100, 0),
                     group_new(3, "packet_received", 80, 0), group_new(3, "metrics", 4, 1000000 * n),
                     group_new(2, "packet_sent", 40, 0), group_new(2, "packet_lost", 10, 0));
}

/* traced's n-th answer: peer 7 loses packets, and its rtt rises. */
static void feed_all(unsigned n) {
    json_t *peers = json_array(), *nodes = json_array(), *traces = json_array();
    time_ms += 1000;
    for (unsigned i = 0; i < PEERS; i++) {
        json_t *nothing = json_array();
        json_array_append_new(peers,
                              json_pack("{so,si,si,si,si,si,si,si,s{sI}}", "peer_id", id_new(i, 64), "packets_sent", 100 * n,
                                        "packets_received", 90 * n, "packets_lost", i == 7 ? 25 * n : 0, "bytes_sent", 120000 * n,
                                        "bytes_received", 9 * n, "rtt", i == 7 ? 1000000 * n : 1500000, "min_rtt", 1000000,
                                        "heard", "timestamp", (json_int_t)(NOW / 1000 - 2000000)));
        json_array_append_new(traces, json_pack("{so,s{si},si,ss,so}", "trace_id", id_new(i, 32), "first", "timestamp", 1000 + i,
                                                "duration", 1000 * i, "outcome", "ok", "nodes", nothing));
    }
    json_array_append_new(nodes, json_pack("{so,ss,ss,si,si,si}", "node_id", id_new(1, 64), "name", "alice", "state", "live",
                                           "emitted", 1000 * n, "indexed", 1000 * n, "lost", 0));
    json_t *answer = json_pack("{so}", "nodes", nodes);
    names_learn(&names, answer);
    feed(&top.roots[TOP_NODES], answer);
    feed(&top.roots[TOP_PEERS], json_pack("{so}", "peers", peers));
    feed(&top.roots[TOP_TRACES], json_pack("{so}", "traces", traces));
    feed(&top.roots[TOP_KINDS], json_pack("{sf,si,s[{s{ss},si},{s{ss},si}]}", "seconds", 2.0, "events", 400, "rows", "group",
                                          "kind", "packet_sent", "count", 300, "group", "kind", "packet_lost", "count", 100));
    feed(&top.roots[TOP_LINKS], count_new(n));
    json_t *stats = json_pack("{s{si,s{si}},s{si,si,si}}", "ingest", "events", 1000 * n, "lost", "overwritten", 3 * n, "history",
                              "events", 1000 * n, "events_max", 1000000, "traces", PEERS);
    top_feed_stats(&top, stats, time_ms, NOW);
    json_decref(stats);
}

static void setup(void) {
    ck_assert_int_eq(names_init(&names), 0);
    top_init(&top, &names);
    top.utf8 = top.utc = true;
    time_ms = 1000;
    for (unsigned n = 1; n <= 3; n++) feed_all(n);
    top_key(&top, '2', NOW);
}

static void teardown(void) {
    top_fini(&top);
    names_fini(&names);
}

/* ---- helpers ---- */

static enum top_action key(uint32_t code) { return top_key(&top, code, NOW); }

static void type(const char *text) {
    for (; *text; text++) key((uint32_t)*text);
}

/* Line `number` of the screen. */
static const char *line(unsigned number) {
    static char text[1024];
    struct strbuf screen = {0};
    top_draw(&screen, &top);
    const char *at = strbuf_text(&screen);
    while (number-- && at) at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    ck_assert_ptr_nonnull(at);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
    strbuf_fini(&screen);
    return text;
}

/* The number that the peer's id begins with, where the cursor is. */
static unsigned chosen(void) {
    const struct top_page *page = top_page(&top);
    ck_assert_uint_lt(page->cursor, page->shown_count);
    return (unsigned)strtoul((char[]){page->shown[page->cursor]->key[0], page->shown[page->cursor]->key[1], 0}, NULL, 16);
}

/* ---- the screen ---- */

START_TEST(a_screen_matches_its_golden_file) {
    static const char *const expected[] = {
        "00:00:00  1 live  LOST 3.0/s, in all 9  1.0k events/s  every 1 s",
        "history 3.0k of 1.0M events, 30 traces",
        " 0 requests  1 nodes [2 peers] 3 links  4 kinds  5 traces   by loss v",
        "   peer        loss               rtt              heard  lost/s  sent/s  rcvd/s",
        "\x1b[7m>! 07000000   25.0%       ██  3.00 ms       ▄▆█   2.00 s      25     100      90\x1b[0m",
        "   00000000    0.0%       ▁▁  1.50 ms       ███   2.00 s       0     100      90",
    };
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) ck_assert_str_eq(line(i), expected[i]);
    top.utf8 = false;
    ck_assert_str_eq(line(5), "   00000000    0.0%       __  1.50 ms       ###   2.00 s       0     100      90");
}
END_TEST

START_TEST(links_and_kinds_are_drawn_as_they_were_counted) {
    key('3');
    ck_assert_str_eq(line(4), "\x1b[7m>! alice     02000000   25.0%          ███        -                  5.0      20\x1b[0m");
    ck_assert_str_eq(line(5), "   alice     03000000    0.0%          ▁▁▁  3.00 ms          ▄▆█       0      50");
    key('4');
    ck_assert_str_eq(line(4), "\x1b[7m>  packet_sent            150                                ███   75.0%     300\x1b[0m");
    ck_assert_str_eq(line(5), "   packet_lost             50                                ███   25.0%     100");
}
END_TEST

/* The words are there, and each character of the screen is printable or part of one of our colours. */
static void check_screen(const char *what) {
    struct strbuf screen = {0};
    unsigned lines = 0;
    top_draw(&screen, &top);
    for (const char *at = strbuf_text(&screen), *end; *at; at = end + 1, lines++) {
        ck_assert_ptr_nonnull(end = strchr(at, '\n'));
        unsigned columns = text_columns(at, (size_t)(end - at));
        ck_assert_msg(columns <= top.columns, "%s, %ux%u: line %u has %u columns", what, top.columns, top.lines, lines, columns);
    }
    ck_assert_msg(lines == top.lines, "%s: %u lines of %u", what, lines, top.lines);
    strbuf_fini(&screen);
}

static const unsigned sizes[][2] = {{24, 80}, {40, 120}, {10, 40}, {1, 1}, {2, 500}, {5, 20}, {6, 3}, {200, 7}, {60, 300}};

START_TEST(every_page_fills_every_size_and_no_more) {
    top_resize(&top, sizes[_i][0], sizes[_i][1]);
    for (unsigned color = 0; color < 2; color++) {
        top.color = color;
        for (unsigned view = 0; view < TOP_VIEWS; view++) {
            key('0' + view);
            check_screen("a table");
            key(TOP_KEY_END);
            check_screen("its end");
            type("/a");
            check_screen("a filter");
            key(TOP_KEY_ESCAPE);
            key(TOP_KEY_ENTER);
            check_screen("a page that waits");
            key('?');
            check_screen("help");
            key(TOP_KEY_END);
            check_screen("the end of help");
        }
        snprintf(top.trouble, sizeof top.trouble, "%0200d", 0);
        key(' ');
        check_screen("trouble, frozen");
    }
}
END_TEST

START_TEST(the_help_fits_80_columns) {
    top_resize(&top, 60, 80);
    key('?');
    ck_assert_ptr_nonnull(strstr(line(3), "MOVING"));
    for (unsigned i = 3; i < 59; i++) ck_assert_msg(!strstr(line(i), "…"), "%s", line(i));
}
END_TEST

START_TEST(a_wide_screen_has_more_columns_and_a_narrow_one_keeps_loss_rtt_and_their_age) {
    top_resize(&top, 24, 120);
    ck_assert_ptr_nonnull(strstr(line(3), "seen by"));
    top_resize(&top, 24, 40);
    ck_assert_str_eq(line(3), "   peer        loss      rtt    heard");
}
END_TEST

START_TEST(nodes_of_one_name_keep_the_digits_that_distinguish_them) {
    static const struct {
        unsigned columns;
        const char *shown;
    } cuts[] = {{14, "alice/3fa2b1c0"}, {13, "ali…/3fa2b1c0"}, {11, "a…/3fa2b1c0"},
                {10, "3fa2b1c0"},       {8, "3fa2b1c0"},       {7, "alice/…"}};
    for (unsigned i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        struct strbuf text = {0};
        text_cut(&text, "alice/3fa2b1c0", 14, cuts[i].columns);
        ck_assert_str_eq(strbuf_text(&text), cuts[i].shown);
        strbuf_fini(&text);
    }
    json_t *nodes = json_array();
    for (unsigned i = 1; i <= 2; i++)
        json_array_append_new(nodes, json_pack("{so,ss,ss,si,si,si}", "node_id", id_new(i, 64), "name", "alice-with-a-long-name",
                                               "state", "live", "emitted", 1, "indexed", 1, "lost", 0));
    json_t *answer = json_pack("{so}", "nodes", nodes);
    names_learn(&names, answer);
    feed(&top.roots[TOP_NODES], answer);
    key('1');
    top_resize(&top, 24, 40);
    for (unsigned i = 1; i <= 2; i++) {
        char id[9];
        snprintf(id, sizeof id, "%02u000000", i);
        ck_assert_ptr_nonnull(strstr(line(3 + i), id));
        ck_assert_ptr_nonnull(strstr(line(3 + i), "live"));
    }
}
END_TEST

START_TEST(trouble_is_reported_and_the_rows_stay) {
    strcpy(top.trouble, "traced went away");
    ck_assert_str_eq(line(1), "traced went away");
    ck_assert_ptr_nonnull(strstr(line(4), "07000000"));
}
END_TEST

/* ---- keys ---- */

START_TEST(the_cursor_moves_by_rows_and_pages_and_stays_within) {
    static const struct {
        uint32_t key;
        size_t cursor; /* after it */
    } steps[] = {{TOP_KEY_UP, 0},         {TOP_KEY_DOWN, 1},    {'j', 2}, {'k', 1},         {TOP_KEY_PAGE_DOWN, 20},
                 {TOP_KEY_PAGE_DOWN, 29}, {TOP_KEY_DOWN, 29},   {'g', 0}, {'G', 29},        {TOP_KEY_PAGE_UP, 10},
                 {TOP_KEY_HOME, 0},       {TOP_KEY_PAGE_UP, 0}, {'x', 0}, {TOP_KEY_END, 29}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        ck_assert_int_eq(key(steps[i].key), TOP_DRAW);
        const struct top_page *page = top_page(&top);
        ck_assert_msg(page->cursor == steps[i].cursor, "after step %zu the cursor is on %zu", i, page->cursor);
        ck_assert(page->top <= page->cursor && page->cursor < page->top + top_body_lines(&top));
    }
}
END_TEST

START_TEST(the_cursor_follows_a_chosen_row_or_stays_on_the_first) {
    key(TOP_KEY_DOWN);
    ck_assert_uint_eq(chosen(), 0);
    key('s'); /* the least loss first: 07 goes to the end */
    ck_assert_uint_eq(chosen(), 0);
    key('g');
    key('s');
    ck_assert_uint_eq(chosen(), 7);
}
END_TEST

START_TEST(enter_opens_the_row_s_subject_and_escape_closes_it) {
    json_t *params;
    ck_assert_int_eq(key('1'), TOP_ASK);
    ck_assert_int_eq(key(TOP_KEY_ENTER), TOP_ASK);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "count");
    ck_assert_str_eq(json_string_value(json_object_get(params, "node_id")), top_page(&top)->node_id);
    json_decref(params);
    ck_assert_int_eq(key(TOP_KEY_ENTER), TOP_DRAW); /* there is no row yet */
    key('5');
    ck_assert_uint_eq(top.depth, 0);
    key(TOP_KEY_ENTER);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "query");
    ck_assert_str_eq(json_string_value(json_object_get(params, "trace_id")), "1d000000000000000000000000000000");
    json_decref(params);
    key(TOP_KEY_BACKSPACE);
    ck_assert_uint_eq(top.depth, 0);
    key(TOP_KEY_ESCAPE);
    ck_assert_uint_eq(top.depth, 0);
}
END_TEST

START_TEST(a_link_leads_to_the_traces_of_both_ends_and_a_kind_to_its_newest_events) {
    json_t *params;
    key('3');
    key(TOP_KEY_ENTER);
    ck_assert_ptr_nonnull(strstr(line(2), "> alice to 02000000: traces"));
    ck_assert_uint_eq((unsigned char)top_page(&top)->node_id[1], '1');
    ck_assert_uint_eq((unsigned char)top_page(&top)->peer_id[1], '2');
    char filter[300];
    const struct top_page *page = top_page(&top);
    snprintf(filter, sizeof filter, "any node == %s and any (peer == %s or node == %s)", page->node_id, page->peer_id,
             page->peer_id);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "traces");
    ck_assert_str_eq(json_string_value(json_object_get(params, "filter")), filter);
    json_decref(params);
    key('5');
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "traces");
    ck_assert_ptr_null(json_object_get(params, "filter"));
    json_decref(params);
    key('4');
    key(TOP_KEY_ENTER);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "query");
    ck_assert_str_eq(json_string_value(json_object_get(params, "kind")), "packet_sent");
    json_decref(params);
    feed(top_page(&top), json_pack("{s[{ss},{ss}]}", "events", "kind", "newer", "kind", "older"));
    const char *older = strstr(strbuf_text(&top_page(&top)->text), "older"),
               *newer = strstr(strbuf_text(&top_page(&top)->text), "newer");
    ck_assert(older && newer && older < newer);
}
END_TEST

/* The bounds of the question, in ms before `now_ns`. */
static void window(uint64_t now_ns, int64_t *ret_from, int64_t *ret_to) {
    json_t *params;
    ck_assert_str_eq(top_request(&top, &top.roots[TOP_KINDS], now_ns, &params), "count");
    *ret_from = (int64_t)(now_ns / 1000000) - json_integer_value(json_object_get(params, "from")) / 1000;
    *ret_to = (int64_t)(now_ns / 1000000) - json_integer_value(json_object_get(params, "to")) / 1000;
    json_decref(params);
}

START_TEST(each_interval_is_counted_once_and_the_first_look_is_longer) {
    int64_t from, to;
    window(NOW, &from, &to);
    ck_assert_int_eq(to, 1000); /* a whole interval, as each of the line */
    ck_assert_int_eq(from, 61000);
    window(NOW + 1500000000, &from, &to);
    ck_assert_int_eq(to, 100);
    ck_assert_int_eq(from, 2500); /* where the one before ended */
    window(NOW + UINT64_C(60000000000), &from, &to);
    ck_assert_int_eq(from, 61000); /* nobody looked for a minute */
}
END_TEST

START_TEST(an_answer_to_a_page_that_was_left_is_dropped) {
    key(TOP_KEY_ENTER);
    unsigned serial = top_page(&top)->serial;
    ck_assert_ptr_eq(top_find_page(&top, serial), top_page(&top));
    key(TOP_KEY_ESCAPE);
    ck_assert_ptr_null(top_find_page(&top, serial));
    key(TOP_KEY_ENTER);
    ck_assert_ptr_null(top_find_page(&top, serial));
}
END_TEST

START_TEST(a_peer_shows_all_traces_that_traced_returns) {
    json_t *params;
    char filter[300];
    key(TOP_KEY_ENTER); /* 07 */
    const char *id = top_page(&top)->peer_id;
    snprintf(filter, sizeof filter, "any (peer == %s or node == %s)", id, id);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "traces");
    ck_assert_str_eq(json_string_value(json_object_get(params, "filter")), filter);
    json_decref(params);
    feed(top_page(&top), json_pack("{s[{so},{so}]}", "traces", "trace_id", id_new(1, 32), "trace_id", id_new(2, 32)));
    ck_assert_uint_eq(top_page(&top)->shown_count, 2);
    ck_assert_ptr_nonnull(strstr(line(2), "> 07000000: traces"));
}
END_TEST

START_TEST(a_refused_question_is_reported_harmlessly) {
    struct top_moment moment = {.time_ms = time_ms};
    key(TOP_KEY_ENTER);
    top_feed(&top, top_page(&top), NULL, "no such \x1b]0;peer", &moment);
    ck_assert_str_eq(line(4), "   no such \\x1b]0;peer");
}
END_TEST

START_TEST(a_timeline_is_walked_down_and_sideways) {
    key('5');
    key(TOP_KEY_ENTER);
    strbuf_puts(&top_page(&top)->text, "\x1b[1m0123456789abcdef\x1b[0mäb\nsecond\n");
    ck_assert_str_eq(line(3), "\x1b[1m0123456789abcdef\x1b[0mäb");
    key(TOP_KEY_RIGHT);
    ck_assert_str_eq(line(3), "\x1b[1m\x1b[0mäb");
    key(TOP_KEY_LEFT);
    key(TOP_KEY_LEFT);
    ck_assert_str_eq(line(4), "second");
    for (unsigned i = 0; i < 40; i++) strbuf_puts(&top_page(&top)->text, "more\n");
    key(TOP_KEY_DOWN);
    ck_assert_str_eq(line(3), "second");
    key(TOP_KEY_END);
    ck_assert_str_eq(line(22), "more");
}
END_TEST

START_TEST(a_text_is_searched_both_ways_and_round_its_end) {
    key('5');
    key(TOP_KEY_ENTER);
    struct strbuf *text = &top_page(&top)->text;
    for (unsigned i = 0; i < 60; i++) strbuf_printf(text, i % 20 == 7 ? "line %u \x1b[31mLo\x1b[0mST\n" : "line %u\n", i);
    type("/lost");
    ck_assert_str_eq(line(23), "/lost_   Enter: keep, then n N  Esc: end");
    ck_assert_str_eq(line(3 + 7), "\x1b[7mline 7 LoST\x1b[0m");
    key(TOP_KEY_ENTER);
    static const unsigned ahead[] = {27, 47, 7}, back[] = {47, 27, 7, 47};
    for (unsigned i = 0; i < 3; i++) {
        key('n');
        ck_assert_uint_eq(top_page(&top)->found, ahead[i]);
        ck_assert(top_page(&top)->found >= top_page(&top)->top &&
                  top_page(&top)->found < top_page(&top)->top + top_body_lines(&top));
    }
    for (unsigned i = 0; i < 4; i++) {
        key('N');
        ck_assert_uint_eq(top_page(&top)->found, back[i]);
    }
    type("/x");
    ck_assert_uint_eq(top_page(&top)->found, SIZE_MAX);
    ck_assert_str_eq(line(23), "/lostx_   not found   Enter: keep, then n N  Esc: end");
    key(TOP_KEY_ESCAPE);
    key('n'); /* for nothing */
    ck_assert_uint_eq(top_page(&top)->found, SIZE_MAX);
}
END_TEST

/* Two nodes, a packet from the one to the other. */
static json_t *timeline_new(void) {
    return json_pack("{s[{si,si,so,so,ss,ss,si,s[],s{si,si,ss}},{si,si,so,so,ss,ss,si,s[],s{si,si,ss}}],s[],sn}", "events",
                     "timestamp", 1000, "ns", 0, "node_id", id_new(1, 64), "peer_id", id_new(2, 64), "trace_id", "00", "kind",
                     "packet_sent", "sequence", 1, "flags", "data", "packet_num", 7, "size", 1200, "space", "1rtt", "timestamp",
                     1500, "ns", 0, "node_id", id_new(2, 64), "peer_id", id_new(1, 64), "trace_id", "00", "kind",
                     "packet_received", "sequence", 1, "flags", "data", "packet_num", 7, "size", 1200, "space", "1rtt", "gaps",
                     "cursor");
}

START_TEST(a_trace_is_shown_as_a_diagram_too_and_keeps_its_times) {
    key('5');
    key(TOP_KEY_ENTER);
    feed(top_page(&top), timeline_new());
    unsigned row = 3;
    while (!strstr(line(row), "packet 7")) row++;
    ck_assert_ptr_nonnull(strstr(line(row), "+0.0 us "));
    key(TOP_KEY_RIGHT);
    ck_assert_ptr_nonnull(strstr(line(row), "+0.0 us "));
    ck_assert_ptr_null(strstr(line(row), "alice"));
    ck_assert_int_eq(strncmp(line(row + 1), "+500.0 us    500 us ", 20), 0);
    key('d');
    ck_assert(top_page(&top)->graph);
    ck_assert_uint_eq(top_page(&top)->skipped, 0);
    bool arrow = false;
    for (unsigned i = 3; i < 23; i++) arrow |= strstr(line(i), "packet 7 sent") && !strstr(line(i), "->");
    ck_assert(arrow);
    ck_assert_ptr_nonnull(strstr(line(23), "d diagram"));
    key('d');
    ck_assert(!top_page(&top)->graph);
}
END_TEST

/* ---- requests ---- */

/* A second of requests: `count` of them, some failed, each of `took` ns. */
static json_t *requests_row_new(const char *command, json_int_t time_us, unsigned count, unsigned failed, json_int_t took) {
    return json_pack("{s{ss,ss,si,ss,sI},si,si,si,s{sI},s[{sI,sI,si}]}", "group", "app_id", "DMAP", "app", "DataMap", "cmd",
                     (int)strlen(command), "command", command, "time", time_us, "count", count, "failed", failed, "expired", 0,
                     "took", "p99", took, "histogram", "low", took, "high", took, "count", count);
}

static void ask_requests(uint64_t now_ns, json_t **ret_params) {
    ck_assert_str_eq(top_request(&top, &top.roots[TOP_REQUESTS], now_ns, ret_params), "requests");
}

START_TEST(requests_begin_with_the_history_and_go_on) {
    json_t *params, *rows = json_array();
    ask_requests(NOW, &params);
    json_int_t from = json_integer_value(json_object_get(params, "from")), to = json_integer_value(json_object_get(params, "to"));
    ck_assert_int_eq(to - from, 60000000);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(params, "group_by"), 1)), "time/1000ms");
    json_decref(params);
    for (unsigned i = 0; i < 20; i++) /* the history covers 20 s; in the last four, four a second */
        json_array_append_new(
            rows, requests_row_new("GET", from + (40 + i) * 1000000, i < 16 ? 1 : 4, i == 5, i < 16 ? 3000000 : 1000000));
    json_array_append_new(rows, requests_row_new("STORE", from + 58 * 1000000, 2, 0, 5000000));
    feed(&top.roots[TOP_REQUESTS], json_pack("{so,si}", "rows", rows, "groups", 21));
    key('0');
    ck_assert_str_eq(line(3), "   request                per s                bad %      p50      p99  requests");
    ck_assert_ptr_nonnull(strstr(line(4), ">! DataMap GET              2.2  ▃▃▃▃▃▃▃████    3.1%"));
    ck_assert_ptr_nonnull(strstr(line(4), "    3.1%  1.00 ms  3.00 ms        32"));
    ck_assert_ptr_nonnull(strstr(line(5), "   DataMap STORE            0.2  "));
    ask_requests(NOW + 1000000000, &params); /* and then events since, not grouped by time */
    ck_assert_str_eq(json_string_value(json_object_get(params, "group_by")), "command");
    ck_assert_int_eq(json_integer_value(json_object_get(params, "from")), to);
    json_decref(params);
    feed(&top.roots[TOP_REQUESTS], json_pack("{s[o]}", "rows", requests_row_new("GET", 0, 400, 400, 9000000)));
    ck_assert_ptr_nonnull(strstr(line(4), "DataMap GET"));
    ck_assert_ptr_nonnull(strstr(line(4), "  9.00 ms  9.00 ms"));
    ck_assert_ptr_nonnull(strstr(line(4), "  92.8%")); /* 401 of 432 */
    ask_requests(NOW + UINT64_C(2000000000), &params);
    json_decref(params);
    feed(&top.roots[TOP_REQUESTS], json_pack("{s[],sn}", "rows", "seconds")); /* nothing has ended, and that second counts, too */
    ck_assert_ptr_nonnull(strstr(line(4), "DataMap GET               39 "));
}
END_TEST

/* In one request of the last answer and two of an earlier one the clock was stepped; they count, but not in the percentiles. */
START_TEST(requests_left_out_of_the_percentiles_are_counted) {
    json_t *params, *row;
    ask_requests(NOW, &params);
    json_int_t from = json_integer_value(json_object_get(params, "from"));
    json_decref(params);
    row = requests_row_new("GET", from + 40 * 1000000, 5, 0, 3000000);
    json_object_set_new(row, "took_stepped", json_integer(2));
    feed(&top.roots[TOP_REQUESTS], json_pack("{s[o],si}", "rows", row, "groups", 1));
    key('0');
    ck_assert_str_eq(line(2), "[0 requests]  p50, p99 without 2 requests: the clock was stepped  by bad % v");
    ask_requests(NOW + 1000000000, &params);
    json_decref(params);
    row = requests_row_new("GET", 0, 4, 0, 3000000);
    json_object_set_new(row, "took_stepped", json_integer(1));
    feed(&top.roots[TOP_REQUESTS], json_pack("{s[o]}", "rows", row));
    ck_assert_ptr_nonnull(strstr(line(2), "without 3 requests"));
}
END_TEST

START_TEST(a_request_leads_to_its_traces) {
    json_t *params;
    ask_requests(NOW, &params);
    feed(&top.roots[TOP_REQUESTS],
         json_pack("{s[o]}", "rows", requests_row_new("GET", json_integer_value(json_object_get(params, "from")), 1, 0, 7)));
    json_decref(params);
    key('0');
    ck_assert_int_eq(key(TOP_KEY_ENTER), TOP_ASK);
    ck_assert_str_eq(top_request(&top, top_page(&top), NOW, &params), "traces");
    ck_assert_str_eq(json_string_value(json_object_get(params, "filter")), "app == \"DMAP\" and cmd == 3");
    json_decref(params);
}
END_TEST

START_TEST(without_requests_it_begins_with_links) {
    struct top other;
    json_t *none = json_pack("{s[]}", "rows"), *some;
    struct top_moment moment = {.time_ms = 1};
    for (unsigned round = 0; round < 3; round++) {
        json_t *params;
        top_init(&other, &names);
        ck_assert_int_eq(other.view, TOP_REQUESTS);
        top_request(&other, top_page(&other), NOW, &params);
        some = json_pack("{s[o]}", "rows", requests_row_new("GET", json_integer_value(json_object_get(params, "from")), 1, 0, 7));
        if (round == 2) top_key(&other, '0', NOW); /* the view was chosen, so it stays */
        top_feed(&other, top_page(&other), round == 0 ? some : round == 1 ? NULL : none, "no such method", &moment);
        ck_assert_int_eq(other.view, round == 1 ? TOP_LINKS : TOP_REQUESTS);
        json_decref(some);
        json_decref(params);
        top_fini(&other);
    }
    json_decref(none);
}
END_TEST

/* If the rows of the first answer were cut, the interval that may lack some is omitted. */
START_TEST(rows_cut_by_a_limit_are_not_shown_as_none) {
    const struct top_look look = {.from_us = 1000, .every_us = 10, .count = 5, .field = "time/10us"};
    json_t *rows =
        json_pack("[{s{si},si},{s{si},si},{s{si},si},{s{si},si}]", "group", "time/10us", 1020, "count", 1, "group", "time/10us",
                  1030, "count", 2, "group", "time/10us", 1030, "count", 3, "group", "time/10us", 1049, "count", 4);
    static const int expected[2][3] = {{1, 5, 4}, {5, 4, -1}};
    for (unsigned cut = 0; cut < 2; cut++) {
        json_t *answer = json_pack("{sO,si}", "rows", rows, "groups", 4 + (int)cut),
               *intervals = top_history_split(answer, &look);
        ck_assert_uint_eq(json_array_size(intervals), 3 - cut);
        for (unsigned i = 0; i < 3 - cut; i++)
            ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(intervals, i), "events")), expected[cut][i]);
        json_decref(intervals);
        json_decref(answer);
    }
    json_t *other = json_pack("{s[{s{ss},si}]}", "rows", "group", "kind", "custom", "count", 1);
    ck_assert_ptr_null(top_history_split(other, &look)); /* not grouped by time */
    json_decref(other);
    json_decref(rows);
}
END_TEST

/* ---- a recording ---- */

/* Up to when the page asks, in seconds before NOW; -1: it does not ask. */
static int64_t asked_to(struct top_page *page) {
    json_t *params;
    if (!top_request(&top, page, top.position_ns, &params)) return -1;
    const json_t *at = json_object_get(params, "at");
    int64_t to = json_integer_value(at ? at : json_object_get(params, "to"));
    json_decref(params);
    return ((int64_t)(NOW / 1000) - to) / 1000000;
}

START_TEST(the_position_in_a_recording_can_be_moved) {
    key(']'); /* not of a live traced */
    ck_assert_uint_eq(top.position_ns, 0);
    json_t *stats =
        json_pack("{s{s{sI,si},si},s{si,s{si}}}", "history", "first", "timestamp", (json_int_t)(NOW / 1000 - 100000000), "ns", 0,
                  "events", 4000, "ingest", "events", 0, "lost", "overwritten", 50);
    top_set_past(&top, NOW);
    top_feed_stats(&top, stats, time_ms, NOW);
    json_decref(stats);
    ck_assert_str_eq(line(0), "00:00:00  1 live  average: lost 0.5/s, in all 50  40 events/s  every 1 s");
    ck_assert_str_eq(line(1), "at 2026-01-01 00:00:00.000000, the end of 1m40s, 0 traces");
    ck_assert_ptr_nonnull(strstr(line(23), "[ ] { } ( ) time  p play"));
    ck_assert_int_eq(key(']'), TOP_DRAW);
    ck_assert_int_eq(key('['), TOP_ASK);
    ck_assert_str_eq(line(1), "at 2025-12-31 23:59:59.000000, 1.00 s before the end of 1m40s, 0 traces");
    ck_assert_int_eq(asked_to(&top.roots[TOP_KINDS]), 1);
    ck_assert_int_eq(asked_to(&top.roots[TOP_TRACES]), 1);
    feed(&top.roots[TOP_KINDS], json_pack("{s[]}", "rows"));
    ck_assert_int_eq(asked_to(&top.roots[TOP_KINDS]), -1); /* it is the past: nothing has come since */
    key('{');
    for (unsigned i = 0; i < TOP_VIEWS; i++) ck_assert_int_eq(asked_to(&top.roots[i]), 61);
    ck_assert_ptr_nonnull(strstr(line(0), "  overall: lost 0.5/s"));
    key('{');
    ck_assert_uint_eq(top.position_ns, NOW - UINT64_C(100000000000)); /* not beyond its beginning */
    key('p');
    ck_assert(top.playing && strstr(line(1), ", playing, "));
    for (unsigned i = 0; i < 200; i++) top_play(&top);
    ck_assert(!top.playing);
    ck_assert_uint_eq(top.position_ns, NOW);
    key('(');
    ck_assert_uint_eq(top.position_ns, NOW - UINT64_C(100000000000));
    key('}');
    ck_assert_uint_eq(top.position_ns, NOW - UINT64_C(40000000000));
    key(')');
    ck_assert_uint_eq(top.position_ns, NOW);
}
END_TEST

START_TEST(typing_a_filter_takes_letters_that_are_keys_otherwise) {
    type("/q");
    ck_assert(top.typing);
    ck_assert_uint_eq(top_page(&top)->shown_count, 0);
    ck_assert_str_eq(line(23), "/q_   Enter: keep  Esc: all rows");
    key(TOP_KEY_BACKSPACE);
    ck_assert_uint_eq(top_page(&top)->shown_count, PEERS);
    type("07");
    key(TOP_KEY_ENTER);
    ck_assert(!top.typing);
    ck_assert_uint_eq(top_page(&top)->shown_count, 1);
    for (unsigned i = 0; i < 200; i++) type("/x"); /* no more than there is room for */
    key(TOP_KEY_ESCAPE);
    ck_assert_uint_eq(top_page(&top)->shown_count, PEERS);
}
END_TEST

START_TEST(space_freezes_shows_since_when_and_thaws_without_old_rates) {
    ck_assert_int_eq(key(' '), TOP_DRAW);
    ck_assert(top_is_frozen(&top));
    ck_assert_str_eq(line(1), "FROZEN since 00:00:00; space: resume");
    ck_assert_int_eq(key(' '), TOP_ASK);
    ck_assert(!top_is_frozen(&top));
    time_ms += 100000;
    feed_all(5);
    ck_assert_ptr_nonnull(strstr(line(0), "lost -/s"));
}
END_TEST

START_TEST(sorting_passes_over_the_lines_and_goes_round) {
    unsigned count, steps = 0, begin = top_page(&top)->sort;
    const struct top_column *columns = top_columns(TOP_PEERS, &count);
    do {
        key('>');
        ck_assert_int_ne(columns[top_page(&top)->sort].format, TOP_SPARK);
        ck_assert_int_eq(top_page(&top)->descending, columns[top_page(&top)->sort].descending);
        steps++;
    } while (top_page(&top)->sort != begin && steps < 100);
    ck_assert_uint_eq(steps, count - 2);
    key('<');
    key('>');
    ck_assert_uint_eq(top_page(&top)->sort, begin);
}
END_TEST

START_TEST(views_go_round_with_tab) {
    static const enum top_view expected[] = {TOP_LINKS, TOP_KINDS, TOP_TRACES, TOP_REQUESTS, TOP_NODES, TOP_PEERS};
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(key('\t'), TOP_ASK);
        ck_assert_int_eq(top.view, expected[i]);
    }
    key(TOP_KEY_BACK_TAB);
    ck_assert_int_eq(top.view, TOP_NODES);
    ck_assert_int_eq(key('q'), TOP_QUIT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("top_screen");
    TCase *tcase = tcase_create("pages");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_screen_matches_its_golden_file);
    tcase_add_test(tcase, links_and_kinds_are_drawn_as_they_were_counted);
    tcase_add_loop_test(tcase, every_page_fills_every_size_and_no_more, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(tcase, the_help_fits_80_columns);
    tcase_add_test(tcase, a_wide_screen_has_more_columns_and_a_narrow_one_keeps_loss_rtt_and_their_age);
    tcase_add_test(tcase, nodes_of_one_name_keep_the_digits_that_distinguish_them);
    tcase_add_test(tcase, trouble_is_reported_and_the_rows_stay);
    tcase_add_test(tcase, the_cursor_moves_by_rows_and_pages_and_stays_within);
    tcase_add_test(tcase, the_cursor_follows_a_chosen_row_or_stays_on_the_first);
    tcase_add_test(tcase, enter_opens_the_row_s_subject_and_escape_closes_it);
    tcase_add_test(tcase, a_link_leads_to_the_traces_of_both_ends_and_a_kind_to_its_newest_events);
    tcase_add_test(tcase, each_interval_is_counted_once_and_the_first_look_is_longer);
    tcase_add_test(tcase, an_answer_to_a_page_that_was_left_is_dropped);
    tcase_add_test(tcase, a_peer_shows_all_traces_that_traced_returns);
    tcase_add_test(tcase, a_refused_question_is_reported_harmlessly);
    tcase_add_test(tcase, a_timeline_is_walked_down_and_sideways);
    tcase_add_test(tcase, typing_a_filter_takes_letters_that_are_keys_otherwise);
    tcase_add_test(tcase, space_freezes_shows_since_when_and_thaws_without_old_rates);
    tcase_add_test(tcase, sorting_passes_over_the_lines_and_goes_round);
    tcase_add_test(tcase, views_go_round_with_tab);
    tcase_add_test(tcase, a_text_is_searched_both_ways_and_round_its_end);
    tcase_add_test(tcase, a_trace_is_shown_as_a_diagram_too_and_keeps_its_times);
    tcase_add_test(tcase, requests_begin_with_the_history_and_go_on);
    tcase_add_test(tcase, requests_left_out_of_the_percentiles_are_counted);
    tcase_add_test(tcase, a_request_leads_to_its_traces);
    tcase_add_test(tcase, without_requests_it_begins_with_links);
    tcase_add_test(tcase, rows_cut_by_a_limit_are_not_shown_as_none);
    tcase_add_test(tcase, the_position_in_a_recording_can_be_moved);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
