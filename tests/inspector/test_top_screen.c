/* SPDX-License-Identifier: MIT
 *
 * `inspector top` without a terminal (inspector/top/top.h): what keys do, and the screen that is drawn. */
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

/* Two seconds of two links, of which the second loses. */
static json_t *count_new(unsigned n) {
    return json_pack("{sf,s[ooooo]}", "seconds", 2.0, "rows", group_new(3, "packet_sent", 100, 0),
                     group_new(3, "packet_received", 80, 0), group_new(3, "metrics", 4, 1000000 * n),
                     group_new(2, "packet_sent", 40, 0), group_new(2, "packet_lost", 10, 0));
}

/* What traced says the n-th time: peer 7 loses, and its rtt rises. */
static void feed_all(unsigned n) {
    json_t *peers = json_array(), *nodes = json_array(), *traces = json_array();
    time_ms += 1000;
    for (unsigned i = 0; i < PEERS; i++) {
        json_t *nothing = json_array();
        json_array_append_new(peers,
                              json_pack("{so,si,si,si,si,si,si,si}", "peer_id", id_new(i, 64), "packets_sent", 100 * n,
                                        "packets_received", 90 * n, "packets_lost", i == 7 ? 25 * n : 0, "bytes_sent", 120000 * n,
                                        "bytes_received", 9 * n, "rtt", i == 7 ? 1000000 * n : 1500000, "min_rtt", 1000000));
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

START_TEST(a_screen_is_what_was_drawn_before) {
    static const char *const expected[] = {
        "00:00:00  1 live  LOST 3.0/s, in all 9  1.0k events/s  every 1 s",
        "history 3.0k of 1.0M events, 30 traces",
        " 1 nodes [2 peers] 3 links  4 kinds  5 traces   by loss v",
        "   peer        loss                    rtt                lost/s  sent/s  rcvd/s",
        "\x1b[7m>! 07000000   25.0%            ██  3.00 ms           ▄▆█      25     100      90\x1b[0m",
        "   00000000    0.0%            ▁▁  1.50 ms           ███       0     100      90",
    };
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) ck_assert_str_eq(line(i), expected[i]);
    top.utf8 = false;
    ck_assert_str_eq(line(5), "   00000000    0.0%            __  1.50 ms           ###       0     100      90");
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

/* The words, and then each character of the screen is one that a terminal shows, or part of one of our colours. */
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
            key('1' + view);
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

START_TEST(a_wide_screen_has_more_columns_and_a_narrow_one_keeps_loss_and_rtt) {
    top_resize(&top, 24, 120);
    ck_assert_ptr_nonnull(strstr(line(3), "seen by"));
    top_resize(&top, 24, 40);
    ck_assert_str_eq(line(3), "   peer        loss      rtt  lost/s");
}
END_TEST

START_TEST(trouble_is_told_and_the_rows_stay) {
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

START_TEST(a_chosen_row_keeps_the_cursor_and_the_first_place_keeps_it_otherwise) {
    key(TOP_KEY_DOWN);
    ck_assert_uint_eq(chosen(), 0);
    key('s'); /* the least loss first: 07 goes to the end */
    ck_assert_uint_eq(chosen(), 0);
    key('g');
    key('s');
    ck_assert_uint_eq(chosen(), 7);
}
END_TEST

START_TEST(enter_opens_what_the_row_is_about_and_escape_closes_it) {
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

/* From and to of what is asked, in ms before `now_ns`. */
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
    ck_assert_int_eq(to, 100);
    ck_assert_int_eq(from, 10100);
    window(NOW + 1500000000, &from, &to);
    ck_assert_int_eq(to, 100);
    ck_assert_int_eq(from, 1600); /* where the one before ended */
    window(NOW + UINT64_C(60000000000), &from, &to);
    ck_assert_int_eq(from, 10100); /* nobody looked for a minute */
}
END_TEST

START_TEST(an_answer_to_a_page_that_was_left_finds_none) {
    key(TOP_KEY_ENTER);
    unsigned serial = top_page(&top)->serial;
    ck_assert_ptr_eq(top_find_page(&top, serial), top_page(&top));
    key(TOP_KEY_ESCAPE);
    ck_assert_ptr_null(top_find_page(&top, serial));
    key(TOP_KEY_ENTER);
    ck_assert_ptr_null(top_find_page(&top, serial));
}
END_TEST

START_TEST(of_a_peer_all_traces_are_shown_that_traced_gives) {
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

START_TEST(a_refused_question_is_told_harmlessly) {
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

START_TEST(space_freezes_and_says_since_when_and_thaws_without_old_rates) {
    ck_assert_int_eq(key(' '), TOP_DRAW);
    ck_assert(top_is_frozen(&top));
    ck_assert_str_eq(line(1), "FROZEN since 00:00:00; space: go on");
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
    static const enum top_view expected[] = {TOP_LINKS, TOP_KINDS, TOP_TRACES, TOP_NODES, TOP_PEERS};
    for (unsigned i = 0; i < 5; i++) {
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
    tcase_add_test(tcase, a_screen_is_what_was_drawn_before);
    tcase_add_test(tcase, links_and_kinds_are_drawn_as_they_were_counted);
    tcase_add_loop_test(tcase, every_page_fills_every_size_and_no_more, 0, sizeof sizes / sizeof *sizes);
    tcase_add_test(tcase, a_wide_screen_has_more_columns_and_a_narrow_one_keeps_loss_and_rtt);
    tcase_add_test(tcase, trouble_is_told_and_the_rows_stay);
    tcase_add_test(tcase, the_cursor_moves_by_rows_and_pages_and_stays_within);
    tcase_add_test(tcase, a_chosen_row_keeps_the_cursor_and_the_first_place_keeps_it_otherwise);
    tcase_add_test(tcase, enter_opens_what_the_row_is_about_and_escape_closes_it);
    tcase_add_test(tcase, a_link_leads_to_the_traces_of_both_ends_and_a_kind_to_its_newest_events);
    tcase_add_test(tcase, each_interval_is_counted_once_and_the_first_look_is_longer);
    tcase_add_test(tcase, an_answer_to_a_page_that_was_left_finds_none);
    tcase_add_test(tcase, of_a_peer_all_traces_are_shown_that_traced_gives);
    tcase_add_test(tcase, a_refused_question_is_told_harmlessly);
    tcase_add_test(tcase, a_timeline_is_walked_down_and_sideways);
    tcase_add_test(tcase, typing_a_filter_takes_letters_that_are_keys_otherwise);
    tcase_add_test(tcase, space_freezes_and_says_since_when_and_thaws_without_old_rates);
    tcase_add_test(tcase, sorting_passes_over_the_lines_and_goes_round);
    tcase_add_test(tcase, views_go_round_with_tab);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
