/* SPDX-License-Identifier: MIT
 *
 * The rows of `inspector top` (inspector/top/top_table.h): rates from counters, order, filter. */
#include "top_table.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000U
#define NODE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NODE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct names names;
static struct top_table table;
static bool past;

static void setup(void) {
    ck_assert_int_eq(names_init(&names), 0);
    table = (struct top_table){0};
    past = false;
}

static void teardown(void) {
    top_table_fini(&table);
    names_fini(&names);
}

/* Feeds {"MEMBER": [rows], "seconds": 2}; the rows are JSON with ' for ". */
static void feed(enum top_view view, const char *rows, uint64_t time_ms, bool evicted) {
    static const char *const members[TOP_VIEWS] = {"nodes", "peers", "rows", "rows", "traces"};
    struct strbuf text = {0};
    struct top_moment moment = {.time_ms = time_ms, .evicted = evicted, .past = past, .seconds = past ? 4 : NAN};
    moment.now_ns = UINT64_C(1000000000000);
    json_error_t error;
    strbuf_printf(&text, "{'%s':[%s],'seconds':2.0}", members[view], rows);
    for (size_t i = 0; i < text.bytes; i++)
        if (text.text[i] == '\'') text.text[i] = '"';
    json_t *answer = json_loads(text.text, 0, &error);
    ck_assert_msg(answer != NULL, "%s in %s", error.text, text.text);
    table.view = view;
    ck_assert_int_eq(top_table_feed(&table, answer, &names, &moment), 0);
    json_decref(answer);
    strbuf_fini(&text);
}

/* The same of a recording of 4 s, which ended at 1000 s. */
static void feed_past(enum top_view view, const char *rows) {
    past = true;
    feed(view, rows, SECOND, false);
}

/* {"peer_id": the digit 64 times, and these}. */
static void feed_peer(char digit, unsigned sent, unsigned lost, uint64_t time_ms, bool evicted) {
    char row[256], id[65] = {0};
    memset(id, digit, 64);
    snprintf(row, sizeof row, "{'peer_id':'%s','packets_sent':%u,'packets_lost':%u,'bytes_sent':%u,'rtt':5000,'min_rtt':1250}",
             id, sent, lost, 1000 * sent);
    feed(TOP_PEERS, row, time_ms, evicted);
}

static void feed_node(unsigned emitted, unsigned lost, uint64_t time_ms) {
    char row[256];
    snprintf(row, sizeof row, "{'node_id':'%064d','state':'live','emitted':%u,'indexed':%u,'lost':%u}", 7, emitted,
             emitted - lost - 1, lost);
    feed(TOP_NODES, row, time_ms, false);
}

static unsigned column(const char *title) {
    unsigned count, i = 0;
    const struct top_column *columns = top_columns(table.view, &count);
    while (i < count && strcmp(columns[i].title, title) != 0) i++;
    ck_assert_msg(i < count, "there is no column %s", title);
    return i;
}

static double value(size_t row, const char *title) {
    unsigned count;
    const struct top_column *columns = top_columns(table.view, &count);
    ck_assert_uint_lt(row, table.row_count);
    return table.rows[row].values[columns[column(title)].slot];
}

/* The names of the selected rows, with spaces between them. */
static const char *selected(const char *filter, const char *title, bool descending) {
    static char text[256];
    const struct top_row *rows[16];
    size_t count = top_table_select(&table, filter, column(title), descending, rows);
    *text = 0;
    for (size_t i = 0; i < count; i++) {
        if (i) strcat(text, " ");
        strcat(text, rows[i]->texts[0]);
    }
    return text;
}

/* ---- rates ---- */

START_TEST(a_rate_is_the_rise_over_the_time_between_two_answers) {
    feed_peer('a', 1000, 10, 5 * SECOND, false);
    feed_peer('a', 1500, 30, 7 * SECOND, false);
    ck_assert_double_eq(table.seconds, 2);
    ck_assert_double_eq(value(0, "sent/s"), 250);
    ck_assert_double_eq(value(0, "lost/s"), 10);
    ck_assert_double_eq(value(0, "out/s"), 250000);
    ck_assert_double_eq(value(0, "rtt"), 5000);
}
END_TEST

