/* SPDX-License-Identifier: MIT
 *
 * The filter language: what each operator, field and unit means, and the message for each mistake.  Combinations are in
 * test_filter_model.c. */
#include "filter_events.h"
#include "run.h"
#include <errno.h>
#include <proto/event_table.h>
#include <stdio.h>
#include <stdlib.h>

static const struct trace_filter_name node_names[] = {
    {{{0xa1, 0x1c, 0xe0}}, "alice", "hill"}, {{{0xb0, 0xb0}}, "bob", "valley"}, {{{0xca, 0x01}}, "ca"}};
static const struct trace_app *const apps[] = {&app_dmap};
static const struct trace_filter_names all_names = {node_names, COUNT_OF(node_names), apps, COUNT_OF(apps), true};
static const struct trace_filter_names open_names = {node_names, COUNT_OF(node_names), apps, COUNT_OF(apps), false};

static struct trace_filter *compile(const char *text, enum trace_filter_mode mode, const struct trace_filter_names *names) {
    struct trace_filter *filter = NULL;
    struct trace_filter_error error;
    struct trace_filter_options options = {mode, EVENTS_NOW, names};
    int status = trace_filter_compile(&filter, text, strlen(text), &options, &error);
    ck_assert_msg(status == 0, "%s: %d at %zu: %s", text, status, error.position, error.reason);
    return filter;
}

/* The letters of the events that match. */
static void match(const struct trace_filter *filter, char matched[sizeof EVENTS_ALL]) {
    struct test_event events[sizeof EVENTS_ALL];
    unsigned count = make_events(events);
    for (unsigned i = 0; i < count; i++)
        if (trace_filter_match(filter, &events[i].event, &events[i].origin)) *matched++ = events[i].letter;
    *matched = 0;
}

/* ---- events ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *events;
} cases[] = {
    /* kinds */
    {"packet_lost", "L"},
    {"unknown", "U"},
    {"kind == packet_lost", "L"},
    {"kind != packet_lost", "SMDIJXCAENU"},
    {"kind in {packet_sent, packet_lost, unknown}", "SLU"},
    {"kind ~ packet_*", "SL"},
    {"kind ~ 'unk*'", "U"},
    {"kind ~ nothing*", ""},
    {"kind_id == 77", "U"},
    {"kind_id >= 12", "AEU"},
    {"kind_id in {7..9}", "SL"},
    /* logic */
    {"packet_sent or packet_lost", "SL"},
    {"packet_sent and packet_lost", ""},
    {"not packet_sent", "LMDIJXCAENU"},
    {"not not packet_sent", "S"},
    {"packet_sent or packet_lost and packet_num == 5", "SL"},
    {"(packet_sent or packet_lost) and packet_num == 5", "L"},
    {"packet_sent or not packet_num > 6 and space == handshake", "SL"},
    {"not packet_sent and not packet_lost", "MDIJXCAENU"},
    {"not (packet_sent or packet_lost)", "MDIJXCAENU"},
    {"((((packet_sent))))", "S"},
    {"  packet_sent\t\n", "S"},
    /* missing fields */
    {"size == 1200", "S"},
    {"size != 1200", ""},
    {"size != 1", "S"},
    {"not size == 1200", "LMDIJXCAENU"},
    {"size < 100 or size >= 100", "S"},
    {"peer != bob", "M"},
    {"not peer == bob", "LM"},
    {"peer == null", "L"},
    {"peer != null", "SMDIJXCAENU"},
    {"peer in {null, carol}", "L"},
    {"trace == null", "L"},
    {"trace != null and packet_lost", ""},
    {"trace != 4f", ""},
    /* numbers and units */
    {"packet_num < 7", "L"},
    {"packet_num <= 7", "SL"},
    {"packet_num > 5", "S"},
    {"packet_num >= 5", "SL"},
    {"packet_num in {1, 5}", "L"},
    {"packet_num in {5..6, 100}", "L"},
    {"packet_num in {5..7}", "SL"},
    {"packet_num < 0", ""},
    {"packet_num >= 0", "SL"},
    {"packet_num == 0x7", "S"},
    {"rtt > 100ms", "M"},
    {"rtt > 150ms", ""},
    {"rtt >= 0.15s", "M"},
    {"rtt == 150000us", "M"},
    {"rtt == 150000000ns", "M"},
    {"rtt < 0.1m", "M"},
    {"rtt < 1h", "M"},
    {"rtt > 149999999ns", "M"},
    {"cwnd == 64KiB", "M"},
    {"cwnd == 65.536kB", "M"},
    {"cwnd < 1MiB", "M"},
    {"cwnd < 1MB and cwnd < 1GB and cwnd < 1GiB and cwnd > 1B", "M"},
    {"in_flight == 18446744073709551615", "M"},
    {"in_flight > 18446744073709551615", ""},
    {"in_flight >= 18446744073709551615", "M"},
    {"length == 1000 and offset == 0", "D"},
    {"sequence == 103", "D"},
    {"sequence in {100..102}", "SLM"},
    {"lane == 1", "LDJCEU"},
    /* names of data fields */
    {"data.size == 1200", "S"},
    {"packet_sent.size == 1200", "S"},
    {"packet_received.size == 1200", ""},
    {"packet_lost.packet_num < 100", "L"},
    {"metrics.rtt > 1ms", "M"},
    {"conn_established.rtt > 1ms", ""},
    /* bools */
    {"fin", "D"},
    {"sent", "D"},
    {"sent == true", "D"},
    {"sent != true", ""},
    {"by_remote", "IX"},
    {"not by_remote", "SLMDJCAENU"},
    {"by_remote == false", "J"},
    {"by_remote != true", "J"},
    {"conn_closed.by_remote", "X"},
    {"data.by_remote", "IX"},
    {"ok == false", "E"},
    {"ok in {true, false}", "E"},
    /* flags */
    {"sampled", "SMDIJXCAENU"},
    {"debug", "L"},
    {"has_peer", "SMDIJXCAENU"},
    {"flags == debug", "L"},
    {"flags != debug", "SMDIJXCAENU"},
    {"flags in {debug, sampled}", EVENTS_ALL},
    {"flags ~ deb*", "L"},
    {"flags == probe", ""},
    /* times */
    {"time > -5s", "SLMDI"},
    {"time >= -5s", "SLMDIJ"},
    {"time in {-3s..-1s}", "LMD"},
    {"time < 2025-12-31T23:59:49.5Z", "U"},
    {"time >= 2026-01-01T00:00:00Z", "S"},
    {"time == 1767225600123456", "S"},
    {"timestamp == 1767225600123456", "S"},
    {"time > 1767225600123456", ""},
    {"time >= 1767225600123456", "S"},
    {"time < 1767225600123457", EVENTS_ALL},
    {"time <= 1767225599123456", "LMDIJXCAENU"},
    {"time == 2026-01-01T00:00:00.123456789Z", "S"},
    {"time in {2025-12-31T23:59:58Z..2026-01-01T00:00:00Z}", "LM"},
    /* nodes and peers */
    {"node == alice", "SLDIJXCAENU"},
    {"node_id == a11ce", "SLDIJXCAENU"},
    {"node == b0", "M"},
    {"node != alice", "M"},
    {"node ~ a*", "SLDIJXCAENU"},
    {"node ~ 'b0b0*'", "M"},
    {"node in {alice, bob}", EVENTS_ALL},
    /* machines */
    {"host == valley", "M"},
    {"host != valley", "SLIJXCAENU"},
    {"host == null", "D"},
    {"host != null", "SLMIJXCAENU"},
    {"host in {valley, null}", "MD"},
    {"host ~ h*", "SLIJXCAENU"},
    {"not host == hill", "MD"},
    {"host == hill and packet_lost", "L"},
    {"peer == bob", "SDIJXCAENU"},
    {"peer_id == b0b0", "SDIJXCAENU"},
    {"peer == b0b0000000000000000000000000000000000000000000000000000000000000", "SDIJXCAENU"},
    {"peer == ca", "M"}, /* a node's name, and no prefix */
    {"peer == ca0", "M"},
    {"peer ~ b*", "SDIJXCAENU"},
    {"peer ~ 'ca01*'", "M"},
    {"peer ~ *", "SMDIJXCAENU"},
    {"trace == 4f2a00", "S"},
    {"trace_id == 4F2A02", "M"},
    {"trace ~ '4f2a0[0'", ""},
    {"trace ~ '4f2a00*'", "S"},
    {"trace ~ '4F2A0?00*'", "SMDIJXCAENU"},
    /* text */
    {"reason == 'idle timeout'", "X"},
    {"reason == \"idle timeout\"", "X"},
    {"reason != idle", "X"},
    {"reason ~ *time*", "X"},
    {"reason ~ 'idle?timeout'", "X"},
    {"reason ~ 'idle\\?timeout'", ""},
    {"reason ~ IDLE*", ""},
    {"reason == ''", ""},
    {"app_id == DMAP", "CAE"},
    {"app_id ~ ?OPE", "N"},
    {"app_id in {NOPE, DMAP}", "CAEN"},
    {"space == 1rtt", "S"},
    {"space != 1rtt", "L"},
    {"space in {1rtt, handshake}", "SL"},
    {"space ~ *shake", "L"},
    {"space == 1", "L"},
    {"data ~ 'deadbeef*'", "CN"},
    {"data == deadbeef01020304000020002f612f622e74787409080706", "CN"},
    {"data == DEADBEEF01020304000020002f612f622e74787409080706", "CN"},
    {"data == deadbeef", ""},
    {"endpoint == 192.0.2.1:443", "I"},
    {"endpoint == 192.0.2.1", "I"},
    {"endpoint != 192.0.2.1", "J"},
    {"endpoint == 192.0.2.1:444", ""},
    {"endpoint == [::1]:4433", "J"},
    {"endpoint == [::1]", "J"},
    {"endpoint == ::1", "J"},
    {"endpoint ~ *:4433", "J"},
    {"endpoint ~ '[[]*'", ""},
    {"endpoint == null", ""},
    {"endpoint != null", "IJ"},
    {"span_id == 0123", "AE"},
    {"span_id == 0123456789abcdef", "AE"},
    {"span_id == 0123456789abcdee", ""},
    {"span_id ~ *cdef", "AE"},
    {"parent_id == 0", "A"},
    {"span_id == 0", ""},
    {"span_id != 01", ""},
    /* applications */
    {"app == DMAP", "CAE"},
    {"app == DataMap", "CAE"},
    {"app != DMAP", "N"},
    {"app ~ Data*", "CAE"},
    {"app ~ *", "CAEN"},
    {"command == GET_CHUNK", "CA"},
    {"command == 2", "CAN"},
    {"command != GET_CHUNK", "EN"},
    {"command == null", "EN"},
    {"command ~ GET_*", "CA"},
    {"cmd == 9", "E"},
    {"DMAP.size > 1MiB", "C"},
    {"DataMap.size > 1MiB", "C"},
    {"'DataMap.size' > 1MiB", "C"},
    {"fields.size > 1MiB", "C"},
    {"DMAP.size == 2MiB", "C"},
    {"DMAP.size == 2097152", "C"},
    {"DMAP.size < 1s and DMAP.size > 2ms", "C"},
    {"DMAP.size != 1", "C"},
    {"DMAP.size != x", ""},
    {"DMAP.size in {1..3, 2097152}", "C"},
    {"DMAP.hash == deadbeef", "C"},
    {"DMAP.hash != deadbeef", ""},
    {"DMAP.hash ~ *04", "C"},
    {"DMAP.hash > 5", ""},
    {"DMAP.key == 09080706", "C"},
    {"DMAP.key == 0908", ""},
    {"DMAP.key != 0908", "C"},
    {"DMAP.path == '/a/b.txt'", "C"},
    {"DMAP.path ~ *.txt", "C"},
    {"DMAP.path < 5", ""},
};