START_TEST(the_first_answer_has_no_rates) {
    feed_peer('a', 1000, 10, 5 * SECOND, false);
    ck_assert_double_nan(value(0, "sent/s"));
    ck_assert_double_nan(value(0, "loss"));
    ck_assert_int_eq(table.rows[0].mark, STYLE_PLAIN);
    table.rows[0].counted = true; /* as if it had been counted, but not when */
    top_table_forget(&table);
    feed_peer('a', 2000, 20, 6 * SECOND, false);
    ck_assert_double_nan(value(0, "sent/s"));
    feed_peer('a', 2100, 20, 7 * SECOND, false);
    ck_assert_double_eq(value(0, "sent/s"), 100);
}
END_TEST

START_TEST(no_rate_is_ever_negative) {
    srand(1);
    for (unsigned i = 1; i < 200; i++) {
        feed_peer('a', (unsigned)rand() % 1000, (unsigned)rand() % 1000, i * SECOND, rand() % 2);
        ck_assert(!(value(0, "sent/s") < 0) && !(value(0, "lost/s") < 0) && !(value(0, "out/s") < 0));
        ck_assert(!(value(0, "loss") < 0) && !(value(0, "loss") > 1));
    }
    for (unsigned i = 1; i < 200; i++) {
        feed_node(1000 + (unsigned)rand() % 1000, (unsigned)rand() % 1000, i * SECOND);
        ck_assert(!(value(0, "events/s") < 0) && !(value(0, "lost/s") < 0) && !(value(0, "behind") < 0));
    }
}
END_TEST

START_TEST(evictions_give_no_rate_and_the_last_rate_stays_for_a_while) {
    feed_peer('a', 1000, 0, 1 * SECOND, false);
    feed_peer('a', 1100, 0, 2 * SECOND, false);
    for (unsigned i = 0; i < 5; i++) {
        feed_peer('a', 1110 + i, 0, (3 + i) * SECOND, true); /* it rose, but by how much more? */
        ck_assert_double_eq(value(0, "sent/s"), 100);
    }
    feed_peer('a', 1200, 0, 8 * SECOND, true);
    ck_assert_double_nan(value(0, "sent/s"));
    feed_peer('a', 1250, 0, 9 * SECOND, false);
    ck_assert_double_eq(value(0, "sent/s"), 50);
}
END_TEST

START_TEST(loss_is_a_share_of_the_sends_in_the_last_ten_intervals) {
    feed_peer('a', 0, 0, 1 * SECOND, false);
    feed_peer('a', 100, 50, 2 * SECOND, false);
    ck_assert_double_eq(value(0, "loss"), 0.5);
    for (unsigned i = 0; i < 9; i++) feed_peer('a', 200 + 100 * i, 50, (3 + i) * SECOND, false);
    ck_assert_double_eq(value(0, "loss"), 0.05);
    ck_assert_int_eq(table.rows[0].mark, STYLE_BAD);
    feed_peer('a', 1100, 50, 12 * SECOND, false);
    ck_assert_double_eq(value(0, "loss"), 0);
}
END_TEST

START_TEST(more_lost_than_sent_is_all_of_it) {
    feed_peer('a', 0, 0, 1 * SECOND, false);
    feed_peer('a', 5, 50, 2 * SECOND, false);
    ck_assert_double_eq(value(0, "loss"), 1);
    feed_peer('b', 0, 0, 3 * SECOND, false);
    feed_peer('b', 0, 3, 4 * SECOND, false);
    ck_assert_double_eq(value(0, "loss"), 1);
}
END_TEST