START_TEST(a_filter_lets_through_the_events_that_it_names) {
    char matched[sizeof EVENTS_ALL];
    struct trace_filter *filter = compile(cases[_i].text, TRACE_FILTER_EVENTS, &open_names);
    match(filter, matched);
    ck_assert_msg(!strcmp(matched, cases[_i].events), "%s: \"%s\", not \"%s\"", cases[_i].text, matched, cases[_i].events);
    trace_filter_destroy(filter);
}
END_TEST

START_TEST(a_question_mark_is_a_character_and_not_a_byte_of_it) {
    static const struct {
        const char *text;
        bool matches;
    } globs[] = {
        {"reason ~ '?'", false}, {"reason ~ ??", true}, {"reason ~ '?b'", true}, {"reason ~ ???", false}, {"reason ~ *b", true}};
    const struct trace_event event = {.kind = TRACE_KIND_CONN_CLOSED,
                                      .data.conn_closed.reason = "\xc3\xa9"
                                                                 "b"};
    const struct trace_filter_origin origin = {.node_id = &id_alice};
    for (size_t i = 0; i < COUNT_OF(globs); i++) {
        struct trace_filter *filter = compile(globs[i].text, TRACE_FILTER_EVENTS, NULL);
        ck_assert_msg(trace_filter_match(filter, &event, &origin) == globs[i].matches, "%s", globs[i].text);
        trace_filter_destroy(filter);
    }
}
END_TEST