START_TEST(a_node_s_backlog_is_emitted_minus_read) {
    feed_node(1000, 10, 1 * SECOND);
    ck_assert_double_eq(value(0, "behind"), 1);
    ck_assert_int_eq(table.rows[0].mark, STYLE_WARN); /* it has lost, but not now */
    feed_node(1500, 60, 2 * SECOND);
    ck_assert_double_eq(value(0, "events/s"), 500);
    ck_assert_double_eq(value(0, "lost/s"), 50);
    ck_assert_int_eq(table.rows[0].mark, STYLE_BAD);
}
END_TEST

/* ---- rows ---- */

START_TEST(a_row_that_disappears_and_returns_starts_again) {
    feed_peer('a', 1000, 0, 1 * SECOND, false);
    feed_peer('b', 1000, 0, 2 * SECOND, false);
    ck_assert_uint_eq(table.row_count, 1);
    ck_assert_str_eq(table.rows[0].texts[0], "bbbbbbbb");
    feed_peer('a', 3000, 0, 3 * SECOND, false);
    ck_assert_double_nan(value(0, "sent/s"));
}
END_TEST

START_TEST(a_node_that_was_started_again_is_another_row) {
    const char *row = "{'node_id':'0000000000000000000000000000000000000000000000000000000000000007','pid':%u,'emitted':%u}";
    char first[160], second[160], both[360];
    snprintf(first, sizeof first, row, 1, 100);
    feed(TOP_NODES, first, 1 * SECOND, false);
    snprintf(second, sizeof second, row, 2, 300);
    snprintf(both, sizeof both, "%s,%s", first, second);
    feed(TOP_NODES, both, 2 * SECOND, false);
    ck_assert_uint_eq(table.row_count, 2);
    ck_assert_double_eq(value(0, "events/s"), 0);
    ck_assert_double_nan(value(1, "events/s"));
    snprintf(second, sizeof second, row, 2, 350);
    snprintf(both, sizeof both, "%s,%s", second, first);
    feed(TOP_NODES, both, 3 * SECOND, false);
    ck_assert_double_eq(value(0, "events/s"), 50);
    ck_assert_double_eq(value(1, "events/s"), 0);
}
END_TEST

START_TEST(entries_that_are_not_rows_are_skipped) {
    feed(TOP_PEERS, "7, null, {}, {'peer_id':'short'}, []", 1 * SECOND, false);
    ck_assert_uint_eq(table.row_count, 0);
    feed(TOP_TRACES, "{'trace_id':'00000000000000000000000000000001','duration':-5,'outcome':7,'nodes':[3]}", 1 * SECOND, false);
    ck_assert_uint_eq(table.row_count, 1);
    ck_assert_double_nan(value(0, "duration"));
}
END_TEST

static const struct {
    const char *row;
    enum style mark;
} marks[] = {
    {"{'trace_id':'00000000000000000000000000000001','outcome':'ok'}", STYLE_PLAIN},
    {"{'trace_id':'00000000000000000000000000000001','outcome':'failed'}", STYLE_BAD},
    {"{'trace_id':'00000000000000000000000000000001','outcome':'ok','packets_lost':1}", STYLE_WARN},
    {"{'name':'x','state':'live'}", STYLE_PLAIN},
    {"{'name':'x','state':'exited'}", STYLE_PLAIN},
    {"{'name':'x','state':'exited','lost':1}", STYLE_WARN},
    {"{'name':'x','state':'crashed'}", STYLE_BAD},
    {"{'name':'x','state':'rejected'}", STYLE_BAD},
};

START_TEST(bad_values_are_marked) {
    feed(strstr(marks[_i].row, "trace_id") ? TOP_TRACES : TOP_NODES, marks[_i].row, 1 * SECOND, false);
    ck_assert_int_eq(table.rows[0].mark, marks[_i].mark);
}
END_TEST

START_TEST(an_rtt_above_four_times_its_median_is_marked) {
    static const unsigned rtts[] = {100, 100, 500, 100, 100, 90, 110, 100, 100, 400, 401, 100};
    for (unsigned i = 0; i < sizeof rtts / sizeof *rtts; i++) {
        char row[160];
        snprintf(row, sizeof row, "{'peer_id':'%064d','rtt':%u}", 1, rtts[i]);
        feed(TOP_PEERS, row, (i + 1) * SECOND, false);
        ck_assert_int_eq(table.rows[0].mark, i == 10 ? STYLE_WARN : STYLE_PLAIN); /* 500 came before the usual value was known */
    }
}
END_TEST

/* ---- what is counted for each interval ---- */

#define LINK "{'node_id':'%064d','peer_id':'%064d','sent':%u,'lost':%u,'rtt':7,'seconds':2.0}"

static void feed_link(unsigned node, unsigned sent, unsigned lost) {
    char row[256];
    snprintf(row, sizeof row, LINK, node, 9, sent, lost);
    feed(TOP_LINKS, row, table.time_ms + SECOND, false);
}

START_TEST(a_counted_rate_needs_no_answer_before_it) {
    feed_link(1, 100, 4);
    ck_assert_double_eq(value(0, "sent/s"), 50);
    ck_assert_double_eq(value(0, "lost/s"), 2);
    ck_assert_double_eq(value(0, "loss"), 0.04);
    ck_assert_int_eq(table.rows[0].mark, STYLE_BAD);
}
END_TEST

/* 0: a link; 1: a peer.  Nothing says how many messages were lost. */
START_TEST(the_loss_of_messages_is_not_known) {
    const char *const rows[] = {"{'node_id':'%064d','peer_id':'%064d','sent':%u,'messages':true,'seconds':2.0}",
                                "{'peer_id':'%064d','first':%d,'messages_sent':%u,'packets_lost':0,'packets_sent':0}"};
    for (unsigned i = 0; i < 3; i++) {
        char row[256];
        snprintf(row, sizeof row, rows[_i], 1, 9, _i ? 100 * (i + 1) : 100);
        feed(_i ? TOP_PEERS : TOP_LINKS, row, table.time_ms + SECOND, false);
    }
    ck_assert_double_eq(value(0, "sent/s"), _i ? 100 : 50);
    ck_assert_double_nan(value(0, "lost/s"));
    ck_assert_double_nan(value(0, "loss"));
    ck_assert_int_eq(table.rows[0].mark, STYLE_PLAIN);
}
END_TEST

START_TEST(a_link_that_is_silent_stays_for_a_minute_and_keeps_its_rtt) {
    feed_link(1, 100, 4);
    for (unsigned i = 1; i < TOP_SAMPLES; i++) {
        feed_link(2, 10, 0);
        ck_assert_uint_eq(table.row_count, 2);
        ck_assert_str_eq(selected("", "rtt", true), "00000000 00000000");
        ck_assert_double_eq(value(1, "sent/s"), 0);
        ck_assert_double_eq(value(1, "rtt"), 7);
        if (i < TOP_LOSS_SAMPLES) ck_assert_double_eq(value(1, "loss"), 0.04);
    }
    ck_assert_double_nan(value(1, "loss"));
    feed_link(2, 10, 0);
    ck_assert_uint_eq(table.row_count, 1);
    feed_link(1, 100, 0);
    ck_assert_uint_eq(table.row_count, 2);
}
END_TEST

/* ---- peers that do not answer ---- */

/* 0: a link; 1: a peer.  received: since the previous answer. */
static void feed_traffic(int peer, unsigned sent, unsigned received, unsigned lost) {
    static unsigned all[3];
    char row[320];
    if (!table.row_count) memset(all, 0, sizeof all);
    if (!table.row_count) all[1] = 1;
    all[0] += sent, all[1] += received, all[2] += lost;
    if (peer)
        snprintf(row, sizeof row,
                 "{'peer_id':'%064d','packets_sent':%u,'packets_received':%u,'packets_lost':%u,'rtt':7,'last':{'timestamp':"
                 "999000000}}",
                 1, all[0], all[1], all[2]);
    else
        snprintf(row, sizeof row, "{'node_id':'%064d','peer_id':'%064d','sent':%u,'received':%u,'lost':%u,%s'seconds':1.0}", 1, 2,
                 sent, received, lost, received ? "'rtt':7," : "");
    feed(peer ? TOP_PEERS : TOP_LINKS, row, table.time_ms + SECOND, false);
}