/* The data bytes of an application's event are 42, those of a custom event 44: as many digits can be compared. */
START_TEST(bytes_are_compared_to_their_end) {
    static const struct trace_app app = {.app_id = "LONG",
                                         .name = "Long",
                                         .field_count = 2,
                                         .fields = {{"hash", TRACE_APP_HASH, 0, 42, 0}, {"key", TRACE_APP_BYTES, 1, 33, 0}}};
    struct trace_event command = {.kind = TRACE_KIND_APP_COMMAND, .data.app_command = {.app_id = "LONG", .data_bytes = 42}};
    struct trace_event custom = {.kind = TRACE_KIND_CUSTOM, .data.custom = {.data_bytes = 44}};
    const struct trace_filter_origin origin = {.node_id = &id_alice, .app = &app};
    char digits[2 * 44 + 1], text[200];
    for (unsigned i = 0; i < 44; i++) {
        if (i < 42) command.data.app_command.data[i] = (uint8_t)(0xa0 + i);
        custom.data.custom.data[i] = (uint8_t)(0xa0 + i);
        sprintf(digits + (size_t)2 * i, "%02X", 0xa0 + i);
    }
    const struct {
        const char *format;
        int digits, from;
        bool command, custom;
    } filters[] = {{"LONG.hash == %.*s", 84, 0, true, false},
                   {"LONG.hash == %.*s", 83, 0, true, false},
                   {"LONG.hash == %.*s", 65, 0, true, false},
                   {"LONG.hash == %.*s", 86, 0, false, false},
                   {"LONG.hash != %.*s", 84, 0, false, false},
                   {"LONG.hash == %.*s", 66, 2, false, false},
                   {"LONG.hash != %.*s", 66, 2, true, false},
                   {"LONG.key == %.*s", 66, 2, true, false},
                   {"LONG.key == %.*s", 65, 2, false, false},
                   {"LONG.key in {%.*s, 00}", 66, 2, true, false},
                   {"data == %.*s", 88, 0, false, true},
                   {"data == %.*s", 84, 0, true, false},
                   {"data != %.*s", 88, 0, true, false},
                   {"custom.data == %.*s", 88, 0, false, true},
                   {"app_command.data == %.*s", 84, 0, true, false}};
    for (unsigned i = 0; i < COUNT_OF(filters); i++) {
        snprintf(text, sizeof text, filters[i].format, filters[i].digits, digits + filters[i].from);
        struct trace_filter *filter = compile(text, TRACE_FILTER_EVENTS, NULL);
        ck_assert_msg(trace_filter_match(filter, &command, &origin) == filters[i].command, "%s", text);
        ck_assert_msg(trace_filter_match(filter, &custom, &origin) == filters[i].custom, "%s", text);
        trace_filter_destroy(filter);
    }
}
END_TEST

/* Above, all names are known. */
START_TEST(knowing_names_changes_no_match) {
    static const char *const texts[] = {"node == alice", "node == a11ce", "DMAP.size > 1MiB", "app == DataMap",
                                        "command == GET_CHUNK"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char known[sizeof EVENTS_ALL], unknown[sizeof EVENTS_ALL];
        struct trace_filter *filter = compile(texts[i], TRACE_FILTER_EVENTS, &all_names);
        match(filter, known);
        trace_filter_destroy(filter);
        filter = compile(texts[i], TRACE_FILTER_EVENTS, NULL);
        match(filter, unknown);
        trace_filter_destroy(filter);
        ck_assert_msg(known[0] && !strcmp(known, unknown), "%s: \"%s\" and \"%s\"", texts[i], known, unknown);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("filter");
    TCase *tcase = tcase_create("events");
    tcase_add_loop_test(tcase, a_filter_lets_through_the_events_that_it_names, 0, COUNT_OF(cases));
    tcase_add_test(tcase, a_question_mark_is_a_character_and_not_a_byte_of_it);
    tcase_add_test(tcase, bytes_are_compared_to_their_end);
    tcase_add_test(tcase, knowing_names_changes_no_match);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