START_TEST(a_peer_that_does_not_answer_does_not_look_perfect) {
    for (unsigned i = 0; i < 3; i++) feed_traffic(_i, 10, 10, 0);
    for (unsigned i = 0; i < TOP_LOSS_SAMPLES - 1; i++) feed_traffic(_i, 1, 0, 0);
    ck_assert_double_eq(value(0, "loss"), 0);
    ck_assert_double_eq(value(0, "rtt"), 7);
    ck_assert_int_eq(table.rows[0].mark, STYLE_PLAIN);
    feed_traffic(_i, 1, 0, 0);
    ck_assert_double_nan(value(0, "loss"));
    ck_assert_double_nan(value(0, "rtt"));
    ck_assert_int_eq(table.rows[0].mark, STYLE_WARN);
    feed_traffic(_i, 9, 0, 1);
    ck_assert_double_gt(value(0, "loss"), 0.05); /* a loss that was declared is one */
    ck_assert_double_lt(value(0, "loss"), 0.06);
    feed_traffic(_i, 10, 10, 0);
    ck_assert_double_eq(value(0, "rtt"), 7);
}
END_TEST

/* Idle; and one whose node reports nothing that it receives. */
START_TEST(a_peer_that_is_not_asked_keeps_its_rtt_for_a_minute) {
    feed_traffic(1, 10, 10, 0);
    feed_traffic(1, 10, 10, 0);
    for (unsigned i = 1; i < TOP_SAMPLES; i++) feed_traffic(1, 0, 0, 0);
    ck_assert_double_eq(value(0, "rtt"), 7);
    ck_assert_int_eq(table.rows[0].mark, STYLE_PLAIN);
    feed_traffic(1, 0, 0, 0);
    ck_assert_double_nan(value(0, "rtt"));
    top_table_fini(&table);
    for (unsigned i = 0; i < 2 * TOP_SAMPLES; i++) feed_peer('a', 100 * i, 0, (i + 1) * SECOND, false);
    ck_assert_double_eq(value(0, "rtt"), 5000);
    ck_assert_double_eq(value(0, "loss"), 0);
}
END_TEST

START_TEST(a_peer_has_the_age_of_its_last_sign_of_life) {
    feed(TOP_PEERS, "{'peer_id':'" NODE_A "','last':{'timestamp':999999000},'heard':{'timestamp':998000000}}", 8 * SECOND, false);
    ck_assert_double_eq(value(0, "heard"), 2e9); /* what was sent to it since is no sign of it */
    feed(TOP_PEERS, "{'peer_id':'" NODE_A "','last':{'timestamp':1000000001},'heard':{'timestamp':1000000001}}", 9 * SECOND,
         false);
    ck_assert_double_eq(value(0, "heard"), 0);
    feed(TOP_PEERS, "{'peer_id':'" NODE_A "'}", 10 * SECOND, false);
    ck_assert_double_nan(value(0, "heard"));
}
END_TEST

/* ---- recordings ---- */

START_TEST(a_recording_has_averages_however_often_it_is_asked) {
    for (unsigned i = 0; i < 3; i++) {
        feed_past(TOP_PEERS, "{'peer_id':'" NODE_A "','packets_sent':100,'packets_received':60,'packets_lost':5,'rtt':7}");
        ck_assert_double_eq(value(0, "sent/s"), 25);
        ck_assert_double_eq(value(0, "rcvd/s"), 15);
        ck_assert_double_eq(value(0, "loss"), 0.05);
        for (unsigned k = 0; k < TOP_SAMPLES; k++) ck_assert_float_nan(table.rows[0].series[0][k]);
    }
    for (unsigned i = 0; i < 3; i++) {
        feed_past(TOP_NODES,
                  "{'node_id':'" NODE_A "','state':'exited','emitted':300,'indexed':290,'lost':10,"
                  "'started':{'timestamp':990000000},'last':{'timestamp':992000000}},"
                  "{'node_id':'" NODE_B "','state':'exited','emitted':300,'indexed':300,'lost':0,'last':{'timestamp':5}}");
        ck_assert_double_eq(value(0, "events/s"), 150); /* in the 2 s of its life */
        ck_assert_double_eq(value(0, "lost/s"), 5);
        ck_assert_int_eq(table.rows[0].mark, STYLE_WARN); /* it is past */
        ck_assert_double_nan(value(1, "events/s"));
    }
}
END_TEST

START_TEST(a_count_by_node_peer_and_kind_becomes_a_row_for_each_link) {
    const char *text =
        "{\"seconds\":4,\"rows\":[7,{},{\"group\":{\"node\":null,\"peer\":null,\"kind\":\"metrics\"},\"count\":1}]}";
    json_t *answer = json_loads(text, 0, NULL), *rows = json_object_get(answer, "rows"), *counted;
    for (unsigned i = 0; i < 3; i++) {
        static const char *const kinds[] = {"packet_sent", "packet_lost", "metrics"};
        json_array_append_new(rows, json_pack("{s{ss,ss,ss},si,s{si}}", "group", "node", NODE_A, "peer", NODE_B, "kind", kinds[i],
                                              "count", 10 + (int)i, "value", i == 2 ? "p50" : "none", 77));
    }
    ck_assert_ptr_nonnull(counted = top_counts_new(TOP_LINKS, answer));
    const json_t *list = json_object_get(counted, "rows"), *row = json_array_get(list, 0);
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "sent")), 10);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "lost")), 11);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "rtt")), 77);
    ck_assert_ptr_null(json_object_get(row, "received"));
    json_decref(counted);
    json_decref(answer);
}
END_TEST

/* Of a link without packets, its messages are counted; a lost packet shows that it has packets. */
START_TEST(a_link_that_counts_messages_says_so) {
    static const char *const kinds[] = {"message_sent", "message_received", "packet_lost"};
    json_t *answer = json_pack("{si,s[]}", "seconds", 4, "rows"), *rows = json_object_get(answer, "rows"), *counted;
    for (int i = 0; i < (_i ? 3 : 2); i++)
        json_array_append_new(
            rows, json_pack("{s{ss,ss,ss},si}", "group", "node", NODE_A, "peer", NODE_B, "kind", kinds[i], "count", 10 + i));
    ck_assert_ptr_nonnull(counted = top_counts_new(TOP_LINKS, answer));
    const json_t *row = json_array_get(json_object_get(counted, "rows"), 0);
    ck_assert_int_eq(json_is_true(json_object_get(row, "messages")), !_i);
    ck_assert_int_eq(json_integer_value(json_object_get(row, "sent")), _i ? 0 : 10);
    json_decref(counted);
    json_decref(answer);
}
END_TEST

/* ---- order and filter ---- */

static void feed_traces(void) {
    feed(TOP_TRACES,
         "{'trace_id':'20000000000000000000000000000000','duration':5,'outcome':'ok','command':'GET','app':'Map','cmd':1},"
         "{'trace_id':'10000000000000000000000000000000','duration':7,'outcome':'failed','command':'PUT','app':'Map','cmd':1},"
         "{'trace_id':'40000000000000000000000000000000','outcome':'none'},"
         "{'trace_id':'30000000000000000000000000000000','duration':5,'outcome':'open','command':'GET','app':'Map','cmd':1}",
         1 * SECOND, false);
}

START_TEST(rows_are_sorted_by_a_column_with_the_unknown_last) {
    feed_traces();
    ck_assert_str_eq(selected("", "duration", true), "10000000 20000000 30000000 40000000");
    ck_assert_str_eq(selected("", "duration", false), "20000000 30000000 10000000 40000000");
    ck_assert_str_eq(selected("", "outcome", false), "10000000 40000000 20000000 30000000");
    ck_assert_str_eq(selected("", "trace", true), "40000000 30000000 20000000 10000000");
}
END_TEST

START_TEST(names_with_numbers_are_sorted_as_people_count) {
    feed(TOP_NODES, "{'name':'node10','state':'live'},{'name':'node9','state':'live'},{'name':'node1','state':'live'}", 1, false);
    ck_assert_str_eq(selected("", "node", false), "node1 node9 node10");
    ck_assert_str_eq(selected("", "lost/s", true), "node1 node9 node10");
}
END_TEST

START_TEST(a_filter_is_found_in_any_text_of_a_row_in_any_case) {
    feed_traces();
    ck_assert_str_eq(selected("get", "trace", false), "20000000 30000000");
    ck_assert_str_eq(selected("FAIL", "trace", false), "10000000");
    ck_assert_str_eq(selected("map put", "trace", false), "10000000");
    ck_assert_str_eq(selected("zebra", "trace", false), "");
    ck_assert_str_eq(selected("2000000000", "trace", false), "20000000"); /* more of the id than is shown */
    feed(TOP_NODES, "{'name':'xenia','node_id':'" NODE_A "'},{'name':'yves','node_id':'" NODE_B "'}", 2 * SECOND, false);
    free(table.rows[0].texts[0]);
    table.rows[0].texts[0] = strdup("xenia"); /* what is shown is the name, and the id is not */
    ck_assert_str_eq(selected("aaaa", "node", false), "xenia");
    ck_assert_str_eq(selected("aaa", "node", false), ""); /* could be any three letters */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("top_table");
    TCase *tcase = tcase_create("rows");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_rate_is_the_rise_over_the_time_between_two_answers);
    tcase_add_test(tcase, the_first_answer_has_no_rates);
    tcase_add_test(tcase, no_rate_is_ever_negative);
    tcase_add_test(tcase, evictions_give_no_rate_and_the_last_rate_stays_for_a_while);
    tcase_add_test(tcase, loss_is_a_share_of_the_sends_in_the_last_ten_intervals);
    tcase_add_test(tcase, more_lost_than_sent_is_all_of_it);
    tcase_add_test(tcase, a_node_s_backlog_is_emitted_minus_read);
    tcase_add_test(tcase, a_row_that_disappears_and_returns_starts_again);
    tcase_add_test(tcase, a_node_that_was_started_again_is_another_row);
    tcase_add_test(tcase, entries_that_are_not_rows_are_skipped);
    tcase_add_loop_test(tcase, bad_values_are_marked, 0, sizeof marks / sizeof *marks);
    tcase_add_test(tcase, an_rtt_above_four_times_its_median_is_marked);
    tcase_add_test(tcase, a_counted_rate_needs_no_answer_before_it);
    tcase_add_loop_test(tcase, the_loss_of_messages_is_not_known, 0, 2);
    tcase_add_test(tcase, a_link_that_is_silent_stays_for_a_minute_and_keeps_its_rtt);
    tcase_add_loop_test(tcase, a_peer_that_does_not_answer_does_not_look_perfect, 0, 2);
    tcase_add_test(tcase, a_peer_that_is_not_asked_keeps_its_rtt_for_a_minute);
    tcase_add_test(tcase, a_peer_has_the_age_of_its_last_sign_of_life);
    tcase_add_test(tcase, a_recording_has_averages_however_often_it_is_asked);
    tcase_add_test(tcase, a_count_by_node_peer_and_kind_becomes_a_row_for_each_link);
    tcase_add_loop_test(tcase, a_link_that_counts_messages_says_so, 0, 2);
    tcase_add_test(tcase, rows_are_sorted_by_a_column_with_the_unknown_last);
    tcase_add_test(tcase, names_with_numbers_are_sorted_as_people_count);
    tcase_add_test(tcase, a_filter_is_found_in_any_text_of_a_row_in_any_case);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
